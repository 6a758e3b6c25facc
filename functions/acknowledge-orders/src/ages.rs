//! How long the oldest order has waited, from our own rows: a message says nothing of that, since
//! each retry is a new one.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::Channel;
use shared::domain::order::row::{EXCEPTION_UNANNOUNCED, OrderRow, Stage};
use shared::domain::state::{OrderStore, StoreError};
use shared::kit::clock::Clock;

use crate::{PATIENCE_WITH_MEMORY, PortTypes, Ports};

/// Rows of one stage that are looked at, those that have been in it longest.
const LOOKED_AT: usize = 100;

/// Ages that are known, zero included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ages {
    /// Of the oldest order that waits for Prima: firm, queued, being created, in doubt, or to be
    /// cancelled there.
    pub waiting_for_prima: Duration,
    /// Of the oldest exception that nobody was told of.
    pub unannounced: Duration,
}

impl<T: PortTypes> Ports<T> {
    /// The ages of a channel; none where they cannot be known now.
    pub(crate) async fn ages(&self, channel: &Channel) -> Option<Ages> {
        tokio::time::timeout(PATIENCE_WITH_MEMORY, self.measured(channel)).await.ok()?.ok()
    }

    async fn measured(&self, channel: &Channel) -> Result<Ages, StoreError> {
        let waiting =
            [Stage::Firm, Stage::Queued, Stage::Creating, Stage::InDoubt, Stage::Cancelling]
                .map(Stage::name);
        let mut rows = Vec::new();
        for state in waiting.into_iter().chain([EXCEPTION_UNANNOUNCED]) {
            let keys = self.store.orders_in(&channel.id, state, LOOKED_AT).await?;
            if !keys.is_empty() {
                rows.extend(self.store.load_orders(&keys).await?.into_values());
            }
        }
        let now = self.clock.now();
        let untold = rows
            .iter()
            .filter_map(|row| row.exception.as_ref())
            .filter(|exception| !exception.told.is_told());
        Ok(Ages {
            unannounced: age(untold.map(|exception| exception.first_seen).min(), now),
            waiting_for_prima: age(
                rows.iter().filter_map(OrderRow::waits_for_prima_since).min(),
                now,
            ),
        })
    }
}

fn age(since: Option<Timestamp>, now: Timestamp) -> Duration {
    since.map_or(Duration::ZERO, |since| {
        Duration::try_from(now.duration_since(since)).unwrap_or_default()
    })
}
