//! The control API under `/simulator/`: looking at the installation, moving its orders, changing
//! how it behaves.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::order::{Refusal, Stage, StoredOrder};
use super::parcel::Parcel;
use super::settings::{GeneratedStock, Settings, Sku};
use super::shelves::{Stock, StockRow};
use super::simulator::Simulator;
use super::warehouse::{Booking, Round, RoundDone};
use crate::misbehaviour::Plan;

/// An answer that says why not.
type Answer<T> = Result<Json<T>, (StatusCode, Json<Refusal>)>;

pub(super) fn routes() -> Router<Arc<Simulator>> {
    Router::new()
        .route("/simulator/state", get(state))
        .route("/simulator/orders/{number}", get(orders).delete(forget))
        .route("/simulator/orders/{number}/status", post(set_status))
        .route("/simulator/orders/{number}/release", post(release))
        .route("/simulator/orders/{number}/dispatch", post(dispatch))
        .route("/simulator/orders/{number}/close-short", post(close_short))
        .route("/simulator/warehouse", post(warehouse))
        .route("/simulator/warehouse/allocate", post(allocate))
        .route("/simulator/stock", get(stock).put(set_stock))
        .route("/simulator/stock/generate", post(generate_stock))
        .route("/simulator/stock/sales", post(sell_elsewhere))
        .route("/simulator/misbehaviour", get(misbehaviour).put(set_misbehaviour))
        .route("/simulator/settings", get(settings).put(change_settings))
        .route("/simulator/calls", get(calls))
        .route("/simulator/reset", post(reset))
}

/// An order without the customer's name and address.
#[derive(Debug, Serialize)]
struct ShownOrder<'a> {
    id: u64,
    number: &'a str,
    tpguid: &'a str,
    status: &'a str,
    hold: Option<&'a str>,
    entered_at: Timestamp,
    order_channel: Option<&'a str>,
    source_media: Option<&'a str>,
    order_category: Option<&'a str>,
    customer_reference: Option<&'a str>,
    customer: Option<&'a str>,
    currency: Option<&'a str>,
    lines: Vec<ShownLine<'a>>,
    charges: Vec<Value>,
    parcels: &'a [Parcel],
}

#[derive(Debug, Serialize)]
struct ShownLine<'a> {
    number: u32,
    product: &'a str,
    matrix: &'a [String; 4],
    quantity: u32,
    price: String,
    reference: &'a str,
}

impl<'a> From<&'a StoredOrder> for ShownOrder<'a> {
    fn from(stored: &'a StoredOrder) -> Self {
        let order = &stored.order;
        let data = |name: &str| order.attributes.get(name).map(String::as_str);
        let header = |name: &str| order.header.get(name).map(String::as_str);
        Self {
            id: stored.id,
            number: &order.order_number,
            tpguid: &order.third_party_id,
            status: stored.status(),
            hold: stored.hold.as_deref(),
            entered_at: stored.entered_at,
            order_channel: data("OrderChannel"),
            source_media: header("SourceMedia"),
            order_category: header("OrderCategory"),
            customer_reference: data("CustomerRef"),
            customer: data("Customer"),
            currency: header("Currency"),
            lines: order
                .lines
                .iter()
                .map(|line| ShownLine {
                    number: line.number,
                    product: &line.product,
                    matrix: &line.matrix,
                    quantity: line.quantity,
                    price: line.price.to_string(),
                    reference: &line.reference,
                })
                .collect(),
            parcels: &stored.parcels,
            charges: order
                .charges
                .iter()
                .map(|charge| json!({"code": charge.code, "value": charge.value.to_string()}))
                .collect(),
        }
    }
}

async fn state(State(simulator): State<Arc<Simulator>>) -> Json<Value> {
    let mut installation = simulator.installation();
    installation.land(Timestamp::now());
    let orders: Vec<ShownOrder<'_>> = installation.orders().map(ShownOrder::from).collect();
    Json(json!({
        "count": orders.len(),
        "totals": installation.totals(),
        "pending_effects": installation.pending(),
        "calls_now": simulator.workers.now(),
        "most_calls_at_once": simulator.workers.most_at_once(),
        "orders": orders,
    }))
}

async fn orders(
    State(simulator): State<Arc<Simulator>>,
    Path(number): Path<String>,
) -> Answer<Vec<StoredOrder>> {
    let mut installation = simulator.installation();
    installation.land(Timestamp::now());
    let orders: Vec<StoredOrder> =
        installation.orders_by_number(&number).into_iter().cloned().collect();
    if orders.is_empty() {
        return Err((StatusCode::NOT_FOUND, Json(Refusal::new("No such order"))));
    }
    Ok(Json(orders))
}

async fn forget(
    State(simulator): State<Arc<Simulator>>,
    Path(number): Path<String>,
) -> Json<Value> {
    Json(json!({"forgotten": simulator.installation().forget(&number)}))
}

#[derive(Debug, Deserialize)]
struct NewStatus {
    /// A stage, or `On Hold`.
    status: String,
    /// Why it goes on hold.
    #[serde(default)]
    narrative: String,
}

