//! A circuit breaker for each of Prima's operations: while it is open the operation is not called,
//! and firm orders wait as rows.
//!
//! Failures without an answer between them open an operation's breaker, and the first answer closes
//! it. Each operation has its own, so that a question that is answered does not hide a `NewOrder`
//! that never is.
//! What may be one order's own matter (a fault, an answer that never came) counts once for each
//! order: an order that Prima always fails for opens no breaker, and becomes an exception where it
//! is worked off. While a breaker is open one order at a time may try, as a probe. A breaker only
//! saves calls and alarms: where its record is lost, orders flow.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::events::{Event, EventBus, EventKind, Severity};
use crate::domain::notify::{self, Rule};
use crate::domain::order::row::OrderKey;
use crate::domain::state::{BreakerStore, OperationBreaker, PrimaBreakers, StoreError};
use crate::kit::clock::after;
use crate::prima::connection::PrimaBehaviour;
use crate::prima::{Outcome, PrimaError};

/// The question for an order.
pub const ORDER_STATUS: &str = "OrderStatus";
/// The creation of an order.
pub const NEW_ORDER: &str = "NewOrder";
/// The question for a range of products. Where it fails, its own exception tells.
pub const STOCK_BY_RANGE: &str = "ProductAvailableToSell";
/// The question for products by name. As above.
pub const STOCK_BY_NAME: &str = "MultiAvailableToSell";

/// The question for a journal.
pub const JOURNAL_STATUS: &str = "JournalStatus";
/// The posting of a journal.
pub const NEW_JOURNAL: &str = "NewJournal";

/// What an order needs to be created.
const OF_CREATION: [&str; 2] = [ORDER_STATUS, NEW_ORDER];
/// An order that failed already leaves a probe to others for so long, which is longer than the
/// poller takes to queue one: or one that Prima always fails for would take them all.
const YIELDS: Duration = Duration::from_secs(90);
/// Orders remembered of an operation that fails.
const REMEMBERED: usize = 100;
/// Probes of an operation with a lasting effect come ever later, until so many intervals lie
/// between two of them.
const RAREST: u32 = 16;

/// Whether a message may call Prima now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Admitted,
    /// The operation's breaker is open: back to the row.
    Refused,
}

impl OperationBreaker {
    fn admits(&self, order: Option<&OrderKey>, now: Timestamp) -> bool {
        let yields = order.is_some_and(|order| self.about.contains(&order.to_string()));
        let is_due = |next| now >= if yields { after(next, YIELDS) } else { next };
        self.open_since.is_none() || self.next_probe.is_none_or(is_due)
    }
}

impl PrimaBreakers {
    /// The breaker of an operation that the creation of orders needs is open.
    #[must_use]
    pub fn stops_creation(&self) -> bool {
        self.of_creation().any(|operation| operation.open_since.is_some())
    }

    /// Orders may be queued: no breaker stops their creation, or it is time for a probe.
    #[must_use]
    pub fn admits(&self, now: Timestamp) -> bool {
        self.of_creation().all(|operation| operation.admits(None, now))
    }

    /// This order may be queued. One that failed already leaves a probe to others for a while.
    #[must_use]
    pub fn admits_order(&self, order: &OrderKey, now: Timestamp) -> bool {
        self.of_creation().all(|operation| operation.admits(Some(order), now))
    }

    /// A breaker stops the creation of orders, and the next probe may go.
    #[must_use]
    pub fn probe_due(&self, now: Timestamp) -> bool {
        self.stops_creation() && self.admits(now)
    }

    /// The operation's breaker is open.
    #[must_use]
    pub fn is_open(&self, operation: &str) -> bool {
        self.operations.get(operation).is_some_and(|operation| operation.open_since.is_some())
    }

    fn of_creation(&self) -> impl Iterator<Item = &OperationBreaker> {
        OF_CREATION.into_iter().filter_map(|operation| self.operations.get(operation))
    }
}

/// A call of Prima's.
#[derive(Clone, Copy, Debug)]
pub struct Call<'c> {
    /// Its document: `NewOrder`.
    pub operation: &'static str,
    /// The order it is about.
    pub order: Option<&'c OrderKey>,
}

impl<'c> Call<'c> {
    /// A call about an order.
    #[must_use]
    pub fn about(operation: &'static str, order: &'c OrderKey) -> Self {
        Self { operation, order: Some(order) }
    }

    /// A call about no order.
    #[must_use]
    pub fn of(operation: &'static str) -> Self {
        Self { operation, order: None }
    }
}

/// Admits a call, or claims the probe for it while its operation's breaker is open. A store that
/// does not answer admits.
pub async fn admit(
    store: &impl BreakerStore,
    behaviour: &PrimaBehaviour,
    call: Call<'_>,
    now: Timestamp,
) -> Admission {
    let Ok(mut breakers) = store.load_breakers().await else { return Admission::Admitted };
    let Some(operation) = breakers
        .operations
        .get_mut(call.operation)
        .filter(|operation| operation.open_since.is_some())
    else {
        return Admission::Admitted;
    };
    if !operation.admits(call.order, now) {
        return Admission::Refused;
    }
    operation.probes = operation.probes.saturating_add(1);
    operation.next_probe =
        Some(after(now, until_next_probe(call.operation, operation.probes, behaviour)));
    if store.save_breakers(&mut breakers).await.is_ok() {
        Admission::Admitted
    } else {
        Admission::Refused
    }
}

