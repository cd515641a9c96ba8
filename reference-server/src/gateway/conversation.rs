//! What may be said when on a browser socket. Pure: time, codes and challenges are arguments.

use std::sync::Arc;

use passkey_accounts::{
    defended,
    protocol::{CeremonyID, Code, UnixMillis, gateway::SessionKey},
};
use subtle::ConstantTimeEq;

#[cfg(feature = "planted")]
use super::leaked;
use crate::{
    ceremony::PendingCeremony,
    crypto::Email,
    limits::{MAX_CODE_TRIES, MAX_CODES_PER_CONNECTION, MAX_UNEXPECTED},
    sessions::{Carried, Loss, Session, Told},
};

/// Where the conversation on one connection stands.
#[derive(Debug, Default)]
pub struct Conversation {
    state: State,
    codes_asked_for: u32,
    unexpected: u32,
    /// The recovery that the page of the session was told of.
    told_recovery: Option<[u8; 8]>,
    #[cfg(feature = "planted")]
    leaked: leaked::Leaked,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Open,
    CodeSent(PendingCode),
    Challenged(Box<PendingCeremony>),
    /// A ceremony of a signed-in person is pending beside the session and leaves it as it is.
    SignedIn(Carried, Option<Box<PendingCeremony>>),
}

/// What a mailed code was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeFor {
    /// A new account.
    SignUp,
    /// The recovery of one.
    Recovery,
}

/// A sign-up or a recovery that waits for the mailed code.
#[derive(Debug, Clone)]
pub struct PendingCode {
    /// What it was asked for; it is of no use for anything else.
    pub purpose: CodeFor,
    /// The address that the code was mailed to.
    pub email: Email,
    /// The key that the session will be bound to.
    pub session_key: SessionKey,
    /// Six digits.
    pub code: String,
    /// When it stops working.
    pub expires_at: UnixMillis,
    /// Wrong tries so far.
    pub tries: u32,
}

impl Conversation {
    /// The session that this connection carries.
    pub const fn session(&self) -> Option<&Arc<Session>> {
        match &self.state {
            State::SignedIn(carried, _) => Some(carried.session()),
            State::Open | State::CodeSent(_) | State::Challenged(_) => None,
        }
    }

    /// The session that a request of a signed-in person speaks for.
    ///
    /// # Errors
    /// [`Code::Unexpected`] without a session; [`Code::SessionGone`] when this connection has just lost it to elsewhere.
    pub fn signed_in(&self) -> Result<Arc<Session>, Code> {
        match &self.state {
            State::SignedIn(carried, _) if carried.is_held() => Ok(Arc::clone(carried.session())),
            State::SignedIn(..) => Err(Code::SessionGone),
            State::Open | State::CodeSent(_) | State::Challenged(_) => Err(Code::Unexpected),
        }
    }

    /// The session that may be signed out: also one that has just been ended from elsewhere, which is what was asked for.
    ///
    /// # Errors
    /// [`Code::Unexpected`] without a session; [`Code::SessionGone`] when it was resumed on another connection.
    pub fn signing_out(&self) -> Result<Arc<Session>, Code> {
        match &self.state {
            State::SignedIn(carried, _) if carried.loss() != Some(Loss::Moved) => {
                Ok(Arc::clone(carried.session()))
            }
            State::SignedIn(..) => Err(Code::SessionGone),
            State::Open | State::CodeSent(_) | State::Challenged(_) => Err(Code::Unexpected),
        }
    }

    /// A ceremony of a signed-in person may begin; one that was pending is dropped.
    ///
    /// # Errors
    /// As [`Conversation::signed_in`].
    pub fn begin_gesture(&mut self) -> Result<Arc<Session>, Code> {
        let session = self.signed_in()?;
        if let State::SignedIn(_, pending) = &mut self.state {
            *pending = None;
        }
        Ok(session)
    }

    /// A new sign-up or sign-in may begin; whatever was pending is dropped.
    ///
    /// # Errors
    /// [`Code::Unexpected`] while a session is open.
    pub fn begin(&mut self) -> Result<(), Code> {
        if self.session().is_some() {
            return Err(Code::Unexpected);
        }
        self.state = State::Open;
        Ok(())
    }

    /// Another code may be mailed.
    ///
    /// # Errors
    /// [`Code::RateLimited`] when this connection asked for too many.
    pub fn count_code(&mut self) -> Result<(), Code> {
        self.codes_asked_for += 1;
        if self.codes_asked_for > MAX_CODES_PER_CONNECTION { Err(Code::RateLimited) } else { Ok(()) }
    }

    /// A code was mailed.
    pub fn code_sent(&mut self, pending: PendingCode) {
        self.state = State::CodeSent(pending);
    }

