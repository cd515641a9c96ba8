//! The HTTP API.

use std::{str::FromStr, time::Duration, time::SystemTime};

use passkey_accounts::{
    Api,
    api::{EventsQuery, SessionsQuery},
    protocol::{
        Scope,
        http::{NewKey, NewKeyPair},
    },
};

use crate::{
    client::Client,
    error::Error,
    types::{
        AccountInfo, AppInfo, Checkpoint, CreatedKey, EventsPage, KeyInfo, PasskeyInfo, SessionsPage,
        unix_millis,
    },
};

#[uniffi::export]
impl Client {
    /// The app that the key speaks for. A good first call: it needs no scope.
    ///
    /// # Errors
    /// [`Error::Api`], as everything here.
    pub async fn app(&self) -> Result<AppInfo, Error> {
        self.call(move |api| async move { Ok(api.app().await?.into()) }).await
    }

    /// Lists the open sessions, oldest first: those after this one, at most `limit` (1 to 500, absent: 100), of this
    /// account only. Needs `sessions:read`.
    pub async fn list_sessions(
        &self,
        after: Option<String>,
        limit: Option<u32>,
        account_id: Option<String>,
    ) -> Result<SessionsPage, Error> {
        let query = SessionsQuery {
            after: after.as_deref().map(id).transpose()?,
            limit: limit.map(size),
            account_id: account_id.as_deref().map(id).transpose()?,
        };
        self.call(move |api| async move { Ok(api.sessions(&query).await?.into()) }).await
    }

    /// Ends a session: its page is told, its socket is closed. `notFound` when it is not open. Needs `sessions:write`.
    pub async fn end_session(&self, session_id: String) -> Result<(), Error> {
        let session_id = id(&session_id)?;
        self.call(move |api| async move { Ok(api.end_session(session_id).await?) }).await
    }

    /// What is known of an account; `notFound` when there is none. Needs `accounts:read`.
    pub async fn account(&self, account_id: String) -> Result<AccountInfo, Error> {
        let account_id = id(&account_id)?;
        self.call(move |api| async move { Ok(api.account(account_id).await?.into()) }).await
    }

    /// Erases an account for ever: its address, its passkeys and its sessions. Needs `accounts:write`.
    pub async fn erase_account(&self, account_id: String) -> Result<(), Error> {
        let account_id = id(&account_id)?;
        self.call(move |api| async move { Ok(api.erase_account(account_id).await?) }).await
    }

    /// Cancels the recovery of an account; `notFound` when there is none. Needs `accounts:write`.
    pub async fn cancel_recovery(&self, account_id: String) -> Result<(), Error> {
        let account_id = id(&account_id)?;
        self.call(move |api| async move { Ok(api.cancel_recovery(account_id).await?) }).await
    }

    /// The passkeys of an account, oldest first. Needs `accounts:read`.
    pub async fn passkeys(&self, account_id: String) -> Result<Vec<PasskeyInfo>, Error> {
        let account_id = id(&account_id)?;
        self.call(move |api| async move {
            Ok(api.passkeys(account_id).await?.into_iter().map(PasskeyInfo::from).collect())
        })
        .await
    }

    /// Removes a passkey and ends the sessions that it opened; `lastPasskey` when it is the account's last. Needs
    /// `accounts:write`.
    pub async fn remove_passkey(&self, account_id: String, passkey_id: String) -> Result<(), Error> {
        let (account_id, passkey_id) = (id(&account_id)?, id(&passkey_id)?);
        self.call(move |api| async move { Ok(api.remove_passkey(account_id, passkey_id).await?) }).await
    }

    /// Reads the log from a position on, at most `limit` events (1 to 500, absent: 100) of these types (empty: sign-ins
    /// and sign-outs). `gone` when the position cannot be continued. Needs `events:read`.
    pub async fn list_events(
        &self,
        after: Option<String>,
        limit: Option<u32>,
        types: Vec<String>,
    ) -> Result<EventsPage, Error> {
        let query = EventsQuery { after, limit: limit.map(size), types };
        self.call(move |api| async move { api.events(&query).await?.try_into() }).await
    }

    /// The newest signed head of the log. Needs `events:read`.
    pub async fn checkpoint(&self) -> Result<Checkpoint, Error> {
        self.call(move |api| async move { Ok(api.checkpoint().await?.into()) }).await
    }

    /// The app's keys, oldest first, without their secrets. Needs `keys:write`.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>, Error> {
        self.call(move |api| async move { Ok(api.keys().await?.into_iter().map(KeyInfo::from).collect()) })
            .await
    }

    /// Makes a key. It may do nothing that this one may not; `scopes` absent: what this one may. Needs `keys:write`.
    pub async fn create_key(
        &self,
        name: String,
        scopes: Option<Vec<String>>,
        expires_at: Option<SystemTime>,
    ) -> Result<CreatedKey, Error> {
        let new = NewKey { name, scopes: read_scopes(scopes)?, expires_at: expires_at.map(unix_millis) };
        self.call(move |api| async move { Ok(api.create_key(&new).await?.into()) }).await
    }

    /// Registers the public half of a key pair (43 characters of unpadded base64url), which works from now on like a key.
    /// Scopes as of `create_key`. Needs `keys:write`.
    pub async fn register_key_pair(
        &self,
        public_key: String,
        name: String,
        scopes: Option<Vec<String>>,
        expires_at: Option<SystemTime>,
    ) -> Result<KeyInfo, Error> {
        let (scopes, expires_at) = (read_scopes(scopes)?, expires_at.map(unix_millis));
        let new = NewKeyPair { public_key, name, scopes, expires_at };
        self.call(move |api| async move { Ok(api.register_key_pair(&new).await?.into()) }).await
    }

    /// Makes a key like `key_id`, which still works for `overlap` (at most 30 days) and expires then. Needs `keys:write`.
    pub async fn rotate_key(&self, key_id: String, overlap: Duration) -> Result<CreatedKey, Error> {
        self.call(move |api| async move { Ok(api.rotate_key(&key_id, overlap).await?.into()) }).await
    }

    /// Takes a key back; its event sockets are closed at once. Needs `keys:write`.
    pub async fn revoke_key(&self, key_id: String) -> Result<(), Error> {
        self.call(move |api| async move { Ok(api.revoke_key(&key_id).await.map(drop)?) }).await
    }
}

fn read_scopes(scopes: Option<Vec<String>>) -> Result<Option<Vec<Scope>>, Error> {
    let read = |scope: String| scope.parse().map_err(|_| Error::not_a_scope(&scope));
    scopes.map(|scopes| scopes.into_iter().map(read).collect()).transpose()
}

impl Client {
    async fn call<T, F, C>(&self, call: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(Api) -> C + Send + 'static,
        C: Future<Output = Result<T, Error>> + Send,
    {
        let accounts = self.accounts.clone();
        self.engine.run(async move { call(accounts.api().await?).await }).await?
    }
}

fn id<T: FromStr>(text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::not_an_id(text))
}

fn size(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
