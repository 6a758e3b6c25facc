use super::*;
use crate::domain::dispatch::{Dispatch, Parcel, SettledLine, Settlement};
use crate::mirakl::shipping::{How, ParcelLine};

pub(super) fn with_refunds(mut order: Order, refunds: &str) -> Order {
    order.order_lines[0].price = crate::kit::amount::Amount(40.into());
    order.order_lines[0].refunds = serde_json::from_str(refunds).unwrap();
    order
}

const ONE_PIECE: &str = r#"[{"quantity":1,"amount":20.00,"created_date":"2026-11-10T11:20:00Z"}]"#;
pub(super) const BOTH_PIECES: &str =
    r#"[{"quantity":null,"amount":40.00,"created_date":"2026-11-10T11:20:00Z"}]"#;
const GOODWILL: &str = r#"[{"quantity":0,"amount":5.00,"created_date":"2026-11-10T11:20:00Z"}]"#;

/// What is refunded before it left is not there, and goodwill changes nothing.
#[test]
fn early_refunds_remove_pieces_and_goodwill_removes_none() {
    for (refunds, stage, next, pieces) in [
        (ONE_PIECE, Stage::Queued, Next::Create, 1),
        (GOODWILL, Stage::Queued, Next::Create, 2),
        (BOTH_PIECES, Stage::Cancelled, Next::Nothing, 0),
    ] {
        let listed = with_refunds(order("SHIPPING", 2), refunds);
        let (row, follows) = on_listing(None, &listed, &channel(), at(true)).unwrap();
        assert_eq!(
            (row.stage, follows, row.lines.iter().map(|line| line.quantity).sum::<u32>()),
            (stage, next, pieces),
            "{refunds}"
        );
    }
}

#[test]
fn a_refund_after_creation_is_told_once_and_a_further_one_again() {
    let mut row = row_in(Stage::Created);
    row.creation.referenced_at = Some(now());
    let goodwill = with_refunds(order("SHIPPING", 2), GOODWILL);
    assert_eq!(
        on_listing(Some(&row), &goodwill, &channel(), at(true)).unwrap().0.stage,
        Stage::Created
    );
    let one = with_refunds(order("SHIPPING", 2), ONE_PIECE);
    let (mut row, next) = on_listing(Some(&row), &one, &channel(), at(true)).unwrap();
    let exception = row.exception.clone().unwrap();
    assert_eq!((exception.kind, next), (ExceptionKind::LineCancelledAfterCreation, Next::Nothing));
    assert!(exception.reason.contains("C1-A-1: 1 of 2 left"), "{}", exception.reason);
    assert_eq!(on_listing(Some(&row), &one, &channel(), at(true)), None);
    // Settled: the same listing says nothing more. All of it refunded: cancelled in Prima, settled
    // or not.
    let both = with_refunds(order("SHIPPING", 2), BOTH_PIECES);
    assert_eq!(outcome(Some(&row), &both, at(true)), (Stage::Cancelling, Next::Cancel));
    row.enter(Stage::Created, now(), "settled");
    assert_eq!(on_listing(Some(&row), &one, &channel(), at(true)), None);
    assert_eq!(outcome(Some(&row), &both, at(true)), (Stage::Cancelling, Next::Cancel));
}

/// A row that is found again after the refund is cancelled in Prima.
#[test]
fn a_refunded_order_linked_again_is_cancelled_in_prima() {
    let both = with_refunds(order("SHIPPING", 2), BOTH_PIECES);
    let mut row = OrderRow::first_seen("uk", &both, now());
    row.creation.created_at = Some(now());
    row.enter(Stage::Created, now(), "linked by an operator");
    assert_eq!(row.lines, []);
    assert_eq!(outcome(Some(&row), &both, at(true)), (Stage::Cancelling, Next::Cancel));
}

