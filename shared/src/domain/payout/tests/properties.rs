//! What holds of any ledger that the generator can make.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::domain::payout::balance::{RunningBalance, prove};
use crate::domain::payout::draft::Place;
use crate::domain::payout::explain::{Cause, Clues, explain};
use crate::domain::payout::journal::booked;
use crate::domain::payout::ledger::{Ledger, Listed};
use crate::domain::payout::tie::{Difference, Evidence, Tie, TieRule};

/// A cycle's lines in the order of time, with running balances: its transfer where it is positive,
/// and a line of the next cycle.
fn ledgers() -> impl Strategy<Value = Vec<TransactionLine>> {
    let kinds: Vec<TransactionType> = TransactionType::ALL
        .into_iter()
        .filter(|kind| !kind.is_payment() && !kind.is_purchase())
        .chain([TransactionType::Unknown("LOYALTY_FEE".to_owned())])
        .collect();
    let one = (prop::sample::select(kinds), 1..50_000_i64, any::<bool>());
    prop::collection::vec(one, 1..30).prop_map(|rows| {
        let (mut lines, mut sum) = (Vec::new(), 0);
        for (number, (kind, pennies, is_credit)) in rows.into_iter().enumerate() {
            let net = if is_credit { pennies } else { -pennies };
            sum += net;
            let net = Decimal::new(net, 2).to_string();
            lines.push(line(&format!("L-{number:02}"), kind.code(), &net));
        }
        if sum > 0 {
            lines.push(line("L-P", "PAYMENT", &Decimal::new(-sum, 2).to_string()));
        }
        lines.push(TransactionLine { cycle: None, ..line("L-Z", "ORDER_AMOUNT", "12.34") });
        let (mut balance, mut at) = (Decimal::ZERO, Timestamp::UNIX_EPOCH);
        for line in &mut lines {
            balance += line.net().0;
            at += SignedDuration::from_secs(1);
            (line.balance, line.created, line.last_updated) =
                (Some(Amount(balance)), Some(at), Some(at));
        }
        lines
    })
}

fn of_cycle(lines: &[TransactionLine]) -> Vec<&TransactionLine> {
    lines.iter().filter(|line| line.cycle.is_some()).collect()
}

fn transfer(lines: &[TransactionLine]) -> Amount {
    TieRule::default().sum(of_cycle(lines)).max(Amount::ZERO)
}

/// Ties the cycle's lines to what `transfer` says.
fn tie(lines: &[TransactionLine], transfer: Amount) -> (Tie, RunningBalance) {
    let balance = prove(lines, Some(Amount::ZERO), |line| line.balance);
    let (cycle, lines) = (cycle(&transfer.to_string()), of_cycle(lines));
    let evidence = Evidence {
        cycle: &cycle,
        lines: &lines,
        documents: &[],
        carried_in: Amount::ZERO,
        is_proved_whole: balance.is_whole(),
    };
    (Tie::of(&evidence, TieRule::default()), balance)
}

/// Whether a change of line `id` by `net` is found: never tied, and the explanation names it.
fn is_found(lines: &[TransactionLine], transfer: Amount, id: &str, net: Amount) -> bool {
    let (tie, balance) = tie(lines, transfer);
    let clues = Clues {
        lines: &of_cycle(lines),
        balance: Some(&balance),
        other_rules: &[],
        carried: &[],
        totals: &[],
    };
    let named = explain(net, &clues).into_iter().any(|answer| {
        answer.cause == Cause::GapInBalance || answer.lines.iter().any(|line| line == id)
    });
    !tie.is_tied() && named
}

fn open_chart() -> ChartVersion {
    let mut version = version();
    version.commission_vat[0].fees.clear();
    version
}

