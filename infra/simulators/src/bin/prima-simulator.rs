//! Runs the Prima simulator until it is interrupted.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use simulators::prima::{Config, Simulator};
use simulators::recording::Recorder;
use tokio::net::TcpListener;

/// A simulated Prima installation behind its SOAP service, with a control API under /simulator/.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// A JSON file with `settings` and `misbehaviour`; what it leaves out has its default.
    #[arg(long)]
    config: Option<PathBuf>,
    /// A new file for the traffic: one HAR entry a line.
    #[arg(long)]
    record: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let config = match &arguments.config {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_str(&text)
                .with_context(|| format!("{} is no configuration", path.display()))?
        }
        None => Config::default(),
    };
    let service = format!("/wsa{0}/wsa{0}", config.settings.environment);
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let address = listener.local_addr()?;
    println!(
        "Prima simulator at http://{address}{service}, control at http://{address}/simulator/state"
    );
    let mut simulator = Simulator::new(config);
    if let Some(path) = &arguments.record {
        let recorder = Recorder::to_file(path)
            .with_context(|| format!("cannot record to {}", path.display()))?;
        simulator = simulator.recording(recorder);
    }
    Arc::new(simulator).serve(listener, interrupted()).await.context("the simulator ended")
}

async fn interrupted() {
    // Without a signal handler the simulator runs until it is killed.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
