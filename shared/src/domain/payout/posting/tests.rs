//! Every way that an attempt can end, lived through.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use super::*;

const WAITS: Waits =
    Waits { longest_execution: Duration::from_secs(300), second_question: Duration::from_secs(30) };
const EVERYTHING: Answers = Answers { tells_status: true, refuses_duplicates: true };

fn now() -> Timestamp {
    Timestamp::constant(1_795_000_000, 0)
}

fn act(at: Timestamp) -> Act {
    Act { by: "finance".into(), at, note: "looked".into() }
}

fn row(needs_approval: bool) -> JournalRow {
    let name = JournalName::default();
    JournalRow::new(name, "G-1".into(), "MK1".into(), "hash".into(), needs_approval, now())
}

/// What becomes of one request of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It has its effect at once, and the answer is lost.
    AnswerLost,
    /// It never comes to anything, and no answer comes.
    RequestLost,
    /// It has its effect just before the longest execution is over; no answer comes.
    Late,
    NotSent,
    /// The function dies after the attempt was noted and before it was sent.
    DiedBefore,
    /// The function dies after it was sent.
    DiedAfter,
}

const FATES: [Fate; 7] = [
    Fate::Answered,
    Fate::AnswerLost,
    Fate::RequestLost,
    Fate::Late,
    Fate::NotSent,
    Fate::DiedBefore,
    Fate::DiedAfter,
];

/// Prima, with each effect at its time.
#[derive(Debug, Default)]
struct Prima {
    effects: Vec<Timestamp>,
    refuses_duplicates: bool,
}

impl Prima {
    fn has(&self, now: Timestamp) -> bool {
        self.effects.iter().any(|at| *at <= now)
    }

    /// Its answer to a journal: posted, or refused as a duplicate.
    fn take(&mut self, at: Timestamp) -> bool {
        let is_duplicate = self.refuses_duplicates && self.has(at);
        if !is_duplicate {
            self.effects.push(at);
        }
        !is_duplicate
    }
}

/// Lives a journal through with these fates in turn, and answers where it ends, and how often Prima
/// has it. A person says the truth about what they find.
fn live(answers: Answers, fates: &[Fate]) -> (JournalRow, usize) {
    let mut prima = Prima { refuses_duplicates: answers.refuses_duplicates, ..Prima::default() };
    let (mut row, mut now, mut fates) = (row(false), now(), fates.iter().copied());
    for _ in 0..200 {
        now += Duration::from_secs(1);
        row = match row.next(answers, WAITS, now) {
            Next::Enqueue => row.queued(now),
            Next::WaitUntil(at) => {
                assert!(at > now, "a wait that is over is none");
                now = at;
                row
            }
            Next::Ask if prima.has(now) => row.posted(None, Known::Question, now),
            Next::Ask => row.absent(WAITS, now),
            Next::AskPerson => row.needs_person(now),
            Next::Write => panic!("no file is asked for"),
            Next::Send => {
                let row = row.attempted(now);
                let at = now;
                now += Duration::from_secs(2);
                let lost = |row: JournalRow| row.lost("no answer".into(), now);
                match fates.next().unwrap_or(Fate::Answered) {
                    Fate::Answered if prima.take(at) => row.posted(None, Known::Answer, now),
                    Fate::Answered => row.posted(None, Known::Duplicate, now),
                    Fate::AnswerLost => {
                        prima.take(at);
                        lost(row)
                    }
                    Fate::RequestLost => lost(row),
                    Fate::Late => {
                        prima.take(at + WAITS.longest_execution);
                        lost(row)
                    }
                    Fate::NotSent => row.not_sent("no connection".into(), now),
                    Fate::DiedBefore => row,
                    Fate::DiedAfter => {
                        prima.take(at);
                        row
                    }
                }
            }
            Next::Nothing if row.stage == Stage::NeedsPerson => {
                now += WAITS.longest_execution;
                let finding = if prima.has(now) { Finding::Posted } else { Finding::NotPosted };
                row.settle(finding, act(now)).unwrap()
            }
            Next::Nothing => return (row, prima.effects.len()),
        };
    }
    panic!("no end: {row:?}")
}

