//! What is known of all channels at one moment, and the availability that follows: for the push,
//! and for whoever asks why an offer shows what it shows.

use std::time::Duration;

use jiff::Timestamp;

use super::availability::{Availability, LastUnits, SalesChannel};
use super::division::Division;
use super::documents::read_skus;
use super::figures::Figures;
use super::flight::Flight;
use super::in_flight::InFlight;
use super::ledger::Ledger;
use super::memory::PushMemory;
use super::offers_list::OffersList;
use super::outstanding::Outstanding;
use super::rules::StockRules;
use super::settings::{LastPieces, StockSettings};
use super::sold_skus::SoldSkus;
use crate::domain::channel::{Channel, Mode};
use crate::domain::channel_documents::ChannelDocuments;
use crate::domain::documents::UnusableDocument;
use crate::domain::order::mapping::SkuReader;
use crate::domain::state::{FlightStore, PollStore, StoreError};

/// What an import takes, where none was measured yet.
const USUAL_IMPORT: Duration = Duration::from_secs(120);
/// From one run to the next, and from one import to the next.
const MINUTE: Duration = Duration::from_secs(60);

/// A channel with a stock flow, as it stands at one moment.
#[derive(Clone, Copy, Debug)]
pub struct ChannelSnapshot<'a> {
    /// The channel.
    pub channel: &'a Channel,
    /// Its stock rules.
    pub rules: &'a StockRules,
    /// How its offers' SKUs are read.
    pub skus: &'a SkuReader,
    /// What its orders have in flight.
    pub flights: &'a [Flight],
    /// Its offers, where the list is at hand.
    pub offers: Option<&'a OffersList>,
    /// What Mirakl is known to show.
    pub ledger: &'a Ledger,
    /// What its pushes remember.
    pub memory: &'a PushMemory,
    /// Imports whose effect is not over.
    pub outstanding: &'a Outstanding,
    /// Every order that was placed before is known.
    pub seen_until: Option<Timestamp>,
}

impl<'a> ChannelSnapshot<'a> {
    /// The channel as its offers are evaluated.
    #[must_use]
    pub fn sales_channel(&self) -> SalesChannel<'a> {
        SalesChannel {
            id: &self.channel.id,
            rules: self.rules,
            skus: self.skus,
            ledger: self.ledger,
            sold_elsewhere: None,
        }
    }

    /// The last pieces are divided among the channels that are live and whose offers are known.
    /// Beside a live one whose offers are not known nothing is handed out
    /// ([`Self::may_show_anything`]).
    fn shares_last_pieces(&self) -> bool {
        self.channel.stock == Mode::Live && self.offers.is_some()
    }

    /// A live channel whose list of offers is not at hand may show too much of anything, where it
    /// is known to show something.
    #[must_use]
    pub fn may_show_anything(&self) -> bool {
        self.channel.stock == Mode::Live
            && self.offers.is_none()
            && self.ledger.entries().any(|entry| entry.value.highest() > 0)
    }

    fn orders(&self) -> Orders<'a> {
        (self.skus, self.flights)
    }
}

/// Orders of one channel, and how their offers' SKUs are read.
type Orders<'a> = (&'a SkuReader, &'a [Flight]);

/// A channel that is not published to, and sells all the same.
#[derive(Clone, Debug)]
pub struct OtherChannel {
    /// How its offers' SKUs are read.
    pub skus: SkuReader,
    /// What its orders have in flight.
    pub flights: Vec<Flight>,
}

impl OtherChannel {
    fn orders(&self) -> Orders<'_> {
        (&self.skus, &self.flights)
    }
}

/// Why it cannot be told what a channel has sold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SalesUnknown {
    /// Its orders cannot be read now.
    #[error(transparent)]
    PollStore(#[from] StoreError),
    /// Its orders' SKUs cannot be read by its documents.
    #[error("what channel {channel} has sold cannot be told from its documents: {problem}")]
    Documents {
        /// The channel.
        channel: String,
        /// What is wrong with its documents.
        problem: UnusableDocument,
    },
}

/// The channels besides those that are published to. `unusable`: those whose definition cannot be
/// used. `is_published_to`: of a channel's id.
///
/// # Errors
/// It cannot be told what one has sold: a quantity that leaves that out would be too high.
pub async fn other_channels(
    store: &impl FlightStore,
    documents: &impl ChannelDocuments,
    channels: &[Channel],
    unusable: &[(String, String)],
    is_published_to: impl Fn(&str) -> bool,
) -> Result<Vec<OtherChannel>, SalesUnknown> {
    let mut others = Vec::new();
    let usable = channels.iter().map(|channel| (&channel.id, channel.stock == Mode::Off));
    let all = usable.chain(unusable.iter().map(|(id, _)| (id, false)));
    for (id, is_off) in all.filter(|(id, _)| !is_published_to(id)) {
        let flights = store.flights(id).await?;
        if flights.is_empty() {
            continue;
        }
        match read_skus(documents, id).await {
            Ok(skus) => others.push(OtherChannel { skus, flights }),
            // Its orders lower no offer then. While its documents are wrong, nothing is raised on
            // any channel; while they only cannot be read, nothing is published at all.
            Err(UnusableDocument::Wrong(problem)) if !is_off => {
                tracing::error!(channel = %id, problem, "its orders protect no stock");
            }
            Err(problem) => return Err(SalesUnknown::Documents { channel: id.clone(), problem }),
        }
    }
    Ok(others)
}

