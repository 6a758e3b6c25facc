//! Whether an order is paid: only what Mirakl says was debited is a payment.

use super::*;
use crate::domain::order::rules::{HoldRule, HoldWhen, UnpaidOrder, WorkflowRule};

/// The order follows a workflow, and is not debited.
fn unpaid(workflow: &'static str) -> impl Fn(&mut Order) {
    move |order| {
        (order.payment_workflow, order.customer_debited_date) = (Some(workflow.into()), None)
    }
}

fn says(rules: &mut OrderRules, workflow: &str, unpaid: UnpaidOrder, terms: &str) {
    rules.payment.workflows.insert(workflow.into(), WorkflowRule { unpaid, terms: terms.into() });
}

/// `OrderPaid`, the payments' sum, `PaymentTerms`.
fn told(order: &PrimaOrder) -> (bool, Vec<String>, &str) {
    (
        order.header.paid,
        order.payments.iter().map(|payment| payment.amount.to_string()).collect(),
        &order.payment_terms,
    )
}

/// An order that nobody has paid is not paid in Prima and carries no payment.
#[test]
fn an_unpaid_order_reaches_prima_unpaid_without_a_payment() {
    for workflow in [
        "PAY_ON_DUE_DATE",
        "PAY_ON_DELIVERY",
        "PAY_ON_SHIPMENT",
        "NO_CUSTOMER_PAYMENT_CONFIRMATION",
    ] {
        let order = with(|order, rules| {
            unpaid(workflow)(order);
            rules.header.payment_terms = "PRE".into();
            // The reference of a payment that does not exist is in nobody's way.
            rules.payment.reference_length = 3;
        })
        .unwrap();
        assert_eq!(told(&order), (false, vec![], "PRE"), "{workflow}");
        let agreed = with(|order, rules| {
            unpaid(workflow)(order);
            rules.header.payment_terms = "PRE".into();
            says(rules, workflow, UnpaidOrder::Create, "30DAYS");
        })
        .unwrap();
        assert_eq!(told(&agreed), (false, vec![], "30DAYS"), "{workflow}");
        let refused = with(|order, rules| {
            unpaid(workflow)(order);
            says(rules, workflow, UnpaidOrder::Exception, "");
        });
        assert!(refused.unwrap_err().reason.contains(&format!(
            "is not paid: Mirakl names no debit of all of it (customer_debited_date), and its payment workflow is {workflow}"
        )));
    }
}

#[test]
fn an_order_that_is_debited_is_paid_whatever_its_workflow() {
    for workflow in [
        "PAY_ON_ACCEPTANCE",
        "PAY_ON_DUE_DATE",
        "PAY_ON_DELIVERY",
        "PAY_ON_SHIPMENT",
        "NO_CUSTOMER_PAYMENT_CONFIRMATION",
    ] {
        let order = with(|order, rules| {
            order.payment_workflow = Some(workflow.into());
            says(rules, workflow, UnpaidOrder::Create, "30DAYS");
        })
        .unwrap();
        assert_eq!(told(&order), (true, vec!["38.95".into()], ""), "{workflow}");
    }
}

/// An order that is paid on acceptance and was not debited is an exception, unless the rules say
/// otherwise.
#[test]
fn an_undebited_order_paid_on_acceptance_is_an_exception() {
    for workflow in [Some("PAY_ON_ACCEPTANCE"), Some(" "), None] {
        let undebited = |order: &mut Order| {
            (order.payment_workflow, order.customer_debited_date) =
                (workflow.map(str::to_owned), None);
        };
        let failure = with(|order, _| undebited(order)).unwrap_err();
        assert!(
            failure.reason.contains("its payment workflow is PAY_ON_ACCEPTANCE"),
            "{failure:?}"
        );
        assert!(failure.remedy.contains("payment.workflows, PAY_ON_ACCEPTANCE"), "{failure:?}");
        let agreed = with(|order, rules| {
            undebited(order);
            says(rules, "PAY_ON_ACCEPTANCE", UnpaidOrder::Create, "");
        });
        assert_eq!(told(&agreed.unwrap()), (false, vec![], ""));
    }
    assert!(
        with(|order, _| order.payment_workflow = None).unwrap().header.paid,
        "an old platform names no workflow"
    );
}

