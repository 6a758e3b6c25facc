//! A shop's transaction log.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;

use super::billing::Billing;
use super::cycle::{Cycle, Document, DocumentKind};
use super::entry::{Draft, Entry, PaymentState, Spoilt};
use super::followed::Followed;
use super::kind::TransactionType;

/// Percent of value added tax on the operator's fees.
const TAX_RATE: i64 = 20;

/// A shop's transaction log, its cycles and its documents.
#[derive(Debug)]
pub struct Ledger {
    pub(super) shop_id: i64,
    pub(super) billing: Billing,
    pub(super) entries: Vec<Entry>,
    pub(super) of_order: HashMap<String, Vec<usize>>,
    pub(super) followed: HashMap<String, Followed>,
    pub(super) cycles: Vec<Cycle>,
    pub(super) documents: Vec<Document>,
    /// What the last cycle of a currency and payment service left to be recovered.
    pub(super) carried: BTreeMap<(String, String), Decimal>,
    /// What is held back, by currency and payment service.
    pub(super) reserve: BTreeMap<(String, String), Decimal>,
    /// When the last cycle was closed.
    pub(super) closed: Timestamp,
    balances: BTreeMap<String, Decimal>,
    psp_balances: BTreeMap<(String, String), Decimal>,
}

/// Something that is not tied to an order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManualItem {
    /// Its type; `MANUAL_CREDIT` and `MANUAL_INVOICE` get a document of their own.
    pub kind: TransactionType,
    /// Without tax; above zero, whichever side it is on.
    pub amount: Decimal,
    /// It carries value added tax.
    #[serde(default)]
    pub taxed: bool,
    /// Its currency.
    pub currency: String,
    /// `other_reference`.
    #[serde(default)]
    pub reference: Option<String>,
    /// What the operator writes of it.
    #[serde(default)]
    pub description: Option<String>,
}

impl Ledger {
    pub(super) fn new(shop_id: i64, now: Timestamp) -> Self {
        Self {
            shop_id,
            billing: Billing::default(),
            entries: Vec::new(),
            of_order: HashMap::new(),
            followed: HashMap::new(),
            cycles: Vec::new(),
            documents: Vec::new(),
            carried: BTreeMap::new(),
            reserve: BTreeMap::new(),
            closed: now,
            balances: BTreeMap::new(),
            psp_balances: BTreeMap::new(),
        }
    }

    pub(super) fn set_billing(&mut self, billing: Billing) {
        self.billing = billing;
    }

    /// How the shop is billed.
    #[must_use]
    pub fn billing(&self) -> &Billing {
        &self.billing
    }

    /// All lines, in the order in which they were written.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// All cycles, in the order in which they were closed.
    #[must_use]
    pub fn cycles(&self) -> &[Cycle] {
        &self.cycles
    }

