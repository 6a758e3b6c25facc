//! Builds what is deployed and what operates it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use shared::aws::functions::Function;
use tokio::sync::Mutex;
use xtask::cargo::{self, OPERATOR};

use crate::paths;

/// How the functions are compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Build {
    /// Quickly built, not small: to try and to test.
    #[default]
    Development,
    /// As they are deployed: minutes to build.
    Release,
}

/// What this process has compiled already: each test has a world of its own, and asking cargo takes
/// a second each time.
static COMPILED: Mutex<Vec<(Build, String)>> = Mutex::const_new(Vec::new());

/// Compiles functions and operator command; what is up to date costs nothing.
pub(crate) async fn build(build: Build) -> Result<()> {
    let functions = Function::ALL.iter().map(|function| (function.name(), function.name()));
    compile(build, functions.chain([("operator", OPERATOR)]).collect()).await
}

/// Compiles the functions, as they are deployed or quickly; what is up to date costs nothing.
/// Answers the name of each, and where it lies.
///
/// # Errors
/// They do not compile; the compiler's own words stand above.
pub async fn compile_functions(build: Build) -> Result<Vec<(&'static str, PathBuf)>> {
    let names = Function::ALL.iter().map(|function| function.name());
    compile(build, names.clone().map(|name| (name, name)).collect()).await?;
    Ok(names.map(|name| (name, binary(build, name))).collect())
}

/// Compiles another program of the workspace whose package and binary have one name; answers where
/// it lies.
///
/// # Errors
/// As [`compile_functions`].
pub async fn compile_program(build: Build, name: &str) -> Result<PathBuf> {
    compile(build, vec![(name, name)]).await?;
    Ok(binary(build, name))
}

/// Compiles binaries of packages.
async fn compile(build: Build, programs: Vec<(&str, &str)>) -> Result<()> {
    let mut compiled = COMPILED.lock().await;
    let (packages, binaries): (Vec<String>, Vec<String>) = programs
        .iter()
        .filter(|(_, binary)| !compiled.contains(&(build, (*binary).to_owned())))
        .map(|(package, binary)| ((*package).to_owned(), (*binary).to_owned()))
        .unzip();
    if binaries.is_empty() {
        return Ok(());
    }
    let arguments = match build {
        // As the command that runs us was built: nothing is compiled a second time.
        Build::Development => cargo::build_arguments(&binaries),
        Build::Release => release_arguments(&packages, &binaries),
    };
    let what = format!("{} cannot be compiled", binaries.join(", "));
    tokio::task::spawn_blocking(move || cargo::run(&arguments)).await?.context(what)?;
    compiled.extend(binaries.into_iter().map(|binary| (build, binary)));
    Ok(())
}

/// The features of these packages alone, as deployed.
fn release_arguments(packages: &[String], binaries: &[String]) -> Vec<String> {
    let selected = packages
        .iter()
        .map(|name| ("--package", name))
        .chain(binaries.iter().map(|name| ("--bin", name)));
    let selected = selected.flat_map(|(option, name)| [option.to_owned(), name.clone()]);
    ["build", "--release", "--locked"].map(str::to_owned).into_iter().chain(selected).collect()
}

/// Where a compiled binary lies.
pub(crate) fn binary(build: Build, name: &str) -> PathBuf {
    let profile = if build == Build::Release { "release" } else { "debug" };
    paths::target().join(profile).join(name)
}
