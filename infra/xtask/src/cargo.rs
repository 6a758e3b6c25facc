//! Runs cargo and shows its progress.

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use crate::progress::StatusLine;

/// The operator command's binary.
pub const OPERATOR: &str = "prima-mirakl";

/// The workspace: where `Cargo.lock` and `template.yaml` are.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Cargo's target directory.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace().join("target"), |directory| workspace().join(directory))
}

/// Runs cargo in the workspace and returns what it printed on its standard output.
///
/// On a terminal cargo draws its own progress bar. Elsewhere a line says every few seconds how many
/// crates are compiled; warnings and errors are passed on.
///
/// # Errors
/// Cargo cannot be run, or has failed: its own words stand above.
pub fn run<S: AsRef<OsStr>>(arguments: &[S]) -> io::Result<String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    let piped = !io::stderr().is_terminal();
    if piped {
        // Its progress bar, though nobody would see it: the numbers in it are read below.
        command
            .env("CARGO_TERM_PROGRESS_WHEN", "always")
            .env("CARGO_TERM_PROGRESS_WIDTH", "160")
            .stderr(Stdio::piped());
    }
    let mut cargo = command.spawn()?;
    let stdout = cargo.stdout.take().map(|mut stdout| {
        thread::spawn(move || {
            let mut text = String::new();
            stdout.read_to_string(&mut text).map(|_| text)
        })
    });
    if let Some(stderr) = cargo.stderr.take() {
        show(stderr);
    }
    let text = match stdout.map(thread::JoinHandle::join) {
        Some(Ok(text)) => text?,
        _ => String::new(),
    };
    if !cargo.wait()?.success() {
        return Err(io::Error::other("cargo has failed: see above"));
    }
    Ok(text)
}

/// Passes on what cargo says, with a line every few seconds in place of its progress bar.
fn show(stderr: impl Read + Send + 'static) {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || read_lines(stderr, |line| sender.send(line).is_ok()));
    let mut status = StatusLine::default();
    let mut progress = "waiting for cargo".to_owned();
    loop {
        match lines.recv_timeout(status.patience()) {
            Ok(line) => match Line::of(&line) {
                Line::Progress(words) => progress = words,
                Line::Routine => {}
                Line::Other => status.say(&line),
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        status.show(|| progress.clone());
    }
}

/// Lines end with a line feed, and those of a progress bar with a carriage return.
fn read_lines(mut source: impl Read, mut hand_on: impl FnMut(String) -> bool) {
    let (mut buffer, mut line) = ([0; 4096], Vec::new());
    while let Ok(length) = source.read(&mut buffer) {
        for &byte in &buffer[..length] {
            if byte != b'\n' && byte != b'\r' {
                line.push(byte);
            } else if !line.is_empty()
                && !hand_on(String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned())
            {
                return;
            }
        }
        if length == 0 {
            return;
        }
    }
}

/// What a line of cargo's standard error is.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// Its progress bar, in words.
    Progress(String),
    /// One of hundreds: that a crate is being compiled or fetched.
    Routine,
    /// A warning, an error, that it waits for a lock, that it has finished.
    Other,
}

impl Line {
    fn of(line: &str) -> Self {
        let plain = without_escapes(line);
        let words = plain.trim();
        if let Some((_, rest)) =
            words.strip_prefix("Building [").and_then(|bar| bar.split_once(']'))
        {
            let (numbers, crates) = rest.split_once(':').unwrap_or((rest, ""));
            let Some((done, all)) = numbers.trim().split_once('/') else { return Self::Routine };
            let now = if crates.is_empty() {
                String::new()
            } else {
                format!("; now{}", crates.trim_end_matches('.'))
            };
            return Self::Progress(format!("{done} of {all} crates compiled{now}"));
        }
        let routine = [
            "Compiling ",
            "Checking ",
            "Download",
            "Fetch",
            "Updating ",
            "Executable ",
            "Locking ",
            "Adding ",
            "Finished ",
        ];
        if words.is_empty() || routine.iter().any(|beginning| words.starts_with(beginning)) {
            return Self::Routine;
        }
        Self::Other
    }
}

/// A text without colours and cursor movements (ECMA-48 control sequences).
fn without_escapes(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            letters.by_ref().skip(1).find(|letter| ('@'..='~').contains(letter));
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// The names of the functions, which are those of their folders.
///
/// # Errors
/// The folder cannot be read.
pub fn functions() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(workspace().join("functions"))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The arguments that build these programs as the tests and the demo use them.
#[must_use]
pub fn build_arguments(programs: &[String]) -> Vec<String> {
    let bins = programs.iter().flat_map(|name| ["--bin".to_owned(), name.clone()]);
    ["build", "--workspace", "--locked"].map(str::to_owned).into_iter().chain(bins).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_progress_bar_is_read_and_errors_are_passed_on() {
        let bar = "\u{1b}[1m\u{1b}[36m    Building\u{1b}[0m [=====>      ] 12/431: aws-sdk-dynamodb, shared";
        let words = "12 of 431 crates compiled; now aws-sdk-dynamodb, shared".to_owned();
        assert_eq!(Line::of(bar), Line::Progress(words));
        assert_eq!(
            Line::of("    Building [=>  ] 430/431: shared(test)..."),
            Line::Progress("430 of 431 crates compiled; now shared(test)".to_owned())
        );
        assert_eq!(Line::of("   Compiling serde v1.0.229"), Line::Routine);
        for other in [
            "error[E0308]: mismatched types",
            "    Blocking waiting for file lock on build directory",
            "  --> a.rs:1:2",
        ] {
            assert_eq!(Line::of(other), Line::Other, "{other}");
        }
    }

    #[test]
    fn lines_end_with_either_character() {
        let mut lines = Vec::new();
        read_lines(&b"one\rtwo\n\nthree\r\n"[..], |line| {
            lines.push(line);
            true
        });
        assert_eq!(lines, ["one", "two", "three"]);
    }
}
