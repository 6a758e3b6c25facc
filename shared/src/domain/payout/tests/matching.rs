//! An order's money: expected against settled, whatever the cycle.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::domain::order::row::{LineMoney, MoneyFacts};
use crate::domain::payout::exceptions::PayoutExceptionKind as Kind;
use crate::domain::payout::matching::{
    Band, Found, KnownOrder, MatchRules, Matching, OrderMoney, Settled, claims_csv, contribution,
    is_claim, match_orders,
};

fn now() -> Timestamp {
    "2026-12-31T00:00:00Z".parse().unwrap()
}

fn began() -> Timestamp {
    "2026-11-02T10:00:00Z".parse().unwrap()
}

fn take_over() -> Timestamp {
    "2026-11-01T00:00:00Z".parse().unwrap()
}

/// An order with two lines: 120.00 and 60.00 with shipping of 5.00, commission of 15 % and its VAT.
fn facts() -> MoneyFacts {
    let line = |line: &str, price: &str, shipping: &str, fee: &str, vat: &str| LineMoney {
        line: line.to_owned(),
        offer_sku: format!("SKU-{line}"),
        product: "P".to_owned(),
        pieces: 1,
        price: amount(price),
        shipping: amount(shipping),
        taxes: Amount::ZERO,
        commission_fee: Some(amount(fee)),
        commission_taxes: amount(vat),
    };
    MoneyFacts {
        currency: "GBP".to_owned(),
        tax_mode: Some("TAX_INCLUDED".to_owned()),
        order_taxes: Amount::ZERO,
        invoiced: Some(amount("185.00")),
        sent_at: began(),
        lines: vec![
            line("1", "120.00", "5.00", "18.75", "3.75"),
            line("2", "60.00", "0", "9.00", "1.80"),
        ],
    }
}

fn known(facts: &MoneyFacts) -> KnownOrder<'_> {
    KnownOrder {
        number: "MK-1",
        found: Found::Facts,
        facts: Some(facts),
        created: Some(began()),
        despatched: Some(began()),
        credited: None,
    }
}

fn on(line: &str, kind: &str, net: &str) -> TransactionLine {
    TransactionLine {
        order: Some("M-1".to_owned()),
        order_line: Some(line.to_owned()),
        transacted: Some(began()),
        ..super::line(&format!("{line}-{kind}-{net}"), kind, net)
    }
}

fn refund(id: &str, line: TransactionLine) -> TransactionLine {
    TransactionLine {
        refund: Some(id.to_owned()),
        id: format!("{}-{id}", line.id),
        cycle: Some("BC-2040".to_owned()),
        ..line
    }
}

/// The order's sale, as it is expected.
fn sale() -> Vec<TransactionLine> {
    vec![
        on("1", "ORDER_AMOUNT", "120.00"),
        on("1", "ORDER_SHIPPING_AMOUNT", "5.00"),
        on("1", "COMMISSION_FEE", "-18.75"),
        on("1", "COMMISSION_VAT", "-3.75"),
        on("2", "ORDER_AMOUNT", "60.00"),
        on("2", "COMMISSION_FEE", "-9.00"),
        on("2", "COMMISSION_VAT", "-1.80"),
    ]
}

fn matched(lines: &[TransactionLine], known: KnownOrder<'_>, rules: &MatchRules) -> Matching {
    let orders = BTreeMap::from([("M-1".to_owned(), known)]);
    match_orders(&Settled::of(lines), &orders, rules, take_over(), "GBP", now())
}

/// What is found: kinds, subjects and amounts.
fn found(matching: &Matching) -> Vec<(Kind, String, String)> {
    let findings = matching.findings();
    findings
        .map(|one| (one.kind, one.subject.clone(), written(one.amount.unwrap(), "GBP")))
        .collect()
}

fn one(kind: Kind, subject: &str, net: &str) -> Vec<(Kind, String, String)> {
    vec![(kind, subject.to_owned(), net.to_owned())]
}

/// Looks at the sale with these lines more, by the default rules.
fn with(more: Vec<TransactionLine>) -> Vec<(Kind, String, String)> {
    let facts = facts();
    let lines: Vec<_> = sale().into_iter().chain(more).collect();
    found(&matched(&lines, known(&facts), &MatchRules::default()))
}

