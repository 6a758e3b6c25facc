#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::HashMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::domain::stock::outstanding::Outstanding;
use crate::domain::stock::sold_skus::Sold;

fn claim(shown: u32, weight: u64) -> Claim {
    Claim {
        shown,
        limit: u32::MAX,
        weight,
        is_sure: true,
        is_unseen: false,
        may_rise: true,
        sells: true,
    }
}

use Quota::{Share, Stays};

#[test]
fn what_nobody_shows_is_divided_by_what_each_sells() {
    assert_eq!(divide(10, 5, &[claim(0, 3), claim(0, 2)]), [Share(6), Share(4)]);
    assert_eq!(
        divide(1, 5, &[claim(0, 3), claim(0, 4)]),
        [Share(0), Share(1)],
        "one at least where it sells most"
    );
    assert_eq!(
        divide(3, 5, &[claim(0, 1000), claim(0, 1), claim(0, 1)]),
        [Share(3), Share(0), Share(0)]
    );
    let capped = Claim { limit: 1, ..claim(0, 9) };
    assert_eq!(divide(4, 5, &[capped, claim(0, 1)]), [Share(1), Share(3)]);
    assert_eq!(divide(0, 5, &[claim(0, 1), claim(0, 1)]), [Share(0), Share(0)]);
}

#[test]
fn what_is_shown_stays_as_long_as_it_is_no_more_than_is_free() {
    assert_eq!(divide(5, 5, &[claim(3, 1), claim(2, 1)]), [Stays, Stays]);
    // A shop has sold one: what no longer fits goes to nothing, since an absolute quantity may come
    // after further sales.
    assert_eq!(divide(4, 5, &[claim(3, 1), claim(2, 1)]), [Stays, Share(0)]);
    assert_eq!(divide(2, 5, &[claim(3, 1), claim(2, 9)]), [Share(0), Stays]);
    // What nobody shows fills the channel that has nothing, and otherwise waits until it is more
    // than a channel shows.
    assert_eq!(divide(5, 5, &[claim(3, 1), claim(0, 1)]), [Stays, Share(2)]);
    assert_eq!(divide(6, 5, &[claim(3, 1), claim(2, 1)]), [Stays, Stays]);
    assert_eq!(divide(8, 5, &[claim(3, 1), claim(2, 1)]), [Stays, Share(3)]);
}

#[test]
fn copies_are_lowered_by_what_may_be_sold_until_then() {
    assert_eq!(divide(10, 5, &[claim(12, 3), claim(12, 2)]), [Share(3), Share(2)]);
    assert_eq!(divide(5, 5, &[claim(6, 1), claim(6, 1)]), [Share(0), Share(0)]);
}

#[test]
fn nothing_is_handed_out_before_all_orders_are_known() {
    let unseen = Claim { is_unseen: true, ..claim(0, 1) };
    assert_eq!(divide(5, 5, &[unseen, claim(2, 1)]), [Share(0), Stays]);
    let unsure = Claim { is_sure: false, ..claim(2, 1) };
    assert_eq!(divide(4, 5, &[unsure, claim(2, 1)]), [Share(0), Stays]);
    assert_eq!(
        divide(9, 5, &[unsure, claim(2, 1)]),
        [Share(5), Stays],
        "as many as are left if it sells the two first"
    );
}

#[test]
fn nothing_is_handed_out_beside_a_channel_that_is_missing() {
    let unsure = |shown| Claim { is_sure: false, ..claim(shown, 9) };
    assert_eq!(hold(8, &[claim(5, 1), claim(0, 9)]), [Stays, Share(0)]);
    assert_eq!(hold(4, &[claim(5, 1), claim(3, 1)]), [Share(0), Stays], "it does not fit");
    assert_eq!(hold(8, &[unsure(6)]), [Stays], "it waits");
    assert_eq!(hold(5, &[unsure(6)]), [Share(0)]);
    assert_eq!(hold(8, &[unsure(6), claim(4, 1)]), [Share(0), Stays], "what is sure comes first");
    assert_eq!(hold(8, &[Claim { limit: 2, ..claim(4, 1) }]), [Share(0)]);
}

#[test]
fn pieces_that_lie_on_one_channel_are_handed_on() {
    let lies = Claim { sells: false, ..claim(5, 1) };
    assert_eq!(divide(5, 5, &[lies, claim(0, 9)]), [Share(0), Share(0)]);
    assert_eq!(divide(5, 5, &[claim(5, 1), claim(0, 9)]), [Stays, Share(0)], "it sells them");
    let last = Claim { sells: false, ..claim(1, 1) };
    assert_eq!(divide(1, 5, &[last, claim(0, 9)]), [Stays, Share(0)], "there is nothing to divide");
    let silent = Claim { may_rise: false, ..lies };
    assert_eq!(
        divide(5, 5, &[silent, Claim { may_rise: false, ..claim(0, 9) }]),
        [Stays, Share(0)],
        "it could not be raised again"
    );
}

