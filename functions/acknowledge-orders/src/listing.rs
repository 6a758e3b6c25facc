//! The minute's listing: all pages first, then whatever follows from them. Accepting while paging by offset skips orders.

use std::collections::HashMap;

use jiff::Timestamp;
use shared::mirakl::{MiraklError, MiraklOrders, Order, OrderPage, OrderQuery, OrderState, UnreadableOrder};

/// OR11's largest page.
const PAGE: usize = 100;

/// What a listing brought.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Each order once, as last seen.
    pub(crate) orders: Vec<Order>,
    /// Orders without the shape of one.
    pub(crate) unreadable: Vec<UnreadableOrder>,
    /// Every page was read, and none shrank meanwhile.
    pub(crate) complete: bool,
    /// Why it is not complete, where a call failed.
    pub(crate) problem: Option<MiraklError>,
    /// Calls made.
    pub(crate) pages: usize,
}

/// An order that waits for acceptance, and what accepting it takes.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) order_id: String,
    pub(crate) line_ids: Vec<String>,
    pub(crate) created: Option<Timestamp>,
}

impl Listing {
    /// The orders that wait for acceptance, the most urgent first: the window is the same for all, so the oldest. One whose
    /// age is unknown comes before all others.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let readable = self.orders.iter().filter(|order| order.order_state == OrderState::WaitingAcceptance).map(|order| Waiting {
            order_id: order.order_id.clone(),
            line_ids: order.line_ids(),
            created: order.created_date,
        });
        let unreadable = self.unreadable.iter().filter_map(|order| {
            let acceptable = order.acceptable.as_ref().filter(|acceptable| acceptable.state == OrderState::WaitingAcceptance)?;
            Some(Waiting { order_id: order.order_id.clone()?, line_ids: acceptable.order_line_ids.clone(), created: None })
        });
        let mut waiting: Vec<_> = readable.chain(unreadable).collect();
        waiting.sort_by_key(|order| order.created);
        waiting
    }

    /// The latest `last_updated_date` that everything is known up to; never past an order that still waits. `None` while
    /// one waits that cannot be read: nothing tells its date.
    pub(crate) fn watermark(&self, accepted: &[String]) -> Option<Timestamp> {
        let waits_unread = self.unreadable.iter().any(|order| {
            order.acceptable.as_ref().is_some_and(|acceptable| acceptable.state == OrderState::WaitingAcceptance)
                && !order.order_id.as_ref().is_some_and(|order_id| accepted.contains(order_id))
        });
        if waits_unread {
            return None;
        }
        let latest = self.orders.iter().filter_map(|order| order.last_updated_date).max();
        let still_waiting = self
            .orders
            .iter()
            .filter(|order| order.order_state == OrderState::WaitingAcceptance && !accepted.contains(&order.order_id))
            .map(|order| order.last_updated_date.unwrap_or(Timestamp::MIN))
            .min();
        match (latest, still_waiting) {
            (Some(latest), Some(waiting)) => Some(latest.min(waiting)),
            (latest, _) => latest,
        }
    }
}

/// Lists what the minute needs: the open states alone (`full`), or those and the ended ones since `updated_from`.
pub(crate) async fn list(client: &impl MiraklOrders, full: bool, updated_from: Option<Timestamp>) -> Listing {
    let open = [
        OrderState::Staging,
        OrderState::WaitingAcceptance,
        OrderState::WaitingDebit,
        OrderState::WaitingDebitPayment,
        OrderState::Shipping,
    ];
    let query = if full {
        OrderQuery { states: open.to_vec(), ..OrderQuery::default() }
    } else {
        let ended = [OrderState::Canceled, OrderState::Refused];
        OrderQuery { states: open.into_iter().chain(ended).collect(), updated_from, ..OrderQuery::default() }
    };
    sweep(client, &query).await
}

/// Lists orders of ours by their ids, at most 100.
pub(crate) async fn list_by_id(client: &impl MiraklOrders, order_ids: Vec<String>) -> Listing {
    sweep(client, &OrderQuery { order_ids, ..OrderQuery::default() }).await
}

