//! What has gone before: a month of orders in both systems, and the rules of both channels.

use anyhow::{Context as _, Result};
use jiff::{SignedDuration, Timestamp};
use local_world::World;
use local_world::seed::SeedChannel;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::arguments::Arguments;

/// Billing cycles a channel.
pub(super) const CYCLES: usize = 3;

/// Where a channel's money is booked.
struct Accounts {
    /// The clearing account, as its chart has it.
    clearing: &'static str,
    /// The bank account that its transfers arrive on, as its chart has it.
    bank: &'static str,
    /// `PayMethod` of its orders, as its order rules have it.
    pay_method: &'static str,
}

fn accounts(channel: &SeedChannel) -> Accounts {
    if channel.currency == "GBP" {
        Accounts { clearing: "1260", bank: "1200", pay_method: "MKUK" }
    } else {
        Accounts { clearing: "1360", bank: "1210", pay_method: "MKEU" }
    }
}

/// The clearing account of a channel.
pub(super) fn clearing_of(channel: &SeedChannel) -> &'static str {
    accounts(channel).clearing
}

/// Which clearing account Prima settles which `PayMethod` over.
pub(super) fn clearing() -> Value {
    let channels = local_world::seed::channels();
    let of = |channel| {
        let Accounts { clearing, pay_method, .. } = accounts(channel);
        (pay_method.to_owned(), json!(clearing))
    };
    channels.iter().map(of).collect()
}

/// The channels' own payout rules, from the first moment of the month on, without the hour between
/// two readings.
pub(super) async fn put_rules(world: &World, now: Timestamp) -> Result<()> {
    for channel in world.channels() {
        let text = world.deployment().operator(&["payout-rules", "show", &channel.id], "").await?;
        // Its first line says who stored it.
        let (_, document) = text.split_once('\n').context("payout-rules show")?;
        let mut rules: Value = serde_json::from_str(document).context("payout-rules show")?;
        rules["payouts_from"] = json!(first_moment(now).to_string());
        rules["confirm_after_minutes"] = json!(0);
        rules["daily_at"] = json!("00:00:00");
        let path =
            world.deployment().aws().directory().join(format!("payouts-{}.json", channel.id));
        std::fs::write(&path, rules.to_string())?;
        let path = path.to_string_lossy();
        world.deployment().operator(&["payout-rules", "put", &channel.id, &path], "").await?;
    }
    Ok(())
}

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn first_moment(now: Timestamp) -> Timestamp {
    now - days(36)
}

/// Lays the month into both systems; answers how many orders they have.
pub(super) async fn lay(world: &World, arguments: &Arguments, now: Timestamp) -> Result<usize> {
    let shops = u32::try_from(world.channels().len()).unwrap_or(1);
    let closes: Vec<Timestamp> = [25, 15, 4].map(|ago| now - days(ago)).into();
    let shop = |channel: &SeedChannel| {
        let item = |ago: i64, kind: &str, amount: &str, taxed: bool| json!({"at": now - days(ago), "item": {"kind": kind, "amount": amount, "taxed": taxed, "currency": channel.currency}});
        let abroad = channel.currency != "GBP";
        json!({
            "shop_id": channel.shop_id, "orders": arguments.orders() / shops, "cancel_share": 0.03, "refund_share": 0.12,
            "pay_method": accounts(channel).pay_method, "closes": closes,
            "billing": {
                "subscription": "39.00", "reserve_percent": "5", "payout_seconds": 86_400, "vat_on_fees": !abroad,
                "operator_remits_taxes": abroad,
            },
            "items": [
                item(20, "MANUAL_CREDIT", "10.00", false), item(19, "SELLER_PENALTY_FEE", "3.00", false),
                item(12, "MANUAL_INVOICE", "25.00", !abroad),
            ],
        })
    };
    let past = json!({
        "from": first_moment(now), "to": now, "seed": arguments.seed,
        "shops": world.channels().iter().map(shop).collect::<Vec<_>>(),
    });
    let orders = world.mirakl().post("past", &past).await?;
    world.prima().post("past", &orders).await?;
    Ok(orders.as_array().map_or(0, Vec::len))
}

/// The transfers of the cycles that are paid arrive at the bank.
pub(super) async fn receive(world: &World) -> Result<()> {
    for channel in world.channels() {
        let ledger = world.mirakl().get(&format!("shops/{}/ledger", channel.shop_id)).await?;
        for cycle in ledger["cycles"].as_array().into_iter().flatten() {
            let transfer: Decimal = cycle["transfer"].as_str().unwrap_or("0").parse()?;
            if cycle["pay_out"] == "PAID" && !transfer.is_zero() {
                let receipt = json!({
                    "bank": accounts(channel).bank, "nominal": clearing_of(channel), "amount": transfer, "currency": channel.currency,
                    "reference": cycle["id"],
                });
                world.prima().post("books/receipts", &receipt).await?;
            }
        }
    }
    Ok(())
}
