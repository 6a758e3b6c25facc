#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use proptest::prelude::*;

use super::*;

const LIMITS: RangeLimits = Took { milliseconds: 20_000, bytes: 8 << 20, skus: 1000 };

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
}

fn took(skus: u64) -> Took {
    Took { milliseconds: skus, bytes: skus * 150, skus }
}

fn boundaries(plan: &RangePlan) -> Vec<String> {
    plan.ranges().into_iter().skip(1).map(|range| range.from).collect()
}

#[test]
fn it_begins_with_everything_or_with_what_is_configured() {
    assert_eq!(RangePlan::default().ranges(), [ProductRange::default()]);
    let range = |from: &str, to: &str| ProductRange { from: from.into(), to: to.into() };
    let plan =
        RangePlan::parted_at(["M".to_owned(), String::new(), " T ".to_owned(), "T".to_owned()]);
    assert_eq!(plan.ranges(), [range("", "M"), range("M", "T"), range("T", "")]);
}

/// A range that takes too much is split at products of its own answer.
#[test]
fn a_too_costly_range_is_split_at_products_it_returned() {
    let mut plan = RangePlan::default();
    let everything = ProductRange::default();
    let all: Vec<String> = (0..2000).map(|number| format!("P{number:04}")).collect();
    plan.learn(&everything, at(0), took(2000), &all, &LIMITS);
    assert_eq!(boundaries(&plan), ["P0666", "P1333"]);
    plan.join(&LIMITS);
    assert_eq!(plan.ranges().len(), 3, "what was split is not joined at once");
    plan.learn(&everything, at(0), took(2000), &all, &LIMITS);
    assert_eq!(plan.ranges().len(), 3, "a range of another plan is let be");
    let slow = Took { milliseconds: 30_000, ..took(100) };
    plan.learn(
        &plan.ranges()[2].clone(),
        at(0),
        slow,
        &["P1333", "P1500", "P1999"].map(str::to_owned),
        &LIMITS,
    );
    assert_eq!(boundaries(&plan), ["P0666", "P1333", "P1500", "P1999"]);
    plan.learn(&plan.ranges()[4].clone(), at(0), slow, &["P1999".to_owned()], &LIMITS);
    assert_eq!(plan.ranges().len(), 5, "one product cannot be split");
    let hardly_anything = Took { milliseconds: 30_000, ..took(9) };
    plan.learn(
        &plan.ranges()[3].clone(),
        at(0),
        hardly_anything,
        &["P1500", "P1600", "P1700"].map(str::to_owned),
        &LIMITS,
    );
    assert_eq!(plan.ranges().len(), 5, "what is slow for nine SKUs is not slow for their number");
}

#[test]
fn a_range_that_was_cut_is_split_by_what_came_of_it() {
    let range = |from: &str, to: &str| ProductRange { from: from.into(), to: to.into() };
    let came: Vec<String> = (0..1400).map(|number| format!("P{number:04}")).collect();
    let mut plan = RangePlan::default();
    assert_eq!(
        plan.cut(&ProductRange::default(), took(900), &came, &LIMITS),
        [],
        "it did not fail for its size"
    );
    let parts = plan.cut(&ProductRange::default(), took(1400), &came, &LIMITS);
    assert_eq!(parts, [range("", "P0700"), range("P0700", "P1399"), range("P1399", "")]);
    assert_eq!(plan.ranges(), parts);
    let parts = plan.cut(&parts[2], took(2000), &["P1399".to_owned()], &LIMITS);
    assert_eq!(
        parts,
        [range("P1399", "U"), range("U", "")],
        "it did not get past its own beginning: somewhere behind it"
    );
    assert_eq!(
        plan.cut(&ProductRange::default(), took(2000), &came, &LIMITS),
        [],
        "a range of another plan is let be"
    );
    assert_eq!(plan.ranges().len(), 4);
}

#[test]
fn a_range_of_which_nothing_came_is_halved() {
    let mut plan = RangePlan::default();
    let silent = Took { milliseconds: 120_000, bytes: 0, skus: 0 };
    plan.cut(&ProductRange::default(), silent, &[], &LIMITS);
    assert_eq!(boundaries(&plan), ["H"]);
    for range in plan.ranges() {
        plan.cut(&range, silent, &[], &LIMITS);
    }
    assert_eq!(boundaries(&plan), ["8", "H", "Q"]);
    for _ in 0..20 {
        for range in plan.ranges() {
            plan.cut(&range, silent, &[], &LIMITS);
        }
    }
    let ranges = plan.ranges();
    assert_eq!(
        ranges.len(),
        64,
        "a Prima that is silent altogether is not asked in ever smaller parts"
    );
    assert!(boundaries(&plan).is_sorted());
}

