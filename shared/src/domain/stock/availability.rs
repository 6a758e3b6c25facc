//! What is available to sell, over all channels: Prima's figures less what is in flight, with the
//! last pieces divided. What each offer is to show follows from it ([`Availability::view`]).

use std::collections::HashMap;

use jiff::Timestamp;

use super::division::{Divided, Division, Part, Quota, exposure};
use super::figures::Figures;
use super::in_flight::InFlight;
use super::ledger::{Ledger, sku_hash};
use super::offer::{Known, Shown, Terms, Wanted, Why, wanted};
use super::offers_list::OffersList;
use super::outstanding::Outstanding;
use super::rules::{OfferLimits, RulesInForce, StockRules};
use super::settings::StockSettings;
use crate::domain::order::mapping::{SkuParts, SkuProblem, SkuReader};
use crate::prima::stock::SkuKey;

/// The keys of SKUs among Prima's figures, of many offers by the same rules.
fn keys_of(skus: &SkuReader, offers: &OffersList) -> impl Iterator<Item = SkuKey> {
    let mut text = String::new();
    offers.skus().filter_map(move |sku| {
        skus.read_as(sku, |parts| SkuKey::joined(&mut text, parts.product, parts.matrix_codes)).ok()
    })
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

/// What is available to sell, as all channels together see it.
#[derive(Debug)]
pub struct Availability<'a> {
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

/// What of one channel decides what its offers show.
#[derive(Clone, Copy, Debug)]
pub struct SalesChannel<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its stock rules.
    pub rules: &'a StockRules,
    /// How its offers' SKUs are read.
    pub skus: &'a SkuReader,
    /// What Mirakl is known to show.
    pub ledger: &'a Ledger,
    /// Units that other channels have sold since what is shown here was decided
    /// ([`super::in_flight::sold_since`]), where that is asked.
    pub sold_elsewhere: Option<&'a HashMap<SkuKey, u32>>,
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
    /// How much may be offered.
    pub limits: OfferLimits<'a>,
    /// This is the channel that offers the last units, or there is none.
    pub offers_last_units: bool,
    /// What is to be shown.
    pub wanted: Wanted,
    /// The rule that gave the quantity.
    pub why: Why,
    /// What Mirakl is known to show.
    pub shown: Shown,
    /// Its part of the last pieces; none where they are not divided.
    pub quota: Option<Quota>,
}

impl Availability<'_> {
    /// What is to be shown of an offer, and every term of it.
    ///
    /// # Errors
    /// The SKU names no Prima SKU.
    pub fn view<'s>(
        &self,
        channel: &SalesChannel<'s>,
        offer_sku: &str,
    ) -> Result<OfferView<'s>, SkuProblem> {
        let sku = channel.skus.read(offer_sku)?;
        let (key, limits) = (sku.key(), channel.rules.limits_of(offer_sku, &sku.product, self.now));
        let place = self.figures.place(key);
        Ok(self.view_of(
            channel,
            key,
            limits,
            (self.figures.known_at(place), place),
            channel.ledger.shown(sku_hash(offer_sku)),
            0,
        ))
    }

    /// How the last pieces of a SKU are divided; none where they are not.
    #[must_use]
    pub fn divided(&self, channel: &str, key: SkuKey) -> Option<Divided> {
        let place = self.figures.place(key)?;
        let left =
            self.figures.known_at(Some(place)).free()?.saturating_sub(self.in_flight.of(key));
        self.division.told(channel, place, key, left)
    }

    /// Takes a channel into the division of the last pieces. `units_an_hour`: how fast it sells.
    pub fn divide_with(
        &mut self,
        channel: &SalesChannel<'_>,
        offers: &OffersList,
        outstanding: &Outstanding,
        units_an_hour: f64,
    ) {
        let mut parts: Vec<Part> = vec![Part::default(); self.figures.len()];
        // The rules alone: what it would show if all pieces were its own.
        let division = std::mem::take(&mut self.division);
        OfferViews::new(self, channel).each(offers.skus(), |offer_sku, view, place| {
            let (Ok(view), Some(part)) = (view, place.and_then(|place| parts.get_mut(place)))
            else {
                return;
            };
            let (limit, may_rise) = match view.wanted {
                Wanted::Exactly(quantity) => (quantity, true),
                Wanted::AtMost(quantity) => (quantity, false),
                Wanted::Anything => return,
            };
            let pending = outstanding.of(sku_hash(offer_sku));
            let (shown, is_sure) = exposure(view.shown, pending, may_rise);
            part.shown = part.shown.saturating_add(shown);
            part.limit = part.limit.max(limit);
            part.buffer = part.buffer.max(view.limits.buffer.value);
            part.offers = part.offers.saturating_add(1);
            // What shows nothing is sure enough.
            part.is_unsure |= !is_sure && shown > 0;
            part.is_unseen |= pending.is_unseen;
            part.may_rise |= may_rise;
        });
        self.division = division;
        self.division.add(channel.id, units_an_hour, parts);
    }

    /// `before`: offers of the same SKU that come before this one on the channel.
    fn view_of<'s>(
        &self,
        channel: &SalesChannel<'s>,
        key: SkuKey,
        limits: OfferLimits<'s>,
        (known, place): (Known, Option<usize>),
        shown: Shown,
        before: u32,
    ) -> OfferView<'s> {
        let offers_last_units =
            self.settings.last_units == 0 || self.last_units.on(channel.id, key);
        let in_flight = self.in_flight.of(key);
        let terms = Terms { in_flight, limits, offers_last_units };
        let (wanted, why) = wanted(known, &terms, self.settings, channel.rules.outage, self.now);
        let left = known.free().map(|free| free.saturating_sub(in_flight));
        let quota = place
            .zip(left)
            .and_then(|(place, left)| self.division.quota(channel.id, place, key, left));
        let most = match quota {
            None => u32::MAX,
            Some(Quota::Stays) => shown.at_most(),
            Some(Quota::Share(share)) => {
                let offers =
                    place.map_or(1, |place| self.division.offers(channel.id, place).max(1));
                share / offers + u32::from(before < share % offers)
            }
        };
        let (wanted, why) = if wanted.at_most(most) == wanted {
            (wanted, why)
        } else {
            (wanted.at_most(most), Why::Divided)
        };
        OfferView { key, known, in_flight, limits, offers_last_units, wanted, why, shown, quota }
    }
}