#[test]
fn an_order_that_is_settled_as_expected_has_no_finding() {
    let facts = facts();
    let matching = matched(&sale(), known(&facts), &MatchRules::default());
    assert_eq!(found(&matching), []);
    let order = &matching.orders[0];
    assert_eq!(order.prima, Some(("MK-1".to_owned(), Found::Facts)));
    assert_eq!(order.expected.unwrap().sales(), amount("185.00"));
    assert_eq!(order.settled.total(), amount("151.70"));
    assert_eq!(order.expected.unwrap().total(), order.settled.total());
}

#[test]
fn an_order_that_nobody_knows_is_unmatched_and_an_older_one_is_in_one_total() {
    let none = BTreeMap::new();
    let rules = MatchRules::default();
    let look = |lines: &[TransactionLine], from| {
        match_orders(&Settled::of(lines), &none, &rules, from, "GBP", now())
    };
    assert_eq!(found(&look(&sale(), take_over())), one(Kind::UnmatchedOrder, "M-1", "185.00"));
    // Mirakl has our reference of it.
    let mut lines = sale();
    lines[3].seller_reference = Some("MK-9".to_owned());
    let matching = look(&lines, take_over());
    assert_eq!(found(&matching), []);
    assert_eq!(matching.orders[0].prima, Some(("MK-9".to_owned(), Found::SellerReference)));
    let matching = look(&sale(), now());
    assert!(matching.orders.is_empty());
    assert_eq!(matching.before_take_over.orders, ["M-1"]);
    assert_eq!(matching.before_take_over.money.total(), amount("151.70"));
    // One that was imported is matched whatever its age.
    let imported = KnownOrder {
        number: "HAND-1",
        found: Found::Import,
        facts: None,
        created: None,
        despatched: None,
        credited: None,
    };
    let orders = BTreeMap::from([("M-1".to_owned(), imported)]);
    let matching = match_orders(&Settled::of(&sale()), &orders, &rules, now(), "GBP", now());
    assert_eq!((found(&matching), matching.orders.len()), (vec![], 1));
}

#[test]
fn an_order_that_left_and_is_not_settled_is_told_after_its_days() {
    let facts = facts();
    let look = |known: KnownOrder<'_>| found(&matched(&[], known, &MatchRules::default()));
    assert_eq!(look(known(&facts)), one(Kind::NotSettled, "M-1", "-185.00"));
    let days = |days: i64| now() - SignedDuration::from_hours(24 * days);
    assert_eq!(look(KnownOrder { despatched: Some(days(30)), ..known(&facts) }), []);
    assert_eq!(
        look(KnownOrder { despatched: Some(days(31)), ..known(&facts) }),
        one(Kind::NotSettled, "M-1", "-185.00")
    );
    assert_eq!(look(KnownOrder { despatched: None, ..known(&facts) }), []);
}

#[test]
fn a_sale_of_another_amount_is_told_over_its_limit() {
    let facts = facts();
    let mut lines = sale();
    lines[0] = on("1", "ORDER_AMOUNT", "119.98");
    let look = |limit: &str| {
        let rules = MatchRules { order_limit: amount(limit), ..MatchRules::default() };
        found(&matched(&lines, known(&facts), &rules))
    };
    assert_eq!(look("0.01"), one(Kind::SettledDiffers, "M-1", "-0.02"));
    assert_eq!(look("0.02"), []);
}

#[test]
fn taxes_on_top_are_expected_where_prices_are_without() {
    let mut facts = facts();
    facts.tax_mode = Some("TAX_EXCLUDED".to_owned());
    facts.lines[0].taxes = amount("25.00");
    facts.order_taxes = amount("1.00");
    let taxes =
        [on("1", "ORDER_AMOUNT_TAX", "24.00"), on("1", "ORDER_SHIPPING_AMOUNT_TAX", "2.00")];
    let lines: Vec<_> = sale().into_iter().chain(taxes).collect();
    let look = |facts: &MoneyFacts| found(&matched(&lines, known(facts), &MatchRules::default()));
    assert_eq!(look(&facts), []);
    facts.tax_mode = None;
    assert_eq!(look(&facts), one(Kind::SettledDiffers, "M-1", "26.00"));
}

#[test]
fn a_commission_that_was_not_told_is_found_by_line() {
    // A penny too much on line 2.
    assert_eq!(
        with(vec![on("2", "COMMISSION_FEE", "-0.01")]),
        one(Kind::CommissionDiffers, "M-1/2", "-0.01")
    );
    // Of a line whose commission Mirakl did not tell, only the band is known.
    let mut facts = facts();
    facts.lines[1].commission_fee = None;
    let lines: Vec<_> = sale().into_iter().chain([on("2", "COMMISSION_FEE", "-3.00")]).collect();
    let look = |rules: &MatchRules| found(&matched(&lines, known(&facts), rules));
    assert_eq!(look(&MatchRules::default()), []);
    let band = |least: i64, most: i64| MatchRules {
        commission_band: Some(Band { least: least.into(), most: most.into() }),
        ..MatchRules::default()
    };
    assert_eq!(look(&band(10, 15)), one(Kind::CommissionDiffers, "M-1/2", "-3.00"));
    assert_eq!(look(&band(10, 20)), []);
    let found = look(&band(16, 20));
    assert_eq!(found, one(Kind::CommissionDiffers, "M-1/1", "1.25"));
}

