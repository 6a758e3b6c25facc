use super::*;
use crate::mirakl::OrderState;

#[test]
fn a_waiting_order_that_we_accepted_is_acknowledged() {
    let accepted = Circumstances { accepted: true, ..at(true) };
    let (row, next) =
        on_listing(None, &order("WAITING_ACCEPTANCE", 2), &channel(), accepted).unwrap();
    assert_eq!(
        (row.stage, row.listing.acknowledged_at, next),
        (Stage::Acknowledged, Some(now()), Next::Nothing)
    );
    assert_eq!(
        outcome(None, &order("WAITING_ACCEPTANCE", 2), at(true)),
        (Stage::Seen, Next::Nothing)
    );
}

/// An order older than the take-over is left to those who keyed it, unless it was accepted from
/// here.
#[test]
fn an_old_order_is_left_to_its_keyers_unless_accepted_here() {
    let mut old = order("SHIPPING", 2);
    old.created_date = Some("2026-11-01T00:00:00Z".parse().unwrap());
    assert_eq!(outcome(None, &old, at(true)), (Stage::KeyedByHand, Next::Nothing));
    let ours = row_in(Stage::Acknowledged);
    assert_eq!(outcome(Some(&ours), &old, at(true)), (Stage::Queued, Next::Create));
    let mut waiting = old.clone();
    waiting.order_state = OrderState::WaitingAcceptance;
    assert_eq!(
        outcome(None, &waiting, Circumstances { accepted: true, ..at(true) }).0,
        Stage::Acknowledged
    );
}

#[test]
fn a_missed_window_is_told_of() {
    let mut refused = order("REFUSED", 2);
    refused.order_state_reason_code = Some("ACCEPTANCE_TIMEOUT".into());
    assert_eq!(
        outcome(Some(&row_in(Stage::Seen)), &refused, at(true)),
        (Stage::Refused, Next::WindowMissed)
    );
}

/// A waiting order that ends with its window and without a reason has missed it.
#[test]
fn a_waiting_order_ended_by_its_window_counts_as_missed() {
    for (state, minutes, next) in [
        ("REFUSED", 1440, Next::WindowMissed),
        ("CANCELED", 1440, Next::WindowMissed),
        ("REFUSED", 1439, Next::Nothing),
    ] {
        let mut ended = order(state, 2);
        ended.last_updated_date =
            Some(after(ended.created_date.unwrap(), Duration::from_secs(60 * minutes)));
        assert_eq!(
            outcome(Some(&row_in(Stage::Seen)), &ended, at(true)),
            (Stage::Refused, next),
            "{state} after {minutes} minutes"
        );
        assert_eq!(
            outcome(Some(&row_in(Stage::Acknowledged)), &ended, at(true)).1,
            Next::Nothing,
            "accepted in time"
        );
    }
}

/// An order of before the take-over that can be read at last is left to those who keyed it.
#[test]
fn an_old_order_readable_only_now_is_left_to_its_keyers() {
    let mut row = row_in(Stage::Seen);
    row.fail(ExceptionKind::Unreadable, "", "", now());
    assert_eq!(outcome(Some(&row), &order("SHIPPING", 2), at(true)), (Stage::Queued, Next::Create));
    let mut old = order("SHIPPING", 2);
    old.created_date = Some("2026-11-01T00:00:00Z".parse().unwrap());
    assert_eq!(outcome(Some(&row), &old, at(true)), (Stage::KeyedByHand, Next::Nothing));
}

/// A window that was missed before anybody listed the order is told of, unless it was before the
/// take-over.
#[test]
fn a_window_missed_unseen_is_told_only_after_the_take_over() {
    let mut refused = order("REFUSED", 2);
    assert_eq!(on_listing(None, &refused, &channel(), at(true)), None, "a person refused it");
    refused.order_state_reason_code = Some("ACCEPTANCE_TIMEOUT".into());
    assert_eq!(outcome(None, &refused, at(true)), (Stage::Refused, Next::WindowMissed));
    for created in [Some("2026-11-01T23:59:59Z".parse().unwrap()), None] {
        refused.created_date = created;
        assert_eq!(on_listing(None, &refused, &channel(), at(true)), None);
    }
    let mut cancelled = order("CANCELED", 0);
    cancelled.order_state_reason_code = Some("ACCEPTANCE_TIMEOUT".into());
    assert_eq!(on_listing(None, &cancelled, &channel(), at(true)), None);
}
