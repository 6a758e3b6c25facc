//! What an answer of Prima's makes of an order's row.

use jiff::Timestamp;

use super::schedule::Source;
use super::{Dispatch, Parcel};
use crate::domain::order::remedy;
use crate::domain::order::row::{ExceptionKind, OrderRow, Stage};
use crate::mirakl::shipping::ParcelLine;
use crate::prima::order::{PrimaOrderStatus, PrimaParcel, PrimaProgress};

/// Answers in a row that say "Despatched" without a parcel before a person is asked; where parcels
/// come by file, which may be written once a day, as many as a day has at the usual interval.
const UNCLEAR_ANSWERS: u32 = 3;
const UNCLEAR_ANSWERS_BY_FILE: u32 = 96;

fn unclear_remedy(row: &OrderRow) -> String {
    format!(
        "Look at the dispatch in Prima and have it corrected, or ship the order by hand in Mirakl's back office. Then retry: {}",
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

/// Takes over what Prima answered at `now`, and moves the order on. The caller sets when it is due
/// again.
pub fn on_progress(
    row: &mut OrderRow,
    progress: &PrimaProgress,
    source: Source,
    now: Timestamp,
) -> Found {
    if source == Source::OrderStatus
        && let Some(problem) = unclear(progress)
    {
        return on_unclear(row, progress, &problem, now);
    }
    let mut dispatch = row.dispatch.take().unwrap_or_default();
    dispatch.note_word(progress.status.word(), now);
    // Prima is often quicker than the file: what no file has named yet is not taken for short.
    let has_ended = match source {
        Source::OrderStatus => progress.status.is_final(),
        Source::File => {
            progress.status == PrimaOrderStatus::Cancelled
                || (progress.status.is_final() && is_covered(row, &dispatch))
        }
    };
    if has_ended {
        dispatch.ended_at.get_or_insert(now);
    }
    let mut notes = Vec::new();
    let problem = match source {
        Source::OrderStatus => take_over(row, &mut dispatch, &progress.parcels, now, &mut notes),
        Source::File => None,
    };
    row.dispatch = Some(dispatch);
    settle_stage(row, problem, &notes, source, now)
}

/// Why nobody can say what has left. Only a parcel that names no line at all may hold everything.
fn unclear(progress: &PrimaProgress) -> Option<String> {
    let says_nothing = |parcel: &&PrimaParcel| {
        !parcel.lines.is_empty() && parcel.lines.iter().all(|line| line.quantity == 0)
    };
    let empty = || progress.parcels.iter().find(says_nothing);
    progress.unclear.clone().or_else(|| {
        empty()
            .map(|parcel| format!("dispatch {} has lines, and no piece in them", parcel.dispatch))
    })
}

/// Nothing of the answer is used: what was not sent is never told, and what was sent is not taken
/// for short.
fn on_unclear(
    row: &mut OrderRow,
    progress: &PrimaProgress,
    problem: &str,
    now: Timestamp,
) -> Found {
    let dispatch = row.dispatch.get_or_insert_default();
    dispatch.note_word(progress.status.word(), now);
    dispatch.unclear_answers += 1;
    if dispatch.unclear_answers < UNCLEAR_ANSWERS || row.stage == Stage::Exception {
        return Found::Nothing;
    }
    dispatch.unclear_answers = 0;
    let number = row.creation.order_number.clone().unwrap_or_default();
    row.fail(
        ExceptionKind::DispatchUnclear,
        format!("what has left of Prima's order {number} is not clear: {problem}"),
        unclear_remedy(row),
        now,
    );
    Found::Exception
}

/// Takes over parcels that a dispatch file names.
pub fn on_file(row: &mut OrderRow, parcels: &[PrimaParcel], now: Timestamp) -> Found {
    let mut dispatch = row.dispatch.take().unwrap_or_default();
    let mut notes = Vec::new();
    let mut problem = None;
    for parcel in parcels {
        problem = problem.or(add(row, &mut dispatch, parcel, now, &mut notes));
    }
    let all_named = !dispatch.has_parcel_without_lines()
        || dispatch.prima_status.eq_ignore_ascii_case("despatched");
    if all_named && is_covered(row, &dispatch) {
        dispatch.ended_at.get_or_insert(now);
    }
    row.dispatch = Some(dispatch);
    settle_stage(row, problem, &notes, Source::File, now)
}

/// Every piece is in a parcel, or some parcel does not say what is in it.
fn is_covered(row: &OrderRow, dispatch: &Dispatch) -> bool {
    dispatch.has_parcel_without_lines()
        || row.lines.iter().all(|line| dispatch.accounted_for(&line.order_line_id) >= line.quantity)
}

/// The parcels as Prima lists them now. One that it no longer lists, and that Mirakl does not know
/// of, was withdrawn.
fn take_over(
    row: &OrderRow,
    dispatch: &mut Dispatch,
    parcels: &[PrimaParcel],
    now: Timestamp,
    notes: &mut Vec<String>,
) -> Option<String> {
    let mut problem = None;
    for parcel in parcels {
        problem = problem.or(add(row, dispatch, parcel, now, notes));
    }
    let attempted = dispatch.attempt.clone();
    dispatch.parcels.retain(|known| {
        let is_listed = parcels.iter().any(|parcel| parcel.identity() == known.identity());
        let is_attempted = attempted.as_ref().is_some_and(|attempt| {
            (attempt.dispatch.as_str(), attempt.consignment.as_str()) == known.identity()
        });
        let keep = is_listed || known.confirmed_at.is_some() || is_attempted;
        if !keep {
            notes.push(format!("dispatch {} was withdrawn in Prima", known.dispatch));
        }
        keep
    });
    problem
}

fn add(
    row: &OrderRow,
    dispatch: &mut Dispatch,
    parcel: &PrimaParcel,
    now: Timestamp,
    notes: &mut Vec<String>,
) -> Option<String> {
    let (lines, problem) = lines_of(row, parcel);
    let same = |known: &Parcel| known.identity() == parcel.identity();
    // The number often comes a while after the dispatch: it is the same parcel.
    let was_without_number =
        |known: &Parcel| known.dispatch == parcel.dispatch && known.consignment.is_empty();
    let place = dispatch
        .parcels
        .iter()
        .position(same)
        .or_else(|| dispatch.parcels.iter().position(was_without_number));
    match place.and_then(|index| dispatch.parcels.get_mut(index)) {
        // What Mirakl was told stays as it was told.
        Some(known) if known.confirmed_at.is_some() => return None,
        Some(known) => {
            known.consignment.clone_from(&parcel.consignment);
            known.carrier.clone_from(&parcel.carrier);
            known.service.clone_from(&parcel.service);
            known.dispatched_on = parcel.dispatched_on.or(known.dispatched_on);
            known.lines = lines;
        }
        None => {
            let found = Parcel {
                dispatch: parcel.dispatch.clone(),
                consignment: parcel.consignment.clone(),
                carrier: parcel.carrier.clone(),
                service: parcel.service.clone(),
                dispatched_on: parcel.dispatched_on,
                lines,
                found_at: now,
                confirmed_at: None,
                shipment_id: None,
            };
            notes.push(format!(
                "dispatch {}, {}, number {:?}",
                found.dispatch,
                found.description(),
                found.consignment
            ));
            dispatch.parcels.push(found);
        }
    }
    problem.map(|problem| format!("dispatch {} of Prima {problem}", parcel.dispatch))
}

/// The parcel's lines as Mirakl's, by Prima's line numbers; pieces of one line together.
fn lines_of(row: &OrderRow, parcel: &PrimaParcel) -> (Vec<ParcelLine>, Option<String>) {
    let mut lines: Vec<ParcelLine> = Vec::new();
    for line in &parcel.lines {
        let Some(order_line_id) = row.mirakl_line(line.order_line) else {
            return (
                Vec::new(),
                Some(format!("names line {}, which the order does not have", line.order_line)),
            );
        };
        match lines.iter_mut().find(|known| known.order_line_id == order_line_id) {
            Some(known) => known.quantity = known.quantity.saturating_add(line.quantity),
            None => lines.push(ParcelLine {
                order_line_id: order_line_id.to_owned(),
                quantity: line.quantity,
            }),
        }
    }
    lines.retain(|line| line.quantity > 0);
    let too_many = lines.iter().find(|line| {
        row.lines
            .iter()
            .any(|own| own.order_line_id == line.order_line_id && own.quantity < line.quantity)
    });
    let problem = too_many.map(|line| {
        format!(
            "has {} pieces of line {}, more than were ordered",
            line.quantity, line.order_line_id
        )
    });
    (lines, problem)
}

/// The stage that follows from what is known.
fn settle_stage(
    row: &mut OrderRow,
    problem: Option<String>,
    notes: &[String],
    source: Source,
    now: Timestamp,
) -> Found {
    let Some(dispatch) = row.dispatch.as_mut() else { return Found::Nothing };
    let waits = dispatch.unconfirmed().next().is_some();
    let ended = dispatch.ended_at.is_some();
    let status = dispatch.prima_status.clone();
    let says_gone = matches!(status.to_lowercase().as_str(), "despatched" | "part despatched");
    let number = row.creation.order_number.clone().unwrap_or_default();
    if let Some(problem) = problem {
        row.fail(
            ExceptionKind::DispatchUnclear,
            format!("{problem} (Prima order {number})"),
            unclear_remedy(row),
            now,
        );
        return Found::Exception;
    }
    let (enough, most) = match source {
        Source::OrderStatus => (!dispatch.parcels.is_empty(), UNCLEAR_ANSWERS),
        Source::File => (ended, UNCLEAR_ANSWERS_BY_FILE),
    };
    let is_complete_by_word = status.eq_ignore_ascii_case("despatched");
    if says_gone
        && !enough
        && (is_complete_by_word || dispatch.parcels.is_empty())
        && notes.is_empty()
    {
        dispatch.unclear_answers += 1;
        if dispatch.unclear_answers >= most {
            dispatch.unclear_answers = 0;
            dispatch.ended_at = None;
            row.fail(
                ExceptionKind::DispatchUnclear,
                format!("Prima says {status:?} of order {number}, and no parcel, or not every piece, is known of it"),
                "Ship the order by hand in Mirakl's back office. If Prima's OrderStatus never names parcels on this site, have dispatch files delivered (docs/operations.md, \"Dispatch files\").",
                now,
            );
            return Found::Exception;
        }
        if dispatch.parcels.is_empty() {
            return Found::Nothing;
        }
    } else {
        dispatch.unclear_answers = 0;
    }
    let rests = row.stage == Stage::PartDispatched
        && notes.is_empty()
        && !ended
        && dispatch.rest_until.is_some_and(|until| now < until);
    if rests {
        return Found::Nothing;
    }
    if waits || ended {
        let note = if notes.is_empty() { status } else { notes.join("; ") };
        if row.stage != Stage::Dispatched || !notes.is_empty() {
            row.enter(Stage::Dispatched, now, note);
        }
        return Found::Tell;
    }
    if row.stage == Stage::Dispatched {
        // Everything that waited was withdrawn.
        let stage = if row.dispatch.as_ref().is_some_and(|dispatch| dispatch.parcels.is_empty()) {
            Stage::Created
        } else {
            Stage::PartDispatched
        };
        row.enter(stage, now, notes.join("; "));
    }
    Found::Nothing
}
