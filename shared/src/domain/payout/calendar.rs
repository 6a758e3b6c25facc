//! Accounting periods, and the day on which a journal is booked.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::kit::field_error::FieldError;

/// The periods of the books.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Periods {
    /// Calendar months, named as `2026-11`.
    #[default]
    Months,
    /// Any, such as 4-4-5 weeks.
    Dates(Vec<Period>),
}

/// One accounting period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// Its name in the ledger.
    pub name: String,
    /// Its first day.
    pub from: Date,
    /// Its last day.
    pub to: Date,
}

/// Periods, and how far they are closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calendar {
    /// The periods.
    pub periods: Periods,
    /// The last day that is closed.
    pub closed_through: Option<Date>,
}

/// What happens to a journal whose period is closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClosedPeriod {
    /// It is booked on the first open day, and its narrative tells the true one.
    #[default]
    NextOpen,
    /// It waits for a person.
    Hold,
}

/// Where a journal is booked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedOn {
    /// The day.
    pub date: Date,
    /// The period's name.
    pub period: String,
    /// The true day, where that was closed.
    pub instead_of: Option<Date>,
}

/// Why a journal cannot be booked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPeriod {
    /// Its day is closed, and it is to wait.
    #[error("{0} is in a closed period")]
    Closed(Date),
    /// The calendar has no open period for it.
    #[error("the calendar has no open period for {0}")]
    Missing(Date),
}

impl Calendar {
    /// Where a journal of `day` is booked.
    ///
    /// # Errors
    /// Nowhere.
    pub fn book(&self, day: Date, closed: ClosedPeriod) -> Result<BookedOn, NoPeriod> {
        let is_closed = |day: Date| self.closed_through.is_some_and(|through| day <= through);
        if !is_closed(day) {
            let period = self.period_of(day).ok_or(NoPeriod::Missing(day))?;
            return Ok(BookedOn { date: day, period, instead_of: None });
        }
        if closed == ClosedPeriod::Hold {
            return Err(NoPeriod::Closed(day));
        }
        let open = self.closed_through.and_then(|through| through.tomorrow().ok());
        let date =
            open.and_then(|open| self.first_in_a_period(open)).ok_or(NoPeriod::Missing(day))?;
        let period = self.period_of(date).ok_or(NoPeriod::Missing(day))?;
        Ok(BookedOn { date, period, instead_of: Some(day) })
    }

    fn period_of(&self, day: Date) -> Option<String> {
        match &self.periods {
            Periods::Months => Some(format!("{:04}-{:02}", day.year(), day.month())),
            Periods::Dates(periods) => periods
                .iter()
                .find(|period| period.from <= day && day <= period.to)
                .map(|period| period.name.clone()),
        }
    }

    /// The first day from `day` on that is in a period.
    fn first_in_a_period(&self, day: Date) -> Option<Date> {
        match &self.periods {
            Periods::Months => Some(day),
            Periods::Dates(periods) => periods
                .iter()
                .filter(|period| period.to >= day)
                .map(|period| period.from.max(day))
                .min(),
        }
    }

    /// Everything that is wrong, one entry a field.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let Periods::Dates(periods) = &self.periods else { return Vec::new() };
        let mut problems = Vec::new();
        if periods.is_empty() {
            problems.push(FieldError::new("calendar.periods", "needs one at least"));
        }
        for (index, period) in periods.iter().enumerate() {
            let field = |name: &str| format!("calendar.periods[{index}].{name}");
            let earlier = periods.get(..index).unwrap_or_default();
            if period.name.trim().is_empty() {
                problems.push(FieldError::new(field("name"), "is empty"));
            }
            if earlier.iter().any(|other| other.name == period.name) {
                problems.push(FieldError::new(field("name"), "another period has the same"));
            }
            if period.to < period.from {
                problems.push(FieldError::new(field("to"), "is before from"));
            }
            if earlier.iter().any(|other| period.from <= other.to && other.from <= period.to) {
                problems.push(FieldError::new(field("from"), "the period overlaps another"));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn weeks() -> Calendar {
        let period = |name: &str, from, to| Period { name: name.to_owned(), from, to };
        Calendar {
            periods: Periods::Dates(vec![
                period("P01", date(2026, 1, 5), date(2026, 2, 1)),
                period("P02", date(2026, 2, 2), date(2026, 3, 1)),
            ]),
            closed_through: None,
        }
    }

    #[test]
    fn an_open_day_stands_and_a_closed_one_moves_or_holds() {
        let months = Calendar { closed_through: Some(date(2026, 10, 31)), ..Calendar::default() };
        let booked = |day, closed| months.book(day, closed);
        let stands =
            BookedOn { date: date(2026, 11, 1), period: "2026-11".into(), instead_of: None };
        assert_eq!(booked(date(2026, 11, 1), ClosedPeriod::Hold), Ok(stands.clone()));
        let moved = BookedOn { instead_of: Some(date(2026, 10, 31)), ..stands };
        assert_eq!(booked(date(2026, 10, 31), ClosedPeriod::NextOpen), Ok(moved));
        assert_eq!(
            booked(date(2026, 10, 31), ClosedPeriod::Hold),
            Err(NoPeriod::Closed(date(2026, 10, 31)))
        );
    }

    #[test]
    fn periods_are_any_dates() {
        let mut weeks = weeks();
        assert_eq!(weeks.problems(), []);
        let period = |calendar: &Calendar, day| {
            calendar.book(day, ClosedPeriod::NextOpen).map(|on| (on.date, on.period))
        };
        assert_eq!(period(&weeks, date(2026, 2, 1)), Ok((date(2026, 2, 1), "P01".into())));
        assert_eq!(period(&weeks, date(2026, 1, 4)), Err(NoPeriod::Missing(date(2026, 1, 4))));
        weeks.closed_through = Some(date(2026, 2, 1));
        assert_eq!(period(&weeks, date(2026, 1, 20)), Ok((date(2026, 2, 2), "P02".into())));
        weeks.closed_through = Some(date(2026, 3, 1));
        assert_eq!(period(&weeks, date(2026, 1, 20)), Err(NoPeriod::Missing(date(2026, 1, 20))));
        if let Periods::Dates(periods) = &mut weeks.periods {
            periods[1].from = date(2026, 2, 1);
            periods[1].name = "P01".into();
        }
        let fields: Vec<_> = weeks.problems().into_iter().map(|one| one.field).collect();
        assert_eq!(fields, ["calendar.periods[1].name", "calendar.periods[1].from"]);
    }
}
