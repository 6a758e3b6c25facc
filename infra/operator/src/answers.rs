//! How a command ends: what it prints, where, and with which exit code; and questions to the person
//! who gave it.

use std::fmt;
use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::process::ExitCode;

use anyhow::Result;

/// What was given is not fit for use: one line for each thing that is wrong. Exit code 2.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Vec<String>);

impl Refused {
    /// Refuses for one reason.
    pub(crate) fn because(line: impl Into<String>) -> anyhow::Error {
        Self(vec![line.into()]).into()
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.0 {
            writeln!(formatter, "{line}")?;
        }
        formatter.write_str("Nothing was stored.")
    }
}

impl std::error::Error for Refused {}

/// The answer of a check that found something which needs a person: printed like any answer. Exit
/// code 3.
#[derive(Debug)]
pub(crate) struct Found(pub(crate) String);

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for Found {}

/// Prints what came of a command; answers its exit code.
pub(crate) fn tell(outcome: Result<String>) -> ExitCode {
    match outcome {
        Ok(answer) => {
            write(io::stdout(), &answer);
            ExitCode::SUCCESS
        }
        Err(problem) if problem.is::<Found>() => {
            write(io::stdout(), &problem.to_string());
            ExitCode::from(3)
        }
        Err(problem) => {
            write(io::stderr(), &format!("{problem:#}"));
            if problem.is::<Refused>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// A reader that has seen enough, such as `head`, closes the pipe: that is no failure of the
/// command.
fn write(mut to: impl Write, text: &str) {
    let _closed = writeln!(to, "{}", text.trim_end()).and_then(|()| to.flush());
}

/// Goes on where the person agrees: by the option `--yes`, or by the answer to a question at a
/// terminal.
///
/// # Errors
/// [`Refused`]: the person does not agree, or nobody can be asked.
pub(crate) fn confirm(what: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    let mut input = io::stdin().lock();
    if !input.is_terminal() {
        return Err(Refused::because(format!(
            "{what}\nNobody can be asked here: look at it, then give the command again with --yes."
        )));
    }
    let mut error = io::stderr();
    let mut answer = String::new();
    let asked = write!(error, "{what}\nGo on? (yes/no) ")
        .and_then(|()| error.flush())
        .and_then(|()| input.read_line(&mut answer));
    match (asked, answer.trim()) {
        (Ok(_), "y" | "yes") => Ok(()),
        _ => Err(Refused::because("You did not agree.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_an_exit_code_of_its_own() {
        let code = |outcome| format!("{:?}", tell(outcome));
        let codes = [
            code(Ok("done".to_owned())),
            code(Err(anyhow::anyhow!("no answer"))),
            code(Err(Refused::because("id: is empty"))),
            code(Err(Found("a code is not listed".to_owned()).into())),
        ];
        assert_eq!(codes, [0, 1, 2, 3].map(|code| format!("{:?}", ExitCode::from(code))));
        assert_eq!(
            Refused::because("id: is empty").to_string(),
            "id: is empty\nNothing was stored."
        );
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        write(Closed, "an answer");
    }
}
