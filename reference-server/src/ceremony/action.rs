//! What a person is asked to confirm: a JSON object in the one form that is signed (RFC 8785).

use passkey_accounts::protocol::{
    gateway::{MAX_ACTION_BYTES, RawJson},
    is_strict_object,
};
use serde_json::{Map, Value};

/// An action in its RFC 8785 form, at most [`MAX_ACTION_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action(String);

/// The text cannot be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an action")]
pub struct NotAnAction;

impl Action {
    /// Brings what a page sent into the form that is signed. Numbers become the IEEE 754 doubles that every browser reads
    /// them as; two spellings of one object become one.
    ///
    /// # Errors
    /// [`NotAnAction`] unless it is a JSON object that is small enough, in which no name comes twice at any depth, and that
    /// Unicode and doubles can hold.
    pub fn parse(json: &RawJson) -> Result<Self, NotAnAction> {
        // What a parser makes of two equal names is its own choice: a person must not confirm one and a back end do the
        // other.
        if !is_strict_object(&json.0) {
            return Err(NotAnAction);
        }
        let object: Map<String, Value> = serde_json::from_str(&json.0).map_err(|_| NotAnAction)?;
        let text = serde_json_canonicalizer::to_string(&object).map_err(|_| NotAnAction)?;
        if text.len() <= MAX_ACTION_BYTES { Ok(Self(text)) } else { Err(NotAnAction) }
    }

    /// The RFC 8785 form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The RFC 8785 form.
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Action, MAX_ACTION_BYTES, RawJson};

    fn canonical(json: &str) -> Option<String> {
        Action::parse(&RawJson(json.to_owned())).ok().map(Action::into_string)
    }

    #[test]
    fn an_action_has_one_form() {
        for (sent, signed) in [
            ("{}", "{}"),
            (r#" { "b" : 2 , "a" : [ 1 , { "d":0, "c":null } ] } "#, r#"{"a":[1,{"c":null,"d":0}],"b":2}"#),
            (r#"{"\u0061":"\u20ac\/\u000a"}"#, r#"{"a":"€/\n"}"#),
            // RFC 8785 section 3.2.2.3: as ECMAScript writes doubles.
            (r#"{"n":[333333333.33333329,1E30,4.50,2e-3]}"#, r#"{"n":[333333333.3333333,1e+30,4.5,0.002]}"#),
            (r#"{"n":[0.000000000000000000000000001,-0,-0.0,1.0]}"#, r#"{"n":[1e-27,0,0,1]}"#),
            (
                r#"{"n":[9007199254740993,18446744073709551616]}"#,
                r#"{"n":[9007199254740992,18446744073709552000]}"#,
            ),
            // Section 3.2.3: sorted by UTF-16 code units, so U+10000 comes before U+FB33.
            (
                "{\"\u{fb33}\":1,\"\u{10000}\":2,\"\u{20ac}\":3,\"\\r\":4}",
                "{\"\\r\":4,\"\u{20ac}\":3,\"\u{10000}\":2,\"\u{fb33}\":1}",
            ),
        ] {
            assert_eq!(canonical(sent).as_deref(), Some(signed), "{sent}");
            assert_eq!(canonical(signed).as_deref(), Some(signed), "it is its own form");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
        for sent in [
            "[]",
            "null",
            r#""pay""#,
            "1",
            "{",
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":[{"a":1,"a":2}]}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":1e400}"#,
            r#"{"a":NaN}"#,
            &deep,
        ] {
            assert_eq!(canonical(sent), None, "{sent}");
        }
    }

    #[test]
    fn the_size_counts_in_the_form_that_is_signed() {
        let fits = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_ACTION_BYTES - 8));
        let spaced = fits.replace(':', &format!("{}:", " ".repeat(1_000)));
        assert_eq!(canonical(&spaced), Some(fits.clone()));
        assert_eq!(canonical(&fits.replacen('x', "xx", 1)), None);
    }
}
