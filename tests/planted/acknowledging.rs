//! Bugs of `acknowledge-orders`.

use crate::bugs::{Bug, Edit, Simulation};

const LIB: &str = "functions/acknowledge-orders/src/lib.rs";
const LISTING: &str = "functions/acknowledge-orders/src/listing.rs";
const RECORD: &str = "functions/acknowledge-orders/src/record.rs";
const REFERENCES: &str = "functions/acknowledge-orders/src/references.rs";
const SWEEP: &str = "functions/acknowledge-orders/src/sweep.rs";
const ACCEPT: &str = "functions/acknowledge-orders/src/accept.rs";
const LEASE: &str = "functions/acknowledge-orders/src/lease.rs";

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "store-before-accepting",
        why: "A call to the store stands between the listing and accepting: what is wrong with it keeps orders from being accepted.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: LIB,
            find: "        let accepted = self.accept_waiting(&client, channel, &listing, &mut poll.state, &mut report).await;\n",
            replace: "        let known = self.store.load_breakers().await.is_ok();
        let accepted = if known { self.accept_waiting(&client, channel, &listing, &mut poll.state, &mut report).await } else { Vec::new() };\n",
        }],
    },
    Bug {
        name: "accepting-while-paging",
        why: "Each page's orders are accepted before the next page is read.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: LISTING,
            find: "            let joins = part.joins(&page);\n",
            replace: "            let joins = part.joins(&page);
        for order in page.orders.iter().filter(|order| order.order_state == OrderState::WaitingAcceptance) {
            let _accepted = client.accept_order(&order.order_id, &order.line_ids()).await;
        }\n",
        }],
    },
    Bug {
        name: "only-the-first-line-accepted",
        why: "OR21 decides on one line only.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: LISTING,
            find: "            line_ids: order.line_ids(),\n",
            replace: "            line_ids: order.line_ids().into_iter().take(1).collect(),\n",
        }],
    },
    Bug {
        name: "accepting-while-observing",
        why: "A channel that is only observed has its orders accepted.",
        simulation: Simulation::Orders,
        edits: &[Edit { file: ACCEPT, find: "        if channel.orders == Mode::Observe {\n            for order in &waiting {", replace: "        if channel.orders == Mode::Off {\n            for order in &waiting {" }],
    },
    Bug {
        name: "watermark-passes-waiting-order",
        why: "The watermark moves past an order that could not be accepted.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: LISTING,
            find: "            (Some(latest), Some(waiting)) => Some(latest.min(waiting)),\n",
            replace: "            (Some(latest), Some(_)) => Some(latest),\n",
        }],
    },
    Bug {
        name: "watermark-moves-on-incomplete-listing",
        why: "The watermark moves although a page of the listing did not come.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: LEASE,
            find: "            if window.is_complete() {\n",
            replace: "            if window.pages > 0 || window.is_complete() {\n",
        }],
    },
    Bug {
        name: "message-sent-before-its-row",
        why: "Two writes swapped: the message goes out before the row that it is about is saved.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: RECORD,
            find: "        for _try in 0..3 {\n            match self.store.save_order(&mut row).await {\n                Ok(()) => return follow_up_of(&row, order, next),\n",
            replace: "        if let Saved::Create(message) = follow_up_of(&row, order, next) {
            self.send(channel, &[message]).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            next = Next::Nothing;
        }
        for _try in 0..3 {\n            match self.store.save_order(&mut row).await {\n                Ok(()) => return follow_up_of(&row, order, next),\n",
        }],
    },
    Bug {
        name: "waiting-rows-left-to-a-listing-that-never-ends",
        why: "What waits with us is driven on by a listing of all that is open alone, and one that did not fit into its run begins anew.",
        simulation: Simulation::Orders,
        edits: &[
            Edit {
                file: SWEEP,
                find: "        waiting.retain(|order_id| !listed.contains(order_id.as_str()));\n        waiting\n",
                replace: "        waiting.retain(|order_id| listed.contains(order_id.as_str()));\n        waiting.clear();\n        waiting\n",
            },
            Edit {
                file: LEASE,
                find: "        self.state.full_rest = listing.rest_of(full, accepted);\n",
                replace: "        self.state.full_rest = listing.rest_of(full, accepted).filter(|rest| rest.offset == 0);\n",
            },
        ],
    },
    Bug {
        name: "first-kind-of-listing-always-first",
        why: "Where Mirakl's limit leaves one call a run, the same kind of listing gets it each time.",
        simulation: Simulation::Orders,
        edits: &[Edit { file: LEASE, find: "        self.state.turns_owed = owed;\n", replace: "        self.state.turns_owed = owed.split_off(owed.len());\n" }],
    },
    Bug {
        name: "references-written-though-refused",
        why: "References count as written although OR04 failed.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: REFERENCES,
            find: "                rights::note(&mut poll.refused, channel, WRITE, false, Some(&problem), now);\n                return;\n            }\n        };\n",
            replace: "                rights::note(&mut poll.refused, channel, WRITE, false, Some(&problem), now);
                let answer = |row: &OrderRow| shared::mirakl::ReferenceAnswer { order_id: row.key.order_id.clone(), refused: None };
                pending.iter().map(answer).collect()\n            }\n        };\n",
        }],
    },
    Bug {
        name: "unannounced-exceptions-not-swept",
        why: "An exception whose announcement a crash cut off is never told.",
        simulation: Simulation::Orders,
        edits: &[Edit { file: SWEEP, find: "            if is_due {\n                announce", replace: "            if is_due && exception_is_old(&row, now) {\n                announce" }, Edit {
            file: SWEEP,
            find: "/// A younger exception of",
            replace: "fn exception_is_old(row: &OrderRow, now: Timestamp) -> bool {
    row.since < before(now, SHOWN_FOR)
}

/// A younger exception of",
        }],
    },
];