#[test]
fn pieces_that_would_all_come_back_are_not_taken_off() {
    let lies = Claim { sells: false, limit: 4, ..claim(4, 9) };
    let slow = Claim { sells: false, limit: 2, ..claim(0, 1) };
    assert_eq!(
        divide(4, 5, &[slow, lies]),
        [Share(0), Stays],
        "it sells so much more that it would get all four again"
    );
    assert_eq!(
        divide(4, 5, &[slow, Claim { weight: 3, ..lies }]),
        [Share(0), Share(0)],
        "one would go to the other"
    );
    let three = Claim { shown: 3, weight: 3, ..lies };
    assert_eq!(
        divide(3, 5, &[slow, three]),
        [Share(0), Stays],
        "of equals the one that sells more goes first, as when they are divided"
    );
    // The one with fewer pieces, if only those would be handed on.
    let few = Claim { shown: 2, limit: 2, weight: 1, ..lies };
    assert_eq!(divide(6, 5, &[slow, lies, few]), [Share(0), Stays, Share(0)]);
}

#[test]
fn the_threshold_follows_the_sales_and_what_is_divided_stays_so() {
    let key = SkuKey(7);
    let division = |most: u32, shown: [u32; 2], limit: u32| {
        let sold = Sold { units: vec![0, 0], latest: vec![None, None], most };
        let mut division = Division::new(
            SoldSkus { of: HashMap::from([(key, sold)]), now: Timestamp::UNIX_EPOCH },
            10,
            None,
        );
        for (channel, shown) in ["uk", "eu"].into_iter().zip(shown) {
            division.add(
                channel,
                1.0,
                vec![Part { shown, limit, offers: 1, may_rise: true, ..Part::default() }],
            );
        }
        division
    };
    let quota = |most, shown, left| division(most, shown, left).quota("uk", 0, key, left);
    assert_eq!(
        (quota(0, [11, 11], 11), quota(0, [11, 11], 10)),
        (None, Some(Share(3))),
        "a burst has no history"
    );
    assert_eq!(
        (quota(20, [60, 60], 61), quota(20, [60, 60], 60)),
        (None, Some(Share(15))),
        "twenty, and a half more, twice"
    );
    assert_eq!((quota(0, [6, 6], 12), quota(0, [6, 6], 13)), (Some(Stays), None));
    assert_eq!(division(0, [0, 0], 10).quota("uk", 0, key, 4), Some(Share(2)));
    assert_eq!(division(0, [0, 0], 10).quota("uk", 1, key, 4), None, "no other channel has it");
    let told = division(0, [3, 1], 5).told("eu", 0, key, 4).unwrap();
    assert_eq!(
        (told.threshold, told.burst, told.channels),
        (10, 5, vec![("uk".to_owned(), 3), ("eu".to_owned(), 1)])
    );
    let one = Division { one_of: Some(vec!["eu".into()]), ..division(0, [0, 0], 5) };
    assert_eq!(
        (one.quota("uk", 0, key, 5), one.quota("eu", 0, key, 5)),
        (Some(Share(0)), Some(Share(5)))
    );
}

#[test]
fn what_is_in_doubt_counts_as_the_most_that_it_may_be() {
    let under_way = Pending { is_under_way: true, more: 2, ..Pending::default() };
    assert_eq!(exposure(Shown::InDoubt(5), under_way, true), (7, true));
    assert_eq!(exposure(Shown::InDoubt(5), Pending::default(), true), (5, false));
    assert_eq!(exposure(Shown::Unknown(5), Pending::default(), true), (5, false));
    assert_eq!(
        exposure(Shown::Unknown(5), Pending::default(), false),
        (5, true),
        "it cannot be raised again"
    );
    assert_eq!(exposure(Shown::Never, Pending::default(), true), (0, false));
    assert!(Outstanding(None).of(1).is_unseen);
}

