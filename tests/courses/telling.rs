//! Who hears of what, and how often.

use shared::domain::events::{EventKind, Severity};
use shared::domain::order::row::Stage;
use shared::kit::clock::{after, before};
use shared::mirakl::OrderState;
use system_tests::simulation::course::{CHANNEL, minutes, nothing_yet, play, seconds};
use system_tests::simulation::marketplace::Happening;
use system_tests::simulation::plan::{Moment, Windows};
use system_tests::world::fate::{Fate, Kind};

/// Order, severity and the minutes left, of each event.
fn said(events: &[shared::domain::events::Event]) -> Vec<(String, Severity, String)> {
    let minutes = |reason: &str| {
        reason.rsplit_once(" in ").map(|(_, left)| left.to_owned()).unwrap_or_default()
    };
    events
        .iter()
        .map(|event| {
            (event.order.clone().unwrap_or_default(), event.severity, minutes(&event.reason))
        })
        .collect()
}

/// An order that cannot be accepted is told of once in the last quarter of its window and once in
/// the last eighth.
#[test]
fn an_unacceptable_order_is_told_twice_before_its_window_ends() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.breaks(Kind::Accept, "");
        // The window is five hours: a quarter of it is left after 225 minutes.
        course.pass(minutes(224)).await;
        course.poll().await;
        assert_eq!(said(&course.events(EventKind::AcceptanceWindowNearlyOver)), []);
        course.pass(minutes(1)).await;
        let report = course.poll().await;
        assert_eq!(report.oldest_unacknowledged.as_secs() / 60, 225);
        let told = said(&course.events(EventKind::AcceptanceWindowNearlyOver));
        assert_eq!(told, [("A-1".to_owned(), Severity::Warning, "74 minutes".to_owned())]);
        course.live(20).await;
        assert_eq!(course.events(EventKind::AcceptanceWindowNearlyOver).len(), 1, "said once");
        // Half of that is left after 262.5 minutes.
        course.pass(minutes(16)).await;
        course.poll().await;
        assert_eq!(course.events(EventKind::AcceptanceWindowNearlyOver).len(), 1);
        course.pass(minutes(1)).await;
        course.live(20).await;
        let told = course.events(EventKind::AcceptanceWindowNearlyOver);
        assert_eq!(
            said(&told[1..]),
            [("A-1".to_owned(), Severity::Critical, "36 minutes".to_owned())]
        );
        assert!(
            told.iter()
                .all(|event| event.needs_person && event.channel.as_deref() == Some(CHANNEL))
        );
        // Nothing of it is remembered once it is accepted.
        assert_eq!(course.poll_state().await.warned_orders, ["A-1", "A-1!"]);
        course.is_mended();
        course.live(1).await;
        assert_eq!(course.sale("A-1").order.order_state, OrderState::Shipping);
        assert_eq!(course.poll().await.oldest_unacknowledged.as_secs(), 0);
        assert_eq!(course.events(EventKind::AcceptanceWindowNearlyOver).len(), 2);
        assert_eq!(course.poll_state().await.warned_orders, Vec::<String>::new());
    });
}

/// What the bus did not take is said the next minute, and what a listing does not show is not said
/// twice.
#[test]
fn unpublished_events_go_out_next_minute_and_none_twice() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.breaks(Kind::Accept, "");
        course.breaks(Kind::Publish, "");
        course.pass(minutes(230)).await;
        course.poll().await;
        assert_eq!(course.events(EventKind::AcceptanceWindowNearlyOver).len(), 0);
        course.is_mended();
        course.breaks(Kind::Accept, "");
        course.live(1).await;
        assert_eq!(course.events(EventKind::AcceptanceWindowNearlyOver).len(), 1);
        // A listing that fails whole shows no order: what was said stays said.
        course.breaks(Kind::List, "");
        course.live(2).await;
        course.is_mended();
        course.breaks(Kind::Accept, "");
        course.live(2).await;
        assert_eq!(course.events(EventKind::AcceptanceWindowNearlyOver).len(), 1);
    });
}

