//! How one order comes into Prima, exactly once, whatever happens between the question and the
//! answer.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use create_prima_orders::{Disposition, Done, Returned};
use shared::domain::events::EventKind;
use shared::domain::order::row::{ExceptionKind, OrderKey, Stage};
use shared::domain::queue::{OrderMessage, OrderTask};
use shared::domain::state::{BreakerStore as _, NumberStore as _};
use shared::mirakl::OrderState;
use system_tests::simulation::course::Progress;
use system_tests::simulation::course::{CHANNEL, Course, minutes, nothing_yet, play, seconds};
use system_tests::simulation::marketplace::Happening;
use system_tests::simulation::plan::{Moment, Windows};
use system_tests::world::fate::{Fate, Kind};

/// The order is accepted, paid, and its message can be seen.
async fn is_queued(course: &Course, id: &str) {
    course.sells(id);
    course.poll().await;
    course.poll().await;
    assert_eq!((course.stage(id).await, course.queued()), (Stage::Queued, 1));
}

/// Something happens to an order so long after the creator was given it, and the poller sees it.
async fn meanwhile(course: &Course, after: Duration, id: &str, happening: Happening) {
    tokio::time::sleep(after).await;
    course.happens(id, happening);
    course.poll().await;
}

/// While Prima answers the question; while it takes the order in. Each takes 400 ms.
const ASKING: Duration = Duration::from_millis(100);
const SENDING: Duration = Duration::from_millis(500);

/// Whole seconds between one call and the next.
fn differences(times: &[Duration]) -> Vec<u64> {
    times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect()
}

async fn kind(course: &Course, id: &str) -> Option<ExceptionKind> {
    course.row(id).await.exception.map(|exception| exception.kind)
}

#[test]
fn an_order_takes_one_question_and_one_new_order() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.deliver().await;
        assert_eq!(
            (course.calls(Kind::Ask, "").len(), course.calls(Kind::NewOrder, "").len()),
            (1, 1)
        );
        let row = course.row("A-1").await;
        assert_eq!(
            (row.stage, row.creation.order_number.as_deref(), row.creation.unclear_answers),
            (Stage::Created, Some("A-1"), 0)
        );
        assert_eq!(
            (row.creation.created_at.is_some(), row.creation.lease.is_none(), course.queued()),
            (true, true, 0)
        );
        assert_eq!(row.history.last().unwrap().note, "in Prima (new)");
        // What the order is worth stays with it, for when it is settled.
        let money = row.creation.money.unwrap();
        assert_eq!((money.currency.as_str(), money.lines.len()), ("GBP", row.lines.len()));
        let (line, sent) = (&money.lines[0], &row.lines[0]);
        assert_eq!((&line.line, line.pieces), (&sent.order_line_id, sent.quantity));
        assert!(!line.product.is_empty() && line.price.to_string() == "19.95", "{line:?}");
    });
}

/// A new order without an answer is asked for when Prima can no longer be at it, and twice before
/// it is sent again.
#[test]
fn an_unanswered_new_order_is_asked_for_twice_before_a_resend() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.strikes(Kind::NewOrder, "", Fate::Fails);
        course.deliver().await;
        assert_eq!(course.stage("A-1").await, Stage::InDoubt);
        let sent = course.calls(Kind::NewOrder, "")[0];
        // A change brings another message at once, which has to wait: 300 s of Prima's longest
        // execution, 10 s in which it may have gone out after it was noted, 30 s by which two
        // clocks may differ.
        course.happens("A-1", Happening::Touch);
        course.live(10).await;
        let asked = course.calls(Kind::Ask, "");
        assert_eq!(differences(&[sent, asked[1], asked[2]]), [340, 30], "{asked:?}");
        assert_eq!((asked.len(), course.calls(Kind::NewOrder, "").len()), (3, 2));
        let row = course.row("A-1").await;
        assert_eq!((row.stage, course.in_prima("A-1")), (Stage::Created, vec![Progress::Open]));
    });
}

#[test]
fn between_two_questions_no_other_message_asks() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.strikes(Kind::NewOrder, "", Fate::Fails);
        course.deliver().await;
        course.loses_all_messages();
        course.pass(minutes(7)).await;
        let message = course.to_create("A-1");
        assert_eq!(
            course.work(message.clone(), minutes(5)).await,
            Disposition::Done(Done::AgainLater)
        );
        assert_eq!(
            (
                course.calls(Kind::Ask, "").len(),
                course.row("A-1").await.creation.attempt.unwrap().absences
            ),
            (2, 1)
        );
        course.pass(seconds(20)).await;
        assert_eq!(
            course.work(message.clone(), minutes(5)).await,
            Disposition::Done(Done::AgainLater)
        );
        assert_eq!(
            (
                course.calls(Kind::Ask, "").len(),
                course.row("A-1").await.creation.attempt.unwrap().absences
            ),
            (2, 1)
        );
        course.pass(seconds(30)).await;
        assert_eq!(
            (course.calls(Kind::Ask, "").len(), course.calls(Kind::NewOrder, "").len()),
            (3, 2)
        );
        assert_eq!(course.stage("A-1").await, Stage::Created);
    });
}

