//! Colours. They are decoration: nothing is told by a colour alone.

use std::env;

/// Puts colours on texts, or not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(bool);

impl Paint {
    /// Paints if that is asked for; by default on a terminal that has colours, unless `NO_COLOR` asks for none (<https://no-color.org>).
    pub(super) fn on(is_terminal: bool, asked: Option<bool>) -> Self {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
        Self(asked.unwrap_or(is_terminal && !is_set("NO_COLOR") && !is_dumb))
    }

    /// A heading.
    pub(super) fn heading(self, text: &str) -> String {
        self.with("1", text)
    }

    /// A negative amount, as hledger has it, or an error.
    pub(super) fn bad(self, text: &str) -> String {
        self.with("31", text)
    }

    fn with(self, style: &str, text: &str) -> String {
        match self.0 && !text.is_empty() {
            true => format!("\x1b[{style}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}
