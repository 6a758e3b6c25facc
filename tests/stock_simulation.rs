//! The fault simulation of stock: every offer is held against what is truly free at every sale and
//! after every run. `STOCK_SEEDS=n` runs n seeds (100 by default), `STOCK_SEED=n` runs one and
//! prints its trace, `STOCK_BUFFER=n` with so many units held back of everything.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use system_tests::stock::{Outcome, judged, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds that once found something.
const REGRESSIONS: [u64; 5] = [34, 71, 82, 171, 175];
/// Threads that share the seeds.
const THREADS: usize = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// No offer shows more than is free, and every offer comes to show what it should.
#[test]
fn no_offer_oversells_and_all_reach_their_right_figure() {
    if let Some(seed) = number("STOCK_SEED") {
        let buffer = number("STOCK_BUFFER").map(|units| u32::try_from(units).unwrap());
        let outcome = run(seed, buffer, true);
        for line in &outcome.trace {
            println!("{line}");
        }
        assert_eq!(outcome.violations, Vec::<String>::new(), "seed {seed}");
        return;
    }
    let count = number("STOCK_SEEDS").unwrap_or(100);
    let seeds: Vec<u64> = REGRESSIONS.into_iter().chain(1..=count).collect();
    let (started, next) = (Instant::now(), AtomicU64::new(0));
    let outcomes: Mutex<Vec<Outcome>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let place = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
                    let Some(&seed) = seeds.get(place) else { return };
                    outcomes.lock().unwrap().push(judged(seed));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_by_key(|outcome| outcome.seed);
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    println!(
        "{} seeds in {:.1} s: {} units sold, {} of them beyond what was there, {} imports, {} faults in {} calls, {} offers and entries judged",
        outcomes.len(),
        started.elapsed().as_secs_f64(),
        sum(|outcome| outcome.sold),
        sum(|outcome| outcome.beyond),
        sum(|outcome| outcome.imports as u64),
        sum(|outcome| outcome.faults),
        sum(|outcome| outcome.calls),
        sum(|outcome| outcome.judged),
    );
    let failed: Vec<&Outcome> =
        outcomes.iter().filter(|outcome| !outcome.violations.is_empty()).collect();
    for outcome in failed.iter().take(20) {
        println!("seed {} fails: {}", outcome.seed, outcome.violations.join("\n    "));
    }
    if let Some(first) = failed.first() {
        panic!(
            "{} of {} seeds fail; the first with its trace: STOCK_SEED={}",
            failed.len(),
            outcomes.len(),
            first.seed
        );
    }
    assert!(
        sum(|outcome| outcome.sold) > 20 * count,
        "hardly anything was sold: the plan is too tame"
    );
    assert!(
        sum(|outcome| outcome.faults) > 20 * count,
        "hardly anything went wrong: the plan is too tame"
    );
}
