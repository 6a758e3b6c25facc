//! All lines of a shop's transaction log, by their ids. Pages may come in any order, overlap, and
//! come again: the ledger is the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::key::CycleKey;
use crate::kit::amount::Amount;
use crate::mirakl::finance::{TransactionLine, TransactionType, Unreadable};

/// What of a line the books rest on. A change of it after posting is a change of the books.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Facts {
    /// Its type.
    pub kind: TransactionType,
    /// Its currency.
    pub currency: String,
    /// To the seller.
    pub credited: Amount,
    /// From the seller.
    pub debited: Amount,
}

impl From<&TransactionLine> for Facts {
    fn from(line: &TransactionLine) -> Self {
        Self {
            kind: line.kind.clone(),
            currency: line.currency.clone(),
            credited: line.credited,
            debited: line.debited,
        }
    }
}

/// What is known of one id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// The newest version, by `last_updated`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<TransactionLine>,
    /// What other versions said.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    earlier: BTreeSet<Facts>,
    /// A version that cannot be read, and is not older than the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unreadable: Option<Unreadable>,
}

/// The ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    entries: BTreeMap<String, Entry>,
    /// Lines of which not even the id can be read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    nameless: BTreeSet<Unreadable>,
}

impl Ledger {
    /// Takes a line as it was read, or why it could not be.
    pub fn take(&mut self, line: Result<TransactionLine, Unreadable>) {
        match line {
            Ok(line) => self.entries.entry(line.id.clone()).or_default().take(line),
            Err(unreadable) => match &unreadable.id {
                Some(id) => self.entries.entry(id.clone()).or_default().take_unreadable(unreadable),
                None => {
                    self.nameless.insert(unreadable);
                }
            },
        }
    }

    /// Forgets what could not be read, before all of it is read again.
    pub fn forget_unreadable(&mut self, is_meant: impl Fn(&Unreadable) -> bool) {
        self.nameless.retain(|unreadable| !is_meant(unreadable));
        self.entries.retain(|_, entry| {
            entry.unreadable.take_if(|unreadable| is_meant(unreadable));
            entry.line.is_some() || entry.unreadable.is_some()
        });
    }

    /// All that could not be read.
    pub fn all_unreadable(&self) -> impl Iterator<Item = &Unreadable> {
        let named = self.entries.values().filter_map(|entry| entry.unreadable.as_ref());
        named.chain(&self.nameless)
    }

    /// Takes all that another ledger holds: of a line that both have, the newest version counts.
    pub fn absorb(&mut self, other: Self) {
        self.nameless.extend(other.nameless);
        for (id, theirs) in other.entries {
            let entry = self.entries.entry(id).or_default();
            entry.earlier.extend(theirs.earlier);
            if let Some(line) = theirs.line {
                entry.take(line);
            }
            if let Some(unreadable) = theirs.unreadable {
                entry.take_unreadable(unreadable);
            }
            if let Some(line) = &entry.line {
                entry.earlier.remove(&Facts::from(line));
            }
        }
    }

    /// Parts it: each line goes, with all that is known of it, where `place_of` says, and what could
    /// not be read where `unreadable_of` says.
    #[must_use]
    pub fn parted<P: Ord>(
        self,
        place_of: impl Fn(&TransactionLine) -> P,
        unreadable_of: impl Fn(&Unreadable) -> P,
    ) -> BTreeMap<P, Self> {
        let mut parts: BTreeMap<P, Self> = BTreeMap::new();
        for (id, entry) in self.entries {
            let place = match (&entry.line, &entry.unreadable) {
                (Some(line), _) => place_of(line),
                (None, Some(unreadable)) => unreadable_of(unreadable),
                (None, None) => continue,
            };
            parts.entry(place).or_default().entries.insert(id, entry);
        }
        for unreadable in self.nameless {
            let place = unreadable_of(&unreadable);
            parts.entry(place).or_default().nameless.insert(unreadable);
        }
        parts
    }

    /// Keeps only the lines that `is_kept` says so of, and what could not be read of others.
    pub fn retain(&mut self, is_kept: impl Fn(&TransactionLine) -> bool) {
        self.entries.retain(|_, entry| match &entry.line {
            Some(line) if !is_kept(line) => {
                (entry.line, entry.earlier) = (None, BTreeSet::new());
                entry.unreadable.is_some()
            }
            _ => true,
        });
    }

    /// The newest version of each line, by id.
    pub fn lines(&self) -> impl Iterator<Item = &TransactionLine> {
        self.entries.values().filter_map(|entry| entry.line.as_ref())
    }

    /// What earlier versions of a line said.
    pub fn earlier(&self, id: &str) -> impl Iterator<Item = &Facts> {
        self.entries.get(id).into_iter().flat_map(|entry| &entry.earlier)
    }

