//! Reading what the marketplace paid and deducted (Mirakl seller API, TL02 to TL05, SBC11, IV01,
//! IV02).

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Asked, links};
use super::exports::{Export, chunks, ready};
use super::model::ledger::{Cycle, Document, DocumentKind, Entry, Ledger};
use super::model::{Marketplace, ShopProfile};
use super::simulator::Simulator;
use super::wire;

/// Lines of a page of TL02, at most.
const MOST_LINES: usize = 2000;
/// Cycles of a page of SBC11, at most.
const MOST_CYCLES: usize = 1000;
/// Entries of a page where nothing else is asked for.
const USUAL_PAGE: usize = 10;
/// Documents of a page of IV01, at most.
const MOST_DOCUMENTS: usize = 100;
/// What TL02 allows in a minute, and in an hour.
const READINGS: (usize, usize) = (20, 60);
/// A day, in the intervals of the settings, which are Mirakl's minute.
const DAY: u64 = 24 * 60;

/// What a listing by seek was asked for: where it is, and how many a page has.
struct Seek {
    limit: usize,
    sort: Sort,
    after: Option<(Timestamp, usize)>,
}

impl Seek {
    /// The page of what was found, and the token of the next one. Each entry is found with its
    /// place in the order: its time, and among those of one time its place in the log.
    fn page<T>(
        &self,
        found: impl Iterator<Item = ((Timestamp, usize), T)>,
        query: &[(String, String)],
    ) -> (Vec<T>, Option<String>) {
        let is_after = |at: &(Timestamp, usize)| match self.after {
            None => true,
            Some(last) if self.sort.ascending => *at > last,
            Some(last) => *at < last,
        };
        let mut rest: Vec<((Timestamp, usize), T)> = found.filter(|(at, _)| is_after(at)).collect();
        rest.sort_by_key(|(at, _)| *at);
        if !self.sort.ascending {
            rest.reverse();
        }
        let more = rest.len() > self.limit;
        rest.truncate(self.limit);
        let next = rest.last().filter(|_| more).map(|(last, _)| {
            let mut query = query.to_vec();
            query.retain(|(name, _)| name != "sort");
            query.push(("sort".to_owned(), self.sort.text()));
            token(&query, *last)
        });
        (rest.into_iter().map(|(_, entry)| entry).collect(), next)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sort {
    by_update: bool,
    ascending: bool,
}

impl Sort {
    fn of(text: Option<&str>, usual: Self) -> Result<Self, Answer> {
        let Some(text) = text else { return Ok(usual) };
        let (field, direction) = text.split_once(',').unwrap_or((text, ""));
        let by_update = match field {
            "lastUpdated" => true,
            "dateCreated" => false,
            _ => return Err(Answer::bad_field("sort")),
        };
        let ascending = match direction {
            "ASC" => true,
            "DESC" => false,
            "" => usual.ascending,
            _ => return Err(Answer::bad_field("sort")),
        };
        Ok(Self { by_update, ascending })
    }

    fn text(self) -> String {
        let field = if self.by_update { "lastUpdated" } else { "dateCreated" };
        format!("{field},{}", if self.ascending { "ASC" } else { "DESC" })
    }
}

/// The query that counts: with a page token, what the token says, and nothing else.
fn with_token(asked: &Asked<'_>) -> Result<Option<Vec<(String, String)>>, Answer> {
    let Some(token) = asked.value("page_token") else { return Ok(None) };
    let bytes: Option<Vec<u8>> = (0..token.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(token.get(at..at + 2)?, 16).ok())
        .collect();
    let text = bytes
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Answer::bad_field("page_token"))?;
    Ok(Some(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()))
}

/// An opaque token of the next page: all that was asked for, and the last entry of this one.
fn token(query: &[(String, String)], (at, place): (Timestamp, usize)) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(query.iter().filter(|(name, _)| name != "after"));
    text.append_pair("after", &format!("{at},{place}"));
    text.finish().bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn seek(query: &Query<'_>, most: usize, usual: Sort) -> Result<Seek, Answer> {
    let limit = match query.value("limit") {
        None => USUAL_PAGE,
        Some(text) => {
            let limit: usize = text.parse().map_err(|_| Answer::bad_field("limit"))?;
            if limit == 0 || limit > most {
                return Err(Answer::bad(&format!(
                    "The limit of {most} is exceeded for the parameter : limit"
                )));
            }
            limit
        }
    };
    let after = match query.value("after") {
        None => None,
        Some(text) => {
            let (at, place) =
                text.split_once(',').ok_or_else(|| Answer::bad_field("page_token"))?;
            let at = at.parse().map_err(|_| Answer::bad_field("page_token"))?;
            let place = place.parse().map_err(|_| Answer::bad_field("page_token"))?;
            Some((at, place))
        }
    };
    Ok(Seek { limit, sort: Sort::of(query.value("sort"), usual)?, after })
}

/// Parameters that may be supplied several times, or several in one with commas.
struct Query<'a>(&'a [(String, String)]);

