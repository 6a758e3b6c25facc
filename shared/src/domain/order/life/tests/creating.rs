use super::*;

/// A firm order is queued once, and it waits as a row while a breaker is open.
#[test]
fn a_firm_order_is_queued_once_or_waits_for_prima() {
    assert_eq!(outcome(None, &order("SHIPPING", 2), at(true)), (Stage::Queued, Next::Create));
    assert_eq!(outcome(None, &order("SHIPPING", 2), at(false)), (Stage::Firm, Next::Nothing));
    assert_eq!(
        outcome(Some(&row_in(Stage::Firm)), &order("SHIPPING", 2), at(true)),
        (Stage::Queued, Next::Create)
    );
    assert_eq!(
        on_listing(Some(&row_in(Stage::Queued)), &order("SHIPPING", 2), &channel(), at(true)),
        None
    );
}

/// A message is missed minutes after it was due, and each copy is given twice the time.
#[test]
fn each_re_sent_message_is_missed_after_twice_the_time() {
    let mut row = row_in(Stage::Queued);
    row.enter(Stage::Queued, now(), "");
    let lost = |row: &OrderRow, minutes: u64| {
        let late = Duration::from_secs(60 * minutes);
        (
            row.message_is_lost(after(now(), late)),
            row.message_is_lost(after(now(), late + Duration::from_secs(1))),
        )
    };
    assert_eq!(lost(&row, 5), (false, true));
    // One that was asked to come later is not missed before.
    row.expect_message(after(now(), Duration::from_secs(900)));
    assert_eq!(lost(&row, 20), (false, true));
    for (copies, minutes) in [(1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 160)] {
        row.send_again(now(), "");
        assert_eq!(
            (row.message.as_ref().unwrap().copies, lost(&row, minutes)),
            (copies, (false, true))
        );
    }
    row.enter(Stage::Firm, now(), "");
    assert_eq!(row.message, None);
    // A row of an older version: its message may be delayed as long as any.
    row.enter(Stage::Queued, now(), "");
    row.message = None;
    assert_eq!(lost(&row, 20), (false, true));
    row.enter(Stage::InDoubt, now(), "");
    row.miss_message(now());
    assert!(row.message_is_lost(now()));
}

/// An order whose date of change has disappeared is no older than its row.
#[test]
fn an_undated_order_counts_as_no_older_than_its_row() {
    let mut row = row_in(Stage::Firm);
    row.listing.updated = Some(now());
    let mut undated = order("SHIPPING", 2);
    undated.last_updated_date = None;
    assert!(!row.is_newer_than(&undated));
    let (after, next) = on_listing(Some(&row), &undated, &channel(), at(true)).unwrap();
    assert_eq!(
        (after.stage, next, after.listing.updated),
        (Stage::Queued, Next::Create, Some(now()))
    );
}

#[test]
fn what_is_stuck_or_changed_is_sent_again() {
    let mut stuck = row_in(Stage::Queued);
    overdue(&mut stuck, MESSAGE_IS_LOST + Duration::from_secs(1));
    assert_eq!(outcome(Some(&stuck), &order("SHIPPING", 2), at(true)).1, Next::Create);
    let mut changed = order("SHIPPING", 1);
    changed.last_updated_date = Some(now());
    assert_eq!(outcome(Some(&row_in(Stage::Queued)), &changed, at(true)).1, Next::Create);
}

#[test]
fn only_a_dead_holder_loses_an_order_in_creation() {
    let mut row = row_in(Stage::Creating);
    row.creation.lease = Some(Lease { owner: "a".into(), until: now() });
    assert_eq!(on_listing(Some(&row), &order("SHIPPING", 2), &channel(), at(true)), None);
    row.creation.lease = Some(Lease {
        owner: "a".into(),
        until: before(now(), LEASE_IS_DEAD + Duration::from_secs(1)),
    });
    assert_eq!(
        outcome(Some(&row), &order("SHIPPING", 2), at(true)),
        (Stage::Creating, Next::Create)
    );
}

#[test]
fn the_lines_that_were_sent_stay_those_of_the_row() {
    let mut row = row_in(Stage::InDoubt);
    row.creation.attempt = Some(Attempt { at: now(), count: 1, ..Attempt::default() });
    let mut shrunk = order("SHIPPING", 1);
    shrunk.last_updated_date = Some(after(now(), Duration::from_secs(60)));
    let (row, next) = on_listing(Some(&row), &shrunk, &channel(), at(true)).unwrap();
    assert_eq!((row.lines[0].quantity, next), (2, Next::Create));
}

/// An older listing changes nothing, and a boundary of time is not passed at its very moment.
#[test]
fn old_listings_change_nothing_and_time_limits_are_exclusive() {
    let mut row = row_in(Stage::Firm);
    row.listing.updated = Some(now());
    assert_eq!(
        on_listing(Some(&row), &order("CANCELED", 2), &channel(), at(true)),
        None,
        "listed before what we know"
    );
    let mut exactly = row_in(Stage::Queued);
    overdue(&mut exactly, MESSAGE_IS_LOST);
    assert_eq!(on_listing(Some(&exactly), &order("SHIPPING", 2), &channel(), at(true)), None);
    let mut held = row_in(Stage::Creating);
    held.creation.lease = Some(Lease { owner: "a".into(), until: before(now(), LEASE_IS_DEAD) });
    assert_eq!(on_listing(Some(&held), &order("SHIPPING", 2), &channel(), at(true)), None);
    let mut at_take_over = order("SHIPPING", 2);
    at_take_over.created_date = Some(channel().take_over_from);
    assert_eq!(
        outcome(None, &at_take_over, at(true)).0,
        Stage::Queued,
        "from that moment on they are ours"
    );
}

/// Whoever waits long for a slot has a message under way, and is not left alone.
#[test]
fn an_order_whose_message_is_still_to_come_is_not_left_alone() {
    for stage in [Stage::Queued, Stage::InDoubt] {
        let mut row = row_in(stage);
        let later = after(row.since, Duration::from_secs(3600));
        assert!(is_left_alone(&row, later), "{stage:?}");
        row.expect_message(before(later, Duration::from_secs(60)));
        assert!(!is_left_alone(&row, later), "{stage:?}");
        row.miss_message(later);
        assert!(is_left_alone(&row, later), "{stage:?}");
    }
}
