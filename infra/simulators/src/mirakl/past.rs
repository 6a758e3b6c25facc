//! The past of a marketplace: its shops' orders are placed, accepted, debited, shipped, refunded and
//! cancelled at moments that have gone, and its billing cycles are closed among them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::generate::{OrderWish, generate_order};
use super::model::ledger::{Billing, ManualItem};
use super::model::{Decision, Marketplace, OperatorRefund, Order, PAY_ON_ACCEPTANCE, State};
use super::simulator::{Simulator, without_unbilled_tax};
use crate::past::{PastCredit, PastLine, PastOrder};

/// A past to be lived through. All shops at once: a marketplace has one time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Past {
    /// Its first moment.
    pub from: Timestamp,
    /// Its last moment: now, or before.
    pub to: Timestamp,
    /// Of its chances.
    pub seed: u64,
    /// The shops.
    pub shops: Vec<PastShop>,
}

/// The past of a shop.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastShop {
    /// The shop.
    pub shop_id: i64,
    /// How it is billed, from the first moment on.
    pub billing: Billing,
    /// Orders, placed evenly over the time but its last two days.
    pub orders: u32,
    /// The share of orders that are cancelled before they leave.
    pub cancel_share: f64,
    /// The share of orders of which something is refunded, 2 to 20 days after they left.
    pub refund_share: f64,
    /// When its billing cycles are closed by hand.
    #[serde(default)]
    pub closes: Vec<Timestamp>,
    /// What is booked besides orders.
    #[serde(default)]
    pub items: Vec<PastItem>,
    /// Prima's `PayMethod` of its orders.
    pub pay_method: String,
}

/// Something that is not tied to an order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PastItem {
    /// When.
    pub at: Timestamp,
    /// What.
    pub item: ManualItem,
}

/// What happens to a shop.
enum Happening {
    Placed,
    Accepted(String),
    Cancelled(String),
    Left(String),
    Refunded(String),
    Closed,
    Booked(ManualItem),
}

struct Diary<'p> {
    happenings: BTreeMap<(Timestamp, usize), (&'p PastShop, Happening)>,
    written: usize,
}

impl<'p> Diary<'p> {
    fn write(&mut self, at: Timestamp, shop: &'p PastShop, what: Happening) {
        self.happenings.insert((at, self.written), (shop, what));
        self.written += 1;
    }
}

impl Simulator {
    /// Lives through a past, and answers its orders as the shop's own system has to know them.
    ///
    /// # Errors
    /// There is no such shop.
    pub fn live_through(&self, past: &Past) -> Result<Vec<PastOrder>, String> {
        for shop in &past.shops {
            if !self.shops.iter().any(|known| known.profile.shop_id == shop.shop_id) {
                return Err(format!("there is no shop {}", shop.shop_id));
            }
            self.marketplace().bill(shop.shop_id, shop.billing.clone(), past.from);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(past.seed);
        let mut diary = first_pages(past);
        let mut orders: BTreeMap<String, PastOrder> = BTreeMap::new();
        while let Some(((at, _), (shop, what))) = diary.happenings.pop_first() {
            if at > past.to {
                break;
            }
            let order = matches!(what, Happening::Placed)
                .then(|| self.past_order(shop.shop_id, at))
                .flatten();
            let mut marketplace = self.marketplace();
            marketplace.advance(at);
            match what {
                Happening::Placed => {
                    let Some(mut order) = order else { continue };
                    without_unbilled_tax(&mut order, &marketplace);
                    let id = order.order_id.clone();
                    if marketplace.place(order, at) {
                        diary.write(at + minutes(5), shop, Happening::Accepted(id));
                    }
                }
                Happening::Accepted(id) => {
                    accept(&mut marketplace, shop.shop_id, &id, at);
                    let Some(order) = marketplace.order(&id) else { continue };
                    orders.insert(id.clone(), entered(order, shop, at));
                    let later = minutes(rng.random_range(8 * 60..40 * 60));
                    let is_cancelled = rng.random_bool(shop.cancel_share.clamp(0.0, 1.0));
                    let what = if is_cancelled { Happening::Cancelled } else { Happening::Left };
                    diary.write(at + later, shop, what(id));
                }
                Happening::Cancelled(id) => {
                    marketplace.cancel(&id, at);
                }
                Happening::Left(id) => {
                    if !marketplace.ship(&id, at) {
                        continue;
                    }
                    if let Some(order) = orders.get_mut(&id) {
                        order.left_at = Some(at);
                    }
                    if rng.random_bool(shop.refund_share.clamp(0.0, 1.0)) {
                        let later = minutes(rng.random_range(2 * 24 * 60..20 * 24 * 60));
                        diary.write(at + later, shop, Happening::Refunded(id));
                    }
                }
                Happening::Refunded(id) => {
                    let is_whole = rng.random_bool(0.6);
                    let credit = refund(&mut marketplace, shop, &id, is_whole, at);
                    if let Some(order) = orders.get_mut(&id) {
                        order.credits.extend(credit);
                    }
                }
                Happening::Closed => {
                    marketplace.finance_mut().close(shop.shop_id, at);
                }
                Happening::Booked(item) => {
                    marketplace.finance_mut().book(shop.shop_id, &item, at);
                }
            }
        }
        self.marketplace().advance(past.to);
        Ok(orders.into_values().collect())
    }
}

/// What is known of it beforehand.
fn first_pages(past: &Past) -> Diary<'_> {
    let mut diary = Diary { happenings: BTreeMap::new(), written: 0 };
    let placing = past.to.duration_since(past.from) - SignedDuration::from_hours(48);
    for shop in &past.shops {
        for number in 0..shop.orders {
            let share = f64::from(number) / f64::from(shop.orders.max(1));
            diary.write(past.from + placing.mul_f64(share), shop, Happening::Placed);
        }
        for at in &shop.closes {
            diary.write(*at, shop, Happening::Closed);
        }
        for item in &shop.items {
            diary.write(item.at, shop, Happening::Booked(item.item.clone()));
        }
    }
    diary
}

