//! The Web Services Adapter in front of an installation: SOAP over HTTP, with the oddities of the
//! real one.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use jiff::Timestamp;
use tokio::net::TcpListener;

use super::calls::Call;
use super::documents::{self, ReadRequest, Request};
use super::order::Refusal;
use super::response::{self, ResponseFormat};
use super::settings::{ElementCase, Settings};
pub use super::simulator::{Config, Simulator};
use super::soap::{self, Fault};
use super::{book_control, book_documents, control, text, wsdl};
use crate::misbehaviour;
use crate::recording::{Exchange, Recorder};

/// Serves until `shutdown` completes.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    Arc::new(Simulator::new(config)).serve(listener, shutdown).await
}

/// What became of a call: the record's outcome and text, and the answer.
struct Ended {
    outcome: &'static str,
    text: Option<String>,
    response: Response,
}

impl Simulator {
    /// Serves until `shutdown` completes; the caller keeps its own handle to look at the
    /// installation meanwhile.
    ///
    /// # Errors
    /// The listener fails.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        axum::serve(listener, self.router()).with_graceful_shutdown(shutdown).await
    }

    /// The service and the control API under `/simulator/`.
    pub fn router(self: Arc<Self>) -> Router {
        control::routes().merge(book_control::routes()).fallback(adapter).with_state(self)
    }

    async fn call(&self, headers: &HeaderMap, body: Body) -> Response {
        let sequence = self.calls.begin();
        let at = Timestamp::now();
        let begun = Instant::now();
        let settings = self.settings();
        let mut operation = "Unknown";
        let mut order_numbers = Vec::new();
        let body = to_bytes(body, settings.largest_request).await;
        let sent = body.as_ref().ok().filter(|_| self.recorder.is_some()).cloned();
        let ended = match self.receive(headers, body.ok(), &settings).await {
            Ok((place, envelope, request)) => {
                operation = request.operation();
                order_numbers = request.order_numbers();
                let ended = self.carry_out(envelope, request, sequence, &settings).await;
                drop(place);
                ended
            }
            Err(fault) => {
                // An outage has no envelopes either.
                if self.misbehaviour.plan().outage && self.misbehaviour.decide(operation).is_some()
                {
                    Ended {
                        outcome: "broken_connection",
                        text: None,
                        response: misbehaviour::broken(),
                    }
                } else {
                    faulted(&fault, StatusCode::INTERNAL_SERVER_ERROR, sequence, &settings)
                }
            }
        };
        let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (outcome, text) = (ended.outcome.to_owned(), ended.text);
        self.calls.end(Call {
            sequence,
            at,
            milliseconds,
            operation: operation.to_owned(),
            order_numbers,
            outcome,
            text,
        });
        match (&self.recorder, sent) {
            (Some(recorder), Some(sent)) => {
                record(
                    recorder,
                    at,
                    headers,
                    &service_path(&settings),
                    &sent,
                    ended.outcome,
                    ended.response,
                )
                .await
            }
            _ => ended.response,
        }
    }

    /// Reads a request as far as its document, once there is a place for it.
    async fn receive(
        &self,
        headers: &HeaderMap,
        body: Option<Bytes>,
        settings: &Settings,
    ) -> Result<(super::queue::Place, &'static str, ReadRequest), Fault> {
        let body = body
            .ok_or_else(|| Fault::client("The request is too large or did not arrive in full."))?;
        if settings.disabled {
            return Err(Fault::disabled());
        }
        let place = self.workers.place(settings.concurrent_calls, settings.waiting_calls).await;
        let place = place
            .ok_or_else(|| Fault::server("No server is available to carry out the request."))?;
        let content_type = header_text(headers, &header::CONTENT_TYPE).unwrap_or_default();
        if !content_type
            .split(';')
            .next()
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/xml"))
        {
            return Err(Fault::client("The content type must be text/xml."));
        }
        let action = headers
            .get("soapaction")
            .ok_or_else(|| Fault::client("The SOAPAction header is missing."))?;
        let action = action.to_str().unwrap_or("?").trim();
        let action =
            action.strip_prefix('"').and_then(|action| action.strip_suffix('"')).unwrap_or(action);
        if action != settings.soap_action {
            return Err(Fault::client("The SOAPAction header names no operation of the service."));
        }
        let message = text::decode(&body, content_type)
            .map_err(|what| Fault::client(format!("Unable to decode the SOAP message: {what}.")))?;
        let call = soap::read(&message, settings)?;
        Ok((place, call.operation, documents::read(&call.document)))
    }

    async fn carry_out(
        &self,
        envelope: &str,
        request: ReadRequest,
        sequence: u64,
        settings: &Settings,
    ) -> Ended {
        use crate::misbehaviour::Fault as Trouble;
        tokio::time::sleep(self.misbehaviour.latency()).await;
        let about = [request.order_numbers(), request.products()].concat();
        let trouble = self.misbehaviour.decide_about(request.operation(), &about);
        let kind = trouble.as_ref().map(Trouble::kind);
        let without_effect = match trouble {
            Some(Trouble::BrokenConnection) => Some(misbehaviour::broken()),
            Some(Trouble::TooManyRequests { retry_after }) => Some(too_many_requests(retry_after)),
            Some(Trouble::HtmlErrorPage { status }) => Some(html_page(status_code(status))),
            Some(Trouble::SoapFault { ref message }) => {
                let fault = Fault { client: false, message: message.clone() };
                Some(
                    faulted(&fault, StatusCode::INTERNAL_SERVER_ERROR, sequence, settings).response,
                )
            }
            Some(Trouble::ServerError { status }) => {
                let fault = Fault::server("The server ended before it had answered.");
                Some(faulted(&fault, status_code(status), sequence, settings).response)
            }
            _ => None,
        };
        if let (Some(response), Some(outcome)) = (without_effect, kind) {
            return Ended { outcome, text: None, response };
        }
        if matches!(
            request.request,
            Request::NewOrders(Ok(_)) | Request::CancelOrder { .. } | Request::NewJournal(Ok(_))
        ) && let Some(delay) = self.late_effect()
        {
            self.submit(request.request, Timestamp::now() + delay);
            return Ended { outcome: "late_effect", text: None, response: misbehaviour::broken() };
        }
        if let Request::AvailableRange { from, to } = &request.request {
            let response =
                self.tell_range(envelope, (from, to), trouble.as_ref(), sequence, settings).await;
            return Ended { outcome: kind.unwrap_or("OK"), text: None, response };
        }
        let (document, refusal) = self.perform(request, &response_format(settings, sequence));
        tokio::time::sleep(Duration::from_millis(settings.answer_after_effect_ms)).await;
        let answer = Bytes::from(text::encode(
            &soap::answer(envelope, &document, settings),
            settings.encoding,
        ));
        let text = refusal.map(|refusal| refusal.text);
        let content_type = content_type(settings);
        let response = match trouble {
            Some(Trouble::CutAnswer) => misbehaviour::cut(answer, StatusCode::OK, &content_type),
            Some(Trouble::LostAnswer) => misbehaviour::broken(),
            Some(Trouble::Delay { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                ([(header::CONTENT_TYPE, content_type)], answer).into_response()
            }
            _ => ([(header::CONTENT_TYPE, content_type)], answer).into_response(),
        };
        Ended {
            outcome: kind.unwrap_or(if text.is_some() { "ERROR" } else { "OK" }),
            text,
            response,
        }
    }

    /// The answer to `ProductAvailableToSell`, in time and text proportional to its SKUs: it is
    /// written while it is sent.
    async fn tell_range(
        &self,
        envelope: &str,
        (from, to): (&str, &str),
        trouble: Option<&misbehaviour::Fault>,
        sequence: u64,
        settings: &Settings,
    ) -> Response {
        use crate::misbehaviour::Fault as Trouble;
        const SKUS: usize = 1000;
        const MARK: &str = "{skus}";
        let figures = self.installation().available(from, to, Timestamp::now());
        let thousands = u64::try_from(figures.len()).unwrap_or(u64::MAX);
        let slow = settings.stock.milliseconds_per_thousand.saturating_mul(thousands) / 1000;
        tokio::time::sleep(Duration::from_millis(settings.answer_after_effect_ms + slow)).await;
        match trouble {
            Some(Trouble::LostAnswer) => return misbehaviour::broken(),
            Some(Trouble::Delay { ms }) => tokio::time::sleep(Duration::from_millis(*ms)).await,
            _ => {}
        }
        let (format, encoding) = (response_format(settings, sequence), settings.encoding);
        let whole = soap::answer(envelope, &documents::availability_frame(MARK, &format), settings);
        let (head, tail) = whole.split_once(MARK).unwrap_or((&whole, ""));
        let (head, tail) = (text::encode(head, encoding), text::encode(tail, encoding));
        let parts = figures.len().div_ceil(SKUS);
        let skus = (0..parts).map(move |part| {
            let figures = figures.iter().skip(part * SKUS).take(SKUS).cloned().collect::<Vec<_>>();
            text::encode(&text::escaped(&documents::availability_part(&figures, &format)), encoding)
        });
        let parts = std::iter::once(head).chain(skus).chain([tail]).map(Bytes::from);
        let content_type = content_type(settings);
        if trouble == Some(&Trouble::CutAnswer) {
            return misbehaviour::cut(
                parts.collect::<Vec<_>>().concat().into(),
                StatusCode::OK,
                &content_type,
            );
        }
        let body = Body::from_stream(stream::iter(parts.map(Ok::<_, std::convert::Infallible>)));
        ([(header::CONTENT_TYPE, content_type)], body).into_response()
    }

    /// The effect of a request and the document that answers it.
    fn perform(&self, request: ReadRequest, format: &ResponseFormat) -> (String, Option<Refusal>) {
        let now = Timestamp::now();
        let ReadRequest { request_type, request } = request;
        let done = |result: Result<(), Refusal>| {
            result.map(|()| response::accepted(&request_type, format))
        };
        let result = match request {
            Request::OrderStatus { number } => self
                .installation()
                .order_status(&number, now)
                .map(|answer| documents::progress(&number, &answer, format)),
            Request::NewOrders(orders) => {
                done(orders.and_then(|orders| self.installation().new_orders(orders, now)))
            }
            Request::CancelOrder { number, narrative } => {
                done(self.installation().cancel_order(&number, &narrative, now))
            }
            Request::AvailableSkus(skus) => {
                Ok(documents::availability(&self.installation().available_of(&skus, now), format))
            }
            Request::NewJournal(journal) => {
                done(journal.and_then(|journal| self.installation().new_journal(journal, now)))
            }
            Request::JournalStatus { third_party_id } => self
                .installation()
                .journal_status(&third_party_id, now)
                .map(|posted| book_documents::journal(&posted, format)),
            Request::NominalTransactions(asked) => asked.and_then(|(nominal, days)| {
                let found = self.installation().nominal_transactions(&nominal, days, now)?;
                Ok(book_documents::transactions(&nominal, &found, format))
            }),
            Request::CreditNotes(days) => days.and_then(|days| {
                let found = self.installation().credit_notes(days, now)?;
                Ok(book_documents::credit_notes(&found, format))
            }),
            // It is answered in parts.
            Request::AvailableRange { .. } => Ok(response::accepted(&request_type, format)),
            Request::Refused(refusal) => Err(refusal),
        };
        match result {
            Ok(document) => (document, None),
            Err(refusal) => (response::refused(&request_type, &refusal, format), Some(refusal)),
        }
    }

    fn submit(&self, request: Request, apply_at: Timestamp) {
        let mut installation = self.installation();
        match request {
            Request::NewOrders(Ok(orders)) => {
                orders.into_iter().for_each(|order| installation.submit(order, apply_at))
            }
            Request::CancelOrder { number, narrative } => {
                installation.submit_cancellation(&number, &narrative, apply_at)
            }
            Request::NewJournal(Ok(journal)) => installation.submit_journal(journal, apply_at),
            _ => {}
        }
    }

    async fn describe(&self, query: Option<&str>, headers: &HeaderMap) -> Response {
        use crate::misbehaviour::Fault as Trouble;
        let settings = self.settings();
        tokio::time::sleep(self.misbehaviour.latency()).await;
        let target = query.is_some_and(|query| {
            query.split('&').any(|pair| {
                pair == format!("targetURI={}", wsdl::TARGET) || pair == "targetURI=urn%3Aomlink"
            })
        });
        if !target {
            return html_page(StatusCode::NOT_FOUND);
        }
        let host = header_text(headers, &header::HOST).unwrap_or("localhost");
        let address = format!("http://{host}{}", service_path(&settings));
        let document =
            Bytes::from(text::encode(&wsdl::render(&settings, &address), settings.encoding));
        let whole =
            ([(header::CONTENT_TYPE, content_type(&settings))], document.clone()).into_response();
        match self.misbehaviour.decide("WSDL") {
            None => whole,
            Some(Trouble::Delay { ms }) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                whole
            }
            Some(Trouble::TooManyRequests { retry_after }) => too_many_requests(retry_after),
            Some(Trouble::ServerError { status } | Trouble::HtmlErrorPage { status }) => {
                html_page(status_code(status))
            }
            Some(Trouble::SoapFault { .. }) => html_page(StatusCode::INTERNAL_SERVER_ERROR),
            Some(Trouble::BrokenConnection | Trouble::LostAnswer) => misbehaviour::broken(),
            Some(Trouble::CutAnswer) => {
                misbehaviour::cut(document, StatusCode::OK, &content_type(&settings))
            }
        }
    }
}

