//! All of it together: local AWS, the deployed connector, both simulated systems, two channels.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::dispatches::{self, DispatchSummary};
use crate::local_aws::LocalAws;
use crate::observation::{self, Observation};
use crate::options::WorldOptions;
use crate::seed::{self, SeedChannel};
use crate::simulated::Simulated;
use crate::verdict::Summary;
use crate::{paths, servers};

/// A running world. Everything ends when it is dropped.
#[derive(Debug)]
pub struct World {
    deployment: Deployment,
    mirakl: Simulated,
    prima: Simulated,
    channels: Vec<SeedChannel>,
    recordings: PathBuf,
}

impl World {
    /// Starts everything; `say` hears each step.
    ///
    /// # Errors
    /// What could not be started, and why.
    pub async fn start(options: &WorldOptions, mut say: impl FnMut(&str)) -> Result<Self> {
        let channels = seed::channels();
        say("Starting a local AWS");
        let aws = Arc::new(LocalAws::start().await?);
        say(&format!("Local AWS at {}", aws.endpoint()));
        let recordings = paths::target().join("local-world").join(format!(
            "{}-{}",
            options.stack,
            std::process::id()
        ));
        std::fs::create_dir_all(&recordings)?;
        let mirakl = servers::mirakl(options, &channels, &recordings).await?;
        let prima = servers::prima(options).await?;
        say(&format!("Simulated Mirakl at {}, simulated Prima at {}", mirakl.url(), prima.url()));
        say("Compiling the functions and deploying template.yaml through CloudFormation");
        let deployment =
            Deployment::deploy(aws, &options.stack, options.build, &parameters(options)).await?;
        say("Loading two channels with the operator command");
        let mut installation = json!({
            "prima": {"endpoint": format!("{}/wsalive/wsalive", prima.url())},
            // What takes minutes on a site takes seconds here.
            "behaviour": {
                "answer_timeout_seconds": 2, "longest_execution_seconds": 3, "second_question_seconds": 1,
                "probe_interval_seconds": 2,
            },
            // No interval is short enough here: whoever wants an order looked at again asks for it
            // with `WorldOptions`.
            "calls": {"at_once": 5, "orders": 2, "dispatches": 2, "stock": 1},
            "dispatch": {"questions_per_minute": 1000, "hours": null},
        });
        seed::merge(&mut installation, &options.installation);
        let mut channel = json!({"base_url": mirakl.url()});
        seed::merge(&mut channel, &options.channel);
        seed::plant(&deployment, &channels, &installation, &channel).await?;
        Ok(Self { deployment, mirakl, prima, channels, recordings })
    }

    /// The connector.
    #[must_use]
    pub fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// The simulated Mirakl.
    #[must_use]
    pub fn mirakl(&self) -> &Simulated {
        &self.mirakl
    }

    /// The simulated Prima.
    #[must_use]
    pub fn prima(&self) -> &Simulated {
        &self.prima
    }

    /// The channels.
    #[must_use]
    pub fn channels(&self) -> &[SeedChannel] {
        &self.channels
    }

    /// The directory with the recorded traffic, as HAR lines with the keys redacted.
    #[must_use]
    pub fn recordings(&self) -> &std::path::Path {
        &self.recordings
    }

    /// Lets new orders arrive in a channel's shop; with `unknown_sku`, of something that Prima does
    /// not sell.
    ///
    /// # Errors
    /// The simulated Mirakl does not take them.
    pub async fn bring_orders(
        &self,
        channel: &SeedChannel,
        count: u32,
        unknown_sku: bool,
    ) -> Result<()> {
        let request =
            json!({"shop_id": channel.shop_id, "count": count, "unknown_sku": unknown_sku});
        self.mirakl.post("orders", &request).await.map(drop)
    }

    /// Both systems and the dead-letter queue as they stand now.
    ///
    /// # Errors
    /// One of them does not answer.
    pub async fn observe(&self) -> Result<Observation> {
        let (mirakl, prima, exceptions, depths) = tokio::try_join!(
            self.mirakl.get("state"),
            self.prima.get("state"),
            self.deployment.exceptions(),
            self.deployment.queue_depths(),
        )?;
        observation::of(&self.channels, &mirakl, &prima, exceptions, depths)
    }

    /// What became of all orders so far.
    ///
    /// # Errors
    /// As [`World::observe`].
    pub async fn summary(&self) -> Result<Summary> {
        Ok(self.observe().await?.summary())
    }

    /// What became of all parcels so far.
    ///
    /// # Errors
    /// As [`World::observe`].
    pub async fn parcels(&self) -> Result<DispatchSummary> {
        let (mirakl, prima, exceptions) = tokio::try_join!(
            self.mirakl.get("state"),
            self.prima.get("state"),
            self.deployment.dispatch_exceptions()
        )?;
        dispatches::judge(&self.channels, &mirakl, &prima, &exceptions)
    }

    /// The warehouse works through what may leave, as `round` says (shares of odd cases); answers
    /// what it booked.
    ///
    /// # Errors
    /// The simulated Prima does not take it.
    pub async fn warehouse(&self, round: &Value) -> Result<Value> {
        self.prima.post("warehouse", round).await
    }

