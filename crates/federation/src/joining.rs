//! A member that joins: its keys are made where they stay, and what leaves is its entry, signed by itself, and a request
//! for a certificate. A fingerprint over both is confirmed by another way before the coordinator takes them.
//!
//! ```text
//! DIR/ NAME.entry.json  NAME.csr  (to the coordinator)      NAME.toml  data/NAME.registry.json  (from a registry file)
//!      keys/  tls/NAME.key  tokens/                         (stay)
//! ```

use std::{
    fmt::Write as _,
    fs::{DirBuilder, Permissions},
    io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rand_core::CryptoRng;
use tacit_blind::letter::{LetterPublicKey, LetterSecretKey};
use tacit_identity::{
    CaError, CertificateRequest, Federation, FileError, Role, SpiffeId, write_private, write_public,
};
use tacit_ledger::ed25519::SigningKey;
use tacit_model::MemberId;
use tacit_policy::{
    Ed25519Key, Pins, PublicKey, Registry, RegistryError,
    registry::{
        entry::{Entry, Member, MemberKeys, MemberKind, Role as Registered},
        signed::{Signed, Signer},
    },
};
use zeroize::Zeroizing;

use crate::found::{PSEUDONYM_EPOCH, Use, tokens};

/// What a joining member is.
#[derive(Debug, Clone)]
pub struct Joining {
    /// Its name.
    pub member: MemberId,
    /// Its name in words.
    pub title: String,
    /// What it is before the law.
    pub kind: MemberKind,
    /// What it will do: holder, requester, authority or auditor.
    pub roles: Vec<Registered>,
    /// The federation.
    pub federation: Federation,
    /// Where it will be reached, `https://HOST:PORT`; needed by holders.
    pub endpoint: Option<String>,
    /// Where it will listen.
    pub listen: SocketAddr,
}

/// What was made.
#[derive(Debug)]
pub struct Made {
    /// The entry, signed by the member.
    pub entry: PathBuf,
    /// The request for a certificate.
    pub request: PathBuf,
    /// The configuration, when there was a registry to write it from.
    pub config: Option<PathBuf>,
    /// What is confirmed by another way.
    pub fingerprint: String,
}

/// Nothing was made, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Coordinator and custodian are there from the founding on.
    #[error(
        "`{0}` is not a role to join with; a federation has one coordinator and one custodian from its founding on"
    )]
    Role(Registered),
    /// A consent authority or auditor does nothing else.
    #[error("`{0}` goes with no other role in one configuration; join with another name for the other role")]
    Alone(Registered),
    /// There is something already.
    #[error("{} is there already; a member is made once, nothing was changed", .0.display())]
    Exists(PathBuf),
    /// A folder cannot be made.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The certificate request.
    #[error(transparent)]
    Request(#[from] CaError),
    /// The entry breaks a rule, or the registry that was given does.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The registry is of another federation.
    #[error("the registry that was given is of federation `{0}`")]
    OtherFederation(String),
}

/// The role in the certificate of a member with these roles.
///
/// # Errors
/// [`JoinError::Role`], [`JoinError::Alone`].
pub fn certificate_role(roles: &[Registered]) -> Result<Role, JoinError> {
    for role in roles {
        let found = match role {
            Registered::Holder | Registered::Requester => continue,
            Registered::Coordinator | Registered::Custodian => return Err(JoinError::Role(*role)),
            Registered::Authority => Role::Authority,
            Registered::Auditor => Role::Auditor,
        };
        return if roles.len() == 1 { Ok(found) } else { Err(JoinError::Alone(*role)) };
    }
    Ok(Role::Node)
}

/// What both sides compare: over the exact text of the entry, and the public key of the certificate request (SPKI,
/// SHA-256). 16 groups of four hexadecimal digits.
#[must_use]
pub fn fingerprint(entry: &Signed, spki_sha256: &[u8; 32]) -> String {
    let digest = hex::encode(entry.joining_hash(spki_sha256));
    let groups: Vec<&str> = (0..digest.len()).step_by(4).filter_map(|at| digest.get(at..at + 4)).collect();
    groups.join("-")
}

