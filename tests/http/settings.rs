//! Settings: all errors are reported before anything starts.

use super::binary::{Running, run, stderr};

#[test]
fn every_wrong_setting_is_listed_at_once() {
    let output = run(
        &["--listen", "nonsense", "--drain", "soon"],
        &[
            ("DAYBOOK_DATABASE_URL", "mysql://ann:hunter2@db/x"),
            ("DAYBOOK_MAX_CONNECTIONS", "0"),
            ("DAYBOOK_DRAIN", "1s"),
            ("DAYBOOK_LOG_FORMAT", "xml"),
        ],
    );
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for line in [
        "daybook: 5 settings are wrong",
        "  --listen is \"nonsense\"; expected a host and a port, such as 127.0.0.1:8000 or [::]:8000",
        "  DAYBOOK_DATABASE_URL is wrong; expected a URL that begins with mariadb://, if the server is MariaDB: MySQL is not supported",
        "  DAYBOOK_MAX_CONNECTIONS is \"0\"; expected a number from 1 to 10000",
        "  --drain is \"soon\"; expected a time of at most a day, such as 30s, 500ms or 2m",
        "  DAYBOOK_LOG_FORMAT is \"xml\"; expected text or json",
    ] {
        assert!(
            said.lines().any(|said| said == line),
            "{line:?} is not in:\n{said}"
        );
    }
    assert!(!said.contains("hunter2"), "{said}");
}

/// A switch that would have no effect is refused, and so is a server that only looks alike.
#[test]
fn what_mariadb_does_not_have_is_refused() {
    let confine = [
        "migrate",
        "--confine",
        "--database",
        "mariadb://root@127.0.0.1:1/x",
    ];
    let mysql = ["migrate", "--database", "mysql://root@127.0.0.1:1/x"];
    for (args, said) in [
        (
            &confine[..],
            "--confine is wrong; expected not to be there with MariaDB",
        ),
        (&mysql, "MySQL is not supported"),
    ] {
        let output = run(args, &[]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(stderr(&output).contains(said), "{output:?}");
    }
}

#[test]
fn trusted_documents_are_read_before_the_server_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents.json");
    std::fs::write(&file, "[]").unwrap();
    let file = file.to_str().unwrap();
    for (args, said) in [
        (
            &["--only-trusted-documents"][..],
            "daybook: --only-trusted-documents is wrong; expected a manifest with it: --trusted-documents",
        ),
        (
            &["--trusted-documents", file],
            "expected the name of a JSON object from ids to documents, or Apollo's persisted query manifest",
        ),
        (
            &["--trusted-documents", "/nowhere"],
            "expected a file that can be read (No such file",
        ),
    ] {
        let output = run(args, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
}

#[test]
fn it_does_not_listen_beyond_loopback_without_authentication() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let output = run(&["--listen", listen], &[]);
        assert_eq!(output.status.code(), Some(1));
        let said = stderr(&output);
        assert!(
            said.contains(&format!(
                "--listen is {listen:?}; expected a loopback address, authentication"
            )),
            "{said}"
        );
    }
    let server = Running::start(&["--listen", "0.0.0.0:0", "--without-authentication"]);
    server.signal("TERM");
    let (code, said) = server.ended();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("there is no authentication"), "{said}");
}