/// What takes effect after its answer was given up is found and not sent again.
#[test]
fn an_order_created_after_a_timeout_is_found_not_re_sent() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.strikes(Kind::NewOrder, "", Fate::AnswerLost);
        course.live(10).await;
        assert_eq!(
            (course.stage("A-1").await, course.calls(Kind::NewOrder, "").len()),
            (Stage::Created, 1)
        );
        assert_eq!(course.in_prima("A-1"), [Progress::Open]);
        assert_eq!(course.row("A-1").await.history.last().unwrap().note, "in Prima (Entered)");
    });
}

/// An attempt that took too long to note is not sent and not in doubt.
#[test]
fn an_attempt_noted_too_slowly_is_neither_sent_nor_doubted() {
    for (long, sent) in [(10, 1), (11, 0)] {
        play(nothing_yet(), async |course| {
            is_queued(course, "A-1").await;
            course.lasts(Kind::Save, seconds(long));
            course.deliver().await;
            assert_eq!(course.calls(Kind::NewOrder, "").len(), sent);
            if sent == 0 {
                let row = course.row("A-1").await;
                assert_eq!(
                    (row.stage, row.creation.attempt, row.creation.lease),
                    (Stage::Queued, None, None)
                );
                course.lasts(Kind::Save, Duration::from_millis(4));
                course.pass(minutes(1)).await;
            }
            assert_eq!(
                (course.stage("A-1").await, course.in_prima("A-1").len()),
                (Stage::Created, 1)
            );
        });
    }
}

#[test]
fn what_is_cancelled_while_prima_is_asked_is_not_sent() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        futures_util::join!(course.deliver(), meanwhile(course, ASKING, "A-1", Happening::Cancel));
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Cancelled, (0, 0)));
        course.live(25).await;
        assert_eq!((course.calls(Kind::NewOrder, "").len(), course.queued()), (0, 0));
        assert_eq!(course.stage("A-1").await, Stage::Cancelled);
    });
}

/// What changes while Prima is asked is sent soon, as it is then.
#[test]
fn a_change_during_the_question_is_sent_soon_in_its_new_form() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        futures_util::join!(
            course.deliver(),
            meanwhile(course, ASKING, "A-1", Happening::CancelPiece)
        );
        assert_eq!(course.calls(Kind::NewOrder, "").len(), 0);
        let row = course.row("A-1").await;
        assert_eq!(
            (row.creation.attempt, row.creation.order_number.as_deref(), row.creation.lease),
            (None, Some("A-1"), None)
        );
        course.live(4).await;
        let row = course.row("A-1").await;
        assert_eq!((row.stage, course.in_prima("A-1").len()), (Stage::Created, 1));
        let listed: Vec<_> = course
            .sale("A-1")
            .order
            .live_lines()
            .map(|line| (line.order_line_id.clone(), line.quantity))
            .collect();
        assert_eq!(course.lines_in_prima("A-1"), listed);
    });
}

#[test]
fn what_is_cancelled_while_prima_takes_it_in_is_cancelled_there() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        futures_util::join!(course.deliver(), meanwhile(course, SENDING, "A-1", Happening::Cancel));
        let row = course.row("A-1").await;
        assert_eq!(
            (row.stage, row.creation.order_number.as_deref(), row.creation.created_at.is_some()),
            (Stage::Cancelling, Some("A-1"), true)
        );
        course.live(2).await;
        assert_eq!(
            (course.stage("A-1").await, course.in_prima("A-1")),
            (Stage::Cancelled, vec![Progress::Cancelled])
        );
        assert_eq!((course.told("A-1"), course.calls(Kind::CancelOrder, "").len()), ((0, 0), 1));
    });
}

/// What loses a part while Prima takes it in is created as sent, and a person reduces it.
#[test]
fn a_part_lost_during_creation_is_left_to_a_person() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        let sent: Vec<_> =
            course.sale("A-1").order.live_lines().map(|line| line.quantity).collect();
        futures_util::join!(
            course.deliver(),
            meanwhile(course, SENDING, "A-1", Happening::CancelPiece)
        );
        let row = course.row("A-1").await;
        assert_eq!(
            (row.stage, row.creation.order_number.as_deref()),
            (Stage::Created, Some("A-1"))
        );
        assert_eq!(row.creation.attempt.as_ref().map(|attempt| attempt.count), Some(1));
        assert_eq!(row.lines.iter().map(|line| line.quantity).collect::<Vec<_>>(), sent);
        course.live(6).await;
        assert_eq!(kind(course, "A-1").await, Some(ExceptionKind::LineCancelledAfterCreation));
        assert_eq!((course.told("A-1"), course.in_prima("A-1").len()), ((1, 1), 1));
    });
}

