//! Making calls: time budget, repeats, limits, errors (Mirakl seller API, "Transport,
//! authentication, conventions").

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::Host;

use super::call::{Call, LARGEST_ANSWER};
use super::error::MiraklError;
use super::keys::ApiKeys;
use super::problem::error_of;
use crate::kit::clock::{Clock, after};
use crate::kit::http::{Jitter, Unread, backoff, causes, read_beginning, read_limited};
use crate::kit::odd_form::OddForm;

/// As much as is read of an answer that is no success, for its message.
const LARGEST_REFUSAL: usize = 64 * 1024;
/// One try waits this long at most; of a download, for its beginning and for each piece.
const TRY_TIMEOUT: Duration = Duration::from_secs(20);
/// Of a large body or answer, as much takes a second more.
const BYTES_A_SECOND: usize = 512 * 1024;
/// A try is not begun with less time left than this.
const LEAST_TIME: Duration = Duration::from_millis(500);
/// Tries of one call that may fail. Being told to wait is no failure: that ends with the time
/// budget.
const TRIES: u32 = 4;
/// The first wait between tries; doubled each time, and spread.
const FIRST_WAIT: Duration = Duration::from_millis(400);
/// The first wait after a 429 that does not say how long.
const RATE_WAIT: Duration = Duration::from_secs(5);
/// A longer `Retry-After` is cut to this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes the calls of one channel, until a deadline.
#[derive(Debug)]
pub struct Caller<K, C> {
    pub(super) http: Client,
    pub(super) base: Url,
    pub(super) shop_id: Option<i64>,
    pub(super) channel_id: String,
    pub(super) keys: Arc<K>,
    pub(super) clock: C,
    pub(super) jitter: Arc<Jitter>,
    pub(super) deadline: Timestamp,
}

/// How one try ended.
enum Try<T> {
    Answered(T),
    /// Another try may end better, where the call's class allows it; no sooner than what the error
    /// asks for.
    Again(MiraklError),
    Failed(MiraklError),
}

impl<K: ApiKeys, C: Clock> Caller<K, C> {
    /// Makes a call, and repeats it within the deadline where its repeat class allows that. Answers
    /// the body of a success.
    ///
    /// # Errors
    /// The last try's.
    pub async fn send(&self, call: &Call) -> Result<Vec<u8>, MiraklError> {
        let url = self.url(call)?;
        let url = &url;
        self.tries(call, |key| self.send_once(call, url, key)).await
    }