/// Whatever becomes of its first four attempts, and whatever the site's Prima can tell, a journal
/// ends as posted and Prima has it once.
#[test]
fn every_fate_ends_with_the_journal_posted_once() {
    let all = [(true, true), (true, false), (false, true), (false, false)];
    for (tells_status, refuses_duplicates) in all {
        let answers = Answers { tells_status, refuses_duplicates };
        for number in 0..FATES.len().pow(4) {
            let fates: Vec<Fate> = (0..4_u32)
                .map(|place| FATES[number / FATES.len().pow(place) % FATES.len()])
                .collect();
            let (row, copies) = live(answers, &fates);
            assert!(matches!(row.stage, Stage::Posted { .. }), "{answers:?} {fates:?}: {row:?}");
            assert_eq!(copies, 1, "{answers:?} {fates:?}");
        }
    }
}

/// Where nobody can tell, nothing is sent a second time without a person.
#[test]
fn without_any_answer_a_person_decides() {
    let answers = Answers { tells_status: false, refuses_duplicates: false };
    let sent = row(false).queued(now()).attempted(now());
    let lost = sent.lost("no answer".into(), now());
    let over = now() + WAITS.longest_execution;
    assert_eq!(lost.next(answers, WAITS, now()), Next::WaitUntil(over));
    assert_eq!(lost.next(answers, WAITS, over), Next::AskPerson);
    let waiting = lost.needs_person(now());
    assert_eq!(waiting.next(answers, WAITS, now() + Duration::from_secs(90_000)), Next::Nothing);
    let again = waiting.settle(Finding::NotPosted, act(now())).unwrap();
    assert_eq!(again.next(answers, WAITS, now()), Next::Enqueue);
}

/// Every retry has an end.
#[test]
fn a_journal_that_stays_absent_goes_to_a_person() {
    let mut row = row(false).queued(now());
    let mut now = now();
    for _ in 0..MOST_ATTEMPTS {
        row = row.attempted(now).lost("no answer".into(), now);
        now += WAITS.longest_execution;
        row = row.absent(WAITS, now);
        assert_eq!(row.next(EVERYTHING, WAITS, now), Next::WaitUntil(now + WAITS.second_question));
        now += WAITS.second_question;
        assert_eq!(row.next(EVERYTHING, WAITS, now), Next::Ask);
        row = row.absent(WAITS, now);
    }
    assert_eq!(row.stage, Stage::NeedsPerson);
}

#[test]
fn an_approval_is_of_one_content_and_void_after_a_change() {
    let waiting = row(true);
    assert_eq!(waiting.next(EVERYTHING, WAITS, now()), Next::Nothing);
    let other = waiting.clone().approve("other", act(now()));
    assert_eq!(other, Err(NotPossible::Changed { reference: "MK1".into() }));
    let mut approved = waiting.approve("hash", act(now())).unwrap();
    assert_eq!(approved.change("hash".into(), true, now()), Some(false), "nothing changed");
    assert_eq!(approved.stage, Stage::Approved);
    assert_eq!(approved.change("new".into(), true, now()), Some(true));
    assert_eq!((&approved.stage, &approved.approval), (&Stage::AwaitingApproval, &None));
}

/// What Prima may have is never changed: the difference is another journal.
#[test]
fn a_journal_that_prima_may_have_stays_as_it_is() {
    let sent = row(false).queued(now()).attempted(now());
    let may_have = [
        sent.clone(),
        sent.clone().lost("no answer".into(), now()),
        sent.clone().needs_person(now()),
        sent.posted(None, Known::Answer, now()),
    ];
    for mut row in may_have {
        assert_eq!(row.change("new".into(), true, now()), None, "{row:?}");
        assert!(row.clone().hold(act(now())).is_err());
        assert_eq!(row.hash, "hash");
    }
}

