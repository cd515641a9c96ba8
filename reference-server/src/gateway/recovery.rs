//! Recovery: two codes begin it, everybody is told, it waits, two codes end it with a new passkey. Whoever is signed in
//! cancels it.

use passkey_accounts::protocol::{
    Code,
    gateway::{Begin, CodeSent, RecoveryHeld, ServerMessage, VerifyRecovery},
};

use super::{
    conversation::{CodeFor, Conversation},
    requests::{challenge, internal, mail_code},
    socket::Page,
};
use crate::{
    accounts::{GestureError, KnownAccount, Recoverable, begin_recovery, cancel_recovery, until},
    ceremony::Purpose,
    clock::make_random,
    context::Context,
    mail::News,
    news::tell_recovery_news,
    recovery::{Beginning, Begun, Progress, RecoveryCode},
    store::Wanted,
};

pub(super) async fn code_begin(page: &Page, conversation: &mut Conversation) -> Result<ServerMessage, Code> {
    let session = conversation.begin_gesture()?;
    hold_ms(page)?;
    let account = KnownAccount::of(&page.context.store, session.app_id, session.account_id).await;
    let account = account.map_err(internal)?.ok_or(Code::SessionGone)?;
    let purpose = Purpose::MakeRecoveryCode(account);
    Ok(challenge(page, conversation, session.session_key.clone(), purpose))
}

pub(super) async fn begin(
    page: &Page,
    conversation: &mut Conversation,
    begin: Begin,
) -> Result<ServerMessage, Code> {
    hold_ms(page)?;
    let expires_at = mail_code(page, conversation, begin, CodeFor::Recovery).await?;
    Ok(ServerMessage::RecoveryCodeSent(CodeSent { expires_at }))
}

/// Both codes are right, or nothing is said of the account: not whether it is there, has a code, or is being recovered.
pub(super) async fn verify(
    page: &Page,
    conversation: &mut Conversation,
    verify: &VerifyRecovery,
) -> Result<ServerMessage, Code> {
    let Context { store, clock, keyring, mailer, .. } = &*page.context;
    let (now, uptime) = (clock.now(), clock.uptime());
    let pending = conversation.take_code(CodeFor::Recovery, &verify.code, now)?;
    let (hold_ms, app_id) = (hold_ms(page)?, page.app.app_id);
    let email_index = keyring.derive_email_index(app_id, &pending.email);
    let found = Recoverable::find(store, app_id, Wanted::Email(email_index), uptime).await;
    let typed = verify.recovery_code.parse::<RecoveryCode>();
    let Some(Recoverable { account_id, email, mut recovery }) = found.map_err(internal)? else {
        return Err(conversation.wrong_recovery_code(pending));
    };
    let typed = typed.unwrap_or_else(|_| RecoveryCode::from_random(make_random()));
    let code = keyring.derive_recovery_hash(account_id, typed.as_bytes());
    let recovery_id = make_random();
    let progress = match recovery.begin(&code, Beginning { hold_ms, recovery_id, uptime, now }) {
        Err(_) => return Err(conversation.wrong_recovery_code(pending)),
        Ok(Begun::Before(progress)) => progress,
        Ok(Begun::Now(_)) => {
            // Before it begins: what cannot be told must not run.
            let news = News::RecoveryStarted { until: now.plus(hold_ms) };
            let sent = mailer.send_news(&email, &page.app.name, &news, now).await;
            sent.map_err(|_| Code::MailFailed)?;
            let begun = begin_recovery(store, app_id, account_id, code, (hold_ms, recovery_id)).await;
            page.context.recoveries.send_replace(());
            match begun.map_err(internal)? {
                Some(progress) => progress,
                None => return Err(conversation.wrong_recovery_code(pending)),
            }
        }
    };
    match progress {
        Progress::Held(left_ms) => Ok(ServerMessage::RecoveryHeld(RecoveryHeld { until: now.plus(left_ms) })),
        Progress::Ready(_) => {
            let account = KnownAccount::of(store, app_id, account_id).await.map_err(internal)?;
            let account = account.ok_or(Code::WrongRecoveryCode)?;
            let purpose = Purpose::Recover { account, email, code };
            Ok(challenge(page, conversation, pending.session_key, purpose))
        }
        Progress::Expired => Err(conversation.wrong_recovery_code(pending)),
    }
}

pub(super) async fn cancel(page: &Page, conversation: &mut Conversation) -> Result<ServerMessage, Code> {
    let session = conversation.signed_in()?;
    let (app_id, account_id) = (session.app_id, session.account_id);
    let cancelled = cancel_recovery(&page.context.store, app_id, account_id, Some(session.session_id)).await;
    let was_there = cancelled.map_err(|error| match error {
        GestureError::Store(error) => internal(error),
        _ => Code::SessionGone,
    })?;
    if !was_there {
        return Err(Code::NotFound);
    }
    // The answer says it.
    conversation.tell_recovery(None);
    let news = News::RecoveryCancelled;
    tell_recovery_news(&page.context, &page.app, Wanted::Account(account_id), news).await;
    Ok(ServerMessage::RecoveryCancelled {})
}

/// What the page of a session has not been told of a recovery of its account: that it runs, or (`Some(None)`) that it does
/// no longer. `None`: it knows.
pub(super) fn news(page: &Page, conversation: &mut Conversation) -> Option<Option<RecoveryHeld>> {
    let session = conversation.signed_in().ok()?;
    let tail = page.context.store.logs().tail(session.app_id)?;
    let (now, uptime) = (page.context.clock.now(), page.context.clock.uptime());
    let state = tail.state();
    let running = state.recoveries().get(&session.account_id).cloned().map(|mut running| {
        running.count(uptime);
        running
    });
    let is_news = conversation.tell_recovery(running.as_ref().map(|running| running.recovery_id));
    is_news.then(|| running.map(|running| RecoveryHeld { until: until(&running, now) }))
}

fn hold_ms(page: &Page) -> Result<u64, Code> {
    page.app.recovery_hold_ms.ok_or(Code::RecoveryOff)
}
