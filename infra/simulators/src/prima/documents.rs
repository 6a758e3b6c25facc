//! The documents inside the envelope: requests as Prima reads them, answers as it writes them.

use jiff::civil::Date;

use super::book_documents;
use super::books::NewJournal;
use super::model::OrderStatusAnswer;
use super::order::{Attributes, NewOrder, NewOrderCharge, NewOrderLine, NewOrderPayment, Refusal};
use super::response::{ResponseFormat, carried_out, close, money, open};
use super::settings::Sku;
use super::shelves::SkuFigures;
use super::text::{mangled, referenced};
use super::xml::{Element, parse};

/// A request document.
#[derive(Debug)]
pub(super) enum Request {
    OrderStatus {
        number: String,
    },
    /// `NewOrder` or `MultiNewOrder`; an order that cannot be read refuses the document.
    NewOrders(Result<Vec<NewOrder>, Refusal>),
    CancelOrder {
        number: String,
        narrative: String,
    },
    /// `ProductAvailableToSell`: the range of products.
    AvailableRange {
        from: String,
        to: String,
    },
    /// `MultiAvailableToSell`.
    AvailableSkus(Vec<Sku>),
    NewJournal(Result<NewJournal, Refusal>),
    JournalStatus {
        third_party_id: String,
    },
    /// The nominal, and the first and last day.
    NominalTransactions(Result<(String, [Date; 2]), Refusal>),
    /// The first and last day.
    CreditNotes(Result<[Date; 2], Refusal>),
    /// Any other request type, or no readable document.
    Refused(Refusal),
}

/// A request document and what it calls itself.
#[derive(Debug)]
pub(super) struct ReadRequest {
    /// The `RequestType` as sent; empty if the document cannot be read.
    pub(super) request_type: String,
    pub(super) request: Request,
}

impl ReadRequest {
    fn refused(request_type: &str, text: impl Into<String>) -> Self {
        Self {
            request_type: request_type.to_owned(),
            request: Request::Refused(Refusal::new(text)),
        }
    }

    /// The name under which misbehaviour and calls know the request.
    pub(super) fn operation(&self) -> &'static str {
        match &self.request {
            Request::OrderStatus { .. } => "OrderStatus",
            Request::NewOrders(_) => "NewOrder",
            Request::CancelOrder { .. } => "CancelOrder",
            Request::AvailableRange { .. } => "ProductAvailableToSell",
            Request::AvailableSkus(_) => "MultiAvailableToSell",
            Request::NewJournal(_) => "NewJournal",
            Request::JournalStatus { .. } => "JournalStatus",
            Request::NominalTransactions(_) => "NominalTransactions",
            Request::CreditNotes(_) => "CreditNotes",
            Request::Refused(_) => "Unknown",
        }
    }

    /// The order numbers that the request names.
    pub(super) fn order_numbers(&self) -> Vec<String> {
        match &self.request {
            Request::OrderStatus { number } | Request::CancelOrder { number, .. } => {
                vec![number.clone()]
            }
            Request::NewOrders(Ok(orders)) => {
                orders.iter().map(|order| order.order_number.clone()).collect()
            }
            // A journal is told apart by its reference, as an order is by its number.
            Request::NewJournal(Ok(journal)) => vec![journal.reference.clone()],
            Request::JournalStatus { third_party_id } => vec![third_party_id.clone()],
            Request::NewOrders(Err(_))
            | Request::NewJournal(Err(_))
            | Request::NominalTransactions(_)
            | Request::CreditNotes(_)
            | Request::AvailableRange { .. }
            | Request::AvailableSkus(_)
            | Request::Refused(_) => Vec::new(),
        }
    }
}

