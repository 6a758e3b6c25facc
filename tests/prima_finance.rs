//! The client of Prima's nominal ledger against the simulator, over HTTP. Verdicts come from the
//! simulator's books.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, date};
use rust_decimal::Decimal;
use shared::kit::clock::SystemClock;
use shared::prima::connection::{
    MessageFormat, NewOrderRequest, PartNames, Patience, PrimaBehaviour, PrimaConnection,
    WireEncoding,
};
use shared::prima::finance::{
    FinanceCapabilities, JournalLine, NewJournal, Posting, PrimaFinance as _,
};
use shared::prima::finance_client::PrimaFinanceClient;
use shared::prima::{Outcome, PrimaClient};
use simulators::misbehaviour::{Fault, Plan, Rule};
use simulators::prima::books::BookRules;
use simulators::prima::{Config, RepeatedNumber, Settings, Simulator};
use tokio::net::TcpListener;

const NOVEMBER: [Date; 2] = [date(2026, 11, 1), date(2026, 11, 30)];

fn capabilities() -> FinanceCapabilities {
    FinanceCapabilities {
        new_journal: true,
        journal_status: true,
        nominal_transactions: true,
        credit_notes: true,
        unknown_journal_texts: vec!["Journal not found".to_owned()],
        duplicate_texts: vec!["Journal {id} is already posted as *".to_owned()],
    }
}

/// A simulator with its books, and a client of it.
async fn start(books: BookRules) -> (Arc<Simulator>, PrimaFinanceClient<SystemClock>) {
    start_with(books, capabilities()).await
}

async fn start_with(
    books: BookRules,
    capabilities: FinanceCapabilities,
) -> (Arc<Simulator>, PrimaFinanceClient<SystemClock>) {
    let settings = Settings { books, ..Settings::default() };
    let namespace = settings.namespace.clone();
    let simulator = Arc::new(Simulator::new(Config { settings, misbehaviour: Plan::default() }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Arc::clone(&simulator).serve(listener, std::future::pending()));
    let connection = PrimaConnection {
        endpoint: format!("http://{address}/wsalive/wsalive"),
        allow_plain_http_to_public: false,
        wsdl_target: "urn:omlink".to_owned(),
        company: None,
        message_format: MessageFormat::RpcEncoded,
        namespace,
        soap_action: String::new(),
        operation: "wsomhandler".to_owned(),
        company_operation: "comwsomhandler".to_owned(),
        parts: PartNames {
            request: "request".to_owned(),
            company: None,
            result: "response".to_owned(),
        },
        qualified_parts: false,
        encoding: WireEncoding::Latin1,
        new_order_request: NewOrderRequest::NewOrder,
        unknown_order_texts: vec!["Order not found".to_owned()],
        connect_timeout_seconds: 5,
    };
    let patience = Patience { silence: Duration::from_secs(5), largest_answer: 1 << 20 };
    let client = PrimaClient::new(connection, PrimaBehaviour::default(), patience, 2, SystemClock);
    let client = client.unwrap_or_else(|problems| panic!("{problems:?}"));
    (simulator, PrimaFinanceClient::new(client, capabilities))
}

fn journal(amount: i64) -> NewJournal {
    let line = |nominal: &str, debit: i64, credit: i64| JournalLine {
        nominal: nominal.to_owned(),
        debit: Decimal::new(debit, 2),
        credit: Decimal::new(credit, 2),
        narrative: "COMMISSION_FEE, café".to_owned(),
        ..JournalLine::default()
    };
    NewJournal {
        third_party_id: "MK-J-1".to_owned(),
        reference: "MIRAKL/uk/BC-2031".to_owned(),
        date: date(2026, 11, 5),
        currency: "GBP".to_owned(),
        lines: vec![line("5600", amount, 0), line("1260", 0, amount)],
        ..NewJournal::default()
    }
}

fn balance(simulator: &Simulator, nominal: &str) -> Decimal {
    simulator.installation().books().balance(nominal, "GBP")
}

/// A journal is asked for, posted, found again and read back to the penny.
#[tokio::test]
async fn a_journal_is_posted_and_read_back() {
    let (simulator, client) = start(BookRules::default()).await;
    assert_eq!(client.journal_status("MK-J-1").await.unwrap(), None);
    assert_eq!(client.new_journal(&journal(3570)).await.unwrap(), Posting::Posted);
    assert_eq!(balance(&simulator, "5600"), Decimal::new(3570, 2));
    let found = client.journal_status("MK-J-1").await.unwrap().unwrap();
    assert_eq!(found.reference, "MIRAKL/uk/BC-2031");
    let lines = client.nominal_transactions("1260", NOVEMBER).await.unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].credit, Decimal::new(3570, 2));
    assert_eq!(lines[0].narrative, "COMMISSION_FEE, café");
    assert_eq!(client.credit_notes(NOVEMBER).await.unwrap(), []);
}

