//! What was sold and cancelled on a channel. Mirakl changes its quantities by itself then, and the
//! ledger is corrected accordingly.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use shared::domain::state::FlightStore;
use shared::domain::state::ledger::LedgerStore;
use shared::domain::stock::cadence::Sales;
use shared::domain::stock::flight::Flight;
use shared::domain::stock::ledger::{Change, Ledger, sku_hash};
use shared::domain::stock::memory::{PushMemory, StockMemory};
use shared::domain::stock::offer::Shown;
use shared::domain::stock::offers_list::OffersList;
use shared::domain::stock::outstanding::{Outstanding, Pending, SeenUntil, outstanding};
use shared::domain::stock::seen_sales::{News, SeenSales};
use shared::domain::stock::snapshot::seen_until;
use shared::kit::clock::Clock;
use shared::prima::sku::SkuOverride;

use crate::channel_run::{ChannelRun, ChannelSales};
use crate::{PortTypes, Ports, PushError};

impl<T: PortTypes> Ports<T> {
    /// Reads each channel's orders, and corrects its ledger for what was sold or cancelled since
    /// the run before.
    pub(crate) async fn note_sales(
        &self,
        channels: &mut [ChannelRun],
        now: Timestamp,
    ) -> Result<(), PushError> {
        for channel in channels {
            self.read_sales(channel, now).await?;
            self.correct_ledger(channel, now).await?;
        }
        Ok(())
    }

    async fn read_sales(&self, channel: &mut ChannelRun, now: Timestamp) -> Result<(), PushError> {
        // While Prima answered, an import may have been settled.
        channel.stored = self.ledger.load(channel.id()).await?;
        // Before the orders: every order that was placed until then is among those that are read
        // next.
        let known_until = seen_until(&self.store, &channel.channel).await?;
        let seen_until = SeenUntil { before: channel.memory.run.seen_until, now: known_until };
        let outstanding =
            outstanding(&self.files, channel.id(), &channel.memory.imports, seen_until, now).await;
        let read_at = self.clock.now();
        let flights = self.store.flights(channel.id()).await?;
        let since_push = sold_since_push(&flights, &channel.memory);
        channel.sales = ChannelSales {
            flights,
            read_at,
            seen_until: known_until,
            outstanding,
            touched: Vec::new(),
            since_push,
        };
        Ok(())
    }

    async fn correct_ledger(
        &self,
        channel: &mut ChannelRun,
        now: Timestamp,
    ) -> Result<(), PushError> {
        let mut seen =
            SeenSales::stored_in(self.ledger.load(&SeenSales::ledger_of(channel.id())).await?);
        let news = SalesNews::of(&channel.sales.flights, &seen, &mut channel.memory.run.sales);
        channel.memory.run.sales.forget(now);
        channel.report.touched = news.put_back.len();
        let touched = news.put_back.keys().filter_map(|sku| channel.documents.skus.read(sku).ok());
        channel.sales.touched = touched.map(SkuOverride::from).collect();
        let spelling =
            Spelling::of(news.put_back.keys().copied(), channel.ledger(), channel.offers.as_ref());
        let unknown = news.now_unknown(channel.ledger(), &spelling);
        let lowered = news.lowered(channel.ledger(), &spelling, &channel.sales.outstanding);
        let marks = seen.marks_of(&channel.sales.flights);
        // The ledger before the marks: no order is marked for which the ledger was not corrected.
        self.append(&mut channel.stored, &unknown).await?;
        self.append(seen.stored(), &marks).await?;
        // After the marks: a run that dies here never takes the same units off twice, which would
        // leave less than may be shown.
        self.append(&mut channel.stored, &lowered).await?;
        channel.memory.run.seen_until = channel.sales.seen_until;
        Ok(())
    }

    /// Has the next run ask Prima by name for what was sold since Prima answered.
    pub(crate) fn ask_for_sold_next_time(&self, memory: &mut StockMemory, channels: &[ChannelRun]) {
        for sku in channels.iter().flat_map(|channel| &channel.sales.touched) {
            if memory.sold.len() < self.settings.named_skus && !memory.sold.contains(sku) {
                memory.sold.push(sku.clone());
            }
        }
    }
}

