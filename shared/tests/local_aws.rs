//! The adapters on a local AWS. Set `LOCAL_AWS_ENDPOINT` to try them: `http://127.0.0.1:4566` where one runs (ministack or
//! moto). Without it these tests say so and pass.
#![expect(clippy::disallowed_methods, reason = "a test finds its endpoint by itself, and names its records by the clock")]
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use shared::aws::function_config;
use shared::channel::Channel;
use shared::channels::{DocumentKey, Documents};
use shared::eventbridge::EventBridgeBus;
use shared::events::{Event, EventBus, EventKind, Severity};
use shared::queue::{ExceptionMessage, OrderMessage, OrderQueue, OrderTask};
use shared::secrets::SecretsManagerKeys;
use shared::settings::Settings;
use shared::sqs::SqsQueue;
use shared::state::dynamodb::DynamoDbStore;
use shared::state::{StoreError, contract};

/// The local AWS, and a word that makes this run's names its own.
fn local_aws() -> Option<(SdkConfig, String)> {
    let Ok(endpoint) = std::env::var("LOCAL_AWS_ENDPOINT") else {
        eprintln!("skipped: LOCAL_AWS_ENDPOINT is not set");
        return None;
    };
    let settings = Settings::from_lookup(move |name| match name {
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        "AWS_ENDPOINT_URL" => Some(endpoint.clone()),
        _ => None,
    });
    Some((function_config(&settings).unwrap(), format!("run{:x}", Timestamp::now().as_nanosecond())))
}

fn attribute(name: &str) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap()
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

/// The tables, as the template has them.
async fn tables(config: &SdkConfig, run: &str) -> (String, String, String) {
    let client = aws_sdk_dynamodb::Client::new(config);
    let [orders, channels, maps] = ["orders", "channels", "maps"].map(|name| format!("{run}-{name}"));
    let index = GlobalSecondaryIndex::builder()
        .index_name("by-state")
        .key_schema(key("channel_state", KeyType::Hash))
        .key_schema(key("since", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
    let request = client
        .create_table()
        .table_name(&orders)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(vec![attribute("pk"), attribute("channel_state"), attribute("since")]))
        .key_schema(key("pk", KeyType::Hash))
        .global_secondary_indexes(index.build().unwrap());
    request.send().await.unwrap();
    for table in [&channels, &maps] {
        let request = client
            .create_table()
            .table_name(table)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(vec![attribute("pk"), attribute("sk")]))
            .key_schema(key("pk", KeyType::Hash))
            .key_schema(key("sk", KeyType::Range));
        request.send().await.unwrap();
    }
    (orders, channels, maps)
}

async fn queue(client: &aws_sdk_sqs::Client, name: String) -> String {
    client.create_queue().queue_name(name).send().await.unwrap().queue_url().unwrap().to_owned()
}

#[tokio::test]
async fn the_store_on_dynamodb_keeps_the_stores_promises() {
    let Some((config, run)) = local_aws() else { return };
    let (orders, channels, _) = tables(&config, &run).await;
    let store = DynamoDbStore::new(aws_sdk_dynamodb::Client::new(&config), orders, channels, Duration::from_secs(86_400));
    assert_eq!(contract::check(&store, &run).await, Ok(()));
    let channel = format!("{run}-index");
    assert_eq!(store.count_in(&channel, "seen").await, Ok(1));
    assert_eq!(store.holder_of(&format!("{run}-numbers/0001")).await.unwrap().unwrap().channel, format!("{run}-numbers"));
    assert_eq!(store.holder_of("no such number").await, Ok(None));
}

#[tokio::test]
async fn a_table_that_is_not_there_is_unavailable_and_named() {
    let Some((config, run)) = local_aws() else { return };
    let store = DynamoDbStore::new(aws_sdk_dynamodb::Client::new(&config), format!("{run}-none"), "none", Duration::ZERO);
    let refused = shared::state::Store::load_intake(&store).await;
    let Err(StoreError::Unavailable(problem)) = refused else { panic!("{refused:?}") };
    assert_eq!(problem, "reading installation: ResourceNotFoundException");
}

#[tokio::test]
async fn documents_are_versioned_listed_and_kept() {
    let Some((config, run)) = local_aws() else { return };
    let (_, channels, maps) = tables(&config, &run).await;
    let documents = || Documents::new(aws_sdk_dynamodb::Client::new(&config), &channels, &maps);
    let now: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
    assert_eq!(documents().channels().await.unwrap().channels, []);
    let definition = |id: &str, window: u32| -> Channel {
        let json = format!(
            r#"{{"id":"{id}","base_url":"https://a.mirakl.net","take_over_from":"2026-11-01T00:00:00Z","acceptance_window_minutes":{window}}}"#
        );
        serde_json::from_str(&json).unwrap()
    };
    let key = |id: &str| DocumentKey::Channel(id.to_owned());
    let writer = documents();
    assert_eq!(writer.put(&key("b"), &definition("b", 60), "Ann", now).await, Ok(1));
    assert_eq!(writer.put(&key("a"), &definition("a", 60), "Ann", now).await, Ok(1));
    assert_eq!(writer.put(&key("a"), &definition("a", 90), "Bob", now).await, Ok(2));
    assert_eq!(writer.put(&key("c"), &definition("c", 1), "Bob", now).await, Ok(1));
    let list = documents().channels().await.unwrap();
    assert_eq!(list.channels, [definition("a", 90), definition("b", 60)]);
    assert_eq!(list.unusable.len(), 1);
    let history = writer.history(&key("a")).await.unwrap();
    let authors: Vec<_> = history.iter().map(|version| (version.version, version.author.as_str(), version.at)).collect();
    assert_eq!(authors, [(1, "Ann", Some(now)), (2, "Bob", Some(now))]);

    let rules = DocumentKey::OrderRules("a".to_owned());
    assert_eq!(documents().read::<serde_json::Value>(&rules).await, Ok(None));
    writer.put(&rules, &serde_json::json!({"rule": 1}), "Ann", now).await.unwrap();
    assert_eq!(documents().read(&rules).await, Ok(Some(serde_json::json!({"rule": 1}))));
    let sku = DocumentKey::SkuOverride { channel: "a".to_owned(), sku: "COAT/12 ü".to_owned() };
    writer.put(&sku, &"OTHER", "Ann", now).await.unwrap();
    let found = documents().sku_overrides::<String>("a", ["COAT/12 ü", "ABSENT"]).await.unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [("COAT/12 ü".to_owned(), "OTHER".to_owned())]);
}

