//! `cargo planted`: puts each planted bug into a copy of the sources, and shows what catches it.
//!
//! `cargo planted -- NAME ...` takes only those whose name holds one of the words. Ends with an error where a bug is missed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use system_tests::planted::{BUGS, Bug};

/// Seeds that are tried first, and then: most bugs are met at once.
const SEEDS: [u32; 2] = [100, 3_000];

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--").collect();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has no top")?;
    let tree = top.join("target/planted/tree");
    copy(top, &tree)?;
    let bench = Bench { top: top.to_owned(), tree };
    println!("Without any bug (the first time, everything is compiled once more: minutes):");
    if let Some(found) = bench.judged()? {
        bail!("the sources fail without any planted bug: {found}");
    }
    println!("    nothing is found, as it should be");
    let mut missed = Vec::new();
    for bug in BUGS.iter().filter(|bug| words.is_empty() || words.iter().any(|word| bug.name.contains(word.as_str()))) {
        let started = Instant::now();
        let found = bench.with(bug)?;
        let seconds = started.elapsed().as_secs();
        match found {
            Some(found) => println!("caught  {} ({seconds} s)\n        {}\n        by {found}", bug.name, bug.why),
            None => {
                println!("MISSED  {} ({seconds} s)\n        {}", bug.name, bug.why);
                missed.push(bug.name);
            }
        }
    }
    if !missed.is_empty() {
        bail!("{} planted bugs are missed: {}", missed.len(), missed.join(", "));
    }
    println!("Every planted bug is caught.");
    Ok(())
}

/// Where bugs are planted and judged.
struct Bench {
    top: PathBuf,
    tree: PathBuf,
}

impl Bench {
    fn with(&self, bug: &Bug) -> Result<Option<String>> {
        let file = self.tree.join(bug.file);
        let sound = std::fs::read_to_string(&file).with_context(|| format!("reading {}", bug.file))?;
        std::fs::write(&file, bug.planted(&sound).map_err(anyhow::Error::msg)?)?;
        let found = self.judged();
        std::fs::write(&file, sound)?;
        found
    }

    /// What was found first; `None` where nothing was.
    fn judged(&self) -> Result<Option<String>> {
        let built = self.cargo().args(["--no-run", "--test", "simulation", "--test", "crash_sweep"]).output()?;
        if !built.status.success() {
            bail!("the planted bug does not compile:\n{}", String::from_utf8_lossy(&built.stderr));
        }
        for seeds in SEEDS {
            let seeds = seeds.to_string();
            let found = self.run("simulation", &["no_seed"], &[("SIMULATION_SEEDS", &seeds)], "seed ")?;
            if found.is_some() {
                return Ok(found);
            }
        }
        self.run("crash_sweep", &[], &[], "SWEEP_AT=")
    }

    fn run(&self, test: &str, filter: &[&str], variables: &[(&str, &str)], mark: &str) -> Result<Option<String>> {
        let mut command = self.cargo();
        command.args(["--test", test, "--"]).args(filter).envs(variables.iter().copied());
        let output = command.output()?;
        if output.status.success() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().find(|line| line.starts_with(mark) && line.contains(" fails: "));
        let line = line.or_else(|| text.lines().find(|line| line.contains("panicked at"))).unwrap_or("a failure without a word");
        Ok(Some(line.chars().take(200).collect()))
    }

    /// A target directory of its own: for cargo the copy is the same workspace, and bugs would end in what is built of the
    /// sources themselves.
    fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", self.top.join("target/planted/target"));
        command.args(["test", "--quiet", "--workspace", "--locked"]);
        command
    }
}

/// The sources, without what is built of them.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if name == "target" || name == ".git" {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
