//! A stateful simulator of the Mirakl seller API.
//!
//! [`model`] is a marketplace without network or JSON, fast enough for a simulation of its own;
//! [`http`] puts the seller API in front of it, with its limits, its error shapes and its oddities.

mod answer;
mod control;
mod exports;
mod finance;
mod finance_control;
mod generate;
pub mod http;
mod limits;
pub mod model;
mod offers;
mod operations;
pub mod past;
pub mod rights;
mod shipping;
mod simulator;
#[cfg(test)]
mod tests;
mod wire;

pub use generate::{OrderWish, generate_order};
pub use http::{Config, Shop, Simulator, serve};
pub use model::{
    Carrier, Marketplace, Order, OrderLine, Page, Settings, Shipment, ShopProfile, State, Tracking,
};
pub use model::{
    Cause, Decision, Filter, LineSettlement, NewShipment, OperatorRefund, Refund, Refusal, Tax,
};
pub use model::{
    Import, ImportFate, ImportKind, ImportLine, ImportStatus, LineError, NewOffer, Offer,
};

/// A page of a listing as OR11 answers it, in JSON: for whoever runs the model without HTTP.
#[must_use]
pub fn page_json(page: &Page<'_>, settings: &Settings) -> String {
    let orders = page.orders.iter().map(|order| wire::order::order(order, settings)).collect();
    let total_count = (!settings.old_shapes).then_some(page.total);
    serde_json::to_string(&wire::order::Listing { orders, total_count }).unwrap_or_default()
}

/// An order as OR11 lists it, in JSON: for whoever runs the model without HTTP.
#[must_use]
pub fn order_json(order: &Order, settings: &Settings) -> String {
    serde_json::to_string(&wire::order::order(order, settings)).unwrap_or_default()
}
