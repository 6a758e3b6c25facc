//! What has left Prima and is not shipped in Mirakl, what Prima holds back, and what will not be
//! sent at all.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, anyhow};
use jiff::Timestamp;
use rust_decimal::Decimal;
use shared::aws::store::DynamoDbStore;
use shared::domain::dispatch::RequestedSettlement;
use shared::domain::dispatch::message::MessageUnderWay;
use shared::domain::dispatch::plan::missing;
use shared::domain::dispatch::rules::DispatchRules;
use shared::domain::dispatch::settlement::{ShortLine, amounts};
use shared::domain::documents::DocumentKey;
use shared::domain::order::row::{OrderKey, OrderRow, Stage};
use shared::domain::queue::{OrderMessage, OrderQueue, OrderTask};
use shared::domain::state::OrderStore;
use shared::mirakl::shipping::How;
use shared::mirakl::shipping::LineAmounts;
use shared::mirakl::shipping::MiraklShipping;
use shared::mirakl::shipping::ParcelLine;

use crate::arguments::{DispatchesCommand, SettleHow};
use crate::connector::Connector;
use crate::orders::{change, index_states};
use crate::table::{age, table};

/// Orders listed of one channel and stage.
const LISTED: usize = 2000;

/// `dispatches`
pub(crate) async fn run(connector: &Connector, command: DispatchesCommand) -> Result<String> {
    match command {
        DispatchesCommand::List { channel } => {
            let rows = rows_in(
                connector,
                channel.as_deref(),
                &[Stage::Dispatched, Stage::PartDispatched, Stage::Exception],
            )
            .await?;
            let rows: Vec<OrderRow> = rows.into_iter().filter(is_unconfirmed).collect();
            Ok(render_unconfirmed(&rows, connector.now))
        }
        DispatchesCommand::Waiting { channel, hours } => {
            let rows =
                rows_in(connector, channel.as_deref(), &[Stage::Created, Stage::PartDispatched])
                    .await?;
            let long_ago = shared::kit::clock::before(
                connector.now,
                Duration::from_secs(3600 * u64::from(hours)),
            );
            let mut rows: Vec<OrderRow> = rows
                .into_iter()
                .filter(|row| {
                    row.creation.created_at.is_some_and(|created_at| created_at <= long_ago)
                })
                .collect();
            rows.sort_by_key(|row| row.listing.shipping_deadline.unwrap_or(Timestamp::MAX));
            Ok(render_waiting(&rows, hours, connector.now))
        }
        DispatchesCommand::Settle { channel, order, how, lines, reason_code, send } => {
            settle(connector, &channel, &order, how, &lines, reason_code, send).await
        }
    }
}

async fn rows_in(
    connector: &Connector,
    channel: Option<&str>,
    stages: &[Stage],
) -> Result<Vec<OrderRow>> {
    let channels = match channel {
        Some(channel) => vec![connector.channel(channel).await?.id],
        None => connector
            .documents()?
            .channels()
            .await?
            .channels
            .into_iter()
            .map(|channel| channel.id)
            .collect(),
    };
    let store = connector.store()?;
    let mut rows = Vec::new();
    for channel in channels {
        let mut keys = Vec::new();
        for state in stages.iter().flat_map(|stage| index_states(*stage)) {
            keys.extend(store.orders_in(&channel, state, LISTED).await?);
        }
        rows.extend(
            store.load_orders(&keys).await?.into_values().filter(|row| stages.contains(&row.stage)),
        );
    }
    Ok(rows)
}

/// Something has left, or will not leave, that Mirakl does not know of.
fn is_unconfirmed(row: &OrderRow) -> bool {
    let waits = row.dispatch.as_ref().is_some_and(|dispatch| {
        dispatch.unconfirmed().next().is_some() || dispatch.ended_at.is_some()
    });
    waits
        && (row.stage != Stage::Exception
            || row.exception.as_ref().is_some_and(|exception| exception.kind.is_of_dispatch()))
}

