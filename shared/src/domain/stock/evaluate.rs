//! What a channel is to show of all its offers, beside what Mirakl is known to show: the lines of a push, and why each.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::division::{Divided, Division, Outstanding, Part, Quota, exposure};
use super::figures::Figures;
use super::flight::Flight;
use super::ledger::{Ledger, sku_hash};
use super::offer::{Known, Shown, Terms, Wanted, Why, may_show_too_much, to_publish, wanted};
use super::offers_list::OffersList;
use super::rules::{Held, RulesInForce, StockRules};
use super::settings::StockSettings;
use crate::domain::order::mapping::{SkuParts, SkuProblem, SkuReader};
use crate::prima::sku::PrimaSku;
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

/// The keys of SKUs among Prima's figures, of many offers by the same rules.
fn keys_of(skus: &SkuReader, offers: &OffersList) -> impl Iterator<Item = SkuKey> {
    let mut text = String::new();
    offers.skus().filter_map(move |sku| skus.read_as(sku, |parts| SkuKey::joined(&mut text, parts.product, parts.matrix_codes)).ok())
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
        let mut keys: Vec<SkuKey> = keys_of(skus, offers).collect();
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
    /// How the last pieces are divided; without channels: they are not.
    pub division: Division,
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
    /// Its part of the last pieces; none where they are not divided.
    pub quota: Option<Quota>,
}

impl Market<'_> {
    /// What is to be shown of an offer, and every term of it.
    ///
    /// # Errors
    /// The SKU names no Prima SKU.
    pub fn view<'s>(&self, stall: &Stall<'s>, offer_sku: &str) -> Result<OfferView<'s>, SkuProblem> {
        let sku = stall.skus.read(offer_sku)?;
        let (key, held) = (sku.key(), stall.rules.held(offer_sku, &sku.product, self.now));
        let place = self.figures.place(key);
        Ok(self.view_of(stall, key, held, (self.figures.known_at(place), place), stall.ledger.shown(sku_hash(offer_sku)), 0))
    }

    /// How the last pieces of a SKU are divided; none where they are not.
    #[must_use]
    pub fn divided(&self, channel: &str, key: SkuKey) -> Option<Divided> {
        let place = self.figures.place(key)?;
        let left = self.figures.known_at(Some(place)).free()?.saturating_sub(self.in_flight.of(key));
        self.division.told(channel, place, key, left)
    }

    /// Takes a channel into the division of the last pieces. `units_an_hour`: how fast it sells.
    pub fn divide_with(&mut self, stall: &Stall<'_>, offers: &OffersList, outstanding: &Outstanding, units_an_hour: f64) {
        let mut parts: Vec<Part> = vec![Part::default(); self.figures.len()];
        // The rules alone: what it would show if all pieces were its own.
        let division = std::mem::take(&mut self.division);
        Views::new(self, stall).each(offers.skus(), |offer_sku, view, place| {
            let (Ok(view), Some(part)) = (view, place.and_then(|place| parts.get_mut(place))) else { return };
            let (limit, may_rise) = match view.wanted {
                Wanted::Exactly(quantity) => (quantity, true),
                Wanted::AtMost(quantity) => (quantity, false),
                Wanted::Anything => return,
            };
            let pending = outstanding.of(sku_hash(offer_sku));
            let (shown, is_sure) = exposure(view.shown, pending, may_rise);
            part.shown = part.shown.saturating_add(shown);
            part.limit = part.limit.max(limit);
            part.buffer = part.buffer.max(view.held.buffer.value);
            part.offers = part.offers.saturating_add(1);
            // What shows nothing is sure enough.
            part.is_unsure |= !is_sure && shown > 0;
            part.is_unseen |= pending.is_unseen;
            part.may_rise |= may_rise;
        });
        self.division = division;
        self.division.add(stall.channel, units_an_hour, parts);
    }

    /// `before`: offers of the same SKU that come before this one on the channel.
    fn view_of<'s>(
        &self,
        stall: &Stall<'s>,
        key: SkuKey,
        held: Held<'s>,
        (known, place): (Known, Option<usize>),
        shown: Shown,
        before: u32,
    ) -> OfferView<'s> {
        let offers_last_units = self.settings.last_units == 0 || self.last_units.on(stall.channel, key);
        let in_flight = self.in_flight.of(key);
        let terms = Terms { in_flight, held, offers_last_units };
        let (wanted, why) = wanted(known, &terms, self.settings, stall.rules.outage, self.now);
        let left = known.free().map(|free| free.saturating_sub(in_flight));
        let quota = place.zip(left).and_then(|(place, left)| self.division.quota(stall.channel, place, key, left));
        let most = match quota {
            None => u32::MAX,
            Some(Quota::Stays) => shown.at_most(),
            Some(Quota::Share(share)) => {
                let offers = place.map_or(1, |place| self.division.offers(stall.channel, place).max(1));
                share / offers + u32::from(before < share % offers)
            }
        };
        let (wanted, why) = if wanted.at_most(most) == wanted { (wanted, why) } else { (wanted.at_most(most), Why::Divided) };
        OfferView { key, known, in_flight, held, offers_last_units, wanted, why, shown, quota }
    }
}