#[test]
fn authentication_wants_a_key_an_issuer_and_an_audience() {
    let folder = tempfile::tempdir().unwrap();
    let short = folder.path().join("short");
    std::fs::write(&short, "hunter2\n").unwrap();
    let output = run(
        &[
            "--no-metrics",
            "--jwt-secret-file",
            short.to_str().unwrap(),
            "--jwt-issuer",
            "me",
        ],
        &[],
    );
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "a file with a secret of at least 32 bytes",
        "--jwt-audience is wrong; expected a text",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    let output = run(
        &[
            "--jwks",
            "/nowhere",
            "--allow-origin",
            "https://a.example,*",
            "--allow-host",
            "a.example:80",
        ],
        &[],
    );
    let said = stderr(&output);
    for part in [
        "--jwks is \"/nowhere\"; expected a file that can be read",
        "--allow-origin is \"*\"; expected an origin",
        "--allow-host is \"a.example:80\"; expected the name or the address of a host without a port",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_command_reads_its_own_settings() {
    let output = run(&["migrate", "--database", "mysql://x", "--log", ""], &[]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("--database is wrong") && said.contains("--log is \"\""),
        "{said}"
    );
    assert_eq!(
        run(&["migrate"], &[("DAYBOOK_LISTEN", "nonsense")])
            .status
            .code(),
        Some(0)
    );
}

#[test]
fn a_mistake_of_usage_is_exit_2() {
    assert_eq!(run(&["--no-such-flag"], &[]).status.code(), Some(2));
    assert_eq!(run(&["frobnicate"], &[]).status.code(), Some(2));
}

#[test]
fn help_shows_every_setting_and_no_secret() {
    let output = run(
        &["--help"],
        &[("DAYBOOK_DATABASE_URL", "postgres://ann:hunter2@db/x")],
    );
    let help = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    for setting in [
        "--listen",
        "--database",
        "--max-connections",
        "--deadline",
        "--notice",
        "--drain",
        "--no-migrate",
        "--no-playground",
        "--tls-certificate",
        "--tls-key",
        "--jwt-secret-file",
        "--jwks",
        "--jwt-issuer",
        "--jwt-audience",
        "--without-authentication",
        "--allow-origin",
        "--allow-host",
        "--max-clients",
        "--max-clients-per-address",
        "--header-timeout",
        "--max-headers",
        "--body-timeout",
        "--min-body-rate",
        "--idle-timeout",
        "--connection-lifetime",
        "--write-timeout",
        "--max-streams",
        "--ping-interval",
        "--max-held",
        "--max-held-per-client",
        "--metrics-listen",
        "--replica",
        "--replica-wait",
        "--max-staleness",
        "--max-operations",
        "--max-subscriptions",
        "--max-body",
        "--max-batch",
        "--max-tokens",
        "--max-depth",
        "--max-complexity",
        "--max-aliases",
        "--max-root-fields",
        "--max-directives",
        "--persisted-bytes",
        "--trusted-documents",
        "--only-trusted-documents",
        "--no-introspection",
        "--webhook-allow-private",
        "--webhook-allow-http",
        "--webhook-timeout",
        "--webhook-attempts",
        "--webhook-first-wait",
        "--max-webhook-deliveries",
        "--otlp-endpoint",
        "--otlp-traces-endpoint",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "--log",
        "--log-format",
        "DAYBOOK_LISTEN",
        "DAYBOOK_DATABASE_URL",
        "serve",
        "migrate",
        "schema",
    ] {
        assert!(help.contains(setting), "{setting} is not in:\n{help}");
    }
    assert!(!help.contains("hunter2"), "{help}");
}

/// A time that the server would cut is refused, and not cut.
#[test]
fn times_of_webhooks_are_bounded() {
    let output = run(
        &[
            "--webhook-timeout",
            "61s",
            "--webhook-first-wait",
            "61m",
            "--webhook-attempts",
            "0",
            "--max-webhook-deliveries",
            "0",
        ],
        &[],
    );
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "--webhook-timeout is \"61s\"; expected a time of at most a minute",
        "--webhook-first-wait is \"61m\"; expected a time of at most an hour",
        "--webhook-attempts is \"0\"; expected",
        "--max-webhook-deliveries is \"0\"; expected",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn heavy_operations_leave_half_of_the_connections_to_others() {
    let output = run(&["--max-connections", "10", "--max-heavy", "6"], &[]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected = "--max-heavy is wrong; expected 5 at most, which is half of --max-connections";
    assert!(said.contains(expected), "{said}");
}
