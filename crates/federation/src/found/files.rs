//! The configuration files of a new federation, as text with comments.

use std::{collections::BTreeMap, fmt::Write as _};

use tacit_identity::Role;
use tacit_node::config::{CourierConfig, HolderConfig};
use tacit_policy::{Ed25519Key, registry::entry::Role as Registered};

use super::{
    FoundError, Overrides, PSEUDONYM_EPOCH, Ports, Service, bodies,
    keys::{Seeds, Use},
    role_of,
};
use crate::{
    config::Pinned,
    sample::{Sample, SampleMember},
};

/// What `member` pins: authorities, auditors and those it has agreements with. Without a member: all.
pub(super) fn pins(
    sample: &Sample,
    seeds: &Seeds,
    member: Option<&SampleMember>,
) -> Result<Pinned, FoundError> {
    let (coordinator, custodian) = bodies(sample)?;
    let is_partner = |other: &SampleMember| {
        member.is_none_or(|me| {
            sample.agreement.iter().any(|it| {
                (it.holder == me.id && it.requester == other.id)
                    || (it.requester == me.id && it.holder == other.id)
            })
        })
    };
    let pinned = |other: &&SampleMember| {
        let everyones = other.has(Registered::Authority) || other.has(Registered::Auditor);
        other.id != *coordinator && other.id != *custodian && (everyones || is_partner(other))
    };
    let members: BTreeMap<_, _> =
        sample.member.iter().filter(pinned).map(|it| (it.id.clone(), seeds.signing(&it.id))).collect();
    Ok(Pinned {
        coordinator: seeds.signing(coordinator),
        log: Ed25519Key(seeds.ed25519(coordinator, Use::Log).verifying_key()),
        custodian: seeds.signing(custodian),
        members,
    })
}

/// The text of `<member>.toml`.
pub(super) fn text(
    sample: &Sample,
    member: &SampleMember,
    seeds: &Seeds,
    ports: &Ports,
    overrides: Overrides,
) -> Result<String, FoundError> {
    let writer = Writer { sample, member, seeds, ports, out: String::new() };
    writer.write(&pins(sample, seeds, Some(member))?, overrides)
}

struct Writer<'a> {
    sample: &'a Sample,
    member: &'a SampleMember,
    seeds: &'a Seeds,
    ports: &'a Ports,
    out: String,
}

