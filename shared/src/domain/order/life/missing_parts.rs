//! Pieces that are cancelled or refunded after the order was created in Prima.

use std::collections::HashMap;

use super::next::Circumstances;
use crate::domain::order::remaining::has_left;
use crate::domain::order::remedy::{self, SettledAs};
use crate::domain::order::row::{ExceptionKind, OrderRow, RowLine, Stage, lines_left};
use crate::mirakl::Order;

/// Fewer pieces than Prima has been told of: a person has to reduce the order there.
pub(super) fn notice_missing_parts(row: &mut OrderRow, order: &Order, at: Circumstances) {
    let missing = missing(row, order);
    if missing.is_empty() {
        return;
    }
    let left = |line: &RowLine| {
        missing
            .iter()
            .find(|(id, ..)| *id == line.order_line_id)
            .map_or(line.quantity, |(_, left, _)| *left)
    };
    let fewer: Vec<_> =
        missing.iter().map(|(id, left, of)| format!("line {id}: {left} of {of} left")).collect();
    let fewer = fewer.join("; ");
    let number = row.creation.order_number.clone().unwrap_or_default();
    let in_parcels = |line: &RowLine| {
        row.dispatch.as_ref().map_or(0, |dispatch| dispatch.in_parcels(&line.order_line_id))
    };
    let is_shipped = row.stage == Stage::Shipped;
    let has_gone = is_shipped || row.lines.iter().any(|line| in_parcels(line) > left(line));
    let lines = row
        .lines
        .iter()
        .map(|line| RowLine { quantity: left(line), ..line.clone() })
        .filter(|line| line.quantity > 0)
        .collect();
    row.take_lines(lines);
    // What is left of it goes its way once a person has done their part.
    let settle =
        remedy::settle(&row.key, if is_shipped { SettledAs::Shipped } else { SettledAs::Created });
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

/// Lines of which fewer pieces are to be delivered than Prima was told: the line, the pieces that
/// are left, those that there were. What we had refunded ourselves, because Prima will not send it,
/// is not missing; nor what was refunded after it had left.
pub(super) fn missing(row: &OrderRow, order: &Order) -> Vec<(String, u32, u32)> {
    // Pieces that we are having cancelled or refunded ourselves: whoever sent that records it.
    if row.dispatch.as_ref().is_some_and(|dispatch| dispatch.open_settlement().is_some()) {
        return Vec::new();
    }
    // It was seen as shipped, and this listing does not say so any more: what it refunds are
    // returns.
    let had_left = row.listing.shipped && !has_left(order);
    let of_refunded = lines_left(order, row.left_at());
    let of_returned = order.live_lines().map(|line| (line.order_line_id.as_str(), line.quantity));
    let listed: HashMap<&str, u32> = if had_left {
        of_returned.collect()
    } else {
        of_refunded.iter().map(|line| (line.order_line_id.as_str(), line.quantity)).collect()
    };
    let left = |line: &RowLine| {
        let listed = listed.get(line.order_line_id.as_str()).copied().unwrap_or_default();
        listed.saturating_add(
            row.dispatch.as_ref().map_or(0, |dispatch| dispatch.refunded(&line.order_line_id)),
        )
    };
    let fewer =
        row.lines.iter().map(|line| (line.order_line_id.clone(), left(line), line.quantity));
    fewer.filter(|(_, left, of)| left < of).collect()
}
