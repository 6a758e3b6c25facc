//! Bugs of telling Mirakl what has left, and of telling people why that cannot be.

use crate::bugs::{Bug, Edit, Simulation};

const COLLECT: &str = "functions/collect-dispatches/src/lib.rs";
const UPDATE: &str = "functions/update-dispatches/src/lib.rs";
const GATE: &str = "functions/update-dispatches/src/rights.rs";
const MESSAGE: &str = "shared/src/domain/dispatch/mod.rs";
const RIGHTS: &str = "shared/src/domain/rights.rs";
const ANSWER: &str = "functions/collect-dispatches/src/answer.rs";

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "a-copy-for-every-look",
        why: "A dispatch's message is sent again beside the one that is under way, and each copy comes back for ever.",
        simulation: Simulation::Dispatches,
        edits: &[
            Edit {
                file: MESSAGE,
                find: "            Some(message) if now < message.lost_at() => return false,\n",
                replace: "            Some(message) if now < message.lost_at() && message.resent > 99 => return false,\n",
            },
            Edit {
                file: UPDATE,
                find: "is_some_and(|dispatch| dispatch.is_ahead_of_message(self.clock.now()))",
                replace: "is_some_and(|dispatch| dispatch.parcels.len() > 99 && dispatch.is_ahead_of_message(self.clock.now()))",
            },
        ],
    },
    Bug {
        name: "a-missing-right-is-silent",
        why: "Nobody is told of a right that Mirakl refuses a key of dispatching.",
        simulation: Simulation::Dispatches,
        edits: &[
            Edit {
                file: GATE,
                find: "let Some(untold) = untold.filter(|one| noted || one.is_left_untold(now)) else { return };",
                replace: "let Some(untold) = untold.filter(|one| noted && one.people_told.is_told()) else { return };",
            },
            Edit {
                file: COLLECT,
                find: "filter(|right| right.is_left_untold(now))",
                replace: "filter(|right| right.is_left_untold(now) && right.refusals > 9999)",
            },
        ],
    },
    Bug {
        name: "a-missing-right-is-told-with-every-try",
        why: "That people were told of a missing right is not noted: each refused call tells again.",
        simulation: Simulation::Dispatches,
        edits: &[Edit {
            file: RIGHTS,
            find: "            one.people_told.note(Sent { message: false, event: true }, now);\n",
            replace: "            one.people_told.note(Sent::default(), now);\n",
        }],
    },
    Bug {
        name: "a-right-that-is-back-is-not-tried",
        why: "What was refused once is never called again.",
        simulation: Simulation::Dispatches,
        edits: &[Edit {
            file: RIGHTS,
            find: "        (next_try > now).then(|| next_try.duration_since(now).unsigned_abs())\n",
            replace: "        (next_try > Timestamp::MIN).then(|| next_try.max(after(now, FIRST_WAIT)).duration_since(now).unsigned_abs())\n",
        }],
    },
    Bug {
        name: "unanswered-dispatch-never-told",
        why: "An order to whose calls Mirakl never gives a usable answer is tried on and on, and nobody is told.",
        simulation: Simulation::Dispatches,
        edits: &[Edit {
            file: "shared/src/domain/dispatch/unanswered.rs",
            find: "        self.count >= NOTED && self.own >= OWN",
            replace: "        false && self.own >= OWN",
        }],
    },
    Bug {
        name: "no-deadline-for-what-has-left",
        why: "The nearing deadline of a dispatch that cannot be told to Mirakl is not said.",
        simulation: Simulation::Dispatches,
        // Each of the two places tells what the other would: a row that is looked at for its message,
        // and all the others that wait for theirs.
        edits: &[
            Edit {
                file: ANSWER,
                find: "begin_message(now);\n        let warning = self.warn_of_deadline(&mut row, rules, now);\n",
                replace: "begin_message(now);\n        let warning = None;\n",
            },
            Edit {
                file: COLLECT,
                find: "for row in dispatched.into_iter().filter(|row| !is_due(row, now)) {",
                replace: "for row in dispatched.into_iter().filter(|row| !is_due(row, now)).take(0) {",
            },
        ],
    },
];
