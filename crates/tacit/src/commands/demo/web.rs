//! The last step: the web desks, with the company and the officers whom the first days were about.

use serde_json::json;
use tacit_federation::{
    config::Environment,
    run::{RunningPortal, start_portal},
};
use tacit_identity::write_private;

use super::{Narrator, history::Around, report::Step, stage::Stage};
use crate::exit::Failure;

/// Who can be chosen at the subject desk, on this machine alone.
fn accounts(around: &Around, until: &str) -> serde_json::Value {
    let company = |scopes: &[&str]| {
        json!({ "scheme": "CN-USCC", "code": around.company, "name": "Minjiang Paper Co., Ltd.",
            "scopes": scopes, "until": until })
    };
    json!([
        { "account": "minjiang", "title": "Minjiang Paper Co., Ltd. (闽江纸业): on the court's list", "claims": {
            "name": "Minjiang Paper", "subject_scheme": "CN-USCC", "subject_code": around.company } },
        { "account": "lin-mei", "title": "Lin Mei (林梅): may read and consent for Minjiang Paper", "claims": {
            "name": "Lin Mei", "subject_scheme": "CN-USCC", "subject_code": around.other,
            "mandates": [company(&["read", "consent"])] } },
        { "account": "clerk-7", "title": "A clerk at the counter (窗口人员)", "claims": {
            "name": "Counter 7", "roles": ["clerk"] } },
    ])
}

/// Opens the desks.
pub(super) async fn open(
    narrator: &mut Narrator,
    stage: &Stage,
    around: &Around,
    until: &str,
) -> Result<(Step, RunningPortal), Failure> {
    narrator.step("The web opens");
    narrator.say(
        "Three desks, each a client of one party and of nothing else. On this machine a login is a choice of names; \
         elsewhere it is OpenID Connect.",
    );
    narrator.gap();
    let accounts = format!("{:#}\n", accounts(around, until));
    write_private(&stage.folder.join("desks/subject.json"), accounts.as_bytes())?;
    let portal = start_portal(&stage.config("desks"), Environment::Ignored, stage.surroundings()).await?;
    let desks: Vec<_> =
        portal.desks().iter().map(|desk| (desk.name.as_str(), format!("{}/", desk.origin))).collect();
    for (desk, url) in &desks {
        narrator.value(desk, url);
    }
    let facts = json!({ "desks": desks.iter().map(|(desk, url)| json!({ "desk": desk, "url": url })).collect::<Vec<_>>() });
    let outcome = if desks.len() == 3 { "open" } else { "incomplete" };
    Ok((Step::of("web", "open", outcome, facts), portal))
}
