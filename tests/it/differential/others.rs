//! The verification of others, with the expectations of this binary's ceremonies: webauthn-rs in this process,
//! SimpleWebAuthn in a process of Node.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use passkey_accounts::{evidence::Algorithm, protocol::base64url::encode};
use passkey_accounts_server::ceremony::registration::NewPasskey;
use passkey_accounts_tests::build::differential;
use serde_json::json;
use url::Url;
use webauthn_rs_core::{
    WebauthnCore,
    proto::{
        COSEAlgorithm, Credential, PublicKeyCredential, RegisterPublicKeyCredential, UserVerificationPolicy,
    },
};

use crate::verification::{CREATE_CHALLENGE, GET_CHALLENGE, ORIGIN, RP_ID, USER_HANDLE};

/// Accepted, or why not.
pub(super) type Verdict = Result<(), String>;

pub(super) struct WebauthnRs(WebauthnCore);

impl WebauthnRs {
    pub(super) fn new() -> Self {
        let origins = vec![Url::parse(ORIGIN).unwrap()];
        let minute = Duration::from_secs(60);
        Self(WebauthnCore::new_unsafe_experts_only("Shop", RP_ID, origins, minute, Some(false), Some(false)))
    }

    pub(super) fn register(&self, answer: &str) -> Result<Credential, String> {
        let answer: RegisterPublicKeyCredential =
            serde_json::from_str(answer).map_err(|error| format!("json: {error}"))?;
        let builder = self.0.new_challenge_register_builder(USER_HANDLE, "you", "you").unwrap();
        let builder = builder
            .user_verification_policy(UserVerificationPolicy::Required)
            .credential_algorithms(vec![COSEAlgorithm::ES256, COSEAlgorithm::EDDSA, COSEAlgorithm::RS256]);
        let (_, state) = self.0.generate_challenge_register(builder).unwrap();
        let state = with_challenge(&state, &CREATE_CHALLENGE);
        guarded(|| self.0.register_credential(&answer, &state, None).map_err(|error| format!("{error:?}")))
    }

    /// `None` for a credential that it does not take.
    pub(super) fn sign_in(&self, answer: &str, credential: Option<&Credential>) -> Verdict {
        let credential = credential.ok_or("it takes no such key")?;
        let answer: PublicKeyCredential =
            serde_json::from_str(answer).map_err(|error| format!("json: {error}"))?;
        let policy = Some(UserVerificationPolicy::Required);
        let builder = self.0.new_challenge_authenticate_builder(vec![credential.clone()], policy).unwrap();
        let (_, state) = self.0.generate_challenge_authenticate(builder).unwrap();
        let state = with_challenge(&state, &GET_CHALLENGE);
        guarded(|| {
            self.0.authenticate_credential(&answer, &state).map(drop).map_err(|error| format!("{error:?}"))
        })
    }
}

/// It panics at some keys.
fn guarded<T>(verify: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(verify)).unwrap_or_else(|_| Err("panic".to_owned()))
}

/// The state with a challenge that is the same in every run.
fn with_challenge<S: serde::Serialize + serde::de::DeserializeOwned>(state: &S, challenge: &[u8]) -> S {
    let mut value = serde_json::to_value(state).unwrap();
    assert!(value["challenge"].is_string(), "{value}");
    value["challenge"] = encode(challenge).into();
    serde_json::from_value(value).unwrap()
}

pub(super) struct SimpleWebAuthn {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl SimpleWebAuthn {
    pub(super) fn start() -> Self {
        let mut process = Command::new("node")
            .arg("verdicts.mjs")
            .current_dir(differential())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node can be started");
        let (mut to, from) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let expected = json!({
            "origin": ORIGIN,
            "rpID": RP_ID,
            "createChallenge": encode(CREATE_CHALLENGE),
            "getChallenge": encode(GET_CHALLENGE),
            "algorithms": Algorithm::ALL.map(Algorithm::cose),
        });
        writeln!(to, "{expected}").unwrap();
        Self { process, to, from: BufReader::new(from) }
    }

    /// Judges these answers, each of them a registration or of a sign-in with that passkey.
    pub(super) fn judge<'a>(
        &mut self,
        answers: impl Iterator<Item = (&'a str, Option<&'a NewPasskey>)>,
    ) -> Vec<Verdict> {
        let lines: Vec<String> = answers
            .map(|(answer, passkey)| match passkey {
                None => json!({ "answer": answer }).to_string() + "\n",
                Some(passkey) => {
                    let (id, key) = (encode(&passkey.credential_id), encode(&passkey.public_key_cose));
                    json!({ "answer": answer, "id": id, "publicKey": key }).to_string() + "\n"
                }
            })
            .collect();
        let Self { to, from, .. } = self;
        std::thread::scope(|scope| {
            // Both at a time: neither pipe has room for all of it.
            scope.spawn(|| lines.iter().for_each(|line| to.write_all(line.as_bytes()).unwrap()));
            lines.iter().map(|_| read_verdict(from)).collect()
        })
    }
}

fn read_verdict(from: &mut BufReader<ChildStdout>) -> Verdict {
    let mut line = String::new();
    assert!(from.read_line(&mut line).unwrap() > 0, "node has ended; what it said is above");
    match line.trim_end() {
        "" => Ok(()),
        reason => Err(reason.to_owned()),
    }
}

impl Drop for SimpleWebAuthn {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
