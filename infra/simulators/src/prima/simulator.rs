//! A simulator: an installation with the settings of its adapter, and what goes wrong on purpose.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::calls::Calls;
use super::model::Installation;
use super::queue::Workers;
use super::settings::Settings;
use crate::misbehaviour::{Misbehaviour, Plan};
use crate::recording::Recorder;

/// How a simulator starts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The installation and its adapter.
    pub settings: Settings,
    /// What goes wrong.
    pub misbehaviour: Plan,
}

/// A running simulator, shared by the calls it answers and by a test in the same process.
#[derive(Debug)]
pub struct Simulator {
    settings: RwLock<Arc<Settings>>,
    installation: Mutex<Installation>,
    pub(super) misbehaviour: Misbehaviour,
    pub(super) calls: Calls,
    pub(super) workers: Arc<Workers>,
    pub(super) recorder: Option<Recorder>,
}

impl Simulator {
    /// A simulator without orders.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            installation: Mutex::new(installation_of(&config.settings)),
            settings: RwLock::new(Arc::new(config.settings)),
            misbehaviour: Misbehaviour::new(config.misbehaviour),
            calls: Calls::default(),
            workers: Arc::default(),
            recorder: None,
        }
    }

    /// Records every SOAP call from now on, customers' data included: for invented customers only.
    #[must_use]
    pub fn recording(mut self, recorder: Recorder) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// The installation, for looking and moving orders.
    pub fn installation(&self) -> MutexGuard<'_, Installation> {
        self.installation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The settings as they stand.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the settings for the calls that come from now on.
    pub fn set_settings(&self, settings: Settings) {
        let mut installation = self.installation();
        installation.set_rules(settings.orders.clone());
        installation.set_stock_rules(settings.stock.clone());
        installation.set_book_rules(settings.books.clone());
        drop(installation);
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// The misbehaviour, to be changed while the simulator runs.
    #[must_use]
    pub fn misbehaviour(&self) -> &Misbehaviour {
        &self.misbehaviour
    }

    /// Forgets every order and call.
    pub(super) fn reset(&self) {
        *self.installation() = installation_of(&self.settings());
        self.calls.forget();
    }

    /// Takes one late effect from those that remain; none if effects are in time.
    pub(super) fn late_effect(&self) -> Option<SignedDuration> {
        let mut guard = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        let delay = i64::try_from(guard.effect_delay_ms).ok().filter(|delay| *delay > 0)?;
        if let Some(remaining) = guard.late_effects_remaining {
            let settings = Arc::make_mut(&mut guard);
            settings.late_effects_remaining = Some(remaining.checked_sub(1)?);
        }
        Some(SignedDuration::from_millis(delay))
    }
}

/// An empty installation that keeps books.
fn installation_of(settings: &Settings) -> Installation {
    let mut installation =
        Installation::with_stock(settings.orders.clone(), settings.stock.clone());
    installation.set_book_rules(settings.books.clone());
    installation
}
