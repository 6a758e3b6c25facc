//! The stock of a million SKUs: Prima's answer read, ruled, compared with what Mirakl shows, and
//! written as an import, by the functions' own code in a process of its own ([`PROGRAM`]), beside a
//! peer that must write the very same file, and beside what only reads the bytes.

mod files;

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use local_world::{Build, compile_program};
use serde_json::Value;
use tokio::process::Command;

use crate::row::{Figure, Row, mark};
use files::Files;

/// The program that is measured, of a package of the same name.
const PROGRAM: &str = "million-skus";

/// In KiB, as memory is told.
const MEBIBYTE: f64 = 1024.0;

/// SKUs, and rounds.
fn extent(build: Build) -> (usize, u32) {
    if build == Build::Development { (50_000, 1) } else { (1_000_000, 5) }
}

/// Measures.
pub(crate) async fn measure(build: Build) -> Result<Vec<Row>> {
    let (skus, rounds) = extent(build);
    println!("Writing Prima's answer of {skus} SKUs, and what Mirakl shows of them");
    let files = tokio::task::spawn_blocking(move || Files::write(skus)).await??;
    println!(
        "Compiling {PROGRAM}{}",
        if build == Build::Release {
            " as the functions are deployed (the first time: minutes)"
        } else {
            ""
        }
    );
    let program = compile_program(build, PROGRAM).await?;
    let (python, peer) = (
        local_world::python().await?,
        local_world::paths::workspace().join("infra/benchmarks/peers/stock.py"),
    );

    let (mut ours, mut theirs, mut parsing, mut cat) =
        (Runs::default(), Runs::default(), Runs::default(), Vec::new());
    for round in 1..=rounds {
        println!(
            "Round {round} of {rounds}: cat, a parser that does nothing, ours, the Python peer"
        );
        cat.push(run(Path::new("cat"), &[&files.answer]).await?.0);
        parsing.push(run(&program, &[Path::new("parse"), &files.document]).await?)?;
        ours.push(run(&program, &[Path::new("publish"), &files.directory]).await?)?;
        theirs.push(run(&python, &[&peer, &files.directory]).await?)?;
        check(&files, skus, &[&parsing, &ours, &theirs])?;
    }
    rows(build, skus, &files, [ours, theirs, parsing], cat)
}

/// All have had every SKU, and ours and the peer's are the same import, of as many lines as were
/// made to differ.
fn check(files: &Files, skus: usize, all: &[&Runs]) -> Result<()> {
    for runs in all {
        ensure!(runs.said["skus"] == skus, "{skus} SKUs were not read: {}", runs.said);
        ensure!(
            runs.said["lines"].is_null() || runs.said["lines"] == files.lines,
            "{} lines were to be written: {}",
            files.lines,
            runs.said
        );
    }
    let [ours, theirs] =
        ["ours.csv", "peer.csv"].map(|name| std::fs::read(files.directory.join(name)));
    ensure!(
        ours? == theirs?,
        "ours and the peer's imports differ: ours.csv and peer.csv in {}",
        files.directory.display()
    );
    Ok(())
}

fn rows(
    build: Build,
    skus: usize,
    files: &Files,
    [ours, theirs, parsing]: [Runs; 3],
    cat: Vec<f64>,
) -> Result<Vec<Row>> {
    let (of, peer) = (mark(build), "Python, expat, dictionaries");
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let stages = ["read", "take", "load", "evaluate", "write"]
        .map(|stage| Ok(format!("{stage} {:.2}", ours.seconds_of(stage, of)?.median)));
    let stages = stages.into_iter().collect::<Result<Vec<_>>>()?.join(", ");
    let row = |what: &str, unit, ours, bound, peer, note| Row {
        what: format!("stock of {skus} SKUs: {what}"),
        unit,
        ours: Some(ours),
        bound: Some(bound),
        peer,
        note,
    };
    let nothing = "parser that does nothing";
    Ok(vec![
        row(
            "read, ruled, compared, written",
            "s",
            Figure::of(ours.seconds.clone(), of)?,
            Figure::of(parsing.seconds.clone(), nothing)?,
            Some(Figure::of(theirs.seconds.clone(), peer)?),
            format!(
                "process start to end; {:.0} MB of XML, {:.0} MB on the wire, {} lines written; {stages}. The bound has the XML bare",
                megabytes(files.document_bytes),
                megabytes(files.answer_bytes),
                files.lines
            ),
        ),
        row(
            "the same, processor time",
            "s",
            ours.figure("processor_seconds", 1.0, of)?,
            parsing.figure("processor_seconds", 1.0, nothing)?,
            Some(theirs.figure("processor_seconds", 1.0, peer)?),
            "of the same runs, the system's part included: what other work on the machine changes least".to_owned(),
        ),
        row(
            "the same beside cat",
            "s",
            Figure::of(ours.seconds.clone(), of)?,
            Figure::of(cat, "cat of the answer to /dev/null")?,
            None,
            "nothing reads the bytes faster".to_owned(),
        ),
        row(
            "of that, reading Prima's answer",
            "s",
            ours.seconds_of("read", of)?,
            Figure::of(parsing.seconds.clone(), nothing)?,
            Some(theirs.seconds_of("read", peer)?),
            "SOAP, escaping and ISO-8859-1 taken off, to figures in the order of their keys".to_owned(),
        ),
        row(
            "memory",
            "MiB",
            ours.figure("highest_memory_kib", MEBIBYTE, of)?,
            parsing.figure("highest_memory_kib", MEBIBYTE, nothing)?,
            Some(theirs.figure("highest_memory_kib", MEBIBYTE, peer)?),
            "most that was ever resident (VmHWM)".to_owned(),
        ),
        row(
            "memory once Prima's answer is read",
            "MiB",
            ours.figure("highest_memory_of_reading_kib", MEBIBYTE, of)?,
            parsing.figure("highest_memory_kib", MEBIBYTE, nothing)?,
            None,
            "of the same runs".to_owned(),
        ),
    ])
}

/// Runs of one program.
#[derive(Default)]
struct Runs {
    seconds: Vec<f64>,
    /// What each said of itself.
    each: Vec<Value>,
    /// What the latest said.
    said: Value,
}

impl Runs {
    fn push(&mut self, (seconds, output): (f64, Vec<u8>)) -> Result<()> {
        self.seconds.push(seconds);
        self.said = serde_json::from_slice(&output)
            .with_context(|| String::from_utf8_lossy(&output).into_owned())?;
        self.each.push(self.said.clone());
        Ok(())
    }

    fn seconds_of(&self, stage: &str, of: &str) -> Result<Figure> {
        Figure::of(
            self.each.iter().filter_map(|said| said["seconds"][stage].as_f64()).collect(),
            of,
        )
    }

    fn figure(&self, name: &str, unit: f64, of: &str) -> Result<Figure> {
        Figure::of(
            self.each
                .iter()
                .filter_map(|said| said[name].as_f64())
                .map(|value| value / unit)
                .collect(),
            of,
        )
    }
}

/// Runs a program to its end: how long it took, in seconds, and what it said.
async fn run(program: &Path, arguments: &[&Path]) -> Result<(f64, Vec<u8>)> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
    let is_cat = program == Path::new("cat");
    command.stdout(if is_cat { Stdio::null() } else { Stdio::piped() });
    let begun = Instant::now();
    let output = command
        .spawn()
        .with_context(|| format!("{} could not be started", program.display()))?
        .wait_with_output()
        .await?;
    let took = begun.elapsed().as_secs_f64();
    if !output.status.success() {
        bail!("{} ended with {}", program.display(), output.status);
    }
    Ok((took, output.stdout))
}
