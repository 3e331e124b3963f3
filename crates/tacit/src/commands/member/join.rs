//! `tacit member join`.

use std::path::PathBuf;

use serde_json::json;
use tacit_federation::joining::{certificate_role, fingerprint};
use tacit_identity::{CaError, CertificateRequest, DevCa, SpiffeId, profile, write_public};
use tacit_policy::registry::{entry::Entry, signed::Signed};

use crate::{
    cli::Context,
    commands::registry::{
        self,
        known::{Desk, read},
    },
    exit::{Exit, Failure},
};

/// Arguments of `member join`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The member's signed entry, NAME.entry.json.
    entry: PathBuf,
    /// Its certificate request, NAME.csr.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// The fingerprint as the member said it by another way than the files came.
    #[arg(long)]
    fingerprint: String,
    /// The coordinator's configuration.
    #[arg(long, env = "TACIT_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// The draft of the next version; begun when it is not there yet.
    #[arg(long, value_name = "FILE")]
    draft: PathBuf,
    /// Further entries that came with it: its pseudonym key, lists, agreements. May be repeated.
    #[arg(long, value_name = "FILE")]
    add: Vec<PathBuf>,
    /// Sign the certificate with the development CA in this folder; without it a certificate comes from elsewhere.
    #[arg(long, value_name = "DIR", requires = "out")]
    ca: Option<PathBuf>,
    /// Where the certificate, the CA's certificate and its revocation list are written, to be sent back.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let desk = Desk::load(&arguments.config)?;
    let mut entries = Signed::read(&read(&arguments.entry)?)?;
    let (Some(signed), true) = (entries.pop(), entries.is_empty()) else {
        return Err(Failure::usage(format!("{} holds not exactly one entry", arguments.entry.display())));
    };
    let Entry::Member(member) = signed.entry("entry")? else {
        return Err(Failure::usage(format!("{} is no entry of a member", arguments.entry.display())));
    };
    let request = String::from_utf8_lossy(&read(&arguments.request)?).into_owned();
    let computed = fingerprint(&signed, &CertificateRequest::spki_of(&request)?);
    let plain =
        |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_ascii_lowercase();
    if plain(&arguments.fingerprint) != plain(&computed) {
        return Err(Failure::new(Exit::Refused, format!("the fingerprint of {} is another one", member.id))
            .why("the files that came are not those that the member made; somebody may have changed them on the way")
            .next("ask the member to read its fingerprint again, by another way than the files came"));
    }
    let mut draft = registry::begin_or_read(&desk, &arguments.draft).await?;
    draft.put(signed)?;
    for file in &arguments.add {
        for signed in Signed::read(&read(file)?)? {
            draft.put(signed)?;
        }
    }
    let mut certificate = None;
    if let (Some(folder), Some(out)) = (&arguments.ca, &arguments.out) {
        let ca = DevCa::load(folder)?;
        let id = SpiffeId::new(desk.federation.clone(), certificate_role(&member.roles)?, member.id.clone());
        let certified = ca.sign_request(&id, &request, context.clock.now())?;
        std::fs::create_dir_all(out)?;
        let path = out.join(format!("{}.pem", member.id));
        write_public(&path, certified.certificate_pem.as_bytes())?;
        write_public(&out.join(profile::AUTHORITY_FILE), ca.certificate_pem().as_bytes())?;
        write_public(&out.join(profile::CRL_FILE), ca.crl_pem().as_bytes())?;
        certificate = Some(path);
    }
    registry::write(&arguments.draft, &draft)?;
    context.output.result(
        &json!({
            "member": member.id, "draft": arguments.draft, "number": draft.number(), "certificate": certificate,
        }),
        || {
            let mut text = format!("{} is in the draft of version {}.", member.id, draft.number());
            if let Some(path) = &certificate {
                text.push_str(&format!("\nSend back {} with ca.pem and crl.pem beside it.", path.display()));
            }
            text + "\nPublish the draft: tacit registry publish"
        },
    )?;
    Ok(Exit::Done)
}

impl From<CaError> for Failure {
    fn from(error: CaError) -> Self {
        Self::usage("the certificate was not made").why(error)
    }
}
