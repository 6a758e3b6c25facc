//! What the shops offer, and the imports on their way to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::import::{Import, ImportFate};

/// What a shop offers of one SKU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// `offer_id`.
    pub offer_id: i64,
    /// `shop_sku`: the seller's own.
    pub shop_sku: String,
    /// Pieces on offer.
    pub quantity: u32,
    /// Whether the seller offers it; one without pieces cannot be bought either.
    pub active: bool,
    /// The seller deleted it; it is kept for exports of what changed.
    pub deleted: bool,
    /// When it changed last.
    pub updated: Timestamp,
}

impl Offer {
    /// Whether a customer may buy it.
    #[must_use]
    pub fn is_for_sale(&self) -> bool {
        self.active && !self.deleted && self.quantity > 0
    }
}

/// An offer as a person, or a test, sets it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NewOffer {
    /// `shop_sku`.
    pub shop_sku: String,
    /// Pieces on offer.
    pub quantity: u32,
    /// Whether it is active.
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// All shops' offers and imports.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    pub(super) offers: BTreeMap<i64, BTreeMap<String, Offer>>,
    pub(super) imports: BTreeMap<u64, Import>,
    pub(super) next_import: u64,
    /// By the time they end and, within it, the order they were sent in.
    pub(super) due: BTreeSet<(Timestamp, u64)>,
    /// When the last import of a shop's queue ends.
    pub(super) queue_ends: BTreeMap<i64, Timestamp>,
    pub(super) fates: BTreeMap<i64, VecDeque<ImportFate>>,
    pub(super) refused_sales: u64,
}
