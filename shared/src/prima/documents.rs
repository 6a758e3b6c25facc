//! The documents that public integrations with Prima show: everything is attributes. Names that
//! nobody has shown are in [`super::assumed`].

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::kit::field_error::FieldError;
use crate::prima::connection::NewOrderRequest;
use crate::prima::connection::WireEncoding;

use super::assumed;
use super::order::{
    PrimaCharge, PrimaOrder, PrimaOrderHeader, PrimaOrderLine, PrimaOrderStatus, PrimaParty,
    PrimaPayment,
};
use super::soap::one_line;
use super::xml::{self, DocumentWriter, Element};

/// Why a response document is no success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentProblem {
    /// `RequestStatus="ERROR"` with this `RequestError`.
    Refused(String),
    /// It cannot be read, or lacks what it must have.
    Unreadable(String),
}

/// `<Request RequestType="OrderStatus">`.
///
/// # Errors
/// One entry for each attribute with a character that XML does not have.
pub fn order_status_request(
    order_number: &str,
    encoding: WireEncoding,
) -> Result<String, Vec<FieldError>> {
    let mut document = DocumentWriter::new(encoding);
    document.open("Request", "", &[("RequestType", "OrderStatus")]);
    document.empty("Data", "", &[("OrderNumber", order_number)]);
    document.close("Request");
    document.finish()
}

/// `<Request RequestType="NewOrder">` or `"MultiNewOrder"`. Empty attributes are left out, and so
/// is an element in which nothing is left.
///
/// # Errors
/// One entry for each attribute with a character that XML does not have.
pub fn new_order_request(
    order: &PrimaOrder,
    request: NewOrderRequest,
    encoding: WireEncoding,
) -> Result<String, Vec<FieldError>> {
    let request_type = match request {
        NewOrderRequest::NewOrder => "NewOrder",
        NewOrderRequest::MultiNewOrder => "MultiNewOrder",
    };
    let mut document = DocumentWriter::new(encoding);
    document.open("Request", "", &[("RequestType", request_type)]);
    document.open("Data", "", &filled(&order_attributes(order)));
    empty(&mut document, "OrderHeaderData", "OrderHeaderData", &header_attributes(&order.header));
    empty(
        &mut document,
        "OrderInvoiceData",
        "OrderInvoiceData",
        &invoice_attributes(&order.invoice),
    );
    for (index, line) in order.lines.iter().enumerate() {
        empty(
            &mut document,
            "OrderLineData",
            &format!("OrderLineData[{}]", index + 1),
            &line_attributes(index + 1, line),
        );
    }
    for (index, charge) in order.charges.iter().enumerate() {
        empty(
            &mut document,
            "OrderChargeData",
            &format!("OrderChargeData[{}]", index + 1),
            &charge_attributes(charge),
        );
    }
    for (index, payment) in order.payments.iter().enumerate() {
        empty(
            &mut document,
            "OrderPaymentData",
            &format!("OrderPaymentData[{}]", index + 1),
            &payment_attributes(payment),
        );
    }
    document.close("Data");
    document.close("Request");
    document.finish()
}

/// What cannot be written of `order`, one entry an attribute. A mapping asks this first, so that
/// such an order becomes an exception of its own and does not look like trouble with Prima.
#[must_use]
pub fn unwritable(order: &PrimaOrder) -> Vec<FieldError> {
    new_order_request(order, NewOrderRequest::default(), WireEncoding::Utf8)
        .err()
        .unwrap_or_default()
}

/// Every attribute of the document of `order`, with its place.
pub(crate) fn attributes(order: &PrimaOrder) -> Vec<(&'static str, String)> {
    let mut elements = vec![
        order_attributes(order),
        header_attributes(&order.header),
        invoice_attributes(&order.invoice),
    ];
    elements.extend(
        order.lines.iter().enumerate().map(|(index, line)| line_attributes(index + 1, line)),
    );
    elements.extend(order.charges.iter().map(charge_attributes));
    elements.extend(order.payments.iter().map(payment_attributes));
    elements.into_iter().flatten().collect()
}

