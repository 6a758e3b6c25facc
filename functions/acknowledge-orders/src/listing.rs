//! The minute's listings: all pages first, then whatever follows from them. Accepting while paging
//! by offset skips orders.
//!
//! A listing that does not fit into one run goes on in the next one where it stopped: every page
//! that was read is progress. A limit of Mirakl's (429) is waited for only where pages can still be
//! read afterwards; else the run lists nothing.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;
use shared::domain::state::{ListingKind, UnfinishedListing};
use shared::kit::clock::{Clock, after, before};
use shared::mirakl::{
    MiraklError, MiraklOrders, Order, OrderPage, OrderQuery, OrderState, UnreadableOrder,
};

/// OR11's largest page.
const PAGE: usize = 100;
/// Orders that a page shows again of the one before: while fewer leave the listing meanwhile, none
/// slips between the two.
const SHOWN_AGAIN: usize = 10;
/// How often a listing steps back by a page in one run because as many or more left it meanwhile.
const STEPS_BACK: u32 = 10;
/// What is left for pages, at the least, once a limit was waited for.
const TIME_FOR_A_PAGE: Duration = Duration::from_secs(5);
/// A limit is waited for no longer than this while an order that was listed waits for acceptance.
const BRIEFLY: Duration = Duration::from_secs(3);
/// Bytes of order ids that are kept of an unfinished listing: a poll state is one record of at most
/// 400 KB. What is forgotten is looked up by its id needlessly, in its turn.
const MOST_BYTES_SHOWN: usize = 150_000;

/// The states in which something has still to happen to an order.
const OPEN: [OrderState; 5] = [
    OrderState::Staging,
    OrderState::WaitingAcceptance,
    OrderState::WaitingDebit,
    OrderState::WaitingDebitPayment,
    OrderState::Shipping,
];

/// How long a run pages.
#[derive(Debug)]
pub(crate) struct Patience<'c, C> {
    pub(crate) clock: &'c C,
    /// No page is asked for after this.
    pub(crate) paging_ends: Timestamp,
}

impl<C: Clock> Patience<'_, C> {
    pub(crate) fn has_time(&self) -> bool {
        self.clock.now() < self.paging_ends
    }

    /// Until when a limit is waited for: never so long that no page could be read afterwards, and
    /// briefly where sales wait.
    fn limit_waited_until(&self, sales_wait: bool) -> Timestamp {
        let last = before(self.paging_ends, TIME_FOR_A_PAGE);
        if sales_wait { last.min(after(self.clock.now(), BRIEFLY)) } else { last }
    }
}

/// What a run's listings brought.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Each order once, as last seen.
    pub(crate) orders: Vec<Order>,
    /// Orders without the shape of one.
    pub(crate) unreadable: Vec<UnreadableOrder>,
    /// Each listing by itself.
    pub(crate) parts: Vec<Part>,
    /// Why one is not complete, where a call failed.
    pub(crate) problem: Option<MiraklError>,
    /// Calls made.
    pub(crate) pages: usize,
    pub(crate) places: HashMap<String, usize>,
}

/// One listing, as far as this run and those before it read it.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) kind: ListingKind,
    /// Its pages in this run.
    pub(crate) pages: usize,
    place: UnfinishedListing,
    known: HashSet<String>,
    /// It goes on where an earlier run stopped.
    continued: bool,
    latest: Option<Timestamp>,
    ended: bool,
}

impl Part {
    fn new(kind: ListingKind, place: UnfinishedListing) -> Self {
        let known = place.shown.iter().cloned().collect();
        let continued = !place.shown.is_empty();
        Self { kind, pages: 0, place, known, continued, latest: None, ended: false }
    }

    /// Every page was read, and no order can have slipped between two.
    pub(crate) fn is_complete(&self) -> bool {
        self.ended && !self.place.slipped
    }

    /// The orders that it showed, in this run and those before.
    pub(crate) fn shown(&self) -> &HashSet<String> {
        &self.known
    }

    fn query(&self) -> OrderQuery {
        let states = match self.kind {
            ListingKind::Waiting => vec![OrderState::WaitingAcceptance],
            ListingKind::Full => OPEN.to_vec(),
            ListingKind::Window => {
                OPEN.into_iter().chain([OrderState::Canceled, OrderState::Refused]).collect()
            }
            ListingKind::ById => Vec::new(),
        };
        OrderQuery { states, updated_from: self.place.updated_from, ..OrderQuery::default() }
    }

