//! What the connector relies on of its queue, from sending ([`OrderQueue`]) to what a consumer
//! gets.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{LocalBoxFuture, join_all};
use shared::domain::queue::{
    ExceptionMessage, ExceptionQueue as _, OrderMessage, OrderQueue, OrderTask,
};
use tokio::time::{Instant, sleep};

use crate::Verdict;

/// How long a received message is hidden, in every queue under test.
pub(crate) const VISIBILITY: Duration = Duration::from_secs(1);
/// Receives before a message goes to the dead-letter queue: the template's `maxReceiveCount`.
pub(crate) const RECEIVES: u32 = 5;
/// How long anything that is to come may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Queues count in whole seconds, and may begin within one.
const GRAIN: Duration = Duration::from_millis(990);

/// A message as a consumer gets it.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// By what it is deleted.
    pub(crate) receipt: String,
    pub(crate) message: OrderMessage,
    /// How often it was received, where the queue tells.
    pub(crate) receives: Option<u32>,
}

/// An exception as a person finds it.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) exception: ExceptionMessage,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// A pair of queues of its own, and the consumer's side of them.
pub(crate) trait Queues {
    fn sender(&self) -> &impl OrderQueue;
    async fn receive(&self, most: usize) -> Vec<Received>;
    async fn delete(&self, received: &Received);
    /// Order messages that were received too often: takes them off the dead-letter queue.
    async fn dead(&self) -> Vec<OrderMessage>;
    /// Exceptions: takes them off the dead-letter queue.
    async fn letters(&self) -> Vec<Letter>;
}

pub(crate) const PROMISES: [&str; 10] = [
    "every message of three batches arrives whole",
    "a receive gives no more than ten, nor more than asked for",
    "a delayed message is not seen before its time",
    "a received message is hidden, and comes back after the visibility timeout",
    "the receive count grows",
    "a deleted message stays deleted",
    "of a batch only what was not deleted comes back",
    "a message received five times moves to the dead-letter queue",
    "a message that is too large is refused alone, and named",
    "an exception arrives whole, with attributes that a person can read",
];

/// Runs all of them, each on queues of its own, at the same time.
pub(crate) async fn check<Q: Queues>(fresh: impl AsyncFn() -> Q) -> Vec<Verdict> {
    let mut queues = Vec::new();
    for _ in PROMISES {
        queues.push(fresh().await);
    }
    let [a, b, c, d, e, f, g, h, i, j] = &queues[..] else {
        panic!("a pair of queues for each promise")
    };
    let checks: [LocalBoxFuture<'_, Result<(), String>>; PROMISES.len()] = [
        Box::pin(arrive_whole(a)),
        Box::pin(at_most_ten(b)),
        Box::pin(delay(c)),
        Box::pin(comes_back(d)),
        Box::pin(receive_count(e)),
        Box::pin(deleted(f)),
        Box::pin(partial_batch(g)),
        Box::pin(dead_letter(h)),
        Box::pin(too_large(i)),
        Box::pin(exception(j)),
    ];
    PROMISES.into_iter().zip(join_all(checks).await).collect()
}

async fn arrive_whole(queues: &impl Queues) -> Result<(), String> {
    // 23 make three batches by number, and the last ones more by size: each has more than a tenth
    // of what a batch may hold.
    let mut sent: Vec<_> = (0..23).map(message).collect();
    sent.push(firm_order("W-ünï \u{1F9E5} <&\"\u{0}\u{FFFF}\u{FFFE}\n"));
    sent.extend((0..11).map(|index| OrderMessage {
        order_id: format!("W-wide-{index}-{}", "x".repeat(30_000)),
        ..message(0)
    }));
    send(queues, &sent, Duration::ZERO).await?;
    let mut arrived = Vec::new();
    while arrived.len() < sent.len() {
        for received in some(queues, 10).await? {
            queues.delete(&received).await;
            if !arrived.contains(&received.message) {
                arrived.push(received.message);
            }
        }
    }
    let missing: Vec<_> = sent
        .iter()
        .filter(|message| !arrived.contains(message))
        .map(|message| &message.order_id)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("these did not arrive as they were sent: {missing:?}"))
    }
}

