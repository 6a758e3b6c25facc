//! The row that carries an order's life. It is the truth: messages, events and the dead-letter queue are views of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::dispatch::Dispatch;
use crate::domain::events::Severity;
use crate::domain::notify::Told;
use crate::domain::order::remaining::{gone_pieces, has_left, remaining};
use crate::kit::amount::Amount;
use crate::kit::clock::{after, before};
use crate::mirakl::{Order, OrderState};

/// An order's identity: the channel and Mirakl's order id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderKey {
    /// The channel's id.
    pub channel: String,
    /// Mirakl's order id.
    pub order_id: String,
}

impl OrderKey {
    /// The key of `order_id` on `channel`.
    pub fn new(channel: impl Into<String>, order_id: impl Into<String>) -> Self {
        Self { channel: channel.into(), order_id: order_id.into() }
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.channel, self.order_id)
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, strum::VariantArray)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Listed by Mirakl; not accepted yet.
    Seen,
    /// Accepted: by us, or by the marketplace itself.
    Acknowledged,
    /// Accepted; the customer is being debited.
    AwaitingPayment,
    /// Paid and complete; waits as a row until Prima takes orders.
    Firm,
    /// In the `orders` queue.
    Queued,
    /// A holder of the lease is creating it in Prima.
    Creating,
    /// `NewOrder` was sent and nobody knows whether it had its effect.
    InDoubt,
    /// In Prima, exactly once.
    Created,
    /// Something has left Prima, or will not leave, that Mirakl is still to be told of.
    Dispatched,
    /// A part has left, and Mirakl knows all that it can know of it.
    PartDispatched,
    /// Shipped in Mirakl, by whomever.
    Shipped,
    /// Cancelled in Mirakl after creation; being cancelled in Prima.
    Cancelling,
    /// Cancelled, before creation or in Prima too.
    Cancelled,
    /// Refused.
    Refused,
    /// Needs a person: [`OrderRow::exception`] says why and what to do.
    Exception,
    /// Older than the channel's take-over and accepted by somebody else: keyed by hand.
    KeyedByHand,
    /// The marketplace ships it itself, or from a centre that is not the shop's: nothing to do, until Mirakl ends it.
    OperatorFulfilled,
}

impl Stage {
    /// All stages, in the order of an order's life.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in the index, metrics and commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Acknowledged => "acknowledged",
            Self::AwaitingPayment => "awaiting-payment",
            Self::Firm => "firm",
            Self::Queued => "queued",
            Self::Creating => "creating",
            Self::InDoubt => "in-doubt",
            Self::Created => "created",
            Self::Dispatched => "dispatched",
            Self::PartDispatched => "part-dispatched",
            Self::Shipped => "shipped",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::Exception => "exception",
            Self::KeyedByHand => "keyed-by-hand",
            Self::OperatorFulfilled => "operator-fulfilled",
        }
    }

    /// Nothing further happens to the order before it is in Prima, or ever.
    #[must_use]
    pub fn is_settled(self) -> bool {
        self.is_in_prima()
            || matches!(self, Self::Shipped | Self::Cancelled | Self::Refused | Self::Exception | Self::KeyedByHand)
            || self == Self::OperatorFulfilled
    }

    /// Over as far as a person, or Mirakl, says: nothing is asked of Prima any more.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Shipped | Self::Cancelled | Self::Refused | Self::KeyedByHand)
    }

    /// In Prima, and neither shipped nor cancelled yet.
    #[must_use]
    pub fn is_in_prima(self) -> bool {
        matches!(self, Self::Created | Self::Dispatched | Self::PartDispatched)
    }
}

/// The right to create one order, for a time.
///
/// For `NewOrder` correctness does rest on it, since Prima can neither fence nor be relied on to de-duplicate: it outlasts
/// the function's hard timeout plus the skew of clocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who holds it: unique per invocation and message.
    pub owner: String,
    /// Until when.
    pub until: Timestamp,
}

/// The message of the `orders` queue that drives an order on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedMessage {
    /// When it is to be worked off, as far as whoever sent it knows.
    pub due: Timestamp,
    /// How often it was taken for lost and sent again.
    #[serde(default)]
    pub copies: u32,
}

/// A message that is overdue by this is taken for lost and sent again. Each copy is given twice the time of the one before, so that
/// few stand behind an order when nobody works messages off for hours.
pub const MESSAGE_IS_LOST: Duration = Duration::from_secs(5 * 60);
/// How often that time is doubled at most.
const DOUBLED: u32 = 5;
/// Rows of older versions do not say when their message is due: it is delayed by this at most.
const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);

