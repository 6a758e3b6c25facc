//! Orders with customers whose every word can be recognised.

use jiff::Timestamp;
use rust_decimal::Decimal;
use shared::mirakl::OrderState;
use simulators::mirakl::State;
use simulators::mirakl::model::{
    Address, Customer, Fee, Order, OrderLine, OwnTimes, PAY_ON_ACCEPTANCE, SHOPS_OWN_CENTER,
};

use super::marketplace::Sale;
use super::plan::SHOP;
use crate::world::dice::Dice;

/// A product that Prima does not know.
pub const UNKNOWN_PRODUCT: &str = "NOSUCH";

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goods {
    /// What Prima sells.
    Ordinary,
    /// A SKU that means nothing.
    UnknownSku,
    /// A SKU that means something that Prima does not know.
    UnknownToPrima,
}

/// A fee that the channels' rules carry.
pub const FEE: &str = "HANDLING";

/// What is odd about an order besides its goods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// The customer pays long after the goods have left.
    PaidOnDueDate,
    /// The customer pays while the seller is at work.
    PaidOnShipment,
    /// Nobody ever says that the customer paid.
    PaymentNeverConfirmed,
    /// Its payment workflow is none that Mirakl documents.
    UnknownWorkflow,
    /// It is to be shipped, and Mirakl names no debit although its workflow asks for one.
    NotDebited,
    /// Its total contains a fee that the rules carry.
    Fee,
    /// Its total contains a fee that the rules do not know.
    FeeWithoutRule,
    /// Its country's code is none of ISO's, and the rules say what it means.
    CountryAlias,
    /// Its country's code is none of ISO's.
    UnknownCountry,
    /// Its customer's name has letters that Prima cannot keep.
    OutsideCodePage,
}

impl Oddity {
    const ALL: [Self; 10] = [
        Self::PaidOnDueDate,
        Self::PaidOnShipment,
        Self::PaymentNeverConfirmed,
        Self::UnknownWorkflow,
        Self::NotDebited,
        Self::Fee,
        Self::FeeWithoutRule,
        Self::CountryAlias,
        Self::UnknownCountry,
        Self::OutsideCodePage,
    ];

    /// That of one order in five, by its id, so that nothing else is drawn otherwise because of it.
    #[must_use]
    pub fn of(id: &str) -> Option<Self> {
        let mixed =
            id.bytes().fold(0_u32, |mixed, byte| mixed.wrapping_mul(31).wrapping_add(byte.into()));
        Self::ALL.get(usize::try_from(mixed % 50).unwrap_or(usize::MAX)).copied()
    }

    /// Nobody can create such an order; `transliterates`: other letters are agreed.
    #[must_use]
    pub fn is_unmappable(self, transliterates: bool) -> bool {
        match self {
            Self::UnknownWorkflow
            | Self::NotDebited
            | Self::FeeWithoutRule
            | Self::UnknownCountry => true,
            Self::OutsideCodePage => !transliterates,
            Self::PaidOnDueDate
            | Self::PaidOnShipment
            | Self::PaymentNeverConfirmed
            | Self::Fee
            | Self::CountryAlias => false,
        }
    }

    /// Makes an order so.
    pub fn befall(self, sale: &mut Sale) {
        let order = &mut sale.order;
        match self {
            Self::PaidOnDueDate => order.payment_workflow = "PAY_ON_DUE_DATE",
            Self::PaidOnShipment => order.payment_workflow = "PAY_ON_SHIPMENT",
            Self::PaymentNeverConfirmed => {
                order.payment_workflow = "NO_CUSTOMER_PAYMENT_CONFIRMATION"
            }
            Self::UnknownWorkflow => order.payment_workflow = "PAY_BY_MOON",
            // The marketplace leaves its debit out.
            Self::NotDebited => {
                sale.shows = Some(|order| {
                    order.customer_debited_date = None;
                    order.order_lines.iter_mut().for_each(|line| line.debited_date = None);
                });
            }
            Self::Fee => add_fee(order, FEE),
            Self::FeeWithoutRule => add_fee(order, "NOBODYS"),
            Self::CountryAlias => set_country(order, "UK"),
            Self::UnknownCountry => set_country(order, "QQ"),
            Self::OutsideCodePage => {
                order.customer.shipping_address.lastname = "Zzyxińska-Łąk".to_owned();
            }
        }
    }
}