/// Units that were sold since the last push, by offer SKU. Sales before it are in what was
/// published then, and an import may have overwritten sales from before its end.
fn sold_since_push(flights: &[Flight], memory: &PushMemory) -> HashMap<String, u32> {
    let since = memory
        .run
        .looked_at
        .max(memory.imports.imported_at)
        .or(memory.run.pushed_at)
        .unwrap_or(Timestamp::MIN);
    let mut units = HashMap::new();
    for line in
        flights.iter().filter(|flight| flight.seen_at >= since).flat_map(|flight| &flight.lines)
    {
        *units.entry(line.offer_sku.clone()).or_default() += line.units;
    }
    units
}

/// What is new of a channel's orders, by offer SKU as the orders spell it.
#[derive(Debug, Default)]
struct SalesNews<'f> {
    /// Of each offer that was sold or cancelled, the pieces that the marketplace may have put back
    /// on it: so many more may be shown.
    put_back: BTreeMap<&'f str, u32>,
    /// Units that were sold, where nothing else was done to the offer; none where something was.
    only_sold: BTreeMap<&'f str, Option<u32>>,
}

impl<'f> SalesNews<'f> {
    /// Orders that are seen for the first time are added to `sales`.
    fn of(flights: &'f [Flight], seen: &SeenSales, sales: &mut Sales) -> Self {
        let mut news = Self::default();
        for flight in flights {
            let found = seen.news_of(flight);
            if found == News::Nothing {
                continue;
            }
            // Where the marks are lost, an order without one need not be new.
            news.add(flight, found == News::Order && !seen.is_empty() && flight.is_sale());
            let units = flight.lines.iter().map(|line| line.units).sum();
            if found == News::Order && units > 0 {
                sales.note(flight.seen_at, units);
            }
        }
        news
    }

    fn add(&mut self, flight: &'f Flight, is_new_sale: bool) {
        for (offer_sku, pieces) in flight.touched() {
            let put_back = self.put_back.entry(offer_sku).or_default();
            *put_back = put_back.saturating_add(pieces);
            self.only_sold.entry(offer_sku).or_insert(Some(0));
        }
        for line in &flight.lines {
            if let Some(units) = self.only_sold.get_mut(line.offer_sku.as_str()) {
                *units =
                    units.filter(|_| is_new_sale).map(|units| units.saturating_add(line.units));
            }
        }
        for offer_sku in flight.taken_back.keys() {
            self.only_sold.insert(offer_sku.as_str(), None);
        }
    }

    /// Mirakl has changed the quantity of every offer that was touched: it is unknown.
    fn now_unknown(&self, ledger: &Ledger, spelling: &Spelling) -> Vec<Change> {
        let changes = self.put_back.iter().filter_map(|(offer_sku, put_back)| {
            let sku_hash = spelling.hash_of(offer_sku);
            match ledger.shown(sku_hash) {
                Shown::Known(quantity) | Shown::InDoubt(quantity) | Shown::Unknown(quantity) => {
                    Some(Change {
                        sku_hash,
                        value: Shown::Unknown(quantity.saturating_add(*put_back)),
                    })
                }
                Shown::Never => None,
            }
        });
        changes.collect()
    }

    /// An offer that was sold, and to which nothing else was done, shows so many fewer than
    /// `ledger` says.
    fn lowered(
        &self,
        ledger: &Ledger,
        spelling: &Spelling,
        outstanding: &Outstanding,
    ) -> Vec<Change> {
        let changes = self.only_sold.iter().filter_map(|(offer_sku, units)| {
            let sku_hash = spelling.hash_of(offer_sku);
            let value = less_sold(ledger.shown(sku_hash), (*units)?, outstanding.of(sku_hash))?;
            Some(Change { sku_hash, value })
        });
        changes.collect()
    }
}

