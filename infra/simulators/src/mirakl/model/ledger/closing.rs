//! The end of a billing cycle, and its payout.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::billing::{AtOrBelowZero, PaymentLines};
use super::cycle::{Cycle, DocumentKind, PayOut};
use super::entry::{Draft, PaymentState};
use super::kind::{Total, TransactionType as T};
use super::log::{Ledger, percent};

impl Ledger {
    /// Closes what is payable: one cycle a currency and payment service. Answers the places of the
    /// cycles and of their documents.
    pub(super) fn close(&mut self, made: &mut i64, at: Timestamp) -> Vec<(usize, usize)> {
        let begun = std::mem::replace(&mut self.closed, at);
        let mut closed = Vec::new();
        for key in self.payable_keys() {
            self.charge_subscription(&key, at);
            let sum: Decimal = self.payable(&key).map(|place| self.entries[place].net()).sum();
            let carried_in = self.carried.get(&key).copied().unwrap_or_default();
            let held = self.reserve.get(&key).copied().unwrap_or_default();
            let owed = sum + carried_in + held;
            if owed <= Decimal::ZERO && self.billing.at_or_below_zero == AtOrBelowZero::NoCycle {
                continue;
            }
            let owed = owed - self.hold_back(&key, owed, at);
            closed.push(self.close_one(&key, (begun, carried_in, owed), made, at));
        }
        closed
    }

