//! What may not be: judged by what lies in Prima's warehouse, what the marketplaces show, and what
//! was sold where and when.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::state::ledger::LedgerStore as _;
use shared::domain::stock::cadence::most_within;
use shared::domain::stock::exceptions::StockExceptionKind;
use shared::domain::stock::ledger::sku_hash;
use shared::domain::stock::offer::Shown;
use shared::domain::stock::settings::LastPieces;
use shared::kit::clock::after;
use simulators::mirakl::State;
use simulators::prima::Stage;

use super::world::{Applied, CHANNELS, LIVE, SHOPS, World};

/// In a world in which nothing goes wrong, what is sold on a marketplace lowers all others within
/// this: seen within 90 s, a run every minute, two minutes between two pushes, an import, and the
/// one before it with its questions.
const SOLD_WITHIN: Duration = Duration::from_secs(600);

/// Sum of what the marketplaces' own sales and the shops' have taken that the basis of an offer
/// could not know.
fn unknown_falls(
    world: &World,
    channel: usize,
    offer_sku: &str,
    applied: &Applied,
) -> (i64, Option<Timestamp>) {
    let told = world.told.borrow();
    let asked_at = applied
        .basis
        .figures
        .get(offer_sku)
        .and_then(|answered| answered.figure)
        .map(|(asked_at, _)| asked_at);
    let (mut units, mut oldest) = (0, None::<Timestamp>);
    for fall in world.falls.borrow().iter().filter(|fall| fall.offer_sku == offer_sku) {
        let is_unknown = match &fall.order {
            Some((seller, order_id)) => {
                let told_at = told
                    .get(&(*seller, order_id.clone()))
                    .and_then(|told| told.known.first())
                    .map(|(at, _)| *at);
                let is_known = told_at
                    .zip(applied.basis.looked_at(*seller))
                    .is_some_and(|(told, looked)| told <= looked);
                // What was sold here since has lowered the offer by itself.
                !is_known && (*seller != channel || fall.at < applied.at)
            }
            None => asked_at.is_none_or(|asked_at| fall.at >= asked_at),
        };
        if is_unknown {
            units += i64::from(fall.units);
            oldest = Some(oldest.map_or(fall.at, |oldest| oldest.min(fall.at)));
        }
    }
    (units, oldest)
}

/// Pieces that the marketplace has put back on offer since, while Prima still keeps them for their
/// order, or before the connector could hear of it: until then they stand beside what was decided
/// without them.
fn restocked(world: &World, channel: usize, offer_sku: &str, applied: &Applied) -> i64 {
    let (office, told) = (world.office.borrow(), world.told.borrow());
    let restocks = world.restocks.borrow();
    let mine = restocks
        .iter()
        .filter(|one| one.channel == channel && one.offer_sku == offer_sku && one.at >= applied.at);
    let kept = mine.filter(|one| {
        let mut standing = office.orders().filter(|order| order.stage != Stage::Cancelled);
        let told = told.get(&(channel, one.order_id.clone()));
        let is_told = applied
            .basis
            .looked_at(channel)
            .zip(told)
            .is_some_and(|(looked, told)| told.was_told(one.at, looked));
        !is_told || standing.any(|order| order.order.third_party_id == one.order_id)
    });
    kept.map(|one| i64::from(one.units)).sum()
}

/// The bound: what an offer shows, and what is held back, is no more than is free, but for what was
/// sold since the connector looked.
pub(super) fn offer(world: &World, channel: usize, offer_sku: &str, when: &str) {
    let Some(applied) = world.applied.borrow().get(&(channel, offer_sku.to_owned())).cloned()
    else {
        return;
    };
    let shown = world.shops.borrow()[channel]
        .offer(SHOPS[channel], offer_sku)
        .map_or(0, |offer| i64::from(offer.quantity));
    if shown == 0 {
        return;
    }
    world.judged.set(world.judged.get() + 1);
    let buffer = i64::from(applied.buffer);
    let (unknown, _) = unknown_falls(world, channel, offer_sku, &applied);
    let free = world.truly_free(offer_sku);
    let back = restocked(world, channel, offer_sku, &applied);
    // What was put back comes on top of an offer that could not be lower.
    let put_back: i64 = {
        let restocks = world.restocks.borrow();
        let mine = restocks.iter().filter(|one| {
            one.channel == channel && one.offer_sku == offer_sku && one.at >= applied.at
        });
        mine.map(|one| i64::from(one.units)).sum()
    };
    // Where nothing goes wrong, whatever is sold has lowered the offer a short while later.
    let unknown = if world.calm {
        unknown.min(fallen_lately(world, Some(channel), offer_sku))
    } else {
        unknown
    };
    if shown > put_back && shown - back + buffer > free + unknown {
        world.violate(format!(
            "{when}: {} shows {shown} of {offer_sku} and holds {buffer} back, while {free} are free, {unknown} were sold unseen and {back} put back",
            CHANNELS[channel]
        ));
    }
}