impl Query<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    fn several(&self, name: &str) -> Vec<&str> {
        self.0
            .iter()
            .filter(|(known, _)| known == name)
            .flat_map(|(_, value)| value.split(','))
            .filter(|value| !value.is_empty())
            .collect()
    }

    fn time(&self, name: &str) -> Result<Option<Timestamp>, Answer> {
        self.value(name).map(|text| text.parse().map_err(|_| Answer::bad_field(name))).transpose()
    }

    /// Whether a value is one of those that were asked for; everything, where nothing was.
    fn holds(&self, name: &str, value: Option<&str>) -> bool {
        let wanted = self.several(name);
        wanted.is_empty() || value.is_some_and(|value| wanted.contains(&value))
    }
}

fn limit(
    simulator: &Simulator,
    what: &str,
    shop: &ShopProfile,
    burst: usize,
    intervals: u64,
    now: Timestamp,
) -> Result<(), Answer> {
    let interval = simulator.marketplace().settings().call_interval_seconds;
    simulator.limits.begin(what, shop.shop_id, burst, interval * intervals, now)
}

fn ledger<'m>(marketplace: &'m Marketplace, shop: &ShopProfile) -> Result<&'m Ledger, Answer> {
    // A marketplace without payments has the operation, and nothing in it; ours says so.
    marketplace.finance().ledger(shop.shop_id).ok_or_else(Answer::not_found)
}

/// Whether a line is asked for.
fn is_wanted(ledger: &Ledger, entry: &Entry, query: &Query<'_>) -> Result<bool, Answer> {
    let cycle = entry
        .cycle
        .and_then(|place| ledger.cycles().get(place))
        .filter(|cycle| cycle.ids_assigned)
        .map(|cycle| cycle.id.as_str());
    let document = entry
        .document
        .and_then(|place| ledger.documents().get(place))
        .filter(|document| document.issued.is_some());
    let order = entry.order.as_ref();
    let within = |from: &str, to: &str, at: Timestamp| -> Result<bool, Answer> {
        Ok(query.time(from)?.is_none_or(|from| at >= from)
            && query.time(to)?.is_none_or(|to| at <= to))
    };
    Ok(query.holds("seller_billing_cycle_id", cycle)
        && query.holds("payment_state", Some(entry.state.code()))
        && query.holds("transaction_type", Some(entry.kind.code()))
        && query.holds("pay_out_psp_codes", Some(&entry.psp))
        && query.holds("order_id", order.map(|order| order.order_id.as_str()))
        && query.holds("order_line_id", order.and_then(|order| order.order_line_id.as_deref()))
        && query.holds("accounting_document_id", document.map(|document| document.id.as_str()))
        && query
            .holds("accounting_document_number", document.map(|document| document.number.as_str()))
        && query.holds("other_reference", entry.reference.as_deref())
        && within("date_created_from", "date_created_to", entry.created)?
        && within("last_updated_from", "", entry.last_updated)?)
}

