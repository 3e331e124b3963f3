//! Notice, objection, decision, appeal and removal, with every role at work.

#![cfg(test)]

mod gateway;
mod scene;

use serde_json::{Value, json};
use tacit_client::LetterDraft;
use tacit_model::{Clock as _, ListId, Reason, Ulid};
use tacit_node::{
    records::{RecordState, RemovalReason},
    redress::{NewRuling, Whose},
};
use tacit_policy::{
    letter::{Duty, Letter, LetterText, Level, Outcome, limits},
    registry::entry::Contested,
};
use tacit_testkit::word;

use scene::{DAY_MS, LIST, Scene, contested, id, letters, list, ruling};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notice_objection_with_a_stay_appeal_and_removal_and_a_crash_between_every_two_steps() {
    let mut scene = Scene::new(81, Contested::Withhold).await;
    // Nothing adverse is answered before the notice, and an import that knows of none does not undo it.
    assert_eq!(word(&scene.check().await), Some("not_listed"));
    scene.notify().await;
    let twice = scene.at("court").await.notify(&list(), Whose::Code(&scene.code), "clerk").await;
    assert_eq!(twice.unwrap_err().reason(), Reason::Conflict);
    assert_eq!(word(&scene.check().await), Some("listed"));
    assert_eq!(scene.federation.import(LIST, scene.csv()).await.unwrap().unchanged, 1);
    assert_eq!(word(&scene.check().await), Some("listed"));
    scene.crash("court").await;

    let matters = scene.shown(|it| !letters(it, "listing-notice").is_empty()).await;
    let notice = letters(&matters, "listing-notice")[0].clone();
    assert_eq!((&notice["from"], &notice["problem"]), (&json!("court"), &json!("")));
    let mut prove = json!({ "record_id": notice["record_id"] });
    prove = scene.post("/v1/proofs", prove, 200).await;
    assert_eq!(prove["usage"]["receiver"], "court");

    // The objection leaves with a reading, reaches the court, and is a stay.
    let body = json!({ "notice": notice["letter"]["id"], "text": "I have paid." });
    let filed = scene.post("/v1/objections", body.clone(), 200).await;
    assert_eq!((&filed["goes_to"], &filed["list"]), (&json!("court"), &json!(LIST)));
    scene.post("/v1/objections", body, 409).await;
    let objection = id(&filed["objection"]);
    scene.crash("portal").await;
    let case = scene.case("court", Level::First, |case| case.case.id == objection).await;
    assert_eq!(case.case.decide_by().to_string(), "2026-12-08");
    assert_eq!(scene.state_of_record().await, RecordState::Contested);
    assert_eq!(word(&scene.check().await), Some("not_listed"));
    let received = scene.state("received").await;
    assert_eq!((&received["owed"], &received["owed_by"]), (&json!("decision"), &json!("2026-12-08")));
    assert_eq!((case.is_overdue(), &received["overdue"]), (false, &json!(false)));

    // An appeal needs a decision; a decision is made once.
    let appeal = json!({ "objection": objection.to_string(), "text": "It was paid to the bailiff." });
    scene.post("/v1/appeals", appeal.clone(), 409).await;
    let court = scene.at("court").await;
    let odd = NewRuling {
        corrected: LetterText::new("the sum", limits::CORRECTED).ok(),
        ..ruling(Outcome::Upheld)
    };
    assert_eq!(court.decide(Level::First, objection, odd).await.unwrap_err().reason(), Reason::Malformed);
    court.decide(Level::First, objection, ruling(Outcome::Upheld)).await.unwrap();
    let again = court.decide(Level::First, objection, ruling(Outcome::Annulled)).await;
    assert_eq!(again.unwrap_err().reason(), Reason::Conflict);
    scene.crash("court").await;
    let decided = scene.state("decided").await;
    assert_eq!((&decided["outcome"], &decided["appeal_until"]), (&json!("upheld"), &json!("2026-12-08")));
    // The stay goes on as long as an appeal may be written, and throughout one.
    assert_eq!(word(&scene.check().await), Some("not_listed"));

    let filed = scene.post("/v1/appeals", appeal.clone(), 200).await;
    assert_eq!(filed["goes_to"], "tax");
    scene.post("/v1/appeals", appeal, 409).await;
    scene.crash("portal").await;
    scene.case("tax", Level::Review, |case| case.case.id == objection).await;
    scene.case("court", Level::First, |case| case.case.word() == "appealed").await;
    assert_eq!(scene.state("appealed").await["owed"], "review");
    scene.crash("tax").await;
    assert_eq!(word(&scene.check().await), Some("not_listed"));

    let tax = scene.at("tax").await;
    tax.decide(Level::Review, objection, ruling(Outcome::Annulled)).await.unwrap();
    let again = tax.decide(Level::Review, objection, ruling(Outcome::Upheld)).await;
    assert_eq!(again.unwrap_err().reason(), Reason::Conflict);
    scene.crash("tax").await;
    let case = scene.case("court", Level::First, |case| case.case.word() == "reviewed").await;
    assert_eq!((case.days_to_correction, case.is_late(), case.due), (Some(0), false, None));
    assert_eq!(scene.state_of_record().await, RecordState::Removed);
    let view = scene.records().await.show(&list(), &scene.code).await.unwrap().unwrap();
    let removed = view.history.last().unwrap();
    assert_eq!((removed.action.as_str(), removed.reason.as_str()), ("removed", "annulled"));
    assert_eq!(word(&scene.check().await), Some("not_listed"));

    let matters = scene.shown(|it| !letters(it, "removal").is_empty()).await;
    assert_eq!(matters["objections"][0]["state"], "reviewed");
    assert_eq!(matters["objections"][0]["outcome"], "annulled");
    // Every letter once, each with its record, and nothing wrong with any.
    for kind in ["listing-notice", "objection", "objection-received", "removal", "review-decision"] {
        assert_eq!(letters(&matters, kind).len(), 1, "{kind}: {matters}");
    }
    assert_eq!((letters(&matters, "decision").len(), letters(&matters, "appeal").len()), (2, 2));
    for letter in matters["letters"].as_array().unwrap() {
        assert!(!letter["record_id"].as_str().unwrap().is_empty() && letter["problem"] == "", "{letter}");
    }
    scene.federation.shut_down().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_body_does_not_review_twice() {
    let scene = Scene::new(86, Contested::Flag).await;
    scene.notify().await;
    let objection = scene.object().await;
    let court = scene.at("court").await;
    court.decide(Level::First, objection, ruling(Outcome::Upheld)).await.unwrap();
    scene.state("decided").await;
    let appeal = json!({ "objection": objection.to_string(), "text": "It was paid to the bailiff." });
    scene.post("/v1/appeals", appeal.clone(), 200).await;
    scene.case("tax", Level::Review, |_| true).await;
    let tax = scene.at("tax").await;
    tax.decide(Level::Review, objection, ruling(Outcome::Upheld)).await.unwrap();
    scene.state("reviewed").await;
    scene.case("court", Level::First, |case| case.case.word() == "reviewed").await;
    // The listing stands, and is no longer contested.
    assert_eq!(scene.state_of_record().await, RecordState::Active);
    assert_eq!(scene.post("/v1/appeals", appeal, 409).await["reason"], "conflict");
    // The appeal once more, as another letter.
    let matters = scene.matters().await;
    let mut appeal = letters(&matters, "appeal")[0]["letter"].clone();
    appeal["id"] = json!("01KAM2V7Q3ZJ6V6T1V8M3W9R5C");
    let appeal: Letter = serde_json::from_value(appeal).unwrap();
    scene.forge("tax", &appeal).await;
    scene.problem("tax", "does not review twice").await;
    assert_eq!(tax.cases(Level::Review, true).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correction_is_late_until_it_is_imported_and_an_ordinary_removal_is_told_too() {
    let scene = Scene::new(84, Contested::Flag).await;
    scene.notify().await;
    let objection = scene.object().await;
    let court = scene.at("court").await;
    let corrected = NewRuling {
        corrected: LetterText::new("It ends in 2027.", limits::CORRECTED).ok(),
        ..ruling(Outcome::Corrected)
    };
    let case = court.decide(Level::First, objection, corrected).await.unwrap();
    assert_eq!((case.due.map(|due| due.duty), case.is_late()), (Some(Duty::Correct), false));
    assert_eq!(scene.state_of_record().await, RecordState::Contested);
    let late = scene.later(4, "court").await.show(Level::First, objection).await.unwrap().unwrap();
    assert_eq!((late.days_to_correction, late.is_late(), late.is_overdue()), (Some(4), true, true));

    let csv = scene.csv().replace(",,,\n", ",,,2027-10-01\n");
    assert_eq!(scene.federation.import(LIST, csv).await.unwrap().changed, 1);
    let case = scene.case("court", Level::First, |case| case.due.is_none()).await;
    assert_eq!((case.days_to_correction, case.is_late()), (Some(0), false));
    assert_eq!(scene.state_of_record().await, RecordState::Active);
    assert!(!contested(&scene.check().await));
    let decided = scene.state("decided").await;
    assert_eq!(decided["outcome"], "corrected");
    let matters = scene.matters().await;
    assert_eq!(letters(&matters, "decision")[0]["letter"]["body"]["corrected"], "It ends in 2027.");

    let records = scene.records().await;
    records.remove(&list(), &scene.code, RemovalReason::Fulfilled, "clerk").await.unwrap();
    let matters = scene.shown(|it| !letters(it, "removal").is_empty()).await;
    let removal = &letters(&matters, "removal")[0]["letter"]["body"];
    assert_eq!((&removal["reason"], &removal["decision"]), (&json!("fulfilled"), &Value::Null));
    assert_eq!(word(&scene.check().await), Some("not_listed"));
    assert_eq!(letters(&scene.matters().await, "removal").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passed_deadline_is_shown_and_an_appeal_after_its_last_day_is_refused() {
    let scene = Scene::new(85, Contested::Withhold).await;
    scene.notify().await;
    let objection = scene.object().await;
    // The queue on the last day, and on the day after.
    for (days, overdue) in [(15, false), (16, true)] {
        let cases = scene.later(days, "court").await.cases(Level::First, false).await.unwrap();
        assert_eq!(cases[0].is_overdue(), overdue, "{days}");
    }
    let court = scene.at("court").await;
    court.decide(Level::First, objection, ruling(Outcome::Upheld)).await.unwrap();
    scene.state("decided").await;
    assert_eq!(scene.state_of_record().await, RecordState::Contested);
    scene.clock.advance_ms(16 * DAY_MS);
    let appeal = json!({ "objection": objection.to_string(), "text": "It was paid to the bailiff." });
    assert_eq!(scene.post("/v1/appeals", appeal, 422).await["reason"], "term_over");
    // The stay ends with the time to appeal.
    for _ in 0..400 {
        if scene.state_of_record().await == RecordState::Active {
            return;
        }
        scene.pass().await;
    }
    panic!("the record is still contested");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_objection_at_the_wrong_door_arrives_and_what_others_decide_counts_for_nothing() {
    let scene = Scene::new(82, Contested::Flag).await;
    scene.notify().await;
    // Handed in at the procurement office, which does not hold the list.
    let office = scene.at("procurement").await;
    office.hand_in(&list(), &scene.code, "I have paid.").await.unwrap();
    assert_eq!(
        office.hand_in(&list(), "no code", "I have paid.").await.unwrap_err().reason(),
        Reason::CodeInvalid
    );
    assert_eq!(office.hand_in(&list(), &scene.code, " ").await.unwrap_err().reason(), Reason::Malformed);
    let own = scene.at("court").await.hand_in(&list(), &scene.code, "I have paid.").await;
    assert_eq!(own.unwrap_err().reason(), Reason::UnknownList);
    let case = scene.case("court", Level::First, |_| true).await;
    let arrived = case.letters.iter().find_map(|it| it.letter.as_ref()).unwrap();
    let body = serde_json::to_value(&arrived.body).unwrap();
    assert_eq!((&body["handed_in"], &body["text"]), (&json!("procurement"), &json!("I have paid.")));
    assert_eq!(scene.state_of_record().await, RecordState::Contested);
    // The list's rule is the flag: it is answered, and says so.
    assert!(contested(&scene.check().await));

    // The tax authority reviews; it does not decide first, and not before the court did.
    let subject = scene.federation.registry().schemes().parse("CN-USCC", &scene.code).unwrap().subject;
    let tax = scene.federation.correspondent("tax").await.unwrap();
    let decision = |level: &str, id: &str| {
        let letter = json!({
            "type": "tacit-letter/v1", "id": id, "thread": case.case.id.to_string(),
            "written": scene.clock.now().to_rfc3339(), "subject": case.case.subject,
            "body": { "kind": "decision", "level": level, "list": LIST, "outcome": "annulled",
                "reasons": "So we think.", "by": "Clerk", "decided_on": "2026-11-23" },
        });
        serde_json::from_value::<Letter>(letter).unwrap()
    };
    let send = |content: Vec<u8>| {
        let draft = LetterDraft { content, case: "T-2".to_owned(), officer: "wang".to_owned() };
        let (tax, subject) = (&tax, &subject);
        async move { tax.send_letter(&draft, subject).await.unwrap() }
    };
    send(decision("first", "01KAM2V7Q3ZJ6V6T1V8M3W9R5A").to_bytes().unwrap()).await;
    send(b"no letter at all".to_vec()).await;
    let matters = scene
        .shown(|it| it["letters"].as_array().unwrap().iter().filter(|it| it["problem"] != "").count() == 2)
        .await;
    let foreign = letters(&matters, "decision")[0];
    assert_eq!(foreign["problem"], "the letter is not from the body that decides about this list");
    assert_eq!(letters(&matters, "")[0]["letter"], Value::Null);
    // Its review is forwarded as it signed it, and the court does not take it: nothing was decided that was appealed.
    send(decision("review", "01KAM2V7Q3ZJ6V6T1V8M3W9R5B").to_bytes().unwrap()).await;
    scene.problem("court", "nothing was decided yet").await;
    // Nor what only says that it is the reviewing body's.
    let mut forged = json!({
        "type": "tacit-letter/v1", "id": "01KAM2V7Q3ZJ6V6T1V8M3W9R5D", "thread": case.case.id.to_string(),
        "written": scene.clock.now().to_rfc3339(), "subject": case.case.subject,
        "body": { "kind": "review-decision", "list": LIST, "decision": {
            "sender": "tax", "member": "tax", "pseudonym": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
            "content": "", "signature": "" } },
    });
    let content = decision("review", "01KAM2V7Q3ZJ6V6T1V8M3W9R5E").to_bytes().unwrap();
    forged["body"]["decision"]["content"] = json!(String::from_utf8(content).unwrap());
    forged["body"]["decision"]["signature"] = json!(format!("{}==", "A".repeat(86)));
    scene.forge("court", &serde_json::from_value(forged).unwrap()).await;
    scene.problem("court", "not signed by whom it names").await;
    assert_eq!(scene.state_of_record().await, RecordState::Contested);

    // The portal shows what is overdue.
    scene.state("received").await;
    scene.post("/v1/objections", json!({ "list": LIST, "text": "Once more." }), 409).await;
    scene.clock.advance_ms(16 * DAY_MS);
    let matters = scene.matters().await;
    let objection = &matters["objections"][0];
    assert_eq!((&objection["owed"], &objection["overdue"]), (&json!("decision"), &json!(true)), "{matters}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_noticed_objected_to_or_appealed_is_refused_with_its_reason() {
    let scene = Scene::new(83, Contested::Flag).await;
    let court = scene.at("court").await;
    let tax_list: ListId = "tax/trusted-taxpayers".parse().unwrap();
    for (list, code, reason) in [
        (&tax_list, scene.code.as_str(), Reason::UnknownList),
        (&list(), "91350100M000100Y44", Reason::CodeInvalid),
        (&list(), "91350100M000100Y43", Reason::NotFound),
    ] {
        let refused = court.notify(list, Whose::Code(code), "clerk").await.unwrap_err();
        assert_eq!(refused.reason(), reason, "{refused}");
        assert!(!refused.to_string().contains(code), "{refused}");
    }
    let favorable = scene.at("tax").await.notify(&tax_list, Whose::Due, "clerk").await.unwrap_err();
    assert_eq!(favorable.reason(), Reason::RuleForbids);
    let nobody = court.decide(Level::First, Ulid::from_parts(1, 1), ruling(Outcome::Upheld)).await;
    assert_eq!(nobody.unwrap_err().reason(), Reason::NotFound);

    let long = "字".repeat(8_001);
    for (path, body, status, reason) in [
        ("/v1/objections", json!({ "list": LIST, "text": " " }), 400, "malformed"),
        ("/v1/objections", json!({ "list": LIST, "text": long }), 400, "malformed"),
        ("/v1/objections", json!({ "text": "x" }), 400, "malformed"),
        ("/v1/objections", json!({ "list": "court", "text": "x" }), 400, "malformed"),
        ("/v1/objections", json!({ "list": "court/none", "text": "x" }), 422, "unknown_list"),
        ("/v1/objections", json!({ "notice": "01KAM2V7Q3ZJ6V6T1V8M3W9R5C", "text": "x" }), 404, "not_found"),
        ("/v1/appeals", json!({ "objection": "01KAM2V7Q3ZJ6V6T1V8M3W9R5C", "text": "x" }), 404, "not_found"),
        ("/v1/appeals", json!({ "objection": "1", "text": "x" }), 400, "malformed"),
    ] {
        assert_eq!(scene.post(path, body, status).await["reason"], reason, "{path}");
    }
}
