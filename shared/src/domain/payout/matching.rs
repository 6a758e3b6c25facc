//! What becomes of an order's money: expected against settled, over all cycles.

mod order;

pub use order::{Contribution, Found, OrderMatch, OrderMoney};