/// No two channels show the same piece: once the last pieces of a SKU are divided, all channels
/// together show no more than is free, at every instant; but for what was sold elsewhere, or put
/// back on offer, and could not be known when the oldest of their offers was decided, or looked at
/// again.
pub(super) fn together(world: &World, offer_sku: &str, when: &str) {
    let settings = &world.plan.settings;
    let applied: Vec<_> = (0..LIVE)
        .map(|channel| world.applied.borrow().get(&(channel, offer_sku.to_owned())).cloned())
        .collect();
    let late = |channel: usize, latest: usize| {
        world.sent.borrow()[channel].iter().take(latest).any(|sent| !sent.noticed)
    };
    let is_divided = settings.last_pieces != LastPieces::Copy
        && !world.emptied.get()
        && applied.iter().enumerate().all(|(channel, applied)| {
            applied.as_ref().is_some_and(|applied| {
                let figure =
                    applied.basis.figures.get(offer_sku).and_then(|answered| answered.figure);
                let is_last = figure.is_some_and(|(_, free)| free <= settings.last_pieces_floor);
                is_last && !applied.is_overtaken() && !late(channel, applied.latest)
            })
        });
    if !is_divided {
        world.together.borrow_mut().remove(offer_sku);
        return;
    }
    let shows = |channel: usize| {
        world.shops.borrow()[channel]
            .offer(SHOPS[channel], offer_sku)
            .map_or(0, |offer| i64::from(offer.quantity))
    };
    let sum: i64 = (0..LIVE).map(shows).sum();
    // One that is alone in showing it has overwritten its own sales, which is the bound of every
    // absolute quantity.
    if (0..LIVE).filter(|channel| shows(*channel) > 0).count() < 2 {
        return;
    }
    let free = world.truly_free(offer_sku).max(0);
    if sum <= free {
        world.together.borrow_mut().insert(offer_sku.to_owned());
        return;
    }
    if !world.together.borrow().contains(offer_sku) {
        return;
    }
    world.judged.set(world.judged.get() + 1);
    let bases: Vec<_> = applied.iter().flatten().map(|applied| &applied.basis).collect();
    let told = world.told.borrow();
    let is_unknown = |fall: &super::world::Fall| match &fall.order {
        Some((seller, _)) if *seller < LIVE => false,
        Some((seller, order_id)) => bases.iter().any(|basis| {
            let told_at = told
                .get(&(*seller, order_id.clone()))
                .and_then(|told| told.known.first())
                .map(|(at, _)| *at);
            told_at.zip(basis.looked_at(*seller)).is_none_or(|(told, looked)| told > looked)
        }),
        None => bases.iter().any(|basis| {
            let asked_at = basis
                .figures
                .get(offer_sku)
                .and_then(|answered| answered.figure)
                .map(|(asked_at, _)| asked_at);
            asked_at.is_none_or(|asked_at| fall.at >= asked_at)
        }),
    };
    let unknown: i64 = {
        let falls = world.falls.borrow();
        falls
            .iter()
            .filter(|fall| fall.offer_sku == offer_sku && is_unknown(fall))
            .map(|fall| i64::from(fall.units))
            .sum()
    };
    let back: i64 = {
        let restocks = world.restocks.borrow();
        let mine = restocks.iter().filter(|one| one.offer_sku == offer_sku);
        mine.filter(|one| {
            bases.iter().any(|basis| {
                basis.looked_at(one.channel).is_none_or(|looked| {
                    let told = told.get(&(one.channel, one.order_id.clone()));
                    !told.is_some_and(|told| told.was_told(one.at, looked))
                })
            })
        })
        .map(|one| i64::from(one.units))
        .sum()
    };
    if sum > free + unknown + back {
        world.violate(format!(
            "{when}: all channels together show {sum} of {offer_sku}, of which {free} are free, {unknown} were sold elsewhere unseen and {back} put back"
        ));
    }
}