/// What changes while Prima does not answer the question is tried again soon.
#[test]
fn a_change_during_an_unanswered_question_is_retried_soon() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.strikes(Kind::Ask, "", Fate::Fails);
        futures_util::join!(
            course.deliver(),
            meanwhile(course, seconds(20), "A-1", Happening::Touch)
        );
        let row = course.row("A-1").await;
        assert_eq!(
            (
                row.stage,
                row.creation.attempt,
                row.creation.lease,
                row.creation.order_number.as_deref()
            ),
            (Stage::Firm, None, None, Some("A-1"))
        );
        assert_eq!(course.queued(), 0, "its message is out of date");
        course.live(4).await;
        assert_eq!((course.stage("A-1").await, course.in_prima("A-1").len()), (Stage::Created, 1));
    });
}

#[test]
fn what_is_cancelled_while_prima_does_not_answer_is_never_sent() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.strikes(Kind::Ask, "", Fate::Fails);
        futures_util::join!(
            course.deliver(),
            meanwhile(course, seconds(20), "A-1", Happening::Cancel)
        );
        course.live(25).await;
        assert_eq!(
            (course.stage("A-1").await, course.calls(Kind::NewOrder, "").len()),
            (Stage::Cancelled, 0)
        );
    });
}

/// An order in doubt that changes stays in doubt until Prima is asked.
#[test]
fn a_change_leaves_an_order_in_doubt_until_prima_is_asked() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.strikes(Kind::NewOrder, "", Fate::Fails);
        // It waits a minute for the answer.
        futures_util::join!(
            course.deliver(),
            meanwhile(course, seconds(20), "A-1", Happening::Touch)
        );
        let row = course.row("A-1").await;
        assert_eq!(
            (
                row.stage,
                row.creation.attempt.as_ref().map(|attempt| attempt.count),
                row.creation.lease
            ),
            (Stage::InDoubt, Some(1), None)
        );
        // Its message is out of date; the next listing sends another.
        assert_eq!(course.queued(), 0);
        course.live(9).await;
        assert_eq!((course.stage("A-1").await, course.in_prima("A-1").len()), (Stage::Created, 1));
    });
}

/// Rules that cannot be read now are tried again, and wrong ones are told of.
#[test]
fn unreadable_rules_are_retried_and_wrong_rules_are_told() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.breaks(Kind::Rules, "");
        course.pass(seconds(70)).await;
        assert_eq!(differences(&course.calls(Kind::Rules, "")), [30, 30]);
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Queued, (0, 0)));
        course.is_mended();
        let good = course.rules.replace(Rc::new(HashMap::new()));
        course.pass(seconds(30)).await;
        assert_eq!(
            (kind(course, "A-1").await, course.told("A-1")),
            (Some(ExceptionKind::RulesMissing), (1, 1))
        );
        let exception = course.row("A-1").await.exception.unwrap();
        assert!(
            exception.reason.contains("has no order rules")
                && exception.remedy.contains("rules put harbour-uk FILE"),
            "{exception:?}"
        );
        assert_eq!((course.calls(Kind::Ask, "").len(), course.queued()), (0, 0));
        course.rules.replace(good);
        course.changes("A-1", |row| row.enter(Stage::Firm, row.since, "an operator retries")).await;
        course.live(6).await;
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Created, (1, 1)));
    });
}

/// An order in doubt waits for good rules, five minutes at a time, and is no exception.
#[test]
fn a_doubtful_order_awaits_good_rules_without_an_exception() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.strikes(Kind::NewOrder, "", Fate::AnswerLost);
        course.deliver().await;
        let good = course.rules.replace(Rc::new(HashMap::new()));
        course.pass(minutes(16)).await;
        let tried = course.calls(Kind::Rules, "");
        assert_eq!(differences(&tried[1..]), [300, 300], "{tried:?}");
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::InDoubt, (0, 0)));
        course.rules.replace(good);
        course.pass(minutes(5)).await;
        assert_eq!(
            (course.stage("A-1").await, course.calls(Kind::NewOrder, "").len()),
            (Stage::Created, 1)
        );
    });
}

/// A Prima that answers with an error of its own is asked five times, ever later, and then a person
/// is asked.
#[test]
fn five_prima_errors_ever_further_apart_go_to_a_person() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.world.prima_unclear.set(true);
        course.pass(minutes(9)).await;
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Queued, (0, 0)));
        course.pass(minutes(2)).await;
        let asked = course.calls(Kind::Ask, "");
        assert_eq!(differences(&asked), [60, 120, 180, 240]);
        assert_eq!(
            (kind(course, "A-1").await, course.told("A-1")),
            (Some(ExceptionKind::PrimaUnclear), (1, 1))
        );
        assert_eq!(course.row("A-1").await.creation.unclear_answers, 0, "a retry begins anew");
        let reason = course.row("A-1").await.exception.unwrap().reason;
        assert!(
            reason.contains("order A-1") && reason.contains("The database is being saved"),
            "{reason}"
        );
        // Prima answered each time: its breakers stay closed.
        assert!(course.world.store.load_breakers().await.unwrap().operations.is_empty());
    });
}

