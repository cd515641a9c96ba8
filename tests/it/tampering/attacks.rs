//! Each attack by its name, with its control: where one check is left out, it works.

use passkey_accounts::{
    planted::{Bug, plant},
    protocol::{
        Code, PasskeyID,
        event::TamperedRow,
        gateway::{ClientMessage, ServerMessage, Session},
    },
};
use passkey_accounts_server::store::{OpenError, StoreError, Wanted};
use passkey_accounts_tests::{Http, Page, PageKey, SoftwareAuthenticator, TestServer};
use reqwest::Method;

use super::{Attacker, hex, reopen, signs_in, suspects};

const ADA: &str = "ada@example.org";
const BOB: &str = "bob@example.org";

/// A server, and Ada signed in there, who has two passkeys.
struct World {
    server: TestServer,
    page: Page,
    session: Session,
    first: SoftwareAuthenticator,
    second: SoftwareAuthenticator,
    second_id: PasskeyID,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let mut first = SoftwareAuthenticator::new([1; 32]);
        let mut second = SoftwareAuthenticator::new([2; 32]);
        let mut page = Page::connect(&server).await;
        let session = page.sign_up(&server, ADA, &mut first).await;
        let second_id = page.add_passkey(&mut second, &mut first).await.passkey_id;
        Self { server, page, session, first, second, second_id }
    }

    async fn attacker(&self) -> Attacker {
        Attacker::with_copy_of(self.server.directory()).await
    }

    async fn remove_second(&mut self) {
        let ceremony = self.page.begin_remove_passkey(self.second_id).await;
        let reply = self.page.answer(&ceremony, &mut self.first).await;
        assert!(matches!(reply, ServerMessage::PasskeyRemoved(_)), "{reply:?}");
    }

    async fn second_signs_in(&mut self) -> bool {
        signs_in(&self.server, ADA, &mut self.second).await
    }
}

/// Carries an attack out on the server as it is, and on one that leaves one check out.
macro_rules! refused_but_for {
    ($bug:expr, $attack:ident) => {
        assert!(!$attack().await, "the attack works");
        plant(Some($bug));
        let works = $attack().await;
        plant(None);
        assert!(works, "without the check it does not work either");
    };
}

/// What was encrypted cannot be read without a check, so the control here is whoever has the root key.
#[tokio::test]
async fn a_public_key_that_was_swapped_signs_nobody_in() {
    let mut world = World::new().await;
    let mut mallory = SoftwareAuthenticator::new([9; 32]);
    let mut page = Page::connect(&world.server).await;
    let his = page.sign_up(&world.server, BOB, &mut mallory).await;
    page.sign_out().await;
    let (hers, his_id) = (hex(world.session.passkey_id.as_bytes()), hex(his.passkey_id.as_bytes()));
    for stolen in [
        "sealed = (SELECT sealed FROM passkeys WHERE passkey_id = HIS)",
        "(sealed, version) = (SELECT sealed, version FROM passkeys WHERE passkey_id = HIS)",
        "account_id = (SELECT account_id FROM passkeys WHERE passkey_id = HIS)",
    ] {
        let mut attacker = world.attacker().await;
        let stolen = stolen.replace("HIS", &his_id);
        attacker.run(&format!("UPDATE passkeys SET {stolen} WHERE passkey_id = {hers}")).await;
        assert!(!signs_in(&world.server, ADA, &mut mallory).await, "{stolen}");
        assert!(!signs_in(&world.server, ADA, &mut world.first).await, "the whole account is refused");
        attacker.run("REPLACE INTO passkeys SELECT * FROM old.passkeys").await;
        assert!(signs_in(&world.server, ADA, &mut world.first).await, "what is put right is right");
        attacker.leave().await;
    }
    let (app_id, account_id, passkey_id) =
        (world.server.app_id, world.session.account_id, world.session.passkey_id);
    let forged = world.server.context().store.write::<_, StoreError, _>(move |write| {
        Box::pin(async move {
            let his = write.account(app_id, Wanted::Account(his.account_id)).await?.unwrap();
            let mut hers = write.account(app_id, Wanted::Account(account_id)).await?.unwrap();
            let record = his.passkeys[0].record.clone();
            let credential_id =
                passkey_accounts_server::accounts::Passkey::from_record(&record)?.credential_id;
            // Two passkeys of one credential are refused by the table, so his own goes.
            write.delete_account(app_id, his.account_id).await?;
            write.update_passkey(&mut hers, passkey_id, &credential_id, record).await
        })
    });
    forged.await.unwrap();
    let keyring = &world.server.context().keyring;
    let index = hex(&keyring.derive_credential_index(app_id, &mallory.passkeys[0].credential_id));
    let mut insider = world.attacker().await;
    insider.run(&format!("UPDATE passkeys SET credential_index = {index} WHERE passkey_id = {hers}")).await;
    let mut page = Page::connect(&world.server).await;
    let ceremony = page.begin_sign_in(ADA).await;
    // Mallory's authenticator knows the account by another handle; the server compares it.
    mallory.sends_user_handle = false;
    let reply = page.answer(&ceremony, &mut mallory).await;
    assert!(matches!(reply, ServerMessage::SignedIn(_)), "the control: {reply:?}");
}

