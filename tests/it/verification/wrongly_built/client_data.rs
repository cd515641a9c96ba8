//! Wrong client data, the same for both ceremonies.

use passkey_accounts::evidence::{Part::ClientData, Step};

use super::{
    Case,
    Verdict::{Fails, Unreadable},
    case, client_data, client_text,
};

/// Wrong client data, the same for both ceremonies.
pub(crate) fn client_data_cases(kind: &'static str, other_kind: &'static str) -> Vec<Case> {
    let origin = "https://shop.example\"";
    vec![
        case("type of the other ceremony", Fails(Step::Type), client_text(kind, other_kind)),
        case("type in capitals", Fails(Step::Type), client_text(kind, "WebAuthn.Create")),
        case("type of a payment", Fails(Step::Type), client_text(kind, "payment.get")),
        case("type empty", Fails(Step::Type), client_text(kind, "")),
        case("type with a space", Fails(Step::Type), client_text("\",\"challenge", " \",\"challenge")),
        case("type missing", Unreadable(ClientData), client_text("\"type\"", "\"Type\"")),
        case("type a number", Unreadable(ClientData), client_text("\"type\":", "\"type\":1,\"x\":")),
        case("challenge of another ceremony", Fails(Step::Challenge), client_text("-_v7-_v7", "-_v7-_v8")),
        case("challenge with padding", Fails(Step::Challenge), client_text("-_s\"", "-_s=\"")),
        case("challenge with other trailing bits", Fails(Step::Challenge), client_text("-_s\"", "-_t\"")),
        case("challenge in plain base64", Fails(Step::Challenge), client_text("-_v7", "+/v7")),
        case("challenge cut short", Fails(Step::Challenge), client_text("-_v7-_v7", "-_v7")),
        case("challenge longer", Fails(Step::Challenge), client_text("-_v7", "-_v7-_v7")),
        case("challenge with a line end", Fails(Step::Challenge), client_text("-_s\"", "-_s\\n\"")),
        case("challenge missing", Unreadable(ClientData), client_text("\"challenge\"", "\"chal\"")),
        case(
            "challenge null",
            Unreadable(ClientData),
            client_data(|json| {
                let text = String::from_utf8(json.clone()).unwrap();
                let start = text.find("\"challenge\":").unwrap() + 12;
                *json = format!("{}null{}", &text[..start], &text[start + 45..]).into_bytes();
            }),
        ),
        case("origin of another site", Fails(Step::Origin), client_text(origin, "https://evil.example\"")),
        case("origin with a slash", Fails(Step::Origin), client_text(origin, "https://shop.example/\"")),
        case("origin with its port", Fails(Step::Origin), client_text(origin, "https://shop.example:443\"")),
        case(
            "origin with another port",
            Fails(Step::Origin),
            client_text(origin, "https://shop.example:8443\""),
        ),
        case("origin without TLS", Fails(Step::Origin), client_text(origin, "http://shop.example\"")),
        case("origin of a subdomain", Fails(Step::Origin), client_text(origin, "https://a.shop.example\"")),
        case("origin of a parent", Fails(Step::Origin), client_text(origin, "https://example\"")),
        case(
            "origin with a suffix",
            Fails(Step::Origin),
            client_text(origin, "https://shop.example.evil.com\""),
        ),
        case("origin in capitals", Fails(Step::Origin), client_text(origin, "https://SHOP.example\"")),
        case("origin with a root dot", Fails(Step::Origin), client_text(origin, "https://shop.example.\"")),
        case("origin with a user", Fails(Step::Origin), client_text(origin, "https://you@shop.example\"")),
        case(
            "origin with a homograph",
            Fails(Step::Origin),
            client_text(origin, "https://sh\u{43e}p.example\""),
        ),
        case("origin with NUL", Fails(Step::Origin), client_text(origin, "https://shop.example\\u0000\"")),
        case("origin null", Fails(Step::Origin), client_text(origin, "null\"")),
        case("origin of an app", Fails(Step::Origin), client_text(origin, "android:apk-key-hash:AAAA\"")),
        case("origin missing", Unreadable(ClientData), client_text("\"origin\"", "\"Origin\"")),
        case(
            "origin a list",
            Unreadable(ClientData),
            client_text("\"https://shop.example\"", "[\"https://shop.example\"]"),
        ),
        case("crossOrigin true", Fails(Step::CrossOrigin), client_text("false", "true")),
        case("crossOrigin a text", Unreadable(ClientData), client_text("false", "\"false\"")),
        case("crossOrigin null", Unreadable(ClientData), client_text("false", "null")),
        case("crossOrigin a number", Unreadable(ClientData), client_text("false", "0")),
        case(
            "topOrigin of another site",
            Fails(Step::TopOrigin),
            client_text("false", "false,\"topOrigin\":\"https://evil.example\""),
        ),
        case(
            "topOrigin of this site",
            Fails(Step::TopOrigin),
            client_text("false", "false,\"topOrigin\":\"https://shop.example\""),
        ),
        case("topOrigin null", Unreadable(ClientData), client_text("false", "false,\"topOrigin\":null")),
        case(
            "tokenBinding a text",
            Unreadable(ClientData),
            client_text("false", "false,\"tokenBinding\":\"unused\""),
        ),
        case(
            "tokenBinding without its status",
            Unreadable(ClientData),
            client_text("false", "false,\"tokenBinding\":{\"id\":\"AA\"}"),
        ),
        case(
            "tokenBinding with a number for its status",
            Unreadable(ClientData),
            client_text("false", "false,\"tokenBinding\":{\"status\":1}"),
        ),
        case("type twice", Unreadable(ClientData), client_text("{", "{\"type\":\"webauthn.get\",")),
        case("challenge twice", Unreadable(ClientData), client_text("{", "{\"challenge\":\"AAAA\",")),
        case(
            "origin twice",
            Unreadable(ClientData),
            client_text("false", "false,\"origin\":\"https://evil.example\""),
        ),
        case("crossOrigin twice", Unreadable(ClientData), client_text("false", "false,\"crossOrigin\":true")),
        case(
            "origin twice, once escaped",
            Unreadable(ClientData),
            client_text("{", "{\"ori\\u0067in\":\"https://evil.example\","),
        ),
        case(
            "an unknown member twice",
            Unreadable(ClientData),
            client_text("false", "false,\"a\":1,\"a\":2"),
        ),
        case(
            "an inner member twice",
            Unreadable(ClientData),
            client_text("false", "false,\"a\":{\"b\":1,\"b\":2}"),
        ),
        case("a byte order mark", Unreadable(ClientData), client_text("{", "\u{feff}{")),
        case("a comma too many", Unreadable(ClientData), client_text("false", "false,")),
        case("a comment", Unreadable(ClientData), client_text("false", "false/**/")),
        case("single quotes", Unreadable(ClientData), client_text("\"crossOrigin\"", "'crossOrigin'")),
        case(
            "a raw control character",
            Unreadable(ClientData),
            client_text("false", "false,\"a\":\"\u{1}\""),
        ),
        case("a lone surrogate", Unreadable(ClientData), client_text("false", "false,\"a\":\"\\ud800\"")),
        case(
            "text after the object",
            Unreadable(ClientData),
            client_data(|json| json.extend_from_slice(b"{}")),
        ),
        case("NUL after the object", Unreadable(ClientData), client_data(|json| json.push(0))),
        case(
            "bytes that are not UTF-8",
            Unreadable(ClientData),
            client_data(|json| {
                json.pop();
                json.extend_from_slice(b",\"a\":\"\xff\"}");
            }),
        ),
        case(
            "UTF-16",
            Unreadable(ClientData),
            client_data(|json| *json = json.iter().flat_map(|byte| [*byte, 0]).collect()),
        ),
        case(
            "an array",
            Unreadable(ClientData),
            client_data(|json| *json = [b"[", &json[..], b"]"].concat()),
        ),
        case("a text", Unreadable(ClientData), client_data(|json| *json = b"\"webauthn.create\"".to_vec())),
        case("no client data", Unreadable(ClientData), client_data(Vec::clear)),
    ]
}
