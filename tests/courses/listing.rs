//! When what is listed: the rhythm of a channel, and what a listing by state alone is for.

use acknowledge_orders::Skipped;
use std::time::Duration;

use shared::domain::channel::Mode;
use shared::domain::events::EventKind;
use shared::domain::order::row::{Lease, OrderKey, Stage};
use shared::domain::state::{BreakerStore as _, OrderStore as _, PollStore as _};
use shared::kit::clock::after;
use shared::mirakl::{Order, OrderState};
use system_tests::simulation::course::{CHANNEL, minutes, nothing_yet, play, seconds};
use system_tests::simulation::marketplace::{Happening, Shows};
use system_tests::simulation::plan::{Moment, Windows};
use system_tests::world::base::beginning;
use system_tests::world::fate::{Fate, Kind};

/// Every fifth listing is by state alone, and so is the next after one that left something behind.
#[test]
fn full_listings_come_every_fifth_time_and_after_leftovers() {
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

/// What could not be listed at all is listed by state alone next.
#[test]
fn a_failed_listing_is_followed_by_one_by_state_alone() {
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

/// A minute is not done while what was looked up by its id is not known and recorded.
#[test]
fn a_minute_stays_open_until_orders_sought_by_id_are_recorded() {
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

/// Without an order there is no mark to list from but the take-over.
#[test]
fn the_first_mark_without_orders_is_the_take_over() {
    let mut plan = nothing_yet();
    plan.channels[0].take_over_from = shared::kit::clock::after(beginning(), minutes(60));
    play(plan, async |course| {
        course.live(3).await;
        assert_eq!(course.listings(), [true, true, true]);
        assert_eq!(course.poll_state().await.watermark, None);
    });
    play(nothing_yet(), async |course| {
        let take_over = course.world.plan.channels[0].take_over_from;
        course.live(3).await;
        assert_eq!(course.listings(), [true, false, false]);
        assert_eq!(course.poll_state().await.watermark, Some(take_over));
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
        let from = shared::kit::clock::before(mark, seconds(120));
        assert!(last.about.contains(&format!("{from}")), "{} from {from}", last.about);
    });
}

/// A marketplace that allows a listing in fifteen minutes gets no more.
#[test]
fn a_listing_limit_of_fifteen_minutes_is_respected() {
    let mut plan = nothing_yet();
    plan.channels[0].listing_interval_minutes = 15;
    play(plan, async |course| {
        let mut skipped = 0;
        for _minute in 0..46 {
            let report = course.poll().await;
            skipped += usize::from(report.skipped == Some(Skipped::NotDue));
            course.pass(minutes(1)).await;
        }
        let listed: Vec<_> =
            course.calls(Kind::List, "").iter().map(|at| at.as_secs() / 60).collect();
        assert_eq!((listed, skipped), (vec![0, 15, 30, 45], 42));
    });
}

#[test]
fn a_look_ups_turn_does_not_cost_a_slow_channel_its_listing() {
    let mut plan = nothing_yet();
    plan.channels[0].listing_interval_minutes = 15;
    play(plan, async |course| {
        course.poll().await;
        course.owes_a_look_up().await;
        course.pass(minutes(15)).await;
        course.sells("A-1");
        assert_eq!(course.poll().await.pages, 0, "the run is the look-up's");
        course.pass(minutes(1)).await;
        assert_eq!(course.poll().await.acknowledged, 1, "a new order waits for no second interval");
    });
}

#[test]
fn a_schedule_that_comes_a_little_early_is_due_all_the_same() {
    let mut plan = nothing_yet();
    plan.channels[0].listing_interval_minutes = 15;
    play(plan, async |course| {
        course.poll().await;
        course.pass(minutes(14) + seconds(40)).await;
        assert_eq!(course.poll().await.skipped, Some(Skipped::NotDue));
        course.pass(seconds(5)).await;
        assert_eq!(course.poll().await.skipped, None);
    });
}

/// Without memory a channel is polled by state alone, and a slow one keeps to the clock.
#[test]
fn a_poll_without_memory_goes_by_state_and_by_the_clock() {
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

/// A memory that takes longer than three seconds is not waited for.
#[test]
fn a_poll_waits_three_seconds_at_most_for_its_memory() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.lasts(Kind::Load, seconds(10));
        course.poll().await;
        let accepted = course.sale("A-1").accepted_by_connector.unwrap();
        let waited = accepted.duration_since(course.sale("A-1").waiting_since);
        assert!(waited.as_secs() < 5, "accepted after {waited:#}");
    });
}

/// A channel that another run is at is left to it until that run must have ended.
#[test]
fn a_channel_in_another_runs_hands_is_left_until_that_ends() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        let mut state = course.poll_state().await;
        state.lease = Some(Lease {
            owner: "another run".to_owned(),
            until: after(course.now(), seconds(55)),
        });
        course.world.store.save_poll(CHANNEL, &mut state).await.unwrap();
        assert_eq!(course.poll().await.skipped, Some(Skipped::OtherRun));
        course.pass(seconds(54)).await;
        assert_eq!(course.poll().await.skipped, Some(Skipped::OtherRun));
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
        assert!(
            skipped.contains(&None) && skipped.contains(&Some(Skipped::OtherRun)),
            "{skipped:?}"
        );
        assert_eq!(course.calls(Kind::Accept, "").len(), 1);
    });
}

