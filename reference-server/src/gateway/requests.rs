//! What each request of a page does.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use passkey_accounts::{
    ceremony::binding::resume_signing_input,
    defended,
    protocol::{
        AccountID, Code, UnixMillis,
        gateway::{
            Begin, ClientMessage, CodeSent, EndReason, Resume, ServerMessage, SessionKey, SignedIn,
            SignedOut, Verify,
        },
    },
};

use super::{
    conversation::{CodeFor, Conversation, PendingCode},
    finish, manage, recovery,
    socket::Page,
};
use crate::{
    accounts::KnownAccount,
    ceremony::{Asking, ChallengeRandom, Purpose, derive_decoys, is_on_curve, make_ceremony},
    clock::make_random,
    context::Context,
    crypto::Email,
    limits::CODE_MS,
    sessions::{self, Carried, Session},
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
        ClientMessage::CeremonyFinish(finish) => finish::ceremony_finish(page, conversation, finish).await,
        ClientMessage::SessionResume(resume) => session_resume(page, conversation, &resume),
        ClientMessage::SignOut => sign_out(page, conversation).await,
        ClientMessage::ConfirmBegin(begin) => manage::confirm_begin(page, conversation, &begin).await,
        ClientMessage::PasskeysList => manage::passkeys_list(page, conversation).await,
        ClientMessage::PasskeysAddBegin => manage::passkeys_add_begin(page, conversation).await,
        ClientMessage::PasskeysRename(rename) => manage::passkeys_rename(page, conversation, &rename).await,
        ClientMessage::PasskeysRemoveBegin(remove) => {
            manage::passkeys_remove_begin(page, conversation, &remove).await
        }
        ClientMessage::SessionsList => manage::sessions_list(page, conversation),
        ClientMessage::SessionsEnd(end) => manage::sessions_end(page, conversation, &end).await,
        ClientMessage::RecoveryCodeBegin => recovery::code_begin(page, conversation).await,
        ClientMessage::RecoveryBegin(begin) => recovery::begin(page, conversation, begin).await,
        ClientMessage::RecoveryVerify(verify) => recovery::verify(page, conversation, &verify).await,
        ClientMessage::RecoveryCancel => recovery::cancel(page, conversation).await,
    }
}

async fn sign_up_begin(
    page: &Page,
    conversation: &mut Conversation,
    begin: Begin,
) -> Result<ServerMessage, Code> {
    let expires_at = mail_code(page, conversation, begin, CodeFor::SignUp).await?;
    Ok(ServerMessage::CodeSent(CodeSent { expires_at }))
}

/// Mails a code and keeps it on this connection; says when it stops working.
pub(super) async fn mail_code(
    page: &Page,
    conversation: &mut Conversation,
    begin: Begin,
    purpose: CodeFor,
) -> Result<UnixMillis, Code> {
    conversation.begin()?;
    let (email, session_key) = check(begin)?;
    conversation.count_code()?;
    let source = page.open.source();
    page.context.rationing.begin(source)?;
    page.context.rationing.mail(source, &page.context.keyring.derive_email_index(page.app.app_id, &email))?;
    let code = six_digits(make_random());
    let now = page.context.clock.now();
    let expires_at = now.plus(CODE_MS);
    let (mailer, name) = (&page.context.mailer, &page.app.name);
    // The same mail for every address: whether it has an account is said to whoever reads the mail, not to whoever asks.
    let sent = match purpose {
        CodeFor::SignUp => mailer.send_code(&email, name, &code, now).await,
        CodeFor::Recovery => mailer.send_recovery_code(&email, name, &code, now).await,
    };
    sent.map_err(|_| Code::MailFailed)?;
    conversation.code_sent(PendingCode { purpose, email, session_key, code, expires_at, tries: 0 });
    Ok(expires_at)
}

async fn sign_up_verify(
    page: &Page,
    conversation: &mut Conversation,
    verify: &Verify,
) -> Result<ServerMessage, Code> {
    let pending = conversation.take_code(CodeFor::SignUp, &verify.code, page.context.clock.now())?;
    let email_index = page.context.keyring.derive_email_index(page.app.app_id, &pending.email);
    if page.context.store.has_address(page.app.app_id, &email_index) {
        return Err(Code::AccountExists);
    }
    let purpose = Purpose::SignUp { email: pending.email, account_id: AccountID::from_bytes(make_random()) };
    Ok(challenge(page, conversation, pending.session_key, purpose))
}

