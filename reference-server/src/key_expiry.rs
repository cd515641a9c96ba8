//! Ends the back-end sockets of a key when its time is over.

use crate::context::Context;

/// Ends sockets when their key expires. Runs until it is dropped.
pub(crate) async fn end_expired_keys(context: &Context) {
    let Context { clock, store, back_ends, .. } = context;
    let mut done = clock.now();
    loop {
        let next = store.next_key_expiry(done);
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
        for key in store.keys_expired_between(done, now) {
            back_ends.expire_key(key.app_id, &key.key_id);
        }
        done = now;
    }
}