    /// All documents, in the order in which they were made.
    #[must_use]
    pub fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// The lines of a cycle without PAYMENT.
    pub fn lines_of(&self, cycle: usize) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| {
            entry.cycle == Some(cycle) && entry.kind != TransactionType::Payment
        })
    }

    /// What the marketplace owes the seller in a currency, whatever its state.
    #[must_use]
    pub fn balance(&self, currency: &str) -> Decimal {
        self.balances.get(currency).copied().unwrap_or_default()
    }

    /// An id as Mirakl's are: a UUID, always the same for the same shop and place.
    pub(super) fn uuid(&self, what: u16, place: usize) -> String {
        let mixed = (place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        format!(
            "{:08x}-{what:04x}-4{:03x}-8{:03x}-{:012x}",
            mixed >> 32,
            (mixed >> 20) & 0xfff,
            (mixed >> 8) & 0xfff,
            (self.shop_id.unsigned_abs() << 24 | place as u64) & 0xffff_ffff_ffff
        )
    }

    /// Writes a line; nothing where no money moves.
    pub(super) fn write(&mut self, draft: Draft, at: Timestamp) {
        if draft.net.is_zero() {
            return;
        }
        let place = self.entries.len();
        // A log is written in the order of time: what was booked late counts from now.
        let at = self.entries.last().map_or(at, |last| last.created.max(at));
        let Draft {
            kind,
            net,
            currency,
            psp,
            state,
            order,
            reference,
            description,
            document,
            cycle,
        } = draft;
        let balance = self.balances.entry(currency.clone()).or_default();
        *balance += net;
        let balance = *balance;
        let psp_balance = self.psp_balances.entry((currency.clone(), psp.clone())).or_default();
        *psp_balance += net;
        let psp_balance = *psp_balance;
        if let Some(order) = &order {
            self.of_order.entry(order.order_id.clone()).or_default().push(place);
        }
        self.entries.push(Entry {
            place,
            id: self.uuid(0x7102, place),
            kind,
            credited: net.max(Decimal::ZERO),
            debited: (-net).max(Decimal::ZERO),
            currency,
            psp,
            created: at,
            last_updated: at,
            state,
            cycle,
            document,
            order,
            reference,
            description,
            balance,
            psp_balance,
            spoilt: Spoilt::default(),
        });
    }

    /// Writes a line and the tax on it.
    pub(super) fn write_taxed(&mut self, draft: Draft, tax: Decimal, at: Timestamp) {
        let of_tax = draft.kind.tax().map(|kind| Draft { kind, net: tax, ..draft.clone() });
        self.write(draft, at);
        if let Some(of_tax) = of_tax {
            self.write(of_tax, at);
        }
    }

    /// The tax on an amount of the operator's.
    pub(super) fn tax_on(&self, net: Decimal) -> Decimal {
        if self.billing.vat_on_fees { tax(net) } else { Decimal::ZERO }
    }

    pub(super) fn new_document(
        &mut self,
        kind: DocumentKind,
        (currency, psp): (&str, &str),
        cycle: Option<usize>,
        made: &mut i64,
        at: Timestamp,
    ) -> usize {
        *made += 1;
        let place = self.documents.len();
        self.documents.push(Document {
            place,
            id: self.uuid(0x1f01, place),
            kind,
            invoice_id: *made,
            number: format!("{made:012}"),
            currency: currency.to_owned(),
            psp: psp.to_owned(),
            created: at,
            issued: None,
            cycle,
        });
        place
    }

    pub(super) fn book(&mut self, item: &ManualItem, made: &mut i64, at: Timestamp) {
        let kind = match item.kind {
            TransactionType::ManualCredit => Some(DocumentKind::ManualCredit),
            TransactionType::ManualInvoice => Some(DocumentKind::ManualInvoice),
            _ => None,
        };
        let psp = self.billing.psp(0);
        let document =
            kind.map(|kind| self.new_document(kind, (&item.currency, &psp), None, made, at));
        if let Some(document) = document {
            self.documents[document].issued = Some(at);
        }
        let sign = if is_credit(item.kind) { Decimal::ONE } else { Decimal::NEGATIVE_ONE };
        let net = item.amount.abs() * sign;
        let draft = Draft {
            kind: item.kind,
            net,
            currency: item.currency.clone(),
            psp,
            state: PaymentState::Payable,
            order: None,
            reference: item.reference.clone(),
            description: item.description.clone(),
            document,
            cycle: None,
        };
        let tax = if item.taxed { tax(net) } else { Decimal::ZERO };
        self.write_taxed(draft, tax, at);
    }

    /// A document is issued: its lines carry its number from now on.
    pub(super) fn issue(&mut self, document: usize, at: Timestamp) {
        if let Some(document) = self.documents.get_mut(document) {
            document.issued = Some(at);
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.document == Some(document)) {
            entry.last_updated = at;
        }
    }

    /// The lines of a cycle carry its id from now on.
    pub(super) fn assign_ids(&mut self, cycle: usize, at: Timestamp) {
        if let Some(cycle) = self.cycles.get_mut(cycle) {
            cycle.ids_assigned = true;
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.cycle == Some(cycle)) {
            entry.last_updated = at;
        }
    }
}

/// Value added tax on an amount, to the penny.
fn tax(net: Decimal) -> Decimal {
    percent(net, Decimal::from(TAX_RATE))
}

/// A share of an amount, to the penny.
pub(super) fn percent(amount: Decimal, percent: Decimal) -> Decimal {
    (amount * percent / Decimal::ONE_HUNDRED)
        .round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

/// A type that gives to the seller.
fn is_credit(kind: TransactionType) -> bool {
    use TransactionType as T;
    matches!(
        kind,
        T::ManualCredit
            | T::InvoiceableOneOffCredit
            | T::ReserveSettlement
            | T::OrderAmount
            | T::OrderShippingAmount
            | T::OrderFeeAmount
            | T::RefundCommissionFee
            | T::OperatorPaidOrderShippingAmount
    )
}
