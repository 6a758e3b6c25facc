//! What is cancelled (OR30) or refunded (OR28) of an order, and for how much: whole lines with all that is left on them, parts
//! by pieces, to the smallest unit of the currency as Mirakl writes it.

use rust_decimal::{Decimal, RoundingStrategy};

use super::{How, SettledLine, Settlement};
use crate::amount::Amount;
use crate::mirakl::Order;
use crate::mirakl::order::{OrderLine, Tax};

/// Pieces that will not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortLine {
    /// Mirakl's `order_line_id`.
    pub order_line_id: String,
    /// Pieces.
    pub quantity: u32,
}

/// One line of OR30 or OR28. Amounts are in the order's tax mode: taxes stand beside them where it is `TAX_EXCLUDED`, or where
/// the order shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineAmounts {
    /// `order_line_id`.
    pub order_line_id: String,
    /// `quantity`.
    pub quantity: u32,
    /// `amount`: goods.
    pub amount: Amount,
    /// `shipping_amount`: the line's share of shipping.
    pub shipping_amount: Amount,
    /// `taxes`.
    pub taxes: Vec<Tax>,
    /// `shipping_taxes`.
    pub shipping_taxes: Vec<Tax>,
}

/// The amounts of pieces of an order, as Mirakl lists it now.
///
/// # Errors
/// A line that the order does not have, or with fewer pieces left.
pub fn amounts(order: &Order, short: &[ShortLine], how: How) -> Result<Vec<LineAmounts>, String> {
    short
        .iter()
        .map(|short| {
            let line = order
                .order_lines
                .iter()
                .find(|line| line.order_line_id == short.order_line_id)
                .ok_or_else(|| format!("the order has no line {}", short.order_line_id))?;
            line_amounts(line, short.quantity, how)
        })
        .collect()
}

fn line_amounts(line: &OrderLine, quantity: u32, how: How) -> Result<LineAmounts, String> {
    // Cancelations are deducted from what Mirakl lists; refunds are not (Mirakl seller API, 2.3).
    let refunded: u32 = if how == How::Refund { line.refunds.iter().filter_map(|refund| refund.quantity).sum() } else { 0 };
    let left = line.quantity.saturating_sub(refunded);
    if quantity == 0 || quantity > left || !line.is_live() {
        return Err(format!("line {} has {left} pieces left, not {quantity}", line.order_line_id));
    }
    let given_back = |of: fn(&crate::mirakl::order::Refund) -> Option<Amount>| -> Decimal {
        line.refunds.iter().filter_map(of).map(|amount| amount.0).sum()
    };
    let share = |amount: Amount, already: Decimal| Amount(part(amount.0 - already, quantity, left));
    let taxes = |taxes: &[Tax]| -> Vec<Tax> {
        taxes.iter().map(|tax| Tax { code: tax.code.clone(), amount: Amount(part(tax.amount.0, quantity, line.quantity)) }).collect()
    };
    Ok(LineAmounts {
        order_line_id: line.order_line_id.clone(),
        quantity,
        amount: share(line.price, given_back(|refund| refund.amount)),
        shipping_amount: share(line.shipping_price.unwrap_or_default(), given_back(|refund| refund.shipping_amount)),
        taxes: taxes(&line.taxes),
        shipping_taxes: taxes(&line.shipping_taxes),
    })
}

/// `quantity` of `of` pieces' part of an amount; all of it for all pieces. Never more than there is.
fn part(amount: Decimal, quantity: u32, of: u32) -> Decimal {
    if quantity >= of {
        return amount;
    }
    let exact = amount * Decimal::from(quantity) / Decimal::from(of);
    // As many decimals as the amount has on the wire, two at least: Mirakl's own precision.
    exact.round_dp_with_strategy(amount.normalize().scale().max(2), RoundingStrategy::ToZero)
}

/// Notes how many entries each line has before: one more tells that ours had its effect.
#[must_use]
pub fn settled_lines(order: &Order, short: &[ShortLine], how: How) -> Vec<SettledLine> {
    short
        .iter()
        .map(|short| SettledLine {
            order_line_id: short.order_line_id.clone(),
            quantity: short.quantity,
            entries_before: entries(order, &short.order_line_id, how),
        })
        .collect()
}

/// Whether Mirakl's order shows that a settlement had its effect: each of its lines has one entry more than before.
#[must_use]
pub fn had_its_effect(order: &Order, settlement: &Settlement) -> bool {
    settlement.lines.iter().all(|line| entries(order, &line.order_line_id, settlement.how) > line.entries_before)
}

fn entries(order: &Order, order_line_id: &str, how: How) -> usize {
    let line = order.order_lines.iter().find(|line| line.order_line_id == order_line_id);
    line.map_or(0, |line| match how {
        How::Cancel => line.cancelations.len(),
        How::Refund => line.refunds.len(),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use proptest::prelude::*;

    use super::*;

    fn order(extra: &str) -> Order {
        let text = format!(
            r#"{{"order_id":"C1-A","order_state":"SHIPPING","order_lines":[{{"order_line_id":"C1-A-1","offer_sku":"W1","quantity":3,
                "price":20.00,"shipping_price":3.95,"taxes":[{{"code":"VAT","amount":3.33}}],
                "shipping_taxes":[{{"code":"VAT","amount":0.66}}]{extra}}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn short(quantity: u32) -> Vec<ShortLine> {
        vec![ShortLine { order_line_id: "C1-A-1".into(), quantity }]
    }

    fn money(text: &str) -> Amount {
        Amount(text.parse().unwrap())
    }

    #[test]
    fn a_whole_line_takes_all_that_is_on_it_and_a_part_its_share() {
        let whole = &amounts(&order(""), &short(3), How::Cancel).unwrap()[0];
        assert_eq!((whole.amount, whole.shipping_amount, whole.taxes[0].amount), (money("20.00"), money("3.95"), money("3.33")));
        let part = &amounts(&order(""), &short(1), How::Cancel).unwrap()[0];
        assert_eq!((part.amount, part.shipping_amount, part.shipping_taxes[0].amount), (money("6.66"), money("1.31"), money("0.22")));
    }

    #[test]
    fn what_was_refunded_before_is_not_refunded_again() {
        let once = order(r#","refunds":[{"id":"1","quantity":2,"amount":13.32,"shipping_amount":2.62}]"#);
        let rest = &amounts(&once, &short(1), How::Refund).unwrap()[0];
        assert_eq!((rest.amount, rest.shipping_amount), (money("6.68"), money("1.33")));
        assert!(amounts(&once, &short(2), How::Refund).unwrap_err().contains("has 1 pieces left, not 2"));
    }

    #[test]
    fn one_entry_more_tells_that_it_had_its_effect() {
        let before = order("");
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        let lines = settled_lines(&before, &short(1), How::Cancel);
        let settlement = Settlement { how: How::Cancel, lines, at: now, until: now, confirmed_at: None };
        assert!(!had_its_effect(&before, &settlement));
        let after = order(r#","cancelations":[{"id":"1","quantity":1,"amount":6.66}]"#);
        assert!(had_its_effect(&after, &settlement));
    }

    proptest! {
        #[test]
        fn parts_never_add_up_to_more_than_the_whole(cents in 0..1_000_000_i64, of in 1..20_u32) {
            let amount = Decimal::new(cents, 2);
            let single = part(amount, 1, of);
            prop_assert!(single * Decimal::from(of) <= amount);
            prop_assert!(amount - single * Decimal::from(of) < Decimal::new(i64::from(of), 2));
            prop_assert_eq!(part(amount, of, of), amount);
        }
    }
}
