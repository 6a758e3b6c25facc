//! Minor units of currencies (ISO 4217), and amounts written and rounded to them.

use rust_decimal::{Decimal, RoundingStrategy};

use super::amount::Amount;

/// Digits behind the point: 2 of most currencies, none of the yen, 3 of the dinar.
#[must_use]
pub fn minor_units(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" => 4,
        _ => 2,
    }
}

/// An amount as its currency is written: `5.50`. An amount that is finer than the currency keeps
/// its digits: nothing is ever rounded away by being shown.
#[must_use]
pub fn written(amount: Amount, currency: &str) -> String {
    let mut number = amount.0.normalize();
    let scale = number.scale().max(minor_units(currency));
    // To more digits only, which changes no value.
    number.rescale(scale);
    // Zero has no sign.
    if number.is_zero() { number.abs() } else { number }.to_string()
}

/// A computed amount, to the currency's minor unit, halves away from zero.
#[must_use]
pub fn rounded(number: Decimal, currency: &str) -> Amount {
    let strategy = RoundingStrategy::MidpointAwayFromZero;
    Amount(number.round_dp_with_strategy(minor_units(currency), strategy).normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_as_its_currency_is_and_never_rounded() {
        let show = |digits: &str, currency: &str| {
            written(Amount(digits.parse().unwrap_or_default()), currency)
        };
        assert_eq!(show("5.5", "GBP"), "5.50");
        assert_eq!(show("20.0000", "EUR"), "20.00");
        assert_eq!(show("1200", "JPY"), "1200");
        assert_eq!(show("1.5", "KWD"), "1.500");
        assert_eq!(show("0.125", "GBP"), "0.125");
        assert_eq!(show("-0", "GBP"), "0.00");
    }

    #[test]
    fn halves_go_away_from_zero() {
        let round = |digits: &str, currency: &str| {
            rounded(digits.parse().unwrap_or_default(), currency).to_string()
        };
        assert_eq!(round("7.145", "GBP"), "7.15");
        assert_eq!(round("-7.145", "GBP"), "-7.15");
        assert_eq!(round("7.5", "JPY"), "8");
        assert_eq!(round("7.1445", "KWD"), "7.145");
    }
}
