//! The rights of the processes' roles, as migrations grant them. They are asked for after each migration: what was restored
//! without its privileges, or hardened, looks complete to its owner alone.

use anyhow::ensure;
use sqlx::{AssertSqlSafe, PgConnection};

use super::MIGRATOR;

/// The roles of projector and query.
const ROLES: [&str; 2] = ["tidemark_projector", "tidemark_query"];

/// One right of one role.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Right {
    privilege: String,
    object: Object,
    role: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Object {
    Database,
    Schema,
    Relation(String),
    Function(String),
}

/// Gives the roles what they lack of their rights.
pub(super) async fn restore(db: &mut PgConnection) -> anyhow::Result<()> {
    for right in rights() {
        if right.is_there(db).await? {
            continue;
        }
        let grant = right.grant(db).await?;
        let granted = sqlx::raw_sql(AssertSqlSafe(grant.clone())).execute(&mut *db).await;
        ensure!(
            granted.is_ok() && right.is_there(db).await?,
            "the role {} lacks a right that it needs, and the user of DATABASE_URL may not give it; as the owner of the \
             database, run: {grant}",
            right.role
        );
        tracing::info!(role = right.role, grant, "Gave a right that was missing");
    }
    Ok(())
}

/// All rights that roles need: access to the database and its schema, and what migrations grant.
fn rights() -> Vec<Right> {
    let access = |role: &&str| {
        let right =
            |privilege: &str, object| Right { privilege: privilege.to_owned(), object, role: (*role).to_owned() };
        [right("connect", Object::Database), right("usage", Object::Schema)]
    };
    let granted = MIGRATOR.iter().flat_map(|migration| granted(migration.sql.as_str()));
    ROLES.iter().flat_map(access).chain(granted).collect()
}

/// What the statements of a migration grant: `grant select, insert on a, b to c, d`.
fn granted(migration: &str) -> Vec<Right> {
    let lines = migration.lines().filter(|line| !line.trim_start().starts_with("--"));
    let statements = lines.collect::<Vec<_>>().join(" ");
    statements.split(';').filter_map(|statement| statement.trim().strip_prefix("grant ")).flat_map(parsed).collect()
}

fn parsed(grant: &str) -> Vec<Right> {
    let (privileges, rest) = grant.split_once(" on ").expect("a migration grants rights on something");
    let (objects, roles) = rest.rsplit_once(" to ").expect("a migration grants rights to a role");
    let objects: Vec<_> = match objects.trim().strip_prefix("function ") {
        Some(function) => vec![Object::Function(function.trim().to_owned())],
        None => listed(objects).map(Object::Relation).collect(),
    };
    let mut rights = Vec::new();
    for role in listed(roles) {
        for object in &objects {
            let right = |privilege| Right { privilege, object: object.clone(), role: role.clone() };
            rights.extend(listed(privileges).map(right));
        }
    }
    rights
}

fn listed(names: &str) -> impl Iterator<Item = String> {
    names.split(',').map(|name| name.trim().to_owned())
}

impl Right {
    /// Whether the role has it, or a later migration has dropped what it was about.
    async fn is_there(&self, db: &mut PgConnection) -> sqlx::Result<bool> {
        let Self { privilege, object, role } = self;
        let question = match object {
            Object::Database => "select has_database_privilege($1::name, current_database(), $2) and $3 = ''",
            Object::Schema => "select has_schema_privilege($1::name, 'public', $2) and $3 = ''",
            Object::Relation(_) => "select coalesce(has_table_privilege($1::name, to_regclass($3)::oid, $2), true)",
            Object::Function(_) => {
                "select coalesce(has_function_privilege($1::name, to_regprocedure($3)::oid, $2), true)"
            }
        };
        let asked = sqlx::query_scalar(question).bind(role).bind(privilege).bind(object.name());
        asked.fetch_one(db).await
    }

    /// The statement that gives it.
    async fn grant(&self, db: &mut PgConnection) -> sqlx::Result<String> {
        let Self { privilege, object, role } = self;
        let object = match object {
            Object::Database => {
                let database = sqlx::query_scalar("select quote_ident(current_database())");
                format!("database {}", database.fetch_one(db).await.map(|name: String| name)?)
            }
            Object::Schema => "schema public".to_owned(),
            Object::Relation(name) => name.clone(),
            Object::Function(name) => format!("function {name}"),
        };
        Ok(format!("grant {privilege} on {object} to {role}"))
    }
}

impl Object {
    fn name(&self) -> &str {
        match self {
            Self::Database | Self::Schema => "",
            Self::Relation(name) | Self::Function(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_read_out_of_migrations() {
        let migration = "-- grant nothing on this to x;\ngrant select, update on a,\n    b to x, y;\ncreate table c ();\n\
                         grant execute on function f(int, text) to x;";
        let rights = granted(migration);
        assert_eq!(rights.len(), 9);
        let update = |name: &str, role: &str| Right {
            privilege: "update".to_owned(),
            object: Object::Relation(name.to_owned()),
            role: role.to_owned(),
        };
        assert!(rights.contains(&update("b", "y")) && rights.contains(&update("a", "x")), "{rights:?}");
        assert_eq!(rights[8].object, Object::Function("f(int, text)".to_owned()));
        assert_eq!((rights[8].privilege.as_str(), rights[8].role.as_str()), ("execute", "x"));
    }

    #[test]
    fn each_role_has_rights_on_tables() {
        for role in ROLES {
            let of_tables = |right: &&Right| right.role == role && matches!(right.object, Object::Relation(_));
            assert!(rights().iter().filter(of_tables).count() > 10, "{role}");
        }
        assert!(rights().iter().all(|right| ROLES.contains(&right.role.as_str())));
    }
}
