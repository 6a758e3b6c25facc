//! The control API under `/simulator/`: what a demonstration or a test looks at and meddles with.
//! It shows no addresses.

use std::sync::{Arc, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::generate::OrderWish;
use super::model::{Cause, ImportFate, Marketplace, NewOffer, OperatorRefund, Order, Settings};
use super::past::Past;
use super::rights::Rights;
use super::simulator::Simulator;
use crate::misbehaviour::Plan;
use crate::past::PastOrder;

pub(super) fn routes() -> Router<Arc<Simulator>> {
    Router::new()
        .route("/simulator/state", get(state))
        .route("/simulator/calls", get(calls))
        .route("/simulator/orders", post(bring))
        .route("/simulator/past", post(live_through))
        .route("/simulator/sales", post(sell))
        .route("/simulator/stock", get(stock))
        .route("/simulator/shops/{shop_id}/offers", put(set_offers))
        .route("/simulator/shops/{shop_id}/offers/withdraw", post(withdraw_offers))
        .route("/simulator/shops/{shop_id}/offers/look", post(look))
        .route("/simulator/shops/{shop_id}/offers/generate", post(generate_offers))
        .route("/simulator/shops/{shop_id}/import-fates", post(spoil_imports))
        .route("/simulator/orders/{order_id}/cancel", post(cancel))
        .route("/simulator/orders/{order_id}/refund", post(refund))
        .route("/simulator/orders/{order_id}/ship", post(ship))
        .route("/simulator/orders/{order_id}/refuse-payment", post(refuse_payment))
        .route("/simulator/orders/{order_id}/lines/{line_id}/cancel", post(cancel_line))
        .route("/simulator/misbehaviour", get(misbehaviour).put(set_misbehaviour))
        .route("/simulator/rights", get(rights).put(set_rights))
        .route("/simulator/settings", get(settings).put(set_settings))
}

async fn state(State(simulator): State<Arc<Simulator>>) -> Json<Value> {
    let mut marketplace = simulator.marketplace();
    marketplace.advance(Timestamp::now());
    let orders: Vec<Value> = marketplace
        .orders()
        .map(|order| {
            let lines: Vec<Value> = order
                .lines
                .iter()
                .map(|line| {
                    json!({"order_line_id": line.order_line_id, "offer_sku": line.offer_sku, "quantity": line.quantity,
                        "ordered_quantity": line.ordered_quantity(), "state": line.state.code(), "shipped": line.shipped,
                        "refunded": line.refunds.iter().map(|refund| refund.quantity).sum::<u32>(), "refunds": line.refunds.len()})
                })
                .collect();
            json!({
                "order_id": order.order_id, "shop_id": order.shop_id, "state": order.state.code(), "state_reason": order.cause.map(Cause::code),
                "created_at": order.created, "accepted_at": order.accepted_at, "accept_calls": order.accept_calls,
                "reference_for_seller": order.reference_for_seller, "reference_writes": order.reference_writes, "lines": lines,
                "shipping_deadline": order.shipping_deadline, "shipped_at": order.shipped_date, "tracking": order.tracking,
                "tracking_writes": order.tracking_writes, "shipped_without_tracking": order.shipped_without_tracking,
                "shipments": shipments(order),
            })
        })
        .collect();
    Json(json!({"orders": orders}))
}

fn shipments(order: &Order) -> Vec<Value> {
    let shown = order.shipments.iter().map(|shipment| {
        let lines: Vec<Value> = shipment.lines.iter().map(|(id, quantity)| json!({"order_line_id": id, "quantity": quantity})).collect();
        json!({"id": shipment.id, "reference": shipment.invoice_reference, "created_at": shipment.created, "tracking": shipment.tracking, "lines": lines})
    });
    shown.collect()
}

async fn calls(State(simulator): State<Arc<Simulator>>) -> Json<Value> {
    Json(json!(*simulator.calls.lock().unwrap_or_else(PoisonError::into_inner)))
}

#[derive(Deserialize)]
struct Bring {
    #[serde(alias = "shop")]
    shop_id: i64,
    count: usize,
    seed: Option<u64>,
    #[serde(flatten)]
    wish: OrderWish,
}

async fn bring(
    State(simulator): State<Arc<Simulator>>,
    Json(request): Json<Bring>,
) -> Result<Json<Value>, StatusCode> {
    let Bring { shop_id, count, seed, wish } = request;
    let order_ids = simulator
        .bring(shop_id, count, seed, wish, Timestamp::now())
        .ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(json!({"order_ids": order_ids})))
}

/// Answers the orders as the shop's own system has to know them.
async fn live_through(
    State(simulator): State<Arc<Simulator>>,
    Json(past): Json<Past>,
) -> Result<Json<Vec<PastOrder>>, (StatusCode, String)> {
    let lived = simulator.live_through(&past);
    lived.map(Json).map_err(|problem| (StatusCode::NOT_FOUND, problem))
}

#[derive(Deserialize)]
struct Sale {
    shop_id: i64,
    sku: String,
    quantity: u32,
}

/// 409 where the offer has not so many pieces.
async fn sell(
    State(simulator): State<Arc<Simulator>>,
    Json(sale): Json<Sale>,
) -> Result<Json<Value>, StatusCode> {
    let now = Timestamp::now();
    simulator.marketplace().advance(now);
    let order_id =
        simulator.sell(sale.shop_id, &sale.sku, sale.quantity, now).ok_or(StatusCode::CONFLICT)?;
    Ok(Json(json!({"order_id": order_id})))
}

