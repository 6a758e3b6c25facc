//! Stock: why a channel shows what it shows, how its pushes stand, and what needs a person.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, anyhow};
use jiff::Timestamp;
use shared::domain::channel::{Channel, Mode};
use shared::domain::order::mapping::SkuProblem;
use shared::domain::state::StoreError;
use shared::domain::state::ledger::{LedgerStore, StockRecord, StoredLedger};
use shared::domain::stock::availability::{OfferView, SalesChannel};
use shared::domain::stock::cadence::most_within;
use shared::domain::stock::division::{Divided, Quota};
use shared::domain::stock::documents::StockDocuments;
use shared::domain::stock::exceptions::StockException;
use shared::domain::stock::flight::Flight;
use shared::domain::stock::memory::{PushMemory, StockMemory};
use shared::domain::stock::offer::{Known, Shown, Wanted, Why, to_publish};
use shared::domain::stock::offers_list::OffersList;
use shared::domain::stock::outstanding::{Outstanding, SeenUntil, outstanding};
use shared::domain::stock::rules::{Sourced, StockRule};
use shared::domain::stock::settings::{LastPieces, StockSettings};
use shared::domain::stock::snapshot::{ChannelSnapshot, availability, seen_until};
use shared::kit::clock::after;
use shared::prima::sku::PrimaSku;
use shared::prima::stock::StockBasis;

use crate::all_channels::AllChannels;
use crate::arguments::StockCommand;
use crate::connector::Connector;
use crate::documents::mode;
use crate::table::{age, moment, moment_or_dash, table};

/// Offers shown by `stock buffer`.
const LISTED: usize = 20;
/// What an import usually takes on a marketplace, where nothing better is known.
const USUAL_IMPORT: Duration = Duration::from_secs(120);
/// What a run may spend on asking Prima before it publishes, where all goes well.
const READING: Duration = Duration::from_secs(60);
/// Orders named in an explanation.
const NAMED: usize = 20;

/// `stock`
pub(crate) async fn run(connector: &Connector, command: StockCommand) -> Result<String> {
    match command {
        StockCommand::Explain { channel, sku } => explain(connector, &channel, &sku).await,
        StockCommand::Unlisted { csv } => crate::unlisted::run(connector, csv.as_deref()).await,
        StockCommand::Status { channel } => status(connector, channel.as_deref()).await,
        StockCommand::Republish { channel } => {
            change(connector, &channel, |memory| memory.joint.republish = true).await?;
            Ok(format!("Everything is published again on {channel}, with the next run."))
        }
        StockCommand::AllowZeroes { channel, minutes } => {
            let until = after(connector.now, Duration::from_secs(60 * u64::from(minutes)));
            change(connector, &channel, |memory| {
                (memory.zeroes_allowed_until, memory.joint.pending) = (Some(until), true)
            })
            .await?;
            Ok(format!("Until {until:.0} any number of offers of {channel} may go to zero."))
        }
        StockCommand::Buffer { channel, sku } => buffer(connector, &channel, sku.as_deref()).await,
    }
}

/// Changes what a channel's pushes remember, as it stands.
async fn change(
    connector: &Connector,
    channel: &str,
    change: impl Fn(&mut PushMemory),
) -> Result<()> {
    let channel = connector.channel(channel).await?.id;
    let ledger = connector.ledger()?;
    let record = StockRecord::Push(&channel);
    for _ in 0..10 {
        let (mut memory, version) = ledger.load_record::<PushMemory>(record).await?;
        change(&mut memory);
        match ledger.save_record(record, &memory, &version).await {
            Ok(_) => return Ok(()),
            Err(StoreError::Conflict(_)) => {}
            Err(problem) => return Err(problem.into()),
        }
    }
    Err(anyhow!("what the pushes of {channel} remember is being changed all the time: try again"))
}

/// What is kept of a channel's pushes.
struct Kept {
    stored: StoredLedger,
    memory: PushMemory,
    outstanding: Outstanding,
    seen_until: Option<Timestamp>,
}

