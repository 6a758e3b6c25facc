//! The traits of [`crate::domain`] on AWS, and what a function needs at its start: settings,
//! clients, secrets, batches, metrics.

pub mod batch;
mod bucket;
pub mod channel_copy;
pub mod channel_documents;
pub mod clients;
pub mod config;
pub mod documents;
pub mod event_bus;
pub mod functions;
mod https;
pub mod metrics;
pub mod payout_files;
pub mod payout_store;
pub mod prima_client;
pub mod queues;
pub mod secrets;
pub mod settings;
pub mod stock_files;
pub mod stock_ledger;
pub mod store;
pub mod telemetry;
