//! What may not be sent: every line of an import is held against the connector's own memory as it
//! stood when the import was begun, and against what Prima had answered by then.

use std::time::Duration;

use shared::domain::state::ledger::{LedgerStore as _, StockRecord};
use shared::domain::stock::memory::PushMemory;
use shared::domain::stock::offer::Shown;
use shared::domain::stock::rules::OfferLimits;
use shared::domain::stock::settings::LastPieces;
use shared::kit::clock::after;
use simulators::mirakl::{ImportFate, ImportStatus};

use super::ports::{Invocation, Seen};
use super::world::{CHANNELS, LIVE, SHOPS, Sent, World, least_buffer};

/// A clock that is off, and the run's own.
const SLACK: Duration = Duration::from_secs(45);
/// Nobody can know of an import any more that was begun so long ago without an id
/// (`SENDING_ENDS_AFTER`), less two clocks that are off.
const ONE_AT_A_TIME: Duration = Duration::from_secs(100);
/// So many offers may always go to zero at once (`ALWAYS_ALLOWED`).
const ZEROES: usize = 5;

/// What may not be sent.
pub(super) async fn sent(invocation: &Invocation, channel: usize, lines: &[(String, u32)]) {
    let world = &invocation.world;
    if !invocation.notes.agreed {
        world.violate(format!(
            "{} is published to, and nobody has agreed which figure is free",
            CHANNELS[channel]
        ));
    }
    if channel >= LIVE {
        world.violate(format!("{} is published to, and is not live", CHANNELS[channel]));
        return;
    }
    one_at_a_time(world, channel);
    let memory = world
        .ledger
        .load_record::<PushMemory>(StockRecord::Push(CHANNELS[channel]))
        .await
        .map(|(memory, _)| memory);
    let zeroes_allowed = memory.is_ok_and(|memory| {
        memory.zeroes_allowed_until.is_some_and(|until| after(until, SLACK) > world.now())
    });
    let seen = invocation.notes.seen.borrow();
    let entries = seen.at_keeping.get(&channel);
    if !zeroes_allowed {
        zeroes(invocation, channel, lines);
    }
    for (offer_sku, quantity) in lines {
        if world.item(offer_sku).is_none() {
            world.violate(format!(
                "{offer_sku} of {} is published, and nobody can know of it",
                CHANNELS[channel]
            ));
            continue;
        }
        no_lower_than_known(invocation, channel, offer_sku, *quantity);
        let Some(shown) = entries.and_then(|entries| entries.shown.get(offer_sku)) else {
            world.violate(format!(
                "{offer_sku} of {} is published, and its import's lines were not kept",
                CHANNELS[channel]
            ));
            continue;
        };
        // What was never published is no more than a person has put there: nobody knows what that
        // was, and the rule counts as lower.
        if *shown == Shown::Never || *quantity <= shown.highest() {
            continue;
        }
        raised(invocation, &seen, channel, offer_sku, *quantity);
    }
}

/// An offer is raised only by a fresh figure, while every channel's documents can be read, and once
/// the others have come down.
fn raised(invocation: &Invocation, seen: &Seen, channel: usize, offer_sku: &str, quantity: u32) {
    let world = &invocation.world;
    let silent_for =
        Duration::from_secs(60 * u64::from(world.plan.settings.raise_within_minutes)) + SLACK;
    let answered =
        invocation.notes.basis.borrow().figures.get(offer_sku).copied().unwrap_or_default();
    match answered.figure {
        Some((asked_at, _)) if after(asked_at, silent_for) >= invocation.notes.began => {}
        figure => world.violate(format!(
            "{offer_sku} of {} is raised to {quantity} by a figure of {figure:?}",
            CHANNELS[channel]
        )),
    }
    if answered.is_unusable || answered.lacking > 0 {
        world.violate(format!(
            "{offer_sku} of {} is raised to {quantity}, and Prima's latest answer was {answered:?}",
            CHANNELS[channel]
        ));
    }
    if invocation.notes.wrong_documents.get() {
        world.violate(format!(
            "{offer_sku} of {} is raised although a channel's documents are wrong",
            CHANNELS[channel]
        ));
    }
    // Where the last pieces are divided, all offers together are judged
    // ([`super::judge::together`]).
    let copied = world.plan.settings.last_pieces == LastPieces::Copy;
    for other in (0..LIVE).filter(|other| copied && *other != channel) {
        lowered_first(invocation, seen, channel, other, offer_sku, quantity);
    }
}