async fn explain(connector: &Connector, channel: &str, sku: &str) -> Result<String> {
    let channel = connector.channel(channel).await?;
    let all = AllChannels::read(connector).await?;
    let ledger = connector.ledger()?;
    let stored = ledger.load(&channel.id).await?;
    let (memory, _) = ledger.load_record::<PushMemory>(StockRecord::Push(&channel.id)).await?;
    let Some((_, pages, _, offers)) = all.channels.iter().find(|(one, ..)| one.id == channel.id)
    else {
        let wrong =
            all.wrong.iter().find(|(id, _)| *id == channel.id).map(|(_, problem)| problem.as_str());
        return Err(anyhow!(
            "nothing is published on {}: {}",
            channel.id,
            wrong.unwrap_or("its documents were taken away just now: try again")
        ));
    };
    let (store, files) = (connector.store()?, connector.stock_files()?);
    let mut kept = Vec::new();
    for (one, ..) in all.published_to() {
        let stored = ledger.load(&one.id).await?;
        let (memory, _) = ledger.load_record::<PushMemory>(StockRecord::Push(&one.id)).await?;
        let seen_until = seen_until(&store, one).await?;
        let outstanding = outstanding(
            &files,
            &one.id,
            &memory.imports,
            SeenUntil { before: memory.run.seen_until, now: seen_until },
            connector.now,
        )
        .await;
        kept.push(Kept { stored, memory, outstanding, seen_until });
    }
    let snapshots: Vec<ChannelSnapshot<'_>> =
        all.published_to().zip(&kept).map(|(one, kept)| snapshot(one, kept)).collect();
    let availability = availability(
        &all.figures,
        &all.settings,
        &snapshots,
        &all.others,
        all.is_one_missing,
        connector.now,
    );
    let sales_channel = SalesChannel {
        id: &channel.id,
        rules: &pages.rules,
        skus: &pages.skus,
        ledger: stored.ledger(),
        sold_elsewhere: None,
    };
    let no_sku = |problem: SkuProblem| {
        anyhow!(
            "the SKU {sku} names no Prima SKU ({}): nothing is published of it. Add an override (prima-mirakl skus put {} FILE), or \
             correct the order rules' patterns, or the SKU on the marketplace",
            problem.name(),
            channel.id
        )
    };
    let prima_sku = pages.skus.read(sku).map_err(no_sku)?;
    let view = availability.view(&sales_channel, sku).map_err(no_sku)?;
    // What keeps it from being raised, as publishing looks at it.
    let mut others = Vec::new();
    for other in snapshots
        .iter()
        .filter(|other| other.channel.id != channel.id && other.channel.stock == Mode::Live)
    {
        for sku in other
            .offers
            .iter()
            .flat_map(|offers| offers.skus())
            .filter(|sku| other.skus.read(sku).is_ok_and(|sku| sku.key() == view.key))
        {
            let view = availability.view(&other.sales_channel(), sku);
            if view.is_ok_and(|view| {
                shared::domain::stock::offer::may_show_too_much(view.wanted, view.shown)
            }) {
                others.push(format!("{} ({sku}) may show too much", other.channel.id));
            }
        }
        if other.may_show_anything() {
            others.push(format!("the list of offers of {} is not at hand", other.channel.id));
        }
    }
    others.extend(
        all.wrong
            .iter()
            .map(|(id, problem)| format!("the documents of {id} cannot be used: {problem}")),
    );
    let facts = Facts {
        channel: &channel,
        offer_sku: sku,
        prima_sku,
        is_listed: offers.as_ref().map(|offers| offers.skus().any(|one| one == sku)),
        memory: &memory,
        settings: &all.settings,
        orders: all.orders_with(view.key),
        others_too_high: others,
        division: availability.divided(&channel.id, view.key),
        now: connector.now,
    };
    Ok(render(&view, &facts))
}

/// What an explanation needs besides the view of the offer.
struct Facts<'a> {
    channel: &'a Channel,
    offer_sku: &'a str,
    prima_sku: PrimaSku,
    /// Whether the latest list of offers has it; none where there is no list yet.
    is_listed: Option<bool>,
    memory: &'a PushMemory,
    settings: &'a StockSettings,
    orders: Vec<(&'a Flight, u32)>,
    others_too_high: Vec<String>,
    division: Option<Divided>,
    now: Timestamp,
}

