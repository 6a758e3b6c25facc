//! What people in the marketplace's back office do: cancel, ship, refuse a payment.

use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::cancelation::{BY_CUSTOMER, cancel_all, take_back};
use super::marketplace::Marketplace;
use super::order::{Cause, Order, OrderLine, Refund, State};
use super::pace::Pace;

/// How long a marketplace keeps an order open that it has refunded as a whole.
const CLOSES_AFTER: Duration = Duration::from_secs(60);

/// What customer care gives back of a line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct OperatorRefund {
    pub order_line_id: String,
    /// Informative: 0 where pieces are not spoken of.
    #[serde(default)]
    pub quantity: u32,
    pub amount: Decimal,
    #[serde(default)]
    pub shipping_amount: Decimal,
}

impl Marketplace {
    /// Customer care refunds parts of an order that is paid. A line of which the whole price is
    /// given back is REFUNDED; an order of which everything is, before it left, ends as CLOSED,
    /// never as CANCELED. False where it is not paid, is closed, or has not so much left.
    pub fn refund(&mut self, order_id: &str, refunds: &[OperatorRefund], now: Timestamp) -> bool {
        let Some(number) = self.by_id.get(order_id).copied() else { return false };
        let Some(order) = self.orders.get(&number).filter(|order| {
            order.state.is_paid()
                && order.state != State::Closed
                && order.customer_debited_date.is_some()
        }) else {
            return false;
        };
        let fits = |refund: &OperatorRefund| {
            let line = order.lines.iter().find(|line| line.order_line_id == refund.order_line_id);
            line.is_some_and(|line| {
                let goods: Decimal = line.refunds.iter().map(|earlier| earlier.amount).sum();
                let shipping: Decimal =
                    line.refunds.iter().map(|earlier| earlier.shipping_amount).sum();
                let is_live = !matches!(line.state, State::Canceled | State::Refused);
                is_live
                    && goods + refund.amount <= line.price()
                    && shipping + refund.shipping_amount <= line.shipping_price
            })
        };
        if refunds.is_empty() || !refunds.iter().all(fits) {
            return false;
        }
        self.change(number, now, |order| {
            let order_refund_id = format!(
                "{order_id}-R{}",
                order.lines.iter().map(|line| line.refunds.len()).sum::<usize>() + 1
            );
            let is_to_leave = order.state == State::Shipping;
            for refund in refunds {
                for line in
                    order.lines.iter_mut().filter(|line| line.order_line_id == refund.order_line_id)
                {
                    let id = format!("{}-R{}", line.order_line_id, line.refunds.len() + 1);
                    let quantity = refund.quantity.min(line.to_ship());
                    let (taxes, shipping_taxes) =
                        line.computed_taxes(refund.amount, refund.shipping_amount);
                    line.refunds.push(Refund {
                        id,
                        order_refund_id: order_refund_id.clone(),
                        quantity: if is_to_leave { quantity } else { refund.quantity },
                        amount: refund.amount,
                        shipping_amount: refund.shipping_amount,
                        taxes,
                        shipping_taxes,
                        reason_code: BY_CUSTOMER.to_owned(),
                        excluded_from_shipment: is_to_leave && quantity > 0,
                        created: now,
                    });
                    if line.is_refunded() {
                        line.state = State::Refunded;
                    }
                }
            }
            if is_to_leave && order.fully_refunded() {
                order.due = Some(now + CLOSES_AFTER);
            }
        });
        true
    }

    /// Customer care refunds all that is left of an order, without a word of pieces.
    pub fn refund_all(&mut self, order_id: &str, now: Timestamp) -> bool {
        let Some(order) = self.order(order_id) else { return false };
        let lines = order.lines.iter().filter(|line| {
            !matches!(line.state, State::Canceled | State::Refused) && !line.is_refunded()
        });
        let rest = lines.map(|line| OperatorRefund {
            order_line_id: line.order_line_id.clone(),
            quantity: 0,
            amount: line.price() - line.refunds.iter().map(|refund| refund.amount).sum::<Decimal>(),
            shipping_amount: line.shipping_price
                - line.refunds.iter().map(|refund| refund.shipping_amount).sum::<Decimal>(),
        });
        let rest: Vec<_> = rest.collect();
        self.refund(order_id, &rest, now)
    }