/// Before an offer is raised, no other channel may be taken to show more than it should, nor shows
/// it.
fn lowered_first(
    invocation: &Invocation,
    seen: &Seen,
    channel: usize,
    other: usize,
    offer_sku: &str,
    quantity: u32,
) {
    let world = &invocation.world;
    let Some(left) = left_at_most(invocation, channel, offer_sku, quantity) else { return };
    // Of a channel whose documents could not be read nobody knows what it should show: then nothing
    // is raised at all.
    let Some(should) =
        while_at_work(invocation, other, offer_sku, |limits| by_rule(world, other, limits, left))
            .into_iter()
            .max()
    else {
        return;
    };
    let known = seen
        .ledgers
        .get(&other)
        .and_then(|entries| entries.shown.get(offer_sku))
        .copied()
        .unwrap_or(Shown::Never);
    // What is in doubt above an entry that was never made may be anything.
    let is_unknown = matches!(known, Shown::Never | Shown::InDoubt(u32::MAX));
    // Whoever has lost the memory of what is shown publishes it all anew, in what order ever.
    if is_unknown && world.emptied.get() {
        return;
    }
    if known != Shown::Never && i64::from(known.highest()) > should {
        world.violate(format!(
            "{offer_sku} of {} is raised to {quantity} while {} is taken to show {known:?}, and should show {should}",
            CHANNELS[channel], CHANNELS[other]
        ));
    }
    let Some(applied) = world.applied.borrow().get(&(other, offer_sku.to_owned())).cloned() else {
        return;
    };
    let late = world.sent.borrow()[other].iter().take(applied.latest).any(|sent| !sent.noticed);
    if applied.is_overtaken()
        || late
        || world.restocks.borrow().iter().any(|one| one.channel == other && one.at >= applied.at)
    {
        return;
    }
    let shows = world.shops.borrow()[other]
        .offer(SHOPS[other], offer_sku)
        .map_or(0, |offer| i64::from(offer.quantity));
    if shows > should {
        world.violate(format!(
            "{offer_sku} of {} is raised to {quantity} while {} still shows {shows}, and should show {should}",
            CHANNELS[channel], CHANNELS[other]
        ));
    }
}

/// Of a rule that may have ended while the run was at work: from its beginning to now.
fn while_at_work(
    invocation: &Invocation,
    channel: usize,
    offer_sku: &str,
    of: impl Fn(&OfferLimits<'_>) -> i64,
) -> Vec<i64> {
    let world = &invocation.world;
    let Some(item) = world.item(offer_sku) else { return Vec::new() };
    invocation.notes.basis.borrow().limits_of(channel, item, world.now()).iter().map(of).collect()
}

/// What a channel shows of so many units that are left over all channels.
fn by_rule(world: &World, channel: usize, limits: &OfferLimits<'_>, left: i64) -> i64 {
    let last = i64::from(world.plan.settings.last_units);
    if limits.excluded.value || (last > 0 && left <= last && channel != 0) {
        return 0;
    }
    let quantity = (left * i64::from(limits.share_percent.value) / 100
        - i64::from(limits.buffer.value))
    .max(0);
    limits.cap.value.map_or(quantity, |cap| quantity.min(i64::from(cap)))
}

/// The most units that may be left where a channel is to show `quantity`; none where a cap or
/// nothing hides it.
fn left_at_most(
    invocation: &Invocation,
    channel: usize,
    offer_sku: &str,
    quantity: u32,
) -> Option<i64> {
    let quantity = i64::from(quantity);
    let of = |limits: &OfferLimits<'_>| {
        let share = i64::from(limits.share_percent.value);
        let is_hidden = limits.excluded.value
            || share == 0
            || limits.cap.value.is_some_and(|cap| i64::from(cap) <= quantity)
            || quantity == 0;
        if is_hidden {
            i64::MAX
        } else {
            ((quantity + i64::from(limits.buffer.value) + 1) * 100 - 1) / share
        }
    };
    while_at_work(invocation, channel, offer_sku, of)
        .into_iter()
        .max()
        .filter(|left| *left < i64::MAX)
}

/// What is sent is no less than the rule makes of Prima's figure and of everything that may be in
/// flight, as long as Prima has not been seen to lack the SKU often enough.
fn no_lower_than_known(invocation: &Invocation, channel: usize, offer_sku: &str, quantity: u32) {
    let world = &invocation.world;
    if world.plan.settings.last_pieces != LastPieces::Copy {
        return;
    }
    let answered =
        invocation.notes.basis.borrow().figures.get(offer_sku).copied().unwrap_or_default();
    let Some((asked_at, free)) = answered.figure else { return };
    if answered.lacking >= world.plan.settings.absent_readings {
        return;
    }
    let margin = world.plan.settings.margin() + SLACK;
    let told = world.told.borrow();
    let in_flight: i64 = told
        .values()
        .filter(|told| told.over_at.is_none_or(|over_at| after(over_at, margin) >= asked_at))
        .map(|told| {
            told.known
                .iter()
                .filter_map(|(_, units)| units.get(offer_sku))
                .max()
                .map_or(0, |units| i64::from(*units))
        })
        .sum();
    let left = (i64::from(free) - in_flight).max(0);
    let least = while_at_work(invocation, channel, offer_sku, |limits| {
        by_rule(world, channel, limits, left)
    })
    .into_iter()
    .min()
    .unwrap_or(0);
    if i64::from(quantity) < least {
        world.violate(format!(
            "{offer_sku} of {} is lowered to {quantity}, while Prima's figure was {free}, at most {in_flight} are in flight, and {least} should show: {answered:?}",
            CHANNELS[channel]
        ));
    }
}