/// Each line costs a fee on top, and the order's total contains it.
fn add_fee(order: &mut Order, code: &'static str) {
    for line in &mut order.lines {
        line.fees.push(Fee { code, amount: Decimal::new(65, 2) });
    }
}

fn set_country(order: &mut Order, code: &'static str) {
    order.customer.shipping_address.country_iso_code = code;
    order.customer.billing_address.country_iso_code = code;
}

/// An order of one to three lines.
#[must_use]
pub fn order(id: &str, state: &OrderState, created: Timestamp, goods: Goods, dice: &Dice) -> Order {
    let lines: Vec<OrderLine> = (1..=dice.between(1, 3))
        .map(|number| {
            let sku = match (goods, number) {
                (Goods::UnknownSku, 1) => "nobodyknowsthis".to_owned(),
                (Goods::UnknownToPrima, 1) => format!("{UNKNOWN_PRODUCT}-NAV-12"),
                _ => format!("ST{}-NAV-{}", dice.between(100, 140), dice.between(6, 18)),
            };
            line(id, number, sku, u32::try_from(dice.between(1, 3)).unwrap_or(1))
        })
        .collect();
    Order {
        order_id: id.to_owned(),
        commercial_id: id.rsplit_once('-').map_or(id, |(basket, _)| basket).to_owned(),
        shop_id: SHOP,
        state: State::of_code(&state.to_string()).unwrap_or(State::WaitingAcceptance),
        cause: None,
        created,
        last_updated: created,
        acceptance_decision_date: None,
        customer_debited_date: None,
        shipped_date: None,
        currency: "GBP".to_owned(),
        tax_included: true,
        payment_workflow: PAY_ON_ACCEPTANCE,
        payment_type: "CARD",
        automatic_acceptance: None,
        payment_fails: false,
        times: OwnTimes::default(),
        channel: None,
        fulfillment_center_code: SHOPS_OWN_CENTER,
        shipping_type: ("STD", "Standard delivery"),
        shipping_zone: ("UK", "United Kingdom mainland"),
        shipping_pudo_id: None,
        shipping_deadline: created + jiff::SignedDuration::from_hours(72),
        leadtime_to_ship: 2,
        customer: customer(),
        has_customer_message: false,
        additional_fields: Vec::new(),
        reference_for_customer: None,
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
    }
}

/// An order of three pieces or more, so that a part of it can be cancelled.
#[must_use]
pub fn order_to_divide(
    id: &str,
    state: &OrderState,
    created: Timestamp,
    goods: Goods,
    dice: &Dice,
) -> Order {
    loop {
        let order = order(id, state, created, goods, dice);
        if order.lines.iter().map(|line| line.quantity).sum::<u32>() >= 3 {
            return order;
        }
    }
}

fn line(id: &str, number: u64, offer_sku: String, quantity: u32) -> OrderLine {
    OrderLine {
        order_line_id: format!("{id}-{number}"),
        offer_id: 4_000_000,
        offer_sku,
        product_title: "Fashion piece".to_owned(),
        state: State::Staging,
        quantity,
        price_unit: Decimal::new(1995, 2),
        shipping_price: Decimal::ZERO,
        taxes: Vec::new(),
        shipping_taxes: Vec::new(),
        fees: Vec::new(),
        commission_fee: Decimal::ZERO,
        commission_tax: Decimal::ZERO,
        promotion: None,
        cancelations: Vec::new(),
        refunds: Vec::new(),
        shipped: 0,
    }
}

fn customer() -> Customer {
    let address = Address {
        firstname: "Wilmazzyx".to_owned(),
        lastname: "Zzyxington".to_owned(),
        street_1: "4 Zzyx Lane".to_owned(),
        zip_code: "ZZYX 1AA".to_owned(),
        city: "Zzyxham".to_owned(),
        country: "United Kingdom",
        country_iso_code: "GBR",
        phone: Some("+44 7700900123".to_owned()),
        ..Address::default()
    };
    Customer {
        customer_id: "zzyx-771".to_owned(),
        firstname: "Wilmazzyx".to_owned(),
        lastname: "Zzyxington".to_owned(),
        billing_address: address.clone(),
        shipping_address: address,
        ..Customer::default()
    }
}
