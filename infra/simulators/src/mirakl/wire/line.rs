//! OR11's `orders[].order_lines[]` (Mirakl seller API, OR11).

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;

use super::super::model::{
    Cancelation, Cause, Fee, Order, OrderLine, Refund, Settings, State, Tax,
};
use super::{Amount, Style, instant, moment, shown};

#[derive(Serialize)]
pub(super) struct PromotionOut<'o> {
    apportioned: bool,
    configuration: PromotionConfiguration<'o>,
    deduced_amount: Amount,
    id: &'o str,
    offered_quantity: Option<u32>,
}

#[derive(Serialize)]
struct PromotionConfiguration<'o> {
    amount_off: Amount,
    internal_description: &'o str,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
pub(super) struct LineOut<'o> {
    can_refund: bool,
    cancelations: Vec<CancelationOut<'o>>,
    category_code: &'static str,
    category_label: &'static str,
    commission_fee: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    commission_rate_vat: Option<Amount>,
    commission_taxes: Vec<CommissionTax>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commission_vat: Option<Amount>,
    created_date: String,
    debited_date: Option<String>,
    description: Option<()>,
    fees: Vec<FeeOut>,
    last_updated_date: String,
    offer_id: i64,
    offer_sku: &'o str,
    offer_state_code: &'static str,
    order_line_additional_fields: [(); 0],
    order_line_id: &'o str,
    order_line_index: usize,
    order_line_state: &'o str,
    order_line_state_reason_code: Option<&'static str>,
    order_line_state_reason_label: Option<&'static str>,
    origin_unit_price: Amount,
    price: Amount,
    price_additional_info: Option<()>,
    price_unit: Amount,
    product_medias: [(); 0],
    product_shop_sku: &'o str,
    product_sku: String,
    product_title: &'o str,
    promotions: Vec<PromotionOut<'o>>,
    quantity: u32,
    received_date: Option<String>,
    refunds: Vec<RefundOut<'o>>,
    shipped_date: Option<String>,
    shipping_price: Amount,
    shipping_price_additional_unit: Option<Amount>,
    shipping_price_unit: Option<Amount>,
    shipping_taxes: Vec<TaxOut>,
    taxes: Vec<TaxOut>,
    total_commission: Amount,
    total_price: Amount,
}

#[derive(Serialize)]
struct CommissionTax {
    amount: Amount,
    code: &'static str,
    rate: Amount,
}

#[derive(Serialize)]
struct TaxOut {
    amount: Amount,
    code: &'static str,
    rate: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_calculation_rule: Option<&'static str>,
}

#[derive(Serialize)]
struct CancelationOut<'o> {
    amount: Amount,
    commission_amount: Amount,
    commission_taxes: Vec<CancelledTax>,
    commission_total_amount: Amount,
    created_date: String,
    fees: Vec<FeeOut>,
    id: &'o str,
    quantity: u32,
    reason_code: &'o str,
    shipping_amount: Amount,
    shipping_taxes: Vec<CancelledTax>,
    taxes: Vec<CancelledTax>,
}

#[derive(Serialize)]
struct RefundOut<'o> {
    amount: Amount,
    commission_amount: Amount,
    commission_tax_amount: Amount,
    commission_taxes: [(); 0],
    commission_total_amount: Amount,
    created_date: String,
    id: &'o str,
    order_refund_id: &'o str,
    quantity: u32,
    reason_code: &'o str,
    refund_state: &'static str,
    shipping_amount: Amount,
    shipping_taxes: Vec<CancelledTax>,
    state: &'static str,
    taxes: Vec<CancelledTax>,
}

#[derive(Serialize)]
struct FeeOut {
    amount: Amount,
    code: &'static str,
}

#[derive(Serialize)]
struct CancelledTax {
    amount: Amount,
    code: &'static str,
}

