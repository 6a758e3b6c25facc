//! Which offers a channel has: an export once a day (OF52 to OF54), or page by page (OF21) where a marketplace has none. Each new list is
//! held against the ledger.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::MiraklDirectory;
use shared::domain::events::EventBus;
use shared::domain::queue::{ImportQueue, OrderQueue, ShownExceptions};
use shared::domain::state::ledger::LedgerStore;
use shared::domain::state::{FlightStore, Store};
use shared::domain::stock::book::StockBook;
use shared::domain::stock::files::{StockFiles, offers_of};
use shared::domain::stock::ledger::{Change, Ledger, collisions, sku_hash};
use shared::domain::stock::memory::ExportUnderWay;
use shared::domain::stock::offer::Shown;
use shared::domain::stock::offers_list::OffersList;
use shared::kit::clock::{CLOCK_SKEW, Clock, after, before};
use shared::mirakl::MiraklError;
use shared::mirakl::stock::{ListedOffer, MiraklStock, OffersExport, UnreadableOffer};
use shared::prima::stock::PrimaStock;

use crate::{Desk, Ports, Run};

/// How long a list is used: Mirakl allows one export of everything a day.
const LIST_KEPT: Duration = Duration::from_secs(24 * 3600);
/// An export that takes longer is asked for anew.
const LONGEST_EXPORT: Duration = Duration::from_secs(2 * 3600);
/// A call to one marketplace, with its repeats; what takes longer is asked again by the next run.
const LONGEST_CALL: Duration = Duration::from_secs(25);
/// The files of an export, or all pages of a list.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(120);
/// A channel with fewer offers than this may lose any number of them.
const FEW: usize = 20;
/// Before a list that could not be had is asked for again.
const AGAIN: Duration = Duration::from_secs(900);
/// Pages of OF21 read at most: a hundred offers each.
const MOST_PAGES: usize = 500;
/// Oddities that are named.
const NAMED: usize = 10;

/// A list as it comes in.
struct Listing {
    list: OffersList,
    /// What Mirakl shows, where it tells.
    shown: Vec<(u64, u32)>,
    odd: Vec<String>,
}

impl Listing {
    fn begun(at: Timestamp) -> Self {
        Self { list: OffersList::new(at), shown: Vec::new(), odd: Vec::new() }
    }

    fn take(&mut self, entry: Result<ListedOffer, UnreadableOffer>) {
        let odd = match entry {
            Ok(offer) if offer.deleted == Some(true) => None,
            Ok(offer) if self.list.add(&offer.offer_sku) => {
                self.shown.extend(offer.quantity.map(|quantity| (sku_hash(&offer.offer_sku), quantity)));
                None
            }
            Ok(offer) => Some(format!("{:?} cannot be named in an import", offer.offer_sku)),
            Err(unreadable) => {
                let sku = unreadable.offer_sku.map(|sku| format!(" ({sku})")).unwrap_or_default();
                Some(format!("row {}{sku}: {}", unreadable.row, unreadable.problem))
            }
        };
        if let Some(odd) = odd.filter(|_| self.odd.len() < NAMED) {
            self.odd.push(odd);
        }
    }

