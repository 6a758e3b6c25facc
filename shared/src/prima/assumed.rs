//! **Assumed**: everything that no public integration with Prima shows. The names are ours, in the
//! vendor's style, and are to be confirmed against the site's own schema. Each stands behind a
//! capability of [`PrimaBehaviour`](crate::prima::connection::PrimaBehaviour) that is off by default,
//! or can be left empty.

pub mod finance;

use crate::kit::field_error::FieldError;
use crate::prima::connection::WireEncoding;

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::kit::odd_form::OddForm;

use super::order::{PrimaParcel, PrimaParcelLine};
use super::soap::one_line;
use super::xml::{DocumentWriter, Element};

/// Assumed: `OrderInvoiceData` has a mobile number beside the `InvoicePhone` that is seen. Left out
/// where empty.
pub const INVOICE_MOBILE: &str = "InvoiceMobile";

/// Assumed: `<Request RequestType="CancelOrder">`; refused once dispatched. Behind the capability
/// `cancel_order`.
///
/// # Errors
/// One entry for each attribute with a character that XML does not have.
pub fn cancel_order_request(
    order_number: &str,
    narrative: &str,
    encoding: WireEncoding,
) -> Result<String, Vec<FieldError>> {
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

/// What an `OrderStatus` answer says of parcels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadParcels {
    /// Those that could be read.
    pub parcels: Vec<PrimaParcel>,
    /// Why what has left is not known: a parcel without a number, or with lines that cannot be
    /// read.
    pub unclear: Option<String>,
    /// What was done without.
    pub odd: Vec<OddForm>,
}

/// Why what has left in a parcel is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum UnclearParcel {
    #[error("the response document has a parcel without a DespatchNumber")]
    NoNumber,
    #[error("dispatch {dispatch} says what is in it in a form that is not known")]
    UnknownContents { dispatch: String },
    #[error("dispatch {dispatch} has a line whose {name} is no whole number")]
    NoWholeNumber { dispatch: String, name: &'static str },
}

/// Assumed: `OrderStatus` answers one `OrderDespatchData` per parcel once goods have left, within
/// `Data` or beside it, with a `DespatchLineData` per line.
#[must_use]
pub fn read_parcels(root: &Element) -> ReadParcels {
    let mut read = ReadParcels::default();
    let within = root.children_called("Data").flat_map(|data| data.children_called(PARCEL));
    for element in root.children_called(PARCEL).chain(within) {
        match read_parcel(element, &mut read.odd) {
            Ok(parcel) => read.parcels.push(parcel),
            Err(unclear) => drop(read.unclear.get_or_insert(unclear.to_string())),
        }
    }
    read
}

const PARCEL: &str = "OrderDespatchData";
const PARCEL_LINE: &str = "DespatchLineData";

fn read_parcel(element: &Element, odd: &mut Vec<OddForm>) -> Result<PrimaParcel, UnclearParcel> {
    let given = |name: &str| one_line(element.attribute(name).unwrap_or_default());
    // ABL's unknown value is no value.
    let text = |name: &str| Some(given(name)).filter(|text| text != "?").unwrap_or_default();
    let dispatch = text("DespatchNumber");
    if dispatch.is_empty() {
        return Err(UnclearParcel::NoNumber);
    }
    let lines: Vec<&Element> = element.children_called(PARCEL_LINE).collect();
    if lines.len() < element.children.len() {
        return Err(UnclearParcel::UnknownContents { dispatch });
    }
    let lines: Result<Vec<_>, _> =
        lines.into_iter().map(|line| read_parcel_line(line, &dispatch)).collect();
    let date = given("DespatchDate");
    let dispatched_on = read_date(&date);
    if dispatched_on.is_none() && !date.is_empty() {
        odd.push(OddForm::of(format!("{PARCEL}.DespatchDate"), &date));
    }
    Ok(PrimaParcel {
        dispatched_on,
        carrier: text("Carrier"),
        service: text("CarrServ"),
        consignment: text("ConsignmentNumber"),
        lines: lines?,
        dispatch,
    })
}

/// A quantity of 0 says that the line is not in the parcel.
fn read_parcel_line(line: &Element, dispatch: &str) -> Result<PrimaParcelLine, UnclearParcel> {
    let number = |name: &'static str| {
        let text = line.attribute(name).unwrap_or_default().trim();
        let whole = Decimal::from_str_exact(text).ok().filter(|number| number.fract().is_zero());
        let whole = whole.and_then(|number| u32::try_from(number.trunc()).ok());
        whole.ok_or_else(|| UnclearParcel::NoWholeNumber { dispatch: dispatch.to_owned(), name })
    };
    Ok(PrimaParcelLine { order_line: number("OrderLine")?, quantity: number("Quantity")? })
}

/// How Prima writes a date: `dd/mm/yyyy`.
const DATE: &str = "%d/%m/%Y";

