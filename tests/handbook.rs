//! The operating handbook names everything that can reach a person.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;

use shared::domain::events::EventKind;
use shared::domain::order::row::ExceptionKind;
use shared::domain::stock::exceptions::StockExceptionKind;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)).unwrap()
}

#[test]
fn every_exception_event_and_alarm_has_its_line_in_the_handbook() {
    let (handbook, template) = (read("docs/operations.md"), read("template.yaml"));
    let exceptions = ExceptionKind::ALL.map(ExceptionKind::name);
    let of_stock = StockExceptionKind::ALL.map(StockExceptionKind::name);
    let events = EventKind::ALL.map(EventKind::detail_type);
    let alarms: Vec<&str> =
        template.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':')).filter(|name| name.ends_with("Alarm")).collect();
    assert!(alarms.len() >= 9, "the template's alarms are not found: {alarms:?}");
    let missing: Vec<&str> = exceptions
        .into_iter()
        .chain(of_stock)
        .chain(events)
        .chain(alarms)
        .filter(|name| !handbook.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "docs/operations.md has no line for: {}", missing.join(", "));
}
