//! Traffic of every operation, recorded for a check against Mirakl's own description of its API.

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};

use super::SHOP;
use super::seller_api::Running;

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The recording stays at `MIRAKL_TRAFFIC`, if that is set, for whoever holds it against the
/// published document.
fn recording() -> PathBuf {
    std::env::var_os("MIRAKL_TRAFFIC").map_or_else(
        || std::env::temp_dir().join(format!("mirakl-traffic-{}.jsonl", std::process::id())),
        PathBuf::from,
    )
}

/// Every operation on offers, with lines that fail among those that do not.
async fn trade_in_offers(running: &Running) {
    running
        .call(
            Method::POST,
            &format!("/simulator/shops/{SHOP}/offers/generate"),
            Some(json!({"seed": 1, "pieces": [0, 5]})),
        )
        .await;
    let stock =
        "\"offer-sku\";\"quantity\";\"warehouse-code\";\"update-delete\"\nNOSUCH;1;;\nNONE;-1;;\n";
    let sent = running.upload("/api/offers/stock/imports", stock, &[]).await.json;
    let import = format!("/api/offers/stock/imports/{}", sent["import_id"].as_str().unwrap());
    let sent = running
        .upload(
            "/api/offers/imports",
            "sku;quantity;update-delete\nNOSUCH;1;\n",
            &[("import_mode", "NORMAL")],
        )
        .await
        .json;
    let older = format!("/api/offers/imports/{}", sent["import_id"]);
    for path in [
        format!("{import}/status"),
        format!("{import}/error_report"),
        older.clone(),
        format!("{older}/error_report"),
    ] {
        assert!(running.get(&path).await.status.is_success(), "{path}");
    }
    assert_eq!(running.upload("/api/offers/stock/imports", "nothing", &[]).await.status, 400);
    assert_eq!(running.get("/api/offers/stock/imports/none/status").await.status, 404);
    running.get("/api/offers?max=100&offset=0").await;
    let wish = json!({"export_type": "application/json", "items_per_chunk": 10000, "include_inactive_offers": true});
    let tracking = running.call(Method::POST, "/api/offers/export/async", Some(wish)).await.json;
    let status = running
        .get(&format!(
            "/api/offers/export/async/status/{}",
            tracking["tracking_id"].as_str().unwrap()
        ))
        .await
        .json;
    let file = status["urls"][0].as_str().unwrap().trim_start_matches(&running.url).to_owned();
    assert!(running.get(&file).await.status.is_success());
}

/// Every operation on what the marketplace paid and deducted, with a payout and without one.
async fn read_the_books(running: &Running) {
    let mut settings = running.get("/simulator/settings").await.json;
    settings["automatic_acceptance"] = json!(true);
    running.call(Method::PUT, "/simulator/settings", Some(settings)).await;
    super::finance::prepare(running, json!({"subscription": "39.00"})).await;
    let log = "/api/sellerpayment/transactions_logs";
    let page = running.get(&format!("{log}?limit=5&sort=lastUpdated,ASC")).await.json;
    let next = page["next_page_token"].as_str().unwrap();
    assert!(running.get(&format!("{log}?page_token={next}")).await.status.is_success());
    let cycle = running.get("/api/seller-billing-cycles?limit=1000").await.json["data"][0].clone();
    let id = cycle["id"].as_str().unwrap();
    let pay = format!("/simulator/shops/{SHOP}/cycles/{id}/pay");
    assert!(running.call(Method::POST, &pay, None).await.status.is_success());
    running.get(&format!("{log}?limit=2000&seller_billing_cycle_id={id}")).await;
    running.get("/api/seller-billing-cycles?pay_out_state=PAID").await;
    let documents = running.get("/api/invoices?type=ALL&max=100").await.json;
    let number = &documents["invoices"][0]["invoice_id"];
    assert!(running.get(&format!("/api/invoices/{number}")).await.status.is_success());
    let wish = json!({"format": "NDJSON"});
    let export = running.call(Method::POST, &format!("{log}/async"), Some(wish)).await.json;
    let id = export["tracking_id"].as_str().unwrap();
    assert!(running.get(&format!("{log}/async/status/{id}")).await.status.is_success());
}

