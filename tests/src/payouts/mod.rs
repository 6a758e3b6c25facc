//! The fault simulation of posting: the real `post-journals` between the store's own model and the
//! books of Prima's simulator, on virtual time, with every call failing, losing its answer, coming
//! late or killing its caller. What makes journals and what a person does is played here, without
//! faults; a person does nothing but what they were told of. Prima's books are what judges.

pub mod hunt;
mod people;
mod ports;
pub mod run;
mod world;

pub use run::{Outcome, run};
