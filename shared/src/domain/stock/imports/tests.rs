#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use super::*;

fn line(sku: &str, quantity: u32, before: Shown) -> ImportLine {
    ImportLine { offer_sku: sku.to_owned(), quantity, before }
}

fn error(line: Option<u64>, sku: Option<&str>) -> LineError {
    LineError { line, offer_sku: sku.map(str::to_owned), reason: "no".to_owned() }
}

fn lines() -> Vec<ImportLine> {
    vec![
        line("A;1", 5, Shown::Known(9)),
        line("\"B\"", 7, Shown::Known(2)),
        line("C", 0, Shown::Unknown(3)),
        line("D", 1, Shown::Never),
        line("E", 4, Shown::InDoubt(6)),
    ]
}

fn shown(ledger: &Ledger) -> Vec<Shown> {
    lines().iter().map(|line| ledger.shown(sku_hash(&line.offer_sku))).collect()
}

fn under_way() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.apply(&ledger.effective(&in_doubt(&lines())));
    ledger
}

#[test]
fn lines_read_back() {
    assert_eq!(decode_lines(&encode_lines(&lines()).unwrap()).unwrap(), lines());
    assert!(decode_lines(b"offer_sku,quantity,before,known\nA,many,1,known\n").is_err());
}

#[test]
fn an_import_under_way_counts_as_the_highest_that_it_may_be() {
    assert_eq!(shown(&under_way()), [9, 7, 3, u32::MAX, 6].map(Shown::InDoubt));
}

#[test]
fn the_ledger_moves_only_for_lines_that_were_imported() {
    let mut ledger = under_way();
    // "C" was sold while the import was on its way.
    ledger.apply(&[Change { sku_hash: sku_hash("C"), value: Shown::Unknown(3) }]);
    let settled = settle(
        &lines(),
        &[error(Some(2), Some("D")), error(Some(3), Some("\"B\"")), error(Some(4), Some("\"B\""))],
        &ledger,
    );
    assert_eq!((settled.imported, settled.refused.len(), settled.unidentified), (3, 2, 0));
    ledger.apply(&ledger.effective(&settled.changes));
    assert_eq!(
        shown(&ledger),
        [Shown::Known(5), Shown::Known(2), Shown::Unknown(0), Shown::Never, Shown::Known(4)]
    );
}

/// What was put back meanwhile may stand on top of what was imported.
#[test]
fn restocked_pieces_may_add_to_an_imported_quantity() {
    let mut ledger = under_way();
    // Two pieces of each were put back on offer.
    ledger.apply(&["A;1", "C"].map(|sku| Change {
        sku_hash: sku_hash(sku),
        value: Shown::Unknown(ledger.shown(sku_hash(sku)).highest() + 2),
    }));
    let settled = settle(&lines(), &[error(None, Some("C"))], &ledger);
    ledger.apply(&ledger.effective(&settled.changes));
    assert_eq!([shown(&ledger)[0], shown(&ledger)[2]], [Shown::Unknown(11), Shown::Unknown(5)]);
}

#[test]
fn a_stray_import_that_ends_meanwhile_leaves_nothing_known() {
    let mut ledger = under_way();
    let stray = [line("A;1", 13, Shown::Never), line("\"B\"", 1, Shown::Never)];
    ledger.apply(&ledger.effective(&published_again(&stray, &ledger)));
    let settled = settle(&lines(), &[error(None, Some("A;1"))], &ledger);
    ledger.apply(&ledger.effective(&settled.changes));
    assert_eq!(
        shown(&ledger)[..2],
        [Shown::Unknown(13), Shown::Unknown(7)],
        "refused, and imported: the stray may have come after"
    );
}

#[test]
fn a_refusal_that_names_no_line_leaves_all_in_doubt() {
    let mut ledger = under_way();
    let settled = settle(
        &lines(),
        &[
            error(None, None),
            error(Some(3), None),
            error(None, Some("NONE")),
            error(None, Some("A;1")),
        ],
        &ledger,
    );
    assert_eq!((settled.imported, settled.refused.len(), settled.unidentified), (0, 1, 3));
    ledger.apply(&ledger.effective(&settled.changes));
    assert_eq!(shown(&ledger)[0], Shown::Known(9));
    assert_eq!(shown(&ledger)[1..], [7, 3, u32::MAX, 6].map(Shown::InDoubt));
}

/// A refusal in other capitals is of the one line that it can mean.
#[test]
fn a_refusal_matches_other_capitals_if_only_one_line_fits() {
    let lines = [
        line("St112-Nav-12", 4, Shown::Known(9)),
        line("ST113-NAV-12", 7, Shown::Known(9)),
        line("st114", 1, Shown::Known(9)),
        line("ST114", 1, Shown::Known(9)),
    ];
    let mut ledger = Ledger::default();
    ledger.apply(&ledger.effective(&in_doubt(&lines)));
    let settled = settle(&lines, &[error(None, Some("ST112-NAV-12"))], &ledger);
    assert_eq!((settled.imported, settled.unidentified, settled.refused.len()), (3, 0, 1));
    assert_eq!(settled.refused[0].0.offer_sku, "St112-Nav-12");
    // Two may be meant.
    let settled = settle(&lines, &[error(None, Some("sT114"))], &ledger);
    assert_eq!(
        (settled.imported, settled.unidentified, settled.unidentified_reason.as_str()),
        (0, 1, "no (sT114)")
    );
    assert_eq!(
        settle(&lines, &[error(None, Some("st114"))], &ledger).refused[0].0.offer_sku,
        "st114",
        "the very one"
    );
}

/// What an import from nothing has brought is less what was sold meanwhile.
#[test]
fn an_import_from_nothing_is_reduced_by_sales_meanwhile() {
    let mut ledger = Ledger::default();
    let lines = [line("A", 5, Shown::Known(0)), line("B", 5, Shown::Known(1))];
    ledger.apply(&ledger.effective(
        &["A", "B"].map(|sku| Change { sku_hash: sku_hash(sku), value: Shown::InDoubt(3) }),
    ));
    ledger.apply(&ledger.effective(&settle(&lines, &[], &ledger).changes));
    assert_eq!(
        ["A", "B"].map(|sku| ledger.shown(sku_hash(sku))),
        [Shown::Known(3), Shown::Known(5)]
    );
}

/// What certainly had no effect is taken back, and what came late is published again.
#[test]
fn an_import_without_effect_is_undone_and_a_late_one_redone() {
    let mut ledger = under_way();
    ledger.apply(&ledger.effective(&taken_back(&lines(), &ledger)));
    assert_eq!(shown(&ledger), lines().iter().map(|line| line.before).collect::<Vec<_>>());
    ledger.apply(&ledger.effective(&published_again(&lines(), &ledger)));
    assert_eq!(
        shown(&ledger),
        [Shown::Unknown(9), Shown::Unknown(7), Shown::Unknown(3), Shown::Never, Shown::Unknown(6)]
    );
}
