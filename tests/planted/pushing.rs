//! Bugs of `push-stock`, and of the offer rule.

use crate::bugs::{Bug, Edit, Simulation};

const DECISION: &str = "functions/push-stock/src/decision.rs";
const READING: &str = "functions/push-stock/src/reading.rs";
const SALES: &str = "functions/push-stock/src/sales.rs";
const TICK: &str = "functions/push-stock/src/tick.rs";
const AVAILABILITY: &str = "shared/src/domain/stock/availability.rs";
const DIVISION: &str = "shared/src/domain/stock/division.rs";
const EVALUATE: &str = "shared/src/domain/stock/evaluate.rs";
const FIGURES: &str = "shared/src/domain/stock/figures.rs";
const FLIGHT: &str = "shared/src/domain/stock/flight.rs";
const OFFER: &str = "shared/src/domain/stock/offer.rs";
const OUTSTANDING: &str = "shared/src/domain/stock/outstanding.rs";
const SNAPSHOT: &str = "shared/src/domain/stock/snapshot.rs";

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "nothing-in-flight",
        why: "What is sold and not in Prima's figure yet lowers nothing.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: AVAILABILITY,
            find: "        let in_flight = self.in_flight.of(key);",
            replace: "        let in_flight = 0;",
        }],
    },
    Bug {
        name: "in-flight-read-before-the-answer",
        why: "Two reads swapped: orders are looked at before Prima has answered, and what is sold meanwhile is in neither.",
        simulation: Simulation::Stock,
        edits: &[
            Edit {
                file: TICK,
                find: "        let is_read_whole = reading_is_due(",
                replace: "        self.note_sales(&mut runs, now).await?;\n        let is_read_whole = reading_is_due(",
            },
            Edit {
                file: TICK,
                find: "sold meanwhile counts.\n        self.note_sales(&mut runs, now).await?;\n",
                replace: "sold meanwhile counts.\n",
            },
        ],
    },
    Bug {
        name: "other-channels-sales-ignored",
        why: "What a channel without stock flow sells is not in flight.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: SNAPSHOT,
            find: "in others.iter().map(OtherChannel::orders).chain(channels",
            replace: "in others.iter().skip(others.len()).map(OtherChannel::orders).chain(channels",
        }],
    },
    Bug {
        name: "created-meanwhile-counts-as-known",
        why: "The margin has the wrong sign: what was created while Prima was being asked counts as in its figure.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: FLIGHT,
            find: "after(since, settings.margin()) < asked_at",
            replace: "since < after(asked_at, settings.margin())",
        }],
    },
    Bug {
        name: "cancelled-in-mirakl-unnoticed",
        why: "A cancellation counts only once Prima has it too: until then what the marketplace put back is not seen.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: FLIGHT,
            find: "digest_of(&(sold, self.is_cancelled)),",
            replace: "digest_of(&sold),",
        }],
    },
    Bug {
        name: "unusable-figure-under-the-new-moment",
        why: "A SKU whose answer cannot be used keeps its old figure under the new moment: what was sold since is in neither.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: FIGURES,
            find: "                state = UNUSABLE_SINCE;\n            } else",
            replace: "                *old = Entry::new(old.key, free, u32::try_from(entry.source()).unwrap_or(0), UNUSABLE_SINCE);\n                continue;\n            } else",
        }],
    },
    Bug {
        name: "failed-range-taken-for-absent",
        why: "A reading of which a range failed counts as whole: the SKUs of that range count as gone.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: READING,
            find: "figures.take(&catalogue.read, catalogue.failed.is_empty())",
            replace: "figures.take(&catalogue.read, true)",
        }],
    },
    Bug {
        name: "absent-after-one-reading",
        why: "A SKU that one answer lacks goes to zero.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: OFFER,
            find: "if readings >= settings.absent_readings =>",
            replace: "if readings >= settings.absent_readings.min(1) =>",
        }],
    },
    Bug {
        name: "raised-by-an-old-figure",
        why: "An offer is raised by a figure that is hours old.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: OFFER,
            find: "is_within(asked_at, settings.raise_within_minutes, now) => { (free, Wanted::Exactly) }",
            replace: "is_within(asked_at, settings.raise_within_minutes.max(240), now) => { (free, Wanted::Exactly) }",
        }],
    },
    Bug {
        name: "raised-before-the-others-are-down",
        why: "A dropped condition: an offer is raised while another channel may still show too much of the same SKU.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: DECISION,
            find: "!others.iter().any(|channel| channel.evaluation.too_much.contains(&line.key))",
            replace: "!others.iter().any(|channel| channel.evaluation.too_much.is_empty() && channel.offers.is_none())",
        }],
    },
    Bug {
        name: "raised-beside-an-unread-list",
        why: "A channel whose list of offers is not at hand holds no raise back.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: DECISION,
            find: "all_are_usable && !runs.iter().any(|run| run.snapshot().may_show_anything())",
            replace: "all_are_usable && runs.iter().any(|run| run.is_live())",
        }],
    },
    Bug {
        name: "raised-while-documents-are-wrong",
        why: "A channel whose documents cannot be used holds no raise back.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: TICK,
            find: "self.publish_due(&mut runs, excluded.is_empty() && unusable.is_empty(), tick)",
            replace: "self.publish_due(&mut runs, true, tick)",
        }],
    },
    Bug {
        name: "mass-zero-guard-gone",
        why: "Any number of offers goes to zero because Prima has none.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: EVALUATE,
            find: "if guarded <= ALWAYS_ALLOWED {",
            replace: "if guarded >= ALWAYS_ALLOWED {",
        }],
    },
    Bug {
        name: "buffer-ignored",
        why: "Nothing is held back.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: OFFER,
            find: "let after_buffer = share.saturating_sub(terms.limits.buffer.value);",
            replace: "let after_buffer = share;",
        }],
    },
    Bug {
        name: "last-units-on-both-channels",
        why: "The last units of a SKU are offered on every channel.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: OFFER,
            find: "if is_last && !terms.offers_last_units {",
            replace: "if is_last && terms.limits.excluded.value {",
        }],
    },
    Bug {
        name: "sold-sku-not-marked-unknown",
        why: "What was sold leaves the ledger's entry as it was, though Mirakl has lowered the offer itself.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: SALES,
            find: "for (offer_sku, pieces) in flight.touched() {",
            replace: "for (offer_sku, pieces) in flight.touched().into_iter().filter(|(_, pieces)| *pieces == u32::MAX) {",
        }],
    },
    Bug {
        name: "divided-but-raised-before-the-other-is-down",
        why: "The last pieces are divided, and what a channel that is lowered may still sell until then is given to the other.",
        simulation: Simulation::Stock,
        edits: &[
            Edit {
                file: DIVISION,
                find: "room.saturating_sub(risk.min(burst))",
                replace: "room.saturating_sub(risk.min(0))",
            },
            Edit {
                file: DECISION,
                find: "!others.iter().any(|channel| channel.evaluation.too_much.contains(&line.key))",
                replace: "others.iter().all(|channel| channel.is_live())",
            },
        ],
    },
    Bug {
        name: "division-ignores-what-is-in-doubt",
        why: "An import that is under way counts as nothing where the last pieces are divided: the other channel is given them too.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: DIVISION,
            find: "Shown::InDoubt(quantity) => (quantity, pending.is_under_way),",
            replace: "Shown::InDoubt(quantity) => (quantity.min(0), pending.is_under_way),",
        }],
    },
    Bug {
        name: "divided-without-the-channel-that-is-missing",
        why: "A live channel whose list of offers is not at hand is left out of the division: its pieces are given to the others.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: SNAPSHOT,
            find: "is_one_missing || rest.iter().any(|channel| channel.may_show_anything())",
            replace: "is_one_missing && rest.iter().any(|channel| channel.may_show_anything())",
        }],
    },
    Bug {
        name: "pieces-handed-on-before-all-orders-are-known",
        why: "Pieces that a channel was taken are given to the other as soon as the import is complete: what was sold before is not listed yet.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: OUTSTANDING,
            find: "self.is_unseen |= may_have_sold && is_open;",
            replace: "self.is_unseen |= may_have_sold && is_open && before == u32::MAX;",
        }],
    },
    Bug {
        name: "pieces-that-come-back-are-taken-off",
        why: "Pieces that a channel does not sell are taken off it though it is given all of them again: imports go on without end.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: DIVISION,
            find: " && is_handed_on(index)",
            replace: " && (true || is_handed_on(index))",
        }],
    },
    Bug {
        name: "urgent-waits-for-the-pace",
        why: "What is to be lowered waits for the pace of the sales.",
        simulation: Simulation::Stock,
        edits: &[Edit {
            file: DECISION,
            find: "            to_lower: self.evaluation.to_lower,\n            at_buffer: self.evaluation.at_buffer,\n            // What waits",
            replace: "            to_lower: 0,\n            at_buffer: 0,\n            // What waits",
        }],
    },
];
