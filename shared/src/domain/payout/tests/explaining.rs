//! Each proof beside the tie-out, and each cause that an explanation may name.

use std::collections::BTreeMap;

use super::*;
use crate::domain::payout::balance::prove;
use crate::domain::payout::explain::{Answer, Cause, Clues, explain};
use crate::domain::payout::proofs::{
    OffTotal, documents, operators_share, summary, summary_vouches,
};
use crate::domain::payout::tie::TieRule;
use crate::mirakl::finance::{AccountingDocument, PaymentState};

const NOTHING: Clues<'static> =
    Clues { lines: &[], balance: None, other_rules: &[], carried: &[], totals: &[] };

/// The causes that are named, with the lines that each lists.
fn causes(difference: &str, clues: &Clues<'_>) -> Vec<(Cause, Vec<String>)> {
    explain(amount(difference), clues).into_iter().map(|one| (one.cause, one.lines)).collect()
}

fn of_lines(difference: &str, lines: &[TransactionLine]) -> Vec<(Cause, Vec<String>)> {
    causes(difference, &Clues { lines: &refs(lines), ..NOTHING })
}

fn named(cause: Cause, lines: &[&str]) -> (Cause, Vec<String>) {
    (cause, lines.iter().map(|&id| id.to_owned()).collect())
}

fn of_order(id: &str, order: &str, kind: &str, net: &str) -> TransactionLine {
    TransactionLine { order: Some(order.to_owned()), ..line(id, kind, net) }
}

#[test]
fn nothing_is_explained_where_nothing_differs_or_nothing_fits() {
    let lines = [line("1", "ORDER_AMOUNT", "10")];
    assert_eq!(of_lines("0", &lines), []);
    assert_eq!(of_lines("3", &lines), []);
}

#[test]
fn one_line_of_the_amount_or_half_of_it_on_the_wrong_side() {
    let lines =
        [of_order("1", "M-1", "ORDER_AMOUNT", "10"), of_order("2", "M-2", "COMMISSION_FEE", "-4")];
    let answers = explain(amount("10"), &Clues { lines: &refs(&lines), ..NOTHING });
    let expected = Answer {
        cause: Cause::OneLine,
        amount: amount("10"),
        lines: vec!["1".to_owned()],
        kind: Some("ORDER_AMOUNT".to_owned()),
        order: Some("M-1".to_owned()),
    };
    assert_eq!(answers, [expected]);
    assert_eq!(of_lines("-8", &lines), [named(Cause::WrongSide, &["2"])]);
    // The other sign is another thing.
    assert_eq!(of_lines("-10", &lines), []);
    assert_eq!(of_lines("8", &lines), []);
}

#[test]
fn a_line_that_is_there_twice() {
    let lines = [
        of_order("1", "M-1", "ORDER_AMOUNT", "10"),
        of_order("2", "M-1", "ORDER_AMOUNT", "10"),
        of_order("3", "M-2", "ORDER_AMOUNT", "10"),
    ];
    let found = of_lines("10", &lines);
    assert!(found.contains(&named(Cause::CountedTwice, &["1", "2"])), "{found:?}");
    assert_eq!(found.iter().filter(|(cause, _)| *cause == Cause::CountedTwice).count(), 1);
}

