//! A small, strict tree of an XML document: no DTD, no entities but the five predefined ones,
//! bounded in size and depth.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

const DEEPEST: usize = 32;
const MOST_ELEMENTS: usize = 100_000;

/// One element.
#[derive(Debug, Default)]
pub(super) struct Element {
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    /// Local name and value, namespace declarations left out.
    pub(super) attributes: Vec<(String, String)>,
    /// All text directly inside.
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(named, _)| named == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a document; the error says what is wrong with it, without quoting its content.
pub(super) fn parse(document: &str) -> Result<Element, String> {
    let mut reader = NsReader::from_str(document);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0_usize;
    loop {
        let position = reader.buffer_position();
        let wrong = |what: &str| format!("{what} near character {position}");
        let (namespace, event) =
            reader.read_resolved_event().map_err(|error| wrong(&plain(&error)))?;
        match event {
            Event::Start(_) | Event::Empty(_) if root.is_some() => {
                return Err(wrong("content after the root element"));
            }
            Event::Start(ref start) | Event::Empty(ref start) => {
                let namespace = bound(&namespace)
                    .map_err(|prefix| wrong(&format!("undeclared prefix {prefix}")))?;
                let element = element(start, namespace).map_err(|what| wrong(&what))?;
                elements += 1;
                if open.len() >= DEEPEST || elements > MOST_ELEMENTS {
                    return Err(wrong("the document is too deep or has too many elements"));
                }
                if matches!(event, Event::Start(_)) {
                    open.push(element);
                } else {
                    close(element, &mut open, &mut root);
                }
            }
            Event::End(_) => {
                let Some(element) = open.pop() else { return Err(wrong("an end without a start")) };
                close(element, &mut open, &mut root);
            }
            Event::Text(text) => append(&mut open, &text.xml10_content()).map_err(wrong)?,
            Event::CData(text) => append(&mut open, &text.xml10_content()).map_err(wrong)?,
            Event::GeneralRef(reference) => {
                let character =
                    reference.resolve_char_ref().map_err(|error| wrong(&plain(&error)))?;
                let text = match character {
                    Some(character) if is_allowed(character) => character.to_string(),
                    Some(_) => {
                        return Err(wrong("a reference to a character that XML does not allow"));
                    }
                    None => match reference.xml10_content().as_ref() {
                        "amp" => "&".to_owned(),
                        "lt" => "<".to_owned(),
                        "gt" => ">".to_owned(),
                        "quot" => "\"".to_owned(),
                        "apos" => "'".to_owned(),
                        _ => return Err(wrong("an undeclared entity")),
                    },
                };
                append(&mut open, &text).map_err(wrong)?;
            }
            Event::DocType(_) => return Err(wrong("a document type declaration is not allowed")),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err("the document ends inside an element".to_owned());
    }
    root.ok_or_else(|| "the document has no element".to_owned())
}

fn element(start: &BytesStart<'_>, namespace: Option<String>) -> Result<Element, String> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        if attribute.value.contains('<') {
            return Err("an attribute with an unescaped <".to_owned());
        }
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let value =
            attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| plain(&error))?;
        if !value.chars().all(is_allowed) {
            return Err("a character that XML does not allow".to_owned());
        }
        attributes.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
    }
    let name = start.local_name().as_ref().to_owned();
    Ok(Element { namespace, name, attributes, ..Element::default() })
}

fn bound(namespace: &ResolveResult<'_>) -> Result<Option<String>, String> {
    match namespace {
        ResolveResult::Bound(namespace) => Ok(Some(namespace.as_ref().to_owned())),
        ResolveResult::Unbound => Ok(None),
        ResolveResult::Unknown(prefix) => Err(prefix.clone()),
    }
}

fn close(element: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
}

fn append(open: &mut [Element], text: &str) -> Result<(), &'static str> {
    if !text.chars().all(is_allowed) {
        return Err("a character that XML does not allow");
    }
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim_matches([' ', '\t', '\r', '\n', '\u{FEFF}']).is_empty() => {}
        None => return Err("text outside the root element"),
    }
    Ok(())
}

fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

fn plain(error: &quick_xml::Error) -> String {
    match error {
        quick_xml::Error::Escape(_) => "a & that begins no valid reference".to_owned(),
        quick_xml::Error::InvalidAttr(_) => "an attribute that is not well formed".to_owned(),
        _ => "not well formed".to_owned(),
    }
}
