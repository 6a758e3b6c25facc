//! Bugs of what both functions share: the rules of an order's life, the mapping, the breaker, telling people, batches.

use crate::bugs::{Bug, Edit};

const LIFE: &str = "shared/src/order/life.rs";
const MAPPING: &str = "shared/src/order/mapping/mod.rs";
const INTAKE: &str = "shared/src/intake.rs";
const EXCEPTIONS: &str = "shared/src/exceptions.rs";
const BATCH: &str = "shared/src/batch.rs";

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "take-over-ignored",
        why: "Orders that were keyed by hand before the take-over are created again.",
        edits: &[Edit {
            file: LIFE,
            find: "    if known.is_none() && was_accepted_before_take_over(order, &row, channel) {\n",
            replace: "    if known.is_some() && was_accepted_before_take_over(order, &row, channel) {\n",
        }],
    },
    Bug {
        name: "older-listing-overtakes-newer",
        why: "A listing that was read earlier and recorded later turns the row back.",
        edits: &[Edit {
            file: LIFE,
            find: "        Some(row) if order.last_updated_date.is_some() && order.last_updated_date < row.mirakl_updated => return None,\n",
            replace: "        Some(row) if order.last_updated_date.is_some() && order.last_updated_date < row.mirakl_created => return None,\n",
        }],
    },
    Bug {
        name: "created-before-paid",
        why: "An order is created while its customer is still being debited.",
        edits: &[Edit {
            file: LIFE,
            find: "        OrderState::WaitingDebit | OrderState::WaitingDebitPayment => {\n",
            replace: "        OrderState::WaitingDebitPayment => firm(&mut row, order, newer, at),\n        OrderState::WaitingDebit => {\n",
        }],
    },
    Bug {
        name: "stuck-orders-not-queued-again",
        why: "An order whose message was lost stays queued for ever.",
        edits: &[Edit {
            file: LIFE,
            find: "        Stage::Queued if newer || stuck => {\n",
            replace: "        Stage::Queued if newer && stuck => {\n",
        }],
    },
    Bug {
        name: "abandoned-creations-not-driven-on",
        why: "An order whose creator died is never taken up again.",
        edits: &[Edit {
            file: LIFE,
            find: "        Stage::Creating if row.lease.as_ref().is_some_and(|lease| lease.until < before(at.now, LEASE_IS_DEAD)) => Next::Create,\n",
            replace: "        Stage::Creating if row.lease.is_none() => Next::Create,\n",
        }],
    },
    Bug {
        name: "cancelled-after-creation-ignored",
        why: "What Mirakl cancels after it was created stays in Prima.",
        edits: &[Edit {
            file: LIFE,
            find: "            row.enter(Stage::Cancelling, at.now, \"cancelled in Mirakl after it was created in Prima\");\n            Next::Cancel\n",
            replace: "            row.enter(Stage::Cancelled, at.now, \"cancelled in Mirakl after it was created in Prima\");\n            Next::Nothing\n",
        }],
    },
    Bug {
        name: "cancellation-in-doubt-forgotten",
        why: "What Mirakl cancels while it is being created is created, and nobody is told.",
        edits: &[Edit {
            file: LIFE,
            find: "        Stage::Creating | Stage::InDoubt => {\n            row.cancel_requested.get_or_insert(at.now);\n",
            replace: "        Stage::Creating | Stage::InDoubt => {\n",
        }],
    },
    Bug {
        name: "cancelled-part-overlooked",
        why: "A part that Mirakl cancels after the creation is not noticed.",
        edits: &[Edit {
            file: LIFE,
            find: "    let listed = lines_of(order);\n    if listed != row.lines {\n",
            replace: "    let listed = lines_of(order);\n    if listed.len() > row.lines.len() {\n",
        }],
    },
    Bug {
        name: "cancelled-pieces-created",
        why: "A line of which a part was cancelled before the creation is created in full.",
        edits: &[Edit {
            file: MAPPING,
            find: "                quantity: line.quantity,\n",
            replace: "                quantity: line.quantity + line.cancelations.iter().filter_map(|part| part.quantity).sum::<u32>(),\n",
        }],
    },
    Bug {
        name: "marketplace-ships-and-we-too",
        why: "An order that the marketplace ships itself is created.",
        edits: &[Edit {
            file: LIFE,
            find: "            if order.can_shop_ship == Some(false) {\n",
            replace: "            if order.can_shop_ship.is_none() && at.now < row.seen_at {\n",
        }],
    },
    Bug {
        name: "order-number-cut",
        why: "The order number is cut: the parcels of one basket share it.",
        edits: &[Edit {
            file: MAPPING,
            find: "    for character in rendered.chars() {\n",
            replace: "    for character in rendered.chars().take(rendered.len() - 2) {\n",
        }],
    },
    Bug {
        name: "intake-never-opens",
        why: "Prima's intake stays closed once it was closed: no probe is ever due.",
        edits: &[Edit {
            file: INTAKE,
            find: "        self.closed_since.is_some() && self.next_probe.is_none_or(|next| now >= next)\n",
            replace: "        self.closed_since.is_some() && self.next_probe.is_none() && now > Timestamp::MIN\n",
        }],
    },
    Bug {
        name: "intake-not-opened-by-an-answer",
        why: "An answer of Prima's does not open its intake: orders trickle as probes.",
        edits: &[Edit {
            file: INTAKE,
            find: "    let closed_since = intake.closed_since.take();\n",
            replace: "    let closed_since = intake.closed_since;\n",
        }],
    },
    Bug {
        name: "closed-intake-told-each-time",
        why: "Every further failure tells again that Prima's intake is closed.",
        edits: &[Edit {
            file: INTAKE,
            find: "        let closes = intake.closed_since.is_none() && intake.failures >= manners.failures_until_closed;\n",
            replace: "        let closes = intake.failures >= manners.failures_until_closed;\n",
        }],
    },
    Bug {
        name: "announcement-not-recorded",
        why: "An exception is announced, and that is not saved: it is told every minute.",
        edits: &[Edit {
            file: EXCEPTIONS,
            find: "    match store.save_order(row).await {\n",
            replace: "    match store.load_order(&row.key).await.map(drop) {\n",
        }],
    },
    Bug {
        name: "dead-letter-message-not-sent",
        why: "An exception is told on the bus only.",
        edits: &[Edit {
            file: EXCEPTIONS,
            find: "    if let Err(problem) = queue.send_exceptions(&[message(&row.key, &exception)]).await {\n",
            replace: "    if let Err(problem) = queue.send_exceptions(&[]).await {\n",
        }],
    },
    Bug {
        name: "batch-answers-the-wrong-records",
        why: "The records that are done with come again, and the others are gone.",
        edits: &[Edit { file: BATCH, find: ".filter(|(_, done)| !done) {\n", replace: ".filter(|(_, done)| *done) {\n" }],
    },
];