fn render(view: &OfferView<'_>, facts: &Facts<'_>) -> String {
    let now = facts.now;
    let mut terms = table(&["term", "value", "where it comes from"]);
    let mut row = |term: &str, value: String, source: String| {
        terms.add_row([term.to_owned(), value, source]);
    };
    row("offer", facts.offer_sku.to_owned(), listed(facts));
    row(
        "Prima's SKU",
        shown_sku(&facts.prima_sku),
        "the order rules' patterns, or an override".to_owned(),
    );
    let (free, source) = figure(view.known, now);
    row("free in Prima", free, format!("{source}; {}", basis(facts.settings)));
    let orders: Vec<String> =
        facts.orders.iter().take(NAMED).map(|(flight, units)| order(flight, *units, now)).collect();
    let more = facts.orders.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("\nand {more} more orders") } else { String::new() };
    row(
        "in flight",
        format!("- {}", view.in_flight),
        if orders.is_empty() {
            "no order".to_owned()
        } else {
            format!("{}{more}", orders.join("\n"))
        },
    );
    row(
        "share",
        format!("x {} %", view.limits.share_percent.value),
        rule(&view.limits.share_percent),
    );
    row("buffer", format!("- {}", view.limits.buffer.value), rule(&view.limits.buffer));
    row(
        "cap",
        view.limits.cap.value.map_or_else(|| "none".to_owned(), |cap| cap.to_string()),
        rule(&view.limits.cap),
    );
    row(
        "excluded",
        if view.limits.excluded.value { "yes" } else { "no" }.to_owned(),
        rule(&view.limits.excluded),
    );
    if facts.settings.last_units > 0 {
        let here = if view.offers_last_units { "here" } else { "elsewhere" };
        row(
            "last units",
            here.to_owned(),
            format!(
                "stock.last_units {} on {}",
                facts.settings.last_units,
                facts.settings.last_units_on.join(", ")
            ),
        );
    }
    let (value, source) = last_pieces(facts);
    row("last pieces", value, source);
    row("to be shown", wanted(view.wanted), why(view.why, facts.settings));
    row("shown", shown(view.shown), shown_source(view.shown));
    row("to be published", next(view, facts), facts.memory.run.latest.decision.clone());
    terms.to_string()
}

/// What becomes of the last pieces here, and by which rule.
fn last_pieces(facts: &Facts<'_>) -> (String, String) {
    let settings = facts.settings;
    let rule = match settings.last_pieces {
        LastPieces::Divide => "divided",
        LastPieces::OneChannel => "on one channel",
        LastPieces::Copy => "copied",
    };
    let by = if settings.last_pieces_by.is_empty() {
        "default".to_owned()
    } else {
        format!("by {}: {}", settings.last_pieces_by, settings.last_pieces_why)
    };
    let Some(Divided { quota, threshold, burst, channels, is_one_missing }) = &facts.division
    else {
        let why = "more are free than the channels can sell before they are corrected, or no other channel offers it";
        let why =
            if settings.last_pieces == LastPieces::Copy { "each channel shows all" } else { why };
        return ("all".to_owned(), format!("stock.last_pieces: {rule}, {by}; {why}"));
    };
    let value = match quota {
        Quota::Stays => "what it shows".to_owned(),
        Quota::Share(share) => share.to_string(),
    };
    let shown: Vec<String> =
        channels.iter().map(|(channel, shown)| format!("{shown} on {channel}")).collect();
    let mut why = format!(
        "at or under {threshold} free pieces, of which {burst} may be sold before a correction has its effect"
    );
    if *is_one_missing {
        why.push_str(", and none is handed out while a live channel cannot be looked at");
    }
    (
        value,
        format!("stock.last_pieces: {rule} {why}; {by}. May still be sold: {}", shown.join(", ")),
    )
}

fn snapshot<'a>(
    (channel, pages, flights, offers): &'a (
        Channel,
        StockDocuments,
        Vec<Flight>,
        Option<OffersList>,
    ),
    kept: &'a Kept,
) -> ChannelSnapshot<'a> {
    ChannelSnapshot {
        channel,
        rules: &pages.rules,
        skus: &pages.skus,
        flights,
        offers: offers.as_ref(),
        ledger: kept.stored.ledger(),
        memory: &kept.memory,
        outstanding: &kept.outstanding,
        seen_until: kept.seen_until,
    }
}

fn listed(facts: &Facts<'_>) -> String {
    let listed_at = facts
        .memory
        .run
        .offers
        .listed_at
        .map_or_else(|| "never".to_owned(), |at| moment(at, facts.now));
    match facts.is_listed {
        Some(true) => format!("in the list of offers of {listed_at}"),
        Some(false) => {
            format!("NOT in the list of offers of {listed_at}: nothing is published of it")
        }
        None => "there is no list of offers yet: nothing is published".to_owned(),
    }
}

