//! What an order takes of calls over its life, counted by the simulators: a rush of orders over
//! real HTTP, from waiting to the reference in Mirakl.
//!
//! Not a thousand orders of one channel: an OR04 carries a hundred references and goes once a
//! minute at most, so that would be ten minutes of waiting for the same ratio. A hundred of each of
//! two channels fill one page and one OR04 each.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use local_world::{Build, World, WorldOptions};
use serde_json::Value;

use crate::row::{Figure, Row, mark};

/// Orders of each channel: a full page, a full OR04.
const ORDERS: u32 = 100;
/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks at whether a step is done.
const LOOK: Duration = Duration::from_millis(200);

/// Calls by operation.
type Calls = BTreeMap<String, u64>;

/// Measures.
pub(crate) async fn measure(build: Build) -> Result<Vec<Row>> {
    let options =
        WorldOptions { stack: "benchmark-calls".to_owned(), build, ..WorldOptions::default() };
    let world = World::start(&options, |step| println!("{step}")).await?;
    for channel in world.channels() {
        world.bring_orders(channel, ORDERS, false).await?;
    }
    let shops = world.channels().len() as u64;
    let orders = shops * u64::from(ORDERS);
    println!("{orders} orders live their lives");
    let ticks = live(&world).await?;

    // What was achieved, as both systems hold it: orders that no call could bring into Prima are in
    // ours, and need not be sent.
    let (entered, referenced) = achieved(&world).await?;
    let made = counted(&world).await?;
    let count = |operation: &str| made.get(operation).copied().unwrap_or_default();
    let listings = count("OR11");
    let others: u64 = made.values().sum::<u64>() - listings;
    // Each page twice: while its orders wait, and once they are paid and have an address.
    let least_listings = shops * 2 * u64::from(ORDERS.div_ceil(100));
    let least = orders + 2 * entered + shops * u64::from(ORDERS.div_ceil(100));
    let detail = made
        .iter()
        .map(|(operation, count)| format!("{operation} {count}"))
        .collect::<Vec<_>>()
        .join(", ");
    let of = mark(build);
    let per_order = |calls: u64| calls as f64 / orders as f64;
    Ok(vec![
        Row {
            what: format!("{orders} orders at once: calls per order over its life, listings apart"),
            unit: "calls",
            ours: Some(Figure::one(per_order(others), of)),
            bound: Some(Figure::one(per_order(least), "accept, ask, send; 100 to an OR04")),
            peer: None,
            note: format!(
                "counted by the simulators: {detail}; {entered} in Prima, {referenced} with a reference"
            ),
        },
        Row {
            what: format!("{orders} orders at once: listings (OR11)"),
            unit: "calls",
            ours: Some(Figure::one(listings as f64, of)),
            bound: Some(Figure::one(least_listings as f64, "each page waiting, and paid")),
            peer: None,
            note: format!(
                "{ticks} runs of the schedule over {shops} channels; a run lists each channel, whether there is news or not"
            ),
        },
    ])
}

/// Lets the schedule run only when the run before has had its effect, so that no run is in vain;
/// how many there were.
async fn live(world: &World) -> Result<u32> {
    let mut ticks = 1;
    world.deployment().tick().await?;
    until("accepted and paid", async || {
        let states = mirakl_orders(world).await?;
        Ok(states.iter().all(|order| order["state"] == "SHIPPING"))
    })
    .await?;
    ticks += 1;
    world.deployment().tick().await?;
    until("in Prima, or an exception", async || Ok(world.observe().await?.is_settled())).await?;
    let started = Instant::now();
    loop {
        ticks += 1;
        world.deployment().tick().await?;
        let (entered, referenced) = achieved(world).await?;
        if referenced >= entered {
            return Ok(ticks);
        }
        if started.elapsed() > PATIENCE {
            bail!(
                "{referenced} of {entered} orders have a reference after {} s",
                PATIENCE.as_secs()
            );
        }
        // The schedule's minute: OR04 goes no oftener.
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

async fn until(what: &str, done: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    while !done().await? {
        if started.elapsed() > PATIENCE {
            bail!("the orders are not {what} after {} s", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn mirakl_orders(world: &World) -> Result<Vec<Value>> {
    let state = world.mirakl().get("state").await?;
    state["orders"].as_array().cloned().context("the simulated Mirakl shows no orders")
}

/// Orders of the connector in Prima, and orders with a reference in Mirakl.
async fn achieved(world: &World) -> Result<(u64, u64)> {
    let entered =
        world.observe().await?.prima.iter().filter(|order| order.made_for.is_some()).count();
    let referenced = mirakl_orders(world)
        .await?
        .iter()
        .filter(|order| order["reference_for_seller"].is_string())
        .count();
    Ok((u64::try_from(entered)?, u64::try_from(referenced)?))
}

/// What each simulator counted, whatever its answer was.
async fn counted(world: &World) -> Result<Calls> {
    let mut calls = Calls::new();
    let mirakl = world.mirakl().get("calls").await?;
    for (name, count) in mirakl.as_object().context("the simulated Mirakl shows no calls")? {
        // "OR11 200"
        let operation = name.split_whitespace().next().unwrap_or(name);
        *calls.entry(operation.to_owned()).or_default() += count.as_u64().unwrap_or_default();
    }
    let prima = world.prima().get("calls").await?;
    for (operation, outcomes) in
        prima["counts"].as_object().context("the simulated Prima shows no calls")?
    {
        let count: u64 = outcomes
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, count)| count.as_u64())
            .sum();
        *calls.entry(operation.clone()).or_default() += count;
    }
    if !calls.contains_key("OR11") {
        bail!("the simulated Mirakl counted no listing: {calls:?}");
    }
    Ok(calls)
}
