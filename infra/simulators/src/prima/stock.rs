//! What lies in the warehouse, and the figures that Prima answers of it. `ProductAvailableToSell`
//! and `MultiAvailableToSell` are seen on the wire; the attributes besides `AvailableQuantity` are
//! assumed.

use std::ops::Bound;

use jiff::Timestamp;

use super::model::Installation;
use super::order::{Refusal, Stage};
use super::settings::{GeneratedStock, Sku, StockRules};
use super::shelves::{SkuFigures, Stock, StockRow};

impl Installation {
    /// `ProductAvailableToSell`: the SKUs whose product lies in a range, both ends included, by
    /// product. An empty end is none.
    pub fn available(&mut self, from: &str, to: &str, now: Timestamp) -> Vec<SkuFigures> {
        self.land(now);
        let first = Sku { product: from.to_owned(), matrix: Default::default() };
        let rows = self.shelves.rows.range((Bound::Included(first), Bound::Unbounded));
        self.shelves
            .figures(rows.take_while(|(sku, _)| to.is_empty() || sku.product.as_str() <= to))
    }

    /// `MultiAvailableToSell`: the named SKUs, in the order named. What Prima does not know is left
    /// out (assumed).
    pub fn available_of(&mut self, skus: &[Sku], now: Timestamp) -> Vec<SkuFigures> {
        self.land(now);
        self.shelves.figures(skus.iter().filter_map(|sku| self.shelves.rows.get_key_value(sku)))
    }

    /// Sets the stock of SKUs, as a delivery or a count does; what this installation's orders owe
    /// of them stays.
    pub fn set_stock(&mut self, rows: impl IntoIterator<Item = StockRow>) {
        for StockRow { sku, stock } in rows {
            let known = self.shelves.rows.entry(sku).or_default();
            *known = Stock { owed: known.owed, set_aside: known.set_aside, ..stock };
        }
    }

    /// Stocks the first SKUs of the [`crate::fashion::catalogue`].
    pub fn generate_stock(&mut self, wish: GeneratedStock) {
        self.shelves.generate(wish);
    }

    /// Another channel of Prima's sells: over the counter the pieces are gone, in the customer's
    /// own web shop they are set aside.
    ///
    /// # Errors
    /// The SKU is not kept in stock, or has not so many pieces: a till sells what lies there, set
    /// aside or not, and a web shop what is free.
    pub fn sell_elsewhere(
        &mut self,
        sku: &Sku,
        quantity: u32,
        over_the_counter: bool,
    ) -> Result<(), Refusal> {
        let stock = self
            .shelves
            .rows
            .get_mut(sku)
            .ok_or_else(|| Refusal::new(format!("{} is not kept in stock", sku.product)))?;
        let quantity = i64::from(quantity);
        let there =
            if over_the_counter { stock.physical } else { stock.physical - stock.allocated() };
        if quantity > there {
            return Err(Refusal::new(format!("{} has {there} pieces to sell", sku.product)));
        }
        if over_the_counter {
            stock.physical -= quantity
        } else {
            stock.elsewhere += quantity
        }
        Ok(())
    }

    /// The stock of every SKU, by product.
    pub fn stock(&self) -> impl Iterator<Item = (&Sku, &Stock)> {
        self.shelves.rows.iter()
    }

    /// The stock of a SKU.
    #[must_use]
    pub fn stock_of(&self, sku: &Sku) -> Option<&Stock> {
        self.shelves.rows.get(sku)
    }

    /// Replaces the rules of the figures for everything that comes from now on; the stock stays.
    pub fn set_stock_rules(&mut self, rules: StockRules) {
        self.shelves.set_rules(rules);
    }

    /// The warehouse allocates every order that is entered and not on hold; answers how many.
    pub fn allocate(&mut self, now: Timestamp) -> usize {
        self.land(now);
        let waiting = self
            .orders
            .values_mut()
            .filter(|order| order.stage == Stage::Entered && order.hold.is_none());
        let mut count = 0;
        for order in waiting {
            order.stage = Stage::Allocated;
            order.changed_at = now;
            self.shelves.allocate(order);
            count += 1;
        }
        count
    }
}
