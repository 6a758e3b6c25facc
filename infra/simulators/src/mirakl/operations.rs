//! The operations of the seller API: who may call, what is refused, what is answered.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Asked, links};
use super::model::{Decision, Filter, ImportKind, Refusal, ShopProfile, State};
use super::simulator::{Shop, Simulator};
use super::{finance, offers, shipping, wire};

/// The operation behind a method and a path: Mirakl's name, and the order, import or export in the
/// path.
pub(super) fn operation(method: &str, path: &str) -> Option<(&'static str, Option<String>)> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method, segments.as_slice()) {
        ("GET", ["api", "version"]) => Some(("V01", None)),
        ("GET", ["api", "account"]) => Some(("A01", None)),
        ("GET", ["api", "platform", "configuration"]) => Some(("PC01", None)),
        ("GET", ["api", "orders"]) => Some(("OR11", None)),
        ("PUT", ["api", "orders"]) => Some(("OR04", None)),
        ("PUT", ["api", "orders", "cancel"]) => Some(("OR30", None)),
        ("PUT", ["api", "orders", "refund"]) => Some(("OR28", None)),
        ("GET", ["api", "shipping", "carriers"]) => Some(("SH21", None)),
        ("GET", ["api", "shipping", "types"]) => Some(("SH12", None)),
        ("POST", ["api", "shipments"]) => Some(("ST01", None)),
        ("GET", ["api", "shipments"]) => Some(("ST11", None)),
        ("GET", ["api", "offers"]) => Some(("OF21", None)),
        ("POST", ["api", "offers", "stock", "imports"]) => Some(("STO01", None)),
        ("GET", ["api", "offers", "stock", "imports", id, "status"]) => {
            Some(("STO02", Some((*id).to_owned())))
        }
        ("GET", ["api", "offers", "stock", "imports", id, "error_report"]) => {
            Some(("STO03", Some((*id).to_owned())))
        }
        ("POST", ["api", "offers", "imports"]) => Some(("OF01", None)),
        ("GET", ["api", "offers", "imports", id]) => Some(("OF02", Some((*id).to_owned()))),
        ("GET", ["api", "offers", "imports", id, "error_report"]) => {
            Some(("OF03", Some((*id).to_owned())))
        }
        ("POST", ["api", "offers", "export", "async"]) => Some(("OF52", None)),
        ("GET", ["api", "offers", "export", "async", "status", id]) => {
            Some(("OF53", Some((*id).to_owned())))
        }
        ("GET", ["api", "offers", "export", "async", "file", id]) => {
            Some(("OF54", Some((*id).to_owned())))
        }
        ("GET", ["api", "sellerpayment", "transactions_logs"]) => Some(("TL02", None)),
        ("POST", ["api", "sellerpayment", "transactions_logs", "async"]) => Some(("TL03", None)),
        ("GET", ["api", "sellerpayment", "transactions_logs", "async", "status", id]) => {
            Some(("TL04", Some((*id).to_owned())))
        }
        ("GET", ["api", "sellerpayment", "transactions_logs", "export", "async", "file", id]) => {
            Some(("TL05", Some((*id).to_owned())))
        }
        ("GET", ["api", "seller-billing-cycles"]) => Some(("SBC11", None)),
        ("GET", ["api", "invoices"]) => Some(("IV01", None)),
        ("GET", ["api", "invoices", id]) => Some(("IV02", Some((*id).to_owned()))),
        ("PUT", ["api", "orders", order_id, what]) => {
            let name = match *what {
                "accept" => "OR21",
                "tracking" => "OR23",
                "ship" => "OR24",
                _ => return None,
            };
            // An order id may hold any character: it is one segment of the path, escaped.
            let decoded = url::form_urlencoded::parse(order_id.replace('+', "%2B").as_bytes())
                .next()?
                .0
                .into_owned();
            Some((name, Some(decoded)))
        }
        _ => None,
    }
}

