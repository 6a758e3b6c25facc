//! What all functions of the connector share, in five modules. Each knows those above it in this
//! list, and none below it; a test reads the `use` lines (`tests/direction.rs`).
//!
//! | module | what | may name |
//! | --- | --- | --- |
//! | [`kit`] | amounts, time, CSV, HTTP settings, errors of single fields | |
//! | [`mirakl`] | the seller API: its types and its client | `kit` |
//! | [`prima`] | Prima's web service: its documents and its client | `kit` |
//! | [`domain`] | orders, dispatches, stock, exceptions: pure rules, and traits for what they need of the outside | `kit`, `mirakl`, `prima` |
//! | [`aws`] | those traits on AWS, and what a function needs at its start | all |
//!
//! The fault simulations are a second implementation of each trait: [`mirakl::MiraklOrders`],
//! [`prima::PrimaOrders`], [`domain::state::OrderStore`] and its like,
//! [`domain::queue::OrderQueue`], [`domain::events::EventBus`], [`kit::clock::Clock`].
#![expect(async_fn_in_trait, reason = "handlers run on one thread; no future here has to be Send")]

pub mod aws;
pub mod domain;
pub mod kit;
pub mod mirakl;
pub mod prima;
