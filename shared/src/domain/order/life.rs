//! What a listing of Mirakl's makes of an order's row: pure rules, no clock, no store.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::remaining::{has_left, is_refunded};
use super::remedy::{self, SettledAs};
use super::row::{Attempt, ExceptionKind, OrderRow, RowLine, Stage, lines_left};
use crate::domain::channel::Channel;
use crate::domain::dispatch::Dispatch;
use crate::kit::clock::{after, before};
use crate::mirakl::shipping::How;
use crate::mirakl::{Order, OrderState};

/// A dispatch's message that should have been worked off by then is taken for lost and sent again. Longer than any delay we ask for.
pub const QUEUED_IS_STUCK: Duration = Duration::from_secs(20 * 60);
/// A lease that ended this long ago has no living holder, whatever the clocks.
pub const LEASE_IS_DEAD: Duration = Duration::from_secs(60);

/// Mirakl's `order_state_reason_code` of an order that it refused itself because the shop had not decided in time.
const ACCEPTANCE_TIMEOUT: &str = "ACCEPTANCE_TIMEOUT";

/// What is to follow once the row is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Nothing,
    /// Send the order to the `orders` queue, to be created.
    Create,
    /// Send it there to be cancelled in Prima.
    Cancel,
    /// Say that the acceptance window was missed.
    WindowMissed,
}

/// What the poller knows besides the order itself.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// We accepted the order in this very run.
    pub accepted: bool,
    /// Prima takes orders; else firm ones wait as rows.
    pub intake_open: bool,
    /// The present moment.
    pub now: Timestamp,
}

/// The row as a listing leaves it, and what is to follow; `None` when there is nothing to record.
#[must_use]
pub fn on_listing(known: Option<&OrderRow>, order: &Order, channel: &Channel, at: Circumstances) -> Option<(OrderRow, Next)> {
    let mut row = match known {
        // Another run listed it later, and was quicker.
        Some(row) if row.is_newer_than(order) => return None,
        Some(row) => row.clone(),
        None if is_history(order) && !was_missed_unseen(order, channel) => return None,
        None => OrderRow::first_seen(&channel.id, order, at.now),
    };
    let newer = order.last_updated_date > row.mirakl_updated;
    row.note_listing(order);
    if row.attempt.is_none() && row.created_at.is_none() {
        row.fulfilled_by_operator = is_operators(order, channel).unwrap_or(row.fulfilled_by_operator);
    }
    if at.accepted && row.acknowledged_at.is_none() {
        row.acknowledged_at = Some(at.now);
    }
    // One that could not be read until now has a row, and was looked at by nobody who could tell.
    if known.is_none_or(is_unreadable) && was_accepted_before_take_over(order, &row, channel) {
        row.order_number = order.seller_reference().map(str::to_owned);
        row.enter(Stage::KeyedByHand, at.now, "accepted by somebody else before the take-over");
        return Some((row, Next::Nothing));
    }
    let next = match &order.order_state {
        // We told Mirakl that it has left, and had not seen by then that it was refunded before: nobody else will say that it left unpaid.
        // One that a person shipped there was looked at when that was seen.
        _ if row.stage == Stage::Shipped && row.left_at().is_some() => {
            notice_missing_parts(&mut row, order, at);
            Next::Nothing
        }
        OrderState::WaitingAcceptance => waiting(&mut row, at),
        OrderState::WaitingDebit | OrderState::WaitingDebitPayment => {
            if matches!(row.stage, Stage::Seen | Stage::Acknowledged) {
                row.enter(Stage::AwaitingPayment, at.now, "accepted; the customer is being debited");
            }
            Next::Nothing
        }
        OrderState::Shipping if is_refunded(order, row.left_at()) => refunded(&mut row, order, newer, at),
        OrderState::Shipping => firm(&mut row, order, newer, at),
        OrderState::Refused if matches!(row.stage, Stage::Seen | Stage::Acknowledged) => refused(&mut row, order, channel, at),
        OrderState::Canceled if row.stage == Stage::Seen && was_ended_by_its_window(order, channel) => {
            refused(&mut row, order, channel, at)
        }
        OrderState::Canceled | OrderState::Refused => on_cancellation(&mut row, order.seller_reference(), newer, at),
        state if state.is_shipped_or_later() || state.is_refund() => over(&mut row, order, newer, at),
        _ => Next::Nothing,
    };
    let changed = known.is_none_or(|before| *before != row) || next != Next::Nothing;
    changed.then_some((row, next))
}

/// As [`on_listing`], for an order that the daily look has found over: what was never listed before is recorded too, where it came after the
/// take-over, so that a person hears of goods that left unknown to Prima.
#[must_use]
pub fn on_look(known: Option<&OrderRow>, order: &Order, channel: &Channel, at: Circumstances) -> Option<(OrderRow, Next)> {
    if known.is_some() {
        return on_listing(known, order, channel, at);
    }
    let row = OrderRow::first_seen(&channel.id, order, at.now);
    let is_ours = order.created_date.is_some_and(|created| created >= channel.take_over_from);
    if !is_ours || was_accepted_before_take_over(order, &row, channel) {
        return None;
    }
    on_listing(Some(&row), order, channel, at)
}

/// The marketplace ships the order itself, or from a centre that is not the shop's; none where the listing does not tell.
fn is_operators(order: &Order, channel: &Channel) -> Option<bool> {
    let center = order.fulfillment.as_ref().and_then(|fulfillment| fulfillment.center.as_ref()?.code.as_deref());
    if center.is_some_and(|code| !code.is_empty() && !channel.fulfillment_centers.iter().any(|own| own == code)) {
        return Some(true);
    }
    // Before and after SHIPPING the flag may only say that it cannot be shipped now.
    (order.order_state == OrderState::Shipping).then_some(order.can_shop_ship == Some(false))
}

/// Over before we ever heard of it: no row is owed.
fn is_history(order: &Order) -> bool {
    let state = &order.order_state;
    matches!(state, OrderState::Canceled | OrderState::Refused) || state.is_shipped_or_later() || state.is_refund()
}

/// It came and was refused for its age while nobody listed: people are owed the news, whoever was asleep.
fn was_missed_unseen(order: &Order, channel: &Channel) -> bool {
    let is_ours = order.created_date.is_some_and(|created| created >= channel.take_over_from);
    is_ours && order.order_state == OrderState::Refused && was_ended_by_its_window(order, channel)
}

/// The moment of acceptance counts, where Mirakl tells it: an older order that still waited at the take-over was accepted by
/// us, even if we crashed before its row was written. Where the marketplace accepts, only the creation tells.
fn was_accepted_before_take_over(order: &Order, row: &OrderRow, channel: &Channel) -> bool {
    let is_past_acceptance = !matches!(order.order_state, OrderState::Staging | OrderState::WaitingAcceptance);
    let accepted = order.acceptance_decision_date.or(order.created_date);
    row.acknowledged_at.is_none() && is_past_acceptance && accepted.is_some_and(|accepted| accepted < channel.take_over_from)
}

fn waiting(row: &mut OrderRow, at: Circumstances) -> Next {
    if at.accepted && row.stage == Stage::Seen {
        row.enter(Stage::Acknowledged, at.now, "accepted by the connector");
    }
    Next::Nothing
}

