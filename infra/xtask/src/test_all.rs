//! Runs every test of the workspace. Those that mostly wait, on a local AWS, run beside those that
//! compute.
//!
//! `cargo test --workspace` runs the same test binaries, but one after the other.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cargo;
use crate::progress::StatusLine;

/// What mostly waits (for a local AWS, for retries, for time-outs), the longest first. It runs
/// beside everything else.
const WAITING: [&str; 4] = ["flows", "deployment", "contract", "local_aws"];
/// How many of those run at once: each of their tests has a local AWS of its own, in 100 MB.
const WAITING_AT_ONCE: usize = 2;
/// Tests at once within each of those.
const WAITING_TESTS_AT_ONCE: &str = "4";
/// What computes gives way to what waits: a function that gets no processor for seconds is a fault
/// to those tests.
const NICE: &str = "10";

/// A compiled test binary.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TestBinary {
    /// The target's name; of unit tests, with the package's.
    name: String,
    /// Where its package lies: cargo runs it there.
    package: PathBuf,
    executable: PathBuf,
}

impl TestBinary {
    /// The test binary that a message of `cargo test --no-run --message-format json` tells of.
    fn of(message: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(message).ok()?;
        let executable = message["executable"].as_str()?.into();
        let package = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
        let target = message["target"]["name"].as_str()?;
        let name = match message["target"]["kind"][0].as_str()? {
            "test" => target.to_owned(),
            kind => format!("{target} ({kind})"),
        };
        (message["reason"] == "compiler-artifact" && message["profile"]["test"] == true)
            .then_some(Self { name, package, executable })
    }

    fn waits(&self) -> bool {
        WAITING.contains(&self.name.as_str())
    }

    fn start(&self, log: &Path) -> io::Result<Child> {
        let file = File::create(log)?;
        let mut command = if self.waits() {
            let mut waiting = Command::new(&self.executable);
            waiting.args(["--test-threads", WAITING_TESTS_AT_ONCE]);
            waiting
        } else {
            let mut nice = Command::new("nice");
            nice.args(["-n", NICE]).arg(&self.executable);
            nice
        };
        command.current_dir(&self.package).env("CARGO_MANIFEST_DIR", &self.package);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn()
    }
}

/// What became of a test binary.
struct Outcome {
    name: String,
    took: Duration,
    /// The closing line of its test runner.
    closing: String,
    passed: bool,
}

/// Builds every test and every program that a test runs.
///
/// # Errors
/// It does not compile, or cargo cannot be run.
pub fn build() -> io::Result<()> {
    compile().map(drop)
}

fn compile() -> io::Result<Vec<TestBinary>> {
    let mut programs = cargo::functions()?;
    programs.push(cargo::OPERATOR.to_owned());
    let messages = ["--message-format", "json-render-diagnostics"].map(str::to_owned);
    let tests = ["test", "--workspace", "--locked", "--no-run"].map(str::to_owned);
    let tests = cargo::run(&[&tests[..], &messages].concat())?;
    let programs = cargo::run(&[&cargo::build_arguments(&programs)[..], &messages].concat())?;
    let twice: Vec<String> = programs.lines().filter_map(compiled_library).collect();
    if !twice.is_empty() {
        return Err(io::Error::other(format!(
            "compiled once for the tests and once more for the programs, with other features: {}. Move the dev-dependency that selects \
             those features to the dependencies of tests/Cargo.toml",
            twice.join(", ")
        )));
    }
    Ok(tests.lines().filter_map(TestBinary::of).collect())
}

/// The library that a message of cargo tells has just been compiled. Whoever builds programs after
/// the tests needs none.
fn compiled_library(message: &str) -> Option<String> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_new = message["reason"] == "compiler-artifact" && message["fresh"] == false;
    let name = message["target"]["name"].as_str()?.to_owned();
    (is_new && message["target"]["kind"][0] != "bin").then_some(name)
}

/// Builds and runs all tests; prints the closing line of each test runner, and everything that one
/// with a failure said. Returns whether all have passed.
///
/// # Errors
/// They do not compile, or one could not be run.
pub fn run() -> io::Result<bool> {
    let binaries = compile()?;
    let logs = cargo::target().join("test-all");
    std::fs::create_dir_all(&logs)?;
    println!("{} test binaries; their output goes to {}", binaries.len(), logs.display());
    let begun = Instant::now();
    let mut queues = Queues::of(binaries);
    let mut running: Vec<Running> = Vec::new();
    let mut outcomes = Vec::new();
    let mut status = StatusLine::default();
    loop {
        while let Some(binary) = queues.next(&running) {
            let log =
                logs.join(format!("{}.log", binary.name.replace(['(', ')'], "").replace(' ', "-")));
            running.push(Running {
                process: binary.start(&log)?,
                log,
                begun: Instant::now(),
                binary,
            });
        }
        if running.is_empty() {
            break;
        }
        let mut still = Vec::new();
        for mut one in running {
            match one.process.try_wait()? {
                Some(ended) => {
                    let outcome = one.outcome(ended.success())?;
                    let seconds = outcome.took.as_secs_f64();
                    status.erase();
                    println!("{seconds:>8.1} s  {:<34} {}", outcome.name, outcome.closing);
                    if !outcome.passed {
                        println!("{}", String::from_utf8_lossy(&std::fs::read(&one.log)?));
                    }
                    outcomes.push(outcome);
                }
                None => still.push(one),
            }
        }
        running = still;
        status.show(|| {
            let names: Vec<String> = running
                .iter()
                .map(|one| format!("{} ({} s)", one.binary.name, one.begun.elapsed().as_secs()))
                .collect();
            format!(
                "{} have ended, {} are to come; running: {}",
                outcomes.len(),
                queues.len(),
                names.join(", ")
            )
        });
        thread::sleep(Duration::from_millis(100));
    }
    status.erase();
    Ok(conclude(&outcomes, begun.elapsed()))
}

