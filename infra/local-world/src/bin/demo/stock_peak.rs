//! A sales peak: two channels sell the same SKUs, the shops sell them too, and Prima is down in the
//! middle. The same customers come to two more, imagined pairs of marketplaces. One is given
//! Prima's `AvailableQuantity` every quarter of an hour: the naive rule. The other is given what
//! the connector would send where each channel shows all pieces, with the delays that the connector
//! has here: the copy rule. It is a model, no run of the connector; `--last-pieces copy` runs the
//! connector itself by that rule.

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

use crate::arguments::{Arguments, LastPieces};
use crate::view::View;
use crate::{faults, report};

/// The schedule's minute in the demo. Pushes keep to real minutes all the same: Mirakl takes one
/// import a minute.
const TICK: Duration = Duration::from_secs(5);
/// How often customers come and the marketplaces are looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A line about how things stand, so often.
const LINE_EVERY: Duration = Duration::from_secs(8);
/// Both marketplaces show what is free within this, before and after the peak.
const PATIENCE: Duration = Duration::from_secs(600);
/// SKUs that both systems know.
const SKUS: usize = 20_000;
/// SKUs that everybody wants.
const WANTED: usize = 80;
/// The naive rule's interval.
const NAIVE: Duration = Duration::from_secs(15 * 60);
/// The copy rule's delays: a listing of orders, a push, and an import, as they are here.
const COPY_LISTS: Duration = Duration::from_secs(60);
const COPY_PUSHES: Duration = Duration::from_secs(60);
const COPY_IMPORTS: Duration = Duration::from_secs(5);
/// A sale over the counter has lowered the offers after this, and the naive rule's after its
/// interval.
const NEWS: Duration = Duration::from_secs(180);
/// The connector's floor of the last pieces (`stock.last_pieces_floor`).
const FLOOR: i64 = 10;
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
        installation: json!({"stock": {
            "zeroes_percent": 100, "falls_at": "creation", "margin_seconds": 5,
            "last_pieces": arguments.last_pieces.name(), "last_pieces_floor": FLOOR,
            "last_pieces_by": "the demo", "last_pieces_why": "asked for on the command line",
        }}),
        mirakl: json!({"catalogue_size": SKUS, "settings": {"call_interval_seconds": 55}}),
        prima: json!({"settings": {
            "orders": {"catalogue": {"generated": generated}},
            "stock": {"generated": {"seed": arguments.seed, "size": SKUS, "odd_share": 0.0}, "milliseconds_per_thousand": 50},
        }}),
        ..WorldOptions::default()
    };
    let world = view.start(&options).await?;
    let rules = world.deployment().aws().directory().join("stock-rules.json");
    std::fs::write(&rules, json!({"floor_minutes": 1, "ceiling_minutes": 2}).to_string())?;
    for channel in world.channels() {
        world
            .deployment()
            .operator(&["stock-rules", "put", &channel.id, &rules.to_string_lossy()], "")
            .await?;
        let offers = format!("shops/{}/offers/generate", channel.shop_id);
        world.mirakl().post(&offers, &json!({"seed": arguments.seed, "pieces": [0, 9]})).await?;
    }
    world.mirakl().put("misbehaviour", &faults::mirakl(arguments.faults, arguments.seed)).await?;
    view.say(&format!(
        "The schedule's minute is {} s here; a push still waits a real minute for the one before",
        TICK.as_secs()
    ));
    view.say(&format!("The connector's last pieces: {}", arguments.last_pieces.name()));
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
    /// Sales over the counter of which the offers may not know yet: when each of them does.
    news: BTreeMap<String, Vec<Duration>>,
    /// Units sold on a channel that Prima's own shops had taken, and that another channel had.
    taken_by_shops: u64,
    taken_by_channels: u64,
    /// Customers who found nothing although pieces were left: another channel showed some, or none
    /// did.
    shown_elsewhere: u64,
    shown_nowhere: u64,
}

impl Truth {
    fn free(&self, sku: &str) -> i64 {
        self.left.get(sku).copied().unwrap_or(0).max(0)
    }

