//! Mirakl gives no usable answer to calls about one order, about all, or to anything; or a
//! channel's documents are of no use.

use shared::domain::dispatch::rules::DispatchRules;
use shared::domain::events::EventKind;
use shared::domain::order::row::{ExceptionKind, OrderRow, Stage};
use system_tests::dispatches::course::{Course, play};

fn plain() -> [DispatchRules; 2] {
    [DispatchRules::default(), DispatchRules::default()]
}

/// The first order of a channel, and its place among all.
fn first_of(course: &Course, channel: usize) -> (usize, String) {
    let orders = course.orders();
    let place = orders.iter().position(|(of, _)| *of == channel).unwrap();
    (place, orders[place].1.clone())
}

fn row(course: &Course, order_id: &str) -> OrderRow {
    course.rows().into_iter().find(|row| row.key.order_id == order_id).unwrap()
}

/// All orders leave, the spoilt one first, the others one every two minutes.
async fn leaves_one_by_one(course: &Course, first: usize, minutes: u64) {
    course.leave(first..first + 1, false);
    let orders = course.orders();
    let mut others: Vec<usize> = (0..orders.len()).filter(|place| *place != first).collect();
    // Those of the same channel first.
    others.sort_by_key(|place| orders[*place].0 != orders[first].0);
    for minute in 0..minutes {
        if minute % 2 == 0
            && let Some(place) = others.get(usize::try_from(minute / 2).unwrap())
        {
            course.leave(*place..*place + 1, false);
        }
        course.live(1).await;
    }
}

#[test]
fn one_order_that_mirakl_never_answers_is_one_exception() {
    // A whole order by OR23 and OR24; a parcel by ST01.
    for (channel, operation, status) in
        [(0, "OR23", 500), (0, "OR24", 500), (1, "ST01", 500), (1, "ST01", 200)]
    {
        play(40, plain(), async |course| {
            let (place, order_id) = first_of(course, channel);
            course.spoils(operation, &order_id, Some(status));
            // Other orders show again and again that the operation works for them.
            course.asks_every(2);
            let began = course.now();
            leaves_one_by_one(course, place, 80).await;
            let failed = row(course, &order_id).exception.unwrap();
            assert_eq!(failed.kind, ExceptionKind::DispatchUnanswered, "{operation}: {failed:?}");
            let after = failed.first_seen.duration_since(began).as_mins();
            assert!((10..=40).contains(&after), "{operation}: after {after} minutes");
            assert!(
                [operation, &format!("HTTP {status}"), "and answers others"]
                    .iter()
                    .all(|words| failed.reason.contains(words)),
                "{}",
                failed.reason
            );
            assert_eq!(
                failed.reason.contains("nobody knows"),
                operation == "ST01",
                "{}",
                failed.reason
            );
            let told = course.events(EventKind::DispatchException, &order_id);
            assert_eq!(told.len(), 1, "{told:?}");
            let fails = course.events(EventKind::OperationFails, "");
            assert!(fails.is_empty(), "{operation} works for the others: {fails:?}");
            let calls = course.calls(operation);
            course.live(120).await;
            assert_eq!(course.calls(operation), calls, "nothing more is sent of it");
            assert_eq!(
                (course.in_stage(Stage::Exception), course.shipped()),
                (1, 39),
                "{operation}: the others flow"
            );
        });
    }
}

#[test]
fn shipments_that_cannot_be_read_are_told_with_their_order() {
    play(20, plain(), async |course| {
        let (place, order_id) = first_of(course, 1);
        course.spoils("ST01", &order_id, Some(500));
        course.spoils("ST11", &order_id, Some(200));
        course.leave(place..place + 1, false);
        course.live(40).await;
        let failed = row(course, &order_id).exception.unwrap();
        assert_eq!(failed.kind, ExceptionKind::DispatchUnanswered);
        assert!(
            failed.reason.contains("ST11") && failed.reason.contains("nobody knows"),
            "{}",
            failed.reason
        );
        assert_eq!(
            (course.calls("ST01"), course.events(EventKind::DispatchException, &order_id).len()),
            (1, 1)
        );
    });
}

/// An operation that fails for all is told once and is no single order's matter.
#[test]
fn a_general_operation_failure_is_told_once_not_per_order() {
    for operation in ["OR23", "ST01"] {
        play(20, plain(), async |course| {
            course.refuses(operation, 500);
            course.everything_leaves(false);
            course.live(90).await;
            let told = course.events(EventKind::OperationFails, operation);
            assert_eq!(told.len(), 1, "of the one channel that uses it: {told:?}");
            assert!(
                told[0].1.needs_person
                    && told[0].1.remedy.contains("ship what is near its deadline"),
                "{}",
                told[0].1.remedy
            );
            assert_eq!(course.in_stage(Stage::Exception), 0, "{operation}");
            let calls = course.calls(operation);
            course.live(60).await;
            assert!(
                course.calls(operation) - calls <= 31,
                "{operation}: {} calls in an hour",
                course.calls(operation) - calls
            );
            course.permits(operation);
            course.live(40).await;
            assert_eq!(
                (course.shipped(), course.in_stage(Stage::Shipped)),
                (20, 20),
                "{operation} works again"
            );
        });
    }
}

