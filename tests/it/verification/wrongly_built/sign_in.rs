//! Wrongly built sign-ins, by the step or rule that each breaks. Signed after the change wherever the signature covers it.

use passkey_accounts::{
    evidence::{
        Part::{AuthenticatorData, Response},
        Step,
    },
    protocol::base64url::{decode, encode},
};
use serde_json::json;

use super::{
    Case,
    Verdict::{Fails, Unreadable},
    answer, answer_text, case,
    client_data::client_data_cases,
    data, response_text, signature,
};

/// Wrong ones for a passkey of any algorithm that is not backup eligible.
pub(crate) fn cases() -> Vec<Case> {
    [
        client_data_cases("webauthn.get", "webauthn.create"),
        authenticator_data_cases(),
        signature_cases(),
        answer_cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn authenticator_data_cases() -> Vec<Case> {
    let unreadable = Unreadable(AuthenticatorData);
    let extensions = |bytes: &'static [u8]| {
        data(move |data| {
            data.flags |= 0x80;
            data.extensions = bytes.to_vec();
        })
    };
    vec![
        case("another RP ID", Fails(Step::RpIdHash), data(|data| data.rp_id_hash[0] ^= 0x80)),
        case("an RP ID of zeros", Fails(Step::RpIdHash), data(|data| data.rp_id_hash = vec![0; 32])),
        case("nobody present", Fails(Step::UserPresent), data(|data| data.flags &= !0x01)),
        case("nobody verified", Fails(Step::UserVerified), data(|data| data.flags &= !0x04)),
        case("backed up but not eligible", Fails(Step::BackupState), data(|data| data.flags |= 0x10)),
        case(
            "eligible but not at registration",
            Fails(Step::BackupEligible),
            data(|data| data.flags |= 0x08),
        ),
        case(
            "backed up, eligible but not at registration",
            Fails(Step::BackupEligible),
            data(|data| data.flags |= 0x18),
        ),
        case("RFU1 set", unreadable, data(|data| data.flags |= 0x02)),
        case("RFU2 set", unreadable, data(|data| data.flags |= 0x20)),
        case("AT set, no credential", unreadable, data(|data| data.flags |= 0x40)),
        case(
            "AT set, credential there",
            unreadable,
            data(|data| {
                data.flags |= 0x40;
                data.aaguid = vec![0; 16];
                data.credential_id_length = vec![0, 1];
                data.credential_id = vec![7];
                data.public_key_cose = vec![0xa1, 0x01, 0x02];
            }),
        ),
        case("ED set, no extensions", unreadable, data(|data| data.flags |= 0x80)),
        case("ED not set, extensions there", unreadable, data(|data| data.extensions = vec![0xa0])),
        case("a byte too many", unreadable, data(|data| data.extensions = vec![0x00])),
        case("extensions not a map", unreadable, extensions(&[0x80])),
        case("extensions cut short", unreadable, extensions(&[0xa1, 0x61, b'a'])),
        case("extensions named by numbers", unreadable, extensions(&[0xa1, 0x01, 0xf5])),
        case("an extension twice", unreadable, extensions(&[0xa2, 0x61, b'a', 0xf5, 0x61, b'a', 0xf5])),
        case("extensions out of order", unreadable, extensions(&[0xa2, 0x61, b'b', 0xf5, 0x61, b'a', 0xf5])),
        case("extensions of indefinite length", unreadable, extensions(&[0xbf, 0x61, b'a', 0xf5, 0xff])),
        case("extensions with a long length", unreadable, extensions(&[0xa1, 0x78, 0x01, b'a', 0xf5])),
        case("an extension with a float", unreadable, extensions(&[0xa1, 0x61, b'a', 0xf9, 0x3c, 0x00])),
        case("a byte after the extensions", unreadable, extensions(&[0xa0, 0x00])),
        case("36 bytes", unreadable, data(|data| data.sign_count.truncate(3))),
        case("no authenticator data", unreadable, response_text("authenticatorData", |_| String::new())),
    ]
}

fn signature_cases() -> Vec<Case> {
    let fails = Fails(Step::Signature);
    vec![
        case("no signature", fails, signature(Vec::clear)),
        case(
            "a signature with one bit changed",
            fails,
            signature(|signature| *signature.last_mut().unwrap() ^= 1),
        ),
        case("a signature cut short", fails, signature(|signature| signature.truncate(signature.len() - 1))),
        case("a signature with a byte after it", fails, signature(|signature| signature.push(0))),
        case("a signature with a byte before it", fails, signature(|signature| signature.insert(0, 0))),
        case("a signature of zeros", fails, signature(|signature| signature.fill(0))),
        case("a signature of ones", fails, signature(|signature| signature.fill(0xff))),
        case(
            "client data changed after signing",
            fails,
            response_text("clientDataJSON", |text| {
                let json = String::from_utf8(decode(text).unwrap()).unwrap();
                encode(json.replace("false", "false,\"a\":1"))
            }),
        ),
        case(
            "authenticator data changed after signing",
            fails,
            response_text("authenticatorData", |text| {
                let mut data = decode(text).unwrap();
                data[36] ^= 0x80;
                encode(data)
            }),
        ),
    ]
}

fn answer_cases() -> Vec<Case> {
    let unreadable = Unreadable(Response);
    vec![
        case("rawId unlike id", unreadable, answer(|answer| answer["rawId"] = "AAAA".into())),
        case("id unlike rawId", unreadable, answer(|answer| answer["id"] = "AAAA".into())),
        case(
            "a passkey that was not asked for",
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
            "an id of 1024 bytes",
            Fails(Step::CredentialId),
            answer(|answer| {
                let id = encode([7; 1024]);
                (answer["id"], answer["rawId"]) = (id.clone().into(), id.into());
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
        case(
            "the user handle of another account",
            Fails(Step::UserHandle),
            answer(|answer| {
                answer["response"]["userHandle"] = encode("somebody else").into();
            }),
        ),
        case(
            "an empty user handle",
            Fails(Step::UserHandle),
            answer(|answer| {
                answer["response"]["userHandle"] = "".into();
            }),
        ),
        case(
            "a user handle with padding",
            unreadable,
            response_text("userHandle", |text| format!("{text}=")),
        ),
        case(
            "a user handle that is a number",
            unreadable,
            answer(|answer| {
                answer["response"]["userHandle"] = 7.into();
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
        case(
            "no client data in the answer",
            unreadable,
            answer(|answer| {
                answer["response"].as_object_mut().unwrap().remove("clientDataJSON");
            }),
        ),
        case(
            "no authenticator data in the answer",
            unreadable,
            answer(|answer| {
                answer["response"].as_object_mut().unwrap().remove("authenticatorData");
            }),
        ),
        case(
            "no signature in the answer",
            unreadable,
            answer(|answer| {
                answer["response"].as_object_mut().unwrap().remove("signature");
            }),
        ),
        case(
            "a signature that is null",
            unreadable,
            answer(|answer| answer["response"]["signature"] = json!(null)),
        ),
        case("a signature with padding", unreadable, response_text("signature", |text| format!("{text}="))),
        case("a signature with a space", unreadable, response_text("signature", |text| format!(" {text}"))),
        case(
            "client data not encoded",
            unreadable,
            response_text("clientDataJSON", |text| String::from_utf8(decode(text).unwrap()).unwrap()),
        ),
        case(
            "extension results that are no object",
            unreadable,
            answer(|answer| answer["clientExtensionResults"] = json!(1)),
        ),
        case(
            "signature twice",
            unreadable,
            answer_text(|text| text.replace("\"response\":{", "\"response\":{\"signature\":\"AAAA\",")),
        ),
        case(
            "type of the answer twice",
            unreadable,
            answer_text(|text| text.replacen('{', "{\"type\":\"public-key\",", 1)),
        ),
        case(
            "an unknown member of the answer twice",
            unreadable,
            answer_text(|text| text.replacen('{', "{\"a\":1,\"a\":1,", 1)),
        ),
        case("text after the answer", unreadable, answer_text(|text| format!("{text}x"))),
        case("an answer cut short", unreadable, answer_text(|text| text[..text.len() - 1].to_owned())),
        case("no answer", unreadable, answer_text(|_| String::new())),
        case("an answer nested too deep", unreadable, answer_text(|_| "[".repeat(100_000))),
    ]
}
