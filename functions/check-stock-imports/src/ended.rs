//! What the ledger takes over from an import that has ended.

use std::collections::HashSet;

use shared::aws::batch::Returned;
use shared::domain::queue::ImportMessage;
use shared::domain::state::StoreError;
use shared::domain::state::ledger::{LedgerStore as _, StockRecord};
use shared::domain::stock::files::{StockFiles as _, import_of};
use shared::domain::stock::import_memory::RefusedQuantity;
use shared::domain::stock::imports::{ImportLine, Settled, decode_lines, published_again, settle};
use shared::domain::stock::ledger::{Change, Ledger};
use shared::domain::stock::memory::PushMemory;
use shared::kit::clock::Clock as _;
use shared::mirakl::error_report::LineError;

use crate::{Disposition, Done, PortTypes, Ports, TRIES};

impl<T: PortTypes> Ports<T> {
    /// The import that is waited for is through.
    pub(crate) async fn complete(
        &self,
        message: &ImportMessage,
        errors: &[LineError],
    ) -> Disposition {
        let now = self.clock.now();
        let Some(lines) = self.lines(message).await else {
            return Disposition::Return(Returned::StoreUnavailable);
        };
        let settled = match &lines {
            Some(lines) => match self
                .append(
                    &message.channel,
                    |memory| memory.imports.waits_for(&message.mark),
                    |ledger| settle(lines, errors, ledger),
                    |settled: &Settled| &settled.changes,
                )
                .await
            {
                Ok(Some(settled)) => settled,
                Ok(None) => return Disposition::Done(Done::NoLongerWaitedFor),
                Err(_) => return Disposition::Return(Returned::StoreUnavailable),
            },
            // Its lines are lost: they stay in doubt, and are published again.
            None => Settled::default(),
        };
        for (line, reason) in settled.refused.iter().take(20) {
            tracing::warn!(channel = %message.channel, sku = %line.offer_sku, quantity = line.quantity, reason, "Mirakl refused a line");
        }
        let refused: Vec<RefusedQuantity> = settled
            .refused
            .iter()
            .map(|(line, reason)| RefusedQuantity {
                offer_sku: line.offer_sku.clone(),
                quantity: line.quantity,
                // A thousand of these stand in one record.
                reason: reason.chars().take(100).collect(),
                at: now,
            })
            .collect();
        let refused_skus: HashSet<&str> =
            refused.iter().map(|one| one.offer_sku.as_str()).collect();
        let imported: HashSet<&str> = lines
            .iter()
            .flatten()
            .map(|line| line.offer_sku.as_str())
            .filter(|sku| settled.unidentified == 0 && !refused_skus.contains(sku))
            .collect();
        tracing::info!(channel = %message.channel, imported = settled.imported, refused = refused.len(), unidentified = settled.unidentified, "an import is complete");
        let changed = self
            .change(&message.channel, |memory| {
                let Some(import) = memory.imports.take(&message.mark) else { return };
                memory.imports.imported_at = Some(now);
                memory.imports.note_end(&import, now);
                if !memory.run.more {
                    memory.joint.decided_at = Some(import.begun_at);
                }
                memory.imports.note_refusals(refused.clone(), |sku| imported.contains(sku), now);
                memory.imports.totals.lines_published += settled.imported as u64;
                memory.imports.totals.lines_in_error += refused.len() as u64;
                memory.joint.pending |= settled.unidentified > 0 || lines.is_none();
                memory.imports.failed = None;
                memory.imports.unnamed = (settled.unidentified > 0)
                    .then(|| (settled.unidentified, settled.unidentified_reason.clone()));
            })
            .await;
        changed.map_or(Disposition::Return(Returned::StoreUnavailable), |()| {
            Disposition::Done(Done::Complete)
        })
    }

    /// An import that nobody waited for any more has ended.
    pub(crate) async fn stray_ended(&self, message: &ImportMessage) -> Disposition {
        let Some(lines) = self.lines(message).await else {
            return Disposition::Return(Returned::StoreUnavailable);
        };
        let lines_are_lost = lines.is_none();
        if let Some(lines) = lines {
            let is_stray = |memory: &PushMemory| {
                memory.imports.stray.iter().any(|stray| stray.mark == message.mark)
            };
            match self
                .append(
                    &message.channel,
                    is_stray,
                    |ledger| published_again(&lines, ledger),
                    Vec::as_slice,
                )
                .await
            {
                Ok(Some(_)) => {}
                Ok(None) => return Disposition::Done(Done::NoLongerRemembered),
                Err(_) => return Disposition::Return(Returned::StoreUnavailable),
            }
        }
        let changed = self
            .change(&message.channel, |memory| {
                memory.imports.stray.retain(|stray| stray.mark != message.mark);
                memory.joint.pending = true;
                // Nobody knows which lines it has overwritten.
                memory.joint.republish |= lines_are_lost;
            })
            .await;
        changed.map_or(Disposition::Return(Returned::StoreUnavailable), |()| {
            Disposition::Done(Done::StrayEnded)
        })
    }

    /// The import's lines; the inner one is none where they are lost, the outer one where that is
    /// not known.
    async fn lines(&self, message: &ImportMessage) -> Option<Option<Vec<ImportLine>>> {
        let bytes = self.files.read(&import_of(&message.channel, &message.mark)).await.ok()?;
        let read = bytes.map(|bytes| decode_lines(&bytes)).transpose();
        Some(read.unwrap_or_else(|problem| {
            tracing::error!(channel = %message.channel, %problem, "an import's lines cannot be read; they stay in doubt");
            None
        }))
    }

    /// Moves a channel's ledger as follows from how it stands. None, and nothing moved, where the
    /// import is not remembered any more as `remembered` says: a copy of its message was quicker,
    /// or it was given up, and the lines' entries may be those of the next import.
    async fn append<A>(
        &self,
        channel: &str,
        remembered: impl Fn(&PushMemory) -> bool,
        follows: impl Fn(&Ledger) -> A,
        changes: impl Fn(&A) -> &[Change],
    ) -> Result<Option<A>, StoreError> {
        let mut tries = TRIES;
        loop {
            let mut stored = self.ledger.load(channel).await?;
            // Only once the ledger was read: whoever claims another import from now on changes the
            // ledger before sending it, and what is appended here is refused.
            let (memory, _) =
                self.ledger.load_record::<PushMemory>(StockRecord::Push(channel)).await?;
            if !remembered(&memory) {
                return Ok(None);
            }
            let found = follows(stored.ledger());
            match self.ledger.append(&mut stored, changes(&found)).await {
                Ok(()) => return Ok(Some(found)),
                Err(StoreError::Conflict(_)) if tries > 1 => tries -= 1,
                Err(problem) => return Err(problem),
            }
        }
    }

    /// Changes what a channel's pushes remember.
    pub(crate) async fn change(
        &self,
        channel: &str,
        change: impl Fn(&mut PushMemory),
    ) -> Result<(), StoreError> {
        let record = StockRecord::Push(channel);
        let mut tries = TRIES;
        loop {
            let (mut memory, version) = self.ledger.load_record::<PushMemory>(record).await?;
            change(&mut memory);
            match self.ledger.save_record(record, &memory, &version).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict(_)) if tries > 1 => tries -= 1,
                Err(problem) => return Err(problem),
            }
        }
    }
}
