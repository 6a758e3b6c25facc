//! What every store must do, as one suite: called by the unit tests on memory, and by whoever has a
//! DynamoDB at hand (a local AWS, moto, a real account). It is public for that reason only; no
//! function calls it.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    BreakerStore, FlightStore, NumberStore, OrderStore, PollStore, Reservation, StoreError,
};
use crate::domain::dispatch::Dispatch;
use crate::domain::order::row::{
    EXCEPTION_UNANNOUNCED, ExceptionKind, Lease, OrderKey, OrderRow, REFERENCE_PENDING, RowLine,
    Stage,
};
use crate::domain::prima_calls::{PrimaCaller, PrimaCalls};
use crate::domain::prima_slots::{SlotRequest, SlotStore};
use crate::domain::stock::flight::Flight;
use crate::kit::clock::after;
use crate::mirakl::Order;

/// Fails with what was expected and what was found instead.
macro_rules! holds {
    ($condition:expr, $($expected:tt)+) => {
        if !$condition {
            return Err(format!($($expected)+));
        }
    };
}

/// Runs the whole suite. `run` makes its records its own: letters and digits, different for every
/// run on a shared table.
///
/// # Errors
/// The first promise that the store does not keep.
pub async fn check(
    store: &(impl OrderStore + NumberStore + PollStore + BreakerStore),
    run: &str,
) -> Result<(), String> {
    versions_and_conflicts(store, &format!("{run}-versions")).await?;
    whole_rows(store, &format!("{run}-rows")).await?;
    the_index(store, &format!("{run}-index")).await?;
    numbers(store, &format!("{run}-numbers")).await?;
    batches(store, &format!("{run}-batches")).await?;
    poll_states(store, &format!("{run}-polls")).await?;
    breakers(store).await
}

/// What must hold of flights beside rows, as [`check`].
///
/// # Errors
/// The first promise that the store does not keep.
pub async fn check_flights(
    store: &(impl OrderStore + FlightStore),
    run: &str,
) -> Result<(), String> {
    let channel = format!("{run}-flights");
    let flights = async |expected: &[&OrderRow], when: &str| {
        let mut found = store.flights(&channel).await.map_err(|problem| problem.to_string())?;
        found.sort_by(|one, other| one.key.cmp(&other.key));
        let expected: Vec<Flight> = expected.iter().map(|row| Flight::of(row)).collect();
        holds!(found == expected, "{when}: {found:?} is in flight, expected {expected:?}");
        Ok::<(), String>(())
    };
    flights(&[], "before anything was saved").await?;
    let line = |quantity| RowLine {
        order_line_id: "1".to_owned(),
        offer_sku: "W1-NAV-10".to_owned(),
        quantity,
    };
    let (mut one, mut other) = (row(&channel, "A-1", moment(0))?, row(&channel, "A-2", moment(1))?);
    (one.lines, other.lines) = (vec![line(1)], vec![line(2)]);
    save(store, &mut one).await?;
    save(store, &mut other).await?;
    save(store, &mut row(&format!("{run}-other-flights"), "A-3", moment(2))?).await?;
    flights(&[&one, &other], "each order of the channel once").await?;

    let mut outdated = one.clone();
    one.creation.created_at = Some(moment(60));
    one.enter(Stage::Created, moment(60), "");
    save(store, &mut one).await?;
    flights(&[&one, &other], "after a row was saved again").await?;
    outdated.lines = vec![line(7)];
    let refused = store.save_order(&mut outdated).await;
    holds!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "a row that was changed since is refused, not {refused:?}"
    );
    flights(&[&one, &other], "after a refused row: neither of both is written").await?;
    one.listing.updated = Some(moment(90));
    save(store, &mut one).await?;
    let mut read = loaded(store, &one.key).await?.ok_or("the row is absent")?;
    read.enter(Stage::Cancelled, moment(120), "");
    save(store, &mut read).await?;
    flights(&[&read, &other], "after a cancellation, by another holder of the row").await
}

