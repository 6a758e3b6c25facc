#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use jiff::Timestamp;

use super::*;
use crate::domain::channel::Channel;
use crate::domain::order::mapping::SkuReader;
use crate::domain::order::row::OrderRow;
use crate::domain::order::rules::SkuRules;
use crate::domain::stock::availability::LastUnits;
use crate::domain::stock::division::{Division, Quota};
use crate::domain::stock::figures::Figures;
use crate::domain::stock::flight::Flight;
use crate::domain::stock::in_flight::{InFlight, Unprotected, sold_since};
use crate::domain::stock::ledger::{Change, sku_hash};
use crate::domain::stock::memory::PushMemory;
use crate::domain::stock::outstanding::Outstanding;
use crate::domain::stock::rules::StockRules;
use crate::domain::stock::settings::StockSettings;
use crate::domain::stock::snapshot::{self, ChannelSnapshot};
use crate::domain::stock::sold_skus::SoldSkus;
use crate::mirakl::Order;
use crate::prima::sku::SkuOverride;
use crate::prima::stock::{Figure, ProductRange, RangeReading};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
}

fn skus() -> SkuReader {
    let odd = SkuOverride { product: "W9".into(), matrix_codes: vec!["RED".into(), "8".into()] };
    SkuReader::new(
        &SkuRules::default(),
        HashMap::from([("ODD".to_owned(), odd), ("BAD".to_owned(), SkuOverride::default())]),
    )
}

fn key(offer_sku: &str) -> SkuKey {
    skus().read(offer_sku).unwrap().key()
}

/// Figures that were asked for at minute 0.
fn figures(of: &[(&str, u32)]) -> Figures {
    let mut read: Vec<Figure> = of.iter().map(|(sku, free)| Figure::new(key(sku), *free)).collect();
    read.sort_unstable();
    let reading = RangeReading {
        asked_at: at(0),
        figures: read,
        unusable: Vec::new(),
        below_zero: 0,
        nameless: 0,
        products: Vec::new(),
        length: 0,
    };
    let mut figures = Figures::default();
    figures.take(&[(ProductRange::default(), reading)], true);
    figures
}

fn flight(channel: &str, offer_sku: &str, units: u32) -> Flight {
    let order: Order = serde_json::from_str(&format!(
        r#"{{"order_id":"{channel}-A","order_state":"SHIPPING","order_lines":[{{"order_line_id":"1","offer_sku":"{offer_sku}","quantity":{units},"price":1}}]}}"#
    ))
    .unwrap();
    Flight::of(&OrderRow::first_seen(channel, &order, at(0)))
}

fn offers(skus: &[&str]) -> OffersList {
    let mut list = OffersList::new(at(0));
    for sku in skus {
        assert!(list.add(sku));
    }
    list
}

fn ledger(of: &[(&str, Shown)]) -> Ledger {
    let mut ledger = Ledger::default();
    let changes: Vec<Change> =
        of.iter().map(|(sku, value)| Change { sku_hash: sku_hash(sku), value: *value }).collect();
    ledger.apply(&ledger.effective(&changes));
    ledger
}

fn availability<'a>(
    figures: &'a Figures,
    settings: &'a StockSettings,
    flights: &[Flight],
) -> Availability<'a> {
    let mut in_flight = InFlight::default();
    in_flight.add(&skus(), flights, figures, settings);
    Availability {
        figures,
        settings,
        in_flight,
        last_units: LastUnits::default(),
        division: Division::default(),
        now: at(5),
    }
}

fn evaluated(availability: &Availability<'_>, ledger: &Ledger, list: &[&str]) -> Evaluation {
    let (rules, skus) = (StockRules::default(), skus());
    let channel =
        SalesChannel { id: "uk", rules: &rules, skus: &skus, ledger, sold_elsewhere: None };
    evaluate(availability, &channel, &offers(list), &HashMap::new(), |_, _| false)
}