#[test]
fn a_text_lies_between_two_others() {
    assert_eq!(middle("W1000", "W1999").as_deref(), Some("W14"));
    assert_eq!(middle("W1", "W1A").as_deref(), Some("W14"));
    assert_eq!(middle("A", "A0"), None, "nothing lies between");
    assert_eq!(middle("B", "A"), None, "Prima compares otherwise");
    assert_eq!(middle("Z", "").as_deref(), Some("ZH"));
    assert_eq!(middle("ZZZZZZZZZZ", ""), None);
}

#[test]
fn small_neighbours_are_joined_and_unknown_ones_are_not() {
    let mut plan = RangePlan::parted_at(["B", "C", "D", "E"].map(ToOwned::to_owned));
    for (index, skus) in [(0, 100), (1, 100), (2, 900), (3, 10)] {
        let range = plan.ranges()[index].clone();
        plan.learn(&range, at(0), took(skus), &[], &LIMITS);
    }
    plan.join(&LIMITS);
    assert_eq!(boundaries(&plan), ["C", "D", "E"]);
    let range = plan.ranges()[3].clone();
    plan.learn(&range, at(0), took(10), &[], &LIMITS);
    plan.join(&LIMITS);
    assert_eq!(boundaries(&plan), ["C", "D"]);
}

#[test]
fn what_one_run_does_not_come_to_the_next_one_begins_with() {
    let mut plan = RangePlan::parted_at(["B", "C", "D"].map(ToOwned::to_owned));
    let all = plan.ranges();
    assert_eq!((plan.ranges_by_age(), plan.whole_since()), (all.clone(), None));
    for (index, minute) in [(0, 5), (1, 3), (3, 4)] {
        plan.learn(&all[index], at(minute), took(500), &[], &LIMITS);
    }
    assert_eq!(plan.ranges_by_age(), [2, 1, 3, 0].map(|index| all[index].clone()));
    assert_eq!(plan.whole_since(), None);
    plan.learn(&all[2], at(6), took(2000), &["C", "C5", "D"].map(str::to_owned), &LIMITS);
    assert_eq!(plan.whole_since(), Some(at(3)));
    assert_eq!(boundaries(&plan), ["B", "C", "C5", "D"]);
    assert_eq!(
        plan.ranges_by_age()[..2],
        [all[1].clone(), all[3].clone()],
        "parts are as old as the whole"
    );
    plan.cut(&all[1], took(2000), &["B7".to_owned()], &LIMITS);
    assert_eq!(plan.whole_since(), Some(at(3)), "a range that failed is as old as before");
}

#[test]
fn a_plan_is_remembered_as_a_document() {
    let mut plan = RangePlan::parted_at(["M".to_owned()]);
    plan.learn(&plan.ranges()[0].clone(), at(0), took(5), &[], &LIMITS);
    let text = serde_json::to_string(&plan).unwrap();
    assert_eq!(
        text,
        r#"{"first":{"milliseconds":5,"bytes":750,"skus":5},"first_asked_at":"2026-09-21T14:13:20Z","further":[{"from":"M"}]}"#
    );
    assert_eq!(serde_json::from_str::<RangePlan>(&text).unwrap(), plan);
    assert_eq!(serde_json::from_str::<RangePlan>("{}").unwrap(), RangePlan::default());
}

proptest! {
    /// Prima may compare codes in any order: here, by a shuffled alphabet.
    #[test]
    fn every_product_lies_in_a_range_however_prima_compares(
        alphabet in Just("ABCDabcd019-é".chars().collect::<Vec<_>>()).prop_shuffle(),
        seen in proptest::collection::vec(("[A-Da-d019é-]{1,4}", 1..3000_u64), 0..30),
        asked in "[A-Da-d019é-]{1,5}",
    ) {
        // What is no letter of it, a boundary that was made up, comes behind.
        let rank_of = |c| alphabet.iter().position(|other| *other == c).unwrap_or(u32::from(c) as usize);
        let rank = |text: &str| text.chars().map(rank_of).collect::<Vec<_>>();
        let lies_in = |range: &ProductRange, product: &str| {
            let product = rank(product);
            product >= rank(&range.from) && (range.to.is_empty() || product <= rank(&range.to))
        };
        let mut products: Vec<String> = seen.iter().map(|(product, _)| product.clone()).collect();
        products.sort();
        products.dedup();
        let mut plan = RangePlan::default();
        for (index, (_, skus)) in seen.iter().enumerate() {
            let ranges = plan.ranges();
            let range = &ranges[index % ranges.len()];
            match index % 3 {
                0 => plan.learn(range, at(0), took(*skus), &products, &LIMITS),
                1 => drop(plan.cut(range, took(*skus), if skus % 2 == 0 { &products } else { &[] }, &LIMITS)),
                _ => plan.join(&LIMITS),
            }
            let ranges = plan.ranges();
            prop_assert!(ranges.iter().any(|range| lies_in(range, &asked)), "{asked} is in none of {ranges:?}");
        }
    }
}
