//! What is to be booked of a cycle, summed by account and type: a journal before its lines are
//! numbered, and the place of each line.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::chart::{Account, Book, Booking, ChartVersion, Treatment, VatMode, VatTreatment};
use super::totals::{Sum, Totals};
use crate::kit::amount::Amount;
use crate::kit::currency::rounded;
use crate::mirakl::finance::TransactionType as Type;

/// Documents that one line's narrative may name.
const MOST_DOCUMENTS: usize = 20;

/// What a journal's line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The sum of lines of a type.
    Type,
    /// The same, and a person has yet to say where it belongs.
    Suspense,
    /// Input VAT on reverse charge.
    ReverseInput,
    /// Output VAT on reverse charge.
    ReverseOutput,
    /// VAT of a fee whose line cannot carry it: where it changed and the fee did not.
    DetachedTax,
    /// What balances the journal: the clearing account.
    Clearing,
}

/// By what a journal is summed. The order is that of its lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineKey {
    /// The type.
    pub kind: Type,
    /// What the line is.
    pub role: Role,
    /// Where it is booked.
    pub account: Account,
}

/// What one line of a journal comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineSum {
    /// Positive is a credit, negative a debit.
    pub net: Amount,
    /// The VAT that the ledger computes by the line's tax code, with the same sign.
    pub tax: Amount,
    /// How many lines of the transaction log are in it.
    pub lines: u64,
    /// The numbers of their documents.
    pub documents: BTreeSet<String>,
    /// The narrative's template.
    pub narrative: Option<String>,
}

impl LineSum {
    fn add(&mut self, sum: Sum, document: Option<&String>, narrative: Option<&String>) {
        self.net.0 += sum.net.0;
        self.lines += sum.lines;
        if self.documents.len() < MOST_DOCUMENTS {
            self.documents.extend(document.cloned());
        }
        self.narrative = self.narrative.take().or_else(|| narrative.cloned());
    }
}

/// Why nothing of a cycle is booked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "why", content = "what", rename_all = "kebab-case")]
pub enum Hold {
    /// The chart holds this type back.
    Type(Type),
    /// This type is of the dropship model.
    Purchase(Type),
    /// The lines of this type contradict how the operator's fees are taxed.
    VatTreatmentChanged(Type),
    /// The chart does not say how the fees of that day are taxed.
    NoVatTreatment(Date),
}

/// Where a line of the transaction log stands in the books: in one place exactly.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In our journal, in the line of this key.
    Journal(LineKey),
    /// In our journal, in suspense.
    Suspense(LineKey),
    /// In Prima's invoices and credit notes.
    Prima,
    /// In the bank's reconciliation.
    Cash,
    /// Outside the transfer: what the seller collected itself.
    NotInTransfer,
    /// In a cycle that is held back.
    Held,
}

/// The chart, applied to a cycle.
#[derive(Clone, Debug)]
pub struct Books<'c> {
    chart: &'c ChartVersion,
    treatment: Option<&'c VatTreatment>,
    /// Documents whose manual credit has VAT.
    credits_with_vat: BTreeSet<Option<String>>,
    /// Fees' lines that carry the tax of their VAT type, in `vat = tax-code`.
    carries_tax: BTreeMap<(Type, Option<String>), LineKey>,
}

/// What is to be booked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft(pub BTreeMap<LineKey, LineSum>);

impl<'c> Books<'c> {
    /// Applies a chart to the totals of a cycle's lines that count, on the journal's day.
    ///
    /// # Errors
    /// Everything that holds the cycle back.
    pub fn open(
        chart: &'c ChartVersion,
        totals: &Totals,
        day: Date,
        currency: &str,
    ) -> Result<(Self, Draft), BTreeSet<Hold>> {
        let treatment = chart.treatment(day);
        let mut holds = contradictions(treatment, totals, day);
        let mut books = Self {
            chart,
            treatment,
            credits_with_vat: totals
                .0
                .iter()
                .filter(|((kind, _), sum)| {
                    *kind == Type::ManualCreditVat && sum.net != Amount::ZERO
                })
                .map(|((_, document), _)| document.clone())
                .collect(),
            carries_tax: BTreeMap::new(),
        };
        for (kind, document) in totals.0.keys() {
            if kind.is_purchase() {
                holds.insert(Hold::Purchase(kind.clone()));
            } else if books.booking(kind, document.as_ref()).is_some_and(|it| it.book == Book::Hold)
            {
                holds.insert(Hold::Type(kind.clone()));
            }
        }
        if !holds.is_empty() {
            return Err(holds);
        }
        if chart.vat == VatMode::TaxCode {
            books.carries_tax = books.carriers(totals);
        }
        let draft = books.draft(totals, currency);
        Ok((books, draft))
    }

