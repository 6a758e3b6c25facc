//! What the whole-system tests share: the fault simulation's world, and the bugs that prove it.

pub mod planted;
pub mod simulation;
