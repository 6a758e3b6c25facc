//! The stock of every SKU: pieces that lie there, are owed and are set aside, and the figures that
//! Prima tells of them.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::order::StoredOrder;
use super::settings::{GeneratedStock, Lowered, ShownFigures, Sku, StockRules};

/// What is wrong with the figures of a SKU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Odd {
    /// Below zero.
    Negative,
    /// A piece and a half.
    Fractional,
    /// More than any warehouse holds.
    Huge,
    /// The SKU without any figure.
    NoFigure,
    /// The SKU comes twice, with different figures.
    Twice,
    /// The SKU does not come at all.
    LeftOut,
}

const ODDITIES: [Odd; 6] =
    [Odd::Negative, Odd::Fractional, Odd::Huge, Odd::NoFigure, Odd::Twice, Odd::LeftOut];

/// The stock of a SKU, in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stock {
    /// In the warehouse.
    pub physical: i64,
    /// Set aside for orders of Prima's other channels.
    pub elsewhere: i64,
    /// On orders of this installation that have not left, set aside or not.
    #[serde(skip_deserializing)]
    pub owed: i64,
    /// Of these, set aside.
    #[serde(skip_deserializing)]
    pub set_aside: i64,
    /// When more is due.
    pub due: Option<Date>,
    /// What is wrong with its figures.
    pub odd: Option<Odd>,
}

impl Stock {
    /// Pieces set aside, for whomever.
    #[must_use]
    pub fn allocated(&self) -> i64 {
        self.elsewhere + self.set_aside
    }

    /// Pieces promised beyond what is there: those owed, with those set aside elsewhere, less the
    /// physical stock.
    #[must_use]
    pub fn oversold(&self) -> i64 {
        (self.owed + self.elsewhere - self.physical).max(0)
    }
}

/// The stock of a SKU, as a person, or a test, sets it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StockRow {
    /// The SKU.
    #[serde(flatten)]
    pub sku: Sku,
    /// Its stock.
    #[serde(flatten)]
    pub stock: Stock,
}

/// The figures of a SKU as Prima answers them: those that are none are not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkuFigures {
    /// The SKU.
    pub sku: Sku,
    /// `AvailableQuantity`.
    pub available: Option<Decimal>,
    /// `AllocatedQuantity`.
    pub allocated: Option<Decimal>,
    /// `FreeQuantity`.
    pub free: Option<Decimal>,
    /// `AvailableDate`, of `MultiAvailableToSell` alone.
    pub due: Option<Date>,
}

/// The stock of every SKU that is kept in stock.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    rules: StockRules,
    pub(super) rows: BTreeMap<Sku, Stock>,
}

/// Pieces by SKU.
type Pieces = Vec<(Sku, i64)>;

/// The pieces of some lines of an order.
fn pieces(order: &StoredOrder, lines: &[(u32, u32)]) -> Pieces {
    let of = |(number, quantity): &(u32, u32)| {
        let line = order.order.lines.iter().find(|line| line.number == *number)?;
        Some((
            Sku { product: line.product.clone(), matrix: line.matrix.clone() },
            i64::from(*quantity),
        ))
    };
    lines.iter().filter_map(of).collect()
}

impl Shelves {
    pub(super) fn new(rules: StockRules) -> Self {
        let mut shelves = Self::default();
        if let Some(wish) = rules.generated {
            shelves.generate(wish);
        }
        shelves.rules = rules;
        shelves
    }

    pub(super) fn set_rules(&mut self, rules: StockRules) {
        self.rules = rules;
    }

    pub(super) fn generate(&mut self, wish: GeneratedStock) {
        let mut rng = ChaCha8Rng::seed_from_u64(wish.seed);
        let odd_share = if wish.odd_share.is_nan() { 0.0 } else { wish.odd_share.clamp(0.0, 1.0) };
        for sku in crate::fashion::catalogue(wish.seed, wish.size) {
            let sku = Sku {
                product: sku.product,
                matrix: [sku.colour, sku.size, String::new(), String::new()],
            };
            // One in ten is sold out, and of one in four something is set aside.
            let physical = if rng.random_bool(0.1) { 0 } else { rng.random_range(1..=40_i64) };
            let elsewhere =
                if rng.random_bool(0.25) { rng.random_range(0..=physical.min(3)) } else { 0 };
            let due = (physical < 5 && rng.random_bool(0.5))
                .then(|| date(2027, 1, 4).saturating_add(rng.random_range(0..90).days()));
            let odd =
                rng.random_bool(odd_share).then(|| ODDITIES.choose(&mut rng).copied()).flatten();
            self.rows.insert(sku, Stock { physical, elsewhere, due, odd, ..Stock::default() });
        }
    }

