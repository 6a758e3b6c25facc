//! What an order's life means in money.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::super::order::{Order, OrderLine, State, Tax};
use super::billing::PayableWhen;
use super::entry::{Draft, EntryOrder, PaymentState};
use super::followed::Followed;
use super::kind::TransactionType as T;
use super::log::Ledger;

/// The payment workflow in which the seller collects the money.
const SELLER_COLLECTS: &str = "NO_CUSTOMER_PAYMENT_CONFIRMATION";

/// What is given back of a line, or sold.
struct Money<'a> {
    goods: Decimal,
    shipping: Decimal,
    taxes: &'a [Tax],
    shipping_taxes: &'a [Tax],
    fees: Decimal,
    commission: Decimal,
    commission_tax: Decimal,
}

impl Ledger {
    /// Books what a change of an order means in money: its sale once the customer is debited, what
    /// is given back of it, and that it is owed.
    pub(super) fn follow(&mut self, order: &Order, at: Timestamp) {
        let mut followed = self.followed.remove(&order.order_id).unwrap_or_else(|| Followed {
            psp: self.billing.psp(self.followed.len()),
            ..Followed::default()
        });
        let seller_collects = order.payment_workflow == SELLER_COLLECTS;
        let is_sold = if seller_collects {
            order.shipped_date.is_some()
        } else {
            order.customer_debited_date.is_some()
        };
        if is_sold && !followed.sold {
            followed.sold = true;
            for line in order.lines.iter().filter(|line| line.state != State::Refused) {
                followed.given_back.extend(given_back(line).map(|(id, _, _)| id));
                let money = Money {
                    goods: line.price(),
                    shipping: line.shipping_price,
                    taxes: &line.taxes,
                    shipping_taxes: &line.shipping_taxes,
                    fees: line.fees.iter().map(|fee| fee.amount).sum(),
                    commission: line.commission_fee,
                    commission_tax: line.commission_tax,
                };
                followed
                    .commissions
                    .insert(line.order_line_id.clone(), (money.commission, money.commission_tax));
                self.book_sale(order, line, &followed.psp, &money, at);
            }
        }
        if followed.sold {
            let refunds: Vec<_> = order
                .lines
                .iter()
                .flat_map(|line| {
                    given_back(line).map(move |(id, is_refund, money)| (line, id, is_refund, money))
                })
                .filter(|(_, id, _, _)| !followed.given_back.contains(id))
                .collect();
            for (line, id, is_refund, mut money) in refunds {
                followed.given_back.insert(id.clone());
                let (fee, tax) =
                    followed.commissions.entry(line.order_line_id.clone()).or_default();
                money.commission = money.commission.min(*fee);
                money.commission_tax = money.commission_tax.min(*tax);
                (*fee, *tax) = (*fee - money.commission, *tax - money.commission_tax);
                let state = followed.payable;
                self.book_refund(order, line, (&followed.psp, state), (&id, is_refund, &money), at);
            }
        }
        let is_payable = match self.billing.payable_when {
            PayableWhen::Shipped => order.shipped_date.is_some(),
            PayableWhen::Received => matches!(order.state, State::Received | State::Closed),
        };
        // What was given back as a whole before it left is settled when the order ends.
        let has_ended = matches!(order.state, State::Closed | State::Canceled);
        if followed.sold && !followed.payable && (is_payable || has_ended) {
            followed.payable = true;
            for place in self.of_order.get(&order.order_id).into_iter().flatten() {
                let Some(entry) = self.entries.get_mut(*place) else { continue };
                if entry.state == PaymentState::Pending {
                    entry.state = PaymentState::Payable;
                    entry.last_updated = at;
                }
            }
        }
        self.followed.insert(order.order_id.clone(), followed);
    }

    fn book_sale(
        &mut self,
        order: &Order,
        line: &OrderLine,
        psp: &str,
        money: &Money<'_>,
        at: Timestamp,
    ) {
        let collected = order.payment_workflow == SELLER_COLLECTS;
        let of_order = if collected { PaymentState::NotApplicable } else { PaymentState::Pending };
        let draft =
            |kind, net, state| Draft { kind, net, state, ..draft_of(order, line, psp, None) };
        let mut goods = |kind: T, remitted: T, net: Decimal, taxes: &[Tax]| {
            let taxes: Decimal = taxes.iter().map(|tax| tax.amount).sum();
            let apart = if order.tax_included { Decimal::ZERO } else { taxes };
            self.write_taxed(draft(kind, net, of_order), apart, at);
            if self.billing.operator_remits_taxes {
                self.write(draft(remitted, -taxes, of_order), at);
            }
        };
        goods(T::OrderAmount, T::OperatorRemittedOrderAmountTax, money.goods, money.taxes);
        goods(
            T::OrderShippingAmount,
            T::OperatorRemittedOrderShippingAmountTax,
            money.shipping,
            money.shipping_taxes,
        );
        self.write(draft(T::OrderFeeAmount, money.fees, of_order), at);
        let commission = draft(T::CommissionFee, -money.commission, PaymentState::Pending);
        let tax = if self.billing.vat_on_fees { -money.commission_tax } else { Decimal::ZERO };
        self.write_taxed(commission, tax, at);
    }

