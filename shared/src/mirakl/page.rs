//! Reading a page of OR11 order by order, so that one odd order takes nothing from its neighbours.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::lenient;
use super::order::Order;
use super::{Acceptable, MiraklError, OrderPage, OrderState, UnreadableOrder};

/// Odd fields of one order that are told.
const MOST_TOLD: usize = 10;

#[derive(Deserialize)]
struct Page<'b> {
    #[serde(borrow)]
    orders: Vec<&'b RawValue>,
    #[serde(default)]
    total_count: Option<u64>,
}

/// What accepting an order takes, where the rest of it cannot be read.
#[derive(Deserialize)]
struct Salvage {
    #[serde(deserialize_with = "super::wire::id")]
    order_id: String,
    order_state: OrderState,
    order_lines: Vec<SalvageLine>,
}

#[derive(Deserialize)]
struct SalvageLine {
    #[serde(deserialize_with = "super::wire::id")]
    order_line_id: String,
}

#[derive(Deserialize)]
struct OnlyId {
    #[serde(deserialize_with = "super::wire::id")]
    order_id: String,
}

impl OrderPage {
    /// Reads a page as Mirakl sends it (Mirakl seller API, OR11).
    ///
    /// # Errors
    /// The page itself is none; nothing of it is quoted.
    pub fn read(body: &[u8]) -> Result<Self, MiraklError> {
        read(body)
    }
}

pub(super) fn read(body: &[u8]) -> Result<OrderPage, MiraklError> {
    let page: Page<'_> = serde_json::from_slice(body).map_err(|problem| {
        MiraklError::unknown(
            "OR11",
            format!(
                "the answer is no page of orders (line {}, column {})",
                problem.line(),
                problem.column()
            ),
        )
    })?;
    let mut orders = Vec::with_capacity(page.orders.len());
    let mut unreadable = Vec::new();
    for raw in &page.orders {
        if !raw.get().starts_with('{') {
            // Not left to the parser: it would take a list's entries for the fields in their order.
            unreadable.push(UnreadableOrder {
                order_id: None,
                acceptable: None,
                problem: "it is no JSON object".to_owned(),
            });
            continue;
        }
        match lenient::read::<Order>(raw.get(), is_needed) {
            Ok((mut order, odd)) => {
                order.unread_fields = odd.iter().take(MOST_TOLD).map(ToString::to_string).collect();
                order.payment_type = order.payment_type.or_else(|| older_payment_type(raw.get()));
                orders.push(order);
            }
            Err(problem) => unreadable.push(salvage(raw.get(), &problem)),
        }
    }
    Ok(OrderPage { orders, unreadable, length: page.orders.len(), total_count: page.total_count })
}

/// What an order cannot do without: its ids and states, where it goes and who sends it, and
/// whatever is money, or decides of it.
fn is_needed(field: &str) -> bool {
    let name = field.rsplit('.').next().unwrap_or_default();
    let informative = ["order_lines[].promotions", "order_taxes", "order_refunds"]
        .iter()
        .any(|whole| field.starts_with(whole));
    let is_id = matches!(
        name,
        "order_id"
            | "commercial_id"
            | "order_state"
            | "order_line_id"
            | "order_line_state"
            | "offer_sku"
            | "currency_iso_code"
    );
    let is_money = matches!(
        name.trim_end_matches("[]"),
        "price"
            | "shipping_price"
            | "total_price"
            | "amount"
            | "shipping_amount"
            | "taxes"
            | "shipping_taxes"
            | "fees"
            | "refunds"
            | "cancelations"
    );
    let is_mode = matches!(name, "order_tax_mode" | "payment_workflow");
    let by_whom =
        matches!(name, "can_shop_ship" | "shipping_pudo_id") || field.starts_with("fulfillment");
    let of_address = !matches!(
        name,
        "civility" | "customer_id" | "phone" | "phone_secondary" | "internal_additional_info"
    );
    let is_address = field == "customer" || (field.starts_with("customer.") && of_address);
    let is_line = name.starts_with("order_lines") || field == "order_lines[].quantity";
    !informative && (is_id || is_money || is_mode || by_whom || is_address || is_line)
}

/// `paymentType`, the spelling of platforms older than `payment_type`. Newer ones send both, so it
/// can be no alias: an alias beside its own name counts as a field sent twice.
fn older_payment_type(raw: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Older {
        #[serde(default, rename = "paymentType")]
        payment_type: Option<String>,
    }
    serde_json::from_str::<Older>(raw).ok()?.payment_type
}

fn salvage(raw: &str, problem: &serde_json::Error) -> UnreadableOrder {
    // The position within the order, because the text of the problem may quote it.
    let problem = format!(
        "{:?} error at line {}, column {} of the order",
        problem.classify(),
        problem.line(),
        problem.column()
    );
    match serde_json::from_str::<Salvage>(raw) {
        Ok(salvage) => UnreadableOrder {
            order_id: Some(salvage.order_id),
            acceptable: Some(Acceptable {
                state: salvage.order_state,
                order_line_ids: salvage
                    .order_lines
                    .into_iter()
                    .map(|line| line.order_line_id)
                    .collect(),
            }),
            problem,
        },
        Err(_) => {
            let order_id = serde_json::from_str::<OnlyId>(raw).ok().map(|only| only.order_id);
            UnreadableOrder { order_id, acceptable: None, problem }
        }
    }
}