#[test]
fn a_mode_that_is_off_calls_nothing() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.set_mode(Mode::Off);
        assert_eq!(course.poll().await.skipped, Some(Skipped::Off));
        assert_eq!(course.world.effects.get(), 0);
    });
}

/// What left the open states unseen is looked up by its id with the next full listing.
#[test]
fn orders_gone_unseen_are_sought_by_id_after_a_full_listing() {
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
            course
                .world
                .calls
                .borrow()
                .iter()
                .filter(|call| call.kind == Kind::List && call.about.contains(" 1 ids"))
                .count()
        };
        assert_eq!(by_id(course), 1);
        course.live(6).await;
        assert_eq!(by_id(course), 1, "it is over");
    });
}

/// Orders that wait for Prima are looked up only when one may try.
#[test]
fn look_ups_of_waiting_orders_happen_only_when_one_may_try() {
    let at = |minute: u64| Moment(minute * 60_000);
    let mut plan = nothing_yet();
    plan.prima_down = Windows(vec![(at(0), at(60))]);
    plan.behaviour.probe_interval_seconds = 600;
    play(plan, async |course| {
        for number in 1..=3 {
            course.sells(&format!("A-{number}"));
        }
        course.live(12).await;
        let breakers = course.world.store.load_breakers().await.unwrap();
        assert!(breakers.stops_creation());
        // Sold while a breaker is open: accepted at once, and kept as a row without any question to
        // Prima.
        let asked = course.calls(Kind::Ask, "").len();
        let by_id = || course.calls(Kind::List, "harbour-uk 0 states").len();
        let before = by_id();
        course.sells("B-1");
        course.live(2).await;
        assert_eq!(
            (course.sale("B-1").order.order_state, course.stage("B-1").await),
            (OrderState::Shipping, Stage::Firm)
        );
        course.live(30).await;
        let probes = course.calls(Kind::Ask, "").len() - asked;
        assert!(
            (2..=4).contains(&probes),
            "{probes} questions in half an hour, with a probe in ten minutes"
        );
        assert!(
            (2..=5).contains(&(by_id() - before)),
            "{} look-ups for {probes} probes",
            by_id() - before
        );
        course.live(40).await;
        for order in ["A-1", "A-2", "A-3", "B-1"] {
            assert_eq!(course.stage(order).await, Stage::Created, "{order}");
        }
        let shown = course.world.store.orders_in(CHANNEL, Stage::Firm.name(), 10).await.unwrap();
        assert_eq!(shown, Vec::<OrderKey>::new());
    });
}

/// A hundred orders at most are looked up by their ids, and the rest with the next full listing.
#[test]
fn look_ups_by_id_stop_at_a_hundred_for_each_full_listing() {
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
            let by_id = calls
                .iter()
                .filter(|call| call.kind == Kind::List && !call.about.contains(" 0 ids"));
            by_id
                .map(|call| call.about.split(' ').nth(3).unwrap().parse::<usize>().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(looked_up(), Vec::<usize>::new());
        course.live(16).await;
        assert_eq!(looked_up(), [100, 30], "in two minutes");
        for id in &ids {
            assert_eq!(course.stage(id).await, Stage::Shipped);
        }
    });
}

