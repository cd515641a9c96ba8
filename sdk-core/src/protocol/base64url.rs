//! Unpadded base64url, read strictly: one spelling per value (RFC 4648 section 5, no padding, zero trailing bits).

use alloc::{string::String, vec::Vec};
use core::fmt;

/// Bytes that travel as unpadded base64url.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Base64Url(pub Vec<u8>);

/// Writes bytes as unpadded base64url.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    codec::encode(bytes.as_ref())
}

/// Reads unpadded base64url.
///
/// # Errors
/// [`NotBase64Url`] for padding, characters outside the alphabet, or trailing bits that are not zero.
pub fn decode(text: impl AsRef<[u8]>) -> Result<Vec<u8>, NotBase64Url> {
    codec::decode(text.as_ref()).ok_or(NotBase64Url)
}

/// Reads exactly `N` bytes.
///
/// # Errors
/// [`NotBase64Url`] as for [`decode`], or when the length is another.
pub fn decode_array<const N: usize>(text: impl AsRef<[u8]>) -> Result<[u8; N], NotBase64Url> {
    codec::decode_array(text.as_ref()).ok_or(NotBase64Url)
}

/// The text is not unpadded base64url, or not of the length asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not unpadded base64url of the expected length")]
pub struct NotBase64Url;

impl fmt::Debug for Base64Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64Url({})", encode(&self.0))
    }
}

#[cfg(not(all(feature = "web", target_arch = "wasm32")))]
mod codec {
    use alloc::{string::String, vec::Vec};

    use base64_simd::{AsOut, URL_SAFE_NO_PAD};

    pub(super) fn encode(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode_to_string(bytes)
    }

    pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
        URL_SAFE_NO_PAD.decode_to_vec(text).ok()
    }

    pub(super) fn decode_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        if URL_SAFE_NO_PAD.decoded_length(text).ok()? != N {
            return None;
        }
        URL_SAFE_NO_PAD.decode(text, bytes.as_mut_slice().as_out()).ok()?;
        Some(bytes)
    }
}

// The browser's own: a library is 30 KB of WebAssembly.
#[cfg(all(feature = "web", target_arch = "wasm32"))]
mod codec {
    use alloc::{string::String, vec::Vec};

    use wasm_bindgen::prelude::wasm_bindgen;

    #[wasm_bindgen]
    extern "C" {
        /// Bytes travel as characters below 256. Throws for what is not base64.
        fn atob(base64: &str) -> String;
        fn btoa(bytes: &str) -> String;
    }

    pub(super) fn encode(bytes: &[u8]) -> String {
        let base64 = btoa(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>());
        let digits = base64.bytes().filter(|digit| *digit != b'=').map(|digit| match digit {
            b'+' => '-',
            b'/' => '_',
            digit => char::from(digit),
        });
        digits.collect()
    }

    pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
        let digit = |digit: &u8| match digit {
            b'-' => Some('+'),
            b'_' => Some('/'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => Some(char::from(*digit)),
            _ => None,
        };
        let base64 = text.iter().map(digit).collect::<Option<String>>()?;
        if base64.len() % 4 == 1 {
            return None;
        }
        let bytes: Vec<u8> = atob(&base64).chars().filter_map(|byte| u8::try_from(byte).ok()).collect();
        // The browser does not mind trailing bits; there is one spelling here.
        (encode(&bytes).as_bytes() == text).then_some(bytes)
    }

    pub(super) fn decode_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
        decode(text)?.try_into().ok()
    }
}

#[cfg(feature = "json")]
mod json {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{super::text::from_text, Base64Url, decode, encode};

    impl Serialize for Base64Url {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_str(&encode(&self.0))
        }
    }

    impl<'de> Deserialize<'de> for Base64Url {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from_text(from, |text| decode(text).map(Self))
        }
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;
    use proptest::prelude::*;

    use super::{decode, decode_array, encode};

    #[test]
    fn bytes_have_exactly_one_spelling() {
        assert_eq!(encode([0xfb, 0xff]), "-_8");
        assert_eq!(decode("-_8"), Ok(vec![0xfb, 0xff]));
        for other_spelling in ["-_8=", "-_9", "+/8", "-_8\n", "-_8 ", "-"] {
            assert!(decode(other_spelling).is_err(), "{other_spelling:?}");
        }
    }

    #[test]
    fn an_array_takes_its_own_length_only() {
        assert_eq!(decode_array::<2>("-_8"), Ok([0xfb, 0xff]));
        assert!(decode_array::<1>("-_8").is_err());
        assert!(decode_array::<3>("-_8").is_err());
        assert!(decode_array::<2>("-_9").is_err());
    }

    proptest! {
        /// Two libraries agree on which texts there are, and on what each says. Of every length up to some blocks of the
        /// processor's, and with one character that does not belong there.
        #[test]
        fn what_is_read_fast_is_what_is_read_slowly(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            place in any::<prop::sample::Index>(),
            other in any::<u8>(),
        ) {
            let text = encode(&bytes);
            prop_assert_eq!(&text, &BASE64URL_NOPAD.encode(&bytes));
            prop_assert_eq!(decode(&text), Ok(bytes));
            let mut text = text.into_bytes();
            if !text.is_empty() {
                let place = place.index(text.len());
                text[place] = other;
            }
            prop_assert_eq!(decode(&text).ok(), BASE64URL_NOPAD.decode(&text).ok());
            let array = BASE64URL_NOPAD.decode(&text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            prop_assert_eq!(decode_array::<32>(&text).ok(), array);
        }

        #[test]
        fn any_text_is_read_alike(text in "[-_A-Za-z0-9+/= \n]{0,80}") {
            prop_assert_eq!(decode(&text).ok(), BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        }
    }
}