/// What an offer shows that showed `shown`, once `units` were sold and nothing else was done:
/// Mirakl has lowered it. None where an import may have overwritten it after the sale.
fn less_sold(shown: Shown, units: u32, pending: Pending) -> Option<Shown> {
    if pending.is_under_way && !pending.is_from_nothing || pending.is_new {
        return None;
    }
    // More sold than was shown: it was not what it was taken for.
    let less = |quantity: u32| quantity.checked_sub(units);
    match shown {
        Shown::Known(quantity) => less(quantity).map(Shown::Known),
        Shown::Unknown(quantity) => less(quantity).map(Shown::Unknown),
        Shown::InDoubt(quantity) if pending.is_under_way => less(quantity).map(Shown::InDoubt),
        Shown::InDoubt(_) | Shown::Never => None,
    }
}

/// The offers' spelling of SKUs that orders write in other capitals, where only one offer can be
/// meant.
#[derive(Debug, Default, PartialEq)]
struct Spelling(HashMap<String, String>);

impl Spelling {
    fn of<'s>(
        skus: impl Iterator<Item = &'s str>,
        ledger: &Ledger,
        offers: Option<&OffersList>,
    ) -> Self {
        let unknown = skus.filter(|sku| ledger.shown(sku_hash(sku)) == Shown::Never);
        let unknown: HashMap<String, &str> = unknown.map(|sku| (sku.to_lowercase(), sku)).collect();
        if unknown.is_empty() {
            return Self::default();
        }
        let mut found: HashMap<&str, Vec<&str>> = HashMap::new();
        for offer_sku in offers.iter().flat_map(|offers| offers.skus()) {
            if let Some(sku) = unknown.get(&offer_sku.to_lowercase()) {
                found.entry(sku).or_default().push(offer_sku);
            }
        }
        let alone = found.into_iter().filter(|(_, found)| found.len() == 1);
        Self(
            alone
                .flat_map(|(sku, found)| {
                    found.into_iter().map(move |offer_sku| (sku.to_owned(), offer_sku.to_owned()))
                })
                .collect(),
        )
    }

    /// The ledger's hash of the offer that an order means by `sku`.
    fn hash_of(&self, sku: &str) -> u64 {
        sku_hash(self.0.get(sku).map_or(sku, String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sale is taken off what is shown where no import can have overwritten it.
    #[test]
    fn a_sale_lowers_what_is_shown_unless_an_import_may_overwrite() {
        use Shown::{InDoubt, Known, Unknown};
        let none = Pending::default();
        let unseen = Pending { is_new: true, ..none };
        let under_way = Pending { is_under_way: true, is_unseen: true, ..none };
        let filling = Pending { is_under_way: true, is_from_nothing: true, ..none };
        for (shown, units, pending, expected) in [
            (Known(5), 2, none, Some(Known(3))),
            (Unknown(5), 2, none, Some(Unknown(3))),
            (Known(5), 6, none, None),
            (Known(5), 2, unseen, None),
            (InDoubt(5), 2, under_way, None),
            (InDoubt(5), 2, filling, Some(InDoubt(3))),
            (InDoubt(5), 2, none, None),
            (Shown::Never, 1, none, None),
        ] {
            assert_eq!(less_sold(shown, units, pending), expected, "{shown:?} {units} {pending:?}");
        }
    }

    /// An order in other capitals is of the one offer that it can mean.
    #[test]
    fn other_capitals_match_an_offer_if_only_one_can_be_meant() {
        let mut offers = OffersList::new(Timestamp::UNIX_EPOCH);
        for sku in ["St112-Nav-12", "a-1", "A-1"] {
            offers.add(sku);
        }
        let mut ledger = Ledger::default();
        ledger.apply(&[Change { sku_hash: sku_hash("B-1"), value: Shown::Known(1) }]);
        let spelling =
            Spelling::of(["ST112-NAV-12", "A-1", "B-1", "C-1"].into_iter(), &ledger, Some(&offers));
        assert_eq!(
            spelling,
            Spelling(HashMap::from([("ST112-NAV-12".to_owned(), "St112-Nav-12".to_owned())]))
        );
        assert_eq!(Spelling::of(["X"].into_iter(), &ledger, None), Spelling::default());
    }
}
