//! What was refunded before it left is not sent, and what is sent is what is still paid for.

use super::*;

fn refunded(first_line: &str) -> Order {
    let mut order = uk();
    order.order_lines[0].refunds = serde_json::from_str(first_line).unwrap();
    order
}

/// Quantities, prices of the lines, the delivery charge, what is paid.
fn sent(order: &Order) -> (Vec<u32>, Vec<String>, Vec<String>, String) {
    for price in [PriceMeaning::Line, PriceMeaning::Unit] {
        mapped(order, &OrderRules { price, ..rules() }).unwrap();
    }
    let prima = mapped(order, &rules()).unwrap();
    (
        prima.lines.iter().map(|line| line.quantity).collect(),
        prima.lines.iter().map(|line| line.price.to_string()).collect(),
        prima.charges.iter().map(|charge| charge.value.to_string()).collect(),
        prima.payments[0].amount.to_string(),
    )
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_refunded_piece_is_neither_sent_nor_paid() {
    let one = refunded(r#"[{"quantity":1,"amount":12.50,"shipping_amount":0}]"#);
    assert_eq!(
        sent(&one),
        (vec![1, 1], texts(&["12.50", "10.00"]), texts(&["3.95"]), "26.45".into())
    );
    let line = refunded(r#"[{"quantity":0,"amount":25.00,"shipping_amount":0}]"#);
    assert_eq!(sent(&line), (vec![1], texts(&["10.00"]), texts(&["3.95"]), "13.95".into()));
    let all = Order { fully_refunded: Some(true), ..uk() };
    let failure = mapped(&all, &rules()).unwrap_err();
    assert!(failure.reason.contains("no line of the order is left"), "{}", failure.reason);
}

/// The fee of a refunded line goes with it where the total contains it.
#[test]
fn a_refunded_lines_fee_goes_too_if_the_total_had_it() {
    for (total, paid) in [("40.95", "13.95"), ("38.95", "13.95")] {
        let mut order = refunded(r#"[{"quantity":2,"amount":25.00,"shipping_amount":2.00}]"#);
        order.order_lines[0].fees =
            serde_json::from_str(r#"[{"code":"WRAP","amount":2.00}]"#).unwrap();
        order.total_price = Some(crate::kit::amount::Amount(total.parse().unwrap()));
        order.order_lines[0].refunds[0].shipping_amount = None;
        assert_eq!(sent(&order).3, paid, "{total}");
    }
}

#[test]
fn goodwill_leaves_the_order_as_it_was() {
    for goodwill in [
        r#"[{"quantity":0,"amount":5.00}]"#,
        r#"[{"quantity":null,"amount":5.00}]"#,
        r#"[{"quantity":1,"amount":5.00}]"#,
    ] {
        assert_eq!(sent(&refunded(goodwill)), sent(&uk()), "{goodwill}");
    }
}
