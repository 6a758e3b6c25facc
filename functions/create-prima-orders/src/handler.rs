//! The real ports, and one invocation.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use jiff::Timestamp;
use lambda_runtime::Error;
use shared::channels::{DocumentKey, Documents};
use shared::clock::{Clock, SystemClock};
use shared::eventbridge::EventBridgeBus;
use shared::order::rules::OrderRules;
use shared::prima::installed::{Installed, Purpose};
use shared::settings::{self, Settings};
use shared::sqs::SqsQueue;
use shared::state::StoreError;
use shared::state::dynamodb::DynamoDbStore;
use shared::telemetry::Measures;

use crate::{Disposition, Ports, Rulebook, Rules, RulesProblem, Run};

/// Messages worked off at once in one process: with the event source's maximum concurrency of two, four calls to Prima.
const CONCURRENT_MESSAGES: usize = 2;
/// How much the clocks of two Lambda hosts may differ, and then some.
const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// The function, wired to AWS.
#[derive(Debug)]
pub struct Function {
    documents: Documents,
    store: DynamoDbStore,
    queue: SqsQueue,
    events: EventBridgeBus,
    /// The client of the installation document that it was made from: a changed document makes a new one.
    prima: Installed,
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
        Ok(Self {
            documents: Documents::new(database.clone(), channels_table.clone(), settings.text(settings::MAPS_TABLE)?),
            store: DynamoDbStore::new(database, settings.text(settings::ORDERS_TABLE)?, channels_table, settings.row_retention()?),
            queue: SqsQueue::new(
                aws_sdk_sqs::Client::new(&config),
                settings.text(settings::ORDERS_QUEUE_URL)?,
                settings.text(settings::DEAD_LETTER_QUEUE_URL)?,
            ),
            events: EventBridgeBus::new(aws_sdk_eventbridge::Client::new(&config), settings.text(settings::EVENT_BUS_NAME)?),
            prima: Installed::new(Purpose::Orders),
        })
    }

    /// Works off a batch.
    ///
    /// # Errors
    /// Nothing of the batch was worked off: there is no usable installation document, or a record has no id.
    pub async fn run(&self, batch: SqsEvent, request_id: &str, deadline: SystemTime) -> Result<SqsBatchResponse, Error> {
        let hard_deadline = Timestamp::try_from(deadline)?;
        let (installation, client) = self.prima.now(&self.documents).await?;
        let ports = Ports {
            prima: client.until(hard_deadline),
            store: &self.store,
            queue: &self.queue,
            events: &self.events,
            clock: SystemClock,
            rulebook: self,
            manners: installation.manners,
        };
        let run = Run { id: request_id.to_owned(), hard_deadline, clock_skew: CLOCK_SKEW };
        let outcomes = Mutex::new(Measures::of_function("create-prima-orders"));
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
        Disposition::Done("created") => "OrdersCreated",
        Disposition::Done("exception") => "OrderExceptions",
        Disposition::Done("cancelled") => "OrdersCancelled",
        Disposition::Done("again later") => "MessagesDelayed",
        Disposition::Done(_) => "MessagesWithoutEffect",
        Disposition::Return(_) => "MessagesReturned",
    };
    outcomes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).count(name, 1);
}

impl Rulebook for &Function {
    async fn rules(&self, channel_id: &str, skus: &[&str]) -> Result<Rules, RulesProblem> {
        let unavailable = |problem: StoreError| match problem {
            StoreError::Unreadable { record, problem } => RulesProblem::Wrong(format!("{record} cannot be used: {problem}")),
            other => RulesProblem::Unavailable(other.to_string()),
        };
        let key = DocumentKey::OrderRules(channel_id.to_owned());
        let order_rules: OrderRules = self
            .documents
            .read(&key)
            .await
            .map_err(unavailable)?
            .ok_or_else(|| RulesProblem::Wrong(format!("channel {channel_id} has no order rules")))?;
        let problems = order_rules.problems();
        if !problems.is_empty() {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            return Err(RulesProblem::Wrong(format!("the order rules of channel {channel_id} cannot be used: {}", problems.join("; "))));
        }
        let channel_name = self.documents.channel(channel_id).await.map_err(unavailable)?.map(|channel| channel.name).unwrap_or_default();
        let sku_overrides = self.documents.sku_overrides(channel_id, skus.iter().copied()).await.map_err(unavailable)?;
        Ok(Rules { channel_name, order_rules, sku_overrides })
    }
}
