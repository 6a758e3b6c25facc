#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
use super::*;
use crate::domain::state::in_memory::MemoryStore;

const ORDERS: PrimaCaller = PrimaCaller::CreatePrimaOrders;
const DISPATCHES: PrimaCaller = PrimaCaller::CollectDispatches;
const STOCK: PrimaCaller = PrimaCaller::PushStock;
/// Three callers, two of which have to take turns.
const SCARCE: PrimaCalls =
    PrimaCalls { at_once: 2, orders: 2, dispatches: 1, stock: 1, journals: 1 };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn take(
    slots: &mut PrimaSlots,
    caller: PrimaCaller,
    owner: &str,
    calls: &PrimaCalls,
    second: i64,
) -> Result<(), Timestamp> {
    slots.take(&SlotRequest { caller, owner, until: at(second + 330) }, calls, at(second))
}

#[test]
fn as_many_calls_as_prima_takes_are_leased_and_no_more() {
    let (mut slots, calls) = (PrimaSlots::default(), PrimaCalls::default());
    for (caller, owner) in [(DISPATCHES, "d"), (STOCK, "s"), (ORDERS, "a"), (ORDERS, "b")] {
        assert_eq!(take(&mut slots, caller, owner, &calls, 0), Ok(()), "{owner}");
    }
    assert_eq!(slots.in_use(), calls.at_once);
    assert_eq!(take(&mut slots, ORDERS, "c", &calls, 1), Err(at(1)), "orders have both of theirs");
    assert!(slots.waiting.is_empty(), "nobody leaves room to a caller that has all of its own");
    assert!(slots.give_back(ORDERS, "a") && !slots.give_back(ORDERS, "a"));
    assert_eq!(take(&mut slots, ORDERS, "c", &calls, 2), Ok(()));
}

#[test]
fn one_slot_is_always_kept_for_orders() {
    let mut slots = PrimaSlots::default();
    assert_eq!(take(&mut slots, STOCK, "s", &SCARCE, 0), Ok(()));
    assert_eq!(
        take(&mut slots, DISPATCHES, "d", &SCARCE, 0),
        Err(at(0)),
        "the other slot is for orders"
    );
    assert_eq!(take(&mut slots, ORDERS, "a", &SCARCE, 0), Ok(()));
    assert_eq!(take(&mut slots, ORDERS, "b", &SCARCE, 1), Err(at(1)));
    slots.give_back(STOCK, "s");
    assert_eq!(
        take(&mut slots, DISPATCHES, "d", &SCARCE, 2),
        Err(at(0)),
        "orders wait too, and come first"
    );
    assert_eq!(take(&mut slots, ORDERS, "b", &SCARCE, 2), Ok(()));
    slots.give_back(ORDERS, "a");
    assert_eq!(
        take(&mut slots, DISPATCHES, "d", &SCARCE, 3),
        Ok(()),
        "orders have one, and want no other"
    );
}

#[test]
fn the_others_take_turns() {
    let mut slots = PrimaSlots::default();
    let mut had = Vec::new();
    // Both ask every minute, always stock first.
    for minute in 0..6 {
        for (caller, owner) in [(STOCK, "s"), (DISPATCHES, "d")] {
            if take(&mut slots, caller, owner, &SCARCE, 60 * minute).is_ok() {
                had.push(caller);
            }
        }
        slots.give_back(STOCK, "s");
        slots.give_back(DISPATCHES, "d");
    }
    assert_eq!(had, [STOCK, DISPATCHES, STOCK, DISPATCHES, STOCK, DISPATCHES]);
}

#[test]
fn a_caller_that_asks_no_more_holds_nobody_up() {
    let mut slots = PrimaSlots::default();
    assert_eq!(take(&mut slots, STOCK, "s", &SCARCE, 0), Ok(()));
    assert_eq!(take(&mut slots, DISPATCHES, "d", &SCARCE, 0), Err(at(0)));
    slots.give_back(STOCK, "s");
    assert_eq!(take(&mut slots, STOCK, "s", &SCARCE, 149), Err(at(149)), "it is the other's turn");
    assert_eq!(take(&mut slots, STOCK, "s", &SCARCE, 150), Ok(()));
}

#[test]
fn a_killed_run_keeps_its_slot_until_it_would_have_ended() {
    let mut slots = PrimaSlots::default();
    assert_eq!(take(&mut slots, ORDERS, "killed", &SCARCE, 0), Ok(()));
    assert_eq!(take(&mut slots, ORDERS, "a", &SCARCE, 1), Ok(()));
    assert_eq!(take(&mut slots, ORDERS, "b", &SCARCE, 329), Err(at(329)));
    assert_eq!(take(&mut slots, ORDERS, "b", &SCARCE, 330), Ok(()));
    assert_eq!(take(&mut slots, STOCK, "push-stock", &PrimaCalls::default(), 331), Ok(()));
    assert_eq!(
        take(&mut slots, STOCK, "push-stock", &PrimaCalls::default(), 332),
        Ok(()),
        "its successor takes it over"
    );
    assert_eq!(slots.leases.iter().filter(|lease| lease.caller == STOCK).count(), 1);
}

