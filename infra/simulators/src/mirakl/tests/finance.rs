//! The transaction log, the cycles and the documents over a real connection.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::SHOP;
use super::seller_api::Running;

/// A shop with orders that are paid and shipped, something manual, and one cycle that is closed.
async fn with_a_cycle(billing: Value) -> (Running, Value) {
    let running = Running::start(json!({"automatic_acceptance": true}), None).await;
    prepare(&running, billing).await;
    let books = books(&running).await;
    (running, books)
}

pub(super) async fn prepare(running: &Running, billing: Value) {
    let shop = format!("/simulator/shops/{SHOP}");
    let done = running.call(Method::PUT, &format!("{shop}/billing"), Some(billing)).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT);
    let bring = json!({"shop_id": SHOP, "count": 12, "seed": 3});
    let brought = running.call(Method::POST, "/simulator/orders", Some(bring)).await.json;
    for id in brought["order_ids"].as_array().unwrap() {
        let id = id.as_str().unwrap();
        // Until it is paid: the time of the payment is the simulator's own.
        while !is_paid(running, id).await {}
        running.call(Method::POST, &format!("/simulator/orders/{id}/ship"), None).await;
    }
    let credit = json!({"kind": "MANUAL_CREDIT", "amount": "10.00", "taxed": true, "currency": "GBP", "reference": "LOST-1"});
    running.call(Method::POST, &format!("{shop}/ledger"), Some(credit)).await;
    let closed = running.call(Method::POST, &format!("{shop}/cycles/close"), None).await.json;
    assert_eq!(closed["closed"], 1);
}

async fn is_paid(running: &Running, order_id: &str) -> bool {
    let state = running.get("/simulator/state").await.json;
    let order = state["orders"]
        .as_array()
        .unwrap()
        .iter()
        .find(|order| order["order_id"] == order_id)
        .unwrap();
    !matches!(order["state"].as_str(), Some("WAITING_DEBIT" | "WAITING_DEBIT_PAYMENT"))
}

async fn books(running: &Running) -> Value {
    running.get(&format!("/simulator/shops/{SHOP}/ledger")).await.json
}

async fn pages(running: &Running, first: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut path = format!("/api/sellerpayment/transactions_logs?{first}");
    loop {
        let page = running.get(&path).await.json;
        pages.push(page["data"].as_array().unwrap().clone());
        let Some(token) = page["next_page_token"].as_str() else { return pages };
        path = format!("/api/sellerpayment/transactions_logs?page_token={token}");
    }
}