#[test]
fn a_refund_cycles_later_gives_its_commission_back() {
    let whole = |commission: &str| {
        vec![
            refund("R1", on("2", "REFUND_ORDER_AMOUNT", "-60.00")),
            refund("R1", on("2", "REFUND_COMMISSION_FEE", commission)),
            refund("R1", on("2", "REFUND_COMMISSION_VAT", "1.80")),
        ]
    };
    assert_eq!(with(whole("9.00")), []);
    assert_eq!(with(whole("8.99")), one(Kind::CommissionNotRefunded, "M-1/2", "-0.01"));
    assert_eq!(with(whole("9.01")), one(Kind::CommissionDiffers, "M-1/2", "0.01"));
    assert_eq!(
        with(vec![refund("R1", on("2", "REFUND_ORDER_AMOUNT", "-60.00"))]),
        one(Kind::CommissionNotRefunded, "M-1/2", "-10.80")
    );
}

#[test]
fn several_refunds_of_a_line_may_not_exceed_its_sale() {
    let refunds = |second: &str| {
        vec![
            refund("R1", on("2", "REFUND_ORDER_AMOUNT", "-20.00")),
            refund("R1", on("2", "REFUND_COMMISSION_FEE", "3.00")),
            refund("R1", on("2", "REFUND_COMMISSION_VAT", "0.60")),
            refund("R2", on("2", "REFUND_ORDER_AMOUNT", second)),
            refund("R2", on("2", "REFUND_COMMISSION_FEE", "6.00")),
            refund("R2", on("2", "REFUND_COMMISSION_VAT", "1.20")),
        ]
    };
    assert_eq!(with(refunds("-40.00")), []);
    assert_eq!(with(refunds("-40.01")), one(Kind::RefundExceedsSale, "M-1/2", "-0.01"));
    // A refund of a sale that is in no log and no facts cannot be judged.
    let none = BTreeMap::new();
    let alone = refunds("-400.00");
    let matching = match_orders(
        &Settled::of(&alone),
        &none,
        &MatchRules::default(),
        take_over(),
        "GBP",
        now(),
    );
    assert_eq!(found(&matching), one(Kind::UnmatchedOrder, "M-1", "-420.00"));
}

#[test]
fn lines_that_name_no_order_line_are_judged_by_the_order() {
    let facts = facts();
    let mut lines = sale();
    for line in &mut lines {
        line.order_line = None;
    }
    let rules = MatchRules::default();
    assert_eq!(found(&matched(&lines, known(&facts), &rules)), []);
    lines.push(TransactionLine { order_line: None, ..on("x", "COMMISSION_FEE", "-1.00") });
    assert_eq!(
        found(&matched(&lines, known(&facts), &rules)),
        one(Kind::CommissionDiffers, "M-1", "-1.00")
    );
}

#[test]
fn a_tax_that_the_operator_remits_must_not_be_invoiced() {
    let mut facts = facts();
    let remitted = vec![on("1", "OPERATOR_REMITTED_ORDER_AMOUNT_TAX", "-20.00")];
    let lines: Vec<_> = sale().into_iter().chain(remitted).collect();
    let look = |facts: &MoneyFacts| found(&matched(&lines, known(facts), &MatchRules::default()));
    assert_eq!(look(&facts), one(Kind::RemittedTaxInvoiced, "M-1", "20.00"));
    facts.invoiced = Some(amount("165.00"));
    assert_eq!(look(&facts), []);
    facts.invoiced = None;
    assert_eq!(look(&facts), []);
}

