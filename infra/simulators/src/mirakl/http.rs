//! The seller API over HTTP, with the real clock at its edge.

use std::future::Future;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use jiff::Timestamp;
use tokio::net::TcpListener;

use super::answer::{Answer, Asked};
pub use super::simulator::{Config, Shop, Simulator};
use super::{control, finance_control, operations};
use crate::misbehaviour::{self, Fault};
use crate::recording::Exchange;

/// The largest request, in bytes.
const LARGEST_REQUEST: usize = 64 << 20;

/// Serves until `shutdown` completes.
///
/// # Errors
/// The listener fails, or the recording cannot be begun.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    Arc::new(Simulator::new(config)?).serve(listener, shutdown).await
}

impl Simulator {
    /// Serves until `shutdown` completes; the caller keeps its own handle to look at the
    /// marketplace meanwhile.
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

    /// The seller API, and the control API under `/simulator/`.
    pub fn router(self: Arc<Self>) -> Router {
        control::routes().merge(finance_control::routes()).fallback(api).with_state(self)
    }
}

async fn api(State(simulator): State<Arc<Simulator>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_REQUEST).await.unwrap_or_default();
    let arrived = Timestamp::now();
    let host =
        parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let url = format!("http://{host}{}", parts.uri);
    let (name, id) =
        operations::operation(parts.method.as_str(), parts.uri.path()).unwrap_or(("unknown", None));
    tokio::time::sleep(simulator.misbehaviour.latency()).await;
    let fault = simulator.misbehaviour.decide(name);
    if let Some(Fault::Delay { ms }) = fault {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    let text = String::from_utf8_lossy(&body);
    let asked = Asked {
        authorization: parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()),
        query: url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect(),
        body: &text,
        parts: parts_of(&parts.headers, &body).await,
        url: &url,
    };
    // Latency and delay lie before the effect: the time that counts is when the request is worked
    // on.
    let now = Timestamp::now();
    let answer = match &fault {
        Some(Fault::TooManyRequests { retry_after }) => {
            Answer::too_many(retry_after.map(u64::from))
        }
        Some(Fault::ServerError { status }) => {
            Answer::server_error(server_status(*status), "simulated")
        }
        Some(Fault::SoapFault { message }) => {
            Answer::server_error(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
        Some(Fault::HtmlErrorPage { status }) => Answer::empty(server_status(*status)),
        Some(Fault::BrokenConnection) => Answer::empty(StatusCode::BAD_GATEWAY),
        Some(Fault::Delay { .. } | Fault::CutAnswer | Fault::LostAnswer) | None => {
            operations::answer(&simulator, name, id.as_deref(), &asked, now)
        }
    };
    let kind = fault.as_ref().map(Fault::kind);
    let outcome = kind.map_or_else(|| answer.status.as_u16().to_string(), str::to_owned);
    *simulator
        .calls
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(format!("{name} {outcome}"))
        .or_default() += 1;
    // OF54 and TL05 are at whatever address OF53 and TL04 name: Mirakl's document has no path for
    // them to be held against.
    if let Some(recorder) = simulator.recorder.as_ref().filter(|_| !matches!(name, "OF54" | "TL05"))
    {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let headers: Vec<(String, String)> = parts.headers.iter().map(header).collect();
        // A delayed answer is whole. An old platform's answer is not what the seller API promises
        // today.
        let told = kind.filter(|_| !matches!(fault, Some(Fault::Delay { .. })));
        let old = (name == "OR11" && simulator.marketplace().settings().old_shapes)
            .then_some("old_shapes");
        recorder.record(&Exchange {
            at: arrived,
            method: parts.method.as_str(),
            url: &url,
            headers: &headers,
            request_body: &text,
            status: answer.status.as_u16(),
            content_type: if answer.body.is_some() { answer.content_type } else { "" },
            response_body: answer.body.as_deref().unwrap_or_default(),
            fault: told.or(old),
        });
    }
    match fault {
        Some(Fault::BrokenConnection | Fault::LostAnswer) => misbehaviour::broken(),
        Some(Fault::CutAnswer) => misbehaviour::cut(
            Bytes::from(answer.body.unwrap_or_default()),
            answer.status,
            answer.content_type,
        ),
        Some(Fault::HtmlErrorPage { .. }) => {
            let page = format!(
                "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>",
                answer.status
            );
            write(answer.status, Some(page), "text/html", &[])
        }
        _ => write(answer.status, answer.body, answer.content_type, &answer.headers),
    }
}

/// The parts of a multipart body; none of any other body, or of one that cannot be read.
async fn parts_of(headers: &HeaderMap, body: &Bytes) -> Vec<(String, String)> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Ok(boundary) = multer::parse_boundary(content_type) else { return Vec::new() };
    let whole = body.clone();
    let mut multipart = multer::Multipart::new(
        stream::once(async move { Ok::<_, std::convert::Infallible>(whole) }),
        boundary,
    );
    let mut parts = Vec::new();
    while let Ok(Some(field)) = multipart.next_field().await {
        let name = field.name().unwrap_or_default().to_owned();
        let Ok(content) = field.bytes().await else { return Vec::new() };
        parts.push((name, String::from_utf8_lossy(&content).into_owned()));
    }
    parts
}

fn server_status(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn write(
    status: StatusCode,
    body: Option<String>,
    content_type: &'static str,
    headers: &[(&'static str, String)],
) -> Response {
    let has_body = body.is_some();
    let mut response = Response::new(body.map_or_else(Body::empty, Body::from));
    *response.status_mut() = status;
    if has_body {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    response
}
