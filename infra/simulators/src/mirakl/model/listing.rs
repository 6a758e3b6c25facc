//! Listings of orders (Mirakl seller API, OR11).

use jiff::Timestamp;

use super::marketplace::{Marketplace, Number, ShopIndex};
use super::order::{Order, State};
use super::settings::seconds;

/// What a listing asks for: all that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these states.
    pub states: Option<Vec<State>>,
    /// Any of these ids.
    pub order_ids: Option<Vec<String>>,
    /// Any of these references of the seller's.
    pub seller_references: Option<Vec<String>>,
    /// Any of these references of the customer's.
    pub customer_references: Option<Vec<String>>,
    /// Updated at or after this, less the marketplace's time delta.
    pub updated_from: Option<Timestamp>,
    /// Updated at or before this.
    pub updated_to: Option<Timestamp>,
    /// Created at or after this.
    pub created_from: Option<Timestamp>,
    /// Created at or before this.
    pub created_to: Option<Timestamp>,
    /// Paid for, or not.
    pub customer_debited: Option<bool>,
}

/// A page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<'m> {
    /// Its orders, by date of creation, then id.
    pub orders: Vec<&'m Order>,
    /// How many orders the whole listing has now.
    pub total: usize,
}

impl Marketplace {
    /// OR11: at most `max` orders of a shop from the `offset`th on. Pages are cut out of what
    /// matches at the moment of each call: an order that changes between two pages moves the
    /// others. Mirakl subtracts a time delta from the start of an update window, so orders come
    /// again.
    #[must_use]
    pub fn list_orders(
        &self,
        shop_id: i64,
        filter: &Filter,
        offset: usize,
        max: usize,
    ) -> Page<'_> {
        let Some(shop) = self.shops.get(&shop_id) else {
            return Page { orders: Vec::new(), total: 0 };
        };
        let updated_from =
            filter.updated_from.map(|from| from - seconds(self.settings.update_delta_seconds));
        let mut orders: Vec<&Order> = self
            .candidates(shop, filter, updated_from)
            .into_iter()
            .filter_map(|number| self.orders.get(&number))
            .filter(|order| order.shop_id == shop_id && matches(order, filter, updated_from))
            .collect();
        let total = orders.len();
        orders.sort_unstable_by(|one, other| {
            (one.created, &one.order_id).cmp(&(other.created, &other.order_id))
        });
        Page { orders: orders.into_iter().skip(offset).take(max).collect(), total }
    }

    /// The numbers among which the listing's orders are, by the index that leaves the fewest.
    fn candidates(
        &self,
        shop: &ShopIndex,
        filter: &Filter,
        updated_from: Option<Timestamp>,
    ) -> Vec<Number> {
        if let Some(ids) = &filter.order_ids {
            let mut numbers: Vec<Number> =
                ids.iter().filter_map(|id| self.by_id.get(id).copied()).collect();
            numbers.sort_unstable();
            numbers.dedup();
            return numbers;
        }
        if let Some(references) = &filter.seller_references {
            let mut numbers: Vec<Number> = references
                .iter()
                .filter_map(|one| shop.by_reference.get(one))
                .flatten()
                .copied()
                .collect();
            numbers.sort_unstable();
            numbers.dedup();
            return numbers;
        }
        if filter.states.as_ref().is_some_and(|states| states.iter().all(|state| state.is_open())) {
            return shop.open.iter().copied().collect();
        }
        if let Some(from) = updated_from {
            return shop.by_update.range((from, 0)..).map(|(_, number)| *number).collect();
        }
        shop.all.iter().copied().collect()
    }
}

fn matches(order: &Order, filter: &Filter, updated_from: Option<Timestamp>) -> bool {
    let among = |wanted: &Option<Vec<String>>, value: Option<&String>| {
        wanted.as_ref().is_none_or(|wanted| value.is_some_and(|value| wanted.contains(value)))
    };
    filter.states.as_ref().is_none_or(|states| states.contains(&order.state))
        && among(&filter.order_ids, Some(&order.order_id))
        && among(&filter.seller_references, order.reference_for_seller.as_ref())
        && among(&filter.customer_references, order.reference_for_customer.as_ref())
        && updated_from.is_none_or(|from| order.last_updated >= from)
        && filter.updated_to.is_none_or(|to| order.last_updated <= to)
        && filter.created_from.is_none_or(|from| order.created >= from)
        && filter.created_to.is_none_or(|to| order.created <= to)
        && filter
            .customer_debited
            .is_none_or(|debited| debited == order.customer_debited_date.is_some())
}
