//! Units in flight: on an order of any channel, and not yet in Prima's figure.
//!
//! What an order has in flight is read from its row ([`Flight::of`]), which stands in the store
//! beside the row and is written with it in one transaction
//! ([`crate::domain::state::FlightStore`]), because the index that lists rows lags and may not be
//! trusted here. It is read **after** a figure's answer is complete; the figure counts from the
//! moment at which its request was started.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::settings::{FallsAt, StockSettings};
use crate::domain::order::row::{ExceptionKind, OrderKey, OrderRow, Stage};
use crate::kit::clock::after;
use crate::mirakl::OrderState;

/// Goods that were said to have left, in an order of which no parcel is known, may take so long to
/// leave Prima's figure.
const LEAVES_WITHIN: Duration = Duration::from_secs(24 * 3600);
/// How long a flight that has ended is kept.
const KEPT: Duration = Duration::from_secs(2 * 24 * 3600);

/// What an order has in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flight {
    /// The order.
    pub key: OrderKey,
    /// When it was first listed.
    pub seen_at: Timestamp,
    /// Since when Prima certainly has it; none while that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Prima's words for it and since when, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<(String, Timestamp)>,
    /// Since when everything that will leave has left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Mirakl has cancelled or refused it, whatever is still to be done in Prima.
    #[serde(default)]
    pub is_cancelled: bool,
    /// Pieces by offer SKU that Mirakl has cancelled or refused, and may have put back on offer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub taken_back: BTreeMap<String, u32>,
    /// Refunds that Mirakl lists on its lines.
    #[serde(default, skip_serializing_if = "crate::domain::order::row::is_zero")]
    pub refunds: u32,
    /// Its lines, by offer SKU; those that are no more, with no units.
    pub lines: Vec<FlightLine>,
}

/// Units of one order line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlightLine {
    /// The offer's SKU.
    pub offer_sku: String,
    /// Units ordered, net of cancelations.
    pub units: u32,
    /// Of these, units that were seen to have left, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<(Timestamp, u32)>,
}

impl Flight {
    /// What `row` has in flight. An order that is over in Mirakl has no units, and stays for a
    /// while so that its end is noticed.
    #[must_use]
    pub fn of(row: &OrderRow) -> Self {
        // Keyed by hand before the take-over: in Prima under a number that we do not know, for as
        // long as the channel exists. What the marketplace ships itself never leaves our warehouse.
        let is_operators = row.listing.fulfilled_by_operator
            || row.stage == Stage::OperatorFulfilled
            || row
                .exception
                .as_ref()
                .is_some_and(|exception| exception.kind == ExceptionKind::ShippedByOperator);
        let is_over = is_operators
            || matches!(row.stage, Stage::Cancelled | Stage::Refused | Stage::KeyedByHand);
        let dispatch = row.dispatch.as_deref();
        let lines = row.lines.iter().map(|line| FlightLine {
            offer_sku: line.offer_sku.clone(),
            units: if is_over { 0 } else { line.quantity },
            left: dispatch.map(|dispatch| left(dispatch, &line.order_line_id)).unwrap_or_default(),
        });
        let gone = row.gone_skus.iter().map(|offer_sku| FlightLine {
            offer_sku: offer_sku.clone(),
            units: 0,
            left: Vec::new(),
        });
        let ended_at = match dispatch.and_then(|dispatch| dispatch.ended_at) {
            _ if is_over => Some(row.since),
            Some(ended_at) => Some(ended_at),
            None => (row.stage == Stage::Shipped).then(|| after(row.since, LEAVES_WITHIN)),
        };
        Self {
            key: row.key.clone(),
            seen_at: row.listing.seen_at,
            created_at: row.creation.created_at,
            words: dispatch.map(|dispatch| dispatch.prima_words.clone()).unwrap_or_default(),
            ended_at,
            is_cancelled: matches!(row.listing.state, OrderState::Canceled | OrderState::Refused),
            taken_back: row.listing.taken_back.clone(),
            refunds: row.listing.refunds,
            lines: lines.chain(gone).collect(),
        }
    }

