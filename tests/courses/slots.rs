//! A caller without a slot of Prima's calls: it waits, loses nothing and tries nothing in vain.

use shared::domain::dispatch::rules::DispatchRules;
use shared::domain::order::row::{OrderRow, Stage};
use shared::domain::prima_calls::{PrimaCaller, PrimaCalls};
use shared::domain::prima_slots::Slot;
use shared::kit::clock::after;
use system_tests::dispatches::course::play as play_dispatches;
use system_tests::simulation::course::Progress;
use system_tests::simulation::course::{CHANNEL, Course, minutes, nothing_yet, play, seconds};
use system_tests::simulation::marketplace::Happening;
use system_tests::world::fate::Kind;

#[test]
fn an_order_without_a_slot_is_created_once_there_is_one() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.poll().await;
        course.pass(seconds(30)).await;
        // Both of the orders' runs were killed, and Prima may still be at work for them.
        course
            .killed_runs_hold(
                PrimaCaller::CreatePrimaOrders,
                PrimaCalls::default().orders,
                minutes(10),
            )
            .await;
        course.poll().await;
        let before = course.row("A-1").await;
        assert_eq!((before.stage, course.queued()), (Stage::Queued, 1));
        // More often than a message may be received before it goes to the dead-letter queue.
        for _ in 0..8 {
            course.deliver().await;
            let row = course.row("A-1").await;
            // Nothing but when its message comes next.
            assert_eq!(row.message.as_ref().unwrap().copies, 0);
            let kept = |row: &OrderRow| {
                let (stage, history) = (row.stage, row.history.clone());
                (stage, history, row.listing.clone(), row.creation.clone(), row.exception.clone())
            };
            assert_eq!(kept(&row), kept(&before), "the order goes on as it stood");
            assert_eq!(course.queued(), 1, "its message is there");
            course.pass(minutes(1)).await;
        }
        assert!(course.calls(Kind::Ask, "").is_empty(), "Prima was not called");
        course.live(5).await;
        assert_eq!(course.stage("A-1").await, Stage::Created);
        assert_eq!(course.in_prima("A-1"), [Progress::Open]);
        assert_eq!(course.told("A-1"), (0, 0), "no person was asked");
    });
}

/// Copies of a message that come while there is no slot end: each would send another copy else.
#[test]
fn copies_do_not_multiply_without_a_slot() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.poll().await;
        let orders = PrimaCalls::default().orders;
        course.killed_runs_hold(PrimaCaller::CreatePrimaOrders, orders, minutes(10)).await;
        for _ in 0..9 {
            (0..3).for_each(|_| course.doubles("A-1"));
            course.live(1).await;
            assert!(course.queued() <= 1, "{} messages of one order", course.queued());
        }
        course.live(4).await;
        assert_eq!(course.in_prima("A-1"), [Progress::Open]);
        assert_eq!(course.queued(), 0);
    });
}

#[test]
fn orders_are_created_while_others_have_all_the_rest() {
    play(nothing_yet(), async |course| {
        let calls = PrimaCalls::default();
        course.killed_runs_hold(PrimaCaller::PushStock, calls.at_once - 1, minutes(60)).await;
        for order in ["A-1", "A-2", "A-3"] {
            course.sells(order);
        }
        course.live(4).await;
        for order in ["A-1", "A-2", "A-3"] {
            assert_eq!(course.stage(order).await, Stage::Created, "{order}");
        }
    });
}

#[test]
fn parcels_are_asked_for_once_there_is_a_slot() {
    play_dispatches(4, [DispatchRules::default(), DispatchRules::default()], async |course| {
        course.everything_leaves(false);
        course
            .killed_runs_hold(PrimaCaller::PushStock, PrimaCalls::default().at_once, minutes(20))
            .await;
        course.live(18).await;
        let latest = course.latest.borrow().clone();
        assert!(matches!(latest.slot, Some(Slot::Refused { .. })), "{latest:?}");
        assert!(
            latest.asked == 0 && latest.postponed > 0 && latest.postponed == latest.due,
            "{latest:?}"
        );
        assert!(course.rows().iter().all(|row| row.exception.is_none()));
        course.live(20).await;
        assert_eq!((course.shipped(), course.latest.borrow().postponed), (4, 0));
    });
}

/// An order that has waited half an hour for a slot has its message under way: listed unreadably,
/// it is no exception yet.
#[test]
fn an_order_that_waits_for_a_slot_is_not_left_alone() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.poll().await;
        course.pass(seconds(30)).await;
        let orders = PrimaCalls::default().orders;
        course.killed_runs_hold(PrimaCaller::CreatePrimaOrders, orders, minutes(60)).await;
        course.poll().await;
        assert_eq!(course.stage("A-1").await, Stage::Queued);
        for _ in 0..30 {
            course.deliver().await;
            course.pass(minutes(1)).await;
        }
        course.world.shop(CHANNEL, |shop| shop.make_unreadable("A-1", course.now()));
        course.poll().await;
        assert_eq!(course.stage("A-1").await, Stage::Queued);
        assert_eq!(course.told("A-1"), (0, 0), "no person was asked");
    });
}

/// The order is in Prima and cancelled in Mirakl; its message waits, and there is no slot.
async fn is_to_be_cancelled_without_a_slot(course: &Course, id: &str) {
    course.sells(id);
    course.live(3).await;
    assert_eq!(course.in_prima(id), [Progress::Open]);
    course.happens(id, Happening::Cancel);
    course.poll().await;
    assert_eq!((course.stage(id).await, course.queued()), (Stage::Cancelling, 1));
    let orders = PrimaCalls::default().orders;
    course.killed_runs_hold(PrimaCaller::CreatePrimaOrders, orders, minutes(10)).await;
}

/// The row of a cancellation moves while its message is put off for want of a slot: the message
/// comes again all the same.
#[test]
fn a_cancellation_without_a_slot_keeps_its_message() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled_without_a_slot(course, "A-1").await;
        course.lasts(Kind::Load, seconds(3));
        course.lasts(Kind::Save, seconds(3));
        let moves = async {
            for _ in 0..20 {
                tokio::time::sleep(seconds(1)).await;
                course.changes("A-1", |_| {}).await;
            }
        };
        tokio::join!(course.deliver(), moves);
        assert_eq!((course.stage("A-1").await, course.queued()), (Stage::Cancelling, 1));
        course.lasts(Kind::Load, seconds(0));
        course.lasts(Kind::Save, seconds(0));
        course.live(13).await;
        assert_eq!(course.stage("A-1").await, Stage::Cancelled);
        assert_eq!(course.in_prima("A-1"), [Progress::Cancelled]);
    });
}

/// Whoever put a message off had a clock ahead of its reader's: the only message there is is not
/// taken for a copy that comes too early.
#[test]
fn differing_clocks_do_not_end_the_only_message() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled_without_a_slot(course, "A-1").await;
        course.deliver().await;
        course
            .changes("A-1", |row| {
                let expected = row.message.as_mut().unwrap();
                expected.due = after(expected.due, seconds(20));
            })
            .await;
        course.pass(seconds(61)).await;
        assert_eq!((course.stage("A-1").await, course.queued()), (Stage::Cancelling, 1));
    });
}
