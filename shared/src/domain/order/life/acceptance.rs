//! Acceptance: what waits for it, what missed its window, and what somebody else had accepted
//! before the take-over.

use super::next::{Circumstances, Next};
use crate::domain::channel::Channel;
use crate::domain::order::row::{OrderRow, Stage};
use crate::kit::clock::after;
use crate::mirakl::{Order, OrderState};

/// Mirakl's `order_state_reason_code` of an order that it refused itself because the shop had not
/// decided in time.
const ACCEPTANCE_TIMEOUT: &str = "ACCEPTANCE_TIMEOUT";

/// Over before we ever heard of it: no row is owed.
pub(super) fn is_history(order: &Order) -> bool {
    let state = &order.order_state;
    matches!(state, OrderState::Canceled | OrderState::Refused)
        || state.is_shipped_or_later()
        || state.is_refund()
}

/// It came and was refused for its age while nobody listed: people are owed the news, whoever was
/// asleep.
pub(super) fn was_missed_unseen(order: &Order, channel: &Channel) -> bool {
    let is_ours = order.created_date.is_some_and(|created| created >= channel.take_over_from);
    is_ours && order.order_state == OrderState::Refused && was_ended_by_its_window(order, channel)
}

/// The moment of acceptance counts, where Mirakl tells it: an older order that still waited at the
/// take-over was accepted by us, even if we crashed before its row was written. Where the
/// marketplace accepts, only the creation tells.
pub(super) fn was_accepted_before_take_over(
    order: &Order,
    row: &OrderRow,
    channel: &Channel,
) -> bool {
    let is_past_acceptance =
        !matches!(order.order_state, OrderState::Staging | OrderState::WaitingAcceptance);
    let accepted = order.acceptance_decision_date.or(order.created_date);
    row.listing.acknowledged_at.is_none()
        && is_past_acceptance
        && accepted.is_some_and(|accepted| accepted < channel.take_over_from)
}

pub(super) fn waiting(row: &mut OrderRow, at: Circumstances) -> Next {
    if at.accepted && row.stage == Stage::Seen {
        row.enter(Stage::Acknowledged, at.now, "accepted by the connector");
    }
    Next::Nothing
}

pub(super) fn refused(
    row: &mut OrderRow,
    order: &Order,
    channel: &Channel,
    at: Circumstances,
) -> Next {
    let reason = order.order_state_reason_code.as_deref().unwrap_or("no reason given");
    let missed = reason == ACCEPTANCE_TIMEOUT
        || (row.stage == Stage::Seen && was_ended_by_its_window(order, channel));
    row.enter(Stage::Refused, at.now, format!("refused in Mirakl: {reason}"));
    if missed { Next::WindowMissed } else { Next::Nothing }
}

/// By its reason; or, where Mirakl gives none, by the moment: it ended when its window was over.
pub(super) fn was_ended_by_its_window(order: &Order, channel: &Channel) -> bool {
    match (order.order_state_reason_code.as_deref(), order.created_date, order.last_updated_date) {
        (Some(reason), ..) => reason == ACCEPTANCE_TIMEOUT,
        (None, Some(created), Some(ended)) => ended >= after(created, channel.acceptance_window()),
        (None, ..) => false,
    }
}
