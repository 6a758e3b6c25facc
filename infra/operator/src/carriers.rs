//! A channel's carrier map: edited, imported, exported, checked against what the marketplace lists
//! now.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, anyhow};
use shared::domain::dispatch::carriers::{CarrierEntry, CarrierMap, NoTarget, Target, proposals};
use shared::domain::documents::DocumentKey;
use shared::domain::order::row::Stage;
use shared::domain::state::OrderStore;
use shared::mirakl::shipping::MiraklShipping;
use shared::mirakl::shipping_requirements::ShippingRequirements;

use crate::answers::{Found, Refused};
use crate::arguments::CarriersCommand;
use crate::connector::Connector;
use crate::documents;
use crate::orders::index_states;
use crate::table::table;

/// Orders whose descriptions are looked at, of each kind.
const LOOKED_AT: usize = 500;

/// `carriers`
pub(crate) async fn run(connector: &Connector, command: CarriersCommand) -> Result<String> {
    match command {
        CarriersCommand::List { channel } => {
            let map = read(connector, &channel).await?;
            Ok(render(&map, &channel))
        }
        CarriersCommand::Set { channel, carrier, service, code, name, url, priority, force } => {
            let entry = CarrierEntry { carrier, service, priority, code, name, url };
            let mut map = read(connector, &channel).await?;
            let only = CarrierMap { entries: vec![entry.clone()] };
            let warning = unlisted(connector, &channel, &only, force).await?;
            let replaced = map.set(entry);
            put(connector, &channel, &map).await?;
            let done = if replaced { "Replaced the entry" } else { "Added the entry" };
            Ok(format!("{done}. Dispatches that waited for it go on within two minutes.{warning}"))
        }
        CarriersCommand::Remove { channel, carrier, service } => {
            let mut map = read(connector, &channel).await?;
            let before = map.entries.len();
            map.entries.retain(|entry| !entry.is_about(&carrier, service.as_deref()));
            if map.entries.len() == before {
                return Err(anyhow!(
                    "the map of channel {channel} has no such entry: `prima-mirakl carriers list {channel}` shows all"
                ));
            }
            put(connector, &channel, &map).await?;
            Ok("Removed the entry.".to_owned())
        }
        CarriersCommand::Import { channel, file, force } => {
            let name = file.display();
            let text = fs::read_to_string(&file)
                .with_context(|| format!("{name} cannot be read: check the path"))?;
            let map = CarrierMap::from_csv(&text).map_err(|problems| {
                Refused(problems.iter().map(|problem| format!("{name}: {problem}")).collect())
            })?;
            let before = read(connector, &channel).await?.entries.len();
            let warning = unlisted(connector, &channel, &map, force).await?;
            put(connector, &channel, &map).await?;
            Ok(format!(
                "Stored a map of {} entries in place of one of {before}.{warning}",
                map.entries.len()
            ))
        }
        CarriersCommand::Export { channel } => Ok(read(connector, &channel).await?.to_csv()?),
        CarriersCommand::History { channel } => {
            documents::history(
                &connector.documents()?,
                &DocumentKey::CarrierMap(channel),
                connector.now,
            )
            .await
        }
        CarriersCommand::Check { channel } => check(connector, &channel).await,
    }
}

async fn read(connector: &Connector, channel: &str) -> Result<CarrierMap> {
    connector.channel(channel).await?;
    Ok(connector
        .documents()?
        .read(&DocumentKey::CarrierMap(channel.to_owned()))
        .await?
        .unwrap_or_default())
}

async fn put(connector: &Connector, channel: &str, map: &CarrierMap) -> Result<()> {
    let problems = map.problems();
    if !problems.is_empty() {
        return Err(Refused(problems.iter().map(ToString::to_string).collect()).into());
    }
    let key = DocumentKey::CarrierMap(channel.to_owned());
    connector.documents()?.put(&key, map, &connector.author, connector.now).await?;
    Ok(())
}

fn render(map: &CarrierMap, channel: &str) -> String {
    if map.entries.is_empty() {
        return format!(
            "The carrier map of channel {channel} is empty: `prima-mirakl carriers check {channel}` proposes entries."
        );
    }
    let mut table =
        table(&["Prima's carrier", "service", "priority", "carrier code", "or name", "page"]);
    for entry in &map.entries {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let service = entry.service.clone().unwrap_or_else(|| "(any)".to_owned());
        table.add_row([
            entry.carrier.clone(),
            service,
            entry.priority.to_string(),
            text(&entry.code),
            text(&entry.name),
            text(&entry.url),
        ]);
    }
    table.to_string()
}

/// What the marketplace demands: asked now; where that fails, as last read.
async fn requirements(
    connector: &Connector,
    channel: &str,
) -> Result<(ShippingRequirements, Option<String>)> {
    let definition = connector.channel(channel).await?;
    let asked = match connector.mirakl(connector.mirakl_keys()?, &definition) {
        Ok(client) => client.shipping_requirements().await,
        Err(problem) => Err(problem),
    };
    match asked {
        Ok(requirements) => {
            let odd: Vec<String> =
                requirements.unread_fields.iter().map(ToString::to_string).collect();
            let note = (!odd.is_empty()).then(|| {
                format!(
                    "Not understood, and done without (9: a digit, a: a letter): {}.",
                    odd.join("; ")
                )
            });
            Ok((requirements, note))
        }
        Err(problem) => {
            let kept: Option<ShippingRequirements> = connector
                .documents()?
                .read(&DocumentKey::ShippingRequirements(channel.to_owned()))
                .await?;
            let kept = kept.ok_or_else(|| anyhow!("the marketplace's carriers cannot be read ({problem}), and were never read before"))?;
            let note = format!(
                "The marketplace does not answer ({problem}): checked against its list of {:.0}.",
                kept.read_at
            );
            Ok((kept, Some(note)))
        }
    }
}

