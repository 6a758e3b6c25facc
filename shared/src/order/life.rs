//! What a listing of Mirakl's makes of an order's row: pure rules, no clock, no store.

use std::time::Duration;

use jiff::Timestamp;

use super::row::{Attempt, ExceptionKind, OrderRow, Stage, lines_of};
use crate::channel::Channel;
use crate::clock::{after, before};
use crate::despatch::{Despatch, How};
use crate::mirakl::{Order, OrderState};

/// A despatch's message that should have been worked off by then is taken for lost and sent again. Longer than any delay we ask for.
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
        OrderState::WaitingAcceptance => waiting(&mut row, at),
        OrderState::WaitingDebit | OrderState::WaitingDebitPayment => {
            if matches!(row.stage, Stage::Seen | Stage::Acknowledged) {
                row.enter(Stage::AwaitingPayment, at.now, "accepted; the customer is being debited");
            }
            Next::Nothing
        }
        OrderState::Shipping => firm(&mut row, order, newer, at),
        OrderState::Refused if matches!(row.stage, Stage::Seen | Stage::Acknowledged) => refused(&mut row, order, channel, at),
        OrderState::Canceled if row.stage == Stage::Seen && was_ended_by_its_window(order, channel) => {
            refused(&mut row, order, channel, at)
        }
        OrderState::Canceled | OrderState::Refused => on_cancellation(&mut row, order.seller_reference(), newer, at),
        state if state.is_shipped_or_later() => shipped(&mut row, order, newer, at),
        _ => Next::Nothing,
    };
    let changed = known.is_none_or(|before| *before != row) || next != Next::Nothing;
    changed.then_some((row, next))
}

