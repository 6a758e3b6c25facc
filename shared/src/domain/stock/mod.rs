//! Stock: what is offered of a SKU on a channel. Rules without clock or store, but for [`files`]
//! and the telling of [`exceptions`].
//!
//! What an offer is to show: [`offer`] is the rule; [`figures`] holds Prima's figures; [`flight`]
//! and [`in_flight`] say which units on orders they do not know of yet; [`rules`] and [`settings`]
//! are what people set; [`division`] says which channel shows the last pieces; [`availability`]
//! brings these together; [`snapshot`] makes it from what is known of all channels.
//!
//! What is published of it: [`ledger`] holds what Mirakl is known to show; [`seen_sales`] which
//! sales it has followed; [`evaluate`] finds what differs; [`cadence`] says when a channel is
//! pushed, and why; [`imports`] says what becomes of a push, [`outstanding`] what it leaves open.
//!
//! What is remembered of it: [`memory`], [`import_memory`].

pub mod availability;
pub mod cadence;
pub mod division;
pub mod documents;
pub mod evaluate;
pub mod exceptions;
pub mod figures;
pub mod files;
pub mod flight;
mod hashes;
pub mod import_memory;
pub mod imports;
pub mod in_flight;
pub mod ledger;
pub mod memory;
pub mod offer;
pub mod offers_list;
pub mod outstanding;
pub mod rules;
pub mod seen_sales;
pub mod settings;
pub mod snapshot;
pub mod sold_skus;

#[cfg(test)]
mod model;
