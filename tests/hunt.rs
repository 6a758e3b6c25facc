//! Looks for a broken promise in a fault simulation and ends at the first: one line of JSON. Ends
//! with 1 if it found one.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use system_tests::{dispatches, payouts, simulation, stock};

/// Looks for a broken promise in a fault simulation and ends at the first.
#[derive(Debug, Parser)]
struct Options {
    /// Which simulation.
    #[arg(long, value_enum, default_value_t = Simulation::Orders)]
    simulation: Simulation,
    /// Seeds at most.
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Simulation {
    Orders,
    Stock,
    Dispatches,
    Payouts,
}

fn main() -> Result<ExitCode, serde_json::Error> {
    let options = Options::parse();
    let hunt = match options.simulation {
        Simulation::Orders => simulation::hunt::hunt(options.seeds),
        Simulation::Stock => stock::hunt::hunt(options.seeds),
        Simulation::Dispatches => dispatches::hunt::hunt(options.seeds),
        Simulation::Payouts => payouts::hunt::hunt(options.seeds),
    };
    println!("{}", serde_json::to_string(&hunt)?);
    Ok(if hunt.shown_by.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
