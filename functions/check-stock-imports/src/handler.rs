//! The real ports, and one invocation.

use shared::aws::documents::Documents;
use shared::aws::queues::SqsQueue;
use shared::aws::stock_ledger::DynamoDbLedger;
use std::marker::PhantomData;
use std::time::SystemTime;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use jiff::Timestamp;
use lambda_runtime::Error;
use shared::aws::clients::ImportClients;
use shared::aws::secrets::SecretsManagerKeys;
use shared::aws::settings::{self, Settings};
use shared::aws::stock_files::S3StockFiles;
use shared::kit::clock::{Clock, SystemClock};
use shared::mirakl::client::HttpDirectory;

use crate::metrics::BatchMetrics;
use crate::{PortTypes, Ports, Run};

/// The function, wired to AWS and Mirakl.
#[derive(Debug)]
pub struct Function {
    aws: ImportClients,
    files: S3StockFiles,
    directory: HttpDirectory<SecretsManagerKeys, SystemClock>,
}

impl Function {
    /// Wires it from the environment. Calls nothing.
    ///
    /// # Errors
    /// Names the variable that is missing or malformed.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, Error> {
        let aws = ImportClients::from_settings(settings)?;
        let keys = SecretsManagerKeys::new(
            aws_sdk_secretsmanager::Client::new(&aws.config),
            settings.text(settings::SECRET_PREFIX)?,
        );
        Ok(Self {
            files: S3StockFiles::new(&aws.config, settings.text(settings::STOCK_FILES_BUCKET)?),
            directory: HttpDirectory::new(keys, SystemClock),
            aws,
        })
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
        let run = Run { hard_deadline: Timestamp::try_from(deadline)? };
        let ports = Ports::<Aws<'_>> {
            directory: &self.directory,
            ledger: self.aws.ledger.clone(),
            files: &self.files,
            queue: &self.aws.queue,
            clock: SystemClock,
            documents: &self.aws.documents,
        };
        let (ports, run) = (&ports, &run);
        let work = |message_id: String, body: String| async move {
            ports.handle(&message_id, &body, run).await
        };
        let (response, metrics) = shared::aws::batch::answer_counting(
            batch,
            1,
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
    type Ledger = DynamoDbLedger;
    type Files = &'f S3StockFiles;
    type Queue = &'f SqsQueue;
    type Clock = SystemClock;
    type Documents = &'f Documents;
}
