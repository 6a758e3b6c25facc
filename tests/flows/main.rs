//! Orders and dispatches as they are deployed: the real template on a local AWS, the compiled
//! functions, both simulators over HTTP.
//!
//! Each test has a world of its own. What became of the orders is read from the two simulated
//! systems, never from the connector's rows.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod dispatch;
mod stock;
mod stock_trouble;
mod trouble;
mod usual;

use std::time::{Duration, Instant};

use local_world::seed::SeedChannel;
use local_world::{World, WorldOptions};
use serde_json::Value;

/// A world with nothing in it yet.
async fn world(options: WorldOptions) -> World {
    World::start(&options, |_| {}).await.unwrap()
}

/// A stack name of its own, so that what a failing test leaves behind can be told apart.
fn options(stack: &str) -> WorldOptions {
    WorldOptions { stack: stack.to_owned(), ..WorldOptions::default() }
}

fn uk(world: &World) -> SeedChannel {
    world.channels()[0].clone()
}

/// Polls until `holds`; fails with `what` after `limit`.
async fn poll_until(
    world: &World,
    what: &str,
    limit: Duration,
    mut holds: impl AsyncFnMut() -> bool,
) {
    let deadline = Instant::now() + limit;
    loop {
        world.deployment().tick().await.unwrap();
        if holds().await {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: still not so after {} s", limit.as_secs());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The orders as the simulated Mirakl has them.
async fn mirakl_orders(world: &World) -> Vec<Value> {
    world.mirakl().get("state").await.unwrap()["orders"].as_array().cloned().unwrap_or_default()
}

/// The orders as the simulated Prima has them.
async fn prima_orders(world: &World) -> Vec<Value> {
    world.prima().get("state").await.unwrap()["orders"].as_array().cloned().unwrap_or_default()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

/// How many sales orders Prima holds for a Mirakl order: those whose lines carry its line ids.
async fn in_prima(world: &World, order_id: &str) -> Vec<Value> {
    let prefix = format!("{order_id}-");
    let mut orders = prima_orders(world).await;
    orders.retain(|order| {
        order["lines"].as_array().is_some_and(|lines| {
            lines.iter().any(|line| text(line, "reference").starts_with(&prefix))
        })
    });
    orders
}

async fn the_order(world: &World) -> String {
    let orders = mirakl_orders(world).await;
    assert_eq!(orders.len(), 1);
    text(&orders[0], "order_id").to_owned()
}

/// The stage of an order's row: for waiting, never for judging.
async fn stage(world: &World, order_id: &str) -> String {
    let rows = world.deployment().rows().await.unwrap();
    let row = rows.iter().find(|row| {
        text(row, "pk").starts_with("order#") && text(row, "pk").ends_with(&format!("#{order_id}"))
    });
    row.map(|row| text(row, "stage").to_owned()).unwrap_or_default()
}
