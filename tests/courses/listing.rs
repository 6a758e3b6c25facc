//! When what is listed: the rhythm of a channel, and what a listing by state alone is for.

use std::time::Duration;

use shared::channel::Mode;
use shared::clock::after;
use shared::mirakl::OrderState;
use shared::order::row::{Lease, OrderKey, Stage};
use shared::state::Store as _;
use system_tests::simulation::course::{CHANNEL, minutes, nothing_yet, play, seconds};
use system_tests::simulation::marketplace::Happening;
use system_tests::simulation::plan::{Moment, Windows};
use system_tests::simulation::world::{Fate, Kind};

#[test]
fn every_fifth_listing_is_by_state_alone_and_the_next_after_one_that_left_something_behind() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.live(11).await;
        // The first sets the mark.
        let rhythm = [true, false, false, false, false, true, false, false, false, false, true];
        assert_eq!(course.listings(), rhythm);
        course.live(1).await;
        course.breaks(Kind::Load, "1 rows");
        course.live(1).await;
        course.is_mended();
        course.live(2).await;
        assert_eq!(course.listings()[rhythm.len()..], [false, false, true, false]);
        // One by state alone that leaves something behind is followed by another.
        course.live(3).await;
        let before = course.listings().len();
        course.breaks(Kind::Load, "1 rows");
        course.live(1).await;
        course.is_mended();
        course.live(2).await;
        assert_eq!(course.listings()[before..], [true, true, false]);
    });
}

#[test]
fn what_could_not_be_listed_at_all_is_listed_by_state_alone_next() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.live(2).await;
        course.breaks(Kind::Key, "");
        course.live(1).await;
        course.is_mended();
        course.live(2).await;
        assert_eq!(course.listings(), [true, false, true, false]);
    });
}

#[test]
fn a_minute_is_not_done_while_what_was_looked_up_by_its_id_is_not_known_and_recorded() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.sells("A-2");
        course.live(5).await;
        course.happens("A-1", Happening::Ship);
        course.strikes(Kind::List, "harbour-uk 0 states", Fate::Fails);
        assert!(!course.poll().await.completed);
        course.pass(minutes(1)).await;
        assert!(course.poll().await.completed);
        assert_eq!(course.stage("A-1").await, Stage::Shipped);
        // Cancelled in a shape that cannot be read, and shown by its id alone.
        course.pass(minutes(1)).await;
        course.live(4).await;
        course.happens("A-2", Happening::Cancel);
        course.world.shop(CHANNEL, |shop| shop.make_unreadable("A-2", course.now()));
        course.pass(minutes(10)).await;
        course.breaks(Kind::Load, "row harbour-uk#A-2");
        let report = course.poll().await;
        assert_eq!((report.completed, course.listings().last()), (false, Some(&true)));
        course.is_mended();
        course.live(2).await;
        assert_eq!(course.stage("A-2").await, Stage::Cancelled);
    });
}

#[test]
fn without_an_order_there_is_no_mark_to_list_from() {
    play(nothing_yet(), async |course| {
        course.live(3).await;
        assert_eq!(course.listings(), [true, true, true]);
        assert_eq!(course.poll_state().await.watermark, None);
    });
}

#[test]
fn a_window_reaches_back_two_minutes_behind_the_latest_change() {
    play(nothing_yet(), async |course| {
        course.pass(minutes(10)).await;
        course.sells("A-1");
        course.live(2).await;
        let mark = course.poll_state().await.watermark.unwrap();
        assert_eq!(mark, course.sale("A-1").order.last_updated_date.unwrap());
        course.poll().await;
        let calls = course.world.calls.borrow();
        let last = calls.iter().rev().find(|call| call.kind == Kind::List).unwrap();
        let from = shared::clock::before(mark, seconds(120));
        assert!(last.about.contains(&format!("{from}")), "{} from {from}", last.about);
    });
}

#[test]
fn a_marketplace_that_allows_a_listing_in_fifteen_minutes_gets_no_more() {
    let mut plan = nothing_yet();
    plan.channels[0].listing_interval_minutes = 15;
    play(plan, async |course| {
        let mut skipped = 0;
        for _minute in 0..46 {
            let report = course.poll().await;
            skipped += usize::from(report.skipped == Some("not due"));
            course.pass(minutes(1)).await;
        }
        let listed: Vec<_> = course.calls(Kind::List, "").iter().map(|at| at.as_secs() / 60).collect();
        assert_eq!((listed, skipped), (vec![0, 15, 30, 45], 42));
    });
}

