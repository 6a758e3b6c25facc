//! What holds of Prima's nominal ledger for the whole installation.

use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::journal::Limits;
use super::journal_csv::Layout;
use super::key::SHORTEST_REFERENCE;
use crate::kit::field_error::FieldError;
use crate::prima::finance::FinanceCapabilities;

/// The nominal ledger of the installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FinanceSettings {
    /// Which of its requests the site has: all are assumed.
    pub capabilities: FinanceCapabilities,
    /// Its accounting periods, and how far they are closed.
    pub calendar: Calendar,
    /// What a journal of it takes.
    pub limits: Limits,
    /// What the CSV of a journal looks like (`infra/seed/journal-layouts`).
    pub journal_file: Layout,
}

impl FinanceSettings {
    /// Everything that is wrong, one entry a field.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut problems: Vec<_> = self
            .calendar
            .problems()
            .into_iter()
            .map(|one| FieldError::new(format!("finance.{}", one.field), one.problem))
            .collect();
        problems.extend(self.journal_file.problems().into_iter().map(|one| {
            FieldError::new(format!("finance.journal_file.{}", one.field), one.problem)
        }));
        let mut require = |holds: bool, field: &str, problem: &str| {
            if !holds {
                problems.push(FieldError::new(format!("finance.limits.{field}"), problem));
            }
        };
        let limits = self.limits;
        require(limits.max_lines >= 2, "max_lines", "takes 2 at least: a line and the clearing's");
        require(
            limits.reference_length >= SHORTEST_REFERENCE,
            "reference_length",
            "takes 12 at least: shorter references would name two cycles alike",
        );
        require(limits.narrative_length >= 20, "narrative_length", "takes 20 at least");
        problems
    }
}
