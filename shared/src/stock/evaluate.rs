//! What a channel is to show of all its offers, beside what Mirakl is known to show: the lines of a push, and why each.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::figures::Figures;
use super::flight::Flight;
use super::ledger::{Ledger, sku_hash};
use super::offer::{Known, Shown, Terms, Wanted, Why, may_show_too_much, to_publish, wanted};
use super::offers_list::OffersList;
use super::rules::{Held, StockRules};
use super::settings::StockSettings;
use crate::order::mapping::{PrimaSku, SkuProblem, SkuReader};
use crate::prima::stock::SkuKey;

/// Examples kept of what is reported.
const EXAMPLES: usize = 5;
/// So many offers may always go to zero in one run, whatever the guard's percentage.
const ALWAYS_ALLOWED: usize = 5;

impl PrimaSku {
    /// Its key among Prima's figures.
    #[must_use]
    pub fn key(&self) -> SkuKey {
        SkuKey::of(&self.product, self.matrix_codes.iter().map(String::as_str))
    }
}

/// Units in flight, over all channels.
#[derive(Clone, Debug, Default)]
pub struct InFlight {
    units: HashMap<SkuKey, u32>,
    /// Units on lines whose SKU names no Prima SKU: nothing protects them.
    pub unprotected: Vec<Unprotected>,
}

/// Units on an order line whose SKU names no Prima SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unprotected {
    /// The channel.
    pub channel: String,
    /// The offer's SKU.
    pub offer_sku: String,
    /// Units.
    pub units: u32,
}

impl InFlight {
    /// Adds what a channel's orders have in flight.
    pub fn add(&mut self, skus: &SkuReader, flights: &[Flight], figures: &Figures, settings: &StockSettings) {
        for flight in flights {
            for (offer_sku, key, units) in units_of(flight, skus, figures, settings) {
                match key {
                    Some(key) => {
                        let sum = self.units.entry(key).or_default();
                        *sum = sum.saturating_add(units);
                    }
                    None => {
                        self.unprotected.push(Unprotected { channel: flight.key.channel.clone(), offer_sku: offer_sku.to_owned(), units })
                    }
                }
            }
        }
    }

    /// Units of a Prima SKU.
    #[must_use]
    pub fn of(&self, key: SkuKey) -> u32 {
        self.units.get(&key).copied().unwrap_or(0)
    }
}

/// What a flight has of each Prima SKU that the SKU's figure does not know of: the offer's SKU, its key, units.
pub fn units_of<'f>(
    flight: &'f Flight,
    skus: &SkuReader,
    figures: &Figures,
    settings: &StockSettings,
) -> Vec<(&'f str, Option<SkuKey>, u32)> {
    let keys: HashMap<&str, Option<SkuKey>> =
        flight.lines.iter().map(|line| (line.offer_sku.as_str(), skus.read(&line.offer_sku).ok().map(|sku| sku.key()))).collect();
    // A SKU without a figure: whatever figure comes, it was not asked for yet.
    let asked_at = |key: Option<SkuKey>| key.and_then(|key| figures.asked_at(key)).unwrap_or(Timestamp::MIN);
    let moments: HashSet<Timestamp> = keys.values().map(|key| asked_at(*key)).collect();
    let mut found = Vec::new();
    for moment in moments {
        for (offer_sku, units) in flight.units(moment, settings) {
            let key = keys.get(offer_sku).copied().flatten();
            if asked_at(key) == moment {
                found.push((offer_sku, key, units));
            }
        }
    }
    found
}

/// Which channel offers the last units of a SKU.
#[derive(Clone, Debug, Default)]
pub struct LastUnits {
    /// By preference: the channel, and the keys of its offers in order.
    offered: Vec<(String, Vec<SkuKey>)>,
}

impl LastUnits {
    /// Adds the offers of the next channel of [`StockSettings::last_units_on`].
    pub fn add(&mut self, channel: &str, skus: &SkuReader, offers: &OffersList) {
        let mut keys: Vec<SkuKey> = offers.skus().filter_map(|sku| skus.read(sku).ok()).map(|sku| sku.key()).collect();
        keys.sort_unstable();
        self.offered.push((channel.to_owned(), keys));
    }

    /// Whether `channel` offers the last units of a SKU, or nobody was named who has it.
    #[must_use]
    pub fn on(&self, channel: &str, key: SkuKey) -> bool {
        let first = self.offered.iter().find(|(_, keys)| keys.binary_search(&key).is_ok());
        first.is_none_or(|(named, _)| named == channel)
    }
}

