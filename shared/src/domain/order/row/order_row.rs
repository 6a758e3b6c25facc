//! The row of an order, and how it moves from stage to stage.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::creation::Creation;
use super::exception::{ExceptionKind, OrderException, Settled};
use super::key::OrderKey;
use super::lines::{RowLine, lines_of};
use super::listing::Listing;
use super::message::{ExpectedMessage, MESSAGE_IS_LOST, is_lost};
use super::stage::{Stage, Step};
use crate::domain::dispatch::Dispatch;
use crate::domain::notify::Told;
use crate::kit::clock::before;
use crate::mirakl::{Order, OrderState};

/// All that is remembered of an order: references, stages and times, and what it pays out; no name
/// or address.
///
/// Each part has one owner, who alone writes it: [`Listing`] whoever lists, [`Creation`] whoever
/// holds the lease, [`Dispatch`] the functions that collect and tell dispatches, the exception
/// whoever raises or ends it. The rest is written by whoever moves the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRow {
    /// Whose row it is.
    pub key: OrderKey,
    /// The row's version, as it was read; 0 for a row that is new. The store raises it at each
    /// save.
    #[serde(skip)]
    pub version: u64,
    /// Where the order stands.
    pub stage: Stage,
    /// Since when.
    pub since: Timestamp,
    /// The message that drives it on, in the stages that wait for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<ExpectedMessage>,
    /// The lines as listed; those of the Prima order once it is created.
    #[serde(default)]
    pub lines: Vec<RowLine>,
    /// Offers of lines that are no more, cancelled or refused: what a channel shows of them has
    /// changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone_skus: Vec<String>,
    /// What Mirakl lists of it.
    pub listing: Listing,
    /// What is known of its creation in Prima.
    #[serde(default)]
    pub creation: Creation,
    /// What is known of its dispatch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<Box<Dispatch>>,
    /// Why it needs a person.
    #[serde(default)]
    pub exception: Option<OrderException>,
    /// How a person ended its latest exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Box<Settled>>,
    /// Which state of its flight ([`crate::domain::stock::flight::Flight::digest`]) stands in the
    /// store beside it; the store's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flight: Option<u64>,
    /// The latest steps, oldest first.
    #[serde(default)]
    pub history: Vec<Step>,
}

/// Steps kept of an order's life: the first few and the latest.
pub(super) const HISTORY: usize = 40;

impl OrderRow {
    /// The row of an order that is listed for the first time.
    #[must_use]
    pub fn first_seen(channel: &str, order: &Order, now: Timestamp) -> Self {
        let mut row =
            Self::unread(OrderKey::new(channel, &order.order_id), order.order_state.clone(), now);
        row.note_listing(order);
        row
    }

    /// The row of an order of which nothing can be read but its id and state.
    #[must_use]
    pub fn unread(key: OrderKey, state: OrderState, now: Timestamp) -> Self {
        Self {
            key,
            version: 0,
            stage: Stage::Seen,
            since: now,
            message: None,
            lines: Vec::new(),
            gone_skus: Vec::new(),
            listing: Listing::unread(state, now),
            creation: Creation::default(),
            dispatch: None,
            exception: None,
            settled: None,
            flight: None,
            history: vec![Step { at: now, stage: Stage::Seen, note: String::new() }],
        }
    }

    /// Takes over what Mirakl lists; and the lines, until they are those that were sent to Prima.
    pub fn note_listing(&mut self, order: &Order) {
        self.listing.note(order, self.left_at());
        if !self.creation.was_begun() {
            self.take_lines(lines_of(order));
        }
    }

    /// This row, which another run has changed meanwhile, with what `ours` knows of the creation:
    /// for the holder of the lease after a conflict. Once the order was sent, its lines are those
    /// that were sent, and so part of what `ours` knows.
    #[must_use]
    pub fn with_creation_of(self, ours: &Self) -> Self {
        let lines = if ours.creation.was_begun() { ours.lines.clone() } else { self.lines };
        Self { creation: ours.creation.clone(), lines, ..self }
    }

    /// Takes over the lines that Prima is sent, or has: from here on they are those of the Prima
    /// order.
    pub fn note_sent_lines(&mut self, order: &Order) {
        self.take_lines(lines_of(order));
        self.creation.prima_lines =
            self.lines.iter().map(|line| line.order_line_id.clone()).collect();
    }

    /// Takes over lines, and remembers the offers of those that are no more.
    pub fn take_lines(&mut self, lines: Vec<RowLine>) {
        for line in std::mem::replace(&mut self.lines, lines) {
            let is_gone = self.lines.iter().all(|left| left.order_line_id != line.order_line_id);
            if is_gone && !self.gone_skus.contains(&line.offer_sku) {
                self.gone_skus.push(line.offer_sku);
            }
        }
    }

    /// Since when everything that will leave has left, as far as Prima says.
    #[must_use]
    pub fn left_at(&self) -> Option<Timestamp> {
        self.dispatch.as_ref().filter(|dispatch| !dispatch.parcels.is_empty())?.ended_at
    }