fn shown_sku(sku: &PrimaSku) -> String {
    let codes: Vec<&str> =
        sku.matrix_codes.iter().map(String::as_str).filter(|code| !code.is_empty()).collect();
    if codes.is_empty() {
        sku.product.clone()
    } else {
        format!("{} ({})", sku.product, codes.join(", "))
    }
}

fn figure(known: Known, now: Timestamp) -> (String, String) {
    match known {
        Known::Figure { free, asked_at } => {
            (free.to_string(), format!("asked for {}", moment(asked_at, now)))
        }
        Known::Absent { free: u32::MAX, readings } => {
            ("-".to_owned(), format!("{readings} complete readings lack it"))
        }
        Known::Absent { free, readings } => {
            (free.to_string(), format!("{readings} complete readings have lacked it since"))
        }
        Known::Unusable { last: Some(free) } => {
            (free.to_string(), "the last usable figure; the latest cannot be used".to_owned())
        }
        Known::Unusable { last: None } => {
            ("-".to_owned(), "answered without a usable figure".to_owned())
        }
        Known::Never => ("-".to_owned(), "no reading has had this SKU".to_owned()),
    }
}

fn basis(settings: &StockSettings) -> String {
    match &settings.basis {
        None => "no basis is agreed: nothing is published".to_owned(),
        Some(basis) => {
            let figure = match basis.figure {
                StockBasis::Free => "FreeQuantity",
                StockBasis::AvailableLessAllocated => "AvailableQuantity less AllocatedQuantity",
                StockBasis::AvailableIsFree => "AvailableQuantity",
            };
            format!("{figure}, agreed by {} on {}", basis.agreed_by, basis.agreed_on)
        }
    }
}

fn order(flight: &Flight, units: u32, now: Timestamp) -> String {
    let state = match flight.created_at {
        None => "not in Prima yet".to_owned(),
        Some(at) => match flight.words.last() {
            Some((word, _)) => format!("in Prima since {at:.0}: {word}"),
            None => format!("in Prima since {at:.0}"),
        },
    };
    format!(
        "{units} on {} {} ({state}; seen {} ago)",
        flight.key.channel,
        flight.key.order_id,
        age(flight.seen_at, now)
    )
}

fn rule<T>(sourced: &Sourced<'_, T>) -> String {
    sourced.rule.map_or_else(|| "default".to_owned(), describe)
}

fn describe(rule: &StockRule) -> String {
    let of = match (&rule.sku, &rule.product) {
        (Some(sku), _) => format!("SKU {sku}"),
        (None, Some(product)) => format!("product {product}"),
        (None, None) => "the whole channel".to_owned(),
    };
    let until = rule.until.map_or_else(String::new, |until| format!(", until {until:.0}"));
    format!("rule of {of}, by {}: {}{until}", rule.by, rule.why)
}

fn wanted(wanted: Wanted) -> String {
    match wanted {
        Wanted::Exactly(quantity) => quantity.to_string(),
        Wanted::AtMost(quantity) => format!("at most {quantity}"),
        Wanted::Anything => "left as it is".to_owned(),
    }
}

fn why(why: Why, settings: &StockSettings) -> String {
    match why {
        Why::Fresh => "the figure is fresh".to_owned(),
        Why::Ageing => format!(
            "the figure is older than {} minutes: it lowers and does not raise",
            settings.raise_within_minutes
        ),
        Why::Silent => {
            format!(
                "Prima has been silent for more than {} minutes: the channel's outage rule holds",
                settings.silent_after_minutes
            )
        }
        Why::Gone => {
            format!("{} complete readings or more lack it: it is gone", settings.absent_readings)
        }
        Why::Missing => "complete readings lack it: it is not raised".to_owned(),
        Why::Unusable => "Prima's figure cannot be used: it is not raised".to_owned(),
        Why::NeverSeen => "Prima has never answered it".to_owned(),
        Why::Excluded => "a rule excludes it".to_owned(),
        Why::LastUnitsElsewhere => "the last units are offered on another channel".to_owned(),
        Why::Divided => "the last pieces are divided among the channels".to_owned(),
    }
}

