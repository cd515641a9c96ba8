//! The examples that RFC 9421 (appendix B.2) and RFC 9530 (appendix D) publish.

use std::fmt::Write;

use data_encoding::BASE64;

use super::{Proof, ProofError, RequestHead, base::signature_base};

/// `{"hello": "world"}`, of both.
const HELLO: &[u8] = br#"{"hello": "world"}"#;

/// An example of RFC 9421: its covered components, its parameters, and the signature base that it prints.
struct Example {
    name: &'static str,
    components: &'static [(&'static str, &'static str)],
    params: &'static str,
    base: &'static str,
}

const DIGEST: &str =
    "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:";

/// Of `test-response`, as B.2.4 prints it in the signature base.
const RESPONSE_DIGEST: &str =
    "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:";

const B21: Example = Example {
    name: "B.2.1",
    components: &[],
    params: r#"();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
    base: r#""@signature-params": ();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd""#,
};

const B22: Example = Example {
    name: "B.2.2",
    components: &[
        (r#""@authority""#, "example.com"),
        (r#""content-digest""#, DIGEST),
        (r#""@query-param";name="Pet""#, "dog"),
    ],
    params: r#"("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
    base: r#""@authority": example.com
"content-digest": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:
"@query-param";name="Pet": dog
"@signature-params": ("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example""#,
};

const B23: Example = Example {
    name: "B.2.3",
    components: &[
        (r#""date""#, "Tue, 20 Apr 2021 02:07:55 GMT"),
        (r#""@method""#, "POST"),
        (r#""@path""#, "/foo"),
        (r#""@query""#, "?param=Value&Pet=dog"),
        (r#""@authority""#, "example.com"),
        (r#""content-type""#, "application/json"),
        (r#""content-digest""#, DIGEST),
        (r#""content-length""#, "18"),
    ],
    params: r#"("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
    base: r#""date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@query": ?param=Value&Pet=dog
"@authority": example.com
"content-type": application/json
"content-digest": sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss""#,
};

const B24: Example = Example {
    name: "B.2.4",
    components: &[
        (r#""@status""#, "200"),
        (r#""content-type""#, "application/json"),
        (r#""content-digest""#, RESPONSE_DIGEST),
        (r#""content-length""#, "23"),
    ],
    params: r#"("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256""#,
    base: r#""@status": 200
"content-type": application/json
"content-digest": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:
"content-length": 23
"@signature-params": ("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256""#,
};

const B25: Example = Example {
    name: "B.2.5",
    components: &[
        (r#""date""#, "Tue, 20 Apr 2021 02:07:55 GMT"),
        (r#""@authority""#, "example.com"),
        (r#""content-type""#, "application/json"),
    ],
    params: r#"("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
    base: r#""date": Tue, 20 Apr 2021 02:07:55 GMT
"@authority": example.com
"content-type": application/json
"@signature-params": ("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret""#,
};

const B26: Example = Example {
    name: "B.2.6",
    components: &[
        (r#""date""#, "Tue, 20 Apr 2021 02:07:55 GMT"),
        (r#""@method""#, "POST"),
        (r#""@path""#, "/foo"),
        (r#""@authority""#, "example.com"),
        (r#""content-type""#, "application/json"),
        (r#""content-length""#, "18"),
    ],
    params: r#"("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
    base: r#""date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519""#,
};

impl Example {
    fn written(&self) -> String {
        signature_base(self.components.iter().copied(), self.params)
    }
}

#[test]
fn the_signature_bases_of_rfc_9421_are_written() {
    for example in [B21, B22, B23, B24, B25, B26] {
        assert_eq!(example.written(), example.base, "{}", example.name);
    }
}

#[cfg(feature = "native")]
mod signatures {
    use aws_lc_rs::{
        digest, hmac,
        signature::{
            ECDSA_P256_SHA256_FIXED, ED25519, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey,
            VerificationAlgorithm,
        },
    };

    use super::{B21, B22, B23, B24, B25, B26, DIGEST, Example, HELLO};
    use data_encoding::{BASE64, BASE64URL_NOPAD};

    fn assert_signed(
        example: &Example,
        algorithm: &'static dyn VerificationAlgorithm,
        key: &[u8],
        signature: &str,
    ) {
        let signature = BASE64.decode(signature.as_bytes()).unwrap();
        let key = UnparsedPublicKey::new(algorithm, key);
        key.verify(example.written().as_bytes(), &signature)
            .unwrap_or_else(|_| panic!("the signature of {} is not over this base", example.name));
        let changed = example.written().replacen("created=1", "created=2", 1);
        assert!(key.verify(changed.as_bytes(), &signature).is_err(), "{}", example.name);
    }

    /// B.1.3, `test-key-ecc-p256`.
    #[test]
    fn the_published_ecdsa_signature_is_over_the_written_base() {
        let [x, y] =
            ["qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA", "Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0"]
                .map(|text| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap());
        let point = [&[4][..], &x, &y].concat();
        let signature =
            "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==";
        assert_signed(&B24, &ECDSA_P256_SHA256_FIXED, &point, signature);
    }

    /// B.1.4, `test-key-ed25519`.
    #[test]
    fn the_published_ed25519_signature_is_over_the_written_base() {
        let key = BASE64URL_NOPAD.decode(b"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs").unwrap();
        let signature =
            "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
        assert_signed(&B26, &ED25519, &key, signature);
    }

    /// B.1.5, `test-shared-secret`.
    #[test]
    fn the_published_hmac_is_over_the_written_base() {
        let secret =
            "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
        let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64.decode(secret.as_bytes()).unwrap());
        let tag = BASE64.decode(b"pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=").unwrap();
        hmac::verify(&key, B25.written().as_bytes(), &tag).unwrap();
    }

    /// B.1.2, `test-key-rsa-pss`.
    #[test]
    fn the_published_rsa_signatures_are_over_the_written_bases() {
        let key = BASE64.decode(RSA_PSS_KEY.as_bytes()).unwrap();
        assert_signed(
            &B21,
            &RSA_PSS_2048_8192_SHA512,
            &key,
            "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==",
        );
        assert_signed(
            &B22,
            &RSA_PSS_2048_8192_SHA512,
            &key,
            "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==",
        );
        assert_signed(
            &B23,
            &RSA_PSS_2048_8192_SHA512,
            &key,
            "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
        );
    }

    #[test]
    fn the_published_digest_is_that_of_the_body() {
        let digest = digest::digest(&digest::SHA512, HELLO);
        assert_eq!(format!("sha-512=:{}:", BASE64.encode(digest.as_ref())), DIGEST);
    }

    const RSA_PSS_KEY: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB";
}

/// Our own form of signature over a body with a digest that RFC 9530 publishes.
fn proof_of(digest: &str) -> Result<Proof, ProofError> {
    let mut input = r#"pa=("@method" "@target-uri" "content-digest");created=1;"#.to_owned();
    write!(input, r#"keyid="ses_{}";nonce="0123456789abcdef";tag="passkey-accounts""#, "0".repeat(26))
        .unwrap();
    Proof::of_request(&RequestHead {
        method: "POST",
        target_uri: "https://example.com/foo",
        signature_input: Some(input.as_bytes()),
        signature: Some(format!("pa=:{}:", BASE64.encode(&[7; 64])).as_bytes()),
        content_digest: Some(digest.as_bytes()),
    })
}

#[test]
fn the_digests_of_rfc_9530_fit_their_bodies_and_no_others() {
    for (body, digest) in [
        (HELLO, "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"),
        // B.1: with the line feed that ends the example's body.
        (b"{\"hello\": \"world\"}\n", "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"),
        // B.3: bytes 10 to 18 of it.
        (b"\"world\"}\n", "sha-256=:jjcgBDWNAtbYUXI37CVG3gRuGOAjaaDRGpIUFsdyepQ=:"),
        // B.2: no content.
        (b"", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"),
    ] {
        let proof = proof_of(digest).unwrap();
        assert_eq!(proof.check_body(body), Ok(()), "{digest}");
        assert!(matches!(proof.check_body(b"{\"hello\": \"world!\"}"), Err(ProofError::Invalid(_))));
    }
}

#[test]
fn another_algorithm_or_spelling_of_the_digest_is_refused() {
    for digest in [
        DIGEST,
        // RFC 9530 prints it with a = too many in some places.
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg==:",
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg:",
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDh=:",
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:;a",
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=: ",
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:, sha-512=:AA==:",
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:, sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
        "sha-256=RK",
        "sha-256",
        "sha-256=()",
        "SHA-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
        "",
    ] {
        assert!(matches!(proof_of(digest), Err(ProofError::Invalid(_))), "{digest}");
    }
}
