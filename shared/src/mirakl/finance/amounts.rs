//! Amounts of the finance operations.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::kit::amount::Amount;

/// Ten to the power of this is more than any line, cycle or document moves: 10,000,000,000,000.
/// Millions of such amounts still add up exactly.
const DIGITS_BEFORE_THE_POINT: u32 = 13;
/// No currency has more than four.
const DIGITS_BEHIND_THE_POINT: u32 = 6;

/// Reads an amount: a number or a quoted one, with or without an exponent; `None` of null and of an
/// empty text. Zeros behind the last digit are dropped, so that equal amounts are written alike.
///
/// # Errors
/// It is no number, or has more digits than money has.
pub(super) fn read(raw: &str) -> Result<Option<Amount>, &'static str> {
    let quoted = raw.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let digits = quoted.unwrap_or(raw).trim();
    if raw == "null" || digits.is_empty() {
        return Ok(None);
    }
    let number = Decimal::from_str_exact(digits)
        .or_else(|_| Decimal::from_scientific(digits))
        .map_err(|_| "it is no decimal number of a length that can be read")?
        .normalize();
    if number.abs() >= Decimal::from(10_u64.pow(DIGITS_BEFORE_THE_POINT))
        || number.scale() > DIGITS_BEHIND_THE_POINT
    {
        return Err("it has more digits than an amount of money has");
    }
    Ok(Some(Amount(number)))
}

/// An amount that may be null.
pub(super) fn amount<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Amount>, D::Error> {
    read(<&RawValue>::deserialize(deserializer)?.get()).map_err(D::Error::custom)
}

/// Amounts by their names, such as `summary` of a billing cycle: names that a later version adds
/// are kept, and what is null is left out.
pub(super) fn amounts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Amount>, D::Error> {
    let fields = Option::<BTreeMap<String, Box<RawValue>>>::deserialize(deserializer)?;
    let mut amounts = BTreeMap::new();
    for (name, raw) in fields.unwrap_or_default() {
        let amount =
            read(raw.get()).map_err(|problem| D::Error::custom(format!("{name}: {problem}")))?;
        amounts.extend(amount.map(|amount| (name, amount)));
    }
    Ok(amounts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_amount_has_one_outcome() {
        for (raw, expected) in [
            ("20.0000", Some("20")),
            ("-0.5", Some("-0.5")),
            ("\"12.30\"", Some("12.3")),
            ("1.5E2", Some("150")),
            ("\"25e-1\"", Some("2.5")),
            ("0.000001", Some("0.000001")),
            ("9999999999999", Some("9999999999999")),
            ("-0", Some("0")),
            ("null", None),
            ("\"\"", None),
        ] {
            let amount = read(raw).map(|amount| amount.map(|amount| amount.to_string()));
            assert_eq!(amount, Ok(expected.map(str::to_owned)), "{raw}");
        }
        for raw in [
            "123456789012345678901234567890",
            "10000000000000",
            "0.0000001",
            "1e30",
            "1e-30",
            "\"ten\"",
            "\"1,50\"",
            "true",
            "{}",
            "[1]",
            "\"NaN\"",
        ] {
            assert!(read(raw).is_err(), "{raw}");
        }
    }
}
