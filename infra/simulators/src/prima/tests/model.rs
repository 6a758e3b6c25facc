use jiff::{SignedDuration, Timestamp};

use super::super::model::Installation;
use super::super::order::{NewOrder, Refusal, Stage};
use super::super::settings::{Catalogue, OrderRules, RepeatedNumber, Sku};
use super::order;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn installation() -> Installation {
    Installation::new(OrderRules::default())
}

fn refusal(order: NewOrder, rules: OrderRules) -> String {
    let mut installation = Installation::new(rules);
    let refusal = installation.new_order(order, NOW).unwrap_err();
    assert!(installation.is_empty(), "a refused order has no effect");
    refusal.text
}

/// A repeated order makes a second one, unless the installation refuses it.
#[test]
fn a_repeated_order_is_doubled_unless_duplicates_are_refused() {
    let mut twice = installation();
    twice.new_order(order("201C1"), NOW).unwrap();
    twice.new_order(order("201C1"), NOW).unwrap();
    assert_eq!(twice.orders_by_number("201C1").len(), 2);
    assert_eq!(twice.totals().repeated, 1);
    let other_number = NewOrder { order_number: "201C2".to_owned(), ..order("201C1") };
    twice.new_order(other_number.clone(), NOW).unwrap();
    assert_eq!(twice.orders_by_third_party_id("201C1").len(), 3);
    assert_eq!(twice.totals().repeated, 2);

    let mut refused = Installation::new(OrderRules {
        repeated_number: RepeatedNumber::Refused,
        ..OrderRules::default()
    });
    refused.new_order(order("201C1"), NOW).unwrap();
    refused.new_order(order("201C1"), NOW).unwrap_err();
    refused.new_order(other_number, NOW).unwrap_err();
    assert_eq!(refused.len(), 1);
}

#[test]
fn an_effect_lands_when_its_time_comes_and_not_before() {
    let mut installation = installation();
    let later = NOW + SignedDuration::from_secs(90);
    installation.submit(order("201C1"), later);
    assert_eq!(
        installation.order_status("201C1", NOW).unwrap_err(),
        Refusal { text: "Order not found".to_owned() }
    );
    assert_eq!(installation.next_effect_at(), Some(later));
    assert_eq!(installation.order_status("201C1", later).unwrap().status, "Entered");
    assert_eq!(installation.orders_by_number("201C1")[0].entered_at, later);
    assert_eq!((installation.totals().late, installation.pending()), (1, 0));
}

#[test]
fn a_late_effect_after_an_impatient_repeat_makes_two_orders() {
    let mut installation = installation();
    let later = NOW + SignedDuration::from_secs(90);
    installation.submit(order("201C1"), later);
    installation.new_order(order("201C1"), NOW + SignedDuration::from_secs(30)).unwrap();
    installation.land(later);
    assert_eq!(installation.orders_by_number("201C1").len(), 2);
}

/// An order goes through its stages and is cancelled only before goods leave.
#[test]
fn orders_pass_their_stages_and_cancel_only_before_leaving() {
    let mut installation = installation();
    installation.new_order(order("A"), NOW).unwrap();
    installation.new_order(order("B"), NOW).unwrap();
    for stage in [Stage::Allocated, Stage::Picking, Stage::PartDispatched] {
        installation.move_to("A", stage.clone(), NOW).unwrap();
        assert_eq!(installation.order_status("A", NOW).unwrap().status, stage.as_str());
    }
    installation.cancel_order("A", "changed mind", NOW).unwrap_err();
    installation.move_to("A", Stage::Picking, NOW).unwrap_err();
    installation.move_to("A", Stage::Dispatched, NOW).unwrap();
    installation.cancel_order("B", "changed mind", NOW).unwrap();
    assert_eq!(installation.order_status("B", NOW).unwrap().status, "Cancelled");
    installation.cancel_order("B", "again", NOW).unwrap_err();
    installation.cancel_order("C", "unknown", NOW).unwrap_err();
}

