//! A day in the warehouse: every parcel that leaves Prima becomes a shipped order in Mirakl, or
//! stands as an exception until somebody mends the carrier map.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use local_world::dispatches::DispatchSummary;
use local_world::{World, WorldOptions};
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::view::View;
use crate::{faults, report};

/// The schedule's minute in the demo.
const TICK: Duration = Duration::from_secs(2);
/// A line about how things stand, so often.
const LINE_EVERY: Duration = Duration::from_secs(8);
/// Every order has to be in Prima, and every parcel settled, within this.
const PATIENCE: Duration = Duration::from_secs(900);
/// Orders that arrive at once.
const SWARM: u32 = 200;
/// What the warehouse calls carriers that nobody has mapped, and what they are mapped to.
const NEW_CARRIERS: [(&str, &str, &str); 3] = [
    ("DPD SAT BY 12", "--code", "DPD_UK"),
    ("Yodel", "--name", "Yodel"),
    ("Own lorry (Pete)", "--code", "VAN"),
];

pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    let mut view = View::new();
    let orders = arguments.orders();
    view.say(&format!(
        "A day of {orders} orders, seed {}, faults: {}",
        arguments.seed,
        arguments.faults.name()
    ));
    let options = WorldOptions {
        stack: "demo".to_owned(),
        seed: arguments.seed,
        // Sites ask every quarter of an hour; here, every minute.
        installation: json!({"dispatch": {"interval_minutes": 1, "quiet_interval_minutes": 1}}),
        ..WorldOptions::default()
    };
    let world = view.start(&options).await?;
    world.mirakl().put("misbehaviour", &faults::mirakl(arguments.faults, arguments.seed)).await?;
    view.say(&format!(
        "The schedule's minute is {} s here; Prima is asked about an order once in a real minute",
        TICK.as_secs()
    ));
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
    Ok(lived.before.is_sound() && lived.after.is_complete())
}

/// How things stood before the map was mended, and after.
struct Lived {
    before: DispatchSummary,
    after: DispatchSummary,
    alerts: usize,
}

async fn live_through(world: &World, arguments: &Arguments, view: &mut View) -> Result<Lived> {
    let shops = u32::try_from(world.channels().len()).unwrap_or(1);
    let mut left = arguments.orders();
    while left > 0 {
        let swarm = left.min(SWARM);
        for (place, channel) in (0..).zip(world.channels()) {
            let count = swarm / shops + u32::from(place < swarm % shops);
            if count > 0 {
                world
                    .mirakl()
                    .post("orders", &json!({"shop_id": channel.shop_id, "count": count}))
                    .await?;
            }
        }
        left -= swarm;
    }
    view.say("All orders have arrived; they are accepted and created in Prima");
    wait(world, view, "orders in Prima", async |world| {
        let seen = world.observe().await?;
        let line = format!("{} of {} orders in Prima", seen.prima.len(), seen.mirakl.len());
        Ok((seen.is_settled(), line))
    })
    .await?;

    let round = json!({"seed": arguments.seed, "part_share": 0.05, "several_share": 0.03, "odd_carrier_share": 0.03, "short_share": 0.02,
        "cancel_share": 0.005});
    let booked = world.warehouse(&round).await?;
    view.say(&format!(
        "The warehouse has booked {} parcels; {} orders are short",
        count_of(&booked, "parcels"),
        count_of(&booked, "short")
    ));
    settle(world, view).await?;
    let rest = world.warehouse(&json!({"seed": arguments.seed + 1})).await?;
    view.say(&format!(
        "The rest of the part dispatches leaves: {} parcels",
        count_of(&rest, "parcels")
    ));
    let before = settle(world, view).await?;
    let alerts = world.deployment().alerts().await?;
    let alerts = alerts.iter().filter(|alert| alert["detail-type"] == "DispatchException").count();
    let waiting: usize = before.channels.values().map(|channel| channel.in_exceptions).sum();
    view.say(&format!(
        "{waiting} parcels wait as exceptions, {alerts} alerts were sent; what the warehouse calls its carriers is mapped now"
    ));
    for channel in world.channels() {
        println!(
            "{}",
            world.deployment().operator_ends(&["carriers", "check", &channel.id], "").await?.1
        );
        for (carrier, option, target) in NEW_CARRIERS {
            world
                .deployment()
                .operator(&["carriers", "set", &channel.id, carrier, option, target], "")
                .await?;
        }
    }
    view.say("The map is mended: what waited goes on by itself within two minutes");
    wait(world, view, "mended dispatches told", async |world| {
        let summary = world.parcels().await?;
        let done =
            summary.is_complete() && world.deployment().dispatch_exceptions().await?.is_empty();
        Ok((done, line(&summary)))
    })
    .await?;
    Ok(Lived { before, after: world.parcels().await?, alerts })
}

