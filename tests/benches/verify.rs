//! How fast an assertion is verified, JSON in and verdict out, against the bare signature check it contains.
//!
//! `cargo bench -p passkey-accounts-tests --bench verify`. One thread, its CPU time, interleaved rounds, medians: the
//! ratios hold on a busy machine; the figures per second are the machine's.

use aws_lc_rs::{
    digest,
    signature::{
        ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};
use cpu_time::ThreadTime;
use passkey_accounts::{
    evidence::{
        Algorithm, AssertionExpectation, AuthenticationResponse, KnownPasskey, PublicKey, UserVerification,
    },
    protocol::base64url::encode,
};
use passkey_accounts_server::ceremony::registration::{
    AttestationPolicy, RegistrationExpectation, verify_registration,
};
use passkey_accounts_tests::SoftwareAuthenticator;

const ROUNDS: usize = 41;
const SIGN_INS: usize = 16;
const PASSES: usize = 8;
const CHALLENGE: [u8; 32] = [7; 32];
const ORIGIN: &str = "https://shop.example";
const RP_ID: &str = "shop.example";

fn main() {
    println!("verifications per second of thread CPU time, medians of {ROUNDS} interleaved rounds");
    println!("{:8} {:>10} {:>10} {:>10} {:>8} {:>8}", "", "ours", "bare", "key parsed", "ratio", "(parsed)");
    for algorithm in Algorithm::ALL {
        measure(algorithm);
    }
    println!(
        "bare: aws-lc-rs on the same key bytes, message and signature. ratio: ours / bare; ES256 goal 0.95."
    );
}

/// One signed answer, as JSON and as what its signature check needs.
struct SignIn {
    json: String,
    message: Vec<u8>,
    signature: Vec<u8>,
}

fn measure(algorithm: Algorithm) {
    let (stored_key, credential_id, sign_ins) = prepare(algorithm);
    let key = PublicKey::from_bytes(&stored_key).expect("a stored key");
    let point = stored_key.get(1..).expect("a key after its tag");

    let ours = || {
        for sign_in in &sign_ins {
            let key = PublicKey::from_bytes(&stored_key).expect("a stored key");
            let passkey = KnownPasskey {
                credential_id: &credential_id,
                public_key: &key,
                sign_count: 0,
                backup_eligible: false,
                user_handle: &[1],
            };
            let expected = AssertionExpectation {
                challenge: &CHALLENGE,
                origin: ORIGIN,
                rp_id: RP_ID,
                user_verification: UserVerification::Required,
                algorithms: &Algorithm::ALL,
            };
            let response = AuthenticationResponse::parse(&sign_in.json).expect("a valid answer");
            let _ = std::hint::black_box(response.verify(&expected, &passkey).expect("a valid assertion"));
        }
    };
    let bare = || {
        for sign_in in &sign_ins {
            let (message, signature) = (&sign_in.message, &sign_in.signature);
            match key.algorithm() {
                Algorithm::Es256 => {
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature)
                }
                Algorithm::EdDsa => UnparsedPublicKey::new(&ED25519, point).verify(message, signature),
                Algorithm::Rs256 => RsaPublicKeyComponents { n: point, e: &[1, 0, 1][..] }.verify(
                    &RSA_PKCS1_2048_8192_SHA256,
                    message,
                    signature,
                ),
            }
            .expect("a valid signature");
        }
    };
    let parsed = match key.algorithm() {
        Algorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point),
        Algorithm::EdDsa => ParsedPublicKey::new(&ED25519, point),
        Algorithm::Rs256 => RsaPublicKeyComponents { n: point, e: &[1, 0, 1][..] }
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256),
    }
    .expect("a valid key");
    let bare_parsed = || {
        for sign_in in &sign_ins {
            parsed.verify_sig(&sign_in.message, &sign_in.signature).expect("a valid signature");
        }
    };

    let mut seconds: [Vec<f64>; 3] = Default::default();
    for round in 0..=ROUNDS {
        let timed = [time(&ours), time(&bare), time(&bare_parsed)];
        // The first round warms caches up.
        if round > 0 {
            for (all, one) in seconds.iter_mut().zip(timed) {
                all.push(one);
            }
        }
    }
    let [ours, bare, bare_parsed] = seconds.map(|mut all| {
        all.sort_by(f64::total_cmp);
        all.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
    });
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let per_second = |seconds: f64| (SIGN_INS * PASSES) as f64 / seconds;
    println!(
        "{:8} {:>10.0} {:>10.0} {:>10.0} {:>8.3} {:>8.3}",
        format!("{algorithm:?}"),
        per_second(ours),
        per_second(bare),
        per_second(bare_parsed),
        bare / ours,
        bare_parsed / ours,
    );
}

fn time(work: &dyn Fn()) -> f64 {
    let start = ThreadTime::now();
    for _ in 0..PASSES {
        work();
    }
    start.elapsed().as_secs_f64()
}

fn prepare(algorithm: Algorithm) -> (Vec<u8>, Vec<u8>, Vec<SignIn>) {
    let mut authenticator = SoftwareAuthenticator::new([1; 32]);
    let challenge = encode(CHALLENGE);
    let create = format!(
        r#"{{"rp":{{"id":"{RP_ID}","name":"Shop"}},"user":{{"id":"AQ","name":"you","displayName":"you"}},"challenge":"{challenge}","pubKeyCredParams":[{{"type":"public-key","alg":{}}}],"authenticatorSelection":{{"residentKey":"discouraged","userVerification":"required"}}}}"#,
        algorithm.cose()
    );
    let expected = RegistrationExpectation {
        challenge: &CHALLENGE,
        origin: ORIGIN,
        rp_id: RP_ID,
        user_verification: UserVerification::Required,
        algorithms: &Algorithm::ALL,
        attestation: AttestationPolicy::NoneOrSelf,
    };
    let answer = authenticator.register(&create, ORIGIN).expect("a registration");
    let passkey = verify_registration(&answer, &expected).expect("a valid registration");
    let ask = format!(
        r#"{{"challenge":"{challenge}","rpId":"{RP_ID}","allowCredentials":[{{"type":"public-key","id":"{}"}}]}}"#,
        encode(&passkey.credential_id)
    );
    let sign_ins = (0..SIGN_INS)
        .map(|_| {
            let json = authenticator.sign_in(&ask, ORIGIN).expect("a sign-in");
            let response = AuthenticationResponse::parse(&json).expect("a valid answer");
            let hash = digest::digest(&digest::SHA256, &response.client_data_json);
            let message = [&response.authenticator_data, hash.as_ref()].concat();
            SignIn { json, message, signature: response.signature }
        })
        .collect();
    (passkey.public_key.to_bytes(), passkey.credential_id, sign_ins)
}