#[test]
fn whatever_the_callers_do_the_bounds_hold_and_orders_get_a_slot() {
    for seed in 0..200 {
        let mut random = drawn(seed);
        let at_once = 2 + random() % 5;
        let mut of_one = |most: usize| 1 + random() % most;
        let calls = PrimaCalls {
            at_once,
            orders: of_one(at_once),
            dispatches: of_one(at_once - 1),
            stock: of_one(at_once - 1),
            journals: of_one(at_once - 1),
        };
        assert_eq!(calls.problems(), []);
        let mut slots = PrimaSlots::default();
        for second in 0..300 {
            let caller = PrimaCaller::ALL[random() % 4];
            let owner = if caller == ORDERS {
                ["a", "b", "c", "d"][random() % 4]
            } else {
                caller.function()
            };
            if random().is_multiple_of(3) {
                slots.give_back(caller, owner);
                continue;
            }
            let had_none = slots.in_use_by(ORDERS) == 0;
            let taken = take(&mut slots, caller, owner, &calls, second);
            assert!(slots.in_use() <= calls.at_once, "{calls:?} {slots:?}");
            assert!(
                PrimaCaller::ALL.iter().all(|caller| slots.in_use_by(*caller) <= calls.of(*caller)),
                "{calls:?} {slots:?}"
            );
            assert!(
                caller != ORDERS || !had_none || taken.is_ok(),
                "orders have none and get none: {calls:?} {slots:?}"
            );
        }
    }
}

/// Numbers that look drawn.
fn drawn(seed: usize) -> impl FnMut() -> usize {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 8
    }
}

/// A clock that stands still but for sleeping.
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        after(at(0), self.0.elapsed())
    }
}

/// A store that is replaced under its reader so many times, or gives no answer.
struct Contended {
    memory: MemoryStore,
    conflicts: std::cell::Cell<usize>,
    is_down: bool,
}

impl SlotStore for Contended {
    async fn load_slots(&self) -> Result<PrimaSlots, StoreError> {
        if self.is_down {
            Err(StoreError::Unavailable("throttled".to_owned()))
        } else {
            self.memory.load_slots().await
        }
    }

    async fn save_slots(&self, slots: &mut PrimaSlots) -> Result<(), StoreError> {
        if self.conflicts.get() > 0 {
            self.conflicts.set(self.conflicts.get() - 1);
            let mut theirs = self.memory.load_slots().await?;
            let _taken = take(&mut theirs, STOCK, "s", &SCARCE, 0);
            self.memory.save_slots(&mut theirs).await?;
        }
        self.memory.save_slots(slots).await
    }
}

async fn leases(store: &Contended, caller: PrimaCaller, patience: Duration) -> Slot {
    let clock = Paused(tokio::time::Instant::now());
    lease_slots(
        store,
        &clock,
        &SCARCE,
        SlotRequest { caller, owner: "ours", until: at(330) },
        patience,
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn of_two_writers_one_has_the_slot_and_the_other_sees_that() {
    let store = Contended { memory: MemoryStore::default(), conflicts: 1.into(), is_down: false };
    assert_eq!(
        leases(&store, DISPATCHES, Duration::ZERO).await,
        Slot::Refused { since: at(0) },
        "stock was quicker"
    );
    let store = Contended { memory: MemoryStore::default(), conflicts: 1.into(), is_down: false };
    assert_eq!(leases(&store, ORDERS, Duration::ZERO).await, Slot::Leased, "the second try");
    give_slots_back(&store, ORDERS, "ours").await;
    let left: Vec<PrimaCaller> =
        store.memory.load_slots().await.unwrap().leases.iter().map(|lease| lease.caller).collect();
    assert_eq!(left, [STOCK]);
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_its_slot_and_not_for_ever() {
    let store = Contended { memory: MemoryStore::default(), conflicts: 0.into(), is_down: false };
    let mut slots = PrimaSlots::default();
    take(&mut slots, STOCK, "s", &SCARCE, -320).unwrap();
    store.memory.save_slots(&mut slots).await.unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(
        leases(&store, DISPATCHES, Duration::from_secs(8)).await,
        Slot::Refused { since: at(0) }
    );
    assert_eq!(began.elapsed(), Duration::from_secs(6));
    assert_eq!(
        leases(&store, DISPATCHES, PATIENCE).await,
        Slot::Leased,
        "the other's lease ends at 10 s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_said_to_be_unknown() {
    let store = Contended { memory: MemoryStore::default(), conflicts: 0.into(), is_down: true };
    assert_eq!(leases(&store, ORDERS, PATIENCE).await, Slot::Unknown);
    give_slots_back(&store, ORDERS, "ours").await;
}
