//! The fault simulation of dispatches: the real `collect-dispatches` and `update-dispatches`
//! between the simulators' own models of Prima and of two marketplaces, on virtual time, with every
//! call failing, losing its answer, coming late or killing its caller. The marketplaces' and
//! Prima's own state is what judges.

pub mod course;
pub mod hunt;
mod judge;
mod ports;
pub mod run;
mod world;

pub use run::{Outcome, run, run_calm};
pub(crate) use world::first_map;
