//! The one table of error codes: what each is called on the wire, whether trying again can help, how it closes a socket.

use core::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $wire:literal $retryable:ident $close:literal $message:literal)*) => {
        /// What went wrong, in a word that never changes. The same words in every language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* #[doc = ""] #[doc = concat!("`", $wire, "`: ", $message, ".")] $name,)* }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The words of those that are retryable: all that a browser needs of the table.
            #[expect(clippy::indexing_slicing, reason = "runs in the compiler, which would refuse an index out of bounds")]
            pub(crate) const RETRYABLE: &'static [&'static str] = &{
                let mut words = [""; count_retryable()];
                let (mut from, mut to) = (0, 0);
                while from < Self::ALL.len() {
                    if Self::ALL[from].is_retryable() {
                        words[to] = Self::ALL[from].as_str();
                        to += 1;
                    }
                    from += 1;
                }
                words
            };

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }

            /// Whether the same call can succeed later without anyone changing anything.
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => codes!(@$retryable),)* }
            }

            /// The WebSocket close code that goes with it: 4000-4499 come back, 4500-4999 stop.
            pub const fn close_code(self) -> u16 {
                match self { $(Self::$name => $close,)* }
            }

            /// A sentence for people: what happened and what to do. No secrets, no personal data.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
    (@retry) => { true };
    (@stop) => { false };
}