/// What was refunded from here, and what had left before it was refunded, is nobody's trouble.
#[test]
fn own_refunds_and_refunds_after_departure_trouble_nobody() {
    let ours = |pieces: u32, confirmed: bool| Settlement {
        how: How::Refund,
        lines: vec![SettledLine {
            order_line_id: "C1-A-1".into(),
            quantity: pieces,
            ..SettledLine::default()
        }],
        at: now(),
        until: now(),
        confirmed_at: confirmed.then(now),
        reason_code: None,
    };
    let stage_of = |dispatch: Dispatch, refunds: &str| {
        let mut row = row_in(Stage::Dispatched);
        row.creation.created_at = Some(now());
        row.dispatch = Some(Box::new(dispatch));
        outcome(Some(&row), &with_refunds(order("SHIPPING", 2), refunds), at(true))
    };
    let quiet = (Stage::Dispatched, Next::Nothing);
    let settled = |settlements: Vec<Settlement>| Dispatch { settlements, ..Dispatch::default() };
    assert_eq!(stage_of(settled(vec![ours(1, true)]), ONE_PIECE), quiet);
    assert_eq!(stage_of(settled(vec![ours(2, true)]), BOTH_PIECES), quiet);
    assert_eq!(stage_of(settled(vec![ours(2, false)]), BOTH_PIECES), quiet, "under way");
    assert_eq!(
        stage_of(settled(vec![ours(1, true)]), BOTH_PIECES),
        (Stage::Cancelling, Next::Cancel),
        "the other piece is somebody else's"
    );
    let parcel = |found: &str| Parcel {
        lines: vec![ParcelLine { order_line_id: "C1-A-1".into(), quantity: 2 }],
        found_at: found.parse().unwrap(),
        ..Parcel::default()
    };
    let left = |moment: &str| Dispatch {
        parcels: vec![parcel(moment)],
        ended_at: moment.parse().ok(),
        ..Dispatch::default()
    };
    assert_eq!(stage_of(left("2026-11-10T11:00:00Z"), ONE_PIECE), quiet, "a return");
    assert_eq!(stage_of(left("2026-11-10T11:00:00Z"), BOTH_PIECES), quiet, "a return");
    assert_eq!(
        stage_of(left("2026-11-10T11:25:00Z"), BOTH_PIECES),
        (Stage::Cancelling, Next::Cancel)
    );
    assert_eq!(
        stage_of(left("2026-11-10T11:25:00Z"), ONE_PIECE).0,
        Stage::Exception,
        "it left although it was refunded"
    );
}

/// What was refunded before it left, and was told as shipped all the same, is told once.
#[test]
fn a_refunded_order_shipped_all_the_same_is_told_once() {
    // Refunded at 11:20, unseen.
    let shipped_by_us = |left: &str| {
        let mut row = row_in(Stage::Created);
        (row.creation.created_at, row.creation.referenced_at) = (Some(now()), Some(now()));
        let parcel = Parcel { found_at: left.parse().unwrap(), ..Parcel::default() };
        row.dispatch = Some(Box::new(Dispatch {
            parcels: vec![parcel],
            ended_at: left.parse().ok(),
            ..Dispatch::default()
        }));
        row.enter(Stage::Shipped, now(), "shipped in Mirakl");
        row
    };
    let listed = |state: &str, refunds: &str, shipped: Option<&str>| {
        let mut order = with_refunds(order(state, 2), refunds);
        order.order_lines[0].shipped_date = shipped.map(|at| at.parse().unwrap());
        order
    };
    let (before, after) = ("2026-11-10T11:10:00Z", "2026-11-10T11:25:00Z");
    for (refunds, words) in
        [(ONE_PIECE, "refunded a part of the order"), (BOTH_PIECES, "refunded all of the order")]
    {
        for (state, shipped) in [
            ("SHIPPED", None),
            ("SHIPPED", Some(after)),
            ("SHIPPING", None),
            ("CLOSED", None),
            ("RECEIVED", Some(after)),
        ] {
            let order = listed(state, refunds, shipped);
            let (mut row, next) =
                on_listing(Some(&shipped_by_us(after)), &order, &channel(), at(true)).unwrap();
            let exception = row.exception.clone().unwrap();
            assert_eq!(
                (row.stage, exception.kind, next),
                (Stage::Exception, ExceptionKind::CancelledAfterDispatch, Next::Nothing)
            );
            assert!(exception.reason.contains(words), "{}", exception.reason);
            assert!(
                exception.remedy.ends_with("exceptions settle uk C1-A --as shipped --note TEXT"),
                "{}",
                exception.remedy
            );
            assert_eq!(on_listing(Some(&row), &order, &channel(), at(true)), None, "once");
            row.settle(Stage::Shipped, now(), "settled");
            assert_eq!(
                on_listing(Some(&row), &order, &channel(), at(true)),
                None,
                "settled is settled"
            );
            // A return.
            let returned = on_listing(
                Some(&shipped_by_us(before)),
                &listed(state, refunds, shipped.map(|_| before)),
                &channel(),
                at(true),
            );
            assert_eq!(returned.unwrap().0.stage, Stage::Shipped, "{state} {shipped:?}");
        }
    }
    let goodwill = on_listing(
        Some(&shipped_by_us(after)),
        &listed("SHIPPED", GOODWILL, Some(after)),
        &channel(),
        at(true),
    );
    assert_eq!(goodwill.unwrap().0.stage, Stage::Shipped);
}
