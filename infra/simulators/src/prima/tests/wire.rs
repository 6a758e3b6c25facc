use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::super::http::{Config, Simulator};
use super::super::settings::{Encoding, OrderRules, Parts, Settings, Style};
use super::super::text::escaped;
use super::super::xml::{Element, parse};
use crate::misbehaviour::{Fault, Plan, Rule};

pub(super) struct Running {
    pub(super) simulator: Arc<Simulator>,
    pub(super) address: String,
    pub(super) client: reqwest::Client,
    _stop: oneshot::Sender<()>,
}

pub(super) struct Answered {
    status: u16,
    body: Vec<u8>,
}

pub(super) async fn start(settings: Settings) -> Running {
    start_with(Simulator::new(Config { settings, misbehaviour: Plan::default() })).await
}

async fn start_with(simulator: Simulator) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let simulator = Arc::new(simulator);
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(Arc::clone(&simulator).serve(listener, async { drop(stopped.await) }));
    Running { simulator, address, client: reqwest::Client::new(), _stop: stop }
}

impl Running {
    pub(super) fn misbehave(&self, operation: &str, fault: Fault) {
        let rule = Rule {
            operation: Some(operation.to_owned()),
            about: None,
            fault,
            chance: 1.0,
            remaining: Some(1),
        };
        self.simulator.misbehaviour().set(Plan { rules: vec![rule], ..Plan::default() });
    }

    /// Sends a document in the format that the settings name.
    pub(super) async fn ask(&self, document: &str) -> Result<Answered, reqwest::Error> {
        let settings = self.simulator.settings();
        let part = &settings.parts.request;
        let namespace = &settings.namespace;
        let document = escaped(document);
        let call = match settings.style {
            Style::DocumentLiteral if settings.parts.qualified => {
                format!(
                    "<wsomhandler xmlns=\"{namespace}\"><{part}>{document}</{part}></wsomhandler>"
                )
            }
            Style::RpcEncoded => format!(
                "<q:wsomhandler xmlns:q=\"{namespace}\"><{part} xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" \
                 xmlns:x=\"http://www.w3.org/2001/XMLSchema\" i:type=\"x:string\">{document}</{part}></q:wsomhandler>"
            ),
            _ => format!(
                "<q:wsomhandler xmlns:q=\"{namespace}\"><{part}>{document}</{part}></q:wsomhandler>"
            ),
        };
        self.send(&envelope(&call), "\"\"").await
    }

    async fn send(&self, envelope: &str, action: &str) -> Result<Answered, reqwest::Error> {
        let response = self
            .client
            .post(format!("{}/wsalive/wsalive", self.address))
            .header("Content-Type", "text/xml; charset=utf-8")
            .header("SOAPAction", action)
            .body(envelope.to_owned())
            .send()
            .await?;
        Ok(Answered { status: response.status().as_u16(), body: response.bytes().await?.to_vec() })
    }

    async fn state(&self) -> Value {
        self.get("/simulator/state").await.json().await.unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(format!("{}{path}", self.address)).send().await.unwrap()
    }
}

impl Answered {
    fn envelope(&self, encoding: Encoding) -> Element {
        let text = match encoding {
            Encoding::Latin1 => self.body.iter().map(|byte| char::from(*byte)).collect(),
            Encoding::Utf8 => String::from_utf8(self.body.clone()).unwrap(),
        };
        assert!(
            text.starts_with(&format!("<?xml version=\"1.0\" encoding=\"{}\"?>", encoding.name())),
            "{text}"
        );
        parse(&text).unwrap()
    }

    /// The document inside the part `response`.
    pub(super) fn document(&self, encoding: Encoding) -> Element {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        let envelope = self.envelope(encoding);
        let part = envelope.children[0].children[0]
            .children
            .iter()
            .find(|part| part.name == "response")
            .unwrap();
        assert!(
            part.text
                .starts_with(&format!("<?xml version=\"1.0\" encoding=\"{}\"?>", encoding.name()))
        );
        parse(&part.text).unwrap()
    }