/// No mass of zeroes goes out because Prima has none, unless a person has looked.
fn zeroes(invocation: &Invocation, channel: usize, lines: &[(String, u32)]) {
    let world = &invocation.world;
    let (seen, basis) = (invocation.notes.seen.borrow(), invocation.notes.basis.borrow());
    let Some(entries) = seen.at_keeping.get(&channel) else { return };
    let is_gone = |offer_sku: &str| {
        let answered = basis.figures.get(offer_sku).copied().unwrap_or_default();
        answered.lacking >= world.plan.settings.absent_readings
            || (answered.lacking == 0 && answered.figure.is_some_and(|(_, free)| free == 0))
    };
    let is_shown = |offer_sku: &str| {
        entries
            .shown
            .get(offer_sku)
            .is_some_and(|shown| *shown != Shown::Never && shown.highest() > 0)
    };
    let count = lines
        .iter()
        .filter(|(offer_sku, quantity)| *quantity == 0 && is_shown(offer_sku) && is_gone(offer_sku))
        .count();
    if count > ZEROES
        && count * 100 > entries.on_offer * world.plan.settings.zeroes_percent as usize
    {
        world.violate(format!(
            "{count} of {} offers of {} go to zero because Prima has none",
            entries.on_offer, CHANNELS[channel]
        ));
    }
}

/// An import that the connector has the id of, or may have, is waited for.
fn one_at_a_time(world: &World, channel: usize) {
    let now = world.now();
    if world.emptied.get() {
        return;
    }
    let shops = world.shops.borrow();
    let under_way = world.sent.borrow()[channel].iter().any(|sent| {
        let import = shops[channel]
            .imports()
            .find(|import| Some(&import.import_id) == sent.import_id.as_ref());
        let runs = import.is_some_and(|import| {
            matches!(import.status(now), ImportStatus::Waiting | ImportStatus::Running)
                && !matches!(import.fate, ImportFate::Lost { .. })
        });
        sent.is_answered && runs && after(sent.began, ONE_AT_A_TIME) > now
    });
    if under_way {
        world.violate(format!("two imports of {} are under way at once", CHANNELS[channel]));
    }
}

/// A run has looked at a channel and found nothing that differs, or sent all of it: what the other
/// offers show is right by what this run knew, and is held against that from now on.
pub(super) fn confirmed(invocation: &Invocation, channel: usize) {
    let world = &invocation.world;
    let (seen, basis) = (invocation.notes.seen.borrow(), invocation.notes.basis.borrow());
    let Some(listed) = seen.listed.get(&channel) else { return };
    for item in world.plan.items.iter().filter(|item| listed.contains(&item.offer_sku)) {
        let answered = basis.figures.get(&item.offer_sku).copied().unwrap_or_default();
        // Zeroes may be held back by the guard, and quantities that Mirakl refused wait for an
        // hour.
        let Some((_, 1..)) = answered.figure.filter(|_| answered.lacking == 0) else { continue };
        if seen.sent.contains(&(channel, item.offer_sku.clone()))
            || was_refused_lately(world, channel, &item.offer_sku)
        {
            continue;
        }
        // What an import has changed meanwhile, or a stray one out of turn, is not what the run has
        // looked at.
        if let Some(applied) =
            world.applied.borrow_mut().get_mut(&(channel, item.offer_sku.clone()))
            && !applied.is_overtaken()
            && applied.at < invocation.notes.began
        {
            applied.basis = basis.clone();
            applied.buffer = least_buffer(&basis, channel, item, world.now());
        }
    }
}

fn was_refused_lately(world: &World, channel: usize, offer_sku: &str) -> bool {
    let lately = |sent: &&Sent| after(sent.at, Duration::from_secs(3 * 3600)) > world.now();
    let refused = |sent: &Sent| {
        sent.bad_line
            .is_some_and(|place| sent.lines.get(place).is_some_and(|(sku, _)| sku == offer_sku))
    };
    world.sent.borrow()[channel].iter().filter(lately).any(refused)
}
