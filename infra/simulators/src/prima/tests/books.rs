//! The nominal ledger: every posting balances, and a journal is refused or posted, never half.

use jiff::Timestamp;
use jiff::civil::date;
use rust_decimal::Decimal;

use super::super::books::{
    BankReceipt, BookRules, JournalLine, NewCreditNote, NewJournal, Period, Source,
};
use super::super::model::Installation;
use super::super::order::{NewOrder, NewOrderCharge, NewOrderPayment};
use super::super::settings::{OrderRules, RepeatedNumber, Settings};
use super::super::warehouse::Booking;
use super::super::xml::Element;
use super::order;
use super::wire::start;
use crate::misbehaviour::Fault;

fn now() -> Timestamp {
    "2026-11-05T10:00:00Z".parse().unwrap()
}

fn pence(amount: i64) -> Decimal {
    Decimal::new(amount, 2)
}

/// An installation that settles marketplace orders over 1260.
fn installation(rules: BookRules) -> Installation {
    let mut installation = Installation::new(OrderRules::default());
    let clearing = [("MIRAKL".to_owned(), "1260".to_owned())].into();
    installation.set_book_rules(BookRules { clearing, ..rules });
    installation
}

/// Two pieces for 120.00 and carriage of 4.99, paid on the marketplace.
fn sale(number: &str) -> NewOrder {
    let mut order = order(number);
    order.header.insert("Currency".to_owned(), "GBP".to_owned());
    order.lines[0].quantity = 2;
    order.lines[0].price = pence(12_000);
    order.charges = vec![NewOrderCharge {
        code: "CARRIAGE".to_owned(),
        value: pence(499),
        ..NewOrderCharge::default()
    }];
    order.payments = vec![NewOrderPayment {
        method: "MIRAKL".to_owned(),
        amount: pence(12_499),
        ..NewOrderPayment::default()
    }];
    order
}

fn journal(amounts: &[(&str, i64)]) -> NewJournal {
    let line = |(nominal, net): &(&str, i64)| JournalLine {
        nominal: (*nominal).to_owned(),
        debit: pence((*net).max(0)),
        credit: pence((-net).max(0)),
        ..JournalLine::default()
    };
    NewJournal {
        third_party_id: "MK-1".to_owned(),
        reference: "MIRAKL/uk/BC-1".to_owned(),
        date: date(2026, 11, 5),
        currency: "GBP".to_owned(),
        lines: amounts.iter().map(line).collect(),
        ..NewJournal::default()
    }
}

fn assert_balanced(installation: &mut Installation) {
    let lines = installation.books().transactions();
    let difference: Decimal = lines.iter().map(|line| line.debit - line.credit).sum();
    assert_eq!(difference, Decimal::ZERO);
    assert!(lines.iter().all(|line| line.debit.is_zero() != line.credit.is_zero()), "{lines:?}");
}

#[test]
fn a_dispatch_is_invoiced_by_its_parcels_and_carriage_once() {
    let mut installation = installation(BookRules::default());
    installation.new_order(sale("A"), now()).unwrap();
    let part = Booking { lines: Some(vec![(1, 1)]), ..Booking::default() };
    installation.book("A", part, now()).unwrap();
    assert_eq!(installation.books().balance("1260", "GBP"), pence(6_499));
    installation.book("A", Booking::default(), now()).unwrap();
    assert_eq!(installation.books().balance("1260", "GBP"), pence(12_499));
    assert_eq!(installation.books().balance("4000", "GBP"), -pence(10_000));
    assert_eq!(installation.books().balance("4905", "GBP"), -pence(416));
    assert_eq!(installation.books().balance("2200", "GBP"), -pence(2_083));
    assert_balanced(&mut installation);
}

