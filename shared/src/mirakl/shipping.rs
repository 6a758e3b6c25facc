//! The shipping family of the seller API: carriers and ways of shipping, tracking and shipping of
//! whole orders, shipments in parts, cancelations and refunds.

use serde::{Deserialize, Serialize};

use super::order::Tax;
use super::shipping_requirements::{RegisteredCarrier, ShippingRequirements, ShippingType};
use super::wire::{null_as_default, optional_whole, text};
use super::{MiraklError, Order};
use crate::kit::amount::Amount;

/// The shipping operations of one channel.
///
/// As with [`super::MiraklOrders`], every call obeys the time budget that the implementation was
/// given.
pub trait MiraklShipping {
    /// PC01, SH12 and SH21 together: once a day, and when a code is refused.
    async fn shipping_requirements(&self) -> Result<ShippingRequirements, MiraklError>;

    /// OR11 for one order: what its lines and amounts are now. `None` where Mirakl does not list
    /// it.
    async fn order(&self, order_id: &str) -> Result<Option<Order>, MiraklError>;

    /// OR23: carrier and number of a whole order. Convergent: a repeat writes the same again.
    async fn set_tracking(&self, order_id: &str, tracking: &Tracking) -> Result<(), MiraklError>;

    /// OR24: the whole order is shipped. Convergent: a repeat is refused, since the order is
    /// shipped by then.
    async fn ship_order(&self, order_id: &str) -> Result<(), MiraklError>;

    /// ST11: the shipments of an order.
    async fn shipments(&self, order_id: &str) -> Result<Vec<Shipment>, MiraklError>;

    /// ST01 for one parcel, created and shipped in one call. Ask first: a repeat of a part may ship
    /// it twice.
    async fn create_shipment(&self, shipment: &NewShipment) -> Result<ShipmentAnswer, MiraklError>;

    /// OR30 or OR28, for pieces of one order; what Mirakl made of it, as far as its answer says.
    /// Ask first: a repeat cancels or refunds again.
    async fn settle(
        &self,
        settlement: &SettlementRequest,
    ) -> Result<Vec<SettledEntry>, MiraklError>;
}

/// Pieces of one Mirakl order line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParcelLine {
    /// Mirakl's `order_line_id`.
    pub order_line_id: String,
    /// Pieces.
    pub quantity: u32,
}

/// A carrier and a number, as Mirakl takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tracking {
    /// `carrier_code`: of a listed carrier.
    pub carrier_code: Option<String>,
    /// `carrier_name`: of any other.
    pub carrier_name: Option<String>,
    /// `carrier_url` (OR23), `tracking_url` (ST01): of a carrier that is not listed.
    pub url: Option<String>,
    /// `tracking_number`: Prima's own.
    pub tracking_number: Option<String>,
}

/// A parcel as ST01 takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewShipment {
    /// `order_id`.
    pub order_id: String,
    /// `shipment_lines`.
    pub lines: Vec<ParcelLine>,
    /// `tracking`.
    pub tracking: Tracking,
    /// `invoice_reference`: Prima's dispatch number, to find the shipment again.
    pub reference: String,
}

/// How pieces that will not leave are settled with the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// OR30: cancelled.
    Cancel,
    /// OR28: refunded, and said not to be shipped.
    Refund,
}

impl How {
    /// Mirakl's operation.
    #[must_use]
    pub fn operation(self) -> &'static str {
        match self {
            Self::Cancel => "OR30",
            Self::Refund => "OR28",
        }
    }
}

/// One line of OR30 or OR28. Amounts are in the order's tax mode: taxes stand beside them where it
/// is `TAX_EXCLUDED`, or where the order shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineAmounts {
    /// `order_line_id`.
    pub order_line_id: String,
    /// `quantity`.
    pub quantity: u32,
    /// `amount`: goods.
    pub amount: Amount,
    /// `shipping_amount`: the line's share of shipping.
    pub shipping_amount: Amount,
    /// `taxes`: those that Mirakl does not compute.
    pub taxes: Vec<Tax>,
    /// `shipping_taxes`.
    pub shipping_taxes: Vec<Tax>,
}

