//! What Mirakl cancels after Prima has it: cancelled there where Prima can, else given to a person,
//! once.

use std::time::Duration;

use create_prima_orders::{Disposition, Done, Returned};
use shared::domain::events::EventKind;
use shared::domain::order::row::{ExceptionKind, Stage};
use shared::domain::queue::{OrderMessage, OrderTask};
use shared::domain::state::BreakerStore as _;
use shared::prima::connection::PrimaBehaviour;
use system_tests::simulation::course::Progress;
use system_tests::simulation::course::{CHANNEL, Course, minutes, nothing_yet, play, seconds};
use system_tests::simulation::marketplace::Happening;
use system_tests::simulation::plan::Plan;
use system_tests::world::fate::{Fate, Kind};

fn cannot_cancel() -> Plan {
    let mut plan = nothing_yet();
    plan.behaviour = PrimaBehaviour { cancel_order: false, ..PrimaBehaviour::default() };
    plan
}

/// The order is in Prima, and cancelled in Mirakl; its message waits.
async fn is_to_be_cancelled(course: &Course, id: &str) {
    course.sells(id);
    course.live(3).await;
    assert_eq!(course.in_prima(id), [Progress::Open]);
    course.happens(id, Happening::Cancel);
    course.poll().await;
    assert_eq!((course.stage(id).await, course.queued()), (Stage::Cancelling, 1));
}

async fn exception(course: &Course, id: &str) -> (ExceptionKind, String) {
    let row = course.row(id).await;
    let exception = row.exception.unwrap_or_else(|| panic!("{id} is {}", row.stage.name()));
    assert_eq!(course.told(id), (1, 1));
    assert_eq!(course.queued(), 0, "nothing is tried any more");
    (exception.kind, exception.reason)
}

/// An open order is cancelled in Prima with one call and needs nobody.
#[test]
fn an_open_order_takes_one_cancelling_call_and_no_person() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        course.pass(minutes(2)).await;
        assert_eq!(
            (course.stage("A-1").await, course.in_prima("A-1")),
            (Stage::Cancelled, vec![Progress::Cancelled])
        );
        assert_eq!((course.calls(Kind::CancelOrder, "").len(), course.told("A-1")), (1, (0, 0)));
        assert_eq!(course.row("A-1").await.history.last().unwrap().note, "cancelled in Prima");
    });
}

/// A Prima that cannot cancel is sent no cancellation, and a person is asked.
#[test]
fn a_prima_unable_to_cancel_means_a_person_and_no_call() {
    play(cannot_cancel(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        course.pass(minutes(2)).await;
        let (kind, reason) = exception(course, "A-1").await;
        assert_eq!(kind, ExceptionKind::CancelledAfterCreation);
        assert!(reason.contains("A-1") && reason.contains("cancel_order is off"), "{reason}");
        assert_eq!(
            (course.calls(Kind::CancelOrder, "").len(), course.in_prima("A-1")),
            (0, vec![Progress::Open])
        );
    });
}

/// What Prima cancelled itself takes no call, even where it could not be told to.
#[test]
fn an_order_prima_itself_cancelled_takes_no_call() {
    play(cannot_cancel(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        course.prima_drops("A-1");
        course.pass(minutes(2)).await;
        assert_eq!(
            (
                course.stage("A-1").await,
                course.calls(Kind::CancelOrder, "").len(),
                course.told("A-1")
            ),
            (Stage::Cancelled, 0, (0, 0))
        );
    });
}

#[test]
fn goods_that_have_left_are_a_critical_exception_of_their_own() {
    for plan in [nothing_yet(), cannot_cancel()] {
        play(plan, async |course| {
            is_to_be_cancelled(course, "A-1").await;
            course.leaves("A-1");
            course.pass(minutes(2)).await;
            let (kind, reason) = exception(course, "A-1").await;
            assert_eq!(kind, ExceptionKind::CancelledAfterDispatch);
            assert!(reason.contains("have left Prima already (order A-1)"), "{reason}");
            assert_eq!(course.calls(Kind::CancelOrder, "").len(), 0);
        });
    }
}

