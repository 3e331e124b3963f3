//! The command line as a whole: global options, the list of commands, and what their end becomes.

use std::{future::Future, sync::Arc};

use clap::{
    CommandFactory as _, Parser, Subcommand,
    error::{ContextKind, ContextValue},
};
use tacit_identity::Role;
use tacit_model::{Clock, SystemClock};

use crate::{
    commands::{
        agreement, audit, bench, check, completions, conformance, consent, db, demo, doctor, init, list, log,
        measure, member, portal, receipt, redress, registry, serve, subject, up,
    },
    exit::{Exit, Failure},
    output::Output,
    telemetry::{self, LogFormat},
};

/// Digits from which on a word of the command line could be a code.
const DIGITS_OF_A_CODE: usize = 5;
/// What stands in the place of such a word.
const NOT_SAID: &str = "[not repeated here]";

/// Ask without telling: certified blind membership queries between agencies.
#[derive(Debug, Parser)]
#[command(name = "tacit", version, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 done, 1 trouble, 2 usage, 3 refused by a rule, 4 a party cannot be reached."
)]
struct Arguments {
    /// Write results as JSON, one object a line.
    #[arg(long, global = true)]
    json: bool,
    /// What is logged to standard error, as in `info,tacit_node=debug`.
    #[arg(long, global = true, env = "TACIT_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// How log lines look.
    #[arg(long, global = true, env = "TACIT_LOG_FORMAT", value_enum, default_value = "text")]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what all of this does: a federation on this machine, step by step.
    Demo(demo::Arguments),
    /// Found a federation: a folder with keys, certificates, registry and configurations for one machine.
    Init(init::Arguments),
    /// Run all roles of a folder that `init` made, until Ctrl-C.
    Up(up::Arguments),
    /// The coordinator: registry, authorization, consent, log.
    #[command(subcommand)]
    Coordinator(serve::Coordinator),
    /// The custodian: pseudonym keys and the mirror of sealed lists.
    #[command(subcommand)]
    Custodian(serve::Custodian),
    /// An agency's node: holder and requester.
    #[command(subcommand)]
    Node(serve::Node),
    /// The consent authority: its users, what is on record about them, their own checks.
    #[command(subcommand)]
    Authority(serve::Authority),
    /// The web: desks for subjects, auditors and officers.
    #[command(subcommand)]
    Portal(portal::Portal),
    /// The agency's own lists.
    #[command(subcommand)]
    List(list::Command),
    /// Notices before a listing, as the holder.
    #[command(subcommand)]
    Notice(redress::Notice),
    /// Objections: a person's, through the authority; those to own listings, as the body that decides.
    #[command(subcommand)]
    Objection(redress::Objection),
    /// Appeals to this body against another body's decision.
    #[command(subcommand)]
    Appeal(redress::Appeal),
    /// Ask whether a code, or each code of a file, is on a list.
    Check(check::Arguments),
    /// Consents, as the consent authority.
    #[command(subcommand)]
    Consent(consent::Command),
    /// What is on record about a person, and their own checks, through the consent authority.
    #[command(subcommand)]
    Subject(subject::Command),
    /// The log, as an auditor.
    #[command(subcommand)]
    Log(log::Command),
    /// What auditors look for and find: search, follow, open, cases, signals, honey, findings.
    #[command(subcommand)]
    Audit(audit::Command),
    /// What proves answers: list and export receipts, verify them offline.
    #[command(subcommand)]
    Receipt(receipt::Command),
    /// What was done on answers: register a measure, see what is due, lift it.
    #[command(subcommand)]
    Measure(measure::Command),
    /// The registry: draft, publish and show its versions.
    #[command(subcommand)]
    Registry(registry::Command),
    /// Members: join, change a key, remove.
    #[command(subcommand)]
    Member(member::Command),
    /// Agreements: draft, read, sign, end.
    #[command(subcommand)]
    Agreement(agreement::Command),
    /// A role's database: status, migrations, backup and restore.
    #[command(subcommand)]
    Db(db::Command),
    /// Measure everything on this machine, beside its raw limits.
    Bench(bench::Arguments),
    /// Run files of test vectors.
    Conformance(conformance::Arguments),
    /// Check that everything is valid, reachable and in time.
    Doctor(doctor::Arguments),
    /// Write a completion script for a shell.
    Completions(completions::Arguments),
}

/// What every command gets.
#[derive(Clone)]
pub(crate) struct Context {
    /// Where results go.
    pub(crate) output: Output,
    /// Time.
    pub(crate) clock: Arc<dyn Clock>,
}

impl Context {
    /// Runs a command's future to its end, on all cores.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        // Two threads at least: crypto in one must not keep the other from answering.
        let threads = std::thread::available_parallelism().map_or(2, |it| it.get().max(2));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
            .map_err(|error| Failure::trouble("no threads could be started").why(error))?;
        let outcome = runtime.block_on(future);
        // What still runs was told to stop and had its time.
        runtime.shutdown_background();
        outcome
    }
}

