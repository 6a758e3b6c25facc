//! What must hold for whatever arrives from outside, one function a reader. None may panic, take
//! long, or answer with more than it was given; and what was read and is written again must be read
//! the same.
//!
//! Two callers: cargo-fuzz's targets, and `tests/readers.rs`, which mutates the seeds for a few
//! seconds in every test run.

use std::collections::HashMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::domain::channel::Channel;
use shared::domain::installation::Installation;
use shared::domain::order::mapping::{MappingChannel, map_order};
use shared::domain::order::row::OrderRow;
use shared::domain::order::rules::OrderRules;
use shared::kit::amount::Amount;
use shared::kit::clock::after;
use shared::mirakl::error_report::{group_by_reason, read_errors};
use shared::mirakl::offer_export::OfferReader;
use shared::mirakl::{MiraklError, Order, OrderPage};
use shared::prima::assumed::read_parcels;
use shared::prima::connection::WireEncoding;
use shared::prima::documents::{
    DocumentProblem, new_order_request, read_order_status, read_response,
};
use shared::prima::soap::{SoapProblem, read_answer};
use shared::prima::wsdl::probe;
use shared::prima::xml::{self, DocumentWriter, Element};

/// A reader, as the targets know it.
pub type Law = fn(&[u8]);

/// All of them, by the names of their targets and of the folders of their seeds.
pub const LAWS: [(&str, Law); 10] = [
    ("mirakl_page", mirakl_page),
    ("mirakl_error", mirakl_error),
    ("mirakl_values", mirakl_values),
    ("mirakl_error_report", mirakl_error_report),
    ("mirakl_offers", mirakl_offers),
    ("prima_xml", prima_xml),
    ("prima_answer", prima_answer),
    ("prima_document", prima_document),
    ("prima_wsdl", prima_wsdl),
    ("documents", documents),
];

/// The longest message about something from outside: it goes to logs, rows and events.
const LONGEST_MESSAGE: usize = 1000;

fn brief(message: &str) {
    assert!(message.chars().count() <= LONGEST_MESSAGE, "a message of {} bytes", message.len());
}

fn json<T: Serialize>(value: &T) -> String {
    match serde_json::to_string(value) {
        Ok(text) => text,
        Err(problem) => panic!("what was read cannot be written: {problem}"),
    }
}

/// What was read is written, and read again the same.
fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    let written = json(value);
    match serde_json::from_str::<T>(&written) {
        Ok(again) => assert_eq!(*value, again, "written as {written}"),
        Err(problem) => panic!("what was written cannot be read: {problem}: {written}"),
    }
}

/// A page of OR11; each of its orders is followed through row and mapping into the document for
/// Prima.
pub fn mirakl_page(data: &[u8]) {
    let page = match OrderPage::read(data) {
        Ok(page) => page,
        Err(problem) => return brief(&problem.message),
    };
    assert_eq!(
        page.orders.len() + page.unreadable.len(),
        page.length,
        "no order of a page is lost"
    );
    for order in &page.orders {
        survives(order);
        order.unread_fields.iter().for_each(|field| brief(field));
        row_of(order);
        mapped(order);
    }
    for unreadable in &page.unreadable {
        brief(&unreadable.problem);
    }
}

fn row_of(order: &Order) {
    let row = OrderRow::first_seen(
        "c",
        order,
        after(jiff::Timestamp::UNIX_EPOCH, std::time::Duration::from_secs(1_790_000_000)),
    );
    survives(&row);
}

fn mapped(order: &Order) {
    let rules: OrderRules = parsed(include_str!("../../seed/rules/outfitter-uk.json"));
    let channel = MappingChannel { id: "outfitter-uk", name: "Outfitter UK" };
    let Ok(mapped) = map_order(order, &channel, &rules, &HashMap::new(), &Default::default())
    else {
        return;
    };
    let mapped = mapped.document;
    let encoding = WireEncoding::Latin1;
    let document = match new_order_request(&mapped, Default::default(), encoding) {
        Ok(document) => document,
        Err(problems) => panic!("a mapping let pass what cannot be written: {problems:?}"),
    };
    let sent = xml::encode(&document, encoding);
    let read = xml::decode(&sent, None).and_then(|text| xml::read(&text));
    let Ok(root) = read else { panic!("Prima could not read what is sent: {read:?}") };
    let number = root.child("Data").and_then(|data| data.attribute("OrderNumber"));
    assert_eq!(number, Some(mapped.order_number.as_str()), "the number arrives as it was reserved");
    let lines = root.child("Data").map(|data| data.children_called("OrderLineData").count());
    assert_eq!(lines, Some(mapped.lines.len()));
}

