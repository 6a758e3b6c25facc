//! A thousand orders wait, and each of Mirakl's answers takes 50 ms: from the first listing to the
//! last acceptance, as the marketplace saw it. Each round is a fresh world, ours and the peer's in
//! turn.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use local_world::seed::SeedChannel;
use local_world::{Build, World, WorldOptions};
use serde_json::{Value, json};

use crate::row::{Figure, Row, mark};
use crate::start::{highest_memory, least_memory};

const ORDERS: u32 = 1_000;
const LATENCY: f64 = 0.05;
/// Orders on a page: Mirakl's most.
const PAGE: u32 = 100;
/// The channel's `concurrent_accepts`.
const AT_ONCE: u32 = 8;

/// Measures.
pub(crate) async fn measure(build: Build) -> Result<Vec<Row>> {
    let least = least_memory(build).await?;
    let rounds = if build == Build::Development { 1 } else { 3 };
    let (mut ours, mut peer, mut memory, mut peer_memory) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut calls, mut peer_calls) = (0, 0);
    for round in 1..=rounds {
        let world = world(build).await?;
        let [our_channel, peer_channel] = world.channels() else {
            bail!("the local world has not two channels")
        };
        println!(
            "Round {round} of {rounds}: {ORDERS} orders wait; the deployed function acknowledges them"
        );
        world.bring_orders(our_channel, ORDERS, false).await?;
        world.deployment().tick().await?;
        let took = Took::of(&recording(&world), our_channel.shop_id)?;
        calls = took.calls;
        ours.push(took.seconds);
        memory.push(memory_of_poller(&world)?);
        println!("Round {round} of {rounds}: the Python peer, {AT_ONCE} threads");
        let (took, mebibytes) = run_peer(&world, peer_channel, AT_ONCE).await?;
        peer_calls = took.calls;
        peer.push(took.seconds);
        peer_memory.push(mebibytes);
    }
    println!("The Python peer once more, one call after the other (about a minute)");
    let world = world(build).await?;
    let one = world.channels().first().context("the local world has no channel")?.clone();
    let (in_a_row, _) = run_peer(&world, &one, 1).await?;

    let bound =
        LATENCY * f64::from(ORDERS.div_ceil(PAGE)) + LATENCY * f64::from(ORDERS.div_ceil(AT_ONCE));
    let of = mark(build);
    let row = |peer, note: String| -> Result<Row> {
        Ok(Row {
            what: format!("acknowledging {ORDERS} waiting orders, 50 ms a call"),
            unit: "s",
            ours: Some(Figure::of(ours.clone(), of)?),
            bound: Some(Figure::one(bound, "pages in a row, 8 accepts at once")),
            peer: Some(peer),
            note,
        })
    };
    Ok(vec![
        row(
            Figure::of(peer, "Python, urllib3, 8 threads")?,
            format!(
                "first listing to last acceptance, by the simulator's records; median of {rounds}; {calls} and {peer_calls} calls"
            ),
        )?,
        row(
            Figure::one(in_a_row.seconds, "Python, urllib3, one call at a time"),
            format!("the same runs of ours; the peer ran once, {} calls", in_a_row.calls),
        )?,
        Row {
            what: "memory of acknowledge-orders after that run".to_owned(),
            unit: "MiB",
            ours: Some(Figure::of(memory, of)?),
            bound: Some(Figure::one(least, "handler that does nothing")),
            peer: Some(Figure::of(peer_memory, "Python, urllib3, without boto3")?),
            note: "most that was ever resident (VmHWM); the bound at its first request".to_owned(),
        },
    ])
}

async fn world(build: Build) -> Result<World> {
    let options = WorldOptions {
        stack: "benchmark".to_owned(),
        build,
        mirakl: json!({"misbehaviour": {"latency_ms": [50, 50]}}),
        ..WorldOptions::default()
    };
    // Recordings are appended to: each world begins its own.
    let recordings =
        local_world::paths::target().join(format!("local-world/benchmark-{}", std::process::id()));
    if recordings.exists() {
        std::fs::remove_dir_all(&recordings)?;
    }
    World::start(&options, |step| println!("{step}")).await
}

