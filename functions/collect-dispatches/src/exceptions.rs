//! Dispatches that need a person: told, told again with age, taken up again when their carrier is
//! mapped, and taken off the dead-letter queue once they are over.

use std::time::Duration;

use shared::domain::channel::{Channel, Mode};
use shared::domain::dispatch::documents::DispatchDocuments;
use shared::domain::dispatch::message::MessageUnderWay;
use shared::domain::dispatch::plan::{Facts, Step, next_step};
use shared::domain::events::EventKind;
use shared::domain::exceptions::announce;
use shared::domain::notify::{Rule, deliver};
use shared::domain::order::row::{DISPATCH_UNANNOUNCED, ExceptionKind, OrderKey, OrderRow, Stage};
use shared::domain::queue::ShownExceptions;
use shared::domain::state::OrderStore;
use shared::kit::clock::{Clock, before};

use crate::report::{Oddity, Report};
use crate::{PortTypes, Ports};

/// Exceptions of one channel, of each kind, looked at in one run.
const LOOKED_AT: usize = 1000;
/// A younger exception is being announced by whoever found it.
const GRACE: Duration = Duration::from_secs(60);

impl<T: PortTypes> Ports<T> {
    /// Tells, tells again and resumes. Answers the `exceptions` that Prima may still be asked
    /// about, as they stand now.
    pub(crate) async fn look_after_exceptions(
        &self,
        exceptions: Vec<OrderRow>,
        channel: &Channel,
        documents: &DispatchDocuments,
        report: &mut Report,
    ) -> Vec<OrderRow> {
        if channel.dispatches != Mode::Live {
            return exceptions;
        }
        let now = self.clock.now();
        for mut row in self.exceptions_in(channel, DISPATCH_UNANNOUNCED).await {
            if row
                .exception
                .as_ref()
                .is_some_and(|exception| exception.first_seen <= before(now, GRACE))
            {
                announce(&self.store, &self.queue, &self.events, &mut row, now).await;
                report.count(Oddity::ExceptionsAnnounced);
            }
        }
        let mut left = Vec::new();
        for row in exceptions {
            if !self.resume(&row, channel, documents, report).await {
                left.extend(self.remind(row, documents, report).await);
            }
        }
        left
    }

    /// A channel's exceptions in an index state, the oldest first.
    pub(crate) async fn exceptions_in(&self, channel: &Channel, state: &str) -> Vec<OrderRow> {
        let keys = self.store.orders_in(&channel.id, state, LOOKED_AT).await.unwrap_or_default();
        if keys.is_empty() {
            return Vec::new();
        }
        let rows = self.store.load_orders(&keys).await.unwrap_or_default();
        let mut rows: Vec<_> = rows.into_values().filter(|row| row.exception.is_some()).collect();
        rows.sort_by(|one, other| (one.since, &one.key).cmp(&(other.since, &other.key)));
        rows
    }

    /// A dispatch that waited for the channel's documents goes on when the map has its carrier, or
    /// once they can be used. True where it did.
    async fn resume(
        &self,
        row: &OrderRow,
        channel: &Channel,
        documents: &DispatchDocuments,
        report: &mut Report,
    ) -> bool {
        let Some(kind) = row
            .exception
            .as_ref()
            .map(|exception| exception.kind)
            .filter(|kind| kind.waits_for_documents())
        else {
            return false;
        };
        if !documents.rules.resume_when_mapped {
            return false;
        }
        let now = self.clock.now();
        let note = if kind == ExceptionKind::DocumentsUnusable {
            "the channel's documents can be used now"
        } else {
            let Some(requirements) = &documents.requirements else { return false };
            let facts =
                Facts { rules: &documents.rules, requirements, carriers: &documents.carriers, now };
            if matches!(next_step(row, &facts), Step::Fail(failure) if failure.kind.waits_for_documents())
            {
                return false;
            }
            "its carrier is mapped now"
        };
        let mut row = row.clone();
        row.enter(Stage::Dispatched, now, note);
        let dispatch = row.dispatch.get_or_insert_default();
        dispatch.message = Some(MessageUnderWay::sent(now));
        dispatch.due_at = dispatch.due_once_queued(now);
        if self.store.save_order(&mut row).await.is_ok() {
            report.resumed += 1;
            self.send(&row, channel, report).await;
        }
        true
    }

    /// Nobody has resolved it for long: said again with its age; and its message is shown again
    /// before it expires. Answers the row as it stands now; none where that is not known.
    async fn remind(
        &self,
        mut row: OrderRow,
        documents: &DispatchDocuments,
        report: &mut Report,
    ) -> Option<OrderRow> {
        let now = self.clock.now();
        let exception = row.exception.as_mut()?;
        let rule = Rule::EXCEPTION.again_after(documents.rules.remind_every());
        let Some(due) = exception.told.due(rule, now).filter(|due| due.is_again) else {
            return Some(row);
        };
        exception.told.note(due.into(), now);
        let told_of = exception.view(&row.key.channel, &row.key.order_id);
        let (message, event) =
            (told_of.message(), told_of.event(EventKind::DispatchReminder, due.is_again, now));
        // Recorded first: said twice is worse than said an interval later.
        self.store.save_order(&mut row).await.ok()?;
        report.reminded += 1;
        deliver(&self.queue, &self.events, due, message, event).await;
        Some(row)
    }

    /// Takes off the dead-letter queue what is no exception any more: mended by itself, shipped by
    /// a person, settled.
    pub(crate) async fn tidy(&self) {
        let Ok(shown) = self.queue.shown().await else { return };
        if shown.is_empty() {
            return;
        }
        let keys: Vec<OrderKey> = shown
            .iter()
            .map(|one| OrderKey::new(&one.exception.channel, &one.exception.order))
            .collect();
        // Where the rows cannot be read, nothing is over as far as anybody knows.
        let rows = self.store.load_orders(&keys).await.unwrap_or_default();
        for (one, key) in shown.iter().zip(&keys) {
            // An order without a row says nothing of its exception: a wiped table takes no message
            // away.
            let is_over = rows.get(key).is_some_and(|row| {
                row.exception.as_ref().is_none_or(|exception| {
                    exception.first_seen.to_string() != one.exception.first_seen
                })
            });
            if !is_over {
                self.queue.put_back(one).await;
            } else if self.queue.withdraw(one).await.is_err() {
                tracing::warn!(channel = %key.channel, order = %key.order_id, "a message of an exception that is over could not be taken away");
            }
        }
    }
}