#[tokio::test]
async fn an_account_key_of_somebody_else_opens_nothing() {
    let mut world = World::new().await;
    let mut bob = SoftwareAuthenticator::new([9; 32]);
    Page::connect(&world.server).await.sign_up(&world.server, BOB, &mut bob).await;
    let mut attacker = world.attacker().await;
    let swap = "UPDATE account_keys SET wrapped = (SELECT wrapped FROM old.account_keys o WHERE o.account_id <> account_keys.account_id)";
    assert_eq!(attacker.run(swap).await, 2);
    assert!(!signs_in(&world.server, ADA, &mut world.first).await);
    assert!(!signs_in(&world.server, BOB, &mut bob).await);
    assert_eq!(suspects(&world.server).await.len(), 2);
}

#[tokio::test]
async fn a_removed_passkey_that_is_put_back_signs_nobody_in() {
    async fn attack() -> bool {
        let mut world = World::new().await;
        let mut attacker = world.attacker().await;
        world.remove_second().await;
        attacker.run("INSERT OR IGNORE INTO passkeys SELECT * FROM old.passkeys").await;
        let works = world.second_signs_in().await;
        let told = vec![(TamperedRow::Account, Some(world.session.account_id))];
        assert_eq!(suspects(&world.server).await, if works { vec![] } else { told });
        works
    }
    refused_but_for!(Bug::SealNotChecked, attack);
}

#[tokio::test]
async fn a_deleted_passkey_is_missed() {
    async fn attack() -> bool {
        let mut world = World::new().await;
        let mut attacker = world.attacker().await;
        let second = hex(world.second_id.as_bytes());
        assert_eq!(attacker.run(&format!("DELETE FROM passkeys WHERE passkey_id = {second}")).await, 1);
        signs_in(&world.server, ADA, &mut world.first).await
    }
    refused_but_for!(Bug::SealNotChecked, attack);
}

#[tokio::test]
async fn a_counter_that_is_set_back_hides_no_copied_passkey() {
    async fn attack() -> bool {
        let mut world = World::new().await;
        let mut attacker = world.attacker().await;
        let copied = world.first.passkeys[0].sign_count;
        assert!(signs_in(&world.server, ADA, &mut world.first).await);
        attacker.run("REPLACE INTO passkeys SELECT * FROM old.passkeys").await;
        world.first.passkeys[0].sign_count = copied;
        let works = signs_in(&world.server, ADA, &mut world.first).await;
        let seq = world.server.context().store.logs().tail(world.server.app_id).unwrap();
        let entries = seq.entries_after(0, 100).unwrap();
        works && entries.iter().all(|entry| entry.name != "counterRegressed")
    }
    refused_but_for!(Bug::SealNotChecked, attack);
}

#[tokio::test]
async fn an_account_that_is_put_back_as_a_whole_is_refused_while_the_server_runs() {
    async fn attack() -> bool {
        let mut world = World::new().await;
        let mut attacker = world.attacker().await;
        world.remove_second().await;
        attacker.run("REPLACE INTO accounts SELECT * FROM old.accounts").await;
        attacker.run("REPLACE INTO passkeys SELECT * FROM old.passkeys").await;
        attacker.run("REPLACE INTO account_keys SELECT * FROM old.account_keys").await;
        world.second_signs_in().await
    }
    refused_but_for!(Bug::RollNotChecked, attack);
}

#[tokio::test]
async fn an_account_that_is_put_back_as_a_whole_is_refused_while_the_server_is_stopped() {
    async fn attack() -> bool {
        let mut world = World::new().await;
        let mut attacker = world.attacker().await;
        world.remove_second().await;
        world.server.stop().await;
        attacker.run("REPLACE INTO accounts SELECT * FROM old.accounts").await;
        attacker.run("REPLACE INTO passkeys SELECT * FROM old.passkeys").await;
        attacker.leave().await;
        starts(&mut world.server).await && world.second_signs_in().await
    }
    refused_but_for!(Bug::TotalNotChecked, attack);
}

