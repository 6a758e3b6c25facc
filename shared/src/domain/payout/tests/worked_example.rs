//! A whole billing cycle, by hand: each figure was worked out on paper first.

use super::*;
use crate::domain::payout::chart::{Treatment, VatMode};
use crate::domain::payout::draft::{Hold, Place};
use crate::domain::payout::tie::{Evidence, Tie, TieRule};

pub(super) fn lines() -> Vec<TransactionLine> {
    let mut lines = Vec::new();
    let mut add = |kind: &str, order: Option<&str>, document: Option<&str>, net: &str| {
        lines.push(TransactionLine {
            order: order.map(str::to_owned),
            document: document.map(str::to_owned),
            ..line(&format!("L-{:02}", lines.len() + 1), kind, net)
        });
    };
    let invoice = Some("INV-77");
    for (order, goods, shipping, fee, vat) in [
        ("M-1001", "120.00", "4.99", "-18.75", "-3.75"),
        ("M-1002", "36.00", "0", "-5.40", "-1.08"),
        ("M-1003", "72.00", "4.99", "-11.55", "-2.31"),
    ] {
        add("ORDER_AMOUNT", Some(order), None, goods);
        add("ORDER_SHIPPING_AMOUNT", Some(order), None, shipping);
        add("COMMISSION_FEE", Some(order), invoice, fee);
        add("COMMISSION_VAT", Some(order), invoice, vat);
    }
    add("REFUND_ORDER_AMOUNT", Some("M-0950"), None, "-48.00");
    add("REFUND_COMMISSION_FEE", Some("M-0950"), invoice, "7.20");
    add("REFUND_COMMISSION_VAT", Some("M-0950"), invoice, "1.44");
    add("SUBSCRIPTION_FEE", None, invoice, "-39.00");
    add("SUBSCRIPTION_VAT", None, invoice, "-7.80");
    add("MANUAL_CREDIT", None, Some("CR-9"), "10.00");
    add("MANUAL_INVOICE", None, Some("INV-78"), "-25.00");
    add("MANUAL_INVOICE_VAT", None, Some("INV-78"), "-5.00");
    add("SELLER_PENALTY_FEE", Some("M-1002"), invoice, "-3.00");
    add("RESERVE_SETTLEMENT", None, None, "12.50");
    add("RESERVE_FUNDING", None, None, "-20.00");
    add("PAYMENT", None, None, "-78.48");
    lines
}

pub(super) fn counted() -> Vec<TransactionLine> {
    lines().into_iter().filter(|line| !line.kind.is_payment()).collect()
}

#[test]
fn the_cycle_ties_to_the_penny() {
    let (cycle, lines) = (cycle("78.48"), lines());
    let lines = refs(&lines);
    let evidence = Evidence {
        cycle: &cycle,
        lines: &lines,
        documents: &[],
        carried_in: Amount::ZERO,
        is_proved_whole: false,
    };
    let tie = Tie::of(&evidence, TieRule::default());
    assert_eq!(tie.differences, []);
    assert_eq!((tie.lines, tie.payments), (amount("78.48"), Some(amount("78.48"))));
}

