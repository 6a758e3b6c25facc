//! The one message under way that has Mirakl told of a despatch.
//!
//! A message that cannot do its work comes again by one way alone: the row says when, and a delayed copy is sent for that moment. What
//! comes earlier than the row says is an older copy, and is dropped. The sweep sends one again only where the row says that it is
//! overdue. So there is one message for a row however long an outage lasts.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Despatch;
use crate::clock::{CLOCK_SKEW, after};

/// A message that should have been seen so long ago is taken for lost. Longer than a queue hides one that is being worked off.
pub const MESSAGE_IS_LOST: Duration = Duration::from_secs(7 * 60);
/// A lost message is looked for less and less often: the function that works it off may be what stands still.
const LONGEST_SEARCH: Duration = Duration::from_secs(6 * 3600);
/// The wait after a first failure; doubled with each.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// The longest wait after failures.
const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);
/// The longest that SQS delays a message.
const LONGEST_DELAY: Duration = Duration::from_secs(900);

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

impl Despatch {
    /// A message that comes now is an older copy: the one that counts comes later.
    #[must_use]
    pub fn is_ahead_of_message(&self, now: Timestamp) -> bool {
        // Whoever noted the moment may have had a clock that was ahead of ours.
        self.message.is_some_and(|message| message.due_at > after(now, CLOCK_SKEW))
    }

    /// When the message is taken for lost; one that is sent now, where none is noted.
    #[must_use]
    pub fn message_lost_at(&self, now: Timestamp) -> Timestamp {
        self.message.unwrap_or(MessageUnderWay::sent(now)).lost_at()
    }

    /// Notes a message that is sent now. False where one is under way that is not overdue: none is sent beside it.
    pub fn begin_message(&mut self, now: Timestamp) -> bool {
        match &mut self.message {
            Some(message) if now < message.lost_at() => return false,
            Some(message) => (message.due_at, message.resent) = (now, message.resent.saturating_add(1)),
            None => self.message = Some(MessageUnderWay::sent(now)),
        }
        true
    }

    /// Notes that the message could not do its work, and comes again: after `asked`, or after as long as its failures so far say.
    /// Answers the delay for which it is to be sent.
    pub fn put_off_message(&mut self, asked: Option<Duration>, now: Timestamp) -> Duration {
        let failures = self.message.map_or(0, |message| message.failures);
        let own = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_WAIT);
        let wait = asked.unwrap_or(own).min(LONGEST_DELAY);
        // What was asked for is no failure: a limit, or the moment from which a question can tell something.
        let failures = failures.saturating_add(u32::from(asked.is_none()));
        self.message = Some(MessageUnderWay { due_at: after(now, wait), failures, resent: 0 });
        wait
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use crate::clock::before;
    use crate::mirakl::OrderState;
    use crate::order::row::{OrderKey, OrderRow, Stage};

    fn at(seconds: u64) -> Timestamp {
        after(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds))
    }

    #[test]
    fn what_fails_comes_again_after_longer_and_longer_but_never_after_hours() {
        let mut row = OrderRow::unread(OrderKey::new("uk", "C1-A"), OrderState::Shipping, at(0));
        let despatch = row.despatch.get_or_insert_default();
        let waits: Vec<u64> = (0..40).map(|_| despatch.put_off_message(None, at(0)).as_secs()).collect();
        assert_eq!((&waits[..5], waits[39]), (&[60, 120, 240, 300, 300][..], 300));
        assert_eq!(despatch.put_off_message(Some(Duration::from_secs(3600)), at(0)), LONGEST_DELAY, "SQS delays no longer");
        row.enter(Stage::Despatched, at(0), "another parcel");
        assert_eq!(row.despatch.unwrap().put_off_message(None, at(0)), FIRST_WAIT);
    }

    #[test]
    fn an_older_copy_is_ahead_of_the_message_that_counts() {
        let mut despatch = Despatch::default();
        assert!(!despatch.is_ahead_of_message(at(0)), "one that knows of no message takes any");
        despatch.put_off_message(Some(Duration::from_secs(600)), at(0));
        assert!(despatch.is_ahead_of_message(at(569)));
        assert!(!despatch.is_ahead_of_message(before(at(600), CLOCK_SKEW)), "clocks differ");
    }

    #[test]
    fn a_lost_message_is_sent_again_within_minutes_and_then_less_and_less_often() {
        let mut despatch = Despatch::default();
        assert!(despatch.begin_message(at(0)));
        assert!(!despatch.begin_message(at(419)));
        assert!(despatch.begin_message(at(420)));
        let sent = (421..24 * 3600).filter(|second| despatch.begin_message(at(*second))).count();
        assert_eq!(sent, 7, "14, 28, 56 ... minutes, then every six hours");
        despatch.put_off_message(None, at(24 * 3600));
        let failed = at(24 * 3600 + 60 + 420);
        assert!(!despatch.begin_message(before(failed, Duration::from_secs(1))) && despatch.begin_message(failed), "as before");
    }
}