    /// The page begins with an order that an earlier one showed: nothing lies between. One that
    /// cannot be read cannot be compared, and counts as known.
    fn joins(&self, page: &OrderPage) -> bool {
        let first = page.orders.first();
        self.place.offset == 0
            || first.is_some_and(|order| self.known.contains(&order.order_id))
            || !page.unreadable.is_empty()
    }

    /// Notes what a page shows; true where any of it is new.
    fn take(&mut self, page: &OrderPage) -> bool {
        self.pages += 1;
        let mut news = false;
        let unreadable = page.unreadable.iter().filter_map(|order| order.order_id.as_ref());
        for order_id in page.orders.iter().map(|order| &order.order_id).chain(unreadable) {
            if self.known.insert(order_id.clone()) {
                self.place.shown.push(order_id.clone());
                news = true;
            }
        }
        self.latest =
            self.latest.max(page.orders.iter().filter_map(|order| order.last_updated_date).max());
        news
    }
}

/// An order that waits for acceptance, and what accepting it takes.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) order_id: String,
    pub(crate) line_ids: Vec<String>,
    pub(crate) created: Option<Timestamp>,
}

impl Listing {
    /// The orders that wait for acceptance, the most urgent first: the window is the same for all,
    /// so the oldest. One whose age is unknown comes before all others.
    pub(crate) fn waiting(&self) -> Vec<Waiting> {
        let readable = self
            .orders
            .iter()
            .filter(|order| order.order_state == OrderState::WaitingAcceptance)
            .map(|order| Waiting {
                order_id: order.order_id.clone(),
                line_ids: order.line_ids(),
                created: order.created_date,
            });
        let unreadable = self.unreadable.iter().filter_map(|order| {
            let acceptable = order
                .acceptable
                .as_ref()
                .filter(|acceptable| acceptable.state == OrderState::WaitingAcceptance)?;
            Some(Waiting {
                order_id: order.order_id.clone()?,
                line_ids: acceptable.order_line_ids.clone(),
                created: None,
            })
        });
        let mut waiting: Vec<_> = readable.chain(unreadable).collect();
        waiting.sort_by_key(|order| order.created);
        waiting
    }

    /// One of its listings, where it was read at all.
    pub(crate) fn part(&self, kind: ListingKind) -> Option<&Part> {
        self.parts.iter().find(|part| part.kind == kind)
    }

    /// Whether a listing of this kind was read to its end.
    pub(crate) fn completes(&self, kind: ListingKind) -> bool {
        self.part(kind).is_some_and(Part::is_complete)
    }

    /// Everything that changed lately is in it, and everything that waits for acceptance.
    pub(crate) fn shows_all_news(&self) -> bool {
        self.completes(ListingKind::Window) || self.completes(ListingKind::Full)
    }

