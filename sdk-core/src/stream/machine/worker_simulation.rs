//! A seeded random walk of two worker processes over a server that hands lanes around: resets, crashes on either side,
//! processes that sleep while their lanes move on, slow and failing handlers, with and without a store of their own.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    time::Duration,
};

use super::{Machine, Output, world::ORIGIN};
use crate::{
    protocol::stream::{Ack, Reply},
    stream::{InHand, Item, Lost, Subscription},
};

const SEEDS: u64 = 200;
const STEPS: u32 = 1_500;
const LANES: u32 = 2;

#[test]
fn whatever_happens_workers_miss_nothing_and_repeat_nothing() {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.settle();
        seen.add(&world.seen);
    }
    // A walk that meets nothing proves nothing.
    assert!(seen.effects > 15_000 && seen.refused > 10 && seen.failed > 200, "{seen:?}");
    assert!(seen.ownerships > 3_000 && seen.released > 500 && seen.crashes > 300, "{seen:?}");
}

#[derive(Debug, Default)]
struct Seen {
    effects: u64,
    refused: u64,
    failed: u64,
    ownerships: u64,
    released: u64,
    crashes: u64,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.effects += other.effects;
        self.refused += other.refused;
        self.failed += other.failed;
        self.ownerships += other.ownerships;
        self.released += other.released;
        self.crashes += other.crashes;
    }
}

/// What the server knows of one lane. Positions are numbers of events; 0 is before the first.
#[derive(Default)]
struct LaneRow {
    /// On disk: behind `acked` until it is written.
    stored: usize,
    acked: usize,
    lease: u64,
    owner: Option<usize>,
}

/// What the application's own store knows of one lane.
#[derive(Default, Clone, Copy)]
struct StoreRow {
    position: Option<usize>,
    lease: u64,
}

struct Process {
    machine: Machine,
    connecting: bool,
    socket: Option<Socket>,
    in_hand: BTreeMap<u32, InHand>,
    questions: Vec<(u32, u64)>,
    /// What this process has completed, ever.
    completed: HashSet<usize>,
}

/// The server's side of a connection. `None` in [`Process::socket`] although the machine is live: it sleeps.
#[derive(Default)]
struct Socket {
    is_greeted: bool,
    lanes: BTreeMap<u32, Owned>,
}

struct Owned {
    is_started: bool,
    is_revoked: bool,
    told: usize,
    at: usize,
    unsettled: VecDeque<usize>,
}

