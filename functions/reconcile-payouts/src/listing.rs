//! Once a day: the billing cycles (SBC11) and the documents (IV01).

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::Date;
use shared::domain::payout::exceptions::Finding;
use shared::domain::payout::key::CycleKey;
use shared::domain::payout::row::{CycleRow, PaidTo};
use shared::domain::payout::store::PayoutStore;
use shared::domain::state::StoreError;
use shared::kit::clock::after;
use shared::mirakl::MiraklError;
use shared::mirakl::finance::{
    AccountingDocument, BillingCycle, CreatedQuery, MiraklFinance, SeenTokens, Unreadable,
};

use crate::shop::{ShopRun, is_document_of};
use crate::{PortTypes, Ports, ReconcileError, findings};

/// Nothing is listed so soon after a listing that failed, where Mirakl does not say when.
const AFTER_FAILURE: Duration = Duration::from_secs(3600);
/// The longest that a listing that failed waits: Mirakl's limit is of a day.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// Tries of a write that another function has been quicker with.
const TRIES: usize = 5;
/// Pages of IV01 that one listing may have: more would be a listing without end.
const MOST_PAGES: usize = 1000;

/// The day for which a listing is due: today, from `daily_at` on, where it was not listed yet.
pub(crate) fn due_on(shop: &ShopRun<'_>) -> Option<Date> {
    let local = shop.documents.rules.local(shop.now);
    let is_time = local.time() >= shop.documents.rules.daily_at;
    // A shop that was never listed need not wait for the hour.
    let is_due = shop.row.listed_on.is_none_or(|listed| is_time && listed < local.date());
    let may_list = shop.row.list_after.is_none_or(|at| at <= shop.now);
    (is_due && may_list).then(|| local.date())
}

impl<T: PortTypes> Ports<T> {
    /// Lists cycles and documents, where that is due. What fails is tried again later.
    pub(crate) async fn list(
        &self,
        shop: &mut ShopRun<'_>,
        client: &impl MiraklFinance,
    ) -> Result<(), ReconcileError> {
        let Some(today) = due_on(shop) else { return Ok(()) };
        let is_held = |operation: &str| {
            shop.row.refused.wait(&shop.channel.id, operation, shop.now).is_some()
        };
        if is_held("SBC11") || is_held("IV01") {
            return Ok(());
        }
        if shop.row.cycles_listed_on != Some(today) {
            match all_cycles(client).await {
                Ok((cycles, unreadable)) => {
                    shop.row.refused.works(&shop.channel.id, "SBC11");
                    self.take_cycles(shop, cycles).await?;
                    shop.row.listing_findings = unreadable
                        .iter()
                        .map(|one| findings::unreadable_entry("SBC11", one))
                        .collect();
                    shop.row.cycles_listed_on = Some(today);
                }
                Err(problem) => {
                    note_failure(shop, &problem);
                    return Ok(());
                }
            }
        }
        match all_documents(client).await {
            Ok((documents, unreadable)) => {
                shop.row.refused.works(&shop.channel.id, "IV01");
                let found: Vec<Finding> =
                    unreadable.iter().map(|one| findings::unreadable_entry("IV01", one)).collect();
                shop.row.listing_findings.retain(|one| !one.subject.starts_with("IV01"));
                shop.row.listing_findings.extend(found);
                self.take_documents(shop, documents).await?;
                shop.row.listed_on = Some(today);
                shop.row.list_after = None;
                shop.is_listed_now = true;
            }
            Err(problem) => note_failure(shop, &problem),
        }
        Ok(())
    }

