use std::collections::BTreeMap;

use projector::read_models::tables::{self, Value};

use crate::commit::Database;

/// Tables with rows of generations that are no function of the log, or are compared in another way.
const OTHERS: [&str; 8] = [
    "acknowledgement",
    "checkpoint",
    "erasure",
    "generation",
    "month_summary",
    "parked_event",
    "projector_instance",
    "recent_event_id",
];

/// What the list says of each table: the primary key, and the types of its columns.
fn listed() -> BTreeMap<String, (Vec<String>, BTreeMap<String, String>)> {
    let mut tables = BTreeMap::<_, (Vec<String>, BTreeMap<String, String>)>::new();
    for model in tables::all().filter(|model| !model.table.contains("parked_event")) {
        let key = [&["generation_id"], model.keys.as_slice(), &["partition_id"]].concat();
        let type_of = |column| match column {
            "generation_id" | "partition_id" => "integer",
            "day" => "date",
            _ => "text",
        };
        let values = match model.value {
            Value::Count(count) => vec![(count, "bigint")],
            Value::Sketch(sketch, users) => vec![(sketch, "bytea"), (users, "bigint")],
            Value::List(list) => vec![(list, "json")],
        };
        let (known, columns) = tables.entry(model.table.clone()).or_default();
        *known = key.iter().map(|column| (*column).to_owned()).collect();
        let typed = key.iter().map(|column| (*column, type_of(column))).chain(values);
        columns.extend(typed.map(|(column, sql_type)| (column.to_owned(), sql_type.to_owned())));
    }
    tables
}

#[tokio::test]
async fn the_list_of_tables_is_that_of_the_schema() {
    let database = Database::start().await;
    let columns: Vec<(String, String, String, Option<i64>)> = sqlx::query_as(
        "select relname::text, attname::text, format_type(atttypid, null),
             array_position(conkey::int[], attnum::int)::bigint
         from pg_class
         join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
         left join pg_constraint on conrelid = pg_class.oid and contype = 'p'
         where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
           and exists (select from pg_attribute where attrelid = pg_class.oid and attname = 'generation_id')
           and relname <> all ($1)
         order by 4",
    )
    .bind(OTHERS)
    .fetch_all(&database.pool)
    .await
    .expect("Postgres answers");
    let mut tables = BTreeMap::<_, (Vec<String>, BTreeMap<String, String>)>::new();
    for (table, column, sql_type, place) in columns {
        let (key, columns) = tables.entry(table).or_default();
        key.extend(place.map(|_| column.clone()));
        columns.insert(column, sql_type);
    }
    assert_eq!(listed(), tables);
}
