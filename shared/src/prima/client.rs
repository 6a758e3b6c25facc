//! The client of Prima's web service: one request at a time goes out, is never repeated, and ends
//! in an answer or in an error that says whether it may have had its effect.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, Response, StatusCode, header, redirect, retry};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::kit::clock::Clock;
use crate::kit::field_error::FieldError;
use crate::kit::http::{causes, read_limited};
use crate::prima::connection::{
    Patience, PrimaBehaviour, PrimaConnection, is_plain_http_to_public_address,
};

use super::address::PrivateOnly;
use super::documents::{self, DocumentProblem};
use super::error::{Outcome, PrimaError};
use super::operations::{PrimaDispatches, PrimaOrders};
use super::order::{PrimaOrder, PrimaOrderStatus, PrimaProgress};
use super::soap::{self, SoapProblem};
use super::xml::Element;
use super::{assumed, redact, xml};

/// Bytes of an answer that are still read. An order's documents need a few thousand.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;

/// A request that is safe to lose is not started with less time left than this.
const LEAST_TIME: Duration = Duration::from_millis(500);

/// A client of one installation's Prima. Clones share connections and the limit on concurrent
/// calls.
#[derive(Clone, Debug)]
pub struct PrimaClient<C> {
    shared: Arc<Shared>,
    clock: C,
    deadline: Timestamp,
}

#[derive(Debug)]
struct Shared {
    http: Client,
    connection: PrimaConnection,
    behaviour: PrimaBehaviour,
    patience: Patience,
    calls: Semaphore,
}

impl<C: Clock + Clone> PrimaClient<C> {
    /// A client without a deadline: see [`Self::until`]. Sends nothing yet. `patience`: with the
    /// answers that hold stock. `calls`: requests under way at once.
    ///
    /// # Errors
    /// The settings have problems, or no HTTP client can be made.
    pub fn new(
        connection: PrimaConnection,
        behaviour: PrimaBehaviour,
        patience: Patience,
        calls: usize,
        clock: C,
    ) -> Result<Self, Vec<FieldError>> {
        let mut problems = connection.problems();
        problems.extend(behaviour.problems());
        if !problems.is_empty() {
            return Err(problems);
        }
        let http = http_client(
            &connection.endpoint,
            connection.allow_plain_http_to_public,
            connect_timeout(&connection, &behaviour),
        )
        .map_err(|problem| vec![FieldError::new("prima.endpoint", causes(&problem))])?;
        let calls = Semaphore::new(calls);
        let shared = Shared { http, connection, behaviour, patience, calls };
        Ok(Self { shared: Arc::new(shared), clock, deadline: Timestamp::MAX })
    }

    /// The same client for one invocation that must have ended at `deadline`: no answer is waited
    /// for past it, and no `NewOrder` or `CancelOrder` is started that could not have its full time
    /// before it.
    #[must_use]
    pub fn until(&self, deadline: Timestamp) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The WSDL of the configured service: see [`fetch_wsdl`].
    ///
    /// # Errors
    /// It cannot be fetched or is not text.
    pub async fn fetch_wsdl(&self) -> Result<String, PrimaError> {
        let connection = &self.shared.connection;
        fetch_with(
            &self.shared.http,
            &connection.endpoint,
            &connection.wsdl_target,
            self.shared.behaviour.answer_timeout(),
        )
        .await
    }

    /// Sends a request document and returns the root of a response that is OK.
    pub(super) async fn call(
        &self,
        effect: Effect,
        document: &'static str,
        request: Result<String, Vec<FieldError>>,
    ) -> Result<Element, PrimaError> {
        let connection = &self.shared.connection;
        let (response, _turn) = self.send(effect, document, request, None).await?;
        let status = response.status();
        let content_type = content_type_of(&response);
        let answer = read_limited(response, LARGEST_ANSWER)
            .await
            .map_err(|problem| PrimaError::unknown(document, problem.to_string()))?;
        let answered = soap::read_answer(connection, &answer, content_type.as_deref());
        let text = match answered {
            Ok(text) if status.is_success() => text,
            Ok(_) => {
                return Err(PrimaError::unknown(
                    document,
                    format!("answered with HTTP status {status}"),
                ));
            }
            Err(problem) => return Err(of_soap(document, problem, status)),
        };
        documents::read_response(&text).map_err(|problem| of_document(document, problem))
    }

