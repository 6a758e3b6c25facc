//! The carrier map: from Prima's own descriptions to what a marketplace takes.
//!
//! A description is matched exactly, then normalised (case, blanks, punctuation), then by pattern
//! with priority. Nothing is ever guessed: what is close is proposed to a person.

use serde::{Deserialize, Serialize};

use crate::kit::csv::{CellError, HeadingCsv, Line};
use crate::kit::field_error::FieldError;
use crate::mirakl::shipping_requirements::{RegisteredCarrier, ShippingRequirements};

/// The columns of a carrier map as CSV.
const HEADINGS: [&str; 6] = ["carrier", "service", "priority", "code", "name", "url"];

/// One channel's carrier map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarrierMap {
    /// Its entries.
    #[serde(default)]
    pub entries: Vec<CarrierEntry>,
}

/// One line of the map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarrierEntry {
    /// Prima's `Carrier`; a pattern where it holds `*`.
    pub carrier: String,
    /// Prima's `CarrServ`: a pattern where it holds `*`; left out for any service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Among patterns the highest counts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// The code of a carrier that the marketplace lists (SH21), in exactly its spelling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The name of a carrier that it does not list, where it allows such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// That carrier's tracking page, with `{tracking_number}` where the number goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

/// What a description leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A carrier of the marketplace's list.
    Registered {
        /// Its code.
        code: String,
    },
    /// A carrier by its name.
    Unregistered {
        /// Its name.
        name: String,
        /// Its tracking page, with `{tracking_number}`.
        url: Option<String>,
    },
}

/// Why a description leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoTarget {
    /// No entry fits.
    Unmapped,
    /// Patterns of one priority lead to different targets.
    Ambiguous(String),
}

impl CarrierEntry {
    fn target(&self) -> Option<Target> {
        match (&self.code, &self.name) {
            (Some(code), _) => Some(Target::Registered { code: code.clone() }),
            (None, Some(name)) => {
                Some(Target::Unregistered { name: name.clone(), url: self.url.clone() })
            }
            (None, None) => None,
        }
    }

    fn is_pattern(&self) -> bool {
        self.carrier.contains('*')
            || self.service.as_ref().is_some_and(|service| service.contains('*'))
    }

    /// The same description, whatever it leads to.
    #[must_use]
    pub fn is_about(&self, carrier: &str, service: Option<&str>) -> bool {
        self.carrier == carrier && self.service.as_deref() == service
    }
}

impl CarrierMap {
    /// Everything that is wrong, one entry a field.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let field = |name: &str| format!("entries[{index}].{name}");
            let blank =
                |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
            if entry.carrier.trim().is_empty() {
                problems.push(FieldError::new(
                    field("carrier"),
                    "is empty: give Prima's description, such as \"DPD\", or \"*\"",
                ));
            }
            if entry.code.is_some() == entry.name.is_some()
                || blank(&entry.code)
                || blank(&entry.name)
            {
                problems.push(FieldError::new(
                    field("code"),
                    "takes a code of the marketplace's list, or else the name of a carrier that it does not list: one of both",
                ));
            }
            if entry.url.is_some() && entry.name.is_none() {
                problems.push(FieldError::new(
                    field("url"),
                    "belongs to a name: a listed carrier has its own tracking page",
                ));
            }
            let sound = |url: &str| url.starts_with("https://") || url.starts_with("http://");
            if entry.url.as_deref().is_some_and(|url| !sound(url)) {
                problems.push(FieldError::new(
                    field("url"),
                    "takes a web address, with {tracking_number} where the number goes",
                ));
            }
            if self
                .entries
                .iter()
                .take(index)
                .any(|earlier| earlier.is_about(&entry.carrier, entry.service.as_deref()))
            {
                problems.push(FieldError::new(
                    field("carrier"),
                    "stands twice with the same service: keep one of them",
                ));
            }
        }
        problems
    }

    /// Where a description leads.
    ///
    /// # Errors
    /// Nowhere, or not clearly.
    pub fn resolve(&self, carrier: &str, wanted_service: &str) -> Result<Target, NoTarget> {
        let plain = || self.entries.iter().filter(|entry| !entry.is_pattern());
        let same = |one: &str, other: &str, exactly: bool| {
            if exactly { one == other } else { normalised(one) == normalised(other) }
        };
        // With its service first: that says more.
        let with_service = |exactly: bool| {
            let fits = |service: &String| same(service, wanted_service, exactly);
            plain().find(|entry| {
                same(&entry.carrier, carrier, exactly) && entry.service.as_ref().is_some_and(fits)
            })
        };
        let for_any = |exactly: bool| {
            plain().find(|entry| same(&entry.carrier, carrier, exactly) && entry.service.is_none())
        };
        let entry = with_service(true)
            .or_else(|| with_service(false))
            .or_else(|| for_any(true))
            .or_else(|| for_any(false));
        match entry {
            Some(entry) => entry.target().ok_or(NoTarget::Unmapped),
            None => self.by_pattern(carrier, wanted_service),
        }
    }

    fn by_pattern(&self, carrier: &str, service: &str) -> Result<Target, NoTarget> {
        let fits =
            |pattern: &str, text: &str| matches(&normalised_pattern(pattern), &normalised(text));
        let fitting: Vec<&CarrierEntry> = self
            .entries
            .iter()
            .filter(|entry| entry.is_pattern())
            .filter(|entry| {
                fits(&entry.carrier, carrier)
                    && entry.service.as_ref().is_none_or(|expected| fits(expected, service))
            })
            .collect();
        let Some(highest) = fitting.iter().map(|entry| entry.priority).max() else {
            return Err(NoTarget::Unmapped);
        };
        let mut first: Option<(&CarrierEntry, Target)> = None;
        for entry in fitting.into_iter().filter(|entry| entry.priority == highest) {
            let Some(target) = entry.target() else { continue };
            match &first {
                None => first = Some((entry, target)),
                Some((_, other)) if *other == target => {}
                Some((other, _)) => {
                    return Err(NoTarget::Ambiguous(format!(
                        "the patterns {:?} and {:?} of priority {highest}",
                        other.carrier, entry.carrier
                    )));
                }
            }
        }
        first.map(|(_, target)| target).ok_or(NoTarget::Unmapped)
    }

    /// The map as CSV: one line an entry, with a heading line.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn to_csv(&self) -> Result<String, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(HEADINGS)?;
        for entry in &self.entries {
            let text = |value: &Option<String>| value.clone().unwrap_or_default();
            let record = [
                entry.carrier.clone(),
                text(&entry.service),
                entry.priority.to_string(),
                text(&entry.code),
                text(&entry.name),
                text(&entry.url),
            ];
            writer.write_record(record)?;
        }
        let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Reads a map from CSV, with the headings that [`Self::to_csv`] writes, in any order; comma or
    /// semicolon.
    ///
    /// # Errors
    /// One sentence for each line that cannot be used: then nothing is.
    pub fn from_csv(text: &str) -> Result<Self, Vec<String>> {
        let csv = HeadingCsv::read(text, &HEADINGS, &["carrier"])
            .map_err(|problem| vec![problem.to_string()])?;
        let unknown = csv.unknown(&HEADINGS);
        if !unknown.is_empty() {
            return Err(vec![format!(
                "the heading line has {}; it takes {}",
                unknown.join(", "),
                HEADINGS.join(", ")
            )]);
        }
        let (mut map, mut problems) = (Self::default(), Vec::new());
        for line in csv.lines() {
            match line.and_then(|line| {
                read_entry(line).map_err(|problem| (line.number, problem.to_string()))
            }) {
                Ok(entry) => map.entries.push(entry),
                Err((number, problem)) => problems.push(format!("line {number}: {problem}")),
            }
        }
        problems.extend(map.problems().iter().map(ToString::to_string));
        if problems.is_empty() { Ok(map) } else { Err(problems) }
    }

    /// Adds an entry, in the place of the one about the same description. True where there was one.
    pub fn set(&mut self, entry: CarrierEntry) -> bool {
        let place = self
            .entries
            .iter()
            .position(|known| known.is_about(&entry.carrier, entry.service.as_deref()));
        match place.and_then(|index| self.entries.get_mut(index)) {
            Some(known) => {
                *known = entry;
                true
            }
            None => {
                self.entries.push(entry);
                false
            }
        }
    }
}

