//! One letter, with everything that it says.

use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use serde_json::Value;

use super::{App, Post, frame, known};
use crate::{
    download::download,
    frame::{Frame, page},
    person::Scope,
    visit::{Fault, Visit},
};

/// How a field of a letter is shown.
#[derive(Clone, Copy)]
enum As {
    /// Words of an agency or of the person, as they were written.
    Text,
    Day,
    Time,
    Days,
    /// A word of the letter's own, in the page's language, of a family of words.
    Word(&'static str),
}

/// The fields of all kinds of letters, in the order in which they are read.
const FIELDS: [(&str, &str, As); 27] = [
    ("/text", "letter-text", As::Text),
    ("/outcome", "letter-outcome", As::Word("ruling")),
    ("/level", "letter-level", As::Word("level")),
    ("/corrected", "letter-corrected", As::Text),
    ("/reasons", "letter-reasons", As::Text),
    ("/words", "letter-measure", As::Text),
    ("/agency", "letter-agency", As::Text),
    ("/what_listing_means", "lists-means", As::Text),
    ("/decision_ref", "letter-decision-ref", As::Text),
    ("/listing_body", "letter-listing-body", As::Text),
    ("/by", "letter-by", As::Text),
    ("/decided_on", "letter-decided-on", As::Day),
    ("/legal_basis", "entry-law", As::Text),
    ("/notice_days", "letter-notice-days", As::Days),
    ("/effective_on", "letter-effective-on", As::Day),
    ("/expires_on", "answers-until", As::Day),
    ("/received_on", "letter-received-on", As::Day),
    ("/decide_by", "letter-decide-by", As::Day),
    ("/until_decided", "letter-until-decided", As::Word("until-decided")),
    ("/reason", "letter-why", As::Word("removal")),
    ("/removed_on", "letter-removed-on", As::Day),
    ("/given", "letter-given", As::Word("given")),
    ("/registered_on", "letter-registered-on", As::Day),
    ("/lifted_on", "letter-lifted-on", As::Day),
    ("/until", "answers-until", As::Time),
    ("/appeal/until", "letter-appeal-until", As::Day),
    ("/objections", "list-object", As::Text),
];

/// A field with what it says.
struct Said {
    label: String,
    text: String,
    /// Whether somebody wrote it, so that its language is not the page's.
    quoted: bool,
}

fn fields(letter: &Value, frame: &Frame) -> Vec<Said> {
    let Some(body) = letter.get("body") else { return Vec::new() };
    let said = |(at, label, shown): &(&str, &str, As)| {
        let value = body.pointer(at)?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Some(Said {
            label: frame.say(label),
            quoted: matches!(shown, As::Text),
            text: match shown {
                As::Text => text,
                As::Day => frame.day(&text),
                As::Time => frame.minute(&text),
                As::Days => frame.with("list-notice-days", "days", value.as_u64().unwrap_or_default()),
                As::Word(family) => frame.word(family, &text),
            },
        })
    };
    FIELDS.iter().filter_map(said).collect()
}

#[derive(Template)]
#[template(path = "subject/redress/letter.html")]
struct LetterPage {
    frame: Frame,
    post: Post,
    sentence: String,
    who: String,
    fields: Vec<Said>,
    /// Address of the objection that it belongs to.
    matter: Option<String>,
    /// Address of the form to object, for a notice.
    object: Option<String>,
}

async fn one(app: &App, visit: &Visit, id: &str) -> Result<(Post, bool), Fault> {
    let known = known(app, visit, Scope::Read).await?;
    let post = known.letters.iter().find(|post| !id.is_empty() && post.id() == id).ok_or(Fault::NotFound)?;
    Ok((post.clone(), known.objections.iter().any(|matter| matter.id == post.thread())))
}

pub(in crate::subject) async fn letter(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let (post, has_matter) = one(&app, &visit, &id).await?;
    let frame = frame(&app, &visit, "letter-title");
    let list = post.letter.as_ref().and_then(|letter| letter.pointer("/body/list")).and_then(Value::as_str);
    let objects = post.kind == "listing-notice" && post.counts() && visit.who(Scope::Object).is_ok();
    let template = LetterPage {
        sentence: post.sentence(&frame),
        who: post.between(&[post.to_name.as_str()], &frame),
        fields: post.letter.as_ref().map(|letter| fields(letter, &frame)).unwrap_or_default(),
        matter: has_matter.then(|| visit.path(&format!("/objections/{}", post.thread()))),
        object: list.filter(|_| objects).map(|list| visit.path(&format!("/objections/new?list={list}"))),
        post,
        frame,
    };
    page(&template)
}

/// The letter as its author signed it.
pub(in crate::subject) async fn file(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let (post, _) = one(&app, &visit, &id).await?;
    let text = serde_json::to_vec_pretty(&post.letter).map_err(|_| Fault::Internal)?;
    // The id is one that the authority knows: letters and digits.
    Ok(download(text, "application/json", &format!("letter-{id}.json")))
}
