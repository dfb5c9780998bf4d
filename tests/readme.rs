//! What the README and the other pages name exists: the tests of the contract, links, files, settings and metrics.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_test_in_the_contract_exists() {
    let contract = fs::read_to_string(root().join("docs/contract.md")).unwrap();
    let mut named = 0;
    for row in contract.lines().filter(|line| line.starts_with("| ")) {
        let Some(tests) = row.split(" | ").nth(2) else {
            panic!("a row without a column for its tests: {row}");
        };
        if tests.starts_with("tests") {
            continue; // the heading
        }
        let before = named;
        let mut on_mariadb = false;
        for name in tests.split('`').skip(1).step_by(2) {
            named += 1;
            on_mariadb |= runs_on_mariadb(name, &source_of(name));
        }
        assert!(named > before, "a row without a test: {row}");
        assert_eq!(row.ends_with("| yes |"), on_mariadb, "MariaDB: {row}");
    }
    assert!(named > 100, "only {named} tests are named");
}

/// Whether a test runs on MariaDB: by the macro, if it does not say why not, or under a name that says so. A Galera cluster is MariaDB's.
fn runs_on_mariadb(test: &str, source: &str) -> bool {
    let function = test.rsplit("::").next().unwrap();
    let before = source.split(&format!("fn {function}(")).next().unwrap();
    let is_of_every_engine = before
        .rsplit("on_every_engine! {")
        .next()
        .is_some_and(|body| before.contains("on_every_engine! {") && !body.contains("\n}"));
    let own = before.rsplit('}').next().unwrap();
    test.contains("mariadb")
        || test.starts_with("galera::")
        || is_of_every_engine && !own.contains("(not on MariaDB:")
}

/// The source of the file that a test is in.
fn source_of(test: &str) -> String {
    let (modules, function) = test
        .rsplit_once("::")
        .unwrap_or_else(|| panic!("{test}: which module is it in?"));
    let file = modules.replace("::", "/");
    let source = ["crates/unit-of-work/tests/contract", "tests"]
        .iter()
        .flat_map(|folder| [".rs", "/mod.rs"].map(|end| format!("{folder}/{file}{end}")))
        .find_map(|path| fs::read_to_string(root().join(path)).ok())
        .unwrap_or_else(|| panic!("{test}: there is no {file}.rs"));
    assert!(
        source.contains(&format!("fn {function}(")),
        "{test} is not in {file}"
    );
    source
}

#[test]
fn every_link_leads_somewhere() {
    let mut checked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            if link.starts_with("https://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if !anchor.is_empty() {
                let target = fs::read_to_string(target).unwrap();
                assert!(
                    anchors(&target).contains(anchor),
                    "{}: {link}: there is no such heading",
                    page.display()
                );
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} links are checked");
}

#[test]
fn every_file_that_is_named_exists() {
    let tops = [
        "crates/",
        "docs/",
        "entity/",
        "examples/",
        "migration/",
        "packaging/",
        "src/",
        "tests/",
    ];
    let mut checked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for name in text.split('`').skip(1).step_by(2) {
            let is_name = name.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/._-".contains(&byte)
            });
            if is_name && tops.iter().any(|top| name.starts_with(top)) {
                // A crate's page names files of its folder, and of the repository.
                let folders = [page.parent().unwrap(), root()];
                let is_there = folders.iter().any(|folder| folder.join(name).exists());
                assert!(is_there, "{}: there is no {name}", page.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "only {checked} files are checked");
}

#[test]
fn every_setting_that_is_named_exists() {
    let mut help = String::new();
    for command in [
        "serve",
        "migrate",
        "verify",
        "accounts",
        "balance",
        "statement",
        "post",
        "export",
        "import",
        "schema",
    ] {
        let mut daybook = Command::new(env!("CARGO_BIN_EXE_daybook"));
        let output = daybook.args([command, "--help"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        help.push_str(&String::from_utf8(output.stdout).unwrap());
    }
    let is_word = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    let settings: BTreeSet<&str> = help.split(|character| !is_word(character)).collect();
    let mut files = pages();
    files.push(root().join("Dockerfile"));
    files.extend(files_below(&root().join("packaging")));
    let mut named = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let variables = text
            .split(|character| !is_word(character))
            .filter(|word| word.starts_with("DAYBOOK_") && !word.ends_with('_'))
            .filter(|word| !OF_TESTS.contains(word));
        named.extend(variables.map(str::to_owned));
    }
    for page in [
        "README.md",
        "docs/settings.md",
        "docs/operating.md",
        "docs/terminal.md",
    ] {
        let text = fs::read_to_string(root().join(page)).unwrap();
        // Code that begins with a flag has one of Daybook's; the flag of another program stands behind its name.
        let code = text.split('`').skip(1).step_by(2);
        let flags = code
            .filter(|code| code.starts_with("--"))
            .filter_map(|code| code.split(|character| !is_word(character)).next());
        named.extend(flags.map(str::to_owned));
    }
    named.remove("--help");
    let unknown: Vec<_> = named
        .iter()
        .filter(|name| !settings.contains(name.as_str()))
        .collect();
    assert!(unknown.is_empty(), "these are no settings: {unknown:?}");
    assert!(named.len() > 40, "only {} settings are named", named.len());
}

/// Variables that tests read.
const OF_TESTS: [&str; 2] = ["DAYBOOK_JOURNALS", "DAYBOOK_TEST_POSTGRES_URL"];

#[test]
fn every_metric_that_is_named_exists() {
    let mut sources = String::new();
    for folder in [
        "src",
        "crates/graphql-service/src",
        "crates/unit-of-work/src",
    ] {
        for file in files_below(&root().join(folder)) {
            if file.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&fs::read_to_string(file).unwrap());
            }
        }
    }
    let page = fs::read_to_string(root().join("docs/operating.md")).unwrap();
    let is_word = |character: char| character.is_ascii_lowercase() || character == '_';
    let mut checked = 0;
    for word in page.split(|character| !is_word(character)) {
        let of_ours = ["daybook_", "graphql_", "http_", "unit_of_work_"];
        if of_ours.iter().any(|prefix| word.starts_with(prefix)) && !word.ends_with('_') {
            let is_there = sources.contains(&format!("\"{word}\""));
            assert!(is_there, "{word} is no metric");
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} metrics are checked");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// The pages that a newcomer reads: those at the top, those in `docs/`, and the crates' own.
fn pages() -> Vec<PathBuf> {
    let folders = [
        "",
        "docs",
        "crates/unit-of-work",
        "crates/graphql-operation",
        "crates/graphql-service",
    ];
    let mut pages = Vec::new();
    for folder in folders {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// Where the links of a page lead: what stands between `](` and `)`, outside of code.
fn links(page: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    page.lines()
        .filter(move |line| {
            let fence = line.starts_with("```");
            in_code ^= fence;
            !fence && !in_code
        })
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')').map(|(link, _)| link))
}

/// The names of a page's headings, as GitHub makes them for links.
fn anchors(page: &str) -> BTreeSet<String> {
    page.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter_map(|character| match character {
                    ' ' => Some('-'),
                    '-' | '_' => Some(character),
                    character if character.is_alphanumeric() => Some(character),
                    _ => None,
                })
                .collect()
        })
        .collect()
}
