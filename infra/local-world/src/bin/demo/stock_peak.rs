//! A sales peak: two channels sell the same SKUs, the shops sell them too, and Prima is down in the middle. The same customers come to a
//! second, imagined pair of marketplaces that is given Prima's `AvailableQuantity` every quarter of an hour: the naive rule.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use local_world::seed::SeedChannel;
use local_world::{World, WorldOptions};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::view::View;
use crate::{faults, report};

/// The schedule's minute in the demo. Pushes keep to real minutes all the same: Mirakl takes one import a minute.
const TICK: Duration = Duration::from_secs(5);
/// How often customers come and the marketplaces are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A line about how things stand, so often.
const LINE_EVERY: Duration = Duration::from_secs(20);
/// Both marketplaces show what is free within this, before and after the peak.
const PATIENCE: Duration = Duration::from_secs(600);
/// SKUs that both systems know.
const SKUS: usize = 20_000;
/// SKUs that everybody wants.
const WANTED: usize = 80;
/// The naive rule's interval.
const NAIVE: Duration = Duration::from_secs(15 * 60);
/// Of a hundred customers so many come to a shop of the brand's own.
const OVER_THE_COUNTER: u32 = 10;

pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    let mut view = View::new();
    view.say(&format!(
        "{} customers within {} minutes want {WANTED} of {SKUS} SKUs, on two channels and in the shops; seed {}, faults: {}",
        arguments.orders(),
        arguments.span().as_secs() / 60,
        arguments.seed,
        arguments.faults.name()
    ));
    let generated = json!({"seed": arguments.seed, "size": SKUS});
    let options = WorldOptions {
        stack: "demo".to_owned(),
        seed: arguments.seed,
        channel: json!({"stock": "live"}),
        // The simulated Prima sets pieces aside as an order is created.
        installation: json!({"stock": {"zeroes_percent": 100, "falls_at": "creation", "margin_seconds": 5}}),
        mirakl: json!({"catalogue_size": SKUS, "settings": {"call_interval_seconds": 55}}),
        prima: json!({"settings": {
            "orders": {"catalogue": {"generated": generated}},
            "stock": {"generated": {"seed": arguments.seed, "size": SKUS, "odd_share": 0.0}, "milliseconds_per_thousand": 50},
        }}),
        ..WorldOptions::default()
    };
    let world = World::start(&options, |step| view.say(step)).await?;
    let rules = world.deployment().aws().directory().join("stock-rules.json");
    std::fs::write(&rules, json!({"floor_minutes": 1, "ceiling_minutes": 2}).to_string())?;
    for channel in world.channels() {
        world.deployment().operator(&["stock-rules", "put", &channel.id, &rules.to_string_lossy()], "").await?;
        let offers = format!("shops/{}/offers/generate", channel.shop_id);
        world.mirakl().post(&offers, &json!({"seed": arguments.seed, "pieces": [0, 9]})).await?;
    }
    world.mirakl().put("misbehaviour", &faults::mirakl(arguments.faults, arguments.seed)).await?;
    view.say(&format!("The schedule's minute is {} s here; a push still waits a real minute for the one before", TICK.as_secs()));
    let begun = Instant::now();
    let lived = tokio::select! {
        lived = live_through(&world, arguments, &mut view) => lived?,
        never = keep_running(&world) => { never?; bail!("the schedule ended") }
    };
    let took = begun.elapsed();
    print(&lived, took);
    println!("Recorded traffic: {}", world.recordings().display());
    if let Some(path) = &arguments.json {
        report::write(path, &to_json(&lived, arguments, took, &world))?;
        println!("Summary as JSON: {}", path.display());
    }
    Ok(lived.is_sound())
}

/// What is truly left, as the customers find it: counted down by every sale, wherever it is made.
#[derive(Clone, Debug, Default)]
struct Truth {
    left: BTreeMap<String, i64>,
    /// Units sold on each channel, and of these beyond what was left.
    sold: BTreeMap<String, (u64, u64)>,
}

impl Truth {
    fn free(&self, sku: &str) -> i64 {
        self.left.get(sku).copied().unwrap_or(0).max(0)
    }

    fn sell(&mut self, sku: &str, channel: &str) {
        let left = self.left.entry(sku.to_owned()).or_default();
        *left -= 1;
        let (sold, beyond) = self.sold.entry(channel.to_owned()).or_default();
        *sold += 1;
        *beyond += u64::from(*left < 0);
    }

