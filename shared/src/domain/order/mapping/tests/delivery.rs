//! Parties, contact, instructions, holds.

use super::*;
use crate::domain::order::rules::{
    EmailChoice, FieldRule, HoldRule, HoldWhen, Instruction, MissingBilling, PickUpPointTarget,
    TooLong, UnknownTitle,
};
use crate::kit::amount::Amount;
use crate::mirakl::order::{AdditionalField, Organization};

/// A missing billing address is the shipping address, unless the rules say no.
#[test]
fn the_shipping_address_replaces_a_missing_billing_address() {
    let order = with(|order, _| customer(order).billing_address = None).unwrap();
    assert_eq!(order.invoice, order.delivery);
    let order =
        with(|order, _| customer(order).billing_address = Some(Address::default())).unwrap();
    assert_eq!(order.invoice.post_code, "LS1 4AB");
    let strict = |order: &mut Order, rules: &mut OrderRules| {
        customer(order).billing_address = None;
        rules.address.missing_billing = MissingBilling::Exception;
    };
    assert_eq!(reason(strict), "Mirakl sends no billing address");
}

#[test]
fn a_missing_shipping_address_is_a_problem() {
    assert_eq!(
        reason(|order, _| customer(order).shipping_address = None),
        "Mirakl sends no shipping address"
    );
    assert_eq!(reason(|order, _| order.customer = None), "Mirakl sends no shipping address");
}

/// Names come from the address, then from the customer, then from the company.
#[test]
fn a_name_is_sought_in_address_then_customer_then_company() {
    assert_eq!(with(|_, _| {}).unwrap().delivery.surname, "O'Shea");
    let unnamed = |order: &mut Order| {
        (shipping(order).firstname, shipping(order).lastname) = (None, Some(" ".into()))
    };
    assert_eq!(with(|order, _| unnamed(order)).unwrap().delivery.surname, "Buyer");
    let company = with(|order, _| {
        unnamed(order);
        (customer(order).firstname, customer(order).lastname) = (None, None);
        shipping(order).company = Some("Acme".into());
    });
    assert_eq!(company.unwrap().delivery.surname, "Acme");
    let half = |firstname: Option<&str>, lastname: Option<&str>| {
        let (firstname, lastname) = (firstname.map(str::to_owned), lastname.map(str::to_owned));
        let order = with(|order, _| {
            (shipping(order).firstname, shipping(order).lastname) = (firstname, lastname);
            shipping(order).company = Some("Acme".into());
        });
        let party = order.unwrap().delivery;
        (party.forename, party.surname)
    };
    assert_eq!(
        half(None, Some("O'Shea")),
        (String::new(), "O'Shea".to_owned()),
        "half a name is a person's all the same"
    );
    assert_eq!(half(Some("Ann"), None), ("Ann".to_owned(), String::new()));
    let nobody = reason(|order, _| {
        unnamed(order);
        (customer(order).firstname, customer(order).lastname) = (None, None);
    });
    assert_eq!(nobody, "the shipping address names neither a person nor a company");
}

#[test]
fn what_is_too_long_is_a_problem_that_does_not_show_the_text() {
    let secret = "Wolfeschlegelsteinhausenbergerdorff-Secretive";
    let told = reason(|order, _| {
        let address = shipping(order);
        address.lastname = Some(secret.into());
        address.firstname = Some(secret.into());
        address.street_1 = Some(secret.into());
        address.zip_code = Some(secret.into());
        address.phone = Some(secret.into());
        address.civility = Some(secret.into());
        order.customer_notification_email = Some(secret.repeat(2));
    });
    assert_eq!(told.lines().count(), 7, "{told}");
    assert!(
        !told.contains("Wolfe")
            && told.contains("street_1 of the shipping address has 45 characters, at most 35"),
        "{told}"
    );
}

