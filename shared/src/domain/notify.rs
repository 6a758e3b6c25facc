//! Telling a person: the one place that decides whether something is to be told now, was told, is
//! to be told again, or could not be told and is to be tried once more.
//!
//! A person is told in up to two places: by a message in a dead-letter queue, which shows what
//! needs them for as long as it does, and by an event on the bus, which reaches them at once.
//! [`Told`] is what they know of one thing. It is kept where the thing itself is kept: in an
//! order's row, in what a poll remembers, in the record of a breaker. [`Told::due`] says what is
//! missing, [`deliver`] sends it, and [`Told::note`] notes what was sent. What was not sent stays
//! due, so that the next run tries again.
//!
//! There are two orders of steps. Who alone holds the record sends first and notes then: after a
//! crash between the two it is told twice, and never not at all. Where several may hold it,
//! [`Told::note`] comes first and is saved by compare-and-swap, so that only one of them tells; if
//! nothing could be sent, [`Told`] is put back as it was.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::events::{Event, EventBus, EventKind, Severity};
use crate::domain::queue::{ExceptionMessage, ExceptionQueue};
use crate::kit::clock::after;

/// A message leaves the dead-letter queue after 14 days, whatever it says: what lasts that long is
/// shown again before.
const SHOWN_FOR: Duration = Duration::from_secs(13 * 24 * 60 * 60);

/// How people are told of a kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// It stands in a dead-letter queue too, for as long as it lasts.
    pub is_shown: bool,
    /// Its event is sent again, where it lasts so long.
    pub again_after: Option<Duration>,
}

impl Rule {
    /// An event, once.
    pub const EVENT: Self = Self { is_shown: false, again_after: None };
    /// A message and an event, once; the message again before it expires.
    pub const EXCEPTION: Self = Self { is_shown: true, again_after: None };
    /// As [`Self::EXCEPTION`], with the event again whenever the message is: what lasts so long is
    /// new to whoever is on duty now.
    pub const LASTING: Self = Self::EXCEPTION.again_after(SHOWN_FOR);

    /// As this one, with the event again after so long.
    #[must_use]
    pub const fn again_after(self, wait: Duration) -> Self {
        Self { again_after: Some(wait), ..self }
    }
}

/// What people know of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When its message was last put into the dead-letter queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shown_at: Option<Timestamp>,
    /// When its event was last sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told_at: Option<Timestamp>,
}

/// What is to be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The message.
    pub message: bool,
    /// The event.
    pub event: bool,
    /// People were told before.
    pub is_again: bool,
}

impl Told {
    /// Told in full at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { shown_at: Some(now), told_at: Some(now) }
    }

    /// People have been told: the event was sent, and the message before it.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.told_at.is_some()
    }

    /// When people were last told.
    #[must_use]
    pub fn told_at(&self) -> Option<Timestamp> {
        self.told_at
    }

    /// What is to be sent now; none where people know all that they are to know.
    #[must_use]
    pub fn due(&self, rule: Rule, now: Timestamp) -> Option<Due> {
        let is_over = |at: Timestamp, lasts: Duration| after(at, lasts) <= now;
        let message = rule.is_shown && self.shown_at.is_none_or(|at| is_over(at, SHOWN_FOR));
        let event = match self.told_at {
            None => true,
            Some(at) => rule.again_after.is_some_and(|wait| is_over(at, wait)),
        };
        (message || event).then_some(Due { message, event, is_again: self.is_told() })
    }

    /// Notes what was sent, or what is about to be.
    pub fn note(&mut self, sent: Sent, now: Timestamp) {
        if sent.message {
            self.shown_at = Some(now);
        }
        if sent.event {
            self.told_at = Some(now);
        }
    }
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The message.
    pub message: bool,
    /// The event.
    pub event: bool,
}

impl From<Due> for Sent {
    fn from(due: Due) -> Self {
        Self { message: due.message, event: due.event }
    }
}

