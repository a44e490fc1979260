//! A rebuild of a large log under live traffic, with every projector killed on the way: what reports do meanwhile, and
//! whether everything is counted once in the end.

/// Clients that post at a steady rate.
mod live;

/// What reports take and how far the rebuild is, told on the way.
mod progress;

/// Reports, asked for at a steady rate.
mod readers;

/// The figures, and PASS or what is wrong.
mod outcome;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use launcher::build::{self, Profile};
use launcher::process::Process;
use sqlx::PgPool;
use tokio::time::{Instant, sleep, timeout};

pub use outcome::Outcome;
use readers::Phase;
use testkit::inputs::history::{self, Shape};
use testkit::observe::snapshot;
use testkit::stack::{DATABASE, Stack};

/// What is in the log, and what comes in.
const SHAPE: Shape = history::BUSY;

/// Slices of the log.
const PARTITIONS: u16 = 4;

/// Reports are measured for so long before the rebuild, and after it. Both are the usual: what a minute more or less of live
/// traffic does to them is not the rebuild's doing.
const QUIET: Duration = Duration::from_mins(1);

/// Time after the cutover that is not measured: Postgres vacuums what was built.
const SETTLE: Duration = Duration::from_secs(15);

/// Time at the beginning that is not measured: connections are made and statements planned.
const WARM_UP: Duration = Duration::from_secs(5);

/// A killed projector stays away for so long.
const DOWN: Duration = Duration::from_secs(1);

/// The whole of it has a bound, whatever is wrong.
const BOUND: Duration = Duration::from_mins(45);

/// Between two looks at how far the rebuild is.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// Rebuilds the read models of a large log while events come in, kills every projector twice on the way, and shows what
/// reports did meanwhile.
#[derive(Clone, Debug, Parser)]
#[command(name = "rebuild_drill")]
pub struct Options {
    /// Events in the log before anything else happens
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(100_000..=100_000_000))]
    pub events: u64,

    /// Events a second that come in meanwhile
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(100..=10_000))]
    pub live: u32,

    /// Events a second that are rebuilt at most; as fast as it goes unless given
    #[arg(long)]
    pub throttle: Option<u32>,

    /// How many times its usual p99 a report may take meanwhile
    #[arg(long, default_value_t = 2.0)]
    pub slowdown_max: f64,
}

/// Everything that runs.
struct Run {
    options: Options,
    stack: Stack,
    pool: PgPool,
    is_over: Cell<bool>,
    phase: Cell<Phase>,
    /// What reports took since it was told last, in milliseconds.
    recent: RefCell<Vec<f64>>,
}

/// How long the steps took.
#[derive(Debug, Default)]
struct Times {
    first_fold: Duration,
    rebuild: Duration,
}

/// Runs all of it.
///
/// # Errors
///
/// The stack cannot be started, or a step takes too long. What is wrong with the counting is in the outcome.
pub async fn run(options: Options) -> Result<Outcome> {
    let stack = Stack::servers_for(build::services(Profile::Release).await?).await?;
    let pool = stack.database(DATABASE)?;
    let mut run = Run {
        options,
        stack,
        pool,
        is_over: Cell::new(false),
        phase: Cell::new(Phase::WarmUp),
        recent: RefCell::default(),
    };
    let ended = timeout(BOUND, run.run()).await.with_context(|| format!("not at its end within {BOUND:?}"));
    ended.flatten().map_err(|err| {
        let folder = run.stack.keep_folder();
        err.context(format!("logs and data are in {}", folder.display()))
    })
}

