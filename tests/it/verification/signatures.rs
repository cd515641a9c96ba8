//! Edge cases of signatures and keys, after the manner of Wycheproof: each key accepts its signatures in one form only.

use passkey_accounts::evidence::{Algorithm, PublicKey, PublicKeyError};
use passkey_accounts_tests::{SoftwareAuthenticator, cbor_bytes};

use super::{authenticator, register, sign_in_answer, unchanged};
use data_encoding::HEXLOWER;
use passkey_accounts::evidence::AuthenticationResponse;

/// The order of P-256.
const N: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// The field of P-256.
const P: &str = "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff";

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// A key, a message and a valid signature.
fn signed(algorithm: Algorithm) -> (PublicKey, Vec<u8>, Vec<u8>) {
    let mut authenticator: SoftwareAuthenticator = authenticator(algorithm);
    let passkey = register(&mut authenticator);
    let answer = sign_in_answer(&mut authenticator, &passkey, &unchanged);
    let response = AuthenticationResponse::parse(&answer).unwrap();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &response.client_data_json);
    (passkey.public_key, [&response.authenticator_data, hash.as_ref()].concat(), response.signature)
}

/// DER INTEGER of an unsigned number.
pub(crate) fn integer(number: &[u8]) -> Vec<u8> {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len() - 1);
    let number = &number[start..];
    let sign: &[u8] = if number[0] & 0x80 != 0 { &[0] } else { &[] };
    raw_integer(&[sign, number].concat())
}

