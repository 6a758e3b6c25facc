//! Asking Prima for everything, range by range.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use shared::clock::{Clock, after, before};
use shared::events::EventBus;
use shared::intake::{Admission, admit};
use shared::mirakl::MiraklDirectory;
use shared::mirakl::stock::MiraklStock;
use shared::prima::stock::ranges::{RangeLimits, RangePlan, Took};
use shared::prima::stock::{PrimaStock, ProductRange, RangeReading};
use shared::queue::{ImportQueue, OrderQueue, ShownExceptions};
use shared::state::ledger::LedgerStore;
use shared::state::{FlightStore, Store};
use shared::stock::book::StockBook;
use shared::stock::figures::Figures;
use shared::stock::files::{FIGURES, StockFiles};
use shared::stock::memory::StockMemory;

use crate::report::ReadingReport;
use crate::{Basis, Ports, Run};

/// What a range may take: a range that fails costs no more, and Prima does other things besides.
const LIMITS: RangeLimits = RangeLimits { milliseconds: 20_000, bytes: 64 * 1024 * 1024, skus: 250_000 };
/// Left for evaluating and publishing: no range is begun later.
const RESERVED: Duration = Duration::from_secs(60);

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
        if admit(&self.store, &self.manners, now).await == Admission::Closed {
            memory.failed_ranges = vec!["Prima's intake is closed: it did not answer".to_owned()];
            report.failed = 1;
            return report;
        }
        memory.asked_at = Some(now);
        if memory.plan == RangePlan::default() && !self.settings.range_boundaries.is_empty() {
            memory.plan = RangePlan::parted_at(self.settings.range_boundaries.iter().cloned());
        }
        let ranges = memory.plan.ranges();
        let answers: Vec<_> = stream::iter(ranges)
            .map(|range| self.read_range(range, basis, run))
            .buffer_unordered(self.settings.concurrent_ranges)
            .collect()
            .await;
        let (mut read, mut failed) = (Vec::new(), Vec::new());
        for (range, answer) in answers {
            match answer {
                Ok((reading, took)) => {
                    memory.plan.learn(&range, took, &reading.products, &LIMITS);
                    read.push((range, reading));
                }
                Err(problem) => {
                    tracing::warn!(from = %range.from, to = %range.to, problem, "a range of Prima's catalogue was not read; its SKUs stay as they were");
                    failed.push(format!("{}: {problem}", shown(&range)));
                }
            }
        }
        let answered: usize = read.iter().map(|(_, reading)| reading.figures.len() + reading.unusable.len()).sum();
        if answered == 0 && failed.is_empty() {
            // No catalogue is empty: nothing follows from that, least of all zeroes.
            failed.push("Prima answered with an empty catalogue".to_owned());
            read.clear();
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
            if let Err(problem) = self.files.write(FIGURES, figures.encode()).await {
                tracing::warn!(%problem, "Prima's figures could not be kept: the next run has those of before");
            }
        }
        if failed.is_empty() {
            memory.whole_at = Some(now);
            memory.plan.join(&LIMITS);
        }
        failed.truncate(5);
        memory.failed_ranges = failed;
        report
    }

    async fn read_range(&self, range: ProductRange, basis: Basis, run: &Run) -> (ProductRange, Result<(RangeReading, Took), String>) {
        let began = self.clock.now();
        if after(began, RESERVED) > run.hard_deadline {
            return (range, Err("the run had no time left for it".to_owned()));
        }
        let answer = self.prima.range(&range, basis).await;
        let milliseconds = u64::try_from(self.clock.now().duration_since(began).as_millis()).unwrap_or(0);
        let answer = answer.map_err(|problem| problem.to_string()).map(|reading| {
            let skus = (reading.figures.len() + reading.unusable.len()) as u64;
            let took = Took { milliseconds, bytes: reading.length, skus };
            (reading, took)
        });
        (range, answer)
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