/// What is being created has lost whoever drove it on: its message, or its holder. A newer version overtakes the message
/// under way, which is dropped as older than its row.
fn driven_on(row: &mut OrderRow, newer: bool, at: Circumstances) -> Next {
    match row.stage {
        Stage::InDoubt if newer || row.message_is_lost(at.now) => {
            sent_again(row, newer, at.now);
            Next::Create
        }
        // Its holder is gone. Only the next holder moves it out of this stage; what was sent stands in the row.
        Stage::Creating if row.lease.as_ref().is_some_and(|lease| lease.until < before(at.now, LEASE_IS_DEAD)) => Next::Create,
        _ => Next::Nothing,
    }
}

fn sent_again(row: &mut OrderRow, newer: bool, now: Timestamp) {
    if newer { row.enter(row.stage, now, "changed in Mirakl: sent again") } else { row.send_again(now, "not worked off: sent again") }
}

fn firm(row: &mut OrderRow, order: &Order, newer: bool, at: Circumstances) -> Next {
    if is_unreadable(row) {
        row.enter(Stage::Seen, at.now, "can be read now");
    }
    if row.fulfilled_by_operator {
        if may_be_left_to_operator(row) {
            row.enter(
                Stage::OperatorFulfilled,
                at.now,
                "the marketplace ships it: can_shop_ship is false, or the centre is not the shop's",
            );
        }
        return Next::Nothing;
    }
    if is_left_to_operator(row) {
        row.enter(Stage::Seen, at.now, "the shop ships it after all");
    }
    match row.stage {
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm => {
            if at.intake_open {
                row.enter(Stage::Queued, at.now, "paid and complete");
                Next::Create
            } else {
                if row.stage != Stage::Firm {
                    row.enter(Stage::Firm, at.now, "paid and complete; waits until Prima takes orders");
                }
                Next::Nothing
            }
        }
        // A newer version overtakes the message under way, which is dropped as older than its row.
        Stage::Queued if newer || row.message_is_lost(at.now) => {
            sent_again(row, newer, at.now);
            Next::Create
        }
        Stage::InDoubt | Stage::Creating => driven_on(row, newer, at),
        Stage::Created | Stage::Dispatched | Stage::PartDispatched => {
            notice_missing_parts(row, order, at);
            Next::Nothing
        }
        _ => Next::Nothing,
    }
}

/// Fewer pieces than Prima has been told of: a person has to reduce the order there.
fn notice_missing_parts(row: &mut OrderRow, order: &Order, at: Circumstances) {
    let missing = missing(row, order);
    if missing.is_empty() {
        return;
    }
    let left = |line: &RowLine| missing.iter().find(|(id, ..)| *id == line.order_line_id).map_or(line.quantity, |(_, left, _)| *left);
    let fewer: Vec<_> = missing.iter().map(|(id, left, of)| format!("line {id}: {left} of {of} left")).collect();
    let fewer = fewer.join("; ");
    let number = row.order_number.clone().unwrap_or_default();
    let in_parcels = |line: &RowLine| row.dispatch.as_ref().map_or(0, |dispatch| dispatch.in_parcels(&line.order_line_id));
    let is_shipped = row.stage == Stage::Shipped;
    let has_gone = is_shipped || row.lines.iter().any(|line| in_parcels(line) > left(line));
    let lines = row.lines.iter().map(|line| RowLine { quantity: left(line), ..line.clone() }).filter(|line| line.quantity > 0).collect();
    row.take_lines(lines);
    // What is left of it goes its way once a person has done their part.
    let settle = remedy::settle(&row.key, if is_shipped { SettledAs::Shipped } else { SettledAs::Created });
    if has_gone {
        let part = if row.lines.is_empty() { "all" } else { "a part" };
        row.fail(
            ExceptionKind::CancelledAfterDispatch,
            format!("Mirakl cancelled or refunded {part} of the order, and these goods have left Prima already (order {number}; {fewer})"),
            format!("Stop the parcel at the carrier if that is still possible, and agree with the marketplace on its return. Then settle the exception: {settle}"),
            at.now,
        );
        return;
    }
    row.fail(
        ExceptionKind::LineCancelledAfterCreation,
        format!("Mirakl cancelled or refunded a part of the order after it was created in Prima as {number} ({fewer})"),
        format!("Reduce order {number} in Prima to what is left, then settle the exception: {settle}"),
        at.now,
    );
}

/// Lines of which fewer pieces are to be delivered than Prima was told: the line, the pieces that are left, those that there were. What
/// we had refunded ourselves, because Prima will not send it, is not missing; nor what was refunded after it had left.
fn missing(row: &OrderRow, order: &Order) -> Vec<(String, u32, u32)> {
    // Pieces that we are having cancelled or refunded ourselves: whoever sent that records it.
    if row.dispatch.as_ref().is_some_and(|dispatch| dispatch.open_settlement().is_some()) {
        return Vec::new();
    }
    // It was seen as shipped, and this listing does not say so any more: what it refunds are returns.
    let had_left = row.shipped_in_mirakl && !has_left(order);
    let of_refunded = lines_left(order, row.left_at());
    let of_returned = order.live_lines().map(|line| (line.order_line_id.as_str(), line.quantity));
    let listed: HashMap<&str, u32> = if had_left {
        of_returned.collect()
    } else {
        of_refunded.iter().map(|line| (line.order_line_id.as_str(), line.quantity)).collect()
    };
    let left = |line: &RowLine| {
        let listed = listed.get(line.order_line_id.as_str()).copied().unwrap_or_default();
        listed.saturating_add(row.dispatch.as_ref().map_or(0, |dispatch| dispatch.refunded(&line.order_line_id)))
    };
    let fewer = row.lines.iter().map(|line| (line.order_line_id.clone(), left(line), line.quantity));
    fewer.filter(|(_, left, of)| left < of).collect()
}

/// All of it was refunded before it left, which is how a marketplace cancels what is paid: nothing of it may leave any more.
fn refunded(row: &mut OrderRow, order: &Order, newer: bool, at: Circumstances) -> Next {
    // A row without lines was found again after a loss, when nothing was left of the order: Prima may have all of it.
    if row.stage.is_in_prima() && !row.lines.is_empty() && missing(row, order).is_empty() {
        return Next::Nothing;
    }
    ended(row, order.seller_reference(), newer, at, "refunded")
}

/// What a cancellation makes of a row, and what is to follow. `reference` is the number of Prima's that Mirakl holds; `newer` says
/// that Mirakl changed the order since the row was last brought up to it. Nothing else of the order is needed: it may be
/// unreadable.
#[must_use]
pub fn on_cancellation(row: &mut OrderRow, reference: Option<&str>, newer: bool, at: Circumstances) -> Next {
    ended(row, reference, newer, at, "cancelled")
}

