//! The offer rule against a model: orders of several channels arrive, are created, allocated, sent
//! and cancelled at any moment around a reading of Prima's figure. Whatever lowers that figure, no
//! more is offered than is truly free.

use proptest::prelude::*;

use super::flight::Flight;
use super::offer::{Known, Terms, Wanted, wanted};
use super::rules::{OutageRule, StockRules};
use super::settings::{FallsAt, StockSettings};
use crate::domain::dispatch::{Dispatch, Parcel};
use crate::domain::order::row::{OrderKey, OrderRow, RowLine, Stage};
use crate::kit::clock::after;
use crate::mirakl::OrderState;
use crate::mirakl::shipping::ParcelLine;
use jiff::Timestamp;
use std::time::Duration;

/// An order's true life, in seconds of the model; each step that many seconds after the one before.
/// `None`: it does not come to that.
#[derive(Clone, Debug)]
struct Life {
    units: u32,
    arrives: u64,
    created: Option<u64>,
    allocated: Option<u64>,
    sent: Option<u64>,
    /// How long after a step the connector notices it.
    noticed: u64,
    /// Cancelled in Mirakl so long after its arrival, and so much later in Prima, if nothing has
    /// left by then.
    cancelled: Option<(u64, u64)>,
}

impl Life {
    fn created_at(&self) -> Option<u64> {
        let at = self.arrives + self.created?;
        // Cancelled before it was created: it never is.
        self.cancelled.is_none_or(|(after, _)| self.arrives + after > at).then_some(at)
    }

    fn allocated_at(&self) -> Option<u64> {
        Some(self.created_at()? + self.allocated?)
    }

    fn sent_at(&self) -> Option<u64> {
        let at = self.allocated_at()? + self.sent?;
        self.prima_cancels_at().is_none_or(|cancelled| cancelled > at).then_some(at)
    }

    fn prima_cancels_at(&self) -> Option<u64> {
        self.cancelled.map(|(after, later)| self.arrives + after + later)
    }

    /// Mirakl has cancelled it by then, and it did not leave all the same.
    fn is_cancelled(&self, at: u64) -> bool {
        self.cancelled.is_some_and(|(after, _)| self.arrives + after <= at)
            && self.sent_at().is_none()
    }

    /// Units that Prima's figure lacks because of it.
    fn taken(&self, at: u64, falls_at: FallsAt) -> u32 {
        let fell = match falls_at {
            FallsAt::Creation => self.created_at(),
            FallsAt::Allocation => self.allocated_at(),
            FallsAt::Dispatch => self.sent_at(),
        };
        let given_back = self.sent_at().is_none()
            && self.prima_cancels_at().is_some_and(|cancelled| cancelled <= at);
        if fell.is_some_and(|fell| fell <= at) && !given_back { self.units } else { 0 }
    }

    /// The row as the connector has it at a moment.
    fn row(&self, index: usize, at: u64) -> Option<OrderRow> {
        if self.arrives > at {
            return None;
        }
        let noticed =
            |step: Option<u64>| step.map(|step| step + self.noticed).filter(|seen| *seen <= at);
        let mut row = OrderRow::unread(
            OrderKey::new("uk", index.to_string()),
            OrderState::Shipping,
            moment(self.arrives),
        );
        row.lines = vec![RowLine {
            order_line_id: "1".into(),
            offer_sku: "A".into(),
            quantity: self.units,
        }];
        let mut dispatch = Dispatch::default();
        if let Some(created) = noticed(self.created_at()) {
            row.creation.created_at = Some(moment(created));
            row.enter(Stage::Created, moment(created), "");
            dispatch.note_word("New", moment(created));
        }
        if let Some(allocated) = noticed(self.allocated_at()) {
            dispatch.note_word("Allocated", moment(allocated));
        }
        if let Some(sent) = noticed(self.sent_at()) {
            let line = ParcelLine { order_line_id: "1".into(), quantity: self.units };
            dispatch.parcels = vec![Parcel {
                dispatch: "D1".into(),
                lines: vec![line],
                found_at: moment(sent),
                ..Parcel::default()
            }];
            dispatch.note_word("Despatched", moment(sent));
            dispatch.ended_at = Some(moment(sent));
            row.enter(Stage::Dispatched, moment(sent), "");
        }
        if self.is_cancelled(at) {
            row.enter(Stage::Cancelled, moment(at), "");
        }
        row.dispatch = Some(Box::new(dispatch));
        Some(row)
    }
}

fn moment(second: u64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, Duration::from_secs(1_000_000 + second))
}

fn life() -> impl Strategy<Value = Life> {
    let step = || prop::option::weighted(0.8, 0..400_u64);
    (
        1..4_u32,
        0..1000_u64,
        step(),
        step(),
        step(),
        0..120_u64,
        prop::option::weighted(0.2, (0..600_u64, 0..300_u64)),
    )
        .prop_map(|(units, arrives, created, allocated, sent, noticed, cancelled)| Life {
            units,
            arrives,
            created,
            allocated,
            sent,
            noticed,
            cancelled,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn no_more_is_offered_than_is_truly_free(
        stock in 0..60_u32,
        lives in prop::collection::vec(life(), 0..25),
        falls_at in prop::sample::select(vec![FallsAt::Creation, FallsAt::Allocation, FallsAt::Dispatch]),
        asked_at in 0..1500_u64, answers_after in 0..120_u64, reads_after in 0..60_u64, margin in 0..90_u32,
    ) {
        let settings = StockSettings { falls_at, margin_seconds: margin, ..StockSettings::default() };
        // Prima looks at its tables some time after it was asked, and we at our rows once its
        // answer is complete.
        let (looked_at, read_at) = (asked_at + answers_after / 2, asked_at + answers_after + reads_after);
        let free = stock.saturating_sub(lives.iter().map(|life| life.taken(looked_at, falls_at)).sum());
        let rows = lives.iter().enumerate().filter_map(|(index, life)| life.row(index, read_at));
        let in_flight = rows.map(|row| Flight::of(&row)).map(|flight| flight.units(moment(asked_at), &settings).values().sum::<u32>()).sum();
        let rules = StockRules::default();
        let terms = Terms { in_flight, limits: rules.limits_of("A", "A", moment(read_at)), offers_last_units: true };
        let known = Known::Figure { free, asked_at: moment(asked_at) };
        let (Wanted::Exactly(offered), _) = wanted(known, &terms, &settings, OutageRule::Keep, moment(read_at)) else {
            return Err(TestCaseError::fail("the figure is fresh"));
        };
        // What must be kept for orders that had arrived by then. An order that arrives later finds
        // Mirakl's own figure lowered by it.
        let owed: u32 = lives.iter().filter(|life| life.arrives <= read_at && !life.is_cancelled(read_at)).map(|life| life.units).sum();
        prop_assert!(offered <= stock.saturating_sub(owed), "{offered} offered of {stock}, {owed} owed, figure {free}, {in_flight} in flight");
        // And it is not a rule that offers nothing: where nothing is under way, all that is free is
        // offered.
        let quiet_since = asked_at.saturating_sub(u64::from(margin) + 1);
        let is_quiet = lives.iter().all(|life| {
            let over = life.sent_at().map(|sent| sent + life.noticed);
            over.is_some_and(|over| over < quiet_since) || (life.is_cancelled(asked_at) && life.prima_cancels_at().is_some_and(|at| at <= asked_at)) || life.arrives > read_at
        });
        if is_quiet {
            prop_assert_eq!(offered, free);
        }
    }
}
