//! Charts, credits by hand, splits, supplementary journals and reversals.

use super::worked_example::counted;
use super::*;
use crate::domain::payout::chart::{Book, VatMode};
use crate::domain::payout::draft::Hold;
use crate::domain::payout::journal::booked;
use crate::domain::payout::key::JournalKind;
use crate::mirakl::finance::TransactionType as Type;

fn uses() -> Vec<(String, String)> {
    vec![("GBP".to_owned(), "NOT_SPECIFIED".to_owned())]
}

#[test]
fn a_chart_decides_of_every_type_and_currency() {
    let mut chart = chart();
    assert_eq!(chart.problems(&uses()), []);
    let text = serde_json::to_string(&chart).unwrap();
    assert_eq!(serde_json::from_str::<Chart>(&text).unwrap(), chart);

    let version = &mut chart.versions[0];
    version.types.remove("SELLER_PENALTY_FEE");
    version.types.get_mut("ORDER_AMOUNT").unwrap().book = Book::Nominal;
    version.types.get_mut("ORDER_AMOUNT_TAX").unwrap().book = Book::Nominal;
    version.types.get_mut("ORDER_AMOUNT_TAX").unwrap().nominal = Some("4000".into());
    version.types.get_mut("PAYMENT").unwrap().book = Book::Suspense;
    version.types.get_mut("PURCHASE_COMMISSION_FEE").unwrap().book = Book::Suspense;
    version.types.get_mut("COMMISSION_FEE").unwrap().book = Book::Vat;
    version.types.get_mut("SUBSCRIPTION_FEE").unwrap().nominal = Some(" 7610".into());
    version.types.insert("COMISSION_FEE".into(), version.types["COMMISSION_VAT"].clone());
    version.clearing.nominal.clear();
    version.commission_vat[0].fees.push(Type::OrderAmount);
    let mut wanted = uses();
    wanted.push(("EUR".into(), "MANGOPAY".into()));
    let mut fields: Vec<_> = chart.problems(&wanted).into_iter().map(|one| one.field).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "versions[0].bank",
            "versions[0].clearing.nominal",
            "versions[0].commission_vat[0].fees",
            "versions[0].types.COMISSION_FEE",
            "versions[0].types.COMMISSION_FEE",
            "versions[0].types.ORDER_AMOUNT",
            "versions[0].types.ORDER_AMOUNT_TAX",
            "versions[0].types.PAYMENT",
            "versions[0].types.PURCHASE_COMMISSION_FEE",
            "versions[0].types.SELLER_PENALTY_FEE",
            "versions[0].types.SUBSCRIPTION_FEE",
        ]
    );
    let misspelt = text.replacen("\"clearing\"", "\"clering\"", 1);
    assert!(serde_json::from_str::<Chart>(&misspelt).is_err());
}

#[test]
fn the_version_of_the_day_holds() {
    let mut chart = chart();
    let mut later = chart.versions[0].clone();
    later.effective_from = date(2026, 11, 16);
    later.clearing.nominal = "1261".into();
    chart.versions.insert(0, later);
    let clearing = |day| chart.at(day).map(|version| version.clearing.nominal.as_str());
    assert_eq!(clearing(date(2025, 12, 31)), None);
    assert_eq!(clearing(DAY), Some("1260"));
    assert_eq!(clearing(date(2026, 11, 16)), Some("1261"));
    chart.versions[0].effective_from = date(2026, 1, 1);
    assert_eq!(chart.problems(&uses())[0].field, "versions[1].effective_from");
}

