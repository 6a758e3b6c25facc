//! An order's life with us.

pub mod documents;
pub mod life;
pub mod mapping;
pub mod remaining;
pub mod remedy;
pub mod row;
pub mod rules;

pub use row::{ExceptionKind, OrderException, OrderKey, OrderRow, Stage};
