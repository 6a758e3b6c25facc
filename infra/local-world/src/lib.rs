//! The whole connector on one machine: a local AWS, the deployed stack, and both simulated systems.
//!
//! [`World`] is all of it. [`LocalAws`] alone is an empty AWS; [`Deployment`] is the stack on it.
//! Everything listens on loopback, lies under `target/`, and ends with the process that started it.

mod deployment;
pub mod dispatches;
mod handlers;
mod local_aws;
mod observation;
mod options;
pub mod paths;
pub mod seed;
mod servers;
mod simulated;
pub mod template;
pub mod verdict;
mod world;

pub use deployment::{Deployment, QueueDepths, QueuedMessage};
pub use handlers::{Build, compile_functions, compile_program};
pub use local_aws::{AwsServer, LocalAws, REGION, environment as python};
pub use observation::Observation;
pub use options::WorldOptions;
pub use shared::aws::functions::Function;
pub use simulated::Simulated;
pub use world::World;
