//! Orders as a fashion marketplace brings them, the same for the same seed: with accents, long
//! addresses, businesses, the same SKU on two lines, promotions, pick-up points, orders that are
//! paid later, fees, countries by other codes than ISO's.

use jiff::{SignedDuration, Timestamp};
use rand::seq::IndexedRandom as _;
use rand::{Rng, RngExt as _};
use rust_decimal::Decimal;
use serde::Deserialize;

use super::model::{
    AdditionalField, Address, Customer, Fee, FieldValue, Order, OrderLine, Organization, OwnTimes,
    PAY_ON_ACCEPTANCE, Promotion, SHOPS_OWN_CENTER, ShopProfile, State, Tax,
};
use crate::fashion::{CatalogueSku, Person, person};

/// What orders are to be like, besides chance. Shares are from 0 (none) to 1 (all).
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct OrderWish {
    /// The first line is of a SKU that Prima does not sell.
    pub unknown_sku: bool,
    /// The share of orders of which that is so.
    pub unknown_sku_share: f64,
    /// The share of orders whose payment fails: they are cancelled after their acceptance.
    pub payment_fails_share: f64,
    /// How many lines; none: one to four.
    pub lines: Option<usize>,
    /// Pieces of every line; none: one to three.
    pub quantity: Option<u32>,
    /// The marketplace ships it from a centre of its own.
    pub operator_fulfils: bool,
}

/// Percent of value added tax.
const TAX_RATE: i64 = 20;

/// An order for a shop. `number` makes its ids: `M2001-000042`, `M2001-000042-A`,
/// `M2001-000042-A-1`.
pub fn generate_order(
    rng: &mut impl Rng,
    now: Timestamp,
    shop: &ShopProfile,
    number: u64,
    catalogue: &[CatalogueSku],
    wish: OrderWish,
) -> Order {
    let commercial_id = format!("M{}-{number:06}", shop.shop_id);
    let order_id = format!("{commercial_id}-A");
    let british = shop.currency == "GBP";
    let buyer = person(rng, british);
    let unknown = wish.unknown_sku || share(rng, wish.unknown_sku_share);
    let count = wish.lines.unwrap_or(*[1, 1, 1, 2, 2, 3, 4].choose(rng).unwrap_or(&1));
    let taxes_shown = !shop.tax_included || share(rng, 0.3);
    let mut lines: Vec<OrderLine> = Vec::with_capacity(count);
    for index in 1..=count {
        let (offer_sku, offer_id) = match lines.first() {
            _ if unknown && index == 1 => (
                format!("NOSUCH-{}-00", rng.random_range(100..1000)),
                9_900_000 + i64::from(rng.random::<u16>()),
            ),
            // The same offer on two lines now and then: lines are told apart by their ids alone.
            Some(first) if share(rng, 0.1) => (first.offer_sku.clone(), first.offer_id),
            _ => offer(rng, catalogue),
        };
        let line_id = format!("{order_id}-{index}");
        lines.push(line(
            rng,
            line_id,
            (offer_sku, offer_id),
            wish.quantity,
            index == 1,
            shop.tax_included,
            taxes_shown,
        ));
    }
    let pick_up = share(rng, 0.07);
    let message = share(rng, 0.1);
    let shipping_pudo_id = pick_up.then(|| format!("PUDO-{}", rng.random_range(1000..10_000)));
    let channel = [None, Some(("WEB", "Website")), Some(("APP", "Mobile app – iOS & Android"))]
        .choose(rng)
        .copied()
        .flatten();
    if let (6, Some(first)) = (number % 10, lines.first_mut()) {
        first.fees.push(Fee { code: "HANDLING", amount: Decimal::new(75, 2) });
    }
    let mut order = Order {
        customer: customer(rng, &commercial_id, buyer, british, message),
        additional_fields: additional_fields(rng, shipping_pudo_id.as_deref()),
        reference_for_customer: Some(commercial_id.clone()),
        order_id,
        commercial_id,
        shop_id: shop.shop_id,
        state: State::Staging,
        cause: None,
        created: now,
        last_updated: now,
        acceptance_decision_date: None,
        customer_debited_date: None,
        shipped_date: None,
        currency: shop.currency.clone(),
        tax_included: shop.tax_included,
        payment_workflow: PAY_ON_ACCEPTANCE,
        payment_type: ["CARD", "PAYPAL", "KLARNA"].choose(rng).unwrap_or(&"CARD"),
        automatic_acceptance: shop.automatic_acceptance,
        payment_fails: share(rng, wish.payment_fails_share),
        times: OwnTimes::default(),
        channel,
        fulfillment_center_code: if wish.operator_fulfils { "OPERATOR" } else { SHOPS_OWN_CENTER },
        shipping_type: if pick_up {
            ("PICKUP", "Click & collect")
        } else {
            *[("STD", "Standard delivery"), ("EXP", "Express – next day")]
                .choose(rng)
                .unwrap_or(&("STD", "Standard delivery"))
        },
        shipping_zone: if british { ("UK", "United Kingdom mainland") } else { ("EU", "Europe") },
        shipping_pudo_id,
        shipping_deadline: now + SignedDuration::from_hours(72),
        leadtime_to_ship: 2,
        has_customer_message: message,
        reference_for_seller: None,
        lines,
        accepted_at: None,
        accept_calls: 0,
        reference_writes: 0,
        tracking: None,
        shipments: Vec::new(),
        tracking_writes: 0,
        tracked_after_shipping: 0,
        shipped_without_tracking: false,
        due: None,
    };
    rename(&mut order.customer, number, british);
    // A payment can only fail where it is asked for.
    if !order.payment_fails {
        order.payment_workflow = workflow(number);
    }
    order
}