fn shown(evaluation: &Evaluation) -> Vec<(&str, u32, bool)> {
    evaluation
        .lines
        .iter()
        .map(|line| (line.offer_sku.as_str(), line.quantity, line.raises))
        .collect()
}

#[test]
fn what_any_channel_has_sold_is_offered_on_none() {
    let (figures, settings) =
        (figures(&[("W1-NAV-10", 5), ("W9-RED-8", 4)]), StockSettings::default());
    let availability = availability(
        &figures,
        &settings,
        &[flight("eu", "W1-NAV-10", 2), flight("uk", "ODD", 4), flight("fr", "NOSUCH", 3)],
    );
    assert_eq!(availability.in_flight.of(key("W1-NAV-10")), 2);
    assert_eq!(
        availability.in_flight.unprotected,
        [Unprotected { channel: "fr".into(), offer_sku: "NOSUCH".into(), units: 3 }]
    );
    let ledger = ledger(&[("W1-NAV-10", Shown::Known(5)), ("ODD", Shown::Known(4))]);
    let evaluation = evaluated(&availability, &ledger, &["W1-NAV-10", "ODD"]);
    assert_eq!(shown(&evaluation), [("ODD", 0, false), ("W1-NAV-10", 3, false)], "zeroes first");
    assert_eq!((evaluation.to_lower, evaluation.at_buffer), (2, 2));
    let calm = StockRules { urgent_units: 2, ..StockRules::default() };
    let (list, skus) = (["W1-NAV-10", "ODD"], skus());
    let channel =
        SalesChannel { id: "uk", rules: &calm, skus: &skus, ledger: &ledger, sold_elsewhere: None };
    assert_eq!(
        evaluate(&availability, &channel, &offers(&list), &HashMap::new(), |_, _| false).at_buffer,
        1
    );
    assert_eq!(evaluation.too_much, HashSet::from([key("ODD"), key("W1-NAV-10")]));
    assert!(evaluation.lines.iter().all(|line| !line.guarded), "sold out is no mistake of Prima's");
}

#[test]
fn only_what_differs_is_published_and_what_raises_comes_last() {
    let (figures, settings) = (
        figures(&[("A-N-1", 3), ("B-N-1", 3), ("C-N-1", 3), ("D-N-1", 3), ("E-N-1", 3)]),
        StockSettings::default(),
    );
    let availability = availability(&figures, &settings, &[]);
    let ledger = ledger(&[
        ("A-N-1", Shown::Known(3)),
        ("B-N-1", Shown::Known(1)),
        ("C-N-1", Shown::Unknown(3)),
        ("D-N-1", Shown::InDoubt(7)),
        ("E-N-1", Shown::Never),
    ]);
    let evaluation =
        evaluated(&availability, &ledger, &["A-N-1", "B-N-1", "C-N-1", "D-N-1", "E-N-1"]);
    assert_eq!(
        shown(&evaluation),
        [("D-N-1", 3, false), ("E-N-1", 3, false), ("B-N-1", 3, true), ("C-N-1", 3, true)]
    );
    assert_eq!(evaluation.too_much, HashSet::from([key("D-N-1")]));
}

#[test]
fn what_a_channel_has_lowered_by_its_own_sales_presses_nobody() {
    let (figures, settings) = (figures(&[("A-N-1", 5)]), StockSettings::default());
    let availability = availability(&figures, &settings, &[flight("uk", "A-N-1", 2)]);
    let (rules, skus, ledger) =
        (StockRules::default(), skus(), ledger(&[("A-N-1", Shown::Unknown(5))]));
    let channel = SalesChannel {
        id: "uk",
        rules: &rules,
        skus: &skus,
        ledger: &ledger,
        sold_elsewhere: None,
    };
    let pressure = |sold: u32| {
        let evaluation = evaluate(
            &availability,
            &channel,
            &offers(&["A-N-1"]),
            &HashMap::from([("A-N-1".to_owned(), sold)]),
            |_, _| false,
        );
        (evaluation.to_lower, evaluation.lines.len())
    };
    assert_eq!(
        pressure(2),
        (0, 1),
        "Mirakl shows three by itself; it is published all the same, once a push is due"
    );
    assert_eq!(pressure(1), (1, 1));
}

