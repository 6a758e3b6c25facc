//! What a planted bug is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

/// A bug that the fault simulation has to find.
#[derive(Debug)]
pub(crate) struct Bug {
    /// Its name, for `cargo planted NAME`.
    pub(crate) name: &'static str,
    /// What is wrong with it, in a sentence.
    pub(crate) why: &'static str,
    /// Which simulation has to find it.
    pub(crate) simulation: Simulation,
    /// What is changed.
    pub(crate) edits: &'static [Edit],
}

/// A fault simulation, as `hunt` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Simulation {
    /// Of orders.
    Orders,
    /// Of stock.
    Stock,
    /// Of dispatches.
    Dispatches,
}

impl Simulation {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Stock => "stock",
            Self::Dispatches => "dispatches",
        }
    }
}

/// A text that stands exactly once in a file, and what it is replaced by.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) file: &'static str,
    pub(crate) find: &'static str,
    pub(crate) replace: &'static str,
}

/// All of them: by the crate that has to be compiled anew.
pub(crate) fn all() -> impl Iterator<Item = &'static Bug> {
    let orders = crate::acknowledging::BUGS.iter().chain(crate::creating::BUGS).chain(crate::remembering::BUGS);
    orders
        .chain(crate::refunding::BUGS)
        .chain(crate::pushing::BUGS)
        .chain(crate::following::BUGS)
        .chain(crate::dispatching::BUGS)
        .chain(crate::telling::BUGS)
}

impl Bug {
    /// The changed files.
    pub(crate) fn planted(&self, source: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
        let mut files: Vec<(PathBuf, String)> = Vec::new();
        for edit in self.edits {
            let file = PathBuf::from(edit.file);
            let place = match files.iter().position(|(other, _)| *other == file) {
                Some(place) => place,
                None => {
                    let text =
                        fs::read_to_string(source.join(&file)).with_context(|| format!("{}: cannot read {}", self.name, edit.file))?;
                    files.push((file, text));
                    files.len() - 1
                }
            };
            let text = &mut files[place].1;
            let count = text.matches(edit.find).count();
            ensure!(
                count == 1,
                "{}: its place occurs {count} times in {}, not once: give it a new one in tests/planted. It was:\n{}",
                self.name,
                edit.file,
                edit.find
            );
            ensure!(edit.find != edit.replace, "{}: it changes nothing", self.name);
            *text = text.replacen(edit.find, edit.replace, 1);
        }
        Ok(files)
    }
}
