//! Wrong public keys, signed after the change.

use passkey_accounts::evidence::{
    Part::{AuthenticatorData, PublicKey},
    Step,
};

use super::{
    Case,
    Verdict::{Fails, Unreadable},
    case, data,
};
use crate::verification::Edit;

/// Changes the 77 bytes of the ES256 key: `a5 01 02 03 26 20 01 21 5820 x 22 5820 y`.
fn key(change: impl Fn(&mut Vec<u8>) + 'static) -> Edit {
    data(move |data| change(&mut data.public_key_cose))
}

pub(crate) fn key_cases() -> Vec<Case> {
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
