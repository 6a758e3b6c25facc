//! The fault simulation of stock: the real `push-stock` and `check-stock-imports` between the
//! simulators' own models of Prima's warehouse and of three marketplaces, on virtual time, with
//! every call failing, losing its answer, coming late or killing its caller. What is promised is
//! judged by what the warehouse holds, what the marketplaces show and what was sold, never by what
//! the connector believes; where the connector's own ledger is looked at, it is what is judged.

pub mod course;
pub mod hunt;
mod judge;
mod orders;
mod people;
mod plan;
mod ports;
pub mod run;
mod sending;
pub mod whole;
mod world;

pub use run::{Outcome, judged, run, run_whole};