    /// Polls and collects again and again until every parcel is told, an exception, or waits for
    /// the rest of its order.
    ///
    /// # Errors
    /// It still moves after `limit`: how things stand.
    pub async fn settle_parcels(&self, limit: Duration) -> Result<DispatchSummary> {
        let deadline = Instant::now() + limit;
        loop {
            self.deployment.tick().await?;
            self.deployment.collect().await?;
            let (summary, depths) =
                tokio::try_join!(self.parcels(), self.deployment.dispatch_queue_depths())?;
            if summary.is_settled() && depths.is_idle() {
                return Ok(summary);
            }
            if Instant::now() > deadline {
                bail!(
                    "not settled after {} s\n{}\n{summary:#?}, {depths:?}",
                    limit.as_secs(),
                    self.rows_by_stage().await?
                );
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn rows_by_stage(&self) -> Result<String> {
        Ok(by_stage(&self.deployment.rows().await?))
    }

    /// Polls again and again until nothing moves any more: every order is in Prima, an exception,
    /// or closed without having become firm, and the queue is empty.
    ///
    /// # Errors
    /// It still moves after `limit`: what is unfinished.
    pub async fn settle(&self, limit: Duration) -> Result<Summary> {
        let deadline = Instant::now() + limit;
        loop {
            self.deployment.tick().await?;
            let seen = self.observe().await?;
            if seen.is_settled() {
                return Ok(seen.summary());
            }
            if Instant::now() > deadline {
                let (unfinished, depths) = (seen.unfinished().len(), &seen.depths);
                bail!(
                    "not settled after {} s: {unfinished} orders are unfinished, {} messages wait in the queue, {} are delayed\n{}",
                    limit.as_secs(),
                    depths.waiting + depths.in_flight,
                    depths.delayed,
                    self.rows_by_stage().await?
                );
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Rows by channel and stage, as a table. Rows that are over say nothing of why something still
/// moves.
fn by_stage(rows: &[Value]) -> String {
    let mut stages: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
    for row in rows.iter().map(|item| &item["document"]) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if row["stage"].is_string() {
            stages
                .entry((text(&row["key"]["channel"]), text(&row["stage"])))
                .or_default()
                .push(row);
        }
    }
    let mut table = format!(
        "{:<16} {:<18} {:>6}  {:<20}  {:<20}  {}\n",
        "channel", "stage", "orders", "oldest since", "oldest order", "its last note"
    );
    for ((channel, stage), mut rows) in stages {
        rows.sort_by_key(|row| row["since"].as_str().unwrap_or_default().to_owned());
        let Some(oldest) = rows.first() else { continue };
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let since = text(&oldest["since"]).chars().take(19).collect::<String>();
        let note = oldest["history"]
            .as_array()
            .and_then(|steps| steps.last())
            .map_or_else(|| "-".to_owned(), |step| text(&step["note"]));
        let order = text(&oldest["key"]["order_id"]);
        table.push_str(&format!(
            "{channel:<16} {stage:<18} {:>6}  {since:<20}  {order:<20}  {note}\n",
            rows.len()
        ));
    }
    table
}

fn parameters(options: &WorldOptions) -> BTreeMap<String, String> {
    // The local AWS has no archives and would keep protected tables; what is short here only saves
    // time.
    let mut parameters: BTreeMap<String, String> = [
        ("ArchiveEvents", "false"),
        ("DeletionProtection", "false"),
        ("ScheduleState", if options.schedule { "ENABLED" } else { "DISABLED" }),
        ("CreateTimeoutSeconds", "30"),
        ("OrdersVisibilitySeconds", "30"),
        ("DispatchesVisibilitySeconds", "30"),
        ("StockImportsVisibilitySeconds", "30"),
        ("JournalsVisibilitySeconds", "30"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    parameters.extend(options.parameters.clone());
    parameters
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is unfinished is shown by stage, with the last note of the oldest.
    #[test]
    fn unfinished_orders_show_by_stage_with_the_oldests_last_note() {
        let row = |order: &str, stage: &str, since: &str, note: &str| json!({"document": {"key": {"channel": "uk", "order_id": order}, "stage": stage, "since": since, "history": [{"note": "first"}, {"note": note}]}});
        let rows = [
            row("A-1", "firm", "2026-11-10T12:00:00Z", "Prima does not answer; waits"),
            row("A-2", "firm", "2026-11-10T11:00:00Z", "an operator retries"),
            row("A-3", "created", "2026-11-10T12:00:00Z", "in Prima (new)"),
            json!({"document": {"watermark": "2026-11-10T12:00:00Z"}}),
        ];
        let shown = by_stage(&rows);
        let lines: Vec<Vec<&str>> = shown
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|part| !part.is_empty()).collect())
            .collect();
        assert_eq!(lines.len(), 3, "{shown}");
        assert!(
            lines[2][..].ends_with(&["2026-11-10T11:00:00", "A-2", "an operator retries"]),
            "{shown}"
        );
    }
}
