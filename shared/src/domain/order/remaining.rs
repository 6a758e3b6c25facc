//! What of an order is still to be delivered, and still paid for: the one rule of refunds that come
//! before the goods leave.
//!
//! Mirakl deducts cancelations from quantities and amounts, and refunds from nothing. After the
//! debit a refund is how a customer's order is cancelled, so it has to be deducted here:
//!
//! - `refund.quantity` is informative. Named pieces are gone as far as the refunded amounts cover
//!   their price.
//! - Amounts that take the whole price of a line take the line, whatever quantity they name. A
//!   smaller amount without pieces is goodwill, and changes nothing.
//! - A line in REFUNDED is gone; of an order that is `fully_refunded`, every line.
//! - What has left has left: a refund made afterwards is a return, and changes nothing.

use std::borrow::Cow;

use jiff::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::kit::amount::Amount;
use crate::mirakl::order::{OrderLine, Refund, Tax};
use crate::mirakl::{Order, OrderState};

/// A refund may differ so much from the exact price of each piece: Mirakl rounds.
const ROUNDING: Decimal = Decimal::from_parts(1, 0, 0, false, 2);
/// An amount beyond this, or with more decimals, is a mistake, with which nothing is reckoned: the
/// mapping says so to a person.
const SENSIBLE: Decimal = Decimal::from_parts(3_567_587_328, 232, 0, false, 0);
const SENSIBLE_SCALE: u32 = 10;

/// When a line left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// It has not, as far as anybody says.
    No,
    /// It has; when, nobody says.
    Sometime,
    /// It has, at that moment.
    At(Timestamp),
}

/// The order as what is still to be delivered and paid of it: lines, amounts and totals less what
/// was refunded before it left, as if that had been cancelled. `left_at` is when everything of it
/// left, where the caller knows that better than Mirakl.
#[must_use]
pub fn remaining(order: &Order, left_at: Option<Timestamp>) -> Cow<'_, Order> {
    let gone: Vec<u32> =
        order.order_lines.iter().map(|line| gone_pieces(order, line, left_at)).collect();
    if gone.iter().all(|pieces| *pieces == 0) {
        return Cow::Borrowed(order);
    }
    let mut left = order.clone();
    if !order.order_lines.iter().all(is_sensible) {
        for (line, pieces) in left.order_lines.iter_mut().zip(gone) {
            line.quantity -= pieces;
        }
        return Cow::Owned(left);
    }
    let (mut goods, mut shipping) = (Decimal::ZERO, Decimal::ZERO);
    let (mut shipping_kept, mut taxes_kept) = (Decimal::ZERO, Vec::new());
    for ((line, before), pieces) in left
        .order_lines
        .iter_mut()
        .zip(&order.order_lines)
        .zip(gone)
        .filter(|(_, pieces)| *pieces > 0)
    {
        let counted = || {
            refunds(order, before, left_at)
                .filter(|refund| pieces == before.quantity || names_pieces(refund))
        };
        take_off(line, pieces, counted());
        let had = before.shipping_price.unwrap_or_default().0;
        if pieces == before.quantity {
            // Shipping that was not given back is still paid, though nothing of its line is left to
            // carry it.
            let given_back = if counted().next().is_none() {
                had
            } else {
                sum(counted(), |refund| refund.shipping_amount).min(had)
            };
            shipping_kept += had - given_back;
            if had > given_back {
                taxes_kept.extend(
                    before
                        .shipping_taxes
                        .iter()
                        .map(|tax| less(tax, counted().flat_map(|refund| &refund.shipping_taxes))),
                );
            }
            shipping += given_back;
            line.shipping_price = line.shipping_price.map(|_| Amount::ZERO);
            line.shipping_taxes.clear();
        } else {
            let given_back = sum(counted(), |refund| refund.shipping_amount).min(had);
            shipping += given_back;
            line.shipping_price = line.shipping_price.map(|price| Amount(price.0 - given_back));
            for tax in &mut line.shipping_taxes {
                *tax = less(tax, counted().flat_map(|refund| &refund.shipping_taxes));
            }
        }
        line.total_price = line
            .total_price
            .map(|_| Amount(line.price.0 + line.shipping_price.unwrap_or_default().0));
        goods += before.price.0 - line.price.0;
    }
    if let Some(carrier) =
        left.order_lines.iter_mut().find(|line| line.is_live() && line.shipping_price.is_some())
    {
        carrier.shipping_price =
            carrier.shipping_price.map(|price| Amount(price.0 + shipping_kept));
        carrier.total_price = carrier.total_price.map(|price| Amount(price.0 + shipping_kept));
        carrier.shipping_taxes.extend(taxes_kept);
    }
    let less = |amount: Option<Amount>, by: Decimal| {
        amount.map(|amount| Amount(amount.0.saturating_sub(by)))
    };
    let fees = fees_of(order, &left);
    left.price = less(left.price, goods);
    left.shipping_price = less(left.shipping_price, shipping);
    left.total_price = less(left.total_price, goods + shipping + fees);
    Cow::Owned(left)
}

