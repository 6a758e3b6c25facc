//! The one table.

use std::path::Path;

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table};
use local_world::Build;
use serde::Serialize;

/// What stands beside a figure of this build.
pub(crate) fn mark(build: Build) -> &'static str {
    match build {
        Build::Development => "quick build: says nothing",
        Build::Release => "",
    }
}

/// A measured figure: the median of what was measured, with the least and the most.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// The median.
    pub(crate) median: f64,
    /// The least.
    pub(crate) least: f64,
    /// The most.
    pub(crate) most: f64,
    /// How many were measured; 1 for what is counted, or calculated.
    pub(crate) samples: usize,
    /// What it is of, where the column does not say it.
    pub(crate) of: String,
}

impl Figure {
    /// Of one value.
    pub(crate) fn one(value: f64, of: &str) -> Self {
        Self { median: value, least: value, most: value, samples: 1, of: of.to_owned() }
    }

    /// Of several.
    ///
    /// # Errors
    /// There are none.
    pub(crate) fn of(mut values: Vec<f64>, of: &str) -> Result<Self> {
        values.sort_by(f64::total_cmp);
        let at = |place: usize| {
            values.get(place).copied().with_context(|| format!("nothing was measured of {of}"))
        };
        let (least, median, most) =
            (at(0)?, at(values.len() / 2)?, at(values.len().saturating_sub(1))?);
        Ok(Self { median, least, most, samples: values.len(), of: of.to_owned() })
    }
}

/// One row.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) what: String,
    /// Of what unit.
    pub(crate) unit: &'static str,
    /// Ours; `None` where it cannot be measured on this machine: the note says why.
    pub(crate) ours: Option<Figure>,
    /// The least it could be.
    pub(crate) bound: Option<Figure>,
    /// Somebody else's.
    pub(crate) peer: Option<Figure>,
    /// How to read it.
    pub(crate) note: String,
}

impl Row {
    /// Ours by the bound: 1 is perfect.
    fn to_bound(&self) -> Option<f64> {
        let bound = self.bound.as_ref().filter(|bound| bound.median > 0.0)?;
        Some(self.ours.as_ref()?.median / bound.median)
    }

    /// The peer's by ours: how many times better.
    fn to_peer(&self) -> Option<f64> {
        let ours = self.ours.as_ref().filter(|ours| ours.median > 0.0)?;
        Some(self.peer.as_ref()?.median / ours.median)
    }
}

/// Prints the table.
pub(crate) fn print(rows: &[Row]) {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(170);
    table.set_header([
        "what",
        "ours",
        "bound",
        "peer",
        "ours / bound",
        "peer / ours",
        "how to read it",
    ]);
    for row in rows {
        let cell = |figure: &Figure| {
            let of = if figure.of.is_empty() { String::new() } else { format!("\n{}", figure.of) };
            format!("{} {}{of}", short(figure.median), row.unit)
        };
        let ratio = |ratio: Option<f64>| {
            ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
        };
        table.add_row([
            row.what.clone(),
            row.ours.as_ref().map_or_else(|| "not measured".to_owned(), cell),
            row.bound.as_ref().map_or_else(|| "-".to_owned(), cell),
            row.peer.as_ref().map_or_else(|| "-".to_owned(), cell),
            ratio(row.to_bound()),
            ratio(row.to_peer()),
            row.note.clone(),
        ]);
    }
    println!("{table}");
}

fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Writes the rows with all figures and ratios.
pub(crate) fn write(path: &Path, rows: &[Row]) -> Result<()> {
    let rows: Vec<serde_json::Value> = rows
        .iter()
        .map(|row| {
            let mut value = serde_json::to_value(row)?;
            value["ours_to_bound"] = serde_json::json!(row.to_bound());
            value["peer_to_ours"] = serde_json::json!(row.to_peer());
            Ok(value)
        })
        .collect::<Result<_>>()?;
    std::fs::write(path, serde_json::to_vec_pretty(&rows)?)
        .with_context(|| format!("writing {}", path.display()))
}
