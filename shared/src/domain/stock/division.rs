//! The last pieces of a SKU that several channels offer.
//!
//! As long as more is free than all channels together can sell before every one of them is
//! corrected, each shows all of it. Below that the pieces are divided, and no two channels show the
//! same piece. Two things make that hold whatever the delay:
//!
//! - A channel keeps what it shows for as long as all of it together is no more than is free. A
//!   sale lowers the channel's own offer, and needs no import: an absolute quantity that arrives
//!   late would put back what was sold meanwhile.
//! - What a channel is to show is counted on top of what it may still sell before the import has
//!   its effect. So an offer goes to zero first, and is filled again once every order that was
//!   placed before is known.
//!
//! Where a live channel takes no part because its list of offers or its documents are not at hand,
//! nobody knows which pieces are its own. Until it is back no piece is handed out ([`hold`]).

use std::time::Duration;

use super::offer::Shown;
use super::outstanding::Pending;
use super::sold_skus::SoldSkus;
use crate::kit::clock::before;
use crate::prima::stock::SkuKey;

/// A channel that has sold nothing of a SKU for so long may have to hand its pieces on.
const LIES_FOR: Duration = Duration::from_secs(3600);
/// A sale of the SKU itself says more than any sales of the channel.
const OF_THE_SKU: u64 = 10_000;

/// What one channel has of a SKU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Pieces that may still be sold there by what Mirakl shows, or may show.
    pub shown: u32,
    /// Pieces it would show if all of them were its own: by share, buffer, cap and exclusion.
    pub limit: u32,
    /// How much it sells, beside the others.
    pub weight: u64,
    /// Mirakl is known to show what `shown` says.
    pub is_sure: bool,
    /// Orders may not be known yet that were placed before its latest import had its effect.
    pub is_unseen: bool,
    /// The figure is fresh enough to raise an offer.
    pub may_rise: bool,
    /// It has sold the SKU lately.
    pub sells: bool,
}

/// What a channel is to show of the last pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// What it shows.
    Stays,
    /// So many.
    Share(u32),
}

/// Divides `free` pieces. `burst`: the most that all channels together are taken to sell before an
/// import has its effect.
///
/// What may be sold in the end, by what is shown and by what is sent, is no more than is free, as
/// long as no more than `burst` is sold meanwhile on channels that are lowered; where they show no
/// more than that, it holds whatever is sold.
#[must_use]
pub fn divide(free: u32, burst: u32, claims: &[Claim]) -> Vec<Quota> {
    let mut order: Vec<usize> = (0..claims.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(claims[*index].weight));
    let mut quotas = vec![Quota::Stays; claims.len()];
    let shown = claims.iter().fold(0_u32, |sum, claim| sum.saturating_add(claim.shown));
    // Far more than is free: the pieces were copied until now, and no channel keeps more than its
    // part.
    let are_copies = shown > free.saturating_add(burst);
    let all: u64 = claims
        .iter()
        .filter(|claim| claim.limit > 0)
        .fold(0, |sum, claim| sum.saturating_add(claim.weight));
    let part_of = |claim: &Claim| u64::from(free).saturating_mul(claim.weight).div_ceil(all.max(1));
    let (mut room, mut risk, mut changed) = (free, 0_u32, Vec::new());
    for index in &order {
        let claim = &claims[*index];
        let fits = claim.shown <= claim.limit.min(room)
            && (!are_copies || u64::from(claim.shown) <= part_of(claim));
        let stays = claim.shown > 0 && claim.is_sure && fits;
        if stays {
            room -= claim.shown;
        } else {
            risk = risk.saturating_add(claim.shown);
            changed.push(*index);
        }
    }
    let is_unseen = claims.iter().any(|claim| claim.is_unseen);
    // Without all orders nobody knows how many are left to hand out.
    let budget = if is_unseen { 0 } else { room.saturating_sub(risk.min(burst)) };
    let mut given = 0;
    for (index, share) in shares(budget, claims, &changed) {
        quotas[index] = Quota::Share(share);
        given += share;
    }
    if risk > 0 || is_unseen {
        return quotas;
    }
    let waits = changed.iter().any(|index| claims[*index].limit > 0 && claims[*index].may_rise);
    let kept = order
        .iter()
        .copied()
        .filter(|index| quotas[*index] == Quota::Stays && claims[*index].may_rise);
    if !waits {
        // What nobody shows is worth an import where it is more than the channel can sell before.
        let least = kept
            .filter(|index| claims[*index].shown < claims[*index].limit)
            .min_by_key(|index| claims[*index].shown);
        let rest = budget - given;
        if let Some(index) = least.filter(|index| rest > claims[*index].shown) {
            quotas[index] = Quota::Share(rest.min(claims[index].limit));
        }
    } else if given == 0 {
        // One channel has nothing, and pieces lie on another that does not sell them. They are
        // taken off it only where another gets some: if all came back to it, they would be taken
        // off again without end.
        let is_handed_on = |index: &usize| {
            let among: Vec<usize> = order
                .iter()
                .filter(|one| *one == index || changed.contains(one))
                .copied()
                .collect();
            let divided = shares(budget.saturating_add(claims[*index].shown), claims, &among);
            divided.into_iter().any(|(other, share)| other != *index && share > 0)
        };
        let lies = |index: &usize| {
            claims[*index].shown > 1 && !claims[*index].sells && is_handed_on(index)
        };
        let lying = kept.filter(lies).max_by_key(|index| claims[*index].shown);
        if let Some(index) = lying {
            quotas[index] = Quota::Share(0);
        }
    }
    quotas
}

