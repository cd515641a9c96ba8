//! What was refused, counted, and said once a minute: an operator sees it at the default log level, and nobody can fill the log
//! by being refused.

use std::{
    array,
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

use passkey_accounts::protocol::Code;

use crate::{context::Context, limits::REFUSALS_MS};

/// How often each code was the answer since it was said last.
#[derive(Debug)]
pub struct Refusals([AtomicU64; Code::ALL.len()]);

impl Default for Refusals {
    fn default() -> Self {
        Self(array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Refusals {
    /// Counts one. What only asks the peer to come again is no refusal, unless it is a limit that was met.
    pub fn count(&self, code: Code) {
        let is_refusal = !code.is_retryable() || matches!(code, Code::RateLimited | Code::OverCapacity);
        if let (true, Some(count)) = (is_refusal, self.0.get(code as usize)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was counted since this was asked last, `badKey=2 rateLimited=40`; `None` if nothing was.
    pub fn take(&self) -> Option<String> {
        let mut said = String::new();
        for (code, count) in Code::ALL.iter().zip(&self.0) {
            match count.swap(0, Ordering::Relaxed) {
                0 => {}
                count => {
                    let space = if said.is_empty() { "" } else { " " };
                    // Writing to a text does not fail.
                    let _ = write!(said, "{space}{code}={count}");
                }
            }
        }
        (!said.is_empty()).then_some(said)
    }
}

/// Says every minute what was refused. Runs until it is dropped.
pub(crate) async fn keep_telling(context: &Context) {
    loop {
        context.clock.sleep_until(context.clock.now().plus(REFUSALS_MS)).await;
        if let Some(refused) = context.refusals.take() {
            tracing::warn!(%refused, "refused in the last minute");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Refusals};

    #[test]
    fn refusals_are_counted_by_their_code_and_said_once() {
        let refusals = Refusals::default();
        assert_eq!(refusals.take(), None);
        for code in [Code::BadKey, Code::RateLimited, Code::BadKey, Code::Idle, Code::ConnectionLost] {
            refusals.count(code);
        }
        assert_eq!(refusals.take().as_deref(), Some("rateLimited=1 badKey=2"));
        assert_eq!(refusals.take(), None);
    }

    #[test]
    fn every_code_has_its_place() {
        for code in Code::ALL {
            let refusals = Refusals::default();
            refusals.count(*code);
            let said = refusals.take();
            let expected = format!("{code}=1");
            assert!(said.is_none() || said == Some(expected), "{said:?}");
        }
    }
}
