//! `template.yaml` as data, for checks that need no AWS.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::local_aws::environment;
use crate::paths;

/// The template with its short-form functions written out (`{"Ref": ..}`, `{"Fn::GetAtt": [..,
/// ..]}`).
///
/// # Errors
/// The Python environment cannot be made, or the template is no YAML.
pub async fn read() -> Result<Value> {
    run(&[]).await
}

/// What `CloudFormation` makes of the template: every resource that the transform of SAM adds, and
/// every permission.
///
/// # Errors
/// As [`read`], or the transform refuses the template.
pub async fn transformed() -> Result<Value> {
    run(&["--transformed"]).await
}

async fn run(options: &[&str]) -> Result<Value> {
    let output = Command::new(environment().await?)
        .arg(paths::python_sources().join("template.py"))
        .args(options)
        .arg(paths::workspace().join("template.yaml"))
        .output()
        .await?;
    if !output.status.success() {
        bail!("template.yaml cannot be read: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("template.yaml as JSON")
}