impl Run {
    async fn run(&self) -> Result<Outcome> {
        let _ingest = self.stack.ingest(&[("PARTITIONS", &PARTITIONS.to_string())]).await?;
        let history = SHAPE.fill(&self.stack.log().await?, PARTITIONS, self.options.events).await?;
        let mut projectors = vec![self.projector("projector-a")?, self.projector("projector-b")?];
        let _query = self.stack.query().await?;
        let begun = Instant::now();
        self.stack.drained(DATABASE).await?;
        let first_fold = begun.elapsed();
        println!("folded for the first time in {:.1} s", first_fold.as_secs_f64());
        // As after a day. Otherwise Postgres would get to it some time later, and reports would be slower for that.
        sqlx::query("vacuum (analyze)").execute(&self.pool).await?;

        let storm = async {
            let took = self.rebuild(&mut projectors).await;
            self.is_over.set(true);
            took
        };
        let (took, live, readings, ()) =
            tokio::join!(storm, live::post(self), readers::read(self), progress::tell(self));
        let rebuild = took?;
        self.stack.drained(DATABASE).await?;
        let counted = snapshot::views_by_path(&self.pool, "").await?.values().sum::<i64>();
        let generations = sqlx::query_as("select generation_id, status from generation order by generation_id");
        Ok(Outcome {
            options: self.options.clone(),
            times: Times { first_fold, rebuild },
            acknowledged: history + live.acknowledged,
            counted: u64::try_from(counted)?,
            live,
            readings,
            generations: generations.fetch_all(&self.pool).await?,
        })
    }

    fn projector(&self, name: &str) -> Result<Process> {
        Ok(self.stack.projector_named(name, DATABASE, &[])?.process)
    }

    /// Measures for a while, rebuilds with every projector killed twice, and measures for a while after.
    async fn rebuild(&self, projectors: &mut [Process]) -> Result<Duration> {
        sleep(WARM_UP).await;
        self.phase.set(Phase::Usual);
        sleep(QUIET).await;
        self.phase.set(Phase::Rebuilding);
        let begun = Instant::now();
        let throttle = self.options.throttle.map(|throttle| throttle.to_string());
        let mut arguments = vec!["rebuild", "--detach"];
        if let Some(throttle) = &throttle {
            arguments.extend(["--throttle", throttle]);
        }
        print!("{}", self.stack.operate(&arguments).await?);
        for round in 1..=2 {
            self.wait_until_built(round * 3, 10).await?;
            for (number, name) in ["projector-a", "projector-b"].into_iter().enumerate() {
                projectors[number].kill().await;
                sleep(DOWN).await;
                projectors[number] = self.projector(name)?;
            }
            println!(
                "killed both projectors, one after the other, {:.0} s into the rebuild",
                begun.elapsed().as_secs_f64()
            );
        }
        while !self.is_switched().await? {
            sleep(LOOK_PAUSE).await;
        }
        let rebuilt_in = begun.elapsed();
        println!("switched after {:.1} s", rebuilt_in.as_secs_f64());
        self.phase.set(Phase::Settling);
        sleep(SETTLE).await;
        self.phase.set(Phase::After);
        sleep(QUIET).await;
        Ok(rebuilt_in)
    }

    /// Waits until so many of so many parts of all events are built.
    async fn wait_until_built(&self, parts: i64, of: i64) -> Result<()> {
        loop {
            let (built, active) = self.built().await?;
            if built * of >= active * parts {
                return Ok(());
            }
            ensure!(
                !self.is_switched().await?,
                "the rebuild was over before every projector was killed: take more events"
            );
            sleep(LOOK_PAUSE).await;
        }
    }

    /// Events in the generation that is built, and in the active one.
    async fn built(&self) -> Result<(i64, i64)> {
        let built = "select coalesce(sum(c.events) filter (where g.status in ('building', 'ready')), 0)::bigint,
                            coalesce(sum(c.events) filter (where g.status = 'active'), 0)::bigint
                     from checkpoint c join generation g using (generation_id)";
        Ok(sqlx::query_as(built).fetch_one(&self.pool).await?)
    }

    async fn is_switched(&self) -> Result<bool> {
        let active = sqlx::query_scalar("select exists (select from generation where status = 'retired')");
        Ok(active.fetch_one(&self.pool).await?)
    }
}