#[test]
fn offers_that_name_no_sku_of_primas_are_told_and_never_guessed() {
    let (figures, settings) = (figures(&[("A-N-1", 5)]), StockSettings::default());
    let availability = availability(&figures, &settings, &[]);
    let evaluation =
        evaluated(&availability, &ledger(&[]), &["A-N-1", "NOSUCH", "ALSO NONE", "BAD", "Z-N-1"]);
    assert_eq!(shown(&evaluation), [("A-N-1", 5, false)]);
    assert_eq!(
        evaluation.unmapped[&SkuProblem::Unknown],
        Counted { count: 2, examples: vec!["NOSUCH".into(), "ALSO NONE".into()] }
    );
    assert_eq!(evaluation.unmapped[&SkuProblem::WrongOverride].count, 1);
    assert_eq!(evaluation.unknown_to_prima, Counted { count: 1, examples: vec!["Z-N-1".into()] });
}

#[test]
fn a_quantity_that_was_refused_lately_is_not_sent_again() {
    let (figures, settings) = (figures(&[("A-N-1", 5), ("B-N-1", 5)]), StockSettings::default());
    let availability = availability(&figures, &settings, &[]);
    let (rules, skus, ledger) = (StockRules::default(), skus(), ledger(&[]));
    let channel = SalesChannel {
        id: "uk",
        rules: &rules,
        skus: &skus,
        ledger: &ledger,
        sold_elsewhere: None,
    };
    let refused = |sku: &str, quantity| sku == "A-N-1" && quantity == 5;
    assert_eq!(
        shown(&evaluate(
            &availability,
            &channel,
            &offers(&["A-N-1", "B-N-1"]),
            &HashMap::new(),
            refused
        )),
        [("B-N-1", 5, false)]
    );
}