    /// An order comes in; answers the pieces of it that are oversold.
    pub(super) fn come_in(&mut self, order: &mut StoredOrder) -> u64 {
        let mut oversold = 0;
        for (sku, quantity) in pieces(order, &order.left()) {
            if let Some(stock) = self.rows.get_mut(&sku) {
                stock.owed += quantity;
                oversold += stock.oversold().min(quantity).unsigned_abs();
            }
        }
        if self.rules.lowered == Lowered::AtCreation {
            self.set_aside(order);
        }
        oversold
    }

    /// The warehouse allocates an order.
    pub(super) fn allocate(&mut self, order: &mut StoredOrder) {
        if self.rules.lowered == Lowered::AtAllocation {
            self.set_aside(order);
        }
    }

    fn set_aside(&mut self, order: &mut StoredOrder) {
        if !order.set_aside {
            order.set_aside = true;
            self.change(&pieces(order, &order.left()), |stock, quantity| {
                stock.set_aside += quantity
            });
        }
    }

    /// Whether so much is there of every SKU that is kept in stock.
    pub(super) fn holds(&self, order: &StoredOrder, lines: &[(u32, u32)]) -> bool {
        let mut wanted: BTreeMap<Sku, i64> = BTreeMap::new();
        for (sku, quantity) in pieces(order, lines) {
            *wanted.entry(sku).or_default() += quantity;
        }
        wanted.iter().all(|(sku, quantity)| {
            self.rows.get(sku).is_none_or(|stock| stock.physical >= *quantity)
        })
    }

    /// Pieces of an order leave the warehouse.
    pub(super) fn leave(&mut self, order: &StoredOrder, lines: &[(u32, u32)]) {
        self.change(&pieces(order, lines), |stock, quantity| stock.physical -= quantity);
        self.release(order, lines);
    }

    /// Pieces of an order are no longer owed.
    pub(super) fn release(&mut self, order: &StoredOrder, lines: &[(u32, u32)]) {
        let set_aside = order.set_aside;
        self.change(&pieces(order, lines), |stock, quantity| {
            stock.owed -= quantity;
            stock.set_aside -= if set_aside { quantity } else { 0 };
        });
    }

    fn change(&mut self, pieces: &Pieces, change: impl Fn(&mut Stock, i64)) {
        for (sku, quantity) in pieces {
            if let Some(stock) = self.rows.get_mut(sku) {
                change(stock, *quantity);
            }
        }
    }

    pub(super) fn figures<'s>(
        &'s self,
        rows: impl Iterator<Item = (&'s Sku, &'s Stock)> + 's,
    ) -> Vec<SkuFigures> {
        rows.flat_map(|(sku, stock)| self.figures_of(sku, stock)).collect()
    }

    fn figures_of(&self, sku: &Sku, stock: &Stock) -> Vec<SkuFigures> {
        let (physical, allocated) =
            (Decimal::from(stock.physical), Decimal::from(stock.allocated()));
        let net = physical - allocated;
        let (available, allocated, free) = match self.rules.figures {
            ShownFigures::Gross => (physical, None, None),
            ShownFigures::Net => (net, None, None),
            ShownFigures::WithAllocated => (physical, Some(allocated), None),
            ShownFigures::WithFree => (physical, None, Some(net)),
        };
        let usual = SkuFigures {
            sku: sku.clone(),
            available: Some(available),
            allocated,
            free,
            due: stock.due,
        };
        // Whichever figure counts is odd.
        let all = |figure: Decimal| SkuFigures {
            available: Some(figure),
            free: free.map(|_| figure),
            ..usual.clone()
        };
        match stock.odd {
            None => vec![usual],
            Some(Odd::Negative) => vec![all(Decimal::from(-3))],
            Some(Odd::Fractional) => vec![all(Decimal::new(15, 1))],
            Some(Odd::Huge) => vec![all(Decimal::from(99_999_999_999_i64))],
            Some(Odd::NoFigure) => {
                vec![SkuFigures { available: None, allocated: None, free: None, ..usual }]
            }
            Some(Odd::Twice) => vec![all(available + Decimal::from(2)), usual],
            Some(Odd::LeftOut) => Vec::new(),
        }
    }
}
