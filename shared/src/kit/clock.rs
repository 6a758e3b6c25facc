//! Time: always UTC, always handed in. Only [`SystemClock`] reads the machine's clock.

use std::time::Duration;

use jiff::Timestamp;

/// How much the clocks of two Lambda hosts may differ, and then some.
pub const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// Where a handler learns what time it is, and waits. Rules take a [`Timestamp`] instead.
pub trait Clock {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Waits for `duration`.
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// `from` plus `duration`, or the end of time where that would pass it.
#[must_use]
pub fn after(from: Timestamp, duration: Duration) -> Timestamp {
    from.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// `from` less `duration`, or the beginning of time where that would pass it.
#[must_use]
pub fn before(from: Timestamp, duration: Duration) -> Timestamp {
    from.checked_sub(duration).unwrap_or(Timestamp::MIN)
}
