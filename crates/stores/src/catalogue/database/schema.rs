//! Tables and columns as the database itself names them, and the statements made of them.
//!
//! A name from a configuration enters a statement only after the database's own catalogue has it, spelt as
//! the catalogue spells it and quoted. Every value is bound.

use landfall_core::{Code, ErrorKind, StoreError};

use super::engine::{Dialect, Engine, Statement};
use crate::catalogue::config::TableSpec;
use crate::catalogue::lists::JsonList;
use crate::catalogue::post::{Expected, PostKey, Update};

/// One column as it is there.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Quoted.
    quoted: String,
    /// Its declared type, lower case.
    kind: String,
}

/// One table whose columns were found.
#[derive(Clone, Debug)]
pub(super) struct Table {
    dialect: Dialect,
    /// As the configuration names it.
    pub(super) name: String,
    quoted: String,
    id: Column,
    username: Column,
    display: Option<Column>,
    date: Option<Column>,
    media: Column,
    pub(super) local: Option<Column>,
    hub: Column,
    pub(super) uploaded: Option<Column>,
}

/// The tables there are.
pub(super) async fn tables(engine: &Engine) -> Result<Vec<String>, StoreError> {
    let sql = match engine.place().dialect() {
        Dialect::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
        Dialect::Postgres => {
            "SELECT table_name::text FROM information_schema.tables \
             WHERE table_schema = ANY (current_schemas(false)) ORDER BY 1"
        }
        Dialect::MySql => {
            "SELECT CAST(table_name AS BINARY) FROM information_schema.tables \
             WHERE table_schema = DATABASE() ORDER BY 1"
        }
    };
    let rows = engine.rows(Statement { sql: sql.into(), binds: Vec::new() }).await?;
    Ok(rows.into_iter().filter_map(|row| text(row.into_iter().next().flatten())).collect())
}

fn text(cell: Option<Vec<u8>>) -> Option<String> {
    String::from_utf8(cell?).ok()
}

/// The name among those that are there: spelt so, else the only one that differs by case.
fn spelt<'a>(wanted: &str, there: &'a [String]) -> Option<&'a String> {
    there.iter().find(|name| *name == wanted).or_else(|| {
        let mut alike = there.iter().filter(|name| name.eq_ignore_ascii_case(wanted));
        alike.next().filter(|_| alike.next().is_none())
    })
}

fn missing(engine: &Engine, what: String, kind: &str, there: &[String]) -> StoreError {
    let there =
        if there.is_empty() { "there is none".to_owned() } else { format!("there are {}", there.join(", ")) };
    let detail = format!("{} has no such {kind}; {there}", engine.place().shown());
    StoreError::new(ErrorKind::NotFound, "open catalogue", what, detail).with_code(Code::CatalogueShape)
}

/// Finds a table and its columns.
///
/// # Errors
/// With code `CatalogueShape`, naming what is missing and what is there.
pub(super) async fn table(engine: &Engine, spec: &TableSpec, tables: &[String]) -> Result<Table, StoreError> {
    let name = spelt(&spec.name, tables)
        .ok_or_else(|| missing(engine, format!("table {}", spec.name), "table", tables))?;
    let dialect = engine.place().dialect();
    let sql = match dialect {
        Dialect::Sqlite => "SELECT name, type FROM pragma_table_info(?)",
        Dialect::Postgres => {
            "SELECT column_name::text, data_type::text FROM information_schema.columns \
             WHERE table_schema = ANY (current_schemas(false)) AND table_name = $1 ORDER BY ordinal_position"
        }
        Dialect::MySql => {
            "SELECT CAST(column_name AS BINARY), CAST(data_type AS BINARY) FROM information_schema.columns \
             WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position"
        }
    };
    let rows = engine.rows(Statement { sql: sql.into(), binds: vec![Some(name.clone())] }).await?;
    let (mut names, mut kinds) = (Vec::new(), Vec::new());
    for row in rows {
        let mut cells = row.into_iter();
        if let Some(name) = text(cells.next().flatten()) {
            names.push(name);
            kinds.push(text(cells.next().flatten()).unwrap_or_default().to_lowercase());
        }
    }
    let found = |wanted: &str| {
        let name = spelt(wanted, &names)?;
        let kind = names.iter().position(|n| n == name).and_then(|at| kinds.get(at)).cloned();
        Some(Column { quoted: quoted(dialect, name), kind: kind.unwrap_or_default() })
    };
    let must = |wanted: &str| {
        found(wanted)
            .ok_or_else(|| missing(engine, format!("column {wanted} of {}", spec.name), "column", &names))
    };
    let may = |wanted: &Option<String>| match wanted {
        Some(name) if spec.required.contains(name) => must(name).map(Some),
        Some(name) => Ok(found(name)),
        None => Ok(None),
    };
    let columns = &spec.columns;
    Ok(Table {
        dialect,
        name: spec.name.clone(),
        quoted: quoted(dialect, name),
        id: must(&columns.id)?,
        username: must(&columns.username)?,
        display: may(&columns.display_name)?,
        date: may(&columns.date)?,
        media: must(&columns.media_urls)?,
        local: may(&columns.local_media)?,
        hub: must(&columns.huggingface_urls)?,
        uploaded: may(&columns.uploaded)?,
    })
}

