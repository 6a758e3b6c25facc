//! What the whole-system tests share: the fault simulations' worlds.

pub mod despatches;
mod faults;
pub mod simulation;
pub mod stock;
