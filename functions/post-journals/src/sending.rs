//! Asking Prima for a journal, and sending it.

use shared::domain::payout::journal::Journal;
use shared::domain::payout::journal_files::{evidence_file, import_file};
use shared::domain::payout::posting::{JournalRow, Known, Stage};
use shared::domain::payout::row::CycleRow;
use shared::domain::payout::rules::JournalWay;
use shared::domain::payout::store::{PayoutFiles, PayoutStore};
use shared::domain::prima_breaker::{self, Admission, Call, JOURNAL_STATUS, NEW_JOURNAL, admit};
use shared::domain::prima_slots::{PUT_OFF, Slot};
use shared::domain::state::StoreError;
use shared::kit::clock::{Clock as _, after};
use shared::prima::finance::{Posting, PrimaFinance};
use shared::prima::{Outcome, PrimaError};

use crate::content::new_journal;
use crate::{Disposition, Done, PortTypes, Ports, Returned, SENT_WITHIN, Step, TRIED_AGAIN, Work};

impl<T: PortTypes> Ports<T> {
    /// Asks Prima whether it has the journal.
    pub(crate) async fn ask(&self, cycle: Box<CycleRow>, row: JournalRow, work: &Work<'_>) -> Step {
        let cycle = match self.may_call(JOURNAL_STATUS, cycle, &row, work).await {
            Ok(cycle) => cycle,
            Err(disposition) => return Step::End(disposition),
        };
        let asked_at = self.clock.now();
        let answer = self.prima.journal_status(&row.guid).await;
        let is_silent = self.note_answer(JOURNAL_STATUS, &answer).await;
        let now = self.clock.now();
        match answer {
            Ok(Some(posted)) if posted.reference == row.reference => {
                let posted = row.clone().posted(Some(posted.number), Known::Question, now);
                self.ends(cycle, &row, posted, Done::Posted).await
            }
            Ok(Some(other)) => {
                let text = format!(
                    "Prima has another journal under its TPGUID {}: {}",
                    row.guid, other.reference
                );
                let asks = row.clone().needs_person_because(text, now);
                self.ends(cycle, &row, asks, Done::Exception).await
            }
            Ok(None) => {
                let absent = row.clone().absent(work.waits, asked_at);
                self.goes_on(cycle, &row, absent).await
            }
            // Prima's matter, and not the journal's.
            Err(problem) if is_silent || problem.outcome == Outcome::NotSent => {
                Step::End(self.later(cycle, &row, TRIED_AGAIN, work).await)
            }
            Err(problem) => {
                let text = format!("Prima's answer to the question for it is of no use: {problem}");
                let unclear = row.clone().unclear(text, now);
                if unclear.stage == Stage::NeedsPerson {
                    return self.ends(cycle, &row, unclear, Done::Exception).await;
                }
                let wait = TRIED_AGAIN * unclear.unclear;
                match self.update(*cycle, &row, unclear.clone()).await {
                    Ok(cycle) => Step::End(self.later(Box::new(cycle), &unclear, wait, work).await),
                    Err(disposition) => Step::End(disposition),
                }
            }
        }
    }

