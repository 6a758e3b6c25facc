//! What the seller API writes.

mod customer;
pub(super) mod finance;
mod line;
pub(super) mod offer;
pub(super) mod order;
pub(super) mod platform;
pub(super) mod shipping;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::model::{Settings, State};

/// Left out where none, and null where none within.
type Sparse<T> = Option<Option<T>>;

/// How many digits an order's amounts have: Mirakl writes `20.0000`, `0.00`, `49` and `5.5`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    AsIs,
    Shortest,
    FourDigits,
}

impl Style {
    /// The style of an order: always the same for the same id.
    fn of(order_id: &str) -> Self {
        match order_id.bytes().map(u32::from).sum::<u32>() % 3 {
            0 => Self::AsIs,
            1 => Self::Shortest,
            _ => Self::FourDigits,
        }
    }
}

/// An amount, written as a JSON number with exactly the digits of its style.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount(Decimal, Style);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut amount = self.0;
        match self.1 {
            Style::AsIs => {}
            Style::Shortest => amount = amount.normalize(),
            Style::FourDigits => amount.rescale(4),
        }
        RawValue::from_string(amount.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// A date with milliseconds.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A date without milliseconds: Mirakl mixes both in one order.
pub(super) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The code under which a state is shown.
fn shown(state: State, settings: &Settings) -> &str {
    match &settings.unknown_state {
        Some(code) if state == State::WaitingDebitPayment => code,
        _ => state.code(),
    }
}