/// Goods that leave between the question and the cancellation are told so.
#[test]
fn goods_leaving_just_before_a_cancellation_are_told() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        let leaving = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            course.leaves("A-1");
        };
        futures_util::join!(course.deliver(), leaving);
        assert_eq!(exception(course, "A-1").await.0, ExceptionKind::CancelledAfterDispatch);
        assert_eq!(course.calls(Kind::CancelOrder, "").len(), 1);
    });
}

/// A refusal to cancel an order that stays open is told with Prima's words.
#[test]
fn a_refused_cancellation_of_an_open_order_quotes_prima() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        course.world.prima_cancels(false);
        course.pass(minutes(2)).await;
        let (kind, reason) = exception(course, "A-1").await;
        assert_eq!(kind, ExceptionKind::CancelledAfterCreation);
        assert!(reason.contains("Unknown request type: CancelOrder"), "{reason}");
        assert_eq!(
            (course.calls(Kind::CancelOrder, "").len(), course.calls(Kind::Ask, "").len()),
            (1, 3)
        );
    });
}

#[test]
fn a_refusal_of_an_order_that_is_cancelled_by_then_needs_nobody() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        let quicker = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            course.prima_drops("A-1");
        };
        futures_util::join!(course.deliver(), quicker);
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Cancelled, (0, 0)));
    });
}

/// A refusal whose question is not answered is asked about again in a minute.
#[test]
fn an_unclear_refusal_is_asked_about_after_a_minute() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        course.world.prima_cancels(false);
        let lost = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            course.strikes(Kind::Ask, "", Fate::Fails);
        };
        futures_util::join!(course.deliver(), lost);
        assert_eq!((course.stage("A-1").await, course.queued()), (Stage::Cancelling, 1));
        course.pass(seconds(62)).await;
        assert_eq!(exception(course, "A-1").await.0, ExceptionKind::CancelledAfterCreation);
    });
}

/// A cancellation whose answer is lost is found by the next question and not sent again.
#[test]
fn a_cancellation_with_a_lost_answer_is_found_not_repeated() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        course.strikes(Kind::CancelOrder, "", Fate::AnswerLost);
        course.deliver().await;
        assert_eq!((course.stage("A-1").await, course.queued()), (Stage::Cancelling, 1));
        course.pass(seconds(59)).await;
        assert_eq!(course.stage("A-1").await, Stage::Cancelling);
        course.pass(seconds(3)).await;
        assert_eq!(
            (course.stage("A-1").await, course.calls(Kind::CancelOrder, "").len()),
            (Stage::Cancelled, 1)
        );
        assert_eq!(course.told("A-1"), (0, 0));
    });
}

/// A Prima that does not answer is asked again, and that counts for its breaker.
#[test]
fn silence_on_a_cancellation_is_retried_and_counts() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        course.breaks(Kind::Ask, "");
        course.deliver().await;
        assert_eq!((course.stage("A-1").await, course.queued()), (Stage::Cancelling, 1));
        let failures = async || {
            course
                .world
                .store
                .load_breakers()
                .await
                .unwrap()
                .operations
                .get("OrderStatus")
                .map(|of| of.failures)
        };
        assert_eq!(failures().await, Some(1));
        course.is_mended();
        course.breaks(Kind::CancelOrder, "");
        course.pass(minutes(2) + seconds(10)).await;
        assert_eq!(failures().await, None, "the question was answered in between");
        course.is_mended();
        course.pass(minutes(3)).await;
        assert_eq!(
            (course.stage("A-1").await, course.in_prima("A-1")),
            (Stage::Cancelled, vec![Progress::Cancelled])
        );
    });
}