/// Makes keys, entry and certificate request in `folder`; with a registry file also the configuration.
///
/// # Errors
/// [`JoinError`].
pub fn make(
    folder: &Path,
    joining: &Joining,
    registry: Option<&[u8]>,
    rng: &mut impl CryptoRng,
) -> Result<Made, JoinError> {
    let role = certificate_role(&joining.roles)?;
    let id = &joining.member;
    let entry_file = folder.join(format!("{id}.entry.json"));
    if entry_file.exists() {
        return Err(JoinError::Exists(entry_file));
    }
    let known = registry.map(|bytes| read(bytes, joining)).transpose()?;
    for part in ["", "tls", "keys", "tokens", "data"] {
        make_folder(&folder.join(part))?;
    }
    let mut keys = Keys { folder: folder.join("keys"), member: id, uses: Vec::new() };
    let signing = keys.draw(Use::Signing, rng)?;
    let mut public = MemberKeys::signing(Ed25519Key(signing.verifying_key()));
    if joining.roles.contains(&Registered::Holder) {
        public.manifest = Some(Ed25519Key(keys.draw(Use::Manifest, rng)?.verifying_key()));
        public.witness = Some(Ed25519Key(keys.draw(Use::Witness, rng)?.verifying_key()));
    }
    if role == Role::Node {
        keys.draw(Use::Store, rng)?;
    }
    if role == Role::Node {
        tokens::write(&folder.join("tokens"), id, &joining.roles, rng)?;
    }
    if joining.roles.contains(&Registered::Authority) {
        keys.draw(Use::Blind, rng)?;
    }
    // Who asks, and who writes letters about its subjects, has pseudonyms of its own.
    let corresponds = matches!(role, Role::Node | Role::Authority);
    if corresponds {
        public.letters = Some(PublicKey(keys.draw_letters(rng)?.encode()));
    }
    let member = Member {
        id: id.clone(),
        title: joining.title.clone(),
        kind: joining.kind,
        roles: joining.roles.clone(),
        endpoint: joining.endpoint.clone(),
        keys: public,
        pseudonym_epoch: corresponds.then_some(PSEUDONYM_EPOCH),
    };
    let entry = Signed::draft(&Entry::Member(member))?.sign(Signer { id, key: &signing })?;
    let request = CertificateRequest::new(&SpiffeId::new(joining.federation.clone(), role, id.clone()))?;
    write_private(&folder.join("tls").join(format!("{id}.key")), request.key_pem.as_bytes())?;
    let request_file = folder.join(format!("{id}.csr"));
    write_public(&request_file, request.request_pem.as_bytes())?;
    let mut config = None;
    if let Some((bytes, registry)) = known {
        write_public(&folder.join("data").join(format!("{id}.registry.json")), bytes)?;
        let path = folder.join(format!("{id}.toml"));
        let own = Ed25519Key(signing.verifying_key());
        write_public(&path, text(joining, role, &keys.uses, own, &registry).as_bytes())?;
        config = Some(path);
    }
    // Last: it says that all of it is there.
    write_public(&entry_file, &Signed::to_file(std::slice::from_ref(&entry))?)?;
    let fingerprint = fingerprint(&entry, &request.spki_sha256);
    Ok(Made { entry: entry_file, request: request_file, config, fingerprint })
}

/// The registry that was handed over with its hash: its own pins are taken, and the hash confirmed by another way.
fn read<'b>(bytes: &'b [u8], joining: &Joining) -> Result<(&'b [u8], Registry), JoinError> {
    let registry = Registry::parse(bytes, &Pins::claimed_by(bytes)?)?;
    if registry.federation() != joining.federation.as_str() {
        return Err(JoinError::OtherFederation(registry.federation().to_owned()));
    }
    Ok((bytes, registry))
}

fn make_folder(path: &Path) -> Result<(), JoinError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(0o700)))
        .map_err(|source| JoinError::Folder { path: path.to_owned(), source })
}

struct Keys<'a> {
    folder: PathBuf,
    member: &'a MemberId,
    uses: Vec<Use>,
}