fn read_entry(line: Line<'_>) -> Result<CarrierEntry, CellError> {
    let optional = |name: &str| Some(line.field(name).to_owned()).filter(|text| !text.is_empty());
    let priority = match line.field("priority") {
        "" => 0,
        text => text.parse::<i32>().map_err(|_| CellError::NoWholeNumber("priority"))?,
    };
    Ok(CarrierEntry {
        carrier: line.field("carrier").to_owned(),
        service: optional("service"),
        priority,
        code: optional("code"),
        name: optional("name"),
        url: optional("url"),
    })
}

/// Letters and digits alone, small, with single blanks between words.
fn normalised(text: &str) -> String {
    words(text).join(" ")
}

/// As [`normalised`], with the stars kept: a star stands for any rest.
fn normalised_pattern(pattern: &str) -> String {
    let parts: Vec<String> = pattern.split('*').map(normalised).collect();
    parts.join("*")
}

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    lower
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether `text` has the parts of `pattern` in their order; only a star lets something stand
/// between them.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = text.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    text.ends_with(end)
}

/// Carriers of the marketplace's list that a description may mean, the likeliest first. For a
/// person to choose from, never used unasked.
#[must_use]
pub fn proposals<'p>(
    carrier: &str,
    service: &str,
    requirements: &'p ShippingRequirements,
) -> Vec<&'p RegisteredCarrier> {
    let described: Vec<String> = words(carrier).into_iter().chain(words(service)).collect();
    let joined = words(carrier).concat();
    let mut likely: Vec<(usize, &RegisteredCarrier)> = requirements
        .carriers
        .iter()
        .filter_map(|candidate| {
            let names =
                [Some(&candidate.label), Some(&candidate.code), candidate.standard_code.as_ref()];
            let likeness = names
                .into_iter()
                .flatten()
                .map(|name| likeness(&described, &joined, name))
                .max()?;
            (likeness > 0).then_some((likeness, candidate))
        })
        .collect();
    likely.sort_by(|(one, a), (other, b)| other.cmp(one).then_with(|| a.code.cmp(&b.code)));
    likely.into_iter().map(|(_, carrier)| carrier).take(3).collect()
}

/// 3: the same letters; 2: one begins with the other; 1: they share a word of three letters or
/// more.
fn likeness(described: &[String], joined: &str, name: &str) -> usize {
    let name_words = words(name);
    let name_joined = name_words.concat();
    if name_joined.is_empty() || joined.is_empty() {
        return 0;
    }
    if name_joined == joined {
        return 3;
    }
    let shorter = name_joined.len().min(joined.len());
    if shorter >= 3 && (name_joined.starts_with(joined) || joined.starts_with(&name_joined)) {
        return 2;
    }
    usize::from(name_words.iter().any(|word| word.len() >= 3 && described.contains(word)))
}

#[cfg(test)]
mod tests;
