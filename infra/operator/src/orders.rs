//! "Where is order X?"

use anyhow::{Result, anyhow};
use jiff::Timestamp;
use shared::aws::store::DynamoDbStore;
use shared::domain::order::row::{
    DISPATCH_EXCEPTION, DISPATCH_UNANNOUNCED, EXCEPTION_UNANNOUNCED, OrderKey, OrderRow,
    REFERENCE_PENDING, SHIPPED_REFERENCE_PENDING, Stage,
};
use shared::domain::state::{NumberStore, OrderStore, PollStore, StoreError};

use crate::arguments::OrdersCommand;
use crate::connector::Connector;
use crate::table::{age, moment, moment_or_dash, table};

/// `orders`
pub(crate) async fn run(connector: &Connector, command: OrdersCommand) -> Result<String> {
    let store = connector.store()?;
    match command {
        OrdersCommand::Show { channel, order } => {
            let row = find(&store, &channel, &order).await?;
            Ok(render(&row, connector.now))
        }
        OrdersCommand::List { channel, stage, limit } => {
            connector.channel(&channel).await?;
            list(&store, &channel, stage.as_deref(), limit, connector.now).await
        }
        OrdersCommand::Adopt { channel, order } => {
            let note = format!("adopted by {}", connector.author);
            change(&store, &channel, &order, |row| adopt(row, &note, connector.now)).await?;
            want_full_listing(&store, &channel).await?;
            Ok(format!(
                "Order {order} of channel {channel} is adopted: the next listing that shows it as paid has it created in Prima."
            ))
        }
    }
}

/// An order by Mirakl's id or by Prima's number.
async fn find(store: &DynamoDbStore, channel: &str, order: &str) -> Result<OrderRow> {
    if let Some(row) = store.load_order(&OrderKey::new(channel, order)).await? {
        return Ok(row);
    }
    if let Some(holder) = store.holder_of(order).await? {
        if holder.channel != channel {
            return Err(anyhow!(
                "{order} is the number of order {} of channel {}",
                holder.order_id,
                holder.channel
            ));
        }
        if let Some(row) = store.load_order(&holder).await? {
            return Ok(row);
        }
    }
    Err(unknown(channel, order))
}

pub(crate) fn unknown(channel: &str, order: &str) -> anyhow::Error {
    anyhow!(
        "channel {channel} has no order {order}, by Mirakl's id or by Prima's number: check both words; an order that is new \
         in Mirakl appears with the next listing, one that was over before the channel went live never does"
    )
}

