//! The fault simulation: the real handlers, on virtual time, against models of both systems and of
//! everything AWS does for them; with crashes at every call, lost answers, late effects,
//! duplicates, reordering, throttling and clocks that are off.
//!
//! A run is its seed: the plan is drawn from it, and so is every fault. At some point the world
//! falls quiet; some time later everything must be as the design promises, judged by what the
//! marketplaces and Prima themselves hold.

pub mod compact;
pub mod course;
pub mod goods;
pub mod hunt;
pub mod judge;
pub mod marketplace;
pub mod plan;
pub mod ports;
pub mod run;
pub mod sweep;
pub mod world;

pub use plan::Plan;
pub use run::{Outcome, run};
