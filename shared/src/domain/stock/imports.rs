//! One import: its lines and what each was shown as before, kept from before it is sent until it
//! has ended; and what its end says of the ledger.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::ledger::{Change, Ledger, sku_hash};
use super::offer::Shown;
use crate::mirakl::error_report::LineError;

/// A line of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportLine {
    /// The offer's SKU.
    pub offer_sku: String,
    /// The quantity that is sent.
    pub quantity: u32,
    /// What Mirakl was known to show before.
    pub before: Shown,
}

/// A line as it is kept, in CSV: the quantity that was known before stands beside how it was known.
#[derive(Serialize, Deserialize)]
struct KeptLine {
    offer_sku: String,
    quantity: u32,
    before: u32,
    known: KnownHow,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KnownHow {
    Known,
    Unknown,
    InDoubt,
    Never,
}

/// The lines as they are kept.
///
/// # Errors
/// The writer's, which in memory has none.
pub fn encode_lines(lines: &[ImportLine]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        let (known, before) = match line.before {
            Shown::Known(quantity) => (KnownHow::Known, quantity),
            Shown::Unknown(quantity) => (KnownHow::Unknown, quantity),
            Shown::InDoubt(quantity) => (KnownHow::InDoubt, quantity),
            Shown::Never => (KnownHow::Never, 0),
        };
        writer.serialize(KeptLine {
            offer_sku: line.offer_sku.clone(),
            quantity: line.quantity,
            before,
            known,
        })?;
    }
    writer.into_inner().map_err(|problem| csv::Error::from(problem.into_error()))
}

/// Reads lines that were kept.
///
/// # Errors
/// Where they cannot be read.
pub fn decode_lines(bytes: &[u8]) -> Result<Vec<ImportLine>, csv::Error> {
    let mut reader = csv::Reader::from_reader(bytes);
    let lines = reader.deserialize::<KeptLine>().map(|line| {
        line.map(|line| ImportLine {
            offer_sku: line.offer_sku,
            quantity: line.quantity,
            before: match line.known {
                KnownHow::Known => Shown::Known(line.before),
                KnownHow::Unknown => Shown::Unknown(line.before),
                KnownHow::InDoubt => Shown::InDoubt(line.before),
                KnownHow::Never => Shown::Never,
            },
        })
    });
    lines.collect()
}

/// What an import makes of the ledger before it is sent: each line counts as the highest that it
/// may be.
#[must_use]
pub fn in_doubt(lines: &[ImportLine]) -> Vec<Change> {
    let changes = lines.iter().map(|line| Change {
        sku_hash: sku_hash(&line.offer_sku),
        value: Shown::InDoubt(line.before.highest().max(line.quantity)),
    });
    changes.collect()
}

/// What takes an import back that certainly had no effect.
#[must_use]
pub fn taken_back(lines: &[ImportLine], ledger: &Ledger) -> Vec<Change> {
    lines
        .iter()
        .map(|line| Change { sku_hash: sku_hash(&line.offer_sku), value: unchanged(line, ledger) })
        .collect()
}

/// A line that Mirakl did not apply: it shows what it showed before, unless something was sold or
/// cancelled meanwhile.
fn unchanged(line: &ImportLine, ledger: &Ledger) -> Shown {
    match (ledger.shown(sku_hash(&line.offer_sku)), line.before) {
        (Shown::InDoubt(_), before) => before,
        (_, Shown::Never) => Shown::Never,
        (now, before) => Shown::Unknown(at_most(line, now, before.highest())),
    }
}

/// The highest that an offer may show which was touched while its import was on its way:
/// `otherwise`, unless more was put on top of what the import could bring, by the marketplace or by
/// an import that was not waited for any more.
fn at_most(line: &ImportLine, now: Shown, otherwise: u32) -> u32 {
    match now {
        Shown::Unknown(highest) if highest > line.before.highest().max(line.quantity) => highest,
        _ => otherwise,
    }
}

