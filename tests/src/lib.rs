//! What the whole-system tests share: the fault simulation's world.

pub mod simulation;
