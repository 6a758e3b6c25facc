//! What is refunded before it left: a marketplace cancels so what is paid. It is not created, or
//! cancelled in Prima, or told once.

use std::time::Duration;

use shared::domain::dispatch::{Dispatch, Parcel};
use shared::domain::events::EventKind;
use shared::domain::order::row::{ExceptionKind, Stage};
use shared::mirakl::OrderState;
use shared::prima::connection::PrimaBehaviour;
use system_tests::simulation::course::Progress;
use system_tests::simulation::course::{CHANNEL, Course, minutes, nothing_yet, play, seconds};
use system_tests::simulation::marketplace::{Happening, left_of};
use system_tests::simulation::plan::Plan;
use system_tests::world::fate::Kind;

fn cannot_cancel() -> Plan {
    Plan {
        behaviour: PrimaBehaviour { cancel_order: false, ..PrimaBehaviour::default() },
        ..nothing_yet()
    }
}

/// Pieces of each line that Prima was told.
fn pieces_in_prima(course: &Course, id: &str) -> Vec<u32> {
    course.lines_in_prima(id).into_iter().map(|(_, pieces)| pieces).collect()
}

/// The order is in Prima, and Mirakl has its number.
async fn is_created(course: &Course, id: &str) {
    course.sells(id);
    course.live(3).await;
    assert_eq!(
        (course.in_prima(id), course.stage(id).await),
        (vec![Progress::Open], Stage::Created)
    );
}

#[test]
fn pieces_that_are_refunded_before_creation_are_not_created() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.poll().await;
        let ordered: Vec<_> =
            course.sale("A-1").order.live_lines().map(|line| line.quantity).collect();
        course.happens("A-1", Happening::RefundPiece);
        course.live(3).await;
        let left = course.world.shop(CHANNEL, |shop| {
            let order = shop.model.order("A-1").unwrap();
            let left = order.lines.iter().map(|line| left_of(order, line));
            left.filter(|pieces| *pieces > 0).collect::<Vec<_>>()
        });
        let left = left.unwrap();
        assert_eq!(pieces_in_prima(course, "A-1"), left);
        assert_eq!(left.iter().sum::<u32>() + 1, ordered.iter().sum::<u32>());
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Created, (0, 0)));
        assert_eq!(
            course.row("A-1").await.lines.iter().map(|line| line.quantity).sum::<u32>(),
            left.iter().sum::<u32>()
        );
    });
}

#[test]
fn goodwill_changes_nothing_before_creation_or_after_it() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::Shipping, |_| {});
        course.happens("A-1", Happening::Goodwill);
        course.live(3).await;
        let ordered: Vec<_> =
            course.sale("A-1").order.live_lines().map(|line| line.quantity).collect();
        assert_eq!(pieces_in_prima(course, "A-1"), ordered);
        is_created(course, "A-2").await;
        course.happens("A-2", Happening::Goodwill);
        course.live(7).await;
        for id in ["A-1", "A-2"] {
            assert_eq!((course.stage(id).await, course.told(id)), (Stage::Created, (0, 0)));
        }
    });
}

#[test]
fn a_piece_that_is_refunded_after_creation_is_told_once() {
    play(nothing_yet(), async |course| {
        is_created(course, "A-1").await;
        course.happens("A-1", Happening::RefundPiece);
        course.live(12).await;
        let exception = course.row("A-1").await.exception.unwrap();
        assert_eq!(
            (exception.kind, course.told("A-1")),
            (ExceptionKind::LineCancelledAfterCreation, (1, 1))
        );
        // A person reduces the order and settles it: the same refund says nothing more. The rest is
        // refunded: cancelled in Prima.
        course.changes("A-1", |row| row.enter(Stage::Created, row.since, "settled by Ann")).await;
        course.live(7).await;
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Created, (1, 1)));
        course.happens("A-1", Happening::RefundAll);
        course.live(3).await;
        assert_eq!(
            (course.stage("A-1").await, course.in_prima("A-1")),
            (Stage::Cancelled, vec![Progress::Cancelled])
        );
    });
}

/// An order that is refunded as a whole is cancelled in Prima, however it ends in Mirakl.
#[test]
fn a_fully_refunded_order_is_cancelled_in_prima_either_way() {
    for ends in [None, Some(Happening::Close), Some(Happening::EnterRefunded)] {
        play(nothing_yet(), async |course| {
            is_created(course, "A-1").await;
            course.happens("A-1", Happening::RefundAll);
            if let Some(end) = ends {
                course.happens("A-1", end);
            }
            course.live(8).await;
            assert_eq!(
                (course.stage("A-1").await, course.in_prima("A-1")),
                (Stage::Cancelled, vec![Progress::Cancelled]),
                "{ends:?}"
            );
            assert_eq!(
                (course.calls(Kind::CancelOrder, "").len(), course.told("A-1")),
                (1, (0, 0)),
                "{ends:?}"
            );
        });
    }
}

