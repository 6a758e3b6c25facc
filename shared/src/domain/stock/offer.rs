//! What is offered of a SKU on a channel, and what of that is to be published now.
//!
//! Offered is `min(cap, max(0, floor(share% x max(0, free - in flight)) - buffer))`, all integers.
//! How much of it goes out depends on how fresh Prima's figure is ([`Known`]) and on what Mirakl is
//! known to show ([`Shown`]): what lowers an offer always goes out, what raises it only on a fresh
//! figure and once no other channel shows more of the same SKU than it should.

use std::time::Duration;

use jiff::Timestamp;

use super::rules::{OfferLimits, OutageRule};
use super::settings::StockSettings;
use crate::kit::clock::before;

/// What is known of Prima's figure for a SKU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The latest complete reading of its range has it, and no later one has failed to have it.
    Figure {
        /// Free units, by the agreed basis.
        free: u32,
        /// When the request was started that read it.
        asked_at: Timestamp,
    },
    /// Later complete readings of its range lack it.
    Absent {
        /// The last figure there was.
        free: u32,
        /// How many complete readings have lacked it.
        readings: u32,
    },
    /// The latest reading has it without a figure that can be used; the last one that could, if
    /// there was one.
    Unusable {
        /// Free units of that one.
        last: Option<u32>,
    },
    /// No reading has ever had it.
    Never,
}

impl Known {
    /// Free units by the last figure that could be used.
    #[must_use]
    pub fn free(self) -> Option<u32> {
        match self {
            Self::Figure { free, .. } | Self::Absent { free, .. } => Some(free),
            Self::Unusable { last } => last,
            Self::Never => None,
        }
    }
}

/// What is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This.
    Exactly(u32),
    /// No more than this: what is shown may be lowered to it and is not raised.
    AtMost(u32),
    /// Whatever is shown: nothing is known that could be held against it.
    Anything,
}

impl Wanted {
    /// No more than this of it.
    #[must_use]
    pub fn at_most(self, most: u32) -> Self {
        match self {
            Self::Exactly(quantity) => Self::Exactly(quantity.min(most)),
            Self::AtMost(quantity) => Self::AtMost(quantity.min(most)),
            Self::Anything => Self::Anything,
        }
    }
}

/// Why it is that, for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A fresh figure.
    Fresh,
    /// The figure is too old to raise an offer.
    Ageing,
    /// Prima has been silent for too long; the channel's outage rule holds.
    Silent,
    /// Enough complete readings lack the SKU.
    Gone,
    /// Some complete readings lack the SKU.
    Missing,
    /// Prima's figure cannot be used.
    Unusable,
    /// Prima has never had it.
    NeverSeen,
    /// A rule excludes it.
    Excluded,
    /// The last units are offered on another channel.
    LastUnitsElsewhere,
    /// The last pieces are divided among the channels.
    Divided,
}

/// What goes into the offer rule besides Prima's figure.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Units on orders, of all channels, that Prima's figure does not know of yet.
    pub in_flight: u32,
    /// How much may be offered.
    pub limits: OfferLimits<'a>,
    /// This is the channel that offers the last units, or there is none.
    pub offers_last_units: bool,
}

/// The offer rule itself.
#[must_use]
pub fn offered(free: u32, terms: &Terms<'_>) -> u32 {
    if terms.limits.excluded.value {
        return 0;
    }
    let left = free.saturating_sub(terms.in_flight);
    let share = u64::from(left) * u64::from(terms.limits.share_percent.value.min(100)) / 100;
    let share = u32::try_from(share).unwrap_or(u32::MAX);
    let after_buffer = share.saturating_sub(terms.limits.buffer.value);
    terms.limits.cap.value.map_or(after_buffer, |cap| after_buffer.min(cap))
}

