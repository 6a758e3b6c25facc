//! Builds what is deployed and what operates it.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::paths;

/// The functions of the template by logical id, and the binary of each.
pub(crate) const FUNCTIONS: [(&str, &str); 6] = [
    ("AcknowledgeOrdersFunction", "acknowledge-orders"),
    ("CreatePrimaOrdersFunction", "create-prima-orders"),
    ("CollectDispatchesFunction", "collect-dispatches"),
    ("UpdateDispatchesFunction", "update-dispatches"),
    ("PushStockFunction", "push-stock"),
    ("CheckStockImportsFunction", "check-stock-imports"),
];
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
    compile_functions(build).await?;
    compile(build, &[("operator", OPERATOR)]).await
}

/// Compiles the functions, as they are deployed or quickly; what is up to date costs nothing. Answers the name of each, and
/// where it lies.
///
/// # Errors
/// They do not compile; the compiler's own words stand above.
pub async fn compile_functions(build: Build) -> Result<Vec<(&'static str, PathBuf)>> {
    let names = FUNCTIONS.map(|(_, name)| name);
    compile(build, &names.map(|name| (name, name))).await?;
    Ok(names.into_iter().map(|name| (name, binary(build, name))).collect())
}

/// Compiles another program of the workspace whose package and binary have one name; answers where it lies.
///
/// # Errors
/// As [`compile_functions`].
pub async fn compile_program(build: Build, name: &str) -> Result<PathBuf> {
    compile(build, &[(name, name)]).await?;
    Ok(binary(build, name))
}

/// Compiles binaries of packages.
async fn compile(build: Build, programs: &[(&str, &str)]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(paths::workspace()).args(["build", "--quiet", "--locked"]);
    match build {
        // The whole workspace's features, as the command that runs us was built with: nothing is compiled a second time.
        Build::Development => {
            command.arg("--workspace");
        }
        // The features of these alone, as deployed; whoever wants the functions compiles the same ones, and they are built once.
        Build::Release => {
            command.arg("--release");
            for (package, _) in programs {
                command.args(["--package", package]);
            }
        }
    }
    for (_, binary) in programs {
        command.args(["--bin", binary]);
    }
    if !command.status().await.context("cargo could not be run")?.success() {
        let names: Vec<&str> = programs.iter().map(|(_, binary)| *binary).collect();
        bail!("{} cannot be compiled: see above", names.join(", "));
    }
    Ok(())
}

/// Where a compiled binary lies.
pub(crate) fn binary(build: Build, name: &str) -> PathBuf {
    let profile = if build == Build::Release { "release" } else { "debug" };
    paths::target().join(profile).join(name)
}
