//! The daily look at both sides, and orders that are the marketplace's own to ship.

use shared::domain::events::EventKind;
use shared::domain::order::row::{ExceptionKind, OrderKey, Stage};
use shared::domain::state::OrderStore as _;
use shared::mirakl::OrderState;
use system_tests::simulation::course::{CHANNEL, Course, nothing_yet, play};
use system_tests::simulation::marketplace::{Happening, Sale};
use system_tests::world::fate::Kind;

async fn has_row(course: &Course, id: &str) -> bool {
    course.world.store.load_order(&OrderKey::new(CHANNEL, id)).await.unwrap().is_some()
}

fn from_centre(code: &'static str) -> impl FnOnce(&mut Sale) {
    move |sale| sale.order.fulfillment_center_code = code
}

/// An order that was shipped by hand while nobody listed is told by the daily look once.
#[test]
fn the_daily_look_tells_unlisted_hand_shipments_once() {
    play(nothing_yet(), async |course| {
        course.live(2).await;
        // Taken, paid and shipped in the back office within a minute, as in an outage.
        course.sells_with("A-1", OrderState::Shipping, |_| {});
        course.happens("A-1", Happening::Ship);
        course.sells_with("A-2", OrderState::Shipping, |_| {});
        course.happens("A-2", Happening::RefundAll);
        course.happens("A-2", Happening::Close);
        course.live(8).await;
        assert!(!has_row(course, "A-1").await, "no listing ever showed it");
        for _day in 0..2 {
            course.look_is_due().await;
            course.live(8).await;
            let exception = course.row("A-1").await.exception.unwrap();
            assert_eq!(
                (exception.kind, course.told("A-1")),
                (ExceptionKind::ShippedOutsidePrima, (1, 1))
            );
            assert_eq!(
                (course.stage("A-2").await, course.told("A-2")),
                (Stage::Cancelled, (0, 0)),
                "nothing left"
            );
        }
        assert_eq!(course.calls(Kind::NewOrder, "").len(), 0);
    });
}

#[test]
fn an_order_of_before_the_take_over_is_no_news() {
    play(nothing_yet(), async |course| {
        course.live(2).await;
        let long_ago =
            course.poll_state().await.listed_at.unwrap() - jiff::SignedDuration::from_hours(30);
        course.sells_with("A-1", OrderState::Shipping, |sale| sale.order.created = long_ago);
        course.happens("A-1", Happening::Ship);
        course.look_is_due().await;
        course.live(8).await;
        assert!(!has_row(course, "A-1").await);
    });
}

#[test]
fn an_order_that_mirakl_does_not_know_any_more_is_told_once() {
    play(nothing_yet(), async |course| {
        for id in ["A-1", "A-2"] {
            course.sells(id);
        }
        course.live(3).await;
        course.world.shop(CHANNEL, |shop| shop.forget("A-1"));
        course.live(8).await;
        assert_eq!((course.stage("A-1").await, course.told("A-1")), (Stage::Created, (0, 0)));
        for _day in 0..2 {
            course.look_is_due().await;
            course.live(8).await;
            let exception = course.row("A-1").await.exception.unwrap();
            assert_eq!((exception.kind, course.told("A-1")), (ExceptionKind::NotInMirakl, (1, 1)));
            assert!(exception.reason.contains("in Prima it is A-1"), "{}", exception.reason);
            assert_eq!((course.stage("A-2").await, course.told("A-2")), (Stage::Created, (0, 0)));
        }
    });
}

/// A marketplace that knows none of many orders makes no message of each of them.
#[test]
fn a_marketplace_lacking_many_orders_raises_no_single_alerts() {
    play(nothing_yet(), async |course| {
        let ids: Vec<String> = (10..22).map(|number| format!("A-{number}")).collect();
        for id in &ids {
            course.sells(id);
        }
        course.live(3).await;
        for id in &ids {
            course.world.shop(CHANNEL, |shop| shop.forget(id));
        }
        course.look_is_due().await;
        course.live(30).await;
        for id in &ids {
            assert_eq!((course.stage(id).await, course.told(id)), (Stage::Created, (0, 0)));
        }
        let told = course.events(EventKind::OrdersNotInMirakl);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].needs_person && told[0].reason.contains("none of the 12 open orders"),
            "{}",
            told[0].reason
        );
        assert!(told[0].remedy.contains("prima-mirakl check harbour-uk"), "{}", told[0].remedy);
        assert_eq!(
            course.poll_state().await.look.began,
            None,
            "they are not asked for again at once"
        );
        for _day in 0..2 {
            course.look_is_due().await;
            course.live(8).await;
        }
        assert_eq!(course.events(EventKind::OrdersNotInMirakl).len(), 1, "once, until it is over");
        // The right key is stored: what is open is known.
        course.world.shop(CHANNEL, |shop| shop.remember());
        course.look_is_due().await;
        course.live(8).await;
        for id in &ids {
            course.world.shop(CHANNEL, |shop| shop.forget(id));
        }
        course.look_is_due().await;
        course.live(8).await;
        assert_eq!(course.events(EventKind::OrdersNotInMirakl).len(), 2, "it happened again");
    });
}