impl ReadRequest {
    /// The products that are ordered.
    pub(super) fn products(&self) -> Vec<String> {
        match &self.request {
            Request::NewOrders(Ok(orders)) => orders
                .iter()
                .flat_map(|order| &order.lines)
                .map(|line| line.product.clone())
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// Reads a request document.
pub(super) fn read(document: &str) -> ReadRequest {
    let root = match parse(mangled(document).trim_start_matches('\u{FEFF}')) {
        Ok(root) => root,
        Err(what) => {
            return ReadRequest::refused("", format!("The request cannot be parsed: {what}"));
        }
    };
    if root.name != "Request" {
        return ReadRequest::refused("", "The root element must be Request");
    }
    let request_type = root.attribute("RequestType").unwrap_or_default().to_owned();
    if let Some(other) = root.children.iter().find(|child| child.name != "Data") {
        return ReadRequest::refused(
            &request_type,
            format!("Unknown element {} in Request", other.name),
        );
    }
    let [first, further @ ..] = &root.children[..] else {
        return ReadRequest::refused(&request_type, "The request has no Data");
    };
    let value = |name: &str| first.attribute(name).unwrap_or_default().to_owned();
    let request = match request_type.as_str() {
        "OrderStatus"
        | "CancelOrder"
        | "NewOrder"
        | "ProductAvailableToSell"
        | "MultiAvailableToSell"
        | "NewJournal"
        | "JournalStatus"
        | "NominalTransactions"
        | "CreditNotes"
            if !further.is_empty() =>
        {
            Request::Refused(Refusal::new("The request has more than one Data"))
        }
        "OrderStatus" => Request::OrderStatus { number: value("OrderNumber") },
        "CancelOrder" => {
            Request::CancelOrder { number: value("OrderNumber"), narrative: value("Narrative") }
        }
        "NewOrder" | "MultiNewOrder" => {
            Request::NewOrders(root.children.iter().map(read_order).collect())
        }
        "ProductAvailableToSell" => {
            Request::AvailableRange { from: value("ProductFrom"), to: value("ProductTo") }
        }
        "MultiAvailableToSell" => {
            Request::AvailableSkus(first.children.iter().map(read_sku).collect())
        }
        "NewJournal" => Request::NewJournal(book_documents::read_journal(first)),
        "JournalStatus" => Request::JournalStatus { third_party_id: value("TPGUID") },
        "NominalTransactions" => {
            Request::NominalTransactions(read_days(first).map(|days| (value("NominalCode"), days)))
        }
        "CreditNotes" => Request::CreditNotes(read_days(first)),
        "" => Request::Refused(Refusal::new("RequestType is missing")),
        other => Request::Refused(Refusal::new(format!("Unknown request type: {other}"))),
    };
    ReadRequest { request_type, request }
}

fn read_days(data: &Element) -> Result<[Date; 2], Refusal> {
    Ok([book_documents::date(data, "DateFrom")?, book_documents::date(data, "DateTo")?])
}

fn read_sku(sku: &Element) -> Sku {
    let text = |name: &str| sku.attribute(name).unwrap_or_default().to_owned();
    Sku {
        product: text("Product"),
        matrix: [text("MtrxCode1"), text("MtrxCode2"), text("MtrxCode3"), text("MtrxCode4")],
    }
}

fn read_order(data: &Element) -> Result<NewOrder, Refusal> {
    let attributes = attributes_of(data);
    let text = |name: &str| attributes.get(name).cloned().unwrap_or_default();
    let mut order = NewOrder {
        order_number: text("OrderNumber"),
        third_party_id: text("TPGUID"),
        hold: (text("HoldOrder") == "Yes").then(|| text("HoldOrderNarrative")),
        ..NewOrder::default()
    };
    order.attributes = attributes;
    for (index, child) in data.children.iter().enumerate() {
        let once = !data.children[..index].iter().any(|earlier| earlier.name == child.name);
        match child.name.as_str() {
            "OrderHeaderData" if once => order.header = attributes_of(child),
            "OrderInvoiceData" if once => order.invoice = attributes_of(child),
            "OrderHeaderData" | "OrderInvoiceData" => {
                return Err(Refusal::new(format!("{} appears twice", child.name)));
            }
            "OrderLineData" => order.lines.push(read_line(child)?),
            "OrderChargeData" => order.charges.push(NewOrderCharge {
                code: child.attribute("Charge").unwrap_or_default().to_owned(),
                value: money(child, "ChargeValue", "OrderChargeData")?,
                attributes: attributes_of(child),
            }),
            "OrderPaymentData" => order.payments.push(NewOrderPayment {
                method: child.attribute("PayMethod").unwrap_or_default().to_owned(),
                amount: money(child, "TranAmount", "OrderPaymentData")?,
                attributes: attributes_of(child),
            }),
            other => return Err(Refusal::new(format!("Unknown element {other} in Data"))),
        }
        if !child.children.is_empty() {
            return Err(Refusal::new(format!("{} must be empty", child.name)));
        }
    }
    Ok(order)
}

fn read_line(line: &Element) -> Result<NewOrderLine, Refusal> {
    let text = |name: &str| line.attribute(name).unwrap_or_default().to_owned();
    let number = whole(&text("OrderLine"))
        .filter(|number| *number > 0)
        .ok_or_else(|| Refusal::new("OrderLine is missing or not valid"))?;
    let place = format!("OrderLine {number}");
    Ok(NewOrderLine {
        number,
        product: text("Product"),
        matrix: [text("MtrxCode1"), text("MtrxCode2"), text("MtrxCode3"), text("MtrxCode4")],
        quantity: whole(&text("Quantity"))
            .ok_or_else(|| Refusal::new(format!("{place}: Quantity is not valid")))?,
        price: money(line, "Price", &place)?,
        reference: text("LineReference"),
        attributes: attributes_of(line),
    })
}

fn attributes_of(element: &Element) -> Attributes {
    element.attributes.iter().cloned().collect()
}

/// A whole number in plain digits.
fn whole(text: &str) -> Option<u32> {
    text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok())?
}

/// The answer to `OrderStatus`: the status, and the parcels that have left (assumed).
pub(super) fn progress(
    number: &str,
    answer: &OrderStatusAnswer,
    format: &ResponseFormat,
) -> String {
    let mut content = String::new();
    open(&mut content, "Data", &[("OrderNumber", number), ("OrderStatus", &answer.status)], format);
    for parcel in &answer.parcels {
        let date = parcel.at.strftime("%d/%m/%Y").to_string();
        let attributes = [
            ("DespatchNumber", parcel.dispatch_number.as_str()),
            ("DespatchDate", &date),
            ("Carrier", &parcel.carrier),
            ("CarrServ", &parcel.service),
            ("ConsignmentNumber", &parcel.consignment),
            ("TrackingURL", ""),
        ];
        open(&mut content, "OrderDespatchData", &attributes, format);
        for (line, pieces) in &parcel.lines {
            open(
                &mut content,
                "DespatchLineData",
                &[("OrderLine", &line.to_string()), ("Quantity", &pieces.to_string())],
                format,
            );
            close(&mut content, "DespatchLineData", format);
        }
        close(&mut content, "OrderDespatchData", format);
    }
    close(&mut content, "Data", format);
    carried_out("OrderStatus", &content, format)
}

/// The answer to `MultiAvailableToSell`.
pub(super) fn availability(figures: &[SkuFigures], format: &ResponseFormat) -> String {
    let mut content = String::new();
    for figure in figures {
        write_figures(&mut content, "SKU", figure, true, format);
    }
    carried_out("MultiAvailableToSell", &content, format)
}

/// A part of the answer to `ProductAvailableToSell`, of some SKUs.
pub(super) fn availability_part(figures: &[SkuFigures], format: &ResponseFormat) -> String {
    let mut content = String::new();
    for figure in figures {
        write_figures(&mut content, "sku", figure, false, format);
    }
    referenced(&content, format.encoding)
}

/// The answer to `ProductAvailableToSell` with a mark in the place of its SKUs.
pub(super) fn availability_frame(mark: &str, format: &ResponseFormat) -> String {
    carried_out("ProductAvailableToSell", mark, format)
}

fn write_figures(
    content: &mut String,
    name: &str,
    figures: &SkuFigures,
    dated: bool,
    format: &ResponseFormat,
) {
    let SkuFigures { sku, available, allocated, free, due } = figures;
    let quantities = [
        ("AvailableQuantity", available),
        ("AllocatedQuantity", allocated),
        ("FreeQuantity", free),
    ];
    let quantities =
        quantities.map(|(name, quantity)| quantity.map(|quantity| (name, quantity.to_string())));
    let date =
        due.filter(|_| dated).map(|due| ("AvailableDate", due.strftime("%d/%m/%Y").to_string()));
    let [colour, size, third, fourth] = &sku.matrix;
    let mut attributes: Vec<(&str, &str)> = vec![
        ("Product", &sku.product),
        ("MtrxCode1", colour),
        ("MtrxCode2", size),
        ("MtrxCode3", third),
        ("MtrxCode4", fourth),
    ];
    attributes.extend(
        quantities.iter().chain([&date]).flatten().map(|(name, value)| (*name, value.as_str())),
    );
    open(content, name, &attributes, format);
    close(content, name, format);
}