proptest! {
    #[test]
    fn a_whole_cycle_ties_and_its_journal_and_prima_come_to_the_transfer(lines in ledgers(), max_lines in 2..9_usize) {
        let (tie, balance) = tie(&lines, transfer(&lines));
        prop_assert!(tie.is_tied() && balance.is_whole(), "{tie:?} {balance:?}");
        let version = open_chart();
        let counted = of_cycle(&lines).into_iter().filter(|line| TieRule::default().counts(line));
        let totals = Totals::of(counted.clone());
        let (books, draft) = Books::open(&version, &totals, DAY, "GBP").unwrap();
        let limits = Limits { max_lines, ..Limits::default() };
        let journals = journals_of(&draft, &version, JournalName::default(), limits);
        let (mut in_journal, mut by_prima, mut count) = (Decimal::ZERO, Decimal::ZERO, 0);
        for line in counted {
            count += 1;
            match books.place(&line.kind, line.document.as_ref()) {
                Place::Journal(_) | Place::Suspense(_) => in_journal += line.net().0,
                Place::Prima => by_prima += line.net().0,
                other => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert_eq!(totals.0.values().map(|sum| sum.lines).sum::<u64>(), count);
        let clearing: Decimal = journals.iter().map(|journal| journal.clearing().0).sum();
        prop_assert_eq!(clearing, in_journal);
        prop_assert_eq!(clearing + by_prima, tie.transfer.0 + tie.carried_out.0);
        for journal in &journals {
            prop_assert_eq!(journal.problems(), vec![]);
            prop_assert!(journal.lines.len() <= max_lines);
        }
        prop_assert!(draft.less(&booked(&journals)).0.is_empty());
    }

    #[test]
    fn shuffled_and_repeated_pages_give_the_same(lines in ledgers(), seed in any::<u64>()) {
        let mut versions = lines.clone();
        versions.extend(lines.iter().map(|line| TransactionLine {
            last_updated: line.last_updated.map(|at| at - SignedDuration::from_hours(1)),
            credited: Amount(line.credited.0 + Decimal::ONE),
            ..line.clone()
        }));
        versions.extend(lines.clone());
        let mut ordered = Ledger::default();
        versions.iter().cloned().for_each(|line| ordered.take(Ok(line)));
        versions.sort_by_key(|line| xxhash_rust::xxh3::xxh3_64_with_seed(format!("{line:?}").as_bytes(), seed));
        let mut shuffled = Ledger::default();
        versions.into_iter().for_each(|line| shuffled.take(Ok(line)));
        prop_assert_eq!(&ordered, &shuffled);
        prop_assert_eq!(ordered.lines().count(), lines.len());
        let listed = [Listed { key: key(), voucher: None }];
        let found = ordered.by_cycle(&listed);
        prop_assert_eq!(found.cycles.values().map(Vec::len).sum::<usize>() + found.open.len(), lines.len());
    }

    #[test]
    fn a_line_removed_doubled_or_changed_is_never_tied_and_is_named(lines in ledgers(), pick in any::<prop::sample::Index>()) {
        let transfer = transfer(&lines);
        let countable: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].cycle.is_some() && !lines[at].kind.is_payment()).collect();
        let at = countable[pick.index(countable.len())];
        let (id, net) = (lines[at].id.clone(), lines[at].net());

        let mut removed = lines.clone();
        removed.remove(at);
        prop_assert!(is_found(&removed, transfer, &id, Amount(-net.0)), "removed");
        let mut doubled = lines.clone();
        doubled.insert(at + 1, TransactionLine { id: "L-TWICE".to_owned(), ..lines[at].clone() });
        prop_assert!(is_found(&doubled, transfer, &id, net), "doubled");
        let mut changed = lines.clone();
        changed[at].credited.0 += Decimal::new(1, 2);
        prop_assert!(is_found(&changed, transfer, &id, Amount(Decimal::new(1, 2))), "changed");
    }
}

#[test]
fn a_negative_cycle_ties_only_where_its_lines_are_proved_whole() {
    let lines = [line("L-1", "SUBSCRIPTION_FEE", "-39.00")];
    let (tied, _) = tie(&lines, Amount::ZERO);
    assert_eq!(tied.differences, [Difference::CarriedOutUnproved(amount("-39"))]);
}
