//! The copy of the workspace that bugs are planted into, with a target directory of its own.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use system_tests::simulation::hunt::Hunt;

use crate::bugs::{Bug, Simulation};

/// A hunt that takes longer never ends: virtual time stands still.
const PATIENCE: Duration = Duration::from_secs(600);

/// A copy of the workspace under `target/planted`.
pub(crate) struct Tree {
    source: PathBuf,
    copy: PathBuf,
    target: PathBuf,
}

/// A bug in the tree.
pub(crate) struct Planted<'t> {
    tree: &'t Tree,
    files: Vec<PathBuf>,
}

impl Tree {
    /// Copies what has changed, so that only that is compiled anew.
    pub(crate) fn copied(source: &Path) -> anyhow::Result<Self> {
        let base = source.join("target/planted");
        let tree = Self {
            source: source.to_owned(),
            copy: base.join("tree"),
            target: base.join("target"),
        };
        let mut files = Vec::new();
        walk(source, source, &mut files)?;
        for file in &files {
            tree.restore(file)?;
        }
        let wanted: HashSet<PathBuf> = files.into_iter().collect();
        let mut copied = Vec::new();
        walk(&tree.copy, &tree.copy, &mut copied)?;
        for file in copied.into_iter().filter(|file| !wanted.contains(file)) {
            fs::remove_file(tree.copy.join(&file))
                .with_context(|| format!("cannot remove the copy of {}", file.display()))?;
        }
        Ok(tree)
    }

    fn restore(&self, file: &Path) -> anyhow::Result<()> {
        let content = fs::read(self.source.join(file))
            .with_context(|| format!("cannot read {}", file.display()))?;
        self.write(file, &content)
    }

    /// Leaves a file alone that is as it should be: its time tells cargo what to compile.
    fn write(&self, file: &Path, content: &[u8]) -> anyhow::Result<()> {
        let path = self.copy.join(file);
        if fs::read(&path).is_ok_and(|present| present == content) {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Plants a bug.
    pub(crate) fn plant(&self, bug: &Bug) -> anyhow::Result<Planted<'_>> {
        let mut files = Vec::new();
        for (file, text) in bug.planted(&self.source)? {
            self.write(&file, text.as_bytes())?;
            files.push(file);
        }
        Ok(Planted { tree: self, files })
    }

    /// Builds the tree and hunts through it.
    pub(crate) fn hunt(&self, simulation: Simulation, seeds: u64) -> anyhow::Result<Hunt> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let build = Command::new(cargo)
            .args(["build", "--quiet", "--locked", "--bin", "hunt"])
            .current_dir(&self.copy)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_INCREMENTAL", "1")
            .output()
            .context("cargo cannot be started")?;
        if !build.status.success() {
            bail!("the tree does not compile:\n{}", String::from_utf8_lossy(&build.stderr));
        }
        let mut hunter = Command::new(self.target.join("debug/hunt"))
            .args(["--simulation", simulation.name(), "--seeds", &seeds.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the hunt cannot be started")?;
        let started = Instant::now();
        while hunter.try_wait()?.is_none() {
            if started.elapsed() > PATIENCE {
                hunter.kill()?;
                hunter.wait()?;
                return Ok(Hunt {
                    shown_by: Some("every run".to_owned()),
                    violation: "it never ends".to_owned(),
                    ..Hunt::default()
                });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let output = hunter.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().last().unwrap_or_default();
        serde_json::from_str(line)
            .with_context(|| format!("the hunt ended with {} and said {text:?}", output.status))
    }
}

impl Planted<'_> {
    /// Makes the tree sound again.
    pub(crate) fn pull_out(self) -> anyhow::Result<()> {
        self.files.iter().try_for_each(|file| self.tree.restore(file))
    }
}

/// The files below a folder, from `root`; without build output and hidden folders, but with cargo's
/// configuration.
fn walk(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let is_hidden = name.starts_with('.') && name != ".cargo";
        if entry.file_type()?.is_dir() {
            if name != "target" && !is_hidden {
                walk(root, &path, files)?;
            }
        } else if !is_hidden {
            files.push(path.strip_prefix(root)?.to_owned());
        }
    }
    Ok(())
}
