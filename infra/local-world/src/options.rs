//! How a world starts: the functions' build, the schedule, and what is merged into documents and
//! simulators.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::handlers::Build;

/// How a world starts. The default is that of tests: no schedule (only
/// [`Deployment::tick`](crate::Deployment::tick) polls), short times.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// The stack's name.
    pub stack: String,
    /// How the functions are compiled.
    pub build: Build,
    /// Whether the real schedule polls every minute.
    pub schedule: bool,
    /// Further parameters of the template.
    pub parameters: BTreeMap<String, String>,
    /// Seed of both simulators.
    pub seed: u64,
    /// Merged into the installation document.
    pub installation: Value,
    /// Merged into the definition of every channel.
    pub channel: Value,
    /// Merged into the simulated Mirakl's configuration.
    pub mirakl: Value,
    /// Merged into the simulated Prima's configuration.
    pub prima: Value,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            stack: "local".to_owned(),
            build: Build::default(),
            schedule: false,
            parameters: BTreeMap::new(),
            seed: 1,
            installation: json!({}),
            channel: json!({}),
            mirakl: json!({}),
            prima: json!({}),
        }
    }
}
