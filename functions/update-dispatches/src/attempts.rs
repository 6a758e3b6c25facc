//! Calls whose outcome is not known: asked for, and confirmed or forgotten.

use jiff::Timestamp;
use shared::domain::dispatch::documents::DispatchDocuments;
use shared::domain::dispatch::plan::{Facts, Step, next_step};
use shared::domain::dispatch::settlement::effect;
use shared::domain::dispatch::{SettledLine, ShipmentAttempt};
use shared::domain::order::row::{OrderRow, Stage};
use shared::kit::clock::{Clock as _, after};
use shared::mirakl::shipping::{How, MiraklShipping, NewShipment, Tracking};

use crate::effects::{LONGEST_CALL, in_passing, unread};
use crate::{AGAIN, Done, End, PortTypes, Ports, Work};

impl<T: PortTypes> Ports<T> {
    /// Whether what was sent before, and whose answer was lost, had its effect.
    pub(crate) async fn resolve_attempts(
        &self,
        row: &mut OrderRow,
        documents: &DispatchDocuments,
        work: &Work<'_, impl MiraklShipping>,
    ) -> Result<(), End> {
        let dispatch = row.dispatch.clone().unwrap_or_default();
        if let Some(attempt) = &dispatch.attempt {
            self.wait_until(after(attempt.until, work.run.clock_skew + LONGEST_CALL))?;
            let shipments = work
                .client
                .shipments(&row.key.order_id)
                .await
                .map_err(|problem| in_passing(row, &problem))?;
            match self
                .attempted(row, documents)
                .and_then(|wanted| shipments.into_iter().find(|shipment| shipment.is(&wanted)))
            {
                Some(found) => self.confirm_attempt(row, attempt, &found.id).await?,
                None => self.forget_attempt(row, attempt).await?,
            }
        }
        if let Some(settlement) = dispatch.open_settlement() {
            self.wait_until(after(settlement.until, work.run.clock_skew + LONGEST_CALL))?;
            let order = work
                .client
                .order(&row.key.order_id)
                .await
                .map_err(|problem| unread(row, settlement.how, &problem))?;
            let Some(order) = order else { return Err(End::Again(AGAIN)) };
            let had_effect = effect(&order, &dispatch, settlement, work.run.clock_skew);
            if had_effect.is_empty() {
                self.forget_settlement(row, settlement.at).await?;
            } else {
                self.confirm_settlement(row, settlement.at, had_effect).await?;
            }
        }
        Ok(())
    }

    /// The shipment that the noted attempt would have made: what identifies it does not depend on
    /// carrier or lines.
    fn attempted(&self, row: &OrderRow, documents: &DispatchDocuments) -> Option<NewShipment> {
        let attempt = row.dispatch.as_ref()?.attempt.as_ref()?;
        let mut only = row.clone();
        let dispatch = only.dispatch.as_mut()?;
        dispatch.parcels.retain(|parcel| {
            parcel.identity() == (attempt.dispatch.as_str(), attempt.consignment.as_str())
        });
        let requirements = documents.requirements.as_ref()?;
        let facts = Facts {
            rules: &documents.rules,
            requirements,
            carriers: &documents.carriers,
            now: self.clock.now(),
        };
        match next_step(&only, &facts) {
            Step::ShipParcel { shipment, .. } => Some(shipment),
            // The map changed meanwhile: dispatch number and tracking number are enough.
            _ => Some(NewShipment {
                order_id: row.key.order_id.clone(),
                lines: Vec::new(),
                tracking: Tracking {
                    tracking_number: documents
                        .rules
                        .tracking_number(&attempt.consignment)
                        .map(str::to_owned),
                    ..Tracking::default()
                },
                reference: shared::domain::dispatch::plan::reference(&attempt.dispatch),
            }),
        }
    }

    fn wait_until(&self, moment: Timestamp) -> Result<(), End> {
        let now = self.clock.now();
        if now < moment {
            Err(End::Again(moment.duration_since(now).unsigned_abs()))
        } else {
            Ok(())
        }
    }

