//! What is wrong with order rules, one entry a field.

use jiff::tz::TimeZone;

use super::payment::NO_CONFIRMATION;
use super::sku::parse_pattern;
use super::{
    AddressPart, CountryForm, EmailChoice, HoldWhen, InexactUnitPrice, Instruction, OrderRules,
    Template, UnpaidOrder,
};
use crate::domain::order::mapping::country;
use crate::kit::field_error::FieldError;

/// The placeholders of attribution.
const ATTRIBUTION: [&str; 5] =
    ["channel_id", "channel_name", "marketplace_channel", "order_id", "commercial_id"];

#[derive(Default)]
struct Findings(Vec<FieldError>);

impl Findings {
    fn require(&mut self, holds: bool, field: impl Into<String>, problem: impl Into<String>) {
        if !holds {
            self.0.push(FieldError::new(field, problem));
        }
    }

    fn template(&mut self, field: &str, template: &Template, allowed: &[&str]) {
        if let Some(problem) = template.problem(allowed) {
            self.0.push(FieldError::new(field, problem));
        }
    }

    fn length(&mut self, field: &str, length: usize, most: usize) {
        self.require((1..=most).contains(&length), field, format!("takes 1 to {most} characters"));
    }
}

impl OrderRules {
    /// Everything that is wrong with the rules, one entry a field; empty when they are fit for use.
    #[must_use]
    pub fn problems(&self) -> Vec<FieldError> {
        let mut found = Findings::default();
        self.check_numbers(&mut found);
        self.check_sku(&mut found);
        self.check_address(&mut found);
        self.check_amounts(&mut found);
        self.check_notes(&mut found);
        found.0
    }

    fn check_numbers(&self, found: &mut Findings) {
        let plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        found.template("order_number", &self.order_number, &["order_id", "commercial_id"]);
        found.require(
            self.order_number.uses("order_id"),
            "order_number",
            "must contain {order_id}: two orders of one customer have the same {commercial_id}, and would have the same number",
        );
        found.length("order_number_length", self.order_number_length, 50);
        found.require(
            self.order_number_replace
                .iter()
                .all(|(from, to)| from.chars().count() == 1 && plain(to)),
            "order_number_replace",
            "takes single characters, each with letters, digits and '-' to stand for it",
        );
        found.template(
            "third_party_id",
            &self.third_party_id,
            &["order_number", "order_id", "commercial_id"],
        );
        found.require(
            self.third_party_id.uses("order_number") || self.third_party_id.uses("order_id"),
            "third_party_id",
            "must contain {order_number} or {order_id}",
        );
        found.length("third_party_id_length", self.third_party_id_length, 100);
        let attribution = &self.attribution;
        for (field, template) in [
            ("attribution.order_channel", &attribution.order_channel),
            ("attribution.source_media", &attribution.source_media),
            ("attribution.order_category", &attribution.order_category),
            ("attribution.customer_reference", &attribution.customer_reference),
        ] {
            found.template(field, template, &ATTRIBUTION);
        }
        found.length("attribution.length", attribution.length, 200);
        let zone_is_known = TimeZone::posix(&self.header.order_date_zone).is_ok();
        found.require(
            zone_is_known,
            "header.order_date_zone",
            "takes a POSIX rule, such as \"GMT0BST,M3.5.0/1,M10.5.0\" for the United Kingdom or \"UTC0\"",
        );
    }

    fn check_sku(&self, found: &mut Findings) {
        found.require(
            !self.sku.patterns.is_empty(),
            "sku.patterns",
            "takes one form of SKU at least",
        );
        for (index, pattern) in self.sku.patterns.iter().enumerate() {
            if let Err(problem) = parse_pattern(pattern) {
                found
                    .0
                    .push(FieldError::new(format!("sku.patterns[{index}]"), problem.to_string()));
            }
        }
        found.length("lines.reference_length", self.lines.reference_length, 100);
        found.length("lines.narrative_length", self.lines.narrative_length, 2000);
    }

