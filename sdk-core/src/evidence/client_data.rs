//! `clientDataJSON`: what the browser says about the page that asked (section 5.8.1).

use std::borrow::Cow;

use serde::de::{Error, MapAccess};

use super::{Malformed, Part, Step};
use crate::{
    defended,
    protocol::{
        base64url,
        object::{Members, Object, Text},
    },
};

/// `C.type` of a registration.
pub const CREATE: &str = "webauthn.create";

/// `C.type` of a sign-in.
pub const GET: &str = "webauthn.get";

/// The members of the client data that are checked. Others are allowed, as the specification demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientData<'a> {
    kind: Cow<'a, str>,
    challenge: Cow<'a, str>,
    origin: Cow<'a, str>,
    is_cross_origin: bool,
    has_top_origin: bool,
}

impl<'a> ClientData<'a> {
    /// Reads client data. A byte order mark, bytes that are not UTF-8 and names that come twice are refused.
    ///
    /// # Errors
    /// [`Malformed`]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let malformed = |reason| Part::ClientData.malformed(reason);
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8"))?;
        let Object(found) = serde_json::from_str::<Object<Found<'a>>>(text)
            .map_err(|_| malformed("not an object, or a member is of another type or comes twice"))?;
        Ok(Self {
            kind: found.kind.ok_or(malformed("no type"))?,
            challenge: found.challenge.ok_or(malformed("no challenge"))?,
            origin: found.origin.ok_or(malformed("no origin"))?,
            is_cross_origin: found.is_cross_origin,
            has_top_origin: found.has_top_origin,
        })
    }

    /// The steps of sections 7.1 and 7.2 on the client data: `kind` is [`CREATE`] or [`GET`].
    ///
    /// # Errors
    /// The step that fails.
    pub fn check(&self, kind: &str, challenge: &[u8], origin: &str) -> Result<(), Step> {
        self.check_type(kind)?;
        self.check_challenge(challenge)?;
        self.check_origin(origin)?;
        self.check_cross_origin()?;
        self.check_top_origin()
    }

    /// "Verify that the value of C.type is ..."
    fn check_type(&self, kind: &str) -> Result<(), Step> {
        require(self.kind == kind, Step::Type)
    }

    /// "Verify that the value of C.challenge equals the base64url encoding of options.challenge."
    fn check_challenge(&self, challenge: &[u8]) -> Result<(), Step> {
        // The reading is strict, so the text has the one encoding that is equal.
        let is_equal = base64url::decode(&*self.challenge).is_ok_and(|received| received == challenge);
        require(is_equal, Step::Challenge)
    }

    /// "Verify that the value of C.origin is an origin expected by the Relying Party." The very same characters: no
    /// normal form, no subdomains, no ports left out.
    fn check_origin(&self, origin: &str) -> Result<(), Step> {
        require(self.origin == origin || !defended!(SignedOrigin), Step::Origin)
    }

    /// "If C.crossOrigin is present and set to true ..." Nobody here expects to be framed by another site.
    fn check_cross_origin(&self) -> Result<(), Step> {
        require(!self.is_cross_origin, Step::CrossOrigin)
    }

    /// "If C.topOrigin is present ..." Nobody here expects to be framed by another site.
    fn check_top_origin(&self) -> Result<(), Step> {
        require(!self.has_top_origin, Step::TopOrigin)
    }
}

fn require(holds: bool, step: Step) -> Result<(), Step> {
    if holds { Ok(()) } else { Err(step) }
}

#[derive(Default)]
struct Found<'a> {
    kind: Option<Cow<'a, str>>,
    challenge: Option<Cow<'a, str>>,
    origin: Option<Cow<'a, str>>,
    is_cross_origin: bool,
    has_top_origin: bool,
}