/// A poll that hangs is ended two seconds before its function, and the next goes on.
#[test]
fn a_hanging_poll_ends_before_its_function_does() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.lasts(Kind::List, minutes(5));
        let began = course.now();
        let report = course.poll().await;
        assert_eq!(
            (report.counts.get("poll_failed_time"), report.completed),
            (Some(&1), false),
            "{report:?}"
        );
        assert_eq!(course.now().duration_since(began).as_secs(), 53);
        course.lasts(Kind::List, seconds(1));
        course.pass(seconds(7)).await;
        course.live(3).await;
        assert_eq!(course.stage("A-1").await, Stage::Created);
    });
}

/// A full listing that does not fit into one run goes on in the next where it stopped.
#[test]
fn a_long_full_listing_resumes_in_the_next_run() {
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
        // First what waits for acceptance alone, then the rest of the listing.
        let report = course.poll().await;
        assert_eq!((report.pages, report.acknowledged, report.completed), (2, 60, true));
        let offsets: Vec<_> = course
            .list_calls()
            .iter()
            .map(|about| about.rsplit(' ').next().unwrap().to_owned())
            .collect();
        assert_eq!(offsets[..4], ["0", "90", "0", "180"]);
        course.lasts(Kind::List, Duration::from_millis(80));
        course.pass(seconds(25)).await;
        course.live(7).await;
        for number in 0..250 {
            assert_eq!(course.stage(&format!("A-{number:03}")).await, Stage::Created);
        }
        // With a mark, a window comes between: what is new is never late.
        course.lasts(Kind::List, seconds(16));
        let mut completed = 0;
        for number in 0..12 {
            let id = format!("B-{number}");
            course.sells(&id);
            let report = course.poll().await;
            completed += usize::from(report.completed);
            course.pass(seconds(5)).await;
            assert!(
                course.sale(&id).accepted_by_connector.is_some() || report.pages == 2,
                "{id}: {report:?}"
            );
        }
        assert!(completed >= 8, "{completed} of 12");
        let state = course.poll_state().await;
        let age = course.now().duration_since(state.full_completed_at.unwrap());
        assert!(
            age.as_secs() < 600,
            "the latest complete listing of all that is open is {age:#} old"
        );
    });
}

/// Orders that waited for Prima go on once it is back, whatever the listings do.
#[test]
fn waiting_orders_resume_with_prima_even_under_call_limits() {
    let at = |minute: u64| Moment(minute * 60_000);
    for (calls, other_every) in
        [(1, None), (2, None), (2, Some(seconds(31))), (3, Some(seconds(20)))]
    {
        let mut plan = nothing_yet();
        plan.prima_down = Windows(vec![(at(20), at(50))]);
        plan.behaviour.probe_interval_seconds = 60;
        play(plan, async |course| {
            course.limits(calls, seconds(55), other_every);
            for number in 0..150 {
                course.sells(&format!("A-{number:03}"));
            }
            course.live(20).await;
            for number in 0..60 {
                course.sells(&format!("B-{number:02}"));
            }
            course.live(30).await;
            let firm =
                course.world.store.orders_in(CHANNEL, Stage::Firm.name(), 100).await.unwrap();
            assert!(firm.len() >= 55, "{} wait for Prima", firm.len());
            // A probe within a minute or two, then all of them; each listing may have to leave its
            // turn to another.
            course.live(6).await;
            for number in 0..60 {
                assert_eq!(
                    course.stage(&format!("B-{number:02}")).await,
                    Stage::Created,
                    "{calls} calls, another each {other_every:?}"
                );
            }
            course.live(40).await;
            let full = course.poll_state().await.full_completed_at.unwrap();
            let age = course.now().duration_since(full);
            assert!(
                other_every.is_some() || age.as_secs() < 900,
                "{calls} calls: the latest full listing is {age:#} old"
            );
        });
    }
}

/// A limit that would be waited for too long ends the run, and one that is over soon does not.
#[test]
fn a_long_rate_limit_ends_the_run_and_a_short_one_does_not() {
    play(nothing_yet(), async |course| {
        course.limits(1, seconds(55), None);
        course.sells("A-1");
        course.live(1).await;
        course.sells("A-2");
        course.world.wait_for_limit(0).unwrap();
        let began = course.now();
        // 55 seconds to wait: the run could only begin.
        let report = course.poll().await;
        assert_eq!((report.pages, report.completed), (0, false));
        assert!(course.now().duration_since(began).as_secs() < 2);
        course.pass(seconds(35)).await;
        // Some 20 seconds: pages can be read afterwards, and sales accepted.
        let report = course.poll().await;
        assert_eq!((report.pages, report.acknowledged, report.completed), (1, 1, true));
    });
}