/// The fees and eco contributions of lines that are gone, as far as the order's total contains
/// them.
fn fees_of(order: &Order, left: &Order) -> Decimal {
    let (Some(total), Some(price), Some(shipping)) =
        (order.total_price, order.price, order.shipping_price)
    else {
        return Decimal::ZERO;
    };
    let of = |lines: &Order| {
        let fees = lines.live_lines().flat_map(|line| &line.fees).filter_map(|fee| fee.amount);
        let contributions = lines
            .live_lines()
            .flat_map(|line| &line.eco_contributions)
            .filter_map(|one| one.total_amount);
        (
            fees.map(|amount| amount.0).sum::<Decimal>(),
            contributions.map(|amount| amount.0).sum::<Decimal>(),
        )
    };
    let ((fees, contributions), (fees_left, contributions_left)) = (of(order), of(left));
    let besides = total.0.saturating_sub(price.0).saturating_sub(shipping.0);
    if besides == fees {
        fees - fees_left
    } else if besides == fees + contributions {
        fees + contributions - fees_left - contributions_left
    } else {
        Decimal::ZERO
    }
}

/// Everything that was to be delivered was refunded before it left: nothing of the order may leave
/// any more.
#[must_use]
pub fn is_refunded(order: &Order, left_at: Option<Timestamp>) -> bool {
    order.live_lines().next().is_some()
        && order.live_lines().all(|line| gone_pieces(order, line, left_at) == line.quantity)
}

/// Mirakl says that something of the order has left: a line says so, or the order does and no line
/// speaks against it. CLOSED says nothing of that: an order that was refunded as a whole is closed
/// too.
#[must_use]
pub fn has_left(order: &Order) -> bool {
    order.order_lines.iter().any(|line| left(order, line, None) != Left::No)
}

/// Pieces of a line that were refunded before they left.
#[must_use]
pub fn gone_pieces(order: &Order, line: &OrderLine, left_at: Option<Timestamp>) -> u32 {
    if !line.is_live() {
        return 0;
    }
    let is_refund = |state: &OrderState| state.is_refund();
    let is_whole = order.fully_refunded == Some(true)
        || is_refund(&order.order_state)
        || line.order_line_state.as_ref().is_some_and(is_refund);
    if is_whole && left(order, line, left_at) == Left::No {
        return line.quantity;
    }
    if line.refunds.is_empty() || !is_sensible(line) {
        return 0;
    }
    let named: u32 = refunds(order, line, left_at)
        .fold(0, |sum, refund| sum.saturating_add(refund.quantity.unwrap_or_default()));
    let refunded = sum(refunds(order, line, left_at), |refund| refund.amount);
    covered(line.quantity, line.price.0, named, refunded)
}

/// How many of `quantity` pieces, which cost `price` together, are gone where `refunded` was given
/// back and `named` pieces were named.
fn covered(quantity: u32, price: Decimal, named: u32, refunded: Decimal) -> u32 {
    if price > Decimal::ZERO && refunded >= price {
        return quantity;
    }
    let most = named.min(quantity);
    let piece = price / Decimal::from(quantity.max(1)) - ROUNDING;
    if piece <= Decimal::ZERO {
        return most;
    }
    let paid_for = refunded
        .max(Decimal::ZERO)
        .checked_div(piece)
        .map_or(Decimal::MAX, |pieces| pieces.floor());
    u32::try_from(paid_for).unwrap_or(u32::MAX).min(most)
}

/// The refunds of a line that were made before it left.
fn refunds<'o>(
    order: &'o Order,
    line: &'o OrderLine,
    left_at: Option<Timestamp>,
) -> impl Iterator<Item = &'o Refund> + Clone {
    let left = left(order, line, left_at);
    line.refunds.iter().filter(move |refund| match left {
        Left::No => true,
        Left::Sometime => false,
        Left::At(moment) => refund.created_date.is_some_and(|created| created < moment),
    })
}

