//! A journal's way into Prima, once: approved, queued, sent, and asked for where its answer was
//! lost. Pure: whoever drives it saves each row before the step that follows.
//!
//! | what Prima has | after a lost answer |
//! | --- | --- |
//! | `JournalStatus` | asked twice, after the longest execution; absent both times: sent again |
//! | no `JournalStatus`, but it refuses a `TPGUID` that it has | sent again after the longest execution: a refusal in those words is "posted" |
//! | neither | a person looks, and says which it was |
//!
//! Where journals go to a file, it is written instead, and waits until a person has imported it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::JournalName;
use super::rules::JournalWay;
pub use super::stage::{Act, Answers, Finding, Known, Next, NotPossible, Stage, Waits};

/// How often a journal is sent at most. Each time but the first, it was found absent.
pub const MOST_ATTEMPTS: u32 = 3;
/// Questions in a row without a usable answer, before a person is asked.
const MOST_UNCLEAR: u32 = 5;
/// A journal whose message is so much overdue has none any more.
const MISSED_AFTER: Duration = Duration::from_secs(3600);
/// How long the answer "absent" counts of a journal that was never sent.
const ABSENT_COUNTS: Duration = Duration::from_secs(300);

/// A journal, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalRow {
    /// Which journal of its cycle.
    pub name: JournalName,
    /// `TPGUID`: the same for every attempt.
    pub guid: String,
    /// `JournalRef`.
    pub reference: String,
    /// The hash of what is to be sent: an approval is of this and nothing else.
    pub hash: String,
    /// How far it has come.
    pub stage: Stage,
    /// Since when.
    pub since: Timestamp,
    /// Who approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Act>,
    /// How often it was sent, or may have been.
    #[serde(default)]
    pub attempts: u32,
    /// When it was first sent, or may have been. It is never taken back: a row without it, of a
    /// journal that left evidence, has lost its memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_attempt_at: Option<Timestamp>,
    /// When it was last sent, or may have been.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempted_at: Option<Timestamp>,
    /// When Prima last said that it does not have it, since the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent_at: Option<Timestamp>,
    /// Questions in a row without a usable answer.
    #[serde(default)]
    pub unclear: u32,
    /// When its message comes next. A copy that comes earlier ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_due: Option<Timestamp>,
    /// What Prima said, or what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl JournalRow {
    /// A journal that was just made. Without `needs_approval` it goes out by itself.
    #[must_use]
    pub fn new(
        name: JournalName,
        guid: String,
        reference: String,
        hash: String,
        needs_approval: bool,
        now: Timestamp,
    ) -> Self {
        Self {
            name,
            guid,
            reference,
            hash,
            stage: if needs_approval { Stage::AwaitingApproval } else { Stage::Approved },
            since: now,
            approval: None,
            attempts: 0,
            first_attempt_at: None,
            attempted_at: None,
            absent_at: None,
            unclear: 0,
            message_due: None,
            problem: None,
        }
    }

    /// Prima may have it: what is sent must not change any more.
    #[must_use]
    pub fn may_be_in_prima(&self) -> bool {
        matches!(
            self.stage,
            Stage::Posted { .. }
                | Stage::Posting
                | Stage::InDoubt
                | Stage::Writing
                | Stage::Written
                | Stage::NeedsPerson
        )
    }

    fn enter(mut self, stage: Stage, now: Timestamp) -> Self {
        (self.stage, self.since) = (stage, now);
        self
    }

    fn not_now(&self) -> NotPossible {
        NotPossible::Stage { reference: self.reference.clone(), stage: self.stage.words() }
    }

    /// A person approves what they looked at, by its hash.
    ///
    /// # Errors
    /// It does not wait for approval, or has changed since.
    pub fn approve(mut self, hash: &str, act: Act) -> Result<Self, NotPossible> {
        if !matches!(self.stage, Stage::AwaitingApproval | Stage::Rejected | Stage::Unusable) {
            return Err(self.not_now());
        }
        if hash != self.hash {
            return Err(NotPossible::Changed { reference: self.reference });
        }
        let now = act.at;
        self.approval = Some(act);
        Ok(self.enter(Stage::Approved, now))
    }

    /// A person holds it back.
    ///
    /// # Errors
    /// Prima has it, or may have it.
    pub fn hold(self, act: Act) -> Result<Self, NotPossible> {
        if self.may_be_in_prima() {
            return Err(self.not_now());
        }
        let now = act.at;
        Ok(self.enter(Stage::Held(act), now))
    }

    /// A person lets it go on: it waits for approval.
    ///
    /// # Errors
    /// It is not held back.
    pub fn release(mut self, now: Timestamp) -> Result<Self, NotPossible> {
        if !matches!(self.stage, Stage::Held(_)) {
            return Err(self.not_now());
        }
        self.approval = None;
        Ok(self.enter(Stage::AwaitingApproval, now))
    }

    /// The cycle's lines, or its chart, come to another journal now. Answers whether an approval
    /// was voided by it; none where Prima may have the journal as it was, so that the difference is
    /// a supplementary one.
    pub fn change(&mut self, hash: String, needs_approval: bool, now: Timestamp) -> Option<bool> {
        if self.may_be_in_prima() {
            return None;
        }
        if hash == self.hash {
            return Some(false);
        }
        let was_approved = self.approval.take().is_some();
        self.hash = hash;
        if !matches!(self.stage, Stage::Held(_)) {
            self.stage = if needs_approval { Stage::AwaitingApproval } else { Stage::Approved };
            self.since = now;
        }
        Some(was_approved)
    }

    /// It is to go on by its message, and that is long overdue: another is to be sent.
    #[must_use]
    pub fn has_missed_its_message(&self, now: Timestamp) -> bool {
        matches!(self.stage, Stage::Queued | Stage::Posting | Stage::InDoubt | Stage::Writing)
            && now >= self.message_due.unwrap_or(self.since) + MISSED_AFTER
    }

    /// What is to be done next, by the channel's way.
    #[must_use]
    pub fn next_by(&self, way: JournalWay, answers: Answers, waits: Waits, now: Timestamp) -> Next {
        match (way, &self.stage) {
            (JournalWay::File, Stage::Queued) => Next::Write,
            _ => self.next(answers, waits, now),
        }
    }

    /// What is to be done next, where journals go to Prima's service.
    #[must_use]
    pub fn next(&self, answers: Answers, waits: Waits, now: Timestamp) -> Next {
        match self.stage {
            Stage::Approved => Next::Enqueue,
            Stage::Queued if self.attempts == 0 => {
                let is_known = self.absent_at.is_some_and(|at| now < at + ABSENT_COUNTS);
                if answers.tells_status && !is_known { Next::Ask } else { Next::Send }
            }
            // A person said that it is not in Prima, or it was never sent.
            Stage::Queued => Next::Send,
            Stage::Posting | Stage::InDoubt => self.next_in_doubt(answers, waits, now),
            Stage::Writing => Next::Write,
            Stage::AwaitingApproval
            | Stage::Posted { .. }
            | Stage::Rejected
            | Stage::Unusable
            | Stage::Written
            | Stage::NeedsPerson
            | Stage::Held(_) => Next::Nothing,
        }
    }

    fn next_in_doubt(&self, answers: Answers, waits: Waits, now: Timestamp) -> Next {
        let over = self.attempted_at.unwrap_or(self.since) + waits.longest_execution;
        // Not even a person could tell before then.
        if now < over {
            return Next::WaitUntil(over);
        }
        if !answers.tells_status && !answers.refuses_duplicates {
            return Next::AskPerson;
        }
        if answers.tells_status {
            // `absent_at` is the first of two questions: the second decides in `absent`.
            return match self.absent_at.map(|at| at + waits.second_question) {
                Some(second) if now < second => Next::WaitUntil(second),
                _ => Next::Ask,
            };
        }
        if self.attempts < MOST_ATTEMPTS { Next::Send } else { Next::AskPerson }
    }

    /// Its message is in the queue.
    #[must_use]
    pub fn queued(mut self, now: Timestamp) -> Self {
        self.message_due = Some(now);
        self.enter(Stage::Queued, now)
    }

    /// Its content is missing, or is not what was approved. Where it may be in Prima a person has
    /// to say whether it is.
    #[must_use]
    pub fn unusable(mut self, text: String, now: Timestamp) -> Self {
        self.problem = Some(text);
        // What is queued and was sent before is known to be absent.
        let stage = if self.may_be_in_prima() { Stage::NeedsPerson } else { Stage::Unusable };
        self.approval = None;
        self.enter(stage, now)
    }

    /// Its file is about to be written: to be saved before it is.
    #[must_use]
    pub fn writing(mut self, now: Timestamp) -> Self {
        self.first_attempt_at = self.first_attempt_at.or(Some(now));
        self.enter(Stage::Writing, now)
    }

    /// Its file is there.
    #[must_use]
    pub fn written(mut self, now: Timestamp) -> Self {
        self.problem = None;
        self.enter(Stage::Written, now)
    }

    /// Another journal of this reference was sent before, as its evidence shows, and the row does
    /// not know of it: its table was lost. It counts as sent just now.
    #[must_use]
    pub fn forgotten(mut self, now: Timestamp) -> Self {
        self.attempts = 1;
        (self.first_attempt_at, self.attempted_at) = (Some(now), Some(now));
        self.absent_at = None;
        self.problem = Some("it was sent before its row was lost".to_owned());
        self.enter(Stage::InDoubt, now)
    }

    /// An attempt begins: to be saved before it is sent.
    #[must_use]
    pub fn attempted(mut self, now: Timestamp) -> Self {
        self.attempts += 1;
        self.unclear = 0;
        self.first_attempt_at = self.first_attempt_at.or(Some(now));
        (self.attempted_at, self.absent_at) = (Some(now), None);
        self.enter(Stage::Posting, now)
    }

    /// Prima has it.
    #[must_use]
    pub fn posted(mut self, number: Option<String>, known: Known, now: Timestamp) -> Self {
        (self.problem, self.unclear) = (None, 0);
        self.enter(Stage::Posted { number, known }, now)
    }

    /// Prima was asked, and does not have it. Of a journal in doubt the second such answer counts:
    /// it is sent again, or a person is told where it was sent often enough.
    #[must_use]
    pub fn absent(mut self, waits: Waits, now: Timestamp) -> Self {
        self.unclear = 0;
        if !matches!(self.stage, Stage::Posting | Stage::InDoubt) {
            self.absent_at = Some(now);
            return self;
        }
        let is_second = self.absent_at.is_some_and(|at| now >= at + waits.second_question);
        if !is_second {
            self.absent_at = self.absent_at.or(Some(now));
            return self;
        }
        if self.attempts >= MOST_ATTEMPTS {
            return self.enter(Stage::NeedsPerson, now);
        }
        self.enter(Stage::Queued, now)
    }

    /// Prima answered the question, and nobody understands how. That has an end.
    #[must_use]
    pub fn unclear(mut self, text: String, now: Timestamp) -> Self {
        self.problem = Some(text);
        self.unclear += 1;
        if self.unclear >= MOST_UNCLEAR { self.enter(Stage::NeedsPerson, now) } else { self }
    }

    /// Prima read it and refused it: nothing was posted by this attempt. An earlier one whose
    /// answer was lost is known to be absent only where Prima was asked.
    #[must_use]
    pub fn refused(mut self, text: String, answers: Answers, now: Timestamp) -> Self {
        self.problem = Some(text);
        if self.attempts > 1 && !answers.tells_status {
            return self.enter(Stage::NeedsPerson, now);
        }
        (self.attempts, self.attempted_at) = (0, None);
        self.approval = None;
        self.enter(Stage::Rejected, now)
    }

    /// It was not sent: the attempt is taken back.
    #[must_use]
    pub fn not_sent(mut self, text: String, now: Timestamp) -> Self {
        self.problem = Some(text);
        self.attempts = self.attempts.saturating_sub(1);
        self.enter(Stage::Queued, now)
    }

    /// It was sent, and no usable answer came.
    #[must_use]
    pub fn lost(mut self, text: String, now: Timestamp) -> Self {
        self.problem = Some(text);
        self.enter(Stage::InDoubt, now)
    }

    /// Nobody but a person can say, and why.
    #[must_use]
    pub fn needs_person_because(mut self, text: String, now: Timestamp) -> Self {
        self.problem = Some(text);
        self.needs_person(now)
    }

    /// Nobody but a person can say.
    #[must_use]
    pub fn needs_person(self, now: Timestamp) -> Self {
        self.enter(Stage::NeedsPerson, now)
    }

    /// A person has imported its file.
    ///
    /// # Errors
    /// It is in none.
    pub fn imported(self, act: Act) -> Result<Self, NotPossible> {
        if self.stage != Stage::Written {
            return Err(self.not_now());
        }
        self.settle(Finding::Posted, act)
    }

    /// A person says what they found in Prima, or what they did with its file.
    ///
    /// # Errors
    /// It is neither in doubt nor in a file.
    pub fn settle(mut self, finding: Finding, act: Act) -> Result<Self, NotPossible> {
        if !matches!(self.stage, Stage::NeedsPerson | Stage::InDoubt | Stage::Written) {
            return Err(self.not_now());
        }
        let now = act.at;
        match finding {
            Finding::Posted => Ok(self.posted(None, Known::Person(act), now)),
            Finding::NotPosted => {
                (self.attempts, self.attempted_at) = (0, None);
                (self.absent_at, self.unclear) = (None, 0);
                // They vouch for whatever was sent before.
                self.first_attempt_at = self.first_attempt_at.or(Some(now));
                self.approval = Some(act);
                Ok(self.enter(Stage::Approved, now))
            }
        }
    }
}

#[cfg(test)]
mod tests;
