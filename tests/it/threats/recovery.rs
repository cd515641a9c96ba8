//! The door for who has lost every passkey: with one code, with both, in a race with the person, ahead of time. The server
//! is one of its own, whose clock can be moved, and what the attacker wants is a session in the person's name.

use passkey_accounts::protocol::{
    AccountID,
    gateway::{ClientMessage, ServerMessage, VerifyRecovery},
};
use passkey_accounts_tests::{Page, SoftwareAuthenticator, TestServer};

use super::{ADA, Outcome, attack, fell, held};

const HOLD_MS: u64 = 72 * 60 * 60 * 1_000;
/// Well formed, and nobody's.
const GUESS: &str = "0123-4567-89AB-CDEF-GHJK-MNPQ-RR8";

#[tokio::test]
async fn whoever_reads_the_mailbox_asks_for_a_recovery() {
    attack("recoveryMailbox", async |_| {
        let Victim { server, account_id, .. } = Victim::sign_up().await;
        let said = try_codes(&server, None, GUESS).await;
        server.clock().advance(HOLD_MS);
        take_over(&server, account_id, None, GUESS, said).await
    })
    .await;
}

#[tokio::test]
async fn a_recovery_code_is_found_on_paper() {
    attack("recoveryPaper", async |_| {
        let Victim { server, account_id, code, .. } = Victim::sign_up().await;
        // Not six digits: no chance makes it the mailed one.
        let guessed = Some("guess");
        let said = try_codes(&server, guessed, &code).await;
        server.clock().advance(HOLD_MS);
        take_over(&server, account_id, guessed, &code, said).await
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_recovery_is_begun_again_with_the_same_code() {
    attack("recoveryRace", async |_| {
        let Victim { server, account_id, mut page, code } = Victim::sign_up().await;
        assert_eq!(try_codes(&server, None, &code).await, "held");
        assert!(matches!(page.hear().await, Ok((_, ServerMessage::RecoveryHeld(_)))), "she is told");
        assert_eq!(page.ask(ClientMessage::RecoveryCancel).await, ServerMessage::RecoveryCancelled {});
        let said = try_codes(&server, None, &code).await;
        server.clock().advance(HOLD_MS);
        take_over(&server, account_id, None, &code, said).await
    })
    .await;
}

#[tokio::test]
async fn the_clock_of_the_server_is_set_ahead() {
    attack("recoveryClock", async |_| {
        let Victim { mut server, account_id, code, .. } = Victim::sign_up().await;
        try_codes(&server, None, &code).await;
        server.clock().set(server.clock().now().plus(2 * HOLD_MS));
        server.restart().await;
        server.allow_recovery(HOLD_MS).await;
        take_over(&server, account_id, None, &code, "it waits".to_owned()).await
    })
    .await;
}

#[tokio::test]
async fn both_codes_are_stolen_and_nobody_looks() {
    attack("recoveryUnseen", async |_| {
        let Victim { server, account_id, code, .. } = Victim::sign_up().await;
        try_codes(&server, None, &code).await;
        server.clock().advance(HOLD_MS);
        take_over(&server, account_id, None, &code, "held".to_owned()).await
    })
    .await;
}

/// Somebody with a recovery code.
struct Victim {
    server: TestServer,
    account_id: AccountID,
    page: Page,
    code: String,
}

impl Victim {
    async fn sign_up() -> Self {
        let server = TestServer::start().await;
        server.allow_recovery(HOLD_MS).await;
        let (mut page, mut authenticator) =
            (Page::connect(&server).await, SoftwareAuthenticator::new([1; 32]));
        let account_id = page.sign_up(&server, ADA, &mut authenticator).await.account_id;
        let code = page.make_recovery_code(&mut authenticator).await;
        Self { server, account_id, page, code }
    }
}

/// Asks for a recovery with these codes, the mailed one from the mailbox unless it is given; says what came of it.
async fn try_codes(server: &TestServer, mailed: Option<&str>, recovery_code: &str) -> String {
    match hand_in(&mut Page::connect(server).await, server, mailed, recovery_code).await {
        ServerMessage::RecoveryHeld(_) => "held".into(),
        ServerMessage::CeremonyCreate(_) => "ready".into(),
        ServerMessage::Error(failure) => failure.code,
        other => panic!("{other:?}"),
    }
}

async fn hand_in(
    page: &mut Page,
    server: &TestServer,
    mailed: Option<&str>,
    recovery_code: &str,
) -> ServerMessage {
    page.begin_recovery(ADA).await;
    let code = mailed.map_or_else(|| server.mailed_code(ADA).expect("a code was mailed"), str::to_owned);
    let recovery_code = recovery_code.to_owned();
    page.ask(ClientMessage::RecoveryVerify(VerifyRecovery { code, recovery_code })).await
}

/// Comes back for the new passkey and signs in with it; `said` is what the first try came to.
async fn take_over(
    server: &TestServer,
    account_id: AccountID,
    mailed: Option<&str>,
    recovery_code: &str,
    said: String,
) -> Outcome {
    let mut page = Page::connect(server).await;
    let ServerMessage::CeremonyCreate(ceremony) = hand_in(&mut page, server, mailed, recovery_code).await
    else {
        return held(said);
    };
    let mut own = SoftwareAuthenticator::new([66; 32]);
    let credential = own.register(&ceremony.public_key.0, &server.origin()).expect("a passkey is made");
    let added = page.finish(&ceremony, credential).await;
    assert!(matches!(added, ServerMessage::PasskeyAdded(_)), "{added:?}");
    assert_eq!(page.sign_in(ADA, &mut own).await.account_id, account_id);
    fell("a passkey of the attacker signs in")
}