/// A cancellation that Prima never answers is sent three times and given to a person.
#[test]
fn an_unanswered_cancellation_sent_thrice_goes_to_a_person() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        course.breaks(Kind::CancelOrder, "A-1");
        course.live(120).await;
        assert_eq!(course.calls(Kind::CancelOrder, "").len(), 3);
        let (kind, reason) = exception(course, "A-1").await;
        assert_eq!(kind, ExceptionKind::CancelledAfterCreation);
        assert!(
            reason.contains("told 3 times to cancel it")
                && reason.contains("CancelOrder: no answer"),
            "{reason}"
        );
    });
    // The last one had its effect late: nobody is needed.
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        course.strikes(Kind::CancelOrder, "", Fate::Fails);
        course.strikes(Kind::CancelOrder, "", Fate::Fails);
        course.strikes(Kind::CancelOrder, "", Fate::AnswerLost);
        course.live(20).await;
        assert_eq!(
            (course.stage("A-1").await, course.calls(Kind::CancelOrder, "").len()),
            (Stage::Cancelled, 3)
        );
        assert_eq!(course.told("A-1"), (0, 0));
    });
}

/// A cancelled order whose question is never answered is given to a person.
#[test]
fn a_cancelled_order_prima_is_silent_about_goes_to_a_person() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        course.breaks(Kind::Ask, "A-1");
        let asked = course.calls(Kind::Ask, "").len();
        course.live(60).await;
        let (kind, reason) = exception(course, "A-1").await;
        assert_eq!(
            (kind, course.calls(Kind::Ask, "").len() - asked),
            (ExceptionKind::CancelledAfterCreation, 5)
        );
        assert!(reason.contains("no answer to the question for it"), "{reason}");
        assert_eq!(course.events(EventKind::PrimaUnavailable), []);
    });
}

/// In doubt, its message lost, and cancelled in a shape that cannot be read.
async fn is_cancelled_unreadably(course: &Course, fate: Fate) {
    course.sells("A-1");
    course.poll().await;
    course.poll().await;
    course.strikes(Kind::NewOrder, "", fate);
    course.deliver().await;
    assert_eq!(course.stage("A-1").await, Stage::InDoubt);
    course.happens("A-1", Happening::Cancel);
    course.world.shop(CHANNEL, |shop| shop.make_unreadable("A-1", course.now()));
}

/// An order in doubt that is cancelled in an unreadable shape is found out about and cancelled.
#[test]
fn an_unreadable_cancelled_order_in_doubt_is_still_cancelled() {
    for (fate, in_prima) in [(Fate::Fails, vec![]), (Fate::AnswerLost, vec![Progress::Cancelled])] {
        for its_message_is_lost in [false, true] {
            play(nothing_yet(), async |course| {
                is_cancelled_unreadably(course, fate).await;
                if its_message_is_lost {
                    course.loses_all_messages();
                }
                course.live(60).await;
                assert_eq!(
                    (course.stage("A-1").await, course.in_prima("A-1")),
                    (Stage::Cancelled, in_prima.clone())
                );
                assert_eq!(
                    (course.calls(Kind::NewOrder, "").len(), course.told("A-1"), course.queued()),
                    (1, (0, 0), 0)
                );
            });
        }
    }
    // An operator had it tried again, and nobody has asked yet.
    play(nothing_yet(), async |course| {
        is_cancelled_unreadably(course, Fate::AnswerLost).await;
        course.loses_all_messages();
        course.retries("A-1").await;
        course.live(12).await;
        assert_eq!(
            (course.stage("A-1").await, course.in_prima("A-1")),
            (Stage::Cancelled, vec![Progress::Cancelled])
        );
    });
}

/// An order in doubt without a message that cannot be read is told, and it goes on once it can be
/// read.
#[test]
fn an_unreadable_order_in_doubt_is_told_and_later_resumes() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.poll().await;
        course.poll().await;
        course.strikes(Kind::NewOrder, "", Fate::AnswerLost);
        course.deliver().await;
        course.loses_all_messages();
        course.world.shop(CHANNEL, |shop| shop.make_unreadable("A-1", course.now()));
        course.live(40).await;
        let (kind, reason) = exception(course, "A-1").await;
        assert_eq!(kind, ExceptionKind::Unreadable);
        assert!(reason.contains("sent to Prima as A-1"), "{reason}");
        course.world.shop(CHANNEL, |shop| shop.make_readable("A-1", course.now()));
        course.live(10).await;
        assert_eq!(
            (course.stage("A-1").await, course.calls(Kind::NewOrder, "").len()),
            (Stage::Created, 1)
        );
    });
}