/// What is to be shown of a SKU on a channel, and why.
#[must_use]
pub fn wanted(
    known: Known,
    terms: &Terms<'_>,
    settings: &StockSettings,
    outage: OutageRule,
    now: Timestamp,
) -> (Wanted, Why) {
    if terms.limits.excluded.value {
        return (Wanted::Exactly(0), Why::Excluded);
    }
    let (free, answer): (u32, fn(u32) -> Wanted) = match known {
        Known::Figure { free, asked_at }
            if is_within(asked_at, settings.raise_within_minutes, now) =>
        {
            (free, Wanted::Exactly)
        }
        Known::Figure { free, .. } | Known::Absent { free, .. } => (free, Wanted::AtMost),
        Known::Unusable { last: Some(free) } => (free, Wanted::AtMost),
        Known::Unusable { last: None } => return (Wanted::Anything, Why::Unusable),
        Known::Never => return (Wanted::Anything, Why::NeverSeen),
    };
    let why = match known {
        Known::Figure { asked_at, .. }
            if is_within(asked_at, settings.raise_within_minutes, now) =>
        {
            Why::Fresh
        }
        Known::Figure { asked_at, .. }
            if is_within(asked_at, settings.silent_after_minutes, now) =>
        {
            Why::Ageing
        }
        Known::Figure { .. } if outage == OutageRule::Zero => {
            return (Wanted::Exactly(0), Why::Silent);
        }
        Known::Figure { .. } => Why::Silent,
        Known::Absent { readings, .. } if readings >= settings.absent_readings => {
            return (Wanted::Exactly(0), Why::Gone);
        }
        Known::Absent { .. } => Why::Missing,
        Known::Unusable { .. } | Known::Never => Why::Unusable,
    };
    let is_last =
        settings.last_units > 0 && free.saturating_sub(terms.in_flight) <= settings.last_units;
    if is_last && !terms.offers_last_units {
        return (Wanted::Exactly(0), Why::LastUnitsElsewhere);
    }
    (answer(offered(free, terms)), why)
}

fn is_within(asked_at: Timestamp, minutes: u32, now: Timestamp) -> bool {
    asked_at >= before(now, Duration::from_secs(60 * u64::from(minutes)))
}

/// What Mirakl is known to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Exactly this, since an import that completed, and nothing was sold or cancelled since.
    Known(u32),
    /// Something was sold, cancelled or refunded since this was published.
    Unknown(u32),
    /// An import may or may not have brought this: the highest that it may be.
    InDoubt(u32),
    /// Nothing was ever published, or memory was lost.
    Never,
}

impl Shown {
    /// The most that Mirakl may show.
    #[must_use]
    pub fn highest(self) -> u32 {
        match self {
            Self::Known(quantity) | Self::Unknown(quantity) | Self::InDoubt(quantity) => quantity,
            Self::Never => u32::MAX,
        }
    }

    /// The most that Mirakl may show of what was ever published.
    #[must_use]
    pub fn at_most(self) -> u32 {
        if self == Self::Never { 0 } else { self.highest() }
    }
}

/// The quantity to publish, if any. `others_are_down`: no other channel may show more of the SKU
/// than it should.
#[must_use]
pub fn to_publish(wanted: Wanted, shown: Shown, others_are_down: bool) -> Option<u32> {
    match wanted {
        Wanted::Anything => None,
        Wanted::AtMost(quantity) => (quantity < shown.highest()).then_some(quantity),
        Wanted::Exactly(quantity) if shown == Shown::Known(quantity) => None,
        // What lowers the offer goes out whatever else waits.
        Wanted::Exactly(quantity) if quantity == 0 || quantity < shown.highest() => Some(quantity),
        Wanted::Exactly(quantity) => others_are_down.then_some(quantity),
    }
}

/// Whether Mirakl may show more than it should: other channels do not raise this SKU before that
/// has ended.
#[must_use]
pub fn may_show_too_much(wanted: Wanted, shown: Shown) -> bool {
    match wanted {
        Wanted::Exactly(quantity) | Wanted::AtMost(quantity) => {
            shown != Shown::Never && shown.highest() > quantity
        }
        Wanted::Anything => false,
    }
}

#[cfg(test)]
mod tests;
