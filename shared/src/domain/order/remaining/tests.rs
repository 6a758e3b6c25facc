#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use proptest::prelude::*;

use super::*;

fn order(state: &str, lines: &str, more: &str) -> Order {
    let text = format!(
        r#"{{"order_id":"C1-A","order_state":"{state}","price":60.00,"shipping_price":4.50,"total_price":64.50{more},"order_lines":[{lines}]}}"#
    );
    serde_json::from_str(&text).unwrap()
}

/// Two pieces for 40.00 with shipping of 4.50, and one for 20.00; `first` is of the first line.
fn two_lines(state: &str, first: &str, more: &str) -> Order {
    let lines = format!(
        r#"{{"order_line_id":"1","order_line_state":"{state}","quantity":2,"price":40.00,"shipping_price":4.50,"total_price":44.50,
            "taxes":[{{"code":"VAT","amount":6.67}}],"shipping_taxes":[{{"code":"VAT","amount":0.75}}]{first}}},
           {{"order_line_id":"2","order_line_state":"{state}","quantity":1,"price":20.00,"shipping_price":0,"total_price":20.00}}"#
    );
    order(state, &lines, more)
}

fn refunds(of: &str) -> String {
    format!(r#","refunds":[{of}]"#)
}

/// Pieces of both lines, goods, shipping, total.
fn left(order: &Order) -> (Vec<u32>, String, String, String) {
    let left = remaining(order, None);
    let text = |amount: Option<Amount>| amount.unwrap().0.normalize().to_string();
    (
        left.order_lines.iter().map(|line| line.quantity).collect(),
        text(left.price),
        text(left.shipping_price),
        text(left.total_price),
    )
}

#[test]
fn refunds_take_the_pieces_that_they_pay_back() {
    let named = r#"{"quantity":1,"amount":20.00,"shipping_amount":0}"#;
    let goodwill = r#"{"quantity":0,"amount":5.00,"shipping_amount":0}"#;
    let null = r#"{"quantity":null,"amount":20.00,"shipping_amount":0}"#;
    for (refunded, first, goods, shipping, total) in [
        ("", 2, "60", "4.5", "64.5"),
        (named, 1, "40", "4.5", "44.5"),
        // What Mirakl rounded to the penny is the piece.
        (r#"{"quantity":1,"amount":19.99}"#, 1, "40.01", "4.5", "44.51"),
        (r#"{"quantity":1,"amount":20.00,"shipping_amount":2.25}"#, 1, "40", "2.25", "42.25"),
        // Goodwill, with and without pieces.
        (goodwill, 2, "60", "4.5", "64.5"),
        (r#"{"quantity":1,"amount":5.00}"#, 2, "60", "4.5", "64.5"),
        (r#"{"quantity":1}"#, 2, "60", "4.5", "64.5"),
        (null, 2, "60", "4.5", "64.5"),
        (r#"{"amount":0,"shipping_amount":4.50}"#, 2, "60", "4.5", "64.5"),
        // More than the piece: the rest is goodwill.
        (r#"{"quantity":1,"amount":25.00}"#, 1, "40", "4.5", "44.5"),
        // Together they pay back what they name.
        (
            r#"{"quantity":1,"amount":12.00},{"quantity":null,"amount":8.00}"#,
            1,
            "40",
            "4.5",
            "44.5",
        ),
        // The whole price is the line, whatever is named; its shipping is still paid where nobody
        // gave it back.
        (r#"{"quantity":2,"amount":40.00,"shipping_amount":4.50}"#, 0, "20", "0", "20"),
        (r#"{"quantity":0,"amount":40.00,"shipping_amount":4.50}"#, 0, "20", "0", "20"),
        (
            r#"{"quantity":null,"amount":25.00},{"amount":15.00,"shipping_amount":4.50}"#,
            0,
            "20",
            "0",
            "20",
        ),
        (r#"{"quantity":2,"amount":40.00,"shipping_amount":0}"#, 0, "20", "4.5", "24.5"),
    ] {
        let order = two_lines("SHIPPING", &refunds(refunded), "");
        let expected = (vec![first, 1], goods.to_owned(), shipping.to_owned(), total.to_owned());
        assert_eq!(left(&order), expected, "{refunded}");
        let pieces = gone_pieces(&order, &order.order_lines[0], None);
        assert_eq!((pieces, is_refunded(&order, None)), (2 - first, false), "{refunded}");
    }
}

/// The line keeps the rest of its price, its taxes and its shipping.
#[test]
fn a_partly_refunded_line_keeps_its_share_of_each_amount() {
    let refund = r#"{"quantity":1,"amount":20.00,"shipping_amount":2.00,"taxes":[{"code":"VAT","amount":3.33}],"shipping_taxes":[{"code":"VAT","amount":0.33}]}"#;
    let order = two_lines("SHIPPING", &refunds(refund), "");
    let first = &remaining(&order, None).order_lines[0];
    let texts = [
        first.price,
        first.shipping_price.unwrap(),
        first.total_price.unwrap(),
        first.taxes[0].amount,
        first.shipping_taxes[0].amount,
    ]
    .map(|amount| amount.to_string());
    assert_eq!(texts, ["20.00", "2.50", "22.50", "3.34", "0.42"]);
    // Where the refund names no tax, its share goes.
    let order = two_lines("SHIPPING", &refunds(r#"{"quantity":1,"amount":20.00}"#), "");
    assert_eq!(remaining(&order, None).order_lines[0].taxes[0].amount.to_string(), "3.33");
    // Shipping that is still paid goes with what is left.
    let order = two_lines("SHIPPING", &refunds(r#"{"quantity":2,"amount":40.00}"#), "");
    let left = remaining(&order, None);
    assert_eq!(
        (
            left.order_lines[0].shipping_price,
            left.order_lines[1].shipping_price.unwrap().to_string()
        ),
        (Some(Amount::ZERO), "4.50".into())
    );
    assert_eq!(left.order_lines[1].shipping_taxes[0].amount.to_string(), "0.75");
}

#[test]
fn a_state_or_a_flag_counts_as_the_whole() {
    for state in ["REFUNDED", "WAITING_REFUND", "WAITING_REFUND_PAYMENT"] {
        let line = |state: &str| {
            format!(
                r#"{{"order_line_id":"1","order_line_state":"{state}","quantity":2,"price":40.00}}"#
            )
        };
        assert!(is_refunded(&order("SHIPPING", &line(state), ""), None), "a line in {state}");
        assert!(is_refunded(&order(state, &line("SHIPPING"), ""), None), "an order in {state}");
    }
    assert!(is_refunded(&two_lines("SHIPPING", "", r#","fully_refunded":true"#), None));
    assert!(is_refunded(&two_lines("CLOSED", "", r#","fully_refunded":true"#), None));
    assert!(!is_refunded(&two_lines("CLOSED", "", r#","fully_refunded":false"#), None));
    assert!(!is_refunded(
        &order(
            "CANCELED",
            r#"{"order_line_id":"1","quantity":0,"price":0}"#,
            r#","fully_refunded":true"#
        ),
        None
    ));
}

#[test]
fn what_has_left_has_left() {
    let at = |moment: &str| format!(r#"{{"quantity":2,"amount":40.00,"created_date":"{moment}"}}"#);
    let shipped = r#","shipped_date":"2026-11-20T10:00:00Z""#;
    for (created, gone) in
        [("2026-11-20T09:59:59Z", 2), ("2026-11-20T10:00:00Z", 0), ("2026-11-25T10:00:00Z", 0)]
    {
        let order =
            two_lines("CLOSED", &(refunds(&at(created)) + shipped), r#","fully_refunded":true"#);
        assert_eq!(
            (gone_pieces(&order, &order.order_lines[0], None), has_left(&order)),
            (gone, true),
            "{created}"
        );
        // The caller knows better when it left.
        let order = two_lines("SHIPPING", &refunds(&at(created)), "");
        let left_at = "2026-11-20T10:00:00Z".parse().ok();
        assert_eq!(
            (gone_pieces(&order, &order.order_lines[0], left_at), has_left(&order)),
            (gone, false),
            "{created}"
        );
    }
    for state in ["SHIPPED", "TO_COLLECT", "RECEIVED"] {
        let order = two_lines(state, &refunds(&at("2026-11-20T09:00:00Z")), "");
        assert_eq!(
            (gone_pieces(&order, &order.order_lines[0], None), has_left(&order)),
            (0, true),
            "{state}"
        );
    }
    assert!(!has_left(&two_lines("CLOSED", "", "")) && !has_left(&two_lines("SHIPPING", "", "")));
    let unstated = |state: &str, more: &str| {
        order(state, r#"{"order_line_id":"1","quantity":2,"price":40.00}"#, more)
    };
    assert!(has_left(&unstated("SHIPPED", "")) && !has_left(&unstated("CLOSED", "")));
    assert!(!has_left(&unstated("RECEIVED", r#","fully_refunded":true"#)));
}

#[test]
fn nothing_is_reckoned_with_amounts_beyond_all_sense() {
    let lines = r#"{"order_line_id":"1","order_line_state":"SHIPPING","quantity":2,"price":79228162514264337593543950335,"refunds":[{"quantity":1,"amount":79228162514264337593543950335},{"quantity":1,"amount":79228162514264337593543950335}]}"#;
    let order = order("SHIPPING", lines, "");
    assert_eq!(*remaining(&order, None), order);
    let refunded = Order { fully_refunded: Some(true), ..order };
    assert_eq!(remaining(&refunded, None).order_lines[0].quantity, 0);
}

prop_compose! {
    fn any_refund()(pieces in proptest::option::of(0_u32..4), pence in proptest::option::of(0_i64..6_000), shipping in proptest::option::of(0_i64..300)) -> Refund {
        let mut refund: Refund = serde_json::from_str("{}").unwrap();
        refund.quantity = pieces;
        refund.amount = pence.map(|pence| Amount(Decimal::new(pence, 2)));
        refund.shipping_amount = shipping.map(|pence| Amount(Decimal::new(pence, 2)));
        refund
    }
}

prop_compose! {
    fn any_order()(lines in proptest::collection::vec((1_u32..5, 0_i64..6_000, 0_i64..500, proptest::collection::vec(any_refund(), 0..4)), 1..4)) -> Order {
        let mut order = two_lines("SHIPPING", "", "");
        let model = order.order_lines[0].clone();
        order.order_lines = lines.into_iter().enumerate().map(|(number, (quantity, pence, shipping, refunds))| OrderLine {
            order_line_id: number.to_string(),
            quantity,
            price: Amount(Decimal::new(pence, 2)),
            shipping_price: Some(Amount(Decimal::new(shipping, 2))),
            total_price: Some(Amount(Decimal::new(pence + shipping, 2))),
            refunds,
            ..model.clone()
        }).collect();
        let goods: Decimal = order.order_lines.iter().map(|line| line.price.0).sum();
        let shipping: Decimal = order.order_lines.iter().filter_map(|line| line.shipping_price).map(|price| price.0).sum();
        (order.price, order.shipping_price, order.total_price) = (Some(Amount(goods)), Some(Amount(shipping)), Some(Amount(goods + shipping)));
        order
    }
}

proptest! {
    #[test]
    fn lines_and_totals_still_add_up_and_nothing_is_negative(order in any_order()) {
        let left = remaining(&order, None);
        let goods: Decimal = left.live_lines().map(|line| line.price.0).sum();
        let shipping: Decimal = left.live_lines().filter_map(|line| line.shipping_price).map(|price| price.0).sum();
        if left.live_lines().next().is_some() {
            prop_assert_eq!((Some(Amount(goods)), Some(Amount(shipping))), (left.price, left.shipping_price));
            prop_assert_eq!(left.total_price, Some(Amount(goods + shipping)));
        } else {
            prop_assert!(is_refunded(&order, None));
        }
        for (before, after) in order.order_lines.iter().zip(&left.order_lines) {
            prop_assert!(after.quantity <= before.quantity && after.price.0 >= Decimal::ZERO && after.price <= before.price);
            prop_assert!(after.taxes.iter().chain(&after.shipping_taxes).all(|tax| tax.amount.0 >= Decimal::ZERO));
        }
    }

    /// No piece is taken away that is not paid back, and whoever gets everything back gets no
    /// piece.
    #[test]
    fn pieces_go_only_when_refunded_and_a_full_refund_takes_all(order in any_order()) {
        for line in &order.order_lines {
            let gone = gone_pieces(&order, line, None);
            let refunded: Decimal = line.refunds.iter().filter_map(|refund| refund.amount).map(|amount| amount.0).sum();
            let price_of_gone = line.price.0 * Decimal::from(gone) / Decimal::from(line.quantity);
            prop_assert!(refunded >= price_of_gone - ROUNDING * Decimal::from(gone));
            if line.price.0 > Decimal::ZERO && refunded >= line.price.0 {
                prop_assert_eq!(gone, line.quantity);
            }
        }
    }

    /// One refund more never gives pieces back, and the order of refunds does not matter.
    #[test]
    fn more_refunds_never_restore_pieces_in_whatever_order(order in any_order(), one in any_refund()) {
        let mut more = order.clone();
        more.order_lines[0].refunds.push(one);
        prop_assert!(gone_pieces(&more, &more.order_lines[0], None) >= gone_pieces(&order, &order.order_lines[0], None));
        let mut turned = more.clone();
        turned.order_lines[0].refunds.reverse();
        prop_assert_eq!(remaining(&turned, None).order_lines[0].quantity, remaining(&more, None).order_lines[0].quantity);
    }
}
