//! Mirakl's own examples, from its published `OpenAPI` document, where that is at hand: it may not
//! be copied here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::mirakl::account::{Account, PlatformConfiguration};
use crate::mirakl::error_report::read_errors;
use crate::mirakl::offer_export::OfferReader;
use crate::mirakl::page;
use crate::mirakl::paging::SeekPage;
use crate::mirakl::shipping::{Carriers, Shipment, ShippingTypes};
use crate::mirakl::stock::{ImportProgress, OffersExport, StockImport};
use crate::mirakl::stock_client::{ExportStatus, Offers};

#[derive(Deserialize)]
pub(crate) struct Document<'d> {
    #[serde(borrow)]
    paths: BTreeMap<String, BTreeMap<String, &'d RawValue>>,
}

#[derive(Deserialize)]
struct Operation<'d> {
    #[serde(borrow)]
    responses: BTreeMap<String, Response<'d>>,
}

#[derive(Deserialize)]
struct Response<'d> {
    #[serde(borrow, default)]
    content: BTreeMap<String, Content<'d>>,
}

#[derive(Deserialize)]
struct Content<'d> {
    #[serde(borrow, default)]
    examples: BTreeMap<String, Example<'d>>,
}

#[derive(Deserialize)]
struct Example<'d> {
    #[serde(borrow)]
    value: &'d RawValue,
}

/// The document of `MIRAKL_OPENAPI`, or the one that may lie beside the repository.
#[expect(clippy::disallowed_methods, reason = "a test's own switch, no setting of the connector")]
pub(crate) fn document() -> Option<String> {
    let beside = || {
        PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/mirakl/openapi-seller.json"
        ))
    };
    let named = std::env::var("MIRAKL_OPENAPI").ok().map(PathBuf::from);
    let path = named.clone().unwrap_or_else(beside);
    let text = std::fs::read_to_string(&path).ok();
    assert!(
        text.is_some() || named.is_none(),
        "MIRAKL_OPENAPI names {}, which cannot be read",
        path.display()
    );
    if text.is_none() {
        eprintln!("SKIPPED: Mirakl's OpenAPI document is not at hand; name it in MIRAKL_OPENAPI");
    }
    text
}

/// The examples of what `GET path` answers, digit for digit.
pub(crate) fn examples<'d>(document: &Document<'d>, path: &str) -> Vec<(String, &'d str)> {
    let operation: Operation<'d> = serde_json::from_str(document.paths[path]["get"].get()).unwrap();
    let contents =
        operation.responses.into_values().flat_map(|response| response.content.into_values());
    let found: Vec<_> = contents
        .flat_map(|content| content.examples)
        .map(|(name, example)| (name, example.value.get()))
        .collect();
    assert!(!found.is_empty(), "{path} has no examples");
    found
}

#[test]
fn every_official_example_parses() {
    let Some(text) = document() else { return };
    let document: Document<'_> = serde_json::from_str(&text).unwrap();
    for (name, example) in examples(&document, "/api/orders") {
        let page = page::read(example.as_bytes()).unwrap();
        assert_eq!(page.unreadable, [], "{name}");
        assert!(
            page.length > 0 && page.orders.len() == page.length && page.total_count.is_some(),
            "{name}"
        );
        for order in &page.orders {
            assert!(
                !order.order_lines.is_empty()
                    && order.total_price.is_some()
                    && order.last_updated_date.is_some(),
                "{name}"
            );
            assert!(
                order.customer.as_ref().is_some_and(|customer| customer.shipping_address.is_some()),
                "{name}"
            );
        }
    }
    for (name, example) in examples(&document, "/api/shipping/carriers") {
        let carriers: Carriers = serde_json::from_str(example).unwrap();
        assert!(carriers.carriers.iter().all(|carrier| !carrier.code.is_empty()), "{name}");
    }
    for (name, example) in examples(&document, "/api/shipping/types") {
        let types: ShippingTypes = serde_json::from_str(example).unwrap();
        assert!(types.shipping_types.iter().all(|kind| !kind.code.is_empty()), "{name}");
    }
    for (name, example) in examples(&document, "/api/shipments") {
        let page: SeekPage<Shipment> = serde_json::from_str(example).unwrap();
        assert!(
            page.data.iter().all(|shipment| !shipment.id.is_empty() && shipment.status.is_some()),
            "{name}"
        );
    }
    for (name, example) in examples(&document, "/api/account") {
        let account: Account = serde_json::from_str(example).unwrap();
        assert!(
            account.shop_state.is_some()
                && account.shop_id.is_some()
                && account.currency_iso_code.is_some(),
            "{name}"
        );
    }
    for (name, example) in examples(&document, "/api/platform/configuration") {
        let features = serde_json::from_str::<PlatformConfiguration>(example).unwrap().features;
        assert!(
            features.order_workflows.order_acceptance.is_some()
                && features.shipment.multi_shipment.is_some(),
            "{name}"
        );
    }
}

#[test]
fn every_official_example_of_stock_parses() {
    let Some(text) = document() else { return };
    let document: Document<'_> = serde_json::from_str(&text).unwrap();
    for path in ["/api/offers/stock/imports/{import_id}/status", "/api/offers/imports/{import}"] {
        for (name, example) in examples(&document, path) {
            let import: StockImport = serde_json::from_str(example).unwrap();
            assert!(
                !matches!(import.progress(), ImportProgress::Unknown(_))
                    && import.has_error_report.is_some(),
                "{path} {name}"
            );
        }
    }
    for (name, example) in examples(&document, "/api/offers/export/async/status/{tracking_id}") {
        let export = serde_json::from_str::<ExportStatus>(example).unwrap().into_export();
        // The example of types alone has a word that is none.
        assert!(!matches!(export, OffersExport::Unknown(word) if word != "string"), "{name}");
    }
    for (name, example) in examples(&document, "/api/offers") {
        let page = serde_json::from_str::<Offers>(example).unwrap().into_page();
        assert_eq!((page.offers.len(), page.unreadable), (page.length, vec![]), "{name}");
        assert!(
            page.offers.iter().all(|offer| offer.quantity.is_some() && offer.active.is_some()),
            "{name}"
        );
    }
    // Files are given as texts; of one without a line's end only the type is told, and some are
    // given in extracts.
    let files = |path| {
        let texts = examples(&document, path)
            .into_iter()
            .filter_map(|(_, example)| serde_json::from_str::<String>(example).ok());
        let files: Vec<_> =
            texts.filter(|text| text.contains('\n') && !text.contains("...")).collect();
        assert!(!files.is_empty(), "{path} has no file");
        files
    };
    for report in files("/api/offers/imports/{import}/error_report") {
        let errors = read_errors("OF03", report.as_bytes()).unwrap();
        assert!(errors.iter().all(|error| error.line == Some(2)
            && error.offer_sku.is_some()
            && error.reason.contains("exist")));
    }
    for file in files("/dynamic-url/The+URL+is+retrieved+from+OF53+output/OF54") {
        let mut offers = Vec::new();
        let mut each = |offer| offers.push(offer);
        let mut reader = OfferReader::default();
        reader.take(file.as_bytes(), &mut each).unwrap();
        reader.end(&mut each).unwrap();
        assert!(!offers.is_empty() && offers.iter().all(Result::is_ok), "{offers:?}");
    }
}