async fn at_most_ten(queues: &impl Queues) -> Result<(), String> {
    send(queues, &(0..25).map(message).collect::<Vec<_>>(), Duration::ZERO).await?;
    for most in [10, 1, 3] {
        let found = some(queues, most).await?.len();
        if found > most {
            return Err(format!("{found} at once, where {most} were asked for"));
        }
    }
    Ok(())
}

async fn delay(queues: &impl Queues) -> Result<(), String> {
    let began = Instant::now();
    let wait = Duration::from_secs(3);
    send(queues, &[message(0)], wait).await?;
    some(queues, 10).await?;
    let passed = began.elapsed();
    if passed + GRAIN < wait {
        Err(format!("seen after {passed:?}, sent with a delay of {wait:?}"))
    } else {
        Ok(())
    }
}

async fn comes_back(queues: &impl Queues) -> Result<(), String> {
    send(queues, &[message(0)], Duration::ZERO).await?;
    let began = Instant::now();
    some(queues, 10).await?;
    let first = Instant::now();
    let again = queues.receive(10).await;
    // Only where the machine was quick enough for the message to be hidden still.
    if !again.is_empty() && began.elapsed() < VISIBILITY {
        return Err("received again at once".to_owned());
    }
    if again.is_empty() {
        some(queues, 10).await?;
        let hidden = first.elapsed();
        if hidden + GRAIN < VISIBILITY {
            return Err(format!("back after {hidden:?}, to be hidden for {VISIBILITY:?}"));
        }
    }
    Ok(())
}

async fn receive_count(queues: &impl Queues) -> Result<(), String> {
    send(queues, &[message(0)], Duration::ZERO).await?;
    for expected in 1..=3 {
        let received = some(queues, 10).await?;
        let receives: Vec<_> = received.iter().map(|received| received.receives).collect();
        if receives != [Some(expected)] {
            return Err(format!("receive {expected} is told as {receives:?}"));
        }
    }
    Ok(())
}

async fn deleted(queues: &impl Queues) -> Result<(), String> {
    send(queues, &[message(0)], Duration::ZERO).await?;
    for received in some(queues, 10).await? {
        queues.delete(&received).await;
    }
    // When this one arrives, the other's visibility timeout is over.
    send(queues, &[message(1)], VISIBILITY * 2).await?;
    let arrived: Vec<_> =
        some(queues, 10).await?.into_iter().map(|received| received.message.order_id).collect();
    if arrived == [message(1).order_id] {
        Ok(())
    } else {
        Err(format!("received after it was deleted: {arrived:?}"))
    }
}

/// As Lambda does with a partial batch response: it deletes what was not named.
async fn partial_batch(queues: &impl Queues) -> Result<(), String> {
    send(queues, &(0..3).map(message).collect::<Vec<_>>(), Duration::ZERO).await?;
    let failed = message(1);
    let mut deleted = 0;
    while deleted < 2 {
        for received in some(queues, 10).await?.iter().filter(|received| received.message != failed)
        {
            queues.delete(received).await;
            deleted += 1;
        }
    }
    for _ in 0..2 {
        let back: Vec<_> =
            some(queues, 10).await?.into_iter().map(|received| received.message).collect();
        if back != [failed.clone()] {
            return Err(format!("{} came back, and only W-1 was to", back.len()));
        }
    }
    Ok(())
}