/// As [`on_cancellation`]; `how` says in a word how the order ended in Mirakl.
fn ended(row: &mut OrderRow, reference: Option<&str>, newer: bool, at: Circumstances, how: &str) -> Next {
    match row.stage {
        // It was sent once, and nobody knows what came of it: whoever creates it finds out, as below.
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm | Stage::Queued if row.attempt.is_some() => {
            row.cancel_requested.get_or_insert(at.now);
            row.enter(Stage::InDoubt, at.now, format!("{how} in Mirakl after it was sent to Prima"));
            Next::Create
        }
        // Our memory was lost: that Mirakl holds a number means that Prima has, or had, the order.
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm | Stage::Queued if reference.is_some() => {
            cancelling_by_reference(row, reference, at, how)
        }
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm | Stage::Queued => {
            row.enter(Stage::Cancelled, at.now, format!("{how} in Mirakl before it was created in Prima"));
            Next::Nothing
        }
        // Whoever creates it finds out whether Prima has it, and has it cancelled there then.
        Stage::Creating | Stage::InDoubt => {
            row.cancel_requested.get_or_insert(at.now);
            driven_on(row, newer, at)
        }
        // Every piece of it was cancelled by us, because Prima had cancelled it: nothing is left to do there.
        Stage::Dispatched if row.dispatch.as_ref().is_some_and(|dispatch| is_cancelled_by_us(dispatch)) => {
            row.enter(Stage::Cancelled, at.now, "cancelled in Prima, and so in Mirakl");
            Next::Nothing
        }
        Stage::Created | Stage::Dispatched | Stage::PartDispatched => {
            row.enter(Stage::Cancelling, at.now, format!("{how} in Mirakl after it was created in Prima"));
            Next::Cancel
        }
        Stage::Exception if row.created_at.is_some() => {
            let in_prima_and_open = row
                .exception
                .as_ref()
                .is_some_and(|exception| exception.kind == ExceptionKind::LineCancelledAfterCreation || exception.kind.is_of_dispatch());
            if in_prima_and_open {
                row.enter(Stage::Cancelling, at.now, format!("{how} in Mirakl as a whole"));
                return Next::Cancel;
            }
            Next::Nothing
        }
        Stage::Exception if row.attempt.is_none() && reference.is_some() => cancelling_by_reference(row, reference, at, how),
        // Prima was asked twice by then, and does not have it.
        Stage::Exception if is_known_absent(row) => {
            row.enter(Stage::Cancelled, at.now, format!("{how} in Mirakl; Prima never got it"));
            Next::Nothing
        }
        // What stands in Prima under its number may be this order all the same: that is for the person to see who looks into it.
        Stage::Exception if row.attempt.is_none() && !is_found_in_prima(row) => {
            row.enter(Stage::Cancelled, at.now, format!("{how} in Mirakl; the exception has no object any more"));
            Next::Nothing
        }
        Stage::Exception => {
            row.cancel_requested.get_or_insert(at.now);
            Next::Nothing
        }
        Stage::OperatorFulfilled => {
            row.enter(Stage::Cancelled, at.now, format!("{how} in Mirakl; it was the marketplace's to ship"));
            Next::Nothing
        }
        Stage::Shipped | Stage::Cancelling | Stage::Cancelled | Stage::Refused | Stage::KeyedByHand => Next::Nothing,
    }
}

fn cancelling_by_reference(row: &mut OrderRow, reference: Option<&str>, at: Circumstances, how: &str) -> Next {
    row.order_number = reference.map(str::to_owned);
    row.created_at = Some(at.now);
    row.enter(Stage::Cancelling, at.now, format!("{how} in Mirakl, which holds its Prima number"));
    Next::Cancel
}

fn is_cancelled_by_us(dispatch: &Dispatch) -> bool {
    dispatch.ended_at.is_some()
        && dispatch.parcels.is_empty()
        && dispatch.settlements.iter().any(|settlement| settlement.how == How::Cancel)
}

fn is_unreadable(row: &OrderRow) -> bool {
    row.exception.as_ref().is_some_and(|exception| exception.kind == ExceptionKind::Unreadable)
}

fn is_known_absent(row: &OrderRow) -> bool {
    row.exception.as_ref().is_some_and(|exception| exception.kind == ExceptionKind::PrimaFault)
        && row.attempt.as_ref().is_some_and(Attempt::is_known_absent)
}

/// Nobody drives the order on any more: its message was lost, or its holder died.
#[must_use]
pub fn is_left_alone(row: &OrderRow, now: Timestamp) -> bool {
    match row.stage {
        Stage::Queued | Stage::InDoubt => row.since < before(now, QUEUED_IS_STUCK),
        Stage::Creating => row.lease.as_ref().is_some_and(|lease| lease.until < before(now, LEASE_IS_DEAD)),
        _ => false,
    }
}

fn is_found_in_prima(row: &OrderRow) -> bool {
    row.exception.as_ref().is_some_and(|exception| exception.kind == ExceptionKind::FoundInPrima)
}

fn is_left_to_operator(row: &OrderRow) -> bool {
    let is_exception = row.exception.as_ref().is_some_and(|exception| exception.kind == ExceptionKind::ShippedByOperator);
    row.stage == Stage::OperatorFulfilled || (is_exception && row.attempt.is_none() && row.created_at.is_none())
}

/// Nothing of it can be in Prima, as far as anybody knows.
fn may_be_left_to_operator(row: &OrderRow) -> bool {
    let waits = matches!(row.stage, Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm | Stage::Queued)
        || (row.stage == Stage::Exception && !is_found_in_prima(row));
    waits && row.attempt.is_none() && row.created_at.is_none()
}

fn refused(row: &mut OrderRow, order: &Order, channel: &Channel, at: Circumstances) -> Next {
    let reason = order.order_state_reason_code.as_deref().unwrap_or("no reason given");
    let missed = reason == ACCEPTANCE_TIMEOUT || (row.stage == Stage::Seen && was_ended_by_its_window(order, channel));
    row.enter(Stage::Refused, at.now, format!("refused in Mirakl: {reason}"));
    if missed { Next::WindowMissed } else { Next::Nothing }
}

/// By its reason; or, where Mirakl gives none, by the moment: it ended when its window was over.
fn was_ended_by_its_window(order: &Order, channel: &Channel) -> bool {
    match (order.order_state_reason_code.as_deref(), order.created_date, order.last_updated_date) {
        (Some(reason), ..) => reason == ACCEPTANCE_TIMEOUT,
        (None, Some(created), Some(ended)) => ended >= after(created, channel.acceptance_window()),
        (None, ..) => false,
    }
}

/// Mirakl has done with the order. It was shipped only where Mirakl or Prima says that something left; an order that is refunded as a whole
/// is closed as well, and so is one that nobody sent.
fn over(row: &mut OrderRow, order: &Order, newer: bool, at: Circumstances) -> Next {
    if is_refunded(order, row.left_at()) && !(has_left(order) || row.shipped_in_mirakl) {
        return refunded(row, order, newer, at);
    }
    if is_left_to_operator(row) || (row.fulfilled_by_operator && may_be_left_to_operator(row)) {
        row.enter(Stage::Shipped, at.now, "the marketplace shipped it itself");
        return Next::Nothing;
    }
    if row.has_left() {
        return shipped(row, order, newer, at);
    }
    match row.stage {
        // Prima may still send it: it is asked until it says what became of the order.
        Stage::Created | Stage::Dispatched | Stage::PartDispatched => {
            notice_missing_parts(row, order, at);
            Next::Nothing
        }
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm | Stage::Queued if order.seller_reference().is_some() => {
            row.order_number = order.seller_reference().map(str::to_owned);
            row.referenced_at = Some(at.now);
            row.created_at = Some(at.now);
            row.enter(Stage::Created, at.now, "closed in Mirakl, which holds its Prima number; nothing says that it has left");
            Next::Nothing
        }
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm | Stage::Queued => {
            row.fail(
                ExceptionKind::ShippedOutsidePrima,
                format!("Mirakl has done with the order ({}) and does not say that it was shipped; the connector knows of no Prima order for it", order.order_state),
                format!("Find out in Mirakl's back office what became of it, and look for it in Prima. {}", remedy::key_in_and_settle(&row.key)),
                at.now,
            );
            Next::Nothing
        }
        Stage::Creating | Stage::InDoubt => driven_on(row, newer, at),
        _ => Next::Nothing,
    }
}

