//! An order with which Mirakl has done: shipped, received, closed or refunded.

use super::cancellation::refunded;
use super::driven_on::driven_on;
use super::missing_parts::notice_missing_parts;
use super::next::{Circumstances, Next};
use super::operator::{is_left_to_operator, may_be_left_to_operator};
use crate::domain::order::remaining::{has_left, is_refunded};
use crate::domain::order::remedy;
use crate::domain::order::row::{ExceptionKind, OrderRow, Stage};
use crate::mirakl::Order;

/// Mirakl has done with the order. It was shipped only where Mirakl or Prima says that something
/// left; an order that is refunded as a whole is closed as well, and so is one that nobody sent.
pub(super) fn over(row: &mut OrderRow, order: &Order, newer: bool, at: Circumstances) -> Next {
    if is_refunded(order, row.left_at()) && !(has_left(order) || row.listing.shipped) {
        return refunded(row, order, newer, at);
    }
    if is_left_to_operator(row)
        || (row.listing.fulfilled_by_operator && may_be_left_to_operator(row))
    {
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
        Stage::Seen
        | Stage::Acknowledged
        | Stage::AwaitingPayment
        | Stage::Firm
        | Stage::Queued
            if order.seller_reference().is_some() =>
        {
            row.creation.order_number = order.seller_reference().map(str::to_owned);
            row.creation.referenced_at = Some(at.now);
            row.creation.created_at = Some(at.now);
            row.enter(
                Stage::Created,
                at.now,
                "closed in Mirakl, which holds its Prima number; nothing says that it has left",
            );
            Next::Nothing
        }
        Stage::Seen
        | Stage::Acknowledged
        | Stage::AwaitingPayment
        | Stage::Firm
        | Stage::Queued => {
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
            if row.stage.is_in_prima() && row.creation.referenced_at.is_some() {
                row.enter(Stage::Shipped, at.now, "shipped in Mirakl");
            }
        }
        // Shipped there by a person, as it may be; whether Prima holds it is still to be seen.
        Stage::Firm if row.creation.said_to_be_in_prima && at.prima_takes_orders => {
            row.enter(Stage::Queued, at.now, "to be looked for in Prima");
            return Next::Create;
        }
        // A person shipped it in Mirakl's back office: that was the remedy.
        Stage::Exception
            if row.exception.as_ref().is_some_and(|exception| exception.kind.is_of_dispatch()) =>
        {
            row.enter(Stage::Shipped, at.now, "shipped in Mirakl by a person");
        }
        Stage::Seen
        | Stage::Acknowledged
        | Stage::AwaitingPayment
        | Stage::Firm
        | Stage::Queued
            if order.seller_reference().is_some() =>
        {
            row.creation.order_number = order.seller_reference().map(str::to_owned);
            row.creation.referenced_at = Some(at.now);
            row.enter(Stage::Shipped, at.now, "shipped in Mirakl, which holds its Prima number");
        }
        // Found in Prima by the next question, or an exception.
        Stage::Creating | Stage::InDoubt => return driven_on(row, newer, at),
        Stage::Seen
        | Stage::Acknowledged
        | Stage::AwaitingPayment
        | Stage::Firm
        | Stage::Queued => row.fail(
            ExceptionKind::ShippedOutsidePrima,
            "the order is shipped in Mirakl, and the connector knows of no Prima order for it",
            format!(
                "Find out who shipped it, and look for it in Prima. {}",
                remedy::key_in_and_settle(&row.key)
            ),
            at.now,
        ),
        _ => {}
    }
    Next::Nothing
}