#[test]
fn unclear_answers_are_forgotten_with_a_clear_one() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.world.prima_unclear.set(true);
        course.pass(seconds(90)).await;
        assert_eq!(course.row("A-1").await.creation.unclear_answers, 2);
        course.world.prima_unclear.set(false);
        // The order stays away: it is asked for again, once.
        course.strikes(Kind::NewOrder, "", Fate::Fails);
        course.pass(minutes(3)).await;
        assert_eq!(
            (course.stage("A-1").await, course.row("A-1").await.creation.unclear_answers),
            (Stage::InDoubt, 0)
        );
        course.pass(minutes(10)).await;
        assert_eq!(
            (course.stage("A-1").await, course.row("A-1").await.creation.unclear_answers),
            (Stage::Created, 0)
        );
    });
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.strikes(Kind::NewOrder, "", Fate::AnswerLost);
        course.deliver().await;
        course.world.prima_unclear.set(true);
        course.pass(minutes(8)).await;
        assert!(course.row("A-1").await.creation.unclear_answers > 0);
        course.world.prima_unclear.set(false);
        course.pass(minutes(5)).await;
        assert_eq!(
            (course.stage("A-1").await, course.row("A-1").await.creation.unclear_answers),
            (Stage::Created, 0)
        );
    });
}

/// Three failures open the breaker, and what is queued goes back to its row without a question.
#[test]
fn three_failures_open_the_breaker_and_queued_orders_go_back() {
    let at = |minute: u64| Moment(minute * 60_000);
    let mut plan = nothing_yet();
    plan.prima_down = Windows(vec![(at(0), at(60))]);
    play(plan, async |course| {
        is_queued(course, "A-1").await;
        course.pass(seconds(40)).await;
        assert_eq!((course.calls(Kind::Ask, "").len(), closed(course).await), (2, Vec::new()));
        course.pass(seconds(30)).await;
        assert_eq!(
            (course.calls(Kind::Ask, "").len(), closed(course).await),
            (3, vec!["OrderStatus".to_owned()])
        );
        let asked = course.calls(Kind::Ask, "").len();
        course.sells_with("B-1", OrderState::Shipping, |_| {});
        course.poll().await;
        assert_eq!(course.stage("B-1").await, Stage::Firm);
        // One that was queued before it closed.
        course.changes("B-1", |row| row.enter(Stage::Queued, row.since, "queued before")).await;
        let message = course.to_create("B-1");
        assert_eq!(course.work(message, minutes(5)).await, Disposition::Done(Done::WaitsForPrima));
        assert_eq!(
            (course.stage("B-1").await, course.calls(Kind::Ask, "").len()),
            (Stage::Firm, asked)
        );
    });
}

#[test]
fn an_order_in_doubt_keeps_its_message_while_a_breaker_is_open() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.strikes(Kind::NewOrder, "", Fate::AnswerLost);
        course.deliver().await;
        course.opens_breaker("OrderStatus", minutes(30)).await;
        course.pass(minutes(20)).await;
        assert_eq!(
            (course.stage("A-1").await, course.queued(), course.calls(Kind::Ask, "").len()),
            (Stage::InDoubt, 1, 1)
        );
        course.pass(minutes(12)).await;
        assert_eq!(
            (course.stage("A-1").await, course.queued(), course.calls(Kind::NewOrder, "").len()),
            (Stage::Created, 0, 1)
        );
    });
}

#[test]
fn what_could_not_end_in_time_is_not_begun() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        let message = course.to_create("A-1");
        course.loses_all_messages();
        let calls = course.world.effects.get();
        assert_eq!(
            course.work(message.clone(), seconds(189)).await,
            Disposition::Done(Done::AgainLater)
        );
        assert_eq!(
            (course.world.effects.get() - calls, course.queued()),
            (1, 1),
            "only the message itself"
        );
        course.loses_all_messages();
        // Time for three calls at the beginning, and for less than two after a question that took
        // long.
        course.lasts(Kind::Ask, seconds(100));
        assert_eq!(
            course.work(message.clone(), seconds(229)).await,
            Disposition::Done(Done::AgainLater)
        );
        assert_eq!(
            (course.stage("A-1").await, course.calls(Kind::NewOrder, "").len()),
            (Stage::Queued, 0)
        );
        course.lasts(Kind::Ask, seconds(1));
        assert_eq!(course.work(message, seconds(191)).await, Disposition::Done(Done::Created));
    });
}

