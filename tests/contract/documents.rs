//! Documents and API keys, on their one implementation and two AWSs.

use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;
use shared::aws::documents::Documents;
use shared::aws::secrets::SecretsManagerKeys;
use shared::domain::channel::Channel;
use shared::domain::documents::DocumentKey;

use crate::places::Server;

/// Documents are versioned, listed and kept.
pub(crate) async fn check(server: &Server) {
    let (channels, rules) = (server.table("ChannelsTable").await, server.table("RulesTable").await);
    let documents =
        || Documents::new(aws_sdk_dynamodb::Client::new(&server.config), &channels, &rules);
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
    let authors: Vec<_> = history
        .iter()
        .map(|version| (version.version, version.author.as_str(), version.at))
        .collect();
    assert_eq!(authors, [(1, "Ann", Some(now)), (2, "Bob", Some(now))]);

    let rules = DocumentKey::OrderRules("a".to_owned());
    assert_eq!(documents().read::<serde_json::Value>(&rules).await, Ok(None));
    writer.put(&rules, &json!({"rule": 1}), "Ann", now).await.unwrap();
    assert_eq!(documents().read(&rules).await, Ok(Some(json!({"rule": 1}))));
    let sku = DocumentKey::SkuOverride { channel: "a".to_owned(), sku: "COAT/12 ü".to_owned() };
    writer.put(&sku, &"OTHER", "Ann", now).await.unwrap();
    let found = documents().sku_overrides::<String>("a", ["COAT/12 ü", "ABSENT"]).await.unwrap();
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [("COAT/12 ü".to_owned(), "OTHER".to_owned())]
    );
}

/// Keys are kept for a while, and read again when refused.
pub(crate) async fn check_keys(server: &Server) {
    let client = aws_sdk_secretsmanager::Client::new(&server.config);
    let keys = SecretsManagerKeys::new(client.clone(), "stack/channels/".to_owned());
    let absent = keys.key("c", false).await.unwrap_err();
    assert!(
        absent.to_string().contains("ResourceNotFoundException")
            && absent.to_string().contains("prima-mirakl channels key c"),
        "{absent}"
    );
    let name = "stack/channels/c";
    client.create_secret().name(name).secret_string(r#"{"api_key":"first"}"#).send().await.unwrap();
    assert_eq!(keys.key("c", false).await.unwrap().expose_secret(), "first");
    client
        .put_secret_value()
        .secret_id(name)
        .secret_string(r#"{"api_key":"second"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(keys.key("c", false).await.unwrap().expose_secret(), "first", "kept for a while");
    assert_eq!(keys.key("c", true).await.unwrap().expose_secret(), "second");
}
