//! How a Mirakl order becomes a Prima order, by the channel's order rules. Pure: no clock, no
//! store, no network.
//!
//! Nothing is cut, rounded or left out in silence: what does not fit makes the order an exception,
//! with all that is in its way at once. Reasons name fields and lengths, never the customer's own
//! words.

mod address;
pub(in crate::domain::order) mod country;
mod money;
mod notes;
mod party;
mod payment;
mod problems;
mod sku;
mod text;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;

pub use self::problems::MappingFailure;
use self::problems::Problems;
pub(crate) use self::sku::SkuParts;
pub use self::sku::{SkuProblem, SkuReader};
use super::remaining::remaining;
use super::rules::{OrderRules, PickUpPointTarget};
use crate::mirakl::Order;
use crate::prima::code_page::CharacterRules;
use crate::prima::documents;
use crate::prima::order::{PrimaOrder, PrimaOrderHeader, PrimaOrderLine, PrimaPayment};
use crate::prima::sku::SkuOverride;

/// What the mapping needs to know of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingChannel<'a> {
    /// The channel's id.
    pub id: &'a str,
    /// Its name, for people.
    pub name: &'a str,
}

/// An order as Prima gets it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappedOrder {
    /// The document.
    pub document: PrimaOrder,
    /// What rules changed on the way that a person may ask about, for the order's history. Nothing
    /// of the customer's.
    pub traces: Vec<String>,
}

/// Prima's number of an order. It depends only on the order's ids and the rules, and is never cut.
///
/// # Errors
/// It would be too long, be empty, or hold a character that Prima does not take.
pub fn order_number(
    order_id: &str,
    commercial_id: Option<&str>,
    rules: &OrderRules,
) -> Result<String, MappingFailure> {
    let mut problems = Problems::default();
    let number = number(&mut problems, order_id, commercial_id, rules);
    problems.into_result().map(|()| number)
}

fn number(
    problems: &mut Problems,
    order_id: &str,
    commercial_id: Option<&str>,
    rules: &OrderRules,
) -> String {
    let commercial_id = commercial_id.unwrap_or_default();
    if commercial_id.is_empty() && rules.order_number.uses("commercial_id") {
        problems.add(
            "the order number needs commercial_id, which Mirakl does not send",
            "Use {order_id} alone in the order rules (order_number), and retry the order.",
        );
    }
    let rendered =
        rules.order_number.render(&[("order_id", order_id), ("commercial_id", commercial_id)]);
    let mut number = String::new();
    for character in rendered.chars() {
        match rules.order_number_replace.get(character.encode_utf8(&mut [0; 4]) as &str) {
            Some(replacement) => number.push_str(replacement),
            None => number.push(character),
        }
    }
    if number.is_empty() {
        problems
            .add("the order number is empty", "Give a template with {order_id} in the order rules (order_number), and retry the order.");
    }
    if let Some(strange) = number.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        problems.add(
            format!("the order number {number:?} has the character {strange:?}; Prima takes letters, digits and '-'"),
            "Say what stands for it in the order rules (order_number_replace), and retry the order.",
        );
    }
    let length = number.chars().count();
    if length > rules.order_number_length {
        problems.add(
            format!("the order number {number:?} has {length} characters, at most {}", rules.order_number_length),
            "Shorten its template in the order rules (order_number), or raise order_number_length if Prima takes more; then retry the order.",
        );
    }
    number
}

/// The Prima order of `order`, in texts that the site's Prima can keep.
///
/// # Errors
/// All that is in the way, gathered in one failure.
pub fn map_order(
    order: &Order,
    channel: &MappingChannel<'_>,
    rules: &OrderRules,
    overrides: &HashMap<String, SkuOverride>,
    characters: &CharacterRules,
) -> Result<MappedOrder, MappingFailure> {
    let mut problems = Problems::new(characters);
    // What was refunded is not sent, and what is sent is what is still paid for.
    let order = &*remaining(order, None);
    if order.live_lines().next().is_none() {
        problems.nothing_to_create();
        problems.into_result()?;
        return Ok(MappedOrder::default());
    }
    let document = Mapping { order, channel, rules, overrides }.map(&mut problems);
    // What is no text of the customer's, such as an id, is never written in other letters.
    if problems.is_empty() {
        for (place, text) in documents::attributes(&document) {
            if !characters.code_page.holds(&text) {
                problems.outside_code_page(place);
            }
        }
    }
    let traces = problems.take_traces();
    problems.into_result().map(|()| MappedOrder { document, traces })
}