/// What the channels are to show of `free` pieces while another one takes no part, of which nobody
/// knows what it shows: nothing is handed out. What is shown, or may be, stays as long as it fits;
/// what no longer fits goes to zero. Any other quantity could put back what was sold meanwhile, or
/// bring what an import in doubt has not.
#[must_use]
pub fn hold(free: u32, claims: &[Claim]) -> Vec<Quota> {
    let mut order: Vec<usize> = (0..claims.len()).collect();
    order.sort_by_key(|index| (!claims[*index].is_sure, std::cmp::Reverse(claims[*index].weight)));
    let (mut room, mut quotas) = (free, vec![Quota::Share(0); claims.len()]);
    for index in order {
        let claim = &claims[index];
        if claim.shown > 0 && claim.shown <= claim.limit.min(room) {
            room -= claim.shown;
            quotas[index] = Quota::Stays;
        }
    }
    quotas
}

/// Piece by piece to the channel whose sales have the least so far.
fn shares(budget: u32, claims: &[Claim], among: &[usize]) -> Vec<(usize, u32)> {
    let mut shares: Vec<(usize, u32)> = among.iter().map(|index| (*index, 0)).collect();
    for _ in 0..budget {
        let mut next: Option<&mut (usize, u32)> = None;
        for share in shares.iter_mut().filter(|(index, share)| *share < claims[*index].limit) {
            let weighs = |(index, share): &(usize, u32)| {
                (claims[*index].weight.max(1), u64::from(*share) + 1)
            };
            let is_next = next.as_ref().is_none_or(|best| {
                let ((one, ones), (other, others)) = (weighs(share), weighs(best));
                one.saturating_mul(others) > other.saturating_mul(ones)
            });
            if is_next {
                next = Some(share);
            }
        }
        let Some((_, share)) = next else { break };
        *share += 1;
    }
    shares
}

/// What one channel has of each SKU, in the order of Prima's figures.
#[derive(Clone, Debug, Default)]
struct Column {
    channel: String,
    /// Units an hour, times ten.
    pace: u64,
    parts: Vec<Part>,
}

/// What is prepared of a claim. Sixteen bytes, because there may be millions.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Part {
    pub(super) shown: u32,
    pub(super) limit: u32,
    pub(super) buffer: u32,
    pub(super) offers: u8,
    pub(super) is_unsure: bool,
    pub(super) is_unseen: bool,
    pub(super) may_rise: bool,
}

/// How the last pieces are divided.
#[derive(Clone, Debug, Default)]
pub struct Division {
    columns: Vec<Column>,
    sold: SoldSkus,
    floor: u32,
    /// The channels that take all of them, the preferred one first; none where they are divided.
    one_of: Option<Vec<String>>,
    /// A live channel takes no part, and may show any of them.
    is_one_missing: bool,
}

/// Why an offer shows what it shows of the last pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divided {
    /// What it is to show.
    pub quota: Quota,
    /// At or under so many free pieces they are divided.
    pub threshold: u32,
    /// Of these so many are taken to be sold before a correction has its effect.
    pub burst: u32,
    /// All channels that offer it, with what may still be sold there.
    pub channels: Vec<(String, u32)>,
    /// A live channel takes no part, so nothing is handed out.
    pub is_one_missing: bool,
}

impl Division {
    /// A division without channels. `floor`: pieces that are always the last ones; `one_of`: one of
    /// these channels takes them all.
    #[must_use]
    pub fn new(sold: SoldSkus, floor: u32, one_of: Option<Vec<String>>) -> Self {
        Self { columns: Vec::new(), sold, floor, one_of, is_one_missing: false }
    }

    /// A division beside a live channel that takes no part, and may show any of the pieces.
    #[must_use]
    pub fn beside_a_missing(self, is_one_missing: bool) -> Self {
        Self { is_one_missing, ..self }
    }