    fn sell_over_the_counter(&mut self, sku: &str) {
        *self.left.entry(sku.to_owned()).or_default() -= 1;
    }
}

/// For how long what a channel shows is more than what is left.
#[derive(Clone, Debug, Default)]
struct Staleness {
    since: BTreeMap<(String, String), Duration>,
    /// Seconds, by channel.
    seconds: BTreeMap<String, Vec<f64>>,
}

impl Staleness {
    fn look(&mut self, channel: &str, sku: &str, is_stale: bool, now: Duration) {
        let key = (channel.to_owned(), sku.to_owned());
        match (is_stale, self.since.get(&key).copied()) {
            (true, None) => drop(self.since.insert(key, now)),
            (false, Some(since)) => {
                self.since.remove(&key);
                self.seconds.entry(channel.to_owned()).or_default().push((now.saturating_sub(since)).as_secs_f64());
            }
            _ => {}
        }
    }

    /// What is still stale counts with its age.
    fn end(&mut self, now: Duration) {
        for ((channel, _), since) in std::mem::take(&mut self.since) {
            self.seconds.entry(channel).or_default().push(now.saturating_sub(since).as_secs_f64());
        }
    }

    fn of(&self, channel: &str) -> Option<Seconds> {
        let mut all = self.seconds.get(channel)?.clone();
        all.sort_by(f64::total_cmp);
        let at = |percent: usize| all.get((all.len() * percent / 100).min(all.len() - 1)).copied();
        Some(Seconds { spells: all.len(), p50: at(50)?, p95: at(95)?, max: *all.last()? })
    }
}

/// Seconds for which offers showed more than was left.
#[derive(Clone, Copy, Debug, Serialize)]
struct Seconds {
    spells: usize,
    p50: f64,
    p95: f64,
    max: f64,
}

/// The imagined marketplaces of the naive rule.
struct NaiveWorld {
    truth: Truth,
    shown: BTreeMap<(String, String), i64>,
    /// `AvailableQuantity`: what lies in the warehouse. Nothing leaves it during the peak but what is sold over the counter.
    available: BTreeMap<String, i64>,
    pushed_at: Option<Duration>,
    pushes: usize,
    staleness: Staleness,
}

impl NaiveWorld {
    fn push_if_due(&mut self, channels: &[SeedChannel], now: Duration) {
        if self.pushed_at.is_some_and(|at| now < at + NAIVE) {
            return;
        }
        self.pushed_at = Some(now);
        self.pushes += 1;
        for channel in channels {
            for (sku, available) in &self.available {
                self.shown.insert((channel.id.clone(), sku.clone()), (*available).max(0));
            }
        }
    }

    fn buy(&mut self, channel: &str, sku: &str) {
        let shown = self.shown.entry((channel.to_owned(), sku.to_owned())).or_default();
        if *shown > 0 {
            *shown -= 1;
            self.truth.sell(sku, channel);
        }
    }

    fn buy_over_the_counter(&mut self, sku: &str) {
        let available = self.available.entry(sku.to_owned()).or_default();
        if *available > 0 {
            *available -= 1;
            self.truth.sell_over_the_counter(sku);
        }
    }

    fn look(&mut self, channels: &[SeedChannel], skus: &[String], now: Duration) {
        for channel in channels {
            for sku in skus {
                let shown = self.shown.get(&(channel.id.clone(), sku.clone())).copied().unwrap_or(0);
                self.staleness.look(&channel.id, sku, shown > self.truth.free(sku), now);
            }
        }
    }
}

/// What came of the peak.
struct Lived {
    channels: Vec<SeedChannel>,
    truth: Truth,
    staleness: Staleness,
    naive: NaiveWorld,
    /// By channel: imports that completed, lines applied, lines refused.
    pushed: BTreeMap<String, (usize, usize, usize)>,
    /// Pieces promised beyond those in the warehouse, as Prima itself has it once every order is there.
    oversold_in_prima: i64,
    /// Offers that did not show what is free in the end.
    wrong_in_the_end: usize,
    quiet_seconds: f64,
    refused_customers: u64,
}

impl Lived {
    fn is_sound(&self) -> bool {
        self.wrong_in_the_end == 0
    }
}

