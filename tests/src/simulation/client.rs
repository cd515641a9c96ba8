//! A back end: the shipped client machine, driven as transport/native.rs drives it, under an application that is slow,
//! fails, crashes and comes back.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use passkey_accounts::{
    log::EventID,
    planted,
    protocol::stream::{GapNext, GapReason},
    stream::{InHand, Item, Lost, Machine, Output},
};

use super::{
    history::Wanted,
    oracle::{At, Flow, Promise, Violation, broken},
    plan::{ClientPlan, Role},
    wire::{Frame, LinkID, Wire},
    world::World,
};

/// A back end, over all its processes.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) plan: ClientPlan,
    pub(super) process: Option<Process>,
    pub(super) restarts_at: u64,
    /// The position that a view's application has written down.
    remembered: Option<String>,
    /// What the server has stored of each lane, by the lease under which it was offered.
    pub(super) offered: HashMap<(u32, u64), Option<EventID>>,
    pub(super) shortest: super::shortest::Shortest,
}

/// What runs.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) machine: Machine,
    born: u64,
    paused_until: u64,
    link: Option<LinkID>,
    /// When the attempt at a connection is decided.
    connects_at: Option<u64>,
    key_at: Option<u64>,
    keys: u8,
    /// Questions for the application's own position.
    starts: Vec<Ask>,
    handling: Vec<Handling>,
    /// When the application looks for items.
    fetches_at: u64,
    pub(super) flows: BTreeMap<u32, Flow>,
    /// What this process has completed of each lane.
    completed: BTreeMap<u32, HashSet<EventID>>,
    /// Completions, for telling how far back this process remembers.
    order: BTreeMap<u32, Vec<EventID>>,
    has_connected: bool,
}

#[derive(Debug, Clone)]
struct Ask {
    lane: u32,
    lease: u64,
    claims_at: u64,
    answers_at: u64,
    /// The store's answer, once it was asked.
    answer: Option<Result<Option<String>, ()>>,
}

#[derive(Debug)]
struct Handling {
    in_hand: InHand,
    /// When the effect is committed.
    effect_at: u64,
    /// When the application says so.
    settles_at: u64,
    fails: bool,
    is_done: bool,
}

/// An application's own row about a lane of a consumer.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnRow {
    lease: u64,
    id: Option<String>,
    /// Where the effects are, in the eyes of the oracle.
    at: Option<At>,
}

impl Client {
    pub(super) fn new(plan: ClientPlan, restarts_at: u64) -> Self {
        Self {
            plan,
            process: None,
            restarts_at,
            remembered: None,
            offered: HashMap::new(),
            shortest: super::shortest::Shortest::default(),
        }
    }

    /// When it has something to do.
    pub(super) fn due(&self) -> u64 {
        if self.plan.role == Role::Shortest {
            return self.shortest.due();
        }
        let Some(process) = &self.process else { return self.restarts_at };
        let timeout = process.machine.poll_timeout().map(|at| process.born + millis(at));
        let fetch = (process.machine.has_item() && process.handling.len() < self.plan.concurrency)
            .then_some(process.fetches_at);
        let starts = process
            .starts
            .iter()
            .map(|ask| if ask.answer.is_some() { ask.answers_at } else { ask.claims_at });
        let handling =
            process.handling.iter().map(|one| if one.is_done { one.settles_at } else { one.effect_at });
        [timeout, fetch, process.connects_at, process.key_at]
            .into_iter()
            .flatten()
            .chain(starts)
            .chain(handling)
            .min()
            .unwrap_or(u64::MAX)
            .max(process.paused_until)
    }

    /// Whether the socket is read.
    pub(super) fn is_reading(&self) -> bool {
        self.process.as_ref().is_none_or(|process| !process.machine.is_full())
    }

    pub(super) fn link(&self) -> Option<LinkID> {
        if self.plan.role == Role::Shortest { self.shortest.link } else { self.process.as_ref()?.link }
    }
}

