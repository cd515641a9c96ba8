//! Apps with the policy `hardware`: what signs up there, and what signs in after the policy has changed.

use std::{
    fs,
    process::{Command, Output},
};

use passkey_accounts::protocol::{
    Code,
    gateway::{Policy, ServerMessage},
};
use passkey_accounts_server::ceremony::Authenticators;
use passkey_accounts_tests::{Maker, Page, SoftwareAuthenticator, Stage, TestServer, build::server_binary};
use serde_json::Value;
use tempfile::TempDir;

use crate::serve::write_secret;

const ADA: &str = "ada@example.org";
const MODEL: [u8; 16] = [0xaa; 16];

fn security_key(maker: &Maker, seed: u8) -> SoftwareAuthenticator {
    let mut key = SoftwareAuthenticator::new([seed; 32]);
    key.aaguid = MODEL;
    key.attestation = Some(maker.attest(&MODEL));
    key
}

fn listed(maker: &Maker) -> Authenticators {
    let mut listed = Authenticators::default();
    listed.trust(MODEL, maker.root.clone().into()).unwrap();
    listed
}

async fn server_for(maker: &Maker) -> TestServer {
    let mut server = TestServer::start().await;
    server.require_hardware(listed(maker)).await;
    server
}

#[tokio::test]
async fn a_listed_security_key_signs_up_and_in_and_adds_another() {
    let maker = Maker::default();
    let server = server_for(&maker).await;
    let (mut first, mut second) = (security_key(&maker, 1), security_key(&maker, 2));
    let mut page = Page::connect(&server).await;
    let up = page.sign_up(&server, ADA, &mut first).await;
    page.add_passkey(&mut second, &mut first).await;
    page.sign_out().await;
    let session = page.sign_in(ADA, &mut second).await;
    assert_eq!(session.account_id, up.account_id);
}

#[tokio::test]
async fn the_browser_is_asked_for_a_security_key_and_its_makers_word() {
    let maker = Maker::default();
    let mut server = server_for(&maker).await;
    let asked = creation_options(&server).await;
    assert_eq!(
        (&asked["attestation"], &asked["hints"]),
        (&"direct".into(), &serde_json::json!(["security-key"]))
    );
    assert_eq!(asked["authenticatorSelection"]["residentKey"], "discouraged");
    server.set_policy(Policy::Strict).await;
    let asked = creation_options(&server).await;
    assert_eq!((&asked["attestation"], asked.get("hints")), (&"none".into(), None));
}

#[tokio::test]
async fn other_passkeys_neither_sign_up_nor_are_added() {
    let maker = Maker::default();
    let server = server_for(&maker).await;
    let mut key = security_key(&maker, 1);
    let mut phone = SoftwareAuthenticator::new([2; 32]);
    (phone.backup_eligible, phone.attestation) = (true, Some(maker.attest(&[0x5a; 16])));
    let mut unattested = SoftwareAuthenticator::new([3; 32]);
    let mut page = Page::connect(&server).await;
    for other in [&mut phone, &mut unattested] {
        assert_eq!(sign_up(&server, &mut page, other).await, Code::PasskeyNotAllowed.as_str());
    }
    page.sign_up(&server, ADA, &mut key).await;
    for other in [&mut phone, &mut unattested] {
        let ceremony = page.begin_add_passkey().await;
        let credential = other.register(&ceremony.public_key.0, &server.origin()).unwrap();
        let answer = page.finish(&ceremony, credential).await;
        assert_eq!(refused(answer), Code::PasskeyNotAllowed.as_str());
    }
    assert_eq!(page.passkeys().await.len(), 1);
}

#[tokio::test]
async fn after_the_policy_has_changed_only_vouched_for_passkeys_sign_in() {
    let maker = Maker::default();
    let mut server = TestServer::start().await;
    let mut phone = SoftwareAuthenticator::new([2; 32]);
    let mut key = security_key(&maker, 1);
    Page::connect(&server).await.sign_up(&server, ADA, &mut phone).await;
    // Nobody asked for the maker's word then, so nobody has it.
    Page::connect(&server).await.sign_up(&server, "eve@example.org", &mut key).await;
    server.require_hardware(listed(&maker)).await;
    let mut page = Page::connect(&server).await;
    for (email, authenticator) in [(ADA, &mut phone), ("eve@example.org", &mut key)] {
        assert_eq!(
            sign_in(&mut page, email, authenticator).await,
            Code::PasskeyNotAllowed.as_str(),
            "{email}"
        );
    }
    server.set_policy(Policy::Strict).await;
    Page::connect(&server).await.sign_in(ADA, &mut phone).await;
}