fn shown(shown: Shown) -> String {
    match shown {
        Shown::Known(quantity) => quantity.to_string(),
        Shown::Unknown(quantity) => format!("unknown, {quantity} was published"),
        Shown::InDoubt(u32::MAX) => "in doubt".to_owned(),
        Shown::InDoubt(quantity) => format!("in doubt, {quantity} at most"),
        Shown::Never => "unknown".to_owned(),
    }
}

fn shown_source(shown: Shown) -> String {
    match shown {
        Shown::Known(_) => "an import that completed; nothing was sold or cancelled here since",
        Shown::Unknown(_) => "something was sold or cancelled here since, or the list of offers said otherwise: it is published again",
        Shown::InDoubt(_) => "an import is under way, or nobody knows what became of one",
        Shown::Never => "nothing was ever published of it",
    }
    .to_owned()
}

/// What is published next, or what it waits for.
fn next(view: &OfferView<'_>, facts: &Facts<'_>) -> String {
    let Some(quantity) = to_publish(view.wanted, view.shown, true) else {
        return "nothing differs".to_owned();
    };
    let raises = to_publish(view.wanted, view.shown, false).is_none();
    let mut waits = Vec::new();
    if facts.channel.stock != Mode::Live {
        waits.push(format!("the channel's stock flow is {}", mode(facts.channel.stock)));
    }
    if facts.settings.basis.is_none() {
        waits.push("no basis is agreed".to_owned());
    }
    if facts.is_listed != Some(true) {
        waits.push("it is not in the list of offers".to_owned());
    }
    if let Some(import) = &facts.memory.imports.under_way {
        waits.push(format!(
            "an import of {} lines is under way since {}",
            import.lines,
            moment(import.begun_at, facts.now)
        ));
    }
    if facts.memory.imports.is_refused(facts.offer_sku, quantity, facts.now) {
        let reason = facts
            .memory
            .imports
            .refused
            .iter()
            .find(|one| one.offer_sku == facts.offer_sku)
            .map(|one| one.reason.as_str());
        waits.push(format!("Mirakl refused this quantity lately: {}", reason.unwrap_or_default()));
    }
    if raises && !facts.others_too_high.is_empty() {
        waits.extend(facts.others_too_high.iter().cloned());
    }
    if quantity == 0
        && facts.memory.run.exceptions.iter().any(|one| {
            one.kind == shared::domain::stock::exceptions::StockExceptionKind::ZeroesHeld
        })
    {
        waits.push("many offers would go to zero at once: see stock status".to_owned());
    }
    if waits.is_empty() {
        format!("{quantity}, with the next push")
    } else {
        format!("{quantity}; waits: {}", waits.join("; "))
    }
}

async fn status(connector: &Connector, only: Option<&str>) -> Result<String> {
    let ledger = connector.ledger()?;
    let list = connector.documents()?.channels().await?.channels;
    if let Some(only) = only {
        connector.channel(only).await?;
    }
    let mut channels = table(&[
        "channel",
        "stock",
        "offers",
        "to offer",
        "waiting",
        "too high",
        "may sell twice",
        "latest decision",
        "import under way",
        "sold last hour",
    ]);
    let mut totals = table(&[
        "channel",
        "pushes",
        "lines published",
        "lines in error",
        "imports failed",
        "offers listed",
        "drifted",
    ]);
    let mut exceptions = Vec::new();
    for channel in list.iter().filter(|channel| only.is_none_or(|only| only == channel.id)) {
        let (memory, _) = ledger.load_record::<PushMemory>(StockRecord::Push(&channel.id)).await?;
        let now = connector.now;
        let latest = &memory.run.latest;
        let decided = latest.at.map_or_else(
            || "-".to_owned(),
            |at| format!("{} ({} ago)", latest.decision, age(at, now)),
        );
        let import = memory.imports.under_way.as_ref().map_or_else(
            || "-".to_owned(),
            |import| {
                format!(
                    "{}: {} lines, {}",
                    import.import_id.as_deref().unwrap_or("being sent"),
                    import.lines,
                    age(import.begun_at, now)
                )
            },
        );
        channels.add_row([
            channel.id.clone(),
            mode(channel.stock).to_owned(),
            latest.offers.to_string(),
            latest.to_offer.to_string(),
            latest.waiting.to_string(),
            latest.to_lower.to_string(),
            latest.may_sell_twice.to_string(),
            decided,
            import,
            format!("{:.0}", memory.run.sales.velocity(now).units_short),
        ]);
        totals.add_row([
            channel.id.clone(),
            memory.imports.totals.pushes.to_string(),
            memory.imports.totals.lines_published.to_string(),
            memory.imports.totals.lines_in_error.to_string(),
            memory.imports.totals.imports_failed.to_string(),
            moment_or_dash(memory.run.offers.listed_at, now),
            memory.run.offers.drifted.to_string(),
        ]);
        exceptions.extend(memory.run.exceptions.into_iter().map(|one| (channel.id.clone(), one)));
    }
    let (memory, _) = ledger.load_record::<StockMemory>(StockRecord::Installation).await?;
    exceptions.extend(memory.exceptions.iter().cloned().map(|one| ("all".to_owned(), one)));
    Ok(format!(
        "{channels}\n{totals}\n{}\n{}",
        prima_line(&memory, connector.now),
        told(&exceptions, connector.now)
    ))
}

