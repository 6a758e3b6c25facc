//! A channel's client that knows which rights Mirakl refuses the key, and whether the marketplace's
//! demands can be read: what is refused, or of no use, is told once, and called again by one order
//! at a time, less and less often. The others wait without a call.

use std::cell::RefCell;
use std::time::Duration;

use shared::domain::channel::MiraklDirectory;
use shared::domain::dispatch::unanswered::{ChannelNote, Unanswered};
use shared::domain::notify::tell;
use shared::domain::order::row::OrderKey;
use shared::domain::rights::RefusedRights;
use shared::domain::state::{CollectionStore, StoreError};
use shared::kit::clock::{Clock, after};
use shared::mirakl::rights::{is_answered_with_right, shows_right};
use shared::mirakl::shipping::NewShipment;
use shared::mirakl::shipping::Tracking;
use shared::mirakl::shipping::{
    MiraklShipping, SettledEntry, SettlementRequest, Shipment, ShipmentAnswer,
};
use shared::mirakl::shipping_requirements::ShippingRequirements;
use shared::mirakl::{MiraklError, Order};

use crate::{PortTypes, Ports};

/// Tries of a write that another run has been quicker with.
const TRIES: usize = 5;
/// Tries that end without an answer of the table.
const FAILURES: usize = 3;
/// The operations by which it is read what the marketplace demands.
const OF_REQUIREMENTS: [&str; 3] = ["PC01", "SH21", "SH12"];

/// The client of one channel, for one message.
pub(crate) struct Permitted<'p, T: PortTypes> {
    client: <T::Directory as MiraklDirectory>::Client,
    channel: &'p str,
    order_id: &'p str,
    store: &'p T::Store,
    events: &'p T::Events,
    clock: &'p T::Clock,
    refused: RefCell<RefusedRights>,
}

impl<'p, T: PortTypes> Permitted<'p, T> {
    /// The client, with what is known now. Where that cannot be read, nothing is held back.
    pub(crate) async fn new(
        ports: &'p Ports<T>,
        client: <T::Directory as MiraklDirectory>::Client,
        key: &'p OrderKey,
    ) -> Self {
        let refused = ports
            .store
            .load_collection()
            .await
            .map(|collection| collection.refused)
            .unwrap_or_default();
        Self {
            client,
            channel: &key.channel,
            order_id: &key.order_id,
            store: &ports.store,
            events: &ports.events,
            clock: &ports.clock,
            refused: RefCell::new(refused),
        }
    }

