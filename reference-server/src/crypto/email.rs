//! Email addresses: parsed once at the edge, compared in one form, never shown in logs.

use std::{fmt, str::FromStr};

use email_address::{EmailAddress, Options};
use passkey_accounts::protocol::{AccountID, AppID};

use super::{DataKey, Ring, Sealed, Tampered};

/// The longest address that can be delivered to (RFC 5321 section 4.5.3.1.3, less the angle brackets).
const MAX_BYTES: usize = 254;

/// A deliverable-looking email address. `Debug` hides it; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    typed: String,
    normalized: String,
}

impl Email {
    /// The address as the person typed it, for the mail's envelope.
    pub fn as_typed(&self) -> &str {
        &self.typed
    }

    /// The form that addresses are compared in: lower case throughout.
    pub(super) fn normalized(&self) -> &str {
        &self.normalized
    }

    /// Encrypts the address for the account's row.
    pub fn seal(&self, key: &DataKey, app_id: AppID, account_id: AccountID) -> Vec<u8> {
        let owner: [&[u8]; 2] = [app_id.as_bytes(), account_id.as_bytes()];
        Sealed { label: "email", owner: &owner }.seal(key, self.typed.as_bytes())
    }

    /// Decrypts the address of an account's row.
    ///
    /// # Errors
    /// [`Tampered`] when the row was changed.
    pub fn open(
        key: &DataKey,
        app_id: AppID,
        account_id: AccountID,
        sealed: &[u8],
    ) -> Result<Self, Tampered> {
        let owner: [&[u8]; 2] = [app_id.as_bytes(), account_id.as_bytes()];
        Self::from_sealed(&Sealed { label: "email", owner: &owner }.open(key, sealed)?)
    }

    /// Decrypts the address of a row from before accounts had keys of their own.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_by_ring(
        ring: &Ring,
        app_id: AppID,
        account_id: AccountID,
        sealed: &[u8],
    ) -> Result<Self, Tampered> {
        let owner: [&[u8]; 2] = [app_id.as_bytes(), account_id.as_bytes()];
        Self::from_sealed(&ring.open_field(Sealed { label: "email", owner: &owner }, sealed)?)
    }

    fn from_sealed(plain: &[u8]) -> Result<Self, Tampered> {
        std::str::from_utf8(plain).ok().and_then(|text| text.parse().ok()).ok_or(Tampered)
    }
}

impl FromStr for Email {
    type Err = NotAnEmail;

    fn from_str(text: &str) -> Result<Self, NotAnEmail> {
        let typed = text.trim();
        let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
        // `localhost` is what people type when they try the product at home.
        let parsed = EmailAddress::parse_with_options(typed, options)
            .or_else(|_| EmailAddress::parse_with_options(typed, options.with_no_minimum_sub_domains()))
            .map_err(|_| NotAnEmail)?;
        if typed.len() > MAX_BYTES || typed.contains('"') {
            return Err(NotAnEmail);
        }
        Ok(Self { typed: parsed.to_string(), normalized: typed.to_lowercase() })
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(hidden)")
    }
}

/// The text cannot be an email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an email address")]
pub struct NotAnEmail;

#[cfg(test)]
mod tests {
    use super::{super::Keyring, DataKey, Email};
    use passkey_accounts::protocol::{AccountID, AppID};

    #[test]
    fn case_and_outer_space_do_not_make_another_address() {
        let keyring = Keyring::of(&[7; 32]);
        let app_id = AppID::from_bytes([1; 16]);
        let index = |text: &str| keyring.derive_email_index(app_id, &text.parse().unwrap());
        assert_eq!(index("Ada@Example.org"), index(" ada@example.ORG "));
        assert_ne!(index("ada@example.org"), index("ada@example.com"));
    }

    #[test]
    fn what_cannot_be_delivered_to_is_refused() {
        let long = format!("{}@example.org", "a".repeat(300));
        for text in [
            "",
            "ada",
            "ada@",
            "@example.org",
            "a b@example.org",
            "Ada <ada@example.org>",
            "a@b\r\nc.org",
            &long,
        ] {
            assert!(text.parse::<Email>().is_err(), "{text:?}");
        }
        assert!("ada+tag@sub.example.org".parse::<Email>().is_ok());
    }

    #[test]
    fn an_address_survives_sealing_and_hides_in_logs() {
        let key = DataKey::new(&[7; 32]);
        let (app_id, account_id) = (AppID::from_bytes([1; 16]), AccountID::from_bytes([2; 16]));
        let email: Email = "Ada@example.org".parse().unwrap();
        let sealed = email.seal(&key, app_id, account_id);
        assert_eq!(Email::open(&key, app_id, account_id, &sealed).unwrap(), email);
        assert!(Email::open(&key, app_id, AccountID::from_bytes([3; 16]), &sealed).is_err());
        assert_eq!(format!("{email:?}"), "Email(hidden)");
    }
}
