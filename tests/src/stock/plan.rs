//! What kind of world a seed has.

use shared::domain::stock::rules::{ImportKind, StockRule, StockRules};
use shared::domain::stock::settings::{FallsAt, LastPieces, StockSettings};
use shared::prima::stock::StockBasis;
use simulators::fashion::catalogue;
use simulators::prima::{Lowered, ShownFigures, Sku};

use crate::world::dice::Dice;
use crate::world::fate::{Odds, Profile};

/// SKUs in the warehouse.
const SKUS: usize = 14;

/// A SKU in both systems' words.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) offer_sku: String,
    pub(super) sku: Sku,
    pub(super) physical: i64,
    /// Weight among all that is sold.
    pub(super) sought: u64,
}

/// What a seed has drawn.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) items: Vec<Item>,
    pub(super) figures: ShownFigures,
    pub(super) lowered: Lowered,
    pub(super) basis: StockBasis,
    pub(super) settings: StockSettings,
    /// Ranges of the catalogue that a run reads at once.
    pub(super) ranges_at_once: usize,
    pub(super) rules: Vec<StockRules>,
    /// The basis is agreed so long after the beginning.
    pub(super) agreed_after: u64,
    /// Seconds between two sales on the marketplaces together, on average.
    pub(super) seconds_a_sale: u64,
    pub(super) restocks: bool,
    /// Marketplaces without an export of offers.
    pub(super) no_export: Vec<bool>,
    /// Seconds that an import waits, and runs.
    pub(super) import_seconds: (u64, u64),
    /// The marketplace sets an offer to nothing by itself now and then; only the daily list can
    /// tell.
    pub(super) zeroing: bool,
    /// An offer that a channel has only later in the day, by its number: the daily list tells of
    /// it.
    pub(super) later: Option<(usize, usize)>,
    /// SKUs that Prima answers at once at most.
    pub(super) longest_answer: Option<usize>,
    /// Merchandisers change rules during the day; a person wants everything published again, or
    /// deletes a ledger.
    pub(super) changing: bool,
    pub(super) republishing: bool,
    pub(super) emptying: bool,
    /// So much is held back of everything, as was advised.
    pub(super) advised: Option<u32>,
    /// Offers that nobody can publish: a SKU of no form, and one that Prima does not have.
    pub(super) odd_offers: bool,
    /// How long the day lasts, in seconds.
    pub(super) day: u64,
}

/// Whether nothing goes wrong, and how bad it is where it does.
pub(super) fn drawn_profile(dice: &Dice) -> (bool, Profile) {
    let calm = dice.chance(0.25);
    let bad = if calm { 0.0 } else { dice.between(0, 100) as f64 / 100.0 };
    let odds = Odds { fails: 0.08 * bad, lost: 0.06 * bad, late: 0.06 * bad };
    let profile = Profile {
        crash: 0.015 * bad,
        crash_consumer: 0.015 * bad,
        delivered_twice: 0.25 * bad,
        scheduled_twice: 0.0625 * bad,
        slow: 0.12 * bad,
        skew: 10_000,
        ..Profile::even(odds)
    };
    (calm, profile)
}

impl Plan {
    /// The plan of a seed; with so many units held back of everything, where that is wanted.
    pub(super) fn with_buffer(dice: &Dice, calm: bool, buffer: Option<u32>) -> Self {
        let mut plan = Self::drawn(dice, calm);
        plan.advised = buffer;
        for rules in plan.rules.iter_mut().filter(|_| buffer.is_some()) {
            rules.rules.push(StockRule {
                buffer,
                by: "Anna".to_owned(),
                why: "as advised".to_owned(),
                ..StockRule::default()
            });
        }
        plan
    }

