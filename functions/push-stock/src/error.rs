//! Why a run published nothing.

use shared::domain::documents::UnusableDocument;
use shared::domain::state::StoreError;
use shared::domain::stock::snapshot::SalesUnknown;

/// What a run cannot do without, and could not read or keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Channels or their documents.
    #[error(transparent)]
    Documents(#[from] UnusableDocument),
    /// What is remembered, what is in flight, or Prima's figures.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What another channel has sold.
    #[error(transparent)]
    Sales(#[from] SalesUnknown),
}