async fn versions_and_conflicts(store: &impl OrderStore, channel: &str) -> Result<(), String> {
    let mut row = row(channel, "A-1", moment(0))?;
    holds!(loaded(store, &row.key).await?.is_none(), "an order that was never saved is absent");
    save(store, &mut row).await?;
    holds!(row.version == 1, "the first save makes version 1, not {}", row.version);

    let mut twin = self::row(channel, "A-1", moment(0))?;
    let refused = store.save_order(&mut twin).await;
    holds!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "a second first save is a conflict, not {refused:?}"
    );
    holds!(twin.version == 0, "a conflict leaves the version as it was");

    let mut ours = loaded(store, &row.key).await?.ok_or("a saved order is found")?;
    let mut theirs = ours.clone();
    holds!(ours.version == 1, "a loaded row carries its version, not {}", ours.version);
    ours.enter(Stage::Acknowledged, moment(1), "ours");
    theirs.enter(Stage::Acknowledged, moment(1), "ours");
    save(store, &mut ours).await?;
    let refused = store.save_order(&mut theirs).await;
    holds!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "of two equal changes to one version one is a conflict, not {refused:?}"
    );
    save(store, &mut ours).await?;
    holds!(ours.version == 3, "a row that was saved can be saved again");

    let mut of_nothing = self::row(channel, "A-2", moment(0))?;
    of_nothing.version = 7;
    let refused = store.save_order(&mut of_nothing).await;
    holds!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "changing a row that is gone is a conflict, not {refused:?}"
    );
    holds!(loaded(store, &of_nothing.key).await?.is_none(), "a conflict writes nothing");
    Ok(())
}

async fn whole_rows(store: &impl OrderStore, channel: &str) -> Result<(), String> {
    let mut row = row(channel, "Ünï #1/α-A", moment(5))?;
    row.creation.order_number = Some("OUT-0001".to_owned());
    row.creation.lease = Some(Lease { owner: "invocation/1".to_owned(), until: moment(9) });
    row.fail(ExceptionKind::UnknownSku, "the SKU \"X\" is unknown", "map it", moment(6));
    save(store, &mut row).await?;
    let found = loaded(store, &row.key).await?;
    holds!(found.as_ref() == Some(&row), "a row is read as it was saved:\n{found:?}\n{row:?}");
    Ok(())
}

async fn the_index(store: &impl OrderStore, channel: &str) -> Result<(), String> {
    let mut rows = Vec::new();
    // Saved out of order; a whole second next to one with a fraction, whose short texts would sort
    // the other way.
    for (id, since) in [
        ("late", moment(60)),
        ("early", moment(1)),
        ("fraction", after(moment(1), Duration::from_nanos(500))),
    ] {
        let mut row = row(channel, id, since)?;
        save(store, &mut row).await?;
        rows.push(row);
    }
    let other = format!("{channel}-other");
    save(store, &mut row(&other, "elsewhere", moment(0))?).await?;
    listed(store, channel, "seen", 10, &["early", "fraction", "late"]).await?;
    listed(store, channel, "seen", 2, &["early", "fraction"]).await?;
    listed(store, &other, "seen", 10, &["elsewhere"]).await?;
    listed(store, channel, "firm", 10, &[]).await?;

    rows[0].enter(Stage::Created, moment(70), "");
    save(store, &mut rows[0]).await?;
    rows[1].fail(ExceptionKind::Unmappable, "why", "what", moment(71));
    save(store, &mut rows[1]).await?;
    listed(store, channel, "seen", 10, &["fraction"]).await?;
    listed(store, channel, REFERENCE_PENDING, 10, &["late"]).await?;
    listed(store, channel, EXCEPTION_UNANNOUNCED, 10, &["early"]).await?;
    rows[0].creation.referenced_at = Some(moment(72));
    save(store, &mut rows[0]).await?;
    listed(store, channel, REFERENCE_PENDING, 10, &[]).await?;
    listed(store, channel, "created", 10, &["late"]).await?;

    // In Prima and looked at again when it is due: the index sorts by that.
    rows[0].dispatch = Some(Box::new(Dispatch { due_at: moment(500), ..Dispatch::default() }));
    save(store, &mut rows[0]).await?;
    for (until, expected) in [(moment(499), &[][..]), (moment(500), &["late"][..])] {
        let due = store.orders_due(channel, "created", until, 10).await.map_err(said)?;
        let due: Vec<&str> = due.iter().map(|key| key.order_id.as_str()).collect();
        holds!(due == expected, "due by {until} are {expected:?}, not {due:?}");
    }
    Ok(())
}