    /// Sends a request document; the answer's status and headers, and the turn to give back once it
    /// is read. `silence`: only so long may they take, and the rest of the answer is not timed
    /// here.
    pub(super) async fn send(
        &self,
        effect: Effect,
        document: &'static str,
        request: Result<String, Vec<FieldError>>,
        silence: Option<Duration>,
    ) -> Result<(Response, SemaphorePermit<'_>), PrimaError> {
        let shared = &*self.shared;
        let connection = &shared.connection;
        let unwritable = |problems: Vec<FieldError>| {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            PrimaError::not_sent(document, format!("cannot be written: {}", problems.join("; ")))
        };
        let body =
            soap::write_call(connection, &request.map_err(unwritable)?).map_err(unwritable)?;

        let waiting_for_a_turn =
            tokio::time::timeout(self.time_left(), shared.calls.acquire()).await;
        let Ok(Ok(turn)) = waiting_for_a_turn else {
            return Err(PrimaError::not_sent(
                document,
                "no turn came before the invocation's deadline",
            ));
        };
        let timeout = self.timeout(effect).ok_or_else(|| {
            PrimaError::not_sent(
                document,
                "too little time is left before the invocation's deadline",
            )
        })?;

        let request = shared
            .http
            .post(&connection.endpoint)
            .header(header::CONTENT_TYPE, soap::content_type(connection))
            .header("SOAPAction", format!("\"{}\"", connection.soap_action))
            .body(body);
        let response = match silence {
            None => request.timeout(timeout).send().await,
            Some(silence) => {
                match tokio::time::timeout(silence.min(self.time_left()), request.send()).await {
                    Ok(response) => response,
                    Err(_) => return Err(PrimaError::unknown(document, "no answer in time")),
                }
            }
        };
        Ok((response.map_err(|problem| transport_error(document, problem))?, turn))
    }

    /// The present moment.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// How the service is spoken to.
    pub(super) fn connection(&self) -> &PrimaConnection {
        &self.shared.connection
    }

    /// How long a large answer may be silent, and how large it may be.
    pub(super) fn patience(&self) -> Patience {
        self.shared.patience
    }

    /// Until the deadline, none if it has passed.
    pub(super) fn time_left(&self) -> Duration {
        Duration::try_from(self.deadline.duration_since(self.clock.now())).unwrap_or_default()
    }

    /// How long the answer may take, if there is time enough to ask.
    fn timeout(&self, effect: Effect) -> Option<Duration> {
        let (full, left) = (self.shared.behaviour.answer_timeout(), self.time_left());
        let least = match effect {
            Effect::None => LEAST_TIME.min(full),
            Effect::Lasting => full,
        };
        (left >= least).then(|| full.min(left))
    }
}

/// Whether a lost answer leaves a question open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    Lasting,
}

impl<C: Clock + Clone> PrimaClient<C> {
    /// `OrderStatus`: what `read` makes of the answer; none where Prima does not know the order.
    async fn ask<T>(
        &self,
        order_number: &str,
        read: impl FnOnce(&Element) -> Result<T, DocumentProblem>,
    ) -> Result<Option<T>, PrimaError> {
        const DOCUMENT: &str = "OrderStatus";
        let connection = &self.shared.connection;
        let request = documents::order_status_request(order_number, connection.encoding);
        match self.call(Effect::None, DOCUMENT, request).await {
            Ok(root) => read(&root).map(Some).map_err(|problem| of_document(DOCUMENT, problem)),
            Err(PrimaError { outcome: Outcome::Refused, message, .. })
                if connection.says_unknown_order(&message, order_number) =>
            {
                Ok(None)
            }
            Err(problem) => Err(problem),
        }
    }
}

impl<C: Clock + Clone> PrimaDispatches for PrimaClient<C> {
    async fn order_progress(
        &self,
        order_number: &str,
    ) -> Result<Option<PrimaProgress>, PrimaError> {
        self.ask(order_number, |root| {
            let status = documents::read_order_status(root, order_number)?;
            let assumed::ReadParcels { parcels, unclear, odd } = assumed::read_parcels(root);
            Ok(PrimaProgress { status, parcels, unclear, odd })
        })
        .await
    }
}

impl<C: Clock + Clone> PrimaOrders for PrimaClient<C> {
    async fn order_status(
        &self,
        order_number: &str,
    ) -> Result<Option<PrimaOrderStatus>, PrimaError> {
        self.ask(order_number, |root| documents::read_order_status(root, order_number)).await
    }

    async fn new_order(&self, order: &PrimaOrder) -> Result<(), PrimaError> {
        let connection = &self.shared.connection;
        let request =
            documents::new_order_request(order, connection.new_order_request, connection.encoding);
        match self.call(Effect::Lasting, "NewOrder", request).await {
            Ok(_) => Ok(()),
            // Prima may quote the customer, and this message ends in rows and events.
            Err(problem) => {
                let redacted = |text: &str| redact::without_customer(text, order);
                let request_id = problem.request_id.as_deref().map(redacted);
                Err(PrimaError { message: redacted(&problem.message), request_id, ..problem })
            }
        }
    }