fn prima_line(memory: &StockMemory, now: Timestamp) -> String {
    let mut line = format!(
        "Prima's stock was last read whole {}: {} SKUs, {} without a usable figure, {} without an offer.",
        moment_or_dash(memory.whole_at, now),
        memory.skus,
        memory.unusable,
        memory.without_offer
    );
    if !memory.failed_ranges.is_empty() {
        line.push_str(&format!(" The latest reading failed: {}.", memory.failed_ranges.join("; ")));
    }
    line
}

fn told(exceptions: &[(String, StockException)], now: Timestamp) -> String {
    if exceptions.is_empty() {
        return "Nothing of stock needs a person.".to_owned();
    }
    let mut shown = table(&["channel", "kind", "reason", "remedy", "for"]);
    for (channel, exception) in exceptions {
        let kind = exception.kind.name().to_owned();
        shown.add_row([
            channel.clone(),
            kind,
            exception.reason.clone(),
            exception.remedy.clone(),
            age(exception.first_seen, now),
        ]);
    }
    shown.to_string()
}

async fn buffer(connector: &Connector, channel: &str, only: Option<&str>) -> Result<String> {
    let channel = connector.channel(channel).await?;
    let all = AllChannels::read(connector).await?;
    let Some((_, pages, _, _)) = all.channels.iter().find(|(one, ..)| one.id == channel.id) else {
        return Err(anyhow!(
            "the documents of {} cannot be used, or were taken away just now",
            channel.id
        ));
    };
    // From a sale to the lowering of this channel's offer: it is listed, a run notices it, a push
    // is due, Mirakl imports it.
    let minute = Duration::from_secs(60);
    let terms = [
        ("listing of orders", minute * channel.listing_interval_minutes),
        ("next run", minute),
        ("its reading of Prima", READING),
        ("push", minute * pages.rules.floor_minutes),
        ("the import before it", USUAL_IMPORT),
        ("import", USUAL_IMPORT),
    ];
    let window: Duration = terms.iter().map(|(_, took)| *took).sum();
    let mut sales: BTreeMap<String, Vec<(Timestamp, u32)>> = BTreeMap::new();
    let wanted = only.map(|sku| pages.skus.read(sku).map(|sku| sku.key())).transpose();
    let wanted =
        wanted.map_err(|problem| anyhow!("the SKU names no Prima SKU ({})", problem.name()))?;
    for (_, pages, flights, _) in &all.channels {
        for flight in flights {
            for line in flight.lines.iter().filter(|line| line.units > 0) {
                let Ok(sku) = pages.skus.read(&line.offer_sku) else { continue };
                if wanted.is_none_or(|wanted| wanted == sku.key()) {
                    sales.entry(shown_sku(&sku)).or_default().push((flight.seen_at, line.units));
                }
            }
        }
    }
    let mut advised: Vec<(String, u32, u32)> = sales
        .into_iter()
        .map(|(sku, sales)| {
            let units = sales.iter().map(|(_, units)| units).sum();
            (sku, units, most_within(sales, window))
        })
        .collect();
    advised.sort_by_key(|(_, _, most)| std::cmp::Reverse(*most));
    advised.truncate(LISTED);
    Ok(render_buffer(&channel.id, &terms, window, &advised))
}