/// A line of an order as OR11 shows it.
pub(super) fn line<'o>(
    order: &'o Order,
    line: &'o OrderLine,
    index: usize,
    settings: &'o Settings,
) -> LineOut<'o> {
    let style = Style::of(&order.order_id);
    let old = settings.old_shapes;
    let amount = |amount| Amount(amount, style);
    let rule = (!old).then_some(if settings.taxes_proportional {
        "PROPORTIONAL_TO_AMOUNT"
    } else {
        "NONE"
    });
    let taxes = |taxes: &[Tax]| taxes.iter().map(|tax| tax_out(tax, style, rule)).collect();
    let reason = order.cause.filter(|_| matches!(line.state, State::Refused | State::Canceled));
    LineOut {
        can_refund: order.state.is_paid() && line.quantity > 0 && line.state != State::Refused,
        cancelations: line.cancelations.iter().map(|one| cancelation(one, style)).collect(),
        category_code: "FASHION",
        category_label: "Fashion & accessories",
        commission_fee: amount(line.commission_fee),
        commission_rate_vat: (!old).then(|| amount(20.into())),
        commission_taxes: vec![CommissionTax {
            amount: amount(line.commission_tax),
            code: "TAXDEFAULT",
            rate: amount(20.into()),
        }],
        commission_vat: (!old).then(|| amount(line.commission_tax)),
        created_date: instant(order.created),
        debited_date: order.customer_debited_date.map(moment),
        description: None,
        fees: line.fees.iter().map(|fee| fee_out(fee, style)).collect(),
        last_updated_date: moment(order.last_updated),
        offer_id: line.offer_id,
        offer_sku: &line.offer_sku,
        offer_state_code: "11",
        order_line_additional_fields: [],
        order_line_id: &line.order_line_id,
        order_line_index: index + 1,
        order_line_state: shown(line.state, settings),
        order_line_state_reason_code: reason.map(Cause::code),
        order_line_state_reason_label: reason.map(Cause::label),
        origin_unit_price: amount(line.price_unit + unit_promotion(line)),
        price: amount(line.price()),
        price_additional_info: None,
        price_unit: amount(line.price_unit),
        product_medias: [],
        product_shop_sku: &line.offer_sku,
        product_sku: format!("P{}", line.offer_id),
        product_title: &line.product_title,
        promotions: promotion(line, style).into_iter().collect(),
        quantity: line.quantity,
        received_date: None,
        refunds: line.refunds.iter().map(|one| refund(one, style)).collect(),
        shipped_date: order.shipped_date.filter(|shipped| left(line, *shipped)).map(moment),
        shipping_price: amount(line.shipping_price),
        shipping_price_additional_unit: None,
        shipping_price_unit: None,
        shipping_taxes: taxes(&line.shipping_taxes),
        taxes: taxes(&line.taxes),
        total_commission: amount(line.total_commission()),
        total_price: amount(line.total_price()),
    }
}

/// Something of it left: not all of it was refunded before.
fn left(line: &OrderLine, shipped: Timestamp) -> bool {
    let refunded: Decimal = line
        .refunds
        .iter()
        .filter(|refund| refund.created < shipped)
        .map(|refund| refund.amount)
        .sum();
    refunded < line.price() || line.price().is_zero()
}

/// By how much the promotion lowers one piece.
fn unit_promotion(line: &OrderLine) -> Decimal {
    let pieces = Decimal::from(line.ordered_quantity().max(1));
    line.promotion
        .as_ref()
        .map(|promotion| (promotion.deduced_amount / pieces).round_dp(2))
        .unwrap_or_default()
}

pub(super) fn promotion(line: &OrderLine, style: Style) -> Option<PromotionOut<'_>> {
    line.promotion.as_ref().map(|promotion| PromotionOut {
        apportioned: false,
        configuration: PromotionConfiguration {
            amount_off: Amount(promotion.deduced_amount, style),
            internal_description: promotion.description,
            kind: "AMOUNT_OFF",
        },
        deduced_amount: Amount(promotion.deduced_amount, style),
        id: promotion.id,
        offered_quantity: None,
    })
}

fn tax_out(tax: &Tax, style: Style, tax_calculation_rule: Option<&'static str>) -> TaxOut {
    TaxOut {
        amount: Amount(tax.amount, style),
        code: tax.code,
        rate: Amount(tax.rate, style),
        tax_calculation_rule,
    }
}

fn fee_out(fee: &Fee, style: Style) -> FeeOut {
    FeeOut { amount: Amount(fee.amount, style), code: fee.code }
}

fn refund(refund: &Refund, style: Style) -> RefundOut<'_> {
    let amount = |amount| Amount(amount, style);
    let taxes = |taxes: &[Tax]| {
        taxes
            .iter()
            .map(|tax| CancelledTax { amount: amount(tax.amount), code: tax.code })
            .collect()
    };
    RefundOut {
        amount: amount(refund.amount),
        commission_amount: amount(Decimal::ZERO),
        commission_tax_amount: amount(Decimal::ZERO),
        commission_taxes: [],
        commission_total_amount: amount(Decimal::ZERO),
        created_date: moment(refund.created),
        id: &refund.id,
        order_refund_id: &refund.order_refund_id,
        quantity: refund.quantity,
        reason_code: &refund.reason_code,
        refund_state: "WAITING_REFUND",
        shipping_amount: amount(refund.shipping_amount),
        shipping_taxes: taxes(&refund.shipping_taxes),
        state: "WAITING_REFUND",
        taxes: taxes(&refund.taxes),
    }
}

fn cancelation(cancelation: &Cancelation, style: Style) -> CancelationOut<'_> {
    let amount = |amount| Amount(amount, style);
    let taxes = |taxes: &[Tax]| {
        taxes
            .iter()
            .map(|tax| CancelledTax { amount: amount(tax.amount), code: tax.code })
            .collect()
    };
    CancelationOut {
        amount: amount(cancelation.amount),
        commission_amount: amount(cancelation.commission_fee),
        commission_taxes: vec![CancelledTax {
            amount: amount(cancelation.commission_tax),
            code: "TAXDEFAULT",
        }],
        commission_total_amount: amount(cancelation.commission_fee + cancelation.commission_tax),
        created_date: moment(cancelation.created),
        fees: cancelation.fees.iter().map(|fee| fee_out(fee, style)).collect(),
        id: &cancelation.id,
        quantity: cancelation.quantity,
        reason_code: &cancelation.reason_code,
        shipping_amount: amount(cancelation.shipping_amount),
        shipping_taxes: taxes(&cancelation.shipping_taxes),
        taxes: taxes(&cancelation.taxes),
    }
}
