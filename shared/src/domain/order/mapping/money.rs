//! What every line, charge and payment is worth, to the last digit, and the proof that it is what
//! the customer was charged.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::problems::Problems;
use crate::domain::order::rules::{
    AmountRules, ExcludedTax, InexactUnitPrice, OrderRules, PriceMeaning, PromotionRule,
    ShippingType, ZeroCharge,
};
use crate::kit::amount::Amount;
use crate::mirakl::Order;
use crate::mirakl::order::{OrderLine, Tax};
use crate::prima::order::PrimaCharge;

/// An amount beyond this, in any currency, is a mistake; below it sums cannot overflow.
const SENSIBLE: i64 = 1_000_000_000_000;
/// Digits behind the point beyond which an amount is a mistake.
const SENSIBLE_SCALE: u32 = 10;

/// The money of one order as Prima gets it.
#[derive(Debug, Default)]
pub(super) struct Money {
    /// Prices contain the taxes.
    pub(super) vat_inclusive: bool,
    /// One for each live line, in their order.
    pub(super) lines: Vec<LineMoney>,
    pub(super) charges: Vec<PrimaCharge>,
    /// What the customer paid, or owes: goods, shipping, fees and taxes.
    pub(super) paid: Decimal,
    /// Mirakl's ISO code.
    pub(super) currency: String,
    /// Prima's code of it.
    pub(super) prima_currency: String,
}

/// The money of one line.
#[derive(Debug, Default)]
pub(super) struct LineMoney {
    pub(super) price: Decimal,
    pub(super) promotion: String,
    pub(super) promotion_value: Option<Decimal>,
}

/// All amounts of `order`; problems where they cannot be sent exactly or do not add up.
pub(super) fn of_order(problems: &mut Problems, order: &Order, rules: &OrderRules) -> Money {
    if !is_sensible(order) {
        problems.add(
            "an amount of the order is beyond all sense",
            "Look at the order in Mirakl, and ask the marketplace about its amounts.",
        );
        return Money::default();
    }
    let excluded = match order.order_tax_mode.as_deref() {
        None | Some("" | "TAX_INCLUDED") => false,
        Some("TAX_EXCLUDED") => true,
        Some(_) => {
            problems.add(
                "order_tax_mode is neither TAX_INCLUDED nor TAX_EXCLUDED",
                "Key the order into Prima by hand, and report the new tax mode to the connector's engineer.",
            );
            return Money::default();
        }
    };
    let add_taxes = excluded && rules.amounts.excluded_tax == ExcludedTax::AddTaxes;
    let (currency, prima_currency) = currency(problems, order, &rules.amounts);
    let mut money = Money {
        vat_inclusive: !excluded || add_taxes,
        currency,
        prima_currency,
        ..Money::default()
    };
    let mut left_over = Decimal::ZERO;
    let mut total = Decimal::ZERO;
    for line in order.live_lines() {
        let (line_money, rest) = of_line(problems, line, add_taxes, rules);
        total += match rules.price {
            PriceMeaning::Line => line_money.price,
            PriceMeaning::Unit => line_money.price * Decimal::from(line.quantity),
        };
        total -= line_money.promotion_value.unwrap_or_default();
        left_over += rest;
        money.lines.push(line_money);
    }
    let taxes: Decimal =
        order.live_lines().map(|line| sum(&line.taxes) + sum(&line.shipping_taxes)).sum();
    money.charges.extend(delivery_charge(problems, order, add_taxes, rules));
    money.charges.extend(fee_charges(problems, order, &rules.amounts));
    if let InexactUnitPrice::RoundingCharge { code } = &rules.amounts.inexact_unit_price
        && !left_over.is_zero()
    {
        money.charges.push(PrimaCharge {
            code: code.clone(),
            value: exact(problems, "the rounding charge", left_over, &rules.amounts),
        });
    }
    total += money.charges.iter().map(|charge| charge.value).sum::<Decimal>();
    let Some(charged) = charged(order) else {
        problems.add(
            "Mirakl states no total of the order, so that its lines cannot be checked",
            "Look at the order in Mirakl, and key it into Prima by hand.",
        );
        return money;
    };
    let expected = if add_taxes { charged + taxes } else { charged };
    // With another problem a sum may lack a part: it would only mislead.
    if total != expected && problems.is_empty() {
        problems.add(
            format!("lines and charges come to {}, Mirakl charged {}", total.normalize(), expected.normalize()),
            "Compare the order's lines and fees in Mirakl with its total (cancelled shipping is not carried over), and key it into Prima by hand.",
        );
    }
    money.paid = exact(
        problems,
        "the amount that the customer paid",
        if excluded { charged + taxes } else { charged },
        &rules.amounts,
    );
    money
}

/// What Mirakl charged, in the order's own tax mode.
fn charged(order: &Order) -> Option<Decimal> {
    let total = order.total_price.map(|total| total.0);
    // Whether fees belong to it, only a total can tell.
    let has_fees = || {
        order
            .live_lines()
            .flat_map(|line| &line.fees)
            .any(|fee| fee.amount.is_some_and(|amount| !amount.0.is_zero()))
    };
    total.or_else(|| if has_fees() { None } else { Some(order.price?.0 + order.shipping_price?.0) })
}

