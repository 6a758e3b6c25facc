//! What becomes of an order that a person settled: a person may be mistaken.

use std::time::Duration;

use shared::domain::order::row::{ExceptionKind, Stage};
use system_tests::simulation::course::{Course, nothing_yet, play};
use system_tests::world::fate::Kind;

/// An exception that a person settled as created, as the operator's command does it.
async fn is_said_to_be_created(course: &Course, id: &str) {
    course
        .changes(id, |row| {
            row.fail(ExceptionKind::FoundInPrima, "why", "what", course.now());
            row.settle(Stage::Firm, course.now(), "settled by Ann: it is there");
            row.creation.order_number = Some(id.to_owned());
            (row.creation.said_to_be_in_prima, row.listing.adopted) = (true, true);
        })
        .await;
}

/// An order that is said to be in Prima and is not never ends as created and is never sent.
#[test]
fn a_false_claim_of_creation_neither_creates_nor_sends() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.poll().await;
        is_said_to_be_created(course, "A-1").await;
        course.live(10).await;
        let row = course.row("A-1").await;
        let exception = row.exception.clone().unwrap();
        assert_eq!(
            (row.stage, exception.kind, row.creation.created_at),
            (Stage::Exception, ExceptionKind::FoundInPrima, None)
        );
        assert!(exception.reason.contains("Prima does not know A-1"), "{}", exception.reason);
        assert_eq!((course.calls(Kind::NewOrder, "").len(), course.in_prima("A-1").len()), (0, 0));
        assert!(row.history.iter().all(|step| step.stage != Stage::Created), "{:?}", row.history);
        assert_eq!(course.told("A-1"), (1, 1), "one message, one event");
    });
}

#[test]
fn an_order_that_is_said_to_be_in_prima_and_is_becomes_created() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.live(3).await;
        assert_eq!(course.in_prima("A-1").len(), 1);
        // A wiped memory: nothing is known of what was sent.
        course
            .changes("A-1", |row| {
                (row.creation.attempt, row.creation.created_at, row.creation.referenced_at) =
                    (None, None, None)
            })
            .await;
        is_said_to_be_created(course, "A-1").await;
        course.live(3).await;
        let row = course.row("A-1").await;
        assert_eq!(
            (row.stage, row.creation.created_at.is_some(), row.creation.said_to_be_in_prima),
            (Stage::Created, true, false)
        );
        assert_eq!(course.calls(Kind::NewOrder, "").len(), 1, "it is not sent again");
    });
}

/// An operator who writes beside a listing does not hold the next one up.
#[test]
fn an_operators_write_during_a_listing_delays_no_other() {
    play(nothing_yet(), async |course| {
        course.live(2).await;
        let before = course.listings().len();
        let while_listing = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            course.wants_a_full_listing().await;
        };
        let (report, ()) = tokio::join!(course.poll(), while_listing);
        assert!(report.completed, "{report:?}");
        assert!(course.poll_state().await.full_wanted, "what the operator wanted is not lost");
        course.poll().await;
        assert_eq!(
            course.listings().len(),
            before + 2,
            "the lease of the run that was disturbed has ended with it"
        );
    });
}
