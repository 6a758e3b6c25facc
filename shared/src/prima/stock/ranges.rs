//! In which ranges the catalogue is asked for, learnt from what each took.
//!
//! Neighbouring ranges share the product at which they part, because both ends of a range are
//! included: that product is read twice, and whatever comes later between two known products,
//! before the first or after the last, lies in a range. This holds for any order that Prima may
//! compare its codes by: a code that is not up to the first boundary is from it on, and so along
//! the chain to the last range, which is open. So a boundary may be any text, also a product that
//! is gone.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ProductRange;

/// What a reading took, or may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Took {
    /// From the request's start to the answer's end.
    pub milliseconds: u64,
    /// Bytes of the answer.
    pub bytes: u64,
    /// SKUs of the answer.
    pub skus: u64,
}

/// What a reading may take.
pub type RangeLimits = Took;

impl Took {
    /// How many times the limits this is, in the measure that is worst.
    fn share_of(&self, limits: &RangeLimits) -> f64 {
        let share = |took: u64, limit: u64| took as f64 / limit.max(1) as f64;
        share(self.milliseconds, limits.milliseconds)
            .max(share(self.bytes, limits.bytes))
            .max(share(self.skus, limits.skus))
    }

    fn plus(self, other: Self) -> Self {
        Self {
            milliseconds: self.milliseconds.saturating_add(other.milliseconds),
            bytes: self.bytes.saturating_add(other.bytes),
            skus: self.skus.saturating_add(other.skus),
        }
    }

    fn parted(self, parts: u64) -> Self {
        let parts = parts.max(1);
        Self {
            milliseconds: self.milliseconds / parts,
            bytes: self.bytes / parts,
            skus: self.skus / parts,
        }
    }
}

/// The ranges that cover the catalogue. Remembered between runs; a lost one begins again with the
/// whole catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangePlan {
    /// What the first range took, which is open below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<Took>,
    /// When the first range was asked for that was read last; none where it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_asked_at: Option<Timestamp>,
    /// Where each further range begins, and the one before it ends.
    #[serde(default)]
    further: Vec<Further>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Further {
    from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    took: Option<Took>,
    /// When it was asked for that was read last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked_at: Option<Timestamp>,
}

impl RangePlan {
    /// Parts of at most this share of the limits come of a split, and neighbours join that are
    /// together less than [`Self::SMALL`]: far enough apart that no range is split and joined in
    /// turn.
    const AIM: f64 = 0.7;
    const SMALL: f64 = 0.4;
    /// Parts that one reading is split into at most.
    const MOST_PARTS: u64 = 1000;
    /// Ranges beyond which none is parted any more.
    const MOST_RANGES: usize = 1000;
    /// Boundaries up to which ranges are parted of which no product is known: a Prima that answers
    /// nothing at all must not part them for ever.
    const MOST_UNKNOWN: usize = 63;

    /// Ranges that part at these products, in this order; the whole catalogue where there are none.
    pub fn parted_at(products: impl IntoIterator<Item = String>) -> Self {
        let mut products: Vec<String> =
            products.into_iter().map(|product| product.trim().to_owned()).collect();
        products.retain(|product| !product.is_empty());
        products.dedup();
        let further =
            products.into_iter().map(|from| Further { from, took: None, asked_at: None }).collect();
        Self { first: None, first_asked_at: None, further }
    }

    /// The ranges, which together cover every product.
    #[must_use]
    pub fn ranges(&self) -> Vec<ProductRange> {
        (0..=self.further.len()).map(|index| self.range(index)).collect()
    }

    /// The same, those first that were never read or not for longest: what one run does not come
    /// to, the next ones begin with.
    #[must_use]
    pub fn ranges_by_age(&self) -> Vec<ProductRange> {
        let mut ranges: Vec<_> = (0..=self.further.len())
            .map(|index| (self.asked_at(index), self.range(index)))
            .collect();
        ranges.sort_by_key(|(asked_at, _)| *asked_at);
        ranges.into_iter().map(|(_, range)| range).collect()
    }

    /// Since when everything is known: when that range was asked for which was read the longest
    /// ago. None where one never was.
    #[must_use]
    pub fn whole_since(&self) -> Option<Timestamp> {
        (0..=self.further.len()).map(|index| self.asked_at(index)).min().flatten()
    }

    fn asked_at(&self, index: usize) -> Option<Timestamp> {
        index.checked_sub(1).map_or(self.first_asked_at, |before| {
            self.further.get(before).and_then(|further| further.asked_at)
        })
    }

    fn range(&self, index: usize) -> ProductRange {
        let boundary = |further: Option<&Further>| {
            further.map(|further| further.from.clone()).unwrap_or_default()
        };
        ProductRange {
            from: boundary(index.checked_sub(1).and_then(|before| self.further.get(before))),
            to: boundary(self.further.get(index)),
        }
    }

    /// What is remembered of a range: what it took, and when it was asked for.
    fn memory(&mut self, index: usize) -> Option<(&mut Option<Took>, &mut Option<Timestamp>)> {
        match index.checked_sub(1) {
            None => Some((&mut self.first, &mut self.first_asked_at)),
            Some(before) => self
                .further
                .get_mut(before)
                .map(|further| (&mut further.took, &mut further.asked_at)),
        }
    }

