//! `cargo demo` and `cargo test-all`.
//!
//! ```text
//! xtask demo [ARGUMENTS OF THE DEMO]
//! xtask test-all [--no-run]
//! ```

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use xtask::{cargo, test_all};

/// Processor minutes of a first build of what the demo needs: an estimate from [`TEST_BUILD`], of
/// which the tests themselves are a third.
const DEMO_BUILD: u64 = 13;
/// Processor minutes of a first build of everything that the tests need, measured.
const TEST_BUILD: u64 = 19;
/// Minutes that the tests run on two processors.
const TEST_RUN: u64 = 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) =
        arguments.split_first().map_or(("", &[][..]), |(task, rest)| (task.as_str(), rest));
    // `cargo demo -- --seed 7` and `cargo demo --seed 7` are the same.
    let rest = rest.strip_prefix(&["--".to_owned()]).unwrap_or(rest);
    let done = match task {
        "demo" => demo(rest).map(|()| true),
        "test-all" => run_tests(rest),
        _ => Err(io::Error::other("usage: xtask demo [ARGUMENTS] | xtask test-all [--no-run]")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Says how long a build takes at most.
fn announce(what: &str, processor_minutes: u64) {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let minutes = processor_minutes.div_ceil(processors).max(4);
    println!(
        "Building {what}: about {minutes} minutes the first time on {processors} processors, seconds when nothing has changed"
    );
}

/// Builds the demo with everything it runs, and becomes the demo.
fn demo(arguments: &[String]) -> io::Result<()> {
    announce("the functions, the operator command and the demo", DEMO_BUILD);
    let mut programs = cargo::functions()?;
    programs.extend([cargo::OPERATOR.to_owned(), "demo".to_owned()]);
    cargo::run(&cargo::build_arguments(&programs))?;
    let is_scenario = arguments.iter().any(|argument| argument.starts_with("--scenario"));
    println!(
        "The run itself takes about {}",
        if is_scenario { "ten to thirty minutes" } else { "two minutes" }
    );
    Err(Command::new(cargo::target().join("debug/demo")).args(arguments).exec())
}

fn run_tests(arguments: &[String]) -> io::Result<bool> {
    let runs = match arguments {
        [] => true,
        [only] if only == "--no-run" => false,
        _ => {
            return Err(io::Error::other(
                "test-all takes no argument but --no-run; for a few tests: cargo test --workspace NAME",
            ));
        }
    };
    announce("all tests and what they run", TEST_BUILD);
    if !runs {
        return test_all::build().map(|()| true);
    }
    println!("The tests run for about {TEST_RUN} minutes after that");
    test_all::run()
}
