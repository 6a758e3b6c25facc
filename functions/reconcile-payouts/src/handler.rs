//! The real ports, and one invocation.

use std::marker::PhantomData;
use std::time::SystemTime;

use jiff::Timestamp;
use lambda_runtime::Error;
use shared::aws::clients::PayoutClients;
use shared::aws::documents::Documents;
use shared::aws::event_bus::EventBridgeBus;
use shared::aws::payout_files::S3PayoutFiles;
use shared::aws::payout_store::DynamoDbPayouts;
use shared::aws::prima_client::NotInstalled;
use shared::aws::queues::SqsQueue;
use shared::aws::secrets::SecretsManagerKeys;
use shared::aws::settings::{self, Settings};
use shared::kit::clock::{Clock, SystemClock};
use shared::mirakl::client::HttpDirectory;

use crate::{PortTypes, Ports, Report, Run, metrics};

/// The function, wired to AWS and Mirakl.
#[derive(Debug)]
pub struct Function {
    aws: PayoutClients,
    directory: HttpDirectory<SecretsManagerKeys, SystemClock>,
}

impl Function {
    /// Wires it from the environment. Calls nothing.
    ///
    /// # Errors
    /// Names the variable that is missing or malformed.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, Error> {
        let aws = PayoutClients::from_settings(settings)?;
        let keys = SecretsManagerKeys::new(
            aws_sdk_secretsmanager::Client::new(&aws.config),
            settings.text(settings::SECRET_PREFIX)?,
        );
        Ok(Self { directory: HttpDirectory::new(keys, SystemClock), aws })
    }

    /// One run over all channels.
    ///
    /// # Errors
    /// There is no usable installation document, or the channels cannot be read.
    pub async fn run(&self, request_id: &str, deadline: SystemTime) -> Result<Report, Error> {
        let hard_deadline = Timestamp::try_from(deadline)?;
        let finance = self.aws.documents.installation().await?.finance;
        let problems = finance.problems();
        if !problems.is_empty() {
            return Err(NotInstalled::Unusable(problems).into());
        }
        let ports = Ports::<Aws<'_>> {
            directory: &self.directory,
            documents: &self.aws.documents,
            store: &self.aws.payouts,
            files: &self.aws.files,
            queue: &self.aws.queue,
            events: &self.aws.events,
            clock: SystemClock,
            finance,
        };
        let began = SystemClock.now();
        // The flow's future is large: it stands on the heap.
        let run = Run { id: request_id.to_owned(), hard_deadline };
        let report = Box::pin(ports.tick(&run)).await?;
        metrics::print(&report, began, SystemClock.now());
        Ok(report)
    }
}

/// The real ports, borrowed for one invocation.
#[derive(Debug)]
struct Aws<'f>(PhantomData<&'f ()>);

impl<'f> PortTypes for Aws<'f> {
    type Directory = &'f HttpDirectory<SecretsManagerKeys, SystemClock>;
    type Documents = &'f Documents;
    type Store = &'f DynamoDbPayouts;
    type Files = &'f S3PayoutFiles;
    type Queue = &'f SqsQueue;
    type Events = &'f EventBridgeBus;
    type Clock = SystemClock;
}
