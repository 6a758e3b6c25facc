//! The marketplace without network.

use rust_decimal::Decimal;

use super::super::model::{
    Cause, Decision, Filter, Marketplace, OperatorRefund, Order, Settings, State,
};
use super::*;

fn marketplace(settings: Settings) -> Marketplace {
    Marketplace::new(settings)
}

fn decide(order: &Order, accepted: impl Fn(usize) -> bool) -> Vec<(String, bool)> {
    order
        .lines
        .iter()
        .enumerate()
        .map(|(index, line)| (line.order_line_id.clone(), accepted(index)))
        .collect()
}

fn accept(
    marketplace: &mut Marketplace,
    order_id: &str,
    decisions: &[(String, bool)],
    at: i64,
) -> Result<(), &'static str> {
    let decisions: Vec<Decision<'_>> = decisions
        .iter()
        .map(|(id, accepted)| Decision { order_line_id: id, accepted: *accepted })
        .collect();
    marketplace.accept(SHOP, order_id, &decisions, after(at)).map_err(|refusal| refusal.code)
}

/// A marketplace with one order; and that order.
fn with_order(settings: Settings, lines: usize) -> (Marketplace, Order) {
    let mut marketplace = marketplace(settings);
    let order = an_order(1, lines);
    assert!(marketplace.place(order.clone(), start()));
    (marketplace, order)
}

fn state(marketplace: &Marketplace, order: &Order) -> State {
    marketplace.order(&order.order_id).unwrap().state
}

#[test]
fn an_accepted_order_is_paid_and_then_may_be_shipped() {
    let settings = Settings {
        staging_seconds: 5,
        debit_seconds: 10,
        payment_seconds: Some(20),
        ..Settings::default()
    };
    let (mut marketplace, order) = with_order(settings, 2);
    assert_eq!(state(&marketplace, &order), State::Staging);
    assert_eq!(
        accept(&mut marketplace, &order.order_id, &decide(&order, |_| true), 1),
        Err("ORDER_INVALID_STATE")
    );
    marketplace.advance(after(5));
    assert_eq!(state(&marketplace, &order), State::WaitingAcceptance);
    accept(&mut marketplace, &order.order_id, &decide(&order, |_| true), 6).unwrap();
    assert_eq!(state(&marketplace, &order), State::WaitingDebit);
    assert!(!marketplace.ship(&order.order_id, after(7)));
    marketplace.advance(after(16));
    assert_eq!(state(&marketplace, &order), State::WaitingDebitPayment);
    assert_eq!(marketplace.next_due().unwrap().min(after(36)), after(36));
    // A clock that jumps far ahead moves the order at its own time.
    marketplace.advance(after(5000));
    let paid = marketplace.order(&order.order_id).unwrap();
    assert_eq!((paid.state, paid.last_updated), (State::Shipping, after(36)));
    assert_eq!(
        (paid.accepted_at, paid.acceptance_decision_date, paid.accept_calls),
        (Some(after(6)), Some(after(6)), 2)
    );
    assert!(marketplace.ship(&order.order_id, after(5001)));
    assert!(
        !marketplace.cancel(&order.order_id, after(5002)),
        "a shipped order is refunded, not cancelled"
    );
    assert_eq!(marketplace.take_ended(after(9999)).len(), 1);
    assert!(marketplace.is_empty() && marketplace.order(&order.order_id).is_none());
}

#[test]
fn times_of_zero_still_pass_every_state() {
    let settings = Settings { debit_seconds: 0, automatic_acceptance: true, ..Settings::default() };
    let (mut marketplace, order) = with_order(settings, 1);
    marketplace.advance(start());
    let paid = marketplace.order(&order.order_id).unwrap();
    assert_eq!(
        (paid.state, paid.acceptance_decision_date, paid.accepted_at),
        (State::Shipping, None, Some(start()))
    );
}

#[test]
fn what_is_not_answered_in_time_is_refused() {
    let (mut marketplace, order) =
        with_order(Settings { acceptance_window_seconds: 100, ..Settings::default() }, 1);
    marketplace.advance(after(99));
    assert_eq!(state(&marketplace, &order), State::WaitingAcceptance);
    marketplace.advance(after(100));
    assert_eq!(
        marketplace.order(&order.order_id).unwrap().cause.map(Cause::code),
        Some("ACCEPTANCE_TIMEOUT")
    );
    assert_eq!(
        accept(&mut marketplace, &order.order_id, &decide(&order, |_| true), 101),
        Err("ORDER_INVALID_STATE")
    );
}

