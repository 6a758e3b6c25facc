//! Looks for a broken promise in the fault simulation and ends at the first: one line of JSON. Ends with 1 if it found one.

use std::process::ExitCode;

use clap::Parser;
use system_tests::simulation::hunt::hunt;

/// Looks for a broken promise in the fault simulation and ends at the first.
#[derive(Debug, Parser)]
struct Options {
    /// Seeds at most.
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
}

fn main() -> Result<ExitCode, serde_json::Error> {
    let hunt = hunt(Options::parse().seeds);
    println!("{}", serde_json::to_string(&hunt)?);
    Ok(if hunt.shown_by.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
