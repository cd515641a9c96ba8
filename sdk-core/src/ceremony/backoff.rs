//! When to connect again: full jitter, so that the pages of a whole app do not come back in one moment.

/// The waiting times between attempts to connect.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The longest wait after the first failure, in milliseconds.
    pub const FIRST_MS: u64 = 500;
    /// The longest wait at all, in milliseconds.
    pub const LONGEST_MS: u64 = 30_000;

    /// Milliseconds to wait before the next attempt: uniform between 0 and a bound that doubles with each failure.
    /// `random` is 64 random bits.
    pub fn next_wait_ms(&mut self, random: u64) -> u64 {
        let doubled = 2_u64.saturating_pow(self.failures).saturating_mul(Self::FIRST_MS);
        self.failures = self.failures.saturating_add(1);
        random % (doubled.min(Self::LONGEST_MS) + 1)
    }

    /// Starts over: a connection was useful.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;

    #[test]
    fn waits_double_from_half_a_second_to_thirty_and_stay_there() {
        let mut backoff = Backoff::default();
        for bound in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000] {
            assert_eq!(backoff.clone().next_wait_ms(bound), bound);
            assert_eq!(backoff.next_wait_ms(bound + 1), 0);
        }
        backoff.reset();
        assert_eq!(backoff.next_wait_ms(501), 0);
    }

    #[test]
    fn a_very_long_outage_does_not_overflow() {
        let mut backoff = Backoff { failures: u32::MAX - 1 };
        for _ in 0..3 {
            assert!(backoff.next_wait_ms(u64::MAX) <= Backoff::LONGEST_MS);
        }
    }
}
