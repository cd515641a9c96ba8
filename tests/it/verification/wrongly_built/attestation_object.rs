//! Wrong attestation objects around a right statement.

use passkey_accounts::evidence::Part::AttestationObject;
use passkey_accounts_tests::cbor_text;

use super::{Case, Verdict::Unreadable, case, object};
use crate::verification::Edit;

pub(crate) fn object_cases() -> Vec<Case> {
    let unreadable = Unreadable(AttestationObject);
    // a3 63 "fmt" 66 "packed" 67 "attStmt" ...
    vec![
        case("no attestation object", unreadable, object(Vec::clear)),
        case("a byte after the object", unreadable, object(|object| object.push(0))),
        case("an object after the object", unreadable, object(|object| object.push(0xa0))),
        case("an object cut short", unreadable, object(|object| object.truncate(object.len() - 1))),
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
            "authData a text",
            unreadable,
            object(|object| {
                let start = object.len() - 164;
                object[start - 2] = 0x78;
                object[start..].fill(b'a');
            }),
        ),
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
fn attestation_order(names: &'static [&'static str]) -> Edit {
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
