//! What HTTP clients of this crate share: how one is built, how an answer is read within bounds,
//! how its failures are told, and waits that do not fall together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Response, redirect};

/// Names connector and version to the other side.
pub const USER_AGENT: &str = concat!("prima-mirakl-connector/", env!("CARGO_PKG_VERSION"));

/// A client with what all clients of this crate share: no redirects, no repeats of its own, connections that Lambda
/// froze are not trusted. A request sets its own total time-out.
pub fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(Duration::from_secs(5))
        // Lambda freezes between invocations: a connection that was idle for long may be dead when
        // it thaws.
        .pool_idle_timeout(Duration::from_secs(15))
        // A redirect could carry a key to another host.
        .redirect(redirect::Policy::none())
        // Repeats are decided by what a request does, in one place only.
        .retry(reqwest::retry::never())
}

/// Why a body was not read to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// It has more bytes than so many, once unpacked.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The connection failed, or the time was over, before its end.
    #[error("the answer was cut: {0}")]
    Cut(String),
}

/// Reads a body as it arrives, up to `limit` bytes of what it unpacks to.
///
/// # Errors
/// It is larger, or does not arrive to its end.
pub async fn read_limited(response: Response, limit: usize) -> Result<Vec<u8>, Unread> {
    let (body, unread) = read_beginning(response, limit).await;
    unread.map_or(Ok(body), Err)
}

/// As much of a body as arrives within `limit` bytes, and why that is not all of it.
pub async fn read_beginning(mut response: Response, limit: usize) -> (Vec<u8>, Option<Unread>) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(None) => return (body, None),
            Ok(Some(chunk)) => {
                let room = limit - body.len();
                body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                if chunk.len() > room {
                    return (body, Some(Unread::TooLarge(limit)));
                }
            }
            Err(problem) => return (body, Some(Unread::Cut(causes(&problem)))),
        }
    }
}

/// An error and its causes, without the URL: it may hold ids, and says nothing that the operation
/// does not.
#[must_use]
pub fn causes(problem: &reqwest::Error) -> String {
    use std::error::Error as _;
    let mut text = if problem.is_timeout() {
        "no answer in time".to_owned()
    } else if problem.is_builder() {
        "no request can be made".to_owned()
    } else {
        "the connection failed".to_owned()
    };
    let mut cause = problem.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Spreads waits, so that those who failed together do not return together. The same seed gives the
/// same spread.
#[derive(Debug)]
pub struct Jitter(AtomicU64);

impl Jitter {
    /// A spread from `seed`.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Between half of `wait` and all of it.
    #[must_use]
    pub fn spread(&self, wait: Duration) -> Duration {
        let share = fastrand::Rng::with_seed(self.0.fetch_add(1, Ordering::Relaxed)).f64();
        wait / 2 + (wait / 2).mul_f64(share)
    }
}

/// `first`, doubled for each round after the first (counted from 0), and never more than half a
/// minute.
#[must_use]
pub fn backoff(first: Duration, round: u32) -> Duration {
    first.saturating_mul(1 << round.min(16)).min(Duration::from_secs(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_spread_over_the_upper_half_and_repeat_with_their_seed() {
        let wait = Duration::from_secs(1);
        let (one, same, other) = (Jitter::seeded(7), Jitter::seeded(7), Jitter::seeded(8));
        let waits: Vec<_> = (0..200).map(|_| one.spread(wait)).collect();
        assert!(waits.iter().all(|&spread| spread >= wait / 2 && spread <= wait));
        let distinct: std::collections::BTreeSet<_> = waits.iter().collect();
        assert!(distinct.len() > 150, "only {} different waits", distinct.len());
        assert_eq!(waits, (0..200).map(|_| same.spread(wait)).collect::<Vec<_>>());
        assert_ne!(waits, (0..200).map(|_| other.spread(wait)).collect::<Vec<_>>());
    }

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let waits: Vec<_> = [0, 1, 2, 40]
            .map(|round| backoff(Duration::from_millis(400), round).as_millis())
            .into();
        assert_eq!(waits, [400, 800, 1600, 30_000]);
    }
}