/// Rounded up: a timer never rings early.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl World {
    fn process(&mut self, client: usize) -> Option<&mut Process> {
        self.clients[client].process.as_mut()
    }

    /// One step of a client's machine, and what follows from it.
    fn step(&mut self, client: usize, step: impl FnOnce(&mut Machine, Duration)) -> Result<(), Violation> {
        let now = self.now;
        let Some(process) = self.process(client) else { return Ok(()) };
        let since = Duration::from_millis(now - process.born);
        step(&mut process.machine, since);
        self.carry_out(client)
    }

    fn carry_out(&mut self, client: usize) -> Result<(), Violation> {
        let now = self.now;
        while let Some(output) = self.process(client).and_then(|process| process.machine.poll_output()) {
            match output {
                Output::Key => {
                    let at = now + self.random.u64(..20);
                    if let Some(process) = self.process(client) {
                        process.key_at = Some(at);
                    }
                }
                Output::Connect { .. } => {
                    let at = now + self.random.u64(1..30);
                    if let Some(process) = self.process(client) {
                        process.connects_at = Some(at);
                    }
                }
                Output::Send(text) => {
                    self.note(|| format!("client {client} says {text}"));
                    if let Some(link) = self.clients[client].link() {
                        self.send_up(link, Frame::Text(text.into()));
                    }
                }
                Output::Close { code, reason } => {
                    self.note(|| format!("client {client} closes with {code} {reason}"));
                    if !matches!(code, 1000 | 4003) {
                        return broken(
                            Promise::Courteous,
                            format!("client {client} closes with {code} {reason}"),
                        );
                    }
                    self.seen.found_dead += u64::from(code == 4003);
                    let Some(process) = self.process(client) else { return Ok(()) };
                    process.connects_at = None;
                    if let Some(link) = process.link.take() {
                        self.send_up(link, Frame::Close(code, reason.into()));
                        self.hang_up(link);
                    }
                }
                Output::Start { lane, lease } => {
                    let claims_at = now + self.random.u64(..self.latency());
                    let answers_at = claims_at + self.random.u64(..self.latency());
                    if let Some(process) = self.process(client) {
                        process.starts.push(Ask { lane, lease, claims_at, answers_at, answer: None });
                        if process.flows.get(&lane).is_some_and(|flow| !flow.has_nothing_in_hand()) {
                            let what = format!(
                                "client {client} is asked for its position in lane {lane} while it works there"
                            );
                            return broken(Promise::UniquePerProcess, what);
                        }
                    }
                }
                Output::Status(_) => {}
                Output::End(error) => {
                    return broken(Promise::Courteous, format!("client {client} has ended: {error:?}"));
                }
            }
        }
        self.check_bounds(client)
    }

    fn check_bounds(&mut self, client: usize) -> Result<(), Violation> {
        let Client { plan, process: Some(process), .. } = &self.clients[client] else { return Ok(()) };
        let window = plan.window.unwrap_or(256) as usize;
        let queued = process.machine.queued_items();
        if window > 0 && queued > 2 * window + 16 {
            return broken(
                Promise::Bounded,
                format!("{queued} items wait at client {client}, the window is {window}"),
            );
        }
        Ok(())
    }

    /// A client has something to do.
    pub(super) fn act(&mut self, client: usize) -> Result<(), Violation> {
        let now = self.now;
        if self.clients[client].plan.role == Role::Shortest {
            return self.act_shortest(client);
        }
        let Some(process) = self.process(client) else {
            self.begin_process(client);
            return self.step(client, |machine, now| machine.handle_tick(now));
        };
        if process.key_at.take_if(|at| *at <= now).is_some() {
            process.keys = process.keys.wrapping_add(1);
            let key = self.keys[process_key(self.clients[client].process.as_ref())].clone();
            self.step(client, |machine, now| machine.handle_key(now, key))?;
        }
        let Some(process) = self.process(client) else { return Ok(()) };
        if process.connects_at.take_if(|at| *at <= now).is_some() {
            self.connect(client)?;
        }
        self.answer_asks(client)?;
        self.handle_items(client)?;
        let is_due = self.process(client).is_some_and(|process| {
            process.machine.poll_timeout().is_some_and(|at| process.born + millis(at) <= now)
        });
        if is_due {
            self.step(client, |machine, now| machine.handle_tick(now))?;
        }
        self.fetch(client)
    }

    fn begin_process(&mut self, client: usize) {
        let seed = self.random.u64(..);
        let (now, plan) = (self.now, self.clients[client].plan.clone());
        let after = match plan.role {
            Role::View { remembers: true } => self.clients[client].remembered.clone(),
            _ => None,
        };
        let mut flows = BTreeMap::new();
        let consumer = match plan.role {
            Role::Worker { consumer } => Some(&self.plan.consumers[consumer]),
            Role::View { .. } | Role::Shortest => {
                let base = after.as_deref().and_then(|id| At::parse(id).ok());
                flows.insert(0, Flow::new(0, base.unwrap_or_else(|| beginning(&plan))));
                None
            }
        };
        let subscription = plan.subscription(after, consumer);
        self.clients[client].process = Some(Process {
            machine: Machine::new(subscription, seed, Duration::ZERO),
            born: now,
            paused_until: 0,
            link: None,
            connects_at: None,
            key_at: None,
            keys: 0,
            starts: Vec::new(),
            handling: Vec::new(),
            fetches_at: now,
            flows,
            completed: BTreeMap::new(),
            order: BTreeMap::new(),
            has_connected: false,
        });
        self.note(|| format!("client {client} begins a process"));
    }

    fn connect(&mut self, client: usize) -> Result<(), Violation> {
        let Some(link) = self.open_wire(client) else {
            let lost = Lost::Broken { why: "refused".into() };
            return self.step(client, |machine, now| machine.handle_lost(now, lost));
        };
        let Some(process) = self.process(client) else { return Ok(()) };
        process.link = Some(link);
        let is_again = std::mem::replace(&mut process.has_connected, true);
        self.seen.resumed += u64::from(is_again);
        self.step(client, |machine, now| machine.handle_opened(now, "https://auth.example"))
    }

    /// A frame of the server has arrived.
    pub(super) fn receive(&mut self, link: LinkID, client: usize, frame: Frame) -> Result<(), Violation> {
        if self.clients[client].plan.role == Role::Shortest {
            return self.receive_shortest(link, client, frame);
        }
        match frame {
            Frame::Text(text) => self.step(client, |machine, now| machine.handle_message(now, &text)),
            Frame::Ping => {
                self.send_up(link, Frame::Pong);
                self.step(client, Machine::handle_heard)
            }
            Frame::Pong => self.step(client, Machine::handle_heard),
            Frame::Close(code, reason) => self.lose(link, client, Lost::Closed { code, reason }),
            Frame::Reset => self.lose(link, client, Lost::Broken { why: "reset".into() }),
        }
    }

    fn lose(&mut self, link: LinkID, client: usize, lost: Lost) -> Result<(), Violation> {
        self.send_up(link, Frame::Reset);
        self.hang_up(link);
        if let Some(process) = self.process(client) {
            process.link = None;
        }
        self.step(client, |machine, now| machine.handle_lost(now, lost))
    }

    /// The application's own word for where a lane begins, and the record of its new owner.
    fn claim(&mut self, client: usize, lane: u32, lease: u64) {
        let Role::Worker { consumer } = self.clients[client].plan.role else { return };
        let answer = if self.plan.consumers[consumer].is_transactional {
            let row = self.own_rows.entry((consumer, lane)).or_default();
            if row.lease <= lease {
                row.lease = lease;
                Ok(row.id.clone())
            } else {
                Err(())
            }
        } else {
            Ok(None)
        };
        let Some(process) = self.process(client) else { return };
        for ask in &mut process.starts {
            if (ask.lane, ask.lease) == (lane, lease) {
                ask.answer.get_or_insert(answer.clone());
            }
        }
    }

    fn answer_asks(&mut self, client: usize) -> Result<(), Violation> {
        let now = self.now;
        loop {
            let Some(process) = self.process(client) else { return Ok(()) };
            let claim = process.starts.iter().find(|ask| ask.answer.is_none() && ask.claims_at <= now);
            if let Some(Ask { lane, lease, .. }) = claim.cloned() {
                self.claim(client, lane, lease);
                continue;
            }
            let Some(index) = process.starts.iter().position(|ask| ask.answers_at <= now) else {
                return Ok(());
            };
            let Ask { lane, lease, answer, .. } = process.starts.remove(index);
            match answer.unwrap_or(Ok(None)) {
                Ok(own) => {
                    let offered = self.clients[client].offered.get(&(lane, lease)).copied().flatten();
                    let base = match &own {
                        Some(id) => At::parse(id)?,
                        None => offered.map_or_else(|| beginning(&self.clients[client].plan), At::After),
                    };
                    if let Some(process) = self.process(client) {
                        let may_take = process.flows.get(&lane).is_none_or(Flow::has_nothing_in_hand);
                        if may_take {
                            process.flows.insert(lane, Flow::new(lease, base));
                        }
                    }
                    self.step(client, |machine, now| machine.handle_position(now, lane, own))?;
                }
                Err(()) => {
                    self.note(|| format!("client {client} may not claim lane {lane} under {lease}"));
                    self.step(client, |machine, now| machine.handle_position_failed(now, lane, "fenced"))?;
                }
            }
        }
    }

    fn fetch(&mut self, client: usize) -> Result<(), Violation> {
        let now = self.now;
        loop {
            let Client { plan, process: Some(process), .. } = &mut self.clients[client] else {
                return Ok(());
            };
            if process.fetches_at > now || process.handling.len() >= plan.concurrency {
                return Ok(());
            }
            let since = Duration::from_millis(now - process.born);
            let Some(in_hand) = process.machine.poll_item(since) else { return self.carry_out(client) };
            self.hand_over(client, &in_hand)?;
            let pace = self.clients[client].plan.pace;
            let (mut takes, mut waits, mut fails) =
                (self.random.u64(..=pace), self.random.u64(..=pace / 4), false);
            if !self.is_calm {
                match self.random.u32(..100) {
                    0..3 => takes += self.random.u64(1_000..15_000),
                    3 if self.random.u32(..4) == 0 => takes += 90_000,
                    4 | 5 => waits += self.random.u64(..4_000),
                    6..9 => fails = true,
                    _ => {}
                }
            }
            let pause = if self.random.u32(..8) == 0 && !self.is_calm { self.random.u64(..300) } else { 0 };
            let Some(process) = self.process(client) else { return Ok(()) };
            process.fetches_at = now + pause;
            let effect_at = now + takes;
            process.handling.push(Handling {
                in_hand,
                effect_at,
                settles_at: effect_at + waits,
                fails,
                is_done: false,
            });
        }
    }

    /// The application is handed an item: the moment at which most promises are checked.
    fn hand_over(&mut self, client: usize, in_hand: &InHand) -> Result<(), Violation> {
        let InHand { token, lane, lease, item } = in_hand;
        self.note(|| format!("client {client} lane {lane} lease {lease} gets {}", brief(item)));
        let wanted = self.wanted_of(client, *lane);
        let Client { plan, process: Some(process), .. } = &mut self.clients[client] else { return Ok(()) };
        let is_worker = matches!(plan.role, Role::Worker { .. });
        let none = HashSet::new();
        let completed = process.completed.get(lane).unwrap_or(&none);
        let is_passed = |id| {
            matches!(plan.role, Role::Worker { consumer } if !self.plan.consumers[consumer].is_transactional)
                && completed.contains(&id)
        };
        let Some(flow) = process.flows.get_mut(lane).filter(|flow| flow.lease == *lease) else {
            let what = format!(
                "client {client} got an item of lane {lane} under lease {lease}, which it does not have"
            );
            return broken(Promise::SingleOwner, what);
        };
        let at = flow.at().advance(item, &self.history, &wanted, is_passed)?;
        flow.take(*token, item.clone(), at);
        self.seen.count(item);
        if let (Item::Event(event), true) = (item, is_worker)
            && let Ok(id) = event.id.parse::<EventID>()
        {
            let window = plan.window.unwrap_or(256) as usize;
            let order = process.order.entry(*lane).or_default();
            let recent = order.iter().rev().take(2 * window);
            let consumer = match plan.role {
                Role::Worker { consumer } => consumer,
                _ => 0,
            };
            let is_ours =
                !self.plan.consumers[consumer].is_transactional && !self.plan.consumers[consumer].ships;
            if is_ours && recent.clone().any(|done| *done == id) {
                return broken(Promise::UniquePerProcess, format!("client {client} got {id} again"));
            }
            let was_done = self.consumers.lane((consumer, *lane)).completed.contains(&id);
            self.seen.redeliveries += u64::from(was_done);
        }
        Ok(())
    }

    fn handle_items(&mut self, client: usize) -> Result<(), Violation> {
        let now = self.now;
        loop {
            let Some(process) = self.process(client) else { return Ok(()) };
            if let Some(index) = process.handling.iter().position(|one| !one.is_done && one.effect_at <= now)
            {
                process.handling[index].is_done = true;
                let fails = process.handling[index].fails;
                let in_hand = process.handling[index].in_hand.clone();
                let is_committed = !fails && self.commit(client, &in_hand)?;
                if let Some(process) = self.process(client)
                    && let Some(one) = process.handling.get_mut(index)
                {
                    one.fails = !is_committed;
                }
                continue;
            }
            let Some(index) = process.handling.iter().position(|one| one.is_done && one.settles_at <= now)
            else {
                return Ok(());
            };
            let Handling { in_hand, fails, .. } = process.handling.remove(index);
            self.settled(client, &in_hand, !fails)?;
        }
    }

    fn settled(&mut self, client: usize, in_hand: &InHand, is_handled: bool) -> Result<(), Violation> {
        self.note(|| format!("client {client} has handled {}: {is_handled}", brief(&in_hand.item)));
        self.seen.failures += u64::from(!is_handled);
        let lane = in_hand.lane;
        let Client { plan, process: Some(process), remembered, .. } = &mut self.clients[client] else {
            return Ok(());
        };
        let completed = process
            .flows
            .get_mut(&lane)
            .map(|flow| flow.settle(in_hand.token, is_handled))
            .unwrap_or_default();
        for item in completed {
            if let Some(id) = item.position() {
                *remembered = Some(id.to_owned());
            }
            if let Item::Event(event) = &item
                && let Ok(id) = event.id.parse::<EventID>()
            {
                process.completed.entry(lane).or_default().insert(id);
                process.order.entry(lane).or_default().push(id);
            }
            if let Role::Worker { consumer } = plan.role
                && !self.plan.consumers[consumer].is_transactional
            {
                self.consumers.lane((consumer, lane)).complete(&item);
            }
        }
        let token = in_hand.token;
        self.step(client, |machine, now| machine.handle_settled(now, token, is_handled))
    }

    /// The effect of an item, in one transaction with its position where the application has a store. `false`: refused.
    fn commit(&mut self, client: usize, in_hand: &InHand) -> Result<bool, Violation> {
        let Role::Worker { consumer } = self.clients[client].plan.role else { return Ok(true) };
        if !self.plan.consumers[consumer].is_transactional {
            return Ok(true);
        }
        let mut lease = in_hand.lease;
        if planted!(PresentLease)
            && let Some(newest) = self.newest_lease(client, in_hand.lane)
        {
            lease = newest;
        }
        let wanted = self.wanted_of(client, in_hand.lane);
        let row = self.own_rows.entry((consumer, in_hand.lane)).or_default();
        if row.lease > lease {
            self.seen.fenced += 1;
            return Ok(false);
        }
        let own = row.id.as_deref().and_then(|id| At::parse(id).ok());
        let here = [row.at.clone(), own].into_iter().flatten();
        let mut outcomes = here.map(|at| at.advance(&in_hand.item, &self.history, &wanted, |_| false));
        let next = match outcomes.next() {
            None => None,
            Some(Ok(at)) => Some(at),
            Some(Err(violation)) => match outcomes.find_map(Result::ok) {
                Some(at) => Some(at),
                None => return broken(Promise::EffectsOnce, violation.what),
            },
        };
        row.lease = lease;
        row.at = next.or_else(|| match &in_hand.item {
            Item::Gap(gap) if gap.next == GapNext::Snapshot => Some(At::State),
            item => item.position().and_then(|id| At::parse(id).ok()),
        });
        if let Some(id) = in_hand.item.position() {
            row.id = Some(id.to_owned());
        }
        self.seen.effects += 1;
        self.consumers.lane((consumer, in_hand.lane)).complete(&in_hand.item);
        Ok(true)
    }

    fn newest_lease(&self, client: usize, lane: u32) -> Option<u64> {
        self.clients[client].offered.keys().filter(|(of, _)| *of == lane).map(|(_, lease)| *lease).max()
    }

    pub(super) fn wanted_of(&self, client: usize, lane: u32) -> Wanted {
        let plan = &self.clients[client].plan;
        match plan.role {
            Role::Worker { consumer } => self.wanted_by(consumer, lane),
            Role::View { .. } | Role::Shortest => Wanted { all_types: plan.all_types, lanes: 1, lane: 0 },
        }
    }

    /// The process is gone, and everything that was only in its memory.
    pub(super) fn crash_process(&mut self, client: usize, back_at: u64, says_so: bool) {
        let Some(process) = self.clients[client].process.take() else { return };
        self.seen.process_crashes += 1;
        self.seen.unsaid += process.handling.iter().filter(|one| one.is_done).count() as u64;
        self.clients[client].restarts_at = back_at;
        if let Some(link) = process.link {
            if says_so {
                self.send_up(link, Frame::Reset);
            }
            self.hang_up(link);
        }
        self.note(|| format!("client {client} crashes"));
    }

    pub(super) fn pause_process(&mut self, client: usize, until: u64) {
        if let Some(process) = self.process(client) {
            process.paused_until = until;
        }
    }

    fn hang_up(&mut self, link: LinkID) {
        if let Some(Wire { has_client, .. }) = self.wires.get_mut(&link) {
            *has_client = false;
        }
    }

    /// Whether a view has got everything.
    pub(super) fn has_caught_up(&self, client: usize) -> bool {
        let head = self.disk.log.head().id;
        let wanted = self.wanted_of(client, 0);
        let Some(process) = &self.clients[client].process else { return false };
        let Some(At::After(at)) = process.flows.get(&0).map(Flow::base) else { return false };
        *at == head || self.history.is_in(*at, head) && !self.misses(*at, head, &wanted)
    }

    /// Whether something that is wanted comes after `at`.
    pub(super) fn misses(&self, at: EventID, head: EventID, wanted: &Wanted) -> bool {
        let after = self.history.back_from(head).take_while(|(id, _)| *id != at);
        after.into_iter().any(|(_, node)| node.is_wanted(wanted))
    }
}

