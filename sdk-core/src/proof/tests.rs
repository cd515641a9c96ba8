//! What is read as a proof, and what is not. Signatures are not looked at here.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use proptest::{collection::vec, prelude::*};

use super::{MAX_AGE_MS, MAX_FIELD_BYTES, MAX_TOKEN_BYTES, Proof, ProofError, RequestHead};
use crate::protocol::{SessionID, UnixMillis};

const URI: &str = "https://app.example/notes?q=%20a";
const CREATED: u64 = 1_795_370_400;
const DIGEST: &str = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
const BODY: &[u8] = br#"{"hello": "world"}"#;

fn session_id() -> SessionID {
    SessionID::from_bytes([7; 16])
}

fn params() -> String {
    format!(
        r#";created={CREATED};keyid="{}";nonce="0123456789abcdefghij_-";tag="passkey-accounts""#,
        session_id()
    )
}

fn signature() -> String {
    format!("pa=:{}:", BASE64.encode(&[0xfe; 64]))
}

fn read(input: &str, signature: &str, digest: Option<&str>) -> Result<Proof, ProofError> {
    Proof::of_request(&RequestHead {
        method: "POST",
        target_uri: URI,
        signature_input: Some(input.as_bytes()),
        signature: Some(signature.as_bytes()),
        content_digest: digest.map(str::as_bytes),
    })
}