/// A channel whose open orders are never listed whole is told of after fifteen minutes and once.
#[test]
fn a_channel_never_listed_whole_is_told_once_after_a_while() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.live(2).await;
        course.breaks(Kind::List, "harbour-uk 5 states");
        course.live(13).await;
        assert_eq!(course.events(EventKind::ChannelNotListed), []);
        course.live(30).await;
        let events = course.events(EventKind::ChannelNotListed);
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(
            events[0].reason.contains("no complete listing of all its open orders"),
            "{}",
            events[0].reason
        );
        assert!(events[0].needs_person);
        course.is_mended();
        course.live(30).await;
        assert_eq!(course.events(EventKind::ChannelNotListed).len(), 1);
    });
}

#[test]
fn pages_shorter_than_asked_hide_no_order() {
    for longest_page in [50, 99] {
        play(nothing_yet(), async |course| {
            for number in 0..119 {
                course.sells_with(&format!("A-{number:03}"), OrderState::Shipping, |_| {});
            }
            course.world.shop(CHANNEL, |shop| shop.longest_page = longest_page);
            course.sells("A-119");
            course.live(2).await;
            assert!(
                course.sale("A-119").accepted_by_connector.is_some(),
                "pages of {longest_page}"
            );
            course.live(8).await;
            for number in 0..120 {
                assert_eq!(
                    course.stage(&format!("A-{number:03}")).await,
                    Stage::Created,
                    "pages of {longest_page}"
                );
            }
        });
    }
}

/// A state that is not known is told once, and such orders starve nobody.
fn being_checked(order: &mut Order) {
    order.order_state = OrderState::Other("WAITING_SELLER_CHECK".to_owned());
}

#[test]
fn an_unknown_state_is_told_once_and_starves_no_order() {
    play(nothing_yet(), async |course| {
        let ids: Vec<String> = (0..110).map(|number| format!("A-{number:03}")).collect();
        for id in &ids {
            course.sells(id);
        }
        course.live(7).await;
        course.sells("Z-1");
        course.live(3).await;
        for id in &ids {
            course.world.shop(CHANNEL, |shop| {
                shop.shows(id, Some(being_checked));
            });
        }
        // Cancelled while no window showed it.
        course.world.shop(CHANNEL, |shop| {
            shop.shows("Z-1", Some(|order| order.order_state = OrderState::Canceled))
        });
        course.live(10).await;
        assert_eq!(course.stage("Z-1").await, Stage::Cancelled);
        assert_eq!(course.stage(&ids[0]).await, Stage::Created);
        let events = course.events(EventKind::UnknownValue);
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(
            events[0].reason.contains("order_state WAITING_SELLER_CHECK") && events[0].needs_person,
            "{events:?}"
        );
        // One value more, on a line this time; and what a line is may hold no customer's data.
        course.world.shop(CHANNEL, |shop| {
            let ripening: Shows = |order| {
                being_checked(order);
                order.order_lines[0].order_line_state =
                    Some(OrderState::Other("RIPENING".to_owned()));
            };
            shop.shows(&ids[1], Some(ripening));
        });
        course.live(20).await;
        assert_eq!(course.events(EventKind::UnknownValue).len(), 2);
        // They are asked for as long as they are open, and go on once their state is known.
        for id in &ids {
            course.world.shop(CHANNEL, |shop| {
                shop.shows(id, None);
                shop.model.ship(id, course.now())
            });
        }
        course.live(12).await;
        for id in &ids {
            assert_eq!(course.stage(id).await, Stage::Shipped, "{id}");
        }
    });
}

