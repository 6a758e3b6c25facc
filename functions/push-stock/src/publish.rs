//! Sending an import, and looking after those under way: at most one is waited for at a time.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::MiraklDirectory;
use shared::domain::events::EventBus;
use shared::domain::queue::{ImportMessage, ImportQueue, OrderQueue, ShownExceptions};
use shared::domain::state::ledger::LedgerStore;
use shared::domain::state::{FlightStore, Store};
use shared::domain::stock::book::StockBook;
use shared::domain::stock::cadence::Reason;
use shared::domain::stock::evaluate::Line;
use shared::domain::stock::files::{StockFiles, import_of};
use shared::domain::stock::imports::{ImportLine, decode_lines, encode_lines, in_doubt, published_again, taken_back};
use shared::domain::stock::ledger::Change;
use shared::domain::stock::memory::{FailedImport, ImportUnderWay, RefusedQuantity};
use shared::domain::stock::offer::Shown;
use shared::domain::stock::rules::ImportKind;
use shared::kit::clock::{CLOCK_SKEW, Clock, after, before};
use shared::mirakl::rights::shows_right;
use shared::mirakl::stock::MiraklStock;
use shared::mirakl::stock_file::{FileLimits, Layout, write_stock};
use shared::mirakl::{MiraklError, Outcome};
use shared::prima::stock::PrimaStock;

use crate::{Desk, Ports, Run};

/// What one import holds: Mirakl works on it for so long, and the next waits.
const LIMITS: FileLimits = FileLimits { lines: 100_000, bytes: 8 * 1024 * 1024 };
/// An import is sent within this, or by a later run.
const LONGEST_SENDING: Duration = Duration::from_secs(30);
/// Refusals in a row because another import was sent just before, from which on a person is told.
const OFTEN_THROTTLED: u32 = 10;
/// An import is asked about for the first time after this.
const FIRST_ASKED_AFTER: Duration = Duration::from_secs(15);
/// A message that should have come so long ago is lost, and sent again.
const MESSAGE_LOST_AFTER: Duration = Duration::from_secs(180);
/// Nobody can be sending an import any more that was begun so long ago without an id.
const SENDING_ENDS_AFTER: Duration = Duration::from_secs(120);
/// The lines of an import whose id nobody knows go out again for the first time after this.
const FIRST_REPEATED_AFTER: Duration = Duration::from_secs(180);
/// An import that is no longer waited for is asked about for a day.
const STRAY_FOR: Duration = Duration::from_secs(24 * 3600);

