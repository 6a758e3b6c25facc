//! All of it together: local AWS, the deployed connector, both simulated systems, two channels.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::deployment::Deployment;
use crate::despatches::{self, DespatchSummary};
use crate::handlers::Build;
use crate::local_aws::LocalAws;
use crate::observation::{self, Observation};
use crate::seed::{self, SeedChannel};
use crate::simulated::Simulated;
use crate::verdict::Summary;
use crate::{paths, servers};

/// How a world starts. The default is that of tests: no schedule (only [`Deployment::tick`] polls), short times.
#[derive(Clone, Debug)]
pub struct WorldOptions {
    /// The stack's name.
    pub stack: String,
    /// How the functions are compiled.
    pub build: Build,
    /// Whether the real schedule polls every minute.
    pub schedule: bool,
    /// Further parameters of the template.
    pub parameters: BTreeMap<String, String>,
    /// Seed of both simulators.
    pub seed: u64,
    /// Merged into the installation document.
    pub installation: Value,
    /// Merged into the definition of every channel.
    pub channel: Value,
    /// Merged into the simulated Mirakl's configuration.
    pub mirakl: Value,
    /// Merged into the simulated Prima's configuration.
    pub prima: Value,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            stack: "local".to_owned(),
            build: Build::default(),
            schedule: false,
            parameters: BTreeMap::new(),
            seed: 1,
            installation: json!({}),
            channel: json!({}),
            mirakl: json!({}),
            prima: json!({}),
        }
    }
}

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
        let recordings = paths::target().join("local-world").join(format!("{}-{}", options.stack, std::process::id()));
        std::fs::create_dir_all(&recordings)?;
        let mirakl = servers::mirakl(options, &channels, &recordings).await?;
        let prima = servers::prima(options).await?;
        say(&format!("Simulated Mirakl at {}, simulated Prima at {}", mirakl.url(), prima.url()));
        say("Compiling the functions and deploying template.yaml through CloudFormation");
        let deployment = Deployment::deploy(aws, &options.stack, options.build, &parameters(options)).await?;
        say("Loading two channels with the operator command");
        let mut installation = json!({
            "prima": {"endpoint": format!("{}/wsalive/wsalive", prima.url())},
            // What takes minutes on a site takes seconds here.
            "manners": {
                "answer_timeout_seconds": 2, "longest_execution_seconds": 3, "second_question_seconds": 1,
                "probe_interval_seconds": 2,
            },
            // No interval is short enough here: whoever wants an order looked at again asks for it with `WorldOptions`.
            "despatch": {"questions_per_minute": 1000, "concurrent_questions": 2, "hours": null},
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

    /// Lets new orders arrive in a channel's shop; with `unknown_sku`, of something that Prima does not sell.
    ///
    /// # Errors
    /// The simulated Mirakl does not take them.
    pub async fn bring_orders(&self, channel: &SeedChannel, count: u32, unknown_sku: bool) -> Result<()> {
        let request = json!({"shop_id": channel.shop_id, "count": count, "unknown_sku": unknown_sku});
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
    pub async fn parcels(&self) -> Result<DespatchSummary> {
        let (mirakl, prima, exceptions) =
            tokio::try_join!(self.mirakl.get("state"), self.prima.get("state"), self.deployment.despatch_exceptions())?;
        despatches::judge(&self.channels, &mirakl, &prima, &exceptions)
    }

    /// The warehouse works through what may leave, as `round` says (shares of odd cases); answers what it booked.
    ///
    /// # Errors
    /// The simulated Prima does not take it.
    pub async fn warehouse(&self, round: &Value) -> Result<Value> {
        self.prima.post("warehouse", round).await
    }

    /// Polls and collects again and again until every parcel is told, an exception, or waits for the rest of its order.
    ///
    /// # Errors
    /// It still moves after `limit`: how things stand.
    pub async fn settle_parcels(&self, limit: Duration) -> Result<DespatchSummary> {
        let deadline = Instant::now() + limit;
        loop {
            self.deployment.tick().await?;
            self.deployment.collect().await?;
            let (summary, depths) = tokio::try_join!(self.parcels(), self.deployment.despatch_queue_depths())?;
            if summary.is_settled() && depths.is_idle() {
                return Ok(summary);
            }
            if Instant::now() > deadline {
                bail!("not settled after {} s: {summary:?}, {depths:?}", limit.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Polls again and again until nothing moves any more: every order is in Prima, an exception, or closed without having
    /// become firm, and the queue is empty.
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
                bail!("not settled after {} s: {:?}, {:?}", limit.as_secs(), seen.unfinished(), seen.depths);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn parameters(options: &WorldOptions) -> BTreeMap<String, String> {
    // The local AWS has no archives and would keep protected tables; what is short here only saves time.
    let mut parameters: BTreeMap<String, String> = [
        ("ArchiveEvents", "false"),
        ("DeletionProtection", "false"),
        ("ScheduleState", if options.schedule { "ENABLED" } else { "DISABLED" }),
        ("CreateTimeoutSeconds", "30"),
        ("OrdersVisibilitySeconds", "30"),
        ("DispatchesVisibilitySeconds", "30"),
        ("StockImportsVisibilitySeconds", "30"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    parameters.extend(options.parameters.clone());
    parameters
}
