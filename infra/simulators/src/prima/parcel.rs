//! A parcel: what `OrderStatus` tells of a dispatch.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A parcel that left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parcel {
    /// `DespatchNumber`.
    pub dispatch_number: String,
    /// `Carrier`: Prima's own description.
    pub carrier: String,
    /// `CarrServ`.
    pub service: String,
    /// `ConsignmentNumber`.
    pub consignment: String,
    /// What is in it: `OrderLine` and pieces.
    pub lines: Vec<(u32, u32)>,
    /// When it left.
    pub at: Timestamp,
}
