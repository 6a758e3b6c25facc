//! When Prima is asked about an order: by the warehouse's hours, by the order's age, and before its
//! deadline.
//!
//! One question is one `OrderStatus`. With `n` open orders and an interval of `i` minutes Prima is
//! asked `n / i` times a minute in working hours; above `questions_per_minute` the interval
//! stretches to `n / questions_per_minute` minutes, the orders with the nearest deadline first.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::kit::clock::{after, before};
use crate::kit::field_error::FieldError;

/// Where parcels are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// `OrderStatus` answers them (assumed: no site has confirmed it yet).
    #[default]
    OrderStatus,
    /// Dispatch files, dropped in the stack's bucket; `OrderStatus` is asked for the order's state
    /// alone.
    File,
}

/// How dispatches are collected from Prima: part of the installation document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DispatchSettings {
    /// Where parcels are read.
    pub source: Source,
    /// Minutes between two questions for one order in working hours.
    pub interval_minutes: u32,
    /// Minutes between two questions outside of them.
    pub quiet_interval_minutes: u32,
    /// Days after which an order that is still open is asked for at the quiet interval only.
    pub old_after_days: u32,
    /// Questions a minute, at most, over all channels.
    pub questions_per_minute: u32,
    /// When the warehouse works; left out: always.
    pub hours: Option<WorkingHours>,
    /// Prima's words for orders that are still open on this site. Any other word keeps an order
    /// open as well, and is reported once.
    pub open_words: Vec<String>,
}

impl Default for DispatchSettings {
    fn default() -> Self {
        Self {
            source: Source::OrderStatus,
            interval_minutes: 15,
            quiet_interval_minutes: 120,
            old_after_days: 14,
            questions_per_minute: 60,
            hours: None,
            open_words: [
                "New",
                "Entered",
                "Open",
                "On Hold",
                "Held",
                "Allocated",
                "Picking",
                "Picked",
                "Packed",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }
}

/// When the warehouse works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkingHours {
    /// The warehouse's time zone, as POSIX writes it: `GMT0BST,M3.5.0/1,M10.5.0` for the United
    /// Kingdom.
    pub zone: String,
    /// `mon` to `sun`.
    pub days: Vec<Day>,
    /// From: `07:00`.
    pub from: Time,
    /// Until: `19:00`.
    pub until: Time,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the days of the week")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    fn weekday(self) -> Weekday {
        match self {
            Self::Mon => Weekday::Monday,
            Self::Tue => Weekday::Tuesday,
            Self::Wed => Weekday::Wednesday,
            Self::Thu => Weekday::Thursday,
            Self::Fri => Weekday::Friday,
            Self::Sat => Weekday::Saturday,
            Self::Sun => Weekday::Sunday,
        }
    }
}

impl DispatchSettings {
    /// Everything that is wrong, one entry a field.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, field: &str, problem: &str| {
            if !holds {
                problems.push(FieldError::new(format!("dispatch.{field}"), problem));
            }
        };
        require((1..=1440).contains(&self.interval_minutes), "interval_minutes", "takes 1 to 1440");
        require(
            (self.interval_minutes..=1440).contains(&self.quiet_interval_minutes),
            "quiet_interval_minutes",
            "takes interval_minutes to 1440",
        );
        require((1..=365).contains(&self.old_after_days), "old_after_days", "takes 1 to 365");
        require(
            (1..=1000).contains(&self.questions_per_minute),
            "questions_per_minute",
            "takes 1 to 1000",
        );
        if let Some(hours) = &self.hours {
            require(
                TimeZone::posix(&hours.zone).is_ok(),
                "hours.zone",
                "takes a time zone as POSIX writes it, such as \"GMT0BST,M3.5.0/1,M10.5.0\" for the United Kingdom",
            );
            require(
                !hours.days.is_empty(),
                "hours.days",
                "is empty: name the days on which the warehouse works, mon to sun",
            );
            require(hours.from < hours.until, "hours.from", "must be earlier than hours.until");
        }
        problems
    }

    /// Whether a word of Prima's for an open order is one that the site is known to use.
    #[must_use]
    pub fn knows_word(&self, word: &str) -> bool {
        self.open_words.iter().any(|known| known.trim().eq_ignore_ascii_case(word.trim()))
    }

    /// When an order is to be asked for next, after a question at `now`.
    ///
    /// Never later than the moment at which its nearing deadline has to be said (`warn_at`), where
    /// that is still to come.
    #[must_use]
    pub fn next_question(
        &self,
        now: Timestamp,
        created_at: Timestamp,
        warn_at: Option<Timestamp>,
    ) -> Timestamp {
        let quiet = minutes(self.quiet_interval_minutes);
        let interval = minutes(self.interval_minutes);
        let old =
            before(now, Duration::from_secs(86_400 * u64::from(self.old_after_days))) > created_at;
        let regular = if old {
            after(now, quiet)
        } else {
            match self.hours.as_ref().and_then(|hours| hours.opening_after(now)) {
                // Closed: when the warehouse opens, or at the quiet interval.
                Some(opening) => after(now, quiet).min(after(opening, interval)),
                None => after(now, interval),
            }
        };
        match warn_at {
            Some(warn_at) if warn_at > now => regular.min(warn_at),
            _ => regular,
        }
    }
}

