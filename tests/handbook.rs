//! The operating handbook names everything that can reach a person.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;

use shared::domain::events::EventKind;
use shared::domain::order::row::ExceptionKind;
use shared::domain::payout::exceptions::PayoutExceptionKind;
use shared::domain::stock::exceptions::StockExceptionKind;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path))
        .unwrap()
}

#[test]
fn every_exception_event_and_alarm_has_its_line_in_the_handbook() {
    let (handbook, template) = (read("docs/operations.md"), read("template.yaml"));
    let exceptions: Vec<&str> =
        ExceptionKind::ALL.iter().copied().map(ExceptionKind::name).collect();
    let of_stock: Vec<&str> =
        StockExceptionKind::ALL.iter().copied().map(StockExceptionKind::name).collect();
    let of_payouts: Vec<&str> =
        PayoutExceptionKind::ALL.iter().copied().map(PayoutExceptionKind::name).collect();
    let events: Vec<&str> = EventKind::ALL.iter().copied().map(EventKind::detail_type).collect();
    let alarms: Vec<&str> = template
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'))
        .filter(|name| name.ends_with("Alarm"))
        .collect();
    assert!(alarms.len() >= 9, "the template's alarms are not found: {alarms:?}");
    let missing: Vec<&str> = exceptions
        .into_iter()
        .chain(of_stock)
        .chain(of_payouts)
        .chain(events)
        .chain(alarms)
        .filter(|name| !handbook.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "docs/operations.md has no line for: {}", missing.join(", "));
}

/// What the snapshot says of an order that waits for nothing else.
fn plain_outcome<'s>(snapshot: &'s str, stage: &str, state: &str) -> &'s str {
    let begin = format!("{stage} + {state}: ");
    let of_plain = |line: &'s str| {
        let (outcome, cases) = line.strip_prefix(&begin)?.strip_suffix(']')?.rsplit_once(" [")?;
        cases.split(", ").any(|case| matches!(case, "plain" | "all")).then_some(outcome)
    };
    snapshot.lines().find_map(of_plain).unwrap_or_default()
}

#[test]
fn the_blueprint_shows_what_each_stage_makes_of_each_state() {
    let blueprint = read("docs/blueprint.md");
    let snapshot = read(
        "shared/src/domain/order/life/tests/snapshots/shared__domain__order__life__tests__each_stage_meets_each_state.snap",
    );
    let cells = |line: &str| -> Vec<String> {
        let within = line.trim().trim_start_matches('|').strip_suffix('|').unwrap_or_default();
        within.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    let mut table = blueprint
        .lines()
        .skip_while(|line| !line.starts_with("| stage |"))
        .take_while(|line| line.starts_with('|'));
    let states = cells(table.next().unwrap());
    let rows: Vec<Vec<String>> = table.skip(1).map(cells).collect();
    let mut wrong = Vec::new();
    let mut shown = |stage: &str, state: &str, says: &str| {
        let holds = plain_outcome(&snapshot, stage, state);
        if holds != says {
            wrong.push(format!("{stage} + {state} is {holds:?}, and the blueprint says {says:?}"));
        }
    };
    for row in &rows {
        for (state, says) in states.iter().zip(row).skip(1) {
            shown(&row[0], state, says);
        }
    }
    for (state, as_state) in [
        ("WAITING_DEBIT_PAYMENT", "WAITING_DEBIT"),
        ("RECEIVED", "SHIPPED"),
        ("REFUNDED", "CANCELED"),
    ] {
        for row in &rows {
            shown(&row[0], state, plain_outcome(&snapshot, &row[0], as_state));
        }
    }
    let absent: Vec<&str> = snapshot
        .lines()
        .filter_map(|line| line.split_once(" + "))
        .map(|(stage, _)| stage)
        .filter(|stage| !rows.iter().any(|row| row[0] == *stage))
        .collect();
    assert!(
        wrong.is_empty() && absent.is_empty(),
        "{}\nnot in the table: {absent:?}",
        wrong.join("\n")
    );
}

#[test]
fn the_glossary_is_short_and_in_order() {
    let glossary = read("docs/glossary.md");
    let words: Vec<&str> = glossary
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
        .map(|(word, _)| word)
        .skip(1)
        .collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.starts_with("---")).collect();
    assert!((20..=40).contains(&words.len()), "{} words", words.len());
    assert!(words.is_sorted(), "{words:?}");
}