#[test]
fn every_line_is_decided_in_one_call() {
    let (mut marketplace, order) =
        with_order(Settings { partial_acceptance: false, ..Settings::default() }, 3);
    let id = order.order_id.as_str();
    let all = decide(&order, |_| true);
    assert_eq!(accept(&mut marketplace, "NONE-A", &all, 1), Err("ORDER_NOT_FOUND"));
    assert_eq!(
        accept(&mut marketplace, id, &all[..2], 1),
        Err("ORDER_LINE_ACCEPTANCE_DECISION_MISSING")
    );
    assert_eq!(
        accept(&mut marketplace, id, &[&all[..], &all[..1]].concat(), 1),
        Err("ORDER_LINE_DUPLICATE_ID")
    );
    assert_eq!(
        accept(&mut marketplace, id, &[("OTHER-1".to_owned(), true)], 1),
        Err("ORDER_LINE_NOT_FOUND")
    );
    assert_eq!(
        accept(&mut marketplace, id, &decide(&order, |index| index > 0), 1),
        Err("ORDER_PARTIAL_ACCEPTANCE_DISABLED")
    );
    assert_eq!(
        marketplace.order(id).unwrap().last_updated,
        start(),
        "a refused call changes nothing"
    );
    accept(&mut marketplace, id, &all, 2).unwrap();
    assert_eq!(accept(&mut marketplace, id, &all, 3), Err("ORDER_INVALID_STATE"));
}

#[test]
fn a_refused_line_belongs_to_no_total() {
    let (mut marketplace, order) = with_order(Settings::default(), 2);
    accept(&mut marketplace, &order.order_id, &decide(&order, |index| index == 1), 1).unwrap();
    let after_it = marketplace.order(&order.order_id).unwrap();
    assert_eq!(after_it.lines[0].state, State::Refused);
    assert_eq!(after_it.lines[0].price(), order.lines[0].price());
    assert_eq!(after_it.total_price(), order.lines[1].total_price());
}

#[test]
fn cancelled_pieces_are_deducted_and_add_up_to_what_was_ordered() {
    let (mut marketplace, _) = with_order(Settings::default(), 1);
    let mut order = an_order(2, 2);
    for line in &mut order.lines {
        line.quantity = 3;
    }
    let id = order.order_id.clone();
    let line_id = order.lines[0].order_line_id.clone();
    marketplace.place(order.clone(), start());
    assert!(!marketplace.cancel_line(&id, &line_id, 4, after(1)));
    assert!(marketplace.cancel_line(&id, &line_id, 1, after(1)));
    assert!(marketplace.cancel_line(&id, &line_id, 2, after(2)));
    let line = &marketplace.order(&id).unwrap().lines[0];
    assert_eq!((line.quantity, line.ordered_quantity(), line.state), (0, 3, State::Canceled));
    assert_eq!((line.total_price(), line.total_commission()), (Decimal::ZERO, Decimal::ZERO));
    let back: Decimal = line.cancelations.iter().map(|one| one.shipping_amount).sum();
    assert_eq!(back, order.lines[0].shipping_price);
    let tax_back: Decimal =
        line.cancelations.iter().flat_map(|one| &one.taxes).map(|tax| tax.amount).sum();
    assert_eq!(tax_back, order.lines[0].taxes[0].amount);
    // The other line lives on, and the decision need not name the cancelled one.
    let rest = vec![(order.lines[1].order_line_id.clone(), true)];
    accept(&mut marketplace, &id, &rest, 3).unwrap();
    assert!(marketplace.cancel_line(&id, &rest[0].0, 3, after(4)));
    let ended = marketplace.order(&id).unwrap();
    assert_eq!((ended.state, ended.total_price()), (State::Canceled, Decimal::ZERO));
    marketplace.advance(after(100_000));
    assert_eq!(marketplace.order(&id).unwrap().state, State::Canceled, "no timer wakes it");
}

