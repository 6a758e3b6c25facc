//! How a response document is written, and how an amount in a request is read.

use std::str::FromStr;

use rust_decimal::Decimal;

use super::order::Refusal;
use super::settings::{ElementCase, Encoding};
use super::text::{escaped, referenced};
use super::xml::Element;

/// An amount in plain digits with at most one point.
pub(super) fn money(element: &Element, name: &str, place: &str) -> Result<Decimal, Refusal> {
    let refusal = || Refusal::new(format!("{place}: {name} is not valid"));
    let text = element.attribute(name).unwrap_or_default();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit());
    if !plain(whole) || !plain(fraction) {
        return Err(refusal());
    }
    Decimal::from_str(text).map_err(|_| refusal())
}

/// How the next response document is written.
#[derive(Clone, Debug)]
pub(super) struct ResponseFormat {
    pub(super) root: String,
    pub(super) case: ElementCase,
    pub(super) encoding: Encoding,
}

impl ResponseFormat {
    /// An element's name in the format's case.
    fn element(&self, name: &str) -> String {
        match self.case {
            ElementCase::Documented | ElementCase::Mixed => name.to_owned(),
            ElementCase::Lower => name.to_lowercase(),
            ElementCase::Upper => name.to_uppercase(),
        }
    }
}

/// The answer to a request that was carried out and says nothing more.
pub(super) fn accepted(request_type: &str, format: &ResponseFormat) -> String {
    carried_out(request_type, "", format)
}

pub(super) fn open(
    content: &mut String,
    name: &str,
    attributes: &[(&str, &str)],
    format: &ResponseFormat,
) {
    content.push('<');
    content.push_str(&format.element(name));
    for (name, value) in attributes {
        content.push_str(&format!(" {name}=\"{}\"", escaped(value)));
    }
    content.push('>');
}

pub(super) fn close(content: &mut String, name: &str, format: &ResponseFormat) {
    content.push_str(&format!("</{}>", format.element(name)));
}

pub(super) fn carried_out(request_type: &str, content: &str, format: &ResponseFormat) -> String {
    document(
        &format!(
            "RequestType=\"{}\" RequestStatus=\"OK\" RequestError=\"\"",
            escaped(request_type)
        ),
        content,
        format,
    )
}

/// The answer to a request that was refused.
pub(super) fn refused(request_type: &str, refusal: &Refusal, format: &ResponseFormat) -> String {
    let attributes = format!(
        "RequestType=\"{}\" RequestStatus=\"ERROR\" RequestError=\"{}\"",
        escaped(request_type),
        escaped(&refusal.text)
    );
    document(&attributes, "", format)
}

fn document(attributes: &str, content: &str, format: &ResponseFormat) -> String {
    let root = &format.root;
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"{}\"?>\n<{root} {attributes}>{content}</{root}>\n",
        format.encoding.name()
    );
    referenced(&document, format.encoding)
}
