//! The payout rules of a channel: a document that finance writes.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::calendar::ClosedPeriod;
use super::matching::MatchRules;
use super::tie::TieRule;
use crate::kit::field_error::FieldError;

/// A channel's payout rules. Unknown fields are refused: a misspelt one must not be ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayoutRules {
    /// Cycles that closed before this moment are booked by hand: they are read, and never posted.
    pub payouts_from: Timestamp,
    /// The transaction log is read from here on, by `last_updated`; left out for `payouts_from`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_from: Option<Timestamp>,
    /// The zone of days: when cycles are listed, and which day a journal has.
    #[serde(default = "london")]
    pub time_zone: String,
    /// When cycles and documents are listed, once a day.
    #[serde(default = "six")]
    pub daily_at: Time,
    /// Which lines a transfer pays.
    #[serde(default)]
    pub tie_rule: TieRule,
    /// Minutes after which a cycle's lines are read once more: where they are the same and tie, they
    /// are all there.
    #[serde(default = "an_hour")]
    pub confirm_after_minutes: u32,
    /// Hours after which a cycle that does not tie, or whose lines still change, is an exception.
    #[serde(default = "a_day")]
    pub complete_within_hours: u32,
    /// A person approves each journal.
    #[serde(default = "yes")]
    pub approval: bool,
    /// Which day a journal has.
    #[serde(default)]
    pub journal_date: JournalDate,
    /// What happens to a journal whose period is closed.
    #[serde(default)]
    pub closed_period: ClosedPeriod,
    /// How journals reach Prima.
    #[serde(default)]
    pub journal: JournalWay,
    /// Days that a cycle's documents are waited for, before its fees are posted without.
    #[serde(default = "five")]
    pub wait_for_documents_days: u32,
    /// Days after which a transfer that is not paid is late.
    #[serde(default = "a_week")]
    pub payout_late_after_days: u32,
    /// Days after which fees that are in no cycle are told.
    #[serde(default = "six_weeks")]
    pub fees_without_cycle_days: u32,
    /// What is told of an order's money.
    #[serde(default)]
    pub matching: MatchRules,
}

/// Which day a journal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JournalDate {
    /// The day on which the cycle closed.
    #[default]
    Cycle,
    /// The day of the operator's first document of it; the cycle's without one.
    Document,
}

/// How journals reach Prima.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JournalWay {
    /// By `NewJournal` (assumed).
    Service,
    /// As a CSV file, which a person imports.
    #[default]
    File,
}

fn london() -> String {
    "Europe/London".to_owned()
}

fn six() -> Time {
    Time::constant(6, 0, 0, 0)
}

const fn yes() -> bool {
    true
}

const fn an_hour() -> u32 {
    60
}

const fn a_day() -> u32 {
    24
}

const fn five() -> u32 {
    5
}

const fn a_week() -> u32 {
    7
}

const fn six_weeks() -> u32 {
    42
}

impl PayoutRules {
    /// Everything that is wrong, one entry a field.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, field: &str, problem: &str| {
            if !holds {
                problems.push(FieldError::new(field, problem));
            }
        };
        require(
            TimeZone::get(&self.time_zone).is_ok(),
            "time_zone",
            "takes a zone's name, such as \"Europe/London\"",
        );
        require(
            (1..=168).contains(&self.complete_within_hours),
            "complete_within_hours",
            "takes 1 to 168",
        );
        require(self.confirm_after_minutes <= 24 * 60, "confirm_after_minutes", "takes 0 to 1440");
        require(
            self.ledger_from.is_none_or(|from| from <= self.payouts_from),
            "ledger_from",
            "is after payouts_from: the first cycle's lines would be missing",
        );
        for (field, days) in [
            ("wait_for_documents_days", self.wait_for_documents_days),
            ("payout_late_after_days", self.payout_late_after_days),
            ("fees_without_cycle_days", self.fees_without_cycle_days),
        ] {
            require(days <= 120, field, "takes 0 to 120");
        }
        let matching = self.matching.problems().into_iter();
        problems.extend(
            matching.map(|one| FieldError::new(format!("matching.{}", one.field), one.problem)),
        );
        problems
    }

    /// The least time between two readings of a cycle's lines that end its reading.
    #[must_use]
    pub fn confirm_after(&self) -> Duration {
        Duration::from_secs(60 * u64::from(self.confirm_after_minutes))
    }

    /// A moment in the channel's own zone; UTC where the zone is not known.
    #[must_use]
    pub fn local(&self, moment: Timestamp) -> Zoned {
        moment.to_zoned(TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn the_shortest_document_has_sane_defaults() {
        let rules: PayoutRules =
            serde_json::from_str(r#"{"payouts_from":"2026-11-01T00:00:00Z"}"#).unwrap();
        assert_eq!(rules.problems(), []);
        assert!(rules.approval && rules.journal == JournalWay::File);
        assert_eq!(rules.local("2026-07-01T05:00:00Z".parse().unwrap()).time(), rules.daily_at);
    }

    #[test]
    fn each_wrong_field_is_named_and_a_misspelt_one_is_refused() {
        let rules: PayoutRules = serde_json::from_str(
            r#"{"payouts_from":"2026-11-01T00:00:00Z","ledger_from":"2026-11-02T00:00:00Z","time_zone":"Mars/Base",
                "complete_within_hours":0,"confirm_after_minutes":1441,"payout_late_after_days":121}"#,
        )
        .unwrap();
        let fields: Vec<_> = rules.problems().into_iter().map(|one| one.field).collect();
        assert_eq!(
            fields,
            [
                "time_zone",
                "complete_within_hours",
                "confirm_after_minutes",
                "ledger_from",
                "payout_late_after_days"
            ]
        );
        let misspelt = r#"{"payouts_from":"2026-11-01T00:00:00Z","aproval":false}"#;
        assert!(serde_json::from_str::<PayoutRules>(misspelt).is_err());
    }
}
