//! What `reconcile-payouts` measures.

use jiff::Timestamp;
use shared::aws::metrics::{Count, Milliseconds, Seconds};

use crate::{ChannelReport, Report};

shared::metrics! {
    ReconcilePayouts

    /// Of a run.
    struct RunMetrics per Function {
        overlapped: Count = "RunsOverlapped",
        failed: Count = "ShopsFailed",
        exceptions: Count = "PayoutExceptions",
        took: Milliseconds = "RunMilliseconds",
    }

    /// Of a channel.
    struct ChannelMetrics per Channel {
        pages: Count = "LogPagesRead",
        lines: Count = "LogLinesRead",
        contradicting: Count = "LogLinesContradicting",
        untied: Count = "CyclesUntied",
        awaiting_approval: Count = "JournalsAwaitingApproval",
        queued: Count = "JournalsQueued",
        /// Not known before the first reading.
        reading_age: Option<Seconds> = "OldestLogReadingSeconds",
        oldest_open: Seconds = "OldestOpenCycleSeconds",
        unannounced: Seconds = "OldestExceptionUnannouncedSeconds",
    }
}

/// Prints what a run has come to.
pub(crate) fn print(report: &Report, began: Timestamp, now: Timestamp) {
    let metrics = RunMetrics {
        overlapped: Count(report.overlapped),
        failed: Count(report.failed),
        exceptions: Count(report.announced),
        took: Milliseconds(now.duration_since(began).as_secs_f64() * 1000.0),
    };
    metrics.print(now);
    for channel in &report.channels {
        of_channel(channel).print(&channel.channel, now);
    }
}

#[expect(clippy::cast_precision_loss, reason = "no age comes near 2^53")]
fn of_channel(report: &ChannelReport) -> ChannelMetrics {
    let seconds = |age: Option<i64>| Seconds(age.unwrap_or(0) as f64);
    ChannelMetrics {
        pages: Count(report.pages),
        lines: Count(report.lines),
        contradicting: Count(report.contradicting),
        untied: Count(report.untied),
        awaiting_approval: Count(report.awaiting_approval),
        queued: Count(report.queued),
        reading_age: report.reading_age.map(|age| Seconds(age as f64)),
        oldest_open: seconds(report.oldest_open),
        unannounced: seconds(report.oldest_untold),
    }
}
