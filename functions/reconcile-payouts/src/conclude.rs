//! The end of a run: people are told what they have to know, and what is over is taken away.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::{Channel, Mode};
use shared::domain::conditions::{Condition, announce, follow, tidy};
use shared::domain::payout::exceptions::{Finding, PayoutException, PayoutExceptionKind};
use shared::domain::payout::posting::Stage;
use shared::domain::payout::row::{CycleStage, PaidTo, ShopKey, ShopRow};
use shared::domain::payout::store::PayoutStore;
use shared::domain::state::StoreError;
use shared::kit::clock::after;
use shared::mirakl::finance::{PaymentState, Side, TransactionLine};

use crate::findings::{self, OF_CYCLE, OF_SHOP};
use crate::lines::Lines;
use crate::shop::{ShopRun, closed_at, is_final};
use crate::{PortTypes, Ports};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Another bank account is told for so long.
const ACCOUNT_TOLD: Duration = Duration::from_secs(14 * 24 * 3600);

/// The exceptions that last, by channel.
#[derive(Debug, Default)]
pub(crate) struct Lasting(HashMap<String, Vec<(&'static str, String)>>);

impl Lasting {
    fn add(&mut self, channel: &str, exceptions: &[PayoutException]) {
        let named = exceptions.iter().map(|one| (one.kind.name(), one.first_seen.to_string()));
        self.0.entry(channel.to_owned()).or_default().extend(named);
    }
}

impl<T: PortTypes> Ports<T> {
    /// Follows what is so of the shop and of its cycles, tells people, and saves that they were
    /// told. What cannot be saved is told again.
    pub(crate) async fn conclude_shop(
        &self,
        shop: &mut ShopRun<'_>,
        lasting: &mut Lasting,
    ) -> usize {
        let (mut announced, now) = (0, shop.now);
        for index in 0..shop.cycles.len() {
            let Some(mut row) = shop.cycles.get(index).cloned() else { continue };
            let before = row.clone();
            let found: Vec<Condition<PayoutExceptionKind>> = row
                .findings
                .iter()
                .filter(|finding| OF_CYCLE.contains(&finding.kind))
                .map(Condition::from)
                .collect();
            follow(&mut row.exceptions, found, &OF_CYCLE, now);
            announced +=
                announce(&self.queue, &self.events, &shop.channel.id, &mut row.exceptions, now)
                    .await;
            row.report_told |= self.tell_ready(shop, &row).await;
            lasting.add(&shop.channel.id, &row.exceptions);
            if row != before
                && let Err(StoreError::Conflict(_)) = self.store.save_cycle(&mut row).await
                && let Ok(Some(mut current)) = self.store.load_cycle(&row.key).await
            {
                // Its journals have moved meanwhile; what people know is kept all the same.
                current.exceptions.retain(|one| !OF_CYCLE.contains(&one.kind));
                let ours = row.exceptions.iter().filter(|one| OF_CYCLE.contains(&one.kind));
                current.exceptions.extend(ours.cloned());
                current.report_told = row.report_told;
                if self.store.save_cycle(&mut current).await.is_ok() {
                    row = current;
                }
            }
            if let Some(place) = shop.cycles.get_mut(index) {
                *place = row;
            }
        }
        let found = shop.row.findings.iter().map(Condition::from).collect();
        follow(&mut shop.row.exceptions, found, &OF_SHOP, now);
        announced +=
            announce(&self.queue, &self.events, &shop.channel.id, &mut shop.row.exceptions, now)
                .await;
        lasting.add(&shop.channel.id, &shop.row.exceptions);
        measure(shop);
        announced
    }

    /// Tells of a shop of which nothing is read; what its cycles have lasts.
    pub(crate) async fn conclude_refused(
        &self,
        channel: &Channel,
        row: &mut ShopRow,
        now: Timestamp,
        lasting: &mut Lasting,
        key: &ShopKey,
    ) -> Result<usize, StoreError> {
        let found = row.findings.iter().map(Condition::from).collect();
        follow(&mut row.exceptions, found, &OF_SHOP, now);
        let announced =
            announce(&self.queue, &self.events, &channel.id, &mut row.exceptions, now).await;
        lasting.add(&channel.id, &row.exceptions);
        for cycle in self.store.cycles(key).await? {
            lasting.add(&channel.id, &cycle.exceptions);
        }
        Ok(announced)
    }

    /// Takes messages of exceptions that are over off the dead-letter queue.
    pub(crate) async fn tidy_up(&self, channels: &[Channel], lasting: &Lasting) {
        tidy(&self.queue, |channel, kind, first_seen| {
            if let Some(named) = lasting.0.get(channel) {
                return Some(named.iter().any(|(one, at)| *one == kind && at == first_seen));
            }
            let is_at_work =
                channels.iter().any(|one| one.id == channel && one.payouts != Mode::Off);
            if is_at_work { None } else { Some(false) }
        })
        .await;
    }
}

/// What is so of the shop as a whole.
pub(crate) fn of_shop(shop: &ShopRun<'_>, lines: &Lines) -> Vec<Finding> {
    let mut found = shop.row.listing_findings.clone();
    found.extend(shop.row.refused.iter().filter_map(findings::marketplace_refuses));
    let hours = shop.documents.rules.complete_within_hours;
    for (currency, gap) in &shop.row.gaps {
        // A cycle that does not tie tells of it by itself.
        let is_told = shop.cycles.iter().any(|row| {
            row.key.currency == *currency
                && matches!(row.stage, CycleStage::Reading | CycleStage::Untied)
                && row.tie.as_ref().is_some_and(|tie| !tie.is_tied())
        });
        let is_over = after(gap.since, Duration::from_secs(3600 * u64::from(hours))) <= shop.now;
        if is_over && !is_told {
            found.push(findings::ledger_gap(currency, gap));
        }
    }
    let is_told =
        |paid: &&PaidTo| paid.changed_at.is_some_and(|at| after(at, ACCOUNT_TOLD) > shop.now);
    for (of, paid) in &shop.row.bank_accounts {
        if is_told(&paid) {
            found.push(findings::bank_account_changed(of));
        }
    }
    found.extend(fees_without_cycle(shop, lines));
    found
}

fn fees_without_cycle(shop: &ShopRun<'_>, lines: &Lines) -> Vec<Finding> {
    let days = shop.documents.rules.fees_without_cycle_days;
    let listed = shop.listed();
    let is_old =
        |line: &TransactionLine| line.created.is_some_and(|at| after(at, DAY * days) <= shop.now);
    // The fees of an order whose money is not due yet wait with it.
    let is_due = |line: &TransactionLine| {
        !matches!(line.state, Some(PaymentState::Pending | PaymentState::NotApplicable))
    };
    let mut fees: BTreeMap<&str, Vec<&TransactionLine>> = BTreeMap::new();
    for line in lines.ledger.by_cycle(&listed).open {
        if line.kind.side() == Some(Side::Operator) && is_old(line) && is_due(line) {
            fees.entry(&line.currency).or_default().push(line);
        }
    }
    fees.iter()
        .map(|(currency, lines)| findings::fees_without_cycle(currency, days, lines))
        .collect()
}

/// What the run measures of the shop.
fn measure(shop: &mut ShopRun<'_>) {
    let seconds = |at| shop.now.duration_since(at).as_secs();
    let (mut report, from) = (std::mem::take(&mut shop.report), shop.ledger_from());
    for row in &shop.cycles {
        match row.stage {
            CycleStage::Listed => report.listed += 1,
            CycleStage::Reading => report.reading += 1,
            CycleStage::Tied | CycleStage::NothingToPost => report.tied += 1,
            CycleStage::Untied => report.untied += 1,
            CycleStage::BookedByHand => {}
        }
        if !is_final(row, from) {
            report.oldest_open = report.oldest_open.max(Some(seconds(closed_at(row))));
        }
        for one in &row.journals {
            match one.row.stage {
                Stage::AwaitingApproval => report.awaiting_approval += 1,
                Stage::Queued | Stage::Posting | Stage::InDoubt => report.posting += 1,
                _ => {}
            }
        }
    }
    let all = shop.cycles.iter().flat_map(|row| &row.exceptions).chain(&shop.row.exceptions);
    for exception in all {
        report.exceptions += 1;
        if !exception.told.is_told() {
            report.oldest_untold = report.oldest_untold.max(Some(seconds(exception.first_seen)));
        }
    }
    report.reading_age = shop.row.read_at.map(seconds);
    shop.report = report;
}