    /// What could not be read and may belong to the cycle: it holds the cycle.
    pub fn unreadable<'l>(&'l self, cycle: &'l str) -> impl Iterator<Item = &'l Unreadable> {
        self.all_unreadable().filter(move |line| line.cycle.as_deref().is_none_or(|of| of == cycle))
    }

    /// Puts each line into the cycle that it is in.
    #[must_use]
    pub fn by_cycle<'l>(&'l self, cycles: &'l [Listed]) -> ByCycle<'l> {
        by_cycle(self.lines(), cycles)
    }
}

impl Entry {
    fn take(&mut self, line: TransactionLine) {
        // The same on whatever way it comes: versions of one moment are told apart by content.
        let is_newer = |old: &TransactionLine| (line.last_updated, &line) > (old.last_updated, old);
        match &mut self.line {
            Some(old) if !is_newer(old) => {
                let facts = Facts::from(&line);
                if facts != Facts::from(&*old) {
                    self.earlier.insert(facts);
                }
            }
            newest => {
                let facts = Facts::from(&line);
                if let Some(old) = newest.replace(line) {
                    self.earlier.insert(Facts::from(&old));
                }
                self.earlier.remove(&facts);
            }
        }
        self.settle();
    }

    fn take_unreadable(&mut self, unreadable: Unreadable) {
        let newer = |old: &Unreadable| {
            // Without a date it may be the newest.
            let age = |of: &Unreadable| (of.last_updated.is_none(), of.last_updated);
            (age(&unreadable), &unreadable) > (age(old), old)
        };
        if self.unreadable.as_ref().is_none_or(newer) {
            self.unreadable = Some(unreadable);
        }
        self.settle();
    }

    /// A version that could be read and is as new does away with one that could not.
    fn settle(&mut self) {
        let read = self.line.as_ref().and_then(|line| line.last_updated);
        let is_over = self
            .unreadable
            .as_ref()
            .and_then(|unreadable| unreadable.last_updated)
            .is_some_and(|at| read.is_some_and(|read| read >= at));
        if is_over {
            self.unreadable = None;
        }
    }
}

/// A cycle that the marketplace lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: CycleKey,
    /// Its voucher's number, which repeats across shops, and is used only of lines that name no
    /// cycle.
    pub voucher: Option<String>,
}

/// Lines by the cycle that they are in: each stands in exactly one place.
#[derive(Clone, Debug, Default)]
pub struct ByCycle<'l> {
    /// In a listed cycle.
    pub cycles: BTreeMap<&'l CycleKey, Vec<&'l TransactionLine>>,
    /// In no cycle yet.
    pub open: Vec<&'l TransactionLine>,
    /// In a cycle that is not listed, or not in this currency or shop.
    pub unlisted: Vec<&'l TransactionLine>,
    /// In several at once: the line names no payment service provider, and the cycle has several.
    pub ambiguous: Vec<&'l TransactionLine>,
}

fn by_cycle<'l>(
    lines: impl Iterator<Item = &'l TransactionLine>,
    cycles: &'l [Listed],
) -> ByCycle<'l> {
    let mut index: BTreeMap<(bool, &str, &str), Vec<&Listed>> = BTreeMap::new();
    for listed in cycles {
        let currency = listed.key.currency.as_str();
        index.entry((true, &listed.key.cycle, currency)).or_default().push(listed);
        if let Some(voucher) = &listed.voucher {
            index.entry((false, voucher, currency)).or_default().push(listed);
        }
    }
    let mut found = ByCycle::default();
    for line in lines {
        let named = match (&line.cycle, &line.voucher) {
            (Some(cycle), _) => Some((true, cycle.as_str())),
            (None, Some(voucher)) => Some((false, voucher.as_str())),
            (None, None) => None,
        };
        let Some((by_id, name)) = named else {
            found.open.push(line);
            continue;
        };
        let fits = |listed: &&&Listed| {
            let psp = line.psp.as_ref().is_none_or(|psp| *psp == listed.key.psp);
            let shop = line.shop.as_ref().is_none_or(|shop| *shop == listed.key.shop);
            psp && shop
        };
        let at = index.get(&(by_id, name, line.currency.as_str())).map_or(&[][..], Vec::as_slice);
        let mut candidates = at.iter().filter(fits);
        match (candidates.next(), candidates.next()) {
            (Some(listed), None) => found.cycles.entry(&listed.key).or_default().push(line),
            (Some(_), Some(_)) => found.ambiguous.push(line),
            (None, _) if by_id => found.unlisted.push(line),
            (None, _) => found.open.push(line),
        }
    }
    found
}
