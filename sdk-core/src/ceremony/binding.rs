//! Challenge binding: the authenticator's signature covers who asked, from where, with which session key, for what
//! (docs/protocol.md, "Challenge binding").

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::protocol::{
    AppID, SessionID,
    base64url::encode,
    gateway::{CeremonyKind, SessionKey},
};

/// Everything that a challenge is made of.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// 32 bytes from the server.
    pub random: &'a [u8],
    /// What the ceremony is for.
    pub kind: CeremonyKind,
    /// The app that is signed in to.
    pub app_id: AppID,
    /// The page's origin, as in `window.origin` and in the `Origin` header.
    pub origin: &'a str,
    /// RFC 7638 thumbprint of the session key, 32 bytes.
    pub thumbprint: &'a [u8; 32],
    /// What the session is about to do, in its RFC 8785 form (see [`super::action`]); `None` at sign-up and sign-in, and
    /// when a further passkey is made.
    pub action: Option<&'a str>,
}

impl Binding<'_> {
    /// The 32-byte challenge.
    ///
    /// SHA-256 over a label and the length-prefixed parts; the last part is SHA-256 of the action, or empty.
    pub fn derive_challenge(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"passkey-accounts/challenge/v1");
        let action = self.action.map(Sha256::digest);
        for part in [
            self.random,
            self.kind.as_str().as_bytes(),
            self.app_id.text().as_bytes(),
            self.origin.as_bytes(),
            self.thumbprint,
            action.as_ref().map_or(&[], |hash| hash.as_slice()),
        ] {
            let length = u32::try_from(part.len()).expect("every part is far below 4 GiB");
            hash.update(length.to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

/// The RFC 7638 thumbprint of a session key, SHA-256, 32 bytes.
pub fn thumbprint(key: &SessionKey) -> [u8; 32] {
    let (x, y) = (encode(&key.x.0), encode(&key.y.0));
    let members = [r#"{"crv":"P-256","kty":"EC","x":""#, &x, r#"","y":""#, &y, r#""}"#];
    Sha256::digest(members.concat()).into()
}

/// What the session key signs to resume `session_id` on the connection that sent `nonce`.
pub fn resume_signing_input(session_id: SessionID, origin: &str, nonce: &[u8]) -> Vec<u8> {
    let mut input = b"passkey-accounts/resume/v1".to_vec();
    for part in [session_id.text().as_bytes(), origin.as_bytes(), nonce] {
        let length = u32::try_from(part.len()).expect("every part is far below 4 GiB");
        input.extend_from_slice(&length.to_be_bytes());
        input.extend_from_slice(part);
    }
    input
}

#[cfg(test)]
mod tests {
    use super::{Binding, thumbprint};
    use crate::protocol::{
        AppID,
        base64url::{Base64Url, decode, encode},
        gateway::{CeremonyKind, SessionKey},
    };

    fn key(x: &str, y: &str) -> SessionKey {
        let part = |text| Base64Url(decode(text).unwrap());
        SessionKey { kty: "EC".into(), crv: "P-256".into(), x: part(x), y: part(y) }
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638() {
        // Computed with Python: base64url(sha256('{"crv":"P-256","kty":"EC","x":"AQ...","y":"Ag..."}')).
        let key =
            key("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE", "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI");
        assert_eq!(encode(thumbprint(&key)), "kOFKxjJdOqJD5G4Yuw-cxHe64VGyxKEO_hoV83QfGj0");
    }

    #[test]
    fn every_part_changes_the_challenge() {
        let base = Binding {
            random: &[1; 32],
            kind: CeremonyKind::SignIn,
            app_id: AppID::from_bytes([2; 16]),
            origin: "https://shop.example",
            thumbprint: &[3; 32],
            action: None,
        };
        let challenge = base.derive_challenge();
        assert_eq!(encode(challenge), "4SZahCXg3ZgGaRDSv67l_2s4RLYIGy_gxGQhLaj9jw0");
        for other in [
            Binding { random: &[4; 32], ..base },
            Binding { kind: CeremonyKind::SignUp, ..base },
            Binding { app_id: AppID::from_bytes([5; 16]), ..base },
            Binding { origin: "https://shop.example:444", ..base },
            Binding { thumbprint: &[6; 32], ..base },
            Binding { action: Some("{}"), ..base },
        ] {
            assert_ne!(other.derive_challenge(), challenge, "{other:?}");
        }
    }
}