#[tokio::test]
async fn a_model_that_is_taken_off_the_list_signs_in_no_more() {
    let maker = Maker::default();
    let mut server = server_for(&maker).await;
    let mut key = security_key(&maker, 1);
    Page::connect(&server).await.sign_up(&server, ADA, &mut key).await;
    server.require_hardware(Authenticators::default()).await;
    let mut page = Page::connect(&server).await;
    assert_eq!(sign_in(&mut page, ADA, &mut key).await, Code::PasskeyNotAllowed.as_str());
    server.require_hardware(listed(&maker)).await;
    Page::connect(&server).await.sign_in(ADA, &mut key).await;
}

#[tokio::test]
async fn who_does_not_hold_the_passkey_does_not_learn_of_what_kind_it_is() {
    let maker = Maker::default();
    let mut server = TestServer::start().await;
    let mut phone = SoftwareAuthenticator::new([2; 32]);
    Page::connect(&server).await.sign_up(&server, ADA, &mut phone).await;
    server.require_hardware(listed(&maker)).await;
    let mut page = Page::connect(&server).await;
    let ceremony = page.begin_sign_in(ADA).await;
    let forged = phone.sign_in_with(&ceremony.public_key.0, &server.origin(), &|stage| {
        if let Stage::Signature(signature) = stage {
            *signature.last_mut().unwrap() ^= 1;
        }
    });
    let answer = page.finish(&ceremony, forged.unwrap()).await;
    assert_eq!(refused(answer), Code::PasskeyRejected.as_str());
}

#[tokio::test]
async fn a_page_is_told_the_policy() {
    let server = server_for(&Maker::default()).await;
    let page = Page::connect(&server).await;
    assert_eq!(page.hello.policy, Policy::Hardware);
}

async fn creation_options(server: &TestServer) -> Value {
    let ceremony = Page::connect(server).await.begin_sign_up(server, ADA).await;
    serde_json::from_str(&ceremony.public_key.0).unwrap()
}

#[test]
fn an_operator_is_told_what_is_missing_before_anybody_is_locked_out() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    write_secret(&folder.path().join("root.key"), &"5a".repeat(32));
    let run = |args: &[&str]| -> Output {
        let place = ["--data-dir", &at("data"), "--root-key-file", &at("root.key")];
        Command::new(server_binary()).args(args).args(place).output().unwrap()
    };
    let of_app = ["--name", "Shop", "--rp-id", "localhost", "--origin", "https://localhost"];
    assert!(run(&[&["app", "create"][..], &of_app].concat()).status.success());
    let shown = String::from_utf8(run(&["app", "policy", "hardware"]).stdout).unwrap();
    assert!(shown.contains("hardware"), "{shown}");
    let unknown = run(&["app", "policy", "software"]);
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(said.contains("strict, recoverable, hardware"), "{said}");

    let serve = |authenticators: &str| {
        let config = format!(
            "listen = '127.0.0.1:0'\npublic_url = 'http://localhost:8080'\ndata_dir = '{}'\nroot_key_file = '{}'\n\
             {authenticators}\n[mail]\nsmtp_url = 'smtps://localhost'\nfrom = 'Auth <auth@mail.example>'\n",
            at("data"),
            at("root.key"),
        );
        fs::write(at("server.toml"), config).unwrap();
        let output = Command::new(server_binary()).args(["serve", "--config", &at("server.toml")]).output();
        String::from_utf8(output.unwrap().stderr).unwrap()
    };
    let listed = |aaguid: &str, file: &str| {
        serve(&format!("[[authenticators]]\naaguid = '{aaguid}'\nca_file = '{}'", at(file)))
    };
    let none = serve("");
    assert!(none.contains("none is listed") && none.contains("[[authenticators]]"), "{none}");
    let aaguid = "ee882879-721c-4913-9775-3dfcce97072a";
    fs::write(at("empty.pem"), "").unwrap();
    fs::write(at("wrong.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for (file, reason) in [
        ("missing.pem", "No such file"),
        ("empty.pem", "there is no certificate in it"),
        ("wrong.pem", "not an X.509 certificate"),
    ] {
        let said = listed(aaguid, file);
        assert!(said.contains(reason) && said.contains(file) && said.contains(aaguid), "{said}");
    }
    let said = listed("ee882879", "empty.pem");
    assert!(said.contains("aaguid") || said.contains("UUID"), "{said}");
}

/// What a registration is answered.
async fn sign_up(server: &TestServer, page: &mut Page, authenticator: &mut SoftwareAuthenticator) -> String {
    let ceremony = page.begin_sign_up(server, ADA).await;
    let credential = authenticator.register(&ceremony.public_key.0, &server.origin()).unwrap();
    refused(page.finish(&ceremony, credential).await)
}

/// What a sign-in is answered.
async fn sign_in(page: &mut Page, email: &str, authenticator: &mut SoftwareAuthenticator) -> String {
    let ceremony = page.begin_sign_in(email).await;
    refused(page.answer(&ceremony, authenticator).await)
}

fn refused(answer: ServerMessage) -> String {
    match answer {
        ServerMessage::Error(failure) => failure.code,
        other => panic!("not refused: {other:?}"),
    }
}
