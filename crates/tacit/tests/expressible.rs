//! What cannot be asked. Scores, ranks, counts across lists, wildcards, questions about all lists, publication, bulk feeds,
//! attributes and predictions have no RPC, no message, no route and no command: this test walks every one of them.
//!
//! `surface.txt` beside it is the reviewed list of everything that can be said to the product. A line with a word that
//! stands for one of these things needs a reason, `  # why`, written by a person.

#![cfg(test)]

use std::{collections::BTreeMap, fmt::Write as _, process::Command};

use prost_types::{FileDescriptorSet, field_descriptor_proto::Type};
use tacit_wire::Message as _;

/// What must not be expressible, and the words that it would use.
const IDEAS: [(&str, &[&str]); 9] = [
    ("a score", &["score", "scores", "scoring", "rating", "ratings", "grade", "grades", "points"]),
    ("a rank", &["rank", "ranks", "ranking", "percentile", "top", "worst", "best"]),
    ("a count across lists", &["count", "counts", "total", "totals", "sum", "sums", "hits", "average"]),
    ("a wildcard", &["wildcard", "pattern", "glob", "any", "regex", "prefix"]),
    ("all lists", &["all", "every", "everything"]),
    ("publication", &["publish", "published", "publication", "public", "announce"]),
    ("a bulk feed", &["bulk", "feed", "dump", "export", "subscribe", "watch", "batch", "many"]),
    ("a query by attribute", &["attribute", "attributes", "search", "filter", "query", "find", "where"]),
    ("a prediction", &["predict", "prediction", "risk", "probability", "likelihood", "profile", "profiles"]),
];

fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_is_lower = false;
    for c in line.chars() {
        let begins = !c.is_alphanumeric() || (c.is_uppercase() && before_is_lower);
        if begins {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().unwrap().extend(c.to_lowercase());
        }
        before_is_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

fn ideas_in(line: &str) -> Vec<&'static str> {
    let words = words(line);
    let says = |forbidden: &[&str]| words.iter().any(|word| forbidden.contains(&word.as_str()));
    IDEAS.iter().filter(|(_, forbidden)| says(forbidden)).map(|(idea, _)| *idea).collect()
}

/// Every service, method, message and field of the wire.
fn wire(surface: &mut Vec<String>) {
    let set = FileDescriptorSet::decode(tacit_wire::DESCRIPTOR).unwrap();
    for file in set.file.iter().filter(|file| file.package().starts_with("tacit.")) {
        let package = file.package();
        for service in &file.service {
            for method in &service.method {
                surface.push(format!("rpc {package}.{}/{}", service.name(), method.name()));
            }
        }
        assert!(file.enum_type.is_empty(), "an enum is not walked yet");
        for message in &file.message_type {
            assert!(message.nested_type.is_empty(), "a nested message is not walked yet");
            for field in &message.field {
                let kind = match field.r#type() {
                    Type::Message => field.type_name().rsplit('.').next().unwrap().to_owned(),
                    kind => kind.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
                };
                let many = if field.label.is_some_and(|label| label == 3) { "[]" } else { "" };
                surface.push(format!("field {package}.{} {} {kind}{many}", message.name(), field.name()));
            }
        }
    }
}

/// Every route of a role's local HTTP interface, and every name in its documents.
fn routes(role: &str, document: &str, surface: &mut Vec<String>) {
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            surface.push(format!("route {role} {} {path}", method.to_uppercase()));
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                surface.push(format!("route {role} {} {path} ?{}", method.to_uppercase(), parameter["name"]));
            }
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        properties(&format!("{role} {name}"), schema, surface);
    }
}

fn properties(name: &str, schema: &serde_json::Value, surface: &mut Vec<String>) {
    for property in schema["properties"].as_object().into_iter().flat_map(serde_json::Map::keys) {
        surface.push(format!("json {name} {property}"));
    }
    for part in ["allOf", "oneOf", "anyOf"] {
        for inner in schema[part].as_array().into_iter().flatten() {
            properties(name, inner, surface);
        }
    }
}

