//! Builds what is deployed and what operates it.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::paths;

/// The functions of the template by logical id, and the binary of each.
pub(crate) const FUNCTIONS: [(&str, &str); 2] =
    [("AcknowledgeOrdersFunction", "acknowledge-orders"), ("CreatePrimaOrdersFunction", "create-prima-orders")];
/// The operator command.
pub(crate) const OPERATOR: &str = "prima-mirakl";

/// How the functions are compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Build {
    /// Quickly built, not small: to try and to test.
    #[default]
    Development,
    /// As they are deployed: minutes to build.
    Release,
}

/// Compiles functions and operator command; what is up to date costs nothing.
pub(crate) async fn build(build: Build) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(paths::workspace()).args(["build", "--quiet", "--locked"]);
    match build {
        // The whole workspace's features, as the command that runs us was built with: nothing is compiled a second time.
        Build::Development => {
            command.arg("--workspace");
        }
        // Each binary's own features, and no more: as deployed.
        Build::Release => {
            command.arg("--release");
            for package in FUNCTIONS.map(|(_, binary)| binary).into_iter().chain(["operator"]) {
                command.args(["--package", package]);
            }
        }
    }
    for binary in FUNCTIONS.map(|(_, binary)| binary).into_iter().chain([OPERATOR]) {
        command.args(["--bin", binary]);
    }
    if !command.status().await.context("cargo could not be run")?.success() {
        bail!("the functions do not compile: see above");
    }
    Ok(())
}

/// Where a compiled binary lies.
pub(crate) fn binary(build: Build, name: &str) -> PathBuf {
    let profile = if build == Build::Release { "release" } else { "debug" };
    paths::target().join(profile).join(name)
}