/// Offers that are looked up together: so many that the next one lies a few hundred bytes further in a list of a million.
const TOGETHER: usize = 32 * 1024;

/// An offer, and what is known of it: first without looking anything up.
struct Named<'o, 'r> {
    offer_sku: &'o str,
    of_sku: Result<(SkuKey, Held<'r>), SkuProblem>,
    place: Option<usize>,
    shown: Shown,
}

/// Views of a channel's offers as [`Market::view`] has them, what is the same for all of them prepared once. Of a million figures and
/// quantities each look-up would wait for memory, so they are made in the order in which those lie there.
struct Views<'m, 'o> {
    market: &'m Market<'m>,
    stall: &'m Stall<'m>,
    rules: RulesInForce<'m>,
    named: Vec<Named<'o, 'm>>,
    /// By what is looked up: the offers' indices.
    order: Vec<(u64, u32)>,
    /// For [`SkuKey::joined`].
    text: String,
    /// Offers so far of SKUs that have several, where the last pieces are divided.
    so_far: HashMap<usize, u32>,
}

impl<'m, 'o> Views<'m, 'o> {
    fn new(market: &'m Market<'m>, stall: &'m Stall<'m>) -> Self {
        let rules = stall.rules.in_force(market.now);
        Self { market, stall, rules, named: Vec::new(), order: Vec::new(), text: String::new(), so_far: HashMap::new() }
    }

    /// Hands each offer to `take`, with its view, or why there is none, and with the place of its SKU among Prima's figures.
    fn each(
        &mut self,
        mut offers: impl Iterator<Item = &'o str>,
        mut take: impl FnMut(&'o str, Result<OfferView<'m>, SkuProblem>, Option<usize>),
    ) {
        loop {
            let (rules, skus, text) = (&self.rules, self.stall.skus, &mut self.text);
            self.named.clear();
            self.named.extend(offers.by_ref().take(TOGETHER).map(|offer_sku| {
                let of_sku = |sku: SkuParts<'_>| (SkuKey::joined(text, sku.product, sku.matrix_codes), rules.held(offer_sku, sku.product));
                Named { offer_sku, of_sku: skus.read_as(offer_sku, of_sku), place: None, shown: Shown::Never }
            }));
            if self.named.is_empty() {
                return;
            }
            let mut places = self.market.figures.places_in_order();
            self.look_up(|named| Some(named.of_sku.ok()?.0.0), |key, named| named.place = places(SkuKey(key)));
            let mut shown = self.stall.ledger.shown_in_order();
            self.look_up(|named| Some(sku_hash(named.offer_sku)), |hash, named| named.shown = shown(hash));
            for Named { offer_sku, of_sku, place, shown } in self.named.drain(..) {
                let known = self.market.figures.known_at(place);
                let several = place.filter(|place| self.market.division.offers(self.stall.channel, *place) > 1);
                let before = several.map_or(0, |place| {
                    let so_far = self.so_far.entry(place).or_default();
                    *so_far += 1;
                    *so_far - 1
                });
                let view = of_sku.map(|(key, held)| self.market.view_of(self.stall, key, held, (known, place), shown, before));
                take(offer_sku, view, place);
            }
        }
    }