/// Channels, what each truly shows, and the orders that were placed and are not known; imports have
/// their effect late.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody wants a piece.
    Buy(usize),
    /// All orders are listed.
    List,
    /// A run decides, and sends what differs.
    Run,
    /// The same, and nothing is known of one channel.
    RunWithout(usize),
    /// An import has its effect, and the connector hears of it.
    Ends(usize),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn no_two_channels_sell_the_same_piece_whatever_is_late(
        free in 0..9_u32,
        weights in prop::collection::vec(1..20_u64, 2..4),
        steps in prop::collection::vec(prop_oneof![
            6 => (0..3_usize).prop_map(Step::Buy), 3 => Just(Step::List), 4 => Just(Step::Run), 1 => (0..3_usize).prop_map(Step::RunWithout), 4 => (0..3_usize).prop_map(Step::Ends),
        ], 0..120),
    ) {
        let count = weights.len();
        // What is known: free pieces, each channel's entry, imports under way (from, to), and those
        // after which not all orders are known.
        let (mut known, mut entry, mut import, mut unseen) = (free, vec![0_u32; count], vec![None::<(u32, u32)>; count], vec![false; count]);
        // What is so.
        let (mut shows, mut left, mut unlisted) = (vec![0_u32; count], free, Vec::new());
        for step in steps {
            match step {
                Step::Buy(channel) if channel < count && shows[channel] > 0 => {
                    prop_assert!(left > 0, "a piece is sold twice");
                    shows[channel] -= 1;
                    left -= 1;
                    unlisted.push(channel);
                }
                Step::List => {
                    for channel in unlisted.drain(..) {
                        known -= 1;
                        // It is under way from nothing, or to nothing, or not at all.
                        entry[channel] = entry[channel].saturating_sub(1);
                    }
                    // What has ended before is known with all its orders; under way it may sell on.
                    unseen.fill(false);
                }
                Step::Run | Step::RunWithout(_) => {
                    let claims: Vec<Claim> = (0..count).map(|channel| Claim {
                        is_unseen: unseen[channel] || import[channel].is_some_and(|(from, _)| from > 0),
                        sells: weights[channel] % 2 == 0,
                        ..claim(entry[channel], weights[channel])
                    }).collect();
                    // Nothing but orders lowers what is free: then no more is ever shown than that,
                    // and an offer is filled from nothing only.
                    let quotas: Vec<(usize, Quota)> = if let Step::RunWithout(missing) = step {
                        let rest: Vec<usize> = (0..count).filter(|channel| *channel != missing).collect();
                        let claims: Vec<Claim> = rest.iter().map(|channel| claims[*channel]).collect();
                        rest.into_iter().zip(hold(known, &claims)).collect()
                    } else {
                        divide(known, 100, &claims).into_iter().enumerate().collect()
                    };
                    for (channel, quota) in quotas {
                        let Share(share) = quota else { continue };
                        if import[channel].is_none() && share != entry[channel] && (share == 0 || entry[channel] == 0) {
                            import[channel] = Some((entry[channel], share));
                            entry[channel] = entry[channel].max(share);
                        }
                    }
                }
                Step::Ends(channel) if channel < count => {
                    if let Some((from, to)) = import[channel].take() {
                        shows[channel] = to;
                        entry[channel] = entry[channel].min(to);
                        unseen[channel] = from > 0;
                    }
                }
                Step::Buy(_) | Step::Ends(_) => {}
            }
        }
    }

    #[test]
    fn what_may_be_sold_in_the_end_is_no_more_than_is_free(
        free in 0..30_u32,
        claims in prop::collection::vec((0..12_u32, 0..15_u32, 1..50_u64, any::<bool>(), any::<bool>(), any::<bool>()), 1..5),
    ) {
        let claims: Vec<Claim> = claims
            .into_iter()
            .map(|(shown, limit, weight, is_sure, may_rise, sells)| Claim { shown, limit, weight, is_sure, is_unseen: false, may_rise, sells })
            .collect();
        // As much may be sold as is shown.
        let quotas = divide(free, u32::MAX, &claims);
        let changed = |index: &usize| matches!(quotas[*index], Share(share) if share > 0);
        let shown: u32 = claims.iter().map(|claim| claim.shown).sum();
        let sent: u32 = quotas.iter().map(|quota| if let Share(share) = quota { *share } else { 0 }).sum();
        if sent > 0 {
            prop_assert!(shown + sent <= free, "{quotas:?} of {free} on top of {shown}");
        }
        for index in 0..claims.len() {
            if changed(&index) {
                prop_assert!(matches!(quotas[index], Share(share) if share <= claims[index].limit));
            }
            if quotas[index] == Stays {
                prop_assert!(claims[index].shown <= claims[index].limit);
            }
        }
        // Once that has had its effect.
        let settled: u32 = quotas.iter().zip(&claims).map(|(quota, claim)| if let Share(share) = quota { *share } else { claim.shown }).sum();
        prop_assert!(settled <= free);
    }

    #[test]
    fn without_a_sale_the_imports_come_to_an_end(
        free in 0..30_u32,
        burst in 0..10_u32,
        may_rise in any::<bool>(),
        claims in prop::collection::vec((0..12_u32, 0..15_u32, 1..50_u64, any::<bool>()), 1..5),
    ) {
        let mut claims: Vec<Claim> = claims
            .into_iter()
            .map(|(shown, limit, weight, sells)| Claim { limit, may_rise, sells, ..claim(shown, weight) })
            .collect();
        let mut rounds = 0;
        loop {
            let before = claims.clone();
            for (claim, quota) in claims.iter_mut().zip(divide(free, burst, &before)) {
                match quota {
                    Share(share) if may_rise => claim.shown = share,
                    Share(share) => claim.shown = claim.shown.min(share),
                    Stays => {}
                }
            }
            if claims == before {
                break;
            }
            rounds += 1;
            prop_assert!(rounds < 20, "imports go on: {claims:?} of {free}");
        }
    }
}