    fn sell(&mut self, sku: &str, channel: &str, now: Duration) {
        let left = self.left.entry(sku.to_owned()).or_default();
        *left -= 1;
        let (sold, beyond) = self.sold.entry(channel.to_owned()).or_default();
        *sold += 1;
        if *left < 0 {
            *beyond += 1;
            let news = self.news.entry(sku.to_owned()).or_default();
            news.retain(|until| *until > now);
            // Each piece that a shop has taken unseen can have been sold a second time once.
            match news.pop() {
                Some(_) => self.taken_by_shops += 1,
                None => self.taken_by_channels += 1,
            }
        }
    }

    /// `known_at`: when the offers follow.
    fn sell_over_the_counter(&mut self, sku: &str, known_at: Duration) {
        *self.left.entry(sku.to_owned()).or_default() -= 1;
        self.news.entry(sku.to_owned()).or_default().push(known_at);
    }

    /// A customer has found nothing.
    fn turn_away(&mut self, sku: &str, shown_elsewhere: bool) {
        match (self.free(sku) > 0, shown_elsewhere) {
            (true, true) => self.shown_elsewhere += 1,
            (true, false) => self.shown_nowhere += 1,
            (false, _) => {}
        }
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
                self.seconds
                    .entry(channel.to_owned())
                    .or_default()
                    .push((now.saturating_sub(since)).as_secs_f64());
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
    /// `AvailableQuantity`: what lies in the warehouse. Nothing leaves it during the peak but what
    /// is sold over the counter.
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

    fn buy(&mut self, channel: &str, sku: &str, now: Duration) {
        buy(&mut self.truth, &mut self.shown, channel, sku, now);
    }

    fn buy_over_the_counter(&mut self, sku: &str, now: Duration) {
        let available = self.available.entry(sku.to_owned()).or_default();
        if *available > 0 {
            *available -= 1;
            self.truth.sell_over_the_counter(sku, now + NAIVE);
        }
    }

    fn look(&mut self, channels: &[SeedChannel], skus: &[String], now: Duration) {
        for channel in channels {
            for sku in skus {
                let shown =
                    self.shown.get(&(channel.id.clone(), sku.clone())).copied().unwrap_or(0);
                self.staleness.look(&channel.id, sku, shown > self.truth.free(sku), now);
            }
        }
    }
}

/// Somebody buys from an imagined pair of marketplaces. False where nothing was shown.
fn buy(
    truth: &mut Truth,
    shown: &mut BTreeMap<(String, String), i64>,
    channel: &str,
    sku: &str,
    now: Duration,
) -> bool {
    let here = shown.entry((channel.to_owned(), sku.to_owned())).or_default();
    if *here > 0 {
        *here -= 1;
        truth.sell(sku, channel, now);
        return true;
    }
    let elsewhere =
        shown.iter().any(|((one, other), shown)| one != channel && other == sku && *shown > 0);
    truth.turn_away(sku, elsewhere);
    false
}

/// The imagined marketplaces of the copy rule: each channel shows all that is free, as far as the
/// listed orders and Prima tell.
struct CopyWorld {
    truth: Truth,
    shown: BTreeMap<(String, String), i64>,
    /// What the connector knows to be free.
    known: BTreeMap<String, i64>,
    /// Sold and not listed yet, or not read from Prima yet: when it is known.
    unknown: Vec<(Duration, String)>,
    pushed_at: BTreeMap<String, Duration>,
    /// By channel: when its import has its effect, and its lines.
    imports: BTreeMap<String, (Duration, Vec<(String, i64)>)>,
    /// SKUs of which something was sold since a channel's latest push.
    touched: BTreeSet<(String, String)>,
    pushes: usize,
}

impl CopyWorld {
    fn new(truth: Truth, channels: &[SeedChannel]) -> Self {
        let shown = channels.iter().flat_map(|channel| {
            truth.left.iter().map(|(sku, free)| ((channel.id.clone(), sku.clone()), (*free).max(0)))
        });
        Self {
            shown: shown.collect(),
            known: truth.left.clone(),
            truth,
            unknown: Vec::new(),
            pushed_at: BTreeMap::new(),
            imports: BTreeMap::new(),
            touched: BTreeSet::new(),
            pushes: 0,
        }
    }

