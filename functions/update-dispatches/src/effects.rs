//! The calls that change something in Mirakl, and finding out what came of them.

use std::time::Duration;

use shared::domain::dispatch::documents::DispatchDocuments;
use shared::domain::dispatch::plan::Failure;
use shared::domain::dispatch::settlement::{Due, ShortLine, amounts, given_back, settled_lines};
use shared::domain::dispatch::unanswered::Unanswered;
use shared::domain::dispatch::{Dispatch, SettledLine, Settlement, ShipmentAttempt};
use shared::domain::order::remaining::is_refunded;
use shared::domain::order::remedy;
use shared::domain::order::row::{ExceptionKind, OrderRow, Stage};
use shared::domain::state::{OrderStore as _, StoreError};
use shared::kit::clock::Clock as _;
use shared::mirakl::shipping::{
    How, MiraklShipping, NewShipment, SettlementRequest, ShipmentAnswer, Tracking,
};
use shared::mirakl::shipping_requirements::ShippingRequirements;
use shared::mirakl::{MiraklError, OrderState, Outcome};

use crate::{AGAIN, Done, End, PortTypes, Ports, Work, is_refusal};

/// After this long nobody's call can still be on its way within Mirakl.
pub(crate) const LONGEST_CALL: Duration = Duration::from_secs(60);

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
        // Another run has noted one since this run looked: it may be sending.
        if row.dispatch.as_ref().is_some_and(|dispatch| dispatch.open_settlement().is_some()) {
            return Err(End::Again(AGAIN));
        }
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
        let before = documents.requirements.clone();
        if self.need_requirements(documents, work, work.began).await.is_ok() {
            let carriers = |requirements: &Option<ShippingRequirements>| {
                requirements.as_ref().map(|requirements| {
                    (
                        requirements.carriers.clone(),
                        requirements.multi_shipment,
                        requirements.registered_carriers_only,
                    )
                })
            };
            if carriers(&before) != carriers(&documents.requirements) {
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
    pub(crate) async fn record(
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
pub(crate) fn unread(row: &OrderRow, how: How, problem: &MiraklError) -> End {
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
