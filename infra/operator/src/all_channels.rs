//! What the offers of every channel rest on: settings, figures, orders in flight and lists of
//! offers, read at once.

use anyhow::{Result, anyhow};
use shared::domain::channel::{Channel, Mode};
use shared::domain::channel_documents::ChannelDocuments;
use shared::domain::documents::{DocumentKey, UnusableDocument};
use shared::domain::installation::Installation;
use shared::domain::state::FlightStore;
use shared::domain::stock::documents::StockDocuments;
use shared::domain::stock::figures::Figures;
use shared::domain::stock::files::{FIGURES, StockFiles, offers_of};
use shared::domain::stock::flight::Flight;
use shared::domain::stock::in_flight::units_of;
use shared::domain::stock::offers_list::OffersList;
use shared::domain::stock::settings::StockSettings;
use shared::domain::stock::snapshot::{OtherChannel, other_channels};
use shared::prima::stock::SkuKey;

use crate::connector::Connector;

/// What the offers of all channels rest on.
pub(crate) struct AllChannels {
    pub(crate) settings: StockSettings,
    pub(crate) channels: Vec<(Channel, StockDocuments, Vec<Flight>, Option<OffersList>)>,
    pub(crate) figures: Figures,
    /// Channels whose documents cannot be used, with what is wrong: nothing is raised anywhere
    /// meanwhile.
    pub(crate) wrong: Vec<(String, String)>,
    /// One of these is live, or may be.
    pub(crate) is_one_missing: bool,
    /// The channels that are not published to.
    pub(crate) others: Vec<OtherChannel>,
}

impl AllChannels {
    pub(crate) async fn read(connector: &Connector) -> Result<Self> {
        let documents = connector.documents()?;
        let installation: Installation = documents
            .read(&DocumentKey::Installation)
            .await?
            .ok_or_else(|| anyhow!("there is no installation document"))?;
        let (store, files) = (connector.store()?, connector.stock_files()?);
        let documents = &documents;
        let list = ChannelDocuments::channels(&documents).await?;
        let unusable: Vec<_> = list.not_working().cloned().collect();
        let list = list.channels;
        let (mut channels, mut wrong) = (Vec::new(), unusable.clone());
        let mut is_one_missing = !unusable.is_empty();
        for channel in list.clone() {
            let pages = match StockDocuments::read(&documents, &channel.id).await {
                Ok(pages) => pages,
                Err(UnusableDocument::Wrong(problem)) => {
                    is_one_missing |= channel.stock == Mode::Live;
                    if channel.stock != Mode::Off {
                        wrong.push((channel.id, problem));
                    }
                    continue;
                }
                Err(problem) => return Err(anyhow!("{problem}")),
            };
            let flights = store.flights(&channel.id).await?;
            let offers =
                files.read(&offers_of(&channel.id)).await?.map(OffersList::decode).transpose();
            let offers = offers.map_err(|problem| {
                anyhow!("the list of offers of {} cannot be read: {problem}", channel.id)
            })?;
            channels.push((channel, pages, flights, offers));
        }
        let figures = files.read(FIGURES).await?.map(|bytes| Figures::decode(&bytes)).transpose();
        let figures = figures
            .map_err(|problem| anyhow!("Prima's figures as kept cannot be read: {problem}"))?
            .unwrap_or_default();
        let is_published_to = |id: &str| {
            channels.iter().any(|(channel, ..): &(Channel, _, _, _)| {
                channel.id == id && channel.stock != Mode::Off
            })
        };
        let others = other_channels(&store, &documents, &list, &unusable, is_published_to).await?;
        Ok(Self { settings: installation.stock, channels, figures, wrong, is_one_missing, others })
    }

    /// The channels that take part, as `push-stock` has them.
    pub(crate) fn published_to(
        &self,
    ) -> impl Iterator<Item = &(Channel, StockDocuments, Vec<Flight>, Option<OffersList>)> {
        self.channels.iter().filter(|(channel, ..)| channel.stock != Mode::Off)
    }

    /// Orders that have units of a SKU in flight: channel, order, units, and since when.
    pub(crate) fn orders_with(&self, key: SkuKey) -> Vec<(&Flight, u32)> {
        let mut found = Vec::new();
        let others = self.others.iter().map(|other| (&other.skus, &other.flights));
        for (skus, flights) in
            self.published_to().map(|(_, pages, flights, _)| (&pages.skus, flights)).chain(others)
        {
            for flight in flights {
                let units = units_of(flight, skus, &self.figures, &self.settings);
                let units: u32 = units
                    .iter()
                    .filter(|(_, one, _)| *one == Some(key))
                    .map(|(_, _, units)| units)
                    .sum();
                if units > 0 {
                    found.push((flight, units));
                }
            }
        }
        found.sort_by_key(|(flight, _)| flight.seen_at);
        found
    }
}
