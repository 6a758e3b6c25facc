//! The minute's listing: all pages first, then whatever follows from them. Accepting while paging by offset skips orders.

use std::collections::HashMap;

use jiff::Timestamp;
use shared::mirakl::{MiraklError, MiraklOrders, Order, OrderPage, OrderQuery, OrderState, UnreadableOrder};

/// OR11's largest page.
const PAGE: usize = 100;
/// Orders that a page shows again of the one before: while fewer leave the listing meanwhile, none slips between the two.
const SHOWN_AGAIN: usize = 10;
/// How often a listing steps back by a page because as many or more left it meanwhile.
const STEPS_BACK: u32 = 10;

/// What a listing brought.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Each order once, as last seen.
    pub(crate) orders: Vec<Order>,
    /// Orders without the shape of one.
    pub(crate) unreadable: Vec<UnreadableOrder>,
    /// Every page was read, and no order can have slipped between two.
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

/// Lists what the minute needs: the open states alone (`full`), or those and the ended ones since `updated_from`; as long as
/// there is time.
pub(crate) async fn list(client: &impl MiraklOrders, full: bool, updated_from: Option<Timestamp>, has_time: impl Fn() -> bool) -> Listing {
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
    sweep(client, &query, has_time).await
}

/// Lists orders of ours by their ids, at most 100.
pub(crate) async fn list_by_id(client: &impl MiraklOrders, order_ids: Vec<String>) -> Listing {
    sweep(client, &OrderQuery { order_ids, ..OrderQuery::default() }, || true).await
}

/// All pages of a query.
async fn sweep(client: &impl MiraklOrders, query: &OrderQuery, has_time: impl Fn() -> bool) -> Listing {
    let mut gathered = Gathered::default();
    match pages(client, query, has_time, &mut gathered).await {
        Ok(complete) => gathered.into_listing(complete, None),
        Err(problem) => gathered.into_listing(false, Some(problem)),
    }
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

    /// The page begins with an order that an earlier one showed: nothing lies between. One that cannot be read cannot be
    /// compared, and counts as known.
    fn joins(&self, page: &OrderPage) -> bool {
        page.orders.first().is_some_and(|order| self.places.contains_key(&order.order_id)) || !page.unreadable.is_empty()
    }

    fn into_listing(self, complete: bool, problem: Option<MiraklError>) -> Listing {
        Listing { orders: self.orders, unreadable: self.unreadable, complete, problem, pages: self.pages }
    }
}

