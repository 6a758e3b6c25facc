//! What the whole-system tests share: the fault simulations' worlds.

pub mod dispatches;
mod faults;
pub mod simulation;
pub mod stock;