#[test]
fn a_message_is_settled_by_what_its_row_says() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        let message = course.to_create("A-1");
        let unknown = OrderMessage { order_id: "A-9".to_owned(), ..message.clone() };
        assert_eq!(course.work(unknown, minutes(5)).await, Disposition::Done(Done::UnknownOrder));
        let dispatch = OrderMessage { task: OrderTask::Dispatch, ..message.clone() };
        assert!(matches!(course.work(dispatch, minutes(5)).await, Disposition::Return(_)));
        course.breaks(Kind::Load, "row");
        assert_eq!(
            course.work(message.clone(), minutes(5)).await,
            Disposition::Return(Returned::StoreUnavailable)
        );
        course.is_mended();
        course.breaks(Kind::Save, "row");
        assert_eq!(
            course.work(message.clone(), minutes(5)).await,
            Disposition::Return(Returned::StoreUnavailable)
        );
        course.is_mended();
        // Two deliveries at once: the second finds the first at it.
        let second = async {
            tokio::time::sleep(ASKING).await;
            course.work(message.clone(), minutes(5)).await
        };
        let both = futures_util::join!(course.work(message.clone(), minutes(5)), second);
        assert_eq!(both, (Disposition::Done(Done::Created), Disposition::Done(Done::InOtherHands)));
        assert_eq!(
            course.work(message.clone(), minutes(5)).await,
            Disposition::Done(Done::AlreadySettled)
        );
        course.changes("A-1", |row| row.listing.updated = Some(course.now())).await;
        assert_eq!(
            course.work(message, minutes(5)).await,
            Disposition::Done(Done::OlderThanItsRow)
        );
        assert_eq!(
            (course.calls(Kind::Ask, "").len(), course.calls(Kind::NewOrder, "").len()),
            (1, 1)
        );
    });
}

/// A holder that died is waited for until its lease and the clocks' difference are over.
#[test]
fn a_dead_holders_lease_and_clock_margin_are_waited_out() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        let message = course.to_create("A-1");
        course.loses_all_messages();
        course
            .changes("A-1", |row| {
                row.enter(Stage::Creating, row.since, "");
                row.creation.lease = Some(shared::domain::order::row::Lease {
                    owner: "gone/1".to_owned(),
                    until: course.now(),
                });
            })
            .await;
        course.pass(seconds(29)).await;
        assert_eq!(
            course.work(message.clone(), minutes(5)).await,
            Disposition::Done(Done::InOtherHands)
        );
        course.pass(seconds(2)).await;
        assert_eq!(course.work(message, minutes(5)).await, Disposition::Done(Done::Created));
    });
}

#[test]
fn an_order_of_which_no_line_is_left_is_not_sent() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        let mut message = course.to_create("A-1");
        if let OrderTask::Create { order } = &mut message.task {
            for line in &mut order.order_lines {
                line.quantity = 0;
            }
        }
        assert_eq!(
            course.work(message, minutes(5)).await,
            Disposition::Done(Done::NothingLeftToCreate)
        );
        assert_eq!(
            (course.stage("A-1").await, course.calls(Kind::Ask, "").len()),
            (Stage::Cancelled, 0)
        );
    });
}

/// An order whose row was lost is found by the number that Mirakl holds.
#[test]
fn an_order_without_its_row_is_found_by_mirakls_number() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.sells("A-2");
        course.live(4).await;
        assert_eq!(course.sale("A-1").reference(), Some("A-1"));
        course.loses_its_table();
        course.poll().await;
        // Cancelled before its message is worked off: Prima has it all the same, and has to hear of
        // it.
        course.happens("A-2", Happening::Cancel);
        course.live(7).await;
        let row = course.row("A-1").await;
        assert_eq!(
            (row.stage, row.creation.order_number.as_deref(), row.creation.referenced_at.is_some()),
            (Stage::Created, Some("A-1"), true)
        );
        let pieces: u32 = course.sale("A-1").order.live_lines().map(|line| line.quantity).sum();
        assert_eq!(row.lines.iter().map(|line| line.quantity).sum::<u32>(), pieces);
        assert_eq!(
            (course.stage("A-2").await, course.in_prima("A-2")),
            (Stage::Cancelled, vec![Progress::Cancelled])
        );
        assert_eq!(course.calls(Kind::NewOrder, "").len(), 2);
    });
}

/// An order of another under the same number is not taken for the one sent from here.
#[test]
fn a_foreign_order_under_the_same_number_is_not_adopted() {
    let mut plan = nothing_yet();
    plan.hand_keyed = vec!["A-1".to_owned()];
    play(plan, async |course| {
        course.world.key_by_hand("A-1");
        course.sells("A-1");
        course.live(3).await;
        assert_eq!(
            (kind(course, "A-1").await, course.told("A-1")),
            (Some(ExceptionKind::FoundInPrima), (1, 1))
        );
        assert_eq!(
            (course.calls(Kind::NewOrder, "").len(), course.sale("A-1").reference()),
            (0, None)
        );
        let other = OrderKey::new(CHANNEL, "A-1");
        assert_eq!(course.world.store.holder_of("A-1").await.unwrap(), Some(other));
    });
}

