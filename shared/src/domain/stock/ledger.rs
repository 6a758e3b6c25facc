//! What Mirakl is known to show of every offer of one channel: a million of them in sixteen bytes
//! each, found by a hash of the offer's SKU, and in about eight bytes each where they are kept.
//!
//! A *set* is a number of entries in the order of their hashes. The whole ledger is a set, and so
//! is what a run changed; both are kept alike, cut into *parts* that an item can hold:
//!
//! | bytes | what |
//! | --- | --- |
//! | 1 | the form: 1 |
//! | 1 to 10 each entry | LEB128: its hash, less the one before it in this part (less 0 for the first) |
//! | 1 to 5 each entry | LEB128: the quantity times four, plus 0 known, 1 unknown, 2 in doubt, 3 never published (quantity 0) |
//! | 8 | XXH3 of all before it, least byte first |

use xxhash_rust::xxh3::xxh3_64;

use super::hashes::Walk;
use super::offer::Shown;

/// Bytes of a part at most. An item may have 400 KB, its names included.
pub const LARGEST_PART: usize = 380_000;
/// The form of a part that is written, and the only one that is read.
const FORM: u8 = 1;
/// The longest an entry may be.
const LARGEST_ENTRY: usize = 15;
/// Bytes of the check sum.
const CHECK: usize = 8;

/// How an offer's SKU is named in the ledger: XXH3, 64 bits, seed 0, of its UTF-8 bytes. It never
/// changes: what is kept rests on it.
#[must_use]
pub fn sku_hash(offer_sku: &str) -> u64 {
    xxh3_64(offer_sku.as_bytes())
}

/// Pairs of different SKUs of one channel that have the same hash: the ledger cannot tell them
/// apart, so neither may be published by it, and a person has to know. Among a million SKUs there
/// is one with a chance of 1 in 37 million. A SKU that comes twice is none.
#[must_use]
pub fn collisions<'a>(skus: impl IntoIterator<Item = &'a str>) -> Vec<(&'a str, &'a str)> {
    collisions_of(skus, sku_hash)
}

fn collisions_of<'a>(
    skus: impl IntoIterator<Item = &'a str>,
    hash: impl Fn(&str) -> u64,
) -> Vec<(&'a str, &'a str)> {
    let mut hashed: Vec<(u64, &str)> = skus.into_iter().map(|sku| (hash(sku), sku)).collect();
    hashed.sort_unstable();
    hashed.dedup();
    hashed
        .windows(2)
        .filter(|pair| pair[0].0 == pair[1].0)
        .map(|pair| (pair[0].1, pair[1].1))
        .collect()
}

/// An entry of the ledger, or what becomes of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose ([`sku_hash`]).
    pub sku_hash: u64,
    /// What Mirakl is known to show; [`Shown::Never`] forgets the entry.
    pub value: Shown,
}

/// The ledger of one channel.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// In the order of their hashes, each hash once. What was forgotten stays, as never published.
    entries: Vec<Change>,
}

impl From<Vec<Change>> for Ledger {
    /// The ledger that is this set.
    fn from(set: Vec<Change>) -> Self {
        Self { entries: set }
    }
}

impl Ledger {
    /// What Mirakl is known to show of an offer.
    #[must_use]
    pub fn shown(&self, sku_hash: u64) -> Shown {
        self.place(sku_hash).map_or(Shown::Never, |place| self.entries[place].value)
    }

    /// As [`Ledger::shown`] of hashes in their order.
    pub(super) fn shown_in_order(&self) -> impl FnMut(u64) -> Shown {
        let mut walk = Walk::new(&self.entries);
        move |sku_hash| {
            walk.find(sku_hash, |entry| entry.sku_hash)
                .map_or(Shown::Never, |place| self.entries[place].value)
        }
    }