#[test]
fn a_payment_that_fails_cancels_an_accepted_order() {
    let (mut marketplace, order) = with_order(Settings::default(), 1);
    accept(&mut marketplace, &order.order_id, &decide(&order, |_| true), 1).unwrap();
    assert!(marketplace.refuse_payment(&order.order_id, after(2)));
    marketplace.advance(after(1000));
    let ended = marketplace.order(&order.order_id).unwrap();
    assert_eq!(
        (ended.state, ended.cause, ended.total_price()),
        (State::Canceled, Some(Cause::PaymentRefused), Decimal::ZERO)
    );
}

#[test]
fn listings_use_every_index_alike() {
    let mut marketplace = marketplace(Settings { update_delta_seconds: 10, ..Settings::default() });
    for number in 1..=50 {
        marketplace.place(an_order(number, 1), after(i64::try_from(number).unwrap()));
    }
    let id = |number: u64| format!("M{SHOP}-{number:06}-A");
    marketplace.cancel(&id(3), after(500));
    marketplace.write_reference(SHOP, &id(4), "P-4", after(600)).unwrap();
    marketplace.write_reference(SHOP, &id(4), "P-4b", after(601)).unwrap();
    let ids = |filter: &Filter, offset, max| {
        let page = marketplace.list_orders(SHOP, filter, offset, max);
        (page.orders.iter().map(|order| order.order_id.clone()).collect::<Vec<_>>(), page.total)
    };
    let all = Filter::default();
    assert_eq!(ids(&all, 48, 10), (vec![id(49), id(50)], 50));
    let waiting = Filter { states: Some(vec![State::WaitingAcceptance]), ..Filter::default() };
    assert_eq!(ids(&waiting, 1, 2), (vec![id(2), id(4)], 49));
    let ended =
        Filter { states: Some(vec![State::Canceled, State::Shipping]), ..Filter::default() };
    assert_eq!(ids(&ended, 0, 10), (vec![id(3)], 1));
    // 611 less the delta of 10 is 601; an order updated right then is still in.
    let late = |at| Filter { updated_from: Some(after(at)), ..Filter::default() };
    assert_eq!(ids(&late(611), 0, 10), (vec![id(4)], 1));
    assert_eq!(ids(&late(612), 0, 10), (vec![], 0));
    let by_reference = |reference: &str| Filter {
        seller_references: Some(vec![reference.to_owned()]),
        ..Filter::default()
    };
    assert_eq!(ids(&by_reference("P-4b"), 0, 10), (vec![id(4)], 1));
    assert_eq!(ids(&by_reference("P-4"), 0, 10), (vec![], 0));
    let by_id =
        Filter { order_ids: Some(vec![id(9), id(7), "NONE".to_owned()]), ..Filter::default() };
    assert_eq!(ids(&by_id, 0, 10), (vec![id(7), id(9)], 2));
    assert_eq!(marketplace.list_orders(SHOP + 1, &all, 0, 10).total, 0);
    assert_eq!(marketplace.open_orders(SHOP).count(), 49);
}

#[test]
fn the_same_seed_makes_the_same_orders_with_all_their_oddities() {
    let orders: Vec<Order> = (0..400).map(|number| an_order(number, 2)).collect();
    assert_eq!(orders, (0..400).map(|number| an_order(number, 2)).collect::<Vec<_>>());
    let any = |has: &dyn Fn(&Order) -> bool| orders.iter().any(has);
    assert!(any(&|order| order.lines[0].offer_sku == order.lines[1].offer_sku));
    assert!(any(&|order| order.customer.organization.is_some()));
    assert!(any(&|order| order.shipping_pudo_id.is_some()));
    assert!(any(&|order| order.lines[0].promotion.is_some()));
    assert!(any(&|order| order.has_customer_message));
    assert!(any(&|order| order.customer.shipping_address.street_1.chars().count() > 80));
    for order in &orders {
        assert!(
            order
                .lines
                .iter()
                .all(|line| !line.taxes.is_empty() && !line.offer_sku.starts_with("NOSUCH"))
        );
    }
}

