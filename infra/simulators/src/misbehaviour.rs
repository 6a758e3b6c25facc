//! How a simulated system misbehaves: slow answers, refusals, broken connections, lost answers.
//!
//! A [`Plan`] says what may happen and how often; [`Misbehaviour`] rolls the dice for one call at a
//! time. The same seed and the same order of calls give the same faults, so that a failed test can
//! be repeated.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What a simulated system does wrong, as a whole. The default does nothing wrong.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// Where the dice start; the same seed and calls give the same faults.
    pub seed: u64,
    /// Least and most milliseconds added to every answer, drawn evenly.
    pub latency_ms: [u64; 2],
    /// Whether the system is down: every call meets a broken connection.
    pub outage: bool,
    /// Tried in order; the first rule that applies and whose dice fall is the fault of the call.
    pub rules: Vec<Rule>,
}

/// One fault, the operation it befalls and how often.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// The operation's name, such as `OR11` or `NewOrder`; none means every operation.
    #[serde(default)]
    pub operation: Option<String>,
    /// An order number, or a product that is ordered: only calls about it; none means every call.
    #[serde(default)]
    pub about: Option<String>,
    /// What happens.
    pub fault: Fault,
    /// How likely it is for each call, from 0 (never) to 1 (always).
    pub chance: f64,
    /// How often it may still happen; none means for ever.
    #[serde(default)]
    pub remaining: Option<u32>,
}

/// What goes wrong with one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Fault {
    /// The answer is right but late.
    Delay {
        /// Milliseconds on top of the plan's latency.
        ms: u64,
    },
    /// 429 without effect.
    TooManyRequests {
        /// Seconds in the `Retry-After` header; none leaves the header out.
        retry_after: Option<u32>,
    },
    /// A server error in the system's own format, without effect.
    ServerError {
        /// The HTTP status, 500 to 599.
        status: u16,
    },
    /// A SOAP fault with this message and the request's id, over HTTP 500, without effect: with a
    /// chance of 1 and no end, what Prima does again and again. Mirakl has none, and answers 500.
    SoapFault {
        /// `errorMessage`.
        message: String,
    },
    /// A page in HTML as a proxy sends it, without effect.
    HtmlErrorPage {
        /// The HTTP status.
        status: u16,
    },
    /// The connection closes before the request had any effect.
    BrokenConnection,
    /// The request had its effect; half the body arrives, then the connection closes.
    CutAnswer,
    /// The request had its effect; the connection closes without an answer.
    LostAnswer,
}

impl Fault {
    /// The name under which faults of this kind are counted: the `kind` of the JSON form.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Delay { .. } => "delay",
            Self::TooManyRequests { .. } => "too_many_requests",
            Self::ServerError { .. } => "server_error",
            Self::SoapFault { .. } => "soap_fault",
            Self::HtmlErrorPage { .. } => "html_error_page",
            Self::BrokenConnection => "broken_connection",
            Self::CutAnswer => "cut_answer",
            Self::LostAnswer => "lost_answer",
        }
    }
}

/// A plan at work: decides for each call what goes wrong, and counts it.
#[derive(Debug)]
pub struct Misbehaviour {
    inner: Mutex<Dice>,
}

#[derive(Debug)]
struct Dice {
    plan: Plan,
    generator: ChaCha8Rng,
    counts: BTreeMap<String, u64>,
}

impl Default for Misbehaviour {
    fn default() -> Self {
        Self::new(Plan::default())
    }
}

impl Misbehaviour {
    /// Starts a plan at its seed.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        let generator = ChaCha8Rng::seed_from_u64(plan.seed);
        Self { inner: Mutex::new(Dice { plan, generator, counts: BTreeMap::new() }) }
    }

    /// Replaces the plan and starts its dice at its seed; the counts go on.
    pub fn set(&self, plan: Plan) {
        let mut dice = self.dice();
        dice.generator = ChaCha8Rng::seed_from_u64(plan.seed);
        dice.plan = plan;
    }

    /// The plan as it stands, with what remains of each rule.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.dice().plan.clone()
    }

    /// The time the next answer takes, drawn evenly between the plan's least and most.
    #[must_use]
    pub fn latency(&self) -> Duration {
        let mut dice = self.dice();
        let [least, most] = dice.plan.latency_ms;
        let milliseconds =
            if most > least { dice.generator.random_range(least..=most) } else { least };
        Duration::from_millis(milliseconds)
    }

    /// What goes wrong with the next call of an operation; none if nothing does.
    #[must_use]
    pub fn decide(&self, operation: &str) -> Option<Fault> {
        self.decide_about(operation, &[])
    }

    /// As [`Self::decide`], for a call about these orders and products.
    #[must_use]
    pub fn decide_about(&self, operation: &str, about: &[String]) -> Option<Fault> {
        let mut guard = self.dice();
        let dice = &mut *guard;
        if dice.plan.outage {
            *dice.counts.entry("outage".to_owned()).or_default() += 1;
            return Some(Fault::BrokenConnection);
        }
        let fault = dice.plan.rules.iter_mut().find_map(|rule| {
            let applies = rule.operation.as_deref().is_none_or(|named| named == operation)
                && rule.about.as_ref().is_none_or(|named| about.contains(named));
            if !applies || rule.remaining == Some(0) {
                return None;
            }
            // A plan comes from outside: a chance that is no number counts as never.
            let chance = if rule.chance.is_nan() { 0.0 } else { rule.chance.clamp(0.0, 1.0) };
            if !dice.generator.random_bool(chance) {
                return None;
            }
            if let Some(remaining) = rule.remaining.as_mut() {
                *remaining -= 1;
            }
            Some(rule.fault.clone())
        })?;
        *dice.counts.entry(fault.kind().to_owned()).or_default() += 1;
        Some(fault)
    }

    /// How many calls met each kind of fault so far; `outage` counts those met during an outage.
    #[must_use]
    pub fn count_by_kind(&self) -> BTreeMap<String, u64> {
        self.dice().counts.clone()
    }

    fn dice(&self) -> MutexGuard<'_, Dice> {
        // The dice hold no invariant that a panic elsewhere could break half way.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A response that never arrives: its body fails before the first byte, so the server closes the