/// Many zeroes at once are held back, and what was sold out is not.
#[test]
fn mass_zeroes_are_held_back_but_sold_out_ones_go_out() {
    let names: Vec<String> = (0..100).map(|number| format!("P{number}-N-1")).collect();
    let of = |zeroes: usize| {
        let figures: Vec<(&str, u32)> = names
            .iter()
            .enumerate()
            .map(|(number, name)| (name.as_str(), if number < zeroes { 0 } else { 5 }))
            .collect();
        let figures = self::figures(&figures);
        let settings = StockSettings::default();
        let availability = availability(&figures, &settings, &[flight("eu", "P99-N-1", 5)]);
        let ledger =
            ledger(&names.iter().map(|name| (name.as_str(), Shown::Known(5))).collect::<Vec<_>>());
        let mut evaluation = evaluated(
            &availability,
            &ledger,
            &names.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        evaluation.guard_zeroes(&ledger, settings.zeroes_percent);
        (evaluation.lines.len(), evaluation.zeroes_held.count, evaluation.to_lower)
    };
    assert_eq!(of(10), (11, 0, 11));
    assert_eq!(of(11), (1, 11, 1), "what was sold out goes out all the same");
    assert_eq!(of(99), (1, 99, 1));
}

/// The last units are offered on the first channel that has them.
#[test]
fn the_first_channel_that_lists_them_gets_the_last_units() {
    let figures = figures(&[("A-N-1", 2), ("B-N-1", 2), ("C-N-1", 2), ("D-N-1", 9)]);
    let settings = StockSettings {
        last_units: 2,
        last_units_on: vec!["eu".into(), "uk".into()],
        ..StockSettings::default()
    };
    let mut availability = availability(&figures, &settings, &[]);
    availability.last_units.add("eu", &skus(), &offers(&["A-N-1"]));
    availability.last_units.add("uk", &skus(), &offers(&["A-N-1", "B-N-1", "D-N-1"]));
    let evaluation = evaluated(&availability, &ledger(&[]), &["A-N-1", "B-N-1", "C-N-1", "D-N-1"]);
    let mut quantities = shown(&evaluation);
    quantities.sort_unstable();
    assert_eq!(
        quantities,
        [("A-N-1", 0, false), ("B-N-1", 2, false), ("C-N-1", 2, false), ("D-N-1", 9, false)]
    );
}

/// The last pieces are divided among the channels, and of more each channel shows all.
#[test]
fn channels_share_the_last_pieces_and_show_all_of_plenty() {
    let figures = figures(&[("A-N-1", 4), ("B-N-1", 40), ("C-N-1", 4), ("W9-RED-8", 5)]);
    let settings = StockSettings::default();
    let mut availability = availability(&figures, &settings, &[flight("eu", "A-N-1", 1)]);
    availability.division = Division::new(SoldSkus::default(), 10, None);
    let (rules, skus, empty) = (StockRules::default(), skus(), ledger(&[]));
    let lists = [
        ("uk", ["A-N-1", "B-N-1", "C-N-1", "W9-RED-8", "ODD"].as_slice()),
        ("eu", ["A-N-1", "B-N-1", "W9-RED-8"].as_slice()),
    ];
    let channel = |id: &'static str| SalesChannel {
        id,
        rules: &rules,
        skus: &skus,
        ledger: &empty,
        sold_elsewhere: None,
    };
    for (id, list) in lists {
        availability.divide_with(
            &channel(id),
            &offers(list),
            &Outstanding(Some(HashMap::new())),
            1.0,
        );
    }
    let of = |(id, list): (&'static str, &[&str])| {
        let evaluation =
            evaluate(&availability, &channel(id), &offers(list), &HashMap::new(), |_, _| false);
        let mut quantities: Vec<(String, u32)> =
            evaluation.lines.into_iter().map(|line| (line.offer_sku, line.quantity)).collect();
        quantities.sort_unstable();
        quantities
    };
    let named = |of: &[(&str, u32)]| {
        of.iter().map(|(sku, quantity)| ((*sku).to_owned(), *quantity)).collect::<Vec<_>>()
    };
    assert_eq!(
        of(lists[0]),
        named(&[("A-N-1", 2), ("B-N-1", 40), ("C-N-1", 4), ("ODD", 1), ("W9-RED-8", 2)]),
        "two offers of one SKU share its part"
    );
    assert_eq!(of(lists[1]), named(&[("A-N-1", 1), ("B-N-1", 40), ("W9-RED-8", 2)]));
    let view = availability.view(&channel("eu"), "A-N-1").unwrap();
    assert_eq!(
        (view.wanted, view.why, view.quota),
        (Wanted::Exactly(1), Why::Divided, Some(Quota::Share(1)))
    );
    assert_eq!(availability.divided("eu", key("A-N-1")).unwrap().threshold, 10);
    assert_eq!(availability.divided("eu", key("B-N-1")), None);
}

