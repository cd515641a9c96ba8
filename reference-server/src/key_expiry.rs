//! Ends the back-end sockets of a key when its time is over.

use crate::context::Context;

/// How long to wait before trying again when the database could not be read.
const RETRY_MS: u64 = 1_000;

/// Ends sockets when their key expires. Runs until it is dropped.
pub(crate) async fn end_expired_keys(context: &Context) {
    let Context { clock, store, back_ends, .. } = context;
    let mut done = clock.now();
    loop {
        let next = match store.next_key_expiry(done).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "the ends of API keys cannot be read; retrying");
                Some(clock.now().plus(RETRY_MS))
            }
        };
        let waiting = async {
            match next {
                Some(next) => clock.sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = waiting => {}
            () = back_ends.wait_for_keys() => continue,
        }
        let now = clock.now();
        match store.keys_expired_between(done, now).await {
            Ok(keys) => {
                for key in keys {
                    back_ends.expire_key(key.app_id, &key.key_id);
                }
                done = now;
            }
            Err(error) => {
                tracing::error!(%error, "expired API keys cannot be read; retrying");
                clock.sleep_until(now.plus(RETRY_MS)).await;
            }
        }
    }
}