pub(crate) fn raw_integer(bytes: &[u8]) -> Vec<u8> {
    [&[0x02, u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
}

pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    let inner = parts.concat();
    [&[0x30, u8::try_from(inner.len()).unwrap()][..], &inner].concat()
}

/// The numbers of a DER signature, 32 bytes each.
pub(crate) fn numbers(signature: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let take = |at: usize| {
        let length = usize::from(signature[at + 1]);
        let bytes = &signature[at + 2..at + 2 + length];
        let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        ([vec![0; 32 - digits.len()], digits].concat(), at + 2 + length)
    };
    let (r, next) = take(2);
    let (s, _) = take(next);
    (r, s)
}

fn subtract(from: &[u8], number: &[u8]) -> Vec<u8> {
    let mut borrow = false;
    let mut digits: Vec<u8> = from
        .iter()
        .zip(number)
        .rev()
        .map(|(a, b)| {
            let (digit, under) = a.overflowing_sub(*b);
            let (digit, under_again) = digit.overflowing_sub(u8::from(borrow));
            borrow = under || under_again;
            digit
        })
        .collect();
    digits.reverse();
    digits
}

/// 33 bytes.
fn add(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut digits: Vec<u8> = one
        .iter()
        .zip(other)
        .rev()
        .map(|(a, b)| {
            let sum = u16::from(*a) + u16::from(*b) + carry;
            carry = sum >> 8;
            u8::try_from(sum & 0xff).unwrap()
        })
        .collect();
    digits.push(u8::try_from(carry).unwrap());
    digits.reverse();
    digits
}

#[test]
fn ecdsa_signatures_have_one_encoding_of_numbers_in_range() {
    let (key, message, signature) = signed(Algorithm::Es256);
    let (r, s) = numbers(&signature);
    let (n, p) = (hex(N), hex(P));
    assert_eq!(sequence(&[integer(&r), integer(&s)]), signature, "the signature to start from is in DER");
    assert!(key.verify(&message, &signature).is_ok());

    // ECDSA does not say which of s and n - s to use, and authenticators use both.
    let other_s = subtract(&n, &s);
    assert!(key.verify(&message, &sequence(&[integer(&r), integer(&other_s)])).is_ok(), "n - s");

    let zero = [0];
    let one = [1];
    let signed_r = integer(&r)[2..].to_vec();
    let long = |bytes: &[u8]| [&[bytes[0], 0x81], &bytes[1..]].concat();
    let longer = |bytes: &[u8]| [&[bytes[0], 0x82, 0x00], &bytes[1..]].concat();
    let cases = [
        ("r = 0", sequence(&[integer(&zero), integer(&s)])),
        ("s = 0", sequence(&[integer(&r), integer(&zero)])),
        ("r = s = 0", sequence(&[integer(&zero), integer(&zero)])),
        ("r = s = 1", sequence(&[integer(&one), integer(&one)])),
        ("r = 1", sequence(&[integer(&one), integer(&s)])),
        ("r = n", sequence(&[integer(&n), integer(&s)])),
        ("s = n", sequence(&[integer(&r), integer(&n)])),
        ("r = p", sequence(&[integer(&p), integer(&s)])),
        ("r = n, s = 1", sequence(&[integer(&n), integer(&one)])),
        ("r + n", sequence(&[integer(&add(&r, &n)), integer(&s)])),
        ("s + n", sequence(&[integer(&r), integer(&add(&s, &n))])),
        ("n - r", sequence(&[integer(&subtract(&n, &r)), integer(&s)])),
        ("r and s exchanged", sequence(&[integer(&s), integer(&r)])),
        ("r negative", sequence(&[raw_integer(&[&[0xff][..], &r].concat()), integer(&s)])),
        ("s = -1", sequence(&[integer(&r), raw_integer(&[0xff])])),
        ("r without digits", sequence(&[raw_integer(&[]), integer(&s)])),
        ("r with a zero too many", sequence(&[raw_integer(&[&[0][..], &signed_r].concat()), integer(&s)])),
        ("s with a zero too many", sequence(&[integer(&r), raw_integer(&[&[0, 0][..], &s].concat())])),
        ("a long length of the sequence", long(&signature)),
        ("a longer length of the sequence", longer(&signature)),
        ("a long length of r", sequence(&[long(&integer(&r)), integer(&s)])),
        ("a long length of s", sequence(&[integer(&r), long(&integer(&s))])),
        ("an indefinite length", [&[0x30, 0x80][..], &signature[2..], &[0, 0]].concat()),
        ("a byte after the sequence", [&signature[..], &[0]].concat()),
        ("a byte in the sequence", sequence(&[integer(&r), integer(&s), vec![0]])),
        ("a third number", sequence(&[integer(&r), integer(&s), integer(&one)])),
        ("one number", sequence(&[integer(&r)])),
        ("no number", sequence(&[])),
        ("a set", [&[0x31][..], &signature[1..]].concat()),
        ("r a byte string", sequence(&[[&[0x04][..], &integer(&r)[1..]].concat(), integer(&s)])),
        ("s a boolean", sequence(&[integer(&r), vec![0x01, 0x01, 0xff]])),
        ("not in DER (64 bytes)", [r.clone(), s.clone()].concat()),
        ("nested", sequence(std::slice::from_ref(&signature))),
        ("empty", Vec::new()),
    ];
    for (name, wrong) in cases {
        assert!(key.verify(&message, &wrong).is_err(), "{name}");
    }
    for length in 0..signature.len() {
        assert!(key.verify(&message, &signature[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn a_number_without_its_sign_byte_is_refused() {
    // Half of all signatures need a sign byte before r.
    for _ in 0..64 {
        let (key, message, signature) = signed(Algorithm::Es256);
        let (r, s) = numbers(&signature);
        if r[0] & 0x80 != 0 {
            let negative = sequence(&[raw_integer(&r), integer(&s)]);
            assert!(key.verify(&message, &negative).is_err());
            return;
        }
    }
    panic!("64 signatures without the first bit of r");
}

#[test]
fn ed25519_signatures_are_canonical() {
    // The order of the group, little-endian.
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let (key, message, signature) = signed(Algorithm::EdDsa);
    assert!(key.verify(&message, &signature).is_ok());
    let (r, s) = signature.split_at(32);
    let reversed = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
    let plus_order = |number: &[u8]| {
        let sum = add(&reversed(number), &reversed(&order));
        assert_eq!(sum[0], 0);
        reversed(&sum[1..])
    };
    // The point of order 1 in two encodings, one of them not canonical (y = p + 1).
    let neutral = [vec![1], vec![0; 31]].concat();
    let neutral_again = [vec![0xee], vec![0xff; 30], vec![0x7f]].concat();
    for (name, wrong) in [
        ("s + L", [r.to_vec(), plus_order(s)].concat()),
        ("s + 2 L", [r.to_vec(), plus_order(&plus_order(s))].concat()),
        ("s = L", [r, &order].concat()),
        ("s = 0", [r, &[0; 32]].concat()),
        ("s with its top bit set", [&signature[..63], &[signature[63] | 0x80]].concat()),
        ("R with its sign changed", [&signature[..31], &[signature[31] ^ 0x80], s].concat()),
        ("R neutral", [&neutral[..], s].concat()),
        ("R neutral, s = 0", [&neutral[..], &[0; 32]].concat()),
        ("R neutral and not canonical, s = 0", [&neutral_again[..], &[0; 32]].concat()),
        ("R zero, s = 0", vec![0; 64]),
        ("63 bytes", signature[..63].to_vec()),
        ("65 bytes", [&signature[..], &[0]].concat()),
        ("32 bytes", r.to_vec()),
        ("empty", Vec::new()),
        ("s before R", [s, r].concat()),
    ] {
        assert!(key.verify(&message, &wrong).is_err(), "{name}");
    }
}

#[test]
fn rsa_signatures_are_as_long_as_the_modulus() {
    let (key, message, signature) = signed(Algorithm::Rs256);
    assert_eq!(signature.len(), 256);
    assert!(key.verify(&message, &signature).is_ok());
    let modulus = key.to_bytes()[1..].to_vec();
    let mut n_minus_1 = modulus.clone();
    n_minus_1[255] -= 1;
    for (name, wrong) in [
        ("a zero before it", [&[0][..], &signature].concat()),
        ("a zero after it", [&signature[..], &[0]].concat()),
        ("without its last byte", signature[..255].to_vec()),
        ("without its first byte", signature[1..].to_vec()),
        ("zero", vec![0; 256]),
        ("one", [vec![0; 255], vec![1]].concat()),
        ("n", modulus.clone()),
        ("n - 1", n_minus_1),
        ("s + n", add(&signature, &modulus)),
        ("reversed", signature.iter().rev().copied().collect()),
        ("empty", Vec::new()),
    ] {
        assert!(key.verify(&message, &wrong).is_err(), "{name}");
    }
}

#[test]
fn rsa_signatures_of_another_scheme_are_refused() {
    use aws_lc_rs::{
        rand::SystemRandom,
        rsa::{KeyPair, KeySize},
        signature::{
            KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding,
            RsaPublicKeyComponents,
        },
    };
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let parts = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    let key = PublicKey::from_cose(&rsa_cose(&parts.n, &parts.e)).unwrap();
    let verdict = |scheme: &'static dyn RsaEncoding| {
        let mut signature = vec![0; 256];
        pair.sign(scheme, &SystemRandom::new(), b"message", &mut signature).unwrap();
        key.verify(b"message", &signature).is_ok()
    };
    assert!(verdict(&RSA_PKCS1_SHA256));
    assert!(!verdict(&RSA_PKCS1_SHA384));
    assert!(!verdict(&RSA_PKCS1_SHA512));
    assert!(!verdict(&RSA_PSS_SHA256));
}

fn rsa_cose(n: &[u8], e: &[u8]) -> Vec<u8> {
    [&[0xa4, 0x01, 0x03, 0x03, 0x39, 0x01, 0x00, 0x20][..], &cbor_bytes(n), &[0x21], &cbor_bytes(e)].concat()
}

#[test]
fn rsa_keys_are_of_a_sane_size() {
    let e = [1, 0, 1];
    let modulus = |bytes: usize| {
        let mut modulus = vec![0xb5; bytes];
        modulus[bytes - 1] = 0x01;
        modulus
    };
    for bytes in [256, 384, 512] {
        assert!(PublicKey::from_cose(&rsa_cose(&modulus(bytes), &e)).is_ok(), "{bytes} bytes");
    }
    let even = |mut modulus: Vec<u8>| {
        *modulus.last_mut().unwrap() = 0x02;
        modulus
    };
    let mut bits_2047 = modulus(256);
    bits_2047[0] = 0x7f;
    for (name, n, e) in [
        ("1024 bits", modulus(128), &e[..]),
        ("2047 bits", bits_2047, &e),
        ("4104 bits", modulus(513), &e),
        ("a leading zero", [vec![0], modulus(256)].concat(), &e),
        ("an even modulus", even(modulus(256)), &e),
        ("no modulus", Vec::new(), &e),
        ("e = 1", modulus(256), &[1]),
        ("e = 3", modulus(256), &[3]),
        ("e = 65536", modulus(256), &[1, 0, 0]),
        ("e = 65537 with a leading zero", modulus(256), &[0, 1, 0, 1]),
        ("e beyond 33 bits", modulus(256), &[4, 0, 0, 0, 1]),
        ("no exponent", modulus(256), &[]),
    ] {
        assert!(PublicKey::from_cose(&rsa_cose(&n, e)).is_err(), "{name}");
    }
}

#[test]
fn ed25519_keys_are_points_of_prime_order() {
    let cose = |x: &[u8]| [&[0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21][..], &cbor_bytes(x)].concat();
    let (key, ..) = signed(Algorithm::EdDsa);
    assert!(PublicKey::from_cose(&cose(&key.to_bytes()[1..])).is_ok());
    // The eight points of small order, and other encodings of them (draft-irtf-cfrg-... and libsodium's blocklist).
    for point in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        // y = 2 is on no point.
        "0200000000000000000000000000000000000000000000000000000000000000",
        // The base point plus a point of order 2: y changed to -y, x to -x.
        "9599999999999999999999999999999999999999999999999999999999999999",
    ] {
        assert!(PublicKey::from_cose(&cose(&hex(point))).is_err(), "{point}");
    }
    for length in [0, 31, 33] {
        assert!(PublicKey::from_cose(&cose(&vec![9; length])).is_err(), "{length} bytes");
    }
}

#[test]
fn keys_of_other_algorithms_are_named() {
    let object = |alg: &[u8]| [&[0xa2, 0x01, 0x02, 0x03][..], alg].concat();
    for (alg, number) in [(&[0x38, 0x22][..], -35), (&[0x38, 0x23], -36), (&[0x38, 0x34], -53), (&[0x26], -7)]
    {
        let error = PublicKey::from_cose(&object(alg)).unwrap_err();
        match number {
            -7 => assert!(matches!(error, PublicKeyError::Malformed(_)), "{error}"),
            _ => assert_eq!(error, PublicKeyError::Algorithm(number)),
        }
    }
}