async fn numbers(store: &impl NumberStore, channel: &str) -> Result<(), String> {
    let (first, second) = (OrderKey::new(channel, "A-1"), OrderKey::new(channel, "A-2"));
    let number = format!("{channel}/0001");
    let (one, two) = futures_util::future::join(
        store.reserve_number(&number, &first),
        store.reserve_number(&number, &second),
    )
    .await;
    let (one, two) = (one.map_err(said)?, two.map_err(said)?);
    let holder = match (&one, &two) {
        (Reservation::Ours, Reservation::HeldBy(holder)) if *holder == first => first,
        (Reservation::HeldBy(holder), Reservation::Ours) if *holder == second => second,
        other => {
            return Err(format!(
                "of two orders racing for a number exactly one gets it, not {other:?}"
            ));
        }
    };
    let again = store.reserve_number(&number, &holder).await.map_err(said)?;
    holds!(again == Reservation::Ours, "a number stays its holder's, not {again:?}");
    let found = store.holder_of(&number).await.map_err(said)?;
    holds!(found.as_ref() == Some(&holder), "a number's holder is told, not {found:?}");
    let free = store.holder_of(&format!("{channel}/none")).await.map_err(said)?;
    holds!(free.is_none(), "a free number has no holder, not {free:?}");
    let longer = store.reserve_number(&format!("{number}0"), &holder).await.map_err(said)?;
    holds!(longer == Reservation::Ours, "numbers are compared whole");
    Ok(())
}

async fn batches(store: &impl OrderStore, channel: &str) -> Result<(), String> {
    let mut keys = Vec::new();
    for index in 0..130 {
        let mut row = row(channel, &format!("B-{index}"), moment(index))?;
        save(store, &mut row).await?;
        keys.push(row.key);
    }
    keys.push(OrderKey::new(channel, "absent"));
    keys.push(OrderKey::new(channel, "B-0"));
    let found = store.load_orders(&keys).await.map_err(said)?;
    holds!(
        found.len() == 130,
        "130 of 130 rows are found by their keys, named twice or not: {}",
        found.len()
    );
    holds!(
        found.iter().all(|(key, row)| row.key == *key && row.version == 1),
        "each under its own key, with its version"
    );
    holds!(store.load_orders(&[]).await.map_err(said)?.is_empty(), "no keys, no rows");
    Ok(())
}

async fn poll_states(store: &impl PollStore, channel: &str) -> Result<(), String> {
    let mut poll = store.load_poll(channel).await.map_err(said)?;
    holds!(poll == super::PollState::default(), "a new channel's poll state is empty: {poll:?}");
    let mut twin = poll.clone();
    poll.watermark = Some(moment(3));
    poll.full_wanted = true;
    poll.warned_orders.push("A-1".to_owned());
    store.save_poll(channel, &mut poll).await.map_err(said)?;
    let refused = store.save_poll(channel, &mut twin).await;
    holds!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "the second of two first saves is a conflict, not {refused:?}"
    );
    let mut found = store.load_poll(channel).await.map_err(said)?;
    holds!(found == poll && found.version == 1, "a poll state is read as it was saved: {found:?}");
    store.save_poll(channel, &mut found).await.map_err(said)?;
    let refused = store.save_poll(channel, &mut poll).await;
    holds!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "an outdated poll state is a conflict, not {refused:?}"
    );
    Ok(())
}

