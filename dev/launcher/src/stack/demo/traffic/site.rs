//! Sites of the demo, with their pages and busy hours.

/// A site of the demo.
pub(crate) struct Site {
    pub(crate) id: &'static str,
    pub(super) visits_per_day: u32,
    /// Number of different visitors.
    pub(super) users: u32,
    /// Popular pages, the most popular first.
    pages: &'static [&'static str],
    /// Further pages: a prefix, and their number.
    archive: (&'static str, u32),
    /// Event types other than page views, and their paths.
    pub(super) goals: &'static [(&'static str, &'static str)],
}

impl Site {
    pub(super) fn paths_count(&self) -> u32 {
        u32::try_from(self.pages.len()).expect("a handful") + self.archive.1
    }

    /// The path of this rank.
    pub(super) fn path(&self, rank: u32) -> String {
        match self.pages.get(rank as usize) {
            Some(page) => (*page).to_owned(),
            None => format!("{}{}", self.archive.0, rank - u32::try_from(self.pages.len()).expect("a handful") + 1),
        }
    }
}

/// All sites, the busiest first.
pub(crate) const SITES: [Site; 5] = [
    Site {
        id: "blog",
        visits_per_day: 260,
        users: 2_600,
        pages: &["/", "/blog/why-replay", "/blog/exactly-once", "/about", "/blog/sketches", "/archive"],
        archive: ("/blog/post-", 180),
        goals: &[("newsletter_signup", "/"), ("share", "/blog/exactly-once")],
    },
    Site {
        id: "shop",
        visits_per_day: 190,
        users: 1_900,
        pages: &["/", "/pricing", "/cart", "/products/mug", "/products/shirt", "/checkout", "/products"],
        archive: ("/products/", 90),
        goals: &[("add_to_cart", "/cart"), ("purchase", "/checkout"), ("search", "/products")],
    },
    Site {
        id: "docs",
        visits_per_day: 150,
        users: 900,
        pages: &["/", "/getting-started", "/api", "/api/events", "/api/stats", "/faq"],
        archive: ("/reference/", 120),
        goals: &[("search", "/"), ("copy_code", "/getting-started")],
    },
    Site {
        id: "app",
        visits_per_day: 90,
        users: 240,
        pages: &["/login", "/dashboard", "/reports", "/settings", "/reports/daily"],
        archive: ("/reports/", 40),
        goals: &[("export", "/reports"), ("invite", "/settings")],
    },
    Site {
        id: "careers",
        visits_per_day: 25,
        users: 500,
        pages: &["/", "/jobs", "/life"],
        archive: ("/jobs/", 14),
        goals: &[("application", "/jobs")],
    },
];

/// Traffic by weekday, from Monday to Sunday.
pub(super) const WEEKDAY_PERCENT: [u32; 7] = [108, 116, 118, 114, 100, 72, 72];

/// Traffic by hour of the day, UTC.
pub(super) const HOUR_WEIGHTS: [u32; 24] =
    [8, 6, 5, 4, 5, 8, 14, 24, 36, 46, 50, 48, 42, 46, 52, 54, 50, 44, 40, 42, 40, 32, 22, 13];
