//! Dispatch files: parcels as CSV, for sites whose `OrderStatus` names none.
//!
//! One line per parcel and order line, with a heading line; the separator is a comma or a
//! semicolon:
//!
//! ```csv
//! order_number,dispatch_number,dispatch_date,carrier,service,consignment_number,order_line,quantity
//! OUT-000123,D4711,23/11/2026,DPD NEXT DAY,,15501234567890,1,2
//! ```
//!
//! `order_line` and `quantity` may both be empty: then nobody says what is in the parcel. Lines of
//! one parcel stand together or apart; the same line twice in one file counts once.

use std::collections::BTreeMap;

use crate::kit::csv::{CellError, CsvError, HeadingCsv, Line, LineProblem};
use crate::kit::odd_form::OddForm;
use crate::prima::assumed::read_date;
use crate::prima::order::{PrimaParcel, PrimaParcelLine};

/// The headings, in any order.
pub const HEADINGS: [&str; 8] = [
    "order_number",
    "dispatch_number",
    "dispatch_date",
    "carrier",
    "service",
    "consignment_number",
    "order_line",
    "quantity",
];
/// Those that no file can do without.
const NEEDED: [&str; 4] = ["order_number", "dispatch_number", "carrier", "consignment_number"];

/// A dispatch file, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DispatchFile {
    /// Parcels by Prima's order number.
    pub orders: BTreeMap<String, Vec<PrimaParcel>>,
    /// Lines that cannot be used. The others are used.
    pub problems: Vec<LineProblem>,
    /// Fields that were done without, because their form is not understood.
    pub odd: Vec<OddForm>,
}

/// Reads a file.
///
/// # Errors
/// It has no usable heading line: nothing of it is used.
pub fn read(text: &str) -> Result<DispatchFile, CsvError> {
    let csv = HeadingCsv::read(text, &HEADINGS, &NEEDED)?;
    let mut file = DispatchFile::default();
    for line in csv.lines() {
        match line.and_then(|line| {
            read_line(line, &mut file.odd).map_err(|problem| (line.number, problem.to_string()))
        }) {
            Ok((order, parcel)) => add(&mut file.orders, order, parcel),
            Err(problem) => file.problems.push(problem),
        }
    }
    Ok(file)
}

fn read_line(line: Line<'_>, odd: &mut Vec<OddForm>) -> Result<(String, PrimaParcel), CellError> {
    let needed = |name: &'static str| match line.field(name) {
        "" => Err(CellError::Empty(name)),
        text => Ok(text.to_owned()),
    };
    let whole = |name: &'static str| {
        line.field(name)
            .parse::<u32>()
            .ok()
            .filter(|number| *number > 0)
            .ok_or(CellError::NoPieces(name))
    };
    let lines = match (line.field("order_line"), line.field("quantity")) {
        ("", "") => Vec::new(),
        _ => {
            vec![PrimaParcelLine { order_line: whole("order_line")?, quantity: whole("quantity")? }]
        }
    };
    let date = line.field("dispatch_date");
    let dispatched_on = read_date(date);
    if dispatched_on.is_none() && !date.is_empty() {
        odd.push(OddForm::of("dispatch_date", date));
    }
    let parcel = PrimaParcel {
        dispatch: needed("dispatch_number")?,
        dispatched_on,
        carrier: line.field("carrier").to_owned(),
        service: line.field("service").to_owned(),
        consignment: line.field("consignment_number").to_owned(),
        lines,
    };
    Ok((needed("order_number")?, parcel))
}

fn add(orders: &mut BTreeMap<String, Vec<PrimaParcel>>, order: String, parcel: PrimaParcel) {
    let parcels = orders.entry(order).or_default();
    let same = |known: &&mut PrimaParcel| known.identity() == parcel.identity();
    match parcels.iter_mut().find(same) {
        Some(known) => {
            for line in parcel.lines {
                if !known.lines.iter().any(|other| other.order_line == line.order_line) {
                    known.lines.push(line);
                }
            }
        }
        None => parcels.push(parcel),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use jiff::civil::Date;

    use super::*;

    #[test]
    fn lines_of_one_parcel_come_together_and_wrong_ones_are_named() {
        let text = "\u{feff}Order_Number;Dispatch_Number;Dispatch_Date;Carrier;Service;Consignment_Number;Order_Line;Quantity\r\n\
            N1;D1;23/11/2026;DPD; NEXT DAY ;155;1;2\r\nN1;D1;;DPD;;155;2;1\r\nN1;D1;;DPD;;155;2;1\r\nN2;D2;;Evri;;H1;;\r\n\
            N3;;;Evri;;H2;;\r\nN4;D4;2026-11-23;Evri;;H3;;\r\nN5;D5;;Evri;;H4;1;two\r\n";
        let file = read(text).unwrap();
        let first = &file.orders["N1"][0];
        assert_eq!(
            (first.service.as_str(), first.lines.len(), first.dispatched_on),
            ("NEXT DAY", 2, Date::new(2026, 11, 23).ok())
        );
        assert_eq!(file.orders["N2"][0].lines, []);
        assert_eq!(
            (file.orders.len(), file.orders["N4"][0].dispatched_on),
            (3, None),
            "the date is not needed"
        );
        assert_eq!(
            file.odd,
            [OddForm { field: "dispatch_date".into(), form: "9999-99-99".into() }]
        );
        let lines: Vec<_> = file
            .problems
            .iter()
            .map(|(line, problem)| (*line, problem.split(' ').next().unwrap()))
            .collect();
        assert_eq!(lines, [(6, "dispatch_number"), (8, "quantity")]);
    }

    #[test]
    fn a_file_without_its_headings_is_refused_whole() {
        assert!(read("N1,D1,DPD,155\n").unwrap_err().to_string().contains("lacks order_number"));
        assert_eq!(read(" \n").unwrap_err(), CsvError::Empty);
    }
}
