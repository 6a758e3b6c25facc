//! What a call does when things go wrong on the way.

use std::time::Duration;

use super::server::{Marketplace, NEW_KEY, OLD_KEY, Reply, answer, cut, ok};
use crate::mirakl::call::{Call, Repeat};
use crate::mirakl::{MiraklError, Outcome};

const PLENTY: Duration = Duration::from_secs(600);
const SECOND: Duration = Duration::from_secs(1);

async fn send(
    marketplace: &Marketplace,
    repeat: Repeat,
    budget: Duration,
) -> Result<Vec<u8>, MiraklError> {
    let method = if repeat == Repeat::Safe { reqwest::Method::GET } else { reqwest::Method::PUT };
    let call = Call::new("OR99", method, &["api", "things", "a/b"], repeat).query("x", "1,2");
    marketplace.client(budget).caller.send(&call).await
}

fn busy(headers: &str) -> Reply {
    answer("429 Too Many Requests", headers, "")
}

/// A wait that is asked for in seconds is kept and hardly exceeded.
#[tokio::test]
async fn a_requested_wait_in_seconds_is_kept_almost_exactly() {
    for repeat in [Repeat::Safe, Repeat::Convergent, Repeat::AskFirst] {
        let marketplace = Marketplace::with(vec![
            busy("Retry-After: 7\r\n"),
            busy("Retry-After: 0\r\n"),
            ok("{}"),
        ]);
        send(&marketplace, repeat, PLENTY).await.unwrap();
        let waits = marketplace.clock.waits();
        assert_eq!(waits.len(), 2);
        assert!(waits[0] >= 7 * SECOND && waits[0] < 8 * SECOND, "{waits:?}");
        assert!(waits[1] > Duration::ZERO && waits[1] < SECOND, "{waits:?}");
    }
}

#[tokio::test]
async fn a_wait_may_be_asked_for_as_a_date() {
    // The standing clock begins at 10:00:00; the second date has passed.
    let date = |time| busy(&format!("Retry-After: Fri, 20 Nov 2026 {time} GMT\r\n"));
    let marketplace = Marketplace::with(vec![date("10:00:30"), date("09:00:00"), ok("{}")]);
    send(&marketplace, Repeat::Safe, PLENTY).await.unwrap();
    let waits = marketplace.clock.waits();
    assert!(waits[0] >= 30 * SECOND && waits[0] < 31 * SECOND && waits[1] < SECOND, "{waits:?}");
}

#[tokio::test]
async fn a_429_without_a_usable_header_is_met_with_growing_waits() {
    let marketplace = Marketplace::with(vec![busy(""), busy("Retry-After: soon\r\n"), ok("{}")]);
    send(&marketplace, Repeat::Safe, PLENTY).await.unwrap();
    let waits = marketplace.clock.waits();
    assert!(waits[0] >= 2 * SECOND && waits[1] >= 5 * SECOND && waits[1] > waits[0], "{waits:?}");
}

#[tokio::test]
async fn a_wait_beyond_the_budget_is_not_begun() {
    let marketplace = Marketplace::with(vec![busy("Retry-After: 60\r\n"), ok("{}")]);
    let problem = send(&marketplace, Repeat::Safe, 30 * SECOND).await.unwrap_err();
    assert_eq!(
        (problem.status, problem.outcome, problem.retry_after, problem.kind()),
        (Some(429), Outcome::Refused, Some(60 * SECOND), "rate")
    );
    assert!(marketplace.clock.waits().is_empty());
    assert_eq!(marketplace.requests().len(), 1);
}

#[tokio::test]
async fn without_time_nothing_is_sent() {
    let marketplace = Marketplace::with(vec![ok("{}")]);
    let problem = send(&marketplace, Repeat::Safe, Duration::from_millis(100)).await.unwrap_err();
    assert_eq!((problem.outcome, marketplace.requests().len()), (Outcome::NotSent, 0));
}

