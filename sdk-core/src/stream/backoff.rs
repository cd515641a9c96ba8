//! How long to wait before the next connection: full jitter, so that ten thousand clients do not come back at once.

use std::time::Duration;

/// The delays between connections. `n` failures in a row make `rand(50 ms, min(30 s, 0.5 s * 2^n))`.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    random: fastrand::Rng,
}

impl Backoff {
    /// Delays that depend on nothing but the seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { failures: 0, random: fastrand::Rng::with_seed(seed) }
    }

    /// The next delay. `at_least` is the server's wish; the jitter is added to it, or all would come back together.
    pub(super) fn next_delay(&mut self, at_least: Option<Duration>) -> Duration {
        let cap = FIRST.saturating_mul(2_u32.saturating_pow(self.failures)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let jitter = SHORTEST + (cap - SHORTEST).mul_f64(self.random.f64());
        at_least.unwrap_or_default().min(LONGEST_WISH).saturating_add(jitter)
    }

    /// A connection has ended after having been live for that long.
    pub(super) fn was_live_for(&mut self, lifetime: Duration) {
        if lifetime >= STABLE {
            self.failures = 0;
        }
    }

    /// When to leave a server that goes down in `within`: at a random point of its first four fifths.
    pub(super) fn drain_delay(&mut self, within: Duration) -> Duration {
        within.mul_f64(0.8 * self.random.f64())
    }
}

const SHORTEST: Duration = Duration::from_millis(50);
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// A connection that lived this long clears the record.
const STABLE: Duration = Duration::from_secs(30);

/// A server may not send a client away for longer, by mistake or otherwise.
const LONGEST_WISH: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Backoff, LONGEST_WISH};

    #[test]
    fn delays_stay_within_their_bounds_and_use_their_width() {
        for failures in 0..12_u32 {
            let cap = Duration::from_millis(500 * 2_u64.pow(failures)).min(Duration::from_secs(30));
            let delays: Vec<_> = (0..500)
                .map(|seed| {
                    let mut backoff = Backoff::new(seed);
                    for _ in 0..failures {
                        backoff.next_delay(None);
                    }
                    backoff.next_delay(None)
                })
                .collect();
            assert!(delays.iter().all(|delay| (Duration::from_millis(50)..=cap).contains(delay)));
            assert!(delays.iter().any(|delay| *delay < cap.mul_f64(0.2)));
            assert!(delays.iter().any(|delay| *delay > cap.mul_f64(0.8)));
        }
    }

    #[test]
    fn thirty_live_seconds_clear_the_record_and_less_does_not() {
        let mut backoff = Backoff::new(1);
        let longest = |backoff: &mut Backoff| (0..20).map(|_| backoff.next_delay(None)).max().unwrap();
        assert!(longest(&mut backoff) > Duration::from_secs(10));
        backoff.was_live_for(Duration::from_millis(29_999));
        assert!(longest(&mut backoff) > Duration::from_secs(10));
        backoff.was_live_for(Duration::from_secs(30));
        assert!(backoff.next_delay(None) <= Duration::from_millis(500));
    }

    #[test]
    fn the_servers_wish_is_a_lower_bound_and_is_bounded() {
        let mut backoff = Backoff::new(1);
        let wish = Duration::from_secs(60);
        let delay = backoff.next_delay(Some(wish));
        assert!(delay > wish && delay <= wish + Duration::from_millis(500));
        assert!(backoff.next_delay(Some(Duration::MAX)) <= LONGEST_WISH + Duration::from_secs(30));
    }
}
