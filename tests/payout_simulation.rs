//! The fault simulation of posting. `PAYOUT_SEEDS=n` runs n seeds (400 by default), `PAYOUT_SEED=n`
//! runs one and prints its trace.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use system_tests::payouts::{Outcome, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds that once found something.
const REGRESSIONS: [u64; 2] = [363, 656];
/// Threads that share the seeds.
const THREADS: usize = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn every_journal_is_posted_once_or_a_person_knows() {
    if let Some(seed) = number("PAYOUT_SEED") {
        let outcome = run(seed, true);
        for line in &outcome.trace {
            println!("{line}");
        }
        assert_eq!(outcome.violations, Vec::<String>::new(), "seed {seed}");
        return;
    }
    let count = number("PAYOUT_SEEDS").unwrap_or(400);
    let seeds: Vec<u64> = REGRESSIONS.into_iter().chain(1..=count).collect();
    let (started, next) = (Instant::now(), AtomicU64::new(0));
    let outcomes: Mutex<Vec<Outcome>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let place = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
                    let Some(&seed) = seeds.get(place) else { return };
                    let outcome = run(seed, false);
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_by_key(|outcome| outcome.seed);
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    println!(
        "{} seeds in {:.1} s: {} journals posted, {} exceptions, {} faults in {} calls",
        outcomes.len(),
        started.elapsed().as_secs_f64(),
        sum(|outcome| outcome.posted as u64),
        sum(|outcome| outcome.exceptions as u64),
        sum(|outcome| outcome.faults),
        sum(|outcome| outcome.calls),
    );
    let failed: Vec<&Outcome> =
        outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).collect();
    for outcome in failed.iter().take(20) {
        println!("seed {} fails: {}", outcome.seed, outcome.violations.join("\n    "));
    }
    if let Some(first) = failed.first() {
        panic!(
            "{} of {} seeds fail; the first with its trace: PAYOUT_SEED={}",
            failed.len(),
            outcomes.len(),
            first.seed
        );
    }
    assert!(sum(|outcome| outcome.posted as u64) > 3 * count, "hardly anything was posted");
    assert!(sum(|outcome| outcome.faults) > 5 * count, "hardly anything went wrong");
}
