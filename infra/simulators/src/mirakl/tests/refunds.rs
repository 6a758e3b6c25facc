//! Refunds: what is left of a line, its taxes, and the shop's balance.

use rust_decimal::Decimal;

use super::super::model::{LineSettlement, Marketplace, Order, Refund, Refusal, Settings};
use super::*;

fn paid_order(settings: Settings) -> (Marketplace, Order) {
    let mut marketplace =
        Marketplace::new(Settings { debit_seconds: 0, automatic_acceptance: true, ..settings });
    let order = an_order(1, 1);
    assert!(marketplace.place(order.clone(), start()));
    marketplace.advance(start());
    (marketplace, order)
}

fn refund(
    marketplace: &mut Marketplace,
    order: &Order,
    amount: Decimal,
    taxes: &[(&str, Decimal)],
) -> Result<Refund, Refusal> {
    let settlement = LineSettlement {
        order_line_id: order.lines[0].order_line_id.clone(),
        quantity: 0,
        amount,
        shipping_amount: Decimal::ZERO,
        taxes: taxes.iter().map(|(code, amount)| ((*code).to_owned(), *amount)).collect(),
        shipping_taxes: Vec::new(),
        reason_code: "R".to_owned(),
        excluded_from_shipment: false,
    };
    marketplace.refund_by_seller(SHOP, &[settlement], after(10)).map(|made| made[0].clone())
}

#[test]
fn mirakl_computes_taxes_and_the_last_part_takes_what_is_left() {
    let (mut marketplace, order) = paid_order(Settings::default());
    let (price, tax) = (order.lines[0].price(), order.lines[0].taxes[0].amount);
    let first =
        refund(&mut marketplace, &order, (price / Decimal::from(3)).round_dp(2), &[]).unwrap();
    let rest = marketplace.order(&order.order_id).unwrap().lines[0].goods_left();
    assert!(
        refund(&mut marketplace, &order, rest + Decimal::new(1, 2), &[]).is_err(),
        "no more than there is"
    );
    let second = refund(&mut marketplace, &order, rest, &[]).unwrap();
    assert_eq!(
        (first.amount + second.amount, first.taxes[0].amount + second.taxes[0].amount),
        (price, tax)
    );
    assert!(second.order_refund_id != first.order_refund_id && second.id != first.id);
    assert!(refund(&mut marketplace, &order, Decimal::ZERO, &[]).is_err(), "nothing is no refund");
}

#[test]
fn a_tax_that_the_seller_gives_is_needed_and_bounded_by_itself() {
    let (mut marketplace, order) =
        paid_order(Settings { taxes_proportional: false, ..Settings::default() });
    let (price, tax) = (order.lines[0].price(), order.lines[0].taxes[0].amount);
    let half = (price / Decimal::TWO).round_dp(2);
    assert_eq!(
        refund(&mut marketplace, &order, half, &[]).unwrap_err().message,
        "Taxes are required"
    );
    assert!(refund(&mut marketplace, &order, half, &[("VAT", tax + Decimal::ONE)]).is_err());
    assert!(refund(&mut marketplace, &order, half, &[("OTHER", Decimal::ONE)]).is_err());
    refund(&mut marketplace, &order, half, &[("VAT", tax)]).unwrap();
    assert!(
        refund(&mut marketplace, &order, price - half, &[("VAT", tax)]).is_err(),
        "the whole tax was given back already"
    );
    refund(&mut marketplace, &order, price - half, &[]).unwrap();
}

#[test]
fn refunds_draw_on_the_balance() {
    let (mut marketplace, order) =
        paid_order(Settings { payable_balance: Some(150), ..Settings::default() });
    refund(&mut marketplace, &order, Decimal::ONE, &[]).unwrap();
    let refused = refund(&mut marketplace, &order, Decimal::ONE, &[]).unwrap_err();
    assert_eq!(
        (refused.status, refused.message.as_str()),
        (400, "The shop does not have a sufficient payable balance for the refund")
    );
    refund(&mut marketplace, &order, Decimal::new(50, 2), &[]).unwrap();
}
