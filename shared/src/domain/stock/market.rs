//! All channels together, as what each of them shows rests on: for the push, and for whoever asks why it shows what it shows.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::book::StockBook;
use super::division::{Division, Outstanding, Pending, SoldSkus};
use super::evaluate::{InFlight, LastUnits, Market, Stall};
use super::figures::Figures;
use super::files::{StockFiles, import_of};
use super::flight::Flight;
use super::imports::decode_lines;
use super::ledger::{Ledger, sku_hash};
use super::memory::{ImportUnderWay, PushMemory};
use super::offer::Shown;
use super::offers_list::OffersList;
use super::rules::StockRules;
use super::settings::{LastPieces, StockSettings};
use crate::domain::channel::{Channel, Mode};
use crate::domain::documents::UnusableDocument;
use crate::domain::order::mapping::SkuReader;
use crate::domain::state::{FlightStore, Store, StoreError};
use crate::kit::clock::{CLOCK_SKEW, after};

/// Imports whose lines are read in a run, of one channel; with more of them nothing is handed out.
const MOST_IMPORTS: usize = 20;
/// Where nobody tells until when orders are known, they are taken to be after this.
const KNOWN_AFTER: Duration = Duration::from_secs(600);
/// An import whose answer was lost may still be applied; pieces are kept back for it for so long.
const STRAY_COUNTS: Duration = Duration::from_secs(1800);
/// What an import takes, where none was measured yet.
const USUAL_IMPORT: Duration = Duration::from_secs(120);
/// From one run to the next, and from one import to the next.
const MINUTE: Duration = Duration::from_secs(60);

/// A channel with a stock flow.
#[derive(Clone, Copy, Debug)]
pub struct Seat<'a> {
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

/// Orders of a channel that only sells, and how its offers' SKUs are read.
pub type Seller<'a> = (&'a SkuReader, &'a [Flight]);

/// What channels have in flight that are not seated: they sell too. `is_seated`: the channel is.
///
/// # Errors
/// It cannot be told: a quantity that leaves out what was sold there would be too high.
pub async fn sold_besides(
    store: &impl FlightStore,
    book: &impl StockBook,
    channels: &[Channel],
    unusable: &[(String, String)],
    is_seated: impl Fn(&str) -> bool,
) -> Result<Vec<(SkuReader, Vec<Flight>)>, String> {
    let mut sellers = Vec::new();
    let usable = channels.iter().map(|channel| (&channel.id, channel.stock == Mode::Off));
    let all = usable.chain(unusable.iter().map(|(id, _)| (id, false)));
    for (id, is_off) in all.filter(|(id, _)| !is_seated(id)) {
        let flights = store.flights(id).await.map_err(|problem| problem.to_string())?;
        if flights.is_empty() {
            continue;
        }
        match book.skus(id).await {
            Ok(skus) => sellers.push((skus, flights)),
            // Its lines protect nothing then; such a channel is absent, and nothing is raised anywhere. Where they only cannot be read now,
            // nothing is published at all.
            Err(UnusableDocument::Wrong(problem)) if !is_off => {
                tracing::error!(channel = %id, problem, "its orders protect no stock");
            }
            Err(problem) => return Err(format!("what channel {id} has sold cannot be told from its documents: {problem}")),
        }
    }
    Ok(sellers)
}

/// Until when every order of a channel is known that was placed; none where its orders are not listed. Read before its orders are.
///
/// # Errors
/// The store's.
pub async fn seen_until(store: &impl Store, channel: &Channel) -> Result<Option<Timestamp>, StoreError> {
    if channel.orders == Mode::Off {
        return Ok(None);
    }
    Ok(store.load_poll(&channel.id).await?.seen_until)
}

