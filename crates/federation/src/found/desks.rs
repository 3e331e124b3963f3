//! `desks.toml` of a new federation, and who can log in there while it is tried out: three desks on loopback, where
//! anybody chooses a name.

use std::{fmt::Write as _, path::Path};

use rand_core::CryptoRng;
use serde_json::{Value, json};
use tacit_identity::{FileError, write_private};
use tacit_model::{
    Millis,
    generate::{generate_rid, generate_uscc},
};
use tacit_portal::DeskName;

use super::{DESK_APPLICATION, OFFICER_APPLICATION, Ports, Service, ports::desks};
use crate::sample::Sample;

/// The folder of the accounts.
pub(super) const ACCOUNTS: &str = "desks";
/// For how long a mandate of a new federation holds.
const YEAR_MS: u64 = 365 * 86_400_000;

/// A company and the people around it, for the subject desk of a federation that is tried out.
#[derive(Debug, Clone)]
pub struct People {
    /// Unified social credit code of the company.
    pub company: String,
    /// Identity number of somebody who acts for it.
    pub agent: String,
}

impl People {
    fn drawn(rng: &mut impl CryptoRng) -> Self {
        Self { company: generate_uscc(rng), agent: generate_rid(rng) }
    }

    /// The accounts of the subject desk: the company itself, somebody with a mandate for a year, and a clerk.
    #[must_use]
    pub fn accounts(&self, now: Millis) -> Value {
        let mandate = json!({
            "scheme": "CN-USCC", "code": self.company, "name": "Minjiang Paper Co., Ltd.",
            "scopes": ["read", "check", "consent"], "until": now.plus_ms(YEAR_MS).to_rfc3339(),
        });
        json!([
            { "account": "minjiang", "title": "Minjiang Paper Co., Ltd. (闽江纸业)", "claims": {
                "name": "Minjiang Paper", "subject_scheme": "CN-USCC", "subject_code": self.company } },
            { "account": "lin-mei", "title": "Lin Mei (林梅), who may act for Minjiang Paper", "claims": {
                "name": "Lin Mei", "subject_scheme": "CN-RID", "subject_code": self.agent, "mandates": [mandate] } },
            { "account": "clerk-7", "title": "A clerk at the counter (窗口人员)", "claims": {
                "name": "Counter 7", "roles": ["clerk"] } },
        ])
    }

    /// Writes them, for their owner alone: they name codes.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn write(&self, folder: &Path, now: Millis) -> Result<(), FileError> {
        let file = folder.join(ACCOUNTS).join("subject.json");
        write_private(&file, format!("{:#}\n", self.accounts(now)).as_bytes())
    }
}

fn officers() -> Value {
    json!([
        { "account": "wang.fang", "title": "Wang Fang (王芳), officer", "claims": {
            "name": "Wang Fang", "roles": ["officer"] } },
        { "account": "zhao.lei", "title": "Zhao Lei (赵磊), officer who decides objections", "claims": {
            "name": "Zhao Lei", "roles": ["officer", "decides"] } },
    ])
}

fn auditors() -> Value {
    json!([{ "account": "chen.yu", "title": "Chen Yu (陈宇), auditor", "claims": {
        "name": "Chen Yu", "roles": ["auditor"] } }])
}

/// The text of `desks.toml`; none when no desk has an address.
pub(super) fn text(sample: &Sample, ports: &Ports) -> Option<String> {
    let mut out = String::from(
        "# The web desks. Paths start from the folder of this file; unknown keys are refused.\n\
         # Anybody who can open them chooses who to be: on this machine alone, and for trying out.\n\n\
         role = \"portal\"\nname = \"desks\"\n\
         # Sessions alone.\ndatabase = \"sqlite:data/desks.db\"\n",
    );
    let mut any = false;
    for (desk, member) in desks(sample) {
        let Some((at, id)) = member.and_then(|it| Some((ports.get(&it.id, Service::Desk)?, &it.id))) else {
            continue;
        };
        any = true;
        let _ = write!(out, "\n[{desk}]\nhttp = \"{at}\"\ntime_zone = \"{}\"\n", time_zone(sample));
        let (behind, application, claims) = match desk {
            DeskName::Subject => {
                (Service::Api, DESK_APPLICATION, "clerk = { claim = \"roles\", value = \"clerk\" }")
            }
            DeskName::Officer => (
                Service::GatewayHttp,
                OFFICER_APPLICATION,
                "role = { claim = \"roles\", value = \"officer\" }, decides = { claim = \"roles\", value = \"decides\" }",
            ),
            DeskName::Auditor => (Service::Desk, "", "role = { claim = \"roles\", value = \"auditor\" }"),
        };
        if desk == DeskName::Auditor {
            let _ = writeln!(out, "auditor = \"{id}.toml\"");
        } else if let Some(api) = ports.get(id, behind) {
            let _ = writeln!(
                out,
                "api = {{ url = \"http://{api}\", tokens = \"tokens/{id}.tokens\", application = \"{application}\" }}"
            );
        }
        let _ = write!(
            out,
            "\n[{desk}.login]\nkind = \"development\"\naccounts = \"{ACCOUNTS}/{desk}.json\"\nclaims = {{ {claims} }}\n"
        );
    }
    any.then_some(out)
}

fn time_zone(sample: &Sample) -> &str {
    sample.list.first().map_or("UTC", |list| &list.time_zone)
}

/// Writes the accounts of all desks.
pub(super) fn accounts(folder: &Path, now: Millis, rng: &mut impl CryptoRng) -> Result<(), FileError> {
    People::drawn(rng).write(folder, now)?;
    for (desk, accounts) in [(DeskName::Officer, officers()), (DeskName::Auditor, auditors())] {
        let file = folder.join(ACCOUNTS).join(format!("{desk}.json"));
        write_private(&file, format!("{accounts:#}\n").as_bytes())?;
    }
    Ok(())
}
