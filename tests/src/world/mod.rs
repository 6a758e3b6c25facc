//! The world of every simulation: chance by what is called and how often, virtual time, the AWS
//! that the functions see, and one invocation's ports to it. What a simulation adds, it says as a
//! [`scene::Scene`].

pub mod base;
pub mod consume;
pub mod dice;
pub(crate) mod documents;
pub mod fate;
pub mod models;
pub mod orders;
pub mod ports;
pub mod privacy;
pub mod queue;
pub mod scene;
pub mod shipping;
