//! What needs a person for as long as it lasts: a condition of a channel or of the installation,
//! which each run finds anew. Exactly one exception for each, with its reason and remedy.

use jiff::Timestamp;

use crate::domain::events::EventBus;
use crate::domain::exception::{ExceptionRecord, KindOfException};
use crate::domain::notify::{Rule, deliver};
use crate::domain::queue::{ExceptionQueue, ShownExceptions};

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

/// Brings exceptions in line with what is so now: of the kinds in `looked_at` what is no longer so
/// is over.
pub fn follow<K: KindOfException>(
    exceptions: &mut Vec<ExceptionRecord<K>>,
    conditions: Vec<Condition<K>>,
    looked_at: &[K],
    now: Timestamp,
) {
    let is = |exception: &ExceptionRecord<K>, condition: &Condition<K>| {
        exception.kind == condition.kind && exception.subject == condition.subject
    };
    exceptions.retain(|exception| {
        !looked_at.contains(&exception.kind)
            || conditions.iter().any(|condition| is(exception, condition))
    });
    for condition in conditions {
        match exceptions.iter_mut().find(|exception| is(exception, &condition)) {
            Some(known) => (known.reason, known.remedy) = (condition.reason, condition.remedy),
            None => {
                let Condition { kind, subject, reason, remedy } = condition;
                let new = ExceptionRecord::new(kind, reason, remedy, now);
                exceptions.push(ExceptionRecord { subject, ..new });
            }
        }
    }
}

/// Tells a person of what was not told yet, and again of what lasts. `channel` is empty for the
/// installation.
pub async fn announce<K: KindOfException>(
    queue: &impl ExceptionQueue,
    events: &impl EventBus,
    channel: &str,
    exceptions: &mut [ExceptionRecord<K>],
    now: Timestamp,
) -> usize {
    let mut announced = 0;
    for exception in exceptions {
        let Some(due) = exception.told.due(Rule::LASTING, now) else { continue };
        let told_of = exception.view(channel, "");
        let event = told_of.event(exception.kind.event(), due.is_again, now);
        let sent = deliver(queue, events, due, told_of.message(), event).await;
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
    use crate::domain::notify::Told;
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
