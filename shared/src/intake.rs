//! Prima's intake: the breaker that keeps firm orders as rows while Prima does not answer.
//!
//! It is closed by failures of the transport in a row, and opened by the first answer. While it is closed one message at a
//! time may try, as a probe. Nothing rests on it but calls saved and alarms spared: with the record lost, orders flow.

use jiff::Timestamp;

use crate::clock::after;
use crate::events::{Event, EventBus, EventKind, Severity};
use crate::installation::PrimaManners;
use crate::state::{PrimaIntake, Store};

/// Whether a message may call Prima now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Admitted,
    /// Intake is closed: back to the row.
    Closed,
}

impl PrimaIntake {
    /// Orders may be queued: intake is open, or it is time for a probe.
    #[must_use]
    pub fn admits(&self, now: Timestamp) -> bool {
        self.closed_since.is_none() || self.probe_due(now)
    }

    /// Closed, and the next probe may go.
    #[must_use]
    pub fn probe_due(&self, now: Timestamp) -> bool {
        self.closed_since.is_some() && self.next_probe.is_none_or(|next| now >= next)
    }
}

/// Admits a message, or claims the probe for it while intake is closed. A store that does not answer admits.
pub async fn admit(store: &impl Store, manners: &PrimaManners, now: Timestamp) -> Admission {
    let Ok(mut intake) = store.load_intake().await else { return Admission::Admitted };
    if intake.closed_since.is_none() {
        return Admission::Admitted;
    }
    if !intake.probe_due(now) {
        return Admission::Closed;
    }
    intake.next_probe = Some(after(now, manners.probe_interval()));
    if store.save_intake(&mut intake).await.is_ok() { Admission::Admitted } else { Admission::Closed }
}

/// Records that Prima answered, whatever it said.
pub async fn answered(store: &impl Store, events: &impl EventBus, now: Timestamp) {
    let Ok(mut intake) = store.load_intake().await else { return };
    if intake.failures == 0 && intake.closed_since.is_none() {
        return;
    }
    let closed_since = intake.closed_since.take();
    intake.failures = 0;
    intake.next_probe = None;
    if store.save_intake(&mut intake).await.is_ok()
        && let Some(since) = closed_since
    {
        tell(
            events,
            EventKind::PrimaIntakeOpened,
            false,
            Severity::Info,
            format!("Prima answers again, after {} minutes", (now.as_second() - since.as_second()) / 60),
            "Nothing: the orders that waited flow by themselves.",
        )
        .await;
    }
}

/// Records that Prima could not be reached or did not answer. The one that closes intake says so, once.
pub async fn failed(store: &impl Store, events: &impl EventBus, manners: &PrimaManners, problem: &str, now: Timestamp) {
    for _ in 0..3 {
        let Ok(mut intake) = store.load_intake().await else { return };
        intake.failures = intake.failures.saturating_add(1);
        let closes = intake.closed_since.is_none() && intake.failures >= manners.failures_until_closed;
        if closes {
            intake.closed_since = Some(now);
        }
        if intake.closed_since.is_some() {
            intake.next_probe = Some(after(now, manners.probe_interval()));
        }
        if store.save_intake(&mut intake).await.is_err() {
            continue;
        }
        if closes {
            tell(
                events,
                EventKind::PrimaIntakeClosed,
                true,
                Severity::Critical,
                format!("Prima does not answer: {} failures in a row, the latest: {problem}", intake.failures),
                "Check that Prima's web service and the way to it are up. Orders go on being acknowledged; they wait, and flow by themselves once Prima answers.",
            )
            .await;
        }
        return;
    }
}

async fn tell(events: &impl EventBus, kind: EventKind, needs_person: bool, severity: Severity, reason: String, remedy: &str) {
    let event = Event { kind, channel: None, order: None, needs_person, severity, reason, remedy: remedy.to_owned() };
    if let Err(problem) = events.publish(&[event]).await {
        tracing::error!(%problem, kind = kind.detail_type(), "an event could not be sent");
    }
}