    /// Leaves out what cannot be told apart, and what comes twice.
    fn finish(&mut self) {
        let pairs: Vec<(String, String)> =
            collisions(self.list.skus()).into_iter().map(|(one, other)| (one.to_owned(), other.to_owned())).collect();
        if !pairs.is_empty() {
            self.odd.extend(pairs.iter().take(NAMED).map(|(one, other)| format!("{one} and {other} cannot be told apart")));
            let left_out: HashSet<String> = pairs.into_iter().flat_map(|(one, other)| [one, other]).collect();
            self.list.remove(&left_out);
        }
        let mut seen = HashSet::with_capacity(self.list.len());
        let twice: HashSet<String> = self.list.skus().filter(|sku| !seen.insert(sku_hash(sku))).map(str::to_owned).collect();
        if !twice.is_empty() {
            let mut once = OffersList::new(self.list.listed_at());
            let mut added = HashSet::new();
            for sku in self.list.skus().filter(|sku| added.insert(sku_hash(sku))) {
                once.add(sku);
            }
            self.list = once;
        }
    }
}

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
    /// Takes the list of a channel's offers a step further, where it is old or missing.
    pub(crate) async fn follow_offers(&self, desk: &mut Desk, run: &Run, now: Timestamp) {
        if desk.list_unread {
            return;
        }
        let memory = &mut desk.memory.offers;
        let is_old = desk.offers.is_none() || memory.listed_at.is_none_or(|at| after(at, LIST_KEPT) <= now);
        if memory.export.is_none() && !is_old {
            (memory.problem, memory.again_at) = (None, None);
            return;
        }
        if memory.export.is_none() && memory.again_at.is_some_and(|at| at > now) {
            return;
        }
        let step = match self.client_for(desk, run, LONGEST_CALL).await {
            Ok(client) => self.step(desk, &client, run, now).await,
            Err(problem) => Err(problem),
        };
        match step {
            Ok(Some(listing)) => self.take_over(desk, listing, now).await,
            Ok(None) => desk.memory.offers.problem = None,
            Err(problem) => {
                tracing::warn!(channel = %desk.channel.id, problem, "the list of offers cannot be read; the one before goes on");
                let memory = &mut desk.memory.offers;
                memory.export = None;
                memory.problem = Some(problem);
                memory.again_at = Some(after(now, AGAIN));
            }
        }
    }

    /// A client that gives up after a while, so that one slow marketplace holds no other up.
    async fn client_for(&self, desk: &Desk, run: &Run, at_most: Duration) -> Result<D::Client, String> {
        let deadline = after(self.clock.now(), at_most).min(before(run.hard_deadline, CLOCK_SKEW));
        self.directory.client(&desk.channel, deadline).await.map_err(|problem| problem.to_string())
    }

    /// One step; a list where it is complete, none where Mirakl is at work.
    async fn step(&self, desk: &mut Desk, client: &D::Client, run: &Run, now: Timestamp) -> Result<Option<Listing>, String> {
        let Some(export) = desk.memory.offers.export.clone() else {
            return match client.begin_offers_export(None).await {
                Ok(tracking_id) => {
                    desk.memory.offers.export = Some(ExportUnderWay { tracking_id, begun_at: now });
                    Ok(None)
                }
                Err(problem) if has_no_export(&problem) => {
                    let client = self.client_for(desk, run, LONGEST_DOWNLOAD).await?;
                    page_by_page(&client, now).await.map(Some).map_err(|problem| problem.in_words())
                }
                Err(problem) => Err(problem.in_words()),
            };
        };
        if after(export.begun_at, LONGEST_EXPORT) <= now {
            return Err(format!("the export {} does not end", export.tracking_id));
        }
        match client.offers_export(&export.tracking_id).await {
            Ok(OffersExport::Pending) => Ok(None),
            Ok(OffersExport::Unknown(word)) => {
                tracing::warn!(channel = %desk.channel.id, word, "an export stands in a way that this version does not know");
                Ok(None)
            }
            Ok(OffersExport::Failed(reason)) => Err(format!("the export failed: {reason}")),
            Ok(OffersExport::Completed(urls)) if urls.is_empty() => Err("the export is complete and names no file".to_owned()),
            Ok(OffersExport::Completed(urls)) => {
                let client = self.client_for(desk, run, LONGEST_DOWNLOAD).await?;
                let mut listing = Listing::begun(export.begun_at);
                for url in urls {
                    client.exported_offers(&url, |entry| listing.take(entry)).await.map_err(|problem| problem.in_words())?;
                }
                Ok(Some(listing))
            }
            Err(problem) if problem.status == Some(404) => Err("the marketplace does not know its export any more".to_owned()),
            Err(problem) if problem.is_key_refused() => Err(problem.in_words()),
            Err(problem) => {
                tracing::warn!(channel = %desk.channel.id, %problem, "an export cannot be asked about; the next run asks again");
                Ok(None)
            }
        }
    }

    /// Uses a new list, and marks what Mirakl shows otherwise than the ledger has it. One that names far fewer offers than the one before
    /// is likelier a mistake than so: it is used only where the next one says the same.
    async fn take_over(&self, desk: &mut Desk, mut listing: Listing, now: Timestamp) {
        listing.finish();
        let (before, offers) = (desk.memory.offers.offers, listing.list.len());
        if before >= FEW && offers < before / 2 && desk.memory.offers.shrunk_to != Some(offers) {
            let memory = &mut desk.memory.offers;
            memory.problem =
                Some(format!("the new list names {offers} offers, the one before {before}: it is used if the next one says so too"));
            (memory.export, memory.shrunk_to, memory.again_at) = (None, Some(offers), Some(after(now, AGAIN)));
            return;
        }
        let changes = differing(&listing.shown, desk.held.ledger());
        let drifted = changes.iter().filter(|change| desk.held.ledger().shown(change.sku_hash) != Shown::Never).count();
        if let Err(problem) = self.files.write(&offers_of(desk.id()), listing.list.encode()).await {
            tracing::warn!(channel = %desk.channel.id, %problem, "the list of offers could not be kept; the next run reads it again");
            return;
        }
        if let Err(problem) = self.append(&mut desk.held, &changes).await {
            tracing::warn!(channel = %desk.channel.id, problem, "what the list of offers says could not be noted; the next run reads it again");
            return;
        }
        tracing::info!(channel = %desk.channel.id, offers = listing.list.len(), drifted, odd = listing.odd.len(), "a new list of offers");
        let memory = &mut desk.memory.offers;
        memory.listed_at = Some(listing.list.listed_at());
        memory.offers = listing.list.len();
        memory.drifted = drifted;
        memory.unreadable = listing.odd;
        (memory.export, memory.problem, memory.again_at, memory.shrunk_to) = (None, None, None, None);
        desk.report.drifted = drifted;
        desk.offers = Some(listing.list);
        desk.relisted = true;
    }
}