#[test]
fn refunds_and_credit_notes_come_to_the_same() {
    let mut facts = facts();
    let refunds = [
        refund("R1", on("2", "REFUND_ORDER_AMOUNT", "-60.00")),
        refund("R1", on("2", "REFUND_COMMISSION_FEE", "9.00")),
        refund("R1", on("2", "REFUND_COMMISSION_VAT", "1.80")),
    ];
    let lines: Vec<_> = sale().into_iter().chain(refunds).collect();
    let look = |facts: &MoneyFacts, credited: Option<&str>| {
        let known = KnownOrder { credited: credited.map(amount), ..known(facts) };
        found(&matched(&lines, known, &MatchRules::default()))
    };
    // Not read is not "none".
    assert_eq!(look(&facts, None), []);
    assert_eq!(look(&facts, Some("60")), []);
    assert_eq!(look(&facts, Some("0")), one(Kind::RefundWithoutCreditNote, "M-1", "60.00"));
    assert_eq!(look(&facts, Some("60.01")), one(Kind::CreditNoteWithoutRefund, "M-1", "-0.01"));
    // What was refunded before it was invoiced needs none.
    facts.invoiced = Some(amount("125.00"));
    assert_eq!(look(&facts, Some("0")), []);
}

#[test]
fn claims_are_what_the_marketplace_owes_and_are_safe_to_open() {
    let facts = facts();
    let lines: Vec<_> = sale()
        .into_iter()
        .chain([on("1", "COMMISSION_FEE", "-1.50"), on("2", "COMMISSION_FEE", "0.50")])
        .collect();
    let mut matching = matched(&lines, known(&facts), &MatchRules::default());
    matching.orders[0].order = "=M-1".to_owned();
    let mut text = Vec::new();
    let total = claims_csv(&matching.orders, "GBP", &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert_eq!((total, text.lines().count()), (amount("1.50"), 2), "{text}");
    assert!(text.contains("\n'=M-1,M-1/1,commission-differs,1.50,GBP,"), "{text}");
    assert!(!is_claim(Kind::RefundWithoutCreditNote, Some(amount("-1"))));
}

#[test]
fn what_belongs_to_no_line_of_ours_is_not_allocated() {
    let facts = facts();
    let orders = BTreeMap::from([("M-1".to_owned(), known(&facts))]);
    let mut lines = sale();
    lines.push(super::line("s", "SUBSCRIPTION_FEE", "-39.00"));
    lines.push(super::line("r", "RESERVE_FUNDING", "-10.00"));
    lines.push(super::line("p", "PAYMENT", "-100.00"));
    let all = contribution(&lines, &orders);
    let shown: Vec<_> =
        all.iter().map(|one| (one.sku.as_deref(), written(one.money.total(), "GBP"))).collect();
    assert_eq!(
        shown,
        [
            (Some("SKU-1"), "102.50".to_owned()),
            (Some("SKU-2"), "49.20".to_owned()),
            (None, "-39.00".to_owned())
        ]
    );
}

/// A line of an order: price in pennies, rate in percent, and how its refunds split it.
#[derive(Clone, Debug)]
struct Any {
    price: i64,
    rate: i64,
    refunds: Vec<i64>,
}

fn any_line() -> impl Strategy<Value = Any> {
    (100..50_000_i64, 5..25_i64, prop::collection::vec(1..60_i64, 0..4)).prop_map(
        |(price, rate, parts)| {
            // Parts of a hundred that are never more than the whole.
            let (mut left, mut refunds) = (100, Vec::new());
            for part in parts {
                let part = part.min(left);
                left -= part;
                refunds.extend((part > 0).then_some(price * part / 100));
            }
            Any { price, rate, refunds }
        },
    )
}

fn pennies(pennies: i64) -> String {
    Decimal::new(pennies, 2).to_string()
}

/// The order and its log: each refund some cycle later, with its share of the commission.
fn lived(lines: &[Any]) -> (MoneyFacts, Vec<TransactionLine>) {
    let (mut facts, mut log) = (MoneyFacts { lines: Vec::new(), ..facts() }, Vec::new());
    let mut invoiced = 0;
    for (number, line) in lines.iter().enumerate() {
        let id = number.to_string();
        let fee = line.price * line.rate / 100;
        let vat = fee / 5;
        invoiced += line.price;
        facts.lines.push(LineMoney {
            line: id.clone(),
            price: amount(&pennies(line.price)),
            commission_fee: Some(amount(&pennies(fee))),
            commission_taxes: amount(&pennies(vat)),
            ..LineMoney::default()
        });
        log.push(on(&id, "ORDER_AMOUNT", &pennies(line.price)));
        log.push(on(&id, "COMMISSION_FEE", &pennies(-fee)));
        log.push(on(&id, "COMMISSION_VAT", &pennies(-vat)));
        let mut left = (line.price, fee, vat);
        for (place, &part) in line.refunds.iter().enumerate() {
            let name = format!("R{place}");
            let share = |of: i64, left: i64| {
                if part == left { of } else { of * part / line.price }
            };
            // The last of a whole sale gives back what is left.
            let (back, tax) = if part == left.0 {
                (left.1, left.2)
            } else {
                (share(fee, left.0), share(vat, left.0))
            };
            left = (left.0 - part, left.1 - back, left.2 - tax);
            let cycle = Some(format!("BC-{}", 2031 + place));
            for (kind, net) in [
                ("REFUND_ORDER_AMOUNT", -part),
                ("REFUND_COMMISSION_FEE", back),
                ("REFUND_COMMISSION_VAT", tax),
            ] {
                let line = refund(&name, on(&id, kind, &pennies(net)));
                log.push(TransactionLine { cycle: cycle.clone(), ..line });
            }
        }
    }
    facts.invoiced = Some(amount(&pennies(invoiced)));
    (facts, log)
}

fn refunded(log: &[TransactionLine]) -> Amount {
    let refunds = log.iter().filter(|line| line.kind.is_refund());
    Amount(refunds.map(|line| -line.net().0).sum())
}

proptest! {
    /// Whatever is sold and refunded, over however many cycles and in whatever order it is read:
    /// nothing is found where all is right (invariants 5, 6 and 7).
    #[test]
    fn what_is_settled_as_expected_has_no_finding(
        lines in prop::collection::vec(any_line(), 1..5),
        seed in any::<u64>(),
    ) {
        let (facts, mut log) = lived(&lines);
        let credited = refunded(&log);
        let known = KnownOrder { credited: Some(credited), ..known(&facts) };
        let rules = MatchRules {
            commission_band: Some(Band { least: 3.into(), most: 25.into() }),
            ..MatchRules::default()
        };
        let matching = matched(&log, known, &rules);
        prop_assert_eq!(found(&matching), []);
        let at = usize::try_from(seed).unwrap_or(0) % log.len();
        log.rotate_left(at);
        log.reverse();
        prop_assert_eq!(matched(&log, known, &rules).orders[0].settled, matching.orders[0].settled);
        prop_assert_eq!(found(&matched(&log, known, &rules)), []);
    }

    /// A penny more or less is found, with its kind and amount.
    #[test]
    fn a_penny_is_found(lines in prop::collection::vec(any_line(), 1..4), more in any::<bool>()) {
        let (facts, log) = lived(&lines);
        let credited = refunded(&log);
        let known = KnownOrder { credited: Some(credited), ..known(&facts) };
        let penny = if more { "0.01" } else { "-0.01" };
        let with = |kind: &str| {
            let lines: Vec<_> = log.iter().cloned().chain([on("0", kind, penny)]).collect();
            found(&matched(&lines, known, &MatchRules::default()))
        };
        let one = |kind, subject: &str, net: &str| (kind, subject.to_owned(), net.to_owned());
        // 5: the sale is what Prima invoiced.
        prop_assert!(with("ORDER_AMOUNT").contains(&one(Kind::SettledDiffers, "M-1", penny)));
        // 7: the commission is what was told with the order.
        prop_assert!(
            with("COMMISSION_FEE").contains(&one(Kind::CommissionDiffers, "M-1/0", penny))
        );
        // 6: refunds are credit notes.
        let kind = if more { Kind::CreditNoteWithoutRefund } else { Kind::RefundWithoutCreditNote };
        let net = if more { "-0.01" } else { "0.01" };
        if credited != Amount::ZERO {
            prop_assert!(with("REFUND_ORDER_AMOUNT").contains(&one(kind, "M-1", net)));
        }
    }

    /// Refunds of more than the sale are found, however they are split.
    #[test]
    fn a_refund_too_many_is_found(lines in prop::collection::vec(any_line(), 1..4), extra in 1..10_000_i64) {
        let (facts, mut log) = lived(&lines);
        let so_far: i64 = lines[0].refunds.iter().sum();
        let rest = lines[0].price - so_far;
        log.push(refund("R9", on("0", "REFUND_ORDER_AMOUNT", &pennies(-(rest + extra)))));
        let found = found(&matched(&log, known(&facts), &MatchRules::default()));
        let expected = (Kind::RefundExceedsSale, "M-1/0".to_owned(), pennies(-extra));
        prop_assert!(found.contains(&expected), "{found:?}");
    }
}

#[test]
fn money_of_every_type_is_in_one_place() {
    for kind in TransactionType::ALL {
        let mut money = OrderMoney::default();
        money.add(&kind, amount("1"));
        assert_eq!(money.total(), amount("1"), "{kind}");
    }
}
