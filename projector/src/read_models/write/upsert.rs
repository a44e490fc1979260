//! Views and users, in one statement.

use sqlx::PgConnection;

use super::group_key::{Grains, Group};
use super::row_cache::State;
use super::users::Users;
use super::views::Views;
use crate::read_models::slice::Slice;

/// What one statement adds.
#[derive(Default)]
pub(super) struct Columns<'a> {
    views: Grains<Views<'a>>,
    users: Grains<Users<'a>>,
}

impl<'a> Columns<'a> {
    /// Takes in a group whose state is what is to be stored; `users` is what its sketch counts to, if that has changed.
    pub(super) fn push(&mut self, group: &Group<'a>, state: &State, keeps_top_paths: bool, users: Option<i64>) {
        self.views.of(group).push(group, keeps_top_paths.then(|| state.top_paths.to_json()));
        if let (Some(users), Some(sketch)) = (users, &state.sketch) {
            self.users.of(group).push(group, users, sketch.clone());
        }
    }

    pub(super) async fn add(self, db: &mut PgConnection, slice: Slice) -> sqlx::Result<()> {
        let Self { views, users } = self;
        sqlx::query_file!(
            "src/read_models/write/upsert.sql",
            slice.generation.0,
            slice.partition_id(),
            &views.daily.keys.site_id as &[&str],
            &views.daily.keys.event_type as &[&str],
            &views.daily.keys.day,
            &views.daily.added,
            &views.daily.top_paths as &[Option<String>],
            &views.total.keys.site_id as &[&str],
            &views.total.keys.event_type as &[&str],
            &views.total.added,
            &views.total.top_paths as &[Option<String>],
            &users.daily.keys.site_id as &[&str],
            &users.daily.keys.event_type as &[&str],
            &users.daily.keys.day,
            &users.daily.counts,
            &users.daily.sketches,
            &users.total.keys.site_id as &[&str],
            &users.total.keys.event_type as &[&str],
            &users.total.counts,
            &users.total.sketches,
        )
        .execute(db)
        .await?;
        Ok(())
    }
}
