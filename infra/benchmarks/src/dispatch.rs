//! On virtual time, with the real handlers: how soon a parcel is told after its booking, and how
//! many calls that takes. The fault simulation's world of dispatches is used, with nothing that
//! goes wrong.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use local_world::Build;
use system_tests::dispatches::run::INTERVAL_MINUTES;
use system_tests::dispatches::run_calm;

use crate::row::{Figure, Row};

/// Orders that figures are told for.
const THOUSAND: f64 = 1000.0;

/// Measures.
pub(crate) fn measure(build: Build) -> Result<Vec<Row>> {
    let seeds = if build == Build::Development { 10 } else { 100 };
    println!("Living through {seeds} calm simulated days in the warehouse");
    let mut seconds = Vec::new();
    let mut calls: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut orders, mut least_mirakl, mut happenings, mut hours) = (0.0, 0.0, 0.0, 0.0);
    for seed in 1..=seeds {
        let outcome = run_calm(seed);
        if let Some(violation) = outcome.violations.first() {
            bail!("seed {seed} of the calm day breaks a promise: {violation}");
        }
        for (operation, count) in outcome.tally {
            *calls.entry(operation).or_default() += count;
        }
        let achieved = outcome.achieved;
        orders += achieved.orders as f64;
        // A whole order: OR23 and OR24. A part: ST01. A settlement: the order is read for its
        // amounts, then one call.
        least_mirakl +=
            (2 * achieved.shipped_whole + achieved.shipments + 2 * achieved.settled_orders) as f64;
        happenings += achieved.happenings as f64;
        hours += achieved.open_hours;
        seconds.extend(achieved.seconds_to_tell);
    }
    if orders == 0.0 || seconds.is_empty() {
        bail!("nothing left in {seeds} calm days");
    }
    seconds.sort_by(f64::total_cmp);
    let at = |share: f64| {
        seconds
            .get((share * (seconds.len() - 1) as f64).round() as usize)
            .copied()
            .unwrap_or_default()
    };
    let interval = f64::from(INTERVAL_MINUTES) * 60.0;
    let mut rows = Vec::new();
    for (name, share, best) in [("half of all parcels", 0.5, 0.5), ("95 of 100", 0.95, 0.95)] {
        rows.push(Row {
            what: format!("from booking in Prima to SHIPPED: {name}"),
            unit: "intervals",
            ours: Some(Figure::one(at(share) / interval, "")),
            bound: Some(Figure::one(best, "parcels leave evenly")),
            peer: None,
            note: format!(
                "{} parcels on virtual time; the interval is {INTERVAL_MINUTES} minutes between two questions for one order",
                seconds.len()
            ),
        });
    }
    let questions = calls.get("OrderStatus").copied().unwrap_or_default() as f64;
    let told: u64 = calls
        .iter()
        .filter(|(operation, _)| **operation != "OrderStatus")
        .map(|(_, count)| *count)
        .sum();
    let detail = calls
        .iter()
        .map(|(operation, count)| format!("{operation} {count}"))
        .collect::<Vec<_>>()
        .join(", ");
    let per_thousand = |calls: f64| calls / orders * THOUSAND;
    rows.push(Row {
        what: "1,000 orders dispatched: calls to Mirakl".to_owned(),
        unit: "calls",
        ours: Some(Figure::one(per_thousand(told as f64), "")),
        bound: Some(Figure::one(
            per_thousand(least_mirakl),
            "tell each once; read what is settled",
        )),
        peer: None,
        note: detail,
    });
    let by_interval = hours * 60.0 / f64::from(INTERVAL_MINUTES);
    rows.push(Row {
        what: "1,000 orders dispatched: questions to Prima".to_owned(),
        unit: "calls",
        ours: Some(Figure::one(per_thousand(questions), "")),
        bound: Some(Figure::one(
            per_thousand(by_interval + happenings),
            "one each interval while open, one for what left",
        )),
        peer: None,
        note: format!(
            "orders were open for {:.1} hours each; who knew when to ask would need {:.0}",
            hours / orders,
            per_thousand(happenings)
        ),
    });
    Ok(rows)
}
