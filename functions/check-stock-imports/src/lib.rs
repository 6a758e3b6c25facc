//! `check-stock-imports`: asks Mirakl how an import stands until it has ended, and moves the ledger
//! for the lines that were imported.
//!
//! Guarantee: a quantity counts as shown only once its import is complete and its line is not in
//! the error report. An import that fails leaves its lines in doubt: the next push publishes them
//! again. One that is no longer waited for and ends after all has its lines published again, since
//! it may have overwritten what came later.
//!
//! On a crash: before the ledger is written, the message comes again and everything is asked again.
//! After that and before the import is noted as ended, it is settled once more, which changes
//! nothing. A lost message is sent again by `push-stock`.

mod ended;
pub mod handler;
pub mod metrics;

use std::time::Duration;

use jiff::Timestamp;
use shared::aws::batch;
pub use shared::aws::batch::Returned;
use shared::domain::channel::Channel;
use shared::domain::channel::MiraklDirectory;
use shared::domain::channel_documents::ChannelDocuments;
use shared::domain::queue::{ImportMessage, ImportQueue};
use shared::domain::state::ledger::{LedgerStore, StockRecord};
use shared::domain::stock::files::StockFiles;
use shared::domain::stock::import_memory::{FailedImport, ImportUnderWay};
use shared::domain::stock::memory::PushMemory;
use shared::domain::stock::rules::ImportKind;
use shared::kit::clock::{CLOCK_SKEW, Clock, after, before};
use shared::mirakl::MiraklError;
use shared::mirakl::error_report::LineError;
use shared::mirakl::stock::{ImportProgress, MiraklStock};

/// The longest that SQS delays a message.
const LONGEST_DELAY: Duration = Duration::from_secs(900);
/// A message is not begun with less time left than this.
const LEAST_TIME: Duration = Duration::from_secs(10);
/// An import that the marketplace does not know so long after it was taken is gone.
const KNOWN_WITHIN: Duration = Duration::from_secs(300);
/// Tries of a write that another run has been quicker with.
const TRIES: usize = 8;

/// The types of the ports: the real ones, or the fault simulation's.
pub trait PortTypes {
    /// See [`Ports::directory`].
    type Directory: MiraklDirectory<Client: MiraklStock>;
    /// See [`Ports::ledger`].
    type Ledger: LedgerStore;
    /// See [`Ports::files`].
    type Files: StockFiles;
    /// See [`Ports::queue`].
    type Queue: ImportQueue;
    /// See [`Ports::clock`].
    type Clock: Clock;
    /// See [`Ports::documents`].
    type Documents: ChannelDocuments;
}

/// What the function works with.
#[derive(Debug)]
pub struct Ports<T: PortTypes> {
    /// Hands out each channel's Mirakl client.
    pub directory: T::Directory,
    /// Ledgers and what is remembered.
    pub ledger: T::Ledger,
    /// The imports' lines.
    pub files: T::Files,
    /// The queue of imports that are followed up.
    pub queue: T::Queue,
    /// Time.
    pub clock: T::Clock,
    /// The channels.
    pub documents: T::Documents,
}

/// What becomes of a message.
pub type Disposition = batch::Disposition<Done>;

/// How a message is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The import is through.
    Complete,
    /// The import failed.
    Failed,
    /// The marketplace does not know the import any more.
    Gone,
    /// An import that had been given up has ended.
    StrayEnded,
    /// A copy of the message comes later.
    AgainLater,
    /// The import is not remembered, or has no id.
    NothingToAsk,
    /// Another message asks about the import, later.
    OlderCopy,
    /// The channel is gone.
    NoSuchChannel,
    /// A copy of the message was quicker.
    NoLongerWaitedFor,
    /// A copy of the message was quicker, of an import that had been given up.
    NoLongerRemembered,
}

/// One invocation.
#[derive(Clone, Debug)]
pub struct Run {
    /// When Lambda ends the function, whatever it does.
    pub hard_deadline: Timestamp,
}

/// How far an import has come, as Mirakl says.
enum ImportState {
    /// It is asked about again.
    Running,
    /// Through, but for these lines.
    Complete(Vec<LineError>),
    /// Which lines were imported is not known, nor will be.
    Failed(String),
    /// The marketplace does not know it: nobody can tell whether it is still applied.
    Gone,
}

