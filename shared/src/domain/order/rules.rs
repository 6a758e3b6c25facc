//! How a channel's Mirakl orders become Prima orders: the order rules, a document of its own beside
//! the channel's definition, so that a mistake in it can never stop acceptance.
//!
//! Every setting but `price` has a default. Each field is described in `docs/mapping.md` with what
//! it governs.

pub mod address;
mod check;
pub mod sku;
pub mod template;

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

pub use address::{
    AddressPart, AddressRules, ContactRules, CountryForm, CountryRules, EmailChoice,
    MissingBilling, PhoneChoice, PickUpPointTarget, TooLong, UnknownTitle,
};
pub use sku::SkuRules;
pub use template::Template;

use crate::kit::amount::Amount;

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

/// What is sent of an order whose prices do not contain the taxes (`TAX_EXCLUDED`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExcludedTax {
    /// The net prices, with `VatInclusive="No"`: Prima adds the tax.
    #[default]
    SendNet,
    /// Prices plus Mirakl's taxes, with `VatInclusive="Yes"`.
    AddTaxes,
}

/// How a marketplace's promotion on a line is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PromotionRule {
    /// The price after the promotion, and nothing more.
    #[default]
    Net,
    /// The price before it, with `Promotion` and `PromotionValue`.
    Gross {
        /// `Promotion`; empty: Mirakl's promotion id.
        #[serde(default)]
        code: String,
    },
}

/// A line's price that is not a whole number of hundredths per piece, where Prima wants the price
/// of one piece.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InexactUnitPrice {
    /// The order becomes an exception.
    #[default]
    Exception,
    /// The price per piece is rounded down, and what is left goes into one charge of the order.
    RoundingCharge {
        /// The charge code.
        code: String,
    },
}

/// Money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AmountRules {
    /// Decimals that Prima takes in an amount. An amount with more becomes an exception: nothing is
    /// rounded.
    pub decimals: u32,
    /// `TAX_EXCLUDED`.
    pub excluded_tax: ExcludedTax,
    /// Promotions.
    pub promotions: PromotionRule,
    /// Prices that do not divide.
    pub inexact_unit_price: InexactUnitPrice,
    /// The allowed currencies: ISO code to Prima's code. Empty: any, by its ISO code.
    pub currencies: BTreeMap<String, String>,
    /// The currency of an order that names none; empty: such an order becomes an exception.
    pub missing_currency: String,
    /// Mirakl's code of a fee to the charge that carries it, where the order's total contains it.
    pub fees: BTreeMap<String, FeeRule>,
    /// The category (`epr_category_code`) of an eco contribution to the charge that carries it,
    /// where the order's total contains it beside the prices.
    pub eco_contributions: BTreeMap<String, FeeRule>,
}

/// How a fee is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeRule {
    /// The charge code.
    pub charge: String,
}

impl Default for AmountRules {
    fn default() -> Self {
        Self {
            decimals: 2,
            excluded_tax: ExcludedTax::default(),
            promotions: PromotionRule::default(),
            inexact_unit_price: InexactUnitPrice::default(),
            currencies: BTreeMap::new(),
            missing_currency: String::new(),
            fees: BTreeMap::new(),
            eco_contributions: BTreeMap::new(),
        }
    }
}

/// A delivery that costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ZeroCharge {
    /// No charge is sent.
    #[default]
    LeaveOut,
    /// A charge of 0.00 is sent.
    Send,
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

/// What becomes of an order that is ready to be shipped, and that Mirakl does not say is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnpaidOrder {
    /// It is created with `OrderPaid="No"` and without a payment line.
    Create,
    /// It becomes an exception.
    Exception,
    /// It is created as paid: the marketplace answers for the payment. Only for
    /// `NO_CUSTOMER_PAYMENT_CONFIRMATION`, whose payments are never confirmed.
    AsPaid,
}

/// What holds for the orders of one `payment_workflow`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkflowRule {
    /// Orders that are not paid yet.
    pub unpaid: UnpaidOrder,
    /// `PaymentTerms` of such an order; empty: those of every order.
    #[serde(default)]
    pub terms: String,
}

/// The payment workflows that Mirakl documents, and what holds for each where the rules do not say.
const WORKFLOWS: [(&str, UnpaidOrder); 5] = [
    // Such an order is debited before it may be shipped: without a debit something is wrong.
    (PAY_ON_ACCEPTANCE, UnpaidOrder::Exception),
    ("PAY_ON_DELIVERY", UnpaidOrder::Create),
    ("PAY_ON_DUE_DATE", UnpaidOrder::Create),
    ("PAY_ON_SHIPMENT", UnpaidOrder::Create),
    (NO_CONFIRMATION, UnpaidOrder::Create),
];

/// The workflow of platforms that know no other, and name none.
pub(in crate::domain::order) const PAY_ON_ACCEPTANCE: &str = "PAY_ON_ACCEPTANCE";
const NO_CONFIRMATION: &str = "NO_CUSTOMER_PAYMENT_CONFIRMATION";

