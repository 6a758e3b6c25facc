//! Writing Prima's order numbers back: one OR04 a minute, up to 100 orders. While it fails as a
//! whole, less and less often, and for fewer orders each time, down to one: a single order for
//! which Mirakl refuses the whole call is found so, and holds the others back no longer.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::Channel;
use shared::domain::channel::MiraklDirectory;
use shared::domain::events::{Event, EventKind, Severity};
use shared::domain::notify::tell;
use shared::domain::order::row::{
    DISPATCH_EXCEPTION, ExceptionKind, OrderKey, OrderRow, REFERENCE_PENDING,
    SHIPPED_REFERENCE_PENDING, Stage,
};
use shared::domain::state::{OrderStore, PollState};
use shared::kit::clock::{Clock, after, before};
use shared::mirakl::{MiraklError, MiraklOrders, SellerReference};

use crate::report::ChannelReport;
use crate::{PortTypes, Ports, rights};

/// Mirakl's operation by which references are written.
const WRITE: &str = "OR04";
/// Mirakl's limit for one OR04.
const REFERENCES_PER_CALL: usize = 100;
/// Keys of exceptions that are read of each state; of these, a hundred rows a minute.
const EXCEPTIONS: usize = 2000;
/// Calls in a row that fail as a whole before one is made for a single order: 100, 20, 4, 1.
const FAILURES_TO_ONE: u32 = 3;
/// A reference for which a whole call failed is tried by itself so often.
const ALONE_EVERY: Duration = Duration::from_secs(10 * 60);

impl<T: PortTypes> Ports<T> {
    /// Tells Mirakl the numbers of orders that were created since. What fails is found pending
    /// again the next minute. `listed`: this run's listing was answered, so that a failure is this
    /// operation's own.
    pub(crate) async fn write_references(
        &self,
        client: &<T::Directory as MiraklDirectory>::Client,
        channel: &Channel,
        poll: &mut PollState,
        listed: bool,
        report: &mut ChannelReport,
    ) {
        let now = self.clock.now();
        // OR04: at most once a minute; runs come a minute apart, a little early or late.
        if poll.references_at.is_some_and(|at| {
            now < before(after(at, Duration::from_secs(60)), Duration::from_secs(15))
        }) {
            return;
        }
        if poll.refused.wait(&channel.id, WRITE, now).is_some() {
            return;
        }
        // What was shipped meanwhile owes its number all the same. A part may have been cancelled,
        // or the dispatch become an exception, before the number was written: it is still owed.
        let mut keys = Vec::new();
        for state in [REFERENCE_PENDING, SHIPPED_REFERENCE_PENDING] {
            keys.extend(self.keys_in(channel, state, REFERENCES_PER_CALL).await);
        }
        // Few exceptions owe theirs, and the index does not say which.
        let mut exceptions = Vec::new();
        for state in [Stage::Exception.name(), DISPATCH_EXCEPTION] {
            exceptions.extend(self.keys_in(channel, state, EXCEPTIONS).await);
        }
        keys.extend(take_turns(&mut poll.references_sought_to, exceptions, REFERENCES_PER_CALL));
        if keys.is_empty() {
            return;
        }
        let Ok(rows) = self.store.load_orders(&keys).await else { return };
        // The index lags: the row itself says whether its reference is pending. The oldest first.
        let mut pending: Vec<OrderRow> = rows.into_values().filter(owes_reference).collect();
        pending.sort_by(|one, other| (one.since, &one.key).cmp(&(other.since, &other.key)));
        let failures = poll.refused.of(&channel.id, WRITE).map_or(0, |one| one.refusals);
        let owed = owed(&pending);
        let is_alone = choose(&mut pending, failures, now);
        let references: Vec<_> = pending
            .iter()
            .filter_map(|row| {
                let reference = row.creation.order_number.clone()?;
                Some(SellerReference { order_id: row.key.order_id.clone(), reference })
            })
            .collect();
        if references.is_empty() {
            return;
        }
        poll.references_at = Some(now);
        let answers = match client.write_references(&references).await {
            Ok(answers) => {
                rights::note(&mut poll.refused, channel, WRITE, true, None, now);
                answers
            }
            Err(problem) => {
                tracing::warn!(channel = %channel.id, %problem, "references could not be written; a later run tries again");
                report.note_failure(&problem);
                // Where Mirakl answers nothing at all, the channel is told of as not listed.
                if listed && !problem.is_key_refused() {
                    self.after_failure(
                        &mut pending,
                        Failure { is_alone, failures, owed, problem: &problem },
                        poll,
                        channel,
                        report,
                    )
                    .await;
                }
                rights::note(&mut poll.refused, channel, WRITE, false, Some(&problem), now);
                return;
            }
        };
        for mut row in pending {
            let Some(answer) = answers.iter().find(|answer| answer.order_id == row.key.order_id)
            else {
                continue;
            };
            match &answer.refused {
                None => {
                    row.creation.referenced_at = Some(now);
                    row.creation.references_refused = 0;
                    row.creation.reference_fails_others = false;
                    report.referenced += 1;
                    self.keep(row).await;
                }
                Some(reason) => self.note_refusal(row, reason, report).await,
            }
        }
    }

