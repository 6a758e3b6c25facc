//! The report of a billing cycle: one HTML page that explains itself, and beside it a CSV of all
//! lines. Pure: the same input gives the same bytes.
//!
//! The page needs nothing but itself: no script, no address, and a content security policy that
//! allows none. Every text is escaped by the template library; see [`page`].

mod bridge;
mod figures;
mod lines_csv;
mod page;
mod result;
mod style;
mod tables;
mod waterfall;
mod words;

pub use bridge::{Bridge, Step, StepKind};
pub use figures::{CycleFigures, Report};
pub use lines_csv::lines_csv;
pub use page::{MOST_BYTES, MOST_ORDERS, page};
pub use result::{Verdict, result};
