//! What a journal is made for, once: the key of a billing cycle, and the names of its journals.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::kit::digest::sha256_hex;
use crate::mirakl::finance::BillingCycle;

/// The payment service provider where Mirakl names none.
pub const NO_PSP: &str = "NOT_SPECIFIED";
/// The shortest reference that still tells keys apart: a prefix and 60 bits.
pub const SHORTEST_REFERENCE: usize = 12;
/// What a reference begins with.
const PREFIX: &str = "MK";
/// Crockford's alphabet: no letter is taken for a digit.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// One billing cycle, in one currency, through one payment service provider. The channel's name is
/// no part of it: a renamed channel is still the same shop.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CycleKey {
    /// The marketplace's host, in small letters.
    pub host: String,
    /// The shop on it.
    pub shop: String,
    /// The billing cycle's id.
    pub cycle: String,
    /// The currency's three letters.
    pub currency: String,
    /// The payment service provider's code; [`NO_PSP`] for none.
    pub psp: String,
}

impl CycleKey {
    /// The key of a cycle that a marketplace lists for a shop.
    #[must_use]
    pub fn of(host: &str, shop: &str, cycle: &BillingCycle) -> Self {
        Self {
            host: host.to_ascii_lowercase(),
            shop: shop.to_owned(),
            cycle: cycle.id.clone(),
            currency: cycle.currency.clone(),
            psp: cycle.psp.clone().unwrap_or_else(|| NO_PSP.to_owned()),
        }
    }

    /// What names of its journals are made from: each part with its length, so that no two keys
    /// come to the same text.
    fn digest(&self, name: &JournalName) -> String {
        let parts = [&self.host, &self.shop, &self.cycle, &self.currency, &self.psp];
        let mut text: String = parts.iter().map(|part| format!("{}:{part};", part.len())).collect();
        text.push_str(&name.to_string());
        sha256_hex(text.as_bytes())
    }

    /// The TPGUID of a journal: the same whenever it is asked for, and no other journal's.
    #[must_use]
    pub fn guid(&self, name: &JournalName) -> String {
        let digits = self.digest(name);
        let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }

    /// The reference of a journal, of at most `length` characters: a hash of the key, and the
    /// journal's own suffix.
    #[must_use]
    pub fn reference(&self, name: &JournalName, length: usize) -> String {
        let suffix = name.to_string();
        // A suffix takes nothing from the hash's least length.
        let digits = length.max(SHORTEST_REFERENCE).saturating_sub(PREFIX.len() + suffix.len());
        let digits = digits.clamp(SHORTEST_REFERENCE - PREFIX.len(), 16);
        // All journals of a key share the hash, and differ by their suffix.
        let bits = self.digest(&JournalName::default());
        let hash: String = bits
            .as_bytes()
            .chunks(2)
            .take(digits)
            .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .filter_map(|byte| ALPHABET.get(usize::from(byte % 32)))
            .map(|&letter| char::from(letter))
            .collect();
        format!("{PREFIX}{hash}{suffix}")
    }
}

impl fmt::Display for CycleKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}/{}", self.host, self.shop, self.cycle, self.currency)?;
        if self.psp == NO_PSP { Ok(()) } else { write!(formatter, "/{}", self.psp) }
    }
}

/// What a journal is to its cycle.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum JournalKind {
    /// The cycle's journal.
    #[default]
    Cycle,
    /// The differences since: `/A1`, `/A2`.
    Supplementary(u32),
    /// The mirror image of all that was posted: `/R1`.
    Reversal(u32),
    /// Out of suspense: `/S1`.
    Reclassification(u32),
}

/// Which journal of a cycle.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct JournalName {
    /// How often the cycle was reversed and posted anew before: nothing is shown of 0.
    pub reversed: u32,
    /// What it is.
    pub kind: JournalKind,
    /// Which part, from 1, where it is split: `/1`, `/2`.
    pub part: Option<u32>,
}

impl fmt::Display for JournalName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reversed > 0 {
            write!(formatter, "-{}", self.reversed + 1)?;
        }
        match self.kind {
            JournalKind::Cycle => {}
            JournalKind::Supplementary(number) => write!(formatter, "/A{number}")?,
            JournalKind::Reversal(number) => write!(formatter, "/R{number}")?,
            JournalKind::Reclassification(number) => write!(formatter, "/S{number}")?,
        }
        match self.part {
            Some(part) => write!(formatter, "/{part}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn key() -> CycleKey {
        CycleKey {
            host: "example.mirakl.net".to_owned(),
            shop: "2001".to_owned(),
            cycle: "BC-2031".to_owned(),
            currency: "GBP".to_owned(),
            psp: NO_PSP.to_owned(),
        }
    }

    #[test]
    fn another_part_of_the_key_is_another_reference_and_guid() {
        let changed = |change: fn(&mut CycleKey)| {
            let mut key = key();
            change(&mut key);
            key
        };
        let keys = [
            key(),
            changed(|key| key.host.push('x')),
            changed(|key| key.shop.push('1')),
            changed(|key| key.cycle.push('1')),
            changed(|key| key.currency = "EUR".to_owned()),
            changed(|key| key.psp = "MANGOPAY".to_owned()),
            // The same letters, divided otherwise.
            changed(|key| (key.shop, key.cycle) = ("2001B".to_owned(), "C-2031".to_owned())),
        ];
        let first = JournalName::default();
        let references: BTreeSet<_> = keys.iter().map(|key| key.reference(&first, 12)).collect();
        let guids: BTreeSet<_> = keys.iter().map(|key| key.guid(&first)).collect();
        assert_eq!((references.len(), guids.len()), (keys.len(), keys.len()));
    }

    #[test]
    fn names_of_one_cycle_differ_by_their_suffix_and_keep_the_sites_length() {
        let name = |kind, part, reversed| JournalName { reversed, kind, part };
        let names = [
            (name(JournalKind::Cycle, None, 0), ""),
            (name(JournalKind::Cycle, Some(2), 0), "/2"),
            (name(JournalKind::Supplementary(1), None, 0), "/A1"),
            (name(JournalKind::Reversal(1), None, 0), "/R1"),
            (name(JournalKind::Reclassification(1), Some(1), 0), "/S1/1"),
            (name(JournalKind::Cycle, None, 1), "-2"),
        ];
        let mut seen = BTreeSet::new();
        for (name, suffix) in names {
            let reference = key().reference(&name, 20);
            assert!(reference.ends_with(suffix) && reference.len() <= 20, "{reference}");
            assert!(seen.insert(reference) && seen.insert(key().guid(&name)));
        }
        assert_eq!(key().guid(&JournalName::default()).len(), 36);
        assert_eq!(key().reference(&JournalName::default(), 20).len(), 18);
    }
}
