//! The shipping family of the seller API: carriers and ways of shipping, tracking and shipping of whole orders, shipments in
//! parts, cancelations and refunds.

use serde::Deserialize;

use super::wire::{null_as_default, optional_whole, text};
use super::{MiraklError, Order};
use crate::despatch::How;
use crate::despatch::plan::{NewShipment, Tracking};
use crate::despatch::platform::{Platform, RegisteredCarrier, ShippingType};
use crate::despatch::settlement::LineAmounts;

/// The shipping operations of one channel.
///
/// As with [`super::MiraklOrders`], every call obeys the time budget that the implementation was given.
pub trait MiraklShipping {
    /// PC01, SH12 and SH21 together: once a day, and when a code is refused.
    async fn platform(&self) -> Result<Platform, MiraklError>;

    /// OR11 for one order: what its lines and amounts are now. `None` where Mirakl does not list it.
    async fn order(&self, order_id: &str) -> Result<Option<Order>, MiraklError>;

    /// OR23: carrier and number of a whole order. Convergent: a repeat writes the same again.
    async fn set_tracking(&self, order_id: &str, tracking: &Tracking) -> Result<(), MiraklError>;

    /// OR24: the whole order is shipped. Convergent: a repeat is refused, since the order is shipped by then.
    async fn ship_order(&self, order_id: &str) -> Result<(), MiraklError>;

    /// ST11: the shipments of an order.
    async fn shipments(&self, order_id: &str) -> Result<Vec<Shipment>, MiraklError>;

    /// ST01 for one parcel, created and shipped in one call. Ask first: a repeat of a part may ship it twice.
    async fn create_shipment(&self, shipment: &NewShipment) -> Result<ShipmentAnswer, MiraklError>;

    /// OR30 or OR28, for pieces of one order; what Mirakl made of it, as far as its answer says. Ask first: a repeat cancels or
    /// refunds again.
    async fn settle(&self, settlement: &SettlementRequest) -> Result<Vec<SettledEntry>, MiraklError>;
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
    /// `invoice_reference`: Prima's despatch number, where we made it.
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
    /// Whether it is the shipment that a parcel of ours would make: the same despatch number and tracking number.
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
    /// How.
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
