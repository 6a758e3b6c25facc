//! The marketplace's rules, and the seller API over a real connection.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod finance;
mod ledger;
mod model;
mod offers;
mod past;
mod refunds;
mod seller_api;
mod traffic;

use jiff::{SignedDuration, Timestamp};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::generate::{OrderWish, generate_order};
use super::model::{Order, ShopProfile};
use crate::fashion::{CatalogueSku, catalogue};

const SHOP: i64 = 2001;

fn start() -> Timestamp {
    "2026-11-02T09:00:00Z".parse().unwrap()
}

fn after(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

fn shop() -> ShopProfile {
    ShopProfile {
        shop_id: SHOP,
        currency: "GBP".to_owned(),
        tax_included: false,
        automatic_acceptance: None,
        multi_shipment: false,
    }
}

fn skus() -> Vec<CatalogueSku> {
    catalogue(1, 100)
}

/// An order with so many lines.
fn an_order(number: u64, lines: usize) -> Order {
    let mut rng = ChaCha8Rng::seed_from_u64(number);
    generate_order(
        &mut rng,
        start(),
        &shop(),
        number,
        &skus(),
        OrderWish { lines: Some(lines), ..OrderWish::default() },
    )
}