    fn fault(&self) -> (String, String) {
        assert_eq!(self.status, 500);
        let envelope = self.envelope(Encoding::Latin1);
        let fault = &envelope.children[0].children[0];
        assert_eq!(fault.name, "Fault");
        let detail =
            &fault.children.iter().find(|child| child.name == "detail").unwrap().children[0];
        let text = |name: &str| {
            detail.children.iter().find(|child| child.name == name).unwrap().text.clone()
        };
        assert_eq!(detail.name, "FaultDetail");
        (text("errorMessage"), text("requestID"))
    }
}

fn envelope(call: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{call}</s:Body></s:Envelope>"
    )
}

fn new_order(number: &str, surname: &str) -> String {
    format!(
        "<Request RequestType=\"NewOrder\"><Data OrderNumber=\"{number}\" TPGUID=\"{number}\" HoldOrder=\"No\" OrderChannel=\"WEB\" \
         CustomerSurname=\"{}\"><OrderHeaderData SourceMedia=\"MKP\" Currency=\"GBP\" OrderDate=\"31/01/2026\"/><OrderInvoiceData/>\
         <OrderLineData OrderLine=\"1\" Product=\"DRESS1\" MtrxCode1=\"NAVY\" MtrxCode2=\"12\" Quantity=\"2\" Price=\"49.90\" LineReference=\"L-1\"/>\
         <OrderChargeData Charge=\"RM24\" ChargeValue=\"3.95\"/><OrderPaymentData PayMethod=\"CSH\" TranAmount=\"53.85\"/></Data></Request>",
        escaped(surname)
    )
}

fn status(number: &str) -> String {
    format!("<Request RequestType=\"OrderStatus\"><Data OrderNumber=\"{number}\"/></Request>")
}

/// An order goes in and is found again in every format and encoding.
#[tokio::test]
async fn an_order_round_trips_in_every_format_and_encoding() {
    for style in [Style::RpcEncoded, Style::RpcLiteral, Style::DocumentLiteral] {
        for encoding in [Encoding::Latin1, Encoding::Utf8] {
            let parts = Parts { return_value: Some("result".to_owned()), ..Parts::default() };
            let orders = OrderRules { keeps_any_character: true, ..OrderRules::default() };
            let running =
                start(Settings { style, encoding, parts, orders, ..Settings::default() }).await;
            let surname = "O'Brien & <Søn> \"Łukasz\"";
            let answer =
                running.ask(&new_order("201C1", surname)).await.unwrap().document(encoding);
            assert_eq!(answer.attribute("RequestStatus"), Some("OK"), "{style:?} {encoding:?}");
            let found = running.ask(&status("201C1")).await.unwrap().document(encoding);
            assert_eq!(found.children[0].attribute("OrderStatus"), Some("Entered"));
            let orders: Value = running.get("/simulator/orders/201C1").await.json().await.unwrap();
            assert_eq!(orders[0]["order"]["attributes"]["CustomerSurname"], surname);
            assert_eq!(orders[0]["order"]["lines"][0]["price"], "49.90");
            let state = running.state().await;
            assert_eq!(state["orders"][0]["lines"][0]["reference"], "L-1");
            assert!(!state.to_string().contains("Brien"), "the state names nobody");
        }
    }
}

#[tokio::test]
async fn a_session_in_latin_1_keeps_what_it_lacks_as_question_marks() {
    let running = start(Settings::default()).await;
    let answer =
        running.ask(&new_order("201C1", "Zoë Łąk")).await.unwrap().document(Encoding::Latin1);
    assert_eq!(answer.attribute("RequestStatus"), Some("OK"));
    let orders: Value = running.get("/simulator/orders/201C1").await.json().await.unwrap();
    assert_eq!(orders[0]["order"]["attributes"]["CustomerSurname"], "Zoë ??k");
}

#[tokio::test]
async fn a_text_outside_the_encoding_is_answered_as_a_reference() {
    let mut settings = Settings::default();
    settings.orders.unknown_order_text = "Zamówienie – brak €".to_owned();
    let running = start(settings).await;
    let answer = running.ask(&status("NONE")).await.unwrap();
    assert!(answer.body.contains(&0xF3), "an o with an acute accent is one byte");
    let document = answer.document(Encoding::Latin1);
    assert_eq!(document.attribute("RequestStatus"), Some("ERROR"));
    assert_eq!(document.attribute("RequestError"), Some("Zamówienie – brak €"));
}

