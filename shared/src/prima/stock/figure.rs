//! The free units of SKUs, as an answer to `ProductAvailableToSell` tells them.

use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

/// A Prima SKU in eight bytes: the XXH3 hash (64 bit, seed 0) of product and matrix codes, each
/// without blanks around it, parted by U+001F, codes at the end that are empty left out. Among a
/// million SKUs two share a key once in 37 million catalogues; if they do and have different
/// figures, neither has a usable one ([`WhyNot::Twice`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SkuKey(pub u64);

impl SkuKey {
    /// The key of a product and its matrix codes.
    pub fn of<'a>(product: &'a str, matrix_codes: impl IntoIterator<Item = &'a str>) -> Self {
        Self::joined(&mut String::with_capacity(64), product, matrix_codes)
    }

    /// The same for many: `text` is overwritten.
    pub(crate) fn joined<'a>(
        text: &mut String,
        product: &'a str,
        matrix_codes: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        text.clear();
        text.push_str(trimmed(product));
        let mut written = text.len();
        for code in matrix_codes {
            let code = trimmed(code);
            text.push('\u{1F}');
            text.push_str(code);
            if !code.is_empty() {
                written = text.len();
            }
        }
        text.truncate(written);
        Self(xxh3_64(text.as_bytes()))
    }
}

/// The free units of one SKU: 12 bytes, because there may be millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figure {
    key: [u32; 2],
    free: u32,
}

impl Figure {
    /// The free units of a SKU.
    #[must_use]
    pub fn new(key: SkuKey, free: u32) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
        Self { key: [(key.0 >> 32) as u32, key.0 as u32], free }
    }

    /// Whose.
    #[must_use]
    pub fn key(&self) -> SkuKey {
        SkuKey(u64::from(self.key[0]) << 32 | u64::from(self.key[1]))
    }

    /// Free units, by the agreed basis.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.free
    }
}

/// Why a SKU that was answered has no usable figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    /// An attribute that the agreed basis needs is not there.
    #[error("{0} is not answered: see stock.basis, or ask Prima's consultants to have it sent")]
    Absent(&'static str),
    /// It is no whole number of pieces that could be.
    #[error("{0} is no whole number of pieces between minus and plus one billion")]
    NoNumber(&'static str),
    /// One answer has the SKU twice, with different figures.
    #[error("the SKU is answered twice, with different figures")]
    Twice,
}

/// A SKU without a usable figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// Whose.
    pub key: SkuKey,
    /// Its product and matrix codes, where they are kept.
    pub sku: Option<String>,
    /// What is wrong with its figure.
    pub why: WhyNot,
}

/// A complete reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeReading {
    /// When its request was started: the figures count from then.
    pub asked_at: Timestamp,
    /// The figures, by key.
    pub figures: Vec<Figure>,
    /// SKUs without a usable one, by key.
    pub unusable: Vec<Unusable>,
    /// SKUs whose figure is below zero: they count as zero.
    pub below_zero: usize,
    /// SKU elements without a product: they are nobody's.
    pub nameless: usize,
    /// Some of the products, sorted: places at which the range may be split.
    pub products: Vec<String>,
    /// Characters of the response document.
    pub length: u64,
}

impl RangeReading {
    /// The free units of a SKU; none where it is not in this reading, or has no usable figure.
    #[must_use]
    pub fn free(&self, key: SkuKey) -> Option<u32> {
        let place = self.figures.binary_search_by_key(&key, Figure::key).ok()?;
        self.figures.get(place).map(Figure::free)
    }
}

/// As [`str::trim`], at once where there is nothing to be done.
pub(super) fn trimmed(text: &str) -> &str {
    match text.as_bytes() {
        [] => text,
        [first, .., last] | [first @ last]
            if first.is_ascii_graphic() && last.is_ascii_graphic() =>
        {
            text
        }
        _ => text.trim(),
    }
}
