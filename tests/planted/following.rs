//! Bugs of sending an import and of following it up.

use crate::bugs::{Bug, Edit, Simulation};

const DECISION: &str = "functions/push-stock/src/decision.rs";
const PUBLISH: &str = "functions/push-stock/src/publish.rs";
const CHECK: &str = "functions/check-stock-imports/src/lib.rs";
const IMPORTS: &str = "shared/src/domain/stock/imports.rs";
const ENDED: &str = "functions/check-stock-imports/src/ended.rs";

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "shown-once-sent",
        why: "An import's lines count as shown as soon as Mirakl has taken the file.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: PUBLISH,
            find: "                channel.memory.imports.totals.pushes += 1;\n",
            replace: "                channel.memory.imports.totals.pushes += 1;
                let shown = lines.iter().map(|line| shared::domain::stock::ledger::Change {
                    sku_hash: shared::domain::stock::ledger::sku_hash(&line.offer_sku),
                    value: shared::domain::stock::offer::Shown::Known(line.quantity),
                });
                let _ = self.append(&mut channel.stored, &shown.collect::<Vec<_>>()).await;\n",
        }],
    },
    Bug {
        name: "sent-before-in-doubt",
        why: "An import is sent while the ledger still has its lines as they were before.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: PUBLISH,
            find: "self.append(&mut channel.stored, &in_doubt(&lines)).await",
            replace: "self.append(&mut channel.stored, &in_doubt(&[])).await",
        }],
    },
    Bug {
        name: "lost-answer-taken-for-refused",
        why: "An import whose answer was lost is taken back, though it may be applied.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: PUBLISH,
            find: "Err(problem) if problem.outcome == Outcome::Unknown => {",
            replace: "Err(problem) if problem.outcome == Outcome::Unknown && problem.is_key_refused() => {",
        }],
    },
    Bug {
        name: "refused-line-counts-as-shown",
        why: "A line in the error report counts as imported.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: IMPORTS,
            find: "        let value = if refused.contains(&place) {\n",
            replace: "        let value = if refused.contains(&place) && settled.unidentified > 0 {\n",
        }],
    },
    Bug {
        name: "sold-meanwhile-counts-as-shown",
        why: "What was sold while its import was on its way counts as shown all the same.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: IMPORTS,
            find: "now @ Shown::Unknown(_) => Shown::Unknown(at_most(line, now, line.quantity)),",
            replace: "Shown::Unknown(_) => Shown::Known(line.quantity),",
        }],
    },
    Bug {
        name: "late-copy-settles-the-next-import",
        why: "A late copy of an import's message claims the lines of the import after it.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: ENDED,
            find: "|memory| memory.imports.waits_for(&message.mark),",
            replace: "|memory| memory.imports.under_way.is_some(),",
        }],
    },
    Bug {
        name: "two-imports-in-flight",
        why: "A push that is due does not wait for the import before it.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: DECISION,
            find: "} else if channel.memory.imports.under_way.is_some() {",
            replace: "} else if channel.memory.imports.under_way.is_some() && !is_due {",
        }],
    },
    Bug {
        name: "stray-lines-not-published-again",
        why: "What an import has overwritten that ended long after it was given up stays so.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: ENDED,
            find: "|ledger| published_again(&lines, ledger), Vec::as_slice)",
            replace: "|ledger| published_again(&lines[lines.len()..], ledger), Vec::as_slice)",
        }],
    },
    Bug {
        name: "failed-import-counts-as-imported",
        why: "An import that failed is settled like one that is complete.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: CHECK,
            find: "            ImportProgress::Failed(reason) => ImportState::Failed(format!(\"failed: {}\", reason.as_deref().unwrap_or(\"no reason given\"))),\n",
            replace: "            ImportProgress::Failed(_) => ImportState::Complete(Vec::new()),\n",
        }],
    },
];
