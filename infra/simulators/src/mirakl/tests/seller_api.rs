//! The seller API over a real connection.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::super::{Config, serve};
use super::SHOP;

/// A running simulator; it ends with this.
pub(super) struct Running {
    pub(super) url: String,
    http: reqwest::Client,
    task: JoinHandle<std::io::Result<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    /// Two shops with keys of their own; no limit on calls and payment at once, unless `settings`
    /// says otherwise.
    pub(super) async fn start(settings: Value, record: Option<&std::path::Path>) -> Self {
        let mut all = json!({"call_interval_seconds": 0, "debit_seconds": 0});
        all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let config: Config = serde_json::from_value(json!({
            "shops": [
                {"shop_id": SHOP, "api_key": "key-uk", "currency": "GBP"},
                {"shop_id": 2002, "api_key": "key-fr", "currency": "EUR", "tax_included": false},
            ],
            "settings": all, "seed": 5, "catalogue_size": 100, "record": record,
        }))
        .unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { url, http, task: tokio::spawn(serve(config, listener, std::future::pending())) }
    }

    pub(super) async fn try_call(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<Value>,
    ) -> reqwest::Result<Answered> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(key) = key {
            request = request.header("Authorization", key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Self::read(request).await
    }

    /// Sends a file, and further fields, as `multipart/form-data`.
    pub(super) async fn try_upload(
        &self,
        path: &str,
        file: &str,
        fields: &[(&str, &str)],
    ) -> reqwest::Result<Answered> {
        let part = |name: &str, more: &str, text: &str| {
            format!(
                "--edge\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{text}\r\n"
            )
        };
        let mut body = part("file", "; filename=\"stock.csv\"", file);
        body.extend(fields.iter().map(|(name, text)| part(name, "", text)));
        body.push_str("--edge--\r\n");
        let request =
            self.http.post(format!("{}{path}", self.url)).header("Authorization", "key-uk");
        Self::read(request.header("Content-Type", "multipart/form-data; boundary=edge").body(body))
            .await
    }

    pub(super) async fn upload(&self, path: &str, file: &str, fields: &[(&str, &str)]) -> Answered {
        self.try_upload(path, file, fields).await.unwrap()
    }

    async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<Answered> {
        let answer = request.send().await?;
        let status = answer.status();
        let header =
            |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (link, retry_after, location) =
            (header("link"), header("retry-after"), header("location"));
        let text = answer.text().await?;
        Ok(Answered {
            status,
            link,
            retry_after,
            location,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        })
    }

    pub(super) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answered {
        self.try_call(method, path, Some("key-uk"), body).await.unwrap()
    }

    pub(super) async fn get(&self, path: &str) -> Answered {
        self.call(Method::GET, path, None).await
    }

    pub(super) async fn bring(&self, request: Value) -> Vec<String> {
        let answer = self.call(Method::POST, "/simulator/orders", Some(request)).await;
        serde_json::from_value(answer.json["order_ids"].clone()).unwrap()
    }

    /// Accepts all lines of an order.
    pub(super) async fn accept(&self, order_id: &str) -> Answered {
        let listed = self.get(&format!("/api/orders?order_ids={order_id}")).await;
        let lines = listed.json["orders"][0]["order_lines"].as_array().unwrap().clone();
        let decisions: Vec<Value> = lines
            .iter()
            .map(|line| json!({"accepted": true, "id": line["order_line_id"]}))
            .collect();
        self.call(
            Method::PUT,
            &format!("/api/orders/{order_id}/accept"),
            Some(json!({"order_lines": decisions})),
        )
        .await
    }

    pub(super) async fn misbehave(&self, operation: &str, fault: Value) {
        let rule = json!({"operation": operation, "fault": fault, "chance": 1.0, "remaining": 1});
        let answer =
            self.call(Method::PUT, "/simulator/misbehaviour", Some(json!({"rules": [rule]}))).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    }
}

#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) link: Option<String>,
    pub(super) retry_after: Option<String>,
    pub(super) location: Option<String>,
    pub(super) json: Value,
    pub(super) text: String,
}

