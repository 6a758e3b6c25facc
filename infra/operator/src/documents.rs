//! The documents: validated, stored with author and time, shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::aws::channel_copy::ChannelCopy;
use shared::aws::documents::{Documents, StoredDocument};
use shared::domain::channel::{Channel, Mode};
use shared::domain::dispatch::rules::DispatchRules;
use shared::domain::documents::DocumentKey;
use shared::domain::documents::RESERVED_IDS;
use shared::domain::installation::Installation;
use shared::domain::order::rules::OrderRules;
use shared::domain::stock::rules::StockRules;
use shared::kit::field_error::FieldError;
use shared::prima::sku::SkuOverride;
use similar::{ChangeTag, TextDiff};

use crate::answers::{Refused, confirm};
use crate::arguments::{
    ChannelsCommand, DispatchRulesCommand, InstallationCommand, RulesCommand, SkusCommand,
    StockRulesCommand,
};
use crate::connector::Connector;
use crate::keys;
use crate::table::{moment_or_dash, table};

/// `installation`
pub(crate) async fn installation(
    connector: &Connector,
    command: InstallationCommand,
) -> Result<String> {
    let documents = connector.documents()?;
    let key = DocumentKey::Installation;
    match command {
        InstallationCommand::Put { file } => {
            let document = read::<Installation>(&file, Installation::problems)?;
            put(connector, &documents, &key, &document).await
        }
        InstallationCommand::Show => {
            show(&documents, &key, "`prima-mirakl installation put FILE`", connector.now).await
        }
        InstallationCommand::History => history(&documents, &key, connector.now).await,
    }
}

/// `channels`
pub(crate) async fn channels(connector: &Connector, command: ChannelsCommand) -> Result<String> {
    let documents = connector.documents()?;
    match command {
        ChannelsCommand::Put { files, yes } => {
            let mut wrong = Vec::new();
            let mut definitions = Vec::new();
            for file in &files {
                match read::<Channel>(file, channel_problems) {
                    Ok(channel) => definitions.push(channel),
                    Err(error) => match error.downcast::<Refused>() {
                        Ok(refused) => wrong.extend(refused.0),
                        Err(other) => return Err(other),
                    },
                }
            }
            let mut seen = BTreeSet::new();
            let twice = definitions.iter().filter(|channel| !seen.insert(channel.id.as_str()));
            wrong.extend(twice.map(|channel| format!("id: {} is given twice", channel.id)));
            let stored = documents.channels().await?.channels;
            wrong.extend(shared_shops(&stored, &definitions));
            if !wrong.is_empty() {
                return Err(Refused(wrong).into());
            }
            let differences = live_differences(&stored, &definitions)?;
            if !differences.is_empty() {
                confirm(&differences.join("\n"), yes)?;
            }
            let mut answers = Vec::new();
            for channel in &definitions {
                answers.push(
                    put(connector, &documents, &DocumentKey::Channel(channel.id.clone()), channel)
                        .await?,
                );
            }
            // From the table, so that two people at once leave a whole copy.
            let copy = ChannelCopy::new(
                aws_sdk_secretsmanager::Client::new(&connector.config),
                &connector.secret_prefix()?,
            );
            copy.write(&connector.documents()?.channels().await?.channels).await?;
            answers.push("Functions use a new definition within a minute.".to_owned());
            Ok(answers.join("\n"))
        }
        ChannelsCommand::List => list(&documents).await,
        ChannelsCommand::Show { channel } => {
            show(
                &documents,
                &DocumentKey::Channel(channel),
                "`prima-mirakl channels put FILE`",
                connector.now,
            )
            .await
        }
        ChannelsCommand::History { channel } => {
            history(&documents, &DocumentKey::Channel(channel), connector.now).await
        }
        ChannelsCommand::Key { channel, force } => keys::put(connector, &channel, force).await,
    }
}

/// `rules`
pub(crate) async fn rules(connector: &Connector, command: RulesCommand) -> Result<String> {
    let documents = connector.documents()?;
    match command {
        RulesCommand::Put { channel, file } => {
            let rules = read::<OrderRules>(&file, OrderRules::problems)?;
            connector.channel(&channel).await?;
            put(connector, &documents, &DocumentKey::OrderRules(channel), &rules).await
        }
        RulesCommand::Show { channel } => {
            let remedy = format!("`prima-mirakl rules put {channel} FILE`");
            show(&documents, &DocumentKey::OrderRules(channel), &remedy, connector.now).await
        }
        RulesCommand::History { channel } => {
            history(&documents, &DocumentKey::OrderRules(channel), connector.now).await
        }
    }
}

