//! An app with the policy `hardware` in a real browser, whose virtual security key has a maker.

use passkey_accounts::{evidence::cbor, protocol::base64url::decode};
use passkey_accounts_server::ceremony::Authenticators;
use passkey_accounts_tests::{TestServer, chromium::Chromium};
use serde_json::json;

use super::tab::{ADA, Tab};

/// The model of Chromium's virtual authenticators.
const MODEL: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8];

/// Makes a passkey for nothing: its attestation object, in base64url.
const ATTEST: &str = "navigator.credentials.create({ publicKey: {
    rp: { name: 'Shop' }, user: { id: new Uint8Array(1), name: 'ada', displayName: 'ada' },
    challenge: new Uint8Array(32), pubKeyCredParams: [{ type: 'public-key', alg: -7 }], attestation: 'direct',
} }).then((made) => made.toJSON().response.attestationObject)";

/// The certificate that the browser's virtual key attests with. It is signed by nobody who could be listed.
async fn certificate(tab: &Tab) -> Vec<u8> {
    let object = tab.run(ATTEST).await;
    let object = cbor::parse(&decode(object.as_str().unwrap()).unwrap()).unwrap();
    let [_, statement, _] = cbor::exact_texts(&object, ["fmt", "attStmt", "authData"]).unwrap();
    let [_, _, chain] = cbor::exact_texts(statement, ["alg", "sig", "x5c"]).unwrap();
    chain.as_array().unwrap()[0].as_bytes().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_security_key_that_is_listed_signs_up_and_in_and_another_is_told_why_not() {
    let mut server = TestServer::start_in_real_time().await;
    server.require_hardware(Authenticators::default()).await;
    let browser = Chromium::launch().await.unwrap();
    let tab = Tab::connected(&browser, &server, json!({})).await;
    tab.focus().await;
    tab.run(&format!(
        "client.signUp({{ email: '{ADA}' }}).then((pending) => void (globalThis.pending = pending))"
    ))
    .await;
    let code = server.mailed_code(ADA).unwrap();
    let failure = tab.run(&format!("failure(pending.verify('{code}'))")).await;
    assert_eq!(
        (&failure["code"], &failure["isOurs"]),
        (&json!("passkeyNotAllowed"), &json!(true)),
        "{failure}"
    );

    let mut listed = Authenticators::default();
    listed.trust(MODEL, certificate(&tab).await.into()).unwrap();
    drop(tab);
    server.require_hardware(listed).await;
    let tab = Tab::connected(&browser, &server, json!({})).await;
    let up = tab.sign_up(&server).await;
    tab.run("client.signOut()").await;
    assert_ne!(tab.sign_in().await, up);
}
