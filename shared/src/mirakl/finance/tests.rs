#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::Duration;

use rust_decimal::Decimal;

use super::client::{ExportStatus, Invoices};
use super::*;
use crate::mirakl::tests::conformance::{Document, document, examples};
use crate::mirakl::tests::server::{Marketplace, OLD_KEY, Reply, answer, cut, ok};

const BUDGET: Duration = Duration::from_secs(60);

/// A line of Mirakl's form, with these fields in place of the usual ones.
fn raw(fields: &str) -> String {
    let usual = r#""type":"COMMISSION_FEE","currency_iso_code":"GBP","amount":-5.5,"amount_credited":0,"amount_debited":5.50,"balance":-8.5,"last_updated":"2026-11-20T10:00:00.068Z""#;
    let kept: Vec<&str> = usual
        .split(",\"")
        .map(|field| field.trim_start_matches('"'))
        .filter(|field| {
            let name = field.split('"').next().unwrap();
            !fields.contains(&format!("\"{name}\":"))
        })
        .collect();
    let kept: Vec<String> = kept.into_iter().map(|field| format!("\"{field}")).collect();
    let kept: Vec<&str> =
        kept.iter().map(String::as_str).chain([fields]).filter(|field| !field.is_empty()).collect();
    format!("{{{}}}", kept.join(","))
}

fn read(fields: &str) -> TransactionLine {
    let raw = raw(fields);
    TransactionLine::read(7, &raw).unwrap_or_else(|problem| panic!("{problem} in {raw}"))
}

fn net(fields: &str) -> String {
    read(fields).net().to_string()
}

fn refused(fields: &str) -> Option<Box<str>> {
    let problem = TransactionLine::read(7, &raw(fields)).unwrap_err();
    assert_eq!(problem.row, 7);
    problem.field
}