/// connection.
#[must_use]
pub fn broken() -> Response {
    Response::new(Body::from_stream(stream::once(async { Err::<Bytes, _>(connection_broken()) })))
}

/// A response of which the head and half the body arrive before the connection closes.
#[must_use]
pub fn cut(body: Bytes, status: StatusCode, content_type: &str) -> Response {
    let half = body.slice(..body.len() / 2);
    let parts = stream::unfold(0_u8, move |step| {
        let half = half.clone();
        async move {
            match step {
                0 => Some((Ok(half), 1)),
                1 => {
                    // Let the server send what it has; an error in the same turn would discard the
                    // half as well.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    Some((Err(connection_broken()), 2))
                }
                _ => None,
            }
        }
    });
    let mut response = Response::new(Body::from_stream(parts));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

fn connection_broken() -> std::io::Error {
    std::io::Error::new(
        std::io::ErrorKind::ConnectionReset,
        "the simulated system broke the connection",
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn rule(operation: Option<&str>, chance: f64, remaining: Option<u32>) -> Rule {
        Rule {
            operation: operation.map(str::to_owned),
            about: None,
            fault: Fault::LostAnswer,
            chance,
            remaining,
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let plan = Plan { seed: 7, rules: vec![rule(None, 0.3, None)], ..Plan::default() };
        let draw = || {
            let misbehaviour = Misbehaviour::new(plan.clone());
            (0..200).map(|_| misbehaviour.decide("OR11").is_some()).collect::<Vec<_>>()
        };
        let first = draw();
        assert_eq!(first, draw());
        let met = first.iter().filter(|met| **met).count();
        assert!((30..=90).contains(&met), "{met} of 200 at a chance of 0.3");
    }

    #[test]
    fn a_rule_befalls_its_operation_as_often_as_it_may() {
        let rules = vec![rule(Some("NewOrder"), 1.0, Some(2))];
        let misbehaviour = Misbehaviour::new(Plan { rules, ..Plan::default() });
        assert_eq!(misbehaviour.decide("OrderStatus"), None);
        assert_eq!(misbehaviour.decide("NewOrder"), Some(Fault::LostAnswer));
        assert_eq!(misbehaviour.decide("NewOrder"), Some(Fault::LostAnswer));
        assert_eq!(misbehaviour.decide("NewOrder"), None);
        assert_eq!(misbehaviour.count_by_kind(), BTreeMap::from([("lost_answer".to_owned(), 2)]));
    }

    /// A rule about an order befalls each call about it and no other.
    #[test]
    fn a_rule_about_one_order_hits_all_its_calls_and_no_others() {
        let rules =
            vec![Rule { about: Some("A-1".to_owned()), ..rule(Some("NewOrder"), 1.0, None) }];
        let misbehaviour = Misbehaviour::new(Plan { rules, ..Plan::default() });
        let about = |text: &str| [text.to_owned()];
        for _call in 0..100 {
            assert_eq!(
                misbehaviour.decide_about("NewOrder", &about("A-1")),
                Some(Fault::LostAnswer)
            );
            assert_eq!(misbehaviour.decide_about("NewOrder", &about("A-2")), None);
            assert_eq!(misbehaviour.decide_about("OrderStatus", &about("A-1")), None);
        }
    }

    #[test]
    fn a_plan_is_read_from_json_with_what_is_left_out_harmless() {
        let plan: Plan =
            serde_json::from_str(r#"{"rules":[{"operation":"OR21","fault":{"kind":"too_many_requests","retry_after":3},"chance":1}]}"#)
                .unwrap();
        assert_eq!(plan.rules[0].fault, Fault::TooManyRequests { retry_after: Some(3) });
        assert_eq!(Misbehaviour::new(plan.clone()).latency(), Duration::ZERO);
        let again: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
        assert_eq!(again, plan);
    }

    #[test]
    fn an_outage_meets_every_call() {
        let misbehaviour = Misbehaviour::new(Plan { outage: true, ..Plan::default() });
        assert_eq!(misbehaviour.decide("WSDL"), Some(Fault::BrokenConnection));
        misbehaviour.set(Plan::default());
        assert_eq!(misbehaviour.decide("WSDL"), None);
    }
}
