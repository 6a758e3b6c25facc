//! The summary at the end, for people and as JSON.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use local_world::verdict::Summary;
use serde_json::{Map, Value, json};

use crate::arguments::Arguments;

/// What an operator reads.
pub(crate) fn print(summary: &Summary, took: Duration, traffic: &Path) {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header([
        "channel",
        "orders seen",
        "acknowledged",
        "in Prima",
        "exceptions",
        "cancelled",
        "under way",
        "LOST",
        "DOUBLED",
        "seconds to acknowledge: p50",
        "p99",
        "max",
    ]);
    for (name, channel) in &summary.channels {
        let mut row = vec![name.clone()];
        let numbers = [
            channel.orders_seen,
            channel.acknowledged,
            channel.created,
            channel.exceptions,
            channel.cancelled,
            channel.under_way,
            channel.lost.len(),
            channel.duplicated.len(),
        ];
        row.extend(numbers.iter().map(ToString::to_string));
        let seconds = channel
            .seconds_to_acknowledge
            .map_or([None; 3], |s| [Some(s.p50), Some(s.p99), Some(s.max)]);
        row.extend(
            seconds
                .map(|value| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))),
        );
        table.add_row(row);
    }
    table
        .column_iter_mut()
        .skip(1)
        .for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("\nAs both systems themselves have it, after {:.0} s:\n{table}", took.as_secs_f64());
    for (name, channel) in &summary.channels {
        for order in &channel.lost {
            println!("LOST     {name} {order}: paid in Mirakl, not in Prima, and nobody was told");
        }
        for order in &channel.duplicated {
            println!("DOUBLED  {name} {order}: more than once in Prima");
        }
    }
    for number in &summary.strangers {
        println!("UNKNOWN  Prima order {number} belongs to no Mirakl order");
    }
    if summary.is_sound() {
        println!(
            "Every firm order is in Prima exactly once, or stands as an exception with a reason and a remedy."
        );
    }
    println!("Recorded traffic: {}", traffic.display());
}

/// The same as JSON.
pub(crate) fn json(
    summary: &Summary,
    arguments: &Arguments,
    took: Duration,
    traffic: &Path,
) -> Value {
    let channels: Map<_, _> = summary
        .channels
        .iter()
        .map(|(name, channel)| {
            let value = json!({
                "orders_seen": channel.orders_seen,
                "acknowledged": channel.acknowledged,
                "created": channel.created,
                "exceptions": channel.exceptions,
                "cancelled": channel.cancelled,
                "under_way": channel.under_way,
                "lost": channel.lost.len(),
                "lost_orders": channel.lost,
                "duplicated": channel.duplicated.len(),
                "duplicated_orders": channel.duplicated,
                "seconds_to_acknowledge": channel.seconds_to_acknowledge,
            });
            (name.clone(), value)
        })
        .collect();
    json!({
        "sound": summary.is_sound(),
        "channels": channels,
        "strangers": summary.strangers,
        "recorded_traffic": traffic,
        "orders": arguments.orders(),
        "seed": arguments.seed,
        "faults": arguments.faults.name(),
        "seconds": took.as_secs_f64(),
    })
}

/// Writes the JSON summary.
pub(crate) fn write(path: &Path, value: &Value) -> Result<()> {
    let text = format!("{}\n", serde_json::to_string_pretty(value)?);
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