#[tokio::test]
async fn an_erased_account_that_is_put_back_signs_nobody_in() {
    async fn attack() -> bool {
        let mut world = World::new().await;
        let mut attacker = world.attacker().await;
        erase(&world).await;
        attacker.run("INSERT INTO accounts SELECT * FROM old.accounts").await;
        attacker.run("INSERT INTO account_keys SELECT * FROM old.account_keys").await;
        attacker.run("INSERT INTO passkeys SELECT * FROM old.passkeys").await;
        signs_in(&world.server, ADA, &mut world.first).await
    }
    refused_but_for!(Bug::RollNotChecked, attack);
}

/// The rows alone, as a backup of the data without the keys would have them, open under no check left out.
#[tokio::test]
async fn an_erased_account_does_not_open_without_its_key() {
    for bug in [Bug::RollNotChecked, Bug::SealNotChecked] {
        plant(Some(bug));
        let mut world = World::new().await;
        let mut attacker = world.attacker().await;
        erase(&world).await;
        assert_eq!(attacker.run("INSERT INTO accounts SELECT * FROM old.accounts").await, 1);
        attacker.run("INSERT INTO passkeys SELECT * FROM old.passkeys").await;
        assert!(!signs_in(&world.server, ADA, &mut world.first).await);
        plant(None);
    }
}

#[tokio::test]
async fn an_address_that_was_unlinked_is_not_free() {
    async fn attack() -> bool {
        let world = World::new().await;
        let mut attacker = world.attacker().await;
        attacker.run(&format!("UPDATE accounts SET email_index = {}", hex(&[7; 32]))).await;
        let mut page = Page::connect(&world.server).await;
        // Whoever reads Ada's mail, a new owner of the address for example, would get an account of that name.
        let wanted =
            world.server.context().keyring.derive_email_index(world.server.app_id, &ADA.parse().unwrap());
        let found = world.server.context().store.account(world.server.app_id, Wanted::Email(wanted)).await;
        page.begin_sign_in(ADA).await;
        matches!(found, Ok(None))
    }
    refused_but_for!(Bug::RollNotChecked, attack);
}

#[tokio::test]
async fn an_api_key_that_was_given_more_scopes_is_refused() {
    async fn attack() -> bool {
        let mut world = World::new().await;
        let key = world.server.make_key_for(&[passkey_accounts::protocol::Scope::EventsRead]).await;
        let mut attacker = world.attacker().await;
        let grant = format!(
            "UPDATE api_keys SET scopes = (SELECT scopes FROM old.api_keys WHERE key_id <> '{0}') WHERE key_id = '{0}'",
            key.id()
        );
        attacker.run(&grant).await;
        // The rows of keys are read at the start alone.
        let http = Http::new(&world.server).await.with_key(key.reveal());
        assert_eq!(http.get("/v1/sessions").await.code(), "forbidden");
        world.server.stop().await;
        attacker.leave().await;
        world.server.start_again().await;
        let http = Http::new(&world.server).await.with_key(key.reveal());
        let answer = http.get("/v1/sessions").await;
        if answer.status != 200 {
            assert_eq!(answer.code(), "badKey");
            assert_eq!(suspects(&world.server).await, [(TamperedRow::ApiKey, None)]);
        }
        answer.status == 200
    }
    refused_but_for!(Bug::KeySignatureNotChecked, attack);
}

#[tokio::test]
async fn a_revoked_api_key_whose_row_is_put_back_does_not_work_again() {
    async fn attack() -> bool {
        let mut world = World::new().await;
        let key = world.server.make_key(None).await;
        let mut attacker = world.attacker().await;
        world.server.context().store.revoke_key(key.id()).await.unwrap();
        world.server.stop().await;
        attacker.run("REPLACE INTO api_keys SELECT * FROM old.api_keys").await;
        attacker.leave().await;
        if !starts(&mut world.server).await {
            return false;
        }
        Http::new(&world.server).await.with_key(key.reveal()).get("/v1/sessions").await.status == 200
    }
    refused_but_for!(Bug::TotalNotChecked, attack);
}

#[tokio::test]
async fn a_session_that_was_written_into_the_database_is_nobodys() {
    async fn attack() -> bool {
        let mut world = World::new().await;
        let mut attacker = world.attacker().await;
        let mine = PageKey::make();
        let public = mine.public();
        let point = [public.x.0.as_slice(), public.y.0.as_slice()].concat();
        world.server.stop().await;
        attacker.run(&format!("UPDATE sessions SET session_key = {}", hex(&point))).await;
        attacker.leave().await;
        if !starts(&mut world.server).await {
            return false;
        }
        let mut page = Page::connect(&world.server).await;
        matches!(page.resume(world.session.session_id, &mine).await, ServerMessage::SignedIn(_))
    }
    refused_but_for!(Bug::TotalNotChecked, attack);
}

