//! `cargo xtask attack`: carries out every attack of the threat matrix, and makes what people read of it: the table in the
//! terminal, docs/threats.md, the site's threats.json, and a report.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::process::{print_and_keep, root, target, workspace};

/// `tests/it/threats/threats.toml`, as far as it is shown.
#[derive(Deserialize)]
struct Threats {
    row: Vec<Row>,
    attack: Vec<Attack>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    title: String,
}

#[derive(Deserialize)]
struct Attack {
    id: String,
    row: String,
    title: String,
    #[serde(default)]
    note: String,
}

/// What the tests wrote of one attack.
#[derive(Deserialize)]
struct Report {
    cells: BTreeMap<String, Value>,
}

/// The builds of the shop (tests/src/shop), in the order of the table.
const COLUMNS: [(&str, &str); 5] = [
    ("tokenPassword", "Token, password"),
    ("tokenPasskey", "Token, passkey"),
    ("cookiePassword", "Cookie, password"),
    ("cookiePasskey", "Cookie, passkey"),
    ("passkeyAccount", "Passkey Account"),
];

/// Carries the attacks out. With `check` nothing in the tree is written: it must say what was measured already.
///
/// # Errors
/// When an attack came to another end than threats.toml says, or the tree says something else.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let folder = target().join("attacks");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut command = workspace("test");
    command.args(["--quiet", "--test", "it", "--", "--format", "pretty", "--color", "never", "threats::"]);
    print_and_keep(command.env("PASSKEY_ACCOUNTS_ATTACKS", &folder))?;

    let threats = fs::read_to_string(root().join("tests/it/threats/threats.toml"))?;
    let threats: Threats = toml::from_str(&threats).context("threats.toml")?;
    let mut reports = BTreeMap::new();
    for attack in &threats.attack {
        let text = fs::read_to_string(folder.join(format!("{}.json", attack.id)))
            .with_context(|| format!("no test carries out the attack {}", attack.id))?;
        reports.insert(attack.id.clone(), serde_json::from_str::<Report>(&text)?);
    }
    let matrix = Matrix { threats, reports };
    fs::write(folder.join("report.json"), matrix.to_report()?)?;
    print!("{}", matrix.to_text()?);
    println!("\nThe report with all evidence: {}", folder.join("report.json").display());
    settle(check, &root().join("docs/threats.md"), &matrix.to_markdown()?)?;
    settle(check, &root().join("reference-server/site/threats.json"), &matrix.to_site()?)
}

