//! Rights that Mirakl refuses a channel's key: remembered per channel and operation, told once, and tried again less and less often.
//! A hundred orders that need the same right make one alert, and one call at a time.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::events::{Event, EventKind, Severity};
use crate::kit::clock::{after, before};
use crate::mirakl::MiraklError;
use crate::mirakl::rights::refusal;

/// The wait after a first refusal; doubled with each.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// The longest wait: the right goes on working so long after somebody gave it.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);
/// Whoever notes a refusal tells of it within this.
const TOLD_BY_WHO_NOTED: Duration = Duration::from_secs(60);
/// A right that is still refused is told again after this.
pub const REMIND_EVERY: Duration = Duration::from_secs(24 * 3600);

/// An operation that is refused to a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRight {
    /// The channel's id.
    pub channel: String,
    /// Mirakl's operation: `OR23`.
    pub operation: String,
    /// Since when.
    pub since: Timestamp,
    /// What Mirakl said last.
    pub told: String,
    /// Calls in a row that were refused.
    pub refusals: u32,
    /// Nobody calls before.
    pub next_try: Timestamp,
    /// When people were last told.
    #[serde(default)]
    pub told_at: Option<Timestamp>,
}

impl RefusedRight {
    /// People have not been told of it, or not for long.
    #[must_use]
    pub fn is_untold(&self, now: Timestamp) -> bool {
        self.told_at.is_none_or(|at| at <= before(now, REMIND_EVERY))
    }

    /// Whoever noted it has not told people of it, and will not any more.
    #[must_use]
    pub fn is_left_untold(&self, now: Timestamp) -> bool {
        self.told_at.is_none() && after(self.since, TOLD_BY_WHO_NOTED) <= now
    }

    /// What people are told.
    #[must_use]
    pub fn event(&self, now: Timestamp) -> Event {
        let hours = now.duration_since(self.since).as_hours();
        let since = if self.told_at.is_some() { format!(" for {hours} hours") } else { String::new() };
        Event {
            kind: EventKind::KeyRefused,
            channel: Some(self.channel.clone()),
            order: None,
            needs_person: true,
            severity: Severity::Critical,
            reason: format!("channel {}{since}: {}", self.channel, refusal(&self.operation, &self.told)),
            remedy: format!(
                "prima-mirakl check {0} shows which rights are missing. Have the marketplace give them to the key's user; where the key itself is refused, generate one in Mirakl's back office and store it: prima-mirakl channels key {0}. The connector goes on by itself within {1} minutes.",
                self.channel,
                LONGEST_WAIT.as_secs() / 60
            ),
        }
    }
}

/// What is refused: part of a record that is saved by compare-and-swap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RefusedRights(Vec<RefusedRight>);

impl RefusedRights {
    /// None is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &RefusedRight> {
        self.0.iter()
    }

    /// The refusal of an operation, if it is refused.
    #[must_use]
    pub fn of(&self, channel: &str, operation: &str) -> Option<&RefusedRight> {
        self.0.iter().find(|one| one.channel == channel && one.operation == operation)
    }

    fn of_mut(&mut self, channel: &str, operation: &str) -> Option<&mut RefusedRight> {
        self.0.iter_mut().find(|one| one.channel == channel && one.operation == operation)
    }

    /// How long the operation is not to be called yet.
    #[must_use]
    pub fn wait(&self, channel: &str, operation: &str, now: Timestamp) -> Option<Duration> {
        let next_try = self.of(channel, operation)?.next_try;
        (next_try > now).then(|| next_try.duration_since(now).unsigned_abs())
    }

    /// The caller tries now: others wait for what it finds.
    pub fn claim(&mut self, channel: &str, operation: &str, now: Timestamp) {
        if let Some(one) = self.of_mut(channel, operation) {
            one.next_try = after(now, wait_after(one.refusals));
        }
    }

    /// A call was refused.
    pub fn refuse(&mut self, channel: &str, problem: &MiraklError, now: Timestamp) {
        let operation = problem.operation;
        match self.of_mut(channel, operation) {
            Some(one) => {
                one.refusals = one.refusals.saturating_add(1);
                one.next_try = after(now, wait_after(one.refusals));
                one.told = problem.said();
            }
            None => self.0.push(RefusedRight {
                channel: channel.to_owned(),
                operation: operation.to_owned(),
                since: now,
                told: problem.said(),
                refusals: 1,
                next_try: after(now, wait_after(1)),
                told_at: None,
            }),
        }
    }

    /// People were told of an operation.
    pub fn tell(&mut self, channel: &str, operation: &str, now: Timestamp) {
        if let Some(one) = self.of_mut(channel, operation) {
            one.told_at = Some(now);
        }
    }

    /// The operation works. True where it was refused before.
    pub fn works(&mut self, channel: &str, operation: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|one| one.channel != channel || one.operation != operation);
        self.0.len() < before
    }

    /// These for the operations that are ours, and `stored` for the others.
    #[must_use]
    pub fn joined(self, stored: Self, is_ours: impl Fn(&str) -> bool) -> Self {
        let ours = self.0.into_iter().filter(|one| is_ours(&one.operation));
        Self(stored.0.into_iter().filter(|one| !is_ours(&one.operation)).chain(ours).collect())
    }

    /// What was refused and that people have not been told, or not for long.
    #[must_use]
    pub fn untold(&self, now: Timestamp) -> Vec<RefusedRight> {
        self.0.iter().filter(|one| one.is_untold(now)).cloned().collect()
    }
}