async fn sign_in_begin(
    page: &Page,
    conversation: &mut Conversation,
    begin: Begin,
) -> Result<ServerMessage, Code> {
    conversation.begin()?;
    page.context.rationing.begin(page.open.source())?;
    let (email, session_key) = check(begin)?;
    let Context { store, keyring, populations, .. } = &*page.context;
    let app_id = page.app.app_id;
    let email_index = keyring.derive_email_index(app_id, &email);
    let population = populations.of(store, app_id).await.map_err(internal)?;
    // The same work for every address: one account is read and opened, this one or somebody's, and decoys are made.
    let [name @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] =
        keyring.derive_decoy(&email_index, "somebody", &[]);
    let nobody = AccountID::from_bytes(name);
    let beside = if store.has_address(app_id, &email_index) { nobody } else { population.somebody(nobody) };
    let known = KnownAccount::find(store, app_id, &email_index, beside).await.map_err(internal)?;
    let decoys = derive_decoys(keyring, &email_index, &population);
    if known.is_none() && !defended!(Decoys) {
        return Err(Code::NotFound);
    }
    let purpose = known.map_or(Purpose::Decoy { credentials: decoys }, Purpose::SignIn);
    Ok(challenge(page, conversation, session_key, purpose))
}

/// Makes the challenge of a ceremony and keeps it on this connection.
pub(super) fn challenge(
    page: &Page,
    conversation: &mut Conversation,
    session_key: SessionKey,
    purpose: Purpose,
) -> ServerMessage {
    let asking = Asking { app: &page.app, origin: &page.origin, now: page.context.clock.now() };
    let random = ChallengeRandom { ceremony_id: make_random(), challenge: make_random() };
    let (pending, message) = make_ceremony(asking, session_key, purpose, random);
    conversation.challenged(pending);
    message
}

/// Takes a session over, from those that wait or from the socket that carries it: the page has noticed before the server
/// that the old one is dead. Only the session's key can sign this connection's nonce, and only from the same origin.
fn session_resume(
    page: &Page,
    conversation: &mut Conversation,
    resume: &Resume,
) -> Result<ServerMessage, Code> {
    conversation.begin()?;
    let Context { store, attached, detached, .. } = &*page.context;
    let tail = store.logs().tail(page.app.app_id).ok_or(Code::SessionGone)?;
    let session = tail.state().sessions().get(&resume.session_id).cloned().ok_or(Code::SessionGone)?;
    let input = resume_signing_input(session.session_id, page.origin.as_str(), &page.nonce);
    let key = [&[0x04], session.session_key.x.0.as_slice(), session.session_key.y.0.as_slice()].concat();
    let signed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(&input, &resume.signature.0);
    if session.origin != page.origin.as_str() || (signed.is_err() && defended!(ResumeSigned)) {
        return Err(Code::SessionGone);
    }
    let carried = attached.resume(detached, session).ok_or(Code::SessionGone)?;
    enter(page, conversation, carried)
}

async fn sign_out(page: &Page, conversation: &mut Conversation) -> Result<ServerMessage, Code> {
    let session = conversation.signing_out()?;
    let Context { store, attached, detached, .. } = &*page.context;
    // The row goes first, then the page is told: nobody is told something that a crash could undo.
    sessions::end(store, &session, EndReason::User).await.map_err(internal)?;
    conversation.take_session();
    // It may have been resumed elsewhere while its end was written.
    sessions::tell(attached, detached, &[session.session_id], EndReason::User);
    Ok(ServerMessage::SignedOut(SignedOut { reason: EndReason::User }))
}

/// Puts a session that was just opened on this connection.
pub(super) fn signed_in(
    page: &Page,
    conversation: &mut Conversation,
    session: Arc<Session>,
) -> Result<ServerMessage, Code> {
    enter(page, conversation, page.context.attached.attach(session))
}

fn enter(page: &Page, conversation: &mut Conversation, carried: Carried) -> Result<ServerMessage, Code> {
    let session = carried.session().for_page();
    // Attached first, asked then: a revocation that did not find the session here has ended it before this.
    if !sessions::is_open(&page.context.store, carried.session()) {
        return Err(Code::SessionGone);
    }
    conversation.carry(carried);
    conversation.tell_recovery(None);
    let recovery = recovery::news(page, conversation).flatten();
    Ok(ServerMessage::SignedIn(SignedIn { session, recovery }))
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
pub(super) fn internal(error: StoreError) -> Code {
    if let StoreError::Tampered = error {
        // What it is about was logged when it was found.
        return Code::Tampered;
    }
    tracing::error!(%error, "a request failed");
    Code::Internal
}