/// The payment line. Its amount is what the customer paid: goods, shipping and taxes. An order that
/// is not paid has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PaymentRules {
    /// A payment line is sent.
    pub send: bool,
    /// `PayMethod`. The default is that of the only public sample.
    pub method: String,
    /// `SubPayMethod`.
    pub sub_method: String,
    /// `PayProvider`.
    pub provider: String,
    /// `TransactionID`: `{transaction_number}`, `{order_id}`, `{commercial_id}`.
    pub transaction_id: Template,
    /// `PayAuthRef`: the same.
    pub authorisation_reference: Template,
    /// Characters of these two.
    pub reference_length: usize,
    /// `OrderPaid` of an order that is paid; that of any other is `No`.
    pub paid: bool,
    /// What holds for the orders of a `payment_workflow`. One that Mirakl documents has its own
    /// default.
    pub workflows: BTreeMap<String, WorkflowRule>,
    /// What holds for those of any other workflow; left out: such an order becomes an exception.
    pub other_workflows: Option<WorkflowRule>,
}

impl PaymentRules {
    /// What holds for the orders of a workflow; `None` if nobody has said.
    #[must_use]
    pub fn workflow(&self, name: &str) -> Option<WorkflowRule> {
        let documented = || {
            let (_, unpaid) = WORKFLOWS.into_iter().find(|(known, _)| *known == name)?;
            Some(WorkflowRule { unpaid, terms: String::new() })
        };
        self.workflows
            .get(name)
            .cloned()
            .or_else(documented)
            .or_else(|| self.other_workflows.clone())
    }
}

impl Default for PaymentRules {
    fn default() -> Self {
        Self {
            send: true,
            method: "CSH".to_owned(),
            sub_method: String::new(),
            provider: "NONE".to_owned(),
            transaction_id: Template::new("{transaction_number}"),
            authorisation_reference: Template::default(),
            reference_length: 50,
            paid: true,
            workflows: BTreeMap::new(),
            other_workflows: None,
        }
    }
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

/// Where a text goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Instruction {
    /// `SpecialInstructions`.
    #[default]
    Special,
    /// `ShippingInstructions`.
    Shipping,
    /// Nowhere.
    Nothing,
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

/// An operator's field that is carried over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldRule {
    /// Mirakl's code of the field.
    pub code: String,
    /// What stands before its value; left out: nothing.
    #[serde(default)]
    pub label: String,
    /// Where it goes. Fields of a line always go to the line's narrative.
    #[serde(default)]
    pub to: Instruction,
}

/// Instructions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoteRules {
    /// What is written where the customer sent a message (`has_customer_message`); the message
    /// itself stays in Mirakl.
    pub customer_message_text: String,
    /// Where that goes.
    pub customer_message: Instruction,
    /// Fields of the order.
    pub order_fields: Vec<FieldRule>,
    /// Fields of a line.
    pub line_fields: Vec<FieldRule>,
    /// Characters of `SpecialInstructions`.
    pub special_length: usize,
    /// Characters of `ShippingInstructions`.
    pub shipping_length: usize,
    /// What happens to instructions and narratives that are too long.
    pub too_long: TooLong,
}

impl Default for NoteRules {
    fn default() -> Self {
        Self {
            customer_message_text: "Customer message: see the order in Mirakl".to_owned(),
            customer_message: Instruction::Special,
            order_fields: Vec::new(),
            line_fields: Vec::new(),
            special_length: 200,
            shipping_length: 200,
            too_long: TooLong::Exception,
        }
    }
}

/// Orders that are put on hold in Prima for a person to release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldRule {
    /// Which orders.
    pub when: HoldWhen,
    /// What the person reads.
    pub narrative: String,
}

/// Which orders are held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum HoldWhen {
    /// The customer paid more than this, in this currency.
    TotalAbove {
        /// The limit.
        amount: Amount,
        /// ISO code; orders in another currency are not meant.
        currency: String,
    },
    /// `has_customer_message`.
    CustomerMessage,
    /// Goes to one of these countries (alpha-3).
    CountryIn(Vec<String>),
    /// Of a business customer.
    Business,
    /// Goes to a pick-up point.
    PickUpPoint,
    /// A live line's SKU begins with one of these.
    SkuPrefix(Vec<String>),
    /// A field of the order has this value.
    AdditionalField {
        /// Mirakl's code of the field.
        code: String,
        /// The value.
        equals: String,
    },
    /// Every order, as in the first days of a channel.
    Always,
    /// Not paid yet.
    Unpaid,
    /// Of one of these payment workflows.
    PaymentWorkflow(Vec<String>),
}

impl HoldWhen {
    /// The limit of [`HoldWhen::TotalAbove`] is reached by `total` in `currency`.
    pub(in crate::domain::order) fn is_above(&self, total: Decimal, currency: &str) -> bool {
        matches!(self, Self::TotalAbove { amount, currency: limited } if limited == currency && total > amount.0)
    }
}
