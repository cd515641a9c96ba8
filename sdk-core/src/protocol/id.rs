//! Identifiers: a prefix that says what they name, then 128 bits in lower-case base32 (RFC 4648 section 7 alphabet).

use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

use super::UnixMillis;

/// The text is not an identifier of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an identifier that starts with {prefix}")]
pub struct NotAnID {
    /// What the identifier must start with, for example `app_`.
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// What every identifier of this kind starts with.
            pub const PREFIX: &'static str = $prefix;

            /// The identifier with these 128 bits.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 128 bits behind the prefix.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// The text of the identifier, as `Display` writes it but without Rust's formatting, which a browser would
            /// have to download.
            pub fn text(&self) -> String {
                let mut text = Vec::with_capacity($prefix.len() + DIGITS);
                self.write_to(&mut text);
                String::from_utf8(text).expect("the alphabet is ASCII")
            }

            /// Appends the text of the identifier: ASCII.
            pub fn write_to(&self, text: &mut Vec<u8>) {
                text.extend_from_slice($prefix.as_bytes());
                text.extend_from_slice(&digits(self.0));
            }

            /// An identifier that sorts by time: 48 bits of milliseconds, then 80 of the random bits.
            pub fn time_ordered(now: UnixMillis, random: [u8; 16]) -> Self {
                Self(time_ordered(now, random))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(core::str::from_utf8(&digits(self.0)).expect("the alphabet is ASCII"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotAnID;

            fn from_str(text: &str) -> Result<Self, NotAnID> {
                text.strip_prefix($prefix).and_then(decode).map(Self).ok_or(NotAnID { prefix: $prefix })
            }
        }

        #[cfg(feature = "json")]
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.text())
            }
        }

        #[cfg(feature = "json")]
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                super::text::from_text(from, str::parse)
            }
        }
    )*};
}

ids! {
    /// Names an app: one customer site, `app_` and 26 characters.
    AppID "app_"
    /// Names an account within its app, `acct_` and 26 characters. The same person has unrelated ids in two apps.
    AccountID "acct_"
    /// Names a passkey, `pk_` and 26 characters. Not the WebAuthn credential id.
    PasskeyID "pk_"
    /// Names a session, `ses_` and 26 characters. It is a name, not a secret: holding it opens nothing.
    SessionID "ses_"
    /// Names one socket, `con_` and 26 characters.
    ConnectionID "con_"
    /// Names one WebAuthn exchange, `cer_` and 26 characters.
    CeremonyID "cer_"
}

fn time_ordered(now: UnixMillis, random: [u8; 16]) -> [u8; 16] {
    let mut bytes = random;
    let millis = now.0.to_be_bytes();
    for (byte, milli) in bytes.iter_mut().zip(millis.iter().skip(2)) {
        *byte = *milli;
    }
    bytes
}

/// How many base32 digits 128 bits take: 25 of five bits, and one of three bits and two zeros.
const DIGITS: usize = 26;

/// Eight digits are five bytes, and fit a 64-bit number: 128-bit arithmetic would be 700 bytes more of a module that browsers
/// download.
const GROUP_DIGITS: usize = 8;
const GROUP_BYTES: usize = 5;

// The alphabet of RFC 4648 section 7: the digits of radix 32.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

fn digits(bytes: [u8; 16]) -> [u8; DIGITS] {
    let mut text = [b'0'; DIGITS];
    for (bytes, digits) in bytes.chunks(GROUP_BYTES).zip(text.chunks_mut(GROUP_DIGITS)) {
        let mut group = [0; 8];
        for (place, byte) in group.iter_mut().zip(bytes) {
            *place = *byte;
        }
        let mut bits = u64::from_be_bytes(group);
        for digit in digits {
            bits = bits.rotate_left(5);
            if let Some(letter) = ALPHABET.get((bits & 31) as usize) {
                *digit = *letter;
            }
        }
    }
    text
}

fn decode(text: &str) -> Option<[u8; 16]> {
    // An identifier has one spelling: no digit too many or too few, no capitals, zeros at the end.
    let text: &[u8; DIGITS] = text.as_bytes().try_into().ok()?;
    let mut bytes = [0; 16];
    for (digits, bytes) in text.chunks(GROUP_DIGITS).zip(bytes.chunks_mut(GROUP_BYTES)) {
        let mut bits = 0_u64;
        for digit in digits {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'v' => digit - b'a' + 10,
                _ => return None,
            };
            bits = (bits << 5) | u64::from(value);
        }
        // To the left end: the bytes are taken from there, and nothing may be left.
        bits <<= 64 - 5 * digits.len();
        bytes.copy_from_slice(bits.to_be_bytes().get(..bytes.len())?);
        if bits << (8 * bytes.len()) != 0 {
            return None;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{AppID, SessionID, UnixMillis};

    proptest! {
        #[test]
        fn an_id_is_read_as_a_library_reads_it(
            bytes in any::<[u8; 16]>(),
            place in 0..26_usize,
            other in "[ -~]?",
        ) {
            let mut digits = data_encoding::BASE32_DNSSEC.encode(&bytes);
            prop_assert_eq!(format!("app_{digits}").parse(), Ok(AppID::from_bytes(bytes)));
            prop_assert_eq!(AppID::from_bytes(bytes).text(), format!("app_{digits}"));
            digits.replace_range(place..=place, &other);
            // Capitals are another spelling there, and none here.
            let read = data_encoding::BASE32_DNSSEC.decode(digits.as_bytes()).ok();
            let read = read.filter(|_| !digits.bytes().any(|digit| digit.is_ascii_uppercase()));
            let read = read.and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()).map(AppID::from_bytes);
            prop_assert_eq!(format!("app_{digits}").parse().ok(), read);
        }
    }

    #[test]
    fn an_id_reads_back_from_its_only_spelling() {
        let id = AppID::from_bytes(*b"0123456789abcdef");
        let text = id.to_string();
        assert_eq!(text.len(), "app_".len() + 26);
        assert_eq!(text.parse(), Ok(id));
        assert!(text.to_uppercase().parse::<AppID>().is_err());
        assert!(text.replace("app_", "app_A").parse::<AppID>().is_err());
        assert!(text.replace("app_", "ses_").parse::<AppID>().is_err());
        assert!(format!("{text}0").parse::<AppID>().is_err());
        assert!("app_".parse::<AppID>().is_err());
        let zeros = format!("app_{}", "0".repeat(26));
        assert_eq!(zeros.parse(), Ok(AppID::from_bytes([0; 16])));
        for bits_beyond_128 in ["1", "2", "3"] {
            assert!(format!("app_{}{bits_beyond_128}", "0".repeat(25)).parse::<AppID>().is_err());
        }
    }

    #[test]
    fn an_id_is_written_as_base32hex() {
        for bytes in [[0xff; 16], *b"0123456789abcdef", [0; 16], [0xa5; 16]] {
            let text = data_encoding::BASE32_DNSSEC.encode(&bytes);
            assert_eq!(AppID::from_bytes(bytes).to_string(), format!("app_{text}"));
        }
    }

    #[test]
    fn time_ordered_ids_sort_by_time() {
        let earlier = SessionID::time_ordered(UnixMillis(1_000_000), [0xff; 16]);
        let later = SessionID::time_ordered(UnixMillis(1_000_001), [0; 16]);
        assert!(earlier < later);
        assert!(earlier.to_string() < later.to_string());
    }
}
