//! The contracts of what the connector stands on (store, queue, bus, documents, keys), held against
//! every implementation of each: memory, the fault simulation's models, and the real adapters on
//! two AWSs written by different people (ministack and moto), both started here. Where an
//! implementation deviates, [`places::DEVIATIONS`] says so and why: what is listed there must
//! really deviate, and nothing else may.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod bus;
mod documents;
mod places;
mod queue;

use std::time::Duration;

use futures_util::StreamExt as _;
use local_world::AwsServer;
use shared::aws::payout_files::S3PayoutFiles;
use shared::aws::payout_store::DynamoDbPayouts;
use shared::aws::stock_ledger::DynamoDbLedger;
use shared::aws::store::DynamoDbStore;
use shared::domain::payout;
use shared::domain::payout::in_memory::MemoryPayouts;
use shared::domain::payout::row::ShopKey;
use shared::domain::payout::store::{PayoutFiles as _, PayoutStore as _};
use shared::domain::prima_calls::{PrimaCaller, PrimaCalls};
use shared::domain::prima_slots::{
    Slot, SlotRequest, SlotStore as _, give_slots_back, lease_slots,
};
use shared::domain::state::contract;
use shared::domain::state::in_memory::MemoryStore;
use shared::domain::state::ledger::{self, LedgerStore as _};
use shared::domain::state::{BreakerStore as _, NumberStore as _, StoreError};
use shared::kit::clock::{Clock as _, SystemClock, after};

use crate::places::{DEVIATIONS, Modelled, Server};

