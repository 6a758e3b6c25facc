//! `cargo benchmarks`: what the connector takes, as ratios to a bound and to a peer, all measured
//! in one run.
//!
//! Figures of one machine say little; ratios of one run say what to keep. Each benchmark is a
//! module that answers rows for the one table; to add one, write a module and name it in
//! [`BENCHMARKS`].

mod acknowledging;
mod calls;
mod dispatch;
mod ledger;
mod million;
mod rhythm;
mod row;
mod start;

use std::path::PathBuf;
use std::pin::Pin;

use anyhow::{Result, bail};
use clap::Parser;
use local_world::Build;

use row::Row;

/// What a benchmark answers, once it has measured.
type Measuring = Pin<Box<dyn Future<Output = Result<Vec<Row>>>>>;

/// A benchmark: its name on the command line, and what measures functions of this build; the quick
/// one with few repetitions.
struct Benchmark {
    name: &'static str,
    measure: fn(Build) -> Measuring,
}

/// The benchmarks, in the table's order: the one place to add another.
const BENCHMARKS: [Benchmark; 7] = [
    Benchmark { name: "acknowledging", measure: |build| Box::pin(acknowledging::measure(build)) },
    Benchmark { name: "calls", measure: |build| Box::pin(calls::measure(build)) },
    // On a thread of its own: the simulation has its own runtime.
    Benchmark {
        name: "rhythm",
        measure: |build| {
            Box::pin(
                async move { tokio::task::spawn_blocking(move || rhythm::measure(build)).await? },
            )
        },
    },
    Benchmark {
        name: "dispatch",
        measure: |build| {
            Box::pin(
                async move { tokio::task::spawn_blocking(move || dispatch::measure(build)).await? },
            )
        },
    },
    Benchmark { name: "ledger", measure: |build| Box::pin(ledger::measure(build)) },
    Benchmark { name: "million", measure: |build| Box::pin(million::measure(build)) },
    Benchmark { name: "start", measure: |build| Box::pin(start::measure(build)) },
];

/// Measures the connector and prints one table of ratios.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo benchmarks")]
struct Arguments {
    /// Also write the table to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only this benchmark: acknowledging, calls, rhythm, dispatch, ledger, million or start. May
    /// be given more than once.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// With the quickly built functions and few repetitions: to try the benchmarks themselves. Its
    /// figures say nothing of what is deployed, and are marked so.
    #[arg(long)]
    quick: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let names = BENCHMARKS.map(|benchmark| benchmark.name);
    if let Some(unknown) = arguments.only.iter().find(|name| !names.contains(&name.as_str())) {
        bail!("there is no benchmark {unknown}: {}", names.join(", "));
    }
    let build = if arguments.quick { Build::Development } else { Build::Release };
    let mut rows: Vec<Row> = Vec::new();
    for benchmark in BENCHMARKS {
        if arguments.only.is_empty() || arguments.only.iter().any(|only| only == benchmark.name) {
            rows.extend((benchmark.measure)(build).await?);
        }
    }
    row::print(&rows);
    if let Some(path) = &arguments.json {
        row::write(path, &rows)?;
        println!("The table as JSON: {}", path.display());
    }
    Ok(())
}