/// `dd/mm/yyyy`. A year of two digits is none.
pub(crate) fn read_date(text: &str) -> Option<Date> {
    Date::strptime(DATE, text).ok().filter(|date| (2000..3000).contains(&date.year()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> ReadParcels {
        let text = format!(
            r#"<Response RequestStatus="OK"><Data OrderStatus="Despatched">{content}</Data></Response>"#
        );
        read_parcels(&super::super::xml::read(&text).unwrap_or_default())
    }

    #[test]
    fn each_parcel_is_read_with_its_lines_whatever_the_case() {
        let all = read(concat!(
            r#"<ORDERDESPATCHDATA despatchnumber="D1" DespatchDate="23/11/2026" Carrier="DPD NEXT DAY" CarrServ="" ConsignmentNumber=" 155 ">"#,
            r#"<DespatchLineData OrderLine="1" Quantity="2"/><despatchlinedata orderline="2" quantity="1"/></ORDERDESPATCHDATA>"#,
            r#"<OrderDespatchData DespatchNumber="D2"/>"#
        ));
        let first = PrimaParcel {
            dispatch: "D1".into(),
            dispatched_on: Date::new(2026, 11, 23).ok(),
            carrier: "DPD NEXT DAY".into(),
            consignment: "155".into(),
            lines: vec![
                PrimaParcelLine { order_line: 1, quantity: 2 },
                PrimaParcelLine { order_line: 2, quantity: 1 },
            ],
            ..PrimaParcel::default()
        };
        let second = PrimaParcel { dispatch: "D2".into(), ..PrimaParcel::default() };
        assert_eq!(all, ReadParcels { parcels: vec![first, second], ..ReadParcels::default() });
        assert_eq!(read(""), ReadParcels::default());
    }

    /// A parcel whose contents nobody can know is unclear, and the reason names it.
    #[test]
    fn a_parcel_with_unreadable_contents_is_unclear_and_named() {
        let of = |lines: &str| {
            format!(r#"<OrderDespatchData DespatchNumber="D7">{lines}</OrderDespatchData>"#)
        };
        for (wrong, named) in [
            (r#"<OrderDespatchData Carrier="DPD"/>"#.to_owned(), "DespatchNumber"),
            (r#"<OrderDespatchData DespatchNumber="?"/>"#.to_owned(), "DespatchNumber"),
            (of(r#"<DespatchLineData OrderLine="1" Quantity="two"/>"#), "D7"),
            (of(r#"<DespatchLineData OrderLine="1" Quantity="-1"/>"#), "Quantity"),
            (of(r#"<DespatchLineData OrderLine="1" Quantity="1.5"/>"#), "Quantity"),
            (of(r#"<DespatchLineData OrderLine="1"/>"#), "Quantity"),
            (of(r#"<DespatchLineData OrderLine="" Quantity="2"/>"#), "OrderLine"),
            (of(r#"<DespatchedLine OrderLine="1" Quantity="2"/>"#), "not known"),
        ] {
            let unclear = read(&wrong);
            assert!(
                unclear.parcels.is_empty()
                    && unclear.unclear.is_some_and(|text| text.contains(named)),
                "{wrong}"
            );
        }
        let scaled = read(&of(r#"<DespatchLineData OrderLine="01" Quantity="2.00"/>"#));
        assert_eq!(
            scaled.parcels.first().map(|parcel| parcel.lines.clone()),
            Some(vec![PrimaParcelLine { order_line: 1, quantity: 2 }])
        );
    }

    /// A dispatch date in another form is done without and named by its form alone.
    #[test]
    fn an_odd_dispatch_date_is_left_out_and_its_form_named() {
        for (date, form) in [
            ("2026-11-23", "9999-99-99"),
            ("11/23/2026", "99/99/9999"),
            ("23/11/2026 14:05", "99/99/9999 99:99"),
            ("?", "?"),
            ("23-11-2026", "99-99-9999"),
            ("23/11/26", "99/99/99"),
        ] {
            let read = read(&format!(
                r#"<OrderDespatchData DespatchNumber="D7" DespatchDate="{date}" ConsignmentNumber="155"/>"#
            ));
            let parcel = PrimaParcel {
                dispatch: "D7".into(),
                consignment: "155".into(),
                ..PrimaParcel::default()
            };
            let odd = OddForm { field: "OrderDespatchData.DespatchDate".into(), form: form.into() };
            assert_eq!(
                read,
                ReadParcels { parcels: vec![parcel], unclear: None, odd: vec![odd] },
                "{date}"
            );
        }
        let unknown =
            read(r#"<OrderDespatchData DespatchNumber="D7" Carrier="?" ConsignmentNumber="?"/>"#);
        assert_eq!(
            unknown.parcels,
            [PrimaParcel { dispatch: "D7".into(), ..PrimaParcel::default() }]
        );
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
        assert!(
            cancel_order_request("201C1234", "", WireEncoding::Utf8)
                .is_ok_and(|text| !text.contains("Narrative"))
        );
    }
}
