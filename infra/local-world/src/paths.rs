//! Where things lie: everything made goes under `target/`.

use std::path::{Path, PathBuf};

/// The workspace: where `template.yaml` is.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_owned()
}

/// Cargo's target directory.
#[must_use]
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), |directory| workspace().join(directory))
}

/// The Python programs of this package.
pub(crate) fn python_sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}
