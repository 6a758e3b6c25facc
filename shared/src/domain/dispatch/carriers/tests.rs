//! The carrier map.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use proptest::prelude::*;

use super::*;

fn entry(carrier: &str, service: Option<&str>, code: &str) -> CarrierEntry {
    CarrierEntry {
        carrier: carrier.into(),
        service: service.map(Into::into),
        code: Some(code.into()),
        ..CarrierEntry::default()
    }
}

fn map(entries: Vec<CarrierEntry>) -> CarrierMap {
    CarrierMap { entries }
}

fn code(map: &CarrierMap, carrier: &str, service: &str) -> Option<String> {
    match map.resolve(carrier, service) {
        Ok(Target::Registered { code }) => Some(code),
        _ => None,
    }
}

#[test]
fn exact_goes_before_normalised_before_pattern() {
    let map = map(vec![
        CarrierEntry { priority: 5, ..entry("DPD*", None, "PATTERN") },
        entry("dpd next day", None, "NORMALISED"),
        entry("DPD NEXT DAY", None, "EXACT"),
    ]);
    assert_eq!(code(&map, "DPD NEXT DAY", "").as_deref(), Some("EXACT"));
    assert_eq!(code(&map, "Dpd  Next-Day", "").as_deref(), Some("NORMALISED"));
    assert_eq!(code(&map, "DPD Saturday", "").as_deref(), Some("PATTERN"));
    assert_eq!(map.resolve("UPS", ""), Err(NoTarget::Unmapped));
}

#[test]
fn an_entry_with_the_service_goes_before_one_for_any() {
    let map = map(vec![entry("RM", None, "RM"), entry("RM", Some("Tracked 24"), "RM24")]);
    assert_eq!(code(&map, "RM", "TRACKED-24").as_deref(), Some("RM24"));
    assert_eq!(code(&map, "RM", "Signed").as_deref(), Some("RM"));
}

/// The highest priority counts, and equal ones that differ are for a person.
#[test]
fn the_top_priority_wins_and_a_differing_tie_needs_a_person() {
    let high = CarrierEntry { priority: 9, ..entry("*express*", None, "EXPRESS") };
    let low = CarrierEntry { priority: 1, ..entry("DHL*", None, "DHL") };
    let both = map(vec![low.clone(), high.clone()]);
    assert_eq!(code(&both, "DHL Express Worldwide", "").as_deref(), Some("EXPRESS"));
    let equal = map(vec![low, CarrierEntry { priority: 1, ..high }]);
    assert!(matches!(equal.resolve("DHL Express", ""), Err(NoTarget::Ambiguous(_))));
    assert_eq!(code(&equal, "DHL Parcel", "").as_deref(), Some("DHL"));
}

#[test]
fn problems_name_the_entry() {
    let wrong = map(vec![
        CarrierEntry { carrier: " ".into(), ..CarrierEntry::default() },
        CarrierEntry { url: Some("ftp://a".into()), ..entry("A", None, "A") },
        entry("A", None, "B"),
    ]);
    let fields: Vec<_> = wrong.problems().into_iter().map(|problem| problem.field).collect();
    assert_eq!(
        fields,
        [
            "entries[0].carrier",
            "entries[0].code",
            "entries[1].url",
            "entries[1].url",
            "entries[2].carrier"
        ]
    );
}

#[test]
fn what_is_close_is_proposed_and_never_used() {
    let carrier = |code: &str, label: &str, standard: Option<&str>| RegisteredCarrier {
        code: code.into(),
        label: label.into(),
        standard_code: standard.map(Into::into),
        tracking_url: None,
    };
    let requirements = ShippingRequirements {
        carriers: vec![
            carrier("C1", "Royal Mail", Some("ROYALMAIL")),
            carrier("C2", "DPD UK", Some("DPD")),
            carrier("C3", "Evri", None),
        ],
        ..ShippingRequirements::default()
    };
    let codes = |text: &str| {
        proposals(text, "", &requirements)
            .into_iter()
            .map(|carrier| carrier.code.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(codes("ROYAL-MAIL 24"), ["C1"]);
    assert_eq!(codes("DPD NEXT DAY"), ["C2"]);
    assert_eq!(codes("Own van"), [""; 0]);
    assert_eq!(CarrierMap::default().resolve("Royal Mail", ""), Err(NoTarget::Unmapped));
}

#[test]
fn a_map_survives_csv_and_wrong_lines_are_named() {
    let full = map(vec![
        CarrierEntry { priority: -3, ..entry("DHL, \"Express\"*", Some("a;b"), "DHLX") },
        CarrierEntry {
            carrier: "Van".into(),
            name: Some("Own van".into()),
            url: Some("https://v.example/{tracking_number}".into()),
            ..CarrierEntry::default()
        },
    ]);
    assert_eq!(CarrierMap::from_csv(&full.to_csv().unwrap()), Ok(full));
    let wrong = CarrierMap::from_csv("Code;Carrier;Priority\nC;A;x\n;B;1\n").unwrap_err();
    assert!(
        wrong[0].starts_with("line 2: priority") && wrong[1].starts_with("entries[0].code"),
        "{wrong:?}"
    );
    assert!(CarrierMap::from_csv("carier,code\nA,B\n").unwrap_err()[0].contains("lacks carrier"));
}

proptest! {
    #[test]
    fn a_pattern_of_a_texts_own_pieces_fits_it(text in "[A-Z0-9]{1,6}( [A-Z0-9]{1,6}){0,3}", cut in 0..20_usize) {
        let normal = normalised(&text);
        let cut = cut.min(normal.len());
        let (start, end) = normal.split_at(cut);
        let starred = format!("{start}*{end}");
        prop_assert!(matches(&starred, &normal));
        prop_assert!(matches("*", &normal));
        let longer = format!("{normal}x*");
        prop_assert!(!matches(&longer, &normal));
    }

    #[test]
    fn case_blanks_and_punctuation_never_matter(words in proptest::collection::vec("[a-z0-9]{1,5}", 1..4)) {
        let map = map(vec![entry(&words.join(" "), None, "C")]);
        let odd = format!(" {} ", words.join(" - ").to_uppercase());
        prop_assert_eq!(code(&map, &odd, "whatever"), Some("C".to_owned()));
    }
}