#[tokio::test]
async fn silence_ends_with_the_budget_and_leaves_the_effect_open() {
    let marketplace = Marketplace::with(vec![Reply::Silence]);
    let problem = send(&marketplace, Repeat::Safe, Duration::from_millis(600)).await.unwrap_err();
    assert_eq!((problem.outcome, problem.status), (Outcome::Unknown, None));
    assert!(problem.message.contains("no answer in time"), "{problem}");
}

/// Server errors and lost answers are repeated only where a repeat is harmless.
#[tokio::test]
async fn only_harmless_calls_repeat_after_errors_or_lost_answers() {
    let troubles: [fn() -> Reply; 4] = [
        || answer("500 Internal Server Error", "", "{}"),
        || answer("503 Service Unavailable", "", ""),
        || Reply::HangUp,
        cut,
    ];
    for trouble in troubles {
        for repeat in [Repeat::Safe, Repeat::Convergent] {
            let marketplace = Marketplace::with(vec![trouble(), trouble(), ok("{\"good\":1}")]);
            assert_eq!(send(&marketplace, repeat, PLENTY).await.unwrap(), b"{\"good\":1}");
            assert!(marketplace.clock.waits().is_sorted(), "{:?}", marketplace.clock.waits());
        }
        for repeat in [Repeat::AskFirst, Repeat::Never] {
            let marketplace = Marketplace::with(vec![trouble(), ok("{}")]);
            let problem = send(&marketplace, repeat, PLENTY).await.unwrap_err();
            assert_eq!(
                (problem.outcome, marketplace.requests().len()),
                (Outcome::Unknown, 1),
                "{repeat:?}: {problem}"
            );
        }
    }
}

#[tokio::test]
async fn a_server_that_stays_broken_is_given_up_on() {
    let marketplace = Marketplace::with(
        (0..9)
            .map(|_| answer("502 Bad Gateway", "", "<html><h1>Bad Gateway</h1></html>"))
            .collect(),
    );
    let problem = send(&marketplace, Repeat::Safe, PLENTY).await.unwrap_err();
    assert_eq!(
        (problem.status, problem.message.as_str(), problem.kind()),
        (Some(502), "Bad Gateway", "server")
    );
    assert_eq!(marketplace.requests().len(), 4);
}

#[tokio::test]
async fn a_call_that_never_repeats_takes_a_429_as_its_answer() {
    let marketplace = Marketplace::with(vec![busy("Retry-After: 1\r\n"), ok("{}")]);
    assert_eq!(send(&marketplace, Repeat::Never, PLENTY).await.unwrap_err().status, Some(429));
    assert_eq!(marketplace.requests().len(), 1);
}

/// A refused connection sent nothing, and the call is repeated for every class but the one that is
/// never repeated.
#[tokio::test]
async fn a_refused_connection_is_retried_unless_repeats_are_banned() {
    for (repeat, waits) in [(Repeat::Safe, 3), (Repeat::AskFirst, 3), (Repeat::Never, 0)] {
        let mut marketplace = Marketplace::with(Vec::new());
        // A port that nobody listens on: it was given out and given back.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        marketplace.base_url = format!("http://{address}");
        let problem = send(&marketplace, repeat, PLENTY).await.unwrap_err();
        assert_eq!((problem.outcome, problem.kind()), (Outcome::NotSent, "unsent"), "{problem}");
        assert_eq!(marketplace.clock.waits().len(), waits);
    }
}

