//! Planted bugs: the proof that the fault simulation would notice. Each is put into a copy of the sources, alone, and the
//! simulation and the crash sweep must then fail.

mod bugs;

pub use bugs::BUGS;

/// A slip in one place of the sources.
#[derive(Clone, Copy, Debug)]
pub struct Bug {
    /// What to call it.
    pub name: &'static str,
    /// What goes wrong with it.
    pub why: &'static str,
    /// The file, from the top of the workspace.
    pub file: &'static str,
    /// What stands there, exactly once.
    pub find: &'static str,
    /// What stands there with the bug.
    pub replace: &'static str,
}

impl Bug {
    /// The file's text with the bug in it.
    ///
    /// # Errors
    /// What it replaces does not stand there exactly once: the sources moved on, and the bug has to follow.
    pub fn planted(&self, text: &str) -> Result<String, String> {
        match text.matches(self.find).count() {
            1 => Ok(text.replacen(self.find, self.replace, 1)),
            times => Err(format!("'{}' replaces what stands {times} times in {}: {}", self.name, self.file, self.find)),
        }
    }
}
