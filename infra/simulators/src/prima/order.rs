//! An order as the simulated Prima receives and keeps it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::parcel::Parcel;

/// Attributes of one element, by Prima's names, with the values as they were sent.
pub type Attributes = BTreeMap<String, String>;

/// Prima read the document and said no: `RequestStatus="ERROR"` with this text. It had no effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The `RequestError` attribute.
    pub text: String,
}

impl Refusal {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl std::error::Error for Refusal {}

/// A `NewOrder` document.
///
/// The fields that Prima acts on are typed; the attribute maps hold everything that was sent, those
/// fields included. An in-process caller may leave the maps empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewOrder {
    /// `OrderNumber`: chosen by the caller.
    pub order_number: String,
    /// `TPGUID`: the third party's unique id.
    pub third_party_id: String,
    /// `HoldOrderNarrative` where `HoldOrder="Yes"`.
    pub hold: Option<String>,
    /// All attributes of `Data`: customer, delivery address, channel attribution.
    pub attributes: Attributes,
    /// All attributes of `OrderHeaderData`.
    pub header: Attributes,
    /// All attributes of `OrderInvoiceData`.
    pub invoice: Attributes,
    /// `OrderLineData`, in the order sent.
    pub lines: Vec<NewOrderLine>,
    /// `OrderChargeData`, in the order sent.
    pub charges: Vec<NewOrderCharge>,
    /// `OrderPaymentData`, in the order sent.
    pub payments: Vec<NewOrderPayment>,
}

impl NewOrder {
    /// What a session in ISO-8859-1 makes of characters that it lacks: question marks, without a
    /// word.
    pub(super) fn convert_to_latin1(&mut self) {
        let lines = self.lines.iter_mut().map(|line| &mut line.attributes);
        let charges = self.charges.iter_mut().map(|charge| &mut charge.attributes);
        let payments = self.payments.iter_mut().map(|payment| &mut payment.attributes);
        let heads = [&mut self.attributes, &mut self.header, &mut self.invoice];
        let texts = heads
            .into_iter()
            .chain(lines)
            .chain(charges)
            .chain(payments)
            .flat_map(BTreeMap::values_mut);
        for text in texts.chain(&mut self.hold) {
            if !encoding_rs::mem::is_str_latin1(text) {
                *text = text
                    .chars()
                    .map(|character| if u32::from(character) <= 0xFF { character } else { '?' })
                    .collect();
            }
        }
    }
}

/// `OrderLineData`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewOrderLine {
    /// `OrderLine`: the line's number within the order.
    pub number: u32,
    /// `Product`: the style.
    pub product: String,
    /// `MtrxCode1` to `MtrxCode4`.
    pub matrix: [String; 4],
    /// `Quantity`, in pieces.
    pub quantity: u32,
    /// `Price`: of the line or of one piece, as the installation understands it.
    pub price: Decimal,
    /// `LineReference`: the caller's own id of the line.
    pub reference: String,
    /// All attributes as sent.
    pub attributes: Attributes,
}

/// `OrderChargeData`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewOrderCharge {
    /// `Charge`: the charge code.
    pub code: String,
    /// `ChargeValue`, in the order's currency.
    pub value: Decimal,
    /// All attributes as sent.
    pub attributes: Attributes,
}

/// `OrderPaymentData`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewOrderPayment {
    /// `PayMethod`.
    pub method: String,
    /// `TranAmount`, in the order's currency.
    pub amount: Decimal,
    /// All attributes as sent.
    pub attributes: Attributes,
}

/// How far an order has come.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Stage {
    /// `Entered`: nothing has happened to it yet.
    Entered,
    /// `Allocated`: stock is set aside for it.
    Allocated,
    /// `Picking`: the warehouse is working on it.
    Picking,
    /// An open status of the installation's own.
    Other(String),
    /// `Part Despatched`.
    PartDispatched,
    /// `Despatched`.
    Dispatched,
    /// `Cancelled`.
    Cancelled,
}

impl Stage {
    /// The `OrderStatus` attribute.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Entered => "Entered",
            Self::Allocated => "Allocated",
            Self::Picking => "Picking",
            Self::Other(status) => status,
            Self::PartDispatched => "Part Despatched",
            Self::Dispatched => "Despatched",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Whether nothing has left the warehouse and the order still stands.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !matches!(self, Self::PartDispatched | Self::Dispatched | Self::Cancelled)
    }
}

impl From<String> for Stage {
    fn from(status: String) -> Self {
        let known = [
            Self::Entered,
            Self::Allocated,
            Self::Picking,
            Self::PartDispatched,
            Self::Dispatched,
            Self::Cancelled,
        ];
        known.into_iter().find(|stage| stage.as_str() == status).unwrap_or(Self::Other(status))
    }
}

impl From<Stage> for String {
    fn from(stage: Stage) -> Self {
        stage.as_str().to_owned()
    }
}

/// An order that Prima has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredOrder {
    /// Prima's own running number, from 1.
    pub id: u64,
    /// The order as it came in.
    pub order: NewOrder,
    /// How far it has come.
    pub stage: Stage,
    /// The narrative of the hold it is on; none if it is on no hold.
    pub hold: Option<String>,
    /// The narrative of its cancellation.
    pub cancelled_because: Option<String>,
    /// When it came in.
    pub entered_at: Timestamp,
    /// When its stage or hold last changed.
    pub changed_at: Timestamp,
    /// What has left.
    #[serde(default)]
    pub parcels: Vec<Parcel>,
    /// Whether stock is set aside for what has not.
    #[serde(default)]
    pub set_aside: bool,
}

impl StoredOrder {
    /// What has not left: line numbers and pieces.
    #[must_use]
    pub fn left(&self) -> Vec<(u32, u32)> {
        let gone = |number: u32| -> u32 {
            let lines = self.parcels.iter().flat_map(|parcel| &parcel.lines);
            lines.filter(|(line, _)| *line == number).map(|(_, pieces)| pieces).sum()
        };
        let left = self
            .order
            .lines
            .iter()
            .map(|line| (line.number, line.quantity.saturating_sub(gone(line.number))));
        left.filter(|(_, pieces)| *pieces > 0).collect()
    }

    /// The `OrderStatus` attribute: `On Hold` while an open order is on hold, otherwise its stage.
    #[must_use]
    pub fn status(&self) -> &str {
        if self.hold.is_some() && self.stage.is_open() { "On Hold" } else { self.stage.as_str() }
    }
}
