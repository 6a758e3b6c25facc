//! Which order it is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An order's identity: the channel and Mirakl's order id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OrderKey {
    /// The channel's id.
    pub channel: String,
    /// Mirakl's order id.
    pub order_id: String,
}

impl OrderKey {
    /// The key of `order_id` on `channel`.
    pub fn new(channel: impl Into<String>, order_id: impl Into<String>) -> Self {
        Self { channel: channel.into(), order_id: order_id.into() }
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.channel, self.order_id)
    }
}
