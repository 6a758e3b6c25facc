//! The real ports, and one invocation.

use std::time::SystemTime;

use jiff::Timestamp;
use lambda_runtime::Error;
use shared::aws::channel_copy::ChannelCopy;
use shared::aws::clients::AwsClients;
use shared::aws::documents::Documents;
use shared::aws::event_bus::EventBridgeBus;
use shared::aws::metrics::Count;
use shared::aws::queues::SqsQueue;
use shared::aws::secrets::SecretsManagerKeys;
use shared::aws::settings::{self, Settings};
use shared::aws::store::DynamoDbStore;
use shared::domain::channel_documents::ChannelList;
use shared::kit::clock::{Clock, SystemClock};
use shared::mirakl::client::HttpDirectory;

use crate::metrics::{self, RunMetrics};
use crate::{PortTypes, Ports, Run};

/// The function, wired to AWS and Mirakl.
#[derive(Debug)]
pub struct Function {
    documents: Documents,
    copy: ChannelCopy,
    ports: Ports<Aws>,
}

impl Function {
    /// Wires it from the environment. Calls nothing.
    ///
    /// # Errors
    /// Names the variable that is missing or malformed.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, Error> {
        // Order rules are none of this function's business: it has no table for them.
        let aws = AwsClients::from_settings(
            settings,
            settings::ORDERS_QUEUE_URL,
            settings::DEAD_LETTER_QUEUE_URL,
            String::new(),
        )?;
        let (secrets, prefix) = (
            aws_sdk_secretsmanager::Client::new(&aws.config),
            settings.text(settings::SECRET_PREFIX)?,
        );
        let copy = ChannelCopy::new(secrets.clone(), &prefix);
        let keys = SecretsManagerKeys::new(secrets, prefix);
        Ok(Self {
            documents: aws.documents,
            copy,
            ports: Ports {
                directory: HttpDirectory::new(keys, SystemClock),
                store: aws.store,
                queue: aws.queue,
                events: aws.events,
                clock: SystemClock,
            },
        })
    }

    /// One minute of all channels.
    ///
    /// # Errors
    /// The channels' definitions can be read neither from the table nor from their copy, and this
    /// process never read them before. A channel's own trouble is none: its measures tell.
    pub async fn run(&self, request_id: &str, deadline: SystemTime) -> Result<Summary, Error> {
        let hard_deadline = Timestamp::try_from(deadline)?;
        let list = self.channels().await?;
        for (channel, problem) in &list.unusable {
            tracing::error!(
                channel,
                problem,
                "the channel's definition cannot be used; its last good version goes on, if this process knows one"
            );
        }
        let run = Run { id: request_id.to_owned(), hard_deadline };
        let reports = self.ports.poll_all(&list.channels, &run).await;
        let now = self.ports.clock.now();
        for report in &reports {
            metrics::print(report, now);
            tracing::info!(
                channel = %report.channel,
                skipped = ?report.skipped,
                completed = report.completed,
                listed = report.listed,
                waiting = report.waiting,
                acknowledged = report.acknowledged,
                queued = report.queued,
                referenced = report.referenced,
                "polled"
            );
        }
        RunMetrics { completed: Count(1), channels_unusable: Count(list.unusable.len()) }
            .print(now);
        Ok(Summary {
            channels: reports.len(),
            acknowledged: reports.iter().map(|report| report.acknowledged).sum(),
        })
    }

    /// The channels, from the table; from their copy where this process starts while DynamoDB
    /// fails: orders are accepted all the same.
    async fn channels(&self) -> Result<ChannelList, Error> {
        let problem = match self.documents.channels().await {
            Ok(list) => return Ok(list),
            Err(problem) => problem,
        };
        match self.copy.read().await {
            Ok(channels) => {
                tracing::error!(%problem, channels = channels.len(), "the channels table cannot be read: going on with the copy of its definitions");
                Ok(ChannelList { channels, unusable: Vec::new() })
            }
            Err(no_copy) => Err(format!("{problem}; and {no_copy}").into()),
        }
    }
}

/// The real ports.
#[derive(Debug)]
struct Aws;

impl PortTypes for Aws {
    type Directory = HttpDirectory<SecretsManagerKeys, SystemClock>;
    type Store = DynamoDbStore;
    type Queue = SqsQueue;
    type Events = EventBridgeBus;
    type Clock = SystemClock;
}

/// What an invocation answers: for whoever invokes it by hand.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Summary {
    /// Channels polled.
    pub channels: usize,
    /// Orders accepted.
    pub acknowledged: usize,
}
