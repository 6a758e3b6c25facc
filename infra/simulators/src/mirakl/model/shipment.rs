//! Carriers, tracking and shipments.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A carrier of the operator's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Carrier {
    pub code: String,
    pub label: String,
    #[serde(default)]
    pub standard_code: Option<String>,
    /// With `{trackingId}` where the number goes: then one is demanded.
    #[serde(default)]
    pub tracking_url: Option<String>,
}

impl Carrier {
    /// The list that a marketplace has where its settings name none.
    #[must_use]
    pub fn usual() -> Vec<Self> {
        let carrier = |code: &str, label: &str, standard: Option<&str>, url: Option<&str>| Self {
            code: code.to_owned(),
            label: label.to_owned(),
            standard_code: standard.map(str::to_owned),
            tracking_url: url.map(str::to_owned),
        };
        vec![
            carrier(
                "DHLX",
                "DHL Express",
                Some("DHL"),
                Some("https://dhl.example/track/{trackingId}"),
            ),
            carrier("DPD_UK", "DPD", Some("DPD"), Some("https://dpd.example/parcel/{trackingId}")),
            carrier("EVRI", "Evri", None, Some("https://evri.example/{trackingId}")),
            carrier(
                "RM24",
                "Royal Mail",
                Some("ROYALMAIL"),
                Some("https://royalmail.example/{trackingId}"),
            ),
            carrier("VAN", "Own van", None, None),
        ]
    }
}

/// Carrier and number, as the seller sent them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Tracking {
    pub carrier_code: Option<String>,
    pub carrier_name: Option<String>,
    pub tracking_number: Option<String>,
    pub url: Option<String>,
}

/// A shipment of a part of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "Mirakl's own words")]
pub struct Shipment {
    pub id: String,
    pub lines: Vec<(String, u32)>,
    pub tracking: Tracking,
    pub invoice_reference: Option<String>,
    pub created: Timestamp,
    pub shipped: bool,
}
