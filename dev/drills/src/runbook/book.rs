//! The file, read: sections, blocks, and comments that are meant for us.

use anyhow::{Context, Result, ensure};

use super::act::Act;
use super::expectation::Expectation;

/// How often a script is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Once: it does something.
    None,
    /// Until it prints what is expected: what it shows takes a moment.
    Soon,
}

/// A section that has something to do in it.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) title: String,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug)]
pub(super) enum Step {
    /// At the shell.
    Command(Command),
    /// Elsewhere.
    Act { line: usize, act: Act },
}

/// A script, and what is known of what it prints.
#[derive(Debug)]
pub(super) struct Command {
    /// Where it stands in the file, from 1.
    pub(super) line: usize,
    pub(super) script: String,
    pub(super) expectation: Option<Expectation>,
    pub(super) patience: Patience,
}

/// A fenced block.
struct Block<'a> {
    line: usize,
    info: &'a str,
    text: String,
}

/// Sections in their order; those without a step are left out.
///
/// # Errors
///
/// Something is not in its place; the message says where.
pub(super) fn read(text: &str) -> Result<Vec<Recipe>> {
    let mut recipes = vec![Recipe { title: String::new(), steps: vec![] }];
    let mut lines = text.lines().zip(1..);
    while let Some((text, line)) = lines.next() {
        let recipe = recipes.last_mut().expect("there is one from the beginning");
        if let Some(title) = text.strip_prefix("## ") {
            recipes.push(Recipe { title: title.to_owned(), steps: vec![] });
        } else if let Some(info) = text.strip_prefix("```") {
            let inside = lines.by_ref().map_while(|(text, _)| (text != "```").then(|| format!("{text}\n")));
            recipe.add(Block { line, info, text: inside.collect() }).with_context(|| format!("line {line}"))?;
        } else if let Some(comment) = text.strip_prefix("<!-- recipes: ") {
            let act = comment.strip_suffix(" -->").and_then(Act::named);
            let act = act.with_context(|| format!("line {line}: this act is unknown: {text}"))?;
            recipe.steps.push(Step::Act { line, act });
        }
    }
    recipes.retain(|recipe| !recipe.steps.is_empty());
    ensure!(!recipes.is_empty(), "there is no recipe in it");
    Ok(recipes)
}

impl Recipe {
    fn add(&mut self, block: Block<'_>) -> Result<()> {
        let Block { line, info, text } = block;
        let patience = match info {
            "sh" => {
                let command = Command { line, script: text, expectation: None, patience: Patience::None };
                self.steps.push(Step::Command(command));
                return Ok(());
            }
            "text" => Patience::None,
            "text soon" => Patience::Soon,
            _ => return Ok(()),
        };
        let Some(Step::Command(command @ Command { expectation: None, .. })) = self.steps.last_mut() else {
            anyhow::bail!("there is no script that prints this");
        };
        command.expectation = Some(Expectation::of(&text));
        command.patience = patience;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_a_recipe_if_there_is_something_to_do_in_it() {
        let text = "# Title\n\n## First\n\n```sh\nnats a\nnats b\n```\n\n```text soon\n…\n```\n\n## Words\n\n```json\n{}\n```\n
## Second\n\n<!-- recipes: ingest stops -->\n\n```sh elsewhere\nrm\n```\n";
        let recipes = read(text).expect("two recipes");
        assert_eq!(recipes.iter().map(|recipe| recipe.title.as_str()).collect::<Vec<_>>(), ["First", "Second"]);
        let [Step::Command(command)] = recipes[0].steps.as_slice() else { panic!("{recipes:?}") };
        assert_eq!((command.line, command.script.as_str()), (5, "nats a\nnats b\n"));
        assert!(command.expectation.is_some() && command.patience == Patience::Soon);
        let [Step::Act { act, .. }] = recipes[1].steps.as_slice() else { panic!("{recipes:?}") };
        assert_eq!(*act, Act::StopIngest);
    }

    #[test]
    fn what_is_not_in_its_place_is_named() {
        for (text, said) in
            [("## A\n```text\nx\n```", "line 2"), ("## A\n<!-- recipes: dance -->", "line 2"), ("## A\n", "no recipe")]
        {
            let err = format!("{:#}", read(text).expect_err(text));
            assert!(err.contains(said), "{err}");
        }
    }
}
