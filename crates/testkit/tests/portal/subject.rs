//! Every page and form of the subject desk, walked through.

use std::time::Duration;

use http::StatusCode;
use tacit_portal::{Guard, Guarded, Scope};
use tacit_wire::gateway::{AskConsentRequest, ask_consent_response::Outcome as Asked};

use super::{
    COURT, Scene, scene_with,
    visitor::Visitor,
    walk::{Filling, Walked, masked, walk},
};

const TAX: &str = "tax/serious-violations";
/// No record and no consent has this id.
const NONE: &str = "01KAM2V7Q3ZJ6V6T1V8M3W9R5C";

/// A person who was asked about, who gave one consent and is asked for another.
pub(crate) struct Subject {
    pub(crate) scene: Scene,
    record: String,
    consent: String,
    request: String,
    /// Of an objection, and of the letter that it is.
    objection: String,
    asset: String,
}

impl Scene {
    /// The procurement office asks for consent; the id of its request.
    async fn asks_consent(&self) -> String {
        let request = AskConsentRequest {
            code: self.codes[0].clone(),
            lists: vec![TAX.to_owned()],
            purposes: vec!["vendor-selection".to_owned()],
            days: 60,
            frequency: "9 DAY".to_owned(),
            officer: "li".to_owned(),
            ..AskConsentRequest::default()
        };
        let answer = self.federation.gateway("procurement").unwrap().ask_consent(request).await.unwrap();
        let Some(Asked::Asked(asked)) = answer.into_inner().outcome else { panic!("it was asked for") };
        asked.consent_id
    }
}

/// The part of a text between two others.
fn between<'t>(text: &'t str, begins: &str, ends: char) -> &'t str {
    let (_, rest) = text.split_once(begins).unwrap_or_else(|| panic!("no {begins} in {text}"));
    rest.split(ends).next().unwrap()
}

/// What no test comes near.
pub(crate) const UNLIMITED: &str = "limits = { lookups_per_minute = 1000000, checks_per_minute = 1000000 }";

impl Subject {
    pub(crate) async fn through(scene: Scene) -> Self {
        let mut me = scene.visitor();
        me.log_in("paper").await;
        me.get("/en/asked").await;
        scene.asked(&scene.codes[0]).await;
        let consent = scene.asks_consent().await;
        scene.federation.read_anew("portal").await.unwrap();
        let csrf = me.get(&format!("/en/requests/{consent}")).await.csrf();
        let form = [("csrf", &*csrf), ("list", TAX), ("purpose", "vendor-selection"), ("days", "30")];
        let page = me.post(&format!("/en/requests/{consent}/allow"), &form).await;
        assert!(page.text.contains("Your consent is in force"), "{}", page.text);
        let request = scene.asks_consent().await;
        scene.federation.read_anew("portal").await.unwrap();
        assert_eq!(me.get(&format!("/en/requests/{request}")).await.status, StatusCode::OK);
        let form = [("csrf", &*csrf), ("list", COURT), ("text", "It was paid.")];
        let filed = me.post("/en/objections/new", &form).await;
        let objection = between(&filed.text, "href=\"/en/objections/", '"').to_owned();
        // Letters that are under way would change what the pages say.
        for _ in 0..600 {
            if me.get("/en/matters").await.text.contains("Received.") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // So would the list, which is published anew because somebody objects.
        scene.federation.seal(COURT).await.unwrap();
        let asked = me.get("/en/asked").await;
        let record = between(&asked.text, "href=\"/en/asked/", '"').to_owned();
        let asset = format!("/assets/{}", between(&asked.text, "href=\"/assets/", '"'));
        Self { scene, record, consent, request, objection, asset }
    }

    async fn of(&self, account: &str) -> Visitor {
        let mut visitor = self.scene.visitor();
        visitor.log_in(account).await;
        visitor
    }
}

impl Walked for Subject {
    fn routes(&self) -> &[Guarded] {
        &self.scene.portal.desks()[0].routes
    }

    fn visitor(&self) -> Visitor {
        self.scene.visitor()
    }

