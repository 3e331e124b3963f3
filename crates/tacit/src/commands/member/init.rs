//! `tacit member init`.

use std::{net::SocketAddr, path::PathBuf};

use serde_json::json;
use tacit_federation::joining::{JoinError, Joining, make};
use tacit_identity::Federation;
use tacit_model::{MemberId, entropy::os_rng};
use tacit_policy::{
    registry::entry::{MemberKind, Role},
    registry_hash,
};

use crate::{
    cli::Context,
    commands::registry::known::read,
    exit::{Exit, Failure},
};

/// Arguments of `member init`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The member's name, [a-z0-9][a-z0-9-]{0,62}.
    member: MemberId,
    /// What it does: holder, requester, authority, auditor; several with commas.
    #[arg(long, value_delimiter = ',', required = true, value_parser = role)]
    roles: Vec<Role>,
    /// What it is before the law: public, private, association.
    #[arg(long, value_parser = kind)]
    kind: MemberKind,
    /// Its name in words.
    #[arg(long)]
    title: Option<String>,
    /// The federation's name.
    #[arg(long)]
    federation: Federation,
    /// Where others will reach it, https://HOST:PORT.
    #[arg(long)]
    endpoint: Option<String>,
    /// Where it will listen; its gateway takes the two ports after it.
    #[arg(long, default_value = "127.0.0.1:7461")]
    listen: SocketAddr,
    /// The registry file that the coordinator's operator handed over: a configuration is written from it. Confirm its
    /// hash by another way.
    #[arg(long, value_name = "FILE")]
    registry: Option<PathBuf>,
    /// The folder.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

fn role(text: &str) -> Result<Role, String> {
    [Role::Holder, Role::Requester, Role::Authority, Role::Auditor]
        .into_iter()
        .find(|role| role.as_str() == text)
        .ok_or_else(|| "holder, requester, authority or auditor is wanted".to_owned())
}

fn kind(text: &str) -> Result<MemberKind, String> {
    match text {
        "public" => Ok(MemberKind::Public),
        "private" => Ok(MemberKind::Private),
        "association" => Ok(MemberKind::Association),
        _ => Err("public, private or association is wanted".to_owned()),
    }
}

pub(super) fn run(context: &Context, arguments: Arguments) -> Result<Exit, Failure> {
    let registry = arguments.registry.as_deref().map(read).transpose()?;
    let joining = Joining {
        title: arguments.title.unwrap_or_else(|| arguments.member.to_string()),
        member: arguments.member,
        kind: arguments.kind,
        roles: arguments.roles,
        federation: arguments.federation,
        endpoint: arguments.endpoint,
        listen: arguments.listen,
    };
    let made = make(&arguments.dir, &joining, registry.as_deref(), &mut os_rng())?;
    let hash = registry.as_deref().map(|bytes| hex::encode(registry_hash(bytes)));
    context.output.result(
        &json!({
            "member": joining.member, "fingerprint": made.fingerprint, "entry": made.entry,
            "request": made.request, "config": made.config, "registry_hash": hash,
        }),
        || {
            let mut text = format!(
                "Keys of {} are made; they stay in {}.\n\nSend to the coordinator's operator: {} and {}\n\
                 Confirm by another way, by telephone for example, this fingerprint:\n\n  {}",
                joining.member,
                arguments.dir.display(),
                made.entry.display(),
                made.request.display(),
                made.fingerprint,
            );
            if let (Some(config), Some(hash)) = (&made.config, &hash) {
                text.push_str(&format!(
                    "\n\nand the hash of the registry that {} was written from:\n\n  {hash}",
                    config.display()
                ));
            }
            text
        },
    )?;
    Ok(Exit::Done)
}

impl From<JoinError> for Failure {
    fn from(error: JoinError) -> Self {
        Self::usage("the member was not made").why(error)
    }
}
