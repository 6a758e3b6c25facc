//! What a connection check reads of a marketplace and its shop. Everything is optional: a check
//! reports, it does not fail.

use serde::Deserialize;

use crate::kit::odd_form::OddForm;

/// A01, as far as a check needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Account {
    /// `shop_id`.
    pub shop_id: Option<i64>,
    /// `shop_name`.
    pub shop_name: Option<String>,
    /// `shop_state`: OPEN, CLOSE, SUSPENDED, TERMINATED.
    pub shop_state: Option<String>,
    /// `currency_iso_code`.
    pub currency_iso_code: Option<String>,
    /// Fields in a form that is not understood, which were done without.
    #[serde(skip)]
    pub unread_fields: Vec<OddForm>,
}

/// PC01, as far as a check needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PlatformConfiguration {
    /// `platform_name`.
    pub platform_name: Option<String>,
    /// `timezone`.
    pub timezone: Option<String>,
    /// `features`.
    #[serde(deserialize_with = "super::wire::null_as_default")]
    pub features: Features,
    /// Fields in a form that is not understood, which were done without.
    #[serde(skip)]
    pub unread_fields: Vec<OddForm>,
}

/// `features`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Features {
    /// `order_tax_mode`.
    pub order_tax_mode: Option<String>,
    /// `order_workflows`.
    #[serde(deserialize_with = "super::wire::null_as_default")]
    pub order_workflows: OrderWorkflows,
    /// `shipment`.
    #[serde(deserialize_with = "super::wire::null_as_default")]
    pub shipment: Shipment,
    /// `disable_seller_alternative_carrier`: unregistered carriers are forbidden.
    pub disable_seller_alternative_carrier: Option<bool>,
}

/// `features.order_workflows`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct OrderWorkflows {
    /// `order_acceptance`: `AUTOMATIC`, `NOT_AUTOMATIC` or `BOTH`.
    pub order_acceptance: Option<String>,
    /// `shipping_and_billing_details_before_acceptance`.
    pub shipping_and_billing_details_before_acceptance: Option<bool>,
}

/// `features.shipment`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Shipment {
    /// `multi_shipment`: the platform ships in parts (ST01 instead of OR23 and OR24).
    pub multi_shipment: Option<bool>,
    /// `multi_part_item_shipment`: one item may travel in several packages.
    pub multi_part_item_shipment: Option<bool>,
}
