//! Reading one entry of a listing by itself, so that an odd one takes none of its neighbours along.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::mirakl::lenient;
use crate::mirakl::wire::{date, text};

/// Odd fields of one entry that are told.
const MOST_TOLD: usize = 10;

/// An entry that cannot be used: where it stands, and why; nothing of its content but its ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unreadable {
    /// Its number in its page or file, from 1.
    pub row: u64,
    /// Its id, where at least that can be read.
    pub id: Option<String>,
    /// The billing cycle that it is in, where that can be read.
    pub cycle: Option<String>,
    /// When it was last updated, where that can be read.
    pub last_updated: Option<Timestamp>,
    /// The field that it cannot be used without.
    pub field: Option<Box<str>>,
    /// What is wrong.
    pub problem: Box<str>,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "row {}", self.row)?;
        if let Some(id) = &self.id {
            write!(formatter, ", id {id}")?;
        }
        if let Some(field) = &self.field {
            write!(formatter, ", {field}")?;
        }
        write!(formatter, ": {}", self.problem)
    }
}

/// What of an unreadable entry may still be readable.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Salvage {
    #[serde(deserialize_with = "text")]
    id: Option<String>,
    #[serde(deserialize_with = "text")]
    seller_billing_cycle_id: Option<String>,
    #[serde(deserialize_with = "date::deserialize")]
    last_updated: Option<Timestamp>,
}

/// Why an entry that was read is still of no use: the field, and what is wrong with it.
pub(super) type Unfit = (&'static str, &'static str);

/// Reads an entry, and makes of it what is wanted. Fields of an odd form that `is_needed` does not
/// name are done without; their paths go to `make`.
pub(super) fn read<W: DeserializeOwned, T>(
    row: u64,
    raw: &str,
    is_needed: impl Fn(&str) -> bool,
    make: impl FnOnce(W, Vec<String>) -> Result<T, Unfit>,
) -> Result<T, Unreadable> {
    if !raw.starts_with('{') {
        // Not left to the parser: it would take a list's entries for the fields in their order.
        return Err(unreadable(row, raw, None, "it is no JSON object"));
    }
    match lenient::read::<W>(raw, is_needed) {
        Ok((wire, odd)) => {
            let told = odd.iter().take(MOST_TOLD).map(ToString::to_string).collect();
            make(wire, told)
                .map_err(|(field, problem)| unreadable(row, raw, Some(field.into()), problem))
        }
        Err(problem) => {
            let found = serde_path_to_error::deserialize::<_, W>(
                &mut serde_json::Deserializer::from_str(raw),
            );
            let field = found.err().map(|found| found.path().to_string());
            let field = field
                .filter(|path| !matches!(path.as_str(), "" | "." | "?"))
                .map(String::into_boxed_str);
            let said = if problem.is_data() {
                "it has a form that cannot be read"
            } else {
                "it is not whole JSON"
            };
            Err(unreadable(row, raw, field, said))
        }
    }
}

pub(super) fn unreadable(
    row: u64,
    raw: &str,
    field: Option<Box<str>>,
    problem: &str,
) -> Unreadable {
    // Each by itself: where one has an odd form, the others still count.
    let read = |raw: &str| lenient::read::<Salvage>(raw, |_| false).map(|(found, _)| found);
    let found =
        if raw.starts_with('{') { read(raw).unwrap_or_default() } else { Salvage::default() };
    Unreadable {
        row,
        id: present(found.id),
        cycle: present(found.seller_billing_cycle_id),
        last_updated: found.last_updated,
        field,
        problem: problem.into(),
    }
}

/// An id; none where it is empty.
pub(super) fn present(id: Option<String>) -> Option<String> {
    id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// A currency: three capital letters, whatever their case on the wire.
pub(super) fn currency(code: Option<String>) -> Result<String, Unfit> {
    let code = present(code).ok_or(("currency_iso_code", "it is missing"))?;
    if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Ok(code.to_ascii_uppercase());
    }
    Err(("currency_iso_code", "it is no currency's three letters"))
}