    /// Makes a call whose answer is handed to `take` piece by piece, as it arrives: there is no
    /// limit to its size, and none to its time but the deadline and twenty seconds of silence. It
    /// is repeated only while nothing of it has arrived.
    ///
    /// # Errors
    /// The last try's; the answer ends before its end; or what `take` says.
    pub(super) async fn download<E: std::error::Error>(
        &self,
        call: &Call,
        url: &Url,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), MiraklError> {
        let mut response =
            self.tries(call, |key| self.open(call, url, key, self.time_left())).await?;
        loop {
            match tokio::time::timeout(self.time_left().min(TRY_TIMEOUT), response.chunk()).await {
                Ok(Ok(Some(piece))) => {
                    take(&piece).map_err(|problem| {
                        MiraklError::unknown(call.operation, problem.to_string())
                    })?;
                }
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(problem)) => {
                    return Err(MiraklError::unknown(call.operation, causes(&problem)));
                }
                Err(_) => {
                    return Err(MiraklError::unknown(
                        call.operation,
                        "no more of the answer in time",
                    ));
                }
            }
        }
    }

    /// Where an answer of Mirakl's sends us for a file, and whether the API key may go along: to
    /// the channel's own host alone, and in the channel's own scheme, since Mirakl's examples write
    /// http for it. Another host is asked by https only.
    ///
    /// # Errors
    /// It is no address, or one that may not be asked.
    pub(super) fn foreign_url(
        &self,
        operation: &'static str,
        text: &str,
    ) -> Result<(Url, bool), MiraklError> {
        let unfit = |problem: &str| Err(MiraklError::not_sent(operation, problem));
        let Ok(mut url) = Url::parse(text) else {
            return unfit("Mirakl's address of a file is none");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return unfit("Mirakl's address of a file holds a user name or password");
        }
        let is_web = matches!(url.scheme(), "http" | "https");
        let own_port = url.port().is_none() || url.port() == self.base.port();
        if is_web && own_port && url.host() == self.base.host() {
            return match (url.set_scheme(self.base.scheme()), url.set_port(self.base.port())) {
                (Ok(()), Ok(())) => Ok((url, true)),
                _ => unfit("Mirakl's address of a file cannot be asked"),
            };
        }
        let both_here = [&url, &self.base]
            .iter()
            .all(|url| matches!(url.host(), Some(Host::Ipv4(address)) if address.is_loopback()));
        if url.scheme() == "https" || (url.scheme() == "http" && both_here) {
            return Ok((url, false));
        }
        unfit("Mirakl's address of a file is neither on the channel's host nor https")
    }

    /// Tries and tries again, as the call's class and the deadline allow.
    async fn tries<T, F: Future<Output = Try<T>>>(
        &self,
        call: &Call,
        once: impl Fn(Option<SecretString>) -> F,
    ) -> Result<T, MiraklError> {
        let mut key = if call.with_key { Some(self.key(call, false).await?) } else { None };
        let mut key_was_read_again = false;
        let (mut round, mut failures) = (0, 0);
        loop {
            let problem = match once(key.clone()).await {
                Try::Answered(answer) => return Ok(answer),
                Try::Failed(problem)
                    if problem.status == Some(401) && key.is_some() && !key_was_read_again =>
                {
                    // The key may have been replaced since it was read: once more with what is
                    // stored now. A 401 had no effect, so that this is right for every class.
                    key_was_read_again = true;
                    match self.key(call, true).await {
                        Ok(stored)
                            if key.as_ref().map(ExposeSecret::expose_secret)
                                != Some(stored.expose_secret()) =>
                        {
                            key = Some(stored)
                        }
                        Ok(_) => return Err(problem),
                        Err(unread) => {
                            let message = format!(
                                "{}; and the key cannot be read again: {}",
                                problem.message, unread.message
                            );
                            return Err(MiraklError { message, ..problem });
                        }
                    }
                    continue;
                }
                Try::Failed(problem) => return Err(problem),
                Try::Again(problem) if call.repeat.allows_after(&problem) => problem,
                Try::Again(problem) => return Err(problem),
            };
            let told_to_wait = problem.status == Some(429);
            failures += u32::from(!told_to_wait);
            let pause = match problem.retry_after {
                // A little later than asked, and not all at once.
                Some(asked) => asked + self.jitter.spread(FIRST_WAIT),
                None => self
                    .jitter
                    .spread(backoff(if told_to_wait { RATE_WAIT } else { FIRST_WAIT }, round)),
            };
            let ends_at = after(self.clock.now(), pause);
            // A wait for a limit may not eat the time that is needed for what comes after it.
            let is_too_long =
                told_to_wait && call.limit_waited_until.is_some_and(|until| ends_at > until);
            if failures >= TRIES || is_too_long || after(ends_at, LEAST_TIME) > self.deadline {
                return Err(problem);
            }
            round += 1;
            tracing::debug!(channel = %self.channel_id, %problem, pause_ms = pause.as_millis(), "trying again");
            self.clock.sleep(pause).await;
        }
    }

    /// Makes a call whose answer is one JSON document.
    ///
    /// # Errors
    /// The last try's; or the answer has another form, of which nothing is quoted.
    pub async fn read<T: DeserializeOwned>(&self, call: &Call) -> Result<T, MiraklError> {
        let body = self.send(call).await?;
        serde_json::from_slice(&body).map_err(|problem| unreadable(call.operation, &problem))
    }

    /// As [`Self::read`], without the fields that cannot be read and are not needed: each with its
    /// operation. Paths are written as `carriers[].code`.
    pub(super) async fn read_leniently<T: DeserializeOwned>(
        &self,
        call: &Call,
        is_needed: fn(&str) -> bool,
    ) -> Result<(T, Vec<OddForm>), MiraklError> {
        let body = self.send(call).await?;
        let text = String::from_utf8_lossy(&body);
        let (read, odd) = super::lenient::read(&text, is_needed)
            .map_err(|problem| unreadable(call.operation, &problem))?;
        let named =
            |form: OddForm| OddForm { field: format!("{} {}", call.operation, form.field), ..form };
        Ok((read, odd.into_iter().map(named).collect()))
    }

    /// The key, while there is time for reading it.
    async fn key(&self, call: &Call, refresh: bool) -> Result<SecretString, MiraklError> {
        match tokio::time::timeout(self.time_left(), self.keys.api_key(&self.channel_id, refresh))
            .await
        {
            Ok(key) => {
                key.map_err(|problem| MiraklError::not_sent(call.operation, problem.to_string()))
            }
            Err(_) => {
                Err(MiraklError::not_sent(call.operation, "the API key could not be read in time"))
            }
        }
    }

    /// The present moment, by the caller's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Until the deadline, none if it has passed.
    fn time_left(&self) -> Duration {
        Duration::try_from(self.deadline.duration_since(self.clock.now())).unwrap_or_default()
    }

    fn url(&self, call: &Call) -> Result<Url, MiraklError> {
        let unfit = |problem: &str| Err(MiraklError::not_sent(call.operation, problem));
        // The URL's own rules would take these segments away, and make it another operation's.
        if call.path.iter().any(|segment| matches!(segment.as_str(), "" | "." | "..")) {
            return unfit("an id that no path can carry");
        }
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().extend(&call.path),
            Err(()) => return unfit("the channel's base_url cannot carry a path"),
        };
        let shop_id = self.shop_id.map(|id| ("shop_id", id.to_string()));
        let parameters: Vec<_> = call.query.iter().cloned().chain(shop_id).collect();
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        Ok(url)
    }

    async fn send_once(&self, call: &Call, url: &Url, key: Option<SecretString>) -> Try<Vec<u8>> {
        let response = match self.open(call, url, key, self.time_left().min(patience(call))).await {
            Try::Answered(response) => response,
            Try::Again(problem) => return Try::Again(problem),
            Try::Failed(problem) => return Try::Failed(problem),
        };
        match read_limited(response, call.largest_answer).await {
            Ok(body) => Try::Answered(body),
            Err(Unread::Cut(problem)) => Try::Again(MiraklError::unknown(call.operation, problem)),
            Err(problem @ Unread::TooLarge(_)) => {
                Try::Failed(MiraklError::unknown(call.operation, problem.to_string()))
            }
        }
    }

    /// One try, up to where the body of a success begins, which ends with `timeout` as well.
    async fn open(
        &self,
        call: &Call,
        url: &Url,
        key: Option<SecretString>,
        timeout: Duration,
    ) -> Try<Response> {
        if self.time_left() < LEAST_TIME {
            return Try::Failed(MiraklError::not_sent(
                call.operation,
                "too little time is left in this invocation",
            ));
        }
        let mut request = self
            .http
            .request(call.method.clone(), url.clone())
            .timeout(timeout)
            .header(ACCEPT, "application/json, */*;q=0.5");
        if let Some(key) = key {
            let Ok(mut authorization) = HeaderValue::from_str(key.expose_secret()) else {
                let problem =
                    "the stored API key has characters that no header can carry: store it again";
                return Try::Failed(MiraklError::not_sent(call.operation, problem));
            };
            authorization.set_sensitive(true);
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, &body.content_type).body(body.bytes.clone());
        }
        let Ok(response) = tokio::time::timeout(patience(call), request.send()).await else {
            return Try::Again(MiraklError::unknown(call.operation, "no answer in time"));
        };
        let response = match response {
            Ok(response) => response,
            Err(problem) if problem.is_builder() => {
                return Try::Failed(MiraklError::not_sent(call.operation, causes(&problem)));
            }
            Err(problem) if problem.is_connect() => {
                return Try::Again(MiraklError::not_sent(call.operation, causes(&problem)));
            }
            Err(problem) => {
                return Try::Again(MiraklError::unknown(call.operation, causes(&problem)));
            }
        };
        let status = response.status();
        if status.is_success() {
            return Try::Answered(response);
        }
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|value| self.retry_after(value));
        // The status says it; of the text, as much as there is.
        let (body, _) = read_beginning(response, LARGEST_REFUSAL).await;
        let problem = error_of(call.operation, status, &body, retry_after);
        let passing = status.is_server_error()
            || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        if passing { Try::Again(problem) } else { Try::Failed(problem) }
    }

    /// `Retry-After`: seconds, or an HTTP date.
    fn retry_after(&self, value: &HeaderValue) -> Option<Duration> {
        let text = value.to_str().ok()?.trim();
        if let Ok(seconds) = text.parse::<u64>() {
            return Some(Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER));
        }
        let at = Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()?;
        Some(
            Duration::try_from(at.duration_since(self.clock.now()))
                .unwrap_or_default()
                .min(LONGEST_RETRY_AFTER),
        )
    }
}

/// How long one try may take: longer, where more is sent or may be received than usual.
fn patience(call: &Call) -> Duration {
    let bytes = call.body.as_ref().map_or(0, |body| body.bytes.len())
        + call.largest_answer.saturating_sub(LARGEST_ANSWER);
    TRY_TIMEOUT + Duration::from_secs((bytes / BYTES_A_SECOND) as u64)
}

/// Mirakl answered, and the answer has another form than it should: nothing of it is quoted.
fn unreadable(operation: &'static str, problem: &serde_json::Error) -> MiraklError {
    let place = format!("line {}, column {}", problem.line(), problem.column());
    let message = format!("the answer cannot be read ({:?} error at {place})", problem.classify());
    MiraklError {
        status: Some(StatusCode::OK.as_u16()),
        ..MiraklError::unknown(operation, message)
    }
}