impl<T: PortTypes> Ports<T> {
    /// Works off one message.
    pub async fn handle(&self, message_id: &str, body: &str, run: &Run) -> Disposition {
        let message: ImportMessage = match serde_json::from_str(body) {
            Ok(message) => message,
            Err(problem) => {
                tracing::error!(message_id, %problem, "a message cannot be read as one of an import; it goes, whole, to the dead-letter queue");
                return Disposition::Return(Returned::Unreadable);
            }
        };
        let disposition = self.follow_up(&message, run).await;
        tracing::info!(channel = %message.channel, mark = %message.mark, outcome = ?disposition, "worked off");
        disposition
    }

    async fn follow_up(&self, message: &ImportMessage, run: &Run) -> Disposition {
        if after(self.clock.now(), LEAST_TIME) > run.hard_deadline {
            return self.again(message, Duration::ZERO).await;
        }
        let Ok((memory, _)) =
            self.ledger.load_record::<PushMemory>(StockRecord::Push(&message.channel)).await
        else {
            return Disposition::Return(Returned::StoreUnavailable);
        };
        let waited_for =
            memory.imports.under_way.as_ref().filter(|import| import.mark == message.mark);
        let Some(import) = waited_for
            .or_else(|| memory.imports.stray.iter().find(|stray| stray.mark == message.mark))
            .cloned()
        else {
            return Disposition::Done(Done::NothingToAsk);
        };
        let Some(import_id) = import.import_id.clone() else {
            return Disposition::Done(Done::NothingToAsk);
        };
        // The message that counts comes later. Whoever noted when may have had a clock that was
        // ahead of ours.
        if import.ask_at > after(self.clock.now(), CLOCK_SKEW) {
            return Disposition::Done(Done::OlderCopy);
        }
        let channel = match self.documents.channels().await {
            Ok(list) => list.channels.into_iter().find(|channel| channel.id == message.channel),
            Err(_) => return Disposition::Return(Returned::DocumentsUnavailable),
        };
        let Some(channel) = channel else { return Disposition::Done(Done::NoSuchChannel) };
        // The right to ask was refused a while ago, for this import or another: it is tried again,
        // less and less often.
        let waits = questions(&import).map(|operation| {
            memory.joint.refused_rights.wait(&message.channel, operation, self.clock.now())
        });
        if let Some(wait) = waits.into_iter().flatten().max() {
            return self.again(message, wait).await;
        }
        let state = match self.ask_state(&channel, &import, &import_id, run).await {
            Ok(state) => state,
            Err(problem) => {
                tracing::warn!(channel = %channel.id, %problem, "an import cannot be asked about; asked again later");
                let wait = if problem.is_key_refused() {
                    self.refused(message, &problem).await
                } else {
                    problem.retry_after
                };
                return self
                    .again(
                        message,
                        wait.unwrap_or_else(|| {
                            self.next_question(&import).max(Duration::from_secs(60))
                        }),
                    )
                    .await;
            }
        };
        if !memory.joint.refused_rights.is_empty() {
            let works = |memory: &mut PushMemory| {
                for operation in questions(&import) {
                    memory.joint.refused_rights.works(&message.channel, operation);
                }
            };
            if self.change(&message.channel, works).await.is_err() {
                return Disposition::Return(Returned::StoreUnavailable);
            }
        }
        match state {
            ImportState::Running => self.again(message, self.next_question(&import)).await,
            _ if waited_for.is_none() => self.stray_ended(message).await,
            ImportState::Complete(errors) => self.complete(message, &errors).await,
            ImportState::Gone => {
                let (reason, now) = (
                    format!("import {import_id} is not known to the marketplace any more"),
                    self.clock.now(),
                );
                self.change(&message.channel, |memory| {
                    if memory.imports.waits_for(&message.mark) {
                        // Its lines go out again, and once more in case it is applied all the same.
                        memory.imports.give_up(reason.clone(), now);
                        for stray in memory
                            .imports
                            .stray
                            .iter_mut()
                            .filter(|stray| stray.mark == message.mark)
                        {
                            stray.import_id = None;
                        }
                    }
                })
                .await
                .map_or(Disposition::Return(Returned::StoreUnavailable), |()| {
                    Disposition::Done(Done::Gone)
                })
            }
            ImportState::Failed(reason) => {
                let reason = format!("import {import_id} {reason}");
                let now = self.clock.now();
                self.change(&message.channel, |memory| {
                    if let Some(import) = memory.imports.take(&message.mark) {
                        memory.imports.note_end(&import, now);
                        memory.imports.failed =
                            Some(FailedImport { at: now, reason: reason.clone() });
                        memory.imports.totals.imports_failed += 1;
                        // Its lines are in doubt: what they are to show is published again at once.
                        memory.joint.pending = true;
                    }
                })
                .await
                .map_or(Disposition::Return(Returned::StoreUnavailable), |()| {
                    Disposition::Done(Done::Failed)
                })
            }
        }
    }

