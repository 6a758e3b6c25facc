//! What an installation does with a number that it has already.

use serde::{Deserialize, Serialize};

/// What becomes of an `OrderNumber` or `TPGUID` that Prima has already. Which of the two a real
/// installation does is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepeatedNumber {
    /// A second order.
    Twice,
    /// `RequestStatus="ERROR"`.
    Refused,
}
