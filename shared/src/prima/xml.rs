//! XML as both systems' messages need it: decoding by declaration, a small reader without entities,
//! a writer that cannot be tricked by a customer's name.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::encoding::EncodingError;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesEnd, BytesRef, BytesStart, BytesText, Event};
use quick_xml::name::QName;
use quick_xml::{Reader, Writer};

use crate::kit::field_error::FieldError;
use crate::prima::connection::WireEncoding;

/// Elements within elements that are still read.
const DEEPEST: usize = 64;
/// Elements of one document that are still read.
const MOST_ELEMENTS: usize = 200_000;
/// Attributes of one element that are still read.
const MOST_ATTRIBUTES: usize = 512;

/// Why a document could not be read. Never holds the document's own text, which may be a
/// customer's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct XmlProblem(pub String);

impl XmlProblem {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// An element with all that is in it. Namespaces are not looked at; prefixes are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// The name with its prefix.
    pub name: String,
    /// The attributes, prefixes kept, references resolved.
    pub attributes: Vec<(String, String)>,
    /// The elements within.
    pub children: Vec<Element>,
    /// The text directly within, references resolved.
    pub text: String,
}

/// A name without its prefix.
#[must_use]
pub fn without_prefix(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

impl Element {
    /// Whether the name is `name`, apart from prefix and case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        without_prefix(&self.name).eq_ignore_ascii_case(name)
    }

    /// The attribute `name`: as spelt if there, else apart from case, else apart from the prefix.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let find = |fits: &dyn Fn(&str) -> bool| {
            self.attributes.iter().find(|(key, _)| fits(key)).map(|(_, value)| value.as_str())
        };
        find(&|key| key == name).or_else(|| find(&|key| key.eq_ignore_ascii_case(name))).or_else(
            || {
                find(&|key| {
                    !key.starts_with("xmlns") && without_prefix(key).eq_ignore_ascii_case(name)
                })
            },
        )
    }

    /// The elements directly within that are called `name`.
    pub fn children_called<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.is(name))
    }

    /// The first element directly within that is called `name`.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.is(name))
    }

    /// The first element at any depth within that is called `name`.
    #[must_use]
    pub fn descendant(&self, name: &str) -> Option<&Element> {
        self.children
            .iter()
            .find_map(|child| if child.is(name) { Some(child) } else { child.descendant(name) })
    }
}

/// Decodes a document by its byte order mark, else by its own declaration, else by the `charset` of
/// `content_type`, else as UTF-8. Bytes that are no UTF-8, though nothing says what they are, are
/// taken for ISO-8859-1. As everywhere on the web, `ISO-8859-1` is read as its superset
/// windows-1252, because services on Windows mean that.
///
/// # Errors
/// An encoding that is not known, or bytes that are not what is declared.
pub fn decode(bytes: &[u8], content_type: Option<&str>) -> Result<String, XmlProblem> {
    let encoding = encoding_of(bytes, content_type)?;
    let bytes = encoding_rs::Encoding::for_bom(bytes)
        .map_or(bytes, |(_, mark)| bytes.get(mark..).unwrap_or_default());
    encoding
        .decode_without_bom_handling_and_without_replacement(bytes)
        .map(Cow::into_owned)
        .ok_or_else(|| XmlProblem::new(format!("is not in {} as it says", encoding.name())))
}

/// The encoding of a document that begins with `bytes`, as [`decode`] takes it.
///
/// # Errors
/// It declares one that is not known.
pub fn encoding_of(
    bytes: &[u8],
    content_type: Option<&str>,
) -> Result<&'static encoding_rs::Encoding, XmlProblem> {
    if let Some((encoding, _)) = encoding_rs::Encoding::for_bom(bytes) {
        return Ok(encoding);
    }
    match declared_encoding(bytes).or_else(|| content_type.and_then(charset)) {
        // A declaration that could be read as ASCII is not in UTF-16, whatever it says.
        Some(label) => encoding_rs::Encoding::for_label(label.as_bytes())
            .map(encoding_rs::Encoding::output_encoding)
            .ok_or_else(|| XmlProblem::new("declares an encoding that is not known")),
        // What is cut within a character may be UTF-8 all the same.
        None if std::str::from_utf8(bytes)
            .map_or_else(|problem| problem.error_len().is_none(), |_| true) =>
        {
            Ok(encoding_rs::UTF_8)
        }
        None => Ok(encoding_rs::WINDOWS_1252),
    }
}

