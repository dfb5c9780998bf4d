//! The interface of the formats.

use super::error::ExportError;
use crate::ledger::{Id, ReplayedEntry};
use daybook_entity::{account, account_group, closing, currency, entry_line, ledger};
use sea_orm::ActiveEnum;
use std::io;
use uuid::Uuid;

/// A format of export. Its methods are called in this order.
pub(super) trait Document {
    fn begin(&mut self, currencies: &[currency::Model], out: &mut Vec<u8>) -> io::Result<()>;
    /// The ledgers that have names, by code.
    fn ledgers(&mut self, ledgers: Vec<ledger::Model>, out: &mut Vec<u8>) -> io::Result<()>;
    /// When the books were closed and reopened, in their order.
    fn closings(&mut self, _closings: &[closing::Model], _out: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
    /// The groups of accounts, by path, each with its prefixes of codes: if the format [has all](Document::has_all).
    fn groups(
        &mut self,
        _groups: &[(account_group::Model, Vec<String>)],
        _out: &mut Vec<u8>,
    ) -> io::Result<()> {
        Ok(())
    }
    /// `groups` are the paths of those that the account is in by hand, if the format [has all](Document::has_all).
    fn account(
        &mut self,
        account: &account::Model,
        groups: &[String],
        out: &mut Vec<u8>,
    ) -> io::Result<()>;
    /// `moved` are those of the entry's lines that moved money, `entry.lines` all of them.
    fn entry(
        &mut self,
        entry: &ReplayedEntry,
        moved: &[Line<'_>],
        out: &mut Vec<u8>,
    ) -> Result<(), ExportError>;
    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
    /// Whether the format also has entries that moved no money.
    fn has_all(&self) -> bool {
        false
    }
}

/// A line, with the accounts and the currency that its ids stand for.
pub(super) struct Line<'a> {
    pub(super) line: &'a entry_line::Model,
    pub(super) debit: &'a account::Model,
    pub(super) credit: &'a account::Model,
    pub(super) exponent: i32,
}

/// An instant, as all formats write it.
pub(super) fn instant(at: chrono::DateTime<chrono::Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// The database's word for a value of an enum, such as a side or a kind.
pub(super) fn word<E: ActiveEnum<Value = String>>(value: &E) -> String {
    value.to_value()
}

pub(super) fn entry_id(id: Uuid) -> String {
    Id::Entry(id).to_string()
}