    /// Remembers when a range was asked for and what it took, and splits it at some of the products
    /// of its answer where that is more than the limits. A range that is no longer one of the
    /// plan's is let be, and so is a single product, however large.
    pub fn learn(
        &mut self,
        range: &ProductRange,
        asked_at: Timestamp,
        took: Took,
        products: &[String],
        limits: &RangeLimits,
    ) {
        let share = took.share_of(limits);
        // Where hardly anything takes long, smaller ranges help nothing.
        let is_parted = share > 1.0
            && took.skus.saturating_mul(100) >= limits.skus
            && self.further.len() < Self::MOST_RANGES;
        let parts = if is_parted {
            ((share / Self::AIM).ceil() as u64).clamp(2, Self::MOST_PARTS)
        } else {
            1
        };
        let mut boundaries = evenly(products, parts as usize - 1);
        boundaries.retain(|product| *product != range.from && *product != range.to);
        if let Some((_, known)) = self.index(range).and_then(|index| self.memory(index)) {
            *known = Some(asked_at);
        }
        self.part(range, boundaries, Some(took));
    }

    /// Splits a range that failed after it had taken more than the limits: at some of the products
    /// that came before it was cut; where none came, in the middle of the texts between its ends.
    /// Answers the ranges that take its place; none where it is let be, because its failure has
    /// nothing to do with its size, or because nothing is known to part at.
    pub fn cut(
        &mut self,
        range: &ProductRange,
        took: Took,
        products: &[String],
        limits: &RangeLimits,
    ) -> Vec<ProductRange> {
        let share = took.share_of(limits);
        if share <= 1.0 {
            return Vec::new();
        }
        let parts = ((share / Self::AIM).ceil() as u64).clamp(2, Self::MOST_PARTS);
        let mut boundaries = evenly(products, parts as usize - 1);
        // What is behind the last one that came is as yet unread: a range of its own.
        boundaries.extend(products.last().cloned());
        boundaries.dedup();
        boundaries.retain(|product| *product != range.from && *product != range.to);
        let unknown = self.further.iter().filter(|further| further.took.is_none()).count();
        if boundaries.is_empty() && unknown < Self::MOST_UNKNOWN {
            boundaries.extend(middle(&range.from, &range.to));
        }
        let count = boundaries.len();
        let Some(index) =
            self.index(range).filter(|_| count > 0 && self.further.len() < Self::MOST_RANGES)
        else {
            return Vec::new();
        };
        self.part(range, boundaries, None);
        (index..=index + count).map(|index| self.range(index)).collect()
    }

    fn index(&self, range: &ProductRange) -> Option<usize> {
        (0..=self.further.len()).find(|&index| self.range(index) == *range)
    }

    fn part(&mut self, range: &ProductRange, products: Vec<String>, took: Option<Took>) {
        let Some(index) = self.index(range) else { return };
        let each = took.map(|took| took.parted(products.len() as u64 + 1));
        let Some((took, asked_at)) = self.memory(index) else { return };
        *took = each;
        let asked_at = *asked_at;
        self.further.splice(
            index..index,
            products.into_iter().map(|from| Further { from, took: each, asked_at }),
        );
    }

    /// Joins neighbours that together stay far below the limits. For the end of a run, when no
    /// range is being read.
    pub fn join(&mut self, limits: &RangeLimits) {
        let (mut before, mut before_asked_at) = (self.first, self.first_asked_at);
        let mut kept: Vec<Further> = Vec::with_capacity(self.further.len());
        for further in std::mem::take(&mut self.further) {
            let together = before.zip(further.took).map(|(one, other)| one.plus(other));
            match together.filter(|together| together.share_of(limits) < Self::SMALL) {
                Some(together) => {
                    before = Some(together);
                    before_asked_at = before_asked_at.min(further.asked_at);
                    match kept.last_mut() {
                        Some(last) => (last.took, last.asked_at) = (before, before_asked_at),
                        None => (self.first, self.first_asked_at) = (before, before_asked_at),
                    }
                }
                None => {
                    (before, before_asked_at) = (further.took, further.asked_at);
                    kept.push(further);
                }
            }
        }
        self.further = kept;
    }
}

/// At most so many of the products, evenly spread, without the first.
fn evenly(products: &[String], most: usize) -> Vec<String> {
    let mut spread: Vec<String> = (1..=most)
        .filter_map(|part| products.get(part * products.len() / (most + 1)).cloned())
        .collect();
    spread.dedup();
    spread.retain(|product| Some(product) != products.first());
    spread
}

/// A text about half way between two others as ASCII orders them, letters in upper case; an empty
/// `to` is above everything. Where Prima compares otherwise the halves are unlike, and still cover
/// everything.
fn middle(from: &str, to: &str) -> Option<String> {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    /// So many characters are looked at.
    const LONGEST: usize = 10;
    let number = |text: &str, open: bool| {
        let mut bytes = text.bytes().map(|byte| byte.to_ascii_uppercase());
        (0..LONGEST).fold(u64::from(open), |number, _| {
            // 0 is the end of the text; what is no digit counts as the one before it.
            let digit = bytes
                .next()
                .map_or(0, |byte| DIGITS.iter().filter(|digit| **digit <= byte).count());
            number * 37 + digit as u64
        })
    };
    let (low, high) = (number(from, false), number(to, to.is_empty()));
    let mut half = low + high.checked_sub(low)? / 2;
    let mut text = Vec::with_capacity(LONGEST);
    for place in (0..LONGEST as u32).rev() {
        let digit = half / 37_u64.pow(place);
        half %= 37_u64.pow(place);
        // A boundary needs no more than what tells it from both ends.
        let Some(character) = (digit as usize).checked_sub(1).and_then(|digit| DIGITS.get(digit))
        else {
            break;
        };
        text.push(char::from(*character));
        let found: String = text.iter().collect();
        if number(&found, false) > low && number(&found, false) < high {
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests;
