//! Wrongly built registrations, by the step or rule that each breaks. Signed after the change wherever a signature covers it.

use passkey_accounts::{
    evidence::{
        Part::{AttestationObject, AuthenticatorData, ClientData, PublicKey, Response},
        Step,
    },
    protocol::base64url::{decode, encode},
};
use passkey_accounts_tests::{cbor_bytes, cbor_integer, cbor_text};
use serde_json::json;

use super::wrongly_built::{
    Case,
    Verdict::{Fails, HasCertificates, Unreadable},
    answer, answer_text, attestation, case, client_data, client_text, data, object, response_text,
};

/// Wrong ones that carry self attestation.
pub(crate) fn cases() -> Vec<Case> {
    [
        client_data_cases("webauthn.create", "webauthn.get"),
        authenticator_data_cases(),
        key_cases(),
        statement_cases(),
        object_cases(),
        answer_cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

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

fn authenticator_data_cases() -> Vec<Case> {
    let unreadable = Unreadable(AuthenticatorData);
    vec![
        case("another RP ID", Fails(Step::RpIdHash), data(|data| data.rp_id_hash[31] ^= 1)),
        case("an RP ID of zeros", Fails(Step::RpIdHash), data(|data| data.rp_id_hash = vec![0; 32])),
        case("nobody present", Fails(Step::UserPresent), data(|data| data.flags &= !0x01)),
        case("nobody verified", Fails(Step::UserVerified), data(|data| data.flags &= !0x04)),
        case("backed up but not eligible", Fails(Step::BackupState), data(|data| data.flags |= 0x10)),
        case("RFU1 set", unreadable, data(|data| data.flags |= 0x02)),
        case("RFU2 set", unreadable, data(|data| data.flags |= 0x20)),
        case("AT not set, credential there", unreadable, data(|data| data.flags &= !0x40)),
        case(
            "AT not set, no credential",
            unreadable,
            data(|data| {
                data.flags &= !0x40;
                (data.aaguid, data.credential_id_length, data.credential_id, data.public_key_cose) =
                    Default::default();
            }),
        ),
        case(
            "AT set, no credential",
            unreadable,
            data(|data| {
                (data.aaguid, data.credential_id_length, data.credential_id, data.public_key_cose) =
                    Default::default();
            }),
        ),
        case("ED set, no extensions", unreadable, data(|data| data.flags |= 0x80)),
        case("ED not set, extensions there", unreadable, data(|data| data.extensions = vec![0xa0])),
        case("extensions not a map", unreadable, extensions(&[0x80])),
        case("extensions cut short", unreadable, extensions(&[0xa1, 0x61, b'a'])),
        case("extensions named by numbers", unreadable, extensions(&[0xa1, 0x01, 0xf5])),
        case("an extension twice", unreadable, extensions(&[0xa2, 0x61, b'a', 0xf5, 0x61, b'a', 0xf5])),
        case("extensions out of order", unreadable, extensions(&[0xa2, 0x61, b'b', 0xf5, 0x61, b'a', 0xf5])),
        case("extensions of indefinite length", unreadable, extensions(&[0xbf, 0x61, b'a', 0xf5, 0xff])),
        case("an extension with a float", unreadable, extensions(&[0xa1, 0x61, b'a', 0xf9, 0x3c, 0x00])),
        case("a byte after the extensions", unreadable, extensions(&[0xa0, 0x00])),
        case("two extension maps", unreadable, extensions(&[0xa0, 0xa0])),
        case("a byte after the credential", unreadable, data(|data| data.public_key_cose.push(0))),
        case(
            "no credential id",
            unreadable,
            data(|data| {
                data.credential_id_length = vec![0, 0];
                data.credential_id = Vec::new();
            }),
        ),
        case(
            "a credential id of 1024 bytes",
            unreadable,
            data(|data| {
                data.credential_id_length = vec![4, 0];
                data.credential_id = vec![7; 1024];
            }),
        ),
        case(
            "a credential id longer than the data",
            unreadable,
            data(|data| data.credential_id_length = vec![3, 0]),
        ),
        case(
            "a credential id one byte longer",
            unreadable,
            data(|data| data.credential_id_length = vec![0, 33]),
        ),
        case(
            "a credential id one byte shorter",
            unreadable,
            data(|data| data.credential_id_length = vec![0, 31]),
        ),
        case("another credential id", Fails(Step::CredentialId), data(|data| data.credential_id[0] ^= 1)),
        case(
            "36 bytes",
            unreadable,
            data(|data| {
                data.sign_count.pop();
                (data.aaguid, data.credential_id_length, data.credential_id, data.public_key_cose) =
                    Default::default();
            }),
        ),
        case(
            "no authenticator data",
            unreadable,
            attestation(|attestation| attestation.authenticator_data.clear()),
        ),
    ]
}

fn extensions(bytes: &'static [u8]) -> super::Edit {
    data(move |data| {
        data.flags |= 0x80;
        data.extensions = bytes.to_vec();
    })
}

/// Changes the 77 bytes of the ES256 key: `a5 01 02 03 26 20 01 21 5820 x 22 5820 y`.
fn key(change: impl Fn(&mut Vec<u8>) + 'static) -> super::Edit {
    data(move |data| change(&mut data.public_key_cose))
}

fn key_cases() -> Vec<Case> {
    let unreadable = Unreadable(PublicKey);
    let not_cbor = Unreadable(AuthenticatorData);
    vec![
        case("key of another type", unreadable, key(|key| key[2] = 0x01)),
        case("key of a symmetric type", unreadable, key(|key| key[2] = 0x04)),
        case("key of ES384", Fails(Step::Algorithm), key(|key| drop(key.splice(4..5, [0x38, 0x22])))),
        case("key of RS1", Fails(Step::Algorithm), key(|key| drop(key.splice(4..5, [0x39, 0xff, 0xfe])))),
        case("key of ES256K", Fails(Step::Algorithm), key(|key| drop(key.splice(4..5, [0x38, 0x2e])))),
        case("key of EdDSA with a P-256 point", unreadable, key(|key| key[4] = 0x27)),
        case(
            "key with a text for its algorithm",
            unreadable,
            key(|key| drop(key.splice(4..5, *b"\x65ES256"))),
        ),
        case(
            "key without an algorithm",
            unreadable,
            key(|key| {
                key[0] = 0xa4;
                key.drain(3..5);
            }),
        ),
        case("key on P-384", unreadable, key(|key| key[6] = 0x02)),
        case("key on Ed25519", unreadable, key(|key| key[6] = 0x06)),
        case(
            "key on no curve",
            unreadable,
            key(|key| {
                key[0] = 0xa4;
                key.drain(5..7);
            }),
        ),
        case("point not on the curve", unreadable, key(|key| key[76] ^= 1)),
        case("point with another x", unreadable, key(|key| key[41] ^= 1)),
        case(
            "point of zeros",
            unreadable,
            key(|key| {
                key[10..42].fill(0);
                key[45..77].fill(0);
            }),
        ),
        case("point beyond the field", unreadable, key(|key| key[10..42].fill(0xff))),
        case(
            "x of 31 bytes, y of 33",
            unreadable,
            key(|key| {
                let y_first = key.remove(41);
                key[9] = 31;
                key[43] = 33;
                key.insert(44, y_first);
            }),
        ),
        case(
            "x of 33 bytes",
            unreadable,
            key(|key| {
                key[9] = 33;
                key.insert(10, 0);
            }),
        ),
        case("x empty", unreadable, key(|key| drop(key.splice(8..42, [0x40])))),
        case("x a text", not_cbor, key(|key| key[8] = 0x78)),
        case(
            "y missing",
            unreadable,
            key(|key| {
                key[0] = 0xa4;
                key.truncate(42);
            }),
        ),
        case("y a sign (compressed point)", unreadable, key(|key| drop(key.splice(43.., [0xf5])))),
        case(
            "a member too many",
            unreadable,
            key(|key| {
                key[0] = 0xa6;
                key.extend_from_slice(&[0x23, 0x41, 0x00]);
            }),
        ),
        case(
            "a key id",
            unreadable,
            key(|key| {
                key[0] = 0xa6;
                key.splice(3..3, [0x02, 0x41, 0x00]);
            }),
        ),
        case(
            "a member twice",
            not_cbor,
            key(|key| {
                key[0] = 0xa6;
                key.splice(3..3, [0x01, 0x02]);
            }),
        ),
        case(
            "members out of order",
            not_cbor,
            key(|key| {
                let (alg, kty) = (key[3..5].to_vec(), key[1..3].to_vec());
                key.splice(1..5, [alg, kty].concat());
            }),
        ),
        case(
            "y before x",
            not_cbor,
            key(|key| {
                let (x, y) = (key[7..42].to_vec(), key[42..].to_vec());
                key.splice(7.., [y, x].concat());
            }),
        ),
        case("a number not in its shortest form", not_cbor, key(|key| drop(key.splice(2..3, [0x18, 0x02])))),
        case(
            "a length not in its shortest form",
            not_cbor,
            key(|key| drop(key.splice(8..10, [0x59, 0x00, 0x20]))),
        ),
        case(
            "a map length not in its shortest form",
            not_cbor,
            key(|key| drop(key.splice(0..1, [0xb8, 0x05]))),
        ),
        case(
            "a map of indefinite length",
            not_cbor,
            key(|key| {
                key[0] = 0xbf;
                key.push(0xff);
            }),
        ),
        case(
            "a byte string of indefinite length",
            not_cbor,
            key(|key| {
                key.splice(8..8, [0x5f]);
                key.splice(43..43, [0xff]);
            }),
        ),
        case("a tagged key", not_cbor, key(|key| key.insert(0, 0xc1))),
        case("a float for a number", not_cbor, key(|key| drop(key.splice(2..3, [0xf9, 0x40, 0x00])))),
        case("an array for a key", unreadable, key(|key| *key = vec![0x82, 0x02, 0x26])),
        case("an empty key", unreadable, key(|key| *key = vec![0xa0])),
        case("no key", not_cbor, key(Vec::clear)),
    ]
}

fn packed(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let head = 0xa0 | u8::try_from(members.len()).unwrap();
    members.iter().fold(vec![head], |bytes, (name, value)| [bytes, cbor_text(name), value.clone()].concat())
}

/// Changes the members of the packed statement; the signature is the right one.
fn statement(change: impl Fn(Vec<u8>) -> Vec<u8> + 'static) -> super::Edit {
    attestation(move |attestation| {
        // a2 63 "alg" 26 63 "sig" 58 len sig
        let signature = attestation.statement[12..].to_vec();
        attestation.statement = change(signature);
    })
}

fn statement_cases() -> Vec<Case> {
    let invalid = Fails(Step::AttestationStatement);
    let not_cbor = Unreadable(AttestationObject);
    let es256 = || cbor_integer(-7);
    vec![
        case(
            "statement of another algorithm",
            invalid,
            statement(|sig| packed(&[("alg", cbor_integer(-257)), ("sig", cbor_bytes(&sig))])),
        ),
        case(
            "statement of an unknown algorithm",
            invalid,
            statement(|sig| packed(&[("alg", cbor_integer(-65535)), ("sig", cbor_bytes(&sig))])),
        ),
        case(
            "statement with a text for its algorithm",
            invalid,
            statement(|sig| packed(&[("alg", cbor_text("ES256")), ("sig", cbor_bytes(&sig))])),
        ),
        case(
            "statement without an algorithm",
            invalid,
            statement(|sig| packed(&[("sig", cbor_bytes(&sig))])),
        ),
        case("statement without a signature", invalid, statement(move |_| packed(&[("alg", es256())]))),
        case(
            "statement with a text for its signature",
            invalid,
            statement(move |_| packed(&[("alg", es256()), ("sig", cbor_text("sig"))])),
        ),
        case(
            "statement with an empty signature",
            Fails(Step::Signature),
            statement(move |_| packed(&[("alg", es256()), ("sig", cbor_bytes(&[]))])),
        ),
        case(
            "statement with another signature",
            Fails(Step::Signature),
            statement(move |mut sig| {
                *sig.last_mut().unwrap() ^= 1;
                packed(&[("alg", es256()), ("sig", cbor_bytes(&sig))])
            }),
        ),
        case(
            "statement signed over other authenticator data",
            Fails(Step::Signature),
            attestation(|attestation| {
                attestation.authenticator_data[36] ^= 1;
            }),
        ),
        case(
            "statement with certificates",
            HasCertificates,
            statement(move |sig| {
                packed(&[("alg", es256()), ("sig", cbor_bytes(&sig)), ("x5c", vec![0x81, 0x41, 0x30])])
            }),
        ),
        case(
            "statement with an empty list of certificates",
            HasCertificates,
            statement(move |sig| packed(&[("alg", es256()), ("sig", cbor_bytes(&sig)), ("x5c", vec![0x80])])),
        ),
        case(
            "statement with a certificate that is no list",
            invalid,
            statement(move |sig| {
                packed(&[("alg", es256()), ("sig", cbor_bytes(&sig)), ("x5c", vec![0x41, 0x30])])
            }),
        ),
        case(
            "statement of ECDAA",
            invalid,
            statement(move |sig| {
                packed(&[("alg", es256()), ("sig", cbor_bytes(&sig)), ("ecdaaKeyId", vec![0x41, 0x30])])
            }),
        ),
        case(
            "statement with a member too many",
            invalid,
            statement(move |sig| {
                packed(&[("alg", es256()), ("sig", cbor_bytes(&sig)), ("ver", cbor_text("2.0"))])
            }),
        ),
        case(
            "statement out of order",
            not_cbor,
            statement(move |sig| packed(&[("sig", cbor_bytes(&sig)), ("alg", es256())])),
        ),
        case(
            "statement with a member twice",
            not_cbor,
            statement(move |sig| packed(&[("alg", es256()), ("alg", es256()), ("sig", cbor_bytes(&sig))])),
        ),
        case("statement that is an array", invalid, statement(|_| vec![0x80])),
        case("statement that is empty", invalid, statement(|_| vec![0xa0])),
        case("statement that is null", invalid, statement(|_| vec![0xf6])),
        case(
            "format none with a signature",
            invalid,
            attestation(|attestation| attestation.format = "none".into()),
        ),
        case("format tpm", HasCertificates, attestation(|attestation| attestation.format = "tpm".into())),
        case(
            "format android-key",
            HasCertificates,
            attestation(|attestation| attestation.format = "android-key".into()),
        ),
        case(
            "format android-safetynet",
            HasCertificates,
            attestation(|attestation| attestation.format = "android-safetynet".into()),
        ),
        case(
            "format fido-u2f",
            HasCertificates,
            attestation(|attestation| attestation.format = "fido-u2f".into()),
        ),
        case("format apple", HasCertificates, attestation(|attestation| attestation.format = "apple".into())),
        case(
            "format compound",
            HasCertificates,
            attestation(|attestation| attestation.format = "compound".into()),
        ),
        case(
            "format in capitals",
            Fails(Step::AttestationFormat),
            attestation(|attestation| attestation.format = "Packed".into()),
        ),
        case(
            "format with a space",
            Fails(Step::AttestationFormat),
            attestation(|attestation| attestation.format = "packed ".into()),
        ),
        case(
            "format that nobody registered",
            Fails(Step::AttestationFormat),
            attestation(|attestation| attestation.format = "mine".into()),
        ),
        case(
            "format empty",
            Fails(Step::AttestationFormat),
            attestation(|attestation| attestation.format = String::new()),
        ),
    ]
}

/// Wrong ones that claim to carry no attestation.
pub(crate) fn none_cases() -> Vec<Case> {
    let invalid = Fails(Step::AttestationStatement);
    vec![
        case(
            "a member in the statement",
            invalid,
            attestation(|attestation| {
                attestation.statement = vec![0xa1, 0x61, b'a', 0xf5];
            }),
        ),
        case(
            "certificates in the statement",
            invalid,
            attestation(|attestation| {
                attestation.statement = packed(&[("x5c", vec![0x80])]);
            }),
        ),
        case(
            "an array for a statement",
            invalid,
            attestation(|attestation| attestation.statement = vec![0x80]),
        ),
        case("null for a statement", invalid, attestation(|attestation| attestation.statement = vec![0xf6])),
        case(
            "an empty map in two bytes",
            Unreadable(AttestationObject),
            attestation(|attestation| {
                attestation.statement = vec![0xb8, 0x00];
            }),
        ),
        case(
            "packed with an empty statement",
            invalid,
            attestation(|attestation| {
                attestation.format = "packed".into();
            }),
        ),
        case(
            "None",
            Fails(Step::AttestationFormat),
            attestation(|attestation| attestation.format = "None".into()),
        ),
    ]
}

fn object_cases() -> Vec<Case> {
    let unreadable = Unreadable(AttestationObject);
    // a3 63 "fmt" 66 "packed" 67 "attStmt" ...
    vec![
        case("no attestation object", unreadable, object(Vec::clear)),
        case("a byte after the object", unreadable, object(|object| object.push(0))),
        case("an object after the object", unreadable, object(|object| object.push(0xa0))),
        case("an object cut short", unreadable, object(|object| drop(object.pop()))),
        case("an array for an object", unreadable, object(|object| *object = vec![0x80])),
        case("an empty object", unreadable, object(|object| *object = vec![0xa0])),
        case(
            "an object of indefinite length",
            unreadable,
            object(|object| {
                object[0] = 0xbf;
                object.push(0xff);
            }),
        ),
        case(
            "an object with its length in two bytes",
            unreadable,
            object(|object| drop(object.splice(0..1, [0xb8, 0x03]))),
        ),
        case("an object with a tag", unreadable, object(|object| object.insert(0, 0xc1))),
        case(
            "a member of the object too many",
            unreadable,
            object(|object| {
                object[0] = 0xa4;
                object.extend_from_slice(&[&cbor_text("epAttestation")[..], &[0xf5]].concat());
            }),
        ),
        case(
            "a member of the object twice",
            unreadable,
            object(|object| {
                object[0] = 0xa4;
                object.splice(1..1, [&cbor_text("fmt")[..], &cbor_text("none")].concat());
            }),
        ),
        case("an object out of order", unreadable, attestation_order(&["fmt", "authData", "attStmt"])),
        case("an object without fmt", unreadable, attestation_order(&["attStmt", "authData"])),
        case("an object without attStmt", unreadable, attestation_order(&["fmt", "authData"])),
        case("an object without authData", unreadable, attestation_order(&["fmt", "attStmt"])),
        case(
            "an object with numbers for names (CTAP)",
            unreadable,
            object(|object| drop(object.splice(1..5, [0x01]))),
        ),
        case("fmt a byte string", unreadable, object(|object| object[5] = 0x46)),
        case(
            "fmt with its length in two bytes",
            unreadable,
            object(|object| drop(object.splice(5..6, [0x78, 0x06]))),
        ),
        case("fmt not UTF-8", unreadable, object(|object| object[6] = 0xff)),
        case(
            "authData with its length in three bytes",
            unreadable,
            object(|object| {
                let start = object.len() - 164;
                assert_eq!(object[start - 2..start], [0x58, 164]);
                object.splice(start - 2..start, [0x59, 0x00, 164]);
            }),
        ),
    ]
}

/// Writes the members of the attestation object in this order.
fn attestation_order(names: &'static [&'static str]) -> super::Edit {
    object(move |object| {
        let start = object.windows(8).position(|window| window == b"\x67attStmt").unwrap();
        let end = object.windows(9).position(|window| window == b"\x68authData").unwrap();
        let members: Vec<u8> = names
            .iter()
            .flat_map(|name| match *name {
                "fmt" => object[1..start].to_vec(),
                "attStmt" => object[start..end].to_vec(),
                _ => object[end..].to_vec(),
            })
            .collect();
        *object = [vec![0xa0 | u8::try_from(names.len()).unwrap()], members].concat();
    })
}

fn answer_cases() -> Vec<Case> {
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
                answer["response"]["transports"] = json!(["usb"; 17]);
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