    /// Adds a channel's column.
    pub(super) fn add(&mut self, channel: &str, units_an_hour: f64, parts: Vec<Part>) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a pace, and never below nothing"
        )]
        let pace = ((units_an_hour * 10.0).max(0.0) as u64).min(OF_THE_SKU - 2);
        self.columns.push(Column { channel: channel.to_owned(), pace, parts });
    }

    /// Offers of the SKU at this place on a channel.
    pub(super) fn offers(&self, channel: &str, place: usize) -> u32 {
        let column = self.columns.iter().find(|column| column.channel == channel);
        column.and_then(|column| column.parts.get(place)).map_or(0, |part| part.offers.into())
    }

    /// The most that is taken to be sold of a SKU before a correction has its effect, and the
    /// pieces at or under which they are divided.
    fn threshold(&self, key: SkuKey) -> (u32, u32) {
        let most = self.sold.of.get(&key).map_or(0, |sold| sold.most);
        // With a margin; and twice: until the lowering is decided, and until it has its effect.
        let burst = most.saturating_mul(3).div_ceil(2).max(self.floor.div_ceil(2));
        (burst, burst.saturating_mul(2))
    }

    fn claims(&self, place: usize, key: SkuKey) -> Vec<Claim> {
        let sold = self.sold.of.get(&key);
        let claims = self.columns.iter().enumerate().map(|(number, column)| {
            let part = column.parts.get(place).copied().unwrap_or_default();
            let units = sold.and_then(|sold| sold.units.get(number)).copied().unwrap_or(0);
            let latest = sold.and_then(|sold| sold.latest.get(number)).copied().flatten();
            Claim {
                shown: part.shown,
                limit: part.limit,
                weight: u64::from(units).saturating_mul(OF_THE_SKU) + column.pace + 1,
                is_sure: !part.is_unsure,
                is_unseen: part.is_unseen,
                may_rise: part.may_rise,
                sells: latest.is_some_and(|latest| latest > before(self.sold.now, LIES_FOR)),
            }
        });
        claims.collect()
    }

    /// What a channel is to show of a SKU of which `left` pieces are free and not in flight; none
    /// where it shows all that its rules allow.
    pub(super) fn quota(
        &self,
        channel: &str,
        place: usize,
        key: SkuKey,
        left: u32,
    ) -> Option<Quota> {
        let (claims, held) = self.divided(place, key, left)?;
        let number = self.columns.iter().position(|column| column.channel == channel)?;
        let free = left.saturating_sub(held);
        let quotas = if self.is_one_missing {
            hold(free, &claims)
        } else {
            divide(free, self.threshold(key).0, &claims)
        };
        quotas.get(number).copied()
    }

    /// The claims where the pieces are divided, and what every channel holds back.
    fn divided(&self, place: usize, key: SkuKey, left: u32) -> Option<(Vec<Claim>, u32)> {
        let (_, threshold) = self.threshold(key);
        if left > threshold.saturating_add(threshold / 4) {
            return None;
        }
        let mut claims = self.claims(place, key);
        let known = claims.iter().filter(|claim| claim.limit > 0 || claim.shown > 0).count();
        if known + usize::from(self.is_one_missing) < 2 {
            return None;
        }
        // What is divided stays so until clearly more is free.
        let shown = claims.iter().fold(0_u32, |sum, claim| sum.saturating_add(claim.shown));
        if left > threshold && shown > left {
            return None;
        }
        if let Some(one_of) = &self.one_of {
            let one = self.the_one(&claims, one_of);
            claims
                .iter_mut()
                .enumerate()
                .filter(|(number, _)| Some(*number) != one)
                .for_each(|(_, claim)| claim.limit = 0);
        }
        let parts = self
            .columns
            .iter()
            .filter_map(|column| column.parts.get(place))
            .filter(|part| part.offers > 0 && part.limit > 0);
        Some((claims, parts.map(|part| part.buffer).min().unwrap_or(0)))
    }

    /// The channel that takes all of the last pieces: the preferred one, else the one that shows
    /// most of them, else sells most.
    fn the_one(&self, claims: &[Claim], one_of: &[String]) -> Option<usize> {
        let may = |number: &usize| claims.get(*number).is_some_and(|claim| claim.limit > 0);
        let preferred = one_of
            .iter()
            .filter_map(|named| self.columns.iter().position(|column| column.channel == *named))
            .find(may);
        preferred.or_else(|| {
            let rank =
                |number: &usize| claims.get(*number).map(|claim| (claim.shown, claim.weight));
            (0..claims.len()).rev().filter(may).max_by_key(rank)
        })
    }

    /// As a person is told of it.
    pub(super) fn told(
        &self,
        channel: &str,
        place: usize,
        key: SkuKey,
        left: u32,
    ) -> Option<Divided> {
        let quota = self.quota(channel, place, key, left)?;
        let (burst, threshold) = self.threshold(key);
        let channels = self.columns.iter().map(|column| {
            (column.channel.clone(), column.parts.get(place).map_or(0, |part| part.shown))
        });
        Some(Divided {
            quota,
            threshold,
            burst,
            channels: channels.collect(),
            is_one_missing: self.is_one_missing,
        })
    }
}

/// What may still be sold by what the ledger says of an offer, and whether Mirakl is known to show
/// just that.
pub(super) fn exposure(shown: Shown, pending: Pending, may_rise: bool) -> (u32, bool) {
    let (most, is_sure) = match shown {
        Shown::Known(quantity) => (quantity, true),
        Shown::InDoubt(quantity) => (quantity, pending.is_under_way),
        Shown::Unknown(quantity) => (quantity, false),
        Shown::Never => (0, false),
    };
    // What cannot be raised again is left as it is: to make sure of it would take it off the
    // channel.
    (most.saturating_add(pending.more), is_sure || (!may_rise && shown != Shown::Never))
}

#[cfg(test)]
mod tests;
