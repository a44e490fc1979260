//! The fold of a generation, where events can be counted here as they are counted there.

use fold::{Fold, FoldVersion, WindowSeconds};
use sqlx::PgConnection;

use super::FoldSettings;
use crate::read_models::generation::GenerationId;

/// How a generation counts.
pub(super) struct GenerationFold {
    pub(super) fold: Fold,
    pub(super) window: WindowSeconds,
}

/// The fold that builds a generation, or why there is none.
pub(super) async fn of(
    db: &mut PgConnection,
    generation: GenerationId,
    FoldSettings { key, window }: FoldSettings<'_>,
) -> sqlx::Result<Result<GenerationFold, String>> {
    let built_with = sqlx::query!(
        "select fold_version, sketch_key_id, event_id_window_s from generation where generation_id = $1",
        generation.0
    )
    .fetch_optional(db)
    .await?;
    let Some(built_with) = built_with else { return Ok(Err("it was dropped meanwhile".to_owned())) };
    if built_with.sketch_key_id != i64::from(key.id().0) {
        return Ok(Err("it was built with another SKETCH_KEY".to_owned()));
    }
    let seconds = i64::from(built_with.event_id_window_s);
    if seconds != i64::from(window.get()) {
        return Ok(Err(format!("it was built with an EVENT_ID_WINDOW_S of {seconds}")));
    }
    let version = FoldVersion::try_from(built_with.fold_version);
    let fold = version.map(|version| Fold::of_version(key.clone(), version));
    Ok(fold.map(|fold| GenerationFold { fold, window }).map_err(|err| err.to_string()))
}