/// Something that needs a person, as its owner remembers it.
#[derive(Clone, Copy, Debug)]
pub struct Exception<'e> {
    /// The channel's id; empty for the installation.
    pub channel: &'e str,
    /// Mirakl's order id; empty where it is about no order.
    pub order: &'e str,
    /// The name of its kind.
    pub kind: &'static str,
    /// How urgent it is.
    pub severity: Severity,
    /// Why.
    pub reason: &'e str,
    /// What the person who reads it is to do.
    pub remedy: &'e str,
    /// Since when.
    pub first_seen: Timestamp,
}

impl Exception<'_> {
    /// Its message in the dead-letter queue.
    #[must_use]
    pub fn message(&self) -> ExceptionMessage {
        ExceptionMessage {
            channel: self.channel.to_owned(),
            order: self.order.to_owned(),
            kind: self.kind.to_owned(),
            reason: self.reason.to_owned(),
            remedy: self.remedy.to_owned(),
            first_seen: self.first_seen.to_string(),
        }
    }

    /// Its event; with its age where people were told before.
    #[must_use]
    pub fn event(&self, kind: EventKind, is_again: bool, now: Timestamp) -> Event {
        let hours = now.duration_since(self.first_seen).as_hours();
        let age = if is_again { format!("unresolved for {hours} hours: ") } else { String::new() };
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Event {
            kind,
            channel: some(self.channel),
            order: some(self.order),
            needs_person: true,
            severity: self.severity,
            reason: format!("{age}{}: {}", self.kind, self.reason),
            remedy: self.remedy.to_owned(),
        }
    }
}

/// Sends what is due: the message first, and the event only once the message is there. Failures are
/// logged.
pub async fn deliver(
    queue: &impl ExceptionQueue,
    events: &impl EventBus,
    due: Due,
    message: ExceptionMessage,
    event: Event,
) -> Sent {
    let mut sent = Sent::default();
    if due.message {
        if let Err(problem) = queue.send_exceptions(&[message]).await {
            tracing::warn!(
                channel = event.channel, order = event.order, kind = event.kind.detail_type(), %problem,
                "the message of an exception could not be sent; it is tried again"
            );
            return sent;
        }
        sent.message = true;
    }
    sent.event = due.event && tell(events, &[event]).await;
    sent
}

/// Sends events, all of them or none. False, and logged, where the bus does not take them.
pub async fn tell(events: &impl EventBus, what: &[Event]) -> bool {
    let told = events.publish(what).await;
    if let (Err(problem), Some(event)) = (&told, what.first()) {
        tracing::error!(
            channel = event.channel, order = event.order, kind = event.kind.detail_type(), events = what.len(), reason = %event.reason, %problem,
            "people could not be told; it is tried again"
        );
    }
    told.is_ok()
}

