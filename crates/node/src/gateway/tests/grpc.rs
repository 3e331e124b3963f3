use std::sync::Arc;

use futures::stream;
use serde_json::json;
use tacit_client::Outcome;
use tacit_model::Reason;
use tacit_wire::{
    gateway::{
        self as pb, check_many_request::Part, check_outcome::Outcome as Told,
        gateway_service_client::GatewayServiceClient, get_receipt_response, list_answer, plan_request,
    },
    reason_of,
};
use tokio::net::TcpListener;
use tonic::{Code, Request, transport::Channel};

use crate::gateway::{
    GatewayLimits, serve,
    testing::{FakeAsker, TOKEN, answer, app, codes, listed, measure, receipts},
};

#[tokio::test]
async fn measures_are_told_as_in_json() {
    let (mut client, _stop) = client(FakeAsker::new()).await;
    let good = pb::RegisterMeasureRequest {
        record_id: receipts()[0].record.id.to_string(),
        measure: 1,
        decider: "head of office".to_owned(),
        ..pb::RegisterMeasureRequest::default()
    };
    let told = client.register_measure(signed_in(good.clone())).await.unwrap().into_inner().outcome;
    let Some(pb::register_measure_response::Outcome::Measure(told)) = told else { panic!("{told:?}") };
    let id = measure().registered.unwrap().record.id.to_string();
    assert_eq!((&told.measure_id, told.record_index, &told.state[..]), (&id, 41_950, "standing"));
    let wrong = pb::RegisterMeasureRequest { decider: String::new(), ..good };
    let told = client.register_measure(signed_in(wrong)).await.unwrap().into_inner().outcome;
    let Some(pb::register_measure_response::Outcome::Refusal(told)) = told else { panic!("{told:?}") };
    assert_eq!(told.reason, "malformed");
    let lift = pb::LiftMeasureRequest { measure_id: id, decider: "the deputy".to_owned() };
    let told = client.lift_measure(signed_in(lift)).await.unwrap().into_inner().outcome;
    let Some(pb::lift_measure_response::Outcome::Measure(told)) = told else { panic!("{told:?}") };
    assert_eq!(told.state, "lifted");
    let all = pb::ListMeasuresRequest { all: true, ..pb::ListMeasuresRequest::default() };
    let page = client.list_measures(signed_in(all)).await.unwrap().into_inner();
    assert_eq!((page.measures.len(), &page.next_cursor[..]), (2, ""));
    let much = pb::ListMeasuresRequest { limit: 1001, ..pb::ListMeasuresRequest::default() };
    assert_eq!(client.list_measures(signed_in(much)).await.unwrap_err().code(), Code::InvalidArgument);
}

async fn client(asker: FakeAsker) -> (GatewayServiceClient<Channel>, tokio::sync::watch::Sender<bool>) {
    let (app, stop) = app(asker, None, GatewayLimits { idle_ms: 200, ..GatewayLimits::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve::grpc(listener, Arc::clone(&app)));
    (GatewayServiceClient::connect(format!("http://{address}")).await.unwrap(), stop)
}

fn signed_in<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    request.metadata_mut().insert("x-request-id", "desk-4711-a".parse().unwrap());
    request
}

fn question() -> pb::Question {
    pb::Question {
        lists: vec!["court/defaulters".to_owned()],
        purpose: "screening".to_owned(),
        case_number: "2026-0417".to_owned(),
        officer: "li.na".to_owned(),
        scheme: String::new(),
    }
}

fn check(code: &str) -> pb::CheckRequest {
    pb::CheckRequest { question: Some(question()), code: code.to_owned() }
}

#[tokio::test]
async fn without_a_known_token_no_method_answers() {
    let (mut client, _stop) = client(FakeAsker::new()).await;
    let mut wrong = Request::new(pb::GetStatusRequest {});
    wrong.metadata_mut().insert("authorization", format!("Bearer {TOKEN}x").parse().unwrap());
    let statuses = [
        client.check(check("x")).await.unwrap_err(),
        client.check_many(stream::iter([])).await.unwrap_err(),
        client.plan(stream::iter([])).await.unwrap_err(),
        client.get_status(pb::GetStatusRequest {}).await.unwrap_err(),
        client.get_status(wrong).await.unwrap_err(),
        client.list_receipts(pb::ListReceiptsRequest::default()).await.unwrap_err(),
        client.get_receipt(pb::GetReceiptRequest::default()).await.unwrap_err(),
    ];
    for status in statuses {
        assert_eq!(
            (status.code(), reason_of(&status)),
            (Code::Unauthenticated, Some(Reason::Unauthenticated))
        );
    }
}

