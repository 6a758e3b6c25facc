//! The report of a cycle, and the CSV of its lines: written again whenever the cycle has changed.

use jiff::Timestamp;
use shared::domain::payout::draft::Books;
use shared::domain::payout::journal::Journal;
use shared::domain::payout::report::{CycleFigures, Report, lines_csv, page};
use shared::domain::payout::row::{CycleRow, CycleStage};
use shared::domain::payout::store::{PayoutFiles, report_file, report_lines_file};
use shared::mirakl::finance::TransactionLine;

use crate::journals::{day_of, version_of};
use crate::shop::ShopRun;
use crate::{PortTypes, Ports, ReconcileError};

/// Its journals have moved since the log was last read.
pub(crate) fn has_news(row: &CycleRow, read_at: Option<Timestamp>) -> bool {
    let is_new = |at: Timestamp| read_at.is_none_or(|read| at >= read);
    row.journals.iter().any(|one| is_new(one.row.since))
}

impl<T: PortTypes> Ports<T> {
    /// Writes the report of a cycle that was read.
    pub(crate) async fn write_report(
        &self,
        shop: &ShopRun<'_>,
        row: &CycleRow,
        lines: &[&TransactionLine],
    ) -> Result<(), ReconcileError> {
        if matches!(row.stage, CycleStage::Listed | CycleStage::BookedByHand) {
            return Ok(());
        }
        let (rule, rules) = (shop.documents.rules.tie_rule, &shop.documents.rules);
        let mut journals: Vec<Journal> = Vec::new();
        for one in &row.journals {
            journals.push(self.journal(&one.row.hash).await?);
        }
        let figures = CycleFigures::of(lines.iter().copied(), rule);
        let day = day_of(row, rules);
        let version = version_of(&shop.documents.chart, row, day);
        let opened =
            version.map(|version| Books::open(version, &figures.counted, day, &row.key.currency));
        let books = opened.and_then(Result::ok).map(|(books, _)| books);
        let report = Report {
            row,
            figures: &figures,
            books: books.as_ref(),
            journals: &journals,
            bank: version.and_then(|version| version.bank(&row.key.currency, &row.key.psp)),
            orders: None,
            contribution: &[],
            made_at: shop.now,
        };
        let name = report_lines_file(&row.key);
        let mut csv = Vec::new();
        lines_csv(lines.iter().copied(), rule, &report, &mut csv).map_err(|problem| {
            ReconcileError::File { name: name.clone(), problem: problem.to_string() }
        })?;
        self.files.write(&name, csv).await?;
        self.files.write(&report_file(&row.key), page(&report).into_bytes()).await?;
        Ok(())
    }
}