/// `dispatch-rules`
pub(crate) async fn dispatch_rules(
    connector: &Connector,
    command: DispatchRulesCommand,
) -> Result<String> {
    let documents = connector.documents()?;
    match command {
        DispatchRulesCommand::Put { channel, file } => {
            let rules = read::<DispatchRules>(&file, DispatchRules::problems)?;
            connector.channel(&channel).await?;
            put(connector, &documents, &DocumentKey::DispatchRules(channel), &rules).await
        }
        DispatchRulesCommand::Show { channel } => {
            let remedy = format!(
                "`prima-mirakl dispatch-rules put {channel} FILE`; until then the defaults hold"
            );
            show(&documents, &DocumentKey::DispatchRules(channel), &remedy, connector.now).await
        }
        DispatchRulesCommand::History { channel } => {
            history(&documents, &DocumentKey::DispatchRules(channel), connector.now).await
        }
    }
}

/// `stock-rules`
pub(crate) async fn stock_rules(
    connector: &Connector,
    command: StockRulesCommand,
) -> Result<String> {
    let documents = connector.documents()?;
    match command {
        StockRulesCommand::Put { channel, file } => {
            let rules = read::<StockRules>(&file, StockRules::problems)?;
            connector.channel(&channel).await?;
            let shares = shares(&documents, &channel, &rules, connector.now).await?;
            let stored =
                put(connector, &documents, &DocumentKey::StockRules(channel), &rules).await?;
            Ok(format!("{stored}{shares}"))
        }
        StockRulesCommand::Show { channel } => {
            let remedy = format!(
                "`prima-mirakl stock-rules put {channel} FILE`; until then the defaults hold"
            );
            show(&documents, &DocumentKey::StockRules(channel), &remedy, connector.now).await
        }
        StockRulesCommand::History { channel } => {
            history(&documents, &DocumentKey::StockRules(channel), connector.now).await
        }
    }
}

/// A warning where all channels together offer more than everything that is free.
async fn shares(
    documents: &Documents,
    channel: &str,
    rules: &StockRules,
    now: Timestamp,
) -> Result<String> {
    let mut shares = vec![(channel.to_owned(), rules.limits_of("", "", now).share_percent.value)];
    for other in documents
        .channels()
        .await?
        .channels
        .iter()
        .filter(|other| other.id != channel && other.stock != Mode::Off)
    {
        let rules: StockRules =
            documents.read(&DocumentKey::StockRules(other.id.clone())).await?.unwrap_or_default();
        shares.push((other.id.clone(), rules.limits_of("", "", now).share_percent.value));
    }
    let sum: u32 = shares.iter().map(|(_, share)| share).sum();
    if sum <= 100 || shares.len() < 2 {
        return Ok(String::new());
    }
    let each: Vec<String> =
        shares.iter().map(|(channel, share)| format!("{channel} {share} %")).collect();
    Ok(format!(
        "\nThe channels' shares sum to {sum} % ({}): a piece is offered more than once. Between a sale and the lowering of the other channels \
         it can be sold twice; that is what buffers are for (prima-mirakl stock buffer {channel}).",
        each.join(", ")
    ))
}

/// `skus`
pub(crate) async fn skus(connector: &Connector, command: SkusCommand) -> Result<String> {
    let documents = connector.documents()?;
    match command {
        SkusCommand::Put { channel, file } => {
            let overrides = read::<BTreeMap<String, SkuOverride>>(&file, sku_problems)?;
            connector.channel(&channel).await?;
            for (sku, value) in &overrides {
                let key = DocumentKey::SkuOverride { channel: channel.clone(), sku: sku.clone() };
                put(connector, &documents, &key, value).await?;
            }
            Ok(format!("Stored the overrides of {} SKUs on channel {channel}.", overrides.len()))
        }
        SkusCommand::Show { channel, sku } => {
            let remedy = format!("`prima-mirakl skus put {channel} FILE`, where it needs one");
            show(&documents, &DocumentKey::SkuOverride { channel, sku }, &remedy, connector.now)
                .await
        }
    }
}

/// What is asked of a definition that is stored now, beyond what functions need: those that are
/// stored already go on working.
fn channel_problems(channel: &Channel) -> Vec<FieldError> {
    let mut problems = channel.problems();
    if channel.name.trim().is_empty() {
        problems.push(FieldError::new(
            "name",
            "is empty: give the name by which people know the shop, such as \"Outfitter UK\"",
        ));
    }
    if channel.shop_id.is_some_and(|shop| shop <= 0) {
        problems.push(FieldError::new(
            "shop_id",
            "takes the number that Mirakl gave the shop, above zero",
        ));
    }
    if RESERVED_IDS.contains(&channel.id.as_str()) {
        problems.push(FieldError::new(
            "id",
            format!("'{}' is reserved: choose another, such as the marketplace's name", channel.id),
        ));
    }
    problems
}