#[test]
fn an_order_that_comes_with_its_window_over_is_both_at_once() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::WaitingAcceptance, |sale| {
            sale.order.created = before(sale.order.created, minutes(301));
            // Mirakl has not come to it yet.
            sale.deadline = after(sale.deadline, minutes(30));
        });
        course.breaks(Kind::Accept, "");
        course.poll().await;
        let told: Vec<_> = course
            .events(EventKind::AcceptanceWindowNearlyOver)
            .iter()
            .map(|event| event.severity)
            .collect();
        assert_eq!(told, [Severity::Warning, Severity::Critical]);
    });
}

/// A missed window is told with the order, and told again where the bus took nothing.
#[test]
fn a_missed_window_names_its_order_and_survives_a_bus_outage() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.breaks(Kind::Accept, "");
        course.poll().await;
        course.pass(minutes(300)).await;
        assert_eq!(course.sale("A-1").order.order_state, OrderState::Refused);
        course.breaks(Kind::Publish, "");
        let report = course.poll().await;
        assert_eq!((report.counts.get("windows_missed"), report.completed), (None, false));
        assert_eq!(course.stage("A-1").await, Stage::Seen, "still to be told");
        course.is_mended();
        course.pass(minutes(1)).await;
        let report = course.poll().await;
        assert_eq!((report.counts.get("windows_missed"), report.recorded), (Some(&1), 1));
        course.live(10).await;
        let events = course.events(EventKind::AcceptanceWindowMissed);
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(
            (events[0].order.as_deref(), events[0].severity, events[0].needs_person),
            (Some("A-1"), Severity::Critical, true)
        );
        assert!(events[0].reason.contains("ACCEPTANCE_TIMEOUT"), "{}", events[0].reason);
        assert_eq!(course.stage("A-1").await, Stage::Refused);
    });
}

#[test]
fn an_order_that_came_and_went_while_no_poller_ran_is_told_of() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.live(6).await;
        course.sells("B-1");
        course.pass(minutes(400)).await;
        course.live(6).await;
        let events = course.events(EventKind::AcceptanceWindowMissed);
        let orders: Vec<_> = events.iter().map(|event| event.order.as_deref()).collect();
        assert_eq!(orders, [Some("B-1")]);
        assert_eq!(course.stage("B-1").await, Stage::Refused);
    });
}

/// An order that is refused for another reason is no missed window.
#[test]
fn a_refusal_for_other_reasons_is_no_missed_window() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.breaks(Kind::Accept, "");
        course.poll().await;
        course.happens("A-1", Happening::RefuseByPerson);
        course.live(6).await;
        assert_eq!(course.events(EventKind::AcceptanceWindowMissed), []);
        assert_eq!(course.stage("A-1").await, Stage::Refused);
    });
}

#[test]
fn a_refused_key_is_told_once_until_it_works_again() {
    let at = |minute: u64| Moment(minute * 60_000);
    let mut plan = nothing_yet();
    plan.key_refused = vec![Windows(vec![(at(3), at(8)), (at(12), at(15))])];
    play(plan, async |course| {
        course.live(3).await;
        assert_eq!(course.events(EventKind::KeyRefused), []);
        course.breaks(Kind::Publish, "");
        course.live(1).await;
        assert_eq!(
            (
                course.events(EventKind::KeyRefused).len(),
                course.poll_state().await.refused.untold(course.now()).len()
            ),
            (0, 1)
        );
        course.is_mended();
        course.live(4).await;
        let events = course.events(EventKind::KeyRefused);
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(
            (events[0].channel.as_deref(), events[0].severity, events[0].needs_person),
            (Some(CHANNEL), Severity::Critical, true)
        );
        assert!(
            events[0].remedy.contains("prima-mirakl channels key harbour-uk"),
            "{}",
            events[0].remedy
        );
        assert!(!course.poll_state().await.refused.is_empty());
        course.live(2).await;
        assert!(course.poll_state().await.refused.is_empty(), "it works again");
        course.live(6).await;
        assert_eq!(course.events(EventKind::KeyRefused).len(), 2);
    });
}

#[test]
fn another_failure_of_mirakl_is_counted_and_tells_nobody() {
    play(nothing_yet(), async |course| {
        course.breaks(Kind::List, "");
        let report = course.poll().await;
        assert_eq!(
            (report.counts.get("mirakl_or11_server"), report.completed),
            (Some(&1), false),
            "{:?}",
            report.counts
        );
        assert_eq!(course.events(EventKind::KeyRefused), []);
        course.is_mended();
        course.breaks(Kind::Key, "");
        let report = course.poll().await;
        assert_eq!(report.counts.get("mirakl_or11_unsent"), Some(&1), "{:?}", report.counts);
    });
}