#[tokio::test]
async fn a_lost_answer_leaves_the_order_and_a_repeat_makes_a_second() {
    let running = start(Settings::default()).await;
    running.misbehave("NewOrder", Fault::LostAnswer);
    running.ask(&new_order("201C1", "A")).await.err().unwrap();
    assert_eq!(running.state().await["count"], 1);
    running.ask(&new_order("201C1", "A")).await.unwrap();
    assert_eq!(running.simulator.installation().orders_by_number("201C1").len(), 2);
}

#[tokio::test]
async fn a_cut_answer_has_had_its_effect_and_a_broken_connection_none() {
    let running = start(Settings::default()).await;
    running.misbehave("NewOrder", Fault::CutAnswer);
    let error = running.ask(&new_order("CUT", "A")).await.err().unwrap();
    assert!(error.is_body() || error.is_decode(), "the head arrived: {error:?}");
    running.misbehave("NewOrder", Fault::BrokenConnection);
    running.ask(&new_order("BROKEN", "A")).await.err().unwrap();
    let installation = running.simulator.installation();
    assert_eq!(
        (installation.orders_by_number("CUT").len(), installation.orders_by_number("BROKEN").len()),
        (1, 0)
    );
}

/// A fault that is about one order or product comes again and again with its request id.
#[tokio::test]
async fn faults_of_one_order_or_product_recur_with_its_request_id() {
    let running = start(Settings::default()).await;
    for about in ["BAD", "DRESS1"] {
        let fault = Fault::SoapFault {
            message: "Procedure x/y.p has mismatched parameters (3230)".to_owned(),
        };
        let rule = Rule {
            operation: Some("NewOrder".to_owned()),
            about: Some(about.to_owned()),
            fault,
            chance: 1.0,
            remaining: None,
        };
        running.simulator.misbehaviour().set(Plan { rules: vec![rule], ..Plan::default() });
        for _call in 0..3 {
            let answered = running.ask(&new_order("BAD", "A")).await.unwrap();
            let text = String::from_utf8_lossy(&answered.body).into_owned();
            assert_eq!(answered.status, 500);
            assert!(
                text.contains("<errorMessage>Procedure x/y.p has mismatched parameters (3230)")
                    && text.contains("<requestID>simulated-"),
                "{text}"
            );
        }
        // Questions go another way.
        assert_eq!(running.ask(&status("BAD")).await.unwrap().status, 200);
    }
    assert_eq!(running.simulator.installation().len(), 0);
    running.simulator.misbehaviour().set(Plan::default());
    running.ask(&new_order("BAD", "A")).await.unwrap();
    assert_eq!(running.simulator.installation().len(), 1);
}

