//! A month end: two channels, three billing cycles each, thousands of orders of a month that has
//! gone. Every cycle is read, tied, approved and posted; then its transfer arrives at the bank, and
//! the clearing account of each channel comes to what the marketplace still owes.
//!
//! The verdict is that of both systems' own books: the marketplace's transaction log, and Prima's
//! nominal ledger.

mod books;
mod past;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use jiff::Timestamp;
use local_world::{World, WorldOptions};
use serde_json::{Map, Value, json};

use crate::arguments::Arguments;
use crate::report;
use crate::view::View;
use books::{ChannelBooks, books, listed};

/// The quarter of an hour of the schedule in the demo.
const TICK: Duration = Duration::from_secs(2);
/// Every cycle is posted within this.
const PATIENCE: Duration = Duration::from_secs(240);
/// A line about how things stand, so often.
const LINE_EVERY: Duration = Duration::from_secs(8);

pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    let mut view = View::new();
    let now = Timestamp::now();
    view.say(&format!(
        "{} orders of a month that has gone, on two channels, seed {}",
        arguments.orders(),
        arguments.seed
    ));
    let options = WorldOptions {
        stack: "demo".to_owned(),
        seed: arguments.seed,
        channel: json!({"payouts": "live", "take_over_from": now.to_string()}),
        installation: json!({"finance": {"capabilities": {
            "new_journal": true, "journal_status": true, "nominal_transactions": true, "credit_notes": true,
            "unknown_journal_texts": ["Journal not found"],
        }}}),
        // A marketplace's day would be a day.
        mirakl: json!({"settings": {"call_interval_seconds": 0}}),
        prima: json!({"settings": {"books": {"clearing": past::clearing()}}}),
        ..WorldOptions::default()
    };
    let world = view.start(&options).await?;
    past::put_rules(&world, now).await?;
    let laid = past::lay(&world, arguments, now).await?;
    view.say(&format!(
        "{laid} orders stand in both systems, and three closed billing cycles a channel"
    ));
    let begun = Instant::now();
    let clean = clean(&world, &mut view).await?;
    let took = begun.elapsed();
    print(&clean, took);
    println!("Recorded traffic: {}", world.recordings().display());
    let sound = clean.iter().all(ChannelBooks::is_sound);
    if let Some(path) = &arguments.json {
        report::write(path, &to_json(&clean, arguments, took, &world))?;
        println!("Summary as JSON: {}", path.display());
    }
    Ok(sound)
}

/// Everything is as it should be: it is read, tied, approved, posted and paid.
async fn clean(world: &World, view: &mut View) -> Result<Vec<ChannelBooks>> {
    view.say("Cycles are read and tied; what ties is approved by the command");
    wait(world, view, "every cycle approved", async |world| {
        world.deployment().reconcile().await?;
        let cycles = listed(world).await?;
        let mut waiting = 0;
        for cycle in &cycles {
            let id = cycle["key"]["cycle"].as_str().unwrap_or_default();
            let of_cycle = cycle["journals"].as_array().into_iter().flatten();
            let is_to_approve = |journal: &&Value| journal["stage"]["is"] == "awaiting-approval";
            if of_cycle.clone().any(|journal| is_to_approve(&journal)) {
                world
                    .deployment()
                    .operator(&["payouts", "approve", id, "--author", "month end", "--yes"], "")
                    .await?;
            }
            waiting += usize::from(!is_done(cycle));
        }
        let expected = past::CYCLES * world.channels().len();
        let line = format!("{} of {expected} cycles listed, {waiting} not posted", cycles.len());
        Ok((waiting == 0 && cycles.len() >= expected, line))
    })
    .await?;
    view.say("Every journal is posted; the transfers arrive at the bank");
    past::receive(world).await?;
    books(world).await
}

/// Nothing of it is to be done.
fn is_done(cycle: &Value) -> bool {
    let journals = cycle["journals"].as_array().map_or(&[][..], Vec::as_slice);
    match cycle["stage"].as_str() {
        Some("tied") => {
            !journals.is_empty()
                && journals.iter().all(|journal| journal["stage"]["is"] == "posted")
        }
        Some("nothing-to-post" | "booked-by-hand") => true,
        _ => false,
    }
}

async fn wait(
    world: &World,
    view: &mut View,
    what: &str,
    look: impl AsyncFn(&World) -> Result<(bool, String)>,
) -> Result<()> {
    let begun = Instant::now();
    let mut said = Instant::now();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (done, line) = look(world).await?;
        if done || said.elapsed() >= LINE_EVERY {
            view.say(&line);
            said = Instant::now();
        }
        if done {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            let shown = world.deployment().operator(&["payouts", "list", "--all"], "").await?;
            bail!("{what}: not done after {} s: {line}\n{shown}", PATIENCE.as_secs());
        }
    }
}

fn print(books: &[ChannelBooks], took: Duration) {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "channel",
        "cycles",
        "tied",
        "journals",
        "LOST",
        "DOUBLED",
        "lines",
        "clearing",
        "still owed",
        "UNEXPLAINED",
        "naive",
    ]);
    for one in books {
        let money = |amount: &rust_decimal::Decimal| format!("{amount} {}", one.currency);
        table.add_row([
            one.channel.clone(),
            one.cycles.to_string(),
            one.tied.to_string(),
            one.posted.to_string(),
            one.lost.to_string(),
            one.doubled.to_string(),
            one.lines.to_string(),
            money(&one.clearing),
            money(&one.open),
            money(&one.unexplained()),
            money(&one.naive),
        ]);
    }
    table
        .column_iter_mut()
        .skip(1)
        .for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("\nAs both systems' own books have it, after {:.0} s:\n{table}", took.as_secs_f64());
    println!(
        "clearing: the balance of the clearing account in Prima. still owed: what left and is in no paid cycle, by the marketplace's log. naive: what a ledger is off that books documents as they come."
    );
    if books.iter().all(ChannelBooks::is_sound) {
        println!("Every cycle ties to the penny and is in Prima's books once.");
    }
}

fn to_json(clean: &[ChannelBooks], arguments: &Arguments, took: Duration, world: &World) -> Value {
    let channels: Map<_, _> =
        clean.iter().map(|one| (one.channel.clone(), one.to_json())).collect();
    json!({
        "sound": clean.iter().all(ChannelBooks::is_sound),
        "orders": arguments.orders(),
        "seed": arguments.seed,
        "seconds": took.as_secs_f64(),
        "acts": {"clean": {"channels": channels}},
        "recorded_traffic": world.recordings(),
    })
}
