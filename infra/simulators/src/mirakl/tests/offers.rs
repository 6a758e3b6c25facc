//! Offers and their imports: the rules without network, and the operations over a real connection.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::super::model::{
    ImportFate, ImportKind, ImportLine, ImportStatus, Marketplace, NewOffer, Settings,
};
use super::seller_api::Running;
use super::*;

const HEADING: &str = "\"offer-sku\";\"quantity\";\"warehouse-code\";\"update-delete\"";

/// A marketplace of which a shop offers ten pieces of A and B.
fn offering(settings: Settings) -> Marketplace {
    let mut marketplace =
        Marketplace::new(Settings { import_wait_seconds: 10, import_run_seconds: 5, ..settings });
    let offers =
        ["A", "B"].map(|sku| NewOffer { shop_sku: sku.to_owned(), quantity: 10, active: true });
    marketplace.set_offers(SHOP, offers, start());
    marketplace
}

fn quantity(marketplace: &Marketplace, sku: &str) -> u32 {
    marketplace.offer(SHOP, sku).unwrap().quantity
}

/// An order of so many pieces.
fn order_of(number: u64, sku: &str, pieces: u32) -> Order {
    let mut order = an_order(number, 1);
    order.lines[0].offer_sku = sku.to_owned();
    order.lines[0].quantity = pieces;
    order
}

fn import(marketplace: &mut Marketplace, sku: &str, pieces: u32, at: i64) -> String {
    marketplace.begin_import(ImportKind::Stock, SHOP, vec![ImportLine::set(sku, pieces)], after(at))
}

fn status(marketplace: &Marketplace, id: &str, at: i64) -> Option<ImportStatus> {
    marketplace.import(ImportKind::Stock, SHOP, id).map(|import| import.status(after(at)))
}

#[test]
fn a_sale_lowers_its_offer_and_none_goes_beyond_it() {
    let mut marketplace = offering(Settings::default());
    assert!(marketplace.place(order_of(1, "A", 7), start()));
    assert_eq!(quantity(&marketplace, "A"), 3);
    assert!(!marketplace.place(order_of(2, "A", 4), start()), "only three are left");
    assert!(marketplace.order(&order_of(2, "A", 4).order_id).is_none());
    assert_eq!((quantity(&marketplace, "A"), marketplace.refused_sales()), (3, 1));
    assert!(
        marketplace.place(order_of(3, "NOSUCH", 4), start()),
        "what is not offered here has no limit"
    );
    marketplace.set_offers(
        SHOP,
        [NewOffer { shop_sku: "B".to_owned(), quantity: 10, active: false }],
        start(),
    );
    assert!(!marketplace.place(order_of(4, "B", 1), start()));
    let mut both = an_order(5, 2);
    for line in &mut both.lines {
        line.offer_sku = "A".to_owned();
        line.quantity = 2;
    }
    assert!(!marketplace.place(both, start()), "two lines of one offer count together");
}

#[test]
fn a_cancellation_restocks_only_where_the_marketplace_does_so() {
    for (restock, left) in [(false, 3), (true, 8)] {
        let mut marketplace =
            offering(Settings { cancellations_restock: restock, ..Settings::default() });
        let order = order_of(1, "A", 7);
        marketplace.place(order.clone(), start());
        assert!(marketplace.cancel_line(
            &order.order_id,
            &order.lines[0].order_line_id,
            5,
            after(1)
        ));
        assert_eq!(quantity(&marketplace, "A"), left);
        assert!(marketplace.cancel(&order.order_id, after(2)));
        assert_eq!(quantity(&marketplace, "A"), if restock { 10 } else { 3 });
    }
}

/// A clock that jumps keeps imports and cancellations in their order.
#[test]
fn imports_and_cancellations_keep_order_over_a_clock_jump() {
    let mut marketplace = offering(Settings {
        cancellations_restock: true,
        acceptance_window_seconds: 5,
        ..Settings::default()
    });
    import(&mut marketplace, "A", 50, 0);
    marketplace.place(order_of(1, "A", 4), start());
    marketplace.place(order_of(2, "A", 3), after(14));
    marketplace.advance(after(100));
    assert_eq!(quantity(&marketplace, "A"), 53, "four came back before the import, three after");
}