    /// Where lines of a type and document stand.
    #[must_use]
    pub fn place(&self, kind: &Type, document: Option<&String>) -> Place {
        if let Some(key) = self.carries_tax.get(&(kind.clone(), document.cloned())) {
            return Place::Journal(key.clone());
        }
        let to = |role, account: &Account| LineKey {
            kind: kind.clone(),
            role,
            account: account.clone(),
        };
        let Some(booking) = self.booking(kind, document) else {
            return Place::Suspense(to(Role::Suspense, &self.chart.suspense));
        };
        match booking.book {
            Book::Nominal => Place::Journal(to(Role::Type, &self.account(kind, booking))),
            Book::Vat if !self.fee_is_in_suspense(kind, document) => {
                Place::Journal(to(Role::Type, &self.chart.input_vat))
            }
            Book::Reserve => Place::Journal(to(Role::Type, &self.chart.reserve)),
            Book::Prima => Place::Prima,
            Book::Cash => Place::Cash,
            Book::Hold => Place::Held,
            Book::Vat | Book::Suspense | Book::ByDocument => {
                Place::Suspense(to(Role::Suspense, &self.chart.suspense))
            }
        }
    }

    /// How a type is booked; `None` of one that the chart does not know.
    fn booking(&self, kind: &Type, document: Option<&String>) -> Option<&'c Booking> {
        let booking = self.chart.types.get(kind.code())?;
        if booking.book != Book::ByDocument {
            return Some(booking);
        }
        let credits = &self.chart.manual_credits;
        let by_number = document.and_then(|number| credits.documents.get(number));
        by_number.or(if self.credits_with_vat.contains(&document.cloned()) {
            credits.with_vat.as_ref()
        } else {
            credits.without_vat.as_ref()
        })
    }

    fn account(&self, kind: &Type, booking: &Booking) -> Account {
        let by_prima = self.treatment.filter(|treatment| {
            treatment.treatment == Treatment::ReverseChargeByPrima && treatment.fees.contains(kind)
        });
        Account {
            nominal: booking.nominal.clone().unwrap_or_default(),
            cost_centre: booking.cost_centre.clone(),
            tax_code: by_prima.map_or(booking.tax_code.clone(), |it| it.tax_code.clone()),
        }
    }

    /// The VAT of what is in suspense goes there too: nobody knows that it is input VAT.
    fn fee_is_in_suspense(&self, tax: &Type, document: Option<&String>) -> bool {
        tax.tax_of().is_some_and(|fee| matches!(self.place(&fee, document), Place::Suspense(_)))
    }

    /// The fees' lines that can carry their VAT: with a tax code, and both on one side.
    fn carriers(&self, totals: &Totals) -> BTreeMap<(Type, Option<String>), LineKey> {
        let mut nets: BTreeMap<LineKey, (Decimal, Decimal)> = BTreeMap::new();
        let mut taxes: Vec<((Type, Option<String>), LineKey)> = Vec::new();
        for ((kind, document), sum) in &totals.0 {
            if let Place::Journal(key) = self.place(kind, document.as_ref()) {
                nets.entry(key).or_default().0 += sum.net.0;
            }
            let is_vat =
                self.booking(kind, document.as_ref()).is_some_and(|it| it.book == Book::Vat);
            let Some(fee) = kind.tax_of().filter(|_| is_vat) else { continue };
            if let Place::Journal(key) = self.place(&fee, document.as_ref())
                && key.account.tax_code.is_some()
            {
                nets.entry(key.clone()).or_default().1 += sum.net.0;
                taxes.push(((kind.clone(), document.clone()), key));
            }
        }
        let fits = |key: &LineKey| {
            nets.get(key).is_some_and(|(net, tax)| {
                !net.is_zero()
                    && (tax.is_zero() || tax.is_sign_negative() == net.is_sign_negative())
            })
        };
        taxes.into_iter().filter(|(_, key)| fits(key)).collect()
    }

    fn draft(&self, totals: &Totals, currency: &str) -> Draft {
        let mut draft = Draft::default();
        for ((kind, document), sum) in &totals.0 {
            let (Place::Journal(key) | Place::Suspense(key)) = self.place(kind, document.as_ref())
            else {
                continue;
            };
            if self.carries_tax.contains_key(&(kind.clone(), document.clone())) {
                draft.0.entry(key).or_default().tax.0 += sum.net.0;
                continue;
            }
            let booking = self.booking(kind, document.as_ref());
            let narrative = booking.and_then(|booking| booking.narrative.as_ref());
            draft.0.entry(key).or_default().add(*sum, document.as_ref(), narrative);
        }
        self.reverse_charge(totals, currency, &mut draft);
        draft.0.retain(|_, sum| sum.net != Amount::ZERO || sum.tax != Amount::ZERO);
        draft
    }

    /// Input and output VAT on fees that came without: of the net fee, by type.
    fn reverse_charge(&self, totals: &Totals, currency: &str, draft: &mut Draft) {
        let by_journal = self
            .treatment
            .filter(|treatment| treatment.treatment == Treatment::ReverseChargeByJournal);
        let Some((treatment, rate)) = by_journal.and_then(|it| Some((it, it.rate?))) else {
            return;
        };
        for fee in &treatment.fees {
            let net = totals.net(|kind| kind == fee);
            let tax = rounded(net.0 * rate / Decimal::ONE_HUNDRED, currency);
            let pair = [
                (Role::ReverseInput, &self.chart.input_vat, tax),
                (Role::ReverseOutput, &self.chart.output_vat, Amount(-tax.0)),
            ];
            for (role, account, net) in pair {
                let key = LineKey { kind: fee.clone(), role, account: account.clone() };
                let narrative = Some("{type} reverse charge".to_owned());
                draft.0.insert(key, LineSum { net, narrative, ..LineSum::default() });
            }
        }
    }
}

