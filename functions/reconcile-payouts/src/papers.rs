//! The operator's documents as files (IV02): each is fetched once and kept with its cycle.

use shared::domain::payout::row::CycleRow;
use shared::domain::payout::store::{PayoutFiles, document_file};
use shared::mirakl::finance::MiraklFinance;

use crate::shop::{ShopRun, closed_at};
use crate::{PortTypes, Ports, ReconcileError};

/// Documents that one run fetches; the rest waits for the next listing.
const MOST: usize = 50;

impl<T: PortTypes> Ports<T> {
    /// Fetches what was issued and is not there yet. One that cannot be fetched leaves its
    /// neighbours alone.
    pub(crate) async fn fetch_documents(
        &self,
        shop: &mut ShopRun<'_>,
        client: &impl MiraklFinance,
    ) -> Result<(), ReconcileError> {
        let from = shop.ledger_from();
        let mut left = MOST;
        for row in shop.cycles.iter_mut().filter(|row| closed_at(row) >= from) {
            let issued = row.documents.iter().filter_map(|document| document.invoice_id);
            let missing: Vec<i64> =
                issued.filter(|invoice_id| !row.document_files.contains(invoice_id)).collect();
            for invoice_id in missing {
                if left == 0 || shop.row.refused.wait(&shop.channel.id, "IV02", shop.now).is_some()
                {
                    return Ok(());
                }
                left -= 1;
                match client.accounting_document_file(invoice_id).await {
                    Ok(bytes) => {
                        self.files.write(&document_file(&row.key, invoice_id), bytes).await?;
                        let kept = |row: &mut CycleRow| {
                            row.document_files.insert(invoice_id);
                        };
                        self.change_cycle(row, kept).await?;
                        shop.row.refused.works(&shop.channel.id, "IV02");
                    }
                    Err(problem) => {
                        tracing::warn!(channel = %shop.channel.id, cycle = %row.key, invoice_id, %problem, "a document could not be fetched; tried again after the next listing");
                        if problem.is_key_refused() {
                            shop.row.refused.refuse(&shop.channel.id, &problem, shop.now);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
