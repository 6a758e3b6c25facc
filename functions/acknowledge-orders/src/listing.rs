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
mod tests;
