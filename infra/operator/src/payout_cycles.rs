//! Billing cycles as commands name and show them.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::{Value, json};
use shared::domain::payout::key::CycleKey;
use shared::domain::payout::row::{CycleJournal, CycleRow, CycleStage, ShopKey};
use shared::domain::payout::store::PayoutStore as _;
use shared::kit::currency::written;

use crate::answers::Refused;
use crate::arguments::CycleName;
use crate::connector::Connector;

/// For programs.
pub(crate) fn as_json(value: &impl serde::Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)?)
}

/// The shops that payouts are read of, each once: of one channel, or of all.
pub(crate) async fn shops(
    connector: &Connector,
    channel: Option<&str>,
) -> Result<BTreeSet<ShopKey>> {
    if let Some(channel) = channel {
        let definition = connector.channel(channel).await?;
        let shop = ShopKey::of(&definition).ok_or_else(|| {
            Refused::because(format!("channel {channel} names no shop_id: payouts need one"))
        })?;
        return Ok(BTreeSet::from([shop]));
    }
    let channels = connector.documents()?.channels().await?.channels;
    Ok(channels.iter().filter_map(ShopKey::of).collect())
}

/// All cycles, the newest first.
pub(crate) async fn cycles(connector: &Connector, channel: Option<&str>) -> Result<Vec<CycleRow>> {
    let store = connector.payouts()?;
    let mut rows = Vec::new();
    for shop in shops(connector, channel).await? {
        rows.extend(store.cycles(&shop).await?);
    }
    rows.sort_by(|one, other| {
        other.cycle.created.cmp(&one.cycle.created).then_with(|| one.key.cmp(&other.key))
    });
    Ok(rows)
}

/// The one cycle that is meant.
///
/// # Errors
/// [`Refused`]: there is none, or several.
pub(crate) async fn one(connector: &Connector, name: &CycleName) -> Result<CycleRow> {
    let rows = cycles(connector, name.channel.as_deref()).await?;
    let mut meant: Vec<CycleRow> = rows.into_iter().filter(|row| is_meant(row, name)).collect();
    match (meant.pop(), meant.is_empty()) {
        (Some(row), true) => Ok(row),
        (None, _) => Err(Refused::because(format!(
            "there is no cycle {}: `prima-mirakl payouts list --all` shows those that are known",
            name.cycle
        ))),
        (Some(last), false) => {
            let keys = meant.iter().chain([&last]).map(|row| format!("  {}", row.key));
            let first = format!(
                "{} is several cycles; give --channel, --currency or a whole key:",
                name.cycle
            );
            Err(Refused(std::iter::once(first).chain(keys).collect()).into())
        }
    }
}

fn is_meant(row: &CycleRow, name: &CycleName) -> bool {
    let is_named = row.key.cycle == name.cycle
        || row.key.to_string() == name.cycle
        || row.journals.iter().any(|journal| journal.row.reference == name.cycle);
    is_named && name.currency.as_ref().is_none_or(|currency| *currency == row.key.currency)
}

/// A journal in short.
pub(crate) fn journal_json(journal: &CycleJournal) -> Value {
    json!({
        "reference": journal.row.reference, "stage": journal.row.stage, "total": journal.total,
        "clearing": journal.clearing, "date": journal.date, "hash": journal.row.hash,
    })
}

/// A stage in words.
pub(crate) fn stage(stage: CycleStage) -> &'static str {
    match stage {
        CycleStage::Listed => "listed",
        CycleStage::Reading => "being read",
        CycleStage::Tied => "tied",
        CycleStage::Untied => "DOES NOT TIE",
        CycleStage::BookedByHand => "booked by hand",
        CycleStage::NothingToPost => "nothing to post",
    }
}

/// A journal in a line.
pub(crate) fn journal_line(key: &CycleKey, journal: &CycleJournal) -> String {
    let money = |amount| written(amount, &key.currency);
    format!(
        "{} over {} {}, clearing {}, dated {}",
        journal.row.reference,
        money(journal.total),
        key.currency,
        money(journal.clearing),
        journal.date
    )
}
