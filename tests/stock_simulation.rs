//! The fault simulation of stock. `STOCK_SEEDS=n` runs n seeds (60 by default), `STOCK_SEED=n` runs one and prints its trace.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use system_tests::stock::{Outcome, run, run_with_buffer};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds that once found something.
const REGRESSIONS: [u64; 12] = [23, 32, 49, 41, 118, 273, 278, 669, 865, 1102, 1114, 1262];
/// Threads that share the seeds.
const THREADS: usize = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn every_offer_comes_to_show_what_is_free_and_the_ledger_never_lies() {
    if let Some(seed) = number("STOCK_SEED") {
        let outcome = run(seed, true);
        for line in &outcome.trace {
            println!("{line}");
        }
        assert_eq!(outcome.violations, Vec::<String>::new(), "seed {seed}");
        return;
    }
    let count = number("STOCK_SEEDS").unwrap_or(60);
    let seeds: Vec<u64> = REGRESSIONS.into_iter().chain(1..=count).collect();
    let (started, next) = (Instant::now(), AtomicU64::new(0));
    let outcomes: Mutex<Vec<Outcome>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let place = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
                    let Some(&seed) = seeds.get(place) else { return };
                    let mut outcome = run(seed, false);
                    if seed.is_multiple_of(4) {
                        // A calm world: with the buffer that is advised for what was sold, nothing is sold twice.
                        let buffered = run_with_buffer(seed, outcome.advised_buffer, false);
                        outcome.violations.extend(buffered.violations);
                        if buffered.oversold > 0 {
                            outcome
                                .violations
                                .push(format!("{} units are oversold with a buffer of {}", buffered.oversold, outcome.advised_buffer));
                        }
                    }
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_by_key(|outcome| outcome.seed);
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    println!(
        "{} seeds in {:.1} s: {} units sold, {} of them beyond what was free, {} imports, {} faults",
        outcomes.len(),
        started.elapsed().as_secs_f64(),
        sum(|outcome| outcome.sold),
        sum(|outcome| outcome.oversold),
        sum(|outcome| outcome.imports as u64),
        sum(|outcome| outcome.faults),
    );
    let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).collect();
    for outcome in failed.iter().take(20) {
        println!("seed {} fails: {}", outcome.seed, outcome.violations.iter().take(5).cloned().collect::<Vec<_>>().join("\n    "));
    }
    if let Some(first) = failed.first() {
        panic!("{} of {} seeds fail; the first with its trace: STOCK_SEED={}", failed.len(), outcomes.len(), first.seed);
    }
    assert!(sum(|outcome| outcome.sold) > 20 * count, "hardly anything was sold: the plan is too tame");
    assert!(sum(|outcome| outcome.faults) > 20 * count, "hardly anything went wrong: the plan is too tame");
}
