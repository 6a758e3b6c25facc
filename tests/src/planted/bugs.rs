//! The bugs. Each is a slip that could be made, or that was once made in systems of this kind.

use super::Bug;

const CREATE: &str = "functions/create-prima-orders/src/create.rs";
const CREATOR: &str = "functions/create-prima-orders/src/lib.rs";
const CANCEL: &str = "functions/create-prima-orders/src/cancel.rs";
const POLLER: &str = "functions/acknowledge-orders/src/lib.rs";
const LISTING: &str = "functions/acknowledge-orders/src/listing.rs";
const RECORD: &str = "functions/acknowledge-orders/src/record.rs";
const REFERENCES: &str = "functions/acknowledge-orders/src/references.rs";
const SWEEP: &str = "functions/acknowledge-orders/src/sweep.rs";
const LIFE: &str = "shared/src/order/life.rs";
const ROW: &str = "shared/src/order/row.rs";
const INTAKE: &str = "shared/src/intake.rs";
const ANNOUNCE: &str = "shared/src/exceptions.rs";
const NUMBER: &str = "shared/src/order/mapping/mod.rs";
const MEMORY: &str = "shared/src/state/memory.rs";

/// All of them.
pub const BUGS: &[Bug] = &[
    Bug {
        name: "a dropped condition",
        why: "a row is saved whatever its version: two writers undo each other",
        file: MEMORY,
        find: "if stored.map_or(0, |stored| stored.version) != row.version {",
        replace: "if false && stored.map_or(0, |stored| stored.version) != row.version {",
    },
    Bug {
        name: "sent before it is noted",
        why: "NewOrder goes out before the row says so: a crash between them forgets it",
        file: CREATE,
        find: "        match self.store.save_order(&mut row).await {\n            Ok(()) => self.send(row, before_attempt, document, work).await,",
        replace: "        let _early = self.prima.new_order(&document).await;\n        match self.store.save_order(&mut row).await {\n            Ok(()) => self.created(row, PrimaOrderStatus::Open(\"new\".to_owned()), work).await,",
    },
    Bug {
        name: "sent without asking",
        why: "Prima is not asked before NewOrder",
        file: CREATE,
        find: "let answer = self.prima.order_status(&number).await;\n        self.note_answer(&answer).await;\n        match answer {\n            Ok(Some(status)) if row.attempt.is_some()",
        replace: "let answer: Result<Option<PrimaOrderStatus>, PrimaError> = Ok(None);\n        self.note_answer(&answer).await;\n        match answer {\n            Ok(Some(status)) if row.attempt.is_some()",
    },
    Bug {
        name: "asked once",
        why: "one question that finds nothing is enough to send again",
        file: CREATE,
        find: "if attempt.absences < 2 {",
        replace: "if attempt.absences < 1 {",
    },
    Bug {
        name: "asked too early",
        why: "the question is asked while Prima may still be at work on the lost NewOrder",
        file: CREATE,
        find: "(now < not_before).then(|| not_before.duration_since(now).unsigned_abs())",
        replace: "(now < not_before && now < attempt.at).then(|| not_before.duration_since(now).unsigned_abs())",
    },
    Bug {
        name: "a lost answer taken for a failure",
        why: "after NewOrder without an answer the attempt is forgotten",
        file: CREATE,
        find: "Err(problem) if problem.outcome == Outcome::NotSent => {",
        replace: "Err(problem) if problem.outcome != Outcome::Refused => {",
    },
    Bug {
        name: "any error means unknown",
        why: "whatever Prima answers with an error counts as \"unknown order\"",
        file: CREATE,
        find: "            Ok(None) => self.absent(row, asked_at, rules, work).await,\n            Err(problem) if problem.outcome == Outcome::Refused => {",
        replace: "            Ok(None) => self.absent(row, asked_at, rules, work).await,\n            Err(problem) if problem.outcome == Outcome::Refused && row.unclear_answers == 0 => self.absent(row, asked_at, rules, work).await,\n            Err(problem) if problem.outcome == Outcome::Refused => {",
    },
    Bug {
        name: "no lease",
        why: "whoever gets the message creates the order, whoever else is at it",
        file: CREATE,
        find: "Stage::Creating if row.lease.as_ref().is_none_or(|lease| after(lease.until, work.run.clock_skew) < now) => {}",
        replace: "Stage::Creating => {}",
    },
    Bug {
        name: "a lease shorter than its holder",
        why: "the lease ends while its holder is still at work",
        file: CREATE,
        find: "until: after(work.run.hard_deadline, work.run.clock_skew),",
        replace: "until: after(now, Duration::from_secs(1)),",
    },
    Bug {
        name: "a truncated order number",
        why: "the number is cut, so that two orders share it",
        file: CREATE,
        find: "                Ok(number) => number,\n                Err(failure) => return self.fail(row, failure.kind, failure.reason, failure.remedy).await,",
        replace: "                Ok(number) => number.chars().take(8).collect(),\n                Err(failure) => return self.fail(row, failure.kind, failure.reason, failure.remedy).await,",
    },
    Bug {
        name: "found in Prima is taken for ours",
        why: "an order that somebody keyed under the number counts as created by us",
        file: CREATE,
        find: "Ok(Some(status)) if row.attempt.is_some() => self.created(row, status, work).await,",
        replace: "Ok(Some(status)) => self.created(row, status, work).await,",
    },
    Bug {
        name: "a cancellation not read again",
        why: "a save that finds the row changed sends all the same",
        file: CREATE,
        find: "Err(StoreError::Conflict(_)) => self.changed_before_sending(before_attempt, work).await,",
        replace: "Err(StoreError::Conflict(_)) => self.send(row, before_attempt, document, work).await,",
    },
    Bug {
        name: "a cancellation forgotten on creation",
        why: "an order cancelled while it was being created stays in Prima",
        file: CREATE,
        find: "let cancelled_meanwhile = row.cancel_requested.is_some();",
        replace: "let cancelled_meanwhile = false;",
    },
    Bug {
        name: "a message older than its row",
        why: "an outdated message is worked off",
        file: CREATE,
        find: "if work.order.last_updated_date < row.mirakl_updated {",
        replace: "if work.order.last_updated_date < row.mirakl_created {",
    },
    Bug {
        name: "cancelled without asking",
        why: "a lost CancelOrder is repeated without a question, and its refusal taken for the truth",
        file: CANCEL,
        find: "Err(problem) if problem.outcome == Outcome::Refused => match self.prima.order_status(&number).await {",
        replace: "Err(problem) if problem.outcome == Outcome::Refused => match Ok::<_, shared::prima::PrimaError>(Some(PrimaOrderStatus::Open(problem.message.clone()))) {",
    },
    Bug {
        name: "a cancellation believed",
        why: "CancelOrder without an answer counts as done",
        file: CANCEL,
        find: "            // The next question tells whether it had its effect.\n            Err(_) => self.again(message, Duration::from_secs(60)).await,",
        replace: "            Err(_) => self.cancelled(row, \"cancelled\").await,",
    },
    Bug {
        name: "burning retries",
        why: "a message that has to wait is returned, and its receives run out",
        file: CREATOR,
        find: "match self.queue.send(std::slice::from_ref(message), delay.min(Duration::from_secs(900))).await {",
        replace: "match Err::<(), ()>(()).or_else(|()| if delay.is_zero() { Ok(()) } else { Err(()) }) {",
    },
    Bug {
        name: "a breaker that never opens",
        why: "once Prima failed, its answers are no longer noticed",
        file: INTAKE,
        find: "    if intake.failures == 0 && intake.closed_since.is_none() {\n        return;",
        replace: "    if intake.closed_since.is_some() || intake.failures == 0 {\n        return;",
    },
    Bug {
        name: "an alarm for each failure",
        why: "every failure behind a closed breaker is an alarm",
        file: INTAKE,
        find: "let closes = intake.closed_since.is_none() && intake.failures >= manners.failures_until_closed;",
        replace: "let closes = intake.failures >= manners.failures_until_closed;",
    },
    Bug {
        name: "one line accepted",
        why: "only the first line of an order is decided",
        file: POLLER,
        find: "client.accept_order(&order.order_id, &order.line_ids).await",
        replace: "client.accept_order(&order.order_id, &order.line_ids[..1.min(order.line_ids.len())]).await",
    },
    Bug {
        name: "memory before acceptance",
        why: "without the table nothing is accepted",
        file: POLLER,
        find: "return if (now.as_second() / 60) % interval == 0 { Turn::Ours(Turned::blind()) } else { Turn::Skip(\"not due\") };",
        replace: "return if (now.as_second() / 60) % interval == interval { Turn::Ours(Turned::blind()) } else { Turn::Skip(\"not due\") };",
    },
    Bug {
        name: "a watermark passing a waiting order",
        why: "the watermark moves past orders that were not accepted, and no listing by state makes up for it",
        file: LISTING,
        find: "(Some(latest), Some(waiting)) => Some(latest.min(waiting)),",
        replace: "(Some(latest), Some(_)) => Some(latest + Duration::from_secs(4 * 3600)),",
    },
    Bug {
        name: "a watermark moved by half a listing",
        why: "a listing that broke off, or could not be recorded, moves the watermark",
        file: POLLER,
        find: "let clean = listing.complete && recorded;\n        if full && clean {",
        replace: "let clean = true;\n        let _ = recorded;\n        if full && clean {",
    },
    Bug {
        name: "no listing by state",
        why: "what a window missed is never made up for",
        file: POLLER,
        find: "            || self.state.windows_since_full >= WINDOWS_BETWEEN_FULL",
        replace: "            || self.state.windows_since_full >= WINDOWS_BETWEEN_FULL * 1_000",
    },
    Bug {
        name: "pages that do not overlap",
        why: "an order that moves up while the listing is paged is skipped",
        file: LISTING,
        find: "offset = seen - 1;",
        replace: "offset = seen;\n        last_of_previous = None;",
    },
    Bug {
        name: "an older listing overtakes a newer",
        why: "a slow poller writes what it saw over what is so",
        file: LIFE,
        find: "Some(row) if order.last_updated_date.is_some() && order.last_updated_date < row.mirakl_updated => return None,",
        replace: "Some(row) if order.last_updated_date.is_some() && order.last_updated_date < row.mirakl_created => return None,",
    },
    Bug {
        name: "taking over too much",
        why: "orders that people keyed by hand are created once more",
        file: LIFE,
        find: "if known.is_none() && was_accepted_before_take_over(order, &row, channel) {",
        replace: "if known.is_some() && was_accepted_before_take_over(order, &row, channel) {",
    },
    Bug {
        name: "a cancellation not seen",
        why: "an order cancelled after its creation is left in Prima",
        file: LIFE,
        find: "            row.enter(Stage::Cancelling, at.now, \"cancelled in Mirakl after it was created in Prima\");\n            Next::Cancel",
        replace: "            row.enter(Stage::Cancelled, at.now, \"cancelled in Mirakl after it was created in Prima\");\n            Next::Nothing",
    },
    Bug {
        name: "a cancelled piece not seen",
        why: "a piece cancelled after creation is nobody's concern",
        file: LIFE,
        find: "    if listed != row.lines {\n        let fewer",
        replace: "    if listed.len() != row.lines.len() {\n        let fewer",
    },
    Bug {
        name: "the wrong quantity",
        why: "cancelled pieces are remembered as ordered, and what Prima got is not compared",
        file: ROW,
        find: "        if self.attempt.is_none() && self.created_at.is_none() {",
        replace: "        {",
    },
    Bug {
        name: "stuck for ever",
        why: "an order whose message was lost is never queued again",
        file: LIFE,
        find: "Stage::Queued if newer || stuck => {",
        replace: "Stage::Queued if newer && !stuck => {",
    },
    Bug {
        name: "a dead holder",
        why: "an order whose creator died is never taken up again",
        file: LIFE,
        find: "lease.until < before(at.now, LEASE_IS_DEAD)) => Next::Create,",
        replace: "lease.until < before(at.now, LEASE_IS_DEAD)) => Next::Nothing,",
    },
    Bug {
        name: "a message lost on the way",
        why: "what the queue did not take is believed to be queued",
        file: RECORD,
        find: "        report.queued += messages.len();\n        clean & self.send(channel, &messages).await",
        replace: "        report.queued += messages.len();\n        let _ = self.queue.send(&messages[..messages.len().min(1)], Duration::ZERO).await;\n        clean",
    },
    Bug {
        name: "the missing are not missed",
        why: "orders of ours that no listing shows any more are never looked for",
        file: SWEEP,
        find: "absent.truncate(IDS_PER_CALL);",
        replace: "absent.clear();",
    },
    Bug {
        name: "a cancellation's message is lost for good",
        why: "a stuck cancellation is not sent again",
        file: SWEEP,
        find: "if row.stage == Stage::Cancelling && row.since < before(now, QUEUED_IS_STUCK) {",
        replace: "if row.stage == Stage::Cancelling && row.since > now {",
    },
    Bug {
        name: "a reference believed",
        why: "references count as written although Mirakl did not answer",
        file: REFERENCES,
        find: "                report.note_failure(&problem);\n                return;",
        replace: "                report.note_failure(&problem);\n                references.iter().map(|it| shared::mirakl::ReferenceAnswer { order_id: it.order_id.clone(), refused: None }).collect()",
    },
    Bug {
        name: "an exception that nobody hears of",
        why: "it counts as announced before it is sent, and the sending fails",
        file: ANNOUNCE,
        find: "the exception's message could not be sent; the next poll sends it\");\n        return;",
        replace: "the exception's message could not be sent; the next poll sends it\");",
    },
    Bug {
        name: "an exception told every minute",
        why: "that it was told is not remembered",
        file: ANNOUNCE,
        find: "exception.announced_at = Some(now);",
        replace: "exception.announced_at = None;\n        let _ = now;",
    },
    Bug {
        name: "a customer in an exception",
        why: "the reason names the customer",
        file: CREATE,
        find: "let reason = format!(\"Prima refused the order: {}\", problem.message);",
        replace: "let name = work.order.customer.as_ref().and_then(|customer| customer.lastname.clone()).unwrap_or_default();\n                let reason = format!(\"Prima refused the order of {name}: {}\", problem.message);",
    },
    Bug {
        name: "a customer in the log",
        why: "a log line shows the order as it came",
        file: CREATOR,
        find: "tracing::info!(channel = %key.channel, order = %key.order_id, outcome = ?disposition, \"worked off\");",
        replace: "tracing::info!(channel = %key.channel, order = %key.order_id, outcome = ?disposition, message = ?message, \"worked off\");",
    },
    Bug {
        name: "one piece of each",
        why: "quantities do not reach Prima",
        file: NUMBER,
        find: "quantity: line.quantity,",
        replace: "quantity: line.quantity.min(1),",
    },
];