fn minutes(minutes: i64) -> SignedDuration {
    SignedDuration::from_mins(minutes)
}

fn accept(marketplace: &mut Marketplace, shop_id: i64, id: &str, at: Timestamp) {
    let lines: Vec<String> = marketplace
        .order(id)
        .into_iter()
        .flat_map(|order| &order.lines)
        .map(|line| line.order_line_id.clone())
        .collect();
    let decisions: Vec<Decision<'_>> =
        lines.iter().map(|id| Decision { order_line_id: id, accepted: true }).collect();
    // Orders that the marketplace accepts itself refuse this: they are accepted all the same.
    let _accepted_already = marketplace.accept(shop_id, id, &decisions, at);
    let _kept = marketplace.write_reference(shop_id, id, id, at);
}

/// What the marketplace settles of an amount: with its taxes where they stand apart and the seller
/// has to pay them.
fn settled<'t>(
    shop: &PastShop,
    tax_included: bool,
    net: Decimal,
    taxes: impl IntoIterator<Item = &'t super::model::Tax>,
) -> Decimal {
    if tax_included || shop.billing.operator_remits_taxes {
        return net;
    }
    net + taxes.into_iter().map(|tax| tax.amount).sum::<Decimal>()
}

fn entered(order: &Order, shop: &PastShop, at: Timestamp) -> PastOrder {
    let charges = order.lines.iter().map(|line| {
        let fees: Decimal = line.fees.iter().map(|fee| fee.amount).sum();
        fees + settled(shop, order.tax_included, line.shipping_price, &line.shipping_taxes)
    });
    let lines = order.lines.iter().map(|line| PastLine {
        sku: line.offer_sku.clone(),
        quantity: line.quantity,
        price: settled(shop, order.tax_included, line.price(), &line.taxes),
    });
    PastOrder {
        number: order.order_id.clone(),
        pay_method: shop.pay_method.clone(),
        currency: order.currency.clone(),
        entered_at: at,
        left_at: None,
        charges: charges.sum(),
        lines: lines.collect(),
        credits: Vec::new(),
    }
}

/// Gives back the first line, whole or its half; answers what the shop's own system has to credit.
fn refund(
    marketplace: &mut Marketplace,
    shop: &PastShop,
    id: &str,
    is_whole: bool,
    at: Timestamp,
) -> Option<PastCredit> {
    let line = marketplace.order(id)?.lines.iter().find(|line| line.state != State::Refused)?;
    let share = if is_whole { Decimal::ONE } else { Decimal::new(5, 1) };
    let wish = OperatorRefund {
        order_line_id: line.order_line_id.clone(),
        quantity: u32::from(is_whole),
        amount: (line.price() * share).round_dp(2),
        shipping_amount: if is_whole { line.shipping_price } else { Decimal::ZERO },
    };
    if !marketplace.refund(id, std::slice::from_ref(&wish), at) {
        return None;
    }
    let order = marketplace.order(id)?;
    let line = order.lines.iter().find(|line| line.order_line_id == wish.order_line_id)?;
    let refund = line.refunds.last()?;
    let goods = settled(shop, order.tax_included, refund.amount, &refund.taxes);
    let shipping =
        settled(shop, order.tax_included, refund.shipping_amount, &refund.shipping_taxes);
    Some(PastCredit { at, gross: goods + shipping })
}

impl Simulator {
    fn past_order(&self, shop_id: i64, at: Timestamp) -> Option<Order> {
        let shop = &self.shops.iter().find(|shop| shop.profile.shop_id == shop_id)?.profile;
        let mut generator = self.generator();
        generator.number += 1;
        let number = generator.number;
        let wish = OrderWish::default();
        let mut order = generate_order(&mut generator.rng, at, shop, number, &self.catalogue, wish);
        order.payment_workflow = PAY_ON_ACCEPTANCE;
        Some(order)
    }
}