#[test]
fn a_schedule_that_comes_a_little_early_is_due_all_the_same() {
    let mut plan = nothing_yet();
    plan.channels[0].listing_interval_minutes = 15;
    play(plan, async |course| {
        course.poll().await;
        course.pass(minutes(14) + seconds(40)).await;
        assert_eq!(course.poll().await.skipped, Some("not due"));
        course.pass(seconds(5)).await;
        assert_eq!(course.poll().await.skipped, None);
    });
}

#[test]
fn without_memory_a_channel_is_polled_by_state_alone_and_a_slow_one_keeps_to_the_clock() {
    let mut plan = nothing_yet();
    plan.channels[0].listing_interval_minutes = 15;
    play(plan, async |course| {
        course.breaks(Kind::Load, "poll state");
        let mut listed = Vec::new();
        for minute in 0..31 {
            if course.poll().await.skipped.is_none() {
                listed.push(minute);
            }
            course.pass(minutes(1)).await;
        }
        assert_eq!(listed, [0, 15, 30]);
        assert_eq!(course.listings(), [true, true, true]);
    });
    play(nothing_yet(), async |course| {
        course.breaks(Kind::Load, "poll state");
        course.sells("A-1");
        course.live(2).await;
        assert_eq!(course.listings(), [true, true]);
        assert_eq!(course.stage("A-1").await, Stage::Created);
    });
}

#[test]
fn a_memory_that_takes_longer_than_three_seconds_is_not_waited_for() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.lasts(Kind::Load, seconds(10));
        course.poll().await;
        let accepted = course.sale("A-1").accepted_by_connector.unwrap();
        let waited = accepted.duration_since(course.sale("A-1").waiting_since.unwrap());
        assert!(waited.as_secs() < 5, "accepted after {waited:#}");
    });
}

#[test]
fn a_channel_that_another_run_is_at_is_left_to_it_until_that_run_must_have_ended() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        let mut state = course.poll_state().await;
        state.lease = Some(Lease { owner: "another run".to_owned(), until: after(course.now(), seconds(55)) });
        course.world.store.save_poll(CHANNEL, &mut state).await.unwrap();
        assert_eq!(course.poll().await.skipped, Some("another run is at it"));
        course.pass(seconds(54)).await;
        assert_eq!(course.poll().await.skipped, Some("another run is at it"));
        assert_eq!(course.calls(Kind::List, "").len(), 0);
        course.pass(seconds(1)).await;
        assert_eq!(course.poll().await.skipped, None);
        assert_eq!(course.poll_state().await.lease, None, "given back");
    });
}

#[test]
fn two_runs_that_begin_at_once_list_once() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        let (one, other) = futures_util::join!(course.poll(), course.poll());
        let skipped = [one.skipped, other.skipped];
        assert!(skipped.contains(&None) && skipped.contains(&Some("another run is at it")), "{skipped:?}");
        assert_eq!(course.calls(Kind::Accept, "").len(), 1);
    });
}

#[test]
fn a_mode_that_is_off_calls_nothing() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.set_mode(Mode::Off);
        assert_eq!(course.poll().await.skipped, Some("off"));
        assert_eq!(course.world.effects.get(), 0);
    });
}

#[test]
fn what_left_the_open_states_unseen_is_looked_up_by_its_id_with_the_next_full_listing() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.live(2).await;
        assert_eq!(course.stage("A-1").await, Stage::Created);
        // Shipped: no window shows that.
        course.happens("A-1", Happening::Ship);
        course.live(3).await;
        assert_eq!(course.stage("A-1").await, Stage::Created);
        let before = course.listings().len();
        course.live(1).await;
        assert_eq!(course.listings()[before..], [true]);
        assert_eq!(course.stage("A-1").await, Stage::Shipped);
        let by_id = |course: &system_tests::simulation::course::Course| {
            course.world.calls.borrow().iter().filter(|call| call.kind == Kind::List && call.about.contains(" 1 ids")).count()
        };
        assert_eq!(by_id(course), 1);
        course.live(6).await;
        assert_eq!(by_id(course), 1, "it is over");
    });
}