fn covered() -> String {
    format!(r#"pa=("@method" "@target-uri" "content-digest"){}"#, params())
}

fn is_invalid<T>(result: &Result<T, ProofError>) -> bool {
    matches!(result, Err(ProofError::Invalid(_)))
}

#[test]
fn a_proof_says_what_was_signed_and_by_which_session() {
    let proof = read(&covered(), &signature(), Some(DIGEST)).unwrap();
    assert_eq!(proof.session_id(), session_id());
    assert_eq!(proof.signature(), &[0xfe; 64]);
    let expected = format!(
        "\"@method\": POST\n\"@target-uri\": {URI}\n\"content-digest\": {DIGEST}\n\"@signature-params\": {}",
        covered().trim_start_matches("pa=")
    );
    assert_eq!(str::from_utf8(proof.signed()).unwrap(), expected);
    assert_eq!(proof.check_body(BODY), Ok(()));
    assert!(is_invalid(&proof.check_body(b"")));

    let input = format!(r#"pa=("@method" "@target-uri"){}"#, params());
    let proof = read(&input, &signature(), None).unwrap();
    assert!(!proof.signed().windows(7).any(|part| part == b"content"));
    assert_eq!(proof.check_body(b""), Ok(()));
    assert!(is_invalid(&proof.check_body(b"{}")));
}

#[test]
fn another_spelling_of_the_same_parameters_is_signed_as_it_must_be_written() {
    let input = format!(
        r#" other=("date");x, pa=( "@method"   "@target-uri" );alg="ecdsa-p256-sha256"; tag="passkey-accounts";nonce="0123456789abcdef";keyid="{}";created={CREATED} "#,
        session_id()
    );
    let proof = read(&input, &format!("z=?1,  {}", signature()), None).unwrap();
    let signed = str::from_utf8(proof.signed()).unwrap();
    let params = format!(
        r#""@signature-params": ("@method" "@target-uri");alg="ecdsa-p256-sha256";tag="passkey-accounts";nonce="0123456789abcdef";keyid="{}";created={CREATED}"#,
        session_id()
    );
    assert!(signed.ends_with(&params), "{signed}");
}

#[test]
fn a_request_without_a_signature_of_ours_has_no_proof() {
    let of = |input: Option<&'static str>, signature: Option<&'static str>| {
        let bytes = |text: Option<&'static str>| text.map(str::as_bytes);
        Proof::of_request(&RequestHead {
            method: "GET",
            target_uri: URI,
            signature_input: bytes(input),
            signature: bytes(signature),
            content_digest: None,
        })
        .unwrap_err()
    };
    assert_eq!(of(None, None), ProofError::Missing);
    assert_eq!(of(Some("proxy=();created=1"), Some("proxy=:AAAA:")), ProofError::Missing);
    assert_eq!(of(Some(""), Some("")), ProofError::Missing);
    for (input, signature) in
        [(Some("pa=()"), None), (None, Some("pa=:AAAA:")), (Some("pa=()"), Some("x=:AA==:"))]
    {
        assert!(matches!(of(input, signature), ProofError::Invalid(_)), "{input:?} {signature:?}");
    }
}

#[test]
fn other_covered_components_are_refused() {
    for list in [
        r#"()"#,
        r#"("@method")"#,
        r#"("@target-uri" "@method")"#,
        r#"("@method" "@method")"#,
        r#"("@method" "@target-uri" "content-digest" "content-digest")"#,
        r#"("@method" "@target-uri" "content-digest" "date")"#,
        r#"("@method" "@target-uri" "date")"#,
        r#"("@method" "content-digest" "@target-uri")"#,
        r#"("@method" "@target-uri" "Content-Digest")"#,
        r#"("@method";req "@target-uri" "content-digest")"#,
        r#"("@method" "@target-uri" "content-digest";sf)"#,
        r#"("@method" "@path" "content-digest")"#,
        r#"(@method "@target-uri" "content-digest")"#,
        r#"("@method" "@target-uri" :AAAA:)"#,
        r#""@method""#,
        r#"?1"#,
    ] {
        let input = format!("pa={list}{}", params());
        assert!(is_invalid(&read(&input, &signature(), Some(DIGEST))), "{list}");
    }
}

#[test]
fn the_digest_is_there_if_and_only_if_it_is_covered() {
    let uncovered = format!(r#"pa=("@method" "@target-uri"){}"#, params());
    assert!(is_invalid(&read(&uncovered, &signature(), Some(DIGEST))));
    assert!(is_invalid(&read(&covered(), &signature(), None)));
}

#[test]
fn parameters_that_are_missing_doubled_or_not_known_are_refused() {
    let list = r#"pa=("@method" "@target-uri" "content-digest")"#;
    let all = [
        format!(";created={CREATED}"),
        format!(";keyid=\"{}\"", session_id()),
        ";nonce=\"0123456789abcdef\"".to_owned(),
        ";tag=\"passkey-accounts\"".to_owned(),
    ];
    let with = |params: &[&str]| read(&format!("{list}{}", params.concat()), &signature(), Some(DIGEST));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert!(with(&all).is_ok());
    for index in 0..all.len() {
        let mut fewer = all.clone();
        let one = fewer.remove(index);
        assert!(is_invalid(&with(&fewer)), "without {one}");
        let mut doubled = all.clone();
        doubled.push(one);
        assert!(is_invalid(&with(&doubled)), "twice {one}");
    }
    for more in [
        ";expires=1895370400",
        ";alg=\"ed25519\"",
        ";alg=\"none\"",
        ";alg=ecdsa-p256-sha256",
        ";alg=\"ecdsa-p256-sha256\";alg=\"ecdsa-p256-sha256\"",
        ";x",
        ";Created=1",
    ] {
        let params = [&all[..], &[more]].concat();
        assert!(is_invalid(&with(&params)), "{more}");
    }
    for (index, others) in [
        (
            0,
            &[
                ";created=-1",
                ";created=\"1795370400\"",
                ";created=1795370400.0",
                ";created=@1795370400",
                ";created",
            ][..],
        ),
        (
            1,
            &[
                ";keyid=\"\"",
                ";keyid=\"acct_00000000000000000000000000\"",
                ";keyid=ses_00000000000000000000000000",
            ][..],
        ),
        (
            2,
            &[
                ";nonce=\"0123456789abcde\"",
                ";nonce=\"0123456789abcde+\"",
                ";nonce=0123456789abcdef",
                ";nonce=:AAAA:",
                ";nonce=\"0123456789abcde\\\"\"",
                ";nonce=\"01234567890123456789012345678901234567890123456789012345678901234\"",
            ][..],
        ),
        (3, &[";tag=\"other\"", ";tag=passkey-accounts", ";tag=\"Passkey-Accounts\""][..]),
    ] {
        for other in others {
            let mut params = all.clone();
            params[index] = other;
            assert!(is_invalid(&with(&params)), "{other}");
        }
    }
}

#[test]
fn two_signatures_or_another_spelling_of_one_are_refused() {
    let good = signature();
    let twice = [good.as_str(), good.as_str()].join(", ");
    let b64 = BASE64.encode(&[0xfe; 64]);
    let refused = [
        twice,
        format!("pa=:{}:", b64.trim_end_matches('=')),
        // Bits that nothing accounts for: /g== and /h== are the same 8 bits.
        good.replace("g==", "h=="),
        format!("{good};x"),
        format!("pa=:{}:", BASE64.encode(&[1; 63])),
        format!("pa=:{}:", BASE64.encode(&[1; 65])),
        "pa=::".to_owned(),
        "pa".to_owned(),
        "pa=(:AAAA:)".to_owned(),
        format!("pa=\"{b64}\""),
        format!("{good},"),
        format!("{good} x"),
        String::from("pa=:"),
    ];
    assert!(good.contains("g=="));
    for signature in refused {
        assert!(is_invalid(&read(&covered(), &signature, Some(DIGEST))), "{signature}");
    }
    let two_inputs = format!("{}, {}", covered(), covered());
    assert!(is_invalid(&read(&two_inputs, &good, Some(DIGEST))));
    for input in ["pa=(", "pa=(\"@method\"", "=", "pa==", "\u{fc}=1", "pa=(\"@method\n\")"] {
        assert!(is_invalid(&read(input, &good, Some(DIGEST))), "{input}");
    }
}

#[test]
fn fields_have_a_limit() {
    let long = |input: String| format!("{input}, x=\"{}\"", "a".repeat(MAX_FIELD_BYTES));
    assert!(is_invalid(&read(&long(covered()), &signature(), Some(DIGEST))));
    assert!(is_invalid(&read(&covered(), &long(signature()), Some(DIGEST))));
    let just = format!("{}, x=\"{}\"", covered(), "a".repeat(MAX_FIELD_BYTES - covered().len() - 6));
    assert_eq!(just.len(), MAX_FIELD_BYTES);
    assert!(read(&just, &signature(), Some(DIGEST)).is_ok());
}

#[test]
fn an_address_or_method_that_cannot_be_signed_is_refused() {
    let input = format!(r#"pa=("@method" "@target-uri"){}"#, params());
    for (method, target_uri) in [
        ("GET", "https://app.example/\u{fc}"),
        ("GET", "https://app.example/\n\"@method\": POST"),
        ("GET", "https://app.example/ a"),
        ("GET\n", URI),
        ("", URI),
        ("GET", ""),
    ] {
        let proof = Proof::of_request(&RequestHead {
            method,
            target_uri,
            signature_input: Some(input.as_bytes()),
            signature: Some(signature().as_bytes()),
            content_digest: None,
        });
        assert!(is_invalid(&proof), "{method:?} {target_uri:?}");
    }
}

#[test]
fn a_proof_is_of_now_within_sixty_seconds_and_not_a_millisecond_more() {
    let proof = read(&covered(), &signature(), Some(DIGEST)).unwrap();
    let created = CREATED * 1_000;
    for now in [created - MAX_AGE_MS, created, created + MAX_AGE_MS] {
        assert_eq!(proof.check_time(UnixMillis(now)), Ok(()), "{now}");
    }
    for now in [0, created - MAX_AGE_MS - 1, created + MAX_AGE_MS + 1, u64::MAX] {
        assert_eq!(proof.check_time(UnixMillis(now)), Err(ProofError::Expired), "{now}");
    }
    let far = covered().replace(&CREATED.to_string(), "999999999999999");
    let far = read(&far, &signature(), Some(DIGEST)).unwrap();
    assert_eq!(far.check_time(UnixMillis(created)), Err(ProofError::Expired));
}

const AUDIENCE: &str = "wss://app.example/live";
const NONCE: &str = "given";

fn header() -> String {
    format!(r#"{{"alg":"ES256","kid":"{}","typ":"session-proof+jwt"}}"#, session_id())
}

fn claims() -> String {
    let jti = BASE64URL_NOPAD.encode(&[9; 16]);
    format!(r#"{{"aud":"{AUDIENCE}","nonce":"{NONCE}","iat":{CREATED},"jti":"{jti}"}}"#)
}

fn token(header: &str, claims: &str) -> String {
    let [header, claims] = [header, claims].map(|text| BASE64URL_NOPAD.encode(text.as_bytes()));
    format!("{header}.{claims}.{}", BASE64URL_NOPAD.encode(&[0xfe; 64]))
}

#[test]
fn a_token_says_what_was_signed_and_by_which_session() {
    let token = token(&header(), &claims());
    let proof = Proof::of_socket(&token, AUDIENCE, NONCE).unwrap();
    assert_eq!(proof.session_id(), session_id());
    assert_eq!(proof.signed(), token.rsplit_once('.').unwrap().0.as_bytes());
    assert_eq!(proof.signature(), &[0xfe; 64]);
    assert_eq!(proof.check_time(UnixMillis(CREATED * 1_000)), Ok(()));
    assert_eq!(proof.check_time(UnixMillis(0)), Err(ProofError::Expired));
}

#[test]
fn a_token_for_another_audience_or_nonce_is_refused() {
    let token = token(&header(), &claims());
    for (audience, nonce) in
        [("wss://app.example/LIVE", NONCE), ("", NONCE), (AUDIENCE, ""), (AUDIENCE, "Given")]
    {
        assert!(is_invalid(&Proof::of_socket(&token, audience, nonce)), "{audience} {nonce}");
    }
    assert_eq!(Proof::of_socket("", AUDIENCE, NONCE).unwrap_err(), ProofError::Missing);
}

#[test]
fn a_token_of_another_form_is_refused() {
    let good = token(&header(), &claims());
    let bare = |header: &str, claims: &str| token(header, claims);
    let mut refused = vec![
        "a".to_owned(),
        "..".to_owned(),
        good.replace('.', " . "),
        format!("{good}="),
        format!("{good}.{}", "x"),
        format!(".{good}"),
        good.rsplit_once('.').unwrap().0.to_owned(),
        format!("{}.", good.rsplit_once('.').unwrap().0),
        "x".repeat(MAX_TOKEN_BYTES + 1),
    ];
    for (from, to) in [
        ("ES256", "none"),
        ("ES256", "HS256"),
        ("ES256", "es256"),
        ("\"ES256\"", "null"),
        ("session-proof+jwt", "JWT"),
        ("ses_", "acct_"),
        ("{", "{\"alg\":\"ES256\","),
        ("{", "{\"crit\":[\"b64\"],"),
        ("{", "{\"b64\":false,"),
        ("{", "{\"jwk\":{},"),
        ("\"typ\":\"session-proof+jwt\"", "\"x\":1"),
        ("{", "["),
        ("}", "}}"),
    ] {
        refused.push(bare(&header().replacen(from, to, 1), &claims()));
    }
    for (from, to) in [
        ("\"iat\":1795370400", "\"iat\":1795370400.0"),
        ("\"iat\":1795370400", "\"iat\":-1"),
        ("\"iat\":1795370400", "\"iat\":\"1795370400\""),
        ("\"wss://app.example/live\"", "[\"wss://app.example/live\"]"),
        ("{", "{\"exp\":1,"),
        ("{", "{\"aud\":\"wss://app.example/live\","),
        ("\"jti\":\"", "\"jti\":\"AA"),
        ("\"nonce\":\"given\",", ""),
    ] {
        let changed = claims().replacen(from, to, 1);
        assert_ne!(changed, claims(), "{from}");
        refused.push(bare(&header(), &changed));
    }
    for token in refused {
        assert!(is_invalid(&Proof::of_socket(&token, AUDIENCE, NONCE)), "{token}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(
        input in vec(any::<u8>(), 0..200), signature in vec(any::<u8>(), 0..200), digest in vec(any::<u8>(), 0..80),
        method in "\\PC{0,8}", target_uri in "\\PC{0,40}",
    ) {
        let _ = Proof::of_request(&RequestHead {
            method: &method,
            target_uri: &target_uri,
            signature_input: Some(&input),
            signature: Some(&signature),
            content_digest: Some(&digest),
        });
    }

    #[test]
    fn no_change_of_good_fields_makes_the_reader_panic(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(), which in 0..3_usize,
    ) {
        let mut fields = [covered(), signature(), DIGEST.to_owned()].map(String::into_bytes);
        let field = &mut fields[which];
        let index = at.index(field.len());
        field[index] = byte;
        field.truncate(cut.index(field.len()).max(index) + 1);
        let [input, signature, digest] = &fields;
        let proof = Proof::of_request(&RequestHead {
            method: "POST",
            target_uri: URI,
            signature_input: Some(input),
            signature: Some(signature),
            content_digest: Some(digest),
        });
        // What is read is signed: nothing of it may be left out.
        if let Ok(proof) = proof && which == 0 {
            let good = read(&covered(), &self::signature(), Some(DIGEST)).unwrap();
            prop_assert!(*input == covered().into_bytes() || proof.signed() != good.signed());
        }
    }

    #[test]
    fn no_token_makes_the_reader_panic(token in "\\PC{0,60}", at in any::<prop::sample::Index>(), byte in 0x21_u8..0x7f) {
        let _ = Proof::of_socket(&token, AUDIENCE, NONCE);
        let mut changed = self::token(&header(), &claims()).into_bytes();
        let index = at.index(changed.len());
        changed[index] = byte;
        let _ = Proof::of_socket(str::from_utf8(&changed).unwrap(), AUDIENCE, NONCE);
    }
}
