//! The nominal ledger: invoices at dispatch, credit notes, money at the bank, and journals that
//! come in. Nobody has seen a real installation's: all of it is assumed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

use super::order::{Refusal, Stage, StoredOrder};
use super::repeated::RepeatedNumber;

/// The largest number of characters of a `TPGUID`.
const LONGEST_THIRD_PARTY_ID: usize = 40;

/// How an installation keeps its nominal ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BookRules {
    /// It takes journals in (`NewJournal`); else they are imported from files.
    pub new_journal: bool,
    /// It tells whether a journal is there (`JournalStatus`).
    pub journal_status: bool,
    /// It tells the transactions of a nominal (`NominalTransactions`).
    pub nominal_transactions: bool,
    /// It tells credit notes (`CreditNotes`).
    pub credit_notes: bool,
    /// The nominals that exist; none: every one does.
    pub nominals: BTreeSet<String>,
    /// The tax codes that exist; none: every one does.
    pub tax_codes: BTreeSet<String>,
    /// Its periods; none: every date may be posted to, and `Period` is not looked at.
    pub periods: Vec<Period>,
    /// What becomes of a journal whose `TPGUID` is posted already.
    pub repeated_journal: RepeatedNumber,
    /// The most lines of a journal; none: any number.
    pub most_lines: Option<usize>,
    /// The most characters of `JournalRef`.
    pub longest_reference: usize,
    /// The most characters of a narrative.
    pub longest_narrative: usize,
    /// The nominal that an order's `PayMethod` is settled over: the clearing account of a
    /// marketplace.
    pub clearing: BTreeMap<String, String>,
    /// The nominal of orders whose `PayMethod` is not in `clearing`, or that nobody has paid.
    pub debtors: String,
    /// Sales.
    pub sales: String,
    /// Charges of an order: carriage and the like.
    pub carriage: String,
    /// Sales that came back.
    pub returns: String,
    /// Value added tax on sales.
    pub output_vat: String,
    /// Value added tax on purchases: where the `TaxAmount` of a journal's line goes.
    pub input_vat: String,
    /// Percent of value added tax that prices include; 0: none.
    pub vat_percent: Decimal,
    /// `Price` is that of one piece; else of the whole line.
    pub price_of_piece: bool,
}

impl Default for BookRules {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            new_journal: true,
            journal_status: true,
            nominal_transactions: true,
            credit_notes: true,
            nominals: BTreeSet::new(),
            tax_codes: BTreeSet::new(),
            periods: Vec::new(),
            repeated_journal: RepeatedNumber::Twice,
            most_lines: None,
            longest_reference: 40,
            longest_narrative: 100,
            clearing: BTreeMap::new(),
            debtors: text("1100"),
            sales: text("4000"),
            carriage: text("4905"),
            returns: text("4010"),
            output_vat: text("2200"),
            input_vat: text("2201"),
            vat_percent: Decimal::from(20),
            price_of_piece: false,
        }
    }
}

/// A period of the financial calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// What `Period` calls it.
    pub name: String,
    /// Its first day.
    pub from: Date,
    /// Its last day.
    pub to: Date,
    /// Nothing may be posted to it any more.
    #[serde(default)]
    pub closed: bool,
}

/// A journal as it comes in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewJournal {
    /// `TPGUID`.
    pub third_party_id: String,
    /// `JournalRef`.
    pub reference: String,
    /// `JournalDate`.
    pub date: Date,
    /// `Period`.
    pub period: String,
    /// `Currency`.
    pub currency: String,
    /// `Narrative`.
    pub narrative: String,
    /// `JournalLineData`, in the order sent.
    pub lines: Vec<JournalLine>,
}

