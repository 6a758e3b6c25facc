//! OR11's `orders[]` (Mirakl seller API, OR11), as Mirakl itself writes them: with the digits of an amount as they come, dates
//! with and without milliseconds, null where the schema says null is not.

use serde::Serialize;

use super::super::model::{AdditionalField, Address, Cancelation, Customer, FieldValue, Order, OrderLine, Organization, Settings, State, Tax};
use super::{Amount, Style, instant, moment};

/// OR11's answer.
#[derive(Serialize)]
pub(crate) struct Listing<'o> {
    pub(crate) orders: Vec<OrderOut<'o>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total_count: Option<usize>,
}

/// Left out where none, and null where none within.
type Sparse<T> = Option<Option<T>>;

#[derive(Serialize)]
pub(crate) struct OrderOut<'o> {
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

#[derive(Serialize)]
struct PromotionOut<'o> {
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
struct CustomerOut<'o> {
    #[serde(skip_serializing_if = "Option::is_none")]
    billing_address: Sparse<AddressOut<'o>>,
    civility: Option<&'static str>,
    customer_id: &'o str,
    firstname: &'o str,
    lastname: &'o str,
    locale: Option<&'static str>,
    organization: Option<OrganizationOut<'o>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_address: Sparse<AddressOut<'o>>,
}

#[derive(Serialize)]
struct OrganizationOut<'o> {
    address: Option<()>,
    identification_number: Option<&'o str>,
    name: &'o str,
    organization_id: &'o str,
    tax_identification_number: Option<&'o str>,
}

#[derive(Serialize)]
struct AddressOut<'o> {
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_info: Sparse<&'o str>,
    city: &'o str,
    civility: Option<&'o str>,
    company: Option<&'o str>,
    company_2: Option<&'o str>,
    country: &'o str,
    #[serde(skip_serializing_if = "Option::is_none")]
    country_iso_code: Option<&'o str>,
    firstname: &'o str,
    lastname: &'o str,
    phone: Option<&'o str>,
    phone_secondary: Option<&'o str>,
    state: Option<&'o str>,
    street_1: &'o str,
    street_2: Option<&'o str>,
    zip_code: &'o str,
}

#[derive(Serialize)]
struct LineOut<'o> {
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
    fees: [(); 0],
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
    refunds: [(); 0],
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
    id: &'o str,
    quantity: u32,
    reason_code: &'static str,
    shipping_amount: Amount,
    shipping_taxes: Vec<CancelledTax>,
    taxes: Vec<CancelledTax>,
}

#[derive(Serialize)]
struct CancelledTax {
    amount: Amount,
    code: &'static str,
}

/// An order as OR11 shows it.
pub(crate) fn order<'o>(order: &'o Order, settings: &'o Settings) -> OrderOut<'o> {
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
        fulfillment: (!old).then_some(Fulfillment { center: Center { code: order.fulfillment_center_code } }),
        fully_refunded: false,
        has_customer_message: order.has_customer_message,
        has_incident: false,
        has_invoice: false,
        invoice_details: None,
        last_updated_date: moment(order.last_updated),
        leadtime_to_ship: order.leadtime_to_ship,
        order_additional_fields: order.additional_fields.iter().map(field).collect(),
        order_id: &order.order_id,
        order_lines: order.lines.iter().enumerate().map(|(index, one)| line(order, one, index, settings)).collect(),
        order_refunds: [],
        order_state: shown(order.state, settings),
        order_state_reason_code: order.cause.map(super::super::model::Cause::code),
        order_state_reason_label: order.cause.map(super::super::model::Cause::label),
        order_tax_mode: (!old).then_some(tax_mode(order.tax_included)),
        order_taxes: order_taxes(order, style),
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
pub(crate) fn tax_mode(included: bool) -> &'static str {
    if included { "TAX_INCLUDED" } else { "TAX_EXCLUDED" }
}

/// The code under which a state is shown.
pub(crate) fn shown(state: State, settings: &Settings) -> &str {
    match &settings.unknown_state {
        Some(code) if state == State::WaitingDebitPayment => code,
        _ => state.code(),
    }
}

fn line<'o>(order: &'o Order, line: &'o OrderLine, index: usize, settings: &'o Settings) -> LineOut<'o> {
    let style = Style::of(&order.order_id);
    let old = settings.old_shapes;
    let amount = |amount| Amount(amount, style);
    let taxes = |taxes: &[Tax]| taxes.iter().map(|tax| tax_out(tax, style, old)).collect();
    let reason = order.cause.filter(|_| matches!(line.state, State::Refused | State::Canceled));
    LineOut {
        can_refund: order.state.is_paid() && line.quantity > 0 && line.state != State::Refused,
        cancelations: line.cancelations.iter().map(|one| cancelation(one, style)).collect(),
        category_code: "FASHION",
        category_label: "Fashion & accessories",
        commission_fee: amount(line.commission_fee),
        commission_rate_vat: (!old).then(|| amount(20.into())),
        commission_taxes: vec![CommissionTax { amount: amount(line.commission_tax), code: "TAXDEFAULT", rate: amount(20.into()) }],
        commission_vat: (!old).then(|| amount(line.commission_tax)),
        created_date: instant(order.created),
        debited_date: order.customer_debited_date.map(moment),
        description: None,
        fees: [],
        last_updated_date: moment(order.last_updated),
        offer_id: line.offer_id,
        offer_sku: &line.offer_sku,
        offer_state_code: "11",
        order_line_additional_fields: [],
        order_line_id: &line.order_line_id,
        order_line_index: index + 1,
        order_line_state: shown(line.state, settings),
        order_line_state_reason_code: reason.map(super::super::model::Cause::code),
        order_line_state_reason_label: reason.map(super::super::model::Cause::label),
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
        refunds: [],
        shipped_date: order.shipped_date.map(moment),
        shipping_price: amount(line.shipping_price),
        shipping_price_additional_unit: None,
        shipping_price_unit: None,
        shipping_taxes: taxes(&line.shipping_taxes),
        taxes: taxes(&line.taxes),
        total_commission: amount(line.total_commission()),
        total_price: amount(line.total_price()),
    }
}