    fn step(&mut self, channels: &[SeedChannel], now: Duration) {
        let (known, unknown): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.unknown).into_iter().partition(|(at, _)| *at <= now);
        self.unknown = unknown;
        for (_, sku) in known {
            *self.known.entry(sku.clone()).or_default() -= 1;
            self.touched.extend(channels.iter().map(|channel| (channel.id.clone(), sku.clone())));
        }
        for channel in channels {
            if self.imports.get(&channel.id).is_some_and(|(at, _)| *at <= now) {
                let lines = self.imports.remove(&channel.id).map(|(_, lines)| lines);
                for (sku, quantity) in lines.into_iter().flatten() {
                    self.shown.insert((channel.id.clone(), sku), quantity);
                }
            }
        }
        for channel in channels {
            let is_due = self.pushed_at.get(&channel.id).is_none_or(|at| *at + COPY_PUSHES <= now);
            let mine: Vec<_> =
                self.touched.iter().filter(|(one, _)| *one == channel.id).cloned().collect();
            if !is_due || mine.is_empty() {
                continue;
            }
            let lines = mine
                .iter()
                .map(|(_, sku)| (sku.clone(), self.known.get(sku).copied().unwrap_or(0).max(0)))
                .collect();
            self.imports.insert(channel.id.clone(), (now + COPY_IMPORTS, lines));
            self.touched.retain(|(one, _)| *one != channel.id);
            self.pushed_at.insert(channel.id.clone(), now);
            self.pushes += 1;
        }
    }

    fn buy(&mut self, channel: &str, sku: &str, now: Duration) {
        if buy(&mut self.truth, &mut self.shown, channel, sku, now) {
            // With the next listing.
            let listing = now.as_secs() / COPY_LISTS.as_secs() + 1;
            self.unknown
                .push((COPY_LISTS * u32::try_from(listing).unwrap_or(u32::MAX), sku.to_owned()));
        }
    }

    fn buy_over_the_counter(&mut self, sku: &str, read_at: Duration) {
        if self.truth.free(sku) > 0 {
            self.truth.sell_over_the_counter(sku, read_at + NEWS);
            self.unknown.push((read_at, sku.to_owned()));
        }
    }
}

/// What came of the peak.
struct Lived {
    channels: Vec<SeedChannel>,
    truth: Truth,
    staleness: Staleness,
    naive: NaiveWorld,
    copy: CopyWorld,
    last_pieces: LastPieces,
    /// By channel: imports that completed, lines applied, lines refused.
    pushed: BTreeMap<String, (usize, usize, usize)>,
    /// Pieces promised beyond those in the warehouse, as Prima itself has it once every order is
    /// there.
    oversold_in_prima: i64,
    /// Offers that did not show what is free in the end.
    wrong_in_the_end: usize,
    quiet_seconds: f64,
    refused_customers: u64,
}

impl Lived {
    fn is_sound(&self) -> bool {
        self.wrong_in_the_end == 0
            && (self.last_pieces == LastPieces::Copy || self.truth.taken_by_channels == 0)
    }
}

