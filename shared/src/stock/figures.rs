//! Prima's figures as the latest readings left them: sixteen bytes a SKU, with the moment at which each was asked for.
//!
//! They are kept in one file between runs, so that what is offered can be lowered while Prima is silent:
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | length of the heading, least byte first |
//! | so many | the heading, JSON: `form`, and the readings that the SKUs come from |
//! | 16 each | a SKU, in the order of their keys: key, free units, and reading and state as one number, least byte first |
//! | 8 | XXH3 of all before it, least byte first |

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::offer::Known;
use crate::prima::stock::{ProductRange, RangeReading, SkuKey};

/// The form that is written, and the only one that is read.
const FORM: u32 = 1;
/// Bytes of a SKU in the file.
const ENTRY: usize = 16;
/// Bytes of the check sum.
const CHECK: usize = 8;
/// The states of a SKU, in the low byte; what is smaller is the number of complete readings that have lacked it.
const MOST_ABSENCES: u8 = 250;
const UNUSABLE_SINCE: u8 = 254;
const NEVER_USABLE: u8 = 255;

/// A reading that figures come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// When its request was started.
    pub asked_at: Timestamp,
    /// What it read: every product of a range; none where it asked for single SKUs by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<ProductRange>,
}

/// Prima's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    sources: Vec<Source>,
    /// In the order of their keys, each key once.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    key: SkuKey,
    free: u32,
    source: u32,
    state: u8,
}

#[derive(Serialize, Deserialize)]
struct Heading {
    form: u32,
    sources: Vec<Source>,
}

/// What a run's readings changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// SKUs with a figure that can be used.
    pub figures: usize,
    /// SKUs that were answered without one.
    pub unusable: usize,
    /// SKUs that a complete reading lacked.
    pub absent: usize,
}

impl Figures {
    /// What is known of a SKU.
    #[must_use]
    pub fn known(&self, key: SkuKey) -> Known {
        let Some(entry) = self.entry(key) else { return Known::Never };
        match entry.state {
            0 => Known::Figure { free: entry.free, asked_at: self.source(&entry).asked_at },
            UNUSABLE_SINCE => Known::Unusable { last: Some(entry.free) },
            NEVER_USABLE => Known::Unusable { last: None },
            absences => Known::Absent { free: entry.free, readings: absences.into() },
        }
    }

    /// When the figure was asked for that is known, be it the one of before; none of a SKU that no reading ever had.
    #[must_use]
    pub fn asked_at(&self, key: SkuKey) -> Option<Timestamp> {
        self.entry(key).map(|entry| self.source(&entry).asked_at)
    }

    /// The latest reading, and the oldest that a usable figure still comes from: of what is gone, or has none, the age says nothing.
    #[must_use]
    pub fn ages(&self) -> Option<(Timestamp, Timestamp)> {
        let mut is_used = vec![false; self.sources.len()];
        for entry in self.entries.iter().filter(|entry| entry.state == 0) {
            is_used[entry.source as usize] = true;
        }
        let used = self.sources.iter().zip(is_used).filter(|(_, is_used)| *is_used).map(|(source, _)| source.asked_at);
        Some((used.clone().max()?, used.min()?))
    }

