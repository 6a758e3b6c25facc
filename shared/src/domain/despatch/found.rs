//! What an answer of Prima's makes of an order's row.

use jiff::Timestamp;

use super::rhythm::Source;
use super::{Despatch, Parcel};
use crate::domain::order::remedy;
use crate::domain::order::row::{ExceptionKind, OrderRow, Stage};
use crate::mirakl::shipping::ParcelLine;
use crate::prima::order::{PrimaOrderStatus, PrimaParcel, PrimaProgress};

/// Answers in a row that say "despatched" without a parcel before a person is asked; where parcels come by file, which may be
/// written once a day, as many as a day has at the usual interval.
const UNCLEAR_ANSWERS: u32 = 3;
const UNCLEAR_ANSWERS_BY_FILE: u32 = 96;

fn unclear_remedy(row: &OrderRow) -> String {
    format!(
        "Look at the despatch in Prima and have it corrected, or ship the order by hand in Mirakl's back office. Then retry: {}",
        remedy::retry(&row.key)
    )
}

/// What is to follow once the row is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: it is looked at again when it is due.
    Nothing,
    /// Mirakl has something to be told: a message to the `dispatches` queue.
    Tell,
    /// A person has to look: the exception stands in the row.
    Exception,
}

/// Takes over what Prima answered at `now`, and moves the order on. The caller sets when it is due again.
pub fn on_progress(row: &mut OrderRow, progress: &PrimaProgress, source: Source, now: Timestamp) -> Found {
    if source == Source::OrderStatus
        && let Some(problem) = unclear(progress)
    {
        return on_unclear(row, progress, &problem, now);
    }
    let mut despatch = row.despatch.take().unwrap_or_default();
    despatch.note_word(progress.status.word(), now);
    // Prima is often quicker than the file: what no file has named yet is not taken for short.
    let has_ended = match source {
        Source::OrderStatus => progress.status.is_final(),
        Source::File => progress.status == PrimaOrderStatus::Cancelled || (progress.status.is_final() && is_covered(row, &despatch)),
    };
    if has_ended {
        despatch.ended_at.get_or_insert(now);
    }
    let mut notes = Vec::new();
    let problem = match source {
        Source::OrderStatus => take_over(row, &mut despatch, &progress.parcels, now, &mut notes),
        Source::File => None,
    };
    row.despatch = Some(despatch);
    settle_stage(row, problem, &notes, source, now)
}

/// Why nobody can say what has left. Only a parcel that names no line at all may hold everything.
fn unclear(progress: &PrimaProgress) -> Option<String> {
    let says_nothing = |parcel: &&PrimaParcel| !parcel.lines.is_empty() && parcel.lines.iter().all(|line| line.quantity == 0);
    let empty = || progress.parcels.iter().find(says_nothing);
    progress.unclear.clone().or_else(|| empty().map(|parcel| format!("despatch {} has lines, and no piece in them", parcel.despatch)))
}

/// Nothing of the answer is used: what was not sent is never told, and what was sent is not taken for short.
fn on_unclear(row: &mut OrderRow, progress: &PrimaProgress, problem: &str, now: Timestamp) -> Found {
    let despatch = row.despatch.get_or_insert_default();
    despatch.note_word(progress.status.word(), now);
    despatch.unclear_answers += 1;
    if despatch.unclear_answers < UNCLEAR_ANSWERS || row.stage == Stage::Exception {
        return Found::Nothing;
    }
    despatch.unclear_answers = 0;
    let number = row.order_number.clone().unwrap_or_default();
    row.fail(
        ExceptionKind::DespatchUnclear,
        format!("what has left of Prima's order {number} is not clear: {problem}"),
        unclear_remedy(row),
        now,
    );
    Found::Exception
}

/// Takes over parcels that a despatch file names.
pub fn on_file(row: &mut OrderRow, parcels: &[PrimaParcel], now: Timestamp) -> Found {
    let mut despatch = row.despatch.take().unwrap_or_default();
    let mut notes = Vec::new();
    let mut problem = None;
    for parcel in parcels {
        problem = problem.or(add(row, &mut despatch, parcel, now, &mut notes));
    }
    let all_named = !despatch.has_parcel_without_lines() || despatch.prima_status.eq_ignore_ascii_case("despatched");
    if all_named && is_covered(row, &despatch) {
        despatch.ended_at.get_or_insert(now);
    }
    row.despatch = Some(despatch);
    settle_stage(row, problem, &notes, Source::File, now)
}

/// Every piece is in a parcel, or some parcel does not say what is in it.
fn is_covered(row: &OrderRow, despatch: &Despatch) -> bool {
    despatch.has_parcel_without_lines() || row.lines.iter().all(|line| despatch.accounted_for(&line.order_line_id) >= line.quantity)
}

/// The parcels as Prima lists them now. One that it no longer lists, and that Mirakl does not know of, was withdrawn.
fn take_over(row: &OrderRow, despatch: &mut Despatch, parcels: &[PrimaParcel], now: Timestamp, notes: &mut Vec<String>) -> Option<String> {
    let mut problem = None;
    for parcel in parcels {
        problem = problem.or(add(row, despatch, parcel, now, notes));
    }
    let attempted = despatch.attempt.clone();
    despatch.parcels.retain(|known| {
        let is_listed = parcels.iter().any(|parcel| parcel.identity() == known.identity());
        let is_attempted =
            attempted.as_ref().is_some_and(|attempt| (attempt.despatch.as_str(), attempt.consignment.as_str()) == known.identity());
        let keep = is_listed || known.confirmed_at.is_some() || is_attempted;
        if !keep {
            notes.push(format!("despatch {} was withdrawn in Prima", known.despatch));
        }
        keep
    });
    problem
}

