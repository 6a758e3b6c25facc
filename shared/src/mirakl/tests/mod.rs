#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod client;
pub(super) mod conformance;
mod sending;
pub(super) mod server;
mod stock;
mod wire;
