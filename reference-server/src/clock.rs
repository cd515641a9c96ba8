//! The rim's clock and source of randomness. Everything further in takes both as arguments.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use passkey_accounts::protocol::UnixMillis;
use tokio::{sync::watch, time::Instant};

/// Where the time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that stands still until a test moves it.
    Manual(Arc<watch::Sender<Hands>>),
}

/// Where a manual clock stands.
#[derive(Debug, Clone, Copy)]
pub struct Hands {
    now: UnixMillis,
    uptime: Uptime,
}

/// Milliseconds that this process has run. Setting the machine's clock does not change it, and it begins anew with each
/// process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uptime(pub u64);

/// What [`Uptime`] is counted from.
#[expect(clippy::disallowed_methods, reason = "this is the rim")]
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Uptime {
    /// So many milliseconds later.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl Clock {
    /// A clock that stands at `now`.
    pub fn manual(now: UnixMillis) -> Self {
        Self::Manual(Arc::new(watch::Sender::new(Hands { now, uptime: Uptime(0) })))
    }

    /// The present time.
    pub fn now(&self) -> UnixMillis {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the rim")]
            Self::System => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                UnixMillis(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
            }
            Self::Manual(hands) => hands.borrow().now,
        }
    }

    /// How long this process has run, whatever was done to the clock.
    pub fn uptime(&self) -> Uptime {
        match self {
            Self::System => Uptime(u64::try_from(BEGINNING.elapsed().as_millis()).unwrap_or(u64::MAX)),
            Self::Manual(hands) => hands.borrow().uptime,
        }
    }

    /// Moves a manual clock forward and wakes whoever waits for that time. Does nothing to the machine's clock.
    pub fn advance(&self, millis: u64) {
        if let Self::Manual(hands) = self {
            hands.send_modify(|Hands { now, uptime }| {
                *now = now.plus(millis);
                uptime.0 = uptime.0.saturating_add(millis);
            });
        }
    }

    /// Sets a manual clock to another time, as somebody sets the clock of a machine: no time passes.
    pub fn set(&self, time: UnixMillis) {
        if let Self::Manual(hands) = self {
            hands.send_modify(|hands| hands.now = time);
        }
    }

    /// This moment. A manual clock measures nothing.
    pub fn moment(&self) -> Moment {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the rim")]
            Self::System => Moment(Some(Instant::now())),
            Self::Manual(_) => Moment(None),
        }
    }

    /// Waits until a whole number of ticks has passed since then, one at least. Does not wait where nothing was measured.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn whole_ticks_since(&self, moment: Moment, tick_ms: u64) {
        let (Moment(Some(since)), Moment(Some(now))) = (moment, self.moment()) else { return };
        let tick = Duration::from_millis(tick_ms);
        tokio::time::sleep_until(now + until_whole(now.saturating_duration_since(since), tick)).await;
    }

    /// Waits until this process has run for so long.
    ///
    /// # Cancel safety
    /// Dropping it loses nothing.
    pub async fn sleep_until_uptime(&self, time: Uptime) {
        match self {
            Self::System => {
                let wait = time.0.saturating_sub(self.uptime().0);
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            Self::Manual(clock) => {
                let mut clock = clock.subscribe();
                if clock.wait_for(|hands| hands.uptime >= time).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
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
                if clock.wait_for(|hands| hands.now >= time).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

/// A moment, to measure from.
#[derive(Debug, Clone, Copy)]
pub struct Moment(Option<Instant>);

/// How long until a whole number of ticks has passed, one at least.
fn until_whole(elapsed: Duration, tick: Duration) -> Duration {
    let ticks = elapsed.as_nanos().div_ceil(tick.as_nanos().max(1)).max(1);
    tick.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX)).saturating_sub(elapsed)
}

/// Draws `N` random bytes from the machine's cryptographic source.
pub fn make_random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::disallowed_methods, reason = "this is the rim")]
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system's random source works");
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::until_whole;

    #[test]
    fn the_wait_ends_with_a_whole_number_of_ticks() {
        let ms = Duration::from_millis;
        for (elapsed, wait) in [(0, 20), (1, 19), (19, 1), (20, 0), (21, 19), (45, 15), (400, 0)] {
            assert_eq!(until_whole(ms(elapsed), ms(20)), ms(wait), "{elapsed}");
        }
    }
}
