//! Bugs of `create-prima-orders`.

use crate::bugs::{Bug, Edit, Simulation};

const LIB: &str = "functions/create-prima-orders/src/lib.rs";
const PAYMENT: &str = "shared/src/domain/order/mapping/payment.rs";
const MONEY: &str = "shared/src/domain/order/mapping/money.rs";
const CODE_PAGE: &str = "shared/src/prima/code_page.rs";
const CREATE: &str = "functions/create-prima-orders/src/create.rs";
const SENDING: &str = "functions/create-prima-orders/src/sending.rs";
const FOR_A_PERSON: &str = "functions/create-prima-orders/src/for_a_person.rs";

pub(crate) const BUGS: &[Bug] = &[
    Bug {
        name: "sent-before-noted",
        why: "Two writes swapped: NewOrder goes out before the row says that it is about to.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: CREATE,
            find: "        match self.store.save_order(&mut row).await {
            Ok(()) => self.send(row, before_attempt, document, work).await,\n",
            replace: "        let mut unsaved_row = row.clone();
        if self.prima.new_order(&document).await.is_ok() && self.store.save_order(&mut unsaved_row).await.is_ok() {
            return self.created(unsaved_row, PrimaOrderStatus::Open(\"new\".to_owned()), work).await;
        }
        match self.store.save_order(&mut row).await {
            Ok(()) => self.send(row, before_attempt, document, work).await,\n",
        }],
    },
    Bug {
        name: "row-not-read-again-before-sending",
        why: "A dropped condition: NewOrder goes out although the row changed meanwhile, by a cancellation perhaps.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: CREATE,
            find: "            Err(StoreError::Conflict(_)) => self.changed_before_sending(before_attempt, work).await,\n",
            replace: "            Err(StoreError::Conflict(_)) => {
                row.version = self.store.load_order(&row.key).await.ok().flatten().map_or(0, |current| current.version);
                match self.store.save_order(&mut row).await {
                    Ok(()) => self.send(row, before_attempt, document, work).await,
                    Err(problem) => unsaved(&row, &problem),
                }
            }\n",
        }],
    },
    Bug {
        name: "not-asked-first",
        why: "A first NewOrder goes out without asking whether Prima holds the number already.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: CREATE,
            find: "        let asked_at = self.clock.now();\n        let answer",
            replace: "        let asked_at = self.clock.now();
        if row.creation.attempt.is_none() {
            return self.absent(row, asked_at, documents, work).await;
        }\n        let answer",
        }],
    },
    Bug {
        name: "in-doubt-sent-again-without-asking",
        why: "An order in doubt is sent again without asking.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: CREATE,
            find: "        let asked_at = self.clock.now();\n        let answer",
            replace: "        let asked_at = self.clock.now();
        if let Some(attempt) = &mut row.creation.attempt {
            attempt.absences = 2;
            return self.absent(row, asked_at, documents, work).await;
        }\n        let answer",
        }],
    },
    Bug {
        name: "in-doubt-taken-for-failed",
        why: "A NewOrder whose answer was lost counts as not sent.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: SENDING,
            find: "            Err(problem) if problem.outcome == Outcome::NotSent => {\n                let mut row = row;",
            replace: "            Err(problem) if problem.outcome != Outcome::Refused => {\n                let mut row = row;",
        }],
    },
    Bug {
        name: "any-error-means-unknown-order",
        why: "Whatever Prima answers to the question with an error counts as \"unknown order\".",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: CREATE,
            find: "            Ok(None) => self.absent(row, asked_at, documents, work).await,\n            // Prima's matter",
            replace: "            Ok(None) => self.absent(row, asked_at, documents, work).await,
            Err(problem) if problem.outcome == Outcome::Refused && row.creation.unclear_answers == 0 => self.absent(row, asked_at, documents, work).await,
            // Prima's matter",
        }],
    },
    Bug {
        name: "lease-too-short",
        why: "The lease ends before the function that holds it must have ended.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: CREATE,
            find: "                until: after(work.run.hard_deadline, work.run.clock_skew),\n",
            replace: "                until: after(now, Duration::from_secs(20)),\n",
        }],
    },
    Bug {
        name: "dead-lease-honoured",
        why: "The lease of a function that died holds for ever.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: CREATE,
            find: "                Stage::Creating if row.creation.lease.as_ref().is_none_or(|lease| after(lease.until, work.run.clock_skew) < now) => {}\n",
            replace: "                Stage::Creating if row.creation.lease.is_none() => {}\n",
        }],
    },
    Bug {
        name: "number-taken-from-another-order",
        why: "A number that is reserved for another order is used all the same.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: CREATE,
            find: "            Ok(Reservation::HeldBy(other)) => {\n",
            replace: "            Ok(Reservation::HeldBy(_)) if row.creation.attempt.is_none() => row.creation.order_number = Some(number.clone()),
            Ok(Reservation::HeldBy(other)) => {\n",
        }],
    },
    Bug {
        name: "outdated-message-worked-off",
        why: "A message that is older than its row is worked off: what changed since is created as it was.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: CREATE,
            find: "            if row.is_newer_than(work.order) {\n",
            replace: "            if work.order.last_updated_date < row.listing.created {\n",
        }],
    },
    Bug {
        name: "breaker-burns-retries",
        why: "While a breaker of Prima's is open messages are returned to the queue, and end in the dead-letter queue.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: CREATE,
            find: "            return self.back_to_its_row(row, self.behaviour.probe_interval(), &work).await;\n",
            replace: "            return Disposition::Return(Returned::QueueUnavailable);\n",
        }],
    },
    Bug {
        name: "sent-without-end",
        why: "An order that Prima never takes is sent again and again.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: FOR_A_PERSON,
            find: "    unanswered.count >= MOST_SENDINGS || unanswered.count + unanswered.probes >= MOST_PROBES\n",
            replace: "    unanswered.count >= 1000 * MOST_SENDINGS || unanswered.probes >= 1000 * MOST_PROBES\n",
        }],
    },
    Bug {
        name: "asked-without-end",
        why: "An order whose question Prima never answers is asked for again and again.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: CREATE,
            find: "            Err(problem) if silent_to_all || problem.outcome == Outcome::NotSent => {",
            replace: "            Err(problem) if silent_to_all || problem.outcome != Outcome::Refused => {",
        }],
    },
    Bug {
        name: "exception-announced-unsaved",
        why: "An exception is announced although its row was not saved.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: LIB,
            find: "            Err(problem) => unsaved(&row, &problem),\n        }\n    }\n\n    async fn again",
            replace: "            Err(problem) => {
                announce(&self.store, &self.queue, &self.events, &mut row, now).await;
                unsaved(&row, &problem)
            }\n        }\n    }\n\n    async fn again",
        }],
    },
    Bug {
        name: "unpaid-order-carries-payment",
        why: "Every order is paid, whatever its workflow and its debit.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: PAYMENT,
            find: "    if is_debited(order) {\n",
            replace: "    if is_debited(order) || rule.unpaid == UnpaidOrder::Create {\n",
        }],
    },
    Bug {
        name: "fee-left-out",
        why: "A fee within the total is left out, and so is the check of the sum where there are fees.",
        simulation: Simulation::Orders,
        edits: &[
            Edit {
                file: MONEY,
                find: "    } else if besides == of_fees {\n        fees\n",
                replace: "    } else if besides == of_fees {\n        Vec::new()\n",
            },
            Edit { file: MONEY, find: "    if total != expected && problems.is_empty() {\n", replace: "    if total > expected && problems.is_empty() {\n" },
        ],
    },
    Bug {
        name: "question-marks-in-prima",
        why: "A text that Prima's code page lacks is sent as it is.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: CODE_PAGE,
            find: "    pub fn holds(self, text: &str) -> bool {\n",
            replace: "    pub fn holds(self, text: &str) -> bool {\n        if self == Self::Latin1 {\n            return true;\n        }\n",
        }],
    },
    Bug {
        name: "name-in-log-line",
        why: "A log line holds the customer's name.",
        simulation: Simulation::Orders,
        edits: &[Edit {
            file: CREATE,
            find: "        let row = match self.claim(key, &work).await {\n",
            replace: "        tracing::debug!(order = %key.order_id, customer = ?order.customer.as_ref().and_then(|customer| customer.lastname.as_ref()), \"begins\");
        let row = match self.claim(key, &work).await {\n",
        }],
    },
];
