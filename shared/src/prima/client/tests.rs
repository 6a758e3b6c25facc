#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
#![expect(
    clippy::disallowed_methods,
    reason = "the tiny server lives beside the test, in no handler"
)]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::kit::clock::SystemClock;
use crate::prima::connection::WireEncoding;
use crate::prima::sku::SkuOverride;
use crate::prima::stock::{
    PrimaStock as _, ProductRange, RangeFailure, RangeReading, SkuKey, StockBasis,
};
use crate::prima::test_support::{connection, order};

/// How the tiny server answers a request it has read.
#[derive(Clone)]
enum Answer {
    /// A status line, a content type and a body.
    Whole(&'static str, &'static str, Vec<u8>),
    /// Announces the body as longer than it is, and hangs up.
    Cut(Vec<u8>),
    /// Says nothing, until the client hangs up.
    Silence,
    /// Sends without an end.
    Endless,
}

struct Server {
    endpoint: String,
    requests: mpsc::UnboundedReceiver<Vec<u8>>,
    most_at_once: Arc<AtomicUsize>,
}

/// Answers every request in the same way, each on a connection of its own.
async fn serve(answer: Answer) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/wsalive/wsalive", listener.local_addr().unwrap());
    let (seen, requests) = mpsc::unbounded_channel();
    let most_at_once = Arc::new(AtomicUsize::new(0));
    let (now_open, most) = (Arc::new(AtomicUsize::new(0)), most_at_once.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answer, seen, now_open, most) =
                (answer.clone(), seen.clone(), now_open.clone(), most.clone());
            tokio::spawn(async move {
                most.fetch_max(now_open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                answer_one(stream, answer, &seen).await;
                now_open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    Server { endpoint, requests, most_at_once }
}

async fn answer_one(mut stream: TcpStream, answer: Answer, seen: &mpsc::UnboundedSender<Vec<u8>>) {
    let request = read_request(&mut stream).await;
    // Lets every other task of this thread come as far as it can, so that calls at once are seen at
    // once.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    seen.send(request).ok();
    match answer {
        Answer::Whole(status, content_type, body) => {
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            stream.write_all(&[head.as_bytes(), &body].concat()).await.ok();
        }
        Answer::Cut(body) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
                body.len() + 100
            );
            stream.write_all(&[head.as_bytes(), &body].concat()).await.ok();
        }
        Answer::Silence => {
            stream.read_exact(&mut [0; 1]).await.ok();
        }
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n").await.ok();
            let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
            while stream.write_all(&chunk).await.is_ok() {}
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
        if let Some((head, _)) = head.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.trim().parse().unwrap());
            if request.len() >= head.len() + 4 + length {
                return request;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
            _ => return request,
        }
    }
}

fn behaviour() -> PrimaBehaviour {
    PrimaBehaviour { answer_timeout_seconds: 1, cancel_order: true, ..PrimaBehaviour::default() }
}

fn patience() -> Patience {
    Patience { silence: Duration::from_secs(60), largest_answer: 64 * 1024 * 1024 }
}

fn client(endpoint: &str) -> PrimaClient<SystemClock> {
    PrimaClient::new(connection(endpoint), behaviour(), patience(), 2, SystemClock).unwrap()
}

/// A SOAP answer around a response document, in ISO-8859-1.
fn responding(document: &str) -> Answer {
    let mut envelope = xml::DocumentWriter::new(WireEncoding::Latin1);
    for name in ["s:Envelope", "s:Body", "n:wsomhandlerResponse", "response"] {
        envelope.open(name, "", &[]);
    }
    envelope.text("", document);
    for name in ["response", "n:wsomhandlerResponse", "s:Body", "s:Envelope"] {
        envelope.close(name);
    }
    Answer::Whole(
        "200 OK",
        "text/xml",
        xml::encode(&envelope.finish().unwrap(), WireEncoding::Latin1),
    )
}

fn fault(message: &str) -> Answer {
    let text = format!(
        "<s:Envelope><s:Body><s:Fault><faultcode>s:Server</faultcode><faultstring>WSA error (10893)</faultstring><detail><f:FaultDetail>\
         <errorMessage>{message}</errorMessage><requestID>r-42</requestID></f:FaultDetail></detail></s:Fault></s:Body></s:Envelope>"
    );
    Answer::Whole("500 Internal Server Error", "text/xml", text.into_bytes())
}

