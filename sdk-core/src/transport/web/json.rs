//! JSON by the browser's own parser, read with typed getters: a Rust parser would double the module's size.

use js_sys::{Array, JSON, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};

use crate::protocol::{UnixMillis, base64url::Base64Url, base64url::decode, gateway::RawJson};

/// A JSON object of unknown content. Every getter is `None` when the member is missing or of another kind.
pub(super) struct Members(Object);

impl Members {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::of(JSON::parse(text).ok()?)
    }

    fn of(value: JsValue) -> Option<Self> {
        // An array is an object to JavaScript and none to JSON.
        if Array::is_array(&value) { None } else { value.dyn_into().ok().map(Self) }
    }

    fn member(&self, name: &str) -> Option<JsValue> {
        Reflect::get(&self.0, &name.into()).ok()
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.member(name)?.as_string()
    }

    /// A whole number that JavaScript holds exactly.
    pub(super) fn whole(&self, name: &str) -> Option<u64> {
        let number = self.member(name)?.as_f64()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be whole and in range"
        )]
        (number.fract() == 0.0 && (0.0..=9_007_199_254_740_991.0).contains(&number)).then_some(number as u64)
    }

    pub(super) fn object(&self, name: &str) -> Option<Self> {
        Self::of(self.member(name)?)
    }

    pub(super) fn length(&self, name: &str) -> Option<usize> {
        let array: Array = self.member(name)?.dyn_into().ok()?;
        usize::try_from(array.length()).ok()
    }

    pub(super) fn bytes(&self, name: &str) -> Option<Base64Url> {
        decode(self.text(name)?).ok().map(Base64Url)
    }

    pub(super) fn id<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// An RFC 3339 time.
    pub(super) fn time(&self, name: &str) -> Option<UnixMillis> {
        let millis = js_sys::Date::parse(&self.text(name)?);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not a number is no time"
        )]
        (millis >= 0.0).then_some(UnixMillis(millis as u64))
    }

    pub(super) fn raw(&self, name: &str) -> Option<RawJson> {
        let text = JSON::stringify(&self.object(name)?.0).ok()?;
        text.as_string().map(RawJson)
    }
}

/// An object with these members.
pub(super) fn object(members: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in members {
        // A plain object takes every member.
        let _ = Reflect::set(&object, &(*name).into(), value);
    }
    object.into()
}

pub(super) fn parse(raw: &RawJson) -> JsValue {
    JSON::parse(&raw.0).unwrap_or(JsValue::NULL)
}

pub(super) fn write(value: &JsValue) -> String {
    JSON::stringify(value).ok().and_then(|text| text.as_string()).unwrap_or_default()
}