/// What is charged besides goods and shipping: the fee's code, its amount, and where the rules name
/// its charge code.
struct Extra<'o> {
    code: &'o str,
    amount: Decimal,
    what: &'static str,
    setting: &'static str,
    charge: Option<&'o str>,
}

/// The fees and eco contributions that the order's total contains, one charge for each charge code.
/// Mirakl's schema says that the total contains fees, and its own example has one beside the total;
/// eco contributions are contained in the prices on one platform, and come on top on another. So
/// the sums decide, and a rule is needed only for what is within the total.
fn fee_charges(problems: &mut Problems, order: &Order, rules: &AmountRules) -> Vec<PrimaCharge> {
    let fees = order.live_lines().flat_map(|line| &line.fees).map(|fee| {
        let code = fee.code.as_deref().unwrap_or_default().trim();
        let charge = rules.fees.get(code).map(|rule| rule.charge.as_str());
        Extra {
            code,
            amount: fee.amount.unwrap_or_default().0,
            what: "fee",
            setting: "amounts.fees",
            charge,
        }
    });
    let contributions =
        order.live_lines().flat_map(|line| &line.eco_contributions).map(|contribution| {
            let code = contribution.epr_category_code.as_deref().unwrap_or_default().trim();
            let charge = rules.eco_contributions.get(code).map(|rule| rule.charge.as_str());
            let amount = contribution.total_amount.unwrap_or_default().0;
            Extra {
                code,
                amount,
                what: "eco contribution",
                setting: "amounts.eco_contributions",
                charge,
            }
        });
    let (fees, contributions): (Vec<_>, Vec<_>) = (fees.collect(), contributions.collect());
    let goods: Decimal = order.live_lines().map(|line| line.price.0).sum();
    let Some(charged) = charged(order) else { return Vec::new() };
    let besides = charged - goods - shipping(order);
    let sum = |extras: &[Extra<'_>]| extras.iter().map(|extra| extra.amount).sum::<Decimal>();
    let (of_fees, of_contributions) = (sum(&fees), sum(&contributions));
    let within: Vec<Extra<'_>> = if besides.is_zero() {
        Vec::new()
    } else if besides == of_fees {
        fees
    } else if besides == of_fees + of_contributions {
        fees.into_iter().chain(contributions).collect()
    } else if besides == of_contributions {
        contributions
    } else {
        // The check of the sum tells it.
        Vec::new()
    };
    let mut charges: BTreeMap<&str, Decimal> = BTreeMap::new();
    for Extra { code, amount, what, setting, charge } in
        within.into_iter().filter(|extra| !extra.amount.is_zero())
    {
        match charge {
            Some(charge) => *charges.entry(charge).or_default() += amount,
            None => problems.add(
                format!("the order's total contains the {what} {code:?}, for which the order rules name no charge code"),
                format!("Give {code:?} a charge code of Prima in the order rules ({setting}), and retry the order."),
            ),
        }
    }
    let charge = |(code, value): (&str, Decimal)| {
        let value = exact(problems, "the charge of the order's fees", value, rules);
        PrimaCharge { code: code.to_owned(), value }
    };
    charges.into_iter().map(charge).collect()
}

/// What the delivery costs, as the order's lines say or the order itself.
fn shipping(order: &Order) -> Decimal {
    if order.live_lines().any(|line| line.shipping_price.is_some()) {
        order.live_lines().filter_map(|line| line.shipping_price).map(|price| price.0).sum()
    } else {
        order.shipping_price.unwrap_or_default().0
    }
}

fn of_line(
    problems: &mut Problems,
    line: &OrderLine,
    add_taxes: bool,
    rules: &OrderRules,
) -> (LineMoney, Decimal) {
    let what = format!("the price of line {}", line.order_line_id);
    let deduced: Decimal = line
        .promotions
        .iter()
        .filter_map(|promotion| promotion.deduced_amount)
        .map(|amount| amount.0)
        .sum();
    let mut worth = line.price.0;
    if add_taxes {
        worth += sum(&line.taxes);
    }
    let mut money = LineMoney::default();
    if let PromotionRule::Gross { code } = &rules.amounts.promotions
        && !deduced.is_zero()
    {
        worth += deduced;
        money.promotion = if code.is_empty() { promotion_ids(line) } else { code.clone() };
        if money.promotion.is_empty() {
            problems.add(
                format!("a promotion on line {} has no id", line.order_line_id),
                "Give the code of promotions in the order rules (amounts.promotions.gross.code), or send net prices; then retry the order.",
            );
        }
        money.promotion_value = Some(exact(
            problems,
            &format!("the promotion on line {}", line.order_line_id),
            deduced,
            &rules.amounts,
        ));
    }
    if worth < Decimal::ZERO {
        problems.add(
            format!("{what} is negative"),
            "Look at the order in Mirakl, and key it into Prima by hand.",
        );
    }
    if rules.price == PriceMeaning::Line || line.quantity == 0 {
        money.price = exact(problems, &what, worth, &rules.amounts);
        return (money, Decimal::ZERO);
    }
    let quantity = Decimal::from(line.quantity);
    let unit = (worth / quantity).round_dp_with_strategy(
        rules.amounts.decimals,
        rust_decimal::RoundingStrategy::ToNegativeInfinity,
    );
    let rest = worth - unit * quantity;
    if !rest.is_zero() && rules.amounts.inexact_unit_price == InexactUnitPrice::Exception {
        problems.add(
            format!(
                "{what} is {} for {} pieces: no price of one piece with {} decimals gives that exactly",
                worth.normalize(),
                line.quantity,
                rules.amounts.decimals
            ),
            "Key the order into Prima by hand, or name a rounding charge in the order rules (amounts.inexact_unit_price) and retry.",
        );
    }
    money.price = exact(problems, &what, unit, &rules.amounts);
    (money, rest)
}