/// Reads the arguments, runs the command, says what became of it.
pub(crate) fn run() -> Exit {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(mut error) => {
            hide_codes(&mut error);
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // The terminal may be gone; the exit code is not.
            let _ = error.print();
            return exit;
        }
    };
    let output = Output::new(arguments.json);
    match run_command(arguments, output) {
        Ok(exit) => exit,
        Err(failure) => {
            output.failure(&failure);
            failure.exit
        }
    }
}

/// What was typed in a wrong place is not said again when it could be a code or a case number: what a command says ends
/// up in other people's logs.
fn hide_codes(error: &mut clap::Error) {
    let could_be_code = |text: &str| text.chars().filter(|c| c.is_numeric()).count() >= DIGITS_OF_A_CODE;
    let mut hidden: Vec<(ContextKind, ContextValue)> = Vec::new();
    for (kind, value) in error.context() {
        match value {
            ContextValue::String(text) if could_be_code(text) => {
                hidden.push((kind, ContextValue::String(NOT_SAID.to_owned())));
            }
            ContextValue::Strings(texts) if texts.iter().any(|text| could_be_code(text)) => {
                hidden.push((kind, ContextValue::Strings(vec![NOT_SAID.to_owned()])));
            }
            ContextValue::StyledStrs(texts) if texts.iter().any(|text| could_be_code(&text.to_string())) => {
                hidden.push((kind, ContextValue::StyledStrs(Vec::new())));
            }
            _ => {}
        }
    }
    for (kind, value) in hidden {
        error.insert(kind, value);
    }
}

fn run_command(arguments: Arguments, output: Output) -> Result<Exit, Failure> {
    let serves = matches!(
        arguments.command,
        Command::Up(_)
            | Command::Coordinator(_)
            | Command::Custodian(_)
            | Command::Node(_)
            | Command::Authority(_)
            | Command::Portal(_)
    );
    let filter = arguments.log.as_deref().unwrap_or(if serves { "info" } else { "warn" });
    // The demonstration logs into its own folder.
    if !matches!(arguments.command, Command::Demo(_)) {
        telemetry::start(filter, arguments.log_format)
            .map_err(|error| Failure::usage("the log filter cannot be read").why(error))?;
    }
    let context = Context { output, clock: Arc::new(SystemClock) };
    match arguments.command {
        Command::Demo(arguments) => demo::run(&context, arguments),
        Command::Init(arguments) => init::run(&context, arguments),
        Command::Up(arguments) => up::run(&context, arguments),
        Command::Coordinator(serve::Coordinator::Serve(arguments)) => {
            serve::run(&context, Role::Coordinator, arguments)
        }
        Command::Custodian(serve::Custodian::Serve(arguments)) => {
            serve::run(&context, Role::Custodian, arguments)
        }
        Command::Node(serve::Node::Serve(arguments)) => serve::run(&context, Role::Node, arguments),
        Command::Authority(serve::Authority::Serve(arguments)) => {
            serve::run(&context, Role::Authority, arguments)
        }
        Command::Portal(command) => portal::run(&context, command),
        Command::List(command) => list::run(&context, command),
        Command::Notice(command) => redress::notice(&context, command),
        Command::Objection(command) => redress::objection(&context, command),
        Command::Appeal(command) => redress::appeal(&context, command),
        Command::Check(arguments) => check::run(&context, arguments),
        Command::Consent(command) => consent::run(&context, command),
        Command::Subject(command) => subject::run(&context, command),
        Command::Log(command) => log::run(&context, command),
        Command::Audit(command) => audit::run(&context, command),
        Command::Receipt(command) => receipt::run(&context, command),
        Command::Measure(command) => measure::run(&context, command),
        Command::Registry(command) => registry::run(&context, command),
        Command::Member(command) => member::run(&context, command),
        Command::Agreement(command) => agreement::run(&context, command),
        Command::Db(command) => db::run(&context, command),
        Command::Bench(arguments) => bench::run(&context, &arguments),
        Command::Conformance(arguments) => conformance::run(&context, &arguments),
        Command::Doctor(arguments) => doctor::run(&context, arguments),
        Command::Completions(arguments) => completions::run(&arguments, &mut Arguments::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_code_in_a_wrong_place_is_not_repeated() {
        let code = "91350100M000100Y43";
        let good =
            ["tacit", "check", code, "--list", "a/b", "--purpose", "p", "--case", "1", "--config", "c"];
        assert!(Arguments::try_parse_from(good).is_ok());
        for wrong in [
            &["tacit", code][..],
            &["tacit", "check", code, code],
            &["tacit", "check", code, "--list", code],
            &["tacit", "check", code, "--purpose", code],
            &["tacit", "check", code, &format!("--{code}")],
            &["tacit", "check", code, &format!("-{code}")],
            &["tacit", "consent", "withdraw", code],
            &["tacit", "list", code],
            &["tacit", "subject", "erase", "--ground", code],
            &["tacit", "--log-format", code],
        ] {
            let mut error = Arguments::try_parse_from(wrong).unwrap_err();
            hide_codes(&mut error);
            let said = error.to_string();
            assert!(!said.contains("91350100M") && said.contains("error: "), "{said}");
        }
        let mut error = Arguments::try_parse_from(["tacit", "chekc"]).unwrap_err();
        hide_codes(&mut error);
        assert!(error.to_string().contains("chekc"));
    }
}
