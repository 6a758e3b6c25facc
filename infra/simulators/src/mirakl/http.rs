//! The seller API over HTTP, with the real clock at its edge.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::stream;
use jiff::Timestamp;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::control;
use super::generate::{OrderWish, generate_order};
use super::limits::Limits;
use super::model::{Marketplace, NewOffer, Settings, ShopProfile};
use super::offers::Exports;
use super::operations::{self, Answer, Asked};
use super::rights::Rights;
use crate::fashion::{self, CatalogueSku};
use crate::misbehaviour::{self, Fault, Misbehaviour, Plan};
use crate::recording::{Exchange, Recorder};

/// The largest request, in bytes.
const LARGEST_REQUEST: usize = 64 << 20;

/// A shop on the marketplace and the key that opens it. In JSON they stand side by side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shop {
    /// The key that opens it; several shops may have the same.
    pub api_key: String,
    /// What its orders are like.
    #[serde(flatten)]
    pub profile: ShopProfile,
}

/// How a simulator starts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Its shops.
    pub shops: Vec<Shop>,
    /// How the marketplace is run.
    pub settings: Settings,
    /// What goes wrong.
    pub misbehaviour: Plan,
    /// Seed of the orders that it makes up.
    pub seed: u64,
    /// SKUs in the catalogue that its orders draw from ([`fashion::catalogue`] with the same seed).
    pub catalogue_size: usize,
    /// Pieces that every shop offers of each of them at the start; none: there are no offers, and all is sold without end.
    pub offered: Option<u32>,
    /// Where traffic is recorded.
    pub record: Option<PathBuf>,
}

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    marketplace: Mutex<Marketplace>,
    pub(super) shops: Vec<Shop>,
    pub(super) misbehaviour: Misbehaviour,
    pub(super) calls: Mutex<BTreeMap<String, u64>>,
    pub(super) limits: Limits,
    pub(super) exports: Exports,
    pub(super) rights: Mutex<Rights>,
    generator: Mutex<Generator>,
    catalogue: Vec<CatalogueSku>,
    recorder: Option<Recorder>,
}

/// Where the next order comes from.
#[derive(Debug)]
struct Generator {
    rng: ChaCha8Rng,
    number: u64,
}

/// Serves until `shutdown` completes.
///
/// # Errors
/// The listener fails, or the recording cannot be begun.
pub async fn serve(config: Config, listener: TcpListener, shutdown: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
    let simulator = Arc::new(Simulator::new(config)?);
    axum::serve(listener, simulator.router()).with_graceful_shutdown(shutdown).await
}

impl Simulator {
    /// A simulator without orders.
    ///
    /// # Errors
    /// The recording cannot be begun.
    pub fn new(config: Config) -> std::io::Result<Self> {
        let simulator = Self {
            marketplace: Mutex::new(Marketplace::new(config.settings)),
            shops: config.shops,
            misbehaviour: Misbehaviour::new(config.misbehaviour),
            calls: Mutex::default(),
            limits: Limits::default(),
            exports: Exports::default(),
            rights: Mutex::default(),
            generator: Mutex::new(Generator { rng: ChaCha8Rng::seed_from_u64(config.seed), number: 0 }),
            catalogue: fashion::catalogue(config.seed, config.catalogue_size.max(1)),
            recorder: config.record.as_deref().map(Recorder::to_file).transpose()?,
        };
        if let Some(pieces) = config.offered {
            let now = Timestamp::now();
            for shop in &simulator.shops {
                simulator.offer_catalogue(shop.profile.shop_id, [pieces, pieces], config.seed, now);
            }
        }
        Ok(simulator)
    }