fn render_unconfirmed(rows: &[OrderRow], now: Timestamp) -> String {
    if rows.is_empty() {
        return "Everything that has left Prima is shipped in Mirakl.".to_owned();
    }
    let mut rows: Vec<&OrderRow> = rows.iter().collect();
    rows.sort_by_key(|row| row.listing.shipping_deadline.unwrap_or(Timestamp::MAX));
    let mut table = table(&[
        "channel",
        "order",
        "Prima's number",
        "left",
        "ship by",
        "held back",
        "carrier",
        "why",
    ]);
    let mut held: BTreeMap<&str, Decimal> = BTreeMap::new();
    for row in &rows {
        let dispatch = row.dispatch.as_ref();
        let first = dispatch
            .and_then(|dispatch| dispatch.parcels.iter().map(|parcel| parcel.found_at).min());
        let carriers: Vec<String> = dispatch
            .iter()
            .flat_map(|dispatch| dispatch.unconfirmed())
            .map(shared::domain::dispatch::Parcel::description)
            .collect();
        let why = match &row.exception {
            Some(exception) => format!("{}: {}", exception.kind.name(), exception.reason),
            None if row.stage == Stage::PartDispatched => "waits for the rest".to_owned(),
            None => "on its way to Mirakl".to_owned(),
        };
        if let Some(value) = &row.listing.payout_value {
            *held.entry(value.currency.as_str()).or_default() += value.amount.0;
        }
        table.add_row([
            row.key.channel.clone(),
            row.key.order_id.clone(),
            row.creation.order_number.clone().unwrap_or_default(),
            first.map_or_else(|| "-".to_owned(), |at| format!("{} ago", age(at, now))),
            deadline(row, now),
            row.listing.payout_value.as_ref().map_or_else(
                || "?".to_owned(),
                |value| format!("{} {}", value.amount, value.currency),
            ),
            carriers.join("; "),
            why,
        ]);
    }
    let held: Vec<String> =
        held.iter().map(|(currency, amount)| format!("{amount} {currency}")).collect();
    format!("{table}\n{} orders; payout held back: {}", rows.len(), held.join(", "))
}

fn deadline(row: &OrderRow, now: Timestamp) -> String {
    match row.listing.shipping_deadline {
        None => "-".to_owned(),
        Some(deadline) if deadline > now => age(deadline, now),
        Some(deadline) => format!("{} AGO", age(deadline, now)),
    }
}

fn render_waiting(rows: &[OrderRow], hours: u32, now: Timestamp) -> String {
    if rows.is_empty() {
        return format!("No order has waited in Prima for {hours} hours or more.");
    }
    let mut table = table(&[
        "channel",
        "order",
        "Prima's number",
        "in Prima for",
        "Prima says",
        "asked",
        "ship by",
    ]);
    for row in rows {
        let dispatch = row.dispatch.as_ref();
        table.add_row([
            row.key.channel.clone(),
            row.key.order_id.clone(),
            row.creation.order_number.clone().unwrap_or_default(),
            row.creation.created_at.map_or_else(|| "-".to_owned(), |at| age(at, now)),
            dispatch
                .map(|dispatch| dispatch.prima_status.clone())
                .filter(|word| !word.is_empty())
                .unwrap_or_else(|| "?".to_owned()),
            dispatch
                .and_then(|dispatch| dispatch.asked_at)
                .map_or_else(|| "never".to_owned(), |at| format!("{} ago", age(at, now))),
            deadline(row, now),
        ]);
    }
    format!(
        "{table}\nWhat cannot be sent is cancelled or refunded with: prima-mirakl dispatches settle CHANNEL ORDER --how cancel|refund"
    )
}

