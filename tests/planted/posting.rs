//! Bugs of posting journals.

use crate::bugs::{Bug, Edit, Simulation};

const STAGES: &str = "shared/src/domain/payout/posting.rs";
const SENDING: &str = "functions/post-journals/src/sending.rs";
const FILES: &str = "shared/src/domain/payout/journal_files.rs";
const FILE_WAY: &str = "functions/post-journals/src/file_way.rs";
const UPDATING: &str = "functions/post-journals/src/updating.rs";

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "journal-asked-for-too-early",
        why: "A journal whose answer was lost is asked for while Prima may still be at it.",
        simulation: Simulation::Payouts,
        edits: &[Edit {
            file: STAGES,
            find: "self.attempted_at.unwrap_or(self.since) + waits.longest_execution;",
            replace: "self.attempted_at.unwrap_or(self.since) + waits.second_question;",
        }],
    },
    Bug {
        name: "journal-sent-without-a-note",
        why: "The attempt is noted nowhere before it is sent: a crash after it sends it again.",
        simulation: Simulation::Payouts,
        edits: &[Edit {
            file: SENDING,
            find: "let cycle = match self.update(*cycle, &row, attempted.clone()).await {",
            replace: "let cycle = match Ok::<_, Disposition>(*cycle) {",
        }],
    },
    Bug {
        name: "journal-sent-blindly-a-second-time",
        why: "Where Prima can tell nothing, a journal whose answer was lost is sent again without a person.",
        simulation: Simulation::Payouts,
        edits: &[Edit {
            file: STAGES,
            find: "if !answers.tells_status && !answers.refuses_duplicates {\n            return Next::AskPerson;",
            replace: "if !answers.tells_status && !answers.refuses_duplicates {\n            return Next::Send;",
        }],
    },
    Bug {
        name: "evidence-of-a-journal-ignored",
        why: "After the table was lost a journal that was sent before is taken for a new one.",
        simulation: Simulation::Payouts,
        edits: &[Edit {
            file: SENDING,
            find: "if row.first_attempt_at.is_some() {",
            replace: "if row.first_attempt_at.is_some() || row.attempts == 0 {",
        }],
    },
    Bug {
        name: "content-of-a-journal-not-checked",
        why: "Whatever stands in the bucket is sent, whether it was approved or not.",
        simulation: Simulation::Payouts,
        edits: &[Edit {
            file: FILES,
            find: "if sha256_hex(bytes) != row.hash {",
            replace: "if sha256_hex(bytes).is_empty() {",
        }],
    },
    Bug {
        name: "import-file-overwritten",
        why: "A file that somebody may have imported is replaced by another.",
        simulation: Simulation::Payouts,
        edits: &[Edit {
            file: FILE_WAY,
            find: "stored.as_ref().is_none_or(|stored| stored == bytes)",
            replace: "stored.as_ref().is_none_or(|stored| stored.len() + bytes.len() > 0)",
        }],
    },
    Bug {
        name: "posted-journal-not-noted",
        why: "What Prima answered is dropped where another run has noted something in the same row.",
        simulation: Simulation::Payouts,
        edits: &[Edit {
            file: UPDATING,
            find: "matches!(stored.stage, Stage::Posting | Stage::InDoubt | Stage::NeedsPerson)\n        && (",
            replace: "stored.message_due == sent.message_due\n        && stored.stage == Stage::Queued\n        && (",
        }],
    },
];