/// An order that Prima refuses is told with Prima's words, unless it is there all the same.
#[test]
fn a_refusal_by_prima_is_quoted_unless_the_order_exists() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::WaitingAcceptance, |sale| {
            sale.order.lines[0].offer_sku = "NOSUCH-NAV-12".to_owned();
        });
        course.live(3).await;
        let row = course.row("A-1").await;
        let exception = row.exception.unwrap();
        assert_eq!((exception.kind, row.creation.attempt), (ExceptionKind::RejectedByPrima, None));
        assert!(exception.reason.contains("Product NOSUCH does not exist"), "{}", exception.reason);
        assert!(
            exception.remedy.contains("exceptions retry harbour-uk A-1"),
            "{}",
            exception.remedy
        );
        assert_eq!((course.told("A-1"), course.calls(Kind::Ask, "").len()), ((1, 1), 2));
    });
    // Prima refuses, and then does not answer whether it has it: nobody knows, and it is asked
    // again later.
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::WaitingAcceptance, |sale| {
            sale.order.lines[0].offer_sku = "NOSUCH-NAV-12".to_owned();
        });
        course.poll().await;
        course.poll().await;
        let answer_lost = async {
            tokio::time::sleep(SENDING).await;
            course.strikes(Kind::Ask, "", Fate::Fails);
        };
        futures_util::join!(course.deliver(), answer_lost);
        assert_eq!(course.stage("A-1").await, Stage::InDoubt);
        let asked = course.calls(Kind::Ask, "");
        course.pass(minutes(6)).await;
        let again = course.calls(Kind::Ask, "");
        assert!(again[asked.len()] - asked[1] >= seconds(300), "{again:?}");
    });
}

/// An order shipped by somebody before it was sent is told and not sent.
#[test]
fn an_order_shipped_before_sending_is_told_and_kept_back() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.happens("A-1", Happening::Ship);
        let message = course.to_create("A-1");
        assert_eq!(course.work(message, minutes(5)).await, Disposition::Done(Done::Exception));
        assert_eq!(
            (kind(course, "A-1").await, course.told("A-1")),
            (Some(ExceptionKind::ShippedOutsidePrima), (1, 1))
        );
        assert_eq!(course.calls(Kind::NewOrder, "").len(), 0);
    });
}

/// An order that is cancelled while a person looks into what came of it is cancelled in Prima if it
/// is there.
#[test]
fn a_cancellation_during_a_persons_search_reaches_prima() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        // It reaches Prima, and Prima does not say so.
        course.strikes(Kind::NewOrder, "", Fate::AnswerLost);
        course.deliver().await;
        course.world.prima_unclear.set(true);
        course.pass(minutes(20)).await;
        assert_eq!(kind(course, "A-1").await, Some(ExceptionKind::PrimaUnclear));
        course.happens("A-1", Happening::Cancel);
        course.live(6).await;
        assert_eq!(course.stage("A-1").await, Stage::Exception);
        course.world.prima_unclear.set(false);
        course.changes("A-1", |row| row.enter(Stage::Firm, row.since, "an operator retries")).await;
        course.live(12).await;
        assert_eq!(
            (course.stage("A-1").await, course.in_prima("A-1")),
            (Stage::Cancelled, vec![Progress::Cancelled])
        );
    });
}

#[test]
fn what_a_person_settles_before_it_is_sent_stays_settled() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        futures_util::join!(course.deliver(), is_settled(course, ASKING));
        course.live(25).await;
        assert_eq!(
            (course.stage("A-1").await, course.calls(Kind::NewOrder, "").len()),
            (Stage::KeyedByHand, 0)
        );
        assert_eq!((course.queued(), course.told("A-1")), (0, (0, 0)));
    });
}

/// An operator settles it as keyed by hand so long after the creator was given it.
async fn is_settled(course: &Course, after: Duration) {
    tokio::time::sleep(after).await;
    course.changes("A-1", |row| row.enter(Stage::KeyedByHand, row.since, "settled by Ann")).await;
}

