//! The recovery of an account, as a state machine. Pure: random bytes, codes and the process's running time are arguments.
//!
//! The time of day counts for one thing only, how old an operator's approval is. A hold is counted in time that a server has run, so setting a clock forward or back
//! changes nothing, and while no server runs, and nobody could cancel, the hold stands still.

mod code;
#[cfg(test)]
mod walk;

use passkey_accounts::{defended, protocol::UnixMillis};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

pub use code::{NotARecoveryCode, RecoveryCode};

use crate::{
    clock::Uptime,
    limits::{APPROVAL_MS, RECOVERY_READY_MS},
};

/// The keyed hash of a recovery code: 32 bytes.
pub type CodeHash = [u8; 32];

/// What an account has for the day on which its person has lost every passkey.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountRecovery {
    /// The code that works. One is good for one recovery, however that ends.
    code: Option<CodeHash>,
    stage: Option<Stage>,
}

/// How far a recovery has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// One operator has approved it. Nothing runs before another one does.
    Approved {
        /// The name of the operator's key.
        operator: String,
        /// When. It is good for [`APPROVAL_MS`].
        at: UnixMillis,
    },
    /// It waits, and then it gives a new passkey.
    Running(Running),
}

/// A recovery that began with the account's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    hold_ms: u64,
    /// Time since it began in which a server has run, in milliseconds.
    passed_ms: u64,
    /// Up to where this process has counted it.
    counted: Uptime,
    /// Tells this recovery from others of the account: random.
    pub recovery_id: [u8; 8],
}

/// What a running recovery is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It waits for so many more milliseconds.
    Held(u64),
    /// It gives a new passkey, since so many milliseconds.
    Ready(u64),
    /// Nobody came in time.
    Expired,
}

/// What came of the right code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// The recovery has begun with it.
    Now(Progress),
    /// It had begun before. Nothing has changed.
    Before(Progress),
}

/// It is not the account's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongCode;

/// What came of an operator's approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Another operator has to approve too.
    First,
    /// It was the second one: the recovery runs, by the code that came with the approval.
    Second,
    /// A recovery runs already. Nothing has changed.
    Running,
}

/// What a new recovery is made of.
#[derive(Debug, Clone, Copy)]
pub struct Beginning {
    /// How long it waits, in milliseconds.
    pub hold_ms: u64,
    /// Its name.
    pub recovery_id: [u8; 8],
    /// The time of the process.
    pub uptime: Uptime,
    /// The time of the world.
    pub now: UnixMillis,
}

impl AccountRecovery {
    /// Gives the account another code: what an older one began is over.
    pub fn make_code(&mut self, code: CodeHash) {
        *self = Self { code: Some(code), stage: None };
    }

    /// Begins the recovery, or says how far it is. An operator's approval alone does not count.
    ///
    /// # Errors
    /// [`WrongCode`]
    pub fn begin(&mut self, code: &CodeHash, beginning: Beginning) -> Result<Begun, WrongCode> {
        self.check(code)?;
        if let Some(Stage::Running(running)) = &mut self.stage {
            running.count(beginning.uptime);
            return Ok(Begun::Before(running.progress()));
        }
        Ok(Begun::Now(self.run(beginning)))
    }

    /// An operator approves. `code` is what the person will need besides the mail, if this is the second approval.
    pub fn approve(&mut self, operator: &str, code: CodeHash, beginning: Beginning) -> Approval {
        match &self.stage {
            Some(Stage::Running(_)) => Approval::Running,
            Some(Stage::Approved { operator: first, at })
                if first != operator && is_good(*at, beginning.now) =>
            {
                self.code = Some(code);
                self.run(beginning);
                Approval::Second
            }
            Some(Stage::Approved { .. }) | None => {
                self.stage = Some(Stage::Approved { operator: operator.to_owned(), at: beginning.now });
                Approval::First
            }
        }
    }

    /// Ends it without a new passkey. The code that began it is burnt: somebody has it who should not. `false` if there was
    /// nothing to cancel.
    pub fn cancel(&mut self) -> bool {
        match self.stage.take() {
            Some(Stage::Running(_)) => {
                self.burn_code();
                true
            }
            Some(Stage::Approved { .. }) => true,
            None => false,
        }
    }

    /// Ends it with a new passkey: once, with the code that began it, and not before the hold is over.
    ///
    /// # Errors
    /// [`WrongCode`]: nothing has changed.
    pub fn complete(&mut self, code: &CodeHash, uptime: Uptime) -> Result<(), WrongCode> {
        self.check(code)?;
        let Some(Stage::Running(running)) = &mut self.stage else { return Err(WrongCode) };
        running.count(uptime);
        match running.progress() {
            Progress::Ready(_) => {
                self.stage = None;
                self.burn_code();
                Ok(())
            }
            Progress::Held(_) | Progress::Expired => Err(WrongCode),
        }
    }

