//! The differences between the engines' SQL.
//!
//! A migration writes its tables once, in SQL, with these words for what differs. It does not use the schema builder, which has no STRICT
//! tables, no named CHECKs on columns and no triggers. Also, readers of a ledger want to see its rules as the database has them.
//!
//! **UUID**: PostgreSQL `uuid`; SQLite 16 bytes of BLOB. Both compare byte by byte, so an order by id is the same on both.
//!
//! **Text** that is sorted compares byte by byte too (`COLLATE "C"`), which is SQLite's default order.
//!
//! **Time**: PostgreSQL `timestamptz` (microseconds); SQLite TEXT as sqlx writes it, RFC 3339 in UTC with 0, 3, 6 or 9
//! digits of fraction, always the fewest that lose nothing. So each instant has one spelling. The spellings sort by instant although their
//! lengths differ, because a shorter fraction is followed by `+`, which sorts before `.` and before every digit. A CHECK refuses other
//! spellings. The domain uses microseconds, so both engines return the instant that was written.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The words of one engine.
pub(crate) struct Dialect {
    engine: DbBackend,
    /// A 64-bit integer.
    pub(crate) bigint: &'static str,
    /// An identifier: always used through [`Dialect::uuid_rule`] too.
    pub(crate) uuid: &'static str,
    /// Text that sorts by its bytes.
    pub(crate) sorted_text: &'static str,
    /// An instant in UTC.
    pub(crate) timestamp: &'static str,
    /// A primary key: a 64-bit integer that the database numbers.
    pub(crate) numbered: &'static str,
    /// A JSON document.
    pub(crate) json: &'static str,
    /// What follows the closing parenthesis of a table.
    pub(crate) table_options: &'static str,
}

const POSTGRES: Dialect = Dialect {
    engine: DbBackend::Postgres,
    bigint: "bigint",
    uuid: "uuid",
    sorted_text: r#"text COLLATE "C""#,
    timestamp: "timestamptz",
    numbered: "bigint NOT NULL GENERATED ALWAYS AS IDENTITY",
    json: "jsonb",
    table_options: "",
};

const SQLITE: Dialect = Dialect {
    engine: DbBackend::Sqlite,
    bigint: "INTEGER",
    uuid: "BLOB",
    sorted_text: "TEXT",
    timestamp: "TEXT",
    numbered: "INTEGER",
    json: "TEXT",
    table_options: "STRICT",
};

impl Dialect {
    /// The dialect of the database that is being migrated.
    ///
    /// # Errors
    /// If the ledger does not know the engine.
    pub(crate) fn of(manager: &SchemaManager<'_>) -> Result<Self, DbErr> {
        match manager.get_database_backend() {
            DbBackend::Postgres => Ok(POSTGRES),
            DbBackend::Sqlite => Ok(SQLITE),
            other => Err(DbErr::Migration(format!(
                "the ledger has no dialect for {other:?}"
            ))),
        }
    }

    /// The condition that `column` holds a UUID (or NULL): a type on PostgreSQL, a length on SQLite.
    pub(crate) fn uuid_rule(&self, column: &str) -> String {
        match self.engine {
            DbBackend::Sqlite => format!("length({column}) = 16"),
            _ => "true".to_owned(),
        }
    }

    /// The condition that the UUID in `column` ends in twelve zero bits, which leave room for a line's number.
    pub(crate) fn low_bits_free(&self, column: &str) -> String {
        match self.engine {
            DbBackend::Sqlite => format!("substr(hex({column}), 30) = '000'"),
            _ => format!("right({column}::text, 3) = '000'"),
        }
    }

    /// The condition that `column` holds an instant (or NULL) in the one spelling that sorts.
    pub(crate) fn timestamp_rule(&self, column: &str) -> String {
        match self.engine {
            DbBackend::Sqlite => format!(
                "{column} IS NULL OR length({column}) IN (25, 29, 32) AND {column} GLOB '[0-9][0-9][0-9][0-9]-*T*+00:00' \
                 AND {column} NOT GLOB '*.000+*' AND {column} NOT GLOB '*.[0-9][0-9][0-9]000+*' AND datetime({column}) IS NOT NULL"
            ),
            _ => "true".to_owned(),
        }
    }