    async fn keys_in(&self, channel: &Channel, state: &str, limit: usize) -> Vec<OrderKey> {
        self.store.orders_in(&channel.id, state, limit).await.unwrap_or_default()
    }

    /// A whole call failed.
    async fn after_failure(
        &self,
        pending: &mut Vec<OrderRow>,
        failure: Failure<'_>,
        poll: &mut PollState,
        channel: &Channel,
        report: &mut ChannelReport,
    ) {
        let Failure { is_alone, failures, owed, problem } = failure;
        let now = self.clock.now();
        if is_alone && failures == 0 {
            // The latest call for others succeeded: it is this reference's own matter.
            if let Some(row) = pending.pop() {
                self.note_refusal(row, &problem.said(), report).await;
            }
            return;
        }
        poll.refused.fails(&channel.id, problem, owed, now);
        if (is_alone || failures >= FAILURES_TO_ONE)
            && let Some(mut row) = pending.pop()
        {
            // Perhaps this one alone: the others go first.
            row.creation.reference_fails_others = true;
            row.since = now;
            self.keep(row).await;
        }
    }

    /// Mirakl refused one reference: it goes to the end of the line, and after a few refusals a
    /// person is told.
    async fn note_refusal(&self, mut row: OrderRow, reason: &str, report: &mut ChannelReport) {
        tracing::warn!(channel = %row.key.channel, order = %row.key.order_id, reason, "Mirakl refuses the reference; it is tried again after the others");
        report.count("references_refused");
        // So that it cannot keep others from their turn.
        row.since = self.clock.now();
        row.creation.references_refused = row.creation.references_refused.saturating_add(1);
        if row.creation.references_refused == REFUSALS
            && !self.tell_of_refused_reference(&row, reason).await
        {
            row.creation.references_refused -= 1;
        }
        self.keep(row).await;
    }

    async fn keep(&self, mut row: OrderRow) {
        if let Err(problem) = self.store.save_order(&mut row).await {
            tracing::warn!(channel = %row.key.channel, order = %row.key.order_id, %problem, "what Mirakl said of a reference could not be recorded; it is written again");
        }
    }

    /// True once people are told.
    async fn tell_of_refused_reference(&self, row: &OrderRow, reason: &str) -> bool {
        let number = row.creation.order_number.as_deref().unwrap_or_default();
        let words: String = reason.chars().take(200).collect();
        let event = Event {
            kind: EventKind::ReferenceRefused,
            channel: Some(row.key.channel.clone()),
            order: Some(row.key.order_id.clone()),
            needs_person: true,
            severity: Severity::Warning,
            reason: format!("Mirakl keeps refusing Prima's number {number} as the order's reference: {words}"),
            remedy: "Nothing is held up by it, and it is tried on. Have the marketplace say why: without the number its staff do not find the order in Prima, nor does the connector after a lost table."
                .to_owned(),
        };
        tell(&self.events, &[event]).await
    }
}

