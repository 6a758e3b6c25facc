use super::refunds::{BOTH_PIECES, with_refunds};
use super::*;
use crate::domain::dispatch::{Dispatch, Parcel, Settlement};
use crate::domain::order::row::lines_of;
use crate::mirakl::shipping::How;

#[test]
fn a_cancellation_is_marked_or_carried_out_at_every_stage() {
    let cancelled = order("CANCELED", 0);
    for stage in
        [Stage::Seen, Stage::Acknowledged, Stage::AwaitingPayment, Stage::Firm, Stage::Queued]
    {
        assert_eq!(
            outcome(Some(&row_in(stage)), &cancelled, at(true)),
            (Stage::Cancelled, Next::Nothing),
            "{stage:?}"
        );
    }
    for stage in [Stage::Creating, Stage::InDoubt] {
        let (row, _) = on_listing(Some(&row_in(stage)), &cancelled, &channel(), at(true)).unwrap();
        assert_eq!((row.stage, row.listing.cancel_requested), (stage, Some(now())));
    }
    assert_eq!(
        outcome(Some(&row_in(Stage::Created)), &cancelled, at(true)),
        (Stage::Cancelling, Next::Cancel)
    );
    assert_eq!(
        on_listing(None, &cancelled, &channel(), at(true)),
        None,
        "no row is owed to what was over before"
    );
}

#[test]
fn a_line_that_shrinks_after_creation_is_an_exception_once() {
    let mut row = row_in(Stage::Created);
    row.creation.referenced_at = Some(now());
    let shrunk = order("SHIPPING", 1);
    let (row, next) = on_listing(Some(&row), &shrunk, &channel(), at(true)).unwrap();
    assert_eq!((row.stage, next), (Stage::Exception, Next::Nothing));
    assert!(row.exception.as_ref().unwrap().reason.contains("C1-A-1: 1 of 2 left"));
    assert_eq!(on_listing(Some(&row), &shrunk, &channel(), at(true)), None);
}

/// An order that was sent and is cancelled before anybody knows what came of it is asked for.
#[test]
fn a_cancelled_order_of_unknown_outcome_is_asked_for() {
    for stage in [Stage::Firm, Stage::Queued] {
        let mut row = row_in(stage);
        row.creation.attempt = Some(Attempt { at: now(), count: 1, ..Attempt::default() });
        let (row, next) =
            on_listing(Some(&row), &order("CANCELED", 0), &channel(), at(true)).unwrap();
        assert_eq!(
            (row.stage, row.listing.cancel_requested, next),
            (Stage::InDoubt, Some(now()), Next::Create)
        );
    }
}

#[test]
fn more_pieces_than_prima_was_told_of_are_no_cancelled_part() {
    let mut row = row_in(Stage::Created);
    row.lines[0].quantity = 1;
    let after = on_listing(Some(&row), &order("SHIPPING", 2), &channel(), at(true));
    assert!(
        after.is_none_or(|(after, _)| after.stage == Stage::Created),
        "nothing is less than it was"
    );
}

#[test]
fn what_we_cancelled_ourselves_is_not_cancelled_in_prima_again() {
    let by = |how| Settlement {
        how,
        lines: Vec::new(),
        at: now(),
        until: now(),
        confirmed_at: Some(now()),
        reason_code: None,
    };
    let ended = Dispatch {
        ended_at: Some(now()),
        settlements: vec![by(How::Cancel)],
        ..Dispatch::default()
    };
    let outcome_of = |dispatch: Dispatch| {
        let mut row = row_in(Stage::Dispatched);
        row.dispatch = Some(Box::new(dispatch));
        outcome(Some(&row), &order("CANCELED", 0), at(true))
    };
    assert_eq!(outcome_of(ended.clone()), (Stage::Cancelled, Next::Nothing));
    for other in [
        Dispatch { ended_at: None, ..ended.clone() },
        Dispatch { parcels: vec![Parcel::default()], ..ended.clone() },
        Dispatch { settlements: vec![by(How::Refund)], ..ended.clone() },
        Dispatch { settlements: Vec::new(), ..ended },
    ] {
        assert_eq!(outcome_of(other.clone()), (Stage::Cancelling, Next::Cancel), "{other:?}");
    }
}