    /// Changes a cycle and saves it, also where its journals move meanwhile: a listing is not to be
    /// had again on the same day.
    pub(crate) async fn change_cycle(
        &self,
        row: &mut CycleRow,
        change: impl Fn(&mut CycleRow),
    ) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            change(row);
            tries += 1;
            match self.store.save_cycle(row).await {
                Err(StoreError::Conflict(_)) if tries < TRIES => {
                    if let Some(current) = self.store.load_cycle(&row.key).await? {
                        *row = current;
                    }
                }
                done => return done,
            }
        }
    }

    async fn take_cycles(
        &self,
        shop: &mut ShopRun<'_>,
        cycles: Vec<BillingCycle>,
    ) -> Result<(), ReconcileError> {
        for cycle in cycles {
            if cycle.shop.as_ref().is_some_and(|shop_id| *shop_id != shop.key.shop) {
                continue;
            }
            let key = CycleKey::of(&shop.key.host, &shop.key.shop, &cycle);
            match shop.cycles.iter_mut().find(|row| row.key == key) {
                Some(row) if row.cycle == cycle && row.channel == shop.channel.id => {}
                Some(row) => {
                    let change = |row: &mut CycleRow| {
                        row.cycle = cycle.clone();
                        row.channel.clone_from(&shop.channel.id);
                    };
                    self.change_cycle(row, change).await?;
                }
                None => {
                    let mut row = CycleRow::new(key, &shop.channel.id, cycle, shop.now);
                    self.store.save_cycle(&mut row).await?;
                    shop.cycles.push(row);
                }
            }
        }
        shop.sort_cycles();
        Ok(())
    }

    async fn take_documents(
        &self,
        shop: &mut ShopRun<'_>,
        mut documents: Vec<AccountingDocument>,
    ) -> Result<(), ReconcileError> {
        documents.retain(|one| one.shop.as_ref().is_none_or(|shop_id| *shop_id == shop.key.shop));
        documents.sort_by(|one, other| one.id.cmp(&other.id));
        documents.dedup_by(|one, other| one.id == other.id);
        for row in &mut shop.cycles {
            let own: Vec<AccountingDocument> =
                documents.iter().filter(|one| is_document_of(one, row)).cloned().collect();
            if row.documents != own {
                self.change_cycle(row, |row| row.documents.clone_from(&own)).await?;
            }
        }
        note_accounts(shop, &documents);
        Ok(())
    }
}

/// Which account the newest document of each currency and payment service names.
fn note_accounts(shop: &mut ShopRun<'_>, documents: &[AccountingDocument]) {
    let mut newest: BTreeMap<String, &AccountingDocument> = BTreeMap::new();
    for document in documents.iter().filter(|one| one.bank_account.is_some()) {
        let psp = document.psp.as_deref().unwrap_or("");
        let of = format!("{} {psp}", document.currency).trim_end().to_owned();
        let held = newest.entry(of).or_insert(document);
        if document.created > held.created {
            *held = document;
        }
    }
    for (of, document) in newest {
        let Some(account) = document.bank_account.clone() else { continue };
        let known = shop.row.bank_accounts.get(&of);
        let changed_at = match known {
            Some(known) if known.account != account => Some(shop.now),
            Some(known) => known.changed_at,
            None => None,
        };
        shop.row.bank_accounts.insert(of, PaidTo { account, changed_at });
    }
}

async fn all_cycles(
    client: &impl MiraklFinance,
) -> Result<(Vec<BillingCycle>, Vec<Unreadable>), MiraklError> {
    let (mut cycles, mut unreadable) = (Vec::new(), Vec::new());
    let (mut token, mut seen) = (None, SeenTokens::default());
    loop {
        let page = client.billing_cycles(&CreatedQuery::default(), token.as_deref()).await?;
        cycles.extend(page.entries);
        unreadable.extend(page.unreadable);
        let Some(next) = page.next_page_token else { return Ok((cycles, unreadable)) };
        if !seen.note(&next) {
            return Err(MiraklError::unknown("SBC11", "the listing's pages go round in a circle"));
        }
        token = Some(next);
    }
}

async fn all_documents(
    client: &impl MiraklFinance,
) -> Result<(Vec<AccountingDocument>, Vec<Unreadable>), MiraklError> {
    let (mut documents, mut unreadable, mut offset) = (Vec::new(), Vec::new(), 0);
    for _page in 0..MOST_PAGES {
        let page = client.accounting_documents(&CreatedQuery::default(), offset).await?;
        documents.extend(page.entries);
        unreadable.extend(page.unreadable);
        offset += page.length;
        let is_all = page.total_count.is_some_and(|count| offset as u64 >= count);
        if page.length == 0 || is_all {
            return Ok((documents, unreadable));
        }
    }
    Err(MiraklError::unknown("IV01", "the listing does not end"))
}

fn note_failure(shop: &mut ShopRun<'_>, problem: &MiraklError) {
    tracing::warn!(channel = %shop.channel.id, %problem, "cycles or documents could not be listed; tried again later");
    if problem.is_key_refused() {
        shop.row.refused.refuse(&shop.channel.id, problem, shop.now);
        return;
    }
    // Mirakl's limit is no failure: the day's listing was begun already.
    if problem.status != Some(429) {
        shop.row.refused.fails(&shop.channel.id, problem, String::new(), shop.now);
    }
    let wait = problem.retry_after.unwrap_or(AFTER_FAILURE).min(LONGEST_WAIT);
    shop.row.list_after = Some(after(shop.now, wait));
}
