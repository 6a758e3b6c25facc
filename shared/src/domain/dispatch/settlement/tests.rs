#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use proptest::prelude::*;

use super::*;

fn now() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

fn order(extra: &str) -> Order {
    let text = format!(
        r#"{{"order_id":"C1-A","order_state":"SHIPPING","order_lines":[{{"order_line_id":"C1-A-1","offer_sku":"W1","quantity":3,
            "price":20.00,"shipping_price":3.95,"taxes":[{{"code":"VAT","amount":3.33}}],
            "shipping_taxes":[{{"code":"VAT","amount":0.66}}]{extra}}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

/// One piece of 20.00 with 4.00 tax; these refunds on it.
fn one_piece(refunds: &str) -> Order {
    let text = format!(
        r#"{{"order_id":"C1-A","order_state":"SHIPPING","order_tax_mode":"TAX_EXCLUDED","order_lines":[{{"order_line_id":"C1-A-1",
            "offer_sku":"W1","quantity":1,"price":20.00,"taxes":[{{"code":"VAT","amount":4.00}}],"refunds":[{refunds}]}}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

fn short(quantity: u32) -> Vec<ShortLine> {
    vec![ShortLine { order_line_id: "C1-A-1".into(), quantity }]
}

fn money(text: &str) -> Amount {
    Amount(text.parse().unwrap())
}

fn due(order: &Order, quantity: u32, how: How) -> Due {
    amounts(order, &short(quantity), how, &Dispatch::default()).unwrap()
}

#[test]
fn a_whole_line_takes_all_that_is_on_it_and_a_part_its_share() {
    let whole = &due(&order(""), 3, How::Cancel).lines[0];
    assert_eq!(
        (whole.amount, whole.shipping_amount, whole.taxes[0].amount),
        (money("20.00"), money("3.95"), money("3.33"))
    );
    let part = &due(&order(""), 1, How::Cancel).lines[0];
    assert_eq!(
        (part.amount, part.shipping_amount, part.shipping_taxes[0].amount),
        (money("6.66"), money("1.31"), money("0.22"))
    );
    let twice = [short(1), short(1)].concat();
    let together = amounts(&order(""), &twice, How::Cancel, &Dispatch::default()).unwrap();
    assert_eq!((together.lines.len(), together.lines[0].quantity), (1, 2), "one line, one entry");
}

#[test]
fn what_was_refunded_before_is_not_refunded_again() {
    let once =
        order(r#","refunds":[{"id":"1","quantity":2,"amount":13.32,"shipping_amount":2.62}]"#);
    let ours = Dispatch { settlements: vec![noted(2, "13.32", None)], ..Dispatch::default() };
    let rest = amounts(&once, &short(1), How::Refund, &ours).unwrap();
    assert_eq!(
        (rest.lines[0].amount, rest.lines[0].shipping_amount),
        (money("6.68"), money("1.33"))
    );
    assert!(
        amounts(&once, &short(2), How::Refund, &ours)
            .unwrap_err()
            .to_string()
            .contains("has 1 pieces left, not 2")
    );
}

/// Every amount is bounded by what is left of it, whoever gave back the rest.
#[test]
fn no_settlement_exceeds_what_others_left_of_an_amount() {
    // A quantity is informative: 0 or null is usual.
    for quantity in ["0", "null"] {
        for all in ["20.00", "25.00"] {
            let refunded = format!(
                r#"{{"id":"1","quantity":{quantity},"amount":{all},"taxes":[{{"code":"VAT","amount":4.00}}]}}"#
            );
            for how in [How::Refund, How::Cancel] {
                let nothing = due(&one_piece(&refunded), 1, how);
                assert_eq!(
                    nothing,
                    Due { lines: vec![], given_back: short(1) },
                    "{refunded}: no call, and never a tax beside nothing"
                );
            }
        }
        let part = format!(
            r#"{{"id":"1","quantity":{quantity},"amount":12.00,"taxes":[{{"code":"VAT","amount":2.40}}]}}"#
        );
        for how in [How::Refund, How::Cancel] {
            let rest = due(&one_piece(&part), 1, how);
            assert_eq!(
                (rest.lines[0].amount, rest.lines[0].taxes[0].amount),
                (money("8.00"), money("1.60"))
            );
        }
    }
    let goodwill = r#"{"id":"1","quantity":1,"amount":1.00}"#;
    let rest = due(&one_piece(goodwill), 1, How::Refund);
    assert_eq!(
        (rest.lines[0].amount, rest.given_back),
        (money("19.00"), vec![]),
        "a penny's goodwill is no refunded piece"
    );
    let no_amount = amounts(
        &one_piece(r#"{"id":"1","quantity":1}"#),
        &short(1),
        How::Refund,
        &Dispatch::default(),
    );
    assert!(no_amount.unwrap_err().to_string().contains("does not say how much"));
}

#[test]
fn pieces_that_somebody_else_refunded_are_given_back_already() {
    let operator =
        order(r#","refunds":[{"id":"1","quantity":2,"amount":13.33,"shipping_amount":0}]"#);
    let due = amounts(&operator, &short(3), How::Refund, &Dispatch::default()).unwrap();
    assert_eq!(due.given_back[0].quantity, 2);
    assert_eq!(
        (due.lines[0].quantity, due.lines[0].amount, due.lines[0].shipping_amount),
        (1, money("6.67"), money("3.95"))
    );
    let all = amounts(&operator, &short(1), How::Refund, &Dispatch::default()).unwrap();
    assert_eq!(all, Due { lines: vec![], given_back: short(1) });
}

#[test]
fn taxes_follow_their_own_rules() {
    let with = |tax: &str, order_taxes: &str, mode: &str| -> Order {
        let text = format!(
            r#"{{"order_id":"C1-A","order_state":"SHIPPING","order_tax_mode":"{mode}","order_taxes":[{order_taxes}],
                "order_refunds":[{{"order_refund_id":"R","taxes":[{{"code":"VAT","total_amount":3.50}}]}}],"order_lines":[{{
                "order_line_id":"C1-A-1","offer_sku":"W1","quantity":2,"price":20.00,"shipping_price":2,"taxes":[{tax}],"shipping_taxes":[{tax}]}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    };
    let none = r#"{"code":"VAT","amount":4.00,"tax_calculation_rule":"NONE"},{"code":"ECO","amount":1.00}"#;
    let both = due(&with(none, "", "TAX_EXCLUDED"), 1, How::Refund);
    assert_eq!(
        both.lines[0].taxes.iter().map(|tax| tax.amount).collect::<Vec<_>>(),
        [money("2.00"), money("0.50")]
    );
    let proportional =
        r#"{"code":"VAT","amount":4.00,"tax_calculation_rule":"PROPORTIONAL_TO_AMOUNT"}"#;
    let computed = due(&with(proportional, "", "TAX_EXCLUDED"), 1, How::Refund);
    assert_eq!(
        (computed.lines[0].taxes.len(), computed.lines[0].shipping_taxes.len()),
        (0, 0),
        "Mirakl computes it"
    );
    let on_order = r#"{"code":"VAT","total_amount":4.00}"#;
    let excluded = with(none, on_order, "TAX_EXCLUDED");
    assert_eq!(due(&excluded, 1, How::Cancel).lines[0].taxes, [], "must not be given");
    assert_eq!(
        due(&excluded, 1, How::Refund).lines[0].taxes[0].amount,
        money("0.50"),
        "what the order has left of it"
    );
    assert_eq!(due(&with(none, on_order, "TAX_INCLUDED"), 1, How::Cancel).lines[0].taxes.len(), 2);
}

/// A refund of ours of so many pieces.
fn noted(quantity: u32, amount: &str, entry_id: Option<&str>) -> Settlement {
    let line = SettledLine {
        order_line_id: "C1-A-1".into(),
        quantity,
        entries_before: 0,
        amount: Some(money(amount)),
        shipping_amount: Some(money("1.31")),
        entry_id: entry_id.map(str::to_owned),
    };
    Settlement {
        how: How::Refund,
        lines: vec![line],
        at: now(),
        until: now(),
        confirmed_at: Some(now()),
        reason_code: Some("OOS".into()),
    }
}

/// A refund made from here is known by its amounts, its reason and its time, and nobody else's is
/// taken for it.
#[test]
fn own_refunds_are_known_by_their_amounts_reason_and_time() {
    let settlement = Settlement { at: now(), confirmed_at: None, ..noted(1, "6.66", None) };
    let listed = |id: &str, amount: &str, shipping: &str, reason: &str, created: &str| {
        format!(
            r#"{{"id":"{id}","order_refund_id":"G{id}","quantity":0,"amount":{amount},"shipping_amount":{shipping},"reason_code":"{reason}","created_date":"{created}"}}"#
        )
    };
    let ours = listed("9", "6.6600", "1.31", "OOS", "2026-11-23T09:59:40Z");
    let found = |entries: &[String], others: Vec<Settlement>| {
        let order = order(&format!(r#","refunds":[{}]"#, entries.join(",")));
        let dispatch = Dispatch { settlements: others, ..Dispatch::default() };
        effect(&order, &dispatch, &settlement, Duration::from_secs(30))
            .into_iter()
            .map(|line| line.entry_id)
            .collect::<Vec<_>>()
    };
    assert_eq!(found(std::slice::from_ref(&ours), vec![]), [Some("9".to_owned())]);
    for other in [
        listed("9", "5.00", "1.31", "OOS", "2026-11-23T10:00:05Z"),
        listed("9", "6.66", "0", "OOS", "2026-11-23T10:00:05Z"),
        listed("9", "6.66", "1.31", "GOODWILL", "2026-11-23T10:00:05Z"),
        listed("9", "6.66", "1.31", "OOS", "2026-11-23T09:59:29Z"),
    ] {
        assert_eq!(found(std::slice::from_ref(&other), vec![]), [], "{other}");
        assert_eq!(
            found(&[other, listed("8", "6.66", "1.31", "OOS", "2026-11-23T10:00:05Z")], vec![]),
            [Some("8".to_owned())]
        );
    }
    for used in ["9", "G9"] {
        let earlier = Settlement {
            at: before(now(), Duration::from_secs(5)),
            ..noted(1, "6.66", Some(used))
        };
        assert_eq!(
            found(std::slice::from_ref(&ours), vec![earlier]),
            [],
            "an entry is one settlement's"
        );
    }
}

#[test]
fn a_note_of_an_earlier_version_is_settled_by_one_entry_more() {
    let text = r#"{"how":"cancel","lines":[{"order_line_id":"C1-A-1","quantity":1,"entries_before":0}],"at":"2026-11-23T10:00:00Z","until":"2026-11-23T10:01:00Z"}"#;
    let settlement: Settlement = serde_json::from_str(text).unwrap();
    let effect_on = |extra: &str| {
        effect(&order(extra), &Dispatch::default(), &settlement, Duration::ZERO).len()
    };
    assert_eq!(
        (effect_on(""), effect_on(r#","cancelations":[{"id":"1","quantity":1,"amount":6.66}]"#)),
        (0, 1)
    );
}

/// Of a call that had half its effect, only that half is confirmed.
#[test]
fn a_half_effective_call_is_confirmed_by_that_half_only() {
    let mut settlement = Settlement { confirmed_at: None, ..noted(1, "6.66", None) };
    settlement
        .lines
        .push(SettledLine { order_line_id: "C1-A-2".into(), ..settlement.lines[0].clone() });
    let half = order(
        r#","refunds":[{"id":"9","amount":6.66,"shipping_amount":1.31,"reason_code":"OOS","created_date":"2026-11-23T10:00:01Z"}]"#,
    );
    let had = effect(&half, &Dispatch::default(), &settlement, Duration::ZERO);
    assert_eq!(had.iter().map(|line| line.order_line_id.as_str()).collect::<Vec<_>>(), ["C1-A-1"]);
}

/// Adds a refund to the order's line, as Mirakl lists it.
fn refunded(order: &mut Order, quantity: u32, amounts: &LineAmounts) {
    let line = &mut order.order_lines[0];
    line.refunds.push(Refund {
        id: Some(line.refunds.len().to_string()),
        quantity: Some(quantity),
        amount: Some(amounts.amount),
        shipping_amount: Some(amounts.shipping_amount),
        taxes: amounts.taxes.clone(),
        shipping_taxes: amounts.shipping_taxes.clone(),
        order_refund_id: None,
        reason_code: None,
        created_date: None,
    });
}

proptest! {
    #[test]
    fn parts_never_add_up_to_more_than_the_whole(cents in 0..1_000_000_i64, of in 1..20_u32) {
        let amount = Decimal::new(cents, 2);
        let single = part(amount, 1, of);
        prop_assert!(single * Decimal::from(of) <= amount);
        prop_assert!(amount - single * Decimal::from(of) < Decimal::new(i64::from(of), 2));
        prop_assert_eq!(part(amount, of, of), amount);
    }

    /// Whatever we and others refund, in whatever parts: nothing is refunded beyond what was paid,
    /// nothing is negative, no tax is sent beside nothing, and once all pieces are settled all of
    /// it was given back, to the penny.
    #[test]
    fn all_refunds_together_add_up_to_what_was_paid_at_most(
        cents in 1..20_000_i64, shipping in 0..900_i64, tax in 0..4000_i64, pieces in 1..6_u32,
        steps in proptest::collection::vec((1..4_u32, proptest::option::of((0..12_000_i64, 0..900_i64, 0..3000_i64, 0..2_u32))), 1..8),
    ) {
        let amount = |cents: i64| Amount(Decimal::new(cents, 2));
        let mut order = order("");
        {
            let line = &mut order.order_lines[0];
            (line.quantity, line.price, line.shipping_price) = (pieces, amount(cents), Some(amount(shipping)));
            line.taxes = vec![Tax { code: Some("VAT".into()), amount: amount(tax), ..Tax::default() }];
            line.shipping_taxes.clear();
        }
        let mut dispatch = Dispatch::default();
        let sum = |order: &Order, of: fn(&Refund) -> Amount| order.order_lines[0].refunds.iter().map(|one| of(one).0).sum::<Decimal>();
        let mut only_ours = true;
        for (wanted, others) in steps {
            if let Some((goods, ship, tax_back, quantity)) = others {
                // Somebody else refunds, within what the marketplace allows.
                only_ours = false;
                let left = |of: fn(&Refund) -> Amount, whole: i64| Decimal::new(whole, 2) - sum(&order, of);
                let goods = Decimal::new(goods, 2).min(left(|one| one.amount.unwrap_or_default(), cents));
                let ship = Decimal::new(ship, 2).min(left(|one| one.shipping_amount.unwrap_or_default(), shipping));
                let taxed = |one: &Refund| one.taxes.first().map(|tax| tax.amount).unwrap_or_default();
                let tax_back = Decimal::new(tax_back, 2).min(left(taxed, tax));
                let taxes = vec![Tax { code: Some("VAT".into()), amount: Amount(tax_back), ..Tax::default() }];
                let line = LineAmounts { order_line_id: "C1-A-1".into(), quantity, amount: Amount(goods), shipping_amount: Amount(ship), taxes, shipping_taxes: vec![] };
                refunded(&mut order, quantity, &line);
            }
            let left = pieces - dispatch.refunded("C1-A-1");
            if left == 0 { break }
            let due = amounts(&order, &short(wanted.min(left)), How::Refund, &dispatch).unwrap();
            for line in &due.lines {
                prop_assert!(line.amount.0 >= Decimal::ZERO && line.shipping_amount.0 >= Decimal::ZERO);
                prop_assert!(line.taxes.iter().all(|tax| tax.amount.0 >= Decimal::ZERO));
                prop_assert!(!line.amount.0.is_zero() || line.taxes.is_empty());
                refunded(&mut order, line.quantity, line);
            }
            let settled: u32 = due.lines.iter().map(|line| line.quantity).chain(due.given_back.iter().map(|line| line.quantity)).sum();
            prop_assert_eq!(settled, wanted.min(left), "each piece is settled once");
            let mut note = noted(settled, "0", None);
            note.lines[0].quantity = settled;
            dispatch.settlements.push(note);
            let goods = sum(&order, |one| one.amount.unwrap_or_default());
            let taxes = sum(&order, |one| one.taxes.first().map(|tax| tax.amount).unwrap_or_default());
            prop_assert!(goods <= Decimal::new(cents, 2) && taxes <= Decimal::new(tax, 2));
            prop_assert!(sum(&order, |one| one.shipping_amount.unwrap_or_default()) <= Decimal::new(shipping, 2));
            if dispatch.refunded("C1-A-1") == pieces && only_ours {
                prop_assert_eq!(goods, Decimal::new(cents, 2), "to the penny");
                prop_assert_eq!(taxes, Decimal::new(tax, 2));
                prop_assert_eq!(sum(&order, |one| one.shipping_amount.unwrap_or_default()), Decimal::new(shipping, 2));
            }
        }
    }
}
