//! Whole orders, single rules, and laws that hold for any order.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod characters;
mod delivery;
mod documents;
mod laws;
mod money;
mod payment;
mod refunds;
mod whole;

use std::collections::HashMap;

use super::{MappingChannel, MappingFailure, map_order, order_number};
use crate::domain::order::rules::{OrderRules, PriceMeaning, ShippingType};
use crate::mirakl::Order;
use crate::mirakl::order::{Address, Customer, OrderLine};
use crate::prima::PrimaOrder;
use crate::prima::code_page::{CharacterRules, CodePage};

const CHANNEL: MappingChannel<'static> =
    MappingChannel { id: "outfitter-uk", name: "Outfitter UK" };

/// A UK order of two lines, tax included: 25.00 and 10.00, delivery 3.95.
fn uk() -> Order {
    serde_json::from_str(
        r#"{"order_id":"MK-10042-A","commercial_id":"MK-10042","order_state":"SHIPPING","created_date":"2026-07-31T23:30:00Z",
        "currency_iso_code":"GBP","order_tax_mode":"TAX_INCLUDED","price":35.00,"shipping_price":3.95,"total_price":38.95,
        "shipping_type_code":"STD","transaction_number":"TX-771","payment_workflow":"PAY_ON_ACCEPTANCE",
        "customer_debited_date":"2026-08-01T08:00:00Z","channel":{"code":"UK","label":"United Kingdom"},
        "customer_notification_email":"relay-1@example.com","has_customer_message":false,
        "customer":{"civility":"Mrs","firstname":"Ann","lastname":"Buyer",
          "shipping_address":{"civility":"Mrs","firstname":"Ann","lastname":"O'Shea","street_1":"12 High Street","street_2":"Flat 3",
            "zip_code":"LS1 4AB","city":"Leeds","state":"West Yorkshire","country":"United Kingdom","country_iso_code":"GBR",
            "phone":"07700 900123","phone_secondary":"0113 496 0000","additional_info":"Code 55"},
          "billing_address":{"civility":"Mr","firstname":"Ben","lastname":"Buyer","company":"Buyer & Son","street_1":"1 Low Road",
            "zip_code":"YO1 7HH","city":"York","country_iso_code":"GBR"}},
        "order_lines":[
          {"order_line_id":"MK-10042-A-1","order_line_state":"SHIPPING","offer_sku":"W1042-NAV-12","quantity":2,"price":25.00,"price_unit":12.50,
            "shipping_price":2.00,"total_price":27.00,"taxes":[],"shipping_taxes":[],"promotions":[]},
          {"order_line_id":"MK-10042-A-2","order_line_state":"SHIPPING","offer_sku":"T77-RED-S","quantity":1,"price":10.0,"price_unit":10,
            "shipping_price":1.95,"total_price":11.95}]}"#,
    )
    .unwrap()
}

fn any_character() -> CharacterRules {
    CharacterRules { code_page: CodePage::Utf8, ..CharacterRules::default() }
}

fn rules() -> OrderRules {
    let mut rules = OrderRules::new(PriceMeaning::Line);
    for (code, charge) in [("STD", "DEL"), ("EXP", "DELEXP")] {
        rules
            .delivery
            .types
            .insert(code.into(), ShippingType { charge: charge.into(), ..ShippingType::default() });
    }
    rules
}

fn mapped(order: &Order, rules: &OrderRules) -> Result<PrimaOrder, MappingFailure> {
    assert_eq!(rules.problems(), [], "a test's rules are sound");
    map_order(order, &CHANNEL, rules, &HashMap::new(), &any_character())
        .map(|mapped| mapped.document)
}

/// The order that the rules, changed by `change`, make of the order, changed too.
fn with(change: impl FnOnce(&mut Order, &mut OrderRules)) -> Result<PrimaOrder, MappingFailure> {
    let (mut order, mut rules) = (uk(), rules());
    change(&mut order, &mut rules);
    mapped(&order, &rules)
}

fn reason(change: impl FnOnce(&mut Order, &mut OrderRules)) -> String {
    let failure = with(change).unwrap_err();
    assert!(!failure.remedy.is_empty(), "{failure:?}");
    failure.reason
}

fn customer(order: &mut Order) -> &mut Customer {
    order.customer.as_mut().unwrap()
}

fn shipping(order: &mut Order) -> &mut Address {
    customer(order).shipping_address.as_mut().unwrap()
}

fn line(order: &mut Order) -> &mut OrderLine {
    &mut order.order_lines[0]
}
