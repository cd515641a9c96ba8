//! What each request of a page does.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use passkey_accounts::{
    ceremony::binding::resume_signing_input,
    protocol::{
        AccountID, Code,
        gateway::{
            Begin, ClientMessage, CodeSent, EndReason, Finish, Resume, ServerMessage, SessionKey, SignedIn,
            SignedOut, Verify,
        },
    },
};

use super::{
    conversation::{Conversation, PendingCode},
    socket::Page,
};
use crate::{
    accounts::{KnownAccount, RegisterError, SignInError, register, sign_in},
    ceremony::{Asking, ChallengeRandom, Finishing, PendingCeremony, Purpose, is_on_curve, make_ceremony},
    clock::make_random,
    context::Context,
    crypto::Email,
    limits::CODE_MS,
    sessions::{self, Session},
    store::StoreError,
};

/// Answers a request, or says what is wrong with it.
pub(super) async fn handle(
    page: &Page,
    conversation: &mut Conversation,
    message: ClientMessage,
) -> Result<ServerMessage, Code> {
    match message {
        ClientMessage::SignUpBegin(begin) => sign_up_begin(page, conversation, begin).await,
        ClientMessage::SignUpVerify(verify) => sign_up_verify(page, conversation, &verify).await,
        ClientMessage::SignInBegin(begin) => sign_in_begin(page, conversation, begin).await,
        ClientMessage::CeremonyFinish(finish) => ceremony_finish(page, conversation, finish).await,
        ClientMessage::SessionResume(resume) => session_resume(page, conversation, &resume),
        ClientMessage::SignOut => sign_out(page, conversation).await,
        ClientMessage::ConfirmBegin(_)
        | ClientMessage::PasskeysList
        | ClientMessage::PasskeysAddBegin
        | ClientMessage::PasskeysRename(_)
        | ClientMessage::PasskeysRemoveBegin(_)
        | ClientMessage::SessionsList
        | ClientMessage::SessionsEnd(_) => Err(Code::UnknownType),
    }
}

async fn sign_up_begin(
    page: &Page,
    conversation: &mut Conversation,
    begin: Begin,
) -> Result<ServerMessage, Code> {
    conversation.begin()?;
    let (email, session_key) = check(begin)?;
    conversation.count_code()?;
    let code = six_digits(make_random());
    let now = page.context.clock.now();
    let expires_at = now.plus(CODE_MS);
    // The same mail for every address: whether it has an account is said to whoever reads the mail, not to whoever asks.
    page.context.mailer.send_code(&email, &page.app.name, &code, now).await.map_err(|_| Code::MailFailed)?;
    conversation.code_sent(PendingCode { email, session_key, code, expires_at, tries: 0 });
    Ok(ServerMessage::CodeSent(CodeSent { expires_at }))
}

async fn sign_up_verify(
    page: &Page,
    conversation: &mut Conversation,
    verify: &Verify,
) -> Result<ServerMessage, Code> {
    let pending = conversation.take_code(&verify.code, page.context.clock.now())?;
    let email_index = page.context.keyring.derive_email_index(page.app.app_id, &pending.email);
    if page.context.store.has_account(page.app.app_id, &email_index).await.map_err(internal)? {
        return Err(Code::AccountExists);
    }
    let purpose = Purpose::SignUp { email: pending.email, account_id: AccountID::from_bytes(make_random()) };
    Ok(challenge(page, conversation, pending.session_key, purpose, &email_index))
}

async fn sign_in_begin(
    page: &Page,
    conversation: &mut Conversation,
    begin: Begin,
) -> Result<ServerMessage, Code> {
    conversation.begin()?;
    let (email, session_key) = check(begin)?;
    let email_index = page.context.keyring.derive_email_index(page.app.app_id, &email);
    let Context { store, keyring, .. } = &*page.context;
    let known = KnownAccount::find(store, keyring, page.app.app_id, &email_index).await.map_err(internal)?;
    Ok(challenge(page, conversation, session_key, Purpose::SignIn(known), &email_index))
}

fn challenge(
    page: &Page,
    conversation: &mut Conversation,
    session_key: SessionKey,
    purpose: Purpose,
    email_index: &[u8; 32],
) -> ServerMessage {
    let asking = Asking {
        app: &page.app,
        origin: &page.origin,
        keyring: &page.context.keyring,
        email_index,
        now: page.context.clock.now(),
    };
    let random = ChallengeRandom { ceremony_id: make_random(), challenge: make_random() };
    let (pending, message) = make_ceremony(asking, session_key, purpose, random);
    conversation.challenged(pending);
    message
}