async fn order_status(answer: Answer) -> Result<Option<PrimaOrderStatus>, PrimaError> {
    client(&serve(answer).await.endpoint).order_status("A-1").await
}

async fn new_order(answer: Answer) -> Result<(), PrimaError> {
    client(&serve(answer).await.endpoint).new_order(&order()).await
}

#[tokio::test]
async fn an_order_is_sent_once_on_a_connection_of_its_own() {
    let mut server = serve(responding(r#"<Response RequestStatus="OK"/>"#)).await;
    let client = client(&server.endpoint);
    assert_eq!(client.new_order(&order()).await, Ok(()));
    let request = server.requests.recv().await.unwrap();
    assert!(server.requests.try_recv().is_err());
    let text: String = request.iter().map(|byte| char::from(*byte)).collect();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /wsalive/wsalive HTTP/1.1"), "{head}");
    assert!(
        head.contains("text/xml; charset=iso-8859-1")
            && head.to_lowercase().contains("soapaction: \"\""),
        "{head}"
    );
    assert!(body.contains("CustomerForename=&quot;Zoë&quot; CustomerSurname=&quot;O&amp;apos;Neill &amp;amp; Sons&quot;"), "{body}");
    assert!(body.contains("K&amp;#322;odzko"), "{body}");
}

#[tokio::test]
async fn an_answer_in_latin_1_is_read() {
    assert_eq!(
        order_status(responding(r#"<X RequestStatus="OK"><DATA OrderStatus="Prêt"/></X>"#)).await,
        Ok(Some(PrimaOrderStatus::Open("Prêt".into())))
    );
}

#[tokio::test]
async fn only_the_configured_words_mean_that_prima_does_not_have_it() {
    assert_eq!(
        order_status(responding(
            r#"<R RequestStatus="ERROR" RequestError="order A-1 not found"/>"#
        ))
        .await,
        Ok(None)
    );
    for other in ["Order B-2 not found", "Database not connected", ""] {
        let refused = order_status(responding(&format!(
            r#"<R RequestStatus="ERROR" RequestError="{other}"/>"#
        )))
        .await
        .unwrap_err();
        assert_eq!(refused.outcome, Outcome::Refused, "{other}");
    }
}

#[tokio::test]
async fn a_refusal_keeps_its_words_but_not_the_customer() {
    let refused = new_order(responding(r#"<R RequestStatus="ERROR" RequestError="Country invalid for Zoë O'Neill &amp;amp; Sons"/>"#.replace("&amp;amp;", "&amp;").as_str())).await;
    assert_eq!(
        refused,
        Err(PrimaError::refused("NewOrder", "Country invalid for [customer] [customer]"))
    );
}

#[tokio::test]
async fn faults_leave_the_effect_open_unless_the_service_is_disabled() {
    let problem = new_order(fault("Procedure ended abnormally")).await.unwrap_err();
    assert_eq!((problem.outcome, problem.request_id.as_deref()), (Outcome::Unknown, Some("r-42")));
    assert_eq!(problem.to_string(), "NewOrder: Procedure ended abnormally (WSA request r-42)");
    // It ends in rows and events: without the customer, and not longer than a line.
    let problem =
        new_order(fault(&format!("STOP at {} {}", order().delivery.post_code, "x".repeat(2000))))
            .await
            .unwrap_err();
    assert!(
        problem.message.starts_with("STOP at [customer] xxx")
            && problem.message.chars().count() < 520,
        "{problem}"
    );
    assert_eq!(
        new_order(fault("Service disabled. (10921)")).await.unwrap_err().outcome,
        Outcome::NotSent
    );
}

#[tokio::test]
async fn whatever_cannot_be_read_after_sending_leaves_the_effect_open() {
    let page = || b"<html><body>Bad <b>Gateway</body></html>".to_vec();
    let Answer::Whole(_, _, success) = responding(r#"<R RequestStatus="OK"/>"#) else {
        panic!("no answer")
    };
    for answer in [
        Answer::Whole("502 Bad Gateway", "text/html", page()),
        Answer::Whole("200 OK", "text/html", page()),
        Answer::Whole("200 OK", "text/xml", Vec::new()),
        Answer::Whole("500 Internal Server Error", "text/xml", success.clone()),
        Answer::Whole("302 Found", "text/xml", success.clone()),
        Answer::Cut(success),
        responding("no document"),
        responding("<R RequestStatus='SOMETIMES'/>"),
    ] {
        let problem = new_order(answer).await.unwrap_err();
        assert_eq!(problem.outcome, Outcome::Unknown, "{problem}");
        assert!(!problem.message.contains("Gateway</b>"), "{problem}");
    }
}

#[tokio::test]
async fn an_answer_without_end_is_given_up() {
    let problem = order_status(Answer::Endless).await.unwrap_err();
    assert_eq!(problem.outcome, Outcome::Unknown);
    assert!(problem.message.contains("larger than"), "{problem}");
}

#[tokio::test]
async fn silence_ends_at_the_timeout_and_leaves_the_effect_open() {
    let start = Instant::now();
    let mut server = serve(Answer::Silence).await;
    let problem = client(&server.endpoint).new_order(&order()).await.unwrap_err();
    assert_eq!(problem, PrimaError::unknown("NewOrder", "no answer in time"));
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(server.requests.recv().await.is_some());
    assert!(server.requests.try_recv().is_err(), "it was sent again");
}

#[tokio::test]
async fn a_refused_connection_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/wsa", listener.local_addr().unwrap());
    drop(listener);
    let problem = client(&endpoint).new_order(&order()).await.unwrap_err();
    assert_eq!(problem.outcome, Outcome::NotSent, "{problem}");
}

#[tokio::test]
async fn no_new_order_is_started_without_time_for_its_answer() {
    let mut server =
        serve(responding(r#"<R RequestStatus="OK"><Data OrderStatus="Open"/></R>"#)).await;
    let soon = SystemClock.now().checked_add(Duration::from_millis(900)).unwrap();
    let client = client(&server.endpoint).until(soon);
    assert_eq!(client.new_order(&order()).await.unwrap_err().outcome, Outcome::NotSent);
    assert_eq!(client.cancel_order("A-1", "").await.unwrap_err().outcome, Outcome::NotSent);
    assert!(server.requests.try_recv().is_err(), "it was sent");
    assert!(client.order_status("A-1").await.is_ok(), "a question may be cut short");
    let past = client.until(SystemClock.now());
    assert_eq!(past.order_status("A-1").await.unwrap_err().outcome, Outcome::NotSent);
}

#[tokio::test]
async fn plain_http_goes_to_private_names_and_to_no_public_address() {
    // A host name goes through the guarded name service, whose refusal is tested beside it.
    let server = serve(responding(r#"<R RequestStatus="OK"><Data OrderStatus="Open"/></R>"#)).await;
    let by_name = server.endpoint.replace("127.0.0.1", "localhost");
    assert!(client(&by_name).order_status("A-1").await.is_ok());
    let refused = fetch_wsdl("http://8.8.8.8/wsa", "urn:omlink", false).await.unwrap_err();
    assert_eq!(refused.outcome, Outcome::NotSent);
    assert!(
        PrimaClient::new(connection("http://8.8.8.8/wsa"), behaviour(), patience(), 2, SystemClock)
            .is_err()
    );
}

#[tokio::test]
async fn calls_at_once_are_limited() {
    let mut server =
        serve(responding(r#"<R RequestStatus="OK"><Data OrderStatus="Open"/></R>"#)).await;
    let client = client(&server.endpoint);
    let calls = futures_util::future::join_all((0..12).map(|_| client.order_status("A-1")));
    assert!(calls.await.iter().all(Result::is_ok));
    for _ in 0..12 {
        server.requests.recv().await.unwrap();
    }
    assert!((1..=2).contains(&server.most_at_once.load(Ordering::SeqCst)));
}

#[tokio::test]
async fn cancel_order_needs_the_capability() {
    let server = serve(responding(r#"<R RequestStatus="OK"/>"#)).await;
    assert_eq!(client(&server.endpoint).cancel_order("A-1", "Buyer's wish").await, Ok(()));
    let without = PrimaBehaviour { cancel_order: false, ..behaviour() };
    let client =
        PrimaClient::new(connection(&server.endpoint), without, patience(), 2, SystemClock)
            .unwrap();
    let refused = client.cancel_order("A-1", "").await.unwrap_err();
    assert_eq!(refused.outcome, Outcome::NotSent);
}

#[tokio::test]
async fn an_order_that_xml_cannot_carry_is_not_sent() {
    let mut server = serve(Answer::Silence).await;
    let mut order = order();
    order.delivery.surname = "Bell\u{7}".into();
    let problem = client(&server.endpoint).new_order(&order).await.unwrap_err();
    assert_eq!(problem.outcome, Outcome::NotSent);
    assert!(
        problem.message.contains("CustomerSurname") && !problem.message.contains("Bell"),
        "{problem}"
    );
    assert!(server.requests.try_recv().is_err());
}

#[tokio::test]
async fn the_wsdl_is_fetched_from_beside_the_endpoint() {
    let mut server = serve(Answer::Whole("200 OK", "text/xml", b"<definitions/>".to_vec())).await;
    assert_eq!(client(&server.endpoint).fetch_wsdl().await.as_deref(), Ok("<definitions/>"));
    let request = String::from_utf8(server.requests.recv().await.unwrap()).unwrap();
    assert!(
        request.starts_with("GET /wsalive/wsalive/wsdl?targetURI=urn:omlink HTTP/1.1"),
        "{request}"
    );
}

async fn range(answer: Answer, patience: Patience) -> Result<RangeReading, RangeFailure> {
    let client = PrimaClient::new(
        connection(&serve(answer).await.endpoint),
        behaviour(),
        patience,
        2,
        SystemClock,
    )
    .unwrap();
    client
        .range(
            &ProductRange { from: "W1".into(), to: String::new() },
            StockBasis::AvailableLessAllocated,
        )
        .await
}

#[tokio::test]
async fn a_range_is_asked_for_by_its_ends_and_read_as_it_arrives() {
    let mut server =
        serve(responding(r#"<R RequestStatus="OK"><sku Product="W1" MtrxCode1="NAV" AvailableQuantity="8" AllocatedQuantity="5"/></R>"#))
            .await;
    let client = client(&server.endpoint);
    let before = SystemClock.now();
    let reading = client
        .range(
            &ProductRange { from: "W1".into(), to: String::new() },
            StockBasis::AvailableLessAllocated,
        )
        .await
        .unwrap();
    assert_eq!(reading.free(SkuKey::of("W1", ["NAV"])), Some(3));
    assert!(before <= reading.asked_at && reading.asked_at <= SystemClock.now());
    let request = String::from_utf8_lossy(&server.requests.recv().await.unwrap()).into_owned();
    assert!(request.contains("RequestType=&quot;ProductAvailableToSell&quot;"), "{request}");
    assert!(
        request.contains("&lt;Data ProductFrom=&quot;W1&quot; ProductTo=&quot;&quot;/&gt;"),
        "{request}"
    );
    let skus =
        [SkuOverride { product: "W1".into(), matrix_codes: vec!["NAV".into(), "10".into()] }];
    client.named(&skus, StockBasis::AvailableLessAllocated).await.unwrap();
    let request = String::from_utf8_lossy(&server.requests.recv().await.unwrap()).into_owned();
    assert!(request.contains("MultiAvailableToSell&quot;&gt;&lt;Data&gt;&lt;sku Product=&quot;W1&quot; MtrxCode1=&quot;NAV&quot; MtrxCode2=&quot;10&quot;/&gt;"), "{request}");
}

#[tokio::test]
async fn a_range_that_does_not_come_whole_is_an_error_that_says_why() {
    let refused = range(
        responding(r#"<R RequestStatus="ERROR" RequestError="Stock is locked"/>"#),
        patience(),
    )
    .await
    .unwrap_err()
    .error;
    assert_eq!((refused.outcome, refused.message.as_str()), (Outcome::Refused, "Stock is locked"));
    let fault = range(fault("Out of agents"), patience()).await.unwrap_err().error;
    assert_eq!(
        (fault.message.as_str(), fault.request_id.as_deref()),
        ("Out of agents", Some("r-42"))
    );
    for (answer, says) in [
        (Answer::Silence, "no answer in time"),
        (Answer::Cut(b"<s:Envelope><s:Body>".to_vec()), "the connection failed"),
        (Answer::Endless, "the answer is empty"),
        (responding(&" ".repeat(1_100_000)), "larger than 1048576 bytes"),
        (Answer::Whole("502 Bad Gateway", "text/html", b"<html></html>".to_vec()), "502"),
    ] {
        let patience = Patience { silence: Duration::from_secs(1), largest_answer: 1024 * 1024 };
        let problem = range(answer, patience).await.unwrap_err().error;
        assert!(
            problem.outcome == Outcome::Unknown && problem.message.contains(says),
            "{says}: {problem}"
        );
    }
}
