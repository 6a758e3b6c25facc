//! Reads a site's WSDL and proposes the settings that depend on it, for the operator's `check`.
//! What it proposes is entered into the installation document by a person: nothing is read from the
//! WSDL while orders flow.

use serde::Serialize;

use crate::prima::connection::MessageFormat;

use super::xml::{self, Element, XmlProblem, without_prefix};

/// What a WSDL says about how messages are written. Field names are those of
/// [`PrimaConnection`](crate::prima::connection::PrimaConnection).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProposedWire {
    /// Where the WSDL itself says the service stands. Often an inner host name: the configured one
    /// need not match.
    pub endpoint: Option<String>,
    /// The message format.
    pub message_format: MessageFormat,
    /// The namespace of the operations.
    pub namespace: String,
    /// The `SOAPAction` header.
    pub soap_action: String,
    /// The operation that takes the request document alone, if there is one.
    pub operation: Option<String>,
    /// The operation that takes company and request document, if there is one.
    pub company_operation: Option<String>,
    /// The part that carries the request document.
    pub request_part: String,
    /// The part that carries the company.
    pub company_part: Option<String>,
    /// The part of the answer that carries the response document.
    pub result_part: String,
    /// Document/literal: the parts stand in the namespace too.
    pub qualified_parts: bool,
    /// What a person should look at, because the WSDL leaves a choice.
    pub notes: Vec<String>,
}

/// Why a WSDL gives no proposal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WsdlProblem {
    /// It cannot be read.
    #[error("the WSDL {0}")]
    Unreadable(#[from] XmlProblem),
    /// It is no WSDL, or of another service.
    #[error(
        "the WSDL has no binding with the operation wsomhandler or comwsomhandler: is it this service's?"
    )]
    OtherService,
    /// The operation is there, but not how it is written.
    #[error("the WSDL does not say {0}")]
    Incomplete(&'static str),
}

/// Proposes the settings for the service that `wsdl_text` describes.
///
/// # Errors
/// The text is no WSDL of Prima's service.
pub fn probe(wsdl_text: &str) -> Result<ProposedWire, WsdlProblem> {
    let root = xml::read(wsdl_text)?;
    let mut notes = Vec::new();
    let mut candidates = root.children_called("binding").filter(|binding| {
        find_operation(binding, "wsomhandler").is_some()
            || find_operation(binding, "comwsomhandler").is_some()
    });
    let binding = candidates.next().ok_or(WsdlProblem::OtherService)?;
    if candidates.next().is_some() {
        notes.push("more than one binding has the operations: the first is proposed".to_owned());
    }
    let plain = find_operation(binding, "wsomhandler");
    let with_company = find_operation(binding, "comwsomhandler");
    let bound = plain.or(with_company).ok_or(WsdlProblem::OtherService)?;
    let soap_operation = bound.child("operation");
    let style = soap_operation
        .and_then(|operation| operation.attribute("style"))
        .or_else(|| {
            binding.children_called("binding").find_map(|element| element.attribute("style"))
        })
        .unwrap_or("document");
    let body = bound
        .child("input")
        .and_then(|input| input.child("body"))
        .ok_or(WsdlProblem::Incomplete("how the request's body is written"))?;
    let encoded = body.attribute("use").is_some_and(|value| value.eq_ignore_ascii_case("encoded"));
    let message_format = match (style.eq_ignore_ascii_case("rpc"), encoded) {
        (true, true) => MessageFormat::RpcEncoded,
        (true, false) => MessageFormat::RpcLiteral,
        (false, _) => MessageFormat::DocumentLiteral,
    };
    let messages = |operation: &Element| {
        parts_of(&root, operation.attribute("name").unwrap_or_default(), message_format)
    };
    let parts = messages(bound).ok_or(WsdlProblem::Incomplete("which parts the messages have"))?;
    let company_parts = with_company.and_then(messages);
    let company_part = company_parts.as_ref().and_then(|parts| {
        parts.input.iter().find(|name| looks_like_company(name)).or(parts.input.first()).cloned()
    });
    let request_part = parts
        .input
        .iter()
        .find(|name| plain.is_some() || Some(*name) != company_part.as_ref())
        .cloned()
        .ok_or(WsdlProblem::Incomplete("which part carries the request"))?;
    if let Some(company_parts) = &company_parts
        && !company_parts.input.contains(&request_part)
    {
        notes.push(format!(
            "the two operations name their parts differently: with a company the request goes into one of {:?}",
            company_parts.input
        ));
    }
    // The adapter adds a part for an OpenEdge procedure's own return value, called "result"; the
    // document is the other one.
    let result_part = parts
        .output
        .iter()
        .find(|name| !name.eq_ignore_ascii_case("result"))
        .or(parts.output.first())
        .cloned()
        .ok_or(WsdlProblem::Incomplete("which part carries the response"))?;
    if parts.output.len() > 1 {
        notes.push(format!(
            "the answer has the parts {:?}: '{result_part}' is proposed",
            parts.output
        ));
    }
    let target = || root.attribute("targetNamespace").map(ToOwned::to_owned);
    let namespace = parts
        .namespace
        .or_else(|| body.attribute("namespace").map(ToOwned::to_owned))
        .or_else(target);
    let address = root
        .children_called("service")
        .flat_map(|service| service.children_called("port"))
        .find_map(|port| port.child("address"));
    let name_of = |operation: Option<&Element>| {
        operation.and_then(|operation| operation.attribute("name")).map(ToOwned::to_owned)
    };
    Ok(ProposedWire {
        endpoint: address.and_then(|address| address.attribute("location")).map(ToOwned::to_owned),
        message_format,
        namespace: namespace.ok_or(WsdlProblem::Incomplete("the namespace of the operations"))?,
        soap_action: soap_operation
            .and_then(|operation| operation.attribute("soapAction"))
            .unwrap_or_default()
            .to_owned(),
        operation: name_of(plain),
        company_operation: name_of(with_company),
        request_part,
        company_part,
        result_part,
        qualified_parts: parts.qualified,
        notes,
    })
}

