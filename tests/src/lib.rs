//! What the whole-system tests share: the fault simulations' worlds.

pub mod despatches;
pub mod simulation;
pub mod stock;