type Attributes = Vec<(&'static str, String)>;

fn filled<'a>(attributes: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    attributes
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

fn empty(
    document: &mut DocumentWriter,
    name: &str,
    label: &str,
    attributes: &[(&'static str, String)],
) {
    let attributes = filled(attributes);
    if !attributes.is_empty() {
        document.empty(name, label, &attributes);
    }
}

fn order_attributes(order: &PrimaOrder) -> Attributes {
    let delivery = &order.delivery;
    let third_party_id =
        if order.third_party_id.is_empty() { &order.order_number } else { &order.third_party_id };
    let mut attributes = vec![
        ("TPGUID", third_party_id.clone()),
        ("OrderNumber", order.order_number.clone()),
        ("Customer", order.customer.clone()),
        ("CustDef", order.customer_definition.clone()),
        ("HoldOrder", yes_no(order.hold_narrative.is_some())),
        ("HoldOrderNarrative", order.hold_narrative.clone().unwrap_or_default()),
        ("OrderChannel", order.order_channel.clone()),
        ("CustomerTitle", delivery.title.clone()),
        ("CustomerForename", delivery.forename.clone()),
        ("CustomerSurname", delivery.surname.clone()),
    ];
    let names = ["AddrLine1", "AddrLine2", "AddrLine3", "AddrLine4", "AddrLine5", "AddrLine6"];
    attributes.extend(names.into_iter().zip(delivery.address_lines.iter().cloned()));
    attributes.extend([
        ("PostCode", delivery.post_code.clone()),
        ("Country", delivery.country.clone()),
        ("CustomerEmail", delivery.email.clone()),
        ("CustomerPhone", delivery.phone.clone()),
        ("CustomerMobile", delivery.mobile.clone()),
        ("CustomerRef", order.customer_reference.clone()),
        ("VatInclusive", yes_no(order.vat_inclusive)),
    ]);
    // The customer gave consent to the marketplace at most, never to the shop.
    let consents = [
        "ReceiveMail",
        "ReceiveEmail",
        "ReceiveText",
        "ReceivePhone",
        "ReceiveMobile",
        "RentDetails",
    ];
    attributes.extend(consents.map(|name| (name, yes_no(false))));
    attributes.extend([
        ("OrderType", order.order_type.clone()),
        ("PaymentTerms", order.payment_terms.clone()),
        ("DeliveryFAO", order.delivery_for_attention_of.clone()),
    ]);
    attributes
}

fn header_attributes(header: &PrimaOrderHeader) -> Attributes {
    vec![
        ("B2B", yes_no(header.business)),
        ("Brand", header.brand.clone()),
        ("SpecialInstructions", header.special_instructions.clone()),
        ("ShippingInstructions", header.shipping_instructions.clone()),
        ("SourceMedia", header.source_media.clone()),
        ("OrderCategory", header.order_category.clone()),
        ("Carrier", header.carrier.clone()),
        ("CarrServ", header.carrier_service.clone()),
        ("Currency", header.currency.clone()),
        ("OrderDate", header.order_date.map(date).unwrap_or_default()),
        ("OrderPaid", yes_no(header.paid)),
        ("Season", header.season.clone()),
    ]
}

fn invoice_attributes(party: &PrimaParty) -> Attributes {
    let mut attributes = vec![
        ("InvoiceTitle", party.title.clone()),
        ("InvoiceForename", party.forename.clone()),
        ("InvoiceSurname", party.surname.clone()),
    ];
    let names = [
        "InvoiceAddrLine1",
        "InvoiceAddrLine2",
        "InvoiceAddrLine3",
        "InvoiceAddrLine4",
        "InvoiceAddrLine5",
        "InvoiceAddrLine6",
    ];
    attributes.extend(names.into_iter().zip(party.address_lines.iter().cloned()));
    attributes.extend([
        ("InvoicePostCode", party.post_code.clone()),
        ("InvoiceCountry", party.country.clone()),
        ("InvoiceEmail", party.email.clone()),
        ("InvoicePhone", party.phone.clone()),
        (assumed::INVOICE_MOBILE, party.mobile.clone()),
    ]);
    attributes
}

fn line_attributes(number: usize, line: &PrimaOrderLine) -> Attributes {
    let mut attributes = vec![("OrderLine", number.to_string()), ("Product", line.product.clone())];
    attributes.extend(
        ["MtrxCode1", "MtrxCode2", "MtrxCode3", "MtrxCode4"]
            .into_iter()
            .zip(line.matrix_codes.iter().cloned()),
    );
    attributes.extend([
        ("Quantity", line.quantity.to_string()),
        ("Price", decimal(line.price)),
        ("LineNarrative", line.narrative.clone()),
        ("LineReference", line.reference.clone()),
        ("Warehouse", line.warehouse.clone()),
        ("Promotion", line.promotion.clone()),
        ("PromotionValue", line.promotion_value.map(decimal).unwrap_or_default()),
        ("Voucher", yes_no(false)),
    ]);
    attributes
}

fn charge_attributes(charge: &PrimaCharge) -> Attributes {
    vec![("Charge", charge.code.clone()), ("ChargeValue", decimal(charge.value))]
}

fn payment_attributes(payment: &PrimaPayment) -> Attributes {
    vec![
        ("PayMethod", payment.method.clone()),
        ("SubPayMethod", payment.sub_method.clone()),
        ("TranAmount", decimal(payment.amount)),
        ("PayProvider", payment.provider.clone()),
        ("PayAuthRef", payment.authorisation_reference.clone()),
        ("TransactionID", payment.transaction_id.clone()),
    ]
}

fn yes_no(yes: bool) -> String {
    if yes { "Yes" } else { "No" }.to_owned()
}

/// Plain digits with a point, at least two decimal places, every digit kept: `3.95`, `49.00`,
/// `0.125`.
#[must_use]
pub fn decimal(value: Decimal) -> String {
    let mut plain = value.normalize();
    if plain.scale() < 2 {
        plain.rescale(2);
    }
    plain.to_string()
}

/// `dd/mm/yyyy`.
#[must_use]
pub fn date(date: Date) -> String {
    format!("{:02}/{:02}/{:04}", date.day(), date.month(), date.year())
}

/// Reads a response document's root, whatever it is called.
///
/// # Errors
/// Prima's refusal, or why the document says neither yes nor no.
pub fn read_response(text: &str) -> Result<Element, DocumentProblem> {
    let unreadable = |message: String| DocumentProblem::Unreadable(message);
    let root = xml::read(text)
        .map_err(|problem| unreadable(format!("the response document {problem}")))?;
    let status = root.attribute("RequestStatus").map(|status| status.trim().to_ascii_uppercase());
    match status.as_deref() {
        Some("OK") => Ok(root),
        Some("ERROR") => {
            let error = one_line(root.attribute("RequestError").unwrap_or_default());
            Err(DocumentProblem::Refused(if error.is_empty() {
                "refused without a RequestError".to_owned()
            } else {
                error
            }))
        }
        Some(_) => Err(unreadable(
            "the response document's RequestStatus is neither OK nor ERROR".to_owned(),
        )),
        None => Err(unreadable("the response document has no RequestStatus".to_owned())),
    }
}

/// Reads the status out of an `OrderStatus` response that is OK.
///
/// # Errors
/// There is no status in it, more than one, or it is another order's.
pub fn read_order_status(
    root: &Element,
    order_number: &str,
) -> Result<PrimaOrderStatus, DocumentProblem> {
    let unreadable = |message: &str| Err(DocumentProblem::Unreadable(message.to_owned()));
    let mut found = root
        .children_called("Data")
        .filter_map(|data| Some((data, data.attribute("OrderStatus")?)));
    let Some((data, status)) = found.next() else {
        return unreadable("the response document has no OrderStatus");
    };
    if found.next().is_some() {
        return unreadable("the response document has more than one OrderStatus");
    }
    if data.attribute("OrderNumber").is_some_and(|answered| {
        !answered.trim().is_empty() && !answered.trim().eq_ignore_ascii_case(order_number)
    }) {
        return unreadable("the response document is about another order");
    }
    let status = one_line(status);
    match status.to_ascii_lowercase().as_str() {
        "" => unreadable("the response document's OrderStatus is empty"),
        "part despatched" => Ok(PrimaOrderStatus::PartDispatched),
        "despatched" => Ok(PrimaOrderStatus::Dispatched),
        "cancelled" => Ok(PrimaOrderStatus::Cancelled),
        _ => Ok(PrimaOrderStatus::Open(status)),
    }
}

#[cfg(test)]
mod tests;
