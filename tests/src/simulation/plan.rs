//! Who takes part in a run and how, drawn from the seed.

use passkey_accounts::{protocol::stream::Start, stream::Subscription};

/// What one client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Follows the whole log; resumes where it was if it `remembers`.
    View { remembers: bool },
    /// One of the workers of that consumer.
    Worker { consumer: usize },
    /// A key, and nothing else.
    Shortest,
}

#[derive(Debug, Clone)]
pub(super) struct ClientPlan {
    pub(super) role: Role,
    pub(super) window: Option<u32>,
    pub(super) all_types: bool,
    /// Without state, from the oldest entry on.
    pub(super) ships: bool,
    pub(super) start: Option<Start>,
    pub(super) in_hand: u32,
    /// How many handlers run at once.
    pub(super) concurrency: usize,
    /// The longest time that a handler usually takes, in milliseconds.
    pub(super) pace: u64,
}

#[derive(Debug, Clone)]
pub(super) struct ConsumerPlan {
    pub(super) name: String,
    pub(super) lanes: u32,
    pub(super) all_types: bool,
    pub(super) ships: bool,
    /// Whether positions are stored with the effects.
    pub(super) is_transactional: bool,
    pub(super) ack_timeout_ms: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) clients: Vec<ClientPlan>,
    pub(super) consumers: Vec<ConsumerPlan>,
    pub(super) accounts: u8,
    pub(super) page_sessions: usize,
    pub(super) read_entries: usize,
    pub(super) ring: usize,
    /// The time in which things happen and go wrong, in milliseconds.
    pub(super) busy_ms: u64,
    /// The mean time between two things that happen, in milliseconds.
    pub(super) pause_ms: u64,
    pub(super) keep: usize,
    /// In the end there is a rush, for fast applications on a fast network.
    pub(super) has_rush: bool,
}

impl Plan {
    pub(super) fn draw(random: &mut fastrand::Rng) -> Self {
        let mut consumers = Vec::new();
        let mut clients = Vec::new();
        for (name, lanes) in [("one", 1), ("many", 2 + random.u32(..3))] {
            if random.u32(..4) == 0 {
                continue;
            }
            let consumer = consumers.len();
            let (ships, all_types) = (random.u32(..3) == 0, random.u32(..3) == 0);
            consumers.push(ConsumerPlan {
                name: name.into(),
                lanes,
                all_types,
                ships,
                is_transactional: random.bool(),
                ack_timeout_ms: random.choice([2_000, 5_000, 60_000]).unwrap_or(60_000),
            });
            for _ in 0..1 + random.u32(..3) {
                let mut client = ClientPlan::draw(Role::Worker { consumer }, random);
                (client.ships, client.all_types, client.start) = (ships, all_types, None);
                clients.push(client);
            }
        }
        for _ in 0..1 + random.u32(..2) {
            clients.push(ClientPlan::draw(Role::View { remembers: random.bool() }, random));
        }
        if random.bool() {
            clients.push(ClientPlan::draw(Role::Shortest, random));
        }
        let has_rush = random.u32(..12) == 0;
        if has_rush {
            clients.iter_mut().for_each(|client| client.pace = 1);
        }
        Self {
            clients,
            has_rush,
            consumers,
            accounts: 3 + random.u8(..5),
            page_sessions: random.usize(1..5),
            read_entries: random.usize(1..9),
            ring: random.choice([4, 12, 1_000]).unwrap_or(12),
            busy_ms: random.u64(8_000..80_000),
            pause_ms: random.choice([100, 300, 1_000]).unwrap_or(300),
            keep: random.usize(3..40),
        }
    }
}

impl ClientPlan {
    fn draw(role: Role, random: &mut fastrand::Rng) -> Self {
        let is_view = matches!(role, Role::View { .. });
        let mut window = random.choice([None, Some(1), Some(2), Some(3), Some(5), Some(16)]).flatten();
        if is_view && random.u32(..5) == 0 {
            window = Some(0);
        }
        let ships = is_view && random.u32(..3) == 0;
        let starts = [None, Some(Start::Now), Some(Start::Earliest)];
        let start = if is_view { random.choice(starts).flatten() } else { None };
        Self {
            role,
            window,
            all_types: random.u32(..3) == 0,
            ships,
            start,
            in_hand: if is_view { random.u32(..3) } else { 0 },
            concurrency: random.usize(1..5),
            pace: random.choice([5, 40, 400]).unwrap_or(40),
        }
    }

    pub(super) fn subscription(
        &self,
        after: Option<String>,
        consumer: Option<&ConsumerPlan>,
    ) -> Subscription {
        Subscription {
            types: self.all_types.then(|| vec!["*".to_owned()]),
            after,
            start: self.start,
            snapshot: self.ships.then_some(false),
            consumer: consumer.map(|consumer| consumer.name.clone()),
            lanes: consumer.map(|consumer| consumer.lanes),
            window: self.window,
            ack_timeout_ms: consumer.map(|consumer| consumer.ack_timeout_ms),
            skip: None,
            in_hand: self.in_hand,
        }
    }
}
