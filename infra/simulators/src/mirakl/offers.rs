//! The operations on offers: what is refused, what is answered (Mirakl seller API, STO01 to STO03,
//! OF01 to OF03, OF21, OF52 to OF54).

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::answer::{Answer, Asked, links};
use super::exports::{Export, chunks, ready};
use super::model::{Import, ImportKind, ImportLine, ImportStatus, Offer, ShopProfile};
use super::simulator::Simulator;
use super::wire;
use super::wire::offer::{CSV, ExportFormat};

/// The calls that have a limit of their own take it as a share of `call_interval_seconds`, which is
/// Mirakl's minute.
const STATUS_CALLS: u64 = 4;
const EXPORT_STATUS_CALLS: u64 = 6;
const FULL_EXPORT_INTERVALS: u64 = 24 * 60;

/// Begins a call that may be made once in `interval_seconds`.
fn limit(
    simulator: &Simulator,
    what: &str,
    shop: &ShopProfile,
    interval_seconds: u64,
    now: Timestamp,
) -> Result<(), Answer> {
    simulator.limits.begin(what, shop.shop_id, 1, interval_seconds, now)
}

fn interval(simulator: &Simulator) -> u64 {
    simulator.marketplace().settings().call_interval_seconds
}

/// STO01 and OF01.
pub(super) fn import(
    simulator: &Simulator,
    shop: &ShopProfile,
    kind: ImportKind,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let file =
        asked.part("file").ok_or_else(|| Answer::bad("Required part 'file' is not present."))?;
    if kind == ImportKind::Offers {
        match asked.part("import_mode") {
            Some("NORMAL") => {}
            None => return Err(Answer::bad("Required part 'import_mode' is not present.")),
            Some(mode) => {
                return Err(Answer::server_error(
                    StatusCode::NOT_IMPLEMENTED,
                    &format!("import_mode {mode} is not simulated"),
                ));
            }
        }
    }
    let lines = read_lines(file, kind).map_err(|message| Answer::bad(&message))?;
    let name = if kind == ImportKind::Stock { "STO01" } else { "OF01" };
    limit(simulator, name, shop, interval(simulator), now)?;
    let import_id = simulator.marketplace().begin_import(kind, shop.shop_id, lines, now);
    let (body, location) = match kind {
        ImportKind::Stock => {
            (json!({"import_id": import_id}), format!("{}/{import_id}/status", asked.address()))
        }
        ImportKind::Offers => (
            json!({"import_id": import_id.parse::<i64>().ok()}),
            format!("{}/{import_id}", asked.address()),
        ),
    };
    Ok(Answer { headers: vec![("location", location)], ..Answer::with(StatusCode::CREATED, &body) })
}