    /// The operator cancels an order. False where it is too late for that, or there is no such
    /// order.
    pub fn cancel(&mut self, order_id: &str, now: Timestamp) -> bool {
        self.if_open(order_id, now, |order, _| cancel_all(order, Cause::CanceledByOperator, now))
    }

    /// The operator cancels pieces of a line; the order with its last piece. False where there are
    /// not so many to cancel.
    pub fn cancel_line(
        &mut self,
        order_id: &str,
        order_line_id: &str,
        quantity: u32,
        now: Timestamp,
    ) -> bool {
        let cancellable = |line: &OrderLine| {
            line.order_line_id == order_line_id
                && line.quantity >= quantity
                && quantity > 0
                && line.state != State::Refused
        };
        if !self.order(order_id).is_some_and(|order| order.lines.iter().any(cancellable)) {
            return false;
        }
        self.if_open(order_id, now, |order, _| {
            for line in order.lines.iter_mut().filter(|line| cancellable(line)) {
                take_back(line, quantity, now, BY_CUSTOMER);
            }
            if order.lines.iter().all(|line| matches!(line.state, State::Canceled | State::Refused))
            {
                cancel_all(order, Cause::CanceledByOperator, now);
            }
        })
    }

    /// A person ships an order. False where it is not in SHIPPING.
    pub fn ship(&mut self, order_id: &str, now: Timestamp) -> bool {
        if !self
            .order(order_id)
            .is_some_and(|order| order.state == State::Shipping && !order.fully_refunded())
        {
            return false;
        }
        self.if_open(order_id, now, |order, pace| pace.shipped(order, now))
    }

    /// The customer pays an order that is accepted: before it may be shipped, or while the seller is
    /// at work. False where it is not accepted, was paid before, or has ended.
    pub fn debit(&mut self, order_id: &str, now: Timestamp) -> bool {
        let is_owed = |order: &Order| order.accepted_at.is_some() && order.state.is_open();
        if !self.order(order_id).is_some_and(is_owed) {
            return false;
        }
        self.if_open(order_id, now, |order, _| {
            order.customer_debited_date.get_or_insert(now);
            if order.state != State::Shipping {
                order.due = None;
                order.enter(State::Shipping);
            }
        })
    }

    /// The operator closes an order that was shipped, or of which everything is refunded. False
    /// where it is neither.
    pub fn close(&mut self, order_id: &str, now: Timestamp) -> bool {
        self.end_as(State::Closed, order_id, now)
    }

    /// An old platform says of an order itself that it is refunded. False where not all of it is.
    pub fn enter_refunded(&mut self, order_id: &str, now: Timestamp) -> bool {
        self.order(order_id).is_some_and(Order::fully_refunded)
            && self.end_as(State::Refunded, order_id, now)
    }

    fn end_as(&mut self, state: State, order_id: &str, now: Timestamp) -> bool {
        let may_end = |order: &Order| match order.state {
            State::Shipping => order.fully_refunded(),
            state => state.is_paid() && state != State::Closed,
        };
        let Some(number) = self.by_id.get(order_id).copied() else { return false };
        if !self.orders.get(&number).is_some_and(may_end) {
            return false;
        }
        let end = |order: &mut Order| {
            order.due = None;
            order.enter(state);
        };
        self.change(number, now, end).is_some()
    }

    /// Something changes that matters to nobody but `last_updated_date`. False where there is no
    /// such order.
    pub fn touch(&mut self, order_id: &str, now: Timestamp) -> bool {
        let number = self.by_id.get(order_id).copied();
        number.and_then(|number| self.change(number, now, |_| ())).is_some()
    }

    /// The payment of an order will fail once it is asked for. False where it was paid, or ended,
    /// already.
    pub fn refuse_payment(&mut self, order_id: &str, now: Timestamp) -> bool {
        if self.order(order_id).is_some_and(|order| order.state == State::Shipping) {
            return false;
        }
        self.if_open(order_id, now, |order, _| order.payment_fails = true)
    }

    fn if_open(
        &mut self,
        order_id: &str,
        now: Timestamp,
        change: impl FnOnce(&mut Order, Pace),
    ) -> bool {
        let pace = Pace::of(&self.settings);
        let Some(number) = self.by_id.get(order_id).copied() else { return false };
        if !self.orders.get(&number).is_some_and(|order| order.state.is_open()) {
            return false;
        }
        self.change(number, now, |order| change(order, pace)).is_some()
    }
}