    /// Compares a typed code, in constant time. The right one works once.
    ///
    /// # Errors
    /// [`Code::WrongCode`], after which the person may try again; [`Code::CodeExpired`] and
    /// [`Code::TooManyAttempts`], after which the code is gone; [`Code::Unexpected`] when none was mailed.
    pub fn take_code(&mut self, purpose: CodeFor, typed: &str, now: UnixMillis) -> Result<PendingCode, Code> {
        let State::CodeSent(pending) = &mut self.state else { return Err(Code::Unexpected) };
        if pending.purpose != purpose {
            return Err(Code::Unexpected);
        }
        let is_right: bool = pending.code.as_bytes().ct_eq(typed.trim().as_bytes()).into();
        let failure = if pending.expires_at <= now {
            Code::CodeExpired
        } else if is_right || !defended!(AddressProven) {
            let pending = pending.clone();
            self.state = State::Open;
            return Ok(pending);
        } else {
            pending.tries += 1;
            if pending.tries < MAX_CODE_TRIES || !defended!(CodeTries) {
                return Err(Code::WrongCode);
            }
            Code::TooManyAttempts
        };
        self.state = State::Open;
        Err(failure)
    }

    /// The mailed code was right and the recovery code was not: both may be typed again, as long as tries are left.
    pub fn wrong_recovery_code(&mut self, mut pending: PendingCode) -> Code {
        pending.tries += 1;
        if pending.tries >= MAX_CODE_TRIES {
            return Code::TooManyAttempts;
        }
        self.state = State::CodeSent(pending);
        Code::WrongRecoveryCode
    }

    /// Notes which recovery the page is told of from now on; `false` if it knows that.
    pub fn tell_recovery(&mut self, recovery: Option<[u8; 8]>) -> bool {
        std::mem::replace(&mut self.told_recovery, recovery) != recovery
    }

    /// A challenge was sent.
    pub fn challenged(&mut self, pending: PendingCeremony) {
        #[cfg(feature = "planted")]
        self.leaked.keep(&pending);
        let new = Box::new(pending);
        match &mut self.state {
            State::SignedIn(_, pending) => *pending = Some(new),
            State::Open | State::CodeSent(_) | State::Challenged(_) => self.state = State::Challenged(new),
        }
    }

    /// Takes the pending ceremony out, before anything about the answer is checked: a failed try burns the challenge.
    ///
    /// # Errors
    /// [`Code::UnknownCeremony`] when none with that id is pending here; [`Code::ChallengeExpired`].
    pub fn take_ceremony(
        &mut self,
        ceremony_id: CeremonyID,
        now: UnixMillis,
    ) -> Result<PendingCeremony, Code> {
        let is_meant = |pending: &PendingCeremony| pending.ceremony_id == ceremony_id;
        let taken = match &mut self.state {
            State::SignedIn(_, pending) => pending.take_if(|pending| is_meant(pending)),
            State::Challenged(pending) if is_meant(pending) => match std::mem::take(&mut self.state) {
                State::Challenged(pending) => Some(pending),
                State::Open | State::CodeSent(_) | State::SignedIn(..) => None,
            },
            State::Open | State::CodeSent(_) | State::Challenged(_) => None,
        };
        #[cfg(feature = "planted")]
        let taken = taken.or_else(|| self.leaked.find(ceremony_id).map(Box::new));
        let pending = taken.ok_or(Code::UnknownCeremony)?;
        if pending.expires_at <= now { Err(Code::ChallengeExpired) } else { Ok(*pending) }
    }

    /// A session is open on this connection.
    pub fn carry(&mut self, carried: Carried) {
        self.state = State::SignedIn(carried, None);
    }

