//! What becomes of Prima's answer: it is recorded in the row, and what Mirakl has to be told is
//! queued.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::{Channel, Mode};
use shared::domain::dispatch::MENDED_IN_PRIMA;
use shared::domain::dispatch::prima_answer::{Found, on_progress};
use shared::domain::dispatch::rules::DispatchRules;
use shared::domain::exceptions::announce;
use shared::domain::order::remedy;
use shared::domain::order::row::{ExceptionKind, OrderRow, Stage};
use shared::domain::queue::{OrderMessage, OrderQueue as _, OrderTask};
use shared::domain::state::{OrderStore as _, StoreError};
use shared::kit::clock::{Clock as _, after};
use shared::prima::PrimaProgress;

use crate::deadline::warn_at;
use crate::report::{Oddity, Report};
use crate::{PortTypes, Ports, UNANSWERED, looked_after};

impl<T: PortTypes> Ports<T> {
    /// Records what Prima said; a row that changed meanwhile is read again, and the same said of
    /// it.
    pub(crate) async fn take_over(
        &self,
        row: OrderRow,
        progress: &PrimaProgress,
        channel: &Channel,
        rules: &DispatchRules,
        report: &mut Report,
    ) {
        self.report_unknown_word(&progress.status, &row, report).await;
        self.report_odd_forms(&progress.odd, Some(&row.key), report).await;
        let key = row.key.clone();
        let mut before = row;
        for _try in 0..4 {
            let now = self.clock.now();
            if !looked_after(&before) {
                return;
            }
            let mut row = before.clone();
            let mut found = on_progress(&mut row, progress, self.settings.source, now);
            if before.stage == Stage::Exception && !has_news(&before, &row) {
                // Nothing was mended in Prima: the exception stands as it was.
                let asked_at = row.dispatch.take();
                row = before.clone();
                row.dispatch = asked_at;
                found = Found::Nothing;
            }
            let warning = self.warn_of_deadline(&mut row, rules, now);
            // One message a step: where it is under way, it tells of this answer as well.
            let sends =
                found == Found::Tell && row.dispatch.get_or_insert_default().begin_message(now);
            self.set_due(&mut row, rules, now);
            if channel.dispatches == Mode::Observe {
                if found != Found::Nothing {
                    tracing::info!(channel = %channel.id, order = %key.order_id, ?found, "observing: would record and queue");
                }
                self.postpone_observed(before, row.dispatch.map(|dispatch| dispatch.due_at), now)
                    .await;
                return;
            }
            self.publish_warning(&mut row, warning.as_ref()).await;
            match self.store.save_order(&mut row).await {
                Ok(()) => {
                    report.warned += usize::from(warning.is_some());
                    self.follow_up(row, found, sends, channel, report).await;
                    return;
                }
                Err(StoreError::Conflict(_)) => match self.store.load_order(&key).await {
                    Ok(Some(current)) => before = current,
                    Ok(None) | Err(_) => return,
                },
                Err(problem) => {
                    tracing::warn!(channel = %channel.id, order = %key.order_id, %problem, "what Prima said could not be recorded; it is asked again");
                    report.count(Oddity::StoreUnavailable);
                    return;
                }
            }
        }
    }

    pub(crate) async fn follow_up(
        &self,
        mut row: OrderRow,
        found: Found,
        sends: bool,
        channel: &Channel,
        report: &mut Report,
    ) {
        match found {
            Found::Nothing => {}
            Found::Tell if !sends => {}
            Found::Tell => {
                report.found +=
                    row.dispatch.as_ref().map_or(0, |dispatch| dispatch.unconfirmed().count());
                self.send(&row, channel, report).await;
            }
            Found::Exception => {
                report.exceptions += 1;
                let now = self.clock.now();
                announce(&self.store, &self.queue, &self.events, &mut row, now).await;
            }
        }
    }

    /// An answer that cannot be understood, or none: a few in a row are a person's, `most` of them.
    pub(crate) async fn unclear(
        &self,
        mut row: OrderRow,
        words: &str,
        most: u32,
        channel: &Channel,
        rules: &DispatchRules,
        report: &mut Report,
    ) {
        let now = self.clock.now();
        report.count(Oddity::PrimaUnclear);
        let dispatch = row.dispatch.get_or_insert_default();
        dispatch.unclear_answers += 1;
        dispatch.due_at = after(now, UNANSWERED);
        let is_for_a_person = dispatch.unclear_answers >= most && row.stage != Stage::Exception;
        if is_for_a_person {
            dispatch.unclear_answers = 0;
            let remedy = format!(
                "Look at the order in Prima. If goods have left, ship it by hand in Mirakl's back office; the connector notices. Else retry: {}",
                remedy::retry(&row.key)
            );
            row.fail(ExceptionKind::DispatchUnclear, words, remedy, now);
        }
        if channel.dispatches == Mode::Observe {
            return;
        }
        let warning = self.warn_of_deadline(&mut row, rules, now);
        self.publish_warning(&mut row, warning.as_ref()).await;
        let saved = self.store.save_order(&mut row).await.is_ok();
        report.warned += usize::from(saved && warning.is_some());
        if saved && is_for_a_person {
            report.exceptions += 1;
            announce(&self.store, &self.queue, &self.events, &mut row, now).await;
        }
    }

