//! The one message under way that has Mirakl told of a dispatch.
//!
//! A message that cannot do its work comes again by one way alone: the row says when, and a delayed
//! copy is sent for that moment. What comes earlier than the row says is an older copy, and is
//! dropped. The sweep sends one again only where the row says that it is overdue. So there is one
//! message for a row however long an outage lasts.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kit::clock::after;

/// A message that should have been seen so long ago is taken for lost. Longer than a queue hides
/// one that is being worked off.
pub const MESSAGE_IS_LOST: Duration = Duration::from_secs(7 * 60);
/// A lost message is looked for less and less often: the function that works it off may be what
/// stands still.
const LONGEST_SEARCH: Duration = Duration::from_secs(6 * 3600);
/// The wait after a first failure; doubled with each.
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(60);
/// The longest wait after failures.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// The longest that SQS delays a message.
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// The message under way for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageUnderWay {
    /// When it can be seen in the queue.
    pub due_at: Timestamp,
    /// Times in a row that it was worked off and could not do its work.
    #[serde(default)]
    pub failures: u32,
    /// Times that it was sent again because it was overdue.
    #[serde(default)]
    pub resent: u32,
}

impl MessageUnderWay {
    /// One that is sent now.
    #[must_use]
    pub fn sent(now: Timestamp) -> Self {
        Self { due_at: now, failures: 0, resent: 0 }
    }

    /// When it is taken for lost.
    #[must_use]
    pub fn lost_at(&self) -> Timestamp {
        let wait = MESSAGE_IS_LOST.saturating_mul(2_u32.saturating_pow(self.resent));
        after(self.due_at, wait.min(LONGEST_SEARCH))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use crate::domain::dispatch::Dispatch;
    use crate::domain::order::row::{OrderKey, OrderRow, Stage};
    use crate::kit::clock::{CLOCK_SKEW, before};
    use crate::mirakl::OrderState;

    fn at(seconds: u64) -> Timestamp {
        after(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds))
    }

    /// What fails comes again after longer and longer waits, but never after hours.
    #[test]
    fn retries_come_ever_later_but_stay_within_minutes() {
        let mut row = OrderRow::unread(OrderKey::new("uk", "C1-A"), OrderState::Shipping, at(0));
        let dispatch = row.dispatch.get_or_insert_default();
        let waits: Vec<u64> =
            (0..40).map(|_| dispatch.put_off_message(None, at(0)).as_secs()).collect();
        assert_eq!((&waits[..5], waits[39]), (&[60, 120, 240, 300, 300][..], 300));
        assert_eq!(
            dispatch.put_off_message(Some(Duration::from_secs(3600)), at(0)),
            LONGEST_DELAY,
            "SQS delays no longer"
        );
        row.enter(Stage::Dispatched, at(0), "another parcel");
        assert_eq!(row.dispatch.unwrap().put_off_message(None, at(0)), FIRST_WAIT);
    }

    #[test]
    fn an_older_copy_is_ahead_of_the_message_that_counts() {
        let mut dispatch = Dispatch::default();
        assert!(!dispatch.is_ahead_of_message(at(0)), "one that knows of no message takes any");
        dispatch.put_off_message(Some(Duration::from_secs(600)), at(0));
        assert!(dispatch.is_ahead_of_message(at(569)));
        assert!(!dispatch.is_ahead_of_message(before(at(600), CLOCK_SKEW)), "clocks differ");
    }

    /// A lost message is sent again within minutes, and then less and less often.
    #[test]
    fn lost_messages_are_replaced_soon_and_then_ever_more_rarely() {
        let mut dispatch = Dispatch::default();
        assert!(dispatch.begin_message(at(0)));
        assert!(!dispatch.begin_message(at(419)));
        assert!(dispatch.begin_message(at(420)));
        let sent = (421..24 * 3600).filter(|second| dispatch.begin_message(at(*second))).count();
        assert_eq!(sent, 7, "14, 28, 56 ... minutes, then every six hours");
        dispatch.put_off_message(None, at(24 * 3600));
        let failed = at(24 * 3600 + 60 + 420);
        assert!(
            !dispatch.begin_message(before(failed, Duration::from_secs(1)))
                && dispatch.begin_message(failed),
            "as before"
        );
    }
}
