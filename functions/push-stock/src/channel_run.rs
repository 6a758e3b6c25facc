//! A channel in one run. A [`ChannelRun`] is built step by step: the channel is loaded, its sales
//! are read, its offers are evaluated, and the report says what was published.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::channel::{Channel, Mode};
use shared::domain::documents::UnusableDocument;
use shared::domain::state::StoreError;
use shared::domain::state::ledger::{LedgerStore, StockRecord, StoredLedger, Version};
use shared::domain::stock::documents::StockDocuments;
use shared::domain::stock::evaluate::Evaluation;
use shared::domain::stock::files::{StockFiles, offers_of};
use shared::domain::stock::flight::Flight;
use shared::domain::stock::ledger::Ledger;
use shared::domain::stock::memory::{ImportOwner, PushMemory};
use shared::domain::stock::offers_list::OffersList;
use shared::domain::stock::outstanding::Outstanding;
use shared::domain::stock::snapshot::ChannelSnapshot;
use shared::prima::sku::SkuOverride;

use crate::report::ChannelReport;
use crate::{PortTypes, Ports, PushError};

/// Tries of saving what a channel remembers, where others write it too.
const TRIES: usize = 5;

/// A channel in one run.
#[derive(Debug)]
pub(crate) struct ChannelRun {
    pub(crate) channel: Channel,
    /// Its stock rules, and how its offers' SKUs are read.
    pub(crate) documents: StockDocuments,
    /// What is remembered of its pushes, and the version that it was read at or last saved as.
    pub(crate) memory: PushMemory,
    version: Version,
    /// What Mirakl is known to show.
    pub(crate) stored: StoredLedger,
    /// None where no list of its offers is at hand.
    pub(crate) offers: Option<OffersList>,
    /// Where that list comes from.
    pub(crate) list: ListState,
    /// Empty before its sales are read.
    pub(crate) sales: ChannelSales,
    /// Empty before its offers are evaluated.
    pub(crate) evaluation: Evaluation,
    pub(crate) republication: Republication,
    pub(crate) report: ChannelReport,
}

/// What was sold on a channel, as a run has read it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ChannelSales {
    /// What its orders have in flight.
    pub(crate) flights: Vec<Flight>,
    /// When these were read.
    pub(crate) read_at: Timestamp,
    /// Every order that was placed before is among them.
    pub(crate) seen_until: Option<Timestamp>,
    /// Imports whose effect is not over.
    pub(crate) outstanding: Outstanding,
    /// Prima SKUs of which something was sold or cancelled since the run before.
    pub(crate) touched: Vec<SkuOverride>,
    /// Units by offer SKU that were sold since the last push.
    pub(crate) since_push: HashMap<String, u32>,
}

/// Where a list of offers comes from, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListState {
    /// An earlier run has kept it, or none has yet.
    Kept,
    /// The store cannot be read now: there may be one.
    Unread,
    /// This run has received it from the marketplace.
    New,
}

/// How far a run is with publishing everything again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Republication {
    /// It is not asked for, or has not begun.
    NotBegun,
    /// The ledger has every quantity as unknown, so that each goes out again.
    Marked,
    /// This run has done it.
    Done,
}

/// The channels with a stock flow.
#[derive(Debug)]
pub(crate) struct LoadedChannels {
    pub(crate) usable: Vec<ChannelRun>,
    pub(crate) excluded: Vec<ExcludedChannel>,
}

/// A channel whose documents cannot be used: nothing is published there, and nothing is raised
/// anywhere.
#[derive(Debug)]
pub(crate) struct ExcludedChannel {
    pub(crate) channel: Channel,
    /// What is wrong with them.
    pub(crate) problem: String,
}

impl ChannelRun {
    pub(crate) fn id(&self) -> &str {
        &self.channel.id
    }

    pub(crate) fn is_live(&self) -> bool {
        self.channel.stock == Mode::Live
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.stored.ledger()
    }

