//! Cancelations: pieces and amounts that are taken out of a line.

use jiff::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};

use super::order::{Cancelation, Cause, Fee, Order, OrderLine, Refund, State, Tax};

/// The operator's reason code for what a customer cancelled.
pub(super) const BY_CUSTOMER: &str = "CANCELED_BY_CUSTOMER";

/// Cancels what is left of an order.
pub(super) fn cancel_all(order: &mut Order, cause: Cause, at: Timestamp) {
    for line in
        order.lines.iter_mut().filter(|line| line.quantity > 0 && line.state != State::Refused)
    {
        take_back(line, line.quantity, at, BY_CUSTOMER);
    }
    order.due = None;
    order.cause = Some(cause);
    order.enter(State::Canceled);
}

/// Takes pieces out of a line, with their share of all its amounts; the last piece takes what is
/// left. What was refunded before is not given back again.
pub(super) fn take_back(line: &mut OrderLine, quantity: u32, at: Timestamp, reason_code: &str) {
    let (of, all) = (line.quantity, line.quantity == quantity);
    let share = |amount: Decimal| {
        if all || of == 0 {
            amount
        } else {
            let share = amount * Decimal::from(quantity) / Decimal::from(of);
            share.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
        }
    };
    let out = |taxes: &mut Vec<Tax>, refunded: &[Tax]| -> Vec<Tax> {
        let taken = taxes.iter_mut().map(|tax| {
            let refunded: Decimal = refunded
                .iter()
                .filter(|other| other.code == tax.code)
                .map(|other| other.amount)
                .sum();
            let (amount, left) = (share(tax.amount), (tax.amount - refunded).max(Decimal::ZERO));
            tax.amount -= amount;
            Tax { amount: amount.min(left), ..tax.clone() }
        });
        taken.collect()
    };
    let refunded = |of: fn(&Refund) -> &Vec<Tax>| -> Vec<Tax> {
        line.refunds.iter().flat_map(of).cloned().collect()
    };
    let (taxes_back, shipping_taxes_back) =
        (refunded(|refund| &refund.taxes), refunded(|refund| &refund.shipping_taxes));
    let (goods_left, shipping_left, shipping) =
        (line.goods_left(), line.shipping_left(), share(line.shipping_price));
    let fees = line.fees.iter_mut().map(|fee| {
        let amount = share(fee.amount);
        fee.amount -= amount;
        Fee { amount, ..fee.clone() }
    });
    let cancelation = Cancelation {
        fees: fees.collect(),
        id: format!("{}-C{}", line.order_line_id, line.cancelations.len() + 1),
        quantity,
        amount: (line.price_unit * Decimal::from(quantity)).min(goods_left),
        shipping_amount: shipping.min(shipping_left),
        taxes: out(&mut line.taxes, &taxes_back),
        shipping_taxes: out(&mut line.shipping_taxes, &shipping_taxes_back),
        commission_fee: share(line.commission_fee),
        commission_tax: share(line.commission_tax),
        created: at,
        reason_code: reason_code.to_owned(),
    };
    line.quantity -= quantity;
    line.shipping_price -= shipping;
    line.commission_fee -= cancelation.commission_fee;
    line.commission_tax -= cancelation.commission_tax;
    line.cancelations.push(cancelation);
    if all {
        line.state = State::Canceled;
    }
}