    /// Mirakl's limit was met before the first page of a listing.
    pub(crate) fn met_the_limit(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.status == Some(429))
    }

    /// The latest `last_updated_date` that everything is known up to, once a listing is complete;
    /// never past an order that still waits. `None` while one waits that cannot be read: nothing
    /// tells its date. What changed after the first run of a listing of several need not be in it.
    pub(crate) fn watermark(&self, part: &Part, accepted: &[String]) -> Option<Timestamp> {
        let waits_unread = self.unreadable.iter().any(|order| {
            order
                .acceptable
                .as_ref()
                .is_some_and(|acceptable| acceptable.state == OrderState::WaitingAcceptance)
                && !order.order_id.as_ref().is_some_and(|order_id| accepted.contains(order_id))
        });
        if waits_unread {
            return None;
        }
        let latest = if part.continued { part.place.mark } else { part.latest };
        let still_waiting = self
            .orders
            .iter()
            .filter(|order| {
                order.order_state == OrderState::WaitingAcceptance
                    && !accepted.contains(&order.order_id)
            })
            .map(|order| order.last_updated_date.unwrap_or(Timestamp::MIN))
            .min();
        match (latest, still_waiting) {
            (Some(latest), Some(waiting)) => Some(latest.min(waiting)),
            (latest, _) => latest,
        }
    }

    /// Where the next run goes on with a listing, if it has not ended.
    pub(crate) fn rest_of(&self, part: &Part, accepted: &[String]) -> Option<UnfinishedListing> {
        if part.ended || part.place.shown.is_empty() {
            return None;
        }
        let mut rest =
            UnfinishedListing { mark: self.watermark(part, accepted), ..part.place.clone() };
        let mut bytes: usize = rest.shown.iter().map(String::len).sum();
        let forgotten = rest.shown.iter().take_while(|order_id| {
            let forgets = bytes > MOST_BYTES_SHOWN;
            bytes = bytes.saturating_sub(order_id.len());
            forgets
        });
        let forgotten = forgotten.count();
        rest.shown.drain(..forgotten);
        Some(rest)
    }

    /// Reads one listing more, from `place` on, as long as there is time.
    pub(crate) async fn read(
        &mut self,
        client: &impl MiraklOrders,
        kind: ListingKind,
        place: UnfinishedListing,
        patience: &Patience<'_, impl Clock>,
    ) {
        let mut part = Part::new(kind, place);
        if let Err(problem) = self.pages(client, &mut part, patience).await {
            self.problem.get_or_insert(problem);
        }
        self.parts.push(part);
    }

    /// Reads page after page, until the last one or until time runs out.
    ///
    /// Pages come by creation, the oldest first, and overlap a little. An order that leaves the
    /// listing moves all later ones up, so that a page may begin behind orders that no page has
    /// shown: it is read again from a page earlier, until it begins with an order that is known.
    /// The newest orders, which wait for acceptance, come last: whatever happens, the listing goes
    /// on to them.
    async fn pages(
        &mut self,
        client: &impl MiraklOrders,
        part: &mut Part,
        patience: &Patience<'_, impl Clock>,
    ) -> Result<(), MiraklError> {
        let query = part.query();
        let mut steps_back = 0;
        while patience.has_time() {
            let limit_waited_until = Some(patience.limit_waited_until(!self.waiting().is_empty()));
            let offset = part.place.offset;
            let page = client
                .list_orders(&OrderQuery { limit_waited_until, ..query.clone() }, offset)
                .await?;
            let joins = part.joins(&page);
            let (length, total) =
                (page.length, page.total_count.and_then(|total| usize::try_from(total).ok()));
            let news = part.take(&page);
            self.take(page);
            let seen = offset + length;
            match total {
                // The pages end before the total: it counts some that are shown to nobody. A few
                // are no matter.
                Some(total) if length == 0 && total > offset => {
                    part.place.slipped |= total - offset >= SHOWN_AGAIN;
                    part.ended = true;
                }
                _ if !joins && steps_back < STEPS_BACK => {
                    steps_back += 1;
                    part.place.offset = offset.saturating_sub(PAGE);
                }
                _ => {
                    part.place.slipped |= !joins;
                    // A page may be shorter than asked: where Mirakl tells the total, only that
                    // ends the listing.
                    part.ended = total.map_or(length < PAGE, |total| seen >= total);
                    let near_the_end =
                        total.is_some_and(|total| total.saturating_sub(seen) <= SHOWN_AGAIN);
                    let shown_again =
                        if near_the_end && !news { 0 } else { SHOWN_AGAIN.min(length / 2) };
                    part.place.offset = seen - shown_again;
                }
            }
            if part.ended {
                break;
            }
        }
        Ok(())
    }

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
}