impl Keys<'_> {
    /// A fresh seed in its file; as an Ed25519 key, if it is for one.
    fn draw(&mut self, usage: Use, rng: &mut impl CryptoRng) -> Result<SigningKey, JoinError> {
        self.seed(usage, rng).map(|seed| SigningKey::from_seed(&seed))
    }

    /// The key for letters.
    fn draw_letters(&mut self, rng: &mut impl CryptoRng) -> Result<LetterPublicKey, JoinError> {
        self.seed(Use::Letters, rng).map(|seed| LetterSecretKey::derive(&seed).1)
    }

    fn seed(&mut self, usage: Use, rng: &mut impl CryptoRng) -> Result<Zeroizing<[u8; 32]>, JoinError> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        let text = Zeroizing::new(format!("{}\n", *Zeroizing::new(hex::encode(*seed))));
        write_private(&self.folder.join(usage.file(self.member)), text.as_bytes())?;
        self.uses.push(usage);
        Ok(seed)
    }
}

/// The configuration, in the form that the founding writes.
fn text(joining: &Joining, role: Role, keys: &[Use], own: Ed25519Key, registry: &Registry) -> String {
    let id = &joining.member;
    let mut out = format!(
        "# {}. Paths start from the folder of this file; unknown keys are refused.\n\n\
         role = \"{role}\"\nfederation = \"{}\"\nmember = \"{id}\"\n",
        joining.title, joining.federation
    );
    // Writing to a string does not fail.
    if role == Role::Node {
        let _ = write!(out, "listen = \"{}\"\ndatabase = \"sqlite:data/{id}.db\"\n", joining.listen);
    }
    if role == Role::Auditor {
        let _ = writeln!(out, "checkpoint = \"data/{id}.checkpoint\"");
    }
    let _ = writeln!(out, "registry = \"data/{id}.registry.json\"");
    for (name, member) in [("coordinator", registry.coordinator()), ("custodian", registry.custodian())] {
        if name == "custodian" && role == Role::Auditor {
            continue;
        }
        let endpoint = registry.member(member).and_then(|it| it.endpoint.clone()).unwrap_or_default();
        let _ = write!(out, "\n[{name}]\nmember = \"{member}\"\nendpoint = \"{endpoint}\"\n");
    }
    let _ = write!(
        out,
        "\n[tls]\ncertificate = \"tls/{id}.pem\"\nkey = \"tls/{id}.key\"\nauthority = \"tls/ca.pem\"\n\
         crl = \"tls/crl.pem\"\n"
    );
    let named = keys.iter().filter_map(|usage| {
        let name = match usage {
            Use::Signing if role == Role::Auditor => return None,
            Use::Signing => "signing",
            Use::Manifest => "manifest",
            Use::Witness => "witness",
            Use::Store => "store",
            Use::Blind => "blind",
            Use::Letters => "letters",
            Use::Log | Use::Box | Use::Pseudonym => return None,
        };
        Some(format!("{name} = \"keys/{}\"\n", usage.file(id)))
    });
    let _ = write!(out, "\n[keys]\n{}", named.collect::<String>());
    let _ = write!(out, "\n# Public keys that no registry may swap. Confirm them by another way.\n[pins]\n");
    let shown = |member: &MemberId| registry.member(member).map(|it| it.keys.clone());
    let coordinator = shown(registry.coordinator());
    let custodian = shown(registry.custodian());
    for (name, key) in [
        ("coordinator", coordinator.as_ref().map(|keys| keys.signing)),
        ("log", coordinator.as_ref().and_then(|keys| keys.log)),
        ("custodian", custodian.map(|keys| keys.signing)),
    ] {
        if let Some(key) = key {
            let _ = writeln!(out, "{name} = \"{key}\"");
        }
    }
    let _ = write!(out, "\n[pins.members]\n");
    let pinned = |it: &&Member| it.has(Registered::Authority) || it.has(Registered::Auditor);
    for member in registry.members().filter(pinned) {
        let _ = writeln!(out, "{} = \"{}\"", member.id, member.keys.signing);
    }
    if role != Role::Node {
        let _ = writeln!(out, "{id} = \"{own}\"");
    }
    if role == Role::Node {
        let at = |offset: u16| {
            SocketAddr::from((Ipv4Addr::LOCALHOST, joining.listen.port().saturating_add(offset)))
        };
        let _ = write!(
            out,
            "\n# Where the agency's own applications ask and work with objections, on this machine only.\n[gateway]\ngrpc = \"{}\"\n\
             http = \"{}\"\ntokens = \"tokens/{id}.tokens\"\n",
            at(1),
            at(2)
        );
    }
    out
}
