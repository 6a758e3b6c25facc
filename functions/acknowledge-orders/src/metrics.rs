//! What `acknowledge-orders` measures.

use jiff::Timestamp;
use shared::aws::metrics::{Count, Seconds};

use crate::{Ages, ChannelReport};

shared::metrics! {
    AcknowledgeOrders

    /// Of a run.
    struct RunMetrics per Function {
        completed: Count = "RunsCompleted",
        channels_unusable: Count = "ChannelsUnusable",
    }

    /// How long a channel's orders have waited. Printed where that is known: a zero would end an
    /// alarm.
    struct AgeMetrics per Channel {
        waiting_for_prima: Seconds = "OldestOrderWaitingForPrimaSeconds",
        unannounced: Seconds = "OldestExceptionUnannouncedSeconds",
    }

    /// Of a channel that was not polled.
    struct SkippedMetrics per Channel {
        skipped: Count = "PollsSkipped",
    }

    /// Of a channel's poll.
    struct PollMetrics per Channel {
        completed: Count = "PollsCompleted",
        seen: Count = "OrdersSeen",
        waiting: Count = "OrdersWaiting",
        acknowledged: Count = "OrdersAcknowledged",
        queued: Count = "OrdersQueued",
        references_written: Count = "ReferencesWritten",
        listings: Count = "Listings",
        failures: Count = "Failures",
        /// Not known where not every order that waits was listed.
        oldest_unacknowledged: Option<Seconds> = "OldestUnacknowledgedSeconds",
        acknowledgement: Vec<Seconds> = "AcknowledgementSeconds",
    }
}

/// Prints what a channel's minute has come to.
pub(crate) fn print(report: &ChannelReport, now: Timestamp) {
    if let Some(Ages { waiting_for_prima, unannounced }) = report.ages {
        AgeMetrics { waiting_for_prima: waiting_for_prima.into(), unannounced: unannounced.into() }
            .print(&report.channel, now);
    }
    if report.skipped.is_some() {
        return SkippedMetrics { skipped: Count(1) }.print(&report.channel, now);
    }
    let is_age_known = report.listed_whole || !report.oldest_unacknowledged.is_zero();
    let metrics = PollMetrics {
        completed: report.completed.into(),
        seen: Count(report.listed),
        waiting: Count(report.waiting),
        acknowledged: Count(report.acknowledged),
        queued: Count(report.queued),
        references_written: Count(report.referenced),
        listings: Count(report.pages),
        failures: report.counts.values().sum::<u64>().into(),
        oldest_unacknowledged: is_age_known.then(|| report.oldest_unacknowledged.into()),
        acknowledgement: report.seconds_to_acknowledge.iter().copied().map(Seconds).collect(),
    };
    metrics.print(&report.channel, now);
    for (kind, count) in &report.counts {
        tracing::warn!(channel = %report.channel, kind, count, "failures of this poll");
    }
}