/// Over before we ever heard of it: no row is owed.
fn is_history(order: &Order) -> bool {
    matches!(order.order_state, OrderState::Canceled | OrderState::Refused) || order.order_state.is_shipped_or_later()
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
    match row.stage {
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm => {
            if order.can_shop_ship == Some(false) {
                row.fail(
                    ExceptionKind::ShippedByOperator,
                    "Mirakl says that the shop cannot ship this order (can_shop_ship is false): the marketplace fulfils it",
                    "Nothing has to be shipped. If the marketplace made a mistake, have it corrected there and retry the order.",
                    at.now,
                );
                Next::Nothing
            } else if at.intake_open {
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
        Stage::Created | Stage::Despatched | Stage::PartDespatched => {
            notice_cancelled_parts(row, order, at);
            Next::Nothing
        }
        _ => Next::Nothing,
    }
}

/// Fewer pieces than Prima has been told of: a person has to reduce the order there.
fn notice_cancelled_parts(row: &mut OrderRow, order: &Order, at: Circumstances) {
    let listed = lines_of(order);
    // Pieces that we are having cancelled ourselves, because they will not leave: whoever sent that takes them off the row.
    if row.despatch.as_ref().is_some_and(|despatch| despatch.open_settlement().is_some()) {
        return;
    }
    if listed != row.lines {
        let fewer = row
            .lines
            .iter()
            .filter_map(|line| {
                let left = listed.iter().find(|other| other.order_line_id == line.order_line_id).map_or(0, |other| other.quantity);
                (left < line.quantity).then(|| format!("line {}: {} of {} left", line.order_line_id, left, line.quantity))
            })
            .collect::<Vec<_>>()
            .join("; ");
        let number = row.order_number.clone().unwrap_or_default();
        row.take_lines(listed);
        row.fail(
            ExceptionKind::LineCancelledAfterCreation,
            format!("Mirakl cancelled a part of the order after it was created in Prima as {number} ({fewer})"),
            format!(
                "Reduce order {number} in Prima to what is left, then settle the exception: prima-mirakl exceptions settle CHANNEL ORDER."
            ),
            at.now,
        );
    }
}

/// What a cancellation makes of a row, and what is to follow. `reference` is the number of Prima's that Mirakl holds; `newer` says
/// that Mirakl changed the order since the row was last brought up to it. Nothing else of the order is needed: it may be
/// unreadable.
#[must_use]
pub fn on_cancellation(row: &mut OrderRow, reference: Option<&str>, newer: bool, at: Circumstances) -> Next {
    match row.stage {
        // It was sent once, and nobody knows what came of it: whoever creates it finds out, as below.
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm | Stage::Queued if row.attempt.is_some() => {
            row.cancel_requested.get_or_insert(at.now);
            row.enter(Stage::InDoubt, at.now, "cancelled in Mirakl after it was sent to Prima");
            Next::Create
        }
        // Our memory was lost: that Mirakl holds a number means that Prima has, or had, the order.
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm | Stage::Queued if reference.is_some() => {
            cancelling_by_reference(row, reference, at)
        }
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm | Stage::Queued => {
            row.enter(Stage::Cancelled, at.now, "cancelled in Mirakl before it was created in Prima");
            Next::Nothing
        }
        // Whoever creates it finds out whether Prima has it, and has it cancelled there then.
        Stage::Creating | Stage::InDoubt => {
            row.cancel_requested.get_or_insert(at.now);
            driven_on(row, newer, at)
        }
        // Every piece of it was cancelled by us, because Prima had cancelled it: nothing is left to do there.
        Stage::Despatched if row.despatch.as_ref().is_some_and(|despatch| is_cancelled_by_us(despatch)) => {
            row.enter(Stage::Cancelled, at.now, "cancelled in Prima, and so in Mirakl");
            Next::Nothing
        }
        Stage::Created | Stage::Despatched | Stage::PartDespatched => {
            row.enter(Stage::Cancelling, at.now, "cancelled in Mirakl after it was created in Prima");
            Next::Cancel
        }
        Stage::Exception if row.created_at.is_some() => {
            let in_prima_and_open = row
                .exception
                .as_ref()
                .is_some_and(|exception| exception.kind == ExceptionKind::LineCancelledAfterCreation || exception.kind.is_of_despatch());
            if in_prima_and_open {
                row.enter(Stage::Cancelling, at.now, "cancelled in Mirakl as a whole");
                return Next::Cancel;
            }
            Next::Nothing
        }
        Stage::Exception if row.attempt.is_none() && reference.is_some() => cancelling_by_reference(row, reference, at),
        // Prima was asked twice by then, and does not have it.
        Stage::Exception if is_known_absent(row) => {
            row.enter(Stage::Cancelled, at.now, "cancelled in Mirakl; Prima never got it");
            Next::Nothing
        }
        // What stands in Prima under its number may be this order all the same: that is for the person to see who looks into it.
        Stage::Exception if row.attempt.is_none() && !is_found_in_prima(row) => {
            row.enter(Stage::Cancelled, at.now, "cancelled in Mirakl; the exception has no object any more");
            Next::Nothing
        }
        Stage::Exception => {
            row.cancel_requested.get_or_insert(at.now);
            Next::Nothing
        }
        Stage::Shipped | Stage::Cancelling | Stage::Cancelled | Stage::Refused | Stage::KeyedByHand => Next::Nothing,
    }
}

fn cancelling_by_reference(row: &mut OrderRow, reference: Option<&str>, at: Circumstances) -> Next {
    row.order_number = reference.map(str::to_owned);
    row.created_at = Some(at.now);
    row.enter(Stage::Cancelling, at.now, "cancelled in Mirakl, which holds its Prima number");
    Next::Cancel
}

fn is_cancelled_by_us(despatch: &Despatch) -> bool {
    despatch.ended_at.is_some()
        && despatch.parcels.is_empty()
        && despatch.settlements.iter().any(|settlement| settlement.how == How::Cancel)
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

fn shipped(row: &mut OrderRow, order: &Order, newer: bool, at: Circumstances) -> Next {
    match row.stage {
        Stage::Created | Stage::Despatched | Stage::PartDespatched => {
            // A part may have been cancelled and the rest shipped between two listings.
            notice_cancelled_parts(row, order, at);
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
        Stage::Exception if row.exception.as_ref().is_some_and(|exception| exception.kind.is_of_despatch()) => {
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
            "Find out who shipped it, and look for it in Prima. If it is not there and goods have left, key it in for the books. Then settle the exception: prima-mirakl exceptions settle CHANNEL ORDER.",
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
    use crate::order::row::{ExpectedMessage, Lease, MESSAGE_IS_LOST};

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
    /// those that were sent to Prima.
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
            "SOMETHING_NEW",
        ];
        let mut table = String::new();
        for stage in Stage::ALL {
            for state in states {
                let mut results: Vec<(String, Vec<&str>)> = Vec::new();
                for variant in ["plain", "newer", "stuck", "ours", "sent"] {
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
                    let of = if variants.len() == 5 { "all".to_owned() } else { variants.join(", ") };
                    table.push_str(&format!("{} + {state}: {result} [{of}]\n", stage.name()));
                }
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn each_exception_meets_what_ends_it() {
        let mut table = String::new();
        for kind in ExceptionKind::ALL {
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
        let (after, _) = on_listing(Some(&row), &order("SHIPPING", 2), &channel(), at(true)).unwrap();
        assert!(after.exception.is_none_or(|exception| !exception.reason.contains("left")), "nothing is less than it was");
    }

    #[test]
    fn what_we_cancelled_ourselves_is_not_cancelled_in_prima_again() {
        use crate::despatch::{Parcel, Settlement};
        let by = |how| Settlement { how, lines: Vec::new(), at: now(), until: now(), confirmed_at: Some(now()) };
        let ended = Despatch { ended_at: Some(now()), settlements: vec![by(How::Cancel)], ..Despatch::default() };
        let outcome_of = |despatch: Despatch| {
            let mut row = row_in(Stage::Despatched);
            row.despatch = Some(Box::new(despatch));
            outcome(Some(&row), &order("CANCELED", 0), at(true))
        };
        assert_eq!(outcome_of(ended.clone()), (Stage::Cancelled, Next::Nothing));
        for other in [
            Despatch { ended_at: None, ..ended.clone() },
            Despatch { parcels: vec![Parcel::default()], ..ended.clone() },
            Despatch { settlements: vec![by(How::Refund)], ..ended.clone() },
            Despatch { settlements: Vec::new(), ..ended },
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
}