/// `JournalLineData`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JournalLine {
    /// `NominalCode`.
    pub nominal: String,
    /// `CostCentre`.
    pub cost_centre: String,
    /// `Debit`; zero where it is credited.
    pub debit: Decimal,
    /// `Credit`; zero where it is debited.
    pub credit: Decimal,
    /// `TaxCode`.
    pub tax_code: String,
    /// `TaxAmount`, posted to [`BookRules::input_vat`] where it is not zero.
    pub tax_amount: Decimal,
    /// `Narrative`.
    pub narrative: String,
    /// `Reference`.
    pub reference: String,
}

/// Where a transaction comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Source {
    /// An order that left.
    Invoice,
    /// A credit note.
    CreditNote,
    /// A journal that came in.
    Journal,
    /// Money at the bank.
    Bank,
}

/// One side of something that was posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transaction {
    /// Where it comes from.
    pub source: Source,
    /// Its date.
    pub date: Date,
    /// The nominal.
    pub nominal: String,
    /// The cost centre.
    pub cost_centre: String,
    /// Debited; zero where it is credited.
    pub debit: Decimal,
    /// Credited; zero where it is debited.
    pub credit: Decimal,
    /// The currency.
    pub currency: String,
    /// The order, journal, credit note or receipt.
    pub reference: String,
    /// What it is.
    pub narrative: String,
}

/// A journal that was taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PostedJournal {
    /// Prima's own number.
    pub number: String,
    /// When it came in.
    pub at: Timestamp,
    /// The journal.
    pub journal: NewJournal,
}

/// A credit note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreditNote {
    /// `CreditNoteNumber`.
    pub number: String,
    /// `OrderNumber`.
    pub order_number: String,
    /// `Date`.
    pub date: Date,
    /// Without tax.
    pub net: Decimal,
    /// The tax.
    pub tax: Decimal,
    /// With tax.
    pub gross: Decimal,
    /// Its currency.
    pub currency: String,
    /// What came back: `OrderLine` and pieces.
    pub lines: Vec<(u32, u32)>,
}

/// A credit note to be made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCreditNote {
    /// With tax.
    pub gross: Decimal,
    /// What came back: `OrderLine` and pieces.
    #[serde(default)]
    pub lines: Vec<(u32, u32)>,
}

/// Money that came in at the bank.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankReceipt {
    /// The bank's nominal.
    pub bank: String,
    /// The nominal that it settles.
    pub nominal: String,
    /// How much.
    pub amount: Decimal,
    /// In which currency.
    pub currency: String,
    /// The payer's reference.
    pub reference: String,
}

/// The nominal ledger of an installation.
#[derive(Debug)]
pub struct Books {
    pub(super) rules: BookRules,
    transactions: Vec<Transaction>,
    journals: Vec<PostedJournal>,
    credit_notes: Vec<CreditNote>,
    /// The pieces and the charges of each order that were invoiced, by Prima's number of it.
    invoiced: BTreeMap<u64, Invoiced>,
    refused: u64,
}

#[derive(Debug, Default)]
struct Invoiced {
    pieces: BTreeMap<u32, u32>,
    amounts: BTreeMap<u32, Decimal>,
    charges: bool,
}

impl Books {
    /// Empty books.
    #[must_use]
    pub fn new(rules: BookRules) -> Self {
        Self {
            rules,
            transactions: Vec::new(),
            journals: Vec::new(),
            credit_notes: Vec::new(),
            invoiced: BTreeMap::new(),
            refused: 0,
        }
    }

    /// How they are kept: somebody changes that.
    pub fn rules_mut(&mut self) -> &mut BookRules {
        &mut self.rules
    }

    /// Everything that was posted.
    #[must_use]
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// Every journal, in the order in which they came in.
    #[must_use]
    pub fn journals(&self) -> &[PostedJournal] {
        &self.journals
    }

    /// Every credit note.
    #[must_use]
    pub fn credit_notes(&self) -> &[CreditNote] {
        &self.credit_notes
    }