/// Tells by an event alone, where that is due, and notes it. False where it is still to be told.
pub async fn tell_due(
    events: &impl EventBus,
    told: &mut Told,
    rule: Rule,
    now: Timestamp,
    event: impl FnOnce() -> Event,
) -> bool {
    let Some(due) = told.due(rule, now) else { return true };
    if !tell(events, &[event()]).await {
        return false;
    }
    told.note(due.into(), now);
    true
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use std::cell::RefCell;

    use super::*;
    use crate::domain::events::EventError;
    use crate::domain::queue::QueueError;

    const HOUR: Duration = Duration::from_secs(3600);
    const REMINDED: Rule = Rule::EXCEPTION.again_after(Duration::from_secs(24 * 3600));

    fn at(hours: u32) -> Timestamp {
        after(Timestamp::from_second(1_790_000_000).unwrap(), HOUR * hours)
    }

    fn due(message: bool, event: bool, is_again: bool) -> Option<Due> {
        Some(Due { message, event, is_again })
    }

    /// Takes what it is told to take, and remembers it.
    #[derive(Default)]
    struct World {
        queue_is_down: bool,
        bus_is_down: bool,
        sent: RefCell<Vec<String>>,
    }

    impl ExceptionQueue for World {
        async fn send_exceptions(&self, exceptions: &[ExceptionMessage]) -> Result<(), QueueError> {
            if self.queue_is_down {
                return Err(QueueError { failed: vec![0], message: "down".to_owned() });
            }
            self.sent
                .borrow_mut()
                .extend(exceptions.iter().map(|one| format!("message {}", one.kind)));
            Ok(())
        }
    }

    impl EventBus for World {
        async fn publish(&self, events: &[Event]) -> Result<(), EventError> {
            if self.bus_is_down {
                return Err(EventError("down".to_owned()));
            }
            self.sent.borrow_mut().extend(events.iter().map(|one| format!("event {}", one.reason)));
            Ok(())
        }
    }

    async fn run(world: &World, told: &mut Told, now: Timestamp) -> Vec<String> {
        let reason = Exception {
            channel: "uk",
            order: "A-1",
            kind: "unknown-sku",
            severity: Severity::Warning,
            reason: "why",
            remedy: "what",
            first_seen: at(0),
        };
        if let Some(due) = told.due(REMINDED, now) {
            let event = reason.event(EventKind::OrderException, due.is_again, now);
            let sent = deliver(world, world, due, reason.message(), event).await;
            told.note(sent, now);
        }
        std::mem::take(&mut *world.sent.borrow_mut())
    }

    #[test]
    fn an_event_is_due_once_or_as_often_as_the_rule_says() {
        let mut told = Told::default();
        assert_eq!(told.due(Rule::EVENT, at(0)), due(false, true, false));
        told.note(Sent { message: false, event: true }, at(0));
        assert_eq!(told.due(Rule::EVENT, at(9999)), None);
        let daily = Rule::EVENT.again_after(HOUR * 24);
        assert_eq!(
            (told.due(daily, at(23)), told.due(daily, at(24))),
            (None, due(false, true, true))
        );
    }

    #[test]
    fn a_message_is_due_again_before_it_expires() {
        let told = Told::at(at(0));
        assert_eq!(
            (told.due(Rule::EXCEPTION, at(13 * 24 - 1)), told.due(Rule::EXCEPTION, at(13 * 24))),
            (None, due(true, false, true))
        );
        assert_eq!(told.due(REMINDED, at(13 * 24)), due(true, true, true));
    }

    #[tokio::test]
    async fn people_are_told_once_and_reminded() {
        let (world, mut told) = (World::default(), Told::default());
        assert_eq!(
            run(&world, &mut told, at(0)).await,
            ["message unknown-sku", "event unknown-sku: why"]
        );
        assert!(told.is_told());
        assert_eq!(run(&world, &mut told, at(23)).await, Vec::<String>::new());
        assert_eq!(
            run(&world, &mut told, at(24)).await,
            ["event unresolved for 24 hours: unknown-sku: why"]
        );
        assert_eq!(run(&world, &mut told, at(47)).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn what_could_not_be_sent_is_tried_again_and_nothing_else() {
        let mut told = Told::default();
        let nothing = World { queue_is_down: true, ..World::default() };
        assert_eq!(
            run(&nothing, &mut told, at(0)).await,
            Vec::<String>::new(),
            "no event before the message is there"
        );
        assert_eq!(told, Told::default());
        let no_bus = World { bus_is_down: true, ..World::default() };
        assert_eq!(run(&no_bus, &mut told, at(1)).await, ["message unknown-sku"]);
        assert!(!told.is_told());
        assert_eq!(
            run(&no_bus, &mut told, at(2)).await,
            Vec::<String>::new(),
            "the message is there already"
        );
        assert_eq!(run(&World::default(), &mut told, at(3)).await, ["event unknown-sku: why"]);
        assert_eq!(run(&World::default(), &mut told, at(4)).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn an_event_alone_is_noted_only_once_the_bus_has_it() {
        let mut told = Told::default();
        let event = || Event {
            kind: EventKind::ChannelNotListed,
            channel: None,
            order: None,
            needs_person: true,
            severity: Severity::Critical,
            reason: "why".to_owned(),
            remedy: "what".to_owned(),
        };
        let down = World { bus_is_down: true, ..World::default() };
        assert!(!tell_due(&down, &mut told, Rule::EVENT, at(0), event).await);
        assert!(!told.is_told());
        let world = World::default();
        assert!(tell_due(&world, &mut told, Rule::EVENT, at(1), event).await);
        assert!(tell_due(&world, &mut told, Rule::EVENT, at(2), event).await);
        assert_eq!(world.sent.borrow().len(), 1);
    }
}
