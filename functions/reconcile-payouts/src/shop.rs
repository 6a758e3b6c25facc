//! A shop in one run: its documents, what is remembered of it, and its cycles.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use shared::domain::channel::{Channel, Mode};
use shared::domain::payout::documents::PayoutDocuments;
use shared::domain::payout::key::CycleKey;
use shared::domain::payout::ledger::Listed;
use shared::domain::payout::posting::Stage;
use shared::domain::payout::row::{CycleRow, CycleStage, LinesRead, ShopKey, ShopRow};
use shared::domain::payout::tie::TieRule;
use shared::kit::digest::sha256_hex;
use shared::mirakl::finance::{AccountingDocument, PayOutState, TransactionLine};

use crate::lines::Lines;
use crate::report::ChannelReport;

/// A shop, while it is worked on.
#[derive(Debug)]
pub(crate) struct ShopRun<'c> {
    pub(crate) channel: &'c Channel,
    pub(crate) key: ShopKey,
    pub(crate) documents: PayoutDocuments,
    pub(crate) row: ShopRow,
    /// This run has listed cycles and documents.
    pub(crate) is_listed_now: bool,
    /// When the log was last read whole, before this run.
    pub(crate) read_before: Option<Timestamp>,
    /// In the order in which they closed.
    pub(crate) cycles: Vec<CycleRow>,
    /// Cycles that changed since they were saved.
    pub(crate) unsaved: BTreeSet<CycleKey>,
    pub(crate) report: ChannelReport,
    /// When the run began: what it decides, it decides for this moment.
    pub(crate) now: Timestamp,
}

impl ShopRun<'_> {
    pub(crate) fn is_live(&self) -> bool {
        self.channel.payouts == Mode::Live
    }

    /// From when on the transaction log is read.
    pub(crate) fn ledger_from(&self) -> Timestamp {
        self.documents.rules.ledger_from.unwrap_or(self.documents.rules.payouts_from)
    }

    /// The cycles, as lines are put into them.
    pub(crate) fn listed(&self) -> Vec<Listed> {
        self.cycles
            .iter()
            .map(|row| Listed { key: row.key.clone(), voucher: row.cycle.voucher.clone() })
            .collect()
    }

    /// A reading of each loaded cycle's lines, as they are now.
    pub(crate) fn readings(&self, lines: &Lines) -> BTreeMap<CycleKey, LinesRead> {
        let (listed, rule) = (self.listed(), self.documents.rules.tie_rule);
        let by_cycle = lines.ledger.by_cycle(&listed);
        let loaded = listed.iter().filter(|one| lines.has(&one.key));
        loaded
            .map(|one| {
                let lines = by_cycle.cycles.get(&one.key).map_or(&[][..], Vec::as_slice);
                (one.key.clone(), reading_of(lines, rule, self.now))
            })
            .collect()
    }

    /// Notes that all lines of these cycles were read: the first reading of them as they are now,
    /// and the latest.
    pub(crate) fn note_readings(&mut self, lines: &Lines, cycles: &[String]) {
        let readings = self.readings(lines);
        for row in self.cycles.iter_mut().filter(|row| cycles.contains(&row.key.cycle)) {
            let Some(reading) = readings.get(&row.key) else { continue };
            row.readings.retain(|one| one.hash == reading.hash);
            row.readings.truncate(1);
            row.readings.push(reading.clone());
            self.unsaved.insert(row.key.clone());
        }
    }

    /// Puts the cycles into the order in which they closed.
    pub(crate) fn sort_cycles(&mut self) {
        self.cycles
            .sort_by(|one, other| (closed_at(one), &one.key).cmp(&(closed_at(other), &other.key)));
    }
}

/// When a cycle closed; when it was first seen, where the marketplace does not say.
pub(crate) fn closed_at(row: &CycleRow) -> Timestamp {
    row.cycle.created.unwrap_or(row.first_seen)
}

/// Nothing more is expected of a cycle: it is booked, or is nobody's to book, and it is paid.
pub(crate) fn is_final(row: &CycleRow, ledger_from: Timestamp) -> bool {
    let is_paid = row.cycle.pay_out.state == PayOutState::Paid
        || row.cycle.transferred_to_seller.0.is_zero()
        || row.cycle.transferred_to_seller.0.is_sign_negative();
    let are_posted = || {
        !row.journals.is_empty()
            && row.journals.iter().all(|one| matches!(one.row.stage, Stage::Posted { .. }))
    };
    match row.stage {
        CycleStage::BookedByHand => {
            // Its lines are only read where the log goes back so far.
            closed_at(row) < ledger_from || !row.readings.is_empty()
        }
        CycleStage::NothingToPost => is_paid,
        CycleStage::Tied => is_paid && are_posted(),
        CycleStage::Listed | CycleStage::Reading | CycleStage::Untied => false,
    }
}

/// A document belongs to a cycle: it names it, and nothing else about it differs.
pub(crate) fn is_document_of(document: &AccountingDocument, row: &CycleRow) -> bool {
    document.cycle.as_deref() == Some(&row.key.cycle)
        && document.currency == row.key.currency
        && document.psp.as_ref().is_none_or(|psp| *psp == row.key.psp)
}

/// A reading of these lines: those of the transfer that count, and nothing that changes with its
/// payout.
pub(crate) fn reading_of(lines: &[&TransactionLine], rule: TieRule, at: Timestamp) -> LinesRead {
    let mut facts: Vec<String> = lines
        .iter()
        .filter(|line| rule.counts(line))
        .map(|line| {
            let (credited, debited) = (line.credited.0.normalize(), line.debited.0.normalize());
            format!("{} {} {credited} {debited}", line.id, line.kind)
        })
        .collect();
    facts.sort_unstable();
    LinesRead { at, lines: facts.len() as u64, hash: sha256_hex(facts.join("\n").as_bytes()) }
}