    fn look_up(&mut self, hash: impl Fn(&Named<'o, 'm>) -> Option<u64>, mut found: impl FnMut(u64, &mut Named<'o, 'm>)) {
        self.order.clear();
        self.order.extend((0..).zip(&self.named).filter_map(|(index, named)| Some((hash(named)?, index))));
        self.order.sort_unstable();
        for (hash, index) in &self.order {
            if let Some(named) = self.named.get_mut(*index as usize) {
                found(*hash, named);
            }
        }
    }
}

/// Which of Prima's SKUs are offered: a bit for each, in the order of the figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    bits: Vec<u64>,
}

impl Offered {
    /// Notes that the SKU at this place of the figures is.
    fn note(&mut self, place: usize) {
        let word = place / 64;
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        self.bits[word] |= 1 << (place % 64);
    }

    /// Notes what is offered elsewhere, by the same figures.
    pub fn join(&mut self, other: &Self) {
        if self.bits.len() < other.bits.len() {
            self.bits.resize(other.bits.len(), 0);
        }
        for (ours, theirs) in self.bits.iter_mut().zip(&other.bits) {
            *ours |= theirs;
        }
    }

    /// How many are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bits.iter().map(|bits| bits.count_ones() as usize).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|bits| *bits == 0)
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
    /// Offers that show nothing, and to which pieces fall of those that are divided.
    pub to_fill: usize,
    /// Of those to be lowered, offers that should show little or nothing ([`StockRules::urgent_units`]).
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
    /// Which of Prima's SKUs are offered here.
    pub offered: Offered,
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
    Views::new(market, stall).each(offers.skus(), |offer_sku, view, place| {
        evaluation.offers += 1;
        let view = match view {
            Ok(view) => view,
            Err(problem) => return evaluation.unmapped.entry(problem).or_default().add(offer_sku),
        };
        if let Some(place) = place {
            evaluation.offered.note(place);
        }
        match view.why {
            Why::NeverSeen => evaluation.unknown_to_prima.add(offer_sku),
            Why::Unusable => evaluation.unusable.add(offer_sku),
            Why::Gone => evaluation.gone.add(offer_sku),
            _ => {}
        }
        if matches!(view.wanted, Wanted::Exactly(quantity) | Wanted::AtMost(quantity) if quantity > 0) {
            evaluation.to_offer += 1;
        }
        // What is divided, and no more than is free, is nobody else's.
        let is_shared = view.quota.is_none() || may_show_too_much(view.wanted, view.shown);
        if let Some(sold) = stall.sold_elsewhere.and_then(|sold| sold.get(&view.key)).filter(|_| is_shared) {
            let shown = if view.shown == Shown::Never { 0 } else { view.shown.highest() };
            evaluation.may_sell_twice += u64::from(sold.saturating_sub(view.held.buffer.value).min(shown));
        }
        evaluation.weigh(&view, offer_sku, stall.rules.urgent_units, sold_since);
        let Some(quantity) = to_publish(view.wanted, view.shown, true) else { return };
        if is_refused(offer_sku, quantity) {
            return evaluation.refused.push(offer_sku.to_owned());
        }
        let raises = to_publish(view.wanted, view.shown, false).is_none();
        evaluation.to_fill += usize::from(raises && view.quota.is_some() && view.shown.at_most() == 0);
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
    });
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
        // Where what is shown is known, its own sales are in it.
        let sold = if matches!(view.shown, Shown::Known(_)) { 0 } else { sold_since.get(offer_sku).copied().unwrap_or(0) };
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