/// What holds for all channels at once.
#[derive(Debug)]
pub struct Market<'a> {
    /// Prima's figures.
    pub figures: &'a Figures,
    /// The installation's settings.
    pub settings: &'a StockSettings,
    /// Units in flight.
    pub in_flight: InFlight,
    /// Who offers the last units.
    pub last_units: LastUnits,
    /// The moment of the evaluation.
    pub now: Timestamp,
}

/// What holds for one channel.
#[derive(Clone, Copy, Debug)]
pub struct Stall<'a> {
    /// Its id.
    pub channel: &'a str,
    /// Its stock rules.
    pub rules: &'a StockRules,
    /// How its offers' SKUs are read.
    pub skus: &'a SkuReader,
    /// What Mirakl is known to show.
    pub ledger: &'a Ledger,
    /// Units that other channels have sold since what is shown here was decided ([`sold_since`]), where that is asked.
    pub sold_elsewhere: Option<&'a HashMap<SkuKey, u32>>,
}

/// Units by Prima SKU on orders that were seen after `since`, with how each channel's SKUs are read.
#[must_use]
pub fn sold_since<'a>(channels: impl Iterator<Item = (&'a SkuReader, &'a [Flight])>, since: Timestamp) -> HashMap<SkuKey, u32> {
    let mut sold: HashMap<SkuKey, u32> = HashMap::new();
    for (skus, flights) in channels {
        for line in flights.iter().filter(|flight| flight.seen_at > since).flat_map(|flight| &flight.lines) {
            if let Ok(sku) = skus.read(&line.offer_sku) {
                let units = sold.entry(sku.key()).or_default();
                *units = units.saturating_add(line.units);
            }
        }
    }
    sold
}

/// Everything that decides what is shown of one offer.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferView<'a> {
    /// What its SKU means.
    pub sku: PrimaSku,
    /// Among Prima's figures.
    pub key: SkuKey,
    /// What is known of Prima's figure.
    pub known: Known,
    /// Units in flight, over all channels.
    pub in_flight: u32,
    /// What is held back.
    pub held: Held<'a>,
    /// This is the channel that offers the last units, or there is none.
    pub offers_last_units: bool,
    /// What is to be shown.
    pub wanted: Wanted,
    /// Why.
    pub why: Why,
    /// What Mirakl is known to show.
    pub shown: Shown,
}

impl Market<'_> {
    /// What is to be shown of an offer, and every term of it.
    ///
    /// # Errors
    /// The SKU names no Prima SKU.
    pub fn view<'s>(&self, stall: &Stall<'s>, offer_sku: &str) -> Result<OfferView<'s>, SkuProblem> {
        let sku = stall.skus.read(offer_sku)?;
        let key = sku.key();
        let held = stall.rules.held(offer_sku, &sku.product, self.now);
        let offers_last_units = self.settings.last_units == 0 || self.last_units.on(stall.channel, key);
        let (known, in_flight) = (self.figures.known(key), self.in_flight.of(key));
        let terms = Terms { in_flight, held, offers_last_units };
        let (wanted, why) = wanted(known, &terms, self.settings, stall.rules.outage, self.now);
        Ok(OfferView { key, known, in_flight, held, offers_last_units, wanted, why, shown: stall.ledger.shown(sku_hash(offer_sku)), sku })
    }
}

/// A quantity that waits to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The offer's SKU.
    pub offer_sku: String,
    /// Among Prima's figures.
    pub key: SkuKey,
    /// What is to be shown.
    pub quantity: u32,
    /// What Mirakl is known to show.
    pub shown: Shown,
    /// It goes out only once no other channel shows more of the SKU than it should.
    pub raises: bool,
    /// Why.
    pub why: Why,
    /// It goes to zero because Prima has none: under the guard against mass zeroing.
    pub guarded: bool,
}

/// Things that are counted, with the first few of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many.
    pub count: usize,
    /// The first.
    pub examples: Vec<String>,
}

impl Counted {
    /// Counts one.
    pub fn add(&mut self, example: &str) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example.to_owned());
        }
    }
}

/// A channel, evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// What differs: zeroes first, then what lowers an offer, then what raises one.
    pub lines: Vec<Line>,
    /// Prima SKUs of which Mirakl may show more here than it should.
    pub too_much: HashSet<SkuKey>,
    /// Offers that show more than they should, beyond what their own sales have lowered already.
    pub to_lower: usize,
    /// Of these, offers that should show little or nothing ([`StockRules::urgent_units`]).
    pub at_buffer: usize,
    /// Units that other channels have sold since what is shown here was decided, beyond what is held back of each SKU, and no more than is
    /// shown of it: so many may be sold a second time before the next push has had its effect.
    pub may_sell_twice: u64,
    /// All offers.
    pub offers: usize,
    /// Offers that are to show something.
    pub to_offer: usize,
    /// Offers whose SKU names no Prima SKU, by problem.
    pub unmapped: BTreeMap<SkuProblem, Counted>,
    /// Offers whose Prima SKU no reading has had.
    pub unknown_to_prima: Counted,
    /// Offers whose figure cannot be used.
    pub unusable: Counted,
    /// Offers that go to zero because their SKU is gone from Prima.
    pub gone: Counted,
    /// Offers whose quantity waits because Mirakl refused it lately.
    pub refused: Vec<String>,
    /// Zeroes that the guard holds back.
    pub zeroes_held: Counted,
    /// Keys of the offers' SKUs, in no order.
    pub keys: Vec<SkuKey>,
}