    /// The instant in `column` as microseconds since the year 1.
    pub(crate) fn microseconds(&self, column: &str) -> String {
        match self.engine {
            // Between the seconds and `+00:00` is a point and the fraction, or nothing.
            DbBackend::Sqlite => format!(
                "(CAST(strftime('%s', {column}) AS INTEGER) + 62135596800) * 1000000
                 + CAST(substr(substr(replace(substr({column}, 20), '+00:00', ''), 2) || '000000', 1, 6) AS INTEGER)"
            ),
            // In two parts: before PostgreSQL 14, the epoch has no exact fraction.
            _ => format!(
                "(CAST(extract(epoch FROM date_trunc('second', {column})) AS bigint) + 62135596800) * 1000000
                 + CAST(extract(microseconds FROM {column}) AS bigint) % 1000000"
            ),
        }
    }

    /// The condition that `column` holds a JSON object.
    pub(crate) fn json_object_rule(&self, column: &str) -> String {
        match self.engine {
            DbBackend::Sqlite => {
                format!("json_valid({column}) AND json_type({column}) = 'object'")
            }
            _ => format!("jsonb_typeof({column}) = 'object'"),
        }
    }

    /// Runs `sql`, which ends in a semicolon, after the insert of each row of `table` that fulfils `condition`.
    pub(crate) fn after_insert(
        &self,
        table: &str,
        name: &str,
        condition: &str,
        sql: &str,
    ) -> String {
        match self.engine {
            DbBackend::Postgres => format!(
                "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {sql} RETURN NULL; END $$;
                 CREATE TRIGGER {name} AFTER INSERT ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION {name}();"
            ),
            _ => format!("CREATE TRIGGER {name} AFTER INSERT ON {table} WHEN {condition} BEGIN {sql} END;"),
        }
    }

    /// Undoes [`Dialect::after_insert`].
    pub(crate) fn drop_after_insert(&self, table: &str, name: &str) -> String {
        match self.engine {
            DbBackend::Postgres => {
                format!("DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();")
            }
            _ => format!("DROP TRIGGER {name};"),
        }
    }

    /// Refuses what `event` (`BEFORE INSERT`, `AFTER UPDATE OF name`) does to a row of `table` that fulfils `condition`, with the name `name`.
    pub(crate) fn refuse(&self, table: &str, name: &str, event: &str, condition: &str) -> String {
        match self.engine {
            DbBackend::Postgres => format!(
                "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN
                     IF {condition} THEN
                         RAISE EXCEPTION USING
                             ERRCODE = 'restrict_violation', TABLE = '{table}', CONSTRAINT = '{name}', MESSAGE = '{name}: refused';
                     END IF;
                     RETURN COALESCE(NEW, OLD);
                 END $$;
                 CREATE TRIGGER {name} {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}();"
            ),
            _ => format!(
                "CREATE TRIGGER {name} {event} ON {table} WHEN {condition} BEGIN SELECT RAISE(ABORT, '{name}'); END;"
            ),
        }
    }

    /// As [`Dialect::refuse`] before an INSERT, for the rows that fulfil `applies`. That condition reads no table, and costs the others nothing.
    pub(crate) fn refuse_insert(
        &self,
        table: &str,
        name: &str,
        applies: &str,
        condition: &str,
    ) -> String {
        match self.engine {
            DbBackend::Postgres => {
                let refuse = self.refuse(table, name, "BEFORE INSERT", condition);
                refuse.replace(
                    "FOR EACH ROW EXECUTE",
                    &format!("FOR EACH ROW WHEN ({applies}) EXECUTE"),
                )
            }
            _ => {
                let condition = format!("{applies} AND ({condition})");
                self.refuse(table, name, "BEFORE INSERT", &condition)
            }
        }
    }

