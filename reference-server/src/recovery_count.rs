//! Counts the time that recoveries wait, and ends those that nobody came for.

use crate::{
    accounts::{Recoverable, count_recoveries},
    apps::App,
    context::Context,
    limits::RECOVERY_COUNT_MS,
    mail::RecoveryNews,
    store::Wanted,
};

/// Stores every now and then how long recoveries have waited, so that a restart does not lose it. Runs until it is dropped.
pub(crate) async fn keep_counting(context: &Context) {
    let Context { clock, store, apps, .. } = context;
    loop {
        clock.sleep_until(clock.now().plus(RECOVERY_COUNT_MS)).await;
        for app in apps.all() {
            let expired = match count_recoveries(store, app.app_id).await {
                Ok(expired) => expired,
                Err(error) => {
                    tracing::error!(%error, app.id = %app.app_id, "the time that recoveries have waited could not be stored; retrying");
                    continue;
                }
            };
            for account_id in expired {
                tell_recovery_news(context, &app, Wanted::Account(account_id), RecoveryNews::Cancelled).await;
            }
        }
    }
}

/// Tells the address and the open sessions of an account what has become of its recovery, which is stored already.
pub(crate) async fn tell_recovery_news(context: &Context, app: &App, account: Wanted, news: RecoveryNews) {
    let Context { clock, store, mailer, .. } = context;
    context.recoveries.send_replace(());
    match Recoverable::find(store, app.app_id, account, clock.uptime()).await {
        Ok(Some(found)) => {
            // A mail server that takes no mail has been logged; what happened stays.
            let _ = mailer.send_recovery_news(&found.email, &app.name, news, clock.now()).await;
        }
        Ok(None) => {}
        Err(error) => {
            tracing::error!(%error, "the address of an account could not be read to tell it of its recovery");
        }
    }
}