    /// Counts what runs up to now, and says how far it is; `None` when nothing runs.
    pub fn count(&mut self, uptime: Uptime) -> Option<Progress> {
        let Some(Stage::Running(running)) = &mut self.stage else { return None };
        running.count(uptime);
        Some(running.progress())
    }

    /// Whether the account has a code.
    pub const fn has_code(&self) -> bool {
        self.code.is_some()
    }

    /// How far it has come; `None` when nothing was begun.
    pub const fn stage(&self) -> Option<&Stage> {
        self.stage.as_ref()
    }

    /// The recovery that runs.
    pub const fn running(&self) -> Option<&Running> {
        match &self.stage {
            Some(Stage::Running(running)) => Some(running),
            Some(Stage::Approved { .. }) | None => None,
        }
    }

    /// Puts what this process has counted in the place of what was stored.
    pub fn continue_with(&mut self, counted: &Running) {
        if let Some(Stage::Running(running)) = &mut self.stage
            && running.recovery_id == counted.recovery_id
        {
            *running = counted.clone();
        }
    }

    /// The form in which it is stored, inside the account's seal; empty when there is nothing to store.
    pub fn to_record(&self) -> Vec<u8> {
        if *self == Self::default() {
            return Vec::new();
        }
        let (approval, running) = match &self.stage {
            Some(Stage::Approved { operator, at }) => {
                (Some(StoredApproval { operator: operator.clone(), at: at.0 }), None)
            }
            Some(Stage::Running(Running { hold_ms, passed_ms, recovery_id, counted: _ })) => {
                let stored = StoredRunning { hold: *hold_ms, passed: *passed_ms, id: *recovery_id };
                (None, Some(stored))
            }
            None => (None, None),
        };
        let record = Record { code: self.code, approval, running };
        serde_json::to_vec(&record).expect("a record holds nothing that JSON cannot")
    }

    /// Reads the record of a row. What runs is counted on from `uptime`. `None` when this server did not write it.
    pub fn from_record(record: &[u8], uptime: Uptime) -> Option<Self> {
        if record.is_empty() {
            return Some(Self::default());
        }
        let Record { code, approval, running } = serde_json::from_slice(record).ok()?;
        let running = running.map(|StoredRunning { hold, passed, id }| {
            Stage::Running(Running { hold_ms: hold, passed_ms: passed, counted: uptime, recovery_id: id })
        });
        Some(Self {
            code,
            stage: running.or_else(|| {
                approval
                    .map(|StoredApproval { operator, at }| Stage::Approved { operator, at: UnixMillis(at) })
            }),
        })
    }

    /// In constant time: how much of a code is right must not be heard.
    fn check(&self, code: &CodeHash) -> Result<(), WrongCode> {
        let is_right = self.code.as_ref().is_some_and(|right| right.ct_eq(code).into());
        if is_right || !defended!(RecoveryCodeNeeded) { Ok(()) } else { Err(WrongCode) }
    }

    fn burn_code(&mut self) {
        if defended!(RecoveryCodeOnce) {
            self.code = None;
        }
    }

    fn run(&mut self, Beginning { hold_ms, recovery_id, uptime, now: _ }: Beginning) -> Progress {
        let running = Running { hold_ms, passed_ms: 0, counted: uptime, recovery_id };
        let progress = running.progress();
        self.stage = Some(Stage::Running(running));
        progress
    }
}

impl Running {
    /// Counts the time that this process has run since it was counted last.
    pub fn count(&mut self, uptime: Uptime) {
        self.passed_ms = self.passed_ms.saturating_add(uptime.0.saturating_sub(self.counted.0));
        self.counted = self.counted.max(uptime);
    }

    /// What it is good for as of what was counted.
    pub fn progress(&self) -> Progress {
        if !defended!(RecoveryHeld) {
            return Progress::Ready(0);
        }
        match self.hold_ms.checked_sub(self.passed_ms) {
            Some(left) if left > 0 => Progress::Held(left),
            _ if self.passed_ms - self.hold_ms < RECOVERY_READY_MS => {
                Progress::Ready(self.passed_ms - self.hold_ms)
            }
            _ => Progress::Expired,
        }
    }
}

/// Whether an approval still counts. One from the future does not: somebody has set the clock back.
fn is_good(at: UnixMillis, now: UnixMillis) -> bool {
    now.0.checked_sub(at.0).is_some_and(|age| age < APPROVAL_MS)
}

/// The form inside the seal.
#[derive(Serialize, Deserialize)]
struct Record {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<CodeHash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approval: Option<StoredApproval>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    running: Option<StoredRunning>,
}

#[derive(Serialize, Deserialize)]
struct StoredApproval {
    operator: String,
    /// As a number: whatever a clock says can be stored.
    at: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredRunning {
    hold: u64,
    passed: u64,
    id: [u8; 8],
}