/// Sendings of a call whose outcome was unknown while Prima answered such calls about other orders: what Prima does with this
/// order alone. After a few it is a person's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// How many.
    #[serde(default)]
    pub count: u32,
    /// Further ones, made as probes while Prima answered nobody: the order's fault or not, they have an end too.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub probes: u32,
    /// What came back instead of an answer to the latest, without any of the customer's data; empty where nothing did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub problem: String,
}

/// What is known of a `NewOrder` that was sent. Written before it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When the latest one was about to be sent.
    pub at: Timestamp,
    /// How many were sent, this one included.
    pub count: u32,
    /// The questions since then, all after Prima's longest execution, that found no such order.
    #[serde(default)]
    pub absences: u32,
    /// When the latest of these questions was asked.
    #[serde(default)]
    pub asked_at: Option<Timestamp>,
    /// Those sendings that count against the order, the latest included until its outcome is known.
    #[serde(default)]
    pub unanswered: Unanswered,
}

impl Attempt {
    /// Two questions found, when Prima could no longer be at it, that it had no effect.
    #[must_use]
    pub fn is_known_absent(&self) -> bool {
        self.absences >= 2
    }
}

/// A line as the row remembers it: no prices, nothing of the customer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowLine {
    /// Mirakl's `order_line_id`.
    pub order_line_id: String,
    /// The offer's SKU.
    pub offer_sku: String,
    /// Pieces, net of cancelations and refusals.
    pub quantity: u32,
}

/// The kinds of exception, each with an owner in the operating handbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, strum::VariantArray, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum ExceptionKind {
    /// A line's SKU is unknown or ambiguous.
    UnknownSku,
    /// The order cannot be written as a Prima order by the channel's rules.
    Unmappable,
    /// The order is too long for a message of the queue.
    TooLarge,
    /// The channel's order rules are missing or wrong.
    RulesMissing,
    /// Prima read the order and refused it.
    RejectedByPrima,
    /// The order number is already reserved for another order.
    NumberTaken,
    /// Prima holds the order number, and we never sent it.
    FoundInPrima,
    /// Cancelled in Mirakl after creation, and Prima could not cancel it.
    CancelledAfterCreation,
    /// Cancelled in Mirakl after the goods had left.
    CancelledAfterDispatch,
    /// A line was cancelled in Mirakl after creation.
    LineCancelledAfterCreation,
    /// Shipped in Mirakl by a person, and not in Prima.
    ShippedOutsidePrima,
    /// The marketplace's operator ships the order itself. No longer raised: such orders stand in [`Stage::OperatorFulfilled`].
    ShippedByOperator,
    /// Mirakl lists the order in a way that cannot be read.
    Unreadable,
    /// Prima keeps answering something that cannot be understood.
    PrimaUnclear,
    /// Prima's carrier description is in no entry of the carrier map, or in several.
    UnmappedCarrier,
    /// The carrier map leads to a carrier that the marketplace does not take.
    CarrierNotListed,
    /// The channel's dispatch rules or its carrier map are missing or wrong.
    DocumentsUnusable,
    /// A dispatch has no tracking number where one is demanded.
    TrackingMissing,
    /// Mirakl refused a dispatch.
    DispatchRejected,
    /// Mirakl gives no usable answer to a call about this one order, and answers those about others.
    DispatchUnanswered,
    /// Prima's dispatch cannot be understood.
    DispatchUnclear,
    /// Prima sent less than was ordered.
    ShortShipment,
    /// Prima cancelled the order, and Mirakl did not.
    CancelledInPrima,
    /// Prima was sent the order several times, never said what came of it, and does not have it.
    PrimaFault,
    /// A person settled the order while it was being created in Prima.
    SettledMeanwhile,
    /// Mirakl does not know the order any more.
    NotInMirakl,
}

impl ExceptionKind {
    /// All kinds.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in attributes, metrics and the handbook.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// About a dispatch: shown in the dispatches' dead-letter queue, and looked after by `collect-dispatches`.
    #[must_use]
    pub fn is_of_dispatch(self) -> bool {
        matches!(
            self,
            Self::UnmappedCarrier
                | Self::CarrierNotListed
                | Self::DocumentsUnusable
                | Self::TrackingMissing
                | Self::DispatchRejected
                | Self::DispatchUnanswered
                | Self::DispatchUnclear
                | Self::ShortShipment
                | Self::CancelledInPrima
        )
    }

    /// Waits for the channel's documents: a change of the carrier map or of the dispatch rules may resolve it.
    #[must_use]
    pub fn waits_for_documents(self) -> bool {
        matches!(self, Self::UnmappedCarrier | Self::CarrierNotListed | Self::DocumentsUnusable)
    }

