//! What is to be posted of a cycle that ties: its journals, or why there are none.

use std::collections::BTreeMap;

use jiff::civil::Date;
use shared::domain::payout::chart::{Chart, ChartVersion};
use shared::domain::payout::draft::{Books, Draft};
use shared::domain::payout::exceptions::Finding;
use shared::domain::payout::journal::{Heading, Journal, booked, journals};
use shared::domain::payout::key::{JournalKind, JournalName};
use shared::domain::payout::row::CycleRow;
use shared::domain::payout::rules::{JournalDate, PayoutRules};
use shared::domain::payout::settings::FinanceSettings;
use shared::domain::payout::totals::Totals;
use shared::kit::amount::Amount;
use shared::mirakl::finance::TransactionLine;

use crate::findings;
use crate::shop::closed_at;

/// What journals are made from.
pub(crate) struct Source<'s> {
    pub(crate) row: &'s CycleRow,
    /// The lines that count.
    pub(crate) lines: &'s [&'s TransactionLine],
    pub(crate) chart: &'s Chart,
    pub(crate) rules: &'s PayoutRules,
    pub(crate) finance: &'s FinanceSettings,
    /// The journals that Prima has, or may have.
    pub(crate) base: &'s [Journal],
}

/// What comes of it.
pub(crate) struct Made {
    /// The version of the chart.
    pub(crate) chart_from: Date,
    pub(crate) journals: Vec<Journal>,
    pub(crate) findings: Vec<Finding>,
}

/// The day that the cycle's journal has.
pub(crate) fn day_of(row: &CycleRow, rules: &PayoutRules) -> Date {
    let issued = row.documents.iter().filter_map(|document| document.issued).min();
    let moment = match rules.journal_date {
        JournalDate::Cycle => closed_at(row),
        JournalDate::Document => issued.unwrap_or_else(|| closed_at(row)),
    };
    rules.local(moment).date()
}

/// The fees that have no document of the operator's.
pub(crate) fn without_document<'l>(lines: &[&'l TransactionLine]) -> Vec<&'l TransactionLine> {
    let is_one = |line: &&TransactionLine| {
        line.kind.is_invoiced() && line.document.is_none() && line.net() != Amount::ZERO
    };
    lines.iter().copied().filter(is_one).collect()
}

/// Makes the journals of a cycle.
///
/// # Errors
/// What holds it back.
pub(crate) fn make(source: &Source<'_>) -> Result<Made, Vec<Finding>> {
    let Source { row, lines, rules, finance, .. } = source;
    let day = day_of(row, rules);
    let version =
        version_of(source.chart, row, day).ok_or_else(|| vec![findings::no_chart(row, day)])?;
    if version.bank(&row.key.currency, &row.key.psp).is_none() {
        return Err(vec![findings::no_bank(row)]);
    }
    let totals = Totals::of(lines.iter().copied());
    let (_, draft) = Books::open(version, &totals, day, &row.key.currency).map_err(|holds| {
        holds.iter().map(|hold| findings::held(row, hold, lines)).collect::<Vec<_>>()
    })?;
    let mut found = unknown_types(source, version);
    let kind = next_kind(row, source.base);
    let draft = if source.base.is_empty() { draft } else { draft.less(&booked(source.base)) };
    if !source.base.is_empty() && !draft.0.is_empty() && !transfer_changed(source) {
        found.push(findings::changed_after_posting(row, draft.total()));
        return Ok(Made {
            chart_from: version.effective_from,
            journals: Vec::new(),
            findings: found,
        });
    }
    let journals = if draft.0.is_empty() {
        Vec::new()
    } else {
        let booked = finance
            .calendar
            .book(day, rules.closed_period)
            .map_err(|problem| vec![findings::no_period(row, &problem)])?;
        let heading = Heading {
            key: &row.key,
            name: JournalName { kind, ..JournalName::default() },
            booked: &booked,
            clearing: &version.clearing,
            input_vat: &version.input_vat,
            limits: finance.limits,
        };
        sound(row, &draft, &heading)?
    };
    Ok(Made { chart_from: version.effective_from, journals, findings: found })
}

fn sound(
    row: &CycleRow,
    draft: &Draft,
    heading: &Heading<'_>,
) -> Result<Vec<Journal>, Vec<Finding>> {
    let made = journals(draft, heading);
    match made.iter().flat_map(Journal::problems).next() {
        Some(problem) => Err(vec![findings::unsound(row, &problem.to_string())]),
        None => Ok(made),
    }
}

/// The version of the chart that the cycle keeps, or the one that holds on the day of its first
/// journal.
pub(crate) fn version_of<'c>(
    chart: &'c Chart,
    row: &CycleRow,
    day: Date,
) -> Option<&'c ChartVersion> {
    match row.chart_from {
        Some(kept) => chart.versions.iter().find(|version| version.effective_from == kept),
        None => chart.at(day),
    }
}

/// The cycle's own journal, or the next supplementary one.
fn next_kind(row: &CycleRow, base: &[Journal]) -> JournalKind {
    if base.is_empty() {
        return JournalKind::Cycle;
    }
    let latest = base.iter().filter_map(|journal| match journal.name.kind {
        JournalKind::Supplementary(number) => Some(number),
        _ => None,
    });
    debug_assert!(!row.journals.is_empty(), "a base is of journals");
    JournalKind::Supplementary(latest.max().unwrap_or_default() + 1)
}

/// The transfer is another than that of the latest journal that Prima has.
fn transfer_changed(source: &Source<'_>) -> bool {
    let Some(tie) = &source.row.tie else { return false };
    let latest = source.base.iter().max_by_key(|journal| journal.name);
    let made_with = latest.and_then(|journal| source.row.journal(&journal.name));
    made_with.is_some_and(|journal| journal.transfer != tie.transfer)
}

/// Types that the chart does not know: they go to suspense.
fn unknown_types(source: &Source<'_>, version: &ChartVersion) -> Vec<Finding> {
    let mut unknown: BTreeMap<&str, Vec<&TransactionLine>> = BTreeMap::new();
    for line in source.lines.iter().copied() {
        if !version.types.contains_key(line.kind.code()) {
            unknown.entry(line.kind.code()).or_default().push(line);
        }
    }
    unknown.iter().map(|(code, lines)| findings::unknown_type(source.row, code, lines)).collect()
}
