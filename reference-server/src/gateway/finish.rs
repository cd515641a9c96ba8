//! `ceremony.finish`: what the authenticator made is checked, and what it was made for is done.

use std::sync::Arc;

use passkey_accounts::protocol::{
    AccountID, CeremonyID, Code, PasskeyID, SessionID,
    base64url::Base64Url,
    gateway::{
        AccountSession, Confirmed, EndReason, Finish, OnePasskey, PasskeyRemoved, RecoveryCode,
        ServerMessage, SessionKey, SessionOpened,
    },
};

use super::{
    conversation::Conversation,
    requests::{challenge, internal, signed_in},
    socket::Page,
};
use crate::{
    accounts::{
        Addition, Browser, CompleteError, Gesture, GestureError, KnownAccount, Passkey, RegisterError,
        Registration, SignIn, SignInError, SignedIn, add_passkey, complete_recovery, confirm,
        make_recovery_code, register, remove_own_passkey, sign_in,
    },
    ceremony::{Action, Asserted, Finishing, PendingCeremony, Purpose, Refused, registration::NewPasskey},
    clock::make_random,
    context::Context,
    crypto::Email,
    mail::News,
    news::{tell_address_beside, tell_recovery_news},
    recovery::CodeHash,
    sessions::{Opening, Session, tell},
    store::Wanted,
};

pub(super) async fn ceremony_finish(
    page: &Page,
    conversation: &mut Conversation,
    finish: Finish,
) -> Result<ServerMessage, Code> {
    let pending = conversation.take_ceremony(finish.ceremony_id, page.context.clock.now())?;
    let PendingCeremony { ceremony_id, random, challenge, session_key, thumbprint, purpose, .. } = pending;
    let answer = Answer {
        page,
        credential: finish.credential.0,
        finishing: Finishing {
            app: &page.app,
            authenticators: &page.context.authenticators,
            now: page.context.clock.now(),
            origin: &page.origin,
            kind: purpose.kind(),
            challenge: &challenge,
            random: &random,
            thumbprint: &thumbprint,
        },
    };
    match purpose {
        Purpose::SignUp { email, account_id } => {
            answer.sign_up(conversation, session_key, email, account_id).await
        }
        Purpose::SignIn(account) => answer.sign_in(conversation, session_key, Some(&account)).await,
        Purpose::Decoy { .. } => answer.sign_in(conversation, session_key, None).await,
        Purpose::Confirm { account, action } => {
            answer.confirm(&*conversation.signed_in()?, &account, ceremony_id, action).await
        }
        Purpose::MakePasskey { .. } => answer.make_passkey(conversation).await,
        Purpose::AddPasskey { account, addition } => {
            answer.add_passkey(&*conversation.signed_in()?, &account, *addition).await
        }
        Purpose::RemovePasskey { account, passkey_id } => {
            answer.remove_passkey(&*conversation.signed_in()?, &account, passkey_id).await
        }
        Purpose::MakeRecoveryCode(account) => answer.make_recovery_code(conversation, &account).await,
        Purpose::Recover { account, code, .. } => answer.recover(&account, code).await,
    }
}

/// What the authenticator answered, and what it must fit.
struct Answer<'a> {
    page: &'a Page,
    credential: String,
    finishing: Finishing<'a>,
}