    /// Something has left: a parcel of Prima's, or Mirakl says so.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.listing.shipped
            || self.dispatch.as_ref().is_some_and(|dispatch| !dispatch.parcels.is_empty())
    }

    /// Mirakl's line id behind a line number of Prima's.
    #[must_use]
    pub fn mirakl_line(&self, prima_line: u32) -> Option<&str> {
        let index = usize::try_from(prima_line).ok()?.checked_sub(1)?;
        // Rows that were found again after a wiped table know only their present lines.
        let known = if self.creation.prima_lines.is_empty() {
            self.lines.get(index).map(|line| &line.order_line_id)
        } else {
            self.creation.prima_lines.get(index)
        };
        known.map(String::as_str)
    }

    /// Moves the order to `stage`, with a note for its history.
    pub fn enter(&mut self, stage: Stage, now: Timestamp, note: impl Into<String>) {
        self.stage = stage;
        self.since = now;
        if let Some(dispatch) = &mut self.dispatch {
            dispatch.message = None;
        }
        if stage != Stage::Creating {
            self.creation.lease = None;
        }
        self.message = matches!(stage, Stage::Queued | Stage::InDoubt | Stage::Cancelling)
            .then_some(ExpectedMessage { due: now, copies: 0 });
        if stage != Stage::Exception {
            self.exception = None;
        }
        if self.history.len() >= HISTORY {
            self.history.remove(HISTORY / 4);
        }
        self.history.push(Step { at: now, stage, note: note.into() });
    }

    /// Its message comes at this moment: until then it is not missed.
    pub fn expect_message(&mut self, due: Timestamp) {
        if let Some(message) = &mut self.message {
            message.due = due;
        }
    }

    /// Nobody sends its message: it is missed at once.
    pub fn miss_message(&mut self, now: Timestamp) {
        self.expect_message(before(now, MESSAGE_IS_LOST * 2));
    }

    /// Whether the message that drives it on should have been worked off long ago.
    #[must_use]
    pub fn message_is_lost(&self, now: Timestamp) -> bool {
        is_lost(self.message.as_ref(), self.since, now)
    }

    /// Its message is sent once more, in the stage in which it is.
    pub fn send_again(&mut self, now: Timestamp, note: &str) {
        let copies = self.message.as_ref().map_or(0, |message| message.copies) + 1;
        self.enter(self.stage, now, note);
        self.message = Some(ExpectedMessage { due: now, copies });
    }

    /// Whether a version of the order is older than what the row knows. One without a date is as it
    /// is now: Mirakl may leave the date out one day.
    #[must_use]
    pub fn is_newer_than(&self, order: &Order) -> bool {
        order.last_updated_date.is_some() && order.last_updated_date < self.listing.updated
    }

    /// Ends its exception as a person says, in a way that can be taken back.
    pub fn settle(&mut self, into: Stage, now: Timestamp, note: impl Into<String>) {
        let exception = self.exception.take();
        self.enter(into, now, note);
        self.settled = exception.map(|exception| Box::new(Settled { at: now, into, exception }));
    }

    /// Makes it the exception again that a person had ended; false where nothing was ended, or it
    /// has moved on since. It is told of like a new one.
    pub fn reopen(&mut self, now: Timestamp, note: impl Into<String>) -> bool {
        let Some(settled) = self.settled.take_if(|settled| settled.into == self.stage) else {
            return false;
        };
        self.creation.said_to_be_in_prima = false;
        self.enter(Stage::Exception, now, note);
        self.exception = Some(OrderException { told: Told::default(), ..settled.exception });
        true
    }

    /// Makes it an exception.
    pub fn fail(
        &mut self,
        kind: ExceptionKind,
        reason: impl Into<String>,
        remedy: impl Into<String>,
        now: Timestamp,
    ) {
        let reason = reason.into();
        self.enter(Stage::Exception, now, format!("{}: {reason}", kind.name()));
        self.exception = Some(OrderException::new(kind, reason, remedy, now));
    }
}

impl OrderRow {
    /// Since when it has waited for Prima without a break, however often it was queued, put back or
    /// asked about; none where it does not wait.
    #[must_use]
    pub fn waits_for_prima_since(&self) -> Option<Timestamp> {
        self.without_break(|stage| {
            matches!(
                stage,
                Stage::Firm | Stage::Queued | Stage::Creating | Stage::InDoubt | Stage::Cancelling
            )
        })
    }

    /// Since when Mirakl has to be told something of its dispatch; none where it has not.
    #[must_use]
    pub fn untold_since(&self) -> Option<Timestamp> {
        self.without_break(|stage| stage == Stage::Dispatched)
    }

    /// Since when it has been in one of some stages, as far as its history tells.
    fn without_break(&self, is_meant: impl Fn(Stage) -> bool) -> Option<Timestamp> {
        let steps = self.history.iter().rev().take_while(|step| is_meant(step.stage));
        is_meant(self.stage).then(|| steps.last().map_or(self.since, |step| step.at))
    }
}
