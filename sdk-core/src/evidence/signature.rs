//! The one place where signatures of passkeys are checked: by aws-lc-rs, in JavaScript by its platform.

pub(super) use library::{is_key, is_signed};

#[cfg(feature = "verify")]
mod library {
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey,
    };

    use crate::evidence::public_key::{Key, RSA_EXPONENT};

    /// Whether there is such a key: a point on its curve, a modulus that is one.
    pub(in crate::evidence) fn is_key(key: &Key) -> bool {
        match key {
            Key::Es256(point) => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).is_ok(),
            Key::EdDsa(point) => ParsedPublicKey::new(&ED25519, point).is_ok(),
            Key::Rs256(modulus) => RsaPublicKeyComponents { n: &**modulus, e: &RSA_EXPONENT[..] }
                .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
                .is_ok(),
        }
    }

    /// Whether the key has signed the message.
    pub(in crate::evidence) fn is_signed(key: &Key, message: &[u8], signature: &[u8]) -> bool {
        match key {
            Key::Es256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
            }
            Key::EdDsa(point) => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
            Key::Rs256(modulus) => RsaPublicKeyComponents { n: &**modulus, e: &RSA_EXPONENT[..] }.verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        }
        .is_ok()
    }
}

#[cfg(all(feature = "node", not(feature = "verify"), target_arch = "wasm32"))]
mod library {
    use wasm_bindgen::prelude::wasm_bindgen;

    use crate::{
        evidence::public_key::{Key, RSA_EXPONENT},
        protocol::base64url::encode,
    };

    // Beside the generated glue. Neither of them throws: what it cannot check is not signed.
    #[wasm_bindgen(raw_module = "./signatures.ts")]
    extern "C" {
        /// Takes a public JWK.
        #[wasm_bindgen(js_name = isKey)]
        fn is_platform_key(jwk: &str) -> bool;
        #[wasm_bindgen(js_name = isSigned)]
        fn is_platform_signed(jwk: &str, message: &[u8], signature: &[u8]) -> bool;
    }

    pub(in crate::evidence) fn is_key(key: &Key) -> bool {
        is_platform_key(&jwk(key))
    }

    pub(in crate::evidence) fn is_signed(key: &Key, message: &[u8], signature: &[u8]) -> bool {
        is_platform_signed(&jwk(key), message, signature)
    }

    /// RFC 7517, with the members that the key type needs.
    fn jwk(key: &Key) -> String {
        match key {
            Key::Es256([_, xy @ ..]) => {
                let (x, y) = xy.split_at(xy.len() / 2);
                format!(r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#, encode(x), encode(y))
            }
            Key::EdDsa(point) => format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, encode(point)),
            Key::Rs256(modulus) => {
                format!(r#"{{"kty":"RSA","n":"{}","e":"{}"}}"#, encode(modulus), encode(RSA_EXPONENT))
            }
        }
    }
}

/// Nobody can check: nothing is believed.
#[cfg(not(any(feature = "verify", all(feature = "node", target_arch = "wasm32"))))]
mod library {
    use crate::evidence::public_key::Key;

    pub(in crate::evidence) const fn is_key(_key: &Key) -> bool {
        false
    }

    pub(in crate::evidence) const fn is_signed(_key: &Key, _message: &[u8], _signature: &[u8]) -> bool {
        false
    }
}
