//! A paid and complete order, which is to be created in Prima.

use super::driven_on::{driven_on, sent_again};
use super::missing_parts::notice_missing_parts;
use super::next::{Circumstances, Next};
use super::operator::{is_left_to_operator, may_be_left_to_operator};
use crate::domain::order::row::{ExceptionKind, OrderRow, Stage};
use crate::mirakl::Order;

pub(super) fn firm(row: &mut OrderRow, order: &Order, newer: bool, at: Circumstances) -> Next {
    if is_unreadable(row) {
        row.enter(Stage::Seen, at.now, "can be read now");
    }
    if row.listing.fulfilled_by_operator {
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
            if at.prima_takes_orders {
                row.enter(Stage::Queued, at.now, "paid and complete");
                Next::Create
            } else {
                if row.stage != Stage::Firm {
                    row.enter(
                        Stage::Firm,
                        at.now,
                        "paid and complete; waits until Prima takes orders",
                    );
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

pub(super) fn is_unreadable(row: &OrderRow) -> bool {
    row.exception.as_ref().is_some_and(|exception| exception.kind == ExceptionKind::Unreadable)
}