struct Running {
    binary: TestBinary,
    process: Child,
    log: PathBuf,
    begun: Instant,
}

impl Running {
    fn outcome(&self, succeeded: bool) -> io::Result<Outcome> {
        let said = std::fs::read(&self.log)?;
        let closing = closing_line(&String::from_utf8_lossy(&said));
        let passed = succeeded && closing.is_some();
        let closing = closing.unwrap_or_else(|| "ended without a result".to_owned());
        Ok(Outcome { name: self.binary.name.clone(), took: self.begun.elapsed(), closing, passed })
    }
}

fn closing_line(said: &str) -> Option<String> {
    said.lines().rev().find(|line| line.starts_with("test result: ")).map(str::to_owned)
}

/// What has not begun yet.
struct Queues {
    waiting: VecDeque<TestBinary>,
    computing: VecDeque<TestBinary>,
}

impl Queues {
    fn of(binaries: Vec<TestBinary>) -> Self {
        let (mut waiting, mut computing): (Vec<_>, Vec<_>) =
            binaries.into_iter().partition(TestBinary::waits);
        waiting.sort_by_key(|binary| WAITING.iter().position(|name| *name == binary.name));
        computing.sort_by(|one, other| one.name.cmp(&other.name));
        Self { waiting: waiting.into(), computing: computing.into() }
    }

    /// What may begin beside what is running. What computes uses both processors by itself: one at
    /// a time.
    fn next(&mut self, running: &[Running]) -> Option<TestBinary> {
        let waiting = running.iter().filter(|one| one.binary.waits()).count();
        if waiting < WAITING_AT_ONCE && !self.waiting.is_empty() {
            return self.waiting.pop_front();
        }
        if running.len() == waiting { self.computing.pop_front() } else { None }
    }

    fn len(&self) -> usize {
        self.waiting.len() + self.computing.len()
    }
}

fn conclude(outcomes: &[Outcome], took: Duration) -> bool {
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| !outcome.passed)
        .map(|outcome| outcome.name.as_str())
        .collect();
    let passed: u64 =
        outcomes.iter().filter_map(|outcome| count_in(&outcome.closing, " passed;")).sum();
    // A binary that ended without a result has failed, whatever its tests did.
    let failures: u64 = outcomes
        .iter()
        .filter(|outcome| !outcome.passed)
        .map(|outcome| count_in(&outcome.closing, " failed;").unwrap_or(0).max(1))
        .sum();
    println!("\n{} test binaries in {} s", outcomes.len(), took.as_secs());
    // Alone on its line: programs read it.
    println!("{passed} passed, {failures} failed");
    if failed.is_empty() {
        return !outcomes.is_empty();
    }
    println!("FAILED: {}", failed.join(", "));
    false
}

/// The number before `what`: `test result: ok. 12 passed; 0 failed; ...`
fn count_in(closing: &str, what: &str) -> Option<u64> {
    closing.split_once(what)?.0.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn message(kind: &str, name: &str, test: bool) -> String {
        serde_json::json!({
            "reason": "compiler-artifact", "manifest_path": "/w/tests/Cargo.toml", "target": {"name": name, "kind": [kind]},
            "profile": {"test": test}, "executable": format!("/w/target/debug/deps/{name}-1"),
        })
        .to_string()
    }

    #[test]
    fn test_binaries_are_read_from_cargos_messages() {
        let flows = TestBinary::of(&message("test", "flows", true)).unwrap();
        assert_eq!(
            (flows.name.as_str(), flows.package.as_path()),
            ("flows", Path::new("/w/tests"))
        );
        assert!(flows.waits());
        let unit = TestBinary::of(&message("lib", "shared", true)).unwrap();
        assert_eq!(unit.name, "shared (lib)");
        for other in [
            message("bin", "demo", false).as_str(),
            r#"{"reason":"build-finished","success":true}"#,
            "no JSON",
        ] {
            assert_eq!(TestBinary::of(other), None, "{other}");
        }
    }

    #[test]
    fn a_library_that_is_compiled_once_more_is_found() {
        let told = |kind: &str, fresh: bool| {
            compiled_library(
                &serde_json::json!({"reason": "compiler-artifact", "fresh": fresh, "target": {"name": "shared", "kind": [kind]}})
                    .to_string(),
            )
        };
        assert_eq!(told("lib", false).as_deref(), Some("shared"));
        assert_eq!((told("lib", true), told("bin", false)), (None, None));
    }

    #[test]
    fn the_longest_wait_begins_first_and_one_computes_beside_it() {
        let names = ["shared", "contract", "flows"]
            .map(|name| TestBinary::of(&message("test", name, true)).unwrap());
        let mut queues = Queues::of(names.to_vec());
        let order: Vec<String> =
            std::iter::from_fn(|| queues.next(&[])).map(|binary| binary.name).collect();
        assert_eq!(order, ["flows", "contract", "shared"]);
    }

    #[test]
    fn a_test_binary_without_a_closing_line_has_failed() {
        let said = "running 2 tests\ntest a ... ok\n\ntest result: ok. 2 passed; 0 failed; 0 ignored; finished in 0.1s\n\n";
        let closing = closing_line(said).unwrap();
        assert_eq!(
            (count_in(&closing, " passed;"), count_in(&closing, " failed;")),
            (Some(2), Some(0))
        );
        assert_eq!(closing_line("running 2 tests\nmemory allocation failed"), None);
        assert!(!conclude(&[], Duration::ZERO), "no test at all is no success");
    }
}
