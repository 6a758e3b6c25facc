//! Billing cycles and their journals: what ties, what is to be approved, what is in Prima.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::domain::channel::{Channel, Mode};
use shared::domain::documents::DocumentKey;
use shared::domain::payout::balance::prove;
use shared::domain::payout::explain::{Answer, Cause, Clues, explain};
use shared::domain::payout::journal::Journal;
use shared::domain::payout::ledger::Ledger;
use shared::domain::payout::posting::Stage;
use shared::domain::payout::proofs;
use shared::domain::payout::row::{CycleJournal, CycleRow, CycleStage, ShopKey};
use shared::domain::payout::rules::PayoutRules;
use shared::domain::payout::store::{
    PayoutFiles, PayoutStore as _, journal_file, lines_file, open_lines_file, report_file,
    report_lines_file,
};
use shared::domain::payout::tie::{Difference, Evidence, Tie};
use shared::kit::amount::Amount;
use shared::kit::currency::written;
use shared::kit::digest::sha256_hex;
use shared::mirakl::finance::{PayOutState, TransactionLine};

use crate::answers::Refused;
use crate::arguments::PayoutsCommand;
use crate::connector::Connector;
use crate::documents::mode;
use crate::payout_acts;
use crate::payout_cycles::{as_json, cycles, journal_json, journal_line, one, shops, stage};
use crate::table::{age, table};

/// `payouts`
pub(crate) async fn run(connector: &Connector, command: PayoutsCommand) -> Result<String> {
    match command {
        PayoutsCommand::List { channel, all, json } => {
            list(connector, channel.as_deref(), all, json).await
        }
        PayoutsCommand::Show(name) => {
            let row = one(connector, &name).await?;
            if name.json { as_json(&row) } else { Ok(shown(&row, connector.now)) }
        }
        PayoutsCommand::Explain(name) => {
            let row = one(connector, &name).await?;
            let answers = explained(connector, &row).await?;
            if name.json { as_json(&answers) } else { Ok(told(&row, &answers)) }
        }
        PayoutsCommand::Preview(name) => {
            let row = one(connector, &name).await?;
            preview(connector, &row, name.json).await
        }
        PayoutsCommand::Report { cycle, to, csv } => {
            let row = one(connector, &cycle).await?;
            report(connector, &row, to, csv, cycle.json).await
        }
        PayoutsCommand::Approve { act, note, hash } => {
            payout_acts::approve(connector, &act, &note, hash.as_deref()).await
        }
        PayoutsCommand::Hold { act, note } => payout_acts::hold(connector, &act, &note).await,
        PayoutsCommand::Release { act, note } => payout_acts::release(connector, &act, &note).await,
        PayoutsCommand::Settle { act, outcome, note } => {
            payout_acts::settle(connector, &act, outcome, &note).await
        }
        PayoutsCommand::Imported { act, note } => {
            payout_acts::imported(connector, &act, &note).await
        }
    }
}

async fn list(
    connector: &Connector,
    channel: Option<&str>,
    all: bool,
    json: bool,
) -> Result<String> {
    let rows = cycles(connector, channel).await?;
    let mut latest = BTreeSet::new();
    let rows: Vec<CycleRow> = rows
        .into_iter()
        .filter(|row| {
            let is_latest =
                latest.insert((row.key.shop_key(), row.key.currency.clone(), row.key.psp.clone()));
            all || is_latest || !is_over(row)
        })
        .collect();
    let mut of_shops = Vec::new();
    for shop in shops(connector, channel).await? {
        let row = connector.payouts()?.load_shop(&shop).await?;
        of_shops.extend(row.exceptions.into_iter().map(|one| (shop.clone(), one)));
    }
    if json {
        let cycles: Vec<Value> = rows.iter().map(listed_json).collect();
        let shops: Vec<Value> = of_shops
            .iter()
            .map(|(shop, one)| {
                json!({"shop": shop.to_string(), "kind": one.kind, "reason": one.reason, "remedy": one.remedy})
            })
            .collect();
        return as_json(&json!({"cycles": cycles, "shops": shops}));
    }
    if rows.is_empty() && of_shops.is_empty() {
        return Ok("No billing cycle is known yet.".to_owned());
    }
    let mut shown = table(&["channel", "cycle", "closed", "transfer", "stage", "journals"]);
    for row in &rows {
        shown.add_row(listed_row(row, connector.now));
    }
    let told = rows.iter().flat_map(|row| {
        row.exceptions.iter().map(|one| {
            format!("\n{}: {}: {}\n  {}", row.key.cycle, one.kind.name(), one.reason, one.remedy)
        })
    });
    let of_shops = of_shops.iter().map(|(shop, one)| {
        format!("\n{shop}: {}: {}\n  {}", one.kind.name(), one.reason, one.remedy)
    });
    Ok(format!("{shown}{}", told.chain(of_shops).collect::<String>()))
}