    /// How many journals were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The balance of a nominal in a currency: debits less credits.
    #[must_use]
    pub fn balance(&self, nominal: &str, currency: &str) -> Decimal {
        self.transactions
            .iter()
            .filter(|line| line.nominal == nominal && line.currency == currency)
            .map(|line| line.debit - line.credit)
            .sum()
    }

    /// `NewJournal`.
    ///
    /// # Errors
    /// The installation takes none; the journal does not balance, has a line that is on no side or
    /// on both, names a nominal or tax code that is not there, is too long, or its period is
    /// closed; or it is posted already and the installation refuses that.
    pub fn post(&mut self, journal: NewJournal, now: Timestamp) -> Result<String, Refusal> {
        let checked = self.check(&journal);
        if checked.is_err() {
            self.refused += 1;
        }
        checked?;
        let number = format!("J{:06}", self.journals.len() + 1);
        for line in &journal.lines {
            let post = |nominal: &str, net: Decimal| Transaction {
                source: Source::Journal,
                date: journal.date,
                nominal: nominal.to_owned(),
                cost_centre: line.cost_centre.clone(),
                debit: net.max(Decimal::ZERO),
                credit: (-net).max(Decimal::ZERO),
                currency: journal.currency.clone(),
                reference: journal.reference.clone(),
                narrative: line.narrative.clone(),
            };
            self.transactions.push(post(&line.nominal, line.debit - line.credit));
            if !line.tax_amount.is_zero() {
                let side = if line.debit.is_zero() { Decimal::NEGATIVE_ONE } else { Decimal::ONE };
                self.transactions.push(post(&self.rules.input_vat, line.tax_amount * side));
            }
        }
        self.journals.push(PostedJournal { number: number.clone(), at: now, journal });
        Ok(number)
    }

    fn check(&self, journal: &NewJournal) -> Result<(), Refusal> {
        let rules = &self.rules;
        if !rules.new_journal {
            return Err(Refusal::new("Unknown request type: NewJournal"));
        }
        if journal.third_party_id.is_empty()
            || journal.third_party_id.chars().count() > LONGEST_THIRD_PARTY_ID
        {
            return Err(Refusal::new("TPGUID is missing or too long"));
        }
        if let Some(posted) = self.journal(&journal.third_party_id)
            && rules.repeated_journal == RepeatedNumber::Refused
        {
            return Err(Refusal::new(format!(
                "Journal {} is already posted as {}",
                journal.third_party_id, posted.number
            )));
        }
        if journal.reference.is_empty()
            || journal.reference.chars().count() > rules.longest_reference
        {
            return Err(Refusal::new("JournalRef is missing or too long"));
        }
        if journal.currency.len() != 3 {
            return Err(Refusal::new("Currency is not valid"));
        }
        if !rules.periods.is_empty() {
            let period = rules
                .periods
                .iter()
                .find(|period| (period.from..=period.to).contains(&journal.date))
                .ok_or_else(|| Refusal::new(format!("There is no period for {}", journal.date)))?;
            if period.name != journal.period {
                return Err(Refusal::new(format!(
                    "{} is in period {}, not {}",
                    journal.date, period.name, journal.period
                )));
            }
            if period.closed {
                return Err(Refusal::new(format!("Period {} is closed", period.name)));
            }
        }
        if journal.lines.len() < 2 {
            return Err(Refusal::new("A journal needs at least two lines"));
        }
        if rules.most_lines.is_some_and(|most| journal.lines.len() > most) {
            return Err(Refusal::new("The journal has too many lines"));
        }
        let mut left = Decimal::ZERO;
        for (index, line) in journal.lines.iter().enumerate() {
            self.check_line(line)
                .map_err(|refusal| Refusal::new(format!("Line {}: {}", index + 1, refusal.text)))?;
            let tax = if line.debit.is_zero() { -line.tax_amount } else { line.tax_amount };
            left += line.debit - line.credit + tax;
        }
        if !left.is_zero() {
            return Err(Refusal::new(format!("The journal does not balance: {left}")));
        }
        Ok(())
    }

