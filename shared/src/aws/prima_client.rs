//! The client of the site's Prima, made from the installation document, and anew when that changes.

use std::sync::{Mutex, PoisonError};

use crate::aws::documents::Documents;
use crate::domain::documents::DocumentKey;
use crate::domain::installation::Installation;
use crate::domain::prima_calls::PrimaCaller;
use crate::domain::state::StoreError;
use crate::kit::clock::SystemClock;
use crate::kit::field_error::FieldError;
use crate::prima::PrimaClient;

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotInstalled {
    /// Nobody has written the document.
    #[error(
        "there is no installation document: write one (infra/seed/installation.json shows how) and load it with prima-mirakl installation put FILE"
    )]
    Missing,
    /// The document cannot be read.
    #[error(transparent)]
    Unread(#[from] StoreError),
    /// The document is wrong.
    #[error("the installation document cannot be used: {}", one_after_the_other(.0))]
    Unusable(Vec<FieldError>),
}

fn one_after_the_other(problems: &[FieldError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Documents {
    /// The installation document as it stands now.
    ///
    /// # Errors
    /// There is none, it cannot be read, or it does not have its shape.
    pub async fn installation(&self) -> Result<Installation, NotInstalled> {
        let read = self.read(&DocumentKey::Installation).await?;
        read.ok_or(NotInstalled::Missing)
    }
}

/// A process's client.
#[derive(Debug)]
pub struct Installed {
    caller: PrimaCaller,
    made: Mutex<Option<(Installation, PrimaClient<SystemClock>)>>,
}

impl Installed {
    /// None yet.
    #[must_use]
    pub fn new(caller: PrimaCaller) -> Self {
        Self { caller, made: Mutex::new(None) }
    }

    /// The installation document as it stands now, and the client made from it.
    ///
    /// # Errors
    /// There is no such document, it cannot be read, or it cannot be used.
    pub async fn now(
        &self,
        documents: &Documents,
    ) -> Result<(Installation, PrimaClient<SystemClock>), NotInstalled> {
        let installation = documents.installation().await?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made_from, client)) = made.as_ref()
            && *made_from == installation
        {
            return Ok((installation, client.clone()));
        }
        let client = installation.prima_client(self.caller, SystemClock);
        let client = client.map_err(NotInstalled::Unusable)?;
        *made = Some((installation.clone(), client.clone()));
        Ok((installation, client))
    }
}