fn shipped(row: &mut OrderRow, order: &Order, newer: bool, at: Circumstances) -> Next {
    match row.stage {
        Stage::Created | Stage::Dispatched | Stage::PartDispatched => {
            // A part may have been cancelled and the rest shipped between two listings.
            notice_missing_parts(row, order, at);
            // While its reference is owed, it stays among the open ones.
            if row.stage.is_in_prima() && row.referenced_at.is_some() {
                row.enter(Stage::Shipped, at.now, "shipped in Mirakl");
            }
        }
        // Shipped there by a person, as it may be; whether Prima holds it is still to be seen.
        Stage::Firm if row.said_to_be_in_prima && at.intake_open => {
            row.enter(Stage::Queued, at.now, "to be looked for in Prima");
            return Next::Create;
        }
        // A person shipped it in Mirakl's back office: that was the remedy.
        Stage::Exception if row.exception.as_ref().is_some_and(|exception| exception.kind.is_of_dispatch()) => {
            row.enter(Stage::Shipped, at.now, "shipped in Mirakl by a person");
        }
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm | Stage::Queued if order.seller_reference().is_some() => {
            row.order_number = order.seller_reference().map(str::to_owned);
            row.referenced_at = Some(at.now);
            row.enter(Stage::Shipped, at.now, "shipped in Mirakl, which holds its Prima number");
        }
        // Found in Prima by the next question, or an exception.
        Stage::Creating | Stage::InDoubt => return driven_on(row, newer, at),
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm | Stage::Queued => row.fail(
            ExceptionKind::ShippedOutsidePrima,
            "the order is shipped in Mirakl, and the connector knows of no Prima order for it",
            format!("Find out who shipped it, and look for it in Prima. {}", remedy::key_in_and_settle(&row.key)),
            at.now,
        ),
        _ => {}
    }
    Next::Nothing
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use crate::domain::order::row::{ExpectedMessage, Lease, MESSAGE_IS_LOST, lines_of};

    fn channel() -> Channel {
        serde_json::from_str(
            r#"{"id":"uk","base_url":"https://uk.mirakl.net","orders":"live","take_over_from":"2026-11-02T00:00:00Z","acceptance_window_minutes":1440}"#,
        )
        .unwrap()
    }

    fn now() -> Timestamp {
        "2026-11-10T12:00:00Z".parse().unwrap()
    }

    fn order(state: &str, quantity: u32) -> Order {
        let text = format!(
            r#"{{"order_id":"C1-A","order_state":"{state}","created_date":"2026-11-10T11:00:00Z","last_updated_date":"2026-11-10T11:30:00Z",
                "order_lines":[{{"order_line_id":"C1-A-1","offer_sku":"W1-NAV-12","quantity":{quantity},"price":20.00}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn at(intake_open: bool) -> Circumstances {
        Circumstances { accepted: false, intake_open, now: now() }
    }

    fn row_in(stage: Stage) -> OrderRow {
        let mut row = OrderRow::first_seen("uk", &order("SHIPPING", 2), now());
        row.version = 1;
        if matches!(stage, Stage::Created | Stage::Cancelling) {
            row.created_at = Some(now());
            row.order_number = Some("UK-C1-A".into());
        }
        row.enter(stage, now(), "");
        row
    }

    fn outcome(known: Option<&OrderRow>, order: &Order, at: Circumstances) -> (Stage, Next) {
        let (row, next) = on_listing(known, order, &channel(), at).unwrap();
        (row.stage, next)
    }

    #[test]
    fn a_waiting_order_that_we_accepted_is_acknowledged() {
        let accepted = Circumstances { accepted: true, ..at(true) };
        let (row, next) = on_listing(None, &order("WAITING_ACCEPTANCE", 2), &channel(), accepted).unwrap();
        assert_eq!((row.stage, row.acknowledged_at, next), (Stage::Acknowledged, Some(now()), Next::Nothing));
        assert_eq!(outcome(None, &order("WAITING_ACCEPTANCE", 2), at(true)), (Stage::Seen, Next::Nothing));
    }

    #[test]
    fn a_firm_order_is_queued_once_and_waits_as_a_row_while_intake_is_closed() {
        assert_eq!(outcome(None, &order("SHIPPING", 2), at(true)), (Stage::Queued, Next::Create));
        assert_eq!(outcome(None, &order("SHIPPING", 2), at(false)), (Stage::Firm, Next::Nothing));
        assert_eq!(outcome(Some(&row_in(Stage::Firm)), &order("SHIPPING", 2), at(true)), (Stage::Queued, Next::Create));
        assert_eq!(on_listing(Some(&row_in(Stage::Queued)), &order("SHIPPING", 2), &channel(), at(true)), None);
    }

    fn overdue(row: &mut OrderRow, by: Duration) {
        row.message = Some(ExpectedMessage { due: before(now(), by), copies: 0 });
    }

    #[test]
    fn a_message_is_missed_minutes_after_it_was_due_and_each_copy_is_given_twice_the_time() {
        let mut row = row_in(Stage::Queued);
        row.enter(Stage::Queued, now(), "");
        let lost = |row: &OrderRow, minutes: u64| {
            let late = Duration::from_secs(60 * minutes);
            (row.message_is_lost(after(now(), late)), row.message_is_lost(after(now(), late + Duration::from_secs(1))))
        };
        assert_eq!(lost(&row, 5), (false, true));
        // One that was asked to come later is not missed before.
        row.expect_message(after(now(), Duration::from_secs(900)));
        assert_eq!(lost(&row, 20), (false, true));
        for (copies, minutes) in [(1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 160)] {
            row.send_again(now(), "");
            assert_eq!((row.message.as_ref().unwrap().copies, lost(&row, minutes)), (copies, (false, true)));
        }
        row.enter(Stage::Firm, now(), "");
        assert_eq!(row.message, None);
        // A row of an older version: its message may be delayed as long as any.
        row.enter(Stage::Queued, now(), "");
        row.message = None;
        assert_eq!(lost(&row, 20), (false, true));
        row.enter(Stage::InDoubt, now(), "");
        row.miss_message(now());
        assert!(row.message_is_lost(now()));
    }

    #[test]
    fn an_order_whose_date_of_change_has_disappeared_is_no_older_than_its_row() {
        let mut row = row_in(Stage::Firm);
        row.mirakl_updated = Some(now());
        let mut undated = order("SHIPPING", 2);
        undated.last_updated_date = None;
        assert!(!row.is_newer_than(&undated));
        let (after, next) = on_listing(Some(&row), &undated, &channel(), at(true)).unwrap();
        assert_eq!((after.stage, next, after.mirakl_updated), (Stage::Queued, Next::Create, Some(now())));
    }

    #[test]
    fn what_is_stuck_or_changed_is_sent_again() {
        let mut stuck = row_in(Stage::Queued);
        overdue(&mut stuck, MESSAGE_IS_LOST + Duration::from_secs(1));
        assert_eq!(outcome(Some(&stuck), &order("SHIPPING", 2), at(true)).1, Next::Create);
        let mut changed = order("SHIPPING", 1);
        changed.last_updated_date = Some(now());
        assert_eq!(outcome(Some(&row_in(Stage::Queued)), &changed, at(true)).1, Next::Create);
    }

    #[test]
    fn only_a_dead_holder_loses_an_order_in_creation() {
        let mut row = row_in(Stage::Creating);
        row.lease = Some(Lease { owner: "a".into(), until: now() });
        assert_eq!(on_listing(Some(&row), &order("SHIPPING", 2), &channel(), at(true)), None);
        row.lease = Some(Lease { owner: "a".into(), until: before(now(), LEASE_IS_DEAD + Duration::from_secs(1)) });
        assert_eq!(outcome(Some(&row), &order("SHIPPING", 2), at(true)), (Stage::Creating, Next::Create));
    }

    #[test]
    fn an_order_older_than_the_take_over_is_left_to_those_who_keyed_it_unless_we_accepted_it() {
        let mut old = order("SHIPPING", 2);
        old.created_date = Some("2026-11-01T00:00:00Z".parse().unwrap());
        assert_eq!(outcome(None, &old, at(true)), (Stage::KeyedByHand, Next::Nothing));
        let ours = row_in(Stage::Acknowledged);
        assert_eq!(outcome(Some(&ours), &old, at(true)), (Stage::Queued, Next::Create));
        let mut waiting = old.clone();
        waiting.order_state = OrderState::WaitingAcceptance;
        assert_eq!(outcome(None, &waiting, Circumstances { accepted: true, ..at(true) }).0, Stage::Acknowledged);
    }

    #[test]
    fn a_cancellation_is_marked_or_carried_out_at_every_stage() {
        let cancelled = order("CANCELED", 0);
        for stage in [Stage::Seen, Stage::Acknowledged, Stage::AwaitingPayment, Stage::Firm, Stage::Queued] {
            assert_eq!(outcome(Some(&row_in(stage)), &cancelled, at(true)), (Stage::Cancelled, Next::Nothing), "{stage:?}");
        }
        for stage in [Stage::Creating, Stage::InDoubt] {
            let (row, _) = on_listing(Some(&row_in(stage)), &cancelled, &channel(), at(true)).unwrap();
            assert_eq!((row.stage, row.cancel_requested), (stage, Some(now())));
        }
        assert_eq!(outcome(Some(&row_in(Stage::Created)), &cancelled, at(true)), (Stage::Cancelling, Next::Cancel));
        assert_eq!(on_listing(None, &cancelled, &channel(), at(true)), None, "no row is owed to what was over before");
    }

    #[test]
    fn a_line_that_shrinks_after_creation_is_an_exception_once() {
        let mut row = row_in(Stage::Created);
        row.referenced_at = Some(now());
        let shrunk = order("SHIPPING", 1);
        let (row, next) = on_listing(Some(&row), &shrunk, &channel(), at(true)).unwrap();
        assert_eq!((row.stage, next), (Stage::Exception, Next::Nothing));
        assert!(row.exception.as_ref().unwrap().reason.contains("C1-A-1: 1 of 2 left"));
        assert_eq!(on_listing(Some(&row), &shrunk, &channel(), at(true)), None);
    }

    #[test]
    fn a_missed_window_is_told_of() {
        let mut refused = order("REFUSED", 2);
        refused.order_state_reason_code = Some("ACCEPTANCE_TIMEOUT".into());
        assert_eq!(outcome(Some(&row_in(Stage::Seen)), &refused, at(true)), (Stage::Refused, Next::WindowMissed));
    }

    #[test]
    fn an_order_that_was_sent_and_is_cancelled_before_anybody_knows_what_came_of_it_is_asked_for() {
        for stage in [Stage::Firm, Stage::Queued] {
            let mut row = row_in(stage);
            row.attempt = Some(Attempt { at: now(), count: 1, ..Attempt::default() });
            let (row, next) = on_listing(Some(&row), &order("CANCELED", 0), &channel(), at(true)).unwrap();
            assert_eq!((row.stage, row.cancel_requested, next), (Stage::InDoubt, Some(now()), Next::Create));
        }
    }

    #[test]
    fn a_waiting_order_that_ends_with_its_window_and_without_a_reason_missed_it() {
        for (state, minutes, next) in
            [("REFUSED", 1440, Next::WindowMissed), ("CANCELED", 1440, Next::WindowMissed), ("REFUSED", 1439, Next::Nothing)]
        {
            let mut ended = order(state, 2);
            ended.last_updated_date = Some(after(ended.created_date.unwrap(), Duration::from_secs(60 * minutes)));
            assert_eq!(outcome(Some(&row_in(Stage::Seen)), &ended, at(true)), (Stage::Refused, next), "{state} after {minutes} minutes");
            assert_eq!(outcome(Some(&row_in(Stage::Acknowledged)), &ended, at(true)).1, Next::Nothing, "accepted in time");
        }
    }

    #[test]
    fn an_order_of_before_the_take_over_that_can_be_read_at_last_is_left_to_those_who_keyed_it() {
        let mut row = row_in(Stage::Seen);
        row.fail(ExceptionKind::Unreadable, "", "", now());
        assert_eq!(outcome(Some(&row), &order("SHIPPING", 2), at(true)), (Stage::Queued, Next::Create));
        let mut old = order("SHIPPING", 2);
        old.created_date = Some("2026-11-01T00:00:00Z".parse().unwrap());
        assert_eq!(outcome(Some(&row), &old, at(true)), (Stage::KeyedByHand, Next::Nothing));
    }

    #[test]
    fn a_window_that_was_missed_before_anybody_listed_the_order_is_told_of_unless_it_was_before_the_take_over() {
        let mut refused = order("REFUSED", 2);
        assert_eq!(on_listing(None, &refused, &channel(), at(true)), None, "a person refused it");
        refused.order_state_reason_code = Some("ACCEPTANCE_TIMEOUT".into());
        assert_eq!(outcome(None, &refused, at(true)), (Stage::Refused, Next::WindowMissed));
        for created in [Some("2026-11-01T23:59:59Z".parse().unwrap()), None] {
            refused.created_date = created;
            assert_eq!(on_listing(None, &refused, &channel(), at(true)), None);
        }
        let mut cancelled = order("CANCELED", 0);
        cancelled.order_state_reason_code = Some("ACCEPTANCE_TIMEOUT".into());
        assert_eq!(on_listing(None, &cancelled, &channel(), at(true)), None);
    }

    #[test]
    fn the_lines_that_were_sent_stay_those_of_the_row() {
        let mut row = row_in(Stage::InDoubt);
        row.attempt = Some(Attempt { at: now(), count: 1, ..Attempt::default() });
        let mut shrunk = order("SHIPPING", 1);
        shrunk.last_updated_date = Some(after(now(), Duration::from_secs(60)));
        let (row, next) = on_listing(Some(&row), &shrunk, &channel(), at(true)).unwrap();
        assert_eq!((row.lines[0].quantity, next), (2, Next::Create));
    }

    /// What a listing makes of a row, in a few words; `None` where it changes nothing but what was listed.
    fn told(row: &OrderRow, order: &Order) -> Option<String> {
        let (after, next) = on_listing(Some(row), order, &channel(), at(true))?;
        let unmoved = after.stage == row.stage && after.since == row.since && after.cancel_requested == row.cancel_requested;
        if unmoved && next == Next::Nothing {
            return None;
        }
        let kind = after.exception.as_ref().map(|exception| format!(" ({})", exception.kind.name())).unwrap_or_default();
        let marked = if after.cancel_requested.is_some() { ", cancellation marked" } else { "" };
        let next = if next == Next::Nothing { String::new() } else { format!(", then {next:?}") };
        Some(format!("{}{kind}{marked}{next}", after.stage.name()))
    }

    /// The whole of an order's life at a glance: each stage of a row, each state that Mirakl may list next, and what follows. In
    /// brackets for which rows: plain ones, those listed in a newer version, stuck ones, those whose order carries our number,
    /// those that were sent to Prima, those that were refunded as a whole.
    #[test]
    fn each_stage_meets_each_state() {
        let states = [
            "STAGING",
            "WAITING_ACCEPTANCE",
            "WAITING_DEBIT",
            "WAITING_DEBIT_PAYMENT",
            "SHIPPING",
            "SHIPPED",
            "RECEIVED",
            "CLOSED",
            "REFUSED",
            "CANCELED",
            "REFUNDED",
            "SOMETHING_NEW",
        ];
        let mut table = String::new();
        for &stage in Stage::ALL {
            for state in states {
                let mut results: Vec<(String, Vec<&str>)> = Vec::new();
                for variant in ["plain", "newer", "stuck", "ours", "sent", "refunded"] {
                    let mut row = row_in(stage);
                    row.referenced_at = Some(now());
                    row.since = before(now(), Duration::from_secs(30));
                    let mut listed = order(state, 2);
                    match variant {
                        "newer" => listed.last_updated_date = Some(now()),
                        "stuck" => {
                            overdue(&mut row, MESSAGE_IS_LOST + Duration::from_secs(1));
                            row.lease = Some(Lease { owner: "a".into(), until: before(now(), LEASE_IS_DEAD + Duration::from_secs(1)) });
                        }
                        "ours" => {
                            listed.references = serde_json::from_str(r#"{"order_reference_for_seller":"UK-C1-A"}"#).unwrap();
                        }
                        "refunded" => listed.fully_refunded = Some(true),
                        "sent" => row.attempt = Some(Attempt { at: now(), count: 1, ..Attempt::default() }),
                        _ => {}
                    }
                    let Some(result) = told(&row, &listed) else { continue };
                    match results.iter_mut().find(|(known, _)| *known == result) {
                        Some((_, variants)) => variants.push(variant),
                        None => results.push((result, vec![variant])),
                    }
                }
                for (result, variants) in results {
                    let of = if variants.len() == 6 { "all".to_owned() } else { variants.join(", ") };
                    table.push_str(&format!("{} + {state}: {result} [{of}]\n", stage.name()));
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn each_exception_meets_what_ends_it() {
        let mut table = String::new();
        for &kind in ExceptionKind::ALL {
            for created in [false, true] {
                for state in ["SHIPPING", "SHIPPED", "CANCELED"] {
                    let mut row = row_in(Stage::Seen);
                    row.created_at = created.then(now);
                    row.fail(kind, "why", "what", before(now(), Duration::from_secs(30)));
                    if let Some(result) = told(&row, &order(state, 2)) {
                        let place = if created { "in Prima" } else { "not in Prima" };
                        table.push_str(&format!("{} {place} + {state}: {result}\n", kind.name()));
                    }
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn an_older_listing_changes_nothing_and_a_boundary_of_time_is_not_passed_at_its_moment() {
        let mut row = row_in(Stage::Firm);
        row.mirakl_updated = Some(now());
        assert_eq!(on_listing(Some(&row), &order("CANCELED", 2), &channel(), at(true)), None, "listed before what we know");
        let mut exactly = row_in(Stage::Queued);
        overdue(&mut exactly, MESSAGE_IS_LOST);
        assert_eq!(on_listing(Some(&exactly), &order("SHIPPING", 2), &channel(), at(true)), None);
        let mut held = row_in(Stage::Creating);
        held.lease = Some(Lease { owner: "a".into(), until: before(now(), LEASE_IS_DEAD) });
        assert_eq!(on_listing(Some(&held), &order("SHIPPING", 2), &channel(), at(true)), None);
        let mut at_take_over = order("SHIPPING", 2);
        at_take_over.created_date = Some(channel().take_over_from);
        assert_eq!(outcome(None, &at_take_over, at(true)).0, Stage::Queued, "from that moment on they are ours");
        assert_eq!(QUEUED_IS_STUCK, Duration::from_secs(1200));
    }

    #[test]
    fn more_pieces_than_prima_was_told_of_are_no_cancelled_part() {
        let mut row = row_in(Stage::Created);
        row.lines[0].quantity = 1;
        let after = on_listing(Some(&row), &order("SHIPPING", 2), &channel(), at(true));
        assert!(after.is_none_or(|(after, _)| after.stage == Stage::Created), "nothing is less than it was");
    }

    #[test]
    fn what_we_cancelled_ourselves_is_not_cancelled_in_prima_again() {
        use crate::domain::dispatch::{Parcel, Settlement};
        let by = |how| Settlement { how, lines: Vec::new(), at: now(), until: now(), confirmed_at: Some(now()), reason_code: None };
        let ended = Dispatch { ended_at: Some(now()), settlements: vec![by(How::Cancel)], ..Dispatch::default() };
        let outcome_of = |dispatch: Dispatch| {
            let mut row = row_in(Stage::Dispatched);
            row.dispatch = Some(Box::new(dispatch));
            outcome(Some(&row), &order("CANCELED", 0), at(true))
        };
        assert_eq!(outcome_of(ended.clone()), (Stage::Cancelled, Next::Nothing));
        for other in [
            Dispatch { ended_at: None, ..ended.clone() },
            Dispatch { parcels: vec![Parcel::default()], ..ended.clone() },
            Dispatch { settlements: vec![by(How::Refund)], ..ended.clone() },
            Dispatch { settlements: Vec::new(), ..ended },
        ] {
            assert_eq!(outcome_of(other.clone()), (Stage::Cancelling, Next::Cancel), "{other:?}");
        }
    }

    #[test]
    fn a_part_that_was_cancelled_is_named_alone_and_not_lost_when_the_rest_is_shipped() {
        let two_lines = |quantity: u32, state: &str| -> Order {
            let text = format!(
                r#"{{"order_id":"C1-A","order_state":"{state}","last_updated_date":"2026-11-10T11:50:00Z","order_lines":[
                    {{"order_line_id":"C1-A-1","offer_sku":"W1-NAV-12","quantity":{quantity},"price":20.00}},
                    {{"order_line_id":"C1-A-2","offer_sku":"W1-NAV-14","quantity":2,"price":20.00}}]}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let mut row = row_in(Stage::Created);
        row.lines = lines_of(&two_lines(2, "SHIPPING"));
        row.referenced_at = Some(now());
        let (row, _) = on_listing(Some(&row), &two_lines(1, "SHIPPED"), &channel(), at(true)).unwrap();
        let exception = row.exception.unwrap();
        assert_eq!((row.stage, exception.kind), (Stage::Exception, ExceptionKind::LineCancelledAfterCreation));
        assert!(exception.reason.contains("C1-A-1: 1 of 2 left") && !exception.reason.contains("C1-A-2"), "{}", exception.reason);
    }

    fn with_refunds(mut order: Order, refunds: &str) -> Order {
        order.order_lines[0].price = crate::kit::amount::Amount(40.into());
        order.order_lines[0].refunds = serde_json::from_str(refunds).unwrap();
        order
    }

    const ONE_PIECE: &str = r#"[{"quantity":1,"amount":20.00,"created_date":"2026-11-10T11:20:00Z"}]"#;
    const BOTH_PIECES: &str = r#"[{"quantity":null,"amount":40.00,"created_date":"2026-11-10T11:20:00Z"}]"#;
    const GOODWILL: &str = r#"[{"quantity":0,"amount":5.00,"created_date":"2026-11-10T11:20:00Z"}]"#;

    #[test]
    fn what_is_refunded_before_it_left_is_not_there_and_goodwill_changes_nothing() {
        for (refunds, stage, next, pieces) in [
            (ONE_PIECE, Stage::Queued, Next::Create, 1),
            (GOODWILL, Stage::Queued, Next::Create, 2),
            (BOTH_PIECES, Stage::Cancelled, Next::Nothing, 0),
        ] {
            let listed = with_refunds(order("SHIPPING", 2), refunds);
            let (row, follows) = on_listing(None, &listed, &channel(), at(true)).unwrap();
            assert_eq!((row.stage, follows, row.lines.iter().map(|line| line.quantity).sum::<u32>()), (stage, next, pieces), "{refunds}");
        }
    }

    #[test]
    fn a_refund_after_creation_is_told_once_and_a_further_one_again() {
        let mut row = row_in(Stage::Created);
        row.referenced_at = Some(now());
        let goodwill = with_refunds(order("SHIPPING", 2), GOODWILL);
        assert_eq!(on_listing(Some(&row), &goodwill, &channel(), at(true)).unwrap().0.stage, Stage::Created);
        let one = with_refunds(order("SHIPPING", 2), ONE_PIECE);
        let (mut row, next) = on_listing(Some(&row), &one, &channel(), at(true)).unwrap();
        let exception = row.exception.clone().unwrap();
        assert_eq!((exception.kind, next), (ExceptionKind::LineCancelledAfterCreation, Next::Nothing));
        assert!(exception.reason.contains("C1-A-1: 1 of 2 left"), "{}", exception.reason);
        assert_eq!(on_listing(Some(&row), &one, &channel(), at(true)), None);
        // Settled: the same listing says nothing more. All of it refunded: cancelled in Prima, settled or not.
        let both = with_refunds(order("SHIPPING", 2), BOTH_PIECES);
        assert_eq!(outcome(Some(&row), &both, at(true)), (Stage::Cancelling, Next::Cancel));
        row.enter(Stage::Created, now(), "settled");
        assert_eq!(on_listing(Some(&row), &one, &channel(), at(true)), None);
        assert_eq!(outcome(Some(&row), &both, at(true)), (Stage::Cancelling, Next::Cancel));
    }

    #[test]
    fn a_row_that_is_found_again_after_the_refund_is_cancelled_in_prima() {
        let both = with_refunds(order("SHIPPING", 2), BOTH_PIECES);
        let mut row = OrderRow::first_seen("uk", &both, now());
        row.created_at = Some(now());
        row.enter(Stage::Created, now(), "linked by an operator");
        assert_eq!(row.lines, []);
        assert_eq!(outcome(Some(&row), &both, at(true)), (Stage::Cancelling, Next::Cancel));
    }

    #[test]
    fn an_order_that_is_closed_was_shipped_only_where_somebody_says_so() {
        let mut row = row_in(Stage::Created);
        row.referenced_at = Some(now());
        let closed = |refunds: &str| with_refunds(order("CLOSED", 2), refunds);
        assert_eq!(outcome(Some(&row), &closed("[]"), at(true)).0, Stage::Created, "Prima is asked on");
        assert_eq!(outcome(Some(&row), &closed(BOTH_PIECES), at(true)), (Stage::Cancelling, Next::Cancel));
        let mut shipped = closed(BOTH_PIECES);
        shipped.order_lines[0].shipped_date = Some("2026-11-10T11:10:00Z".parse().unwrap());
        assert_eq!(outcome(Some(&row), &shipped, at(true)), (Stage::Shipped, Next::Nothing), "a return");
        // Seen as shipped before.
        let (seen, _) =
            on_listing(Some(&OrderRow { referenced_at: None, ..row.clone() }), &order("SHIPPED", 2), &channel(), at(true)).unwrap();
        assert_eq!(seen.stage, Stage::Created, "its reference is owed");
        let seen = OrderRow { referenced_at: Some(now()), ..seen };
        assert_eq!(outcome(Some(&seen), &closed(BOTH_PIECES), at(true)).0, Stage::Shipped);
        // A parcel of Prima's.
        let parcel = crate::domain::dispatch::Parcel { found_at: now(), ..crate::domain::dispatch::Parcel::default() };
        row.dispatch = Some(Box::new(Dispatch { parcels: vec![parcel], ..Dispatch::default() }));
        assert_eq!(outcome(Some(&row), &closed("[]"), at(true)).0, Stage::Shipped);
    }

    #[test]
    fn what_we_refunded_ourselves_and_what_had_left_before_is_nobodys_trouble() {
        use crate::domain::dispatch::{Parcel, SettledLine, Settlement};
        use crate::mirakl::shipping::ParcelLine;
        let ours = |pieces: u32, confirmed: bool| Settlement {
            how: How::Refund,
            lines: vec![SettledLine { order_line_id: "C1-A-1".into(), quantity: pieces, ..SettledLine::default() }],
            at: now(),
            until: now(),
            confirmed_at: confirmed.then(now),
            reason_code: None,
        };
        let stage_of = |dispatch: Dispatch, refunds: &str| {
            let mut row = row_in(Stage::Dispatched);
            row.created_at = Some(now());
            row.dispatch = Some(Box::new(dispatch));
            outcome(Some(&row), &with_refunds(order("SHIPPING", 2), refunds), at(true))
        };
        let quiet = (Stage::Dispatched, Next::Nothing);
        let settled = |settlements: Vec<Settlement>| Dispatch { settlements, ..Dispatch::default() };
        assert_eq!(stage_of(settled(vec![ours(1, true)]), ONE_PIECE), quiet);
        assert_eq!(stage_of(settled(vec![ours(2, true)]), BOTH_PIECES), quiet);
        assert_eq!(stage_of(settled(vec![ours(2, false)]), BOTH_PIECES), quiet, "under way");
        assert_eq!(
            stage_of(settled(vec![ours(1, true)]), BOTH_PIECES),
            (Stage::Cancelling, Next::Cancel),
            "the other piece is somebody else's"
        );
        let parcel = |found: &str| Parcel {
            lines: vec![ParcelLine { order_line_id: "C1-A-1".into(), quantity: 2 }],
            found_at: found.parse().unwrap(),
            ..Parcel::default()
        };
        let left = |moment: &str| Dispatch { parcels: vec![parcel(moment)], ended_at: moment.parse().ok(), ..Dispatch::default() };
        assert_eq!(stage_of(left("2026-11-10T11:00:00Z"), ONE_PIECE), quiet, "a return");
        assert_eq!(stage_of(left("2026-11-10T11:00:00Z"), BOTH_PIECES), quiet, "a return");
        assert_eq!(stage_of(left("2026-11-10T11:25:00Z"), BOTH_PIECES), (Stage::Cancelling, Next::Cancel));
        assert_eq!(stage_of(left("2026-11-10T11:25:00Z"), ONE_PIECE).0, Stage::Exception, "it left although it was refunded");
    }

    #[test]
    fn what_was_refunded_before_it_left_and_told_as_shipped_all_the_same_is_told_once() {
        use crate::domain::dispatch::Parcel;
        // Refunded at 11:20, unseen.
        let shipped_by_us = |left: &str| {
            let mut row = row_in(Stage::Created);
            (row.created_at, row.referenced_at) = (Some(now()), Some(now()));
            let parcel = Parcel { found_at: left.parse().unwrap(), ..Parcel::default() };
            row.dispatch = Some(Box::new(Dispatch { parcels: vec![parcel], ended_at: left.parse().ok(), ..Dispatch::default() }));
            row.enter(Stage::Shipped, now(), "shipped in Mirakl");
            row
        };
        let listed = |state: &str, refunds: &str, shipped: Option<&str>| {
            let mut order = with_refunds(order(state, 2), refunds);
            order.order_lines[0].shipped_date = shipped.map(|at| at.parse().unwrap());
            order
        };
        let (before, after) = ("2026-11-10T11:10:00Z", "2026-11-10T11:25:00Z");
        for (refunds, words) in [(ONE_PIECE, "refunded a part of the order"), (BOTH_PIECES, "refunded all of the order")] {
            for (state, shipped) in
                [("SHIPPED", None), ("SHIPPED", Some(after)), ("SHIPPING", None), ("CLOSED", None), ("RECEIVED", Some(after))]
            {
                let order = listed(state, refunds, shipped);
                let (mut row, next) = on_listing(Some(&shipped_by_us(after)), &order, &channel(), at(true)).unwrap();
                let exception = row.exception.clone().unwrap();
                assert_eq!((row.stage, exception.kind, next), (Stage::Exception, ExceptionKind::CancelledAfterDispatch, Next::Nothing));
                assert!(exception.reason.contains(words), "{}", exception.reason);
                assert!(exception.remedy.ends_with("exceptions settle uk C1-A --as shipped --note TEXT"), "{}", exception.remedy);
                assert_eq!(on_listing(Some(&row), &order, &channel(), at(true)), None, "once");
                row.settle(Stage::Shipped, now(), "settled");
                assert_eq!(on_listing(Some(&row), &order, &channel(), at(true)), None, "settled is settled");
                // A return.
                let returned =
                    on_listing(Some(&shipped_by_us(before)), &listed(state, refunds, shipped.map(|_| before)), &channel(), at(true));
                assert_eq!(returned.unwrap().0.stage, Stage::Shipped, "{state} {shipped:?}");
            }
        }
        let goodwill = on_listing(Some(&shipped_by_us(after)), &listed("SHIPPED", GOODWILL, Some(after)), &channel(), at(true));
        assert_eq!(goodwill.unwrap().0.stage, Stage::Shipped);
    }

    #[test]
    fn what_the_marketplace_ships_itself_needs_nobody_and_closes_by_itself() {
        let centre = |code: &str, state: &str| {
            let mut order = order(state, 2);
            order.fulfillment = serde_json::from_str(&format!(r#"{{"center":{{"code":"{code}"}}}}"#)).unwrap();
            order.can_shop_ship = Some(true);
            order
        };
        let stage = |order: &Order| outcome(None, order, at(true)).0;
        assert_eq!(stage(&centre("MKP-DC1", "SHIPPING")), Stage::OperatorFulfilled);
        assert_eq!((stage(&centre("DEFAULT", "SHIPPING")), stage(&centre("", "SHIPPING"))), (Stage::Queued, Stage::Queued));
        let two_centers = Channel { fulfillment_centers: vec!["MKP-DC1".into(), "DEFAULT".into()], ..channel() };
        assert_eq!(on_listing(None, &centre("MKP-DC1", "SHIPPING"), &two_centers, at(true)).unwrap().0.stage, Stage::Queued);
        let unflagged = Order { can_shop_ship: Some(false), ..order("SHIPPING", 2) };
        assert_eq!(stage(&unflagged), Stage::OperatorFulfilled);
        // The centre is known before the order is firm, and the flag only then.
        assert!(on_listing(None, &centre("MKP-DC1", "WAITING_ACCEPTANCE"), &channel(), at(true)).unwrap().0.fulfilled_by_operator);
        let early = Order { can_shop_ship: Some(false), ..order("WAITING_ACCEPTANCE", 2) };
        assert!(!on_listing(None, &early, &channel(), at(true)).unwrap().0.fulfilled_by_operator);

        let mut row = row_in(Stage::OperatorFulfilled);
        row.fulfilled_by_operator = true;
        assert_eq!(on_listing(Some(&row), &unflagged, &channel(), at(true)), None);
        assert_eq!(outcome(Some(&row), &order("SHIPPED", 2), at(true)), (Stage::Shipped, Next::Nothing));
        assert_eq!(outcome(Some(&row), &order("CLOSED", 2), at(true)), (Stage::Shipped, Next::Nothing));
        assert_eq!(outcome(Some(&row), &order("CANCELED", 2), at(true)), (Stage::Cancelled, Next::Nothing));
        assert_eq!(outcome(Some(&row), &order("SHIPPING", 2), at(true)), (Stage::Queued, Next::Create), "corrected");
        // As rows were kept before.
        let mut old = row_in(Stage::Seen);
        old.fail(ExceptionKind::ShippedByOperator, "", "", now());
        assert_eq!(outcome(Some(&old), &unflagged, at(true)), (Stage::OperatorFulfilled, Next::Nothing));
        assert_eq!(outcome(Some(&old), &order("SHIPPED", 2), at(true)), (Stage::Shipped, Next::Nothing));
    }

    #[test]
    fn the_daily_look_tells_of_what_left_unseen_and_of_nothing_else() {
        let look =
            |order: &Order| on_look(None, order, &channel(), at(true)).map(|(row, _)| (row.stage, row.exception.map(|one| one.kind)));
        let outside = Some((Stage::Exception, Some(ExceptionKind::ShippedOutsidePrima)));
        assert_eq!((look(&order("SHIPPED", 2)), look(&order("CLOSED", 2))), (outside, outside));
        let mut ours = order("SHIPPED", 2);
        ours.references = serde_json::from_str(r#"{"order_reference_for_seller":"UK-C1-A"}"#).unwrap();
        assert_eq!(look(&ours), Some((Stage::Shipped, None)), "our memory was lost");
        assert_eq!(look(&with_refunds(order("CLOSED", 2), BOTH_PIECES)), Some((Stage::Cancelled, None)), "nothing left");
        let mut old = order("SHIPPED", 2);
        old.created_date = Some("2026-11-01T00:00:00Z".parse().unwrap());
        assert_eq!(look(&old), None, "before the take-over");
        let mut operators = order("SHIPPED", 2);
        operators.fulfillment = serde_json::from_str(r#"{"center":{"code":"MKP-DC1"}}"#).unwrap();
        assert_eq!(look(&operators), Some((Stage::Shipped, None)), "not ours to ship");
        assert_eq!(
            on_look(Some(&row_in(Stage::Shipped)), &order("SHIPPED", 2), &channel(), at(true)).map(|(row, _)| row.stage),
            Some(Stage::Shipped)
        );
    }
}
