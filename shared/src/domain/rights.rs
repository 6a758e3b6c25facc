//! Operations that Mirakl refuses a channel's key, or that keep failing for another reason:
//! remembered per channel and operation, told once, and tried again less and less often. A hundred
//! orders that need the same operation make one alert, and one call at a time.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::events::{Event, EventKind, Severity};
use crate::domain::notify::{Rule, Sent, Told};
use crate::kit::clock::after;
use crate::mirakl::MiraklError;
use crate::mirakl::rights::{is_answered_with_right, is_unreadable, purpose_of, refusal};

/// The wait after a first refusal; doubled with each.
const FIRST_WAIT: Duration = Duration::from_secs(60);
/// The longest wait: the right goes on working so long after somebody gave it.
pub const LONGEST_WAIT: Duration = Duration::from_secs(10 * 60);
/// The longest wait where it may be the matter of one order alone, and the others wait for nothing.
const LONGEST_WAIT_FOR_OTHERS: Duration = Duration::from_secs(2 * 60);
/// Whoever notes a refusal tells of it within this.
const TOLD_BY_WHO_NOTED: Duration = Duration::from_secs(60);
/// A right that is still refused is told again after this.
const RULE: Rule = Rule::EVENT.again_after(Duration::from_secs(24 * 3600));
/// An operation that fails although the key has the right is told after so many calls in a row:
/// with the waits between them, after a quarter of an hour.
pub const FAILURES_TOLD: u32 = 5;
/// Runs come a minute apart, a little early or late: so much earlier a failed operation may be
/// called again.
const EARLY: Duration = Duration::from_secs(15);

/// Why an operation is of no use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// The key lacks the right, as far as is known.
    #[default]
    Right,
    /// Mirakl refuses the call as a whole, or answers what cannot be read, or does not answer.
    Failure,
    /// Mirakl gives no usable answer to a call about one order, and it is not known yet whether it
    /// is the order's matter: others show it soon.
    NoAnswer,
}

/// An operation that is refused to a channel, or that keeps failing.
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
    /// What people know of it.
    #[serde(default)]
    pub people_told: Told,
    /// Whether the right is missing, or the operation fails.
    #[serde(default)]
    pub trouble: Trouble,
    /// Of a failure: when the latest call failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
    /// Of a failure: what waits for the operation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owed: String,
    /// Of what began with an unreadable answer: the one order that has met it, while no other has.
    /// A person is told of that order then, and not of the channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_order: Option<String>,
}

impl RefusedRight {
    /// People have not been told of it, or not for long.
    #[must_use]
    pub fn is_untold(&self, now: Timestamp) -> bool {
        self.is_for_a_person() && self.people_told.due(RULE, now).is_some()
    }

    /// A right is never given by itself; a failure may pass.
    fn is_for_a_person(&self) -> bool {
        self.trouble == Trouble::Right
            || (self.refusals >= FAILURES_TOLD && self.only_order.is_none())
    }

    /// Whoever noted it has not told people of it, and will not any more.
    #[must_use]
    pub fn is_left_untold(&self, now: Timestamp) -> bool {
        let noted_at = self.failed_at.unwrap_or(self.since);
        self.is_for_a_person()
            && !self.people_told.is_told()
            && after(noted_at, TOLD_BY_WHO_NOTED) <= now
    }

    /// What people are told.
    #[must_use]
    pub fn event(&self, now: Timestamp) -> Event {
        let hours = now.duration_since(self.since).as_hours();
        let since =
            if self.people_told.is_told() { format!(" for {hours} hours") } else { String::new() };
        if self.trouble != Trouble::Right {
            return self.failure(&since);
        }
        Event {
            kind: EventKind::KeyRefused,
            channel: Some(self.channel.clone()),
            order: None,
            needs_person: true,
            severity: Severity::Critical,
            reason: format!(
                "channel {}{since}: {}",
                self.channel,
                refusal(&self.operation, &self.told)
            ),
            remedy: format!(
                "prima-mirakl check {0} shows which rights are missing. Have the marketplace give them to the key's user; where the key itself is refused, generate one in Mirakl's back office and store it: prima-mirakl channels key {0}. The connector goes on by itself within {1} minutes.",
                self.channel,
                LONGEST_WAIT.as_secs() / 60
            ),
        }
    }
}