#[test]
fn what_fits_exactly_is_sent_whole() {
    let order = with(|order, rules| {
        shipping(order).lastname = Some("N".repeat(rules.address.surname_length));
        shipping(order).zip_code = Some("1".repeat(rules.address.post_code_length));
    });
    let party = order.unwrap().delivery;
    assert_eq!((party.surname.len(), party.post_code.len()), (30, 10));
}

#[test]
fn a_post_code_is_needed_where_the_country_has_them() {
    assert_eq!(
        reason(|order, _| shipping(order).zip_code = None),
        "the shipping address has no post code"
    );
    let irish = with(|order, _| {
        shipping(order).zip_code = None;
        shipping(order).country_iso_code = Some("IRL".into());
    });
    assert_eq!(irish.unwrap().delivery.country, "IE");
}

#[test]
fn telephone_email_and_title() {
    let order = with(|_, _| {}).unwrap();
    assert_eq!(
        (order.delivery.mobile.as_str(), order.delivery.phone.as_str()),
        ("07700 900123", "0113 496 0000")
    );
    assert_eq!(
        (order.delivery.email.as_str(), order.delivery.title.as_str()),
        ("relay-1@example.com", "Mrs")
    );
    let other = with(|order, rules| {
        shipping(order).civility = Some("mme".into());
        rules.contact.email = EmailChoice::Fixed("orders@example.com".into());
    });
    let other = other.unwrap();
    assert_eq!(
        (other.delivery.title.as_str(), other.invoice.email.as_str()),
        ("Mrs", "orders@example.com")
    );
    assert_eq!(
        with(|_, rules| rules.contact.email = EmailChoice::Nothing).unwrap().delivery.email,
        ""
    );
    let doctor = |choice: UnknownTitle| {
        with(move |order, rules| {
            shipping(order).civility = Some("Dr".into());
            rules.contact.unknown_title = choice;
        })
    };
    assert_eq!(doctor(UnknownTitle::Keep).unwrap().delivery.title, "Dr");
    assert_eq!(doctor(UnknownTitle::LeaveOut).unwrap().delivery.title, "");
    assert_eq!(
        doctor(UnknownTitle::Exception).unwrap_err().reason,
        "the title on the shipping address is not in the table"
    );
    let borrowed = with(|order, _| {
        (shipping(order).phone, shipping(order).phone_secondary) = (None, None);
        customer(order).billing_address.as_mut().unwrap().phone = Some("01904 496000".into());
    });
    assert_eq!(borrowed.unwrap().delivery.phone, "01904 496000");
}

#[test]
fn a_pick_up_point_goes_where_the_rules_say() {
    let sent = |target: PickUpPointTarget| {
        with(move |order, rules| {
            order.shipping_pudo_id = Some("P 77".into());
            rules.contact.pick_up_point = target;
        })
    };
    assert_eq!(
        sent(PickUpPointTarget::ShippingInstructions).unwrap().header.shipping_instructions,
        "Pick-up point P 77"
    );
    assert_eq!(
        sent(PickUpPointTarget::SpecialInstructions).unwrap().header.special_instructions,
        "Pick-up point P 77"
    );
    assert_eq!(
        sent(PickUpPointTarget::DeliveryForAttentionOf).unwrap().delivery_for_attention_of,
        "Pick-up point P 77"
    );
    let lined = sent(PickUpPointTarget::AddressLine).unwrap();
    assert_eq!(lined.delivery.address_lines[..2], ["Pick-up point P 77", "12 High Street"]);
    assert_ne!(lined.invoice.address_lines[0], "Pick-up point P 77");
    let unbilled = with(|order, rules| {
        order.shipping_pudo_id = Some("P 77".into());
        rules.contact.pick_up_point = PickUpPointTarget::AddressLine;
        customer(order).billing_address = None;
    });
    assert_eq!(
        unbilled.unwrap().invoice.address_lines[0],
        "12 High Street",
        "nobody is billed at a pick-up point"
    );
    assert_eq!(
        sent(PickUpPointTarget::Exception).unwrap_err().reason,
        "the order goes to a pick-up point"
    );
}