    /// Waits until something has happened elsewhere to the session on this connection, or to its account.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn told(&mut self) -> Told {
        match &mut self.state {
            State::SignedIn(carried, _) => carried.told().await,
            State::Open | State::CodeSent(_) | State::Challenged(_) => std::future::pending().await,
        }
    }

    /// Takes the session off this connection, with whatever ceremony was pending.
    pub fn take_session(&mut self) -> Option<Carried> {
        match std::mem::take(&mut self.state) {
            State::SignedIn(carried, _) => Some(carried),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Counts a request out of turn; `true` when the connection has had its share of them.
    pub fn count_unexpected(&mut self, code: Code) -> bool {
        if matches!(code, Code::Unexpected | Code::UnknownType | Code::BadMessage | Code::UnknownCeremony) {
            self.unexpected += 1;
        }
        self.unexpected >= MAX_UNEXPECTED
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, CodeFor, Conversation, MAX_CODE_TRIES, PendingCeremony, PendingCode};
    use crate::ceremony::Purpose;
    use passkey_accounts::protocol::{CeremonyID, UnixMillis, base64url::Base64Url, gateway::SessionKey};

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn key() -> SessionKey {
        let part = Base64Url(vec![1; 32]);
        SessionKey { kty: "EC".into(), crv: "P-256".into(), x: part.clone(), y: part }
    }

    fn with_code() -> Conversation {
        let mut conversation = Conversation::default();
        conversation.code_sent(PendingCode {
            purpose: CodeFor::SignUp,
            email: "ada@example.org".parse().unwrap(),
            session_key: key(),
            code: "123456".into(),
            expires_at: NOW.plus(1_000),
            tries: 0,
        });
        conversation
    }

    fn with_challenge(ceremony_id: CeremonyID) -> Conversation {
        let mut conversation = Conversation::default();
        conversation.challenged(PendingCeremony {
            ceremony_id,
            random: [0; 32],
            challenge: [0; 32],
            session_key: key(),
            thumbprint: [0; 32],
            expires_at: NOW.plus(1_000),
            purpose: Purpose::Decoy { credentials: Vec::new() },
        });
        conversation
    }

    #[test]
    fn the_right_code_works_once_and_in_time_only() {
        let mut conversation = with_code();
        assert_eq!(conversation.take_code(CodeFor::SignUp, "654321", NOW).unwrap_err(), Code::WrongCode);
        assert!(conversation.take_code(CodeFor::SignUp, " 123456 ", NOW).is_ok());
        assert_eq!(conversation.take_code(CodeFor::SignUp, "123456", NOW).unwrap_err(), Code::Unexpected);
        assert_eq!(
            with_code().take_code(CodeFor::SignUp, "123456", NOW.plus(1_000)).unwrap_err(),
            Code::CodeExpired
        );
    }

    #[test]
    fn five_wrong_codes_burn_the_code() {
        let mut conversation = with_code();
        for _ in 0..4 {
            assert_eq!(conversation.take_code(CodeFor::SignUp, "000000", NOW).unwrap_err(), Code::WrongCode);
        }
        assert_eq!(
            conversation.take_code(CodeFor::SignUp, "000000", NOW).unwrap_err(),
            Code::TooManyAttempts
        );
        assert_eq!(conversation.take_code(CodeFor::SignUp, "123456", NOW).unwrap_err(), Code::Unexpected);
    }

    #[test]
    fn a_code_is_good_for_what_it_was_asked_for() {
        let mut conversation = with_code();
        let taken = conversation.take_code(CodeFor::Recovery, "123456", NOW);
        assert_eq!(taken.unwrap_err(), Code::Unexpected);
        assert!(conversation.take_code(CodeFor::SignUp, "123456", NOW).is_ok());
    }

    #[test]
    fn five_wrong_recovery_codes_burn_the_mailed_code() {
        let mut conversation = with_code();
        for tries in 1..=MAX_CODE_TRIES {
            let pending = conversation.take_code(CodeFor::SignUp, "123456", NOW).unwrap();
            let code = conversation.wrong_recovery_code(pending);
            let expected =
                if tries < MAX_CODE_TRIES { Code::WrongRecoveryCode } else { Code::TooManyAttempts };
            assert_eq!(code, expected);
        }
        assert_eq!(conversation.take_code(CodeFor::SignUp, "123456", NOW).unwrap_err(), Code::Unexpected);
    }

    #[test]
    fn a_challenge_is_taken_out_once() {
        let id = CeremonyID::from_bytes([1; 16]);
        let mut conversation = with_challenge(id);
        let other = CeremonyID::from_bytes([2; 16]);
        assert_eq!(conversation.take_ceremony(other, NOW).unwrap_err(), Code::UnknownCeremony);
        assert!(conversation.take_ceremony(id, NOW).is_ok());
        assert_eq!(conversation.take_ceremony(id, NOW).unwrap_err(), Code::UnknownCeremony);
    }

    #[test]
    fn an_expired_challenge_is_burnt_too() {
        let id = CeremonyID::from_bytes([1; 16]);
        let mut conversation = with_challenge(id);
        assert_eq!(conversation.take_ceremony(id, NOW.plus(1_000)).unwrap_err(), Code::ChallengeExpired);
        assert_eq!(conversation.take_ceremony(id, NOW).unwrap_err(), Code::UnknownCeremony);
    }

    #[test]
    fn a_new_begin_drops_the_pending_ceremony() {
        let id = CeremonyID::from_bytes([1; 16]);
        let mut conversation = with_challenge(id);
        conversation.begin().unwrap();
        assert_eq!(conversation.take_ceremony(id, NOW).unwrap_err(), Code::UnknownCeremony);
    }

    #[test]
    fn three_requests_out_of_turn_are_enough() {
        let mut conversation = Conversation::default();
        assert!(!conversation.count_unexpected(Code::Unexpected));
        assert!(!conversation.count_unexpected(Code::WrongCode));
        assert!(!conversation.count_unexpected(Code::BadMessage));
        assert!(conversation.count_unexpected(Code::UnknownType));
    }
}