/// An exception is shown again in the dead-letter queue before its message expires.
#[test]
fn an_expiring_exception_message_is_renewed_in_time() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::WaitingAcceptance, |sale| sale.unreadable = true);
        course.live(2).await;
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Exception, (1, 1)));
        course.pass(13 * minutes(24 * 60) - minutes(3)).await;
        course.poll().await;
        assert_eq!(course.told("A-1"), (1, 1));
        course.pass(minutes(5)).await;
        course.live(3).await;
        assert_eq!(course.told("A-1"), (1, 2), "shown again, and nobody is called again");
        let shown = course.world.queue.borrow().exceptions.values().cloned().collect::<Vec<_>>();
        assert_eq!((&shown[0], shown.len()), (&shown[1], 2));
        // And so on, every thirteen days.
        course.pass(13 * minutes(24 * 60)).await;
        course.live(3).await;
        assert_eq!(course.told("A-1"), (1, 3));
    });
}

#[test]
fn what_is_found_while_the_bus_is_down_is_told_once_it_is_up() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::WaitingAcceptance, |sale| sale.unreadable = true);
        course.breaks(Kind::Publish, "");
        course.live(3).await;
        assert_eq!(course.told("A-1").0, 0);
        course.is_mended();
        let report = course.poll().await;
        assert_eq!(report.counts.get("exceptions_announced"), Some(&1));
        assert_eq!(course.told("A-1").0, 1);
        assert_eq!(course.poll().await.counts.get("exceptions_announced"), None);
    });
}

/// An exception of the creator that died is told by the poller after two minutes.
#[test]
fn the_poller_tells_exceptions_of_a_creator_that_died() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::WaitingAcceptance, |sale| {
            sale.order.lines[0].offer_sku = "nobodyknowsthis".to_owned();
        });
        course.live(1).await;
        course.poll().await;
        // It dies once it has noted the exception, before anybody is told.
        course.strikes(Kind::Send, "exceptions", Fate::CrashBefore);
        course.pass(seconds(20)).await;
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Exception, (0, 0)));
        let since = course.row("A-1").await.since;
        course.live(6).await;
        assert_eq!(course.told("A-1"), (1, 1));
        let told = course.row("A-1").await.exception.unwrap().told.told_at().unwrap();
        let waited = told.duration_since(since).as_secs();
        assert!((120..180).contains(&waited), "told after {waited} s");
    });
}

#[test]
fn an_open_breaker_is_told_once_and_its_closing_too() {
    let at = |minute: u64| Moment(minute * 60_000);
    let mut plan = nothing_yet();
    plan.prima_down = Windows(vec![(at(0), at(30))]);
    play(plan, async |course| {
        for number in 1..=4 {
            course.sells(&format!("A-{number}"));
        }
        course.live(29).await;
        let closed = course.events(EventKind::PrimaUnavailable);
        assert_eq!(closed.len(), 1, "{closed:?}");
        assert_eq!((closed[0].severity, closed[0].needs_person), (Severity::Critical, true));
        assert_eq!(course.events(EventKind::PrimaAvailableAgain), []);
        course.live(8).await;
        assert_eq!(course.events(EventKind::PrimaUnavailable).len(), 1);
        assert_eq!(course.events(EventKind::PrimaAvailableAgain).len(), 1);
        for number in 1..=4 {
            assert_eq!(course.stage(&format!("A-{number}")).await, Stage::Created);
        }
    });
}