    fn book_refund(
        &mut self,
        order: &Order,
        line: &OrderLine,
        (psp, payable): (&str, bool),
        (id, is_refund, money): (&str, bool, &Money<'_>),
        at: Timestamp,
    ) {
        let collected = order.payment_workflow == SELLER_COLLECTS;
        let owed = if payable { PaymentState::Payable } else { PaymentState::Pending };
        let of_order = if collected { PaymentState::NotApplicable } else { owed };
        let refund = is_refund.then_some(id);
        let draft =
            |kind, net, state| Draft { kind, net, state, ..draft_of(order, line, psp, refund) };
        let mut goods = |kind: T, remitted: T, net: Decimal, taxes: &[Tax]| {
            let taxes: Decimal = taxes.iter().map(|tax| tax.amount).sum();
            let apart = if order.tax_included { Decimal::ZERO } else { taxes };
            self.write_taxed(draft(kind, -net, of_order), -apart, at);
            if self.billing.operator_remits_taxes {
                self.write(draft(remitted, taxes, of_order), at);
            }
        };
        goods(
            T::RefundOrderAmount,
            T::OperatorRemittedRefundOrderAmountTax,
            money.goods,
            money.taxes,
        );
        goods(
            T::RefundOrderShippingAmount,
            T::OperatorRemittedRefundOrderShippingAmountTax,
            money.shipping,
            money.shipping_taxes,
        );
        self.write(draft(T::RefundOrderFeeAmount, -money.fees, of_order), at);
        let tax = if self.billing.vat_on_fees { money.commission_tax } else { Decimal::ZERO };
        self.write_taxed(draft(T::RefundCommissionFee, money.commission, owed), tax, at);
    }
}

/// What was given back of a line: refunds, and pieces that were cancelled; with an id, and whether
/// it is a refund.
fn given_back(line: &OrderLine) -> impl Iterator<Item = (String, bool, Money<'_>)> {
    let refunds = line.refunds.iter().map(|refund| {
        // The commission goes back by the share of goods and shipping that does.
        let whole = line.price() + line.shipping_price;
        let share = |amount: Decimal| {
            if whole.is_zero() {
                Decimal::ZERO
            } else {
                super::log::percent(
                    amount,
                    (refund.amount + refund.shipping_amount) * Decimal::ONE_HUNDRED / whole,
                )
            }
        };
        let money = Money {
            goods: refund.amount,
            shipping: refund.shipping_amount,
            taxes: &refund.taxes,
            shipping_taxes: &refund.shipping_taxes,
            fees: Decimal::ZERO,
            commission: share(line.commission_fee),
            commission_tax: share(line.commission_tax),
        };
        (refund.id.clone(), true, money)
    });
    let cancelations = line.cancelations.iter().map(|cancelation| {
        let money = Money {
            goods: cancelation.amount,
            shipping: cancelation.shipping_amount,
            taxes: &cancelation.taxes,
            shipping_taxes: &cancelation.shipping_taxes,
            fees: cancelation.fees.iter().map(|fee| fee.amount).sum(),
            commission: cancelation.commission_fee,
            commission_tax: cancelation.commission_tax,
        };
        (cancelation.id.clone(), false, money)
    });
    refunds.chain(cancelations)
}

/// A line of the log about a line of an order, without money.
fn draft_of(order: &Order, line: &OrderLine, psp: &str, refund: Option<&str>) -> Draft {
    Draft {
        kind: T::OrderAmount,
        net: Decimal::ZERO,
        currency: order.currency.clone(),
        psp: psp.to_owned(),
        state: PaymentState::Pending,
        order: Some(EntryOrder {
            order_id: order.order_id.clone(),
            commercial_id: order.commercial_id.clone(),
            created: order.created,
            order_line_id: Some(line.order_line_id.clone()),
            refund_id: refund.map(str::to_owned),
            payment_type: order.payment_type,
        }),
        reference: None,
        description: None,
        document: None,
        cycle: None,
    }
}
