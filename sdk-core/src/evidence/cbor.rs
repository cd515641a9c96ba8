//! CBOR in the one spelling that authenticators may use: the CTAP2 canonical form (CTAP 2.1 section 8).
//!
//! ciborium reads it; what it read is written again and must be the same bytes, so every length and integer was in its
//! shortest form. Order and uniqueness of map keys, and the types that the form excludes, are checked on the way.

use std::cmp::Ordering;

pub use ciborium::Value;

/// Deeper than any structure of WebAuthn; a bound on the stack.
const MAX_DEPTH: usize = 16;

/// The bytes are not canonical CBOR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not canonical CBOR")]
pub struct NotCanonical;

/// Reads one value that takes all of `bytes`.
///
/// # Errors
/// [`NotCanonical`], also when bytes are left over.
pub fn parse(bytes: &[u8]) -> Result<Value, NotCanonical> {
    match parse_first(bytes)? {
        (value, length) if length == bytes.len() => Ok(value),
        _ => Err(NotCanonical),
    }
}

/// Reads the value that `bytes` begin with, and says how many bytes it takes.
///
/// # Errors
/// [`NotCanonical`]
pub fn parse_first(bytes: &[u8]) -> Result<(Value, usize), NotCanonical> {
    let value: Value =
        ciborium::de::from_reader_with_recursion_limit(bytes, MAX_DEPTH).map_err(|_| NotCanonical)?;
    check(&value)?;
    let canonical = encode(&value)?;
    if bytes.starts_with(&canonical) { Ok((value, canonical.len())) } else { Err(NotCanonical) }
}

/// Writes a value. The result is canonical if the keys of its maps are in order.
///
/// # Errors
/// [`NotCanonical`], for nothing that [`parse`] returns.
pub fn encode(value: &Value) -> Result<Vec<u8>, NotCanonical> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|_| NotCanonical)?;
    Ok(bytes)
}

fn check(value: &Value) -> Result<(), NotCanonical> {
    match value {
        Value::Integer(_) | Value::Bytes(_) | Value::Text(_) | Value::Bool(_) | Value::Null => Ok(()),
        Value::Array(items) => items.iter().try_for_each(check),
        Value::Map(members) => {
            let mut last: Option<Vec<u8>> = None;
            for (key, item) in members {
                check(key)?;
                let key = encode(key)?;
                // Strictly: a second key of the same value is as wrong as a key out of order.
                if last.as_ref().is_some_and(|last| key_order(last, &key) != Ordering::Less) {
                    return Err(NotCanonical);
                }
                last = Some(key);
                check(item)?;
            }
            Ok(())
        }
        // Tags are forbidden; floats have many spellings of one number and no use here.
        _ => Err(NotCanonical),
    }
}

/// Major type, then length, then bytes.
fn key_order(one: &[u8], other: &[u8]) -> Ordering {
    let rank = |key: &[u8]| (key.first().map(|byte| byte >> 5), key.len());
    rank(one).cmp(&rank(other)).then_with(|| one.cmp(other))
}

/// The values of a map whose keys are exactly these integers, in this order.
pub fn exact_members<const N: usize>(value: &Value, keys: [i64; N]) -> Option<[&Value; N]> {
    exact(value, &keys.map(Value::from))
}

/// The values of a map whose keys are exactly these texts, in this order.
pub fn exact_texts<'v, const N: usize>(value: &'v Value, keys: [&str; N]) -> Option<[&'v Value; N]> {
    exact(value, &keys.map(Value::from))
}

fn exact<'v, const N: usize>(value: &'v Value, keys: &[Value; N]) -> Option<[&'v Value; N]> {
    let members: &[(Value, Value); N] = value.as_map()?.as_slice().try_into().ok()?;
    members
        .iter()
        .zip(keys)
        .all(|((key, _), wanted)| key == wanted)
        .then(|| members.each_ref().map(|(_, item)| item))
}