async fn adapter(State(simulator): State<Arc<Simulator>>, request: HttpRequest) -> Response {
    let service = service_path(&simulator.settings());
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if path == format!("{service}/wsdl") && parts.method == Method::GET {
        return simulator.describe(parts.uri.query(), &parts.headers).await;
    }
    if path != service {
        return html_page(StatusCode::NOT_FOUND);
    }
    if parts.method != Method::POST {
        return html_page(StatusCode::METHOD_NOT_ALLOWED);
    }
    // A task of its own: Prima goes on with a request whose caller has hung up.
    let call = tokio::spawn(async move { simulator.call(&parts.headers, body).await });
    call.await.unwrap_or_else(|_| html_page(StatusCode::INTERNAL_SERVER_ERROR))
}

/// Records an exchange and hands its answer on; of a connection that broke there is no answer to
/// record.
async fn record(
    recorder: &Recorder,
    at: Timestamp,
    headers: &HeaderMap,
    path: &str,
    sent: &Bytes,
    outcome: &str,
    response: Response,
) -> Response {
    let content_type = |headers: &HeaderMap| {
        header_text(headers, &header::CONTENT_TYPE).unwrap_or_default().to_owned()
    };
    let host = header_text(headers, &header::HOST).unwrap_or("localhost");
    let named: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let readable = |bytes: &Bytes, content_type: &str| {
        text::decode(bytes, content_type)
            .unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned())
    };
    let (parts, body) = response.into_parts();
    let answered_type = content_type(&parts.headers);
    let (status, answer, response) =
        if matches!(outcome, "broken_connection" | "lost_answer" | "cut_answer" | "late_effect") {
            (0, String::new(), Response::from_parts(parts, body))
        } else {
            // The answer was made whole in memory, so reading it cannot fail.
            let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
            (
                parts.status.as_u16(),
                readable(&body, &answered_type),
                Response::from_parts(parts, Body::from(body)),
            )
        };
    recorder.record(&Exchange {
        at,
        method: "POST",
        url: &format!("http://{host}{path}"),
        headers: &named,
        request_body: &readable(sent, &content_type(headers)),
        status,
        content_type: &answered_type,
        response_body: &answer,
        fault: (!matches!(outcome, "OK" | "ERROR" | "Fault")).then_some(outcome),
    });
    response
}

