//! What one listing makes of a row, whatever state it shows.

use super::acceptance::{
    is_history, refused, waiting, was_accepted_before_take_over, was_ended_by_its_window,
    was_missed_unseen,
};
use super::cancellation::{on_cancellation, refunded};
use super::firm::{firm, is_unreadable};
use super::missing_parts::notice_missing_parts;
use super::next::{Circumstances, Next};
use super::operator::is_operators;
use super::over::over;
use crate::domain::channel::Channel;
use crate::domain::order::remaining::is_refunded;
use crate::domain::order::row::{OrderRow, Stage};
use crate::mirakl::{Order, OrderState};

/// The row as a listing leaves it, and what is to follow; `None` when there is nothing to record.
#[must_use]
pub fn on_listing(
    known: Option<&OrderRow>,
    order: &Order,
    channel: &Channel,
    at: Circumstances,
) -> Option<(OrderRow, Next)> {
    let mut row = match known {
        // Another run listed it later, and was quicker.
        Some(row) if row.is_newer_than(order) => return None,
        Some(row) => row.clone(),
        None if is_history(order) && !was_missed_unseen(order, channel) => return None,
        None => OrderRow::first_seen(&channel.id, order, at.now),
    };
    let newer = order.last_updated_date > row.listing.updated;
    row.note_listing(order);
    if !row.creation.was_begun() {
        row.listing.fulfilled_by_operator =
            is_operators(order, channel).unwrap_or(row.listing.fulfilled_by_operator);
    }
    if at.accepted && row.listing.acknowledged_at.is_none() {
        row.listing.acknowledged_at = Some(at.now);
    }
    // One that could not be read until now has a row, and was looked at by nobody who could tell.
    if known.is_none_or(is_unreadable) && was_accepted_before_take_over(order, &row, channel) {
        row.creation.order_number = order.seller_reference().map(str::to_owned);
        row.enter(Stage::KeyedByHand, at.now, "accepted by somebody else before the take-over");
        return Some((row, Next::Nothing));
    }
    let next = match &order.order_state {
        // We told Mirakl that it has left, and had not seen by then that it was refunded before:
        // nobody else will say that it left unpaid. One that a person shipped there was looked at
        // when that was seen.
        _ if row.stage == Stage::Shipped && row.left_at().is_some() => {
            notice_missing_parts(&mut row, order, at);
            Next::Nothing
        }
        OrderState::WaitingAcceptance => waiting(&mut row, at),
        OrderState::WaitingDebit | OrderState::WaitingDebitPayment => {
            if matches!(row.stage, Stage::Seen | Stage::Acknowledged) {
                row.enter(
                    Stage::AwaitingPayment,
                    at.now,
                    "accepted; the customer is being debited",
                );
            }
            Next::Nothing
        }
        OrderState::Shipping if is_refunded(order, row.left_at()) => {
            refunded(&mut row, order, newer, at)
        }
        OrderState::Shipping => firm(&mut row, order, newer, at),
        OrderState::Refused if matches!(row.stage, Stage::Seen | Stage::Acknowledged) => {
            refused(&mut row, order, channel, at)
        }
        OrderState::Canceled
            if row.stage == Stage::Seen && was_ended_by_its_window(order, channel) =>
        {
            refused(&mut row, order, channel, at)
        }
        OrderState::Canceled | OrderState::Refused => {
            on_cancellation(&mut row, order.seller_reference(), newer, at)
        }
        state if state.is_shipped_or_later() || state.is_refund() => {
            over(&mut row, order, newer, at)
        }
        _ => Next::Nothing,
    };
    let changed = known.is_none_or(|before| *before != row) || next != Next::Nothing;
    changed.then_some((row, next))
}

/// As [`on_listing`], for an order that the daily look has found over: what was never listed before
/// is recorded too, where it came after the take-over, so that a person hears of goods that left
/// unknown to Prima.
#[must_use]
pub fn on_look(
    known: Option<&OrderRow>,
    order: &Order,
    channel: &Channel,
    at: Circumstances,
) -> Option<(OrderRow, Next)> {
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
