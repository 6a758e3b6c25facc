//! The tie-out of every cycle that is worked on, and what follows from it.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::domain::payout::balance::{RunningBalance, prove};
use shared::domain::payout::exceptions::Finding;
use shared::domain::payout::explain::{Answer, Clues, explain};
use shared::domain::payout::key::CycleKey;
use shared::domain::payout::proofs::{self, OffTotal};
use shared::domain::payout::row::{CycleRow, CycleStage, LedgerGap};
use shared::domain::payout::store::PayoutStore;
use shared::domain::payout::tie::{Evidence, Tie};
use shared::domain::state::StoreError;
use shared::kit::amount::Amount;
use shared::kit::clock::after;
use shared::mirakl::finance::{AccountingDocument, PayOutState, TransactionLine, Unreadable};

use crate::findings::{self, OF_CYCLE};
use crate::lines::Lines;
use crate::pages::has_news;
use crate::shop::{ShopRun, closed_at, reading_of};
use crate::transfers;
use crate::verdict::{Lined, hours_are_over, stage_of};
use crate::{PortTypes, Ports, ReconcileError};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Ids that a gap lists.
const MOST_NEIGHBOURS: usize = 6;

/// The running balance of each currency; none where the log was not read whole.
type Proof = Option<BTreeMap<String, RunningBalance>>;

/// A cycle's lines.
struct Of<'l> {
    lines: &'l [&'l TransactionLine],
    unreadable: Vec<&'l Unreadable>,
    carried_in: Amount,
}

impl<T: PortTypes> Ports<T> {
    /// Ties out each cycle whose lines are loaded, makes its journals, and saves it.
    pub(crate) async fn tie_and_book(
        &self,
        shop: &mut ShopRun<'_>,
        lines: &mut Lines,
    ) -> Result<(), ReconcileError> {
        let worked: Vec<CycleKey> =
            shop.cycles.iter().map(|row| row.key.clone()).filter(|key| lines.has(key)).collect();
        let proof = self.prove(shop, lines, &worked).await?;
        let listed = shop.listed();
        let by_cycle = lines.ledger.by_cycle(&listed);
        for index in 0..shop.cycles.len() {
            let Some(before) = shop.cycles.get(index).cloned() else { continue };
            if !worked.contains(&before.key) {
                continue;
            }
            let mut row = before.clone();
            let of = Of {
                lines: by_cycle.cycles.get(&row.key).map_or(&[][..], Vec::as_slice),
                unreadable: unreadable_of(lines, &row),
                carried_in: carried_in(&shop.cycles[..index], &row),
            };
            let mut found = tie_out(shop, &mut row, &of, &proof);
            found.extend(self.book(shop, &mut row, of.lines, &found).await?);
            row.findings.retain(|finding| !OF_CYCLE.contains(&finding.kind));
            row.findings.extend(found);
            let has_changed = row != before || shop.unsaved.contains(&row.key);
            if has_changed {
                match self.store.save_cycle(&mut row).await {
                    Ok(()) => {
                        shop.unsaved.remove(&row.key);
                    }
                    // Its journals have moved meanwhile: the next run looks again.
                    Err(StoreError::Conflict(_)) => continue,
                    Err(problem) => return Err(problem.into()),
                }
            }
            if has_changed || has_news(&row, shop.read_before) {
                self.write_report(shop, &row, of.lines).await?;
            }
            if let Some(place) = shop.cycles.get_mut(index) {
                *place = row;
            }
        }
        Ok(())
    }

