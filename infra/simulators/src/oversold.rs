//! What is sold beyond what is there, over both systems at once.

use std::collections::{BTreeMap, HashSet};

use crate::mirakl::Marketplace;
use crate::prima::{Installation, Sku, Stage};

/// The pieces that are sold and cannot be sent, by SKU; a SKU without any is not in it.
///
/// A SKU is oversold by the pieces promised beyond those in Prima's warehouse. Promised are: pieces
/// on open orders in Prima, those set aside for its other channels, and pieces still to be shipped
/// on open orders of the marketplaces that no order in Prima stands for. An order in Prima stands
/// for a marketplace's line if its `LineReference` is that line's id, and it is not cancelled.
/// `sku_of` reads an offer's SKU; lines of which it makes nothing, and SKUs not kept in stock, do
/// not count.
pub fn oversold<'m>(
    marketplaces: impl IntoIterator<Item = &'m Marketplace>,
    installation: &Installation,
    sku_of: impl Fn(&str) -> Option<Sku>,
) -> BTreeMap<Sku, i64> {
    let standing = installation.orders().filter(|order| order.stage != Stage::Cancelled);
    let in_prima: HashSet<&str> =
        standing.flat_map(|order| &order.order.lines).map(|line| line.reference.as_str()).collect();
    let mut in_flight: BTreeMap<Sku, i64> = BTreeMap::new();
    let open = marketplaces
        .into_iter()
        .flat_map(Marketplace::orders)
        .filter(|order| order.state.is_open());
    for line in open
        .flat_map(|order| &order.lines)
        .filter(|line| !in_prima.contains(line.order_line_id.as_str()))
    {
        if let Some(sku) = sku_of(&line.offer_sku) {
            *in_flight.entry(sku).or_default() += i64::from(line.to_ship());
        }
    }
    let beyond = installation.stock().map(|(sku, stock)| {
        let promised =
            stock.owed + stock.elsewhere + in_flight.get(sku).copied().unwrap_or_default();
        (sku.clone(), promised - stock.physical)
    });
    beyond.filter(|(_, pieces)| *pieces > 0).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use jiff::Timestamp;
    use rand::SeedableRng as _;

    use super::*;
    use crate::mirakl::{OrderWish, Settings, ShopProfile, generate_order};
    use crate::prima::{NewOrder, NewOrderLine, OrderRules, Stock, StockRow};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_sale_counts_once_wherever_its_order_stands() {
        let catalogue = crate::fashion::catalogue(1, 1);
        let known = &catalogue[0];
        let sku = Sku {
            product: known.product.clone(),
            matrix: [known.colour.clone(), known.size.clone(), String::new(), String::new()],
        };
        let shop = ShopProfile {
            shop_id: 1,
            currency: "GBP".to_owned(),
            tax_included: true,
            automatic_acceptance: None,
            multi_shipment: false,
        };
        let mut marketplace = Marketplace::new(Settings::default());
        let wish = OrderWish { lines: Some(1), quantity: Some(3), ..OrderWish::default() };
        let order = generate_order(
            &mut rand_chacha::ChaCha8Rng::seed_from_u64(1),
            NOW,
            &shop,
            1,
            &catalogue,
            wish,
        );
        let line_id = order.lines[0].order_line_id.clone();
        let order_id = order.order_id.clone();
        marketplace.place(order, NOW);
        let mut installation = Installation::new(OrderRules::default());
        installation.set_stock([StockRow {
            sku: sku.clone(),
            stock: Stock { physical: 3, elsewhere: 1, ..Stock::default() },
        }]);
        let beyond = |marketplace: &Marketplace, installation: &Installation| {
            oversold([marketplace], installation, |offer| {
                (offer == known.offer_sku()).then(|| sku.clone())
            })
            .get(&sku)
            .copied()
        };
        assert_eq!(beyond(&marketplace, &installation), Some(1));
        let line = NewOrderLine {
            number: 1,
            product: sku.product.clone(),
            matrix: sku.matrix.clone(),
            quantity: 3,
            reference: line_id,
            ..NewOrderLine::default()
        };
        installation
            .new_order(
                NewOrder { order_number: "A".to_owned(), lines: vec![line], ..NewOrder::default() },
                NOW,
            )
            .unwrap();
        assert_eq!(
            beyond(&marketplace, &installation),
            Some(1),
            "in both systems, and counted once"
        );
        installation.book("A", crate::prima::Booking::default(), NOW).unwrap();
        assert_eq!(
            beyond(&marketplace, &installation),
            Some(1),
            "gone, and one is still set aside of none"
        );
        assert!(marketplace.cancel(&order_id, NOW));
        installation.set_stock([StockRow {
            sku: sku.clone(),
            stock: Stock { physical: 1, elsewhere: 1, ..Stock::default() },
        }]);
        assert_eq!(beyond(&marketplace, &installation), None);
    }
}