async fn set_status(
    State(simulator): State<Arc<Simulator>>,
    Path(number): Path<String>,
    Json(new): Json<NewStatus>,
) -> Answer<Vec<StoredOrder>> {
    let now = Timestamp::now();
    {
        let mut installation = simulator.installation();
        match new.status.as_str() {
            "On Hold" => installation.hold(&number, &new.narrative, now),
            _ => installation.move_to(&number, Stage::from(new.status), now),
        }
        .map_err(refused)?;
    }
    orders(State(simulator), Path(number)).await
}

async fn release(
    State(simulator): State<Arc<Simulator>>,
    Path(number): Path<String>,
) -> Answer<Vec<StoredOrder>> {
    simulator.installation().release(&number, Timestamp::now()).map_err(refused)?;
    orders(State(simulator), Path(number)).await
}

async fn dispatch(
    State(simulator): State<Arc<Simulator>>,
    Path(number): Path<String>,
    Json(booking): Json<Booking>,
) -> Answer<Parcel> {
    simulator.installation().book(&number, booking, Timestamp::now()).map(Json).map_err(refused)
}

async fn close_short(
    State(simulator): State<Arc<Simulator>>,
    Path(number): Path<String>,
) -> Answer<Vec<StoredOrder>> {
    simulator.installation().close_short(&number, Timestamp::now()).map_err(refused)?;
    orders(State(simulator), Path(number)).await
}

async fn warehouse(
    State(simulator): State<Arc<Simulator>>,
    Json(round): Json<Round>,
) -> Json<RoundDone> {
    Json(simulator.installation().work_round(round, Timestamp::now()))
}

async fn allocate(State(simulator): State<Arc<Simulator>>) -> Json<Value> {
    Json(json!({"allocated": simulator.installation().allocate(Timestamp::now())}))
}

/// The stock of every SKU, with what its figures come from and what is oversold.
async fn stock(State(simulator): State<Arc<Simulator>>) -> Json<Value> {
    let mut installation = simulator.installation();
    installation.land(Timestamp::now());
    let row = |(sku, stock): (&Sku, &Stock)| json!({"sku": sku, "stock": stock, "allocated": stock.allocated(), "oversold": stock.oversold()});
    let rows: Vec<Value> = installation.stock().map(row).collect();
    Json(json!({"skus": rows, "oversold_as_orders_came_in": installation.totals().oversold}))
}

async fn set_stock(
    State(simulator): State<Arc<Simulator>>,
    Json(rows): Json<Vec<StockRow>>,
) -> StatusCode {
    simulator.installation().set_stock(rows);
    StatusCode::NO_CONTENT
}

async fn generate_stock(
    State(simulator): State<Arc<Simulator>>,
    Json(wish): Json<GeneratedStock>,
) -> StatusCode {
    simulator.installation().generate_stock(wish);
    StatusCode::NO_CONTENT
}

#[derive(Debug, Deserialize)]
struct OtherSale {
    #[serde(flatten)]
    sku: Sku,
    quantity: u32,
    /// In a shop; else in the customer's own web shop.
    #[serde(default)]
    over_the_counter: bool,
}

async fn sell_elsewhere(
    State(simulator): State<Arc<Simulator>>,
    Json(sale): Json<OtherSale>,
) -> Result<StatusCode, (StatusCode, Json<Refusal>)> {
    simulator
        .installation()
        .sell_elsewhere(&sale.sku, sale.quantity, sale.over_the_counter)
        .map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(refusal: Refusal) -> (StatusCode, Json<Refusal>) {
    (StatusCode::CONFLICT, Json(refusal))
}

async fn misbehaviour(State(simulator): State<Arc<Simulator>>) -> Json<Value> {
    Json(
        json!({"plan": simulator.misbehaviour.plan(), "met": simulator.misbehaviour.count_by_kind()}),
    )
}

async fn set_misbehaviour(
    State(simulator): State<Arc<Simulator>>,
    Json(plan): Json<Plan>,
) -> Json<Plan> {
    simulator.misbehaviour.set(plan);
    Json(simulator.misbehaviour.plan())
}

async fn settings(State(simulator): State<Arc<Simulator>>) -> Json<Settings> {
    Json(simulator.settings().as_ref().clone())
}

/// Changes the settings that the body names; the others keep their value.
async fn change_settings(
    State(simulator): State<Arc<Simulator>>,
    Json(changes): Json<Value>,
) -> Answer<Settings> {
    let unfit =
        |error: serde_json::Error| (StatusCode::BAD_REQUEST, Json(Refusal::new(error.to_string())));
    let mut settings = serde_json::to_value(simulator.settings().as_ref()).map_err(unfit)?;
    merge(&mut settings, changes);
    let settings: Settings = serde_json::from_value(settings).map_err(unfit)?;
    simulator.set_settings(settings.clone());
    Ok(Json(settings))
}

fn merge(target: &mut Value, changes: Value) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) => {
            for (name, change) in changes {
                let value = target.entry(name.as_str()).or_insert(Value::Null);
                // A catalogue is one of several kinds: two halves make no whole.
                if name == "catalogue" { *value = change } else { merge(value, change) }
            }
        }
        (target, changes) => *target = changes,
    }
}

async fn calls(State(simulator): State<Arc<Simulator>>) -> Json<Value> {
    Json(json!(simulator.calls.show()))
}

async fn reset(State(simulator): State<Arc<Simulator>>) -> StatusCode {
    simulator.reset();
    StatusCode::NO_CONTENT
}
