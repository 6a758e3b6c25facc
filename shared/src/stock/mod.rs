//! Stock: what is offered of a SKU on a channel. Pure rules, no clock, no store.
//!
//! [`offer`] is the rule, [`flight`] says which units on orders Prima's figure does not know of yet, [`rules`] and [`settings`] are what
//! people set, [`cadence`] says when a channel is pushed and why, [`ledger`] holds what Mirakl is known to show.

pub mod cadence;
pub mod flight;
pub mod ledger;
pub mod offer;
pub mod rules;
pub mod settings;

#[cfg(test)]
mod model;
