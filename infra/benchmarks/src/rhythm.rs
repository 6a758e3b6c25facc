//! On virtual time, with the real handlers: how soon an order is accepted, and how many calls it
//! takes over its life. The fault simulation's world is used, with nothing that goes wrong.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use local_world::Build;
use system_tests::simulation::{Plan, run};
use system_tests::world::fate::Kind;

use crate::row::{Figure, Row};

/// The schedule's interval.
const INTERVAL: f64 = 60.0;
/// References in one OR04.
const REFERENCES: f64 = 100.0;
/// An order is asked for before it is sent: Prima would take it twice.
const ASK_AND_SEND: usize = 2;

/// Measures.
pub(crate) fn measure(build: Build) -> Result<Vec<Row>> {
    let seeds = if build == Build::Development { 10 } else { 100 };
    println!("Living through {seeds} calm simulated worlds");
    let mut seconds = Vec::new();
    let mut calls: BTreeMap<Kind, u64> = BTreeMap::new();
    let (mut entered, mut least, mut hours) = (0.0, 0.0, 0.0);
    for seed in 1..=seeds {
        let outcome = run(Plan::calm(seed), None, false);
        if let Some(violation) = outcome.violations.first() {
            bail!("seed {seed} of the calm world breaks a promise: {violation}");
        }
        seconds.extend(outcome.seconds_to_acknowledge);
        for (kind, count) in outcome.tally {
            *calls.entry(kind).or_default() += count;
        }
        let achieved = outcome.achieved;
        entered += achieved.entered as f64;
        // From what both systems hold at the end, not from what was called: a call in vain counts
        // in ours alone.
        least += (achieved.accepted + ASK_AND_SEND * achieved.entered + achieved.cancelled) as f64
            + (achieved.entered as f64 / REFERENCES).ceil();
        hours += outcome.lasted.as_secs_f64() / 3600.0;
    }
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (share * (seconds.len().saturating_sub(1)) as f64).round() as usize;
        seconds.get(place).copied().unwrap_or_default()
    };
    let orders = seconds.len();
    let mut rows = Vec::new();
    for (name, share, best) in
        [("half of all orders", 0.5, 0.5), ("99 of 100", 0.99, 0.99), ("all", 1.0, 1.0)]
    {
        rows.push(Row {
            what: format!("waiting until accepted: {name}"),
            unit: "intervals",
            ours: Some(Figure::one(at(share) / INTERVAL, "")),
            bound: Some(Figure::one(best, "orders come evenly")),
            peer: None,
            note: format!("{orders} orders on virtual time; the interval is the schedule's minute, the least that Mirakl allows"),
        });
    }
    let count = |kind| calls.get(&kind).copied().unwrap_or_default() as f64;
    let made = count(Kind::Accept)
        + count(Kind::Reference)
        + count(Kind::Ask)
        + count(Kind::NewOrder)
        + count(Kind::CancelOrder);
    if entered == 0.0 {
        bail!("no order was entered in {seeds} calm worlds");
    }
    rows.push(Row {
        what: "trickling orders: calls per order entered, listings apart".to_owned(),
        unit: "calls",
        ours: Some(Figure::one(made / entered, "")),
        bound: Some(Figure::one(least / entered, "accept, ask, send")),
        peer: None,
        note: "virtual time; ours writes a reference within the minute, the bound waits for a hundred of them".to_owned(),
    });
    rows.push(Row {
        what: "listings of a channel in a minute".to_owned(),
        unit: "calls",
        ours: Some(Figure::one(count(Kind::List) / (hours * 60.0) / 2.0, "")),
        bound: None,
        peer: None,
        note: "OR11, pages and questions by id included; a fifth of the channels is listed every 15 minutes".to_owned(),
    });
    Ok(rows)
}