    /// Found by the poller in a listing; all others by the function that creates orders.
    #[must_use]
    pub fn is_found_by_poller(self) -> bool {
        matches!(
            self,
            Self::TooLarge
                | Self::LineCancelledAfterCreation
                | Self::ShippedOutsidePrima
                | Self::ShippedByOperator
                | Self::Unreadable
                | Self::NotInMirakl
        )
    }

    /// How urgent it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            // Goods may go out unpaid, or twice.
            Self::CancelledAfterDispatch | Self::SettledMeanwhile => Severity::Critical,
            _ => Severity::Warning,
        }
    }
}

/// Why an order needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionRecord {
    /// What kind.
    pub kind: ExceptionKind,
    /// Why, without any of the customer's data.
    pub reason: String,
    /// What the person who reads it is to do.
    pub remedy: String,
    /// When it arose.
    pub first_seen: Timestamp,
    /// What people know of it; until they do the next poll tells them.
    #[serde(default)]
    pub told: Told,
}

/// How a person ended an exception, kept so that it can be taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// When a person settled it.
    pub at: Timestamp,
    /// The stage that the order went to.
    pub into: Stage,
    /// The exception as it was.
    pub exception: ExceptionRecord,
}

/// What an order pays out: its total less the marketplace's commission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayoutValue {
    /// The amount.
    pub amount: Amount,
    /// Its currency.
    pub currency: String,
}

/// One step of an order's life, for "where is order X?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When it happened.
    pub at: Timestamp,
    /// Into which stage.
    pub stage: Stage,
    /// Why, in a few words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// All that is remembered of an order: references, stages and times, and what it pays out; no name or address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRow {
    /// Whose row it is.
    pub key: OrderKey,
    /// The row's version, as it was read; 0 for a row that is new. The store raises it at each save.
    #[serde(skip)]
    pub version: u64,
    /// Where the order stands.
    pub stage: Stage,
    /// Since when.
    pub since: Timestamp,
    /// Mirakl's state, as last listed.
    pub mirakl_state: OrderState,
    /// Mirakl's `last_updated_date`, as last listed: the version of what we know. Older messages are dropped.
    #[serde(default)]
    pub mirakl_updated: Option<Timestamp>,
    /// Mirakl's `created_date`.
    #[serde(default)]
    pub mirakl_created: Option<Timestamp>,
    /// Ship by.
    #[serde(default)]
    pub shipping_deadline: Option<Timestamp>,
    /// When it was first listed.
    pub seen_at: Timestamp,
    /// When we accepted it; `None` where the marketplace or a person did.
    #[serde(default)]
    pub acknowledged_at: Option<Timestamp>,
    /// An operator adopted it although it is older than the take-over, or asked for another try.
    #[serde(default)]
    pub adopted: bool,
    /// Prima's order number, once reserved.
    #[serde(default)]
    pub order_number: Option<String>,
    /// Who may create it now.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// The message that drives it on, in the stages that wait for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<ExpectedMessage>,
    /// What is known of the `NewOrder` that was sent.
    #[serde(default)]
    pub attempt: Option<Attempt>,
    /// When it was created in Prima, as far as we know.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// When Mirakl took Prima's number as its reference.
    #[serde(default)]
    pub referenced_at: Option<Timestamp>,
    /// Times in a row that Mirakl refused it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub references_refused: u32,
    /// Mirakl refuses a whole OR04 for this reference: it is written by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reference_fails_others: bool,
    /// Mirakl cancelled the order while it was not ours to move.
    #[serde(default)]
    pub cancel_requested: Option<Timestamp>,
    /// Answers in a row that could not be understood.
    #[serde(default)]
    pub unclear_answers: u32,
    /// `CancelOrder` that was sent, and of which nobody knows the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<Unanswered>,
    /// The lines as listed; those of the Prima order once it is created.
    #[serde(default)]
    pub lines: Vec<RowLine>,
    /// Offers of lines that are no more, cancelled or refused: what a channel shows of them has changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone_skus: Vec<String>,
    /// Pieces by offer SKU that Mirakl lists as cancelled or refused, whatever Prima has: a marketplace may have put them back on offer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub taken_back: BTreeMap<String, u32>,
    /// Refunds that Mirakl lists on its lines: with each, what a channel shows of them may have changed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refunds: u32,
    /// The marketplace ships it itself: nothing of it ever leaves our warehouse.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fulfilled_by_operator: bool,
    /// Mirakl has said that something of it has left. What is CLOSED later, or refunded, had left then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub shipped_in_mirakl: bool,
    /// Mirakl's line ids in the order of Prima's line numbers, since the order was sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prima_lines: Vec<String>,
    /// `shipping_type_code`: it may demand a tracking number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shipping_type: Option<String>,
    /// What it pays out: what a dispatch that cannot be confirmed holds back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payout_value: Option<PayoutValue>,
    /// What is known of its dispatch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatch: Option<Box<Dispatch>>,
    /// Which state of its flight ([`crate::domain::stock::flight::Flight::digest`]) stands in the store beside it; the store's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flight: Option<u64>,
    /// Why it needs a person.
    #[serde(default)]
    pub exception: Option<ExceptionRecord>,
    /// How a person ended its latest exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Box<Settled>>,
    /// A person says that Prima holds the order under its number: it is looked for there, and never sent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub said_to_be_in_prima: bool,
    /// The latest steps, oldest first.
    #[serde(default)]
    pub history: Vec<Step>,
}

