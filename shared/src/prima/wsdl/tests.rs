#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use super::*;

fn wsdl(style: &str, usage: &str) -> String {
    let encoded = if usage == "encoded" {
        r#"encodingStyle="http://schemas.xmlsoap.org/soap/encoding/""#
    } else {
        ""
    };
    let body = format!(r#"<soap:body use="{usage}" {encoded} namespace="urn:omlink:OMLink"/>"#);
    let bound = |name: &str| {
        format!(
            r#"<wsdl:operation name="{name}"><soap:operation soapAction="urn:act" style="{style}"/><wsdl:input>{body}</wsdl:input><wsdl:output>{body}</wsdl:output></wsdl:operation>"#
        )
    };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<wsdl:definitions name="OMLink" targetNamespace="urn:omlink" xmlns:tns="urn:omlink" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/">
 <wsdl:message name="OMLink_wsomhandler"><wsdl:part name="ipRequest" type="xsd:string"/></wsdl:message>
 <wsdl:message name="OMLink_wsomhandlerResponse"><wsdl:part name="result" type="xsd:string"/><wsdl:part name="opResponse" type="xsd:string"/></wsdl:message>
 <wsdl:message name="OMLink_comwsomhandler"><wsdl:part name="ipCompany" type="xsd:string"/><wsdl:part name="ipRequest" type="xsd:string"/></wsdl:message>
 <wsdl:message name="OMLink_comwsomhandlerResponse"><wsdl:part name="opResponse" type="xsd:string"/></wsdl:message>
 <wsdl:portType name="OMLinkObj">
  <wsdl:operation name="wsomhandler"><wsdl:input message="tns:OMLink_wsomhandler"/><wsdl:output message="tns:OMLink_wsomhandlerResponse"/></wsdl:operation>
  <wsdl:operation name="comwsomhandler"><wsdl:input message="tns:OMLink_comwsomhandler"/><wsdl:output message="tns:OMLink_comwsomhandlerResponse"/></wsdl:operation>
 </wsdl:portType>
 <wsdl:binding name="OMLinkObj" type="tns:OMLinkObj"><soap:binding style="{style}" transport="http://schemas.xmlsoap.org/soap/http"/>{}{}</wsdl:binding>
 <wsdl:service name="OMLinkService"><wsdl:port name="OMLinkObj" binding="tns:OMLinkObj"><soap:address location="http://prima:8080/wsalive/wsalive"/></wsdl:port></wsdl:service>
</wsdl:definitions>"#,
        bound("wsomhandler"),
        bound("comwsomhandler")
    )
}

#[test]
fn both_rpc_formats_are_told_apart_and_parts_are_named() {
    for (usage, format) in
        [("encoded", MessageFormat::RpcEncoded), ("literal", MessageFormat::RpcLiteral)]
    {
        let proposed = probe(&wsdl("rpc", usage)).unwrap();
        let expected = ProposedWire {
            endpoint: Some("http://prima:8080/wsalive/wsalive".into()),
            message_format: format,
            namespace: "urn:omlink:OMLink".into(),
            soap_action: "urn:act".into(),
            operation: Some("wsomhandler".into()),
            company_operation: Some("comwsomhandler".into()),
            request_part: "ipRequest".into(),
            company_part: Some("ipCompany".into()),
            result_part: "opResponse".into(),
            qualified_parts: false,
            notes: vec![
                r#"the answer has the parts ["result", "opResponse"]: 'opResponse' is proposed"#
                    .into(),
            ],
        };
        assert_eq!(proposed, expected);
    }
}

#[test]
fn document_literal_takes_names_and_namespace_from_the_schema() {
    let text = r#"<definitions targetNamespace="urn:omlink" xmlns="http://schemas.xmlsoap.org/wsdl/">
 <types><schema elementFormDefault="qualified" targetNamespace="urn:omlink:OMLink">
  <element name="wsomhandler"><complexType><sequence><element name="request" type="xsd:string"/></sequence></complexType></element>
  <element name="wsomhandlerResponse" type="tns:Answer"/>
  <complexType name="Answer"><sequence><element name="response" type="xsd:string"/></sequence></complexType>
 </schema></types>
 <message name="in"><part name="parameters" element="tns:wsomhandler"/></message>
 <message name="out"><part name="parameters" element="tns:wsomhandlerResponse"/></message>
 <portType name="p"><operation name="wsomhandler"><input message="tns:in"/><output message="tns:out"/></operation></portType>
 <binding name="b" type="tns:p"><soap:binding style="document"/><operation name="wsomhandler"><soap:operation soapAction=""/><input><soap:body use="literal"/></input></operation></binding>
</definitions>"#;
    let proposed = probe(text).unwrap();
    assert_eq!(
        (proposed.message_format, proposed.qualified_parts),
        (MessageFormat::DocumentLiteral, true)
    );
    assert_eq!(
        (proposed.namespace.as_str(), proposed.soap_action.as_str()),
        ("urn:omlink:OMLink", "")
    );
    assert_eq!(
        (proposed.request_part.as_str(), proposed.result_part.as_str()),
        ("request", "response")
    );
    assert_eq!(
        (proposed.company_operation, proposed.company_part, proposed.endpoint),
        (None, None, None)
    );
}

#[test]
fn another_service_and_a_web_page_give_no_proposal() {
    assert_eq!(
        probe(&wsdl("rpc", "literal").replace("wsomhandler", "somethingelse")),
        Err(WsdlProblem::OtherService)
    );
    assert_eq!(probe("<html><body/></html>"), Err(WsdlProblem::OtherService));
    assert!(matches!(probe("<html><br>"), Err(WsdlProblem::Unreadable(_))));
    assert_eq!(
        probe(&wsdl("rpc", "literal").replace("wsdl:portType", "wsdl:other")),
        Err(WsdlProblem::Incomplete("which parts the messages have"))
    );
}