    pub(crate) fn snapshot(&self) -> ChannelSnapshot<'_> {
        ChannelSnapshot {
            channel: &self.channel,
            rules: &self.documents.rules,
            skus: &self.documents.skus,
            flights: &self.sales.flights,
            offers: self.offers.as_ref(),
            ledger: self.ledger(),
            memory: &self.memory,
            outstanding: &self.sales.outstanding,
            seen_until: self.sales.seen_until,
        }
    }

    /// A republication that was asked for is done.
    pub(crate) fn note_republished(&mut self) {
        if std::mem::take(&mut self.memory.joint.republish) {
            self.republication = Republication::Done;
        }
    }
}

impl<T: PortTypes> Ports<T> {
    /// Loads the channels with a stock flow: their documents, what is remembered of them, and their
    /// offers.
    pub(crate) async fn load_channels(
        &self,
        channels: &[Channel],
    ) -> Result<LoadedChannels, PushError> {
        let mut loaded = LoadedChannels { usable: Vec::new(), excluded: Vec::new() };
        for channel in channels.iter().filter(|channel| channel.stock != Mode::Off) {
            match StockDocuments::read(&self.documents, &channel.id).await {
                Ok(documents) => loaded.usable.push(self.load_channel(channel, documents).await?),
                Err(UnusableDocument::Wrong(problem)) => {
                    tracing::error!(channel = %channel.id, problem, "nothing is published here, and nothing is raised anywhere");
                    loaded.excluded.push(ExcludedChannel { channel: channel.clone(), problem });
                }
                Err(problem) => return Err(problem.into()),
            }
        }
        Ok(loaded)
    }

    async fn load_channel(
        &self,
        channel: &Channel,
        documents: StockDocuments,
    ) -> Result<ChannelRun, StoreError> {
        let (memory, version) = self.ledger.load_record(StockRecord::Push(&channel.id)).await?;
        let stored = self.ledger.load(&channel.id).await?;
        let (offers, list) = match self.load_offers(&channel.id).await {
            Ok(offers) => (offers, ListState::Kept),
            Err(problem) => {
                tracing::warn!(channel = %channel.id, %problem, "the list of offers cannot be read now; this run publishes nothing here");
                (None, ListState::Unread)
            }
        };
        Ok(ChannelRun {
            channel: channel.clone(),
            documents,
            memory,
            version,
            stored,
            offers,
            list,
            sales: ChannelSales::default(),
            evaluation: Evaluation::default(),
            republication: Republication::NotBegun,
            report: ChannelReport::of(&channel.id),
        })
    }

    /// A channel's list of offers; none where there is none that can be used.
    ///
    /// # Errors
    /// The store does not hand it out now: that is no reason to have a new one made.
    async fn load_offers(&self, channel: &str) -> Result<Option<OffersList>, StoreError> {
        let bytes = self.files.read(&offers_of(channel)).await?;
        Ok(bytes.map(OffersList::decode).transpose().unwrap_or_else(|problem| {
            tracing::warn!(channel, problem, "the list of offers cannot be used; nothing is published here before there is a new one");
            None
        }))
    }

    /// Saves what is remembered of a channel, merged with what others have saved meanwhile. False
    /// where that was not possible.
    pub(crate) async fn save(&self, channel: &mut ChannelRun, imports: ImportOwner) -> bool {
        let record = StockRecord::Push(&channel.channel.id);
        for _ in 0..TRIES {
            match self.ledger.save_record(record, &channel.memory, &channel.version).await {
                Ok(version) => {
                    channel.version = version;
                    return true;
                }
                Err(StoreError::Conflict(_)) => {
                    let Ok((theirs, version)) = self.ledger.load_record(record).await else {
                        continue;
                    };
                    let is_republished = channel.republication == Republication::Done;
                    channel.memory =
                        std::mem::take(&mut channel.memory).merged(theirs, imports, is_republished);
                    channel.version = version;
                }
                Err(problem) => {
                    tracing::warn!(channel = %channel.channel.id, %problem, "what a channel's pushes remember could not be saved");
                    return false;
                }
            }
        }
        false
    }
}

/// How long ago something was.
pub(crate) fn age(since: Option<Timestamp>, now: Timestamp) -> Duration {
    since.map_or(Duration::ZERO, |since| {
        Duration::try_from(now.duration_since(since)).unwrap_or_default()
    })
}
