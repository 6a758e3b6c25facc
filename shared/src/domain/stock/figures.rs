//! Prima's figures as the latest readings left them: sixteen bytes a SKU, with the moment at which
//! each was asked for.
//!
//! They are kept in one file between runs, so that what is offered can be lowered while Prima is
//! silent:
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

use super::hashes::Walk;
use super::offer::Known;
use crate::prima::sku::PrimaSku;
use crate::prima::stock::{ProductRange, RangeReading, SkuKey};

/// The form that is written, and the only one that is read.
const FORM: u32 = 1;
/// Bytes of a SKU in the file.
const ENTRY: usize = 16;
/// Bytes of the check sum.
const CHECK: usize = 8;
/// The states of a SKU, in the low byte; what is smaller is the number of complete readings that
/// have lacked it.
const MOST_ABSENCES: u8 = 250;
const UNUSABLE_SINCE: u8 = 254;
const NEVER_USABLE: u8 = 255;

/// A reading that figures come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// When its request was started.
    pub asked_at: Timestamp,
    /// What it read: every product of a range. Of SKUs that were asked for by name: the range that
    /// they were read in before, if there was one.
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

/// Sixteen bytes, because there may be millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    key: SkuKey,
    free: u32,
    /// The source times 256, and the state.
    packed: u32,
}

impl Entry {
    fn new(key: SkuKey, free: u32, source: u32, state: u8) -> Self {
        Self { key, free, packed: source << 8 | u32::from(state) }
    }

    fn source(self) -> usize {
        (self.packed >> 8) as usize
    }

    #[expect(clippy::cast_possible_truncation, reason = "the lowest byte")]
    fn state(self) -> u8 {
        self.packed as u8
    }
}

#[derive(Serialize, Deserialize)]
struct Heading {
    form: u32,
    sources: Vec<Source>,
}

