//! How a channel's Mirakl orders become Prima orders: the order rules, a document of its own beside
//! the channel's definition, so that a mistake in it can never stop acceptance.
//!
//! Every setting but `price` has a default. Each field is described in `docs/mapping.md` with what
//! it governs.

pub mod address;
pub mod amounts;
mod check;
pub mod notes;
pub mod payment;
pub mod sku;
pub mod template;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use address::{
    AddressPart, AddressRules, ContactRules, CountryForm, CountryRules, EmailChoice,
    MissingBilling, PhoneChoice, PickUpPointTarget, TooLong, UnknownTitle,
};
pub use amounts::{AmountRules, ExcludedTax, FeeRule, InexactUnitPrice, PromotionRule, ZeroCharge};
pub use notes::{FieldRule, HoldRule, HoldWhen, Instruction, NoteRules};
pub(in crate::domain::order) use payment::PAY_ON_ACCEPTANCE;
pub use payment::{PaymentRules, UnpaidOrder, WorkflowRule};
pub use sku::SkuRules;
pub use template::Template;

/// The order rules of one channel. Unknown fields are refused: a misspelt setting must not be
/// ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRules {
    /// What Prima's line `Price` is. No default: the site says, after a probe order of two pieces.
    pub price: PriceMeaning,
    /// `OrderNumber`. `{order_id}`, `{commercial_id}` and literal text. Never cut.
    #[serde(default = "order_id_template")]
    pub order_number: Template,
    /// Characters of `OrderNumber` (assumed: 20).
    #[serde(default = "twenty")]
    pub order_number_length: usize,
    /// Characters of the number that are replaced before it is judged, such as `"_": "-"`. Anything
    /// else that is not a letter, a digit or `-` makes an exception.
    #[serde(default)]
    pub order_number_replace: BTreeMap<String, String>,
    /// `TPGUID`. Also `{order_number}`.
    #[serde(default = "order_number_template")]
    pub third_party_id: Template,
    /// Characters of `TPGUID`.
    #[serde(default = "forty")]
    pub third_party_id_length: usize,
    /// `Customer`: empty for "create or match", else the one account of the marketplace.
    #[serde(default)]
    pub customer_account: String,
    /// `CustDef`.
    #[serde(default)]
    pub customer_definition: String,
    /// Where the order comes from.
    #[serde(default)]
    pub attribution: AttributionRules,
    /// SKUs.
    #[serde(default)]
    pub sku: SkuRules,
    /// Addresses.
    #[serde(default)]
    pub address: AddressRules,
    /// Titles, telephone, e-mail, pick-up point.
    #[serde(default)]
    pub contact: ContactRules,
    /// Money.
    #[serde(default)]
    pub amounts: AmountRules,
    /// Delivery.
    #[serde(default)]
    pub delivery: DeliveryRules,
    /// The payment line.
    #[serde(default)]
    pub payment: PaymentRules,
    /// Lines.
    #[serde(default)]
    pub lines: LineRules,
    /// The order's head.
    #[serde(default)]
    pub header: HeaderRules,
    /// Business customers.
    #[serde(default)]
    pub business: BusinessRules,
    /// What is told to the warehouse.
    #[serde(default)]
    pub notes: NoteRules,
    /// Orders that a person releases.
    #[serde(default)]
    pub holds: Vec<HoldRule>,
    /// Characters of `HoldOrderNarrative`.
    #[serde(default = "hundred")]
    pub hold_narrative_length: usize,
}

