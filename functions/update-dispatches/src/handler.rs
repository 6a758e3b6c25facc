//! The real ports, and one invocation.

use shared::aws::documents::Documents;
use shared::aws::event_bus::EventBridgeBus;
use shared::aws::queues::SqsQueue;
use shared::aws::store::DynamoDbStore;
use std::marker::PhantomData;
use std::time::SystemTime;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use jiff::Timestamp;
use lambda_runtime::Error;
use shared::aws::clients::AwsClients;
use shared::aws::secrets::SecretsManagerKeys;
use shared::aws::settings::{self, Settings};
use shared::kit::clock::{CLOCK_SKEW, Clock, SystemClock};
use shared::mirakl::client::HttpDirectory;

use crate::metrics::BatchMetrics;
use crate::{PortTypes, Ports, Run};

/// Messages worked off at once in one process.
const CONCURRENT_MESSAGES: usize = 4;

/// The function, wired to AWS and Mirakl.
#[derive(Debug)]
pub struct Function {
    aws: AwsClients,
    directory: HttpDirectory<SecretsManagerKeys, SystemClock>,
}

impl Function {
    /// Wires it from the environment. Calls nothing.
    ///
    /// # Errors
    /// Names the variable that is missing or malformed.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, Error> {
        let rules_table = settings.text(settings::RULES_TABLE)?;
        let (queue, dead_letters) =
            (settings::DISPATCHES_QUEUE_URL, settings::DISPATCHES_DEAD_LETTER_QUEUE_URL);
        let aws = AwsClients::from_settings(settings, queue, dead_letters, rules_table)?;
        let keys = SecretsManagerKeys::new(
            aws_sdk_secretsmanager::Client::new(&aws.config),
            settings.text(settings::SECRET_PREFIX)?,
        );
        Ok(Self { aws, directory: HttpDirectory::new(keys, SystemClock) })
    }

    /// Works off a batch.
    ///
    /// # Errors
    /// A record has no id: nothing of the batch was worked off.
    pub async fn run(
        &self,
        batch: SqsEvent,
        deadline: SystemTime,
    ) -> Result<SqsBatchResponse, Error> {
        let hard_deadline = Timestamp::try_from(deadline)?;
        let ports = Ports::<Aws<'_>> {
            directory: &self.directory,
            store: &self.aws.store,
            queue: &self.aws.queue,
            events: &self.aws.events,
            clock: SystemClock,
            documents: &self.aws.documents,
        };
        let run = Run { hard_deadline, clock_skew: CLOCK_SKEW };
        let (ports, run) = (&ports, &run);
        let work = |message_id: String, body: String| async move {
            ports.handle(&message_id, &body, run).await
        };
        let (response, metrics) = shared::aws::batch::answer_counting(
            batch,
            CONCURRENT_MESSAGES,
            BatchMetrics::default(),
            BatchMetrics::count,
            work,
        )
        .await?;
        metrics.print(SystemClock.now());
        Ok(response)
    }
}

/// The real ports, borrowed for one invocation.
#[derive(Debug)]
struct Aws<'f>(PhantomData<&'f ()>);

impl<'f> PortTypes for Aws<'f> {
    type Directory = &'f HttpDirectory<SecretsManagerKeys, SystemClock>;
    type Store = &'f DynamoDbStore;
    type Queue = &'f SqsQueue;
    type Events = &'f EventBridgeBus;
    type Clock = SystemClock;
    type Documents = &'f Documents;
}
