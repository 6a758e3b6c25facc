//! Prima's web service, as the connector uses it.

pub mod address;
pub mod assumed;
pub mod client;
pub mod code_page;
pub mod connection;
pub mod documents;
pub mod error;
pub mod finance;
pub mod finance_client;
pub mod operations;
pub mod order;
mod redact;
pub mod sku;
pub mod soap;
pub mod stock;
#[cfg(test)]
pub(crate) mod test_support;
pub mod wsdl;
pub mod xml;

pub use client::PrimaClient;
pub use error::{Outcome, PrimaError};
pub use operations::{PrimaDispatches, PrimaOrders};
pub use order::{PrimaOrder, PrimaOrderStatus, PrimaProgress};