/// When an order is paid; by its number, as all that follows, so that the dice fall as they would
/// without.
fn workflow(number: u64) -> &'static str {
    match (number % 13, number % 26) {
        (7, _) => "PAY_ON_DUE_DATE",
        (11, _) => "PAY_ON_SHIPMENT",
        (_, 9) => "NO_CUSTOMER_PAYMENT_CONFIRMATION",
        _ => PAY_ON_ACCEPTANCE,
    }
}

/// Now and then a country by a code that ISO 3166-1 does not list, or a name with a typographic
/// apostrophe.
fn rename(customer: &mut Customer, number: u64, british: bool) {
    let country = match (number % 12, number % 24, british) {
        (5, _, true) => Some(("UK", "United Kingdom")),
        (5, 5, false) => Some(("EL", "Greece")),
        (5, _, false) => Some(("XK", "Kosovo")),
        _ => None,
    };
    for address in [&mut customer.billing_address, &mut customer.shipping_address] {
        if let Some((code, label)) = country {
            (address.country_iso_code, address.country) = (code, label);
        }
        if number % 15 == 8 {
            address.lastname = address.lastname.replace('\'', "’");
        }
    }
}

fn share(rng: &mut impl Rng, share: f64) -> bool {
    // A share comes from outside: what is no number counts as none.
    rng.random_bool(if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) })
}

/// An offer of the catalogue and its id, which is its place there.
fn offer(rng: &mut impl Rng, catalogue: &[CatalogueSku]) -> (String, i64) {
    if catalogue.is_empty() {
        return ("NOSUCH-000-00".to_owned(), 9_900_000);
    }
    let index = rng.random_range(0..catalogue.len());
    let sku = catalogue.get(index).map(CatalogueSku::offer_sku).unwrap_or_default();
    (sku, 4_000_000 + i64::try_from(index).unwrap_or_default())
}

fn line(
    rng: &mut impl Rng,
    order_line_id: String,
    (offer_sku, offer_id): (String, i64),
    wished: Option<u32>,
    first: bool,
    tax_included: bool,
    taxes_shown: bool,
) -> OrderLine {
    let quantity = wished.unwrap_or(*[1_u32, 1, 1, 1, 2, 3].choose(rng).unwrap_or(&1));
    let listed = Decimal::new(rng.random_range(900..18_900), 2);
    let off = if share(rng, 0.12) { Decimal::new(250, 2) } else { Decimal::ZERO };
    let price_unit = listed - off;
    let price = price_unit * Decimal::from(quantity);
    let shipping_price = if first {
        Decimal::new(*[0, 395, 595].choose(rng).unwrap_or(&395), 2)
    } else {
        Decimal::ZERO
    };
    let tax = |amount: Decimal| {
        let over = if tax_included { 100 + TAX_RATE } else { 100 };
        let amount = (amount * Decimal::from(TAX_RATE) / Decimal::from(over)).round_dp(2);
        Tax { code: "VAT", rate: Decimal::from(TAX_RATE), amount }
    };
    let commission_fee = ((price + shipping_price) * Decimal::new(15, 2)).round_dp(2);
    OrderLine {
        order_line_id,
        offer_id,
        product_title: title(&offer_sku),
        offer_sku,
        state: State::Staging,
        quantity,
        price_unit,
        shipping_price,
        taxes: if taxes_shown { vec![tax(price)] } else { Vec::new() },
        shipping_taxes: if taxes_shown && !shipping_price.is_zero() {
            vec![tax(shipping_price)]
        } else {
            Vec::new()
        },
        fees: Vec::new(),
        commission_fee,
        commission_tax: (commission_fee * Decimal::new(TAX_RATE, 2)).round_dp(2),
        promotion: (!off.is_zero()).then(|| Promotion {
            id: "SEASON-OPENING",
            description: "Season opening: £/€ 2.50 off each – café crème edition",
            deduced_amount: off * Decimal::from(quantity),
        }),
        cancelations: Vec::new(),
        refunds: Vec::new(),
        shipped: 0,
    }
}

