#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod balances;
mod books;
mod explaining;
mod matching;
mod properties;
mod report;
mod statement;
mod worked_example;

use jiff::civil::{Date, date};
use rust_decimal::Decimal;

use super::calendar::BookedOn;
use super::chart::{Account, Chart, ChartVersion};
use super::draft::{Books, Draft, Role};
use super::journal::{Heading, Journal, JournalLine, Limits, journals};
use super::key::{CycleKey, JournalName};
use super::posting::JournalRow;
use super::row::{CycleJournal, CycleRow};
use super::totals::Totals;
use crate::kit::amount::Amount;
use crate::kit::currency::written;
use crate::mirakl::finance::{BillingCycle, PayOut, TransactionLine, TransactionType};

pub(super) const DAY: Date = date(2026, 11, 15);

pub(super) fn amount(digits: &str) -> Amount {
    Amount(digits.parse::<Decimal>().unwrap())
}

/// A line of cycle `BC-2031`: a positive net is credited, a negative one debited.
pub(super) fn line(id: &str, kind: &str, net: &str) -> TransactionLine {
    let net = amount(net);
    let (credited, debited) =
        if net < Amount::ZERO { (Amount::ZERO, Amount(-net.0)) } else { (net, Amount::ZERO) };
    TransactionLine {
        id: id.to_owned(),
        kind: TransactionType::from_code(kind),
        currency: "GBP".to_owned(),
        credited,
        debited,
        contradicts_itself: false,
        state: None,
        cycle: Some("BC-2031".to_owned()),
        voucher: None,
        psp: None,
        shop: None,
        balance: None,
        psp_balance: None,
        created: None,
        last_updated: None,
        transacted: None,
        document: None,
        order: None,
        order_line: None,
        seller_reference: None,
        refund: None,
        unread_fields: Vec::new(),
    }
}

pub(super) fn cycle(transferred_to_seller: &str) -> BillingCycle {
    BillingCycle {
        id: "BC-2031".to_owned(),
        currency: "GBP".to_owned(),
        psp: None,
        shop: Some("2001".to_owned()),
        voucher: Some("000002".to_owned()),
        created: None,
        transferred_to_seller: amount(transferred_to_seller),
        transferred_to_operator: None,
        pay_out: PayOut::default(),
        summary: std::collections::BTreeMap::new(),
        unread_fields: Vec::new(),
    }
}

pub(super) fn chart() -> Chart {
    serde_json::from_str(include_str!("chart.json")).unwrap()
}

pub(super) fn version() -> ChartVersion {
    chart().versions.remove(0)
}

pub(super) fn key() -> CycleKey {
    CycleKey::of("example.mirakl.net", "2001", &cycle("0"))
}

pub(super) fn refs(lines: &[TransactionLine]) -> Vec<&TransactionLine> {
    lines.iter().collect()
}

/// The journals of a draft, by these limits.
pub(super) fn journals_of(
    draft: &Draft,
    version: &ChartVersion,
    name: JournalName,
    limits: Limits,
) -> Vec<Journal> {
    let booked = BookedOn { date: DAY, period: "2026-11".to_owned(), instead_of: None };
    let heading = Heading {
        key: &key(),
        name,
        booked: &booked,
        clearing: &version.clearing,
        input_vat: &version.input_vat,
        limits,
    };
    journals(draft, &heading)
}

/// A small journal: a commission of 12.30 against the clearing account.
pub(super) fn journal() -> Journal {
    let (key, name) = (key(), JournalName::default());
    let line = |line, nominal: &str, [debit, credit]: [&str; 2], kind: Option<&str>| JournalLine {
        line,
        account: Account {
            nominal: nominal.to_owned(),
            cost_centre: None,
            tax_code: Some("T9".to_owned()),
        },
        debit: amount(debit),
        credit: amount(credit),
        tax_amount: None,
        narrative: "net deductions BC-2031".to_owned(),
        reference: "BC-2031".to_owned(),
        kind: kind.map(TransactionType::from_code),
        role: if kind.is_some() { Role::Type } else { Role::Clearing },
    };
    Journal {
        name,
        reference: key.reference(&name, 20),
        guid: key.guid(&name),
        date: DAY,
        period: "2026-11".to_owned(),
        currency: "GBP".to_owned(),
        narrative: "marketplace deductions BC-2031".to_owned(),
        lines: vec![
            line(1, "5600", ["12.30", "0"], Some("COMMISSION_FEE")),
            line(2, "1260", ["0", "12.30"], None),
        ],
        key,
    }
}

/// A cycle with one journal, of 12.30.
pub(super) fn cycle_with(row: JournalRow) -> CycleRow {
    let now = row.since;
    let mut cycle = CycleRow::new(key(), "uk", cycle("0"), now);
    cycle.journals.push(CycleJournal {
        row,
        total: amount("12.30"),
        clearing: amount("-12.30"),
        date: DAY,
        transfer: amount("0"),
    });
    cycle
}

/// The one journal of these lines.
pub(super) fn journal_of(lines: &[TransactionLine], version: &ChartVersion) -> Journal {
    let totals = Totals::of(lines);
    let (_, draft) = Books::open(version, &totals, DAY, "GBP").unwrap();
    journals_of(&draft, version, JournalName::default(), Limits::default()).remove(0)
}

/// A journal as a table.
pub(super) fn table(journal: &Journal) -> String {
    let show = |amount: Amount| {
        if amount == Amount::ZERO { String::new() } else { written(amount, &journal.currency) }
    };
    let row = |cells: [String; 7]| {
        let [line, nominal, code, debit, credit, tax, narrative] = cells;
        format!("{line:>2} {nominal:<4} {code:<2} {debit:>7} {credit:>7} {tax:>5} {narrative}")
    };
    let lines = journal.lines.iter().map(|line| {
        row([
            line.line.to_string(),
            line.account.nominal.clone(),
            line.account.tax_code.clone().unwrap_or_default(),
            show(line.debit),
            show(line.credit),
            line.tax_amount.map(show).unwrap_or_default(),
            line.narrative.clone(),
        ])
        .trim_end()
        .to_owned()
    });
    let totals = format!(
        "totals {} {}",
        written(journal.debits(), &journal.currency),
        written(journal.credits(), &journal.currency)
    );
    lines.chain([totals]).collect::<Vec<_>>().join("\n")
}
