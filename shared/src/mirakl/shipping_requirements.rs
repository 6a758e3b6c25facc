//! What a marketplace demands of a shipment: read once a day, kept as a document, read again when a
//! code is refused.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kit::odd_form::OddForm;

/// A carrier that the marketplace lists (Mirakl seller API, SH21).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredCarrier {
    /// `code`: what OR23 and ST01 take, in exactly this spelling.
    pub code: String,
    /// `label`.
    #[serde(default, deserialize_with = "crate::mirakl::null_as_default")]
    pub label: String,
    /// `standard_code`: Mirakl's own code, the same on every marketplace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_code: Option<String>,
    /// `tracking_url`, with `{trackingId}` where the number goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_url: Option<String>,
}

impl RegisteredCarrier {
    /// Whether the carrier's page needs the number: then Mirakl demands one.
    #[must_use]
    pub fn needs_tracking_number(&self) -> bool {
        self.tracking_url.as_ref().is_some_and(|url| url.contains("{trackingId}"))
    }
}

/// A way of shipping that the customer chose (Mirakl seller API, SH12).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingType {
    /// `code`.
    pub code: String,
    /// `label`.
    #[serde(default, deserialize_with = "crate::mirakl::null_as_default")]
    pub label: String,
    /// `mandatory_tracking`: without a tracking number no order of this type can be shipped.
    #[serde(default, deserialize_with = "crate::mirakl::null_as_default")]
    pub mandatory_tracking: bool,
}

/// What a marketplace demands, as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingRequirements {
    /// When it was read.
    pub read_at: Timestamp,
    /// It ships in parts (ST01) instead of whole orders (OR23 and OR24): PC01
    /// `features.shipment.multi_shipment`.
    pub multi_shipment: bool,
    /// Only listed carriers are taken: PC01 `features.disable_seller_alternative_carrier`.
    pub registered_carriers_only: bool,
    /// Its carriers.
    pub carriers: Vec<RegisteredCarrier>,
    /// Its ways of shipping.
    pub shipping_types: Vec<ShippingType>,
    /// Fields of the answers in a form that is not understood, which were done without.
    #[serde(skip)]
    pub unread_fields: Vec<OddForm>,
}

impl ShippingRequirements {
    /// The carrier of a code, in exactly this spelling.
    #[must_use]
    pub fn carrier(&self, code: &str) -> Option<&RegisteredCarrier> {
        self.carriers.iter().find(|carrier| carrier.code == code)
    }

    /// Whether an order of this way of shipping needs a tracking number.
    #[must_use]
    pub fn demands_tracking(&self, shipping_type: Option<&str>) -> bool {
        shipping_type.is_some_and(|code| {
            self.shipping_types.iter().any(|kind| kind.code == code && kind.mandatory_tracking)
        })
    }
}
