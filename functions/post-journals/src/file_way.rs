//! The way of a journal that a person imports: a CSV and its control file, written once.

use shared::domain::payout::journal::Journal;
use shared::domain::payout::journal_csv::{self, Written};
use shared::domain::payout::journal_files::{content, control_file, import_file};
use shared::domain::payout::posting::{JournalRow, Stage};
use shared::domain::payout::row::CycleRow;
use shared::domain::payout::rules::JournalWay;
use shared::domain::payout::store::PayoutFiles;
use shared::domain::state::StoreError;
use shared::kit::clock::Clock as _;

use crate::{Disposition, Done, PortTypes, Ports, Returned, Step, Work};

impl<T: PortTypes> Ports<T> {
    /// Writes a journal's files, unless others stand there.
    pub(crate) async fn write_file(
        &self,
        cycle: Box<CycleRow>,
        row: JournalRow,
        work: &Work<'_>,
    ) -> Step {
        let (journal, csv) = match self.written(&cycle, &row).await {
            Ok(Ok(written)) => written,
            Ok(Err(problem)) => {
                let unusable = row.clone().unusable(problem, self.clock.now());
                return self.ends(cycle, &row, unusable, Done::Exception).await;
            }
            Err(_) => return Step::End(Disposition::Return(Returned::StoreUnavailable)),
        };
        match self.is_reserved(&row, work).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => {
                let unusable = row.clone().unusable(problem, self.clock.now());
                return self.ends(cycle, &row, unusable, Done::Exception).await;
            }
            Err(_) => return Step::End(Disposition::Return(Returned::StoreUnavailable)),
        }
        match self.recalled(&row, &csv.csv, JournalWay::File).await {
            Ok(None) => {}
            Ok(Some(recalled)) => return self.goes_on(cycle, &row, recalled).await,
            Err(_) => return Step::End(Disposition::Return(Returned::StoreUnavailable)),
        }
        let files = [
            (import_file(&journal.reference), csv.csv),
            (control_file(&journal.reference), csv.control),
        ];
        for (name, bytes) in &files {
            match self.files.read(name).await {
                Ok(stored) if stored.as_ref().is_none_or(|stored| stored == bytes) => {}
                Ok(_) => {
                    let problem = format!(
                        "another file stands in its place, and somebody may have imported it: {name}. If nobody has, take it away"
                    );
                    let unusable = row.clone().unusable(problem, self.clock.now());
                    return self.ends(cycle, &row, unusable, Done::Exception).await;
                }
                Err(_) => return Step::End(Disposition::Return(Returned::StoreUnavailable)),
            }
        }
        if row.stage != Stage::Writing {
            // From here on the journal does not change any more.
            let writing = row.clone().writing(self.clock.now());
            return self.goes_on(cycle, &row, writing).await;
        }
        for (name, bytes) in files {
            if self.files.write(&name, bytes).await.is_err() {
                return Step::End(Disposition::Return(Returned::StoreUnavailable));
            }
        }
        let written = row.clone().written(self.clock.now());
        self.ends(cycle, &row, written, Done::Written).await
    }

    /// A journal exactly as it was approved, and its CSV. `Err` of the answer: why there is none.
    pub(crate) async fn written(
        &self,
        cycle: &CycleRow,
        row: &JournalRow,
    ) -> Result<Result<(Journal, Written), String>, StoreError> {
        let journal = match content(&self.files, &cycle.key, row).await? {
            Ok(journal) => journal,
            Err(unusable) => return Ok(Err(unusable.to_string())),
        };
        Ok(match journal_csv::write(&journal, &self.finance.journal_file) {
            Ok(written) => Ok((journal, written)),
            Err(problem) => Err(problem.to_string()),
        })
    }
}
