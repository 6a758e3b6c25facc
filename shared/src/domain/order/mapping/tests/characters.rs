//! Country codes that ISO does not know, and characters that the site's Prima cannot keep: an
//! exception that shows nothing of the customer's, or an agreed rule with a trace.

use super::*;
use crate::domain::order::rules::{CountryForm, FieldRule, Instruction};
use crate::mirakl::order::AdditionalField;
use crate::prima::code_page::OutsideCodePage;

fn polish(order: &mut Order) {
    let address = shipping(order);
    address.firstname = Some("Żaneta".into());
    address.lastname = Some("Łąkowska".into());
    address.street_1 = Some("ul. Święta 1".into());
    address.city = Some("Łódź".into());
    (address.zip_code, address.country_iso_code) = (Some("90-001".into()), Some("POL".into()));
}

fn written(
    change: impl FnOnce(&mut Order, &mut OrderRules),
    characters: &CharacterRules,
) -> Result<super::super::MappedOrder, MappingFailure> {
    let (mut order, mut rules) = (uk(), rules());
    change(&mut order, &mut rules);
    assert_eq!((rules.problems(), characters.problems()), (vec![], vec![]));
    map_order(&order, &CHANNEL, &rules, &HashMap::new(), characters)
}

fn transliterating() -> CharacterRules {
    CharacterRules { outside: OutsideCodePage::Transliterate, ..CharacterRules::default() }
}

/// A name outside the code page is an exception that names the field and not the name.
#[test]
fn an_unwritable_name_is_an_exception_naming_only_its_field() {
    let failure = written(|order, _| polish(order), &CharacterRules::default()).unwrap_err();
    let lacks = "has a character that Prima's code page, iso-8859-1, does not have";
    let fields = ["street_1", "city", "forename", "surname"];
    for field in fields {
        assert!(
            failure.reason.contains(&format!("{field} of the shipping address {lacks}")),
            "{field}: {}",
            failure.reason
        );
    }
    assert_eq!(failure.reason.lines().count(), fields.len());
    assert!(
        failure.remedy.contains("behaviour.characters") && failure.remedy.lines().count() == 1,
        "{}",
        failure.remedy
    );
    for theirs in ["Ł", "Ż", "ź", "kowska", "wi", "neta"] {
        assert!(!failure.reason.contains(theirs), "{theirs}");
    }
}

/// A name outside the code page is written in the agreed letters, and a trace of it remains.
#[test]
fn an_unwritable_name_takes_agreed_letters_and_leaves_a_trace() {
    let mapped = written(|order, _| polish(order), &transliterating()).unwrap();
    let party = &mapped.document.delivery;
    assert_eq!((party.forename.as_str(), party.surname.as_str()), ("Zaneta", "Lakowska"));
    assert_eq!(party.address_lines[..3], ["ul. Swieta 1", "Flat 3", "Code 55"]);
    assert!(
        party.address_lines.contains(&"Lódz".to_owned()),
        "what the code page has stays: {:?}",
        party.address_lines
    );
    let mut traces = mapped.traces;
    traces.sort();
    let other = |field: &str| {
        format!("{field} of the shipping address is written in the agreed other letters")
    };
    assert_eq!(traces, ["city", "forename", "street_1", "surname"].map(other));
    let whole = written(|order, _| polish(order), &any_character()).unwrap();
    assert_eq!((whole.document.delivery.surname.as_str(), whole.traces.len()), ("Łąkowska", 0));
}

/// A letter for which nothing was agreed is an exception all the same.
#[test]
fn a_letter_without_agreement_is_still_an_exception() {
    let greek =
        |order: &mut Order, _: &mut OrderRules| shipping(order).lastname = Some("Παππάς".into());
    let failure = written(greek, &transliterating()).unwrap_err();
    assert_eq!(
        failure.reason,
        "surname of the shipping address has a character that Prima's code page, iso-8859-1, does not have"
    );
}