#[test]
fn all_lines_of_a_type_a_document_an_order_or_a_provider() {
    let lines = [
        line("1", "SUBSCRIPTION_FEE", "-3"),
        line("2", "SUBSCRIPTION_FEE", "-4"),
        TransactionLine { document: Some("D".to_owned()), ..line("3", "MANUAL_INVOICE", "-20") },
        TransactionLine { document: Some("D".to_owned()), ..line("4", "COMMISSION_FEE", "-1") },
        of_order("5", "M-1", "ORDER_AMOUNT", "50"),
        of_order("6", "M-1", "COMMISSION_VAT", "-9"),
        TransactionLine { psp: Some("P".to_owned()), ..line("7", "ORDER_AMOUNT", "100") },
        TransactionLine { psp: Some("P".to_owned()), ..line("8", "PAYMENT", "-200") },
    ];
    let one = |name: &str| name.to_owned();
    assert_eq!(of_lines("-7", &lines), [named(Cause::Type(one("SUBSCRIPTION_FEE")), &["1", "2"])]);
    assert_eq!(of_lines("-21", &lines), [named(Cause::Document(one("D")), &["3", "4"])]);
    assert_eq!(of_lines("41", &lines), [named(Cause::Order(one("M-1")), &["5", "6"])]);
    assert_eq!(of_lines("-100", &lines).last(), Some(&named(Cause::Psp(one("P")), &["7", "8"])));
}

#[test]
fn another_rule_a_neighbour_or_a_total_of_the_marketplaces() {
    let rule = TieRule { reserve_types: false, ..TieRule::default() };
    let carried = [("BC-1".to_owned(), amount("-5")), ("BC-2".to_owned(), amount("-6"))];
    let off = |name: &str, stated: &str, lines: &str| OffTotal {
        name: name.to_owned(),
        stated: amount(stated),
        lines: amount(lines),
    };
    let totals = [off("one", "10", "15"), off("other", "10", "16"), off("share", "15", "10")];
    let clues = Clues { other_rules: &[rule], carried: &carried, totals: &totals, ..NOTHING };
    let one = |name: &str| name.to_owned();
    assert_eq!(
        causes("5", &clues),
        [
            named(Cause::OtherRule(rule), &[]),
            named(Cause::Carried(one("BC-1")), &[]),
            named(Cause::Total(one("one")), &[]),
            named(Cause::Total(one("share")), &[]),
        ]
    );
    assert_eq!(totals[1].difference(), amount("6"));
}

#[test]
fn two_lines_only_where_nothing_else_explains_it() {
    let lines = [
        line("1", "ORDER_AMOUNT", "10"),
        line("2", "COMMISSION_FEE", "-3"),
        line("3", "SUBSCRIPTION_FEE", "-2"),
    ];
    assert_eq!(of_lines("7", &lines), [named(Cause::TwoLines, &["1", "2"])]);
    assert_eq!(of_lines("10", &lines), [named(Cause::OneLine, &["1"])]);
}

#[test]
fn a_gap_in_the_balance_comes_first_with_its_neighbours() {
    let at = |id: &str, net: &str, balance: &str, second: i64| TransactionLine {
        balance: Some(amount(balance)),
        created: Some(jiff::Timestamp::from_second(second).unwrap()),
        ..line(id, "ORDER_AMOUNT", net)
    };
    // A line of 7 is missing between them.
    let lines = [at("1", "10", "10", 1), at("2", "5", "22", 2), at("3", "-7", "15", 3)];
    let balance = prove(&lines, Some(Amount::ZERO), |line| line.balance);
    let lines = refs(&lines);
    let clues = Clues { lines: &lines, balance: Some(&balance), ..NOTHING };
    let found = causes("-7", &clues);
    assert_eq!(found[0], named(Cause::GapInBalance, &["1", "2"]));
    assert_eq!(found[1], named(Cause::OneLine, &["3"]));
    assert!(!causes("7", &clues).iter().any(|(cause, _)| *cause == Cause::GapInBalance));
}

#[test]
fn answers_are_few_in_one_order_and_the_same_for_any_order_of_lines() {
    let mut lines: Vec<_> = (0..40)
        .map(|number| {
            of_order(&format!("{number:02}"), &format!("M-{}", number / 2), "ORDER_AMOUNT", "5")
        })
        .collect();
    let clues = |lines: &[TransactionLine]| {
        explain(amount("10"), &Clues { lines: &refs(lines), ..NOTHING })
    };
    let found = clues(&lines);
    assert_eq!(found.len(), 10);
    lines.reverse();
    assert_eq!(clues(&lines), found);
}