codes! {
    // Any socket.
    /// The frame is not a message.
    BadMessage "badMessage" stop 4500 "the message is not one JSON object with a \"type\", or a member is missing or of the wrong kind"
    /// A limit on size was passed.
    TooLarge "tooLarge" stop 4504 "the message is larger than this socket takes"
    /// No such request.
    UnknownType "unknownType" stop 4500 "this server knows no message of that type"
    /// A request out of turn.
    Unexpected "unexpected" stop 4500 "that message makes no sense now; look at the order of messages in the protocol"
    /// The request cannot be allowed, whoever asks.
    Forbidden "forbidden" stop 4506 "that is not allowed"
    /// Our fault.
    Internal "internal" retry 4000 "something went wrong on the server; it has been logged, please try again"
    /// Somebody else has written to the server's database.
    Tampered "tampered" stop 4506 "what the server has stored of this account is not what it wrote; nothing was done, and its operator has been told"
    /// Slow down.
    RateLimited "rateLimited" retry 4005 "too many attempts; please wait a little and try again"
    /// The server is full.
    OverCapacity "overCapacity" retry 4000 "the server has as many connections as it takes; please try again shortly"
    /// Nothing was heard for too long.
    Idle "idle" retry 4003 "nothing was heard on this connection for too long"

    // Back-end socket.
    /// No first message in time.
    HelloTimeout "helloTimeout" retry 4006 "no first message arrived in time; send {\"apiKey\":\"...\"} right after connecting"
    /// The reader does not read.
    SlowConsumer "slowConsumer" retry 4002 "events were not read fast enough; reconnect and read without waiting for your own work"
    /// The API key is not one of ours.
    BadKey "badKey" stop 4501 "the API key is missing, misspelt or unknown; send {\"apiKey\":\"pa_...\"} with a key of this server"
    /// The API key has been taken back.
    KeyRevoked "keyRevoked" stop 4502 "this API key has been revoked; create a new one"
    /// The API key's time is over.
    KeyExpired "keyExpired" stop 4502 "this API key has expired; create a new one"
    /// No common version.
    UnsupportedProtocol "unsupportedProtocol" stop 4503 "this server does not speak that protocol version"
    /// The lane belongs to another worker now.
    LeaseLost "leaseLost" retry 4004 "the lane was not given back in time and belongs to another worker now; what was not acknowledged is delivered there"
    /// A worker kept an item for too long while others wait for the lane.
    AckTimeout "ackTimeout" retry 4007 "an item was not acknowledged in time while other workers wait; repeat the last ack to say that work goes on"
    /// The position is no longer kept and the client forbids skipping.
    Gone "gone" stop 4505 "events after that id are no longer kept; connect without \"after\" to start from the present state"
    /// An event did not follow the one before it.
    PositionMismatch "positionMismatch" retry 4009 "an event did not follow the last one received; the stream is resumed from there"
    /// The thing named in the address does not exist.
    NotFound "notFound" stop 4506 "there is no such thing; check the address and the id in it"
    /// An app has as many keys as it may.
    TooManyKeys "tooManyKeys" stop 4506 "this app has as many live API keys as it may; revoke one first"
    /// The account would be left without any.
    LastPasskey "lastPasskey" stop 4506 "an account needs a passkey: this one is its last; erase the account instead, or have another added first"
    /// An Idempotency-Key came twice, with two different requests.
    IdempotencyMismatch "idempotencyMismatch" stop 4500 "this Idempotency-Key was sent before with another request; make a new one for every command"
    /// Too many sockets of one app.
    TooManyConnections "tooManyConnections" retry 4008 "this app has as many back-end connections as it may; close one first"

    // Browser socket.
    /// No such app.
    UnknownApp "unknownApp" stop 4506 "there is no app with that id on this server"
    /// The page's origin is not the app's.
    OriginNotAllowed "originNotAllowed" stop 4506 "this origin is not one of the app's; add it to the app's origins on the server"
    /// The address cannot be one.
    InvalidEmail "invalidEmail" stop 4500 "that does not look like an email address"
    /// The session key cannot be one.
    InvalidSessionKey "invalidSessionKey" stop 4500 "the session key must be a JWK of a P-256 public key"
    /// The mailed code is another.
    WrongCode "wrongCode" stop 4500 "that is not the code in the email; check it and type it again"
    /// The mailed code is too old.
    CodeExpired "codeExpired" stop 4500 "that code has expired; ask for a new one"
    /// The mailed code was guessed at too often.
    TooManyAttempts "tooManyAttempts" stop 4500 "too many wrong codes; ask for a new one"
    /// The mail could not be handed over.
    MailFailed "mailFailed" retry 4000 "the email could not be sent; please try again"
    /// Sign-up with an address that has an account; said only to who proved to read its mail.
    AccountExists "accountExists" stop 4500 "this address already has an account; sign in with its passkey instead"
    /// The challenge is too old.
    ChallengeExpired "challengeExpired" retry 4000 "that took too long; please try again"
    /// The ceremony is not the one under way, or was used already.
    UnknownCeremony "unknownCeremony" stop 4500 "that passkey prompt has been used or replaced; please start again"
    /// Whatever the reason, the passkey's answer did not pass.
    PasskeyRejected "passkeyRejected" stop 4500 "this passkey was not accepted; try again or use another one"
    /// The passkey is a good one, and not of a kind that the app takes: its policy is `hardware`.
    PasskeyNotAllowed "passkeyNotAllowed" stop 4500 "this site takes passkeys on security keys of certain models only; use one of those"
    /// The passkey is registered already.
    PasskeyExists "passkeyExists" stop 4500 "this passkey is already registered; sign in with it instead"
    /// The session is over.
    SessionGone "sessionGone" stop 4500 "the session has ended; please sign in again"
    /// What is to be confirmed cannot be.
    InvalidAction "invalidAction" stop 4500 "the action to confirm must be a JSON object of at most 2 KiB in which no name comes twice"
    /// A passkey cannot have that name.
    InvalidName "invalidName" stop 4500 "a passkey's name has 1 to 64 characters and no control characters"
    /// The account has as many passkeys as it may.
    TooManyPasskeys "tooManyPasskeys" stop 4506 "this account has as many passkeys as it may; remove one first"
    /// A recovery code that is another, or is of no use any more.
    WrongRecoveryCode "wrongRecoveryCode" stop 4500 "that is not the account's recovery code, or it no longer works; check it and type it again"
    /// The app has not opted in.
    RecoveryOff "recoveryOff" stop 4506 "this app has no recovery by code; sign in with another passkey of the account"

    // Proofs, as a back end checks them.
    /// A request without a proof.
    ProofMissing "proofMissing" stop 4500 "the request carries no proof of its session; send it with session.fetch()"
    /// A proof that does not fit what it came with, or is no proof.
    ProofInvalid "proofInvalid" stop 4500 "the proof does not fit this request, this session or this server"
    /// A proof from another time.
    ProofExpired "proofExpired" retry 4000 "the proof was made too long ago, or by a clock that is wrong; make a new one"
    /// A proof that was used before.
    ProofReplayed "proofReplayed" retry 4000 "the proof was used before; make a new one for every request"
    /// An event whose evidence a pinned passkey did not sign.
    EvidenceForged "evidenceForged" stop 4506 "an event is not signed by a passkey that this account is known to have"

    // Raised by clients themselves.
    /// The challenge does not bind this page's key and origin.
    ChallengeMismatch "challengeMismatch" stop 4506 "the server sent a challenge that is not bound to this page; nothing was signed"
    /// The person said no, or has no passkey here.
    Cancelled "cancelled" stop 4500 "no passkey was used: the prompt was closed, timed out, or this device has none for this account"
    /// The browser lacks something.
    NotSupported "notSupported" stop 4500 "this browser cannot use passkeys on this page"
    /// The address cannot be the server's.
    BadAddress "badAddress" stop 4506 "there is no event stream at this address; it looks like wss://HOST/v1/events"
    /// The log that the server shows contradicts what it showed before.
    LogRewritten "logRewritten" stop 4506 "the server's log contradicts itself: an entry was changed, removed, added or moved after it was written"
    /// The replica has not heard from the server for longer than the caller allows.
    Stale "stale" retry 4000 "the live sessions are not up to date enough to decide; refuse, and try again shortly"
    /// The network is gone.
    ConnectionLost "connectionLost" retry 4000 "the connection to the server was lost; please try again"
}