fn sku_problems(overrides: &BTreeMap<String, SkuOverride>) -> Vec<FieldError> {
    let problem = |(sku, value): (&String, &SkuOverride)| {
        let empty = sku
            .trim()
            .is_empty()
            .then_some("stands under an empty SKU: each override stands under its offer's SKU");
        empty
            .or_else(|| value.problem())
            .map(|problem| FieldError::new(format!("\"{sku}\""), problem))
    };
    overrides.iter().filter_map(problem).collect()
}

/// Two live channels of one shop would both accept its orders and create them: one line for each
/// such pair.
fn shared_shops(stored: &[Channel], given: &[Channel]) -> Vec<String> {
    let is_live = |channel: &&Channel| {
        [channel.orders, channel.dispatches, channel.stock, channel.payouts].contains(&Mode::Live)
    };
    let kept = stored.iter().filter(|channel| given.iter().all(|new| new.id != channel.id));
    let live: Vec<&Channel> = kept.chain(given).filter(is_live).collect();
    let mut problems = Vec::new();
    for (index, one) in live.iter().enumerate() {
        for other in &live[index + 1..] {
            let is_given = given.iter().any(|new| new.id == one.id || new.id == other.id);
            if !is_given || host(&one.base_url) != host(&other.base_url) {
                continue;
            }
            match (one.shop_id, other.shop_id) {
                (Some(shop), Some(same)) if shop != same => {}
                (Some(shop), Some(_)) => problems.push(format!(
                    "shop_id: {} and {} are both live for shop {shop} of {}: each order would be created twice, each payout booked twice. Set one of them to \"off\" or \"observe\"",
                    one.id, other.id, host(&one.base_url)
                )),
                _ => problems.push(format!(
                    "shop_id: {} and {} are both live on {}: name the shop of each (A01 shows it: prima-mirakl check CHANNEL)",
                    one.id, other.id, host(&one.base_url)
                )),
            }
        }
    }
    problems
}

/// A marketplace is known by its host: small letters, without scheme, port as given.
fn host(base_url: &str) -> String {
    let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    rest.trim_end_matches('/').trim_end_matches(":443").to_ascii_lowercase()
}

/// What would change in channels that work now, each under its name.
fn live_differences(stored: &[Channel], given: &[Channel]) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    for new in given {
        let live = |channel: &&Channel| {
            channel.id == new.id
                && [channel.orders, channel.dispatches, channel.stock, channel.payouts]
                    .contains(&Mode::Live)
        };
        let Some(old) = stored.iter().find(live) else { continue };
        let lines = changes(&serde_json::to_string(old)?, &serde_json::to_string(new)?);
        if !lines.is_empty() {
            differences.push(format!(
                "Channel {} is live. This would change:\n{}",
                new.id,
                lines.join("\n")
            ));
        }
    }
    Ok(differences)
}

/// Reads a file; [`Refused`] where it is not of its type or has problems.
pub(crate) fn read<T: DeserializeOwned>(
    file: &Path,
    problems: impl Fn(&T) -> Vec<FieldError>,
) -> Result<T> {
    let name = file.display();
    let text = fs::read_to_string(file)
        .with_context(|| format!("{name} cannot be read: check the path"))?;
    parse(&text, problems).map_err(|lines| {
        Refused(lines.iter().map(|line| format!("{name}: {line}")).collect()).into()
    })
}

fn parse<T: DeserializeOwned>(
    text: &str,
    problems: impl Fn(&T) -> Vec<FieldError>,
) -> Result<T, Vec<String>> {
    let document: T = serde_json::from_str(text).map_err(|problem| vec![problem.to_string()])?;
    match problems(&document) {
        problems if problems.is_empty() => Ok(document),
        problems => Err(problems.iter().map(ToString::to_string).collect()),
    }
}

pub(crate) async fn put<T: Serialize>(
    connector: &Connector,
    documents: &Documents,
    key: &DocumentKey,
    document: &T,
) -> Result<String> {
    let version = documents.put(key, document, &connector.author, connector.now).await?;
    Ok(format!("Stored {key}, version {version}."))
}