/// Offers that are looked up together: so many that the next one lies a few hundred bytes further
/// in a list of a million.
const TOGETHER: usize = 32 * 1024;

/// An offer, and what is known of it: first without looking anything up.
struct Named<'o, 'r> {
    offer_sku: &'o str,
    of_sku: Result<(SkuKey, OfferLimits<'r>), SkuProblem>,
    place: Option<usize>,
    shown: Shown,
}

/// Views of a channel's offers as [`Availability::view`] has them, what is the same for all of them
/// prepared once. Of a million figures and quantities each look-up would wait for memory, so they
/// are made in the order in which those lie there.
pub(super) struct OfferViews<'m, 'o> {
    availability: &'m Availability<'m>,
    channel: &'m SalesChannel<'m>,
    rules: RulesInForce<'m>,
    named: Vec<Named<'o, 'm>>,
    /// By what is looked up: the offers' indices.
    order: Vec<(u64, u32)>,
    /// For [`SkuKey::joined`].
    text: String,
    /// Offers so far of SKUs that have several, where the last pieces are divided.
    so_far: HashMap<usize, u32>,
}

impl<'m, 'o> OfferViews<'m, 'o> {
    pub(super) fn new(availability: &'m Availability<'m>, channel: &'m SalesChannel<'m>) -> Self {
        let rules = channel.rules.in_force(availability.now);
        Self {
            availability,
            channel,
            rules,
            named: Vec::new(),
            order: Vec::new(),
            text: String::new(),
            so_far: HashMap::new(),
        }
    }

    /// Hands each offer to `take`, with its view, or why there is none, and with the place of its
    /// SKU among Prima's figures.
    pub(super) fn each(
        &mut self,
        mut offers: impl Iterator<Item = &'o str>,
        mut take: impl FnMut(&'o str, Result<OfferView<'m>, SkuProblem>, Option<usize>),
    ) {
        loop {
            let (rules, skus, text) = (&self.rules, self.channel.skus, &mut self.text);
            self.named.clear();
            self.named.extend(offers.by_ref().take(TOGETHER).map(|offer_sku| {
                let of_sku = |sku: SkuParts<'_>| {
                    (
                        SkuKey::joined(text, sku.product, sku.matrix_codes),
                        rules.limits_of(offer_sku, sku.product),
                    )
                };
                Named {
                    offer_sku,
                    of_sku: skus.read_as(offer_sku, of_sku),
                    place: None,
                    shown: Shown::Never,
                }
            }));
            if self.named.is_empty() {
                return;
            }
            let mut places = self.availability.figures.places_in_order();
            self.look_up(
                |named| Some(named.of_sku.ok()?.0.0),
                |key, named| named.place = places(SkuKey(key)),
            );
            let mut shown = self.channel.ledger.shown_in_order();
            self.look_up(
                |named| Some(sku_hash(named.offer_sku)),
                |hash, named| named.shown = shown(hash),
            );
            for Named { offer_sku, of_sku, place, shown } in self.named.drain(..) {
                let known = self.availability.figures.known_at(place);
                let several = place
                    .filter(|place| self.availability.division.offers(self.channel.id, *place) > 1);
                let before = several.map_or(0, |place| {
                    let so_far = self.so_far.entry(place).or_default();
                    *so_far += 1;
                    *so_far - 1
                });
                let view = of_sku.map(|(key, limits)| {
                    self.availability.view_of(
                        self.channel,
                        key,
                        limits,
                        (known, place),
                        shown,
                        before,
                    )
                });
                take(offer_sku, view, place);
            }
        }
    }

    fn look_up(
        &mut self,
        hash: impl Fn(&Named<'o, 'm>) -> Option<u64>,
        mut found: impl FnMut(u64, &mut Named<'o, 'm>),
    ) {
        self.order.clear();
        self.order.extend(
            (0..).zip(&self.named).filter_map(|(index, named)| Some((hash(named)?, index))),
        );
        self.order.sort_unstable();
        for (hash, index) in &self.order {
            if let Some(named) = self.named.get_mut(*index as usize) {
                found(*hash, named);
            }
        }
    }
}
