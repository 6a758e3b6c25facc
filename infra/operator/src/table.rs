//! How answers look.

use comfy_table::{ContentArrangement, Table};
use jiff::Timestamp;

/// A table with these headings, as wide as the terminal.
pub(crate) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings);
    table
}

/// How long ago something was, in the two largest units that matter: `3 d 4 h`, `12 min 5 s`.
pub(crate) fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - since.as_second();
    if seconds < 0 {
        return format!("in {}", span(-seconds));
    }
    span(seconds)
}

fn span(seconds: i64) -> String {
    let (days, hours, minutes, rest) =
        (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A moment, to the second, with its age.
pub(crate) fn moment(at: Timestamp, now: Timestamp) -> String {
    let age = age(at, now);
    let age = if age.starts_with("in ") { age } else { format!("{age} ago") };
    format!("{at:.0} ({age})")
}

/// A moment that may not have come.
pub(crate) fn moment_or_dash(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or_else(|| "-".to_owned(), |at| moment(at, now))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn ages_read_as_people_say_them() {
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let at = |seconds: i64| Timestamp::from_second(1_790_000_000 - seconds).unwrap();
        for (seconds, expected) in [
            (5, "5 s"),
            (725, "12 min 5 s"),
            (7_380, "2 h 3 min"),
            (273_600, "3 d 4 h"),
            (-60, "in 1 min 0 s"),
        ] {
            assert_eq!(age(at(seconds), now), expected);
        }
        assert_eq!(moment(at(5), now), "2026-09-21T14:13:15Z (5 s ago)");
        assert_eq!(moment(at(-5), now), "2026-09-21T14:13:25Z (in 5 s)");
    }
}