#[test]
fn ids_are_texts_or_numbers_and_amounts_of_every_form() {
    assert_eq!(read(r#""id":17"#).id, "17");
    assert_eq!(read(r#""id":"5561cedd""#).id, "5561cedd");
    assert_eq!(net(r#""id":1"#), "-5.50".parse::<Decimal>().unwrap().normalize().to_string());
    assert_eq!(net(r#""id":1,"amount_debited":"5.50""#), "-5.5");
    assert_eq!(net(r#""id":1,"amount_debited":55e-1"#), "-5.5");
    assert_eq!(net(r#""id":1,"amount_debited":null,"amount_credited":3,"amount":3"#), "3");
    assert_eq!(net(r#""id":1,"amount_credited":10"#), "4.5", "both sides count");
    // A number of thirty digits where nothing depends on it is done without.
    let line = read(r#""id":1,"balance":123456789012345678901234567890"#);
    assert_eq!((line.balance, line.unread_fields.len()), (None, 1));
}

#[test]
fn the_stated_amount_is_never_used_but_its_contradiction_is_kept() {
    for (amount, contradicts) in
        [("-5.5", false), ("-5.5000", false), ("5.5", true), ("-5.51", true), ("null", false)]
    {
        let line = read(&format!(r#""id":1,"amount":{amount}"#));
        assert_eq!(
            (line.net().to_string().as_str(), line.contradicts_itself),
            ("-5.5", contradicts)
        );
    }
}

#[test]
fn what_a_line_cannot_do_without_is_named() {
    let field = |fields: &str| refused(fields);
    assert_eq!(field(""), Some("id".into()));
    assert_eq!(field(r#""id":null"#), Some("id".into()));
    assert_eq!(field(r#""id":" ""#), Some("id".into()));
    assert_eq!(field(r#""id":1,"type":null"#), Some("type".into()));
    assert_eq!(field(r#""id":1,"currency_iso_code":"""#), Some("currency_iso_code".into()));
    assert_eq!(field(r#""id":1,"currency_iso_code":"POUND""#), Some("currency_iso_code".into()));
    assert_eq!(
        field(r#""id":1,"amount_credited":null,"amount_debited":null"#),
        Some("amount_credited".into())
    );
    assert_eq!(field(r#""id":1,"amount_debited":-5.5"#), Some("amount_debited".into()));
    assert_eq!(field(r#""id":1,"amount_debited":"ten""#), Some("amount_debited".into()));
    assert_eq!(
        field(r#""id":1,"amount_debited":123456789012345678901234567890"#),
        Some("amount_debited".into())
    );
    assert_eq!(field(r#""id":1,"payment_state":{}"#), Some("payment_state".into()));
    assert_eq!(field(r#""id":{}"#), Some("id".into()));
    for raw in ["[1,2]", "null", "17", "{\"id\":1"] {
        assert!(TransactionLine::read(1, raw).is_err(), "{raw}");
    }
}

#[test]
fn an_unreadable_line_keeps_its_ids_and_quotes_nothing() {
    let raw = raw(
        r#""id":"L-9","seller_billing_cycle_id":"BC-1","amount_debited":"Mrs Ann Smith","entities":{"order":{"payment_info":{"imprint_number":"SECRET"}}}"#,
    );
    let problem = TransactionLine::read(3, &raw).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "row 3, id L-9, amount_debited: it has a form that cannot be read"
    );
    assert_eq!(problem.cycle.as_deref(), Some("BC-1"));
    assert!(problem.last_updated.is_some());
    assert!(!format!("{problem:?}").contains("Smith"));
}

#[test]
fn unknown_values_are_kept_and_odd_informative_fields_done_without() {
    let line = read(
        r#""id":1,"type":"LOYALTY_FEE","payment_state":"BLOCKED","pay_out_psp_code":"NEW_PSP","last_updated":"yesterday","entities":"none","shop":{"id":"S-1"},"brand_new":{"a":1}"#,
    );
    assert_eq!(line.kind, TransactionType::Unknown("LOYALTY_FEE".into()));
    assert_eq!(line.state, Some(PaymentState::Unknown("BLOCKED".into())));
    assert_eq!((line.psp.as_deref(), line.shop.as_deref()), (Some("NEW_PSP"), Some("S-1")));
    assert_eq!((line.last_updated, line.unread_fields.len()), (None, 2));
    let read_back: TransactionLine =
        serde_json::from_str(&serde_json::to_string(&line).unwrap()).unwrap();
    assert_eq!(read_back, line);
}

#[test]
fn nothing_of_a_customer_is_kept() {
    let line = read(
        r#""id":1,"entities":{"order":{"id":"O-1","commercial_id":"C","payment_info":{"imprint_number":"IMPRINT","payment_type":"CARD"},"references":{"order_reference_for_customer":"Ann","order_reference_for_seller":"MK1"}},"one_off_item":{"description":"for Ann"}}"#,
    );
    let kept = serde_json::to_string(&line).unwrap();
    assert!(kept.contains("MK1") && kept.contains("O-1"), "{kept}");
    assert!(!kept.contains("Ann") && !kept.contains("IMPRINT") && !kept.contains("CARD"), "{kept}");
}

/// Reads a file in pieces of `length` bytes.
fn read_file(file: &[u8], length: usize) -> (Vec<String>, Result<(), LineFileError>) {
    let mut told = Vec::new();
    let mut each = |line: Result<TransactionLine, Unreadable>| {
        told.push(match line {
            Ok(line) => line.id,
            Err(problem) => problem.to_string(),
        });
    };
    let mut reader = LineReader::default();
    let outcome = file.chunks(length).try_for_each(|piece| reader.take(piece, &mut each));
    let outcome = outcome.and_then(|()| reader.end(&mut each));
    (told, outcome)
}

#[test]
fn a_file_reads_the_same_in_pieces_of_any_length() {
    let file = format!(
        "\u{feff}{}\r\n\n{}\n{{\"id\":\"L-3\"}}\n{}",
        raw(r#""id":"L-1""#),
        raw(r#""id":"L-2""#),
        raw(r#""id":"L-4""#)
    );
    let wanted = [
        "L-1",
        "L-2",
        "row 4, id L-3, amount_credited: neither it nor amount_debited is there",
        "L-4",
    ];
    for length in [1, 2, 7, 100, 100_000] {
        assert_eq!(
            read_file(file.as_bytes(), length),
            (wanted.map(str::to_owned).to_vec(), Ok(()))
        );
    }
}

#[test]
fn an_empty_or_cut_file_counts_as_not_read() {
    for empty in ["", "\n\n", " "] {
        assert_eq!(read_file(empty.as_bytes(), 10).1, Err(LineFileError::Empty));
    }
    let file = format!("{}\n{}", raw(r#""id":"L-1""#), raw(r#""id":"L-2""#));
    let cut = &file.as_bytes()[..file.len() - 1];
    for length in [1, 50, 10_000] {
        let (told, outcome) = read_file(cut, length);
        assert_eq!((told.len(), outcome), (1, Err(LineFileError::BreaksOff(2))));
    }
    for other in ["{\"data\":[]}", "<html>\n</html>\n", "[]\n"] {
        assert!(read_file(other.as_bytes(), 10_000).1.is_err(), "{other}");
    }
    // Too long a line is told, in a piece or in many, and its neighbours go on.
    let long =
        format!("{}\n{}\n{}\n", raw(r#""id":"L-1""#), "x".repeat(200_000), raw(r#""id":"L-3""#));
    for length in [1000, 1_000_000] {
        let (told, outcome) = read_file(long.as_bytes(), length);
        assert_eq!(told, ["L-1", "row 2: the line is too long", "L-3"]);
        assert_eq!(outcome, Ok(()));
    }
}

#[tokio::test]
async fn the_transaction_log_is_listed_by_token_and_one_that_loops_is_an_error() {
    let page = |token: &str| {
        ok(&format!(
            r#"{{"data":[{},{{"id":"odd"}}],"next_page_token":{token}}}"#,
            raw(r#""id":"L-1""#)
        ))
    };
    let marketplace = Marketplace::with(vec![page("\"t 1\""), page("null"), page("\"t 1\"")]);
    let client = marketplace.client(BUDGET);
    let query = TransactionQuery {
        updated_from: Some("2026-11-20T10:00:00.5Z".parse().unwrap()),
        cycles: vec!["BC-1".into(), "BC-2".into()],
        limit_waited_until: None,
    };
    let first = client.transactions(&query, None).await.unwrap();
    assert_eq!((first.entries.len(), first.unreadable.len(), first.length), (1, 1, 2));
    assert_eq!((first.unreadable[0].row, first.unreadable[0].id.as_deref()), (2, Some("odd")));
    let token = first.next_page_token.unwrap();
    assert_eq!(client.transactions(&query, Some(&token)).await.unwrap().next_page_token, None);
    let problem = client.transactions(&query, Some(&token)).await.unwrap_err();
    assert!(problem.message.contains("same page again"), "{problem}");
    let requests = marketplace.requests();
    assert!(
        requests[0].starts_with("GET /api/sellerpayment/transactions_logs?sort=lastUpdated%2CASC&last_updated_from=2026-11-20T10%3A00%3A00Z&seller_billing_cycle_id=BC-1&seller_billing_cycle_id=BC-2&limit=2000&shop_id=2001 "),
        "{}",
        requests[0]
    );
    assert!(
        requests[1]
            .starts_with("GET /api/sellerpayment/transactions_logs?page_token=t+1&shop_id=2001 "),
        "{}",
        requests[1]
    );
    let many = TransactionQuery { cycles: vec![String::new(); 101], ..TransactionQuery::default() };
    assert!(client.transactions(&many, None).await.is_err());

    let mut seen = SeenTokens::default();
    assert!(seen.note("a") && seen.note("b") && !seen.note("a"));
}

#[tokio::test]
async fn an_export_is_begun_once_and_its_file_read_as_it_arrives() {
    let file = format!("{}\n{}\n", raw(r#""id":"L-1""#), raw(r#""id":"L-2""#));
    let marketplace = Marketplace::with(vec![
        answer("503 Service Unavailable", "", ""),
        ok(r#"{"tracking_id":"T-1"}"#),
        ok(r#"{"status":"PENDING"}"#),
        ok(r#"{"status":"CANCELED","error":{"code":"E1","detail":"too many"}}"#),
        answer("200 OK", "", &file),
        cut(),
        answer("200 OK", "", ""),
    ]);
    let client = marketplace.client(BUDGET);
    let query = TransactionQuery { cycles: vec!["BC-1".into()], ..TransactionQuery::default() };
    assert!(client.begin_transactions_export(&query).await.is_err(), "one try");
    assert_eq!(client.begin_transactions_export(&query).await.unwrap(), "T-1");
    assert_eq!(client.transactions_export("T-1").await.unwrap(), TransactionsExport::Pending);
    assert_eq!(
        client.transactions_export("T-1").await.unwrap(),
        TransactionsExport::Failed("CANCELED: E1: too many".into())
    );
    let url = format!("{}/files/1?file=0.json", marketplace.base_url);
    let mut lines = Vec::new();
    client.exported_transactions(&url, |line| lines.push(line)).await.unwrap();
    assert_eq!(lines.iter().filter(|line| line.is_ok()).count(), 2);
    assert!(client.exported_transactions(&url, |_| {}).await.is_err(), "cut");
    assert!(client.exported_transactions(&url, |_| {}).await.is_err(), "empty");
    let requests = marketplace.requests();
    assert!(
        requests[1].starts_with("POST /api/sellerpayment/transactions_logs/async?shop_id=2001 ")
    );
    assert!(requests[1].ends_with(r#"{"format":"NDJSON","seller_billing_cycle_id":["BC-1"]}"#));
    assert!(requests[4].contains(OLD_KEY), "the channel's own host gets the key");
}

#[tokio::test]
async fn the_key_goes_to_no_other_host() {
    let (own, other) = (Marketplace::with(vec![]), Marketplace::with(vec![ok("")]));
    let url = format!("{}/file", other.base_url);
    let _ = own.client(BUDGET).exported_transactions(&url, |_| {}).await;
    assert_eq!(other.requests().len(), 1);
    assert!(!other.requests()[0].contains(OLD_KEY));
}

#[tokio::test]
async fn cycles_and_documents_are_listed_in_every_state_and_type() {
    let cycles = r#"{"data":[{"id":"BC-1","currency_iso_code":"GBP","amount_transferred_to_seller":"78.48","pay_out":{"state":"FAILED","failure_reason":"INCOMPLETE_KYC"},"summary":{"total_commissions_incl_tax":-42.84,"total_new":null}},{"id":"BC-2","currency_iso_code":"GBP"}]}"#;
    let documents = r#"{"invoices":[{"id":"D-1","invoice_id":"17","type":"AUTO_INVOICE","currency_iso_code":"GBP","seller_billing_cycle_id":"BC-1","summary":{"amount_transferred":78.48},"payment_info":{"@type":"IBAN","iban":"GB33BUKB20201555555555"},"shop_address":{"firstname":"Ann"}},{"id":"D-2","type":"NEW_KIND","currency_iso_code":"GBP","payment_info":null},{"id":"D-3","type":"AUTO_INVOICE","currency_iso_code":"GBP","summary":{"amount_transferred":"lots"}}],"total_count":3}"#;
    let marketplace = Marketplace::with(vec![
        ok(cycles),
        ok(documents),
        Reply::Bytes(
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n%PDF".to_vec(),
        ),
    ]);
    let client = marketplace.client(BUDGET);
    let query = CreatedQuery { from: Some("2026-11-01T00:00:00Z".parse().unwrap()), to: None };
    let page = client.billing_cycles(&query, None).await.unwrap();
    let cycle = &page.entries[0];
    assert_eq!(
        (cycle.transferred_to_seller.to_string().as_str(), cycle.summary.len()),
        ("78.48", 1)
    );
    assert_eq!(
        (&cycle.pay_out.state, cycle.pay_out.failure_reason.as_deref()),
        (&PayOutState::Failed, Some("INCOMPLETE_KYC"))
    );
    assert_eq!(page.unreadable[0].field.as_deref(), Some("amount_transferred_to_seller"));
    let page = client.accounting_documents(&query, 100).await.unwrap();
    assert_eq!((page.length, page.total_count, page.unreadable.len()), (3, Some(3), 1));
    let document = &page.entries[0];
    assert_eq!(
        (document.invoice_id, document.amount_transferred().unwrap().to_string()),
        (Some(17), "78.48".into())
    );
    assert!(document.bank_account.is_some());
    let kept = serde_json::to_string(document).unwrap();
    assert!(!kept.contains("GB33") && !kept.contains("Ann"), "{kept}");
    assert_eq!(page.entries[1].kind, DocumentType::Unknown("NEW_KIND".into()));
    assert_eq!(client.accounting_document_file(17).await.unwrap(), b"%PDF");
    let requests = marketplace.requests();
    assert!(requests[0].starts_with("GET /api/seller-billing-cycles?sort=dateCreated%2CASC&pay_out_state=TO_PAY&pay_out_state=FAILED&pay_out_state=PAID&start_date=2026-11-01T00%3A00%3A00Z&limit=1000&shop_id=2001 "), "{}", requests[0]);
    assert!(
        requests[1].starts_with(
            "GET /api/invoices?type=ALL&sort=dateCreated&order=asc&max=100&offset=100&start_date="
        ),
        "{}",
        requests[1]
    );
    assert!(requests[2].starts_with("GET /api/invoices/17?shop_id=2001 "), "{}", requests[2]);
}

#[test]
fn every_official_example_parses() {
    let Some(text) = document() else { return };
    let document: Document<'_> = serde_json::from_str(&text).unwrap();
    let page = |example: &str| -> Vec<String> {
        #[derive(serde::Deserialize)]
        struct Data {
            data: Vec<Box<serde_json::value::RawValue>>,
        }
        let page: Data = serde_json::from_str(example).unwrap();
        page.data.into_iter().map(|raw| raw.get().to_owned()).collect()
    };
    for (name, example) in examples(&document, "/api/sellerpayment/transactions_logs") {
        // The example of types alone has words in place of currencies and dates.
        if name.ends_with("auto") {
            continue;
        }
        for raw in page(example) {
            let line = TransactionLine::read(1, &raw).unwrap();
            assert!(!line.contradicts_itself && line.unread_fields.is_empty(), "{line:?}");
            assert!(line.balance.is_some() && line.kind.side().is_some() && line.cycle.is_some());
        }
    }
    for (_, example) in examples(&document, "/api/seller-billing-cycles") {
        for raw in page(example) {
            let cycle = BillingCycle::read(1, &raw).unwrap();
            assert!(cycle.unread_fields.is_empty() && cycle.summary.len() > 30, "{cycle:?}");
        }
    }
    for (name, example) in examples(&document, "/api/invoices") {
        let page = serde_json::from_str::<Invoices>(example).unwrap().into_page();
        assert_eq!((page.unreadable, page.length > 0), (vec![], true), "{name}");
        assert!(page.entries.iter().all(|document| document.unread_fields.is_empty()), "{name}");
    }
    let path = "/api/sellerpayment/transactions_logs/async/status/{tracking_id}";
    for (name, example) in examples(&document, path) {
        let export = serde_json::from_str::<ExportStatus>(example).unwrap().into_export();
        assert!(!matches!(export, TransactionsExport::Unknown(word) if word != "string"), "{name}");
    }
}
