//! Making a challenge: bound to the app, the origin, the session key and the purpose, and kept on its connection alone.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use passkey_accounts::{
    ceremony::binding::{self, thumbprint},
    protocol::{
        CeremonyID, UnixMillis,
        base64url::Base64Url,
        gateway::{Binding, Ceremony, ServerMessage, SessionKey},
    },
};

use super::{PendingCeremony, Purpose, decoys, options};
use crate::{
    apps::{App, Origin},
    crypto::Keyring,
    limits::CHALLENGE_MS,
};

/// A session key that is a point on P-256: 32 bytes each for x and y.
pub fn is_on_curve(key: &SessionKey) -> bool {
    let point = [&[0x04], key.x.0.as_slice(), key.y.0.as_slice()].concat();
    key.kty == "EC"
        && key.crv == "P-256"
        && key.x.0.len() == 32
        && key.y.0.len() == 32
        && ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok()
}

/// Random bytes of one challenge.
#[derive(Debug, Clone, Copy)]
pub struct ChallengeRandom {
    /// Names the ceremony.
    pub ceremony_id: [u8; 16],
    /// The server's part of the challenge.
    pub challenge: [u8; 32],
}

/// Who asks for a ceremony, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The app.
    pub app: &'a App,
    /// The page's origin, from the `Origin` header of its socket.
    pub origin: &'a Origin,
    /// Keys for decoys.
    pub keyring: &'a Keyring,
    /// Keyed index of the address; decoys grow from it.
    pub email_index: &'a [u8; 32],
    /// The time.
    pub now: UnixMillis,
}

/// Makes the challenge of a ceremony: what is kept, and what the page is sent.
pub fn make_ceremony(
    asking: Asking<'_>,
    session_key: SessionKey,
    purpose: Purpose,
    random: ChallengeRandom,
) -> (PendingCeremony, ServerMessage) {
    let Asking { app, origin, keyring, email_index, now } = asking;
    let thumbprint = thumbprint(&session_key);
    let kind = purpose.kind();
    let challenge = binding::Binding {
        random: &random.challenge,
        kind,
        app_id: app.app_id,
        origin: origin.as_str(),
        thumbprint: &thumbprint,
        action: None,
    }
    .derive_challenge();
    let public_key = match &purpose {
        Purpose::SignUp { email, account_id } => options::creation(app, *account_id, email, &challenge),
        Purpose::SignIn(Some(known)) => {
            let allow = known
                .passkeys
                .iter()
                .map(|(_, passkey)| (passkey.credential_id.clone(), passkey.transports.clone()));
            options::request(app, allow, &challenge)
        }
        Purpose::SignIn(None) => options::request(app, decoys::derive(keyring, email_index), &challenge),
    };
    let message = Ceremony {
        ceremony_id: CeremonyID::from_bytes(random.ceremony_id),
        public_key,
        binding: Binding { random: Base64Url(random.challenge.to_vec()), kind, added: None },
    };
    let pending = PendingCeremony {
        ceremony_id: message.ceremony_id,
        random: random.challenge,
        challenge,
        session_key,
        thumbprint,
        expires_at: now.plus(CHALLENGE_MS),
        purpose,
    };
    let message = match pending.purpose {
        Purpose::SignUp { .. } => ServerMessage::CeremonyCreate(message),
        Purpose::SignIn(_) => ServerMessage::CeremonyGet(message),
    };
    (pending, message)
}