/// Refuses codes that the marketplace does not list; with `force`, or where its list cannot be
/// read, a note on what was not checked.
async fn unlisted(
    connector: &Connector,
    channel: &str,
    map: &CarrierMap,
    force: bool,
) -> Result<String> {
    let requirements = match requirements(connector, channel).await {
        Ok((requirements, _)) => requirements,
        Err(problem) => return Ok(format!("\nThe codes were not checked: {problem}.")),
    };
    let unlisted = unlisted_codes(map, &requirements);
    if unlisted.is_empty() {
        return Ok(String::new());
    }
    if force {
        return Ok(format!("\n{}. Dispatches by them wait as exceptions.", unlisted.join("\n")));
    }
    Err(Refused(
        unlisted.into_iter().chain(["To store it all the same, add --force.".to_owned()]).collect(),
    )
    .into())
}

/// One line for each code that the marketplace does not list, with what may have been meant.
fn unlisted_codes(map: &CarrierMap, requirements: &ShippingRequirements) -> Vec<String> {
    let codes: BTreeSet<&str> = map
        .entries
        .iter()
        .filter_map(|entry| entry.code.as_deref())
        .filter(|code| requirements.carrier(code).is_none())
        .collect();
    let meant = |code: &str| {
        let proposed: Vec<String> = proposals(code, "", requirements)
            .into_iter()
            .map(|one| format!("{} ({})", one.code, one.label))
            .collect();
        if proposed.is_empty() {
            String::new()
        } else {
            format!("; did you mean {}?", proposed.join(", "))
        }
    };
    codes
        .into_iter()
        .map(|code| format!("the marketplace lists no carrier code {code}{}", meant(code)))
        .collect()
}

/// `carriers check`
async fn check(connector: &Connector, channel: &str) -> Result<String> {
    let map = read(connector, channel).await?;
    let (requirements, note) = requirements(connector, channel).await?;
    let mut findings = table(&["Prima's carrier", "service", "finding", "proposals"]);
    for (carrier, service) in descriptions(connector, channel).await? {
        let finding = match map.resolve(&carrier, &service) {
            Ok(Target::Registered { code }) if requirements.carrier(&code).is_some() => continue,
            Ok(Target::Registered { code }) => {
                format!("leads to {code}, which the marketplace does not list")
            }
            Ok(Target::Unregistered { name, .. }) if requirements.registered_carriers_only => {
                format!("leads to {name} by name; the marketplace takes listed carriers alone")
            }
            Ok(Target::Unregistered { .. }) => continue,
            Err(NoTarget::Ambiguous(_)) => {
                "seen on dispatches, and in several entries that differ".to_owned()
            }
            Err(NoTarget::Unmapped) => "seen on dispatches, and in no entry".to_owned(),
        };
        let proposed: Vec<String> = proposals(&carrier, &service, &requirements)
            .iter()
            .map(|one| format!("{} ({})", one.code, one.label))
            .collect();
        findings.add_row([carrier, service, finding, proposed.join(", ")]);
    }
    for entry in &map.entries {
        if let Some(code) = entry.code.as_ref().filter(|code| requirements.carrier(code).is_none())
        {
            let proposed: Vec<String> = proposals(&entry.carrier, "", &requirements)
                .iter()
                .map(|one| format!("{} ({})", one.code, one.label))
                .collect();
            let service = entry.service.clone().unwrap_or_else(|| "(any)".to_owned());
            findings.add_row([
                entry.carrier.clone(),
                service,
                format!("entry with {code}, which the marketplace does not list"),
                proposed.join(", "),
            ]);
        }
    }
    let mut listed = table(&["carrier code", "label", "standard code", "needs a number"]);
    for carrier in &requirements.carriers {
        let needs = if carrier.needs_tracking_number() { "yes" } else { "no" };
        listed.add_row([
            carrier.code.as_str(),
            &carrier.label,
            carrier.standard_code.as_deref().unwrap_or_default(),
            needs,
        ]);
    }
    let is_sound = findings.is_empty();
    let verdict = if is_sound {
        "Every carrier that was seen on a dispatch, and every entry, leads to something that the marketplace takes.".to_owned()
    } else {
        format!(
            "{findings}\nMap one: prima-mirakl carriers set {channel} CARRIER [--service SERVICE] --code CODE"
        )
    };
    let names = if requirements.registered_carriers_only {
        "Only these are taken."
    } else {
        "Others are taken by name."
    };
    let note = note.map(|note| format!("{note}\n")).unwrap_or_default();
    let answer = format!("{note}{verdict}\n\nThe marketplace lists:\n{listed}\n{names}");
    if is_sound { Ok(answer) } else { Err(Found(answer).into()) }
}

/// Descriptions on the dispatches of orders that are not over, and of late.
async fn descriptions(connector: &Connector, channel: &str) -> Result<BTreeSet<(String, String)>> {
    let store = connector.store()?;
    let mut keys = Vec::new();
    for stage in [Stage::Dispatched, Stage::PartDispatched, Stage::Exception, Stage::Shipped] {
        for state in index_states(stage) {
            keys.extend(store.orders_in(channel, state, LOOKED_AT).await?);
        }
    }
    let rows = store.load_orders(&keys).await?;
    let parcels = rows
        .values()
        .filter_map(|row| row.dispatch.as_ref())
        .flat_map(|dispatch| &dispatch.parcels);
    Ok(parcels.map(|parcel| (parcel.carrier.clone(), parcel.service.clone())).collect())
}
