//! Reaching the connector: clients for the tables, queues and secrets that the command line names.

use std::time::Duration;

use anyhow::{Result, anyhow};
use aws_config::SdkConfig;
use jiff::Timestamp;
use shared::aws::config::operator_config;
use shared::aws::documents::Documents;
use shared::aws::payout_files::S3PayoutFiles;
use shared::aws::payout_store::DynamoDbPayouts;
use shared::aws::queues::SqsQueue;
use shared::aws::secrets::SecretsManagerKeys;
use shared::aws::settings::{self, Settings};
use shared::aws::stock_files::S3StockFiles;
use shared::aws::stock_ledger::DynamoDbLedger;
use shared::aws::store::DynamoDbStore;
use shared::domain::channel::Channel;
use shared::kit::clock::{SystemClock, after};
use shared::mirakl::MiraklError;
use shared::mirakl::client::{HttpDirectory, MiraklClient};

use crate::answers::Refused;
use crate::arguments::Addresses;

/// The author where nobody is named.
const NOBODY: &str = "an operator";
/// How long a command waits for Mirakl, all of its calls together.
const PATIENCE: Duration = Duration::from_secs(60);

/// The connector, as one command sees it.
pub(crate) struct Connector {
    pub(crate) config: SdkConfig,
    pub(crate) now: Timestamp,
    /// Who gives the command.
    pub(crate) author: String,
    addresses: Addresses,
    retention: Duration,
}

impl Connector {
    /// Who gives the command, for what is recorded under a name.
    pub(crate) fn named_author(&self) -> Result<&str> {
        let named = self.author.trim();
        if named.is_empty() || named == NOBODY {
            return Err(Refused::because(
                "your name is missing: give --author NAME, or set PRIMA_MIRAKL_AUTHOR",
            ));
        }
        Ok(named)
    }

    /// Reads credentials and region; reaches nothing yet.
    pub(crate) async fn reach(addresses: Addresses, now: Timestamp) -> Result<Self> {
        let settings = Settings::of_process();
        let config = operator_config(addresses.endpoint_url.clone(), &settings).await;
        if config.region().is_none() {
            return Err(anyhow!(
                "no AWS region is set: set AWS_REGION, or choose a profile with AWS_PROFILE"
            ));
        }
        let author = addresses
            .author
            .clone()
            .or_else(|| settings.optional("USER"))
            .or_else(|| settings.optional("USERNAME"));
        let retention = settings.row_retention()?;
        Ok(Self {
            config,
            now,
            author: author.unwrap_or_else(|| NOBODY.to_owned()),
            addresses,
            retention,
        })
    }

    /// The orders' rows.
    pub(crate) fn store(&self) -> Result<DynamoDbStore> {
        let orders =
            named(self.addresses.orders_table.as_ref(), "orders-table", settings::ORDERS_TABLE)?;
        let channels = named(
            self.addresses.channels_table.as_ref(),
            "channels-table",
            settings::CHANNELS_TABLE,
        )?;
        let stock =
            named(self.addresses.stock_table.as_ref(), "stock-table", settings::STOCK_TABLE)?;
        Ok(DynamoDbStore::new(
            aws_sdk_dynamodb::Client::new(&self.config),
            orders,
            channels,
            stock,
            self.retention,
        ))
    }

    /// The stock's memory.
    pub(crate) fn ledger(&self) -> Result<DynamoDbLedger> {
        let stock =
            named(self.addresses.stock_table.as_ref(), "stock-table", settings::STOCK_TABLE)?;
        Ok(DynamoDbLedger::new(aws_sdk_dynamodb::Client::new(&self.config), stock))
    }

    /// The stock's large files.
    pub(crate) fn stock_files(&self) -> Result<S3StockFiles> {
        Ok(S3StockFiles::new(
            &self.config,
            named(
                self.addresses.stock_files_bucket.as_ref(),
                "stock-files-bucket",
                settings::STOCK_FILES_BUCKET,
            )?,
        ))
    }

    /// The documents.
    pub(crate) fn documents(&self) -> Result<Documents> {
        let channels = named(
            self.addresses.channels_table.as_ref(),
            "channels-table",
            settings::CHANNELS_TABLE,
        )?;
        let rules =
            named(self.addresses.rules_table.as_ref(), "rules-table", settings::RULES_TABLE)?;
        Ok(Documents::new(aws_sdk_dynamodb::Client::new(&self.config), channels, rules))
    }

    pub(crate) fn orders_queue_url(&self) -> Result<String> {
        named(
            self.addresses.orders_queue_url.as_ref(),
            "orders-queue-url",
            settings::ORDERS_QUEUE_URL,
        )
    }

    pub(crate) fn dead_letter_queue_url(&self) -> Result<String> {
        named(
            self.addresses.dead_letter_queue_url.as_ref(),
            "dead-letter-queue-url",
            settings::DEAD_LETTER_QUEUE_URL,
        )
    }

    pub(crate) fn dispatches_queue_url(&self) -> Result<String> {
        named(
            self.addresses.dispatches_queue_url.as_ref(),
            "dispatches-queue-url",
            settings::DISPATCHES_QUEUE_URL,
        )
    }