    fn check_address(&self, found: &mut Findings) {
        let address = &self.address;
        let parts = &address.parts;
        found.require(
            parts.iter().enumerate().all(|(index, part)| !parts[..index].contains(part)),
            "address.parts",
            "names a part twice",
        );
        let needed = [
            AddressPart::Company,
            AddressPart::Company2,
            AddressPart::Street1,
            AddressPart::Street2,
            AddressPart::AdditionalInfo,
            AddressPart::City,
        ];
        for part in needed {
            found.require(
                parts.contains(&part),
                "address.parts",
                format!("lacks {}: it would be lost", part.name()),
            );
        }
        found.length("address.line_length", address.line_length, 100);
        found.length("address.post_code_length", address.post_code_length, 20);
        found.length("address.forename_length", address.forename_length, 100);
        found.length("address.surname_length", address.surname_length, 100);
        found.require(
            address.city_line.is_none_or(|line| (2..=6).contains(&line)),
            "address.city_line",
            "takes 2 to 6",
        );
        found.require(
            address.abbreviations.iter().all(|(word, short)| {
                !short.trim().is_empty()
                    && !word.contains(char::is_whitespace)
                    && short.chars().count() <= word.chars().count()
            }),
            "address.abbreviations",
            "takes single words, each with a shorter text that is not empty",
        );
        let known = |code: &String| country::is_alpha3(code);
        let countries = &address.country;
        found.require(
            countries.labels.values().all(known),
            "address.country.labels",
            "takes alpha-3 codes, such as \"GBR\"",
        );
        found.require(
            countries.codes.keys().all(|code| known(code) || country::is_left_to_users(code))
                && countries.codes.values().all(|code| !code.trim().is_empty()),
            "address.country.codes",
            "takes Prima's code for each alpha-3 code, such as \"GBR\": \"UK\"",
        );
        found.require(
            countries.form != CountryForm::Table || !countries.codes.is_empty(),
            "address.country.codes",
            "must not be empty where the form is \"table\"",
        );
        found.require(
            countries.aliases.iter().all(|(alias, code)| {
                !alias.trim().is_empty() && !country::is_iso(&alias.trim().to_uppercase()) && (known(code) || countries.codes.contains_key(code))
            }),
            "address.country.aliases",
            "takes codes that ISO 3166-1 does not list, each with an alpha-3 code, such as \"UK\": \"GBR\", or with one of address.country.codes",
        );
        found.require(
            address.no_post_code_in.iter().all(known),
            "address.no_post_code_in",
            "takes alpha-3 codes, such as \"IRL\"",
        );
        let contact = &self.contact;
        found.require(
            contact.mobile_prefixes.keys().all(known),
            "contact.mobile_prefixes",
            "takes alpha-3 codes, such as \"GBR\"",
        );
        found.length("contact.title_length", contact.title_length, 50);
        found.length("contact.phone_length", contact.phone_length, 50);
        found.length("contact.email_length", contact.email_length, 254);
        found.require(
            !matches!(&contact.email, EmailChoice::Fixed(text) if !text.contains('@') || text.chars().count() > contact.email_length),
            "contact.email",
            "takes \"relay\", \"nothing\" or {\"fixed\": \"orders@example.com\"}, not longer than email_length",
        );
        found.template("contact.pick_up_point_text", &contact.pick_up_point_text, &["id"]);
        found.require(
            contact.pick_up_point_text.uses("id"),
            "contact.pick_up_point_text",
            "must contain {id}",
        );
    }