impl<'de> Members<'de> for Found<'de> {
    const NAME: &'static str = "CollectedClientData";

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: &mut A) -> Result<bool, A::Error> {
        let text = |value: &mut A| value.next_value::<Text<'de>>().map(|Text(text)| Some(text));
        match name {
            "type" => self.kind = text(value)?,
            "challenge" => self.challenge = text(value)?,
            "origin" => self.origin = text(value)?,
            "crossOrigin" => self.is_cross_origin = value.next_value()?,
            "topOrigin" => {
                text(value)?;
                self.has_top_origin = true;
            }
            // Level 2 has it and Level 3 reserves it: nothing follows from what it says, but it is of its form.
            "tokenBinding" => {
                let Object(TokenBinding { status }) = value.next_value()?;
                status.ok_or_else(|| Error::missing_field("status"))?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct TokenBinding<'a> {
    status: Option<Cow<'a, str>>,
}

impl<'de> Members<'de> for TokenBinding<'de> {
    const NAME: &'static str = "TokenBinding";

    fn read<A: MapAccess<'de>>(&mut self, name: &str, value: &mut A) -> Result<bool, A::Error> {
        match name {
            "status" => self.status = Some(value.next_value::<Text<'de>>()?.0),
            "id" => drop(value.next_value::<Text<'de>>()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientData, GET, Step};

    const CHALLENGE: [u8; 32] = [0xfb; 32];
    const ORIGIN: &str = "https://shop.example";

    fn verdict(json: &str) -> Option<Result<(), Step>> {
        ClientData::parse(json.as_bytes()).ok().map(|data| data.check(GET, &CHALLENGE, ORIGIN))
    }

    fn json_with(kind: &str, challenge: &str, origin: &str, rest: &str) -> String {
        format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}"{rest}}}"#)
    }

    const TEXT: &str = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s";

    #[test]
    fn what_browsers_write_is_accepted() {
        for rest in [
            "",
            r#","crossOrigin":false"#,
            r#","crossOrigin":false,"new":[1,{"a":null}]"#,
            r#","":0"#,
            r#","tokenBinding":{"status":"supported"}"#,
        ] {
            assert_eq!(verdict(&json_with(GET, TEXT, ORIGIN, rest)), Some(Ok(())), "{rest}");
        }
        let escaped = json_with(GET, TEXT, r"https:\/\/shop\u002eexample", "");
        assert_eq!(verdict(&escaped), Some(Ok(())), "escapes are JSON, too");
    }

    #[test]
    fn another_value_fails_its_own_step() {
        for (kind, challenge, origin, rest, step) in [
            ("webauthn.create", TEXT, ORIGIN, "", Step::Type),
            ("webauthn.GET", TEXT, ORIGIN, "", Step::Type),
            (GET, &TEXT[1..], ORIGIN, "", Step::Challenge),
            (GET, "", ORIGIN, "", Step::Challenge),
            (GET, "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_t", ORIGIN, "", Step::Challenge),
            (GET, "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=", ORIGIN, "", Step::Challenge),
            (GET, "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s", ORIGIN, "", Step::Challenge),
            (GET, TEXT, "https://shop.example/", "", Step::Origin),
            (GET, TEXT, "https://shop.example:443", "", Step::Origin),
            (GET, TEXT, "https://SHOP.example", "", Step::Origin),
            (GET, TEXT, "https://shop.example.", "", Step::Origin),
            (GET, TEXT, "https://www.shop.example", "", Step::Origin),
            (GET, TEXT, "http://shop.example", "", Step::Origin),
            (GET, TEXT, "null", "", Step::Origin),
            (GET, TEXT, ORIGIN, r#","crossOrigin":true"#, Step::CrossOrigin),
            (
                GET,
                TEXT,
                ORIGIN,
                r#","crossOrigin":false,"topOrigin":"https://shop.example""#,
                Step::TopOrigin,
            ),
            (GET, TEXT, ORIGIN, r#","topOrigin":"""#, Step::TopOrigin),
        ] {
            let json = json_with(kind, challenge, origin, rest);
            assert_eq!(verdict(&json), Some(Err(step)), "{json}");
        }
    }

    #[test]
    fn what_no_browser_writes_is_malformed() {
        for json in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"type":"webauthn.get","challenge":"x"}"#,
            r#"{"type":"webauthn.get","origin":"x"}"#,
            r#"{"challenge":"x","origin":"x"}"#,
            &json_with(GET, TEXT, ORIGIN, r#","origin":"https://shop.example""#),
            &json_with(GET, TEXT, ORIGIN, r#","typ\u0065":"webauthn.get""#),
            &json_with(GET, TEXT, ORIGIN, r#","new":1,"new":1"#),
            &json_with(GET, TEXT, ORIGIN, r#","new":{"a":1,"a":1}"#),
            &json_with(GET, TEXT, ORIGIN, r#","crossOrigin":"false""#),
            &json_with(GET, TEXT, ORIGIN, r#","crossOrigin":null"#),
            &json_with(GET, TEXT, ORIGIN, r#","crossOrigin":0"#),
            &json_with(GET, TEXT, ORIGIN, r#","topOrigin":null"#),
            &json_with(GET, TEXT, ORIGIN, r#","tokenBinding":"unused""#),
            &json_with(GET, TEXT, ORIGIN, r#","tokenBinding":{"id":"AA"}"#),
            &json_with(GET, TEXT, ORIGIN, ","),
            &(json_with(GET, TEXT, ORIGIN, "") + "x"),
            &(json_with(GET, TEXT, ORIGIN, "") + "\0"),
            &("\u{feff}".to_owned() + &json_with(GET, TEXT, ORIGIN, "")),
        ] {
            assert_eq!(verdict(json), None, "{json}");
        }
        let not_utf8 = json_with(GET, TEXT, ORIGIN, r#","new":"?""#).replace('?', "\u{1}").into_bytes();
        assert!(ClientData::parse(&not_utf8).is_err(), "a control character");
        let not_utf8: Vec<u8> =
            not_utf8.into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
        assert!(ClientData::parse(&not_utf8).is_err(), "a byte that is not UTF-8");
    }
}
