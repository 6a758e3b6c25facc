//! The real ports, and one invocation.

use shared::aws::documents::Documents;
use shared::aws::event_bus::EventBridgeBus;
use shared::aws::queues::SqsQueue;
use shared::aws::store::DynamoDbStore;
use shared::prima::client::PrimaClient;
use std::marker::PhantomData;
use std::time::SystemTime;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::TaggingDirective;
use jiff::Timestamp;
use lambda_runtime::Error;
use shared::aws::clients::AwsClients;
use shared::aws::config::code_of;
use shared::aws::prima_client::Installed;
use shared::aws::settings::{self, Settings};
use shared::domain::dispatch::schedule::Source;
use shared::domain::prima_calls::PrimaCaller;
use shared::kit::clock::{Clock, SystemClock};

use crate::files::{Inbox, InboxError, Unread, Verdict};
use crate::{PortTypes, Ports, Report, Run, metrics};

/// Where files are dropped.
const INCOMING: &str = "incoming/";
/// Files taken in by one run.
const FILES: i32 = 10;
/// The largest file that is taken in: some 200,000 lines.
const LARGEST_FILE: i64 = 16 * 1024 * 1024;

/// The function, wired to AWS and Prima.
#[derive(Debug)]
pub struct Function {
    aws: AwsClients,
    bucket: Bucket,
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
            (settings::DISPATCHES_QUEUE_URL, settings::DISPATCHES_DEAD_LETTER_QUEUE_URL);
        let aws = AwsClients::from_settings(settings, queue, dead_letters, rules_table)?;
        // A bucket's name in the path: the only form that every S3, a local one too, understands.
        let s3 = aws_sdk_s3::config::Builder::from(&aws.config).force_path_style(true).build();
        let bucket = Bucket {
            client: aws_sdk_s3::Client::from_conf(s3),
            name: settings.text(settings::DISPATCH_FILES_BUCKET)?,
        };
        Ok(Self { aws, bucket, prima: Installed::new(PrimaCaller::CollectDispatches) })
    }

    /// One minute of all channels.
    ///
    /// # Errors
    /// There is no usable installation document, or the channels cannot be read.
    pub async fn run(&self, deadline: SystemTime) -> Result<Report, Error> {
        let hard_deadline = Timestamp::try_from(deadline)?;
        let (installation, client) = self.prima.now(&self.aws.documents).await?;
        let ports = Ports::<Aws<'_>> {
            prima: client.until(hard_deadline),
            store: &self.aws.store,
            queue: &self.aws.queue,
            events: &self.aws.events,
            clock: SystemClock,
            documents: &self.aws.documents,
            inbox: (installation.dispatch.source == Source::File).then_some(&self.bucket),
            settings: installation.dispatch,
            behaviour: installation.behaviour,
            calls: installation.calls,
        };
        let report = ports.collect(&Run { hard_deadline }).await?;
        metrics::print(&report, SystemClock.now());
        tracing::info!(
            due = report.due,
            postponed = report.postponed,
            asked = report.asked,
            queued = report.queued,
            exceptions = report.exceptions,
            resumed = report.resumed,
            files = report.files,
            "collected"
        );
        Ok(report)
    }
}

/// The real ports, borrowed for one invocation.
#[derive(Debug)]
struct Aws<'f>(PhantomData<&'f ()>);

impl<'f> PortTypes for Aws<'f> {
    type Prima = PrimaClient<SystemClock>;
    type Store = &'f DynamoDbStore;
    type Queue = &'f SqsQueue;
    type Events = &'f EventBridgeBus;
    type Clock = SystemClock;
    type Documents = &'f Documents;
    type Inbox = &'f Bucket;
}

/// The bucket of dispatch files: `incoming/` is where they are dropped, `done/` and `refused/`
/// where they end.
#[derive(Debug)]
struct Bucket {
    client: aws_sdk_s3::Client,
    name: String,
}

impl Inbox for &Bucket {
    async fn waiting(&self) -> Result<Vec<String>, InboxError> {
        let request =
            self.client.list_objects_v2().bucket(&self.name).prefix(INCOMING).max_keys(FILES);
        let answer =
            request.send().await.map_err(|error| InboxError::NotListed(code_of(&error)))?;
        let mut objects: Vec<_> = answer
            .contents()
            .iter()
            .filter_map(|object| Some((object.last_modified().copied(), object.key()?.to_owned())))
            .filter(|(_, key)| !key.ends_with('/'))
            .collect();
        objects.sort_by(|(one, a), (other, b)| {
            one.map(|at| at.as_nanos()).cmp(&other.map(|at| at.as_nanos())).then_with(|| a.cmp(b))
        });
        Ok(objects
            .into_iter()
            .filter_map(|(_, key)| key.strip_prefix(INCOMING).map(str::to_owned))
            .collect())
    }

    async fn read(&self, name: &str) -> Result<String, Unread> {
        let request = self.client.get_object().bucket(&self.name).key(format!("{INCOMING}{name}"));
        let answer = request.send().await.map_err(|error| Unread::Later(code_of(&error)))?;
        if let Some(length) = answer.content_length().filter(|length| *length > LARGEST_FILE) {
            return Err(Unread::Never(format!(
                "the file has {length} bytes, and {LARGEST_FILE} are taken at most: drop it in several files"
            )));
        }
        let bytes = answer
            .body
            .collect()
            .await
            .map_err(|_| Unread::Later("the file was cut short".to_owned()))?
            .into_bytes();
        // Warehouses write the Windows code page as often as UTF-8.
        Ok(match std::str::from_utf8(&bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => encoding_rs::WINDOWS_1252.decode(&bytes).0.into_owned(),
        })
    }

    async fn put_away(&self, name: &str, verdict: &Verdict) -> Result<(), InboxError> {
        let source = format!("{INCOMING}{name}");
        let place = match verdict {
            Verdict::Done => "done/",
            Verdict::Refused(_) => "refused/",
        };
        let escaped: String =
            url::form_urlencoded::byte_serialize(format!("{}/{source}", self.name).as_bytes())
                .collect();
        let copy = self
            .client
            .copy_object()
            .bucket(&self.name)
            .key(format!("{place}{name}"))
            .copy_source(escaped);
        // Without the tags that a warehouse may have given it: to copy those takes two more
        // permissions.
        let copy = copy.tagging_directive(TaggingDirective::Replace);
        copy.send().await.map_err(|error| InboxError::NotCopied(code_of(&error)))?;
        if let Verdict::Refused(problems) = verdict {
            let reasons = self
                .client
                .put_object()
                .bucket(&self.name)
                .key(format!("{place}{name}.reasons.txt"));
            let reasons = reasons.body(ByteStream::from(problems.join("\n").into_bytes()));
            reasons.send().await.map_err(|error| InboxError::ReasonsNotWritten(code_of(&error)))?;
        }
        let delete = self.client.delete_object().bucket(&self.name).key(source);
        delete.send().await.map(drop).map_err(|error| InboxError::NotDeleted(code_of(&error)))
    }
}
