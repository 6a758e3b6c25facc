//! The clients of AWS that functions have in common, made from their environment.

use std::time::Duration;

use aws_config::SdkConfig;

use crate::aws::documents::Documents;
use crate::aws::event_bus::EventBridgeBus;
use crate::aws::payout_files::S3PayoutFiles;
use crate::aws::payout_store::DynamoDbPayouts;
use crate::aws::queues::SqsQueue;
use crate::aws::settings::{self, SettingError, Settings};
use crate::aws::stock_ledger::DynamoDbLedger;
use crate::aws::store::DynamoDbStore;

/// The clients that functions have in common. Making them calls nothing.
#[derive(Debug)]
pub struct AwsClients {
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

impl AwsClients {
    /// Makes them for a function that works with orders. `queue_url` and `dead_letter_queue_url`
    /// are the variables that name the function's queues; `rules_table` is empty for a function that
    /// reads no more than the definitions of channels.
    ///
    /// # Errors
    /// Names the variable that is missing or malformed.
    pub fn from_settings(
        settings: &Settings<'_>,
        queue_url: &str,
        dead_letter_queue_url: &str,
        rules_table: String,
    ) -> Result<Self, SettingError> {
        let (orders_table, retention) =
            (settings.text(settings::ORDERS_TABLE)?, settings.row_retention()?);
        Self::with_orders(
            settings,
            queue_url,
            dead_letter_queue_url,
            rules_table,
            orders_table,
            retention,
        )
    }

    /// Makes them for a function that reads what orders have in flight and whether Prima takes
    /// orders, and never an order itself: its store has no table of orders.
    ///
    /// # Errors
    /// As [`AwsClients::from_settings`].
    pub fn without_orders(
        settings: &Settings<'_>,
        queue_url: &str,
        dead_letter_queue_url: &str,
        rules_table: String,
    ) -> Result<Self, SettingError> {
        Self::with_orders(
            settings,
            queue_url,
            dead_letter_queue_url,
            rules_table,
            String::new(),
            Duration::ZERO,
        )
    }

    fn with_orders(
        settings: &Settings<'_>,
        queue_url: &str,
        dead_letter_queue_url: &str,
        rules_table: String,
        orders_table: String,
        retention: Duration,
    ) -> Result<Self, SettingError> {
        let config = crate::aws::config::function_config(settings)?;
        let database = aws_sdk_dynamodb::Client::new(&config);
        let channels_table = settings.text(settings::CHANNELS_TABLE)?;
        Ok(Self {
            documents: Documents::new(database.clone(), channels_table.clone(), rules_table),
            store: DynamoDbStore::new(
                database,
                orders_table,
                channels_table,
                settings.text(settings::STOCK_TABLE)?,
                retention,
            ),
            queue: SqsQueue::new(
                aws_sdk_sqs::Client::new(&config),
                settings.text(queue_url)?,
                settings.text(dead_letter_queue_url)?,
            ),
            events: EventBridgeBus::new(
                aws_sdk_eventbridge::Client::new(&config),
                settings.text(settings::EVENT_BUS_NAME)?,
            ),
            config,
        })
    }

    /// The stock's memory.
    ///
    /// # Errors
    /// Its table is not named.
    pub fn ledger(&self, settings: &Settings<'_>) -> Result<DynamoDbLedger, SettingError> {
        Ok(DynamoDbLedger::new(
            aws_sdk_dynamodb::Client::new(&self.config),
            settings.text(settings::STOCK_TABLE)?,
        ))
    }
}

/// The clients of the function that follows stock imports up: it touches no order, no map, no
/// dead-letter queue and no bus.
#[derive(Debug)]
pub struct ImportClients {
    /// For clients that one function alone needs.
    pub config: SdkConfig,
    /// The definitions of channels.
    pub documents: Documents,
    /// The stock's memory.
    pub ledger: DynamoDbLedger,
    /// The queue of imports.
    pub queue: SqsQueue,
}

impl ImportClients {
    /// Makes them.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, SettingError> {
        let config = crate::aws::config::function_config(settings)?;
        let database = aws_sdk_dynamodb::Client::new(&config);
        let queue_url = settings.text(settings::STOCK_IMPORTS_QUEUE_URL)?;
        Ok(Self {
            documents: Documents::new(
                database.clone(),
                settings.text(settings::CHANNELS_TABLE)?,
                String::new(),
            ),
            ledger: DynamoDbLedger::new(database, settings.text(settings::STOCK_TABLE)?),
            queue: SqsQueue::new(aws_sdk_sqs::Client::new(&config), queue_url, String::new()),
            config,
        })
    }
}

/// The clients of the functions of payouts. Making them calls nothing.
#[derive(Debug)]
pub struct PayoutClients {
    /// For clients that one function alone needs.
    pub config: SdkConfig,
    /// The documents.
    pub documents: Documents,
    /// The rows of shops and cycles.
    pub payouts: DynamoDbPayouts,
    /// Lines, journals and reports.
    pub files: S3PayoutFiles,
    /// The queue of journals and its dead-letter queue.
    pub queue: SqsQueue,
    /// The event bus.
    pub events: EventBridgeBus,
    /// Prima's slots and breakers, of the function that calls Prima: it has no table of orders.
    pub store: DynamoDbStore,
}

impl PayoutClients {
    /// Makes them.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, SettingError> {
        let config = crate::aws::config::function_config(settings)?;
        let database = aws_sdk_dynamodb::Client::new(&config);
        let channels_table = settings.text(settings::CHANNELS_TABLE)?;
        Ok(Self {
            documents: Documents::new(
                database.clone(),
                channels_table.clone(),
                settings.text(settings::RULES_TABLE)?,
            ),
            payouts: DynamoDbPayouts::new(
                database.clone(),
                settings.text(settings::PAYOUTS_TABLE)?,
            ),
            store: DynamoDbStore::new(
                database,
                String::new(),
                channels_table,
                String::new(),
                Duration::ZERO,
            ),
            files: S3PayoutFiles::new(&config, settings.text(settings::PAYOUT_FILES_BUCKET)?),
            queue: SqsQueue::new(
                aws_sdk_sqs::Client::new(&config),
                settings.text(settings::JOURNALS_QUEUE_URL)?,
                settings.text(settings::JOURNALS_DEAD_LETTER_QUEUE_URL)?,
            ),
            events: EventBridgeBus::new(
                aws_sdk_eventbridge::Client::new(&config),
                settings.text(settings::EVENT_BUS_NAME)?,
            ),
            config,
        })
    }
}