/// Nothing of it is to be done or waited for.
fn is_over(row: &CycleRow) -> bool {
    let is_final = match row.stage {
        CycleStage::NothingToPost | CycleStage::BookedByHand => true,
        CycleStage::Tied => {
            let posted = |one: &CycleJournal| matches!(one.row.stage, Stage::Posted { .. });
            !row.journals.is_empty() && row.journals.iter().all(posted)
        }
        _ => false,
    };
    is_final && row.exceptions.is_empty() && row.cycle.pay_out.state == PayOutState::Paid
}

fn listed_json(row: &CycleRow) -> Value {
    let journals: Vec<Value> = row.journals.iter().map(journal_json).collect();
    let exceptions: Vec<Value> = row
        .exceptions
        .iter()
        .map(|one| json!({"kind": one.kind, "reason": one.reason, "remedy": one.remedy, "first_seen": one.first_seen}))
        .collect();
    json!({
        "key": row.key, "channel": row.channel, "closed": row.cycle.created, "stage": row.stage,
        "transfer": row.cycle.transferred_to_seller, "pay_out": row.cycle.pay_out.state,
        "journals": journals, "exceptions": exceptions,
    })
}

fn listed_row(row: &CycleRow, now: Timestamp) -> [String; 6] {
    let currency = &row.key.currency;
    let journals: Vec<String> = row
        .journals
        .iter()
        .map(|one| format!("{}: {}", one.row.reference, one.row.stage.words()))
        .collect();
    [
        row.channel.clone(),
        row.key.cycle.clone(),
        row.cycle.created.map_or_else(|| "-".to_owned(), |at| format!("{} ago", age(at, now))),
        format!("{} {currency}", written(row.cycle.transferred_to_seller, currency)),
        stage(row.stage).to_owned(),
        journals.join("\n"),
    ]
}

fn shown(row: &CycleRow, now: Timestamp) -> String {
    let currency = &row.key.currency;
    let money = |amount| format!("{} {currency}", written(amount, currency));
    let mut lines = vec![
        format!("# {} (channel {})", row.key, row.channel),
        format!("{}, for {}", stage(row.stage), age(row.since, now)),
    ];
    if let Some(tie) = &row.tie {
        lines.push(format!(
            "lines {} + carried in {} = transfer {} + carried out {}",
            money(tie.lines),
            money(tie.carried_in),
            money(tie.transfer),
            money(tie.carried_out)
        ));
        lines.extend(tie.differences.iter().map(|one| format!("  {}", difference(one, &money))));
    }
    lines.push(format!("payout: {}", pay_out(row)));
    for document in &row.documents {
        lines.push(format!("document {}: {:?}", document.id, document.kind));
    }
    for journal in &row.journals {
        let problem = journal.row.problem.as_ref().map(|text| format!(": {text}"));
        lines.push(format!(
            "journal {}: {}, for {}{}",
            journal_line(&row.key, journal),
            journal.row.stage.words(),
            age(journal.row.since, now),
            problem.unwrap_or_default()
        ));
    }
    for one in &row.acts {
        let note =
            if one.act.note.is_empty() { String::new() } else { format!(": {}", one.act.note) };
        lines.push(format!(
            "{} {} by {}, {:.0}{note}",
            one.journal, one.what, one.act.by, one.act.at
        ));
    }
    for one in &row.findings {
        let amount = one.amount.map_or_else(String::new, |amount| format!(" ({})", money(amount)));
        let ids = if one.lines.is_empty() {
            String::new()
        } else {
            format!("\n  lines {}", one.lines.join(", "))
        };
        lines.push(format!("{}{amount}: {}\n  {}{ids}", one.kind.name(), one.reason, one.remedy));
    }
    lines.join("\n")
}

