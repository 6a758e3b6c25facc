//! The report of a cycle: its figures are the journal's, and nothing on it works.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::worked_example::{counted, lines};
use super::*;
use crate::domain::payout::exceptions::{Finding, PayoutExceptionKind};
use crate::domain::payout::matching::{Contribution, Found, OrderMatch, OrderMoney};
use crate::domain::payout::posting::{Act, JournalRow, Known, Stage};
use crate::domain::payout::report::{
    Bridge, CycleFigures, MOST_BYTES, MOST_ORDERS, Report, Verdict, lines_csv, page, result,
};
use crate::domain::payout::row::{CycleJournal, CycleRow, CycleStage};
use crate::domain::payout::tie::{Evidence, Tie, TieRule};
use crate::domain::payout::totals::Sum;
use crate::kit::digest::sha256_base64;

fn now() -> Timestamp {
    "2026-11-16T08:00:00Z".parse().unwrap()
}

fn row_of(lines: &[TransactionLine], transfer: &str) -> CycleRow {
    let cycle = cycle(transfer);
    let tie = Tie::of(
        &Evidence {
            cycle: &cycle,
            lines: &refs(lines),
            documents: &[],
            carried_in: Amount::ZERO,
            is_proved_whole: true,
        },
        TieRule::default(),
    );
    let stage = if tie.is_tied() { CycleStage::Tied } else { CycleStage::Untied };
    let mut row = CycleRow::new(key(), "acme-uk", cycle, now());
    (row.tie, row.stage) = (Some(tie), stage);
    row
}

fn journal_row(journal: &Journal, stage: Stage) -> CycleJournal {
    let hash = journal.hash().unwrap();
    let (guid, reference) = (journal.guid.clone(), journal.reference.clone());
    let row = JournalRow::new(journal.name, guid, reference, hash, true, now());
    CycleJournal {
        row: JournalRow { stage, ..row },
        total: journal.debits(),
        clearing: journal.clearing(),
        date: DAY,
        transfer: amount("78.48"),
    }
}

fn posted() -> Stage {
    Stage::Posted { number: Some("J-1".to_owned()), known: Known::Answer }
}

fn finding(subject: &str, net: &str) -> Finding {
    Finding {
        kind: PayoutExceptionKind::LedgerGap,
        subject: subject.to_owned(),
        amount: Some(amount(net)),
        lines: Vec::new(),
        reason: "lines are missing".to_owned(),
        remedy: "read the log again".to_owned(),
    }
}

fn order(id: &str, findings: Vec<Finding>) -> OrderMatch {
    let settled = OrderMoney {
        goods: amount("120.00"),
        shipping: amount("4.99"),
        commission: amount("-22.50"),
        ..OrderMoney::default()
    };
    let prima = Some((format!("MK-{id}"), Found::Facts));
    OrderMatch { order: id.to_owned(), prima, expected: Some(settled), settled, findings }
}

