//! Where things lie: everything made goes under `target/`.

use std::path::{Path, PathBuf};

pub use xtask::cargo::{target, workspace};

/// The Python programs of this package.
pub(crate) fn python_sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}