async fn live_through(world: &World, arguments: &Arguments, view: &mut View) -> Result<Lived> {
    let channels = world.channels().to_vec();
    let (free, available) = stock(world).await?;
    view.say("The lists of offers are read, and everything is published for the first time");
    wait_until_right(world, &channels, view).await?;

    let mut rng = ChaCha8Rng::seed_from_u64(arguments.seed);
    let wanted: Vec<String> = free.iter().filter(|(_, free)| **free >= 4).map(|(sku, _)| sku.clone()).take(WANTED).collect();
    let truth = Truth { left: free.clone(), ..Truth::default() };
    let mut naive =
        NaiveWorld { truth: truth.clone(), shown: BTreeMap::new(), available, pushed_at: None, pushes: 0, staleness: Staleness::default() };
    let mut lived_truth = truth;
    let mut staleness = Staleness::default();
    let mut came = 0;
    let mut refused = 0;
    let span = arguments.span();
    let (mut is_down, mut was_down) = (false, false);
    let begun = Instant::now();
    let mut said = Instant::now();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while begun.elapsed() < span {
        looks.tick().await;
        let now = begun.elapsed();
        naive.push_if_due(&channels, now);
        let goes_down = now >= span * 2 / 5 && now < span * 3 / 5;
        if goes_down != is_down {
            is_down = goes_down;
            was_down |= is_down;
            world.prima().put("misbehaviour", &json!({"seed": arguments.seed, "outage": is_down})).await?;
            view.say(if is_down { "Prima goes down: what is sold still lowers offers, nothing is raised" } else { "Prima is back" });
        }
        let due = crate::due(arguments.orders(), now, span);
        for _ in came..due {
            // The first of the wanted SKUs are wanted most.
            let place = rng.random_range(0..WANTED).min(rng.random_range(0..WANTED));
            let Some(sku) = wanted.get(place) else { continue };
            if rng.random_range(0..100) < OVER_THE_COUNTER {
                naive.buy_over_the_counter(sku);
                // What is promised to a marketplace's customer is sold over the counter all the same, as long as it lies there.
                let sale = json!({"product": part(sku, 0), "matrix": [part(sku, 1), part(sku, 2), "", ""], "quantity": 1, "over_the_counter": true});
                if lived_truth.free(sku) > 0 && world.prima().post("stock/sales", &sale).await.is_ok() {
                    lived_truth.sell_over_the_counter(sku);
                }
            } else {
                let channel = &channels[rng.random_range(0..channels.len())];
                naive.buy(&channel.id, sku);
                let sale = json!({"shop_id": channel.shop_id, "sku": sku, "quantity": 1});
                match world.mirakl().post("sales", &sale).await {
                    Ok(_) => lived_truth.sell(sku, &channel.id),
                    Err(_) => refused += 1,
                }
            }
        }
        came = due;
        naive.look(&channels, &wanted, begun.elapsed());
        look(world, &channels, &wanted, &lived_truth, &mut staleness, begun.elapsed()).await?;
        if said.elapsed() > LINE_EVERY {
            said = Instant::now();
            let (sold, beyond) = total(&lived_truth);
            let (naive_sold, naive_beyond) = total(&naive.truth);
            view.say(&format!(
                "{came} customers came; sold {sold}, oversold {beyond}; the naive rule: sold {naive_sold}, oversold {naive_beyond}"
            ));
        }
    }
    if is_down || !was_down {
        world.prima().put("misbehaviour", &json!({"seed": arguments.seed, "outage": false})).await?;
    }
    naive.staleness.end(span);
    view.say("The peak is over; everything comes to rest");
    let quiet = Instant::now();
    let orders = world.settle(PATIENCE);
    let watch = async {
        loop {
            look(world, &channels, &wanted, &lived_truth, &mut staleness, begun.elapsed()).await?;
            tokio::time::sleep(LOOK).await;
        }
        #[expect(unreachable_code, reason = "it says what the loop's errors are")]
        Ok::<(), anyhow::Error>(())
    };
    tokio::select! {
        settled = orders => drop(settled?),
        failed = watch => failed?,
    }
    let wrong_in_the_end = wait_until_right(world, &channels, view).await?;
    let quiet_seconds = quiet.elapsed().as_secs_f64();
    staleness.end(begun.elapsed());
    let rows = world.prima().get("stock").await?;
    let oversold_in_prima = rows["skus"].as_array().into_iter().flatten().filter_map(|row| row["oversold"].as_i64()).sum();
    Ok(Lived {
        pushed: pushed(world, &channels).await?,
        channels,
        truth: lived_truth,
        staleness,
        naive,
        oversold_in_prima,
        wrong_in_the_end,
        quiet_seconds,
        refused_customers: refused,
    })
}

