//! Sparse, old and odd orders, and every form of dates, amounts, quantities and values.

use jiff::Timestamp;
use proptest::prelude::*;
use rust_decimal::Decimal;

use crate::mirakl::order::{AdditionalField, Cancelation};
use crate::mirakl::{Order, OrderPage, OrderState, page};

fn read(orders: &str) -> OrderPage {
    page::read(format!(r#"{{"orders":[{orders}]}}"#).as_bytes()).unwrap()
}

fn read_one(order: &str) -> Order {
    let mut page = read(order);
    assert_eq!((page.unreadable.as_slice(), page.length), ([].as_slice(), 1), "{order}");
    page.orders.remove(0)
}

/// An order with `fields` and one line with `line_fields`, each beginning with a comma.
fn order_with(fields: &str, line_fields: &str) -> Order {
    read_one(&format!(
        r#"{{"order_id":"A-1","order_state":"SHIPPING"{fields},"order_lines":[{{"order_line_id":"A-1-1","quantity":1,"price":9{line_fields}}}]}}"#
    ))
}

fn created(text: &str) -> Option<Timestamp> {
    order_with(&format!(r#","created_date":"{text}""#), "").created_date
}

#[test]
fn ids_states_quantities_and_money_are_enough() {
    let order = order_with("", "");
    assert_eq!((order.order_id.as_str(), &order.order_state), ("A-1", &OrderState::Shipping));
    assert_eq!(
        (order.order_lines[0].quantity, order.order_lines[0].price.to_string()),
        (1, "9".to_owned())
    );
    assert!(
        order.customer.is_none() && order.total_price.is_none() && order.created_date.is_none()
    );
}

#[test]
fn nulls_are_as_good_as_absent() {
    let nulls = order_with(
        r#","commercial_id":null,"channel":null,"references":null,"customer":null,"created_date":null,"price":null,"payment_type":null,
            "order_additional_fields":null,"promotions":{},"can_shop_ship":null,"customer_notification_email":null,"order_tax_mode":null"#,
        r#","offer_sku":null,"order_line_state":null,"taxes":null,"shipping_taxes":null,"promotions":null,"cancelations":null,
            "order_line_additional_fields":null,"price_unit":null,"product_title":null"#,
    );
    assert_eq!(nulls, order_with("", ""));
    for empty in
        [r#","channel":{}"#, r#","channel":{"code":null,"label":null}"#, r#","created_date":"""#]
    {
        assert_eq!(order_with(empty, ""), order_with("", ""), "{empty}");
    }
    let sparse = order_with(
        r#","customer":{"customer_id":"c@x","billing_address":null,"shipping_address":{"country_iso_code":null}}"#,
        "",
    );
    assert!(sparse.customer.unwrap().billing_address.is_none());
}

#[test]
fn both_spellings_of_the_payment_type_may_stand_side_by_side() {
    assert_eq!(
        order_with(r#","paymentType":"OLD","payment_type":"CARD""#, "").payment_type.as_deref(),
        Some("CARD")
    );
    assert_eq!(order_with(r#","paymentType":"OLD""#, "").payment_type.as_deref(), Some("OLD"));
    assert_eq!(order_with(r#","paymentType":null,"payment_type":null"#, "").payment_type, None);
}

#[test]
fn dates_have_many_forms() {
    let same = [
        "2021-08-04T15:13:31Z",
        "2021-08-04T15:13:31.000Z",
        "2021-08-04T16:13:31+01",
        "2021-08-04T16:13:31+0100",
        "2021-08-04T10:13:31-05:00",
        "2021-08-04T15:13:31",
        " 2021-08-04T15:13:31Z",
    ];
    for text in same {
        assert_eq!(created(text), Some("2021-08-04T15:13:31Z".parse().unwrap()), "{text}");
    }
    assert_eq!(created("2021-08-04"), Some("2021-08-04T00:00:00Z".parse().unwrap()));
    for none in ["yesterday", "2021-13-04T15:13:31Z", "2021-08-04T15:13:31+99"] {
        let order = read_one(&format!(
            r#"{{"order_id":"A","order_state":"SHIPPING","created_date":"{none}","order_lines":[]}}"#
        ));
        assert_eq!((order.created_date, order.unread_fields.len()), (None, 1), "{none}");
    }
}

#[test]
fn unknown_values_are_kept() {
    let order = order_with(
        r#","order_tax_mode":"TAX_ON_TUESDAYS""#,
        r#","order_line_state":"INCIDENT_OPEN""#,
    );
    assert_eq!(order.order_tax_mode.as_deref(), Some("TAX_ON_TUESDAYS"));
    assert_eq!(
        order.order_lines[0].order_line_state,
        Some(OrderState::Other("INCIDENT_OPEN".to_owned()))
    );
}

#[test]
fn quantities_and_ids_may_be_quoted_or_not() {
    let order = read_one(
        r#"{"order_id":1001,"order_state":"SHIPPING","order_lines":[{"order_line_id":139,"quantity":"2","price":"20.0000",
            "offer_sku":4711,"cancelations":[{"id":"c","quantity":null,"amount":1},{"id":"d","quantity":"3.0"}]}]}"#,
    );
    let line = &order.order_lines[0];
    assert_eq!(
        (order.order_id.as_str(), line.order_line_id.as_str(), line.quantity),
        ("1001", "139", 2)
    );
    assert_eq!(
        (line.price.to_string(), line.offer_sku.as_deref()),
        ("20.0000".to_owned(), Some("4711"))
    );
    let quantities: Vec<_> =
        line.cancelations.iter().map(|Cancelation { quantity, .. }| *quantity).collect();
    assert_eq!(quantities, [None, Some(3)]);
    for wrong in ["1.5", "-1", "null", "\"\"", "\"two\"", "4294967296", "true"] {
        let order = format!(
            r#"{{"order_id":"A","order_state":"SHIPPING","order_lines":[{{"order_line_id":"1","quantity":{wrong},"price":1}}]}}"#
        );
        assert_eq!(read(&order).unreadable.len(), 1, "{wrong}");
    }
}

#[test]
fn a_line_s_promotions_are_a_list_or_nothing() {
    assert!(order_with("", r#","promotions":{}"#).order_lines[0].promotions.is_empty());
    let order = order_with(
        "",
        r#","promotions":[{"id":"P1","deduced_amount":5.5,"configuration":{"type":"ALL"}},{}]"#,
    );
    assert_eq!(order.order_lines[0].promotions[0].deduced_amount.unwrap().to_string(), "5.5");
}

/// An odd order takes no neighbour of its page along and can still be accepted.
#[test]
fn an_odd_order_spares_its_page_and_stays_acceptable() {
    let good = r#"{"order_id":"G","order_state":"SHIPPING","order_lines":[]}"#;
    let page = read(&[
        good,
        r#"{"order_id":"B","order_state":"WAITING_ACCEPTANCE","customer":"Jane Roe","order_lines":[{"order_line_id":"B-1"},{"order_line_id":2}]}"#,
        r#"{"order_id":"C","order_state":"WAITING_ACCEPTANCE"}"#,
        r#"["Jane Roe"]"#,
        good,
    ].join(","));
    assert_eq!(
        (page.orders.len(), page.unreadable.len(), page.length, page.total_count),
        (2, 3, 5, None)
    );
    let acceptable = page.unreadable[0].acceptable.as_ref().unwrap();
    assert_eq!(
        (&acceptable.state, acceptable.order_line_ids.as_slice()),
        (&OrderState::WaitingAcceptance, ["B-1", "2"].map(str::to_owned).as_slice())
    );
    assert_eq!(
        (page.unreadable[1].order_id.as_deref(), &page.unreadable[1].acceptable),
        (Some("C"), &None)
    );
    assert_eq!(page.unreadable[2].order_id, None);
    assert!(!format!("{:?}", page.unreadable).contains("Jane"));
}

#[test]
fn what_is_not_needed_is_done_without_and_named_by_its_form() {
    let order = read_one(
        r#"{"order_id":"A","order_state":"SHIPPING","created_date":"2021-08-04T15:13:31Z","shipping_deadline":"04/08/2021","has_customer_message":"no",
            "channel":"web","total_commission":{"amount":3},"price":20.00,"customer":{"firstname":"Jane","civility":{}},
            "order_additional_fields":[{"code":"a","value":"1"},{"value":"2"},{"code":"b","value":{"x":1}}],
            "order_lines":[{"order_line_id":"1","quantity":2,"price":10.0000,"price_unit":"five","promotions":[{"id":{}}],"shipped_date":17,
                "refunds":[{"id":"r","amount":1.50,"quantity":"one","created_date":"soon","taxes":[{"amount":0.30,"code":{}}]}]}]}"#,
    );
    let (line, customer) = (&order.order_lines[0], order.customer.as_ref().unwrap());
    assert_eq!(
        (line.quantity, line.price.to_string(), customer.firstname.as_deref()),
        (2, "10.0000".to_owned(), Some("Jane"))
    );
    assert_eq!(
        (
            order.shipping_deadline,
            order.created_date.is_some(),
            order.order_additional_fields.len()
        ),
        (None, true, 2)
    );
    let refund = &line.refunds[0];
    assert_eq!(
        (refund.amount.unwrap().to_string(), refund.quantity, refund.taxes.len()),
        ("1.50".to_owned(), None, 1)
    );
    assert_eq!(
        order.unread_fields.len(),
        10,
        "no more are told of one order: {:?}",
        order.unread_fields
    );
    let told = order.unread_fields.join("; ");
    assert!(
        told.contains("customer.civility in form \"an object\"") && !told.contains("Jane"),
        "{told}"
    );
}

#[test]
fn what_is_needed_makes_the_order_unreadable() {
    let order = |fields: &str, line: &str| {
        format!(
            r#"{{"order_id":"A","order_state":"SHIPPING"{fields},"order_lines":[{{"order_line_id":"1","quantity":2,"price":10{line}}}]}}"#
        )
    };
    assert!(read(&order("", "")).unreadable.is_empty());
    for (fields, line) in [
        (r#","total_price":"ten""#, ""),
        (r#","customer":"Jane Roe""#, ""),
        (r#","customer":{"shipping_address":{"street_2":["x"]}}"#, ""),
        (r#","can_shop_ship":"maybe""#, ""),
        (r#","payment_workflow":{}"#, ""),
        ("", r#","shipping_price":"free""#),
        ("", r#","order_line_state":1"#),
        ("", r#","taxes":[{"code":"VAT","amount":"some"}]"#),
        ("", r#","taxes":"none""#),
        ("", r#","refunds":[{"amount":{}}]"#),
        ("", r#","cancelations":[7]"#),
    ] {
        let page = read(&order(fields, line));
        assert_eq!((page.orders.len(), page.unreadable.len()), (0, 1), "{fields}{line}");
    }
}

#[test]
fn what_is_no_page_is_an_error() {
    for body in
        ["", "{}", "[]", r#"{"orders":null}"#, r#"{"orders":[{"order_id":"A""#, "<html></html>"]
    {
        assert!(page::read(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn a_list_or_an_object_where_a_text_belongs_is_none() {
    for odd in [r#"{"a":1}"#, "[1]"] {
        let page = read(&format!(
            r#"{{"order_id":"A","order_state":"SHIPPING","commercial_id":{odd},"order_lines":[]}}"#
        ));
        assert_eq!((page.orders.len(), page.unreadable.len()), (0, 1), "{odd}");
    }
}

#[test]
fn an_order_survives_being_written_and_read_again() {
    let order = order_with(
        r#","created_date":"2021-08-04T16:13:31.5+01","channel":{"code":"UK","label":null},"paymentType":"CARD","price":"20.00",
            "order_additional_fields":[{"code":"a","value":["x","y"]},{"code":"b","type":"NUMERIC","value":4.50}]"#,
        r#","promotions":[{"id":"P1","deduced_amount":1}],"cancelations":[{"quantity":1}]"#,
    );
    let written = serde_json::to_string(&order).unwrap();
    assert_eq!(serde_json::from_str::<Order>(&written).unwrap(), order);
}

proptest! {
    #[test]
    fn every_moment_is_read_in_every_form(second in 0_i64..4_000_000_000, millisecond in 0_i64..1000, hours in -12_i64..=14) {
        let moment = Timestamp::from_millisecond(second * 1000 + millisecond).unwrap();
        let whole = Timestamp::from_second(second).unwrap();
        prop_assert_eq!(created(&moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()), Some(moment));
        prop_assert_eq!(created(&whole.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()), Some(whole));
        let local = Timestamp::from_second(second + hours * 3600).unwrap().strftime("%Y-%m-%dT%H:%M:%S").to_string();
        prop_assert_eq!(created(&format!("{local}{}{:02}", if hours < 0 { '-' } else { '+' }, hours.abs())), Some(whole));
    }

    #[test]
    fn amounts_keep_every_digit(units in -999_999_999_999_i64..=999_999_999_999, scale in 0_u32..=8, quoted: bool) {
        let amount = Decimal::new(units, scale);
        let text = if quoted { format!("\"{amount}\"") } else { amount.to_string() };
        let order = order_with(&format!(r#","total_price":{text}"#), "");
        prop_assert_eq!(order.total_price.unwrap().to_string(), amount.to_string());
    }

    #[test]
    fn additional_fields_of_any_type_become_texts(texts in proptest::collection::vec(".{0,12}", 0..4), number in any::<i64>(), yes: bool) {
        let fields = serde_json::json!([
            {"code": "list", "type": "MULTIPLE_VALUES_LIST", "value": texts}, {"code": "text", "value": texts.concat()},
            {"code": "number", "type": "NUMERIC", "value": number}, {"code": "boolean", "value": yes},
            {"code": "null", "value": null}, {"code": "absent"},
        ]);
        let order = order_with(&format!(r#","order_additional_fields":{fields}"#), "");
        let values: Vec<_> = order.order_additional_fields.into_iter().map(|AdditionalField { value, .. }| value).collect();
        prop_assert_eq!(values, vec![texts.clone(), vec![texts.concat()], vec![number.to_string()], vec![yes.to_string()], vec![], vec![]]);
    }

    #[test]
    fn nothing_makes_the_reader_panic(body in ".{0,200}", value in proptest::sample::select(vec!["{}", "[]", "\"\"", "1e999", "null", "\"é\"", "[[]]"])) {
        drop(page::read(body.as_bytes()));
        let field = |name: &str| format!(r#"{{"order_id":"A","order_state":"SHIPPING","{name}":{value},"order_lines":[]}}"#);
        for name in ["created_date", "price", "channel", "customer", "references", "order_additional_fields", "payment_type"] {
            prop_assert_eq!(page::read(format!(r#"{{"orders":[{}]}}"#, field(name)).as_bytes()).unwrap().length, 1);
        }
    }
}
