//! Month end: every item of the clearing account has a name, and nothing is left.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::worked_example::counted;
use super::*;
use crate::domain::payout::chart::Account;
use crate::domain::payout::row::ShopKey;
use crate::domain::payout::statement::{
    Accrual, Clearing, ClosedCycle, Entry, ItemKind, Statement, accrual, receipts, reserve,
    statement, year,
};

const THROUGH: Date = date(2026, 11, 30);

fn entry(reference: &str, net: &str) -> Entry {
    Entry {
        date: date(2026, 11, 20),
        reference: reference.to_owned(),
        narrative: String::new(),
        amount: amount(net),
    }
}

fn closed<'c>(
    id: &'c str,
    transfer: &str,
    journals: &[&'c str],
    lines: &[&'c TransactionLine],
) -> ClosedCycle<'c> {
    ClosedCycle {
        id,
        closed: DAY,
        transfer: amount(transfer),
        carried_in: Amount::ZERO,
        carried_out: Amount::ZERO,
        pay_out_reference: None,
        journals: journals.to_vec(),
        lines: lines.to_vec(),
    }
}

fn by_prima(line: &TransactionLine) -> bool {
    line.kind.is_sale() || line.kind.is_refund()
}

fn numbers() -> BTreeMap<String, String> {
    ["M-0950", "M-1001", "M-1002", "M-1003"].map(|id| (id.to_owned(), format!("P-{id}"))).into()
}

/// Prima's invoices and credit note of the worked example.
fn of_prima() -> Vec<Entry> {
    vec![
        entry("P-M-1001", "124.99"),
        entry("P-M-1002", "36.00"),
        entry("P-M-1003", "76.99"),
        entry("P-M-0950", "-48.00"),
    ]
}

fn explained(entries: Option<&[Entry]>, transfer: &str, more: &[&TransactionLine]) -> Statement {
    let lines = counted();
    let numbers = numbers();
    let cycles = [closed("BC-2031", transfer, &["MK1"], &refs(&lines))];
    statement(&Clearing {
        currency: "GBP",
        through: THROUGH,
        entries,
        cycles: &cycles,
        open: more,
        numbers: &numbers,
        is_by_prima: &by_prima,
        marketplace_balance: None,
    })
}

fn shown(statement: &Statement) -> Vec<String> {
    let items = statement.items.iter();
    items
        .map(|item| format!("{} {} {}", item.kind.name(), item.about, written(item.amount, "GBP")))
        .collect()
}

#[test]
fn the_worked_example_comes_to_nothing_and_each_missing_entry_is_an_item() {
    let all: Vec<_> =
        of_prima().into_iter().chain([entry("MK1", "-111.50"), entry("BACS", "-78.48")]).collect();
    let whole = explained(Some(&all), "78.48", &[]);
    assert_eq!(shown(&whole), [] as [&str; 0]);
    assert_eq!((whole.clearing, whole.verdict()), (Some(Amount(Decimal::new(0, 2))), "explained"));
    assert_eq!(whole.reserve.total, amount("7.50"));
    for (missing, expected) in [
        (0, "settled-not-invoiced P-M-1001 -124.99"),
        (3, "refund-without-credit-note P-M-0950 48.00"),
        (4, "fees-not-journalled BC-2031 111.50"),
        (5, "paid-not-banked BC-2031 78.48"),
    ] {
        let mut entries = all.clone();
        entries.remove(missing);
        let statement = explained(Some(&entries), "78.48", &[]);
        assert_eq!(shown(&statement), [expected]);
        assert_eq!(statement.remainder, Some(Amount::ZERO));
    }
}

#[test]
fn what_prima_was_not_asked_is_never_green() {
    let statement = explained(None, "78.48", &[]);
    assert_eq!((statement.verdict(), statement.remainder), ("not checked", None));
    assert!(statement.items.is_empty());
}

#[test]
fn what_is_open_unknown_or_untied_is_named() {
    let order = |id: &str, kind: &str, net: &str| TransactionLine {
        order: Some(id.to_owned()),
        ..line(&format!("{id}-{kind}"), kind, net)
    };
    let open = [
        order("M-1003", "REFUND_ORDER_AMOUNT", "-10.00"),
        order("M-2000", "ORDER_AMOUNT", "30.00"),
    ];
    let entries: Vec<_> = of_prima()
        .into_iter()
        .chain([entry("MK1", "-111.50"), entry("BACS", "-78.48"), entry("BY-HAND", "0.05")])
        .collect();
    let statement = explained(Some(&entries), "78.47", &refs(&open));
    assert_eq!(
        shown(&statement),
        [
            "invoiced-unpaid P-M-1003 -10.00",
            "paid-not-banked BC-2031 78.47",
            "refund-without-credit-note P-M-1003 10.00",
            "untied BC-2031 0.01",
            "unknown BACS -78.48",
            "unknown BY-HAND 0.05",
        ]
    );
    assert_eq!(statement.verdict(), "explained");
}

