//! Which of Prima's figures is free to sell.

use serde::{Deserialize, Serialize};

/// Which of Prima's figures is free to sell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StockBasis {
    /// `FreeQuantity`.
    Free,
    /// `AvailableQuantity` less `AllocatedQuantity`.
    AvailableLessAllocated,
    /// `AvailableQuantity`: the customer has confirmed that "available to sell" is net of
    /// allocations.
    AvailableIsFree,
}
