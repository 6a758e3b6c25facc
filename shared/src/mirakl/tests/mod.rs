#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod client;
mod conformance;
mod sending;
mod server;
mod stock;
mod wire;