#[test]
fn the_operators_share_is_what_it_deducts_with_the_sign_turned() {
    let lines = super::worked_example::lines();
    let lines = refs(&lines);
    let share = |stated: Option<&str>| {
        let mut cycle = cycle("78.48");
        cycle.transferred_to_operator = stated.map(amount);
        operators_share(&cycle, &lines).map(|off| (off.lines, off.difference()))
    };
    // Deductions of 111.50, without the reserve's 7.50.
    assert_eq!(share(Some("104.00")), None);
    assert_eq!(share(Some("104.01")), Some((amount("104.00"), amount("-0.01"))));
    assert_eq!(share(None), None);
}

/// The totals of the worked example, as SBC11 would state them.
fn stated() -> BTreeMap<String, Amount> {
    [
        ("total_payable_orders_incl_tax", "237.98"),
        ("total_refund_payable_orders_incl_tax", "-48.00"),
        ("total_commissions_excl_tax", "-35.70"),
        ("total_commissions_incl_tax", "-42.84"),
        ("total_refund_commissions_excl_tax", "7.20"),
        ("total_refund_commissions_incl_tax", "8.64"),
        ("total_subscription_excl_tax", "-39.00"),
        ("total_subscription_incl_tax", "-46.80"),
        ("total_other_invoices_excl_tax", "-25.00"),
        ("total_other_invoices_incl_tax", "-30.00"),
        ("total_other_credits_excl_tax", "10.00"),
        ("total_other_credits_incl_tax", "10.00"),
        ("total_seller_penalty_fees_excl_tax", "-3.00"),
        ("total_seller_penalty_fees_incl_tax", "-3.00"),
    ]
    .map(|(name, total)| (name.to_owned(), amount(total)))
    .into()
}

#[test]
fn each_total_of_the_summary_is_held_against_its_types() {
    let lines = super::worked_example::lines();
    let lines = refs(&lines);
    let mut cycle = cycle("78.48");
    cycle.summary = stated();
    assert_eq!(summary(&cycle, &lines), []);
    for name in stated().into_keys() {
        let mut off = cycle.clone();
        off.summary.get_mut(&name).unwrap().0 += Decimal::new(1, 2);
        let found: Vec<_> = summary(&off, &lines)
            .into_iter()
            .map(|one| (one.name.clone(), one.difference()))
            .collect();
        assert_eq!(found, [(name, amount("-0.01"))]);
    }
}

#[test]
fn what_the_seller_collected_is_in_the_totals_that_are_not_payable() {
    let mut lines = vec![line("1", "ORDER_AMOUNT", "10"), line("2", "REFUND_ORDER_AMOUNT", "-4")];
    let look = |lines: &[TransactionLine]| {
        let mut cycle = cycle("0");
        for (name, total) in [
            ("total_payable_orders_incl_tax", "10"),
            ("total_refund_payable_orders_incl_tax", "-4"),
            ("total_non_payable_orders_incl_tax", "0"),
            ("total_refund_non_payable_orders_incl_tax", "0"),
        ] {
            cycle.summary.insert(name.to_owned(), amount(total));
        }
        summary(&cycle, &refs(lines)).len()
    };
    assert_eq!(look(&lines), 0);
    lines[0].state = Some(PaymentState::NotApplicable);
    assert_eq!(look(&lines), 2);
    lines[1].state = Some(PaymentState::NotApplicable);
    assert_eq!(look(&lines), 4);
}