fn wait_after(refusals: u32) -> Duration {
    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(refusals.saturating_sub(1))).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        after(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds))
    }

    fn forbidden(operation: &'static str) -> MiraklError {
        MiraklError::refused(operation, 403, None, "Forbidden")
    }

    #[test]
    fn a_refused_operation_is_tried_again_after_longer_and_longer() {
        let mut rights = RefusedRights::default();
        let mut waits = Vec::new();
        for _ in 0..7 {
            rights.refuse("uk", &forbidden("OR23"), at(0));
            waits.push(rights.wait("uk", "OR23", at(0)).unwrap().as_secs());
        }
        assert_eq!(waits, [60, 120, 240, 480, 600, 600, 600]);
        assert_eq!((rights.wait("uk", "OR24", at(0)), rights.wait("de", "OR23", at(0))), (None, None));
        assert_eq!(rights.wait("uk", "OR23", at(600)), None, "then somebody tries");
        rights.claim("uk", "OR23", at(600));
        assert!(rights.wait("uk", "OR23", at(601)).is_some(), "and the others wait for it");
        assert!(rights.works("uk", "OR23") && !rights.works("uk", "OR23") && rights.is_empty());
    }

    #[test]
    fn it_is_told_once_and_again_after_a_day_or_after_it_worked() {
        let mut rights = RefusedRights::default();
        rights.refuse("uk", &forbidden("OR23"), at(0));
        let untold = rights.untold(at(0));
        assert_eq!(untold.len(), 1);
        let event = untold[0].event(at(0));
        for word in ["OR23", "ROLE_PARTNER_ORDER_TRACKING_WRITE", "ROLE_SHOP_ADMIN", "HTTP 403 Forbidden", "uk"] {
            assert!(event.reason.contains(word), "{word}: {}", event.reason);
        }
        let noted = &untold[0];
        assert!(!noted.is_left_untold(at(59)) && noted.is_left_untold(at(60)), "whoever noted it could not tell");
        rights.tell("uk", "OR23", at(0));
        assert!(!rights.of("uk", "OR23").unwrap().is_left_untold(at(60)));
        rights.refuse("uk", &forbidden("OR23"), at(60));
        assert_eq!(rights.untold(at(86_399)).len(), 0);
        let again = rights.untold(at(86_400));
        assert!(again[0].event(at(86_400)).reason.contains("for 24 hours"));
        rights.works("uk", "OR23");
        rights.refuse("uk", &forbidden("OR23"), at(90_000));
        assert_eq!(rights.untold(at(90_000)).len(), 1);
    }

    #[test]
    fn a_record_written_before_reads_as_nothing_refused() {
        assert!(serde_json::from_str::<crate::domain::state::CollectionState>("{}").unwrap().refused.is_empty());
        assert!(serde_json::from_str::<crate::domain::state::PollState>("{}").unwrap().refused.is_empty());
    }
}
