//! What becomes of an order's money: expected against settled, over all cycles.
//!
//! Expected is what was kept when the order was sent to Prima; settled is what the transaction log
//! says of it, whatever the cycle: a refund may come cycles after its sale. Every finding is in
//! money.

mod claims;
mod contribution;
mod judge;
mod order;
mod rules;
mod settled;

pub use claims::{claims_csv, is_claim};
pub use contribution::{Contribution, contribution};
pub use judge::{BeforeTakeOver, Matching, match_orders};
pub use order::{Found, KnownOrder, OrderMatch, OrderMoney};
pub use rules::{Band, MatchRules};
pub use settled::Settled;
