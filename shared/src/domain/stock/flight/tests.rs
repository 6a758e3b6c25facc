#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use super::*;
use crate::domain::dispatch::{Dispatch, Parcel};
use crate::domain::order::row::ExceptionKind;
use crate::mirakl::Order;
use crate::mirakl::shipping::ParcelLine;

fn at(minute: i64) -> Timestamp {
    "2026-11-20T12:00:00Z"
        .parse::<Timestamp>()
        .unwrap()
        .checked_add(jiff::SignedDuration::from_mins(minute))
        .unwrap()
}

fn row() -> OrderRow {
    let order: Order = serde_json::from_str(
        r#"{"order_id":"C1-A","order_state":"SHIPPING","order_lines":[
            {"order_line_id":"C1-A-1","offer_sku":"W1-NAV-10","quantity":2,"price":20.00},
            {"order_line_id":"C1-A-2","offer_sku":"W1-NAV-12","quantity":1,"price":20.00},
            {"order_line_id":"C1-A-3","offer_sku":"W1-NAV-10","quantity":1,"price":20.00}]}"#,
    )
    .unwrap();
    OrderRow::first_seen("uk", &order, at(0))
}

fn settings(falls_at: FallsAt) -> StockSettings {
    StockSettings { falls_at, ..StockSettings::default() }
}

fn units(row: &OrderRow, asked_at: i64, falls_at: FallsAt) -> u32 {
    Flight::of(row).units(at(asked_at), &settings(falls_at)).values().sum()
}

#[test]
fn every_piece_of_an_open_order_is_in_flight_by_offer_sku() {
    let mut row = row();
    let flight = Flight::of(&row);
    let now = flight.units(at(5), &settings(FallsAt::Creation));
    assert_eq!(now.into_iter().collect::<Vec<_>>(), [("W1-NAV-10", 3), ("W1-NAV-12", 1)]);
    for &stage in Stage::ALL {
        row.stage = stage;
        let is_over = matches!(
            stage,
            Stage::Cancelled | Stage::Refused | Stage::KeyedByHand | Stage::OperatorFulfilled
        );
        assert_eq!(units(&row, 5, FallsAt::Dispatch), if is_over { 0 } else { 4 }, "{stage:?}");
    }
    row.fail(ExceptionKind::UnknownSku, "", "", at(1));
    assert_eq!(
        units(&row, 5, FallsAt::Creation),
        4,
        "what stands as an exception was sold all the same"
    );
    row.fail(ExceptionKind::ShippedByOperator, "", "", at(1));
    assert_eq!(units(&row, 5, FallsAt::Dispatch), 0, "it leaves another warehouse");
    for stage in [Stage::AwaitingPayment, Stage::OperatorFulfilled, Stage::Shipped] {
        row.enter(stage, at(2), "");
        row.listing.fulfilled_by_operator = true;
        assert_eq!(units(&row, 5, FallsAt::Dispatch), 0, "{stage:?}");
    }
}

/// Pieces that are refunded before they left come free and may be on offer again.
#[test]
fn early_refunded_pieces_leave_flight_and_may_be_offered() {
    let mut order: Order = serde_json::from_str(
        r#"{"order_id":"C1-A","order_state":"SHIPPING","order_lines":[
            {"order_line_id":"C1-A-1","offer_sku":"W1-NAV-10","quantity":2,"price":20.00,"refunds":[{"quantity":1,"amount":10.00}]},
            {"order_line_id":"C1-A-2","offer_sku":"W1-NAV-12","quantity":1,"price":20.00,"refunds":[{"quantity":0,"amount":5.00}]}]}"#,
    )
    .unwrap();
    let flight = Flight::of(&OrderRow::first_seen("uk", &order, at(0)));
    assert_eq!(
        flight.units(at(5), &settings(FallsAt::Dispatch)).into_iter().collect::<Vec<_>>(),
        [("W1-NAV-10", 1), ("W1-NAV-12", 1)]
    );
    assert_eq!(
        flight.touched().into_iter().collect::<Vec<_>>(),
        [("W1-NAV-10", 1), ("W1-NAV-12", 0)]
    );
    order.fully_refunded = Some(true);
    assert!(
        Flight::of(&OrderRow::first_seen("uk", &order, at(0)))
            .units(at(5), &settings(FallsAt::Dispatch))
            .is_empty()
    );
}

