//! Whole orders, as a reviewer would read them.

use super::*;
use crate::domain::order::rules::PriceMeaning;
use crate::mirakl::order::{Organization, Tax};

#[test]
fn a_uk_order() {
    insta::assert_debug_snapshot!(with(|_, _| {}).unwrap());
}

/// A French order with the taxes on top, to a company.
fn french(order: &mut Order) {
    order.currency_iso_code = Some("EUR".into());
    order.order_tax_mode = Some("TAX_EXCLUDED".into());
    order.order_lines.truncate(1);
    order.total_price = Some(rust_decimal::Decimal::new(2700, 2).into());
    line(order).taxes = vec![Tax {
        code: Some("TVA".into()),
        amount: rust_decimal::Decimal::new(500, 2).into(),
        ..Tax::default()
    }];
    let address = shipping(order);
    *address = Address {
        civility: Some("Mme".into()),
        firstname: Some("Zoë".into()),
        lastname: Some("Lefèvre".into()),
        company: Some("Société d'Œuvres & Fils".into()),
        street_1: Some("14 bis, boulevard de la République Française".into()),
        zip_code: Some("75011".into()),
        city: Some("Paris".into()),
        country: Some("France (métropolitaine)".into()),
        phone: Some("+33 6 12 34 56 78".into()),
        ..Address::default()
    };
}

#[test]
fn a_french_order_without_taxes_to_a_company() {
    insta::assert_debug_snapshot!(with(|order, _| french(order)).unwrap());
}

#[test]
fn a_business_order_with_unit_prices() {
    let order = with(|order, rules| {
        rules.price = PriceMeaning::Unit;
        let name = Some("Acme Ltd".to_owned());
        customer(order).organization = Some(Organization {
            name,
            tax_identification_number: Some("GB123".into()),
            ..Organization::default()
        });
        customer(order).billing_address = None;
    });
    insta::assert_debug_snapshot!(order.unwrap());
}

#[test]
fn an_order_to_a_pick_up_point() {
    let order = with(|order, _| {
        french(order);
        order.shipping_pudo_id = Some("FR-00417".into());
        shipping(order).company = Some("Tabac du Coin".into());
    });
    insta::assert_debug_snapshot!(order.unwrap());
}
