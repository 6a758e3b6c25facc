//! The calls that change something in Mirakl, and finding out what came of them.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::dispatch::documents::DispatchDocuments;
use shared::domain::dispatch::plan::{Facts, Failure, Step, next_step};
use shared::domain::dispatch::settlement::{
    Due, ShortLine, amounts, effect, given_back, settled_lines,
};
use shared::domain::dispatch::unanswered::Unanswered;
use shared::domain::dispatch::{Dispatch, SettledLine, Settlement, ShipmentAttempt};
use shared::domain::order::remaining::is_refunded;
use shared::domain::order::remedy;
use shared::domain::order::row::{ExceptionKind, OrderRow, Stage};
use shared::domain::state::{OrderStore, StoreError};
use shared::kit::clock::{Clock, after};
use shared::mirakl::shipping::How;
use shared::mirakl::shipping::NewShipment;
use shared::mirakl::shipping::Tracking;
use shared::mirakl::shipping::{MiraklShipping, SettlementRequest, ShipmentAnswer};
use shared::mirakl::{MiraklError, OrderState, Outcome};

use crate::{AGAIN, Done, End, PortTypes, Ports, Work, is_refusal};

/// After this long nobody's call can still be on its way within Mirakl.
const LONGEST_CALL: Duration = Duration::from_secs(60);

impl<T: PortTypes> Ports<T> {
    /// OR23, then OR24. Both converge: after a lost answer they are simply sent again.
    pub(crate) async fn ship(
        &self,
        row: &mut OrderRow,
        tracking: &Tracking,
        documents: &mut DispatchDocuments,
        work: &Work<'_, impl MiraklShipping>,
    ) -> Result<(), End> {
        let order_id = row.key.order_id.clone();
        if let Err(problem) = work.client.set_tracking(&order_id, tracking).await {
            return self.after_refusal(row, problem, documents, work).await;
        }
        if let Err(problem) = work.client.ship_order(&order_id).await {
            return self.after_refusal(row, problem, documents, work).await;
        }
        let (code, number) = (
            tracking
                .carrier_code
                .as_ref()
                .or(tracking.carrier_name.as_ref())
                .cloned()
                .unwrap_or_default(),
            tracking.tracking_number.clone().unwrap_or_default(),
        );
        self.confirm_all(row, &format!("told to Mirakl: {code} {number}")).await
    }

    /// ST01 for one parcel: noted first, by a write that only one holder can make.
    pub(crate) async fn ship_parcel(
        &self,
        row: &mut OrderRow,
        parcel: usize,
        shipment: &NewShipment,
        documents: &mut DispatchDocuments,
        work: &Work<'_, impl MiraklShipping>,
    ) -> Result<(), End> {
        let now = self.clock.now();
        let Some((dispatch, consignment)) = row
            .dispatch
            .as_ref()
            .and_then(|dispatch| dispatch.parcels.get(parcel))
            .map(|parcel| (parcel.dispatch.clone(), parcel.consignment.clone()))
        else {
            return Err(End::Again(AGAIN));
        };
        let attempt =
            ShipmentAttempt { dispatch, consignment, at: now, until: work.run.hard_deadline };
        let mut noted = row.clone();
        noted.dispatch.get_or_insert_default().attempt = Some(attempt.clone());
        self.note(row, noted).await?;
        match work.client.create_shipment(shipment).await {
            Ok(ShipmentAnswer::Created(id)) => self.confirm_attempt(row, &attempt, &id).await,
            Ok(ShipmentAnswer::Refused(message)) => {
                self.forget_attempt(row, &attempt).await?;
                self.after_refusal(
                    row,
                    MiraklError::refused("ST01", 201, None, message),
                    documents,
                    work,
                )
                .await
            }
            Err(problem) if problem.outcome == Outcome::Unknown => {
                Err(End::Unanswered(Box::new(problem), Some(AGAIN)))
            }
            Err(problem) => {
                self.forget_attempt(row, &attempt).await?;
                self.after_refusal(row, problem, documents, work).await
            }
        }
    }

