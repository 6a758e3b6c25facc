//! What of stock needs a person now, in words.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shared::domain::stock::evaluate::Counted;
use shared::domain::stock::exceptions::{Condition, StockExceptionKind as Kind};
use shared::domain::stock::memory::StockMemory;
use shared::domain::stock::settings::StockSettings;
use shared::mirakl::error_report::{LineError, group_by_reason};
use shared::mirakl::rights::refusal;

use crate::channel_run::ChannelRun;
use crate::reading::is_overdue;

fn condition(kind: Kind, subject: &str, reason: String, remedy: &str) -> Condition {
    Condition { kind, subject: subject.to_owned(), reason, remedy: remedy.to_owned() }
}

/// Reasons of refusals that stand as exceptions at once; the rest is in the log.
const MOST_REASONS: usize = 20;

/// A reason of Mirakl's, of which nobody knows how long it may be.
fn short(reason: &str) -> String {
    reason.chars().take(120).collect()
}

fn examples(counted: &Counted) -> String {
    let more = if counted.count > counted.examples.len() { ", …" } else { "" };
    format!("{}{more}", counted.examples.join(", "))
}

pub(crate) fn basis_missing(problem: &str) -> Vec<Condition> {
    vec![condition(
        Kind::BasisMissing,
        "",
        problem.to_owned(),
        "Put the agreement into the installation document: prima-mirakl installation put FILE. The next run publishes.",
    )]
}

pub(crate) fn documents_unusable(problem: &str) -> Condition {
    condition(
        Kind::DocumentsUnusable,
        "",
        problem.to_owned(),
        "Correct the document. Until then nothing is published here, and no offer is raised on any channel.",
    )
}

/// Of a channel whose definition cannot be used: nobody knows its mode.
pub(crate) fn definition_unusable(channel: &str, problem: &str) -> Condition {
    condition(
        Kind::DocumentsUnusable,
        channel,
        format!("the definition of channel {channel} cannot be used: {problem}"),
        "Put it again: prima-mirakl channels put FILE. Until then nothing is published there, and no offer is raised on any channel.",
    )
}

/// Of the installation: what the latest reading of Prima says.
pub(crate) fn of_installation(
    memory: &StockMemory,
    settings: &StockSettings,
    now: Timestamp,
) -> Vec<Condition> {
    let mut found = Vec::new();
    if is_overdue(memory, settings.raise_within_minutes, now) {
        let since =
            memory.whole_at.map_or_else(|| "ever".to_owned(), |at| format!("since {at:.0}"));
        found.push(condition(
            Kind::PrimaUnread,
            "",
            format!("Prima's stock was not read whole {since}: {}", memory.failed_ranges.join("; ")),
            "Check Prima and the way to it. What is sold goes on lowering offers; nothing is raised. A range that fails for its size is parted by itself. Where runs have no time left for all ranges, let more be read at once (calls.stock), if Prima bears it.",
        ));
    }
    if memory.unusable > 0 {
        found.push(condition(
            Kind::FiguresUnusable,
            "",
            format!("{} of {} SKUs have no figure that can be used: their offers are lowered by sales and never raised", memory.unusable, memory.skus),
            "Look for 'no figure that can be used' in the log of push-stock, which names some. Correct them in Prima, or the basis in the installation document.",
        ));
    }
    found
}

