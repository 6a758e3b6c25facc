//! Looks for a broken promise of posting, and ends at the first.

use crate::simulation::hunt::{Hunt, through_seeds};

use super::run::run;

/// Hunts through the seeds from 1 to `seeds`.
#[must_use]
pub fn hunt(seeds: u64) -> Hunt {
    let mut hunt = Hunt::default();
    through_seeds(&mut hunt, 1, seeds, "PAYOUT_SEED", |seed| {
        run(seed, false).violations.into_iter().next()
    });
    hunt
}