#[test]
fn a_transfer_may_arrive_in_two_and_a_named_receipt_goes_first() {
    let lines = Vec::new();
    let mut cycles = [closed("A", "100", &[], &lines), closed("B", "60", &[], &lines)];
    let look = |entries: &[Entry], cycles: &[ClosedCycle<'_>]| {
        receipts(entries, cycles, |_| true).of_cycles
    };
    let entries = [entry("x", "-60"), entry("y", "-40"), entry("z", "-60")];
    assert_eq!(look(&entries, &cycles), [vec![0, 1], vec![2]]);
    assert_eq!(look(&entries[..2], &cycles), [vec![0, 1], vec![]]);
    // Named: B has the first.
    cycles[1].pay_out_reference = Some("x");
    assert_eq!(look(&entries, &cycles), [vec![1, 2], vec![0]]);
    // Before the cycle closed, or long after, is no receipt of it.
    cycles[0].closed = date(2026, 11, 21);
    assert_eq!(look(&entries, &cycles)[0], [] as [usize; 0]);
    cycles[0].closed = date(2026, 9, 20);
    assert_eq!(look(&entries, &cycles)[0], [] as [usize; 0]);
    cycles[0].closed = date(2026, 9, 21);
    assert_eq!(look(&entries, &cycles)[0], [1, 2]);
}

#[test]
fn the_reserve_is_aged_and_the_oldest_is_given_first() {
    let on = |id: &str, kind: &str, net: &str, day: &str| TransactionLine {
        transacted: Some(format!("{day}T12:00:00Z").parse().unwrap()),
        ..line(id, kind, net)
    };
    let lines = [
        on("1", "RESERVE_FUNDING", "-10", "2026-08-01"),
        on("2", "RESERVE_FUNDING", "-20", "2026-09-15"),
        on("3", "RESERVE_FUNDING", "-30", "2026-11-30"),
        on("4", "RESERVE_SETTLEMENT", "15", "2026-11-30"),
    ];
    let look = |lines: &[TransactionLine]| {
        let reserve = reserve(lines, THROUGH);
        let aged: Vec<_> = reserve.aged.into_iter().map(|one| (one.age, one.amount)).collect();
        (reserve.total, aged)
    };
    let one = |age: &str, net: &str| (age.to_owned(), amount(net));
    assert_eq!(
        look(&lines),
        (amount("45"), vec![one("0 to 30 days", "30"), one("61 to 90 days", "15")])
    );
    // The log begins after some was kept back.
    assert_eq!(look(&lines[3..]), (amount("-15"), vec![one("0 to 30 days", "-15")]));
}

fn on_accrual(period: &str, day: Date) -> BookedOn {
    BookedOn { date: day, period: period.to_owned(), instead_of: None }
}

