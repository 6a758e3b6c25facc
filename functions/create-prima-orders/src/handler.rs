//! The real ports, and one invocation.

use shared::aws::event_bus::EventBridgeBus;
use shared::aws::queues::SqsQueue;
use shared::aws::store::DynamoDbStore;
use shared::prima::client::PrimaClient;
use std::marker::PhantomData;
use std::time::SystemTime;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use jiff::Timestamp;
use lambda_runtime::Error;
use shared::aws::clients::AwsClients;
use shared::aws::documents::Documents;
use shared::aws::prima_client::Installed;
use shared::aws::settings::{self, Settings};
use shared::domain::prima_calls::PrimaCaller;
use shared::domain::prima_slots::Slot;
use shared::kit::clock::{CLOCK_SKEW, Clock, SystemClock};

use crate::metrics::{BatchMetrics, of_slot};
use crate::{PortTypes, Ports, Run};

/// Messages worked off at once in one process. Of their calls to Prima one is made at a time.
const CONCURRENT_MESSAGES: usize = 2;

/// The function, wired to AWS.
#[derive(Debug)]
pub struct Function {
    aws: AwsClients,
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
        let rules_table = settings.text(settings::RULES_TABLE)?;
        let aws = AwsClients::from_settings(
            settings,
            settings::ORDERS_QUEUE_URL,
            settings::DEAD_LETTER_QUEUE_URL,
            rules_table,
        )?;
        Ok(Self { aws, prima: Installed::new(PrimaCaller::CreatePrimaOrders) })
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
        let ports = Ports::<Aws<'_>> {
            prima: client.until(hard_deadline),
            store: &self.aws.store,
            queue: &self.aws.queue,
            events: &self.aws.events,
            clock: SystemClock,
            documents: &self.aws.documents,
            behaviour: installation.behaviour,
            calls: installation.calls,
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
            CONCURRENT_MESSAGES,
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
    type Prima = PrimaClient<SystemClock>;
    type Store = &'f DynamoDbStore;
    type Queue = &'f SqsQueue;
    type Events = &'f EventBridgeBus;
    type Clock = SystemClock;
    type Documents = &'f Documents;
}
