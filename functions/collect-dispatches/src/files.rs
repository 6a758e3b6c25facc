//! Dispatch files: parcels that a site's warehouse drops as CSV, because its `OrderStatus` names
//! none.

use shared::domain::channel::{Channel, Mode};
use shared::domain::dispatch::file;
use shared::domain::dispatch::message::MESSAGE_IS_LOST;
use shared::domain::dispatch::prima_answer::{Found, on_file};
use shared::domain::events::{Event, EventKind, Severity};
use shared::domain::notify::tell;
use shared::domain::state::{NumberStore, OrderStore, StoreError};
use shared::kit::clock::{Clock, after};
use shared::prima::order::PrimaParcel;

use crate::report::{Oddity, Report};
use crate::{PortTypes, Ports, looked_after};

/// Where dispatch files are dropped.
pub trait Inbox {
    /// The names of some files that wait, oldest first.
    ///
    /// # Errors
    /// The place cannot be looked at.
    async fn waiting(&self) -> Result<Vec<String>, InboxError>;

    /// A file's text.
    ///
    /// # Errors
    /// It cannot be read, now or ever.
    async fn read(&self, name: &str) -> Result<String, Unread>;

    /// Puts a file away, so that it is not taken in again.
    ///
    /// # Errors
    /// It cannot be moved: it is taken in again then, which does no harm.
    async fn put_away(&self, name: &str, verdict: &Verdict) -> Result<(), InboxError>;
}

/// What the place of the files did not do; each with what it said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InboxError {
    /// The files cannot be listed.
    #[error("the bucket cannot be listed: {0}")]
    NotListed(String),
    /// A file cannot be put where it ends.
    #[error("the file cannot be copied: {0}")]
    NotCopied(String),
    /// The reasons cannot be put beside a refused file.
    #[error("the reasons cannot be written: {0}")]
    ReasonsNotWritten(String),
    /// A file cannot be taken away from where it was dropped.
    #[error("the file cannot be deleted: {0}")]
    NotDeleted(String),
}

/// Why a file was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// The next run tries again.
    Later(String),
    /// No run can take it in: what is wrong, and the remedy.
    Never(String),
}

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All of it was taken over.
    Done,
    /// Some lines, or the whole of it, could not be used: one sentence each.
    Refused(Vec<String>),
}

/// What became of one order's parcels.
enum Taken {
    Over,
    Not(String),
    Later,
}

impl<T: PortTypes> Ports<T> {
    /// Takes in the files that wait. Parcels are recorded once, however often a file names them.
    pub(crate) async fn take_in_files(&self, channels: &[Channel], report: &mut Report) {
        let Some(inbox) = &self.inbox else { return };
        let names = match inbox.waiting().await {
            Ok(names) => names,
            Err(problem) => {
                tracing::warn!(%problem, "dispatch files cannot be listed; the next run tries again");
                report.count(Oddity::FilesUnavailable);
                return;
            }
        };
        for name in names {
            let taken_in = match inbox.read(&name).await {
                Ok(text) => self.take_in(&text, channels, report).await,
                Err(Unread::Never(problem)) => Ok(vec![problem]),
                Err(Unread::Later(problem)) => {
                    tracing::warn!(
                        file = name,
                        problem,
                        "a dispatch file cannot be read; the next run tries again"
                    );
                    report.count(Oddity::FilesUnavailable);
                    continue;
                }
            };
            let verdict = match taken_in {
                Ok(problems) if problems.is_empty() => Verdict::Done,
                Ok(problems) => Verdict::Refused(problems),
                Err(()) => continue,
            };
            report.files += 1;
            if let Verdict::Refused(problems) = &verdict {
                self.tell_of_refused(&name, problems).await;
            }
            if let Err(problem) = inbox.put_away(&name, &verdict).await {
                tracing::warn!(file = name, %problem, "a dispatch file could not be put away; it is taken in again, which does no harm");
            }
        }
    }

    /// Answers what could not be used; an error where the store fails, so that the file waits.
    async fn take_in(
        &self,
        text: &str,
        channels: &[Channel],
        report: &mut Report,
    ) -> Result<Vec<String>, ()> {
        let read = match file::read(text) {
            Ok(read) => read,
            Err(problem) => return Ok(vec![problem.to_string()]),
        };
        self.report_odd_forms(&read.odd, None, report).await;
        let mut problems: Vec<String> =
            read.problems.iter().map(|(line, problem)| format!("line {line}: {problem}")).collect();
        for (number, parcels) in &read.orders {
            match self.take_over_parcels(number, parcels, channels, report).await {
                Taken::Over => {}
                Taken::Not(problem) => problems.push(format!("order {number}: {problem}")),
                Taken::Later => return Err(()),
            }
        }
        Ok(problems)
    }

    async fn take_over_parcels(
        &self,
        number: &str,
        parcels: &[PrimaParcel],
        channels: &[Channel],
        report: &mut Report,
    ) -> Taken {
        let key = match self.store.holder_of(number).await {
            Ok(Some(key)) => key,
            Ok(None) => {
                return Taken::Not("the connector created no such order in Prima".to_owned());
            }
            Err(_) => return Taken::Later,
        };
        let Some(channel) = channels
            .iter()
            .find(|channel| channel.id == key.channel && channel.dispatches == Mode::Live)
        else {
            return Taken::Not(format!("the dispatches of channel {} are not live", key.channel));
        };
        for _try in 0..4 {
            let now = self.clock.now();
            let mut row = match self.store.load_order(&key).await {
                Ok(Some(row)) => row,
                Ok(None) => return Taken::Not("its row is gone".to_owned()),
                Err(_) => return Taken::Later,
            };
            let known = |parcel: &PrimaParcel| {
                let parcels = row
                    .dispatch
                    .as_ref()
                    .map(|dispatch| dispatch.parcels.as_slice())
                    .unwrap_or_default();
                parcels.iter().any(|known| known.identity() == parcel.identity())
            };
            if parcels.iter().all(known) {
                return Taken::Over;
            }
            if !looked_after(&row) {
                return Taken::Not(format!("its order is {} already", row.stage.name()));
            }
            let found = on_file(&mut row, parcels, now);
            let sends =
                found == Found::Tell && row.dispatch.get_or_insert_default().begin_message(now);
            row.dispatch.get_or_insert_default().due_at = after(now, MESSAGE_IS_LOST);
            match self.store.save_order(&mut row).await {
                Ok(()) => {
                    if found != Found::Nothing {
                        self.follow_up(row, found, sends, channel, report).await;
                    }
                    return Taken::Over;
                }
                Err(StoreError::Conflict(_)) => {}
                Err(_) => return Taken::Later,
            }
        }
        Taken::Later
    }

    async fn tell_of_refused(&self, name: &str, problems: &[String]) {
        let shown: Vec<&str> = problems.iter().take(5).map(String::as_str).collect();
        let more = problems.len().saturating_sub(shown.len());
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let event = Event {
            kind: EventKind::DispatchFileRefused,
            channel: None,
            order: None,
            needs_person: true,
            severity: Severity::Warning,
            reason: format!("the dispatch file {name} could not be used whole: {}{more}", shown.join("; ")),
            remedy: "All other lines were taken over. Correct these and drop them as a new file; the refused file, with its reasons, stands under refused/ in the bucket."
                .to_owned(),
        };
        tell(&self.events, &[event]).await;
    }
}