async fn settle(world: &World, view: &mut View) -> Result<DispatchSummary> {
    wait(world, view, "parcels told", async |world| {
        let (summary, depths) =
            tokio::try_join!(world.parcels(), world.deployment().dispatch_queue_depths())?;
        Ok((summary.is_settled() && depths.is_idle(), line(&summary)))
    })
    .await?;
    world.parcels().await
}

async fn wait(
    world: &World,
    view: &mut View,
    what: &str,
    look: impl AsyncFn(&World) -> Result<(bool, String)>,
) -> Result<()> {
    let begun = Instant::now();
    let mut said = Instant::now();
    loop {
        let (done, line) = look(world).await?;
        if done || said.elapsed() >= LINE_EVERY {
            view.say(&line);
            said = Instant::now();
        }
        if done {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!("{what}: not done after {} s: {line}", PATIENCE.as_secs());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Stands in for both schedules. A run that fails is not repeated: the next one repairs it.
async fn keep_running(world: &World) -> Result<()> {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (polled, collected) =
            tokio::join!(world.deployment().tick(), world.deployment().collect());
        if polled.is_err() || collected.is_err() {
            world.deployment().queue_depths().await.context("the local AWS is gone")?;
        }
    }
}

fn count_of(done: &Value, name: &str) -> usize {
    done[name].as_array().map_or(0, Vec::len)
}

fn line(summary: &DispatchSummary) -> String {
    let channels: Vec<String> = summary
        .channels
        .iter()
        .map(|(name, channel)| {
            format!(
                "{name}: {} booked, {} told, {} exceptions, {} wait for the rest, {} on their way",
                channel.booked,
                channel.confirmed,
                channel.in_exceptions,
                channel.waiting_for_rest,
                channel.lost.len()
            )
        })
        .collect();
    channels.join(" | ")
}

fn print(lived: &Lived, took: Duration) {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "channel",
        "",
        "booked",
        "told",
        "exceptions",
        "LOST",
        "DOUBLED",
        "INVENTED",
        "short orders",
        "UNSETTLED",
        "seconds from booking to SHIPPED: p50",
        "p95",
    ]);
    for (when, summary) in [("before the map was mended", &lived.before), ("after", &lived.after)] {
        for (name, channel) in &summary.channels {
            let seconds = |value: Option<f64>| {
                value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
            };
            table.add_row([
                name.clone(),
                when.to_owned(),
                channel.booked.to_string(),
                channel.confirmed.to_string(),
                channel.in_exceptions.to_string(),
                channel.lost.len().to_string(),
                channel.doubled.len().to_string(),
                channel.invented.len().to_string(),
                channel.short_orders.to_string(),
                (channel.unsettled.len() + channel.settled_too_much.len()).to_string(),
                seconds(channel.seconds_p50),
                seconds(channel.seconds_p95),
            ]);
        }
    }
    table
        .column_iter_mut()
        .skip(2)
        .for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("\nAs both systems themselves have it, after {:.0} s:\n{table}", took.as_secs_f64());
    if lived.after.is_complete() {
        println!(
            "Every parcel is told exactly once, under a number that Prima gave; every short order is settled for exactly what is missing."
        );
    }
}

fn to_json(lived: &Lived, arguments: &Arguments, took: Duration, world: &World) -> Value {
    let sum = |count: fn(&local_world::dispatches::ParcelSummary) -> usize,
               summary: &DispatchSummary|
     -> usize { summary.channels.values().map(count).sum() };
    json!({
        "sound": lived.before.is_sound() && lived.after.is_complete(),
        "orders": arguments.orders(),
        "seed": arguments.seed,
        "faults": arguments.faults.name(),
        "seconds": took.as_secs_f64(),
        "alerts": lived.alerts,
        "parcels": {
            "booked": sum(|channel| channel.booked, &lived.after),
            "confirmed": sum(|channel| channel.confirmed, &lived.after),
            "in_exceptions_before_mending": sum(|channel| channel.in_exceptions, &lived.before),
            "in_exceptions": sum(|channel| channel.in_exceptions, &lived.after),
            "lost": sum(|channel| channel.lost.len(), &lived.after),
            "doubled": sum(|channel| channel.doubled.len(), &lived.after),
        },
        "channels": {"before_mending": lived.before.channels, "after": lived.after.channels},
        "recorded_traffic": world.recordings(),
    })
}
