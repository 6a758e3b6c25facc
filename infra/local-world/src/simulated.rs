//! The two simulated systems, each a server of its own on loopback.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running simulator. It ends when this is dropped.
#[derive(Debug)]
pub struct Simulated {
    name: &'static str,
    url: String,
    http: reqwest::Client,
    task: JoinHandle<std::io::Result<()>>,
}

impl Simulated {
    /// Starts the server that `serve` makes of a listener.
    pub(crate) async fn start<F>(
        name: &'static str,
        serve: impl FnOnce(TcpListener) -> F,
    ) -> Result<Self>
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let http = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { name, url, http, task: tokio::spawn(serve(listener)) })
    }

    /// Its address: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Reads from its control API: `state`, `calls`.
    ///
    /// # Errors
    /// The simulator does not know that path.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.send(reqwest::Method::GET, path, None).await
    }

    /// Posts to its control API.
    ///
    /// # Errors
    /// What the simulator says against it.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(reqwest::Method::POST, path, Some(body)).await
    }

    /// Puts to its control API: `misbehaviour`, `settings`.
    ///
    /// # Errors
    /// What the simulator says against it.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(reqwest::Method::PUT, path, Some(body)).await
    }

    async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let address = format!("{}/simulator/{path}", self.url);
        let request = self.http.request(method, &address);
        let request = if let Some(body) = body { request.json(body) } else { request };
        let answer = request.send().await.with_context(|| format!("{} at {address}", self.name))?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{} at {address}: {status}: {text}", self.name);
        }
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.task.abort();
    }
}
