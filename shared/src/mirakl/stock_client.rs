//! The stock operations over HTTP.

use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::MiraklError;
use super::call::{Call, Repeat};
use super::client::MiraklClient;
use super::error_report::{LineError, read_errors};
use super::keys::ApiKeys;
use super::offer_export::{FIELDS, OfferReader};
use super::stock::{
    ListedOffer, MiraklStock, OfferPage, OffersExport, StockImport, UnreadableOffer,
};
use super::wire::{null_as_default, text};
use crate::kit::clock::Clock;

/// The largest error report: that of some hundreds of thousands of lines.
const LARGEST_REPORT: usize = 64 * 1024 * 1024;
/// Offers of one file of an export: a file that breaks off costs no more than it.
const OFFERS_A_FILE: u32 = 100_000;
/// Mirakl's largest page.
const MOST: usize = 100;

/// STO01's and OF01's answer.
#[derive(Deserialize)]
struct Import {
    #[serde(deserialize_with = "super::wire::id")]
    import_id: String,
}

#[derive(Serialize)]
struct ExportBody {
    export_type: &'static str,
    include_fields: [&'static str; 4],
    items_per_chunk: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_request_date: Option<String>,
    /// Beside a date, it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    include_inactive_offers: Option<bool>,
}

#[derive(Deserialize)]
struct Export {
    #[serde(deserialize_with = "super::wire::id")]
    tracking_id: String,
}

/// OF53's answer.
#[derive(Deserialize)]
pub(super) struct ExportStatus {
    #[serde(deserialize_with = "super::wire::id")]
    status: String,
    #[serde(default, deserialize_with = "null_as_default")]
    urls: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    error: ExportError,
}

impl ExportStatus {
    pub(super) fn into_export(self) -> OffersExport {
        match self.status.as_str() {
            "PENDING" => OffersExport::Pending,
            "COMPLETED" => OffersExport::Completed(self.urls),
            "FAILED" => {
                let told: Vec<_> =
                    [self.error.code, self.error.detail].into_iter().flatten().collect();
                OffersExport::Failed(if told.is_empty() {
                    "no reason given".to_owned()
                } else {
                    told.join(": ")
                })
            }
            _ => OffersExport::Unknown(self.status),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ExportError {
    #[serde(deserialize_with = "text")]
    code: Option<String>,
    #[serde(deserialize_with = "text")]
    detail: Option<String>,
}

/// OF21's answer.
#[derive(Deserialize)]
pub(super) struct Offers {
    offers: Vec<Box<RawValue>>,
    #[serde(default)]
    total_count: Option<u64>,
}

impl Offers {
    pub(super) fn into_page(self) -> OfferPage {
        let mut page = OfferPage {
            length: self.offers.len(),
            total_count: self.total_count,
            ..OfferPage::default()
        };
        for (row, raw) in (1..).zip(&self.offers) {
            match read_offer(raw.get()) {
                Ok(offer) => page.offers.push(offer),
                Err((offer_sku, problem)) => {
                    page.unreadable.push(UnreadableOffer { row, offer_sku, problem })
                }
            }
        }
        page
    }
}

/// A multipart form of fields and one CSV file (RFC 7578).
fn form(call: Call, fields: &[(&str, &str)], csv: &[u8]) -> Call {
    // Whatever the file holds, no line of it is the boundary.
    let mut boundary = "prima-mirakl-connector".to_owned();
    while csv.windows(boundary.len()).any(|part| part == boundary.as_bytes()) {
        boundary.push('-');
    }
    let mut bytes = Vec::with_capacity(csv.len() + 1024);
    for (name, value) in fields {
        bytes.extend(
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
            .bytes(),
        );
    }
    let head = "Content-Disposition: form-data; name=\"file\"; filename=\"stock.csv\"\r\nContent-Type: text/csv";
    bytes.extend(format!("--{boundary}\r\n{head}\r\n\r\n").bytes());
    bytes.extend_from_slice(csv);
    bytes.extend(format!("\r\n--{boundary}--\r\n").bytes());
    call.body(format!("multipart/form-data; boundary={boundary}"), bytes)
}

impl<K: ApiKeys, C: Clock> MiraklClient<K, C> {
    async fn import(
        &self,
        operation: &'static str,
        path: &[&str],
        fields: &[(&str, &str)],
        csv: &[u8],
    ) -> Result<String, MiraklError> {
        let import: Import = self
            .caller
            .read(&form(Call::new(operation, Method::POST, path, Repeat::AskFirst), fields, csv))
            .await?;
        Ok(import.import_id)
    }

    async fn error_report(
        &self,
        operation: &'static str,
        path: &[&str],
    ) -> Result<Vec<LineError>, MiraklError> {
        let call = Call { largest_answer: LARGEST_REPORT, ..Call::get(operation, path) };
        read_errors(operation, &self.caller.send(&call).await?)
    }
}

impl<K: ApiKeys, C: Clock> MiraklStock for MiraklClient<K, C> {
    async fn import_stock(&self, csv: Vec<u8>) -> Result<String, MiraklError> {
        self.import("STO01", &["api", "offers", "stock", "imports"], &[], &csv).await
    }

    async fn stock_import(&self, import_id: &str) -> Result<StockImport, MiraklError> {
        self.caller
            .read(&Call::get("STO02", &["api", "offers", "stock", "imports", import_id, "status"]))
            .await
    }

    async fn stock_import_errors(&self, import_id: &str) -> Result<Vec<LineError>, MiraklError> {
        self.error_report(
            "STO03",
            &["api", "offers", "stock", "imports", import_id, "error_report"],
        )
        .await
    }

    async fn import_offers_quantities(&self, csv: Vec<u8>) -> Result<String, MiraklError> {
        self.import("OF01", &["api", "offers", "imports"], &[("import_mode", "NORMAL")], &csv).await
    }

    async fn offers_import(&self, import_id: &str) -> Result<StockImport, MiraklError> {
        self.caller.read(&Call::get("OF02", &["api", "offers", "imports", import_id])).await
    }

    async fn offers_import_errors(&self, import_id: &str) -> Result<Vec<LineError>, MiraklError> {
        self.error_report("OF03", &["api", "offers", "imports", import_id, "error_report"]).await
    }

    async fn begin_offers_export(&self, since: Option<Timestamp>) -> Result<String, MiraklError> {
        let body = ExportBody {
            export_type: "text/csv",
            include_fields: FIELDS,
            items_per_chunk: OFFERS_A_FILE,
            last_request_date: since.map(|since| since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            include_inactive_offers: since.is_none().then_some(true),
        };
        // Mirakl answers the same request with the same export.
        let call = Call::new(
            "OF52",
            Method::POST,
            &["api", "offers", "export", "async"],
            Repeat::Convergent,
        )
        .json(&body)?;
        let export: Export = self.caller.read(&call).await?;
        Ok(export.tracking_id)
    }

    async fn offers_export(&self, tracking_id: &str) -> Result<OffersExport, MiraklError> {
        let call = Call::get("OF53", &["api", "offers", "export", "async", "status", tracking_id]);
        Ok(self.caller.read::<ExportStatus>(&call).await?.into_export())
    }

    async fn exported_offers(
        &self,
        url: &str,
        mut each: impl FnMut(Result<ListedOffer, UnreadableOffer>),
    ) -> Result<(), MiraklError> {
        let (url, with_key) = self.caller.foreign_url("OF54", url)?;
        let call = Call { with_key, ..Call::get("OF54", &[]) };
        let mut reader = OfferReader::default();
        self.caller.download(&call, &url, |piece| reader.take(piece, &mut each)).await?;
        reader.end(&mut each).map_err(|problem| MiraklError::unknown("OF54", problem.to_string()))
    }

    async fn list_offers(&self, offset: usize) -> Result<OfferPage, MiraklError> {
        let call = Call::get("OF21", &["api", "offers"])
            .query("max", MOST.to_string())
            .query("offset", offset.to_string());
        Ok(self.caller.read::<Offers>(&call).await?.into_page())
    }
}

/// Reads an offer of OF21; where it cannot be, its SKU, if at least that can be, and why.
fn read_offer(raw: &str) -> Result<ListedOffer, (Option<String>, String)> {
    #[derive(Deserialize)]
    struct OnlySku {
        #[serde(deserialize_with = "super::wire::id")]
        shop_sku: String,
    }
    if !raw.starts_with('{') {
        // The parser would take a list's entries for the fields in their order.
        return Err((None, "it is no JSON object".to_owned()));
    }
    serde_json::from_str(raw).map_err(|problem| {
        let sku = serde_json::from_str::<OnlySku>(raw).ok().map(|only| only.shop_sku);
        (
            sku,
            format!(
                "{:?} error at line {}, column {} of the offer",
                problem.classify(),
                problem.line(),
                problem.column()
            ),
        )
    })
}