/// Works on the report of these lines.
fn with<R>(
    lines: &[TransactionLine],
    row: &CycleRow,
    orders: &[OrderMatch],
    work: impl FnOnce(&Report<'_>, &Journal) -> R,
) -> R {
    let version = version();
    let figures = CycleFigures::of(lines, TieRule::default());
    let (books, _) = Books::open(&version, &figures.counted, DAY, "GBP").unwrap();
    let journal = journal_of(&counted(), &version);
    let report = Report {
        row,
        figures: &figures,
        books: Some(&books),
        journals: std::slice::from_ref(&journal),
        bank: Some("1200"),
        orders: Some(orders),
        contribution: &[],
        made_at: now(),
    };
    work(&report, &journal)
}

/// The worked example, booked.
fn worked<R>(work: impl FnOnce(&Report<'_>, &Journal) -> R) -> R {
    let mut row = row_of(&lines(), "78.48");
    let journal = journal_of(&counted(), &version());
    row.journals.push(journal_row(&journal, posted()));
    with(&lines(), &row, &[order("M-1001", vec![]), order("M-1002", vec![])], work)
}

fn bridge_table(bridge: &Bridge) -> String {
    let mut table = String::new();
    for step in &bridge.steps {
        let shown = written(step.amount, "GBP");
        let (name, booked) = (step.kind.name(), step.booked.join("; "));
        writeln!(table, "{shown:>8} {:>2} {name} ({booked})", step.lines).unwrap();
    }
    write!(table, "{:>8} transfer", written(bridge.transfer, "GBP")).unwrap();
    table
}

#[test]
fn the_bridge_goes_from_the_sales_to_the_transfer() {
    worked(|report, journal| {
        let bridge = Bridge::of(report);
        insta::assert_snapshot!(bridge_table(&bridge), @r"
          237.98  6 Sales: goods, shipping and their taxes (Prima's invoices and credit notes)
          -48.00  1 Refunds to customers (Prima's invoices and credit notes)
          -28.50  4 Commission, less what was given back (the connector's journal)
          -39.00  1 Subscription (the connector's journal)
          -25.00  1 Other fees and invoices of the marketplace (the connector's journal)
           -3.00  1 Penalties (the connector's journal)
           10.00  1 Credits of the marketplace (the connector's journal)
          -18.50  6 VAT on the marketplace's fees (the connector's journal)
           -7.50  2 Reserve: kept back, or given after that (the connector's journal)
           78.48 transfer
        ");
        assert!(bridge.is_booked_whole());
        assert_eq!(bridge.in_journals, journal.clearing());
    });
}

#[test]
fn a_cycle_that_does_not_tie_shows_the_difference_as_a_step() {
    let mut short = lines();
    short.retain(|line| line.id != "L-01");
    let row = row_of(&short, "78.48");
    with(&short, &row, &[], |report, _| {
        let bridge = Bridge::of(report);
        let last = bridge.steps.last().unwrap();
        assert_eq!((last.kind.name(), last.amount), ("Not explained by any line", amount("120")));
        let (verdict, sentence) = result(report);
        assert_eq!(verdict, Verdict::Bad);
        insta::assert_snapshot!(sentence, @"Cycle BC-2031 does not tie: its 23 lines come to -41.52 GBP, and the marketplace states a transfer of 78.48 GBP; nothing of it is booked.");
    });
}

#[test]
fn the_result_says_how_far_the_cycle_has_come() {
    let journal = journal_of(&counted(), &version());
    let mut said = Vec::new();
    let mut say = |row: &CycleRow| {
        with(&lines(), row, &[], |report, _| {
            let (verdict, sentence) = result(report);
            said.push(format!("{verdict:?}: {sentence}"));
        });
    };
    let mut row = row_of(&lines(), "78.48");
    say(&row);
    let act = Act { by: "ann".to_owned(), at: now(), note: "wrong cost centre".to_owned() };
    for stage in [posted(), Stage::AwaitingApproval, Stage::NeedsPerson, Stage::Held(act)] {
        row.journals = vec![journal_row(&journal, stage)];
        say(&row);
    }
    row.journals = vec![journal_row(&journal, posted())];
    row.findings = vec![finding("x", "1")];
    say(&row);
    for stage in [
        CycleStage::Listed,
        CycleStage::Reading,
        CycleStage::BookedByHand,
        CycleStage::NothingToPost,
    ] {
        row.stage = stage;
        say(&row);
    }
    insta::assert_snapshot!(said.join("\n").replace(&journal.reference, "MK…"), @r"
    Bad: Cycle BC-2031 ties to the penny at a transfer of 78.48 GBP, and no journal of it could be made: see the findings.
    Good: Cycle BC-2031 ties to the penny at a transfer of 78.48 GBP, and its net deductions of 111.50 GBP are booked in Prima.
    Waiting: Cycle BC-2031 ties to the penny at a transfer of 78.48 GBP; its net deductions come to 111.50 GBP, and journal MK… waits for a person's approval.
    Bad: Cycle BC-2031 ties to the penny at a transfer of 78.48 GBP; its net deductions come to 111.50 GBP, and journal MK… may or may not be booked: a person has to look in Prima.
    Bad: Cycle BC-2031 ties to the penny at a transfer of 78.48 GBP; its net deductions come to 111.50 GBP, and journal MK… is held back by ann: wrong cost centre.
    Waiting: Cycle BC-2031 ties to the penny at a transfer of 78.48 GBP, and its net deductions of 111.50 GBP are booked in Prima. Of it, 1 finding needs a person.
    Waiting: Cycle BC-2031 is listed, and its lines were not read yet.
    Waiting: Cycle BC-2031 is still being read: its 24 lines so far come to 78.48 GBP, and the marketplace states a transfer of 78.48 GBP; nothing is booked before they agree.
    Good: Cycle BC-2031 closed before the connector took over: it was read for the record, and a person books it.
    Good: Cycle BC-2031 ties to the penny at a transfer of 78.48 GBP, and there is nothing to book of it.
    ");
}

#[test]
fn the_figures_of_the_page_are_those_of_the_journal() {
    worked(|report, journal| {
        let page = page(report);
        let from = page.find(&format!("Journal {}", journal.reference)).unwrap();
        let to = page.find("Documents of the marketplace").unwrap();
        let table = &page[from..to];
        let cells = |label: &str| -> Vec<String> {
            let mark = format!("<td class=\"n\" data-label=\"{label}\">");
            let mut cells = table.split(&mark).skip(1);
            let cell = |text: &str| text.split('<').next().unwrap().to_owned();
            cells.by_ref().map(cell).collect()
        };
        let side = |of: fn(&crate::domain::payout::journal::JournalLine) -> Amount, total| {
            let show = |amount: Amount| {
                if amount == Amount::ZERO { String::new() } else { written(amount, "GBP") }
            };
            let lines = journal.lines.iter().map(|line| show(of(line)));
            lines.chain([written(total, "GBP")]).collect::<Vec<_>>()
        };
        assert_eq!(cells("Debit"), side(|line| line.debit, journal.debits()));
        assert_eq!(cells("Credit"), side(|line| line.credit, journal.credits()));
        assert_eq!(cells("Debit").last().unwrap(), "142.64");
        assert!(page.contains("exactly what it takes from the clearing account"));
        // The same again is the same bytes.
        assert_eq!(page, super::super::report::page(report));
    });
}

/// The bars of a page: what they say, and where they stand.
fn bars(page: &str) -> Vec<[Decimal; 4]> {
    let value = |bar: &str, name: &str| -> Decimal {
        let from = bar.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
        bar[from..].split(['"', '%']).next().unwrap().parse().unwrap()
    };
    page.split("<rect")
        .skip(1)
        .map(|bar| ["data-from", "data-to", "x", "width"].map(|name| value(bar, name)))
        .collect()
}

#[test]
fn the_bars_of_the_waterfall_add_up() {
    let mut short = lines();
    short.retain(|line| line.id != "L-01");
    let row = row_of(&short, "78.48");
    let pages = [
        worked(|report, _| (page(report), Bridge::of(report))),
        with(&short, &row, &[], |report, _| (page(report), Bridge::of(report))),
    ];
    for (page, bridge) in pages {
        let bars = bars(&page);
        let (total, steps) = bars.split_last().unwrap();
        let mut sum = Decimal::ZERO;
        for (bar, step) in steps.iter().zip(&bridge.steps) {
            assert_eq!((bar[0], bar[1]), (sum, sum + step.amount.0));
            sum = bar[1];
        }
        assert_eq!((total[0], total[1], steps.len()), (Decimal::ZERO, sum, bridge.steps.len()));
        assert_eq!(Amount(sum), bridge.transfer);
        // Each is as wide as its amount, at one scale, and none stands outside.
        let scale = total[3] / (total[1] - total[0]).abs();
        for [from, to, x, width] in bars {
            assert!((width - (to - from).abs() * scale).abs() < Decimal::new(5, 3), "{width}");
            assert!(x >= Decimal::ZERO && x + width <= Decimal::new(100_001, 3));
        }
    }
}

#[test]
fn what_comes_from_outside_stays_text() {
    const BAD: &str = "<script>alert(1)</script>\"'&";
    let mut row = row_of(&lines(), "78.48");
    row.key.cycle = BAD.to_owned();
    row.channel = BAD.to_owned();
    row.cycle.pay_out.reference = Some(BAD.to_owned());
    let bad = Finding { reason: BAD.to_owned(), remedy: BAD.to_owned(), ..finding(BAD, "-3") };
    row.findings.push(bad.clone());
    row.documents.push(
        serde_json::from_str(&serde_json::json!({
            "id": "d1", "kind": {"unknown": BAD}, "currency": "GBP", "state": BAD, "invoice_id": 7
        }).to_string())
        .unwrap(),
    );
    let mut line_bad = lines();
    line_bad[0].order = Some(BAD.to_owned());
    with(&line_bad, &row, &[order(BAD, vec![bad])], |report, journal| {
        let mut journal = journal.clone();
        for line in &mut journal.lines {
            (line.narrative, line.reference) = (BAD.to_owned(), BAD.to_owned());
            line.account.nominal = BAD.to_owned();
        }
        let contribution =
            [Contribution { sku: Some(BAD.to_owned()), money: OrderMoney::default() }];
        let page = page(&Report {
            journals: &[journal],
            bank: Some(BAD),
            contribution: &contribution,
            ..*report
        });
        assert!(!page.contains("<script") && !page.contains("alert(1)</"));
        assert!(page.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count() > 12);
        for outside in ["http:", "https:", "src=", "href=", "url(", " style=", "@import"] {
            assert!(!page.contains(outside), "{outside}");
        }
        // No attribute can be left: quotes are escaped.
        assert!(!page.contains("</script>\""));
    });
}

#[test]
fn the_policy_allows_the_pages_own_style_and_nothing_else() {
    worked(|report, _| {
        let page = page(report);
        let style = page.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
            sha256_base64(style.as_bytes())
        );
        assert!(page.contains(&format!("content=\"{policy}\"")));
    });
}

#[test]
fn a_page_never_grows_over_its_bound() {
    let row = row_of(&lines(), "78.48");
    let many = |findings: fn(usize) -> Vec<Finding>| -> Vec<OrderMatch> {
        (0..20_000).map(|number| order(&format!("M-{number:05}"), findings(number))).collect()
    };
    let orders = many(|number| match number % 20 {
        7 => vec![finding("x", "-1.00")],
        8 if number > 15_000 => vec![finding("x", "-2.00")],
        _ => Vec::new(),
    });
    let plain = with(&lines(), &row, &orders, |report, _| page(report));
    assert!(plain.len() <= MOST_BYTES, "{}", plain.len());
    assert_eq!(plain.matches("data-label=\"Order\"").count(), MOST_ORDERS);
    assert!(plain.contains("18000 more orders"));
    // Those with findings first, and of these the larger ones.
    let first = plain.split("data-label=\"Order\">").nth(1).unwrap();
    assert!(first.starts_with("M-15008<"), "{}", &first[..20]);
    assert_eq!(plain.matches("ledger-gap -").count(), 1_250);

    // A million lines, each with a document of its own, and texts as long and as bad as can be.
    let long = "<".repeat(5_000);
    let mut row = row.clone();
    row.findings = (0..5_000)
        .map(|_| Finding { reason: long.clone(), remedy: long.clone(), ..finding(&long, "-1") })
        .collect();
    let mut orders = orders;
    for one in &mut orders {
        one.order = long.clone();
        one.prima = Some((long.clone(), Found::Import));
    }
    let mut figures = CycleFigures { lines: 1_000_000, ..CycleFigures::default() };
    for number in 0..200_000 {
        let key = (TransactionType::CommissionFee, Some(format!("INV-{number}")));
        figures.counted.0.insert(key, Sum { net: amount("-0.10"), lines: 5 });
    }
    let worst =
        with(&lines(), &row, &orders, |report, _| page(&Report { figures: &figures, ..*report }));
    assert!(worst.len() <= MOST_BYTES, "{}", worst.len());
    assert!(worst.contains("</html>") && worst.contains("1000000"));
}

/// The CSV of lines: its cells, without the heading.
fn cells(text: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(text);
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn the_lines_of_the_csv_come_to_the_journals_lines() {
    for vat in [
        crate::domain::payout::chart::VatMode::SeparateLine,
        crate::domain::payout::chart::VatMode::TaxCode,
    ] {
        let version = ChartVersion { vat, ..version() };
        let row = row_of(&lines(), "78.48");
        let figures = CycleFigures::of(&lines(), TieRule::default());
        let (books, _) = Books::open(&version, &figures.counted, DAY, "GBP").unwrap();
        let journal = journal_of(&counted(), &version);
        let report = Report {
            row: &row,
            figures: &figures,
            books: Some(&books),
            journals: std::slice::from_ref(&journal),
            bank: None,
            orders: None,
            contribution: &[],
            made_at: now(),
        };
        let mut text = Vec::new();
        lines_csv(&lines(), TieRule::default(), &report, &mut text).unwrap();
        let rows = cells(&text);
        assert_eq!(rows.len(), lines().len());
        let sum = |of: &dyn Fn(&[String]) -> bool| -> Decimal {
            let rows = rows.iter().filter(|row| of(row));
            rows.map(|row| row[11].parse::<Decimal>().unwrap()).sum()
        };
        for line in journal.lines.iter().filter(|line| line.kind.is_some()) {
            let tax = line.tax_amount.unwrap_or_default().0;
            let tax = if line.debit > Amount::ZERO { -tax } else { tax };
            let number = line.line.to_string();
            let of_line = sum(&|row| row[14] == journal.reference && row[15] == number);
            assert_eq!(of_line, line.credit.0 - line.debit.0 + tax, "line {number}");
        }
        assert_eq!(sum(&|row| row[13] == "journal"), journal.clearing().0);
        assert_eq!(sum(&|row| row[13] == "prima"), amount("189.98").0);
        assert_eq!(sum(&|row| row[13] == "bank"), amount("-78.48").0);
    }
}

#[test]
fn cells_that_a_spreadsheet_would_compute_are_defused_and_numbers_are_not() {
    let mut lines = lines();
    lines.truncate(5);
    for (line, bad) in lines.iter_mut().zip(["=1+1", "+44", "-7", "@SUM(A1)", "\t=1"]) {
        (line.order, line.refund, line.document) =
            (Some(bad.to_owned()), Some(bad.to_owned()), Some(bad.to_owned()));
    }
    let row = row_of(&lines, "78.48");
    with(&lines, &row, &[], |report, _| {
        let mut text = Vec::new();
        lines_csv(&lines, TieRule::default(), report, &mut text).unwrap();
        let rows = cells(&text);
        for (row, bad) in rows.iter().zip(["=1+1", "+44", "-7", "@SUM(A1)", "\t=1"]) {
            assert_eq!([&row[3], &row[5], &row[6]], [&format!("'{bad}"); 3]);
        }
        assert_eq!((rows[2][10].as_str(), rows[2][11].as_str()), ("18.75", "-18.75"));
    });
}

/// Writes pages for the browser test of `.ci/run` into `PAYOUT_REPORTS`, where that is set.
#[test]
fn pages_for_the_browser() {
    let Some(folder) = std::env::var_os("PAYOUT_REPORTS") else { return };
    let folder = std::path::PathBuf::from(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let journal = journal_of(&counted(), &version());
    let mut row = row_of(&lines(), "78.48");
    row.journals.push(journal_row(&journal, posted()));
    row.cycle.created = Some(now());
    for (number, kind, net, tax) in
        [(77, "auto-invoice", "42.50", "51.00"), (9, "manual-credit", "10.00", "10.00")]
    {
        row.documents.push(
            serde_json::from_str(
                &serde_json::json!({
                    "id": number.to_string(), "kind": kind, "currency": "GBP", "state": "COMPLETE",
                    "invoice_id": number, "total_excl_taxes": net, "total_incl_taxes": tax,
                    "issued": "2026-11-15T23:00:00Z"
                })
                .to_string(),
            )
            .unwrap(),
        );
    }
    let contribution = [
        Contribution { sku: Some("SKU-1".to_owned()), money: order("M-1001", vec![]).settled },
        Contribution {
            sku: None,
            money: OrderMoney { other: amount("-66.80"), ..OrderMoney::default() },
        },
    ];
    let mut orders: Vec<_> = ["M-1001", "M-1002", "M-1003"].map(|id| order(id, vec![])).into();
    with(&lines(), &row, &orders, |report, _| {
        let page = page(&Report { contribution: &contribution, ..*report });
        std::fs::write(folder.join("worked-example.html"), page).unwrap();
        let figures = serde_json::json!({
            "debits": journal.debits(), "credits": journal.credits(),
            "clearing": journal.clearing(), "transfer": "78.48",
        });
        std::fs::write(folder.join("worked-example.json"), figures.to_string()).unwrap();
    });
    const BAD: &str =
        "<script>document.title='run'</script><img src=https://example.com/x onerror=alert(1)>";
    row.key.cycle = format!("{BAD}{}", "W".repeat(120));
    row.findings = vec![Finding {
        reason: "The marketplace's lines do not come to what it transfers; a line of 12.34 GBP is missing after line 4711.".to_owned(),
        remedy: "Read the transaction log again: prima-mirakl payouts read acme-uk.".to_owned(),
        ..finding(BAD, "-1234567.89")
    }];
    orders.push(order(BAD, vec![finding("x", "-1234567.89")]));
    orders.extend((0..2_500).map(|number| order(&format!("{number:0>60}"), vec![])));
    with(&lines(), &row, &orders, |report, _| {
        std::fs::write(folder.join("hostile.html"), page(report)).unwrap();
    });
}
