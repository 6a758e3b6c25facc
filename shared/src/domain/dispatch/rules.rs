//! How a channel's dispatches are told: a document of its own beside the channel's definition.
//! Every setting has a default, and the defaults never cancel, refund or ship a part by themselves.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kit::field_error::FieldError;
use crate::mirakl::shipping::How;

/// The dispatch rules of one channel. Unknown fields are refused: a misspelt setting must not be
/// ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DispatchRules {
    /// What becomes of pieces that Prima did not send and will not send.
    pub short_lines: ShortLines,
    /// The marketplace's reason code for OR30 (its list: RE01, type CANCELATION).
    pub cancel_reason_code: Option<String>,
    /// The marketplace's reason code for OR28 (its list: RE01, type REFUND).
    pub refund_reason_code: Option<String>,
    /// On a marketplace without partial shipments: hours before the ship-by deadline at which what
    /// has left is shipped and the rest is settled as [`Self::short_lines`] says. Left out: it
    /// waits for the rest.
    pub ship_part_hours_before_deadline: Option<u32>,
    /// Which tracking number goes to a marketplace that holds one per order.
    pub tracking_of: TrackingOf,
    /// Consignment numbers that are none, whatever their case: placeholders get shops blocked.
    pub no_tracking_numbers: Vec<String>,
    /// Hours before the ship-by deadline at which an order that is not confirmed becomes an alert.
    pub warn_hours_before_deadline: u32,
    /// Hours after which an unresolved dispatch is told again, and again.
    pub remind_hours: u32,
    /// A dispatch that waits for its carrier goes on by itself once the map has it.
    pub resume_when_mapped: bool,
}

impl Default for DispatchRules {
    fn default() -> Self {
        Self {
            short_lines: ShortLines::Exception,
            cancel_reason_code: None,
            refund_reason_code: None,
            ship_part_hours_before_deadline: None,
            tracking_of: TrackingOf::FirstParcel,
            no_tracking_numbers: ["N/A", "NA", "NONE", "TBC", "TBA", "UNKNOWN", "-", "0", "."]
                .map(str::to_owned)
                .to_vec(),
            warn_hours_before_deadline: 12,
            remind_hours: 24,
            resume_when_mapped: true,
        }
    }
}

/// What becomes of pieces that will not leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShortLines {
    /// A person decides.
    #[default]
    Exception,
    /// They are cancelled in Mirakl (OR30). Marketplaces allow that before the customer is debited,
    /// or while nothing is shipped.
    Cancel,
    /// They are refunded, and said not to be shipped (OR28).
    Refund,
}

/// Which tracking number goes to a marketplace that holds one per order. All of them stand in the
/// order's history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrackingOf {
    /// That of the parcel that was found first.
    #[default]
    FirstParcel,
    /// That of the parcel that was found last.
    LastParcel,
}

impl DispatchRules {
    /// Everything that is wrong, one entry a field; empty when they are fit for use.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, field: &str, problem: &str| {
            if !holds {
                problems.push(FieldError::new(field, problem));
            }
        };
        let filled =
            |code: &Option<String>| code.as_ref().is_some_and(|code| !code.trim().is_empty());
        require(
            self.short_lines != ShortLines::Cancel || filled(&self.cancel_reason_code),
            "cancel_reason_code",
            "is needed where short lines are cancelled: the marketplace's own code (its back office, or RE01)",
        );
        require(
            self.short_lines != ShortLines::Refund || filled(&self.refund_reason_code),
            "refund_reason_code",
            "is needed where short lines are refunded: the marketplace's own code (its back office, or RE01)",
        );
        require(
            self.ship_part_hours_before_deadline.is_none_or(|hours| (1..=240).contains(&hours)),
            "ship_part_hours_before_deadline",
            "takes 1 to 240, or is left out to wait for the rest",
        );
        require(
            (1..=240).contains(&self.warn_hours_before_deadline),
            "warn_hours_before_deadline",
            "takes 1 to 240",
        );
        require((1..=720).contains(&self.remind_hours), "remind_hours", "takes 1 to 720");
        problems
    }

    /// How short pieces are settled without a person, and the reason code; `None` where a person
    /// decides.
    #[must_use]
    pub fn settles(&self) -> Option<(How, &str)> {
        match self.short_lines {
            ShortLines::Exception => None,
            ShortLines::Cancel => Some((How::Cancel, self.cancel_reason_code.as_deref()?)),
            ShortLines::Refund => Some((How::Refund, self.refund_reason_code.as_deref()?)),
        }
    }

    /// The reason code of a settlement that a person orders.
    #[must_use]
    pub fn reason_code(&self, how: How) -> Option<&str> {
        match how {
            How::Cancel => self.cancel_reason_code.as_deref(),
            How::Refund => self.refund_reason_code.as_deref(),
        }
    }

    /// Before the deadline: an alert.
    #[must_use]
    pub fn warn_before(&self) -> Duration {
        hours(self.warn_hours_before_deadline)
    }

    /// Between two reminders.
    #[must_use]
    pub fn remind_every(&self) -> Duration {
        hours(self.remind_hours)
    }

    /// The tracking number in a consignment number: none where it is blank or a placeholder.
    #[must_use]
    pub fn tracking_number<'c>(&self, consignment: &'c str) -> Option<&'c str> {
        let number = consignment.trim();
        let placeholder =
            self.no_tracking_numbers.iter().any(|none| none.trim().eq_ignore_ascii_case(number));
        let zeros =
            !number.is_empty() && number.chars().all(|c| matches!(c, '0' | 'x' | 'X' | '-' | '.'));
        (!number.is_empty() && !placeholder && !zeros).then_some(number)
    }
}

/// Hours.
pub(super) fn hours(hours: u32) -> Duration {
    Duration::from_secs(3600 * u64::from(hours))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    #[test]
    fn by_default_nothing_is_cancelled_refunded_or_shipped_in_part() {
        let rules: DispatchRules = serde_json::from_str("{}").unwrap();
        assert_eq!((rules.settles(), rules.ship_part_hours_before_deadline), (None, None));
        assert_eq!(rules.problems(), []);
        assert!(serde_json::from_str::<DispatchRules>(r#"{"short_line":"cancel"}"#).is_err());
    }

    #[test]
    fn what_settles_by_itself_needs_the_marketplaces_reason_code() {
        let rules: DispatchRules = serde_json::from_str(r#"{"short_lines":"refund"}"#).unwrap();
        assert_eq!(rules.problems().len(), 1);
        let rules: DispatchRules =
            serde_json::from_str(r#"{"short_lines":"cancel","cancel_reason_code":"OOS"}"#).unwrap();
        assert_eq!((rules.problems(), rules.settles()), (vec![], Some((How::Cancel, "OOS"))));
    }

    #[test]
    fn a_placeholder_is_no_tracking_number() {
        let rules = DispatchRules::default();
        for none in ["", "  ", "n/a", "TBC", "0000000", "XXXX", "-"] {
            assert_eq!(rules.tracking_number(none), None, "{none:?}");
        }
        assert_eq!(rules.tracking_number(" 15501234567890 "), Some("15501234567890"));
        assert_eq!(rules.tracking_number("XX0"), None);
        assert_eq!(rules.tracking_number("X0Y"), Some("X0Y"));
    }
}