    fn check_line(&self, line: &JournalLine) -> Result<(), Refusal> {
        let rules = &self.rules;
        if line.debit < Decimal::ZERO || line.credit < Decimal::ZERO {
            return Err(Refusal::new("Debit and Credit must not be below zero"));
        }
        if line.debit.is_zero() == line.credit.is_zero() {
            return Err(Refusal::new("either Debit or Credit must be given"));
        }
        if line.debit.max(line.credit).normalize().scale() > 3 {
            return Err(Refusal::new("the amount has too many decimals"));
        }
        if line.nominal.is_empty()
            || (!rules.nominals.is_empty() && !rules.nominals.contains(&line.nominal))
        {
            return Err(Refusal::new(format!("Nominal {} does not exist", line.nominal)));
        }
        let has_code = !line.tax_code.is_empty();
        if has_code && !rules.tax_codes.is_empty() && !rules.tax_codes.contains(&line.tax_code) {
            return Err(Refusal::new(format!("Tax code {} does not exist", line.tax_code)));
        }
        if line.narrative.chars().count() > rules.longest_narrative {
            return Err(Refusal::new("Narrative is too long"));
        }
        Ok(())
    }

    fn journal(&self, third_party_id: &str) -> Option<&PostedJournal> {
        self.journals.iter().find(|posted| posted.journal.third_party_id == third_party_id)
    }

    /// `JournalStatus`.
    ///
    /// # Errors
    /// The installation has no such request, or no such journal.
    pub fn journal_status(&self, third_party_id: &str) -> Result<&PostedJournal, Refusal> {
        if !self.rules.journal_status {
            return Err(Refusal::new("Unknown request type: JournalStatus"));
        }
        self.journal(third_party_id).ok_or_else(|| Refusal::new("Journal not found"))
    }

    /// `NominalTransactions`.
    ///
    /// # Errors
    /// The installation has no such request, or no such nominal.
    pub fn nominal_transactions(
        &self,
        nominal: &str,
        [from, to]: [Date; 2],
    ) -> Result<Vec<&Transaction>, Refusal> {
        if !self.rules.nominal_transactions {
            return Err(Refusal::new("Unknown request type: NominalTransactions"));
        }
        if !self.rules.nominals.is_empty() && !self.rules.nominals.contains(nominal) {
            return Err(Refusal::new(format!("Nominal {nominal} does not exist")));
        }
        let found = self
            .transactions
            .iter()
            .filter(|line| line.nominal == nominal && (from..=to).contains(&line.date));
        Ok(found.collect())
    }

    /// `CreditNotes`.
    ///
    /// # Errors
    /// The installation has no such request.
    pub fn credit_notes_of(&self, [from, to]: [Date; 2]) -> Result<Vec<&CreditNote>, Refusal> {
        if !self.rules.credit_notes {
            return Err(Refusal::new("Unknown request type: CreditNotes"));
        }
        Ok(self.credit_notes.iter().filter(|note| (from..=to).contains(&note.date)).collect())
    }

    /// Invoices what has left of an order and is not invoiced: goods by their share of the line's
    /// price, charges with the first parcel.
    pub(super) fn invoice(&mut self, stored: &StoredOrder, now: Timestamp) {
        let order = &stored.order;
        let left = stored.left();
        // Somebody may call an order dispatched without a parcel.
        let gone_whole = stored.stage == Stage::Dispatched && stored.parcels.is_empty();
        let invoiced = self.invoiced.entry(stored.id).or_default();
        let mut goods = Decimal::ZERO;
        for line in &order.lines {
            let waiting =
                left.iter().find(|(number, _)| *number == line.number).map_or(0, |(_, left)| *left);
            let gone =
                if gone_whole { line.quantity } else { line.quantity.saturating_sub(waiting) };
            let before = invoiced.pieces.insert(line.number, gone).unwrap_or_default();
            if gone <= before || line.quantity == 0 {
                continue;
            }
            let pieces = Decimal::from(line.quantity);
            let whole = if self.rules.price_of_piece { line.price * pieces } else { line.price };
            let due = to_the_penny(whole * Decimal::from(gone) / pieces);
            let amount = invoiced.amounts.entry(line.number).or_default();
            goods += due - *amount;
            *amount = due;
        }
        let charges: Decimal = if invoiced.charges {
            Decimal::ZERO
        } else {
            order.charges.iter().map(|charge| charge.value).sum()
        };
        invoiced.charges = true;
        let date = day(now);
        self.post_sale(stored, (Source::Invoice, date), (goods, charges), &order.order_number);
    }

