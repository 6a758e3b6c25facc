//! What the marketplace keeps back, by its age.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::kit::amount::Amount;
use crate::mirakl::finance::{TransactionLine, TransactionType as Type};

/// The ages, in days, at which a part of the table ends.
const AGES: [(i32, &str); 3] = [(30, "0 to 30 days"), (60, "31 to 60 days"), (90, "61 to 90 days")];
const OLDER: &str = "over 90 days";

/// The reserve at the end of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// What was kept back, less what was given since.
    pub total: Amount,
    /// The same by age, the youngest first: what is given pays the oldest.
    pub aged: Vec<Aged>,
}

/// A part of the reserve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aged {
    /// How old, in words.
    pub age: String,
    /// How much.
    pub amount: Amount,
}

/// The reserve of these lines at the end of `through`.
#[must_use]
pub fn reserve<'l>(lines: impl IntoIterator<Item = &'l TransactionLine>, through: Date) -> Reserve {
    let mut kept: Vec<(Date, Decimal)> = Vec::new();
    let mut given = Decimal::ZERO;
    for line in lines {
        match line.kind {
            Type::ReserveFunding => {
                let moment = line.transacted.or(line.created);
                let day = moment.map_or(through, |at| at.to_zoned(TimeZone::UTC).date());
                kept.push((day, -line.net().0));
            }
            Type::ReserveSettlement => given += line.net().0,
            _ => {}
        }
    }
    let total: Decimal = kept.iter().map(|(_, amount)| *amount).sum();
    let total = Amount(total - given);
    kept.sort_unstable();
    let mut parts = [Decimal::ZERO; AGES.len() + 1];
    for (day, amount) in kept {
        let paid = amount.min(given).max(Decimal::ZERO);
        given -= paid;
        let days = (through - day).get_days();
        let place = AGES.iter().position(|(age, _)| days <= *age).unwrap_or(AGES.len());
        if let Some(part) = parts.get_mut(place) {
            *part += amount - paid;
        }
    }
    // More was given than was kept back: the log begins after it was.
    parts[0] -= given;
    let names = AGES.iter().map(|(_, name)| *name).chain([OLDER]);
    let aged = names
        .zip(parts)
        .filter(|(_, amount)| !amount.is_zero())
        .map(|(age, amount)| Aged { age: age.to_owned(), amount: Amount(amount) })
        .collect();
    Reserve { total, aged }
}
