#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use proptest::prelude::*;

use super::*;
use crate::domain::stock::rules::{Sourced, StockRules};
use crate::kit::clock::after;

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn minutes_ago(minutes: u64) -> Timestamp {
    before(now(), Duration::from_secs(60 * minutes))
}

fn limits(share: u32, buffer: u32, cap: Option<u32>) -> OfferLimits<'static> {
    OfferLimits {
        share_percent: Sourced { value: share, rule: None },
        buffer: Sourced { value: buffer, rule: None },
        cap: Sourced { value: cap, rule: None },
        excluded: Sourced { value: false, rule: None },
    }
}

fn terms(in_flight: u32, limits: OfferLimits<'static>) -> Terms<'static> {
    Terms { in_flight, limits, offers_last_units: true }
}

fn settings() -> StockSettings {
    StockSettings { last_units: 2, last_units_on: vec!["uk".into()], ..StockSettings::default() }
}

/// The rule is the share, then the buffer, then the cap of what is not in flight.
#[test]
fn an_offer_applies_share_buffer_and_cap_to_what_is_free() {
    for (free, in_flight, share, buffer, cap, expected) in [
        (3, 0, 100, 0, None, 3),
        (10, 4, 50, 1, None, 2),
        (10, 4, 50, 1, Some(1), 1),
        (7, 0, 50, 0, None, 3),
        (5, 9, 100, 0, None, 0),
        (5, 0, 100, 9, None, 0),
        (5, 0, 0, 0, None, 0),
        (u32::MAX, 0, 100, 0, None, u32::MAX),
        (u32::MAX, 0, 99, 0, Some(1_000_000_000), 1_000_000_000),
    ] {
        assert_eq!(
            offered(free, &terms(in_flight, limits(share, buffer, cap))),
            expected,
            "{free} {in_flight} {share} {buffer} {cap:?}"
        );
    }
    let excluded =
        OfferLimits { excluded: Sourced { value: true, rule: None }, ..limits(100, 0, None) };
    assert_eq!(offered(9, &terms(0, excluded)), 0);
}

#[test]
fn the_age_of_the_figure_says_what_may_be_done_with_it() {
    let figure = |minutes| Known::Figure { free: 9, asked_at: minutes_ago(minutes) };
    let of =
        |known, outage| wanted(known, &terms(1, limits(100, 0, None)), &settings(), outage, now());
    assert_eq!(of(figure(0), OutageRule::Keep), (Wanted::Exactly(8), Why::Fresh));
    assert_eq!(of(figure(10), OutageRule::Keep), (Wanted::Exactly(8), Why::Fresh));
    assert_eq!(of(figure(11), OutageRule::Zero), (Wanted::AtMost(8), Why::Ageing));
    assert_eq!(of(figure(240), OutageRule::Zero), (Wanted::AtMost(8), Why::Ageing));
    assert_eq!(of(figure(241), OutageRule::Zero), (Wanted::Exactly(0), Why::Silent));
    assert_eq!(of(figure(241), OutageRule::Keep), (Wanted::AtMost(8), Why::Silent));
    assert_eq!(
        of(Known::Absent { free: 9, readings: 2 }, OutageRule::Keep),
        (Wanted::AtMost(8), Why::Missing)
    );
    assert_eq!(
        of(Known::Absent { free: 9, readings: 3 }, OutageRule::Keep),
        (Wanted::Exactly(0), Why::Gone)
    );
    assert_eq!(
        of(Known::Unusable { last: Some(9) }, OutageRule::Keep),
        (Wanted::AtMost(8), Why::Unusable)
    );
    assert_eq!(
        of(Known::Unusable { last: None }, OutageRule::Keep),
        (Wanted::Anything, Why::Unusable)
    );
    assert_eq!(of(Known::Never, OutageRule::Zero), (Wanted::Anything, Why::NeverSeen));
}

/// The last units are offered on one channel, and what is excluded is offered nowhere.
#[test]
fn last_units_are_on_one_channel_and_excluded_skus_on_none() {
    let figure = |free| Known::Figure { free, asked_at: now() };
    let elsewhere = |free| {
        wanted(
            figure(free),
            &Terms { offers_last_units: false, ..terms(1, limits(100, 0, None)) },
            &settings(),
            OutageRule::Keep,
            now(),
        )
        .0
    };
    assert_eq!((elsewhere(4), elsewhere(3)), (Wanted::Exactly(3), Wanted::Exactly(0)));
    let here =
        wanted(figure(3), &terms(1, limits(100, 0, None)), &settings(), OutageRule::Keep, now()).0;
    assert_eq!(here, Wanted::Exactly(2));
    let excluded =
        OfferLimits { excluded: Sourced { value: true, rule: None }, ..limits(100, 0, None) };
    assert_eq!(
        wanted(Known::Never, &terms(0, excluded), &settings(), OutageRule::Keep, now()),
        (Wanted::Exactly(0), Why::Excluded)
    );
}

/// What lowers a quantity goes out, and what raises it waits for the other channels.
#[test]
fn lower_quantities_go_at_once_and_higher_ones_wait() {
    use Shown::{InDoubt, Known, Never, Unknown};
    use Wanted::{Anything, AtMost, Exactly};
    for (wanted, shown, others_are_down, expected) in [
        (Exactly(5), Known(5), true, None),
        (Exactly(4), Known(5), false, Some(4)),
        (Exactly(6), Known(5), false, None),
        (Exactly(6), Known(5), true, Some(6)),
        (Exactly(5), Unknown(5), true, Some(5)),
        (Exactly(5), Unknown(5), false, None),
        (Exactly(0), Unknown(0), false, Some(0)),
        (Exactly(5), InDoubt(5), true, Some(5)),
        (Exactly(4), InDoubt(5), false, Some(4)),
        (Exactly(5), Never, false, Some(5)),
        (AtMost(5), Known(5), true, None),
        (AtMost(4), Known(5), false, Some(4)),
        (AtMost(6), Known(5), true, None),
        (AtMost(5), Unknown(5), true, None),
        (Anything, Unknown(5), true, None),
    ] {
        assert_eq!(
            to_publish(wanted, shown, others_are_down),
            expected,
            "{wanted:?} {shown:?} {others_are_down}"
        );
    }
    assert!(may_show_too_much(Exactly(4), InDoubt(5)) && may_show_too_much(AtMost(0), Unknown(1)));
    assert!(
        !may_show_too_much(Exactly(5), Known(5))
            && !may_show_too_much(Exactly(0), Never)
            && !may_show_too_much(Anything, Unknown(9))
    );
}

proptest! {
    /// No rule offers more than is free, and less of anything never offers more.
    #[test]
    fn rules_never_oversell_and_tighter_ones_offer_no_more(
        free in 0..1000_u32, in_flight in 0..1000_u32, share in 0..=100_u32, buffer in 0..20_u32, cap in prop::option::of(0..50_u32), more in 1..20_u32,
    ) {
        let of = |free, in_flight, share, buffer| offered(free, &terms(in_flight, limits(share, buffer, cap)));
        let offer = of(free, in_flight, share, buffer);
        prop_assert!(offer <= free.saturating_sub(in_flight));
        prop_assert!(offer <= of(free + more, in_flight, share, buffer));
        prop_assert!(offer >= of(free, in_flight + more, share, buffer));
        prop_assert!(offer >= of(free, in_flight, share, buffer + more));
        let rules = StockRules::default();
        prop_assert_eq!(offered(free, &Terms { in_flight, limits: rules.limits_of("A", "A", after(now(), Duration::ZERO)), offers_last_units: true }), free.saturating_sub(in_flight));
    }
}
