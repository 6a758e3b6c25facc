#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use super::*;
use crate::prima::connection::WireEncoding;
use crate::prima::test_support::connection;

fn with_format(format: MessageFormat) -> PrimaConnection {
    PrimaConnection { message_format: format, ..connection("http://127.0.0.1:1/wsa") }
}

fn written(connection: &PrimaConnection) -> String {
    String::from_utf8(write_call(connection, r#"<Request A="&amp;"/>"#).unwrap()).unwrap()
}

#[test]
fn rpc_encoded_types_its_parts() {
    assert_eq!(
        written(&with_format(MessageFormat::RpcEncoded)),
        concat!(
            r#"<?xml version="1.0" encoding="ISO-8859-1"?>"#,
            r#"<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">"#,
            r#"<soap:Body><prima:wsomhandler xmlns:prima="urn:omlink:OMLink" soap:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">"#,
            r#"<request xsi:type="xsd:string">&lt;Request A=&quot;&amp;amp;&quot;/&gt;</request>"#,
            r#"</prima:wsomhandler></soap:Body></soap:Envelope>"#,
        )
    );
}

#[test]
fn rpc_literal_calls_the_company_operation_with_both_parts() {
    let mut connection = PrimaConnection {
        company: Some("O&M".into()),
        encoding: WireEncoding::Utf8,
        ..with_format(MessageFormat::RpcLiteral)
    };
    connection.parts.company = Some("company".into());
    assert_eq!(
        written(&connection),
        concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?>"#,
            r#"<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>"#,
            r#"<prima:comwsomhandler xmlns:prima="urn:omlink:OMLink"><company>O&amp;M</company>"#,
            r#"<request>&lt;Request A=&quot;&amp;amp;&quot;/&gt;</request>"#,
            r#"</prima:comwsomhandler></soap:Body></soap:Envelope>"#,
        )
    );
}

/// Document literal qualifies its parts where the schema says so, and only there.
#[test]
fn document_literal_parts_are_qualified_if_the_schema_asks() {
    let plain = with_format(MessageFormat::DocumentLiteral);
    assert!(
        written(&plain)
            .contains(r#"<prima:wsomhandler xmlns:prima="urn:omlink:OMLink"><request>&lt;"#)
    );
    let qualified = PrimaConnection { qualified_parts: true, ..plain };
    assert!(written(&qualified).contains("<prima:request>&lt;Request"));
}

fn answer(body: &str) -> String {
    format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>{body}</s:Body></s:Envelope>"#
    )
}

fn read(body: &str) -> Result<String, SoapProblem> {
    read_answer(&connection("http://127.0.0.1:1/wsa"), answer(body).as_bytes(), Some("text/xml"))
}

#[test]
fn the_result_is_found_in_every_format_and_case() {
    let inner = r#"<Response RequestStatus="OK" Note="Zoë &amp; Co"/>"#;
    let escaped = xml::escape(inner, WireEncoding::Latin1).unwrap();
    for body in [
        format!(
            r#"<n:wsomhandlerResponse xmlns:n="u"><result nil="true"/><response xsi:type="xsd:string">{escaped}</response></n:wsomhandlerResponse>"#
        ),
        format!("<wsomhandlerResponse><RESPONSE>{escaped}</RESPONSE></wsomhandlerResponse>"),
        format!("<n:any><n:Response><![CDATA[{inner}]]></n:Response></n:any>"),
    ] {
        assert_eq!(read(&body).unwrap(), inner, "{body}");
    }
}

#[test]
fn a_fault_gives_its_message_and_the_request_id() {
    let fault = |text: &str| {
        format!(
            "<s:Fault><faultcode>s:Server</faultcode><faultstring>An error was detected while executing the Web Service request. (10893)</faultstring>\
             <detail><ns1:FaultDetail><errorMessage>{text}</errorMessage><requestID>a2b-77</requestID></ns1:FaultDetail></detail></s:Fault>"
        )
    };
    assert_eq!(
        read(&fault("No\n  agent available")),
        Err(SoapProblem::Fault {
            message: "No agent available".into(),
            request_id: Some("a2b-77".into()),
            disabled: false
        })
    );
    assert!(matches!(
        read(&fault("The service is disabled. (10921)")),
        Err(SoapProblem::Fault { disabled: true, .. })
    ));
    assert_eq!(
        read("<s:Fault><faultstring>Out of order</faultstring></s:Fault>"),
        Err(SoapProblem::Fault {
            message: "Out of order".into(),
            request_id: None,
            disabled: false
        })
    );
}

#[test]
fn anything_else_is_unreadable_and_says_why() {
    let message = |result| match result {
        Err(SoapProblem::Unreadable(message)) => message,
        other => panic!("{other:?}"),
    };
    assert!(message(read("<a><other>x</other></a>")).contains("no part 'response', but 'other'"));
    let long = "x".repeat(5000);
    assert!(
        message(read(&format!("<a><{long}/></a>"))).chars().count() < 700,
        "somebody else's names are cut"
    );
    assert!(message(read("<a><response> </response></a>")).contains("is empty"));
    let connection = connection("http://127.0.0.1:1/wsa");
    for page in [
        "<html><body>Bad Gateway</body></html>",
        "",
        "<html><br></html>",
        "<s:Envelope><s:Body><a><respon",
    ] {
        message(read_answer(&connection, page.as_bytes(), None));
    }
}
