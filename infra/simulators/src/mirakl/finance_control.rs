//! The control API of what the marketplace owes its shops: closing and paying out cycles, booking
//! what is not tied to an order, spoiling lines, and the books themselves for judgement.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::model::ledger::{Billing, Ledger, ManualItem, Spoiling};
use super::simulator::Simulator;

pub(super) fn routes() -> Router<Arc<Simulator>> {
    Router::new()
        .route("/simulator/shops/{shop_id}/billing", put(bill))
        .route("/simulator/shops/{shop_id}/ledger", get(ledger).post(book))
        .route("/simulator/shops/{shop_id}/ledger/{id}/spoil", post(spoil))
        .route("/simulator/shops/{shop_id}/cycles/close", post(close))
        .route("/simulator/shops/{shop_id}/cycles/{id}/pay", post(pay))
        .route("/simulator/shops/{shop_id}/cycles/{id}/fail", post(fail))
}

async fn bill(
    State(simulator): State<Arc<Simulator>>,
    Path(shop_id): Path<i64>,
    Json(billing): Json<Billing>,
) -> StatusCode {
    simulator.marketplace().bill(shop_id, billing, Timestamp::now());
    StatusCode::NO_CONTENT
}

/// The books: every line, cycle and document, and what the marketplace owes by currency.
async fn ledger(
    State(simulator): State<Arc<Simulator>>,
    Path(shop_id): Path<i64>,
) -> Result<Json<Value>, StatusCode> {
    let mut marketplace = simulator.marketplace();
    marketplace.advance(Timestamp::now());
    let ledger = marketplace.finance().ledger(shop_id).ok_or(StatusCode::NOT_FOUND)?;
    let mut balances = serde_json::Map::new();
    for entry in ledger.entries() {
        balances.insert(entry.currency.clone(), json!(ledger.balance(&entry.currency).to_string()));
    }
    Ok(Json(json!({
        "entries": ledger.entries(), "cycles": ledger.cycles(), "documents": ledger.documents(), "balances": balances,
    })))
}

async fn book(
    State(simulator): State<Arc<Simulator>>,
    Path(shop_id): Path<i64>,
    Json(item): Json<ManualItem>,
) -> StatusCode {
    let now = Timestamp::now();
    let mut marketplace = simulator.marketplace();
    marketplace.advance(now);
    found(marketplace.finance_mut().book(shop_id, &item, now))
}

async fn spoil(
    State(simulator): State<Arc<Simulator>>,
    Path((shop_id, id)): Path<(i64, String)>,
    Json(spoiling): Json<Spoiling>,
) -> StatusCode {
    changed(&simulator, shop_id, |ledger, now| ledger.spoil(&id, &spoiling, now))
}

async fn close(State(simulator): State<Arc<Simulator>>, Path(shop_id): Path<i64>) -> Json<Value> {
    let now = Timestamp::now();
    let mut marketplace = simulator.marketplace();
    marketplace.advance(now);
    Json(json!({"closed": marketplace.finance_mut().close(shop_id, now)}))
}

async fn pay(
    State(simulator): State<Arc<Simulator>>,
    Path((shop_id, id)): Path<(i64, String)>,
) -> StatusCode {
    changed(&simulator, shop_id, |ledger, now| {
        place_of(ledger, &id).is_some_and(|cycle| ledger.pay(cycle, now))
    })
}

#[derive(Deserialize)]
struct Failure {
    reason: String,
}

async fn fail(
    State(simulator): State<Arc<Simulator>>,
    Path((shop_id, id)): Path<(i64, String)>,
    Json(failure): Json<Failure>,
) -> StatusCode {
    changed(&simulator, shop_id, |ledger, _| {
        place_of(ledger, &id).is_some_and(|cycle| ledger.fail(cycle, &failure.reason))
    })
}

fn place_of(ledger: &Ledger, id: &str) -> Option<usize> {
    ledger.cycles().iter().position(|cycle| cycle.id == id)
}

/// 404 where there is no such shop, line or cycle, or nothing to change in it.
fn changed(
    simulator: &Simulator,
    shop_id: i64,
    change: impl FnOnce(&mut Ledger, Timestamp) -> bool,
) -> StatusCode {
    let now = Timestamp::now();
    let mut marketplace = simulator.marketplace();
    marketplace.advance(now);
    let ledger = marketplace.finance_mut().ledger_mut(shop_id);
    found(ledger.is_some_and(|ledger| change(ledger, now)))
}

fn found(done: bool) -> StatusCode {
    if done { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}
