//! Stateful simulators of the two systems that the connector joins. They keep state, refuse what
//! the real ones refuse, and misbehave on demand.
#![recursion_limit = "256"]

pub mod fashion;
pub mod mirakl;
pub mod misbehaviour;
pub mod oversold;
pub mod past;
pub mod prima;
pub mod recording;