#[tokio::test]
async fn a_late_effect_lands_after_the_connection_has_ended() {
    let settings =
        Settings { effect_delay_ms: 150, late_effects_remaining: Some(1), ..Settings::default() };
    let running = start(settings).await;
    running.ask(&new_order("LATE", "A")).await.err().unwrap();
    assert_eq!(running.simulator.installation().len(), 0);
    assert_eq!(running.simulator.installation().pending(), 1);
    for _ in 0..200 {
        if running.state().await["count"] == 1 {
            assert_eq!(running.simulator.installation().totals().late, 1);
            running.ask(&new_order("IN-TIME", "A")).await.unwrap().document(Encoding::Latin1);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the effect never landed");
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_stop_its_order() {
    let running = start(Settings::default()).await;
    running.simulator.misbehaviour().set(Plan { latency_ms: [100, 100], ..Plan::default() });
    let asked =
        tokio::time::timeout(Duration::from_millis(40), running.ask(&new_order("GONE", "A"))).await;
    assert!(asked.is_err(), "the caller did not wait for the answer");
    for _ in 0..200 {
        if running.simulator.installation().len() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the order never arrived");
}

/// What is not SOAP as the WSDL says meets a fault and has no effect.
#[tokio::test]
async fn invalid_soap_meets_a_fault_without_effect() {
    let running = start(Settings::default()).await;
    let namespace = Settings::default().namespace;
    let call = |name: &str, content: &str| {
        envelope(&format!("<q:{name} xmlns:q=\"{namespace}\">{content}</q:{name}>"))
    };
    let document = new_order("X", "A");
    let escaped_document = escaped(&document);
    let right = call("wsomhandler", &format!("<request>{escaped_document}</request>"));
    let cases = [
        (right.clone(), "\"urn:other\"", "SOAPAction"),
        (right.replace("</s:Body>", ""), "\"\"", "parse"),
        (
            right.replace(
                "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
                "<!DOCTYPE x [<!ENTITY y \"z\">]>",
            ),
            "\"\"",
            "type declaration",
        ),
        (
            call("wsomhandler", &format!("<document>{escaped_document}</document>")),
            "\"\"",
            "no part document",
        ),
        (call("wsomhandler", &format!("<request>{document}</request>")), "\"\"", "it has elements"),
        (call("wsomhandler", ""), "\"\"", "needs part request"),
        (call("somethingelse", "<request/>"), "\"\"", "not defined"),
        (call("comwsomhandler", "<request/>"), "\"\"", "not defined"),
        (right.replace(&namespace, "urn:other"), "\"\"", "not in namespace"),
    ];
    for (message, action, expected) in cases {
        let (text, id) = running.send(&message, action).await.unwrap().fault();
        assert!(
            text.contains(expected) && text.ends_with("(10893)"),
            "{text:?} does not say {expected:?}"
        );
        assert!(id.starts_with("simulated-"));
    }
    running.simulator.set_settings(Settings { disabled: true, ..Settings::default() });
    assert!(running.send(&right, "\"\"").await.unwrap().fault().0.contains("(10921)"));
    assert!(running.simulator.installation().is_empty());
    running.simulator.set_settings(Settings::default());
    running.send(&right, "\"\"").await.unwrap().document(Encoding::Latin1);
}

#[tokio::test]
async fn a_document_that_prima_cannot_use_is_an_error_and_no_fault() {
    let running = start(Settings::default()).await;
    let order = new_order("X", "A");
    let cases = [
        (
            "<Request RequestType=\"OrderStatus\"><Data OrderNumber=\"a & b\"/></Request>"
                .to_owned(),
            "cannot be parsed",
        ),
        (
            "<Request RequestType=\"Sing\"><Data/></Request>".to_owned(),
            "Unknown request type: Sing",
        ),
        (order.replace("Quantity=\"2\"", "Quantity=\"2.5\""), "Quantity is not valid"),
        (order.replace("49.90", "49,90"), "Price is not valid"),
        (order.replace("31/01/2026", "01/31/2026"), "OrderDate"),
    ];
    for (document, expected) in cases {
        let answer = running.ask(&document).await.unwrap().document(Encoding::Latin1);
        assert_eq!(answer.attribute("RequestStatus"), Some("ERROR"));
        let text = answer.attribute("RequestError").unwrap();
        assert!(text.contains(expected), "{text:?} does not say {expected:?}");
    }
    assert!(running.simulator.installation().is_empty());
}

#[tokio::test]
async fn several_companies_are_told_apart_by_their_part() {
    let parts = Parts {
        company: "pcCompany".to_owned(),
        request: "pcRequest".to_owned(),
        ..Parts::default()
    };
    let settings = Settings { companies: ["001".to_owned()].into(), parts, ..Settings::default() };
    let running = start(settings.clone()).await;
    let call = |company: &str| {
        let document = escaped(&status("A"));
        let parts = format!("<pcCompany>{company}</pcCompany><pcRequest>{document}</pcRequest>");
        envelope(&format!(
            "<q:comwsomhandler xmlns:q=\"{}\">{parts}</q:comwsomhandler>",
            settings.namespace
        ))
    };
    let answer = running.send(&call("001"), "\"\"").await.unwrap().document(Encoding::Latin1);
    assert_eq!(answer.attribute("RequestError"), Some("Order not found"));
    assert!(running.send(&call("002"), "\"\"").await.unwrap().fault().0.contains("company"));
}

#[tokio::test]
async fn the_wsdl_names_the_style_and_the_parts() {
    for (style, body, part) in [
        (Style::RpcEncoded, "use=\"encoded\"", "<part name=\"pcRequest\" type=\"xsd:string\"/>"),
        (
            Style::RpcLiteral,
            "use=\"literal\" namespace=",
            "<part name=\"pcRequest\" type=\"xsd:string\"/>",
        ),
        (
            Style::DocumentLiteral,
            "style=\"document\"",
            "<element name=\"pcRequest\" nillable=\"true\" type=\"xsd:string\"/>",
        ),
    ] {
        let parts = Parts { request: "pcRequest".to_owned(), ..Parts::default() };
        let running = start(Settings {
            style,
            parts,
            companies: ["001".to_owned()].into(),
            ..Settings::default()
        })
        .await;
        let wsdl =
            running.get("/wsalive/wsalive/wsdl?targetURI=urn:omlink").await.text().await.unwrap();
        parse(&wsdl).unwrap();
        assert!(
            wsdl.contains(body) && wsdl.contains(part) && wsdl.contains("comwsomhandler"),
            "{wsdl}"
        );
        assert!(wsdl.contains(&format!("location=\"{}/wsalive/wsalive\"", running.address)));
        assert_eq!(running.get("/wsalive/wsalive/wsdl?targetURI=urn:other").await.status(), 404);
    }
}

/// Calls beyond the workers wait, and those beyond the queue meet a fault.
#[tokio::test]
async fn excess_calls_queue_for_workers_and_overflow_is_a_fault() {
    let running = start(Settings {
        concurrent_calls: 1,
        waiting_calls: 1,
        answer_after_effect_ms: 200,
        ..Settings::default()
    })
    .await;
    let question = status("A");
    let (first, second, third) =
        tokio::join!(running.ask(&question), running.ask(&question), running.ask(&question));
    let mut statuses = [first, second, third].map(|answer| answer.unwrap().status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 500]);
    assert_eq!(running.state().await["most_calls_at_once"], 3);
}

#[tokio::test]
async fn the_control_api_moves_orders_and_changes_settings() {
    let running = start(Settings::default()).await;
    running.ask(&new_order("A", "A")).await.unwrap();
    let post = |path: &str, body: Value| {
        running.client.post(format!("{}{path}", running.address)).json(&body).send()
    };
    let held = post(
        "/simulator/orders/A/status",
        json!({"status": "On Hold", "narrative": "fraud check"}),
    )
    .await
    .unwrap();
    assert_eq!(held.status(), 200);
    assert_eq!(
        post("/simulator/orders/A/status", json!({"status": "Picking"})).await.unwrap().status(),
        409
    );
    assert_eq!(post("/simulator/orders/A/release", json!({})).await.unwrap().status(), 200);
    post("/simulator/orders/A/status", json!({"status": "Despatched"})).await.unwrap();
    let found = running.ask(&status("A")).await.unwrap().document(Encoding::Latin1);
    assert_eq!(found.children[0].attribute("OrderStatus"), Some("Despatched"));

    let put = running.client.put(format!("{}/simulator/settings", running.address));
    let changes = json!({"encoding": "UTF-8", "orders": {"catalogue": {"listed": []}}});
    let settings: Value = put.json(&changes).send().await.unwrap().json().await.unwrap();
    assert_eq!(settings["environment"], "live");
    let refused = running.ask(&new_order("B", "A")).await.unwrap().document(Encoding::Utf8);
    assert!(refused.attribute("RequestError").unwrap().contains("DRESS1 does not exist"));

    let calls: Value = running.get("/simulator/calls").await.json().await.unwrap();
    assert_eq!(calls["counts"]["NewOrder"], json!({"OK": 1, "ERROR": 1}));
    assert_eq!(calls["calls"][0]["order_numbers"], json!(["A"]));
}

#[tokio::test]
async fn a_recording_has_what_was_sent_and_answered() {
    let path = std::env::temp_dir().join(format!("prima-simulator-{}.jsonl", std::process::id()));
    let recorder = crate::recording::Recorder::to_file(&path).unwrap();
    let running = start_with(Simulator::new(Config::default()).recording(recorder)).await;
    running.ask(&status("NONE")).await.unwrap().document(Encoding::Latin1);
    running.misbehave("OrderStatus", Fault::LostAnswer);
    running.ask(&status("NONE")).await.err().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let entries: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(entries[0]["request"]["postData"]["text"].as_str().unwrap().contains("NONE"));
    assert!(
        entries[0]["response"]["content"]["text"].as_str().unwrap().contains("Order not found")
    );
    assert_eq!(
        (&entries[0]["_fault"], &entries[1]["_fault"]),
        (&Value::Null, &json!("lost_answer"))
    );
}