/// There is one record of breakers in a store: it is left as it was found.
async fn breakers(store: &impl BreakerStore) -> Result<(), String> {
    let before = store.load_breakers().await.map_err(said)?;
    let (mut ours, mut theirs) = (before.clone(), before.clone());
    let closed = super::OperationBreaker {
        failures: 3,
        open_since: Some(moment(1)),
        ..super::OperationBreaker::default()
    };
    ours.operations.insert("NewOrder".to_owned(), closed);
    store.save_breakers(&mut ours).await.map_err(said)?;
    let refused = store.save_breakers(&mut theirs).await;
    holds!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "an outdated record of breakers is a conflict, not {refused:?}"
    );
    let found = store.load_breakers().await.map_err(said)?;
    holds!(
        found == ours && found.version == before.version + 1,
        "the breakers are read as they were saved: {found:?}"
    );
    let mut restored = super::PrimaBreakers { version: found.version, ..before };
    store.save_breakers(&mut restored).await.map_err(said)
}

/// Held against every implementation of [`SlotStore`]; it leaves no lease behind.
///
/// # Errors
/// Which promise is broken.
pub async fn check_slots(store: &impl SlotStore) -> Result<(), String> {
    let (mut ours, mut theirs) =
        (store.load_slots().await.map_err(said)?, store.load_slots().await.map_err(said)?);
    let request =
        SlotRequest { caller: PrimaCaller::PushStock, owner: "contract", until: moment(60) };
    holds!(
        ours.take(&request, &PrimaCalls::default(), moment(0)).is_ok(),
        "all slots of a new store are free: {ours:?}"
    );
    store.save_slots(&mut ours).await.map_err(said)?;
    let refused = store.save_slots(&mut theirs).await;
    holds!(
        matches!(refused, Err(StoreError::Conflict(_))),
        "of two that lease at once one has a conflict, not {refused:?}"
    );
    let mut found = store.load_slots().await.map_err(said)?;
    holds!(found == ours, "the slots are read as they were saved: {found:?}");
    holds!(found.give_back(request.caller, request.owner), "and can be given back");
    store.save_slots(&mut found).await.map_err(said)
}

/// Waits until the index, which may lag, lists exactly these orders.
async fn listed(
    store: &impl OrderStore,
    channel: &str,
    state: &str,
    limit: usize,
    expected: &[&str],
) -> Result<(), String> {
    let mut found = Vec::new();
    for _ in 0..100 {
        found = store
            .orders_in(channel, state, limit)
            .await
            .map_err(said)?
            .into_iter()
            .map(|key| key.order_id)
            .collect();
        if found == expected {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(format!("'{state}' lists {expected:?}, oldest first, at most {limit}; not {found:?}"))
}

async fn loaded(store: &impl OrderStore, key: &OrderKey) -> Result<Option<OrderRow>, String> {
    store.load_order(key).await.map_err(said)
}

async fn save(store: &impl OrderStore, row: &mut OrderRow) -> Result<(), String> {
    store.save_order(row).await.map_err(said)
}

fn said(error: StoreError) -> String {
    error.to_string()
}

fn moment(seconds: u64) -> Timestamp {
    after(Timestamp::UNIX_EPOCH, Duration::from_secs(1_790_000_000 + seconds))
}

fn row(channel: &str, order_id: &str, since: Timestamp) -> Result<OrderRow, String> {
    let json = serde_json::json!({
        "order_id": order_id, "order_state": "WAITING_ACCEPTANCE", "created_date": "2026-11-20T08:00:00Z",
        "order_lines": [{"order_line_id": format!("{order_id}-1"), "offer_sku": "PRIMA-1", "quantity": 2,
            "order_line_state": "WAITING_ACCEPTANCE", "price": 10, "price_unit": 5, "total_price": 10}],
    });
    // By way of a text: amounts are read from their digits.
    let order: Order =
        serde_json::from_str(&json.to_string()).map_err(|problem| problem.to_string())?;
    Ok(OrderRow::first_seen(channel, &order, since))
}