    /// Runs `sql`, which ends in a semicolon, after `event` (`INSERT`, `UPDATE OF name`) has written a row of `table`.
    pub(crate) fn after(&self, table: &str, name: &str, event: &str, sql: &str) -> String {
        match self.engine {
            DbBackend::Postgres => format!(
                "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {sql} RETURN NULL; END $$;
                 CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}();"
            ),
            _ => format!("CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN {sql} END;"),
        }
    }

    /// Runs `sql` before `event`, once for each statement, on PostgreSQL alone: for locks, which SQLite does not need.
    pub(crate) fn before_each(&self, table: &str, name: &str, event: &str, sql: &str) -> String {
        match self.engine {
            DbBackend::Postgres => format!(
                "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {sql} RETURN NULL; END $$;
                 CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {name}();"
            ),
            _ => String::new(),
        }
    }

    /// Undoes [`Dialect::before_each`].
    pub(crate) fn drop_before_each(&self, table: &str, name: &str) -> String {
        match self.engine {
            DbBackend::Postgres => self.drop_trigger(table, name),
            _ => String::new(),
        }
    }

    /// Undoes [`Dialect::refuse`], [`Dialect::after`] and [`Dialect::after_insert`].
    pub(crate) fn drop_trigger(&self, table: &str, name: &str) -> String {
        self.drop_after_insert(table, name)
    }

    /// Whether columns and constraints of a table can be changed in place. SQLite has to write the table anew.
    pub(crate) fn alters_columns(&self) -> bool {
        self.engine == DbBackend::Postgres
    }

    /// Lifts what [`Dialect::append_only`] has set on `table`, without dropping the table. `unique` are the names that it was given.
    pub(crate) fn lift_append_only(&self, table: &str, unique: &[&str]) -> String {
        if self.engine == DbBackend::Postgres {
            return format!(
                "DROP TRIGGER {table}_append_only ON {table}; DROP FUNCTION refuse_{table}_change();"
            );
        }
        let mut sql =
            format!("DROP TRIGGER {table}_refuse_UPDATE; DROP TRIGGER {table}_refuse_DELETE;");
        for name in unique {
            sql += &format!("DROP TRIGGER {name};");
        }
        sql
    }

    /// Makes `table` append-only: UPDATE, DELETE and TRUNCATE fail with the name `<table>_append_only`.
    ///
    /// On SQLite, `INSERT OR REPLACE` deletes rows without running the DELETE trigger (unless `recursive_triggers` is on). So on SQLite
    /// each of `unique` (a name, and the condition that a row conflicts with `NEW`) refuses an INSERT as well. That also gives SQLite's
    /// unique violations the names that PostgreSQL's have.
    pub(crate) fn append_only(&self, table: &str, unique: &[(&str, &str)]) -> String {
        if self.engine == DbBackend::Postgres {
            return format!(
                "CREATE FUNCTION refuse_{table}_change() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN
                     RAISE EXCEPTION USING
                         ERRCODE = 'restrict_violation', TABLE = '{table}', CONSTRAINT = '{table}_append_only',
                         MESSAGE = '{table}_append_only: ' || TG_OP || ' is refused';
                 END $$;
                 CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
                     FOR EACH STATEMENT EXECUTE FUNCTION refuse_{table}_change();"
            );
        }
        let mut sql = String::new();
        for event in ["UPDATE", "DELETE"] {
            sql += &format!(
                "CREATE TRIGGER {table}_refuse_{event} BEFORE {event} ON {table}
                 BEGIN SELECT RAISE(ABORT, '{table}_append_only'); END;\n"
            );
        }
        for (name, in_the_way) in unique {
            sql += &format!(
                "CREATE TRIGGER {name} BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {in_the_way})
                 BEGIN SELECT RAISE(ABORT, '{name}'); END;\n"
            );
        }
        sql
    }

    /// Lets one column of an append-only table be changed by an UPDATE that fulfils `condition`. The columns in `fixed`, which are all others,
    /// still never change; on SQLite, a column that is added to the table later has to be made fixed anew.
    pub(crate) fn fix_but_for(
        &self,
        table: &str,
        column: &str,
        fixed: &[&str],
        condition: &str,
    ) -> String {
        if self.engine == DbBackend::Postgres {
            return format!(
                "CREATE FUNCTION refuse_{table}_update() RETURNS trigger LANGUAGE plpgsql AS $$
                 DECLARE
                     others {table}%ROWTYPE := NEW;
                 BEGIN
                     others.{column} := OLD.{column};
                     IF others IS DISTINCT FROM OLD OR NOT {condition} THEN
                         RAISE EXCEPTION USING
                             ERRCODE = 'restrict_violation', TABLE = '{table}', CONSTRAINT = '{table}_append_only',
                             MESSAGE = '{table}_append_only: UPDATE is refused';
                     END IF;
                     RETURN NEW;
                 END $$;
                 DROP TRIGGER {table}_append_only ON {table};
                 CREATE TRIGGER {table}_not_removed BEFORE DELETE OR TRUNCATE ON {table}
                     FOR EACH STATEMENT EXECUTE FUNCTION refuse_{table}_change();
                 CREATE TRIGGER {table}_append_only BEFORE UPDATE ON {table}
                     FOR EACH ROW EXECUTE FUNCTION refuse_{table}_update();"
            );
        }
        let changed = fixed.iter();
        let changed = changed.map(|column| format!("NEW.{column} IS NOT OLD.{column}"));
        format!(
            "DROP TRIGGER {table}_refuse_UPDATE;
             CREATE TRIGGER {table}_refuse_UPDATE BEFORE UPDATE ON {table} WHEN {} OR NOT {condition}
             BEGIN SELECT RAISE(ABORT, '{table}_append_only'); END;",
            changed.collect::<Vec<_>>().join(" OR ")
        )
    }

    /// Undoes [`Dialect::fix_but_for`]: no column can be changed.
    pub(crate) fn fix_all(&self, table: &str) -> String {
        if self.engine == DbBackend::Postgres {
            return format!(
                "DROP TRIGGER {table}_append_only ON {table}; DROP TRIGGER {table}_not_removed ON {table};
                 DROP FUNCTION refuse_{table}_update();
                 CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
                     FOR EACH STATEMENT EXECUTE FUNCTION refuse_{table}_change();"
            );
        }
        format!(
            "DROP TRIGGER {table}_refuse_UPDATE;
             CREATE TRIGGER {table}_refuse_UPDATE BEFORE UPDATE ON {table}
             BEGIN SELECT RAISE(ABORT, '{table}_append_only'); END;"
        )
    }

    /// Makes one more unique column of an append-only table refuse `INSERT OR REPLACE` on SQLite, as [`Dialect::append_only`] does for
    /// the columns that the table began with. Only a row that fulfils `applies` is looked at.
    pub(crate) fn guard_unique(
        &self,
        table: &str,
        name: &str,
        applies: &str,
        in_the_way: &str,
    ) -> String {
        match self.engine {
            DbBackend::Sqlite => format!(
                "CREATE TRIGGER {name} BEFORE INSERT ON {table}
                 WHEN {applies} AND EXISTS (SELECT 1 FROM {table} WHERE {in_the_way})
                 BEGIN SELECT RAISE(ABORT, '{name}'); END;"
            ),
            _ => String::new(),
        }
    }

    /// Undoes [`Dialect::guard_unique`].
    pub(crate) fn drop_guard(&self, name: &str) -> String {
        match self.engine {
            DbBackend::Sqlite => format!("DROP TRIGGER {name};"),
            _ => String::new(),
        }
    }

    /// Removes what [`Dialect::append_only`] created and dropping the table does not remove.
    pub(crate) fn drop_append_only(&self, table: &str) -> String {
        match self.engine {
            DbBackend::Postgres => format!("DROP FUNCTION refuse_{table}_change();"),
            _ => String::new(),
        }
    }
}

/// Runs `sql`, which may be several statements.
///
/// # Errors
/// As the database says.
pub(crate) async fn run(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    manager.get_connection().execute_unprepared(sql).await?;
    Ok(())
}
