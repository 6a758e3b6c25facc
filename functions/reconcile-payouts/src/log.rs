//! Reading the transaction log (TL02): from the watermark on, and by cycles that are not final.
//! Mirakl's limits hold over runs, and an unfinished reading goes on in the next.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::payout::row::{CycleRow, CycleStage, LinesRead, UnfinishedReading};
use shared::domain::payout::store::{PayoutFiles, PayoutStore, reading_file};
use shared::kit::clock::{Clock, after, before};
use shared::mirakl::MiraklError;
use shared::mirakl::finance::{MiraklFinance, TransactionQuery};
use xxhash_rust::xxh3::xxh3_64;

use crate::lines::Lines;
use crate::shop::{ShopRun, closed_at, is_final};
use crate::{PortTypes, Ports, ReconcileError, Run};

/// Pages that Mirakl lets be read within a minute, and within an hour.
const PAGES: [(usize, Duration); 2] =
    [(20, Duration::from_secs(60)), (60, Duration::from_secs(3600))];
/// So much before the watermark is read again: what was written just then may have come later.
const OVERLAP: Duration = Duration::from_secs(600);
/// A page is not begun with less time left than this: what was read has to be kept.
const RESERVED: Duration = Duration::from_secs(60);
/// Mirakl's limit is waited for no longer than this; the next run goes on.
const LIMIT_WAITED: Duration = Duration::from_secs(20);
/// Cycles of one reading.
const MOST_CYCLES: usize = 100;
/// Between two readings of a cycle that waits for its payout.
const BETWEEN_READINGS_OF_TIED: Duration = Duration::from_secs(24 * 3600);
/// Runs in which a page cannot be read, after which a reading begins anew.
const MOST_FAILURES: u32 = 3;

/// How a reading ended in this run.
enum Ended {
    /// All of it was read.
    Whole,
    /// The next run goes on.
    Unfinished,
    /// It begins anew.
    GivenUp,
}

/// A reading, and the token of its next page; none before the first.
struct Reading {
    state: UnfinishedReading,
    is_begun: bool,
    /// Hashes of the ids that a reading by cycles has had.
    had: BTreeSet<u64>,
}

impl<T: PortTypes> Ports<T> {
    /// Reads what is due of the log, keeps its lines, and only then moves the watermark.
    pub(crate) async fn read_log(
        &self,
        shop: &mut ShopRun<'_>,
        client: &impl MiraklFinance,
        lines: &mut Lines,
        run: &Run,
    ) -> Result<(), ReconcileError> {
        let is_held = shop.row.refused.wait(&shop.channel.id, "TL02", shop.now).is_some();
        if is_held || shop.row.read_after.is_some_and(|at| at > shop.now) {
            return Ok(());
        }
        shop.row.read_after = None;
        let mut is_by_time_due = true;
        loop {
            let next = match shop.row.unfinished.take() {
                Some(state) => Some(self.continued(shop, state).await?),
                None if is_by_time_due => Some(by_time(shop)),
                None => by_cycles(shop, lines),
            };
            let Some(mut reading) = next else { return Ok(()) };
            is_by_time_due &= !reading.state.cycles.is_empty();
            if !reading.is_begun {
                forget_unreadable(lines, &reading.state.cycles);
            }
            let ended = self.read_pages(shop, client, &mut reading, lines, run).await;
            if matches!(ended, Ended::Whole) {
                drop_what_is_gone(lines, &reading);
            }
            lines.write(&self.files, &shop.listed()).await?;
            let is_over = match ended {
                Ended::Whole => {
                    shop.row.refused.works(&shop.channel.id, "TL02");
                    if reading.state.cycles.is_empty() {
                        shop.row.watermark = shop.row.watermark.max(reading.state.newest);
                        shop.row.read_at = Some(shop.now);
                    } else {
                        shop.note_readings(lines, &reading.state.cycles);
                    }
                    // A reading of cycles takes a hundred; there may be more.
                    false
                }
                Ended::Unfinished => {
                    self.keep(shop, reading).await?;
                    true
                }
                Ended::GivenUp => true,
            };
            self.store.save_shop(&shop.key, &mut shop.row).await?;
            if is_over {
                return Ok(());
            }
        }
    }

