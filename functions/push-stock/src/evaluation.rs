//! Which offers of each channel differ from what they are to show.

use std::collections::HashMap;

use jiff::Timestamp;
use shared::domain::order::mapping::SkuReader;
use shared::domain::stock::availability::{Availability, SalesChannel};
use shared::domain::stock::evaluate::{Offered, evaluate};
use shared::domain::stock::figures::Figures;
use shared::domain::stock::flight::Flight;
use shared::domain::stock::in_flight::sold_since;
use shared::domain::stock::snapshot::{ChannelSnapshot, OtherChannel, availability};
use shared::prima::stock::SkuKey;

use crate::channel_run::ChannelRun;
use crate::{PortTypes, Ports};

impl<T: PortTypes> Ports<T> {
    /// Evaluates the offers of all channels. `is_one_missing`: a channel that is live, or may be, is
    /// not among them.
    pub(crate) fn evaluate_offers(
        &self,
        runs: &mut [ChannelRun],
        others: &[OtherChannel],
        figures: &Figures,
        is_one_missing: bool,
        now: Timestamp,
    ) {
        let sold_elsewhere: Vec<_> =
            runs.iter().map(|channel| sold_elsewhere(channel, runs, others)).collect();
        let snapshots: Vec<ChannelSnapshot<'_>> = runs.iter().map(ChannelRun::snapshot).collect();
        let availability =
            availability(figures, &self.settings, &snapshots, others, is_one_missing, now);
        for (channel, sold_elsewhere) in runs.iter_mut().zip(&sold_elsewhere) {
            self.evaluate_channel(channel, &availability, sold_elsewhere, now);
        }
    }

    fn evaluate_channel(
        &self,
        channel: &mut ChannelRun,
        availability: &Availability<'_>,
        sold_elsewhere: &HashMap<SkuKey, u32>,
        now: Timestamp,
    ) {
        let Some(offers) = &channel.offers else { return };
        let sales_channel = SalesChannel {
            sold_elsewhere: Some(sold_elsewhere),
            ..channel.snapshot().sales_channel()
        };
        let is_refused =
            |sku: &str, quantity: u32| channel.memory.imports.is_refused(sku, quantity, now);
        let mut evaluation =
            evaluate(availability, &sales_channel, offers, &channel.sales.since_push, is_refused);
        let differing =
            evaluation.refused.iter().chain(evaluation.lines.iter().map(|line| &line.offer_sku));
        channel.memory.imports.keep_refusals(differing);
        if channel.memory.zeroes_allowed_until.is_none_or(|until| until <= now) {
            evaluation.guard_zeroes(channel.ledger(), self.settings.zeroes_percent);
        }
        channel.evaluation = evaluation;
        let unprotected = availability.in_flight.unprotected.iter();
        channel.report.unprotected =
            unprotected.filter(|one| one.channel == channel.channel.id).cloned().collect();
    }
}

/// Units by Prima SKU that other channels have sold since the quantities on `channel` were decided.
fn sold_elsewhere(
    channel: &ChannelRun,
    runs: &[ChannelRun],
    others: &[OtherChannel],
) -> HashMap<SkuKey, u32> {
    let Some(since) = channel.memory.joint.decided_at else { return HashMap::new() };
    let runs = runs
        .iter()
        .filter(|one| one.id() != channel.id())
        .map(|one| (&one.documents.skus, one.sales.flights.as_slice()));
    let others =
        others.iter().map(|other| -> (&SkuReader, &[Flight]) { (&other.skus, &other.flights) });
    sold_since(runs.chain(others), since)
}

/// Prima SKUs that no channel offers.
pub(crate) fn without_offer(figures: &Figures, runs: &[ChannelRun]) -> usize {
    let mut offered = Offered::default();
    runs.iter().for_each(|channel| offered.join(&channel.evaluation.offered));
    figures.len() - offered.len()
}