#[test]
fn a_field_that_is_done_without_is_told_once() {
    play(nothing_yet(), async |course| {
        for id in ["A-1", "A-2"] {
            course.sells_with(id, OrderState::WaitingAcceptance, |sale| {
                sale.shows = Some(|order| {
                    order.unread_fields =
                        vec![r#"shipping_deadline in form "99.99.9999""#.to_owned()];
                });
            });
        }
        course.live(10).await;
        let events = course.events(EventKind::UnknownValue);
        assert_eq!(events.len(), 1, "{events:?}");
        assert!(
            events[0].reason.contains("shipping_deadline in form") && events[0].needs_person,
            "{events:?}"
        );
        assert_eq!(
            (course.stage("A-1").await, course.stage("A-2").await),
            (Stage::Created, Stage::Created)
        );
    });
}

/// Firm orders in a state that is not known keep no other from Prima.
#[test]
fn unknown_states_of_firm_orders_block_no_other_order() {
    let at = |minute: u64| Moment(minute * 60_000);
    let mut plan = nothing_yet();
    plan.prima_down = Windows(vec![(at(0), at(20))]);
    plan.behaviour.probe_interval_seconds = 60;
    play(plan, async |course| {
        let ids: Vec<String> = (0..130).map(|number| format!("A-{number:03}")).collect();
        for id in &ids {
            course.sells(id);
        }
        course.live(10).await;
        // All but the latest ten.
        for id in &ids[..120] {
            if course.stage(id).await == Stage::Firm {
                course.world.shop(CHANNEL, |shop| {
                    shop.shows(id, Some(being_checked));
                });
            }
        }
        course.live(30).await;
        for id in &ids[120..] {
            assert_eq!(course.stage(id).await, Stage::Created, "{id}");
        }
        assert_eq!(course.stage(&ids[50]).await, Stage::Firm);
        assert_eq!(course.events(EventKind::UnknownValue).len(), 1);
        for id in &ids[..120] {
            course.world.shop(CHANNEL, |shop| shop.shows(id, None));
        }
        course.live(8).await;
        for id in &ids {
            assert_eq!(course.stage(id).await, Stage::Created, "{id}");
        }
    });
}

/// A refusal that happened before the channel was first listed is told.
#[test]
fn a_refusal_before_the_first_listing_is_still_told() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.pass(minutes(301)).await;
        assert_eq!(course.sale("A-1").order.order_state, OrderState::Refused);
        course.sells("A-2");
        course.live(3).await;
        let events = course.events(EventKind::AcceptanceWindowMissed);
        assert_eq!(
            events.iter().map(|event| event.order.as_deref()).collect::<Vec<_>>(),
            [Some("A-1")]
        );
        course.live(12).await;
        assert_eq!(course.events(EventKind::AcceptanceWindowMissed).len(), 1);
        assert_eq!(
            (course.stage("A-1").await, course.stage("A-2").await),
            (Stage::Refused, Stage::Created)
        );
    });
}

/// An order whose date of change disappears is created all the same.
#[test]
fn a_vanished_date_of_change_does_not_prevent_creation() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::WaitingAcceptance, |sale| {
            sale.debit_after = Some(minutes(3))
        });
        course.live(2).await;
        assert!(course.row("A-1").await.listing.updated.is_some());
        course.pass(minutes(2)).await;
        course.world.shop(CHANNEL, |shop| {
            shop.shows("A-1", Some(|order| order.last_updated_date = None));
        });
        course.live(10).await;
        assert_eq!(course.stage("A-1").await, Stage::Created);
    });
}

/// A lost message is sent again after minutes, and one that is late by intent is not.
#[test]
fn lost_messages_are_re_sent_but_deliberately_late_ones_wait() {
    play(nothing_yet(), async |course| {
        course.sells("A-1");
        course.poll().await;
        course.poll().await;
        assert_eq!(course.stage("A-1").await, Stage::Queued);
        course.loses_all_messages();
        course.live(9).await;
        assert_eq!(course.stage("A-1").await, Stage::Created);
        assert_eq!(course.calls(Kind::Send, "A-1").len(), 2);
    });
    // In doubt, and asked for again when Prima can no longer be at it: that message is waited for,
    // however late it comes.
    let mut plan = nothing_yet();
    plan.behaviour.longest_execution_seconds = 840;
    play(plan, async |course| {
        course.sells("A-1");
        course.strikes(Kind::NewOrder, "A-1", Fate::Fails);
        course.live(14).await;
        assert_eq!(course.stage("A-1").await, Stage::InDoubt);
        assert_eq!(course.queued(), 1);
        assert_eq!(course.calls(Kind::Send, "A-1").len(), 2, "to be created, and to be asked for");
    });
}