/// What a person settles while Prima takes it in is told, since it may be there now.
#[test]
fn settling_an_order_prima_is_creating_is_told() {
    for (fate, known) in [(Fate::Goes, true), (Fate::AnswerLost, false), (Fate::Fails, false)] {
        play(nothing_yet(), async |course| {
            is_queued(course, "A-1").await;
            if !known {
                course.strikes(Kind::NewOrder, "", fate);
            }
            futures_util::join!(course.deliver(), is_settled(course, SENDING));
            course.live(25).await;
            let row = course.row("A-1").await;
            let exception = row.exception.unwrap();
            assert_eq!(
                (exception.kind, course.told("A-1"), course.queued()),
                (ExceptionKind::SettledMeanwhile, (1, 1), 0)
            );
            assert_eq!(
                (row.creation.created_at.is_some(), row.creation.order_number.as_deref()),
                (known, Some("A-1"))
            );
            let what = if known { "it is in Prima now" } else { "nobody knows whether it arrived" };
            assert!(
                exception.reason.contains("settled as keyed-by-hand")
                    && exception.reason.contains(what),
                "{}",
                exception.reason
            );
            assert!(exception.remedy.contains("--as created"), "{}", exception.remedy);
            assert_eq!(course.calls(Kind::NewOrder, "").len(), 1);
        });
    }
    // Its holder dies once it has sent it, and a person settles it before anybody takes it up
    // again.
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.strikes(Kind::NewOrder, "", Fate::CrashAfter);
        let message = course.to_create("A-1");
        course.deliver().await;
        is_settled(course, Duration::ZERO).await;
        assert_eq!(course.work(message, minutes(5)).await, Disposition::Done(Done::Exception));
        assert_eq!(
            (kind(course, "A-1").await, course.told("A-1")),
            (Some(ExceptionKind::SettledMeanwhile), (1, 1))
        );
    });
}

/// Operations of Prima's that are closed.
async fn closed(course: &Course) -> Vec<String> {
    let breakers = course.world.store.load_breakers().await.unwrap();
    breakers.operations.keys().filter(|name| breakers.is_open(name)).cloned().collect()
}

/// An order that Prima never takes is sent three times and is one exception, while others flow.
#[test]
fn a_never_taken_order_is_one_exception_after_three_tries() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.breaks(Kind::NewOrder, "A-1");
        course.live(180).await;
        course.sells("B-1");
        course.live(180).await;
        assert_eq!((course.stage("B-1").await, course.in_prima("B-1").len()), (Stage::Created, 1));
        let sent = course.calls(Kind::NewOrder, "A-1");
        assert_eq!(sent.len(), 3, "{sent:?}");
        let asked = course.calls(Kind::Ask, "A-1");
        assert_eq!(asked.len(), 7, "one before the first, two after each: {asked:?}");
        assert_eq!(
            (kind(course, "A-1").await, course.told("A-1"), course.queued()),
            (Some(ExceptionKind::PrimaFault), (1, 1), 0)
        );
        let exception = course.row("A-1").await.exception.unwrap();
        assert!(
            exception.reason.contains("3 times as A-1")
                && exception.reason.ends_with("NewOrder: no answer"),
            "{}",
            exception.reason
        );
        assert!(
            exception.remedy.contains("exceptions retry harbour-uk A-1"),
            "{}",
            exception.remedy
        );
        assert_eq!(
            (closed(course).await, course.events(EventKind::PrimaUnavailable)),
            (Vec::new(), Vec::new())
        );
        // A person has it tried again, and it fails again: a new count.
        course.retries("A-1").await;
        course.live(60).await;
        assert_eq!((course.calls(Kind::NewOrder, "A-1").len(), course.told("A-1")), (6, (2, 2)));
        course.is_mended();
        course.retries("A-1").await;
        course.live(10).await;
        assert_eq!((course.stage("A-1").await, course.in_prima("A-1").len()), (Stage::Created, 1));
    });
}

/// An order that Prima never took and Mirakl cancels needs nobody any more.
#[test]
fn a_never_taken_order_cancelled_by_mirakl_needs_nobody() {
    for readable in [true, false] {
        play(nothing_yet(), async |course| {
            is_queued(course, "A-1").await;
            course.breaks(Kind::NewOrder, "A-1");
            course.live(40).await;
            assert_eq!(kind(course, "A-1").await, Some(ExceptionKind::PrimaFault));
            course.happens("A-1", Happening::Cancel);
            if !readable {
                course.world.shop(CHANNEL, |shop| shop.make_unreadable("A-1", course.now()));
            }
            course.live(6).await;
            assert_eq!(
                (course.stage("A-1").await, course.in_prima("A-1").len()),
                (Stage::Cancelled, 0)
            );
        });
    }
}

