//! The list of read models. Statements that are alike for all tables are made from it: those that add names, checksums, rows
//! in the order of keys, and the search for remains of an erasure. A test compares the list with the schema.

use std::sync::LazyLock;

use fold::Dimension;

/// A table of read models, or a column of one that a later fold version has added.
#[derive(Debug, PartialEq, Eq)]
pub struct Model {
    /// The name that operators read.
    pub name: String,
    /// The table in the schema, or an expression like one.
    pub table: String,
    /// Columns of the primary key between `generation_id` and `partition_id`: `day` is a date, others are texts.
    pub keys: Vec<&'static str>,
    /// What a row says about its key.
    pub value: Value,
    /// The fold version that counts it first.
    pub since: i32,
}

/// Columns beside the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Count(&'static str),
    /// A sketch of users, and their estimated number.
    Sketch(&'static str, &'static str),
    /// A JSON list, or null.
    List(&'static str),
}

/// Two models with the same values: one of each day, and one of all time.
struct Grains {
    name: &'static str,
    /// Columns of the key beside site, event type and day.
    names: &'static [&'static str],
    value: Value,
    since: i32,
}

/// Parked events under one text that says where in the log they are. Those that were counted after a fix are in the other
/// tables.
const PARKED: &str = "(
    select generation_id, partition_id, 1::bigint as events,
        (to_char(stream_sequence, 'FM0000000000000000000') || ' line ' || line
            || case when superseded_by <> 0 then ' before acknowledgement ' || superseded_by else '' end)
            collate \"C\" as place
    from parked_event
    where state <> 'counted'
) as parked";

static NAMED: LazyLock<[[Model; 2]; Dimension::ALL.len()]> = LazyLock::new(|| {
    Dimension::ALL.map(|dimension| {
        let (name, names) = of_names(dimension);
        Grains { name, names, value: Value::Count("views"), since: dimension.since().number() }.models()
    })
});

static OTHERS: LazyLock<Vec<Model>> = LazyLock::new(|| {
    let grains = |name, value, since| Grains { name, names: &[], value, since }.models();
    let single = |name: &str, table: &str, key, count| {
        let (name, table) = (name.to_owned(), table.to_owned());
        Model { name, table, keys: vec![key], value: Value::Count(count), since: 2 }
    };
    let models = [
        grains("view", Value::Count("views"), 2),
        grains("user", Value::Sketch("sketch", "users"), 2),
        grains("view", Value::List("top_paths"), 4),
        [
            single("repeat_total", "repeat_total", "site_id", "repeats"),
            single("parked_event", PARKED, "place", "events"),
        ],
    ];
    models.into_iter().flatten().collect()
});

/// What the tables of a dimension are called, and the columns of its names.
fn of_names(dimension: Dimension) -> (&'static str, &'static [&'static str]) {
    match dimension {
        Dimension::Path => ("path", &["path"]),
        Dimension::Referrer => ("referrer", &["kind", "host"]),
    }
}

/// Columns of a dimension's names.
pub(crate) fn columns(dimension: Dimension) -> &'static [&'static str] {
    of_names(dimension).1
}

/// Tables of a dimension: of days, and of all time.
pub(crate) fn of(dimension: Dimension) -> &'static [Model; 2] {
    &NAMED[dimension as usize]
}

/// All models, in the order in which they are compared. Summaries of months are none: they are compared with their days.
pub fn all() -> impl Iterator<Item = &'static Model> {
    NAMED.as_flattened().iter().chain(&*OTHERS)
}

impl Grains {
    fn models(&self) -> [Model; 2] {
        [("daily", &["day"][..]), ("total", &[])].map(|(grain, day)| {
            let table = format!("{}_{grain}", self.name);
            let name = if let Value::List(column) = self.value { format!("{table}.{column}") } else { table.clone() };
            let keys = [&["site_id", "event_type"], day, self.names].concat();
            Model { name, table, keys, value: self.value, since: self.since }
        })
    }
}

impl Model {
    /// Whether its key has a column.
    pub(crate) fn has_key(&self, column: &str) -> bool {
        self.keys.contains(&column)
    }

    /// Whether its rows are lists, in the place of sketches.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }

    /// The number of a row, in SQL.
    pub(crate) fn count(&self) -> &'static str {
        match self.value {
            Value::Count(count) | Value::Sketch(_, count) => count,
            Value::List(_) => "0::bigint",
        }
    }

    /// The sketch of a row, or its list, in SQL.
    pub(crate) fn sketch(&self) -> String {
        match self.value {
            Value::Count(_) => "null::bytea".to_owned(),
            Value::Sketch(sketch, _) => sketch.to_owned(),
            Value::List(list) => format!("convert_to({list}::text, 'UTF8')"),
        }
    }

    /// Whether a row is compared, in SQL.
    pub(crate) fn is_compared(&self) -> String {
        if let Value::List(list) = self.value { format!("{list} is not null") } else { "true".to_owned() }
    }
}
