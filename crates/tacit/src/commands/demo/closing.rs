//! After the last step: what the reader can try, and what stays.

use std::path::Path;

use tacit_federation::run::{DeskName, OpenDesk};

use super::{
    AUDITOR, COURT_LIST, Cast, ELIGIBILITY, Narrator, PORTAL, PROCUREMENT, TAX_LIST, VENDOR_SELECTION,
    narrator::Tone, stage::Stage,
};

/// The exact commands for another terminal, as long as the federation runs.
pub(super) fn keeps_running(narrator: &Narrator, stage: &Stage, cast: &Cast, desks: &[OpenDesk]) {
    narrator.gap();
    narrator.line(&narrator.tone(Tone::Strong, "Open the web in a browser on this machine:"));
    narrator.gap();
    for desk in desks {
        let what = match desk.name {
            DeskName::Subject => "for Minjiang Paper: who asked about it",
            DeskName::Officer => "for officers of the procurement office",
            DeskName::Auditor => "for the audit office",
        };
        narrator.value(desk.name.as_str(), &format!("{}/  {what}", desk.origin));
    }
    narrator.gap();
    narrator.line(&narrator.tone(Tone::Strong, "The federation keeps running. From another terminal:"));
    let program = std::env::current_exe().map_or_else(|_| "tacit".to_owned(), |path| quoted(&path));
    let comment = |text: &str| {
        narrator.gap();
        narrator.line(&narrator.tone(Tone::Quiet, &format!("    # {text}")));
    };
    let command = |text: &str| narrator.command(&pieces(text));
    narrator.gap();
    narrator.command(&["cd".to_owned(), quoted(&stage.folder)]);
    narrator.command(&["alias".to_owned(), format!("tacit={program}")]);
    let check = |code: &str, case: &str| {
        command(&format!(
            "tacit check {code} --list {COURT_LIST} --purpose {ELIGIBILITY} --case {case} --config {PROCUREMENT}.toml"
        ));
    };
    comment("bidder A is listed");
    check(&cast.listed, "TENDER-2026-0148");
    comment("the court strikes bidder A off and publishes that");
    command(&format!(
        "tacit list remove {COURT_LIST} {} --reason fulfilled --config court.toml",
        cast.listed
    ));
    command(&format!("tacit list seal {COURT_LIST} --config court.toml"));
    comment("bidder A is not listed any more");
    check(&cast.listed, "TENDER-2026-0149");
    comment("bidder C consents once more, and is asked about");
    command(&format!(
        "tacit consent grant {} --requester {PROCUREMENT} --list {TAX_LIST} --purpose {VENDOR_SELECTION} --config {PORTAL}.toml",
        cast.consenting
    ));
    command(&format!(
        "tacit check {} --list {TAX_LIST} --purpose {VENDOR_SELECTION} --case TENDER-2026-0150 --config {PROCUREMENT}.toml",
        cast.consenting
    ));
    comment("what bidder C sees, and whether it is listed itself");
    command(&format!("tacit subject log {} --config {PORTAL}.toml", cast.consenting));
    command(&format!("tacit subject check {} --list {COURT_LIST} --config {PORTAL}.toml", cast.consenting));
    comment("what the auditor sees of all this, and whether the log still holds");
    command(&format!("tacit log tail --config {AUDITOR}.toml"));
    command(&format!("tacit log verify --config {AUDITOR}.toml"));
    narrator.gap();
    narrator.line("Ctrl-C ends it.");
}

/// What stays in the folder.
pub(super) fn kept(narrator: &Narrator, stage: &Stage) {
    if stage.is_kept() {
        let folder = quoted(&stage.folder);
        narrator.line(&format!("The federation stays in {folder}; start it again with: tacit up {folder}"));
    }
}

/// The words of a command; an option stays with its value.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match pieces.last_mut() {
            Some(last) if last.starts_with("--") && !last.contains(' ') => {
                last.push(' ');
                last.push_str(word);
            }
            _ => pieces.push(word.to_owned()),
        }
    }
    pieces
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_not_parted_from_its_value() {
        assert_eq!(
            pieces("tacit check X --list a/b --case 1"),
            ["tacit", "check", "X", "--list a/b", "--case 1"]
        );
    }

    #[test]
    fn a_path_is_one_word_of_the_shell() {
        assert_eq!(quoted(Path::new("/tmp/tacit-demo-x1")), "/tmp/tacit-demo-x1");
        assert_eq!(quoted(Path::new("/tmp/a b's")), "'/tmp/a b'\\''s'");
    }
}