    /// The refusal of the first of these operations that is not to be called yet.
    pub(crate) fn held(&self, operations: &[&'static str]) -> Option<MiraklError> {
        let (refused, now) = (self.refused.borrow(), self.clock.now());
        operations.iter().find_map(|operation| {
            refused.wait(self.channel, operation, now).map(|wait| held_back(operation, wait))
        })
    }

    /// What is noted of an operation that is of no use to the channel.
    pub(crate) fn note_of(&self, operation: &str) -> Option<ChannelNote> {
        self.refused.borrow().of(self.channel, operation).map(|one| ChannelNote {
            since: one.since,
            of_this_order_alone: one.only_order.as_deref() == Some(self.order_id),
        })
    }

    /// How long to wait until others could have tried an operation that is noted; and so much
    /// longer.
    pub(crate) fn wait_after_others(&self, operation: &str, longer: Duration) -> Option<Duration> {
        let (refused, now) = (self.refused.borrow(), self.clock.now());
        let until = after(refused.of(self.channel, operation)?.next_try, longer);
        (until > now).then(|| until.duration_since(now).unsigned_abs())
    }

    /// Notes that an operation gets no usable answer, for the whole channel. False where it could
    /// not be noted.
    pub(crate) async fn note_no_answer(&self, problem: &MiraklError) -> bool {
        self.refuse(problem).await;
        self.note_of(problem.operation).is_some()
    }

    /// Makes a call that needs these operations, unless one of them is held back; and notes what
    /// its answer says of them.
    async fn call<A>(
        &self,
        operations: &[&'static str],
        call: impl Future<Output = Result<A, MiraklError>>,
    ) -> Result<A, MiraklError> {
        if let Some(problem) = self.held(operations) {
            return Err(problem);
        }
        let suspects: Vec<&'static str> = operations
            .iter()
            .copied()
            .filter(|operation| self.refused.borrow().of(self.channel, operation).is_some())
            .collect();
        if let Some(problem) = self.claim(&suspects).await {
            return Err(problem);
        }
        let answer = call.await;
        match answer {
            // Such an answer is no matter of one order's: it is the same for all of them.
            Err(problem)
                if problem.is_key_refused()
                    || (OF_REQUIREMENTS.contains(&problem.operation)
                        && is_answered_with_right(&problem)) =>
            {
                self.refuse(&problem).await;
                let wait =
                    self.refused.borrow().wait(self.channel, problem.operation, self.clock.now());
                Err(MiraklError { retry_after: wait.or(problem.retry_after), ..problem })
            }
            // What gave no answer before gives none to this order either.
            Err(problem)
                if Unanswered::is_one(&problem) && suspects.contains(&problem.operation) =>
            {
                self.refuse(&problem).await;
                Err(problem)
            }
            answer => {
                // A question of several calls that failed says nothing of those after the failure.
                if !suspects.is_empty()
                    && (answer.is_ok() || (operations.len() == 1 && shows_right(&answer)))
                {
                    let works_again = self
                        .change(|refused| {
                            suspects.iter().fold(false, |changed, operation| {
                                refused.works(self.channel, operation) | changed
                            })
                        })
                        .await;
                    if works_again {
                        tracing::info!(
                            channel = self.channel,
                            ?suspects,
                            "what was refused, or failed, works again"
                        );
                    }
                }
                answer
            }
        }
    }

    /// This message tries what was refused; the refusal, where another one is trying it.
    async fn claim(&self, suspects: &[&'static str]) -> Option<MiraklError> {
        if suspects.is_empty() {
            return None;
        }
        let mut collection = self.store.load_collection().await.ok()?;
        let now = self.clock.now();
        *self.refused.borrow_mut() = collection.refused.clone();
        if let Some(problem) = self.held(suspects) {
            return Some(problem);
        }
        for operation in suspects {
            collection.refused.claim(self.channel, operation, now);
        }
        match self.store.save_collection(&mut collection).await {
            Err(StoreError::Conflict(_)) => {
                suspects.first().map(|operation| held_back(operation, Duration::from_secs(60)))
            }
            // Where nothing can be noted, trying is better than waiting.
            Ok(()) | Err(_) => None,
        }
    }

    /// Notes a refusal, or an answer that is of no use, and tells people of it, once.
    async fn refuse(&self, problem: &MiraklError) {
        let now = self.clock.now();
        let first = self.refused.borrow().of(self.channel, problem.operation).is_none();
        let noted = self
            .change(|refused| {
                // Several orders may meet a first refusal at once: it counts once.
                let is_news = !first || refused.of(self.channel, problem.operation).is_none();
                if is_news && problem.is_key_refused() {
                    refused.refuse(self.channel, problem, now);
                } else if is_news
                    && Unanswered::is_one(problem)
                    && !OF_REQUIREMENTS.contains(&problem.operation)
                {
                    refused.gives_no_answer(self.channel, problem, self.order_id, now);
                } else if is_news {
                    refused.fails(self.channel, problem, String::new(), now);
                } else {
                    return refused.is_met_by(self.channel, problem.operation, self.order_id);
                }
                is_news
            })
            .await;
        let untold = self
            .refused
            .borrow()
            .of(self.channel, problem.operation)
            .filter(|one| one.is_untold(now))
            .cloned();
        // What others noted just now they tell themselves; what they noted a while ago, they could
        // not.
        let Some(untold) = untold.filter(|one| noted || one.is_left_untold(now)) else { return };
        // Where the bus does not take it, the next refusal tells.
        if tell(self.events, &[untold.event(now)]).await {
            self.change(|refused| {
                refused.tell(self.channel, problem.operation, now);
                true
            })
            .await;
        }
    }

    /// Changes what is remembered. False where nothing had to be changed, or it could not.
    async fn change(&self, change: impl Fn(&mut RefusedRights) -> bool) -> bool {
        let mut failures = 0;
        for _try in 0..TRIES {
            // The next refusal may be an hour away: one answer that the table does not give is no
            // reason to forget this one.
            if failures >= FAILURES {
                break;
            }
            let Ok(mut collection) = self.store.load_collection().await else {
                failures += 1;
                continue;
            };
            let changed = change(&mut collection.refused);
            let refused = collection.refused.clone();
            let saved =
                if changed { self.store.save_collection(&mut collection).await } else { Ok(()) };
            match saved {
                Ok(()) => {
                    *self.refused.borrow_mut() = refused;
                    return changed;
                }
                Err(StoreError::Conflict(_)) => {}
                Err(_) => failures += 1,
            }
        }
        tracing::warn!(
            channel = self.channel,
            "what Mirakl refuses could not be noted; the next refusal notes it"
        );
        false
    }
}

fn held_back(operation: &'static str, wait: Duration) -> MiraklError {
    let problem = MiraklError::refused(
        operation,
        403,
        None,
        "was refused, or failed, a while ago, and is not called again yet",
    );
    MiraklError { retry_after: Some(wait), ..problem }
}

impl<T: PortTypes> MiraklShipping for Permitted<'_, T> {
    async fn shipping_requirements(&self) -> Result<ShippingRequirements, MiraklError> {
        self.call(&OF_REQUIREMENTS, self.client.shipping_requirements()).await
    }

    async fn order(&self, order_id: &str) -> Result<Option<Order>, MiraklError> {
        self.call(&["OR11"], self.client.order(order_id)).await
    }

    async fn set_tracking(&self, order_id: &str, tracking: &Tracking) -> Result<(), MiraklError> {
        self.call(&["OR23"], self.client.set_tracking(order_id, tracking)).await
    }

    async fn ship_order(&self, order_id: &str) -> Result<(), MiraklError> {
        self.call(&["OR24"], self.client.ship_order(order_id)).await
    }

    async fn shipments(&self, order_id: &str) -> Result<Vec<Shipment>, MiraklError> {
        self.call(&["ST11"], self.client.shipments(order_id)).await
    }

    async fn create_shipment(&self, shipment: &NewShipment) -> Result<ShipmentAnswer, MiraklError> {
        self.call(&["ST01"], self.client.create_shipment(shipment)).await
    }

    async fn settle(
        &self,
        settlement: &SettlementRequest,
    ) -> Result<Vec<SettledEntry>, MiraklError> {
        self.call(&[settlement.how.operation()], self.client.settle(settlement)).await
    }
}

impl<T: PortTypes> Permitted<'_, T> {
    /// Whether Mirakl answers a harmless question about the order that is not the operation itself.
    /// A right that is missing for it is noted as with any other call, and another question is
    /// asked then: a refusal says nothing of the operation.
    pub(crate) async fn answers_otherwise(&self, order_id: &str, operation: &str) -> bool {
        if operation != "OR11" {
            let answer = self.order(order_id).await;
            if operation == "ST11" || !answer.as_ref().is_err_and(MiraklError::is_key_refused) {
                return shows_right(&answer);
            }
        }
        shows_right(&self.shipments(order_id).await)
    }
}
