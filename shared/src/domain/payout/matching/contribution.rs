//! What each SKU left after the marketplace's costs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::order::{KnownOrder, OrderMoney};
use crate::mirakl::finance::TransactionLine;

/// What a SKU brought after the marketplace's costs. It is no margin: what the goods cost is not in
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// The offer's SKU; none for what belongs to no order line of ours: it is not allocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// Its money.
    pub money: OrderMoney,
}

/// The contribution of each SKU, of these lines: by SKU, and last what is not allocated. The
/// transfer and the reserve are no contribution.
#[must_use]
pub fn contribution<'l>(
    lines: impl IntoIterator<Item = &'l TransactionLine>,
    orders: &BTreeMap<String, KnownOrder<'_>>,
) -> Vec<Contribution> {
    let mut by_sku: BTreeMap<Option<&str>, OrderMoney> = BTreeMap::new();
    for line in lines {
        if line.kind.is_payment() || line.kind.is_reserve() {
            continue;
        }
        let of = |order: &String| {
            let facts = orders.get(order)?.facts?;
            let id = line.order_line.as_deref()?;
            facts.lines.iter().find(|line| line.line == id).map(|line| line.offer_sku.as_str())
        };
        let sku = line.order.as_ref().and_then(of);
        by_sku.entry(sku).or_default().add(&line.kind, line.net());
    }
    let mut all: Vec<_> = by_sku
        .into_iter()
        .map(|(sku, money)| Contribution { sku: sku.map(str::to_owned), money })
        .collect();
    // None comes first of all, and is to be last.
    if all.first().is_some_and(|first| first.sku.is_none()) {
        all.rotate_left(1);
    }
    all
}
