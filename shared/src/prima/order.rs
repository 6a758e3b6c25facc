//! The documents of an order: `NewOrder` as it is sent, `OrderStatus` as it is answered.

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::kit::odd_form::OddForm;

/// A `NewOrder` document. Field names are Prima's attribute names in the case of this language; an
/// empty text is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrimaOrder {
    /// `OrderNumber`, and `TPGUID` unless [`PrimaOrder::third_party_id`] says otherwise: chosen by
    /// us.
    pub order_number: String,
    /// `TPGUID`.
    pub third_party_id: String,
    /// `Customer`: empty for "create or match", or one account per marketplace.
    pub customer: String,
    /// `CustDef`.
    pub customer_definition: String,
    /// `HoldOrder="Yes"` with this `HoldOrderNarrative`.
    pub hold_narrative: Option<String>,
    /// `OrderChannel`.
    pub order_channel: String,
    /// `CustomerRef`.
    pub customer_reference: String,
    /// `OrderType`.
    pub order_type: String,
    /// `PaymentTerms`.
    pub payment_terms: String,
    /// `DeliveryFAO`.
    pub delivery_for_attention_of: String,
    /// `VatInclusive`.
    pub vat_inclusive: bool,
    /// Where the goods go: `CustomerTitle`, `AddrLine1` and so on.
    pub delivery: PrimaParty,
    /// `OrderInvoiceData`: who pays.
    pub invoice: PrimaParty,
    /// `OrderHeaderData`.
    pub header: PrimaOrderHeader,
    /// `OrderLineData`.
    pub lines: Vec<PrimaOrderLine>,
    /// `OrderChargeData`.
    pub charges: Vec<PrimaCharge>,
    /// `OrderPaymentData`.
    pub payments: Vec<PrimaPayment>,
}

/// A person or company with an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrimaParty {
    /// `CustomerTitle`, `InvoiceTitle`.
    pub title: String,
    /// `CustomerForename`, `InvoiceForename`.
    pub forename: String,
    /// `CustomerSurname`, `InvoiceSurname`.
    pub surname: String,
    /// `AddrLine1` to `AddrLine6`.
    pub address_lines: [String; 6],
    /// `PostCode`.
    pub post_code: String,
    /// `Country`: as the installation wants it, ISO by default.
    pub country: String,
    /// `CustomerEmail`.
    pub email: String,
    /// `CustomerPhone`.
    pub phone: String,
    /// `CustomerMobile`.
    pub mobile: String,
}

/// `OrderHeaderData`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrimaOrderHeader {
    /// `B2B`.
    pub business: bool,
    /// `Brand`.
    pub brand: String,
    /// `SpecialInstructions`.
    pub special_instructions: String,
    /// `ShippingInstructions`.
    pub shipping_instructions: String,
    /// `SourceMedia`.
    pub source_media: String,
    /// `OrderCategory`.
    pub order_category: String,
    /// `Carrier`.
    pub carrier: String,
    /// `CarrServ`.
    pub carrier_service: String,
    /// `Currency`.
    pub currency: String,
    /// `OrderDate`.
    pub order_date: Option<Date>,
    /// `OrderPaid`.
    pub paid: bool,
    /// `Season`.
    pub season: String,
}

/// `OrderLineData`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrimaOrderLine {
    /// `Product`: the style.
    pub product: String,
    /// `MtrxCode1` to `MtrxCode4`: colour, size, fit.
    pub matrix_codes: [String; 4],
    /// `Quantity`.
    pub quantity: u32,
    /// `Price`: of the line or of one piece, as the installation's setting says.
    pub price: Decimal,
    /// `LineNarrative`.
    pub narrative: String,
    /// `LineReference`: Mirakl's `order_line_id`.
    pub reference: String,
    /// `Warehouse`.
    pub warehouse: String,
    /// `Promotion`.
    pub promotion: String,
    /// `PromotionValue`.
    pub promotion_value: Option<Decimal>,
}

/// `OrderChargeData`: delivery and the like, which are no lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrimaCharge {
    /// `Charge`: the charge code.
    pub code: String,
    /// `ChargeValue`.
    pub value: Decimal,
}

/// `OrderPaymentData`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrimaPayment {
    /// `PayMethod`.
    pub method: String,
    /// `SubPayMethod`.
    pub sub_method: String,
    /// `TranAmount`.
    pub amount: Decimal,
    /// `PayProvider`.
    pub provider: String,
    /// `PayAuthRef`.
    pub authorisation_reference: String,
    /// `TransactionID`.
    pub transaction_id: String,
}

/// What Prima says of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrimaOrderStatus {
    /// Not dispatched yet, with Prima's own word; also any word that this version does not know.
    Open(String),
    /// `Part Despatched`.
    PartDispatched,
    /// `Despatched`.
    Dispatched,
    /// `Cancelled`.
    Cancelled,
}

impl PrimaOrderStatus {
    /// Prima's word.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Open(word) => word,
            Self::PartDispatched => "Part Despatched",
            Self::Dispatched => "Despatched",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Nothing more will leave.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Dispatched | Self::Cancelled)
    }
}

/// How far an order has come: its status, and its parcels where the site's `OrderStatus` tells of
/// them (assumed).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaProgress {
    /// `OrderStatus`.
    pub status: PrimaOrderStatus,
    /// `OrderDespatchData`, one each.
    pub parcels: Vec<PrimaParcel>,
    /// Why what has left is not known, where the answer says so in a form that cannot be
    /// understood.
    pub unclear: Option<String>,
    /// Fields that were done without, because their form is not understood.
    pub odd: Vec<OddForm>,
}

impl PrimaProgress {
    /// An answer that was understood.
    #[must_use]
    pub fn new(status: PrimaOrderStatus, parcels: Vec<PrimaParcel>) -> Self {
        Self { status, parcels, unclear: None, odd: Vec::new() }
    }
}

/// A parcel as Prima, or a dispatch file, names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrimaParcel {
    /// `DespatchNumber`.
    pub dispatch: String,
    /// `DespatchDate`.
    pub dispatched_on: Option<Date>,
    /// `Carrier`.
    pub carrier: String,
    /// `CarrServ`.
    pub service: String,
    /// `ConsignmentNumber`; empty where there is none yet.
    pub consignment: String,
    /// What is in it; empty where nobody says.
    pub lines: Vec<PrimaParcelLine>,
}

impl PrimaParcel {
    /// The parcel's name among those of its order.
    #[must_use]
    pub fn identity(&self) -> (&str, &str) {
        (&self.dispatch, &self.consignment)
    }
}

/// `DespatchLineData`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrimaParcelLine {
    /// `OrderLine`: Prima's line number, from 1.
    pub order_line: u32,
    /// `Quantity`.
    pub quantity: u32,
}