/// `encoding` of an XML declaration.
fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..bytes.len().min(200))?.trim_ascii_start();
    let head: String = head.iter().map(|byte| char::from(*byte)).collect();
    let declaration = head.strip_prefix("<?xml")?.split_once("?>")?.0;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value.get(1..)?.split_once(quote).map(|(label, _)| label.to_owned())
}

/// `charset` of a `Content-Type` header.
fn charset(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// Reads a document. References other than the five predefined and the numeric ones are refused,
/// and so is a document type: nothing is ever expanded.
///
/// # Errors
/// Says what is wrong with the document, without quoting its text.
pub fn read(text: &str) -> Result<Element, XmlProblem> {
    let mut reader = Reader::from_str(text.trim());
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0_usize;
    loop {
        let event = reader.read_event().map_err(|problem| not_well_formed(&reader, &problem))?;
        let (Event::Start(start) | Event::Empty(start)) = &event else {
            match event {
                Event::End(_) => {
                    let Some(done) = open.pop() else {
                        return Err(XmlProblem::new("closes an element that is not open"));
                    };
                    close(done, &mut open, &mut root);
                }
                Event::Text(text) => add_text(&mut open, &text.xml10_content())?,
                Event::CData(text) => add_text(&mut open, &text.xml10_content())?,
                Event::GeneralRef(reference) => add_text(&mut open, &resolve(&reference)?)?,
                Event::DocType(_) => {
                    return Err(XmlProblem::new("has a document type, which is refused"));
                }
                Event::Eof => break,
                _ => {}
            }
            continue;
        };
        elements += 1;
        if root.is_some() {
            return Err(XmlProblem::new("has more than one root element"));
        }
        if open.len() >= DEEPEST || elements > MOST_ELEMENTS {
            return Err(XmlProblem::new(format!(
                "has more than {MOST_ELEMENTS} elements, or {DEEPEST} within each other"
            )));
        }
        let element = read_start(start)?;
        match event {
            Event::Start(_) => open.push(element),
            _ => close(element, &mut open, &mut root),
        }
    }
    if open.is_empty() {
        root.ok_or_else(|| XmlProblem::new("is empty"))
    } else {
        Err(XmlProblem::new("is cut short"))
    }
}

fn not_well_formed(reader: &Reader<&[u8]>, _problem: &quick_xml::Error) -> XmlProblem {
    XmlProblem::new(format!("is not well-formed XML at byte {}", reader.error_position()))
}

fn close(done: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => *root = Some(done),
    }
}

fn add_text(open: &mut [Element], text: &str) -> Result<(), XmlProblem> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(XmlProblem::new("has text outside its root element")),
    }
    Ok(())
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, XmlProblem> {
    let refused = || XmlProblem::new("refers to an entity that XML does not predefine");
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Ok(character.to_string()),
        Ok(None) => resolve_predefined_entity(reference).map(ToOwned::to_owned).ok_or_else(refused),
        Err(_) => Err(refused()),
    }
}

/// The parser below splits at blanks and brackets only: what is no name, it would take for one.
fn check_name(name: &str) -> Result<(), XmlProblem> {
    let begins = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':') || !c.is_ascii();
    let goes_on = |c: char| begins(c) || c.is_ascii_digit() || matches!(c, '-' | '.');
    if name.starts_with(begins) && name.chars().all(goes_on) {
        return Ok(());
    }
    Err(XmlProblem::new("has an element or attribute with a name that is none"))
}

fn read_start(start: &BytesStart<'_>) -> Result<Element, XmlProblem> {
    check_name(start.name().as_ref())?;
    let mut element = Element { name: start.name().as_ref().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute =
            attribute.map_err(|_| XmlProblem::new("has an attribute that is not well-formed"))?;
        check_name(attribute.key.as_ref())?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_| XmlProblem::new("has an attribute with a reference that is refused"))?;
        if element.attributes.len() >= MOST_ATTRIBUTES {
            return Err(XmlProblem::new(format!(
                "has an element with more than {MOST_ATTRIBUTES} attributes"
            )));
        }
        element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

/// The name that a document in `encoding` declares.
#[must_use]
pub fn declared_name(encoding: WireEncoding) -> &'static str {
    match encoding {
        WireEncoding::Latin1 => "ISO-8859-1",
        WireEncoding::Utf8 => "UTF-8",
    }
}

