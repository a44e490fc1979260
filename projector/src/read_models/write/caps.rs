//! Which names of a batch are beyond their site's caps: those are counted as `(other)`.
//!
//! Read models themselves say which names a site has, so nothing else has to be stored. What is remembered between two
//! commits are upper bounds: as long as a bound and all names of a batch stay below the cap, nothing is asked, and that is the
//! usual case. Only where they do not are the site's rows counted, and only close to the cap is each name of the batch looked
//! up. New names have rows in the order of their first events in the log, until the cap is reached.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use contract::field::OTHER;
use fold::{Caps, Others, Sorted, far_month};
use sqlx::PgConnection;

use crate::read_models::slice::Slice;

/// A batch, site by site.
mod batch;

/// How many names there are at most.
mod bound;

/// How many events are beyond caps.
mod capped;

/// What rows say of names.
mod stored;

use batch::{SiteBatch, sites};
use bound::NameBounds;
pub(crate) use capped::Capped;
use stored::Names;

/// Sites, types, months and days that are remembered, of 150 bytes or less: 8 MiB a slice.
const REMEMBERED_MAX: usize = 50_000;

/// What is remembered of the sites of a slice.
#[derive(Debug, Default)]
pub(super) struct CapCache {
    sites: HashMap<String, SiteBounds>,
}

#[derive(Debug, Default)]
struct SiteBounds {
    /// Events of the site before the batch: it has no more names of anything.
    views: u64,
    types: BTreeSet<String>,
    /// Months of the far past; none if they were not read yet.
    far_months: Option<BTreeSet<i32>>,
    /// Bounds of all days; none if they were not counted yet.
    total: Option<NameBounds>,
    /// Bounds of days that were counted since the site had as many events as the caps of days allow names.
    daily: BTreeMap<NaiveDate, NameBounds>,
}

/// A batch under the names that are counted, where some are others than in the log.
#[derive(Default)]
pub(super) struct Renamed {
    pub(super) daily: Option<Sorted>,
    pub(super) total: Option<Sorted>,
}

impl CapCache {
    /// The batch with types and days within the caps.
    pub(super) async fn cap_types<'a>(
        &mut self,
        db: &mut PgConnection,
        slice: Slice,
        caps: Caps,
        sorted: &'a Sorted,
    ) -> sqlx::Result<Cow<'a, Sorted>> {
        let sites = sites(sorted);
        self.read(&mut *db, slice, &sites).await?;
        let mut others = Others::default();
        for site in &sites {
            let known = self.sites.get_mut(site.site_id).expect("it was read");
            let types = site.firsts(|group| Some(group.event_type));
            others.types.extend(known.new_types(types, caps.types).map(|event_type| (site.site_id, event_type)));
            let months = site.firsts(|group| group.day.and_then(far_month));
            if !months.is_empty() {
                if known.far_months.is_none() {
                    known.far_months = Some(stored::far_months(&mut *db, slice, site.site_id).await?);
                }
                let known = known.far_months.get_or_insert_default();
                others.far_months.extend(new_months(known, months, caps.far_months).map(|month| (site.site_id, month)));
            }
        }
        Ok(if others.is_empty() { Cow::Borrowed(sorted) } else { Cow::Owned(sorted.renamed(&others)) })
    }

    /// The batch with the names of each dimension within the caps; its types and days are.
    pub(super) async fn cap_names(
        &mut self,
        db: &mut PgConnection,
        slice: Slice,
        caps: Caps,
        sorted: &Sorted,
    ) -> sqlx::Result<Renamed> {
        let (mut daily, mut total) = (Others::default(), Others { of_all_days: true, ..Others::default() });
        for site in sites(sorted) {
            let known = self.sites.get_mut(site.site_id).expect("it was read");
            let views_before = known.views;
            known.views += site.groups.iter().map(|group| group.counts.views()).sum::<u64>();
            let all: Vec<_> = site.groups.iter().collect();
            let place = Names { db: &mut *db, slice, site_id: site.site_id, day: None, types: &known.types };
            let bounds = known.total.get_or_insert_with(|| NameBounds::of(views_before));
            bounds.cap(place, caps, &all, &mut total).await?;
            if caps.names.iter().all(|caps| known.views <= caps.daily) {
                continue;
            }
            let days = site.by_day();
            let place = Names { db: &mut *db, slice, site_id: site.site_id, day: None, types: &known.types };
            read_days(place, &mut known.daily, days.keys().copied()).await?;
            for (day, groups) in days {
                let place = Names { db: &mut *db, slice, site_id: site.site_id, day: Some(day), types: &known.types };
                let bounds = known.daily.get_mut(&day).expect("it was read");
                bounds.cap(place, caps, &groups, &mut daily).await?;
            }
        }
        let renamed = |others: Others<'_>| (!others.is_empty()).then(|| sorted.renamed(&others));
        Ok(Renamed { daily: renamed(daily), total: renamed(total) })
    }

    /// Reads what is not remembered.
    async fn read(&mut self, db: &mut PgConnection, slice: Slice, sites: &[SiteBatch<'_>]) -> sqlx::Result<()> {
        let remembered = self.sites.values().map(SiteBounds::len).sum::<usize>();
        if remembered > REMEMBERED_MAX {
            *self = Self::default();
        }
        let unknown: Vec<&str> =
            sites.iter().map(|site| site.site_id).filter(|site_id| !self.sites.contains_key(*site_id)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        for site_id in &unknown {
            self.sites.insert((*site_id).to_owned(), SiteBounds::default());
        }
        for row in stored::types(db, slice, &unknown).await? {
            let known = self.sites.entry(row.site_id).or_default();
            known.views += u64::try_from(row.views).unwrap_or(0);
            if row.event_type != OTHER {
                known.types.insert(row.event_type);
            }
        }
        Ok(())
    }
}

impl SiteBounds {
    fn len(&self) -> usize {
        1 + self.types.len() + self.far_months.as_ref().map_or(0, BTreeSet::len) + self.daily.len()
    }

    /// Takes in types in the order of their first events, and answers those that there is no room for.
    fn new_types<'a>(&mut self, types: Vec<&'a str>, cap: u64) -> impl Iterator<Item = &'a str> {
        types.into_iter().filter(move |event_type| {
            let is_known = self.types.contains(*event_type);
            let has_room = (self.types.len() as u64) < cap;
            if !is_known && has_room {
                self.types.insert((*event_type).to_owned());
            }
            !is_known && !has_room
        })
    }
}

/// Bounds of a site's days that are not remembered, by their events: one statement, however many they are.
async fn read_days(
    mut place: Names<'_, '_>,
    known: &mut BTreeMap<NaiveDate, NameBounds>,
    days: impl Iterator<Item = NaiveDate>,
) -> sqlx::Result<()> {
    let unknown: Vec<_> = days.filter(|day| !known.contains_key(day)).collect();
    let (Some(first), Some(last)) = (unknown.first(), unknown.last()) else { return Ok(()) };
    let views = place.day_views(*first..=*last).await?;
    known.extend(unknown.iter().map(|day| (*day, NameBounds::of(views.get(day).copied().unwrap_or(0)))));
    Ok(())
}

/// Takes in months in the order of their first events, and answers those that there is no room for.
fn new_months(known: &mut BTreeSet<i32>, months: Vec<i32>, cap: u64) -> impl Iterator<Item = i32> {
    months.into_iter().filter(move |month| {
        let is_known = known.contains(month);
        let has_room = (known.len() as u64) < cap;
        if !is_known && has_room {
            known.insert(*month);
        }
        !is_known && !has_room
    })
}
