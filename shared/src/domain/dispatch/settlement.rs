//! What is cancelled (OR30) or refunded (OR28) of an order, and for how much: whole lines with all
//! that is left on them, parts by pieces, to the smallest unit of the currency as Mirakl writes it.
//! Never more than is left, whoever gave back the rest.

use std::time::Duration;

use jiff::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};

use super::{Dispatch, SettledLine, Settlement};
use crate::kit::amount::Amount;
use crate::kit::clock::before;
use crate::mirakl::Order;
use crate::mirakl::order::{OrderLine, Refund, Tax};
use crate::mirakl::shipping::{How, LineAmounts};

/// Pieces that will not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortLine {
    /// Mirakl's `order_line_id`.
    pub order_line_id: String,
    /// Pieces.
    pub quantity: u32,
}

/// What becomes of pieces that will not be delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// What is sent.
    pub lines: Vec<LineAmounts>,
    /// Pieces for which nothing is sent: somebody else has refunded them, or nothing is left on
    /// their line.
    pub given_back: Vec<ShortLine>,
}

/// Why it cannot be said what pieces are worth.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAmounts {
    /// The order does not have the line.
    #[error("the order has no line {0}")]
    NoSuchLine(String),
    /// The line has fewer pieces than are to be given back.
    #[error("line {line} has {left} pieces left, not {quantity}")]
    FewerLeft {
        /// The line.
        line: String,
        /// Pieces that are left.
        left: u32,
        /// Pieces that were asked for.
        quantity: u32,
    },
    /// Somebody else's refund may be of these pieces, or not.
    #[error("a refund on line {0} does not say how much it gave back")]
    RefundWithoutAmount(String),
}

/// The amounts of pieces of an order, as Mirakl lists it now. `dispatch` knows what was settled
/// before.
///
/// # Errors
/// A line that the order does not have, or with fewer pieces left; a refund on it that does not say
/// how much it gave back.
pub fn amounts(
    order: &Order,
    short: &[ShortLine],
    how: How,
    dispatch: &Dispatch,
) -> Result<Due, NoAmounts> {
    let mut by_line: Vec<ShortLine> = Vec::new();
    for one in short {
        match by_line.iter_mut().find(|known| known.order_line_id == one.order_line_id) {
            Some(known) => known.quantity = known.quantity.saturating_add(one.quantity),
            None => by_line.push(one.clone()),
        }
    }
    let mut due = Due::default();
    for ShortLine { order_line_id, quantity } in by_line {
        let line = order
            .order_lines
            .iter()
            .find(|line| line.order_line_id == order_line_id)
            .ok_or_else(|| NoAmounts::NoSuchLine(order_line_id.clone()))?;
        let ours = dispatch.refunded(&order_line_id);
        let left = line.quantity.saturating_sub(ours);
        if quantity == 0 || quantity > left || !line.is_live() {
            return Err(NoAmounts::FewerLeft { line: order_line_id, left, quantity });
        }
        // Whoever refunded pieces before they were sent did not mean those that were.
        let by_others = refunded_pieces(line)?.saturating_sub(ours).min(quantity);
        let asked = quantity - by_others;
        let amounts =
            if asked > 0 { line_amounts(order, line, asked, ours + by_others, how) } else { None };
        let given_back = if amounts.is_some() { by_others } else { quantity };
        due.lines.extend(amounts);
        if given_back > 0 {
            due.given_back.push(ShortLine { order_line_id, quantity: given_back });
        }
    }
    Ok(due)
}

/// Pieces that were refunded. The quantity of a refund is informative, and may stand beside a
/// goodwill of a penny: it counts as far as the amount covers it.
fn refunded_pieces(line: &OrderLine) -> Result<u32, NoAmounts> {
    let mut pieces = 0_u32;
    for refund in &line.refunds {
        if refund.amount.is_none() && refund.shipping_amount.is_none() {
            return Err(NoAmounts::RefundWithoutAmount(line.order_line_id.clone()));
        }
        let amount = refund.amount.unwrap_or_default();
        let quantity = refund.quantity.unwrap_or_default();
        // A piece's own refund is rounded down.
        if amount.0 + Decimal::new(1, 2) * Decimal::from(quantity)
            >= share(line.price.0, quantity, line.quantity)
        {
            pieces = pieces.saturating_add(quantity);
        }
    }
    Ok(pieces.min(line.quantity))
}

