//! Runs the Mirakl simulator until it is interrupted.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use simulators::mirakl::{Config, serve};
use tokio::net::TcpListener;

/// A simulated marketplace behind its seller API, with a control API under /simulator/.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// A JSON file with `shops`, `settings`, `misbehaviour`, `seed`, `catalogue_size`.
    #[arg(long)]
    config: PathBuf,
    /// Where traffic is recorded, as HAR lines with the keys redacted.
    #[arg(long)]
    record: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let path = &arguments.config;
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut config: Config = serde_json::from_str(&text)
        .with_context(|| format!("{} is no configuration", path.display()))?;
    config.record = arguments.record.or(config.record);
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    println!(
        "Mirakl simulator at http://{0}, control at http://{0}/simulator/state",
        listener.local_addr()?
    );
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    serve(config, listener, interrupted).await.context("the simulator ended")
}
