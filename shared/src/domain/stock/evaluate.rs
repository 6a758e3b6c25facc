//! What a channel is to show of all its offers, beside what Mirakl is known to show: the lines of a
//! push, and why each.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::availability::{Availability, OfferView, OfferViews, SalesChannel};
use super::imports::ImportLine;
use super::ledger::Ledger;
use super::offer::{Known, Shown, Wanted, Why, may_show_too_much, to_publish};
use super::offers_list::OffersList;
use crate::domain::order::mapping::SkuProblem;
use crate::prima::stock::SkuKey;

/// Examples kept of what is reported.
const EXAMPLES: usize = 5;
/// So many offers may always go to zero in one run, whatever the guard's percentage.
const ALWAYS_ALLOWED: usize = 5;

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
    /// The rule that gave the quantity.
    pub why: Why,
    /// It goes to zero because Prima has none: under the guard against mass zeroing.
    pub guarded: bool,
}

impl From<&Line> for ImportLine {
    fn from(line: &Line) -> Self {
        Self { offer_sku: line.offer_sku.clone(), quantity: line.quantity, before: line.shown }
    }
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
    /// Of those to be lowered, offers that should show little or nothing
    /// ([`StockRules::urgent_units`]).
    pub at_buffer: usize,
    /// Units that other channels have sold since what is shown here was decided, beyond what is
    /// held back of each SKU, and no more than is shown of it: so many may be sold a second time
    /// before the next push has had its effect.
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

/// Evaluates a channel. `sold_since`: by offer, units sold here since its last push, by which
/// Mirakl has lowered its figure itself. `is_refused`: this very quantity was refused lately.
#[must_use]
pub fn evaluate(
    availability: &Availability<'_>,
    channel: &SalesChannel<'_>,
    offers: &OffersList,
    sold_since: &HashMap<String, u32>,
    is_refused: impl Fn(&str, u32) -> bool,
) -> Evaluation {
    let mut evaluation = Evaluation::default();
    OfferViews::new(availability, channel).each(offers.skus(), |offer_sku, view, place| {
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
        if let Some(sold) = channel.sold_elsewhere.and_then(|sold| sold.get(&view.key)).filter(|_| is_shared) {
            let shown = if view.shown == Shown::Never { 0 } else { view.shown.highest() };
            evaluation.may_sell_twice += u64::from(sold.saturating_sub(view.limits.buffer.value).min(shown));
        }
        evaluation.weigh(&view, offer_sku, channel.rules.urgent_units, sold_since);
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
    fn weigh(
        &mut self,
        view: &OfferView<'_>,
        offer_sku: &str,
        urgent_units: u32,
        sold_since: &HashMap<String, u32>,
    ) {
        if !may_show_too_much(view.wanted, view.shown) {
            return;
        }
        self.too_much.insert(view.key);
        let (Wanted::Exactly(quantity) | Wanted::AtMost(quantity)) = view.wanted else { return };
        // Where what is shown is known, its own sales are in it.
        let sold = if matches!(view.shown, Shown::Known(_)) {
            0
        } else {
            sold_since.get(offer_sku).copied().unwrap_or(0)
        };
        if view.shown.highest().saturating_sub(sold) > quantity {
            self.to_lower += 1;
            self.at_buffer += usize::from(quantity <= urgent_units);
        }
    }

    /// Holds back zeroes, where more offers than `percent` of a hundred would go to zero because
    /// Prima has none: a mistake of Prima's answer is likelier than that.
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
