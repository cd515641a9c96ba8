//! Why a ceremony was refused: the part that cannot be read, or the step of the specification that failed.

use std::fmt;

/// Why an assertion was refused. Tell the person that the passkey was not accepted; log which it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// The answer is not what a browser makes.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It can be read, and this step of section 7.2 fails.
    #[error("this does not hold: {0}")]
    Refused(Step),
}

impl From<Step> for AssertionError {
    fn from(step: Step) -> Self {
        Self::Refused(step)
    }
}

/// A part of a ceremony that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{part} cannot be read: {reason}")]
pub struct Malformed {
    /// The part.
    pub part: Part,
    /// What is wrong with it, without a word of what it holds.
    pub reason: &'static str,
}

/// What a ceremony is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// `AuthenticationResponseJSON` or `RegistrationResponseJSON`.
    Response,
    /// `clientDataJSON`.
    ClientData,
    /// `authenticatorData`.
    AuthenticatorData,
    /// `attestationObject`.
    AttestationObject,
    /// The credential's public key.
    PublicKey,
}

impl Part {
    /// The part is not readable, for this reason.
    pub const fn malformed(self, reason: &'static str) -> Malformed {
        Malformed { part: self, reason }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Response => "the response",
            Self::ClientData => "clientDataJSON",
            Self::AuthenticatorData => "authenticatorData",
            Self::AttestationObject => "attestationObject",
            Self::PublicKey => "the public key",
        })
    }
}

/// A step of WebAuthn Level 3 section 7.1 (registration) or 7.2 (authentication), by what it demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The credential is one of those that were allowed, and it is 1 to 1023 bytes long.
    CredentialId,
    /// `userHandle`, if there is one, is the account's.
    UserHandle,
    /// `C.type` is that of the ceremony.
    Type,
    /// `C.challenge` is that of the ceremony.
    Challenge,
    /// `C.origin` is that of the ceremony, character for character.
    Origin,
    /// `C.crossOrigin` is not true: the page was not framed by another site.
    CrossOrigin,
    /// `C.topOrigin` is absent: the page was not framed by another site.
    TopOrigin,
    /// `rpIdHash` is that of the RP ID.
    RpIdHash,
    /// The UP flag is set.
    UserPresent,
    /// The UV flag is set, where it is required.
    UserVerified,
    /// The BS flag is not set without BE.
    BackupState,
    /// The BE flag is as it was at registration.
    BackupEligible,
    /// The key's algorithm is one of those that were offered.
    Algorithm,
    /// The signature is the key's over authenticatorData and the hash of clientDataJSON.
    Signature,
    /// The attestation statement format is a registered one.
    AttestationFormat,
    /// The attestation statement is valid in its format.
    AttestationStatement,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CredentialId => "the credential is one that was asked for, with an id of 1 to 1023 bytes",
            Self::UserHandle => "the user handle is the account's",
            Self::Type => "the client data is of this kind of ceremony",
            Self::Challenge => "the challenge is that of this ceremony",
            Self::Origin => "the origin is that of this ceremony",
            Self::CrossOrigin => "the page was not in a frame of another site (crossOrigin)",
            Self::TopOrigin => "the page was not in a frame of another site (topOrigin)",
            Self::RpIdHash => "the authenticator answered for this RP ID",
            Self::UserPresent => "the person was present",
            Self::UserVerified => "the person was verified",
            Self::BackupState => "only a passkey that can be backed up is backed up",
            Self::BackupEligible => "whether the passkey can be backed up is as it was at registration",
            Self::Algorithm => "the key is of an algorithm that was offered",
            Self::Signature => "the signature is the key's",
            Self::AttestationFormat => "the attestation statement format is a registered one",
            Self::AttestationStatement => "the attestation statement is valid",
        })
    }
}