/// What the marketplace calls a piece, by the letter of its style.
fn title(offer_sku: &str) -> String {
    let piece = match offer_sku.chars().next() {
        Some('W') => "Women's wrap dress \"Zoë\"",
        Some('M') => "Men's piqué polo",
        Some('K') => "Kids' dungarees & tee",
        _ => "Fashion piece",
    };
    format!("{piece} – {offer_sku}")
}

fn customer(
    rng: &mut impl Rng,
    commercial_id: &str,
    buyer: Person,
    british: bool,
    message: bool,
) -> Customer {
    let organization = buyer.company.as_ref().map(|name| Organization {
        organization_id: format!("ORG-{commercial_id}"),
        name: name.clone(),
        identification_number: share(rng, 0.5)
            .then(|| format!("{:08}", rng.random_range(0..100_000_000_u32))),
        tax_identification_number: share(rng, 0.5)
            .then(|| format!("GB{:09}", rng.random_range(0..1_000_000_000_u32))),
    });
    let billing_address = address(&buyer);
    // A present goes to somebody else.
    let mut shipping_address =
        if share(rng, 0.15) { address(&person(rng, british)) } else { billing_address.clone() };
    shipping_address.additional_info =
        message.then(|| "Please leave it with the porter – n'oubliez pas de sonner".to_owned());
    // An operator's id of the customer may itself be an e-mail address.
    let customer_id = if share(rng, 0.1) {
        format!("{}@mail.example", commercial_id.to_lowercase())
    } else {
        format!("C-{commercial_id}")
    };
    Customer {
        customer_id,
        civility: buyer.title,
        firstname: buyer.first,
        lastname: buyer.last,
        locale: [None, Some("en_GB"), Some("fr_FR")].choose(rng).copied().flatten(),
        organization,
        billing_address,
        shipping_address,
    }
}

fn address(person: &Person) -> Address {
    Address {
        civility: person.title,
        firstname: person.first.clone(),
        lastname: person.last.clone(),
        company: person.company.clone(),
        company_2: person.company.as_ref().map(|_| "Goods-in, Bay 2".to_owned()),
        street_1: person.street.clone(),
        street_2: person.street_2.clone(),
        zip_code: person.post_code.clone(),
        city: person.town.clone(),
        state: None,
        country: person.country_label,
        country_iso_code: person.country,
        phone: Some(person.phone.clone()),
        phone_secondary: None,
        additional_info: None,
    }
}

fn additional_fields(rng: &mut impl Rng, pick_up_point: Option<&str>) -> Vec<AdditionalField> {
    let mut fields = Vec::new();
    if let Some(id) = pick_up_point {
        fields.push(AdditionalField {
            code: "pickup-point-id",
            kind: "STRING",
            value: FieldValue::Text(id.to_owned()),
        });
        let name = "Tabac-Presse \"L'Étoile\"".to_owned();
        fields.push(AdditionalField {
            code: "pickup-point-name",
            kind: "STRING",
            value: FieldValue::Text(name),
        });
    }
    if share(rng, 0.1) {
        let options = vec!["wrapping".to_owned(), "card".to_owned()];
        fields.push(AdditionalField {
            code: "gift-options",
            kind: "MULTIPLE_VALUES_LIST",
            value: FieldValue::Several(options),
        });
    }
    fields
}