struct World {
    now: Duration,
    random: fastrand::Rng,
    window: u32,
    /// The lane of each event; event `n` is at `n - 1`.
    log: Vec<u32>,
    lanes: Vec<LaneRow>,
    /// Without one, the server's positions count.
    store: Option<Vec<StoreRow>>,
    handled: HashSet<usize>,
    processes: Vec<Process>,
    faults: bool,
    seen: Seen,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let window = [1, 2, 8][random.usize(0..3)];
        let store = random.bool().then(|| vec![StoreRow::default(); LANES as usize]);
        let mut world = Self {
            now: Duration::ZERO,
            random,
            window,
            log: Vec::new(),
            lanes: (0..LANES).map(|_| LaneRow::default()).collect(),
            store,
            handled: HashSet::new(),
            processes: Vec::new(),
            faults: true,
            seen: Seen::default(),
        };
        world.processes = (0..2).map(|number| Process::new(seed + number, world.now)).collect();
        world
    }

    fn step(&mut self) {
        let which = self.random.usize(0..2);
        match self.random.u32(0..400) {
            0..90 => self.serve(which),
            90..120 => self.log.push(self.random.u32(0..LANES)),
            120..240 => self.handle(which),
            240..265 => self.answer(which),
            265..300 => self.open(which),
            300..330 => self.tick(which),
            330..365 => self.offer(which),
            365..370 => self.revoke(which),
            370..373 => self.lose(which),
            375 if self.random.u32(0..4) == 0 => self.crash_server(),
            376 if self.random.u32(0..2) == 0 => self.crash_process(which),
            377..382 => self.fall_asleep(which),
            382..388 => self.write(),
            _ => {
                let time = Duration::from_millis(self.random.u64(0..200));
                self.pass_time(time);
            }
        }
        self.carry_out();
    }

    /// No more faults: every event is handled and every lane gets to the head.
    fn settle(&mut self) {
        self.faults = false;
        for _ in 0..20 * STEPS {
            let head = self.log.len();
            let positions_are_there = (0..LANES).all(|lane| match &self.store {
                Some(rows) => self.next_in(lane, rows[lane as usize].position.unwrap_or(0)).is_none(),
                None => self.next_in(lane, self.lanes[lane as usize].acked).is_none(),
            });
            if positions_are_there {
                let effects = if self.store.is_some() { head } else { self.handled.len() };
                assert_eq!(effects, head, "something was passed over");
                return;
            }
            let which = self.random.usize(0..2);
            match self.random.u32(0..8) {
                0 => self.serve(which),
                1 => self.handle(which),
                2 => self.answer(which),
                3 => self.open(which),
                4 => self.offer(which),
                5 if self.processes[which].socket.is_none() && !self.processes[which].connecting => {
                    self.tell_lost(which);
                    self.tick(which);
                }
                _ => self.pass_time(Duration::from_millis(60)),
            }
            self.carry_out();
        }
        panic!("the lanes never got to the head");
    }

    /// The first event of a lane after a position.
    fn next_in(&self, lane: u32, after: usize) -> Option<usize> {
        (after + 1..=self.log.len()).find(|number| self.log[number - 1] == lane)
    }

    fn tick(&mut self, which: usize) {
        let timeout = self.processes[which].machine.poll_timeout().expect("nothing here is final");
        self.pass_time(timeout.saturating_sub(self.now));
    }

    /// A server that is there is heard.
    fn pass_time(&mut self, time: Duration) {
        self.now += time;
        for process in &mut self.processes {
            if process.socket.is_some() {
                process.machine.handle_heard(self.now);
            }
            process.machine.handle_tick(self.now);
        }
    }

    fn open(&mut self, which: usize) {
        let process = &mut self.processes[which];
        if std::mem::take(&mut process.connecting) {
            process.socket = Some(Socket::default());
            process.machine.handle_opened(self.now, ORIGIN);
        }
    }

    fn lose(&mut self, which: usize) {
        self.end_socket(which);
        self.tell_lost(which);
    }

    fn tell_lost(&mut self, which: usize) {
        let process = &mut self.processes[which];
        process.connecting = false;
        process.machine.handle_lost(self.now, Lost::Broken { why: "reset".into() });
    }

    /// The server has lost the connection. Its lanes are free.
    fn end_socket(&mut self, which: usize) {
        self.processes[which].socket = None;
        for row in &mut self.lanes {
            if row.owner == Some(which) {
                row.owner = None;
            }
        }
    }

    fn fall_asleep(&mut self, which: usize) {
        self.end_socket(which);
    }

    fn crash_server(&mut self) {
        self.seen.crashes += 1;
        for which in 0..2 {
            self.lose(which);
        }
        for row in &mut self.lanes {
            row.acked = row.stored;
        }
    }

    fn crash_process(&mut self, which: usize) {
        self.seen.crashes += 1;
        // Perhaps right between an effect and its acknowledgement.
        if self.store.is_some()
            && let Some((_, in_hand)) = self.processes[which].in_hand.pop_first()
        {
            self.commit(&in_hand);
        }
        self.end_socket(which);
        self.processes[which] = Process::new(self.random.u64(..), self.now);
        self.processes[which].machine.handle_tick(self.now);
    }

    fn write(&mut self) {
        for row in &mut self.lanes {
            row.stored = row.acked;
        }
    }

    fn offer(&mut self, which: usize) {
        let lane = self.random.u32(0..LANES);
        let row = &mut self.lanes[lane as usize];
        let Some(socket) = self.processes[which].socket.as_mut().filter(|socket| socket.is_greeted) else {
            return;
        };
        if row.owner.is_some() {
            return;
        }
        row.owner = Some(which);
        row.lease += 1;
        self.seen.ownerships += 1;
        let (lease, acked) = (row.lease, row.acked);
        socket.lanes.insert(lane, Owned::offered());
        self.say(
            which,
            &format!(r#"{{"type":"assigned","data":{{"lease":{lease}}},"lane":{lane},"id":"e-{acked}"}}"#),
        );
    }

    fn revoke(&mut self, which: usize) {
        let lane = self.random.u32(0..LANES);
        let Some(owned) = self.owned(which, lane) else { return };
        if !std::mem::replace(&mut owned.is_revoked, true) {
            self.say(which, &format!(r#"{{"type":"revoked","data":{{"withinMs":10000}},"lane":{lane}}}"#));
        }
    }

    fn owned(&mut self, which: usize, lane: u32) -> Option<&mut Owned> {
        self.processes[which].socket.as_mut()?.lanes.get_mut(&lane)
    }

    /// The server sends the next thing of a lane, if the window allows.
    fn serve(&mut self, which: usize) {
        let lane = self.random.u32(0..LANES);
        let Some(socket) = &self.processes[which].socket else { return };
        let unsettled: usize = socket.lanes.values().map(|owned| owned.unsettled.len()).sum();
        let Some(owned) = socket.lanes.get(&lane).filter(|owned| owned.is_started && !owned.is_revoked)
        else {
            return;
        };
        let (at, told, head) = (owned.at, owned.told, self.log.len());
        match self.next_in(lane, at) {
            Some(number) if unsettled < self.window as usize => {
                let owned = self.owned(which, lane).unwrap();
                (owned.at, owned.told) = (number, number);
                owned.unsettled.push_back(number);
                self.say(which, &format!(
                    r#"{{"type":"anything","data":{{}},"id":"e-{number}","prev":"e-{told}","seq":{number},"lane":{lane},
                    "time":"2026-11-22T18:00:00.000Z"}}"#
                ));
            }
            None if head > at => {
                let owned = self.owned(which, lane).unwrap();
                owned.at = head;
                let is_moved = owned.unsettled.is_empty();
                if self.random.bool() {
                    self.owned(which, lane).unwrap().told = head;
                    self.say(which, &format!(
                        r#"{{"type":"bookmark","data":{{"time":"2026-11-22T18:00:00.000Z"}},"id":"e-{head}",
                        "prev":"e-{told}","lane":{lane}}}"#
                    ));
                }
                if is_moved {
                    self.lanes[lane as usize].acked = head;
                }
            }
            Some(_) | None => {}
        }
    }

    fn say(&mut self, which: usize, text: &str) {
        self.processes[which].machine.handle_message(self.now, text);
    }

    fn acknowledge(&mut self, which: usize, ack: &Ack) {
        let position = ack.id.as_ref().map(|id| id.trim_start_matches("e-").parse::<usize>().unwrap());
        let owned = self.owned(which, ack.lane).expect("an acknowledgement of a lane that is not theirs");
        if owned.is_started {
            // The id of a bookmark acknowledges what came before it.
            let is_outstanding = position.is_some_and(|position| {
                position <= owned.told && owned.unsettled.front().is_some_and(|first| *first <= position)
            });
            if let (true, Some(position)) = (is_outstanding, position) {
                owned.unsettled.retain(|number| *number > position);
                self.pass(ack.lane, position);
            }
        } else if !ack.release {
            let position = position.expect("there always is a position here");
            (owned.is_started, owned.at, owned.told) = (true, position, position);
            self.lanes[ack.lane as usize].acked = position;
        }
        if ack.release {
            self.seen.released += 1;
            self.processes[which].socket.as_mut().unwrap().lanes.remove(&ack.lane);
            self.lanes[ack.lane as usize].owner = None;
        }
    }

    /// The server's position moves: everything up to it has been handled.
    fn pass(&mut self, lane: u32, position: usize) {
        if self.store.is_none() {
            for number in 1..=position {
                let is_handled = self.log[number - 1] != lane || self.handled.contains(&number);
                assert!(is_handled, "{number} was acknowledged and never handled");
            }
        }
        self.lanes[lane as usize].acked = position;
    }

    /// The application answers a question, fetches an item, or is done with one, well or not.
    fn handle(&mut self, which: usize) {
        if self.random.bool() {
            let process = &mut self.processes[which];
            if let Some(in_hand) = process.machine.poll_item(self.now) {
                let lane = in_hand.lane;
                assert!(process.in_hand.insert(lane, in_hand).is_none(), "two items of lane {lane} in hand");
            }
            assert!(process.machine.queued_items() <= 2 * self.window as usize + 2);
            return;
        }
        let Some((_, in_hand)) = self.processes[which].in_hand.pop_first() else { return };
        let is_handled = if self.faults && self.random.u32(0..15) == 0 {
            self.seen.failed += 1;
            false
        } else {
            let is_handled = self.commit(&in_hand);
            let process = &mut self.processes[which];
            if let (Item::Event(event), true) = (&in_hand.item, is_handled) {
                let number = usize::try_from(event.seq).unwrap();
                let is_new = process.completed.insert(number);
                assert!(is_new, "{number} was handed to one process twice");
                self.handled.insert(number);
            }
            is_handled
        };
        self.processes[which].machine.handle_settled(self.now, in_hand.token, is_handled);
    }

    /// The transaction of an effect: it happens with its position or not at all.
    fn commit(&mut self, in_hand: &InHand) -> bool {
        self.seen.effects += 1;
        let position: usize = in_hand.item.position().unwrap().trim_start_matches("e-").parse().unwrap();
        let lane = in_hand.lane;
        let Some(rows) = &self.store else { return true };
        let row = rows[lane as usize];
        if in_hand.lease < row.lease {
            self.seen.refused += 1;
            return false;
        }
        let expected = self.next_in(lane, row.position.unwrap_or(0));
        match &in_hand.item {
            Item::Event(_) => assert_eq!(expected, Some(position), "an effect is missing or happens twice"),
            Item::Bookmark(_) => {
                assert!(expected.is_none_or(|next| next > position), "passed over {expected:?}");
            }
            other => panic!("{other:?} out of nothing"),
        }
        let row = StoreRow { position: Some(position), lease: in_hand.lease };
        self.store.as_mut().unwrap()[lane as usize] = row;
        true
    }

    fn answer(&mut self, which: usize) {
        let process = &mut self.processes[which];
        let Some((lane, lease)) = process.questions.pop() else { return };
        let Some(rows) = &mut self.store else {
            process.machine.handle_position(self.now, lane, None);
            return;
        };
        let row = &mut rows[lane as usize];
        if lease < row.lease {
            process.machine.handle_position_failed(self.now, lane, "a newer owner has begun");
        } else {
            row.lease = lease;
            let position = row.position.map(|position| format!("e-{position}"));
            process.machine.handle_position(self.now, lane, position);
        }
    }

    fn carry_out(&mut self) {
        for which in 0..2 {
            while let Some(output) = self.processes[which].machine.poll_output() {
                let process = &mut self.processes[which];
                match output {
                    Output::Key => process.machine.handle_key(self.now, "k".into()),
                    Output::Connect { .. } => process.connecting = true,
                    Output::Send(text) => match &mut process.socket {
                        Some(socket) if socket.is_greeted => {
                            let Ok(Reply::Ack(ack)) = Reply::decode(&text) else { panic!("no ack: {text}") };
                            self.acknowledge(which, &ack);
                        }
                        Some(socket) => {
                            socket.is_greeted = true;
                            let window = format!(r#""window":{}"#, self.window);
                            let ready = super::world::READY.replace(r#""window":0"#, &window);
                            process.machine.handle_message(self.now, &ready);
                        }
                        // Into the void: the process does not know yet.
                        None => {}
                    },
                    Output::Close { .. } => {
                        process.connecting = false;
                        self.end_socket(which);
                    }
                    Output::Start { lane, lease } => process.questions.push((lane, lease)),
                    Output::Status(_) => {}
                    Output::End(error) => panic!("nothing here is final: {error}"),
                }
            }
        }
    }
}

impl Process {
    fn new(seed: u64, now: Duration) -> Self {
        let subscription = Subscription { consumer: Some("billing".into()), ..Subscription::default() };
        Self {
            machine: Machine::new(subscription, seed, now),
            connecting: false,
            socket: None,
            in_hand: BTreeMap::new(),
            questions: Vec::new(),
            completed: HashSet::new(),
        }
    }
}

impl Owned {
    fn offered() -> Self {
        Self { is_started: false, is_revoked: false, told: 0, at: 0, unsettled: VecDeque::new() }
    }
}
