//! What was sold of each Prima SKU lately, by channel: what the last pieces are divided by.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::cadence::most_within;
use super::flight::Flight;
use crate::domain::order::mapping::SkuReader;
use crate::kit::clock::before;
use crate::prima::stock::SkuKey;

/// A SKU's own sales count for a day.
const WEIGHED: Duration = Duration::from_secs(24 * 3600);

/// What was sold of a SKU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sold {
    /// Within a day, by channel.
    pub(super) units: Vec<u32>,
    /// The latest sale, by channel.
    pub(super) latest: Vec<Option<Timestamp>>,
    /// The most within the time that a correction takes, over all channels.
    pub(super) most: u32,
}

/// What was sold of each SKU, of the orders that are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoldSkus {
    pub(super) of: HashMap<SkuKey, Sold>,
    pub(super) now: Timestamp,
}

impl SoldSkus {
    /// Counts what the `channels` have sold that divide, and `others`; `window`: from a sale until
    /// every channel is corrected.
    #[must_use]
    pub fn count(
        channels: &[(&SkuReader, &[Flight])],
        others: &[(&SkuReader, &[Flight])],
        window: Duration,
        now: Timestamp,
    ) -> Self {
        let mut sales: HashMap<SkuKey, Vec<(Timestamp, u32)>> = HashMap::new();
        let mut of: HashMap<SkuKey, Sold> = HashMap::new();
        for (place, (skus, flights)) in channels.iter().chain(others).enumerate() {
            for flight in *flights {
                for line in flight.lines.iter().filter(|line| line.units > 0) {
                    let Ok(sku) = skus.read(&line.offer_sku) else { continue };
                    let key = sku.key();
                    sales.entry(key).or_default().push((flight.seen_at, line.units));
                    if place >= channels.len() || flight.seen_at < before(now, WEIGHED) {
                        continue;
                    }
                    let sold = of.entry(key).or_default();
                    sold.units.resize(channels.len(), 0);
                    sold.latest.resize(channels.len(), None);
                    sold.units[place] = sold.units[place].saturating_add(line.units);
                    sold.latest[place] = sold.latest[place].max(Some(flight.seen_at));
                }
            }
        }
        for (key, sales) in sales {
            of.entry(key).or_default().most = most_within(sales, window);
        }
        Self { of, now }
    }
}