/// Lines that are not as the operator's fees are said to be taxed.
fn contradictions(treatment: Option<&VatTreatment>, totals: &Totals, day: Date) -> BTreeSet<Hold> {
    let has = |meant: &Type| {
        totals.0.iter().any(|((kind, _), sum)| kind == meant && sum.net != Amount::ZERO)
    };
    let Some(treatment) = treatment else {
        let has_fees = Type::FEE_TAXES.iter().any(|(tax, fee)| has(tax) || has(fee));
        return has_fees.then_some(Hold::NoVatTreatment(day)).into_iter().collect();
    };
    Type::FEE_TAXES
        .iter()
        .filter(|(_, fee)| treatment.fees.contains(fee))
        .filter(|(tax, fee)| match treatment.treatment {
            Treatment::Domestic => has(fee) && !has(tax),
            Treatment::ReverseChargeByJournal | Treatment::ReverseChargeByPrima => has(tax),
        })
        .map(|(tax, _)| Hold::VatTreatmentChanged(tax.clone()))
        .collect()
}

impl Draft {
    /// What this has more than another: the lines of a supplementary journal.
    #[must_use]
    pub fn less(&self, posted: &Self) -> Self {
        let mut difference = self.clone();
        for (key, sum) in &posted.0 {
            let line = difference.0.entry(key.clone()).or_default();
            line.net.0 -= sum.net.0;
            line.tax.0 -= sum.tax.0;
            line.lines = line.lines.saturating_sub(sum.lines);
            line.narrative = line.narrative.take().or_else(|| sum.narrative.clone());
        }
        difference.0.retain(|_, sum| sum.net != Amount::ZERO || sum.tax != Amount::ZERO);
        difference
    }

    /// What all lines come to, with their VAT: what is deducted is negative.
    #[must_use]
    pub fn total(&self) -> Amount {
        Amount(self.0.values().map(|sum| sum.net.0 + sum.tax.0).sum())
    }
}
