//! The rules document itself, and numbers and ids.

use super::*;
use crate::domain::order::ExceptionKind;
use crate::domain::order::rules::Template;

const SEED: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/seed/order-rules.json"));

#[test]
fn the_seed_is_sound_and_maps_an_order() {
    let seed: OrderRules = serde_json::from_str(SEED).unwrap();
    let order = mapped(&uk(), &seed).unwrap();
    assert_eq!(
        (order.charges[0].code.as_str(), order.header.source_media.as_str()),
        ("DEL", "MIRAKL")
    );
    assert_eq!(
        serde_json::from_str::<OrderRules>(&serde_json::to_string(&seed).unwrap()).unwrap(),
        seed
    );
}

#[test]
fn the_price_has_no_default_and_a_misspelt_setting_is_refused() {
    assert!(serde_json::from_str::<OrderRules>("{}").is_err());
    let least: OrderRules = serde_json::from_str(r#"{"price":"unit"}"#).unwrap();
    assert_eq!(least, OrderRules::new(PriceMeaning::Unit));
    assert_eq!(least.problems(), []);
    for wrong in [
        r#"{"price":"line","holdz":[]}"#,
        r#"{"price":"line","address":{"line_lenght":9}}"#,
        r#"{"price":"gross"}"#,
    ] {
        assert!(serde_json::from_str::<OrderRules>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn each_wrong_setting_is_named() {
    let cases = [
        (r#"{"price":"line","order_number":"{commercial_id}"}"#, "order_number"),
        (r#"{"price":"line","order_number":"{orderid}{order_id}"}"#, "order_number"),
        (r#"{"price":"line","order_number_length":0}"#, "order_number_length"),
        (r#"{"price":"line","order_number_replace":{"_":"/"}}"#, "order_number_replace"),
        (r#"{"price":"line","third_party_id":"X"}"#, "third_party_id"),
        (r#"{"price":"line","attribution":{"source_media":"{shop}"}}"#, "attribution.source_media"),
        (r#"{"price":"line","header":{"order_date_zone":"London"}}"#, "header.order_date_zone"),
        (r#"{"price":"line","sku":{"patterns":[]}}"#, "sku.patterns"),
        (r#"{"price":"line","sku":{"patterns":["{product}{matrix1}"]}}"#, "sku.patterns[0]"),
        (
            r#"{"price":"line","address":{"parts":["street_1","street_1","company","company_2","street_2","additional_info","city"]}}"#,
            "address.parts",
        ),
        (
            r#"{"price":"line","address":{"parts":["company","company_2","street_1","street_2","city"]}}"#,
            "address.parts",
        ),
        (r#"{"price":"line","address":{"city_line":7}}"#, "address.city_line"),
        (r#"{"price":"line","address":{"abbreviations":{"Street":""}}}"#, "address.abbreviations"),
        (r#"{"price":"line","address":{"country":{"form":"table"}}}"#, "address.country.codes"),
        (
            r#"{"price":"line","address":{"country":{"labels":{"Home":"UK"}}}}"#,
            "address.country.labels",
        ),
        (r#"{"price":"line","contact":{"email":{"fixed":"nobody"}}}"#, "contact.email"),
        (
            r#"{"price":"line","contact":{"pick_up_point_text":"Shop"}}"#,
            "contact.pick_up_point_text",
        ),
        (r#"{"price":"line","amounts":{"decimals":9}}"#, "amounts.decimals"),
        (r#"{"price":"line","amounts":{"currencies":{"gbp":"GBP"}}}"#, "amounts.currencies"),
        (
            r#"{"price":"unit","amounts":{"inexact_unit_price":{"rounding_charge":{"code":""}}}}"#,
            "amounts.inexact_unit_price.rounding_charge.code",
        ),
        (r#"{"price":"line","amounts":{"fees":{"ECO":{"charge":" "}}}}"#, "amounts.fees"),
        (r#"{"price":"line","amounts":{"fees":{" ":{"charge":"ECO"}}}}"#, "amounts.fees"),
        (
            r#"{"price":"line","amounts":{"eco_contributions":{"FR-TLC":{"charge":""}}}}"#,
            "amounts.eco_contributions",
        ),
        (
            r#"{"price":"line","holds":[{"when":{"payment_workflow":[]},"narrative":"x"}]}"#,
            "holds[0].when.payment_workflow",
        ),
        (r#"{"price":"line","payment":{"method":""}}"#, "payment.method"),
        (r#"{"price":"line","payment":{"transaction_id":"{tx}"}}"#, "payment.transaction_id"),
        (r#"{"price":"line","notes":{"line_fields":[{"code":""}]}}"#, "notes.line_fields"),
        (r#"{"price":"line","holds":[{"when":"always","narrative":""}]}"#, "holds[0].narrative"),
        (
            r#"{"price":"line","holds":[{"when":{"country_in":["UK"]},"narrative":"x"}]}"#,
            "holds[0].when.country_in",
        ),
    ];
    for (document, field) in cases {
        let rules: OrderRules = serde_json::from_str(document).unwrap();
        let fields: Vec<_> = rules.problems().into_iter().map(|problem| problem.field).collect();
        assert_eq!(fields, [field], "{document}");
    }
}

/// The fields that are wrong where one setting of the least rules is `value`.
fn wrong_with(setting: &str, value: serde_json::Value) -> Vec<String> {
    let mut document = serde_json::json!({"price": "line"});
    let mut place = &mut document;
    for name in setting.split('.') {
        place = &mut place[name];
    }
    *place = value;
    let rules: OrderRules = serde_json::from_str(&document.to_string()).unwrap();
    rules.problems().into_iter().map(|problem| problem.field).collect()
}

#[test]
fn a_length_is_taken_from_one_to_its_most() {
    let lengths = [
        ("order_number_length", 50),
        ("third_party_id_length", 100),
        ("attribution.length", 200),
        ("lines.reference_length", 100),
        ("lines.narrative_length", 2000),
        ("address.line_length", 100),
        ("address.post_code_length", 20),
        ("address.forename_length", 100),
        ("address.surname_length", 100),
        ("contact.title_length", 50),
        ("contact.phone_length", 50),
        ("contact.email_length", 254),
        ("payment.reference_length", 200),
        ("notes.special_length", 2000),
        ("notes.shipping_length", 2000),
        ("hold_narrative_length", 2000),
    ];
    for (setting, most) in lengths {
        for length in [1, most] {
            assert!(wrong_with(setting, length.into()).is_empty(), "{setting} {length}");
        }
        for length in [0, most + 1] {
            assert_eq!(wrong_with(setting, length.into()), [setting], "{length}");
        }
    }
}

#[test]
fn what_a_setting_takes_is_not_called_wrong() {
    use serde_json::json;
    let sound = [
        ("order_number_replace", json!({"_": "-", "/": "a1", "#": ""})),
        ("third_party_id", json!("{order_id}")),
        ("attribution.source_media", json!("{channel_name}/{marketplace_channel}")),
        ("address.city_line", json!(2)),
        ("address.city_line", json!(6)),
        ("address.abbreviations", json!({"Street": "St", "Way": "Wy.", "Road": "Road"})),
        ("address.country", json!({"form": "table", "codes": {"GBR": "UK"}})),
        ("address.country.labels", json!({"Home": "GBR"})),
        ("address.no_post_code_in", json!(["IRL"])),
        ("contact.mobile_prefixes", json!({"GBR": ["07"]})),
        ("contact", json!({"email": {"fixed": "a@b.de"}, "email_length": 6})),
        ("amounts.decimals", json!(0)),
        ("amounts.decimals", json!(4)),
        ("amounts.currencies", json!({"GBP": "STG"})),
        ("amounts.missing_currency", json!("GBP")),
        ("amounts.inexact_unit_price", json!({"rounding_charge": {"code": "RND"}})),
        ("amounts.fees", json!({"HANDLING": {"charge": "HAND"}})),
        ("address.country", json!({"aliases": {"UK": "GBR", "XK": "XKX"}, "codes": {"XKX": "XK"}})),
        (
            "payment.workflows",
            json!({"PAY_ON_DUE_DATE": {"unpaid": "exception"}, "NO_CUSTOMER_PAYMENT_CONFIRMATION": {"unpaid": "as_paid"}}),
        ),
        (
            "holds",
            json!([{"when": "unpaid", "narrative": "x"}, {"when": {"payment_workflow": ["PAY_ON_DUE_DATE"]}, "narrative": "x"}]),
        ),
        ("payment", json!({"send": false, "method": ""})),
        ("payment.authorisation_reference", json!("{commercial_id}{transaction_number}{order_id}")),
        ("notes", json!({"customer_message": "nothing", "customer_message_text": ""})),
        ("notes.order_fields", json!([{"code": "gift"}])),
        ("hold_narrative_length", json!(100)),
        ("holds", json!([{"when": "always", "narrative": "x".repeat(100)}])),
        ("holds", json!([{"when": {"country_in": ["NOR"]}, "narrative": "x"}])),
        ("holds", json!([{"when": {"sku_prefix": ["W"]}, "narrative": "x"}])),
        (
            "holds",
            json!([{"when": {"total_above": {"amount": "0", "currency": "GBP"}}, "narrative": "x"}]),
        ),
        (
            "holds",
            json!([{"when": {"additional_field": {"code": "vip", "equals": ""}}, "narrative": "x"}]),
        ),
    ];
    for (setting, value) in sound {
        assert!(wrong_with(setting, value.clone()).is_empty(), "{setting} {value}");
    }
}

#[test]
fn each_part_of_a_setting_that_is_wrong_is_seen() {
    use serde_json::json;
    let wrong = [
        ("order_number_replace", json!({"ab": "-"}), "order_number_replace"),
        ("third_party_id", json!("{channel_id}{order_id}"), "third_party_id"),
        ("address.city_line", json!(1), "address.city_line"),
        ("address.abbreviations", json!({"Street": " "}), "address.abbreviations"),
        ("address.abbreviations", json!({"High Street": "HS"}), "address.abbreviations"),
        ("address.abbreviations", json!({"St": "Street"}), "address.abbreviations"),
        ("address.country.codes", json!({"GB": "UK"}), "address.country.codes"),
        ("address.country.codes", json!({"GBR": " "}), "address.country.codes"),
        ("address.no_post_code_in", json!(["IE"]), "address.no_post_code_in"),
        ("contact.mobile_prefixes", json!({"GB": ["07"]}), "contact.mobile_prefixes"),
        ("contact", json!({"email": {"fixed": "a@b.de"}, "email_length": 5}), "contact.email"),
        ("contact.pick_up_point_text", json!("{id} {shop}"), "contact.pick_up_point_text"),
        ("amounts.decimals", json!(5), "amounts.decimals"),
        ("amounts.currencies", json!({"GBP": " "}), "amounts.currencies"),
        ("amounts.currencies", json!({"GBPX": "GBP"}), "amounts.currencies"),
        ("amounts.missing_currency", json!("gbp"), "amounts.missing_currency"),
        ("amounts.missing_currency", json!("GB"), "amounts.missing_currency"),
        ("notes.customer_message_text", json!(" "), "notes.customer_message_text"),
        ("notes.order_fields", json!([{"code": " "}]), "notes.order_fields"),
        ("holds", json!([{"when": "always", "narrative": "x".repeat(101)}]), "holds[0].narrative"),
        (
            "holds",
            json!([{"when": {"country_in": []}, "narrative": "x"}]),
            "holds[0].when.country_in",
        ),
        (
            "holds",
            json!([{"when": {"sku_prefix": []}, "narrative": "x"}]),
            "holds[0].when.sku_prefix",
        ),
        (
            "holds",
            json!([{"when": {"sku_prefix": [""]}, "narrative": "x"}]),
            "holds[0].when.sku_prefix",
        ),
        (
            "holds",
            json!([{"when": {"total_above": {"amount": "-1", "currency": "GBP"}}, "narrative": "x"}]),
            "holds[0].when.total_above",
        ),
        (
            "holds",
            json!([{"when": {"total_above": {"amount": "1", "currency": "£"}}, "narrative": "x"}]),
            "holds[0].when.total_above",
        ),
        (
            "holds",
            json!([{"when": {"additional_field": {"code": "", "equals": "x"}}, "narrative": "x"}]),
            "holds[0].when.additional_field.code",
        ),
    ];
    for (setting, value, field) in wrong {
        assert_eq!(wrong_with(setting, value.clone()), [field], "{setting} {value}");
    }
}

#[test]
fn the_order_number_is_whole_or_a_problem() {
    let mut rules = rules();
    let number = |order_id: &str, rules: &OrderRules| order_number(order_id, Some("C1"), rules);
    assert_eq!(number("MK-10042-A", &rules).unwrap(), "MK-10042-A");
    assert_eq!(number(&"7".repeat(20), &rules).unwrap().len(), 20);
    let long = number(&"7".repeat(21), &rules).unwrap_err();
    assert!(long.reason.contains("21 characters, at most 20") && !long.remedy.is_empty());
    assert_eq!(long.kind, ExceptionKind::Unmappable);
    assert!(number("A_1", &rules).unwrap_err().reason.contains("'_'"));
    assert!(number("é1", &rules).is_err() && number("", &rules).is_err());
    rules.order_number_replace.insert("_".into(), "-".into());
    rules.order_number = Template::new("M{commercial_id}-{order_id}");
    assert_eq!(number("A_1", &rules).unwrap(), "MC1-A-1");
    assert!(order_number("A_1", None, &rules).unwrap_err().reason.contains("commercial_id"));
}

/// The third-party id and the attribution follow their templates.
#[test]
fn third_party_id_and_attribution_come_from_templates() {
    let order = with(|_, _| {}).unwrap();
    assert_eq!(
        (
            order.third_party_id.as_str(),
            order.order_channel.as_str(),
            order.customer_reference.as_str()
        ),
        ("MK-10042-A", "outfitter-uk", "MK-10042-A")
    );
    assert_eq!((order.customer.as_str(), order.header.source_media.as_str()), ("", ""));
    let order = with(|_, rules| {
        rules.third_party_id = Template::new("{order_id}/{commercial_id}");
        rules.customer_account = "MKTPLACE".into();
        rules.customer_definition = "WEB".into();
        rules.attribution.order_channel = Template::new("{channel_name}");
        rules.attribution.source_media = Template::new("{marketplace_channel}");
        rules.attribution.order_category = Template::new("CAT");
        rules.attribution.customer_reference = Template::new("{commercial_id}");
    })
    .unwrap();
    assert_eq!(
        (order.third_party_id.as_str(), order.order_channel.as_str()),
        ("MK-10042-A/MK-10042", "Outfitter UK")
    );
    assert_eq!(
        (order.header.source_media.as_str(), order.header.order_category.as_str()),
        ("UK", "CAT")
    );
    assert_eq!(
        (
            order.customer_reference.as_str(),
            order.customer.as_str(),
            order.customer_definition.as_str()
        ),
        ("MK-10042", "MKTPLACE", "WEB")
    );
    assert_eq!(
        reason(|_, rules| rules.attribution.length = 5),
        "OrderChannel has 12 characters, at most 5\nCustomerRef has 10 characters, at most 5"
    );
    assert!(
        reason(|_, rules| rules.third_party_id_length = 5).contains("TPGUID has 10 characters")
    );
}

#[test]
fn all_problems_come_at_once_and_a_sku_decides_the_kind() {
    let failure = with(|order, _| {
        line(order).offer_sku = Some("ODD".into());
        shipping(order).zip_code = None;
        shipping(order).country_iso_code = Some("ZZZ".into());
        order.shipping_type_code = Some("DRONE".into());
    })
    .unwrap_err();
    assert_eq!(failure.kind, ExceptionKind::UnknownSku);
    assert_eq!(failure.reason.lines().count(), 4, "{}", failure.reason);
}

#[test]
fn a_reason_has_at_most_ten_lines() {
    let failure = with(|order, _| {
        order.order_lines = (0..40)
            .map(|n| OrderLine {
                order_line_id: n.to_string(),
                offer_sku: None,
                ..uk().order_lines[0].clone()
            })
            .collect();
    })
    .unwrap_err();
    assert_eq!(failure.reason.lines().count(), 10);
    assert!(
        failure.reason.ends_with("and 32 more") && failure.remedy.lines().count() == 2,
        "{failure:?}"
    );
    let nine = with(|order, _| {
        order.order_lines = (0..8)
            .map(|n| OrderLine {
                order_line_id: n.to_string(),
                offer_sku: None,
                ..uk().order_lines[0].clone()
            })
            .collect();
    })
    .unwrap_err();
    assert_eq!(nine.reason.lines().count(), 9, "all of them: {}", nine.reason);
    assert!(!nine.reason.contains("more"));
}