/// What a completed import says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// What becomes of the ledger.
    pub changes: Vec<Change>,
    /// Lines that Mirakl refused, and why.
    pub refused: Vec<(ImportLine, String)>,
    /// Lines that were imported.
    pub imported: usize,
    /// Refusals that name no line of the import: any may be meant, so all lines that are not
    /// refused for certain stay in doubt.
    pub unidentified: usize,
    /// The reason of one of these.
    pub unidentified_reason: String,
}

/// Settles a completed import: the ledger moves only for lines that are not in the error report.
#[must_use]
pub fn settle(lines: &[ImportLine], errors: &[LineError], ledger: &Ledger) -> Settled {
    let places: HashMap<&str, usize> =
        lines.iter().enumerate().map(|(place, line)| (line.offer_sku.as_str(), place)).collect();
    let mut in_small: Option<HashMap<String, Option<usize>>> = None;
    let mut settled = Settled::default();
    let mut refused = HashSet::new();
    for error in errors {
        // By its SKU alone: whether Mirakl counts the heading is not documented, and a number that
        // is off by one would have a refused line count as shown.
        let place = error.offer_sku.as_deref().and_then(|sku| {
            places.get(sku).copied().or_else(|| {
                let in_small = in_small.get_or_insert_with(|| places_in_small(lines));
                in_small.get(&sku.to_lowercase()).copied().flatten()
            })
        });
        match place {
            Some(place) if refused.insert(place) => {
                settled.refused.push((lines[place].clone(), error.reason.clone()))
            }
            Some(_) => {}
            None => {
                settled.unidentified += 1;
                if settled.unidentified_reason.is_empty() {
                    let named = error
                        .offer_sku
                        .as_ref()
                        .map_or_else(String::new, |sku| format!(" ({sku})"));
                    settled.unidentified_reason = format!("{}{named}", error.reason);
                }
            }
        }
    }
    for (place, line) in lines.iter().enumerate() {
        let hash = sku_hash(&line.offer_sku);
        let value = if refused.contains(&place) {
            unchanged(line, ledger)
        } else if settled.unidentified > 0 {
            continue;
        } else {
            settled.imported += 1;
            match ledger.shown(hash) {
                // It showed nothing before: what was sold meanwhile the import has brought.
                Shown::InDoubt(left) if line.before == Shown::Known(0) => {
                    Shown::Known(line.quantity.min(left))
                }
                Shown::InDoubt(_) => Shown::Known(line.quantity),
                // Sold or cancelled while the import was on its way.
                now @ Shown::Unknown(_) => Shown::Unknown(at_most(line, now, line.quantity)),
                // Nobody has waited for this import any more.
                other => other,
            }
        };
        settled.changes.push(Change { sku_hash: hash, value });
    }
    settled
}

/// The lines by their SKUs in small letters, as marketplaces compare them that answer in other
/// capitals; none where two differ by that alone.
fn places_in_small(lines: &[ImportLine]) -> HashMap<String, Option<usize>> {
    let mut places = HashMap::new();
    for (place, line) in lines.iter().enumerate() {
        places
            .entry(line.offer_sku.to_lowercase())
            .and_modify(|found| *found = None)
            .or_insert(Some(place));
    }
    places
}

/// What an import says that may have been applied after others of the same lines: they are
/// published again.
#[must_use]
pub fn published_again(lines: &[ImportLine], ledger: &Ledger) -> Vec<Change> {
    let changes = lines.iter().filter_map(|line| {
        let hash = sku_hash(&line.offer_sku);
        let value = match ledger.shown(hash) {
            // One that is in doubt is on its way in another import, and nobody knows which of both
            // was applied last.
            Shown::Known(quantity) | Shown::Unknown(quantity) | Shown::InDoubt(quantity) => {
                Shown::Unknown(quantity.max(line.quantity))
            }
            Shown::Never => return None,
        };
        Some(Change { sku_hash: hash, value })
    });
    changes.collect()
}

#[cfg(test)]
mod tests;
