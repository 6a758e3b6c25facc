#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use super::*;
use crate::prima::stock::{Figure, Unusable, WhyNot};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
}

fn range(from: &str, to: &str) -> ProductRange {
    ProductRange { from: from.into(), to: to.into() }
}

fn key(product: &str) -> SkuKey {
    SkuKey::of(product, [])
}

fn reading(minute: i64, figures: &[(&str, u32)], unusable: &[&str]) -> RangeReading {
    let mut figures: Vec<Figure> =
        figures.iter().map(|(product, free)| Figure::new(key(product), *free)).collect();
    figures.sort_unstable();
    let unusable = unusable.iter().map(|product| Unusable {
        key: key(product),
        sku: None,
        why: WhyNot::Absent("FreeQuantity"),
    });
    RangeReading {
        asked_at: at(minute),
        figures,
        unusable: unusable.collect(),
        below_zero: 0,
        nameless: 0,
        products: Vec::new(),
        length: 0,
    }
}

#[test]
fn each_figure_keeps_the_moment_at_which_it_was_asked_for() {
    let mut figures = Figures::default();
    assert_eq!(figures.known(key("A")), Known::Never);
    let taken = figures.take(
        &[
            (range("", "M"), reading(0, &[("A", 5), ("M", 1)], &["B"])),
            (range("M", ""), reading(1, &[("M", 2), ("Z", 9)], &[])),
        ],
        true,
    );
    assert_eq!(taken, Taken { figures: 3, unusable: 1, absent: 0 });
    assert_eq!(figures.known(key("A")), Known::Figure { free: 5, asked_at: at(0) });
    assert_eq!(
        figures.known(key("M")),
        Known::Figure { free: 2, asked_at: at(1) },
        "of both readings the later"
    );
    assert_eq!(figures.known(key("B")), Known::Unusable { last: None });
    assert_eq!(figures.ages(), Some((at(1), at(0))));
    assert_eq!(figures.len(), 4);
    // The second range fails: what it had stays as it was, and is no further absent.
    figures.take(&[(range("", "M"), reading(5, &[("A", 4), ("M", 1)], &[]))], false);
    assert_eq!(figures.known(key("Z")), Known::Figure { free: 9, asked_at: at(1) });
    assert_eq!(figures.known(key("A")), Known::Figure { free: 4, asked_at: at(5) });
    assert_eq!(figures.known(key("B")), Known::Absent { free: u32::MAX, readings: 1 });
}

#[test]
fn only_complete_readings_of_its_range_make_a_sku_absent() {
    let mut figures = Figures::default();
    figures.take(&[(range("", ""), reading(0, &[("A", 5), ("B", 3)], &[]))], true);
    // The plan was parted since: neither part says anything of the range that was.
    figures.take(&[(range("", "M"), reading(1, &[("A", 5)], &[]))], false);
    assert_eq!(figures.known(key("B")), Known::Figure { free: 3, asked_at: at(0) });
    figures.take(
        &[(range("", "M"), reading(2, &[("A", 5)], &[])), (range("M", ""), reading(2, &[], &[]))],
        true,
    );
    figures.take(
        &[(range("", "M"), reading(3, &[("A", 5)], &[])), (range("M", ""), reading(3, &[], &[]))],
        true,
    );
    assert_eq!(figures.known(key("B")), Known::Absent { free: 3, readings: 2 });
    figures.take(&[(range("", "M"), reading(4, &[("A", 5)], &["B"]))], false);
    assert_eq!(figures.known(key("B")), Known::Unusable { last: Some(3) });
    assert_eq!(
        figures.asked_at(key("B")),
        Some(at(0)),
        "three were free then: what was sold since is not in it"
    );
    figures.take(&[(range("", "M"), reading(5, &[("A", 5), ("B", 1)], &[]))], false);
    assert_eq!(figures.known(key("B")), Known::Figure { free: 1, asked_at: at(5) });
}

#[test]
fn what_was_kept_reads_back_and_what_is_damaged_does_not() {
    let mut figures = Figures::default();
    figures.take(
        &[
            (range("", "M"), reading(0, &[("A", u32::MAX), ("M", 1)], &["B"])),
            (range("M", ""), reading(1, &[("Z", 0)], &[])),
        ],
        true,
    );
    figures.take(&[(range("M", ""), reading(2, &[], &[]))], false);
    let bytes = figures.encode();
    assert_eq!(Figures::decode(&bytes).unwrap(), figures);
    assert_eq!(Figures::decode(&Figures::default().encode()).unwrap(), Figures::default());
    for cut in 0..bytes.len() {
        assert!(Figures::decode(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 4;
        assert!(Figures::decode(&damaged).is_err(), "damaged at {place}");
    }
}

/// What was asked for by name counts from then on and says nothing of the rest.
#[test]
fn a_named_reading_counts_at_once_and_only_for_its_skus() {
    let mut figures = Figures::default();
    figures.take(&[(range("", ""), reading(0, &[("A", 5), ("B", 3), ("C", 1)], &[]))], true);
    assert_eq!(
        figures.take_named(&reading(2, &[("A", 4)], &["C"])),
        Taken { figures: 1, unusable: 1, absent: 0 }
    );
    assert_eq!(figures.known(key("A")), Known::Figure { free: 4, asked_at: at(2) });
    assert_eq!(figures.known(key("B")), Known::Figure { free: 3, asked_at: at(0) });
    assert_eq!(
        (figures.known(key("C")), figures.asked_at(key("C"))),
        (Known::Unusable { last: Some(1) }, Some(at(0)))
    );
    // It was asked for by name, was not there, and was there when everything was read: nobody says
    // that it is gone.
    figures.take_named(&reading(3, &[], &[]));
    assert_eq!(figures.known(key("A")), Known::Figure { free: 4, asked_at: at(2) });
    assert_eq!(Figures::decode(&figures.encode()).unwrap(), figures);
    figures.take(&[(range("", ""), reading(4, &[("B", 3)], &[]))], true);
    assert_eq!(
        figures.known(key("A")),
        Known::Absent { free: 4, readings: 1 },
        "the whole catalogue lacks it"
    );
    assert_eq!(figures.ages().unwrap().0, at(4));
}

/// A SKU that was asked for by name still belongs to its range: a reading of that range that lacks
/// it counts, though another range has failed.
#[test]
fn a_sku_read_by_name_is_absent_where_its_range_lacks_it() {
    let mut figures = Figures::default();
    let halves = |minute, first: &[(&str, u32)]| {
        [(range("", "M"), reading(minute, first, &[])), (range("M", ""), reading(minute, &[], &[]))]
    };
    figures.take(&halves(0, &[("A", 5), ("B", 3)]), true);
    figures.take_named(&reading(1, &[("A", 4)], &[]));
    let halves = halves(2, &[("B", 3)]);
    figures.take(&halves[1..], false);
    assert_eq!(figures.known(key("A")), Known::Figure { free: 4, asked_at: at(1) });
    figures.take(&halves[..1], false);
    assert_eq!(figures.known(key("A")), Known::Absent { free: 4, readings: 1 });
    assert_eq!(Figures::decode(&figures.encode()).unwrap(), figures);
}
