//! Letters, objections and appeals at the subject desk, with the court and the reviewing body at work.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tacit_model::{Clock as _, ManualClock, Ulid, entropy::seeded_rng, generate::generate_uscc, parse_ulid};
use tacit_node::redress::{NewRuling, Redress, Whose};
use tacit_policy::{
    letter::{LetterText, Level, Outcome, limits},
    registry::entry::Contested,
};
use tacit_testkit::{Federation, Options};

use super::{
    COURT, Scene, portal,
    visitor::{Page, Visitor},
};

const DAY_MS: u64 = 86_400_000;

/// The court lists a person; the tax authority reviews.
async fn listed() -> (Scene, ManualClock) {
    let clock = ManualClock::new("2026-11-23T04:00:00.000Z".parse().unwrap());
    let options = Options::quick().reading_ms(1_000).clock(Arc::new(clock.clone())).change(|sample| {
        let list = sample.list.iter_mut().find(|list| list.id.as_str() == COURT).unwrap();
        (list.notice_days, list.contested) = (0, Contested::Withhold);
        list.review_body = Some("tax".parse().unwrap());
        for category in sample.category.iter_mut().filter(|it| it.adverse) {
            (category.notice_days, category.contested) = (0, Contested::Flag);
        }
    });
    let federation = Federation::start("procurement", options).await.unwrap();
    let mut rng = seeded_rng([91; 32]);
    let codes: Vec<String> = (0..2).map(|_| generate_uscc(&mut rng)).collect();
    let head = "code,category,decision_ref,decided_on,notified_on,effective_on,expires_on";
    let csv = format!("{head}\n{},101,(2026) No. 17,2026-10-01,,,\n", codes[0]);
    federation.publish(COURT, csv).await.unwrap();
    let portal = portal(&federation, &codes, "limits = { lookups_per_minute = 10000 }").await.unwrap();
    (Scene { federation, portal, codes }, clock)
}