    async fn cancel_order(&self, order_number: &str, narrative: &str) -> Result<(), PrimaError> {
        const DOCUMENT: &str = "CancelOrder";
        if !self.shared.behaviour.cancel_order {
            return Err(PrimaError::not_sent(
                DOCUMENT,
                "this site has no CancelOrder (behaviour.cancel_order)",
            ));
        }
        let request =
            assumed::cancel_order_request(order_number, narrative, self.shared.connection.encoding);
        self.call(Effect::Lasting, DOCUMENT, request).await.map(drop)
    }
}

/// Fetches `<endpoint>/wsdl?targetURI=<target>`, before there is an installation document.
///
/// # Errors
/// It cannot be fetched or is not text; plain HTTP to a public address that is not allowed.
pub async fn fetch_wsdl(
    endpoint: &str,
    target: &str,
    allow_plain_http_to_public: bool,
) -> Result<String, PrimaError> {
    if !allow_plain_http_to_public
        && url::Url::parse(endpoint).is_ok_and(|url| is_plain_http_to_public_address(&url))
    {
        return Err(PrimaError::not_sent("WSDL", "plain HTTP to a public address is refused"));
    }
    let http = http_client(endpoint, allow_plain_http_to_public, Duration::from_secs(5))
        .map_err(|problem| PrimaError::not_sent("WSDL", causes(&problem)))?;
    fetch_with(&http, endpoint, target, Duration::from_secs(30)).await
}

async fn fetch_with(
    http: &Client,
    endpoint: &str,
    target: &str,
    timeout: Duration,
) -> Result<String, PrimaError> {
    const DOCUMENT: &str = "WSDL";
    let mut url = url::Url::parse(&format!("{}/wsdl", endpoint.trim_end_matches('/'))).map_err(
        |problem| PrimaError::not_sent(DOCUMENT, format!("the endpoint is no address: {problem}")),
    )?;
    // As written in the adapter's own links: the colons of a URN stay.
    url.set_query(Some(&format!("targetURI={target}")));
    let response = http
        .get(url)
        .timeout(timeout)
        .send()
        .await
        .map_err(|problem| transport_error(DOCUMENT, problem))?;
    let (status, content_type) = (response.status(), content_type_of(&response));
    if !status.is_success() {
        return Err(PrimaError::unknown(DOCUMENT, format!("answered with HTTP status {status}")));
    }
    let bytes = read_limited(response, LARGEST_ANSWER)
        .await
        .map_err(|problem| PrimaError::unknown(DOCUMENT, problem.to_string()))?;
    xml::decode(&bytes, content_type.as_deref())
        .map_err(|problem| PrimaError::unknown(DOCUMENT, problem.to_string()))
}

/// At most half of the time for the answer, so that a connection that never comes is told from an
/// answer that never comes.
fn connect_timeout(connection: &PrimaConnection, behaviour: &PrimaBehaviour) -> Duration {
    Duration::from_secs(connection.connect_timeout_seconds.into())
        .min(behaviour.answer_timeout() / 2)
}

/// No redirects, proxies, repeats or pooled connections: each of them could send a `NewOrder`
/// somewhere else or twice. For plain HTTP no certificates are loaded.
fn http_client(
    endpoint: &str,
    allow_plain_http_to_public: bool,
    connect_timeout: Duration,
) -> Result<Client, reqwest::Error> {
    let mut builder = Client::builder()
        .connect_timeout(connect_timeout)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .no_proxy()
        .no_gzip()
        .http1_only()
        .pool_max_idle_per_host(0);
    if url::Url::parse(endpoint).is_ok_and(|url| url.scheme() == "http") {
        builder = builder.tls_certs_only([]);
        if !allow_plain_http_to_public {
            builder = builder.dns_resolver(PrivateOnly);
        }
    }
    builder.build()
}

pub(super) fn content_type_of(response: &Response) -> Option<String> {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .map(ToOwned::to_owned)
}

fn transport_error(document: &'static str, problem: reqwest::Error) -> PrimaError {
    if problem.is_connect() || problem.is_builder() {
        PrimaError::not_sent(document, causes(&problem))
    } else if problem.is_timeout() {
        PrimaError::unknown(document, "no answer in time")
    } else {
        PrimaError::unknown(document, causes(&problem))
    }
}

pub(super) fn of_soap(
    document: &'static str,
    problem: SoapProblem,
    status: StatusCode,
) -> PrimaError {
    match problem {
        SoapProblem::Fault { message, request_id, disabled } => {
            let outcome = if disabled { Outcome::NotSent } else { Outcome::Unknown };
            PrimaError { document, outcome, message, request_id, answered: false }
        }
        SoapProblem::Unreadable(message) => PrimaError::unknown(
            document,
            format!("answered with HTTP status {status}, and {message}"),
        ),
    }
}

pub(super) fn of_document(document: &'static str, problem: DocumentProblem) -> PrimaError {
    match problem {
        DocumentProblem::Refused(message) => PrimaError::refused(document, message),
        DocumentProblem::Unreadable(message) => PrimaError::unclear(document, message),
    }
}

#[cfg(test)]
mod tests;
