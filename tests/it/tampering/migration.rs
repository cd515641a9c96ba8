//! A database from before rows were sealed: it is taken over when its operator says so, and not before.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, RandomizedNonceKey},
    hkdf::{HKDF_SHA256, Salt},
};
use passkey_accounts_server::{
    crypto::{Keyring, RootKeys},
    store::{OpenError, Store, Wanted},
};
use passkey_accounts_tests::{Http, Page, SoftwareAuthenticator, TestServer, root_keys};

use super::{Attacker, hex, reopen, signs_in};

const ADA: &str = "ada@example.org";

/// The root key of [`root_keys`].
const ROOT: [u8; 32] = [7; 32];

#[tokio::test]
async fn a_database_of_an_earlier_version_is_sealed_once_its_operator_accepts_it() {
    let mut server = TestServer::start().await;
    let (mut first, mut second) = (SoftwareAuthenticator::new([1; 32]), SoftwareAuthenticator::new([2; 32]));
    let mut page = Page::connect(&server).await;
    let session = page.sign_up(&server, ADA, &mut first).await;
    page.add_passkey(&mut second, &mut first).await;
    page.sign_out().await;
    make_old(&mut server, session.account_id).await;
    assert!(matches!(reopen(&server).await, Err(OpenError::Unsealed)), "nobody vouches for these rows");

    let accept =
        async |keys: &RootKeys| Store::accept(server.directory(), server.clock().clone(), keys).await;
    assert!(matches!(accept(&RootKeys::one(&[8; 32])).await, Err(OpenError::WrongRootKey)));
    assert!(matches!(reopen(&server).await, Err(OpenError::Unsealed)), "nothing was done");
    accept(&root_keys()).await.unwrap().close().await;

    server.start_again().await;
    assert!(signs_in(&server, ADA, &mut first).await && signs_in(&server, ADA, &mut second).await);
    assert_eq!(Http::new(&server).await.get("/v1/sessions").await.status, 200, "the API key works");
    let old = Keyring::of(&ROOT);
    assert_eq!(
        server.context().keyring.head_signer().public().id(),
        old.head_signer().public().id(),
        "back ends that know the key of heads go on"
    );
    assert!(super::suspects(&server).await.is_empty());
    server.stop().await;
    let report = Store::check(server.directory(), &root_keys()).await.unwrap();
    assert_eq!((report.accounts, report.keys, report.problems), (1, 1, vec![]));
    // What was accepted once is not a state that an attacker can go back to.
    let mut attacker = Attacker::with_copy_of(server.directory()).await;
    attacker.run("UPDATE accounts SET version = 0; UPDATE passkeys SET version = 0; DELETE FROM account_keys; DELETE FROM seals").await;
    attacker.leave().await;
    assert!(matches!(reopen(&server).await, Err(OpenError::Unsealed)));
}

/// Stops the server and makes of its database what an earlier version would have written.
async fn make_old(server: &mut TestServer, account_id: passkey_accounts::protocol::AccountID) {
    let app_id = server.app_id;
    let account = server.context().store.account(app_id, Wanted::Account(account_id)).await.unwrap().unwrap();
    let old = Keyring::of(&ROOT);
    server.stop().await;
    let mut attacker = Attacker::with_copy_of(server.directory()).await;
    let email = account.email().unwrap();
    attacker
        .run(&format!(
            "UPDATE accounts SET version = 0, seal = x'', email_index = {}, email_sealed = {};
             UPDATE api_keys SET version = 0, seal = x''; DELETE FROM account_keys; DELETE FROM seals",
            hex(&old.derive_email_index(app_id, &email)),
            hex(&seal("email", &[app_id.as_bytes(), account_id.as_bytes()], ADA.as_bytes())),
        ))
        .await;
    for row in &account.passkeys {
        let record = passkey_accounts_server::accounts::Passkey::from_record(&row.record).unwrap();
        let owner: [&[u8]; 3] = [app_id.as_bytes(), account_id.as_bytes(), row.passkey_id.as_bytes()];
        attacker
            .run(&format!(
                "UPDATE passkeys SET version = 0, credential_index = {}, sealed = {} WHERE passkey_id = {}",
                hex(&old.derive_credential_index(app_id, &record.credential_id)),
                hex(&seal("passkey", &owner, &row.record)),
                hex(row.passkey_id.as_bytes()),
            ))
            .await;
    }
    attacker.leave().await;
}

/// How the earlier version sealed a field: under a key derived from the root key itself.
fn seal(label: &str, owner: &[&[u8]], plain: &[u8]) -> Vec<u8> {
    let mut key = [0; 32];
    let prk = Salt::new(HKDF_SHA256, b"passkey-accounts/keyring/v1").extract(&ROOT);
    prk.expand(&[b"seal".as_slice()], HKDF_SHA256).unwrap().fill(&mut key).unwrap();
    let mut data = vec![1];
    for part in std::iter::once(label.as_bytes()).chain(owner.iter().copied()) {
        data.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        data.extend_from_slice(part);
    }
    let mut text = plain.to_vec();
    let key = RandomizedNonceKey::new(&AES_256_GCM, &key).unwrap();
    let nonce = key.seal_in_place_append_tag(Aad::from(data), &mut text).unwrap();
    [&[1], nonce.as_ref().as_slice(), &text].concat()
}
