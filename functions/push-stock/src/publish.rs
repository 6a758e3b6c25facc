//! Sends an import in three steps: claims it, notes its lines as in doubt, sends it. Wherever a run
//! dies, the ledger claims no quantity that Mirakl may not show.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::MiraklDirectory;
use shared::domain::queue::{ImportMessage, ImportQueue};
use shared::domain::stock::cadence::Reason;
use shared::domain::stock::evaluate::Line;
use shared::domain::stock::files::{StockFiles, import_of};
use shared::domain::stock::import_memory::{FailedImport, ImportUnderWay, RefusedQuantity};
use shared::domain::stock::imports::{ImportLine, encode_lines, in_doubt, taken_back};
use shared::domain::stock::memory::ImportOwner;
use shared::domain::stock::rules::ImportKind;
use shared::kit::clock::{CLOCK_SKEW, Clock, after, before};
use shared::mirakl::rights::shows_right;
use shared::mirakl::stock::MiraklStock;
use shared::mirakl::stock_file::{FileLimits, Layout, StockFile, write_stock};
use shared::mirakl::{MiraklError, Outcome};

use crate::channel_run::{ChannelRun, Republication};
use crate::{PortTypes, Ports, Tick};

/// What one import holds at most: while Mirakl works on it, the next waits.
const LIMITS: FileLimits = FileLimits { lines: 100_000, bytes: 8 * 1024 * 1024 };
/// What is not sent within this is sent by a later run.
const LONGEST_SENDING: Duration = Duration::from_secs(30);
/// After so many refusals in a row for sending too early after another import, a person is told.
const OFTEN_THROTTLED: u32 = 10;
/// An import is asked about for the first time after this.
const FIRST_ASKED_AFTER: Duration = Duration::from_secs(15);

/// An import that this run has claimed, and that nobody else sends.
struct Claimed {
    import: ImportUnderWay,
    lines: Vec<ImportLine>,
}

impl<T: PortTypes> Ports<T> {
    /// Publishes as many of the lines as one import holds.
    pub(crate) async fn publish(
        &self,
        channel: &mut ChannelRun,
        lines: &[Line],
        reason: Reason,
        tick: Tick<'_>,
    ) {
        let kind = channel.documents.rules.import;
        // A right that was refused is tried again, less and less often.
        if channel
            .memory
            .joint
            .refused_rights
            .wait(channel.id(), operation(kind), tick.now)
            .is_some()
        {
            return;
        }
        // A slow marketplace holds no other up: the next run tries again.
        let deadline = after(self.clock.now(), LONGEST_SENDING)
            .min(before(tick.run.hard_deadline, CLOCK_SKEW));
        let client = match self.directory.client(&channel.channel, deadline).await {
            Ok(client) => client,
            Err(problem) => return note_failure(channel, &problem, tick.now),
        };
        let Some(file) = write_file(channel, kind, lines, tick.now) else { return };
        let Some(claimed) = self.claim(channel, kind, lines, &file, tick).await else { return };
        tracing::info!(channel = %channel.channel.id, lines = claimed.lines.len(), reason = reason.name(), mark = claimed.import.mark, "publishing");
        let answer = match kind {
            ImportKind::Stock => client.import_stock(file.csv).await,
            ImportKind::Offers => client.import_offers_quantities(file.csv).await,
        };
        if shows_right(&answer) {
            let id = channel.channel.id.clone();
            channel.memory.joint.refused_rights.works(&id, operation(kind));
        }
        self.note_answer(channel, claimed, answer, tick.now).await;
    }

    /// Claims the import of the lines that the file holds: keeps them, notes that the import is
    /// under way, and notes their entries as in doubt. None where that fails or another run was
    /// quicker: the next run publishes then.
    async fn claim(
        &self,
        channel: &mut ChannelRun,
        kind: ImportKind,
        lines: &[Line],
        file: &StockFile,
        tick: Tick<'_>,
    ) -> Option<Claimed> {
        let now = tick.now;
        let in_file: HashSet<&str> = file.skus().iter().map(String::as_str).collect();
        let lines: Vec<ImportLine> = lines
            .iter()
            .filter(|line| in_file.contains(line.offer_sku.as_str()))
            .map(ImportLine::from)
            .collect();
        let mark = format!("{}-{}", now.as_millisecond(), tick.run.id);
        self.keep_lines(channel, &mark, &lines).await?;
        let import = ImportUnderWay {
            mark,
            import_id: None,
            kind,
            // Not the run's own beginning: the reading of Prima lies between.
            begun_at: self.clock.now(),
            lines: lines.len(),
            ask_at: after(now, FIRST_ASKED_AFTER),
        };
        channel.memory.imports.under_way = Some(import.clone());
        let before_push = (
            channel.memory.run.pushed_at.replace(now),
            channel.memory.run.looked_at.replace(channel.sales.read_at),
        );
        if !self.save(channel, ImportOwner::Others).await
            || channel.memory.imports.under_way.as_ref() != Some(&import)
        {
            tracing::warn!(channel = %channel.channel.id, "another run has claimed the import, or it cannot be claimed; the next run publishes");
            channel.memory.imports.under_way.take_if(|found| *found == import);
            (channel.memory.run.pushed_at, channel.memory.run.looked_at) = before_push;
            return None;
        }
        if let Err(problem) = self.append(&mut channel.stored, &in_doubt(&lines)).await {
            tracing::warn!(channel = %channel.channel.id, %problem, "the ledger was changed meanwhile; the next run publishes");
            channel.memory.imports.under_way = None;
            (channel.memory.run.pushed_at, channel.memory.run.looked_at) = before_push;
            return None;
        }
        Some(Claimed { import, lines })
    }