/// A part that was cancelled is named alone, and it is not lost when the rest is shipped.
#[test]
fn a_cancelled_part_is_named_and_survives_the_shipment() {
    let two_lines = |quantity: u32, state: &str| -> Order {
        let text = format!(
            r#"{{"order_id":"C1-A","order_state":"{state}","last_updated_date":"2026-11-10T11:50:00Z","order_lines":[
                {{"order_line_id":"C1-A-1","offer_sku":"W1-NAV-12","quantity":{quantity},"price":20.00}},
                {{"order_line_id":"C1-A-2","offer_sku":"W1-NAV-14","quantity":2,"price":20.00}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    };
    let mut row = row_in(Stage::Created);
    row.lines = lines_of(&two_lines(2, "SHIPPING"));
    row.creation.referenced_at = Some(now());
    let (row, _) = on_listing(Some(&row), &two_lines(1, "SHIPPED"), &channel(), at(true)).unwrap();
    let exception = row.exception.unwrap();
    assert_eq!(
        (row.stage, exception.kind),
        (Stage::Exception, ExceptionKind::LineCancelledAfterCreation)
    );
    assert!(
        exception.reason.contains("C1-A-1: 1 of 2 left") && !exception.reason.contains("C1-A-2"),
        "{}",
        exception.reason
    );
}

/// An order that is closed was shipped only where somebody says so.
#[test]
fn a_closed_order_counts_as_shipped_only_on_someones_word() {
    let mut row = row_in(Stage::Created);
    row.creation.referenced_at = Some(now());
    let closed = |refunds: &str| with_refunds(order("CLOSED", 2), refunds);
    assert_eq!(outcome(Some(&row), &closed("[]"), at(true)).0, Stage::Created, "Prima is asked on");
    assert_eq!(
        outcome(Some(&row), &closed(BOTH_PIECES), at(true)),
        (Stage::Cancelling, Next::Cancel)
    );
    let mut shipped = closed(BOTH_PIECES);
    shipped.order_lines[0].shipped_date = Some("2026-11-10T11:10:00Z".parse().unwrap());
    assert_eq!(
        outcome(Some(&row), &shipped, at(true)),
        (Stage::Shipped, Next::Nothing),
        "a return"
    );
    // Seen as shipped before.
    let mut unreferenced = row.clone();
    unreferenced.creation.referenced_at = None;
    let (mut seen, _) =
        on_listing(Some(&unreferenced), &order("SHIPPED", 2), &channel(), at(true)).unwrap();
    assert_eq!(seen.stage, Stage::Created, "its reference is owed");
    seen.creation.referenced_at = Some(now());
    assert_eq!(outcome(Some(&seen), &closed(BOTH_PIECES), at(true)).0, Stage::Shipped);
    // A parcel of Prima's.
    let parcel = Parcel { found_at: now(), ..Parcel::default() };
    row.dispatch = Some(Box::new(Dispatch { parcels: vec![parcel], ..Dispatch::default() }));
    assert_eq!(outcome(Some(&row), &closed("[]"), at(true)).0, Stage::Shipped);
}

/// What the marketplace ships itself needs nobody and closes by itself.
#[test]
fn marketplace_shipped_orders_need_nobody_until_they_close() {
    let centre = |code: &str, state: &str| {
        let mut order = order(state, 2);
        order.fulfillment =
            serde_json::from_str(&format!(r#"{{"center":{{"code":"{code}"}}}}"#)).unwrap();
        order.can_shop_ship = Some(true);
        order
    };
    let stage = |order: &Order| outcome(None, order, at(true)).0;
    assert_eq!(stage(&centre("MKP-DC1", "SHIPPING")), Stage::OperatorFulfilled);
    assert_eq!(
        (stage(&centre("DEFAULT", "SHIPPING")), stage(&centre("", "SHIPPING"))),
        (Stage::Queued, Stage::Queued)
    );
    let two_centers =
        Channel { fulfillment_centers: vec!["MKP-DC1".into(), "DEFAULT".into()], ..channel() };
    assert_eq!(
        on_listing(None, &centre("MKP-DC1", "SHIPPING"), &two_centers, at(true)).unwrap().0.stage,
        Stage::Queued
    );
    let unflagged = Order { can_shop_ship: Some(false), ..order("SHIPPING", 2) };
    assert_eq!(stage(&unflagged), Stage::OperatorFulfilled);
    // The centre is known before the order is firm, and the flag only then.
    assert!(
        on_listing(None, &centre("MKP-DC1", "WAITING_ACCEPTANCE"), &channel(), at(true))
            .unwrap()
            .0
            .listing
            .fulfilled_by_operator
    );
    let early = Order { can_shop_ship: Some(false), ..order("WAITING_ACCEPTANCE", 2) };
    assert!(
        !on_listing(None, &early, &channel(), at(true)).unwrap().0.listing.fulfilled_by_operator
    );

    let mut row = row_in(Stage::OperatorFulfilled);
    row.listing.fulfilled_by_operator = true;
    assert_eq!(on_listing(Some(&row), &unflagged, &channel(), at(true)), None);
    assert_eq!(
        outcome(Some(&row), &order("SHIPPED", 2), at(true)),
        (Stage::Shipped, Next::Nothing)
    );
    assert_eq!(outcome(Some(&row), &order("CLOSED", 2), at(true)), (Stage::Shipped, Next::Nothing));
    assert_eq!(
        outcome(Some(&row), &order("CANCELED", 2), at(true)),
        (Stage::Cancelled, Next::Nothing)
    );
    assert_eq!(
        outcome(Some(&row), &order("SHIPPING", 2), at(true)),
        (Stage::Queued, Next::Create),
        "corrected"
    );
    // As rows were kept before.
    let mut old = row_in(Stage::Seen);
    old.fail(ExceptionKind::ShippedByOperator, "", "", now());
    assert_eq!(
        outcome(Some(&old), &unflagged, at(true)),
        (Stage::OperatorFulfilled, Next::Nothing)
    );
    assert_eq!(
        outcome(Some(&old), &order("SHIPPED", 2), at(true)),
        (Stage::Shipped, Next::Nothing)
    );
}

#[test]
fn the_daily_look_tells_of_what_left_unseen_and_of_nothing_else() {
    let look = |order: &Order| {
        on_look(None, order, &channel(), at(true))
            .map(|(row, _)| (row.stage, row.exception.map(|one| one.kind)))
    };
    let outside = Some((Stage::Exception, Some(ExceptionKind::ShippedOutsidePrima)));
    assert_eq!((look(&order("SHIPPED", 2)), look(&order("CLOSED", 2))), (outside, outside));
    let mut ours = order("SHIPPED", 2);
    ours.references = serde_json::from_str(r#"{"order_reference_for_seller":"UK-C1-A"}"#).unwrap();
    assert_eq!(look(&ours), Some((Stage::Shipped, None)), "our memory was lost");
    assert_eq!(
        look(&with_refunds(order("CLOSED", 2), BOTH_PIECES)),
        Some((Stage::Cancelled, None)),
        "nothing left"
    );
    let mut old = order("SHIPPED", 2);
    old.created_date = Some("2026-11-01T00:00:00Z".parse().unwrap());
    assert_eq!(look(&old), None, "before the take-over");
    let mut operators = order("SHIPPED", 2);
    operators.fulfillment = serde_json::from_str(r#"{"center":{"code":"MKP-DC1"}}"#).unwrap();
    assert_eq!(look(&operators), Some((Stage::Shipped, None)), "not ours to ship");
    assert_eq!(
        on_look(Some(&row_in(Stage::Shipped)), &order("SHIPPED", 2), &channel(), at(true))
            .map(|(row, _)| row.stage),
        Some(Stage::Shipped)
    );
}
