//! What is told to the warehouse: instructions, line narratives, holds.

use super::money::Money;
use super::problems::Problems;
use super::text::{Note, NoteLimit, clean, clean_or_empty};
use super::{country, party, payment};
use crate::domain::order::rules::{
    FieldRule, HoldWhen, Instruction, OrderRules, PickUpPointTarget,
};
use crate::mirakl::Order;
use crate::mirakl::order::{AdditionalField, OrderLine, Organization};

/// `SpecialInstructions` and `ShippingInstructions`.
pub(super) fn instructions(
    problems: &mut Problems,
    order: &Order,
    rules: &OrderRules,
) -> (String, String) {
    let (mut special, mut shipping) = (Note::default(), Note::default());
    let mut put = |to: Instruction, text: String| match to {
        Instruction::Special => special.push(text),
        Instruction::Shipping => shipping.push(text),
        Instruction::Nothing => {}
    };
    if let Some(point) = pick_up_point(order, rules) {
        match rules.contact.pick_up_point {
            PickUpPointTarget::SpecialInstructions => put(Instruction::Special, point),
            PickUpPointTarget::ShippingInstructions => put(Instruction::Shipping, point),
            PickUpPointTarget::DeliveryForAttentionOf
            | PickUpPointTarget::AddressLine
            | PickUpPointTarget::Exception => {}
        }
    }
    if let Some(organization) = business(order) {
        put(rules.business.details, describe(organization));
    }
    if order.has_customer_message == Some(true) {
        put(rules.notes.customer_message, clean(&rules.notes.customer_message_text));
    }
    for rule in &rules.notes.order_fields {
        put(rule.to, field_text(rule, &order.order_additional_fields));
    }
    let notes = &rules.notes;
    let limit = |what: &str, most: usize, setting: &'static str| NoteLimit {
        what: what.to_owned(),
        most,
        setting,
        too_long: notes.too_long,
        abbreviations: &rules.address.abbreviations,
    };
    (
        special.finish(
            problems,
            &limit(
                "the text of the special instructions",
                notes.special_length,
                "notes.special_length",
            ),
        ),
        shipping.finish(
            problems,
            &limit(
                "the text of the shipping instructions",
                notes.shipping_length,
                "notes.shipping_length",
            ),
        ),
    )
}

/// `LineNarrative`.
pub(super) fn narrative(problems: &mut Problems, line: &OrderLine, rules: &OrderRules) -> String {
    let mut note = Note::default();
    for rule in &rules.notes.line_fields {
        note.push(field_text(rule, &line.order_line_additional_fields));
    }
    let limit = NoteLimit {
        what: format!("the narrative of line {}", line.order_line_id),
        most: rules.lines.narrative_length,
        setting: "lines.narrative_length",
        too_long: rules.notes.too_long,
        abbreviations: &rules.address.abbreviations,
    };
    note.finish(problems, &limit)
}

/// The pick-up point as it is written; `None` if the order goes to a door.
pub(super) fn pick_up_point(order: &Order, rules: &OrderRules) -> Option<String> {
    let id = clean_or_empty(order.shipping_pudo_id.as_ref());
    (!id.is_empty()).then(|| clean(&rules.contact.pick_up_point_text.render(&[("id", &id)])))
}

/// The organisation of a business order.
pub(super) fn business(order: &Order) -> Option<&Organization> {
    let organization = order.customer.as_ref()?.organization.as_ref()?;
    let has_id = !clean_or_empty(organization.organization_id.as_ref()).is_empty();
    (has_id || !describe(organization).is_empty()).then_some(organization)
}

fn describe(organization: &Organization) -> String {
    let labelled = [
        ("Company", &organization.name),
        ("VAT", &organization.tax_identification_number),
        ("Registration", &organization.identification_number),
    ];
    let known: Vec<String> = labelled
        .into_iter()
        .map(|(label, text)| (label, clean_or_empty(text.as_ref())))
        .filter(|(_, text)| !text.is_empty())
        .map(|(label, text)| format!("{label} {text}"))
        .collect();
    known.join(", ")
}

fn field_text(rule: &FieldRule, fields: &[AdditionalField]) -> String {
    let values: Vec<String> = fields
        .iter()
        .filter(|field| field.code == rule.code)
        .flat_map(|field| &field.value)
        .map(|value| clean(value))
        .filter(|value| !value.is_empty())
        .collect();
    if values.is_empty() {
        String::new()
    } else {
        clean(&format!("{} {}", rule.label, values.join(", ")))
    }
}

/// The narrative of the hold; `None` if the order is not held.
pub(super) fn hold(
    problems: &mut Problems,
    order: &Order,
    money: &Money,
    is_paid: bool,
    rules: &OrderRules,
) -> Option<String> {
    let mut reasons: Vec<&str> = Vec::new();
    for hold in &rules.holds {
        let narrative = hold.narrative.as_str();
        if applies(&hold.when, order, money, is_paid, rules) && !reasons.contains(&narrative) {
            reasons.push(narrative);
        }
    }
    if reasons.is_empty() {
        return None;
    }
    Some(problems.fit(
        "the narrative of the hold",
        reasons.join("; "),
        rules.hold_narrative_length,
        "hold_narrative_length",
    ))
}

fn applies(
    when: &HoldWhen,
    order: &Order,
    money: &Money,
    is_paid: bool,
    rules: &OrderRules,
) -> bool {
    match when {
        HoldWhen::TotalAbove { .. } => when.is_above(money.paid, &money.currency),
        HoldWhen::CustomerMessage => order.has_customer_message == Some(true),
        HoldWhen::CountryIn(countries) => {
            let address = order
                .customer
                .as_ref()
                .and_then(|customer| party::usable(customer.shipping_address.as_ref()));
            address
                .and_then(|address| country::alpha3(address, &rules.address.country))
                .is_some_and(|code| countries.contains(&code))
        }
        HoldWhen::Business => business(order).is_some(),
        HoldWhen::PickUpPoint => pick_up_point(order, rules).is_some(),
        HoldWhen::SkuPrefix(prefixes) => order
            .live_lines()
            .filter_map(|line| line.offer_sku.as_deref())
            .any(|sku| prefixes.iter().any(|prefix| sku.starts_with(prefix.as_str()))),
        HoldWhen::AdditionalField { code, equals } => order
            .order_additional_fields
            .iter()
            .any(|field| field.code == *code && field.value.contains(equals)),
        HoldWhen::Always => true,
        HoldWhen::Unpaid => !is_paid,
        HoldWhen::PaymentWorkflow(names) => {
            names.iter().any(|name| name == payment::workflow(order))
        }
    }
}
