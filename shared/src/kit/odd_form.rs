//! Fields that an answer has in a form that is not understood. What is not needed is done without,
//! and told once.

use std::fmt;

/// Forms of one field that are told.
const FORMS_OF_A_FIELD: usize = 5;
/// Forms that are told in all.
const FORMS: usize = 100;
/// Characters of a form.
const LENGTH: usize = 24;

/// A field, and the form in which it came: nothing of its content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OddForm {
    /// The field, as the other system calls it: `OrderDespatchData.DespatchDate`.
    pub field: String,
    /// The form: `9999-99-99`.
    pub form: String,
}

impl OddForm {
    /// The form of a value: each digit as 9, each letter as a, signs as they are.
    #[must_use]
    pub fn of(field: impl Into<String>, value: &str) -> Self {
        let shown = |c: char| match c {
            _ if c.is_numeric() => '9',
            _ if c.is_alphabetic() => 'a',
            _ if c.is_ascii_graphic() || c == ' ' => c,
            _ => '.',
        };
        Self { field: field.into(), form: value.chars().take(LENGTH).map(shown).collect() }
    }

    /// Notes that it is told now; false where it was told already, or so many others were.
    pub fn note(&self, told: &mut Vec<String>) -> bool {
        let (text, of_field) = (self.to_string(), format!("{} in form ", self.field));
        let same_field = told.iter().filter(|known| known.starts_with(&of_field)).count();
        if told.len() >= FORMS || same_field >= FORMS_OF_A_FIELD || told.contains(&text) {
            return false;
        }
        told.push(text);
        true
    }
}

impl fmt::Display for OddForm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} in form {:?}", self.field, self.form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_shows_no_content_and_is_told_once() {
        let odd = OddForm::of("OrderDespatchData.DespatchDate", "Mo. 23/11/26\u{0}");
        assert_eq!(odd.to_string(), r#"OrderDespatchData.DespatchDate in form "aa. 99/99/99.""#);
        let mut told = Vec::new();
        assert!(odd.note(&mut told) && !odd.note(&mut told));
        let forms =
            (0..20).filter(|length| OddForm::of("A", &"-".repeat(*length)).note(&mut told)).count();
        assert_eq!(
            (forms, told.len()),
            (FORMS_OF_A_FIELD, FORMS_OF_A_FIELD + 1),
            "free text does not fill the document"
        );
        let fields = (0..200)
            .filter(|number| OddForm::of(format!("B{number}"), "x").note(&mut told))
            .count();
        assert_eq!(fields + FORMS_OF_A_FIELD + 1, FORMS);
    }
}
