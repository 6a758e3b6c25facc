//! How Prima names what is sold: a product and its matrix codes.

use serde::{Deserialize, Serialize};

/// A product with its matrix codes; an unused one is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrimaSku {
    /// The product: the style.
    pub product: String,
    /// The matrix codes, in Prima's order.
    pub matrix_codes: [String; 4],
}

/// What a single SKU means, whatever its form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkuOverride {
    /// Prima's product: the style.
    pub product: String,
    /// The matrix codes in Prima's order (colour, size, fit); up to four, none for a product
    /// without matrix.
    #[serde(default)]
    pub matrix_codes: Vec<String>,
}

impl SkuOverride {
    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        if self.product.trim().is_empty() {
            Some("names no product")
        } else if self.matrix_codes.len() > 4 {
            Some("has more than four matrix codes; Prima takes four")
        } else {
            None
        }
    }
}