fn field(code: &str, values: &[&str]) -> AdditionalField {
    AdditionalField {
        code: code.into(),
        kind: None,
        value: values.iter().map(|value| (*value).to_owned()).collect(),
    }
}

#[test]
fn notes_and_fields_reach_the_instructions_and_the_narrative() {
    let order = with(|order, rules| {
        order.has_customer_message = Some(true);
        order.order_additional_fields =
            vec![field("gift", &["Yes"]), field("slot", &["AM", "PM"]), field("other", &["no"])];
        line(order).order_line_additional_fields = vec![field("engraving", &["A & B"])];
        let rule =
            |code: &str, label: &str, to| FieldRule { code: code.into(), label: label.into(), to };
        rules.notes.order_fields = vec![
            rule("gift", "Gift:", Instruction::Special),
            rule("slot", "", Instruction::Shipping),
        ];
        rules.notes.line_fields = vec![rule("engraving", "Engrave", Instruction::Special)];
    })
    .unwrap();
    assert_eq!(
        order.header.special_instructions,
        "Customer message: see the order in Mirakl; Gift: Yes"
    );
    assert_eq!(order.header.shipping_instructions, "AM, PM");
    assert_eq!(
        (order.lines[0].narrative.as_str(), order.lines[1].narrative.as_str()),
        ("Engrave A & B", "")
    );
}

/// Delivery instructions that are too long are abbreviated where that is agreed, and a problem
/// elsewhere.
#[test]
fn long_instructions_are_shortened_if_agreed_else_a_problem() {
    let long = |too_long: TooLong, length: usize| {
        with(move |order, rules| {
            order.order_additional_fields =
                vec![field("door", &["Back door, Station Road, Building 5"])];
            rules.notes.order_fields = vec![FieldRule {
                code: "door".into(),
                label: String::new(),
                to: Instruction::Shipping,
            }];
            (rules.notes.shipping_length, rules.notes.too_long) = (length, too_long);
        })
    };
    assert_eq!(
        long(TooLong::Abbreviate, 30).unwrap().header.shipping_instructions,
        "Back door, Station Rd, Bldg 5"
    );
    let whole = "Back door, Station Road, Building 5";
    assert_eq!(
        long(TooLong::Abbreviate, whole.len()).unwrap().header.shipping_instructions,
        whole,
        "it fits as it is"
    );
    for (too_long, length) in [(TooLong::Exception, 30), (TooLong::Abbreviate, 20)] {
        assert!(
            long(too_long, length)
                .unwrap_err()
                .reason
                .contains("the text of the shipping instructions has")
        );
    }
}

#[test]
fn a_business_order_is_flagged_and_described() {
    let business = |order: &mut Order| {
        customer(order).organization = Some(Organization {
            name: Some("Acme Ltd".into()),
            tax_identification_number: Some("GB1".into()),
            ..Organization::default()
        });
    };
    let order = with(|order, _| business(order)).unwrap();
    assert!(order.header.business);
    assert_eq!(order.header.special_instructions, "Company Acme Ltd, VAT GB1");
    let silent = with(|order, rules| {
        business(order);
        (rules.business.flag, rules.business.details) = (false, Instruction::Nothing);
    });
    let silent = silent.unwrap();
    assert!(!silent.header.business && silent.header.special_instructions.is_empty());
    assert!(!with(|_, _| {}).unwrap().header.business);
    let by_id = with(|order, _| {
        customer(order).organization =
            Some(Organization { organization_id: Some("O-7".into()), ..Organization::default() });
    });
    assert!(by_id.unwrap().header.business);
}

/// What makes the order one that a rule means.
type Change = fn(&mut Order);