#[test]
fn a_refunded_order_ends_as_closed_and_never_as_cancelled() {
    let settings = Settings { debit_seconds: 0, automatic_acceptance: true, ..Settings::default() };
    let (mut marketplace, order) = with_order(settings, 2);
    let id = order.order_id.clone();
    marketplace.advance(after(1));
    assert_eq!(state(&marketplace, &order), State::Shipping);
    let piece = |amount: Decimal, quantity: u32| {
        vec![OperatorRefund {
            order_line_id: order.lines[0].order_line_id.clone(),
            quantity,
            amount,
            shipping_amount: Decimal::ZERO,
        }]
    };
    let unit = order.lines[0].price_unit;
    assert!(marketplace.refund(&id, &piece(Decimal::ONE, 0), after(2)), "goodwill");
    assert!(
        !marketplace.refund(&id, &piece(order.lines[0].price(), 1), after(3)),
        "more than is left"
    );
    assert!(!marketplace.refund(&id, &[], after(3)));
    let line = |marketplace: &Marketplace| marketplace.order(&id).unwrap().lines[0].clone();
    assert_eq!(
        (line(&marketplace).state, line(&marketplace).to_ship()),
        (State::Shipping, order.lines[0].quantity)
    );
    if order.lines[0].quantity > 1 {
        assert!(marketplace.refund(&id, &piece(unit, 1), after(4)));
        assert_eq!(line(&marketplace).to_ship(), order.lines[0].quantity - 1);
    }
    assert!(marketplace.refund_all(&id, after(5)));
    let refunded = marketplace.order(&id).unwrap();
    assert!(
        refunded.fully_refunded()
            && refunded
                .lines
                .iter()
                .all(|line| line.state == State::Refunded && line.to_ship() == 0)
    );
    assert!(
        !marketplace.ship(&id, after(6))
            && marketplace.ship_by_seller(SHOP, &id, after(6)).is_err()
    );
    marketplace.advance(after(3600));
    let closed = marketplace.order(&id).unwrap();
    assert_eq!((closed.state, closed.shipped_date, closed.cause), (State::Closed, None, None));
    assert!(closed.lines.iter().all(|line| line.state == State::Closed));
    assert!(!marketplace.refund_all(&id, after(3601)), "a closed order is not refunded");
}

/// Now and then an order is paid later, has a fee or has a country code of its own.
#[test]
fn some_orders_pay_later_carry_fees_or_odd_country_codes() {
    let mut marketplace = marketplace(Settings {
        debit_seconds: 0,
        automatic_acceptance: true,
        ..Settings::default()
    });
    let orders: Vec<Order> = (1..=60).map(|number| an_order(number, 2)).collect();
    for order in &orders {
        assert!(marketplace.place(order.clone(), start()));
    }
    marketplace.advance(after(60));
    let of = |workflow: &str| {
        marketplace
            .orders()
            .filter(|order| order.payment_workflow == workflow)
            .cloned()
            .collect::<Vec<_>>()
    };
    for workflow in ["PAY_ON_DUE_DATE", "PAY_ON_SHIPMENT", "NO_CUSTOMER_PAYMENT_CONFIRMATION"] {
        let unpaid = of(workflow);
        assert!(
            !unpaid.is_empty()
                && unpaid
                    .iter()
                    .all(|order| order.state == State::Shipping
                        && order.customer_debited_date.is_none())
        );
    }
    assert!(of("PAY_ON_ACCEPTANCE").iter().all(|order| order.customer_debited_date.is_some()));
    let with_fee =
        orders.iter().find(|order| order.lines.iter().any(|line| !line.fees.is_empty())).unwrap();
    assert_eq!(
        with_fee.total_price(),
        with_fee.price() + with_fee.shipping_price() + Decimal::new(75, 2)
    );
    assert!(orders.iter().any(|order| order.customer.shipping_address.country_iso_code == "UK"));
    let later = of("PAY_ON_SHIPMENT")[0].order_id.clone();
    assert!(marketplace.ship(&later, after(61)));
    assert_eq!(marketplace.order(&later).unwrap().customer_debited_date, Some(after(61)));
    assert!(marketplace.cancel(&with_fee.order_id, after(62)));
    let cancelled = marketplace.order(&with_fee.order_id).unwrap();
    assert_eq!(
        (cancelled.total_price(), cancelled.lines[0].cancelations[0].fees[0].amount),
        (Decimal::ZERO, Decimal::new(75, 2))
    );
}
