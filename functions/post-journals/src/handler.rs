//! The real ports, and one invocation.

use std::marker::PhantomData;
use std::time::SystemTime;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use jiff::Timestamp;
use lambda_runtime::Error;
use shared::aws::clients::PayoutClients;
use shared::aws::documents::Documents;
use shared::aws::event_bus::EventBridgeBus;
use shared::aws::payout_files::S3PayoutFiles;
use shared::aws::payout_store::DynamoDbPayouts;
use shared::aws::prima_client::Installed;
use shared::aws::queues::SqsQueue;
use shared::aws::settings::Settings;
use shared::aws::store::DynamoDbStore;
use shared::domain::prima_calls::PrimaCaller;
use shared::domain::prima_slots::Slot;
use shared::kit::clock::{CLOCK_SKEW, Clock, SystemClock};
use shared::prima::finance_client::PrimaFinanceClient;

use crate::metrics::{BatchMetrics, of_slot};
use crate::{PortTypes, Ports, Run};

/// The function, wired to AWS.
#[derive(Debug)]
pub struct Function {
    aws: PayoutClients,
    /// The client of the installation document that it was made from: a changed document makes a
    /// new one.
    prima: Installed,
}

impl Function {
    /// Wires it from the environment. Calls nothing.
    ///
    /// # Errors
    /// Names the variable that is missing or malformed.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, Error> {
        let aws = PayoutClients::from_settings(settings)?;
        Ok(Self { aws, prima: Installed::new(PrimaCaller::PostJournals) })
    }

    /// Works off a batch.
    ///
    /// # Errors
    /// Nothing of the batch was worked off: there is no usable installation document, or a record
    /// has no id.
    pub async fn run(
        &self,
        batch: SqsEvent,
        request_id: &str,
        deadline: SystemTime,
    ) -> Result<SqsBatchResponse, Error> {
        let hard_deadline = Timestamp::try_from(deadline)?;
        let (installation, client) = self.prima.now(&self.aws.documents).await?;
        let client = client.until(hard_deadline);
        let capabilities = installation.finance.capabilities.clone();
        let ports = Ports::<Aws<'_>> {
            prima: PrimaFinanceClient::new(client, capabilities),
            state: &self.aws.store,
            payouts: &self.aws.payouts,
            files: &self.aws.files,
            queue: &self.aws.queue,
            events: &self.aws.events,
            clock: SystemClock,
            documents: &self.aws.documents,
            behaviour: installation.behaviour,
            calls: installation.calls,
            finance: installation.finance,
        };
        let mut run = Run {
            id: request_id.to_owned(),
            hard_deadline,
            clock_skew: CLOCK_SKEW,
            slot: Slot::Unknown,
        };
        run.slot = ports.lease_slot(&run).await;
        let (ports, run) = (&ports, &run);
        let work = |message_id: String, body: String| async move {
            ports.handle(&message_id, &body, run).await
        };
        let answered = shared::aws::batch::answer_counting(
            batch,
            1,
            BatchMetrics::default(),
            BatchMetrics::count,
            work,
        )
        .await;
        ports.give_slot_back(run).await;
        let (response, metrics) = answered?;
        of_slot(run.slot, SystemClock.now()).print(SystemClock.now());
        metrics.print(SystemClock.now());
        Ok(response)
    }
}

/// The real ports, borrowed for one invocation.
#[derive(Debug)]
struct Aws<'f>(PhantomData<&'f ()>);

impl<'f> PortTypes for Aws<'f> {
    type Prima = PrimaFinanceClient<SystemClock>;
    type State = &'f DynamoDbStore;
    type Payouts = &'f DynamoDbPayouts;
    type Files = &'f S3PayoutFiles;
    type Queue = &'f SqsQueue;
    type Events = &'f EventBridgeBus;
    type Clock = SystemClock;
    type Documents = &'f Documents;
}
