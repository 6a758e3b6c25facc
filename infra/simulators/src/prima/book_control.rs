//! The control API of the nominal ledger: the books for judgement, credit notes and bank receipts.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::books::{BankReceipt, CreditNote, NewCreditNote};
use super::order::Refusal;
use super::simulator::Simulator;
use crate::past::PastOrder;

pub(super) fn routes() -> Router<Arc<Simulator>> {
    Router::new()
        .route("/simulator/books", get(books))
        .route("/simulator/books/receipts", post(receive))
        .route("/simulator/past", post(take_in_past))
        .route("/simulator/orders/{number}/credit", post(credit))
}

/// Every transaction, journal and credit note, and the balance of each nominal by currency.
async fn books(State(simulator): State<Arc<Simulator>>) -> Json<Value> {
    let mut installation = simulator.installation();
    installation.land(Timestamp::now());
    let books = installation.books();
    let mut balances: BTreeMap<String, BTreeMap<String, Decimal>> = BTreeMap::new();
    for line in books.transactions() {
        let nominal = balances.entry(line.nominal.clone()).or_default();
        *nominal.entry(line.currency.clone()).or_default() += line.debit - line.credit;
    }
    Json(json!({
        "transactions": books.transactions(), "journals": books.journals(), "credit_notes": books.credit_notes(),
        "refused": books.refused(), "balances": balances,
    }))
}

/// Orders of the past, as the simulated Mirakl answers them.
async fn take_in_past(
    State(simulator): State<Arc<Simulator>>,
    Json(past): Json<Vec<PastOrder>>,
) -> StatusCode {
    let mut installation = simulator.installation();
    past.iter().for_each(|order| installation.take_in_past(order));
    StatusCode::NO_CONTENT
}

async fn receive(
    State(simulator): State<Arc<Simulator>>,
    Json(receipt): Json<BankReceipt>,
) -> StatusCode {
    simulator.installation().receive(&receipt, Timestamp::now());
    StatusCode::NO_CONTENT
}

async fn credit(
    State(simulator): State<Arc<Simulator>>,
    Path(number): Path<String>,
    Json(note): Json<NewCreditNote>,
) -> Result<Json<CreditNote>, (StatusCode, Json<Refusal>)> {
    simulator
        .installation()
        .credit(&number, &note, Timestamp::now())
        .map(Json)
        .map_err(|refusal| (StatusCode::CONFLICT, Json(refusal)))
}
