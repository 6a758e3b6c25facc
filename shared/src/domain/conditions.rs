//! What needs a person for as long as it lasts: a condition of a channel or of the installation,
//! which each run finds anew. Exactly one exception for each, with its reason and remedy.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::events::{EventBus, EventKind, Severity};
use crate::domain::notify::{Exception, Rule, Told, deliver};
use crate::domain::queue::{ExceptionQueue, ShownExceptions};

/// The kinds of a flow's conditions, each with an owner in the operating handbook.
pub trait ConditionKind: Copy + PartialEq + Into<&'static str> {
    /// The event that tells of them.
    const EVENT: EventKind;

    /// How urgent it is.
    fn severity(self) -> Severity;
}

/// Something that is so now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition<K> {
    /// What kind.
    pub kind: K,
    /// Which of its kind: what stays the same for as long as it is the same condition, such as a
    /// marketplace's reason.
    pub subject: String,
    /// Why, with numbers and examples.
    pub reason: String,
    /// What the person who reads it is to do.
    pub remedy: String,
}

/// A condition that a person was told of, or is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastingException<K> {
    /// What kind.
    pub kind: K,
    /// Which of its kind.
    #[serde(default)]
    pub subject: String,
    /// Why, as it stands now.
    pub reason: String,
    /// What the person who reads it is to do.
    pub remedy: String,
    /// Since when.
    pub first_seen: Timestamp,
    /// What people know of it.
    #[serde(default)]
    pub told: Told,
}

/// Brings exceptions in line with what is so now: of the kinds in `looked_at` what is no longer so
/// is over.
pub fn follow<K: ConditionKind>(
    exceptions: &mut Vec<LastingException<K>>,
    conditions: Vec<Condition<K>>,
    looked_at: &[K],
    now: Timestamp,
) {
    let is = |exception: &LastingException<K>, condition: &Condition<K>| {
        exception.kind == condition.kind && exception.subject == condition.subject
    };
    exceptions.retain(|exception| {
        !looked_at.contains(&exception.kind)
            || conditions.iter().any(|condition| is(exception, condition))
    });
    for condition in conditions {
        match exceptions.iter_mut().find(|exception| is(exception, &condition)) {
            Some(known) => (known.reason, known.remedy) = (condition.reason, condition.remedy),
            None => exceptions.push(LastingException {
                kind: condition.kind,
                subject: condition.subject,
                reason: condition.reason,
                remedy: condition.remedy,
                first_seen: now,
                told: Told::default(),
            }),
        }
    }
}

/// Whoever sees the message again, before it expires, is told again too.
const RULE: Rule = Rule::EXCEPTION.again_after(Duration::from_secs(13 * 24 * 3600));

/// Tells a person of what was not told yet, and again of what lasts. `channel` is empty for the
/// installation.
pub async fn announce<K: ConditionKind>(
    queue: &impl ExceptionQueue,
    events: &impl EventBus,
    channel: &str,
    exceptions: &mut [LastingException<K>],
    now: Timestamp,
) -> usize {
    let mut announced = 0;
    for exception in exceptions {
        let Some(due) = exception.told.due(RULE, now) else { continue };
        let told_of = Exception {
            channel,
            order: "",
            kind: exception.kind.into(),
            severity: exception.kind.severity(),
            reason: &exception.reason,
            remedy: &exception.remedy,
            first_seen: exception.first_seen,
        };
        let sent = deliver(
            queue,
            events,
            due,
            told_of.message(),
            told_of.event(K::EVENT, due.is_again, now),
        )
        .await;
        exception.told.note(sent, now);
        announced += usize::from(sent == due.into());
    }
    announced
}

/// Takes messages of exceptions that are over off the dead-letter queue. `lasts`: whether the
/// exception of a channel (empty for the installation) with this kind and first sight still lasts;
/// `None` where that is not known.
pub async fn tidy(queue: &impl ShownExceptions, lasts: impl Fn(&str, &str, &str) -> Option<bool>) {
    let Ok(shown) = queue.shown().await else { return };
    for one in &shown {
        let exception = &one.exception;
        if lasts(&exception.channel, &exception.kind, &exception.first_seen) == Some(false) {
            if queue.withdraw(one).await.is_err() {
                tracing::warn!(channel = %exception.channel, kind = %exception.kind, "a message of an exception that is over could not be taken away");
            }
        } else {
            queue.put_back(one).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use crate::domain::stock::exceptions::StockExceptionKind;

    fn condition(
        kind: StockExceptionKind,
        subject: &str,
        reason: &str,
    ) -> Condition<StockExceptionKind> {
        Condition { kind, subject: subject.into(), reason: reason.into(), remedy: "mend it".into() }
    }

    #[test]
    fn a_condition_is_one_exception_for_as_long_as_it_lasts() {
        use StockExceptionKind::{ImportFailed, LinesRefused};
        let at = |minute: i64| Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap();
        let mut exceptions = Vec::new();
        let both = [LinesRefused, ImportFailed];
        follow(
            &mut exceptions,
            vec![
                condition(LinesRefused, "unknown", "2 lines"),
                condition(LinesRefused, "locked", "1 line"),
            ],
            &both,
            at(0),
        );
        exceptions[0].told = Told::at(at(0));
        follow(&mut exceptions, vec![condition(LinesRefused, "unknown", "3 lines")], &both, at(1));
        assert_eq!(exceptions.len(), 1);
        assert_eq!(
            (exceptions[0].reason.as_str(), exceptions[0].first_seen, exceptions[0].told),
            ("3 lines", at(0), Told::at(at(0)))
        );
        follow(&mut exceptions, Vec::new(), &[ImportFailed], at(2));
        assert_eq!(exceptions.len(), 1, "nobody has looked");
        follow(&mut exceptions, Vec::new(), &both, at(3));
        assert_eq!(exceptions, []);
    }
}