#[tokio::test]
async fn every_operation_is_recorded_without_a_key() {
    let path = recording();
    let running =
        Running::start(json!({"payment_seconds": 1, "import_wait_seconds": 0, "import_run_seconds": 0, "export_seconds": 0}), Some(&path))
            .await;
    for path in ["/api/version", "/api/account", "/api/platform/configuration"] {
        assert!(running.get(path).await.status.is_success());
    }
    assert_eq!(
        running.try_call(Method::GET, "/api/account", None, None).await.unwrap().status,
        401
    );
    let ids = running.bring(json!({"shop_id": SHOP, "count": 100, "unknown_sku_share": 0.1, "payment_fails_share": 0.1})).await;
    running.bring(json!({"shop_id": 2002, "count": 100, "seed": 9})).await;
    for id in &ids[..60] {
        assert_eq!(running.accept(id).await.status, 204);
    }
    for id in &ids[5..20] {
        running
            .call(
                Method::POST,
                &format!("/simulator/orders/{id}/lines/{id}-1/cancel"),
                Some(json!({"quantity": 1})),
            )
            .await;
    }
    for id in &ids[20..25] {
        running.call(Method::POST, &format!("/simulator/orders/{id}/cancel"), None).await;
    }
    // Until the first order is paid: the time of the payment is the simulator's own.
    while running.get("/simulator/state").await.json["orders"][0]["state"] != "SHIPPING" {}
    running.call(Method::POST, &format!("/simulator/orders/{}/ship", ids[0]), None).await;
    running.accept(&ids[0]).await;
    let reference = |id: &str, reference: &str| json!({"order_id": id, "references": {"order_reference_for_seller": reference}});
    let references = json!({"orders": [reference(&ids[0], "MK-1"), reference("NONE-A", "MK-2"), reference(&ids[1], " ")]});
    running.call(Method::PUT, "/api/orders", Some(references)).await;
    running
        .call(
            Method::PUT,
            "/api/orders/NONE-A/accept",
            Some(json!({"order_lines": [{"accepted": true, "id": "1"}]})),
        )
        .await;
    for offset in [0, 50, 90] {
        running.get(&format!("/api/orders?max=50&offset={offset}&start_update_date=2026-01-01T00:00:00Z&sort=dateCreated&order=asc")).await;
    }
    running.try_call(Method::GET, "/api/orders?max=100", Some("key-fr"), None).await.unwrap();
    trade_in_offers(&running).await;
    read_the_books(&running).await;
    running.misbehave("OR21", json!({"kind": "lost_answer"})).await;
    let body = json!({"order_lines": [{"accepted": true, "id": format!("{}-1", ids[99])}]});
    assert!(
        running
            .try_call(
                Method::PUT,
                &format!("/api/orders/{}/accept", ids[99]),
                Some("key-uk"),
                Some(body)
            )
            .await
            .is_err()
    );
    running.misbehave("OR11", json!({"kind": "html_error_page", "status": 502})).await;
    running.get("/api/orders").await;
    running.misbehave("OR11", json!({"kind": "server_error", "status": 503})).await;
    running.get("/api/orders").await;
    drop(running);

    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains("key-uk") && !text.contains("key-fr"));
    let entries = lines(&path);
    let faults: Vec<&str> = entries.iter().filter_map(|entry| entry["_fault"].as_str()).collect();
    assert_eq!(faults, ["lost_answer", "html_error_page", "server_error"]);
    assert!(
        entries
            .iter()
            .all(|entry| entry["request"]["url"].as_str().unwrap().starts_with("http://127.0.0.1"))
    );
    if std::env::var_os("MIRAKL_TRAFFIC").is_none() {
        std::fs::remove_file(&path).unwrap();
    }
}
