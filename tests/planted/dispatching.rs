//! Bugs of telling what has left, and of giving back what will not leave.

use crate::bugs::{Bug, Edit, Simulation};

const SETTLEMENT: &str = "shared/src/domain/dispatch/settlement.rs";
const FOUND: &str = "shared/src/domain/dispatch/prima_answer.rs";

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "tax-of-an-earlier-refund-ignored",
        why: "A refund sends the whole tax, although a part of it was given back before.",
        simulation: Simulation::Dispatches,
        edits: &[Edit {
            file: SETTLEMENT,
            find: "let amount = of(whole, back).min(",
            replace: "let amount = of(whole, back - back).min(",
        }],
    },
    Bug {
        name: "anothers-refund-taken-for-ours",
        why: "One entry more on the line tells that our refund, whose answer was lost, had its effect.",
        simulation: Simulation::Dispatches,
        edits: &[Edit {
            file: SETTLEMENT,
            find: "let Some(amount) = line.amount else {",
            replace: "let Some(amount) = line.amount.filter(|_| line.quantity == 0) else {",
        }],
    },
    Bug {
        name: "refunded-piece-refunded-again",
        why: "A piece that somebody else refunded, and that Prima does not send, is refunded by us as well.",
        simulation: Simulation::Dispatches,
        edits: &[Edit {
            file: SETTLEMENT,
            find: "refunded_pieces(line)?.saturating_sub(ours).min(quantity)",
            replace: "refunded_pieces(line)?.saturating_sub(line.quantity).min(quantity)",
        }],
    },
    Bug {
        name: "parcel-of-nothing-is-all",
        why: "A parcel whose lines all have the quantity 0 is told as everything.",
        simulation: Simulation::Dispatches,
        edits: &[Edit {
            file: FOUND,
            find: ".all(|line| line.quantity == 0)",
            replace: ".all(|line| line.quantity == u32::MAX)",
        }],
    },
    Bug {
        name: "unread-parcel-taken-for-short",
        why: "A parcel whose lines cannot be read counts as none: what has left is cancelled or refunded.",
        simulation: Simulation::Dispatches,
        edits: &[Edit {
            file: FOUND,
            find: "    progress.unclear.clone().or_else(",
            replace: "    progress.unclear.clone().filter(|text| text.is_empty()).or_else(",
        }],
    },
];
