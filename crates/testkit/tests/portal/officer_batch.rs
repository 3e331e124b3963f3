//! A file of codes at the officer desk: what it costs, what cannot be asked, how far it is, what comes of it, and how
//! it ends with the session.

use std::time::Duration;

use http::StatusCode;
use rust_xlsxwriter::Workbook;
use serde_json::Value;
use tacit_model::{entropy::seeded_rng, generate::generate_uscc};

use crate::{
    dressed,
    officer::{ELIGIBILITY, SELECTION, says, scene},
    visitor::{Page, Visitor},
};

/// Uploads as the form does.
pub(crate) async fn upload(officer: &mut Visitor, choice: &str, case: &str, file: &[u8]) -> Page {
    let csrf = officer.get("/en/batch").await.csrf();
    officer.upload("/en/batch", &[("csrf", &csrf), ("choice", choice), ("case_number", case)], file).await
}

pub(crate) async fn press(officer: &mut Visitor, what: &str) {
    let csrf = officer.get("/en/batch").await.csrf();
    let page = officer.post(&format!("/en/batch/{what}"), &[("csrf", &csrf)]).await;
    assert_eq!((page.status, page.to()), (StatusCode::SEE_OTHER, "/en/batch"), "{}", page.text);
}

/// The page once nothing is under way any more.
pub(crate) async fn ended(officer: &mut Visitor) -> Page {
    for _ in 0..600 {
        let page = officer.get("/en/batch").await;
        if !page.text.contains("data-module=\"tacit-poll\"") {
            return page;
        }
        says(
            &page,
            &["The batch is running", "/en/batch/stop", "rows that can be asked have an answer or a refusal"],
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the batch does not end");
}

async fn answers(officer: &mut Visitor) -> Value {
    let file = officer.get("/en/batch/results.json").await;
    assert_eq!(file.status, StatusCode::OK, "{}", file.text);
    serde_json::from_str(&file.text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_planned_with_its_row_errors_asked_followed_and_taken_away() {
    let scene = scene().await;
    let (listed, other) = (&*scene.listed, &*scene.other);
    let mut chen = scene.officer("chen").await;
    let empty = chen.get("/en/batch").await;
    dressed(&empty);
    says(&empty, &["multipart/form-data", "in the memory of this desk only"]);

    // What is missing is named at its field; what is no table is said to be none.
    let page = upload(&mut chen, "", "", b"name\n91A\n").await;
    dressed(&page);
    let words =
        ["href=\"#file\"", "No column is named", "Choose a list and a purpose", "Enter a case number"];
    says(&page, &words);
    let large = vec![b'x'; (1 << 20) + 1];
    says(&upload(&mut chen, ELIGIBILITY, "B-1", &large).await, &["The file is too large", "B-1"]);

    let bad = format!("{}!", &listed[..17]);
    let file = format!(
        "name,code,case\nx,{listed},\ny,{bad},\nz,,K-9\n=cmd,{},=1+1\nw,{listed},\nv,{},{}\n",
        other.to_lowercase(),
        listed,
        "k".repeat(201),
    );
    let page = upload(&mut chen, ELIGIBILITY, "B-1", file.as_bytes()).await;
    assert_eq!((page.status, page.to()), (StatusCode::SEE_OTHER, "/en/batch"), "{}", page.text);
    let plan = chen.get("/en/batch").await;
    dressed(&plan);
    let words = [
        "Before it starts",
        "Ask now: 3",
        "What it costs",
        "3 of ",
        "2 of ",
        "that the agreement allows a day",
        "Rows that will not be asked",
        "Character 18 of the code cannot be right",
        "There is no code. Enter it, or remove the row.",
        "The case number is too long. Shorten it.",
        &*bad,
    ];
    says(&plan, &words);
    assert_eq!(plan.text.matches("<tr class=\"govuk-table__row\">").count(), 1 + 3);
    says(&chen.get("/zh/batch").await, &["不会查询的行", "开始查询（3 行）"]);
    // Nothing was asked, and nothing is to be had yet.
    says(&chen.get("/en/checks").await, &["You have made no checks."]);
    assert_eq!(chen.get("/en/batch/results.csv").await.status, StatusCode::NOT_FOUND);
    // Another file waits until this one is discarded; another session sees nothing of it.
    let again = upload(&mut chen, ELIGIBILITY, "B-2", b"code\n1\n").await;
    assert_eq!(again.to(), "/en/batch");
    let mut second = scene.officer("chen").await;
    says(&second.get("/en/batch").await, &["multipart/form-data"]);
    assert_eq!(second.get("/en/batch/results.json").await.status, StatusCode::NOT_FOUND);

    press(&mut chen, "start").await;
    // Gone to another page and come back, it is still there.
    chen.get("/en/checks").await;
    let page = ended(&mut chen).await;
    dressed(&page);
    let words = [
        "Answers of the batch",
        "3 of 3 rows that can be asked have an answer or a refusal",
        "An answer is not a decision.",
        "This says nothing about other lists.",
        "On the list “Serious tax violations",
        "Not on the list “Serious tax violations",
        "Category: ",
        "/receipt",
        "On the list (2)",
    ];
    says(&page, &words);
    assert_eq!(page.text.matches("<tr class=\"govuk-table__row\">").count(), 1 + 6, "no row is dropped");
    let only = chen.get("/en/batch?show=not_listed").await;
    assert_eq!(only.text.matches("<tr class=\"govuk-table__row\">").count(), 1 + 1);
    says(&chen.get("/zh/batch").await, &["不在名单", "回答不是决定。", "这不说明其他名单的情况。"]);
    // Started again, nothing is asked twice.
    press(&mut chen, "start").await;

    let csv = chen.get("/en/batch/results.csv").await;
    dressed(&csv);
    assert!(csv.text.starts_with("\u{feff}row,code,case_number,"), "{}", csv.text);
    assert_eq!(csv.text.lines().count(), 1 + 6);
    says(&csv, &["'=1+1", "An answer is not a decision.", listed, "not_listed", "code_invalid"]);
    assert!(!csv.text.contains(",=1+1"));
    let whole = answers(&mut chen).await;
    let rows = whole["rows"].as_array().unwrap();
    let told: Vec<_> =
        rows.iter().map(|row| (row["row"].as_u64().unwrap(), row["answer"].as_str().unwrap())).collect();
    let wanted = [(2, "listed"), (3, "wrong"), (4, "wrong"), (5, "not_listed"), (6, "listed"), (7, "wrong")];
    assert_eq!(told, wanted);
    assert!(rows[0]["as_of"].is_string() && rows[0]["listing"]["reference"].is_string(), "{whole}");
    assert_eq!((&rows[3]["case_number"], &rows[3]["listing"]), (&Value::from("=1+1"), &Value::Null));
    // Each question is on record under the officer's own account, with its own case.
    let mine = chen.get("/en/checks").await;
    assert_eq!(mine.text.matches("/receipt\"").count(), 3, "{}", mine.text);
    says(&chen.get("/en/checks?case=B-1").await, &["B-1"]);
    let receipt = format!("/en/checks/{}/receipt", rows[0]["record"]["id"].as_str().unwrap());
    assert!(chen.get_bytes(&receipt).await.len() > 1000);

    press(&mut chen, "forget").await;
    says(&chen.get("/en/batch").await, &["multipart/form-data"]);
    assert_eq!(chen.get("/en/batch/results.csv").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workbook_is_asked_too_a_row_that_is_refused_says_why_and_all_of_it_ends_with_the_session() {
    let scene = scene().await;
    let mut chen = scene.officer("chen").await;
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "code").unwrap();
    sheet.write(1, 0, scene.listed.as_str()).unwrap();
    sheet.write(2, 0, 911_101_051_949_123_100_u64).unwrap();
    let file = book.save_to_buffer().unwrap();
    upload(&mut chen, SELECTION, "B-3", &file).await;
    let plan = chen.get("/en/batch").await;
    says(&plan, &["Ask now: 1", "digits may be lost", "Each person or company has to have consented."]);
    press(&mut chen, "start").await;
    says(&ended(&mut chen).await, &["It needs the consent of the person", "Refused (1)"]);
    let whole = answers(&mut chen).await;
    assert_eq!(whole["rows"][0]["reason"], "consent_required", "{whole}");
    assert_eq!(whole["rows"][1]["row"], 3);

    // A file of which no row can be asked is not started.
    press(&mut chen, "forget").await;
    upload(&mut chen, ELIGIBILITY, "B-4", b"code,case\n,K\n").await;
    let page = chen.get("/en/batch").await;
    says(&page, &["No row can be asked.", "There is no code."]);
    assert!(!page.text.contains("/en/batch/start"));
    press(&mut chen, "start").await;
    says(&chen.get("/en/batch").await, &["No row can be asked."]);

    let kept = chen.clone();
    let csrf = chen.get("/en/batch").await.csrf();
    chen.post("/en/logout", &[("csrf", &csrf)]).await;
    let mut thief = kept;
    assert_eq!(thief.get("/en/batch/results.json").await.status, StatusCode::SEE_OTHER);
    chen.log_in("chen").await;
    says(&chen.get("/en/batch").await, &["multipart/form-data"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_is_stopped_says_of_every_row_how_far_it_came() {
    let scene = scene().await;
    let mut chen = scene.officer("chen").await;
    let mut rng = seeded_rng([80; 32]);
    // Each row is a case of its own, so each is a call of its own: there is time to stop.
    let rows: String = (0..400).map(|at| format!("{},K-{at}\n", generate_uscc(&mut rng))).collect();
    upload(&mut chen, ELIGIBILITY, "B-5", format!("code,case\n{rows}").as_bytes()).await;
    press(&mut chen, "start").await;
    let running = chen.get("/en/batch").await;
    dressed(&running);
    says(&running, &["data-module=\"tacit-poll\"", "<progress", "Look again"]);
    press(&mut chen, "stop").await;
    let page = chen.get("/en/batch").await;
    says(&page, &["You stopped the batch before it was done.", "Without a result ("]);
    let whole = answers(&mut chen).await;
    let rows = whole["rows"].as_array().unwrap();
    let waits = rows.iter().filter(|row| row["answer"] == "waits").count();
    assert!(rows.len() == 400 && waits > 0, "{waits}");
    assert!(rows.iter().all(|row| row["in_words"].as_str().is_some_and(|words| !words.is_empty())));
    says(&chen.get("/en/batch?show=waits").await, &["It ended before this was asked. Ask again."]);
    // What was not asked by then is never asked.
    assert_eq!(rows[399]["answer"], "waits");
    tokio::time::sleep(Duration::from_secs(1)).await;
    says(&chen.get("/en/checks?case=K-399").await, &["None of your checks matches."]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_not_sent_from_the_desks_own_form_is_not_read() {
    let scene = scene().await;
    let (mut chen, mut sun) = (scene.officer("chen").await, scene.officer("sun").await);
    let file = format!("code\n{}\n", scene.listed);
    let (csrf, theirs) = (chen.get("/en/batch").await.csrf(), sun.get("/en/batch").await.csrf());
    let fields = |csrf| [("csrf", csrf), ("choice", ELIGIBILITY), ("case_number", "B-6")];
    for (form, origin) in [
        (&fields("")[..], &*chen.origin),
        (&fields(&theirs), &*chen.origin),
        (&fields(&csrf), "https://evil.example"),
        // The secret stands first: what is before it would have been read.
        (&[("choice", ELIGIBILITY), ("csrf", &csrf)], &*chen.origin),
        (&[], &*chen.origin),
    ] {
        let mut forger = chen.clone();
        forger.origin = origin.to_owned();
        let page = forger.upload("/en/batch", form, file.as_bytes()).await;
        dressed(&page);
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{form:?}");
    }
    let mut stranger = chen.clone();
    stranger.cookie = None;
    let page = stranger.upload("/en/batch", &fields(&csrf), file.as_bytes()).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    // No other form takes a file.
    let page = chen.upload("/en/check", &fields(&csrf), file.as_bytes()).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    says(&chen.get("/en/batch").await, &["multipart/form-data"]);
    assert_eq!(chen.get("/en/batch/start").await.status, StatusCode::METHOD_NOT_ALLOWED);
}