#[test]
fn what_letters_need_more_room_is_counted_as_it_is_sent() {
    let long = |order: &mut Order, rules: &mut OrderRules| {
        shipping(order).lastname = Some("Ĳsselmĳder".into());
        rules.address.surname_length = 11;
    };
    let failure = written(long, &transliterating()).unwrap_err();
    assert_eq!(failure.reason, "surname of the shipping address has 12 characters, at most 11");
}

#[test]
fn notes_are_written_too_and_ids_never() {
    let noted = |order: &mut Order, rules: &mut OrderRules| {
        order.order_additional_fields =
            vec![AdditionalField {
                code: "gift".into(), kind: None, value: vec!["Żółty".into()]
            }];
        rules.notes.order_fields =
            vec![FieldRule { code: "gift".into(), label: String::new(), to: Instruction::Special }];
    };
    assert_eq!(
        written(noted, &transliterating()).unwrap().document.header.special_instructions,
        "Zólty"
    );
    let id = |order: &mut Order, _: &mut OrderRules| line(order).order_line_id = "Ł-1".into();
    let failure = written(id, &transliterating()).unwrap_err();
    assert_eq!(
        failure.reason,
        "LineReference has a character that Prima's code page, iso-8859-1, does not have"
    );
}

/// A country code that ISO does not know means what the rules say.
#[test]
fn rules_decide_what_a_non_iso_country_code_means() {
    let from = |code: &'static str| {
        move |order: &mut Order| shipping(order).country_iso_code = Some(code.into())
    };
    for code in ["UK", "EL", "XK", "XKX", "ENGLAND"] {
        let failure = with(|order, _| from(code)(order)).unwrap_err();
        assert_eq!(
            failure.reason,
            "the shipping address has a country code (country_iso_code) that ISO 3166-1 does not list"
        );
        assert!(failure.remedy.contains("address.country.aliases"), "{failure:?}");
    }
    let agreed = |rules: &mut OrderRules| {
        for (alias, code) in [("uk", "GBR"), ("EL", "GRC"), ("XK", "XKX"), ("England", "GBR")] {
            rules.address.country.aliases.insert(alias.into(), code.into());
        }
        rules.address.country.codes.insert("XKX".into(), "KS".into());
    };
    for (code, prima) in
        [("UK", "GB"), ("el", "GR"), ("XK", "KS"), ("XKX", "KS"), ("ENGLAND", "GB"), ("FRA", "FR")]
    {
        let mapped = written(
            |order, rules| {
                from(code)(order);
                agreed(rules);
            },
            &any_character(),
        )
        .unwrap();
        assert_eq!(mapped.document.delivery.country, prima, "{code}");
        let by_rule = !matches!(code, "FRA" | "XKX");
        assert_eq!(mapped.traces.len(), usize::from(by_rule), "{code}: {:?}", mapped.traces);
    }
    let table = with(|order, rules| {
        from("UK")(order);
        agreed(rules);
        rules.address.country.form = CountryForm::Table;
        rules.address.country.codes.insert("GBR".into(), "UK".into());
    });
    assert_eq!(table.unwrap().delivery.country, "UK");
}

/// An alias does not change what ISO says, and it leads to a country.
#[test]
fn an_alias_never_overrides_iso_and_must_name_a_country() {
    for (wrong, field) in [
        (r#"{"aliases":{"GB":"FRA"}}"#, "address.country.aliases"),
        (r#"{"aliases":{"gbr":"GBR"}}"#, "address.country.aliases"),
        (r#"{"aliases":{"UK":"GB"}}"#, "address.country.aliases"),
        (r#"{"aliases":{"XK":"XKX"}}"#, "address.country.aliases"),
        (r#"{"aliases":{" ":"GBR"}}"#, "address.country.aliases"),
        (r#"{"codes":{"YUG":"YU"}}"#, "address.country.codes"),
        (r#"{"codes":{"xkx":"KS"}}"#, "address.country.codes"),
    ] {
        let rules: OrderRules =
            serde_json::from_str(&format!(r#"{{"price":"line","address":{{"country":{wrong}}}}}"#))
                .unwrap();
        assert_eq!(
            rules.problems().into_iter().map(|problem| problem.field).collect::<Vec<_>>(),
            [field],
            "{wrong}"
        );
    }
}
