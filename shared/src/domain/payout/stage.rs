//! How far a journal has come on its way into Prima, and what may come next.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far a journal has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Stage {
    /// A person has yet to approve it.
    AwaitingApproval,
    /// It may go out.
    Approved,
    /// A message for it is in the queue.
    Queued,
    /// An attempt is noted: nobody knows yet what became of it.
    Posting,
    /// An attempt's answer was lost.
    InDoubt,
    /// Prima has it.
    Posted {
        /// Prima's own number, where it told one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<String>,
        /// How that is known.
        known: Known,
    },
    /// Prima refused it: nothing was posted.
    Rejected,
    /// Its content is missing, or is not what was approved: nothing was sent.
    Unusable,
    /// Its file is being written.
    Writing,
    /// Its file is there: a person imports it, and says so.
    Written,
    /// Nobody but a person can say whether Prima has it.
    NeedsPerson,
    /// A person holds it back.
    Held(Act),
}

/// How it is known that Prima has a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Known {
    /// It took it.
    Answer,
    /// It was asked.
    Question,
    /// It refused it as one that it has.
    Duplicate,
    /// A person looked.
    Person(Act),
}

/// Who did what, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub note: String,
}

/// How the site's Prima tells whether it has a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// `JournalStatus` is there.
    pub tells_status: bool,
    /// A `TPGUID` that it has is refused, in words that are known.
    pub refuses_duplicates: bool,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// Until a request that was sent can no longer have an effect.
    pub longest_execution: Duration,
    /// Between the two questions that must both find nothing.
    pub second_question: Duration,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it is done, or a person has to act.
    Nothing,
    /// A message into the queue.
    Enqueue,
    /// Ask Prima whether it has it.
    Ask,
    /// Note an attempt, then send it.
    Send,
    /// Note it, then write its file.
    Write,
    /// Nothing before then.
    WaitUntil(Timestamp),
    /// Tell a person that nobody else can say whether Prima has it.
    AskPerson,
}

/// Why a person's act is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPossible {
    /// It is not in a stage for that.
    #[error("journal {reference} is {stage}")]
    Stage {
        /// The journal.
        reference: String,
        /// Its stage, in words.
        stage: &'static str,
    },
    /// What was looked at is not what would be sent now.
    #[error("journal {reference} has changed since: look at it again")]
    Changed {
        /// The journal.
        reference: String,
    },
}

/// What a person found out about a journal in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// Prima has it.
    Posted,
    /// Prima does not have it: it is sent again.
    NotPosted,
}

impl Stage {
    /// The stage in words.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::AwaitingApproval => "waiting for approval",
            Self::Approved => "approved",
            Self::Queued => "in the queue",
            Self::Posting => "being posted",
            Self::InDoubt => "in doubt: its answer was lost",
            Self::Posted { .. } => "posted",
            Self::Rejected => "rejected by Prima",
            Self::Unusable => "not to be used: its content is missing, or is not what was approved",
            Self::Writing => "being written to a file",
            Self::Written => "in a file that waits for its import",
            Self::NeedsPerson => "in doubt: a person has to look into Prima",
            Self::Held(_) => "held back",
        }
    }
}