impl Answer<'_> {
    async fn sign_up(
        &self,
        conversation: &mut Conversation,
        session_key: SessionKey,
        email: Email,
        account_id: AccountID,
    ) -> Result<ServerMessage, Code> {
        let new = self.registration()?;
        let opening = Opening {
            session: self.session(account_id, PasskeyID::from_bytes(make_random()), session_key),
            user_verified: new.user_verified,
            backed_up: new.backed_up,
            // WebAuthn signs nothing at registration without attestation, so there is no evidence to hand on.
            evidence: None,
        };
        let public_key_cose = new.public_key_cose.clone();
        let registration =
            Registration { email, passkey: Passkey::new(new, self.browser()), public_key_cose, opening };
        let Context { store, .. } = &*self.page.context;
        let session = register(store, registration).await.map_err(|error| match error {
            RegisterError::EmailTaken => Code::AccountExists,
            RegisterError::CredentialTaken => Code::PasskeyExists,
            RegisterError::Store(error) => internal(error),
        })?;
        signed_in(self.page, conversation, session)
    }

    async fn sign_in(
        &self,
        conversation: &mut Conversation,
        session_key: SessionKey,
        account: Option<&KnownAccount>,
    ) -> Result<ServerMessage, Code> {
        let Asserted { usage, user_verified, evidence } = self.assertion(account)?;
        let session = self.session(usage.account_id, usage.passkey_id, session_key);
        let opening =
            Opening { session, user_verified, backed_up: usage.backed_up, evidence: Some(evidence) };
        let Context { store, session_limits, attached, detached, .. } = &*self.page.context;
        let most_sessions = session_limits.per_account;
        let verified = SignIn { opening, usage: Some(usage), most_sessions };
        let SignedIn { session, replaced, is_new_browser } =
            sign_in(store, verified).await.map_err(|error| match error {
                SignInError::PasskeyGone => self.refused(&error.to_string()),
                SignInError::Store(error) => internal(error),
            })?;
        tell(attached, detached, &replaced, EndReason::Replaced);
        if is_new_browser {
            self.tell_address(usage.account_id, News::NewBrowser { browser: self.browser().to_string() });
        }
        // It is on its socket before others hear of it: of two that open at once, at least one hears of the other.
        let answer = signed_in(self.page, conversation, Arc::clone(&session))?;
        let opened = AccountSession { is_current: false, ..session.for_account(session.session_id) };
        attached.tell_others(&session, &ServerMessage::SessionOpened(SessionOpened { session: opened }));
        Ok(answer)
    }

    async fn confirm(
        &self,
        session: &Session,
        account: &KnownAccount,
        ceremony_id: CeremonyID,
        action: Action,
    ) -> Result<ServerMessage, Code> {
        let gesture = self.gesture(session, account)?;
        let Context { store, .. } = &*self.page.context;
        let confirmed = confirm(store, gesture, ceremony_id, action.into_string()).await;
        confirmed.map_err(|error| self.code(error))?;
        Ok(ServerMessage::Confirmed(Confirmed { ceremony_id }))
    }

    /// The first half of adding a passkey: it is made, and one that the account had before has to vouch for it. That
    /// signature covers the new public key: neither a script that relays ceremonies nor a server can slip in its own.
    async fn make_passkey(&self, conversation: &mut Conversation) -> Result<ServerMessage, Code> {
        let session = conversation.signed_in()?;
        let new = self.registration()?;
        let Context { store, .. } = &*self.page.context;
        let Session { app_id, account_id, .. } = *session;
        // Asked again in the transaction; here it spares the person a gesture in vain.
        let index = store.keyring().derive_credential_index(app_id, &new.credential_id);
        if store.has_credential(app_id, &index).await.map_err(internal)? {
            return Err(Code::PasskeyExists);
        }
        let account = KnownAccount::of(store, app_id, account_id).await.map_err(internal)?;
        let account = account.ok_or(Code::SessionGone)?;
        let passkey_id = PasskeyID::from_bytes(make_random());
        let public_key_cose = new.public_key_cose.clone();
        let addition =
            Box::new(Addition { passkey_id, passkey: Passkey::new(new, self.browser()), public_key_cose });
        let purpose = Purpose::AddPasskey { account, addition };
        Ok(challenge(self.page, conversation, session.session_key.clone(), purpose))
    }

    async fn add_passkey(
        &self,
        session: &Session,
        account: &KnownAccount,
        addition: Addition,
    ) -> Result<ServerMessage, Code> {
        let gesture = self.gesture(session, account)?;
        let Context { store, attached, .. } = &*self.page.context;
        let passkey = add_passkey(store, gesture, addition).await.map_err(|error| self.code(error))?;
        self.tell_address(account.account_id, News::PasskeyAdded { browser: self.browser().to_string() });
        let added = ServerMessage::PasskeyAdded(OnePasskey { passkey });
        attached.tell_others(session, &added);
        Ok(added)
    }

    async fn remove_passkey(
        &self,
        session: &Session,
        account: &KnownAccount,
        passkey_id: PasskeyID,
    ) -> Result<ServerMessage, Code> {
        let gesture = self.gesture(session, account)?;
        let removed = account.passkeys.iter().find(|(id, _)| *id == passkey_id).ok_or(Code::NotFound)?;
        let credential_id = Base64Url(removed.1.credential_id.clone());
        let Context { store, attached, detached, .. } = &*self.page.context;
        let ended = remove_own_passkey(store, gesture, passkey_id).await;
        let ended: Vec<SessionID> = ended.map_err(|error| self.code(error))?;
        // If this session is among them, its own socket hears of it after this answer.
        tell(attached, detached, &ended, EndReason::PasskeyRemoved);
        self.tell_address(account.account_id, News::PasskeyRemoved);
        Ok(ServerMessage::PasskeyRemoved(PasskeyRemoved { passkey_id, credential_id }))
    }

    async fn make_recovery_code(
        &self,
        conversation: &Conversation,
        account: &KnownAccount,
    ) -> Result<ServerMessage, Code> {
        let gesture = self.gesture(&*conversation.signed_in()?, account)?;
        let code = crate::recovery::RecoveryCode::from_random(make_random());
        let Page { context, app, .. } = self.page;
        let made = make_recovery_code(&context.store, gesture, &code).await;
        if made.map_err(|error| self.code(error))? {
            let wanted = Wanted::Account(account.account_id);
            tell_recovery_news(context, app, wanted, News::RecoveryCancelled).await;
        }
        self.tell_address(account.account_id, News::RecoveryCodeMade);
        Ok(ServerMessage::RecoveryCode(RecoveryCode { code: code.reveal() }))
    }

    async fn recover(&self, account: &KnownAccount, code: CodeHash) -> Result<ServerMessage, Code> {
        let new = self.registration()?;
        let public_key_cose = new.public_key_cose.clone();
        let passkey_id = PasskeyID::from_bytes(make_random());
        let addition = Addition { passkey_id, passkey: Passkey::new(new, self.browser()), public_key_cose };
        let Page { context, app, .. } = self.page;
        let Context { store, attached, detached, .. } = &**context;
        let completed = complete_recovery(store, app.app_id, account.account_id, code, addition).await;
        let (passkey, ended) = completed.map_err(|error| match error {
            CompleteError::Gone => Code::WrongRecoveryCode,
            CompleteError::CredentialTaken => Code::PasskeyExists,
            CompleteError::Store(error) => internal(error),
        })?;
        tell(attached, detached, &ended, EndReason::Recovered);
        let wanted = Wanted::Account(account.account_id);
        tell_recovery_news(context, app, wanted, News::RecoveryCompleted).await;
        Ok(ServerMessage::PasskeyAdded(OnePasskey { passkey }))
    }

    fn gesture(&self, session: &Session, account: &KnownAccount) -> Result<Gesture, Code> {
        let Asserted { usage, evidence, .. } = self.assertion(Some(account))?;
        Ok(Gesture { app_id: session.app_id, session_id: session.session_id, usage, evidence })
    }

    fn assertion(&self, account: Option<&KnownAccount>) -> Result<Asserted, Code> {
        self.finishing.assertion(&self.credential, account).map_err(|refused| self.refuse(&refused))
    }

    fn registration(&self) -> Result<NewPasskey, Code> {
        self.finishing.registration(&self.credential).map_err(|refused| self.refuse(&refused))
    }

    fn session(&self, account_id: AccountID, passkey_id: PasskeyID, session_key: SessionKey) -> Session {
        let Page { context, app, origin, user_agent, .. } = self.page;
        let (now, limits) = (context.clock.now(), context.session_limits);
        Session {
            session_id: SessionID::time_ordered(now, make_random()),
            app_id: app.app_id,
            account_id,
            passkey_id,
            origin: origin.as_str().to_owned(),
            session_key,
            started_at: now,
            expires_at: now.plus(limits.absolute_ms),
            ends: context.clock.uptime().plus(limits.absolute_ms),
            idle_ms: limits.idle_ms,
            grace_ms: limits.grace_ms,
            user_agent: user_agent.clone(),
        }
    }

    fn browser(&self) -> Browser {
        Browser::of(&self.page.user_agent)
    }

    fn tell_address(&self, account_id: AccountID, news: News) {
        tell_address_beside(&self.page.context, &self.page.app, account_id, news);
    }

    fn code(&self, error: GestureError) -> Code {
        match error {
            GestureError::SessionGone => Code::SessionGone,
            GestureError::PasskeyGone => self.refused(&error.to_string()),
            GestureError::NotFound => Code::NotFound,
            GestureError::LastPasskey => Code::LastPasskey,
            GestureError::TooManyPasskeys => Code::TooManyPasskeys,
            GestureError::CredentialTaken => Code::PasskeyExists,
            GestureError::Store(error) => internal(error),
        }
    }

    /// One answer whatever failed: the difference would help an attacker more than a person.
    fn refused(&self, reason: &str) -> Code {
        self.refuse(&Refused { code: Code::PasskeyRejected, reason: reason.to_owned() })
    }

    fn refuse(&self, Refused { code, reason }: &Refused) -> Code {
        tracing::info!(connection.id = %self.page.connection_id, %reason, "a ceremony was refused");
        *code
    }
}
