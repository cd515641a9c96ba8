//! A ceremony under way: what is kept on its connection until the authenticator answers.

use passkey_accounts::protocol::{
    AccountID, CeremonyID, UnixMillis,
    gateway::{CeremonyKind, SessionKey},
};

use crate::{accounts::KnownAccount, crypto::Email};

/// A ceremony that waits for the authenticator's answer.
#[derive(Debug)]
pub struct PendingCeremony {
    /// Names it on the wire.
    pub ceremony_id: CeremonyID,
    /// The 32 bytes of the server's part.
    pub random: [u8; 32],
    /// What the authenticator must sign.
    pub challenge: [u8; 32],
    /// The key that the session will be bound to.
    pub session_key: SessionKey,
    /// RFC 7638 thumbprint of it.
    pub thumbprint: [u8; 32],
    /// When the challenge stops working.
    pub expires_at: UnixMillis,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a ceremony is for.
#[derive(Debug)]
pub enum Purpose {
    /// A new account.
    SignUp {
        /// Its address, proven by the code.
        email: Email,
        /// Its name, which is the WebAuthn user handle too.
        account_id: AccountID,
    },
    /// A session. `None`: the address is unknown and the credentials are decoys.
    SignIn(Option<KnownAccount>),
}

impl Purpose {
    /// The kind that is part of the challenge.
    pub const fn kind(&self) -> CeremonyKind {
        match self {
            Self::SignUp { .. } => CeremonyKind::SignUp,
            Self::SignIn(_) => CeremonyKind::SignIn,
        }
    }
}