    /// Proves the running balance, where it is wanted: once a day, and where a cycle does not tie
    /// without it.
    async fn prove(
        &self,
        shop: &mut ShopRun<'_>,
        lines: &mut Lines,
        worked: &[CycleKey],
    ) -> Result<Proof, ReconcileError> {
        let is_reading =
            shop.row.unfinished.as_ref().is_some_and(|reading| reading.cycles.is_empty());
        if shop.row.read_at.is_none() || is_reading {
            return Ok(None);
        }
        let today = shop.documents.rules.local(shop.now).date();
        // A gap may have been closed since.
        let is_due = shop.row.proved_on != Some(today) || !shop.row.gaps.is_empty();
        if !is_due && all_tie(shop, lines, worked) {
            return Ok(None);
        }
        let from = shop.ledger_from();
        for row in shop.cycles.iter().filter(|row| closed_at(row) >= from) {
            lines.need_cycle(&self.files, &row.key).await?;
        }
        let mut by_currency: BTreeMap<String, Vec<&TransactionLine>> = BTreeMap::new();
        for line in lines.ledger.lines().filter(|line| line.created.is_none_or(|at| at >= from)) {
            by_currency.entry(line.currency.clone()).or_default().push(line);
        }
        let proof: BTreeMap<String, RunningBalance> = by_currency
            .into_iter()
            .map(|(currency, lines)| (currency, prove(lines, None, |line| line.balance)))
            .collect();
        shop.row.proved_on = Some(today);
        let known = std::mem::take(&mut shop.row.gaps);
        for (currency, balance) in proof.iter().filter(|(_, balance)| !balance.gaps.is_empty()) {
            let gap = LedgerGap {
                since: known.get(currency).map_or(shop.now, |gap| gap.since),
                missing: Amount(balance.gaps.iter().map(|gap| gap.missing.0).sum()),
                lines: balance
                    .gaps
                    .iter()
                    .flat_map(|gap| gap.after.iter().chain(&gap.before))
                    .take(MOST_NEIGHBOURS)
                    .cloned()
                    .collect(),
            };
            shop.row.gaps.insert(currency.clone(), gap);
        }
        Ok(Some(proof))
    }
}

/// What could not be read and belongs to the cycle; of what names no cycle nobody knows, so it
/// counts while the cycle is still read.
fn unreadable_of<'l>(lines: &'l Lines, row: &CycleRow) -> Vec<&'l Unreadable> {
    let is_read =
        matches!(row.stage, CycleStage::Listed | CycleStage::Reading | CycleStage::Untied);
    lines
        .ledger
        .all_unreadable()
        .filter(|line| match &line.cycle {
            Some(cycle) => *cycle == row.key.cycle,
            None => is_read,
        })
        .collect()
}

/// What the cycle before, of the same currency and payment service, left to be carried.
fn carried_in(earlier: &[CycleRow], row: &CycleRow) -> Amount {
    let is_same = |other: &&CycleRow| {
        (&other.key.currency, &other.key.psp) == (&row.key.currency, &row.key.psp)
    };
    let Some(before) = earlier.iter().rev().find(is_same) else { return Amount::ZERO };
    match &before.tie {
        Some(tie) => tie.carried_out,
        None => before.cycle.transferred_to_seller.min(Amount::ZERO),
    }
}

fn tie_of(shop: &ShopRun<'_>, row: &CycleRow, of: &Of<'_>, is_whole: bool) -> Tie {
    let documents: Vec<&AccountingDocument> = row.documents.iter().collect();
    let evidence = Evidence {
        cycle: &row.cycle,
        lines: of.lines,
        documents: &documents,
        carried_in: of.carried_in,
        is_proved_whole: is_whole,
    };
    Tie::of(&evidence, shop.documents.rules.tie_rule)
}

/// Whether each cycle that is worked on ties without the running balance.
fn all_tie(shop: &ShopRun<'_>, lines: &Lines, worked: &[CycleKey]) -> bool {
    let listed = shop.listed();
    let by_cycle = lines.ledger.by_cycle(&listed);
    let mut places = shop.cycles.iter().enumerate();
    places.all(|(index, row)| {
        if !worked.contains(&row.key) || row.stage == CycleStage::BookedByHand {
            return true;
        }
        let of = Of {
            lines: by_cycle.cycles.get(&row.key).map_or(&[][..], Vec::as_slice),
            unreadable: Vec::new(),
            carried_in: carried_in(&shop.cycles[..index], row),
        };
        let vouched = proofs::summary_vouches(&row.cycle, of.lines, shop.documents.rules.tie_rule);
        row.readings.is_empty() || tie_of(shop, row, &of, vouched).is_tied()
    })
}

