//! The exhaustive sweep: one compact run through every path, repeated once for each of its calls
//! with a crash just before it, once with a crash just after it, and with a failure or a lost
//! answer where the call has one.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::compact::compact;
use super::run::{Outcome, run};
use crate::world::fate::{Described, Fate, Kind, Script};

/// Threads that share the runs.
const THREADS: usize = 2;

/// What the sweep did.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// Calls of the run that nothing spoils.
    pub calls: usize,
    /// `NewOrder` among them: a crash after it is tried twice, since its effect may come at once or
    /// late.
    pub new_orders: usize,
    /// Runs with one crash.
    pub crashes: usize,
    /// Runs with a failure or a lost answer.
    pub failures: usize,
    /// Runs with two crashes.
    pub pairs: usize,
    /// What broke a promise, in the order of the calls.
    pub broken: Vec<Broken>,
}

/// A run that broke a promise.
#[derive(Clone, Debug)]
pub struct Broken {
    /// What was done to it; `None`: nothing.
    pub script: Option<Script>,
    /// The call that met its fate.
    pub call: Option<Described>,
    /// The promises broken.
    pub violations: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.script, &self.call) {
            (Some(script), Some(call)) => {
                write!(formatter, "{script} ({:?} {})", call.kind, call.about)?
            }
            _ => formatter.write_str("the run that nothing spoils")?,
        }
        write!(formatter, ": {}", self.violations.join("\n    "))
    }
}

/// Runs the compact plan, spoilt or not.
#[must_use]
pub fn rehearse(script: Option<Script>, traced: bool) -> Outcome {
    run(compact(), script, traced)
}

/// How much is swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The calls that have an effect.
    Effects,
    /// Every call, reading ones too; and every so many, a crash at the call and again at its next
    /// attempt.
    Calls {
        /// How many calls lie between two such pairs.
        pairs: usize,
    },
}

/// Sweeps the compact run. Ends early after `enough` broken runs.
#[must_use]
pub fn sweep(scope: Scope, enough: usize) -> Swept {
    let clean = rehearse(None, false);
    let calls = clean.calls;
    let new_orders = calls.iter().filter(|call| call.kind == Kind::NewOrder).count();
    let mut swept = Swept { calls: calls.len(), new_orders, ..Swept::default() };
    if !clean.violations.is_empty() {
        swept.broken.push(Broken { script: None, call: None, violations: clean.violations });
        return swept;
    }
    let scripts: Vec<Script> = scripts(&calls, scope);
    let next = AtomicUsize::new(0);
    let shared = Mutex::new(swept);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(&script) = scripts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let violations = rehearse(Some(script), false).violations;
                    let mut swept =
                        shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    match script.fate {
                        _ if script.again => swept.pairs += 1,
                        Fate::CrashBefore | Fate::CrashAfter => swept.crashes += 1,
                        _ => swept.failures += 1,
                    }
                    if !violations.is_empty() {
                        let call =
                            usize::try_from(script.at).ok().and_then(|at| calls.get(at).cloned());
                        swept.broken.push(Broken { script: Some(script), call, violations });
                        if swept.broken.len() >= enough {
                            next.store(scripts.len(), Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let mut swept = shared.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    swept.broken.sort_by_key(|broken| broken.script.map(|script| script.at));
    swept
}

fn scripts(calls: &[Described], scope: Scope) -> Vec<Script> {
    let mut scripts = Vec::new();
    for (at, call) in (0..).zip(calls) {
        let script = |fate, late, again| Script { at, fate, late, again };
        let has_effect = !matches!(
            call.kind,
            Kind::Load | Kind::Index | Kind::Rules | Kind::Key | Kind::List | Kind::Ask
        );
        if scope == Scope::Effects && !has_effect {
            continue;
        }
        scripts.push(script(Fate::CrashBefore, false, false));
        scripts.push(script(Fate::CrashAfter, false, false));
        scripts.push(script(Fate::Fails, false, false));
        if has_effect {
            scripts.push(script(Fate::AnswerLost, false, false));
        }
        if call.kind == Kind::NewOrder {
            scripts.push(script(Fate::CrashAfter, true, false));
            scripts.push(script(Fate::AnswerLost, true, false));
        }
        if let Scope::Calls { pairs } = scope
            && at % (pairs.max(1) as u64) == 0
        {
            scripts.push(script(Fate::CrashBefore, false, true));
            scripts.push(script(Fate::CrashAfter, true, true));
        }
    }
    scripts
}

const FATES: [(Fate, &str); 5] = [
    (Fate::Goes, "goes"),
    (Fate::Fails, "fails"),
    (Fate::AnswerLost, "answer-lost"),
    (Fate::CrashBefore, "crash-before"),
    (Fate::CrashAfter, "crash-after"),
];

impl fmt::Display for Script {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fate = FATES.iter().find(|(fate, _)| *fate == self.fate).map_or("", |(_, name)| name);
        let flag = |set: bool, name: &'static str| if set { name } else { "" };
        write!(
            formatter,
            "{}:{fate}{}{}",
            self.at,
            flag(self.late, ":late"),
            flag(self.again, ":again")
        )
    }
}

impl FromStr for Script {
    type Err = String;

    /// `153:crash-after`, `153:answer-lost:late`, `153:crash-before:again`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let at = parts
            .next()
            .and_then(|part| part.parse().ok())
            .ok_or("begins with the number of a call")?;
        let name = parts.next().unwrap_or_default();
        let (fate, _) = FATES
            .into_iter()
            .find(|(_, known)| *known == name)
            .ok_or(format!("{name:?} is no fate of a call"))?;
        let mut script = Self { at, fate, late: false, again: false };
        for part in parts {
            match part {
                "late" => script.late = true,
                "again" => script.again = true,
                _ => return Err(format!("{part:?} is neither late nor again")),
            }
        }
        Ok(script)
    }
}