    /// Every parcel is known to Mirakl.
    pub(crate) async fn confirm_all(&self, row: &mut OrderRow, note: &str) -> Result<(), End> {
        let now = self.clock.now();
        let note = note.to_owned();
        self.record(row, move |row| {
            let dispatch = row.dispatch.get_or_insert_default();
            dispatch.attempt = None;
            dispatch.unanswered.clear();
            dispatch.ended_at.get_or_insert(now);
            for parcel in &mut dispatch.parcels {
                parcel.confirmed_at.get_or_insert(now);
            }
            if row.stage == Stage::Dispatched {
                row.enter(Stage::Shipped, now, note.clone());
            }
            true
        })
        .await?;
        Err(End::Done(Done::Shipped))
    }

    pub(crate) async fn confirm_attempt(
        &self,
        row: &mut OrderRow,
        attempt: &ShipmentAttempt,
        shipment_id: &str,
    ) -> Result<(), End> {
        let now = self.clock.now();
        self.record(row, |row| {
            let dispatch = row.dispatch.get_or_insert_default();
            dispatch.unanswered.clear();
            let identity = (attempt.dispatch.as_str(), attempt.consignment.as_str());
            for parcel in dispatch.parcels.iter_mut().filter(|parcel| parcel.identity() == identity)
            {
                parcel.confirmed_at.get_or_insert(now);
                parcel.shipment_id.get_or_insert_with(|| shipment_id.to_owned());
            }
            // What is known to be so stays so, whoever holds the order now.
            if dispatch.attempt.as_ref() == Some(attempt) {
                dispatch.attempt = None;
            }
            true
        })
        .await
    }

    /// It had no effect. A note that another run has made since is not ours to take away: that run
    /// may be sending.
    pub(crate) async fn forget_attempt(
        &self,
        row: &mut OrderRow,
        attempt: &ShipmentAttempt,
    ) -> Result<(), End> {
        self.record(row, |row| {
            let dispatch = row.dispatch.get_or_insert_default();
            // The question was answered.
            dispatch.unanswered.retain(|one| one.operation != "ST11");
            let noted = &mut dispatch.attempt;
            let is_ours = noted.as_ref() == Some(attempt);
            *noted = noted.take().filter(|_| !is_ours);
            is_ours
        })
        .await
    }

    /// As [`Self::forget_attempt`]; a settlement is known by the moment of its note.
    pub(crate) async fn forget_settlement(
        &self,
        row: &mut OrderRow,
        at: Timestamp,
    ) -> Result<(), End> {
        self.record(row, |row| {
            let dispatch = row.dispatch.get_or_insert_default();
            dispatch.unanswered.retain(|one| one.operation != "OR11");
            let settlements = &mut dispatch.settlements;
            let before = settlements.len();
            settlements
                .retain(|settlement| settlement.confirmed_at.is_some() || settlement.at != at);
            settlements.len() < before
        })
        .await
    }

    /// These lines of it had their effect: the others are sent again where they are still due.
    pub(crate) async fn confirm_settlement(
        &self,
        row: &mut OrderRow,
        at: Timestamp,
        lines: Vec<SettledLine>,
    ) -> Result<(), End> {
        let now = self.clock.now();
        self.record(row, |row| {
            let dispatch = row.dispatch.get_or_insert_default();
            let ours = dispatch
                .settlements
                .iter_mut()
                .find(|settlement| settlement.at == at && settlement.confirmed_at.is_none());
            let Some(settlement) = ours else { return false };
            settlement.confirmed_at = Some(now);
            settlement.lines.clone_from(&lines);
            dispatch.requested = None;
            dispatch.unanswered.clear();
            let (how, settled) = (settlement.how, settlement.lines.clone());
            if how == How::Cancel {
                // As Mirakl lists them from now on: less what is cancelled.
                let mut left = row.lines.clone();
                for line in &mut left {
                    let gone: u32 = settled
                        .iter()
                        .filter(|one| one.order_line_id == line.order_line_id)
                        .map(|one| one.quantity)
                        .sum();
                    line.quantity = line.quantity.saturating_sub(gone);
                }
                left.retain(|line| line.quantity > 0);
                row.take_lines(left);
            }
            true
        })
        .await
    }
}
