//! Looks for a broken promise, the quickest ways first, and ends at the first it finds.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::run::run;
use super::sweep::{Scope, sweep};

/// Threads that share the seeds.
const THREADS: usize = 2;
/// Seeds that come before the crash sweep.
const QUICK: u64 = 100;
/// How the simulation takes a seed.
const SEED: &str = "SIMULATION_SEED";

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hunt {
    /// The seed or crash that shows it, as the simulation takes it: `SIMULATION_SEED=17`,
    /// `CRASH_AT=153:crash-after`, `STOCK_SEED=17`.
    pub shown_by: Option<String>,
    /// The first promise that it breaks.
    pub violation: String,
    /// Seeds run.
    pub seeds: u64,
    /// Runs of the crash sweep.
    pub swept: usize,
}

/// Hunts through the crash sweep and the seeds from 1 to `seeds`.
#[must_use]
pub fn hunt(seeds: u64) -> Hunt {
    let mut hunt = Hunt::default();
    if through_seeds(&mut hunt, 1, seeds.min(QUICK), SEED, first_broken) {
        return hunt;
    }
    let swept = sweep(Scope::Effects, 1);
    hunt.swept = 1 + swept.crashes + swept.failures;
    if let Some(broken) = swept.broken.into_iter().next() {
        hunt.shown_by = Some(format!(
            "CRASH_AT={}",
            broken.script.map_or("none".to_owned(), |script| script.to_string())
        ));
        hunt.violation = broken.violations.into_iter().next().unwrap_or_default();
        return hunt;
    }
    through_seeds(&mut hunt, QUICK + 1, seeds, SEED, first_broken);
    hunt
}

fn first_broken(seed: u64) -> Option<String> {
    run(Plan::drawn(seed), None, false).violations.into_iter().next()
}

/// True if one of these seeds breaks a promise, as `first_broken` says: the lowest that was run.
/// `variable` is how the simulation takes a seed.
pub fn through_seeds(
    hunt: &mut Hunt,
    first: u64,
    last: u64,
    variable: &str,
    first_broken: impl Fn(u64) -> Option<String> + Sync,
) -> bool {
    let next = AtomicU64::new(first);
    let found: Mutex<Option<(u64, String)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > last || found.lock().is_ok_and(|found| found.is_some()) {
                        return;
                    }
                    let Some(violation) = first_broken(seed) else { continue };
                    let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if found.as_ref().is_none_or(|(other, _)| seed < *other) {
                        *found = Some((seed, violation));
                    }
                }
            });
        }
    });
    hunt.seeds += (next.into_inner().saturating_sub(1)).min(last).saturating_sub(first - 1);
    let found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((seed, violation)) = found {
        hunt.shown_by = Some(format!("{variable}={seed}"));
        hunt.violation = violation;
    }
    hunt.shown_by.is_some()
}