fn find_operation<'a>(within: &'a Element, name: &str) -> Option<&'a Element> {
    within.children.iter().find(|child| {
        child.is("operation")
            && child.attribute("name").is_some_and(|found| found.eq_ignore_ascii_case(name))
    })
}

fn looks_like_company(part: &str) -> bool {
    part.to_ascii_lowercase().contains("comp")
}

struct Parts {
    input: Vec<String>,
    output: Vec<String>,
    qualified: bool,
    /// Document/literal: the namespace of the wrapping element.
    namespace: Option<String>,
}

fn parts_of(root: &Element, operation: &str, message_format: MessageFormat) -> Option<Parts> {
    let described = root
        .children_called("portType")
        .find_map(|port_type| find_operation(port_type, operation))?;
    let message = |direction: &str| {
        let name = without_prefix(described.child(direction)?.attribute("message")?);
        root.children_called("message").find(|message| message.attribute("name") == Some(name))
    };
    let (input, output) = (message("input")?, message("output")?);
    if message_format != MessageFormat::DocumentLiteral {
        return Some(Parts {
            input: names(input, "part"),
            output: names(output, "part"),
            qualified: false,
            namespace: None,
        });
    }
    let (schema, input) = wrapped_elements(root, input)?;
    let (_, output) = wrapped_elements(root, output)?;
    Some(Parts {
        input,
        output,
        qualified: schema.attribute("elementFormDefault") == Some("qualified"),
        namespace: schema.attribute("targetNamespace").map(ToOwned::to_owned),
    })
}

fn names(of: &Element, called: &str) -> Vec<String> {
    of.children_called(called)
        .filter_map(|child| child.attribute("name"))
        .map(ToOwned::to_owned)
        .collect()
}

/// The schema that declares the wrapping element of `message`, and the names of the elements in it.
fn wrapped_elements<'a>(
    root: &'a Element,
    message: &Element,
) -> Option<(&'a Element, Vec<String>)> {
    let wrapper = without_prefix(message.child("part")?.attribute("element")?);
    let named = |of: &'a Element, kind: &'static str, name: &str| {
        of.children.iter().find(|child| child.is(kind) && child.attribute("name") == Some(name))
    };
    root.child("types")?.children_called("schema").find_map(|schema| {
        let declared = named(schema, "element", wrapper)?;
        let complex_type = declared.child("complexType").or_else(|| {
            named(schema, "complexType", without_prefix(declared.attribute("type")?))
        })?;
        Some((
            schema,
            complex_type
                .child("sequence")
                .map(|sequence| names(sequence, "element"))
                .unwrap_or_default(),
        ))
    })
}

#[cfg(test)]
mod tests;