#[test]
fn a_rejected_journal_needs_a_new_approval() {
    let sent = row(false).queued(now()).attempted(now());
    let rejected = sent.refused("Period 2026-10 is closed".into(), EVERYTHING, now());
    assert_eq!(rejected.next(EVERYTHING, WAITS, now()), Next::Nothing);
    assert_eq!(rejected.problem.as_deref(), Some("Period 2026-10 is closed"));
    let again = rejected.approve("hash", act(now())).unwrap();
    assert_eq!(again.next(EVERYTHING, WAITS, now()), Next::Enqueue);
}

#[test]
fn a_held_journal_waits_for_approval_once_it_is_released() {
    let held = row(false).hold(act(now())).unwrap();
    assert_eq!(held.next(EVERYTHING, WAITS, now()), Next::Nothing);
    assert!(held.clone().approve("hash", act(now())).is_err());
    assert_eq!(held.release(now()).unwrap().stage, Stage::AwaitingApproval);
}

/// A refusal says nothing of an earlier attempt whose answer was lost.
#[test]
fn a_refusal_after_a_lost_answer_needs_a_person_where_prima_tells_nothing() {
    let refuses = Answers { tells_status: false, refuses_duplicates: true };
    let text = || "Period 2026-10 is closed".to_owned();
    let twice = row(false).queued(now()).attempted(now()).lost("no answer".into(), now());
    let twice = twice.attempted(now());
    assert_eq!(twice.clone().refused(text(), refuses, now()).stage, Stage::NeedsPerson);
    assert_eq!(twice.refused(text(), EVERYTHING, now()).stage, Stage::Rejected);
    let once = row(false).queued(now()).attempted(now()).refused(text(), refuses, now());
    assert_eq!((&once.stage, once.attempts), (&Stage::Rejected, 0));
}

/// A question that is never answered in words that are known ends with a person.
#[test]
fn answers_that_nobody_understands_have_an_end() {
    let mut row = row(false).queued(now());
    for _ in 1..MOST_UNCLEAR {
        row = row.unclear("Ledger locked".into(), now());
        assert_eq!(row.stage, Stage::Queued);
    }
    assert_eq!(row.unclear("Ledger locked".into(), now()).stage, Stage::NeedsPerson);
}

/// A journal that goes to a file ends there, until a person has imported it.
#[test]
fn a_file_is_written_once_and_closed_by_a_person() {
    let queued = row(false).queued(now());
    let next = |row: &JournalRow| row.next_by(JournalWay::File, EVERYTHING, WAITS, now());
    assert_eq!(next(&queued), Next::Write);
    let writing = queued.writing(now());
    assert_eq!(next(&writing), Next::Write, "whoever died while it was written begins again");
    let mut written = writing.written(now());
    assert_eq!(next(&written), Next::Nothing);
    assert_eq!(written.change("new".into(), true, now()), None, "it may be imported already");
    assert!(row(false).imported(act(now())).is_err());
    let again = written.clone().settle(Finding::NotPosted, act(now())).unwrap();
    assert_eq!(again.stage, Stage::Approved);
    let imported = written.imported(act(now())).unwrap();
    assert!(matches!(imported.stage, Stage::Posted { known: Known::Person(_), .. }));
}

/// A row that lost its memory is in doubt, as if it had been sent just now.
#[test]
fn what_was_sent_before_its_row_was_lost_is_in_doubt() {
    let forgotten = row(false).queued(now()).forgotten(now());
    assert_eq!(
        forgotten.next(EVERYTHING, WAITS, now()),
        Next::WaitUntil(now() + WAITS.longest_execution)
    );
    let neither = Answers { tells_status: false, refuses_duplicates: false };
    let over = now() + WAITS.longest_execution;
    assert_eq!(forgotten.next(neither, WAITS, over), Next::AskPerson);
}

/// A journal goes on by its message; one whose message is lost is seen.
#[test]
fn a_lost_message_is_missed() {
    let queued = row(false).queued(now());
    assert!(!queued.has_missed_its_message(now() + MISSED_AFTER - Duration::from_secs(1)));
    assert!(queued.has_missed_its_message(now() + MISSED_AFTER));
    let posted = queued.posted(None, Known::Answer, now());
    assert!(!posted.has_missed_its_message(now() + 2 * MISSED_AFTER));
}