/// Reads page after page; `Ok(false)` where an order may have slipped between two, or time ran out.
///
/// Pages come by creation, the oldest first, and overlap a little. An order that leaves the listing moves all later ones up, so
/// that a page may begin behind orders that no page has shown: it is read again from a page earlier, until it begins with an
/// order that is known. The newest orders, which wait for acceptance, come last: whatever happens, the listing goes on to them.
async fn pages(
    client: &impl MiraklOrders,
    query: &OrderQuery,
    has_time: impl Fn() -> bool,
    gathered: &mut Gathered,
) -> Result<bool, MiraklError> {
    let (mut offset, mut steps_back, mut complete) = (0, 0, true);
    loop {
        let page = client.list_orders(query, offset).await?;
        let joins = offset == 0 || gathered.joins(&page);
        let (length, total) = (page.length, page.total_count);
        gathered.take(page);
        let seen = offset + length;
        let is_last = length < PAGE || total.is_some_and(|total| u64::try_from(seen).is_ok_and(|seen| seen >= total));
        if !joins && steps_back < STEPS_BACK {
            steps_back += 1;
            offset = offset.saturating_sub(PAGE);
        } else {
            complete &= joins;
            if is_last {
                return Ok(complete);
            }
            offset = seen.saturating_sub(SHOWN_AGAIN);
        }
        if !has_time() {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use std::cell::RefCell;

    use shared::mirakl::{Acceptable, ReferenceAnswer, SellerReference};

    fn order(id: &str, state: &str, updated: &str) -> Order {
        let text = format!(r#"{{"order_id":"{id}","order_state":"{state}","last_updated_date":"{updated}","order_lines":[]}}"#);
        serde_json::from_str(&text).unwrap()
    }

    /// A marketplace with orders `0`, `1`, `2` ... of which one is over after some pages.
    struct Marketplace {
        orders: RefCell<Vec<Order>>,
        tells_total: bool,
        /// After so many pages, the oldest orders leave the listing: so many.
        leave_after: Vec<usize>,
        leaving: usize,
        /// Calls answered: the queries and where their pages began.
        calls: RefCell<Vec<(OrderQuery, usize)>>,
        /// This call fails.
        fails_at: Option<usize>,
    }

    impl Marketplace {
        fn with(orders: usize) -> Self {
            let orders = (0..orders).map(|number| order(&number.to_string(), "SHIPPING", "2026-11-10T10:00:00Z")).collect();
            Self {
                orders: RefCell::new(orders),
                tells_total: true,
                leave_after: vec![],
                leaving: 1,
                calls: RefCell::default(),
                fails_at: None,
            }
        }

        fn ids(&self) -> Vec<String> {
            self.orders.borrow().iter().map(|order| order.order_id.clone()).collect()
        }
    }

    impl MiraklOrders for Marketplace {
        async fn list_orders(&self, query: &OrderQuery, offset: usize) -> Result<OrderPage, MiraklError> {
            self.calls.borrow_mut().push((query.clone(), offset));
            let calls = self.calls.borrow().len();
            if self.fails_at == Some(calls) {
                return Err(MiraklError::unknown("OR11", "no answer"));
            }
            let mut orders = self.orders.borrow_mut();
            let page: Vec<_> = orders.iter().skip(offset).take(PAGE).cloned().collect();
            let total_count = self.tells_total.then_some(orders.len() as u64);
            if self.leave_after.contains(&calls) {
                orders.drain(..self.leaving);
            }
            Ok(OrderPage { length: page.len(), orders: page, unreadable: vec![], total_count })
        }

        async fn accept_order(&self, _order_id: &str, _order_line_ids: &[String]) -> Result<(), MiraklError> {
            unreachable!("nothing is accepted while paging")
        }

        async fn write_references(&self, _references: &[SellerReference]) -> Result<Vec<ReferenceAnswer>, MiraklError> {
            unreachable!("nothing is written while paging")
        }
    }

    fn listed(listing: &Listing) -> Vec<String> {
        listing.orders.iter().map(|order| order.order_id.clone()).collect()
    }

    #[tokio::test]
    async fn every_order_is_listed_once_in_as_few_pages_as_can_be() {
        for (orders, pages, without_total) in
            [(0, 1, 1), (1, 1, 1), (99, 1, 1), (100, 1, 2), (101, 2, 2), (190, 2, 3), (191, 3, 3), (250, 3, 3)]
        {
            for (tells_total, pages) in [(true, pages), (false, without_total)] {
                let marketplace = Marketplace { tells_total, ..Marketplace::with(orders) };
                let listing = list(&marketplace, true, None, || true).await;
                assert_eq!(listed(&listing), marketplace.ids(), "{orders} orders");
                assert_eq!((listing.pages, listing.complete, listing.problem), (pages, true, None), "{orders} orders, {tells_total}");
            }
        }
    }

    #[tokio::test]
    async fn a_page_that_orders_slipped_before_is_read_again_from_a_page_earlier() {
        // Ten are shown again, so that nine may leave between two pages at no cost.
        for (leaving, leave_after, pages) in [(1, vec![1, 2, 3], 3), (9, vec![2], 3), (10, vec![2], 5), (15, vec![1], 5), (100, vec![1], 4)]
        {
            let marketplace = Marketplace { leave_after, leaving, ..Marketplace::with(250) };
            let listing = list(&marketplace, true, None, || true).await;
            let shown = listed(&listing);
            assert!(marketplace.ids().iter().all(|order_id| shown.contains(order_id)), "{leaving} leave");
            let offsets: Vec<_> = marketplace.calls.borrow().iter().map(|(_, offset)| *offset).collect();
            assert_eq!((listing.complete, listing.pages), (true, pages), "{leaving} leave: {offsets:?}");
            assert_eq!(listing.orders.len(), 250, "each once, and those that left as they were last seen");
        }
    }

    #[tokio::test]
    async fn a_marketplace_that_never_rests_is_listed_to_its_newest_order_and_known_to_be_incomplete() {
        let restless = Marketplace { leave_after: (1..30).collect(), leaving: 60, ..Marketplace::with(3000) };
        let listing = list(&restless, true, None, || true).await;
        assert!(!listing.complete && listing.problem.is_none());
        assert!(listed(&listing).contains(&"2999".to_owned()), "the newest one waits for acceptance");
        assert!(listing.pages < 34 + 10, "{} pages", listing.pages);
    }

    #[tokio::test]
    async fn paging_ends_in_time_for_what_it_showed_to_be_accepted() {
        let marketplace = Marketplace::with(650);
        let listing = list(&marketplace, true, None, || marketplace.calls.borrow().len() < 3).await;
        assert_eq!((listing.pages, listing.orders.len(), listing.complete, listing.problem), (3, 280, false, None));
    }

    #[tokio::test]
    async fn what_was_read_before_a_call_failed_is_kept() {
        let marketplace = Marketplace { fails_at: Some(2), ..Marketplace::with(250) };
        let listing = list(&marketplace, true, None, || true).await;
        assert_eq!((listing.orders.len(), listing.complete), (100, false));
        assert_eq!(listing.problem, Some(MiraklError::unknown("OR11", "no answer")));
    }

    #[tokio::test]
    async fn a_window_asks_for_what_ended_too_and_a_full_listing_for_all_that_is_open_however_old() {
        let since = "2026-11-10T10:00:00Z".parse().ok();
        let marketplace = Marketplace::with(1);
        list(&marketplace, true, since, || true).await;
        list(&marketplace, false, since, || true).await;
        list_by_id(&marketplace, vec!["7".to_owned()]).await;
        let asked: Vec<OrderQuery> = marketplace.calls.take().into_iter().map(|(query, _)| query).collect();
        let open = ["STAGING", "WAITING_ACCEPTANCE", "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING"].map(OrderState::from_code);
        let ended = ["CANCELED", "REFUSED"].map(OrderState::from_code);
        assert_eq!(asked[0], OrderQuery { states: open.to_vec(), ..OrderQuery::default() });
        let all = open.into_iter().chain(ended).collect();
        assert_eq!(asked[1], OrderQuery { states: all, updated_from: since, ..OrderQuery::default() });
        assert_eq!(asked[2], OrderQuery { order_ids: vec!["7".to_owned()], ..OrderQuery::default() });
    }

    #[test]
    fn a_page_joins_those_before_where_it_begins_with_an_order_of_theirs() {
        let page = |ids: &[&str], unreadable: usize| OrderPage {
            orders: ids.iter().map(|id| order(id, "SHIPPING", "2026-11-10T10:00:00Z")).collect(),
            unreadable: vec![UnreadableOrder { order_id: None, acceptable: None, problem: "no lines".to_owned() }; unreadable],
            ..OrderPage::default()
        };
        let mut before = Gathered::default();
        before.take(page(&["6", "7"], 0));
        assert!(before.joins(&page(&["7", "8"], 0)) && before.joins(&page(&["6", "7"], 0)));
        assert!(!before.joins(&page(&["8", "7"], 0)) && !before.joins(&page(&[], 0)));
        assert!(before.joins(&page(&["8"], 1)), "it may be the one that cannot be read");
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
