//! `template.yaml` as data, for checks that need no AWS.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::local_aws::environment;
use crate::paths;

/// The template with its short-form functions written out (`{"Ref": ..}`, `{"Fn::GetAtt": [.., ..]}`).
///
/// # Errors
/// The Python environment cannot be made, or the template is no YAML.
pub async fn read() -> Result<Value> {
    let output = Command::new(environment().await?)
        .arg(paths::python_sources().join("template.py"))
        .arg(paths::workspace().join("template.yaml"))
        .output()
        .await?;
    if !output.status.success() {
        bail!("template.yaml cannot be read: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("template.yaml as JSON")
}
