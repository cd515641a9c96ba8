//! JSON values as the browser has parsed them, read with typed getters: a Rust parser would double the module's size.

use alloc::string::String;
use core::str::FromStr;

use passkey_accounts::protocol::{
    UnixMillis,
    base64url::{Base64Url, decode},
    gateway::RawJson,
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Reflect, js_name = get)]
    fn member(object: &JsValue, name: &str) -> JsValue;
    #[wasm_bindgen(js_namespace = Array, js_name = isArray)]
    fn is_array(value: &JsValue) -> bool;
    #[wasm_bindgen(js_namespace = JSON)]
    fn stringify(value: &JsValue) -> String;
    #[wasm_bindgen(js_namespace = Date, js_name = parse)]
    fn parse_date(text: &str) -> f64;
}

/// A JSON object of unknown content. Every getter is `None` when the member is missing or of another kind.
pub(crate) struct Members(JsValue);

impl Members {
    /// `value` is what `JSON.parse` returned.
    pub(crate) fn of(value: JsValue) -> Option<Self> {
        // An array is an object to JavaScript and none to JSON.
        (value.is_object() && !is_array(&value)).then_some(Self(value))
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        member(&self.0, name).as_string()
    }

    /// A whole number that JavaScript holds exactly.
    pub(crate) fn whole(&self, name: &str) -> Option<u64> {
        whole(member(&self.0, name).as_f64()?)
    }

    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        Self::of(member(&self.0, name))
    }

    /// The length of an array.
    pub(crate) fn length(&self, name: &str) -> Option<usize> {
        let array = member(&self.0, name);
        let length = is_array(&array).then(|| member(&array, "length").as_f64()).flatten()?;
        usize::try_from(whole(length)?).ok()
    }

    pub(crate) fn bytes(&self, name: &str) -> Option<Base64Url> {
        decode(self.text(name)?).ok().map(Base64Url)
    }

    pub(crate) fn id<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// An RFC 3339 time.
    pub(crate) fn time(&self, name: &str) -> Option<UnixMillis> {
        whole(parse_date(&self.text(name)?)).map(UnixMillis)
    }

    /// The object's JSON text.
    pub(crate) fn raw(&self) -> RawJson {
        RawJson(stringify(&self.0))
    }
}

/// The JSON text of a string.
pub(crate) fn quote(text: &str) -> String {
    stringify(&text.into())
}

/// `None` for what is no whole number from 0 on, or too large for JavaScript to be exact.
pub(crate) fn whole(number: f64) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked by the way back")]
    let whole = number as u64;
    ((0.0..=MAX_SAFE_INTEGER).contains(&number) && float(whole) == number).then_some(whole)
}

const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// Milliseconds and the like, which JavaScript holds exactly.
#[expect(clippy::cast_precision_loss, reason = "times and waits are far below 2^53")]
pub(crate) const fn float(value: u64) -> f64 {
    value as f64
}
