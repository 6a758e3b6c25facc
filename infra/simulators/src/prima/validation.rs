//! What the simulated Prima refuses about an order, apart from what cannot even be read.

use super::order::{Attributes, NewOrder, NewOrderLine, Refusal};
use super::settings::{KnownSkus, OrderRules, UnknownSku};

const YES_OR_NO: [&str; 15] = [
    "HoldOrder",
    "VatInclusive",
    "ReceiveMail",
    "ReceiveEmail",
    "ReceiveText",
    "ReceivePhone",
    "ReceiveMobile",
    "RentDetails",
    "B2B",
    "OrderPaid",
    "Voucher",
    "Inventory",
    "Reserve",
    "Wardrobe",
    "RentPhone",
];

const DATES: [&str; 2] = ["OrderDate", "DueDate"];

const MOST_PIECES: u32 = 99_999;

pub(super) fn check_order_number(number: &str, rules: &OrderRules) -> Result<(), Refusal> {
    if number.is_empty() {
        return Err(Refusal::new("OrderNumber is missing"));
    }
    let length = number.chars().count();
    if length > rules.longest_order_number {
        return Err(Refusal::new(format!(
            "OrderNumber has {length} characters, at most {} are allowed",
            rules.longest_order_number
        )));
    }
    if !number.chars().all(|character| character.is_ascii_alphanumeric() || character == '-') {
        return Err(Refusal::new("OrderNumber has a character that is not allowed"));
    }
    Ok(())
}

pub(super) fn check_order(
    order: &NewOrder,
    rules: &OrderRules,
    skus: &KnownSkus,
) -> Result<(), Refusal> {
    check_order_number(&order.order_number, rules)?;
    for attributes in [&order.attributes, &order.header, &order.invoice] {
        check_attributes(attributes, rules)?;
    }
    if order.lines.is_empty() {
        return Err(Refusal::new("The order has no lines"));
    }
    for (index, line) in order.lines.iter().enumerate() {
        check_line(line, rules, skus)?;
        if order.lines[..index].iter().any(|earlier| earlier.number == line.number) {
            return Err(Refusal::new(format!("OrderLine {} appears twice", line.number)));
        }
    }
    for charge in &order.charges {
        check_attributes(&charge.attributes, rules)?;
        if charge.code.is_empty() {
            return Err(Refusal::new("Charge is missing"));
        }
        if rules.charge_codes.as_ref().is_some_and(|codes| !codes.contains(&charge.code)) {
            return Err(Refusal::new(format!("Charge {} does not exist", charge.code)));
        }
    }
    for payment in &order.payments {
        check_attributes(&payment.attributes, rules)?;
        if payment.method.is_empty() {
            return Err(Refusal::new("PayMethod is missing"));
        }
    }
    Ok(())
}

fn check_line(line: &NewOrderLine, rules: &OrderRules, skus: &KnownSkus) -> Result<(), Refusal> {
    let number = line.number;
    check_attributes(&line.attributes, rules)?;
    if line.product.is_empty() {
        return Err(Refusal::new(format!("OrderLine {number}: Product is missing")));
    }
    match skus.check(&line.product, &line.matrix) {
        Ok(()) => {}
        Err(UnknownSku::Product) => {
            return Err(Refusal::new(format!(
                "OrderLine {number}: Product {} does not exist",
                line.product
            )));
        }
        Err(UnknownSku::Matrix) => {
            let matrix = line.matrix.join("/");
            return Err(Refusal::new(format!(
                "OrderLine {number}: Matrix {matrix} of product {} does not exist",
                line.product
            )));
        }
    }
    if line.quantity == 0 || line.quantity > MOST_PIECES {
        return Err(Refusal::new(format!(
            "OrderLine {number}: Quantity {} is not valid",
            line.quantity
        )));
    }
    if line.price.is_sign_negative() && !line.price.is_zero() {
        return Err(Refusal::new(format!("OrderLine {number}: Price {} is not valid", line.price)));
    }
    Ok(())
}

fn check_attributes(attributes: &Attributes, rules: &OrderRules) -> Result<(), Refusal> {
    for (name, value) in attributes {
        let longest = rules.longest.get(name).copied().unwrap_or(rules.longest_text);
        // The value stays out of the text: it may be somebody's address.
        let length = value.chars().count();
        if length > longest {
            return Err(Refusal::new(format!(
                "{name} has {length} characters, at most {longest} are allowed"
            )));
        }
        if value.chars().any(char::is_control) {
            return Err(Refusal::new(format!("{name} has a control character")));
        }
        if YES_OR_NO.contains(&name.as_str()) && !matches!(value.as_str(), "" | "Yes" | "No") {
            return Err(Refusal::new(format!("{name} must be Yes or No")));
        }
        if DATES.contains(&name.as_str()) && !value.is_empty() && !is_date(value) {
            return Err(Refusal::new(format!("{name} is not a valid date")));
        }
    }
    Ok(())
}

/// Whether a text is a date as Prima writes it: dd/mm/yyyy.
fn is_date(value: &str) -> bool {
    let bytes = value.as_bytes();
    if bytes.len() != 10 || bytes[2] != b'/' || bytes[5] != b'/' {
        return false;
    }
    let number = |range: std::ops::Range<usize>| {
        value.get(range).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let (Some(day), Some(month), Some(year)) = (number(0..2), number(3..5), number(6..10)) else {
        return false;
    };
    let (Ok(day), Ok(month), Ok(year)) = (day.parse(), month.parse(), year.parse()) else {
        return false;
    };
    jiff::civil::Date::new(year, month, day).is_ok()
}