#[test]
fn a_summary_vouches_only_where_all_its_totals_are_there_and_met() {
    let lines = vec![line("1", "ORDER_AMOUNT", "10"), line("2", "COMMISSION_FEE", "-1")];
    let names = [
        "total_payable_orders_incl_tax",
        "total_refund_payable_orders_incl_tax",
        "total_non_payable_orders_incl_tax",
        "total_refund_non_payable_orders_incl_tax",
        "total_commissions_incl_tax",
        "total_refund_commissions_incl_tax",
        "total_subscription_incl_tax",
        "total_other_invoices_incl_tax",
        "total_other_credits_incl_tax",
        "total_operator_remitted_taxes",
        "total_refund_operator_remitted_taxes",
        "total_operator_paid_shipping_charges_incl_tax",
        "total_refund_operator_paid_shipping_charges_incl_tax",
        "total_fee_incl_tax",
        "total_refund_fee_incl_tax",
        "total_fee_operator_remitted_incl_tax",
        "total_refund_fee_operator_remitted_incl_tax",
        "total_seller_fees_on_orders_incl_tax",
        "total_seller_penalty_fees_incl_tax",
    ];
    let mut cycle = cycle("9");
    for name in names {
        cycle.summary.insert(name.to_owned(), Amount::ZERO);
    }
    cycle.summary.insert("total_payable_orders_incl_tax".to_owned(), amount("10"));
    cycle.summary.insert("total_commissions_incl_tax".to_owned(), amount("-1"));
    let vouches = |cycle: &BillingCycle, lines: &[TransactionLine]| {
        summary_vouches(cycle, &refs(lines), TieRule::default())
    };
    assert!(vouches(&cycle, &lines));
    for name in names {
        let mut without = cycle.clone();
        without.summary.remove(name);
        assert!(!vouches(&without, &lines), "{name}");
    }
    assert!(!vouches(&cycle, &lines[..1]), "a total that is not met");
    // A line of a type that no total is about.
    let mut more = lines.clone();
    more.push(line("3", "RESERVE_FUNDING", "-1"));
    assert!(!vouches(&cycle, &more));
    more[2] = line("3", "LOYALTY_FEE", "-1");
    assert!(!vouches(&cycle, &more));
}

fn document(id: &str, kind: &str, number: Option<i64>, total: Option<&str>) -> AccountingDocument {
    let json = serde_json::json!({
        "id": id, "kind": kind, "currency": "GBP", "invoice_id": number, "total_incl_taxes": total,
    });
    serde_json::from_str(&json.to_string()).unwrap()
}

#[test]
fn each_document_is_held_against_the_lines_that_name_it() {
    let on = |id: &str, number: &str, kind: &str, net: &str| TransactionLine {
        document: Some(number.to_owned()),
        ..line(id, kind, net)
    };
    let lines = [
        on("1", "0077", "COMMISSION_FEE", "-10"),
        on("2", "77", "COMMISSION_VAT", "-2"),
        // What the operator remits and customers pay is on no invoice of its own.
        on("3", "77", "OPERATOR_REMITTED_ORDER_AMOUNT_TAX", "-5"),
        on("4", "77", "ORDER_AMOUNT", "100"),
        on("5", "9", "MANUAL_CREDIT", "8"),
    ];
    let lines = refs(&lines);
    let look = |one: AccountingDocument| -> Vec<(String, Amount)> {
        let off = documents(&[&one], &lines);
        off.into_iter().map(|off| (off.name.clone(), off.difference())).collect()
    };
    assert_eq!(look(document("a", "auto-invoice", Some(77), Some("12"))), []);
    assert_eq!(
        look(document("a", "auto-invoice", Some(77), Some("12.01"))),
        [("77".to_owned(), amount("-0.01"))]
    );
    // A credit's total is told without a sign, or with one.
    assert_eq!(look(document("b", "manual-credit", Some(9), Some("8"))), []);
    assert_eq!(look(document("b", "manual-credit", Some(9), Some("-8"))), []);
    assert_eq!(
        look(document("b", "manual-credit", Some(9), Some("7"))),
        [("9".to_owned(), amount("-1"))]
    );
    // Neither a draft, nor one that no line names, nor one without a total.
    assert_eq!(look(document("c", "auto-invoice", None, Some("1"))), []);
    assert_eq!(look(document("d", "auto-invoice", Some(78), Some("1"))), []);
    assert_eq!(look(document("e", "auto-invoice", Some(77), None)), []);
}