/// Reads a file with a heading: fields in quotation marks or not, between semicolons or commas. How
/// Mirakl refuses a file that it cannot read is not known.
fn read_lines(file: &str, kind: ImportKind) -> Result<Vec<ImportLine>, String> {
    let heading = file.lines().next().unwrap_or_default();
    let delimiter = if heading.contains(';') { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(file.as_bytes());
    let columns = reader.headers().map_err(|problem| problem.to_string())?.clone();
    let sku = if kind == ImportKind::Stock { "offer-sku" } else { "sku" };
    let known = [sku, "quantity", "warehouse-code", "update-delete"];
    let known =
        if kind == ImportKind::Stock { &known[..] } else { &[sku, "quantity", "update-delete"] };
    if let Some(unknown) = columns.iter().find(|column| !known.contains(column)) {
        return Err(format!("The column {unknown} is not simulated"));
    }
    let place = |name: &str| columns.iter().position(|column| column == name);
    let (Some(sku), Some(quantity)) = (place(sku), place("quantity")) else {
        return Err(format!("The columns {sku} and quantity are required"));
    };
    let (warehouse, update) = (place("warehouse-code"), place("update-delete"));
    let lines = reader.records().map(|record| {
        let record = record.map_err(|problem| problem.to_string())?;
        let field = |place: Option<usize>| {
            place.and_then(|place| record.get(place)).unwrap_or_default().to_owned()
        };
        Ok(ImportLine {
            sku: field(Some(sku)),
            quantity: field(Some(quantity)),
            warehouse_code: field(warehouse),
            update_delete: field(update),
        })
    });
    lines.collect()
}

/// What kind of import an operation is about.
fn kind_of(name: &str) -> ImportKind {
    if name.starts_with("STO") { ImportKind::Stock } else { ImportKind::Offers }
}

fn found<T>(
    simulator: &Simulator,
    shop: &ShopProfile,
    name: &str,
    id: &str,
    read: impl FnOnce(&Import) -> T,
) -> Result<T, Answer> {
    simulator
        .marketplace()
        .import(kind_of(name), shop.shop_id, id)
        .map(read)
        .ok_or_else(Answer::not_found)
}

/// STO02 and OF02.
pub(super) fn status(
    simulator: &Simulator,
    shop: &ShopProfile,
    name: &str,
    id: &str,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let calls = if name == "STO02" { STATUS_CALLS } else { 1 };
    limit(simulator, &format!("{name} {id}"), shop, interval(simulator) / calls, now)?;
    found(simulator, shop, name, id, |import| Answer::ok(&wire::offer::import(import, now)))
}

/// STO03 and OF03: the lines that were not applied.
pub(super) fn error_report(
    simulator: &Simulator,
    shop: &ShopProfile,
    name: &str,
    id: &str,
    now: Timestamp,
) -> Result<Answer, Answer> {
    limit(simulator, &format!("{name} {id}"), shop, interval(simulator), now)?;
    let report = found(simulator, shop, name, id, |import| {
        let ended = !matches!(import.status(now), ImportStatus::Waiting | ImportStatus::Running);
        (ended && !import.errors.is_empty()).then(|| wire::offer::error_report(import))
    })?;
    // That there is no report is told like an import that does not exist (assumed).
    report.ok_or_else(Answer::not_found)
}

/// OF21.
pub(super) fn list(
    simulator: &Simulator,
    shop: &ShopProfile,
    asked: &Asked<'_>,
) -> Result<Answer, Answer> {
    let unknown = [
        "product_id",
        "offer_state_codes",
        "favorite",
        "pricing_channel_code",
        "pricing_customer_organization_id",
    ];
    if let Some(name) = unknown.into_iter().find(|name| asked.value(name).is_some()) {
        return Err(Answer::server_error(
            StatusCode::NOT_IMPLEMENTED,
            &format!("{name} is not simulated"),
        ));
    }
    let max = asked.parsed("max")?.unwrap_or(10);
    let offset = asked.parsed("offset")?.unwrap_or(0);
    if max > 100 {
        return Err(Answer::limit_exceeded("max"));
    }
    let marketplace = simulator.marketplace();
    let matching: Vec<&Offer> = match asked.value("sku") {
        Some(sku) => marketplace.offer(shop.shop_id, sku).into_iter().collect(),
        None => marketplace.offers(shop.shop_id).filter(|offer| !offer.deleted).collect(),
    };
    let page: Vec<_> = matching
        .iter()
        .skip(offset)
        .take(max)
        .map(|offer| wire::offer::offer(offer, &shop.currency))
        .collect();
    let mut answer = Answer::ok(&json!({"offers": page, "total_count": matching.len()}));
    answer.headers.extend(links(asked, offset, max, matching.len()).map(|links| ("link", links)));
    Ok(answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportWish {
    export_type: Option<String>,
    include_fields: Option<Vec<String>>,
    include_inactive_offers: Option<bool>,
    items_per_chunk: Option<usize>,
    last_request_date: Option<Timestamp>,
}

/// OF52. The parameters that it does not simulate are refused. Chunks may be as small as on a test
/// environment of Mirakl's.
pub(super) fn export(
    simulator: &Simulator,
    shop: &ShopProfile,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let wish: ExportWish =
        serde_json::from_str(asked.body).map_err(|problem| Answer::bad(&problem.to_string()))?;
    let format = match wish.export_type.as_deref() {
        None | Some(CSV) => ExportFormat::Csv,
        Some("application/json") => ExportFormat::Json,
        Some(_) => return Err(Answer::bad_field("export_type")),
    };
    if wish.last_request_date.is_some() && wish.include_inactive_offers.is_some() {
        return Err(Answer::bad("include_inactive_offers cannot be used with last_request_date"));
    }
    let minute = interval(simulator);
    match wish.last_request_date {
        Some(_) => limit(simulator, "OF52", shop, minute, now)?,
        None => limit(simulator, "OF52 full", shop, minute * FULL_EXPORT_INTERVALS, now)?,
    }
    let marketplace = simulator.marketplace();
    let inactive_too = wish.include_inactive_offers.unwrap_or(false);
    let wanted = |offer: &&Offer| match wish.last_request_date {
        Some(since) => offer.updated >= since,
        None => !offer.deleted && (inactive_too || offer.is_for_sale()),
    };
    let offers: Vec<&Offer> = marketplace.offers(shop.shop_id).filter(wanted).collect();
    let files = chunks(&offers, wish.items_per_chunk)
        .into_iter()
        .map(|chunk| format.file(chunk, wish.include_fields.as_deref(), &shop.currency))
        .collect();
    let export = Export {
        shop_id: shop.shop_id,
        ready: ready(now, marketplace.settings().export_seconds),
        content_type: format.content_type(),
        files,
    };
    Ok(simulator.exports.begin("0f52", export))
}

/// OF53.
pub(super) fn export_status(
    simulator: &Simulator,
    shop: &ShopProfile,
    id: &str,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    limit(simulator, &format!("OF53 {id}"), shop, interval(simulator) / EXPORT_STATUS_CALLS, now)?;
    let base = asked.address().replace("/status/", "/file/");
    simulator.exports.status(shop.shop_id, id, now, |number, content_type| {
        let ending = if content_type == CSV { "csv" } else { "json" };
        format!("{base}?file=offers%2F{number}.{ending}")
    })
}

/// OF54: a file of an export that is complete. It asks for the key, as the rest does (assumed).
pub(super) fn export_file(
    simulator: &Simulator,
    shop: &ShopProfile,
    id: &str,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let name = asked.value("file").and_then(|name| name.strip_prefix("offers/"));
    simulator.exports.file(shop.shop_id, id, name, now)
}
