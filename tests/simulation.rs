//! The fault simulation. `SIMULATION_SEEDS=n` runs n seeds (2,000 by default; the nightly run takes
//! 10,000), `SIMULATION_FROM=n` begins at another than the first, `SIMULATION_SEED=n` runs one and
//! prints its trace.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use system_tests::simulation::run::FAULTS;
use system_tests::simulation::sweep::{Scope, rehearse, sweep};
use system_tests::simulation::{Outcome, Plan, run};

/// A third of the simulation is short-lived orders and rows.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Every so many calls, a crash comes twice.
const PAIRS: usize = 10;
/// Threads that share the seeds.
const THREADS: usize = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

#[derive(Debug, Default)]
struct Sums {
    seeds: u64,
    orders: usize,
    faults: u64,
    effects: u64,
    created: usize,
    virtual_seconds: u64,
    /// With the seed that had them.
    fewest_faults: (u64, u64),
    fewest_orders: usize,
}

#[test]
fn no_seed_breaks_a_promise() {
    if let Some(seed) = number("SIMULATION_SEED") {
        let outcome = run(Plan::drawn(seed), None, true);
        show(&outcome);
        assert_eq!(outcome.violations, Vec::<String>::new(), "seed {seed}");
        return;
    }
    let first = number("SIMULATION_FROM").unwrap_or(1);
    let count = number("SIMULATION_SEEDS").unwrap_or(2_000);
    let seeds: Vec<u64> = (first..first + count).collect();
    let started = Instant::now();
    let next = AtomicU64::new(0);
    let failed: Mutex<Vec<Outcome>> = Mutex::default();
    let sums: Mutex<Sums> = Mutex::new(Sums {
        fewest_faults: (u64::MAX, 0),
        fewest_orders: usize::MAX,
        ..Sums::default()
    });
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let place = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
                    let Some(&seed) = seeds.get(place) else { return };
                    let outcome = run(Plan::drawn(seed), None, false);
                    let mut sums = sums.lock().unwrap();
                    sums.seeds += 1;
                    sums.orders += outcome.orders;
                    sums.faults += outcome.faults;
                    sums.effects += outcome.effects;
                    sums.created += outcome.created;
                    sums.virtual_seconds += outcome.lasted.as_secs();
                    if outcome.violations.is_empty() {
                        sums.fewest_faults = sums.fewest_faults.min((outcome.faults, outcome.seed));
                        sums.fewest_orders = sums.fewest_orders.min(outcome.orders);
                    } else {
                        let mut failed = failed.lock().unwrap();
                        failed.push(outcome);
                        if failed.len() >= 20 {
                            next.store(u64::MAX / 2, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let sums = sums.into_inner().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{} seeds in {seconds:.1} s ({:.1} ms a seed and core): {} orders, {} faults, {} calls, {} created, {} virtual hours",
        sums.seeds,
        seconds * 1000.0 * THREADS as f64 / sums.seeds as f64,
        sums.orders,
        sums.faults,
        sums.effects,
        sums.created,
        sums.virtual_seconds / 3600
    );
    let mut failed = failed.into_inner().unwrap();
    failed.sort_by_key(|outcome| outcome.seed);
    for outcome in &failed {
        println!("seed {} fails: {}", outcome.seed, outcome.violations.join("\n    "));
    }
    if let Some(first) = failed.first() {
        panic!(
            "{} of {} seeds fail, seed {} first; with its trace: SIMULATION_SEED={}",
            failed.len(),
            sums.seeds,
            first.seed,
            first.seed
        );
    }
    let (faults, seed) = sums.fewest_faults;
    assert!(faults >= FAULTS, "every seed has {FAULTS} faults or more, seed {seed} had {faults}");
    assert!(
        sums.fewest_orders >= 100,
        "every seed has 100 orders or more, one had {}",
        sums.fewest_orders
    );
}

/// Every call of the compact run is struck once by each fate; `CRASH_AT=153:crash-after` runs one
/// and prints its trace.
#[test]
fn no_crash_at_any_call_breaks_a_promise() {
    if let Ok(script) = std::env::var("CRASH_AT") {
        let script = if script == "none" { None } else { Some(script.parse().unwrap()) };
        let outcome = rehearse(script, true);
        show(&outcome);
        assert_eq!(outcome.violations, Vec::<String>::new());
        return;
    }
    let started = Instant::now();
    let swept = sweep(Scope::Calls { pairs: PAIRS }, 20);
    println!(
        "{} calls swept in {:.1} s: {} crashes, {} failures and lost answers, {} crashes at a call and again at its next attempt",
        swept.calls,
        started.elapsed().as_secs_f64(),
        swept.crashes,
        swept.failures,
        swept.pairs
    );
    for broken in &swept.broken {
        println!("{broken}");
    }
    if let Some(first) = swept.broken.first() {
        let script = first.script.map_or("none".to_owned(), |script| script.to_string());
        panic!(
            "{} of the runs fail; the first with its trace: CRASH_AT={script}",
            swept.broken.len()
        );
    }
    assert_eq!(
        swept.crashes,
        2 * swept.calls + swept.new_orders,
        "each call once with a crash before it, once with one after it"
    );
}

#[test]
fn a_seed_is_always_the_same_run() {
    for seed in [3, 17, 40] {
        let (one, other) = (run(Plan::drawn(seed), None, true), run(Plan::drawn(seed), None, true));
        let differs = one.trace.iter().zip(&other.trace).position(|(one, other)| one != other);
        if let Some(line) = differs {
            panic!(
                "seed {seed} differs from line {line} on:\n{}\n{}",
                one.trace[line], other.trace[line]
            );
        }
        assert_eq!(one.trace.len(), other.trace.len(), "seed {seed}");
    }
}

fn show(outcome: &Outcome) {
    for line in &outcome.trace {
        println!("{line}");
    }
    println!(
        "seed {}: {} orders, {} created, {} calls, {} faults, {:?}",
        outcome.seed,
        outcome.orders,
        outcome.created,
        outcome.effects,
        outcome.faults,
        outcome.lasted
    );
    for violation in &outcome.violations {
        println!("VIOLATION {violation}");
    }
}