/// What Mirakl shows otherwise than it is known to: published again. What is in doubt or unknown is so in any case.
fn differing(shown: &[(u64, u32)], ledger: &Ledger) -> Vec<Change> {
    let changes = shown.iter().filter_map(|(hash, quantity)| {
        let value = match ledger.shown(*hash) {
            Shown::Known(known) if known != *quantity => Shown::Unknown(known.max(*quantity)),
            Shown::Never => Shown::Unknown(*quantity),
            Shown::Known(_) | Shown::Unknown(_) | Shown::InDoubt(_) => return None,
        };
        Some(Change { sku_hash: *hash, value })
    });
    changes.collect()
}

/// The marketplace has no such operation, or not for this key.
fn has_no_export(problem: &MiraklError) -> bool {
    matches!(problem.status, Some(403 | 404 | 405 | 501))
}

async fn page_by_page(client: &impl MiraklStock, now: Timestamp) -> Result<Listing, MiraklError> {
    let mut listing = Listing::begun(now);
    let mut offset = 0;
    for _ in 0..MOST_PAGES {
        let page = client.list_offers(offset).await?;
        offset += page.length;
        page.offers.into_iter().for_each(|offer| listing.take(Ok(offer)));
        page.unreadable.into_iter().for_each(|offer| listing.take(Err(offer)));
        match (page.length, page.total_count.map(|total| offset as u64 >= total)) {
            (0, Some(false)) => return Err(MiraklError::unknown("OF21", "the pages end before all offers were listed")),
            (0, _) | (_, Some(true)) => return Ok(listing),
            _ => {}
        }
    }
    Err(MiraklError::unknown("OF21", "there are more offers than can be listed page by page: ask the marketplace for the export (OF52)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_leaves_out_what_is_deleted_odd_or_doubled() {
        let offer = |sku: &str, quantity, deleted| Ok(ListedOffer { offer_sku: sku.into(), quantity, active: None, deleted });
        let mut listing = Listing::begun(Timestamp::UNIX_EPOCH);
        listing.take(offer("A", Some(1), None));
        listing.take(offer("B", Some(2), Some(true)));
        listing.take(offer("A", Some(1), None));
        listing.take(offer("C\nD", None, None));
        listing.take(Err(UnreadableOffer { row: 9, offer_sku: Some("E".into()), problem: "no".into() }));
        listing.finish();
        assert_eq!(listing.list.skus().collect::<Vec<_>>(), ["A"]);
        assert_eq!(listing.odd, ["\"C\\nD\" cannot be named in an import", "row 9 (E): no"]);
    }

    #[test]
    fn what_mirakl_shows_otherwise_is_published_again() {
        let mut ledger = Ledger::default();
        let change = |sku_hash, value| Change { sku_hash, value };
        ledger.apply(&[change(1, Shown::Known(5)), change(2, Shown::Known(5)), change(3, Shown::InDoubt(9)), change(4, Shown::Unknown(2))]);
        let changes = differing(&[(1, 5), (2, 7), (3, 1), (4, 1), (5, 4)], &ledger);
        assert_eq!(changes, [change(2, Shown::Unknown(7)), change(5, Shown::Unknown(4))]);
    }
}