    /// Offers every SKU of the catalogue in a shop, with least to most pieces each, drawn evenly.
    pub fn offer_catalogue(&self, shop_id: i64, [least, most]: [u32; 2], seed: u64, now: Timestamp) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let offers = self.catalogue.iter().map(|sku| NewOffer {
            shop_sku: sku.offer_sku(),
            quantity: rng.random_range(least..=most.max(least)),
            active: true,
        });
        self.marketplace().set_offers(shop_id, offers, now);
    }

    /// The seller API, and the control API under `/simulator/`.
    pub fn router(self: Arc<Self>) -> Router {
        control::routes().fallback(api).with_state(self)
    }

    /// The marketplace, for looking and meddling.
    pub fn marketplace(&self) -> MutexGuard<'_, Marketplace> {
        self.marketplace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the shops' keys may do.
    pub fn rights(&self) -> MutexGuard<'_, Rights> {
        self.rights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets orders arrive in a shop; answers the ids of those that its offers covered. A `seed` starts the dice anew, so that the same call makes the same
    /// orders, but for their numbers. None, if there is no such shop.
    pub fn bring(&self, shop_id: i64, count: usize, seed: Option<u64>, wish: OrderWish, now: Timestamp) -> Option<Vec<String>> {
        let shop = &self.shops.iter().find(|shop| shop.profile.shop_id == shop_id)?.profile;
        let mut generator = self.generator.lock().unwrap_or_else(PoisonError::into_inner);
        let mut marketplace = self.marketplace();
        if let Some(seed) = seed {
            generator.rng = ChaCha8Rng::seed_from_u64(seed);
        }
        let bring = |_| {
            generator.number += 1;
            let number = generator.number;
            let order = generate_order(&mut generator.rng, now, shop, number, &self.catalogue, wish);
            let order_id = order.order_id.clone();
            marketplace.place(order, now).then_some(order_id)
        };
        Some((0..count).filter_map(bring).collect())
    }

    /// A customer buys one SKU of a shop: an order of one line. None, if there is no such shop or its offer has not so many
    /// pieces.
    pub fn sell(&self, shop_id: i64, sku: &str, quantity: u32, now: Timestamp) -> Option<String> {
        let shop = &self.shops.iter().find(|shop| shop.profile.shop_id == shop_id)?.profile;
        let mut generator = self.generator.lock().unwrap_or_else(PoisonError::into_inner);
        generator.number += 1;
        let number = generator.number;
        let wish = OrderWish { lines: Some(1), quantity: Some(quantity), ..OrderWish::default() };
        let mut order = generate_order(&mut generator.rng, now, shop, number, &self.catalogue, wish);
        for line in &mut order.lines {
            line.offer_sku = sku.to_owned();
        }
        let order_id = order.order_id.clone();
        self.marketplace().place(order, now).then_some(order_id)
    }
}

async fn api(State(simulator): State<Arc<Simulator>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_REQUEST).await.unwrap_or_default();
    let arrived = Timestamp::now();
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let url = format!("http://{host}{}", parts.uri);
    let (name, id) = operations::operation(parts.method.as_str(), parts.uri.path()).unwrap_or(("unknown", None));
    tokio::time::sleep(simulator.misbehaviour.latency()).await;
    let fault = simulator.misbehaviour.decide(name);
    if let Some(Fault::Delay { ms }) = fault {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    let text = String::from_utf8_lossy(&body);
    let asked = Asked {
        authorization: parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()),
        query: url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
        body: &text,
        parts: parts_of(&parts.headers, &body).await,
        url: &url,
    };
    // Latency and delay lie before the effect: the time that counts is when the request is worked on.
    let now = Timestamp::now();
    let answer = match &fault {
        Some(Fault::TooManyRequests { retry_after }) => Answer::too_many(retry_after.map(u64::from)),
        Some(Fault::ServerError { status }) => Answer::server_error(server_status(*status), "simulated"),
        Some(Fault::SoapFault { message }) => Answer::server_error(StatusCode::INTERNAL_SERVER_ERROR, message),
        Some(Fault::HtmlErrorPage { status }) => Answer::empty(server_status(*status)),
        Some(Fault::BrokenConnection) => Answer::empty(StatusCode::BAD_GATEWAY),
        Some(Fault::Delay { .. } | Fault::CutAnswer | Fault::LostAnswer) | None => {
            operations::answer(&simulator, name, id.as_deref(), &asked, now)
        }
    };
    let kind = fault.as_ref().map(Fault::kind);
    let outcome = kind.map_or_else(|| answer.status.as_u16().to_string(), str::to_owned);
    *simulator.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(format!("{name} {outcome}")).or_default() += 1;
    // OF54 is at whatever address OF53 names: Mirakl's document has no path for it to be held against.
    if let Some(recorder) = simulator.recorder.as_ref().filter(|_| name != "OF54") {
        let header =
            |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned());
        let headers: Vec<(String, String)> = parts.headers.iter().map(header).collect();
        // A delayed answer is whole. An old platform's answer is not what the seller API promises today.
        let told = kind.filter(|_| !matches!(fault, Some(Fault::Delay { .. })));
        let old = (name == "OR11" && simulator.marketplace().settings().old_shapes).then_some("old_shapes");
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
        Some(Fault::CutAnswer) => misbehaviour::cut(Bytes::from(answer.body.unwrap_or_default()), answer.status, answer.content_type),
        Some(Fault::HtmlErrorPage { .. }) => {
            let page = format!("<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>", answer.status);
            write(answer.status, Some(page), "text/html", &[])
        }
        _ => write(answer.status, answer.body, answer.content_type, &answer.headers),
    }
}

/// The parts of a multipart body; none of any other body, or of one that cannot be read.
async fn parts_of(headers: &HeaderMap, body: &Bytes) -> Vec<(String, String)> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Ok(boundary) = multer::parse_boundary(content_type) else { return Vec::new() };
    let whole = body.clone();
    let mut multipart = multer::Multipart::new(stream::once(async move { Ok::<_, std::convert::Infallible>(whole) }), boundary);
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

fn write(status: StatusCode, body: Option<String>, content_type: &'static str, headers: &[(&'static str, String)]) -> Response {
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