/// Looks at a page while time passes, until it says something.
async fn until(clock: &ManualClock, me: &mut Visitor, path: &str, words: &str) -> Page {
    for _ in 0..400 {
        let page = me.get(path).await;
        if page.text.contains(words) {
            return page;
        }
        clock.advance_ms(250);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{words}: {}", me.get(path).await.text);
}

async fn has_case(clock: &ManualClock, body: &Redress, level: Level, id: Ulid) {
    for _ in 0..400 {
        if body.cases(level, true).await.unwrap().iter().any(|case| case.case.id == id) {
            return;
        }
        clock.advance_ms(250);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?}", body.cases(level, true).await);
}

/// The address behind some words of a page.
fn href(page: &Page, begins: &str) -> String {
    let found = page.text.split("href=\"").find(|rest| rest.starts_with(begins));
    found.unwrap_or_else(|| panic!("{begins}: {}", page.text)).split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_reads_the_notice_objects_and_appeals_at_the_desk_and_sees_what_is_overdue() {
    let (scene, clock) = listed().await;
    let mut me = scene.visitor();
    me.log_in("paper").await;
    assert!(me.get("/en/matters").await.text.contains("No letter came or went so far."));
    let court = scene.federation.redress("court", scene.federation.clock()).await.unwrap();
    court.notify(&COURT.parse().unwrap(), Whose::Due, "clerk").await.unwrap();

    // The notice, whole, and as its author signed it.
    let notice = "You are to be put on the list: Judgment defaulters";
    let matters = until(&clock, &mut me, "/en/matters", notice).await;
    assert!(me.get("/en/").await.text.contains("New letter: You are to be put on the list"));
    let letter = me.get(&href(&matters, "/en/letters/")).await;
    for words in ["Takes effect", "(2026) No. 17", "What being listed means", "Where to object"] {
        assert!(letter.text.contains(words), "{words}: {}", letter.text);
    }
    assert!(!letter.text.contains(&scene.codes[0]), "the code stands on no page");
    let file = me.get(&format!("{}/file", href(&matters, "/en/letters/"))).await;
    let file: serde_json::Value = serde_json::from_str(&file.text).unwrap();
    assert_eq!(file["body"]["kind"], "listing-notice");
    assert!(me.get(&href(&letter, "/en/asked/")).await.text.contains("wrote you a letter"));

    // The form says what is missing, keeps what was written, and sends it once.
    let form = me.get(&href(&letter, "/en/objections/new?list=")).await;
    assert!(form.text.contains("selected>Judgment defaulters"), "{}", form.text);
    let secret = form.csrf();
    let object = async |me: &mut Visitor, list: &str, text: &str| {
        me.post("/en/objections/new", &[("csrf", &secret), ("list", list), ("text", text)]).await
    };
    for (list, text, says) in [
        ("", "I have paid.", "Choose the list"),
        (COURT, " ", "Write what is wrong"),
        (COURT, &*"x".repeat(8001), "Write at most 8000 characters"),
        (COURT, "a\u{202e}b", "Write plain text"),
        ("court/nothing", "I have paid.", "There is a problem"),
    ] {
        let page = object(&mut me, list, text).await;
        assert!(
            page.text.contains("There is a problem") && page.text.contains(says),
            "{says}: {}",
            page.text
        );
        // In the other language there is the form.
        assert!(page.text.contains("href=\"/zh/objections/new\""), "{}", page.text);
        assert!(!text.starts_with("I have") || page.text.contains("I have paid."), "{}", page.text);
    }
    let filed = object(&mut me, COURT, "I have paid.\r\nThe bailiff has the receipt.").await;
    assert!(filed.text.contains("Your objection has been received"), "{}", filed.text);
    assert!(filed.text.contains("It goes to: Intermediate court, enforcement bureau"), "{}", filed.text);
    let matter = href(&filed, "/en/objections/");
    let again = object(&mut me, COURT, "I have paid.").await;
    assert!(again.text.contains("You already object about this list"), "{}", again.text);
    let id = parse_ulid(matter.rsplit('/').next().unwrap()).unwrap();
    has_case(&clock, &court, Level::First, id).await;
    until(&clock, &mut me, &matter, "A decision is owed by 8 December 2026.").await;

    // Whoever else it is sees none of it, and a mandate to read does not object.
    let mut other = scene.visitor();
    other.log_in("agent").await;
    for path in [&matter, &href(&matters, "/en/letters/")] {
        assert_eq!(other.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let acting = other.get("/en/acting").await;
    other.post("/en/acting", &[("csrf", &acting.csrf()), ("mandate", "0")]).await;
    let read = other.get(&matter).await;
    assert_eq!(read.status, StatusCode::OK, "{}", read.text);
    let denied = other.get("/en/objections/new").await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    assert!(denied.text.contains("Your mandate does not cover this"), "{}", denied.text);

    // Decided, appealed, and the second decision not made in time.
    let ruling = NewRuling {
        outcome: Outcome::Upheld,
        corrected: None,
        reasons: LetterText::new("No payment is proven.", limits::REASONS).unwrap(),
        by: LetterText::new("Judge Li", limits::BY).unwrap(),
    };
    court.decide(Level::First, id, ruling).await.unwrap();
    let decided = until(&clock, &mut me, &matter, "You can appeal until").await;
    assert!(decided.text.contains("The listing stands."), "{}", decided.text);
    assert!(me.get("/zh/").await.text.contains("已有决定。您最迟可于"));
    let appeal = format!("{matter}/appeal");
    let empty = me.post(&appeal, &[("csrf", &secret), ("text", "")]).await;
    assert!(empty.text.contains("Write why the decision is wrong"), "{}", empty.text);
    assert!(
        empty.text.contains(&format!("href=\"{}\"", matter.replacen("/en/", "/zh/", 1))),
        "{}",
        empty.text
    );
    let text = "It was paid to the bailiff.";
    let filed = me.post(&appeal, &[("csrf", &secret), ("text", text)]).await;
    assert!(filed.text.contains("Your appeal has been received"), "{}", filed.text);
    let again = me.post(&appeal, &[("csrf", &secret), ("text", text)]).await;
    assert!(again.text.contains("Nothing can be appealed here any more"), "{}", again.text);
    let tax = scene.federation.redress("tax", scene.federation.clock()).await.unwrap();
    has_case(&clock, &tax, Level::Review, id).await;
    until(&clock, &mut me, &matter, "A second decision is owed by").await;
    let whole = me.get("/en/matters.json").await;
    let whole: serde_json::Value = serde_json::from_str(&whole.text).unwrap();
    assert_eq!(whole["objections"][0]["state"], "appealed");
    clock.jump_to(clock.now().plus_ms(16 * DAY_MS));
    let mut me = scene.visitor();
    me.log_in("paper").await;
    assert!(me.get("/en/").await.text.contains("is overdue since"), "what is owed is said");
    assert!(me.get(&matter).await.text.contains("Overdue"));
}
