//! What a signed-in person asks about their account: confirming, passkeys, sessions. Gestures begin here and are finished
//! in [`finish`](super::finish).

use passkey_accounts::protocol::{
    Code, SessionID,
    base64url::Base64Url,
    gateway::{
        ConfirmBegin, EndReason, EndSessions, OnePasskey, Passkeys, RemovePasskey, RenamePasskey,
        ServerMessage, Sessions, SessionsEnded,
    },
};

use super::{
    conversation::Conversation,
    requests::{challenge, internal},
    socket::Page,
};
use crate::{
    accounts::{KnownAccount, RenameError, open_passkeys, rename_passkey},
    ceremony::{Action, Purpose},
    context::Context,
    limits::{MAX_NAMED_SESSIONS, MAX_PASSKEYS_PER_ACCOUNT},
    sessions::{self, EndOthersError, Session, tell},
    store::Wanted,
};

pub(super) async fn confirm_begin(
    page: &Page,
    conversation: &mut Conversation,
    begin: &ConfirmBegin,
) -> Result<ServerMessage, Code> {
    let session = conversation.begin_gesture()?;
    let action = Action::parse(&begin.action).map_err(|_| Code::InvalidAction)?;
    let account = account(page, &session).await?;
    let purpose = Purpose::Confirm { account, action };
    Ok(challenge(page, conversation, session.session_key.clone(), purpose))
}

pub(super) async fn passkeys_list(page: &Page, conversation: &Conversation) -> Result<ServerMessage, Code> {
    let session = conversation.signed_in()?;
    let passkeys = open_passkeys(&page.context.store, session.app_id, session.account_id).await;
    let passkeys = passkeys.map_err(internal)?.unwrap_or_default().into_iter();
    Ok(ServerMessage::Passkeys(Passkeys {
        user_id: Base64Url(session.account_id.as_bytes().to_vec()),
        passkeys: passkeys.map(|(row, passkey)| passkey.for_page(row.passkey_id, row.created_at)).collect(),
    }))
}

pub(super) async fn passkeys_add_begin(
    page: &Page,
    conversation: &mut Conversation,
) -> Result<ServerMessage, Code> {
    let session = conversation.begin_gesture()?;
    let account = account(page, &session).await?;
    if account.passkeys.len() >= MAX_PASSKEYS_PER_ACCOUNT {
        return Err(Code::TooManyPasskeys);
    }
    let wanted = Wanted::Account(session.account_id);
    let row = page.context.store.account(session.app_id, wanted).await.map_err(internal)?;
    let email = row.ok_or(Code::SessionGone)?.email().map_err(internal)?;
    let purpose = Purpose::MakePasskey { account, email };
    Ok(challenge(page, conversation, session.session_key.clone(), purpose))
}

pub(super) async fn passkeys_rename(
    page: &Page,
    conversation: &Conversation,
    rename: &RenamePasskey,
) -> Result<ServerMessage, Code> {
    let session = conversation.signed_in()?;
    let name = rename.name.parse().map_err(|_| Code::InvalidName)?;
    let renamed = rename_passkey(&page.context.store, &session, rename.passkey_id, name).await;
    let passkey = renamed.map_err(|error| match error {
        RenameError::SessionGone => Code::SessionGone,
        RenameError::NotFound => Code::NotFound,
        RenameError::Store(error) => internal(error),
    })?;
    Ok(ServerMessage::PasskeyRenamed(OnePasskey { passkey }))
}

pub(super) async fn passkeys_remove_begin(
    page: &Page,
    conversation: &mut Conversation,
    remove: &RemovePasskey,
) -> Result<ServerMessage, Code> {
    let session = conversation.begin_gesture()?;
    let account = account(page, &session).await?;
    let passkey_id = remove.passkey_id;
    // Both are asked again in the transaction; here they spare the person a gesture in vain.
    if !account.passkeys.iter().any(|(id, _)| *id == passkey_id) {
        return Err(Code::NotFound);
    }
    if account.passkeys.len() == 1 {
        return Err(Code::LastPasskey);
    }
    let purpose = Purpose::RemovePasskey { account, passkey_id };
    Ok(challenge(page, conversation, session.session_key.clone(), purpose))
}

pub(super) fn sessions_list(page: &Page, conversation: &Conversation) -> Result<ServerMessage, Code> {
    let session = conversation.signed_in()?;
    Ok(ServerMessage::Sessions(Sessions { sessions: sessions::list(&page.context.store, &session) }))
}

pub(super) async fn sessions_end(
    page: &Page,
    conversation: &Conversation,
    end: &EndSessions,
) -> Result<ServerMessage, Code> {
    let session = conversation.signed_in()?;
    if end.session_id == Some(session.session_id) {
        // `signOut` does that.
        return Err(Code::Unexpected);
    }
    let Context { store, attached, detached, .. } = &*page.context;
    let ended = sessions::end_others(store, &session, end.session_id).await;
    let mut session_ids: Vec<SessionID> = ended.map_err(|error| match error {
        EndOthersError::SessionGone => Code::SessionGone,
        EndOthersError::NotFound => Code::NotFound,
        EndOthersError::Store(error) => internal(error),
    })?;
    tell(attached, detached, &session_ids, EndReason::User);
    session_ids.truncate(MAX_NAMED_SESSIONS);
    Ok(ServerMessage::SessionsEnded(SessionsEnded { session_ids }))
}

/// The account of an open session with its passkeys. An erased one has ended the session, which its socket is about to hear.
async fn account(page: &Page, session: &Session) -> Result<KnownAccount, Code> {
    let account = KnownAccount::of(&page.context.store, session.app_id, session.account_id).await;
    account.map_err(internal)?.ok_or(Code::SessionGone)
}