pub(crate) async fn show(
    documents: &Documents,
    key: &DocumentKey,
    remedy: &str,
    now: Timestamp,
) -> Result<String> {
    let stored = documents
        .stored(key)
        .await?
        .ok_or_else(|| anyhow!("there is none of {key}: store it with {remedy}"))?;
    Ok(format!("{}\n{}", heading(key, &stored, now), pretty(&stored.text)))
}

pub(crate) async fn history(
    documents: &Documents,
    key: &DocumentKey,
    now: Timestamp,
) -> Result<String> {
    let versions = documents.history(key).await?;
    if versions.is_empty() {
        return Err(anyhow!(
            "nothing was ever stored as {key}: check the channel's id with `prima-mirakl channels list`"
        ));
    }
    Ok(render_history(key, &versions, now))
}

fn render_history(key: &DocumentKey, versions: &[StoredDocument], now: Timestamp) -> String {
    let sections = versions.iter().enumerate().map(|(index, version)| {
        let before = index
            .checked_sub(1)
            .and_then(|before| versions.get(before))
            .map_or("", |before| before.text.as_str());
        format!("{}\n{}", heading(key, version, now), changes(before, &version.text).join("\n"))
    });
    sections.collect::<Vec<_>>().join("\n\n")
}

/// The lines that differ from one version to the next: removed ones with `-`, added ones with `+`.
fn changes(before: &str, after: &str) -> Vec<String> {
    let (before, after) = (shown_lines(before), shown_lines(after));
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.iter().map(String::as_str).collect(), after.iter().map(String::as_str).collect());
    let difference = TextDiff::from_slices(&before, &after);
    let shown = difference.iter_all_changes().filter(|change| change.tag() != ChangeTag::Equal);
    shown.map(|change| format!("{} {}", change.tag(), change.value())).collect()
}

fn shown_lines(text: &str) -> Vec<String> {
    if text.is_empty() { Vec::new() } else { pretty(text).lines().map(bare).collect() }
}

/// A line without the comma that only says whether another follows.
fn bare(line: &str) -> String {
    line.trim_end_matches(',').to_owned()
}

fn heading(key: &DocumentKey, stored: &StoredDocument, now: Timestamp) -> String {
    format!(
        "# {key}: version {}, by {}, {}",
        stored.version,
        stored.author,
        moment_or_dash(stored.at, now)
    )
}

fn pretty(text: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(text);
    value.and_then(|value| serde_json::to_string_pretty(&value)).unwrap_or_else(|_| text.to_owned())
}

async fn list(documents: &Documents) -> Result<String> {
    let list = documents.channels().await?;
    if list.channels.is_empty() && list.unusable.is_empty() {
        return Ok("There are no channels yet: define one with `prima-mirakl channels put FILE`."
            .to_owned());
    }
    let mut table = table(&[
        "channel",
        "orders",
        "dispatches",
        "stock",
        "payouts",
        "marketplace",
        "shop",
        "window",
        "listed every",
        "take-over from",
    ]);
    for channel in &list.channels {
        table.add_row([
            channel.id.clone(),
            mode(channel.orders).to_owned(),
            mode(channel.dispatches).to_owned(),
            mode(channel.stock).to_owned(),
            mode(channel.payouts).to_owned(),
            channel.base_url.clone(),
            channel.shop_id.map_or_else(|| "the key's".to_owned(), |shop| shop.to_string()),
            format!("{} min", channel.acceptance_window_minutes),
            format!("{} min", channel.listing_interval_minutes),
            format!("{:.0}", channel.take_over_from),
        ]);
    }
    let unusable =
        list.unusable.iter().map(|(id, problem)| format!("\n{id} cannot be used: {problem}"));
    Ok(std::iter::once(table.to_string()).chain(unusable).collect())
}