/// An answer of Mirakl that is no success; the first two bytes are its status.
pub fn mirakl_error(data: &[u8]) {
    let (status, body) = match data {
        [high, low, body @ ..] => (300 + (u16::from(*high) << 8 | u16::from(*low)) % 300, body),
        body => (500, body),
    };
    let error = MiraklError::of_answer("OR21", status, body);
    assert_eq!(error.status, Some(status));
    assert!(!error.message.is_empty(), "an error says something");
    brief(&error.message);
    brief(error.code.as_deref().unwrap_or_default());
    brief(error.field.as_deref().unwrap_or_default());
    let _ = (error.is_key_refused(), error.is_invalid_state(), error.kind(), error.to_string());
}

/// Amounts, counts, dates and ids, bare and quoted.
pub fn mirakl_values(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for value in [text.to_owned(), json(&text)] {
        // What is not needed hides no order, in whatever form it comes.
        for field in
            ["created_date", "shipping_deadline", "has_customer_message", "order_additional_fields"]
        {
            let line = format!(
                r#"{{"order_line_id":"1","quantity":1,"price":1,"promotions":[{{"id":{value}}}],"shipped_date":{value}}}"#
            );
            let order = format!(
                r#"{{"order_id":"O","order_state":"SHIPPING","{field}":{value},"order_lines":[{line}]}}"#
            );
            if serde_json::from_str::<serde::de::IgnoredAny>(&value).is_ok() {
                let page = OrderPage::read(format!(r#"{{"orders":[{order}]}}"#).as_bytes());
                assert!(
                    page.is_ok_and(|page| page.unreadable.is_empty()),
                    "{field} hides an order"
                );
            }
        }
        if let Ok(amount) = serde_json::from_str::<Amount>(&value) {
            survives(&amount);
            assert!(amount.to_string().len() <= 40, "an amount is as long as its digits");
        }
        let line = format!(
            r#"{{"order_line_id":{value},"offer_sku":"A","quantity":{value},"order_line_state":{value},"price":{value},"price_unit":{value}}}"#
        );
        let plain = r#"{"order_line_id":"1","offer_sku":"A","quantity":1,"price":1}"#;
        for order in [
            format!(
                r#"{{"order_id":"O","order_state":"SHIPPING","created_date":{value},"order_lines":[{plain}]}}"#
            ),
            format!(
                r#"{{"order_id":{value},"order_state":{value},"created_date":"2026-11-20T08:00:00Z","order_lines":[{plain}]}}"#
            ),
            format!(
                r#"{{"order_id":"O","order_state":"SHIPPING","created_date":"2026-11-20T08:00:00Z","order_lines":[{line}]}}"#
            ),
        ] {
            let Ok(page) = OrderPage::read(format!(r#"{{"orders":[{order}]}}"#).as_bytes()) else {
                continue;
            };
            page.orders.iter().for_each(survives);
            page.unreadable.iter().for_each(|unreadable| brief(&unreadable.problem));
        }
    }
}

/// The lines that Mirakl refused of a stock import: each counts for one reason.
pub fn mirakl_error_report(data: &[u8]) {
    let errors = match read_errors("STO03", data) {
        Ok(errors) => errors,
        Err(problem) => return brief(&problem.message),
    };
    for error in &errors {
        brief(&error.reason);
        error.offer_sku.iter().for_each(|sku| brief(sku));
    }
    let groups = group_by_reason(&errors, 2);
    assert_eq!(
        groups.iter().map(|group| group.count).sum::<usize>(),
        errors.len(),
        "no line is lost"
    );
    for group in groups {
        brief(&group.reason);
        assert!((1..=2).contains(&group.examples.len()), "{} examples", group.examples.len());
    }
}

/// A file of an offers' export: the same, however its pieces arrive.
pub fn mirakl_offers(data: &[u8]) {
    let in_pieces_of = |length: usize| {
        let mut entries = Vec::new();
        let mut reader = OfferReader::default();
        let mut each = |entry| entries.push(entry);
        let taken = data.chunks(length).try_for_each(|piece| reader.take(piece, &mut each));
        let outcome = taken.and_then(|()| reader.end(&mut each));
        (entries, outcome)
    };
    let (entries, outcome) = in_pieces_of(data.len().max(1));
    if let Err(problem) = &outcome {
        brief(&problem.to_string());
    }
    for unreadable in entries.iter().filter_map(|entry| entry.as_ref().err()) {
        brief(&unreadable.problem);
    }
    // What makes a beginning too long for a heading depends on how much of it has come.
    if data.len() < 10_000 {
        assert_eq!((entries, outcome), in_pieces_of(7), "in pieces");
    }
}

/// Any XML document: decoded, read, written and read again. Nothing is ever expanded.
pub fn prima_xml(data: &[u8]) {
    for content_type in
        [None, Some("text/xml; charset=ISO-8859-1"), Some("text/xml; charset=utf-16")]
    {
        let text = match xml::decode(data, content_type) {
            Ok(text) => text,
            Err(problem) => {
                brief(&problem.0);
                continue;
            }
        };
        // A byte of windows-1252 is three bytes of UTF-8 at most.
        assert!(
            text.len() <= 3 * data.len() + 3,
            "decoding makes {} bytes of {}",
            text.len(),
            data.len()
        );
        match xml::read(&text) {
            Ok(root) => {
                assert!(size(&root) <= text.len(), "nothing is expanded");
                written_again(&root);
            }
            Err(problem) => brief(&problem.0),
        }
    }
}

fn size(element: &Element) -> usize {
    let attributes: usize =
        element.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    element.name.len()
        + element.text.len()
        + attributes
        + element.children.iter().map(size).sum::<usize>()
}

fn written_again(root: &Element) {
    for encoding in [WireEncoding::Utf8, WireEncoding::Latin1] {
        // Names are ours when we write: outside Latin-1 nobody writes any.
        if encoding == WireEncoding::Latin1 && !names_are_ascii(root) {
            continue;
        }
        let mut writer = DocumentWriter::new(encoding);
        write(&mut writer, root);
        // Characters that XML does not have are refused by name.
        let Ok(document) = writer.finish() else { continue };
        let again =
            xml::decode(&xml::encode(&document, encoding), None).and_then(|text| xml::read(&text));
        assert_eq!(again.as_ref(), Ok(root), "written as {document:?}");
    }
}

fn names_are_ascii(element: &Element) -> bool {
    element.name.is_ascii()
        && element.attributes.iter().all(|(name, _)| name.is_ascii())
        && element.children.iter().all(names_are_ascii)
}

fn write(writer: &mut DocumentWriter, element: &Element) {
    let attributes: Vec<_> =
        element.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    writer.open(&element.name, "", &attributes);
    writer.text("", &element.text);
    element.children.iter().for_each(|child| write(writer, child));
    writer.close(&element.name);
}

/// An answer of Prima's web service, whole.
pub fn prima_answer(data: &[u8]) {
    let installation: Installation = parsed(include_str!("../../seed/installation.json"));
    for content_type in [None, Some("text/xml; charset=utf-8")] {
        match read_answer(&installation.prima, data, content_type) {
            Ok(document) => {
                assert!(document.len() <= 3 * data.len() + 3, "nothing is expanded");
                prima_document(document.as_bytes());
            }
            Err(SoapProblem::Unreadable(message)) => brief(&message),
            Err(SoapProblem::Fault { message, request_id, .. }) => {
                brief(&message);
                brief(request_id.as_deref().unwrap_or_default());
            }
        }
    }
}

/// A response document.
pub fn prima_document(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let installation: Installation = parsed(include_str!("../../seed/installation.json"));
    match read_response(text) {
        Ok(root) => {
            if let Err(DocumentProblem::Refused(message) | DocumentProblem::Unreadable(message)) =
                read_order_status(&root, "W-1")
            {
                brief(&message);
            }
            let read = read_parcels(&root);
            read.odd.iter().for_each(|odd| brief(&odd.form));
            read.unclear.iter().for_each(|unclear| brief(unclear));
        }
        Err(DocumentProblem::Refused(message)) => {
            brief(&message);
            let _ = installation.prima.says_unknown_order(&message, "W-1");
        }
        Err(DocumentProblem::Unreadable(message)) => brief(&message),
    }
}

/// A WSDL.
pub fn prima_wsdl(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match probe(text) {
        Ok(proposed) => {
            json(&proposed);
        }
        Err(problem) => brief(&problem.to_string()),
    }
}

/// The documents that people write: channels, order rules, the installation.
pub fn documents(data: &[u8]) {
    if let Ok(channel) = serde_json::from_slice::<Channel>(data) {
        let problems = channel.problems();
        survives(&channel);
        if problems.is_empty() {
            let _ = (channel.acceptance_window(), channel.warn_when_left());
        }
    }
    if let Ok(rules) = serde_json::from_slice::<OrderRules>(data) {
        let _ = rules.problems();
        survives(&rules);
    }
    if let Ok(installation) = serde_json::from_slice::<Installation>(data) {
        let _ = installation.problems();
        survives(&installation);
    }
}

fn parsed<T: DeserializeOwned>(document: &str) -> T {
    match serde_json::from_str(document) {
        Ok(value) => value,
        Err(problem) => panic!("a seed document: {problem}"),
    }
}
