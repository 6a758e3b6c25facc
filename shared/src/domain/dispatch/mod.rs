//! Dispatch: from a parcel that left Prima's warehouse to a shipped order in Mirakl. Pure rules, no
//! clock, no store.
//!
//! What is known of an order's dispatch stands in its row ([`Dispatch`]). [`prima_answer`] says what
//! an answer of Prima's makes of it, [`plan`] what has to be told to Mirakl next, [`carriers`] under
//! which code, [`settlement`] what is cancelled or refunded of what will not leave, [`schedule`]
//! when Prima is asked again.

pub mod carriers;
pub mod documents;
pub mod file;
pub mod message;
pub mod plan;
pub mod prima_answer;
pub mod rules;
pub mod schedule;
pub mod settlement;
pub mod unanswered;

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::kit::amount::Amount;
use crate::kit::clock::{CLOCK_SKEW, after};
use crate::mirakl::shipping::{How, ParcelLine};
use unanswered::Unanswered;

use message::{FIRST_WAIT, LONGEST_DELAY, LONGEST_WAIT, MESSAGE_IS_LOST, MessageUnderWay};

/// Between two questions for a dispatch that waits for something in Prima to be mended.
pub const MENDED_IN_PRIMA: Duration = Duration::from_secs(1800);

/// A parcel: (order, dispatch, consignment). Recorded once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// Prima's `DespatchNumber`.
    pub dispatch: String,
    /// Prima's `ConsignmentNumber`: the tracking number, as Prima has it; empty where there is
    /// none. Never made up.
    pub consignment: String,
    /// Prima's `Carrier`: its own description, never a marketplace's code.
    pub carrier: String,
    /// Prima's `CarrServ`.
    pub service: String,
    /// `DespatchDate`.
    #[serde(default)]
    pub dispatched_on: Option<Date>,
    /// What is in it; empty where Prima does not say.
    #[serde(default)]
    pub lines: Vec<ParcelLine>,
    /// When it was first seen.
    pub found_at: Timestamp,
    /// When Mirakl took it.
    #[serde(default)]
    pub confirmed_at: Option<Timestamp>,
    /// Mirakl's shipment id, where the platform ships in parts.
    #[serde(default)]
    pub shipment_id: Option<String>,
}

impl Parcel {
    /// The parcel's name among those of its order.
    #[must_use]
    pub fn identity(&self) -> (&str, &str) {
        (&self.dispatch, &self.consignment)
    }

    /// Carrier and service, as a person reads them.
    #[must_use]
    pub fn description(&self) -> String {
        [self.carrier.as_str(), self.service.as_str()]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(" / ")
    }
}

/// A cancellation or refund of pieces. Written into the row before it is sent, because neither can
/// be repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// Whether the pieces are cancelled or refunded.
    pub how: How,
    /// The lines that were sent, with their amounts.
    pub lines: Vec<SettledLine>,
    /// When it was about to be sent.
    pub at: Timestamp,
    /// Until then whoever wrote this may still be sending it: nobody else asks or sends before.
    pub until: Timestamp,
    /// When Mirakl was known to have it.
    #[serde(default)]
    pub confirmed_at: Option<Timestamp>,
    /// `reason_code`; none in notes of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
}

/// Pieces of a line that are settled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledLine {
    /// Mirakl's `order_line_id`.
    pub order_line_id: String,
    /// Pieces.
    pub quantity: u32,
    /// How many cancelations, or refunds, Mirakl listed on the line before.
    pub entries_before: usize,
    /// `amount` that was sent; none in notes of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Amount>,
    /// `shipping_amount` that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_amount: Option<Amount>,
    /// Mirakl's id of the cancelation or refund that it became: `cancelation_id`, `refund_id` or
    /// `order_refund_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_id: Option<String>,
}

/// A settlement that an operator asked for: carried out before anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestedSettlement {
    /// Whether the pieces are cancelled or refunded.
    pub how: How,
    /// The marketplace's reason code.
    pub reason_code: String,
    /// The pieces.
    pub lines: Vec<ParcelLine>,
    /// Who asked.
    pub by: String,
}

/// A shipment that was about to be sent (ST01): it cannot be repeated without asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentAttempt {
    /// The parcel's dispatch number.
    pub dispatch: String,
    /// The parcel's consignment number.
    pub consignment: String,
    /// When it was about to be sent.
    pub at: Timestamp,
    /// Until then whoever wrote this may still be sending it.
    pub until: Timestamp,
}

/// Words of Prima's that are kept of one order.
const WORDS: usize = 12;

