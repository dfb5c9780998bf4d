//! Comma-separated values: one row for each line that moved money.

use super::document::{Document, Line, entry_id, instant, word};
use super::error::ExportError;
use crate::exchange::table::HEADER;
use crate::ledger::{ReplayedEntry, decimal};
use daybook_entity::{account, currency, ledger};
use std::io;

pub(super) struct Csv;

impl Document for Csv {
    fn begin(&mut self, _: &[currency::Model], out: &mut Vec<u8>) -> io::Result<()> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(HEADER)?;
        writer.flush()
    }

    fn ledgers(&mut self, _: Vec<ledger::Model>, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn account(&mut self, _: &account::Model, _: &[String], _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn entry(
        &mut self,
        ReplayedEntry { entry, .. }: &ReplayedEntry,
        moved: &[Line<'_>],
        out: &mut Vec<u8>,
    ) -> Result<(), ExportError> {
        let mut writer = csv::Writer::from_writer(out);
        let metadata = match entry.metadata.as_object() {
            Some(object) if !object.is_empty() => entry.metadata.to_string(),
            _ => String::new(),
        };
        let (id, kind) = (entry_id(entry.id), word(&entry.kind));
        let (date, recorded_at) = (instant(entry.effective_at), instant(entry.recorded_at));
        for (line, number) in moved.iter().zip(1..) {
            // Only the entry's first row has these.
            let description = entry.description.as_deref().filter(|_| number == 1);
            let reference = entry.reference.as_deref().filter(|_| number == 1);
            let metadata = if number == 1 { metadata.as_str() } else { "" };
            writer
                .write_record([
                    &id,
                    &date,
                    description.unwrap_or_default(),
                    &line.debit.code,
                    &word(&line.debit.normal_side),
                    &line.credit.code,
                    &word(&line.credit.normal_side),
                    &decimal(line.line.amount, line.exponent),
                    &line.line.currency,
                    metadata,
                    &kind,
                    &recorded_at,
                    reference.unwrap_or_default(),
                ])
                .map_err(io::Error::from)?;
        }
        Ok(writer.flush()?)
    }

    fn end(&mut self, _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }
}
