//! What the marketplace demands of a shipment: read once a day, and again where a code is doubted.

use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel_documents::{ChannelDocuments as _, Freshness};
use shared::domain::dispatch::documents::DispatchDocuments;
use shared::domain::documents::UnusableDocument;
use shared::domain::events::{Event, EventKind, Severity};
use shared::domain::order::row::OrderRow;
use shared::domain::unknown_values::tell_once;
use shared::kit::clock::{Clock as _, before};
use shared::kit::odd_form::OddForm;
use shared::mirakl::shipping::MiraklShipping;
use shared::mirakl::shipping_requirements::ShippingRequirements;

use crate::{End, PortTypes, Ports, Work};

/// What a marketplace demands is read again after this long; Mirakl allows it once a day.
pub(crate) const REQUIREMENTS_KEPT: Duration = Duration::from_secs(23 * 3600);
/// The map leads to a code that is not in the list, and the list is older than this: it is read
/// again. Not for every parcel of a rush. What Mirakl itself refuses has the list read again at
/// once.
pub(crate) const REQUIREMENTS_DOUBTED: Duration = Duration::from_secs(30);
/// Who keeps what marketplaces demand.
const AUTHOR: &str = "update-dispatches";

impl<T: PortTypes> Ports<T> {
    pub(crate) async fn read_documents(
        &self,
        row: &OrderRow,
        freshness: Freshness,
    ) -> Result<DispatchDocuments, UnusableDocument> {
        DispatchDocuments::read(&self.documents, &row.key.channel, freshness).await
    }

    pub(crate) fn is_doubted(&self, documents: &DispatchDocuments) -> bool {
        documents.requirements.as_ref().is_none_or(|requirements| {
            requirements.read_at < before(self.clock.now(), REQUIREMENTS_DOUBTED)
        })
    }

    /// What the marketplace demands, read at `since` or later.
    pub(crate) async fn need_requirements(
        &self,
        documents: &mut DispatchDocuments,
        work: &Work<'_, impl MiraklShipping>,
        since: Timestamp,
    ) -> Result<(), End> {
        let now = self.clock.now();
        if documents.requirements.as_ref().is_some_and(|requirements| requirements.read_at >= since)
        {
            return Ok(());
        }
        match work.client.shipping_requirements().await {
            Ok(requirements) => {
                self.tell_of_odd_fields(&work.channel.id, &requirements.unread_fields).await;
                let requirements = ShippingRequirements { read_at: now, ..requirements };
                if let Err(problem) =
                    self.documents.keep_document(&work.channel.id, &requirements, AUTHOR, now).await
                {
                    tracing::warn!(channel = %work.channel.id, %problem, "what the marketplace demands could not be kept; it is read again");
                }
                documents.requirements = Some(requirements);
                Ok(())
            }
            // An old list is better than none.
            Err(problem) if documents.requirements.is_some() => {
                tracing::warn!(channel = %work.channel.id, %problem, "what the marketplace demands could not be read again; going on with what is known");
                if let Some(requirements) = &mut documents.requirements {
                    requirements.read_at = now;
                }
                Ok(())
            }
            Err(problem) => {
                tracing::warn!(channel = %work.channel.id, %problem, "what the marketplace demands cannot be read");
                Err(End::Failed(problem.retry_after))
            }
        }
    }

    /// Fields of what the marketplace demands that were done without: each form is told once for a
    /// channel.
    async fn tell_of_odd_fields(&self, channel: &str, odd: &[OddForm]) {
        let of_channel = |form: &OddForm| OddForm {
            field: format!("{} of channel {channel}", form.field),
            form: form.form.clone(),
        };
        let odd: Vec<OddForm> = odd.iter().map(of_channel).collect();
        let event = |form: &OddForm| {
            Event {
            kind: EventKind::UnknownValue,
            channel: Some(channel.to_owned()),
            order: None,
            needs_person: true,
            severity: Severity::Info,
            reason: format!("what the marketplace demands of a dispatch has {form} (9: a digit, a: a letter), which is not understood"),
            remedy: "It is done without: a carrier that cannot be read counts as not listed, and what is mapped to it becomes an exception; a way of shipping counts as one that demands nothing. Say the form to the connector's engineer. It is not told again."
                .to_owned(),
        }
        };
        tell_once(&self.store, &self.events, |state| {
            odd.iter().filter(|form| form.note(&mut state.reported_forms)).map(event).collect()
        })
        .await;
    }
}
