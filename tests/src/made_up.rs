//! People who are in a database without having been on a page.

use passkey_accounts::{
    evidence::PublicKey,
    protocol::{AccountID, AppID, PasskeyID, SessionID},
};
use passkey_accounts_server::{
    accounts::{Passkey, Registration},
    clock::Uptime,
    sessions::{Opening, Session},
};

use crate::{PageKey, START};

/// A passkey whose private key nobody has; another one for every number.
///
/// # Panics
/// Never: the key is sound.
pub fn passkey(number: u64) -> Passkey {
    let public = PageKey::make().public();
    // A COSE_Key of five members: kty EC2, alg ES256, crv P-256, x and y (RFC 9053 section 7.1.1).
    let head = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01];
    let cose = [&head[..], &[0x21, 0x58, 0x20], &public.x.0, &[0x22, 0x58, 0x20], &public.y.0].concat();
    Passkey {
        credential_id: number.to_be_bytes().repeat(4),
        public_key: PublicKey::from_cose(&cose).expect("a key that was just made is sound"),
        sign_count: 7,
        aaguid: [0; 16],
        transports: Vec::new(),
        is_vouched_for: false,
        backup_eligible: false,
        backed_up: false,
        name: None,
        last_used_at: None,
        browsers: Vec::new(),
    }
}

/// The sign-up of `resident-NUMBER@example.org`, with names that follow from the number.
///
/// # Panics
/// Never: the address is one.
pub fn registration(app_id: AppID, number: u64) -> Registration {
    let mut id = [0xee; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    let session = Session {
        session_id: SessionID::from_bytes(id),
        app_id,
        account_id: AccountID::from_bytes(id),
        passkey_id: PasskeyID::from_bytes(id),
        origin: "http://localhost".to_owned(),
        session_key: PageKey::make().public(),
        started_at: START,
        expires_at: START.plus(1_000_000),
        ends: Uptime(u64::MAX),
        idle_ms: 1_000_000,
        grace_ms: 1_000,
        user_agent: format!("Browser {number}"),
    };
    Registration {
        email: format!("resident-{number}@example.org").parse().expect("it is an address"),
        passkey: passkey(number),
        public_key_cose: vec![1],
        opening: Opening { session, user_verified: true, backed_up: false, evidence: None },
    }
}
