//! The names under which the index lists rows, and the moment by which it sorts them.

use jiff::Timestamp;

use super::order_row::OrderRow;
use super::stage::Stage;

/// The index's name for orders in Prima whose number Mirakl does not hold yet.
pub const REFERENCE_PENDING: &str = "created-reference-pending";
/// The index's name for shipped orders whose number Mirakl does not hold yet.
pub const SHIPPED_REFERENCE_PENDING: &str = "shipped-reference-pending";
/// The index's name for exceptions whose message and event are still to be sent.
pub const EXCEPTION_UNANNOUNCED: &str = "exception-unannounced";

/// The index's name for dispatches that need a person and of which nobody was told yet.
pub const DISPATCH_UNANNOUNCED: &str = "dispatch-exception-unannounced";
/// The index's name for dispatches that need a person.
pub const DISPATCH_EXCEPTION: &str = "dispatch-exception";

/// A state of the index in which orders are open: Mirakl has them, and more is to come. The poller
/// asks Mirakl for such orders by their ids, for two reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenState {
    /// The name in the index ([`OrderRow::index_state`]).
    pub name: &'static str,
    /// One that a complete listing of Mirakl's open orders lacks is looked up: what became of it
    /// there is noticed within minutes.
    pub is_looked_up_when_absent: bool,
    /// The daily look asks for it: one that Mirakl does not know any more becomes an exception.
    pub is_asked_for_daily: bool,
}

impl OpenState {
    /// All of them. What is being cancelled in Prima, or is an exception of its creation, waits for
    /// no news of Mirakl's.
    pub const ALL: [Self; 14] = [
        Self::both(Stage::Seen.name()),
        Self::both(Stage::Acknowledged.name()),
        Self::both(Stage::AwaitingPayment.name()),
        Self::both(Stage::Firm.name()),
        Self::both(Stage::Queued.name()),
        // The daily look would take these out of the hands of whoever creates them, while nobody
        // knows whether Prima has them. They are created, or firm again, before the next look.
        Self { is_asked_for_daily: false, ..Self::both(Stage::Creating.name()) },
        Self { is_asked_for_daily: false, ..Self::both(Stage::InDoubt.name()) },
        Self::both(REFERENCE_PENDING),
        Self::both(Stage::Created.name()),
        Self::both(Stage::Dispatched.name()),
        Self::both(Stage::PartDispatched.name()),
        // A person may have shipped it in Mirakl's back office.
        Self::both(DISPATCH_EXCEPTION),
        // Nobody is told of it yet: it is in the state before within minutes.
        Self {
            is_looked_up_when_absent: false,
            is_asked_for_daily: false,
            ..Self::both(DISPATCH_UNANNOUNCED)
        },
        // There is nothing to do of them, and so no hurry that is worth a call: listings by window
        // and the daily look close them.
        Self { is_looked_up_when_absent: false, ..Self::both(Stage::OperatorFulfilled.name()) },
    ];

    const fn both(name: &'static str) -> Self {
        Self { name, is_looked_up_when_absent: true, is_asked_for_daily: true }
    }
}

impl OrderRow {
    /// The name under which the index lists the row: its stage, or the part of it that a sweep has
    /// to find.
    #[must_use]
    pub fn index_state(&self) -> &'static str {
        match (self.stage, &self.exception) {
            (Stage::Shipped, _) if self.owes_reference() => SHIPPED_REFERENCE_PENDING,
            _ if self.owes_reference() => REFERENCE_PENDING,
            (Stage::Exception, Some(exception)) => {
                match (exception.kind.is_of_dispatch(), exception.told.is_told()) {
                    (true, false) => DISPATCH_UNANNOUNCED,
                    (true, true) => DISPATCH_EXCEPTION,
                    (false, false) => EXCEPTION_UNANNOUNCED,
                    (false, true) => Stage::Exception.name(),
                }
            }
            (stage, _) => stage.name(),
        }
    }

    /// In Prima under a number that Mirakl does not hold yet. One that a person shipped in Mirakl
    /// owes none.
    #[must_use]
    pub fn owes_reference(&self) -> bool {
        let shipped_by_us = self.stage == Stage::Shipped
            && self.dispatch.as_ref().is_some_and(|dispatch| !dispatch.parcels.is_empty());
        self.creation.referenced_at.is_none() && (self.stage.is_in_prima() || shipped_by_us)
    }

    /// The moment by which the index sorts: since when the row is in its state; for an order that
    /// is looked at again when it is due, that moment.
    #[must_use]
    pub fn index_moment(&self) -> Timestamp {
        match &self.dispatch {
            Some(dispatch)
                if self.stage.is_in_prima() && self.index_state() != REFERENCE_PENDING =>
            {
                dispatch.due_at
            }
            _ => self.since,
        }
    }
}
