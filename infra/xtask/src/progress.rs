//! Signs of life: never more than ten seconds without one.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Without a terminal, a line at least this often.
pub const LINE_EVERY: Duration = Duration::from_secs(8);
/// On a terminal, one line that is written anew this often.
const REDRAW_EVERY: Duration = Duration::from_millis(500);

/// A line that says how far something is: rewritten in place on a terminal, a new line every few
/// seconds elsewhere.
#[derive(Debug)]
pub struct StatusLine {
    begun: Instant,
    said: Instant,
    terminal: bool,
    drawn: bool,
}

impl Default for StatusLine {
    fn default() -> Self {
        let now = Instant::now();
        Self { begun: now, said: now, terminal: std::io::stderr().is_terminal(), drawn: false }
    }
}

impl StatusLine {
    /// How long the wait for the next news may last before [`Self::show`] is due again.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let every = if self.terminal { REDRAW_EVERY } else { LINE_EVERY };
        every.saturating_sub(self.said.elapsed())
    }

    /// Shows `text` where a sign of life is due.
    pub fn show(&mut self, text: impl FnOnce() -> String) {
        if !self.patience().is_zero() {
            return;
        }
        let seconds = self.begun.elapsed().as_secs();
        if self.terminal {
            self.erase();
            let text: String = text().chars().take(90).collect();
            eprint!("{seconds:>6} s  {text}");
            let _ = std::io::stderr().flush();
            self.drawn = true;
        } else {
            eprintln!("{seconds:>6} s  {}", text());
        }
        self.said = Instant::now();
    }

    /// Says something that stays.
    pub fn say(&mut self, text: &str) {
        self.erase();
        eprintln!("{text}");
        if !self.terminal {
            self.said = Instant::now();
        }
    }

    /// Removes the line, so that nothing is written behind it.
    pub fn erase(&mut self) {
        if self.drawn {
            eprint!("\r\x1b[K");
            self.drawn = false;
        }
    }
}