/// A shipment as Mirakl lists it (ST11, ST01).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Shipment {
    /// `id`.
    #[serde(deserialize_with = "super::wire::id")]
    pub id: String,
    /// `order_id`.
    #[serde(default, deserialize_with = "text")]
    pub order_id: Option<String>,
    /// `status`: SHIPPING, SHIPPED, CANCELED and others.
    #[serde(default, deserialize_with = "text")]
    pub status: Option<String>,
    /// `invoice_reference`: Prima's dispatch number, where we made it.
    #[serde(default, deserialize_with = "text")]
    pub invoice_reference: Option<String>,
    /// `shipment_lines`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub shipment_lines: Vec<ShipmentLine>,
    /// `tracking`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub tracking: ShipmentTracking,
}

/// A line of a shipment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ShipmentLine {
    /// `order_line_id`.
    #[serde(default, deserialize_with = "text")]
    pub order_line_id: Option<String>,
    /// `quantity`.
    #[serde(default, deserialize_with = "optional_whole")]
    pub quantity: Option<u32>,
}

/// A shipment's tracking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ShipmentTracking {
    /// `carrier_code`.
    #[serde(default, deserialize_with = "text")]
    pub carrier_code: Option<String>,
    /// `tracking_number`.
    #[serde(default, deserialize_with = "text")]
    pub tracking_number: Option<String>,
}

impl Shipment {
    /// Whether it is the shipment that a parcel of ours would make: the same dispatch number and
    /// tracking number.
    #[must_use]
    pub fn is(&self, wanted: &NewShipment) -> bool {
        let cancelled = self.status.as_deref() == Some("CANCELED");
        !cancelled
            && self.invoice_reference.as_deref() == Some(wanted.reference.as_str())
            && self.tracking.tracking_number.as_deref().unwrap_or_default()
                == wanted.tracking.tracking_number.as_deref().unwrap_or_default()
    }
}

/// How ST01 answered: a 2xx answer is not success for each shipment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShipmentAnswer {
    /// Mirakl has it, under this id.
    Created(String),
    /// Mirakl refused it, with this message.
    Refused(String),
}

/// What OR30 or OR28 is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementRequest {
    /// Whether the pieces are cancelled or refunded.
    pub how: How,
    /// The order, for messages.
    pub order_id: String,
    /// `order_tax_mode`, as the order lists it.
    pub tax_mode: Option<String>,
    /// `currency_iso_code`.
    pub currency: Option<String>,
    /// `reason_code`: the marketplace's own.
    pub reason_code: String,
    /// What, and for how much.
    pub lines: Vec<LineAmounts>,
}

/// The cancelation or refund that a line of a settlement became.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettledEntry {
    /// `order_line_id`.
    pub order_line_id: String,
    /// `cancelation_id` or `refund_id`; else the call's `order_refund_id`.
    pub entry_id: Option<String>,
}

/// OR28's and OR30's answer. Nothing of it is needed: a success had its effect.
#[derive(Default, Deserialize)]
pub(super) struct SettlementAnswer {
    #[serde(default, deserialize_with = "null_as_default")]
    refunds: Vec<SettledLineAnswer>,
    #[serde(default, deserialize_with = "null_as_default")]
    cancelations: Vec<SettledLineAnswer>,
}

#[derive(Deserialize)]
struct SettledLineAnswer {
    #[serde(default, deserialize_with = "text")]
    order_line_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    refund_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    order_refund_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    cancelation_id: Option<String>,
}

impl SettlementAnswer {
    pub(super) fn into_entries(self) -> Vec<SettledEntry> {
        let lines = self.refunds.into_iter().chain(self.cancelations);
        let named = lines.filter_map(|line| {
            let entry_id = line.refund_id.or(line.cancelation_id).or(line.order_refund_id);
            Some(SettledEntry { order_line_id: line.order_line_id?, entry_id })
        });
        named.collect()
    }
}

/// SH21.
#[derive(Deserialize)]
pub(super) struct Carriers {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) carriers: Vec<RegisteredCarrier>,
}

/// SH12.
#[derive(Deserialize)]
pub(super) struct ShippingTypes {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) shipping_types: Vec<ShippingType>,
}

/// ST01's answer.
#[derive(Deserialize)]
pub(super) struct ShipmentAnswers {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) shipment_success: Vec<Shipment>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) shipment_errors: Vec<ShipmentError>,
}

#[derive(Deserialize)]
pub(super) struct ShipmentError {
    #[serde(default, deserialize_with = "text")]
    pub(super) message: Option<String>,
}