/// TL02.
pub(super) fn transactions(
    simulator: &Simulator,
    shop: &ShopProfile,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    limit(simulator, "TL02", shop, READINGS.0, 1, now)?;
    limit(simulator, "TL02 an hour", shop, READINGS.1, 60, now)?;
    let stored = with_token(asked)?;
    let query = Query(stored.as_deref().unwrap_or(&asked.query));
    let usual = Sort { by_update: false, ascending: false };
    let seek = seek(&query, MOST_LINES, usual)?;
    let marketplace = simulator.marketplace();
    let ledger = ledger(&marketplace, shop)?;
    let mut found: Vec<(Timestamp, &Entry)> = Vec::new();
    for entry in ledger.entries() {
        if is_wanted(ledger, entry, &query)? {
            let at = if seek.sort.by_update { entry.last_updated } else { entry.created };
            found.push((at, entry));
        }
    }
    let (page, next) =
        seek.page(found.into_iter().map(|(at, entry)| ((at, entry.place), entry)), query.0);
    let lines: Vec<Value> = page
        .iter()
        .flat_map(|entry| {
            let order = entry.order.as_ref().and_then(|about| marketplace.order(&about.order_id));
            wire::finance::lines(ledger, shop, entry, order)
        })
        .collect();
    Ok(listing(lines, next))
}

/// SBC11.
pub(super) fn cycles(
    simulator: &Simulator,
    shop: &ShopProfile,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let stored = with_token(asked)?;
    if stored.is_none() {
        limit(simulator, "SBC11", shop, 1, DAY, now)?;
    }
    let query = Query(stored.as_deref().unwrap_or(&asked.query));
    let seek = seek(&query, MOST_CYCLES, Sort { by_update: false, ascending: true })?;
    let (from, to) = (query.time("start_date")?, query.time("end_date")?);
    let marketplace = simulator.marketplace();
    let ledger = ledger(&marketplace, shop)?;
    let is_wanted = |cycle: &&Cycle| {
        query.holds("id", Some(&cycle.id))
            && query.holds("currency", Some(&cycle.currency))
            && query.holds("pay_out_psp_code", Some(&cycle.psp))
            && query.holds("pay_out_state", Some(cycle.pay_out.code()))
            && from.is_none_or(|from| cycle.closed >= from)
            && to.is_none_or(|to| cycle.closed <= to)
    };
    let found = ledger.cycles().iter().filter(is_wanted);
    let (page, next) = seek.page(found.map(|cycle| ((cycle.closed, cycle.place), cycle)), query.0);
    let cycles = page.iter().map(|cycle| wire::finance::cycle(ledger, shop, cycle)).collect();
    Ok(listing(cycles, next))
}

/// A page of a listing by seek.
fn listing(data: Vec<Value>, next_page_token: Option<String>) -> Answer {
    let mut body = json!({"data": data});
    if let Some(token) = next_page_token {
        body["next_page_token"] = json!(token);
    }
    Answer::ok(&body)
}

/// IV01.
pub(super) fn documents(
    simulator: &Simulator,
    shop: &ShopProfile,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let offset: usize = asked.parsed("offset")?.unwrap_or_default();
    let max: usize = asked.parsed("max")?.unwrap_or(USUAL_PAGE);
    if max > MOST_DOCUMENTS {
        return Err(Answer::limit_exceeded("max"));
    }
    if offset == 0 {
        limit(simulator, "IV01", shop, 1, DAY, now)?;
    }
    let query = Query(&asked.query);
    let kind = match query.value("type") {
        None => Some(DocumentKind::AutoInvoice),
        Some("ALL") => None,
        Some(text) => Some(
            [DocumentKind::AutoInvoice, DocumentKind::ManualInvoice, DocumentKind::ManualCredit]
                .into_iter()
                .find(|kind| kind.code() == text)
                .ok_or_else(|| Answer::bad_field("type"))?,
        ),
    };
    let (from, to) = (query.time("start_date")?, query.time("end_date")?);
    let marketplace = simulator.marketplace();
    let ledger = ledger(&marketplace, shop)?;
    let is_wanted = |document: &&Document| {
        let cycle = document
            .cycle
            .and_then(|place| ledger.cycles().get(place))
            .map(|cycle| cycle.id.as_str());
        kind.is_none_or(|kind| kind == document.kind)
            && query.holds("currency", Some(&document.currency))
            && query.holds("seller_billing_cycle_id", cycle)
            && query.holds("invoice_id", Some(&document.invoice_id.to_string()))
            && query.holds("pay_out_psp_codes", Some(&document.psp))
            && from.is_none_or(|from| document.created >= from)
            && to.is_none_or(|to| document.created <= to)
    };
    let found: Vec<&Document> = ledger.documents().iter().filter(is_wanted).collect();
    let page: Vec<Value> = found
        .iter()
        .skip(offset)
        .take(max)
        .map(|document| wire::finance::document(ledger, shop, document))
        .collect();
    let mut answer = Answer::ok(&json!({"invoices": page, "total_count": found.len()}));
    answer.headers.extend(links(asked, offset, max, found.len()).map(|link| ("link", link)));
    Ok(answer)
}

