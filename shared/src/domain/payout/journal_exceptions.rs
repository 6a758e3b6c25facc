//! What of a cycle's journals needs a person: it follows from how far they have come.

use jiff::Timestamp;

use super::exceptions::PayoutExceptionKind as Kind;
use super::journal_files::import_file;
use super::key::CycleKey;
use super::posting::Stage;
use super::row::{CycleJournal, CycleRow};
use crate::domain::conditions::{Condition, follow};

/// The kinds that follow from journals: whoever follows a cycle's other findings leaves them alone.
pub const OF_JOURNALS: [Kind; 4] =
    [Kind::JournalRejected, Kind::JournalInDoubt, Kind::JournalUnusable, Kind::JournalToImport];

/// Brings a cycle's exceptions in line with its journals: to be called wherever one has moved.
pub fn follow_journals(cycle: &mut CycleRow, now: Timestamp) {
    let conditions =
        cycle.journals.iter().filter_map(|journal| condition(&cycle.key, journal)).collect();
    follow(&mut cycle.exceptions, conditions, &OF_JOURNALS, now);
}

fn condition(key: &CycleKey, journal: &CycleJournal) -> Option<Condition<Kind>> {
    let reference = &journal.row.reference;
    let name = format!(
        "journal {reference} of cycle {} ({} {}, {})",
        key.cycle, journal.total, key.currency, journal.date
    );
    let problem = journal.row.problem.as_deref().unwrap_or("no reason is known");
    let (kind, reason, remedy) = match journal.row.stage {
        Stage::Rejected => (
            Kind::JournalRejected,
            format!("Prima refused {name}: {problem}"),
            format!(
                "Mend what Prima names, in Prima or in the channel's chart. Then look at the journal and approve it again: prima-mirakl payouts approve {}.",
                key.cycle
            ),
        ),
        Stage::NeedsPerson => (
            Kind::JournalInDoubt,
            format!("nobody can say whether Prima has {name}: {problem}"),
            format!(
                "Look for {reference} in Prima. Then say what you found: prima-mirakl payouts settle {} --as posted --note TEXT, or --as not-posted: then it is sent again.",
                key.cycle
            ),
        ),
        Stage::Unusable => (
            Kind::JournalUnusable,
            format!("nothing was sent of {name}: {problem}"),
            format!(
                "Look at the cycle: prima-mirakl payouts show {}. Once what is named is mended, approve the journal again: prima-mirakl payouts approve {}.",
                key.cycle, key.cycle
            ),
        ),
        Stage::Written => (
            Kind::JournalToImport,
            format!("the file of {name} waits to be imported: {}", import_file(reference)),
            format!(
                "Unless the ledger has {reference} already, import the file, and check it against its control file. Then: prima-mirakl payouts imported {}.",
                key.cycle
            ),
        ),
        _ => return None,
    };
    Some(Condition { kind, subject: reference.clone(), reason, remedy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::payout::posting::{Act, Answers, Finding, JournalRow, Known};
    use crate::domain::payout::tests::cycle_with;

    const NOTHING_TOLD: Answers = Answers { tells_status: false, refuses_duplicates: false };

    fn now() -> Timestamp {
        Timestamp::constant(1_795_000_000, 0)
    }

    fn kinds(row: JournalRow) -> Vec<(Kind, String)> {
        let mut cycle = cycle_with(row);
        follow_journals(&mut cycle, now());
        cycle.exceptions.into_iter().map(|one| (one.kind, one.reason)).collect()
    }

    fn queued() -> JournalRow {
        let (guid, reference, hash) = ("G".to_owned(), "MK1".to_owned(), "h".to_owned());
        JournalRow::new(Default::default(), guid, reference, hash, false, now()).queued(now())
    }

    /// Each way to end with a person is one exception, with what Prima said and the amount.
    #[test]
    fn what_stands_still_is_told() {
        let rejected = queued().attempted(now()).refused("Closed".into(), NOTHING_TOLD, now());
        let told = kinds(rejected);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].0, Kind::JournalRejected);
        assert!(told[0].1.contains("MK1") && told[0].1.contains("12.30 GBP"), "{}", told[0].1);
        assert!(told[0].1.ends_with(": Closed"), "{}", told[0].1);
        for (row, kind) in [
            (queued().attempted(now()).needs_person(now()), Kind::JournalInDoubt),
            (queued().unusable("gone".into(), now()), Kind::JournalUnusable),
            (queued().writing(now()).written(now()), Kind::JournalToImport),
        ] {
            assert_eq!(kinds(row).into_iter().map(|one| one.0).collect::<Vec<_>>(), [kind]);
        }
        assert_eq!(kinds(queued()), []);
    }

    #[test]
    fn a_posted_journal_ends_its_exception_and_no_other() {
        let mut cycle = cycle_with(queued().attempted(now()).needs_person(now()));
        follow_journals(&mut cycle, now());
        let mut other = cycle.exceptions[0].clone();
        other.kind = Kind::PayoutLate;
        cycle.exceptions.push(other);
        let act = Act { by: "finance".into(), at: now(), note: "found".into() };
        let row = cycle.journals[0].row.clone();
        if let Ok(settled) = row.settle(Finding::Posted, act) {
            assert!(matches!(settled.stage, Stage::Posted { known: Known::Person(_), .. }));
            cycle.journals[0].row = settled;
        }
        follow_journals(&mut cycle, now());
        let left: Vec<_> = cycle.exceptions.iter().map(|one| one.kind).collect();
        assert_eq!(left, [Kind::PayoutLate]);
    }
}
