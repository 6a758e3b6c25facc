//! Mirakl's own examples, from its published `OpenAPI` document, where that is at hand: it may not be copied here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::mirakl::page;
use crate::mirakl::paging::SeekPage;
use crate::mirakl::platform::{Account, PlatformConfiguration};
use crate::mirakl::shipping::{Carriers, Shipment, ShippingTypes};

#[derive(Deserialize)]
struct Document<'d> {
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
fn document() -> Option<String> {
    let beside = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/mirakl/openapi-seller.json"));
    let named = std::env::var("MIRAKL_OPENAPI").ok().map(PathBuf::from);
    let path = named.clone().unwrap_or_else(beside);
    let text = std::fs::read_to_string(&path).ok();
    assert!(text.is_some() || named.is_none(), "MIRAKL_OPENAPI names {}, which cannot be read", path.display());
    if text.is_none() {
        eprintln!("SKIPPED: Mirakl's OpenAPI document is not at hand; name it in MIRAKL_OPENAPI");
    }
    text
}

/// The examples of what `GET path` answers, digit for digit.
fn examples<'d>(document: &Document<'d>, path: &str) -> Vec<(String, &'d str)> {
    let operation: Operation<'d> = serde_json::from_str(document.paths[path]["get"].get()).unwrap();
    let contents = operation.responses.into_values().flat_map(|response| response.content.into_values());
    let found: Vec<_> = contents.flat_map(|content| content.examples).map(|(name, example)| (name, example.value.get())).collect();
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
        assert!(page.length > 0 && page.orders.len() == page.length && page.total_count.is_some(), "{name}");
        for order in &page.orders {
            assert!(!order.order_lines.is_empty() && order.total_price.is_some() && order.last_updated_date.is_some(), "{name}");
            assert!(order.customer.as_ref().is_some_and(|customer| customer.shipping_address.is_some()), "{name}");
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
        assert!(page.data.iter().all(|shipment| !shipment.id.is_empty() && shipment.status.is_some()), "{name}");
    }
    for (name, example) in examples(&document, "/api/account") {
        let account: Account = serde_json::from_str(example).unwrap();
        assert!(account.shop_state.is_some() && account.shop_id.is_some() && account.currency_iso_code.is_some(), "{name}");
    }
    for (name, example) in examples(&document, "/api/platform/configuration") {
        let features = serde_json::from_str::<PlatformConfiguration>(example).unwrap().features;
        assert!(features.order_workflows.order_acceptance.is_some() && features.shipment.multi_shipment.is_some(), "{name}");
    }
}