    pub(crate) async fn postpone(
        &self,
        mut row: OrderRow,
        wait: Duration,
        channel: &Channel,
        rules: &DispatchRules,
        report: &mut Report,
    ) {
        if channel.dispatches == Mode::Observe {
            return;
        }
        let now = self.clock.now();
        row.dispatch.get_or_insert_default().due_at = after(now, wait);
        let warning = self.warn_of_deadline(&mut row, rules, now);
        self.publish_warning(&mut row, warning.as_ref()).await;
        // Where another run was quicker, its word stands.
        let saved = self.store.save_order(&mut row).await.is_ok();
        report.warned += usize::from(saved && warning.is_some());
    }

    /// While observing, a row says nothing but when it is looked at again.
    async fn postpone_observed(
        &self,
        mut row: OrderRow,
        due_at: Option<Timestamp>,
        now: Timestamp,
    ) {
        row.dispatch.get_or_insert_default().due_at = due_at.unwrap_or(now);
        let _ = self.store.save_order(&mut row).await;
    }

    /// What waits for Mirakl has a message under way; one that is overdue by minutes was lost, or
    /// its holder died, and is sent again.
    pub(crate) async fn look_after_message(
        &self,
        mut row: OrderRow,
        channel: &Channel,
        rules: &DispatchRules,
        report: &mut Report,
    ) {
        if channel.dispatches != Mode::Live {
            return;
        }
        let now = self.clock.now();
        let sends = row.dispatch.get_or_insert_default().begin_message(now);
        let warning = self.warn_of_deadline(&mut row, rules, now);
        self.set_due(&mut row, rules, now);
        self.publish_warning(&mut row, warning.as_ref()).await;
        if self.store.save_order(&mut row).await.is_err() {
            return;
        }
        report.warned += usize::from(warning.is_some());
        if sends {
            report.count(Oddity::QueuedAgain);
            self.send(&row, channel, report).await;
        }
    }

    pub(crate) async fn send(&self, row: &OrderRow, channel: &Channel, report: &mut Report) {
        let message = OrderMessage {
            channel: channel.id.clone(),
            order_id: row.key.order_id.clone(),
            task: OrderTask::Dispatch,
        };
        match self.queue.send(&[message], Duration::ZERO).await {
            Ok(()) => report.queued += 1,
            Err(problem) => {
                tracing::warn!(channel = %channel.id, order = %row.key.order_id, %problem, "a dispatch could not be queued; it is when it is due again");
                report.count(Oddity::QueueUnavailable);
            }
        }
    }

    /// When the row is looked at next.
    fn set_due(&self, row: &mut OrderRow, rules: &DispatchRules, now: Timestamp) {
        let created_at = row.creation.created_at.unwrap_or(row.since);
        let (warn_at, stage) = (warn_at(row, rules), row.stage);
        let Some(dispatch) = row.dispatch.as_mut() else { return };
        let next_question = self.settings.next_question(
            now,
            created_at,
            warn_at.filter(|_| dispatch.warned_at.is_none()),
        );
        dispatch.due_at = match stage {
            // Prima has no more to say of it; if it is still not told by then, its message was
            // lost.
            Stage::Dispatched if dispatch.ended_at.is_some() => {
                match warn_at.filter(|at| *at > now && dispatch.warned_at.is_none()) {
                    Some(warn_at) => dispatch.message_lost_at(now).min(warn_at),
                    None => dispatch.message_lost_at(now),
                }
            }
            Stage::Exception => after(now, MENDED_IN_PRIMA),
            Stage::PartDispatched => next_question
                .min(dispatch.rest_until.filter(|until| *until > now).unwrap_or(next_question)),
            _ => next_question,
        };
    }
}

/// Prima says something else than before of what is waited for.
fn has_news(before: &OrderRow, after: &OrderRow) -> bool {
    let told = |row: &OrderRow| {
        row.dispatch
            .as_ref()
            .map(|dispatch| (dispatch.parcels.clone(), dispatch.ended_at.is_some()))
    };
    told(before) != told(after)
}