async fn live_through(world: &World, arguments: &Arguments, view: &mut View) -> Result<Lived> {
    let channels = world.channels().to_vec();
    let (free, available) = stock(world).await?;
    view.say("The lists of offers are read, and everything is published for the first time");
    wait_until_right(world, &channels, arguments, view).await?;

    let mut rng = ChaCha8Rng::seed_from_u64(arguments.seed);
    let wanted: Vec<String> = free
        .iter()
        .filter(|(_, free)| **free >= 4)
        .map(|(sku, _)| sku.clone())
        .take(WANTED)
        .collect();
    let truth = Truth { left: free.clone(), ..Truth::default() };
    let mut naive = NaiveWorld {
        truth: truth.clone(),
        shown: BTreeMap::new(),
        available,
        pushed_at: None,
        pushes: 0,
        staleness: Staleness::default(),
    };
    let mut copy = CopyWorld::new(truth.clone(), &channels);
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
        copy.step(&channels, now);
        let goes_down = now >= span * 2 / 5 && now < span * 3 / 5;
        if goes_down != is_down {
            is_down = goes_down;
            was_down |= is_down;
            world
                .prima()
                .put("misbehaviour", &json!({"seed": arguments.seed, "outage": is_down}))
                .await?;
            view.say(if is_down {
                "Prima goes down: what is sold still lowers offers, nothing is raised"
            } else {
                "Prima is back"
            });
        }
        let due = arguments.orders_due(now, span);
        for _ in came..due {
            // The first of the wanted SKUs are wanted most.
            let place = rng.random_range(0..WANTED).min(rng.random_range(0..WANTED));
            let Some(sku) = wanted.get(place) else { continue };
            if rng.random_range(0..100) < OVER_THE_COUNTER {
                // While Prima is down nobody can know of it.
                let read_at = if goes_down { span * 3 / 5 } else { now };
                naive.buy_over_the_counter(sku, now);
                copy.buy_over_the_counter(sku, read_at);
                // What is promised to a marketplace's customer is sold over the counter all the
                // same, as long as it lies there.
                let sale = json!({"product": part(sku, 0), "matrix": [part(sku, 1), part(sku, 2), "", ""], "quantity": 1, "over_the_counter": true});
                if lived_truth.free(sku) > 0
                    && world.prima().post("stock/sales", &sale).await.is_ok()
                {
                    lived_truth.sell_over_the_counter(sku, read_at + NEWS);
                }
            } else {
                let channel = &channels[rng.random_range(0..channels.len())];
                naive.buy(&channel.id, sku, now);
                copy.buy(&channel.id, sku, now);
                let sale = json!({"shop_id": channel.shop_id, "sku": sku, "quantity": 1});
                match world.mirakl().post("sales", &sale).await {
                    Ok(_) => lived_truth.sell(sku, &channel.id, now),
                    Err(_) => {
                        refused += 1;
                        let mut elsewhere = false;
                        for other in channels.iter().filter(|other| other.id != channel.id) {
                            let shown = shown(world, other, std::slice::from_ref(sku)).await?;
                            elsewhere |= shown.values().any(|shown| *shown > 0);
                        }
                        lived_truth.turn_away(sku, elsewhere);
                    }
                }
            }
        }
        came = due;
        naive.look(&channels, &wanted, begun.elapsed());
        look(world, &channels, &wanted, &lived_truth, &mut staleness, begun.elapsed()).await?;
        if said.elapsed() > LINE_EVERY {
            said = Instant::now();
            let (sold, beyond) = total(&lived_truth);
            let ((naive_sold, naive_beyond), (copy_sold, copy_beyond)) =
                (total(&naive.truth), total(&copy.truth));
            view.say(&format!(
                "{came} customers came; sold {sold}, oversold {beyond}; copied: sold {copy_sold}, oversold {copy_beyond}; the naive rule: sold \
                 {naive_sold}, oversold {naive_beyond}"
            ));
        }
    }
    if is_down || !was_down {
        world
            .prima()
            .put("misbehaviour", &json!({"seed": arguments.seed, "outage": false}))
            .await?;
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
    let wrong_in_the_end = wait_until_right(world, &channels, arguments, view).await?;
    let quiet_seconds = quiet.elapsed().as_secs_f64();
    staleness.end(begun.elapsed());
    let rows = world.prima().get("stock").await?;
    let oversold_in_prima = rows["skus"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| row["oversold"].as_i64())
        .sum();
    Ok(Lived {
        pushed: pushed(world, &channels).await?,
        channels,
        truth: lived_truth,
        staleness,
        naive,
        copy,
        last_pieces: arguments.last_pieces,
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
    truth
        .sold
        .values()
        .fold((0, 0), |(sold, beyond), (more, further)| (sold + more, beyond + further))
}

/// What Prima has free, less what is sold and not in Prima (an order that waits for a person), and
/// what it says is available; by the SKU as the shops write it.
async fn stock(world: &World) -> Result<(BTreeMap<String, i64>, BTreeMap<String, i64>)> {
    let (state, prima, mirakl) = tokio::try_join!(
        world.prima().get("stock"),
        world.prima().get("state"),
        world.mirakl().get("state")
    )?;
    let lines = |state: &Value| -> Vec<Value> {
        let orders = state["orders"].as_array().into_iter().flatten();
        let open =
            orders.filter(|order| !matches!(order["state"].as_str(), Some("CANCELED" | "REFUSED")));
        open.flat_map(|order| order["lines"].as_array().cloned().unwrap_or_default()).collect()
    };
    let in_prima: BTreeSet<String> = lines(&prima)
        .iter()
        .filter_map(|line| line["reference"].as_str().map(str::to_owned))
        .collect();
    let mut on_its_way: BTreeMap<String, i64> = BTreeMap::new();
    for line in lines(&mirakl) {
        if !line["order_line_id"].as_str().is_some_and(|id| in_prima.contains(id)) {
            *on_its_way
                .entry(line["offer_sku"].as_str().unwrap_or_default().to_owned())
                .or_default() += line["quantity"].as_i64().unwrap_or(0);
        }
    }
    let (mut free, mut available) = (BTreeMap::new(), BTreeMap::new());
    for row in state["skus"].as_array().into_iter().flatten() {
        let matrix = &row["sku"]["matrix"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let sku =
            format!("{}-{}-{}", text(&row["sku"]["product"]), text(&matrix[0]), text(&matrix[1]));
        let physical = row["stock"]["physical"].as_i64().context("a SKU without stock")?;
        let allocated = row["allocated"].as_i64().unwrap_or(0);
        let sold = on_its_way.get(&sku).copied().unwrap_or(0);
        free.insert(sku.clone(), ((physical - allocated).max(0) - sold).max(0));
        available.insert(sku, physical);
    }
    Ok((free, available))
}

/// What each channel shows of some SKUs.
async fn shown(
    world: &World,
    channel: &SeedChannel,
    skus: &[String],
) -> Result<BTreeMap<String, i64>> {
    let shown = world
        .mirakl()
        .post(&format!("shops/{}/offers/look", channel.shop_id), &json!(skus))
        .await?;
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

/// Whether the channels show what they should of a SKU: all that is free, each of them; or, of the
/// last pieces, no more together than is free, and no more hidden than one of them shows.
fn is_right(free: i64, shows: &[i64], rule: LastPieces) -> bool {
    let all_show_all = shows.iter().all(|shown| *shown == free);
    if rule == LastPieces::Copy || shows.len() < 2 {
        return all_show_all;
    }
    let hidden = free - shows.iter().sum::<i64>();
    let most_hidden = match rule {
        LastPieces::OneChannel => shows.iter().max(),
        _ => shows.iter().min(),
    };
    (all_show_all && (free == 0 || free > FLOOR))
        || (hidden >= 0 && most_hidden.is_some_and(|most| hidden <= *most))
}

/// Waits until both channels show what they should, of every SKU. Answers of how many they do not
/// in the end.
async fn wait_until_right(
    world: &World,
    channels: &[SeedChannel],
    arguments: &Arguments,
    view: &mut View,
) -> Result<usize> {
    let begun = Instant::now();
    let mut said = Instant::now();
    loop {
        let (free, _) = stock(world).await?;
        let skus: Vec<String> = free.keys().cloned().collect();
        let mut shows: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for channel in channels {
            for (sku, quantity) in shown(world, channel, &skus).await? {
                shows.entry(sku).or_default().push(quantity);
            }
        }
        let wrong: Vec<String> = shows
            .iter()
            .filter_map(|(sku, shows)| Some((sku, shows, *free.get(sku)?)))
            .filter(|(_, shows, free)| !is_right(*free, shows, arguments.last_pieces))
            .map(|(sku, shows, free)| format!("{sku} shows {shows:?} of {free}"))
            .collect();
        if wrong.is_empty() || begun.elapsed() > PATIENCE {
            let examples: Vec<_> = wrong.iter().take(3).cloned().collect();
            view.say(&if wrong.is_empty() {
                "Every offer shows what it should".to_owned()
            } else {
                format!("{} SKUs are wrong: {}", wrong.len(), examples.join("; "))
            });
            return Ok(wrong.len());
        }
        if said.elapsed() > LINE_EVERY {
            said = Instant::now();
            view.say(&format!(
                "{} of {} SKUs do not show what they should yet",
                wrong.len(),
                skus.len()
            ));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

/// What Mirakl itself has of the imports.
async fn pushed(
    world: &World,
    channels: &[SeedChannel],
) -> Result<BTreeMap<String, (usize, usize, usize)>> {
    let state = world.mirakl().get("stock").await?;
    let mut pushed: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
    for import in state["imports"].as_array().into_iter().flatten().map(|import| &import["import"])
    {
        let Some(channel) = channels.iter().find(|channel| import["shop_id"] == channel.shop_id)
        else {
            continue;
        };
        let (pushes, lines, errors) = pushed.entry(channel.id.clone()).or_default();
        *pushes += 1;
        *lines +=
            import["updated"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
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
        let (polled, pushed) =
            tokio::join!(world.deployment().tick(), world.deployment().push_stock());
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
            (
                "connector",
                pushes,
                lines.to_string(),
                errors.to_string(),
                &lived.truth,
                &lived.staleness,
            ),
            (
                "copied",
                lived.copy.pushes / lived.channels.len().max(1),
                "-".to_owned(),
                "-".to_owned(),
                &lived.copy.truth,
                &Staleness::default(),
            ),
            (
                "naive",
                lived.naive.pushes,
                "-".to_owned(),
                "-".to_owned(),
                &lived.naive.truth,
                &lived.naive.staleness,
            ),
        ] {
            let (sold, beyond) = truth.sold.get(id).copied().unwrap_or_default();
            let seconds = staleness.of(id);
            let shown = |value: Option<f64>| {
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
            };
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
    table
        .column_iter_mut()
        .skip(2)
        .for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!(
        "\nAs the two systems themselves have it, after {:.0} s:\n{table}",
        took.as_secs_f64()
    );
    for (rule, truth) in
        [("connector", &lived.truth), ("copied", &lived.copy.truth), ("naive", &lived.naive.truth)]
    {
        println!(
            "{rule}: {} units oversold, {} of them between our own channels and {} to Prima's own shops. {} customers found nothing on one \
             channel while another still had a piece, {} while pieces were left that no channel showed.",
            total(truth).1,
            truth.taken_by_channels,
            truth.taken_by_shops,
            truth.shown_elsewhere,
            truth.shown_nowhere
        );
    }
    println!(
        "An oversold unit counts for the shops where one of them has sold a piece of the SKU that the offers could not follow yet ({} s, or \
         while Prima is down). The copied rule is a model with the delays of this run: orders listed every {} s, a push every {} s, {} s \
         until it has its effect.",
        NEWS.as_secs(),
        COPY_LISTS.as_secs(),
        COPY_PUSHES.as_secs(),
        COPY_IMPORTS.as_secs()
    );
    println!(
        "{} customers found their SKU sold out. In Prima {} pieces are promised beyond what lies there.",
        lived.refused_customers, lived.oversold_in_prima
    );
    println!(
        "The naive rule publishes AvailableQuantity every {} minutes; the same customers came to it at the same moments.",
        NAIVE.as_secs() / 60
    );
    if lived.is_sound() {
        println!("{:.0} s after the peak every offer showed what it should.", lived.quiet_seconds);
    } else {
        println!("{} SKUS ARE WRONG in the end.", lived.wrong_in_the_end);
    }
}

fn to_json(lived: &Lived, arguments: &Arguments, took: Duration, world: &World) -> Value {
    let mut channels = serde_json::Map::new();
    for channel in &lived.channels {
        let id = &channel.id;
        let (pushes, lines, errors) = lived.pushed.get(id).copied().unwrap_or_default();
        let (sold, oversold) = lived.truth.sold.get(id).copied().unwrap_or_default();
        let (naive_sold, naive_oversold) =
            lived.naive.truth.sold.get(id).copied().unwrap_or_default();
        let value = json!({
            "pushes": pushes, "lines_published": lines, "lines_in_error": errors, "staleness_seconds": lived.staleness.of(id),
            "units_sold": sold, "oversold_units": oversold,
            "naive": {"pushes": lived.naive.pushes, "units_sold": naive_sold, "oversold_units": naive_oversold,
                "staleness_seconds": lived.naive.staleness.of(id)},
        });
        channels.insert(id.clone(), value);
    }
    let rule = |truth: &Truth| {
        let (sold, oversold) = total(truth);
        json!({
            "units_sold": sold, "oversold_units": oversold, "oversold_between_channels": truth.taken_by_channels,
            "oversold_to_shops": truth.taken_by_shops, "customers_with_a_piece_on_another_channel": truth.shown_elsewhere,
            "customers_with_a_piece_shown_nowhere": truth.shown_nowhere,
        })
    };
    json!({
        "sound": lived.is_sound(),
        "last_pieces": arguments.last_pieces.name(),
        "rules": {"connector": rule(&lived.truth), "copied": rule(&lived.copy.truth), "naive": rule(&lived.naive.truth)},
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