    async fn continued(
        &self,
        shop: &ShopRun<'_>,
        state: UnfinishedReading,
    ) -> Result<Reading, ReconcileError> {
        let name = reading_file(&shop.key);
        let bytes = if state.cycles.is_empty() { None } else { self.files.read(&name).await? };
        let had = bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose();
        match had {
            Ok(had) => Ok(Reading { state, is_begun: true, had: had.unwrap_or_default() }),
            Err(problem) => Err(ReconcileError::File { name, problem: problem.to_string() }),
        }
    }

    async fn keep(&self, shop: &mut ShopRun<'_>, reading: Reading) -> Result<(), ReconcileError> {
        if !reading.is_begun {
            // Not even its first page was read.
            return Ok(());
        }
        if !reading.state.cycles.is_empty() {
            let name = reading_file(&shop.key);
            let bytes = serde_json::to_vec(&reading.had).map_err(|problem| {
                ReconcileError::File { name: name.clone(), problem: problem.to_string() }
            })?;
            self.files.write(&name, bytes).await?;
        }
        shop.report.unfinished = true;
        shop.row.unfinished = Some(reading.state);
        Ok(())
    }

    async fn read_pages(
        &self,
        shop: &mut ShopRun<'_>,
        client: &impl MiraklFinance,
        reading: &mut Reading,
        lines: &mut Lines,
        run: &Run,
    ) -> Ended {
        loop {
            let now = self.clock.now();
            if !may_read(&mut shop.row.pages_at, now) || after(now, RESERVED) > run.hard_deadline {
                return Ended::Unfinished;
            }
            let query = TransactionQuery {
                updated_from: reading.state.updated_from,
                cycles: reading.state.cycles.clone(),
                limit_waited_until: Some(after(now, LIMIT_WAITED)),
            };
            let token = reading.is_begun.then_some(reading.state.token.as_str());
            shop.row.pages_at.push(now);
            let page = match client.transactions(&query, token).await {
                Ok(page) => page,
                Err(problem) => return after_failure(shop, reading, &problem),
            };
            shop.report.pages += 1;
            shop.report.lines += page.length;
            reading.state.failures = 0;
            for line in page.entries {
                if line.shop.as_ref().is_some_and(|of| *of != shop.key.shop) {
                    continue;
                }
                shop.report.contradicting += usize::from(line.contradicts_itself);
                reading.state.newest = reading.state.newest.max(line.last_updated);
                reading.had.insert(xxh3_64(line.id.as_bytes()));
                lines.ledger.take(Ok(line));
            }
            for line in page.unreadable {
                tracing::warn!(channel = %shop.channel.id, problem = %line, "a line of the transaction log cannot be read");
                reading.had.extend(line.id.as_ref().map(|id| xxh3_64(id.as_bytes())));
                reading.state.newest = reading.state.newest.max(line.last_updated);
                lines.ledger.take(Err(line));
            }
            let Some(next) = page.next_page_token else { return Ended::Whole };
            if !reading.state.seen.note(&next) {
                let circle =
                    MiraklError::unknown("TL02", "the pages of the log go round in a circle");
                shop.row.refused.fails(&shop.channel.id, &circle, String::new(), shop.now);
                return Ended::GivenUp;
            }
            (reading.state.token, reading.is_begun) = (next, true);
        }
    }
}

/// Reads on from the watermark, or from where the log is wanted.
fn by_time(shop: &ShopRun<'_>) -> Reading {
    let from = match shop.row.watermark {
        Some(watermark) => before(watermark, OVERLAP).max(shop.ledger_from()),
        None => shop.ledger_from(),
    };
    begun(UnfinishedReading { updated_from: Some(from), began: shop.now, ..Default::default() })
}