#[tokio::test]
async fn an_origin_that_was_written_into_the_database_is_not_the_apps() {
    async fn attack() -> bool {
        let mut world = World::new().await;
        let mut attacker = world.attacker().await;
        world.server.stop().await;
        attacker.run(r#"UPDATE apps SET origins = '["http://evil.localhost:666"]'"#).await;
        attacker.leave().await;
        if !starts(&mut world.server).await {
            return false;
        }
        let (url, app_id) = (world.server.gateway_url(), world.server.app_id);
        Page::connect_from(&url, app_id, "http://evil.localhost:666").await.is_ok()
    }
    refused_but_for!(Bug::TotalNotChecked, attack);
}

#[tokio::test]
async fn a_log_that_was_cut_at_its_end_is_missed() {
    async fn attack() -> bool {
        let mut world = World::new().await;
        let mut attacker = world.attacker().await;
        world.server.stop().await;
        attacker.run("DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)").await;
        attacker.leave().await;
        starts(&mut world.server).await
    }
    refused_but_for!(Bug::TotalNotChecked, attack);
}

#[tokio::test]
async fn a_database_without_its_seals_is_not_sealed_again_by_itself() {
    let mut world = World::new().await;
    let mut attacker = world.attacker().await;
    world.server.stop().await;
    attacker.run("DELETE FROM seals").await;
    assert!(matches!(reopen(&world.server).await, Err(OpenError::Unsealed)));
    attacker.run("INSERT INTO seals SELECT * FROM old.seals WHERE name = 'index'").await;
    attacker.leave().await;
    assert!(matches!(reopen(&world.server).await, Err(OpenError::Tampered)));
}

/// The honest limit: everything at once, set back to one moment, is what a restored backup is. Back ends notice.
#[tokio::test]
async fn the_whole_database_set_back_to_one_moment_opens_and_tells_back_ends_an_older_position() {
    let mut world = World::new().await;
    let attacker = world.attacker().await;
    let seq = |server: &TestServer| server.context().store.logs().tail(server.app_id).unwrap().state().seq();
    let before = seq(&world.server);
    world.remove_second().await;
    assert!(seq(&world.server) > before);
    world.server.stop().await;
    let copy = attacker.before.path().join("old.sqlite");
    let at = world.server.directory().join("accounts.sqlite");
    let _kept = attacker.database_closed().await;
    std::fs::copy(copy, at).unwrap();
    world.server.start_again().await;
    assert_eq!(seq(&world.server), before);
    assert!(world.second_signs_in().await, "the removed passkey is back: see docs/operating.md");
}

#[tokio::test]
async fn whoever_asks_about_a_refused_account_is_told_so_and_the_log_once() {
    let mut world = World::new().await;
    let mut attacker = world.attacker().await;
    attacker.run("UPDATE accounts SET version = version + 1").await;
    let account = format!("/v1/accounts/{}", world.session.account_id);
    for _ in 0..3 {
        assert_eq!(world.page.ask_in_vain(ClientMessage::PasskeysList).await, Code::Tampered.as_str());
        let http = Http::new(&world.server).await;
        let answer = http.get(&account).await;
        assert_eq!((answer.status, answer.code()), (500, "tampered"));
        assert_eq!(http.get(&format!("{account}/passkeys")).await.code(), "tampered");
    }
    assert_eq!(suspects(&world.server).await, [(TamperedRow::Account, Some(world.session.account_id))]);
    // It can still be erased: that needs none of its rows.
    let http = Http::new(&world.server).await;
    let erased = http.send(http.request(Method::DELETE, &account)).await;
    assert_eq!(erased.status, 204);
    world.server.stop().await;
    attacker.leave().await;
    reopen(&world.server).await.unwrap();
}

async fn erase(world: &World) {
    let (app_id, account_id) = (world.server.app_id, world.session.account_id);
    let ended =
        passkey_accounts_server::accounts::erase(&world.server.context().store, app_id, account_id).await;
    assert!(ended.unwrap().is_some());
}

/// Starts a stopped server, if its database opens.
async fn starts(server: &mut TestServer) -> bool {
    match reopen(server).await {
        Ok(()) => {
            server.start_again().await;
            true
        }
        Err(OpenError::Tampered) => false,
        Err(error) => panic!("{error}"),
    }
}