    /// Tells two states of one order's flight apart.
    #[must_use]
    pub fn digest(&self) -> u64 {
        digest_of(self)
    }

    /// Tells two states of what was sold apart: another one means that Mirakl has changed its own
    /// quantities.
    #[must_use]
    pub fn sold_digest(&self) -> u64 {
        let sold: Vec<_> =
            self.lines.iter().map(|line| (line.offer_sku.as_str(), line.units)).collect();
        // Marks that were made before refunds and cancelled pieces were looked at stay what they
        // are.
        match (self.refunds, self.taken_back.is_empty()) {
            (0, true) => digest_of(&(sold, self.is_cancelled)),
            (refunds, true) => digest_of(&(sold, self.is_cancelled, refunds)),
            (refunds, false) => digest_of(&(sold, self.is_cancelled, refunds, &self.taken_back)),
        }
    }

    /// Nothing was done to it but that it was sold.
    #[must_use]
    pub fn is_sale(&self) -> bool {
        !self.is_cancelled && self.refunds == 0 && self.taken_back.is_empty()
    }

    /// Its offers, each with the pieces that the marketplace may have put back on it.
    #[must_use]
    pub fn touched(&self) -> BTreeMap<&str, u32> {
        let mut touched: BTreeMap<&str, u32> =
            self.lines.iter().map(|line| (line.offer_sku.as_str(), 0)).collect();
        touched.extend(
            self.taken_back.iter().map(|(offer_sku, pieces)| (offer_sku.as_str(), *pieces)),
        );
        touched
    }

    /// Since when Prima has had its stock allocated; none where its latest word does not say so.
    fn allocated_at(&self, settings: &StockSettings) -> Option<Timestamp> {
        let allocated = self.words.iter().rev().take_while(|(word, _)| settings.is_allocated(word));
        allocated.last().map(|(_, since)| *since)
    }

    /// When its record may go: long after every figure that lacks anything of it, and after its end
    /// was noticed.
    #[must_use]
    pub fn forgotten_at(&self) -> Option<Timestamp> {
        self.ended_at.map(|ended_at| after(ended_at, KEPT))
    }

    /// Units by offer SKU that a figure does not know of which was asked for at `asked_at`.
    #[must_use]
    pub fn units(&self, asked_at: Timestamp, settings: &StockSettings) -> BTreeMap<&str, u32> {
        let is_known = |since: Timestamp| after(since, settings.margin()) < asked_at;
        let all_known = self.ended_at.is_some_and(is_known)
            || match settings.falls_at {
                FallsAt::Creation => self.created_at.is_some_and(is_known),
                FallsAt::Allocation => self.allocated_at(settings).is_some_and(is_known),
                FallsAt::Dispatch => false,
            };
        let mut units = BTreeMap::new();
        if all_known {
            return units;
        }
        for line in &self.lines {
            let left: u32 = line
                .left
                .iter()
                .filter(|(found_at, _)| is_known(*found_at))
                .map(|(_, units)| units)
                .sum();
            let open = line.units.saturating_sub(left);
            if open > 0 {
                let sum: &mut u32 = units.entry(line.offer_sku.as_str()).or_default();
                *sum = sum.saturating_add(open);
            }
        }
        units
    }
}

fn digest_of(value: &impl Serialize) -> u64 {
    // Texts, numbers and moments: nothing of it can fail to be written.
    serde_json::to_vec(value).map_or(0, |json| xxhash_rust::xxh3::xxh3_64(&json))
}

fn left(
    dispatch: &crate::domain::dispatch::Dispatch,
    order_line_id: &str,
) -> Vec<(Timestamp, u32)> {
    let parcels = dispatch
        .parcels
        .iter()
        .flat_map(|parcel| parcel.lines.iter().map(move |line| (parcel.found_at, line)));
    parcels
        .filter(|(_, line)| line.order_line_id == order_line_id)
        .map(|(found_at, line)| (found_at, line.quantity))
        .collect()
}

#[cfg(test)]
mod tests;