/// Changes a row, reading it again where a function changed it meanwhile.
pub(crate) async fn change(
    store: &DynamoDbStore,
    channel: &str,
    order: &str,
    rule: impl Fn(&mut OrderRow) -> Result<()>,
) -> Result<OrderRow> {
    let key = OrderKey::new(channel, order);
    for _ in 0..10 {
        let mut row = store.load_order(&key).await?.ok_or_else(|| unknown(channel, order))?;
        rule(&mut row)?;
        match store.save_order(&mut row).await {
            Ok(()) => return Ok(row),
            Err(StoreError::Conflict(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Err(anyhow!("order {order} of channel {channel} keeps changing: try again in a minute"))
}

/// Has the next listing look at all open orders, so that a row that was put back is picked up.
pub(crate) async fn want_full_listing(store: &DynamoDbStore, channel: &str) -> Result<()> {
    for _ in 0..10 {
        let mut poll = store.load_poll(channel).await?;
        if poll.full_wanted {
            return Ok(());
        }
        poll.full_wanted = true;
        match store.save_poll(channel, &mut poll).await {
            Ok(()) => return Ok(()),
            Err(StoreError::Conflict(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    Ok(()) // Every fifth listing is a full one in any case.
}

fn adopt(row: &mut OrderRow, note: &str, now: Timestamp) -> Result<()> {
    if row.stage != Stage::KeyedByHand {
        let (order, stage) = (&row.key.order_id, row.stage.name());
        return Err(anyhow!(
            "order {order} is {stage}, not keyed-by-hand: only such orders are adopted"
        ));
    }
    row.listing.adopted = true;
    row.enter(Stage::Firm, now, note);
    Ok(())
}

async fn list(
    store: &DynamoDbStore,
    channel: &str,
    stage: Option<&str>,
    limit: usize,
    now: Timestamp,
) -> Result<String> {
    let stages = match stage {
        Some(name) => vec![stage_named(name)?],
        None => Stage::ALL.iter().copied().filter(|stage| !is_over(*stage)).collect(),
    };
    let mut table =
        table(&["order", "stage", "for", "Prima's number", "Mirakl's state", "latest step"]);
    let mut more = Vec::new();
    for stage in stages {
        let mut entries = Vec::new();
        for state in index_states(stage) {
            entries.extend(store.orders_in(channel, state, limit).await?);
        }
        if entries.len() >= limit {
            more.push(stage.name());
        }
        let found = store.load_orders(&entries).await?;
        let mut rows: Vec<&OrderRow> = found.values().collect();
        rows.sort_by_key(|row| row.since);
        for row in rows.into_iter().take(limit) {
            table.add_row([
                row.key.order_id.clone(),
                row.index_state().to_owned(),
                age(row.since, now),
                row.creation.order_number.clone().unwrap_or_else(|| "-".to_owned()),
                row.listing.state.to_string(),
                row.history.last().map(|step| step.note.clone()).unwrap_or_default(),
            ]);
        }
    }
    if table.is_empty() {
        return Ok(format!("Channel {channel} has no such orders."));
    }
    let note = if more.is_empty() {
        String::new()
    } else {
        format!("\nThere may be more in {}: raise --limit.", more.join(", "))
    };
    Ok(format!("{table}{note}"))
}

/// Nothing further is expected of the connector or of a person.
pub(crate) fn is_over(stage: Stage) -> bool {
    stage.is_settled() && stage != Stage::Exception
}

/// The index's names of a stage.
pub(crate) fn index_states(stage: Stage) -> Vec<&'static str> {
    match stage {
        // Orders that have left may owe their reference as well.
        Stage::Created => vec![REFERENCE_PENDING, stage.name()],
        Stage::Shipped => vec![SHIPPED_REFERENCE_PENDING, stage.name()],
        Stage::Exception => {
            vec![EXCEPTION_UNANNOUNCED, stage.name(), DISPATCH_UNANNOUNCED, DISPATCH_EXCEPTION]
        }
        other => vec![other.name()],
    }
}

fn stage_named(name: &str) -> Result<Stage> {
    Stage::ALL.iter().copied().find(|stage| stage.name() == name).ok_or_else(|| {
        let names: Vec<&str> = Stage::ALL.iter().copied().map(Stage::name).collect();
        anyhow!("there is no stage {name}: there is {}", names.join(", "))
    })
}

/// A row, as a person asks for it: where it stands, what is next to do, and how it came there.
fn render(row: &OrderRow, now: Timestamp) -> String {
    let mut facts = table(&["order", &row.key.order_id]);
    let mut fact = |name: &str, value: String| {
        facts.add_row([name.to_owned(), value]);
    };
    fact("channel", row.key.channel.clone());
    fact("stage", format!("{}, since {}", row.stage.name(), moment(row.since, now)));
    if let Some(exception) = &row.exception {
        fact("exception", exception.kind.name().to_owned());
        fact("reason", exception.reason.clone());
        fact("remedy", exception.remedy.clone());
    }
    fact(
        "Prima's number",
        row.creation.order_number.clone().unwrap_or_else(|| "not reserved yet".to_owned()),
    );
    fact("state in Mirakl", row.listing.state.to_string());
    fact("created in Mirakl", moment_or_dash(row.listing.created, now));
    fact("first listed", moment(row.listing.seen_at, now));
    fact("accepted by us", moment_or_dash(row.listing.acknowledged_at, now));
    fact("created in Prima", moment_or_dash(row.creation.created_at, now));
    fact("number in Mirakl", moment_or_dash(row.creation.referenced_at, now));
    fact("ship by", moment_or_dash(row.listing.shipping_deadline, now));
    if let Some(attempt) = &row.creation.attempt {
        let asked = moment_or_dash(attempt.asked_at, now);
        fact(
            "NewOrder",
            format!(
                "sent {} x, latest {}; asked for since: {asked}",
                attempt.count,
                moment(attempt.at, now)
            ),
        );
        if !attempt.unanswered.problem.is_empty() {
            fact("Prima's answer to it", attempt.unanswered.problem.clone());
        }
    }
    if let Some(lease) = &row.creation.lease {
        fact("in work until", moment(lease.until, now));
    }
    if let Some(requested) = row.listing.cancel_requested {
        fact("cancelled in Mirakl", moment(requested, now));
    }
    if let Some(dispatch) = &row.dispatch {
        let word = if dispatch.prima_status.is_empty() { "?" } else { &dispatch.prima_status };
        fact("Prima says", format!("{word}, asked {}", moment_or_dash(dispatch.asked_at, now)));
        fact("looked at again", moment(dispatch.due_at, now));
        for parcel in &dispatch.parcels {
            let told = moment_or_dash(parcel.confirmed_at, now);
            fact(
                "parcel",
                format!(
                    "{}, {}, number {}; told to Mirakl: {told}",
                    parcel.dispatch,
                    parcel.description(),
                    parcel.consignment
                ),
            );
        }
        for settlement in &dispatch.settlements {
            let lines: Vec<String> = settlement
                .lines
                .iter()
                .map(|line| format!("{} x {}", line.quantity, line.order_line_id))
                .collect();
            fact(
                settlement.how.operation(),
                format!(
                    "{}; known to Mirakl: {}",
                    lines.join(", "),
                    moment_or_dash(settlement.confirmed_at, now)
                ),
            );
        }
    }
    if row.listing.adopted {
        fact("adopted", "by an operator".to_owned());
    }
    let mut lines = table(&["line", "SKU", "pieces"]);
    for line in &row.lines {
        lines.add_row([
            line.order_line_id.clone(),
            line.offer_sku.clone(),
            line.quantity.to_string(),
        ]);
    }
    let mut steps = table(&["when", "stage", "why"]);
    for step in &row.history {
        steps.add_row([moment(step.at, now), step.stage.name().to_owned(), step.note.clone()]);
    }
    format!("{facts}\n{lines}\n{steps}")
}

#[cfg(test)]
pub(crate) mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use shared::domain::order::row::ExceptionKind;
    use shared::mirakl::Order;

    use super::*;

    pub(crate) fn row() -> OrderRow {
        let order: Order = serde_json::from_str(
            r#"{"order_id":"W-1-A","order_state":"SHIPPING","created_date":"2026-11-20T08:00:00Z","order_lines":[
                {"order_line_id":"W-1-A-1","offer_sku":"COAT-12","quantity":2,"order_line_state":"SHIPPING","price":10,"price_unit":5,"total_price":10}]}"#,
        )
        .unwrap();
        OrderRow::first_seen("outfitter-uk", &order, "2026-11-20T08:01:00Z".parse().unwrap())
    }

    pub(crate) fn now() -> Timestamp {
        "2026-11-20T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_row_shows_where_it_stands_why_and_what_to_do() {
        let mut row = row();
        row.creation.order_number = Some("OUT-000123".to_owned());
        row.fail(
            ExceptionKind::UnknownSku,
            "COAT-12 is in no rule",
            "add an override",
            "2026-11-20T08:02:00Z".parse().unwrap(),
        );
        let shown = render(&row, now());
        for expected in [
            "unknown-sku",
            "COAT-12 is in no rule",
            "add an override",
            "OUT-000123",
            "58 min 0 s ago",
            "SHIPPING",
            "W-1-A-1",
        ] {
            assert!(shown.contains(expected), "{expected} is missing in\n{shown}");
        }
    }

    #[test]
    fn only_an_order_keyed_by_hand_is_adopted() {
        let mut row = row();
        let refused = adopt(&mut row, "", now()).unwrap_err().to_string();
        assert_eq!(refused, "order W-1-A is seen, not keyed-by-hand: only such orders are adopted");
        row.enter(Stage::KeyedByHand, now(), "");
        adopt(&mut row, "adopted by Ann", now()).unwrap();
        assert_eq!((row.stage, row.listing.adopted), (Stage::Firm, true));
        assert_eq!(row.history.last().unwrap().note, "adopted by Ann");
    }

    #[test]
    fn stages_are_named_as_the_index_names_them() {
        assert_eq!(stage_named("in-doubt").unwrap(), Stage::InDoubt);
        assert!(stage_named("lost").unwrap_err().to_string().contains("awaiting-payment"));
        assert_eq!(index_states(Stage::Created), ["created-reference-pending", "created"]);
    }
}