/// A figure knows only of what was there a margin before it was asked for.
#[test]
fn a_figure_covers_only_events_a_margin_before_its_question() {
    let mut row = row();
    row.creation.created_at = Some(at(10));
    row.enter(Stage::Created, at(10), "");
    assert_eq!(
        [9, 10, 11, 12].map(|asked_at| units(&row, asked_at, FallsAt::Creation)),
        [4, 4, 4, 0]
    );
    assert_eq!(units(&row, 60, FallsAt::Allocation), 4, "nobody has said that it is allocated");
    let mut dispatch = Dispatch::default();
    dispatch.note_word("On Hold", at(15));
    dispatch.note_word("allocated", at(20));
    dispatch.note_word("Picking", at(30));
    dispatch.note_word("Picking", at(40));
    row.dispatch = Some(Box::new(dispatch));
    assert_eq!(
        [20, 21, 22, 41].map(|asked_at| units(&row, asked_at, FallsAt::Allocation)),
        [4, 4, 0, 0]
    );
    row.dispatch.as_mut().unwrap().note_word("On Hold", at(50));
    assert_eq!(
        units(&row, 60, FallsAt::Allocation),
        4,
        "its stock may have been taken from it again"
    );
    assert_eq!(units(&row, 60, FallsAt::Dispatch), 4);
}

#[test]
fn pieces_that_have_left_are_in_flight_no_more() {
    let mut row = row();
    row.creation.created_at = Some(at(10));
    row.enter(Stage::PartDispatched, at(30), "");
    let line = ParcelLine { order_line_id: "C1-A-1".into(), quantity: 1 };
    let parcel =
        Parcel { dispatch: "D1".into(), lines: vec![line], found_at: at(30), ..Parcel::default() };
    row.dispatch = Some(Box::new(Dispatch { parcels: vec![parcel], ..Dispatch::default() }));
    assert_eq!([30, 31, 32].map(|asked_at| units(&row, asked_at, FallsAt::Dispatch)), [4, 4, 3]);
    row.dispatch.as_mut().unwrap().ended_at = Some(at(40));
    assert_eq!([41, 42].map(|asked_at| units(&row, asked_at, FallsAt::Dispatch)), [3, 0]);
    assert_eq!(Flight::of(&row).forgotten_at(), Some(at(40 + 2 * 24 * 60)));
}

#[test]
fn what_a_person_shipped_counts_for_a_day() {
    let mut row = row();
    row.enter(Stage::Shipped, at(0), "shipped in Mirakl by a person");
    assert_eq!(
        [60, 1441, 1442].map(|asked_at| units(&row, asked_at, FallsAt::Dispatch)),
        [4, 4, 0]
    );
}

/// What was sold differs once it is cancelled, and not when the order is created.
#[test]
fn the_sold_digest_changes_at_cancellation_not_at_creation() {
    let mut row = row();
    let before = Flight::of(&row);
    row.creation.created_at = Some(at(1));
    row.enter(Stage::Created, at(1), "");
    let created = Flight::of(&row);
    assert_eq!(created.sold_digest(), before.sold_digest());
    assert_ne!(created.digest(), before.digest());
    row.enter(Stage::Cancelled, at(2), "");
    let cancelled = Flight::of(&row);
    assert_ne!(cancelled.sold_digest(), before.sold_digest());
    assert_eq!(cancelled.ended_at, Some(at(2)));
}

