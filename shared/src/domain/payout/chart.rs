//! The chart of a channel: where each type of transaction is booked. A document that the client's
//! accountant signs, in versions.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::key::NO_PSP;
use crate::kit::field_error::FieldError;
use crate::mirakl::finance::TransactionType as Type;

/// A channel's chart. Unknown fields are refused: a misspelt one must not be ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chart {
    /// Its versions. A cycle keeps the version of its first journal.
    pub versions: Vec<ChartVersion>,
}

/// A chart from a day on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChartVersion {
    /// The first journal date that it holds for.
    pub effective_from: Date,
    /// The clearing account of this marketplace, shop and currency: what Prima's invoices are
    /// settled by.
    pub clearing: Account,
    /// What the marketplace keeps back.
    pub reserve: Account,
    /// What nobody has decided of.
    pub suspense: Account,
    /// Differences between orders and invoices, within their limit.
    pub rounding: Account,
    /// VAT that the operator charged.
    pub input_vat: Account,
    /// VAT that is due on reverse charge.
    pub output_vat: Account,
    /// The bank accounts that transfers arrive on.
    pub bank: Vec<Bank>,
    /// Who computes VAT: one of the two, never both.
    pub vat: VatMode,
    /// How the operator's fees are taxed, from which day on.
    pub commission_vat: Vec<VatTreatment>,
    /// What credits written by hand are.
    #[serde(default)]
    pub manual_credits: ManualCredits,
    /// Each of the 51 types, by Mirakl's code.
    pub types: BTreeMap<String, Booking>,
}

/// An account, and the dimensions of its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The nominal code.
    pub nominal: String,
    /// The cost centre.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_centre: Option<String>,
    /// The tax code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_code: Option<String>,
}

/// A bank account that transfers of a currency arrive on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bank {
    /// The currency's three letters.
    pub currency: String,
    /// The payment service provider; left out for none.
    #[serde(default = "no_psp")]
    pub psp: String,
    /// The nominal code.
    pub nominal: String,
}

fn no_psp() -> String {
    NO_PSP.to_owned()
}

/// Who computes VAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VatMode {
    /// We do: VAT stands in lines of its own, and the tax code of a fee only informs.
    SeparateLine,
    /// The ledger does: the fee's line carries its tax code and the amount of its VAT.
    TaxCode,
}

/// How the operator's fees are taxed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VatTreatment {
    /// The first journal date that it holds for.
    pub from: Date,
    /// How.
    pub treatment: Treatment,
    /// The rate in percent, of `reverse-charge-by-journal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Decimal>,
    /// The tax code by which Prima computes it, of `reverse-charge-by-prima`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_code: Option<String>,
    /// The types of fees that it is about, by Mirakl's codes; left out for commission, refunded
    /// commission and subscription.
    #[serde(default = "usual_fees")]
    pub fees: Vec<Type>,
}

fn usual_fees() -> Vec<Type> {
    vec![Type::CommissionFee, Type::RefundCommissionFee, Type::SubscriptionFee]
}

/// How fees are taxed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Treatment {
    /// The operator charges VAT.
    Domestic,
    /// The operator is abroad and charges none; the journal books input and output VAT.
    ReverseChargeByJournal,
    /// The same, and Prima does it by a tax code of the fee's line.
    ReverseChargeByPrima,
}

/// What a credit written by hand is, by rule; without one, it goes to suspense.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManualCredits {
    /// One with VAT: a credit for fees.
    pub with_vat: Option<Booking>,
    /// One without VAT: a compensation.
    pub without_vat: Option<Booking>,
    /// By the document's number, before the two rules: such as the repayment of a bank debit.
    pub documents: BTreeMap<String, Booking>,
}

/// Where a type is booked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Booking {
    /// By whom, and where.
    pub book: Book,
    /// The nominal code, of `nominal` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nominal: Option<String>,
    /// The cost centre, of `nominal` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_centre: Option<String>,
    /// The tax code, of `nominal` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax_code: Option<String>,
    /// The line's narrative, in which `{type}`, `{lines}` and `{documents}` are replaced; left out
    /// for `{type}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrative: Option<String>,
}

/// By whom and where a type is booked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Book {
    /// To the booking's own nominal.
    Nominal,
    /// To the chart's input VAT, or with the fee's line, as `vat` says.
    Vat,
    /// To the chart's reserve account.
    Reserve,
    /// By Prima's invoices and credit notes: never by us. So are fees that Prima invoices as
    /// charges, and taxes that the operator remits where Prima invoices without them.
    Prima,
    /// By the bank's reconciliation.
    Cash,
    /// To the chart's suspense account.
    #[default]
    Suspense,
    /// Nothing of a cycle with such a line is posted.
    Hold,
    /// As `manual_credits` says: of `MANUAL_CREDIT` alone.
    ByDocument,
}

impl Chart {
    /// The version that holds on a day.
    #[must_use]
    pub fn at(&self, day: Date) -> Option<&ChartVersion> {
        let begun = self.versions.iter().filter(|version| version.effective_from <= day);
        begun.max_by_key(|version| version.effective_from)
    }

    /// Everything that is wrong, one entry a field. `uses` are the currencies and payment service
    /// providers that the shop has.
    #[must_use]
    pub fn problems(&self, uses: &[(String, String)]) -> Vec<FieldError> {
        let mut problems = Vec::new();
        if self.versions.is_empty() {
            problems.push(FieldError::new("versions", "needs one at least"));
        }
        for (index, version) in self.versions.iter().enumerate() {
            let field = format!("versions[{index}]");
            let earlier = self.versions.get(..index).unwrap_or_default();
            if earlier.iter().any(|other| other.effective_from == version.effective_from) {
                problems.push(FieldError::new(
                    format!("{field}.effective_from"),
                    "another version has the same day",
                ));
            }
            let own = version.problems(uses).into_iter();
            problems.extend(
                own.map(|one| FieldError::new(format!("{field}.{}", one.field), one.problem)),
            );
        }
        problems
    }
}

