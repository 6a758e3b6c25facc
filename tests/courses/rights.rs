//! Rights that a key lacks, and outages of hours: told once, tried less and less often, one message
//! an order, and everything goes on by itself afterwards. Deadlines are told whatever stands in the
//! way.

use std::time::Duration;

use shared::domain::dispatch::rules::{DispatchRules, ShortLines};
use shared::domain::events::{EventKind, Severity};
use shared::domain::order::row::Stage;
use shared::kit::clock::after;
use shared::kit::odd_form::OddForm;
use shared::mirakl::OrderState;
use system_tests::dispatches::course::{Course, play as play_dispatches};
use system_tests::simulation::course::{CHANNEL, minutes, nothing_yet, play};
use system_tests::simulation::plan::{Moment, Windows};
use system_tests::stock::course::without_a_right;
use system_tests::world::fate::Kind;

fn plain() -> [DispatchRules; 2] {
    [DispatchRules::default(), DispatchRules::default()]
}

/// One channel cancels what will not be sent, the other refunds it.
fn settling() -> [DispatchRules; 2] {
    let cancel = DispatchRules {
        short_lines: ShortLines::Cancel,
        cancel_reason_code: Some("OOS".into()),
        ..DispatchRules::default()
    };
    let refund = DispatchRules {
        short_lines: ShortLines::Refund,
        refund_reason_code: Some("OOS".into()),
        ..DispatchRules::default()
    };
    [cancel, refund]
}

/// Hours of a refused operation, with 20 orders: `channels` need it.
async fn is_refused_for_hours(
    course: &Course,
    operation: &'static str,
    status: u16,
    channels: usize,
    short: bool,
) {
    course.refuses(operation, status);
    course.everything_leaves(short);
    course.live(60).await;
    let (calls, sent) = (course.calls(operation), course.sent());
    course.live(60).await;
    let (in_second, sent_in_second) = (course.calls(operation) - calls, course.sent() - sent);
    course.live(180).await;
    let (calls, sent) = (course.calls(operation), course.sent());
    course.live(60).await;
    let (in_sixth, sent_in_sixth) = (course.calls(operation) - calls, course.sent() - sent);
    let told = course.events(EventKind::KeyRefused, operation);
    assert_eq!(told.len(), channels, "{operation}: {told:?}");
    for (_, event) in &told {
        assert!(
            event.needs_person
                && event.reason.contains("ROLE_")
                && event.reason.contains(&status.to_string()),
            "{}",
            event.reason
        );
    }
    assert!(in_sixth <= 8 * channels as u64, "{operation}: {in_sixth} calls in an hour");
    // A wait may end on either side of the hour.
    assert!(
        in_sixth <= in_second + channels as u64,
        "{operation}: {in_second} calls in the second hour, {in_sixth} in the sixth"
    );
    assert!(
        sent_in_sixth <= sent_in_second + 20,
        "{operation}: {sent_in_second} messages in the second hour, {sent_in_sixth} in the sixth"
    );
    let (waiting, most) = course.queued();
    // The copy that comes later is sent before the message that failed is deleted.
    assert!(waiting <= 20 && most <= 2, "{operation}: {waiting} messages, {most} of one order");
    assert!(
        course.latest.borrow().oldest_untold > Duration::from_secs(5 * 3600),
        "{operation}: {:?}",
        course.latest.borrow()
    );
    assert!(
        course.shipped() < 20,
        "{operation}: only those that do not need it are shipped: {}",
        course.shipped()
    );
    course.permits(operation);
    // The longest wait of the right, and that of an order behind it.
    course.live(25).await;
    if short {
        // What is refunded whole is never shipped, and Mirakl lists no part of it as sent.
        let left: Vec<_> = course
            .rows()
            .into_iter()
            .filter(|row| !matches!(row.stage, Stage::Shipped | Stage::Cancelled))
            .collect();
        assert!(
            left.is_empty(),
            "{operation} works again: {:?}",
            left.iter().map(|row| row.history.last()).collect::<Vec<_>>()
        );
    } else {
        assert_eq!(
            (course.shipped(), course.in_stage(Stage::Shipped)),
            (20, 20),
            "{operation} works again"
        );
    }
    assert_eq!((course.queued().0, course.latest.borrow().oldest_untold), (0, Duration::ZERO));
    course.live(60).await;
    assert_eq!(
        course.events(EventKind::KeyRefused, operation).len(),
        channels,
        "{operation}: once"
    );
}