    /// The currencies and payment services that have something payable.
    fn payable_keys(&self) -> Vec<(String, String)> {
        let mut keys = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| is_payable(entry.state, entry.cycle)) {
            keys.insert((entry.currency.clone(), entry.psp.clone()), ());
        }
        keys.into_keys().collect()
    }

    fn payable<'a>(&'a self, key: &'a (String, String)) -> impl Iterator<Item = usize> + 'a {
        self.entries
            .iter()
            .filter(move |entry| is_payable(entry.state, entry.cycle))
            .filter(move |entry| (&entry.currency, &entry.psp) == (&key.0, &key.1))
            .map(|entry| entry.place)
    }

    fn own_draft(&self, kind: T, net: Decimal, (currency, psp): &(String, String)) -> Draft {
        Draft {
            kind,
            net,
            currency: currency.clone(),
            psp: psp.clone(),
            state: PaymentState::Payable,
            order: None,
            reference: None,
            description: None,
            document: None,
            cycle: None,
        }
    }

    fn charge_subscription(&mut self, key: &(String, String), at: Timestamp) {
        // The first payment service alone bears it.
        if self.billing.psp_codes.first().is_some_and(|first| *first != key.1) {
            return;
        }
        if let Some(fee) = self.billing.subscription {
            let draft = self.own_draft(T::SubscriptionFee, -fee, key);
            let tax = self.tax_on(-fee);
            self.write_taxed(draft, tax, at);
        }
    }

    /// Gives back what was held of the cycle before, and holds back of this one; answers what is
    /// held now.
    fn hold_back(&mut self, key: &(String, String), owed: Decimal, at: Timestamp) -> Decimal {
        let state =
            if self.billing.reserve_state { PaymentState::Reserve } else { PaymentState::Payable };
        let before = self.reserve.remove(key).unwrap_or_default();
        let settled = Draft { state, ..self.own_draft(T::ReserveSettlement, before, key) };
        self.write(settled, at);
        let share = self.billing.reserve_percent.unwrap_or_default();
        let held = percent(owed.max(Decimal::ZERO), share);
        let funded = Draft { state, ..self.own_draft(T::ReserveFunding, -held, key) };
        self.write(funded, at);
        self.reserve.insert(key.clone(), held);
        held
    }

    fn close_one(
        &mut self,
        key: &(String, String),
        (begun, carried_in, owed): (Timestamp, Decimal, Decimal),
        made: &mut i64,
        at: Timestamp,
    ) -> (usize, usize) {
        let place = self.cycles.len();
        let transfer = owed.max(Decimal::ZERO);
        let carried_out = owed.min(Decimal::ZERO);
        self.carried.insert(key.clone(), carried_out);
        let document =
            self.new_document(DocumentKind::AutoInvoice, (&key.0, &key.1), Some(place), made, at);
        let lines: Vec<usize> = self.payable(key).collect();
        for line in lines {
            let entry = &mut self.entries[line];
            entry.cycle = Some(place);
            entry.document = entry.document.or(Some(document));
            entry.last_updated = at;
        }
        self.cycles.push(Cycle {
            place,
            id: self.uuid(0x5bc1, place),
            voucher: format!("{:06}", place + 1),
            currency: key.0.clone(),
            psp: key.1.clone(),
            begun,
            closed: at,
            ids_assigned: self.billing.ids_late_seconds == 0,
            carried_in,
            carried_out,
            transfer,
            pay_out: PayOut::ToPay,
            failure_reason: None,
            reference: None,
            paid: None,
        });
        (place, document)
    }

    /// Pays a cycle out. False where there is none, or it is paid already.
    pub fn pay(&mut self, cycle: usize, at: Timestamp) -> bool {
        let Some(paid) = self.cycles.get_mut(cycle).filter(|cycle| cycle.pay_out != PayOut::Paid)
        else {
            return false;
        };
        paid.pay_out = PayOut::Paid;
        paid.failure_reason = None;
        paid.reference = Some(format!("PAY-{}-{}", self.shop_id, paid.voucher));
        paid.paid = Some(at);
        let (transfer, carried) = (paid.transfer, paid.carried_out - paid.carried_in);
        let key = (paid.currency.clone(), paid.psp.clone());
        let mut sums: BTreeMap<Option<usize>, Decimal> = BTreeMap::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.cycle == Some(cycle)) {
            if matches!(entry.state, PaymentState::Payable) {
                entry.state = PaymentState::Paid;
            }
            entry.last_updated = at;
            *sums.entry(entry.document).or_default() += entry.net();
        }
        let auto = self.documents.iter().position(|document| document.cycle == Some(cycle));
        let payments = match self.billing.payment_lines {
            PaymentLines::None => Vec::new(),
            PaymentLines::One => vec![(auto, transfer)],
            PaymentLines::OnePerDocument => {
                // What is carried belongs to the cycle's own document.
                *sums.entry(auto).or_default() -= carried;
                sums.into_iter().collect()
            }
        };
        for (document, amount) in payments {
            let draft = Draft {
                state: PaymentState::Paid,
                document,
                cycle: Some(cycle),
                ..self.own_draft(T::Payment, -amount, &key)
            };
            self.write(draft, at);
        }
        true
    }

    /// The payout of a cycle fails, for one of Mirakl's reasons (`INCOMPLETE_KYC`,
    /// `AWAITING_INVOICE_CHECK`). False where there is none, or it is paid already.
    pub fn fail(&mut self, cycle: usize, reason: &str) -> bool {
        let Some(cycle) = self.cycles.get_mut(cycle).filter(|cycle| cycle.pay_out != PayOut::Paid)
        else {
            return false;
        };
        cycle.pay_out = PayOut::Failed;
        cycle.failure_reason = Some(reason.to_owned());
        true
    }

    /// The totals of a cycle, without and with taxes.
    #[must_use]
    pub fn totals(&self, cycle: usize) -> BTreeMap<Total, (Decimal, Decimal)> {
        let mut totals: BTreeMap<Total, (Decimal, Decimal)> =
            Total::ALL.iter().map(|total| (*total, Default::default())).collect();
        for entry in self.lines_of(cycle) {
            let Some((without, with)) = entry.kind.total().and_then(|total| totals.get_mut(&total))
            else {
                continue;
            };
            if !entry.kind.is_tax() {
                *without += entry.net();
            }
            *with += entry.net();
        }
        totals
    }

    /// `amount_transferred_to_operator`: what the operator keeps of a cycle, without the reserve.
    #[must_use]
    pub fn operators_share(&self, cycle: usize) -> Decimal {
        let shares = self.totals(cycle).into_iter().filter(|(total, _)| total.is_the_operators());
        -shares.map(|(_, (_, with))| with).sum::<Decimal>()
    }
}

/// A line that the next closing takes.
fn is_payable(state: PaymentState, cycle: Option<usize>) -> bool {
    cycle.is_none() && matches!(state, PaymentState::Payable | PaymentState::Reserve)
}