    /// Keeps an import's lines before anything says that it is under way. None where that is not
    /// possible.
    async fn keep_lines(
        &self,
        channel: &ChannelRun,
        mark: &str,
        lines: &[ImportLine],
    ) -> Option<()> {
        let bytes = encode_lines(lines).inspect_err(|problem| {
            tracing::error!(channel = %channel.channel.id, %problem, "an import's lines cannot be kept");
        });
        let kept = self.files.write(&import_of(channel.id(), mark), bytes.ok()?).await.inspect_err(|problem| {
            tracing::warn!(channel = %channel.channel.id, %problem, "an import's lines cannot be kept; the next run publishes");
        });
        kept.ok()
    }

    /// Notes what Mirakl has answered to an import.
    async fn note_answer(
        &self,
        channel: &mut ChannelRun,
        claimed: Claimed,
        answer: Result<String, MiraklError>,
        now: Timestamp,
    ) {
        let Claimed { import, lines } = claimed;
        match answer {
            Ok(import_id) => {
                let mark = import.mark.clone();
                channel.memory.imports.under_way =
                    Some(ImportUnderWay { import_id: Some(import_id), ..import });
                channel.memory.imports.totals.pushes += 1;
                channel.memory.run.throttled = 0;
                (channel.report.published, channel.report.pushed) = (lines.len(), true);
                if channel.republication == Republication::Marked {
                    channel.note_republished();
                }
                self.save(channel, ImportOwner::ThisRun).await;
                self.ask_later(channel, &mark, FIRST_ASKED_AFTER).await;
            }
            Err(problem) if problem.outcome == Outcome::Unknown => {
                tracing::warn!(channel = %channel.channel.id, %problem, "nobody knows whether an import was taken; its lines are in doubt and go out again");
                channel
                    .memory
                    .imports
                    .give_up(format!("the answer to an import was lost: {problem}"), now);
                channel.report.failed = true;
                self.save(channel, ImportOwner::ThisRun).await;
            }
            Err(problem) => {
                channel.memory.imports.under_way = None;
                // Refused: nothing was changed.
                let changes = taken_back(&lines, channel.ledger());
                if let Err(problem) = self.append(&mut channel.stored, &changes).await {
                    tracing::warn!(channel = %channel.channel.id, %problem, "its lines stay in doubt");
                }
                note_failure(channel, &problem, now);
                self.save(channel, ImportOwner::ThisRun).await;
            }
        }
    }

    /// Has `check-stock-imports` ask how an import stands, after `delay`.
    pub(crate) async fn ask_later(&self, channel: &ChannelRun, mark: &str, delay: Duration) {
        let message = ImportMessage { channel: channel.id().to_owned(), mark: mark.to_owned() };
        if let Err(problem) = self.queue.ask_later(&message, delay).await {
            tracing::warn!(channel = %channel.channel.id, %problem, "an import's message could not be sent; a later run sends it");
        }
    }
}

/// Mirakl's operation.
fn operation(kind: ImportKind) -> &'static str {
    match kind {
        ImportKind::Stock => "STO01",
        ImportKind::Offers => "OF01",
    }
}

/// The import's file, with as many of the lines as it holds; none where none can be written.
fn write_file(
    channel: &mut ChannelRun,
    kind: ImportKind,
    lines: &[Line],
    now: Timestamp,
) -> Option<StockFile> {
    let layout = match kind {
        ImportKind::Stock => Layout::Stock,
        ImportKind::Offers => Layout::Offers,
    };
    let quantities = lines.iter().map(|line| (line.offer_sku.clone(), line.quantity));
    let written = write_stock(layout, quantities, LIMITS).inspect_err(|problem| {
        tracing::error!(channel = %channel.channel.id, %problem, "an import cannot be written");
    });
    let mut written = written.ok()?;
    let unwritable = written.refused.drain(..).map(|refused| RefusedQuantity {
        offer_sku: refused.offer_sku,
        quantity: refused.quantity,
        reason: refused.reason,
        at: now,
    });
    channel.memory.imports.note_refusals(unwritable.collect(), |_| false, now);
    if written.files.is_empty() {
        return None;
    }
    channel.memory.run.more = written.files.len() > 1;
    Some(written.files.swap_remove(0))
}

/// Notes that an import was not taken.
fn note_failure(channel: &mut ChannelRun, problem: &MiraklError, now: Timestamp) {
    tracing::warn!(channel = %channel.channel.id, %problem, "an import was not taken");
    channel.report.failed = true;
    if problem.is_key_refused() {
        let id = channel.channel.id.clone();
        channel.memory.joint.refused_rights.refuse(&id, problem, now);
        return;
    }
    // Too early after another import of this shop: that is no failure, unless it is always so.
    let is_throttled = problem.status == Some(429);
    let run = &mut channel.memory.run;
    run.throttled = if is_throttled { run.throttled.saturating_add(1) } else { 0 };
    if !is_throttled || run.throttled >= OFTEN_THROTTLED {
        channel.memory.imports.totals.imports_failed += 1;
        channel.memory.imports.failed = Some(FailedImport { at: now, reason: problem.to_string() });
    }
}
