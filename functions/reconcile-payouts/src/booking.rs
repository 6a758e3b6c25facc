//! Keeping the journals of a cycle: the file first, then the reference, then the row.

use std::time::Duration;

use shared::domain::payout::exceptions::Finding;
use shared::domain::payout::journal::Journal;
use shared::domain::payout::key::JournalKind;
use shared::domain::payout::posting::{JournalRow, Stage};
use shared::domain::payout::row::{CycleJournal, CycleRow, CycleStage};
use shared::domain::payout::store::{JournalMessage, PayoutFiles, PayoutStore, journal_file};
use shared::kit::clock::after;
use shared::mirakl::finance::TransactionLine;

use crate::findings;
use crate::journals::{Made, Source, make, without_document};
use crate::shop::{ShopRun, closed_at};
use crate::{PortTypes, Ports, ReconcileError};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Why a journal waits for approval again.
const VOIDED: &str =
    "its approval was voided: the cycle's lines, documents or chart have changed since";

impl<T: PortTypes> Ports<T> {
    /// Makes the journals of a cycle that ties, keeps them, and answers what needs a person.
    pub(crate) async fn book(
        &self,
        shop: &ShopRun<'_>,
        row: &mut CycleRow,
        lines: &[&TransactionLine],
        found: &[Finding],
    ) -> Result<Vec<Finding>, ReconcileError> {
        let is_tied = matches!(row.stage, CycleStage::Tied | CycleStage::NothingToPost);
        // What was reversed is posted anew by a person alone.
        let is_reversed =
            row.journals.iter().any(|one| matches!(one.row.name.kind, JournalKind::Reversal(_)));
        if !is_tied || is_reversed || findings::hold(found) {
            call_back(shop, row);
            return Ok(Vec::new());
        }
        let rule = shop.documents.rules.tie_rule;
        let counted: Vec<&TransactionLine> =
            lines.iter().copied().filter(|line| rule.counts(line)).collect();
        let base = self.base(row).await?;
        let undocumented = without_document(&counted);
        let days = shop.documents.rules.wait_for_documents_days;
        let is_waited_for = after(closed_at(row), DAY * days) > shop.now;
        if !undocumented.is_empty() && is_waited_for && base.is_empty() {
            return Ok(Vec::new());
        }
        let made = make(&Source {
            row,
            lines: &counted,
            chart: &shop.documents.chart,
            rules: &shop.documents.rules,
            finance: &self.finance,
            base: &base,
        });
        let Made { chart_from, journals, mut findings } = match made {
            Ok(made) => made,
            Err(holds) => {
                call_back(shop, row);
                return Ok(holds);
            }
        };
        if !undocumented.is_empty() && !is_waited_for {
            findings.push(findings::fee_without_document(row, &undocumented));
        }
        if findings::hold(&findings) {
            call_back(shop, row);
            return Ok(findings);
        }
        if journals.is_empty() && base.is_empty() {
            if row.stage != CycleStage::NothingToPost {
                (row.stage, row.since) = (CycleStage::NothingToPost, shop.now);
            }
        } else if row.stage == CycleStage::NothingToPost {
            (row.stage, row.since) = (CycleStage::Tied, shop.now);
        }
        // Whatever was made before, and Prima cannot have, is no more where it is not made again.
        row.journals.retain(|one| {
            one.row.may_be_in_prima()
                || base.iter().any(|other| other.name == one.row.name)
                || journals.iter().any(|journal| journal.name == one.row.name)
                || !is_made_here(one)
        });
        for journal in &journals {
            if let Some(taken) = self.keep_journal(shop, row, journal).await? {
                findings.push(taken);
                return Ok(findings);
            }
        }
        if !journals.is_empty() {
            row.chart_from = Some(chart_from);
        }
        Ok(findings)
    }

    /// The journals that Prima has or may have, with those that were made together with them.
    async fn base(&self, row: &CycleRow) -> Result<Vec<Journal>, ReconcileError> {
        let fixed: Vec<JournalKind> = row
            .journals
            .iter()
            .filter(|one| is_made_here(one) && one.row.may_be_in_prima())
            .map(|one| one.row.name.kind)
            .collect();
        let mut base = Vec::new();
        for one in row.journals.iter().filter(|one| fixed.contains(&one.row.name.kind)) {
            base.push(self.journal(&one.row.hash).await?);
        }
        Ok(base)
    }

    /// A journal, by its hash.
    pub(crate) async fn journal(&self, hash: &str) -> Result<Journal, ReconcileError> {
        let name = journal_file(hash);
        let unreadable = |problem: String| ReconcileError::File { name: name.clone(), problem };
        let bytes = self.files.read(&name).await?;
        let bytes = bytes.ok_or_else(|| unreadable("it is not there".to_owned()))?;
        serde_json::from_slice(&bytes).map_err(|problem| unreadable(problem.to_string()))
    }

    /// Keeps a journal. Answers a finding where its reference is another's.
    async fn keep_journal(
        &self,
        shop: &ShopRun<'_>,
        row: &mut CycleRow,
        journal: &Journal,
    ) -> Result<Option<Finding>, ReconcileError> {
        let unwritable = |problem: serde_json::Error| ReconcileError::File {
            name: journal.reference.clone(),
            problem: problem.to_string(),
        };
        let (hash, needs_approval) =
            (journal.hash().map_err(unwritable)?, shop.documents.rules.approval);
        let known = row.journal(&journal.name);
        if known.is_none_or(|known| known.row.hash != hash) {
            let bytes = serde_json::to_vec(journal).map_err(unwritable)?;
            self.files.write(&journal_file(&hash), bytes).await?;
        }
        let message = JournalMessage { cycle: row.key.clone(), name: journal.name };
        if known.is_none()
            && let Err(holder) = self.store.reserve_reference(&journal.reference, &message).await?
        {
            return Ok(Some(findings::reference_taken(row, &journal.reference, &holder)));
        }
        let transfer = row.tie.as_ref().map(|tie| tie.transfer).unwrap_or_default();
        let Some(known) = row.journal_mut(&journal.name) else {
            let (guid, reference) = (journal.guid.clone(), journal.reference.clone());
            row.journals.push(CycleJournal {
                row: JournalRow::new(journal.name, guid, reference, hash, needs_approval, shop.now),
                total: journal.debits(),
                clearing: journal.clearing(),
                date: journal.date,
                transfer,
            });
            row.report_told = false;
            return Ok(None);
        };
        let is_same = known.row.hash == hash;
        let voided = known.row.change(hash, needs_approval, shop.now);
        if voided.is_some() && !is_same {
            known.total = journal.debits();
            known.clearing = journal.clearing();
            (known.date, known.transfer) = (journal.date, transfer);
            known.row.problem = (voided == Some(true)).then(|| VOIDED.to_owned());
            row.report_told &= voided != Some(true);
        } else if !needs_approval && known.row.stage == Stage::AwaitingApproval {
            (known.row.stage, known.row.since) = (Stage::Approved, shop.now);
        }
        Ok(None)
    }
}

/// The cycle's own journals and the supplementary ones; the others are made by commands.
fn is_made_here(one: &CycleJournal) -> bool {
    matches!(one.row.name.kind, JournalKind::Cycle | JournalKind::Supplementary(_))
}

/// What is queued and was never sent is not to be sent now.
fn call_back(shop: &ShopRun<'_>, row: &mut CycleRow) {
    for one in row.journals.iter_mut().filter(|one| is_made_here(one)) {
        if one.row.stage == Stage::Queued && one.row.attempts == 0 {
            (one.row.stage, one.row.since) = (Stage::Approved, shop.now);
        }
    }
}
