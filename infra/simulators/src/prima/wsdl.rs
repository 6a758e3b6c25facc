//! The WSDL 1.1 of the configured installation.

use std::fmt::Write as _;

use super::settings::{Settings, Style};
use super::text::escaped;

/// The namespace that `targetURI` must name.
pub(super) const TARGET: &str = "urn:omlink";

/// The WSDL, for the service at an address.
pub(super) fn render(settings: &Settings, address: &str) -> String {
    let parts = &settings.parts;
    let outputs: Vec<&str> =
        parts.return_value.iter().chain([&parts.response]).map(String::as_str).collect();
    let mut operations = vec![("wsomhandler", vec![parts.request.as_str()])];
    if !settings.companies.is_empty() {
        operations.push(("comwsomhandler", vec![parts.company.as_str(), parts.request.as_str()]));
    }
    let mut types = String::new();
    let mut messages = String::new();
    let mut port = String::new();
    let mut binding = String::new();
    for (operation, inputs) in &operations {
        for (name, values) in
            [((*operation).to_owned(), inputs), (format!("{operation}Response"), &outputs)]
        {
            write_message(&name, values, settings, &mut types, &mut messages);
        }
        let _infallible = write!(
            port,
            "    <operation name=\"{operation}\">\n      <input message=\"tns:OmHandler_{operation}\"/>\n      \
             <output message=\"tns:OmHandler_{operation}Response\"/>\n      \
             <fault name=\"OmHandlerFault\" message=\"tns:FaultDetailMessage\"/>\n    </operation>\n"
        );
        let body = body(settings);
        let _infallible = write!(
            binding,
            "    <operation name=\"{operation}\">\n      <soap:operation soapAction=\"{}\" style=\"{}\"/>\n      \
             <input>{body}</input>\n      <output>{body}</output>\n      \
             <fault name=\"OmHandlerFault\"><soap:fault name=\"OmHandlerFault\" use=\"literal\"/></fault>\n    </operation>\n",
            escaped(&settings.soap_action),
            style(settings),
        );
    }
    let schema = if settings.style == Style::DocumentLiteral {
        let form = if parts.qualified { "qualified" } else { "unqualified" };
        format!(
            "    <schema targetNamespace=\"{}\" xmlns=\"http://www.w3.org/2001/XMLSchema\" elementFormDefault=\"{form}\">\n{types}    </schema>\n",
            escaped(&settings.namespace)
        )
    } else {
        String::new()
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"{encoding}\"?>\n\
         <definitions name=\"OmHandler\" targetNamespace=\"{TARGET}\" xmlns=\"http://schemas.xmlsoap.org/wsdl/\" \
         xmlns:tns=\"{TARGET}\" xmlns:S1=\"urn:soap-fault:details\" xmlns:S2=\"{namespace}\" \
         xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\" xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\">\n  <types>\n    \
         <schema targetNamespace=\"urn:soap-fault:details\" xmlns=\"http://www.w3.org/2001/XMLSchema\" elementFormDefault=\"unqualified\">\n      \
         <element name=\"FaultDetail\"><complexType><sequence><element name=\"errorMessage\" type=\"xsd:string\"/>\
         <element name=\"requestID\" type=\"xsd:string\"/></sequence></complexType></element>\n    </schema>\n{schema}  </types>\n\
         {messages}  <message name=\"FaultDetailMessage\"><part name=\"FaultDetail\" element=\"S1:FaultDetail\"/></message>\n  \
         <portType name=\"OmHandlerObj\">\n{port}  </portType>\n  \
         <binding name=\"OmHandlerObj\" type=\"tns:OmHandlerObj\">\n    \
         <soap:binding style=\"{style}\" transport=\"http://schemas.xmlsoap.org/soap/http\"/>\n{binding}  </binding>\n  \
         <service name=\"OmHandlerService\">\n    <port name=\"OmHandlerObj\" binding=\"tns:OmHandlerObj\">\n      \
         <soap:address location=\"{address}\"/>\n    </port>\n  </service>\n</definitions>\n",
        encoding = settings.encoding.name(),
        namespace = escaped(&settings.namespace),
        style = style(settings),
        address = escaped(address),
    )
}

fn write_message(
    name: &str,
    values: &[&str],
    settings: &Settings,
    types: &mut String,
    messages: &mut String,
) {
    if settings.style == Style::DocumentLiteral {
        let _infallible = write!(types, "      <element name=\"{name}\"><complexType><sequence>");
        for value in values {
            let _infallible = write!(
                types,
                "<element name=\"{}\" nillable=\"true\" type=\"xsd:string\"/>",
                escaped(value)
            );
        }
        types.push_str("</sequence></complexType></element>\n");
    }
    let _infallible = write!(messages, "  <message name=\"OmHandler_{name}\">");
    if settings.style == Style::DocumentLiteral {
        let _infallible = write!(messages, "<part name=\"parameters\" element=\"S2:{name}\"/>");
    } else {
        for value in values {
            let _infallible =
                write!(messages, "<part name=\"{}\" type=\"xsd:string\"/>", escaped(value));
        }
    }
    let _infallible = writeln!(messages, "</message>");
}

fn style(settings: &Settings) -> &'static str {
    if settings.style == Style::DocumentLiteral { "document" } else { "rpc" }
}

fn body(settings: &Settings) -> String {
    let namespace = escaped(&settings.namespace);
    match settings.style {
        Style::RpcEncoded => {
            format!(
                "<soap:body use=\"encoded\" encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\" namespace=\"{namespace}\"/>"
            )
        }
        Style::RpcLiteral => format!("<soap:body use=\"literal\" namespace=\"{namespace}\"/>"),
        Style::DocumentLiteral => "<soap:body use=\"literal\"/>".to_owned(),
    }
}