/// Every order of a channel that was placed before this is known; none where its orders are not
/// listed. To be read before its orders.
///
/// # Errors
/// The store's.
pub async fn seen_until(
    store: &impl PollStore,
    channel: &Channel,
) -> Result<Option<Timestamp>, StoreError> {
    if channel.orders == Mode::Off {
        return Ok(None);
    }
    Ok(store.load_poll(&channel.id).await?.seen_until)
}

/// What is available to sell: what is in flight, who offers the last units, and how the last pieces
/// are divided. `is_one_missing`: a channel that is live, or may be, is not among the `channels`,
/// because its documents cannot be used.
#[must_use]
pub fn availability<'a>(
    figures: &'a Figures,
    settings: &'a StockSettings,
    channels: &[ChannelSnapshot<'_>],
    others: &[OtherChannel],
    is_one_missing: bool,
    now: Timestamp,
) -> Availability<'a> {
    Availability {
        figures,
        settings,
        in_flight: in_flight(figures, settings, channels, others),
        last_units: last_units(settings, channels),
        division: Division::default(),
        now,
    }
    .divided_among(channels, others, is_one_missing)
}

fn in_flight(
    figures: &Figures,
    settings: &StockSettings,
    channels: &[ChannelSnapshot<'_>],
    others: &[OtherChannel],
) -> InFlight {
    let mut in_flight = InFlight::default();
    for (skus, flights) in
        others.iter().map(OtherChannel::orders).chain(channels.iter().map(ChannelSnapshot::orders))
    {
        in_flight.add(skus, flights, figures, settings);
    }
    in_flight
}

fn last_units(settings: &StockSettings, channels: &[ChannelSnapshot<'_>]) -> LastUnits {
    let mut last_units = LastUnits::default();
    if settings.last_units > 0 {
        for named in &settings.last_units_on {
            let channel = channels
                .iter()
                .find(|one| one.channel.id == *named && one.channel.stock == Mode::Live);
            if let Some((channel, offers)) =
                channel.and_then(|channel| Some((channel, channel.offers?)))
            {
                last_units.add(named, channel.skus, offers);
            }
        }
    }
    last_units
}

impl Availability<'_> {
    /// With the last pieces divided, where several channels share them. One that should share them
    /// and cannot be asked what it shows is missing: the others must not divide its pieces.
    fn divided_among(
        mut self,
        channels: &[ChannelSnapshot<'_>],
        others: &[OtherChannel],
        is_one_missing: bool,
    ) -> Self {
        let settings = self.settings;
        let (sharing, rest): (Vec<&ChannelSnapshot<'_>>, Vec<_>) =
            channels.iter().partition(|channel| channel.shares_last_pieces());
        let is_one_missing =
            is_one_missing || rest.iter().any(|channel| channel.may_show_anything());
        let are_several = sharing.len() + usize::from(is_one_missing) > 1;
        if settings.last_pieces == LastPieces::Copy || !are_several {
            return self;
        }
        let other_orders: Vec<Orders<'_>> = rest
            .iter()
            .map(|channel| channel.orders())
            .chain(others.iter().map(OtherChannel::orders))
            .collect();
        let own_orders: Vec<Orders<'_>> = sharing.iter().map(|channel| channel.orders()).collect();
        let sold = SoldSkus::count(
            &own_orders,
            &other_orders,
            corrected_within(channels, self.now),
            self.now,
        );
        let one_of = (settings.last_pieces == LastPieces::OneChannel)
            .then(|| settings.last_units_on.clone());
        self.division = Division::new(sold, settings.last_pieces_floor, one_of)
            .beside_a_missing(is_one_missing);
        for channel in sharing {
            let Some(offers) = channel.offers else { continue };
            let velocity = channel.memory.run.sales.velocity(self.now);
            let units_an_hour = velocity.units_short.max(velocity.units_long);
            self.divide_with(&channel.sales_channel(), offers, channel.outstanding, units_an_hour);
        }
        self
    }
}

/// The time from a sale until every live channel is corrected, as measured: the order is listed, a
/// run sees it, the import before ends, its own import ends. Where one of these takes longer now,
/// the time so far counts.
fn corrected_within(channels: &[ChannelSnapshot<'_>], now: Timestamp) -> Duration {
    let since = |then: Timestamp| Duration::try_from(now.duration_since(then)).unwrap_or_default();
    let of = |channel: &ChannelSnapshot<'_>| {
        let listed = MINUTE * channel.channel.listing_interval_minutes;
        let listed = channel.seen_until.map_or(listed, |until| since(until).max(listed));
        let imports = &channel.memory.imports;
        let took = imports.ended.iter().map(|import| import.took()).max().unwrap_or(USUAL_IMPORT);
        let under_way =
            imports.under_way.as_ref().map_or(Duration::ZERO, |import| since(import.begun_at));
        listed + MINUTE + MINUTE + took.max(under_way)
    };
    let live = channels.iter().filter(|channel| channel.channel.stock == Mode::Live);
    live.map(of).max().unwrap_or_default()
}
