//! Who acted for whom is written down for the one whom it is about.

use http::StatusCode;
use tacit_identity::write_private;

use super::{
    COURT, Scene, dressed, portal, scene,
    visitor::{Page, Visitor},
};

#[track_caller]
fn says(page: &Page, words: &[&str]) {
    dressed(page);
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for words in words {
        assert!(page.text.contains(words), "{words:?} is not in {}", page.text);
    }
}

async fn begin(visitor: &mut Visitor, form: &[(&str, &str)]) -> StatusCode {
    let csrf = visitor.get("/en/acting").await.csrf();
    let form: Vec<_> = [("csrf", &*csrf)].into_iter().chain(form.iter().copied()).collect();
    visitor.post("/en/acting", &form).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_acts_for_another_is_written_down_for_them_with_what_was_refused() {
    let scene = scene().await;
    let mut me = scene.visitor();
    me.log_in("paper").await;
    says(&me.get("/en/acted").await, &["Nobody acted for you so far."]);
    me.get("/en/asked").await;

    // Under a mandate: what it allows, what it does not, and after its end.
    let mut agent = scene.visitor();
    agent.log_in("agent").await;
    assert_eq!(begin(&mut agent, &[("mandate", "0")]).await, StatusCode::SEE_OTHER);
    assert_eq!(agent.get("/en/asked").await.status, StatusCode::OK);
    assert_eq!(agent.get("/en/lists").await.status, StatusCode::FORBIDDEN);
    assert_eq!(agent.get("/en/asked/01KAM2V7Q3ZJ6V6T1V8M3W9R5C").await.status, StatusCode::NOT_FOUND);
    let csrf = agent.get("/en/").await.csrf();
    agent.post("/en/acting/stop", &[("csrf", &csrf)]).await;
    assert_eq!(begin(&mut agent, &[("mandate", "2")]).await, StatusCode::FORBIDDEN);
    // At a counter, with the code as a clerk types it.
    let mut clerk = scene.visitor();
    clerk.log_in("clerk").await;
    let typed = format!(" {} {}", &scene.codes[0][..9].to_lowercase(), &scene.codes[0][9..]);
    let form = [("scheme", "CN-USCC"), ("code", &typed), ("name", "Paper"), ("why", "cannot see the screen")];
    assert_eq!(begin(&mut clerk, &form).await, StatusCode::SEE_OTHER);
    let csrf = clerk.get("/en/lists").await.csrf();
    let checked = clerk.post("/en/lists/check", &[("csrf", &csrf), ("list", COURT)]).await;
    assert_eq!(checked.status, StatusCode::OK, "{}", checked.text);
    let id = checked.headers["x-request-id"].to_str().unwrap();

    let acted = me.get("/en/acted").await;
    says(
        &acted,
        &[
            "9 entries, newest first.",
            "agent<br>under a mandate",
            "Begin to act for you",
            "Read who asked about you",
            "the mandate does not cover this",
            "Not done: There is no such page",
            "01KAM2V7Q3ZJ6V6T1V8M3W9R5C",
            "Stop acting for you",
            "the mandate had ended",
            "clerk<br>as a clerk at a counter, because: cannot see the screen",
            "Ask whether you are on a list",
            COURT,
            id,
        ],
    );
    says(
        &me.get("/zh/acted").await,
        &["谁代我办理过", "凭委托办理", "窗口工作人员代办，原因：cannot see the screen", "委托已到期"],
    );
    // Nobody else reads it, and what one does for oneself is not in it.
    let mut agent = scene.visitor();
    agent.log_in("agent").await;
    says(&agent.get("/en/acted").await, &["Nobody acted for you so far."]);
    assert_eq!(
        clerk.get("/en/acted").await.status,
        StatusCode::OK,
        "the clerk, for the person who stands there"
    );
    for _ in 0..11 {
        assert_eq!(clerk.get("/en/consents").await.status, StatusCode::OK);
    }
    let first = me.get("/en/acted").await;
    says(&first, &["21 entries, newest first.", "Page 1 of 2", "Read who acted for you"]);
    let last = me.get("/en/acted?page=2").await;
    says(&last, &["Page 2 of 2"]);
    assert_eq!(last.text.matches("Begin to act for you").count(), 1, "the oldest stands on the last page");
    for odd in ["0", "99999999999999999999", "-1"] {
        assert_eq!(me.get(&format!("/en/acted?page={odd}")).await.status, StatusCode::OK, "{odd}");
    }
    for beyond in ["3", "18446744073709551615"] {
        assert_eq!(me.get(&format!("/en/acted?page={beyond}")).await.to(), "/en/acted?page=2", "{beyond}");
    }

    // It is there after a restart, and never under another key.
    let Scene { federation, portal: running, codes } = scene;
    running.stop().await;
    let key = federation.folder().join("keys/web-store.key");
    let kept = std::fs::read(&key).unwrap();
    write_private(&key, "7".repeat(64).as_bytes()).unwrap();
    let error = portal(&federation, &codes, "").await.unwrap_err().to_string();
    assert!(error.contains("under another store key"), "{error}");
    write_private(&key, &kept).unwrap();
    let scene = Scene { portal: portal(&federation, &codes, "").await.unwrap(), federation, codes };
    let mut me = scene.visitor();
    me.log_in("paper").await;
    says(&me.get("/en/acted?page=2").await, &["21 entries", "Begin to act for you"]);
}