#[test]
fn hold_rules_each_hold_what_they_name_and_nothing_else() {
    let whens: [(HoldWhen, Change); 7] = [
        (HoldWhen::TotalAbove { amount: Amount(38.into()), currency: "GBP".into() }, |_| {}),
        (HoldWhen::CustomerMessage, |order| order.has_customer_message = Some(true)),
        (HoldWhen::CountryIn(vec!["FRA".into()]), |order| {
            shipping(order).country_iso_code = Some("FRA".into())
        }),
        (HoldWhen::Business, |order| {
            customer(order).organization =
                Some(Organization { name: Some("A".into()), ..Organization::default() })
        }),
        (HoldWhen::PickUpPoint, |order| order.shipping_pudo_id = Some("P".into())),
        (HoldWhen::SkuPrefix(vec!["W2".into(), "X".into()]), |order| {
            line(order).offer_sku = Some("X1-A-B".into())
        }),
        (HoldWhen::AdditionalField { code: "vip".into(), equals: "true".into() }, |order| {
            order.order_additional_fields = vec![field("vip", &["true"])]
        }),
    ];
    for (when, meant) in whens {
        let is_total = matches!(when, HoldWhen::TotalAbove { .. });
        let hold = vec![HoldRule { when, narrative: "Look".into() }];
        let plain = with(|order, rules| {
            rules.holds = hold.clone();
            if is_total {
                order.currency_iso_code = Some("EUR".into());
            }
        });
        assert_eq!(plain.unwrap().hold_narrative, None, "{hold:?}");
        let held = with(|order, rules| {
            rules.holds = hold.clone();
            meant(order);
        });
        assert_eq!(held.unwrap().hold_narrative.as_deref(), Some("Look"), "{hold:?}");
    }
    let marked = |fields: Vec<AdditionalField>| {
        with(move |order, rules| {
            let when = HoldWhen::AdditionalField { code: "vip".into(), equals: "true".into() };
            rules.holds = vec![HoldRule { when, narrative: "Look".into() }];
            order.order_additional_fields = fields;
        })
    };
    assert_eq!(
        marked(vec![field("vip", &["false"]), field("gift", &["true"])]).unwrap().hold_narrative,
        None
    );
    let several = |length: usize| {
        with(move |_, rules| {
            rules.holds = ["One", "Two", "One"]
                .map(|text| HoldRule { when: HoldWhen::Always, narrative: text.into() })
                .to_vec();
            rules.hold_narrative_length = length;
        })
    };
    assert_eq!(several(100).unwrap().hold_narrative.as_deref(), Some("One; Two"));
    assert_eq!(
        several(5).unwrap_err().reason,
        "the narrative of the hold has 8 characters, at most 5"
    );
}

/// The head of an order carries the constants and the day in the site's calendar.
#[test]
fn the_header_has_the_constants_and_the_sites_local_day() {
    let order = with(|_, rules| {
        rules.header.order_type = "MKT".into();
        rules.header.payment_terms = "PRE".into();
        rules.header.brand = "OUT".into();
        rules.header.season = "AW26".into();
        rules.lines.warehouse = "WH1".into();
        let standard = rules.delivery.types.get_mut("STD").unwrap();
        (standard.carrier, standard.service) = ("DPD".into(), "NEXT DAY".into());
    })
    .unwrap();
    assert_eq!((order.order_type.as_str(), order.payment_terms.as_str()), ("MKT", "PRE"));
    assert_eq!(
        (
            order.header.brand.as_str(),
            order.header.season.as_str(),
            order.lines[1].warehouse.as_str()
        ),
        ("OUT", "AW26", "WH1")
    );
    assert_eq!(
        (order.header.carrier.as_str(), order.header.carrier_service.as_str()),
        ("DPD", "NEXT DAY")
    );
    assert_eq!(
        order.header.order_date,
        Some(jiff::civil::date(2026, 8, 1)),
        "half past midnight, British Summer Time"
    );
    let utc = with(|_, rules| rules.header.order_date_zone = "UTC0".into()).unwrap();
    assert_eq!(utc.header.order_date, Some(jiff::civil::date(2026, 7, 31)));
}