fn promotion_ids(line: &OrderLine) -> String {
    let ids: Vec<&str> = line
        .promotions
        .iter()
        .filter_map(|promotion| promotion.id.as_deref())
        .filter(|id| !id.is_empty())
        .collect();
    ids.join("+")
}

/// What the shipping type means; `None` if the rules do not say.
pub(super) fn shipping_type<'a>(order: &Order, rules: &'a OrderRules) -> Option<&'a ShippingType> {
    let listed =
        order.shipping_type_code.as_deref().and_then(|code| rules.delivery.types.get(code));
    listed.or(rules.delivery.other_types.as_ref())
}

fn delivery_charge(
    problems: &mut Problems,
    order: &Order,
    add_taxes: bool,
    rules: &OrderRules,
) -> Option<PrimaCharge> {
    let mut value = shipping(order);
    if add_taxes {
        value += order.live_lines().map(|line| sum(&line.shipping_taxes)).sum::<Decimal>();
    }
    let code = shipping_type(order, rules).map(|kind| kind.charge.as_str()).unwrap_or_default();
    if value.is_zero() && (rules.delivery.zero_charge == ZeroCharge::LeaveOut || code.is_empty()) {
        return None;
    }
    if code.is_empty() {
        let named = order.shipping_type_code.as_deref().unwrap_or("(none)");
        problems.add(
            format!("shipping type {named} has no charge code for its delivery charge"),
            format!("Give shipping type {named} a charge code in the order rules (delivery.types), and retry the order."),
        );
    }
    Some(PrimaCharge {
        code: code.to_owned(),
        value: exact(problems, "the delivery charge", value, &rules.amounts),
    })
}

fn currency(problems: &mut Problems, order: &Order, rules: &AmountRules) -> (String, String) {
    let named = order.currency_iso_code.as_deref().map(str::trim).filter(|code| !code.is_empty());
    let code = named.unwrap_or(&rules.missing_currency);
    let prima = match rules.currencies.get(code) {
        Some(own) => own.as_str(),
        None if rules.currencies.is_empty() => code,
        None => "",
    };
    if code.is_empty() {
        problems.add(
            "Mirakl names no currency for the order",
            "Name the channel's currency in the order rules (amounts.missing_currency), and retry the order.",
        );
    } else if prima.is_empty() {
        problems.add(
            format!("the order is in {code}, which is not among the allowed currencies"),
            format!("If Prima takes {code}, add it to amounts.currencies in the order rules, and retry the order."),
        );
    }
    (code.to_owned(), prima.to_owned())
}

/// `amount` with at least the decimals that Prima shows, its value untouched; a problem if it needs
/// more.
fn exact(problems: &mut Problems, what: &str, amount: Decimal, rules: &AmountRules) -> Decimal {
    let mut amount = amount.normalize();
    if amount.scale() > rules.decimals {
        problems.add(
            format!("{what} is {amount}, which has more than {} decimals", rules.decimals),
            "Key the order into Prima by hand; if Prima takes more decimals, raise amounts.decimals in the order rules and retry.",
        );
    } else {
        amount.rescale(rules.decimals);
    }
    amount
}

fn sum(taxes: &[Tax]) -> Decimal {
    taxes.iter().map(|tax| tax.amount.0).sum()
}

fn is_sensible(order: &Order) -> bool {
    let fits = |amount: &Amount| {
        amount.0.abs() < Decimal::from(SENSIBLE) && amount.0.normalize().scale() <= SENSIBLE_SCALE
    };
    let of_lines = order.live_lines().all(|line| {
        let promotions =
            line.promotions.iter().filter_map(|promotion| promotion.deduced_amount.as_ref());
        let taxes = line.taxes.iter().chain(&line.shipping_taxes).map(|tax| &tax.amount);
        let fees = line.fees.iter().filter_map(|fee| fee.amount.as_ref());
        let fees = fees.chain(
            line.eco_contributions
                .iter()
                .filter_map(|contribution| contribution.total_amount.as_ref()),
        );
        [Some(&line.price), line.shipping_price.as_ref()]
            .into_iter()
            .flatten()
            .chain(promotions)
            .chain(taxes)
            .chain(fees)
            .all(fits)
    });
    of_lines && [order.price, order.shipping_price, order.total_price].iter().flatten().all(fits)
}
