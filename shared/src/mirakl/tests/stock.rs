//! Imports of quantities, what became of them, and the offers as Mirakl holds them.

use std::time::Duration;

use jiff::Timestamp;

use super::server::{Marketplace, OLD_KEY, Reply, answer, cut, ok};
use crate::mirakl::error_report::LineError;
use crate::mirakl::stock::{
    ImportProgress, ListedOffer, MiraklStock, OffersExport, StockImport, UnreadableOffer,
};
use crate::mirakl::{MiraklError, Outcome};

const BUDGET: Duration = Duration::from_secs(60);

fn created(body: &str) -> Reply {
    answer("201 Created", "Location: https://example.invalid/status\r\n", body)
}

fn offer(sku: &str, quantity: u32) -> Result<ListedOffer, UnreadableOffer> {
    Ok(ListedOffer {
        offer_sku: sku.to_owned(),
        quantity: Some(quantity),
        active: None,
        deleted: None,
    })
}

#[tokio::test]
async fn a_file_goes_as_a_form_and_the_imports_id_comes_back_as_text() {
    let marketplace = Marketplace::with(vec![
        created(r#"{"import_id":"5c0e-7a"}"#),
        created(r#"{"import_id":2035,"product_import_id":null}"#),
    ]);
    let client = marketplace.client(BUDGET);
    assert_eq!(client.import_stock(b"\"offer-sku\"\n\"A\"\n".to_vec()).await.unwrap(), "5c0e-7a");
    // A file may hold what would be the boundary.
    assert_eq!(
        client.import_offers_quantities(b"\"--prima-mirakl-connector\"".to_vec()).await.unwrap(),
        "2035"
    );
    let requests = marketplace.requests();
    assert!(
        requests[0].starts_with("POST /api/offers/stock/imports?shop_id=2001 "),
        "{}",
        requests[0]
    );
    assert!(
        requests[0]
            .contains("content-type: multipart/form-data; boundary=prima-mirakl-connector\r\n"),
        "{}",
        requests[0]
    );
    let file_head = "Content-Disposition: form-data; name=\"file\"; filename=\"stock.csv\"\r\nContent-Type: text/csv\r\n\r\n";
    let body = format!(
        "\r\n\r\n--prima-mirakl-connector\r\n{file_head}\"offer-sku\"\n\"A\"\n\r\n--prima-mirakl-connector--\r\n"
    );
    assert!(requests[0].ends_with(&body), "{}", requests[0]);
    assert!(requests[1].starts_with("POST /api/offers/imports?shop_id=2001 "), "{}", requests[1]);
    assert!(requests[1].contains("boundary=prima-mirakl-connector-\r\n"), "{}", requests[1]);
    let mode = "--prima-mirakl-connector-\r\nContent-Disposition: form-data; name=\"import_mode\"\r\n\r\nNORMAL\r\n";
    assert!(requests[1].contains(mode), "{}", requests[1]);
}

/// A refused, an unsent and a lost import are told apart, and none is repeated blindly.
#[tokio::test]
async fn refused_unsent_and_lost_imports_get_no_blind_repeat() {
    let script: [(fn() -> Reply, Outcome); 6] = [
        (
            || answer("400 Bad Request", "", r#"{"status":400,"message":"Bad Request"}"#),
            Outcome::Refused,
        ),
        (|| Reply::HangUp, Outcome::Unknown),
        (cut, Outcome::Unknown),
        (|| answer("502 Bad Gateway", "", ""), Outcome::Unknown),
        (|| created("{}"), Outcome::Unknown),
        (|| answer("429 Too Many Requests", "Retry-After: 100\r\n", ""), Outcome::Refused),
    ];
    for (reply, outcome) in script {
        let marketplace = Marketplace::with(vec![reply(), created(r#"{"import_id":"twice"}"#)]);
        let problem = marketplace.client(BUDGET).import_stock(Vec::new()).await.unwrap_err();
        assert_eq!((problem.outcome, marketplace.requests().len()), (outcome, 1), "{problem}");
    }
    let mut marketplace = Marketplace::with(Vec::new());
    marketplace.base_url = "http://127.0.0.1:1".to_owned();
    assert_eq!(
        marketplace.client(BUDGET).import_stock(Vec::new()).await.unwrap_err().outcome,
        Outcome::NotSent
    );

    let marketplace = Marketplace::with(vec![
        answer("429 Too Many Requests", "Retry-After: 9\r\n", ""),
        created(r#"{"import_id":"one"}"#),
    ]);
    assert_eq!(marketplace.client(BUDGET).import_stock(Vec::new()).await.unwrap(), "one");
}

#[tokio::test]
async fn what_follows_from_an_imports_word_and_counts() {
    let read = |body: &str| serde_json::from_str::<StockImport>(body).unwrap().progress();
    let (complete, with_errors) = (ImportProgress::Complete, ImportProgress::CompleteWithErrors);
    let shapes = [
        (
            r#""status":"WAITING","has_error_report":false,"import_id":"a","shop_id":1,"date_created":"2026-11-20T10:00:00Z""#,
            ImportProgress::Running,
        ),
        (r#""status":"RUNNING""#, ImportProgress::Running),
        (r#""status":"QUEUED""#, ImportProgress::Running),
        (r#""status":"SENT""#, ImportProgress::Running),
        (
            r#""status":"WAITING_SYNCHRONIZATION_PRODUCT","lines_in_pending":3"#,
            ImportProgress::Running,
        ),
        (
            r#""status":"COMPLETE","has_error_report":false,"lines_in_error":0,"lines_in_success":3"#,
            complete.clone(),
        ),
        (r#""status":"COMPLETE","has_error_report":false"#, complete.clone()),
        (r#""status":"COMPLETE","lines_in_error":"0""#, complete),
        (r#""status":"COMPLETE","has_error_report":true,"lines_in_error":0"#, with_errors.clone()),
        (r#""status":"COMPLETE","has_error_report":false,"lines_in_error":1"#, with_errors.clone()),
        (r#""status":"COMPLETE","has_error_report":null,"lines_in_error":null"#, with_errors),
        (
            r#""status":"FAILED","reason_status":"no such column""#,
            ImportProgress::Failed(Some("no such column".to_owned())),
        ),
        (r#""status":"CANCELLED""#, ImportProgress::Failed(None)),
        (r#""status":"PAUSED""#, ImportProgress::Unknown("PAUSED".to_owned())),
    ];
    for (shape, progress) in shapes {
        assert_eq!(read(&format!("{{{shape}}}")), progress, "{shape}");
    }
    let lost =
        [MiraklError::unknown("STO02", "lost"), MiraklError::refused("STO02", 403, None, "no")];
    assert!(lost.into_iter().all(|problem| ImportProgress::of(&Err(problem)).is_none()));

    let marketplace = Marketplace::with(vec![
        ok(
            r#"{"status":"COMPLETE","has_error_report":true,"lines_in_error":2,"lines_in_success":7}"#,
        ),
        answer("404 Not Found", "", ""),
        ok(r#"{"status":"RUNNING"}"#),
        ok(r#"{"import_id":"a"}"#),
    ]);
    let client = marketplace.client(BUDGET);
    let import = client.stock_import("a/1").await.unwrap();
    assert_eq!((import.lines_in_error, import.lines_in_success), (Some(2), Some(7)));
    assert_eq!(ImportProgress::of(&client.stock_import("a").await), Some(ImportProgress::Gone));
    assert_eq!(ImportProgress::of(&client.offers_import("7").await), Some(ImportProgress::Running));
    assert_eq!(client.stock_import("a").await.unwrap_err().outcome, Outcome::Unknown);
    let requests = marketplace.requests();
    assert!(
        requests[0].starts_with("GET /api/offers/stock/imports/a%2F1/status?"),
        "{}",
        requests[0]
    );
    assert!(requests[2].starts_with("GET /api/offers/imports/7?"), "{}", requests[2]);
}

#[tokio::test]
async fn both_error_reports_are_read_and_a_cut_one_is_asked_for_again() {
    let csv = |body| answer("200 OK", "Content-Type: text/csv\r\n", body);
    let marketplace = Marketplace::with(vec![
        cut(),
        csv("\"a\";\"b\";\"offer-sku\";\"quantity\"\n\"4\";\"Unknown\";\"A\";\"1\"\n"),
        csv(
            "\"sku\";\"quantity\";\"update-delete\";\"error-line\";\"error-message\"\n\"A\";\"1\";\"update\";\"4\";\"Unknown\"\n",
        ),
        csv(""),
        answer("404 Not Found", "", ""),
    ]);
    let client = marketplace.client(BUDGET);
    let wanted = [LineError {
        line: Some(4),
        offer_sku: Some("A".to_owned()),
        reason: "Unknown".to_owned(),
    }];
    assert_eq!(client.stock_import_errors("a").await.unwrap(), wanted);
    assert_eq!(client.offers_import_errors("7").await.unwrap(), wanted);
    assert_eq!(client.stock_import_errors("a").await.unwrap(), []);
    assert_eq!(client.stock_import_errors("a").await.unwrap_err().status, Some(404));
    let requests = marketplace.requests();
    assert!(
        requests[1].starts_with("GET /api/offers/stock/imports/a/error_report?"),
        "{}",
        requests[1]
    );
    assert!(requests[2].starts_with("GET /api/offers/imports/7/error_report?"), "{}", requests[2]);
}

#[tokio::test]
async fn a_report_may_be_larger_than_other_answers() {
    let long = "x".repeat(17 << 20);
    let marketplace = Marketplace::with(vec![ok(&format!("a;b;offer-sku\n2;{long};A\n"))]);
    let errors = marketplace.client(BUDGET).stock_import_errors("a").await.unwrap();
    assert_eq!((errors.len(), errors[0].offer_sku.as_deref()), (1, Some("A")));
}

#[tokio::test]
async fn an_export_is_begun_in_full_or_since_a_moment_and_followed() {
    let tracked = || ok(r#"{"tracking_id":"t-1"}"#);
    let marketplace = Marketplace::with(vec![
        tracked(),
        Reply::HangUp,
        tracked(),
        ok(r#"{"status":"PENDING","last_updated":"2026-11-20T10:00:00.001Z"}"#),
        ok(r#"{"status":"COMPLETED","urls":["https://a/0.csv","https://a/1.csv"],"error":null}"#),
        ok(r#"{"status":"COMPLETED","urls":null}"#),
        ok(r#"{"status":"FAILED","error":{"code":1,"detail":"Internal error"}}"#),
        ok(r#"{"status":"FAILED"}"#),
        ok(r#"{"status":"CANCELED"}"#),
    ]);
    let client = marketplace.client(BUDGET);
    assert_eq!(client.begin_offers_export(None).await.unwrap(), "t-1");
    let since: Timestamp = "2026-11-20T09:00:00.5Z".parse().unwrap();
    assert_eq!(client.begin_offers_export(Some(since)).await.unwrap(), "t-1");
    let urls = vec!["https://a/0.csv".to_owned(), "https://a/1.csv".to_owned()];
    let failed = |reason: &str| OffersExport::Failed(reason.to_owned());
    let wanted = [
        OffersExport::Pending,
        OffersExport::Completed(urls),
        OffersExport::Completed(vec![]),
        failed("1: Internal error"),
        failed("no reason given"),
        OffersExport::Unknown("CANCELED".to_owned()),
    ];
    for export in wanted {
        assert_eq!(client.offers_export("t-1").await.unwrap(), export);
    }
    let requests = marketplace.requests();
    assert!(requests[0].starts_with("POST /api/offers/export/async?"), "{}", requests[0]);
    let fields = r#""export_type":"text/csv","include_fields":["shop-sku","quantity","active","deleted"],"items_per_chunk":100000"#;
    assert!(
        requests[0].ends_with(&format!(r#"{{{fields},"include_inactive_offers":true}}"#)),
        "{}",
        requests[0]
    );
    assert!(
        requests[2]
            .ends_with(&format!(r#"{{{fields},"last_request_date":"2026-11-20T09:00:00Z"}}"#)),
        "{}",
        requests[2]
    );
    assert!(requests[3].starts_with("GET /api/offers/export/async/status/t-1?"), "{}", requests[3]);
}

async fn download(
    marketplace: &Marketplace,
    url: &str,
    budget: Duration,
) -> (Vec<Result<ListedOffer, UnreadableOffer>>, Result<(), MiraklError>) {
    let mut offers = Vec::new();
    let outcome = marketplace.client(budget).exported_offers(url, |offer| offers.push(offer)).await;
    (offers, outcome)
}

#[tokio::test]
async fn the_key_goes_to_the_channels_own_host_alone() {
    let file = || ok("shop-sku;quantity\nA;1\nB;2");
    let own = Marketplace::with(vec![file()]);
    let url = format!("{}/api/offers/export/async/file/x?file=of52%2Foffers/0.csv", own.base_url);
    assert_eq!(download(&own, &url, BUDGET).await, (vec![offer("A", 1), offer("B", 2)], Ok(())));
    let request = own.requests().remove(0);
    assert!(
        request.starts_with("GET /api/offers/export/async/file/x?file=of52%2Foffers/0.csv HTTP"),
        "{request}"
    );
    assert!(request.contains(OLD_KEY), "{request}");

    let other = Marketplace::with(vec![file()]);
    let url = format!("{}/0.csv", other.base_url);
    assert_eq!(download(&own, &url, BUDGET).await.1, Ok(()));
    let request = other.requests().remove(0);
    assert!(
        !request.contains(OLD_KEY) && !request.to_ascii_lowercase().contains("authorization"),
        "{request}"
    );

    // Nor does it follow a redirect there.
    let target = Marketplace::with(vec![file()]);
    let redirecting = Marketplace::with(vec![answer(
        "302 Found",
        &format!("Location: {}/\r\n", target.base_url),
        "",
    )]);
    let url = redirecting.base_url.clone();
    let (offers, outcome) = download(&redirecting, &url, BUDGET).await;
    assert_eq!(
        (offers, outcome.unwrap_err().status, target.requests().len()),
        (vec![], Some(302), 0)
    );
}

#[test]
fn where_a_file_may_be_asked_for() {
    let mut marketplace = Marketplace::with(Vec::new());
    marketplace.base_url = "https://outfitter.mirakl.net".to_owned();
    let caller = marketplace.client(BUDGET).caller;
    let asked = |url| {
        caller.foreign_url("OF54", url).map(|(url, with_key)| (url.to_string(), with_key)).ok()
    };
    let told = |url: &str, with_key| Some((url.to_owned(), with_key));
    let own = "https://outfitter.mirakl.net/f?file=of52-export%offers/0.csv";
    assert_eq!(asked(own), told(own, true));
    assert_eq!(
        asked("HTTP://Outfitter.Mirakl.Net/f?file=of52-export%offers/0.csv"),
        told(own, true)
    );
    assert_eq!(
        asked("https://outfitter.mirakl.net:8443/f"),
        told("https://outfitter.mirakl.net:8443/f", false)
    );
    assert_eq!(asked("https://files.example/f"), told("https://files.example/f", false));
    assert_eq!(
        asked("https://outfitter.mirakl.net.evil.example/"),
        told("https://outfitter.mirakl.net.evil.example/", false)
    );
    for refused in [
        "http://files.example/f",
        "http://outfitter.mirakl.net:8080/f",
        "http://127.0.0.1/f",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "ftp://outfitter.mirakl.net/f",
        "https://outfitter.mirakl.net@files.example/f",
        "...",
        "",
    ] {
        assert_eq!(asked(refused), None, "{refused}");
    }
}

#[tokio::test]
async fn a_download_is_repeated_until_it_begins_and_not_once_it_has() {
    let busy = || answer("429 Too Many Requests", "Retry-After: 3\r\n", "");
    let marketplace = Marketplace::with(vec![
        busy(),
        Reply::HangUp,
        answer("503 Service Unavailable", "", ""),
        ok("shop-sku;quantity\nA;1\n"),
    ]);
    let url = marketplace.base_url.clone();
    assert_eq!(download(&marketplace, &url, BUDGET).await, (vec![offer("A", 1)], Ok(())));
    assert_eq!(marketplace.requests().len(), 4);

    let beginning =
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nshop-sku;quantity\nA;1\nB;2".to_vec();
    let marketplace =
        Marketplace::with(vec![Reply::Bytes(beginning.clone()), ok("shop-sku;quantity\nA;1\n")]);
    let (offers, outcome) = download(&marketplace, &marketplace.base_url, BUDGET).await;
    // Of the row that was cut, nothing is told.
    assert_eq!((offers, outcome.unwrap_err().outcome), (vec![offer("A", 1)], Outcome::Unknown));
    assert_eq!(marketplace.requests().len(), 1);

    let marketplace = Marketplace::with(vec![Reply::Stall(beginning)]);
    let (offers, outcome) =
        download(&marketplace, &marketplace.base_url, Duration::from_millis(700)).await;
    assert_eq!((offers, outcome.unwrap_err().outcome), (vec![offer("A", 1)], Outcome::Unknown));

    let marketplace = Marketplace::with(vec![ok("<html>not found</html>")]);
    let (offers, outcome) = download(&marketplace, &marketplace.base_url, BUDGET).await;
    assert!(offers.is_empty() && outcome.unwrap_err().message.contains("lacks shop-sku"));
}

#[tokio::test]
async fn a_download_has_no_largest_size() {
    let row = format!("{};1\n", "S".repeat(1000));
    let marketplace =
        Marketplace::with(vec![ok(&format!("shop-sku;quantity\n{}", row.repeat(17 << 10)))]);
    let (mut count, url) = (0, marketplace.base_url.clone());
    marketplace
        .client(BUDGET)
        .exported_offers(&url, |offer| count += usize::from(offer.is_ok()))
        .await
        .unwrap();
    assert_eq!(count, 17 << 10);
}

#[tokio::test]
async fn a_page_of_offers_keeps_what_it_cannot_read() {
    let marketplace = Marketplace::with(vec![ok(r#"{"offers":[
        {"offer_id":1,"shop_sku":"A","quantity":5,"active":true,"price":49.5,"warehouses":[{"code":"W","quantity":5}]},
        {"shop_sku":7,"quantity":"6.0","active":null},{"shop_sku":"B","quantity":"many"},{"quantity":1},["C",1]],"total_count":305}"#)]);
    let page = marketplace.client(BUDGET).list_offers(300).await.unwrap();
    let read: Vec<_> = page
        .offers
        .iter()
        .map(|offer| (offer.offer_sku.as_str(), offer.quantity, offer.active))
        .collect();
    assert_eq!(read, [("A", Some(5), Some(true)), ("7", Some(6), None)]);
    let unreadable: Vec<_> =
        page.unreadable.iter().map(|offer| (offer.row, offer.offer_sku.as_deref())).collect();
    assert_eq!(unreadable, [(3, Some("B")), (4, None), (5, None)]);
    assert_eq!((page.length, page.total_count), (5, Some(305)));
    assert!(
        marketplace.requests()[0].starts_with("GET /api/offers?max=100&offset=300&shop_id=2001 ")
    );
}