fn pay_out(row: &CycleRow) -> String {
    serde_json::to_value(&row.cycle.pay_out.state)
        .ok()
        .and_then(|state| state.as_str().map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn difference(difference: &Difference, money: &impl Fn(Amount) -> String) -> String {
    match *difference {
        Difference::Lines(amount) => {
            format!("the lines come to {} more than is transferred and carried", money(amount))
        }
        Difference::Invoices(amount) => {
            format!("the automatic invoices say {} more than the transfer", money(amount))
        }
        Difference::Payments(amount) => {
            format!("the payment lines pay {} more than the transfer", money(amount))
        }
        Difference::CarriedOutUnproved(amount) => format!(
            "nothing is transferred, the lines come to {}, and nothing proves that they are all",
            money(amount)
        ),
    }
}

/// What is off, and where it may come from.
#[derive(serde::Serialize)]
struct Explained {
    difference: Difference,
    answers: Vec<Answer>,
}

async fn explained(connector: &Connector, row: &CycleRow) -> Result<Vec<Explained>> {
    let differences = row.tie.as_ref().map_or(&[][..], |tie| tie.differences.as_slice());
    if differences.is_empty() {
        return Ok(Vec::new());
    }
    let shop = row.key.shop_key();
    let cycles = connector.payouts()?.cycles(&shop).await?;
    let files = connector.payout_files()?;
    let own = ledger(&files, &lines_file(&row.key)).await?;
    let lines: Vec<&TransactionLine> = own.lines().collect();
    // The running balance goes over all lines of the currency, whichever cycle they are in.
    let mut names: Vec<String> = cycles
        .iter()
        .filter(|other| other.key.currency == row.key.currency)
        .map(|other| lines_file(&other.key))
        .collect();
    names.push(open_lines_file(&shop));
    let mut all: BTreeMap<String, TransactionLine> = BTreeMap::new();
    for name in names {
        let found = ledger(&files, &name).await?;
        let in_currency = found.lines().filter(|line| line.currency == row.key.currency);
        all.extend(in_currency.map(|line| (line.id.clone(), line.clone())));
    }
    let balance = prove(all.values(), None, |line| line.balance);
    let rules: Option<PayoutRules> =
        connector.documents()?.read(&DocumentKey::PayoutRules(row.channel.clone())).await?;
    let tie = row.tie.as_ref();
    let documents: Vec<_> = row.documents.iter().collect();
    let evidence = Evidence {
        cycle: &row.cycle,
        lines: &lines,
        documents: &documents,
        carried_in: tie.map_or(Amount::ZERO, |tie| tie.carried_in),
        is_proved_whole: balance.is_whole(),
    };
    let rule = rules.map(|rules| rules.tie_rule).unwrap_or_default();
    let other_rules = Tie::other_rules(&evidence, rule);
    let carried: Vec<(String, Amount)> = cycles
        .iter()
        .filter(|other| other.key != row.key && other.key.currency == row.key.currency)
        .filter_map(|other| Some((other.key.cycle.clone(), other.tie.as_ref()?.carried_out)))
        .filter(|(_, amount)| *amount != Amount::ZERO)
        .collect();
    let mut totals = proofs::summary(&row.cycle, &lines);
    totals.extend(proofs::operators_share(&row.cycle, &lines));
    totals.extend(proofs::documents(&documents, &lines));
    let clues = Clues {
        lines: &lines,
        balance: Some(&balance),
        other_rules: &other_rules,
        carried: &carried,
        totals: &totals,
    };
    Ok(differences
        .iter()
        .map(|one| {
            let amount = match *one {
                Difference::Lines(amount)
                | Difference::Invoices(amount)
                | Difference::Payments(amount)
                | Difference::CarriedOutUnproved(amount) => amount,
            };
            Explained { difference: *one, answers: explain(amount, &clues) }
        })
        .collect())
}

async fn ledger(files: &impl PayoutFiles, name: &str) -> Result<Ledger> {
    let Some(bytes) = files.read(name).await? else { return Ok(Ledger::default()) };
    serde_json::from_slice(&bytes).with_context(|| format!("the file {name} cannot be read"))
}

fn told(row: &CycleRow, explained: &[Explained]) -> String {
    let currency = &row.key.currency;
    let money = |amount| format!("{} {currency}", written(amount, currency));
    if row.tie.is_none() {
        return format!("The lines of cycle {} were not read yet.", row.key.cycle);
    }
    if explained.is_empty() {
        return format!("Cycle {} ties: there is nothing to explain.", row.key.cycle);
    }
    let mut lines = Vec::new();
    for one in explained {
        lines.push(format!("{}:", difference(&one.difference, &money)));
        if one.answers.is_empty() {
            lines.push(
                "  not explained: compare the lines with the marketplace's own export".to_owned(),
            );
        }
        lines.extend(one.answers.iter().map(|answer| format!("  {}", answer_line(answer, &money))));
    }
    lines.join("\n")
}

fn answer_line(answer: &Answer, money: &impl Fn(Amount) -> String) -> String {
    let cause = match &answer.cause {
        Cause::GapInBalance => "the running balance jumps by it between".to_owned(),
        Cause::OneLine => "one line is of that amount".to_owned(),
        Cause::WrongSide => "one line is of half of it, and may be on the wrong side".to_owned(),
        Cause::CountedTwice => "two lines are the same but for their ids".to_owned(),
        Cause::Type(kind) => format!("all lines of type {kind}"),
        Cause::Document(number) => format!("all lines of document {number}"),
        Cause::Order(order) => format!("all lines of order {order}"),
        Cause::Psp(psp) => format!("all lines of payment service provider {psp}"),
        Cause::OtherRule(rule) => format!(
            "it would tie by another tie_rule: reserve_state {}, reserve_types {}, not_applicable {}",
            rule.reserve_state, rule.reserve_types, rule.not_applicable
        ),
        Cause::Carried(cycle) => format!("cycle {cycle} carries it"),
        Cause::Total(name) => format!("the marketplace's total {name} is off by it"),
        Cause::TwoLines => "two lines come to it".to_owned(),
    };
    let of = [
        answer.kind.as_ref().map(|kind| format!(", type {kind}")),
        answer.order.as_ref().map(|order| format!(", order {order}")),
        (!answer.lines.is_empty()).then(|| format!(": {}", answer.lines.join(", "))),
    ];
    format!("{} {cause}{}", money(answer.amount), of.into_iter().flatten().collect::<String>())
}

async fn preview(connector: &Connector, row: &CycleRow, json: bool) -> Result<String> {
    if row.journals.is_empty() {
        return Err(Refused::because(format!(
            "cycle {} has no journal: it is {} (prima-mirakl payouts show {})",
            row.key.cycle,
            stage(row.stage),
            row.key.cycle
        )));
    }
    let files = connector.payout_files()?;
    let mut shown = Vec::new();
    let mut journals = Vec::new();
    for one in &row.journals {
        let journal = content(&files, one).await?;
        shown.push(preview_of(one, &journal));
        journals.push(json!({"journal": journal, "stage": one.row.stage, "hash": one.row.hash}));
    }
    if json { as_json(&journals) } else { Ok(shown.join("\n\n")) }
}

/// A journal as it would be sent.
async fn content(files: &impl PayoutFiles, of: &CycleJournal) -> Result<Journal> {
    let name = journal_file(&of.row.hash);
    let bytes = files.read(&name).await?.ok_or_else(|| {
        anyhow!(
            "the content of journal {} is not there: the bucket has no file {name}",
            of.row.reference
        )
    })?;
    if sha256_hex(&bytes) != of.row.hash {
        return Err(anyhow!("the file {name} is not what its name says: nothing of it is sent"));
    }
    serde_json::from_slice(&bytes).with_context(|| format!("the file {name} is no journal"))
}

fn preview_of(of: &CycleJournal, journal: &Journal) -> String {
    let money = |amount: Amount| {
        if amount == Amount::ZERO { String::new() } else { written(amount, &journal.currency) }
    };
    let mut lines =
        table(&["line", "nominal", "centre", "debit", "credit", "tax", "narrative", "reference"]);
    for line in &journal.lines {
        let tax = line.account.tax_code.clone().unwrap_or_default();
        let amount =
            line.tax_amount.map(|amount| format!(" {}", written(amount, &journal.currency)));
        lines.add_row([
            line.line.to_string(),
            line.account.nominal.clone(),
            line.account.cost_centre.clone().unwrap_or_default(),
            money(line.debit),
            money(line.credit),
            format!("{tax}{}", amount.unwrap_or_default()),
            line.narrative.clone(),
            line.reference.clone(),
        ]);
    }
    format!(
        "# {}: {}, {}, period {}, {}\n{lines}\ndebits {} = credits {}; {}; hash {}",
        journal.reference,
        journal.narrative,
        journal.date,
        journal.period,
        journal.currency,
        written(journal.debits(), &journal.currency),
        written(journal.credits(), &journal.currency),
        of.row.stage.words(),
        of.row.hash
    )
}

async fn report(
    connector: &Connector,
    row: &CycleRow,
    to: Option<PathBuf>,
    csv: bool,
    json: bool,
) -> Result<String> {
    let (name, ending) =
        if csv { (report_lines_file(&row.key), "csv") } else { (report_file(&row.key), "html") };
    let bytes = connector.payout_files()?.read(&name).await?.ok_or_else(|| {
        anyhow!(
            "cycle {} has no report yet: it is made within a day of its closing; it is {} now",
            row.key.cycle,
            stage(row.stage)
        )
    })?;
    let plain: String = row
        .key
        .cycle
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .collect();
    let to = to.unwrap_or_else(|| PathBuf::from(format!("{plain}-{}.{ending}", row.key.currency)));
    fs::write(&to, &bytes).with_context(|| format!("writing {}", to.display()))?;
    if json {
        return as_json(&json!({"file": to, "bytes": bytes.len()}));
    }
    Ok(format!("Wrote {} ({} bytes).", to.display(), bytes.len()))
}

/// Payouts at a glance, for `status`: a line for each channel that has any.
pub(crate) async fn at_a_glance(connector: &Connector, channels: &[Channel]) -> Result<String> {
    let store = connector.payouts()?;
    let mut shown = table(&["channel", "payouts", "log read", "cycles", "journals", "exceptions"]);
    for channel in channels.iter().filter(|channel| channel.payouts != Mode::Off) {
        let Some(shop) = ShopKey::of(channel) else { continue };
        let row = store.load_shop(&shop).await?;
        let cycles = store.cycles(&shop).await?;
        let open = cycles.iter().filter(|cycle| !is_over(cycle));
        let stages = counted(open.clone().map(|cycle| stage(cycle.stage)));
        let journals = open.clone().flat_map(|cycle| &cycle.journals);
        let journals = counted(journals.map(|one| one.row.stage.words()));
        let of_cycles: usize = cycles.iter().map(|cycle| cycle.exceptions.len()).sum();
        shown.add_row([
            channel.id.clone(),
            mode(channel.payouts).to_owned(),
            row.read_at
                .map_or_else(|| "never".to_owned(), |at| format!("{} ago", age(at, connector.now))),
            stages,
            journals,
            (of_cycles + row.exceptions.len()).to_string(),
        ]);
    }
    Ok(if shown.is_empty() { "No channel has payouts.".to_owned() } else { shown.to_string() })
}

/// How often each word comes.
fn counted(words: impl Iterator<Item = &'static str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    let each: Vec<String> = counts.iter().map(|(word, count)| format!("{word} {count}")).collect();
    if each.is_empty() { "-".to_owned() } else { each.join(", ") }
}
