//! Wrong JSON around a right registration.

use passkey_accounts::{
    evidence::{Part::Response, Step},
    protocol::base64url::{decode, encode},
};
use serde_json::json;

use super::{
    Case,
    Verdict::{Fails, Unreadable},
    answer, answer_text, case, response_text,
};

pub(crate) fn answer_cases() -> Vec<Case> {
    let unreadable = Unreadable(Response);
    vec![
        case("rawId unlike id", unreadable, answer(|answer| answer["rawId"] = "AAAA".into())),
        case("id unlike rawId", unreadable, answer(|answer| answer["id"] = "AAAA".into())),
        case(
            "another id",
            Fails(Step::CredentialId),
            answer(|answer| {
                (answer["id"], answer["rawId"]) = ("AAAA".into(), "AAAA".into());
            }),
        ),
        case(
            "an empty id",
            Fails(Step::CredentialId),
            answer(|answer| {
                (answer["id"], answer["rawId"]) = ("".into(), "".into());
            }),
        ),
        case(
            "an id cut short",
            Fails(Step::CredentialId),
            answer(|answer| {
                let mut id = decode(answer["id"].as_str().unwrap()).unwrap();
                id.pop();
                (answer["id"], answer["rawId"]) = (encode(&id).into(), encode(&id).into());
            }),
        ),
        case(
            "an id with padding",
            unreadable,
            answer(|answer| {
                let id = format!("{}=", answer["id"].as_str().unwrap());
                (answer["id"], answer["rawId"]) = (id.clone().into(), id.into());
            }),
        ),
        case("no id", unreadable, answer(|answer| drop(answer.as_object_mut().unwrap().remove("id")))),
        case("no rawId", unreadable, answer(|answer| drop(answer.as_object_mut().unwrap().remove("rawId")))),
        case("another type", unreadable, answer(|answer| answer["type"] = "password".into())),
        case("no type", unreadable, answer(|answer| drop(answer.as_object_mut().unwrap().remove("type")))),
        case(
            "no response",
            unreadable,
            answer(|answer| drop(answer.as_object_mut().unwrap().remove("response"))),
        ),
        case("a response that is null", unreadable, answer(|answer| answer["response"] = json!(null))),
        case(
            "no client data in the answer",
            unreadable,
            answer(|answer| {
                answer["response"].as_object_mut().unwrap().remove("clientDataJSON");
            }),
        ),
        case(
            "no object in the answer",
            unreadable,
            answer(|answer| {
                answer["response"].as_object_mut().unwrap().remove("attestationObject");
            }),
        ),
        case(
            "padding after the client data",
            unreadable,
            response_text("clientDataJSON", |text| format!("{text}=")),
        ),
        case(
            "a line end in the object",
            unreadable,
            response_text("attestationObject", |text| format!("{text}\n")),
        ),
        case(
            "an object in plain base64",
            unreadable,
            response_text("attestationObject", |text| text.replace('-', "+").replace('_', "/") + "+"),
        ),
        case(
            "an object as a list of numbers",
            unreadable,
            answer(|answer| {
                answer["response"]["attestationObject"] = json!([163, 99]);
            }),
        ),
        case(
            "transports that are no list",
            unreadable,
            answer(|answer| answer["response"]["transports"] = json!("usb")),
        ),
        case(
            "transports of numbers",
            unreadable,
            answer(|answer| answer["response"]["transports"] = json!([1])),
        ),
        case(
            "too many transports",
            unreadable,
            answer(|answer| {
                answer["response"]["transports"] = vec!["usb"; 17].into();
            }),
        ),
        case(
            "extension results that are no object",
            unreadable,
            answer(|answer| answer["clientExtensionResults"] = json!([])),
        ),
        case(
            "credProps that is no object",
            unreadable,
            answer(|answer| answer["clientExtensionResults"] = json!({"credProps": true})),
        ),
        case(
            "rk that is no boolean",
            unreadable,
            answer(|answer| {
                answer["clientExtensionResults"] = json!({"credProps": {"rk": "true"}});
            }),
        ),
        case("id twice", unreadable, answer_text(|text| text.replacen('{', "{\"id\":\"AAAA\",", 1))),
        case(
            "client data twice",
            unreadable,
            answer_text(|text| text.replace("\"response\":{", "\"response\":{\"clientDataJSON\":\"AAAA\",")),
        ),
        case(
            "an unknown member of the answer twice",
            unreadable,
            answer_text(|text| text.replacen('{', "{\"a\":1,\"a\":1,", 1)),
        ),
        case(
            "a member of the extension results twice",
            unreadable,
            answer_text(|text| text.replace("{\"rk\":false}", "{\"rk\":false,\"rk\":true}")),
        ),
        case("text after the answer", unreadable, answer_text(|text| format!("{text}{{}}"))),
        case("an answer in a list", unreadable, answer_text(|text| format!("[{text}]"))),
        case("an answer cut short", unreadable, answer_text(|text| text[..text.len() - 1].to_owned())),
        case("no answer", unreadable, answer_text(|_| String::new())),
        case("an answer nested too deep", unreadable, answer_text(|_| "{\"a\":".repeat(100_000))),
    ]
}
