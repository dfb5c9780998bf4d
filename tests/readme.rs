//! The README's contract names tests that exist.

use std::{fs, path::Path};

#[test]
fn every_test_in_the_contract_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let rows = readme
        .lines()
        .filter(|line| line.starts_with("| ") && line.matches(" | ").count() == 2);
    let mut named = 0;
    for name in rows.flat_map(|row| row.split('`').skip(1).step_by(2)) {
        let Some((modules, function)) = name.rsplit_once("::") else {
            continue;
        };
        let file = format!("{}.rs", modules.replace("::", "/"));
        let source = ["crates/unit-of-work/tests/contract", "tests"]
            .iter()
            .find_map(|folder| fs::read_to_string(root.join(folder).join(&file)).ok())
            .unwrap_or_else(|| panic!("{name}: there is no {file}"));
        assert!(
            source.contains(&format!("async fn {function}(")),
            "{name} is not in {file}"
        );
        named += 1;
    }
    assert!(named > 20, "only {named} tests are named");
}