#[cfg(test)]
mod tests {
    use super::{NotCanonical, parse, parse_first};

    #[test]
    fn canonical_values_are_read() {
        for bytes in [
            &[0x00_u8][..],
            &[0x18, 0x18],
            &[0x20],
            &[0x40],
            &[0x60],
            &[0x80],
            &[0xa0],
            &[0xf4],
            &[0xf5],
            &[0xf6],
            &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x40, 0x22, 0x40],
            &[0xa2, 0x61, b'b', 0x00, 0x62, b'a', b'a', 0x00],
        ] {
            assert!(parse(bytes).is_ok(), "{bytes:02x?}");
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for (bytes, why) in [
            (&[][..], "nothing"),
            (&[0x18, 0x17], "an integer not in its shortest form"),
            (&[0x19, 0x00, 0x18], "an integer not in its shortest form"),
            (&[0x1b, 0, 0, 0, 0, 0, 0, 0, 1], "an integer not in its shortest form"),
            (&[0x38, 0x01], "a negative integer not in its shortest form"),
            (&[0x58, 0x01, 0xaa], "a length not in its shortest form"),
            (&[0x78, 0x01, b'a'], "a length not in its shortest form"),
            (&[0x98, 0x00], "a length not in its shortest form"),
            (&[0xb8, 0x00], "a length not in its shortest form"),
            (&[0x5f, 0x41, 0xaa, 0xff], "an indefinite byte string"),
            (&[0x7f, 0x61, b'a', 0xff], "an indefinite text"),
            (&[0x9f, 0xff], "an indefinite array"),
            (&[0xbf, 0xff], "an indefinite map"),
            (&[0xa2, 0x01, 0x00, 0x01, 0x00], "a duplicate key"),
            (&[0xa2, 0x03, 0x00, 0x01, 0x00], "keys out of order"),
            (&[0xa2, 0x20, 0x00, 0x01, 0x00], "a negative key before a positive"),
            (&[0xa2, 0x62, b'a', b'a', 0x00, 0x61, b'b', 0x00], "a longer key before a shorter"),
            (&[0xa1, 0x61, b'a', 0xa2, 0x02, 0x00, 0x01, 0x00], "keys out of order inside"),
            (&[0x81, 0xa2, 0x02, 0x00, 0x01, 0x00], "keys out of order inside"),
            (&[0xf9, 0x3c, 0x00], "a float"),
            (&[0xfa, 0x3f, 0x80, 0x00, 0x00], "a float"),
            (&[0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0], "a float"),
            (&[0xf7], "undefined"),
            (&[0xf0], "a simple value"),
            (&[0xf8, 0x20], "a simple value"),
            (&[0xf8, 0x14], "false in two bytes"),
            (&[0xc0, 0x60], "a tag"),
            (&[0xc2, 0x41, 0x01], "a big number"),
            (&[0xd8, 0x18, 0x40], "a tag"),
            (&[0x61, 0xff], "a text that is not UTF-8"),
            (&[0x42, 0x01], "a byte string that ends early"),
            (&[0x82, 0x01], "an array that ends early"),
            (&[0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "a length beyond all memory"),
            (&[0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "a length beyond all memory"),
            (&[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "a length beyond all memory"),
            (&[0x00, 0x00], "a byte too many"),
            (&[0xff], "a break"),
            (&[0x1c], "a reserved length"),
        ] {
            assert_eq!(parse(bytes), Err(NotCanonical), "{why}");
        }
        assert_eq!(parse(&[0x81; 5000]), Err(NotCanonical), "deep nesting");
    }

    #[test]
    fn the_first_value_ends_where_it_ends() {
        assert_eq!(parse_first(&[0x42, 1, 2, 3]).map(|(_, length)| length), Ok(3));
        assert_eq!(parse_first(&[0xa0, 0xa0]).map(|(_, length)| length), Ok(1));
    }
}