#[test]
fn a_credit_note_and_a_receipt_settle_the_clearing_account() {
    let mut installation = installation(BookRules::default());
    installation.new_order(sale("A"), now()).unwrap();
    installation.book("A", Booking::default(), now()).unwrap();
    let note = NewCreditNote { gross: pence(4_800), lines: vec![(1, 1)] };
    let note = installation.credit("A", &note, now()).unwrap();
    assert_eq!((note.net, note.tax, note.gross), (pence(4_000), pence(800), pence(4_800)));
    let receipt = BankReceipt {
        bank: "1200".to_owned(),
        nominal: "1260".to_owned(),
        amount: pence(7_699),
        currency: "GBP".to_owned(),
        reference: "PAY-1".to_owned(),
    };
    installation.receive(&receipt, now());
    assert_eq!(installation.books().balance("1260", "GBP"), Decimal::ZERO);
    assert_balanced(&mut installation);
    let day = date(2026, 11, 5);
    assert_eq!(installation.credit_notes([day, day], now()).unwrap().len(), 1);
    let found = installation.nominal_transactions("1260", [day, day], now()).unwrap();
    assert_eq!(
        found.iter().map(|line| line.source).collect::<Vec<_>>(),
        [Source::Invoice, Source::CreditNote, Source::Bank]
    );
}

#[test]
fn a_journal_that_is_wrong_is_refused_whole_with_the_reason() {
    let rules = BookRules {
        nominals: ["1260", "5600"].map(str::to_owned).into(),
        periods: vec![
            Period {
                name: "2026-10".to_owned(),
                from: date(2026, 10, 1),
                to: date(2026, 10, 31),
                closed: true,
            },
            Period {
                name: "2026-11".to_owned(),
                from: date(2026, 11, 1),
                to: date(2026, 11, 30),
                closed: false,
            },
        ],
        most_lines: Some(3),
        ..BookRules::default()
    };
    let mut installation = installation(rules);
    let good =
        NewJournal { period: "2026-11".to_owned(), ..journal(&[("5600", 3570), ("1260", -3570)]) };
    let mut refused = |change: fn(&mut NewJournal)| {
        let mut journal = good.clone();
        change(&mut journal);
        installation.new_journal(journal, now()).unwrap_err().text
    };
    let told = [
        refused(|journal| journal.lines[0].debit = pence(3571)),
        refused(|journal| journal.lines[1].nominal = "9999".to_owned()),
        refused(|journal| journal.lines[0].credit = pence(1)),
        refused(|journal| journal.lines[0].debit = pence(-3570)),
        refused(|journal| journal.date = date(2026, 10, 5)),
        refused(|journal| {
            journal.date = date(2026, 10, 5);
            journal.period = "2026-10".to_owned();
        }),
        refused(|journal| journal.date = date(2027, 1, 5)),
        refused(|journal| journal.lines.truncate(1)),
        refused(|journal| {
            let more = journal.lines.clone();
            journal.lines.extend(more);
        }),
        refused(|journal| journal.third_party_id.clear()),
    ];
    assert_eq!(
        told.each_ref().map(|text| text.split(':').next().unwrap()),
        [
            "The journal does not balance",
            "Line 2",
            "Line 1",
            "Line 1",
            "2026-10-05 is in period 2026-10, not 2026-11",
            "Period 2026-10 is closed",
            "There is no period for 2027-01-05",
            "A journal needs at least two lines",
            "The journal has too many lines",
            "TPGUID is missing or too long",
        ]
    );
    assert!(installation.books().transactions().is_empty() && installation.books().refused() == 10);
    installation.new_journal(good, now()).unwrap();
    assert_balanced(&mut installation);
}

#[test]
fn a_repeated_journal_is_taken_twice_or_refused_by_its_number() {
    for (repeated_journal, posted) in [(RepeatedNumber::Twice, 2), (RepeatedNumber::Refused, 1)] {
        let mut installation = installation(BookRules { repeated_journal, ..BookRules::default() });
        let journal = journal(&[("5600", 100), ("1260", -100)]);
        installation.new_journal(journal.clone(), now()).unwrap();
        let again = installation.new_journal(journal, now());
        assert_eq!(installation.books().journals().len(), posted);
        if let Err(refusal) = again {
            assert_eq!(refusal.text, "Journal MK-1 is already posted as J000001");
        }
        assert_eq!(installation.journal_status("MK-1", now()).unwrap().number, "J000001");
        assert!(installation.journal_status("MK-2", now()).is_err());
    }
}

