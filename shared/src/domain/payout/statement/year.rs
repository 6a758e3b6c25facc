//! The year by quarter, as the operator reports it of each seller to HMRC: a tie-out of its own.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::kit::amount::Amount;
use crate::mirakl::finance::{Side, TransactionLine};

/// A quarter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarter {
    /// 1 to 4.
    pub quarter: u8,
    /// What customers paid, less what they got back.
    pub consideration: Amount,
    /// What the operator charged, with its VAT, less what it gave back: below zero.
    pub fees: Amount,
    /// What it remitted of taxes, and paid of shipping.
    pub remitted: Amount,
    /// Lines that have no date, and are in no quarter: shown in the first.
    pub undated: u64,
}

/// The four quarters of a year, in a time zone. Transfers and reserves are in none.
#[must_use]
pub fn year<'l>(
    lines: impl IntoIterator<Item = &'l TransactionLine>,
    year: i16,
    zone: &TimeZone,
) -> [Quarter; 4] {
    let mut quarters: [Quarter; 4] = Default::default();
    for (number, quarter) in (1..).zip(&mut quarters) {
        quarter.quarter = number;
    }
    for line in lines {
        let Some(at) = line.transacted.or(line.created) else {
            quarters[0].undated += 1;
            continue;
        };
        let day = at.to_zoned(zone.clone()).date();
        let place = usize::try_from((day.month() - 1) / 3).unwrap_or(0);
        let Some(quarter) = quarters.get_mut(place).filter(|_| day.year() == year) else {
            continue;
        };
        let net = line.net().0;
        match line.kind.side() {
            Some(Side::Seller) => quarter.consideration.0 += net,
            Some(Side::Operator) if line.kind.is_invoiced() => quarter.fees.0 += net,
            Some(Side::Operator) => quarter.remitted.0 += net,
            None => quarter.fees.0 += net,
            Some(Side::Payment | Side::Reserve | Side::Purchase) => {}
        }
    }
    quarters
}
