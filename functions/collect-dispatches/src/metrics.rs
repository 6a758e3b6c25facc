//! What `collect-dispatches` measures.

use jiff::Timestamp;
use shared::aws::metrics::{Count, Seconds};

use crate::Report;

shared::metrics! {
    CollectDispatches with PrimaSlots

    /// Of a run.
    struct RunMetrics per Function {
        completed: Count = "RunsCompleted",
        due: Count = "OrdersDue",
        postponed: Count = "OrdersPostponed",
        asked: Count = "QuestionsAsked",
        queued: Count = "DispatchesQueued",
        exceptions: Count = "DispatchExceptions",
        resumed: Count = "DispatchesResumed",
        deadlines_near: Count = "DeadlinesNear",
        files: Count = "FilesTakenIn",
        failures: Count = "Failures",
    }

    /// How long dispatches have waited. Printed where that is known: a zero would end an alarm.
    struct AgeMetrics per Function {
        untold: Seconds = "OldestDispatchUntoldSeconds",
        unannounced: Seconds = "OldestExceptionUnannouncedSeconds",
    }
}

/// Prints what a run has come to.
pub(crate) fn print(report: &Report, now: Timestamp) {
    let metrics = RunMetrics {
        completed: Count(1),
        due: Count(report.due),
        postponed: Count(report.postponed),
        asked: Count(report.asked),
        queued: Count(report.queued),
        exceptions: Count(report.exceptions),
        resumed: Count(report.resumed),
        deadlines_near: Count(report.warned),
        files: Count(report.files),
        failures: Count(report.counts.values().sum()),
    };
    metrics.print(now);
    if let Some(slot) = report.slot {
        of_slot(slot, now).print(now);
    }
    if report.knows_ages() {
        AgeMetrics {
            untold: report.oldest_untold.into(),
            unannounced: report.oldest_unannounced.into(),
        }
        .print(now);
    }
    for (kind, count) in &report.counts {
        tracing::warn!(?kind, count, "failures of this run");
    }
}