/// A call that failed as a whole.
struct Failure<'p> {
    /// It was made for a reference that is written by itself.
    is_alone: bool,
    /// Those before it, in a row.
    failures: u32,
    /// What waits for the operation, for a person.
    owed: String,
    problem: &'p MiraklError,
}

/// Those whose turn it is: at most `most`, from the first after `sought_to` on, and from the
/// beginning again after the last. In the order of their ids, which stays as it is whatever comes
/// or goes, so that everyone's turn comes.
fn take_turns(
    sought_to: &mut Option<String>,
    mut keys: Vec<OrderKey>,
    most: usize,
) -> Vec<OrderKey> {
    keys.sort();
    let first = keys.partition_point(|key| Some(&key.order_id) <= sought_to.as_ref());
    keys.rotate_left(first);
    keys.truncate(most);
    *sought_to = keys.last().map(|key| key.order_id.clone());
    keys
}

/// Takes those that are written now, and says whether it is one that is written by itself.
/// `failures`: calls in a row that failed as a whole.
fn choose(pending: &mut Vec<OrderRow>, failures: u32, now: Timestamp) -> bool {
    let (alone, others): (Vec<_>, Vec<_>) =
        std::mem::take(pending).into_iter().partition(|row| row.creation.reference_fails_others);
    // While calls fail, the others show whether the operation works.
    let is_its_turn = failures == 0 || others.is_empty();
    let tried = before(now, ALONE_EVERY);
    if let Some(row) = alone.into_iter().find(|row| is_its_turn && row.since <= tried) {
        *pending = vec![row];
        return true;
    }
    *pending = others;
    pending.truncate((REFERENCES_PER_CALL / 5_usize.saturating_pow(failures)).max(1));
    false
}

/// What waits for the operation, for a person.
fn owed(pending: &[OrderRow]) -> String {
    let oldest = pending.iter().filter_map(|row| row.creation.created_at).min();
    let since = oldest.map(|at| format!(" (the oldest created at {at:.0})")).unwrap_or_default();
    let more = if pending.len() == REFERENCES_PER_CALL { " or more" } else { "" };
    format!("orders that wait for theirs: {}{more}{since}", pending.len())
}

/// Refusals of one reference in a row before a person is told: it is tried on all the same, and the
/// order goes its way.
const REFUSALS: u32 = 5;

/// Prima has it under our number, and Mirakl does not hold that number yet.
fn owes_reference(row: &OrderRow) -> bool {
    let is_meant = |kind: ExceptionKind| {
        kind.is_of_dispatch() || kind == ExceptionKind::LineCancelledAfterCreation
    };
    let needs_a_person = row.exception.as_ref().is_some_and(|exception| is_meant(exception.kind))
        && row.creation.created_at.is_some();
    row.owes_reference() || (needs_a_person && row.creation.referenced_at.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_on_after_the_last_and_begin_anew() {
        let keys = |ids: &[&str]| ids.iter().map(|id| OrderKey::new("uk", *id)).collect::<Vec<_>>();
        let mut sought_to = None;
        let mut turn = |ids: &[&str]| take_turns(&mut sought_to, keys(ids), 2);
        assert_eq!(turn(&["d", "a", "c", "b", "e"]), keys(&["a", "b"]));
        // One that is gone takes nobody's turn with it; one that is new has its turn.
        assert_eq!(turn(&["a", "ba", "c", "d", "e"]), keys(&["ba", "c"]));
        assert_eq!(turn(&["a", "d", "e"]), keys(&["d", "e"]));
        assert_eq!(turn(&["a", "d", "e"]), keys(&["a", "d"]));
        assert_eq!(turn(&["a", "d", "e"]), keys(&["e", "a"]), "none twice");
        assert_eq!(turn(&["c"]), keys(&["c"]));
        assert_eq!(turn(&[]), []);
    }
}
