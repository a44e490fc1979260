//! What leads an operator's shell to a stack.

use std::path::Path;

use launcher::stack::environment::{Access, Environment};

use super::services::SKETCH_KEY;
use super::{DATABASE, PROJECTOR_PASSWORD, Stack};

impl Stack {
    /// The variables that `cargo run` leaves in `.tidemark/env`, for this stack.
    pub fn environment(&self, nats_cli: &Path) -> Environment {
        let folder = |program: &Path| program.parent().expect("a program lies in a folder").to_owned();
        Environment::of(Access {
            nats: &self.nats,
            postgres: &self.postgres,
            database: DATABASE,
            projector_password: PROJECTOR_PASSWORD,
            sketch_key: SKETCH_KEY,
            folders: vec![folder(nats_cli), folder(&self.programs.projector)],
        })
    }
}