/// The bytes of a document that a [`DocumentWriter`] wrote for `encoding`.
#[must_use]
pub fn encode(document: &str, encoding: WireEncoding) -> Vec<u8> {
    match encoding {
        WireEncoding::Utf8 => document.as_bytes().to_vec(),
        // The writer left no character above U+00FF; a question mark would be this function's own
        // fault.
        WireEncoding::Latin1 => document
            .chars()
            .map(|character| u8::try_from(u32::from(character)).unwrap_or(b'?'))
            .collect(),
    }
}

/// Escapes `text` for an attribute or an element: markup, line breaks and tabs (which readers would
/// turn into blanks), and whatever `encoding` does not have.
///
/// # Errors
/// The code point of a character that XML does not have at all.
pub fn escape(text: &str, encoding: WireEncoding) -> Result<Cow<'_, str>, u32> {
    let plain = |character: char| {
        matches!(character, ' '..='~') && !matches!(character, '&' | '<' | '>' | '"' | '\'')
    };
    if text.chars().all(plain) {
        return Ok(Cow::Borrowed(text));
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        let code = u32::from(character);
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{FFFE}' | '\u{FFFF}' => return Err(code),
            '\t' | '\n' | '\r' | '\u{7F}'..='\u{9F}' => escaped.push_str(&format!("&#{code};")),
            _ if code < 0x20 => return Err(code),
            _ if encoding == WireEncoding::Latin1 && code > 0xFF => {
                escaped.push_str(&format!("&#{code};"))
            }
            _ => escaped.push(character),
        }
    }
    Ok(Cow::Owned(escaped))
}

/// Writes a document. What cannot be written is collected and named at the end, all at once.
pub struct DocumentWriter {
    writer: Writer<Vec<u8>>,
    encoding: WireEncoding,
    problems: Vec<FieldError>,
}

impl DocumentWriter {
    /// A document that starts with a declaration of `encoding`.
    #[must_use]
    pub fn new(encoding: WireEncoding) -> Self {
        let mut document = Self { writer: Writer::new(Vec::new()), encoding, problems: Vec::new() };
        document.write(Event::Decl(BytesDecl::new("1.0", Some(declared_name(encoding)), None)));
        document
    }

    /// Opens an element. `label` is how problems name it.
    pub fn open(&mut self, name: &str, label: &str, attributes: &[(&str, &str)]) {
        let start = self.start(name, label, attributes);
        self.write(Event::Start(start));
    }

    /// An element without content.
    pub fn empty(&mut self, name: &str, label: &str, attributes: &[(&str, &str)]) {
        let start = self.start(name, label, attributes);
        self.write(Event::Empty(start));
    }

    /// The text of the open element, which problems call `label`.
    pub fn text(&mut self, label: &str, text: &str) {
        let escaped = self.escaped(label, text).into_owned();
        self.write(Event::Text(BytesText::from_escaped(escaped)));
    }

    /// Closes the element `name`.
    pub fn close(&mut self, name: &str) {
        self.write(Event::End(BytesEnd::new(name)));
    }

    /// The document, which holds no character that its encoding lacks.
    ///
    /// # Errors
    /// One entry for each attribute with a character that XML does not have.
    pub fn finish(mut self) -> Result<String, Vec<FieldError>> {
        let text = String::from_utf8(self.writer.into_inner());
        match text {
            Ok(text) if self.problems.is_empty() => Ok(text),
            Ok(_) => Err(self.problems),
            Err(problem) => {
                self.problems.push(FieldError::new("document", problem.to_string()));
                Err(self.problems)
            }
        }
    }

    fn start<'a>(
        &mut self,
        name: &'a str,
        label: &str,
        attributes: &'a [(&'a str, &'a str)],
    ) -> BytesStart<'a> {
        let mut start = BytesStart::new(name);
        for (key, value) in attributes {
            let place = if label.is_empty() { (*key).to_owned() } else { format!("{label}.{key}") };
            let value = self.escaped(&place, value);
            start.push_attribute(Attribute { key: QName(key), value });
        }
        start
    }

    fn escaped<'a>(&mut self, place: &str, text: &'a str) -> Cow<'a, str> {
        escape(text, self.encoding).unwrap_or_else(|code| {
            self.problems.push(FieldError::new(
                place,
                format!("holds the control character U+{code:04X}, which XML cannot carry"),
            ));
            Cow::Borrowed("")
        })
    }

    fn write(&mut self, event: Event<'_>) {
        if let Err(problem) = self.writer.write_event(event) {
            self.problems.push(FieldError::new("document", problem.to_string()));
        }
    }
}

impl From<EncodingError> for XmlProblem {
    fn from(_: EncodingError) -> Self {
        Self::new("is not in the encoding that it declares")
    }
}

#[cfg(test)]
mod tests;
