//! Calls to Mirakl about one order that get no usable answer again and again: whether that is the
//! order's matter, or the marketplace's.
//!
//! Mirakl answers 5xx, nothing, or what cannot be read. While it answers nothing at all, that is
//! the marketplace's matter, and nothing is counted beyond the tries. Where it answers other calls,
//! the failing operation is noted for the whole channel ([`crate::domain::rights`]): other orders
//! then try it one at a time, and whoever gets an answer takes the note away. An order whose own
//! calls fail on, while the note is taken away each time, is at fault itself: after a few of these
//! it is a person's.
//!
//! An answer that cannot be read is likely the same each time. Where no other order tries the
//! operation, the order is a person's too, and nobody is told of the channel. Where others meet the
//! same, it is the channel's matter, and not told for each order.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kit::clock::after;
use crate::mirakl::MiraklError;
use crate::mirakl::Outcome;

/// Failures in a row that may pass: after these the operation is noted for the channel, and no
/// person is asked before.
const NOTED: u32 = 3;
/// Failures that are the order's own matter before a person is asked.
const OWN: u32 = 2;
/// The first failure is at least so long ago before a person is asked: a short fault of the
/// marketplace passes.
const LASTS: Duration = Duration::from_secs(10 * 60);

/// Failures in a row of one operation for one order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// Mirakl's operation: `ST01`.
    pub operation: String,
    /// How many.
    pub count: u32,
    /// When the first failed.
    pub since: Timestamp,
    /// Those that are the order's own matter: Mirakl answered other orders since the failure
    /// before, or for long no other order has met what began with an unreadable answer to this one.
    #[serde(default)]
    pub own: u32,
    /// When the operation was noted for the channel after a failure of this order.
    #[serde(default)]
    pub noted_at: Option<Timestamp>,
}

/// What is noted of the operation for the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelNote {
    /// Since when.
    pub since: Timestamp,
    /// It began with an unreadable answer to this order, and no other order has met it since.
    pub of_this_order_alone: bool,
}

impl Unanswered {
    /// Whether a failure is one of these: the call was sent, and nothing came of it that says what
    /// it did.
    #[must_use]
    pub fn is_one(problem: &MiraklError) -> bool {
        problem.outcome == Outcome::Unknown && problem.status != Some(429)
    }

    /// One more failure, at `now`. `channel_note`: what is noted of the operation by now.
    pub fn count(
        &mut self,
        problem: &MiraklError,
        channel_note: Option<ChannelNote>,
        now: Timestamp,
    ) {
        if self.count == 0 {
            problem.operation.clone_into(&mut self.operation);
            self.since = now;
        }
        self.count = self.count.saturating_add(1);
        let others_are_answered = self
            .noted_at
            .is_some_and(|noted_at| channel_note.is_none_or(|note| note.since > noted_at));
        if others_are_answered {
            self.own = self.own.saturating_add(1);
            self.noted_at = None;
        }
        // The channel is quiet: nobody will show whether it is this order's matter.
        let is_alone = channel_note
            .is_some_and(|note| note.of_this_order_alone && now >= after(note.since, LASTS));
        if is_alone {
            self.own = OWN;
        }
    }

    /// The operation is to be noted for the channel, where Mirakl answers other calls.
    #[must_use]
    pub fn is_to_be_noted(&self) -> bool {
        self.count >= NOTED && self.noted_at.is_none()
    }

    /// It is the order's matter, and will not pass.
    #[must_use]
    pub fn is_for_a_person(&self, now: Timestamp) -> bool {
        self.count >= NOTED && self.own >= OWN && now >= after(self.since, LASTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u64) -> Timestamp {
        after(Timestamp::UNIX_EPOCH, Duration::from_secs(60 * minute))
    }

    fn note(minute: u64, of_this_order_alone: bool) -> Option<ChannelNote> {
        Some(ChannelNote { since: at(minute), of_this_order_alone })
    }

    fn server(status: u16) -> MiraklError {
        MiraklError { status: Some(status), ..MiraklError::unknown("OR23", "no") }
    }

    #[test]
    fn an_operation_that_fails_for_all_is_not_the_orders_matter() {
        let mut row = Unanswered::default();
        row.count(&server(500), None, at(0));
        row.count(&server(500), None, at(1));
        assert!(!row.is_to_be_noted());
        row.count(&server(500), None, at(3));
        assert!(row.is_to_be_noted());
        row.noted_at = Some(at(3));
        for minute in 4..100 {
            row.count(&server(500), note(3, false), at(minute));
        }
        assert_eq!((row.own, row.is_for_a_person(at(100))), (0, false));
    }

    /// Where others are answered and this order is not, that is its own matter.
    #[test]
    fn an_order_unanswered_while_others_are_is_its_own_problem() {
        let mut row = Unanswered::default();
        for minute in 0..12 {
            // The note of the failure before was taken away; once, another order made one since.
            let channel_note = if minute == 5 { note(5, false) } else { None };
            row.count(&server(503), channel_note, at(minute));
            if row.is_to_be_noted() {
                row.noted_at = Some(at(minute));
            }
            assert_eq!(row.is_for_a_person(at(minute)), minute >= 10, "minute {minute}: {row:?}");
        }
    }

    /// What cannot be read is the order's matter once it alone has met it for long.
    #[test]
    fn unreadable_answers_that_no_other_order_meets_are_the_orders_matter() {
        for (others_meet_it_from, person_at) in [(None, Some(13)), (Some(12), None)] {
            let mut row = Unanswered::default();
            let mut first = None;
            for minute in [0, 1, 3, 5, 8, 11, 13, 15, 30] {
                let alone = others_meet_it_from.is_none_or(|from| minute < from);
                let channel_note = if minute > 3 { note(3, alone) } else { None };
                row.count(&server(200), channel_note, at(minute));
                if row.is_to_be_noted() {
                    row.noted_at = Some(at(3));
                }
                first = first.or(row.is_for_a_person(at(minute)).then_some(minute));
            }
            assert_eq!(first, person_at, "{row:?}");
        }
    }

    /// Many orders meet unreadable answers before one of them notes it for the channel.
    #[test]
    fn unreadable_answers_before_the_note_are_nobodys_matter_yet() {
        let mut row = Unanswered::default();
        for minute in 0..60 {
            row.count(&server(200), None, at(minute));
        }
        assert!(row.is_to_be_noted() && !row.is_for_a_person(at(60)), "{row:?}");
    }

    #[test]
    fn a_limit_a_refusal_and_what_was_never_sent_are_none_of_these() {
        assert!(
            Unanswered::is_one(&server(500))
                && Unanswered::is_one(&MiraklError::unknown("ST11", "timed out"))
        );
        let others = [
            server(429),
            MiraklError::refused("OR23", 400, None, "no"),
            MiraklError::not_sent("OR23", "no connection"),
        ];
        assert!(others.iter().all(|problem| !Unanswered::is_one(problem)));
    }
}
