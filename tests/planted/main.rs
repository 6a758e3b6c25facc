//! `cargo planted`: plants one bug after the other into a copy of the workspace, and holds the
//! fault simulation of orders, of stock, of dispatches or of posting to finding each. `cargo planted NAME...`
//! plants some, `--list` names them all.

mod acknowledging;
mod bugs;
mod creating;
mod dispatching;
mod following;
mod posting;
mod pushing;
mod refunding;
mod remembering;
mod telling;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use comfy_table::{ContentArrangement, Table, presets};
use system_tests::simulation::hunt::Hunt;

use bugs::{Bug, Simulation, all};
use tree::Tree;

/// Plants bugs into a copy of the workspace, and sees whether the fault simulation finds them.
#[derive(Debug, Parser)]
struct Options {
    /// The bugs to plant; none: all.
    names: Vec<String>,
    /// Only name them.
    #[arg(long)]
    list: bool,
    /// Seeds that a bug may go unseen.
    #[arg(long, default_value_t = 2000)]
    seeds: u64,
    /// Takes the unmodified tree for sound without trying it.
    #[arg(long)]
    skip_sound: bool,
    /// Writes the table as Markdown, too.
    #[arg(long)]
    markdown: Option<PathBuf>,
}

struct Tried {
    bug: &'static Bug,
    hunt: Hunt,
    seconds: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let chosen: Vec<&'static Bug> = all()
        .filter(|bug| options.names.is_empty() || options.names.iter().any(|name| name == bug.name))
        .collect();
    if let Some(name) =
        options.names.iter().find(|name| !chosen.iter().any(|bug| bug.name == **name))
    {
        anyhow::bail!("there is no planted bug {name:?}: cargo planted --list names them");
    }
    if options.list {
        for bug in chosen {
            println!("{:<42} {}", bug.name, bug.why);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let tree = Tree::copied(workspace())?;
    if !options.skip_sound {
        println!("the unmodified tree ...");
        for simulation in
            [Simulation::Orders, Simulation::Stock, Simulation::Dispatches, Simulation::Payouts]
        {
            if chosen.iter().all(|bug| bug.simulation != simulation) {
                continue;
            }
            let (hunt, seconds) = tried(&tree, simulation, options.seeds.min(400))?;
            if let Some(shown_by) = hunt.shown_by {
                anyhow::bail!(
                    "the unmodified tree breaks a promise already: {shown_by}: {}",
                    hunt.violation
                );
            }
            println!(
                "  {} sound: {} seeds, {} runs of the crash sweep ({seconds} s)",
                simulation.name(),
                hunt.seeds,
                hunt.swept
            );
        }
    }
    let mut results = Vec::new();
    for bug in chosen {
        println!("{} ...", bug.name);
        let planted = tree.plant(bug)?;
        let (hunt, seconds) =
            tried(&tree, bug.simulation, options.seeds).unwrap_or_else(|problem| {
                println!("  {problem:#}");
                (Hunt { violation: "could not be tried".to_owned(), ..Hunt::default() }, 0)
            });
        planted.pull_out()?;
        match &hunt.shown_by {
            Some(shown_by) => println!("  caught by {shown_by}: {} ({seconds} s)", hunt.violation),
            None => println!(
                "  MISSED in {} seeds and {} runs of the crash sweep ({seconds} s)",
                hunt.seeds, hunt.swept
            ),
        }
        results.push(Tried { bug, hunt, seconds });
    }
    report(&results, options.markdown.as_deref())?;
    let missed = results.iter().filter(|tried| tried.hunt.shown_by.is_none()).count();
    println!("{} bugs planted, {} caught, {missed} missed", results.len(), results.len() - missed);
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tried(tree: &Tree, simulation: Simulation, seeds: u64) -> anyhow::Result<(Hunt, u64)> {
    let started = Instant::now();
    let hunt = tree.hunt(simulation, seeds)?;
    Ok((hunt, started.elapsed().as_secs()))
}

fn report(results: &[Tried], markdown: Option<&Path>) -> anyhow::Result<()> {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic);
    let header = ["bug", "caught by", "seeds + runs of the sweep", "promise broken", "seconds"];
    table.set_header(header);
    let rows: Vec<[String; 5]> = results
        .iter()
        .map(|Tried { bug, hunt, seconds }| {
            [
                bug.name.to_owned(),
                hunt.shown_by.clone().unwrap_or_else(|| "MISSED".to_owned()),
                format!("{} + {}", hunt.seeds, hunt.swept),
                hunt.violation.chars().take(160).collect(),
                seconds.to_string(),
            ]
        })
        .collect();
    for row in &rows {
        table.add_row(row);
    }
    println!("{table}");
    if let Some(path) = markdown {
        let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
        let mut text = line(&header) + &line(&["---"; 5]);
        for row in &rows {
            let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "/")).collect();
            text += &line(&cells.iter().map(String::as_str).collect::<Vec<_>>());
        }
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The root of the workspace that this program was built from.
fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use std::collections::HashSet;

    use super::*;

    /// A bug whose place has gone is no proof any more: it has to be planted elsewhere.
    #[test]
    fn every_bug_can_still_be_planted() {
        let mut names = HashSet::new();
        for bug in all() {
            assert!(names.insert(bug.name), "two bugs are called {}", bug.name);
            assert!(!bug.why.is_empty() && !bug.edits.is_empty(), "{} says nothing", bug.name);
            bug.planted(workspace()).unwrap();
        }
        assert!(names.len() >= 50, "{} bugs", names.len());
    }
}
