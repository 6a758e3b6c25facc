//! An order's life with us.

pub mod row;

pub use row::{ExceptionKind, ExceptionRecord, OrderKey, OrderRow, Stage};
