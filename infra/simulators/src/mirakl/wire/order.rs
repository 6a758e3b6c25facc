//! OR11's `orders[]` (Mirakl seller API, OR11), as Mirakl itself writes them: with the digits of an
//! amount as they come, dates with and without milliseconds, null where the schema says null is
//! not.

use serde::Serialize;

use super::super::model::{AdditionalField, Cause, FieldValue, Order, Settings, State, Tax};
use super::customer::{CustomerOut, customer};
use super::line::{LineOut, PromotionOut, line, promotion};
use super::{Amount, Sparse, Style, instant, moment, shown};

/// OR11's answer.
#[derive(Serialize)]
pub(in crate::mirakl) struct Listing<'o> {
    pub(in crate::mirakl) orders: Vec<OrderOut<'o>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::mirakl) total_count: Option<usize>,
}

#[derive(Serialize)]
pub(in crate::mirakl) struct OrderOut<'o> {
    acceptance_decision_date: Option<String>,
    can_cancel: bool,
    can_shop_ship: bool,
    channel: Option<Labelled<'o>>,
    commercial_id: &'o str,
    created_date: String,
    currency_iso_code: &'o str,
    customer: CustomerOut<'o>,
    customer_debited_date: Option<String>,
    customer_directly_pays_seller: bool,
    customer_notification_email: String,
    delivery_date: Option<String>,
    discount_campaigns: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    fulfillment: Option<Fulfillment<'o>>,
    fully_refunded: bool,
    has_customer_message: bool,
    has_incident: bool,
    has_invoice: bool,
    invoice_details: Option<()>,
    last_updated_date: String,
    leadtime_to_ship: u32,
    order_additional_fields: Vec<FieldOut<'o>>,
    order_id: &'o str,
    order_lines: Vec<LineOut<'o>>,
    order_refunds: [(); 0],
    order_state: &'o str,
    order_state_reason_code: Option<&'static str>,
    order_state_reason_label: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_tax_mode: Option<&'static str>,
    order_taxes: Vec<OrderTax>,
    #[serde(rename = "paymentType", skip_serializing_if = "Option::is_none")]
    old_payment_type: Option<&'static str>,
    payment_duration: u32,
    payment_type: &'static str,
    payment_workflow: &'static str,
    price: Amount,
    promotions: OrderPromotions<'o>,
    quote_id: Option<()>,
    references: References<'o>,
    shipping_carrier_code: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_carrier_standard_code: Sparse<()>,
    shipping_company: Option<()>,
    shipping_deadline: String,
    shipping_price: Amount,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_pudo_id: Sparse<&'o str>,
    shipping_tracking: Option<()>,
    shipping_tracking_url: Option<()>,
    shipping_type_code: &'static str,
    shipping_type_label: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_type_standard_code: Sparse<()>,
    shipping_zone_code: &'static str,
    shipping_zone_label: &'static str,
    total_commission: Amount,
    total_price: Amount,
    transaction_date: Option<String>,
    transaction_number: Option<String>,
}

#[derive(Serialize)]
struct Labelled<'o> {
    code: &'o str,
    label: &'o str,
}

#[derive(Serialize)]
struct Fulfillment<'o> {
    center: Center<'o>,
}

#[derive(Serialize)]
struct Center<'o> {
    code: &'o str,
}

#[derive(Serialize)]
struct References<'o> {
    order_reference_for_customer: Option<&'o str>,
    order_reference_for_seller: Option<&'o str>,
}

