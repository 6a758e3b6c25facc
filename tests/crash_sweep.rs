//! The exhaustive sweep: every call of a small world that holds every kind of order, spoilt in every way it can be.
//!
//! `SWEEP_AT=<weather>:<call>:<fate>` lives through one of them and prints its trace; what a failure prints is ready to be
//! pasted there.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use system_tests::simulation::run;
use system_tests::simulation::run::Outcome;
use system_tests::simulation::sweep::{Weather, fates, plan, script, weathers};
use system_tests::simulation::world::Fate;

const THREADS: usize = 2;
/// The spoilt call, and whether that one and its successor of the second crash are spoilt together.
type Spoilt = Vec<(u64, Fate)>;

fn name_of(weather: usize, spoilt: &[(u64, Fate)]) -> String {
    let calls: Vec<String> = spoilt.iter().map(|(call, fate)| format!("{call}:{fate:?}")).collect();
    format!("{weather}:{}", calls.join(":"))
}

fn fate_of(name: &str) -> Fate {
    [Fate::CrashBefore, Fate::CrashAfter, Fate::Fails, Fate::AnswerLost]
        .into_iter()
        .find(|fate| format!("{fate:?}") == name)
        .unwrap_or_else(|| panic!("{name} is no fate: CrashBefore, CrashAfter, Fails or AnswerLost"))
}

#[test]
fn no_single_call_can_be_spoilt_so_that_a_promise_breaks() {
    let weathers = weathers();
    if let Ok(wanted) = std::env::var("SWEEP_AT") {
        let parts: Vec<&str> = wanted.split(':').collect();
        let weather = &weathers[parts[0].parse::<usize>().unwrap()];
        let spoilt: Spoilt = parts[1..].chunks(2).map(|pair| (pair[0].parse().unwrap(), fate_of(pair[1]))).collect();
        let outcome = run(plan(), Some(script(weather, &spoilt)), true);
        outcome.trace.iter().for_each(|line| println!("{line}"));
        assert_eq!(outcome.violations, Vec::<String>::new());
        return;
    }

    let started = Instant::now();
    let mut tasks: Vec<(usize, Spoilt)> = Vec::new();
    let mut swept: BTreeMap<String, usize> = BTreeMap::new();
    let mut calls = 0;
    for (index, weather) in weathers.iter().enumerate() {
        let undisturbed = run(plan(), Some(script(weather, &[])), false);
        assert_eq!(undisturbed.violations, Vec::<String>::new(), "without any spoilt call, weather: {}", weather.name);
        calls += undisturbed.kinds.len();
        for (call, kind) in (0_u64..).zip(&undisturbed.kinds) {
            for fate in fates(*kind) {
                *swept.entry(format!("{kind:?} {fate:?}")).or_default() += 1;
                tasks.push((index, vec![(call, *fate)]));
            }
            // A crash after an effect, and the repair that follows dies too: a sample, the distance going round.
            if index == 0 && fates(*kind).contains(&Fate::CrashAfter) {
                tasks.push((index, vec![(call, Fate::CrashAfter), (call + 1 + call % 37, Fate::CrashBefore)]));
                tasks.push((index, vec![(call, Fate::CrashAfter), (call + 1 + call % 41, Fate::CrashAfter)]));
            }
        }
    }
    let next = AtomicUsize::new(0);
    let failed: Mutex<Vec<(String, Outcome)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| live(&tasks, &weathers, &next, &failed));
        }
    });
    for (what, times) in &swept {
        println!("{times:>6} x {what}");
    }
    println!("{} runs over {calls} calls in {} weathers, {:.1} s", tasks.len(), weathers.len(), started.elapsed().as_secs_f64());
    let failed = failed.into_inner().unwrap();
    for (name, outcome) in failed.iter().take(20) {
        println!("SWEEP_AT={name} fails: {}", outcome.violations.join("\n    "));
    }
    assert!(failed.is_empty(), "{} of {} runs break a promise; with its trace: SWEEP_AT={}", failed.len(), tasks.len(), failed[0].0);
    // A sweep that no longer walks a path proves nothing about it.
    for walked in [
        "NewOrder CrashAfter",
        "CancelOrder CrashAfter",
        "Accept CrashAfter",
        "Reference CrashAfter",
        "Reserve CrashAfter",
        "Publish CrashAfter",
    ] {
        assert!(swept.contains_key(walked), "no call of the sweep is {walked}");
    }
}

fn live(tasks: &[(usize, Spoilt)], weathers: &[Weather], next: &AtomicUsize, failed: &Mutex<Vec<(String, Outcome)>>) {
    loop {
        let Some((weather, spoilt)) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
        let outcome = run(plan(), Some(script(&weathers[*weather], spoilt)), false);
        if !outcome.violations.is_empty() {
            failed.lock().unwrap().push((name_of(*weather, spoilt), outcome));
        }
    }
}