/// All pages of a query; once more from the start where an order left the listing while it was being paged.
async fn sweep(client: &impl MiraklOrders, query: &OrderQuery) -> Listing {
    let mut gathered = Gathered::default();
    for _sweep in 0..2 {
        match pages(client, query, &mut gathered).await {
            Ok(true) => return gathered.into_listing(true, None),
            Ok(false) => {}
            Err(problem) => return gathered.into_listing(false, Some(problem)),
        }
    }
    gathered.into_listing(false, None)
}

#[derive(Default)]
struct Gathered {
    orders: Vec<Order>,
    places: HashMap<String, usize>,
    unreadable: Vec<UnreadableOrder>,
    pages: usize,
}

impl Gathered {
    fn take(&mut self, page: OrderPage) {
        self.pages += 1;
        for order in page.orders {
            match self.places.get(&order.order_id) {
                Some(&place) => self.orders[place] = order,
                None => {
                    self.places.insert(order.order_id.clone(), self.orders.len());
                    self.orders.push(order);
                }
            }
        }
        for order in page.unreadable {
            if !self.unreadable.contains(&order) {
                self.unreadable.push(order);
            }
        }
    }

    fn into_listing(self, complete: bool, problem: Option<MiraklError>) -> Listing {
        Listing { orders: self.orders, unreadable: self.unreadable, complete, problem, pages: self.pages }
    }
}

/// Reads page after page; `Ok(false)` when the listing shrank meanwhile.
///
/// Pages overlap by one order: while none left the listing, a page begins with the order that the one before ended with.
async fn pages(client: &impl MiraklOrders, query: &OrderQuery, gathered: &mut Gathered) -> Result<bool, MiraklError> {
    let mut offset = 0;
    let mut last_of_previous: Option<String> = None;
    loop {
        let page = client.list_orders(query, offset).await?;
        if let Some(previous) = &last_of_previous
            && !page_begins_with(&page, previous)
        {
            gathered.take(page);
            return Ok(false);
        }
        let (length, total) = (page.length, page.total_count);
        last_of_previous = page.orders.last().map(|order| order.order_id.clone());
        gathered.take(page);
        let seen = offset + length;
        if length < PAGE || total.is_some_and(|total| u64::try_from(seen).is_ok_and(|seen| seen >= total)) {
            return Ok(true);
        }
        // One row again, to see whether it is still in its place.
        offset = seen - 1;
    }
}

/// An unreadable order at the joint cannot be compared: it counts as in its place.
fn page_begins_with(page: &OrderPage, order_id: &str) -> bool {
    page.orders.first().is_some_and(|order| order.order_id == order_id) || !page.unreadable.is_empty()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use shared::mirakl::Acceptable;

    fn order(id: &str, state: &str, updated: &str) -> Order {
        let text = format!(r#"{{"order_id":"{id}","order_state":"{state}","last_updated_date":"{updated}","order_lines":[]}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_watermark_passes_no_order_that_waits_readable_or_not() {
        let early = "2026-11-10T10:00:00Z";
        let late = "2026-11-10T11:00:00Z";
        let mut listing =
            Listing { orders: vec![order("W-A", "WAITING_ACCEPTANCE", early), order("S-A", "SHIPPING", late)], ..Listing::default() };
        let accepted = ["W-A".to_owned()];
        assert_eq!(listing.watermark(&[]), early.parse().ok());
        assert_eq!(listing.watermark(&accepted), late.parse().ok());

        let acceptable = Acceptable { state: OrderState::WaitingAcceptance, order_line_ids: vec!["U-A-1".to_owned()] };
        let unread = UnreadableOrder {
            order_id: Some("U-A".to_owned()),
            acceptable: Some(acceptable),
            problem: "an amount is no number".to_owned(),
        };
        listing.unreadable.push(unread);
        assert_eq!(listing.watermark(&accepted), None);
        assert_eq!(listing.watermark(&["W-A".to_owned(), "U-A".to_owned()]), late.parse().ok());
    }
}