#[test]
fn tax_of_a_line_goes_to_input_tax_and_counts_in_the_balance() {
    let mut installation = installation(BookRules::default());
    let mut journal = journal(&[("5600", 3570), ("1260", -4284)]);
    journal.lines[0].tax_code = "T1".to_owned();
    assert!(installation.new_journal(journal.clone(), now()).is_err());
    journal.lines[0].tax_amount = pence(714);
    installation.new_journal(journal, now()).unwrap();
    assert_eq!(installation.books().balance("2201", "GBP"), pence(714));
    assert_balanced(&mut installation);
}

#[test]
fn what_an_installation_does_not_offer_is_unknown() {
    let mut installation = installation(BookRules {
        new_journal: false,
        journal_status: false,
        nominal_transactions: false,
        credit_notes: false,
        ..BookRules::default()
    });
    let day = date(2026, 11, 5);
    let told = [
        installation.new_journal(journal(&[]), now()).unwrap_err().text,
        installation.journal_status("MK-1", now()).unwrap_err().text,
        installation.nominal_transactions("1260", [day, day], now()).unwrap_err().text,
        installation.credit_notes([day, day], now()).unwrap_err().text,
    ];
    assert!(told.iter().all(|text| text.starts_with("Unknown request type")), "{told:?}");
}

const JOURNAL: &str = "<Request RequestType=\"NewJournal\"><Data TPGUID=\"MK-1\" JournalRef=\"R1\" \
     JournalDate=\"05/11/2026\" Period=\"\" Currency=\"GBP\" Narrative=\"Commission\">\
     <JournalLineData Line=\"1\" NominalCode=\"5600\" CostCentre=\"WEB\" Debit=\"35.70\" Credit=\"\" \
     TaxCode=\"\" TaxAmount=\"\" Narrative=\"COMMISSION_FEE\" Reference=\"\"/>\
     <JournalLineData Line=\"2\" NominalCode=\"1260\" CostCentre=\"\" Debit=\"\" Credit=\"35.70\" \
     TaxCode=\"\" TaxAmount=\"\" Narrative=\"net\" Reference=\"\"/></Data></Request>";

const STATUS: &str = "<Request RequestType=\"JournalStatus\"><Data TPGUID=\"MK-1\"/></Request>";

fn outcome(document: &Element) -> (&str, &str) {
    let value = |name: &str| document.attribute(name).unwrap_or_default();
    (value("RequestStatus"), value("RequestError"))
}

#[tokio::test]
async fn a_journal_crosses_the_wire_and_is_found_again() {
    let running = start(Settings::default()).await;
    let encoding = running.simulator.settings().encoding;
    let ask = async |text: &str| running.ask(text).await.unwrap().document(encoding);
    assert_eq!(outcome(&ask(STATUS).await), ("ERROR", "Journal not found"));
    running.misbehave("NewJournal", Fault::LostAnswer);
    assert!(running.ask(JOURNAL).await.is_err(), "the answer is lost, the journal is posted");
    let status = ask(STATUS).await;
    assert_eq!(outcome(&status), ("OK", ""));
    assert_eq!(status.children[0].attribute("JournalNumber"), Some("J000001"));
    let days = "DateFrom=\"01/11/2026\" DateTo=\"30/11/2026\"";
    let listed = ask(&format!(
        "<Request RequestType=\"NominalTransactions\"><Data NominalCode=\"1260\" {days}/></Request>"
    ))
    .await;
    let line = &listed.children[0].children[0];
    assert_eq!(line.attribute("Credit"), Some("35.70"));
    let notes =
        ask(&format!("<Request RequestType=\"CreditNotes\"><Data {days}/></Request>")).await;
    assert_eq!(outcome(&notes), ("OK", ""));
    let wrong = ask(&JOURNAL.replace("05/11/2026", "2026-11-05")).await;
    assert_eq!(outcome(&wrong), ("ERROR", "JournalDate is not a date: 2026-11-05"));
    let books: serde_json::Value = running.get("/simulator/books").await.json().await.unwrap();
    assert_eq!(books["balances"]["5600"]["GBP"], "35.70");
}
