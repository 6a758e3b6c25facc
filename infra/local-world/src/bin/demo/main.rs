//! `cargo demo`: watch orders go from Mirakl to Prima on this machine.

mod arguments;
mod dispatch_day;
mod faults;
mod month_end;
mod report;
mod stock_peak;
mod view;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use local_world::{World, WorldOptions};

use crate::arguments::{Arguments, Faults, Scenario};
use crate::view::View;

/// The schedule's minute in the demo.
const TICK: Duration = Duration::from_secs(3);
/// How often the view is drawn.
const LOOK: Duration = Duration::from_millis(500);
/// After the last order has arrived, this long at most until all is settled: the connector waits a
/// minute after an answer of Prima that it cannot use, and two minutes after another one.
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Whatever ends this, the world inside is dropped, and with it every process that it started.
    let ended = tokio::select! {
        ended = live(&arguments) => ended,
        _ = tokio::signal::ctrl_c() => {
            println!("\nStopped; everything is cleaned up.");
            return ExitCode::from(130);
        }
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("\nThe demo failed: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

async fn live(arguments: &Arguments) -> Result<bool> {
    match arguments.scenario {
        Scenario::Orders => run(arguments).await,
        Scenario::DispatchDay => dispatch_day::run(arguments).await,
        Scenario::StockPeak => stock_peak::run(arguments).await,
        Scenario::MonthEnd => month_end::run(arguments).await,
    }
}

/// True where nothing was lost or doubled.
async fn run(arguments: &Arguments) -> Result<bool> {
    let mut view = View::new();
    view.say(&format!(
        "{} orders over {} s, seed {}, faults: {}",
        arguments.orders(),
        arguments.span().as_secs(),
        arguments.seed,
        arguments.faults.name()
    ));
    let options =
        WorldOptions { stack: "demo".to_owned(), seed: arguments.seed, ..WorldOptions::default() };
    let world = view.start(&options).await?;
    world.mirakl().put("misbehaviour", &faults::mirakl(arguments.faults, arguments.seed)).await?;
    world
        .prima()
        .put("misbehaviour", &faults::prima(arguments.faults, arguments.seed, false))
        .await?;
    view.say(&format!(
        "The schedule's minute is {} s here: acknowledge-orders runs that often",
        TICK.as_secs()
    ));
    let begun = Instant::now();
    tokio::select! {
        result = live_through(&world, arguments, &mut view) => result?,
        never = keep_polling(&world) => never?,
    }
    view.erase();
    let took = begun.elapsed();
    let summary = world.summary().await?;
    report::print(&summary, took, world.recordings());
    if let Some(path) = &arguments.json {
        report::write(path, &report::json(&summary, arguments, took, world.recordings()))?;
        println!("Summary as JSON: {}", path.display());
    }
    if arguments.stay {
        explain_how_to_explore(&world)?;
        keep_polling(&world).await?;
    }
    Ok(summary.is_sound())
}

/// Stands in for the schedule. A run that fails is not repeated: the next one repairs it. Ends only
/// where the local AWS has gone.
async fn keep_polling(world: &World) -> Result<()> {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        if let Err(problem) = world.deployment().tick().await {
            // Gone for good, or only this run? The queues tell.
            world.deployment().queue_depths().await.map_err(|_| problem)?;
        }
    }
}

/// Lets the orders arrive and looks on until everything is settled.
async fn live_through(world: &World, arguments: &Arguments, view: &mut View) -> Result<()> {
    let begun = Instant::now();
    let span = arguments.span();
    let mut arrived = 0;
    let mut outage = Outage::Ahead;
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let elapsed = begun.elapsed();
        let due = arguments.orders_due(elapsed, span);
        for number in arrived..due {
            let channel = &world.channels()[number as usize % world.channels().len()];
            // One order in forty, the fifth first, is of something that Prima does not sell.
            world.bring_orders(channel, 1, number % 40 == 4).await?;
        }
        arrived = due;
        if arguments.faults == Faults::Heavy {
            outage = outage.next(world, arguments, view, elapsed, span).await?;
        }
        let seen = world.observe().await?;
        view.show(&seen);
        if arrived == arguments.orders() && outage.is_over_or(arguments.faults) && seen.is_settled()
        {
            return Ok(());
        }
        if elapsed > span + PATIENCE {
            view.say(&format!(
                "Not everything is settled after {} s; what is missing is shown below",
                elapsed.as_secs()
            ));
            return Ok(());
        }
    }
}

/// Prima's outage in a run with heavy faults.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outage {
    Ahead,
    Now,
    Over,
}

impl Outage {
    fn is_over_or(self, level: Faults) -> bool {
        level != Faults::Heavy || self == Self::Over
    }

    async fn next(
        self,
        world: &World,
        arguments: &Arguments,
        view: &mut View,
        elapsed: Duration,
        span: Duration,
    ) -> Result<Self> {
        let plan = |outage| faults::prima(arguments.faults, arguments.seed, outage);
        match self {
            Self::Ahead if elapsed >= span / 3 => {
                world.prima().put("misbehaviour", &plan(true)).await?;
                view.say(
                    "Prima goes down: orders are acknowledged all the same, and firm ones wait",
                );
                Ok(Self::Now)
            }
            Self::Now if elapsed >= span * 3 / 5 => {
                world.prima().put("misbehaviour", &plan(false)).await?;
                view.say("Prima is back");
                Ok(Self::Over)
            }
            same => Ok(same),
        }
    }
}

fn explain_how_to_explore(world: &World) -> Result<()> {
    println!(
        "\nEverything stays up until Ctrl-C; acknowledge-orders goes on running every {} s.\n",
        TICK.as_secs()
    );
    println!("  Local AWS          {}", world.deployment().aws().endpoint());
    println!("  Simulated Mirakl   {}/simulator/state", world.mirakl().url());
    println!("  Simulated Prima    {}/simulator/state", world.prima().url());
    println!("\nIn another terminal:\n");
    for (name, value) in world.deployment().operator_environment()? {
        println!("  export {name}={value}");
    }
    let operator = world.deployment().operator_binary();
    println!("  {} status", operator.display());
    println!("  {} exceptions list", operator.display());
    println!(
        "  curl -X PUT {}/simulator/misbehaviour -H content-type:application/json -d '{{\"outage\":true}}'",
        world.prima().url()
    );
    Ok(())
}