fn process_key(process: Option<&Process>) -> usize {
    process.map_or(0, |process| usize::from(process.keys) % super::world::KEYS)
}

fn beginning(plan: &ClientPlan) -> At {
    if plan.ships || plan.start.is_some() { At::Anything } else { At::State }
}

fn brief(item: &Item) -> String {
    match item {
        Item::Event(event) => format!("{} {}", event.name, event.id),
        Item::Snapshot(page) => format!("page {} {} {}", page.id, page.first, page.last),
        Item::Gap(gap) => {
            format!("gap {:?} after {} next {:?} {:?}", gap.reason, gap.after, gap.next, gap.oldest)
        }
        Item::Bookmark(bookmark) => format!("bookmark {}", bookmark.id),
    }
}

impl super::seen::Seen {
    fn count(&mut self, item: &Item) {
        match item {
            Item::Event(_) => self.events += 1,
            Item::Snapshot(page) if page.last => self.snapshots += 1,
            Item::Snapshot(_) => self.pages += 1,
            Item::Bookmark(_) => self.bookmarks += 1,
            Item::Gap(gap) => {
                match gap.reason {
                    GapReason::Truncated => self.truncated += 1,
                    GapReason::Ahead => self.ahead += 1,
                    GapReason::Diverged => self.diverged += 1,
                    GapReason::Epoch => self.epoch += 1,
                    GapReason::Other => {}
                }
                self.oldest += u64::from(gap.next == GapNext::Oldest);
            }
        }
    }
}

impl Process {
    pub(super) const fn paused_until(&self) -> u64 {
        self.paused_until
    }

    /// Nothing goes wrong any more: what was paused goes on, and slow handlers get done.
    pub(super) fn resume(&mut self, now: u64) {
        self.paused_until = self.paused_until.min(now);
    }
}
