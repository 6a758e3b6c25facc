//! Whether a push of a channel is due, and what becomes of it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::stock::cadence::{Pressure, Reason, next_push};
use shared::domain::stock::evaluate::Line;
use shared::domain::stock::memory::LatestEvaluation;
use shared::kit::clock::{Clock, after};

use crate::channel_run::ChannelRun;
use crate::{PortTypes, Ports, Tick};

/// A schedule's minute is not exact: what is due within this is due now.
const NEARLY_DUE: Duration = Duration::from_secs(5);
/// STO01 is allowed once a minute.
const BETWEEN_IMPORTS: Duration = Duration::from_secs(60);
/// A channel's publishing is not begun with less time left than this.
const LEAST_TIME: Duration = Duration::from_secs(30);

/// What a run did about publishing a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: which offers the channel has is not known yet.
    NoOffersList,
    /// Nothing: an import is waited for.
    ImportUnderWay(Reason),
    /// Nothing: it is not due.
    NotDue {
        /// When it is due.
        due_at: Timestamp,
        /// Why it is due then.
        reason: Reason,
    },
    /// Nothing: all offers show what they should, or what differs waits for another channel.
    NothingDiffers(Reason),
    /// Nothing, since the channel is only observed.
    OnlyObserved {
        /// Lines that a live channel would have sent.
        lines: usize,
        /// Why it is due.
        reason: Reason,
    },
    /// Nothing: the run has no time left.
    OutOfTime(Reason),
    /// It published.
    Published {
        /// Lines that were sent.
        sent: usize,
        /// Lines that were to be sent.
        lines: usize,
        /// Why it is due.
        reason: Reason,
    },
}

impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOffersList => write!(formatter, "waits for the list of offers"),
            Self::ImportUnderWay(reason) => {
                write!(formatter, "{}: an import is under way", reason.name())
            }
            Self::NotDue { due_at, reason } => {
                write!(formatter, "{}: due at {due_at:.0}", reason.name())
            }
            Self::NothingDiffers(reason) => write!(formatter, "{}: nothing differs", reason.name()),
            Self::OnlyObserved { lines, reason } => {
                write!(formatter, "{}: would publish {lines} lines (observe)", reason.name())
            }
            Self::OutOfTime(reason) => {
                write!(formatter, "{}: out of time, the next run publishes", reason.name())
            }
            Self::Published { sent, lines, reason } => {
                write!(formatter, "{}: published {sent} of {lines} lines", reason.name())
            }
        }
    }
}

impl ChannelRun {
    /// Whether the channel's sales ask for something again that was last done at `done_at`.
    pub(crate) fn pace_is_due(&self, done_at: Option<Timestamp>, now: Timestamp) -> bool {
        let pressure =
            Pressure { velocity: self.memory.run.sales.velocity(now), ..Pressure::default() };
        let (due_at, _) = next_push(done_at, &pressure, &self.documents.rules, now);
        self.offers.is_some() && (due_at <= after(now, NEARLY_DUE) || self.memory.joint.republish)
    }

    /// When the next push is due, and why. `lines`: those that may go out.
    fn next_push(&self, lines: &[Line], now: Timestamp) -> (Timestamp, Reason) {
        let pressure = Pressure {
            to_lower: self.evaluation.to_lower,
            at_buffer: self.evaluation.at_buffer,
            // What waits for another channel is not sent before.
            to_fill: if lines.iter().any(|line| line.raises) { self.evaluation.to_fill } else { 0 },
            velocity: self.memory.run.sales.velocity(now),
        };
        next_push(self.memory.run.pushed_at, &pressure, &self.documents.rules, now)
    }

    /// Whether a push that is due at `due_at` begins now.
    fn is_due(&self, due_at: Timestamp, now: Timestamp) -> bool {
        let run = &self.memory.run;
        let goes_on = run.more
            && run.pushed_at.is_none_or(|at| after(at, BETWEEN_IMPORTS) <= after(now, NEARLY_DUE));
        due_at <= after(now, NEARLY_DUE) || self.memory.joint.republish || goes_on
    }

