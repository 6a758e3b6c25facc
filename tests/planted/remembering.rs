//! Bugs of what both functions share: the rules of an order's life, the mapping, the breaker,
//! telling people, batches.

use crate::bugs::{Bug, Edit, Simulation};

const ON_LISTING: &str = "shared/src/domain/order/life/on_listing.rs";
const MAPPING: &str = "shared/src/domain/order/mapping/mod.rs";
const BREAKER: &str = "shared/src/domain/prima_breaker.rs";
const EXCEPTIONS: &str = "shared/src/domain/exceptions.rs";
const NOTIFY: &str = "shared/src/domain/notify.rs";
const BATCH: &str = "shared/src/aws/batch.rs";

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "take-over-ignored",
        why: "Orders that were keyed by hand before the take-over are created again.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: ON_LISTING,
            find: "    if known.is_none_or(is_unreadable) && was_accepted_before_take_over(order, &row, channel) {\n",
            replace: "    if known.is_some() && was_accepted_before_take_over(order, &row, channel) {\n",
        }],
    },
    Bug {
        name: "older-listing-overtakes-newer",
        why: "A listing that was read earlier and recorded later turns the row back.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: ON_LISTING,
            find: "        Some(row) if row.is_newer_than(order) => return None,\n",
            replace: "        Some(row) if order.last_updated_date.is_some() && order.last_updated_date < row.listing.created => return None,\n",
        }],
    },
    Bug {
        name: "created-before-paid",
        why: "An order is created while its customer is still being debited.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: ON_LISTING,
            find: "        OrderState::WaitingDebit | OrderState::WaitingDebitPayment => {\n",
            replace: "        OrderState::WaitingDebitPayment => firm(&mut row, order, newer, at),\n        OrderState::WaitingDebit => {\n",
        }],
    },
    Bug {
        name: "cancelled-after-creation-ignored",
        why: "What Mirakl cancels after it was created stays in Prima.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: "shared/src/domain/order/life/cancellation.rs",
            find: "            row.enter(Stage::Cancelling, at.now, format!(\"{how} in Mirakl after it was created in Prima\"));\n            Next::Cancel\n",
            replace: "            row.enter(Stage::Cancelled, at.now, format!(\"{how} in Mirakl after it was created in Prima\"));\n            Next::Nothing\n",
        }],
    },
    Bug {
        name: "cancelled-pieces-created",
        why: "A line of which a part was cancelled before the creation is created in full.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: MAPPING,
            find: "                quantity: line.quantity,\n",
            replace: "                quantity: line.quantity + line.cancelations.iter().filter_map(|part| part.quantity).sum::<u32>(),\n",
        }],
    },
    Bug {
        name: "order-number-cut",
        why: "The order number is cut: the parcels of one basket share it.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: MAPPING,
            find: "    for character in rendered.chars() {\n",
            replace: "    for character in rendered.chars().take(rendered.len() - 2) {\n",
        }],
    },
    Bug {
        name: "breaker-never-closes",
        why: "A breaker of Prima's stays open once it has opened: no probe is ever due.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: BREAKER,
            find: "        self.open_since.is_none() || self.next_probe.is_none_or(is_due)\n",
            replace: "        self.open_since.is_none() || self.next_probe.is_none_or(|next| is_due(next) && now < Timestamp::MIN)\n",
        }],
    },
    Bug {
        name: "breaker-reset-by-order-status",
        why: "An answer to a question counts as an answer to NewOrder: a NewOrder that is dead opens no breaker, and each order is a person's.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: BREAKER,
            find: "        let Some(before) = breakers.operations.remove(operation) else { return };\n",
            replace: "        let before = std::mem::take(&mut breakers.operations).remove(operation).unwrap_or_default();\n",
        }],
    },
    Bug {
        name: "one-order-opens-breaker",
        why: "What Prima does again and again with one order counts each time: it opens the breaker for all.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: BREAKER,
            find: "    if operation.about.contains(&order) {\n",
            replace: "    if operation.about.contains(&order) && operation.about.is_empty() {\n",
        }],
    },
    Bug {
        name: "announcement-not-recorded",
        why: "An exception is announced, and that is not saved: it is told every minute.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: EXCEPTIONS,
            find: "    let mut saved = store.save_order(row).await;\n",
            replace: "    let mut saved = store.load_order(&row.key).await.map(drop);\n",
        }],
    },
    Bug {
        name: "dead-letter-message-not-sent",
        why: "An exception is told on the bus only.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: NOTIFY,
            find: "        if let Err(problem) = queue.send_exceptions(&[message]).await {\n",
            replace: "        if let Err(problem) = queue.send_exceptions(&[]).await {\n",
        }],
    },
    Bug {
        name: "batch-answers-the-wrong-records",
        why: "The records that are done with come again, and the others are gone.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: BATCH,
            find: ".filter(|(_, done)| !done) {\n",
            replace: ".filter(|(_, done)| *done) {\n",
        }],
    },
];