    /// OR30 or OR28, for what Mirakl lists now; noted first.
    pub(crate) async fn settle(
        &self,
        row: &mut OrderRow,
        how: How,
        reason_code: &str,
        short: &[ShortLine],
        work: &Work<'_, impl MiraklShipping>,
    ) -> Result<(), End> {
        let order = match work.client.order(&row.key.order_id).await {
            Ok(Some(order)) => order,
            Ok(None) => return Err(End::Again(AGAIN)),
            Err(problem) => return Err(unread(row, how, &problem)),
        };
        if is_refunded(&order, row.left_at()) {
            // The poller's next listing moves the row.
            return Err(End::Done(Done::RefundedBeforeItLeft));
        }
        if order.order_state.is_shipped_or_later() {
            return self.confirm_all(row, "shipped in Mirakl by a person").await;
        }
        if order.order_state != OrderState::Shipping {
            // Cancelled: the poller's next listing moves the row.
            return Err(End::Done(Done::NoLongerToBeShipped));
        }
        let due = match amounts(
            &order,
            short,
            how,
            row.dispatch.as_deref().unwrap_or(&Dispatch::default()),
        ) {
            Ok(due) => due,
            Err(problem) => {
                row.dispatch.get_or_insert_default().requested = None;
                return Err(End::Fail(not_settled(row, how, &problem.to_string())));
            }
        };
        let now = self.clock.now();
        let Due { lines, given_back: pieces } = due;
        let mut noted = row.clone();
        if !pieces.is_empty() {
            noted.enter(
                Stage::Dispatched,
                now,
                "what will not leave was refunded in Mirakl by somebody else",
            );
            noted
                .dispatch
                .get_or_insert_default()
                .settlements
                .push(given_back(&order, &pieces, now));
        }
        if lines.is_empty() {
            // Nothing is left to give back: nothing is sent.
            noted.dispatch.get_or_insert_default().requested = None;
            return self.note(row, noted).await;
        }
        let settled = settled_lines(&order, &lines, how);
        noted.dispatch.get_or_insert_default().settlements.push(Settlement {
            how,
            lines: settled.clone(),
            at: now,
            until: work.run.hard_deadline,
            confirmed_at: None,
            reason_code: Some(reason_code.to_owned()),
        });
        self.note(row, noted).await?;
        let request = SettlementRequest {
            how,
            order_id: row.key.order_id.clone(),
            tax_mode: order.order_tax_mode.clone(),
            currency: order.currency_iso_code.clone(),
            reason_code: reason_code.to_owned(),
            lines,
        };
        match work.client.settle(&request).await {
            Ok(made) => {
                let named = |line: SettledLine| {
                    let entry = made.iter().find(|entry| entry.order_line_id == line.order_line_id);
                    SettledLine { entry_id: entry.and_then(|entry| entry.entry_id.clone()), ..line }
                };
                self.confirm_settlement(row, now, settled.into_iter().map(named).collect()).await
            }
            Err(problem) if problem.outcome == Outcome::Unknown => {
                Err(End::Unanswered(Box::new(problem), Some(AGAIN)))
            }
            Err(problem) => {
                self.forget_settlement(row, now).await?;
                if is_refusal(&problem) {
                    row.dispatch.get_or_insert_default().requested = None;
                    Err(End::Fail(not_settled(row, how, &problem.to_string())))
                } else {
                    Err(in_passing(row, &problem))
                }
            }
        }
    }

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
        let platform = documents.platform.as_ref()?;
        let facts = Facts {
            rules: &documents.rules,
            platform,
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

    /// Mirakl refused, or did not answer. What the order is now decides.
    async fn after_refusal(
        &self,
        row: &mut OrderRow,
        problem: MiraklError,
        documents: &mut DispatchDocuments,
        work: &Work<'_, impl MiraklShipping>,
    ) -> Result<(), End> {
        if !is_refusal(&problem) {
            return Err(in_passing(row, &problem));
        }
        let order = match work.client.order(&row.key.order_id).await {
            Ok(order) => order,
            Err(unread) if is_refusal(&unread) => {
                return Err(End::Fail(rejected(row, &problem, &unread.to_string())));
            }
            Err(unread) => return Err(in_passing(row, &unread)),
        };
        let Some(order) = order else {
            return Err(End::Fail(rejected(
                row,
                &problem,
                "Mirakl does not list the order any more",
            )));
        };
        if is_refunded(&order, row.left_at()) {
            return Err(End::Done(Done::RefundedBeforeItLeft));
        }
        if order.order_state.is_shipped_or_later() {
            // By us, with a lost answer, or by a person in the back office.
            return self.confirm_all(row, "shipped in Mirakl already").await;
        }
        if order.order_state != OrderState::Shipping {
            return Err(End::Done(Done::NoLongerToBeShipped));
        }
        // The carrier may have been taken off the list since it was read.
        let before = documents.platform.clone();
        if self.need_platform(documents, work, work.began).await.is_ok() {
            let carriers = |platform: &Option<shared::mirakl::shipping_requirements::Platform>| {
                platform.as_ref().map(|platform| {
                    (
                        platform.carriers.clone(),
                        platform.multi_shipment,
                        platform.registered_carriers_only,
                    )
                })
            };
            if carriers(&before) != carriers(&documents.platform) {
                return Ok(());
            }
        }
        let state = if order.can_shop_ship == Some(false) {
            "; can_shop_ship is false: the marketplace ships it itself"
        } else {
            ""
        };
        Err(End::Fail(rejected(row, &problem, state.trim_start_matches("; "))))
    }

    /// Every parcel is known to Mirakl.
    async fn confirm_all(&self, row: &mut OrderRow, note: &str) -> Result<(), End> {
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

    async fn confirm_attempt(
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
    async fn forget_attempt(
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
    async fn forget_settlement(&self, row: &mut OrderRow, at: Timestamp) -> Result<(), End> {
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
    async fn confirm_settlement(
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

    /// Saves a note that only one holder can make: where the row changed, nothing is sent.
    async fn note(&self, row: &mut OrderRow, mut noted: OrderRow) -> Result<(), End> {
        match self.store.save_order(&mut noted).await {
            Ok(()) => {
                *row = noted;
                Ok(())
            }
            Err(StoreError::Conflict(_)) => Err(End::Again(Duration::from_secs(5))),
            // The note may have been written: the next message finds out.
            Err(_) => Err(End::Again(AGAIN)),
        }
    }

    /// Records what is so, whatever else changed in the row meanwhile. `change` answers whether
    /// what it is about still stands in the row: where another run has taken it up since, the order
    /// is that run's.
    async fn record(
        &self,
        row: &mut OrderRow,
        change: impl Fn(&mut OrderRow) -> bool,
    ) -> Result<(), End> {
        for _try in 0..5 {
            let mut next = row.clone();
            if !change(&mut next) {
                return Err(End::Done(Done::TakenUpByAnotherRun));
            }
            match self.store.save_order(&mut next).await {
                Ok(()) => {
                    *row = next;
                    // Where the poller or a person moved it meanwhile, it is theirs.
                    let goes_on = matches!(row.stage, Stage::Dispatched | Stage::Shipped);
                    return if goes_on { Ok(()) } else { Err(End::Done(Done::MovedByAnotherRun)) };
                }
                Err(StoreError::Conflict(_)) => match self.store.load_order(&row.key).await {
                    Ok(Some(current)) => *row = current,
                    Ok(None) => return Err(End::Done(Done::RowGone)),
                    Err(_) => return Err(End::Again(AGAIN)),
                },
                Err(_) => return Err(End::Again(AGAIN)),
            }
        }
        Err(End::Again(AGAIN))
    }
}

/// What an order is now could not be read. Where Mirakl answered, it will answer the same again.
fn unread(row: &OrderRow, how: How, problem: &MiraklError) -> End {
    if is_refusal(problem) {
        End::Fail(not_settled(row, how, &problem.to_string()))
    } else {
        in_passing(row, problem)
    }
}

pub(crate) fn in_passing(row: &OrderRow, problem: &MiraklError) -> End {
    tracing::warn!(channel = %row.key.channel, order = %row.key.order_id, %problem, "Mirakl cannot be told now; tried again");
    if Unanswered::is_one(problem) {
        End::Unanswered(Box::new(problem.clone()), problem.retry_after)
    } else {
        End::Failed(problem.retry_after)
    }
}

fn rejected(row: &OrderRow, problem: &MiraklError, more: &str) -> Failure {
    let described: Vec<String> = row
        .dispatch
        .iter()
        .flat_map(|dispatch| &dispatch.parcels)
        .map(|parcel| parcel.description())
        .collect();
    let more = if more.is_empty() { String::new() } else { format!("; {more}") };
    Failure {
        kind: ExceptionKind::DispatchRejected,
        reason: format!("Mirakl refuses the dispatch by {}: {problem}{more}", described.join(", ")),
        remedy: format!(
            "Look at the order in Mirakl's back office and mend what it names, or ship it there by hand: the connector notices. Else: {}",
            remedy::retry(&row.key)
        ),
    }
}

fn not_settled(row: &OrderRow, how: How, problem: &str) -> Failure {
    let (what, other) = match how {
        How::Cancel => ("cancelled", How::Refund),
        How::Refund => ("refunded", How::Cancel),
    };
    let retry = remedy::retry(&row.key);
    // SHIPPING and SHIPPED draw on the pending balance, RECEIVED on the payable one.
    let first = if problem.contains("payable balance") {
        format!(
            "Wait until sales have filled the shop's balance, or have the operator let it go negative; then: {retry}. Else: "
        )
    } else {
        String::new()
    };
    Failure {
        kind: ExceptionKind::ShortShipment,
        reason: format!(
            "what Prima will not send could not be {what} in Mirakl ({}): {problem}",
            how.operation()
        ),
        remedy: format!(
            "{first}Settle it the other way: {} (a dry run without --send). Or settle it in Mirakl's back office, and then: {retry}",
            remedy::settle_pieces(&row.key, other)
        ),
    }
}