fn help(path: &[String]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacit"));
    let output = command.args(path).arg("--help").output().unwrap();
    assert!(output.status.success(), "{path:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every command and every option of the command line.
fn commands(path: &mut Vec<String>, surface: &mut Vec<String>) {
    let text = help(path);
    let mut section = "";
    let mut options: Vec<String> = Vec::new();
    let mut below: Vec<String> = Vec::new();
    for line in text.lines() {
        match line {
            "Commands:" | "Options:" | "Arguments:" => section = line,
            _ if !line.starts_with(' ') => section = if line.is_empty() { section } else { "" },
            _ => {}
        }
        let indent = line.len() - line.trim_start().len();
        let first = line.trim_start();
        if section == "Commands:" && indent == 2 {
            below.push(first.split_whitespace().next().unwrap().to_owned());
        }
        if section == "Options:" && indent <= 6 && first.starts_with('-') {
            options.extend(
                first
                    .split([' ', ',', '='])
                    .filter(|word| word.starts_with("--"))
                    .map(|word| word.trim_end_matches("...").to_owned()),
            );
        }
    }
    let name = path.join(" ");
    surface.push(format!("command tacit {name}").trim_end().to_owned());
    let global = ["--help", "--version", "--json", "--log", "--log-format", "--config"];
    let own = options.iter().filter(|option| !global.contains(&option.as_str()));
    surface.extend(own.map(|option| format!("option tacit {name} {option}")));
    for command in below.into_iter().filter(|command| command != "help") {
        path.push(command);
        commands(path, surface);
        path.pop();
    }
}

#[test]
fn no_score_rank_count_wildcard_publication_feed_attribute_or_prediction_can_be_expressed() {
    let mut surface = Vec::new();
    wire(&mut surface);
    routes("node", tacit_node::gateway::openapi(), &mut surface);
    routes("authority", tacit_authority::openapi(), &mut surface);
    commands(&mut Vec::new(), &mut surface);
    assert!(surface.len() > 300, "the walk found too little: {}", surface.len());

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/surface.txt");
    let reviewed = std::fs::read_to_string(path).unwrap_or_default();
    let reasons: BTreeMap<&str, &str> = reviewed.lines().filter_map(|line| line.split_once("  # ")).collect();
    let mut text = String::new();
    for line in &surface {
        match reasons.get(line.as_str()) {
            Some(reason) => writeln!(text, "{line}  # {reason}").unwrap(),
            None => writeln!(text, "{line}").unwrap(),
        }
    }
    if std::env::var_os("TACIT_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
    } else {
        for (is, should) in text.lines().zip(reviewed.lines()) {
            assert_eq!(is, should, "review what can newly be said, then run with TACIT_BLESS=1");
        }
        assert_eq!(text, reviewed, "review what can newly be said, then run with TACIT_BLESS=1");
    }
    let unexplained: Vec<String> = surface
        .iter()
        .filter(|line| !reasons.contains_key(line.as_str()))
        .flat_map(|line| ideas_in(line).into_iter().map(move |idea| format!("{line}: {idea}?")))
        .collect();
    assert!(unexplained.is_empty(), "say why, as `  # why`, or take it out:\n{}", unexplained.join("\n"));
}

#[test]
fn the_walk_finds_what_must_not_be_there() {
    assert_eq!(ideas_in("rpc tacit.x.v1.RiskService/GetScore"), ["a score", "a prediction"]);
    assert_eq!(ideas_in("field tacit.x.v1.Answer list_count uint64"), ["a count across lists"]);
    assert_eq!(ideas_in("option tacit check --all-lists"), ["all lists"]);
    assert!(ideas_in("field tacit.gateway.v1.Question lists string[]").is_empty());
}