/// `dispatches settle`: shows what would be sent; with `--send`, asks `update-dispatches` to do it.
async fn settle(
    connector: &Connector,
    channel: &str,
    order: &str,
    how: SettleHow,
    lines: &[String],
    reason_code: Option<String>,
    send: bool,
) -> Result<String> {
    let how = match how {
        SettleHow::Cancel => How::Cancel,
        SettleHow::Refund => How::Refund,
    };
    let definition = connector.channel(channel).await?;
    let store = connector.store()?;
    let row = store
        .load_order(&OrderKey::new(channel, order))
        .await?
        .ok_or_else(|| anyhow!("there is no order {order} on channel {channel}: check both with `prima-mirakl orders list {channel}`"))?;
    let short = if lines.is_empty() {
        not_sent(&row)
    } else {
        lines.iter().map(|line| parse_line(line)).collect::<Result<_>>()?
    };
    if short.is_empty() {
        return Err(anyhow!(
            "every piece of order {order} has left Prima: name what is to be settled with --line ID=PIECES"
        ));
    }
    let rules: DispatchRules = connector
        .documents()?
        .read(&DocumentKey::DispatchRules(channel.to_owned()))
        .await?
        .unwrap_or_default();
    let reason_code = reason_code.or_else(|| rules.reason_code(how).map(str::to_owned)).ok_or_else(|| {
        anyhow!(
            "the marketplace's reason code is needed: give it with --reason-code, or put it into the dispatch rules of channel {channel}"
        )
    })?;
    let client = connector.mirakl(connector.mirakl_keys()?, &definition)?;
    let listed =
        client.order(order).await?.ok_or_else(|| anyhow!("Mirakl does not list order {order}"))?;
    let known = row.dispatch.as_deref().cloned().unwrap_or_default();
    let due = amounts(&listed, &short, how, &known)?;
    let mut shown = render_amounts(
        &due.lines,
        how,
        &reason_code,
        listed.currency_iso_code.as_deref().unwrap_or_default(),
    );
    for line in &due.given_back {
        shown.push_str(&format!(
            "\n{} pieces of line {} were refunded already: nothing is sent for them.",
            line.quantity, line.order_line_id
        ));
    }
    if !send {
        return Ok(format!(
            "{shown}\nNothing was sent. Give the same command with --send to do it."
        ));
    }
    let (queue, by) = (connector.dispatches_queue()?, connector.author.clone());
    let now = connector.now;
    let requested = RequestedSettlement {
        how,
        reason_code,
        lines: short
            .iter()
            .map(|line| ParcelLine {
                order_line_id: line.order_line_id.clone(),
                quantity: line.quantity,
            })
            .collect(),
        by: by.clone(),
    };
    let row = change(&store, channel, order, |row| request(row, &requested, &by, now)).await?;
    let message = OrderMessage {
        channel: channel.to_owned(),
        order_id: order.to_owned(),
        task: OrderTask::Dispatch,
    };
    queue.send(&[message], Duration::ZERO).await?;
    let number = row.creation.order_number.unwrap_or_default();
    Ok(format!(
        "{shown}\nAsked for: it is sent within a minute, and what has left is shipped then. `prima-mirakl orders show {channel} {order}` tells. \
         If Prima still holds these pieces, take them off order {number} there."
    ))
}

fn request(
    row: &mut OrderRow,
    requested: &RequestedSettlement,
    by: &str,
    now: Timestamp,
) -> Result<()> {
    let is_of_dispatch =
        row.exception.as_ref().is_some_and(|exception| exception.kind.is_of_dispatch());
    if !row.stage.is_in_prima() && !is_of_dispatch {
        return Err(anyhow!(
            "order {} is {}: only what is in Prima and not shipped can be settled",
            row.key.order_id,
            row.stage.name()
        ));
    }
    row.enter(Stage::Dispatched, now, format!("{} asked for by {by}", requested.how.operation()));
    let dispatch = row.dispatch.get_or_insert_default();
    dispatch.message = Some(MessageUnderWay::sent(now));
    dispatch.requested = Some(requested.clone());
    dispatch.due_at = dispatch.due_once_queued(now);
    Ok(())
}

/// Pieces that have not left.
fn not_sent(row: &OrderRow) -> Vec<ShortLine> {
    match &row.dispatch {
        Some(dispatch) => missing(row, dispatch),
        None => row
            .lines
            .iter()
            .map(|line| ShortLine {
                order_line_id: line.order_line_id.clone(),
                quantity: line.quantity,
            })
            .collect(),
    }
}

fn parse_line(text: &str) -> Result<ShortLine> {
    let parsed = text
        .rsplit_once('=')
        .and_then(|(id, pieces)| Some((id.trim(), pieces.trim().parse::<u32>().ok()?)));
    match parsed {
        Some((id, quantity)) if !id.is_empty() && quantity > 0 => {
            Ok(ShortLine { order_line_id: id.to_owned(), quantity })
        }
        _ => Err(anyhow!("--line takes ID=PIECES, such as W-1-A-1=2, not {text:?}")),
    }
}

fn render_amounts(amounts: &[LineAmounts], how: How, reason_code: &str, currency: &str) -> String {
    let mut table = table(&["line", "pieces", "goods", "shipping", "taxes", "currency"]);
    for line in amounts {
        let taxes: Decimal =
            line.taxes.iter().chain(&line.shipping_taxes).map(|tax| tax.amount.0).sum();
        table.add_row([
            line.order_line_id.clone(),
            line.quantity.to_string(),
            line.amount.to_string(),
            line.shipping_amount.to_string(),
            taxes.to_string(),
            currency.to_owned(),
        ]);
    }
    format!("{} with reason code {reason_code}:\n{table}", how.operation())
}

