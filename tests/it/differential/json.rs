//! Changes of JSON, and of the base64url inside it.

use fastrand::Rng;
use passkey_accounts::protocol::base64url::{decode, encode};
use serde_json::{Value, json};

/// Changes the client data as a browser would never write them, or as it may.
pub(super) fn change_client_data(bytes: &mut Vec<u8>, rng: &mut Rng) {
    const MEMBERS: [&str; 12] = [
        r#""crossOrigin":true"#,
        r#""topOrigin":"https://evil.example""#,
        r#""topOrigin":"https://shop.example""#,
        r#""future":1"#,
        r#""future":{"a":[null,{"b":"\u0001"}]}"#,
        r#""origin":"https://shop.example""#,
        r#""type":"webauthn.get""#,
        r#""tokenBinding":{"status":"supported"}"#,
        r#""tokenBinding":{"status":"present","id":"AA"}"#,
        r#""tokenBinding":"unused""#,
        r#""androidPackageName":"com.android.chrome""#,
        r#""other_keys_can_be_added_here":"do not compare clientDataJSON against a template""#,
    ];
    let text = String::from_utf8(bytes.clone()).unwrap();
    let near =
        |one: &str, others: &[&str], rng: &mut Rng| text.replacen(one, others[rng.usize(..others.len())], 1);
    let changed = match rng.u8(..8) {
        0 | 1 => {
            let member = MEMBERS[rng.usize(..MEMBERS.len())];
            if rng.bool() {
                text.replacen('{', &format!("{{{member},"), 1)
            } else {
                format!("{},{member}}}", &text[..text.len() - 1])
            }
        }
        2 => near(
            "https://shop.example",
            &[
                "https://shop.example/",
                "https://shop.example:443",
                "https://SHOP.example",
                "https://shop.example.",
                "http://shop.example",
                "https://a.shop.example",
                "https://you@shop.example",
                "https://shop.example#",
                r"https:\/\/shop.example",
                "https://shop.ex\\u0061mple",
                "null",
            ],
            rng,
        ),
        3 => near("webauthn.", &["webauthn", "WebAuthn.", "payment.", r"webauthn\u002e", ""], rng),
        4 => near("-_v7", &["+/v7", "-_v8", "", "-_v7=", "-_v7\\n", r"\u002d_v7"], rng),
        5 => near("-_s\"", &["-_s=\"", "-_t\"", "-_\"", "-_sA\""], rng),
        6 => format!(
            "{}{text}{}",
            ["", " ", "\u{feff}", "\n"][rng.usize(..4)],
            ["", " ", "\0", "}"][rng.usize(..4)]
        ),
        _ => {
            let mut value: Value = serde_json::from_str(&text).unwrap();
            change_member(&mut value, rng);
            value.to_string()
        }
    };
    *bytes = changed.into_bytes();
}

/// Changes the answer's own JSON.
pub(super) fn change_answer(text: &mut String, rng: &mut Rng) {
    let mut value: Value = serde_json::from_str(text).unwrap();
    match rng.u8(..8) {
        0 => *text = serde_json::to_string_pretty(&value).unwrap(),
        1 => {
            // A member twice, the second time with another value or the same.
            let place = ["{", "\"response\":{"][rng.usize(..2)];
            let member = ["id", "type", "clientDataJSON", "signature", "a"][rng.usize(..5)];
            let again =
                format!("{place}\"{member}\":{},\"b\":0,", json!(["AAAA", "public-key"][rng.usize(..2)]));
            *text = text.replacen(place, &again, 1);
        }
        2 => text.push_str(["x", "{}", " ", "\0"][rng.usize(..4)]),
        3 => drop(text.pop()),
        _ => {
            let inner = ["response", "clientExtensionResults", ""][rng.usize(..3)];
            change_member(if inner.is_empty() { &mut value } else { &mut value[inner] }, rng);
            *text = value.to_string();
        }
    }
}

/// Takes out, renames, changes or adds a member.
fn change_member(value: &mut Value, rng: &mut Rng) {
    let Some(object) = value.as_object_mut() else { return };
    let names: Vec<_> = object.keys().cloned().collect();
    let any = [
        json!(null),
        json!(true),
        json!(7),
        json!(""),
        json!("AAAA"),
        json!([]),
        json!({}),
        json!(["usb", 1]),
        json!({ "rk": 1 }),
        json!("platform"),
    ];
    let any = any[rng.usize(..any.len())].clone();
    if names.is_empty() || rng.u8(..4) == 0 {
        let name = ["credProps", "transports", "userHandle", "publicKey", "appid", "attestationObject", "x"];
        object.insert(name[rng.usize(..name.len())].to_owned(), any);
        return;
    }
    let name = &names[rng.usize(..names.len())];
    match rng.u8(..4) {
        0 => drop(object.remove(name)),
        1 => {
            let item = object.remove(name).unwrap();
            object.insert(name.to_uppercase(), item);
        }
        2 => {
            let item = object[name].clone();
            object.insert(name.clone(), json!([item]));
        }
        _ => drop(object.insert(name.clone(), any)),
    }
}

/// Spells some bytes of the answer in another way.
pub(super) fn change_base64(text: &mut String, rng: &mut Rng) {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return };
    let name = ["id", "clientDataJSON", "authenticatorData", "signature", "userHandle", "attestationObject"]
        [rng.usize(..6)];
    let place = if name == "id" { value.get(name) } else { value["response"].get(name) };
    let Some(spelt) = place.and_then(Value::as_str) else { return };
    let changed = spell(spelt, rng);
    if name == "id" {
        (value["id"], value["rawId"]) = (changed.clone().into(), changed.into());
    } else {
        value["response"][name] = changed.into();
    }
    *text = value.to_string();
}

fn spell(text: &str, rng: &mut Rng) -> String {
    let at = rng.usize(..=text.len());
    let Some((before, after)) = text.split_at_checked(at) else { return String::new() };
    match rng.u8(..9) {
        0 => format!("{text}="),
        1 => format!("{text}=="),
        2 => text.replace('-', "+").replace('_', "/"),
        3 => format!("{before}\n{after}"),
        4 => format!("{before}{}{after}", ['.', '~', '\u{e9}', '\0', ' '][rng.usize(..5)]),
        // Bits behind the last byte.
        5 => match (text.len() % 4, text.char_indices().last()) {
            (2 | 3, Some((end, last))) => format!("{}{}", &text[..end], char::from(last as u8 ^ 1)),
            _ => format!("{text}A"),
        },
        6 => text.to_uppercase(),
        7 => before.to_owned(),
        _ => decode(text).map_or_else(|_| text.to_owned(), |bytes| encode([&bytes[..], &[0]].concat())),
    }
}
