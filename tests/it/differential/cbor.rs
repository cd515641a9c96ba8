//! Changes of CBOR that know its structure: another value, another order, another spelling.

use fastrand::Rng;
use passkey_accounts::evidence::cbor::{Value, parse};
use passkey_accounts_tests::{cbor_bytes, cbor_text};

/// Changes one value somewhere inside, or how something is spelt. What is no CBOR stays as it is.
pub(super) fn change(bytes: &mut Vec<u8>, rng: &mut Rng) {
    let Ok(mut value) = parse(bytes) else { return };
    let is_spelt_wrongly = rng.bool();
    if !is_spelt_wrongly || rng.u8(..4) == 0 {
        change_inside(&mut value, rng);
    }
    let mut spelling = Spelling { wrong_in: is_spelt_wrongly.then(|| rng.usize(..8)), rng };
    let mut written = Vec::new();
    spelling.write(&value, &mut written);
    if rng.u8(..12) == 0 {
        written.push(0);
    }
    *bytes = written;
}

/// Goes down with a chance at every level, and changes what it finds there.
fn change_inside(value: &mut Value, rng: &mut Rng) {
    let goes_down = rng.u8(..4) > 0;
    match value {
        Value::Map(members) if goes_down && !members.is_empty() => {
            let at = rng.usize(..members.len());
            let (name, item) = &mut members[at];
            change_inside(if rng.u8(..4) == 0 { name } else { item }, rng);
        }
        Value::Array(items) if goes_down && !items.is_empty() => {
            let at = rng.usize(..items.len());
            change_inside(&mut items[at], rng);
        }
        Value::Map(members) => match rng.u8(..5) {
            0 if !members.is_empty() => drop(members.remove(rng.usize(..members.len()))),
            1 if !members.is_empty() => {
                let member = members[rng.usize(..members.len())].clone();
                members.insert(rng.usize(..=members.len()), member);
            }
            2 if members.len() > 1 => {
                let (one, other) = (rng.usize(..members.len()), rng.usize(..members.len()));
                members.swap(one, other);
            }
            3 => members.insert(rng.usize(..=members.len()), (any(rng), any(rng))),
            _ => *value = any(rng),
        },
        Value::Array(items) => items.push(any(rng)),
        Value::Bytes(bytes) if rng.u8(..4) > 0 => match rng.u8(..5) {
            0 => bytes.push(rng.u8(..)),
            1 => drop(bytes.pop()),
            2 => bytes.insert(0, 0),
            3 => bytes.clear(),
            _ if bytes.is_empty() => {}
            _ => {
                let at = rng.usize(..bytes.len());
                bytes[at] ^= 1 << rng.u8(..8);
            }
        },
        Value::Integer(number) if rng.bool() => {
            let number = i64::try_from(*number).unwrap_or_default();
            *value = Value::from([number + 1, number - 1, -number, -1 - number][rng.usize(..4)]);
        }
        Value::Text(text) if rng.bool() => text.push('x'),
        _ if rng.u8(..4) == 0 => *value = Value::Tag(rng.u64(..30), Box::new(value.clone())),
        _ => *value = any(rng),
    }
}

fn any(rng: &mut Rng) -> Value {
    match rng.u8(..10) {
        0 => Value::from(rng.i64(-40..40)),
        1 => Value::from([-7, -8, -257, -35, -65_535, 1_i64 << 40][rng.usize(..6)]),
        2 => Value::Bytes(vec![rng.u8(..); rng.usize(..40)]),
        3 => Value::Text(["alg", "sig", "x5c", "", "none"][rng.usize(..5)].to_owned()),
        4 => Value::Bool(rng.bool()),
        5 => Value::Null,
        6 => Value::Float([0.0, 1.0, -7.0, f64::NAN][rng.usize(..4)]),
        7 => Value::Array(vec![]),
        8 => Value::Map(vec![]),
        _ => Value::Tag(2, Box::new(Value::Bytes(vec![1]))),
    }
}

/// Writes values canonically, but for one of them.
struct Spelling<'a> {
    /// How many values come before it.
    wrong_in: Option<usize>,
    rng: &'a mut Rng,
}

impl Spelling<'_> {
    fn is_wrong_here(&mut self) -> bool {
        let is_here = self.wrong_in == Some(0);
        self.wrong_in = self.wrong_in.and_then(|left| left.checked_sub(1));
        is_here
    }

    fn head(&mut self, major: u8, number: u64, is_wrong: bool, to: &mut Vec<u8>) {
        let least = match number {
            0..24 => 0,
            24..0x100 => 1,
            0x100..0x1_0000 => 2,
            0x1_0000..0x1_0000_0000 => 4,
            _ => 8,
        };
        let widths: &[usize] = if is_wrong { &[1, 2, 4, 8] } else { &[0, 1, 2, 4, 8] };
        let longer: Vec<_> = widths.iter().copied().filter(|width| *width > least).collect();
        let width =
            if is_wrong && !longer.is_empty() { longer[self.rng.usize(..longer.len())] } else { least };
        let bytes = number.to_be_bytes();
        let additional = match width {
            0 => bytes[7],
            1 => 24,
            2 => 25,
            4 => 26,
            _ => 27,
        };
        to.push(major << 5 | additional);
        to.extend_from_slice(&bytes[8 - width..]);
    }

    fn write(&mut self, value: &Value, to: &mut Vec<u8>) {
        let is_wrong = self.is_wrong_here();
        let is_endless = is_wrong && self.rng.bool();
        match value {
            Value::Integer(number) => {
                let number = i128::from(*number);
                let (major, number) = if number < 0 { (1, -1 - number) } else { (0, number) };
                self.head(major, u64::try_from(number).unwrap(), is_wrong, to);
            }
            Value::Bytes(bytes) if is_endless => {
                to.extend([&[0x5f][..], &cbor_bytes(bytes), &[0xff]].concat());
            }
            Value::Text(text) if is_endless => to.extend([&[0x7f][..], &cbor_text(text), &[0xff]].concat()),
            Value::Bytes(bytes) => {
                self.head(2, bytes.len() as u64, is_wrong, to);
                to.extend_from_slice(bytes);
            }
            Value::Text(text) => {
                self.head(3, text.len() as u64, is_wrong, to);
                to.extend_from_slice(text.as_bytes());
            }
            Value::Array(items) => {
                if is_endless {
                    to.push(0x9f);
                } else {
                    self.head(4, items.len() as u64, is_wrong, to);
                }
                items.iter().for_each(|item| self.write(item, to));
                to.extend(is_endless.then_some(0xff));
            }
            Value::Map(members) => {
                if is_endless {
                    to.push(0xbf);
                } else {
                    self.head(5, members.len() as u64, is_wrong, to);
                }
                for (name, item) in members {
                    self.write(name, to);
                    self.write(item, to);
                }
                to.extend(is_endless.then_some(0xff));
            }
            Value::Tag(tag, item) => {
                self.head(6, *tag, is_wrong, to);
                self.write(item, to);
            }
            Value::Bool(is_true) => to.push(if *is_true { 0xf5 } else { 0xf4 }),
            Value::Float(number) => to.extend([&[0xfb][..], &number.to_be_bytes()].concat()),
            _ => to.push(0xf6),
        }
    }
}