    /// Whether nothing was ever published, as far as is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries, in the order of their hashes.
    pub fn entries(&self) -> impl Iterator<Item = Change> + '_ {
        self.entries.iter().copied().filter(|entry| entry.value != Shown::Never)
    }

    /// Of these changes those that change something, as a set; of several of one SKU the last
    /// counts.
    #[must_use]
    pub fn effective(&self, changes: &[Change]) -> Vec<Change> {
        let mut set = changes.to_vec();
        // Stable, and reversed before: the last of several comes first, and stays.
        set.reverse();
        set.sort_by_key(|change| change.sku_hash);
        set.dedup_by_key(|change| change.sku_hash);
        set.retain(|change| self.shown(change.sku_hash) != change.value);
        set
    }

    /// Applies a set.
    pub fn apply(&mut self, set: &[Change]) {
        let mut new = Vec::new();
        for change in set {
            match self.place(change.sku_hash) {
                Ok(place) => self.entries[place].value = change.value,
                Err(_) => new.push(*change),
            }
        }
        if !new.is_empty() {
            self.entries.append(&mut new);
            // Two runs in order, one after the other: the stable sort merges them.
            self.entries.sort_by_key(|entry| entry.sku_hash);
        }
    }

    fn place(&self, sku_hash: u64) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&sku_hash, |entry| entry.sku_hash)
    }
}

impl PartialEq for Ledger {
    fn eq(&self, other: &Self) -> bool {
        self.entries().eq(other.entries())
    }
}

/// A set as the parts it is kept in, none of which has more than [`LARGEST_PART`] bytes. An empty
/// set has no parts.
#[must_use]
pub fn encode(set: impl IntoIterator<Item = Change>) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut part = vec![FORM];
    let mut before = 0;
    for Change { sku_hash, value } in set {
        if part.len() + LARGEST_ENTRY + CHECK > LARGEST_PART {
            parts.push(sealed(std::mem::replace(&mut part, vec![FORM])));
            before = 0;
        }
        write_number(&mut part, sku_hash.wrapping_sub(before));
        before = sku_hash;
        let (quantity, kind) = match value {
            Shown::Known(quantity) => (quantity, 0),
            Shown::Unknown(quantity) => (quantity, 1),
            Shown::InDoubt(quantity) => (quantity, 2),
            Shown::Never => (0, 3),
        };
        write_number(&mut part, u64::from(quantity) << 2 | kind);
    }
    if part.len() > 1 {
        parts.push(sealed(part));
    }
    parts
}

fn sealed(mut part: Vec<u8>) -> Vec<u8> {
    let check = xxh3_64(&part);
    part.extend(check.to_le_bytes());
    part
}

/// Reads a part and adds its entries to the set so far.
///
/// # Errors
/// In which way it is no part: nothing is added.
pub fn decode(part: &[u8], set: &mut Vec<Change>) -> Result<(), &'static str> {
    let (inside, check) = part.split_last_chunk::<CHECK>().ok_or("it is cut short")?;
    if xxh3_64(inside) != u64::from_le_bytes(*check) {
        return Err("its check sum is another");
    }
    let [FORM, rest @ ..] = inside else {
        return Err("its form is not one that this version reads");
    };
    let start = set.len();
    let read = read_entries(rest, set);
    if read.is_err() {
        set.truncate(start);
    }
    read
}

fn read_entries(mut rest: &[u8], set: &mut Vec<Change>) -> Result<(), &'static str> {
    let mut hash = 0_u64;
    let mut is_first = true;
    while !rest.is_empty() {
        let step = read_number(&mut rest)?;
        hash = hash
            .checked_add(step)
            .filter(|_| step > 0 || is_first)
            .ok_or("its entries are not in order")?;
        // Across parts as well: a set is in order as a whole.
        if is_first && set.last().is_some_and(|last| last.sku_hash >= hash) {
            return Err("its entries are not in order");
        }
        is_first = false;
        let packed = read_number(&mut rest)?;
        let quantity = u32::try_from(packed >> 2).map_err(|_| "a quantity is too large")?;
        let value = match (packed & 3, quantity) {
            (0, _) => Shown::Known(quantity),
            (1, _) => Shown::Unknown(quantity),
            (2, _) => Shown::InDoubt(quantity),
            _ => Shown::Never,
        };
        set.push(Change { sku_hash: hash, value });
    }
    Ok(())
}

fn write_number(to: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        to.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    to.push(number as u8);
}

fn read_number(rest: &mut &[u8]) -> Result<u64, &'static str> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or("it ends within a number")?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            break;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("a number is too large")
}

#[cfg(test)]
mod tests;