fn recording(world: &World) -> std::path::PathBuf {
    world.recordings().join("mirakl.jsonl")
}

/// The peer on a thousand orders of its own: how long it took, and the most memory it had, in MiB.
async fn run_peer(world: &World, channel: &SeedChannel, threads: u32) -> Result<(Took, f64)> {
    world.bring_orders(channel, ORDERS, false).await?;
    let peer = tokio::process::Command::new(local_world::python().await?)
        .arg(local_world::paths::workspace().join("infra/benchmarks/peers/acknowledge.py"))
        .args([
            world.mirakl().url(),
            &channel.api_key,
            &channel.shop_id.to_string(),
            &threads.to_string(),
        ])
        .output()
        .await
        .context("the Python peer could not be run")?;
    let answer: Value = serde_json::from_slice(&peer.stdout)
        .with_context(|| String::from_utf8_lossy(&peer.stderr).into_owned())?;
    if answer["accepted"] != ORDERS {
        bail!("the Python peer did not accept {ORDERS} orders: {answer}");
    }
    let memory = answer["highest_memory_kib"]
        .as_f64()
        .context("the Python peer does not say how much memory it had")?;
    Ok((Took::of(&recording(world), channel.shop_id)?, memory / 1024.0))
}

struct Took {
    seconds: f64,
    calls: usize,
}

impl Took {
    /// From the recorded traffic of one shop: from the first listing that showed a waiting order.
    fn of(recording: &Path, shop_id: i64) -> Result<Self> {
        let text = std::fs::read_to_string(recording)
            .with_context(|| format!("reading {}", recording.display()))?;
        let shop = format!("shop_id={shop_id}");
        let mut moments: Vec<Timestamp> = Vec::new();
        let mut accepted: BTreeMap<String, u32> = BTreeMap::new();
        let mut pages: Vec<Timestamp> = Vec::new();
        for line in text.lines() {
            let exchange: Value = serde_json::from_str(line)?;
            let url = exchange["request"]["url"].as_str().unwrap_or_default();
            if !url.contains(&shop) {
                continue;
            }
            let at: Timestamp = exchange["startedDateTime"].as_str().unwrap_or_default().parse()?;
            if url.contains("/accept") {
                moments.push(at);
                *accepted.entry(url.to_owned()).or_default() += 1;
            } else if exchange["response"]["content"]["text"]
                .as_str()
                .is_some_and(|text| text.contains("WAITING_ACCEPTANCE"))
            {
                pages.push(at);
            }
        }
        if accepted.len() != usize::try_from(ORDERS)? {
            bail!("{} of {ORDERS} orders were accepted by shop {shop_id}", accepted.len());
        }
        let first = pages.iter().min().context("nothing was listed")?;
        let last = moments.iter().max().context("nothing was accepted")?;
        Ok(Self {
            seconds: last.duration_since(*first).as_secs_f64() + LATENCY,
            calls: pages.len() + moments.len(),
        })
    }
}

/// The most memory that this world's running `acknowledge-orders` ever had, in MiB. Other worlds
/// may run on this machine: the local AWS's address tells them apart.
fn memory_of_poller(world: &World) -> Result<f64> {
    let name = format!(
        "AWS_LAMBDA_FUNCTION_NAME={}",
        world.deployment().output("AcknowledgeOrdersFunctionName")?
    );
    let address = world.deployment().aws().endpoint();
    let mut most = None::<f64>;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else { continue };
        let variables: Vec<_> =
            environment.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        let is_ours = variables.iter().any(|variable| **variable == *name)
            && variables.iter().any(|variable| {
                variable.split_once('=').is_some_and(|(_, value)| value == address)
            });
        let is_bootstrap = std::fs::read_link(entry.path().join("exe"))
            .is_ok_and(|exe| exe.ends_with("bootstrap"));
        if is_ours
            && is_bootstrap
            && let Some(memory) = highest_memory(&entry.path())
        {
            most = Some(most.map_or(memory, |other| other.max(memory)));
        }
    }
    most.with_context(|| format!("no running process of {name} at {address} was found"))
}