/// Writes a file of the tree, or holds it against what it should say.
fn settle(check: bool, path: &PathBuf, text: &str) -> anyhow::Result<()> {
    if !check {
        return Ok(fs::write(path, text)?);
    }
    let is = fs::read_to_string(path).unwrap_or_default();
    ensure!(is == text, "{} does not say what was measured: run `cargo xtask attack`", shown(path));
    Ok(())
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

struct Matrix {
    threats: Threats,
    reports: BTreeMap<String, Report>,
}

impl Matrix {
    fn cell(&self, attack: &Attack, column: &str) -> Option<&Value> {
        self.reports.get(&attack.id)?.cells.get(column)
    }

    fn of_row<'a>(&'a self, row: &'a Row) -> impl Iterator<Item = &'a Attack> {
        self.threats.attack.iter().filter(|attack| attack.row == row.id)
    }

    /// How many cells of a column have a verdict.
    fn count(&self, column: &str, verdict: &str) -> usize {
        self.threats
            .attack
            .iter()
            .filter(|attack| self.cell(attack, column).is_some_and(|cell| cell["verdict"] == verdict))
            .count()
    }

    fn to_text(&self) -> anyhow::Result<String> {
        let mut text = String::new();
        let width = self.threats.attack.iter().map(|attack| attack.title.len()).max().unwrap_or_default();
        for row in &self.threats.row {
            writeln!(
                text,
                "\n{:<width$}  {}",
                row.title,
                COLUMNS.map(|(_, title)| format!("{title:<16}")).join("  ")
            )?;
            for attack in self.of_row(row) {
                let cells = COLUMNS.map(|(column, _)| {
                    let word = self.cell(attack, column).and_then(|cell| cell["verdict"].as_str());
                    format!("{:<16}", word.unwrap_or("-"))
                });
                writeln!(text, "  {:<1$}{2}", attack.title, width, cells.join("  "))?;
            }
        }
        writeln!(text, "\n{} attacks", self.threats.attack.len())?;
        for (column, title) in COLUMNS {
            let (held, fell) = (self.count(column, "held"), self.count(column, "fell"));
            writeln!(text, "{title:<18} {held:>3} held  {fell:>3} fell")?;
        }
        Ok(text)
    }

    fn to_markdown(&self) -> anyhow::Result<String> {
        let mut text = String::from(HEAD);
        writeln!(text, "| | {} |", COLUMNS.map(|(_, title)| title).join(" | "))?;
        writeln!(text, "| --- | {} |", COLUMNS.map(|_| "---").join(" | "))?;
        let counts = COLUMNS.map(|(column, _)| {
            let (held, fell) = (self.count(column, "held"), self.count(column, "fell"));
            format!("{held} held, {fell} fell")
        });
        writeln!(text, "| {} attacks | {} |", self.threats.attack.len(), counts.join(" | "))?;
        for row in &self.threats.row {
            writeln!(text, "\n## {}\n", row.title)?;
            writeln!(text, "| attack | {} |", COLUMNS.map(|(_, title)| title).join(" | "))?;
            writeln!(text, "| --- | {} |", COLUMNS.map(|_| "---").join(" | "))?;
            for attack in self.of_row(row) {
                let cells = COLUMNS.map(|(column, _)| match self.cell(attack, column) {
                    Some(cell) if cell["verdict"] == "fell" => {
                        format!("**fell**: {}", words(&cell["evidence"]))
                    }
                    Some(cell) => format!("held: {}", words(&cell["evidence"])),
                    None => "-".into(),
                });
                writeln!(text, "| {} | {} |", attack.title, cells.join(" | "))?;
            }
            for attack in self.of_row(row) {
                let ours = self.cell(attack, "passkeyAccount").map(|cell| &cell["control"]);
                let by = match ours {
                    Some(control) if control["without"].is_array() => {
                        let what: Vec<_> =
                            control["without"].as_array().into_iter().flatten().map(words).collect();
                        format!("Holds by: {} Without it: {}.", what.join(" "), words(&control["evidence"]))
                    }
                    Some(control) if control["none"].is_string() => {
                        format!("Holds because {}.", words(&control["none"]))
                    }
                    _ => String::new(),
                };
                if !by.is_empty() || !attack.note.is_empty() {
                    let said = [by, attack.note.clone()].into_iter().filter(|text| !text.is_empty());
                    writeln!(text, "\n*{}.* {}", attack.title, said.collect::<Vec<_>>().join(" "))?;
                }
            }
        }
        Ok(text)
    }

    /// What the site draws (reference-server/site/assets/threats.js).
    fn to_site(&self) -> anyhow::Result<String> {
        let columns = COLUMNS.map(|(id, title)| {
            if id == "passkeyAccount" {
                json!({ "id": id, "title": title, "ours": true })
            } else {
                json!({ "id": id, "title": title })
            }
        });
        let rows: Vec<_> = self
            .threats
            .row
            .iter()
            .map(|row| {
                let attacks: Vec<_> = self.of_row(row).map(|attack| self.for_site(attack)).collect();
                json!({ "id": row.id, "title": row.title, "attacks": attacks })
            })
            .collect();
        let site = json!({ "columns": columns, "rows": rows });
        Ok(serde_json::to_string_pretty(&site)? + "\n")
    }

    fn for_site(&self, attack: &Attack) -> Value {
        let cells: serde_json::Map<_, _> = COLUMNS
            .iter()
            .map(|(column, _)| {
                let cell = self.cell(attack, column).map_or_else(
                    || json!({ "verdict": "none" }),
                    |cell| json!({ "verdict": cell["verdict"], "note": cell["evidence"] }),
                );
                ((*column).to_owned(), cell)
            })
            .collect();
        json!({ "id": attack.id, "title": attack.title, "note": attack.note, "cells": cells })
    }

    fn to_report(&self) -> anyhow::Result<String> {
        let attacks: Vec<_> = self
            .threats
            .attack
            .iter()
            .map(|attack| {
                let cells = self.reports.get(&attack.id).map(|report| &report.cells);
                json!({ "id": attack.id, "row": attack.row, "title": attack.title, "note": attack.note, "cells": cells })
            })
            .collect();
        Ok(serde_json::to_string_pretty(&json!({ "attacks": attacks }))?)
    }
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

const HEAD: &str = "# Threat matrix

Made by `cargo xtask attack`, which carries out every one of these attacks on real servers, those of pages in a real Chromium; do
not edit. One small shop is attacked in five builds (`tests/src/shop`): a bearer token in `localStorage` or an `HttpOnly` cookie,
for a password or a passkey, and Passkey Accounts. The four are done the way good sites do it. Whether an attack that acts
succeeded is read from the shop's log of actions. Where a build held, the defence that held it is taken away once, and the attack must succeed then;
where there is no such switch, it is said why it holds.

- **held**: the attack came to nothing, and what it met. **fell**: the attacker got what they wanted. **-**: there is nothing to
  attack.
- A red cell of ours is as true as a green one. What a person's own browser does while somebody else commands it, no server can
  tell from what the person does.

";
