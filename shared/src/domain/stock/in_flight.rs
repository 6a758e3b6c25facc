//! Units on orders that Prima's figures do not know of yet, by Prima SKU and over all channels.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::figures::Figures;
use super::flight::Flight;
use super::settings::StockSettings;
use crate::domain::order::mapping::SkuReader;
use crate::prima::stock::SkuKey;

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
    pub fn add(
        &mut self,
        skus: &SkuReader,
        flights: &[Flight],
        figures: &Figures,
        settings: &StockSettings,
    ) {
        for flight in flights {
            for (offer_sku, key, units) in units_of(flight, skus, figures, settings) {
                match key {
                    Some(key) => {
                        let sum = self.units.entry(key).or_default();
                        *sum = sum.saturating_add(units);
                    }
                    None => self.unprotected.push(Unprotected {
                        channel: flight.key.channel.clone(),
                        offer_sku: offer_sku.to_owned(),
                        units,
                    }),
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

/// What a flight has of each Prima SKU that the SKU's figure does not know of: the offer's SKU, its
/// key, units.
pub fn units_of<'f>(
    flight: &'f Flight,
    skus: &SkuReader,
    figures: &Figures,
    settings: &StockSettings,
) -> Vec<(&'f str, Option<SkuKey>, u32)> {
    let keys: HashMap<&str, Option<SkuKey>> = flight
        .lines
        .iter()
        .map(|line| (line.offer_sku.as_str(), skus.read(&line.offer_sku).ok().map(|sku| sku.key())))
        .collect();
    // A SKU without a figure: whatever figure comes, it was not asked for yet.
    let asked_at =
        |key: Option<SkuKey>| key.and_then(|key| figures.asked_at(key)).unwrap_or(Timestamp::MIN);
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

/// Units by Prima SKU on orders that were seen after `since`, with how each channel's SKUs are
/// read.
#[must_use]
pub fn sold_since<'a>(
    channels: impl Iterator<Item = (&'a SkuReader, &'a [Flight])>,
    since: Timestamp,
) -> HashMap<SkuKey, u32> {
    let mut sold: HashMap<SkuKey, u32> = HashMap::new();
    for (skus, flights) in channels {
        for line in
            flights.iter().filter(|flight| flight.seen_at > since).flat_map(|flight| &flight.lines)
        {
            if let Ok(sku) = skus.read(&line.offer_sku) {
                let units = sold.entry(sku.key()).or_default();
                *units = units.saturating_add(line.units);
            }
        }
    }
    sold
}
