//! What the README and the pages in `docs/` name exists: the tests of the contract, and where links lead.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
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
        for name in tests.split('`').skip(1).step_by(2) {
            named += 1;
            assert_exists(name);
        }
        assert!(named > before, "a row without a test: {row}");
    }
    assert!(named > 100, "only {named} tests are named");
}

fn assert_exists(test: &str) {
    let (modules, function) = test
        .rsplit_once("::")
        .unwrap_or_else(|| panic!("{test}: which module is it in?"));
    let file = format!("{}.rs", modules.replace("::", "/"));
    let source = ["crates/unit-of-work/tests/contract", "tests"]
        .iter()
        .find_map(|folder| fs::read_to_string(root().join(folder).join(&file)).ok())
        .unwrap_or_else(|| panic!("{test}: there is no {file}"));
    assert!(
        source.contains(&format!("async fn {function}(")),
        "{test} is not in {file}"
    );
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

/// The pages that a newcomer reads: those at the top, those in `docs/`, and the crates' own.
fn pages() -> Vec<PathBuf> {
    let folders = [
        "",
        "docs",
        "crates/unit-of-work",
        "crates/graphql-operation",
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
