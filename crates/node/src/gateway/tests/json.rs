use std::time::Duration;

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use tacit_client::{Answer, Outcome, Refusal};
use tacit_model::{Millis, Reason};

use super::support::{Caller, question, question_with, request};
use crate::gateway::{
    GatewayLimits,
    problem::http_status,
    testing::{FakeAsker, TOKEN, answer, codes, listed},
};

fn list() -> tacit_model::ListId {
    "court/defaulters".parse().unwrap()
}

#[tokio::test]
async fn without_a_known_token_nothing_is_answered() {
    let caller = Caller::new(FakeAsker::new());
    for (method, path) in [
        ("POST", "/v1/checks"),
        ("POST", "/v1/checks/batch"),
        ("POST", "/v1/checks/plan"),
        ("GET", "/v1/lists"),
        ("GET", "/v1/status"),
        ("POST", "/v1/consents"),
        ("POST", "/v1/consents/search"),
        ("POST", "/v1/receipts/search"),
        ("GET", "/v1/receipts/01KAM2V7Q3ZJ6V6T1V8M3W9R5C"),
        ("POST", "/v1/cases/search"),
        ("GET", "/v1/cases/objection/01KAM2V7Q3ZJ6V6T1V8M3W9R5C"),
        ("POST", "/v1/cases/objection/01KAM2V7Q3ZJ6V6T1V8M3W9R5C/decide"),
        ("GET", "/v1/nothing"),
        ("DELETE", "/v1/checks"),
    ] {
        for authorization in
            [None, Some("Bearer 0123456789abcdef0123456789abcdeX"), Some("Basic aW50YWtlOng="), Some(TOKEN)]
        {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            let told = caller.send(request.body(Body::empty()).unwrap()).await;
            told.problem(401, "unauthenticated");
            assert_eq!(told.headers["www-authenticate"], "Bearer");
        }
    }
    let twice = request("GET", "/v1/status", "").header("authorization", format!("Bearer {TOKEN}"));
    caller.send(twice.body(Body::empty()).unwrap()).await.problem(401, "unauthenticated");
    for path in ["/healthz", "/v1/openapi.json"] {
        let told = caller.send(Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(told.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_miss_says_what_it_does_not_say() {
    let caller = Caller::new(FakeAsker::new());
    let codes = codes(50);
    let code = codes.iter().find(|code| code[8..17].bytes().any(|b| b.is_ascii_uppercase())).unwrap();
    let typed = format!(" {} ", code.to_lowercase());
    let told = caller.check(&question_with(&typed, "x", Value::Null)).await;
    assert_eq!(told.status, 200, "{}", told.text);
    let body = told.json();
    let answer = &body["answers"][0];
    assert_eq!(answer["answer"], "not_listed");
    assert_eq!(
        answer["message"],
        "Not on the list *List defaulters* as of 21 Nov 2026, 10:32 (Asia/Shanghai). This says nothing about other lists."
    );
    assert_eq!(answer["record"]["index"], 41_877);
    assert_eq!(answer["table"], json!({"epoch": 20_778, "version": 214}));
    assert_eq!(answer["as_of"], "2026-11-21T02:32:09.481Z");
    assert_eq!(body["notice"], "An answer is not a decision.");
    assert_eq!(body["scheme"], "CN-USCC");
    let changes = body["normalized"].as_array().unwrap();
    assert!(changes.iter().any(|change| change["change"] == "spaces_removed"));
    assert!(changes.iter().any(|change| change["message"] == "small letters were changed to capitals"));
    // As it was read, once; not as it was typed.
    assert_eq!(body["read_as"], json!(code));
    assert_eq!(told.text.to_uppercase().matches(code.as_str()).count(), 1);
    let terms = &body["terms"][0];
    assert_eq!((&terms["title"], &terms["holder_title"]), (&json!("List defaulters"), &json!("The court")));
    assert_eq!(terms["usable_until"], "2026-12-21T02:32:09.481Z");
    assert_eq!(terms["legal_basis"], "A law, Art. 18");
    // Nothing can be done on an answer that does not name the subject.
    assert_eq!(terms["measures"], json!([]));
}

#[tokio::test]
async fn a_hit_is_told_with_its_label_in_words() {
    let code = &codes(1)[0];
    let caller = Caller::new(FakeAsker::new().says(code, Outcome::Answers(vec![answer(&list(), listed())])));
    let body = caller.check(&question_with(code, "x", Value::Null)).await.json();
    let answer = &body["answers"][0];
    assert_eq!(
        answer["listing"],
        json!({
            "status": 1, "status_text": "In force.", "category": 301, "category_title": "Judgment not carried out",
            "listed_on": "2026-03-01", "contested": true, "reference": "00f3a91be2d7c840"
        })
    );
    assert_eq!(
        answer["message"],
        "On the list *List defaulters* as of 21 Nov 2026, 10:32 (Asia/Shanghai): Judgment not carried out, listed on \
         1 Mar 2026, without a stated end. The record is contested. In force. A judgment was not obeyed."
    );
    // What was typed as it is read is not repeated.
    assert!(body.get("read_as").is_none() && !body.to_string().contains(code.as_str()));
    let agreement = body["terms"][0]["agreement"].clone();
    let measure = json!({
        "agreement": agreement, "measure": 1, "title": "Refusal of the tender", "legal_basis": "A law, Art. 22",
        "restricts": true
    });
    assert_eq!(body["terms"][0]["measures"], json!([measure]));
    assert!(body["terms"][0]["then"].as_str().unwrap().starts_with("From then on ask again"));
    assert!(!body["terms"][0]["objection_contact"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn each_field_of_a_question_is_needed_and_named_when_wrong() {
    let caller = Caller::new(FakeAsker::new());
    let code = codes(1)[0].clone();
    for (field, value, status, reason) in [
        ("case_number", Value::Null, 400, "case_required"),
        ("case_number", json!("  "), 400, "case_required"),
        ("case_number", json!("x".repeat(201)), 400, "malformed"),
        ("case_number", json!("a\nb"), 400, "malformed"),
        ("purpose", Value::Null, 400, "purpose_required"),
        ("purpose", json!("No purpose"), 400, "malformed"),
        ("purpose", json!("curiosity"), 422, "unknown_purpose"),
        ("officer", Value::Null, 400, "malformed"),
        ("lists", Value::Null, 400, "malformed"),
        ("lists", json!([]), 400, "malformed"),
        ("lists", json!("court/defaulters"), 400, "malformed"),
        ("code", Value::Null, 400, "malformed"),
        ("code", json!(7), 400, "malformed"),
        ("scheme", json!("PASSPORT"), 422, "code_scheme_unknown"),
        ("scheme", json!("LEI"), 422, "code_not_this_scheme"),
        ("priority", json!("high"), 400, "malformed"),
    ] {
        let body = caller.check(&question_with(&code, field, value.clone())).await.problem(status, reason);
        assert_eq!(body["field"], field, "{body}");
        assert!(!body.to_string().contains(&code));
    }
    for (lists, field, status, reason) in [
        (json!(["court/defaulters", "court/defaulters"]), "lists[1]", 400, "malformed"),
        (json!(["Court"]), "lists[0]", 400, "malformed"),
        (json!(["court/nothing"]), "lists[0]", 422, "unknown_list"),
        (json!(["court/defaulters", "court/banks"]), "scheme", 422, "code_not_this_scheme"),
        (json!((0..17).map(|n| format!("court/l{n}")).collect::<Vec<_>>()), "lists[16]", 413, "too_many"),
    ] {
        let body = caller.check(&question_with(&code, "lists", lists)).await.problem(status, reason);
        assert_eq!(body["field"], field, "{body}");
    }
}

#[tokio::test]
async fn a_bad_code_is_described_and_never_repeated() {
    let caller = Caller::new(FakeAsker::new());
    let good = codes(1)[0].clone();
    let mut swapped = good.clone().into_bytes();
    swapped[17] = if swapped[17] == b'0' { b'1' } else { b'0' };
    let swapped = String::from_utf8(swapped).unwrap();
    for (typed, words, position) in [
        (swapped.clone(), "The characters do not agree; compare with the document.", Value::Null),
        (format!("{}!{}", &good[..2], &good[3..]), "Character 3 is neither a letter nor a digit.", json!(3)),
        (good[..10].to_owned(), "Expected 18 characters, got 10.", Value::Null),
        (String::new(), "The code is empty.", Value::Null),
        ("9".repeat(300), "The code has more than 200 bytes.", Value::Null),
    ] {
        let told = caller.check(&question_with(&typed, "x", Value::Null)).await;
        let body = told.problem(422, "code_invalid");
        assert_eq!((body["message"].as_str(), &body["position"]), (Some(words), &position));
        assert!(typed.is_empty() || !told.text.contains(&typed));
    }
}

#[tokio::test]
async fn a_body_that_is_no_question_is_refused_before_it_is_one() {
    let limits = GatewayLimits { body_bytes: 2000, ..GatewayLimits::default() };
    let caller = Caller::with(FakeAsker::new(), limits);
    let good = question_with(&codes(1)[0], "x", Value::Null).to_string();
    for body in ["", "{", "[]", "null", "\u{feff}{}", "{}{}", "\u{0}"] {
        caller.post("/v1/checks", body).await.problem(400, "malformed");
    }
    for kind in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin1",
        "application/x-ndjson",
    ] {
        let told = caller.send(request("POST", "/v1/checks", kind).body(good.clone().into()).unwrap()).await;
        assert_eq!(told.problem(415, "malformed")["field"], "content-type");
    }
    let zipped = request("POST", "/v1/checks", "application/json").header("content-encoding", "gzip");
    caller.send(zipped.body(good.clone().into()).unwrap()).await.problem(415, "malformed");
    let utf8 = request("POST", "/v1/checks", "application/json; charset=UTF-8");
    assert_eq!(caller.send(utf8.body(good.clone().into()).unwrap()).await.status, 200);
    let large = format!("{good}{}", " ".repeat(2000));
    caller.post("/v1/checks", large.clone()).await.problem(413, "too_large");
    let chunks = futures::stream::iter([Ok::<_, std::io::Error>(large)]);
    caller.post("/v1/checks", Body::from_stream(chunks)).await.problem(413, "too_large");
    let stated =
        request("POST", "/v1/checks", "application/json").header("content-length", "99999999999999999999999");
    caller.send(stated.body(Body::empty()).unwrap()).await.problem(400, "malformed");
}

#[tokio::test]
async fn an_unknown_address_or_method_is_told_which_one_it_takes() {
    let caller = Caller::new(FakeAsker::new());
    caller.get("/v1/check").await.problem(404, "not_found");
    caller.get("/").await.problem(404, "not_found");
    let told = caller.get("/v1/checks").await;
    assert_eq!(told.problem(405, "malformed")["message"], "This address takes POST.");
    assert_eq!(told.headers["allow"], "POST");
    let told = caller.send(request("DELETE", "/v1/status", "").body(Body::empty()).unwrap()).await;
    told.problem(405, "malformed");
    assert!(!told.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn every_reason_that_can_come_back_has_its_status() {
    let code = &codes(1)[0];
    for reason in crate::gateway::json::openapi::reasons("check") {
        let caller = Caller::new(FakeAsker::new().says(code, Outcome::Refused(reason.into())));
        let told = caller.check(&question_with(code, "x", Value::Null)).await;
        let body = told.problem(http_status(reason).as_u16(), reason.as_str());
        assert_eq!(body["message"], reason.meaning());
    }
}

#[tokio::test]
async fn the_exact_reason_of_a_refusal_stays_inside() {
    let code = &codes(1)[0];
    for reason in Reason::all().filter(|reason| reason.outward() != *reason) {
        let caller = Caller::new(FakeAsker::new().says(code, Outcome::Refused(reason.into())));
        let body = caller
            .check(&question_with(code, "x", Value::Null))
            .await
            .problem(403, reason.outward().as_str());
        assert_eq!(body["message"], reason.outward().meaning());
    }
}

#[tokio::test]
async fn a_quota_says_what_is_left_and_until_when() {
    let code = &codes(1)[0];
    let refusal = Refusal { resets_at: Some(Millis(1_795_305_600_000)), ..Reason::QuotaNewSubjects.into() };
    let caller = Caller::new(FakeAsker::new().says(code, Outcome::Refused(refusal)));
    let body = caller.check(&question_with(code, "x", Value::Null)).await.problem(429, "quota_new_subjects");
    assert_eq!((&body["remaining"], &body["resets_at"]), (&json!(0), &json!("2026-11-22T00:00:00.000Z")));
}

#[tokio::test]
async fn a_lost_answer_names_its_record() {
    let code = &codes(1)[0];
    let caller = Caller::new(FakeAsker::new().says(code, Outcome::NotAnswered(Reason::EpochOver)));
    let body = caller.check(&question_with(code, "x", Value::Null)).await.problem(502, "not_answered");
    assert_eq!(body["records"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn one_list_may_refuse_while_another_answers() {
    let code = &codes(1)[0];
    let sealed = "court/sealed".parse().unwrap();
    let refused = Answer::Refused(Reason::ConsentWithdrawn.into());
    let answers = Outcome::Answers(vec![answer(&list(), Answer::NotListed), answer(&sealed, refused)]);
    let caller = Caller::new(FakeAsker::new().says(code, answers));
    let both = question_with(code, "lists", json!(["court/defaulters", "court/sealed"]));
    let told = caller.check(&both).await;
    let body = told.json();
    assert_eq!(body["answers"][1]["answer"], "refused");
    assert_eq!(body["answers"][1]["problem"]["reason"], "consent_required");
    assert!(!told.text.contains("withdrawn\""));
    // What gave no answer has no terms.
    let terms = body["terms"].as_array().unwrap();
    assert_eq!(terms.iter().map(|it| it["list"].as_str().unwrap()).collect::<Vec<_>>(), ["court/defaulters"]);
}

#[tokio::test]
async fn the_request_id_is_the_caller_s_unless_it_looks_like_a_code() {
    let caller = Caller::new(FakeAsker::new());
    let with =
        |id: &str| request("GET", "/v1/status", "").header("x-request-id", id).body(Body::empty()).unwrap();
    assert_eq!(caller.send(with("desk-4711-a")).await.json()["request_id"], "desk-4711-a");
    let code = &codes(1)[0];
    assert!(!caller.send(with(code)).await.text.contains(code));
}

#[tokio::test]
async fn the_lists_that_may_be_asked_are_those_of_the_agreements() {
    let body = Caller::new(FakeAsker::new()).get("/v1/lists").await.json();
    let lists = body["lists"].as_array().unwrap();
    let told: Vec<_> = lists
        .iter()
        .map(|list| {
            (list["list"].as_str().unwrap(), list["purposes"][0]["consent_required"].as_bool().unwrap())
        })
        .collect();
    assert_eq!(told, [("court/defaulters", false), ("court/sealed", true)]);
    assert_eq!(lists[0]["purposes"][0]["purpose"], "screening");
    assert_eq!(lists[0]["purposes"][0]["checks_per_minute"], 200);
    assert_eq!(lists[0]["holder_title"], "The court");
    let measures: Vec<_> = lists.iter().map(|list| &list["measures"][0]["legal_basis"]).collect();
    assert_eq!(measures, ["A law, Art. 22", "A law, Art. 18"]);
}

#[tokio::test]
async fn the_status_names_the_node_and_the_application() {
    let body = Caller::new(FakeAsker::new()).get("/v1/status").await.json();
    assert_eq!((&body["member"], &body["member_title"]), (&json!("procurement"), &json!("The procurement")));
    assert_eq!(body["application"], "intake");
    assert_eq!(
        (&body["log_size"], &body["subjects"], &body["registry_number"]),
        (&json!(12), &json!(5), &json!(7))
    );
    assert_eq!((&body["as_of"], &body["age_ms"]), (&json!("2026-11-21T02:32:07.981Z"), &json!(1_500)));
    assert_eq!(body["held"][0]["list"], "procurement/own");
    assert!(body["held"][0]["table"].is_null() && body["held"][0].get("sealed_at").is_none());
    assert_eq!(body["held"][1]["sealed_at"], "2026-11-21T02:31:09.481Z");
    assert_eq!(body["quorum"], json!({ "log_size": 11, "at": "2026-11-21T02:31:39.000Z" }));
    assert_eq!(body["stopped"], "log_frozen");
    assert!(body["stopped_meaning"].as_str().unwrap().contains("forked"));
    // No letters are carried here.
    assert!(body.get("letters_waiting").is_none());
}

#[tokio::test]
async fn more_than_the_allowed_number_at_once_is_turned_away_at_once() {
    let limits = GatewayLimits { requests: 1, ..GatewayLimits::default() };
    let asker = FakeAsker::new().takes(Duration::from_millis(200));
    let caller = Caller::with(asker, limits);
    let body = question_with(&codes(1)[0], "x", Value::Null);
    let (first, second) = tokio::join!(caller.check(&body), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        caller.check(&body).await
    });
    assert_eq!(first.status, 200);
    second.problem(503, "overloaded");
    assert_eq!(second.headers["retry-after"], "1");
}

#[tokio::test]
async fn what_takes_too_long_is_given_up_by_us_and_by_the_caller_s_fault() {
    let asker = FakeAsker::new().takes(Duration::from_secs(3600));
    let caller = Caller::with(asker, GatewayLimits { request_ms: 100, ..GatewayLimits::default() });
    caller.check(&question_with(&codes(1)[0], "x", Value::Null)).await.problem(504, "deadline");
    let never = futures::stream::pending::<Result<String, std::io::Error>>();
    caller.post("/v1/checks", Body::from_stream(never)).await.problem(408, "deadline");
    let never = futures::stream::pending::<Result<String, std::io::Error>>();
    caller.post("/v1/checks/plan", Body::from_stream(never)).await.problem(408, "deadline");
}

#[tokio::test]
async fn a_node_that_stops_begins_nothing_new() {
    let caller = Caller::new(FakeAsker::new());
    caller.stop.send_replace(true);
    caller.get("/healthz").await.problem(503, "unavailable");
    caller.check(&question()).await.problem(503, "unavailable");
}

#[tokio::test]
async fn the_question_reaches_the_asker_as_it_was_asked() {
    let asker = FakeAsker::new();
    let caller = Caller::new(asker);
    assert_eq!(caller.check(&question_with(&codes(1)[0], "scheme", json!("CN-USCC"))).await.status, 200);
    drop(caller);
    let checked = crate::gateway::question::RawQuestion {
        lists: vec!["court/defaulters".to_owned()],
        purpose: "screening".to_owned(),
        case_number: "2026-0417".to_owned(),
        officer: "li.na".to_owned(),
        scheme: String::new(),
    };
    let checked = checked.check(&crate::gateway::testing::registry()).unwrap();
    assert_eq!((checked.question.case.as_str(), checked.question.officer.as_str()), ("2026-0417", "li.na"));
    let shown = format!("{checked:?}");
    assert!(!shown.contains("2026-0417") && !shown.contains("li.na"), "{shown}");
}

#[tokio::test]
async fn no_code_case_or_officer_reaches_a_log_line() {
    let log = Lines::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // For the whole process: lines of other tests may come in between, and must keep the same secrets.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let code = codes(1)[0].clone();
    let lost = Outcome::NotAnswered(Reason::Unavailable);
    for asker in [FakeAsker::new(), FakeAsker::new().says(&code, lost)] {
        let caller = Caller::new(asker);
        caller.check(&question_with(&code, "x", Value::Null)).await;
        caller.check(&question_with(&code, "purpose", json!("curiosity"))).await;
        caller.check(&question_with(&code[..17], "x", Value::Null)).await;
        caller.get(&format!("/v1/checks?code={code}")).await;
        let rows = format!("{}\n{}\n{{\"code\":\"{code}", question(), json!({"code": code}));
        caller.post("/v1/checks/batch", rows).await;
    }
    let log = log.text();
    assert!(log.contains("route=\"/v1/checks\"") && log.contains("application=intake"), "{log}");
    for secret in [&code[..17], "2026-0417", "li.na", TOKEN] {
        assert!(!log.contains(secret), "{secret}");
    }
}

/// Log lines in memory.
#[derive(Clone, Default)]
struct Lines(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
