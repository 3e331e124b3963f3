//! The file of access tokens of a new node or authority.

use std::path::Path;

use rand_core::CryptoRng;
use tacit_identity::{FileError, write_private};
use tacit_model::MemberId;
use tacit_policy::registry::entry::Role;
use zeroize::Zeroizing;

use super::{CLI_APPLICATION, DESK_APPLICATION, OFFICER_APPLICATION};

/// Writes `<member>.tokens`: the command line's token; of an authority also its web desk's; of a node also its officers',
/// which of a holder may decide objections.
pub(crate) fn write(
    folder: &Path,
    member: &MemberId,
    roles: &[Role],
    rng: &mut impl CryptoRng,
) -> Result<(), FileError> {
    let has = |role| roles.contains(&role);
    let desk = match (has(Role::Authority), has(Role::Holder), has(Role::Requester)) {
        (true, ..) => Some((DESK_APPLICATION, "")),
        (_, true, _) => Some((OFFICER_APPLICATION, " redress")),
        (.., true) => Some((OFFICER_APPLICATION, "")),
        _ => None,
    };
    let mut text = Zeroizing::new(format!(
        "# Applications that may ask at {member}: name:token, one a line. A word behind the token gives a right: with redress\n\
         # it may also read and decide objections and appeals.\n",
    ));
    for (name, rights) in std::iter::once((CLI_APPLICATION, "")).chain(desk) {
        let mut token = Zeroizing::new([0_u8; 32]);
        rng.fill_bytes(token.as_mut());
        for part in [name, ":", &Zeroizing::new(hex::encode(*token)), rights, "\n"] {
            text.push_str(part);
        }
    }
    write_private(&folder.join(format!("{member}.tokens")), text.as_bytes())
}