/// A sale that is about to be made: in a calm world whatever is sold beyond what is there was sold
/// elsewhere a short while ago.
pub(super) fn sale(world: &World, channel: usize, offer_sku: &str, units: u32) {
    if channel >= LIVE {
        return;
    }
    offer(world, channel, offer_sku, "at a sale");
    together(world, offer_sku, "at a sale");
    let Some(applied) = world.applied.borrow().get(&(channel, offer_sku.to_owned())).cloned()
    else {
        return;
    };
    let free = world.truly_free(offer_sku).max(0);
    let beyond = i64::from(units) - free;
    if beyond <= 0 {
        return;
    }
    world.beyond.set(world.beyond.get() + beyond.unsigned_abs());
    if !world.calm {
        return;
    }
    let lately = fallen_lately(world, None, offer_sku);
    let back = restocked(world, channel, offer_sku, &applied);
    if beyond > lately + back {
        world.violate(format!(
            "{beyond} of {offer_sku} are sold beyond what is there on {}, and {lately} were sold lately",
            CHANNELS[channel]
        ));
    }
}

/// What was sold of a SKU so lately that an offer may not have followed yet. What was sold by the
/// offer itself, at `channel`, has lowered it already, the connector takes it, and what is left to
/// correct of that waits for the pace: an import that was under way then has overwritten it,
/// though.
fn fallen_lately(world: &World, channel: Option<usize>, offer_sku: &str) -> i64 {
    let (ceiling, now, falls) = (ceiling(world), world.now(), world.falls.borrow());
    let lately = falls.iter().filter(|fall| fall.offer_sku == offer_sku).filter(|fall| {
        let is_told_at_once =
            fall.order.as_ref().is_some_and(|(seller, _)| Some(*seller) != channel);
        after(fall.at, if is_told_at_once { SOLD_WITHIN } else { SOLD_WITHIN + ceiling }) > now
    });
    lately.map(|fall| i64::from(fall.units)).sum()
}

/// How long a sale in one of Prima's own shops, of which nobody tells, stays unseen besides.
fn ceiling(world: &World) -> Duration {
    Duration::from_secs(
        60 * u64::from(
            world.plan.rules.iter().map(|rules| rules.ceiling_minutes).max().unwrap_or(15),
        ),
    )
}

/// The most of one SKU that was sold, or put back on offer, within the time that the offers take to
/// follow.
pub(super) fn advised_buffer(world: &World) -> u32 {
    let of = |offer_sku: &str| {
        let falls = world.falls.borrow();
        let restocks = world.restocks.borrow();
        let sold = falls
            .iter()
            .filter(|fall| fall.offer_sku == offer_sku)
            .map(|fall| (fall.at, fall.units));
        let back =
            restocks.iter().filter(|one| one.offer_sku == offer_sku).map(|one| (one.at, one.units));
        most_within(sold.chain(back).collect(), SOLD_WITHIN + ceiling(world))
    };
    world.plan.items.iter().map(|item| of(&item.offer_sku)).max().unwrap_or(0)
}

/// Pieces of an offer that were sold on its own channel since a moment.
fn sold_since(world: &World, channel: usize, offer_sku: &str, since: Timestamp) -> u32 {
    let falls = world.falls.borrow();
    let own = falls.iter().filter(|fall| fall.offer_sku == offer_sku && fall.at >= since);
    own.filter(|fall| fall.order.as_ref().is_some_and(|(seller, _)| *seller == channel))
        .map(|fall| fall.units)
        .sum()
}

/// Pieces of an order that Mirakl holds of one offer.
fn sold(world: &World, channel: usize, order_id: &str, offer_sku: &str) -> u32 {
    let shops = world.shops.borrow();
    let Some(order) = shops[channel].order(order_id) else { return 0 };
    if matches!(order.state, State::Canceled | State::Refused) || order.fully_refunded() {
        return 0;
    }
    order
        .lines
        .iter()
        .filter(|line| line.offer_sku == offer_sku)
        .map(|line| line.quantity.saturating_sub(taken_out(line)))
        .sum()
}

/// Pieces of a line that were refunded before they left.
pub(super) fn taken_out(line: &simulators::mirakl::OrderLine) -> u32 {
    line.refunds
        .iter()
        .filter(|refund| refund.excluded_from_shipment)
        .map(|refund| refund.quantity)
        .sum()
}