fn quoted(dialect: Dialect, name: &str) -> String {
    match dialect {
        Dialect::MySql => format!("`{}`", name.replace('`', "``")),
        _ => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// A statement under construction: numbers its placeholders as the database wants them.
struct Builder {
    dialect: Dialect,
    sql: String,
    binds: Vec<Option<String>>,
}

impl Builder {
    fn new(dialect: Dialect) -> Self {
        Self { dialect, sql: String::new(), binds: Vec::new() }
    }

    fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    fn bind(&mut self, value: Option<String>) {
        self.binds.push(value);
        match self.dialect {
            Dialect::Postgres => self.sql.push_str(&format!("CAST(${} AS text)", self.binds.len())),
            _ => self.sql.push('?'),
        }
    }

    fn done(self) -> Statement {
        Statement { sql: self.sql, binds: self.binds }
    }

    /// A column as the bytes of its text.
    fn text_of(&self, column: &Column) -> String {
        match self.dialect {
            Dialect::Sqlite => format!("CAST({} AS TEXT)", column.quoted),
            Dialect::Postgres => format!("{}::text", column.quoted),
            Dialect::MySql => format!("CAST(CONVERT({} USING utf8mb4) AS BINARY)", column.quoted),
        }
    }

    /// `column = value` to the letter, by the column's index where it has one.
    fn is_id(&mut self, column: &Column, id: &str) {
        match self.dialect {
            Dialect::Sqlite => {
                self.push(&format!("{} COLLATE BINARY = ", column.quoted));
                self.bind(Some(id.to_owned()));
            }
            Dialect::Postgres if column.kind == "character varying" || column.kind == "text" => {
                self.push(&format!("{} = ", column.quoted));
                self.bind(Some(id.to_owned()));
            }
            Dialect::Postgres => {
                self.push(&format!("{}::text = ", column.quoted));
                self.bind(Some(id.to_owned()));
            }
            Dialect::MySql => {
                self.push(&format!("{} = ", column.quoted));
                self.bind(Some(id.to_owned()));
                self.push(&format!(" AND {} = CAST(", self.text_of(column)));
                self.bind(Some(id.to_owned()));
                self.push(" AS BINARY)");
            }
        }
    }

    /// True where the column still holds the text that was read, NULL being a value like any other.
    fn still(&mut self, column: &Column, raw: Option<String>) {
        let text = self.text_of(column);
        match self.dialect {
            Dialect::Sqlite => {
                self.push(&format!("{text} IS "));
                self.bind(raw);
            }
            Dialect::Postgres => {
                self.push(&format!("{text} IS NOT DISTINCT FROM "));
                self.bind(raw);
            }
            Dialect::MySql => {
                self.push(&format!("{text} <=> CAST("));
                self.bind(raw);
                self.push(" AS BINARY)");
            }
        }
    }

    /// Sets a list in the column's own type.
    fn set(&mut self, column: &Column, items: &[String]) {
        self.push(&format!("{} = ", column.quoted));
        let cast = match self.dialect {
            Dialect::Postgres if column.kind == "json" => "::json",
            Dialect::Postgres if column.kind == "jsonb" => "::jsonb",
            _ => "",
        };
        self.bind(Some(JsonList::dump(items)));
        self.push(cast);
    }
}

impl Table {
    /// The columns of a post, in the order in which they are read: NULL where the table has none.
    fn columns(&self, builder: &Builder) -> String {
        let of = |column: &Column| builder.text_of(column);
        let or_null = |column: &Option<Column>| column.as_ref().map_or_else(|| "NULL".to_owned(), of);
        let uploaded = match (&self.uploaded, self.dialect) {
            (Some(column), Dialect::Postgres) => format!("({})::text", column.quoted),
            (other, _) => or_null(other),
        };
        [
            of(&self.id),
            of(&self.username),
            or_null(&self.display),
            or_null(&self.date),
            of(&self.media),
            or_null(&self.local),
            of(&self.hub),
            uploaded,
        ]
        .join(", ")
    }

    /// Posts after an id, in bytewise order of ids.
    pub(super) fn page(&self, after: Option<&str>, limit: usize) -> Statement {
        let mut builder = Builder::new(self.dialect);
        let columns = self.columns(&builder);
        builder.push(&format!("SELECT {columns} FROM {} WHERE ", self.quoted));
        let key = self.order(&builder);
        builder.push(&format!("{key} > "));
        if self.dialect == Dialect::MySql {
            builder.push("CAST(");
        }
        builder.bind(Some(after.unwrap_or_default().to_owned()));
        if self.dialect == Dialect::MySql {
            builder.push(" AS BINARY)");
        }
        builder.push(&format!(" ORDER BY {key} LIMIT {limit}"));
        builder.done()
    }

    /// What ids are ordered by. A SQLite column of texts is taken as it is, so that its index serves.
    fn order(&self, builder: &Builder) -> String {
        let kind = &self.id.kind;
        match self.dialect {
            Dialect::Sqlite if kind.contains("char") || kind.contains("text") || kind.contains("clob") => {
                format!("{} COLLATE BINARY", self.id.quoted)
            }
            Dialect::Sqlite => format!("{} COLLATE BINARY", builder.text_of(&self.id)),
            Dialect::Postgres => format!("({} COLLATE \"C\")", builder.text_of(&self.id)),
            Dialect::MySql => builder.text_of(&self.id),
        }
    }

    /// One post.
    pub(super) fn one(&self, id: &str) -> Statement {
        let mut builder = Builder::new(self.dialect);
        let columns = self.columns(&builder);
        builder.push(&format!("SELECT {columns} FROM {} WHERE ", self.quoted));
        builder.is_id(&self.id, id);
        builder.done()
    }

    /// How many rows there are.
    pub(super) fn total(&self) -> Statement {
        let count = match self.dialect {
            Dialect::Sqlite => "CAST(COUNT(*) AS TEXT)",
            Dialect::Postgres => "COUNT(*)::text",
            Dialect::MySql => "CAST(COUNT(*) AS CHAR)",
        };
        Statement { sql: format!("SELECT {count} FROM {}", self.quoted), binds: Vec::new() }
    }

    /// Writes the columns of an update where each of them still holds what was read; `None` where there is
    /// nothing to write.
    pub(super) fn write(&self, key: &PostKey, expected: &Expected, update: &Update) -> Option<Statement> {
        let mut builder = Builder::new(self.dialect);
        builder.push(&format!("UPDATE {} SET ", self.quoted));
        let local = self.local.as_ref().zip(update.local.as_ref());
        let lists = [
            update.media.as_ref().map(|items| (&self.media, items, expected.media.clone())),
            local.map(|(column, items)| (column, items, expected.local.clone())),
            update.hub.as_ref().map(|items| (&self.hub, items, expected.hub.clone())),
        ];
        let mut first = true;
        for (column, items, _) in lists.iter().flatten() {
            builder.push(if std::mem::take(&mut first) { "" } else { ", " });
            builder.set(column, items);
        }
        if let Some((column, set)) = self.uploaded.as_ref().zip(update.uploaded) {
            builder.push(if std::mem::take(&mut first) { "" } else { ", " });
            let value = match (self.dialect, column.kind.as_str(), set) {
                (Dialect::Postgres, "boolean", true) => "TRUE",
                (Dialect::Postgres, "boolean", false) => "FALSE",
                (_, _, true) => "1",
                (_, _, false) => "0",
            };
            builder.push(&format!("{} = {value}", column.quoted));
        }
        if first {
            return None;
        }
        builder.push(" WHERE ");
        builder.is_id(&self.id, &key.id);
        for (column, _, raw) in lists.into_iter().flatten() {
            builder.push(" AND ");
            builder.still(column, raw);
        }
        Some(builder.done())
    }
}
