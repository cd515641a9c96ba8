//! CBOR that is not in the canonical form of CTAP2, one for each of its rules, where an authenticator may write what it likes:
//! as the value of an extension, as a name beside it, and in the attestation statement. All of it is signed.

use passkey_accounts::evidence::Part::{AttestationObject, AuthenticatorData};
use passkey_accounts_tests::{AuthenticatorDataDraft, cbor_bytes, cbor_text};

use super::{Case, Verdict::Unreadable, attestation, case, data};

/// A value in a spelling that CTAP2 forbids, and the rule that it breaks.
const VALUES: [(&str, &[u8]); 38] = [
    ("a number below 24 in two bytes", &[0x18, 0x17]),
    ("a number below 256 in three bytes", &[0x19, 0x00, 0xff]),
    ("a number below 65,536 in five bytes", &[0x1a, 0x00, 0x00, 0xff, 0xff]),
    ("a number below 2^32 in nine bytes", &[0x1b, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
    ("a negative number in two bytes", &[0x38, 0x17]),
    ("a negative number in three bytes", &[0x39, 0x00, 0x20]),
    ("a negative number in nine bytes", &[0x3b, 0, 0, 0, 0, 0, 0, 0, 1]),
    ("the length of bytes in two bytes", &[0x58, 0x01, 0xaa]),
    ("the length of bytes in nine bytes", &[0x5b, 0, 0, 0, 0, 0, 0, 0, 1, 0xaa]),
    ("the length of a text in two bytes", &[0x78, 0x01, b'x']),
    ("the length of a text in five bytes", &[0x7a, 0, 0, 0, 1, b'x']),
    ("the length of an array in two bytes", &[0x98, 0x00]),
    ("the length of a map in two bytes", &[0xb8, 0x00]),
    ("the length of a map in three bytes", &[0xb9, 0x00, 0x00]),
    ("bytes of indefinite length", &[0x5f, 0x41, 0xaa, 0xff]),
    ("a text of indefinite length", &[0x7f, 0x61, b'x', 0xff]),
    ("an array of indefinite length", &[0x9f, 0xff]),
    ("a map of indefinite length", &[0xbf, 0xff]),
    ("an indefinite array in an array", &[0x81, 0x9f, 0xff]),
    ("a key twice", &[0xa2, 0x01, 0x00, 0x01, 0x00]),
    ("a key twice in another spelling", &[0xa2, 0x01, 0x00, 0x18, 0x01, 0x00]),
    ("numbers out of order", &[0xa2, 0x02, 0x00, 0x01, 0x00]),
    ("a negative key before a positive one", &[0xa2, 0x20, 0x00, 0x01, 0x00]),
    ("a text before a number", &[0xa2, 0x61, b'x', 0x00, 0x01, 0x00]),
    ("a longer text before a shorter one", &[0xa2, 0x62, b'a', b'a', 0x00, 0x61, b'b', 0x00]),
    ("texts out of order", &[0xa2, 0x61, b'b', 0x00, 0x61, b'a', 0x00]),
    ("a map out of order in an array", &[0x81, 0xa2, 0x02, 0x00, 0x01, 0x00]),
    ("a float of two bytes", &[0xf9, 0x3c, 0x00]),
    ("a float of four bytes", &[0xfa, 0x3f, 0x80, 0x00, 0x00]),
    ("a float of eight bytes", &[0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
    ("not a number", &[0xf9, 0x7e, 0x00]),
    ("undefined", &[0xf7]),
    ("a simple value without a meaning", &[0xf0]),
    ("a boolean in two bytes", &[0xf8, 0x15]),
    ("a tag", &[0xc0, 0x60]),
    ("a big number", &[0xc2, 0x41, 0x01]),
    ("a text that is not UTF-8", &[0x61, 0xff]),
    ("half of a surrogate pair", &[0x63, 0xed, 0xa0, 0x80]),
];

/// What is no CBOR at all, behind the name of the last extension.
const BROKEN: [(&str, &[u8]); 8] = [
    ("a break outside", &[0xff]),
    ("a length that is reserved", &[0x1c]),
    ("a value that is missing", &[]),
    ("bytes that end early", &[0x42, 0x01]),
    ("an array that ends early", &[0x82, 0x01]),
    ("bytes beyond all memory", &[0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    ("an array beyond all memory", &[0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    ("arrays twenty deep", &DEEP),
];

const DEEP: [u8; 21] = {
    let mut bytes = [0x81; 21];
    bytes[20] = 0;
    bytes
};

/// For both ceremonies: in the extensions.
pub(crate) fn extension_cases() -> Vec<Case> {
    let unreadable = Unreadable(AuthenticatorData);
    let value = |bytes: &'static [u8]| {
        data(move |data| extend(data, &[&[0xa1][..], &cbor_text("credProtect"), bytes].concat()))
    };
    let name = |bytes: &'static [u8]| data(move |data| extend(data, &[&[0xa1][..], bytes, &[0xf5]].concat()));
    let mut cases: Vec<Case> = VALUES
        .iter()
        .chain(&BROKEN)
        .map(|(rule, bytes)| case(format!("an extension with {rule}"), unreadable, value(bytes)))
        .collect();
    cases.extend([
        case("an extension named by bytes", unreadable, name(&[0x41, b'a'])),
        case("an extension named by null", unreadable, name(&[0xf6])),
        case("an extension named by an array", unreadable, name(&[0x80])),
        case(
            "an extension named by a text of indefinite length",
            unreadable,
            name(&[0x7f, 0x61, b'a', 0xff]),
        ),
        case("an extension named by a long length", unreadable, name(&[0x78, 0x01, b'a'])),
    ]);
    cases
}

/// For registrations: in the attestation statement, beside the right signature.
pub(crate) fn statement_cases() -> Vec<Case> {
    let inside = |bytes: &'static [u8]| {
        attestation(move |attestation| {
            // a2 63 "alg" 26 63 "sig" 58 len sig
            let signature = cbor_bytes(attestation.statement.get(12..).unwrap_or_default());
            attestation.statement = [
                &[0xa3][..],
                &cbor_text("alg"),
                &[0x26],
                &cbor_text("sig"),
                &signature,
                &cbor_text("x5c"),
                &[0x81],
                bytes,
            ]
            .concat();
        })
    };
    VALUES
        .iter()
        .map(|(rule, bytes)| {
            case(format!("a statement with {rule}"), Unreadable(AttestationObject), inside(bytes))
        })
        .collect()
}

fn extend(data: &mut AuthenticatorDataDraft, bytes: &[u8]) {
    data.flags |= 0x80;
    data.extensions = bytes.to_vec();
}
