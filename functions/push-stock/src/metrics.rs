//! What `push-stock` measures.

use jiff::Timestamp;
use shared::aws::metrics::{Count, Milliseconds, Seconds};
use shared::domain::stock::cadence::Reason;

use crate::{ChannelReport, Report};

shared::metrics! {
    PushStock with PrimaSlots

    /// Of a run.
    struct RunMetrics per Function {
        completed: Count = "RunsCompleted",
        overlapped: Count = "RunsOverlapped",
        basis_missing: Count = "BasisMissing",
        exceptions: Count = "StockExceptions",
        took: Milliseconds = "RunMilliseconds",
        /// Not known before the first reading.
        oldest_figure: Option<Seconds> = "OldestFigureSeconds",
    }

    /// Of a reading of the whole stock.
    struct ReadingMetrics per Function {
        ranges: Count = "RangesRead",
        failed: Count = "RangesFailed",
        skus: Count = "SkusRead",
        unusable: Count = "SkusUnusable",
        took: Seconds = "ReadingSeconds",
    }

    /// Of a question for single SKUs.
    struct NamedMetrics per Function {
        asked: Count = "SkusAskedByName",
        answered: Count = "SkusReadByName",
        failed: Count = "NamedReadingsFailed",
    }

    /// Of a channel.
    struct ChannelMetrics per Channel {
        touched: Count = "OffersTouched",
        waiting: Count = "LinesWaiting",
        published: Count = "LinesPublished",
        pushed: Count = "PushesBegun",
        imports_failed: Count = "ImportsFailed",
        may_sell_twice: Count = "UnitsThatMaySellTwice",
        drifted: Count = "OffersDrifted",
        oldest_import: Seconds = "OldestStockImportSeconds",
        unannounced: Seconds = "OldestExceptionUnannouncedSeconds",
        pushed_first: Option<Count> = "PushesFirst",
        pushed_urgent: Option<Count> = "PushesUrgent",
        pushed_lowering: Option<Count> = "PushesLowering",
        pushed_promotion: Option<Count> = "PushesPromotion",
        pushed_by_sales: Option<Count> = "PushesBySales",
    }
}

/// Prints what a run has come to.
#[expect(clippy::cast_precision_loss, reason = "no age or duration comes near 2^53")]
pub(crate) fn print(report: &Report, began: Timestamp, now: Timestamp) {
    let metrics = RunMetrics {
        // One that found another at work is no sign of life: that one may be dying.
        completed: (!report.overlapped).into(),
        overlapped: report.overlapped.into(),
        basis_missing: report.unagreed.into(),
        exceptions: Count(report.announced),
        took: Milliseconds(now.duration_since(began).as_secs_f64() * 1000.0),
        oldest_figure: report.figures_age.map(|age| Seconds(age as f64)),
    };
    metrics.print(now);
    if let Some(slot) = report.slot {
        of_slot(slot, now).print(now);
    }
    if let Some(reading) = &report.reading {
        let metrics = ReadingMetrics {
            ranges: Count(reading.ranges),
            failed: Count(reading.failed),
            skus: Count(reading.figures),
            unusable: Count(reading.unusable),
            took: Seconds(reading.milliseconds as f64 / 1000.0),
        };
        metrics.print(now);
    }
    if let Some(named) = &report.named {
        NamedMetrics {
            asked: Count(named.asked),
            answered: Count(named.answered),
            failed: named.failed.into(),
        }
        .print(now);
    }
    for channel in &report.channels {
        of_channel(channel).print(&channel.channel, now);
    }
}

fn of_channel(report: &ChannelReport) -> ChannelMetrics {
    let pushed_for = |reasons: &[Reason]| {
        report.reason.filter(|reason| report.pushed && reasons.contains(reason)).map(|_| Count(1))
    };
    ChannelMetrics {
        touched: Count(report.touched),
        waiting: Count(report.waiting),
        published: Count(report.published),
        pushed: report.pushed.into(),
        imports_failed: report.failed.into(),
        may_sell_twice: report.may_sell_twice.into(),
        drifted: Count(report.drifted),
        oldest_import: report.oldest_import.into(),
        unannounced: report.oldest_unannounced.into(),
        pushed_first: pushed_for(&[Reason::First]),
        pushed_urgent: pushed_for(&[Reason::Urgent]),
        pushed_lowering: pushed_for(&[Reason::Lowering]),
        pushed_promotion: pushed_for(&[Reason::Promotion]),
        pushed_by_sales: pushed_for(&[Reason::Filling, Reason::Sales]),
    }
}