fn part(sku: &str, index: usize) -> &str {
    sku.split('-').nth(index).unwrap_or_default()
}

fn total(truth: &Truth) -> (u64, u64) {
    truth.sold.values().fold((0, 0), |(sold, beyond), (more, further)| (sold + more, beyond + further))
}

/// What Prima has free, less what is sold and not in Prima (an order that waits for a person), and what it says is available; by the SKU
/// as the shops write it.
async fn stock(world: &World) -> Result<(BTreeMap<String, i64>, BTreeMap<String, i64>)> {
    let (state, prima, mirakl) = tokio::try_join!(world.prima().get("stock"), world.prima().get("state"), world.mirakl().get("state"))?;
    let lines = |state: &Value| -> Vec<Value> {
        let orders = state["orders"].as_array().into_iter().flatten();
        let open = orders.filter(|order| !matches!(order["state"].as_str(), Some("CANCELED" | "REFUSED")));
        open.flat_map(|order| order["lines"].as_array().cloned().unwrap_or_default()).collect()
    };
    let in_prima: BTreeSet<String> = lines(&prima).iter().filter_map(|line| line["reference"].as_str().map(str::to_owned)).collect();
    let mut on_its_way: BTreeMap<String, i64> = BTreeMap::new();
    for line in lines(&mirakl) {
        if !line["order_line_id"].as_str().is_some_and(|id| in_prima.contains(id)) {
            *on_its_way.entry(line["offer_sku"].as_str().unwrap_or_default().to_owned()).or_default() +=
                line["quantity"].as_i64().unwrap_or(0);
        }
    }
    let (mut free, mut available) = (BTreeMap::new(), BTreeMap::new());
    for row in state["skus"].as_array().into_iter().flatten() {
        let matrix = &row["sku"]["matrix"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let sku = format!("{}-{}-{}", text(&row["sku"]["product"]), text(&matrix[0]), text(&matrix[1]));
        let physical = row["stock"]["physical"].as_i64().context("a SKU without stock")?;
        let allocated = row["allocated"].as_i64().unwrap_or(0);
        let sold = on_its_way.get(&sku).copied().unwrap_or(0);
        free.insert(sku.clone(), ((physical - allocated).max(0) - sold).max(0));
        available.insert(sku, physical);
    }
    Ok((free, available))
}

/// What each channel shows of some SKUs.
async fn shown(world: &World, channel: &SeedChannel, skus: &[String]) -> Result<BTreeMap<String, i64>> {
    let shown = world.mirakl().post(&format!("shops/{}/offers/look", channel.shop_id), &json!(skus)).await?;
    Ok(serde_json::from_value(shown)?)
}

async fn look(
    world: &World,
    channels: &[SeedChannel],
    skus: &[String],
    truth: &Truth,
    staleness: &mut Staleness,
    now: Duration,
) -> Result<()> {
    for channel in channels {
        for (sku, quantity) in shown(world, channel, skus).await? {
            staleness.look(&channel.id, &sku, quantity > truth.free(&sku), now);
        }
    }
    Ok(())
}

/// Waits until both channels show no more and no less than what is free, of every SKU. Answers how many do not in the end.
async fn wait_until_right(world: &World, channels: &[SeedChannel], view: &mut View) -> Result<usize> {
    let begun = Instant::now();
    let mut said = Instant::now();
    loop {
        let (free, _) = stock(world).await?;
        let skus: Vec<String> = free.keys().cloned().collect();
        let mut wrong = BTreeSet::new();
        for channel in channels {
            for (sku, quantity) in shown(world, channel, &skus).await? {
                if free.get(&sku).is_some_and(|free| *free != quantity) {
                    wrong.insert(format!("{sku} on {} shows {quantity} of {}", channel.id, free.get(&sku).copied().unwrap_or(0)));
                }
            }
        }
        if wrong.is_empty() || begun.elapsed() > PATIENCE {
            let examples: Vec<_> = wrong.iter().take(3).cloned().collect();
            view.say(&if wrong.is_empty() {
                "Every offer shows what is free".to_owned()
            } else {
                format!("{} offers are wrong: {}", wrong.len(), examples.join("; "))
            });
            return Ok(wrong.len());
        }
        if said.elapsed() > LINE_EVERY {
            said = Instant::now();
            view.say(&format!("{} of {} offers do not show what is free yet", wrong.len(), skus.len() * channels.len()));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// What Mirakl itself has of the imports.
async fn pushed(world: &World, channels: &[SeedChannel]) -> Result<BTreeMap<String, (usize, usize, usize)>> {
    let state = world.mirakl().get("stock").await?;
    let mut pushed: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
    for import in state["imports"].as_array().into_iter().flatten().map(|import| &import["import"]) {
        let Some(channel) = channels.iter().find(|channel| import["shop_id"] == channel.shop_id) else { continue };
        let (pushes, lines, errors) = pushed.entry(channel.id.clone()).or_default();
        *pushes += 1;
        *lines += import["updated"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        *errors += import["errors"].as_array().map_or(0, Vec::len);
    }
    Ok(pushed)
}

/// Stands in for the schedules. A run that fails is not repeated: the next one repairs it.
async fn keep_running(world: &World) -> Result<()> {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (polled, pushed) = tokio::join!(world.deployment().tick(), world.deployment().push_stock());
        if polled.is_err() || pushed.is_err() {
            world.deployment().queue_depths().await.context("the local AWS is gone")?;
        }
    }
}

fn print(lived: &Lived, took: Duration) {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "channel",
        "rule",
        "pushes",
        "lines",
        "in error",
        "units sold",
        "OVERSOLD",
        "seconds showing too much: p50",
        "p95",
        "max",
    ]);
    for channel in &lived.channels {
        let id = &channel.id;
        let (pushes, lines, errors) = lived.pushed.get(id).copied().unwrap_or_default();
        for (rule, pushes, lines, errors, truth, staleness) in [
            ("connector", pushes, lines.to_string(), errors.to_string(), &lived.truth, &lived.staleness),
            ("naive", lived.naive.pushes, "-".to_owned(), "-".to_owned(), &lived.naive.truth, &lived.naive.staleness),
        ] {
            let (sold, beyond) = truth.sold.get(id).copied().unwrap_or_default();
            let seconds = staleness.of(id);
            let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
            table.add_row([
                id.clone(),
                rule.to_owned(),
                pushes.to_string(),
                lines,
                errors,
                sold.to_string(),
                beyond.to_string(),
                shown(seconds.map(|seconds| seconds.p50)),
                shown(seconds.map(|seconds| seconds.p95)),
                shown(seconds.map(|seconds| seconds.max)),
            ]);
        }
    }
    table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("\nAs the two systems themselves have it, after {:.0} s:\n{table}", took.as_secs_f64());
    println!(
        "{} customers found their SKU sold out. In Prima {} pieces are promised beyond what lies there.",
        lived.refused_customers, lived.oversold_in_prima
    );
    println!(
        "The naive rule publishes AvailableQuantity every {} minutes; the same customers came to it at the same moments.",
        NAIVE.as_secs() / 60
    );
    if lived.is_sound() {
        println!("{:.0} s after the peak every offer showed what is free.", lived.quiet_seconds);
    } else {
        println!("{} OFFERS ARE WRONG in the end.", lived.wrong_in_the_end);
    }
}

fn to_json(lived: &Lived, arguments: &Arguments, took: Duration, world: &World) -> Value {
    let mut channels = serde_json::Map::new();
    for channel in &lived.channels {
        let id = &channel.id;
        let (pushes, lines, errors) = lived.pushed.get(id).copied().unwrap_or_default();
        let (sold, oversold) = lived.truth.sold.get(id).copied().unwrap_or_default();
        let (naive_sold, naive_oversold) = lived.naive.truth.sold.get(id).copied().unwrap_or_default();
        let value = json!({
            "pushes": pushes, "lines_published": lines, "lines_in_error": errors, "staleness_seconds": lived.staleness.of(id),
            "units_sold": sold, "oversold_units": oversold,
            "naive": {"pushes": lived.naive.pushes, "units_sold": naive_sold, "oversold_units": naive_oversold,
                "staleness_seconds": lived.naive.staleness.of(id)},
        });
        channels.insert(id.clone(), value);
    }
    json!({
        "sound": lived.is_sound(),
        "channels": channels,
        "oversold_in_prima": lived.oversold_in_prima,
        "customers": arguments.orders(),
        "customers_sold_out": lived.refused_customers,
        "wrong_in_the_end": lived.wrong_in_the_end,
        "seconds_until_right_after_the_peak": lived.quiet_seconds,
        "seed": arguments.seed,
        "faults": arguments.faults.name(),
        "minutes": arguments.span().as_secs() / 60,
        "seconds": took.as_secs_f64(),
        "recorded_traffic": world.recordings(),
    })
}