/// Carries out an operation.
pub(super) fn answer(
    simulator: &Simulator,
    name: &str,
    id: Option<&str>,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Answer {
    simulator.marketplace().advance(now);
    if name == "V01" {
        return Answer::empty(StatusCode::OK);
    }
    let shop = match authorised(&simulator.shops, asked) {
        Ok(shop) => &shop.profile,
        Err(refused) => return refused,
    };
    if let Some(status) = simulator.rights().refusal(name) {
        return Answer::forbidden(status);
    }
    let id = id.unwrap_or_default();
    let answer = match name {
        "A01" => Ok(Answer::ok(&wire::platform::account(shop, now))),
        "PC01" => {
            Ok(Answer::ok(&wire::platform::platform(simulator.marketplace().settings(), shop)))
        }
        "OR11" => list(simulator, shop, asked, now),
        "OR04" => write_references(simulator, shop, asked, now),
        "OR21" => accept(simulator, shop, id, asked, now),
        "SH12" => {
            Ok(Answer::ok(&wire::shipping::shipping_types(simulator.marketplace().settings())))
        }
        "SH21" => Ok(Answer::ok(&wire::shipping::carriers(simulator.marketplace().settings()))),
        // Each platform has one family; the other is not there for its shops.
        "OR23" | "OR24" if shop.multi_shipment => Err(Answer::bad("Bad Request")),
        "ST01" if !shop.multi_shipment => Err(Answer::bad("Multi-shipment is not enabled")),
        "OR23" => shipping::track(simulator, shop, id, asked, now),
        "OR24" => shipping::ship(simulator, shop, id, now),
        "OR28" | "OR30" => shipping::settle(simulator, shop, name, asked, now),
        "ST01" => shipping::create(simulator, shop, asked, now),
        "ST11" => shipping::list(simulator, shop, asked),
        "STO01" => offers::import(simulator, shop, ImportKind::Stock, asked, now),
        "OF01" => offers::import(simulator, shop, ImportKind::Offers, asked, now),
        "STO02" | "OF02" => offers::status(simulator, shop, name, id, now),
        "STO03" | "OF03" => offers::error_report(simulator, shop, name, id, now),
        "OF21" => offers::list(simulator, shop, asked),
        "OF52" => offers::export(simulator, shop, asked, now),
        "OF53" => offers::export_status(simulator, shop, id, asked, now),
        "OF54" => offers::export_file(simulator, shop, id, asked, now),
        "TL02" => finance::transactions(simulator, shop, asked, now),
        "TL03" => finance::export(simulator, shop, asked, now),
        "TL04" => finance::export_status(simulator, shop, id, asked, now),
        "TL05" => finance::export_file(simulator, shop, id, asked, now),
        "SBC11" => finance::cycles(simulator, shop, asked, now),
        "IV01" => finance::documents(simulator, shop, asked, now),
        "IV02" => finance::document_file(simulator, shop, id),
        _ => Ok(Answer::not_found()),
    };
    answer.unwrap_or_else(|refused| refused)
}

/// The shop of the key: the raw key, without "Bearer". A key of several shops opens the first of
/// them, or that of `shop_id`.
fn authorised<'s>(shops: &'s [Shop], asked: &Asked<'_>) -> Result<&'s Shop, Answer> {
    let key = asked.authorization.ok_or_else(Answer::unauthorised)?;
    let wanted: Option<i64> = asked.parsed("shop_id")?;
    let mut own = shops.iter().filter(|shop| shop.api_key == key);
    own.find(|shop| wanted.is_none_or(|id| id == shop.profile.shop_id))
        .ok_or_else(Answer::unauthorised)
}

fn filter(asked: &Asked<'_>, shop: &ShopProfile) -> Result<Filter, Answer> {
    // What is not simulated is said, rather than answered with orders that were not asked for.
    let foreign_mode = asked
        .value("order_tax_mode")
        .is_some_and(|mode| mode != wire::order::tax_mode(shop.tax_included));
    let unknown = [
        "channel_codes",
        "only_null_channel",
        "payment_workflow",
        "has_incident",
        "fulfillment_center_code",
    ];
    if let Some(name) = unknown
        .into_iter()
        .find(|name| asked.value(name).is_some())
        .or(foreign_mode.then_some("order_tax_mode"))
    {
        return Err(Answer::server_error(
            StatusCode::NOT_IMPLEMENTED,
            &format!("{name} is not simulated"),
        ));
    }
    let states = asked.several("order_state_codes")?.map(|codes| {
        let states = codes.iter().map(|code| match code.as_str() {
            // Still known, and nothing is in them any more.
            "WAITING_REFUND" | "WAITING_REFUND_PAYMENT" => Ok(None),
            code => {
                State::of_code(code).map(Some).ok_or_else(|| Answer::bad_field("order_state_codes"))
            }
        });
        states.collect::<Result<Vec<_>, _>>().map(|states| states.into_iter().flatten().collect())
    });
    Ok(Filter {
        states: states.transpose()?,
        order_ids: asked.several("order_ids")?,
        seller_references: asked.several("order_references_for_seller")?,
        customer_references: asked.several("order_references_for_customer")?,
        updated_from: asked.parsed("start_update_date")?,
        updated_to: asked.parsed("end_update_date")?,
        created_from: asked.parsed("start_date")?,
        created_to: asked.parsed("end_date")?,
        customer_debited: asked.parsed("customer_debited")?,
    })
}

fn list(
    simulator: &Simulator,
    shop: &ShopProfile,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let max = asked.parsed("max")?.unwrap_or(10);
    let offset = asked.parsed("offset")?.unwrap_or(0);
    if max > 100 {
        return Err(Answer::limit_exceeded("max"));
    }
    let mut filter = filter(asked, shop)?;
    let marketplace = simulator.marketplace();
    let settings = marketplace.settings();
    if offset == 0 {
        let limits = (settings.listings_per_interval, settings.call_interval_seconds);
        simulator.limits.begin("OR11", shop.shop_id, limits.0, limits.1, now)?;
    }
    if let (Some(states), Some(_)) = (&mut filter.states, &settings.unknown_state) {
        // These orders are in a state that has another code, which no caller asks for.
        states.retain(|state| *state != State::WaitingDebitPayment);
    }
    let page = marketplace.list_orders(shop.shop_id, &filter, offset, max);
    let orders = page.orders.iter().map(|order| wire::order::order(order, settings)).collect();
    let listing =
        wire::order::Listing { orders, total_count: (!settings.old_shapes).then_some(page.total) };
    let mut answer = Answer::ok(&listing);
    answer.headers.extend(links(asked, offset, max, page.total).map(|links| ("link", links)));
    Ok(answer)
}

#[derive(Deserialize)]
struct Decisions {
    order_lines: Vec<Option<DecisionIn>>,
}

#[derive(Deserialize)]
struct DecisionIn {
    accepted: bool,
    id: String,
}

fn accept(
    simulator: &Simulator,
    shop: &ShopProfile,
    order_id: &str,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let Decisions { order_lines } =
        serde_json::from_str(asked.body).map_err(|_| Answer::bad_field("order_lines"))?;
    let lines: Option<Vec<DecisionIn>> = order_lines.into_iter().collect();
    let Some(lines) = lines else {
        let body = json!({"status": 400, "code": "ORDER_LINE_NULL_ELEMENT", "message": "An order line is null"});
        return Err(Answer::with(StatusCode::BAD_REQUEST, &body));
    };
    let decisions: Vec<_> = lines
        .iter()
        .map(|line| Decision { order_line_id: &line.id, accepted: line.accepted })
        .collect();
    simulator
        .marketplace()
        .accept(shop.shop_id, order_id, &decisions, now)
        .map_err(|refusal| Answer::refused(&refusal))?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

#[derive(Deserialize)]
struct Updates {
    orders: Vec<Update>,
}

#[derive(Deserialize)]
struct Update {
    order_id: String,
    #[serde(default)]
    references: Option<UpdateReferences>,
}

#[derive(Deserialize)]
struct UpdateReferences {
    #[serde(default)]
    order_reference_for_seller: Option<String>,
}

fn write_references(
    simulator: &Simulator,
    shop: &ShopProfile,
    asked: &Asked<'_>,
    now: Timestamp,
) -> Result<Answer, Answer> {
    let Updates { orders } =
        serde_json::from_str(asked.body).map_err(|_| Answer::bad_field("orders"))?;
    if orders.len() > 100 {
        return Err(Answer::limit_exceeded("orders"));
    }
    let mut marketplace = simulator.marketplace();
    let interval = marketplace.settings().call_interval_seconds;
    simulator.limits.begin("OR04", shop.shop_id, 1, interval, now)?;
    let updated = orders.into_iter().map(|update| {
        let reference = update.references.and_then(|references| references.order_reference_for_seller).unwrap_or_default();
        match marketplace.write_reference(shop.shop_id, &update.order_id, &reference, now) {
            Ok(()) => json!({"order_id": update.order_id, "updated": {"references": {"order_reference_for_seller": reference}}}),
            Err(Refusal { code, field, message, .. }) => {
                json!({"order_id": update.order_id, "errors": [{"code": code, "field": field, "message": message}]})
            }
        }
    });
    let updated: Vec<Value> = updated.collect();
    Ok(Answer::ok(&json!({"updated_orders": updated})))
}
