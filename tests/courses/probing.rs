//! Which rights a key has, asked of the simulator over HTTP: without an effect, whatever the
//! answer.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use shared::domain::channel::Channel;
use shared::kit::clock::{Clock as _, SystemClock, after};
use shared::mirakl::client::{ApiKeys, HttpDirectory};
use shared::mirakl::keys::KeyError;
use shared::mirakl::probe::Probed;
use simulators::mirakl::{Config, serve};
use tokio::net::TcpListener;

struct OneKey;

impl ApiKeys for OneKey {
    async fn api_key(&self, _channel: &str, _refresh: bool) -> Result<SecretString, KeyError> {
        Ok(SecretString::from("key-uk"))
    }
}

/// Every operation that a flow may need, and whether it is one of shops that ship in parts.
const OPERATIONS: [&str; 16] = [
    "OR11", "OR21", "OR04", "OR23", "OR24", "ST01", "ST11", "OR28", "OR30", "PC01", "SH21", "SH12",
    "STO01", "OF21", "OF01", "OF02",
];

#[tokio::test]
async fn a_probe_tells_which_rights_are_missing_and_changes_nothing() {
    let config: Config = serde_json::from_value(json!({
        "shops": [{"shop_id": 2001, "api_key": "key-uk", "currency": "GBP"}],
        "settings": {"call_interval_seconds": 0}, "catalogue_size": 10,
    }))
    .unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(serve(config, listener, std::future::pending()));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let channel: Channel = serde_json::from_value(json!({
        "id": "uk", "base_url": url, "take_over_from": "2026-11-01T00:00:00Z", "acceptance_window_minutes": 60,
    }))
    .unwrap();
    let directory = HttpDirectory::new(OneKey, SystemClock);
    let client = directory
        .client_of(channel.shop(), after(SystemClock.now(), Duration::from_secs(60)))
        .unwrap();
    http.post(format!("{url}/simulator/orders"))
        .json(&json!({"shop_id": 2001, "count": 3}))
        .send()
        .await
        .unwrap();
    let state = async || {
        http.get(format!("{url}/simulator/state"))
            .send()
            .await
            .unwrap()
            .json::<Value>()
            .await
            .unwrap()
    };
    let before = state().await;
    for operation in OPERATIONS {
        assert_eq!(client.probe(operation).await, Probed::There, "{operation}");
    }
    let put = async |rights: Value| {
        http.put(format!("{url}/simulator/rights"))
            .json(&rights)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    for (status, said) in [(403, "HTTP 403 Forbidden"), (401, "HTTP 401 Unauthorized")] {
        for operation in OPERATIONS {
            // STO01 is probed by its sister, which needs the same right.
            let refused = if operation == "STO01" { "STO02" } else { operation };
            assert_eq!(put(json!({"refused": {refused: status}})).await, 204);
            let Probed::Missing(told) = client.probe(operation).await else {
                panic!("{operation} is refused with {status}")
            };
            assert!(told.starts_with(said), "{operation}: {told}");
        }
    }
    // A key that may read orders and accept them, and nothing else.
    assert_eq!(
        put(json!({"roles": ["ROLE_PARTNER_ORDER_READ", "ROLE_PARTNER_ORDER_ACCEPT"]})).await,
        204
    );
    let mut there = Vec::new();
    for operation in OPERATIONS {
        there.extend((client.probe(operation).await == Probed::There).then_some(operation));
    }
    assert_eq!(there, ["OR11", "OR21", "ST11"]);
    assert_eq!(state().await, before, "nothing was changed");
    assert!(matches!(client.probe("OF52").await, Probed::Unclear(_)), "it would begin an export");
    server.abort();
}
