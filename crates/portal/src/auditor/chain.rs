//! Whether the log is what it says: how far it is verified, by whom it is cosigned.

use askama::Template;
use axum::{Extension, extract::State, response::Response};

use super::{App, standing::Standing};
use crate::{
    frame::{Frame, page},
    visit::{Fault, Visit},
};

/// A witness of the log.
struct Witness {
    name: String,
    cosigned: bool,
}

#[derive(Template)]
#[template(path = "auditor/chain.html")]
struct ChainPage {
    frame: Frame,
    standing: Standing,
    witnesses: Vec<Witness>,
    quorum: usize,
    /// The signed tree head, and the root in it.
    checkpoint: String,
    key: String,
}

pub(super) async fn chain(
    State(app): State<App>,
    Extension(visit): Extension<Visit>,
) -> Result<Response, Fault> {
    let frame = Frame::new(&app.desk, &visit, visit.language.say("chain-title"), "chain");
    let key = app.of.copy.key().map(|key| key.to_string()).unwrap_or_default();
    let copied = app.of.copy.now();
    let head = copied.head.as_ref();
    let cosigned = |name: &String| head.is_some_and(|head| head.witnesses.contains(name));
    let all = head.map_or(&[][..], |head| head.all.as_slice());
    let template = ChainPage {
        standing: Standing::of(&copied, &frame),
        witnesses: all.iter().map(|name| Witness { name: name.clone(), cosigned: cosigned(name) }).collect(),
        quorum: head.map_or(0, |head| head.quorum),
        checkpoint: head
            .map(|head| String::from_utf8_lossy(head.checkpoint.note()).into_owned())
            .unwrap_or_default(),
        key,
        frame,
    };
    page(&template)
}
