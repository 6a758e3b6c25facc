//! Orders with customers whose every word can be recognised.

use jiff::Timestamp;
use rust_decimal::Decimal;
use shared::kit::amount::Amount;
use shared::mirakl::order::{Address, Customer, Fee, OrderLine};
use shared::mirakl::{Order, OrderState};

use super::office::UNKNOWN_PRODUCT;
use crate::world::dice::Dice;

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

/// The workflow of an ordinary order: it is debited, and then it may be shipped.
pub const PAY_ON_ACCEPTANCE: &str = "PAY_ON_ACCEPTANCE";
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
    pub fn befall(self, order: &mut Order) {
        match self {
            Self::PaidOnDueDate => order.payment_workflow = Some("PAY_ON_DUE_DATE".to_owned()),
            Self::PaidOnShipment => order.payment_workflow = Some("PAY_ON_SHIPMENT".to_owned()),
            Self::PaymentNeverConfirmed => {
                order.payment_workflow = Some("NO_CUSTOMER_PAYMENT_CONFIRMATION".to_owned())
            }
            Self::UnknownWorkflow => order.payment_workflow = Some("PAY_BY_MOON".to_owned()),
            // The marketplace leaves its debit out.
            Self::NotDebited => {}
            Self::Fee => add_fee(order, FEE),
            Self::FeeWithoutRule => add_fee(order, "NOBODYS"),
            Self::CountryAlias => set_country(order, "UK"),
            Self::UnknownCountry => set_country(order, "QQ"),
            Self::OutsideCodePage => {
                let address =
                    order.customer.as_mut().and_then(|customer| customer.shipping_address.as_mut());
                if let Some(address) = address {
                    address.lastname = Some("Zzyxińska-Łąk".to_owned());
                }
            }
        }
    }
}

/// Each line costs a fee on top, and the order's total contains it.
fn add_fee(order: &mut Order, code: &str) {
    let amount = Amount(Decimal::new(65, 2));
    for line in &mut order.order_lines {
        line.fees.push(Fee { code: Some(code.to_owned()), amount: Some(amount) });
        for total in [&mut line.total_price, &mut order.total_price].into_iter().flatten() {
            total.0 += amount.0;
        }
    }
}

fn set_country(order: &mut Order, code: &str) {
    let Some(customer) = &mut order.customer else { return };
    for address in
        [&mut customer.shipping_address, &mut customer.billing_address].into_iter().flatten()
    {
        address.country_iso_code = Some(code.to_owned());
    }
}

/// An order of one to three lines.
#[must_use]
pub fn order(id: &str, state: OrderState, created: Timestamp, goods: Goods, dice: &Dice) -> Order {
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
    let total = Amount(lines.iter().map(|line| line.price.0).sum());
    Order {
        order_id: id.to_owned(),
        commercial_id: Some(id.rsplit_once('-').map_or(id, |(basket, _)| basket).to_owned()),
        order_state: state,
        order_state_reason_code: None,
        created_date: Some(created),
        last_updated_date: Some(created),
        acceptance_decision_date: None,
        shipping_deadline: None,
        currency_iso_code: Some("GBP".to_owned()),
        order_tax_mode: Some("TAX_INCLUDED".to_owned()),
        price: Some(total),
        shipping_price: Some(Amount::ZERO),
        total_price: Some(total),
        total_commission: None,
        shipping_type_code: Some("STD".to_owned()),
        shipping_type_label: None,
        shipping_zone_code: None,
        shipping_pudo_id: None,
        transaction_number: Some(format!("T-{id}")),
        payment_type: None,
        payment_workflow: Some(PAY_ON_ACCEPTANCE.to_owned()),
        customer_debited_date: None,
        has_customer_message: Some(false),
        can_shop_ship: None,
        fully_refunded: None,
        fulfillment: None,
        channel: None,
        references: None,
        customer: Some(customer()),
        customer_notification_email: Some("relay-zzyx@marketplace.example".to_owned()),
        order_additional_fields: Vec::new(),
        order_lines: lines,
        order_taxes: Vec::new(),
        order_refunds: Vec::new(),
        unread_fields: Vec::new(),
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
        let order = order(id, state.clone(), created, goods, dice);
        if order.order_lines.iter().map(|line| line.quantity).sum::<u32>() >= 3 {
            return order;
        }
    }
}

fn line(id: &str, number: u64, sku: String, quantity: u32) -> OrderLine {
    let unit = Decimal::new(1995, 2);
    let price = Amount(unit * Decimal::from(quantity));
    OrderLine {
        order_line_id: format!("{id}-{number}"),
        order_line_state: None,
        offer_sku: Some(sku),
        product_title: None,
        quantity,
        price,
        price_unit: Some(Amount(unit)),
        shipping_price: Some(Amount::ZERO),
        total_price: Some(price),
        taxes: Vec::new(),
        shipping_taxes: Vec::new(),
        promotions: Vec::new(),
        fees: Vec::new(),
        eco_contributions: Vec::new(),
        debited_date: None,
        shipped_date: None,
        cancelations: Vec::new(),
        refunds: Vec::new(),
        order_line_additional_fields: Vec::new(),
    }
}

fn customer() -> Customer {
    let address = Address {
        firstname: Some("Wilmazzyx".to_owned()),
        lastname: Some("Zzyxington".to_owned()),
        street_1: Some("4 Zzyx Lane".to_owned()),
        zip_code: Some("ZZYX 1AA".to_owned()),
        city: Some("Zzyxham".to_owned()),
        country: Some("United Kingdom".to_owned()),
        country_iso_code: Some("GBR".to_owned()),
        phone: Some("+44 7700900123".to_owned()),
        ..Address::default()
    };
    Customer {
        civility: None,
        customer_id: Some("zzyx-771".to_owned()),
        firstname: Some("Wilmazzyx".to_owned()),
        lastname: Some("Zzyxington".to_owned()),
        organization: None,
        billing_address: Some(address.clone()),
        shipping_address: Some(address),
    }
}
