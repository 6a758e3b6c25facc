//! Texts on their way into fields.

use std::collections::BTreeMap;

use super::problems::Problems;
use crate::domain::order::rules::{Template, TooLong};

/// Without control characters and the two code points that no XML can hold, and with single spaces:
/// no word is lost.
pub(super) fn clean(text: &str) -> String {
    text.split(|c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}')
    })
    .filter(|word| !word.is_empty())
    .collect::<Vec<_>>()
    .join(" ")
}

/// A text that may be absent, clean; empty if absent.
pub(super) fn clean_or_empty(text: Option<&String>) -> String {
    text.map(|text| clean(text)).unwrap_or_default()
}

/// `text` with each word of the table in its agreed short form.
pub(super) fn abbreviate(text: &str, table: &BTreeMap<String, String>) -> String {
    text.split(' ')
        .map(|word| {
            let bare = word.trim_end_matches([',', ';', '.']);
            let lower = bare.to_lowercase();
            match table.iter().find(|(long, _)| long.to_lowercase() == lower) {
                Some((_, short)) => format!("{short}{}", &word[bare.len()..]),
                None => word.to_owned(),
            }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Rendered and clean, and a problem if it is longer than `most`.
pub(super) fn render(
    problems: &mut Problems,
    what: &str,
    template: &Template,
    values: &[(&str, &str)],
    most: usize,
    setting: &str,
) -> String {
    problems.fit(what, clean(&template.render(values)), most, setting)
}

/// Texts for one field of instructions or a narrative.
#[derive(Debug, Default)]
pub(super) struct Note(Vec<String>);

impl Note {
    pub(super) fn push(&mut self, text: String) {
        if !text.is_empty() {
            self.0.push(text);
        }
    }

    /// Joined; abbreviated where that was agreed and is needed.
    pub(super) fn finish(self, problems: &mut Problems, limit: &NoteLimit<'_>) -> String {
        let text = problems.written(&limit.what, self.0.join("; "));
        if text.chars().count() > limit.most && limit.too_long == TooLong::Abbreviate {
            return problems.fit(
                &limit.what,
                abbreviate(&text, limit.abbreviations),
                limit.most,
                limit.setting,
            );
        }
        problems.fit(&limit.what, text, limit.most, limit.setting)
    }
}

/// How long a note may be, and what is done about it.
pub(super) struct NoteLimit<'a> {
    pub(super) what: String,
    pub(super) most: usize,
    pub(super) setting: &'static str,
    pub(super) too_long: TooLong,
    pub(super) abbreviations: &'a BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn what_no_document_can_hold_separates_words() {
        assert_eq!(clean(" a\u{0}b\u{FFFF}c\u{FFFE}\td "), "a b c d");
    }
}
