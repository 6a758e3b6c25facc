//! A billing cycle, as a statement looks at it.

use jiff::civil::Date;

use crate::kit::amount::Amount;
use crate::mirakl::finance::TransactionLine;

/// A cycle that has closed by the end of the period.
#[derive(Clone, Debug)]
pub struct ClosedCycle<'c> {
    /// Its id.
    pub id: &'c str,
    /// When it closed.
    pub closed: Date,
    /// What it transfers: zero or positive.
    pub transfer: Amount,
    /// What the cycle before left: zero or negative.
    pub carried_in: Amount,
    /// What it leaves: zero or negative.
    pub carried_out: Amount,
    /// The transfer's reference, where it is paid.
    pub pay_out_reference: Option<&'c str>,
    /// The references of its journals.
    pub journals: Vec<&'c str>,
    /// Its lines that the transfer pays.
    pub lines: Vec<&'c TransactionLine>,
}
