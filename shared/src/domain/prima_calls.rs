//! Who may call Prima, and how many calls each may make at once: the one place that says so.
//!
//! Prima takes few calls at once. [`PrimaCalls`] is the setting; [`crate::domain::prima_slots`]
//! leases the calls by it.

use serde::{Deserialize, Serialize};

use crate::kit::field_error::FieldError;

/// A function that calls Prima.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrimaCaller {
    /// Creates and cancels orders. It comes first: one slot is always kept for it.
    CreatePrimaOrders,
    /// Asks what has left.
    CollectDispatches,
    /// Reads stock.
    PushStock,
    /// Asks for journals and posts them.
    PostJournals,
}

impl PrimaCaller {
    /// Every caller.
    pub const ALL: [Self; 4] =
        [Self::CreatePrimaOrders, Self::CollectDispatches, Self::PushStock, Self::PostJournals];

    /// The function's name.
    #[must_use]
    pub const fn function(self) -> &'static str {
        match self {
            Self::CreatePrimaOrders => "create-prima-orders",
            Self::CollectDispatches => "collect-dispatches",
            Self::PushStock => "push-stock",
            Self::PostJournals => "post-journals",
        }
    }
}

/// How many calls Prima takes at once, and how many of them each caller may have. Part of the
/// installation document.
///
/// The callers' numbers may add up to more than `at_once`: then they take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrimaCalls {
    /// Calls that Prima takes at once, from all callers together. 2 to 64.
    pub at_once: usize,
    /// Of `create-prima-orders`, over its copies: each makes one call at a time.
    pub orders: usize,
    /// Of `collect-dispatches`: questions that a run asks at once.
    pub dispatches: usize,
    /// Of `push-stock`: ranges of the catalogue that a run reads at once.
    pub stock: usize,
    /// Of `post-journals`, over its copies: each makes one call at a time. 1 keeps journals one
    /// after the other.
    pub journals: usize,
}

impl Default for PrimaCalls {
    fn default() -> Self {
        Self { at_once: 4, orders: 2, dispatches: 1, stock: 1, journals: 1 }
    }
}

impl PrimaCalls {
    /// Calls at once that a caller may make, over all its runs.
    #[must_use]
    pub const fn of(&self, caller: PrimaCaller) -> usize {
        match caller {
            PrimaCaller::CreatePrimaOrders => self.orders,
            PrimaCaller::CollectDispatches => self.dispatches,
            PrimaCaller::PushStock => self.stock,
            PrimaCaller::PostJournals => self.journals,
        }
    }

    /// Calls at once that one run of a caller makes. Of the functions that work off a queue several
    /// copies may run, of the others one.
    #[must_use]
    pub const fn in_one_run(&self, caller: PrimaCaller) -> usize {
        match caller {
            PrimaCaller::CreatePrimaOrders | PrimaCaller::PostJournals => 1,
            PrimaCaller::CollectDispatches | PrimaCaller::PushStock => self.of(caller),
        }
    }

    /// Everything that is wrong, one entry a field.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        if !(2..=64).contains(&self.at_once) {
            return vec![FieldError::new(
                "calls.at_once",
                "takes 2 to 64: one for orders, and at least one for the others",
            )];
        }
        let of_others = self.at_once - 1;
        [
            ("calls.orders", self.orders, self.at_once),
            ("calls.dispatches", self.dispatches, of_others),
            ("calls.stock", self.stock, of_others),
            ("calls.journals", self.journals, of_others),
        ]
        .into_iter()
        .filter(|(_, calls, most)| !(1..=*most).contains(calls))
        .map(|(field, _, most)| {
            FieldError::new(
                field,
                format!("takes 1 to {most}: calls.at_once, and one of them is kept for orders"),
            )
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_serves_every_caller_at_once_but_journals() {
        let calls = PrimaCalls::default();
        assert_eq!(calls.problems(), []);
        // Journals are few and can wait: they take turns with the others.
        let others = PrimaCaller::ALL.into_iter().filter(|one| *one != PrimaCaller::PostJournals);
        assert_eq!(others.map(|caller| calls.of(caller)).sum::<usize>(), calls.at_once);
    }

    #[test]
    fn each_wrong_number_is_named() {
        let fields = |calls: PrimaCalls| {
            calls.problems().into_iter().map(|problem| problem.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(PrimaCalls { at_once: 1, ..PrimaCalls::default() }), ["calls.at_once"]);
        assert_eq!(
            fields(PrimaCalls { at_once: 2, ..PrimaCalls::default() }),
            Vec::<String>::new()
        );
        let wrong = PrimaCalls { at_once: 4, orders: 5, dispatches: 4, stock: 0, journals: 4 };
        assert_eq!(
            fields(wrong),
            ["calls.orders", "calls.dispatches", "calls.stock", "calls.journals"],
            "one slot is kept for orders"
        );
    }
}