/// The amounts for `quantity` pieces of a line of which so many are `refunded`; none where nothing
/// is left to give back.
fn line_amounts(
    order: &Order,
    line: &OrderLine,
    quantity: u32,
    refunded: u32,
    how: How,
) -> Option<LineAmounts> {
    // The last pieces take what is left, so that parts add up to the whole. Cancelations are
    // deducted from what Mirakl lists; refunds are not (Mirakl seller API, 2.3).
    let is_last = quantity.saturating_add(refunded) >= line.quantity;
    let of = |whole: Decimal, given_back: Decimal| {
        let left = (whole - given_back).max(Decimal::ZERO);
        if is_last { left } else { part(whole, quantity, line.quantity).min(left) }
    };
    let given_back = |of: fn(&Refund) -> Option<Amount>| {
        line.refunds.iter().filter_map(of).map(|amount| amount.0).sum::<Decimal>()
    };
    let amount = of(line.price.0, given_back(|refund| refund.amount));
    if amount.is_zero() && !line.price.0.is_zero() {
        // Whoever gave back all of the goods decided about shipping, too.
        return None;
    }
    let shipping_amount =
        of(line.shipping_price.unwrap_or_default().0, given_back(|refund| refund.shipping_amount));
    if how == How::Refund && amount.is_zero() && shipping_amount.is_zero() {
        return None;
    }
    let taxes = |amount: Decimal, taxes: &[Tax], refunded: fn(&Refund) -> &[Tax]| -> Vec<Tax> {
        let has_none = amount.is_zero()
            || (how == How::Cancel && order.has_order_level_tax() && order.is_without_tax());
        if has_none { Vec::new() } else { taxes_due(order, line, taxes, refunded, of) }
    };
    Some(LineAmounts {
        order_line_id: line.order_line_id.clone(),
        quantity,
        amount: Amount(amount),
        shipping_amount: Amount(shipping_amount),
        taxes: taxes(amount, &line.taxes, |refund| &refund.taxes),
        shipping_taxes: taxes(shipping_amount, &line.shipping_taxes, |refund| {
            &refund.shipping_taxes
        }),
    })
}

/// Each tax code by itself, without those that Mirakl computes.
fn taxes_due(
    order: &Order,
    line: &OrderLine,
    taxes: &[Tax],
    refunded: fn(&Refund) -> &[Tax],
    of: impl Fn(Decimal, Decimal) -> Decimal,
) -> Vec<Tax> {
    let mut due: Vec<Tax> = Vec::new();
    for tax in taxes.iter().filter(|tax| !tax.is_proportional()) {
        if due.iter().any(|known| known.code == tax.code) {
            continue;
        }
        let whole: Decimal =
            taxes.iter().filter(|other| other.code == tax.code).map(|other| other.amount.0).sum();
        let back: Decimal = line
            .refunds
            .iter()
            .flat_map(refunded)
            .filter(|other| other.code == tax.code)
            .map(|other| other.amount.0)
            .sum();
        let amount = of(whole, back).min(order.tax_left(tax.code.as_deref()).unwrap_or(whole));
        if amount > Decimal::ZERO || whole.is_zero() {
            due.push(Tax {
                code: tax.code.clone(),
                amount: Amount(amount),
                tax_calculation_rule: tax.tax_calculation_rule.clone(),
            });
        }
    }
    due
}

fn share(amount: Decimal, quantity: u32, of: u32) -> Decimal {
    if quantity >= of { amount } else { amount * Decimal::from(quantity) / Decimal::from(of) }
}

/// `quantity` of `of` pieces' part of an amount; all of it for all pieces. Never more than there
/// is.
fn part(amount: Decimal, quantity: u32, of: u32) -> Decimal {
    if quantity >= of {
        return amount;
    }
    // As many decimals as the amount has on the wire, two at least: Mirakl's own precision.
    share(amount, quantity, of)
        .round_dp_with_strategy(amount.normalize().scale().max(2), RoundingStrategy::ToZero)
}

