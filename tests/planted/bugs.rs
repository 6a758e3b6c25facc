//! What a planted bug is.

use std::fs;
use std::ops::Range;
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
    /// Of posting journals.
    Payouts,
}

impl Simulation {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Stock => "stock",
            Self::Dispatches => "dispatches",
            Self::Payouts => "payouts",
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

impl Edit {
    /// Where the text stands, however the code is laid out: white space, and a comma before a
    /// closing bracket, count for nothing.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let (wanted, found) = (signs(self.find), signs(text));
        let ends_with_comma = self.find.trim_end().ends_with(',');
        let length = wanted.len();
        let mut places = Vec::new();
        for window in found.windows(length.max(1)) {
            if !window.iter().map(|(_, sign)| sign).eq(wanted.iter().map(|(_, sign)| sign)) {
                continue;
            }
            let (Some((begin, _)), Some((last, sign))) = (window.first(), window.last()) else {
                continue;
            };
            let end = last + sign.len_utf8();
            let comma = text[end..]
                .find(|sign: char| !sign.is_whitespace())
                .filter(|place| text[end + place..].starts_with(','));
            places.push(
                *begin..comma.filter(|_| ends_with_comma).map_or(end, |place| end + place + 1),
            );
        }
        places
    }
}

/// The signs of a text that count, each with its place.
fn signs(text: &str) -> Vec<(usize, char)> {
    let mut signs: Vec<(usize, char)> = Vec::new();
    for (place, sign) in text.char_indices().filter(|(_, sign)| !sign.is_whitespace()) {
        if matches!(sign, ')' | ']' | '}') && signs.last().is_some_and(|(_, last)| *last == ',') {
            signs.pop();
        }
        signs.push((place, sign));
    }
    if signs.last().is_some_and(|(_, last)| *last == ',') {
        signs.pop();
    }
    signs
}

/// All of them: by the crate that has to be compiled anew.
pub(crate) fn all() -> impl Iterator<Item = &'static Bug> {
    let orders = crate::acknowledging::BUGS
        .iter()
        .chain(crate::creating::BUGS)
        .chain(crate::remembering::BUGS);
    orders
        .chain(crate::refunding::BUGS)
        .chain(crate::pushing::BUGS)
        .chain(crate::following::BUGS)
        .chain(crate::dispatching::BUGS)
        .chain(crate::telling::BUGS)
        .chain(crate::posting::BUGS)
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
                    let text = fs::read_to_string(source.join(&file))
                        .with_context(|| format!("{}: cannot read {}", self.name, edit.file))?;
                    files.push((file, text));
                    files.len() - 1
                }
            };
            let text = &mut files[place].1;
            let places = edit.places(text);
            ensure!(
                places.len() == 1,
                "{}: its place occurs {} times in {}, not once: give it a new one in tests/planted. It was:\n{}",
                self.name,
                places.len(),
                edit.file,
                edit.find
            );
            ensure!(edit.find != edit.replace, "{}: it changes nothing", self.name);
            for place in places {
                text.replace_range(place, edit.replace);
            }
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_however_the_code_is_laid_out() {
        let places = |text: &str, find| {
            let edit = Edit { file: "", find, replace: "" };
            edit.places(text).into_iter().map(|place| (place.start, place.end)).collect::<Vec<_>>()
        };
        let text = "f(\n    a,\n    b,\n);\ng(a, b)";
        assert_eq!(places(text, "f(a, b)"), [(0, 18)]);
        assert_eq!(places(text, "a, b"), [(7, 15), (22, 26)], "twice");
        assert_eq!(places(text, "    a,\n"), [(7, 9), (22, 24)], "with its comma");
        assert_eq!(places(text, "f(b"), []);
    }
}