/// What holds for all channels at once: what is in flight, who offers the last units, and how the last pieces are divided.
#[must_use]
pub fn market<'a>(
    figures: &'a Figures,
    settings: &'a StockSettings,
    seats: &[Seat<'_>],
    sellers: &[Seller<'_>],
    now: Timestamp,
) -> Market<'a> {
    let mut in_flight = InFlight::default();
    for (skus, flights) in sellers.iter().copied().chain(seats.iter().map(|seat| (seat.skus, seat.flights))) {
        in_flight.add(skus, flights, figures, settings);
    }
    let mut last_units = LastUnits::default();
    if settings.last_units > 0 {
        for named in &settings.last_units_on {
            let seat = seats.iter().find(|seat| seat.channel.id == *named && seat.channel.stock == Mode::Live);
            if let Some((seat, offers)) = seat.and_then(|seat| Some((seat, seat.offers?))) {
                last_units.add(named, seat.skus, offers);
            }
        }
    }
    let mut market = Market { figures, settings, in_flight, last_units, division: Division::default(), now };
    let (sharing, rest): (Vec<&Seat<'_>>, Vec<&Seat<'_>>) =
        seats.iter().partition(|seat| seat.channel.stock == Mode::Live && seat.offers.is_some());
    if settings.last_pieces == LastPieces::Copy || sharing.len() < 2 {
        return market;
    }
    let others: Vec<Seller<'_>> = rest.iter().map(|seat| (seat.skus, seat.flights)).chain(sellers.iter().copied()).collect();
    let own: Vec<Seller<'_>> = sharing.iter().map(|seat| (seat.skus, seat.flights)).collect();
    let sold = SoldSkus::count(&own, &others, corrected_within(&sharing, now), now);
    let one_of = (settings.last_pieces == LastPieces::OneChannel).then(|| settings.last_units_on.clone());
    market.division = Division::new(sold, settings.last_pieces_floor, one_of);
    for seat in sharing {
        let Some(offers) = seat.offers else { continue };
        let velocity = seat.memory.sales.velocity(now);
        let stall = Stall { channel: &seat.channel.id, rules: seat.rules, skus: seat.skus, ledger: seat.ledger, sold_elsewhere: None };
        market.divide_with(&stall, offers, seat.outstanding, velocity.units_short.max(velocity.units_long));
    }
    market
}

/// From a sale until every channel is corrected, as measured: the order is listed, a run notices it, the import before it ends, its own
/// does. What takes longer now counts with what it has taken so far.
fn corrected_within(seats: &[&Seat<'_>], now: Timestamp) -> Duration {
    let since = |then: Timestamp| Duration::try_from(now.duration_since(then)).unwrap_or_default();
    let of = |seat: &&Seat<'_>| {
        let listed = MINUTE * seat.channel.listing_interval_minutes;
        let listed = seat.seen_until.map_or(listed, |until| since(until).max(listed));
        let ended = seat.memory.ended.iter().map(|import| import.took());
        let took = ended.max().unwrap_or(USUAL_IMPORT);
        let under_way = seat.memory.import.as_ref().map_or(Duration::ZERO, |import| since(import.begun_at));
        listed + MINUTE + MINUTE + took.max(under_way)
    };
    seats.iter().map(of).max().unwrap_or_default()
}

/// Reads which imports of a channel have not had all their effect. `seen_until`: every order that was placed before is known.
pub async fn outstanding(
    files: &impl StockFiles,
    channel: &str,
    memory: &PushMemory,
    seen_until: Option<Timestamp>,
    now: Timestamp,
) -> Outstanding {
    let is_open = |ended_at: Timestamp, seen_until: Option<Timestamp>| match seen_until {
        Some(seen_until) => after(ended_at, CLOCK_SKEW) > seen_until,
        None => after(ended_at, KNOWN_AFTER) > now,
    };
    // What is seen for the first time now may have been sold before.
    let ended: Vec<_> = memory.ended.iter().filter(|one| is_open(one.ended_at, memory.seen_until)).collect();
    if ended.len() > MOST_IMPORTS {
        return Outstanding(None);
    }
    let mut open: HashMap<u64, Pending> = HashMap::new();
    let under_way = memory.import.iter().map(|import| (import.mark.as_str(), How::UnderWay));
    let counts = |stray: &&ImportUnderWay| stray.import_id.is_some() || after(stray.begun_at, STRAY_COUNTS) > now;
    let strays = memory.stray.iter().filter(counts).map(|stray| (stray.mark.as_str(), How::Stray));
    for (mark, how) in under_way
        .chain(strays)
        .chain(ended.into_iter().map(|one| (one.mark.as_str(), How::Ended { is_open: is_open(one.ended_at, seen_until) })))
    {
        let Ok(Some(bytes)) = files.read(&import_of(channel, mark)).await else { return Outstanding(None) };
        let Ok(lines) = decode_lines(&bytes) else { return Outstanding(None) };
        for line in lines {
            let before = line.before.at_most();
            // Of what was never published nobody knows what it showed.
            let may_have_sold = before > 0 || line.before == Shown::Never;
            let pending = open.entry(sku_hash(&line.offer_sku)).or_default();
            match how {
                // What was shown before may be sold, and then what the import brings.
                How::UnderWay => {
                    pending.more = pending.more.saturating_add(before.min(line.quantity));
                    pending.is_under_way = true;
                    pending.is_from_nothing = line.before == Shown::Known(0);
                    pending.is_unseen |= may_have_sold;
                }
                How::Stray => {
                    pending.more = pending.more.saturating_add(line.quantity);
                    pending.is_new = true;
                }
                How::Ended { is_open } => {
                    pending.is_unseen |= may_have_sold && is_open;
                    pending.is_new |= may_have_sold;
                }
            }
        }
    }
    Outstanding(Some(open))
}

#[derive(Clone, Copy)]
enum How {
    UnderWay,
    Stray,
    /// Whether orders may still be unknown that were placed before.
    Ended {
        is_open: bool,
    },
}