/// A missing right to tell tracking is told once and waits politely.
#[test]
fn a_missing_tracking_right_is_told_once_and_retried_gently() {
    play_dispatches(20, plain(), async |course| {
        is_refused_for_hours(course, "OR23", 403, 1, false).await
    });
}

#[test]
fn a_missing_right_to_ship_is_told_once_and_waits_politely() {
    play_dispatches(20, plain(), async |course| {
        is_refused_for_hours(course, "OR24", 401, 1, false).await
    });
}

/// A missing right to make shipments is told once and waits politely.
#[test]
fn a_missing_shipment_right_is_told_once_and_retried_gently() {
    play_dispatches(20, plain(), async |course| {
        is_refused_for_hours(course, "ST01", 403, 1, false).await
    });
}

/// A missing right to cancel pieces is told once and waits politely.
#[test]
fn a_missing_cancel_right_is_told_once_and_retried_gently() {
    play_dispatches(20, settling(), async |course| {
        is_refused_for_hours(course, "OR30", 403, 1, true).await
    });
}

/// A missing right to refund pieces is told once and waits politely.
#[test]
fn a_missing_refund_right_is_told_once_and_retried_gently() {
    play_dispatches(20, settling(), async |course| {
        is_refused_for_hours(course, "OR28", 403, 1, true).await
    });
}

/// A missing right to read the marketplace's carriers is told once and waits politely.
#[test]
fn a_missing_carrier_list_right_is_told_once_and_waits_gently() {
    for operation in ["SH21", "SH12", "PC01"] {
        play_dispatches(20, plain(), async |course| {
            is_refused_for_hours(course, operation, 403, 2, false).await
        });
    }
}

#[test]
fn a_right_that_is_lost_again_is_told_again() {
    play_dispatches(4, plain(), async |course| {
        course.refuses("OR24", 403);
        course.everything_leaves(false);
        course.live(30).await;
        course.permits("OR24");
        course.live(25).await;
        assert_eq!((course.shipped(), course.events(EventKind::KeyRefused, "OR24").len()), (4, 1));
    });
}

#[test]
fn a_right_that_stays_missing_is_told_again_after_a_day() {
    play_dispatches(2, plain(), async |course| {
        course.refuses("OR23", 403);
        course.everything_leaves(false);
        course.live(25 * 60).await;
        let told = course.events(EventKind::KeyRefused, "OR23");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].1.reason.contains("for 24 hours"), "{}", told[1].1.reason);
    });
}

#[test]
fn a_near_deadline_is_told_of_what_left_and_cannot_be_shipped() {
    play_dispatches(20, plain(), async |course| {
        course.refuses("OR23", 403);
        course.refuses("ST01", 401);
        course.everything_leaves(false);
        course.live(13 * 60).await;
        for row in course.rows() {
            let told = course.events(EventKind::ShipByDeadlineNear, &row.key.order_id);
            assert_eq!(told.len(), 1, "{}: {told:?}", row.key);
            let warn_at = shared::kit::clock::before(
                row.listing.shipping_deadline.unwrap(),
                DispatchRules::default().warn_before(),
            );
            let late = told[0].0.duration_since(warn_at);
            // Clocks are off by up to ten seconds.
            assert!(
                late.as_secs() >= -10 && late.as_mins() <= 20,
                "{}: {late:?} after {warn_at}",
                row.key
            );
        }
    });
}

/// Hours of an outage leave one message for each order and no more calls than before.
#[test]
fn a_long_outage_adds_neither_messages_nor_calls() {
    play_dispatches(20, plain(), async |course| {
        course.live(1).await;
        course.is_down(true);
        course.everything_leaves(false);
        let mut hours = Vec::new();
        for _hour in 0..8 {
            let (sent, calls) =
                (course.sent(), course.calls("OR23") + course.calls("ST01") + course.calls("PC01"));
            course.live(60).await;
            hours.push((
                course.sent() - sent,
                course.calls("OR23") + course.calls("ST01") + course.calls("PC01") - calls,
            ));
        }
        // The first hour begins before the marketplace's first answer is missed.
        let (first, last) = (hours[1], hours[7]);
        assert!(
            last.0 <= first.0 && last.1 <= first.1,
            "messages and calls by the hour: {hours:?}"
        );
        assert!(last.0 <= 20 * 13, "once in five minutes for each order: {hours:?}");
        assert!(course.queued() <= (20, 2), "{:?}", course.queued());
        // What the alarm watches: the age of the oldest that Mirakl was not told of.
        assert!(
            course.latest.borrow().knows_ages()
                && course.latest.borrow().oldest_untold > Duration::from_secs(7 * 3600)
        );
        course.is_down(false);
        course.live(6).await;
        assert_eq!((course.shipped(), course.queued().0), (20, 0));
        assert_eq!(course.latest.borrow().oldest_untold, Duration::ZERO);
    });
}