async fn dead_letter(queues: &impl Queues) -> Result<(), String> {
    let poison = firm_order("W-poison");
    send(queues, std::slice::from_ref(&poison), Duration::ZERO).await?;
    let mut receives = 0;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        receives += u32::try_from(queues.receive(10).await.len()).unwrap_or(u32::MAX);
        let dead = queues.dead().await;
        if !dead.is_empty() {
            if receives != RECEIVES {
                return Err(format!("moved after {receives} receives, not {RECEIVES}"));
            }
            return if dead == [poison] {
                Ok(())
            } else {
                Err("it is not what was sent".to_owned())
            };
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(format!("still in its queue after {receives} receives"))
}

async fn too_large(queues: &impl Queues) -> Result<(), String> {
    let large = OrderMessage { order_id: "W-large".repeat(40_000), ..message(0) };
    let refused = queues.sender().send(&[message(0), large, message(2)], Duration::ZERO).await;
    let failed = refused.err().map(|problem| problem.failed);
    if failed.as_deref() != Some(&[1]) {
        return Err(format!("refused are {failed:?}"));
    }
    let mut arrived = Vec::new();
    while arrived.len() < 2 {
        for received in some(queues, 10).await? {
            queues.delete(&received).await;
            arrived.push(received.message);
        }
    }
    if [0, 2].iter().all(|index| arrived.contains(&message(*index))) {
        Ok(())
    } else {
        Err("the others did not arrive".to_owned())
    }
}

async fn exception(queues: &impl Queues) -> Result<(), String> {
    let exception = ExceptionMessage {
        channel: "c".to_owned(),
        order: "W-1".to_owned(),
        kind: "unknown-sku".to_owned(),
        reason: "é".repeat(2000),
        remedy: String::new(),
        first_seen: "2026-11-20T09:00:00Z".to_owned(),
    };
    queues
        .sender()
        .send_exceptions(std::slice::from_ref(&exception))
        .await
        .map_err(|problem| problem.to_string())?;
    let began = Instant::now();
    let mut letters = Vec::new();
    while letters.is_empty() && began.elapsed() < PATIENCE {
        letters = queues.letters().await;
    }
    let [letter] = &letters[..] else { return Err(format!("{} letters", letters.len())) };
    if letter.exception != exception {
        return Err(format!("its body is {:?}", letter.exception));
    }
    let of = |name: &str| letter.attributes.get(name).map(String::as_str);
    let cut = of("reason").is_some_and(|reason| reason.ends_with('…'));
    let plain = of("channel") == Some("c")
        && of("order") == Some("W-1")
        && of("kind") == Some("unknown-sku")
        && of("remedy") == Some("-");
    if plain && cut { Ok(()) } else { Err(format!("its attributes are {:?}", letter.attributes)) }
}

async fn send(
    queues: &impl Queues,
    messages: &[OrderMessage],
    delay: Duration,
) -> Result<(), String> {
    queues.sender().send(messages, delay).await.map_err(|problem| problem.to_string())
}

/// Receives until there is something.
async fn some(queues: &impl Queues, most: usize) -> Result<Vec<Received>, String> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let received = queues.receive(most).await;
        if !received.is_empty() {
            return Ok(received);
        }
        sleep(Duration::from_millis(50)).await;
    }
    Err(format!("nothing arrived within {PATIENCE:?}"))
}

fn message(index: usize) -> OrderMessage {
    OrderMessage {
        channel: "c".to_owned(),
        order_id: format!("W-{index}"),
        task: OrderTask::Cancel,
    }
}

fn firm_order(id: &str) -> OrderMessage {
    let json = serde_json::json!({
        "order_id": id, "order_state": "SHIPPING", "created_date": "2026-11-20T08:00:00Z",
        "order_lines": [{"order_line_id": "1", "offer_sku": "PRIMA-1", "quantity": 2, "order_line_state": "SHIPPING",
            "price": 10, "price_unit": 5, "total_price": 10}],
    });
    // By way of a text: amounts are read from their digits.
    let order = serde_json::from_str(&json.to_string()).unwrap();
    OrderMessage {
        channel: "c".to_owned(),
        order_id: id.to_owned(),
        task: OrderTask::Create { order },
    }
}
