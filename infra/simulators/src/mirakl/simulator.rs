//! A simulator: a marketplace with its shops, the orders that it makes up, and what goes wrong on
//! purpose.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::exports::Exports;
use super::generate::{OrderWish, generate_order};
use super::limits::Limits;
use super::model::ledger::Billing;
use super::model::{Marketplace, NewOffer, Order, Settings, ShopProfile};
use super::rights::Rights;
use crate::fashion::{self, CatalogueSku};
use crate::misbehaviour::{Misbehaviour, Plan};
use crate::recording::Recorder;

/// A shop on the marketplace and the key that opens it. In JSON they stand side by side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Shop {
    /// The key that opens it; several shops may have the same.
    pub api_key: String,
    /// What its orders are like.
    #[serde(flatten)]
    pub profile: ShopProfile,
}

/// How a simulator starts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Its shops.
    pub shops: Vec<Shop>,
    /// How the marketplace is run.
    pub settings: Settings,
    /// What goes wrong.
    pub misbehaviour: Plan,
    /// Seed of the orders that it makes up.
    pub seed: u64,
    /// SKUs in the catalogue that its orders draw from ([`fashion::catalogue`] with the same seed).
    pub catalogue_size: usize,
    /// Pieces that every shop offers of each of them at the start; none: there are no offers, and
    /// all is sold without end.
    pub offered: Option<u32>,
    /// How shops are billed, by id; a shop that is not here has no transaction log.
    pub billing: BTreeMap<i64, Billing>,
    /// Where traffic is recorded.
    pub record: Option<PathBuf>,
}

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    marketplace: Mutex<Marketplace>,
    pub(super) shops: Vec<Shop>,
    pub(super) misbehaviour: Misbehaviour,
    pub(super) calls: Mutex<BTreeMap<String, u64>>,
    pub(super) limits: Limits,
    pub(super) exports: Exports,
    pub(super) rights: Mutex<Rights>,
    generator: Mutex<Generator>,
    pub(super) catalogue: Vec<CatalogueSku>,
    pub(super) recorder: Option<Recorder>,
}

/// Where the next order comes from.
#[derive(Debug)]
pub(super) struct Generator {
    pub(super) rng: ChaCha8Rng,
    pub(super) number: u64,
}

impl Simulator {
    /// A simulator without orders.
    ///
    /// # Errors
    /// The recording cannot be begun.
    pub fn new(config: Config) -> std::io::Result<Self> {
        let simulator = Self {
            marketplace: Mutex::new(Marketplace::new(config.settings)),
            shops: config.shops,
            misbehaviour: Misbehaviour::new(config.misbehaviour),
            calls: Mutex::default(),
            limits: Limits::default(),
            exports: Exports::default(),
            rights: Mutex::default(),
            generator: Mutex::new(Generator {
                rng: ChaCha8Rng::seed_from_u64(config.seed),
                number: 0,
            }),
            catalogue: fashion::catalogue(config.seed, config.catalogue_size.max(1)),
            recorder: config.record.as_deref().map(Recorder::to_file).transpose()?,
        };
        let now = Timestamp::now();
        for (shop_id, billing) in config.billing {
            simulator.marketplace().bill(shop_id, billing, now);
        }
        if let Some(pieces) = config.offered {
            for shop in &simulator.shops {
                simulator.offer_catalogue(shop.profile.shop_id, [pieces, pieces], config.seed, now);
            }
        }
        Ok(simulator)
    }

    /// Offers every SKU of the catalogue in a shop, with least to most pieces each, drawn evenly.
    pub fn offer_catalogue(
        &self,
        shop_id: i64,
        [least, most]: [u32; 2],
        seed: u64,
        now: Timestamp,
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let offers = self.catalogue.iter().map(|sku| NewOffer {
            shop_sku: sku.offer_sku(),
            quantity: rng.random_range(least..=most.max(least)),
            active: true,
        });
        self.marketplace().set_offers(shop_id, offers, now);
    }

    /// The marketplace, for looking and meddling.
    pub fn marketplace(&self) -> MutexGuard<'_, Marketplace> {
        self.marketplace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the shops' keys may do.
    pub fn rights(&self) -> MutexGuard<'_, Rights> {
        self.rights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn generator(&self) -> MutexGuard<'_, Generator> {
        self.generator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets orders arrive in a shop; answers the ids of those that its offers covered. A `seed`
    /// starts the dice anew, so that the same call makes the same orders, but for their numbers.
    /// None, if there is no such shop.
    pub fn bring(
        &self,
        shop_id: i64,
        count: usize,
        seed: Option<u64>,
        wish: OrderWish,
        now: Timestamp,
    ) -> Option<Vec<String>> {
        let shop = &self.shops.iter().find(|shop| shop.profile.shop_id == shop_id)?.profile;
        let mut generator = self.generator();
        let mut marketplace = self.marketplace();
        if let Some(seed) = seed {
            generator.rng = ChaCha8Rng::seed_from_u64(seed);
        }
        let bring = |_| {
            generator.number += 1;
            let number = generator.number;
            let mut order =
                generate_order(&mut generator.rng, now, shop, number, &self.catalogue, wish);
            without_unbilled_tax(&mut order, &marketplace);
            let order_id = order.order_id.clone();
            marketplace.place(order, now).then_some(order_id)
        };
        Some((0..count).filter_map(bring).collect())
    }

    /// A customer buys one SKU of a shop: an order of one line. None, if there is no such shop or
    /// its offer has not so many pieces.
    pub fn sell(&self, shop_id: i64, sku: &str, quantity: u32, now: Timestamp) -> Option<String> {
        let shop = &self.shops.iter().find(|shop| shop.profile.shop_id == shop_id)?.profile;
        let mut generator = self.generator();
        generator.number += 1;
        let number = generator.number;
        let wish = OrderWish { lines: Some(1), quantity: Some(quantity), ..OrderWish::default() };
        let mut order =
            generate_order(&mut generator.rng, now, shop, number, &self.catalogue, wish);
        for line in &mut order.lines {
            line.offer_sku = sku.to_owned();
        }
        let order_id = order.order_id.clone();
        let mut marketplace = self.marketplace();
        without_unbilled_tax(&mut order, &marketplace);
        marketplace.place(order, now).then_some(order_id)
    }
}

/// Where the operator's fees carry no tax, neither do the commissions of an order.
pub(super) fn without_unbilled_tax(order: &mut Order, marketplace: &Marketplace) {
    let ledger = marketplace.finance().ledger(order.shop_id);
    if ledger.is_some_and(|ledger| !ledger.billing().vat_on_fees) {
        for line in &mut order.lines {
            line.commission_tax = Decimal::ZERO;
        }
    }
}