struct Mapping<'a> {
    order: &'a Order,
    channel: &'a MappingChannel<'a>,
    rules: &'a OrderRules,
    overrides: &'a HashMap<String, SkuOverride>,
}

impl Mapping<'_> {
    fn map(&self, problems: &mut Problems) -> PrimaOrder {
        let Self { order, rules, .. } = *self;
        let commercial_id = order.commercial_id.as_deref().unwrap_or_default();
        let number = number(problems, &order.order_id, order.commercial_id.as_deref(), rules);
        let ids = [
            ("order_number", number.as_str()),
            ("order_id", &order.order_id),
            ("commercial_id", commercial_id),
        ];
        let third_party_id = text::render(
            problems,
            "TPGUID",
            &rules.third_party_id,
            &ids,
            rules.third_party_id_length,
            "third_party_id_length",
        );

        // Money first: its check of the sum holds back when another of its own problems explains
        // it.
        let mut money_problems = Problems::default();
        let money = money::of_order(&mut money_problems, order, rules);
        problems.absorb(money_problems);

        let point = notes::pick_up_point(order, rules);
        let mut on_first_line = None;
        let mut delivery_for_attention_of = String::new();
        match (point, rules.contact.pick_up_point) {
            (Some(point), PickUpPointTarget::AddressLine) => on_first_line = Some(point),
            (Some(point), PickUpPointTarget::DeliveryForAttentionOf) => {
                delivery_for_attention_of = problems.fit_text("the pick-up point", point, rules.address.line_length, "address.line_length");
            }
            (Some(_), PickUpPointTarget::Exception) => problems.add(
                "the order goes to a pick-up point",
                "Key the order into Prima by hand, or say in the order rules (contact.pick_up_point) where the point's id goes and retry.",
            ),
            _ => {}
        }
        let (delivery, invoice) = party::parties(problems, order, on_first_line, rules);
        let standing = payment::of_order(problems, order, rules);
        let hold_narrative = notes::hold(problems, order, &money, standing.is_paid, rules);
        let [order_channel, source_media, order_category, customer_reference] =
            self.attribution(problems);
        let header =
            self.header(problems, &money, standing.is_paid, [source_media, order_category]);
        PrimaOrder {
            lines: self.lines(problems, &money),
            payments: if standing.is_paid {
                self.payment(problems, &money).into_iter().collect()
            } else {
                Vec::new()
            },
            order_number: number,
            third_party_id,
            customer: rules.customer_account.clone(),
            customer_definition: rules.customer_definition.clone(),
            hold_narrative,
            order_channel,
            customer_reference,
            order_type: rules.header.order_type.clone(),
            payment_terms: standing.terms,
            delivery_for_attention_of,
            vat_inclusive: money.vat_inclusive,
            delivery,
            invoice,
            header,
            charges: money.charges,
        }
    }

    /// `OrderChannel`, `SourceMedia`, `OrderCategory` and `CustomerRef`.
    fn attribution(&self, problems: &mut Problems) -> [String; 4] {
        let rules = &self.rules.attribution;
        let values = [
            ("channel_id", self.channel.id),
            ("channel_name", self.channel.name),
            (
                "marketplace_channel",
                self.order
                    .channel
                    .as_ref()
                    .map(|channel| channel.code.as_str())
                    .unwrap_or_default(),
            ),
            ("order_id", &self.order.order_id),
            ("commercial_id", self.order.commercial_id.as_deref().unwrap_or_default()),
        ];
        [
            ("OrderChannel", &rules.order_channel),
            ("SourceMedia", &rules.source_media),
            ("OrderCategory", &rules.order_category),
            ("CustomerRef", &rules.customer_reference),
        ]
        .map(|(what, template)| {
            text::render(problems, what, template, &values, rules.length, "attribution.length")
        })
    }

    fn header(
        &self,
        problems: &mut Problems,
        money: &money::Money,
        is_paid: bool,
        [source_media, order_category]: [String; 2],
    ) -> PrimaOrderHeader {
        let Self { order, rules, .. } = *self;
        let (special_instructions, shipping_instructions) =
            notes::instructions(problems, order, rules);
        let shipping = money::shipping_type(order, rules).cloned().unwrap_or_default();
        PrimaOrderHeader {
            business: rules.business.flag && notes::business(order).is_some(),
            brand: rules.header.brand.clone(),
            special_instructions,
            shipping_instructions,
            source_media,
            order_category,
            carrier: shipping.carrier,
            carrier_service: shipping.service,
            currency: money.prima_currency.clone(),
            order_date: self.order_date(),
            paid: rules.payment.paid && is_paid,
            season: rules.header.season.clone(),
        }
    }

    /// The day on which the customer ordered, as the site's calendar has it.
    fn order_date(&self) -> Option<Date> {
        let zone = TimeZone::posix(&self.rules.header.order_date_zone).unwrap_or(TimeZone::UTC);
        self.order.created_date.map(|created| zone.to_datetime(created).date())
    }

    fn lines(&self, problems: &mut Problems, money: &money::Money) -> Vec<PrimaOrderLine> {
        let Self { order, rules, overrides, .. } = *self;
        let mut seen = HashSet::new();
        let mut money = money.lines.iter();
        let lines = order.live_lines().map(|line| {
            let id = &line.order_line_id;
            if id.is_empty() || !seen.insert(id.as_str()) {
                problems.add(
                    format!("two lines have the reference {id:?}, or it is empty"),
                    "Ask the marketplace about the order's lines, and key the order into Prima by hand.",
                );
            }
            let sku = sku::resolve(problems, id, line.offer_sku.as_deref(), &rules.sku, overrides).unwrap_or_default();
            let what = format!("the reference of line {id}");
            let reference = problems.fit(&what, id.clone(), rules.lines.reference_length, "lines.reference_length");
            let worth = money.next();
            PrimaOrderLine {
                product: sku.product,
                matrix_codes: sku.matrix_codes,
                quantity: line.quantity,
                price: worth.map(|worth| worth.price).unwrap_or_default(),
                narrative: notes::narrative(problems, line, rules),
                reference,
                warehouse: rules.lines.warehouse.clone(),
                promotion: worth.map(|worth| worth.promotion.clone()).unwrap_or_default(),
                promotion_value: worth.and_then(|worth| worth.promotion_value),
            }
        });
        lines.collect()
    }

    fn payment(&self, problems: &mut Problems, money: &money::Money) -> Option<PrimaPayment> {
        let Self { order, rules, .. } = *self;
        let payment = &rules.payment;
        let values = [
            ("transaction_number", order.transaction_number.as_deref().unwrap_or_default()),
            ("order_id", &order.order_id),
            ("commercial_id", order.commercial_id.as_deref().unwrap_or_default()),
        ];
        let mut render = |what: &str, template| {
            text::render(
                problems,
                what,
                template,
                &values,
                payment.reference_length,
                "payment.reference_length",
            )
        };
        payment.send.then(|| PrimaPayment {
            method: payment.method.clone(),
            sub_method: payment.sub_method.clone(),
            amount: money.paid,
            provider: payment.provider.clone(),
            authorisation_reference: render(
                "the payment's authorisation reference",
                &payment.authorisation_reference,
            ),
            transaction_id: render("the payment's transaction number", &payment.transaction_id),
        })
    }
}