#[test]
fn imports_wait_run_and_are_applied_in_their_order() {
    let mut marketplace = offering(Settings::default());
    let first = import(&mut marketplace, "A", 50, 0);
    let second = import(&mut marketplace, "A", 60, 1);
    assert_eq!([9, 10, 15].map(|at| status(&marketplace, &first, at).unwrap()), {
        use ImportStatus::{Complete, Running, Waiting};
        [Waiting, Running, Complete]
    });
    marketplace.advance(after(14));
    assert_eq!((quantity(&marketplace, "A"), marketplace.next_due()), (10, Some(after(15))));
    // What is sold meanwhile is overwritten.
    marketplace.place(order_of(1, "A", 4), after(14));
    marketplace.advance(after(15));
    assert_eq!(quantity(&marketplace, "A"), 50);
    assert_eq!(status(&marketplace, &second, 15), Some(ImportStatus::Running));
    marketplace.advance(after(20));
    assert_eq!(quantity(&marketplace, "A"), 60);
    marketplace.forget_imports(after(16));
    assert_eq!((status(&marketplace, &first, 20), marketplace.imports().count()), (None, 1));
}

#[test]
fn a_spoilt_import_fails_vanishes_or_overtakes_later_ones() {
    let mut marketplace = offering(Settings::default());
    let fates = [
        ImportFate::Fails,
        ImportFate::Lost { applied: false },
        ImportFate::Lost { applied: true },
        ImportFate::Stuck { seconds: 600 },
    ];
    marketplace.spoil_imports(SHOP, fates);
    let ids: Vec<String> = (1..=5).map(|pieces| import(&mut marketplace, "A", pieces, 0)).collect();
    let mut seen = Vec::new();
    for at in [15, 20, 25, 30, 35, 630] {
        marketplace.advance(after(at));
        seen.push(quantity(&marketplace, "A"));
    }
    assert_eq!(seen, [10, 10, 3, 3, 5, 4], "the stuck one overwrites the last");
    assert_eq!(status(&marketplace, &ids[0], 630), Some(ImportStatus::Failed));
    assert_eq!(
        (status(&marketplace, &ids[1], 630), status(&marketplace, &ids[2], 1)),
        (None, None)
    );
    assert_eq!(
        [600, 630].map(|at| status(&marketplace, &ids[3], at).unwrap()),
        [ImportStatus::Running, ImportStatus::Complete]
    );
}

async fn offered(settings: Value) -> Running {
    let running = Running::start(settings, None).await;
    let offers: Vec<Value> =
        ["A", "B", "C"].iter().map(|sku| json!({"shop_sku": sku, "quantity": 10})).collect();
    assert_eq!(
        running.call(Method::PUT, "/simulator/shops/2001/offers", Some(json!(offers))).await.status,
        StatusCode::NO_CONTENT
    );
    running
}

fn at_once() -> Value {
    json!({"import_wait_seconds": 0, "import_run_seconds": 0, "export_seconds": 0})
}

