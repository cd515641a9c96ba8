//! Random walks: everything that can happen to a recovery in any order, held against a model that knows the true time.

use passkey_accounts::protocol::UnixMillis;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner},
};

use super::{AccountRecovery, Approval, Beginning, Begun, CodeHash, Progress, RECOVERY_READY_MS, Running};
use crate::clock::Clock;

const HOUR_MS: u64 = 60 * 60 * 1_000;
const HOLD_MS: u64 = 72 * HOUR_MS;

#[derive(Debug, Clone)]
enum Step {
    /// The person makes a code with a passkey.
    MakeCode,
    /// Somebody who reads the mail types a recovery code: that of so many codes ago, or one that never was.
    Begin(Option<usize>),
    /// So do they, and answer the challenge, if there is one.
    Complete(Option<usize>),
    Approve(u8),
    Cancel,
    /// The server runs for so long.
    Run(u64),
    /// Somebody sets the machine's clock to another time.
    SetClock(u64),
    /// What has passed is stored, as every ten minutes.
    Store,
    /// The process dies and another one opens the database. Its own time begins anew.
    Restart(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let which = prop_oneof![4 => Just(Some(0)), 2 => Just(Some(1)), 1 => Just(Some(2)), 2 => Just(None)];
    let long = prop_oneof![
        Just(1),
        Just(HOUR_MS),
        Just(24 * HOUR_MS),
        Just(HOLD_MS - 1),
        Just(HOLD_MS),
        Just(RECOVERY_READY_MS),
        0..2 * HOLD_MS
    ];
    prop_oneof![
        2 => Just(Step::MakeCode),
        4 => which.clone().prop_map(Step::Begin),
        5 => which.prop_map(Step::Complete),
        2 => (0..3_u8).prop_map(Step::Approve),
        1 => Just(Step::Cancel),
        5 => long.clone().prop_map(Step::Run),
        2 => (0..u64::MAX / 2).prop_map(Step::SetClock),
        2 => Just(Step::Store),
        2 => long.prop_map(Step::Restart),
    ]
}

/// The machine as the server holds it, and what is true beside it.
#[derive(Debug)]
struct World {
    stored: Vec<u8>,
    counted: Option<Running>,
    clock: Clock,
    /// Codes that were ever given out, the newest last, each with whether it can still be used.
    codes: Vec<(CodeHash, bool)>,
    /// The recovery that runs: the code that began it, for how long a server has run since, and how much of that is lost.
    running: Option<Truth>,
    approved_by: Option<(u8, UnixMillis)>,
    made: u8,
}

#[derive(Debug, Clone, Copy)]
struct Truth {
    code: CodeHash,
    ran_ms: u64,
    /// Of that, what is stored at least.
    stored_ms: u64,
    /// No process has died on it.
    is_whole: bool,
}

impl World {
    fn new() -> Self {
        Self {
            stored: Vec::new(),
            counted: None,
            clock: Clock::manual(UnixMillis(1_000_000)),
            codes: Vec::new(),
            running: None,
            approved_by: None,
            made: 0,
        }
    }

    /// As an action of the server reads it.
    fn read(&self) -> AccountRecovery {
        let mut recovery =
            AccountRecovery::from_record(&self.stored, self.clock.uptime()).expect("it was written here");
        if let Some(counted) = &self.counted {
            recovery.continue_with(counted);
        }
        recovery.count(self.clock.uptime());
        recovery
    }

    /// As it writes it.
    fn write(&mut self, recovery: &AccountRecovery) {
        (self.stored, self.counted) = (recovery.to_record(), recovery.running().cloned());
        if let Some(truth) = &mut self.running {
            truth.stored_ms = truth.ran_ms;
        }
    }

    fn code(&self, ago: Option<usize>) -> (CodeHash, bool) {
        let known =
            ago.and_then(|ago| self.codes.len().checked_sub(ago + 1)).and_then(|at| self.codes.get(at));
        known.copied().unwrap_or(([0xff; 32], false))
    }

    fn make_code(&mut self) -> CodeHash {
        self.made += 1;
        let code = [self.made; 32];
        for (_, is_good) in &mut self.codes {
            *is_good = false;
        }
        self.codes.push((code, true));
        code
    }

    fn burn(&mut self, code: &CodeHash) {
        for (known, is_good) in &mut self.codes {
            *is_good &= known != code;
        }
    }

    fn beginning(&self) -> Beginning {
        Beginning {
            hold_ms: HOLD_MS,
            recovery_id: [self.made; 8],
            uptime: self.clock.uptime(),
            now: self.clock.now(),
        }
    }

    fn is_recent(&self, at: UnixMillis) -> bool {
        (at.0..at.0 + 24 * HOUR_MS).contains(&self.clock.now().0)
    }

