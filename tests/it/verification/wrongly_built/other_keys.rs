//! Wrong public keys of EdDSA and RS256, signed after the change.

use passkey_accounts::evidence::{
    Part::{AuthenticatorData, PublicKey},
    Step,
};
use passkey_accounts_tests::cbor_bytes;

use super::{
    Case,
    Verdict::{Fails, Unreadable},
    case, data,
};
use crate::verification::Edit;

fn key(change: impl Fn(&mut Vec<u8>) + 'static) -> Edit {
    data(move |data| change(&mut data.public_key_cose))
}

/// Changes the 42 bytes of the EdDSA key: `a4 01 01 03 27 20 06 21 5820 x`.
pub(crate) fn eddsa_cases() -> Vec<Case> {
    let unreadable = Unreadable(PublicKey);
    let x = |bytes: Vec<u8>| key(move |key| drop(key.splice(8.., cbor_bytes(&bytes))));
    let filled = |first: u8, middle: u8, last: u8| [&[first][..], &[middle; 30], &[last]].concat();
    vec![
        case("EdDSA key of the type of points with y", unreadable, key(|key| key[2] = 0x02)),
        case("EdDSA key on P-256", unreadable, key(|key| key[6] = 0x01)),
        case("EdDSA key on X25519", unreadable, key(|key| key[6] = 0x04)),
        case("EdDSA key on Ed448", unreadable, key(|key| key[6] = 0x07)),
        case("EdDSA key of ES256", unreadable, key(|key| key[4] = 0x26)),
        case("EdDSA key of fully specified Ed25519", Fails(Step::Algorithm), key(|key| key[4] = 0x32)),
        case("EdDSA x of 31 bytes", unreadable, x(vec![9; 31])),
        case("EdDSA x of 33 bytes", unreadable, x(vec![9; 33])),
        case("EdDSA x empty", unreadable, x(Vec::new())),
        case("EdDSA x a number", unreadable, key(|key| drop(key.splice(8.., [0x01])))),
        case("EdDSA neutral point", unreadable, x(filled(1, 0, 0))),
        case("EdDSA point of order 2", unreadable, x(filled(0xec, 0xff, 0x7f))),
        case("EdDSA point of order 4", unreadable, x(vec![0; 32])),
        case("EdDSA point that is not canonical", unreadable, x(filled(0xee, 0xff, 0x7f))),
        case("EdDSA point on no curve", unreadable, x(filled(2, 0, 0))),
        case("EdDSA point with a part of order 2", unreadable, x([&[0x95][..], &[0x99; 31]].concat())),
        case(
            "EdDSA key with a y",
            unreadable,
            key(|key| {
                key[0] = 0xa5;
                key.extend_from_slice(&[0x22, 0x41, 0x00]);
            }),
        ),
        case(
            "EdDSA key without a curve",
            unreadable,
            key(|key| {
                key[0] = 0xa3;
                key.drain(5..7);
            }),
        ),
        case(
            "EdDSA key with its private part",
            unreadable,
            key(|key| {
                key[0] = 0xa5;
                key.extend_from_slice(&[&[0x23][..], &cbor_bytes(&[7; 32])].concat());
            }),
        ),
        case(
            "EdDSA key with operations",
            unreadable,
            key(|key| {
                key[0] = 0xa5;
                key.splice(5..5, [0x04, 0x81, 0x02]);
            }),
        ),
        case(
            "EdDSA x before the curve",
            Unreadable(AuthenticatorData),
            key(|key| {
                let (curve, x) = (key[5..7].to_vec(), key[7..].to_vec());
                key.splice(5.., [x, curve].concat());
            }),
        ),
    ]
}

/// Changes the RS256 key: `a4 01 03 03 39 0100 20 59 0100 n 21 43 e`.
pub(crate) fn rs256_cases() -> Vec<Case> {
    let unreadable = Unreadable(PublicKey);
    let exponent = |bytes: &'static [u8]| {
        key(move |key| drop(key.splice(267.., [&[0x21][..], &cbor_bytes(bytes)].concat())))
    };
    let modulus = |change: fn(&mut Vec<u8>)| {
        key(move |key| {
            let mut n = key[11..267].to_vec();
            change(&mut n);
            key.splice(8..267, cbor_bytes(&n));
        })
    };
    vec![
        case("RS256 key of another type", unreadable, key(|key| key[2] = 0x02)),
        case("RS256 key of RS384", Fails(Step::Algorithm), key(|key| drop(key.splice(5..7, [0x01, 0x01])))),
        case("RS256 key of PS256", Fails(Step::Algorithm), key(|key| drop(key.splice(4..7, [0x38, 0x24])))),
        case("RS256 key of RS1", Fails(Step::Algorithm), key(|key| drop(key.splice(5..7, [0xff, 0xfe])))),
        case("RS256 with e = 1", unreadable, exponent(&[1])),
        case("RS256 with e = 3", unreadable, exponent(&[3])),
        case("RS256 with an even e", unreadable, exponent(&[1, 0, 0])),
        case("RS256 with a zero before e", unreadable, exponent(&[0, 1, 0, 1])),
        case("RS256 without digits of e", unreadable, exponent(&[])),
        case("RS256 with e a number", unreadable, key(|key| drop(key.splice(267.., [0x21, 0x03])))),
        case(
            "RS256 without e",
            unreadable,
            key(|key| {
                key[0] = 0xa3;
                key.truncate(267);
            }),
        ),
        case("RS256 with a modulus of 1024 bits", unreadable, modulus(|n| n.truncate(128))),
        case("RS256 with a modulus of 2047 bits", unreadable, modulus(|n| n[0] = 0x7f)),
        case(
            "RS256 with a modulus beyond 4096 bits",
            unreadable,
            modulus(|n| drop(n.splice(0..0, vec![0x81; 257]))),
        ),
        case("RS256 with a zero before the modulus", unreadable, modulus(|n| n.insert(0, 0))),
        case("RS256 with an even modulus", unreadable, modulus(|n| n[255] &= 0xfe)),
        case("RS256 with no modulus", unreadable, modulus(Vec::clear)),
        case(
            "RS256 with its length in five bytes",
            Unreadable(AuthenticatorData),
            key(|key| {
                key.splice(8..11, [0x5a, 0, 0, 1, 0]);
            }),
        ),
        case(
            "RS256 with e before n",
            Unreadable(AuthenticatorData),
            key(|key| {
                let (n, e) = (key[7..267].to_vec(), key[267..].to_vec());
                key.splice(7.., [e, n].concat());
            }),
        ),
    ]
}
