//! The `daybook` command: output, exit codes, signals.

use super::binary::{Running, run, stderr};

#[tokio::test]
async fn serve_is_the_default_and_port_0_is_announced_as_the_real_one() {
    for args in [
        &["--listen", "127.0.0.1:0", "--no-playground"][..],
        &["serve", "--listen", "127.0.0.1:0", "--no-playground"],
    ] {
        let server = Running::start(args);
        assert_eq!(
            server.announcement,
            format!(
                "Daybook is listening on {} (GraphQL at /graphql)\n",
                server.base()
            )
        );
        let ready = reqwest::get(format!("{}/readyz", server.base()))
            .await
            .unwrap();
        assert_eq!(ready.status(), 200);
        let page = reqwest::get(server.base()).await.unwrap();
        assert_eq!(page.status(), 404);
    }
    let with_playground = Running::start(&["--listen", "127.0.0.1:0"]);
    assert!(
        with_playground
            .announcement
            .contains("(GraphiQL at /, GraphQL at /graphql)")
    );
    let page = reqwest::get(with_playground.base()).await.unwrap();
    assert_eq!(page.status(), 200);
}

#[test]
fn a_signal_stops_the_server_cleanly() {
    for signal in ["TERM", "INT"] {
        let server = Running::start(&["--listen", "127.0.0.1:0"]);
        server.signal(signal);
        let (code, said) = server.ended();
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("stopped"), "{said}");
    }
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once() {
    // The notice keeps the first from ending it.
    let mut server = Running::start(&["--listen", "127.0.0.1:0", "--notice", "1h"]);
    server.signal("TERM");
    server.logged("stopping").await;
    server.signal("TERM");
    assert_eq!(server.child.wait().unwrap().code(), Some(128 + 15));
}

#[test]
fn schema_prints_the_sdl_and_nothing_else() {
    let output = run(&["schema"], &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("type Query"));
    assert_eq!(stderr(&output), "");
}

#[test]
fn schema_check_says_what_changed_and_whether_it_breaks() {
    let check = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("schema.graphql");
        std::fs::write(&file, text).unwrap();
        let output = run(&["schema", "--check", file.to_str().unwrap()], &[]);
        let said = String::from_utf8(output.stdout.clone()).unwrap();
        (output.status.code(), said, stderr(&output))
    };
    let schema = daybook::graphql::sdl();
    assert_eq!(check(&schema), (Some(0), String::new(), String::new()));
    let before = schema.replacen("scalar CurrencyCode", "scalar CurrencyCode\nscalar Old", 1);
    let before = before.replacen("type Currency {", "type Currency {\n  old: Int", 1);
    assert_eq!(
        check(&before),
        (
            Some(1),
            "breaking: Currency.old: the field was removed\nbreaking: Old: the type was removed\n"
                .to_owned(),
            "daybook: 2 of the changes break clients\n".to_owned(),
        )
    );
    let (code, _, said) = check("type {");
    assert_eq!(code, Some(1));
    assert!(
        said.starts_with("daybook: cannot compare the schema with "),
        "{said}"
    );
}

#[test]
fn a_port_in_use_is_one_line_and_exit_1() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["--listen", &address, "--log", "error"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        format!(
            "daybook: cannot listen on {address}: the address is in use; choose another with --listen\n"
        )
    );
}

#[test]
fn log_lines_are_json_where_that_is_asked_for() {
    let server = Running::start(&["--listen", "127.0.0.1:0", "--log-format", "json"]);
    server.signal("TERM");
    let (_, said) = server.ended();
    let lines: Vec<serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?} is not JSON")))
        .collect();
    let listening = lines
        .iter()
        .find(|line| line["message"] == "listening")
        .unwrap();
    assert!(listening["address"].is_string(), "{listening}");
}

#[test]
fn every_shell_gets_completions_with_every_command_and_flag() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell], &[]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let script = String::from_utf8(output.stdout).unwrap();
        for word in ["export", "completions", "no-migrate", "jwt-secret-file"] {
            assert!(script.contains(word), "{shell} has no {word}");
        }
    }
    let wrong = run(&["completions", "cmd"], &[]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

#[test]
fn man_pages_have_settings_and_no_values() {
    let secret = "postgres://daybook:hunter2@localhost/daybook";
    let page = |args: &[&str]| {
        let output = run(args, &[("DAYBOOK_DATABASE_URL", secret)]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let page = String::from_utf8(output.stdout).unwrap();
        assert!(!page.contains("hunter2"), "{page}");
        page
    };
    let whole = page(&["man"]);
    assert!(whole.contains(".TH daybook 1"), "{whole}");
    for text in ["DAYBOOK_JWKS", "daybook\\-export(1)", ".SH ACCESS"] {
        assert!(whole.contains(text), "there is no {text} in {whole}");
    }
    assert!(!whole.contains("daybook\\-help(1)"), "{whole}");
    let of_export = page(&["man", "export"]);
    assert!(of_export.contains(".TH daybook-export 1"), "{of_export}");
    assert!(of_export.contains("\\-\\-format"), "{of_export}");

    let wrong = run(&["man", "exprot"], &[]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    assert!(stderr(&wrong).contains("there is no command 'exprot'"));
}
