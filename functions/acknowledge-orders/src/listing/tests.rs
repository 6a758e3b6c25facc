//! A channel's listings, page by page.
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
        let patience = Patience { clock: &self.clock, paging_ends: after(self.clock.now(), time) };
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
        let page: Vec<_> = orders.iter().skip(offset).take(self.longest_page).cloned().collect();
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
        let shown: Vec<String> =
            marketplace.ids().into_iter().filter(|order_id| !hidden.contains(order_id)).collect();
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
    assert!(listed(&listing).contains(&"2999".to_owned()), "the newest one waits for acceptance");
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
        let marketplace = Marketplace { leave_after: vec![2], leaving, ..Marketplace::with(400) };
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
    assert_eq!(asked[1], OrderQuery { states: all, updated_from: since, ..OrderQuery::default() });
    assert_eq!(
        asked[2],
        OrderQuery { states: vec![OrderState::WaitingAcceptance], ..OrderQuery::default() }
    );
    assert_eq!(asked[3], OrderQuery { order_ids: vec!["7".to_owned()], ..OrderQuery::default() });
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
    assert_eq!(listing.watermark(&part, &["W-A".to_owned(), "U-A".to_owned()]), late.parse().ok());
}