fn service_path(settings: &Settings) -> String {
    format!("/wsa{0}/wsa{0}", settings.environment)
}

fn faulted(fault: &Fault, status: StatusCode, sequence: u64, settings: &Settings) -> Ended {
    let document = fault.render(&format!("simulated-{sequence:08}"), settings);
    let body = text::encode(&document, settings.encoding);
    let response = (status, [(header::CONTENT_TYPE, content_type(settings))], body).into_response();
    Ended { outcome: "Fault", text: Some(fault.message.clone()), response }
}

fn response_format(settings: &Settings, sequence: u64) -> ResponseFormat {
    let turn = usize::try_from(sequence).unwrap_or(0);
    let roots = &settings.response_roots;
    let root =
        if roots.is_empty() { "Response".to_owned() } else { roots[turn % roots.len()].clone() };
    let case = match settings.element_case {
        ElementCase::Mixed => {
            [ElementCase::Documented, ElementCase::Lower, ElementCase::Upper][turn % 3]
        }
        fixed => fixed,
    };
    ResponseFormat { root, case, encoding: settings.encoding }
}

fn content_type(settings: &Settings) -> String {
    format!("text/xml; charset={}", settings.encoding.name())
}

fn header_text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn too_many_requests(retry_after: Option<u32>) -> Response {
    let mut response = html_page(StatusCode::TOO_MANY_REQUESTS);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn html_page(status: StatusCode) -> Response {
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>{status}</title></head><body><h1>{status}</h1><hr></body></html>\n"
    );
    (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}
