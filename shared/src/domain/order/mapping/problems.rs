//! All that keeps one order from being mapped, gathered so that a person sees it at once.

use std::borrow::Cow;

use crate::domain::order::ExceptionKind;
use crate::prima::code_page::CharacterRules;

/// Problems that a person is shown of one order. More than these are counted.
const SHOWN: usize = 9;

/// Why an order cannot be written as a Prima order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct MappingFailure {
    /// [`ExceptionKind::UnknownSku`] if a SKU is among the problems, else
    /// [`ExceptionKind::Unmappable`].
    pub kind: ExceptionKind,
    /// All problems, one a line, ten lines at most; nothing of the customer's.
    pub reason: String,
    /// What to do, one a line.
    pub remedy: String,
}

/// What is in the way of one order.
#[derive(Debug, Default)]
pub(super) struct Problems {
    entries: Vec<(String, String)>,
    unknown_sku: bool,
    characters: CharacterRules,
    traces: Vec<String>,
}

impl Problems {
    /// None yet, of texts that Prima keeps by these rules.
    pub(super) fn new(characters: &CharacterRules) -> Self {
        Self { characters: characters.clone(), ..Self::default() }
    }

    /// Notes what a rule changed on the way, for the order's history: names of fields, nothing of
    /// the customer's.
    pub(super) fn trace(&mut self, what: String) {
        if !self.traces.contains(&what) {
            self.traces.push(what);
        }
    }

    pub(super) fn take_traces(&mut self) -> Vec<String> {
        std::mem::take(&mut self.traces)
    }

    /// A text of the customer's as Prima's code page can hold it.
    pub(super) fn written(&mut self, what: &str, text: String) -> String {
        match self.characters.written(&text) {
            Some(Cow::Borrowed(_)) => text,
            Some(Cow::Owned(written)) => {
                self.trace(format!("{what} is written in the agreed other letters"));
                written
            }
            None => {
                self.outside_code_page(what);
                text
            }
        }
    }

    pub(super) fn outside_code_page(&mut self, what: &str) {
        self.add(
            format!("{what} has a character that Prima's code page, {}, does not have", self.characters.code_page.name()),
            "Key the order into Prima by hand; or agree on a transliteration, or state the code page that Prima really has, in the installation document (behaviour.characters), and retry.",
        );
    }

    /// [`Self::fit`] of a text of the customer's, as Prima can hold it.
    pub(super) fn fit_text(
        &mut self,
        what: &str,
        text: String,
        most: usize,
        setting: &str,
    ) -> String {
        let written = self.written(what, text);
        self.fit(what, written, most, setting)
    }

    /// `reason` and `remedy` never contain anything of the customer's: lengths and names of fields,
    /// not their texts.
    pub(super) fn add(&mut self, reason: impl Into<String>, remedy: impl Into<String>) {
        let entry = (reason.into(), remedy.into());
        if !self.entries.contains(&entry) {
            self.entries.push(entry);
        }
    }

    pub(super) fn add_sku(&mut self, reason: impl Into<String>, remedy: impl Into<String>) {
        self.unknown_sku = true;
        self.add(reason, remedy);
    }

    pub(super) fn nothing_to_create(&mut self) {
        self.add(
            "no line of the order is left to deliver: all are cancelled or refused",
            "Nothing has to be created. Mark the exception as done once Mirakl shows the order as cancelled.",
        );
    }

    /// `text`, if it has at most `most` characters. It is never cut.
    pub(super) fn fit(&mut self, what: &str, text: String, most: usize, setting: &str) -> String {
        let length = text.chars().count();
        if length > most {
            self.too_long(what, length, most, setting);
        }
        text
    }

    pub(super) fn too_long(&mut self, what: &str, length: usize, most: usize, setting: &str) {
        self.add(
            format!("{what} has {length} characters, at most {most}"),
            format!("Key the order into Prima by hand; if Prima takes more, raise {setting} in the order rules and retry."),
        );
    }

    /// Takes over what another list has gathered, of anything but SKUs.
    pub(super) fn absorb(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.traces.extend(other.traces);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// One failure of them all; `Ok` if there is none.
    pub(super) fn into_result(self) -> Result<(), MappingFailure> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let mut reasons: Vec<String> =
            self.entries.iter().take(SHOWN).map(|(reason, _)| reason.clone()).collect();
        if self.entries.len() > SHOWN {
            reasons.push(format!("and {} more", self.entries.len() - SHOWN));
        }
        let mut remedies: Vec<&str> = Vec::new();
        for (_, remedy) in self.entries.iter().take(SHOWN) {
            if !remedies.contains(&remedy.as_str()) {
                remedies.push(remedy);
            }
        }
        let kind =
            if self.unknown_sku { ExceptionKind::UnknownSku } else { ExceptionKind::Unmappable };
        Err(MappingFailure { kind, reason: reasons.join("\n"), remedy: remedies.join("\n") })
    }
}
