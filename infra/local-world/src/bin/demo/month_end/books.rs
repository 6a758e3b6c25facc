//! The verdict, by both systems' own books.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use local_world::World;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::past;

/// What the books of both systems say of a channel.
#[derive(Clone, Debug, Default)]
pub(super) struct ChannelBooks {
    pub(super) channel: String,
    pub(super) currency: String,
    /// Cycles of the marketplace.
    pub(super) cycles: usize,
    /// Of which the connector says that they tie.
    pub(super) tied: usize,
    /// Journals in Prima's ledger that are over the channel's clearing account.
    pub(super) posted: usize,
    /// Cycles that tie and have fees, and no journal in Prima.
    pub(super) lost: usize,
    /// Journals that are there more than once.
    pub(super) doubled: usize,
    /// Lines of the marketplace's log.
    pub(super) lines: usize,
    /// The balance of the clearing account in Prima.
    pub(super) clearing: Decimal,
    /// What the marketplace's log says of orders that left and of fees, and that is in no paid
    /// cycle; with the reserve, which has an account of its own.
    pub(super) open: Decimal,
    /// What the marketplace owes in all, by its own running balance.
    pub(super) marketplace: Decimal,
    /// What a ledger is off that books documents as they come.
    pub(super) naive: Decimal,
}

impl ChannelBooks {
    /// The clearing account, less all that is named.
    pub(super) fn unexplained(&self) -> Decimal {
        self.clearing - self.open
    }

    /// Nothing is untied, lost, doubled or unexplained.
    pub(super) fn is_sound(&self) -> bool {
        self.cycles >= past::CYCLES
            && self.tied == self.cycles
            && self.posted >= self.cycles
            && self.lost + self.doubled == 0
            && self.unexplained().is_zero()
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "cycles": self.cycles, "cycles_tied": self.tied, "cycles_untied": self.cycles - self.tied,
            "journals_posted": self.posted, "journals_doubled": self.doubled, "journals_lost": self.lost,
            "lines": self.lines, "currency": self.currency, "clearing_balance": self.clearing.to_string(),
            "clearing_open_items": self.open.to_string(), "unexplained_difference": self.unexplained().to_string(),
            "marketplace_balance": self.marketplace.to_string(), "naive": {"unexplained_difference": self.naive.to_string()},
        })
    }
}

/// Reads the books of every channel.
pub(super) async fn books(world: &World) -> Result<Vec<ChannelBooks>> {
    let prima = world.prima().get("books").await?;
    let orders = world.prima().get("state").await?;
    let gone: BTreeSet<&str> = orders["orders"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|order| order["status"] == "Despatched")
        .filter_map(|order| order["number"].as_str())
        .collect();
    let known = listed(world).await?;
    let mut all = Vec::new();
    for channel in world.channels() {
        let ledger = world.mirakl().get(&format!("shops/{}/ledger", channel.shop_id)).await?;
        let clearing = past::clearing_of(channel);
        let cycles = ledger["cycles"].as_array().cloned().unwrap_or_default();
        let tied = known.iter().filter(|one| {
            one["channel"] == channel.id.as_str()
                && matches!(one["stage"].as_str(), Some("tied" | "nothing-to-post"))
        });
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        for journal in prima["journals"].as_array().into_iter().flatten() {
            let lines = journal["journal"]["lines"].as_array().into_iter().flatten();
            if lines.clone().any(|line| line["nominal"] == clearing) {
                let id = journal["journal"]["third_party_id"].as_str().unwrap_or_default();
                *times.entry(id).or_default() += 1;
            }
        }
        let with_journal = known
            .iter()
            .filter(|one| one["channel"] == channel.id.as_str())
            .filter(|one| one["journals"].as_array().is_some_and(|journals| !journals.is_empty()))
            .count();
        all.push(ChannelBooks {
            channel: channel.id.clone(),
            currency: channel.currency.to_owned(),
            cycles: cycles.len(),
            tied: tied.count(),
            posted: times.len(),
            lost: with_journal.saturating_sub(times.len()),
            doubled: times.values().map(|times| times - 1).sum(),
            lines: ledger["entries"].as_array().map_or(0, Vec::len),
            clearing: number(&prima["balances"][clearing][channel.currency]),
            open: open(&ledger, &cycles, &gone),
            marketplace: number(&ledger["balances"][channel.currency]),
            naive: naive(&ledger, &cycles),
        });
    }
    Ok(all)
}

fn number(value: &Value) -> Decimal {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn net(entry: &Value) -> Decimal {
    number(&entry["credited"]) - number(&entry["debited"])
}

/// Of orders that left: what is in no cycle, or in one that is not paid. Of fees: the same, where a
/// journal has booked them, which is where their cycle is closed. The reserve is in an account of
/// its own, and so is what is still to be transferred of a cycle.
fn open(ledger: &Value, cycles: &[Value], gone: &BTreeSet<&str>) -> Decimal {
    let mut open = Decimal::ZERO;
    let mut transfers = Decimal::ZERO;
    for cycle in cycles {
        if cycle["pay_out"] != "PAID" {
            transfers += number(&cycle["transfer"]);
        }
    }
    for entry in ledger["entries"].as_array().into_iter().flatten() {
        let kind = entry["kind"].as_str().unwrap_or_default();
        if entry["cycle"].is_null()
            && kind.contains("ORDER")
            && !kind.contains("COMMISSION")
            && entry["order"]["order_id"].as_str().is_some_and(|order| gone.contains(order))
        {
            open += net(entry);
        }
    }
    open + transfers
}

/// What a ledger is off that books the transfers, the sales and each document's total as they come,
/// manual credits once more.
fn naive(ledger: &Value, cycles: &[Value]) -> Decimal {
    let mut off = Decimal::ZERO;
    for entry in ledger["entries"].as_array().into_iter().flatten() {
        let kind = entry["kind"].as_str().unwrap_or_default();
        let is_closed =
            entry["cycle"].as_u64().is_some_and(|place| (place as usize) < cycles.len());
        if is_closed && (kind.starts_with("MANUAL_") || kind.starts_with("RESERVE_")) {
            off += net(entry);
        }
    }
    off
}

/// The cycles as the command lists them.
pub(super) async fn listed(world: &World) -> Result<Vec<Value>> {
    let text = world.deployment().operator(&["payouts", "list", "--all", "--json"], "").await?;
    let answer: Value = serde_json::from_str(&text).context("payouts list --json")?;
    Ok(answer["cycles"].as_array().cloned().unwrap_or_default())
}