#[tokio::test]
async fn an_order_goes_from_the_listing_to_a_reference() {
    let running = Running::start(json!({}), None).await;
    let order_id = running.bring(json!({"shop_id": SHOP, "count": 1})).await.remove(0);
    let waiting = running.get("/api/orders?order_state_codes=WAITING_ACCEPTANCE&max=100").await;
    assert_eq!(
        (waiting.json["total_count"].as_u64(), waiting.json["orders"][0]["order_id"].as_str()),
        (Some(1), Some(order_id.as_str()))
    );
    assert!(
        waiting.json["orders"][0]["customer"]["shipping_address"].is_null(),
        "no address before the payment"
    );
    assert_eq!(running.accept(&order_id).await.status, StatusCode::NO_CONTENT);
    let paid =
        running.get(&format!("/api/orders?order_ids={order_id}")).await.json["orders"][0].clone();
    assert_eq!(paid["order_state"], "SHIPPING");
    assert!(paid["customer"]["shipping_address"]["street_1"].is_string());
    let again = running.accept(&order_id).await;
    assert_eq!(
        (again.status, again.json["code"].as_str()),
        (StatusCode::BAD_REQUEST, Some("ORDER_INVALID_STATE"))
    );
    let references = json!({"orders": [
        {"order_id": order_id, "references": {"order_reference_for_seller": "MK-1"}},
        {"order_id": "NONE-A", "references": {"order_reference_for_seller": "MK-2"}},
    ]});
    let written = running.call(Method::PUT, "/api/orders", Some(references)).await;
    assert_eq!(
        written.json["updated_orders"][0]["updated"]["references"]["order_reference_for_seller"],
        "MK-1"
    );
    assert_eq!(written.json["updated_orders"][1]["errors"][0]["code"], "ORDER_NOT_FOUND");
    let found = running.get("/api/orders?order_references_for_seller=MK-1").await;
    assert_eq!(found.json["orders"][0]["order_id"], order_id.as_str());
    let state = running.get("/simulator/state").await;
    let judged = &state.json["orders"][0];
    assert_eq!(
        (judged["accept_calls"].as_u64(), judged["reference_writes"].as_u64()),
        (Some(2), Some(1))
    );
    assert!(!state.text.contains("street"), "no addresses in the control API");
}

#[tokio::test]
async fn a_key_opens_its_own_shop_only() {
    let running = Running::start(json!({}), None).await;
    let order_id = running.bring(json!({"shop_id": SHOP, "count": 1})).await.remove(0);
    for key in [None, Some("Bearer key-uk"), Some("nonsense")] {
        let refused = running.try_call(Method::GET, "/api/account", key, None).await.unwrap();
        assert_eq!(
            (refused.status, refused.json["code"].as_u64()),
            (StatusCode::UNAUTHORIZED, Some(401))
        );
    }
    let foreign = running
        .try_call(Method::GET, &format!("/api/account?shop_id={SHOP}"), Some("key-fr"), None)
        .await
        .unwrap();
    assert_eq!(foreign.status, StatusCode::UNAUTHORIZED);
    let listed = running
        .try_call(Method::GET, &format!("/api/orders?order_ids={order_id}"), Some("key-fr"), None)
        .await
        .unwrap();
    assert_eq!(listed.json["total_count"], 0);
    let version = running.try_call(Method::GET, "/api/version", None, None).await.unwrap();
    assert_eq!(version.status, StatusCode::OK);
}

#[tokio::test]
async fn pages_follow_their_links_to_every_order_once() {
    let running = Running::start(json!({}), None).await;
    let brought: BTreeSet<String> =
        running.bring(json!({"shop_id": SHOP, "count": 25})).await.into_iter().collect();
    assert_eq!(
        running.get("/api/orders").await.json["orders"].as_array().unwrap().len(),
        10,
        "ten unless asked for more"
    );
    let mut seen = Vec::new();
    let mut next =
        Some("/api/orders?order_state_codes=WAITING_ACCEPTANCE,STAGING&max=10".to_owned());
    while let Some(path) = next {
        let page = running.get(&path).await;
        seen.extend(
            page.json["orders"]
                .as_array()
                .unwrap()
                .iter()
                .map(|order| order["order_id"].as_str().unwrap().to_owned()),
        );
        let links = page.link.unwrap_or_default();
        assert_eq!(links.contains("rel=\"previous\""), path.contains("offset"));
        let link = links.split(", ").find(|link| link.contains("rel=\"next\"")).map(str::to_owned);
        next = link.map(|link| {
            link.split(['<', '>']).nth(1).unwrap().trim_start_matches(&running.url).to_owned()
        });
    }
    assert_eq!((seen.len(), seen.into_iter().collect()), (25, brought));
}