    pub(crate) fn dispatches_dead_letter_queue_url(&self) -> Result<String> {
        named(
            self.addresses.dispatches_dead_letter_queue_url.as_ref(),
            "dispatches-dead-letter-queue-url",
            settings::DISPATCHES_DEAD_LETTER_QUEUE_URL,
        )
    }

    /// The dispatches queue.
    pub(crate) fn dispatches_queue(&self) -> Result<SqsQueue> {
        let client = aws_sdk_sqs::Client::new(&self.config);
        Ok(SqsQueue::new(
            client,
            self.dispatches_queue_url()?,
            self.dispatches_dead_letter_queue_url()?,
        ))
    }

    pub(crate) fn stock_imports_queue_url(&self) -> Result<String> {
        named(
            self.addresses.stock_imports_queue_url.as_ref(),
            "stock-imports-queue-url",
            settings::STOCK_IMPORTS_QUEUE_URL,
        )
    }

    pub(crate) fn stock_imports_dead_letter_queue_url(&self) -> Result<String> {
        named(
            self.addresses.stock_imports_dead_letter_queue_url.as_ref(),
            "stock-imports-dead-letter-queue-url",
            settings::STOCK_IMPORTS_DEAD_LETTER_QUEUE_URL,
        )
    }

    /// The rows of payouts.
    pub(crate) fn payouts(&self) -> Result<DynamoDbPayouts> {
        let table =
            named(self.addresses.payouts_table.as_ref(), "payouts-table", settings::PAYOUTS_TABLE)?;
        Ok(DynamoDbPayouts::new(aws_sdk_dynamodb::Client::new(&self.config), table))
    }

    /// The large files of payouts.
    pub(crate) fn payout_files(&self) -> Result<S3PayoutFiles> {
        Ok(S3PayoutFiles::new(
            &self.config,
            named(
                self.addresses.payout_files_bucket.as_ref(),
                "payout-files-bucket",
                settings::PAYOUT_FILES_BUCKET,
            )?,
        ))
    }

    pub(crate) fn journals_queue_url(&self) -> Result<String> {
        named(
            self.addresses.journals_queue_url.as_ref(),
            "journals-queue-url",
            settings::JOURNALS_QUEUE_URL,
        )
    }

    pub(crate) fn journals_dead_letter_queue_url(&self) -> Result<String> {
        named(
            self.addresses.journals_dead_letter_queue_url.as_ref(),
            "journals-dead-letter-queue-url",
            settings::JOURNALS_DEAD_LETTER_QUEUE_URL,
        )
    }

    pub(crate) fn secret_prefix(&self) -> Result<String> {
        named(self.addresses.secret_prefix.as_ref(), "secret-prefix", settings::SECRET_PREFIX)
    }

    /// The marketplaces' API keys.
    pub(crate) fn mirakl_keys(&self) -> Result<SecretsManagerKeys> {
        Ok(SecretsManagerKeys::new(
            aws_sdk_secretsmanager::Client::new(&self.config),
            self.secret_prefix()?,
        ))
    }

    /// When a command has waited long enough for a marketplace.
    pub(crate) fn patience_ends(&self) -> Timestamp {
        after(self.now, PATIENCE)
    }

    /// The channel's marketplace.
    pub(crate) fn mirakl(
        &self,
        keys: SecretsManagerKeys,
        channel: &Channel,
    ) -> Result<MiraklClient<SecretsManagerKeys, SystemClock>, MiraklError> {
        HttpDirectory::new(keys, SystemClock).client_of(channel.shop(), self.patience_ends())
    }

    /// A channel that is defined.
    pub(crate) async fn channel(&self, id: &str) -> Result<Channel> {
        let list = self.documents()?.channels().await?;
        if let Some((_, problem)) = list.unusable.iter().find(|(unusable, _)| unusable == id) {
            return Err(anyhow!("the definition of channel {id} cannot be used: {problem}"));
        }
        let known: Vec<&str> = list.channels.iter().map(|channel| channel.id.as_str()).collect();
        list.channels
            .iter()
            .find(|channel| channel.id == id)
            .cloned()
            .ok_or_else(|| unknown_channel(id, &known))
    }
}

fn unknown_channel(id: &str, known: &[&str]) -> anyhow::Error {
    match known {
        [] => anyhow!(
            "there is no channel {id}, nor any other: define one with `prima-mirakl channels put FILE`"
        ),
        known => anyhow!("there is no channel {id}: there is {}", known.join(", ")),
    }
}

fn named(value: Option<&String>, option: &str, variable: &str) -> Result<String> {
    value.cloned().filter(|value| !value.trim().is_empty()).ok_or_else(|| {
        anyhow!("--{option} is missing: give it, or set {variable}; the stack's outputs name it (aws cloudformation describe-stacks)")
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_where_to_find_it() {
        let error = named(None, "orders-table", "ORDERS_TABLE").unwrap_err().to_string();
        assert!(
            error.starts_with("--orders-table is missing: give it, or set ORDERS_TABLE"),
            "{error}"
        );
        assert!(named(Some(&" ".to_owned()), "a", "A").is_err());
        assert_eq!(
            unknown_channel("c", &["a", "b"]).to_string(),
            "there is no channel c: there is a, b"
        );
    }
}
