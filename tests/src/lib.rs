//! What the whole-system tests share: the fault simulations' worlds.

pub mod dispatches;
pub mod payouts;
pub mod simulation;
pub mod stock;
pub mod world;
