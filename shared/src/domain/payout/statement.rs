//! Month end: the clearing account explained item by item, the accrual of fees, and the year by
//! quarter.
//!
//! The clearing account of a channel and currency holds what Prima invoiced and credited, what our
//! journals took, and what the bank received. What is left on it is explained by the transaction
//! log: item by item, with a remainder that must be nothing.

mod accrual;
mod clearing;
mod cycle;
mod entries;
mod reserve;
mod year;

pub use accrual::{Accrual, accrual};
pub use clearing::{Clearing, Item, ItemKind, Statement, statement};
pub use cycle::ClosedCycle;
pub use entries::{Entry, Receipts, receipts};
pub use reserve::{Aged, Reserve, reserve};
pub use year::{Quarter, year};
