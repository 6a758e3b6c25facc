//! Whether the customer has paid: only what Mirakl says was debited is a payment.

use super::problems::Problems;
use crate::domain::order::rules::{OrderRules, PAY_ON_ACCEPTANCE, UnpaidOrder};
use crate::mirakl::Order;

/// What Prima is told of the payment, besides its amount.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The order is paid, by the debit or by the rule of its workflow.
    pub(super) is_paid: bool,
    /// `PaymentTerms`.
    pub(super) terms: String,
}

/// The payment workflow of an order; a platform that names none knows only one.
pub(super) fn workflow(order: &Order) -> &str {
    let named = order.payment_workflow.as_deref().map(str::trim).filter(|name| !name.is_empty());
    named.unwrap_or(PAY_ON_ACCEPTANCE)
}

/// The customer was debited for the whole order. Where it is debited part by part, each line says
/// so itself.
fn is_debited(order: &Order) -> bool {
    let lines = || order.live_lines().map(|line| line.debited_date.is_some());
    order.customer_debited_date.is_some()
        && (lines().all(|debited| debited) || !lines().any(|debited| debited))
}

/// How it stands with the payment of `order`, by the rule of its workflow.
pub(super) fn of_order(problems: &mut Problems, order: &Order, rules: &OrderRules) -> Standing {
    let workflow = workflow(order);
    let terms = rules.header.payment_terms.clone();
    let Some(rule) = rules.payment.workflow(workflow) else {
        problems.add(
            format!("the order's payment workflow (payment_workflow) is {workflow}, for which the order rules say nothing"),
            format!("Say in the order rules (payment.workflows) what holds for {workflow}, and retry the order."),
        );
        return Standing::default();
    };
    if is_debited(order) {
        return Standing { is_paid: true, terms };
    }
    match rule.unpaid {
        UnpaidOrder::AsPaid => Standing { is_paid: true, terms },
        UnpaidOrder::Create => {
            problems.trace(format!(
                "not paid yet ({workflow}): created with OrderPaid=No, without a payment line"
            ));
            Standing {
                is_paid: false,
                terms: if rule.terms.is_empty() { terms } else { rule.terms },
            }
        }
        UnpaidOrder::Exception => {
            problems.add(
                format!("the order is to be shipped, but is not paid: Mirakl names no debit of all of it (customer_debited_date), and its payment workflow is {workflow}"),
                format!("Ask the marketplace about the payment, and retry the order once it is debited; if such orders leave unpaid, say so in the order rules (payment.workflows, {workflow})."),
            );
            Standing::default()
        }
    }
}
