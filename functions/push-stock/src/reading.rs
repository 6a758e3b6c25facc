//! Asking Prima for everything, range by range.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use shared::domain::prima_breaker::{self, Admission, Call, STOCK_BY_NAME, STOCK_BY_RANGE, admit};
use shared::domain::stock::figures::Figures;
use shared::domain::stock::files::{FIGURES, StockFiles};
use shared::domain::stock::memory::StockMemory;
use shared::kit::clock::{Clock, after, before};
use shared::prima::stock::StockBasis;
use shared::prima::stock::ranges::{RangeLimits, RangePlan, Took};
use shared::prima::stock::{PrimaStock, ProductRange, RangeFailure, RangeReading};
use shared::prima::{Outcome, PrimaError};

use crate::report::{NamedReport, ReadingReport};
use crate::{PortTypes, Ports, Run, Tick};

/// What a range may take. One that takes more is split: Prima has other work besides.
const LIMITS: RangeLimits =
    RangeLimits { milliseconds: 20_000, bytes: 64 * 1024 * 1024, skus: 250_000 };
/// Left for evaluating and publishing: Prima's answers are cut then.
pub(crate) const RESERVED: Duration = Duration::from_secs(60);
/// No range is begun with less time than this for its answer.
const LEAST_TIME: Duration = Duration::from_secs(20);

/// Everything that a run has read.
#[derive(Default)]
struct Catalogue {
    read: Vec<(ProductRange, RangeReading)>,
    /// What each of these took.
    took: Vec<Took>,
    /// Ranges that were not read, in words.
    failed: Vec<String>,
    /// Some ranges were not asked for, because the run had no time left.
    is_unfinished: bool,
    /// Prima could not be reached.
    unreachable: Option<PrimaError>,
}

/// A range that was not read.
struct Unread {
    why: String,
    /// Some of the products that came all the same.
    products: Vec<String>,
    /// What was taken in vain.
    took: Took,
    /// Why, where it was asked for.
    error: Option<PrimaError>,
}

impl<T: PortTypes> Ports<T> {
    /// Reads all ranges and keeps the figures. A range that fails leaves its SKUs as they were.
    pub(crate) async fn read_prima(
        &self,
        memory: &mut StockMemory,
        basis: StockBasis,
        figures: &mut Figures,
        tick: Tick<'_>,
    ) -> ReadingReport {
        let mut report = ReadingReport::default();
        if admit(&self.store, &self.behaviour, Call::of(STOCK_BY_RANGE), tick.now).await
            == Admission::Refused
        {
            memory.failed_ranges =
                vec!["Prima is not asked now: it did not answer before".to_owned()];
            report.failed = 1;
            return report;
        }
        memory.asked_at = Some(tick.now);
        if memory.plan == RangePlan::default() && !self.settings.range_boundaries.is_empty() {
            memory.plan = RangePlan::parted_at(self.settings.range_boundaries.iter().cloned());
        }
        let catalogue = self.read_ranges(&mut memory.plan, basis, tick.run).await;
        memory.unfinished = catalogue.is_unfinished;
        self.note_whether_prima_answered(&catalogue).await;
        report.milliseconds = self.milliseconds_since(tick.now);
        (report.ranges, report.failed) = (catalogue.read.len(), catalogue.failed.len());
        if !catalogue.read.is_empty() {
            let taken = figures.take(&catalogue.read, catalogue.failed.is_empty());
            (report.figures, report.unusable) = (taken.figures, taken.unusable);
            (memory.skus, memory.unusable) = (figures.len(), taken.unusable);
            tracing::info!(
                figures = taken.figures,
                unusable = taken.unusable,
                absent = taken.absent,
                "Prima's stock was read"
            );
            catalogue.log_unusable();
            // What could not be kept is read again by the next run.
            memory.unfinished |= !self.keep(figures).await;
        }
        let mut failed = catalogue.failed;
        if failed.is_empty() {
            memory.sold.clear();
            memory.plan.join(&LIMITS);
        }
        // Ranges that several runs have read in turn are a whole catalogue too, as old as the
        // oldest.
        memory.whole_at = memory.plan.whole_since().or(memory.whole_at);
        failed.truncate(5);
        memory.failed_ranges = failed;
        report
    }

    /// Asks for all ranges. One that fails for its size is split, and its parts are asked for at
    /// once.
    async fn read_ranges(&self, plan: &mut RangePlan, basis: StockBasis, run: &Run) -> Catalogue {
        let mut catalogue = Catalogue::default();
        let mut ranges = plan.ranges_by_age();
        while !ranges.is_empty() {
            let answers: Vec<_> = stream::iter(std::mem::take(&mut ranges))
                .map(|range| self.read_range(range, basis, run))
                .buffer_unordered(self.calls.stock)
                .collect()
                .await;
            for (range, answer) in answers {
                match answer {
                    Ok((reading, took)) => {
                        catalogue.took.push(took);
                        catalogue.read.push((range, reading));
                    }
                    Err(unread) => ranges.extend(catalogue.parts_of(&range, unread, plan)),
                }
            }
        }
        let answered: usize = catalogue
            .read
            .iter()
            .map(|(_, reading)| reading.figures.len() + reading.unusable.len())
            .sum();
        if answered == 0 && catalogue.failed.is_empty() {
            // No catalogue is empty. So it counts as not read, and no offer goes to zero for it.
            catalogue.failed.push("Prima answered with an empty catalogue".to_owned());
            catalogue.read.clear();
        }
        for ((range, reading), took) in catalogue.read.iter().zip(&catalogue.took) {
            plan.learn(range, reading.asked_at, *took, &reading.products, &LIMITS);
        }
        catalogue
    }