    fn post_sale(
        &mut self,
        stored: &StoredOrder,
        (source, date): (Source, Date),
        (goods, charges): (Decimal, Decimal),
        reference: &str,
    ) -> (Decimal, Decimal) {
        let order = &stored.order;
        let currency = order.header.get("Currency").or(order.attributes.get("Currency"));
        let currency = currency.cloned().unwrap_or_else(|| "GBP".to_owned());
        let rules = &self.rules;
        let over = order
            .payments
            .first()
            .and_then(|payment| rules.clearing.get(&payment.method))
            .unwrap_or(&rules.debtors);
        let tax_in = |gross: Decimal| {
            to_the_penny(gross * rules.vat_percent / (Decimal::ONE_HUNDRED + rules.vat_percent))
        };
        let tax = tax_in(goods) + tax_in(charges);
        let sales = if source == Source::CreditNote { &rules.returns } else { &rules.sales };
        let sides = [
            (over, goods + charges),
            (sales, -(goods - tax_in(goods))),
            (&rules.carriage, -(charges - tax_in(charges))),
            (&rules.output_vat, -tax),
        ];
        let lines: Vec<Transaction> = sides
            .into_iter()
            .filter(|(_, net)| !net.is_zero())
            .map(|(nominal, net)| Transaction {
                source,
                date,
                nominal: nominal.clone(),
                cost_centre: String::new(),
                debit: net.max(Decimal::ZERO),
                credit: (-net).max(Decimal::ZERO),
                currency: currency.clone(),
                reference: reference.to_owned(),
                narrative: order.order_number.clone(),
            })
            .collect();
        self.transactions.extend(lines);
        (goods + charges - tax, tax)
    }

    /// Makes a credit note for an order.
    pub(super) fn credit(
        &mut self,
        stored: &StoredOrder,
        note: &NewCreditNote,
        now: Timestamp,
    ) -> &CreditNote {
        let number = format!("CN{:06}", self.credit_notes.len() + 1);
        let date = day(now);
        let (net, tax) = self.post_sale(
            stored,
            (Source::CreditNote, date),
            (-note.gross, Decimal::ZERO),
            &number,
        );
        let currency = stored.order.header.get("Currency").cloned();
        self.credit_notes.push(CreditNote {
            number,
            order_number: stored.order.order_number.clone(),
            date,
            net: -net,
            tax: -tax,
            gross: note.gross,
            currency: currency.unwrap_or_else(|| "GBP".to_owned()),
            lines: note.lines.clone(),
        });
        &self.credit_notes[self.credit_notes.len() - 1]
    }

    /// Money came in at the bank.
    pub(super) fn receive(&mut self, receipt: &BankReceipt, now: Timestamp) {
        for (nominal, net) in [(&receipt.bank, receipt.amount), (&receipt.nominal, -receipt.amount)]
        {
            self.transactions.push(Transaction {
                source: Source::Bank,
                date: day(now),
                nominal: nominal.clone(),
                cost_centre: String::new(),
                debit: net.max(Decimal::ZERO),
                credit: (-net).max(Decimal::ZERO),
                currency: receipt.currency.clone(),
                reference: receipt.reference.clone(),
                narrative: "Receipt".to_owned(),
            });
        }
    }
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn to_the_penny(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}