async fn ceremony_finish(
    page: &Page,
    conversation: &mut Conversation,
    finish: Finish,
) -> Result<ServerMessage, Code> {
    let now = page.context.clock.now();
    let pending = conversation.take_ceremony(finish.ceremony_id, now)?;
    let PendingCeremony { random, challenge, session_key, thumbprint, purpose, .. } = pending;
    let finishing = Finishing {
        app: &page.app,
        origin: &page.origin,
        keyring: &page.context.keyring,
        limits: page.context.session_limits,
        now,
        session_random: make_random(),
        challenge: &challenge,
        random: &random,
        thumbprint: &thumbprint,
    };
    let refused = |reason: String| {
        // One answer whatever failed: the difference would help an attacker more than a person.
        tracing::info!(connection.id = %page.connection_id, %reason, "a ceremony was refused");
        Code::PasskeyRejected
    };
    let credential = finish.credential.0;
    let session = match purpose {
        Purpose::SignUp { email, account_id } => {
            let registration = finishing
                .registration(&credential, email, account_id, make_random(), session_key)
                .map_err(refused)?;
            register(&page.context.store, &page.context.keyring, registration).await.map_err(|error| {
                match error {
                    RegisterError::EmailTaken => Code::AccountExists,
                    RegisterError::CredentialTaken => Code::PasskeyExists,
                    RegisterError::Store(error) => internal(error),
                }
            })?
        }
        Purpose::SignIn(known) => {
            let verified = finishing.sign_in(&credential, known, session_key).map_err(refused)?;
            sign_in(&page.context.store, verified).await.map_err(|error| match error {
                SignInError::PasskeyGone => refused(error.to_string()),
                SignInError::Store(error) => internal(error),
            })?
        }
    };
    signed_in(page, conversation, session)
}

/// Takes a detached session over. Only its key can sign this connection's nonce, and only from the same origin.
fn session_resume(
    page: &Page,
    conversation: &mut Conversation,
    resume: &Resume,
) -> Result<ServerMessage, Code> {
    conversation.begin()?;
    let is_holder = |session: &Session| {
        let input = resume_signing_input(session.session_id, page.origin.as_str(), &page.nonce);
        let key = [&[0x04], session.session_key.x.0.as_slice(), session.session_key.y.0.as_slice()].concat();
        session.app_id == page.app.app_id
            && session.origin == page.origin.as_str()
            && UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
                .verify(&input, &resume.signature.0)
                .is_ok()
    };
    let session = page.context.detached.take(resume.session_id, is_holder).ok_or(Code::SessionGone)?;
    signed_in(page, conversation, session)
}

async fn sign_out(page: &Page, conversation: &mut Conversation) -> Result<ServerMessage, Code> {
    let session = Arc::clone(conversation.session().ok_or(Code::Unexpected)?);
    // The row goes first, then the page is told: nobody is told something that a crash could undo.
    sessions::end(&page.context.store, &session, EndReason::User).await.map_err(internal)?;
    conversation.take_session();
    Ok(ServerMessage::SignedOut(SignedOut { reason: EndReason::User }))
}

fn signed_in(
    page: &Page,
    conversation: &mut Conversation,
    session: Arc<Session>,
) -> Result<ServerMessage, Code> {
    let for_page = session.for_page();
    let carried = page.context.attached.attach(session);
    // Attached first, asked then: a revocation that did not find the session here has ended it before this.
    if !sessions::is_open(&page.context.store, carried.session()) {
        return Err(Code::SessionGone);
    }
    conversation.signed_in(carried);
    Ok(ServerMessage::SignedIn(SignedIn { session: for_page }))
}

fn check(begin: Begin) -> Result<(Email, SessionKey), Code> {
    let email = begin.email.parse().map_err(|_| Code::InvalidEmail)?;
    if is_on_curve(&begin.session_key) {
        Ok((email, begin.session_key))
    } else {
        Err(Code::InvalidSessionKey)
    }
}

/// Six decimal digits, each as likely as the other: 2^64 is not a multiple of a million, by less than 1 in 10^13.
fn six_digits(random: [u8; 8]) -> String {
    format!("{:06}", u64::from_be_bytes(random) % 1_000_000)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn internal(error: StoreError) -> Code {
    tracing::error!(%error, "a request failed");
    Code::Internal
}