/// Records whether Prima answered at all: the breaker listens to the transport, not to what was
/// said. True where the breaker is open now: that the call failed is not the order's own matter
/// then.
pub async fn note<T>(
    store: &impl BreakerStore,
    events: &impl EventBus,
    behaviour: &PrimaBehaviour,
    call: Call<'_>,
    answer: &Result<T, PrimaError>,
    now: Timestamp,
) -> bool {
    match answer {
        Err(problem) if problem.outcome != Outcome::Refused && !problem.answered => {
            failed(store, events, behaviour, call, problem, now).await
        }
        _ => {
            answered(store, events, call.operation, now).await;
            false
        }
    }
}

/// Records that Prima answered a call of this operation, whatever it said.
pub async fn answered(
    store: &impl BreakerStore,
    events: &impl EventBus,
    operation: &str,
    now: Timestamp,
) {
    for _ in 0..3 {
        let Ok(mut breakers) = store.load_breakers().await else { return };
        let Some(before) = breakers.operations.remove(operation) else { return };
        match store.save_breakers(&mut breakers).await {
            Ok(()) => {
                if let (Some(since), Some(_)) = (before.open_since, remedy(operation)) {
                    tell(
                        events,
                        EventKind::PrimaAvailableAgain,
                        false,
                        Severity::Info,
                        format!(
                            "Prima answers {operation} again, after {} minutes",
                            (now.as_second() - since.as_second()) / 60
                        ),
                        "Nothing: what waited flows by itself.",
                    )
                    .await;
                }
                return;
            }
            Err(StoreError::Conflict(_)) => {}
            Err(_) => return,
        }
    }
}

/// Records that Prima could not be reached or did not answer. The one that opens the breaker
/// says so, once. True where it is open.
pub async fn failed(
    store: &impl BreakerStore,
    events: &impl EventBus,
    behaviour: &PrimaBehaviour,
    call: Call<'_>,
    problem: &PrimaError,
    now: Timestamp,
) -> bool {
    for _ in 0..3 {
        let Ok(mut breakers) = store.load_breakers().await else { return false };
        let operation = breakers.operations.entry(call.operation.to_owned()).or_default();
        if counts(operation, call, problem) {
            operation.failures = operation.failures.saturating_add(1);
        } else if operation.open_since.is_none() {
            return false;
        }
        let failures = operation.failures;
        let opens = operation.open_since.is_none() && failures >= behaviour.failures_until_open;
        if opens {
            operation.open_since = Some(now);
        }
        let is_open = operation.open_since.is_some();
        if is_open {
            operation.next_probe =
                Some(after(now, until_next_probe(call.operation, operation.probes, behaviour)));
        }
        let told = operation.told;
        let due = told.due(Rule::EVENT, now).filter(|_| is_open);
        if let Some(due) = due {
            // Recorded first: several calls may fail at once.
            operation.told.note(due.into(), now);
        }
        if store.save_breakers(&mut breakers).await.is_err() {
            continue;
        }
        if due.is_some()
            && let Some(remedy) = remedy(call.operation)
        {
            let reason = format!(
                "Prima does not answer {}: {failures} failures without an answer, the latest: {problem}",
                call.operation
            );
            if !tell(events, EventKind::PrimaUnavailable, true, Severity::Critical, reason, remedy)
                .await
            {
                // Often it is one network that Prima and the bus are cut off by: the next failure
                // says it.
                if let Some(operation) = breakers.operations.get_mut(call.operation) {
                    operation.told = told;
                }
                let _moved = store.save_breakers(&mut breakers).await;
            }
        }
        return is_open;
    }
    false
}

/// Where nothing was sent, it cannot have been the order. Else each order counts once until there
/// is an answer.
fn counts(operation: &mut OperationBreaker, call: Call<'_>, problem: &PrimaError) -> bool {
    let Some(order) = call.order.filter(|_| problem.outcome != Outcome::NotSent) else {
        return true;
    };
    let order = order.to_string();
    if operation.about.contains(&order) {
        return false;
    }
    if operation.about.len() < REMEMBERED {
        operation.about.insert(order);
    }
    true
}

fn until_next_probe(operation: &str, probes: u32, behaviour: &PrimaBehaviour) -> Duration {
    // A question costs nothing. Each creation that is tried in vain leaves an order, or a journal,
    // in doubt.
    let intervals = if matches!(operation, NEW_ORDER | NEW_JOURNAL) {
        2_u32.saturating_pow(probes).min(RAREST)
    } else {
        1
    };
    behaviour.probe_interval() * intervals
}

/// What a person does about an operation whose breaker is open; none where something else tells of
/// it.
fn remedy(operation: &str) -> Option<&'static str> {
    match operation {
        ORDER_STATUS => Some(
            "Check that Prima's web service and the way to it are up. Orders go on being acknowledged; they wait, and flow by themselves once Prima answers.",
        ),
        NEW_ORDER => Some(
            "Give this text to Prima's operator: with the request's id the call is found in the log of the web service. Orders go on being acknowledged; they wait, one is tried now and then, and they flow by themselves once Prima takes them.",
        ),
        JOURNAL_STATUS => Some(
            "Check that Prima's web service and the way to it are up. Journals wait, and flow by themselves once Prima answers.",
        ),
        NEW_JOURNAL => Some(
            "Give this text to Prima's operator: with the request's id the call is found in the log of the web service. Journals wait, one is tried now and then, and they flow by themselves once Prima takes them.",
        ),
        _ => None,
    }
}

async fn tell(
    events: &impl EventBus,
    kind: EventKind,
    needs_person: bool,
    severity: Severity,
    reason: String,
    remedy: &str,
) -> bool {
    let event = Event {
        kind,
        channel: None,
        order: None,
        needs_person,
        severity,
        reason,
        remedy: remedy.to_owned(),
    };
    notify::tell(events, &[event]).await
}

#[cfg(test)]
mod tests;