/// The ledger never claims what is not so, as far as the connector could know once it had looked at
/// `flights_at`.
pub(super) async fn ledger(
    world: &World,
    flights_at: &BTreeMap<usize, Timestamp>,
    published_to: &[usize],
) {
    world.advance(world.now());
    for channel in 0..LIVE {
        // A channel whose documents are wrong takes no part.
        let Some(looked) = flights_at.get(&channel).filter(|_| published_to.contains(&channel))
        else {
            continue;
        };
        let Ok(stored) = world.ledger.load(CHANNELS[channel]).await else { continue };
        for item in &world.plan.items {
            let Shown::Known(claimed) = stored.ledger().shown(sku_hash(&item.offer_sku)) else {
                continue;
            };
            world.judged.set(world.judged.get() + 1);
            let key = (channel, item.offer_sku.clone());
            let Some(applied) = world.applied.borrow().get(&key).cloned() else {
                world.violate(format!(
                    "the ledger of {} has {claimed} of {}, and nothing was ever applied",
                    CHANNELS[channel], key.1
                ));
                continue;
            };
            if applied.is_overtaken() {
                continue;
            }
            // A sale lowers the entry by what it took.
            if claimed > applied.quantity
                || applied.quantity - claimed > sold_since(world, channel, &key.1, applied.at)
            {
                world.violate(format!(
                    "the ledger of {} has {claimed} of {}, and what was applied last is {}",
                    CHANNELS[channel], key.1, applied.quantity
                ));
                continue;
            }
            let shows = world.shops.borrow()[channel]
                .offer(SHOPS[channel], &key.1)
                .map_or(0, |offer| offer.quantity);
            if shows == claimed || world.zeroed.borrow().contains(&key) {
                continue;
            }
            // An order of which the row did not say everything yet when the connector looked.
            let orders: Vec<String> = world.shops.borrow()[channel]
                .orders()
                .filter(|order| order.lines.iter().any(|line| line.offer_sku == key.1))
                .map(|order| order.order_id.clone())
                .collect();
            let told = world.told.borrow();
            let unseen = orders.iter().any(|order_id| {
                let known = told
                    .get(&(channel, order_id.clone()))
                    .and_then(|told| told.known.iter().rev().find(|(at, _)| at <= looked));
                known.map_or(u32::MAX, |(_, units)| units.get(&key.1).copied().unwrap_or(0))
                    != sold(world, channel, order_id, &key.1)
            });
            // Pieces that the marketplace put back of an order whose row does not say yet that they
            // are not sold any more.
            let put_back_unseen = world.restocks.borrow().iter().any(|one| {
                let is_of_it = one.channel == channel && one.offer_sku == key.1;
                is_of_it
                    && !told
                        .get(&(channel, one.order_id.clone()))
                        .is_some_and(|told| told.was_told(one.at, *looked))
            });
            if !unseen && !put_back_unseen {
                world.violate(format!(
                    "the ledger of {} has {claimed} of {}, Mirakl shows {shows}, and everything sold and cancelled was told",
                    CHANNELS[channel], key.1
                ));
            }
        }
    }
}

/// What a channel should show of an offer, by the rule, from what is truly free.
pub(super) fn expected(world: &World, channel: usize, offer_sku: &str) -> i64 {
    let Some(item) = world.item(offer_sku) else { return 0 };
    let free = world.truly_free(offer_sku).max(0);
    let rules = world.rules.borrow();
    let limits = rules[channel].limits_of(offer_sku, &item.sku.product, world.now());
    let last = i64::from(world.plan.settings.last_units);
    if limits.excluded.value || (last > 0 && free <= last && channel != 0) {
        return 0;
    }
    let quantity = (free * i64::from(limits.share_percent.value) / 100
        - i64::from(limits.buffer.value))
    .max(0);
    limits.cap.value.map_or(quantity, |cap| quantity.min(i64::from(cap)))
}

/// Offers that do not show what they should.
pub(super) fn wrong_offers(world: &World) -> Vec<String> {
    world.advance(world.now());
    let mut wrong = Vec::new();
    let items = world.plan.items.iter().filter(|item| !world.is_held_by_exception(&item.offer_sku));
    let items: Vec<_> = items.collect();
    if world.plan.settings.last_pieces != LastPieces::Copy {
        wrong.extend(items.iter().filter_map(|item| wrongly_divided(world, &item.offer_sku)));
        return wrong;
    }
    for channel in 0..LIVE {
        for item in &items {
            let shows = world.shops.borrow()[channel]
                .offer(SHOPS[channel], &item.offer_sku)
                .map_or(0, |offer| i64::from(offer.quantity));
            let should = expected(world, channel, &item.offer_sku);
            if shows != should {
                wrong.push(format!(
                    "{} shows {shows} of {} and should show {should}",
                    CHANNELS[channel], item.offer_sku
                ));
            }
        }
    }
    wrong
}

