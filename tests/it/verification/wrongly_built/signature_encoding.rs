//! Right ECDSA signatures of sign-ins in another encoding than DER, and numbers that are not in range.

use passkey_accounts::evidence::Step;

use super::{Case, Verdict::Fails, case, signature};
use crate::verification::{
    Edit,
    signatures::{integer, numbers, raw_integer, sequence},
};

/// Writes r and s of the signature in another way.
fn spelt(write: impl Fn(&[u8], &[u8]) -> Vec<u8> + 'static) -> Edit {
    signature(move |signature| {
        let (r, s) = numbers(signature);
        *signature = write(&r, &s);
    })
}

pub(crate) fn es256_cases() -> Vec<Case> {
    let fails = Fails(Step::Signature);
    let long = |bytes: &[u8]| [&bytes[..1], &[0x81], &bytes[1..]].concat();
    let longer = |bytes: &[u8]| [&bytes[..1], &[0x82, 0x00], &bytes[1..]].concat();
    let right = |r: &[u8], s: &[u8]| sequence(&[integer(r), integer(s)]);
    let zeros = |zeros: usize, number: &[u8]| raw_integer(&[&vec![0; zeros][..], number].concat());
    vec![
        case("64 bytes (IEEE P1363)", fails, spelt(|r, s| [r, s].concat())),
        case("a sequence with a long length", fails, spelt(move |r, s| long(&right(r, s)))),
        case("a sequence with a longer length", fails, spelt(move |r, s| longer(&right(r, s)))),
        case(
            "a sequence of indefinite length",
            fails,
            spelt(move |r, s| [&[0x30, 0x80][..], &right(r, s)[2..], &[0, 0]].concat()),
        ),
        case("r with a long length", fails, spelt(move |r, s| sequence(&[long(&integer(r)), integer(s)]))),
        case("s with a long length", fails, spelt(move |r, s| sequence(&[integer(r), long(&integer(s))]))),
        case("r with zeros before it", fails, spelt(move |r, s| sequence(&[zeros(2, r), integer(s)]))),
        case("s with zeros before it", fails, spelt(move |r, s| sequence(&[integer(r), zeros(2, s)]))),
        case(
            "r negative",
            fails,
            spelt(|r, s| sequence(&[raw_integer(&[&[0xff][..], r].concat()), integer(s)])),
        ),
        case("r without digits", fails, spelt(|_, s| sequence(&[raw_integer(&[]), integer(s)]))),
        case("r of zero", fails, spelt(|_, s| sequence(&[integer(&[0]), integer(s)]))),
        case("s of zero", fails, spelt(|r, _| sequence(&[integer(r), integer(&[0])]))),
        case("s before r", fails, spelt(|r, s| sequence(&[integer(s), integer(r)]))),
        case("one number", fails, spelt(|r, _| sequence(&[integer(r)]))),
        case("a third number", fails, spelt(|r, s| sequence(&[integer(r), integer(s), integer(&[1])]))),
        case("a byte in the sequence", fails, spelt(|r, s| sequence(&[integer(r), integer(s), vec![0]]))),
        case("a sequence in a sequence", fails, spelt(move |r, s| sequence(&[right(r, s)]))),
        case("a set", fails, spelt(move |r, s| [&[0x31][..], &right(r, s)[1..]].concat())),
        case(
            "a sequence that is not constructed",
            fails,
            spelt(move |r, s| [&[0x10][..], &right(r, s)[1..]].concat()),
        ),
        case(
            "r as bytes",
            fails,
            spelt(|r, s| sequence(&[[&[0x04][..], &integer(r)[1..]].concat(), integer(s)])),
        ),
        case(
            "a bit string around it",
            fails,
            spelt(move |r, s| {
                let inner = [&[0][..], &right(r, s)].concat();
                [&[0x03, u8::try_from(inner.len()).unwrap()][..], &inner].concat()
            }),
        ),
    ]
}