    fn drawn(dice: &Dice, calm: bool) -> Self {
        let shown = [ShownFigures::Net, ShownFigures::WithAllocated, ShownFigures::WithFree];
        let figures = shown[dice.index(shown.len())];
        let basis = match figures {
            ShownFigures::WithAllocated => StockBasis::AvailableLessAllocated,
            ShownFigures::WithFree => StockBasis::Free,
            ShownFigures::Net | ShownFigures::Gross => StockBasis::AvailableIsFree,
        };
        let falls = [
            (Lowered::AtCreation, FallsAt::Creation),
            (Lowered::AtAllocation, FallsAt::Allocation),
            (Lowered::AtDispatch, FallsAt::Dispatch),
            // Nobody has looked yet: the safe setting.
            (Lowered::AtCreation, FallsAt::Dispatch),
        ];
        let (lowered, falls_at) = falls[dice.index(falls.len())];
        let last_units = if dice.chance(0.25) { 2 } else { 0 };
        let ranges_at_once = usize::try_from(dice.between(1, 2)).unwrap_or(1);
        let settings = StockSettings {
            falls_at,
            last_units,
            last_units_on: if last_units > 0 {
                vec![super::world::CHANNELS[0].to_owned()]
            } else {
                Vec::new()
            },
            range_boundaries: Vec::new(),
            last_pieces: [
                LastPieces::Divide,
                LastPieces::Divide,
                LastPieces::OneChannel,
                LastPieces::Copy,
            ][dice.index(4)],
            last_pieces_by: "Anna".to_owned(),
            last_pieces_why: "drawn".to_owned(),
            ..StockSettings::default()
        };
        let items: Vec<Item> = catalogue(dice.between(1, 1000), SKUS * 5)
            .into_iter()
            .step_by(5)
            .map(|sku| Item {
                offer_sku: sku.offer_sku(),
                sku: Sku {
                    product: sku.product,
                    matrix: [sku.colour, sku.size, String::new(), String::new()],
                },
                physical: i64::try_from(dice.between(0, 30)).unwrap_or(0),
                sought: dice.between(1, 6) * dice.between(1, 6),
            })
            .collect();
        let boundary =
            items.get(items.len() / 2).map(|item| item.sku.product.clone()).unwrap_or_default();
        let settings = StockSettings {
            range_boundaries: if dice.chance(0.5) { vec![boundary] } else { Vec::new() },
            ..settings
        };
        let rules = (0..super::world::CHANNELS.len()).map(|_| Self::rules(dice, &items)).collect();
        Self {
            figures,
            ranges_at_once,
            lowered,
            basis,
            settings,
            rules,
            agreed_after: if dice.chance(0.3) { dice.between(300, 3600) } else { 0 },
            seconds_a_sale: dice.between(20, 240),
            restocks: dice.chance(0.5),
            no_export: (0..super::world::CHANNELS.len()).map(|_| dice.chance(0.3)).collect(),
            import_seconds: (dice.between(1, 45), dice.between(1, 20)),
            zeroing: !calm && dice.chance(0.2),
            odd_offers: dice.chance(0.3),
            later: dice.chance(0.06).then(|| (dice.index(super::world::LIVE), dice.index(SKUS))),
            longest_answer: (!calm && dice.chance(0.1))
                .then(|| usize::try_from(dice.between(4, 8)).unwrap_or(4)),
            changing: dice.chance(0.25),
            republishing: dice.chance(0.1),
            emptying: !calm && dice.chance(0.05),
            advised: None,
            day: 3600 * dice.between(2, 5),
            items,
        }
    }

    fn rules(dice: &Dice, items: &[Item]) -> StockRules {
        let rule =
            |rule: StockRule| StockRule { by: "Anna".to_owned(), why: "peak".to_owned(), ..rule };
        let mut rules = Vec::new();
        if dice.chance(0.5) {
            rules.push(rule(StockRule {
                buffer: Some(u32::try_from(dice.between(1, 4)).unwrap_or(1)),
                ..StockRule::default()
            }));
        }
        if dice.chance(0.2) {
            rules.push(rule(StockRule { share_percent: Some(50), ..StockRule::default() }));
        }
        if dice.chance(0.2) {
            rules.push(rule(StockRule { cap: Some(5), ..StockRule::default() }));
        }
        if dice.chance(0.2) {
            let sku = items.first().map(|item| item.offer_sku.clone());
            rules.push(rule(StockRule { sku, exclude: Some(true), ..StockRule::default() }));
        }
        StockRules {
            rules,
            import: if dice.chance(0.25) { ImportKind::Offers } else { ImportKind::Stock },
            ceiling_minutes: u32::try_from(dice.between(5, 15)).unwrap_or(15),
            import_stuck_minutes: [5, 10, 60][dice.index(3)],
            ..StockRules::default()
        }
    }

    /// Whether a channel has no offer of it at first.
    pub(super) fn comes_later(&self, channel: usize, item: &Item) -> bool {
        self.later.is_some_and(|(later, number)| {
            later == channel
                && self.items.get(number).is_some_and(|one| one.offer_sku == item.offer_sku)
        })
    }
}
