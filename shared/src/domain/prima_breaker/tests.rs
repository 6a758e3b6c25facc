#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use std::cell::RefCell;

use super::*;
use crate::domain::events::EventError;
use crate::domain::state::in_memory::MemoryStore;

#[derive(Default)]
struct Bus(RefCell<Vec<Event>>);

impl Bus {
    fn kinds(&self) -> Vec<EventKind> {
        self.0.borrow().iter().map(|event| event.kind).collect()
    }
}

impl EventBus for Bus {
    async fn publish(&self, events: &[Event]) -> Result<(), EventError> {
        self.0.borrow_mut().extend(events.iter().cloned());
        Ok(())
    }
}

fn at(seconds: u64) -> Timestamp {
    after("2026-11-10T12:00:00Z".parse().unwrap(), Duration::from_secs(seconds))
}

fn behaviour() -> PrimaBehaviour {
    PrimaBehaviour {
        failures_until_open: 3,
        probe_interval_seconds: 60,
        ..PrimaBehaviour::default()
    }
}

fn order(number: u64) -> OrderKey {
    OrderKey::new("uk", format!("C{number}-A"))
}

struct World {
    store: MemoryStore,
    bus: Bus,
}

impl World {
    fn new() -> Self {
        Self { store: MemoryStore::default(), bus: Bus::default() }
    }

    /// A call about an order had no answer, of which nobody knows why.
    async fn fails(&self, operation: &'static str, number: u64, second: u64) -> bool {
        let problem: Result<(), _> =
            Err(PrimaError::unknown(operation, "mismatched parameters (3230)"));
        note(
            &self.store,
            &self.bus,
            &behaviour(),
            Call::about(operation, &order(number)),
            &problem,
            at(second),
        )
        .await
    }

    async fn answers(&self, operation: &'static str, second: u64) {
        answered(&self.store, &self.bus, operation, at(second)).await;
    }

    async fn admits(&self, operation: &'static str, number: u64, second: u64) -> bool {
        admit(&self.store, &behaviour(), Call::about(operation, &order(number)), at(second)).await
            == Admission::Admitted
    }

    async fn breakers(&self) -> PrimaBreakers {
        self.store.load_breakers().await.unwrap()
    }
}

/// A breaker opens after failures without an answer, says so once, probes, and closes with the
/// first answer.
#[tokio::test]
async fn a_breaker_opens_on_silence_then_probes_and_closes() {
    let world = World::new();
    world.fails(ORDER_STATUS, 1, 0).await;
    world.fails(ORDER_STATUS, 2, 1).await;
    world.answers(ORDER_STATUS, 2).await;
    for number in 3..5 {
        assert!(
            !world.fails(ORDER_STATUS, number, number).await,
            "an answer between begins the count anew"
        );
        assert!(world.admits(ORDER_STATUS, number, number).await);
    }
    assert!(world.fails(ORDER_STATUS, 5, 5).await);
    assert!(world.fails(ORDER_STATUS, 6, 6).await);
    let breakers = world.breakers().await;
    assert!(breakers.stops_creation() && !breakers.admits(at(7)) && !breakers.probe_due(at(7)));
    assert!(!world.admits(ORDER_STATUS, 7, 7).await);
    assert!(breakers.admits(at(66)) && breakers.probe_due(at(66)));
    assert!(world.admits(ORDER_STATUS, 7, 66).await, "one probe");
    assert!(!world.admits(ORDER_STATUS, 8, 66).await, "and no second at once");
    world.answers(ORDER_STATUS, 90).await;
    world.answers(ORDER_STATUS, 91).await;
    assert!(world.admits(ORDER_STATUS, 8, 91).await);
    let open = world.breakers().await;
    assert!(open.operations.is_empty() && open.admits(at(91)) && !open.probe_due(at(91)));
    assert_eq!(world.bus.kinds(), [EventKind::PrimaUnavailable, EventKind::PrimaAvailableAgain]);
}

#[tokio::test]
async fn each_operation_is_judged_by_itself_and_named() {
    let world = World::new();
    for number in 1..=3 {
        world.answers(ORDER_STATUS, number).await;
        world.fails(NEW_ORDER, number, number).await;
    }
    let breakers = world.breakers().await;
    assert!(
        breakers.is_open(NEW_ORDER) && !breakers.is_open(ORDER_STATUS) && breakers.stops_creation()
    );
    assert!(
        world.admits(ORDER_STATUS, 4, 5).await && !world.admits(NEW_ORDER, 4, 5).await,
        "questions go on"
    );
    world.answers(ORDER_STATUS, 6).await;
    assert!(
        world.breakers().await.is_open(NEW_ORDER),
        "an answer to a question opens nothing else"
    );
    let events = world.bus.0.borrow();
    let [opened] = &events[..] else { panic!("{events:?}") };
    assert!(
        opened.reason.contains("does not answer NewOrder")
            && opened.reason.contains("mismatched parameters (3230)"),
        "{}",
        opened.reason
    );
    assert!(opened.remedy.contains("request's id"), "{}", opened.remedy);
}

