//! Orders that the marketplace ships itself.

use crate::domain::channel::Channel;
use crate::domain::order::row::{ExceptionKind, OrderRow, Stage};
use crate::mirakl::{Order, OrderState};

/// The marketplace ships the order itself, or from a centre that is not the shop's; none where the
/// listing does not tell.
pub(super) fn is_operators(order: &Order, channel: &Channel) -> Option<bool> {
    let center = order
        .fulfillment
        .as_ref()
        .and_then(|fulfillment| fulfillment.center.as_ref()?.code.as_deref());
    if center.is_some_and(|code| {
        !code.is_empty() && !channel.fulfillment_centers.iter().any(|own| own == code)
    }) {
        return Some(true);
    }
    // Before and after SHIPPING the flag may only say that it cannot be shipped now.
    (order.order_state == OrderState::Shipping).then_some(order.can_shop_ship == Some(false))
}

pub(super) fn is_found_in_prima(row: &OrderRow) -> bool {
    row.exception.as_ref().is_some_and(|exception| exception.kind == ExceptionKind::FoundInPrima)
}

pub(super) fn is_left_to_operator(row: &OrderRow) -> bool {
    let is_exception = row
        .exception
        .as_ref()
        .is_some_and(|exception| exception.kind == ExceptionKind::ShippedByOperator);
    row.stage == Stage::OperatorFulfilled || (is_exception && !row.creation.was_begun())
}

/// Nothing of it can be in Prima, as far as anybody knows.
pub(super) fn may_be_left_to_operator(row: &OrderRow) -> bool {
    let waits = matches!(
        row.stage,
        Stage::Seen | Stage::Acknowledged | Stage::AwaitingPayment | Stage::Firm | Stage::Queued
    ) || (row.stage == Stage::Exception && !is_found_in_prima(row));
    waits && !row.creation.was_begun()
}