/// Of a channel; and the kinds that were looked at.
pub(crate) fn of_channel(
    channel: &ChannelRun,
    evaluated: bool,
    now: Timestamp,
) -> (Vec<Condition>, Vec<Kind>) {
    let mut found = Vec::new();
    let mut looked_at = vec![
        Kind::DocumentsUnusable,
        Kind::LinesRefused,
        Kind::ImportFailed,
        Kind::ImportStuck,
        Kind::OffersUnread,
        Kind::OffersUnusable,
        Kind::MarketplaceRefuses,
    ];
    let memory = &channel.memory;
    let errors: Vec<LineError> = memory
        .imports
        .refused
        .iter()
        .map(|refused| LineError {
            line: None,
            offer_sku: Some(refused.offer_sku.clone()),
            reason: refused.reason.clone(),
        })
        .collect();
    if let Some((lines, reason)) = &memory.imports.unnamed {
        found.push(condition(
            Kind::LinesRefused,
            "without a SKU",
            format!("Mirakl refuses {lines} lines of the latest import and does not say which: {}", short(reason)),
            "Look at the import in the marketplace's back office. Until an import is through without such lines, all of them are published again.",
        ));
    }
    for group in group_by_reason(&errors, 5).into_iter().take(MOST_REASONS) {
        let skus: Vec<_> = group.examples.iter().filter_map(|one| one.offer_sku.clone()).collect();
        found.push(condition(
            Kind::LinesRefused,
            &short(&group.reason),
            format!("Mirakl refuses the quantity of {} offers: {} ({}{})", group.count, group.reason, skus.join(", "), if group.count > skus.len() { ", …" } else { "" }),
            "Mend the offers on the marketplace, or exclude them by a stock rule. They are tried again every hour, and at once where the quantity changes.",
        ));
    }
    for right in memory.joint.refused_rights.iter() {
        found.push(condition(
            Kind::MarketplaceRefuses,
            &right.operation,
            refusal(&right.operation, &right.told),
            "Have the marketplace give the right to the key's user, or store another key: prima-mirakl check CHANNEL shows which rights are missing. It goes on by itself within ten minutes.",
        ));
    }
    if let Some(failed) = &memory.imports.failed {
        let remedy = "Nothing, if it passes: its lines are published again by themselves. If it lasts, ask the marketplace; where it has no STO01, set import to \"offers\" in the stock rules.";
        found.push(condition(
            Kind::ImportFailed,
            "",
            format!("{} ({:.0})", failed.reason, failed.at),
            remedy,
        ));
    }
    let stuck = memory.imports.stray.iter().filter(|stray| stray.import_id.is_some());
    for stray in stuck {
        let id = stray.import_id.as_deref().unwrap_or_default();
        let minutes = now.duration_since(stray.begun_at).as_mins();
        found.push(condition(
            Kind::ImportStuck,
            id,
            format!("the marketplace has not ended import {id} of {} lines after {minutes} minutes; others go on beside it", stray.lines),
            "Ask the marketplace's operator about it. When it does end, its lines are published again.",
        ));
    }
    if let Some(problem) = &memory.run.offers.problem {
        found.push(condition(
            Kind::OffersUnread,
            "",
            format!("the list of offers cannot be read: {problem}"),
            "It is asked for again by itself. If it lasts, check the key's right to read offers: prima-mirakl check CHANNEL.",
        ));
    }
    if !memory.run.offers.unreadable.is_empty() {
        found.push(condition(
            Kind::OffersUnusable,
            "",
            format!(
                "offers cannot be named in an import, or not told apart: {}",
                memory.run.offers.unreadable.join("; ")
            ),
            "Correct these offers' SKUs on the marketplace: nothing is published of them.",
        ));
    }
    if evaluated && channel.offers.is_some() {
        looked_at.extend([
            Kind::OffersUnmapped,
            Kind::OffersUnknownToPrima,
            Kind::ZeroesHeld,
            Kind::StockUnprotected,
        ]);
        found.extend(evaluated_conditions(channel));
    }
    (found, looked_at)
}

fn evaluated_conditions(channel: &ChannelRun) -> Vec<Condition> {
    let mut found = Vec::new();
    for (problem, counted) in &channel.evaluation.unmapped {
        found.push(condition(
            Kind::OffersUnmapped,
            problem.name(),
            format!("{} offers have a SKU that names no Prima SKU ({}): {}", counted.count, problem.name(), examples(counted)),
            "Add overrides (prima-mirakl skus put), correct the order rules' patterns, or the offers' SKUs on the marketplace. Nothing is published of them.",
        ));
    }
    let unknown = &channel.evaluation.unknown_to_prima;
    if unknown.count > 0 {
        found.push(condition(
            Kind::OffersUnknownToPrima,
            "",
            format!("{} offers name a SKU that Prima has never answered: {}", unknown.count, examples(unknown)),
            "Correct the SKU on the marketplace or in Prima, or add an override. Nothing is published of them.",
        ));
    }
    let zeroes = &channel.evaluation.zeroes_held;
    // Where nothing is published, nothing is held back: it is told once the channel is live.
    if zeroes.count > 0 && channel.is_live() {
        found.push(condition(
            Kind::ZeroesHeld,
            "",
            format!("{} offers would go to zero because Prima has none of them: {}; that is more than stock.zeroes_percent lets through at once", zeroes.count, examples(zeroes)),
            "Look in Prima whether that is so. If it is: prima-mirakl stock allow-zeroes CHANNEL. If it is not, mend Prima's answer.",
        ));
    }
    let mut unprotected: BTreeMap<&str, u32> = BTreeMap::new();
    for one in &channel.report.unprotected {
        *unprotected.entry(&one.offer_sku).or_default() += one.units;
    }
    if !unprotected.is_empty() {
        let skus: Vec<String> =
            unprotected.iter().take(5).map(|(sku, units)| format!("{units} of {sku}")).collect();
        found.push(condition(
            Kind::StockUnprotected,
            "",
            format!("sold pieces whose SKU names no Prima SKU: {}; no channel's offer is lowered for them", skus.join(", ")),
            "Add overrides for these SKUs (prima-mirakl skus put), then retry the orders.",
        ));
    }
    found
}