/// Ties a cycle out, moves it into its stage, and answers what needs a person.
fn tie_out(shop: &ShopRun<'_>, row: &mut CycleRow, of: &Of<'_>, proof: &Proof) -> Vec<Finding> {
    let rules = &shop.documents.rules;
    let balance = proof.as_ref().and_then(|proof| proof.get(&row.key.currency));
    let is_in_balance = || of.lines.iter().all(|line| line.balance.is_some());
    let is_whole = balance.is_some_and(|balance| balance.is_whole() && is_in_balance())
        || proofs::summary_vouches(&row.cycle, of.lines, rules.tie_rule)
        // Nothing was looked at now: what was proved of the same lines before still holds.
        || (proof.is_none() && was_proved(row, of, shop));
    let tie = tie_of(shop, row, of, is_whole);
    let now = reading_of(of.lines, rules.tie_rule, shop.now);
    let lined = Lined { tie: &tie, now: &now, has_unreadable: !of.unreadable.is_empty() };
    let stage = stage_of(row, lined, rules, shop.now);
    let is_over = hours_are_over(row, rules, shop.now);
    if stage != row.stage {
        tracing::info!(channel = %shop.channel.id, cycle = %row.key, from = ?row.stage, to = ?stage, "a cycle moves on");
        (row.stage, row.since) = (stage, shop.now);
    }
    row.tie = Some(tie.clone());
    let mut found = of_payout(shop, row);
    if stage == CycleStage::BookedByHand {
        return found;
    }
    found.extend(findings::unreadable_lines(&row.key, &of.unreadable));
    if tie.purchase_lines > 0 {
        found.push(findings::shop_model(row, of.lines));
    }
    let is_posted = row.journals.iter().any(|journal| journal.row.may_be_in_prima());
    let is_read = row.readings.last().is_some_and(|last| last.hash == now.hash);
    if is_posted && is_read && !tie.is_tied() && !findings::is_of_payment(&tie) {
        let by = findings::difference_of(&tie).unwrap_or_default();
        found.push(findings::changed_after_posting(row, by));
    } else if (stage == CycleStage::Untied || (is_posted && is_read))
        && !tie.is_tied()
        // What cannot be read is the reason, and is told.
        && of.unreadable.is_empty()
    {
        let answers = answers(shop, row, of, &tie, balance);
        found.push(findings::untied(row, &tie, &answers));
    } else if stage == CycleStage::Reading && is_over && tie.is_tied() && of.unreadable.is_empty() {
        found.push(findings::incomplete(row, rules.complete_within_hours));
    }
    found
}

/// The cycle was tied with the lines that it has now.
fn was_proved(row: &CycleRow, of: &Of<'_>, shop: &ShopRun<'_>) -> bool {
    let is_tied = matches!(row.stage, CycleStage::Tied | CycleStage::NothingToPost);
    let now = reading_of(of.lines, shop.documents.rules.tie_rule, shop.now);
    is_tied && row.readings.last().is_some_and(|last| last.hash == now.hash)
}

/// What became of the transfer.
fn of_payout(shop: &ShopRun<'_>, row: &CycleRow) -> Vec<Finding> {
    let days = shop.documents.rules.payout_late_after_days;
    let is_late = after(closed_at(row), DAY * days) <= shop.now;
    let pays = row.cycle.transferred_to_seller > Amount::ZERO;
    match row.cycle.pay_out.state {
        PayOutState::Failed => vec![transfers::payout_failed(row)],
        PayOutState::ToPay | PayOutState::NotTold if pays && is_late && !is_long_ago(shop, row) => {
            vec![transfers::payout_late(row, days)]
        }
        _ => Vec::new(),
    }
}

/// A cycle that was booked by hand before the connector read the log: nobody asks for its payout.
fn is_long_ago(shop: &ShopRun<'_>, row: &CycleRow) -> bool {
    closed_at(row) < shop.ledger_from()
}

fn answers(
    shop: &ShopRun<'_>,
    row: &CycleRow,
    of: &Of<'_>,
    tie: &Tie,
    balance: Option<&RunningBalance>,
) -> Vec<Answer> {
    let Some(difference) = findings::difference_of(tie) else { return Vec::new() };
    let rule = shop.documents.rules.tie_rule;
    let documents: Vec<&AccountingDocument> = row.documents.iter().collect();
    let evidence = Evidence {
        cycle: &row.cycle,
        lines: of.lines,
        documents: &documents,
        carried_in: of.carried_in,
        is_proved_whole: true,
    };
    let summed: Vec<&TransactionLine> =
        of.lines.iter().copied().filter(|line| rule.counts(line)).collect();
    let mut totals: Vec<OffTotal> = proofs::summary(&row.cycle, of.lines);
    totals.extend(proofs::operators_share(&row.cycle, of.lines));
    totals.extend(proofs::documents(&documents, of.lines));
    let carried: Vec<(String, Amount)> = shop
        .cycles
        .iter()
        .filter(|other| other.key != row.key && other.key.currency == row.key.currency)
        .filter_map(|other| Some((other.key.cycle.clone(), other.tie.as_ref()?.carried_out)))
        .collect();
    let clues = Clues {
        lines: &summed,
        balance,
        other_rules: &Tie::other_rules(&evidence, rule),
        carried: &carried,
        totals: &totals,
    };
    explain(difference, &clues)
}