#[tokio::test]
async fn a_redirect_is_refused_and_its_target_sees_nothing() {
    let target = Marketplace::with(vec![ok("{}")]);
    let location = format!("Location: {}/api/things\r\n", target.base_url);
    let marketplace = Marketplace::with(vec![answer("302 Found", &location, "")]);
    let problem = send(&marketplace, Repeat::Safe, PLENTY).await.unwrap_err();
    assert_eq!((problem.status, problem.outcome), (Some(302), Outcome::Refused));
    assert!(problem.message.contains("base_url"), "{problem}");
    assert_eq!(target.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn an_oversize_answer_is_not_read_to_its_end() {
    let marketplace = Marketplace::with(vec![Reply::Flood(40 << 20), ok("{}")]);
    let problem = send(&marketplace, Repeat::Safe, PLENTY).await.unwrap_err();
    assert_eq!(problem.outcome, Outcome::Unknown);
    assert!(problem.message.contains("larger than"), "{problem}");
}

#[tokio::test]
async fn a_key_that_was_replaced_is_read_again_once() {
    let unauthorised =
        || answer("401 Unauthorized", "", r#"{"code":401,"message":"Unauthorized"}"#);
    let mut marketplace = Marketplace::with(vec![unauthorised(), ok("{}")]);
    marketplace.keys.stored = Some(Ok(NEW_KEY.into()));
    send(&marketplace, Repeat::AskFirst, PLENTY).await.unwrap();
    let requests = marketplace.requests();
    assert!(
        requests[0].contains(OLD_KEY)
            && requests[1].contains(NEW_KEY)
            && !requests[1].contains(OLD_KEY)
    );

    // Refused again: there is no third try.
    let mut marketplace = Marketplace::with(vec![unauthorised(), unauthorised(), ok("{}")]);
    marketplace.keys.stored = Some(Ok(NEW_KEY.into()));
    let problem = send(&marketplace, Repeat::Safe, PLENTY).await.unwrap_err();
    assert!(problem.is_key_refused());
    assert_eq!((marketplace.requests().len(), *marketplace.keys.refreshed.lock().unwrap()), (2, 1));

    // The same key, or none to be had: the refusal stands as it came.
    let none = crate::mirakl::keys::KeyError::Malformed {
        secret: "uk".to_owned(),
        remedy: "store it".to_owned(),
    };
    for stored in [Ok(OLD_KEY.into()), Err(none)] {
        let mut marketplace = Marketplace::with(vec![unauthorised(), ok("{}")]);
        marketplace.keys.stored = Some(stored);
        assert!(send(&marketplace, Repeat::Safe, PLENTY).await.unwrap_err().is_key_refused());
        assert_eq!(marketplace.requests().len(), 1);
    }
}

#[tokio::test]
async fn each_request_names_shop_key_and_connector() {
    let marketplace = Marketplace::with(vec![ok("{}")]);
    send(&marketplace, Repeat::Safe, PLENTY).await.unwrap();
    let request = marketplace.requests().remove(0).to_ascii_lowercase();
    assert!(
        request.starts_with("get /api/things/a%2fb?x=1%2c2&shop_id=2001 http/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains(&format!("\r\nauthorization: {OLD_KEY}\r\n")), "{request}");
    assert!(request.contains("\r\nuser-agent: prima-mirakl-connector/"), "{request}");
    assert!(request.contains("\r\naccept-encoding: gzip\r\n"), "{request}");
}

#[tokio::test]
async fn the_key_shows_in_no_error_and_no_debug_text() {
    let troubles = vec![
        answer("401 Unauthorized", "", ""),
        answer("400 Bad Request", "", "{}"),
        cut(),
        Reply::HangUp,
        answer("302 Found", "", ""),
    ];
    for trouble in troubles {
        let marketplace = Marketplace::with(vec![trouble]);
        let client = marketplace.client(Duration::from_millis(700));
        let problem = client.caller.send(&Call::get("OR11", &["api", "orders"])).await.unwrap_err();
        for text in [format!("{problem}"), format!("{problem:?}"), format!("{client:?}")] {
            assert!(!text.contains("never-to-be-shown"), "{text}");
        }
    }
}

#[tokio::test]
async fn an_id_that_would_lead_elsewhere_is_not_sent() {
    let marketplace = Marketplace::with(vec![ok("{}")]);
    for id in ["", ".", ".."] {
        let call = Call::get("OR11", &["api", "orders", id, "accept"]);
        let problem = marketplace.client(PLENTY).caller.send(&call).await.unwrap_err();
        assert_eq!(problem.outcome, Outcome::NotSent);
    }
    assert_eq!(marketplace.requests().len(), 0);
}