impl OrderRules {
    /// The defaults, with the one setting that has none.
    #[must_use]
    pub fn new(price: PriceMeaning) -> Self {
        Self {
            price,
            order_number: order_id_template(),
            order_number_length: twenty(),
            order_number_replace: BTreeMap::new(),
            third_party_id: order_number_template(),
            third_party_id_length: forty(),
            customer_account: String::new(),
            customer_definition: String::new(),
            attribution: AttributionRules::default(),
            sku: SkuRules::default(),
            address: AddressRules::default(),
            contact: ContactRules::default(),
            amounts: AmountRules::default(),
            delivery: DeliveryRules::default(),
            payment: PaymentRules::default(),
            lines: LineRules::default(),
            header: HeaderRules::default(),
            business: BusinessRules::default(),
            notes: NoteRules::default(),
            holds: Vec::new(),
            hold_narrative_length: hundred(),
        }
    }
}

fn order_id_template() -> Template {
    Template::new("{order_id}")
}

fn order_number_template() -> Template {
    Template::new("{order_number}")
}

fn twenty() -> usize {
    20
}

fn forty() -> usize {
    40
}

fn hundred() -> usize {
    100
}

/// What Prima's line `Price` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceMeaning {
    /// The price of one piece.
    Unit,
    /// The price of the whole line.
    Line,
}

/// Attribution: templates of `{channel_id}`, `{channel_name}`, `{marketplace_channel}` (Mirakl's
/// `channel.code`), `{order_id}` and `{commercial_id}`. A value that Mirakl leaves empty stands for
/// nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttributionRules {
    /// `OrderChannel`.
    pub order_channel: Template,
    /// `SourceMedia`.
    pub source_media: Template,
    /// `OrderCategory`.
    pub order_category: Template,
    /// `CustomerRef`.
    pub customer_reference: Template,
    /// Characters of each.
    pub length: usize,
}

impl Default for AttributionRules {
    fn default() -> Self {
        Self {
            order_channel: Template::new("{channel_id}"),
            source_media: Template::default(),
            order_category: Template::default(),
            customer_reference: order_id_template(),
            length: 40,
        }
    }
}

/// What a shipping type means in Prima.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShippingType {
    /// The charge code of the delivery; empty: none is known.
    pub charge: String,
    /// `Carrier`; empty: Prima decides.
    pub carrier: String,
    /// `CarrServ`.
    pub service: String,
}

/// Delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryRules {
    /// Mirakl's `shipping_type_code` to what it means.
    pub types: BTreeMap<String, ShippingType>,
    /// Shipping types that `types` does not list. Left out: a delivery charge of such an order
    /// makes an exception.
    pub other_types: Option<ShippingType>,
    /// Free delivery.
    pub zero_charge: ZeroCharge,
}

/// Lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LineRules {
    /// Characters of `LineReference`, which is Mirakl's `order_line_id`. Never cut.
    pub reference_length: usize,
    /// `Warehouse`; empty: Prima decides.
    pub warehouse: String,
    /// Characters of `LineNarrative`.
    pub narrative_length: usize,
}

impl Default for LineRules {
    fn default() -> Self {
        Self { reference_length: 40, warehouse: String::new(), narrative_length: 60 }
    }
}

/// The order's head. An empty text is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HeaderRules {
    /// `OrderType`.
    pub order_type: String,
    /// `PaymentTerms`.
    pub payment_terms: String,
    /// `Brand`.
    pub brand: String,
    /// `Season`.
    pub season: String,
    /// The zone of `OrderDate`, as a POSIX rule, which needs no zone database: the United Kingdom's
    /// by default; `UTC0` for UTC.
    pub order_date_zone: String,
}

impl Default for HeaderRules {
    fn default() -> Self {
        Self {
            order_type: String::new(),
            payment_terms: String::new(),
            brand: String::new(),
            season: String::new(),
            order_date_zone: "GMT0BST,M3.5.0/1,M10.5.0".to_owned(),
        }
    }
}

/// Business customers: orders with a `customer.organization`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusinessRules {
    /// Such orders get `B2B="Yes"`.
    pub flag: bool,
    /// Where the organisation's name and VAT id go.
    pub details: Instruction,
}

impl Default for BusinessRules {
    fn default() -> Self {
        Self { flag: true, details: Instruction::Special }
    }
}