fn render_buffer(
    channel: &str,
    terms: &[(&str, Duration)],
    window: Duration,
    advised: &[(String, u32, u32)],
) -> String {
    let each: Vec<String> =
        terms.iter().map(|(name, took)| format!("{name} {} min", took.as_secs() / 60)).collect();
    let minutes = window.as_secs() / 60;
    let bound = format!(
        "A sale elsewhere lowers an offer on {channel} within {minutes} min ({}). What is sold in that time, over all channels, can be sold \
         twice: a buffer of as many units avoids that.",
        each.join(" + ")
    );
    if advised.is_empty() {
        return format!(
            "{bound}\nNo sale is remembered: orders are for two days after they have left."
        );
    }
    let mut shown = table(&[
        "Prima's SKU",
        "units remembered",
        &format!("most within {minutes} min: the buffer"),
    ]);
    for (sku, units, most) in advised {
        shown.add_row([sku.clone(), units.to_string(), most.to_string()]);
    }
    format!("{bound}\n{shown}")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use shared::domain::order::mapping::SkuReader;
    use shared::domain::order::rules::SkuRules;
    use shared::domain::stock::figures::Figures;
    use shared::domain::stock::import_memory::{ImportMemory, ImportUnderWay};
    use shared::domain::stock::ledger::Ledger;
    use shared::domain::stock::rules::{ImportKind, StockRules};

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
    }

    /// An explanation names every term, its source and what it waits for.
    #[test]
    fn an_explanation_gives_each_term_with_source_and_wait() {
        let channel: Channel = serde_json::from_str(
            r#"{"id":"uk","base_url":"https://a.b","stock":"live","take_over_from":"2026-11-01T00:00:00Z","acceptance_window_minutes":60}"#,
        )
        .unwrap();
        let rules: StockRules = serde_json::from_str(
            r#"{"rules":[{"product":"W1","buffer":2,"by":"Anna","why":"photo shoot","until":"2027-01-01T00:00:00Z"}]}"#,
        )
        .unwrap();
        let settings = StockSettings::default();
        let (figures, ledger, skus) = (
            Figures::default(),
            Ledger::default(),
            SkuReader::new(&SkuRules::default(), Default::default()),
        );
        let availability = availability(&figures, &settings, &[], &[], false, at(9));
        let sales_channel = SalesChannel {
            id: "uk",
            rules: &rules,
            skus: &skus,
            ledger: &ledger,
            sold_elsewhere: None,
        };
        let view = availability.view(&sales_channel, "W1-NAV-10").unwrap();
        let view = OfferView {
            wanted: Wanted::Exactly(3),
            shown: Shown::Known(1),
            why: Why::Fresh,
            known: Known::Figure { free: 5, asked_at: at(7) },
            ..view
        };
        let import = ImportUnderWay {
            mark: "m".into(),
            import_id: None,
            kind: ImportKind::Stock,
            begun_at: at(8),
            lines: 4,
            ask_at: at(9),
        };
        let memory = PushMemory {
            imports: ImportMemory { under_way: Some(import), ..ImportMemory::default() },
            ..PushMemory::default()
        };
        let facts = Facts {
            channel: &channel,
            offer_sku: "W1-NAV-10",
            prima_sku: skus.read("W1-NAV-10").unwrap(),
            is_listed: Some(true),
            memory: &memory,
            settings: &settings,
            orders: Vec::new(),
            others_too_high: vec!["eu (X) may show too much".into()],
            division: None,
            now: at(9),
        };
        let text = render(&view, &facts);
        for part in [
            "W1 (NAV, 10)",
            "asked for 2026-09-21T14:20:20Z (2 min 0 s ago)",
            "no basis is agreed",
            "rule of product W1, by Anna: photo shoot, until 2027-01-01",
            "3; waits:",
            "an import of 4 lines is under way since",
            "eu (X) may show too much",
            "stock.last_pieces: divided, default",
        ] {
            let plain = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(plain.contains(part), "{part} is not in {text}");
        }
        assert_eq!(next(&OfferView { shown: Shown::Known(3), ..view }, &facts), "nothing differs");
    }

    #[test]
    fn the_bound_is_said_in_words_and_numbers() {
        let terms = [("listing", Duration::from_secs(60)), ("import", Duration::from_secs(120))];
        let text =
            render_buffer("uk", &terms, Duration::from_secs(180), &[("W1 (NAV)".into(), 9, 4)]);
        assert!(text.starts_with("A sale elsewhere lowers an offer on uk within 3 min (listing 1 min + import 2 min)."), "{text}");
        assert!(text.contains("most within 3 min") && text.contains("W1 (NAV)"));
    }
}