#[derive(Serialize)]
struct FieldOut<'o> {
    code: &'o str,
    #[serde(rename = "type")]
    kind: &'o str,
    value: ValueOut<'o>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ValueOut<'o> {
    Text(&'o str),
    Several(&'o [String]),
}

#[derive(Serialize)]
struct OrderTax {
    code: &'static str,
    rate: Amount,
    total_amount: Amount,
}

/// An old platform writes `{}`.
#[derive(Serialize)]
struct OrderPromotions<'o> {
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_promotions: Option<Vec<PromotionOut<'o>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_deduced_amount: Option<Amount>,
}

/// An order as OR11 shows it.
pub(in crate::mirakl) fn order<'o>(order: &'o Order, settings: &'o Settings) -> OrderOut<'o> {
    let style = Style::of(&order.order_id);
    let old = settings.old_shapes;
    let amount = |amount| Amount(amount, style);
    let debited = order.customer_debited_date.map(instant);
    let promotions = || order.lines.iter().filter_map(|line| promotion(line, style)).collect();
    OrderOut {
        acceptance_decision_date: order.acceptance_decision_date.map(moment),
        can_cancel: order.can_cancel(),
        can_shop_ship: order.can_shop_ship(),
        channel: order.channel.filter(|_| !old).map(|(code, label)| Labelled { code, label }),
        commercial_id: &order.commercial_id,
        created_date: instant(order.created),
        currency_iso_code: &order.currency,
        customer: customer(order, settings),
        customer_notification_email: if order.state.is_paid() {
            format!("{}@notification.mirakl.example", order.commercial_id.to_lowercase())
        } else {
            String::new()
        },
        customer_directly_pays_seller: false,
        delivery_date: None,
        discount_campaigns: [],
        fulfillment: (!old)
            .then_some(Fulfillment { center: Center { code: order.fulfillment_center_code } }),
        fully_refunded: order.fully_refunded(),
        has_customer_message: order.has_customer_message,
        has_incident: false,
        has_invoice: false,
        invoice_details: None,
        last_updated_date: moment(order.last_updated),
        leadtime_to_ship: order.leadtime_to_ship,
        order_additional_fields: order.additional_fields.iter().map(field).collect(),
        order_id: &order.order_id,
        order_lines: order
            .lines
            .iter()
            .enumerate()
            .map(|(index, one)| line(order, one, index, settings))
            .collect(),
        order_refunds: [],
        order_state: shown(order.state, settings),
        order_state_reason_code: order.cause.map(Cause::code),
        order_state_reason_label: order.cause.map(Cause::label),
        order_tax_mode: (!old).then_some(tax_mode(order.tax_included)),
        order_taxes: if settings.order_level_tax { order_taxes(order, style) } else { Vec::new() },
        old_payment_type: (!old).then_some(order.payment_type),
        payment_duration: 0,
        payment_type: order.payment_type,
        payment_workflow: order.payment_workflow,
        price: amount(order.price()),
        promotions: OrderPromotions {
            applied_promotions: (!old).then(promotions),
            total_deduced_amount: (!old).then(|| amount(order.deduced_amount())),
        },
        quote_id: None,
        references: References {
            order_reference_for_customer: order.reference_for_customer.as_deref(),
            order_reference_for_seller: order.reference_for_seller.as_deref(),
        },
        shipping_carrier_code: None,
        shipping_carrier_standard_code: (!old).then_some(None),
        shipping_company: None,
        shipping_deadline: moment(order.shipping_deadline),
        shipping_price: amount(order.shipping_price()),
        shipping_pudo_id: (!old).then_some(order.shipping_pudo_id.as_deref()),
        shipping_tracking: None,
        shipping_tracking_url: None,
        shipping_type_code: order.shipping_type.0,
        shipping_type_label: order.shipping_type.1,
        shipping_type_standard_code: (!old).then_some(None),
        shipping_zone_code: order.shipping_zone.0,
        shipping_zone_label: order.shipping_zone.1,
        total_commission: amount(order.total_commission()),
        total_price: amount(order.total_price()),
        transaction_date: debited.clone(),
        transaction_number: debited.as_ref().map(|_| format!("TX-{}", order.commercial_id)),
        customer_debited_date: debited,
    }
}

/// `order_tax_mode`.
pub(in crate::mirakl) fn tax_mode(included: bool) -> &'static str {
    if included { "TAX_INCLUDED" } else { "TAX_EXCLUDED" }
}

fn order_taxes(order: &Order, style: Style) -> Vec<OrderTax> {
    let counted = order.lines.iter().filter(|line| line.state != State::Refused);
    let taxes: Vec<&Tax> =
        counted.flat_map(|line| line.taxes.iter().chain(&line.shipping_taxes)).collect();
    let Some(first) = taxes.first() else { return Vec::new() };
    let total = taxes.iter().map(|tax| tax.amount).sum();
    vec![OrderTax {
        code: first.code,
        rate: Amount(first.rate, style),
        total_amount: Amount(total, style),
    }]
}

fn field(field: &AdditionalField) -> FieldOut<'_> {
    let value = match &field.value {
        FieldValue::Text(text) => ValueOut::Text(text),
        FieldValue::Several(texts) => ValueOut::Several(texts),
    };
    FieldOut { code: field.code, kind: field.kind, value }
}
