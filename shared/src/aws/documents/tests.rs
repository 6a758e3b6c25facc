//! The document store on DynamoDB, item by item.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use super::*;

fn definition(id: &str, window: u32) -> Item {
    let document = format!(
        r#"{{"id":"{id}","base_url":"https://a.mirakl.net","take_over_from":"2026-11-01T00:00:00Z","acceptance_window_minutes":{window}}}"#
    );
    Item::from([
        ("sk".to_owned(), text(id)),
        ("version".to_owned(), AttributeValue::N("3".to_owned())),
        ("document".to_owned(), text(document)),
    ])
}

/// A definition that became unusable is reported, and its last good version goes on.
#[test]
fn the_last_good_definition_stays_when_a_new_one_is_unusable() {
    let good = channel_of(&definition("a", 60), "a").unwrap();
    let problem = channel_of(&definition("a", 1), "a").unwrap_err().to_string();
    assert!(problem.starts_with("acceptance_window_minutes: "), "{problem}");
    assert!(channel_of(&definition("a", 60), "b").unwrap_err().to_string().contains("stored as b"));
    let before = ChannelList { channels: vec![good.clone()], unusable: Vec::new() };
    let now = ChannelList { channels: Vec::new(), unusable: vec![("a".to_owned(), problem)] };
    assert_eq!(keep_last_good(now.clone(), Some(before)).channels, [good]);
    assert_eq!(keep_last_good(now, None).channels, []);
}

#[tokio::test(start_paused = true)]
async fn the_cache_is_short_and_outlives_trouble() {
    let down = || Err(StoreError::Unavailable("down".to_owned()));
    let cache = Cache::<(), u32>::default();
    assert!(cache.settle((), down(), "it").is_err(), "nothing was read before");
    assert_eq!(cache.settle((), Ok(1), "it"), Ok(1));
    assert_eq!(cache.fresh(&()), Some(1));
    tokio::time::advance(KEPT).await;
    assert_eq!(cache.fresh(&()), None);
    assert_eq!(cache.settle((), down(), "it"), Ok(1));
    assert_eq!(cache.fresh(&()), Some(1), "not every call waits for a table that is down");
    tokio::time::advance(KEPT_IN_TROUBLE).await;
    assert_eq!(cache.fresh(&()), None);
    assert_eq!(cache.settle((), Ok(2), "it"), Ok(2));
}