/// By how much the promotion lowers one piece.
fn unit_promotion(line: &OrderLine) -> rust_decimal::Decimal {
    let pieces = rust_decimal::Decimal::from(line.ordered_quantity().max(1));
    line.promotion.as_ref().map(|promotion| (promotion.deduced_amount / pieces).round_dp(2)).unwrap_or_default()
}

fn promotion(line: &OrderLine, style: Style) -> Option<PromotionOut<'_>> {
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

fn tax_out(tax: &Tax, style: Style, old: bool) -> TaxOut {
    let tax_calculation_rule = (!old).then_some("PROPORTIONAL_TO_AMOUNT");
    TaxOut { amount: Amount(tax.amount, style), code: tax.code, rate: Amount(tax.rate, style), tax_calculation_rule }
}

fn order_taxes(order: &Order, style: Style) -> Vec<OrderTax> {
    let counted = order.lines.iter().filter(|line| line.state != State::Refused);
    let taxes: Vec<&Tax> = counted.flat_map(|line| line.taxes.iter().chain(&line.shipping_taxes)).collect();
    let Some(first) = taxes.first() else { return Vec::new() };
    let total = taxes.iter().map(|tax| tax.amount).sum();
    vec![OrderTax { code: first.code, rate: Amount(first.rate, style), total_amount: Amount(total, style) }]
}

fn cancelation(cancelation: &Cancelation, style: Style) -> CancelationOut<'_> {
    let amount = |amount| Amount(amount, style);
    let taxes = |taxes: &[Tax]| taxes.iter().map(|tax| CancelledTax { amount: amount(tax.amount), code: tax.code }).collect();
    CancelationOut {
        amount: amount(cancelation.amount),
        commission_amount: amount(cancelation.commission_fee),
        commission_taxes: vec![CancelledTax { amount: amount(cancelation.commission_tax), code: "TAXDEFAULT" }],
        commission_total_amount: amount(cancelation.commission_fee + cancelation.commission_tax),
        created_date: moment(cancelation.created),
        id: &cancelation.id,
        quantity: cancelation.quantity,
        reason_code: cancelation.reason_code,
        shipping_amount: amount(cancelation.shipping_amount),
        shipping_taxes: taxes(&cancelation.shipping_taxes),
        taxes: taxes(&cancelation.taxes),
    }
}

fn field(field: &AdditionalField) -> FieldOut<'_> {
    let value = match &field.value {
        FieldValue::Text(text) => ValueOut::Text(text),
        FieldValue::Several(texts) => ValueOut::Several(texts),
    };
    FieldOut { code: field.code, kind: field.kind, value }
}

fn customer<'o>(order: &'o Order, settings: &Settings) -> CustomerOut<'o> {
    let Customer { customer_id, civility, firstname, lastname, locale, organization, billing_address, shipping_address } = &order.customer;
    let shown = settings.addresses_before_payment || order.state.is_paid();
    let old = settings.old_shapes;
    // Null until the order is paid; an old platform leaves them out.
    let sparse = |written: AddressOut<'o>| if shown { Some(Some(written)) } else { (!old).then_some(None) };
    CustomerOut {
        billing_address: sparse(address(billing_address, false, old)),
        civility: *civility,
        customer_id,
        firstname,
        lastname,
        locale: *locale,
        organization: organization.as_ref().map(business),
        shipping_address: sparse(address(shipping_address, true, old)),
    }
}

fn business(organization: &Organization) -> OrganizationOut<'_> {
    OrganizationOut {
        address: None,
        identification_number: organization.identification_number.as_deref(),
        name: &organization.name,
        organization_id: &organization.organization_id,
        tax_identification_number: organization.tax_identification_number.as_deref(),
    }
}

fn address(address: &Address, shipping: bool, old: bool) -> AddressOut<'_> {
    AddressOut {
        additional_info: shipping.then_some(address.additional_info.as_deref()),
        city: &address.city,
        civility: address.civility,
        company: address.company.as_deref(),
        company_2: address.company_2.as_deref(),
        country: address.country,
        country_iso_code: (!old).then_some(address.country_iso_code),
        firstname: &address.firstname,
        lastname: &address.lastname,
        phone: address.phone.as_deref(),
        phone_secondary: address.phone_secondary.as_deref(),
        state: address.state,
        street_1: &address.street_1,
        street_2: address.street_2.as_deref(),
        zip_code: &address.zip_code,
    }
}