    fn is_expired(&self) -> bool {
        self.read().running().is_some_and(|running| running.progress() == Progress::Expired)
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match *step {
            Step::MakeCode => {
                let code = self.make_code();
                let mut recovery = self.read();
                recovery.make_code(code);
                (self.running, self.approved_by) = (None, None);
                self.write(&recovery);
            }
            Step::Begin(ago) => {
                let (code, is_good) = self.code(ago);
                let mut recovery = self.read();
                self.made += 1;
                let begun = recovery.begin(&code, self.beginning());
                prop_assert_eq!(begun.is_ok(), is_good, "a code begins a recovery while it is the account's");
                match begun {
                    Ok(Begun::Now(progress)) => {
                        prop_assert!(self.running.is_none());
                        prop_assert_eq!(progress, Progress::Held(HOLD_MS), "it waits for all of its time");
                        self.running = Some(Truth { code, ran_ms: 0, stored_ms: 0, is_whole: true });
                        self.approved_by = None;
                        self.write(&recovery);
                    }
                    Ok(Begun::Before(progress)) => {
                        let truth = self.running.expect("it had begun");
                        self.check_progress(truth, progress)?;
                    }
                    Err(_) => {}
                }
            }
            Step::Complete(ago) => {
                let (code, is_good) = self.code(ago);
                let mut recovery = self.read();
                let completed = recovery.complete(&code, self.clock.uptime()).is_ok();
                if completed {
                    let truth = self.running.take();
                    prop_assert!(is_good, "with a code that was used, replaced or cancelled");
                    let truth = truth.expect("without a recovery that began");
                    prop_assert_eq!(truth.code, code);
                    prop_assert!(truth.ran_ms >= HOLD_MS, "after {} ms", truth.ran_ms);
                    self.burn(&code);
                    prop_assert!(recovery.to_record().is_empty(), "nothing is left of it");
                    self.write(&recovery);
                } else if let Some(truth) = self.running.filter(|truth| truth.code == code && truth.is_whole)
                {
                    let in_time = HOLD_MS..HOLD_MS + RECOVERY_READY_MS;
                    prop_assert!(!in_time.contains(&truth.ran_ms), "refused after {} ms", truth.ran_ms);
                }
            }
            Step::Approve(operator) => {
                let mut recovery = self.read();
                let code = [self.made.wrapping_add(100); 32];
                let approval = recovery.approve(&operator.to_string(), code, self.beginning());
                let expected = match (&self.running, self.approved_by) {
                    (Some(_), _) => Approval::Running,
                    (None, Some((first, at))) if first != operator && self.is_recent(at) => Approval::Second,
                    (None, _) => Approval::First,
                };
                prop_assert_eq!(approval, expected, "two operators, or none");
                match approval {
                    Approval::Running => return Ok(()),
                    Approval::First => self.approved_by = Some((operator, self.clock.now())),
                    Approval::Second => {
                        self.approved_by = None;
                        self.made += 1;
                        for (_, is_good) in &mut self.codes {
                            *is_good = false;
                        }
                        self.codes.push((code, true));
                        self.running = Some(Truth { code, ran_ms: 0, stored_ms: 0, is_whole: true });
                    }
                }
                self.write(&recovery);
            }
            Step::Cancel => {
                let mut recovery = self.read();
                let was_there = self.running.is_some() || self.approved_by.is_some();
                prop_assert_eq!(recovery.cancel(), was_there);
                if let Some(truth) = self.running.take() {
                    self.burn(&truth.code);
                }
                self.approved_by = None;
                prop_assert!(recovery.stage().is_none());
                self.write(&recovery);
            }
            Step::Run(ms) => {
                self.clock.advance(ms);
                if let Some(truth) = &mut self.running {
                    truth.ran_ms += ms;
                }
            }
            Step::SetClock(time) => self.clock.set(UnixMillis(time)),
            Step::Store => {
                let mut recovery = self.read();
                if self.is_expired() {
                    recovery.cancel();
                    let truth = self.running.take().expect("it ran");
                    prop_assert!(truth.ran_ms >= HOLD_MS + RECOVERY_READY_MS);
                    self.burn(&truth.code);
                }
                self.write(&recovery);
            }
            Step::Restart(uptime) => {
                self.counted = None;
                self.clock = Clock::manual(self.clock.now());
                self.clock.advance(uptime);
                if let Some(truth) = &mut self.running {
                    truth.is_whole &= truth.stored_ms == truth.ran_ms;
                }
                self.counted = self.read().running().cloned();
            }
        }
        if let (Some(truth), Some(running)) = (self.running, self.read().running()) {
            self.check_progress(truth, running.progress())?;
        }
        prop_assert_eq!(self.read().running().is_some(), self.running.is_some());
        Ok(())
    }

    /// Never further than is true; and no less far, unless a process died before it was stored.
    fn check_progress(&self, truth: Truth, progress: Progress) -> Result<(), TestCaseError> {
        let said_ms = match progress {
            Progress::Held(left_ms) => HOLD_MS - left_ms,
            Progress::Ready(since_ms) => HOLD_MS + since_ms,
            Progress::Expired => HOLD_MS + RECOVERY_READY_MS,
        };
        prop_assert!(said_ms <= truth.ran_ms, "{said_ms} of {}", truth.ran_ms);
        if truth.is_whole {
            prop_assert_eq!(said_ms, truth.ran_ms.min(HOLD_MS + RECOVERY_READY_MS));
        }
        Ok(())
    }
}

fn walk(cases: u32) -> Result<(), TestError<Vec<Step>>> {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner.run(&vec(step(), 1..40), |steps| {
        let mut world = World::new();
        for step in &steps {
            world.take(step)?;
        }
        Ok(())
    })
}

#[test]
fn no_order_of_events_gives_a_passkey_early_twice_or_for_a_burnt_code() {
    walk(4_000).unwrap();
    // The walks come through: one that is known to.
    let mut world = World::new();
    for step in [Step::MakeCode, Step::Begin(Some(0)), Step::Run(HOLD_MS), Step::Complete(Some(0))] {
        world.take(&step).unwrap();
    }
    assert!(world.running.is_none() && world.stored.is_empty(), "it is completed");
}

#[cfg(feature = "planted")]
#[test]
fn the_walks_notice_each_defence_that_is_down() {
    use passkey_accounts::defence::{Defence, without};
    for defence in [Defence::RecoveryCodeNeeded, Defence::RecoveryHeld, Defence::RecoveryCodeOnce] {
        let down = without(defence);
        assert!(walk(4_000).is_err(), "{defence:?} is down and nobody notices");
        drop(down);
    }
}