/// An installation without `CancelOrder` says so, but a person still cancels.
#[test]
fn without_cancel_order_only_a_person_can_cancel() {
    let mut installation =
        Installation::new(OrderRules { cancel_order: false, ..OrderRules::default() });
    installation.new_order(order("A"), NOW).unwrap();
    assert_eq!(
        installation.cancel_order("A", "", NOW).unwrap_err().text,
        "Unknown request type: CancelOrder"
    );
    installation.move_to("A", Stage::Cancelled, NOW).unwrap();
}

#[test]
fn a_held_order_waits_for_a_person() {
    let mut installation = installation();
    installation
        .new_order(NewOrder { hold: Some("check the address".to_owned()), ..order("A") }, NOW)
        .unwrap();
    assert_eq!(installation.order_status("A", NOW).unwrap().status, "On Hold");
    installation.move_to("A", Stage::Picking, NOW).unwrap_err();
    installation.release("A", NOW).unwrap();
    installation.move_to("A", Stage::Picking, NOW).unwrap();
}

#[test]
fn an_order_that_is_not_valid_is_refused_with_the_reason() {
    let rules = OrderRules {
        charge_codes: Some(["RM24".to_owned()].into()),
        catalogue: Catalogue::Listed(vec![Sku {
            product: "DRESS1".to_owned(),
            matrix: ["NAVY", "12", "", ""].map(str::to_owned),
        }]),
        ..OrderRules::default()
    };
    Installation::new(rules.clone()).new_order(order("A"), NOW).unwrap();
    let with = |change: &dyn Fn(&mut NewOrder)| {
        let mut order = order("A");
        change(&mut order);
        refusal(order, rules.clone())
    };
    let cases = [
        (with(&|order| order.order_number.clear()), "OrderNumber is missing"),
        (with(&|order| order.order_number = "A".repeat(21)), "21 characters"),
        (with(&|order| order.order_number = "A_1".to_owned()), "not allowed"),
        (with(&|order| order.lines.clear()), "no lines"),
        (with(&|order| order.lines.push(order.lines[0].clone())), "appears twice"),
        (with(&|order| order.lines[0].product = "COAT".to_owned()), "Product COAT does not exist"),
        (with(&|order| order.lines[0].matrix[1] = "14".to_owned()), "Matrix NAVY/14"),
        (with(&|order| order.lines[0].quantity = 0), "Quantity 0"),
        (with(&|order| order.lines[0].price = "-1".parse().unwrap()), "Price -1"),
        (
            with(&|order| {
                drop(order.header.insert("OrderDate".to_owned(), "2026-01-31".to_owned()))
            }),
            "OrderDate",
        ),
        (
            with(&|order| {
                drop(order.header.insert("OrderDate".to_owned(), "31/02/2026".to_owned()))
            }),
            "OrderDate",
        ),
        (
            with(&|order| drop(order.attributes.insert("AddrLine1".to_owned(), "x".repeat(41)))),
            "AddrLine1 has 41 characters",
        ),
        (
            with(&|order| {
                drop(order.attributes.insert("VatInclusive".to_owned(), "true".to_owned()))
            }),
            "VatInclusive",
        ),
        (
            with(&|order| {
                order.charges.push(super::super::NewOrderCharge {
                    code: "X".to_owned(),
                    ..Default::default()
                })
            }),
            "Charge X does not exist",
        ),
    ];
    for (text, expected) in cases {
        assert!(text.contains(expected), "{text:?} does not say {expected:?}");
    }
}

#[test]
fn forgotten_orders_leave_nothing_behind() {
    let mut installation = installation();
    installation.new_order(order("A"), NOW).unwrap();
    assert_eq!(installation.forget("A"), 1);
    assert!(installation.is_empty());
    installation.new_order(order("A"), NOW).unwrap();
    assert_eq!(installation.totals().repeated, 0);
}
