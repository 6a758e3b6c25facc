//! The real ports, and one invocation.

use std::marker::PhantomData;
use std::time::SystemTime;

use jiff::Timestamp;
use lambda_runtime::Error;
use shared::aws::clients::AwsClients;
use shared::aws::documents::Documents;
use shared::aws::event_bus::EventBridgeBus;
use shared::aws::prima_client::Installed;
use shared::aws::queues::SqsQueue;
use shared::aws::secrets::SecretsManagerKeys;
use shared::aws::settings::{self, Settings};
use shared::aws::stock_files::S3StockFiles;
use shared::aws::stock_ledger::DynamoDbLedger;
use shared::aws::store::DynamoDbStore;
use shared::domain::prima_calls::PrimaCaller;
use shared::kit::clock::{Clock, SystemClock, before};
use shared::mirakl::client::HttpDirectory;
use shared::prima::PrimaClient;

use crate::reading::RESERVED;
use crate::{PortTypes, Ports, Report, Run, metrics};

/// The function, wired to AWS, Mirakl and Prima.
#[derive(Debug)]
pub struct Function {
    aws: AwsClients,
    ledger: DynamoDbLedger,
    files: S3StockFiles,
    directory: HttpDirectory<SecretsManagerKeys, SystemClock>,
    prima: Installed,
}

impl Function {
    /// Wires it from the environment. Calls nothing.
    ///
    /// # Errors
    /// Names the variable that is missing or malformed.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, Error> {
        let rules_table = settings.text(settings::RULES_TABLE)?;
        let (queue, dead_letters) =
            (settings::STOCK_IMPORTS_QUEUE_URL, settings::STOCK_IMPORTS_DEAD_LETTER_QUEUE_URL);
        let aws = AwsClients::without_orders(settings, queue, dead_letters, rules_table)?;
        let keys = SecretsManagerKeys::new(
            aws_sdk_secretsmanager::Client::new(&aws.config),
            settings.text(settings::SECRET_PREFIX)?,
        );
        Ok(Self {
            ledger: aws.ledger(settings)?,
            files: S3StockFiles::new(&aws.config, settings.text(settings::STOCK_FILES_BUCKET)?),
            directory: HttpDirectory::new(keys, SystemClock),
            prima: Installed::new(PrimaCaller::PushStock),
            aws,
        })
    }

    /// One minute of all channels.
    ///
    /// # Errors
    /// There is no usable installation document, or what a run cannot do without cannot be read.
    pub async fn run(&self, request_id: &str, deadline: SystemTime) -> Result<Report, Error> {
        let hard_deadline = Timestamp::try_from(deadline)?;
        let (installation, client) = self.prima.now(&self.aws.documents).await?;
        let ports = Ports::<Aws<'_>> {
            directory: &self.directory,
            // An answer that is cut leaves time to keep what was learnt, and to publish.
            prima: client.until(before(hard_deadline, RESERVED)),
            store: &self.aws.store,
            ledger: self.ledger.clone(),
            files: &self.files,
            queue: &self.aws.queue,
            events: &self.aws.events,
            clock: SystemClock,
            documents: &self.aws.documents,
            settings: installation.stock,
            behaviour: installation.behaviour,
            calls: installation.calls,
        };
        let began = SystemClock.now();
        let report = ports.tick(&Run { id: request_id.to_owned(), hard_deadline }).await?;
        metrics::print(&report, began, SystemClock.now());
        Ok(report)
    }
}

/// The real ports, borrowed for one invocation.
#[derive(Debug)]
struct Aws<'f>(PhantomData<&'f ()>);

impl<'f> PortTypes for Aws<'f> {
    type Directory = &'f HttpDirectory<SecretsManagerKeys, SystemClock>;
    type Prima = PrimaClient<SystemClock>;
    type Store = &'f DynamoDbStore;
    type Ledger = DynamoDbLedger;
    type Files = &'f S3StockFiles;
    type Queue = &'f SqsQueue;
    type Events = &'f EventBridgeBus;
    type Clock = SystemClock;
    type Documents = &'f Documents;
}