#[tokio::test]
async fn messages_arrive_whole_and_exceptions_are_readable() {
    let Some((config, run)) = local_aws() else { return };
    let client = aws_sdk_sqs::Client::new(&config);
    let (orders, dead) = (queue(&client, format!("{run}-orders")).await, queue(&client, format!("{run}-dead")).await);
    let queues = SqsQueue::new(client.clone(), &orders, &dead);
    let message = |index: usize| OrderMessage { channel: "c".to_owned(), order_id: format!("W-{index}"), task: OrderTask::Cancel };
    let messages: Vec<_> = (0..23).map(message).collect();
    queues.send(&messages, Duration::ZERO).await.unwrap();
    let mut arrived = Vec::new();
    while arrived.len() < messages.len() {
        let answer = client.receive_message().queue_url(&orders).max_number_of_messages(10).wait_time_seconds(5).send().await.unwrap();
        assert!(!answer.messages().is_empty(), "{} of {} arrived", arrived.len(), messages.len());
        for message in answer.messages() {
            let read: OrderMessage = serde_json::from_str(message.body().unwrap()).unwrap();
            arrived.push(read.order_id);
        }
    }
    arrived.sort_by_key(|id| id[2..].parse::<usize>().unwrap());
    assert!(arrived.iter().eq(messages.iter().map(|message| &message.order_id)), "{arrived:?}");

    let large = OrderMessage { order_id: "W-large".repeat(40_000), ..message(0) };
    let error = queues.send(&[message(1), large], Duration::ZERO).await.unwrap_err();
    assert_eq!(error.failed, [1]);

    let exception = ExceptionMessage {
        channel: "c".to_owned(),
        order: "W-1".to_owned(),
        kind: "unknown-sku".to_owned(),
        reason: "x".repeat(2000),
        remedy: String::new(),
        first_seen: "2026-11-20T09:00:00Z".to_owned(),
    };
    queues.send_exceptions(std::slice::from_ref(&exception)).await.unwrap();
    let request = client.receive_message().queue_url(&dead).message_attribute_names("All").wait_time_seconds(5);
    let answer = request.send().await.unwrap();
    let [letter] = answer.messages() else { panic!("one letter, not {}", answer.messages().len()) };
    let read: ExceptionMessage = serde_json::from_str(letter.body().unwrap()).unwrap();
    assert_eq!(read, exception, "the body has all of it");
    let attributes = letter.message_attributes().unwrap();
    assert_eq!(attributes["kind"].string_value(), Some("unknown-sku"));
    assert_eq!(attributes["remedy"].string_value(), Some("-"));
    assert!(attributes["reason"].string_value().unwrap().ends_with('…'));
}

#[tokio::test]
async fn events_are_taken_and_keys_are_read_again_when_refused() {
    let Some((config, run)) = local_aws() else { return };
    aws_sdk_eventbridge::Client::new(&config).create_event_bus().name(&run).send().await.unwrap();
    let bus = EventBridgeBus::new(aws_sdk_eventbridge::Client::new(&config), &run);
    let event = Event {
        kind: EventKind::KeyRefused,
        channel: Some("c".to_owned()),
        order: None,
        needs_person: true,
        severity: Severity::Critical,
        reason: "the key is refused".to_owned(),
        remedy: "store a new one".to_owned(),
    };
    bus.publish(&vec![event; 12]).await.unwrap();

    let client = aws_sdk_secretsmanager::Client::new(&config);
    let keys = SecretsManagerKeys::new(client.clone(), format!("{run}/channels/"));
    let absent = keys.key("c", false).await.unwrap_err();
    assert!(absent.contains("ResourceNotFoundException") && absent.contains("prima-mirakl channels key c"), "{absent}");
    let name = format!("{run}/channels/c");
    client.create_secret().name(&name).secret_string(r#"{"api_key":"first"}"#).send().await.unwrap();
    assert_eq!(keys.key("c", false).await.unwrap().expose_secret(), "first");
    client.put_secret_value().secret_id(&name).secret_string(r#"{"api_key":"second"}"#).send().await.unwrap();
    assert_eq!(keys.key("c", false).await.unwrap().expose_secret(), "first", "kept for a while");
    assert_eq!(keys.key("c", true).await.unwrap().expose_secret(), "second");
}