#[tokio::test]
async fn the_log_is_read_page_by_page_each_line_once() {
    let (running, books) = with_a_cycle(json!({})).await;
    let all = books["entries"].as_array().unwrap();
    let pages = pages(&running, "limit=7&sort=lastUpdated,ASC").await;
    assert!(pages.len() > 2 && pages.iter().all(|page| page.len() <= 7));
    let ids: Vec<&str> = pages.iter().flatten().map(|line| line["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), all.len());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    let usual = running.get("/api/sellerpayment/transactions_logs").await.json;
    assert_eq!(usual["data"].as_array().unwrap().len(), 10, "by default ten, the newest first");
    let many = running.get("/api/sellerpayment/transactions_logs?limit=2001").await;
    assert_eq!(many.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_cycle_its_lines_and_its_document_say_the_same() {
    let (running, _) = with_a_cycle(json!({})).await;
    let cycle = running.get("/api/seller-billing-cycles?limit=1000").await.json["data"][0].clone();
    let id = cycle["id"].as_str().unwrap();
    let lines = pages(&running, &format!("limit=2000&seller_billing_cycle_id={id}")).await;
    let amount = |line: &Value, name: &str| line[name].to_string().parse::<f64>().unwrap();
    let sum: f64 = lines
        .iter()
        .flatten()
        .map(|line| amount(line, "amount_credited") - amount(line, "amount_debited"))
        .sum();
    let transfer = amount(&cycle, "amount_transferred_to_seller");
    assert!((sum - transfer).abs() < 0.005, "{sum} {transfer}");
    let auto = running.get("/api/invoices").await.json;
    assert_eq!(auto["total_count"], 1, "automatic ones alone, unless all are asked for");
    assert_eq!(
        auto["invoices"][0]["summary"]["amount_transferred"],
        cycle["amount_transferred_to_seller"]
    );
    let all = running.get("/api/invoices?type=ALL&max=100").await.json;
    assert_eq!(all["total_count"], 2);
    let number = &auto["invoices"][0]["invoice_id"];
    assert_eq!(running.get(&format!("/api/invoices/{number}")).await.status, StatusCode::OK);
    assert_eq!(running.get("/api/invoices/999").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_cycle_is_paid_fails_and_is_paid_after_all() {
    let (running, books) = with_a_cycle(json!({})).await;
    let id = books["cycles"][0]["id"].as_str().unwrap();
    let cycles = format!("/simulator/shops/{SHOP}/cycles/{id}");
    let reason = json!({"reason": "INCOMPLETE_KYC"});
    running.call(Method::POST, &format!("{cycles}/fail"), Some(reason)).await;
    let failed = running.get("/api/seller-billing-cycles?pay_out_state=FAILED").await.json;
    assert_eq!(failed["data"][0]["pay_out"]["failure_reason"], "INCOMPLETE_KYC");
    running.call(Method::POST, &format!("{cycles}/pay"), None).await;
    let paid = running.get("/api/seller-billing-cycles").await.json;
    assert_eq!(paid["data"][0]["pay_out"]["state"], "PAID");
    let again = running.call(Method::POST, &format!("{cycles}/pay"), None).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    let payments = pages(
        &running,
        &format!("limit=2000&transaction_type=PAYMENT&seller_billing_cycle_id={id}"),
    )
    .await;
    assert_eq!(payments[0].len(), 1);
}

#[tokio::test]
async fn lines_are_spoilt_as_they_are_listed() {
    let (running, books) = with_a_cycle(json!({})).await;
    let entries = books["entries"].as_array().unwrap();
    let spoil = async |place: usize, how: Value| {
        let id = entries[place]["id"].as_str().unwrap();
        let path = format!("/simulator/shops/{SHOP}/ledger/{id}/spoil");
        let done = running.call(Method::POST, &path, Some(how)).await;
        assert_eq!(done.status, StatusCode::NO_CONTENT);
        id.to_owned()
    };
    let hidden = spoil(0, json!({"what": "hide"})).await;
    let repeated = spoil(1, json!({"what": "repeat"})).await;
    let renamed = spoil(2, json!({"what": "show_as", "code": "LOYALTY_FEE"})).await;
    let bare = spoil(3, json!({"what": "without_amounts"})).await;
    let lines: Vec<Value> = pages(&running, "limit=2000").await.concat();
    let of = |id: &str| lines.iter().filter(|line| line["id"] == id).collect::<Vec<_>>();
    assert!(of(&hidden).is_empty());
    assert_eq!(of(&repeated).len(), 1, "the second has another id");
    assert_eq!(lines.len(), entries.len());
    assert_eq!(of(&renamed)[0]["type"], "LOYALTY_FEE");
    assert!(of(&bare)[0]["amount_credited"].is_null());
    spoil(0, json!({"what": "mend"})).await;
    let lines: Vec<Value> = pages(&running, "limit=2000").await.concat();
    assert_eq!(lines.len(), entries.len() + 1);
}

#[tokio::test]
async fn an_export_of_the_log_has_all_its_lines_in_files() {
    let (running, books) = with_a_cycle(json!({})).await;
    let log = "/api/sellerpayment/transactions_logs";
    let wish = json!({"format": "NDJSON", "items_per_chunk": 10});
    let begun = running.call(Method::POST, &format!("{log}/async"), Some(wish)).await.json;
    let id = begun["tracking_id"].as_str().unwrap().to_owned();
    let status = loop {
        let status = running.get(&format!("{log}/async/status/{id}")).await.json;
        if status["status"] == "COMPLETED" {
            break status;
        }
    };
    let urls = status["urls"].as_array().unwrap();
    let mut lines = 0;
    for url in urls {
        let path = url.as_str().unwrap();
        let path = &path[path.find("/api").unwrap()..];
        let file = running.get(path).await.text;
        lines += file.lines().count();
    }
    assert!(urls.len() > 1);
    assert_eq!(lines, books["entries"].as_array().unwrap().len());
}

#[tokio::test]
async fn the_log_may_be_read_twenty_times_a_minute() {
    let running =
        Running::start(json!({"automatic_acceptance": true, "call_interval_seconds": 60}), None)
            .await;
    prepare(&running, json!({})).await;
    let mut refused = 0;
    for _ in 0..25 {
        let answer = running.get("/api/sellerpayment/transactions_logs?limit=1").await;
        refused += usize::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(refused, 5);
    assert_eq!(running.get("/api/invoices").await.status, StatusCode::OK);
    assert_eq!(
        running.get("/api/invoices").await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "once a day"
    );
}

#[tokio::test]
async fn an_old_platform_leaves_out_what_its_schema_does_not_require() {
    let (running, _) = with_a_cycle(json!({"sparse": true, "text_ids": true})).await;
    let line = &running.get("/api/sellerpayment/transactions_logs").await.json["data"][0];
    assert!(line["balance"].is_null() && line["entities"].is_null());
    let invoice = &running.get("/api/invoices").await.json["invoices"][0];
    assert!(invoice["invoice_id"].is_string());
    let not_billed = running
        .try_call(Method::GET, "/api/sellerpayment/transactions_logs", Some("key-fr"), None)
        .await
        .unwrap();
    assert_eq!(not_billed.status, StatusCode::NOT_FOUND, "a shop that is not billed");
}
