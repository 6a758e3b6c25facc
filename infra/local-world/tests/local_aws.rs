//! The local AWS itself: it starts, answers, and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use local_world::{AwsServer, LocalAws};
use serde_json::json;

#[tokio::test]
async fn two_local_aws_run_side_by_side_and_each_ends_with_its_owner() {
    let (one, two) = tokio::try_join!(LocalAws::start(), LocalAws::start()).unwrap();
    assert_ne!(one.endpoint(), two.endpoint());
    let queue = one.call("sqs", "create_queue", json!({"QueueName": "only-here"})).await.unwrap();
    assert!(queue["QueueUrl"].as_str().unwrap().starts_with(one.endpoint()));
    let others = two.call("sqs", "list_queues", json!({})).await.unwrap();
    assert!(others["QueueUrls"].as_array().is_none_or(Vec::is_empty), "{others}");
    let refused =
        two.call("sqs", "get_queue_url", json!({"QueueName": "only-here"})).await.unwrap_err();
    assert!(format!("{refused:#}").contains("NonExistentQueue"), "{refused:#}");

    let address = one.endpoint().trim_start_matches("http://").to_owned();
    assert!(address.starts_with("127.0.0.1:"));
    drop(one);
    assert!(std::net::TcpStream::connect(&address).is_err(), "{address} is still served");
    two.call("sqs", "list_queues", json!({})).await.unwrap();
}

#[tokio::test]
async fn moto_runs_the_same_way() {
    let moto = LocalAws::start_server(AwsServer::Moto).await.unwrap();
    moto.call("sqs", "create_queue", json!({"QueueName": "only-here"})).await.unwrap();
    assert!(moto.directory().join("moto.log").metadata().unwrap().len() > 0);
    let address = moto.endpoint().trim_start_matches("http://").to_owned();
    drop(moto);
    assert!(std::net::TcpStream::connect(&address).is_err(), "{address} is still served");
}
