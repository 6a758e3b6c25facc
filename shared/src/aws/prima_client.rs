//! The client of the site's Prima, made from the installation document, and anew when that changes.

use std::sync::{Mutex, PoisonError};

use crate::aws::documents::Documents;
use crate::domain::documents::DocumentKey;
use crate::domain::installation::Installation;
use crate::domain::prima_calls::PrimaCaller;
use crate::kit::clock::SystemClock;
use crate::prima::PrimaClient;

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
    /// There is no such document, it cannot be read, or it cannot be used: what is wrong, and the remedy.
    pub async fn now(&self, documents: &Documents) -> Result<(Installation, PrimaClient<SystemClock>), String> {
        let read = documents.read(&DocumentKey::Installation).await.map_err(|problem| problem.to_string())?;
        let installation: Installation = read.ok_or(
            "there is no installation document: write one (infra/seed/installation.json shows how) and load it with prima-mirakl installation put FILE",
        )?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made_from, client)) = made.as_ref()
            && *made_from == installation
        {
            return Ok((installation, client.clone()));
        }
        let client = installation.prima_client(self.caller, SystemClock);
        let client = client.map_err(|problems| {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            format!("the installation document cannot be used: {}", problems.join("; "))
        })?;
        *made = Some((installation.clone(), client.clone()));
        Ok((installation, client))
    }
}
