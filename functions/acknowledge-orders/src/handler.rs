//! The real ports, and one invocation.

use std::time::SystemTime;

use jiff::Timestamp;
use lambda_runtime::Error;
use shared::aws::channel_copy::ChannelCopy;
use shared::aws::clients::Wired;
use shared::aws::documents::{ChannelList, Documents};
use shared::aws::event_bus::EventBridgeBus;
use shared::aws::queues::SqsQueue;
use shared::aws::secrets::SecretsManagerKeys;
use shared::aws::settings::{self, Settings};
use shared::aws::store::DynamoDbStore;
use shared::aws::telemetry::Measures;
use shared::kit::clock::{Clock, SystemClock};
use shared::mirakl::client::HttpDirectory;

use crate::{ChannelReport, Ports, Run};

type RealPorts = Ports<HttpDirectory<SecretsManagerKeys, SystemClock>, DynamoDbStore, SqsQueue, EventBridgeBus, SystemClock>;

/// The function, wired to AWS and Mirakl.
#[derive(Debug)]
pub struct Function {
    documents: Documents,
    copy: ChannelCopy,
    ports: RealPorts,
}

impl Function {
    /// Wires it from the environment. Calls nothing.
    ///
    /// # Errors
    /// Names the variable that is missing or malformed.
    pub fn from_settings(settings: &Settings<'_>) -> Result<Self, Error> {
        // Order rules are none of this function's business: it has no table for them.
        let aws = Wired::from_settings(settings, settings::ORDERS_QUEUE_URL, settings::DEAD_LETTER_QUEUE_URL, String::new())?;
        let (secrets, prefix) = (aws_sdk_secretsmanager::Client::new(&aws.config), settings.text(settings::SECRET_PREFIX)?);
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
    /// The channels' definitions can be read neither from the table nor from their copy, and this process never read them
    /// before. A channel's own trouble is none: its measures tell.
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
        let mut whole = Measures::of_function("acknowledge-orders");
        whole.count("RunsCompleted", 1).count("ChannelsUnusable", list.unusable.len());
        for report in &reports {
            measures(report).print(now);
            tracing::info!(
                channel = %report.channel,
                skipped = report.skipped.unwrap_or(""),
                completed = report.completed,
                listed = report.listed,
                waiting = report.waiting,
                acknowledged = report.acknowledged,
                queued = report.queued,
                referenced = report.referenced,
                "polled"
            );
        }
        whole.print(now);
        Ok(Summary { channels: reports.len(), acknowledged: reports.iter().map(|report| report.acknowledged).sum() })
    }

    /// The channels, from the table; from their copy where this process starts while DynamoDB fails: orders are accepted all
    /// the same.
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

/// What an invocation answers: for whoever invokes it by hand.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Summary {
    /// Channels polled.
    pub channels: usize,
    /// Orders accepted.
    pub acknowledged: usize,
}

/// A channel's measures, under the names that alarms and dashboards know.
fn measures(report: &ChannelReport) -> Measures {
    let mut measures = Measures::of_channel("acknowledge-orders", &report.channel);
    // An age that is not known is not said: a zero would end an alarm.
    if let Some(ages) = report.ages {
        measures
            .seconds("OldestOrderWaitingForPrimaSeconds", ages.waiting_for_prima.as_secs_f64())
            .seconds("OldestExceptionUnannouncedSeconds", ages.unannounced.as_secs_f64());
    }
    if report.skipped.is_some() {
        measures.count("PollsSkipped", 1);
        return measures;
    }
    if report.listed_whole || !report.oldest_unacknowledged.is_zero() {
        measures.seconds("OldestUnacknowledgedSeconds", report.oldest_unacknowledged.as_secs_f64());
    }
    measures
        .count("PollsCompleted", usize::from(report.completed))
        .count("OrdersSeen", report.listed)
        .count("OrdersWaiting", report.waiting)
        .count("OrdersAcknowledged", report.acknowledged)
        .count("OrdersQueued", report.queued)
        .count("ReferencesWritten", report.referenced)
        .count("Listings", report.pages)
        .count("Failures", usize::try_from(report.counts.values().sum::<u64>()).unwrap_or(usize::MAX));
    for &seconds in &report.seconds_to_acknowledge {
        measures.seconds("AcknowledgementSeconds", seconds);
    }
    for (kind, count) in &report.counts {
        tracing::warn!(channel = %report.channel, kind, count, "failures of this poll");
    }
    measures
}