/// What is noted of a settlement before it is sent: enough to know it again.
#[must_use]
pub fn settled_lines(order: &Order, lines: &[LineAmounts], how: How) -> Vec<SettledLine> {
    lines
        .iter()
        .map(|line| SettledLine {
            order_line_id: line.order_line_id.clone(),
            quantity: line.quantity,
            entries_before: entries(order, &line.order_line_id, how).len(),
            amount: Some(line.amount),
            shipping_amount: Some(line.shipping_amount),
            entry_id: None,
        })
        .collect()
}

/// The note that pieces were given back by somebody else.
#[must_use]
pub fn given_back(order: &Order, pieces: &[ShortLine], now: Timestamp) -> Settlement {
    let lines = pieces.iter().map(|line| SettledLine {
        order_line_id: line.order_line_id.clone(),
        quantity: line.quantity,
        entries_before: entries(order, &line.order_line_id, How::Refund).len(),
        amount: Some(Amount::ZERO),
        shipping_amount: Some(Amount::ZERO),
        entry_id: None,
    });
    Settlement {
        how: How::Refund,
        lines: lines.collect(),
        at: now,
        until: now,
        confirmed_at: Some(now),
        reason_code: None,
    }
}

/// The lines of a settlement that had their effect, as Mirakl's order shows, each with the id of
/// what it became. A cancelation or refund that somebody else made meanwhile is not taken for ours:
/// ours has our amounts and reason, was created when it was sent or later (`skew`: how much the
/// clocks differ), and is no other settlement's.
#[must_use]
pub fn effect(
    order: &Order,
    dispatch: &Dispatch,
    settlement: &Settlement,
    skew: Duration,
) -> Vec<SettledLine> {
    let others = dispatch.settlements.iter().filter(|other| other.at != settlement.at);
    let used: Vec<&str> =
        others.flat_map(|other| &other.lines).filter_map(|line| line.entry_id.as_deref()).collect();
    let since = before(settlement.at, skew);
    let mut had_effect = Vec::new();
    for line in &settlement.lines {
        let entries = entries(order, &line.order_line_id, settlement.how);
        if entries.len() <= line.entries_before {
            continue;
        }
        let Some(amount) = line.amount else {
            // The note of an earlier version: one entry more has to do.
            had_effect.push(line.clone());
            continue;
        };
        let ours = entries.iter().find(|entry| {
            let same = |sent: Option<Amount>, listed: Option<Amount>| {
                sent.unwrap_or_default() == listed.unwrap_or_default()
            };
            same(Some(amount), entry.amount)
                && same(line.shipping_amount, entry.shipping_amount)
                && entry.reason_code.is_none_or(|listed| {
                    settlement.reason_code.as_deref().is_none_or(|sent| sent == listed)
                })
                && entry.created_date.is_none_or(|created| created >= since)
                && !used.iter().any(|id| entry.is(id))
        });
        had_effect.extend(
            ours.map(|entry| SettledLine { entry_id: entry.id.map(str::to_owned), ..line.clone() }),
        );
    }
    had_effect
}

/// A cancelation or refund, as far as it can be known again.
struct Entry<'o> {
    id: Option<&'o str>,
    /// Of all lines of one call.
    group_id: Option<&'o str>,
    amount: Option<Amount>,
    shipping_amount: Option<Amount>,
    reason_code: Option<&'o str>,
    created_date: Option<Timestamp>,
}

impl Entry<'_> {
    fn is(&self, id: &str) -> bool {
        self.id == Some(id) || self.group_id == Some(id)
    }
}

fn entries<'o>(order: &'o Order, order_line_id: &str, how: How) -> Vec<Entry<'o>> {
    let Some(line) = order.order_lines.iter().find(|line| line.order_line_id == order_line_id)
    else {
        return Vec::new();
    };
    match how {
        How::Cancel => line
            .cancelations
            .iter()
            .map(|one| Entry {
                id: one.id.as_deref(),
                group_id: None,
                amount: one.amount,
                shipping_amount: one.shipping_amount,
                reason_code: one.reason_code.as_deref(),
                created_date: one.created_date,
            })
            .collect(),
        How::Refund => line
            .refunds
            .iter()
            .map(|one| Entry {
                id: one.id.as_deref(),
                group_id: one.order_refund_id.as_deref(),
                amount: one.amount,
                shipping_amount: one.shipping_amount,
                reason_code: one.reason_code.as_deref(),
                created_date: one.created_date,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests;
