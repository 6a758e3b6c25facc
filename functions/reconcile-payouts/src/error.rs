//! Why a run ends early.

use shared::domain::documents::UnusableDocument;
use shared::domain::state::StoreError;

/// What a run cannot do without, and could not read or keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReconcileError {
    /// The channels.
    #[error(transparent)]
    Documents(#[from] UnusableDocument),
    /// Rows or files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of lines or a journal is there, and cannot be read as one.
    #[error("file {name} cannot be read: {problem}")]
    File {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
}