#[test]
fn fees_of_despatched_orders_in_open_cycles_are_accrued_and_reversed() {
    let lines = counted();
    let open = refs(&lines);
    let despatched: BTreeMap<String, Amount> =
        [("M-1001", "-18.75"), ("M-1002", "-5.40"), ("M-3000", "-7.00"), ("M-4000", "-9.00")]
            .map(|(id, fee)| (id.to_owned(), amount(fee)))
            .into();
    let settled = BTreeSet::from(["M-4000".to_owned()]);
    let shop = ShopKey { host: "example.mirakl.net".to_owned(), shop: "2001".to_owned() };
    let accruals = Account { nominal: "2109".to_owned(), ..Account::default() };
    let chart = version();
    let of = Accrual {
        shop: &shop,
        currency: "GBP",
        open: &open,
        despatched: &despatched,
        settled: &settled,
        chart: &chart,
        accruals: &accruals,
        on: &on_accrual("2026-11", THROUGH),
        reversed_on: &on_accrual("2026-12", date(2026, 12, 1)),
        limits: Limits::default(),
    };
    let journals = accrual(&of);
    let [(journal, reversal)] = &*journals else { panic!("{journals:?}") };
    insta::assert_snapshot!(table(journal), @r"
     1 5600      31.15               accrued COMMISSION_FEE, 3 lines
     2 7620       3.00               accrued SELLER_PENALTY_FEE, 1 line
     3 2109              34.15       net deductions accrual 2026-11
    totals 34.15 34.15
    ");
    assert_eq!((journal.problems(), reversal.problems()), (vec![], vec![]));
    // The reversal is the accrual with its sides changed, in the next period, under a name of its
    // own.
    assert_eq!(reversal.clearing().0, -journal.clearing().0);
    assert_eq!((reversal.period.as_str(), reversal.date), ("2026-12", date(2026, 12, 1)));
    assert_ne!((&reversal.guid, &reversal.reference), (&journal.guid, &journal.reference));
    for (one, other) in journal.lines.iter().zip(&reversal.lines) {
        assert_eq!((one.debit, one.credit), (other.credit, other.debit));
    }
    // Another period is another journal; the same again is the same.
    let other = accrual(&Accrual { on: &on_accrual("2026-10", date(2026, 10, 31)), ..of });
    assert_ne!(other[0].0.guid, journal.guid);
    assert_eq!(accrual(&of), journals);
    let nobody = BTreeMap::new();
    assert_eq!(accrual(&Accrual { despatched: &nobody, ..of }), []);
}

#[test]
fn the_quarters_of_a_year_come_to_its_lines() {
    let days = ["2026-01-01", "2026-03-31", "2026-04-01", "2026-12-31", "2025-12-31", "2027-01-01"];
    let kinds = [
        "ORDER_AMOUNT",
        "REFUND_ORDER_AMOUNT",
        "COMMISSION_FEE",
        "COMMISSION_VAT",
        "OPERATOR_REMITTED_ORDER_AMOUNT_TAX",
        "PAYMENT",
        "RESERVE_FUNDING",
        "LOYALTY_FEE",
    ];
    let mut lines = Vec::new();
    for (at, day) in days.into_iter().enumerate() {
        for (place, kind) in kinds.into_iter().enumerate() {
            lines.push(TransactionLine {
                transacted: Some(format!("{day}T12:00:00Z").parse().unwrap()),
                ..line(&format!("{day}-{kind}"), kind, &format!("-{}.{at}", place + 1))
            });
        }
    }
    let quarters = year(&lines, 2026, &TimeZone::UTC);
    let shown: Vec<_> = quarters
        .iter()
        .map(|one| format!("{} {} {} {}", one.quarter, one.consideration, one.fees, one.remitted))
        .collect();
    assert_eq!(shown, ["1 -6.2 -30.3 -10.1", "2 -3.4 -15.6 -5.2", "3 0 0 0", "4 -3.6 -15.9 -5.3"]);
    // The day is that of the zone: the last moments of the year may be the next year's.
    lines.truncate(1);
    lines[0].transacted = Some("2026-12-31T23:30:00Z".parse().unwrap());
    let east = TimeZone::fixed(jiff::tz::offset(2));
    assert_eq!(year(&lines, 2027, &east)[0].consideration, amount("-1.0"));
    lines[0].transacted = None;
    assert_eq!(year(&lines, 2026, &TimeZone::UTC)[0].undated, 1);
}

/// Where a sale or a refund stands: in no line, in no closed cycle, in the first or the second.
#[derive(Clone, Copy, Debug, PartialEq)]
enum In {
    Nothing,
    Open,
    Cycle(usize),
}

fn place() -> impl Strategy<Value = In> {
    prop_oneof![Just(In::Nothing), Just(In::Open), Just(In::Cycle(0)), Just(In::Cycle(1))]
}

/// One order: its price, what of it is refunded, where both stand, and what Prima has.
#[derive(Clone, Debug)]
struct Sold {
    price: i64,
    refund: i64,
    sale_in: In,
    refund_in: In,
    is_credited: bool,
}

fn sold() -> impl Strategy<Value = Sold> {
    (100..20_000_i64, 1..100_i64, place(), place(), any::<bool>()).prop_map(
        |(price, percent, sale_in, refund_in, is_credited)| {
            // What is not sold is not refunded.
            let refund_in = if sale_in == In::Nothing { In::Nothing } else { refund_in };
            let refund = if refund_in == In::Nothing { 0 } else { price * percent / 100 };
            Sold { price, refund, sale_in, refund_in, is_credited: is_credited && refund > 0 }
        },
    )
}

fn pennies(pennies: i64) -> Amount {
    Amount(Decimal::new(pennies, 2))
}

proptest! {
    /// Whatever is open, late or missing on either side: all of it has a name and its amount, and
    /// nothing is left (invariants 9, 10 and 13).
    #[test]
    fn nothing_is_left_of_any_clearing_account(
        orders in prop::collection::vec(sold(), 0..10),
        fees in prop::array::uniform2(1..9_000_i64),
        is_posted in prop::array::uniform2(any::<bool>()),
        received in prop::array::uniform2(0..3_usize),
        by_hand in 0..500_i64,
    ) {
        let (mut lines, mut entries) = (Vec::new(), Vec::new());
        let mut numbers = BTreeMap::new();
        let (mut unpaid, mut without_note) = (0, 0);
        for (number, sold) in orders.iter().enumerate() {
            let (id, prima) = (format!("M-{number}"), format!("P-{number}"));
            numbers.insert(id.clone(), prima.clone());
            entries.push(Entry { amount: pennies(sold.price), ..entry(&prima, "0") });
            if sold.is_credited {
                entries.push(Entry { amount: pennies(-sold.refund), ..entry(&prima, "0") });
            }
            for (kind, net, stands) in [
                ("ORDER_AMOUNT", sold.price, sold.sale_in),
                ("REFUND_ORDER_AMOUNT", -sold.refund, sold.refund_in),
            ] {
                if stands != In::Nothing && net != 0 {
                    let of = line(&format!("{id}-{kind}"), kind, &pennies(net).to_string());
                    lines.push((TransactionLine { order: Some(id.clone()), ..of }, stands));
                }
                if stands == In::Open || (stands == In::Nothing && kind == "ORDER_AMOUNT") {
                    unpaid += net;
                }
            }
            without_note += if sold.is_credited { 0 } else { sold.refund };
        }
        for (place, fee) in fees.into_iter().enumerate() {
            let of = line(&format!("fee-{place}"), "SUBSCRIPTION_FEE", &pennies(-fee).to_string());
            lines.push((of, In::Cycle(place)));
        }
        let (mut carried_in, mut cycles) = (Decimal::ZERO, Vec::new());
        let (mut not_banked, mut not_journalled) = (Decimal::ZERO, Decimal::ZERO);
        for (place, (id, journal, paid)) in
            [("A", "MK-A", "PAY-A"), ("B", "MK-B", "PAY-B")].into_iter().enumerate()
        {
            let of_cycle: Vec<_> = lines
                .iter()
                .filter(|(_, stands)| *stands == In::Cycle(place))
                .map(|(line, _)| line)
                .collect();
            let total = of_cycle.iter().map(|line| line.net().0).sum::<Decimal>() + carried_in;
            let (transfer, carried_out) = (total.max(Decimal::ZERO), total.min(Decimal::ZERO));
            if is_posted[place] {
                entries.push(Entry { amount: pennies(-fees[place]), ..entry(journal, "0") });
            } else {
                not_journalled += pennies(fees[place]).0;
            }
            let parts = match received[place] {
                0 => Vec::new(),
                1 => vec![transfer],
                _ => vec![Decimal::new(1, 2), transfer - Decimal::new(1, 2)],
            };
            if transfer > Decimal::new(1, 2) && !parts.is_empty() {
                entries.extend(parts.iter().map(|part| Entry { amount: Amount(-part), ..entry(paid, "0") }));
            } else {
                not_banked += transfer;
            }
            cycles.push(ClosedCycle {
                transfer: Amount(transfer),
                carried_in: Amount(carried_in),
                carried_out: Amount(carried_out),
                pay_out_reference: Some(paid),
                ..closed(id, "0", &[journal], &of_cycle)
            });
            carried_in = carried_out;
        }
        entries.push(Entry { amount: pennies(by_hand), ..entry("BY-HAND", "0") });
        let open: Vec<_> =
            lines.iter().filter(|(_, stands)| *stands == In::Open).map(|(line, _)| line).collect();
        let clearing = Clearing {
            currency: "GBP",
            through: THROUGH,
            entries: Some(&entries),
            cycles: &cycles,
            open: &open,
            numbers: &numbers,
            is_by_prima: &by_prima,
            marketplace_balance: None,
        };
        let statement = statement(&clearing);
        prop_assert_eq!(statement.remainder, Some(Amount::ZERO));
        prop_assert_eq!(statement.sum(ItemKind::InvoicedUnpaid), pennies(unpaid));
        prop_assert_eq!(statement.sum(ItemKind::RefundWithoutCreditNote), pennies(without_note));
        prop_assert_eq!(statement.sum(ItemKind::FeesNotJournalled), Amount(not_journalled));
        prop_assert_eq!(statement.sum(ItemKind::PaidNotBanked), Amount(not_banked));
        prop_assert_eq!(statement.sum(ItemKind::Carried), Amount(carried_in));
        prop_assert_eq!(statement.sum(ItemKind::Unknown), pennies(by_hand));
        // The same from any order of entries.
        let mut turned = entries.clone();
        turned.reverse();
        prop_assert_eq!(super::super::statement::statement(&Clearing { entries: Some(&turned), ..clearing }), statement);
    }
}