    fn check_amounts(&self, found: &mut Findings) {
        found.require(self.amounts.decimals <= 4, "amounts.decimals", "takes 0 to 4");
        found.require(
            self.amounts
                .currencies
                .iter()
                .all(|(from, to)| iso_currency(from) && !to.trim().is_empty()),
            "amounts.currencies",
            "takes Prima's code for each ISO code, such as \"GBP\": \"GBP\"",
        );
        let missing = &self.amounts.missing_currency;
        found.require(
            missing.is_empty() || iso_currency(missing),
            "amounts.missing_currency",
            "takes an ISO code, such as \"GBP\", or nothing",
        );
        found.require(
            !matches!(&self.amounts.inexact_unit_price, InexactUnitPrice::RoundingCharge { code } if code.trim().is_empty()),
            "amounts.inexact_unit_price.rounding_charge.code",
            "takes a charge code of Prima",
        );
        for (field, fees) in [
            ("amounts.fees", &self.amounts.fees),
            ("amounts.eco_contributions", &self.amounts.eco_contributions),
        ] {
            found.require(
                fees.iter().all(|(code, rule)| !code.trim().is_empty() && !rule.charge.trim().is_empty()),
                field,
                "takes a charge code of Prima for each code of Mirakl, such as \"ECO\": {\"charge\": \"ECOTAX\"}",
            );
        }
        let payment = &self.payment;
        let may_count_as_paid = |name: &str, unpaid: UnpaidOrder| {
            unpaid != UnpaidOrder::AsPaid || name == NO_CONFIRMATION
        };
        found.require(
            payment.workflows.iter().all(|(name, rule)| !name.trim().is_empty() && may_count_as_paid(name, rule.unpaid)),
            "payment.workflows",
            "takes Mirakl's workflows, such as \"PAY_ON_DUE_DATE\": {\"unpaid\": \"create\", \"terms\": \"30DAYS\"}; as_paid only for NO_CUSTOMER_PAYMENT_CONFIRMATION",
        );
        found.require(
            payment.other_workflows.as_ref().is_none_or(|rule| rule.unpaid != UnpaidOrder::AsPaid),
            "payment.other_workflows",
            "takes create or exception: an order that nobody has paid never counts as paid",
        );
        found.require(
            !payment.send || !payment.method.trim().is_empty(),
            "payment.method",
            "takes Prima's code of the payment method",
        );
        for (field, template) in [
            ("payment.transaction_id", &payment.transaction_id),
            ("payment.authorisation_reference", &payment.authorisation_reference),
        ] {
            found.template(field, template, &["transaction_number", "order_id", "commercial_id"]);
        }
        found.length("payment.reference_length", payment.reference_length, 200);
    }

    fn check_notes(&self, found: &mut Findings) {
        let notes = &self.notes;
        found.length("notes.special_length", notes.special_length, 2000);
        found.length("notes.shipping_length", notes.shipping_length, 2000);
        let written = notes.customer_message == Instruction::Nothing
            || !notes.customer_message_text.trim().is_empty();
        found.require(
            written,
            "notes.customer_message_text",
            "takes what is to be written where the customer sent a message",
        );
        for (field, rules) in
            [("notes.order_fields", &notes.order_fields), ("notes.line_fields", &notes.line_fields)]
        {
            found.require(
                rules.iter().all(|rule| !rule.code.trim().is_empty()),
                field,
                "has an entry without the field's code",
            );
        }
        found.length("hold_narrative_length", self.hold_narrative_length, 2000);
        for (index, hold) in self.holds.iter().enumerate() {
            let field = format!("holds[{index}]");
            let length = hold.narrative.chars().count();
            found.require(
                !hold.narrative.trim().is_empty() && length <= self.hold_narrative_length,
                format!("{field}.narrative"),
                format!("takes 1 to {} characters", self.hold_narrative_length),
            );
            match &hold.when {
                HoldWhen::CountryIn(list) => found.require(
                    !list.is_empty() && list.iter().all(|code| country::is_alpha3(code)),
                    format!("{field}.when.country_in"),
                    "takes alpha-3 codes, such as \"NOR\"",
                ),
                HoldWhen::SkuPrefix(list) => found.require(
                    !list.is_empty() && list.iter().all(|prefix| !prefix.is_empty()),
                    format!("{field}.when.sku_prefix"),
                    "takes the beginnings of SKUs",
                ),
                HoldWhen::TotalAbove { amount, currency } => found.require(
                    iso_currency(currency) && !amount.0.is_sign_negative(),
                    format!("{field}.when.total_above"),
                    "takes an amount and its currency's ISO code",
                ),
                HoldWhen::AdditionalField { code, .. } => {
                    found.require(
                        !code.is_empty(),
                        format!("{field}.when.additional_field.code"),
                        "takes the field's code",
                    );
                }
                HoldWhen::PaymentWorkflow(list) => found.require(
                    !list.is_empty() && list.iter().all(|name| !name.trim().is_empty()),
                    format!("{field}.when.payment_workflow"),
                    "takes Mirakl's workflows, such as \"PAY_ON_DUE_DATE\"",
                ),
                HoldWhen::CustomerMessage
                | HoldWhen::Business
                | HoldWhen::PickUpPoint
                | HoldWhen::Always
                | HoldWhen::Unpaid => {}
            }
        }
    }
}

fn iso_currency(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}
