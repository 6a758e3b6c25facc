//! **Assumed**: everything that no public integration with Prima shows. The names are ours, in the vendor's style, and are to
//! be confirmed against the site's own schema. Each stands behind a capability of
//! [`PrimaManners`](crate::installation::PrimaManners) that is off by default, or can be left empty.

use crate::channel::FieldError;
use crate::installation::WireEncoding;

use jiff::civil::Date;

use super::documents::DocumentProblem;
use super::order::{PrimaParcel, PrimaParcelLine};
use super::soap::one_line;
use super::xml::{DocumentWriter, Element};

/// Assumed: `OrderInvoiceData` has a mobile number beside the `InvoicePhone` that is seen. Left out where empty.
pub const INVOICE_MOBILE: &str = "InvoiceMobile";

/// Assumed: `<Request RequestType="CancelOrder">`; refused once despatched. Behind the capability `cancel_order`.
///
/// # Errors
/// One entry for each attribute with a character that XML does not have.
pub fn cancel_order_request(order_number: &str, narrative: &str, encoding: WireEncoding) -> Result<String, Vec<FieldError>> {
    let mut document = DocumentWriter::new(encoding);
    document.open("Request", "", &[("RequestType", "CancelOrder")]);
    let mut attributes = vec![("OrderNumber", order_number)];
    if !narrative.is_empty() {
        attributes.push(("Narrative", narrative));
    }
    document.empty("Data", "", &attributes);
    document.close("Request");
    document.finish()
}

/// Assumed: `OrderStatus` answers one `OrderDespatchData` per parcel once goods have left, within `Data` or beside it, with a
/// `DespatchLineData` per line.
///
/// # Errors
/// A parcel without a despatch number, or a quantity, line number or date that is none: nothing of the answer is used then.
pub fn read_parcels(root: &Element) -> Result<Vec<PrimaParcel>, DocumentProblem> {
    const NAME: &str = "OrderDespatchData";
    let within = root.children_called("Data").flat_map(|data| data.children_called(NAME));
    root.children_called(NAME).chain(within).map(read_parcel).collect()
}

fn read_parcel(element: &Element) -> Result<PrimaParcel, DocumentProblem> {
    let text = |name: &str| one_line(element.attribute(name).unwrap_or_default());
    let despatch = text("DespatchNumber");
    if despatch.is_empty() {
        return Err(DocumentProblem::Unreadable("the response document has a parcel without a DespatchNumber".to_owned()));
    }
    let lines: Result<Vec<_>, _> = element.children_called("DespatchLineData").map(|line| read_parcel_line(line, &despatch)).collect();
    let date = text("DespatchDate");
    let despatched_on = if date.is_empty() { None } else { Some(read_date(&date, &despatch)?) };
    Ok(PrimaParcel {
        despatched_on,
        carrier: text("Carrier"),
        service: text("CarrServ"),
        consignment: text("ConsignmentNumber"),
        lines: lines?,
        despatch,
    })
}

fn read_parcel_line(line: &Element, despatch: &str) -> Result<PrimaParcelLine, DocumentProblem> {
    let number = |name: &str| {
        let text = line.attribute(name).unwrap_or_default().trim();
        let plain = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
        let unreadable = || DocumentProblem::Unreadable(format!("despatch {despatch} has a line whose {name} is no whole number"));
        if plain { text.parse::<u32>().map_err(|_| unreadable()) } else { Err(unreadable()) }
    };
    Ok(PrimaParcelLine { order_line: number("OrderLine")?, quantity: number("Quantity")? })
}

/// `dd/mm/yyyy`.
fn read_date(text: &str, despatch: &str) -> Result<Date, DocumentProblem> {
    Date::strptime("%d/%m/%Y", text)
        .map_err(|_| DocumentProblem::Unreadable(format!("despatch {despatch} has a DespatchDate that is not dd/mm/yyyy")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcels(content: &str) -> Result<Vec<PrimaParcel>, DocumentProblem> {
        let root =
            super::super::xml::read(&format!(r#"<Response RequestStatus="OK"><Data OrderStatus="Despatched">{content}</Data></Response>"#));
        root.map_err(|problem| DocumentProblem::Unreadable(problem.to_string())).and_then(|root| read_parcels(&root))
    }

    #[test]
    fn each_parcel_is_read_with_its_lines_whatever_the_case() {
        let read = parcels(concat!(
            r#"<ORDERDESPATCHDATA despatchnumber="D1" DespatchDate="23/11/2026" Carrier="DPD NEXT DAY" CarrServ="" ConsignmentNumber=" 155 ">"#,
            r#"<DespatchLineData OrderLine="1" Quantity="2"/><despatchlinedata orderline="2" quantity="1"/></ORDERDESPATCHDATA>"#,
            r#"<OrderDespatchData DespatchNumber="D2"/>"#
        ));
        let first = PrimaParcel {
            despatch: "D1".into(),
            despatched_on: Date::new(2026, 11, 23).ok(),
            carrier: "DPD NEXT DAY".into(),
            consignment: "155".into(),
            lines: vec![PrimaParcelLine { order_line: 1, quantity: 2 }, PrimaParcelLine { order_line: 2, quantity: 1 }],
            ..PrimaParcel::default()
        };
        assert_eq!(read, Ok(vec![first, PrimaParcel { despatch: "D2".into(), ..PrimaParcel::default() }]));
        assert_eq!(parcels(""), Ok(vec![]));
    }

    #[test]
    fn a_parcel_that_cannot_be_read_is_an_error_that_names_it() {
        for (wrong, named) in [
            (r#"<OrderDespatchData Carrier="DPD"/>"#, "DespatchNumber"),
            (r#"<OrderDespatchData DespatchNumber="D7"><DespatchLineData OrderLine="1" Quantity="two"/></OrderDespatchData>"#, "D7"),
            (r#"<OrderDespatchData DespatchNumber="D7"><DespatchLineData OrderLine="" Quantity="2"/></OrderDespatchData>"#, "OrderLine"),
            (r#"<OrderDespatchData DespatchNumber="D7" DespatchDate="2026-11-23"/>"#, "dd/mm/yyyy"),
        ] {
            assert!(matches!(parcels(wrong), Err(DocumentProblem::Unreadable(text)) if text.contains(named)), "{wrong}");
        }
    }

    #[test]
    fn cancel_order_names_the_order_and_the_reason() {
        assert_eq!(
            cancel_order_request("201C1234", "Buyer's wish", WireEncoding::Utf8).as_deref(),
            Ok(concat!(
                r#"<?xml version="1.0" encoding="UTF-8"?><Request RequestType="CancelOrder">"#,
                r#"<Data OrderNumber="201C1234" Narrative="Buyer&apos;s wish"/></Request>"#
            ))
        );
        assert!(cancel_order_request("201C1234", "", WireEncoding::Utf8).is_ok_and(|text| !text.contains("Narrative")));
    }
}