    /// Tells Prima's breaker. A range without an answer may have been too large; only where there
    /// was no connection, Prima is at fault.
    async fn note_whether_prima_answered(&self, catalogue: &Catalogue) {
        let now = self.clock.now();
        if !catalogue.read.is_empty() {
            prima_breaker::answered(&self.store, &self.events, STOCK_BY_RANGE, now).await;
        } else if let Some(problem) = &catalogue.unreachable {
            prima_breaker::failed(
                &self.store,
                &self.events,
                &self.behaviour,
                Call::of(STOCK_BY_RANGE),
                problem,
                now,
            )
            .await;
        }
    }

    /// Asks for the SKUs that were sold since Prima answered, by name: what sells is known as of a
    /// minute ago, whatever the pace of whole readings. Without an answer they stay as they were,
    /// and are asked for again.
    pub(crate) async fn read_sold(
        &self,
        memory: &mut StockMemory,
        basis: StockBasis,
        figures: &mut Figures,
        now: Timestamp,
    ) -> Option<NamedReport> {
        if self.settings.named_skus == 0 {
            memory.sold.clear();
        }
        if memory.sold.is_empty() {
            return None;
        }
        let mut report = NamedReport { asked: memory.sold.len(), ..NamedReport::default() };
        let call = Call::of(STOCK_BY_NAME);
        if admit(&self.store, &self.behaviour, call, now).await == Admission::Refused {
            return Some(NamedReport { failed: true, ..report });
        }
        let answer = self.prima.named(&memory.sold, basis).await;
        prima_breaker::note(
            &self.store,
            &self.events,
            &self.behaviour,
            call,
            &answer,
            self.clock.now(),
        )
        .await;
        match answer {
            Ok(reading) => {
                let taken = figures.take_named(&reading);
                report.answered = taken.figures + taken.unusable;
                if self.keep(figures).await {
                    memory.sold.clear();
                }
            }
            Err(problem) => {
                tracing::warn!(%problem, "what was sold could not be asked for by name; the whole reading has it");
                report.failed = true;
            }
        }
        Some(report)
    }

    /// Keeps the figures for the next run. False where that was not possible.
    async fn keep(&self, figures: &Figures) -> bool {
        let kept = self.files.write(FIGURES, figures.encode()).await;
        if let Err(problem) = &kept {
            tracing::warn!(%problem, "Prima's figures could not be kept: the next run has those of before, and asks again");
        }
        kept.is_ok()
    }

    async fn read_range(
        &self,
        range: ProductRange,
        basis: StockBasis,
        run: &Run,
    ) -> (ProductRange, Result<(RangeReading, Took), Unread>) {
        let began = self.clock.now();
        if after(began, RESERVED + LEAST_TIME) > run.hard_deadline {
            return (range, Err(Unread::for_lack_of_time()));
        }
        let answer = self.prima.range(&range, basis).await;
        let milliseconds = self.milliseconds_since(began);
        let read = match answer {
            Ok(reading) => {
                let skus = (reading.figures.len() + reading.unusable.len()) as u64;
                let took = Took { milliseconds, bytes: reading.length, skus };
                Ok((reading, took))
            }
            Err(failure) => Err(Unread::after(failure, milliseconds)),
        };
        (range, read)
    }

    fn milliseconds_since(&self, began: Timestamp) -> u64 {
        u64::try_from(self.clock.now().duration_since(began).as_millis()).unwrap_or(0)
    }
}

impl Unread {
    /// It was not even asked for.
    fn for_lack_of_time() -> Self {
        let why = "the run had no time left for it; the next one begins with it".to_owned();
        Self { why, products: Vec::new(), took: Took::default(), error: None }
    }

    fn after(failure: RangeFailure, milliseconds: u64) -> Self {
        // Prima's refusal, or a call that never went out, says nothing of the range's size.
        let took = match failure.error.outcome {
            Outcome::Unknown => Took { milliseconds, bytes: failure.length, skus: failure.skus },
            Outcome::NotSent | Outcome::Refused => Took::default(),
        };
        Self {
            why: failure.to_string(),
            products: failure.products,
            took,
            error: Some(failure.error),
        }
    }
}

impl Catalogue {
    /// Notes that a range was not read; the parts that are to be asked for in its place, where it
    /// failed for its size.
    fn parts_of(
        &mut self,
        range: &ProductRange,
        unread: Unread,
        plan: &mut RangePlan,
    ) -> Vec<ProductRange> {
        let Unread { why, products, took, error } = unread;
        self.is_unfinished |= error.is_none();
        self.unreachable =
            error.filter(|error| error.outcome == Outcome::NotSent).or(self.unreachable.take());
        let parts = plan.cut(range, took, &products, &LIMITS);
        tracing::warn!(from = %range.from, to = %range.to, why, parts = parts.len(), "a range of Prima's catalogue was not read; its SKUs stay as they were");
        if parts.is_empty() {
            self.failed.push(format!("{}: {why}", shown(range)));
        }
        parts
    }

    /// Names some SKUs that have no figure that can be used.
    fn log_unusable(&self) {
        let unusable = self.read.iter().flat_map(|(_, reading)| &reading.unusable);
        for (sku, why) in unusable.filter_map(|one| Some((one.sku.as_ref()?, one.why))).take(5) {
            tracing::warn!(sku, %why, "a SKU has no figure that can be used");
        }
    }
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
