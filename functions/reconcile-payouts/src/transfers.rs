//! What of a transfer needs a person.

use shared::domain::payout::exceptions::{Finding, PayoutExceptionKind as Kind};
use shared::domain::payout::row::CycleRow;
use shared::kit::currency::written;

use crate::findings::{cycle, plain};

pub(crate) fn payout_failed(row: &CycleRow) -> Finding {
    let said = row.cycle.pay_out.failure_reason.as_deref().unwrap_or("no reason is given");
    let amount = row.cycle.transferred_to_seller;
    Finding {
        amount: Some(amount),
        ..plain(
            Kind::PayoutFailed,
            &row.key.to_string(),
            format!(
                "the transfer of {} {} of {} failed: {said}",
                written(amount, &row.key.currency),
                row.key.currency,
                cycle(&row.key)
            ),
            "Mend what the reason names in Mirakl's back office, or ask the marketplace. The fees are booked all the same; the clearing account stays open until the money comes.",
        )
    }
}

pub(crate) fn payout_late(row: &CycleRow, days: u32) -> Finding {
    let amount = row.cycle.transferred_to_seller;
    Finding {
        amount: Some(amount),
        ..plain(
            Kind::PayoutLate,
            &row.key.to_string(),
            format!(
                "the transfer of {} {} of {} is not paid {days} days after the cycle closed",
                written(amount, &row.key.currency),
                row.key.currency,
                cycle(&row.key)
            ),
            "Ask the marketplace when it pays.",
        )
    }
}