/// Reads the cycles that are not final and are due.
fn by_cycles(shop: &ShopRun<'_>, lines: &Lines) -> Option<Reading> {
    let (mut cycles, readings) = (BTreeSet::new(), shop.readings(lines));
    for row in &shop.cycles {
        let is_wanted = !is_final(row, shop.ledger_from()) || lines.has(&row.key);
        if is_wanted
            && closed_at(row) >= shop.ledger_from()
            && cycles.len() < MOST_CYCLES
            && is_due(shop, row, readings.get(&row.key))
        {
            cycles.insert(row.key.cycle.clone());
        }
    }
    if cycles.is_empty() {
        return None;
    }
    let cycles = cycles.into_iter().collect();
    Some(begun(UnfinishedReading { cycles, began: shop.now, ..Default::default() }))
}

fn is_due(shop: &ShopRun<'_>, row: &CycleRow, as_now: Option<&LinesRead>) -> bool {
    let Some(last) = row.readings.last() else { return true };
    if last.at >= shop.now {
        return false;
    }
    let between = match row.stage {
        CycleStage::Listed | CycleStage::Reading | CycleStage::Untied => {
            shop.documents.rules.confirm_after()
        }
        CycleStage::Tied | CycleStage::NothingToPost | CycleStage::BookedByHand => {
            BETWEEN_READINGS_OF_TIED
        }
    };
    let has_changed = as_now.is_some_and(|reading| reading.hash != last.hash);
    has_changed || after(last.at, between) <= shop.now
}

fn begun(state: UnfinishedReading) -> Reading {
    Reading { state, is_begun: false, had: BTreeSet::new() }
}

/// What of these cycles could not be read is read again. What names no cycle comes again where it
/// belongs to one of them.
fn forget_unreadable(lines: &mut Lines, cycles: &[String]) {
    if !cycles.is_empty() {
        lines
            .ledger
            .forget_unreadable(|line| line.cycle.as_ref().is_none_or(|of| cycles.contains(of)));
    }
}

/// Lines of these cycles that the marketplace no longer lists.
fn drop_what_is_gone(lines: &mut Lines, reading: &Reading) {
    let Reading { state, had, .. } = reading;
    if state.cycles.is_empty() {
        return;
    }
    lines.ledger.retain(|line| {
        let is_of_these = line.cycle.as_ref().is_some_and(|of| state.cycles.contains(of));
        !is_of_these || had.contains(&xxh3_64(line.id.as_bytes()))
    });
}

/// Whether Mirakl's limits leave room for a page; what is past them is forgotten.
fn may_read(pages_at: &mut Vec<Timestamp>, now: Timestamp) -> bool {
    let longest = PAGES.iter().map(|(_, within)| *within).max().unwrap_or_default();
    pages_at.retain(|at| after(*at, longest) > now);
    PAGES.iter().all(|(most, within)| {
        pages_at.iter().filter(|at| after(**at, *within) > now).count() < *most
    })
}

fn after_failure(shop: &mut ShopRun<'_>, reading: &mut Reading, problem: &MiraklError) -> Ended {
    tracing::warn!(channel = %shop.channel.id, %problem, "a page of the transaction log could not be read");
    let channel = &shop.channel.id;
    if problem.is_key_refused() {
        shop.row.refused.refuse(channel, problem, shop.now);
        return Ended::Unfinished;
    }
    if problem.status == Some(429) {
        shop.row.read_after = problem.retry_after.map(|wait| after(shop.now, wait));
        return Ended::Unfinished;
    }
    shop.row.refused.fails(channel, problem, String::new(), shop.now);
    reading.state.failures += 1;
    // A token that Mirakl refuses, or never answers, is of no use any more.
    let is_refused = matches!(problem.status, Some(400..=499));
    if reading.is_begun && (is_refused || reading.state.failures >= MOST_FAILURES) {
        return Ended::GivenUp;
    }
    Ended::Unfinished
}
