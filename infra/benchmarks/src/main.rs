//! `cargo benchmarks`: what the connector takes, as ratios to a bound and to a peer, all measured in one run.
//!
//! Figures of one machine say little; ratios of one run say what to keep. Each benchmark is a module that answers rows for
//! the one table; to add one, write a module and name it in [`BENCHMARKS`].

mod acknowledging;
mod rhythm;
mod row;
mod start;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Parser;

use row::Row;

/// The benchmarks, in the table's order.
const BENCHMARKS: [&str; 3] = ["acknowledging", "rhythm", "start"];

/// Measures the connector and prints one table of ratios.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo benchmarks")]
struct Arguments {
    /// Also write the table to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only this benchmark: acknowledging, rhythm or start. May be given more than once.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// With the quickly built functions and few repetitions: to try the benchmarks themselves. Its figures say nothing of
    /// what is deployed, and are marked so.
    #[arg(long)]
    quick: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(unknown) = arguments.only.iter().find(|name| !BENCHMARKS.contains(&name.as_str())) {
        bail!("there is no benchmark {unknown}: {}", BENCHMARKS.join(", "));
    }
    let wanted = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    let mut rows: Vec<Row> = Vec::new();
    if wanted("acknowledging") {
        rows.extend(acknowledging::measure(arguments.quick).await?);
    }
    if wanted("rhythm") {
        // On a thread of its own: the simulation has its own runtime.
        rows.extend(tokio::task::spawn_blocking(move || rhythm::measure(arguments.quick)).await??);
    }
    if wanted("start") {
        rows.extend(start::measure(arguments.quick).await?);
    }
    row::print(&rows);
    if let Some(path) = &arguments.json {
        row::write(path, &rows)?;
        println!("The table as JSON: {}", path.display());
    }
    Ok(())
}
