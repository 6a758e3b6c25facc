//! Chance, repeatable from a seed. Each part of a world, and each call, has dice of its own:
//! whoever draws once more changes nothing for the others.

use std::cell::Cell;
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// A source of chance.
#[derive(Debug)]
pub struct Dice {
    seed: u64,
    drawn: Cell<u64>,
}

/// The constant of `SplitMix64`, by which its state grows.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The last step of `SplitMix64`: numbers next to each other come out far apart.
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// FNV-1a: the same on every machine and with every version of Rust, which the standard library's
/// hasher does not promise.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        mixed(self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// What something is called, as a number.
pub(crate) fn hashed(what: impl Hash) -> u64 {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    what.hash(&mut hasher);
    hasher.finish()
}

impl Dice {
    /// The dice of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: Cell::new(0) }
    }

    /// The dice of a part: they depend on the seed and on what it is called, and not on what was
    /// drawn before.
    #[must_use]
    pub fn of(&self, what: impl Hash) -> Self {
        Self::new(mixed(self.seed ^ hashed(what)))
    }

    fn next(&self) -> u64 {
        let drawn = self.drawn.get() + 1;
        self.drawn.set(drawn);
        mixed(self.seed.wrapping_add(drawn.wrapping_mul(STEP)))
    }

    /// True with this probability.
    pub fn chance(&self, probability: f64) -> bool {
        probability > 0.0 && ((self.next() >> 11) as f64) < probability * (1_u64 << 53) as f64
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&self, low: u64, high: u64) -> u64 {
        let span = high.max(low) - low;
        low + span.checked_add(1).map_or_else(|| self.next(), |count| self.next() % count)
    }

    /// An index below `length`.
    pub fn index(&self, length: usize) -> usize {
        usize::try_from(self.next() % (length.max(1) as u64)).unwrap_or_default()
    }

    /// A time from `low` to `high` seconds, in whole milliseconds.
    pub fn seconds(&self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low * 1000, high * 1000))
    }
}