/// A lost message is sent again within minutes, and one that nobody works off is not piled up.
#[test]
fn lost_messages_are_replaced_and_unread_ones_do_not_pile_up() {
    play_dispatches(10, plain(), async |course| {
        course.works.set(false);
        course.everything_leaves(false);
        course.live(2).await;
        assert_eq!(course.queued(), (10, 1));
        course.loses_all_messages();
        course.works.set(true);
        course.live(9).await;
        assert_eq!((course.shipped(), course.sent()), (10, 20), "each was sent once more");
    });
    play_dispatches(10, plain(), async |course| {
        course.works.set(false);
        course.everything_leaves(false);
        course.live(8 * 60).await;
        let (_, most) = course.queued();
        assert!(most <= 7, "{most} of one order after eight hours in which nobody works");
        let calls = course.calls("OR24") + course.calls("ST01");
        course.works.set(true);
        course.live(2).await;
        assert_eq!(
            (
                course.shipped(),
                course.queued().0,
                course.calls("OR24") + course.calls("ST01") - calls
            ),
            (10, 0, 10)
        );
    });
}

/// A missing right to accept is told once with its name and hides no window.
#[test]
fn a_missing_accept_right_is_told_once_without_hiding_windows() {
    play(nothing_yet(), async |course| {
        for number in 0..5 {
            course.sells(&format!("A-{number}"));
        }
        course.refuses("OR21", 403);
        course.live(60).await;
        let told = course.events(EventKind::KeyRefused);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(
            (told[0].channel.as_deref(), told[0].severity, told[0].needs_person),
            (Some(CHANNEL), Severity::Critical, true)
        );
        assert!(
            told[0].reason.contains("OR21") && told[0].reason.contains("ROLE_PARTNER_ORDER_ACCEPT"),
            "{}",
            told[0].reason
        );
        let calls = course.calls(Kind::Accept, "").len();
        assert!(calls <= 5 + 60, "one a minute, whatever waits: {calls}");
        // A quarter of the window is left after 225 minutes.
        course.live(170).await;
        assert_eq!(course.events(EventKind::AcceptanceWindowNearlyOver).len(), 5);
        course.permits();
        course.live(1).await;
        let accepted = (0..5)
            .filter(|number| {
                course.sale(&format!("A-{number}")).order.order_state == OrderState::Shipping
            })
            .count();
        assert_eq!(accepted, 5, "all of them in the first minute");
        course.live(5).await;
        assert!(course.poll_state().await.refused.is_empty());
        assert_eq!(course.events(EventKind::KeyRefused).len(), 1);
    });
}

/// A missing right to write references is told once and holds nothing up.
#[test]
fn a_missing_reference_right_is_told_once_and_delays_nothing() {
    play(nothing_yet(), async |course| {
        course.refuses("OR04", 401);
        course.sells("A-1");
        course.live(120).await;
        assert_eq!(
            (course.stage("A-1").await, course.row("A-1").await.creation.referenced_at),
            (Stage::Created, None)
        );
        let told = course.events(EventKind::KeyRefused);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].reason.contains("OR04") && told[0].reason.contains("ROLE_PARTNER_ORDER_EDIT"),
            "{}",
            told[0].reason
        );
        let calls = course.calls(Kind::Reference, "").len();
        course.live(60).await;
        assert!(course.calls(Kind::Reference, "").len() - calls <= 7, "{calls}");
        course.sells("B-1");
        course.live(3).await;
        assert_eq!(course.stage("B-1").await, Stage::Created, "everything else flows");
        course.permits();
        course.live(12).await;
        assert!(
            course.row("A-1").await.creation.referenced_at.is_some()
                && course.row("B-1").await.creation.referenced_at.is_some()
        );
        assert_eq!(course.events(EventKind::KeyRefused).len(), 1);
    });
}