/// A promise and what came of it: nothing, or in which way it is not kept.
type Verdict = (&'static str, Result<(), String>);

/// Prints every verdict, and fails where one is other than [`DEVIATIONS`] has it.
fn judge(place: &str, contract: &str, verdicts: Vec<Verdict>) {
    let mut surprises = Vec::new();
    for (promise, outcome) in verdicts {
        let listed = DEVIATIONS
            .iter()
            .find(|deviation| deviation.place == place && deviation.promise == promise);
        match (outcome, listed) {
            (Ok(()), None) => println!("{place}: {contract}: {promise}: kept"),
            (Err(found), Some(deviation)) => {
                println!("{place}: {contract}: {promise}: deviates ({found}): {}", deviation.why)
            }
            (Err(found), None) => surprises.push(format!("{promise}: {found}")),
            (Ok(()), Some(_)) => surprises
                .push(format!("{promise}: kept now, so remove it from the list of deviations")),
        }
    }
    assert!(surprises.is_empty(), "{contract} on {place}:\n{}", surprises.join("\n"));
}

#[test]
fn every_listed_deviation_is_from_a_promise_that_is_made() {
    let promises: Vec<&str> = queue::PROMISES.iter().chain(&bus::PROMISES).copied().collect();
    for deviation in DEVIATIONS {
        assert!(promises.contains(&deviation.promise), "nobody promises '{}'", deviation.promise);
        assert!(!deviation.why.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn memory_keeps_the_contract_of_the_store() {
    assert_eq!(contract::check(&MemoryStore::default(), "memory").await, Ok(()));
}

#[tokio::test]
async fn memory_keeps_the_contract_of_payouts() {
    let memory = MemoryPayouts::default();
    assert_eq!(payout::contract::check(&memory, "memory").await, Ok(()));
    assert_eq!(payout::contract::check_files(&memory, "memory").await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn the_models_of_the_fault_simulation_keep_the_contracts() {
    let place = Modelled::PLACE;
    assert_eq!(
        contract::check(&Modelled::new().port, "model").await,
        Ok(()),
        "the store of the fault simulation"
    );
    assert_eq!(
        contract::check_slots(&Modelled::new().port).await,
        Ok(()),
        "the slots of the fault simulation"
    );
    judge(place, "queue", queue::check(async || Modelled::new()).await);
    judge(place, "bus", bus::check(async || Modelled::new()).await);
}

#[tokio::test]
async fn ministack_keeps_the_contracts() {
    keeps_the_contracts(AwsServer::Ministack).await;
}

#[tokio::test]
async fn moto_keeps_the_contracts() {
    keeps_the_contracts(AwsServer::Moto).await;
}

async fn keeps_the_contracts(kind: AwsServer) {
    let server = Server::start(kind).await;
    store(&server).await;
    stock(&server).await;
    payouts(&server).await;
    documents::check(&server).await;
    documents::check_keys(&server).await;
    judge(kind.name(), "queue", queue::check(async || server.queues().await).await);
    judge(kind.name(), "bus", bus::check(async || server.bus().await).await);
}

async fn store(server: &Server) {
    let (orders, channels, stock) = (
        server.table("OrdersTable").await,
        server.table("ChannelsTable").await,
        server.table("StockTable").await,
    );
    let client = aws_sdk_dynamodb::Client::new(&server.config);
    let store =
        DynamoDbStore::new(client.clone(), orders, channels, stock, Duration::from_secs(86_400));
    assert_eq!(
        contract::check_flights(&store, "run").await,
        Ok(()),
        "the flights on {}",
        server.place()
    );
    assert_eq!(contract::check(&store, "run").await, Ok(()), "the store on {}", server.place());
    assert_eq!(contract::check_slots(&store).await, Ok(()), "the slots on {}", server.place());
    many_runs_lease(&store, server.writes_in_one_step()).await;
    assert_eq!(store.count_in("run-index", "seen").await, Ok(1));
    assert_eq!(store.holder_of("run-numbers/0001").await.unwrap().unwrap().channel, "run-numbers");
    assert_eq!(store.holder_of("no such number").await, Ok(None));

    let nowhere = DynamoDbStore::new(client, "none", "none", "none", Duration::ZERO);
    let refused = nowhere.load_breakers().await;
    let Err(StoreError::Unavailable(problem)) = refused else {
        panic!("a table that is absent is unavailable, not {refused:?}")
    };
    assert_eq!(problem, "reading installation: ResourceNotFoundException");
}

/// Ten runs want a slot, of which two are free for their caller: in the same moment, or one after
/// the other.
async fn many_runs_lease(store: &DynamoDbStore, at_once: bool) {
    let calls = PrimaCalls::default();
    let now = SystemClock.now();
    let runs: Vec<String> = (0..10).map(|run| format!("run {run}")).collect();
    let request = |owner| SlotRequest {
        caller: PrimaCaller::CreatePrimaOrders,
        owner,
        until: after(now, Duration::from_secs(330)),
    };
    let lease = |run| lease_slots(store, &SystemClock, &calls, request(run), Duration::ZERO);
    let slots = if at_once {
        futures_util::future::join_all(runs.iter().map(|run| lease(run))).await
    } else {
        futures_util::stream::iter(&runs).then(|run| lease(run)).collect().await
    };
    let leased = slots.iter().filter(|slot| **slot == Slot::Leased).count();
    let held = store.load_slots().await.unwrap();
    assert_eq!((leased, held.in_use()), (calls.orders, calls.orders), "{slots:?} {held:?}");
    for run in &runs {
        give_slots_back(store, PrimaCaller::CreatePrimaOrders, run).await;
    }
    assert_eq!(store.load_slots().await.unwrap().in_use(), 0);
}

async fn stock(server: &Server) {
    let client = aws_sdk_dynamodb::Client::new(&server.config);
    let store = DynamoDbLedger::new(client.clone(), server.table("StockTable").await);
    assert_eq!(
        ledger::contract::check(&store, "run").await,
        Ok(()),
        "the stock's memory on {}",
        server.place()
    );

    let refused = DynamoDbLedger::new(client, "none").load("run").await;
    let Err(StoreError::Unavailable(problem)) = refused else {
        panic!("a table that is absent is unavailable, not {refused:?}")
    };
    assert_eq!(problem, "reading ledger#run: ResourceNotFoundException");
}

async fn payouts(server: &Server) {
    let client = aws_sdk_dynamodb::Client::new(&server.config);
    let store = DynamoDbPayouts::new(client.clone(), server.table("PayoutsTable").await);
    let checked = payout::contract::check(&store, "run").await;
    assert_eq!(checked, Ok(()), "the rows of payouts on {}", server.place());
    let files = S3PayoutFiles::new(&server.config, server.bucket().await);
    let checked = payout::contract::check_files(&files, "run").await;
    assert_eq!(checked, Ok(()), "the files of payouts on {}", server.place());

    let shop = ShopKey { host: "run".to_owned(), shop: "1".to_owned() };
    let refused = DynamoDbPayouts::new(client, "none").load_shop(&shop).await;
    let Err(StoreError::Unavailable(problem)) = refused else {
        panic!("a table that is absent is unavailable, not {refused:?}")
    };
    assert_eq!(problem, "reading shop#run#1: ResourceNotFoundException");
    let refused = S3PayoutFiles::new(&server.config, "none").read("a").await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}
