//! SOAP 1.1 as the Progress `OpenEdge` Web Services Adapter speaks it: one document goes in as a
//! string, one comes back as a string, in whichever of three message formats the site was deployed
//! with.

use crate::kit::field_error::FieldError;
use crate::prima::connection::MessageFormat;
use crate::prima::connection::PrimaConnection;

use super::xml::{self, DocumentWriter, Element, encode};

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";
const SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The number of Progress's message for a service that its operator has disabled: the request was
/// not run.
const SERVICE_DISABLED: &str = "(10921)";

/// Characters that are kept of a text of somebody else's.
pub const LONGEST_LINE: usize = 500;
/// Characters that are kept of a request's id.
const LONGEST_ID: usize = 100;

/// What came back instead of a response document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SoapProblem {
    /// A SOAP 1.1 fault.
    Fault {
        /// `detail/FaultDetail/errorMessage`, or `faultstring` where that is absent.
        message: String,
        /// `detail/FaultDetail/requestID`, for the WSA log.
        request_id: Option<String>,
        /// It says that the service is disabled, message (10921).
        disabled: bool,
    },
    /// No SOAP message, or not the one that was expected.
    Unreadable(String),
}

/// The bytes of an envelope that calls the operation with `document`, itself XML, as a string.
///
/// # Errors
/// One entry for each part with a character that XML does not have.
pub fn write_call(
    connection: &PrimaConnection,
    document: &str,
) -> Result<Vec<u8>, Vec<FieldError>> {
    let operation = connection.called_operation();
    let encoded = connection.message_format == MessageFormat::RpcEncoded;
    let mut envelope = DocumentWriter::new(connection.encoding);
    let mut declarations = vec![("xmlns:soap", ENVELOPE)];
    if encoded {
        declarations.extend([("xmlns:xsd", SCHEMA), ("xmlns:xsi", INSTANCE)]);
    }
    envelope.open("soap:Envelope", "", &declarations);
    envelope.open("soap:Body", "", &[]);
    let wrapper = format!("prima:{operation}");
    let mut attributes = vec![("xmlns:prima", connection.namespace.as_str())];
    if encoded {
        attributes.push(("soap:encodingStyle", ENCODING));
    }
    envelope.open(&wrapper, "", &attributes);
    if let (Some(company), Some(part)) = (&connection.company, &connection.parts.company) {
        write_part(&mut envelope, connection, part, company);
    }
    write_part(&mut envelope, connection, &connection.parts.request, document);
    envelope.close(&wrapper);
    envelope.close("soap:Body");
    envelope.close("soap:Envelope");
    Ok(encode(&envelope.finish()?, connection.encoding))
}

/// In both RPC formats a part stands in no namespace; in document/literal the schema decides.
fn write_part(envelope: &mut DocumentWriter, connection: &PrimaConnection, part: &str, text: &str) {
    let qualified =
        connection.message_format == MessageFormat::DocumentLiteral && connection.qualified_parts;
    let name = if qualified { format!("prima:{part}") } else { part.to_owned() };
    let typed = [("xsi:type", "xsd:string")];
    let attributes =
        if connection.message_format == MessageFormat::RpcEncoded { &typed[..] } else { &[] };
    envelope.open(&name, part, attributes);
    envelope.text(part, text);
    envelope.close(&name);
}

/// The `Content-Type` of a call.
#[must_use]
pub fn content_type(connection: &PrimaConnection) -> String {
    format!("text/xml; charset={}", xml::declared_name(connection.encoding).to_ascii_lowercase())
}

/// The response document within an answer. Whatever the format, it is the part that is configured
/// as the result, wherever in the body it stands.
///
/// # Errors
/// A fault, or why the answer is none.
pub fn read_answer(
    connection: &PrimaConnection,
    bytes: &[u8],
    content_type: Option<&str>,
) -> Result<String, SoapProblem> {
    let unreadable = |message: String| SoapProblem::Unreadable(message);
    let text = xml::decode(bytes, content_type)
        .map_err(|problem| unreadable(format!("the answer {problem}")))?;
    let envelope =
        xml::read(&text).map_err(|problem| unreadable(format!("the answer {problem}")))?;
    let body = Some(&envelope)
        .filter(|root| root.is("Envelope"))
        .and_then(|root| root.child("Body"))
        .ok_or_else(|| unreadable("the answer is no SOAP message".to_owned()))?;
    if let Some(fault) = body.child("Fault") {
        return Err(read_fault(fault));
    }
    let result = &connection.parts.result;
    let part = body
        .child(result)
        .or_else(|| body.children.iter().find_map(|wrapper| wrapper.child(result)));
    let Some(part) = part else {
        let found: Vec<_> = body
            .children
            .iter()
            .flat_map(|wrapper| &wrapper.children)
            .map(|part| part.name.as_str())
            .take(8)
            .collect();
        let found = one_line(&found.join("', '"));
        return Err(unreadable(format!(
            "the answer has no part '{result}', but '{found}': see prima.parts.result"
        )));
    };
    if part.text.trim().is_empty() {
        return Err(unreadable(format!("the answer's part '{result}' is empty")));
    }
    Ok(part.text.clone())
}

fn read_fault(fault: &Element) -> SoapProblem {
    let text_of = |element: Option<&Element>| {
        element.map(|element| one_line(&element.text)).filter(|text| !text.is_empty())
    };
    let summary = text_of(fault.child("faultstring"));
    let detail = fault.child("detail");
    let message = text_of(detail.and_then(|detail| detail.descendant("errorMessage")));
    let request_id = text_of(detail.and_then(|detail| detail.descendant("requestID")));
    let request_id = request_id.map(|id| id.chars().take(LONGEST_ID).collect());
    let disabled =
        [&summary, &message].into_iter().flatten().any(|text| text.contains(SERVICE_DISABLED));
    let message =
        message.or(summary).unwrap_or_else(|| "a SOAP fault without a message".to_owned());
    SoapProblem::Fault { message, request_id, disabled }
}

/// A text of somebody else's, fit for one line of ours: blanks single, at most [`LONGEST_LINE`]
/// characters.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST_LINE).collect()
}

#[cfg(test)]
mod tests;
