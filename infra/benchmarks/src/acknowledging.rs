//! A thousand orders wait, and each of Mirakl's answers takes 50 ms: from the first listing to the last acceptance, as the
//! marketplace saw it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use local_world::{Build, World, WorldOptions};
use serde_json::{Value, json};

use crate::row::{Figure, Row};
use crate::start::{highest_memory, python};

const ORDERS: u32 = 1_000;
const LATENCY: f64 = 0.05;
/// Orders on a page: Mirakl's most.
const PAGE: u32 = 100;
/// The channel's `concurrent_accepts`.
const AT_ONCE: u32 = 8;

/// Measures.
pub(crate) async fn measure(quick: bool) -> Result<Vec<Row>> {
    let options = WorldOptions {
        stack: "benchmark".to_owned(),
        build: if quick { Build::Development } else { Build::Release },
        mirakl: json!({"misbehaviour": {"latency_ms": [50, 50]}}),
        ..WorldOptions::default()
    };
    let world = World::start(&options, |step| println!("{step}")).await?;
    let recording = world.recordings().join("mirakl.jsonl");
    let [ours, theirs] = world.channels() else { bail!("the local world has not two channels") };

    println!("{ORDERS} orders wait; the deployed function acknowledges them");
    world.bring_orders(ours, ORDERS, false).await?;
    world.deployment().tick().await?;
    let ours_took = Took::of(&recording, ours.shop_id)?;
    let memory = memory_of("acknowledge-orders")?;

    println!("{ORDERS} orders wait for the Python peer");
    world.bring_orders(theirs, ORDERS, false).await?;
    let peer = tokio::process::Command::new(python())
        .arg(local_world::paths::workspace().join("infra/benchmarks/peers/acknowledge.py"))
        .args([world.mirakl().url(), &theirs.api_key, &theirs.shop_id.to_string()])
        .output()
        .await
        .context("the Python peer could not be run")?;
    let answer: Value = serde_json::from_slice(&peer.stdout).with_context(|| String::from_utf8_lossy(&peer.stderr).into_owned())?;
    if answer["accepted"] != ORDERS {
        bail!("the Python peer did not accept {ORDERS} orders: {answer}");
    }
    let peer_took = Took::of(&recording, theirs.shop_id)?;

    let bound = LATENCY * f64::from(ORDERS.div_ceil(PAGE)) + LATENCY * f64::from(ORDERS.div_ceil(AT_ONCE));
    let of = if quick { "quick build: says nothing" } else { "" };
    Ok(vec![
        Row {
            what: format!("acknowledging {ORDERS} waiting orders, 50 ms a call"),
            unit: "s",
            ours: Figure::one(ours_took.seconds, of),
            bound: Some(Figure::one(bound, "pages in a row, 8 accepts at once")),
            peer: Some(Figure::one(peer_took.seconds, "Python, urllib3, 8 threads")),
            note: format!(
                "first listing to last acceptance, as recorded by the simulator; {} and {} calls",
                ours_took.calls, peer_took.calls
            ),
        },
        Row {
            what: "memory of acknowledge-orders after that run".to_owned(),
            unit: "MiB",
            ours: Figure::one(memory, of),
            bound: None,
            peer: None,
            note: "most that was ever resident (VmHWM)".to_owned(),
        },
    ])
}

struct Took {
    seconds: f64,
    calls: usize,
}

impl Took {
    /// From the recorded traffic of one shop: from the first listing that showed a waiting order.
    fn of(recording: &Path, shop_id: i64) -> Result<Self> {
        let text = std::fs::read_to_string(recording).with_context(|| format!("reading {}", recording.display()))?;
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
            } else if exchange["response"]["content"]["text"].as_str().is_some_and(|text| text.contains("WAITING_ACCEPTANCE")) {
                pages.push(at);
            }
        }
        if accepted.len() != usize::try_from(ORDERS)? {
            bail!("{} of {ORDERS} orders were accepted by shop {shop_id}", accepted.len());
        }
        let first = pages.iter().min().context("nothing was listed")?;
        let last = moments.iter().max().context("nothing was accepted")?;
        Ok(Self { seconds: last.duration_since(*first).as_secs_f64() + LATENCY, calls: pages.len() + moments.len() })
    }
}

/// The most memory that the running function of this name ever had, in MiB.
fn memory_of(function: &str) -> Result<f64> {
    let mut most = None::<f64>;
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else { continue };
        let is_it = environment.split(|byte| *byte == 0).any(|variable| {
            variable.starts_with(b"AWS_LAMBDA_FUNCTION_NAME=")
                && String::from_utf8_lossy(variable).to_lowercase().contains(&name_part(function))
        });
        let is_bootstrap = std::fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe.ends_with("bootstrap"));
        if is_it
            && is_bootstrap
            && let Some(memory) = highest_memory(&entry.path())
        {
            most = Some(most.map_or(memory, |other| other.max(memory)));
        }
    }
    most.with_context(|| format!("no running process of {function} was found"))
}

/// How the local AWS names functions: after their logical ids.
fn name_part(function: &str) -> String {
    function.replace('-', "")
}
