//! Encodings: what a document declares, and characters that an encoding lacks.

use std::fmt::Write as _;

use super::settings::Encoding;

/// Decodes a message by its own declaration, else by the `charset` of its content type, else as
/// UTF-8.
pub(super) fn decode(bytes: &[u8], content_type: &str) -> Result<String, String> {
    let head = &bytes[..bytes.len().min(200)];
    let label =
        declared_encoding(&encoding_rs::mem::decode_latin1(head)).or_else(|| charset(content_type));
    match label.as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("utf-8" | "utf8") => {
            let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
            String::from_utf8(bytes.to_vec()).map_err(|error| format!("not UTF-8: {error}"))
        }
        Some("us-ascii") if bytes.is_ascii() => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Some("iso-8859-1" | "latin1") => Ok(encoding_rs::mem::decode_latin1(bytes).into_owned()),
        Some("windows-1252") => {
            Ok(encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned())
        }
        Some(other) => Err(format!("encoding {other} is not supported")),
    }
}

/// Encodes a message, with numeric references for the characters that the encoding lacks.
pub(super) fn encode(document: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => document.as_bytes().to_vec(),
        Encoding::Latin1 => {
            encoding_rs::mem::encode_latin1_lossy(&referenced(document, encoding)).into_owned()
        }
    }
}

/// A document with numeric references for the characters that the encoding lacks.
pub(super) fn referenced(document: &str, encoding: Encoding) -> String {
    if encoding == Encoding::Utf8 {
        return document.to_owned();
    }
    let mut text = String::with_capacity(document.len());
    for character in document.chars() {
        if u32::from(character) <= 0xFF {
            text.push(character);
        } else {
            let _infallible = write!(text, "&#{};", u32::from(character));
        }
    }
    text
}

/// What becomes of a document that declares ISO-8859-1 and has characters outside of it: they turn
/// into question marks.
pub(super) fn mangled(document: &str) -> String {
    let latin1 =
        declared_encoding(document).is_some_and(|label| label.eq_ignore_ascii_case("ISO-8859-1"));
    if !latin1 || encoding_rs::mem::is_str_latin1(document) {
        return document.to_owned();
    }
    document
        .chars()
        .map(|character| if u32::from(character) <= 0xFF { character } else { '?' })
        .collect()
}

/// A text as an attribute's value or an element's content.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn declared_encoding(document: &str) -> Option<String> {
    let declaration =
        document.trim_start_matches('\u{FEFF}').strip_prefix("<?xml")?.split_once("?>")?.0;
    let value = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    Some(value[1..].split_once(quote)?.0.to_owned())
}

fn charset(content_type: &str) -> Option<String> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_owned())
    })
}