#[test]
fn an_answer_that_cannot_be_understood_is_given_to_a_person() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        course.world.prima_unclear.set(true);
        course.pass(minutes(2)).await;
        let (kind, reason) = exception(course, "A-1").await;
        assert_eq!(kind, ExceptionKind::CancelledAfterCreation);
        assert!(reason.contains("The database is being saved"), "{reason}");
        assert_eq!(course.calls(Kind::CancelOrder, "").len(), 0);
    });
}

#[test]
fn a_number_that_prima_knows_no_more_is_given_to_a_person() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        course.changes("A-1", |row| row.creation.order_number = Some("GONE".to_owned())).await;
        course.pass(minutes(2)).await;
        let (kind, reason) = exception(course, "A-1").await;
        assert_eq!(kind, ExceptionKind::CancelledAfterCreation);
        assert!(reason.contains("Prima does not know its number any more"), "{reason}");
    });
}

#[test]
fn one_without_a_number_has_nothing_to_cancel_in_prima() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        let asked = course.calls(Kind::Ask, "").len();
        course.changes("A-1", |row| row.creation.order_number = None).await;
        course.pass(minutes(2)).await;
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Cancelled, (0, 0)));
        assert_eq!(
            (course.calls(Kind::Ask, "").len(), course.calls(Kind::CancelOrder, "").len()),
            (asked, 0)
        );
    });
}

#[test]
fn while_a_breaker_is_open_the_message_waits_for_the_probe() {
    play(nothing_yet(), async |course| {
        is_to_be_cancelled(course, "A-1").await;
        let asked = course.calls(Kind::Ask, "").len();
        course.opens_breaker("OrderStatus", seconds(90)).await;
        course.pass(seconds(65)).await;
        assert_eq!(
            (course.calls(Kind::Ask, "").len(), course.queued(), course.stage("A-1").await),
            (asked, 1, Stage::Cancelling)
        );
        course.pass(seconds(60)).await;
        assert_eq!((course.stage("A-1").await, course.queued()), (Stage::Cancelled, 0));
        assert!(
            course.world.store.load_breakers().await.unwrap().operations.is_empty(),
            "Prima answered"
        );
    });
}

/// A message is settled by what its row says and needs time for three calls.
#[test]
fn the_row_settles_a_message_given_time_for_three_calls() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.live(3).await;
        let message = OrderMessage {
            channel: CHANNEL.to_owned(),
            order_id: "A-1".to_owned(),
            task: OrderTask::Cancel,
        };
        assert_eq!(
            course.work(message.clone(), minutes(5)).await,
            Disposition::Done(Done::NothingToCancel)
        );
        let unknown = OrderMessage { order_id: "A-9".to_owned(), ..message.clone() };
        assert_eq!(
            course.work(unknown, minutes(5)).await,
            Disposition::Done(Done::NothingToCancel)
        );
        course.happens("A-1", Happening::Cancel);
        course.poll().await;
        course.loses_all_messages();
        course.breaks(Kind::Load, "row");
        assert_eq!(
            course.work(message.clone(), minutes(5)).await,
            Disposition::Return(Returned::StoreUnavailable)
        );
        course.is_mended();
        assert_eq!(
            course.work(message.clone(), seconds(189)).await,
            Disposition::Done(Done::AgainLater)
        );
        assert_eq!((course.queued(), course.calls(Kind::CancelOrder, "").len()), (1, 0));
        course.breaks(Kind::Save, "row");
        assert_eq!(
            course.work(message.clone(), seconds(190)).await,
            Disposition::Return(Returned::StoreUnavailable)
        );
        course.is_mended();
        assert_eq!(course.work(message, seconds(190)).await, Disposition::Done(Done::Cancelled));
        assert_eq!(course.calls(Kind::CancelOrder, "").len(), 1, "found cancelled the second time");
    });
}