    fn filling(&self, route: &Guarded) -> Option<Filling> {
        let path = route.path.replace("{language}", "en");
        let with = |name: &str, own: &str| Filling::of(path.replace(name, own)).or(path.replace(name, NONE));
        Some(match route.path {
            "/" | "/healthz" | "/login/callback" | "/{language}/" | "/{language}/goodbye" => {
                Filling::of(path)
            }
            "/{language}/logout" | "/{language}/acting/stop" => Filling::of(path),
            "/{language}/asked" | "/{language}/asked.csv" | "/{language}/asked.json" => Filling::of(path),
            "/{language}/consents" | "/{language}/lists" | "/{language}/acted" => Filling::of(path),
            "/{language}/matters" | "/{language}/matters.json" => Filling::of(path),
            "/{language}/consents/new" => Filling::of(path).form("id", NONE).form("list", TAX),
            "/{language}/objections/new" => {
                Filling::of(path).form("list", COURT).form("text", "It was paid.")
            }
            "/{language}/letters/{id}" | "/{language}/letters/{id}/file" | "/{language}/objections/{id}" => {
                with("{id}", &self.objection)
            }
            "/{language}/objections/{id}/appeal" => {
                with("{id}", &self.objection).form("text", "It was paid.")
            }
            "/{language}/lists/{holder}/{name}/join" => {
                Filling::of("/en/lists/tax/trusted-taxpayers/join").form("given", "yes")
            }
            "/{language}/consents/{id}/renew" => with("{id}", &self.consent).form("days", "365"),
            "/assets/{hash}/{name}" => Filling::of(&self.asset),
            "/{language}/login" => Filling::of(path).form("account", "paper"),
            "/{language}/acting" => Filling::of(path).form("mandate", "0"),
            "/{language}/lists/check" => Filling::of(path).form("list", COURT),
            // What a list is, is the same for all.
            "/{language}/lists/{holder}/{name}" => Filling::of(format!("/en/lists/{COURT}")),
            "/{language}/asked/{record}" | "/{language}/asked/{record}/proof" => {
                with("{record}", &self.record)
            }
            "/{language}/requests/{id}" | "/{language}/requests/{id}/refuse" => with("{id}", &self.request),
            "/{language}/requests/{id}/allow" => with("{id}", &self.request)
                .form("list", TAX)
                .form("purpose", "vendor-selection")
                .form("days", "30"),
            "/{language}/consents/{id}"
            | "/{language}/consents/{id}/receipt"
            | "/{language}/consents/{id}/withdraw"
            | "/{language}/consents/{id}/pause"
            | "/{language}/consents/{id}/resume" => with("{id}", &self.consent),
            _ => return None,
        })
    }

    async fn insider(&self) -> Visitor {
        self.of("paper").await
    }

    async fn other(&self) -> Option<Visitor> {
        Some(self.of("agent").await)
    }

    async fn unfit(&self, guard: Guard) -> Vec<(Visitor, &'static str)> {
        let Guard::For(scope) = guard else { panic!("{guard:?} is not of this desk") };
        let mut unfit = vec![(self.of("clerk").await, "You cannot use this page")];
        let mandates = [Scope::Read, Scope::Check, Scope::Consent, Scope::Object];
        for (place, mandate) in mandates.into_iter().enumerate().filter(|(_, mandate)| *mandate != scope) {
            let mut agent = self.of("narrow").await;
            let csrf = agent.get("/en/acting").await.csrf();
            let page = agent.post("/en/acting", &[("csrf", &csrf), ("mandate", &place.to_string())]).await;
            assert_eq!(page.status, StatusCode::SEE_OTHER, "{mandate:?}: {}", page.text);
            unfit.push((agent, "Your mandate does not cover this"));
        }
        unfit
    }

    fn told_to_none_else(&self) -> Vec<String> {
        ["Public procurement office", "Judgment defaulters"].map(str::to_owned).into()
    }

    async fn state(&self, insider: &mut Visitor) -> Vec<String> {
        let log = self.scene.federation.auditor("auditor-a").unwrap().verify(|_, _| {}).await.unwrap();
        // The authority reads all the time, and every reading is a record.
        let kinds = log.kinds.iter().filter(|(kind, _)| **kind != "audit");
        let mut state = vec![format!("{:?}", kinds.collect::<Vec<_>>())];
        let consent = format!("/en/consents/{}", self.consent);
        for at in ["/en/acting", "/en/consents", &consent, "/en/asked.csv", "/en/matters"] {
            let page = insider.get(at).await;
            assert_eq!(page.status, StatusCode::OK, "{at}: {}", page.text);
            state.push(masked(&page));
        }
        state
    }

    async fn change(&self, insider: &mut Visitor) {
        let at = format!("/en/consents/{}", self.consent);
        let csrf = insider.get(&at).await.csrf();
        let page = insider.post(&format!("{at}/pause"), &[("csrf", &csrf)]).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_and_form_of_the_subject_desk_is_refused_to_whom_it_is_not_for() {
    walk(&Subject::through(scene_with(UNLIMITED).await).await).await;
}
