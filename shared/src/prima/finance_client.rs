//! The client of Prima's nominal ledger.

use jiff::civil::Date;

use crate::kit::clock::Clock;
use crate::prima::connection::says;

use super::assumed::finance as documents;
use super::client::{Effect, PrimaClient};
use super::error::{Outcome, PrimaError};
use super::finance::{
    CreditNote, FinanceCapabilities, FinanceProblem, NewJournal, NominalTransaction, PostedJournal,
    Posting, PrimaFinance,
};

/// A client of one installation's nominal ledger, over the connection of its orders.
#[derive(Clone, Debug)]
pub struct PrimaFinanceClient<C> {
    client: PrimaClient<C>,
    capabilities: FinanceCapabilities,
}

impl<C: Clock + Clone> PrimaFinanceClient<C> {
    /// A client with the deadline that `client` has.
    #[must_use]
    pub fn new(client: PrimaClient<C>, capabilities: FinanceCapabilities) -> Self {
        Self { client, capabilities }
    }

    fn require(
        is_there: bool,
        document: &'static str,
        setting: &'static str,
    ) -> Result<(), PrimaError> {
        if is_there {
            return Ok(());
        }
        let message = format!("this site has no {document} (finance.{setting})");
        Err(PrimaError::not_sent(document, message))
    }
}

fn unclear(document: &'static str) -> impl Fn(FinanceProblem) -> PrimaError {
    move |problem| PrimaError::unclear(document, problem.to_string())
}

impl<C: Clock + Clone> PrimaFinance for PrimaFinanceClient<C> {
    async fn new_journal(&self, journal: &NewJournal) -> Result<Posting, PrimaError> {
        const DOCUMENT: &str = documents::NEW_JOURNAL;
        Self::require(self.capabilities.new_journal, DOCUMENT, "new_journal")?;
        documents::check_sides(&journal.lines)
            .map_err(|problem| PrimaError::not_sent(DOCUMENT, problem.to_string()))?;
        let encoding = self.client.connection().encoding;
        let request = documents::new_journal_request(journal, encoding);
        match self.client.call(Effect::Lasting, DOCUMENT, request).await {
            Ok(_) => Ok(Posting::Posted),
            Err(PrimaError { outcome: Outcome::Refused, message, .. })
                if self
                    .capabilities
                    .duplicate_texts
                    .iter()
                    .any(|text| says(&message, &text.replace("{id}", &journal.third_party_id))) =>
            {
                Ok(Posting::WasPosted(message))
            }
            Err(problem) => Err(problem),
        }
    }

    async fn journal_status(
        &self,
        third_party_id: &str,
    ) -> Result<Option<PostedJournal>, PrimaError> {
        const DOCUMENT: &str = documents::JOURNAL_STATUS;
        Self::require(self.capabilities.journal_status, DOCUMENT, "journal_status")?;
        let encoding = self.client.connection().encoding;
        let request = documents::journal_status_request(third_party_id, encoding);
        match self.client.call(Effect::None, DOCUMENT, request).await {
            Ok(root) => documents::read_journal_status(&root, third_party_id)
                .map(Some)
                .map_err(unclear(DOCUMENT)),
            Err(PrimaError { outcome: Outcome::Refused, message, .. })
                if self
                    .capabilities
                    .unknown_journal_texts
                    .iter()
                    .any(|text| says(&message, text)) =>
            {
                Ok(None)
            }
            Err(problem) => Err(problem),
        }
    }

    async fn nominal_transactions(
        &self,
        nominal: &str,
        days: [Date; 2],
    ) -> Result<Vec<NominalTransaction>, PrimaError> {
        const DOCUMENT: &str = documents::NOMINAL_TRANSACTIONS;
        Self::require(self.capabilities.nominal_transactions, DOCUMENT, "nominal_transactions")?;
        let encoding = self.client.connection().encoding;
        let request = documents::nominal_transactions_request(nominal, days, encoding);
        let root = self.client.call(Effect::None, DOCUMENT, request).await?;
        documents::read_nominal_transactions(&root).map_err(unclear(DOCUMENT))
    }

    async fn credit_notes(&self, days: [Date; 2]) -> Result<Vec<CreditNote>, PrimaError> {
        const DOCUMENT: &str = documents::CREDIT_NOTES;
        Self::require(self.capabilities.credit_notes, DOCUMENT, "credit_notes")?;
        let encoding = self.client.connection().encoding;
        let request = documents::credit_notes_request(days, encoding);
        let root = self.client.call(Effect::None, DOCUMENT, request).await?;
        documents::read_credit_notes(&root).map_err(unclear(DOCUMENT))
    }
}