#[test]
fn the_journal_comes_out_line_by_line() {
    let journal = journal_of(&counted(), &version());
    insta::assert_snapshot!(table(&journal), @r"
     1 5600 T1   35.70               COMMISSION_FEE, 3 lines
     2 2201       7.14               COMMISSION_VAT
     3 5600 T1            7.20       REFUND_COMMISSION_FEE, 1 line
     4 2201               1.44       REFUND_COMMISSION_VAT
     5 7610 T1   39.00               SUBSCRIPTION_FEE
     6 2201       7.80               SUBSCRIPTION_VAT
     7 6201 T1   25.00               MANUAL_INVOICE INV-78
     8 2201       5.00               MANUAL_INVOICE_VAT
     9 7620 T9    3.00               SELLER_PENALTY_FEE
    10 4920 T9           10.00       MANUAL_CREDIT CR-9
    11 1265 T9   20.00               RESERVE_FUNDING
    12 1265 T9           12.50       RESERVE_SETTLEMENT
    13 1260 T9          111.50       net deductions BC-2031
    totals 142.64 142.64
    ");
    assert_eq!(journal.problems(), []);
    // Prima's invoices and credit note, our journal and the bank come to nothing.
    let prima = amount("237.98").0 - amount("48.00").0;
    assert_eq!(prima + journal.clearing().0, amount("78.48").0);
}

#[test]
fn where_the_ledger_computes_vat_the_fees_carry_it() {
    let journal = journal_of(&counted(), &ChartVersion { vat: VatMode::TaxCode, ..version() });
    insta::assert_snapshot!(table(&journal), @r"
     1 5600 T1   35.70          7.14 COMMISSION_FEE, 3 lines
     2 5600 T1            7.20  1.44 REFUND_COMMISSION_FEE, 1 line
     3 7610 T1   39.00          7.80 SUBSCRIPTION_FEE
     4 6201 T1   25.00          5.00 MANUAL_INVOICE INV-78
     5 7620 T9    3.00               SELLER_PENALTY_FEE
     6 4920 T9           10.00       MANUAL_CREDIT CR-9
     7 1265 T9   20.00               RESERVE_FUNDING
     8 1265 T9           12.50       RESERVE_SETTLEMENT
     9 1260 T9          111.50       net deductions BC-2031
    totals 142.64 142.64
    ");
    assert_eq!((journal.problems(), journal.clearing()), (vec![], amount("-111.50")));
}

fn abroad(treatment: Treatment) -> ChartVersion {
    let mut version = version();
    version.commission_vat[0].treatment = treatment;
    version.commission_vat[0].rate = Some(Decimal::from(20));
    version.commission_vat[0].tax_code = Some("T24".to_owned());
    version
}

fn without_vat() -> Vec<TransactionLine> {
    let taxes = ["COMMISSION_VAT", "REFUND_COMMISSION_VAT", "SUBSCRIPTION_VAT"];
    counted().into_iter().filter(|line| !taxes.contains(&line.kind.code())).collect()
}

#[test]
fn on_reverse_charge_the_journal_books_both_sides_or_prima_does() {
    let journal = journal_of(&without_vat(), &abroad(Treatment::ReverseChargeByJournal));
    insta::assert_snapshot!(table(&journal), @r"
     1 5600 T1   35.70               COMMISSION_FEE, 3 lines
     2 2201       7.14               COMMISSION_FEE reverse charge
     3 2200               7.14       COMMISSION_FEE reverse charge
     4 5600 T1            7.20       REFUND_COMMISSION_FEE, 1 line
     5 2201               1.44       REFUND_COMMISSION_FEE reverse charge
     6 2200       1.44               REFUND_COMMISSION_FEE reverse charge
     7 7610 T1   39.00               SUBSCRIPTION_FEE
     8 2201       7.80               SUBSCRIPTION_FEE reverse charge
     9 2200               7.80       SUBSCRIPTION_FEE reverse charge
    10 6201 T1   25.00               MANUAL_INVOICE INV-78
    11 2201       5.00               MANUAL_INVOICE_VAT
    12 7620 T9    3.00               SELLER_PENALTY_FEE
    13 4920 T9           10.00       MANUAL_CREDIT CR-9
    14 1265 T9   20.00               RESERVE_FUNDING
    15 1265 T9           12.50       RESERVE_SETTLEMENT
    16 1260 T9           98.00       net deductions BC-2031
    totals 144.08 144.08
    ");
    let journal = journal_of(&without_vat(), &abroad(Treatment::ReverseChargeByPrima));
    insta::assert_snapshot!(table(&journal), @r"
     1 5600 T24   35.70               COMMISSION_FEE, 3 lines
     2 5600 T24            7.20       REFUND_COMMISSION_FEE, 1 line
     3 7610 T24   39.00               SUBSCRIPTION_FEE
     4 6201 T1   25.00               MANUAL_INVOICE INV-78
     5 2201       5.00               MANUAL_INVOICE_VAT
     6 7620 T9    3.00               SELLER_PENALTY_FEE
     7 4920 T9           10.00       MANUAL_CREDIT CR-9
     8 1265 T9   20.00               RESERVE_FUNDING
     9 1265 T9           12.50       RESERVE_SETTLEMENT
    10 1260 T9           98.00       net deductions BC-2031
    totals 127.70 127.70
    ");
}

#[test]
fn vat_that_contradicts_the_treatment_holds_the_cycle() {
    let held = |lines: &[TransactionLine], version: &ChartVersion| {
        Books::open(version, &Totals::of(lines), DAY, "GBP").map(|_| ()).unwrap_err()
    };
    let changed = |kind: TransactionType| Hold::VatTreatmentChanged(kind);
    let expected = [
        changed(TransactionType::CommissionVat),
        changed(TransactionType::RefundCommissionVat),
        changed(TransactionType::SubscriptionVat),
    ];
    for treatment in [Treatment::ReverseChargeByJournal, Treatment::ReverseChargeByPrima] {
        let holds: Vec<_> = held(&counted(), &abroad(treatment)).into_iter().collect();
        assert_eq!(holds, expected);
    }
    let holds: Vec<_> = held(&without_vat(), &version()).into_iter().collect();
    assert_eq!(holds, expected);
    let mut before = version();
    before.commission_vat[0].from = date(2026, 12, 1);
    assert_eq!(held(&counted(), &before).first(), Some(&Hold::NoVatTreatment(DAY)));
}

#[test]
fn every_line_stands_in_one_place() {
    let (version, counted) = (version(), counted());
    let (books, _) = Books::open(&version, &Totals::of(&counted), DAY, "GBP").unwrap();
    let journal = journal_of(&counted, &version);
    let mut places = std::collections::BTreeMap::new();
    for line in &lines() {
        let place = match books.place(&line.kind, line.document.as_ref()) {
            Place::Journal(key) => format!("line {:02}", journal.line_of(&key).unwrap()),
            other => format!("{other:?}"),
        };
        *places.entry(place).or_insert(0) += 1;
    }
    assert_eq!(places.values().sum::<i32>(), 24);
    assert_eq!((places["Prima"], places["Cash"], places["line 01"]), (7, 1, 3));
    assert_eq!(places.len(), 14, "twelve lines, Prima and the bank: {places:?}");
}