/// A second time is told by the site's own words, whose journal it was.
#[tokio::test]
async fn a_repeated_journal_is_known_by_the_sites_words() {
    let books = BookRules { repeated_journal: RepeatedNumber::Refused, ..BookRules::default() };
    let (simulator, client) = start(books).await;
    client.new_journal(&journal(100)).await.unwrap();
    let again = client.new_journal(&journal(100)).await.unwrap();
    assert!(matches!(&again, Posting::WasPosted(text) if text.ends_with("J000001")), "{again:?}");
    assert_eq!(simulator.installation().books().journals().len(), 1);
}

#[tokio::test]
async fn a_refused_journal_has_the_reason_and_no_effect() {
    let books = BookRules { nominals: ["1260".to_owned()].into(), ..BookRules::default() };
    let (simulator, client) = start(books).await;
    let refused = client.new_journal(&journal(100)).await.unwrap_err();
    assert_eq!(refused.outcome, Outcome::Refused);
    assert!(refused.message.contains("Nominal 5600 does not exist"), "{refused}");
    let mut both = journal(100);
    both.lines[0].credit = Decimal::ONE;
    let kept = client.new_journal(&both).await.unwrap_err();
    assert_eq!(kept.outcome, Outcome::NotSent, "what cannot be right is not sent");
    assert!(simulator.installation().books().journals().is_empty());
}

/// After a lost answer nobody knows, until the journal is asked for.
#[tokio::test]
async fn a_lost_answer_leaves_a_question_that_is_answered() {
    let (simulator, client) = start(BookRules::default()).await;
    let rule = Rule {
        operation: Some("NewJournal".to_owned()),
        about: None,
        fault: Fault::LostAnswer,
        chance: 1.0,
        remaining: Some(1),
    };
    simulator.misbehaviour().set(Plan { rules: vec![rule], ..Plan::default() });
    let lost = client.new_journal(&journal(100)).await.unwrap_err();
    assert_eq!(lost.outcome, Outcome::Unknown);
    assert!(client.journal_status("MK-J-1").await.unwrap().is_some());
    assert_eq!(simulator.installation().books().journals().len(), 1);
}

/// A request that the site lacks is never sent, and names its setting.
#[tokio::test]
async fn what_the_site_lacks_is_not_sent() {
    let (simulator, client) =
        start_with(BookRules::default(), FinanceCapabilities::default()).await;
    let refused = client.new_journal(&journal(100)).await.unwrap_err();
    assert_eq!(refused.outcome, Outcome::NotSent);
    assert!(refused.message.contains("finance.new_journal"), "{refused}");
    assert!(client.journal_status("MK-J-1").await.is_err());
    assert!(client.nominal_transactions("1260", NOVEMBER).await.is_err());
    assert!(client.credit_notes(NOVEMBER).await.is_err());
    assert!(simulator.installation().books().journals().is_empty());
}
