//! The running balance where several lines are of one moment.

use jiff::Timestamp;

use super::*;
use crate::domain::payout::balance::prove;

/// Lines with these nets and balances, each of a second, in whatever order their ids have.
fn lines(steps: &[(&str, i64, &str, &str)]) -> Vec<TransactionLine> {
    let of = |(id, second, net, balance): &(&str, i64, &str, &str)| TransactionLine {
        created: Timestamp::from_second(*second).ok(),
        balance: Some(amount(balance)),
        ..line(id, "ORDER_AMOUNT", net)
    };
    steps.iter().map(of).collect()
}

/// An order that is cancelled in the moment of its sale brings the balance back to where it began:
/// each of its lines continues another.
#[test]
fn a_first_moment_that_comes_back_to_its_beginning_is_no_gap() {
    let all = lines(&[("b", 1, "10", "10"), ("a", 1, "-10", "0"), ("c", 2, "5", "5")]);
    let balance = prove(&all, None, |line| line.balance);
    assert!(balance.is_whole(), "{balance:?}");
    assert_eq!((balance.opening, balance.closing), (Amount::ZERO, amount("5")));
}

#[test]
fn a_line_that_is_missing_is_a_gap_of_its_amount() {
    let all = lines(&[
        ("a", 1, "10", "10"),
        ("c", 3, "5", "12"),
        ("d", 3, "1", "13"),
        ("e", 4, "1", "14"),
    ]);
    let balance = prove(&all, Some(Amount::ZERO), |line| line.balance);
    let gap = balance.gaps.first().map(|gap| (gap.missing, gap.after.clone(), gap.before.clone()));
    assert_eq!(gap, Some((amount("-3"), vec!["a".to_owned()], vec!["c".to_owned()])));
    assert_eq!(balance.gaps.len(), 1);
}