#[tokio::test]
async fn outcomes_are_values_and_a_bad_question_is_trouble() {
    let codes = codes(3);
    let list = "court/defaulters".parse().unwrap();
    let asker = FakeAsker::new()
        .says(&codes[1], Outcome::Answers(vec![answer(&list, listed())]))
        .says(&codes[2], Outcome::Refused(Reason::ConsentPaused.into()));
    let (mut client, _stop) = client(asker).await;
    let mut told = Vec::new();
    for code in codes.iter().map(String::as_str).chain(["913501"]) {
        told.push(client.check(signed_in(check(code))).await.unwrap().into_inner().outcome.unwrap());
    }
    let Some(Told::Answers(miss)) = &told[0].outcome else { panic!() };
    assert_eq!(miss.lists[0].answer, Some(list_answer::Answer::NotListed(pb::NotListed {})));
    assert_eq!((miss.lists[0].record_index, miss.lists[0].table_version.as_str()), (41_877, "20778.214"));
    assert_eq!(told[0].scheme, "CN-USCC");
    let Some(Told::Answers(hit)) = &told[1].outcome else { panic!() };
    let Some(list_answer::Answer::Listed(label)) = &hit.lists[0].answer else { panic!() };
    assert_eq!((label.category, label.contested, label.listed_on.as_str()), (301, true, "2026-03-01"));
    let Some(Told::Refusal(refusal)) = &told[2].outcome else { panic!() };
    assert_eq!(refusal.reason, "consent_required");
    assert!(!refusal.message.contains("paused the"));
    let Some(Told::Refusal(refusal)) = &told[3].outcome else { panic!() };
    assert_eq!(refusal.reason, "code_invalid");

    for (question, reason) in [
        (None, Reason::Malformed),
        (Some(pb::Question { case_number: String::new(), ..question() }), Reason::CaseRequired),
        (Some(pb::Question { purpose: String::new(), ..question() }), Reason::PurposeRequired),
        (Some(pb::Question { lists: vec!["court/x".to_owned()], ..question() }), Reason::UnknownList),
    ] {
        let request = pb::CheckRequest { question, code: codes[0].clone() };
        let status = client.check(signed_in(request)).await.unwrap_err();
        assert_eq!(reason_of(&status), Some(reason));
        assert_eq!(tacit_wire::status::request_id_of(&status).as_deref(), Some("desk-4711-a"));
        assert!(!status.message().contains(&codes[0]));
    }
}

#[tokio::test]
async fn a_stream_of_rows_comes_back_row_by_row() {
    let codes = codes(2);
    let (mut client, _stop) = client(FakeAsker::new()).await;
    let row = |row, code: &str| pb::CheckManyRequest {
        part: Some(Part::Subject(pb::Subject { row, code: code.to_owned() })),
    };
    let first = pb::CheckManyRequest { part: Some(Part::Question(question())) };
    let parts = vec![first.clone(), row(7, &codes[0]), row(8, "?"), row(9, &codes[1])];
    let mut answers = client.check_many(signed_in(stream::iter(parts))).await.unwrap().into_inner();
    let mut rows = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        let answered = matches!(answer.outcome.unwrap().outcome, Some(Told::Answers(_)));
        rows.push((answer.row, answered));
    }
    rows.sort_unstable();
    assert_eq!(rows, [(7, true), (8, false), (9, true)]);

    for parts in [
        vec![],
        vec![row(1, &codes[0])],
        vec![first.clone(), first.clone()],
        vec![first, pb::CheckManyRequest { part: None }],
    ] {
        let answered = client.check_many(signed_in(stream::iter(parts))).await;
        let status = match answered {
            Err(status) => status,
            Ok(answers) => answers.into_inner().message().await.unwrap_err(),
        };
        assert_eq!(reason_of(&status), Some(Reason::Malformed));
    }
}

#[tokio::test]
async fn a_plan_and_the_status_come_as_in_json() {
    let (mut client, _stop) = client(FakeAsker::new()).await;
    let row = |code: &str| {
        let subject = pb::Subject { row: 0, code: code.to_owned() };
        pb::PlanRequest { part: Some(plan_request::Part::Subject(subject)) }
    };
    let first = pb::PlanRequest { part: Some(plan_request::Part::Question(question())) };
    let parts = vec![first, row(&codes(1)[0]), row("?")];
    let plan = client.plan(signed_in(stream::iter(parts))).await.unwrap().into_inner();
    assert_eq!((plan.checks, plan.invalid, plan.new_subjects, plan.limits.len()), (1, 1, 1, 1));
    let status = client.get_status(signed_in(pb::GetStatusRequest {})).await.unwrap().into_inner();
    assert_eq!((status.member.as_str(), status.log_size, status.registry_number), ("procurement", 12, 7));
    assert_eq!(status.age_ms, Some(1_500));
    assert_eq!(json!(status.lists[0].list_id), json!("procurement/own"));
}

#[tokio::test]
async fn receipts_are_listed_and_handed_out_as_in_json() {
    let (mut client, _stop) = client(FakeAsker::new()).await;
    let all = receipts();
    let request = pb::ListReceiptsRequest {
        case_number: "2026-0".to_owned(),
        limit: 2,
        ..pb::ListReceiptsRequest::default()
    };
    let page = client.list_receipts(signed_in(request.clone())).await.unwrap().into_inner();
    let ids: Vec<_> = page.receipts.iter().map(|it| it.record_id.clone()).collect();
    assert_eq!(ids, [all[0].record.id.to_string(), all[2].record.id.to_string()]);
    assert_eq!(page.next_cursor, ids[1]);
    let request = pb::ListReceiptsRequest { cursor: page.next_cursor, ..request };
    let page = client.list_receipts(signed_in(request)).await.unwrap().into_inner();
    assert_eq!((page.receipts.len(), page.receipts[0].record_index), (1, 104));
    assert_eq!(page.next_cursor, "");

    let ask = |record_id: String| signed_in(pb::GetReceiptRequest { record_id });
    let found = client.get_receipt(ask(ids[0].clone())).await.unwrap().into_inner().outcome;
    let Some(get_receipt_response::Outcome::Receipt(receipt)) = found else { panic!() };
    assert_eq!(receipt.file.as_ref(), b"tacit-receipt");
    assert_eq!(receipt.summary.unwrap().officer, "li.na");
    let none = client.get_receipt(ask("01KAM2V7Q3ZJ6V6T1V8M3W9R5C".to_owned())).await;
    let Some(get_receipt_response::Outcome::Refusal(refusal)) = none.unwrap().into_inner().outcome else {
        panic!()
    };
    assert_eq!(refusal.reason, "not_found");
    let status = client.get_receipt(ask("x".to_owned())).await.unwrap_err();
    assert_eq!(reason_of(&status), Some(Reason::Malformed));
}