impl PrimaSku {
    /// Its key among Prima's figures.
    #[must_use]
    pub fn key(&self) -> SkuKey {
        SkuKey::of(&self.product, self.matrix_codes.iter().map(String::as_str))
    }
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
        self.known_at(self.place(key))
    }

    /// What is known of the SKU at this place.
    pub(super) fn known_at(&self, place: Option<usize>) -> Known {
        let Some(entry) = place.and_then(|place| self.entries.get(place)).copied() else {
            return Known::Never;
        };
        match entry.state() {
            0 => Known::Figure { free: entry.free, asked_at: self.source(&entry).asked_at },
            UNUSABLE_SINCE => Known::Unusable { last: Some(entry.free) },
            NEVER_USABLE => Known::Unusable { last: None },
            absences => Known::Absent { free: entry.free, readings: absences.into() },
        }
    }

    /// When the figure was asked for that is known, be it the one of before; none of a SKU that no
    /// reading ever had.
    #[must_use]
    pub fn asked_at(&self, key: SkuKey) -> Option<Timestamp> {
        self.entry(key).map(|entry| self.source(&entry).asked_at)
    }

    /// The latest reading, and the oldest that a usable figure still comes from: of what is gone,
    /// or has none, the age says nothing.
    #[must_use]
    pub fn ages(&self) -> Option<(Timestamp, Timestamp)> {
        let mut is_used = vec![false; self.sources.len()];
        for entry in self.entries.iter().filter(|entry| entry.state() == 0) {
            is_used[entry.source()] = true;
        }
        let used = self
            .sources
            .iter()
            .zip(is_used)
            .filter(|(_, is_used)| *is_used)
            .map(|(source, _)| source.asked_at);
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

    fn entry(&self, key: SkuKey) -> Option<Entry> {
        self.entries.get(self.place(key)?).copied()
    }

    /// The places of SKUs in the order of the keys, for keys in their order.
    pub(super) fn places_in_order(&self) -> impl FnMut(SkuKey) -> Option<usize> {
        let mut walk = Walk::new(&self.entries);
        move |key| walk.find(key.0, |entry| entry.key.0)
    }

    /// The place of a SKU in the order of the keys.
    pub(super) fn place(&self, key: SkuKey) -> Option<usize> {
        self.entries.binary_search_by_key(&key, |entry| entry.key).ok()
    }

    fn source(&self, entry: &Entry) -> &Source {
        // Checked where figures are read, and made here: no entry names a source that is not there.
        &self.sources[entry.source()]
    }

    /// Takes over the readings of one run. `whole`: together they are the whole catalogue. A SKU
    /// that a reading lacks is absent only where its very range was read, or the whole: a range
    /// that failed is no evidence of anything.
    pub fn take(&mut self, readings: &[(ProductRange, RangeReading)], whole: bool) -> Taken {
        let readings: Vec<_> =
            readings.iter().map(|(range, reading)| (Some(range), reading)).collect();
        self.merge(&readings, whole)
    }

    /// Takes over a reading of single SKUs that were asked for by name. One that it lacks stays as
    /// it was. One that it has still belongs to the range that it was read in before: the next
    /// reading of that range may lack it.
    pub fn take_named(&mut self, reading: &RangeReading) -> Taken {
        self.merge(&[(None, reading)], false)
    }

    fn merge(&mut self, readings: &[(Option<&ProductRange>, &RangeReading)], whole: bool) -> Taken {
        let mut taken = Taken::default();
        let mut sources: Vec<Source> = Vec::new();
        let mut new: Vec<Entry> = Vec::with_capacity(
            readings.iter().map(|(_, read)| read.figures.len() + read.unusable.len()).sum(),
        );
        for (range, reading) in readings {
            let source = u32::try_from(sources.len()).unwrap_or(u32::MAX);
            sources.push(Source { asked_at: reading.asked_at, range: range.cloned() });
            new.extend(
                reading
                    .figures
                    .iter()
                    .map(|figure| Entry::new(figure.key(), figure.free(), source, 0)),
            );
            new.extend(
                reading
                    .unusable
                    .iter()
                    .map(|unusable| Entry::new(unusable.key, 0, source, NEVER_USABLE)),
            );
        }
        // The product at which two ranges part is in both: the one that was asked for later counts.
        let asked_at = |entry: &Entry| sources[entry.source()].asked_at;
        new.sort_by(|one, other| {
            one.key.cmp(&other.key).then_with(|| asked_at(other).cmp(&asked_at(one)))
        });
        new.dedup_by_key(|entry| entry.key);
        let covers = |source: &Source| {
            source.range.is_some()
                && readings.iter().any(|(range, _)| *range == source.range.as_ref())
        };
        let was_read: Vec<bool> =
            self.sources.iter().map(|source| whole || covers(source)).collect();
        taken.figures = new.iter().filter(|entry| entry.state() == 0).count();
        taken.unusable = new.len() - taken.figures;
        if self.entries.is_empty() {
            (self.entries, self.sources) = (new, sources);
            return taken;
        }
        let mut moved: HashMap<usize, u32> = HashMap::new();
        let mut named: HashMap<(usize, usize), u32> = HashMap::new();
        // Nearly every SKU was there before, and keeps its place.
        let mut added = Vec::new();
        let mut fresh = new.into_iter().peekable();
        for old in &mut self.entries {
            while let Some(entry) = fresh.next_if(|entry| entry.key < old.key) {
                added.push(entry);
            }
            let (mut free, mut state) = (old.free, old.state());
            if let Some(entry) = fresh.next_if(|entry| entry.key == old.key) {
                if entry.state() != NEVER_USABLE || state == NEVER_USABLE {
                    let (before, source) = (&self.sources[old.source()], &sources[entry.source()]);
                    let named_in_range = source.range.is_none() && before.range.is_some();
                    let source = if named_in_range {
                        let both =
                            Source { asked_at: source.asked_at, range: before.range.clone() };
                        *named.entry((old.source(), entry.source())).or_insert_with(|| {
                            sources.push(both);
                            u32::try_from(sources.len() - 1).unwrap_or(u32::MAX)
                        })
                    } else {
                        u32::try_from(entry.source()).unwrap_or(u32::MAX)
                    };
                    *old = Entry::new(entry.key, entry.free, source, entry.state());
                    continue;
                }
                // The figure is that of before, and so is its moment: what was sold since is not in
                // it.
                state = UNUSABLE_SINCE;
            } else if was_read[old.source()] {
                taken.absent += 1;
                if state == NEVER_USABLE {
                    // Nothing is held against what is shown before enough readings have lacked it.
                    free = u32::MAX;
                }
                state = if state >= UNUSABLE_SINCE { 1 } else { (state + 1).min(MOST_ABSENCES) };
            }
            let source = *moved.entry(old.source()).or_insert_with(|| {
                sources.push(self.sources[old.source()].clone());
                u32::try_from(sources.len() - 1).unwrap_or(u32::MAX)
            });
            *old = Entry::new(old.key, free, source, state);
        }
        if !added.is_empty() || fresh.peek().is_some() {
            self.entries.append(&mut added);
            self.entries.extend(fresh);
            // Three runs in order, one after the other: the stable sort merges them.
            self.entries.sort_by_key(|entry| entry.key);
        }
        self.sources = sources;
        taken
    }

    /// As they are kept.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Texts, numbers and moments: nothing of it can fail to be written.
        let heading = serde_json::to_vec(&Heading { form: FORM, sources: self.sources.clone() })
            .unwrap_or_default();
        let mut bytes = Vec::with_capacity(4 + heading.len() + ENTRY * self.entries.len() + CHECK);
        bytes.extend(u32::try_from(heading.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend(heading);
        for entry in &self.entries {
            bytes.extend(entry.key.0.to_le_bytes());
            bytes.extend(entry.free.to_le_bytes());
            bytes.extend(entry.packed.to_le_bytes());
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
        let (heading, rest) = rest
            .split_at_checked(u32::from_le_bytes(*length) as usize)
            .ok_or("its heading is cut short")?;
        let heading: Heading =
            serde_json::from_slice(heading).map_err(|_| "its heading cannot be read")?;
        if heading.form != FORM {
            return Err("its form is not one that this version reads");
        }
        let (entries, rest) = rest.as_chunks::<ENTRY>();
        if !rest.is_empty() {
            return Err("it ends within a SKU");
        }
        let number = |bytes: &[u8]| {
            bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
        };
        #[expect(clippy::cast_possible_truncation, reason = "four bytes each")]
        let entry = |bytes: &[u8; ENTRY]| Entry {
            key: SkuKey(number(&bytes[..8])),
            free: number(&bytes[8..12]) as u32,
            packed: number(&bytes[12..]) as u32,
        };
        let entries: Vec<Entry> = entries.iter().map(entry).collect();
        if entries.iter().any(|entry| entry.source() >= heading.sources.len()) {
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
