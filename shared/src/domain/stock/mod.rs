//! Stock: what is offered of a SKU on a channel. Rules without clock or store, but for [`files`] and the telling of [`exceptions`].
//!
//! [`offer`] is the rule, [`flight`] says which units on orders Prima's figure does not know of yet, [`figures`] holds Prima's figures,
//! [`rules`] and [`settings`] are what people set, [`evaluate`] brings these together for a whole channel. [`ledger`] holds what Mirakl is
//! known to show, [`division`] says who shows the last pieces, [`market`] brings all channels together, [`imports`] says what becomes of it, [`cadence`] when a channel is pushed and why, [`memory`] what is remembered.

pub mod book;
pub mod cadence;
pub mod division;
pub mod evaluate;
pub mod exceptions;
pub mod figures;
pub mod files;
pub mod flight;
mod hashes;
pub mod imports;
pub mod ledger;
pub mod market;
pub mod memory;
pub mod offer;
pub mod offers_list;
pub mod rules;
pub mod settings;

#[cfg(test)]
mod model;
