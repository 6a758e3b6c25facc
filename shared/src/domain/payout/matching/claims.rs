//! What to claim of the marketplace, as a CSV to send.

use std::io::Write;

use super::order::OrderMatch;
use crate::domain::payout::exceptions::PayoutExceptionKind as Kind;
use crate::kit::amount::Amount;
use crate::kit::csv::defused;
use crate::kit::currency::written;

/// Whether a finding is against the marketplace: it paid too little, or kept too much.
#[must_use]
pub fn is_claim(kind: Kind, amount: Option<Amount>) -> bool {
    matches!(
        kind,
        Kind::NotSettled
            | Kind::CommissionDiffers
            | Kind::CommissionNotRefunded
            | Kind::RefundExceedsSale
            | Kind::SettledDiffers
    ) && amount.is_some_and(|amount| amount < Amount::ZERO)
}

/// Writes the claims of these orders: what is below zero of a finding is what the seller lacks, and
/// stands in the CSV as a positive amount. Gives back what they come to.
///
/// # Errors
/// It cannot be written.
pub fn claims_csv<'m>(
    orders: impl IntoIterator<Item = &'m OrderMatch>,
    currency: &str,
    writer: impl Write,
) -> Result<Amount, csv::Error> {
    let mut csv = csv::Writer::from_writer(writer);
    csv.write_record(["order", "subject", "claim", "amount", "currency", "reason", "lines"])?;
    let mut total = Amount::ZERO;
    for order in orders {
        for finding in order.findings.iter().filter(|one| is_claim(one.kind, one.amount)) {
            let amount = Amount(-finding.amount.unwrap_or_default().0);
            total.0 += amount.0;
            csv.write_record([
                &*defused(&order.order),
                &*defused(&finding.subject),
                finding.kind.name(),
                &written(amount, currency),
                &*defused(currency),
                &*defused(&finding.reason),
                &*defused(&finding.lines.join(" ")),
            ])?;
        }
    }
    csv.flush()?;
    Ok(total)
}