/// Steps kept of an order's life: the first few and the latest.
const HISTORY: usize = 40;

impl OrderRow {
    /// The row of an order that is listed for the first time.
    #[must_use]
    pub fn first_seen(channel: &str, order: &Order, now: Timestamp) -> Self {
        let mut row = Self::unread(OrderKey::new(channel, &order.order_id), order.order_state.clone(), now);
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
            mirakl_state: state,
            mirakl_updated: None,
            mirakl_created: None,
            shipping_deadline: None,
            seen_at: now,
            acknowledged_at: None,
            adopted: false,
            order_number: None,
            lease: None,
            message: None,
            attempt: None,
            created_at: None,
            referenced_at: None,
            references_refused: 0,
            reference_fails_others: false,
            cancel_requested: None,
            unclear_answers: 0,
            cancellation: None,
            lines: Vec::new(),
            gone_skus: Vec::new(),
            taken_back: BTreeMap::new(),
            refunds: 0,
            fulfilled_by_operator: false,
            shipped_in_mirakl: false,
            prima_lines: Vec::new(),
            shipping_type: None,
            payout_value: None,
            dispatch: None,
            flight: None,
            exception: None,
            settled: None,
            said_to_be_in_prima: false,
            history: vec![Step { at: now, stage: Stage::Seen, note: String::new() }],
        }
    }

    /// Takes over what Mirakl lists: state, version, deadline; and the lines, until they are those that were sent to Prima.
    pub fn note_listing(&mut self, order: &Order) {
        self.mirakl_state = order.order_state.clone();
        self.mirakl_updated = order.last_updated_date.or(self.mirakl_updated);
        self.mirakl_created = order.created_date.or(self.mirakl_created);
        self.shipping_deadline = order.shipping_deadline.or(self.shipping_deadline);
        if order.shipping_type_code.is_some() {
            self.shipping_type.clone_from(&order.shipping_type_code);
        }
        self.payout_value = payout_value(order).or_else(|| self.payout_value.take());
        self.shipped_in_mirakl |= has_left(order);
        for (offer_sku, pieces) in taken_back(order, self.left_at()) {
            let known = self.taken_back.entry(offer_sku).or_default();
            *known = pieces.max(*known);
        }
        let refunds: usize = order.order_lines.iter().map(|line| line.refunds.len()).sum();
        // What was seen once is not taken back by a listing that names fewer.
        self.refunds = self.refunds.max(u32::try_from(refunds).unwrap_or(u32::MAX));
        if self.attempt.is_none() && self.created_at.is_none() {
            self.take_lines(lines_of(order));
        }
    }

    /// Takes over the lines that Prima is sent, or has: from here on they are those of the Prima order.
    pub fn note_sent_lines(&mut self, order: &Order) {
        self.take_lines(lines_of(order));
        self.prima_lines = self.lines.iter().map(|line| line.order_line_id.clone()).collect();
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
        self.shipped_in_mirakl || self.dispatch.as_ref().is_some_and(|dispatch| !dispatch.parcels.is_empty())
    }

    /// Mirakl's line id behind a line number of Prima's.
    #[must_use]
    pub fn mirakl_line(&self, prima_line: u32) -> Option<&str> {
        let index = usize::try_from(prima_line).ok()?.checked_sub(1)?;
        // Rows that were found again after a wiped table know only their present lines.
        let known =
            if self.prima_lines.is_empty() { self.lines.get(index).map(|line| &line.order_line_id) } else { self.prima_lines.get(index) };
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
            self.lease = None;
        }
        self.message =
            matches!(stage, Stage::Queued | Stage::InDoubt | Stage::Cancelling).then_some(ExpectedMessage { due: now, copies: 0 });
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
        let (due, copies) = match &self.message {
            Some(message) => (message.due, message.copies),
            None => (after(self.since, LONGEST_DELAY), 0),
        };
        after(due, MESSAGE_IS_LOST * (1 << copies.min(DOUBLED))) < now
    }

    /// Its message is sent once more, in the stage in which it is.
    pub fn send_again(&mut self, now: Timestamp, note: &str) {
        let copies = self.message.as_ref().map_or(0, |message| message.copies) + 1;
        self.enter(self.stage, now, note);
        self.message = Some(ExpectedMessage { due: now, copies });
    }

    /// Whether a version of the order is older than what the row knows. One without a date is as it is now: Mirakl may leave the
    /// date out one day.
    #[must_use]
    pub fn is_newer_than(&self, order: &Order) -> bool {
        order.last_updated_date.is_some() && order.last_updated_date < self.mirakl_updated
    }

    /// Ends its exception as a person says, in a way that can be taken back.
    pub fn settle(&mut self, into: Stage, now: Timestamp, note: impl Into<String>) {
        let exception = self.exception.take();
        self.enter(into, now, note);
        self.settled = exception.map(|exception| Box::new(Settled { at: now, into, exception }));
    }

    /// Makes it the exception again that a person had ended; false where nothing was ended, or it has moved on since. It is told of
    /// like a new one.
    pub fn reopen(&mut self, now: Timestamp, note: impl Into<String>) -> bool {
        let Some(settled) = self.settled.take_if(|settled| settled.into == self.stage) else { return false };
        self.said_to_be_in_prima = false;
        self.enter(Stage::Exception, now, note);
        self.exception = Some(ExceptionRecord { told: Told::default(), ..settled.exception });
        true
    }

    /// Makes it an exception.
    pub fn fail(&mut self, kind: ExceptionKind, reason: impl Into<String>, remedy: impl Into<String>, now: Timestamp) {
        let reason = reason.into();
        self.enter(Stage::Exception, now, format!("{}: {reason}", kind.name()));
        self.exception = Some(ExceptionRecord { kind, reason, remedy: remedy.into(), first_seen: now, told: Told::default() });
    }

    /// The name under which the index lists the row: its stage, or the part of it that a sweep has to find.
    #[must_use]
    pub fn index_state(&self) -> &'static str {
        match (self.stage, &self.exception) {
            (Stage::Shipped, _) if self.owes_reference() => SHIPPED_REFERENCE_PENDING,
            _ if self.owes_reference() => REFERENCE_PENDING,
            (Stage::Exception, Some(exception)) => match (exception.kind.is_of_dispatch(), exception.told.is_told()) {
                (true, false) => DISPATCH_UNANNOUNCED,
                (true, true) => DISPATCH_EXCEPTION,
                (false, false) => EXCEPTION_UNANNOUNCED,
                (false, true) => Stage::Exception.name(),
            },
            (stage, _) => stage.name(),
        }
    }

    /// In Prima under a number that Mirakl does not hold yet. One that a person shipped in Mirakl owes none.
    #[must_use]
    pub fn owes_reference(&self) -> bool {
        let shipped_by_us = self.stage == Stage::Shipped && self.dispatch.as_ref().is_some_and(|dispatch| !dispatch.parcels.is_empty());
        self.referenced_at.is_none() && (self.stage.is_in_prima() || shipped_by_us)
    }

    /// The moment by which the index sorts: since when the row is in its state; for an order that is looked at again when it
    /// is due, that moment.
    #[must_use]
    pub fn index_moment(&self) -> Timestamp {
        match &self.dispatch {
            Some(dispatch) if self.stage.is_in_prima() && self.index_state() != REFERENCE_PENDING => dispatch.due_at,
            _ => self.since,
        }
    }
}

