//! Characters that the site's Prima cannot store. The wire carries any character, as a numeric
//! reference where its encoding lacks it; but a Progress session keeps a character that its code
//! page (`-cpinternal`, or the database's) lacks as a question mark, and so does a label printer.
//! So what a text may hold is a setting of its own.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::kit::field_error::FieldError;

/// The code page in which the site's Prima keeps texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CodePage {
    /// Western Europe, without the euro sign: Progress' own default.
    #[default]
    #[serde(rename = "iso-8859-1")]
    Latin1,
    /// Central Europe.
    #[serde(rename = "iso-8859-2")]
    Latin2,
    /// Cyrillic.
    #[serde(rename = "iso-8859-5")]
    Cyrillic,
    /// Greek.
    #[serde(rename = "iso-8859-7")]
    Greek,
    /// Western Europe, with the euro sign.
    #[serde(rename = "iso-8859-15")]
    Latin9,
    /// Central Europe, of Windows.
    #[serde(rename = "windows-1250")]
    Windows1250,
    /// Cyrillic, of Windows.
    #[serde(rename = "windows-1251")]
    Windows1251,
    /// Western Europe, of Windows.
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// Greek, of Windows.
    #[serde(rename = "windows-1253")]
    Windows1253,
    /// Everything.
    #[serde(rename = "utf-8")]
    Utf8,
}

impl CodePage {
    /// Its name, as the installation document has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Latin1 => "iso-8859-1",
            Self::Latin2 => "iso-8859-2",
            Self::Cyrillic => "iso-8859-5",
            Self::Greek => "iso-8859-7",
            Self::Latin9 => "iso-8859-15",
            Self::Windows1250 => "windows-1250",
            Self::Windows1251 => "windows-1251",
            Self::Windows1252 => "windows-1252",
            Self::Windows1253 => "windows-1253",
            Self::Utf8 => "utf-8",
        }
    }

    /// Every character of `text` is in it.
    #[must_use]
    pub fn holds(self, text: &str) -> bool {
        let encoding = match self {
            Self::Utf8 => return true,
            // As `encoding_rs` has it, ISO-8859-1 is windows-1252.
            Self::Latin1 => return text.chars().all(|character| u32::from(character) <= 0xFF),
            Self::Latin2 => encoding_rs::ISO_8859_2,
            Self::Cyrillic => encoding_rs::ISO_8859_5,
            Self::Greek => encoding_rs::ISO_8859_7,
            Self::Latin9 => encoding_rs::ISO_8859_15,
            Self::Windows1250 => encoding_rs::WINDOWS_1250,
            Self::Windows1251 => encoding_rs::WINDOWS_1251,
            Self::Windows1252 => encoding_rs::WINDOWS_1252,
            Self::Windows1253 => encoding_rs::WINDOWS_1253,
        };
        text.is_ascii() || !encoding.encode(text).2
    }
}

/// What becomes of a customer's text with a character that the code page lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutsideCodePage {
    /// The order becomes an exception.
    #[default]
    Exception,
    /// The character is written in the agreed other letters; only what none stand for makes an
    /// exception.
    Transliterate,
}

/// Which characters the site's Prima can store. Part of the installation document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CharacterRules {
    /// The narrowest code page on a text's way: of Prima's sessions, its database, the label
    /// printer.
    pub code_page: CodePage,
    /// Characters that it lacks.
    pub outside: OutsideCodePage,
    /// A character to the letters that stand for it, beside and before those that are built in:
    /// Latin letters without their marks, plain quotes and dashes. An empty text leaves the
    /// character out.
    pub transliterations: BTreeMap<String, String>,
}

impl CharacterRules {
    /// Everything that is wrong, one entry a field.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, problem: &str| {
            if !holds {
                problems.push(FieldError::new("behaviour.characters.transliterations", problem));
            }
        };
        require(
            self.transliterations
                .iter()
                .all(|(from, to)| from.chars().count() == 1 && self.code_page.holds(to)),
            "takes single characters, each with letters of the code page to stand for it, such as \"Ł\": \"L\"",
        );
        require(
            self.transliterations.is_empty() || self.outside == OutsideCodePage::Transliterate,
            "has no effect unless outside is \"transliterate\"",
        );
        problems
    }

    /// `text` as the code page can hold it; borrowed where it holds it as it is. `None`: it cannot,
    /// by these rules.
    #[must_use]
    pub fn written<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        if self.code_page.holds(text) {
            return Some(Cow::Borrowed(text));
        }
        if self.outside == OutsideCodePage::Exception {
            return None;
        }
        let mut written = String::with_capacity(text.len());
        let mut buffer = [0; 4];
        for character in text.chars() {
            let own: &str = character.encode_utf8(&mut buffer);
            if self.code_page.holds(own) {
                written.push(character);
                continue;
            }
            let agreed = self.transliterations.get(own).map(String::as_str);
            written.push_str(
                agreed
                    .or_else(|| built_in(character))
                    .filter(|letters| self.code_page.holds(letters))?,
            );
        }
        Some(Cow::Owned(written))
    }
}

