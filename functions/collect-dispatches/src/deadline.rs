//! The ship-by deadline of an order: said once when it is near and Mirakl is not told.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::{Channel, Mode};
use shared::domain::dispatch::rules::DispatchRules;
use shared::domain::events::{Event, EventKind, Severity};
use shared::domain::notify::tell;
use shared::domain::order::row::OrderRow;
use shared::domain::state::OrderStore as _;
use shared::kit::clock::{Clock as _, after, before};

use crate::report::Report;
use crate::{PortTypes, Ports};

/// A near deadline of which the bus did not take the warning is said again after this.
const WARNED_AGAIN: Duration = Duration::from_secs(300);

impl<T: PortTypes> Ports<T> {
    /// The deadline of an order that is not asked about now is near: that is said all the same.
    pub(crate) async fn warn_of_waiting(
        &self,
        mut row: OrderRow,
        channel: &Channel,
        rules: &DispatchRules,
        report: &mut Report,
    ) {
        if channel.dispatches != Mode::Live || !is_to_be_shipped(&row) {
            return;
        }
        let warning = self.warn_of_deadline(&mut row, rules, self.clock.now());
        if warning.is_none() {
            return;
        }
        self.publish_warning(&mut row, warning.as_ref()).await;
        report.warned += usize::from(self.store.save_order(&mut row).await.is_ok());
    }

    /// Says a warning; where the bus does not take it, it is said when the row is looked at next,
    /// which is soon.
    pub(crate) async fn publish_warning(&self, row: &mut OrderRow, warning: Option<&Event>) {
        if let Some(event) = warning
            && !tell(&self.events, std::slice::from_ref(event)).await
            && let Some(dispatch) = row.dispatch.as_mut()
        {
            dispatch.warned_at = None;
            dispatch.due_at = dispatch.due_at.min(after(self.clock.now(), WARNED_AGAIN));
        }
    }

    /// The deadline is near and not everything is confirmed: said once.
    pub(crate) fn warn_of_deadline(
        &self,
        row: &mut OrderRow,
        rules: &DispatchRules,
        now: Timestamp,
    ) -> Option<Event> {
        let (deadline, warn_at) = (row.listing.shipping_deadline?, warn_at(row, rules)?);
        if now < warn_at {
            return None;
        }
        let dispatch = row.dispatch.get_or_insert_default();
        if dispatch.warned_at.is_some() {
            return None;
        }
        dispatch.warned_at = Some(now);
        let left = deadline.duration_since(now);
        let time = if left.is_positive() {
            format!("in {} minutes", left.as_secs() / 60)
        } else {
            format!("{} minutes ago", -left.as_secs() / 60)
        };
        let number = row.creation.order_number.as_deref().unwrap_or_default();
        Some(Event {
            kind: EventKind::ShipByDeadlineNear,
            channel: Some(row.key.channel.clone()),
            order: Some(row.key.order_id.clone()),
            needs_person: true,
            severity: if left.is_positive() { Severity::Warning } else { Severity::Critical },
            reason: format!("the ship-by deadline is {time}, Prima says {:?} of order {number}, and Mirakl is not told that it is shipped", dispatch.prima_status),
            remedy: "Have it sent, or agree with the customer: prima-mirakl dispatches list shows all such orders; prima-mirakl dispatches settle cancels or refunds what cannot be sent."
                .to_owned(),
        })
    }
}

/// In Prima, not shipped in Mirakl, and not settled: its deadline runs.
fn is_to_be_shipped(row: &OrderRow) -> bool {
    row.stage.is_in_prima()
        || row.exception.as_ref().is_some_and(|exception| exception.kind.is_of_dispatch())
}

/// When it has to be said that the deadline is near.
pub(crate) fn warn_at(row: &OrderRow, rules: &DispatchRules) -> Option<Timestamp> {
    row.listing.shipping_deadline.map(|deadline| before(deadline, rules.warn_before()))
}
