//! What every function works with on AWS, wired from its environment.

use aws_config::SdkConfig;

use crate::channels::Documents;
use crate::eventbridge::EventBridgeBus;
use crate::settings::{self, SettingError, Settings};
use crate::sqs::SqsQueue;
use crate::state::dynamodb::DynamoDbStore;
use crate::state::ledger::dynamodb::DynamoDbLedger;

/// The clients that functions have in common. Making them calls nothing.
#[derive(Debug)]
pub struct Wired {
    /// For clients that one function alone needs.
    pub config: SdkConfig,
    /// The documents.
    pub documents: Documents,
    /// The orders' rows.
    pub store: DynamoDbStore,
    /// The function's queue and its dead-letter queue.
    pub queue: SqsQueue,
    /// The event bus.
    pub events: EventBridgeBus,
}

impl Wired {
    /// Wires them. `queue_url` and `dead_letter_queue_url` are the variables that name the function's queues; `maps_table` is empty
    /// for a function that reads no more than the definitions of channels.
    ///
    /// # Errors
    /// Names the variable that is missing or malformed.
    pub fn from_settings(
        settings: &Settings<'_>,
        queue_url: &str,
        dead_letter_queue_url: &str,
        maps_table: String,
    ) -> Result<Self, SettingError> {
        let config = crate::aws::function_config(settings)?;
        let database = aws_sdk_dynamodb::Client::new(&config);
        let channels_table = settings.text(settings::CHANNELS_TABLE)?;
        Ok(Self {
            documents: Documents::new(database.clone(), channels_table.clone(), maps_table),
            store: DynamoDbStore::new(
                database,
                settings.text(settings::ORDERS_TABLE)?,
                channels_table,
                settings.text(settings::STOCK_TABLE)?,
                settings.row_retention()?,
            ),
            queue: SqsQueue::new(aws_sdk_sqs::Client::new(&config), settings.text(queue_url)?, settings.text(dead_letter_queue_url)?),
            events: EventBridgeBus::new(aws_sdk_eventbridge::Client::new(&config), settings.text(settings::EVENT_BUS_NAME)?),
            config,
        })
    }

    /// The stock's memory.
    ///
    /// # Errors
    /// Its table is not named.
    pub fn ledger(&self, settings: &Settings<'_>) -> Result<DynamoDbLedger, SettingError> {
        Ok(DynamoDbLedger::new(aws_sdk_dynamodb::Client::new(&self.config), settings.text(settings::STOCK_TABLE)?))
    }
}