impl WorkingHours {
    /// When the warehouse opens next; `None` while it is open.
    fn opening_after(&self, now: Timestamp) -> Option<Timestamp> {
        let zone = TimeZone::posix(&self.zone).ok()?;
        let local = zone.to_datetime(now);
        let works = |weekday: Weekday| self.days.iter().any(|day| day.weekday() == weekday);
        if works(local.weekday()) && (self.from..self.until).contains(&local.time()) {
            return None;
        }
        let mut date = local.date();
        for _ in 0..8 {
            let opening = zone.to_timestamp(date.to_datetime(self.from)).ok()?;
            if works(date.weekday()) && opening > now {
                return Some(opening);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }
}

fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(60 * u64::from(minutes))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn settings() -> DispatchSettings {
        serde_json::from_str(
            r#"{"interval_minutes":30,"quiet_interval_minutes":240,"hours":{"zone":"GMT0BST,M3.5.0/1,M10.5.0",
                "days":["mon","tue","wed","thu","fri"],"from":"07:00:00","until":"19:00:00"}}"#,
        )
        .unwrap()
    }

    #[test]
    fn in_working_hours_an_order_is_asked_for_at_the_interval() {
        let settings = settings();
        assert_eq!(settings.problems(), []);
        // Monday, 10:00 in London; in July an hour ahead of UTC.
        let created = at("2026-11-23T08:00:00Z");
        assert_eq!(
            settings.next_question(at("2026-11-23T10:00:00Z"), created, None),
            at("2026-11-23T10:30:00Z")
        );
        assert_eq!(
            settings.next_question(at("2026-07-06T06:30:00Z"), at("2026-07-06T05:00:00Z"), None),
            at("2026-07-06T07:00:00Z")
        );
    }

    #[test]
    fn outside_of_them_at_the_quiet_interval_or_soon_after_opening() {
        let settings = settings();
        let created = at("2026-11-20T08:00:00Z");
        // Friday evening: four hours on, not Monday.
        assert_eq!(
            settings.next_question(at("2026-11-20T20:00:00Z"), created, None),
            at("2026-11-21T00:00:00Z")
        );
        // Monday, half an hour before opening.
        assert_eq!(
            settings.next_question(at("2026-11-23T06:30:00Z"), created, None),
            at("2026-11-23T07:30:00Z")
        );
    }

    /// An old order is asked for at the quiet interval, and before its deadline in any case.
    #[test]
    fn an_old_order_is_asked_for_quietly_and_before_its_deadline() {
        let settings = settings();
        let now = at("2026-11-23T10:00:00Z");
        assert_eq!(
            settings.next_question(now, at("2026-11-01T10:00:00Z"), None),
            at("2026-11-23T14:00:00Z")
        );
        let warn_at = at("2026-11-23T10:07:00Z");
        assert_eq!(settings.next_question(now, now, Some(warn_at)), warn_at);
        assert_eq!(
            settings.next_question(now, now, Some(at("2026-11-23T09:00:00Z"))),
            at("2026-11-23T10:30:00Z")
        );
    }

    #[test]
    fn wrong_settings_are_named() {
        let mut wrong =
            DispatchSettings { interval_minutes: 0, quiet_interval_minutes: 2000, ..settings() };
        wrong.hours.as_mut().unwrap().zone = "Europe/London".into();
        let fields: Vec<_> = wrong.problems().into_iter().map(|problem| problem.field).collect();
        assert_eq!(
            fields,
            ["dispatch.interval_minutes", "dispatch.quiet_interval_minutes", "dispatch.hours.zone"]
        );
    }
}