impl Writer<'_> {
    fn write(mut self, pins: &Pinned, overrides: Overrides) -> Result<String, FoundError> {
        let (coordinator, custodian) = bodies(self.sample)?;
        let role = role_of(self.member);
        let id = &self.member.id;
        self.line(&format!(
            "# {}. Paths start from the folder of this file; unknown keys are refused.",
            self.member.title
        ));
        self.line("# Each key can also be set by the environment: TACIT_LIMITS__PERMIT_MS is permit_ms in [limits].");
        self.line("");
        self.line(&format!("role = \"{role}\""));
        self.line(&format!("federation = \"{}\"", self.sample.federation));
        self.line(&format!("member = \"{id}\""));
        if let Some(at) = self.ports.get(id, Service::Federation) {
            self.line(&format!("listen = \"{at}\""));
        }
        if let Some(at) = self.ports.get(id, Service::Metrics) {
            self.line(&format!("metrics = \"{at}\""));
        }
        if self.ports.get(id, Service::Federation).is_some() || role == Role::Authority {
            self.line(&format!("database = \"sqlite:data/{id}.db\""));
        }
        match role {
            Role::Coordinator => self.line("registry = \"registry.json\""),
            Role::Auditor => {
                self.line("# The newest checkpoint that was verified here.");
                self.line(&format!("checkpoint = \"data/{id}.checkpoint\""));
            }
            _ => {}
        }
        if matches!(role, Role::Node | Role::Authority | Role::Auditor) {
            self.line(&format!(
                "# The newest verified registry is kept here.\nregistry = \"data/{id}.registry.json\""
            ));
        }
        if role != Role::Coordinator {
            self.place("coordinator", coordinator);
        }
        if matches!(role, Role::Node | Role::Authority) {
            self.place("custodian", custodian);
        }
        self.tls();
        self.keys(role);
        self.pins(pins);
        match role {
            Role::Node => self.node(overrides),
            Role::Authority => self.authority(overrides),
            Role::Coordinator | Role::Custodian | Role::Auditor => {}
        }
        Ok(self.out)
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn place(&mut self, name: &str, member: &tacit_model::MemberId) {
        // Whoever has no address of its own cannot be in a sample that was read: it has both bodies.
        let endpoint =
            self.ports.get(member, Service::Federation).map(|at| format!("https://{at}")).unwrap_or_default();
        let _ = write!(self.out, "\n[{name}]\nmember = \"{member}\"\nendpoint = \"{endpoint}\"\n");
    }

    fn tls(&mut self) {
        let id = &self.member.id;
        let _ = write!(
            self.out,
            "\n[tls]\ncertificate = \"tls/{id}.pem\"\nkey = \"tls/{id}.key\"\n\
             authority = \"tls/ca.pem\"\ncrl = \"tls/crl.pem\"\n"
        );
    }

    fn keys(&mut self, role: Role) {
        self.line("\n# Private keys: files with 32 bytes in hexadecimal, mode 0600.");
        self.line("[keys]");
        let id = &self.member.id;
        if role == Role::Custodian {
            let file = Use::Pseudonym.file(id);
            self.line("# Losing a pseudonym seed orphans every consent: back it up sealed.");
            self.line(&format!("pseudonym = [{{ epoch = {PSEUDONYM_EPOCH}, seed = \"keys/{file}\" }}]"));
            self.line("# Cosigns the checkpoints of the coordinator's log.");
            self.line(&format!("witness = \"keys/{}\"", Use::Witness.file(id)));
            return;
        }
        let names: &[(&str, Use)] = match role {
            Role::Coordinator => &[("log", Use::Log)],
            Role::Authority => &[
                ("signing", Use::Signing),
                ("blind", Use::Blind),
                ("store", Use::Store),
                ("letters", Use::Letters),
            ],
            Role::Auditor if !self.seeds.has(id, Use::Box) => &[],
            Role::Auditor => &[("signing", Use::Signing), ("box", Use::Box)],
            Role::Node | Role::Custodian => &[
                ("signing", Use::Signing),
                ("manifest", Use::Manifest),
                ("witness", Use::Witness),
                ("store", Use::Store),
                ("letters", Use::Letters),
            ],
        };
        for (name, usage) in names.iter().filter(|(_, usage)| self.seeds.has(id, *usage)) {
            self.line(&format!("{name} = \"keys/{}\"", usage.file(id)));
        }
    }

    fn pins(&mut self, pins: &Pinned) {
        self.line("\n# Public keys that no registry may swap.");
        self.line("[pins]");
        for (name, key) in
            [("coordinator", pins.coordinator), ("log", pins.log), ("custodian", pins.custodian)]
        {
            self.line(&format!("{name} = \"{key}\""));
        }
        if !pins.members.is_empty() {
            self.line("\n# Consent authorities, auditors, and the members of one's own agreements.");
            self.line("[pins.members]");
            for (id, key) in &pins.members {
                self.line(&format!("{id} = \"{key}\""));
            }
        }
    }

    fn authority(&mut self, overrides: Overrides) {
        let id = self.member.id.clone();
        self.line("\n# Where the portal and the command line ask about users, on this machine only.");
        self.line("[api]");
        if let Some(at) = self.ports.get(&id, Service::Api) {
            self.line(&format!("http = \"{at}\""));
        }
        self.line(&format!("tokens = \"tokens/{id}.tokens\""));
        self.line("\n# The coordinator is read for all users together, never when one of them asks; every time up to a");
        self.line("# quarter earlier or later.");
        self.line("[reading]");
        let every = overrides.reading_ms.unwrap_or(tacit_authority::ReadingConfig::default().every_ms);
        self.line(&format!("every_ms = {every}"));
    }

    fn node(&mut self, overrides: Overrides) {
        let id = self.member.id.clone();
        if self.member.has(Registered::Holder) {
            let defaults = HolderConfig::default();
            self.line("\n# How own lists are sealed and published.");
            self.line("[holder]");
            self.line("# Changes are published every tick, with cover; each epoch has a key of its own.");
            self.line(&format!("tick_ms = {}", overrides.tick_ms.unwrap_or(defaults.tick_ms)));
            self.line(&format!("epoch_ms = {}", overrides.epoch_ms.unwrap_or(defaults.epoch_ms)));
        }
        if let Some(tick_ms) = overrides.tick_ms {
            self.line("\n# Letters are sent and looked for as often as changes are published.");
            self.line("[letters]");
            self.line(&format!("every_ms = {}", tick_ms.min(CourierConfig::default().every_ms)));
        }
        if self.seeds.has(&id, Use::Store) {
            let does = match self.member.has(Registered::Requester) {
                true => "ask",
                false => "work with objections",
            };
            self.line(&format!("\n# Where the agency's own applications {does}, on this machine only."));
            self.line("[gateway]");
            for (name, service) in [("grpc", Service::GatewayGrpc), ("http", Service::GatewayHttp)] {
                if let Some(at) = self.ports.get(&id, service) {
                    self.line(&format!("{name} = \"{at}\""));
                }
            }
            if self.member.has(Registered::Holder) {
                self.line("# Objections and appeals are read and decided with a token that has the right `redress`.");
            }
            self.line(&format!("tokens = \"tokens/{id}.tokens\""));
        }
    }
}
