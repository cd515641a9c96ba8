//! A ceremony under way: what is kept on its connection until the authenticator answers.

use passkey_accounts::{
    ceremony::action,
    protocol::{
        AccountID, CeremonyID, PasskeyID, UnixMillis,
        gateway::{CeremonyKind, SessionKey},
        webauthn::Transport,
    },
};

use super::Action;
use crate::{
    accounts::{Addition, KnownAccount},
    crypto::Email,
    recovery::CodeHash,
};

/// A ceremony that waits for the authenticator's answer.
#[derive(Debug, Clone)]
pub struct PendingCeremony {
    /// Names it on the wire.
    pub ceremony_id: CeremonyID,
    /// The 32 bytes of the server's part.
    pub random: [u8; 32],
    /// What the authenticator must sign.
    pub challenge: [u8; 32],
    /// The key that the session is, or will be, bound to.
    pub session_key: SessionKey,
    /// RFC 7638 thumbprint of it.
    pub thumbprint: [u8; 32],
    /// When the challenge stops working.
    pub expires_at: UnixMillis,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a ceremony is for.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// A new account.
    SignUp {
        /// Its address, proven by the code.
        email: Email,
        /// Its name, which is the WebAuthn user handle too.
        account_id: AccountID,
    },
    /// A session.
    SignIn(KnownAccount),
    /// No session: the address is unknown and the credentials are decoys.
    Decoy {
        /// What is asked for, with how each would be reached.
        credentials: Vec<(Vec<u8>, Vec<Transport>)>,
    },
    /// An action of the session that is open.
    Confirm {
        /// Whose passkeys may sign.
        account: KnownAccount,
        /// What they sign.
        action: Action,
    },
    /// One more passkey, which is to be made.
    MakePasskey {
        /// The account, with the passkeys that are not to be made again.
        account: KnownAccount,
        /// Its address.
        email: Email,
    },
    /// One more passkey, which was made and is to be vouched for.
    AddPasskey {
        /// The account, with the passkeys that may vouch.
        account: KnownAccount,
        /// The new one.
        addition: Box<Addition>,
    },
    /// The removal of a passkey.
    RemovePasskey {
        /// Whose passkeys may sign.
        account: KnownAccount,
        /// The one to be removed.
        passkey_id: PasskeyID,
    },
    /// A recovery code.
    MakeRecoveryCode(KnownAccount),
    /// The passkey that a recovery gives.
    Recover {
        /// The account, with the passkeys that are not to be made again.
        account: KnownAccount,
        /// Its address.
        email: Email,
        /// The recovery code, as it is kept.
        code: CodeHash,
    },
}

impl Purpose {
    /// The kind that is part of the challenge.
    pub const fn kind(&self) -> CeremonyKind {
        match self {
            Self::SignUp { .. } => CeremonyKind::SignUp,
            Self::SignIn(_) | Self::Decoy { .. } => CeremonyKind::SignIn,
            Self::Confirm { .. } => CeremonyKind::Confirm,
            Self::MakePasskey { .. } | Self::AddPasskey { .. } => CeremonyKind::AddPasskey,
            Self::RemovePasskey { .. } => CeremonyKind::RemovePasskey,
            Self::MakeRecoveryCode(_) => CeremonyKind::MakeRecoveryCode,
            Self::Recover { .. } => CeremonyKind::Recover,
        }
    }

    /// The action that is part of the challenge, in its RFC 8785 form.
    pub fn action(&self) -> Option<String> {
        match self {
            Self::SignUp { .. }
            | Self::SignIn(_)
            | Self::Decoy { .. }
            | Self::MakePasskey { .. }
            | Self::MakeRecoveryCode(_)
            | Self::Recover { .. } => None,
            Self::Confirm { action, .. } => Some(action.as_str().to_owned()),
            Self::AddPasskey { addition, .. } => {
                Some(action::add_passkey(addition.passkey_id, &addition.public_key_cose))
            }
            Self::RemovePasskey { passkey_id, .. } => Some(action::remove_passkey(*passkey_id)),
        }
    }
}