fn left(order: &Order, line: &OrderLine, left_at: Option<Timestamp>) -> Left {
    if let Some(moment) = line.shipped_date.or(left_at) {
        return Left::At(moment);
    }
    let is_shipped = |state: &OrderState| {
        matches!(state, OrderState::Shipped | OrderState::ToCollect | OrderState::Received)
    };
    let says_so = match &line.order_line_state {
        Some(state) => is_shipped(state),
        // An old platform names no states of lines.
        None => is_shipped(&order.order_state) && order.fully_refunded != Some(true),
    };
    if says_so { Left::Sometime } else { Left::No }
}

/// Takes pieces off a line, with the price and the taxes of the goods.
fn take_off<'r>(
    line: &mut OrderLine,
    pieces: u32,
    refunds: impl Iterator<Item = &'r Refund> + Clone,
) {
    let of = line.quantity;
    let left = of.saturating_sub(pieces);
    let refunded = sum(refunds.clone(), |refund| refund.amount);
    let exact = line.price.0 * Decimal::from(pieces) / Decimal::from(of.max(1));
    let price = if left == 0 {
        line.price.0
    } else if (refunded - exact).abs() <= ROUNDING * Decimal::from(pieces) {
        // To the penny as Mirakl gave it back.
        refunded
    } else {
        rounded(exact)
    };
    let share = |amount: Decimal| {
        if left == 0 {
            amount
        } else {
            rounded(amount * Decimal::from(pieces) / Decimal::from(of.max(1)))
        }
    };
    for tax in &mut line.taxes {
        let named: Decimal = refunds
            .clone()
            .flat_map(|refund| &refund.taxes)
            .filter(|one| one.code == tax.code)
            .map(|one| one.amount.0)
            .sum();
        let by = share(tax.amount.0);
        let is_of_these_pieces = (named - by).abs() <= ROUNDING * Decimal::from(pieces);
        tax.amount.0 -= if is_of_these_pieces && left > 0 { named } else { by };
    }
    for promotion in &mut line.promotions {
        promotion.deduced_amount =
            promotion.deduced_amount.map(|amount| Amount(amount.0 - share(amount.0)));
    }
    line.price.0 -= price;
    line.quantity = left;
}

fn is_sensible(line: &OrderLine) -> bool {
    let fits = |amount: &Amount| {
        amount.0.abs() < SENSIBLE && amount.0.normalize().scale() <= SENSIBLE_SCALE
    };
    let of_refund = |refund: &Refund| {
        let taxes = refund.taxes.iter().chain(&refund.shipping_taxes).map(|tax| &tax.amount);
        [refund.amount.as_ref(), refund.shipping_amount.as_ref()]
            .into_iter()
            .flatten()
            .chain(taxes)
            .all(fits)
    };
    let taxes = line.taxes.iter().chain(&line.shipping_taxes).map(|tax| &tax.amount);
    let promotions =
        line.promotions.iter().filter_map(|promotion| promotion.deduced_amount.as_ref());
    let fees = line.fees.iter().filter_map(|fee| fee.amount.as_ref());
    let fees =
        fees.chain(line.eco_contributions.iter().filter_map(|one| one.total_amount.as_ref()));
    let own = [Some(&line.price), line.shipping_price.as_ref()].into_iter().flatten();
    own.chain(taxes).chain(promotions).chain(fees).all(fits) && line.refunds.iter().all(of_refund)
}

fn names_pieces(refund: &&Refund) -> bool {
    refund.quantity.is_some_and(|pieces| pieces > 0)
}

fn sum<'r>(
    refunds: impl Iterator<Item = &'r Refund>,
    of: impl Fn(&Refund) -> Option<Amount>,
) -> Decimal {
    refunds.filter_map(of).map(|amount| amount.0).sum()
}

/// A tax less what was given back of it; never under nothing.
fn less<'r>(tax: &Tax, given_back: impl Iterator<Item = &'r Tax>) -> Tax {
    let given_back: Decimal =
        given_back.filter(|one| one.code == tax.code).map(|one| one.amount.0).sum();
    Tax { amount: Amount((tax.amount.0 - given_back).max(Decimal::ZERO)), ..tax.clone() }
}

fn rounded(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

#[cfg(test)]
mod tests;
