//! A local AWS without containers: ministack (or moto, for a second opinion) in a Python
//! environment of its own, on loopback, on a free port.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;

use crate::paths;

/// The region that the local AWS plays.
pub const REGION: &str = "eu-west-2";

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Result<Value>>>>>;

/// Which program plays AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsServer {
    /// ministack: runs functions and deploys the template; the local world and the flow tests live
    /// on it.
    Ministack,
    /// moto's web server: written by other people from the same documentation, for tests that ask
    /// both.
    Moto,
}

impl AwsServer {
    /// Its name, in logs and test results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ministack => "ministack",
            Self::Moto => "moto",
        }
    }
}

/// One local AWS, empty at start. It ends, with every function it runs, when this is dropped or
/// when this process ends in whatever way: the Python process beneath it lives only as long as the
/// pipe to it.
#[derive(Debug)]
pub struct LocalAws {
    endpoint: String,
    directory: PathBuf,
    requests: tokio::sync::Mutex<Option<ChildStdin>>,
    waiting: Waiting,
    next: AtomicU64,
    process: Mutex<Child>,
}

impl LocalAws {
    /// Installs what it needs (the first time only: about half a minute), starts it and waits until
    /// it answers.
    ///
    /// # Errors
    /// Says what is missing: Python 3.10, a package index, or a look into the log it names.
    pub async fn start() -> Result<Self> {
        Self::start_server(AwsServer::Ministack).await
    }

    /// The same, played by the program of choice.
    ///
    /// # Errors
    /// As [`LocalAws::start`].
    pub async fn start_server(server: AwsServer) -> Result<Self> {
        let python = environment().await?;
        let directory = run_directory()?;
        let mut process = Command::new(python)
            .arg(paths::python_sources().join("local_aws.py"))
            .arg(&directory)
            .arg(server.name())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the environment of the local AWS is broken: remove target/local-aws and run this again")?;
        let requests = process.stdin.take().context("no pipe to the local AWS")?;
        let answers = process.stdout.take().context("no pipe from the local AWS")?;
        let mut answers = BufReader::new(answers).lines();
        let first = answers.next_line().await?.context("the local AWS ended at once")?;
        let first: Value = serde_json::from_str(&first)?;
        let Some(endpoint) = first["endpoint"].as_str() else {
            bail!("{}", first["error"].as_str().unwrap_or_default())
        };
        let waiting = Waiting::default();
        tokio::spawn(deliver(answers, Arc::clone(&waiting)));
        Ok(Self {
            endpoint: endpoint.to_owned(),
            directory,
            requests: tokio::sync::Mutex::new(Some(requests)),
            waiting,
            next: AtomicU64::new(1),
            process: Mutex::new(process),
        })
    }

    /// Its URL: `http://127.0.0.1:<port>`. Any credentials will do.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Where its log lies (`ministack.log`, `moto.log`).
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Calls any operation of any service, named and shaped as boto3 does: `("sqs", "send_message",
    /// {"QueueUrl": ..})`.
    ///
    /// # Errors
    /// The service's own error, as boto3 words it.
    pub async fn call(&self, service: &str, operation: &str, parameters: Value) -> Result<Value> {
        let request = json!({"do": "call", "service": service, "operation": operation, "parameters": parameters});
        self.ask(request).await.with_context(|| format!("{service} {operation}"))
    }

    /// Hands a request to the Python process and waits for its answer.
    pub(crate) async fn ask(&self, mut request: Value) -> Result<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        request["id"] = id.into();
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id, sender);
        let mut line = serde_json::to_vec(&request)?;
        line.push(b'\n');
        {
            let mut pipe = self.requests.lock().await;
            let requests = pipe.as_mut().context("the local AWS has ended")?;
            requests.write_all(&line).await.context("the local AWS has ended")?;
            requests.flush().await?;
        }
        receiver
            .await
            .map_err(|_| anyhow!("the local AWS has ended: see {}", self.directory.display()))?
    }
}

impl Drop for LocalAws {
    fn drop(&mut self) {
        // Closing the pipe ends it; killing is for a process that hangs.
        drop(self.requests.get_mut().take());
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        let patience = Instant::now() + Duration::from_secs(5);
        while Instant::now() < patience {
            if !matches!(process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = process.start_kill();
    }
}

/// Gives each answer to whoever waits for it. When the process ends, those still waiting hear it by
/// their dropped senders.
async fn deliver(mut answers: Lines<BufReader<ChildStdout>>, waiting: Waiting) {
    while let Ok(Some(line)) = answers.next_line().await {
        let Ok(mut answer) = serde_json::from_str::<Value>(&line) else { continue };
        let Some(id) = answer["id"].as_u64() else { continue };
        let Some(sender) = waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
        else {
            continue;
        };
        let result = match answer["error"].as_str() {
            Some(error) => Err(anyhow!("{error}")),
            None => Ok(answer["ok"].take()),
        };
        let _ = sender.send(result);
    }
    waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// The Python of the environment under `target/local-aws`, made where it is absent or outdated.
///
/// # Errors
/// What is missing: Python, or a package index.
pub async fn environment() -> Result<PathBuf> {
    let directory = paths::target().join("local-aws");
    let status = Command::new("python3")
        .arg(paths::python_sources().join("environment.py"))
        .arg(&directory)
        .status()
        .await
        .context("python3 is not installed: the local AWS needs Python 3.10 or later (Debian: apt-get install python3)")?;
    if !status.success() {
        bail!("the local AWS could not be installed: see above");
    }
    Ok(directory.join("venv/bin/python"))
}

/// A directory of this run's own; those of processes that have ended are removed.
fn run_directory() -> Result<PathBuf> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let runs = paths::target().join("local-aws/runs");
    std::fs::create_dir_all(&runs)?;
    for entry in std::fs::read_dir(&runs)?.flatten() {
        let name = entry.file_name();
        let process = name.to_string_lossy().split('-').next().unwrap_or_default().to_owned();
        if !Path::new("/proc").join(&process).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let directory =
        runs.join(format!("{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed)));
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}
