//! A server on this machine that gives prepared answers, one a connection, and keeps what it was
//! asked; and a clock that stands still but for the waits.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use crate::kit::clock::{Clock, after};
use crate::mirakl::client::Shop;
use crate::mirakl::client::{HttpDirectory, MiraklClient};
use crate::mirakl::keys::{ApiKeys, KeyError};

pub(crate) const START: &str = "2026-11-20T10:00:00Z";
pub(crate) const OLD_KEY: &str = "old-key-never-to-be-shown";
pub(crate) const NEW_KEY: &str = "new-key-never-to-be-shown";

/// How one connection is answered.
pub(crate) enum Reply {
    /// These bytes, then the connection closes.
    Bytes(Vec<u8>),
    /// A success whose body has this many bytes.
    Flood(usize),
    /// The request is read, and the connection closes.
    HangUp,
    /// The request is read, and nothing follows.
    Silence,
    /// These bytes, and nothing follows.
    Stall(Vec<u8>),
}

/// A whole answer.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Bytes(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}").into_bytes())
}

pub(crate) fn ok(body: &str) -> Reply {
    answer("200 OK", "Content-Type: application/json\r\n", body)
}

/// A success that stops in the middle of its body.
pub(crate) fn cut() -> Reply {
    Reply::Bytes(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nConnection: close\r\n\r\n{\"orders\":["
            .to_vec(),
    )
}

/// What was asked so far, and a shop that asks it.
pub(crate) struct Marketplace {
    pub(crate) base_url: String,
    pub(crate) clock: StandingClock,
    pub(crate) keys: TestKeys,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Marketplace {
    /// The shop that asks it.
    pub(crate) fn shop(&self) -> Shop<'_> {
        Shop { channel_id: "outfitter-uk", base_url: &self.base_url, shop_id: Some(2001) }
    }

    /// Answers connection after connection as `script` says; more are not taken.
    pub(crate) fn with(script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for reply in script {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let Some(request) = read_request(&mut stream) else { return };
                kept.lock().unwrap().push(request);
                // The client may have gone away: that is its own matter.
                match reply {
                    Reply::Bytes(bytes) => drop(stream.write_all(&bytes)),
                    Reply::Flood(length) => drop(flood(&mut stream, length)),
                    Reply::HangUp => {}
                    Reply::Silence => silent.push(stream),
                    Reply::Stall(bytes) => {
                        drop(stream.write_all(&bytes));
                        silent.push(stream);
                    }
                }
            }
            // Connections that stay silent do so for as long as anybody listens.
            while !silent.is_empty() && listener.accept().is_ok() {}
        });
        Self { base_url, clock: StandingClock::default(), keys: TestKeys::default(), requests }
    }

    /// A client that may take `budget` on the standing clock.
    pub(crate) fn client(&self, budget: Duration) -> MiraklClient<TestKeys, StandingClock> {
        let directory =
            HttpDirectory::new(self.keys.clone(), self.clock.clone()).with_jitter_seed(1);
        directory.client_of(self.shop(), after(self.clock.now(), budget)).unwrap()
    }

    /// The requests that arrived, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn flood(stream: &mut TcpStream, length: usize) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
    let chunk = [b' '; 64 * 1024];
    for _ in 0..length.div_ceil(chunk.len()) {
        stream.write_all(&chunk)?;
    }
    Ok(())
}

fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let read = stream.read(&mut chunk).ok().filter(|&read| read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
    }
}

/// Moves by waits alone, and keeps them.
#[derive(Clone, Debug, Default)]
pub(crate) struct StandingClock(Arc<Mutex<Vec<Duration>>>);

impl StandingClock {
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.0.lock().unwrap().clone()
    }
}

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        after(START.parse().unwrap(), self.waits().into_iter().sum())
    }

    async fn sleep(&self, duration: Duration) {
        self.0.lock().unwrap().push(duration);
    }
}

/// Hands out the old key, until it is asked past its cache.
#[derive(Clone, Debug, Default)]
pub(crate) struct TestKeys {
    pub(crate) refreshed: Arc<Mutex<u32>>,
    /// What is stored now: `None` is the old key still.
    pub(crate) stored: Option<Result<SecretString, KeyError>>,
}

impl ApiKeys for TestKeys {
    async fn api_key(&self, _: &str, refresh: bool) -> Result<SecretString, KeyError> {
        if refresh {
            *self.refreshed.lock().unwrap() += 1;
        }
        match &self.stored {
            Some(stored) if refresh => stored.clone(),
            _ => Ok(OLD_KEY.into()),
        }
    }
}