/// Lists orders of ours by their ids, at most 100: one call, where pages are as long as they are
/// asked for.
pub(crate) async fn list_by_id(
    client: &impl MiraklOrders,
    order_ids: Vec<String>,
    limit_waited_until: Timestamp,
) -> Result<Listing, MiraklError> {
    let query = OrderQuery {
        order_ids,
        limit_waited_until: Some(limit_waited_until),
        ..OrderQuery::default()
    };
    let mut listing = Listing::default();
    let mut seen = 0;
    loop {
        let page = client.list_orders(&query, seen).await?;
        let (length, total) =
            (page.length, page.total_count.and_then(|total| usize::try_from(total).ok()));
        listing.take(page);
        seen += length;
        match total {
            Some(total) if seen >= total => return Ok(listing),
            Some(_) if length == 0 => {
                return Err(MiraklError::unknown(
                    "OR11",
                    "the pages end before all orders were shown",
                ));
            }
            None if length < PAGE || seen >= PAGE => return Ok(listing),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use std::cell::{Cell, RefCell};

    use shared::mirakl::{Acceptable, ReferenceAnswer, SellerReference};

    fn order(id: &str, state: &str, updated: &str) -> Order {
        let text = format!(
            r#"{{"order_id":"{id}","order_state":"{state}","last_updated_date":"{updated}","order_lines":[]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    /// A marketplace with orders `0`, `1`, `2` ... of which one is over after some pages.
    struct Marketplace {
        orders: RefCell<Vec<Order>>,
        tells_total: bool,
        /// It answers at most so many orders a page, whatever is asked.
        longest_page: usize,
        /// These it counts and never shows.
        hidden: Vec<String>,
        /// After so many pages, the oldest orders leave the listing: so many.
        leave_after: Vec<usize>,
        leaving: usize,
        /// Calls answered: the queries and where their pages began.
        calls: RefCell<Vec<(OrderQuery, usize)>>,
        /// This call fails.
        fails_at: Option<usize>,
        /// So many calls are answered in one run.
        calls_per_run: Cell<usize>,
        clock: Hand,
    }

    /// A clock that each call moves on by a second.
    struct Hand(Cell<Timestamp>);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            self.0.get()
        }
    }

    impl Marketplace {
        fn with(orders: usize) -> Self {
            let orders = (0..orders)
                .map(|number| order(&number.to_string(), "SHIPPING", "2026-11-10T10:00:00Z"))
                .collect();
            Self {
                orders: RefCell::new(orders),
                tells_total: true,
                longest_page: PAGE,
                hidden: vec![],
                leave_after: vec![],
                leaving: 1,
                calls: RefCell::default(),
                fails_at: None,
                calls_per_run: Cell::new(usize::MAX),
                clock: Hand(Cell::new(Timestamp::UNIX_EPOCH)),
            }
        }

        fn ids(&self) -> Vec<String> {
            self.orders.borrow().iter().map(|order| order.order_id.clone()).collect()
        }

        async fn list(&self, kind: ListingKind, place: UnfinishedListing) -> Listing {
            let mut listing = Listing::default();
            let time = Duration::from_secs(self.calls_per_run.get().min(1_000_000) as u64);
            let patience =
                Patience { clock: &self.clock, paging_ends: after(self.clock.now(), time) };
            listing.read(self, kind, place, &patience).await;
            listing
        }

        async fn list_all(&self) -> Listing {
            self.list(ListingKind::Full, UnfinishedListing::default()).await
        }
    }

    impl MiraklOrders for Marketplace {
        async fn list_orders(
            &self,
            query: &OrderQuery,
            offset: usize,
        ) -> Result<OrderPage, MiraklError> {
            self.clock.0.set(after(self.clock.now(), Duration::from_secs(1)));
            self.calls
                .borrow_mut()
                .push((OrderQuery { limit_waited_until: None, ..query.clone() }, offset));
            let calls = self.calls.borrow().len();
            if self.fails_at == Some(calls) {
                return Err(MiraklError::unknown("OR11", "no answer"));
            }
            let mut orders = self.orders.borrow_mut();
            let page: Vec<_> =
                orders.iter().skip(offset).take(self.longest_page).cloned().collect();
            let page: Vec<_> =
                page.into_iter().filter(|order| !self.hidden.contains(&order.order_id)).collect();
            let total_count = self.tells_total.then_some(orders.len() as u64);
            if self.leave_after.contains(&calls) {
                orders.drain(..self.leaving);
            }
            Ok(OrderPage { length: page.len(), orders: page, unreadable: vec![], total_count })
        }

        async fn accept_order(
            &self,
            _order_id: &str,
            _order_line_ids: &[String],
        ) -> Result<(), MiraklError> {
            unreachable!("nothing is accepted while paging")
        }

        async fn write_references(
            &self,
            _references: &[SellerReference],
        ) -> Result<Vec<ReferenceAnswer>, MiraklError> {
            unreachable!("nothing is written while paging")
        }
    }

    fn listed(listing: &Listing) -> Vec<String> {
        listing.orders.iter().map(|order| order.order_id.clone()).collect()
    }

    fn is_complete(listing: &Listing) -> bool {
        listing.completes(ListingKind::Full)
    }

    #[tokio::test]
    async fn every_order_is_listed_once_in_as_few_pages_as_can_be() {
        for (orders, pages, without_total) in [
            (0, 1, 1),
            (1, 1, 1),
            (99, 1, 1),
            (100, 1, 2),
            (101, 2, 2),
            (190, 2, 3),
            (191, 3, 3),
            (250, 3, 3),
        ] {
            for (tells_total, pages) in [(true, pages), (false, without_total)] {
                let marketplace = Marketplace { tells_total, ..Marketplace::with(orders) };
                let listing = marketplace.list_all().await;
                assert_eq!(listed(&listing), marketplace.ids(), "{orders} orders");
                assert_eq!(
                    (listing.pages, is_complete(&listing), listing.problem),
                    (pages, true, None),
                    "{orders} orders, {tells_total}"
                );
            }
        }
    }

    /// Pages shorter than asked end a listing only where the total says so.
    #[tokio::test]
    async fn short_pages_end_a_listing_only_if_the_total_agrees() {
        for longest_page in [2, 3, 10, 11, 50, 99] {
            let marketplace = Marketplace { longest_page, ..Marketplace::with(120) };
            let listing = marketplace.list_all().await;
            assert_eq!(
                (listed(&listing), is_complete(&listing)),
                (marketplace.ids(), true),
                "pages of {longest_page}"
            );
        }
        // Some are counted and filtered after paging: a few are no matter, many are.
        for (hidden, complete) in [
            (vec![50], true),
            (vec![119], true),
            (vec![3, 99, 100, 118], true),
            ((105..120).collect(), false),
        ] {
            let hidden: Vec<String> = hidden.iter().map(ToString::to_string).collect();
            let marketplace = Marketplace { hidden: hidden.clone(), ..Marketplace::with(120) };
            let listing = marketplace.list_all().await;
            let shown: Vec<String> = marketplace
                .ids()
                .into_iter()
                .filter(|order_id| !hidden.contains(order_id))
                .collect();
            assert_eq!(
                (listed(&listing), is_complete(&listing)),
                (shown, complete),
                "without {hidden:?}"
            );
            assert!(listing.pages <= 6, "{} pages", listing.pages);
        }
    }

    /// A page that orders slipped before is read again from a page earlier.
    #[tokio::test]
    async fn a_page_after_slipped_orders_is_re_read_from_further_back() {
        // Ten are shown again, so that nine may leave between two pages at no cost.
        for (leaving, leave_after, pages) in [
            (1, vec![1, 2, 3], 3),
            (9, vec![2], 3),
            (10, vec![2], 5),
            (15, vec![1], 5),
            (100, vec![1], 4),
        ] {
            let marketplace = Marketplace { leave_after, leaving, ..Marketplace::with(250) };
            let listing = marketplace.list_all().await;
            let shown = listed(&listing);
            assert!(
                marketplace.ids().iter().all(|order_id| shown.contains(order_id)),
                "{leaving} leave"
            );
            let offsets: Vec<_> =
                marketplace.calls.borrow().iter().map(|(_, offset)| *offset).collect();
            assert_eq!(
                (is_complete(&listing), listing.pages),
                (true, pages),
                "{leaving} leave: {offsets:?}"
            );
            assert_eq!(
                listing.orders.len(),
                250,
                "each once, and those that left as they were last seen"
            );
        }
    }

    /// A marketplace that never rests is listed to its newest order and known to be incomplete.
    #[tokio::test]
    async fn a_restless_marketplace_is_listed_but_marked_incomplete() {
        let restless =
            Marketplace { leave_after: (1..30).collect(), leaving: 60, ..Marketplace::with(3000) };
        let listing = restless.list_all().await;
        assert!(!is_complete(&listing) && listing.problem.is_none());
        assert_eq!(listing.rest_of(&listing.parts[0], &[]), None, "it has ended");
        assert!(
            listed(&listing).contains(&"2999".to_owned()),
            "the newest one waits for acceptance"
        );
        assert!(listing.pages < 34 + 10, "{} pages", listing.pages);
    }

    /// Paging ends in time, and the next run goes on where it stopped.
    #[tokio::test]
    async fn paging_stops_in_time_and_resumes_in_the_next_run() {
        let marketplace = Marketplace::with(650);
        marketplace.calls_per_run.set(3);
        let mut place = UnfinishedListing::default();
        for (pages, orders) in [(3, 280), (3, 280), (2, 110)] {
            let listing = marketplace.list(ListingKind::Full, place.clone()).await;
            assert_eq!(
                (listing.pages, listing.orders.len(), listing.problem.clone()),
                (pages, orders, None)
            );
            assert_eq!(is_complete(&listing), orders == 110);
            if let Some(rest) = listing.rest_of(&listing.parts[0], &[]) {
                place = rest;
            } else {
                assert_eq!(listing.part(ListingKind::Full).unwrap().shown().len(), 650);
            }
        }
        // Up to where everything is known: what the first run saw, whatever changed since.
        assert_eq!(place.mark, "2026-11-10T10:00:00Z".parse().ok());
    }

    #[tokio::test]
    async fn orders_that_leave_between_two_runs_do_not_hide_others() {
        for leaving in [0, 9, 10, 60, 140] {
            let marketplace =
                Marketplace { leave_after: vec![2], leaving, ..Marketplace::with(400) };
            marketplace.calls_per_run.set(2);
            let first = marketplace.list_all().await;
            marketplace.calls_per_run.set(100);
            let place = first.rest_of(&first.parts[0], &[]).unwrap();
            let second = marketplace.list(ListingKind::Full, place).await;
            let shown = second.part(ListingKind::Full).unwrap().shown();
            assert!(
                is_complete(&second)
                    && marketplace.ids().iter().all(|order_id| shown.contains(order_id)),
                "{leaving} leave"
            );
        }
    }

    #[tokio::test]
    async fn what_is_kept_of_an_unfinished_listing_fits_into_a_record() {
        let orders = (0..3000)
            .map(|number| order(&format!("{number:0100}"), "SHIPPING", "2026-11-10T10:00:00Z"))
            .collect();
        let marketplace = Marketplace { orders: RefCell::new(orders), ..Marketplace::with(0) };
        marketplace.calls_per_run.set(30);
        let listing = marketplace.list_all().await;
        let rest = listing.rest_of(&listing.parts[0], &[]).unwrap();
        assert!(
            rest.shown.len() * 100 <= MOST_BYTES_SHOWN
                && (rest.shown.len() + 1) * 100 > MOST_BYTES_SHOWN,
            "{}",
            rest.shown.len()
        );
        assert_eq!(rest.shown.last(), listing.orders.last().map(|order| &order.order_id));
        let second = marketplace.list(ListingKind::Full, rest).await;
        assert!(is_complete(&second));
    }

    #[tokio::test]
    async fn what_was_read_before_a_call_failed_is_kept() {
        let marketplace = Marketplace { fails_at: Some(2), ..Marketplace::with(250) };
        let listing = marketplace.list_all().await;
        assert_eq!((listing.orders.len(), is_complete(&listing)), (100, false));
        assert_eq!(listing.problem, Some(MiraklError::unknown("OR11", "no answer")));
        let rest = listing.rest_of(&listing.parts[0], &[]).unwrap();
        assert!(is_complete(&marketplace.list(ListingKind::Full, rest).await));
    }

    #[tokio::test]
    async fn a_listing_of_which_no_page_came_stands_where_it_stood() {
        let marketplace = Marketplace { fails_at: Some(1), ..Marketplace::with(250) };
        let listing = marketplace.list_all().await;
        assert_eq!(listing.rest_of(&listing.parts[0], &[]), None);
        let marketplace = Marketplace { fails_at: Some(1), ..Marketplace::with(250) };
        let place = UnfinishedListing {
            offset: 90,
            shown: vec!["90".to_owned()],
            ..UnfinishedListing::default()
        };
        let listing = marketplace.list(ListingKind::Full, place.clone()).await;
        assert_eq!(listing.rest_of(&listing.parts[0], &[]), Some(place));
    }

    /// A window asks for what ended too, and a full listing for all that is open, however old.
    #[tokio::test]
    async fn windows_include_ended_orders_and_full_listings_all_open() {
        let since = "2026-11-10T10:00:00Z".parse().ok();
        let marketplace = Marketplace::with(1);
        let window = UnfinishedListing { updated_from: since, ..UnfinishedListing::default() };
        marketplace.list_all().await;
        marketplace.list(ListingKind::Window, window).await;
        marketplace.list(ListingKind::Waiting, UnfinishedListing::default()).await;
        list_by_id(&marketplace, vec!["7".to_owned()], Timestamp::UNIX_EPOCH).await.unwrap();
        let asked: Vec<OrderQuery> =
            marketplace.calls.take().into_iter().map(|(query, _)| query).collect();
        let open =
            ["STAGING", "WAITING_ACCEPTANCE", "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING"]
                .map(OrderState::from_code);
        let ended = ["CANCELED", "REFUSED"].map(OrderState::from_code);
        assert_eq!(asked[0], OrderQuery { states: open.to_vec(), ..OrderQuery::default() });
        let all = open.into_iter().chain(ended).collect();
        assert_eq!(
            asked[1],
            OrderQuery { states: all, updated_from: since, ..OrderQuery::default() }
        );
        assert_eq!(
            asked[2],
            OrderQuery { states: vec![OrderState::WaitingAcceptance], ..OrderQuery::default() }
        );
        assert_eq!(
            asked[3],
            OrderQuery { order_ids: vec!["7".to_owned()], ..OrderQuery::default() }
        );
    }

    /// A limit is waited for while pages can be read afterwards, and only briefly where sales wait.
    #[test]
    fn limit_waits_leave_time_for_pages_and_are_brief_for_sales() {
        let at = |seconds: u64| after(Timestamp::UNIX_EPOCH, Duration::from_secs(seconds));
        let clock = Hand(Cell::new(at(0)));
        let patience = Patience { clock: &clock, paging_ends: at(30) };
        assert_eq!(
            (patience.limit_waited_until(false), patience.limit_waited_until(true)),
            (at(25), at(3))
        );
        clock.0.set(at(24));
        assert_eq!((patience.limit_waited_until(true), patience.has_time()), (at(25), true));
        clock.0.set(at(30));
        assert!(!patience.has_time());
    }

    /// A page joins those before where it begins with an order of theirs.
    #[test]
    fn a_page_joins_earlier_ones_by_a_shared_first_order() {
        let page = |ids: &[&str], unreadable: usize| OrderPage {
            orders: ids.iter().map(|id| order(id, "SHIPPING", "2026-11-10T10:00:00Z")).collect(),
            unreadable: vec![
                UnreadableOrder {
                    order_id: None,
                    acceptable: None,
                    problem: "no lines".to_owned()
                };
                unreadable
            ],
            ..OrderPage::default()
        };
        let mut before = Part::new(
            ListingKind::Full,
            UnfinishedListing { offset: 5, ..UnfinishedListing::default() },
        );
        assert!(before.take(&page(&["6", "7"], 0)) && !before.take(&page(&["7"], 0)));
        assert!(before.joins(&page(&["7", "8"], 0)) && before.joins(&page(&["6", "7"], 0)));
        assert!(!before.joins(&page(&["8", "7"], 0)) && !before.joins(&page(&[], 0)));
        assert!(before.joins(&page(&["8"], 1)), "it may be the one that cannot be read");
    }

    #[test]
    fn the_watermark_passes_no_order_that_waits_readable_or_not() {
        let early = "2026-11-10T10:00:00Z";
        let late = "2026-11-10T11:00:00Z";
        let mut listing = Listing {
            orders: vec![order("W-A", "WAITING_ACCEPTANCE", early), order("S-A", "SHIPPING", late)],
            ..Listing::default()
        };
        let mut part = Part::new(ListingKind::Window, UnfinishedListing::default());
        part.take(&OrderPage { orders: listing.orders.clone(), ..OrderPage::default() });
        let accepted = ["W-A".to_owned()];
        assert_eq!(listing.watermark(&part, &[]), early.parse().ok());
        assert_eq!(listing.watermark(&part, &accepted), late.parse().ok());

        let acceptable = Acceptable {
            state: OrderState::WaitingAcceptance,
            order_line_ids: vec!["U-A-1".to_owned()],
        };
        let unread = UnreadableOrder {
            order_id: Some("U-A".to_owned()),
            acceptable: Some(acceptable),
            problem: "an amount is no number".to_owned(),
        };
        listing.unreadable.push(unread);
        assert_eq!(listing.watermark(&part, &accepted), None);
        assert_eq!(
            listing.watermark(&part, &["W-A".to_owned(), "U-A".to_owned()]),
            late.parse().ok()
        );
    }
}