    /// Sends the journal: its content is read and checked, its reference reserved, the attempt
    /// noted, its evidence written; then it goes out.
    pub(crate) async fn send(
        &self,
        cycle: Box<CycleRow>,
        row: JournalRow,
        work: &Work<'_>,
    ) -> Step {
        let unavailable = || Step::End(Disposition::Return(Returned::StoreUnavailable));
        if !self.finance.capabilities.new_journal {
            let text = "this site has no NewJournal: set finance.capabilities.new_journal in the installation document, or journal to file in the channel's payout rules";
            return self.cannot_send(cycle, row, text.to_owned()).await;
        }
        let (journal, written) = match self.written(&cycle, &row).await {
            Ok(Ok(written)) => written,
            Ok(Err(problem)) => return self.cannot_send(cycle, row, problem).await,
            Err(_) => return unavailable(),
        };
        match self.is_reserved(&row, work).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => return self.cannot_send(cycle, row, problem).await,
            Err(_) => return unavailable(),
        }
        match self.recalled(&row, &written.csv, JournalWay::Service).await {
            Ok(None) => {}
            Ok(Some(recalled)) => return self.goes_on(cycle, &row, recalled).await,
            Err(_) => return unavailable(),
        }
        let cycle = match self.may_call(NEW_JOURNAL, cycle, &row, work).await {
            Ok(cycle) => cycle,
            Err(disposition) => return Step::End(disposition),
        };
        let attempted = row.clone().attempted(self.clock.now());
        let cycle = match self.update(*cycle, &row, attempted.clone()).await {
            Ok(cycle) => Box::new(cycle),
            Err(disposition) => return Step::End(disposition),
        };
        let evidence = evidence_file(&row.reference);
        let answer = self.send_noted(&journal, &attempted, evidence, written.csv).await;
        self.answered(cycle, attempted, answer, work).await
    }

    /// Sends what is noted, soon after it was noted or not at all.
    async fn send_noted(
        &self,
        journal: &Journal,
        attempted: &JournalRow,
        evidence: String,
        csv: Vec<u8>,
    ) -> Result<Posting, PrimaError> {
        if let Err(problem) = self.files.write(&evidence, csv).await {
            return Err(PrimaError::not_sent(NEW_JOURNAL, problem.to_string()));
        }
        if self.clock.now() > after(attempted.since, SENT_WITHIN) {
            return Err(PrimaError::not_sent(NEW_JOURNAL, "recording the attempt took too long"));
        }
        let answer = self.prima.new_journal(&new_journal(journal)).await;
        self.note_answer(NEW_JOURNAL, &answer).await;
        answer
    }

    /// What Prima answered to an attempt.
    async fn answered(
        &self,
        cycle: Box<CycleRow>,
        sent: JournalRow,
        answer: Result<Posting, PrimaError>,
        work: &Work<'_>,
    ) -> Step {
        let now = self.clock.now();
        let (moved, done) = match answer {
            Ok(Posting::Posted) => {
                (sent.clone().posted(None, Known::Answer, now), Some(Done::Posted))
            }
            Ok(Posting::WasPosted(_)) => {
                (sent.clone().posted(None, Known::Duplicate, now), Some(Done::Posted))
            }
            Err(problem) if problem.outcome == Outcome::Refused => {
                let refused = sent.clone().refused(problem.message, work.answers, now);
                (refused, Some(Done::Exception))
            }
            Err(problem) if problem.outcome == Outcome::NotSent => {
                (sent.clone().not_sent(problem.to_string(), now), None)
            }
            Err(problem) => {
                tracing::warn!(cycle = %cycle.key, journal = %sent.reference, %problem, "the outcome of NewJournal is unknown: the journal is in doubt");
                (sent.clone().lost(problem.to_string(), now), None)
            }
        };
        let concluded = match self.conclude(*cycle, &sent, moved.clone()).await {
            Ok(cycle) => cycle,
            Err(disposition) => return Step::End(disposition),
        };
        match done {
            Some(done) => {
                self.announce(concluded, |_| true).await;
                Step::End(Disposition::Done(done))
            }
            None => {
                let wait = match moved.stage {
                    Stage::InDoubt => work.waits.longest_execution,
                    _ => TRIED_AGAIN,
                };
                Step::End(self.later(Box::new(concluded), &moved, wait, work).await)
            }
        }
    }

    /// What the bucket knows of a journal whose row knows of no attempt: it may have been sent, or
    /// imported, before the table was lost.
    pub(crate) async fn recalled(
        &self,
        row: &JournalRow,
        csv: &[u8],
        way: JournalWay,
    ) -> Result<Option<JournalRow>, StoreError> {
        if row.first_attempt_at.is_some() {
            return Ok(None);
        }
        let now = self.clock.now();
        let evidence = evidence_file(&row.reference);
        if let Some(sent) = self.files.read(&evidence).await? {
            return Ok(Some(if sent == csv {
                row.clone().forgotten(now)
            } else {
                row.clone().needs_person_because(
                    format!("it was sent before its row was lost, with other content ({evidence})"),
                    now,
                )
            }));
        }
        let import = import_file(&row.reference);
        if way == JournalWay::Service && self.files.read(&import).await?.is_some() {
            let text = format!(
                "a file of it was written before its row was lost, and somebody may have imported it ({import})"
            );
            return Ok(Some(row.clone().needs_person_because(text, now)));
        }
        Ok(None)
    }

    async fn cannot_send(&self, cycle: Box<CycleRow>, row: JournalRow, problem: String) -> Step {
        let unusable = row.clone().unusable(problem, self.clock.now());
        self.ends(cycle, &row, unusable, Done::Exception).await
    }

    /// The reference is reserved for this very journal. `Err` of the answer: whose it is.
    pub(crate) async fn is_reserved(
        &self,
        row: &JournalRow,
        work: &Work<'_>,
    ) -> Result<Result<(), String>, StoreError> {
        let reserved = self.payouts.reserve_reference(&row.reference, work.message).await?;
        Ok(reserved.map_err(|holder| {
            format!("its reference is that of a journal of cycle {}", holder.cycle)
        }))
    }

    /// Whether Prima may be called now; else what becomes of the message.
    async fn may_call(
        &self,
        operation: &'static str,
        cycle: Box<CycleRow>,
        row: &JournalRow,
        work: &Work<'_>,
    ) -> Result<Box<CycleRow>, Disposition> {
        if work.run.slot != Slot::Leased {
            return Err(self.later(cycle, row, PUT_OFF, work).await);
        }
        if !self.has_time_for(1, work.run) {
            return Err(self.later(cycle, row, PUT_OFF, work).await);
        }
        let now = self.clock.now();
        if admit(&self.state, &self.behaviour, Call::of(operation), now).await == Admission::Refused
        {
            let wait = self.behaviour.probe_interval();
            return Err(self.later(cycle, row, wait, work).await);
        }
        Ok(cycle)
    }

    /// Notes whether Prima answered at all. True where it does not answer such calls now, whatever
    /// the journal.
    async fn note_answer<A>(
        &self,
        operation: &'static str,
        answer: &Result<A, PrimaError>,
    ) -> bool {
        let now = self.clock.now();
        let call = Call::of(operation);
        prima_breaker::note(&self.state, &self.events, &self.behaviour, call, answer, now).await
    }
}
