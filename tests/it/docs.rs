//! The documents say what the code does: what can be compared is compared.

use std::fs;

use passkey_accounts::protocol::Code;
use passkey_accounts_tests::build::workspace;

const PROTOCOL: &str = include_str!("../../docs/protocol.md");

#[test]
fn the_protocol_lists_every_code_as_the_code_has_it() {
    let rows: Vec<&str> = PROTOCOL.lines().filter(|line| line.starts_with("| `")).collect();
    let missing: Vec<String> = Code::ALL
        .iter()
        .map(|code| {
            let retry = if code.is_retryable() { "yes" } else { "no" };
            format!("| `{code}` | {retry} | {} | {} |", code.close_code(), code.message())
        })
        .filter(|row| !rows.contains(&row.as_str()))
        .collect();
    assert!(missing.is_empty(), "docs/protocol.md section 3 lacks these rows:\n{}", missing.join("\n"));
}

#[test]
fn the_protocol_names_every_limit_of_the_first_message() {
    use passkey_accounts::protocol::stream::{
        DEFAULT_ACK_TIMEOUT_MS, DEFAULT_WINDOW, MAX_ACK_TIMEOUT_MS, MAX_CONSUMER_CHARS, MAX_LANES, MAX_TYPES,
        MAX_WINDOW,
    };
    let thousands = |number: u64| match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    };
    for (member, limits) in [
        ("types", vec![MAX_TYPES as u64]),
        ("window", vec![u64::from(MAX_WINDOW), u64::from(DEFAULT_WINDOW)]),
        ("consumer", vec![MAX_CONSUMER_CHARS as u64]),
        ("lanes", vec![u64::from(MAX_LANES)]),
        ("ackTimeoutMs", vec![MAX_ACK_TIMEOUT_MS, DEFAULT_ACK_TIMEOUT_MS]),
    ] {
        let row = PROTOCOL.lines().find(|line| line.starts_with(&format!("| `{member}` |"))).unwrap();
        for limit in limits {
            assert!(row.contains(&thousands(limit)), "{member} does not say {limit}: {row}");
        }
    }
}

#[test]
fn the_quickstart_shows_lines_of_examples_that_run() {
    let page = include_str!("../../reference-server/site/quickstart.html");
    let cuts: Vec<&str> = page.split("data-cut-from=\"").skip(1).collect();
    assert!(cuts.len() >= 3);
    for cut in cuts {
        let (path, rest) = cut.split_once("\">").unwrap();
        assert_cut_from(path, &text_of(rest.split_once("</code>").unwrap().0));
    }
}

#[test]
fn the_readmes_show_lines_of_files_that_run() {
    for (readme, at_least) in READMES {
        let text = fs::read_to_string(workspace().join(readme)).unwrap();
        // A comment names the file, the block of code that follows is a part of it.
        let cuts: Vec<&str> = text.split("<!-- cut from ").skip(1).collect();
        assert!(cuts.len() >= at_least, "{readme} has {} cuts", cuts.len());
        for cut in cuts {
            let (path, rest) = cut.split_once(" -->").unwrap();
            let code = rest.split_once("```").and_then(|(_, block)| block.split_once('\n')).unwrap().1;
            assert_cut_from(path, code.split_once("```").unwrap().0);
        }
    }
}

/// Where code is shown, and how often at least.
const READMES: [(&str, usize); 2] = [("README.md", 11), ("sdk-wasm/npm/README.md", 1)];

/// Each line that is shown stands in the file, in this order; comments that the file does not have may stand between.
fn assert_cut_from(path: &str, shown: &str) {
    let file = fs::read_to_string(workspace().join(path)).unwrap();
    let mut lines = file.lines().map(str::trim);
    for line in shown.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
        assert!(
            lines.any(|of_file| of_file.ends_with(line)),
            "{path} has no line, or not in this order: {line}"
        );
    }
}

/// The text of HTML that holds nothing but spans.
fn text_of(html: &str) -> String {
    let text: String =
        html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