#[tokio::test]
async fn an_order_that_prima_always_fails_for_opens_no_breaker() {
    let world = World::new();
    for second in 0..50 {
        assert!(!world.fails(NEW_ORDER, 1, second).await);
    }
    assert!(!world.breakers().await.stops_creation());
    // A call that never went out is nobody's own matter.
    for second in 0..2 {
        let problem = PrimaError::not_sent(NEW_ORDER, "no connection");
        failed(
            &world.store,
            &world.bus,
            &behaviour(),
            Call::about(NEW_ORDER, &order(1)),
            &problem,
            at(second),
        )
        .await;
    }
    assert!(world.breakers().await.stops_creation());
}

/// An order that failed leaves the probe to others, and probes of new orders come ever later.
#[tokio::test]
async fn failed_orders_yield_the_probe_and_probes_grow_rarer() {
    let world = World::new();
    for number in 1..=3 {
        world.fails(NEW_ORDER, number, 0).await;
    }
    let breakers = world.breakers().await;
    assert!(breakers.admits_order(&order(4), at(60)) && !breakers.admits_order(&order(3), at(60)));
    assert!(!world.admits(NEW_ORDER, 3, 149).await && breakers.admits_order(&order(3), at(150)));
    let (mut now, mut waits) = (60, Vec::new());
    for number in 4..12 {
        assert!(world.admits(NEW_ORDER, number, now).await);
        assert!(world.fails(NEW_ORDER, number, now).await);
        let next = (now..)
            .find(|second| !waits.contains(second) && world_admits(&world, *second))
            .unwrap();
        waits.push(next - now);
        now = next;
    }
    assert_eq!(waits, [120, 240, 480, 960, 960, 960, 960, 960]);
    assert_eq!(world.bus.kinds(), [EventKind::PrimaUnavailable]);
}

fn world_admits(world: &World, second: u64) -> bool {
    futures_util::FutureExt::now_or_never(world.store.load_breakers())
        .unwrap()
        .unwrap()
        .admits(at(second))
}

#[tokio::test]
async fn a_refusal_is_an_answer_and_silence_is_none() {
    let world = World::new();
    let call = |second, answer: Result<(), PrimaError>| {
        let world = &world;
        async move {
            note(
                &world.store,
                &world.bus,
                &behaviour(),
                Call::about(ORDER_STATUS, &order(1)),
                &answer,
                at(second),
            )
            .await;
            world
                .breakers()
                .await
                .operations
                .get(ORDER_STATUS)
                .map_or(0, |operation| operation.failures)
        }
    };
    assert_eq!(call(0, Err(PrimaError::unknown(ORDER_STATUS, "no answer in time"))).await, 1);
    assert_eq!(
        call(1, Err(PrimaError::refused(ORDER_STATUS, "Unknown order"))).await,
        0,
        "whatever Prima says, it is there"
    );
    assert_eq!(call(2, Err(PrimaError::not_sent(ORDER_STATUS, "no connection"))).await, 1);
    assert_eq!(call(3, Ok(())).await, 0);
    assert_eq!(
        call(4, Err(PrimaError::unclear(ORDER_STATUS, "has no OrderStatus"))).await,
        0,
        "what cannot be understood is an answer"
    );
}

#[tokio::test]
async fn stock_has_a_breaker_of_its_own_and_its_own_exception_tells() {
    let world = World::new();
    let problem = PrimaError::not_sent(STOCK_BY_RANGE, "no connection");
    for second in 0..3 {
        failed(
            &world.store,
            &world.bus,
            &behaviour(),
            Call::of(STOCK_BY_RANGE),
            &problem,
            at(second),
        )
        .await;
    }
    let breakers = world.breakers().await;
    assert!(breakers.is_open(STOCK_BY_RANGE) && !breakers.stops_creation(), "orders go on");
    assert_eq!(
        admit(&world.store, &behaviour(), Call::of(STOCK_BY_RANGE), at(3)).await,
        Admission::Refused
    );
    world.answers(STOCK_BY_RANGE, 4).await;
    assert_eq!(world.bus.kinds(), []);
}

#[test]
fn what_was_stored_by_an_earlier_version_is_read() {
    let stored = r#"{"failures":4,"open_since":"2026-11-10T12:00:00Z","next_probe":"2026-11-10T12:01:00Z","untold":true}"#;
    assert_eq!(serde_json::from_str::<PrimaBreakers>(stored).unwrap(), PrimaBreakers::default());
    let shorter = r#"{"operations":{"NewOrder":{"failures":1}}}"#;
    assert_eq!(
        serde_json::from_str::<PrimaBreakers>(shorter).unwrap().operations["NewOrder"].failures,
        1
    );
}