#[test]
fn what_others_have_sold_beyond_the_buffer_may_be_sold_twice() {
    let (figures, settings) =
        (figures(&[("A-N-1", 9), ("B-N-1", 9), ("C-N-1", 9)]), StockSettings::default());
    let flights = [flight("eu", "A-N-1", 5), flight("eu", "B-N-1", 4), flight("eu", "NOSUCH", 3)];
    let availability = availability(&figures, &settings, &flights);
    let skus = skus();
    let since = |minute| sold_since([(&skus, flights.as_slice())].into_iter(), at(minute));
    assert_eq!(since(-1), HashMap::from([(key("A-N-1"), 5), (key("B-N-1"), 4)]));
    assert_eq!(since(0), HashMap::new(), "what was seen by then was decided on");
    let rules: StockRules =
        serde_json::from_str(r#"{"rules":[{"by":"A","why":"b","buffer":2}]}"#).unwrap();
    let ledger = ledger(&[
        ("A-N-1", Shown::Known(9)),
        ("B-N-1", Shown::Known(1)),
        ("C-N-1", Shown::Known(9)),
    ]);
    let sold = since(-1);
    let channel = SalesChannel {
        id: "uk",
        rules: &rules,
        skus: &skus,
        ledger: &ledger,
        sold_elsewhere: Some(&sold),
    };
    let evaluation = evaluate(
        &availability,
        &channel,
        &offers(&["A-N-1", "B-N-1", "C-N-1"]),
        &HashMap::new(),
        |_, _| false,
    );
    assert_eq!(
        evaluation.may_sell_twice,
        3 + 1,
        "five less two held back; of the other no more than is shown"
    );
}

/// While the list of one live channel is not at hand, another one is given none of the last pieces,
/// and an offer of it that may show more than is free goes to zero: any other quantity could raise
/// it.
#[test]
fn beside_a_missing_list_no_last_piece_is_handed_out() {
    let figures = figures(&[
        ("A-N-1", 7),
        ("B-N-1", 7),
        ("C-N-1", 7),
        ("D-N-1", 7),
        ("E-N-1", 7),
        ("F-N-1", 70),
    ]);
    let settings = StockSettings::default();
    let channel = |id: &str| -> Channel {
        serde_json::from_str(&format!(
            r#"{{"id":"{id}","base_url":"https://{id}.mirakl.net","stock":"live","take_over_from":"2026-11-01T00:00:00Z","acceptance_window_minutes":60}}"#
        ))
        .unwrap()
    };
    let (uk, eu) = (channel("uk"), channel("eu"));
    let names = ["A-N-1", "B-N-1", "C-N-1", "D-N-1", "E-N-1", "F-N-1"];
    let listed = offers(&names);
    let shown_on_uk = ledger(&[
        ("A-N-1", Shown::InDoubt(9)),
        ("B-N-1", Shown::Unknown(9)),
        ("C-N-1", Shown::InDoubt(6)),
        ("D-N-1", Shown::Known(4)),
        ("E-N-1", Shown::Known(0)),
        ("F-N-1", Shown::InDoubt(90)),
    ]);
    let (shows, shows_nothing) = (ledger(&[("A-N-1", Shown::Known(3))]), ledger(&[]));
    let (rules, skus) = (StockRules::default(), skus());
    let (memory, outstanding) = (PushMemory::default(), Outstanding(Some(HashMap::new())));
    let snapshot = |channel, offers, ledger| ChannelSnapshot {
        channel,
        rules: &rules,
        skus: &skus,
        flights: &[],
        offers,
        ledger,
        memory: &memory,
        outstanding: &outstanding,
        seen_until: None,
    };
    let lowered = |eu_shows, is_one_missing| {
        let channels = [snapshot(&uk, Some(&listed), &shown_on_uk), snapshot(&eu, None, eu_shows)];
        let availability =
            snapshot::availability(&figures, &settings, &channels, &[], is_one_missing, at(5));
        let channel = channels[0].sales_channel();
        let evaluation = evaluate(&availability, &channel, &listed, &HashMap::new(), |_, _| false);
        let mut lines: Vec<(String, u32)> = evaluation
            .lines
            .into_iter()
            .filter(|line| !line.raises)
            .map(|line| (line.offer_sku, line.quantity))
            .collect();
        lines.sort_unstable();
        lines
    };
    let named = |of: &[(&str, u32)]| {
        of.iter().map(|(sku, quantity)| ((*sku).to_owned(), *quantity)).collect::<Vec<_>>()
    };
    let held = named(&[("A-N-1", 0), ("B-N-1", 0), ("F-N-1", 70)]);
    assert_eq!(lowered(&shows, false), held, "what may be right waits for the list");
    assert_eq!(lowered(&shows_nothing, true), held, "documents that are wrong hide as much");
    assert_eq!(
        lowered(&shows_nothing, false),
        named(&[("A-N-1", 7), ("B-N-1", 7), ("F-N-1", 70)]),
        "a channel that shows nothing has no part"
    );
}