#[test]
fn orders_that_wait_for_prima_are_listed_by_state_only_when_one_may_try() {
    let at = |minute: u64| Moment(minute * 60_000);
    let mut plan = nothing_yet();
    plan.prima_down = Windows(vec![(at(0), at(60))]);
    plan.manners.probe_interval_seconds = 600;
    play(plan, async |course| {
        for number in 1..=3 {
            course.sells(&format!("A-{number}"));
        }
        course.live(12).await;
        let intake = course.world.store.load_intake().await.unwrap();
        assert!(intake.is_closed());
        // Sold while intake is closed: accepted at once, and kept as a row without any question to Prima.
        let (asked, listed) = (course.calls(Kind::Ask, "").len(), course.listings().len());
        course.sells("B-1");
        course.live(2).await;
        assert_eq!((course.sale("B-1").order.order_state, course.stage("B-1").await), (OrderState::Shipping, Stage::Firm));
        course.live(30).await;
        let probes = course.calls(Kind::Ask, "").len() - asked;
        assert!((2..=4).contains(&probes), "{probes} questions in half an hour, with a probe in ten minutes");
        let by_state = course.listings()[listed..].iter().filter(|full| **full).count();
        // Every fifth, and one more for each probe.
        assert!((8..=13).contains(&by_state), "{by_state} of 32");
        course.live(40).await;
        for order in ["A-1", "A-2", "A-3", "B-1"] {
            assert_eq!(course.stage(order).await, Stage::Created, "{order}");
        }
        let shown = course.world.store.orders_in(CHANNEL, Stage::Firm.name(), 10).await.unwrap();
        assert_eq!(shown, Vec::<OrderKey>::new());
    });
}

#[test]
fn a_hundred_orders_at_most_are_looked_up_by_their_ids_and_the_rest_with_the_next_full_listing() {
    play(nothing_yet(), async |course| {
        let ids: Vec<String> = (0..130).map(|number| format!("A-{number:03}")).collect();
        for id in &ids {
            course.sells(id);
        }
        course.live(7).await;
        for id in &ids {
            assert_eq!(course.stage(id).await, Stage::Created);
            course.happens(id, Happening::Ship);
        }
        let looked_up = || {
            let calls = course.world.calls.borrow();
            let by_id = calls.iter().filter(|call| call.kind == Kind::List && !call.about.contains(" 0 ids"));
            by_id.map(|call| call.about.split(' ').nth(3).unwrap().parse::<usize>().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(looked_up(), Vec::<usize>::new());
        course.live(16).await;
        assert_eq!(looked_up(), [100, 30]);
        for id in &ids {
            assert_eq!(course.stage(id).await, Stage::Shipped);
        }
    });
}

#[test]
fn a_poll_that_hangs_is_ended_two_seconds_before_its_function_and_the_next_goes_on() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.lasts(Kind::List, minutes(5));
        let began = course.now();
        let report = course.poll().await;
        assert_eq!((report.counts.get("poll_failed_time"), report.completed), (Some(&1), false), "{report:?}");
        assert_eq!(course.now().duration_since(began).as_secs(), 53);
        course.lasts(Kind::List, seconds(1));
        course.pass(seconds(7)).await;
        course.live(3).await;
        assert_eq!(course.stage("A-1").await, Stage::Created);
    });
}

#[test]
fn a_full_listing_that_time_ran_out_for_is_followed_by_a_window_and_what_was_listed_is_accepted() {
    play(nothing_yet(), async |course| {
        for number in 0..250 {
            course.sells(&format!("A-{number:03}"));
        }
        // Two pages in thirty seconds, and an answer to each OR21 at once.
        course.lasts(Kind::List, seconds(16));
        course.lasts(Kind::Accept, Duration::from_millis(1));
        let report = course.poll().await;
        assert_eq!((report.pages, report.acknowledged, report.completed), (2, 190, false));
        course.pass(seconds(25)).await;
        course.lasts(Kind::List, Duration::from_millis(80));
        course.poll().await;
        assert_eq!(course.listings(), [true, true], "there is no mark yet");
        course.live(6).await;
        course.lasts(Kind::List, seconds(16));
        course.world.store.load_poll(CHANNEL).await.unwrap();
        course.breaks(Kind::Index, "");
        course.live(8).await;
        let listed = course.listings();
        let cut = listed.iter().skip(2).position(|full| *full).unwrap() + 2;
        assert!(!listed[cut + 1], "a window after the one that was cut short: {listed:?}");
    });
}