    fn note_decision(&mut self, decision: Decision, reason: Reason, now: Timestamp) {
        let (evaluation, velocity) = (&self.evaluation, self.memory.run.sales.velocity(now));
        let waiting = evaluation.lines.len();
        let is_all_out = waiting <= self.report.published;
        self.memory.run.more &= !is_all_out;
        // What is to be raised waits for the pace, unless its offer shows nothing. What is to be
        // lowered, or did not fit, is looked at every minute.
        self.memory.joint.pending = self.is_live()
            && (evaluation.to_lower > 0 || evaluation.to_fill > 0 || self.memory.run.more);
        self.memory.run.latest = LatestEvaluation {
            at: Some(now),
            offers: evaluation.offers,
            to_offer: evaluation.to_offer,
            unmapped: evaluation.unmapped.values().map(|counted| counted.count).sum(),
            unknown_to_prima: evaluation.unknown_to_prima.count,
            waiting: waiting.saturating_sub(self.report.published),
            to_lower: evaluation.to_lower,
            may_sell_twice: evaluation.may_sell_twice,
            decision: decision.to_string(),
        };
        tracing::info!(
            channel = %self.channel.id,
            %decision,
            to_lower = evaluation.to_lower,
            at_buffer = evaluation.at_buffer,
            waiting,
            units_last_hour = velocity.units_short,
            units_an_hour_last_day = velocity.units_long,
            "push decided"
        );
        self.report.velocity = velocity;
        self.report.reason = Some(reason);
        self.report.waiting = waiting;
        self.report.may_sell_twice = evaluation.may_sell_twice;
        self.report.decision = Some(decision);
    }
}

impl<T: PortTypes> Ports<T> {
    /// Publishes each channel that is due. `all_are_usable`: no channel is left out for its
    /// documents or its definition.
    pub(crate) async fn publish_due(
        &self,
        runs: &mut [ChannelRun],
        all_are_usable: bool,
        tick: Tick<'_>,
    ) {
        let may_raise =
            all_are_usable && !runs.iter().any(|run| run.snapshot().may_show_anything());
        for place in 0..runs.len() {
            let lines = lines_that_may_go(runs, place, may_raise);
            self.publish_if_due(&mut runs[place], lines, tick).await;
        }
    }

    async fn publish_if_due(&self, channel: &mut ChannelRun, lines: Vec<Line>, tick: Tick<'_>) {
        let now = tick.now;
        let (due_at, reason) = channel.next_push(&lines, now);
        let is_due = channel.is_due(due_at, now);
        let decision = if channel.offers.is_none() {
            Decision::NoOffersList
        } else if channel.memory.imports.under_way.is_some() {
            Decision::ImportUnderWay(reason)
        } else if !is_due {
            Decision::NotDue { due_at, reason }
        } else if lines.is_empty() {
            // The pace goes on from here.
            (channel.memory.run.pushed_at, channel.memory.joint.decided_at) =
                (Some(now), Some(now));
            channel.memory.run.looked_at = Some(channel.sales.read_at);
            Decision::NothingDiffers(reason)
        } else if !channel.is_live() {
            channel.memory.run.pushed_at = Some(now);
            channel.report.would_publish = lines.len();
            // Shown once what would be published: that is all an observing channel does.
            channel.note_republished();
            Decision::OnlyObserved { lines: lines.len(), reason }
        } else if after(self.clock.now(), LEAST_TIME) > tick.run.hard_deadline {
            Decision::OutOfTime(reason)
        } else {
            let count = lines.len();
            self.publish(channel, &lines, reason, tick).await;
            Decision::Published { sent: channel.report.published, lines: count, reason }
        };
        channel.note_decision(decision, reason, now);
    }
}

/// The lines of the channel at `place` that may go out. What raises an offer waits until no other
/// channel may show too much of its SKU.
fn lines_that_may_go(runs: &[ChannelRun], place: usize, may_raise: bool) -> Vec<Line> {
    let others: Vec<&ChannelRun> = runs
        .iter()
        .enumerate()
        .filter(|(other, channel)| *other != place && channel.is_live())
        .map(|(_, channel)| channel)
        .collect();
    let may_go = |line: &Line| {
        !line.raises
            || (may_raise
                && !others.iter().any(|channel| channel.evaluation.too_much.contains(&line.key)))
    };
    runs[place].evaluation.lines.iter().filter(|line| may_go(line)).cloned().collect()
}
