//! How a marketplace is run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::shipment::Carrier;

/// How the marketplace is run. Times are in seconds of whatever clock moves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Seconds that a new order stays in STAGING, while the operator checks for fraud; 0 for none.
    pub staging_seconds: u64,
    /// Seconds that a seller has to accept an order.
    pub acceptance_window_seconds: u64,
    /// Seconds from the acceptance to asking for the debit.
    pub debit_seconds: u64,
    /// Seconds from there to the payment; absent: as many again.
    pub payment_seconds: Option<u64>,
    /// Seconds from shipped to RECEIVED, and from there to CLOSED; absent: it stays shipped.
    pub received_seconds: Option<u64>,
    /// Orders are accepted for the seller; `acceptance_decision_date` is then null. A shop may
    /// differ.
    pub automatic_acceptance: bool,
    /// Addresses are shown before the payment.
    pub addresses_before_payment: bool,
    /// Some of an order's lines may be refused and the rest accepted.
    pub partial_acceptance: bool,
    /// Seconds subtracted from `start_update_date`, so that a listing repeats orders.
    pub update_delta_seconds: u64,
    /// Seconds in which a shop may begin two listings (OR11 from offset 0), write references once
    /// (OR04) and send one file of stock or offers (STO01, OF01); 0: no limit. What Mirakl allows
    /// more or less often scales with it: an import's status four times (STO02), an export's status
    /// six times (OF53), a full export (OF52) once in 1440 such times.
    pub call_interval_seconds: u64,
    /// How many listings a shop may begin in that time.
    pub listings_per_interval: usize,
    /// Answers have the sparse shapes of an old platform: no `total_count`, `channel: null`,
    /// `promotions: {}`, no addresses where they are null, fields left out that the schema
    /// requires.
    pub old_shapes: bool,
    /// Its carriers (SH21).
    pub carriers: Vec<Carrier>,
    /// Only those are taken (PC01 `disable_seller_alternative_carrier`).
    pub registered_carriers_only: bool,
    /// Codes of the ways of shipping that demand a tracking number (SH12 `mandatory_tracking`): of
    /// `STD`, `EXP`, `PICKUP`.
    pub mandatory_tracking: Vec<String>,
    /// Sellers may cancel pieces of a paid order (OR30).
    pub partial_cancelation: bool,
    /// The code under which orders that wait for the payment are shown: a state that is in no
    /// documentation.
    pub unknown_state: Option<String>,
    /// An order that arrives lowers its offers, and one that an offer does not cover does not
    /// arrive.
    pub sales_lower_offers: bool,
    /// What is cancelled or refused of an order is on offer again.
    pub cancellations_restock: bool,
    /// Seconds that an import of stock or offers waits before it runs.
    pub import_wait_seconds: u64,
    /// Seconds that it runs before it is applied.
    pub import_run_seconds: u64,
    /// Seconds until an export of offers is complete.
    pub export_seconds: u64,
    /// `tax_calculation_rule` of every tax: `PROPORTIONAL_TO_AMOUNT`, so that Mirakl computes what
    /// is refunded of it; else `NONE`.
    pub taxes_proportional: bool,
    /// Taxes are computed on the order: it lists `order_taxes`, and OR30 takes none where prices
    /// are without them.
    pub order_level_tax: bool,
    /// `last_updated_date` has whole seconds.
    pub whole_seconds: bool,
    /// Writing a reference (OR04) counts as a change of the order.
    pub references_update: bool,
    /// What the seller's refunds may draw on, in hundredths; absent: whatever they take.
    pub payable_balance: Option<i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            staging_seconds: 0,
            acceptance_window_seconds: 24 * 60 * 60,
            debit_seconds: 4,
            payment_seconds: None,
            received_seconds: None,
            automatic_acceptance: false,
            addresses_before_payment: false,
            partial_acceptance: true,
            update_delta_seconds: 30,
            call_interval_seconds: 60,
            listings_per_interval: 2,
            old_shapes: false,
            carriers: Carrier::usual(),
            registered_carriers_only: false,
            mandatory_tracking: vec!["EXP".to_owned()],
            partial_cancelation: true,
            unknown_state: None,
            sales_lower_offers: true,
            cancellations_restock: false,
            import_wait_seconds: 4,
            import_run_seconds: 1,
            export_seconds: 2,
            taxes_proportional: true,
            order_level_tax: false,
            whole_seconds: false,
            references_update: true,
            payable_balance: None,
        }
    }
}

/// A shop, as far as its orders differ from those of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShopProfile {
    /// `shop_id`.
    pub shop_id: i64,
    /// The currency of its orders: `GBP`.
    pub currency: String,
    /// `TAX_INCLUDED`; else `TAX_EXCLUDED`.
    #[serde(default = "yes")]
    pub tax_included: bool,
    /// Whether its orders are accepted for it; absent: as the marketplace's settings say.
    #[serde(default)]
    pub automatic_acceptance: Option<bool>,
    /// Its marketplace ships in parts (ST01); else whole orders (OR23, OR24).
    #[serde(default)]
    pub multi_shipment: bool,
}

fn yes() -> bool {
    true
}

/// A time of the settings.
pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
