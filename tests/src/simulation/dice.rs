//! One seeded source of chance for a whole run.

use std::cell::RefCell;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Chance, repeatable from its seed.
#[derive(Debug)]
pub struct Dice(RefCell<ChaCha8Rng>);

impl Dice {
    /// The dice of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(RefCell::new(ChaCha8Rng::seed_from_u64(seed)))
    }

    /// True with this probability.
    pub fn chance(&self, probability: f64) -> bool {
        probability > 0.0 && self.0.borrow_mut().random_bool(probability.min(1.0))
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&self, low: u64, high: u64) -> u64 {
        self.0.borrow_mut().random_range(low..=high.max(low))
    }

    /// An index below `length`.
    pub fn index(&self, length: usize) -> usize {
        self.0.borrow_mut().random_range(0..length.max(1))
    }

    /// A time from `low` to `high` seconds, in whole milliseconds.
    pub fn seconds(&self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low * 1000, high * 1000))
    }
}
