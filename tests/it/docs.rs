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

const ASVS: &str = include_str!("../../docs/asvs.md");
const SECURITY: &str = include_str!("../../SECURITY.md");

/// How many requirements each section of OWASP ASVS 5.0.0 has, by chapter.
const ASVS_SECTIONS: [&[u8]; 17] = [
    &[2, 10, 12, 3, 3],
    &[3, 3, 5, 2],
    &[1, 3, 5, 8, 8, 1, 5],
    &[5, 5, 2, 4],
    &[1, 6, 3, 3],
    &[3, 12, 8, 6, 8, 4, 2, 4],
    &[3, 4, 2, 5, 3, 2],
    &[4, 4, 3, 2],
    &[3, 4],
    &[2, 3, 5, 16, 5, 2, 3],
    &[4, 5, 5, 4, 2, 2, 2],
    &[5, 2, 5],
    &[4, 6, 4, 7],
    &[2, 8, 3],
    &[5, 5, 7, 4],
    &[1, 5, 4, 3, 4],
    &[2, 8, 2],
];

const VERDICTS: [&str; 4] = ["met", "partly", "not met", "not applicable"];

/// The cells of each row of the ASVS page that is about requirements: their numbers, what they ask for, verdict, reason.
fn asvs_rows() -> Vec<[&'static str; 4]> {
    let is_of_requirements = |line: &&str| {
        line.strip_prefix("| ").is_some_and(|row| row.starts_with(|char: char| char.is_ascii_digit()))
    };
    let cells = |line: &'static str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        cells.try_into().unwrap_or_else(|_| panic!("a row has four cells: {line}"))
    };
    ASVS.lines().filter(is_of_requirements).map(cells).collect()
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether it is a file or folder of the workspace, or a test: `file::function`.
fn exists(name: &str) -> bool {
    let (file, function) = name.split_once("::").map_or((name, None), |(file, test)| (file, Some(test)));
    let path = workspace().join(file);
    match function {
        None => path.exists(),
        Some(function) => {
            fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("fn {function}(")))
        }
    }
}

#[test]
fn the_asvs_page_has_every_requirement_once_and_counts_them_right() {
    let mut numbers: Vec<&str> =
        asvs_rows().into_iter().flat_map(|[numbers, ..]| numbers.split(", ")).collect();
    let mut expected = Vec::new();
    for (chapter, sections) in (1..).zip(ASVS_SECTIONS) {
        for (section, count) in (1..).zip(sections) {
            expected.extend((1..=*count).map(|number| format!("{chapter}.{section}.{number}")));
        }
    }
    assert_eq!(expected.len(), 345);
    numbers.sort_unstable();
    expected.sort_unstable();
    assert_eq!(numbers, expected);

    let mut counts = [[0; VERDICTS.len()]; ASVS_SECTIONS.len() + 1];
    for [numbers, _, verdict, _] in asvs_rows() {
        let column = VERDICTS.iter().position(|known| *known == verdict);
        let column = column.unwrap_or_else(|| panic!("{numbers} is {verdict:?}"));
        for number in numbers.split(", ") {
            let chapter: usize = number.split_once('.').unwrap().0.parse().unwrap();
            counts[chapter - 1][column] += 1;
            counts[ASVS_SECTIONS.len()][column] += 1;
        }
    }
    let names =
        (1..=ASVS_SECTIONS.len()).map(|chapter| format!("| V{chapter} ")).chain(["| all |".to_owned()]);
    for (name, counts) in names.zip(counts) {
        let row = ASVS.lines().find(|line| line.starts_with(&name)).unwrap();
        let sum: u32 = counts.iter().sum();
        let cells: String = counts.iter().chain([&sum]).map(|count| format!(" {count} |")).collect();
        assert!(row.ends_with(&format!("|{cells}")), "{row}: {counts:?}");
    }
}

#[test]
fn what_the_asvs_page_says_is_met_names_a_test_or_a_file_and_what_it_names_is_there() {
    for [numbers, _, verdict, reason] in asvs_rows() {
        let shown = quoted(reason).filter(|name| exists(name)).count();
        assert!(shown > 0 || !["met", "partly"].contains(&verdict), "{numbers}: nothing shows it");
    }
    let is_name = |name: &&str| {
        !name.starts_with('/') && !name.ends_with("//") && (name.contains('/') || name.contains(".rs"))
    };
    let missing: Vec<_> = quoted(ASVS).filter(is_name).filter(|name| !exists(name)).collect();
    assert!(missing.is_empty(), "docs/asvs.md names what is not there: {missing:#?}");
}

#[test]
fn every_test_and_file_that_the_security_page_names_is_there() {
    let is_there = |name: &str| match name.rsplit_once("::") {
        None => exists(name),
        Some((modules, function)) => {
            let path = format!("tests/it/{}", modules.replace("::", "/"));
            [".rs", "/mod.rs"].iter().any(|end| exists(&format!("{path}{end}::{function}")))
        }
    };
    let is_name = |name: &&str| {
        name.contains("::") && !name.ends_with("...") || name.contains(".rs") || name.starts_with("tests/")
    };
    let missing: Vec<_> = quoted(SECURITY).filter(is_name).filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "SECURITY.md names what is not there: {missing:#?}");
}