/// References that fail as a whole are told once and hold nothing up.
#[test]
fn wholly_failing_references_are_told_once_and_delay_nothing() {
    for status in [200, 400, 404, 500] {
        play(nothing_yet(), async |course| {
            course.refuses("OR04", status);
            course.sells("A-1");
            course.live(12).await;
            assert_eq!(course.events(EventKind::OperationFails), [], "it may pass");
            course.live(10).await;
            let told = course.events(EventKind::OperationFails);
            assert_eq!(told.len(), 1, "{told:?}");
            let said = [
                "OR04 has failed 5 times",
                &format!("HTTP {status}"),
                "orders that wait for theirs: 1 (the oldest created at",
            ];
            assert!(
                told[0].needs_person && said.iter().all(|words| told[0].reason.contains(words)),
                "{}",
                told[0].reason
            );
            assert!(told[0].remedy.contains("goes on by itself"), "{}", told[0].remedy);
            let calls = course.calls(Kind::Reference, "").len();
            course.live(60).await;
            assert!(course.calls(Kind::Reference, "").len() - calls <= 7, "{calls}");
            course.sells("B-1");
            course.live(3).await;
            assert_eq!(
                (course.stage("A-1").await, course.stage("B-1").await),
                (Stage::Created, Stage::Created),
                "everything else flows"
            );
            course.permits();
            course.live(12).await;
            assert!(
                course.row("A-1").await.creation.referenced_at.is_some()
                    && course.row("B-1").await.creation.referenced_at.is_some()
            );
            assert!(course.poll_state().await.refused.is_empty(), "it is over");
            assert_eq!(course.events(EventKind::OperationFails).len(), 1, "once");
            course.refuses("OR04", status);
            course.sells("C-1");
            course.live(25).await;
            assert_eq!(course.events(EventKind::OperationFails).len(), 2, "it happened again");
        });
    }
}

/// A marketplace that does not answer at all is told once, and not for its references too.
#[test]
fn a_silent_marketplace_is_told_once_and_covers_references() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.live(3).await;
        course.changes("A-1", |row| row.creation.referenced_at = None).await;
        course.breaks(Kind::List, "");
        course.breaks(Kind::Reference, "");
        course.live(90).await;
        course.is_mended();
        course.live(15).await;
        assert_eq!(
            (
                course.events(EventKind::OperationFails).len(),
                course.events(EventKind::ChannelNotListed).len()
            ),
            (0, 1)
        );
        assert!(course.row("A-1").await.creation.referenced_at.is_some());
    });
}

/// What a marketplace demands and nobody can read is told once and asked for politely.
#[test]
fn unreadable_marketplace_demands_are_told_once_and_re_asked() {
    for (operation, status) in [("SH21", 200), ("SH12", 404), ("PC01", 200)] {
        play_dispatches(20, plain(), async |course| {
            course.refuses(operation, status);
            course.everything_leaves(false);
            course.live(10).await;
            assert_eq!(course.events(EventKind::OperationFails, operation).len(), 0, "it may pass");
            course.live(50).await;
            let told = course.events(EventKind::OperationFails, operation);
            assert_eq!(told.len(), 2, "one of each channel: {told:?}");
            for (_, event) in &told {
                assert!(
                    event.needs_person && event.reason.contains(&format!("HTTP {status}")),
                    "{}",
                    event.reason
                );
            }
            let calls = course.calls(operation);
            course.live(60).await;
            assert!(
                course.calls(operation) - calls <= 16,
                "{operation}: {} calls in an hour",
                course.calls(operation) - calls
            );
            assert!(
                course.shipped() == 0 && course.queued().1 <= 2,
                "one message of an order: {:?}",
                course.queued()
            );
            course.permits(operation);
            course.live(25).await;
            assert_eq!(
                (course.shipped(), course.in_stage(Stage::Shipped)),
                (20, 20),
                "{operation} can be read again"
            );
            assert_eq!(course.events(EventKind::OperationFails, operation).len(), 2, "once");
        });
    }
}

/// What was read of a marketplace before is good enough while it cannot be read.
#[test]
fn yesterdays_marketplace_lists_serve_while_reading_fails() {
    play_dispatches(20, plain(), async |course| {
        // Some of each channel.
        course.leave(0..5, false);
        course.leave(10..15, false);
        course.live(20).await;
        assert_eq!(course.shipped(), 10);
        course.live(24 * 60).await;
        course.refuses("SH21", 200);
        course.leave(5..10, false);
        course.leave(15..20, false);
        course.live(120).await;
        assert_eq!(course.shipped(), 20, "by the list of yesterday");
        assert_eq!(course.events(EventKind::OperationFails, "SH21").len(), 0);
    });
}

