//! An order that Mirakl cancels, refuses, or refunds as a whole.

use super::driven_on::driven_on;
use super::missing_parts::missing;
use super::next::{Circumstances, Next};
use super::operator::is_found_in_prima;
use crate::domain::dispatch::Dispatch;
use crate::domain::order::row::{Attempt, ExceptionKind, OrderRow, Stage};
use crate::mirakl::Order;
use crate::mirakl::shipping::How;

/// All of it was refunded before it left, which is how a marketplace cancels what is paid: nothing
/// of it may leave any more.
pub(super) fn refunded(row: &mut OrderRow, order: &Order, newer: bool, at: Circumstances) -> Next {
    // A row without lines was found again after a loss, when nothing was left of the order: Prima
    // may have all of it.
    if row.stage.is_in_prima() && !row.lines.is_empty() && missing(row, order).is_empty() {
        return Next::Nothing;
    }
    ended(row, order.seller_reference(), newer, at, "refunded")
}

/// What a cancellation makes of a row, and what is to follow. `reference` is the number of Prima's
/// that Mirakl holds; `newer` says that Mirakl changed the order since the row was last brought up
/// to it. Nothing else of the order is needed: it may be unreadable.
#[must_use]
pub fn on_cancellation(
    row: &mut OrderRow,
    reference: Option<&str>,
    newer: bool,
    at: Circumstances,
) -> Next {
    ended(row, reference, newer, at, "cancelled")
}

/// As [`on_cancellation`]; `how` says in a word how the order ended in Mirakl.
fn ended(
    row: &mut OrderRow,
    reference: Option<&str>,
    newer: bool,
    at: Circumstances,
    how: &str,
) -> Next {
    match row.stage {
        // It was sent once, and nobody knows what came of it: whoever creates it finds out, as
        // below.
        Stage::Seen
        | Stage::Acknowledged
        | Stage::AwaitingPayment
        | Stage::Firm
        | Stage::Queued
            if row.creation.attempt.is_some() =>
        {
            row.listing.cancel_requested.get_or_insert(at.now);
            row.enter(
                Stage::InDoubt,
                at.now,
                format!("{how} in Mirakl after it was sent to Prima"),
            );
            Next::Create
        }
        // Our memory was lost: that Mirakl holds a number means that Prima has, or had, the order.
        Stage::Seen
        | Stage::Acknowledged
        | Stage::AwaitingPayment
        | Stage::Firm
        | Stage::Queued
            if reference.is_some() =>
        {
            cancelling_by_reference(row, reference, at, how)
        }
        Stage::Seen
        | Stage::Acknowledged
        | Stage::AwaitingPayment
        | Stage::Firm
        | Stage::Queued => {
            row.enter(
                Stage::Cancelled,
                at.now,
                format!("{how} in Mirakl before it was created in Prima"),
            );
            Next::Nothing
        }
        // Whoever creates it finds out whether Prima has it, and has it cancelled there then.
        Stage::Creating | Stage::InDoubt => {
            row.listing.cancel_requested.get_or_insert(at.now);
            driven_on(row, newer, at)
        }
        // Every piece of it was cancelled by us, because Prima had cancelled it: nothing is left to
        // do there.
        Stage::Dispatched
            if row.dispatch.as_ref().is_some_and(|dispatch| is_cancelled_by_us(dispatch)) =>
        {
            row.enter(Stage::Cancelled, at.now, "cancelled in Prima, and so in Mirakl");
            Next::Nothing
        }
        Stage::Created | Stage::Dispatched | Stage::PartDispatched => {
            row.enter(
                Stage::Cancelling,
                at.now,
                format!("{how} in Mirakl after it was created in Prima"),
            );
            Next::Cancel
        }
        Stage::Exception if row.creation.created_at.is_some() => {
            let in_prima_and_open = row.exception.as_ref().is_some_and(|exception| {
                exception.kind == ExceptionKind::LineCancelledAfterCreation
                    || exception.kind.is_of_dispatch()
            });
            if in_prima_and_open {
                row.enter(Stage::Cancelling, at.now, format!("{how} in Mirakl as a whole"));
                return Next::Cancel;
            }
            Next::Nothing
        }
        Stage::Exception if row.creation.attempt.is_none() && reference.is_some() => {
            cancelling_by_reference(row, reference, at, how)
        }
        // Prima was asked twice by then, and does not have it.
        Stage::Exception if is_known_absent(row) => {
            row.enter(Stage::Cancelled, at.now, format!("{how} in Mirakl; Prima never got it"));
            Next::Nothing
        }
        // What stands in Prima under its number may be this order all the same: that is for the
        // person to see who looks into it.
        Stage::Exception if row.creation.attempt.is_none() && !is_found_in_prima(row) => {
            row.enter(
                Stage::Cancelled,
                at.now,
                format!("{how} in Mirakl; the exception has no object any more"),
            );
            Next::Nothing
        }
        Stage::Exception => {
            row.listing.cancel_requested.get_or_insert(at.now);
            Next::Nothing
        }
        Stage::OperatorFulfilled => {
            row.enter(
                Stage::Cancelled,
                at.now,
                format!("{how} in Mirakl; it was the marketplace's to ship"),
            );
            Next::Nothing
        }
        Stage::Shipped
        | Stage::Cancelling
        | Stage::Cancelled
        | Stage::Refused
        | Stage::KeyedByHand => Next::Nothing,
    }
}

fn cancelling_by_reference(
    row: &mut OrderRow,
    reference: Option<&str>,
    at: Circumstances,
    how: &str,
) -> Next {
    row.creation.order_number = reference.map(str::to_owned);
    row.creation.created_at = Some(at.now);
    row.enter(Stage::Cancelling, at.now, format!("{how} in Mirakl, which holds its Prima number"));
    Next::Cancel
}

fn is_cancelled_by_us(dispatch: &Dispatch) -> bool {
    dispatch.ended_at.is_some()
        && dispatch.parcels.is_empty()
        && dispatch.settlements.iter().any(|settlement| settlement.how == How::Cancel)
}

fn is_known_absent(row: &OrderRow) -> bool {
    row.exception.as_ref().is_some_and(|exception| exception.kind == ExceptionKind::PrimaFault)
        && row.creation.attempt.as_ref().is_some_and(Attempt::is_known_absent)
}
