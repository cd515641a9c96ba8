//! Telling people what has happened to their account.

use std::sync::Arc;

use passkey_accounts::protocol::{AccountID, AppID};

use crate::{
    apps::App,
    context::Context,
    mail::News,
    store::{Store, StoreError, Wanted},
};

/// Tells an account's address, which waits for the mail server.
pub(crate) async fn tell_address(context: &Context, app: &App, account: Wanted, news: News) {
    let Context { clock, store, mailer, .. } = context;
    match address(store, app.app_id, account).await {
        // A mail server that takes no mail has been logged; what happened stays.
        Ok(Some(email)) => drop(mailer.send_news(&email, &app.name, &news, clock.now()).await),
        Ok(None) => {}
        Err(error) => {
            tracing::error!(%error, "the address of an account could not be read to tell it of news")
        }
    }
}

/// Tells an account's address beside what goes on, which does not wait for the mail server. The server waits for it when it
/// stops.
pub(crate) fn tell_address_beside(context: &Arc<Context>, app: &Arc<App>, account_id: AccountID, news: News) {
    let (context, app) = (Arc::clone(context), Arc::clone(app));
    let sockets = context.sockets.clone();
    sockets.spawn(async move { tell_address(&context, &app, Wanted::Account(account_id), news).await });
}

/// Tells the address and the open sessions of an account what has become of its recovery, which is stored already.
pub(crate) async fn tell_recovery_news(context: &Context, app: &App, account: Wanted, news: News) {
    context.recoveries.send_replace(());
    tell_address(context, app, account, news).await;
}

/// `None`: there is no such account, or somebody has written to it, so that it looks unknown.
async fn address(
    store: &Store,
    app_id: AppID,
    account: Wanted,
) -> Result<Option<crate::crypto::Email>, StoreError> {
    match store.account(app_id, account).await {
        Ok(Some(account)) => account.email().map(Some),
        Ok(None) | Err(StoreError::Tampered) => Ok(None),
        Err(error) => Err(error),
    }
}