/// A payment workflow that nobody knows is an exception that names it, or follows the rule for
/// others.
#[test]
fn an_unknown_workflow_is_excepted_or_follows_the_other_rule() {
    let odd = |order: &mut Order| order.payment_workflow = Some("PAY_BY_MOON".into());
    let failure = with(|order, _| odd(order)).unwrap_err();
    assert_eq!(
        failure.reason,
        "the order's payment workflow (payment_workflow) is PAY_BY_MOON, for which the order rules say nothing"
    );
    assert_eq!(
        failure.remedy,
        "Say in the order rules (payment.workflows) what holds for PAY_BY_MOON, and retry the order."
    );
    let others = |rules: &mut OrderRules| {
        rules.payment.other_workflows =
            Some(WorkflowRule { unpaid: UnpaidOrder::Create, terms: "ASK".into() });
    };
    let debited = with(|order, rules| {
        odd(order);
        others(rules);
    });
    assert!(debited.unwrap().header.paid);
    let owed = with(|order, rules| {
        unpaid("PAY_BY_MOON")(order);
        others(rules);
    });
    assert_eq!(told(&owed.unwrap()), (false, vec![], "ASK"));
    let known = with(|order, rules| {
        unpaid("PAY_ON_ACCEPTANCE")(order);
        others(rules);
    });
    assert!(known.is_err(), "the rule for others is not for those that Mirakl documents");
}

#[test]
fn an_order_that_is_debited_in_parts_is_paid_once_every_line_is() {
    let at = "2026-08-01T08:00:00Z".parse().ok();
    let debited = |lines: [bool; 2]| {
        with(move |order, _| {
            order.payment_workflow = Some("PAY_ON_SHIPMENT".into());
            for (line, debited) in order.order_lines.iter_mut().zip(lines) {
                line.debited_date = at.filter(|_| debited);
            }
        })
        .unwrap()
    };
    assert_eq!(told(&debited([true, true])), (true, vec!["38.95".into()], ""));
    assert_eq!(told(&debited([true, false])), (false, vec![], ""));
}

/// Only a marketplace that never confirms payments may answer for them.
#[test]
fn as_paid_is_only_for_workflows_without_confirmation() {
    let answers = with(|order, rules| {
        unpaid("NO_CUSTOMER_PAYMENT_CONFIRMATION")(order);
        says(rules, "NO_CUSTOMER_PAYMENT_CONFIRMATION", UnpaidOrder::AsPaid, "");
    });
    assert_eq!(told(&answers.unwrap()), (true, vec!["38.95".into()], ""));
    for (wrong, field) in [
        (r#"{"workflows":{"PAY_ON_DUE_DATE":{"unpaid":"as_paid"}}}"#, "payment.workflows"),
        (r#"{"workflows":{" ":{"unpaid":"create"}}}"#, "payment.workflows"),
        (r#"{"other_workflows":{"unpaid":"as_paid"}}"#, "payment.other_workflows"),
    ] {
        let rules: OrderRules =
            serde_json::from_str(&format!(r#"{{"price":"line","payment":{wrong}}}"#)).unwrap();
        assert_eq!(
            rules.problems().into_iter().map(|problem| problem.field).collect::<Vec<_>>(),
            [field],
            "{wrong}"
        );
    }
    let misspelt = r#"{"price":"line","payment":{"workflows":{"PAY_ON_DUE_DATE":{"unpaid":"create","term":"X"}}}}"#;
    assert!(serde_json::from_str::<OrderRules>(misspelt).is_err());
}

/// What is not paid may be held, and that stands in the order's history.
#[test]
fn an_unpaid_order_may_be_held_and_its_history_says_so() {
    let hold = |when: HoldWhen| vec![HoldRule { when, narrative: "Ask finance".into() }];
    for when in [HoldWhen::Unpaid, HoldWhen::PaymentWorkflow(vec!["PAY_ON_DUE_DATE".into()])] {
        let held = with(|order, rules| {
            unpaid("PAY_ON_DUE_DATE")(order);
            rules.holds = hold(when.clone());
        });
        assert_eq!(held.unwrap().hold_narrative.as_deref(), Some("Ask finance"));
        assert_eq!(with(|_, rules| rules.holds = hold(when.clone())).unwrap().hold_narrative, None);
    }
    let mut order = uk();
    unpaid("PAY_ON_DUE_DATE")(&mut order);
    let mapped = map_order(&order, &CHANNEL, &rules(), &HashMap::new(), &any_character()).unwrap();
    assert_eq!(
        mapped.traces,
        ["not paid yet (PAY_ON_DUE_DATE): created with OrderPaid=No, without a payment line"]
    );
    assert!(
        map_order(&uk(), &CHANNEL, &rules(), &HashMap::new(), &any_character())
            .unwrap()
            .traces
            .is_empty()
    );
}