#[tokio::test]
async fn a_stock_file_is_applied_but_for_its_faulty_lines() {
    let running = offered(at_once()).await;
    let long = "S".repeat(41);
    let file = format!(
        "{HEADING}\n\"A\";\"25\";\"\";\"\"\nB;;;delete\nNOSUCH;1;;\nC;-1;;\nC;1.5;;\n{long};1;;\nC;1000000001;;\nC;1;LEEDS;\nC;1;;replace\n\"\";1;;\n"
    );
    let sent = running.upload("/api/offers/stock/imports", &file, &[]).await;
    assert_eq!(sent.status, StatusCode::CREATED);
    let id = sent.json["import_id"].as_str().unwrap();
    let location = sent.location.unwrap();
    assert_eq!(location, format!("{}/api/offers/stock/imports/{id}/status", running.url));
    let status = running.get(location.trim_start_matches(&running.url)).await.json;
    assert_eq!(status["status"], "COMPLETE");
    assert_eq!((&status["lines_in_success"], &status["lines_in_error"]), (&json!(2), &json!(8)));
    assert_eq!((&status["has_error_report"], &status["shop_id"]), (&json!(true), &json!(SHOP)));
    let report = running.get(&format!("/api/offers/stock/imports/{id}/error_report")).await;
    let lines: Vec<&str> = report.text.lines().collect();
    assert_eq!(lines.len(), 9);
    assert!(lines[0].ends_with(HEADING), "{}", lines[0]);
    assert_eq!(lines[1], "\"3\";\"The offer does not exist\";\"NOSUCH\";\"1\";\"\";\"\"");
    for (line, told) in lines[2..].iter().zip([
        "'-1'",
        "'1.5'",
        "40 characters",
        "1000000000",
        "LEEDS",
        "'replace'",
        "required",
    ]) {
        assert!(line.contains(told), "{line} does not say {told}");
    }
    let stock = running.get("/simulator/stock").await.json;
    let offers = stock["shops"][0]["offers"].as_array().unwrap();
    assert_eq!(
        offers.iter().map(|offer| offer["quantity"].as_u64().unwrap()).collect::<Vec<_>>(),
        [25, 0, 10]
    );
    assert_eq!(stock["imports"][0]["import"]["errors"].as_array().unwrap().len(), 8);
    let foreign = running
        .try_call(
            Method::GET,
            &format!("/api/offers/stock/imports/{id}/status"),
            Some("key-fr"),
            None,
        )
        .await
        .unwrap();
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_refused() {
    let running = offered(at_once()).await;
    for file in ["", "sku;amount\nA;1\n", "offer-sku;update-delete\nA;\n"] {
        assert_eq!(
            running.upload("/api/offers/stock/imports", file, &[]).await.status,
            StatusCode::BAD_REQUEST,
            "{file}"
        );
    }
    let no_file = running.call(Method::POST, "/api/offers/stock/imports", Some(json!({}))).await;
    assert_eq!(no_file.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        running.upload("/api/offers/stock/imports", "offer-sku,quantity\nA,3\n", &[]).await.status,
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn imports_and_exports_have_limits_of_their_own() {
    let running =
        offered(json!({"call_interval_seconds": 3600, "import_wait_seconds": 3600})).await;
    let file = format!("{HEADING}\nA;1;;\n");
    let id = running.upload("/api/offers/stock/imports", &file, &[]).await.json["import_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let again = running.upload("/api/offers/stock/imports", &file, &[]).await;
    assert_eq!((again.status, again.retry_after.is_some()), (StatusCode::TOO_MANY_REQUESTS, true));
    let path = format!("/api/offers/stock/imports/{id}/status");
    assert_eq!(running.get(&path).await.json["status"], "WAITING");
    let wait: u64 = running.get(&path).await.retry_after.unwrap().parse().unwrap();
    assert!((800..=810).contains(&wait), "a quarter of the hour, less a tenth: {wait}");
    assert_eq!(
        running.get(&format!("/api/offers/stock/imports/{id}/error_report")).await.status,
        StatusCode::NOT_FOUND
    );
    for (status, body) in [
        (200, json!({})),
        (429, json!({})),
        (200, json!({"last_request_date": "2026-01-01T00:00:00Z"})),
    ] {
        assert_eq!(
            running
                .call(Method::POST, "/api/offers/export/async", Some(body))
                .await
                .status
                .as_u16(),
            status
        );
    }
}

/// An import whose answer is lost took effect, and one that is lost itself did not.
#[tokio::test]
async fn lost_answers_follow_an_effect_and_lost_imports_have_none() {
    let running = offered(at_once()).await;
    running.misbehave("STO01", json!({"kind": "lost_answer"})).await;
    let request =
        running.try_upload("/api/offers/stock/imports", &format!("{HEADING}\nA;3;;\n"), &[]).await;
    assert!(request.is_err());
    let fates = json!([{"lost": {"applied": false}}, "fails", {"stuck": {"seconds": 3600}}]);
    running.call(Method::POST, "/simulator/shops/2001/import-fates", Some(fates)).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let sent = running
            .upload("/api/offers/stock/imports", &format!("{HEADING}\nA;4;;\n"), &[])
            .await
            .json;
        let status = running
            .get(&format!(
                "/api/offers/stock/imports/{}/status",
                sent["import_id"].as_str().unwrap()
            ))
            .await;
        seen.push((status.status.as_u16(), status.json["status"].clone()));
    }
    assert_eq!(seen, [(404, json!(404)), (200, json!("FAILED")), (200, json!("RUNNING"))]);
    assert_eq!(running.get("/simulator/stock").await.json["shops"][0]["offers"][0]["quantity"], 3);
}

#[tokio::test]
async fn a_customer_buys_what_is_offered_and_no_more() {
    let running = offered(at_once()).await;
    let buy = async |quantity: u32| {
        running
            .call(
                Method::POST,
                "/simulator/sales",
                Some(json!({"shop_id": SHOP, "sku": "A", "quantity": quantity})),
            )
            .await
    };
    let sold = buy(8).await;
    assert_eq!((sold.status, buy(8).await.status), (StatusCode::OK, StatusCode::CONFLICT));
    let listed = running
        .get(&format!("/api/orders?order_ids={}", sold.json["order_id"].as_str().unwrap()))
        .await
        .json;
    let line = &listed["orders"][0]["order_lines"][0];
    assert_eq!(
        (&line["offer_sku"], &line["quantity"], &line["offer_id"]),
        (&json!("A"), &json!(8), &json!(4_000_000))
    );
    assert_eq!(running.get("/simulator/stock").await.json["refused_sales"], 1);
}

#[tokio::test]
async fn offers_are_listed_in_pages_and_by_sku() {
    let running = offered(at_once()).await;
    let page = running.get("/api/offers?max=2&offset=2").await;
    assert_eq!(
        (&page.json["total_count"], &page.json["offers"][0]["shop_sku"]),
        (&json!(3), &json!("C"))
    );
    assert!(page.link.unwrap().contains("rel=\"previous\""));
    running.upload("/api/offers/stock/imports", &format!("{HEADING}\nB;0;;\n"), &[]).await;
    let one = running.get("/api/offers?sku=B").await.json;
    assert_eq!(one["offers"][0]["inactivity_reasons"], json!(["ZERO_QUANTITY"]));
    assert_eq!((&one["total_count"], &one["offers"][0]["active"]), (&json!(1), &json!(false)));
    running
        .call(
            Method::POST,
            "/simulator/shops/2001/offers/generate",
            Some(json!({"seed": 1, "pieces": [1, 5]})),
        )
        .await;
    assert_eq!(running.get("/api/offers").await.json["total_count"], 103);
}

#[tokio::test]
async fn an_export_comes_in_chunks_with_what_changed_or_with_all() {
    let running = offered(at_once()).await;
    let export = async |wish: Value| {
        let tracking =
            running.call(Method::POST, "/api/offers/export/async", Some(wish)).await.json;
        let path = format!(
            "/api/offers/export/async/status/{}",
            tracking["tracking_id"].as_str().unwrap()
        );
        let status = running.get(&path).await.json;
        assert_eq!(status["status"], "COMPLETED");
        let mut files = Vec::new();
        for url in status["urls"].as_array().unwrap() {
            files.push(
                running.get(url.as_str().unwrap().trim_start_matches(&running.url)).await.text,
            );
        }
        files
    };
    let csv =
        export(json!({"items_per_chunk": 2, "include_fields": ["shop-sku", "quantity"]})).await;
    assert_eq!(
        csv,
        [
            "\"shop-sku\";\"quantity\"\n\"A\";\"10\"\n\"B\";\"10\"\n",
            "\"shop-sku\";\"quantity\"\n\"C\";\"10\"\n"
        ]
    );
    let sent = running
        .upload(
            "/api/offers/imports",
            "sku;quantity;update-delete\nB;;delete\nC;0;\n",
            &[("import_mode", "NORMAL")],
        )
        .await;
    assert_eq!(sent.status, StatusCode::CREATED);
    let json = async |wish| -> Vec<Value> { serde_json::from_str(&export(wish).await[0]).unwrap() };
    assert_eq!(
        json(json!({"export_type": "application/json"})).await.len(),
        1,
        "deleted and sold out ones are left out"
    );
    let all =
        json(json!({"export_type": "application/json", "include_inactive_offers": true})).await;
    assert_eq!(all.iter().map(|offer| &offer["shop_sku"]).collect::<Vec<_>>(), ["A", "C"]);
    let changed = json(
        json!({"export_type": "application/json", "last_request_date": "2026-01-01T00:00:00Z"}),
    )
    .await;
    assert_eq!((changed.len(), &changed[1]["deleted"]), (3, &json!(true)));
    let pending = offered(json!({"export_seconds": 3600})).await;
    let tracking =
        pending.call(Method::POST, "/api/offers/export/async", Some(json!({}))).await.json;
    let id = tracking["tracking_id"].as_str().unwrap();
    assert_eq!(
        pending.get(&format!("/api/offers/export/async/status/{id}")).await.json["status"],
        "PENDING"
    );
    assert_eq!(
        pending
            .get(&format!("/api/offers/export/async/file/{id}?file=offers%2F0.csv"))
            .await
            .status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn the_older_offer_import_is_there_as_well() {
    let running = offered(at_once()).await;
    let file =
        "\"sku\";\"quantity\";\"update-delete\"\n\"A\";\"4\";\"update\"\n\"NOSUCH\";\"1\";\"\"\n";
    assert_eq!(
        running.upload("/api/offers/imports", file, &[]).await.status,
        StatusCode::BAD_REQUEST,
        "no import_mode"
    );
    let replace = running.upload("/api/offers/imports", file, &[("import_mode", "REPLACE")]).await;
    assert_eq!(replace.status, StatusCode::NOT_IMPLEMENTED);
    let sent = running.upload("/api/offers/imports", file, &[("import_mode", "NORMAL")]).await.json;
    let id = sent["import_id"].as_i64().unwrap();
    let status = running.get(&format!("/api/offers/imports/{id}")).await.json;
    assert_eq!(
        (&status["status"], &status["offer_updated"], &status["lines_in_error"]),
        (&json!("COMPLETE"), &json!(1), &json!(1))
    );
    let report = running.get(&format!("/api/offers/imports/{id}/error_report")).await.text;
    assert_eq!(
        report.lines().nth(1),
        Some("\"NOSUCH\";\"1\";\"\";\"2\";\"The product does not exist\"")
    );
}
