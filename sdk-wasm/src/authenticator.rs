//! `navigator.credentials`: the passkey prompt, with the options and answers of WebAuthn in their JSON form.

use js_sys::{JSON, Object, Promise, Reflect};
use passkey_accounts::{
    ceremony::BoundOptions,
    protocol::{
        Code,
        gateway::{CeremonyKind, RawJson},
    },
};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use web_sys::AbortSignal;

// web-sys has the first three behind an unstable flag.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = PublicKeyCredential, js_name = parseCreationOptionsFromJSON)]
    fn parse_creation_options(options: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_namespace = PublicKeyCredential, js_name = parseRequestOptionsFromJSON)]
    fn parse_request_options(options: &JsValue) -> Result<JsValue, JsValue>;
    type Credential;
    #[wasm_bindgen(method, catch, js_name = toJSON)]
    fn to_json(this: &Credential) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_namespace = ["navigator", "credentials"])]
    fn create(options: &Object) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_namespace = ["navigator", "credentials"])]
    fn get(options: &Object) -> Result<Promise, JsValue>;
}

/// Shows the prompt. `options` were checked by the machine; there is no way to call this with others.
///
/// # Errors
/// What the browser threw.
pub(crate) async fn prompt(options: &BoundOptions, signal: &AbortSignal) -> Result<RawJson, JsValue> {
    let json = JSON::parse(&options.public_key().0)?;
    let argument = Object::new();
    Reflect::set(&argument, &"signal".into(), signal)?;
    let prompt = match options.kind() {
        CeremonyKind::SignUp | CeremonyKind::AddPasskey => {
            Reflect::set(&argument, &"publicKey".into(), &parse_creation_options(&json)?)?;
            create(&argument)?
        }
        CeremonyKind::SignIn | CeremonyKind::Confirm | CeremonyKind::RemovePasskey => {
            Reflect::set(&argument, &"publicKey".into(), &parse_request_options(&json)?)?;
            get(&argument)?
        }
    };
    let credential: Credential = JsFuture::from(prompt).await?.unchecked_into();
    let text = JSON::stringify(&credential.to_json()?)?;
    Ok(RawJson(text.into()))
}

/// The code for what `prompt` threw.
pub(crate) fn code_of(thrown: &JsValue, kind: CeremonyKind) -> Code {
    let name =
        Reflect::get(thrown, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default();
    match (name.as_str(), kind) {
        ("InvalidStateError", CeremonyKind::SignUp) => Code::PasskeyExists,
        // A missing function or object is a TypeError: an old browser, or a page without TLS.
        ("SecurityError" | "NotSupportedError" | "ConstraintError" | "TypeError", _) => Code::NotSupported,
        // Browsers say NotAllowedError for "no", "too late" and "no such passkey" alike, on purpose.
        _ => Code::Cancelled,
    }
}
