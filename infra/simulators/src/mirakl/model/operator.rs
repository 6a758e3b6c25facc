//! What people in the marketplace's back office do: cancel, ship, refuse a payment.

use jiff::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};

use super::Marketplace;
use super::order::{Cancelation, Cause, Fee, Order, OrderLine, State, Tax};
use super::pace::Pace;

/// The operator's reason code for what a customer cancelled.
const BY_CUSTOMER: &str = "CANCELED_BY_CUSTOMER";

impl Marketplace {
    /// The operator cancels an order. False where it is too late for that, or there is no such order.
    pub fn cancel(&mut self, order_id: &str, now: Timestamp) -> bool {
        self.if_open(order_id, now, |order, _| cancel_all(order, Cause::CanceledByOperator, now))
    }

    /// The operator cancels pieces of a line; the order with its last piece. False where there are not so many to cancel.
    pub fn cancel_line(&mut self, order_id: &str, order_line_id: &str, quantity: u32, now: Timestamp) -> bool {
        let cancellable = |line: &OrderLine| {
            line.order_line_id == order_line_id && line.quantity >= quantity && quantity > 0 && line.state != State::Refused
        };
        if !self.order(order_id).is_some_and(|order| order.lines.iter().any(cancellable)) {
            return false;
        }
        self.if_open(order_id, now, |order, _| {
            for line in order.lines.iter_mut().filter(|line| cancellable(line)) {
                take_back(line, quantity, now, BY_CUSTOMER);
            }
            if order.lines.iter().all(|line| matches!(line.state, State::Canceled | State::Refused)) {
                cancel_all(order, Cause::CanceledByOperator, now);
            }
        })
    }

    /// A person ships an order. False where it is not in SHIPPING.
    pub fn ship(&mut self, order_id: &str, now: Timestamp) -> bool {
        if !self.order(order_id).is_some_and(Order::can_shop_ship) {
            return false;
        }
        self.if_open(order_id, now, |order, pace| pace.shipped(order, now))
    }

    /// The payment of an order will fail once it is asked for. False where it was paid, or ended, already.
    pub fn refuse_payment(&mut self, order_id: &str, now: Timestamp) -> bool {
        if self.order(order_id).is_some_and(|order| order.state == State::Shipping) {
            return false;
        }
        self.if_open(order_id, now, |order, _| order.payment_fails = true)
    }

    fn if_open(&mut self, order_id: &str, now: Timestamp, change: impl FnOnce(&mut Order, Pace)) -> bool {
        let pace = Pace::of(&self.settings);
        let Some(number) = self.by_id.get(order_id).copied() else { return false };
        if !self.orders.get(&number).is_some_and(|order| order.state.is_open()) {
            return false;
        }
        self.change(number, now, |order| change(order, pace)).is_some()
    }
}

/// Cancels what is left of an order.
pub(super) fn cancel_all(order: &mut Order, cause: Cause, at: Timestamp) {
    for line in order.lines.iter_mut().filter(|line| line.quantity > 0 && line.state != State::Refused) {
        take_back(line, line.quantity, at, BY_CUSTOMER);
    }
    order.due = None;
    order.cause = Some(cause);
    order.enter(State::Canceled);
}

/// Takes pieces out of a line, with their share of all its amounts; the last piece takes what is left.
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
    let out = |taxes: &mut Vec<Tax>| -> Vec<Tax> {
        let taken = taxes.iter_mut().map(|tax| {
            let amount = share(tax.amount);
            tax.amount -= amount;
            Tax { amount, ..tax.clone() }
        });
        taken.collect()
    };
    let fees = line.fees.iter_mut().map(|fee| {
        let amount = share(fee.amount);
        fee.amount -= amount;
        Fee { amount, ..fee.clone() }
    });
    let cancelation = Cancelation {
        fees: fees.collect(),
        id: format!("{}-C{}", line.order_line_id, line.cancelations.len() + 1),
        quantity,
        amount: line.price_unit * Decimal::from(quantity),
        shipping_amount: share(line.shipping_price),
        taxes: out(&mut line.taxes),
        shipping_taxes: out(&mut line.shipping_taxes),
        commission_fee: share(line.commission_fee),
        commission_tax: share(line.commission_tax),
        created: at,
        reason_code: reason_code.to_owned(),
    };
    line.quantity -= quantity;
    line.shipping_price -= cancelation.shipping_amount;
    line.commission_fee -= cancelation.commission_fee;
    line.commission_tax -= cancelation.commission_tax;
    line.cancelations.push(cancelation);
    if all {
        line.state = State::Canceled;
    }
}
