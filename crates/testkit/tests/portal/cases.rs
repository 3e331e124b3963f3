//! The officer desk of who keeps a list: an objection is read there and decided.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use serde_json::json;
use tacit_federation::run::RunningPortal;
use tacit_model::{ListId, ManualClock, entropy::seeded_rng, generate::generate_uscc};
use tacit_node::redress::Whose;
use tacit_policy::registry::entry::Contested;
use tacit_testkit::{Federation, Options};

use crate::{
    dressed,
    officer::{OFFICERS, desk},
    visitor::Visitor,
};

const LIST: &str = "court/judgment-defaulters";

/// A federation whose court listed somebody, who was notified today and may object.
pub(crate) struct Scene {
    pub(crate) federation: Federation,
    clock: ManualClock,
    code: String,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let clock = ManualClock::new("2026-11-23T04:00:00.000Z".parse().unwrap());
        let options = Options::quick().reading_ms(1_000).clock(Arc::new(clock.clone())).change(|sample| {
            let list = sample.list.iter_mut().find(|list| list.id.as_str() == LIST).unwrap();
            (list.notice_days, list.contested) = (0, Contested::Flag);
            for category in sample.category.iter_mut().filter(|it| it.adverse) {
                (category.notice_days, category.contested) = (0, Contested::Flag);
            }
        });
        let federation = Federation::start("procurement", options).await.unwrap();
        let code = generate_uscc(&mut seeded_rng([80; 32]));
        let head = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on";
        let records = format!("{head}\n{code},101,(2026) No. 17,2026-10-01,,,\n");
        federation.publish(LIST, records).await.unwrap();
        Self { federation, clock, code }
    }

    async fn pass(&self) {
        self.clock.advance_ms(250);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    /// Has the person told of the listing.
    pub(crate) async fn notify(&self) {
        let court = self.federation.redress("court", self.federation.clock()).await.unwrap();
        let list: ListId = LIST.parse().unwrap();
        let noticed = court.notify(&list, Whose::Due, "clerk").await.unwrap();
        for _ in 0..400 {
            if court.waiting(&noticed.written).await.unwrap() == 0 {
                return;
            }
            self.pass().await;
        }
        panic!("the notice is not in the log");
    }

    /// Has the person object.
    pub(crate) async fn object(&self) {
        let authority = self.federation.desk("portal").unwrap();
        let who = json!({ "scheme": "CN-USCC", "code": self.code });
        assert_eq!(authority.post("/v1/users", &who).await.unwrap().status, 200);
        let filed = json!({ "scheme": "CN-USCC", "code": self.code, "list": LIST, "text": "I have paid." });
        let answer = authority.post("/v1/objections", &filed).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Has the objection arrive at the desk of the court; its address there.
    pub(crate) async fn arrived(&self, sun: &mut Visitor) -> String {
        for _ in 0..400 {
            let queue = sun.get("/en/cases").await;
            if let Some(at) =
                queue.text.split("href=\"").find(|href| href.starts_with("/en/cases/objection/"))
            {
                return at.split('"').next().unwrap().to_owned();
            }
            self.pass().await;
        }
        panic!("the objection does not arrive");
    }

    /// The court's desk.
    pub(crate) async fn desk(&self, more: &str) -> RunningPortal {
        desk(&self.federation, "court", OFFICERS, more).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_objection_is_read_and_decided_at_the_desk_by_who_decides_and_once() {
    let scene = Scene::new().await;
    let portal = scene.desk("").await;
    let mut sun = Visitor::new(portal.desks()[0].address);
    sun.log_in("sun").await;
    let empty = sun.get("/en/cases").await;
    assert!(empty.text.contains("There are no such cases."), "{}", empty.text);
    // Who only keeps lists may ask none.
    assert!(sun.get("/en/check").await.text.contains("No agreement in force lets this agency ask"));

    let waits = "One objection waits for your agency’s decision, by 8 December 2026.";
    assert!(!sun.get("/en/").await.text.contains("Waiting for you"));

    scene.notify().await;
    scene.object().await;
    let at = scene.arrived(&mut sun).await;
    let queue = sun.get("/en/cases").await;
    dressed(&queue);
    assert!(queue.text.contains("Not decided") && queue.text.contains("Decide by"), "{}", queue.text);
    assert!(!queue.text.contains(&scene.code), "the queue does not say whom");
    let home = sun.get("/en/").await;
    dressed(&home);
    assert!(home.text.contains(waits) && home.text.contains("/en/cases?level=objection"), "{}", home.text);
    assert!(
        sun.get("/zh/").await.text.contains("有 1 件异议待本机构决定，最早的期限为2026年12月8日（含当日）。")
    );
    let case = sun.get(&at).await;
    dressed(&case);
    assert!(case.text.contains("I have paid.") && case.text.contains(&scene.code), "{}", case.text);

    let csrf = case.csrf();
    let missing = sun.post(&at, &[("csrf", &csrf), ("corrected", "the amount")]).await;
    for words in ["Choose a decision", "Say what is corrected if", "Enter the reasons", "Enter who decides"] {
        assert!(missing.text.contains(words), "{words}: {}", missing.text);
    }
    let ruling = [
        ("csrf", &*csrf),
        ("outcome", "annulled"),
        ("reasons", "The payment is proven."),
        ("decided_by", "Judge Li"),
    ];
    let decided = sun.post(&at, &ruling).await;
    assert_eq!((decided.status, decided.to()), (StatusCode::SEE_OTHER, &*at), "{}", decided.text);
    let case = sun.get(&at).await;
    assert!(case.text.contains("The listing is removed") && case.text.contains("The payment is proven."));
    assert!(!case.text.contains("name=\"decided_by\""), "it is decided once: {}", case.text);
    assert!(!sun.get("/en/").await.text.contains("Waiting for you"));
    // Also by a form that was open meanwhile.
    let twice = sun.post(&at, &ruling).await;
    assert!(twice.text.contains("This was not done"), "{}", twice.text);
    assert!(sun.get("/zh/cases?over=1").await.text.contains("/zh/cases/objection/"));
    assert!(sun.get("/en/cases?level=appeal").await.text.contains("There are no such cases."));
    assert_eq!(sun.get("/en/cases?level=any").await.status, StatusCode::NOT_FOUND);
}
