//! A shell script that runs a private server for as long as a pipe to it stays open.
//!
//! However this process ends, a SIGKILL included, the pipe closes, and the script stops its server and removes what it has made.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

/// How many free ports the script of one server is given: another process may take one before the server does.
pub(crate) const PORTS: usize = 5;

/// A running script. It takes orders, a line each, and answers each with a line.
#[derive(Debug)]
pub(crate) struct Script(Mutex<Pipes>);

#[derive(Debug)]
struct Pipes {
    _process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Script {
    /// Starts the script, and waits until its server is ready on a port.
    ///
    /// # Errors
    ///
    /// What the script has said, if its server did not start.
    pub(crate) fn start(mut command: Command) -> Result<(u16, Self), String> {
        let mut process = command
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A signal to the tests' group, such as Ctrl-C, must leave the script alive to clean up.
            .process_group(0)
            .spawn()
            .expect("no `sh`");
        let orders = process.stdin.take().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let mut answer = String::new();
        answers
            .read_line(&mut answer)
            .expect("the script's answer is text");
        let port = answer.trim().strip_prefix("ready ");
        let Some(port) = port.and_then(|port| port.parse().ok()) else {
            answers
                .read_to_string(&mut answer)
                .expect("the script's answer is text");
            drop(orders);
            process.wait().expect("the script ends");
            return Err(answer);
        };
        let pipes = Pipes {
            _process: process,
            orders,
            answers,
        };
        Ok((port, Self(Mutex::new(pipes))))
    }

    /// Gives an order, and waits until it is carried out.
    ///
    /// # Panics
    ///
    /// When it is not.
    pub(crate) fn order(&self, order: &str) {
        let mut pipes = self.0.lock().expect("no order has panicked");
        writeln!(pipes.orders, "{order}").expect("the script takes orders");
        let mut answer = String::new();
        pipes
            .answers
            .read_line(&mut answer)
            .expect("the script answers");
        assert_eq!(answer.trim(), "done", "{order}");
    }
}

/// Ports of the loopback address that nobody listens on.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    // All are bound at once, so that they differ.
    let listeners: Vec<_> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("no free port on 127.0.0.1"))
        .collect();
    listeners
        .iter()
        .map(|listener| listener.local_addr().unwrap().port())
        .collect()
}
