//! What the seller writes: decisions on lines, and references (Mirakl seller API, OR21 and OR04).

use std::collections::HashSet;

use jiff::Timestamp;

use super::marketplace::{Marketplace, Number};
use super::order::{Cause, Order, State};
use super::pace::Pace;
use super::refusal::Refusal;

/// The seller's decision on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'d> {
    /// `id`.
    pub order_line_id: &'d str,
    /// `accepted`.
    pub accepted: bool,
}

/// Mirakl's limit on a reference, in characters (OR04).
const REFERENCE_LENGTH: usize = 2000;

impl Marketplace {
    /// OR21: decides all lines of an order in one call. If all are refused, the order is.
    ///
    /// # Errors
    /// Mirakl's own codes; nothing has changed then, but the order's count of calls.
    pub fn accept(
        &mut self,
        shop_id: i64,
        order_id: &str,
        decisions: &[Decision<'_>],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let number = self.number_of(shop_id, order_id)?;
        let (partial, pace) = (self.settings.partial_acceptance, Pace::of(&self.settings));
        if let Some(order) = self.orders.get_mut(&number) {
            order.accept_calls += 1;
            check(order, decisions, partial)?;
        }
        self.change(number, now, |order| {
            order.due = None;
            order.acceptance_decision_date = Some(now);
            for decision in decisions.iter().filter(|decision| !decision.accepted) {
                for line in order
                    .lines
                    .iter_mut()
                    .filter(|line| line.order_line_id == decision.order_line_id)
                {
                    line.state = State::Refused;
                }
            }
            if decisions.iter().any(|decision| decision.accepted) {
                pace.accepted(order, now);
            } else {
                order.cause = Some(Cause::Refused);
                order.enter(State::Refused);
            }
        });
        Ok(())
    }

    /// OR04, for one order: the seller's reference. Writing it again replaces it.
    ///
    /// # Errors
    /// Mirakl's code and message for this order, as they stand in `updated_orders[].errors[]`.
    pub fn write_reference(
        &mut self,
        shop_id: i64,
        order_id: &str,
        reference: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let number = self.number_of(shop_id, order_id)?;
        let field = "references.order_reference_for_seller";
        if reference.trim().is_empty() {
            return Err(Refusal::new("VALIDATION_ERROR", field, "must not be blank"));
        }
        if reference.chars().count() > REFERENCE_LENGTH {
            return Err(Refusal::new(
                "VALIDATION_ERROR",
                field,
                format!("size must be between 1 and {REFERENCE_LENGTH}"),
            ));
        }
        let last_updated = self.orders.get(&number).map_or(now, |order| order.last_updated);
        let at = if self.settings.references_update { now } else { last_updated };
        self.change(number, at, |order| {
            order.reference_for_seller = Some(reference.to_owned());
            order.reference_writes += 1;
        });
        Ok(())
    }

    pub(super) fn number_of(&self, shop_id: i64, order_id: &str) -> Result<Number, Refusal> {
        let number = self.by_id.get(order_id).copied();
        number
            .filter(|number| self.orders.get(number).is_some_and(|order| order.shop_id == shop_id))
            .ok_or_else(|| {
                Refusal::new(
                    "ORDER_NOT_FOUND",
                    "order_id",
                    format!("Order with id '{order_id}' not found"),
                )
            })
    }
}

/// What Mirakl checks before it takes the decisions.
fn check(order: &Order, decisions: &[Decision<'_>], partial: bool) -> Result<(), Refusal> {
    if order.state != State::WaitingAcceptance {
        return Err(Refusal::new(
            "ORDER_INVALID_STATE",
            "order_id",
            "Order is not in the expected state for this operation",
        ));
    }
    let mut seen = HashSet::new();
    for Decision { order_line_id, .. } in decisions {
        let known = order.lines.iter().any(|line| line.order_line_id == *order_line_id);
        if !known {
            return Err(Refusal::new(
                "ORDER_LINE_NOT_FOUND",
                "order_lines.id",
                format!("Order line '{order_line_id}' not found"),
            ));
        }
        if !seen.insert(*order_line_id) {
            let message = format!("Order line '{order_line_id}' is present several times");
            return Err(Refusal::new("ORDER_LINE_DUPLICATE_ID", "order_lines.id", message));
        }
    }
    // A line that the operator cancelled before the decision is none that can be decided; naming it
    // does no harm.
    let undecided = |state: State| state != State::Canceled;
    if order
        .lines
        .iter()
        .any(|line| undecided(line.state) && !seen.contains(line.order_line_id.as_str()))
    {
        let message = "An acceptance decision is missing for some order lines";
        return Err(Refusal::new("ORDER_LINE_ACCEPTANCE_DECISION_MISSING", "order_lines", message));
    }
    let accepted = decisions.iter().filter(|decision| decision.accepted).count();
    if !partial && accepted > 0 && accepted < decisions.len() {
        return Err(Refusal::new(
            "ORDER_PARTIAL_ACCEPTANCE_DISABLED",
            "order_lines",
            "Partial acceptance is disabled",
        ));
    }
    Ok(())
}
