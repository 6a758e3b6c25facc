//! The operations, and listings by token.

use std::time::Duration;

use serde_json::value::RawValue;

use super::server::{Marketplace, answer, ok};
use crate::mirakl::call::Call;
use crate::mirakl::paging::SeekPages;
use crate::mirakl::rights::is_answered_with_right;
use crate::mirakl::shipping::MiraklShipping as _;
use crate::mirakl::{
    MiraklOrders, OrderQuery, OrderState, Outcome, ReferenceAnswer, SellerReference,
};

const BUDGET: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_listing_asks_for_full_pages_oldest_first() {
    let marketplace = Marketplace::with(vec![ok(r#"{"orders":[],"total_count":250}"#)]);
    let query = OrderQuery {
        limit_waited_until: None,
        states: vec![OrderState::WaitingAcceptance, OrderState::Shipping],
        order_ids: vec!["A-1".to_owned(), "B-1".to_owned()],
        updated_from: Some("2026-11-20T09:00:00.250Z".parse().unwrap()),
    };
    let page = marketplace.client(BUDGET).list_orders(&query, 200).await.unwrap();
    assert_eq!((page.length, page.total_count), (0, Some(250)));
    let requests = marketplace.requests();
    let target = requests[0].split(' ').nth(1).unwrap();
    let url = url::Url::parse(&format!("http://localhost{target}")).unwrap();
    let mut parameters: Vec<_> =
        url.query_pairs().map(|(name, value)| format!("{name}={value}")).collect();
    parameters.sort();
    let expected = [
        "max=100",
        "offset=200",
        "order=asc",
        "order_ids=A-1,B-1",
        "order_state_codes=WAITING_ACCEPTANCE,SHIPPING",
        "shop_id=2001",
        "sort=dateCreated",
        "start_update_date=2026-11-20T09:00:00Z",
    ];
    assert_eq!(
        (url.path(), parameters.as_slice()),
        ("/api/orders", expected.map(str::to_owned).as_slice())
    );
}

#[tokio::test]
async fn accepting_decides_every_line_in_one_call() {
    let marketplace = Marketplace::with(vec![answer("204 No Content", "", "")]);
    marketplace
        .client(BUDGET)
        .accept_order("A 1-A", &["A 1-A-1".to_owned(), "A 1-A-2".to_owned()])
        .await
        .unwrap();
    let request = marketplace.requests().remove(0);
    assert!(request.starts_with("PUT /api/orders/A%201-A/accept?shop_id=2001 "), "{request}");
    assert!(request.to_ascii_lowercase().contains("content-type: application/json\r\n"));
    assert!(
        request.ends_with(
            r#"{"order_lines":[{"accepted":true,"id":"A 1-A-1"},{"accepted":true,"id":"A 1-A-2"}]}"#
        ),
        "{request}"
    );
}

/// An order that has moved on is told apart, wherever in the answer its code stands.
#[tokio::test]
async fn an_already_moved_order_is_recognised_by_its_code_anywhere() {
    let bodies = [
        r#"{"status":400,"message":"Bad Request","code":"ORDER_INVALID_STATE"}"#,
        r#"{"message":"Bad Request","errors":[{"code":"ORDER_INVALID_STATE","message":"no"}]}"#,
        r#"{"code":"VALIDATION_ERROR","errors":[{"code":"ORDER_INVALID_STATE"}]}"#,
        r#"{"status":400,"message":"Order is not in the expected state for this operation"}"#,
    ];
    for body in bodies {
        let marketplace = Marketplace::with(vec![answer("400 Bad Request", "", body)]);
        let problem =
            marketplace.client(BUDGET).accept_order("A", &["A-1".to_owned()]).await.unwrap_err();
        assert!(
            problem.is_invalid_state() && problem.outcome == Outcome::Refused,
            "{body}: {problem:?}"
        );
    }
}

/// Each reference is answered, also where Mirakl says nothing of it.
#[tokio::test]
async fn every_reference_gets_an_answer_even_if_mirakl_omits_it() {
    // What was updated is an object, of which nothing but its being there matters (Mirakl's own
    // example of OR04).
    let body = r#"{"updated_orders":[
        {"order_id":"A","updated":{"order_lines":[],"references":{"order_reference_for_seller":"PA"}},"errors":[]},
        {"order_id":"B","errors":[{"code":"ORDER_NOT_FOUND","field":"order_id","message":"no such order"}]},
        {"order_id":"C","updated":{"references":{"order_reference_for_seller":"PC"}},"errors":null},{"order_id":"D","updated":null}]}"#;
    let marketplace = Marketplace::with(vec![ok(body)]);
    let references: Vec<_> = ["A", "B", "C", "D", "E"]
        .map(|id| SellerReference { order_id: id.to_owned(), reference: format!("P{id}") })
        .into();
    let answers = marketplace.client(BUDGET).write_references(&references).await.unwrap();
    let kept: Vec<_> = answers
        .iter()
        .filter(|answer| answer.refused.is_none())
        .map(|answer| answer.order_id.as_str())
        .collect();
    assert_eq!((answers.len(), kept), (5, vec!["A", "C"]));
    assert!(answers.contains(&ReferenceAnswer {
        order_id: "B".to_owned(),
        refused: Some("ORDER_NOT_FOUND: no such order".to_owned())
    }));
    let request = marketplace.requests().remove(0);
    assert!(request.starts_with("PUT /api/orders?shop_id=2001 "), "{request}");
    assert!(
        request.contains(r#"{"order_id":"A","references":{"order_reference_for_seller":"PA"}}"#),
        "{request}"
    );
}

#[tokio::test]
async fn what_mirakl_would_refuse_for_its_size_is_not_sent() {
    let marketplace = Marketplace::with(vec![ok("{}")]);
    let client = marketplace.client(BUDGET);
    let ids: Vec<_> = (0..101).map(|number| format!("A-{number}")).collect();
    let references: Vec<_> = ids
        .iter()
        .map(|id| SellerReference { order_id: id.clone(), reference: "P".to_owned() })
        .collect();
    let problems = [
        client
            .list_orders(&OrderQuery { order_ids: ids, ..OrderQuery::default() }, 0)
            .await
            .unwrap_err(),
        client.write_references(&references).await.unwrap_err(),
        client.accept_order("A", &[]).await.unwrap_err(),
    ];
    assert!(problems.iter().all(|problem| problem.outcome == Outcome::NotSent));
    assert_eq!(marketplace.requests().len(), 0);
}

#[tokio::test]
async fn an_answer_of_another_form_is_no_success_and_is_not_quoted() {
    let marketplace =
        Marketplace::with(vec![ok(r#"{"orders":"Jane Roe"}"#), ok("<html>Jane Roe</html>")]);
    let client = marketplace.client(BUDGET);
    let page = client.list_orders(&OrderQuery::default(), 0).await.unwrap_err();
    let account = client.account().await.unwrap_err();
    for problem in [page, account] {
        assert_eq!(problem.outcome, Outcome::Unknown);
        assert!(!format!("{problem:?}").contains("Jane"), "{problem:?}");
    }
}

/// A check reads the shop and the marketplace, also where half of the answer is null.
#[tokio::test]
async fn the_check_reads_shop_and_marketplace_despite_nulls() {
    let marketplace = Marketplace::with(vec![
        ok("any text"),
        ok(
            r#"{"shop_id":2001,"shop_name":"Outfitter","shop_state":"OPEN","currency_iso_code":"GBP","payment_info":null}"#,
        ),
        ok(
            r#"{"timezone":"Europe/London","features":{"order_tax_mode":"TAX_INCLUDED","shipment":{"multi_shipment":true},
            "order_workflows":{"order_acceptance":"BOTH","shipping_and_billing_details_before_acceptance":false}}}"#,
        ),
        ok(r#"{"features":{"order_workflows":null,"shipment":null}}"#),
    ]);
    let client = marketplace.client(BUDGET);
    client.version().await.unwrap();
    let account = client.account().await.unwrap();
    assert_eq!(
        (account.shop_state.as_deref(), account.currency_iso_code.as_deref()),
        (Some("OPEN"), Some("GBP"))
    );
    let features = client.platform_configuration().await.unwrap().features;
    assert_eq!(features.order_workflows.order_acceptance.as_deref(), Some("BOTH"));
    assert_eq!(
        features.order_workflows.shipping_and_billing_details_before_acceptance,
        Some(false)
    );
    assert_eq!(
        (features.order_tax_mode.as_deref(), features.shipment.multi_shipment),
        (Some("TAX_INCLUDED"), Some(true))
    );
    assert_eq!(
        client.platform_configuration().await.unwrap().features.shipment.multi_shipment,
        None
    );
    let requests = marketplace.requests();
    assert!(
        requests[0].starts_with("GET /api/version")
            && !requests[0].to_ascii_lowercase().contains("authorization")
    );
    assert!(
        requests[1].starts_with("GET /api/account")
            && requests[2].starts_with("GET /api/platform/configuration")
    );
}

#[tokio::test]
async fn a_base_url_that_is_not_fit_for_use_is_named() {
    let mut marketplace = Marketplace::with(Vec::new());
    marketplace.base_url = "http://marketplace.example".to_owned();
    let directory = crate::mirakl::client::HttpDirectory::new(
        marketplace.keys.clone(),
        marketplace.clock.clone(),
    );
    let problem = directory.client_of(marketplace.shop(), jiff::Timestamp::MAX).unwrap_err();
    assert_eq!(problem.outcome, Outcome::NotSent);
    assert!(problem.message.contains("base_url"), "{problem}");
}

/// A listing by token ends where the token is absent, null or empty.
#[tokio::test]
async fn an_absent_null_or_empty_token_ends_a_listing() {
    for end in ["", r#","next_page_token":null"#, r#","next_page_token":"""#] {
        let marketplace = Marketplace::with(vec![
            ok(r#"{"data":[{"id":1}],"next_page_token":"bGlt+/=","previous_page_token":null}"#),
            ok(r#"{"data":[{"id":2}],"next_page_token":"other"}"#),
            ok(&format!(r#"{{"data":[{{"id":3}}]{end}}}"#)),
        ]);
        let client = marketplace.client(BUDGET);
        let mut pages =
            SeekPages::new(Call::get("TL02", &["api", "x"]).query("sort", "lastUpdated,ASC"), 2000);
        let mut entries = Vec::new();
        while let Some(page) = pages.next::<Box<RawValue>, _, _>(&client.caller).await.unwrap() {
            entries.extend(page.into_iter().map(|entry| entry.get().to_owned()));
        }
        assert_eq!(entries, [r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":3}"#]);
        let requests = marketplace.requests();
        assert!(
            requests[0].starts_with("GET /api/x?sort=lastUpdated%2CASC&limit=2000&shop_id=2001 "),
            "{}",
            requests[0]
        );
        assert!(
            requests[1].starts_with("GET /api/x?page_token=bGlt%2B%2F%3D&shop_id=2001 "),
            "{}",
            requests[1]
        );
    }
}

#[tokio::test]
async fn a_listing_by_token_that_would_never_end_is_given_up() {
    let same = || ok(r#"{"data":[],"next_page_token":"again"}"#);
    let marketplace = Marketplace::with(vec![same(), same()]);
    let client = marketplace.client(BUDGET);
    let mut pages = SeekPages::new(Call::get("ST11", &["api", "x"]), 100);
    assert!(pages.next::<Box<RawValue>, _, _>(&client.caller).await.unwrap().is_some());
    assert!(
        pages
            .next::<Box<RawValue>, _, _>(&client.caller)
            .await
            .unwrap_err()
            .message
            .contains("same page")
    );
}

/// What a marketplace demands is read without its odd fields, and those are named.
#[tokio::test]
async fn odd_fields_of_a_marketplaces_demands_are_skipped_and_named() {
    let marketplace = Marketplace::with(vec![
        ok(r#"{"shop_id":"none","shop_state":"OPEN"}"#),
        ok(r#"{"timezone":7,"features":{"shipment":{"multi_shipment":true}}}"#),
        ok(r#"{"carriers":[{"code":"DPD_UK","label":7},{"code":{},"label":"Evri"}]}"#),
        ok(r#"{"shipping_types":[{"code":"EXP","mandatory_tracking":"yes"}]}"#),
        ok(r#"{"features":{"shipment":{"multi_shipment":"perhaps"}}}"#),
    ]);
    let client = marketplace.client(BUDGET);
    let account = client.account().await.unwrap();
    assert_eq!(
        (account.shop_id, account.shop_state.as_deref(), account.unread_fields.len()),
        (None, Some("OPEN"), 1)
    );
    assert_eq!(account.unread_fields[0].to_string(), r#"A01 shop_id in form "text aaaa""#);
    let requirements = client.shipping_requirements().await.unwrap();
    assert!(requirements.multi_shipment);
    assert_eq!(
        requirements.carriers.iter().map(|carrier| carrier.code.as_str()).collect::<Vec<_>>(),
        ["DPD_UK"]
    );
    let odd: Vec<&str> =
        requirements.unread_fields.iter().map(|form| form.field.as_str()).collect();
    assert_eq!(odd[0], "PC01 timezone");
    for field in ["SH21 carriers[].label", "SH12 shipping_types[].mandatory_tracking"] {
        assert!(odd.contains(&field), "{odd:?}");
    }
    // Whether it ships in parts has to be known. Mirakl answered: the next answer is likely the
    // same.
    let problem = client.shipping_requirements().await.unwrap_err();
    assert!(
        problem.operation == "PC01"
            && problem.outcome == Outcome::Unknown
            && is_answered_with_right(&problem),
        "{problem:?}"
    );
}
