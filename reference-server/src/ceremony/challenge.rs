//! Making a challenge: bound to the app, the origin, the session key and the purpose, and kept on its connection alone.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use passkey_accounts::{
    ceremony::binding::{self, thumbprint},
    protocol::{
        CeremonyID, UnixMillis,
        base64url::Base64Url,
        gateway::{AddedPasskey, Binding, Ceremony, ServerMessage, SessionKey},
        webauthn::Transport,
    },
};

use super::{PendingCeremony, Purpose, options};
use crate::{
    accounts::KnownAccount,
    apps::{App, Origin},
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
    let Asking { app, origin, now } = asking;
    let thumbprint = thumbprint(&session_key);
    let kind = purpose.kind();
    let challenge = binding::Binding {
        random: &random.challenge,
        kind,
        app_id: app.app_id,
        origin: origin.as_str(),
        thumbprint: &thumbprint,
        action: purpose.action().as_deref(),
    }
    .derive_challenge();
    let ceremony = |public_key, added| Ceremony {
        ceremony_id: CeremonyID::from_bytes(random.ceremony_id),
        public_key,
        binding: Binding { random: Base64Url(random.challenge.to_vec()), kind, added },
    };
    let create = |public_key| ServerMessage::CeremonyCreate(ceremony(public_key, None));
    let get =
        |allow, added| ServerMessage::CeremonyGet(ceremony(options::request(app, allow, &challenge), added));
    let message = match &purpose {
        Purpose::SignUp { email, account_id } => {
            create(options::creation(app, *account_id, email, Vec::new(), &challenge))
        }
        Purpose::MakePasskey { account, email } | Purpose::Recover { account, email, .. } => {
            create(options::creation(app, account.account_id, email, credentials(account), &challenge))
        }
        Purpose::Decoy { credentials } => get(credentials.clone(), None),
        Purpose::SignIn(account)
        | Purpose::MakeRecoveryCode(account)
        | Purpose::Confirm { account, .. }
        | Purpose::RemovePasskey { account, .. } => get(credentials(account), None),
        Purpose::AddPasskey { account, addition } => {
            let public_key = Base64Url(addition.public_key_cose.clone());
            get(credentials(account), Some(AddedPasskey { passkey_id: addition.passkey_id, public_key }))
        }
    };
    let pending = PendingCeremony {
        ceremony_id: CeremonyID::from_bytes(random.ceremony_id),
        random: random.challenge,
        challenge,
        session_key,
        thumbprint,
        expires_at: now.plus(CHALLENGE_MS),
        purpose,
    };
    (pending, message)
}

fn credentials(account: &KnownAccount) -> Vec<(Vec<u8>, Vec<Transport>)> {
    let passkeys = account.passkeys.iter();
    passkeys.map(|(_, passkey)| (passkey.credential_id.clone(), passkey.transports.clone())).collect()
}
