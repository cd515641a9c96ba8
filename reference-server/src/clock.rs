//! The rim's clock and source of randomness. Everything further in takes both as arguments.

use std::{sync::Arc, time::Duration};

use passkey_accounts::protocol::UnixMillis;
use tokio::sync::watch;

/// Where the time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still until a test moves it.
    Manual(Arc<watch::Sender<UnixMillis>>),
}

impl Clock {
    /// A clock that stands at `now`.
    pub fn manual(now: UnixMillis) -> Self {
        Self::Manual(Arc::new(watch::Sender::new(now)))
    }

    /// The present time.
    pub fn now(&self) -> UnixMillis {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the rim")]
            Self::System => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                UnixMillis(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
            }
            Self::Manual(time) => *time.borrow(),
        }
    }

    /// Moves a manual clock forward and wakes whoever waits for that time. Does nothing to the machine's clock.
    pub fn advance(&self, millis: u64) {
        if let Self::Manual(time) = self {
            time.send_modify(|now| *now = now.plus(millis));
        }
    }

    /// Waits until the clock shows `time` or later.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn sleep_until(&self, time: UnixMillis) {
        match self {
            Self::System => {
                let wait = time.since(self.now());
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            Self::Manual(clock) => {
                let mut clock = clock.subscribe();
                if clock.wait_for(|now| *now >= time).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

/// Draws `N` random bytes from the machine's cryptographic source.
pub fn make_random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::disallowed_methods, reason = "this is the rim")]
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system's random source works");
    bytes
}