/// How the channels' offers of a SKU differ from what they should show where its last pieces are
/// divided; above the floor they may be.
fn wrongly_divided(world: &World, offer_sku: &str) -> Option<String> {
    let item = world.item(offer_sku)?;
    let settings = &world.plan.settings;
    let shows: Vec<i64> = (0..LIVE)
        .map(|channel| {
            world.shops.borrow()[channel]
                .offer(SHOPS[channel], offer_sku)
                .map_or(0, |offer| i64::from(offer.quantity))
        })
        .collect();
    let alone: Vec<i64> = (0..LIVE).map(|channel| expected(world, channel, offer_sku)).collect();
    let free = world.truly_free(offer_sku).max(0);
    let several = alone.iter().filter(|alone| **alone > 0).count() > 1;
    let is_last = several && free <= i64::from(settings.last_pieces_floor);
    if !is_last && shows == alone {
        return None;
    }
    let told = |why: &str| {
        Some(format!(
            "{shows:?} of {offer_sku} are shown, alone each would show {alone:?} of {free} free: {why}"
        ))
    };
    if !several {
        return told("only one offers it");
    }
    if shows.iter().zip(&alone).any(|(shows, alone)| shows > alone) {
        return told("one shows more than its rules allow");
    }
    let rules = world.rules.borrow();
    let offering = (0..LIVE).filter(|channel| alone[*channel] > 0);
    let buffer = offering
        .map(|channel| {
            i64::from(
                rules[channel].limits_of(offer_sku, &item.sku.product, world.now()).buffer.value,
            )
        })
        .min();
    let hidden = free - buffer.unwrap_or(0) - shows.iter().sum::<i64>();
    if hidden < 0 {
        return told("together that is too much");
    }
    let mut could_rise =
        shows.iter().zip(&alone).filter(|(shows, alone)| shows < alone).map(|(shows, _)| *shows);
    let is_stingy = match settings.last_pieces {
        LastPieces::OneChannel => shows.iter().all(|shows| *shows == 0) && hidden > 0,
        _ => could_rise.any(|shows| hidden > shows),
    };
    // What may have been lost without a trace is sent again for a day, and filled again after that.
    let is_filled_again = (0..LIVE).any(|channel| {
        let applied = world.applied.borrow();
        let applied = applied.get(&(channel, offer_sku.to_owned()));
        !world.calm
            && applied.is_some_and(|applied| after(applied.at, 2 * SOLD_WITHIN) > world.now())
    });
    if is_stingy && !is_filled_again { told("pieces are shown nowhere") } else { None }
}

/// Exceptions at the end: one for each condition that lasts, and none besides.
pub(super) fn exceptions(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut lasting: BTreeMap<(String, &str), Vec<&str>> = BTreeMap::new();
    if world.plan.odd_offers {
        let observing = world
            .channels
            .iter()
            .filter(|channel| channel.stock != shared::domain::channel::Mode::Off);
        for channel in observing {
            for kind in
                [StockExceptionKind::OffersUnmapped, StockExceptionKind::OffersUnknownToPrima]
            {
                lasting.insert((channel.id.clone(), kind.name()), Vec::new());
            }
        }
    }
    let queue = world.queue.borrow();
    // Those of orders are judged with the orders.
    for shown in queue.exceptions.values().filter(|shown| shown.order.is_empty()) {
        match lasting.get_mut(&(shown.channel.clone(), shown.kind.as_str())) {
            Some(since) => since.push(&shown.first_seen),
            None => wrong.push(format!(
                "an exception of {:?} is shown without cause: {}: {}",
                shown.channel, shown.kind, shown.reason
            )),
        }
    }
    for ((channel, kind), mut since) in lasting {
        let messages = since.len();
        since.sort_unstable();
        since.dedup();
        // One exception, told at least once: again where an answer was lost.
        if since.len() != 1 || (world.calm && messages > 1) {
            wrong.push(format!(
                "{kind} of {channel} is shown as {} exceptions in {messages} messages",
                since.len()
            ));
        }
    }
    wrong
}
