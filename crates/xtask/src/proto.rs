//! Every field, enum value, message, enum, service and call of the wire contract has a comment:
//! a stranger writes a client from these files.

/// One finding `path:line: ...` for each uncommented thing in a `.proto` file that is formatted one thing a line.
/// A comment stands on the line before, or behind on the same line.
pub(crate) fn check(path: &str, source: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut commented = false;
    for (number, line) in (1..).zip(source.lines()) {
        let line = line.trim();
        let (code, comment) = match line.split_once("//") {
            Some((code, comment)) => (code.trim_end(), !comment.trim().is_empty()),
            None => (line, false),
        };
        if code.is_empty() {
            // A comment counts for the next line only; an empty line between them parts them.
            commented = comment;
            continue;
        }
        if let Some(what) = declared(code)
            && !commented
            && !comment
        {
            findings.push(format!("{path}:{number}: {what} needs a comment with unit and bound"));
        }
        commented = false;
    }
    findings
}

/// What a line declares, when it is something that needs a comment.
fn declared(code: &str) -> Option<String> {
    let first = code.split_whitespace().next()?;
    let second = || code.split_whitespace().nth(1).unwrap_or_default().trim_end_matches(['{', '(']);
    match first {
        "message" | "enum" | "service" | "rpc" | "oneof" => {
            Some(format!("{first} {}", second().split('(').next().unwrap_or_default()))
        }
        "syntax" | "package" | "import" | "option" | "reserved" | "extensions" => None,
        _ => {
            let (left, right) = code.split_once('=')?;
            let numbered =
                right.trim_start().trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
            let name = left.split_whitespace().next_back()?;
            let identifier = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            (numbered && identifier).then(|| format!("field {name}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        syntax = "proto3";
        package tacit.holder.v1;
        import "google/protobuf/empty.proto";
        // Answers.
        service Holder {
          // Evaluates.
          rpc Evaluate(EvaluateRequest) returns (EvaluateResponse);
        }
        // A request.
        message EvaluateRequest {
          reserved 7, 8;
          // The blinded element, 32 bytes.
          bytes blinded_element = 1;
          uint64 epoch = 2; // starts at 1
          // What came out.
          oneof outcome {
            // The answer.
            Answer answer = 3 [deprecated = false];
          }
        }
        // States.
        enum State {
          // Never sent.
          STATE_UNSPECIFIED = 0;
        }
    "#;

    #[test]
    fn a_commented_contract_is_accepted() {
        assert_eq!(check("a.proto", GOOD), Vec::<String>::new());
    }

    #[test]
    fn each_comment_is_needed() {
        for comment in GOOD.lines().filter(|line| line.trim_start().starts_with("//")) {
            let without = GOOD.replacen(comment, "", 1);
            assert_eq!(check("a.proto", &without).len(), 1, "without {comment:?}");
        }
    }

    #[test]
    fn a_field_is_named_with_its_line() {
        let source = "// M.\nmessage M {\n  map<string, bytes> parts = 4;\n}\n";
        assert_eq!(check("a.proto", source), ["a.proto:3: field parts needs a comment with unit and bound"]);
    }

    #[test]
    fn an_empty_comment_or_one_above_an_empty_line_does_not_count() {
        assert_eq!(check("a.proto", "//\nmessage M {}\n").len(), 1);
        assert_eq!(check("a.proto", "// M.\n\nmessage M {}\n").len(), 1);
    }
}
