//! The lease: one run at a time. It saves work; correctness never rests on it.

use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::order::row::Lease;
use shared::domain::state::StoreError;
use shared::domain::state::ledger::{LedgerStore, StockRecord};
use shared::domain::stock::memory::StockLease;
use shared::kit::clock::{Clock, after};

use crate::{PortTypes, Ports, Run, Tick};

/// A run that died holds the next ones up for this long.
const LEASE_FOR: Duration = Duration::from_secs(90);
const LEASE_RENEWED_EVERY: Duration = Duration::from_secs(30);

/// A lease that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leased {
    /// The run before died or ended in an error: what it knew may be lost.
    pub(crate) is_after_trouble: bool,
}

impl<T: PortTypes> Ports<T> {
    /// Takes the lease; none where another run has it.
    pub(crate) async fn take_lease(&self, tick: Tick<'_>) -> Result<Option<Leased>, StoreError> {
        let (StockLease { lease, disturbed }, version) =
            self.ledger.load_record(StockRecord::Lease).await?;
        let died = lease.is_some();
        if lease.is_some_and(|lease| lease.owner != tick.run.id && lease.until > tick.now) {
            return Ok(None);
        }
        match self
            .ledger
            .save_record(StockRecord::Lease, &lease_of(tick.run, tick.now), &version)
            .await
        {
            Ok(_) => Ok(Some(Leased { is_after_trouble: disturbed || died })),
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// Renews the lease again and again, until this is dropped. A lease that was lost stays lost,
    /// and the work goes on.
    pub(crate) async fn renew_lease(&self, run: &Run) -> Infallible {
        loop {
            self.clock.sleep(LEASE_RENEWED_EVERY).await;
            let Ok((StockLease { lease: Some(lease), .. }, version)) =
                self.ledger.load_record(StockRecord::Lease).await
            else {
                continue;
            };
            if lease.owner == run.id {
                let _ = self
                    .ledger
                    .save_record(StockRecord::Lease, &lease_of(run, self.clock.now()), &version)
                    .await;
            }
        }
    }

    /// Gives the lease back, so that the next run need not wait until it ends. `disturbed`: this
    /// run has ended in an error.
    pub(crate) async fn give_lease_back(&self, run: &Run, disturbed: bool) {
        let Ok((StockLease { lease: Some(lease), .. }, version)) =
            self.ledger.load_record(StockRecord::Lease).await
        else {
            return;
        };
        if lease.owner == run.id {
            let _ = self
                .ledger
                .save_record(StockRecord::Lease, &StockLease { lease: None, disturbed }, &version)
                .await;
        }
    }
}

fn lease_of(run: &Run, now: Timestamp) -> StockLease {
    StockLease {
        lease: Some(Lease { owner: run.id.clone(), until: after(now, LEASE_FOR) }),
        disturbed: false,
    }
}
