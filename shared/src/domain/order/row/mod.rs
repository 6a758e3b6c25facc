//! The row that carries an order's life. It is the truth: messages, events and the dead-letter
//! queue are views of it.

mod creation;
mod exception;
mod index;
mod key;
mod lines;
mod listing;
mod message;
mod money;
mod order_row;
mod stage;
mod unset;

pub use creation::{Attempt, Creation, Lease, Unanswered};
pub use exception::{ExceptionKind, OrderException, Settled};
pub use index::{
    DISPATCH_EXCEPTION, DISPATCH_UNANNOUNCED, EXCEPTION_UNANNOUNCED, OpenState, REFERENCE_PENDING,
    SHIPPED_REFERENCE_PENDING,
};
pub use key::OrderKey;
pub use lines::{RowLine, lines_left, lines_of};
pub use listing::{Listing, PayoutValue};
pub use message::{ExpectedMessage, MESSAGE_IS_LOST};
pub use money::{LineMoney, MoneyFacts};
pub use order_row::OrderRow;
pub use stage::{Stage, Step};
pub(crate) use unset::is_zero;

#[cfg(test)]
mod tests;
