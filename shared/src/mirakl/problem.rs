//! The shapes in which Mirakl says what is wrong (Mirakl seller API, "Errors").

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::{MiraklError, Outcome};

/// Characters kept of a body that is no JSON.
const KEPT: usize = 200;

/// All of the shapes at once; every field may be absent or of another type.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body<'b> {
    #[serde(borrow)]
    code: Option<&'b RawValue>,
    #[serde(borrow)]
    message: Option<&'b RawValue>,
    #[serde(borrow)]
    error: Option<&'b RawValue>,
    #[serde(borrow, rename = "errorDescription")]
    error_description: Option<&'b RawValue>,
    #[serde(borrow)]
    field: Option<&'b RawValue>,
    #[serde(borrow)]
    errors: Option<&'b RawValue>,
}

impl MiraklError {
    /// The error that an answer tells of which is no success, in whatever shape (Mirakl seller API,
    /// "Errors").
    #[must_use]
    pub fn of_answer(operation: &'static str, status: u16, body: &[u8]) -> Self {
        error_of(operation, StatusCode::from_u16(status).unwrap_or_default(), body, None)
    }
}

/// The error of an answer that is no success.
pub(super) fn error_of(
    operation: &'static str,
    status: StatusCode,
    body: &[u8],
    retry_after: Option<Duration>,
) -> MiraklError {
    let text = String::from_utf8_lossy(body);
    // By its first sign: to the reader, a list of texts would be a body as well, its fields in
    // their order.
    let told = match text.trim_start().as_bytes().first() {
        Some(b'[') => serde_json::from_str::<Vec<Body<'_>>>(&text)
            .map(|errors| read_all(&Body::default(), &errors))
            .ok(),
        Some(b'{') => serde_json::from_str::<Body<'_>>(&text).map(|body| read(&body)).ok(),
        _ => None,
    };
    let (code, message, field) = told.unwrap_or_else(|| (None, plain(&text), None));
    // After a server error, or a 408, nobody knows how far the request came.
    let open = status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT;
    let outcome = if open { Outcome::Unknown } else { Outcome::Refused };
    let message = if status.is_redirection() {
        "answers with a redirect, which is never followed: base_url must be the marketplace's own address".to_owned()
    } else {
        message
    };
    let message = if message.is_empty() {
        status.canonical_reason().unwrap_or("no message").to_owned()
    } else {
        message
    };
    MiraklError {
        outcome,
        status: Some(status.as_u16()),
        code,
        message,
        field,
        retry_after,
        ..MiraklError::not_sent(operation, "")
    }
}

/// Code, message and field.
type Told = (Option<String>, String, Option<String>);

fn read(body: &Body<'_>) -> Told {
    let nested: Vec<Body<'_>> =
        body.errors.and_then(|errors| serde_json::from_str(errors.get()).ok()).unwrap_or_default();
    read_all(body, &nested)
}

fn read_all(body: &Body<'_>, nested: &[Body<'_>]) -> Told {
    // A number is the HTTP status again; a text is Mirakl's own code.
    let code = text_of(body.code).or_else(|| nested.iter().find_map(|error| text_of(error.code)));
    let field =
        text_of(body.field).or_else(|| nested.iter().find_map(|error| text_of(error.field)));
    let own = [body.message, body.error, body.error_description];
    // A code beside the first one is kept in the text, so that none is lost.
    let nested = nested.iter().filter_map(|error| {
        let others = text_of(error.code).filter(|other| Some(other) != code.as_ref());
        let parts: Vec<_> = [others, text_of(error.message)].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(": "))
    });
    let mut message =
        own.into_iter().filter_map(text_of).chain(nested).collect::<Vec<_>>().join("; ");
    truncate(&mut message);
    (code, message, field)
}

fn text_of(value: Option<&RawValue>) -> Option<String> {
    let mut text =
        serde_json::from_str::<String>(value?.get()).ok().filter(|text| !text.is_empty())?;
    truncate(&mut text);
    Some(text)
}

/// The first words of an HTML or plain body, without its tags.
fn plain(text: &str) -> String {
    let mut words = String::new();
    let mut in_tag = false;
    for character in text.chars() {
        match character {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                words.push(' ');
            }
            _ if in_tag => {}
            _ => words.push(character),
        }
        if words.len() > 4 * KEPT {
            break;
        }
    }
    let mut words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    truncate(&mut words);
    words
}

fn truncate(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(KEPT) {
        text.truncate(end);
        text.push_str("...");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> MiraklError {
        let status = StatusCode::from_u16(status).unwrap_or_default();
        error_of("OR21", status, body.as_bytes(), None)
    }

    #[test]
    fn every_shape_that_was_seen_is_read() {
        let seen = [
            (400, r#"{"status":400,"message":"Bad Request"}"#, None, "Bad Request", None),
            (401, r#"{"code":401,"message":"Unauthorized"}"#, None, "Unauthorized", None),
            (
                400,
                r#"{"status":400,"code":"ORDER_INVALID_STATE","message":"not in the expected state"}"#,
                Some("ORDER_INVALID_STATE"),
                "not in the expected state",
                None,
            ),
            (
                400,
                r#"{"message":"invalid","errors":[{"code":"ORDER_LINE_NOT_FOUND","field":"order_line_id","message":"no such line"}]}"#,
                Some("ORDER_LINE_NOT_FOUND"),
                "invalid; no such line",
                Some("order_line_id"),
            ),
            (
                500,
                r#"{"status":500,"message":null,"error":"Internal","errorDescription":"oops"}"#,
                None,
                "Internal; oops",
                None,
            ),
            (
                502,
                "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
                None,
                "502 Bad Gateway nginx",
                None,
            ),
            (
                400,
                r#"[{"code":"A","message":"one"},{"code":"B","message":"two"}]"#,
                Some("A"),
                "one; B: two",
                None,
            ),
            (400, r#"{"error":"Bad Request","errors":["odd"]}"#, None, "Bad Request", None),
            (403, "", None, "Forbidden", None),
            (400, r#"{"errors":"not a list","message":7}"#, None, "Bad Request", None),
        ];
        for (status, body, code, message, field) in seen {
            let error = read(status, body);
            assert_eq!(
                (error.code.as_deref(), error.message.as_str(), error.field.as_deref()),
                (code, message, field),
                "{body}"
            );
            assert_eq!(error.status, Some(status));
        }
    }

    #[test]
    fn a_server_error_leaves_the_effect_open_and_a_refusal_does_not() {
        assert_eq!(read(500, "").outcome, Outcome::Unknown);
        assert_eq!(read(400, "").outcome, Outcome::Refused);
        assert!(read(403, "").is_key_refused());
        assert!(read(400, r#"{"code":"ORDER_INVALID_STATE"}"#).is_invalid_state());
    }

    #[test]
    fn a_long_page_is_cut() {
        assert!(read(500, &"é".repeat(10_000)).message.chars().count() < 210);
    }
}