fn add(row: &OrderRow, despatch: &mut Despatch, parcel: &PrimaParcel, now: Timestamp, notes: &mut Vec<String>) -> Option<String> {
    let (lines, problem) = lines_of(row, parcel);
    let same = |known: &Parcel| known.identity() == parcel.identity();
    // The number often comes a while after the despatch: it is the same parcel.
    let was_without_number = |known: &Parcel| known.despatch == parcel.despatch && known.consignment.is_empty();
    let place = despatch.parcels.iter().position(same).or_else(|| despatch.parcels.iter().position(was_without_number));
    match place.and_then(|index| despatch.parcels.get_mut(index)) {
        // What Mirakl was told stays as it was told.
        Some(known) if known.confirmed_at.is_some() => return None,
        Some(known) => {
            known.consignment.clone_from(&parcel.consignment);
            known.carrier.clone_from(&parcel.carrier);
            known.service.clone_from(&parcel.service);
            known.despatched_on = parcel.despatched_on.or(known.despatched_on);
            known.lines = lines;
        }
        None => {
            let found = Parcel {
                despatch: parcel.despatch.clone(),
                consignment: parcel.consignment.clone(),
                carrier: parcel.carrier.clone(),
                service: parcel.service.clone(),
                despatched_on: parcel.despatched_on,
                lines,
                found_at: now,
                confirmed_at: None,
                shipment_id: None,
            };
            notes.push(format!("despatch {}, {}, number {:?}", found.despatch, found.description(), found.consignment));
            despatch.parcels.push(found);
        }
    }
    problem.map(|problem| format!("despatch {} of Prima {problem}", parcel.despatch))
}

/// The parcel's lines as Mirakl's, by Prima's line numbers; pieces of one line together.
fn lines_of(row: &OrderRow, parcel: &PrimaParcel) -> (Vec<ParcelLine>, Option<String>) {
    let mut lines: Vec<ParcelLine> = Vec::new();
    for line in &parcel.lines {
        let Some(order_line_id) = row.mirakl_line(line.order_line) else {
            return (Vec::new(), Some(format!("names line {}, which the order does not have", line.order_line)));
        };
        match lines.iter_mut().find(|known| known.order_line_id == order_line_id) {
            Some(known) => known.quantity = known.quantity.saturating_add(line.quantity),
            None => lines.push(ParcelLine { order_line_id: order_line_id.to_owned(), quantity: line.quantity }),
        }
    }
    lines.retain(|line| line.quantity > 0);
    let too_many =
        lines.iter().find(|line| row.lines.iter().any(|own| own.order_line_id == line.order_line_id && own.quantity < line.quantity));
    let problem = too_many.map(|line| format!("has {} pieces of line {}, more than were ordered", line.quantity, line.order_line_id));
    (lines, problem)
}

/// The stage that follows from what is known.
fn settle_stage(row: &mut OrderRow, problem: Option<String>, notes: &[String], source: Source, now: Timestamp) -> Found {
    let Some(despatch) = row.despatch.as_mut() else { return Found::Nothing };
    let waits = despatch.unconfirmed().next().is_some();
    let ended = despatch.ended_at.is_some();
    let status = despatch.prima_status.clone();
    let says_gone = matches!(status.to_lowercase().as_str(), "despatched" | "part despatched");
    let number = row.order_number.clone().unwrap_or_default();
    if let Some(problem) = problem {
        row.fail(ExceptionKind::DespatchUnclear, format!("{problem} (Prima order {number})"), unclear_remedy(row), now);
        return Found::Exception;
    }
    let (enough, most) = match source {
        Source::OrderStatus => (!despatch.parcels.is_empty(), UNCLEAR_ANSWERS),
        Source::File => (ended, UNCLEAR_ANSWERS_BY_FILE),
    };
    let is_complete_by_word = status.eq_ignore_ascii_case("despatched");
    if says_gone && !enough && (is_complete_by_word || despatch.parcels.is_empty()) && notes.is_empty() {
        despatch.unclear_answers += 1;
        if despatch.unclear_answers >= most {
            despatch.unclear_answers = 0;
            despatch.ended_at = None;
            row.fail(
                ExceptionKind::DespatchUnclear,
                format!("Prima says {status:?} of order {number}, and no parcel, or not every piece, is known of it"),
                "Ship the order by hand in Mirakl's back office. If Prima's OrderStatus never names parcels on this site, have despatch files delivered (docs/operations.md, \"Despatch files\").",
                now,
            );
            return Found::Exception;
        }
        if despatch.parcels.is_empty() {
            return Found::Nothing;
        }
    } else {
        despatch.unclear_answers = 0;
    }
    let rests = row.stage == Stage::PartDespatched && notes.is_empty() && !ended && despatch.rest_until.is_some_and(|until| now < until);
    if rests {
        return Found::Nothing;
    }
    if waits || ended {
        let note = if notes.is_empty() { status } else { notes.join("; ") };
        if row.stage != Stage::Despatched || !notes.is_empty() {
            row.enter(Stage::Despatched, now, note);
        }
        return Found::Tell;
    }
    if row.stage == Stage::Despatched {
        // Everything that waited was withdrawn.
        let stage =
            if row.despatch.as_ref().is_some_and(|despatch| despatch.parcels.is_empty()) { Stage::Created } else { Stage::PartDespatched };
        row.enter(stage, now, notes.join("; "));
    }
    Found::Nothing
}