#[tokio::test]
async fn limits_are_told_in_mirakls_words() {
    let running = Running::start(json!({}), None).await;
    let ids = vec!["A"; 101].join(",");
    let many = running.get(&format!("/api/orders?order_ids={ids}")).await;
    assert_eq!(many.json["message"], "The limit of 100 is exceeded for the parameter : order_ids");
    let long = running.get("/api/orders?max=101").await;
    assert_eq!((long.status, long.json["status"].as_u64()), (StatusCode::BAD_REQUEST, Some(400)));
    assert_eq!(
        running.get("/api/orders?order_state_codes=SOLD").await.status,
        StatusCode::BAD_REQUEST
    );
    let running = Running::start(json!({"call_interval_seconds": 3600}), None).await;
    for _ in 0..2 {
        assert_eq!(running.get("/api/orders").await.status, StatusCode::OK);
    }
    let third = running.get("/api/orders").await;
    assert_eq!(third.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(third.retry_after.unwrap().parse::<u64>().unwrap() > 3000);
    assert_eq!(
        running.get("/api/orders?offset=10").await.status,
        StatusCode::OK,
        "further pages are free"
    );
    let other = running.try_call(Method::GET, "/api/orders", Some("key-fr"), None).await.unwrap();
    assert_eq!(other.status, StatusCode::OK, "each shop has its own limit");
}

/// An answer is lost after its effect, and a connection is broken before it.
#[tokio::test]
async fn a_lost_answer_had_its_effect_and_a_broken_connection_none() {
    let running = Running::start(json!({"debit_seconds": 3600}), None).await;
    let ids = running.bring(json!({"shop_id": SHOP, "count": 1, "lines": 1})).await;
    let body = json!({"order_lines": [{"accepted": true, "id": format!("{}-1", ids[0])}]});
    let path = format!("/api/orders/{}/accept", ids[0]);
    let state = async || {
        running.get("/simulator/state").await.json["orders"][0]["state"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    running.misbehave("OR21", json!({"kind": "broken_connection"})).await;
    assert!(
        running.try_call(Method::PUT, &path, Some("key-uk"), Some(body.clone())).await.is_err()
    );
    assert_eq!(state().await, "WAITING_ACCEPTANCE");
    running.misbehave("OR21", json!({"kind": "lost_answer"})).await;
    assert!(running.try_call(Method::PUT, &path, Some("key-uk"), Some(body)).await.is_err());
    assert_eq!(state().await, "WAITING_DEBIT");
    running.misbehave("OR11", json!({"kind": "cut_answer"})).await;
    assert!(running.try_call(Method::GET, "/api/orders", Some("key-uk"), None).await.is_err());
    running.misbehave("OR11", json!({"kind": "too_many_requests", "retry_after": 7})).await;
    assert_eq!(running.get("/api/orders").await.retry_after.as_deref(), Some("7"));
    running.misbehave("OR11", json!({"kind": "html_error_page", "status": 503})).await;
    let page = running.get("/api/orders").await;
    assert_eq!(
        (page.status, page.text.starts_with("<html>")),
        (StatusCode::SERVICE_UNAVAILABLE, true)
    );
    let calls = running.get("/simulator/calls").await.json;
    assert_eq!(
        (calls["OR21 lost_answer"].as_u64(), calls["OR21 broken_connection"].as_u64()),
        (Some(1), Some(1))
    );
}

#[tokio::test]
async fn old_platforms_and_new_states_are_shown_as_such() {
    let running = Running::start(
        json!({"old_shapes": true, "unknown_state": "WAITING_SCORING", "payment_seconds": 3600}),
        None,
    )
    .await;
    let ids = running.bring(json!({"shop_id": SHOP, "count": 1, "unknown_sku": true})).await;
    let listed = running.get("/api/orders").await.json;
    assert!(listed.get("total_count").is_none() && listed["orders"][0]["promotions"] == json!({}));
    assert!(listed["orders"][0]["customer"].get("shipping_address").is_none());
    assert!(
        listed["orders"][0]["order_lines"][0]["offer_sku"].as_str().unwrap().starts_with("NOSUCH-")
    );
    running.accept(&ids[0]).await;
    assert_eq!(
        running.get("/api/orders").await.json["orders"][0]["order_state"],
        "WAITING_SCORING"
    );
    assert_eq!(
        running.get("/api/orders?order_state_codes=WAITING_DEBIT_PAYMENT").await.json["orders"],
        json!([])
    );
}

#[tokio::test]
async fn amounts_come_with_varying_digits() {
    let running = Running::start(json!({}), None).await;
    running.bring(json!({"shop_id": SHOP, "count": 30})).await;
    let text = running.get("/api/orders?max=100").await.text;
    let prices: Vec<&str> =
        text.split("\"price_unit\":").skip(1).filter_map(|rest| rest.split(',').next()).collect();
    let digits: BTreeSet<usize> =
        prices.iter().map(|price| price.split('.').nth(1).map_or(0, str::len)).collect();
    assert!(
        digits.contains(&4) && digits.contains(&2) && digits.iter().any(|digits| *digits < 2),
        "{prices:?}"
    );
}
