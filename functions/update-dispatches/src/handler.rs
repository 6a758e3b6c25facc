//! The real ports, and one invocation.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use jiff::Timestamp;
use lambda_runtime::Error;
use shared::channels::Documents;
use shared::clock::{Clock, SystemClock};
use shared::eventbridge::EventBridgeBus;
use shared::mirakl::client::HttpDirectory;
use shared::secrets::SecretsManagerKeys;
use shared::settings::{self, Settings};
use shared::sqs::SqsQueue;
use shared::state::dynamodb::DynamoDbStore;
use shared::telemetry::Measures;

use crate::{Disposition, Ports, Run};

/// Messages worked off at once in one process.
const CONCURRENT_MESSAGES: usize = 4;
/// How much the clocks of two Lambda hosts may differ, and then some.
const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// The function, wired to AWS and Mirakl.
#[derive(Debug)]
pub struct Function {
    documents: Documents,
    directory: HttpDirectory<SecretsManagerKeys, SystemClock>,
    store: DynamoDbStore,
    queue: SqsQueue,
    events: EventBridgeBus,
}

impl Function {
    /// Wires it from the environment. Calls nothing.
    ///
    /// # Errors
    /// Names the variable that is missing or malformed.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, Error> {
        let config = shared::aws::function_config(settings)?;
        let database = aws_sdk_dynamodb::Client::new(&config);
        let channels_table = settings.text(settings::CHANNELS_TABLE)?;
        let keys = SecretsManagerKeys::new(aws_sdk_secretsmanager::Client::new(&config), settings.text(settings::SECRET_PREFIX)?);
        Ok(Self {
            documents: Documents::new(database.clone(), channels_table.clone(), settings.text(settings::MAPS_TABLE)?),
            directory: HttpDirectory::new(keys, SystemClock),
            store: DynamoDbStore::new(database, settings.text(settings::ORDERS_TABLE)?, channels_table, settings.row_retention()?),
            queue: SqsQueue::new(
                aws_sdk_sqs::Client::new(&config),
                settings.text(settings::DISPATCHES_QUEUE_URL)?,
                settings.text(settings::DISPATCHES_DEAD_LETTER_QUEUE_URL)?,
            ),
            events: EventBridgeBus::new(aws_sdk_eventbridge::Client::new(&config), settings.text(settings::EVENT_BUS_NAME)?),
        })
    }

    /// Works off a batch.
    ///
    /// # Errors
    /// A record has no id: nothing of the batch was worked off.
    pub async fn run(&self, batch: SqsEvent, deadline: SystemTime) -> Result<SqsBatchResponse, Error> {
        let hard_deadline = Timestamp::try_from(deadline)?;
        let ports = Ports {
            directory: &self.directory,
            store: &self.store,
            queue: &self.queue,
            events: &self.events,
            clock: SystemClock,
            book: &self.documents,
        };
        let run = Run { hard_deadline, clock_skew: CLOCK_SKEW };
        let outcomes = Mutex::new(Measures::of_function("update-dispatches"));
        let response = shared::batch::answer(batch, CONCURRENT_MESSAGES, |message_id, body| {
            let (ports, run, outcomes) = (&ports, &run, &outcomes);
            async move {
                let disposition = ports.handle(&message_id, &body, run).await;
                count(outcomes, disposition);
                matches!(disposition, Disposition::Done(_))
            }
        })
        .await?;
        outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).print(SystemClock.now());
        Ok(response)
    }
}

fn count(outcomes: &Mutex<Measures>, disposition: Disposition) {
    let name = match disposition {
        Disposition::Done("shipped") => "OrdersShipped",
        Disposition::Done("part shipped") => "PartsShipped",
        Disposition::Done("exception") => "DespatchExceptions",
        Disposition::Done("again later") => "MessagesDelayed",
        Disposition::Done(_) => "MessagesWithoutEffect",
        Disposition::Return(_) => "MessagesReturned",
    };
    outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).count(name, 1);
}