#[expect(
    clippy::indexing_slicing,
    reason = "runs in the compiler, which would refuse an index out of bounds"
)]
const fn count_retryable() -> usize {
    let (mut count, mut index) = (0, 0);
    while index < Code::ALL.len() {
        count += Code::ALL[index].is_retryable() as usize;
        index += 1;
    }
    count
}

impl Code {
    /// The code with this word on the wire, if the table has it.
    pub fn from_wire(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == word)
    }

    /// The most general code that closes a socket with this number, if the table has one.
    pub fn of_close(close_code: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.close_code() == close_code)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a client that saw this close code may connect again.
///
/// 1000 and everything below 4500 may; 4500-4999 mean that connecting again would end the same way.
pub const fn close_code_is_retryable(close_code: u16) -> bool {
    !matches!(close_code, 4500..=4999)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Code, close_code_is_retryable};

    #[test]
    fn words_are_unique_and_read_back() {
        let words: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| Code::from_wire(code.as_str()) == Some(*code)));
        assert_eq!(Code::from_wire("nonsense"), None);
        assert_eq!(Code::of_close(4506), Some(Code::Forbidden));
        assert_eq!(Code::of_close(1000), None);
    }

    #[test]
    fn close_code_ranges_agree_with_retryable() {
        for code in Code::ALL {
            assert_eq!(close_code_is_retryable(code.close_code()), code.is_retryable(), "{code}");
        }
    }

    #[test]
    fn the_words_that_a_browser_keeps_are_those_of_the_retryable_codes() {
        let retryable = Code::ALL.iter().filter(|code| code.is_retryable()).map(|code| code.as_str());
        assert_eq!(Code::RETRYABLE, retryable.collect::<Vec<_>>());
        assert!(Code::RETRYABLE.contains(&"rateLimited") && !Code::RETRYABLE.contains(&"forbidden"));
    }

    #[test]
    fn messages_are_sentences_without_a_full_stop() {
        for code in Code::ALL {
            let message = code.message();
            assert!(message.split(' ').count() >= 4, "{code}: {message}");
            assert!(!message.ends_with('.'), "{code}: {message}");
        }
    }
}
