//! The session key: made by WebCrypto, held in memory only, and impossible to export.

use js_sys::{JsString, Object, Promise, Reflect};
use passkey_accounts::protocol::{
    base64url::{Base64Url, decode_array},
    gateway::SessionKey,
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = generateKey)]
    fn generate_key(
        algorithm: &Object,
        extractable: bool,
        usages: &js_sys::Array,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_namespace = ["crypto", "subtle"], js_name = exportKey)]
    fn export_key(format: &str, key: &JsValue) -> Result<Promise, JsValue>;
}

/// A fresh key pair.
pub(crate) struct KeyPair {
    /// The `CryptoKeyPair`. JavaScript outside this module never sees it.
    pub(crate) pair: JsValue,
    /// Its public half, as it travels.
    pub(crate) public: SessionKey,
}

impl KeyPair {
    /// Makes a key pair.
    ///
    /// # Errors
    /// What the browser threw: pages without TLS have no WebCrypto.
    pub(crate) async fn generate() -> Result<Self, JsValue> {
        let algorithm = Object::new();
        Reflect::set(&algorithm, &"name".into(), &"ECDSA".into())?;
        Reflect::set(&algorithm, &"namedCurve".into(), &"P-256".into())?;
        // Not extractable: neither this module nor a script that got into the page can read the private half.
        let usages = js_sys::Array::of2(&"sign".into(), &"verify".into());
        let pair = JsFuture::from(generate_key(&algorithm, false, &usages)?).await?;
        let public_half = Reflect::get(&pair, &"publicKey".into())?;
        let jwk = JsFuture::from(export_key("jwk", &public_half)?).await?;
        let coordinate = |name: &str| {
            let text = Reflect::get(&jwk, &name.into())?.as_string().unwrap_or_default();
            let bytes =
                decode_array::<32>(text).map_err(|_| JsValue::from(JsString::from("unusable JWK")))?;
            Ok::<_, JsValue>(Base64Url(bytes.to_vec()))
        };
        let public = SessionKey {
            kty: "EC".to_owned(),
            crv: "P-256".to_owned(),
            x: coordinate("x")?,
            y: coordinate("y")?,
        };
        Ok(Self { pair, public })
    }
}