impl OrderRow {
    /// Since when it has waited for Prima without a break, however often it was queued, put back or asked about; none where it does
    /// not wait.
    #[must_use]
    pub fn waits_for_prima_since(&self) -> Option<Timestamp> {
        self.without_break(|stage| matches!(stage, Stage::Firm | Stage::Queued | Stage::Creating | Stage::InDoubt | Stage::Cancelling))
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

/// The index's name for orders in Prima whose number Mirakl does not hold yet.
pub const REFERENCE_PENDING: &str = "created-reference-pending";
/// The index's name for shipped orders whose number Mirakl does not hold yet.
pub const SHIPPED_REFERENCE_PENDING: &str = "shipped-reference-pending";
/// The index's name for exceptions whose message and event are still to be sent.
pub const EXCEPTION_UNANNOUNCED: &str = "exception-unannounced";

/// The index's name for dispatches that need a person and of which nobody was told yet.
pub const DISPATCH_UNANNOUNCED: &str = "dispatch-exception-unannounced";
/// The index's name for dispatches that need a person.
pub const DISPATCH_EXCEPTION: &str = "dispatch-exception";

/// A state of the index in which orders are open: Mirakl has them, and more is to come. The poller asks Mirakl for such orders by their
/// ids, for two reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenState {
    /// The name in the index ([`OrderRow::index_state`]).
    pub name: &'static str,
    /// One that a complete listing of Mirakl's open orders lacks is looked up: what became of it there is noticed within minutes.
    pub is_looked_up_when_absent: bool,
    /// The daily look asks for it: one that Mirakl does not know any more becomes an exception.
    pub is_asked_for_daily: bool,
}

impl OpenState {
    /// All of them. What is being cancelled in Prima, or is an exception of its creation, waits for no news of Mirakl's.
    pub const ALL: [Self; 14] = [
        Self::both(Stage::Seen.name()),
        Self::both(Stage::Acknowledged.name()),
        Self::both(Stage::AwaitingPayment.name()),
        Self::both(Stage::Firm.name()),
        Self::both(Stage::Queued.name()),
        // The daily look would take these out of the hands of whoever creates them, while nobody knows whether Prima has them. They are
        // created, or firm again, before the next look.
        Self { is_asked_for_daily: false, ..Self::both(Stage::Creating.name()) },
        Self { is_asked_for_daily: false, ..Self::both(Stage::InDoubt.name()) },
        Self::both(REFERENCE_PENDING),
        Self::both(Stage::Created.name()),
        Self::both(Stage::Dispatched.name()),
        Self::both(Stage::PartDispatched.name()),
        // A person may have shipped it in Mirakl's back office.
        Self::both(DISPATCH_EXCEPTION),
        // Nobody is told of it yet: it is in the state before within minutes.
        Self { is_looked_up_when_absent: false, is_asked_for_daily: false, ..Self::both(DISPATCH_UNANNOUNCED) },
        // There is nothing to do of them, and so no hurry that is worth a call: listings by window and the daily look close them.
        Self { is_looked_up_when_absent: false, ..Self::both(Stage::OperatorFulfilled.name()) },
    ];