/// The word of a mode.
pub(crate) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Off => "off",
        Mode::Observe => "observe",
        Mode::Live => "live",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;

    const SOUND: &str = r#"{"id":"outfitter-uk","name":"Outfitter UK","base_url":"https://outfitter.mirakl.net","orders":"live",
        "take_over_from":"2026-11-01T00:00:00Z","acceptance_window_minutes":1440}"#;

    #[test]
    fn each_wrong_field_is_a_line_of_its_own() {
        assert!(parse::<Channel>(SOUND, channel_problems).is_ok());
        let wrong = SOUND.replace("1440", "1").replace("https://", "ftp://");
        let lines = parse::<Channel>(&wrong, channel_problems).unwrap_err();
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].starts_with("base_url: ")
                && lines[1].starts_with("acceptance_window_minutes: "),
            "{lines:?}"
        );
        let misspelt =
            parse::<Channel>(&SOUND.replace("\"orders\"", "\"ordres\""), channel_problems)
                .unwrap_err();
        assert!(
            misspelt[0].contains("unknown field `ordres`") && misspelt[0].contains("line 1"),
            "{misspelt:?}"
        );
        let blank =
            SOUND.replace("Outfitter UK", " ").replace("\"orders\"", "\"shop_id\":-1,\"orders\"");
        let lines = parse::<Channel>(&blank, channel_problems).unwrap_err();
        assert!(
            lines.len() == 2
                && lines[0].starts_with("name: is empty")
                && lines[1].starts_with("shop_id: "),
            "{lines:?}"
        );
        let reserved =
            parse::<Channel>(&SOUND.replace("outfitter-uk", "installation"), channel_problems)
                .unwrap_err();
        assert!(reserved[0].contains("reserved"), "{reserved:?}");
    }

    #[test]
    fn a_history_shows_who_changed_what() {
        let version = |version, text: &str| StoredDocument {
            version,
            author: "Ann".to_owned(),
            at: None,
            text: text.to_owned(),
        };
        let versions = [version(1, r#"{"a":1,"b":2}"#), version(2, r#"{"a":1,"b":3}"#)];
        let shown =
            render_history(&DocumentKey::Channel("c".to_owned()), &versions, Timestamp::UNIX_EPOCH);
        assert!(shown.contains("# the definition of channel c: version 2, by Ann"), "{shown}");
        assert!(shown.ends_with("-   \"b\": 2\n+   \"b\": 3"), "{shown}");
    }

    /// A replacement is shown as one, also where the same line stands elsewhere too.
    #[test]
    fn a_replaced_line_shows_as_one_despite_its_copies_elsewhere() {
        let map = |first: &str| {
            format!(
                r#"{{"entries":[{{"carrier":"DPD","code":"{first}"}},{{"carrier":"DPD 12","code":"DPD_UK"}}]}}"#
            )
        };
        let shown = changes(&map("DPD-UK"), &map("DPD_UK"));
        assert_eq!(shown, ["-       \"code\": \"DPD-UK\"", "+       \"code\": \"DPD_UK\""]);
    }

    fn channel(id: &str, host: &str, shop: Option<i64>, orders: Mode) -> Channel {
        let sound: Channel = serde_json::from_str(SOUND).unwrap();
        Channel {
            id: id.to_owned(),
            base_url: format!("https://{host}"),
            shop_id: shop,
            orders,
            ..sound
        }
    }

    #[test]
    fn one_shop_of_one_marketplace_is_live_once() {
        let uk = channel("uk", "a.mirakl.net", Some(2001), Mode::Live);
        let second = |host, shop, orders| {
            shared_shops(std::slice::from_ref(&uk), &[channel("two", host, shop, orders)])
        };
        assert!(
            second("A.mirakl.net/", Some(2001), Mode::Live)[0]
                .starts_with("shop_id: uk and two are both live for shop 2001")
        );
        assert!(second("a.mirakl.net", None, Mode::Live)[0].contains("name the shop of each"));
        assert!(second("a.mirakl.net", Some(2002), Mode::Live).is_empty());
        assert!(second("b.mirakl.net", Some(2001), Mode::Live).is_empty());
        assert!(second("a.mirakl.net", Some(2001), Mode::Observe).is_empty());
        let mut payouts = channel("two", "a.mirakl.net", Some(2001), Mode::Off);
        payouts.payouts = Mode::Live;
        let problems = shared_shops(std::slice::from_ref(&uk), &[payouts]);
        assert!(problems[0].contains("each payout booked twice"), "{problems:?}");
        assert!(
            shared_shops(std::slice::from_ref(&uk), std::slice::from_ref(&uk)).is_empty(),
            "it replaces itself"
        );
    }

    #[test]
    fn what_would_change_in_a_live_channel_is_shown() {
        let uk = channel("uk", "a.mirakl.net", Some(2001), Mode::Live);
        let moved = channel("uk", "b.mirakl.net", Some(2001), Mode::Off);
        let shown = live_differences(std::slice::from_ref(&uk), std::slice::from_ref(&moved))
            .unwrap()
            .join("\n");
        for part in [
            "Channel uk is live",
            "-   \"base_url\": \"https://a.mirakl.net\"",
            "+   \"orders\": \"off\"",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(
            live_differences(std::slice::from_ref(&uk), std::slice::from_ref(&uk))
                .unwrap()
                .is_empty()
        );
        assert!(
            live_differences(std::slice::from_ref(&moved), std::slice::from_ref(&uk))
                .unwrap()
                .is_empty(),
            "it was not live"
        );
    }
}