/// Evaluates a channel. `sold_since`: by offer, units sold here since its last push, by which Mirakl has lowered its figure itself.
/// `is_refused`: this very quantity was refused lately.
#[must_use]
pub fn evaluate(
    market: &Market<'_>,
    stall: &Stall<'_>,
    offers: &OffersList,
    sold_since: &HashMap<String, u32>,
    is_refused: impl Fn(&str, u32) -> bool,
) -> Evaluation {
    let mut evaluation = Evaluation::default();
    for offer_sku in offers.skus() {
        evaluation.offers += 1;
        let view = match market.view(stall, offer_sku) {
            Ok(view) => view,
            Err(problem) => {
                evaluation.unmapped.entry(problem).or_default().add(offer_sku);
                continue;
            }
        };
        evaluation.keys.push(view.key);
        match view.why {
            Why::NeverSeen => evaluation.unknown_to_prima.add(offer_sku),
            Why::Unusable => evaluation.unusable.add(offer_sku),
            Why::Gone => evaluation.gone.add(offer_sku),
            _ => {}
        }
        if matches!(view.wanted, Wanted::Exactly(quantity) | Wanted::AtMost(quantity) if quantity > 0) {
            evaluation.to_offer += 1;
        }
        if let Some(sold) = stall.sold_elsewhere.and_then(|sold| sold.get(&view.key)) {
            let shown = if view.shown == Shown::Never { 0 } else { view.shown.highest() };
            evaluation.may_sell_twice += u64::from(sold.saturating_sub(view.held.buffer.value).min(shown));
        }
        evaluation.weigh(&view, offer_sku, stall.rules.urgent_units, sold_since);
        let Some(quantity) = to_publish(view.wanted, view.shown, true) else { continue };
        if is_refused(offer_sku, quantity) {
            evaluation.refused.push(offer_sku.to_owned());
            continue;
        }
        let raises = to_publish(view.wanted, view.shown, false).is_none();
        let prima_has_none =
            view.why == Why::Gone || matches!(view.known, Known::Figure { free: 0, .. } | Known::Unusable { last: Some(0) });
        let is_shown = view.shown != Shown::Never && view.shown.highest() > 0;
        evaluation.lines.push(Line {
            offer_sku: offer_sku.to_owned(),
            key: view.key,
            quantity,
            shown: view.shown,
            raises,
            why: view.why,
            guarded: quantity == 0 && is_shown && prima_has_none,
        });
    }
    evaluation.lines.sort_by_key(|line| (line.quantity > 0, line.raises));
    evaluation
}

impl Evaluation {
    fn weigh(&mut self, view: &OfferView<'_>, offer_sku: &str, urgent_units: u32, sold_since: &HashMap<String, u32>) {
        if !may_show_too_much(view.wanted, view.shown) {
            return;
        }
        self.too_much.insert(view.key);
        let (Wanted::Exactly(quantity) | Wanted::AtMost(quantity)) = view.wanted else { return };
        let sold = sold_since.get(offer_sku).copied().unwrap_or(0);
        if view.shown.highest().saturating_sub(sold) > quantity {
            self.to_lower += 1;
            self.at_buffer += usize::from(quantity <= urgent_units);
        }
    }

    /// Holds back zeroes, where more offers than `percent` of a hundred would go to zero because Prima has none: a mistake of Prima's
    /// answer is likelier than that.
    pub fn guard_zeroes(&mut self, ledger: &Ledger, percent: u32) {
        let guarded = self.lines.iter().filter(|line| line.guarded).count();
        if guarded <= ALWAYS_ALLOWED {
            return;
        }
        let on_offer = ledger.entries().filter(|entry| entry.value.highest() > 0).count();
        if guarded * 100 <= on_offer * percent as usize {
            return;
        }
        let mut held = Counted::default();
        self.lines.retain(|line| {
            if line.guarded {
                held.add(&line.offer_sku);
            }
            !line.guarded
        });
        self.to_lower = self.to_lower.saturating_sub(held.count);
        self.at_buffer = self.at_buffer.saturating_sub(held.count);
        self.zeroes_held = held;
    }
}

#[cfg(test)]
mod tests;
