//! Money as it stands on the wire: an exact decimal, read from the digits, never through a binary
//! fraction.

use std::fmt;

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// An exact decimal amount, without its currency: an order names one currency for all of its
/// amounts.
///
/// Read from a JSON number of any scale (`20.0000`, `5.5`, `49`) or from a quoted one (`"1"`), as
/// Mirakl sends both (Mirakl seller API, part "Dates, numbers, enums"). Written as a JSON string,
/// so that no reader can lose digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(pub Decimal);

impl Amount {
    /// No money.
    pub const ZERO: Self = Self(Decimal::ZERO);
}

impl From<Decimal> for Amount {
    fn from(value: Decimal) -> Self {
        Self(value)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The raw text, because serde_json would otherwise hand over an f64.
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let digits = raw.trim_matches('"').trim();
        Decimal::from_str_exact(digits)
            .or_else(|_| Decimal::from_scientific(digits))
            .map(Self)
            .map_err(|problem| {
                D::Error::custom(format!("'{digits}' is not an exact decimal amount: {problem}"))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::Amount;

    #[test]
    fn reads_every_form_that_mirakl_sends_and_keeps_the_digits() {
        for (text, expected) in [
            ("20.0000", "20.0000"),
            ("49", "49"),
            ("\"5.50\"", "5.50"),
            ("-3.1", "-3.1"),
            ("1e2", "100"),
        ] {
            let amount: Amount =
                serde_json::from_str(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!(amount.to_string(), expected);
        }
        assert!(serde_json::from_str::<Amount>("\"ten\"").is_err());
        assert!(serde_json::from_str::<Amount>("null").is_err());
    }

    #[test]
    fn a_tenth_is_a_tenth() {
        let amount: Amount = serde_json::from_str("0.1").unwrap_or_default();
        assert_eq!(serde_json::to_string(&amount).unwrap_or_default(), "\"0.1\"");
    }
}
