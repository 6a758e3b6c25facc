//! The connector's own words: what an order, a channel and an exception are, the rules that hold for them, the clients of
//! Mirakl and Prima, and what is remembered between runs.
//!
//! Dependencies point one way: functions use this crate; the rules in it (`order`, `channel`, `installation`, `carrier` and
//! the like) know neither AWS nor HTTP. Whatever talks to the outside stands behind a small trait, because the fault
//! simulation is a second implementation of each: [`mirakl::MiraklOrders`], [`prima::PrimaOrders`], [`state::Store`],
//! [`queue::OrderQueue`], [`events::EventBus`], [`clock::Clock`].
#![expect(async_fn_in_trait, reason = "handlers run on one thread; no future here has to be Send")]

pub mod amount;
pub mod aws;
pub mod batch;
pub mod channel;
pub mod channel_copy;
pub mod channels;
pub mod clock;
pub mod despatch;
pub mod eventbridge;
pub mod events;
pub mod exceptions;
pub mod functions;
pub mod heading_csv;
pub mod http;
pub mod installation;
pub mod intake;
pub mod mirakl;
pub mod odd_form;
pub mod order;
pub mod prima;
pub mod queue;
pub mod rights;
pub mod secrets;
pub mod settings;
pub mod sqs;
pub mod state;
pub mod stock;
pub mod telemetry;
pub mod wired;