/// Every shop's offers and every import, lost ones included.
async fn stock(State(simulator): State<Arc<Simulator>>) -> Json<Value> {
    let now = Timestamp::now();
    let mut marketplace = simulator.marketplace();
    marketplace.advance(now);
    let offers = |shop_id: i64| marketplace.offers(shop_id).collect::<Vec<_>>();
    let shops = simulator
        .shops
        .iter()
        .map(|shop| shop.profile.shop_id)
        .map(|id| json!({"shop_id": id, "offers": offers(id)}));
    let imports =
        marketplace.imports().map(|import| json!({"status": import.status(now), "import": import}));
    Json(json!({
        "shops": shops.collect::<Vec<_>>(), "imports": imports.collect::<Vec<_>>(), "refused_sales": marketplace.refused_sales(),
    }))
}

/// What a shop shows of some SKUs; those that it does not offer are left out.
async fn look(
    State(simulator): State<Arc<Simulator>>,
    Path(shop_id): Path<i64>,
    Json(skus): Json<Vec<String>>,
) -> Json<Value> {
    let mut marketplace = simulator.marketplace();
    marketplace.advance(Timestamp::now());
    let shown = skus
        .iter()
        .filter_map(|sku| Some((sku.clone(), json!(marketplace.offer(shop_id, sku)?.quantity))));
    Json(Value::Object(shown.collect()))
}

async fn set_offers(
    State(simulator): State<Arc<Simulator>>,
    Path(shop_id): Path<i64>,
    Json(offers): Json<Vec<NewOffer>>,
) -> StatusCode {
    simulator.marketplace().set_offers(shop_id, offers, Timestamp::now());
    StatusCode::NO_CONTENT
}

async fn withdraw_offers(
    State(simulator): State<Arc<Simulator>>,
    Path(shop_id): Path<i64>,
    Json(skus): Json<Vec<String>>,
) -> StatusCode {
    simulator.marketplace().withdraw_offers(shop_id, &skus, Timestamp::now());
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct GeneratedOffers {
    seed: u64,
    /// Least and most pieces of each.
    pieces: [u32; 2],
}

async fn generate_offers(
    State(simulator): State<Arc<Simulator>>,
    Path(shop_id): Path<i64>,
    Json(wish): Json<GeneratedOffers>,
) -> StatusCode {
    simulator.offer_catalogue(shop_id, wish.pieces, wish.seed, Timestamp::now());
    StatusCode::NO_CONTENT
}

async fn spoil_imports(
    State(simulator): State<Arc<Simulator>>,
    Path(shop_id): Path<i64>,
    Json(fates): Json<Vec<ImportFate>>,
) -> StatusCode {
    simulator.marketplace().spoil_imports(shop_id, fates);
    StatusCode::NO_CONTENT
}

async fn cancel(
    State(simulator): State<Arc<Simulator>>,
    Path(order_id): Path<String>,
) -> StatusCode {
    done(&simulator, |marketplace, now| marketplace.cancel(&order_id, now))
}

async fn ship(State(simulator): State<Arc<Simulator>>, Path(order_id): Path<String>) -> StatusCode {
    done(&simulator, |marketplace, now| marketplace.ship(&order_id, now))
}

#[derive(Deserialize)]
struct Refunds {
    /// None: all that is left.
    #[serde(default)]
    lines: Vec<OperatorRefund>,
}

async fn refund(
    State(simulator): State<Arc<Simulator>>,
    Path(order_id): Path<String>,
    Json(refunds): Json<Refunds>,
) -> StatusCode {
    done(&simulator, |marketplace, now| {
        if refunds.lines.is_empty() {
            marketplace.refund_all(&order_id, now)
        } else {
            marketplace.refund(&order_id, &refunds.lines, now)
        }
    })
}

async fn refuse_payment(
    State(simulator): State<Arc<Simulator>>,
    Path(order_id): Path<String>,
) -> StatusCode {
    done(&simulator, |marketplace, now| marketplace.refuse_payment(&order_id, now))
}

#[derive(Deserialize)]
struct Pieces {
    quantity: u32,
}

async fn cancel_line(
    State(simulator): State<Arc<Simulator>>,
    Path((order_id, line_id)): Path<(String, String)>,
    Json(pieces): Json<Pieces>,
) -> StatusCode {
    done(&simulator, |marketplace, now| {
        marketplace.cancel_line(&order_id, &line_id, pieces.quantity, now)
    })
}

/// 409 where the state of things does not allow it.
fn done(
    simulator: &Simulator,
    act: impl FnOnce(&mut Marketplace, Timestamp) -> bool,
) -> StatusCode {
    let now = Timestamp::now();
    let mut marketplace = simulator.marketplace();
    marketplace.advance(now);
    if act(&mut marketplace, now) { StatusCode::NO_CONTENT } else { StatusCode::CONFLICT }
}

async fn misbehaviour(State(simulator): State<Arc<Simulator>>) -> Json<Plan> {
    Json(simulator.misbehaviour.plan())
}

async fn set_misbehaviour(
    State(simulator): State<Arc<Simulator>>,
    Json(plan): Json<Plan>,
) -> StatusCode {
    simulator.misbehaviour.set(plan);
    StatusCode::NO_CONTENT
}

async fn rights(State(simulator): State<Arc<Simulator>>) -> Json<Rights> {
    Json(simulator.rights().clone())
}

async fn set_rights(
    State(simulator): State<Arc<Simulator>>,
    Json(rights): Json<Rights>,
) -> StatusCode {
    *simulator.rights() = rights;
    StatusCode::NO_CONTENT
}

async fn settings(State(simulator): State<Arc<Simulator>>) -> Json<Settings> {
    Json(simulator.marketplace().settings().clone())
}

async fn set_settings(
    State(simulator): State<Arc<Simulator>>,
    Json(settings): Json<Settings>,
) -> StatusCode {
    simulator.marketplace().set_settings(settings);
    StatusCode::NO_CONTENT
}