    /// Notes that the key may not ask; `push-stock` tells of it. Answers when it is tried again.
    async fn refused(&self, message: &ImportMessage, problem: &MiraklError) -> Option<Duration> {
        let now = self.clock.now();
        let noted = self
            .change(&message.channel, |memory| {
                memory.joint.refused_rights.refuse(&message.channel, problem, now)
            })
            .await;
        noted.ok()?;
        let (memory, _) = self
            .ledger
            .load_record::<PushMemory>(StockRecord::Push(&message.channel))
            .await
            .ok()?;
        memory.joint.refused_rights.wait(&message.channel, problem.operation, now)
    }

    async fn ask_state(
        &self,
        channel: &Channel,
        import: &ImportUnderWay,
        import_id: &str,
        run: &Run,
    ) -> Result<ImportState, MiraklError> {
        let client = self
            .directory
            .client(channel, before(run.hard_deadline, Duration::from_secs(3)))
            .await?;
        let answer = match import.kind {
            ImportKind::Stock => client.stock_import(import_id).await,
            ImportKind::Offers => client.offers_import(import_id).await,
        };
        let Some(progress) = ImportProgress::of(&answer) else {
            return answer.map(|_| ImportState::Running);
        };
        Ok(match progress {
            ImportProgress::Running => ImportState::Running,
            ImportProgress::Unknown(word) => {
                tracing::warn!(channel = %channel.id, import_id, word, "an import stands in a way that this version does not know; taken for running");
                ImportState::Running
            }
            ImportProgress::Complete => ImportState::Complete(Vec::new()),
            ImportProgress::Failed(reason) => ImportState::Failed(format!(
                "failed: {}",
                reason.as_deref().unwrap_or("no reason given")
            )),
            // Just after it was taken it may not be known everywhere yet.
            ImportProgress::Gone if self.age_of(import) < KNOWN_WITHIN => ImportState::Running,
            ImportProgress::Gone => ImportState::Gone,
            ImportProgress::CompleteWithErrors => {
                let report = match import.kind {
                    ImportKind::Stock => client.stock_import_errors(import_id).await,
                    ImportKind::Offers => client.offers_import_errors(import_id).await,
                };
                match report {
                    Ok(errors) => ImportState::Complete(errors),
                    // Mirakl did not say whether there is a report, and there is none.
                    Err(problem)
                        if problem.status == Some(404) && says_nothing_of_errors(&answer) =>
                    {
                        ImportState::Complete(Vec::new())
                    }
                    Err(problem) => return Err(problem),
                }
            }
        })
    }

    /// A copy of the message comes after `delay`; `push-stock` knows when, and sends a lost one
    /// again.
    async fn again(&self, message: &ImportMessage, delay: Duration) -> Disposition {
        let delay = delay.min(LONGEST_DELAY);
        let ask_at = after(self.clock.now(), delay);
        let noted = self
            .change(&message.channel, |memory| {
                let imports = memory.imports.under_way.iter_mut().chain(&mut memory.imports.stray);
                imports
                    .filter(|import| import.mark == message.mark)
                    .for_each(|import| import.ask_at = ask_at);
            })
            .await;
        match (noted, self.queue.ask_later(message, delay).await) {
            (Ok(()), Ok(())) => Disposition::Done(Done::AgainLater),
            _ => Disposition::Return(Returned::QueueUnavailable),
        }
    }

    fn age_of(&self, import: &ImportUnderWay) -> Duration {
        Duration::try_from(self.clock.now().duration_since(import.begun_at)).unwrap_or_default()
    }

    /// STO02 may be asked every 15 seconds; an import that takes long is asked about less often.
    fn next_question(&self, import: &ImportUnderWay) -> Duration {
        Duration::from_secs(match self.age_of(import).as_secs() {
            ..120 => 15,
            120..600 => 60,
            600..3600 => 300,
            _ => 900,
        })
    }
}

/// The operations by which an import is asked about.
fn questions(import: &ImportUnderWay) -> [&'static str; 2] {
    match import.kind {
        ImportKind::Stock => ["STO02", "STO03"],
        ImportKind::Offers => ["OF02", "OF03"],
    }
}

fn says_nothing_of_errors(
    answer: &Result<shared::mirakl::stock::StockImport, MiraklError>,
) -> bool {
    answer.as_ref().is_ok_and(|import| {
        import.has_error_report.is_none() && import.lines_in_error.is_none_or(|lines| lines == 0)
    })
}