/// What is known of an order's dispatch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// When the order is looked at again: Prima is asked, or what waits is sent on once more.
    pub due_at: Timestamp,
    /// When Prima was last asked.
    #[serde(default)]
    pub asked_at: Option<Timestamp>,
    /// Prima's latest word for it, as Prima writes it.
    #[serde(default)]
    pub prima_status: String,
    /// The words so far and since when each was seen, the latest last: which of them mean that
    /// stock is allocated is the site's matter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prima_words: Vec<(String, Timestamp)>,
    /// Since when Prima has nothing more to send: everything has left, or the rest is cancelled.
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// The parcels, in the order in which they were found.
    #[serde(default)]
    pub parcels: Vec<Parcel>,
    /// What has left waits for the rest until then, on a marketplace that ships whole orders.
    #[serde(default)]
    pub rest_until: Option<Timestamp>,
    /// What was cancelled or refunded because it will not leave.
    #[serde(default)]
    pub settlements: Vec<Settlement>,
    /// What an operator asked to be cancelled or refunded.
    #[serde(default)]
    pub requested: Option<RequestedSettlement>,
    /// The shipment that was about to be sent.
    #[serde(default)]
    pub attempt: Option<ShipmentAttempt>,
    /// When it was said that the ship-by deadline is near.
    #[serde(default)]
    pub warned_at: Option<Timestamp>,
    /// The message under way that has Mirakl told; none where no sender has noted one, as in a
    /// stage that was just entered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageUnderWay>,
    /// Calls to Mirakl about the order that got no usable answer in a row, by operation; none once
    /// anything of it is confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unanswered: Vec<Unanswered>,
    /// Answers in a row that said "Despatched" without saying what or how.
    #[serde(default)]
    pub unclear_answers: u32,
}

impl Dispatch {
    /// Notes Prima's answer: its word for the order at `now`.
    pub fn note_word(&mut self, word: &str, now: Timestamp) {
        self.asked_at = Some(now);
        word.clone_into(&mut self.prima_status);
        if self.prima_words.last().is_none_or(|(known, _)| known != word) {
            if self.prima_words.len() >= WORDS {
                self.prima_words.remove(0);
            }
            self.prima_words.push((word.to_owned(), now));
        }
    }

    /// When an order that was just queued for Mirakl is looked at again. Where Prima may have more
    /// to say it is asked at `now`, as if nothing had been in the way: a second parcel must not
    /// wait for the first one's message. Otherwise only a lost message is left to wait for.
    #[must_use]
    pub fn due_once_queued(&self, now: Timestamp) -> Timestamp {
        if self.ended_at.is_some() { after(now, MESSAGE_IS_LOST) } else { now }
    }

    /// Parcels that Mirakl does not know of yet.
    pub fn unconfirmed(&self) -> impl Iterator<Item = &Parcel> {
        self.parcels.iter().filter(|parcel| parcel.confirmed_at.is_none())
    }

    /// The settlement that is under way, if there is one.
    #[must_use]
    pub fn open_settlement(&self) -> Option<&Settlement> {
        self.settlements.iter().find(|settlement| settlement.confirmed_at.is_none())
    }

    /// Pieces of a line that are refunded instead of shipped. Cancelled ones are taken off the line
    /// itself.
    #[must_use]
    pub fn refunded(&self, order_line_id: &str) -> u32 {
        let refunds = self.settlements.iter().filter(|settlement| {
            settlement.how == How::Refund && settlement.confirmed_at.is_some()
        });
        refunds
            .flat_map(|refund| &refund.lines)
            .filter(|line| line.order_line_id == order_line_id)
            .map(|line| line.quantity)
            .sum()
    }

    /// Pieces of a line that are in parcels.
    #[must_use]
    pub fn in_parcels(&self, order_line_id: &str) -> u32 {
        let lines = self.parcels.iter().flat_map(|parcel| &parcel.lines);
        lines.filter(|line| line.order_line_id == order_line_id).map(|line| line.quantity).sum()
    }

    /// Pieces of a line that are in parcels or refunded instead.
    #[must_use]
    pub fn accounted_for(&self, order_line_id: &str) -> u32 {
        self.in_parcels(order_line_id) + self.refunded(order_line_id)
    }

    /// Some parcel does not say what is in it.
    #[must_use]
    pub fn has_parcel_without_lines(&self) -> bool {
        self.parcels.iter().any(|parcel| parcel.lines.is_empty())
    }
}

impl Dispatch {
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

    /// Notes a message that is sent now. False where one is under way that is not overdue: none is
    /// sent beside it.
    pub fn begin_message(&mut self, now: Timestamp) -> bool {
        match &mut self.message {
            Some(message) if now < message.lost_at() => return false,
            Some(message) => {
                (message.due_at, message.resent) = (now, message.resent.saturating_add(1))
            }
            None => self.message = Some(MessageUnderWay::sent(now)),
        }
        true
    }

    /// Notes that the message could not do its work, and comes again: after `asked`, or after as
    /// long as its failures so far say. Answers the delay for which it is to be sent.
    pub fn put_off_message(&mut self, asked: Option<Duration>, now: Timestamp) -> Duration {
        let failures = self.message.map_or(0, |message| message.failures);
        let own = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_WAIT);
        let wait = asked.unwrap_or(own).min(LONGEST_DELAY);
        // What was asked for is no failure: a limit, or the moment from which a question can tell
        // something.
        let failures = failures.saturating_add(u32::from(asked.is_none()));
        self.message = Some(MessageUnderWay { due_at: after(now, wait), failures, resent: 0 });
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_parcel_does_not_wait_for_the_message_of_the_first() {
        let now = Timestamp::UNIX_EPOCH;
        let mut dispatch = Dispatch::default();
        assert_eq!(
            dispatch.due_once_queued(now),
            now,
            "Prima has not ended the order: it is asked"
        );
        dispatch.ended_at = Some(now);
        assert_eq!(
            dispatch.due_once_queued(now),
            after(now, MESSAGE_IS_LOST),
            "only a lost message is left to wait for"
        );
    }
}
