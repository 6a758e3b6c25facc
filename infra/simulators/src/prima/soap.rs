//! The envelope: SOAP 1.1 in the three formats of the Web Services Adapter.

use super::settings::{Settings, Style};
use super::text::escaped;
use super::xml::{Element, parse};

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const ENCODING: &str = "http://schemas.xmlsoap.org/soap/encoding/";
const FAULT_DETAIL: &str = "urn:soap-fault:details";

/// A call of one of the two operations.
#[derive(Debug)]
pub(super) struct SoapCall {
    /// `wsomhandler` or `comwsomhandler`: the answer is named after it.
    pub(super) operation: &'static str,
    /// The request document, one level of escaping taken off.
    pub(super) document: String,
}

/// A SOAP fault.
#[derive(Debug)]
pub(super) struct Fault {
    /// Whether the caller is to blame (`Client`) or not (`Server`).
    pub(super) client: bool,
    /// `errorMessage`, with Progress's number.
    pub(super) message: String,
}

impl Fault {
    pub(super) fn client(message: impl std::fmt::Display) -> Self {
        // 10893 is the generic number; the specific ones of real installations are not known.
        Self { client: true, message: format!("{message} (10893)") }
    }

    pub(super) fn server(message: impl std::fmt::Display) -> Self {
        Self { client: false, message: format!("{message} (10893)") }
    }

    pub(super) fn disabled() -> Self {
        Self {
            client: false,
            message: "The Web service is disabled and cannot accept requests. (10921)".to_owned(),
        }
    }

    /// The envelope of the fault.
    pub(super) fn render(&self, request_id: &str, settings: &Settings) -> String {
        let code = if self.client { "SOAP-ENV:Client" } else { "SOAP-ENV:Server" };
        let text = if self.message.contains("(10921)") {
            "The Web service is not available. (10921)"
        } else {
            "An error was detected while executing the Web service request. (10893)"
        };
        envelope(
            &format!(
                "<SOAP-ENV:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring><detail>\
                 <ns1:FaultDetail xmlns:ns1=\"{FAULT_DETAIL}\"><errorMessage>{}</errorMessage><requestID>{}</requestID>\
                 </ns1:FaultDetail></detail></SOAP-ENV:Fault>",
                escaped(&self.message),
                escaped(request_id)
            ),
            settings,
        )
    }
}

/// Reads a request's envelope, strictly as the configured WSDL says.
pub(super) fn read(message: &str, settings: &Settings) -> Result<SoapCall, Fault> {
    let root = parse(message)
        .map_err(|what| Fault::client(format!("Unable to parse the SOAP message: {what}.")))?;
    if root.name != "Envelope" || root.namespace.as_deref() != Some(ENVELOPE) {
        return Err(Fault::client("The message is not a SOAP 1.1 envelope."));
    }
    let bodies: Vec<&Element> = root.children.iter().filter(|child| child.name == "Body").collect();
    let [body] = bodies[..] else { return Err(Fault::client("The envelope must have one Body.")) };
    if body.namespace.as_deref() != Some(ENVELOPE) {
        return Err(Fault::client("The Body is not in the envelope's namespace."));
    }
    for header in root
        .children
        .iter()
        .filter(|child| child.name == "Header")
        .flat_map(|header| &header.children)
    {
        if header.attribute("mustUnderstand") == Some("1") {
            return Err(Fault::client("A header must be understood and is not."));
        }
    }
    let [call] = &body.children[..] else {
        return Err(Fault::client("The Body must have one operation."));
    };
    let (operation, expected) = match call.name.as_str() {
        "wsomhandler" => ("wsomhandler", vec![&settings.parts.request]),
        "comwsomhandler" if !settings.companies.is_empty() => {
            ("comwsomhandler", vec![&settings.parts.company, &settings.parts.request])
        }
        other => return Err(Fault::client(format!("Operation {other} is not defined."))),
    };
    if call.namespace.as_deref() != Some(settings.namespace.as_str()) {
        return Err(Fault::client(format!(
            "Operation {operation} is not in namespace {}.",
            settings.namespace
        )));
    }
    let values = read_parts(call, &expected, settings)?;
    let mut values = values.into_iter();
    if operation == "comwsomhandler" {
        let company = values.next().unwrap_or_default();
        if !settings.companies.contains(&company) {
            return Err(Fault::server("The company does not exist."));
        }
    }
    Ok(SoapCall { operation, document: values.next().unwrap_or_default() })
}

fn read_parts(
    call: &Element,
    expected: &[&String],
    settings: &Settings,
) -> Result<Vec<String>, Fault> {
    let operation = &call.name;
    if !call.text.trim().is_empty() {
        return Err(Fault::client(format!("Operation {operation} has text between its parts.")));
    }
    let qualified = settings.style == Style::DocumentLiteral && settings.parts.qualified;
    let namespace = qualified.then_some(settings.namespace.as_str());
    for part in &call.children {
        if !expected.contains(&&part.name) {
            return Err(Fault::client(format!("Operation {operation} has no part {}.", part.name)));
        }
        if part.namespace.as_deref() != namespace {
            return Err(Fault::client(format!(
                "Part {} of operation {operation} is in the wrong namespace.",
                part.name
            )));
        }
        if !part.children.is_empty() {
            return Err(Fault::client(format!(
                "Part {} of operation {operation} is not a string: it has elements.",
                part.name
            )));
        }
        if settings.style == Style::RpcEncoded
            && part.attribute("type").is_some_and(|typed| local(typed) != "string")
        {
            return Err(Fault::client(format!(
                "Part {} of operation {operation} is not a string.",
                part.name
            )));
        }
    }
    let mut values = Vec::new();
    for name in expected {
        let parts: Vec<&Element> =
            call.children.iter().filter(|part| &&part.name == name).collect();
        let [part] = parts[..] else {
            return Err(Fault::client(format!("Operation {operation} needs part {name} once.")));
        };
        values.push(part.text.clone());
    }
    Ok(values)
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

/// The envelope of an answer.
pub(super) fn answer(operation: &str, document: &str, settings: &Settings) -> String {
    let namespace = escaped(&settings.namespace);
    let document = escaped(document);
    let response = &settings.parts.response;
    let typed = if settings.style == Style::RpcEncoded { " xsi:type=\"xsd:string\"" } else { "" };
    let return_value = settings
        .parts
        .return_value
        .as_ref()
        .map(|name| format!("<{name}{typed} xsi:nil=\"true\"/>"))
        .unwrap_or_default();
    let parts = format!("{return_value}<{response}{typed}>{document}</{response}>");
    let content = match settings.style {
        Style::RpcEncoded => format!(
            "<ns0:{operation}Response xmlns:ns0=\"{namespace}\" SOAP-ENV:encodingStyle=\"{ENCODING}\">{parts}</ns0:{operation}Response>"
        ),
        Style::DocumentLiteral if settings.parts.qualified => {
            format!("<{operation}Response xmlns=\"{namespace}\">{parts}</{operation}Response>")
        }
        Style::RpcLiteral | Style::DocumentLiteral => {
            format!(
                "<ns0:{operation}Response xmlns:ns0=\"{namespace}\">{parts}</ns0:{operation}Response>"
            )
        }
    };
    envelope(&content, settings)
}

fn envelope(content: &str, settings: &Settings) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"{}\"?>\n<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"{ENVELOPE}\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <SOAP-ENV:Body>{content}</SOAP-ENV:Body></SOAP-ENV:Envelope>\n",
        settings.encoding.name()
    )
}