/// Letters and the characters that they stand for: the rest of the Latin alphabets of Europe, and
/// what word processors write.
const BUILT_IN: &[(&str, &str)] = &[
    ("A", "ĀĂĄǍÀÁÂÃÅ"),
    ("AE", "ÄÆǼ"),
    ("C", "ĆĈĊČÇ"),
    ("D", "ĎĐÐ"),
    ("E", "ĒĔĖĘĚÈÉÊËẼ"),
    ("G", "ĜĞĠĢǦ"),
    ("H", "ĤĦ"),
    ("I", "ĨĪĬĮİÌÍÎÏ"),
    ("IJ", "Ĳ"),
    ("J", "Ĵ"),
    ("K", "ĶǨ"),
    ("L", "ĹĻĽĿŁ"),
    ("N", "ŃŅŇŊÑ"),
    ("O", "ŌŎŐÒÓÔÕØǑǾ"),
    ("OE", "ŒÖ"),
    ("R", "ŔŖŘ"),
    ("S", "ŚŜŞŠȘ"),
    ("SS", "ẞ"),
    ("T", "ŢŤŦȚ"),
    ("TH", "Þ"),
    ("U", "ŨŪŬŮŰŲÙÚÛǓ"),
    ("UE", "Ü"),
    ("W", "ŴẀẂẄ"),
    ("Y", "ŶŸÝỲ"),
    ("Z", "ŹŻŽ"),
    ("a", "āăąǎàáâãå"),
    ("ae", "äæǽ"),
    ("c", "ćĉċčç"),
    ("d", "ďđð"),
    ("e", "ēĕėęěèéêëẽ"),
    ("g", "ĝğġģǧ"),
    ("h", "ĥħ"),
    ("i", "ĩīĭįıìíîï"),
    ("ij", "ĳ"),
    ("j", "ĵ"),
    ("k", "ķǩĸ"),
    ("l", "ĺļľŀł"),
    ("n", "ńņňŋñŉ"),
    ("o", "ōŏőòóôõøǒǿ"),
    ("oe", "œö"),
    ("r", "ŕŗř"),
    ("s", "śŝşšșſ"),
    ("ss", "ß"),
    ("t", "ţťŧț"),
    ("th", "þ"),
    ("u", "ũūŭůűųùúûǔ"),
    ("ue", "ü"),
    ("w", "ŵẁẃẅ"),
    ("y", "ŷÿýỳ"),
    ("z", "źżž"),
    ("'", "‘’‚‛′ʼ´"),
    ("\"", "“”„‟″«»"),
    ("<", "‹"),
    (">", "›"),
    ("-", "‐‑‒–—―−"),
    ("...", "…"),
    ("*", "•·"),
    ("EUR", "€"),
    ("TM", "™"),
    ("No", "№"),
    ("ff", "ﬀ"),
    ("fi", "ﬁ"),
    ("fl", "ﬂ"),
    ("a", "ª"),
    ("o", "º"),
    ("1", "¹"),
    ("2", "²"),
    ("3", "³"),
    ("1/4", "¼"),
    ("1/2", "½"),
    ("3/4", "¾"),
    ("!", "¡"),
    ("?", "¿"),
    ("(c)", "©"),
    ("(R)", "®"),
    ("GBP", "£"),
    ("YEN", "¥"),
    ("ct", "¢"),
    ("|", "¦"),
    ("+-", "±"),
    ("x", "×"),
    ("/", "÷⁄"),
];

