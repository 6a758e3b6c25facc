//! A list of a channel's offers as it comes in.

use std::collections::HashSet;

use jiff::Timestamp;
use shared::domain::stock::ledger::{Change, Ledger, collisions, sku_hash};
use shared::domain::stock::offer::Shown;
use shared::domain::stock::offers_list::OffersList;
use shared::mirakl::MiraklError;
use shared::mirakl::stock::{ListedOffer, MiraklStock, UnreadableOffer};

/// Pages of OF21 read at most: a hundred offers each.
const MOST_PAGES: usize = 500;
/// Oddities that are named.
const NAMED: usize = 10;

/// A list as it comes in.
pub(crate) struct Listing {
    pub(crate) list: OffersList,
    /// What Mirakl shows, where it tells, by the offers' hashes.
    pub(crate) shown: Vec<(u64, u32)>,
    /// Offers that cannot be named in an import, or not told apart.
    pub(crate) odd: Vec<String>,
}

impl Listing {
    pub(crate) fn begun(at: Timestamp) -> Self {
        Self { list: OffersList::new(at), shown: Vec::new(), odd: Vec::new() }
    }

    pub(crate) fn take(&mut self, entry: Result<ListedOffer, UnreadableOffer>) {
        let odd = match entry {
            Ok(offer) if offer.deleted == Some(true) => None,
            Ok(offer) if self.list.add(&offer.offer_sku) => {
                self.shown
                    .extend(offer.quantity.map(|quantity| (sku_hash(&offer.offer_sku), quantity)));
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

    /// Leaves out offers that the ledger cannot tell apart, and repeated ones.
    pub(crate) fn finish(&mut self) {
        let pairs: Vec<(String, String)> = collisions(self.list.skus())
            .into_iter()
            .map(|(one, other)| (one.to_owned(), other.to_owned()))
            .collect();
        if !pairs.is_empty() {
            self.odd.extend(
                pairs
                    .iter()
                    .take(NAMED)
                    .map(|(one, other)| format!("{one} and {other} cannot be told apart")),
            );
            let left_out: HashSet<String> =
                pairs.into_iter().flat_map(|(one, other)| [one, other]).collect();
            self.list.remove(&left_out);
        }
        let mut seen = HashSet::with_capacity(self.list.len());
        let twice: HashSet<String> =
            self.list.skus().filter(|sku| !seen.insert(sku_hash(sku))).map(str::to_owned).collect();
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

/// The list, page by page (OF21).
pub(crate) async fn page_by_page(
    client: &impl MiraklStock,
    now: Timestamp,
) -> Result<Listing, MiraklError> {
    let mut listing = Listing::begun(now);
    let mut offset = 0;
    for _ in 0..MOST_PAGES {
        let page = client.list_offers(offset).await?;
        offset += page.length;
        page.offers.into_iter().for_each(|offer| listing.take(Ok(offer)));
        page.unreadable.into_iter().for_each(|offer| listing.take(Err(offer)));
        match (page.length, page.total_count.map(|total| offset as u64 >= total)) {
            (0, Some(false)) => {
                return Err(MiraklError::unknown(
                    "OF21",
                    "the pages end before all offers were listed",
                ));
            }
            (0, _) | (_, Some(true)) => return Ok(listing),
            _ => {}
        }
    }
    Err(MiraklError::unknown(
        "OF21",
        "there are more offers than can be listed page by page: ask the marketplace for the export (OF52)",
    ))
}

/// Offers of which Mirakl shows another quantity than the ledger says: they become unknown, and are
/// published again. What is in doubt or unknown is published again in any case.
pub(crate) fn differing(shown: &[(u64, u32)], ledger: &Ledger) -> Vec<Change> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_leaves_out_what_is_deleted_odd_or_doubled() {
        let offer = |sku: &str, quantity, deleted| {
            Ok(ListedOffer { offer_sku: sku.into(), quantity, active: None, deleted })
        };
        let mut listing = Listing::begun(Timestamp::UNIX_EPOCH);
        listing.take(offer("A", Some(1), None));
        listing.take(offer("B", Some(2), Some(true)));
        listing.take(offer("A", Some(1), None));
        listing.take(offer("C\nD", None, None));
        listing.take(Err(UnreadableOffer {
            row: 9,
            offer_sku: Some("E".into()),
            problem: "no".into(),
        }));
        listing.finish();
        assert_eq!(listing.list.skus().collect::<Vec<_>>(), ["A"]);
        assert_eq!(listing.odd, ["\"C\\nD\" cannot be named in an import", "row 9 (E): no"]);
    }

    #[test]
    fn what_mirakl_shows_otherwise_is_published_again() {
        let mut ledger = Ledger::default();
        let change = |sku_hash, value| Change { sku_hash, value };
        ledger.apply(&[
            change(1, Shown::Known(5)),
            change(2, Shown::Known(5)),
            change(3, Shown::InDoubt(9)),
            change(4, Shown::Unknown(2)),
        ]);
        let changes = differing(&[(1, 5), (2, 7), (3, 1), (4, 1), (5, 4)], &ledger);
        assert_eq!(changes, [change(2, Shown::Unknown(7)), change(5, Shown::Unknown(4))]);
    }
}