/// IV02: the file of a document that is issued.
pub(super) fn document_file(
    simulator: &Simulator,
    shop: &ShopProfile,
    id: &str,
) -> Result<Answer, Answer> {
    let marketplace = simulator.marketplace();
    let ledger = ledger(&marketplace, shop)?;
    let document = ledger
        .documents()
        .iter()
        .find(|document| document.issued.is_some() && document.invoice_id.to_string() == id)
        .ok_or_else(Answer::not_found)?;
    let file = format!("%PDF-1.4\n% {} {}\n%%EOF\n", document.kind.code(), document.number);
    Ok(Answer::text("application/octet-stream", file))
}

/// TL03: what a shop asks of an export.
#[derive(Deserialize)]
struct ExportWish {
    format: Option<String>,
    last_updated_from: Option<Timestamp>,
    date_created_from: Option<Timestamp>,
    date_created_to: Option<Timestamp>,
    #[serde(default)]
    seller_billing_cycle_id: Vec<String>,
    items_per_chunk: Option<usize>,
}

/// TL03.
pub(super) fn export(
    simulator: &Simulator,
    shop: &ShopProfile,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let wish: ExportWish =
        serde_json::from_str(asked.body).map_err(|problem| Answer::bad(&problem.to_string()))?;
    let by_line = match wish.format.as_deref() {
        Some("NDJSON") => true,
        None | Some("JSON") => false,
        Some(_) => return Err(Answer::bad_field("format")),
    };
    limit(simulator, "TL03", shop, 1, DAY, now)?;
    let mut query = Vec::new();
    let times = [
        ("last_updated_from", wish.last_updated_from),
        ("date_created_from", wish.date_created_from),
        ("date_created_to", wish.date_created_to),
    ];
    query.extend(
        times.into_iter().filter_map(|(name, at)| Some((name.to_owned(), at?.to_string()))),
    );
    let cycles = wish.seller_billing_cycle_id.into_iter();
    query.extend(cycles.map(|id| ("seller_billing_cycle_id".to_owned(), id)));
    let marketplace = simulator.marketplace();
    let ledger = ledger(&marketplace, shop)?;
    let mut lines = Vec::new();
    for entry in ledger.entries() {
        if is_wanted(ledger, entry, &Query(&query))? {
            let order = entry.order.as_ref().and_then(|about| marketplace.order(&about.order_id));
            lines.extend(wire::finance::lines(ledger, shop, entry, order));
        }
    }
    let files = chunks(&lines, wish.items_per_chunk)
        .into_iter()
        .map(|lines| {
            if by_line {
                lines.iter().map(|line| format!("{line}\n")).collect()
            } else {
                json!(lines).to_string()
            }
        })
        .collect();
    let export = Export {
        shop_id: shop.shop_id,
        ready: ready(now, marketplace.settings().export_seconds),
        content_type: if by_line { "application/x-ndjson" } else { "application/json" },
        files,
    };
    Ok(simulator.exports.begin("7103", export))
}

/// TL04.
pub(super) fn export_status(
    simulator: &Simulator,
    shop: &ShopProfile,
    id: &str,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let interval = simulator.marketplace().settings().call_interval_seconds;
    // Every ten seconds.
    simulator.limits.begin(&format!("TL04 {id}"), shop.shop_id, 1, interval / 6, now)?;
    let base = asked
        .address()
        .replace("/transactions_logs/async/status/", "/transactions_logs/export/async/file/");
    simulator
        .exports
        .status(shop.shop_id, id, now, |number, _| format!("{base}?file={number}.json"))
}

/// TL05: a file of an export that is complete. It asks for the key, as the rest does (assumed).
pub(super) fn export_file(
    simulator: &Simulator,
    shop: &ShopProfile,
    id: &str,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    simulator.exports.file(shop.shop_id, id, asked.value("file"), now)
}