impl ChartVersion {
    /// How fees are taxed on a day.
    #[must_use]
    pub fn treatment(&self, day: Date) -> Option<&VatTreatment> {
        let begun = self.commission_vat.iter().filter(|treatment| treatment.from <= day);
        begun.max_by_key(|treatment| treatment.from)
    }

    /// The bank account that a transfer is expected on.
    #[must_use]
    pub fn bank(&self, currency: &str, psp: &str) -> Option<&str> {
        let mut banks = self.bank.iter();
        let bank = banks.find(|bank| bank.currency == currency && bank.psp == psp)?;
        Some(&bank.nominal)
    }

    fn problems(&self, uses: &[(String, String)]) -> Vec<FieldError> {
        let mut problems = Vec::new();
        let mut say = |field: String, problem: &str| problems.push(FieldError::new(field, problem));
        for (name, account) in [
            ("clearing", &self.clearing),
            ("reserve", &self.reserve),
            ("suspense", &self.suspense),
            ("rounding", &self.rounding),
            ("input_vat", &self.input_vat),
            ("output_vat", &self.output_vat),
        ] {
            if !is_code(&account.nominal) {
                say(format!("{name}.nominal"), NO_CODE);
            }
        }
        for (currency, psp) in uses {
            if self.bank(currency, psp).is_none() {
                say("bank".to_owned(), &format!("has no account for {currency} by {psp}"));
            }
        }
        if self.commission_vat.is_empty() {
            say("commission_vat".to_owned(), "needs one at least");
        }
        for (index, treatment) in self.commission_vat.iter().enumerate() {
            let field = format!("commission_vat[{index}]");
            let rate = treatment.rate.filter(|rate| {
                rate.is_sign_positive() && !rate.is_zero() && *rate < Decimal::ONE_HUNDRED
            });
            match treatment.treatment {
                Treatment::ReverseChargeByJournal if rate.is_none() => {
                    say(format!("{field}.rate"), "takes the rate in percent, such as \"20\"");
                }
                Treatment::ReverseChargeByPrima
                    if !treatment.tax_code.as_deref().is_some_and(is_code) =>
                {
                    say(format!("{field}.tax_code"), NO_CODE);
                }
                _ => {}
            }
            for fee in &treatment.fees {
                if !Type::FEE_TAXES.iter().any(|(_, taxed)| taxed == fee) {
                    say(format!("{field}.fees"), &format!("{fee} is no fee that has VAT"));
                }
            }
        }
        for kind in Type::ALL {
            match self.types.get(kind.code()) {
                None => say(format!("types.{kind}"), "is missing: every type has to be decided"),
                Some(booking) => {
                    if let Some(problem) = unfit(&kind, booking) {
                        say(format!("types.{kind}"), &problem);
                    }
                }
            }
        }
        for code in self.types.keys() {
            if matches!(Type::from_code(code), Type::Unknown(_)) {
                say(format!("types.{code}"), "is no type that this version knows");
            }
        }
        let rules = [
            ("with_vat".to_owned(), self.manual_credits.with_vat.as_ref()),
            ("without_vat".to_owned(), self.manual_credits.without_vat.as_ref()),
        ];
        let documents = self.manual_credits.documents.iter();
        let documents =
            documents.map(|(number, booking)| (format!("documents.{number}"), Some(booking)));
        for (field, booking) in rules.into_iter().chain(documents) {
            let Some(booking) = booking else { continue };
            if !matches!(booking.book, Book::Nominal | Book::Suspense | Book::Hold) {
                say(format!("manual_credits.{field}"), "takes nominal, suspense or hold");
            } else if let Some(problem) = unfit(&Type::InvoiceableOneOffCredit, booking) {
                say(format!("manual_credits.{field}"), &problem);
            }
        }
        problems
    }
}

const NO_CODE: &str = "takes a code without blanks around it";

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control)
}

/// Why a type cannot be booked so.
fn unfit(kind: &Type, booking: &Booking) -> Option<String> {
    let has_nominal = booking.nominal.as_deref().is_some_and(is_code);
    let has_any =
        booking.nominal.is_some() || booking.cost_centre.is_some() || booking.tax_code.is_some();
    let problem = match booking.book {
        Book::Hold if !has_any => return None,
        _ if kind.is_purchase() => "is of the dropship model, which is not booked: take hold",
        Book::Nominal if !has_nominal => "nominal takes a code without blanks around it",
        Book::Nominal if kind.is_sale() => {
            "a sale is booked by Prima's invoice: a journal would book it twice"
        }
        Book::Nominal if kind.is_payment() => {
            "the transfer is booked by the bank's reconciliation: take cash"
        }
        Book::Nominal => return None,
        _ if has_any => "nominal, cost_centre and tax_code go with book = nominal alone",
        Book::Vat if kind.tax_of().is_none() => "is no VAT of a fee",
        Book::Reserve if !kind.is_reserve() => "is no reserve",
        Book::Prima if !kind.is_of_an_invoice() => "is no part of an invoice or a credit note",
        Book::Cash if !kind.is_payment() => "is no transfer",
        Book::Prima | Book::Suspense if kind.is_payment() => "is the transfer: take cash",
        Book::ByDocument if *kind != Type::ManualCredit => "by-document is for MANUAL_CREDIT alone",
        _ => return None,
    };
    Some(problem.to_owned())
}
