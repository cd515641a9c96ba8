//! Counts the time that recoveries wait, and ends those that nobody came for.

use crate::{
    accounts::count_recoveries, context::Context, limits::RECOVERY_COUNT_MS, mail::News,
    news::tell_recovery_news, store::Wanted,
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
                tell_recovery_news(context, &app, Wanted::Account(account_id), News::RecoveryCancelled).await;
            }
        }
    }
}