/// A Prima that takes no order at all is told once by name, and what waits flows once it does.
#[test]
fn a_prima_taking_no_orders_is_told_once_and_recovery_flows() {
    play(nothing_yet(), async |course| {
        course.breaks(Kind::NewOrder, "");
        for number in 1..=6 {
            course.sells(&format!("A-{number}"));
        }
        course.live(10).await;
        assert_eq!(closed(course).await, ["NewOrder"], "questions are answered all the time");
        let events = course.events(EventKind::PrimaUnavailable);
        assert_eq!(events.len(), 1);
        assert!(
            events[0].reason.contains("does not answer NewOrder")
                && events[0].reason.ends_with("NewOrder: no answer"),
            "{}",
            events[0].reason
        );
        assert!(events[0].remedy.contains("log of the web service"), "{}", events[0].remedy);
        course.live(170).await;
        course.sells("B-1");
        course.live(180).await;
        assert!(
            course.row("B-1").await.listing.acknowledged_at.is_some()
                && course.in_prima("B-1").is_empty(),
            "it is accepted all the same, and waits"
        );
        let sent = course.calls(Kind::NewOrder, "").len();
        assert!((15..=35).contains(&sent), "{sent} NewOrder in six hours");
        assert_eq!(course.events(EventKind::PrimaUnavailable).len(), 1);
        assert!(course.queued() <= 7, "{} messages of seven orders", course.queued());
        let told: u32 = (1..=6).map(|number| course.told(&format!("A-{number}")).0).sum();
        assert_eq!(told + course.told("B-1").0, 0, "it is no order's own matter");
        course.is_mended();
        course.live(30).await;
        for id in ["A-1", "A-2", "A-3", "A-4", "A-5", "A-6", "B-1"] {
            assert_eq!(
                (course.stage(id).await, course.in_prima(id).len()),
                (Stage::Created, 1),
                "{id}"
            );
        }
        assert_eq!(
            (closed(course).await, course.events(EventKind::PrimaAvailableAgain).len()),
            (Vec::new(), 1)
        );
    });
}

/// An order whose question is never answered is an exception and closes nothing.
#[test]
fn an_unanswerable_order_is_excepted_and_opens_no_breaker() {
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.breaks(Kind::Ask, "A-1");
        course.sells("B-1");
        course.live(30).await;
        assert_eq!(course.stage("B-1").await, Stage::Created);
        assert_eq!(
            (kind(course, "A-1").await, course.told("A-1"), course.queued()),
            (Some(ExceptionKind::PrimaUnclear), (1, 1), 0)
        );
        let exception = course.row("A-1").await.exception.unwrap();
        assert!(
            exception.reason.contains("no answer to the question for order A-1"),
            "{}",
            exception.reason
        );
        assert_eq!(
            (course.calls(Kind::Ask, "A-1").len(), course.calls(Kind::NewOrder, "A-1").len()),
            (5, 0)
        );
        assert_eq!(
            (closed(course).await, course.events(EventKind::PrimaUnavailable)),
            (Vec::new(), Vec::new())
        );
    });
}

/// An order whose row was lost keeps what was found, though it changes while Prima is asked.
#[test]
fn a_recovered_row_keeps_its_finding_through_a_change() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.live(4).await;
        let sent: Vec<_> =
            course.sale("A-1").order.live_lines().map(|line| line.quantity).collect();
        course.loses_its_table();
        course.poll().await;
        assert_eq!(course.stage("A-1").await, Stage::Queued);
        futures_util::join!(
            course.deliver(),
            meanwhile(course, ASKING, "A-1", Happening::CancelPiece)
        );
        let row = course.row("A-1").await;
        assert_eq!(
            (row.stage, row.creation.order_number.as_deref(), row.creation.referenced_at.is_some()),
            (Stage::Created, Some("A-1"), true)
        );
        assert_eq!(
            row.lines.iter().map(|line| line.quantity).collect::<Vec<_>>(),
            sent,
            "as Prima has it"
        );
        course.live(6).await;
        assert_eq!(kind(course, "A-1").await, Some(ExceptionKind::LineCancelledAfterCreation));
    });
}

/// What others note while Prima is asked and what was learned both stand.
#[test]
fn notes_made_during_a_question_stand_beside_its_answer() {
    let noted = async |course: &Course, wait: Duration| {
        tokio::time::sleep(wait).await;
        course.changes("A-1", |row| row.listing.adopted = true).await;
    };
    // Prima answers with an error of its own.
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.world.prima_unclear.set(true);
        futures_util::join!(course.deliver(), noted(course, ASKING));
        let row = course.row("A-1").await;
        assert_eq!(
            (
                row.stage,
                row.creation.unclear_answers,
                row.listing.adopted,
                row.creation.order_number.as_deref()
            ),
            (Stage::Queued, 1, true, Some("A-1"))
        );
    });
    // The attempt took too long to note, and was not sent.
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.lasts(Kind::Save, seconds(11));
        futures_util::join!(course.deliver(), noted(course, seconds(25)));
        let row = course.row("A-1").await;
        assert_eq!(
            (row.stage, row.creation.attempt, row.listing.adopted),
            (Stage::Queued, None, true)
        );
        assert_eq!(course.calls(Kind::NewOrder, "").len(), 0);
    });
    // A person settles it while Prima does not answer.
    play(nothing_yet(), async |course| {
        is_queued(course, "A-1").await;
        course.strikes(Kind::Ask, "", Fate::Fails);
        let person = async {
            tokio::time::sleep(seconds(20)).await;
            course
                .changes("A-1", |row| row.enter(Stage::KeyedByHand, row.since, "settled by Ann"))
                .await;
        };
        futures_util::join!(course.deliver(), person);
        course.live(25).await;
        assert_eq!((course.stage("A-1").await, course.queued()), (Stage::KeyedByHand, 0));
    });
}
