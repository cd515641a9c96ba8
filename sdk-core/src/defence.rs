//! Defences that the attack suite turns off one at a time: an attack that fails anyway says nothing about any of them.
//! Without the feature `planted` every one of them is the literal `true`.

/// Whether that defence is up on this thread; the literal `true` without the feature `planted`.
#[cfg(feature = "planted")]
#[doc(hidden)]
#[macro_export]
macro_rules! defended {
    ($defence:ident) => {
        $crate::defence::is_up($crate::defence::Defence::$defence)
    };
}

/// Whether that defence is up on this thread; the literal `true` without the feature `planted`.
#[cfg(not(feature = "planted"))]
#[doc(hidden)]
#[macro_export]
macro_rules! defended {
    ($defence:ident) => {
        true
    };
}

#[cfg(feature = "planted")]
pub use switch::{Defence, Down, is_up, without};

#[cfg(feature = "planted")]
mod switch {
    use std::{cell::Cell, str::FromStr};

    macro_rules! defences {
        ($($(#[doc = $what:literal])* $name:ident)*) => {
            /// Something that stops an attack.
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
            pub enum Defence {
                $($(#[doc = $what])* $name,)*
            }

            impl Defence {
                /// All of them.
                pub const ALL: &[Self] = &[$(Self::$name,)*];

                /// Its name.
                pub const fn name(self) -> &'static str {
                    match self {
                        $(Self::$name => stringify!($name),)*
                    }
                }

                /// What it says, in one sentence.
                pub fn what(self) -> &'static str {
                    match self {
                        $(Self::$name => concat!($($what,)*).trim(),)*
                    }
                }
            }
        };
    }

    defences! {
        /// The browser socket opens for the app's own origins only.
        SocketOrigin
        /// The origin that the browser has signed must be the site's.
        SignedOrigin
        /// A challenge is taken out before its answer is looked at, so it is good for one try.
        ChallengeOnce
        /// A challenge is known to the connection that asked for it, and to no other.
        ChallengeOnConnection
        /// A session is resumed by whoever signs the connection's nonce with its key, and by nobody else.
        ResumeSigned
        /// The page signs a challenge only when it covers the page's own session key, and the passkey that the page has made.
        ChallengeCoversKey
        /// The authenticator must have checked the person, not only a touch.
        UserVerification
        /// A signature counter that went back is an event of the log.
        CounterWatched
        /// Who signs up must know the code that was mailed to the address.
        AddressProven
        /// A mailed code dies with the fifth wrong try.
        CodeTries
        /// An email address is sent a few codes in an hour, whoever asks.
        MailRationed
        /// An unknown address is answered with decoys.
        Decoys
        /// A recovery needs the recovery code besides the mail.
        RecoveryCodeNeeded
        /// A recovery waits, and is told to everybody meanwhile, before it gives a passkey.
        RecoveryHeld
        /// A recovery code is good for one recovery, also for one that was cancelled.
        RecoveryCodeOnce
        /// The back-end socket opens for nothing that a browser sends.
        BackEndSocketOrigin
        /// A key pair signs the origin of the server that it is connected to, and no other one's answer is taken.
        KeyPairOrigin
        /// Every request is signed by its session's key.
        ProofSignature
        /// A proof passes once.
        ProofOnce
        /// A proof is good for a minute.
        ProofTime
        /// A proof covers the body.
        ProofBody
        /// A back end believes no sign-in that no pinned passkey has signed.
        EvidenceChecked
        /// What matters is done only after a passkey has signed exactly that.
        ActionConfirmed
        /// A confirmation is good for one use.
        ConfirmationOnce
        /// A session ends when the last page that used it goes.
        PageGone
        /// The site tells browsers to come over TLS only.
        StrictTransport
        /// Pages run the site's own scripts and no text becomes code.
        ContentSecurityPolicy
        /// No page may show the site in a frame.
        FrameAncestors
        /// Scripts cannot read the session's cookie.
        CookieHttpOnly
        /// The session's cookie does not come along when another site asks.
        CookieSameSite
        /// The session's cookie travels over TLS only.
        CookieSecure
        /// A sub-domain cannot set the session's cookie.
        CookieHostPrefix
        /// Signing in gives a session a new name.
        SessionRenamed
        /// Signing out ends the session at the server too.
        SessionEnded
        /// The database holds hashes of tokens, not tokens.
        TokensHashed
        /// Rows are sealed for their account, and which rows there are at which version is signed.
        RowsSealed
        /// Addresses and passkeys are encrypted in the database.
        AddressesSealed
        /// The database holds slow hashes of passwords, not passwords.
        PasswordsHashed
    }

    thread_local! {
        /// A bit for each.
        static DOWN: Cell<u64> = const { Cell::new(0) };
    }

    const _: () = assert!(Defence::ALL.len() <= 64);

    /// Turns one defence off on this thread, until what is returned is dropped.
    pub fn without(defence: Defence) -> Down {
        let before = DOWN.get();
        DOWN.set(before | (1 << defence as u32));
        Down { before }
    }

    /// Whether that one is up on this thread.
    pub fn is_up(defence: Defence) -> bool {
        DOWN.get() & (1 << defence as u32) == 0
    }

    /// A defence is down while this lives.
    #[derive(Debug)]
    #[must_use = "the defence is up again when this is dropped"]
    pub struct Down {
        before: u64,
    }

    impl Drop for Down {
        fn drop(&mut self) {
            DOWN.set(self.before);
        }
    }

    impl FromStr for Defence {
        type Err = NoDefence;

        fn from_str(name: &str) -> Result<Self, NoDefence> {
            Self::ALL.iter().copied().find(|defence| defence.name() == name).ok_or(NoDefence)
        }
    }

    /// There is none of that name.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
    #[error("there is no defence of that name; they are in sdk-core/src/defence.rs")]
    pub struct NoDefence;
}