fn built_in(character: char) -> Option<&'static str> {
    // A mark that stands alone behind its letter, and what has no width, are no letters.
    if matches!(character, '\u{300}'..='\u{36F}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{FE0E}' | '\u{FE0F}')
    {
        return Some("");
    }
    BUILT_IN
        .iter()
        .find(|(_, characters)| characters.contains(character))
        .map(|(letters, _)| *letters)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use proptest::prelude::*;

    use super::*;

    fn rules(document: &str) -> CharacterRules {
        serde_json::from_str(document).unwrap()
    }

    const TRANSLITERATE: &str =
        r#"{"outside":"transliterate","transliterations":{"😀":"","Ω":"Omega"}}"#;

    /// Where the site agreed on no letters, text outside the Western European code page is refused.
    #[test]
    fn without_site_rules_only_western_european_letters_pass() {
        let rules = rules("{}");
        assert_eq!(rules, CharacterRules::default());
        assert_eq!(
            rules.written("Zoë Müller, 12 Rue de l'Église").as_deref(),
            Some("Zoë Müller, 12 Rue de l'Église")
        );
        for outside in ["Łódź", "Œuvre", "5 €", "O’Shea", "Ελλάδα", "😀"] {
            assert_eq!(rules.written(outside), None, "{outside}");
        }
    }

    /// Agreed letters replace those that the code page lacks, and everything else stays as it is.
    #[test]
    fn agreed_letters_replace_only_what_the_code_page_lacks() {
        let rules = rules(TRANSLITERATE);
        for (text, written) in [
            ("Żaneta Łąkowska", "Zaneta Lakowska"),
            ("Łódź, ul. Święta 1", "Lódz, ul. Swieta 1"),
            ("Zoë O’Shea – “Œuvre”…", "Zoë O'Shea - \"OEuvre\"..."),
            ("Ștefan Țurcanu", "Stefan Turcanu"),
            ("e\u{301}cole\u{200B}", "ecole"),
            ("Ω 😀!", "Omega !"),
        ] {
            assert_eq!(rules.written(text).as_deref(), Some(written));
        }
        for nobody_agreed in ["Ελλάδα", "Київ", "🚪"] {
            assert_eq!(rules.written(nobody_agreed), None, "{nobody_agreed}");
        }
    }

    #[test]
    fn a_code_page_holds_its_own_alphabet() {
        for (page, held, outside) in [
            ("iso-8859-2", "Łódź", "Ελλάδα"),
            ("iso-8859-5", "Москва", "Łódź"),
            ("iso-8859-7", "Ελλάδα", "Łódź"),
            ("iso-8859-15", "5 € Œuvre", "Łódź"),
            ("windows-1250", "Łódź", "Ελλάδα"),
            ("windows-1251", "Київ", "Łódź"),
            ("windows-1252", "O’Shea 5 €", "Łódź"),
            ("windows-1253", "Ελλάδα", "Łódź"),
        ] {
            let rules = rules(&format!(r#"{{"code_page":"{page}"}}"#));
            assert_eq!(
                (
                    rules.code_page.name(),
                    rules.code_page.holds(held),
                    rules.code_page.holds(outside)
                ),
                (page, true, false)
            );
        }
        assert!(rules(r#"{"code_page":"utf-8"}"#).code_page.holds("Łódź 😀 Ελλάδα"));
    }

    #[test]
    fn what_is_wrong_with_the_rules_is_named() {
        assert_eq!(rules(TRANSLITERATE).problems(), []);
        for (wrong, problem) in [
            (r#"{"outside":"transliterate","transliterations":{"Ło":"L"}}"#, "single characters"),
            (
                r#"{"outside":"transliterate","transliterations":{"Ω":"Ωmega"}}"#,
                "letters of the code page",
            ),
            (r#"{"transliterations":{"Ł":"L"}}"#, "no effect"),
        ] {
            let problems = rules(wrong).problems();
            assert!(problems.len() == 1 && problems[0].problem.contains(problem), "{problems:?}");
        }
        for unknown in [
            r#"{"code_page":"ebcdic"}"#,
            r#"{"outside":"question_mark"}"#,
            r#"{"codepage":"utf-8"}"#,
        ] {
            assert!(serde_json::from_str::<CharacterRules>(unknown).is_err(), "{unknown}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_in_the_code_page_and_what_was_in_it_stays(text in "[ a-zA-Zß-ÿĀ-žȘ-țα-ω‘’–…😀]{0,40}") {
            let rules = rules(TRANSLITERATE);
            if let Some(written) = rules.written(&text) {
                prop_assert!(rules.code_page.holds(&written));
                let kept: String = text.chars().filter(|c| u32::from(*c) <= 0xFF).collect();
                let mut rest = written.chars();
                prop_assert!(kept.chars().all(|wanted| rest.any(|c| c == wanted)), "{text} became {written}");
            } else {
                prop_assert!(text.chars().any(|c| ('α'..='ω').contains(&c)), "{text}");
            }
        }
    }
}