/// That a marketplace knows none of the orders is told, although the bus failed at first.
#[test]
fn a_failing_bus_only_delays_news_of_orders_not_in_mirakl() {
    play(nothing_yet(), async |course| {
        let ids: Vec<String> = (10..22).map(|number| format!("A-{number}")).collect();
        for id in &ids {
            course.sells(id);
        }
        course.live(3).await;
        for id in &ids {
            course.world.shop(CHANNEL, |shop| shop.forget(id));
        }
        course.look_is_due().await;
        course.breaks(Kind::Publish, "");
        course.live(8).await;
        assert_eq!(course.events(EventKind::OrdersNotInMirakl), []);
        course.is_mended();
        course.live(3).await;
        assert_eq!(course.events(EventKind::OrdersNotInMirakl).len(), 1);
    });
}

/// A look that fails or waits holds nothing up and goes on later.
#[test]
fn a_failed_or_waiting_look_delays_nothing_and_resumes() {
    play(nothing_yet(), async |course| {
        course.live(2).await;
        course.sells_with("A-1", OrderState::Shipping, |_| {});
        course.happens("A-1", Happening::Ship);
        course.look_is_due().await;
        course.breaks(Kind::List, "harbour-uk 4 states");
        course.sells("A-2");
        course.live(4).await;
        assert_eq!(
            (course.stage("A-2").await, has_row(course, "A-1").await),
            (Stage::Created, false)
        );
        course.is_mended();
        course.live(8).await;
        assert_eq!(course.told("A-1"), (1, 1));
    });
}

/// What the marketplace ships itself needs nobody and closes by itself.
#[test]
fn marketplace_shipped_orders_need_nobody_until_they_close() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::WaitingAcceptance, |sale| {
            sale.shows = Some(|order| order.can_shop_ship = Some(false))
        });
        for id in ["A-2", "A-3"] {
            course.sells_with(id, OrderState::WaitingAcceptance, from_centre("MKP-DC1"));
        }
        course.sells_with("A-4", OrderState::WaitingAcceptance, from_centre("DEFAULT"));
        course.live(12).await;
        for id in ["A-1", "A-2", "A-3"] {
            assert_eq!(
                (course.stage(id).await, course.told(id)),
                (Stage::OperatorFulfilled, (0, 0))
            );
            let row = course.row(id).await;
            assert_eq!(
                shared::domain::stock::flight::Flight::of(&row)
                    .lines
                    .iter()
                    .map(|line| line.units)
                    .sum::<u32>(),
                0
            );
        }
        assert_eq!(
            (course.stage("A-4").await, course.calls(Kind::NewOrder, "").len()),
            (Stage::Created, 1)
        );
        course.happens("A-1", Happening::Ship);
        course.happens("A-2", Happening::Ship);
        course.happens("A-2", Happening::Close);
        course.happens("A-3", Happening::Cancel);
        course.look_is_due().await;
        course.live(8).await;
        for (id, stage) in
            [("A-1", Stage::Shipped), ("A-2", Stage::Shipped), ("A-3", Stage::Cancelled)]
        {
            assert_eq!((course.stage(id).await, course.told(id)), (stage, (0, 0)), "{id}");
        }
    });
}

#[test]
fn an_order_that_the_shop_ships_after_all_is_created() {
    play(nothing_yet(), async |course| {
        course.sells_with("A-1", OrderState::WaitingAcceptance, |sale| {
            sale.shows = Some(|order| order.can_shop_ship = Some(false))
        });
        course.live(3).await;
        assert_eq!(course.stage("A-1").await, Stage::OperatorFulfilled);
        course.world.shop(CHANNEL, |shop| shop.shows("A-1", None));
        course.happens("A-1", Happening::Touch);
        course.live(3).await;
        assert_eq!(
            (course.stage("A-1").await, course.calls(Kind::NewOrder, "").len()),
            (Stage::Created, 1)
        );
    });
}