impl<D, P, S, L, F, Q, E, C, B> Ports<D, P, S, L, F, Q, E, C, B>
where
    D: MiraklDirectory,
    D::Client: MiraklStock,
    P: PrimaStock,
    S: Store + FlightStore,
    L: LedgerStore,
    F: StockFiles,
    Q: ImportQueue + OrderQueue + ShownExceptions,
    E: EventBus,
    C: Clock,
    B: StockBook,
{
    /// Publishes as many of the lines as one import holds.
    pub(crate) async fn publish(&self, desk: &mut Desk, lines: Vec<Line>, reason: Reason, run: &Run, now: Timestamp) {
        let operation = match desk.pages.rules.import {
            ImportKind::Stock => "STO01",
            ImportKind::Offers => "OF01",
        };
        // The right to it was refused a while ago: it is tried again, less and less often.
        if desk.memory.refused_rights.wait(desk.id(), operation, now).is_some() {
            return;
        }
        // One marketplace that lets itself be waited for holds no other up: the next run tries again.
        let deadline = after(self.clock.now(), LONGEST_SENDING).min(before(run.hard_deadline, CLOCK_SKEW));
        let client = match self.directory.client(&desk.channel, deadline).await {
            Ok(client) => client,
            Err(problem) => return self.note_failure(desk, &problem, now),
        };
        let kind = desk.pages.rules.import;
        let layout = match kind {
            ImportKind::Stock => Layout::Stock,
            ImportKind::Offers => Layout::Offers,
        };
        let quantities = lines.iter().map(|line| (line.offer_sku.clone(), line.quantity));
        let mut files = match write_stock(layout, quantities, LIMITS) {
            Ok(files) => files,
            Err(problem) => {
                tracing::error!(channel = %desk.channel.id, %problem, "an import cannot be written");
                return;
            }
        };
        let unwritable = files.refused.drain(..).map(|refused| RefusedQuantity {
            offer_sku: refused.offer_sku,
            quantity: refused.quantity,
            reason: refused.reason,
            at: now,
        });
        desk.memory.note_refusals(unwritable.collect(), |_| false, now);
        if files.files.is_empty() {
            return;
        }
        desk.memory.more = files.files.len() > 1;
        let file = files.files.swap_remove(0);
        let sent: std::collections::HashSet<&str> = file.skus().iter().map(String::as_str).collect();
        let import: Vec<ImportLine> = lines.iter().filter(|line| sent.contains(line.offer_sku.as_str())).map(ImportLine::from).collect();
        let mark = format!("{}-{}", now.as_millisecond(), run.id);
        let Some(kept) = self.keep_lines(desk, &mark, &import).await else { return };
        let under_way = ImportUnderWay {
            mark: mark.clone(),
            import_id: None,
            kind,
            // Not the run's own beginning: the reading of Prima lies between.
            begun_at: self.clock.now(),
            lines: import.len(),
            ask_at: after(now, FIRST_ASKED_AFTER),
        };
        desk.memory.import = Some(under_way.clone());
        let before_push = (desk.memory.pushed_at.replace(now), desk.memory.looked_at.replace(desk.looked_at));
        // Claimed, then in doubt, then sent: whatever crashes between, nothing counts as shown that may not be.
        if !self.save(desk).await || desk.memory.import.as_ref() != Some(&under_way) {
            tracing::warn!(channel = %desk.channel.id, "another run has claimed the import, or it cannot be claimed; the next run publishes");
            (desk.memory.pushed_at, desk.memory.looked_at) = before_push;
            desk.memory.import.take_if(|import| *import == under_way);
            return;
        }
        if let Err(problem) = self.append(&mut desk.held, &in_doubt(&kept)).await {
            tracing::warn!(channel = %desk.channel.id, problem, "the ledger was changed meanwhile; the next run publishes");
            desk.memory.import = None;
            (desk.memory.pushed_at, desk.memory.looked_at) = before_push;
            return;
        }
        let count = kept.len();
        tracing::info!(channel = %desk.channel.id, lines = count, reason = reason.name(), mark, "publishing");
        let answer = match kind {
            ImportKind::Stock => client.import_stock(file.csv).await,
            ImportKind::Offers => client.import_offers_quantities(file.csv).await,
        };
        if shows_right(&answer) {
            let channel = desk.channel.id.clone();
            desk.memory.refused_rights.works(&channel, operation);
        }
        match answer {
            Ok(import_id) => {
                desk.memory.import = Some(ImportUnderWay { import_id: Some(import_id), ..under_way });
                desk.memory.totals.pushes += 1;
                desk.memory.throttled = 0;
                (desk.report.published, desk.report.pushed) = (count, true);
                if desk.marked_for_republication && std::mem::take(&mut desk.memory.republish) {
                    desk.republished = true;
                }
                self.save_import(desk).await;
                self.ask_later(desk, &mark, FIRST_ASKED_AFTER).await;
            }
            Err(problem) if problem.outcome == Outcome::Unknown => {
                tracing::warn!(channel = %desk.channel.id, %problem, "nobody knows whether an import was taken; its lines are in doubt and go out again");
                desk.memory.give_up(format!("the answer to an import was lost: {problem}"), now);
                desk.report.failed = true;
                self.save_import(desk).await;
            }
            Err(problem) => {
                desk.memory.import = None;
                // Refused: nothing was changed.
                let changes = taken_back(&kept, desk.held.ledger());
                if let Err(problem) = self.append(&mut desk.held, &changes).await {
                    tracing::warn!(channel = %desk.channel.id, problem, "its lines stay in doubt");
                }
                self.note_failure(desk, &problem, now);
                self.save_import(desk).await;
            }
        }
    }

    /// Keeps an import's lines before anything says that it is under way.
    async fn keep_lines(&self, desk: &Desk, mark: &str, import: &[ImportLine]) -> Option<Vec<ImportLine>> {
        let bytes = match encode_lines(import) {
            Ok(bytes) => bytes,
            Err(problem) => {
                tracing::error!(channel = %desk.channel.id, %problem, "an import's lines cannot be kept");
                return None;
            }
        };
        match self.files.write(&import_of(desk.id(), mark), bytes).await {
            Ok(()) => Some(import.to_vec()),
            Err(problem) => {
                tracing::warn!(channel = %desk.channel.id, %problem, "an import's lines cannot be kept; the next run publishes");
                None
            }
        }
    }

    fn note_failure(&self, desk: &mut Desk, problem: &MiraklError, now: Timestamp) {
        tracing::warn!(channel = %desk.channel.id, %problem, "an import was not taken");
        desk.report.failed = true;
        if problem.is_key_refused() {
            let channel = desk.channel.id.clone();
            desk.memory.refused_rights.refuse(&channel, problem, now);
            return;
        }
        // Too early after another import of this shop: that is no failure, unless it is always so.
        desk.memory.throttled = if problem.status == Some(429) { desk.memory.throttled.saturating_add(1) } else { 0 };
        if problem.status != Some(429) || desk.memory.throttled >= OFTEN_THROTTLED {
            desk.memory.totals.imports_failed += 1;
            desk.memory.failed = Some(FailedImport { at: now, reason: problem.to_string() });
        }
    }

    /// Saves what became of an import of this run: nobody else has changed it, since nobody else can know of it.
    async fn save_import(&self, desk: &mut Desk) {
        let ours = desk.memory.clone();
        if !self.save(desk).await {
            return;
        }
        let changed = (&desk.memory.import, &desk.memory.stray, &desk.memory.failed) != (&ours.import, &ours.stray, &ours.failed);
        if changed {
            // Something else of the record was changed meanwhile, and came in its place.
            desk.memory.import = ours.import;
            desk.memory.stray = ours.stray;
            (desk.memory.failed, desk.memory.totals) = (ours.failed, ours.totals);
            self.save(desk).await;
        }
    }

    async fn ask_later(&self, desk: &Desk, mark: &str, delay: Duration) {
        let message = ImportMessage { channel: desk.id().to_owned(), mark: mark.to_owned() };
        if let Err(problem) = self.queue.ask_later(&message, delay).await {
            tracing::warn!(channel = %desk.channel.id, %problem, "an import's message could not be sent; a later run sends it");
        }
    }

    /// Looks after imports under way: sends lost messages again, gives up what does not end, publishes again what may have been
    /// applied late.
    pub(crate) async fn watch_imports(&self, desk: &mut Desk, now: Timestamp) {
        if let Some(import) = desk.memory.import.clone() {
            let stuck_after = Duration::from_secs(60 * u64::from(desk.pages.rules.import_stuck_minutes));
            if import.import_id.is_none() && after(import.begun_at, SENDING_ENDS_AFTER) <= now {
                desk.memory.give_up("a run ended before it knew whether its import was taken".to_owned(), now);
            } else if after(import.begun_at, stuck_after) <= now {
                desk.memory.give_up(format!("an import has not ended after {} minutes", desk.pages.rules.import_stuck_minutes), now);
            } else if import.import_id.is_some() && after(import.ask_at, MESSAGE_LOST_AFTER) <= now {
                self.ask_later(desk, &import.mark, Duration::ZERO).await;
                if let Some(import) = &mut desk.memory.import {
                    import.ask_at = now;
                }
            }
        }
        self.watch_strays(desk, now).await;
        let lost: Vec<String> = desk
            .memory
            .stray
            .iter()
            .filter(|stray| stray.import_id.is_some() && after(stray.ask_at, 5 * MESSAGE_LOST_AFTER) <= now)
            .map(|stray| stray.mark.clone())
            .collect();
        for mark in lost {
            self.ask_later(desk, &mark, Duration::ZERO).await;
            for stray in desk.memory.stray.iter_mut().filter(|stray| stray.mark == mark) {
                stray.ask_at = now;
            }
        }
        if desk.memory.republish {
            let all: Vec<Change> = desk
                .held
                .ledger()
                .entries()
                .filter_map(|entry| match entry.value {
                    Shown::Known(quantity) => Some(Change { value: Shown::Unknown(quantity), ..entry }),
                    _ => None,
                })
                .collect();
            match self.append(&mut desk.held, &all).await {
                Ok(()) => desk.marked_for_republication = true,
                Err(problem) => tracing::warn!(channel = %desk.channel.id, problem, "the republication begins with the next run"),
            }
        }
    }

    /// Imports that are no longer waited for. One with an id is asked about for a day. Of one whose id nobody knows, nobody can tell when
    /// it is applied, if ever: its lines go out again after twice as long each time, so that what it overwrites is right again within
    /// twice the time that it took.
    async fn watch_strays(&self, desk: &mut Desk, now: Timestamp) {
        let is_due = |stray: &ImportUnderWay| match stray.import_id {
            Some(_) => after(stray.begun_at, STRAY_FOR) <= now,
            None => after(stray.begun_at, FIRST_REPEATED_AFTER) <= now && stray.ask_at <= now,
        };
        let due: Vec<String> = desk.memory.stray.iter().filter(|stray| is_due(stray)).map(|stray| stray.mark.clone()).collect();
        for mark in due {
            if !self.publish_again(desk, &mark).await {
                continue;
            }
            desk.memory.pending = true;
            desk.memory.stray.retain_mut(|stray| {
                let age = Duration::try_from(now.duration_since(stray.begun_at)).unwrap_or_default();
                if stray.mark == mark {
                    stray.ask_at = after(now, age);
                }
                stray.mark != mark || age < STRAY_FOR
            });
        }
    }

    /// Marks an import's lines so that they go out again. False where that has to be tried again.
    async fn publish_again(&self, desk: &mut Desk, mark: &str) -> bool {
        let lines = match self.files.read(&import_of(desk.id(), mark)).await {
            Ok(bytes) => bytes.and_then(|bytes| decode_lines(&bytes).ok()),
            Err(_) => return false,
        };
        let Some(lines) = lines else {
            tracing::warn!(channel = %desk.channel.id, mark, "the lines of an import that may still be applied are lost; everything is published again");
            desk.memory.republish = true;
            return true;
        };
        let changes = published_again(&lines, desk.held.ledger());
        self.append(&mut desk.held, &changes).await.is_ok()
    }
}
