//! Too much at once is told to wait, with the time, in both languages.

use std::time::Duration;

use http::{StatusCode, header};

use super::{COURT, dressed, scene_with, visitor::Page};

/// The seconds that a page says to wait.
#[track_caller]
fn wait(page: &Page, words: &str) -> u64 {
    dressed(page);
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS, "{}", page.text);
    let id = page.headers["x-request-id"].to_str().unwrap();
    let seconds = page.headers[header::RETRY_AFTER].to_str().unwrap();
    for words in [words, id, seconds] {
        assert!(page.text.contains(words), "{words}: {}", page.text);
    }
    seconds.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_logs_in_looks_up_or_asks_too_often_is_told_when_to_come_again() {
    let limits = "limits = { logins_per_minute = 20, lookups_per_minute = 3, checks_per_minute = 20 }";
    let scene = scene_with(limits).await;
    let mut me = scene.visitor();
    me.log_in("paper").await;
    // Lookups: by account, whatever the session, and no other account's.
    for _ in 0..3 {
        assert_eq!(me.get("/en/asked").await.status, StatusCode::OK);
    }
    let seconds = wait(&me.get("/en/asked").await, "Too many requests");
    assert!((1..=20).contains(&seconds), "{seconds}");
    wait(&me.get("/zh/asked.csv").await, "操作过于频繁");
    let mut again = scene.visitor();
    again.log_in("paper").await;
    wait(&again.get("/en/asked").await, "Too many requests");
    let mut other = scene.visitor();
    other.log_in("agent").await;
    assert_eq!(other.get("/en/asked").await.status, StatusCode::OK);
    assert_eq!(me.get("/en/").await.status, StatusCode::OK, "what looks nothing up is not counted");
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    assert_eq!(me.get("/en/asked").await.status, StatusCode::OK, "then it is answered");

    // Lists, as many as a form names: all of them or none.
    let csrf = me.get("/en/").await.csrf();
    let ask = |count: usize| {
        let mut form = vec![("csrf", csrf.as_str())];
        form.extend(std::iter::repeat_n(("list", COURT), count));
        form
    };
    for count in [2, 19, 18] {
        let page = me.post("/en/lists/check", &ask(count)).await;
        if count == 19 {
            wait(&page, "Too many requests");
        } else if count == 2 {
            assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        }
    }
    wait(&me.post("/en/lists/check", &ask(1)).await, "Too many requests");

    // Logins, over all: three are done, each with its page and its form.
    let mut stranger = scene.visitor();
    let mut refused = None;
    for _ in 0..60 {
        stranger.cookie = None;
        let page = stranger.get("/en/login").await;
        if page.status != StatusCode::OK {
            refused = Some(page);
            break;
        }
    }
    let refused = refused.expect("there is an end to logins");
    wait(&refused, "Too many requests");
    assert!(refused.headers.get(header::SET_COOKIE).is_none(), "no session is begun");
    assert_eq!(me.get("/en/").await.status, StatusCode::OK, "who is logged in goes on");
}