/// A refunded order that Prima cannot cancel or has sent is told at once.
#[test]
fn a_refunded_order_beyond_cancelling_is_told_at_once() {
    for (plan, leaves, kind) in [
        (cannot_cancel(), false, ExceptionKind::CancelledAfterCreation),
        (nothing_yet(), true, ExceptionKind::CancelledAfterDispatch),
    ] {
        play(plan, async |course| {
            is_created(course, "A-1").await;
            if leaves {
                course.leaves("A-1");
            }
            course.happens("A-1", Happening::RefundAll);
            course.live(2).await;
            let exception = course.row("A-1").await.exception.unwrap();
            assert_eq!((exception.kind, course.told("A-1")), (kind, (1, 1)));
            assert!(
                exception.reason.starts_with("Mirakl refunded the order"),
                "{}",
                exception.reason
            );
            course.happens("A-1", Happening::Close);
            course.live(12).await;
            assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Exception, (1, 1)));
        });
    }
}

/// An order that is refunded when it is first seen is not created.
#[test]
fn an_order_first_seen_refunded_is_never_created() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::Shipping, |_| {});
        course.happens("A-1", Happening::RefundAll);
        course.live(3).await;
        assert_eq!(
            (course.stage("A-1").await, course.told("A-1"), course.in_prima("A-1")),
            (Stage::Cancelled, (0, 0), vec![])
        );
        assert_eq!(course.calls(Kind::NewOrder, "").len(), 0);
    });
}

/// An order that waits for Prima and is refunded and closed is over, and it was not shipped.
#[test]
fn a_waiting_order_refunded_and_closed_ends_unshipped() {
    play(nothing_yet(), async |course| {
        course.breaks(Kind::Ask, "");
        course.sells("A-1");
        course.live(8).await;
        course.happens("A-1", Happening::RefundAll);
        course.happens("A-1", Happening::Close);
        course.live(8).await;
        course.is_mended();
        course.live(10).await;
        assert_eq!(
            (course.stage("A-1").await, course.told("A-1"), course.in_prima("A-1")),
            (Stage::Cancelled, (0, 0), vec![])
        );
        assert_eq!(course.calls(Kind::NewOrder, "").len(), 0);
    });
}

/// A refund while the order is being sent is found as soon as the order is there.
#[test]
fn a_refund_during_sending_is_found_once_the_order_exists() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.poll().await;
        let refund = async {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            course.happens("A-1", Happening::RefundAll);
        };
        futures_util::join!(course.deliver(), refund);
        course.live(8).await;
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Cancelled, (0, 0)));
        assert!(course.in_prima("A-1").iter().all(|progress| *progress == Progress::Cancelled));
    });
}

/// A refund that nobody saw before the order was told as shipped is told once.
#[test]
fn an_unseen_refund_before_shipping_is_told_once() {
    play(nothing_yet(), async |course| {
        // Prima sends it, and Mirakl is told, before a listing shows the refund; of another one
        // after it had left.
        let leaves = async |course: &Course, id: &str| {
            let parcel =
                Parcel { dispatch: "D-1".to_owned(), found_at: course.now(), ..Parcel::default() };
            let left = Dispatch {
                parcels: vec![parcel],
                ended_at: Some(course.now()),
                ..Dispatch::default()
            };
            let at = course.now();
            course
                .changes(id, |row| {
                    row.dispatch = Some(Box::new(left));
                    row.enter(Stage::Shipped, at, "shipped in Mirakl");
                })
                .await;
            course.happens(id, Happening::Ship);
        };
        is_created(course, "A-1").await;
        is_created(course, "A-2").await;
        course.happens("A-1", Happening::RefundPiece);
        course.pass(seconds(20)).await;
        leaves(course, "A-1").await;
        leaves(course, "A-2").await;
        course.pass(seconds(20)).await;
        course.happens("A-2", Happening::RefundPiece);
        // No listing of the minute shows what is shipped.
        course.look_is_due().await;
        course.live(8).await;
        let exception = course.row("A-1").await.exception.unwrap();
        assert_eq!(
            (exception.kind, course.told("A-1")),
            (ExceptionKind::CancelledAfterDispatch, (1, 1))
        );
        assert_eq!(
            (course.stage("A-2").await, course.told("A-2")),
            (Stage::Shipped, (0, 0)),
            "a return"
        );
        let now = course.now();
        course
            .changes("A-1", |row| {
                row.settle(Stage::Shipped, now, "settled by Ann: the parcel comes back")
            })
            .await;
        course.happens("A-1", Happening::Touch);
        course.look_is_due().await;
        course.live(8).await;
        assert_eq!(
            (course.stage("A-1").await, course.told("A-1")),
            (Stage::Shipped, (1, 1)),
            "once"
        );
    });
}

#[test]
fn a_return_is_nobodys_trouble() {
    play(nothing_yet(), async |course| {
        is_created(course, "A-1").await;
        course.happens("A-1", Happening::Ship);
        course.live(7).await;
        assert_eq!(course.stage("A-1").await, Stage::Shipped);
        course.happens("A-1", Happening::RefundAll);
        course.happens("A-1", Happening::Close);
        course.live(7).await;
        assert_eq!(
            (course.stage("A-1").await, course.told("A-1"), course.in_prima("A-1")),
            (Stage::Shipped, (0, 0), vec![Progress::Open])
        );
        // The same, when nobody looked between.
        is_created(course, "A-2").await;
        course.happens("A-2", Happening::Ship);
        course.pass(minutes(1)).await;
        course.happens("A-2", Happening::RefundAll);
        course.happens("A-2", Happening::Close);
        course.live(7).await;
        assert_eq!((course.stage("A-2").await, course.told("A-2")), (Stage::Shipped, (0, 0)));
        assert_eq!(course.events(EventKind::OrderException).len(), 0);
    });
}