    /// How many SKUs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The keys of all SKUs that have a figure, in order.
    pub fn keys(&self) -> impl Iterator<Item = SkuKey> + '_ {
        self.entries.iter().map(|entry| entry.key)
    }

    fn entry(&self, key: SkuKey) -> Option<Entry> {
        let place = self.entries.binary_search_by_key(&key, |entry| entry.key).ok()?;
        self.entries.get(place).copied()
    }

    fn source(&self, entry: &Entry) -> &Source {
        // Checked where figures are read, and made here: no entry names a source that is not there.
        &self.sources[entry.source as usize]
    }

    /// Takes over the readings of one run. `whole`: together they are the whole catalogue. A SKU that a reading lacks is absent only
    /// where its very range was read, or the whole: a range that failed is no evidence of anything.
    pub fn take(&mut self, readings: &[(ProductRange, RangeReading)], whole: bool) -> Taken {
        let readings: Vec<_> = readings.iter().map(|(range, reading)| (Some(range), reading)).collect();
        self.merge(&readings, whole)
    }

    /// Takes over a reading of single SKUs that were asked for by name. One that it lacks stays as it was.
    pub fn take_named(&mut self, reading: &RangeReading) -> Taken {
        self.merge(&[(None, reading)], false)
    }

    fn merge(&mut self, readings: &[(Option<&ProductRange>, &RangeReading)], whole: bool) -> Taken {
        let mut taken = Taken::default();
        let mut sources: Vec<Source> = Vec::new();
        let mut new: Vec<Entry> = Vec::new();
        for (range, reading) in readings {
            let source = u32::try_from(sources.len()).unwrap_or(u32::MAX);
            sources.push(Source { asked_at: reading.asked_at, range: range.cloned() });
            new.extend(reading.figures.iter().map(|figure| Entry { key: figure.key(), free: figure.free(), source, state: 0 }));
            new.extend(reading.unusable.iter().map(|unusable| Entry { key: unusable.key, free: 0, source, state: NEVER_USABLE }));
        }
        // The product at which two ranges part is in both: the one that was asked for later counts.
        new.sort_by_key(|entry| (entry.key, std::cmp::Reverse(sources[entry.source as usize].asked_at)));
        new.dedup_by_key(|entry| entry.key);
        let covers = |source: &Source| source.range.is_some() && readings.iter().any(|(range, _)| *range == source.range.as_ref());
        let was_read: Vec<bool> = self.sources.iter().map(|source| whole || covers(source)).collect();
        taken.figures = new.iter().filter(|entry| entry.state == 0).count();
        taken.unusable = new.len() - taken.figures;
        let mut merged = Vec::with_capacity(new.len().max(self.entries.len()));
        let mut moved: HashMap<u32, u32> = HashMap::new();
        let mut fresh = new.into_iter().peekable();
        for mut old in std::mem::take(&mut self.entries) {
            while let Some(entry) = fresh.next_if(|entry| entry.key < old.key) {
                merged.push(entry);
            }
            if let Some(entry) = fresh.next_if(|entry| entry.key == old.key) {
                if entry.state != NEVER_USABLE || old.state == NEVER_USABLE {
                    merged.push(entry);
                    continue;
                }
                // The figure is that of before, and so is its moment: what was sold since is not in it.
                old.state = UNUSABLE_SINCE;
            } else if was_read[old.source as usize] {
                taken.absent += 1;
                if old.state == NEVER_USABLE {
                    // Nothing is held against what is shown before enough readings have lacked it.
                    old.free = u32::MAX;
                }
                old.state = if old.state >= UNUSABLE_SINCE { 1 } else { (old.state + 1).min(MOST_ABSENCES) };
            }
            old.source = *moved.entry(old.source).or_insert_with(|| {
                sources.push(self.sources[old.source as usize].clone());
                u32::try_from(sources.len() - 1).unwrap_or(u32::MAX)
            });
            merged.push(old);
        }
        merged.extend(fresh);
        (self.entries, self.sources) = (merged, sources);
        taken
    }

    /// As they are kept.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Texts, numbers and moments: nothing of it can fail to be written.
        let heading = serde_json::to_vec(&Heading { form: FORM, sources: self.sources.clone() }).unwrap_or_default();
        let mut bytes = Vec::with_capacity(4 + heading.len() + ENTRY * self.entries.len() + CHECK);
        bytes.extend(u32::try_from(heading.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(heading);
        for entry in &self.entries {
            bytes.extend(entry.key.0.to_le_bytes());
            bytes.extend(entry.free.to_le_bytes());
            bytes.extend((entry.source << 8 | u32::from(entry.state)).to_le_bytes());
        }
        let check = xxh3_64(&bytes);
        bytes.extend(check.to_le_bytes());
        bytes
    }

    /// Reads what was kept.
    ///
    /// # Errors
    /// In which way it is none. The next complete reading makes it anew.
    pub fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        let (inside, check) = bytes.split_last_chunk::<CHECK>().ok_or("it is cut short")?;
        if xxh3_64(inside) != u64::from_le_bytes(*check) {
            return Err("its check sum is another");
        }
        let (length, rest) = inside.split_first_chunk::<4>().ok_or("it is cut short")?;
        let (heading, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or("its heading is cut short")?;
        let heading: Heading = serde_json::from_slice(heading).map_err(|_| "its heading cannot be read")?;
        if heading.form != FORM {
            return Err("its form is not one that this version reads");
        }
        let (entries, rest) = rest.as_chunks::<ENTRY>();
        if !rest.is_empty() {
            return Err("it ends within a SKU");
        }
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        #[expect(clippy::cast_possible_truncation, reason = "four bytes each, and one")]
        let entry = |bytes: &[u8; ENTRY]| {
            let packed = number(&bytes[12..]) as u32;
            Entry { key: SkuKey(number(&bytes[..8])), free: number(&bytes[8..12]) as u32, source: packed >> 8, state: packed as u8 }
        };
        let entries: Vec<Entry> = entries.iter().map(entry).collect();
        if entries.iter().any(|entry| entry.source as usize >= heading.sources.len()) {
            return Err("a SKU comes from no reading");
        }
        if !entries.is_sorted_by(|one, other| one.key < other.key) {
            return Err("its SKUs are not in order");
        }
        Ok(Self { sources: heading.sources, entries })
    }
}

#[cfg(test)]
mod tests;