/// An odd field of what a marketplace demands is told once and done without.
#[test]
fn an_odd_demand_field_is_told_once_and_ignored() {
    play_dispatches(20, plain(), async |course| {
        let odd = OddForm::of("SH21 carriers[].label", "7");
        course.demands_oddly(&[odd]);
        course.everything_leaves(false);
        course.live(30).await;
        assert_eq!(course.shipped(), 20, "nothing waits for it");
        let told = course.events(EventKind::UnknownValue, "SH21 carriers[].label of channel");
        assert_eq!(told.len(), 2, "once for each channel: {told:?}");
        assert!(
            told.iter()
                .all(|(_, event)| event.needs_person && event.reason.contains(r#"in form "9""#)),
            "{told:?}"
        );
    });
}

/// An odd field of which the bus took no event is not noted as told: it is told once the bus works.
#[test]
fn an_odd_field_that_the_bus_refused_is_told_later() {
    play_dispatches(20, plain(), async |course| {
        course.demands_oddly(&[OddForm::of("SH21 carriers[].label", "7")]);
        course.has_a_deaf_bus(true);
        course.leave(0..5, false);
        course.leave(10..15, false);
        course.live(30).await;
        assert_eq!(course.shipped(), 10, "nothing waits for it");
        let told = || course.events(EventKind::UnknownValue, "SH21 carriers[].label of channel");
        assert!(told().is_empty());
        course.has_a_deaf_bus(false);
        // The list is read once a day.
        course.live(24 * 60).await;
        course.leave(5..10, false);
        course.leave(15..20, false);
        course.live(30).await;
        assert_eq!(told().len(), 2, "once for each channel: {:?}", told());
    });
}

/// A word of Prima's of which the bus took no event is told with the next answer that has it.
#[test]
fn an_unknown_word_that_the_bus_refused_is_told_later() {
    play_dispatches(20, plain(), async |course| {
        course.asks_every(2);
        course.prima_says(0, "Consolidating");
        course.has_a_deaf_bus(true);
        course.live(30).await;
        let told = || course.events(EventKind::UnknownValue, "Consolidating").len();
        assert_eq!(told(), 0);
        course.has_a_deaf_bus(false);
        course.live(5).await;
        assert_eq!(told(), 1, "within minutes");
        course.prima_says(1, "consolidating");
        course.live(60).await;
        assert_eq!(told(), 1, "and not again, whichever order it is said of");
    });
}

/// The age of the oldest order that waits for Prima grows through all its retries.
#[test]
fn the_oldest_waiting_orders_age_grows_through_its_retries() {
    let mut plan = nothing_yet();
    plan.behaviour.cancel_order = true;
    // No connection comes: an order that has no answer while others may have one becomes an
    // exception.
    plan.prima_down = Windows(vec![(Moment(0), Moment(93 * 60_000))]);
    play(plan, async |course| {
        let report = course.poll().await;
        assert_eq!(
            report.ages.map(|ages| ages.waiting_for_prima),
            Some(Duration::ZERO),
            "none is known to be none"
        );
        // One alone would be that order's own matter.
        for number in 1..=5 {
            course.sells(&format!("A-{number}"));
        }
        course.live(90).await;
        let ages = course.poll().await.ages.unwrap();
        assert!(
            ages.waiting_for_prima >= minutes(85) && ages.waiting_for_prima <= minutes(95),
            "{ages:?}"
        );
        course.breaks(Kind::Index, "");
        assert_eq!(course.poll().await.ages, None, "what is not known is not said");
        course.is_mended();
        course.live(20).await;
        assert_eq!(
            course.poll().await.ages.map(|ages| ages.waiting_for_prima),
            Some(Duration::ZERO)
        );
        assert!(course.now() > after(course.row("A-1").await.listing.seen_at, minutes(100)));
    });
}

#[test]
fn a_missing_right_of_stock_is_told_once_and_waits_politely() {
    let mut met = 0;
    for operation in ["STO01", "STO02", "OF01", "OF02", "OF52", "OF21"] {
        let course = without_a_right(operation);
        // A world publishes by STO01 or by OF01, and lists by OF52 or by OF21.
        if course.calls.iter().sum::<u64>() == 0 {
            continue;
        }
        met += 1;
        assert_eq!(course.told.len(), 1, "{operation}: {:?}", course.told);
        let told = &course.told[0].reason;
        assert!(
            told.contains(operation) && told.contains("ROLE_") && told.contains("401"),
            "{operation}: {told}"
        );
        assert!(
            course.calls[5] <= 8 && course.calls[5] <= course.calls[1] + 1,
            "{operation}: calls by the hour {:?}",
            course.calls
        );
        assert_eq!(
            (course.told_afterwards, course.wrong.clone()),
            (0, Vec::new()),
            "{operation} works again"
        );
    }
    assert!(met >= 2, "the world uses hardly any of them");
}
