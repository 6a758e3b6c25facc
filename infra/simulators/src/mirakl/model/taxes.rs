//! The taxes that go with a refund or a cancelation.

use rust_decimal::{Decimal, RoundingStrategy};

use super::order::{OrderLine, Tax};
use super::refusal::Refusal;

/// How taxes are given back.
#[derive(Clone, Copy, Debug)]
pub(super) struct TaxRules {
    /// `PROPORTIONAL_TO_AMOUNT`: Mirakl computes them; else they are given back as the seller says.
    pub(super) proportional: bool,
    /// They are computed on the order.
    pub(super) on_the_order: bool,
}

impl OrderLine {
    /// The taxes on the goods that go with a part of their price.
    pub(super) fn taxes_of(
        &self,
        amount: Decimal,
        sent: &[(String, Decimal)],
        rules: TaxRules,
    ) -> Result<Vec<Tax>, Refusal> {
        let refunded: Vec<&Tax> = self.refunds.iter().flat_map(|refund| &refund.taxes).collect();
        tax_shares(&self.taxes, &refunded, (amount, self.price(), self.goods_left()), sent, rules)
    }

    /// The taxes on shipping that go with a part of its price.
    pub(super) fn shipping_taxes_of(
        &self,
        amount: Decimal,
        sent: &[(String, Decimal)],
        rules: TaxRules,
    ) -> Result<Vec<Tax>, Refusal> {
        let refunded: Vec<&Tax> =
            self.refunds.iter().flat_map(|refund| &refund.shipping_taxes).collect();
        tax_shares(
            &self.shipping_taxes,
            &refunded,
            (amount, self.shipping_price, self.shipping_left()),
            sent,
            rules,
        )
    }

    /// The taxes that go with a refund of these amounts, as Mirakl computes them.
    pub(super) fn computed_taxes(
        &self,
        amount: Decimal,
        shipping_amount: Decimal,
    ) -> (Vec<Tax>, Vec<Tax>) {
        let rules = TaxRules { proportional: true, on_the_order: false };
        let (goods, shipping) = (
            self.taxes_of(amount, &[], rules),
            self.shipping_taxes_of(shipping_amount, &[], rules),
        );
        (goods.unwrap_or_default(), shipping.unwrap_or_default())
    }
}

/// The taxes that go with `amount`, of a `price` of which so much is `left`: as Mirakl computes
/// them, or as they were sent.
fn tax_shares(
    taxes: &[Tax],
    refunded: &[&Tax],
    (amount, price, left): (Decimal, Decimal, Decimal),
    sent: &[(String, Decimal)],
    rules: TaxRules,
) -> Result<Vec<Tax>, Refusal> {
    let refused = |message: &str| Err(Refusal::new("VALIDATION_ERROR", "taxes", message));
    let tax_left = |tax: &Tax| {
        let back: Decimal =
            refunded.iter().filter(|one| one.code == tax.code).map(|one| one.amount).sum();
        (tax.amount - back).max(Decimal::ZERO)
    };
    for (code, wanted) in sent {
        let Some(tax) = taxes.iter().find(|tax| tax.code == code) else {
            return refused("The tax code is unknown");
        };
        if *wanted < Decimal::ZERO
            || *wanted > tax_left(tax)
            || (amount.is_zero() && !wanted.is_zero())
        {
            return refused("The tax exceeds what can be refunded");
        }
    }
    let share = |tax: &Tax| {
        if !rules.proportional {
            return sent
                .iter()
                .filter(|(code, _)| tax.code == code)
                .map(|(_, wanted)| *wanted)
                .sum();
        }
        if amount >= left || price.is_zero() {
            return if amount.is_zero() { Decimal::ZERO } else { tax_left(tax) };
        }
        (tax.amount * amount / price)
            .round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
            .min(tax_left(tax))
    };
    let shares = taxes.iter().map(|tax| Tax { amount: share(tax), ..tax.clone() });
    Ok(shares.filter(|tax| !tax.amount.is_zero()).collect())
}
