//! Telling people, once, that a cycle ties and what there is to approve.

use shared::domain::events::{Event, EventKind, Severity};
use shared::domain::notify::tell;
use shared::domain::payout::posting::Stage;
use shared::domain::payout::row::{CycleRow, CycleStage};
use shared::kit::amount::Amount;
use shared::kit::currency::written;

use crate::shop::ShopRun;
use crate::{PortTypes, Ports};

impl<T: PortTypes> Ports<T> {
    /// Tells of a cycle that is ready; true where that is to be noted.
    pub(crate) async fn tell_ready(&self, shop: &ShopRun<'_>, row: &CycleRow) -> bool {
        let is_ready = row.stage == CycleStage::Tied && !row.journals.is_empty();
        if row.report_told || !is_ready {
            return false;
        }
        tell(&self.events, &[ready(shop, row)]).await
    }
}

fn ready(shop: &ShopRun<'_>, row: &CycleRow) -> Event {
    let key = &row.key;
    let waiting: Vec<_> =
        row.journals.iter().filter(|one| one.row.stage == Stage::AwaitingApproval).collect();
    let transfer = row.tie.as_ref().map_or(Amount::ZERO, |tie| tie.transfer);
    let journals: Vec<String> = row
        .journals
        .iter()
        .map(|one| {
            let problem = one.row.problem.as_ref().map(|text| format!(": {text}"));
            format!(
                "{} over {}{}",
                one.row.reference,
                written(one.total, &key.currency),
                problem.unwrap_or_default()
            )
        })
        .collect();
    let remedy = if waiting.is_empty() {
        "Nothing: its journal is posted without approval.".to_owned()
    } else {
        format!(
            "Look at it (prima-mirakl payouts show {0}), then approve or hold it: prima-mirakl payouts approve {0}.",
            key.cycle
        )
    };
    Event {
        kind: EventKind::PayoutReady,
        channel: Some(shop.channel.id.clone()),
        order: None,
        needs_person: !waiting.is_empty(),
        severity: Severity::Info,
        reason: format!(
            "cycle {} ({}) ties: {} is transferred; {}",
            key.cycle,
            key.currency,
            written(transfer, &key.currency),
            journals.join("; ")
        ),
        remedy,
    }
}