/// What cannot be read of any order's answers is told once and is no single order's matter: whether
/// all leave at once, or one every two minutes.
#[test]
fn unreadable_answers_to_all_are_told_once_not_per_order() {
    for (channel, operation, at_once) in [(1, "ST01", true), (1, "ST01", false), (0, "OR24", true)]
    {
        play(20, plain(), async |course| {
            let orders = course.orders();
            for (_, order_id) in &orders {
                course.spoils(operation, order_id, Some(200));
            }
            if at_once {
                course.everything_leaves(false);
                course.live(90).await;
            } else {
                leaves_one_by_one(course, first_of(course, channel).0, 90).await;
            }
            let told = course.events(EventKind::OperationFails, operation);
            assert_eq!(told.len(), 1, "of the one channel that uses it: {told:?}");
            assert!(told[0].1.reason.contains("HTTP 200"), "{}", told[0].1.reason);
            assert_eq!(course.in_stage(Stage::Exception), 0);
            for (_, order_id) in &orders {
                course.spoils(operation, order_id, None);
            }
            course.live(40).await;
            assert_eq!((course.shipped(), course.in_stage(Stage::Shipped)), (20, 20));
        });
    }
}

/// The only order of a quiet channel: no other one shows whose matter it is.
#[test]
fn unreadable_answers_to_the_only_order_of_a_channel_are_one_exception() {
    for (channel, operation) in [(0, "OR23"), (1, "ST01")] {
        play(4, plain(), async |course| {
            let (place, order_id) = first_of(course, channel);
            course.spoils(operation, &order_id, Some(200));
            course.leave(place..place + 1, false);
            course.live(40).await;
            let failed = row(course, &order_id).exception.unwrap();
            assert_eq!(failed.kind, ExceptionKind::DispatchUnanswered, "{failed:?}");
            assert!(
                failed.reason.contains("HTTP 200") && !failed.reason.contains("answers others"),
                "{}",
                failed.reason
            );
            assert_eq!(course.events(EventKind::DispatchException, &order_id).len(), 1);
            let told = course.events(EventKind::OperationFails, "");
            assert!(told.is_empty(), "nobody is told twice: {told:?}");
            // Hours later others leave, and their answers can be read.
            course.live(120).await;
            course.everything_leaves(false);
            course.live(20).await;
            assert_eq!((course.in_stage(Stage::Exception), course.shipped()), (1, 3));
            let told = course.events(EventKind::OperationFails, "");
            assert!(told.is_empty(), "{operation} works for the others: {told:?}");
        });
    }
}

#[test]
fn a_marketplace_that_answers_nothing_makes_no_exceptions() {
    play(20, plain(), async |course| {
        course.is_down(true);
        course.everything_leaves(false);
        course.live(240).await;
        assert_eq!(
            (course.in_stage(Stage::Exception), course.events(EventKind::OperationFails, "").len()),
            (0, 0)
        );
        course.is_down(false);
        course.live(20).await;
        assert_eq!((course.shipped(), course.in_stage(Stage::Shipped)), (20, 20));
    });
}

#[test]
fn wrong_documents_are_told_of_once_and_dispatches_go_on_once_they_are_mended() {
    play(10, plain(), async |course| {
        course.has_wrong_documents(Some(
            "the carrier map of channel outfitter-uk cannot be used: entry 3: no code",
        ));
        course.everything_leaves(false);
        course.live(60).await;
        assert_eq!(course.shipped(), 0);
        for row in course.rows() {
            let exception = row.exception.unwrap();
            assert_eq!(exception.kind, ExceptionKind::DocumentsUnusable);
            assert!(exception.reason.contains("entry 3: no code"), "{}", exception.reason);
            let remedies = ["dispatch-rules put", "carriers import", &row.key.channel];
            assert!(
                remedies.iter().all(|remedy| exception.remedy.contains(remedy)),
                "{}",
                exception.remedy
            );
            assert_eq!(course.events(EventKind::DispatchException, &row.key.order_id).len(), 1);
        }
        course.has_wrong_documents(None);
        course.live(10).await;
        assert_eq!(
            (course.shipped(), course.in_stage(Stage::Exception)),
            (10, 0),
            "they go on by themselves"
        );
    });
}

/// The key lacks the right to look at orders, too: then another question shows that Mirakl answers,
/// and the order is an exception all the same.
#[test]
fn a_missing_right_to_look_hides_no_unanswered_order() {
    play(40, plain(), async |course| {
        let (place, order_id) = first_of(course, 1);
        course.refuses("OR11", 403);
        course.spoils("ST01", &order_id, Some(503));
        course.asks_every(2);
        leaves_one_by_one(course, place, 80).await;
        let failed = row(course, &order_id).exception.unwrap();
        assert_eq!(failed.kind, ExceptionKind::DispatchUnanswered, "{failed:?}");
        assert!(failed.reason.contains("ST01"), "{}", failed.reason);
        assert_eq!(course.events(EventKind::DispatchException, &order_id).len(), 1);
    });
}