/// A cancellation is noticed whatever stage the row is in, and its offers are still named.
#[test]
fn a_cancellation_shows_at_any_stage_and_names_its_offers() {
    let cancelled = |state: &str| -> Order {
        serde_json::from_str(&format!(
            r#"{{"order_id":"C1-A","order_state":"{state}","order_lines":[
                {{"order_line_id":"C1-A-1","order_line_state":"CANCELED","offer_sku":"W1-NAV-10","quantity":0,"price":0}},
                {{"order_line_id":"C1-A-2","order_line_state":"SHIPPING","offer_sku":"W1-NAV-12","quantity":1,"price":20.00}}]}}"#
        ))
        .unwrap()
    };
    let mut partly = row();
    partly.note_listing(&cancelled("SHIPPING"));
    let flight = Flight::of(&partly);
    assert_ne!(flight.sold_digest(), Flight::of(&row()).sold_digest());
    let named: Vec<(&str, u32)> =
        flight.lines.iter().map(|line| (line.offer_sku.as_str(), line.units)).collect();
    assert_eq!(named, [("W1-NAV-12", 1), ("W1-NAV-10", 0)]);
    let mut created = row();
    created.creation.created_at = Some(at(1));
    created.enter(Stage::Created, at(1), "");
    let before = Flight::of(&created);
    created.note_listing(&cancelled("CANCELED"));
    created.enter(Stage::Cancelling, at(2), "");
    let after = Flight::of(&created);
    assert_eq!(after.lines, before.lines, "Prima still has it");
    assert_ne!(after.sold_digest(), before.sold_digest(), "and Mirakl has it no more");
}

#[test]
fn a_refund_is_a_change_of_what_was_sold() {
    let mut row = row();
    let before = (Flight::of(&row).sold_digest(), Flight::of(&row).digest());
    let refunded: Order = serde_json::from_str(
        r#"{"order_id":"C1-A","order_state":"SHIPPING","order_lines":[
            {"order_line_id":"C1-A-1","offer_sku":"W1-NAV-10","quantity":2,"price":20.00,"refunds":[{"id":"R1","quantity":1,"amount":5}]},
            {"order_line_id":"C1-A-2","offer_sku":"W1-NAV-12","quantity":1,"price":20.00},
            {"order_line_id":"C1-A-3","offer_sku":"W1-NAV-10","quantity":1,"price":20.00}]}"#,
    )
    .unwrap();
    row.note_listing(&refunded);
    let after = (Flight::of(&row).sold_digest(), Flight::of(&row).digest());
    assert!(before.0 != after.0 && before.1 != after.1);
    assert_eq!(units(&row, 5, FallsAt::Dispatch), 4, "goodwill: the pieces are still on the order");
}

#[test]
fn pieces_that_mirakl_takes_back_are_noticed_whatever_prima_has() {
    let mut row = row();
    row.creation.created_at = Some(at(1));
    let before = Flight::of(&row);
    let order: Order = serde_json::from_str(
        r#"{"order_id":"C1-A","order_state":"SHIPPING","order_lines":[
            {"order_line_id":"C1-A-1","offer_sku":"W1-NAV-10","quantity":1,"price":10.00,"cancelations":[{"id":"1","quantity":1,"amount":10.00}]},
            {"order_line_id":"C1-A-2","offer_sku":"W1-NAV-12","quantity":1,"price":20.00,"order_line_state":"REFUSED"},
            {"order_line_id":"C1-A-3","offer_sku":"W1-NAV-10","quantity":1,"price":20.00}]}"#,
    )
    .unwrap();
    row.note_listing(&order);
    let flight = Flight::of(&row);
    assert_eq!(flight.lines, before.lines, "Prima has them still");
    assert_ne!(flight.sold_digest(), before.sold_digest());
    assert_eq!(
        flight.touched().into_iter().collect::<Vec<_>>(),
        [("W1-NAV-10", 1), ("W1-NAV-12", 1)]
    );
    row.note_listing(&order);
    assert_eq!(Flight::of(&row).sold_digest(), flight.sold_digest(), "they are noticed once");
}