/// A channel that cannot be listed is told of once after ten minutes, whatever the reason.
#[test]
fn an_unlistable_channel_is_told_once_after_ten_minutes() {
    for kind in [Kind::List, Kind::Key, Kind::Save] {
        play(nothing_yet(), async |course| {
            course.live(2).await;
            course.breaks(kind, if kind == Kind::Save { "row" } else { "" });
            course.sells_with("A-1", OrderState::Shipping, |_| {});
            course.live(11).await;
            assert_eq!(course.events(EventKind::ChannelNotListed), [], "{kind:?}");
            course.live(20).await;
            let events = course.events(EventKind::ChannelNotListed);
            assert_eq!(events.len(), 1, "{kind:?}: {events:?}");
            assert_eq!(
                (events[0].channel.as_deref(), events[0].severity, events[0].needs_person),
                (Some(CHANNEL), Severity::Critical, true)
            );
            course.is_mended();
            course.live(30).await;
            assert_eq!(course.events(EventKind::ChannelNotListed).len(), 1);
            course.breaks(Kind::List, "");
            course.live(13).await;
            assert_eq!(course.events(EventKind::ChannelNotListed).len(), 2, "it happened again");
        });
    }
}

/// Polls that never end are told of too, and a bus that takes nothing is tried again.
#[test]
fn endless_polls_are_told_and_a_deaf_bus_is_tried_again() {
    play(nothing_yet(), async |course| {
        course.live(2).await;
        course.lasts(Kind::List, minutes(5));
        course.breaks(Kind::Publish, "");
        course.live(13).await;
        assert_eq!(course.events(EventKind::ChannelNotListed), []);
        course.is_mended();
        course.live(4).await;
        assert_eq!(course.events(EventKind::ChannelNotListed).len(), 1);
    });
}

#[test]
fn a_slow_channel_is_not_told_of_between_two_listings() {
    let mut plan = nothing_yet();
    plan.channels[0].listing_interval_minutes = 15;
    play(plan, async |course| {
        course.live(60).await;
        assert_eq!(course.events(EventKind::ChannelNotListed), []);
        course.breaks(Kind::List, "");
        course.live(31).await;
        assert_eq!(course.events(EventKind::ChannelNotListed).len(), 1);
    });
}

/// An open breaker that the bus did not take is told with the next failure.
#[test]
fn an_untold_open_breaker_is_told_at_the_next_failure() {
    let at = |minute: u64| Moment(minute * 60_000);
    let mut plan = nothing_yet();
    plan.prima_down = Windows(vec![(at(0), at(40))]);
    play(plan, async |course| {
        course.sells("A-1");
        course.breaks(Kind::Publish, "");
        course.live(10).await;
        assert_eq!(course.events(EventKind::PrimaUnavailable), []);
        course.is_mended();
        course.live(10).await;
        assert_eq!(course.events(EventKind::PrimaUnavailable).len(), 1);
        course.live(30).await;
        assert_eq!(course.events(EventKind::PrimaUnavailable).len(), 1);
        assert_eq!(course.stage("A-1").await, Stage::Created);
    });
}

/// While the bus is down, an exception stands in the dead-letter queue once.
#[test]
fn a_bus_outage_duplicates_no_exception_in_the_queue() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::WaitingAcceptance, |sale| sale.unreadable = true);
        course.breaks(Kind::Publish, "");
        course.live(20).await;
        assert_eq!(course.told("A-1"), (0, 1));
        course.is_mended();
        course.live(3).await;
        assert_eq!(course.told("A-1"), (1, 1));
    });
}

/// An exception that the queue did not take again is shown the next minute.
#[test]
fn an_exception_not_renewed_in_the_queue_shows_a_minute_later() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::WaitingAcceptance, |sale| sale.unreadable = true);
        course.live(2).await;
        course.pass(13 * minutes(24 * 60)).await;
        course.breaks(Kind::Send, "");
        course.live(2).await;
        assert_eq!(course.told("A-1"), (1, 1));
        course.is_mended();
        course.live(3).await;
        assert_eq!(course.told("A-1"), (1, 2));
    });
}

/// An exception whose row moves while people are told is told once.
#[test]
fn a_row_moving_during_telling_still_tells_one_exception() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::WaitingAcceptance, |sale| {
            sale.order.lines[0].offer_sku = "nobodyknowsthis".to_owned();
        });
        course.poll().await;
        course.poll().await;
        course.lasts(Kind::Publish, seconds(20));
        let meanwhile = async {
            course.pass(seconds(10)).await;
            course.changes("A-1", |row| row.listing.adopted = true).await;
        };
        futures_util::join!(course.deliver(), meanwhile);
        course.live(8).await;
        assert_eq!((course.told("A-1"), course.row("A-1").await.listing.adopted), ((1, 1), true));
    });
}