    const fn both(name: &'static str) -> Self {
        Self { name, is_looked_up_when_absent: true, is_asked_for_daily: true }
    }
}

/// Pieces by offer SKU that a listing says are cancelled, refused, or refunded before they left.
fn taken_back(order: &Order, left_at: Option<Timestamp>) -> BTreeMap<String, u32> {
    let is_over = |state: Option<&OrderState>| matches!(state, Some(OrderState::Refused | OrderState::Canceled));
    let mut back: BTreeMap<String, u32> = BTreeMap::new();
    for line in &order.order_lines {
        let Some(offer_sku) = &line.offer_sku else { continue };
        let cancelled: u32 = line.cancelations.iter().filter_map(|part| part.quantity).sum();
        let is_refused = is_over(Some(&order.order_state)) || is_over(line.order_line_state.as_ref());
        let ended = if is_refused { line.quantity } else { gone_pieces(order, line, left_at) };
        if cancelled > 0 || ended > 0 {
            let pieces = back.entry(offer_sku.clone()).or_default();
            *pieces = pieces.saturating_add(cancelled).saturating_add(ended);
        }
    }
    back
}

fn payout_value(order: &Order) -> Option<PayoutValue> {
    let total = order.total_price?;
    let commission = order.total_commission.unwrap_or_default();
    Some(PayoutValue { amount: Amount(total.0 - commission.0), currency: order.currency_iso_code.clone()? })
}

/// The lines of an order that are still to be delivered.
#[must_use]
pub fn lines_of(order: &Order) -> Vec<RowLine> {
    lines_left(order, None)
}

/// The lines of an order that are still to be delivered, or have been: everything left at `left_at`, where that is known.
#[must_use]
pub fn lines_left(order: &Order, left_at: Option<Timestamp>) -> Vec<RowLine> {
    remaining(order, left_at)
        .live_lines()
        .map(|line| RowLine {
            order_line_id: line.order_line_id.clone(),
            offer_sku: line.offer_sku.clone().unwrap_or_default(),
            quantity: line.quantity,
        })
        .collect()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(is: &bool) -> bool {
    !*is
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn row() -> OrderRow {
        let text = r#"{"order_id":"C1-A","order_state":"SHIPPING","currency_iso_code":"GBP","total_price":23.95,"total_commission":3.60,
            "order_lines":[{"order_line_id":"C1-A-1","quantity":2,"price":20.00},{"order_line_id":"C1-A-2","quantity":1,"price":3.95}]}"#;
        let order: Order = serde_json::from_str(text).unwrap();
        let mut row = OrderRow::first_seen("uk", &order, Timestamp::UNIX_EPOCH);
        row.note_sent_lines(&order);
        row
    }

    #[test]
    fn stages_and_kinds_have_names_of_their_own_and_know_what_they_are() {
        let mut names: Vec<&str> = Stage::ALL.iter().copied().map(Stage::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Stage::ALL.len());
        let mut names: Vec<&str> = ExceptionKind::ALL.iter().copied().map(ExceptionKind::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ExceptionKind::ALL.len());
        let unsettled: Vec<Stage> = Stage::ALL.iter().copied().filter(|stage| !stage.is_settled()).collect();
        let open = [
            Stage::Seen,
            Stage::Acknowledged,
            Stage::AwaitingPayment,
            Stage::Firm,
            Stage::Queued,
            Stage::Creating,
            Stage::InDoubt,
            Stage::Cancelling,
        ];
        assert_eq!(unsettled, open);
        let poller: Vec<ExceptionKind> = ExceptionKind::ALL.iter().copied().filter(|kind| kind.is_found_by_poller()).collect();
        assert_eq!(
            poller,
            [
                ExceptionKind::TooLarge,
                ExceptionKind::LineCancelledAfterCreation,
                ExceptionKind::ShippedOutsidePrima,
                ExceptionKind::ShippedByOperator,
                ExceptionKind::Unreadable,
                ExceptionKind::NotInMirakl,
            ]
        );
        let critical: Vec<ExceptionKind> =
            ExceptionKind::ALL.iter().copied().filter(|kind| kind.severity() == Severity::Critical).collect();
        assert_eq!(critical, [ExceptionKind::CancelledAfterDispatch, ExceptionKind::SettledMeanwhile]);
        assert_eq!(ExceptionKind::ALL.iter().copied().filter(|kind| kind.is_of_dispatch()).count(), 9);
    }

    #[test]
    fn each_stage_that_is_not_over_is_among_the_open_states() {
        let is_open = |name: &str| OpenState::ALL.iter().filter(|state| state.name == name).count() == 1;
        for &stage in Stage::ALL {
            let waits_for_mirakl = !stage.is_over() && !matches!(stage, Stage::Exception | Stage::Cancelling);
            assert_eq!(is_open(stage.name()), waits_for_mirakl, "{stage:?}");
        }
        assert!([REFERENCE_PENDING, DISPATCH_EXCEPTION, DISPATCH_UNANNOUNCED].into_iter().all(is_open));
        assert!(![EXCEPTION_UNANNOUNCED, SHIPPED_REFERENCE_PENDING].into_iter().any(is_open));
        let named = |is_meant: fn(&&OpenState) -> bool| OpenState::ALL.iter().filter(is_meant).map(|state| state.name).collect::<Vec<_>>();
        assert_eq!(named(|state| !state.is_asked_for_daily), ["creating", "in-doubt", DISPATCH_UNANNOUNCED]);
        assert_eq!(named(|state| !state.is_looked_up_when_absent), [DISPATCH_UNANNOUNCED, "operator-fulfilled"]);
    }

    #[test]
    fn a_move_gives_the_lease_back_and_ends_the_exception_and_the_history_keeps_its_beginning() {
        let mut row = row();
        row.lease = Some(Lease { owner: "a".into(), until: Timestamp::UNIX_EPOCH });
        row.enter(Stage::Creating, Timestamp::UNIX_EPOCH, "");
        assert!(row.lease.is_some());
        row.fail(ExceptionKind::UnknownSku, "why", "what", Timestamp::UNIX_EPOCH);
        assert_eq!((row.lease.is_some(), row.index_state()), (false, EXCEPTION_UNANNOUNCED));
        row.exception.as_mut().unwrap().told = Told::at(Timestamp::UNIX_EPOCH);
        assert_eq!(row.index_state(), "exception");
        for number in 0..100 {
            row.enter(Stage::Queued, Timestamp::UNIX_EPOCH, number.to_string());
        }
        assert_eq!((row.exception.is_some(), row.history.len()), (false, HISTORY));
        assert_eq!((row.history[0].stage, row.history[HISTORY - 1].note.as_str()), (Stage::Seen, "99"));
        let first_kept = &row.history[..HISTORY / 4];
        assert!(first_kept.iter().skip(3).map(|step| step.note.as_str()).eq(["0", "1", "2", "3", "4", "5", "6"]), "{first_kept:?}");
    }

    #[test]
    fn what_a_person_settled_can_be_taken_back_until_it_moves_on() {
        let mut row = row();
        assert!(!row.reopen(Timestamp::UNIX_EPOCH, "nothing was settled"));
        row.fail(ExceptionKind::UnknownSku, "why", "what", Timestamp::UNIX_EPOCH);
        row.exception.as_mut().unwrap().told = Told::at(Timestamp::UNIX_EPOCH);
        row.settle(Stage::Cancelled, Timestamp::UNIX_EPOCH, "settled by Ann: cancelled");
        assert_eq!((row.stage, &row.exception), (Stage::Cancelled, &None));
        let mut moved = row.clone();
        moved.enter(Stage::Shipped, Timestamp::UNIX_EPOCH, "");
        assert!(!moved.reopen(Timestamp::UNIX_EPOCH, "too late"));
        assert!(row.reopen(Timestamp::UNIX_EPOCH, "taken back by Ann"));
        let exception = row.exception.clone().unwrap();
        assert_eq!(
            (exception.kind, exception.told, row.index_state()),
            (ExceptionKind::UnknownSku, Told::default(), EXCEPTION_UNANNOUNCED)
        );
        assert!(!row.reopen(Timestamp::UNIX_EPOCH, "only once"));
    }

    #[test]
    fn primas_lines_keep_their_numbers_when_one_is_cancelled() {
        let mut row = row();
        row.lines.remove(0);
        assert_eq!((row.mirakl_line(1), row.mirakl_line(2)), (Some("C1-A-1"), Some("C1-A-2")));
        assert_eq!((row.mirakl_line(0), row.mirakl_line(3)), (None, None));
        // A row that was found again after a wiped table knows only what is left.
        row.prima_lines.clear();
        assert_eq!(row.mirakl_line(1), Some("C1-A-2"));
        assert_eq!(row.payout_value.as_ref().map(|value| value.amount.to_string()), Some("20.35".to_owned()));
    }

    #[test]
    fn an_order_in_prima_stands_in_the_index_by_when_it_is_due() {
        let mut row = row();
        let due_at: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        row.enter(Stage::Created, Timestamp::UNIX_EPOCH, "");
        row.dispatch = Some(Box::new(Dispatch { due_at, ..Dispatch::default() }));
        assert_eq!((row.index_state(), row.index_moment()), (REFERENCE_PENDING, Timestamp::UNIX_EPOCH));
        row.referenced_at = Some(Timestamp::UNIX_EPOCH);
        assert_eq!((row.index_state(), row.index_moment()), ("created", due_at));
        row.enter(Stage::Shipped, Timestamp::UNIX_EPOCH, "");
        assert_eq!((row.index_state(), row.index_moment(), row.owes_reference()), ("shipped", Timestamp::UNIX_EPOCH, false));
        // Shipped before its number was written: the number is owed all the same, where we shipped it.
        row.referenced_at = None;
        assert!(!row.owes_reference());
        row.dispatch.as_mut().unwrap().parcels.push(crate::domain::dispatch::Parcel::default());
        assert_eq!((row.index_state(), row.owes_reference()), (SHIPPED_REFERENCE_PENDING, true));
        row.fail(ExceptionKind::UnmappedCarrier, "why", "what", due_at);
        assert_eq!(row.index_state(), DISPATCH_UNANNOUNCED);
        row.exception.as_mut().unwrap().told = Told::at(due_at);
        assert_eq!(row.index_state(), DISPATCH_EXCEPTION);
    }

    #[test]
    fn an_age_is_that_of_the_whole_wait_however_often_something_was_tried() {
        let at = |seconds: i64| Timestamp::from_second(seconds).unwrap();
        let mut row = row();
        assert_eq!((row.waits_for_prima_since(), row.untold_since()), (None, None));
        for (second, stage) in
            [(100, Stage::Firm), (200, Stage::Queued), (300, Stage::Creating), (400, Stage::InDoubt), (500, Stage::Queued)]
        {
            row.enter(stage, at(second), "");
        }
        assert_eq!(row.waits_for_prima_since(), Some(at(100)));
        for round in 0..100 {
            row.enter([Stage::Queued, Stage::Firm][round % 2], at(600 + 60 * round as i64), "");
        }
        assert!(at(600 + 99 * 60).duration_since(row.waits_for_prima_since().unwrap()).as_mins() >= 25, "as far as the history tells");
        row.enter(Stage::Dispatched, at(9000), "one parcel");
        row.enter(Stage::Dispatched, at(9100), "another");
        assert_eq!((row.waits_for_prima_since(), row.untold_since()), (None, Some(at(9000))));
    }

    #[test]
    fn a_document_may_resolve_what_waits_for_it_and_nothing_else() {
        let waiting: Vec<_> = ExceptionKind::ALL.iter().copied().filter(|kind| kind.waits_for_documents()).collect();
        assert_eq!(waiting, [ExceptionKind::UnmappedCarrier, ExceptionKind::CarrierNotListed, ExceptionKind::DocumentsUnusable]);
    }
}
