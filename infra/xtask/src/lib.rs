//! What `cargo demo` and `cargo test-all` have in common: one build of everything they run, with
//! visible progress.
//!
//! Every build here is of the whole workspace (`--workspace`, never `--package`): cargo then
//! selects the same features each time, and compiles no dependency twice.

pub mod cargo;
pub mod progress;
pub mod test_all;