#[test]
fn what_nobody_decided_goes_to_suspense_and_dropship_holds() {
    let journal =
        journal_of(&[line("1", "LOYALTY_FEE", "-5"), line("2", "ORDER_AMOUNT", "9")], &version());
    insta::assert_snapshot!(table(&journal), @r"
     1 9998 T9    5.00               LOYALTY_FEE
     2 1260 T9            5.00       net deductions BC-2031
    totals 5.00 5.00
    ");
    let held = |kind: &str| {
        let totals = Totals::of(&[line("1", kind, "-5")]);
        Books::open(&version(), &totals, DAY, "GBP").map(|_| ()).unwrap_err().pop_first().unwrap()
    };
    assert_eq!(held("PURCHASE_COMMISSION_FEE"), Hold::Purchase(Type::PurchaseCommissionFee));
    let mut version = version();
    version.types.get_mut("SELLER_PENALTY_FEE").unwrap().book = Book::Hold;
    version.types.get_mut("SELLER_PENALTY_FEE").unwrap().nominal = None;
    let totals = Totals::of(&[line("1", "SELLER_PENALTY_FEE", "-5")]);
    let holds = Books::open(&version, &totals, DAY, "GBP").map(|_| ()).unwrap_err();
    assert_eq!(holds.first(), Some(&Hold::Type(Type::SellerPenaltyFee)));
}

#[test]
fn a_credit_by_hand_is_what_its_document_or_its_vat_makes_it() {
    let credit = |id: &str, kind: &str, net: &str, document: &str| TransactionLine {
        document: Some(document.to_owned()),
        ..line(id, kind, net)
    };
    let lines = [
        credit("1", "MANUAL_CREDIT", "10", "CR-FEE"),
        credit("2", "MANUAL_CREDIT_VAT", "2", "CR-FEE"),
        credit("3", "MANUAL_CREDIT", "7", "CR-LOST"),
        credit("4", "MANUAL_CREDIT", "50", "CR-BANK"),
    ];
    insta::assert_snapshot!(table(&journal_of(&lines, &version())), @r"
     1 1290 T9           50.00       MANUAL_CREDIT
     2 4920 T9            7.00       MANUAL_CREDIT CR-LOST
     3 5600 T1           10.00       MANUAL_CREDIT CR-FEE
     4 2201               2.00       MANUAL_CREDIT_VAT
     5 1260 T9   69.00               net deductions BC-2031
    totals 69.00 69.00
    ");
    let mut undecided = version();
    undecided.manual_credits.with_vat = None;
    insta::assert_snapshot!(table(&journal_of(&lines, &undecided)), @r"
     1 1290 T9           50.00       MANUAL_CREDIT
     2 4920 T9            7.00       MANUAL_CREDIT CR-LOST
     3 9998 T9           10.00       MANUAL_CREDIT
     4 9998 T9            2.00       MANUAL_CREDIT_VAT
     5 1260 T9   69.00               net deductions BC-2031
    totals 69.00 69.00
    ");
}

#[test]
fn zero_sums_make_no_line_and_no_journal() {
    let lines = [line("1", "SUBSCRIPTION_FEE", "-5"), line("2", "SUBSCRIPTION_FEE", "5")];
    let mut version = version();
    version.commission_vat[0].fees.clear();
    let (_, draft) = Books::open(&version, &Totals::of(&lines), DAY, "GBP").unwrap();
    assert!(draft.0.is_empty());
    assert_eq!(journals_of(&draft, &version, JournalName::default(), Limits::default()), []);
}

#[test]
fn a_long_journal_is_split_into_balanced_parts() {
    let version = version();
    let (_, draft) = Books::open(&version, &Totals::of(&counted()), DAY, "GBP").unwrap();
    let limits = Limits { max_lines: 5, ..Limits::default() };
    let parts = journals_of(&draft, &version, JournalName::default(), limits);
    assert_eq!(parts.len(), 3);
    for (number, part) in (1..).zip(&parts) {
        assert_eq!(part.problems(), []);
        assert!(part.lines.len() <= 5 && part.reference.ends_with(&format!("/{number}")));
    }
    let clearing: Decimal = parts.iter().map(|part| part.clearing().0).sum();
    assert_eq!(Amount(clearing), amount("-111.50"));
    let guids: std::collections::BTreeSet<_> = parts.iter().map(|part| &part.guid).collect();
    assert_eq!(guids.len(), 3);
    assert_eq!(booked(&parts).total(), draft.total());
}

#[test]
fn a_change_after_posting_is_a_supplementary_journal_of_the_difference() {
    for vat in [VatMode::SeparateLine, VatMode::TaxCode] {
        let version = ChartVersion { vat, ..version() };
        let posted = journal_of(&counted(), &version);
        let mut changed = counted();
        // A fee is charged more, the VAT of another changes alone, and one is new.
        changed[2].debited = amount("19.75");
        let subscription = changed.iter_mut().find(|line| line.kind == Type::SubscriptionVat);
        subscription.unwrap().debited = amount("8.00");
        changed.push(line("L-99", "SELLER_FEE_ON_ORDER", "-2.00"));
        let (_, draft) = Books::open(&version, &Totals::of(&changed), DAY, "GBP").unwrap();
        let name = JournalName { kind: JournalKind::Supplementary(1), ..JournalName::default() };
        let difference = draft.less(&booked([&posted]));
        let added = journals_of(&difference, &version, name, Limits::default());
        assert_eq!((added.len(), added[0].problems()), (1, vec![]));
        assert!(added[0].reference.ends_with("/A1"));
        match vat {
            VatMode::SeparateLine => insta::assert_snapshot!(table(&added[0]), @r"
     1 5600 T1    1.00               COMMISSION_FEE, 3 lines
     2 2201       0.20               SUBSCRIPTION_VAT
     3 5610 T1    2.00               SELLER_FEE_ON_ORDER
     4 1260 T9            3.20       net deductions BC-2031
    totals 3.20 3.20
    "),
            VatMode::TaxCode => insta::assert_snapshot!(table(&added[0]), @r"
     1 5600 T1    1.00               COMMISSION_FEE, 3 lines
     2 2201       0.20               SUBSCRIPTION_FEE VAT
     3 5610 T1    2.00               SELLER_FEE_ON_ORDER
     4 1260 T9            3.20       net deductions BC-2031
    totals 3.20 3.20
    "),
        }
        let all = booked([&posted, &added[0]]);
        assert!(draft.less(&all).0.is_empty(), "nothing is left to be booked: {all:?}");
    }
}

#[test]
fn a_reversal_is_the_mirror_image() {
    let posted = journal_of(&counted(), &version());
    let on = BookedOn { date: date(2026, 12, 1), period: "2026-12".into(), instead_of: None };
    let name = JournalName { kind: JournalKind::Reversal(1), ..JournalName::default() };
    let reversal = posted.reversed(name, &on, Limits::default());
    assert_eq!((reversal.problems(), reversal.debits()), (vec![], posted.credits()));
    assert_eq!(reversal.clearing().0, -posted.clearing().0);
    assert!(booked([&posted, &reversal]).less(&Draft::default()).0.is_empty());
    assert!(reversal.reference.ends_with("/R1") && reversal.guid != posted.guid);
    assert_ne!(reversal.hash().unwrap(), posted.hash().unwrap());
}

#[test]
fn the_true_day_of_a_moved_journal_is_told() {
    let version = version();
    let (_, draft) = Books::open(&version, &Totals::of(&counted()), DAY, "GBP").unwrap();
    let booked = BookedOn {
        date: date(2026, 12, 1),
        period: "2026-12".to_owned(),
        instead_of: Some(date(2026, 11, 30)),
    };
    let heading = Heading {
        key: &key(),
        name: JournalName::default(),
        booked: &booked,
        clearing: &version.clearing,
        input_vat: &version.input_vat,
        limits: Limits { narrative_length: 30, ..Limits::default() },
    };
    let journal = journals(&draft, &heading).remove(0);
    assert_eq!(journal.narrative, "dated 2026-11-30, marketplace");
    assert!(journal.lines.iter().all(|line| line.narrative.chars().count() <= 30));
}
