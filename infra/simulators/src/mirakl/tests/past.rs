//! A past that was lived through: both systems' books say the same of every order that left.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::json;

use super::super::model::ledger::Entry;
use super::super::past::Past;
use super::super::simulator::{Config, Shop, Simulator};
use super::*;
use crate::past::PastOrder;
use crate::prima::{Installation, OrderRules, books::BookRules};

fn lived(remits: bool) -> (Simulator, Vec<PastOrder>) {
    let shops = [(SHOP, "GBP", true), (3001, "EUR", false)].map(|(shop_id, currency, included)| {
        let profile = ShopProfile {
            shop_id,
            currency: currency.to_owned(),
            tax_included: included,
            ..shop()
        };
        Shop { api_key: "key".to_owned(), profile }
    });
    let config = Config { shops: shops.into(), catalogue_size: 50, ..Config::default() };
    let simulator = Simulator::new(config).unwrap();
    let shop = |shop_id: i64, currency: &str, remits: bool| {
        json!({"shop_id": shop_id, "pay_method": currency, "orders": 150, "cancel_share": 0.05, "refund_share": 0.3,
            "billing": {"operator_remits_taxes": remits, "subscription": "39.00", "payout_seconds": 86400},
            "closes": ["2026-10-11T00:00:00Z", "2026-10-21T00:00:00Z", "2026-11-01T00:00:00Z"],
            "items": [{"at": "2026-10-15T12:00:00Z", "item": {"kind": "MANUAL_CREDIT", "amount": "10.00", "currency": currency}}]})
    };
    let past: Past = serde_json::from_value(json!({
        "from": "2026-10-01T00:00:00Z", "to": "2026-11-04T00:00:00Z", "seed": 7,
        "shops": [shop(SHOP, "GBP", false), shop(3001, "EUR", remits)],
    }))
    .unwrap();
    let orders = simulator.live_through(&past).unwrap();
    (simulator, orders)
}

#[test]
fn what_prima_invoices_and_credits_is_what_the_marketplace_settles() {
    for remits in [false, true] {
        let (simulator, orders) = lived(remits);
        assert!(orders.len() > 280, "{}", orders.len());
        assert!(orders.iter().filter(|order| !order.credits.is_empty()).count() > 30);
        assert!(orders.iter().filter(|order| order.left_at.is_none()).count() > 5);
        let clearing = [("GBP", "1260"), ("EUR", "1261")];
        let clearing = clearing.map(|(method, nominal)| (method.to_owned(), nominal.to_owned()));
        let mut installation = Installation::new(OrderRules::default());
        installation
            .set_book_rules(BookRules { clearing: clearing.into(), ..BookRules::default() });
        orders.iter().for_each(|order| installation.take_in_past(order));
        let marketplace = simulator.marketplace();
        for (shop_id, nominal, currency) in [(SHOP, "1260", "GBP"), (3001, "1261", "EUR")] {
            let ledger = marketplace.finance().ledger(shop_id).unwrap();
            assert_eq!(ledger.cycles().len(), 3);
            let mut settled: BTreeMap<&str, Decimal> = BTreeMap::new();
            let is_of_sale = |entry: &&Entry| {
                let code = entry.kind.code();
                code.contains("ORDER") && !code.contains("COMMISSION")
            };
            for entry in ledger.entries().iter().filter(is_of_sale) {
                let order = entry.order.as_ref().unwrap();
                *settled.entry(&order.order_id).or_default() += entry.net();
            }
            let is_gone =
                |order: &&PastOrder| order.left_at.is_some() && order.currency == currency;
            for order in orders.iter().filter(is_gone) {
                let sold: Decimal = order.lines.iter().map(|line| line.price).sum();
                let back: Decimal = order.credits.iter().map(|credit| credit.gross).sum();
                assert_eq!(
                    sold + order.charges - back,
                    settled.get(order.number.as_str()).copied().unwrap_or_default(),
                    "{order:?}"
                );
            }
            let of_all: Decimal = orders
                .iter()
                .filter(is_gone)
                .filter_map(|order| settled.get(order.number.as_str()))
                .sum();
            assert_eq!(installation.books().balance(nominal, currency), of_all);
            assert!(of_all > Decimal::from(1000));
        }
    }
}

#[test]
fn the_same_past_is_lived_through_in_the_same_way() {
    assert_eq!(lived(true).1, lived(true).1);
}