impl RefusedRight {
    fn failure(&self, since: &str) -> Event {
        let Self { channel, operation, told, refusals, owed, .. } = self;
        let owed = if owed.is_empty() { String::new() } else { format!("; {owed}") };
        let minutes = longest_wait(self.trouble).as_secs() / 60;
        let remedy = match operation.as_str() {
            "OR04" => {
                "No order is held up by it. Have the marketplace say why: without Prima's number its staff do not find an order in Prima, nor does the connector after a lost table."
            }
            "OR23" | "OR24" | "ST01" | "ST11" | "OR11" | "OR28" | "OR30" => {
                "Have the marketplace say why. Dispatches that need it wait: ship what is near its deadline in Mirakl's back office (prima-mirakl dispatches list)."
            }
            _ => {
                "Have the marketplace say why, and tell the connector's engineer what it answers. Dispatches go on by what was read before; where nothing was, they wait: ship what is near its deadline in Mirakl's back office (prima-mirakl dispatches list)."
            }
        };
        Event {
            kind: EventKind::OperationFails,
            channel: Some(channel.clone()),
            order: None,
            needs_person: true,
            severity: Severity::Warning,
            reason: format!(
                "channel {channel}{since}: {operation} has failed {refusals} times in a row, the latest answer: {told}; {}{owed}",
                purpose_of(operation)
            ),
            remedy: format!(
                "{remedy} The connector tries on every {minutes} minutes, and goes on by itself once it works."
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
            one.next_try = after(now, wait_after(one.trouble, one.refusals));
        }
    }

    /// A call was refused to the key.
    pub fn refuse(&mut self, channel: &str, problem: &MiraklError, now: Timestamp) {
        self.note(channel, problem, Trouble::Right, String::new(), now);
    }

    /// A call about one order got no usable answer, and Mirakl answers others.
    pub fn gives_no_answer(
        &mut self,
        channel: &str,
        problem: &MiraklError,
        order_id: &str,
        now: Timestamp,
    ) {
        self.note(channel, problem, Trouble::NoAnswer, String::new(), now);
        self.is_met_by(channel, problem.operation, order_id);
        if let Some(one) = self.of_mut(channel, problem.operation)
            && (one.trouble, one.refusals) == (Trouble::NoAnswer, 1)
            && is_unreadable(problem)
        {
            one.only_order = Some(order_id.to_owned());
        }
    }

    /// An order has met what is noted already. True where that makes it a matter of several.
    pub fn is_met_by(&mut self, channel: &str, operation: &str, order_id: &str) -> bool {
        let met = self
            .of_mut(channel, operation)
            .and_then(|one| one.only_order.take_if(|only_order| only_order.as_str() != order_id));
        met.is_some()
    }

    /// A call failed, and not for the key. `owed`: what waits for it.
    pub fn fails(&mut self, channel: &str, problem: &MiraklError, owed: String, now: Timestamp) {
        self.note(channel, problem, Trouble::Failure, owed, now);
    }

    fn note(
        &mut self,
        channel: &str,
        problem: &MiraklError,
        trouble: Trouble,
        owed: String,
        now: Timestamp,
    ) {
        let operation = problem.operation;
        // A right that was refused may be missing still where Mirakl only gave no answer.
        let is_known = |one: &RefusedRight| {
            let may_lack_right = one.trouble == Trouble::Right && !is_answered_with_right(problem);
            (one.channel.as_str(), one.operation.as_str()) == (channel, operation)
                && (one.trouble == trouble || may_lack_right)
        };
        if let Some(one) = self.0.iter_mut().find(|one| is_known(one)) {
            one.refusals = one.refusals.saturating_add(1);
            one.next_try = after(now, wait_after(one.trouble, one.refusals));
            if one.trouble == trouble {
                (one.told, one.owed) = (problem.said(), owed);
                one.failed_at = one.failed_at.map(|_| now);
            }
            return;
        }
        self.works(channel, operation);
        self.0.push(RefusedRight {
            channel: channel.to_owned(),
            operation: operation.to_owned(),
            since: now,
            told: problem.said(),
            refusals: 1,
            next_try: after(now, wait_after(trouble, 1)),
            people_told: Told::default(),
            trouble,
            failed_at: (trouble != Trouble::Right).then_some(now),
            owed,
            only_order: None,
        });
    }

    /// People were told of an operation.
    pub fn tell(&mut self, channel: &str, operation: &str, now: Timestamp) {
        if let Some(one) = self.of_mut(channel, operation) {
            one.people_told.note(Sent { message: false, event: true }, now);
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

fn wait_after(trouble: Trouble, refusals: u32) -> Duration {
    let wait = FIRST_WAIT
        .saturating_mul(2_u32.saturating_pow(refusals.saturating_sub(1)))
        .min(longest_wait(trouble));
    match trouble {
        Trouble::Right => wait,
        Trouble::Failure | Trouble::NoAnswer => wait.saturating_sub(EARLY),
    }
}

fn longest_wait(trouble: Trouble) -> Duration {
    match trouble {
        Trouble::Right | Trouble::Failure => LONGEST_WAIT,
        Trouble::NoAnswer => LONGEST_WAIT_FOR_OTHERS,
    }
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
        assert_eq!(
            (rights.wait("uk", "OR24", at(0)), rights.wait("de", "OR23", at(0))),
            (None, None)
        );
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
        for word in [
            "OR23",
            "ROLE_PARTNER_ORDER_TRACKING_WRITE",
            "ROLE_SHOP_ADMIN",
            "HTTP 403 Forbidden",
            "uk",
        ] {
            assert!(event.reason.contains(word), "{word}: {}", event.reason);
        }
        let noted = &untold[0];
        assert!(
            !noted.is_left_untold(at(59)) && noted.is_left_untold(at(60)),
            "whoever noted it could not tell"
        );
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

    /// What keeps failing is told after a few calls, and it is over once it works.
    #[test]
    fn a_repeated_failure_is_told_and_ends_with_the_first_success() {
        let server = |status| MiraklError::refused("OR04", status, None, "no references today");
        let mut rights = RefusedRights::default();
        let mut moment = 0;
        for call in 1..=FAILURES_TOLD {
            assert_eq!(
                (rights.untold(at(moment)).len(), rights.wait("uk", "OR04", at(moment))),
                (0, None),
                "{call}"
            );
            rights.fails("uk", &server(500), "3 orders wait".to_owned(), at(moment));
            moment += rights.wait("uk", "OR04", at(moment)).unwrap().as_secs();
        }
        assert_eq!(moment, 45 + 105 + 225 + 465 + 585);
        let failed_at = 45 + 105 + 225 + 465;
        let untold = rights.untold(at(failed_at));
        assert!(
            !untold[0].is_left_untold(at(failed_at + 59))
                && untold[0].is_left_untold(at(failed_at + 60))
        );
        let event = untold[0].event(at(failed_at));
        assert_eq!((event.kind, event.needs_person), (EventKind::OperationFails, true));
        for words in ["OR04 has failed 5 times", "HTTP 500 no references today", "3 orders wait"] {
            assert!(event.reason.contains(words), "{words}: {}", event.reason);
        }
        rights.tell("uk", "OR04", at(failed_at));
        rights.fails("uk", &server(500), String::new(), at(moment));
        assert_eq!(rights.untold(at(moment)).len(), 0, "once");
        assert!(rights.works("uk", "OR04") && rights.is_empty());
    }

    /// An answer that cannot be read is the channel's matter once a second order has met it.
    #[test]
    fn unreadable_answers_to_one_order_alone_are_not_told_of_the_channel() {
        let unreadable =
            MiraklError { status: Some(200), ..MiraklError::unknown("ST01", "no JSON") };
        let server = MiraklError { status: Some(500), ..unreadable.clone() };
        let mut rights = RefusedRights::default();
        for second in 0..9 {
            rights.gives_no_answer("uk", &unreadable, "A", at(second));
        }
        rights.gives_no_answer("uk", &server, "A", at(9));
        let is_alone = |rights: &RefusedRights| {
            rights.of("uk", "ST01").unwrap().only_order.as_deref() == Some("A")
        };
        assert!(is_alone(&rights) && rights.untold(at(9)).is_empty());
        assert!(!rights.of("uk", "ST01").unwrap().is_left_untold(at(3600)));
        assert!(!rights.is_met_by("uk", "ST01", "A"));

        let mut met = rights.clone();
        assert!(met.is_met_by("uk", "ST01", "B") && !met.is_met_by("uk", "ST01", "B"));
        rights.gives_no_answer("uk", &unreadable, "B", at(10));
        for rights in [&mut met, &mut rights] {
            assert!(!is_alone(rights) && rights.untold(at(10)).len() == 1);
            rights.gives_no_answer("uk", &unreadable, "A", at(11));
            assert!(!is_alone(rights), "it stays a matter of several");
        }
        // What no order of many is told of is the channel's from the beginning.
        let mut rights = RefusedRights::default();
        (0..5).for_each(|second| rights.gives_no_answer("uk", &server, "A", at(second)));
        assert_eq!(rights.untold(at(5)).len(), 1);
    }

    #[test]
    fn a_missing_right_is_no_failure_and_a_failure_no_missing_right() {
        let server = |status| MiraklError::refused("OR04", status, None, "no");
        let troubles = |statuses: &[u16]| {
            let mut rights = RefusedRights::default();
            for status in statuses {
                if server(*status).is_key_refused() {
                    rights.refuse("uk", &server(*status), at(0));
                } else {
                    rights.fails("uk", &server(*status), String::new(), at(0));
                }
            }
            rights.iter().map(|one| (one.trouble, one.refusals)).collect::<Vec<_>>()
        };
        assert_eq!(troubles(&[403, 403]), [(Trouble::Right, 2)]);
        assert_eq!(troubles(&[500, 400, 200]), [(Trouble::Failure, 3)]);
        assert_eq!(troubles(&[403, 503]), [(Trouble::Right, 2)], "it may be missing still");
        assert_eq!(troubles(&[403, 404]), [(Trouble::Failure, 1)], "it is there");
        assert_eq!(troubles(&[404, 404, 401]), [(Trouble::Right, 1)]);
        let before: RefusedRight = serde_json::from_str(
            r#"{"channel":"uk","operation":"OR23","since":"2026-11-20T09:00:00Z","told":"","refusals":1,"next_try":"2026-11-20T09:01:00Z"}"#,
        )
        .unwrap();
        assert_eq!(before.trouble, Trouble::Right, "as it was written before");
    }

    #[test]
    fn a_record_written_before_reads_as_nothing_refused() {
        assert!(
            serde_json::from_str::<crate::domain::state::CollectionState>("{}")
                .unwrap()
                .refused
                .is_empty()
        );
        assert!(
            serde_json::from_str::<crate::domain::state::PollState>("{}")
                .unwrap()
                .refused
                .is_empty()
        );
    }
}