/// Puts a dispatch exception back to work: to Mirakl at once where its carrier was the matter, else
/// to the next question.
pub(crate) async fn retry(
    connector: &Connector,
    store: &DynamoDbStore,
    channel: &str,
    order: &str,
    note: &str,
) -> Result<String> {
    let now = connector.now;
    let row = store.load_order(&OrderKey::new(channel, order)).await?;
    let at_once = row
        .and_then(|row| row.exception)
        .is_some_and(|exception| exception.kind.waits_for_documents());
    change(store, channel, order, |row| {
        let dispatch = row.dispatch.get_or_insert_default();
        let part = dispatch.parcels.iter().any(|parcel| parcel.confirmed_at.is_some());
        let stage = if at_once {
            Stage::Dispatched
        } else if part {
            Stage::PartDispatched
        } else {
            Stage::Created
        };
        dispatch.due_at = if at_once { dispatch.due_once_queued(now) } else { now };
        row.enter(stage, now, note);
        row.dispatch.get_or_insert_default().message = at_once.then(|| MessageUnderWay::sent(now));
        Ok(())
    })
    .await?;
    if !at_once {
        return Ok(format!(
            "Prima is asked about order {order} of channel {channel} within a minute, and Mirakl told."
        ));
    }
    let message = OrderMessage {
        channel: channel.to_owned(),
        order_id: order.to_owned(),
        task: OrderTask::Dispatch,
    };
    connector.dispatches_queue()?.send(&[message], Duration::ZERO).await?;
    Ok(format!("Order {order} of channel {channel} is told to Mirakl again at once."))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use shared::domain::dispatch::{Dispatch, Parcel};

    use super::*;
    use crate::orders::tests::{now, row};

    fn dispatched() -> OrderRow {
        let mut row = row();
        row.creation.order_number = Some("OUT-1".into());
        row.creation.created_at = Some("2026-11-20T08:02:00Z".parse().unwrap());
        row.listing.shipping_deadline = Some("2026-11-20T08:30:00Z".parse().unwrap());
        row.enter(Stage::Dispatched, now(), "");
        let line = ParcelLine { order_line_id: "W-1-A-1".into(), quantity: 1 };
        let parcel = Parcel {
            dispatch: "D1".into(),
            carrier: "DPD".into(),
            lines: vec![line],
            found_at: now(),
            ..Parcel::default()
        };
        row.dispatch = Some(Box::new(Dispatch { parcels: vec![parcel], ..Dispatch::default() }));
        row
    }

    /// What looks unshipped is listed with the time left and the value held back.
    #[test]
    fn seemingly_unshipped_orders_show_time_left_and_held_value() {
        let mut row = dispatched();
        row.listing.payout_value = Some(shared::domain::order::row::PayoutValue {
            amount: shared::kit::amount::Amount("41.50".parse().unwrap()),
            currency: "GBP".into(),
        });
        assert!(is_unconfirmed(&row));
        let shown = render_unconfirmed(&[row], now());
        for expected in [
            "OUT-1",
            "30 min 0 s AGO",
            "41.50 GBP",
            "DPD",
            "on its way to Mirakl",
            "1 orders; payout held back: 41.50 GBP",
        ] {
            assert!(shown.contains(expected), "{expected} is missing in\n{shown}");
        }
        assert!(!is_unconfirmed(&self::row()));
    }

    #[test]
    fn what_has_not_left_is_what_is_settled_unless_lines_are_named() {
        let short = not_sent(&dispatched());
        assert_eq!(short, [ShortLine { order_line_id: "W-1-A-1".into(), quantity: 1 }]);
        assert_eq!(
            parse_line("A=B-1=2").unwrap(),
            ShortLine { order_line_id: "A=B-1".into(), quantity: 2 }
        );
        for wrong in ["A", "A=", "=2", "A=0", "A=two"] {
            assert!(parse_line(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_what_is_in_prima_can_be_settled() {
        let requested = RequestedSettlement {
            how: How::Cancel,
            reason_code: "OOS".into(),
            lines: Vec::new(),
            by: "Ann".into(),
        };
        let mut seen = row();
        assert!(
            request(&mut seen, &requested, "Ann", now())
                .unwrap_err()
                .to_string()
                .contains("is seen")
        );
        let mut row = dispatched();
        request(&mut row, &requested, "Ann", now()).unwrap();
        assert_eq!(row.dispatch.unwrap().requested.unwrap().by, "Ann");
    }
}
