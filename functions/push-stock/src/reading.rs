//! Asking Prima for everything, range by range.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use shared::domain::channel::MiraklDirectory;
use shared::domain::events::EventBus;
use shared::domain::intake::{self, Admission, Call, STOCK_BY_NAME, STOCK_BY_RANGE, admit};
use shared::domain::queue::{ImportQueue, OrderQueue, ShownExceptions};
use shared::domain::state::ledger::LedgerStore;
use shared::domain::state::{FlightStore, Store};
use shared::domain::stock::book::StockBook;
use shared::domain::stock::figures::Figures;
use shared::domain::stock::files::{FIGURES, StockFiles};
use shared::domain::stock::memory::StockMemory;
use shared::kit::clock::{Clock, after, before};
use shared::mirakl::stock::MiraklStock;
use shared::prima::stock::ranges::{RangeLimits, RangePlan, Took};
use shared::prima::stock::{PrimaStock, ProductRange, RangeReading};
use shared::prima::{Outcome, PrimaError};

use crate::report::{NamedReport, ReadingReport};
use crate::{Basis, Ports, Run};

/// What a range may take: one that takes more is parted. Prima does other things besides.
const LIMITS: RangeLimits = RangeLimits { milliseconds: 20_000, bytes: 64 * 1024 * 1024, skus: 250_000 };
/// Left for evaluating and publishing: Prima's answers are cut then.
pub(crate) const RESERVED: Duration = Duration::from_secs(60);
/// No range is begun with less time than this for its answer.
const LEAST_TIME: Duration = Duration::from_secs(20);

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
    /// Reads all ranges and keeps the figures. A range that fails leaves its SKUs as they were.
    pub(crate) async fn read_prima(
        &self,
        memory: &mut StockMemory,
        basis: Basis,
        figures: &mut Figures,
        run: &Run,
        now: Timestamp,
    ) -> ReadingReport {
        let mut report = ReadingReport::default();
        if admit(&self.store, &self.manners, Call::of(STOCK_BY_RANGE), now).await == Admission::Closed {
            memory.failed_ranges = vec!["Prima's intake is closed: it did not answer".to_owned()];
            report.failed = 1;
            return report;
        }
        memory.asked_at = Some(now);
        if memory.plan == RangePlan::default() && !self.settings.range_boundaries.is_empty() {
            memory.plan = RangePlan::parted_at(self.settings.range_boundaries.iter().cloned());
        }
        let (mut read, mut failed) = (Vec::new(), Vec::new());
        let (mut took_each, mut is_unfinished, mut unreachable) = (Vec::new(), false, None);
        let mut ranges = memory.plan.ranges_by_age();
        // A range that fails for its size is parted, and its parts are asked for at once.
        while !ranges.is_empty() {
            let answers: Vec<_> = stream::iter(std::mem::take(&mut ranges))
                .map(|range| self.read_range(range, basis, run))
                .buffer_unordered(self.settings.concurrent_ranges)
                .collect()
                .await;
            for (range, answer) in answers {
                match answer {
                    Ok((reading, took)) => {
                        took_each.push(took);
                        read.push((range, reading));
                    }
                    Err(Unread { problem, products, took, came_too_late, error }) => {
                        is_unfinished |= came_too_late;
                        unreachable = error.filter(|error| error.outcome == Outcome::NotSent).or(unreachable);
                        let parts = memory.plan.cut(&range, took, &products, &LIMITS);
                        tracing::warn!(from = %range.from, to = %range.to, problem, parts = parts.len(), "a range of Prima's catalogue was not read; its SKUs stay as they were");
                        match parts.is_empty() {
                            true => failed.push(format!("{}: {problem}", shown(&range))),
                            false => ranges.extend(parts),
                        }
                    }
                }
            }
        }
        let answered: usize = read.iter().map(|(_, reading)| reading.figures.len() + reading.unusable.len()).sum();
        if answered == 0 && failed.is_empty() {
            // No catalogue is empty: nothing follows from that, least of all zeroes, nor that it was read.
            failed.push("Prima answered with an empty catalogue".to_owned());
            read.clear();
        }
        for ((range, reading), took) in read.iter().zip(took_each) {
            memory.plan.learn(range, reading.asked_at, took, &reading.products, &LIMITS);
        }
        memory.unfinished = is_unfinished;
        if !read.is_empty() {
            intake::answered(&self.store, &self.events, STOCK_BY_RANGE, self.clock.now()).await;
        } else if let Some(problem) = unreachable {
            // Without an answer a range may have been too large. Without a connection it was not the range.
            intake::failed(&self.store, &self.events, &self.manners, Call::of(STOCK_BY_RANGE), &problem, self.clock.now()).await;
        }
        report.milliseconds = u64::try_from(self.clock.now().duration_since(now).as_millis()).unwrap_or(0);
        (report.ranges, report.failed) = (read.len(), failed.len());
        if !read.is_empty() {
            let taken = figures.take(&read, failed.is_empty());
            (report.figures, report.unusable) = (taken.figures, taken.unusable);
            (memory.skus, memory.unusable) = (figures.len(), taken.unusable);
            tracing::info!(figures = taken.figures, unusable = taken.unusable, absent = taken.absent, "Prima's stock was read");
            for unusable in
                read.iter().flat_map(|(_, reading)| &reading.unusable).filter_map(|one| Some((one.sku.as_ref()?, one.why))).take(5)
            {
                tracing::warn!(sku = unusable.0, why = %unusable.1, "a SKU has no figure that can be used");
            }
            self.keep(figures).await;
        }
        if failed.is_empty() {
            memory.sold.clear();
            memory.plan.join(&LIMITS);
        }
        // What was read by several runs in turn is whole as well, as of the oldest.
        memory.whole_at = memory.plan.whole_since().or(memory.whole_at);
        failed.truncate(5);
        memory.failed_ranges = failed;
        report
    }

    /// Asks for the SKUs that were sold since Prima answered, by name: what sells is known as of a minute ago, whatever the pace of whole
    /// readings. Without an answer they stay as they were, and are asked for again.
    pub(crate) async fn read_sold(&self, memory: &mut StockMemory, basis: Basis, figures: &mut Figures, now: Timestamp) -> NamedReport {
        let mut report = NamedReport { asked: memory.sold.len(), ..NamedReport::default() };
        let call = Call::of(STOCK_BY_NAME);
        if admit(&self.store, &self.manners, call, now).await == Admission::Closed {
            return NamedReport { failed: true, ..report };
        }
        let answer = self.prima.named(&memory.sold, basis).await;
        intake::note(&self.store, &self.events, &self.manners, call, &answer, self.clock.now()).await;
        match answer {
            Ok(reading) => {
                let taken = figures.take_named(&reading);
                report.answered = taken.figures + taken.unusable;
                memory.sold.clear();
                self.keep(figures).await;
            }
            Err(problem) => {
                tracing::warn!(%problem, "what was sold could not be asked for by name; the whole reading has it");
                report.failed = true;
            }
        }
        report
    }

    async fn keep(&self, figures: &Figures) {
        if let Err(problem) = self.files.write(FIGURES, figures.encode()).await {
            tracing::warn!(%problem, "Prima's figures could not be kept: the next run has those of before");
        }
    }

    async fn read_range(&self, range: ProductRange, basis: Basis, run: &Run) -> (ProductRange, Result<(RangeReading, Took), Unread>) {
        let began = self.clock.now();
        if after(began, RESERVED + LEAST_TIME) > run.hard_deadline {
            let problem = "the run had no time left for it; the next one begins with it".to_owned();
            return (range, Err(Unread { problem, products: Vec::new(), took: Took::default(), came_too_late: true, error: None }));
        }
        let answer = self.prima.range(&range, basis).await;
        let milliseconds = u64::try_from(self.clock.now().duration_since(began).as_millis()).unwrap_or(0);
        let answer = match answer {
            Ok(reading) => {
                let skus = (reading.figures.len() + reading.unusable.len()) as u64;
                let took = Took { milliseconds, bytes: reading.length, skus };
                Ok((reading, took))
            }
            Err(failure) => {
                // Prima's refusal, or a call that never went out, says nothing of the range's size.
                let took = match failure.error.outcome {
                    Outcome::Unknown => Took { milliseconds, bytes: failure.length, skus: failure.skus },
                    Outcome::NotSent | Outcome::Refused => Took::default(),
                };
                Err(Unread {
                    problem: failure.to_string(),
                    products: failure.products,
                    took,
                    came_too_late: false,
                    error: Some(failure.error),
                })
            }
        };
        (range, answer)
    }
}

/// A range that was not read.
struct Unread {
    problem: String,
    /// Some of the products that came all the same.
    products: Vec<String>,
    /// What was taken in vain.
    took: Took,
    /// It was not even asked for.
    came_too_late: bool,
    /// Why, where it was asked for.
    error: Option<PrimaError>,
}

/// Whether the catalogue was read whole lately enough not to need a person.
pub(crate) fn is_overdue(memory: &StockMemory, minutes: u32, now: Timestamp) -> bool {
    let earliest = before(now, Duration::from_secs(60 * u64::from(minutes)));
    !memory.failed_ranges.is_empty() && memory.whole_at.is_none_or(|whole_at| whole_at < earliest)
}

fn shown(range: &ProductRange) -> String {
    match (range.from.as_str(), range.to.as_str()) {
        ("", "") => "the whole catalogue".to_owned(),
        ("", to) => format!("products up to {to}"),
        (from, "") => format!("products from {from}"),
        (from, to) => format!("products from {from} to {to}"),
    }
}
