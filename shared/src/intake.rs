//! Prima's intake: the breaker that keeps firm orders as rows while Prima does not answer.
//!
//! It is closed by failures of the transport in a row, and opened by the first answer. While it is closed one message at a
//! time may try, as a probe. Nothing rests on it but calls saved and alarms spared: with the record lost, orders flow.

use jiff::Timestamp;

use crate::clock::after;
use crate::events::{Event, EventBus, EventKind, Severity};
use crate::installation::PrimaManners;
use crate::prima::{Outcome, PrimaError};
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

/// Records whether Prima answered at all: the breaker listens to the transport, not to what was said.
pub async fn note<T>(store: &impl Store, events: &impl EventBus, manners: &PrimaManners, answer: &Result<T, PrimaError>, now: Timestamp) {
    match answer {
        Err(problem) if problem.outcome != Outcome::Refused && !problem.answered => failed(store, events, manners, &problem.to_string(), now).await,
        _ => answered(store, events, now).await,
    }
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
    intake.untold = false;
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
        let to_be_told = closes || intake.untold;
        intake.untold = false;
        if store.save_intake(&mut intake).await.is_err() {
            continue;
        }
        if to_be_told
            && !tell(
                events,
                EventKind::PrimaIntakeClosed,
                true,
                Severity::Critical,
                format!("Prima does not answer: {} failures in a row, the latest: {problem}", intake.failures),
                "Check that Prima's web service and the way to it are up. Orders go on being acknowledged; they wait, and flow by themselves once Prima answers.",
            )
            .await
        {
            // Often it is one network that Prima and the bus are cut off by: the next failure says it.
            intake.untold = true;
            let _moved = store.save_intake(&mut intake).await;
        }
        return;
    }
}

async fn tell(events: &impl EventBus, kind: EventKind, needs_person: bool, severity: Severity, reason: String, remedy: &str) -> bool {
    let event = Event { kind, channel: None, order: None, needs_person, severity, reason, remedy: remedy.to_owned() };
    let told = events.publish(&[event]).await;
    if let Err(problem) = &told {
        tracing::error!(%problem, kind = kind.detail_type(), "an event could not be sent");
    }
    told.is_ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use std::cell::RefCell;
    use std::time::Duration;

    use super::*;
    use crate::events::EventError;
    use crate::state::memory::MemoryStore;

    #[derive(Default)]
    struct Bus(RefCell<Vec<EventKind>>);

    impl EventBus for Bus {
        async fn publish(&self, events: &[Event]) -> Result<(), EventError> {
            self.0.borrow_mut().extend(events.iter().map(|event| event.kind));
            Ok(())
        }
    }

    fn at(seconds: u64) -> Timestamp {
        after("2026-11-10T12:00:00Z".parse().unwrap(), Duration::from_secs(seconds))
    }

    #[tokio::test]
    async fn it_closes_after_failures_in_a_row_says_so_once_probes_and_opens_with_the_first_answer() {
        let (store, bus) = (MemoryStore::default(), Bus::default());
        let manners = PrimaManners { failures_until_closed: 3, probe_interval_seconds: 60, ..PrimaManners::default() };
        failed(&store, &bus, &manners, "no answer", at(0)).await;
        failed(&store, &bus, &manners, "no answer", at(1)).await;
        answered(&store, &bus, at(2)).await;
        for second in 3..5 {
            failed(&store, &bus, &manners, "no answer", at(second)).await;
            assert_eq!(admit(&store, &manners, at(second)).await, Admission::Admitted, "an answer between begins the count anew");
        }
        failed(&store, &bus, &manners, "no answer", at(5)).await;
        failed(&store, &bus, &manners, "no answer", at(6)).await;
        let intake = store.load_intake().await.unwrap();
        assert_eq!((intake.closed_since, intake.admits(at(7)), intake.probe_due(at(7))), (Some(at(5)), false, false));
        assert_eq!(admit(&store, &manners, at(7)).await, Admission::Closed);
        let due = intake.next_probe.unwrap();
        assert!(intake.admits(due) && intake.probe_due(due));
        assert_eq!(admit(&store, &manners, due).await, Admission::Admitted, "one probe");
        assert_eq!(admit(&store, &manners, due).await, Admission::Closed, "and no second at once");
        answered(&store, &bus, at(90)).await;
        answered(&store, &bus, at(91)).await;
        assert_eq!(admit(&store, &manners, at(91)).await, Admission::Admitted);
        let open = store.load_intake().await.unwrap();
        assert_eq!(
            (open.closed_since, open.failures, open.next_probe, open.admits(at(91)), open.probe_due(at(91))),
            (None, 0, None, true, false)
        );
        assert_eq!(*bus.0.borrow(), [EventKind::PrimaIntakeClosed, EventKind::PrimaIntakeOpened]);
    }

    #[tokio::test]
    async fn a_refusal_is_an_answer_and_silence_is_none() {
        let (store, bus) = (MemoryStore::default(), Bus::default());
        let manners = PrimaManners { failures_until_closed: 2, ..PrimaManners::default() };
        let failures = async || store.load_intake().await.unwrap().failures;
        note::<()>(&store, &bus, &manners, &Err(PrimaError::unknown("OrderStatus", "no answer in time")), at(0)).await;
        assert_eq!(failures().await, 1);
        note::<()>(&store, &bus, &manners, &Err(PrimaError::refused("OrderStatus", "Unknown order")), at(1)).await;
        assert_eq!(failures().await, 0, "whatever Prima says, it is there");
        note::<()>(&store, &bus, &manners, &Err(PrimaError::not_sent("OrderStatus", "no connection")), at(2)).await;
        assert_eq!(failures().await, 1);
        note(&store, &bus, &manners, &Ok(()), at(3)).await;
        assert_eq!(failures().await, 0);
        note::<()>(&store, &bus, &manners, &Err(PrimaError::unclear("OrderStatus", "has no OrderStatus")), at(4)).await;
        assert_eq!(failures().await, 0, "an answer that cannot be understood is one");
    }
}
